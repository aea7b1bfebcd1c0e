//! One design for people: the tree of components, the longest path, and the energy of an inference.

use bitmill_cost_model::{Component, Cost, EnergyBreakdown, LIMITS};

use super::Priced;
use super::priced::Cells;
use crate::table::{Table, short};

/// What stands below the tree: longest path, energy, errors and limits.
pub fn page(priced: &Priced, depth: usize) -> String {
    let cost = &priced.cost;
    let mut text = format!("{} in {} ({})\n\n", cost.top, priced.technology.name, priced.technology.summary);
    text += &tree(priced, depth);
    let path = &cost.longest_path;
    let place = if path.instance.is_empty() { &cost.top } else { &path.instance };
    text += &format!(
        "\nlongest path  {} ns ({} MHz) in {place}: {}\n",
        short(path.delay_ns),
        short(cost.clock_mhz()),
        if path.signals.is_empty() { "between ports".to_owned() } else { path.signals.join(" → ") }
    );
    if let Some((network, breakdown)) = &priced.inference {
        text += &format!("\n{}", energies(network, breakdown));
    }
    text += &priced.cells.as_ref().map_or_else(String::new, |cells| format!("\n{}", errors(cells)));
    text += &format!("\n{}\n", wrapped(&limits(priced)));
    text += &priced.note.as_ref().map_or_else(String::new, |note| format!("note: {note}\n"));
    text
}

/// What the figures leave out; of areas nothing more than their error says where they are calibrated.
pub(super) fn limits(priced: &Priced) -> String {
    match priced.cells {
        Some(_) => format!("energies and delays {LIMITS}"),
        None => LIMITS.to_owned(),
    }
}

/// The error of calibrated areas.
pub(super) fn errors(cells: &Cells) -> String {
    let errors = cells.calibration.held_out;
    let percent = |share: f64| format!("{:.1}", share * 100.0);
    wrapped(&format!(
        "area of cells before layout ± {} %: the median error on {} synthesised designs that the fit did not see; nine in ten are \
         within {} %, all within {} %; a component without registers may take less than it would by itself",
        percent(errors.median),
        errors.designs,
        percent(errors.percentile_90),
        percent(errors.worst)
    )) + "\n"
}

fn tree(priced: &Priced, depth: usize) -> String {
    let cells = match &priced.cells {
        Some(cells) => format!("cells µm² ±{:.1}%", cells.calibration.held_out.median * 100.0),
        None => "cells µm²".to_owned(),
    };
    let mut table = Table::new(&[
        "component",
        "instances",
        "area µm²",
        "area %",
        &cells,
        "memories µm²",
        "active pJ/cycle",
        "idle pJ/cycle",
        "leakage µW",
        "path ns",
    ]);
    let cost = &priced.cost;
    let all_um2 = priced.area_um2();
    table.row(line(&cost.top, 1, priced.all_cells_um2(), &cost.total, all_um2, cost.longest_path.delay_ns));
    cost.components.iter().for_each(|c| rows(&mut table, priced, c, 1, 1, depth));
    if cost.own != Cost::default() {
        let components: f64 = cost.components.iter().map(|component| priced.cells_um2(component)).sum();
        let own_um2 = (priced.all_cells_um2() - components).max(0.0);
        table.row(line("  (its own wiring)", 1, own_um2, &cost.own, all_um2, 0.0));
    }
    table.text()
}

fn rows(table: &mut Table, priced: &Priced, component: &Component, level: usize, times: u32, depth: usize) {
    if level > depth {
        return;
    }
    let name = format!("{}{}", "  ".repeat(level), component.name);
    let instances = component.instances * times;
    let cells_um2 = priced.cells_um2(component) * f64::from(times);
    table.row(line(
        &name,
        instances,
        cells_um2,
        &(component.cost * times),
        priced.area_um2(),
        component.delay_ns,
    ));
    component.parts.iter().for_each(|part| rows(table, priced, part, level + 1, instances, depth));
}

fn line(name: &str, instances: u32, cells_um2: f64, cost: &Cost, all_um2: f64, delay_ns: f64) -> Vec<String> {
    let area_um2 = cells_um2 + cost.memories_um2;
    let share = if all_um2 > 0.0 { 100.0 * area_um2 / all_um2 } else { 0.0 };
    let mut row = vec![name.to_owned(), instances.to_string(), short(area_um2), format!("{share:.1}")];
    row.extend(
        [cells_um2, cost.memories_um2, cost.active_pj, cost.idle_pj, cost.leakage_nw * 1e-3].map(short),
    );
    row.push(if delay_ns > 0.0 { short(delay_ns) } else { "-".to_owned() });
    row
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

/// The whole tree, a component a line; costs are those of all instances.
pub(super) fn csv(priced: &Priced) -> String {
    let cost = &priced.cost;
    let mut text =
        "path,module,instances,cells_um2,logic_um2,registers_um2,memories_um2,active_pj,idle_pj,leakage_nw,delay_ns\n"
            .to_owned();
    let line = |path: &str, module: &str, instances: u32, cells_um2: f64, c: &Cost, delay_ns: f64| {
        let numbers = [
            cells_um2,
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
    text += &line("", &cost.top, 1, priced.all_cells_um2(), &cost.total, cost.longest_path.delay_ns);
    let mut work: Vec<(String, u32, &Component)> =
        cost.components.iter().rev().map(|c| (c.name.clone(), 1, c)).collect();
    while let Some((path, times, component)) = work.pop() {
        let instances = component.instances * times;
        let cells_um2 = priced.cells_um2(component) * f64::from(times);
        let all = component.cost * times;
        text += &line(&path, &component.module, instances, cells_um2, &all, component.delay_ns);
        let parts = component.parts.iter().rev();
        work.extend(parts.map(|part| (format!("{path}/{}", part.name), instances, part)));
    }
    text
}

/// Text in lines of at most 100 characters.
pub(super) fn wrapped(text: &str) -> String {
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
