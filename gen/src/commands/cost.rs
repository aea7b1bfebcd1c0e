//! `bitmill cost`: area, energy and clock of a design by component, and of several side by side.

mod compare;
mod fabric;
mod page;
mod picture;
mod priced;

use std::error::Error;
use std::path::PathBuf;

use clap::Args;
use serde_json::Value;

use crate::output::{print, write_file};
use crate::source::SourceArgs;
use crate::technology;
use crate::workload::{Model, ModelArgs};

pub use page::{by_component, page, tree};
pub use priced::Priced;

const EXAMPLES: &str = "\
Examples:
  bitmill cost examples/digits_int8.yaml
  bitmill cost my.yaml --technology asap7 --model net.onnx --calibration inputs.npy
  bitmill cost examples/digits_int8.yaml examples/digits_int4.yaml --svg costs.svg    side by side
  bitmill cost --unit pe_integer --set weight=int4 --technology sg13g2 --json
  bitmill cost examples/digits_int8.yaml --technology ecp5    LUTs, flip-flops, DSPs and block RAMs of an FPGA, and its clock

`bitmill technology` lists cell libraries and FPGA families. Figures come from coefficients that were fitted to whole synthesised
designs, and the error on others is given: of cells before layout (docs/cost_model.md).";

/// Estimates area, energy and clock by component.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub struct CostArgs {
    #[command(flatten)]
    source: SourceArgs,
    /// Further configurations, to be set side by side
    #[arg(value_name = "CONFIG", conflicts_with = "unit")]
    others: Vec<PathBuf>,
    /// Process and cell library, or FPGA family
    #[arg(long, value_name = "NAME", default_value = "sky130hd")]
    technology: String,
    /// Levels of the tree that are printed
    #[arg(long, default_value_t = 2)]
    depth: usize,
    /// Write the whole tree as CSV, or a line a configuration of several
    #[arg(long, value_name = "FILE")]
    csv: Option<PathBuf>,
    /// Draw area and energy by component as stacked bars
    #[arg(long, value_name = "FILE")]
    svg: Option<PathBuf>,
    /// Print JSON
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    model: ModelArgs,
}

/// Runs `bitmill cost`.
///
/// # Errors
/// What is wrong with the request, or a network that does not fit.
pub fn run(args: &CostArgs) -> Result<(), Box<dyn Error>> {
    if let Some(family) = technology::family(&args.technology)? {
        return fabric::run(args, &family);
    }
    let technology = technology::find(&args.technology)?;
    let model = Model::load(&args.model)?;
    let is_wanted = args.model.model.is_some();
    let priced = sources(args)
        .iter()
        .map(|source| Priced::of(source.load()?.0, &technology, &model, is_wanted))
        .collect::<Result<Vec<Priced>, Box<dyn Error>>>()?;
    if let Some(path) = &args.svg {
        write_file(path, picture::svg(&priced).as_bytes())?;
    }
    if let Some(path) = &args.csv {
        let text = if let [one] = &priced[..] { page::csv(one) } else { compare::csv(&priced) };
        write_file(path, text.as_bytes())?;
    }
    let text = match &priced[..] {
        [one] if args.json => format!("{:#}\n", one.value()?),
        [one] => page(one, args.depth),
        _ if args.json => {
            let values = priced.iter().map(Priced::value).collect::<Result<Vec<Value>, _>>()?;
            format!("{:#}\n", Value::from(values))
        }
        _ => compare::page(&priced),
    };
    Ok(print(&text)?)
}

/// The design and those that stand beside it.
fn sources(args: &CostArgs) -> Vec<SourceArgs> {
    let others = args.others.iter();
    let others = others.map(|path| SourceArgs { config: Some(path.clone()), ..SourceArgs::default() });
    std::iter::once(args.source.clone()).chain(others).collect()
}
