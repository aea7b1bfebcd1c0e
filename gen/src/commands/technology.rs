//! `bitmill technology`: the processes and cell libraries that costs are given in, and how far off they are.

use std::error::Error;

use bitmill_cost_model::{Calibration, ErrorStatistics, Technology};
use clap::{Args, Subcommand};
use serde_json::{Value, json};

use crate::output::print;
use crate::table::{Table, short};

const EXAMPLES: &str = "\
Examples:
  bitmill technology                  every technology, in a line
  bitmill technology show asap7       its sources, errors and coefficients
  bitmill technology show sky130hd --json

Give one of them to `bitmill cost`, `simulate` or `explore` with --technology. docs/cost_model.md tells how they were measured.";

/// Lists the technologies, or shows one with its sources and errors.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub struct TechnologyArgs {
    /// Print JSON
    #[arg(long, global = true)]
    json: bool,
    #[command(subcommand)]
    command: Option<Command>,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// List every technology
    List,
    /// Describe one: its sources, errors and coefficients
    Show {
        /// Name of the technology
        name: String,
    },
}

/// Runs `bitmill technology`.
///
/// # Errors
/// A name that is none's.
pub fn run(args: &TechnologyArgs) -> Result<(), Box<dyn Error>> {
    let text = match &args.command {
        Some(Command::Show { name }) => {
            let technology = Technology::named(name)?;
            if args.json { format!("{:#}\n", value(&technology)?) } else { page(&technology)? }
        }
        Some(Command::List) | None => {
            let all = Technology::embedded()?;
            if args.json {
                let values = all.iter().map(value).collect::<Result<Vec<Value>, _>>()?;
                format!("{:#}\n", Value::from(values))
            } else {
                list(&all)?
            }
        }
    };
    Ok(print(&text)?)
}

fn list(all: &[Technology]) -> Result<String, Box<dyn Error>> {
    let mut table =
        Table::new(&["technology", "process, library and corner", "area of cells", "nine in ten", "designs"]);
    for technology in all {
        let held_out = Calibration::named(&technology.name)?.map(|calibration| calibration.held_out);
        let told = |figure: fn(&ErrorStatistics) -> String| held_out.as_ref().map_or("-".to_owned(), figure);
        table.row([
            technology.name.clone(),
            technology.summary.clone(),
            held_out.as_ref().map_or("uncalibrated".to_owned(), |e| format!("± {:.1} %", 100.0 * e.median)),
            told(|e| format!("± {:.1} %", 100.0 * e.percentile_90)),
            told(|e| e.designs.to_string()),
        ]);
    }
    Ok(format!(
        "{}\nErrors are those of areas before layout on synthesised designs that no fit saw: the median, and what nine in ten are \
         within.\nEnergies and delays are uncalibrated.\n",
        table.text()
    ))
}

fn page(technology: &Technology) -> Result<String, Box<dyn Error>> {
    let source = &technology.source;
    let mut text = format!(
        "{}: {}\n\ncells      {}\nmethod     {}\nenergy     {}\nmemories   {}\n",
        technology.name, technology.summary, source.cells, source.method, source.energy, source.memory
    );
    let Some(calibration) = Calibration::named(&technology.name)? else {
        return Ok(text + "\nareas, energies and delays are uncalibrated\n");
    };
    let mut errors =
        Table::new(&["area of cells", "designs", "median %", "nine in ten %", "worst %", "Kendall"]);
    for (name, e) in [("held out", &calibration.held_out), ("training", &calibration.training)] {
        let percent = |share: f64| format!("{:.1}", 100.0 * share);
        errors.row([
            name.to_owned(),
            e.designs.to_string(),
            percent(e.median),
            percent(e.percentile_90),
            percent(e.worst),
            format!("{:.3}", e.kendall),
        ]);
    }
    let mut gates = Table::new(&["gate", "µm²"]);
    for (kind, area_um2) in &calibration.gate_um2 {
        gates.row([kind.clone(), short(*area_um2)]);
    }
    text += &format!("\n{}\n{}\nmeasured: {}\n", errors.text(), gates.text(), calibration.method);
    Ok(text + "energies and delays are uncalibrated\n")
}

fn value(technology: &Technology) -> Result<Value, Box<dyn Error>> {
    let calibration = Calibration::named(&technology.name)?;
    Ok(json!({
        "name": technology.name,
        "summary": technology.summary,
        "supply_v": technology.supply_v,
        "cells": technology.source.cells,
        "method": technology.source.method,
        "energy": technology.source.energy,
        "memories": technology.source.memory,
        "calibration": calibration,
    }))
}
