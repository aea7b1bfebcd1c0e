//! The top module: memory port, queues and the compute pipeline, wired.

use std::sync::Arc;

use bitmill_hdl::{HdlError, Module, ModuleBuilder, Signal, Wire, unsigned};

use super::arbiter::CLIENTS;
use super::fetch::COUNT_BITS;
use super::gather::SETTINGS;
use super::scratchpad::across;
use super::{
    ADDRESS_BITS, arbiter, array, drain, fetch, gather, load, postprocessor, queue, scratchpad, sequencer,
    store, tokens, vector,
};
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

/// The whole accelerator.
pub(crate) fn top(accelerator: &Accelerator) -> Result<Arc<Module>, HdlError> {
    let config = accelerator.configuration();
    let m = ModuleBuilder::new(format!("bitmill_{}", config.name), purpose(accelerator));
    m.group("Control");
    let start = m.input_with_comment("start_i", unsigned(1), "run a list of commands; one cycle");
    let base = m.input_with_comment(
        "command_address_i",
        unsigned(ADDRESS_BITS),
        "byte address of the first command",
    );
    let count = m.input_with_comment("command_count_i", unsigned(COUNT_BITS), "at least 1");
    m.group("Memory");
    let memory = MemoryInputs {
        request_ready: m.input("mem_request_ready_i", unsigned(1)),
        read_valid: m.input("mem_read_valid_i", unsigned(1)),
        read_data: m.input("mem_read_data_i", unsigned(accelerator.beat_bits())),
        write_ready: m.input("mem_write_ready_i", unsigned(1)),
        write_done: m.input_with_comment("mem_write_done_i", unsigned(1), "the burst has been written"),
    };

    let queues = control(&m, accelerator, start, base, count, &memory)?;
    let compute = compute(&m, accelerator, &queues)?;
    let compute_done = compute.done;
    queues.compute_running.drive(compute.running);
    queues.compute_done.drive(compute_done);
    queues.slices.into_iter().zip(compute.store_slices).for_each(|(wire, slice)| wire.drive(slice));

    m.group("Status");
    m.output("busy_o", queues.busy);
    m.output_with_comment("done_o", queues.done, "the list has ended; one cycle");
    m.group("Events, one cycle each, for tracing");
    for (queue, start) in Queue::ALL.iter().zip(queues.starts) {
        m.output(&Event::Start.port(*queue), start);
    }
    for (queue, done) in Queue::ALL.iter().zip(queues.dones) {
        m.output(&Event::Done.port(*queue), done);
    }
    m.finish()
}

fn purpose(accelerator: &Accelerator) -> String {
    let config = accelerator.configuration();
    format!(
        "accelerator of {} by {} PEs ({}, {} lanes),\nactivations {}, weights {}.\n\
         Runs lists of 64-byte commands from memory.",
        accelerator.rows(),
        accelerator.columns(),
        config.pe.kind,
        config.pe.lanes,
        config.precision.activations.join(", "),
        config.precision.weights.join(", ")
    )
}

struct MemoryInputs<'m> {
    request_ready: Signal<'m>,
    read_valid: Signal<'m>,
    read_data: Signal<'m>,
    write_ready: Signal<'m>,
    write_done: Signal<'m>,
}

/// What the queues give to the compute pipeline, and wires for what they get from it.
struct Queues<'m> {
    compute_start: Signal<'m>,
    compute_words: Vec<Signal<'m>>,
    compute_running: Wire<'m>,
    compute_done: Wire<'m>,
    load: LoadOutputs<'m>,
    store_read: Signal<'m>,
    store_line: Signal<'m>,
    slices: Vec<Wire<'m>>,
    busy: Signal<'m>,
    done: Signal<'m>,
    starts: Vec<Signal<'m>>,
    dones: Vec<Signal<'m>>,
}

struct LoadOutputs<'m> {
    writes: Vec<Signal<'m>>,
    line: Signal<'m>,
    slice: Signal<'m>,
    data: Signal<'m>,
}

