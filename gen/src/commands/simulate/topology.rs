//! Time of layers that are shapes alone: SCALE-Sim's topology files and the built-in layer sets.
//!
//! Every layer runs by itself, from its input in memory to its output in memory, so that layers can be compared
//! with SCALE-Sim's, which stand by themselves too. Weights are zero: time does not depend on them.

use std::error::Error;
use std::path::PathBuf;

use bitmill_accelerator::{Accelerator, Configuration};
use bitmill_model::shapes::scale_sim::{Dataflow, closed_form_cycles, read_topology};
use bitmill_model::shapes::{LAYER_SETS, ShapeLayer};
use bitmill_model::{ActivationFormat, WeightFormat};
use bitmill_sim::{Effort, time};
use clap::Args;
use clap::builder::PossibleValuesParser;
use serde_json::{Value, json};

use crate::progress::bar;
use crate::source::in_file;
use crate::table::{Table, grouped, short};
use crate::workload::read;

/// Layers and what they are called together.
pub struct Topology {
    name: String,
    layers: Vec<ShapeLayer>,
}

/// Layers without numbers.
#[derive(Clone, Debug, Args)]
#[command(next_help_heading = "Layers without numbers")]
#[group(multiple = false)]
pub struct TopologyArgs {
    /// Layers of a SCALE-Sim topology file (CSV of convolutions or of matrix products), each by itself
    #[arg(long, value_name = "FILE", conflicts_with_all = ["model", "trace", "timeline"])]
    topology: Option<PathBuf>,
    /// Layers of a well-known network, each by itself
    #[arg(long, value_name = "NAME", conflicts_with_all = ["model", "trace", "timeline"],
        value_parser = PossibleValuesParser::new(LAYER_SETS.iter().map(|set| set.name)))]
    layers: Option<String>,
}

impl TopologyArgs {
    /// The layers; `None` where none were asked for.
    ///
    /// # Errors
    /// A file that cannot be read or is not legal.
    pub fn load(&self) -> Result<Option<Topology>, Box<dyn Error>> {
        if let Some(path) = &self.topology {
            let text = String::from_utf8(read(path)?)
                .map_err(|_| format!("{}: the file is not UTF-8 text", path.display()))?;
            let layers = read_topology(&text).map_err(|error| in_file(path, &error.to_string()))?;
            let name = path.file_stem().map_or("topology".into(), |stem| stem.to_string_lossy().into_owned());
            return Ok(Some(Topology { name, layers }));
        }
        let set = LAYER_SETS.iter().find(|set| Some(set.name) == self.layers.as_deref());
        Ok(set.map(|set| Topology { name: set.name.to_owned(), layers: (set.layers)() }))
    }
}

/// One layer's time.
struct Row {
    layer: ShapeLayer,
    output: String,
    macs: u64,
    cycles: u64,
    bound_cycles: u64,
    utilization: f64,
    /// SCALE-Sim's closed form for an array of this size, output stationary and weight stationary.
    scale_sim_cycles: [u64; 2],
}

/// Simulates every layer and returns the table, or JSON.
///
/// # Errors
/// A layer that does not fit: which, and how many bytes are missing.
pub fn run(accelerator: &Accelerator, topology: Topology, as_json: bool) -> Result<String, Box<dyn Error>> {
    let Topology { name, layers } = topology;
    let bar = bar("layers", layers.len() as u64);
    let rows = layers.into_iter().map(|layer| {
        bar.inc(1);
        row(accelerator, layer)
    });
    let rows = rows.collect::<Result<Vec<Row>, _>>()?;
    bar.finish_and_clear();
    Ok(if as_json { format!("{:#}\n", value(accelerator, &name, &rows)) } else { text(accelerator, &rows) })
}

