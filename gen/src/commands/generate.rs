//! `bitmill generate`: Verilog with all that tools and people need beside it.

use std::error::Error;
use std::path::PathBuf;

use bitmill_accelerator::Accelerator;
use bitmill_hdl::Design;
use bitmill_sim::simulate_on;
use clap::Args;
use serde_json::json;

use crate::bundle::{Inference, accelerator_testbench, bundle, sha256, unit_testbench};
use crate::output::{Files, print};
use crate::source::{Source, SourceArgs};
use crate::workload::{Model, ModelArgs};

const EXAMPLES: &str = "\
Examples:
  bitmill generate examples/digits_int8.yaml -o out/int8
  bitmill generate my.yaml --model net.onnx --calibration inputs.npy -o out/mine
  bitmill generate --unit pe_integer --set activation=int8 --set weight=int4 -o out/pe

The folder is written whole or not at all; one that exists is replaced only if bitmill wrote it.
It holds rtl/, files.f, a FuseSoC .core, tb/ with a self-checking testbench, and manifest.json.";

/// Writes the Verilog of an accelerator or of a unit.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub struct GenerateArgs {
    #[command(flatten)]
    source: SourceArgs,
    /// The folder to write
    #[arg(short, long, value_name = "DIR")]
    output: PathBuf,
    /// Print what was written as JSON
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    model: ModelArgs,
}

/// Runs `bitmill generate`.
///
/// # Errors
/// What is wrong with the request, or why the folder cannot be written.
pub fn run(args: &GenerateArgs) -> Result<(), Box<dyn Error>> {
    let (source, request) = args.source.load()?;
    let (design, testbench, note) = match source {
        Source::Unit(unit) => (Design::new(&unit.module()?)?, Some(unit_testbench(unit.as_ref())?), None),
        Source::Accelerator(accelerator) => {
            let design = Design::new(&accelerator.module()?)?;
            let model = Model::load(&args.model)?;
            match inference_testbench(&accelerator, &design, &model) {
                Ok(files) => (design, Some(files), None),
                // The embedded network was nobody's wish: hardware that it does not fit is none the worse.
                Err(error) if args.model.model.is_none() => (design, None, Some(error.to_string())),
                Err(error) => return Err(error),
            }
        }
    };
    let files = bundle(&design, &request, testbench);
    files.write(&args.output)?;
    report(args, &design, &files, note.as_deref(), &sha256(request.text.as_bytes()))
}

/// The testbench of one inference of `model`.
///
/// # Errors
/// A network that cannot be quantized or does not fit.
pub fn inference_testbench(
    accelerator: &Accelerator,
    design: &Design,
    model: &Model,
) -> Result<Files, Box<dyn Error>> {
    let network = model.quantized(accelerator)?;
    let input = model.example();
    let (program, trace, _) = simulate_on(accelerator, &network, &network.quantize_input(&input))?;
    let inference =
        Inference { name: &model.name, network: &network, program: &program, trace: &trace, input: &input };
    accelerator_testbench(accelerator, &design.top, &inference)
}

fn report(
    args: &GenerateArgs,
    design: &Design,
    files: &Files,
    note: Option<&str>,
    hash: &str,
) -> Result<(), Box<dyn Error>> {
    let top = &design.top.name;
    let folder = args.output.display().to_string();
    if args.json {
        let paths: Vec<&str> = files.iter().map(|(path, _)| path).collect();
        let value = json!({
            "top": top,
            "folder": folder,
            "configuration_sha256": hash,
            "files": paths,
            "without_testbench_because": note,
        });
        return Ok(print(&format!("{value:#}\n"))?);
    }
    let mut text = format!(
        "{top}: {} modules in {folder}/rtl, listed in {folder}/files.f\nconfiguration {hash}\n",
        design.modules.len()
    );
    match note {
        None => {
            let tb = format!("{top}_tb");
            text += &format!(
                "check it, from {folder}:\n  iverilog -g2012 -f files.f -o {tb}.vvp tb/{tb}.v && vvp {tb}.vvp\n  \
                 verilator --binary -Wno-fatal -fno-const-bit-op-tree -f files.f --top-module {tb} tb/{tb}.v && obj_dir/V{tb}\n"
            );
        }
        Some(reason) => {
            text += &format!("no testbench: the embedded network does not fit ({reason}); give --model\n")
        }
    }
    Ok(print(&text)?)
}