/// Fetch, queues, tokens, the DMAs and the memory port.
fn control<'m>(
    m: &'m ModuleBuilder,
    accelerator: &Accelerator,
    start: Signal<'m>,
    base: Signal<'m>,
    count: Signal<'m>,
    memory: &MemoryInputs<'m>,
) -> Result<Queues<'m>, HdlError> {
    let bit = |name: &str| m.wire(name, unsigned(1));
    let grants = CLIENTS.map(|client| bit(&format!("{client}_granted")));
    let data_valids = ["fetch", "load"].map(|client| bit(&format!("{client}_data_arrives")));
    let store_confirmed = bit("store_confirmed");
    let all_idle = bit("all_idle");
    let readies: Vec<Wire> = Queue::ALL.iter().map(|q| bit(&format!("{}_has_room", q.name()))).collect();
    let dones: Vec<Wire> = Queue::ALL.iter().map(|q| bit(&format!("{}_ends", q.name()))).collect();
    let runnings: Vec<Wire> = Queue::ALL.iter().map(|q| bit(&format!("{}_runs", q.name()))).collect();
    let starts: Vec<Wire> = Queue::ALL.iter().map(|q| bit(&format!("{}_starts", q.name()))).collect();

    m.comment("Commands come from memory and go to their queues.");
    let mut fetch_inputs = vec![
        ("start_i", start),
        ("command_address_i", base),
        ("command_count_i", count),
        ("all_idle_i", all_idle.value()),
        ("grant_i", grants[0].value()),
        ("data_valid_i", data_valids[0].value()),
        ("data_i", memory.read_data),
    ];
    let ready_ports: Vec<String> = Queue::ALL.iter().map(|q| format!("{}_ready_i", q.name())).collect();
    fetch_inputs.extend(ready_ports.iter().zip(&readies).map(|(port, ready)| (port.as_str(), ready.value())));
    let fetch = m.instance("i_fetch", &fetch::module(accelerator.beat_bits())?, &fetch_inputs);
    let mut heads = Vec::new();
    let mut token_inputs = Vec::new();
    for &queue in &Queue::ALL {
        let words = queue::words_of(queue);
        let ports: Vec<String> = (0..words).map(|i| format!("word_{i}_i")).collect();
        let mut inputs = vec![
            ("push_i", fetch.output(&format!("{}_push_o", queue.name()))),
            ("pop_i", dones[queue.index()].value()),
        ];
        inputs.extend(
            ports.iter().enumerate().map(|(i, p)| (p.as_str(), fetch.output(&format!("word_{i}_o")))),
        );
        let instance = m.instance(&format!("i_queue_{}", queue.name()), &queue::module(words)?, &inputs);
        readies[queue.index()].drive(instance.output("ready_o"));
        let head: Vec<Signal> = (0..words).map(|i| instance.output(&format!("head_{i}_o"))).collect();
        let masks = Queue::ALL.len() as u32;
        let (wait, post) = (&fields::WAIT, &fields::POST);
        token_inputs.extend([
            (format!("{}_valid_i", queue.name()), instance.output("valid_o")),
            (format!("{}_running_i", queue.name()), runnings[queue.index()].value()),
            (format!("{}_wait_i", queue.name()), head[wait.word].slice(wait.lsb, masks)),
            (format!("{}_post_i", queue.name()), head[post.word].slice(post.lsb, masks)),
            (format!("{}_done_i", queue.name()), dones[queue.index()].value()),
        ]);
        heads.push(head);
    }
    let token_inputs: Vec<(&str, Signal)> = token_inputs.iter().map(|(p, s)| (p.as_str(), *s)).collect();
    let tokens = m.instance("i_tokens", &tokens::module()?, &token_inputs);
    all_idle.drive(tokens.output("all_idle_o"));
    for &queue in &Queue::ALL {
        starts[queue.index()].drive(tokens.output(&format!("{}_start_o", queue.name())));
    }

    m.comment("DMAs.");
    let load_inputs = [
        ("start_i", starts[Queue::Load.index()].value()),
        ("word_0_i", heads[0][0]),
        ("word_1_i", heads[0][1]),
        ("grant_i", grants[1].value()),
        ("data_valid_i", data_valids[1].value()),
        ("data_i", memory.read_data),
    ];
    let load = m.instance("i_load", &load::module(accelerator)?, &load_inputs);
    let beat = unsigned(accelerator.beat_bits());
    let slices: Vec<Wire> = (0..accelerator.beats_per_line(Target::Activations))
        .map(|s| m.wire(&format!("store_slice_{s}"), beat))
        .collect();
    let slice_ports: Vec<String> = (0..slices.len()).map(|s| format!("slice_{s}_i")).collect();
    let mut store_inputs = vec![
        ("start_i", starts[Queue::Store.index()].value()),
        ("word_0_i", heads[2][0]),
        ("word_1_i", heads[2][1]),
        ("grant_i", grants[2].value()),
        ("write_ready_i", memory.write_ready),
        ("write_done_i", store_confirmed.value()),
    ];
    store_inputs.extend(slice_ports.iter().zip(&slices).map(|(port, slice)| (port.as_str(), slice.value())));
    let store = m.instance("i_store", &store::module(accelerator)?, &store_inputs);
    for (queue, unit) in [(Queue::Load, load), (Queue::Store, store)] {
        runnings[queue.index()].drive(unit.output("running_o"));
        dones[queue.index()].drive(unit.output("done_o"));
    }

    m.comment("Memory port.");
    let clients = [fetch, load, store];
    let mut arbiter_inputs: Vec<(String, Signal)> = Vec::new();
    for (client, unit) in CLIENTS.iter().zip(clients) {
        for what in ["valid", "address", "beats"] {
            arbiter_inputs.push((format!("{client}_{what}_i"), unit.output(&format!("request_{what}_o"))));
        }
    }
    let mut inputs: Vec<(&str, Signal)> = arbiter_inputs.iter().map(|(p, s)| (p.as_str(), *s)).collect();
    inputs.extend([
        ("mem_request_ready_i", memory.request_ready),
        ("mem_read_valid_i", memory.read_valid),
        ("mem_write_done_i", memory.write_done),
    ]);
    let arbiter = m.instance("i_arbiter", &arbiter::module()?, &inputs);
    for (client, grant) in CLIENTS.iter().zip(grants) {
        grant.drive(arbiter.output(&format!("{client}_grant_o")));
    }
    data_valids[0].drive(arbiter.output("fetch_data_valid_o"));
    data_valids[1].drive(arbiter.output("load_data_valid_o"));
    store_confirmed.drive(arbiter.output("store_done_o"));
    for port in ["valid", "write", "address", "beats"].map(|what| format!("mem_request_{what}_o")) {
        m.output(&port, arbiter.output(&port));
    }
    m.output("mem_write_valid_o", store.output("write_valid_o"));
    m.output("mem_write_data_o", store.output("write_data_o"));

    Ok(Queues {
        compute_start: starts[Queue::Compute.index()].value(),
        compute_words: heads[Queue::Compute.index()].clone(),
        compute_running: runnings[Queue::Compute.index()],
        compute_done: dones[Queue::Compute.index()],
        load: LoadOutputs {
            writes: load::TARGETS.iter().map(|(_, name)| load.output(&format!("{name}_write_o"))).collect(),
            line: load.output("line_o"),
            slice: load.output("slice_o"),
            data: load.output("data_o"),
        },
        store_read: store.output("read_o"),
        store_line: store.output("line_o"),
        slices,
        busy: fetch.output("busy_o"),
        done: fetch.output("done_o"),
        starts: starts.iter().map(|w| w.value()).collect(),
        dones: dones.iter().map(|w| w.value()).collect(),
    })
}

