//! Registers and memories in the interpreter: enables, resets, read-before-write, addresses out of range.

use std::sync::Arc;

use bitmill_hdl::{BigUint, Interpreter, Memory, Module, ModuleBuilder, RamPorts, Slot, unsigned, verilog};

struct Running {
    interpreter: Interpreter,
}

impl Running {
    fn new(module: &Arc<Module>) -> Running {
        Running { interpreter: Interpreter::new(module) }
    }

    fn set(&mut self, port: &str, value: u64) {
        let slot = self.interpreter.input(port).expect("an input port");
        self.interpreter.set(slot, value);
    }

    fn get(&mut self, port: &str) -> u64 {
        let slot = self.interpreter.output(port).expect("an output port");
        self.interpreter.get(slot)
    }
}

fn counter() -> Arc<Module> {
    let m = ModuleBuilder::new("bitmill_test_counter", "counts while enabled.");
    let enable = m.input("enable_i", unsigned(1));
    let count = m.register("count_q", unsigned(3)).reset_to(6);
    count.set_when(enable, count.q().increment());
    let free = m.register("free_q", unsigned(3)).without_reset();
    free.set(free.q().increment());
    m.output("count_o", count.q());
    m.output("free_o", free.q());
    m.finish().expect("a counter is legal")
}

#[test]
fn a_register_holds_unless_enabled_and_wraps() {
    let mut run = Running::new(&counter());
    let mut seen = Vec::new();
    for enable in [0, 1, 1, 0, 1, 0] {
        run.set("enable_i", enable);
        seen.push(run.get("count_o"));
        run.interpreter.step();
    }
    assert_eq!(seen, [6, 6, 7, 0, 0, 1]);
}

#[test]
fn reset_is_a_clock_edge_that_only_registers_with_reset_obey() {
    let mut run = Running::new(&counter());
    assert_eq!((run.get("count_o"), run.get("free_o")), (6, 1), "the first edge in reset has passed");
    run.set("enable_i", 1);
    run.interpreter.step();
    assert_eq!((run.get("count_o"), run.get("free_o")), (7, 2));
    run.interpreter.reset();
    assert_eq!((run.get("count_o"), run.get("free_o")), (6, 3));
}

fn memory(width: u32, depth: u32) -> Arc<Module> {
    let m = ModuleBuilder::new("bitmill_test_memory", "a memory with all its ports outside.");
    let address = unsigned(Memory { width, depth }.address_bits());
    let ports = RamPorts {
        write_enable: m.input("write_i", unsigned(1)),
        write_address: m.input("waddr_i", address),
        write_data: m.input("wdata_i", unsigned(width)),
        read_enable: m.input("read_i", unsigned(1)),
        read_address: m.input("raddr_i", address),
    };
    m.output("rdata_o", m.memory("words", Memory { width, depth }, ports));
    m.finish().expect("a memory is legal")
}

#[test]
fn a_read_of_the_word_being_written_returns_the_old_word() {
    let mut run = Running::new(&memory(8, 4));
    for (port, value) in [("write_i", 1), ("waddr_i", 2), ("wdata_i", 77), ("read_i", 1), ("raddr_i", 2)] {
        run.set(port, value);
    }
    run.interpreter.step();
    assert_eq!(run.get("rdata_o"), 0);
    run.set("wdata_i", 78);
    run.interpreter.step();
    assert_eq!(run.get("rdata_o"), 77);
    run.set("read_i", 0);
    run.interpreter.step();
    assert_eq!(run.get("rdata_o"), 77, "read data hold while nothing is read");
}

#[test]
fn words_beyond_the_depth_read_as_zero_and_drop_what_is_written() {
    let mut run = Running::new(&memory(8, 5));
    for (port, value) in [("write_i", 1), ("waddr_i", 4), ("wdata_i", 9), ("read_i", 1), ("raddr_i", 4)] {
        run.set(port, value);
    }
    run.interpreter.step();
    run.set("waddr_i", 7);
    run.interpreter.step();
    assert_eq!(run.get("rdata_o"), 9);
    run.set("raddr_i", 7);
    run.interpreter.step();
    assert_eq!(run.get("rdata_o"), 0);
}

#[test]
fn wide_words_keep_every_bit() {
    let mut run = Running::new(&memory(200, 3));
    let word = (BigUint::from(1u8) << 199) + (BigUint::from(0xdead_beef_u32) << 77) + 5u8;
    for (port, value) in [("write_i", 1), ("waddr_i", 1), ("read_i", 1), ("raddr_i", 1)] {
        run.set(port, value);
    }
    let slot = |slot: Option<Slot>| slot.expect("a port");
    let (data, read) = (slot(run.interpreter.input("wdata_i")), slot(run.interpreter.output("rdata_o")));
    run.interpreter.set_big(data, &word);
    run.interpreter.step();
    run.interpreter.step();
    assert_eq!(run.interpreter.get_big(read), word);
}

#[test]
fn signals_are_found_by_their_place_in_the_hierarchy() {
    let m = ModuleBuilder::new("bitmill_test_two", "two counters.");
    let enable = m.input("enable_i", unsigned(1));
    for name in ["left", "right"] {
        let instance = m.instance(&format!("i_{name}"), &counter(), &[("enable_i", enable)]);
        m.output(&format!("{name}_o"), instance.output("count_o"));
    }
    let module = m.finish().expect("two counters are legal");
    let interpreter = Interpreter::new(&module);
    let names: Vec<&str> = interpreter.names().iter().map(|(name, _)| name.as_str()).collect();
    for name in ["enable_i", "left_count", "i_left.enable_i", "i_left.count_q", "i_right.count_q"] {
        assert!(names.contains(&name), "{name} is not among {names:?}");
    }
}

/// Two counters in one module; the second one can be reset alone, also from two levels up.
#[test]
fn an_instance_can_be_reset_by_a_signal() {
    let pair = ModuleBuilder::new("bitmill_test_pair", "two counters, one with a reset of its own.");
    let clear = pair.input("clear_i", unsigned(1));
    let always = pair.bit(true);
    let first = pair.instance("i_first", &counter(), &[("enable_i", always)]);
    let second = pair.instance("i_second", &counter(), &[("enable_i", always)]);
    second.reset_when(clear);
    pair.output("first_o", first.output("count_o"));
    pair.output("second_o", second.output("count_o"));
    pair.output("free_o", second.output("free_o"));
    let pair = pair.finish().expect("a pair is legal");
    assert!(verilog::emit(&pair).contains("(rst_ni & ~(clear_i))"), "{}", verilog::emit(&pair));
    let outer = ModuleBuilder::new("bitmill_test_outer", "a pair that can be reset.");
    let [all, one] = ["all_i", "one_i"].map(|name| outer.input(name, unsigned(1)));
    let inner = outer.instance("i_pair", &pair, &[("clear_i", one)]);
    inner.reset_when(all);
    for port in ["first_o", "second_o", "free_o"] {
        outer.output(port, inner.output(port));
    }
    let mut run = Running::new(&outer.finish().expect("an outer module is legal"));
    let mut seen = Vec::new();
    for (all, one) in [(0, 0), (0, 1), (0, 0), (1, 0), (0, 0)] {
        run.set("all_i", all);
        run.set("one_i", one);
        run.interpreter.step();
        seen.push(["first_o", "second_o", "free_o"].map(|port| run.get(port)));
    }
    assert_eq!(seen, [[7, 7, 2], [0, 6, 3], [1, 7, 4], [6, 6, 5], [7, 7, 6]]);
}
