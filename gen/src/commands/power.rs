//! `bitmill power`: what a netlist of cells takes, by the tables of its library and what its nets did.

use std::collections::BTreeMap;
use std::error::Error;
use std::path::{Path, PathBuf};

use bitmill_cost_model::liberty::{Activity, MappedNetlist, Netlist, Power, net_capacitances, power, powers};
use clap::Args;
use serde_json::json;

use crate::output::print;
use crate::table::{Table, grouped};
use crate::{technology, waves};

const EXAMPLES: &str = "\
Examples:
  yosys -p 'read_verilog mapped.v; hierarchy -top my_top; write_json mapped.json'     any netlist of cells
  bitmill power mapped.json --liberty cells_tt.lib.gz --waves run.fst --scope testbench.dut
  bitmill power mapped.json --liberty cells_tt.lib --waves run.vcd --spef routed.spef --json
  bitmill power mapped.json --liberty cells_tt.lib --clock-mhz 500                    random inputs, clk_i and rst_ni left out

Transitions are those of the waveform: with those of a simulation without delays, glitches are not counted. Nets that the
waveform does not have are refused, since they would count as still; --allow-missing counts them so and says how many there are.";

/// Power of a netlist of cells, from a waveform or at random inputs.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub struct PowerArgs {
    /// Netlist as Yosys's write_json writes it
    #[arg(value_name = "NETLIST.json")]
    netlist: PathBuf,
    /// Module, if there are several
    #[arg(long)]
    top: Option<String>,
    /// The library's Liberty files, all of one corner; plain or compressed (.gz)
    #[arg(long, num_args = 1.., value_name = "FILE", required = true)]
    liberty: Vec<PathBuf>,
    /// What the nets did: VCD or FST [default: random inputs in every cycle]
    #[arg(long, value_name = "FILE")]
    waves: Option<PathBuf>,
    /// Scope of the netlist in the waveform, such as testbench.dut [default: the outermost]
    #[arg(long, requires = "waves")]
    scope: Option<String>,
    /// Count nets that the waveform does not have as still
    #[arg(long, requires = "waves")]
    allow_missing: bool,
    /// Capacitances of wires
    #[arg(long, value_name = "FILE.spef")]
    spef: Option<PathBuf>,
    /// Clock of random inputs, in MHz
    #[arg(long, default_value_t = 100.0, conflicts_with = "waves")]
    clock_mhz: f64,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

/// Runs `bitmill power`.
///
/// # Errors
/// Files that cannot be read or do not belong together.
pub fn run(args: &PowerArgs) -> Result<(), Box<dyn Error>> {
    if !(args.clock_mhz > 0.0 && args.clock_mhz.is_finite()) {
        return Err(format!("--clock-mhz {} is not legal; it must be positive", args.clock_mhz).into());
    }
    let library = technology::library(&args.liberty)?;
    let text = technology::read(&args.netlist)?;
    let within = |path: &Path, problem: String| format!("{}: {problem}", path.display());
    let mapped = MappedNetlist::from_yosys_design(&text, args.top.as_deref());
    let mapped = mapped.map_err(|problem| within(&args.netlist, problem))?;
    let mut notes = Vec::new();
    for (kind, count) in mapped.black_boxes(&library) {
        notes.push(format!(
            "{count} cells of kind {kind} are not in the library, or cannot be priced: not counted"
        ));
    }
    let wires = match &args.spef {
        Some(path) => wires(path, &mapped, &mut notes)?,
        None => Vec::new(),
    };
    let netlist = mapped.netlist(&library, &wires).map_err(|e| within(&args.netlist, e.to_string()))?;
    if netlist.cells.is_empty() {
        return Err(within(&args.netlist, "none of its cells is in the library".to_owned()).into());
    }
    // Activity counts transitions a ns: pJ a ns are mW.
    let activity = match &args.waves {
        Some(path) => {
            let found = waves::read(path, args.scope.as_deref(), mapped.names(), netlist.nets)?;
            notes.push(format!("{:.3} ns of {}", found.duration_ns, path.display()));
            let missing = missing(&netlist, &found.is_known);
            if missing > 0 && !args.allow_missing {
                let problem = format!(
                    "{missing} of {} nets of the netlist are not in it; simulate the netlist itself, give its --scope, or \
                     count them as still with --allow-missing",
                    netlist.nets - 2
                );
                return Err(within(path, problem).into());
            }
            if missing > 0 {
                notes.push(format!("{missing} nets are not in the waveform: counted as still"));
            }
            found.activity
        }
        None => {
            notes.push(format!(
                "random inputs in every cycle at {} MHz; glitches not counted",
                args.clock_mhz
            ));
            let a_cycle = mapped.random_activity(&netlist);
            let toggles = a_cycle.toggles.iter().map(|toggles| toggles * args.clock_mhz * 1e-3).collect();
            Activity { toggles, ones: a_cycle.ones }
        }
    };
    print(&page(args, &netlist, &activity, &notes)?)?;
    Ok(())
}

