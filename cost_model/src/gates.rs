//! Gates: a module bit by bit, as synthesis sees it before it optimizes.
//!
//! Words become bits, operators the networks that Yosys builds for them (Brent-Kung carries, carry-save trees of full
//! adders, multiplexer trees), constants are folded, gates that patterns do not tell apart are built once
//! ([`patterns`]), and gates that nothing reads are not counted. Instances without registers are taken apart in
//! place, where they meet what drives and reads them; others are counted by themselves. What is left in an
//! and-exclusive-or-multiplexer graph follows a mapped netlist much closer than the widths of operators do: a
//! constant operand, a repeated sign or a shared term costs what it costs.

mod activity;
mod arithmetic;
mod build;
mod circuit;
pub(crate) mod delay;
pub(crate) mod fabric;
mod lookup;
mod patterns;
mod random;

use std::collections::HashMap;
use std::ops::AddAssign;

use bitmill_hdl::{Design, Module};
use rustc_hash::FxHashMap;

use circuit::Circuit;
use fabric::{Chain, FabricCounts, Rules};
use patterns::{Pattern, Patterns, fingerprint};
pub(crate) use random::Random;

/// A signal of the graph or its complement: the node's number times two, plus one for the complement.
pub(crate) type Literal = u32;

pub(crate) const FALSE: Literal = 0;
pub(crate) const TRUE: Literal = 1;

/// Which network a gate is part of: synthesis optimizes each differently.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Origin {
    /// Bitwise logic, reductions, choices of two, and shifters, which are made of them.
    Logic,
    /// Choices of many, and tables.
    Table,
    /// Carry propagation of sums and comparisons.
    Carry,
    /// Full adders of carry-save trees.
    Tree,
    /// Partial products.
    Product,
    /// Carry chains of an FPGA.
    Chain,
}

#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
enum Gate {
    /// An input of the module, read data of a memory, or an output of an instance.
    Leaf,
    /// Bit `.1` of register `.0`.
    Register(u32, u32),
    And(Literal, Literal),
    Xor(Literal, Literal),
    Mux(Literal, Literal, Literal),
    /// A bit of what multiplier `.0` gives.
    Product(u32, u32),
}

impl Gate {
    /// What it reads within the same cycle; multipliers and lookup tables read what [`Circuit::operands`] tells.
    fn operands(self) -> impl Iterator<Item = Literal> {
        let operands = match self {
            Gate::Leaf | Gate::Register(..) | Gate::Product(..) => [None; 3],
            Gate::And(a, b) | Gate::Xor(a, b) => [Some(a), Some(b), None],
            Gate::Mux(choice, a, b) => [Some(choice), Some(a), Some(b)],
        };
        operands.into_iter().flatten()
    }
}

/// The kinds of gates that are told apart: what they do, some by the network that they are part of, and registers with
/// their controls.
pub const KINDS: [&str; 11] = [
    "and",
    "carry_and",
    "tree_and",
    "product_and",
    "xor",
    "tree_xor",
    "mux",
    "table_mux",
    "flip_flop",
    "enable",
    "buffer",
];

/// Places among [`KINDS`].
pub(crate) const TABLE_MUX: usize = 7;
pub(crate) const FLIP_FLOP: usize = 8;
pub(crate) const ENABLE: usize = 9;
pub(crate) const BUFFER: usize = 10;

/// About what each kind takes of area in any library, in its smallest NAND2: where measurements say little of a kind,
/// this stands.
pub(crate) const TYPICAL_NANDS: Counts = [1.0, 1.0, 1.0, 1.0, 2.4, 2.4, 2.3, 2.1, 5.3, 3.0, 1.6];

/// A number for each of [`KINDS`].
pub type Counts = [f64; KINDS.len()];

/// The gates of a module, without memories.
#[derive(Clone, Copy, PartialEq, Debug, Default)]
pub struct Gates {
    /// How many there are of each of [`KINDS`].
    pub counts: Counts,
    /// Toggles of all of a kind in a cycle in which every input is random.
    pub toggles: Counts,
}