fn row(accelerator: &Accelerator, layer: ShapeLayer) -> Result<Row, Box<dyn Error>> {
    let Configuration { precision, array, .. } = accelerator.configuration();
    let (activation, weight) = (precision.activations.first(), precision.weights.first());
    let network = layer.placeholder(
        ActivationFormat::new(activation)?,
        WeightFormat::new(weight.clone())?,
        accelerator.multiplication(activation, weight),
    )?;
    let (.., report) = time(accelerator, &network, Effort::Search)?;
    let once = ShapeLayer { repeats: 1, ..layer.clone() };
    let closed_form =
        |dataflow| closed_form_cycles(&once, array.rows as usize, array.columns as usize, dataflow);
    Ok(Row {
        output: network.graph().shape(network.graph().output()).to_string(),
        macs: report.macs,
        cycles: report.cycles,
        bound_cycles: report.bound.cycles(),
        utilization: report.utilization,
        scale_sim_cycles: [
            closed_form(Dataflow::OutputStationary)?,
            closed_form(Dataflow::WeightStationary)?,
        ],
        layer,
    })
}

/// Sum over all layers, repeats included.
fn total(rows: &[Row], of: impl Fn(&Row) -> u64) -> u64 {
    rows.iter().map(|row| of(row) * row.layer.repeats as u64).sum()
}

fn text(accelerator: &Accelerator, rows: &[Row]) -> String {
    let mut table = Table::new(&[
        "layer",
        "times",
        "output",
        "MACs",
        "cycles",
        "over bound",
        "utilization %",
        "SCALE-Sim OS cycles",
        "SCALE-Sim WS cycles",
    ]);
    for row in rows {
        table.row([
            row.layer.name.clone(),
            row.layer.repeats.to_string(),
            row.output.clone(),
            grouped(row.macs),
            grouped(row.cycles),
            format!("{:.2}", row.cycles as f64 / row.bound_cycles as f64),
            format!("{:.1}", 100.0 * row.utilization),
            grouped(row.scale_sim_cycles[0]),
            grouped(row.scale_sim_cycles[1]),
        ]);
    }
    let clock_mhz = accelerator.configuration().clock_mhz;
    let (macs, cycles) = (total(rows, |row| row.macs), total(rows, |row| row.cycles));
    let [output_stationary, weight_stationary] = [0, 1].map(|i| total(rows, |row| row.scale_sim_cycles[i]));
    format!(
        "{}\ncycles        {}, every layer by itself from memory to memory, as often as it stands there\n\
         latency       {} µs at {clock_mhz} MHz\n\
         utilization   {:.1} % of {} multiply-accumulates a cycle\n\
         SCALE-Sim     {} cycles output stationary, {} weight stationary: its closed form for {} x {} MACs without memory\n",
        table.text(),
        grouped(cycles),
        short(cycles as f64 / f64::from(clock_mhz)),
        100.0 * macs as f64 / (cycles * accelerator.peak_macs()) as f64,
        accelerator.peak_macs(),
        grouped(output_stationary),
        grouped(weight_stationary),
        accelerator.rows(),
        accelerator.columns(),
    )
}

fn value(accelerator: &Accelerator, name: &str, rows: &[Row]) -> Value {
    let layer = |row: &Row| {
        json!({
            "name": row.layer.name,
            "operation": row.layer.operation.name(),
            "repeats": row.layer.repeats,
            "output": row.output,
            "macs": row.macs,
            "cycles": row.cycles,
            "bound_cycles": row.bound_cycles,
            "utilization": row.utilization,
            "scale_sim_output_stationary_cycles": row.scale_sim_cycles[0],
            "scale_sim_weight_stationary_cycles": row.scale_sim_cycles[1],
        })
    };
    let clock_mhz = accelerator.configuration().clock_mhz;
    let cycles = total(rows, |row| row.cycles);
    json!({
        "accelerator": accelerator.configuration().name,
        "network": name,
        "cycles": cycles,
        "clock_mhz": clock_mhz,
        "latency_us": cycles as f64 / f64::from(clock_mhz),
        "macs": total(rows, |row| row.macs),
        "scale_sim_output_stationary_cycles": total(rows, |row| row.scale_sim_cycles[0]),
        "scale_sim_weight_stationary_cycles": total(rows, |row| row.scale_sim_cycles[1]),
        "layers": rows.iter().map(layer).collect::<Value>(),
    })
}
