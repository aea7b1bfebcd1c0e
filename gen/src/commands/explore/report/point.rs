//! What stands behind a point of the front: the tables of `simulate` and `cost`, the words of `explain`, and
//! figures to draw.

use std::collections::BTreeMap;
use std::error::Error;

use bitmill_accelerator::Queue;
use bitmill_explore::{Detail, Objective};
use bitmill_formats::Format;
use bitmill_model::{Layer, QuantizedNetwork, TensorId};
use bitmill_sim::Effort;
use serde_json::{Map, Value, json};

use crate::commands::cost::{self, Priced};
use crate::commands::explain::explanation;
use crate::commands::explore::folder;
use crate::commands::explore::journal::Header;
use crate::commands::simulate;
use crate::table::{Table, grouped, short};

/// Spans of a queue that are less apart than this share of the run are drawn as one.
const SMALLEST_GAP: f64 = 1.0 / 1500.0;

/// Everything that the page shows of a point.
pub(super) fn value(
    detail: &Detail<'_>,
    header: &Header,
    model: &str,
) -> Result<Map<String, Value>, Box<dyn Error>> {
    let Detail { accelerator, network, report, cost, energy, technology, .. } = detail;
    let configuration = accelerator.configuration();
    let priced = Priced {
        technology: (*technology).clone(),
        cost: cost.clone(),
        inference: Some((header.network.clone(), energy.clone())),
        note: None,
    };
    let ranges: BTreeMap<&str, (f64, f64)> = Objective::ALL
        .into_iter()
        .filter_map(|objective| Some((objective.column(), detail.range(objective)?)))
        .collect();
    let explanations: Vec<String> =
        (0..report.layers.len()).map(|index| explanation(accelerator, network, report, index)).collect();
    // The direction of memory that is busier binds.
    let run: Vec<(u64, u64, u64)> = report
        .layers
        .iter()
        .map(|layer| (layer.macs, layer.cycles, layer.read_bytes.max(layer.written_bytes)))
        .collect();
    let memory = configuration.memory;
    let value = json!({
        "configuration": configuration.to_yaml()?,
        "ranges": ranges,
        "totals": totals(detail),
        "layers": layers(detail)?,
        "explanations": explanations,
        "run": run,
        "queues": Queue::ALL.map(Queue::name),
        "spans": spans(detail),
        "peak_macs": accelerator.peak_macs(),
        "bytes_per_cycle":
            f64::from(accelerator.beat_bytes()) / f64::from(memory.beat_interval_cycles),
        "area_um2": cost.components.iter().map(|c| (&c.name, c.cost.area_um2())).collect::<Vec<_>>(),
        "energy_pj": energy.components.iter().map(|c| (&c.name, c.total_pj())).collect::<Vec<_>>(),
        "components": table(&cost::tree(&priced, 1)),
        "energies": table(&cost::by_component(energy)),
        "formats": table(&formats(network)?),
        "commands": commands(&configuration.name, &technology.name, header, model),
    });
    let Value::Object(value) = value else { return Err("a point is an object".into()) };
    Ok(value)
}

/// What `bitmill simulate` says of the whole run, and how fast the circuit runs where it is slower than asked for.
fn totals(detail: &Detail<'_>) -> String {
    let Detail { accelerator, report, energy, .. } = detail;
    let mut text = simulate::totals(accelerator, report);
    if energy.clock_mhz < f64::from(accelerator.configuration().clock_mhz) {
        let latency_us = report.cycles as f64 / energy.clock_mhz;
        let [clock_mhz, latency_us] = [energy.clock_mhz, latency_us].map(short);
        text += &format!("clock         {clock_mhz} MHz by the estimated longest path: {latency_us} µs\n");
    }
    text
}

fn table(table: &Table) -> Value {
    json!({ "headings": table.headings(), "rows": table.rows() })
}