/// Capacitances by net.
fn wires(
    path: &Path,
    mapped: &MappedNetlist,
    notes: &mut Vec<String>,
) -> Result<Vec<(usize, f64)>, Box<dyn Error>> {
    let found = net_capacitances(&technology::read(path)?).map_err(|e| format!("{}: {e}", path.display()))?;
    let mut by_name: BTreeMap<String, usize> = BTreeMap::new();
    for (name, bits) in mapped.names() {
        for (place, &net) in bits.iter().enumerate() {
            by_name.insert(format!("{name}[{place}]"), net);
            if bits.len() == 1 {
                by_name.insert(name.clone(), net);
            }
        }
    }
    let known: Vec<(usize, f64)> =
        found.iter().filter_map(|(name, pf)| Some((*by_name.get(name)?, *pf))).collect();
    if known.is_empty() {
        return Err(format!("{}: none of its {} nets is in the netlist", path.display(), found.len()).into());
    }
    let total_pf: f64 = known.iter().map(|(_, pf)| pf).sum();
    notes.push(format!(
        "wires of {} nets, {total_pf:.4} pF; {} others are not in the netlist",
        known.len(),
        found.len() - known.len()
    ));
    Ok(known)
}

/// How many nets at pins of cells are not known.
fn missing(netlist: &Netlist, is_known: &[bool]) -> usize {
    let mut nets: Vec<usize> =
        netlist.cells.iter().flat_map(|cell| cell.nets.iter().flatten().copied()).collect();
    nets.sort_unstable();
    nets.dedup();
    nets.into_iter().filter(|net| !is_known[*net]).count()
}

fn page(
    args: &PowerArgs,
    netlist: &Netlist,
    activity: &Activity,
    notes: &[String],
) -> Result<String, Box<dyn Error>> {
    let mut kinds: BTreeMap<&str, (u64, Power)> = BTreeMap::new();
    for (cell, power) in netlist.cells.iter().zip(powers(netlist, activity)) {
        let kind = kinds.entry(&netlist.library.cells[cell.cell].name).or_default();
        *kind = (kind.0 + 1, kind.1 + power);
    }
    let total = power(netlist, activity);
    let total_mw = total.dynamic_pj() + total.leakage_nw * 1e-6;
    let mut kinds: Vec<(&str, (u64, Power))> = kinds.into_iter().collect();
    kinds.sort_by(|a, b| b.1.1.dynamic_pj().total_cmp(&a.1.1.dynamic_pj()));
    if args.json {
        let value = |power: &Power| {
            json!({
                "internal_mw": power.internal_pj,
                "switching_mw": power.switching_pj,
                "leakage_mw": power.leakage_nw * 1e-6,
            })
        };
        let kinds = kinds
            .iter()
            .map(|(kind, (count, power))| json!({ "cell": kind, "count": count, "power": value(power) }));
        let text = json!({
            "library": netlist.library.name,
            "cells": netlist.cells.len(),
            "area_um2": netlist.area_um2(),
            "total_mw": total_mw,
            "total": value(&total),
            "kinds": kinds.collect::<Vec<_>>(),
            "notes": notes,
        });
        return Ok(format!("{text:#}\n"));
    }
    let mut table = Table::new(&["cell", "count", "internal mW", "switching mW", "leakage mW", "%"]);
    let mut row = |name: &str, count: u64, power: &Power| {
        let leakage_mw = power.leakage_nw * 1e-6;
        let sum_mw = power.dynamic_pj() + leakage_mw;
        let figures = [power.internal_pj, power.switching_pj, leakage_mw].map(|mw| format!("{mw:.3e}"));
        let [internal, switching, leakage] = figures;
        let share = format!("{:.1}", 100.0 * sum_mw / total_mw);
        table.row([name.to_owned(), grouped(count), internal, switching, leakage, share]);
    };
    for (kind, (count, power)) in &kinds {
        row(kind, *count, power);
    }
    let driven = kinds.iter().fold(Power::default(), |sum, (_, (_, power))| sum + *power);
    let inputs = Power { switching_pj: total.switching_pj - driven.switching_pj, ..Power::default() };
    row("(loads of inputs)", netlist.inputs.len() as u64, &inputs);
    row("total", netlist.cells.len() as u64, &total);
    let notes: String = notes.iter().map(|note| format!("{note}\n")).collect();
    Ok(format!(
        "{}\n{:.4} mW in {}, {} V\n{notes}",
        table.text(),
        total_mw,
        netlist.library.name,
        netlist.library.corner.voltage_v
    ))
}