impl AddAssign for Gates {
    fn add_assign(&mut self, other: Gates) {
        self.counts.iter_mut().zip(other.counts).for_each(|(sum, part)| *sum += part);
        self.toggles.iter_mut().zip(other.toggles).for_each(|(sum, part)| *sum += part);
    }
}

/// A conjunction that needs no gate, or another one.
enum Absorbed {
    Whole(Literal),
    And(Literal, Literal),
}

/// The graph under construction.
struct Graph {
    gates: Vec<(Gate, Origin)>,
    known: FxHashMap<Gate, Literal>,
    patterns: Patterns,
    /// Gates by their values.
    alike: FxHashMap<u128, Literal>,
    /// Bits of a sum through which a carry comes to a gate, by the literal without its complement.
    carried_bits: FxHashMap<Literal, u32>,
    /// What an FPGA family has instead of gates.
    rules: Option<Rules>,
    /// What multipliers read, and how many bits each gives.
    multipliers: Vec<Vec<Literal>>,
    known_multipliers: FxHashMap<[Vec<Literal>; 3], u32>,
    chains: Vec<Chain>,
    known_chains: FxHashMap<([Vec<Literal>; 2], Literal), usize>,
}

impl Graph {
    fn new(rules: Option<Rules>) -> Graph {
        Graph {
            rules,
            multipliers: Vec::new(),
            known_multipliers: FxHashMap::default(),
            chains: Vec::new(),
            known_chains: FxHashMap::default(),
            gates: vec![(Gate::Leaf, Origin::Logic)],
            known: FxHashMap::default(),
            patterns: Patterns::new(),
            alike: FxHashMap::default(),
            carried_bits: FxHashMap::default(),
        }
    }

    /// Notes that a carry comes to `literal` through so many bits.
    fn carries(&mut self, literal: Literal, bits: u32) {
        let most = self.carried_bits.entry(literal & !1).or_default();
        *most = bits.max(*most);
    }

    fn leaf(&mut self) -> Literal {
        self.input(Gate::Leaf)
    }

    /// A gate whose values nothing determines.
    fn input(&mut self, gate: Gate) -> Literal {
        let literal = (self.gates.len() as u32) << 1;
        let pattern = self.patterns.input();
        self.patterns.push(pattern);
        if let Some((values, complement)) = fingerprint(&pattern) {
            self.alike.insert(values, literal ^ u32::from(complement));
        }
        self.gates.push((gate, Origin::Logic));
        literal
    }

    /// Bit `bit` of register `number`.
    fn register(&mut self, number: u32, bit: u32) -> Literal {
        let gate = Gate::Register(number, bit);
        if let Some(&known) = self.known.get(&gate) {
            return known;
        }
        let literal = self.input(gate);
        self.known.insert(gate, literal);
        literal
    }

    /// The gate, or one that was built before and does the same.
    fn gate(&mut self, gate: Gate, origin: Origin) -> Literal {
        if let Some(&known) = self.known.get(&gate) {
            return known;
        }
        let pattern = self.pattern(gate);
        let next = (self.gates.len() as u32) << 1;
        let values = fingerprint(&pattern);
        let found = values.map_or(next, |(values, complement)| {
            let complement = u32::from(complement);
            *self.alike.entry(values).or_insert(next ^ complement) ^ complement
        });
        self.known.insert(gate, found);
        if found == next {
            self.gates.push((gate, origin));
            self.patterns.push(pattern);
        }
        found
    }

    /// The gate, even if another does the same.
    fn fixed(&mut self, gate: Gate, origin: Origin) -> Literal {
        let pattern = self.pattern(gate);
        self.gates.push((gate, origin));
        self.patterns.push(pattern);
        (self.gates.len() as u32 - 1) << 1
    }

