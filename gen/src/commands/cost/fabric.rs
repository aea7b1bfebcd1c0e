//! What designs take of an FPGA family: the tree of components of one, and several side by side.

use std::error::Error;

use bitmill_cost_model::{Component, DesignCost, Fabric, FabricCalibration, Fit, Resources, estimate_on};
use bitmill_hdl::Design;
use serde_json::{Value, json};

use super::page::{place_of, wrapped};
use super::{CostArgs, sources};
use crate::output::{print, write_file};
use crate::source::Source;
use crate::table::{Table, short};

/// Runs `bitmill cost` for an FPGA family.
///
/// # Errors
/// What is wrong with the request.
pub fn run(args: &CostArgs, family: &Fabric) -> Result<(), Box<dyn Error>> {
    for (given, option) in [(args.svg.is_some(), "--svg"), (args.model.model.is_some(), "--model")] {
        if given {
            return Err(format!(
                "{option} shows energies, and {} is an FPGA family, which has none here; leave it out, or choose a cell library \
                 with --technology",
                family.name
            )
            .into());
        }
    }
    let costs = sources(args)
        .iter()
        .map(|source| {
            let design = match source.load()?.0 {
                Source::Unit(unit) => Design::new(&unit.module()?)?,
                Source::Accelerator(accelerator) => Design::new(&accelerator.module()?)?,
            };
            Ok(estimate_on(&design, family))
        })
        .collect::<Result<Vec<_>, Box<dyn Error>>>()?;
    if let Some(path) = &args.csv {
        let text = if let [one] = &costs[..] { csv(one) } else { csv_of_several(&costs) };
        write_file(path, text.as_bytes())?;
    }
    let text = match &costs[..] {
        [one] if args.json => format!("{:#}\n", value(one, family)?),
        [one] => page(one, family, args.depth),
        _ if args.json => {
            let values = costs.iter().map(|cost| value(cost, family)).collect::<Result<Vec<Value>, _>>()?;
            format!("{:#}\n", Value::from(values))
        }
        _ => compare(&costs, family),
    };
    Ok(print(&text)?)
}

/// One design for people.
fn page(cost: &DesignCost<Resources>, family: &Fabric, depth: usize) -> String {
    let mut text = format!("{} in {} ({})\n\n", cost.top, family.name, family.summary);
    text += &tree(cost, family, depth).text();
    if cost.clock_mhz() > 0.0 {
        let path = &cost.longest_path;
        let (ns, mhz) = (short(path.delay_ns), short(cost.clock_mhz()));
        text += &format!("\nlongest path  {ns} ns ({mhz} MHz) in {}\n", place_of(&cost.top, path));
    }
    text += &format!("\n{}", devices(&cost.total, family).text());
    text + &format!("\n{}\n", wrapped(&family.limits()))
}

/// The tree of components down to a level, with the errors of the figures in its head.
fn tree(cost: &DesignCost<Resources>, family: &Fabric, depth: usize) -> Table {
    let FabricCalibration { luts, flip_flops, delay, .. } = &family.calibration;
    let with_error = |head: &str, fit: &Fit| format!("{head} ±{:.1}%", 100.0 * fit.held_out.median);
    let (luts, flip_flops) = (with_error("LUTs", luts), with_error("flip-flops", flip_flops));
    let path = delay.as_ref().map(|fit| with_error("path ns", fit));
    let mut heads = vec!["component", "instances", &luts, "LUTs %", &flip_flops, "DSPs", "block RAMs"];
    heads.extend(path.as_deref());
    let mut table = Table::new(&heads);
    let line = |name: String, instances: u32, of: Resources, delay_ns: f64| {
        let share = if cost.total.luts > 0.0 { 100.0 * of.luts / cost.total.luts } else { 0.0 };
        let mut row = vec![name, instances.to_string(), format!("{:.0}", of.luts), format!("{share:.1}")];
        row.extend([format!("{:.0}", of.flip_flops), of.dsps.to_string(), of.block_rams.to_string()]);
        row.extend(path.as_ref().map(|_| if delay_ns > 0.0 { short(delay_ns) } else { "-".to_owned() }));
        row
    };
    table.row(line(cost.top.clone(), 1, cost.total, cost.longest_path.delay_ns));
    let mut work: Vec<(usize, u32, &Component<Resources>)> =
        cost.components.iter().rev().map(|component| (1, 1, component)).collect();
    while let Some((level, times, component)) = work.pop().filter(|_| depth > 0) {
        let instances = component.instances * times;
        let name = format!("{}{}", "  ".repeat(level), component.name);
        table.row(line(name, instances, component.cost * times, component.delay_ns));
        if level < depth {
            work.extend(component.parts.iter().rev().map(|part| (level + 1, instances, part)));
        }
    }
    if cost.own != Resources::default() {
        table.row(line("  (its own wiring)".to_owned(), 1, cost.own, 0.0));
    }
    table
}

