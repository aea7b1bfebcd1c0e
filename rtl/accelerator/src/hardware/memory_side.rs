//! The half of the top module that faces host and memory: registers, fetch unit, queues, DMAs, AXI ports.

use bitmill_hdl::{HdlError, InstanceHandle, ModuleBuilder, Signal, Wire, unsigned};

use super::lite::{DATA_BITS, STROBE_BITS};
use super::sampler::saturated_bits;
use super::{ADDRESS_BITS, axi, control, fetch, lite, load, queue, read_port, store, tokens, write_port};
use crate::command::{Queue, fields};
use crate::fault::reachable;
use crate::register_map::REGISTER_ADDRESS_BITS;
use crate::{Accelerator, Target};

/// What this half gives to the compute pipeline, and wires for what it gets from it.
pub(super) struct MemorySide<'m> {
    pub compute_start: Signal<'m>,
    pub compute_words: Vec<Signal<'m>>,
    pub compute_running: Wire<'m>,
    pub compute_done: Wire<'m>,
    /// The number of offsets that saturate, where there is a sampler.
    pub saturated: Option<Wire<'m>>,
    pub load: LoadOutputs<'m>,
    pub store_read: Signal<'m>,
    pub store_line: Signal<'m>,
    pub store_slices: Vec<Wire<'m>>,
    /// Returns the units to rest.
    pub reset: Signal<'m>,
    pub run_start: Signal<'m>,
    pub run_done: Signal<'m>,
    pub starts: [Signal<'m>; Queue::ALL.len()],
    pub dones: [Signal<'m>; Queue::ALL.len()],
}

pub(super) struct LoadOutputs<'m> {
    pub writes: Vec<Signal<'m>>,
    pub line: Signal<'m>,
    pub slice: Signal<'m>,
    pub data: Signal<'m>,
}

/// Input ports of the AXI master.
struct Axi<'m> {
    arready: Signal<'m>,
    rvalid: Signal<'m>,
    rid: Signal<'m>,
    rdata: Signal<'m>,
    rresp: Signal<'m>,
    rlast: Signal<'m>,
    awready: Signal<'m>,
    wready: Signal<'m>,
    bvalid: Signal<'m>,
    bresp: Signal<'m>,
}

