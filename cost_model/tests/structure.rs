//! What must hold of any estimate: what is free, what is cheaper than what, where paths run.

use std::collections::BTreeMap;
use std::sync::Arc;

use bitmill_accelerator::Activity;
use bitmill_cost_model::{CostError, DesignCost, Technology, energy, estimate};
use bitmill_hdl::{Design, Memory, Module, ModuleBuilder, RamPorts, Signal, signed, unsigned};

/// The cost of a module with inputs `a_i` and `b_i` of 8 bits, signed, and the output that `body` returns.
fn cost(body: impl for<'m> Fn(&'m ModuleBuilder, Signal<'m>, Signal<'m>) -> Signal<'m>) -> DesignCost {
    let m = ModuleBuilder::new("bitmill_case", "a case.");
    let (a, b) = (m.input("a_i", signed(8)), m.input("b_i", signed(8)));
    m.output("y_o", body(&m, a, b));
    m.ignore(a);
    m.ignore(b);
    priced(&m.finish().expect("a legal case"))
}

fn priced(module: &Arc<Module>) -> DesignCost {
    let technology = Technology::named("sky130hd").expect("an embedded technology");
    estimate(&Design::new(module).expect("distinct names"), &technology)
}

fn area(body: impl for<'m> Fn(&'m ModuleBuilder, Signal<'m>, Signal<'m>) -> Signal<'m>) -> f64 {
    cost(body).total.area_um2()
}

#[test]
fn wiring_constants_and_what_nothing_reads_are_free() {
    assert_eq!(area(|m, a, b| m.concat(&[a.slice(2, 3), b.bit(7).replicate(4), a.extend(12)])), 0.0);
    assert_eq!(area(|m, a, _| a.mul(m.constant(signed(8), 4))), 0.0, "times four is a shift");
    assert_eq!(area(|m, _, _| m.constant(signed(8), 3).add(m.constant(signed(8), 4))), 0.0);
    let unread = |a: Signal<'_>, b: Signal<'_>| a.mul(b).width();
    assert_eq!(area(|m, a, b| m.lit(1, u64::from(unread(a, b) == 16))), 0.0);
    assert_eq!(area(|_, a, b| a.add(b)), area(|_, a, b| a.extend(20).add(b.extend(20)).truncate(9)));
}

#[test]
fn cheaper_structures_cost_less() {
    let product = area(|_, a, b| a.mul(b));
    assert!(
        area(|m, a, _| a.mul(m.constant(signed(8), 11))) < product / 2.0,
        "two additions against an 8x8 product"
    );
    assert!(area(|_, a, b| a.mul(b).truncate(8)) <= product);
    assert!(area(|_, a, b| a.gate(b.bit(0))) < area(|_, a, b| b.bit(0).mux(a, b)), "a gate against a choice");
    assert!(area(|m, a, _| a.eq(m.constant(signed(8), 5))) < area(|_, a, b| a.eq(b)));
    let (shared, apart) = (area(|_, a, b| a.add(b).add(a)), area(|_, a, b| a.add(b).truncate(8).add(a)));
    assert!(shared < apart, "one carry propagation ({shared}) against two ({apart})");
}

#[test]
fn registers_are_counted_by_the_bits_that_are_read() {
    let narrow = cost(|m, a, _| m.delay("all_q", a).truncate(3));
    assert_eq!(narrow.total.register_bits, 3);
    let enabled = cost(|m, a, b| {
        let register = m.register("kept_q", signed(8)).without_reset();
        register.set_when(b.bit(0), a);
        register.q()
    });
    assert_eq!(enabled.total.register_bits, 8);
    assert!(enabled.total.registers_um2 > cost(|m, a, _| m.delay_data("plain_q", a)).total.registers_um2);
    assert!(enabled.total.idle_pj > 0.0 && enabled.total.idle_pj < enabled.total.active_pj);
}