    /// The values of a gate that is no input.
    fn pattern(&self, gate: Gate) -> Pattern {
        match gate {
            Gate::And(a, b) => self.patterns.combined([a, b, FALSE], |a, b, _| a & b),
            Gate::Xor(a, b) => self.patterns.combined([a, b, FALSE], |a, b, _| a ^ b),
            Gate::Mux(choice, a, b) => self.patterns.combined([choice, a, b], |c, a, b| c & a | !c & b),
            Gate::Leaf | Gate::Register(..) | Gate::Product(..) => {
                unreachable!("inputs are made by Graph::input")
            }
        }
    }

    fn and(&mut self, a: Literal, b: Literal, origin: Origin) -> Literal {
        let (a, b) = (a.min(b), a.max(b));
        match (a, b) {
            (FALSE, _) => FALSE,
            (TRUE, b) => b,
            _ if a == b => a,
            _ if a == b ^ 1 => FALSE,
            _ => match self.absorbed(a, b).or_else(|| self.absorbed(b, a)) {
                Some(Absorbed::Whole(result)) => result,
                Some(Absorbed::And(a, b)) => self.and(a, b, origin),
                None if self.patterns.exclude(a, b) => FALSE,
                None if self.patterns.exclude(a, b ^ 1) => a,
                None if self.patterns.exclude(a ^ 1, b) => b,
                None => self.gate(Gate::And(a, b), origin),
            },
        }
    }

    /// What `a` and `b` come to where `a` is itself made of `b`.
    fn absorbed(&self, a: Literal, b: Literal) -> Option<Absorbed> {
        match self.gates[(a >> 1) as usize].0 {
            Gate::And(x, y) if a & 1 == 0 => match b {
                _ if b == x || b == y => Some(Absorbed::Whole(a)),
                _ if b == x ^ 1 || b == y ^ 1 => Some(Absorbed::Whole(FALSE)),
                _ => None,
            },
            // The complement of an and: an or of complements.
            Gate::And(x, y) => match b {
                _ if b == x => Some(Absorbed::And(b, y ^ 1)),
                _ if b == y => Some(Absorbed::And(b, x ^ 1)),
                _ if b == x ^ 1 || b == y ^ 1 => Some(Absorbed::Whole(b)),
                _ => None,
            },
            Gate::Mux(choice, set, clear) if b >> 1 == choice >> 1 => {
                let arm = if b == choice { set } else { clear };
                Some(Absorbed::And(b, arm ^ (a & 1)))
            }
            _ => None,
        }
    }

    /// The arm that a multiplexer leaves where its choice is known to be `choice`.
    fn under(&self, choice: Literal, value: bool, a: Literal) -> Literal {
        match self.gates[(a >> 1) as usize].0 {
            Gate::Mux(other, set, clear) if other == choice => (if value { set } else { clear }) ^ (a & 1),
            _ => a,
        }
    }

    fn or(&mut self, a: Literal, b: Literal, origin: Origin) -> Literal {
        self.and(a ^ 1, b ^ 1, origin) ^ 1
    }

    fn xor(&mut self, a: Literal, b: Literal, origin: Origin) -> Literal {
        let sign = (a ^ b) & 1;
        let (a, b) = ((a & !1).min(b & !1), (a & !1).max(b & !1));
        match a {
            _ if a == b => sign,
            FALSE => b ^ sign,
            _ => self.gate(Gate::Xor(a, b), origin) ^ sign,
        }
    }

    /// `a` where `choice` is set, `b` elsewhere.
    fn mux(&mut self, choice: Literal, a: Literal, b: Literal, origin: Origin) -> Literal {
        if choice & 1 == 1 {
            return self.mux(choice ^ 1, b, a, origin);
        }
        let (a, b) = (self.under(choice, true, a), self.under(choice, false, b));
        match (a, b) {
            _ if choice == FALSE => b,
            _ if a == b => a,
            _ if a == b ^ 1 => self.xor(choice, b, origin),
            (TRUE, b) => self.or(choice, b, origin),
            (FALSE, b) => self.and(choice ^ 1, b, origin),
            (a, TRUE) => self.or(choice ^ 1, a, origin),
            (a, FALSE) => self.and(choice, a, origin),
            _ if a == choice => self.or(choice, b, origin),
            _ if b == choice => self.and(choice, a, origin),
            _ => {
                let sign = a & 1;
                self.gate(Gate::Mux(choice, a ^ sign, b ^ sign), origin) ^ sign
            }
        }
    }
}

