//! Designs that are not legal hardware. Each error names the signal and the Rust line that made it.

use std::sync::Arc;

use bitmill_hdl::{Design, HdlError, Memory, Module, ModuleBuilder, RamPorts, signed, unsigned};

/// The text of the error; `@n` in `expected` stands for line `n` of this file.
#[track_caller]
fn refused(result: Result<Arc<Module>, HdlError>, expected: &str, lines: &[u32]) {
    let mut expected = expected.to_owned();
    for (number, line) in lines.iter().enumerate() {
        expected = expected.replace(&format!("@{}", number + 1), &format!("{}:{line}", file!()));
    }
    match result {
        Ok(module) => panic!("accepted {}, where this was due: {expected}", module.name),
        Err(error) => assert_eq!(error.to_string(), expected),
    }
}

fn builder() -> ModuleBuilder {
    ModuleBuilder::new("bitmill_test", "a module that is not legal.")
}

/// `y_o = ~a_i`, without a register between.
fn inverter() -> Arc<Module> {
    let m = ModuleBuilder::new("bitmill_test_inverter", "inverts.");
    let a = m.input("a_i", unsigned(4));
    m.output("y_o", a.not());
    m.finish().expect("an inverter is legal")
}

#[test]
fn operands_of_different_width() {
    let m = builder();
    let (a, b) = (m.input("a_i", unsigned(8)), m.input("b_i", unsigned(9)));
    m.output("y_o", a.and(b));
    let line = line!() - 1;
    let expected = "bitmill_test: and of `a_i` (8 bits unsigned) and `b_i` (9 bits unsigned) at @1: \
                    widths differ; use extend or truncate";
    refused(m.finish(), expected, &[line]);
}

#[test]
fn operands_of_different_signedness() {
    let m = builder();
    let (a, b) = (m.input("a_i", unsigned(8)), m.input("b_i", signed(8)));
    let line = line!() + 1;
    m.output("y_o", a.add(b));
    let expected = "bitmill_test: add of `a_i` (8 bits unsigned) and `b_i` (8 bits signed) at @1: \
                    signedness differs; use to_signed on the unsigned one";
    refused(m.finish(), expected, &[line]);
}

#[test]
fn an_unnamed_operand_is_described() {
    let m = builder();
    let (a, b) = (m.input("a_i", unsigned(8)), m.input("b_i", unsigned(8)));
    let line = line!() + 1;
    m.output("y_o", a.add(b).eq(a));
    let expected = "bitmill_test: eq of an unnamed Add of `a_i`, `b_i` (9 bits unsigned) and \
                    `a_i` (8 bits unsigned) at @1: widths differ; use extend or truncate";
    refused(m.finish(), expected, &[line]);
}

#[test]
fn a_wire_with_two_drivers() {
    let m = builder();
    let a = m.input("a_i", unsigned(4));
    let wire = m.wire("twice", unsigned(4));
    wire.drive(a);
    wire.drive(a.not());
    m.output("y_o", wire.value());
    let second = line!() - 2;
    refused(m.finish(), "bitmill_test: `twice` has two drivers: at @1 and at @2", &[second - 1, second]);
}

#[test]
fn a_register_with_two_inputs() {
    let m = builder();
    let a = m.input("a_i", unsigned(4));
    let state = m.register("state_q", unsigned(4));
    state.set(a);
    state.set_when(a.any(), a);
    m.output("y_o", state.q());
    let second = line!() - 2;
    refused(m.finish(), "bitmill_test: `state_q` has two drivers: at @1 and at @2", &[second - 1, second]);
}

#[test]
fn an_instance_input_connected_twice() {
    let m = builder();
    let a = m.input("a_i", unsigned(4));
    let instance = m.instance("i_inverter", &inverter(), &[("a_i", a)]);
    instance.input("a_i", a.not());
    let second = line!() - 1;
    m.output("y_o", instance.output("y_o"));
    let expected = "bitmill_test: input `a_i` of instance i_inverter has two drivers: at @1 and at @2";
    refused(m.finish(), expected, &[second - 1, second]);
}

#[test]
fn a_wire_without_a_driver() {
    let m = builder();
    let line = line!() + 1;
    let wire = m.wire("floating", unsigned(4));
    m.output("y_o", wire.value());
    refused(m.finish(), "bitmill_test: `floating`, declared at @1, is never driven", &[line]);
}