/// The shares of devices that a design takes.
fn devices(total: &Resources, family: &Fabric) -> Table {
    let mut table = Table::new(&["device", "LUTs %", "flip-flops %", "DSPs %", "block RAMs %"]);
    for device in &family.devices {
        let shares = figures(total).into_iter().zip(figures(&device.has));
        let mut row = vec![device.name.clone()];
        row.extend(shares.map(|(takes, has)| format!("{:.1}", 100.0 * takes / has)));
        table.row(row);
    }
    table
}

fn figures(of: &Resources) -> [f64; 4] {
    [of.luts, of.flip_flops, of.dsps, of.block_rams]
}

/// The first device that holds a design.
fn device(total: &Resources, family: &Fabric) -> String {
    let holds = |has: &Resources| figures(total).iter().zip(figures(has)).all(|(takes, has)| *takes <= has);
    let found = family.devices.iter().find(|device| holds(&device.has));
    found.map_or("none".to_owned(), |device| device.name.clone())
}

/// Several designs side by side, for people.
fn compare(costs: &[DesignCost<Resources>], family: &Fabric) -> String {
    let mut table =
        Table::new(&["accelerator", "LUTs", "flip-flops", "DSPs", "block RAMs", "clock MHz", "fits in"]);
    for cost in costs {
        let mhz = cost.clock_mhz();
        table.row([
            cost.top.trim_start_matches("bitmill_").to_owned(),
            format!("{:.0}", cost.total.luts),
            format!("{:.0}", cost.total.flip_flops),
            cost.total.dsps.to_string(),
            cost.total.block_rams.to_string(),
            if mhz > 0.0 { short(mhz) } else { "-".to_owned() },
            device(&cost.total, family),
        ]);
    }
    format!("{} ({})\n\n{}\n{}\n", family.name, family.summary, table.text(), wrapped(&family.limits()))
}

/// Everything, for programs.
fn value(cost: &DesignCost<Resources>, family: &Fabric) -> Result<Value, serde_json::Error> {
    let mut value = serde_json::to_value(cost)?;
    value["calibration"] = json!(family.calibration);
    value["limits"] = json!(family.limits());
    value["clock_mhz"] = json!(cost.clock_mhz());
    value["devices"] = json!(family.devices);
    Ok(value)
}

const COLUMNS: &str = "luts,flip_flops,dsps,block_rams";

fn columns(of: &Resources) -> String {
    figures(of).map(|figure| format!("{figure:.1}")).join(",")
}

/// The whole tree, a component a line; resources are those of all instances.
fn csv(cost: &DesignCost<Resources>) -> String {
    let mut text = format!("path,module,instances,{COLUMNS},delay_ns\n");
    let line = |path: &str, module: &str, instances: u32, of: &Resources, delay_ns: f64| {
        format!("{path},{module},{instances},{},{delay_ns:.6}\n", columns(of))
    };
    text += &line("", &cost.top, 1, &cost.total, cost.longest_path.delay_ns);
    let mut work: Vec<(String, u32, &Component<Resources>)> =
        cost.components.iter().rev().map(|c| (c.name.clone(), 1, c)).collect();
    while let Some((path, times, component)) = work.pop() {
        let instances = component.instances * times;
        text += &line(&path, &component.module, instances, &(component.cost * times), component.delay_ns);
        let parts = component.parts.iter().rev();
        work.extend(parts.map(|part| (format!("{path}/{}", part.name), instances, part)));
    }
    text
}

/// A line a design.
fn csv_of_several(costs: &[DesignCost<Resources>]) -> String {
    let mut text = format!("accelerator,{COLUMNS},clock_mhz\n");
    for cost in costs {
        let name = cost.top.trim_start_matches("bitmill_");
        text += &format!("{name},{},{:.6}\n", columns(&cost.total), cost.clock_mhz());
    }
    text
}
