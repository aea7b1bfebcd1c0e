//! What an FPGA family has instead of gates: carry chains and multipliers; and what its circuits are counted and timed by.

use serde::{Deserialize, Serialize};

use super::circuit::Circuit;
use super::{FALSE, Gate, Graph, Literal, Origin, TRUE};

/// Most inputs of a lookup table.
pub(crate) const MOST_INPUTS: usize = 7;

/// How a mapper fills an FPGA family.
#[derive(Clone, Copy, PartialEq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Rules {
    /// What lookup tables of one, two and more inputs weigh where the mapper chooses. Rounded up it is how many one takes: those of many
    /// inputs are made of several and multiplexers.
    pub lut_weights: [f64; MOST_INPUTS],
    /// How long they take, wires included, against one of few inputs.
    pub lut_depths: [f64; MOST_INPUTS],
    /// Sums of more bits have a carry chain; others are lookup tables.
    pub chain_above_bits: usize,
    /// Bits of a cell of a carry chain that holds a lookup table for each; 0 where chains take theirs from lookup tables in front.
    pub chain_cell_bits: usize,
    /// When and how products are made of multipliers.
    pub multiplier: Multiplier,
}

/// A multiplier, and which products are made of it.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Multiplier {
    /// Widths of its operands, the wider one first.
    pub operand_bits: [usize; 2],
    /// Widths of the parts that wider operands are cut into.
    pub part_bits: [usize; 2],
    /// Products of a narrower operand are made of lookup tables.
    pub least_operand_bits: usize,
    /// So are narrower products.
    pub least_product_bits: usize,
    /// Whether operands are signed always, so that those that are not are a bit wider.
    pub is_signed: bool,
    /// Whether it adds another word to its product.
    pub adds: bool,
}

/// A product that multipliers make.
pub(super) struct Multiplied {
    /// Words, each from a column on, whose sum it is.
    pub words: Vec<(Vec<Literal>, usize)>,
    /// Whether what was to be added is in it.
    pub has_added: bool,
}

/// A carry chain: of each bit the propagated one, the sum and the carry out of it.
pub(super) struct Chain {
    pub bits: Vec<[Literal; 3]>,
    pub carry_out: Literal,
}

/// What is counted: lookup tables by what is at their output, and bits of carry chains.
pub const LUT_KINDS: [&str; 5] = ["logic", "table", "tree", "product", "chain"];

/// What a path is made of: lookup tables by kind, the way into and out of a carry chain, a bit of one, a multiplier, the clock to the
/// output of a flip-flop and its set-up, and doublings of readers.
pub const FABRIC_STEPS: [&str; 9] =
    ["logic", "table", "tree", "product", "chain", "carry", "dsp", "flip_flop", "fan_out"];

/// Places among them.
const CHAIN: usize = 4;
const CARRY: usize = 5;
const DSP: usize = 6;
const FLIP_FLOP: usize = 7;
const FAN_OUT: usize = 8;

/// About what the steps take, in levels of lookup tables.
pub(crate) const TYPICAL_FABRIC_STEPS: [f64; FABRIC_STEPS.len()] =
    [1.0, 1.0, 1.0, 1.0, 1.2, 0.07, 3.0, 1.0, 0.1];

/// How much of each there is, without memories.
#[derive(Clone, Copy, PartialEq, Debug, Default)]
pub(crate) struct FabricCounts {
    pub luts: [f64; LUT_KINDS.len()],
    pub flip_flops: f64,
    pub dsps: f64,
}

impl std::ops::AddAssign for FabricCounts {
    fn add_assign(&mut self, other: FabricCounts) {
        self.luts.iter_mut().zip(other.luts).for_each(|(sum, part)| *sum += part);
        self.flip_flops += other.flip_flops;
        self.dsps += other.dsps;
    }
}

impl Circuit {
    /// What a circuit takes that is covered by lookup tables.
    pub(super) fn fabric_counts(&self) -> FabricCounts {
        let mut found = FabricCounts::default();
        let cell_bits = self.rules.map_or(0, |rules| rules.chain_cell_bits);
        let mut multipliers = Vec::new();
        for node in (0..self.gates.len()).filter(|&node| self.is_needed[node]) {
            match self.gates[node] {
                (Gate::Product(number, _), _) => multipliers.push(number),
                _ => {
                    if let Some(kind) = self.lut_kind(node) {
                        found.luts[kind] += self.lut(node).map_or(1.0, |(weight, _)| weight.ceil());
                    }
                }
            }
        }
        multipliers.sort_unstable();
        multipliers.dedup();
        found.dsps = multipliers.len() as f64;
        found.flip_flops = self.registers.len() as f64;
        let is_needed = |literal: &Literal| self.is_needed[(literal >> 1) as usize];
        for chain in &self.chains {
            let bits =
                chain.bits.iter().rposition(|bit| bit.iter().any(is_needed)).map_or(0, |last| last + 1);
            if cell_bits > 0 {
                found.luts[CHAIN] += bits.next_multiple_of(cell_bits) as f64;
            }
        }
        found
    }

