//! `bitmill units`: the catalogue of hardware units.

use std::error::Error;

use bitmill_units::{Entry, catalogue, find};
use clap::{Args, Subcommand};
use serde_json::{Value, json};

use crate::diagram::diagram;
use crate::output::{print, write_file};
use crate::table::Table;

const EXAMPLES: &str = "\
Examples:
  bitmill units                       every unit, in a line
  bitmill units show pe_integer       its parameters and settings worth trying
  bitmill units show pe_integer --json
  bitmill units diagram pe_bit_serial -o pe_bit_serial.svg --set activation=fp16 --set accumulator=64";

/// Hardware units: list, show and draw.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub struct UnitsArgs {
    /// Print JSON.
    #[arg(long, global = true)]
    json: bool,
    #[command(subcommand)]
    command: Option<Command>,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// List every unit.
    List,
    /// Describe one unit: parameters with their defaults, and examples.
    Show {
        /// Name of the unit.
        name: String,
    },
    /// Draw one unit's block diagram from the graph that is emitted: its sections, registers and signals.
    Diagram {
        /// Name of the unit.
        name: String,
        /// A parameter of the unit, as key=value; may be repeated.
        #[arg(long = "set", value_name = "KEY=VALUE")]
        set: Vec<String>,
        /// The SVG file.
        #[arg(short, long)]
        output: std::path::PathBuf,
    },
}

/// Runs `bitmill units`.
///
/// # Errors
/// An unknown unit, with the names there are.
pub fn run(args: &UnitsArgs) -> Result<(), Box<dyn Error>> {
    let text = match &args.command {
        Some(Command::Diagram { name, set, output }) => {
            let unit = find(name)?.unit(set.iter().map(String::as_str))?;
            write_file(output, diagram(unit.module()?.as_ref()).as_bytes())?;
            format!("wrote {}\n", output.display())
        }
        Some(Command::Show { name }) if args.json => format!("{:#}\n", value(&find(name)?)),
        Some(Command::Show { name }) => page(&find(name)?),
        _ if args.json => format!("{:#}\n", catalogue().iter().map(value).collect::<Value>()),
        _ => list(&catalogue()),
    };
    Ok(print(&text)?)
}

fn list(entries: &[Entry]) -> String {
    let mut table = Table::new(&["unit", "what it is", "parameters"]);
    for entry in entries {
        let parameters: Vec<&str> = entry.parameters.iter().map(|p| p.name).collect();
        table.row([entry.name.to_owned(), entry.summary.to_owned(), parameters.join(", ")]);
    }
    table.text()
}

fn page(entry: &Entry) -> String {
    let mut table = Table::new(&["parameter", "default", "meaning"]);
    for parameter in entry.parameters {
        table.row([parameter.name, parameter.default, parameter.help].map(str::to_owned));
    }
    let example = |settings: &&str| {
        let set: String = settings.split_whitespace().map(|pair| format!(" --set {pair}")).collect();
        format!("  bitmill generate --unit {}{set} -o out\n", entry.name)
    };
    let examples: String = entry.examples.iter().map(example).collect();
    format!("{}: {}\n\n{}\nExamples:\n{examples}", entry.name, entry.summary, table.text())
}

fn value(entry: &Entry) -> Value {
    let parameter =
        |p: &bitmill_units::Parameter| json!({ "name": p.name, "default": p.default, "help": p.help });
    json!({
        "name": entry.name,
        "summary": entry.summary,
        "parameters": entry.parameters.iter().map(parameter).collect::<Value>(),
        "examples": entry.examples,
    })
}
