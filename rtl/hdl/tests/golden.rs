//! Golden Verilog: a module that shows every construct once. A change of the emitted text shows as a diff.

use std::sync::Arc;

use bitmill_hdl::{Memory, Module, ModuleBuilder, RamPorts, signed, unsigned, verilog};

fn rounder() -> Arc<Module> {
    let m = ModuleBuilder::new(
        "bitmill_test_rounder",
        "shifts right and rounds half up.\nWorked example: 11 shifted by 2 is 2.75, rounded 3.",
    );
    let value = m.input_with_comment("value_i", signed(12), "two's complement");
    let amount = m.input("amount_i", unsigned(3));
    m.comment("The last bit shifted out decides.");
    let doubled = value.shl(1).shift_right(amount).named("doubled");
    let rounded = doubled.add(m.constant(signed(2), 1)).shr(1).truncate(12).named("rounded");
    m.output("rounded_o", rounded);
    m.finish().expect("the golden modules are legal")
}

fn accumulator() -> Arc<Module> {
    let m =
        ModuleBuilder::new("bitmill_test_accumulator", "one of everything.\nLatency 2 cycles, interval 1.");
    m.group("Control");
    let valid = m.input("valid_i", unsigned(1));
    let mode = m.input_with_comment("mode_i", unsigned(2), "0 product, 1 sum, 2 difference, 3 zero");
    m.group("Data");
    let a = m.input("a_i", signed(8));
    let b = m.input("b_i", unsigned(8));
    let flags = m.input("flags_i", unsigned(100));

    m.comment("What the mode asks for.");
    let b_wide = b.to_signed().named("b_wide");
    let product = a.mul(b_wide);
    let zero = m.constant(signed(17), 0);
    let term =
        mode.select(&[product, a.add(b_wide).extend(17), a.sub(b_wide).extend(17)], zero).named("term");
    let term_q = m.delay_data("term_q", term);
    let valid_q = m.delay("valid_q", valid);

    m.comment("Sum, and how often it was negative.");
    let limit = m.constant(signed(24), -1000).named("LIMIT");
    let sum_q = m.register("sum_q", signed(24));
    let count_q = m.register("count_q", unsigned(4)).reset_to(9);
    let sum_d = sum_q.q().add_wrapping(term_q.extend(24)).named("sum_d");
    sum_q.set_when(valid_q, sum_d);
    count_q.set_when(valid_q.and(sum_d.lt(limit)), count_q.q().increment());

    m.comment("The last sums.");
    let ports = RamPorts {
        write_enable: valid_q,
        write_address: count_q.q(),
        write_data: sum_d.as_unsigned(),
        read_enable: m.bit(true),
        read_address: flags.slice(3, 4),
    };
    let history = m.memory("history", Memory { width: 24, depth: 10 }, ports);

    m.comment("Rounded, unless a flag forbids it.");
    let shift = m.wire("shift", unsigned(3));
    let rounder = m.instance(
        "i_rounder",
        &rounder(),
        &[("value_i", sum_q.q().truncate(12)), ("amount_i", shift.value())],
    );
    shift.drive(flags.slice(96, 3));
    let quiet = flags.slice(0, 70).any().or(flags.bit(99).not());
    let wide = m.concat(&[history, count_q.q(), quiet.replicate(4)]).as_signed();
    m.group("Results");
    m.output_with_comment(
        "rounded_o",
        quiet.mux(rounder.output("rounded_o"), m.constant(signed(12), -1)),
        "",
    );
    m.output("wide_o", wide);
    m.output("parity_o", sum_q.q().parity().xor(sum_q.q().all()));
    m.finish().expect("the golden modules are legal")
}

#[test]
fn emission_is_as_it_was() {
    insta::assert_snapshot!("rounder", verilog::emit(&rounder()));
    insta::assert_snapshot!("accumulator", verilog::emit(&accumulator()));
}

#[test]
fn emission_repeats_itself() {
    assert_eq!(verilog::emit(&accumulator()), verilog::emit(&accumulator()));
}
