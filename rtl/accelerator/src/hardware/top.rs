//! The top module: the memory side and the compute pipeline, wired.

use std::sync::Arc;

use bitmill_hdl::{HdlError, Module, ModuleBuilder, Signal, Wire, unsigned};

use super::memory_side::{MemorySide, memory_side};
use super::others::{Others, Results};
use super::scratchpad::across;
use super::{array, drain, gather, pairing, postprocessor, rows, scratchpad, sequencer, vector};
use crate::command::{COMMAND_WORDS, Queue, fields};
use crate::{Accelerator, Target};
use bitmill_units::pe::lane::LANE_WEIGHT_BITS;

/// What happens to a command, as the top module's event ports show it.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, PartialOrd, Ord)]
pub enum Event {
    /// The command leaves the head of its queue's wait and starts.
    Start,
    /// Its last effect has happened.
    Done,
}

impl Event {
    /// Name of the event's port for commands of `queue`.
    pub fn port(self, queue: Queue) -> String {
        let what = if self == Event::Start { "start" } else { "done" };
        format!("{}_{what}_o", queue.name())
    }
}

/// Port that is 1 in the cycle in which a run starts, from which cycles are counted.
pub const RUN_START_PORT: &str = "run_start_o";
/// Port that is 1 in the cycle in which a run ends with its last command.
pub const RUN_DONE_PORT: &str = "run_done_o";

/// The whole accelerator.
pub(crate) fn top(accelerator: &Accelerator) -> Result<Arc<Module>, HdlError> {
    let config = accelerator.configuration();
    let m = ModuleBuilder::new(format!("bitmill_{}", config.name), purpose(accelerator));
    let memory = memory_side(&m, accelerator)?;
    let compute = compute(&m, accelerator, &memory)?;
    memory.compute_running.drive(compute.running);
    memory.compute_done.drive(compute.done);
    if let Some((wire, saturated)) = memory.saturated.zip(compute.saturated) {
        wire.drive(saturated);
    }
    memory.store_slices.iter().zip(compute.store_slices).for_each(|(wire, slice)| wire.drive(slice));

    m.group("Events, one cycle each, for tracing");
    m.output(RUN_START_PORT, memory.run_start);
    m.output(RUN_DONE_PORT, memory.run_done);
    for (queue, start) in Queue::ALL.iter().zip(memory.starts) {
        m.output(&Event::Start.port(*queue), start);
    }
    for (queue, done) in Queue::ALL.iter().zip(memory.dones) {
        m.output(&Event::Done.port(*queue), done);
    }
    m.finish()
}

fn purpose(accelerator: &Accelerator) -> String {
    let config = accelerator.configuration();
    format!(
        "accelerator of {} by {} PEs ({}, {} lanes),\nactivations {}, weights {}.\n\
         An AXI coprocessor: runs lists of 64-byte commands from memory.",
        accelerator.rows(),
        accelerator.columns(),
        config.pe.kind,
        config.pe.lanes,
        config.precision.activations.join(", "),
        config.precision.weights.join(", ")
    )
}

struct ComputeOutputs<'m> {
    running: Signal<'m>,
    done: Signal<'m>,
    /// Offsets that the sampler has found beyond the bound.
    saturated: Option<Signal<'m>>,
    store_slices: Vec<Signal<'m>>,
}

