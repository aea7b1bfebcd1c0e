//! `bitmill explore compare`: the fronts of two sweeps on one scale.

use std::error::Error;
use std::path::{Path, PathBuf};

use bitmill_explore::{Goal, Scale, Sweep};
use clap::Args;
use serde_json::{Value, json};

use crate::output::print;
use crate::source::in_file;
use crate::table::Table;
use crate::workload::read;

const EXAMPLES: &str = "\
Examples:
  bitmill explore compare out/before out/after
  bitmill explore compare before/points.json after/points.json --json

Both sweeps must have the same objectives and technologies. A front covers a point that one of its own is at least as good as in
every objective. Shares of space are those between the best and the worst values of all points of both sweeps.";

/// Two sweeps.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(super) struct CompareArgs {
    /// A sweep: the folder that `bitmill explore -o` wrote, or its points.json
    a: PathBuf,
    /// Another one
    b: PathBuf,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

/// How one front stands to the other.
struct Side {
    path: String,
    points: usize,
    front: usize,
    /// Points of the front that the other front covers.
    covered: usize,
    hypervolume: f64,
    knee: String,
}

/// Runs `bitmill explore compare`.
///
/// # Errors
/// A file that is no sweep's, or sweeps that cannot be compared.
pub(super) fn run(args: &CompareArgs) -> Result<(), Box<dyn Error>> {
    let sweeps = [load(&args.a)?, load(&args.b)?];
    let [a, b] = &sweeps;
    if a.objectives != b.objectives || a.technologies != b.technologies {
        let what = |sweep: &Sweep| {
            format!("{:?} in {}", sweep.objectives, sweep.technologies.join(", ")).to_lowercase()
        };
        let (a, b) = (what(a), what(b));
        return Err(format!("the sweeps cannot be compared: one has {a}, the other {b}").into());
    }
    let sides = sides(&sweeps, [&args.a, &args.b]);
    Ok(print(&if args.json { format!("{:#}\n", value(&sides)) } else { text(&sides) })?)
}

fn load(path: &Path) -> Result<Sweep, Box<dyn Error>> {
    let path = if path.is_dir() { path.join("points.json") } else { path.to_owned() };
    let sweep: Sweep = serde_json::from_slice(&read(&path)?)
        .map_err(|error| in_file(&path, &format!("no points of `bitmill explore`: {error}")))?;
    let count = sweep.points.len();
    let beyond = sweep.front.iter().chain([&sweep.knee]).copied().find(|&index| index >= count);
    match beyond {
        Some(index) => Err(in_file(&path, &format!("point {index} is none of its {count}")).into()),
        None => Ok(sweep),
    }
}

fn sides(sweeps: &[Sweep; 2], paths: [&PathBuf; 2]) -> [Side; 2] {
    let values = [sweeps[0].values(), sweeps[1].values()];
    let goals: Vec<Goal> = sweeps[0].objectives.iter().map(|objective| objective.goal()).collect();
    let scale = Scale::of(values[0].iter().chain(&values[1]), &goals);
    let front = |side: usize| -> Vec<&Vec<f64>> {
        sweeps[side].front.iter().map(|&index| &values[side][index]).collect()
    };
    [0, 1].map(|side| Side {
        path: paths[side].display().to_string(),
        points: sweeps[side].points.len(),
        front: sweeps[side].front.len(),
        covered: scale.covered(&front(1 - side), &front(side)),
        hypervolume: scale.hypervolume(front(side).into_iter()),
        knee: sweeps[side].points[sweeps[side].knee].configuration.name.clone(),
    })
}

fn text(sides: &[Side; 2]) -> String {
    let mut table =
        Table::new(&["sweep", "points", "front", "covered by the other", "space dominated %", "knee"]);
    for side in sides {
        table.row([
            side.path.clone(),
            side.points.to_string(),
            side.front.to_string(),
            side.covered.to_string(),
            format!("{:.2}", 100.0 * side.hypervolume),
            side.knee.clone(),
        ]);
    }
    table.text()
}

fn value(sides: &[Side; 2]) -> Value {
    let side = |side: &Side| {
        json!({
            "sweep": side.path,
            "points": side.points,
            "front": side.front,
            "covered_by_other": side.covered,
            "hypervolume": side.hypervolume,
            "knee": side.knee,
        })
    };
    json!({ "a": side(&sides[0]), "b": side(&sides[1]) })
}