    /// The kind of the lookup table whose output a gate is, as a place among [`LUT_KINDS`].
    fn lut_kind(&self, node: usize) -> Option<usize> {
        match self.gates[node] {
            (Gate::Leaf | Gate::Register(..) | Gate::Product(..), _) | (_, Origin::Chain) => None,
            (_, Origin::Logic | Origin::Carry) => Some(0),
            (_, Origin::Table) => Some(1),
            (_, Origin::Tree) => Some(2),
            (_, Origin::Product) => Some(3),
        }
    }

    /// The weight and the depth of the lookup table at a gate.
    fn lut(&self, node: usize) -> Option<(f64, f64)> {
        let inputs = self.reads.get(&node)?.len();
        let rules = self.rules?;
        Some((*rules.lut_weights.get(inputs.checked_sub(1)?)?, rules.lut_depths[inputs - 1]))
    }

    /// The steps that a gate of an FPGA is on a path through it, as places among [`FABRIC_STEPS`].
    pub(super) fn fabric_steps(&self, node: usize, readers: u32) -> [(usize, f64); 2] {
        let fan_out = f64::from(readers.max(1)).log2();
        match self.gates[node] {
            (Gate::Register(..), _) => [(FLIP_FLOP, 1.0), (FAN_OUT, fan_out)],
            (Gate::Product(..), _) => [(DSP, 1.0), (FAN_OUT, fan_out)],
            (Gate::Leaf, _) => [(FLIP_FLOP, 0.0), (FAN_OUT, fan_out)],
            (Gate::Mux(..), Origin::Chain) => [(CARRY, 1.0), (FAN_OUT, 0.0)],
            // The exclusive or of carry and sum is the way out; that of the operands lies on the way in.
            (Gate::Xor(_, carry), Origin::Chain) if self.is_carry(carry) => {
                [(CHAIN, 1.0), (FAN_OUT, fan_out)]
            }
            (_, Origin::Chain) => [(CHAIN, 0.0), (FAN_OUT, 0.0)],
            _ => {
                let levels = self.lut(node).map_or(1.0, |(_, levels)| levels);
                [(self.lut_kind(node).unwrap_or_default(), levels), (FAN_OUT, fan_out)]
            }
        }
    }

    /// Whether a chain made the literal as a carry, or it is one that goes into a chain.
    fn is_carry(&self, literal: Literal) -> bool {
        literal <= TRUE || matches!(self.gates[(literal >> 1) as usize], (Gate::Mux(..), Origin::Chain))
    }
}

impl Graph {
    /// Sum and carry out of two words by a carry chain, where the family has one for so many bits.
    pub(super) fn chained(
        &mut self,
        a: &[Literal],
        b: &[Literal],
        carry_in: Literal,
    ) -> Option<(Vec<Literal>, Literal)> {
        let rules = self.rules?;
        // Low bits that nothing is added to.
        let is_free = |i: &usize| carry_in == FALSE && (a[*i] == FALSE || b[*i] == FALSE);
        let free = (0..a.len()).take_while(is_free).count();
        if a.len() - free <= rules.chain_above_bits {
            return None;
        }
        let mut sum: Vec<Literal> = (0..free).map(|i| a[i] | b[i]).collect();
        let key = ([a[free..].to_vec(), b[free..].to_vec()], carry_in);
        let number = match self.known_chains.get(&key) {
            Some(&number) => number,
            None => {
                let chain = self.chain(&a[free..], &b[free..], carry_in, rules.chain_cell_bits > 0);
                self.chains.push(chain);
                self.known_chains.insert(key, self.chains.len() - 1);
                self.chains.len() - 1
            }
        };
        let chain = &self.chains[number];
        sum.extend(chain.bits.iter().map(|bit| bit[1]));
        Some((sum, chain.carry_out))
    }

    fn chain(&mut self, a: &[Literal], b: &[Literal], carry_in: Literal, has_luts: bool) -> Chain {
        let mut carry = carry_in;
        let mut bits = Vec::new();
        for (&a, &b) in a.iter().zip(b) {
            let half = match has_luts {
                true => self.fixed(Gate::Xor(a, b), Origin::Chain),
                false => self.xor(a, b, Origin::Carry),
            };
            let sum = self.fixed(Gate::Xor(half, carry), Origin::Chain);
            carry = self.fixed(Gate::Mux(half, carry, a), Origin::Chain);
            bits.push([half, sum, carry]);
        }
        let carry_out = self.fixed(Gate::Xor(FALSE, carry), Origin::Chain);
        Chain { bits, carry_out }
    }