#[test]
fn small_memories_are_flip_flops_and_large_ones_macros() {
    let memory = |depth: u32| {
        cost(move |m, a, b| {
            let bits = Memory { width: 8, depth }.address_bits();
            let address = a.as_unsigned().resize(bits);
            let ports = RamPorts {
                write_enable: b.bit(0),
                write_address: address,
                write_data: b.as_unsigned(),
                read_enable: b.bit(1),
                read_address: address,
            };
            m.memory("words", Memory { width: 8, depth }, ports)
        })
    };
    let (small, large) = (memory(8), memory(4096));
    assert!(small.total.idle_pj > 0.0, "flip-flops are clocked");
    assert_eq!(large.total.idle_pj, 0.0, "an idle macro is not");
    assert_eq!(large.total.memory_bits, 8 * 4096);
    assert!(large.total.memories_um2 / 4096.0 < small.total.memories_um2 / 8.0, "a macro's word is smaller");
    assert!(large.longest_path.delay_ns > small.longest_path.delay_ns);
}

/// An adder without registers, two of them in a row between registers.
fn chain() -> Arc<Module> {
    let adder = {
        let m = ModuleBuilder::new("bitmill_adder", "adds.");
        let (a, b) = (m.input("a_i", signed(16)), m.input("b_i", signed(16)));
        m.output("y_o", a.add_wrapping(b));
        m.finish().expect("a legal module")
    };
    let m = ModuleBuilder::new("bitmill_chain", "adds twice.");
    let a_q = m.delay_data("a_q", m.input("a_i", signed(16)));
    let first = m.instance("i_adder_0", &adder, &[("a_i", a_q), ("b_i", a_q)]).output("y_o");
    let second = m.instance("i_adder_1", &adder, &[("a_i", first), ("b_i", a_q)]).output("y_o");
    m.output("y_o", m.delay_data("y_q", second));
    m.finish().expect("a legal module")
}

#[test]
fn paths_run_through_instances_and_name_their_signals() {
    let whole = priced(&chain());
    let one = priced(&chain().instances[0].module);
    assert!(
        whole.longest_path.delay_ns > one.longest_path.delay_ns,
        "{:?} {:?}",
        whole.longest_path,
        one.longest_path
    );
    assert_eq!(whole.longest_path.signals, ["a_q", "adder_0_y", "adder_1_y"]);
    assert_eq!(whole.longest_path.instance, "");
    assert!((whole.clock_mhz() * whole.longest_path.delay_ns - 1e3).abs() < 1e-6);
}

/// A word that is kept, and another that is not.
fn body<'m>(m: &'m ModuleBuilder, a: Signal<'m>, b: Signal<'m>) -> [Signal<'m>; 2] {
    [m.delay_data("kept_q", a.and(b)), a.xor(b)]
}

/// Registers, a gate, [`body`] as an instance or in place, and a gate behind what it does not keep.
fn around(is_instance: bool) -> Arc<Module> {
    let word = unsigned(8);
    let child = {
        let m = ModuleBuilder::new("bitmill_child", "keeps a word.");
        let (a, b) = (m.input("a_i", word), m.input("b_i", word));
        let [kept, other] = body(&m, a, b);
        m.output("kept_o", kept);
        m.output("other_o", other);
        m.finish().expect("a legal module")
    };
    let m = ModuleBuilder::new("bitmill_parent", "a child between registers.");
    let a = m.delay_data("a_q", m.input("a_i", word));
    let b = m.delay_data("b_q", m.input("b_i", word));
    let c = m.delay_data("c_q", m.input("c_i", word));
    let first = a.xor(b);
    let [kept, other] = if is_instance {
        let child = m.instance("i_child", &child, &[("a_i", first), ("b_i", c)]);
        ["kept_o", "other_o"].map(|port| child.output(port))
    } else {
        body(&m, first, c)
    };
    m.output("kept_o", kept);
    m.output("last_o", m.delay_data("last_q", other.and(a)));
    m.finish().expect("a legal module")
}