/// Signals that tie the blocks together, one for each queue where that makes sense.
struct Ties<'m> {
    starts: [Wire<'m>; Queue::ALL.len()],
    dones: [Wire<'m>; Queue::ALL.len()],
    runnings: [Wire<'m>; Queue::ALL.len()],
    all_idle: Wire<'m>,
    fetch_grant: Wire<'m>,
    load_grant: Wire<'m>,
    store_grant: Wire<'m>,
    fetch_data: Wire<'m>,
    load_data: Wire<'m>,
    all_answered: Wire<'m>,
}

impl<'m> Ties<'m> {
    fn new(m: &'m ModuleBuilder) -> Ties<'m> {
        let bit = |name: &str| m.wire(name, unsigned(1));
        let each = |what: &str| Queue::ALL.map(|queue| bit(&format!("{}_{what}", queue.name())));
        Ties {
            starts: each("starts"),
            dones: each("ends"),
            runnings: each("runs"),
            all_idle: bit("all_idle"),
            fetch_grant: bit("fetch_granted"),
            load_grant: bit("load_granted"),
            store_grant: bit("store_granted"),
            fetch_data: bit("fetch_data_arrives"),
            load_data: bit("load_data_arrives"),
            all_answered: bit("writes_answered"),
        }
    }
}

pub(super) fn memory_side<'m>(
    m: &'m ModuleBuilder,
    accelerator: &Accelerator,
) -> Result<MemorySide<'m>, HdlError> {
    let lite = host_port(m)?;
    let axi = axi_inputs(m, accelerator);
    let control = m.instance("i_control", &control::module(accelerator)?, &[]);
    connect_registers(lite, control);
    let reset = control.output("reset_o");
    let ties = Ties::new(m);

    m.comment("Commands come from memory and go to their queues.");
    let inputs = [
        ("start_i", control.output("start_o")),
        ("command_address_i", control.output("command_address_o")),
        ("command_count_i", control.output("command_count_o")),
        ("all_idle_i", ties.all_idle.value()),
        ("grant_i", ties.fetch_grant.value()),
        ("data_valid_i", ties.fetch_data.value()),
        ("data_i", axi.rdata),
    ];
    let fetch = m.instance("i_fetch", &fetch::module(accelerator)?, &inputs);
    let (queues, tokens) = queues(m, fetch, &ties)?;
    let head = |queue: Queue| -> Vec<Signal<'m>> {
        (0..queue::words_of(queue)).map(|i| queues[queue.index()].output(&format!("head_{i}_o"))).collect()
    };

    m.comment("DMAs.");
    let command = |queue: Queue| {
        let words = head(queue);
        [("start_i", ties.starts[queue.index()].value()), ("word_0_i", words[0]), ("word_1_i", words[1])]
    };
    let load = m.instance("i_load", &load::module(accelerator)?, &command(Queue::Load));
    load.input("grant_i", ties.load_grant.value());
    load.input("data_valid_i", ties.load_data.value());
    load.input("data_i", axi.rdata);
    let store = m.instance("i_store", &store::module(accelerator)?, &command(Queue::Store));
    store.input("grant_i", ties.store_grant.value());
    store.input("write_ready_i", axi.wready);
    store.input("all_answered_i", ties.all_answered.value());
    let beat = unsigned(accelerator.beat_bits());
    let store_slices: Vec<Wire> = (0..accelerator.beats_per_line(Target::Activations))
        .map(|slice| {
            let wire = m.wire(&format!("store_slice_{slice}"), beat);
            store.input(&format!("slice_{slice}_i"), wire.value());
            wire
        })
        .collect();
    for (queue, unit) in [(Queue::Load, load), (Queue::Store, store)] {
        ties.runnings[queue.index()].drive(unit.output("running_o"));
        ties.dones[queue.index()].drive(unit.output("done_o"));
    }
    let [load_queue, _, store_queue] = queues;
    for unit in [fetch, queues[0], queues[1], queues[2], tokens, load, store] {
        unit.reset_when(reset);
    }

    let (reads, writes) = axi_ports(m, accelerator, control, [fetch, load, store], &axi, &ties)?;
    axi_outputs(m, accelerator, reads, writes, store);
    let sources = [
        (fetch.output("faulty_o"), fetch.output("fault_o"), fetch.output("index_o")),
        (reads.output("fetch_error_o"), reads.output("fault_o"), fetch.output("arriving_o")),
        (reads.output("load_error_o"), reads.output("fault_o"), load_queue.output("index_o")),
        (writes.output("store_error_o"), writes.output("fault_o"), store_queue.output("index_o")),
    ];
    for (name, (happens, code, index)) in control::FAULT_SOURCES.iter().zip(sources) {
        control.input(&format!("{name}_fault_i"), happens);
        control.input(&format!("{name}_fault_code_i"), code);
        control.input(&format!("{name}_index_i"), index);
    }
    control.input("run_done_i", fetch.output("done_o"));
    control.input("bus_idle_i", reads.output("idle_o").and(writes.output("idle_o")));
    for queue in Queue::ALL {
        control.input(&format!("{}_runs_i", queue.name()), ties.runnings[queue.index()].value());
        control
            .input(&format!("{}_waits_i", queue.name()), tokens.output(&format!("{}_waits_o", queue.name())));
    }
    let saturated = accelerator.sampler().map(|sampler| {
        let count = m.wire("saturated_offsets", unsigned(saturated_bits(accelerator, sampler)));
        control.input("saturated_i", count.value());
        count
    });
    control.input("beat_read_i", axi.rvalid);
    control.input("beat_written_i", store.output("write_valid_o").and(axi.wready));
    m.group("Interrupt");
    m.output_with_comment("irq_o", control.output("irq_o"), "until its causes are cleared");

    Ok(MemorySide {
        compute_start: ties.starts[Queue::Compute.index()].value(),
        compute_words: head(Queue::Compute),
        compute_running: ties.runnings[Queue::Compute.index()],
        compute_done: ties.dones[Queue::Compute.index()],
        saturated,
        load: LoadOutputs {
            writes: reachable(accelerator, Queue::Load)
                .iter()
                .map(|target| load.output(&format!("{}_write_o", target.name())))
                .collect(),
            line: load.output("line_o"),
            slice: load.output("slice_o"),
            data: load.output("data_o"),
        },
        store_read: store.output("read_o"),
        store_line: store.output("line_o"),
        store_slices,
        reset,
        run_start: control.output("start_o"),
        run_done: fetch.output("done_o"),
        starts: ties.starts.map(|wire| wire.value()),
        dones: ties.dones.map(|wire| wire.value()),
    })
}