struct ComputeOutputs<'m> {
    running: Signal<'m>,
    done: Signal<'m>,
    store_slices: Vec<Signal<'m>>,
}

/// Sequencer, gatherer, scratchpads, array, vector unit, drain and postprocessor.
fn compute<'m>(
    m: &'m ModuleBuilder,
    accelerator: &Accelerator,
    queues: &Queues<'m>,
) -> Result<ComputeOutputs<'m>, HdlError> {
    let rows = accelerator.rows();
    let ports: Vec<String> = (0..COMMAND_WORDS).map(|word| format!("word_{word}_i")).collect();
    let command = |words: &[usize]| -> Vec<(&str, Signal<'m>)> {
        words.iter().map(|&word| (ports[word].as_str(), queues.compute_words[word])).collect()
    };
    let step_done = m.wire("step_done", unsigned(1));
    let done = m.wire("compute_done", unsigned(1));

    m.comment("Compute: positions, operands, sums, results.");
    let mut inputs =
        vec![("start_i", queues.compute_start), ("done_i", done.value()), ("step_done_i", step_done.value())];
    inputs.extend(command(&sequencer::WORDS));
    let sequencer = m.instance("i_sequencer", &sequencer::module(accelerator)?, &inputs);
    let words: Vec<Wire> =
        (0..rows).map(|r| m.wire(&format!("bank_word_{r}"), unsigned(accelerator.word_bits()))).collect();
    let gather = gatherer(m, accelerator, sequencer, &words)?;
    step_done.drive(gather.output("step_done_o"));
    let mut inputs =
        vec![("start_i", queues.compute_start), ("tile_ready_i", sequencer.output("tile_ready_o"))];
    inputs.extend(command(&drain::WORDS));
    let drain = m.instance("i_drain", &drain::module(accelerator)?, &inputs);
    done.drive(drain.output("done_o"));

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
    let [read, line] = ["parameter_read_o", "parameter_line_o"].map(|port| drain.output(port));
    let parameters = lines(Target::Parameters, "parameters", read, line)?;

    let operands: Vec<Signal> = (0..rows).map(|r| gather.output(&format!("operand_{r}_o"))).collect();
    let (array, vector) = arithmetic(m, accelerator, sequencer, &operands, &weights)?;
    let results = postprocess(m, accelerator, queues, drain, array, vector, &parameters)?;
    activations(m, accelerator, queues, gather, drain, &results, &words)?;
    Ok(ComputeOutputs {
        running: sequencer.output("running_o"),
        done: done.value(),
        store_slices: store_slices(m, accelerator, &words),
    })
}