/// Sequencer, gatherer, scratchpads, array, vector unit, drain and postprocessor.
fn compute<'m>(
    m: &'m ModuleBuilder,
    accelerator: &Accelerator,
    queues: &MemorySide<'m>,
) -> Result<ComputeOutputs<'m>, HdlError> {
    let rows = accelerator.rows();
    let ports: Vec<String> = (0..COMMAND_WORDS).map(|word| format!("word_{word}_i")).collect();
    let command = |words: &[usize]| -> Vec<(&str, Signal<'m>)> {
        words.iter().map(|&word| (ports[word].as_str(), queues.compute_words[word])).collect()
    };
    let step_done = m.wire("step_done", unsigned(1));
    let done = m.wire("compute_done", unsigned(1));
    let others = Others::new(m, accelerator, queues)?;
    let start = others.array_starts(m, queues);

    m.comment("Compute: positions, operands, sums, results.");
    let mut inputs = vec![("start_i", start), ("done_i", done.value()), ("step_done_i", step_done.value())];
    inputs.extend(command(&sequencer::WORDS));
    let sequencer = m.instance("i_sequencer", &sequencer::module(accelerator)?, &inputs);
    let banks = 0..accelerator.banks();
    let words: Vec<Wire> =
        banks.map(|b| m.wire(&format!("bank_word_{b}"), unsigned(accelerator.word_bits()))).collect();
    let gather = gatherer(m, accelerator, sequencer, &words)?;
    step_done.drive(gather.output("step_done_o"));
    let mut inputs = vec![("start_i", start), ("tile_ready_i", sequencer.output("tile_ready_o"))];
    inputs.extend(command(&drain::words(accelerator)));
    let drain = m.instance("i_drain", &drain::module(accelerator)?, &inputs);
    others.join_results(sequencer, drain);
    let results = Results { drain, others: &others };
    done.drive(others.done(results.output("done_o")));

    let lines = |target: Target, role: &str, read: Signal<'m>, line: Signal<'m>| {
        let load = &queues.load;
        let inputs = [
            ("write_i", load.writes[target as usize]),
            ("write_line_i", load.line),
            ("write_slice_i", load.slice),
            ("write_data_i", load.data),
            ("read_i", read),
            ("read_line_i", line),
        ];
        let unit = m.instance(&format!("i_{role}"), &scratchpad::lines(accelerator, target, role)?, &inputs);
        let slices = accelerator.beats_per_line(target);
        Ok::<Vec<Signal>, HdlError>((0..slices).map(|s| unit.output(&format!("slice_{s}_o"))).collect())
    };
    let [read, line] = ["weight_read_o", "weight_line_o"].map(|port| sequencer.output(port));
    let weights = lines(Target::Weights, "weights", read, line)?;
    let [read, line] = ["parameter_read_o", "parameter_line_o"].map(|port| results.output(port));
    let parameters = lines(Target::Parameters, "parameters", read, line)?;

    let operands: Vec<Signal> = (0..rows).map(|r| gather.output(&format!("operand_{r}_o"))).collect();
    let (array, vector) = arithmetic(m, accelerator, sequencer, &operands, &weights)?;
    for unit in [sequencer, gather, drain, array].into_iter().chain(vector) {
        unit.reset_when(queues.reset);
    }
    let requantized = postprocess(m, accelerator, queues, &results, array, vector, &parameters)?;
    let line = activations(m, accelerator, queues, gather, &results, &requantized, &words)?;
    others.read(&line, &words);
    Ok(ComputeOutputs {
        running: others.running(sequencer.output("running_o")),
        saturated: others.sampler.as_ref().map(|sampler| sampler.unit.output("saturated_o")),
        done: done.value(),
        store_slices: store_slices(m, accelerator, &line),
    })
}

type Instance<'m> = bitmill_hdl::InstanceHandle<'m>;

fn gatherer<'m>(
    m: &'m ModuleBuilder,
    accelerator: &Accelerator,
    sequencer: Instance<'m>,
    words: &[Wire<'m>],
) -> Result<Instance<'m>, HdlError> {
    let mut names: Vec<String> = gather::settings(accelerator).iter().map(|f| f.name.to_owned()).collect();
    let others = [
        "place",
        "place_row",
        "place_column",
        "place_y",
        "place_x",
        "place_index",
        "step",
        "jump",
        "remaining",
        "base_line",
        "tap_y",
        "tap_x",
        "tap_index",
    ];
    names.extend(others.map(str::to_owned));
    let mut inputs: Vec<(String, Signal)> =
        names.iter().map(|n| (format!("{n}_i"), sequencer.output(&format!("{n}_o")))).collect();
    if gather::mode_port(accelerator).is_some() {
        inputs.push(("mode_i".to_owned(), sequencer.output("mode_o")));
    }
    inputs.extend(words.iter().enumerate().map(|(b, word)| (format!("word_{b}_i"), word.value())));
    let inputs: Vec<(&str, Signal)> = inputs.iter().map(|(p, s)| (p.as_str(), *s)).collect();
    Ok(m.instance("i_gather", &gather::module(accelerator)?, &inputs))
}