#[test]
fn a_register_without_an_input() {
    let m = builder();
    let line = line!() + 1;
    let state = m.register("state_q", unsigned(4));
    m.output("y_o", state.q());
    refused(m.finish(), "bitmill_test: `state_q`, declared at @1, is never driven", &[line]);
}

#[test]
fn an_instance_input_without_a_driver() {
    let m = builder();
    let line = line!() + 1;
    let instance = m.instance("i_inverter", &inverter(), &[]);
    m.output("y_o", instance.output("y_o"));
    let expected = "bitmill_test: input `a_i` of instance i_inverter, declared at @1, is never driven";
    refused(m.finish(), expected, &[line]);
}

#[test]
fn an_input_that_nothing_reads() {
    let m = builder();
    let a = m.input("a_i", unsigned(4));
    m.input("b_i", unsigned(4));
    let line = line!() - 1;
    m.output("y_o", a);
    let expected = "bitmill_test: `b_i`, declared at @1, is never read; remove it or pass it to `ignore`";
    refused(m.finish(), expected, &[line]);
}

#[test]
fn registers_that_only_read_each_other() {
    let m = builder();
    let a = m.input("a_i", unsigned(4));
    let (ping, pong) = (m.register("ping_q", unsigned(4)), m.register("pong_q", unsigned(4)));
    let line = line!() - 1;
    ping.set(pong.q());
    pong.set(ping.q());
    m.output("y_o", a);
    let expected = "bitmill_test: `ping_q`, declared at @1, is never read; remove it or pass it to `ignore`";
    refused(m.finish(), expected, &[line]);
}

#[test]
fn what_is_ignored_on_purpose_is_accepted() {
    let m = builder();
    let (a, b) = (m.input("a_i", unsigned(4)), m.input("b_i", unsigned(4)));
    m.ignore(b);
    m.output("y_o", a);
    assert!(m.finish().is_ok());
}

#[test]
fn a_combinational_loop() {
    let m = builder();
    let a = m.input("a_i", unsigned(4));
    let back = m.wire("back", unsigned(4));
    let line = line!() - 1;
    let sum = a.add_wrapping(back.value()).named("sum");
    let inverted = sum.not().named("inverted");
    back.drive(inverted);
    m.output("y_o", sum);
    let expected = "bitmill_test: combinational loop: `back` (@1) -> `sum` (@2) -> `inverted` (@3) -> `back`; \
                    put a register on this path";
    refused(m.finish(), expected, &[line, line + 2, line + 3]);
}

#[test]
fn a_combinational_loop_through_two_instances() {
    let m = builder();
    let first = m.instance("i_first", &inverter(), &[]);
    let from_first = first.output("y_o");
    let second = m.instance("i_second", &inverter(), &[("a_i", from_first)]);
    let from_second = second.output("y_o");
    first.input("a_i", from_second);
    m.output("y_o", from_second);
    let line = line!() - 5;
    let expected = "bitmill_test: combinational loop: `first_y` (@1) -> `second_y` (@2) -> `first_y`; \
                    put a register on this path";
    refused(m.finish(), expected, &[line, line + 2]);
}

#[test]
fn a_loop_through_a_register_inside_an_instance_is_accepted() {
    let registered = {
        let m = ModuleBuilder::new("bitmill_test_delay", "delays.");
        let a = m.input("a_i", unsigned(4));
        m.output("y_o", m.delay("a_q", a));
        m.finish().expect("a delay is legal")
    };
    let m = builder();
    let first = m.instance("i_first", &inverter(), &[]);
    let second = m.instance("i_second", &registered, &[("a_i", first.output("y_o"))]);
    first.input("a_i", second.output("y_o"));
    m.output("y_o", second.output("y_o"));
    assert!(m.finish().is_ok());
}

#[test]
fn names_that_are_taken_reserved_or_no_identifiers() {
    for (name, problem) in [
        ("a_i", "is taken"),
        ("clk_i", "is taken"),
        ("bitmill_test", "is taken"),
        ("reg", "is reserved in Verilog"),
        ("logic", "is reserved in Verilog"),
        ("", "is not a Verilog identifier (letters, digits, underscores; a letter first)"),
        ("2nd", "is not a Verilog identifier (letters, digits, underscores; a letter first)"),
        ("größe", "is not a Verilog identifier (letters, digits, underscores; a letter first)"),
    ] {
        let m = builder();
        let a = m.input("a_i", unsigned(4));
        m.output("y_o", a.not().named(name));
        let line = line!() - 1;
        refused(m.finish(), &format!("bitmill_test: name `{name}` at @1: {problem}"), &[line]);
    }
}