type Instance<'m> = bitmill_hdl::InstanceHandle<'m>;

fn gatherer<'m>(
    m: &'m ModuleBuilder,
    accelerator: &Accelerator,
    sequencer: Instance<'m>,
    words: &[Wire<'m>],
) -> Result<Instance<'m>, HdlError> {
    let mut names: Vec<String> = SETTINGS.iter().map(|f| f.name.to_owned()).collect();
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
    queues: &Queues<'m>,
    drain: Instance<'m>,
    array: Instance<'m>,
    vector: Option<Instance<'m>>,
    parameters: &[Signal<'m>],
) -> Result<Vec<Signal<'m>>, HdlError> {
    let bits = accelerator.value_bits();
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

fn activations<'m>(
    m: &'m ModuleBuilder,
    accelerator: &Accelerator,
    queues: &Queues<'m>,
    gather: Instance<'m>,
    drain: Instance<'m>,
    results: &[Signal<'m>],
    words: &[Wire<'m>],
) -> Result<(), HdlError> {
    let load = &queues.load;
    let mut inputs: Vec<(String, Signal)> = [
        ("load_write_i", load.writes[Target::Activations as usize]),
        ("load_line_i", load.line),
        ("load_slice_i", load.slice),
        ("load_data_i", load.data),
        ("drain_write_i", drain.output("write_o")),
        ("drain_group_i", drain.output("write_group_o")),
        ("drain_line_i", drain.output("write_line_o")),
        ("store_read_i", queues.store_read),
        ("store_line_i", queues.store_line),
    ]
    .map(|(port, signal)| (port.to_owned(), signal))
    .to_vec();
    inputs.extend(results.iter().enumerate().map(|(row, word)| (format!("drain_word_{row}_i"), *word)));
    for bank in 0..accelerator.rows() {
        for what in ["read", "address"] {
            let signal = gather.output(&format!("gather_{what}_{bank}_o"));
            inputs.push((format!("gather_{what}_{bank}_i"), signal));
        }
    }
    let inputs: Vec<(&str, Signal)> = inputs.iter().map(|(p, s)| (p.as_str(), *s)).collect();
    let unit = m.instance("i_activations", &scratchpad::activations(accelerator)?, &inputs);
    for (bank, word) in words.iter().enumerate() {
        word.drive(unit.output(&format!("word_{bank}_o")));
    }
    Ok(())
}

/// The words of a line as beats: each word in its slot, zeros above it.
fn store_slices<'m>(m: &'m ModuleBuilder, accelerator: &Accelerator, words: &[Wire<'m>]) -> Vec<Signal<'m>> {
    let slot_bits = accelerator.word_slot_bits();
    words
        .chunks(accelerator.words_per_beat() as usize)
        .map(|chunk| {
            let mut slots: Vec<Signal> = chunk.iter().map(|word| word.value().extend(slot_bits)).collect();
            slots.reverse();
            m.concat(&slots).extend(accelerator.beat_bits())
        })
        .collect()
}