#[test]
fn calibrated_paths_are_those_of_the_flat_circuit() {
    let [flat, nested] = [false, true].map(|is_instance| priced(&around(is_instance)));
    assert!(flat.longest_path.delay_ns > 0.0);
    assert!(
        (nested.longest_path.delay_ns / flat.longest_path.delay_ns - 1.0).abs() < 1e-9,
        "{:?} {:?}",
        nested.longest_path,
        flat.longest_path
    );
    // The instance is a start, an end, and something in between: without any of these the path would be shorter.
    let child = nested.components[0].delay_ns;
    assert!(child < nested.longest_path.delay_ns, "{child}");
}

#[test]
fn the_total_is_the_sum_of_the_parts() {
    let whole = priced(&around(true));
    let parts: f64 = whole.components.iter().map(|c| c.cost.area_um2()).sum();
    assert!(parts > 0.0 && whole.own.area_um2() > 0.0);
    assert!((whole.total.area_um2() - parts - whole.own.area_um2()).abs() < 1e-9);
    assert_eq!((whole.components.len(), whole.components[0].name.as_str()), (1, "i_child"));
    assert_eq!(whole.total.register_bits, 40);
}

#[test]
fn energy_is_work_clock_and_leakage() {
    let cost = priced(&chain());
    let run = |active: u64| {
        let active_cycles = BTreeMap::from([("i_adder_0".to_owned(), active)]);
        energy(&cost, &Activity { cycles: 100, active_cycles }, 100.0)
    };
    let (idle, busy) = (run(0), run(60));
    let work = cost.components[0].cost.active_pj * 60.0;
    assert!((busy.total_pj() - idle.total_pj() - work).abs() < 1e-9);
    let leakage: f64 = idle.components.iter().map(|c| c.leakage_pj).sum();
    // 100 cycles at 100 MHz are one microsecond, and a nW for a µs is a fJ.
    assert!((leakage - cost.total.leakage_nw * 1e-3).abs() < 1e-12);
    assert!((busy.power_mw() - busy.total_pj() * 1e-3).abs() < 1e-9, "pJ in a µs are µW");
}

#[test]
fn technologies_are_embedded_and_refused_when_wrong() {
    let names: Vec<String> = Technology::embedded().unwrap().into_iter().map(|t| t.name).collect();
    assert_eq!(names, ["sky130hd", "sg13g2", "asap7", "osu018", "scaled28"]);
    let unknown = Technology::named("tsmc28").unwrap_err();
    assert_eq!(
        unknown.to_string(),
        "no technology is called `tsmc28`; there are sky130hd, sg13g2, asap7, osu018, scaled28, \
         and for `bitmill cost` the FPGA families ecp5, xcup"
    );
    let text = include_str!("../technologies/sky130hd.toml");
    let misspelt = text.replacen("supply_v", "supply", 1);
    assert!(matches!(Technology::from_toml(&misspelt), Err(CostError::Toml(e)) if e.contains("supply")));
    for (from, to, problem) in [
        ("nand2_um2 = ", "nand2_um2 = -", "reference.nand2_um2: -3.7536 is not legal; it must be positive"),
        ("carry_and", "carrot", "calibration.area: carrot is unknown; there are and, carry_and"),
        ("flip_flop = ", "flip_flop = -", "it must be finite and not negative"),
        ("fixed = ", "fixed = -", "memory: every coefficient must be finite and not negative"),
    ] {
        let error = Technology::from_toml(&text.replacen(from, to, 1)).expect_err(to).to_string();
        assert!(error.starts_with("technology sky130hd: ") && error.contains(problem), "{error}");
    }
    let technology = Technology::named("asap7").unwrap();
    assert_eq!(Technology::from_toml(&technology.to_toml().unwrap()), Ok(technology));
}
