//! `bitmill diff`: two runs side by side, layer by layer.

use std::collections::BTreeMap;
use std::error::Error;
use std::path::{Path, PathBuf};

use clap::Args;
use serde_json::{Value, json};

use crate::output::print;
use crate::source::in_file;
use crate::table::{Table, grouped};
use crate::workload::read;

const EXAMPLES: &str = "\
Examples:
  bitmill simulate a.yaml --json > a.json
  bitmill simulate b.yaml --json > b.json
  bitmill diff a.json b.json

Layers are matched by name.";

/// Compares two runs that `bitmill simulate --json` printed.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub struct DiffArgs {
    /// The first run
    a: PathBuf,
    /// The second run
    b: PathBuf,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

/// What is compared of a run.
struct Run {
    name: String,
    cycles: u64,
    latency_us: f64,
    accuracy_percent: Option<f64>,
    /// Name and cycles, in order.
    layers: Vec<(String, u64)>,
}

/// Runs `bitmill diff`.
///
/// # Errors
/// A file that cannot be read, or that `bitmill simulate --json` did not print.
pub fn run(args: &DiffArgs) -> Result<(), Box<dyn Error>> {
    let runs = [Run::load(&args.a)?, Run::load(&args.b)?];
    Ok(print(&if args.json { format!("{:#}\n", value(&runs)) } else { text(&runs) })?)
}

impl Run {
    fn load(path: &Path) -> Result<Run, Box<dyn Error>> {
        let value: Value =
            serde_json::from_slice(&read(path)?).map_err(|error| in_file(path, &error.to_string()))?;
        let missing =
            |key: &str| in_file(path, &format!("no `{key}`: give what `bitmill simulate --json` prints"));
        let number = |value: &Value, key: &str| value[key].as_u64().ok_or_else(|| missing(key));
        let text =
            |value: &Value, key: &str| value[key].as_str().map(str::to_owned).ok_or_else(|| missing(key));
        let layers = value["layers"].as_array().ok_or_else(|| missing("layers"))?;
        Ok(Run {
            name: format!("{} on {}", text(&value, "network")?, text(&value, "accelerator")?),
            cycles: number(&value, "cycles")?,
            latency_us: value["latency_us"].as_f64().ok_or_else(|| missing("latency_us"))?,
            accuracy_percent: value["accuracy_percent"].as_f64(),
            layers: layers
                .iter()
                .map(|layer| Ok((text(layer, "name")?, number(layer, "cycles")?)))
                .collect::<Result<_, String>>()?,
        })
    }
}

/// Layers of both, those of the second run alone behind those of the first.
fn matched([a, b]: &[Run; 2]) -> Vec<(&str, [Option<u64>; 2])> {
    let of = |run: &'_ Run| -> BTreeMap<String, u64> { run.layers.iter().cloned().collect() };
    let (in_a, in_b) = (of(a), of(b));
    let only_b = b.layers.iter().filter(|(name, _)| !in_a.contains_key(name));
    a.layers
        .iter()
        .chain(only_b)
        .map(|(name, _)| (name.as_str(), [in_a.get(name).copied(), in_b.get(name).copied()]))
        .collect()
}

fn text(runs: &[Run; 2]) -> String {
    let [a, b] = runs;
    let mut table = Table::new(&["layer", "A cycles", "B cycles", "B - A", "B / A"]);
    let mut row = |name: &str, cycles: [Option<u64>; 2]| {
        let shown = |cycles: Option<u64>| cycles.map_or("-".to_owned(), grouped);
        let [change, ratio] = match cycles {
            [Some(a), Some(b)] => {
                let sign = if b < a { "-" } else { "" };
                [format!("{sign}{}", grouped(a.abs_diff(b))), format!("{:.3}", b as f64 / a.max(1) as f64)]
            }
            _ => ["-".to_owned(), "-".to_owned()],
        };
        table.row([name.to_owned(), shown(cycles[0]), shown(cycles[1]), change, ratio]);
    };
    for (name, cycles) in matched(runs) {
        row(name, cycles);
    }
    row("all", [Some(a.cycles), Some(b.cycles)]);
    let accuracy = match (a.accuracy_percent, b.accuracy_percent) {
        (Some(a), Some(b)) => format!("accuracy  {a:.2} % against {b:.2} %\n"),
        _ => String::new(),
    };
    format!(
        "A: {}\nB: {}\n\n{}\nlatency   {:.1} µs against {:.1} µs\n{accuracy}",
        a.name,
        b.name,
        table.text(),
        a.latency_us,
        b.latency_us
    )
}

fn value(runs: &[Run; 2]) -> Value {
    let [a, b] = runs;
    let layer =
        |(name, [a, b]): &(&str, [Option<u64>; 2])| json!({ "name": name, "a_cycles": a, "b_cycles": b });
    json!({
        "a": a.name,
        "b": b.name,
        "a_cycles": a.cycles,
        "b_cycles": b.cycles,
        "a_latency_us": a.latency_us,
        "b_latency_us": b.latency_us,
        "a_accuracy_percent": a.accuracy_percent,
        "b_accuracy_percent": b.accuracy_percent,
        "layers": matched(runs).iter().map(layer).collect::<Value>(),
    })
}