/// The gates of a design, module by module.
pub struct Circuits<'d> {
    design: &'d Design,
    /// Children stand before their parents.
    circuits: Vec<(&'d Module, Circuit)>,
}

impl<'d> Circuits<'d> {
    /// Takes every module of `design` apart. A module without registers is taken apart by itself, too.
    pub fn of(design: &'d Design) -> Circuits<'d> {
        Circuits::of_modules(design, None, |_| true)
    }

    /// The same, as an FPGA family builds it.
    pub(crate) fn on(design: &'d Design, rules: &Rules) -> Circuits<'d> {
        Circuits::of_modules(design, Some(*rules), |_| true)
    }

    /// Only what the whole is made of, as an FPGA family builds it.
    pub(crate) fn on_whole(design: &'d Design, rules: &Rules) -> Circuits<'d> {
        let top = &design.top.name;
        Circuits::of_modules(design, Some(*rules), |module| !is_combinational(module) || module.name == *top)
    }

    /// Only what the whole is made of.
    pub fn of_whole(design: &'d Design) -> Circuits<'d> {
        let top = &design.top.name;
        Circuits::of_modules(design, None, |module| !is_combinational(module) || module.name == *top)
    }

    fn of_modules(
        design: &'d Design,
        rules: Option<Rules>,
        is_needed: impl Fn(&Module) -> bool,
    ) -> Circuits<'d> {
        let modules = design.modules.iter().map(|module| &**module).filter(|module| is_needed(module));
        Circuits { design, circuits: modules.map(|module| (module, build::build(module, rules))).collect() }
    }

    /// Counts the gates of the whole; memories are left out.
    pub fn count(&self) -> Gates {
        self.count_modules().remove(self.design.top.name.as_str()).unwrap_or_default()
    }

    /// What the whole takes of an FPGA that it is built on; memories are left out.
    pub(crate) fn fabric_count(&self) -> FabricCounts {
        self.fabric_count_modules().remove(self.design.top.name.as_str()).unwrap_or_default()
    }

    /// What every module takes of an FPGA with all that is below it, by its name.
    pub(crate) fn fabric_count_modules(&self) -> HashMap<&'d str, FabricCounts> {
        self.sums(Circuit::fabric_counts)
    }

    /// Counts the gates of every module with all that is below it, by its name. A module without registers may take more
    /// by itself than where it stands, since there it meets what drives and reads it.
    pub(crate) fn count_modules(&self) -> HashMap<&'d str, Gates> {
        self.sums(Circuit::count)
    }

    /// What each module comes to with all that is below it, by its name.
    fn sums<T: Copy + AddAssign>(&self, of: impl Fn(&Circuit) -> T) -> HashMap<&'d str, T> {
        let mut totals: HashMap<&'d str, T> = HashMap::new();
        for (module, circuit) in &self.circuits {
            let mut total = of(circuit);
            let kept = module.instances.iter().filter(|instance| !is_combinational(&instance.module));
            for child in kept.filter_map(|instance| totals.get(instance.module.name.as_str())) {
                total += *child;
            }
            totals.insert(&module.name, total);
        }
        totals
    }
}

/// Whether a module keeps nothing from one cycle to the next.
fn is_combinational(module: &Module) -> bool {
    module.registers.is_empty()
        && module.memories.is_empty()
        && module.instances.iter().all(|instance| is_combinational(&instance.module))
}

