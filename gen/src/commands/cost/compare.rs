//! Several accelerators side by side, a line each.

use super::Priced;
use super::page::wrapped;
use crate::table::{Table, grouped, short};

/// What is told of each.
struct Line<'p> {
    name: &'p str,
    area_mm2: f64,
    cells_mm2: f64,
    memories_mm2: f64,
    clock_mhz: f64,
    cycles: Option<u64>,
    latency_us: Option<f64>,
    energy_uj: Option<f64>,
}

impl Line<'_> {
    fn of(priced: &Priced) -> Line<'_> {
        let run = priced.inference.as_ref().map(|(_, run)| run);
        Line {
            name: priced.cost.top.trim_start_matches("bitmill_"),
            area_mm2: priced.cost.total.area_um2() * 1e-6,
            cells_mm2: priced.cost.total.cells_um2() * 1e-6,
            memories_mm2: priced.cost.total.memories_um2 * 1e-6,
            clock_mhz: run.map_or(priced.cost.clock_mhz(), |run| run.clock_mhz),
            cycles: run.map(|run| run.cycles),
            latency_us: priced.latency_us(),
            energy_uj: run.map(|run| run.total_pj() * 1e-6),
        }
    }
}

/// The table for people.
pub(super) fn page(priced: &[Priced]) -> String {
    let mut table = Table::new(&[
        "accelerator",
        "area mm²",
        "cells mm²",
        "memories mm²",
        "clock MHz",
        "cycles",
        "latency µs",
        "energy µJ",
        "energy × latency µJ·ms",
    ]);
    for line in priced.iter().map(Line::of) {
        let number = |value: Option<f64>| value.map_or("-".to_owned(), short);
        let product = line.energy_uj.zip(line.latency_us).map(|(energy, latency)| energy * latency * 1e-3);
        table.row([
            line.name.to_owned(),
            short(line.area_mm2),
            short(line.cells_mm2),
            short(line.memories_mm2),
            short(line.clock_mhz),
            line.cycles.map_or("-".to_owned(), grouped),
            number(line.latency_us),
            number(line.energy_uj),
            number(product),
        ]);
    }
    let first = &priced[0];
    let network = first.inference.as_ref().map_or("no network", |(network, _)| network);
    let mut text = format!("{network} in {} ({})\n\n", first.technology.name, first.technology.summary);
    text += &format!("{}\n", table.text());
    text += &format!("{}\n", wrapped(&first.technology.limits()));
    for one in priced {
        text +=
            &one.note.as_ref().map_or_else(String::new, |note| format!("note: {}: {note}\n", one.cost.top));
    }
    text
}

/// A line an accelerator.
pub(super) fn csv(priced: &[Priced]) -> String {
    let mut text =
        "accelerator,area_mm2,cells_mm2,cells_error,memories_mm2,clock_mhz,cycles,latency_us,energy_uj\n"
            .to_owned();
    for one in priced {
        let line = Line::of(one);
        let error = one.technology.calibration.area.held_out.median;
        let number = |value: Option<f64>| value.map_or_else(String::new, |value| format!("{value:.6}"));
        text += &format!(
            "{},{:.6},{:.6},{:.6},{:.6},{:.6},{},{},{}\n",
            line.name,
            line.area_mm2,
            line.cells_mm2,
            error,
            line.memories_mm2,
            line.clock_mhz,
            line.cycles.map_or_else(String::new, |cycles| cycles.to_string()),
            number(line.latency_us),
            number(line.energy_uj)
        );
    }
    text
}