#[test]
fn a_module_name_that_is_reserved() {
    let m = ModuleBuilder::new("module", "bears a name that it must not.");
    let line = line!() - 1;
    let a = m.input("a_i", unsigned(4));
    m.output("y_o", a);
    refused(m.finish(), "module: name `module` at @1: is reserved in Verilog", &[line]);
}

#[test]
fn a_port_that_the_instance_does_not_have() {
    let m = builder();
    let a = m.input("a_i", unsigned(4));
    let instance = m.instance("i_inverter", &inverter(), &[("b_i", a)]);
    let line = line!() - 1;
    m.output("y_o", instance.output("y_o"));
    let expected = "bitmill_test: instance i_inverter at @1: module bitmill_test_inverter has no input `b_i`; \
                    it has a_i";
    refused(m.finish(), expected, &[line]);

    let m = builder();
    let a = m.input("a_i", unsigned(4));
    let instance = m.instance("i_inverter", &inverter(), &[("a_i", a)]);
    m.output("y_o", instance.output("z_o"));
    let line = line!() - 1;
    let expected = "bitmill_test: instance i_inverter at @1: module bitmill_test_inverter has no output `z_o`; \
                    it has y_o";
    refused(m.finish(), expected, &[line]);
}

#[test]
fn a_port_of_another_width() {
    let m = builder();
    let a = m.input("a_i", unsigned(5));
    let instance = m.instance("i_inverter", &inverter(), &[("a_i", a)]);
    let line = line!() - 1;
    m.output("y_o", instance.output("y_o"));
    let expected = "bitmill_test: connection of `a_i` (5 bits unsigned) at @1: \
                    input `a_i` of instance i_inverter takes 4 bits unsigned";
    refused(m.finish(), expected, &[line]);
}

#[test]
fn two_modules_of_one_name() {
    let inverter_of = |width| {
        let m = ModuleBuilder::new("bitmill_test_inverter", "inverts.");
        let a = m.input("a_i", unsigned(width));
        m.output("y_o", a.not());
        m.finish().expect("an inverter is legal")
    };
    let m = builder();
    let (a, b) = (m.input("a_i", unsigned(4)), m.input("b_i", unsigned(5)));
    for (name, width, signal) in [("i_four", 4, a), ("i_five", 5, b)] {
        let instance = m.instance(name, &inverter_of(width), &[("a_i", signal)]);
        m.output(&format!("y{width}_o"), instance.output("y_o"));
    }
    let top = m.finish().expect("the clash shows when the design is collected");
    let error = Design::new(&top).expect_err("two modules of one name");
    let expected =
        "two different modules are called bitmill_test_inverter: their parameters must show in the name";
    assert_eq!(error.to_string(), expected);
}

