//! One design for people: the tree of components, the longest path, and the energy of an inference.

use bitmill_cost_model::{Calibration, Component, Cost, EnergyBreakdown, Fit, LongestPath};

use super::Priced;
use crate::table::{Table, short};

/// What stands below the tree: longest path, energy, errors and limits.
pub fn page(priced: &Priced, depth: usize) -> String {
    let cost = &priced.cost;
    let mut text = format!("{} in {} ({})\n\n", cost.top, priced.technology.name, priced.technology.summary);
    text += &tree(priced, depth).text();
    let path = &cost.longest_path;
    text += &format!(
        "\nlongest path  {} ns ({} MHz) in {}\n",
        short(path.delay_ns),
        short(cost.clock_mhz()),
        place_of(&cost.top, path)
    );
    if let Some((network, breakdown)) = &priced.inference {
        text += &format!("\n{}", energies(network, breakdown));
    }
    text += &format!("\n{}\n", wrapped(&priced.technology.limits()));
    text += &priced.note.as_ref().map_or_else(String::new, |note| format!("note: {note}\n"));
    text
}

/// Where the longest path lies, and the signals that it passes.
pub(super) fn place_of(top: &str, path: &LongestPath) -> String {
    let place = if path.instance.is_empty() { top } else { &path.instance };
    let signals =
        if path.signals.is_empty() { "between ports".to_owned() } else { path.signals.join(" → ") };
    format!("{place}: {signals}")
}

/// The tree of components down to a level, with the errors of the figures in its head.
pub fn tree(priced: &Priced, depth: usize) -> Table {
    let with_error = |head: &str, fit: fn(&Calibration) -> &Fit| {
        format!("{head} ±{:.1}%", fit(&priced.technology.calibration).held_out.median * 100.0)
    };
    let cells = with_error("cells µm²", |c| &c.area);
    let active = with_error("active pJ/cycle", |c| &c.energy);
    let leakage = with_error("leakage µW", |c| &c.leakage);
    let path = with_error("path ns", |c| &c.delay);
    let mut table = Table::new(&[
        "component",
        "instances",
        "area µm²",
        "area %",
        &cells,
        "memories µm²",
        &active,
        "idle pJ/cycle",
        &leakage,
        &path,
    ]);
    let cost = &priced.cost;
    let all_um2 = cost.total.area_um2();
    table.row(line(&cost.top, 1, &cost.total, all_um2, cost.longest_path.delay_ns));
    cost.components.iter().for_each(|c| rows(&mut table, all_um2, c, 1, 1, depth));
    if cost.own != Cost::default() {
        table.row(line("  (its own wiring)", 1, &cost.own, all_um2, 0.0));
    }
    table
}

fn rows(table: &mut Table, all_um2: f64, component: &Component, level: usize, times: u32, depth: usize) {
    if level > depth {
        return;
    }
    let name = format!("{}{}", "  ".repeat(level), component.name);
    let instances = component.instances * times;
    table.row(line(&name, instances, &(component.cost * times), all_um2, component.delay_ns));
    component.parts.iter().for_each(|part| rows(table, all_um2, part, level + 1, instances, depth));
}

fn line(name: &str, instances: u32, cost: &Cost, all_um2: f64, delay_ns: f64) -> Vec<String> {
    let area_um2 = cost.area_um2();
    let share = if all_um2 > 0.0 { 100.0 * area_um2 / all_um2 } else { 0.0 };
    let mut row = vec![name.to_owned(), instances.to_string(), short(area_um2), format!("{share:.1}")];
    row.extend(
        [cost.cells_um2(), cost.memories_um2, cost.active_pj, cost.idle_pj, cost.leakage_nw * 1e-3]
            .map(short),
    );
    row.push(if delay_ns > 0.0 { short(delay_ns) } else { "-".to_owned() });
    row
}

fn energies(network: &str, breakdown: &EnergyBreakdown) -> String {
    format!(
        "{}energy        {} µJ an inference of {network} ({} cycles), {} mW at {} MHz\n",
        by_component(breakdown).text(),
        short(breakdown.total_pj() * 1e-6),
        breakdown.cycles,
        short(breakdown.power_mw()),
        short(breakdown.clock_mhz)
    )
}

/// The energy of a run by component.
pub fn by_component(breakdown: &EnergyBreakdown) -> Table {
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
    table
}

/// The whole tree, a component a line; costs are those of all instances.
pub(super) fn csv(priced: &Priced) -> String {
    let cost = &priced.cost;
    let mut text =
        "path,module,instances,cells_um2,logic_um2,registers_um2,memories_um2,active_pj,idle_pj,leakage_nw,delay_ns\n"
            .to_owned();
    let line = |path: &str, module: &str, instances: u32, c: &Cost, delay_ns: f64| {
        let numbers = [
            c.cells_um2(),
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
        let all = component.cost * times;
        text += &line(&path, &component.module, instances, &all, component.delay_ns);
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
