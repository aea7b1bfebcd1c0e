//! Gates: a module bit by bit, as synthesis sees it before it optimizes.
//!
//! Words become bits, operators the networks that Yosys builds for them (Brent-Kung carries, carry-save trees of full
//! adders, multiplexer trees), constants are folded, equal gates are built once, and gates that nothing reads are
//! not counted. What is left in an and-exclusive-or-multiplexer graph follows a mapped netlist much closer than the
//! widths of operators do: a constant operand, a repeated sign or a shared term costs what it costs.

mod arithmetic;
mod build;

use std::collections::HashMap;

use bitmill_hdl::Design;

/// A signal of the graph or its complement: the node's number times two, plus one for the complement.
pub(crate) type Literal = u32;

pub(crate) const FALSE: Literal = 0;
pub(crate) const TRUE: Literal = 1;

/// Which network a gate is part of: synthesis optimizes each differently.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
enum Origin {
    /// Bitwise logic.
    #[default]
    Logic,
    /// Equality and reductions.
    Match,
    /// Choices of two, and shifters, which are made of them.
    Choice,
    /// Choices of many, and tables.
    Table,
    /// Carry propagation of sums and comparisons.
    Carry,
    /// Full adders of carry-save trees.
    Tree,
    /// Partial products.
    Product,
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
}

/// The kinds of gates that are told apart: what they do within which network, and registers with their
/// controls.
pub const KINDS: [&str; 14] = [
    "logic_and",
    "logic_xor",
    "match_and",
    "choice_and",
    "choice_mux",
    "table_and",
    "table_mux",
    "carry_and",
    "carry_xor",
    "tree_and",
    "tree_xor",
    "product_and",
    "flip_flop",
    "enable",
];

/// How many gates of each of [`KINDS`] a module has by itself, without its instances and memories.
pub type Counts = [f64; KINDS.len()];

/// A conjunction that needs no gate, or another one.
enum Absorbed {
    Whole(Literal),
    And(Literal, Literal),
}

/// The graph under construction.
#[derive(Default)]
struct Graph {
    gates: Vec<(Gate, Origin)>,
    /// The network that gates without one of their own are part of.
    origin: Origin,
    known: HashMap<Gate, Literal>,
}

impl Graph {
    fn new() -> Graph {
        let mut graph = Graph::default();
        graph.gates.push((Gate::Leaf, Origin::Logic));
        graph
    }

    fn leaf(&mut self) -> Literal {
        self.gates.push((Gate::Leaf, Origin::Logic));
        (self.gates.len() as u32 - 1) << 1
    }

    fn gate(&mut self, gate: Gate, origin: Origin) -> Literal {
        let next = (self.gates.len() as u32) << 1;
        let found = *self.known.entry(gate).or_insert(next);
        if found == next {
            let origin = if origin == Origin::Logic { self.origin } else { origin };
            self.gates.push((gate, origin));
        }
        found
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

/// Counts the gates of every module of `design`, instances as often as they stand in it; memories are left out.
pub fn count(design: &Design) -> Counts {
    let mut totals: HashMap<&str, Counts> = HashMap::new();
    // Children stand before their parents.
    for module in &design.modules {
        let mut total = build::count(module);
        for child in module.instances.iter().filter_map(|i| totals.get(i.module.name.as_str())) {
            total.iter_mut().zip(child).for_each(|(sum, part)| *sum += part);
        }
        totals.insert(&module.name, total);
    }
    totals.get(design.top.name.as_str()).copied().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use bitmill_hdl::{Design, ModuleBuilder, Signal, unsigned};

    use super::{KINDS, count};

    /// The gates of a module with inputs of 4 bits, by kind.
    fn gates(
        body: impl for<'m> Fn(&'m ModuleBuilder, Signal<'m>, Signal<'m>) -> Signal<'m>,
    ) -> Vec<(&'static str, f64)> {
        let m = ModuleBuilder::new("bitmill_case", "a case.");
        let (a, b) = (m.input("a_i", unsigned(4)), m.input("b_i", unsigned(4)));
        m.output("y_o", body(&m, a, b));
        m.ignore(a);
        m.ignore(b);
        let counts = count(&Design::new(&m.finish().expect("a legal case")).expect("distinct names"));
        KINDS.into_iter().zip(counts).filter(|(_, n)| *n > 0.0).collect()
    }

    #[test]
    fn gates_are_what_the_operators_need() {
        assert_eq!(gates(|_, a, b| a.and(b)), [("logic_and", 4.0)]);
        assert_eq!(gates(|_, a, b| a.eq(b)), [("logic_xor", 4.0), ("match_and", 3.0)]);
        assert_eq!(
            gates(|m, a, b| m.delay_data("a_q", b.bit(0).mux(a, b)).slice(1, 3)),
            [("choice_mux", 3.0), ("flip_flop", 3.0)]
        );
        // A full adder is two exclusive ors and three ands; three words of one bit leave a sum and a carry.
        let sum = gates(|_, a, _| a.bit(0).add(a.bit(1)).add(a.bit(2)));
        assert_eq!(
            sum.iter().filter(|(kind, _)| kind.starts_with("tree")).map(|k| k.1).sum::<f64>(),
            5.0,
            "{sum:?}"
        );
    }

    #[test]
    fn constants_repeats_and_absorption_are_free() {
        assert_eq!(gates(|m, a, _| a.mul(m.constant(unsigned(4), 4))), [], "a shift");
        assert_eq!(gates(|_, a, b| a.and(b).and(a)), gates(|_, a, b| a.and(b)));
        assert_eq!(gates(|_, a, b| a.or(a.and(b))), []);
        assert_eq!(gates(|_, a, b| a.and(b).xor(b.and(a))), [], "the same gate twice");
        let wide = gates(|_, a, b| a.as_signed().extend(9).and(b.as_signed().extend(9)));
        assert_eq!(wide, [("logic_and", 4.0)], "signs are repeated, not computed");
    }
}