/// Calls that are out of range: what is built on a 4-bit input, and the error after its place.
#[test]
fn arguments_out_of_range() {
    type Build = fn(&ModuleBuilder);
    let cases: [(Build, &str); 13] = [
        (|m| out(m, |a| a.slice(3, 2)), "slice of `a_i` (4 bits unsigned) at @1: bits 3..5 are not there"),
        (|m| out(m, |a| a.bit(4)), "slice of `a_i` (4 bits unsigned) at @1: bits 4..5 are not there"),
        (
            |m| out(m, |a| a.truncate(5)),
            "truncate of `a_i` (4 bits unsigned) at @1: 5 bits is no narrower; use extend",
        ),
        (
            |m| out(m, |a| a.extend(3)),
            "extend of `a_i` (4 bits unsigned) at @1: 3 bits is narrower; use truncate",
        ),
        (|m| out(m, |a| a.shr(4)), "shr of `a_i` (4 bits unsigned) at @1: a shift by 4 leaves no bit"),
        (
            |m| out(m, |a| a.replicate(0)),
            "replicate of `a_i` (4 bits unsigned) at @1: a count of at least 1 is needed",
        ),
        (
            |m| out(m, |a| a.mux(a, a)),
            "mux condition of `a_i` (4 bits unsigned) at @1: 1 bit unsigned is needed",
        ),
        (
            |m| out(m, |a| a.bit(0).select(&[a, a, a], a)),
            "select of an unnamed Slice { lsb: 0 } of `a_i` (1 bit unsigned) at @1: \
             3 items need an unsigned index that reaches them all",
        ),
        (
            |m| out(m, |a| a.eq_value(16)),
            "constant of constant 0 (4 bits unsigned) at @1: the value 16 does not fit",
        ),
        (
            |m| out(m, |a| a.eq_value(-1)),
            "constant of constant 15 (4 bits unsigned) at @1: the value -1 does not fit",
        ),
        (
            |m| out(m, |_| m.constant(signed(4), 8)),
            "constant of constant 8 (4 bits signed) at @1: the value 8 does not fit",
        ),
        (
            |m| out(m, |_| m.concat(&[])),
            "concat of constant 0 (1 bit unsigned) at @1: at least one part is needed",
        ),
        (|m| out(m, |_| m.sum(&[])), "sum of constant 0 (1 bit unsigned) at @1: at least one term is needed"),
    ];
    for (build, expected) in cases {
        let m = builder();
        build(&m);
        let error = m.finish().expect_err(expected).to_string();
        let (before, after) = expected.split_once("@1").expect("a place for the line");
        let file = format!("{}:", file!());
        let rest =
            error.strip_prefix(&format!("bitmill_test: {before}{file}")).unwrap_or_else(|| panic!("{error}"));
        assert_eq!(rest.trim_start_matches(|c: char| c.is_ascii_digit()), after, "{error}");
    }
}

fn out<'m>(m: &'m ModuleBuilder, build: impl FnOnce(bitmill_hdl::Signal<'m>) -> bitmill_hdl::Signal<'m>) {
    let a = m.input("a_i", unsigned(4));
    m.output("y_o", build(a));
}

#[test]
fn signals_without_bits_and_resets_that_do_not_fit() {
    let m = builder();
    let line = line!() + 1;
    let a = m.input("a_i", unsigned(0));
    m.output("y_o", a);
    let expected = "bitmill_test: declaration of `a_i` (0 bits unsigned) at @1: a signal has at least 1 bit";
    refused(m.finish(), expected, &[line]);

    let m = builder();
    let line = line!() + 1;
    let state = m.register("state_q", unsigned(4)).reset_to(16);
    state.set(state.q());
    m.output("y_o", state.q());
    let expected = "bitmill_test: reset_to of `state_q` (4 bits unsigned) at @1: 16 does not fit";
    refused(m.finish(), expected, &[line]);
}

#[test]
fn memory_ports_of_the_wrong_width() {
    let m = builder();
    let (enable, address, data) =
        (m.input("enable_i", unsigned(1)), m.input("address_i", unsigned(3)), m.input("data_i", unsigned(8)));
    let ports = RamPorts {
        write_enable: enable,
        write_address: address,
        write_data: data,
        read_enable: enable,
        read_address: address,
    };
    let line = line!() + 1;
    m.output("y_o", m.memory("buffer", Memory { width: 8, depth: 9 }, ports));
    let expected = "bitmill_test: memory write address of `address_i` (3 bits unsigned) at @1: \
                    4 bits unsigned is needed";
    refused(m.finish(), expected, &[line]);
}

#[test]
fn a_memory_without_words() {
    let m = builder();
    let (enable, address, data) =
        (m.input("enable_i", unsigned(1)), m.input("address_i", unsigned(1)), m.input("data_i", unsigned(8)));
    let ports = RamPorts {
        write_enable: enable,
        write_address: address,
        write_data: data,
        read_enable: enable,
        read_address: address,
    };
    let line = line!() + 1;
    m.output("y_o", m.memory("buffer", Memory { width: 8, depth: 0 }, ports));
    let expected = "bitmill_test: memory depth of `buffer_rdata` (8 bits unsigned) at @1: \
                    a memory has at least 1 word";
    refused(m.finish(), expected, &[line]);
}

#[test]
fn the_first_mistake_is_the_one_reported() {
    let m = builder();
    let (a, b) = (m.input("a_i", unsigned(8)), m.input("b_i", unsigned(9)));
    let line = line!() + 1;
    let first = a.or(b);
    m.output("y_o", first.xor(b));
    let expected = "bitmill_test: or of `a_i` (8 bits unsigned) and `b_i` (9 bits unsigned) at @1: \
                    widths differ; use extend or truncate";
    refused(m.finish(), expected, &[line]);
}
