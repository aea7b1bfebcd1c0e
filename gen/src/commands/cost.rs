//! `bitmill cost`: area, energy and clock of a design, by component.

use std::error::Error;
use std::path::PathBuf;

use bitmill_cost_model::{
    Calibration, Component, Cost, DesignCost, EnergyBreakdown, LIMITS, Technology, energy, estimate,
};
use bitmill_hdl::Design;
use bitmill_sim::simulate;
use clap::Args;
use serde_json::{Value, json};

use crate::output::{print, write_file};
use crate::source::{Source, SourceArgs};
use crate::table::{Table, short};
use crate::workload::{Model, ModelArgs};

const EXAMPLES: &str = "\
Examples:
  bitmill cost examples/digits_int8.yaml
  bitmill cost my.yaml --technology asap7 --model net.onnx --calibration inputs.npy
  bitmill cost --unit pe_integer --set weight=int4 --technology sg13g2 --json

Technologies: sky130hd, sg13g2, asap7. The figures of components are not calibrated: operators are measured
one by one and added up, before layout. For sky130hd the area of all cells is given a second time, by
coefficients that were fitted to whole designs, with its error (docs/cost_model.md).";

/// Estimates area, energy and clock by component.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub struct CostArgs {
    #[command(flatten)]
    source: SourceArgs,
    /// Process and cell library
    #[arg(long, value_name = "NAME", default_value = "sky130hd")]
    technology: String,
    /// Levels of the tree that are printed
    #[arg(long, default_value_t = 2)]
    depth: usize,
    /// Write the whole tree as CSV
    #[arg(long, value_name = "FILE")]
    csv: Option<PathBuf>,
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
    let technology = Technology::named(&args.technology)?;
    let (source, _) = args.source.load()?;
    let (top, clock_mhz) = match &source {
        Source::Unit(unit) => (unit.module()?, None),
        Source::Accelerator(accelerator) => {
            (accelerator.module()?, Some(f64::from(accelerator.configuration().clock_mhz)))
        }
    };
    let design = Design::new(&top)?;
    let cost = estimate(&design, &technology);
    let calibrated = Calibration::named(&technology.name)?.map(|c| (c.area_um2(&design), c));
    let mut note = String::new();
    let inference = match &source {
        Source::Accelerator(accelerator) => {
            let model = Model::load(&args.model)?;
            let run = model.quantized(accelerator).map_err(Box::<dyn Error>::from);
            match run.and_then(|network| Ok(simulate(accelerator, &network)?)) {
                Ok((_, _, report)) => {
                    let clock = clock_mhz.unwrap_or(f64::INFINITY).min(cost.clock_mhz());
                    Some((model.name, energy(&cost, &report.activity, clock)))
                }
                // The embedded network was nobody's wish: the hardware is priced all the same.
                Err(error) if args.model.model.is_none() => {
                    note = format!("note: no energy, since the embedded network does not run: {error}\n");
                    None
                }
                Err(error) => return Err(error),
            }
        }
        Source::Unit(_) => None,
    };
    if let Some(path) = &args.csv {
        write_file(path, csv(&cost).as_bytes())?;
    }
    let text = if args.json {
        let mut value = value(&technology, &cost, inference.as_ref())?;
        if let Some((area_um2, calibration)) = &calibrated {
            value["calibrated_area"] = json!({ "cells_um2": area_um2, "held_out": calibration.held_out });
        }
        format!("{value:#}\n")
    } else {
        let calibrated = calibrated.map_or_else(String::new, |(area_um2, c)| calibrated_line(area_um2, &c));
        page(&technology, &cost, inference.as_ref(), args.depth) + &calibrated + &note
    };
    Ok(print(&text)?)
}

/// The estimate for people: the tree, the longest path, and the energy of an inference.
pub fn page(
    technology: &Technology,
    cost: &DesignCost,
    inference: Option<&(String, EnergyBreakdown)>,
    depth: usize,
) -> String {
    let mut text = format!("{} in {} ({})\n\n", cost.top, technology.name, technology.summary);
    text += &tree(cost, depth);
    let path = &cost.longest_path;
    let place = if path.instance.is_empty() { &cost.top } else { &path.instance };
    text += &format!(
        "\nlongest path  {} ns ({} MHz) in {place}: {}\n",
        short(path.delay_ns),
        short(cost.clock_mhz()),
        if path.signals.is_empty() { "between ports".to_owned() } else { path.signals.join(" → ") }
    );
    if let Some((network, breakdown)) = inference {
        text += &format!("\n{}", energies(network, breakdown));
    }
    format!("{text}\n{}\n", wrapped(LIMITS))
}

/// The area that was fitted to whole designs, with its error.
fn calibrated_line(area_um2: f64, calibration: &Calibration) -> String {
    let errors = calibration.held_out;
    let percent = |share: f64| format!("{:.1}", share * 100.0);
    format!(
        "\ncalibrated    {} µm² of cells, memories left out, ± {} %: the median error on {} synthesised designs\n              \
         that the fit did not see; nine in ten are within {} %, all within {} %\n",
        short(area_um2),
        percent(errors.median),
        errors.designs,
        percent(errors.percentile_90),
        percent(errors.worst)
    )
}