/// The AXI4-Lite slave with its ports.
fn host_port(m: &ModuleBuilder) -> Result<InstanceHandle<'_>, HdlError> {
    m.group("Host: AXI4-Lite slave, 32 bits");
    let lite = m.instance("i_lite", &lite::module()?, &[]);
    for (port, width) in [
        ("awvalid_i", 1),
        ("awaddr_i", REGISTER_ADDRESS_BITS),
        ("wvalid_i", 1),
        ("wdata_i", DATA_BITS),
        ("wstrb_i", STROBE_BITS),
        ("bready_i", 1),
        ("arvalid_i", 1),
        ("araddr_i", REGISTER_ADDRESS_BITS),
        ("rready_i", 1),
    ] {
        lite.input(port, m.input(&format!("s_axi_{port}"), unsigned(width)));
    }
    let outputs =
        ["awready_o", "wready_o", "bvalid_o", "bresp_o", "arready_o", "rvalid_o", "rdata_o", "rresp_o"];
    for port in outputs {
        m.output(&format!("s_axi_{port}"), lite.output(port));
    }
    Ok(lite)
}

fn connect_registers<'m>(lite: InstanceHandle<'m>, control: InstanceHandle<'m>) {
    for signal in ["write", "write_address", "write_data", "write_strobe", "read_address"] {
        control.input(&format!("{signal}_i"), lite.output(&format!("{signal}_o")));
    }
    for signal in ["write_ok", "read_ok", "read_data"] {
        lite.input(&format!("{signal}_i"), control.output(&format!("{signal}_o")));
    }
}

fn axi_inputs<'m>(m: &'m ModuleBuilder, accelerator: &Accelerator) -> Axi<'m> {
    m.group("Memory: AXI4 master");
    let input = |name: &str, width: u32| m.input(&format!("m_axi_{name}_i"), unsigned(width));
    let axi = Axi {
        arready: input("arready", 1),
        rvalid: input("rvalid", 1),
        rid: input("rid", axi::ID_BITS),
        rdata: input("rdata", accelerator.beat_bits()),
        rresp: input("rresp", axi::RESPONSE_BITS),
        rlast: input("rlast", 1),
        awready: input("awready", 1),
        wready: input("wready", 1),
        bvalid: input("bvalid", 1),
        bresp: input("bresp", axi::RESPONSE_BITS),
    };
    // One ID is in use for writes: the answer's need not be looked at.
    m.ignore(input("bid", axi::ID_BITS));
    axi
}