fn arithmetic<'m>(
    m: &'m ModuleBuilder,
    accelerator: &Accelerator,
    sequencer: Instance<'m>,
    operands: &[Signal<'m>],
    weights: &[Signal<'m>],
) -> Result<(Instance<'m>, Option<Instance<'m>>), HdlError> {
    let control = |valid: &str| {
        vec![
            ("valid_i".to_owned(), sequencer.output(valid)),
            ("first_i".to_owned(), sequencer.output("first_o")),
            ("last_i".to_owned(), sequencer.output("last_o")),
        ]
    };
    let activations = operands.iter().enumerate().map(|(r, word)| (format!("activation_{r}_i"), *word));
    let build = |name: &str, module: Arc<Module>, inputs: Vec<(String, Signal<'m>)>| {
        let inputs: Vec<(&str, Signal)> = inputs.iter().map(|(p, s)| (p.as_str(), *s)).collect();
        m.instance(name, &module, &inputs)
    };
    let word_bits = accelerator.weight_word_bits();
    let mut inputs = control("array_valid_o");
    for (width, what) in [(accelerator.pe().mode_bits(), "mode"), (accelerator.pe().phase_bits(), "phase")] {
        if width > 0 {
            inputs.push((format!("{what}_i"), sequencer.output(&format!("{what}_o"))));
        }
    }
    inputs.extend(activations.clone());
    inputs.extend(
        (0..accelerator.columns())
            .map(|c| (format!("weight_{c}_i"), across(m, weights, c * word_bits, word_bits))),
    );
    let array = build("i_array", array::module(accelerator)?, inputs);
    let Some(word) = accelerator.vector_word() else { return Ok((array, None)) };
    let mut inputs = control("vector_valid_o");
    inputs.push(("maximum_i".to_owned(), sequencer.output("maximum_o")));
    if accelerator.vector_lane().pairs() {
        inputs.push(("pair_i".to_owned(), sequencer.output("pair_o")));
    }
    inputs.extend(activations);
    inputs.extend((0..word.channels).map(|l| {
        let weight = across(m, weights, l * LANE_WEIGHT_BITS, LANE_WEIGHT_BITS).as_signed();
        (format!("weight_{l}_i"), weight)
    }));
    let vector = build("i_vector", vector::module(accelerator, word)?, inputs);
    Ok((array, Some(vector)))
}

/// The requantized words, one for each drained row.
fn postprocess<'m>(
    m: &'m ModuleBuilder,
    accelerator: &Accelerator,
    queues: &MemorySide<'m>,
    results: &Results<'_, 'm>,
    array: Instance<'m>,
    vector: Option<Instance<'m>>,
    parameters: &[Signal<'m>],
) -> Result<Vec<Signal<'m>>, HdlError> {
    let (bits, drain) = (accelerator.value_bits(), results.drain);
    let mut inputs: Vec<(String, Signal)> =
        ["is_matrix", "block", "group"].map(|n| (format!("{n}_i"), drain.output(&format!("{n}_o")))).to_vec();
    for field in [&fields::ZERO_POINT, &fields::LOW, &fields::HIGH] {
        let setting = field.of(&queues.compute_words).truncate(bits);
        inputs.push((format!("{}_i", field.name), setting));
    }
    if accelerator.requantizer().has_choice() {
        inputs.push(("rounding_i".to_owned(), fields::ROUNDING.of(&queues.compute_words)));
    }
    if let Some(width) = postprocessor::output_port(accelerator) {
        let format = fields::OUTPUT_FORMAT.of(&queues.compute_words).truncate(width);
        inputs.push(("output_format_i".to_owned(), format));
    }
    if let Some(pair) = accelerator.pair() {
        inputs.extend(["is_pair", "pair_group"].map(|n| (format!("{n}_i"), drain.output(&format!("{n}_o")))));
        inputs.extend(pairing::SETTINGS.map(|field| {
            let width = pairing::port_shape(pair, field).width;
            (format!("{}_i", field.name), field.of(&queues.compute_words).truncate(width))
        }));
    }
    if let (Some(side), Some(units)) = (&results.others.row_units, accelerator.row_units()) {
        inputs.push(("is_rows_i".to_owned(), side.is_its));
        for (row, lane) in
            (0..accelerator.drain_rows()).flat_map(|row| (0..units.lanes()).map(move |lane| (row, lane)))
        {
            inputs
                .push((postprocessor::row_port(row, lane), side.unit.output(&rows::result_port(row, lane))));
        }
    }
    if accelerator.lookup_tables() > 0 {
        let load = &queues.load;
        inputs.extend(
            [
                ("lookup_i", fields::LOOKUP.of(&queues.compute_words)),
                ("table_write_i", load.writes[Target::Tables as usize]),
                ("table_line_i", load.line),
                ("table_slice_i", load.slice),
                ("table_data_i", load.data),
            ]
            .map(|(port, signal)| (port.to_owned(), signal)),
        );
    }
    inputs.extend(parameters.iter().enumerate().map(|(s, slice)| (format!("parameter_{s}_i"), *slice)));
    let vector_channels = accelerator.vector_word().map_or(0, |word| word.channels);
    for (prefix, unit, channels) in
        [("array", Some(array), accelerator.outputs()), ("vector", vector, vector_channels)]
    {
        let Some(unit) = unit else { continue };
        for row in 0..accelerator.rows() {
            for channel in 0..channels {
                let port = array::result_port(row, channel);
                let result = unit.output(&port);
                inputs.push((port.replace("result", prefix).replace("_o", "_i"), result));
            }
        }
    }
    let inputs: Vec<(&str, Signal)> = inputs.iter().map(|(p, s)| (p.as_str(), *s)).collect();
    let unit = m.instance("i_postprocessor", &postprocessor::module(accelerator)?, &inputs);
    Ok((0..accelerator.drain_rows()).map(|row| unit.output(&format!("word_{row}_o"))).collect())
}

