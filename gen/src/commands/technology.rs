//! `bitmill technology`: the cell libraries and FPGA families that costs are given in, and how far off they are.

mod family;
mod fit;
mod fit_fpga;
mod tools;

use std::error::Error;

use bitmill_cost_model::{Fabric, Fit, Technology};
use clap::{Args, Subcommand};
use serde_json::{Value, json};

use crate::output::print;
use crate::table::Table;
use crate::technology;

const EXAMPLES: &str = "\
Examples:
  bitmill technology                  every technology, in a line
  bitmill technology show asap7       its sources, errors and coefficients
  bitmill technology show sky130hd --json
  bitmill technology show ecp5        the same of an FPGA family
  bitmill technology fit --liberty my_cells_tt.lib --out my_cells.toml    measure another library
  bitmill technology fit-fpga ecp5 --out ecp5.toml                        measure an FPGA family again

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
        /// Name of the technology or FPGA family, or a file that `fit` wrote
        name: String,
    },
    /// Measure a cell library and fit a technology to it
    Fit(Box<fit::FitArgs>),
    /// Measure an FPGA family and fit its resources and clock
    FitFpga(fit_fpga::FitFpgaArgs),
}

/// Runs `bitmill technology`.
///
/// # Errors
/// A name that is none's.
pub fn run(args: &TechnologyArgs) -> Result<(), Box<dyn Error>> {
    let shown = match &args.command {
        Some(Command::Show { name }) => technology::family(name)?,
        _ => None,
    };
    let text = match (&args.command, shown) {
        (_, Some(found)) => {
            if args.json {
                format!("{:#}\n", serde_json::to_value(&found)?)
            } else {
                family::page(&found)
            }
        }
        (Some(Command::Show { name }), None) => {
            let technology = technology::find(name)?;
            if args.json { format!("{:#}\n", value(&technology)) } else { page(&technology) }
        }
        (Some(Command::Fit(args)), None) => return fit::run(args),
        (Some(Command::FitFpga(args)), None) => return fit_fpga::run(args),
        (Some(Command::List) | None, None) => {
            let all = Technology::embedded()?;
            if args.json {
                format!("{:#}\n", all.iter().map(value).collect::<Value>())
            } else {
                format!("{}\n{}", list(&all), family::list(&Fabric::embedded()?))
            }
        }
    };
    Ok(print(&text)?)
}

fn list(all: &[Technology]) -> String {
    let mut table = Table::new(&[
        "technology",
        "process, library and corner",
        "area of cells",
        "energy",
        "longest path",
        "designs",
    ]);
    for technology in all {
        table.row([
            technology.name.clone(),
            technology.summary.clone(),
            technology.error_of(|calibration| &calibration.area),
            technology.error_of(|calibration| &calibration.energy),
            technology.error_of(|calibration| &calibration.delay),
            technology.calibration.area.held_out.designs.to_string(),
        ]);
    }
    format!("{}\nErrors are medians before layout, on synthesised designs that no fit saw.\n", table.text())
}

fn page(technology: &Technology) -> String {
    let source = &technology.source;
    let mut text = format!(
        "{}: {}\n\ncells      {}\nmethod     {}\nmemories   {}\n",
        technology.name, technology.summary, source.cells, source.method, source.memory
    );
    let mut gates = Table::new(&["figure", "unit", "gate or step", "coefficient"]);
    for (figure, unit, fit) in figures(technology) {
        for (kind, value) in &fit.coefficients {
            gates.row([figure.to_owned(), unit.to_owned(), kind.clone(), format!("{value:.4}")]);
        }
    }
    text += &format!("\n{}\n{}\n", errors(technology).text(), gates.text());
    text + &format!("{}\n", technology.limits())
}

/// Every figure that is fitted, with the unit of its coefficients.
fn figures(technology: &Technology) -> [(&'static str, &'static str, &Fit); 5] {
    let calibration = &technology.calibration;
    [
        ("area", "µm² a gate", &calibration.area),
        ("energy", "pJ a toggle", &calibration.energy),
        ("clock", "pJ a cycle", &calibration.clock),
        ("leakage", "nW a gate", &calibration.leakage),
        ("longest path", "ns a step", &calibration.delay),
    ]
}

/// Errors of every figure, on designs that the fit saw and on those that it did not.
fn errors(technology: &Technology) -> Table {
    let mut errors =
        Table::new(&["figure", "", "designs", "median %", "nine in ten %", "worst %", "Kendall"]);
    for (figure, _, fit) in figures(technology) {
        for (name, e) in [("held out", &fit.held_out), ("training", &fit.training)] {
            let percent = |share: f64| format!("{:.1}", 100.0 * share);
            errors.row([
                figure.to_owned(),
                name.to_owned(),
                e.designs.to_string(),
                percent(e.median),
                percent(e.percentile_90),
                percent(e.worst),
                format!("{:.3}", e.kendall),
            ]);
        }
    }
    errors
}

fn value(technology: &Technology) -> Value {
    json!({
        "name": technology.name,
        "summary": technology.summary,
        "supply_v": technology.supply_v,
        "cells": technology.source.cells,
        "method": technology.source.method,
        "memories": technology.source.memory,
        "calibration": technology.calibration,
    })
}