    /// The product of two words, where multipliers make it; `added` is added to one that fits a multiplier.
    pub(super) fn multiplied(
        &mut self,
        rules: &Rules,
        words: [Vec<Literal>; 2],
        signed: [bool; 2],
        width: usize,
        added: Option<Vec<Literal>>,
    ) -> Option<Multiplied> {
        let multiplier = &rules.multiplier;
        let [mut a, mut b] = [0, 1].map(|k| Operand::of(&words[k], signed[k]));
        if a.bits.len() < b.bits.len() {
            std::mem::swap(&mut a, &mut b);
        }
        let is_shift = [&a, &b].iter().any(|operand| operand.is_constant_power());
        let product_bits = (a.bits.len() + b.bits.len()).min(width);
        if is_shift
            || b.bits.len() < multiplier.least_operand_bits
            || product_bits < multiplier.least_product_bits
        {
            return None;
        }
        if multiplier.is_signed && !a.signed && !b.signed {
            for operand in [&mut a, &mut b] {
                operand.bits.push(FALSE);
                operand.signed = true;
            }
        }
        let fits = a.bits.len() <= multiplier.operand_bits[0] && b.bits.len() <= multiplier.operand_bits[1];
        let has_added = fits && added.is_some();
        let added = added.filter(|_| fits).unwrap_or_default();
        let mut words = Vec::new();
        for (part_a, column_a) in a.parts(0, multiplier) {
            for (part_b, column_b) in b.parts(1, multiplier) {
                let column = column_a + column_b;
                if column < width {
                    words.push((self.product_word(&part_a, &part_b, &added, width - column), column));
                }
            }
        }
        Some(Multiplied { words, has_added })
    }

    /// The product of two words that fit a multiplier, with what is added to it, extended to `width`.
    fn product_word(&mut self, a: &Operand, b: &Operand, added: &[Literal], width: usize) -> Vec<Literal> {
        let key = [a.bits.clone(), b.bits.clone(), added.to_vec()];
        let number = match self.known_multipliers.get(&key) {
            Some(&number) => number,
            None => {
                let number = self.multipliers.len() as u32;
                self.multipliers.push(key.concat());
                self.known_multipliers.insert(key, number);
                number
            }
        };
        let own = (a.bits.len() + b.bits.len()).max(added.len()).min(width);
        let mut bits: Vec<Literal> = (0..own).map(|bit| self.product_bit(number, bit as u32)).collect();
        let fill = if a.signed || b.signed { bits[own - 1] } else { FALSE };
        bits.resize(width, fill);
        bits
    }

    fn product_bit(&mut self, number: u32, bit: u32) -> Literal {
        let gate = Gate::Product(number, bit);
        if let Some(&known) = self.known.get(&gate) {
            return known;
        }
        let literal = self.input(gate);
        self.known.insert(gate, literal);
        literal
    }
}

/// An operand of a product, without bits that repeat its sign or are 0.
struct Operand {
    bits: Vec<Literal>,
    signed: bool,
}

impl Operand {
    fn of(bits: &[Literal], signed: bool) -> Operand {
        let mut bits = bits.to_vec();
        while let [.., before, last] = bits[..] {
            let repeats = if signed { before == last } else { last == FALSE };
            if !repeats {
                break;
            }
            bits.pop();
        }
        // A sign that is 0 is none.
        let is_positive = signed && bits.len() > 1 && bits.last() == Some(&FALSE);
        if is_positive {
            bits.pop();
        }
        Operand { bits, signed: signed && !is_positive }
    }

    fn is_constant_power(&self) -> bool {
        self.bits.iter().all(|bit| *bit <= TRUE) && self.bits.iter().filter(|bit| **bit == TRUE).count() <= 1
    }

    /// Parts that fit operand `place` of a multiplier, each with the column that it begins at.
    fn parts(&self, place: usize, multiplier: &Multiplier) -> Vec<(Operand, usize)> {
        let headroom = usize::from(multiplier.is_signed);
        let (most, part) = (multiplier.operand_bits[place], multiplier.part_bits[place] - headroom);
        let all = self.bits.len();
        let cuts = if all > most { (all - most).div_ceil(part) } else { 0 };
        let mut parts: Vec<(Operand, usize)> = (0..cuts)
            .map(|k| {
                (Operand { bits: self.bits[k * part..(k + 1) * part].to_vec(), signed: false }, k * part)
            })
            .collect();
        let last = Operand { bits: self.bits[cuts * part..].to_vec(), signed: self.signed };
        parts.push((last, cuts * part));
        parts
    }
}