#[cfg(test)]
mod tests {
    use bitmill_hdl::{Design, ModuleBuilder, Signal, unsigned};

    use super::{Circuits, KINDS};

    /// The gates of a module with inputs of 4 bits, by kind.
    fn gates(
        body: impl for<'m> Fn(&'m ModuleBuilder, Signal<'m>, Signal<'m>) -> Signal<'m>,
    ) -> Vec<(&'static str, f64)> {
        let m = ModuleBuilder::new("bitmill_case", "a case.");
        let (a, b) = (m.input("a_i", unsigned(4)), m.input("b_i", unsigned(4)));
        m.output("y_o", body(&m, a, b));
        m.ignore(a);
        m.ignore(b);
        let design = Design::new(&m.finish().expect("a legal case")).expect("distinct names");
        KINDS.into_iter().zip(Circuits::of(&design).count().counts).filter(|(_, n)| *n > 0.0).collect()
    }

    #[test]
    fn gates_are_what_the_operators_need() {
        assert_eq!(gates(|_, a, b| a.and(b)), [("and", 4.0)]);
        assert_eq!(gates(|_, a, b| a.eq(b)), [("and", 3.0), ("xor", 4.0)]);
        assert_eq!(
            gates(|m, a, b| m.delay_data("a_q", b.bit(0).mux(a, b)).slice(1, 3)),
            [("mux", 3.0), ("flip_flop", 3.0)]
        );
        // Three bits are one too many for two rows: a half adder, and then the rows are added.
        assert_eq!(
            gates(|_, a, _| a.bit(0).add(a.bit(1)).add(a.bit(2))),
            [("carry_and", 2.0), ("tree_and", 1.0), ("xor", 2.0), ("tree_xor", 1.0)]
        );
    }

    #[test]
    fn gates_toggle_as_often_as_chance_has_it() {
        let toggles = |body: fn(&ModuleBuilder) -> Signal<'_>| {
            let m = ModuleBuilder::new("bitmill_case", "a case.");
            m.output("y_o", body(&m));
            let design = Design::new(&m.finish().expect("a legal case")).expect("distinct names");
            Circuits::of(&design).count().toggles.iter().sum::<f64>()
        };
        for (expected, body) in [
            // One in four times both inputs are set.
            (
                2.0 * 0.25 * 0.75,
                (|m| m.input("a_i", unsigned(1)).and(m.input("b_i", unsigned(1))))
                    as fn(&ModuleBuilder) -> Signal<'_>,
            ),
            (0.5, |m| m.input("a_i", unsigned(1)).xor(m.input("b_i", unsigned(1)))),
            // A flip-flop, and the choice in front of it, which take a new value every other cycle.
            (2.0 * 0.25, |m| {
                let register = m.register("kept_q", unsigned(1)).without_reset();
                register.set_when(m.input("a_i", unsigned(1)), m.input("b_i", unsigned(1)));
                register.q()
            }),
            // A counter of two bits: flip-flops, and the sum of both.
            (1.0 + 0.5 + 0.5, |m| {
                let register = m.register("count_q", unsigned(2)).without_reset();
                register.set(register.q().increment());
                register.q()
            }),
        ] {
            let found = toggles(body);
            assert!((found - expected).abs() < 0.05, "{found} {expected}");
        }
    }

    #[test]
    fn constants_repeats_and_absorption_are_free() {
        assert_eq!(gates(|m, a, _| a.mul(m.constant(unsigned(4), 4))), [], "a shift");
        assert_eq!(gates(|_, a, b| a.and(b).and(a)), gates(|_, a, b| a.and(b)));
        assert_eq!(gates(|_, a, b| a.or(a.and(b))), []);
        assert_eq!(gates(|_, a, b| a.and(b).xor(b.and(a))), [], "the same gate twice");
        let wide = gates(|_, a, b| a.as_signed().extend(9).and(b.as_signed().extend(9)));
        assert_eq!(wide, [("and", 4.0)], "signs are repeated, not computed");
    }
}