fn tree(cost: &DesignCost, depth: usize) -> String {
    let mut table = Table::new(&[
        "component",
        "instances",
        "area µm²",
        "area %",
        "logic µm²",
        "registers µm²",
        "memories µm²",
        "active pJ/cycle",
        "idle pJ/cycle",
        "leakage µW",
        "path ns",
    ]);
    let all = cost.total.area_um2();
    table.row(line(&cost.top, 1, &cost.total, all, cost.longest_path.delay_ns));
    cost.components.iter().for_each(|c| rows(&mut table, c, 1, 1, depth, all));
    if cost.own != Cost::default() {
        table.row(line("  (its own wiring)", 1, &cost.own, all, 0.0));
    }
    table.text()
}

fn rows(table: &mut Table, component: &Component, level: usize, times: u32, depth: usize, all: f64) {
    if level > depth {
        return;
    }
    let name = format!("{}{}", "  ".repeat(level), component.name);
    let instances = component.instances * times;
    table.row(line(&name, instances, &(component.cost * times), all, component.delay_ns));
    component.parts.iter().for_each(|part| rows(table, part, level + 1, instances, depth, all));
}

fn line(name: &str, instances: u32, cost: &Cost, all: f64, delay_ns: f64) -> Vec<String> {
    let share = if all > 0.0 { 100.0 * cost.area_um2() / all } else { 0.0 };
    let mut cells =
        vec![name.to_owned(), instances.to_string(), short(cost.area_um2()), format!("{share:.1}")];
    cells.extend(
        [cost.logic_um2, cost.registers_um2, cost.memories_um2, cost.active_pj, cost.idle_pj].map(short),
    );
    cells.extend([
        short(cost.leakage_nw * 1e-3),
        if delay_ns > 0.0 { short(delay_ns) } else { "-".to_owned() },
    ]);
    cells
}

fn energies(network: &str, breakdown: &EnergyBreakdown) -> String {
    let mut table = Table::new(&[
        "component",
        "active cycles",
        "active nJ",
        "idle clock nJ",
        "leakage nJ",
        "total nJ",
        "%",
    ]);
    let all = breakdown.total_pj();
    for component in &breakdown.components {
        let [active, idle, leakage, total] =
            [component.active_pj, component.idle_pj, component.leakage_pj, component.total_pj()]
                .map(|pj| short(pj * 1e-3));
        let share = format!("{:.1}", 100.0 * component.total_pj() / all);
        table.row([
            component.name.clone(),
            component.active_cycles.to_string(),
            active,
            idle,
            leakage,
            total,
            share,
        ]);
    }
    format!(
        "{}energy        {} µJ an inference of {network} ({} cycles), {} mW at {} MHz\n",
        table.text(),
        short(all * 1e-6),
        breakdown.cycles,
        short(breakdown.power_mw()),
        short(breakdown.clock_mhz)
    )
}

fn value(
    technology: &Technology,
    cost: &DesignCost,
    inference: Option<&(String, EnergyBreakdown)>,
) -> Result<Value, serde_json::Error> {
    let mut value = serde_json::to_value(cost)?;
    value["calibration"] = json!("uncalibrated");
    value["limits"] = json!(LIMITS);
    value["technology"] = json!({
        "name": technology.name,
        "summary": technology.summary,
        "supply_v": technology.supply_v,
        "cells": technology.source.cells,
        "memory": technology.source.memory,
    });
    value["area_um2"] = json!(cost.total.area_um2());
    value["clock_mhz"] = json!(cost.clock_mhz());
    if let Some((network, breakdown)) = inference {
        value["inference"] = json!({
            "network": network,
            "energy_pj": breakdown.total_pj(),
            "power_mw": breakdown.power_mw(),
            "breakdown": breakdown,
        });
    }
    Ok(value)
}

/// The whole tree, a component a line; costs are those of all instances.
fn csv(cost: &DesignCost) -> String {
    let mut text = "path,module,instances,area_um2,logic_um2,registers_um2,memories_um2,active_pj,idle_pj,leakage_nw,delay_ns\n"
        .to_owned();
    let line = |path: &str, module: &str, instances: u32, c: &Cost, delay_ns: f64| {
        let numbers = [
            c.area_um2(),
            c.logic_um2,
            c.registers_um2,
            c.memories_um2,
            c.active_pj,
            c.idle_pj,
            c.leakage_nw,
            delay_ns,
        ];
        let numbers: Vec<String> = numbers.iter().map(|n| format!("{n:.6}")).collect();
        format!("{path},{module},{instances},{}\n", numbers.join(","))
    };
    text += &line("", &cost.top, 1, &cost.total, cost.longest_path.delay_ns);
    let mut work: Vec<(String, u32, &Component)> =
        cost.components.iter().rev().map(|c| (c.name.clone(), 1, c)).collect();
    while let Some((path, times, component)) = work.pop() {
        let instances = component.instances * times;
        text += &line(&path, &component.module, instances, &(component.cost * times), component.delay_ns);
        let parts = component.parts.iter().rev();
        work.extend(parts.map(|part| (format!("{path}/{}", part.name), instances, part)));
    }
    text
}

/// Text in lines of at most 100 characters.
fn wrapped(text: &str) -> String {
    let mut lines = vec![String::new()];
    for word in text.split(' ') {
        let last = lines.len() - 1;
        if lines[last].chars().count() + word.chars().count() >= 100 {
            lines.push(word.to_owned());
        } else {
            lines[last] = format!("{} {word}", lines[last]).trim_start().to_owned();
        }
    }
    lines.join("\n")
}