/// The activation scratchpad; returns the line that the store DMA has read, a word for each row.
fn activations<'m>(
    m: &'m ModuleBuilder,
    accelerator: &Accelerator,
    queues: &MemorySide<'m>,
    gather: Instance<'m>,
    results: &Results<'_, 'm>,
    requantized: &[Signal<'m>],
    words: &[Wire<'m>],
) -> Result<Vec<Signal<'m>>, HdlError> {
    let load = &queues.load;
    let (line_read, line) = results.others.line_read(queues.store_read, queues.store_line);
    let mut inputs: Vec<(String, Signal)> = [
        ("load_write_i", load.writes[Target::Activations as usize]),
        ("load_line_i", load.line),
        ("load_slice_i", load.slice),
        ("load_data_i", load.data),
        ("drain_write_i", results.output("write_o")),
        ("drain_group_i", results.output("write_group_o")),
        ("drain_line_i", results.output("write_line_o")),
        ("store_read_i", line_read),
        ("store_line_i", line),
    ]
    .map(|(port, signal)| (port.to_owned(), signal))
    .to_vec();
    let written = results.others.written(requantized);
    inputs.extend(written.into_iter().enumerate().map(|(row, word)| (format!("drain_word_{row}_i"), word)));
    for bank in 0..accelerator.banks() {
        for what in ["read", "address"] {
            let port = format!("gather_{what}_{bank}_o");
            let signal = results.others.gathered(&port, gather.output(&port));
            inputs.push((format!("gather_{what}_{bank}_i"), signal));
        }
    }
    let inputs: Vec<(&str, Signal)> = inputs.iter().map(|(p, s)| (p.as_str(), *s)).collect();
    let unit = m.instance("i_activations", &scratchpad::activations(accelerator)?, &inputs);
    for (bank, word) in words.iter().enumerate() {
        word.drive(unit.output(&format!("word_{bank}_o")));
    }
    let rows = 0..accelerator.rows() as usize;
    Ok(rows.map(|row| unit.output(&scratchpad::line_word_port(accelerator, row))).collect())
}

/// The words of a line as beats: each word in its slot, zeros above it.
fn store_slices<'m>(m: &'m ModuleBuilder, accelerator: &Accelerator, line: &[Signal<'m>]) -> Vec<Signal<'m>> {
    let slot_bits = accelerator.word_slot_bits();
    line.chunks(accelerator.words_per_beat() as usize)
        .map(|chunk| {
            let mut slots: Vec<Signal> = chunk.iter().map(|word| word.extend(slot_bits)).collect();
            slots.reverse();
            m.concat(&slots).extend(accelerator.beat_bits())
        })
        .collect()
}