/// The table of `bitmill simulate`, with numbers of layers as `bitmill explain` takes them, and formats.
fn layers(detail: &Detail<'_>) -> Result<Value, Box<dyn Error>> {
    let known = simulate::layers(&detail.report, Some(&detail.layers_nj));
    let of_formats = ["weights", "results"].map(str::to_owned);
    let headings: Vec<String> =
        ["#".to_owned()].into_iter().chain(known.headings().iter().cloned()).chain(of_formats).collect();
    let rows =
        known.rows().iter().zip(detail.network.pairs()).enumerate().map(|(index, (row, (layer, own)))| {
            let weights = if has_weights(detail.network, layer) {
                own.weight_format.to_string()
            } else {
                String::new()
            };
            let results = detail.network.quantization(layer.output).format.name().to_string();
            let mut cells = vec![(index + 1).to_string()];
            cells.extend(row.iter().cloned().chain([weights, results]));
            cells
        });
    Ok(json!({ "headings": headings, "rows": rows.collect::<Vec<_>>() }))
}

fn has_weights(network: &QuantizedNetwork, layer: &Layer) -> bool {
    layer.operation.weight_count(network.graph().input_shape(layer)) > 0
}

/// Which formats the network has, and for what.
fn formats(network: &QuantizedNetwork) -> Result<Table, Box<dyn Error>> {
    let graph = network.graph();
    let mut used: BTreeMap<(&str, String), (usize, usize)> = BTreeMap::new();
    let mut add = |what: &'static str, format: String, values: usize| {
        let (tensors, all) = used.entry((what, format)).or_default();
        *tensors += 1;
        *all += values;
    };
    let outputs = graph.layers().iter().map(|layer| layer.output);
    for tensor in std::iter::once(TensorId::INPUT).chain(outputs) {
        let format = network.quantization(tensor).format.name().to_string();
        add("activations", format, graph.shape(tensor).elements());
    }
    for (layer, own) in network.pairs().filter(|(layer, _)| has_weights(network, layer)) {
        add("weights", own.weight_format.to_string(), layer.operation.weight_count(graph.input_shape(layer)));
    }
    let mut table = Table::new(&[
        "format",
        "family",
        "used for",
        "tensors",
        "values",
        "bits a value",
        "KiB",
        "lowest",
        "highest",
        "range dB",
    ]);
    for ((what, name), (tensors, values)) in used {
        let figures = name.parse::<Format>()?.summary();
        table.row([
            name,
            figures.family.to_owned(),
            what.to_owned(),
            tensors.to_string(),
            grouped(values as u64),
            short(figures.bits_per_value),
            short(values as f64 * figures.bits_per_value / 8.0 / 1024.0),
            figures.lowest.to_f64().to_string(),
            figures.highest.to_f64().to_string(),
            format!("{:.1}", figures.dynamic_range_db),
        ]);
    }
    Ok(table)
}

/// A queue at work for a layer: queue, layer, first and last cycle, commands. Commands that follow each other
/// closely are one.
type Span = (usize, usize, u64, u64, u32);

fn spans(detail: &Detail<'_>) -> Vec<Span> {
    let smallest_gap = (detail.trace.cycles as f64 * SMALLEST_GAP) as u64;
    let mut spans: Vec<Span> = Vec::new();
    let mut last: [Option<usize>; Queue::ALL.len()] = [None; Queue::ALL.len()];
    for (planned, times) in detail.program.commands.iter().zip(&detail.trace.commands) {
        let queue = times.queue.index();
        if let Some(span) = last[queue].map(|index| &mut spans[index])
            && span.1 == planned.layer
            && times.start <= span.3 + smallest_gap
        {
            span.3 = span.3.max(times.done);
            span.4 += 1;
            continue;
        }
        last[queue] = Some(spans.len());
        spans.push((queue, planned.layer, times.start, times.done, 1));
    }
    spans
}

/// What makes the point's figures again, in the folder of the sweep.
fn commands(name: &str, technology: &str, header: &Header, model: &str) -> Vec<String> {
    let configuration = folder::configuration(name);
    let timing = if header.thoroughness.timing_only { " --timing-only" } else { "" };
    let mut commands = vec![
        format!("bitmill simulate {configuration}{model} --technology {technology}{timing}"),
        format!("bitmill cost {configuration} --technology {technology}{model}"),
        format!("bitmill explain {configuration} 1{model}"),
        format!("bitmill verify {configuration}{model}"),
        format!("bitmill generate {configuration} -o verilog"),
    ];
    if header.thoroughness.effort == Effort::FirstCut {
        commands[0] += "    # searches for better cuts of layers than the sweep did";
    }
    commands
}
