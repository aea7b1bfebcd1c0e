//! `bitmill explore`: a space of configurations, and its Pareto front.

use std::error::Error;
use std::path::{Path, PathBuf};

use bitmill_cost_model::Technology;
use bitmill_explore::{COLUMNS, Space, Sweep, csv, sweep};
use clap::Args;

use crate::output::{Files, MANIFEST, print};
use crate::plot;
use crate::progress;
use crate::source::in_file;
use crate::table::Table;
use crate::workload::{Model, ModelArgs, read};

const EXAMPLES: &str = "\
Examples:
  bitmill explore examples/digits_space.yaml -o out/front
  bitmill explore my_space.yaml --technology asap7 --model net.onnx --calibration inputs.npy

A space is a configuration under `base:` and, under `vary:`, lists of values for precision, array, pe_lanes
and vector_rows; every combination is a point. The folder gets pareto.svg, points.csv and points.json.";

/// Sweeps array shapes and precisions: latency, energy, area, accuracy, and the Pareto front.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub struct ExploreArgs {
    /// The space, YAML
    space: PathBuf,
    /// Process and cell library
    #[arg(long, value_name = "NAME", default_value = "sky130hd")]
    technology: String,
    /// The folder to write
    #[arg(short, long, value_name = "DIR")]
    output: Option<PathBuf>,
    /// Print every point, not only the front
    #[arg(long)]
    all: bool,
    /// Print JSON
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    model: ModelArgs,
}

/// Runs `bitmill explore`.
///
/// # Errors
/// A space, a network or data that are not legal, or a space without a legal point.
pub fn run(args: &ExploreArgs) -> Result<(), Box<dyn Error>> {
    let technology = Technology::named(&args.technology)?;
    let text = String::from_utf8(read(&args.space)?)
        .map_err(|_| format!("{}: the file is not UTF-8 text", args.space.display()))?;
    let space = Space::from_yaml(&text).map_err(|error| in_file(&args.space, &error.to_string()))?;
    let model = Model::load(&args.model)?;
    let found = evaluate(&space, &model, &technology)?;
    if let Some(folder) = &args.output {
        files(&found, &space, &model.name)?.write(folder)?;
    }
    let text = if args.json {
        format!("{}\n", serde_json::to_string_pretty(&found)?)
    } else {
        page(&found, args.all, args.output.as_deref())
    };
    Ok(print(&text)?)
}

/// Evaluates the space with a progress bar.
///
/// # Errors
/// A float network without calibration inputs, or no legal point.
pub fn evaluate(space: &Space, model: &Model, technology: &Technology) -> Result<Sweep, Box<dyn Error>> {
    model.check_calibration()?;
    let bar = progress::bar("evaluating points", space.points().len() as u64);
    let found = sweep(space, &model.workload, technology, &|done, _| bar.set_position(done as u64));
    bar.finish_and_clear();
    Ok(found?)
}

/// The picture, the points and the space.
///
/// # Errors
/// Only on our own bugs.
pub fn files(found: &Sweep, space: &Space, network: &str) -> Result<Files, Box<dyn Error>> {
    let mut files = Files::default();
    let title = format!("{network}: {} accelerators, {}", found.points.len(), found.technology);
    files.add("pareto.svg", plot::svg(found, &title)?);
    files.add("points.csv", csv(found));
    files.add("points.json", format!("{}\n", serde_json::to_string_pretty(found)?));
    let manifest = serde_json::json!({ "generator": "bitmill", "kind": "exploration", "network": network, "space": space });
    files.add(MANIFEST, format!("{manifest:#}\n"));
    Ok(files)
}

/// The table of points with what was refused.
pub fn page(found: &Sweep, all: bool, folder: Option<&Path>) -> String {
    let headings: Vec<&str> = COLUMNS.iter().map(|c| c.heading).chain(["front"]).collect();
    let mut table = Table::new(&headings);
    for (index, point) in found.points.iter().enumerate() {
        let is_front = found.front.contains(&index);
        if all || is_front {
            let mark = if is_front { "*" } else { "" };
            table.row(COLUMNS.iter().map(|c| (c.entry)(point)).chain([mark.to_owned()]));
        }
    }
    let mut text = format!(
        "{}\n{} of {} points are on the Pareto front ({}, uncalibrated)\n",
        table.text(),
        found.front.len(),
        found.points.len(),
        found.technology
    );
    if let Some(first) = found.refused.first() {
        text += &format!(
            "{} points are not legal; the first, {}: {}\n",
            found.refused.len(),
            first.name,
            first.reason
        );
    }
    if let Some(folder) = folder {
        text += &format!("written: {0}/pareto.svg, {0}/points.csv, {0}/points.json\n", folder.display());
    }
    text
}