/// The queues, tied to fetch unit and tokens.
fn queues<'m>(
    m: &'m ModuleBuilder,
    fetch: InstanceHandle<'m>,
    ties: &Ties<'m>,
) -> Result<([InstanceHandle<'m>; Queue::ALL.len()], InstanceHandle<'m>), HdlError> {
    let mut instances = Vec::new();
    for queue in Queue::ALL {
        let (name, words) = (queue.name(), queue::words_of(queue));
        let inputs = [
            ("push_i", fetch.output(&format!("{name}_push_o"))),
            ("index_i", fetch.output("index_o")),
            ("pop_i", ties.dones[queue.index()].value()),
        ];
        let instance = m.instance(&format!("i_queue_{name}"), &queue::module(words)?, &inputs);
        for word in 0..words {
            instance.input(&format!("word_{word}_i"), fetch.output(&format!("word_{word}_o")));
        }
        fetch.input(&format!("{name}_ready_i"), instance.output("ready_o"));
        instances.push(instance);
    }
    let tokens = m.instance("i_tokens", &tokens::module()?, &[]);
    for queue in Queue::ALL {
        let (name, instance) = (queue.name(), instances[queue.index()]);
        tokens.input(&format!("{name}_valid_i"), instance.output("valid_o"));
        tokens.input(&format!("{name}_running_i"), ties.runnings[queue.index()].value());
        tokens.input(&format!("{name}_done_i"), ties.dones[queue.index()].value());
        for (what, field) in [("wait", &fields::WAIT), ("post", &fields::POST)] {
            let word = instance.output(&format!("head_{}_o", field.word));
            tokens.input(&format!("{name}_{what}_i"), word.slice(field.lsb, Queue::ALL.len() as u32));
        }
        ties.starts[queue.index()].drive(tokens.output(&format!("{name}_start_o")));
    }
    ties.all_idle.drive(tokens.output("all_idle_o"));
    Ok(([instances[0], instances[1], instances[2]], tokens))
}

/// The AXI ports, tied to their clients.
fn axi_ports<'m>(
    m: &'m ModuleBuilder,
    accelerator: &Accelerator,
    control: InstanceHandle<'m>,
    [fetch, load, store]: [InstanceHandle<'m>; 3],
    axi: &Axi<'m>,
    ties: &Ties<'m>,
) -> Result<(InstanceHandle<'m>, InstanceHandle<'m>), HdlError> {
    m.comment("Memory ports: reads and writes go on at the same time.");
    let memory = &accelerator.configuration().memory;
    let inputs = [
        ("halt_i", control.output("halt_o")),
        ("arready_i", axi.arready),
        ("rvalid_i", axi.rvalid),
        ("rid_i", axi.rid),
        ("rresp_i", axi.rresp),
        ("rlast_i", axi.rlast),
    ];
    let reads = m.instance("i_read_port", &read_port::module(memory.outstanding_reads)?, &inputs);
    let inputs = [
        ("halt_i", control.output("halt_o")),
        ("awready_i", axi.awready),
        ("bvalid_i", axi.bvalid),
        ("bresp_i", axi.bresp),
    ];
    let writes = m.instance("i_write_port", &write_port::module(memory.outstanding_writes)?, &inputs);
    for (port, client, unit) in [(reads, "fetch", fetch), (reads, "load", load), (writes, "store", store)] {
        for what in ["valid", "address", "beats"] {
            port.input(&format!("{client}_{what}_i"), unit.output(&format!("request_{what}_o")));
        }
    }
    ties.fetch_grant.drive(reads.output("fetch_grant_o"));
    ties.load_grant.drive(reads.output("load_grant_o"));
    ties.fetch_data.drive(reads.output("fetch_data_valid_o"));
    ties.load_data.drive(reads.output("load_data_valid_o"));
    ties.store_grant.drive(writes.output("store_grant_o"));
    ties.all_answered.drive(writes.output("idle_o"));
    Ok((reads, writes))
}

fn axi_outputs<'m>(
    m: &'m ModuleBuilder,
    accelerator: &Accelerator,
    reads: InstanceHandle<'m>,
    writes: InstanceHandle<'m>,
    store: InstanceHandle<'m>,
) {
    m.group("Memory: AXI4 master");
    let output = |name: &str, signal: Signal<'m>| m.output(&format!("m_axi_{name}_o"), signal);
    let size = accelerator.beat_bytes().ilog2();
    for (channel, port, id) in [("ar", reads, reads.output("arid_o")), ("aw", writes, m.lit(axi::ID_BITS, 0))]
    {
        output(&format!("{channel}id"), id);
        for what in ["addr", "len", "valid"] {
            output(&format!("{channel}{what}"), port.output(&format!("{channel}{what}_o")));
        }
        output(&format!("{channel}size"), m.lit(axi::SIZE_BITS, size.into()));
        output(&format!("{channel}burst"), m.lit(axi::BURST_TYPE_BITS, axi::INCREMENTING));
        output(&format!("{channel}cache"), m.lit(axi::CACHE_BITS, axi::CACHE));
        output(&format!("{channel}prot"), m.lit(axi::PROTECTION_BITS, 0));
    }
    output("rready", m.bit(true));
    output("wdata", store.output("write_data_o"));
    output("wstrb", m.bit(true).replicate(accelerator.beat_bytes()));
    output("wlast", store.output("write_last_o"));
    output("wvalid", store.output("write_valid_o"));
    output("bready", m.bit(true));
    debug_assert_eq!(reads.output("araddr_o").width(), ADDRESS_BITS);
}
