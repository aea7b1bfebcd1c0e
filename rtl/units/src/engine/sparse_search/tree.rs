//! The dual-purpose tree: one tree of adders that sums the leaves of a word, counts in a bitmap, or searches coordinates.
//!
//! A word has a power of two of leaves of `leaf_bits` bits, leaf 0 lowest. What it means is the mode's:
//!
//! | mode | leaves | `sum_o` | `found_o` |
//! |---|---|---|---|
//! | 0 `reduce` | signed numbers | their sum | 0 |
//! | 1 `prefix` | a bitmap: the low g bits of each, g the largest power of 2 in `leaf_bits` | bits set before position `key_i` | the bit there |
//! | 2 `search` | ascending coordinates, the last repeated to the end | coordinates below `key_i` | whether it is among them |
//!
//! Trick: in all modes a number a leaf goes up the same adders: the leaf itself, the bits set before the position, or
//! whether the coordinate is below. The leaf makes the number, a register holds it, and the tree need not know. So the
//! rank that addresses a value in memory is made by one circuit for both forms of a sparse block. A bitmap goes on over
//! several words where the positions `key_i` of words before the last one are all of them, g · leaves.
//!
//! Built for one mode alone, it is the tree that the dual-purpose one replaces, with registers no wider than
//! that mode needs; for `search` alone the position comes down from the root by choice, as in any search tree, which takes
//! less than counting.
//!
//! Timing: a word every cycle of the unit's time, two cycles from input to output. Time stands still while `advance_i` is 0.

use std::sync::Arc;

use bitmill_hdl::unit::{Expected, Model, Random, Unit, Values, lane, number, signed_number, to_bits};
use bitmill_hdl::{BigUint, HdlError, Module, ModuleBuilder, Signal, bits_for, unsigned};

use crate::{Entry, Legal, Parameter, Settings, UnitError};

/// Catalogue entry.
pub const ENTRY: Entry = Entry {
    name: "adder_search_tree",
    summary: "one tree that sums, counts in a bitmap, or searches sorted coordinates, by mode (RT-NeRF)",
    parameters: &[
        Parameter {
            name: "leaves",
            default: "8",
            help: "leaves of a word, a power of 2 from 2 to 64",
            legal: Legal::OneOf(&["2", "4", "8", "16", "32", "64"]),
        },
        Parameter {
            name: "leaf_bits",
            default: "8",
            help: "bits of a leaf: of a number, or of a coordinate, 4 to 32",
            legal: Legal::Numbers(4, 32),
        },
        Parameter {
            name: "modes",
            default: "reduce,prefix,search",
            help: "modes it offers, with commas between, of these three",
            legal: Legal::SomeOf(&["reduce", "prefix", "search"]),
        },
    ],
    examples: &[
        "",
        "leaves=2 leaf_bits=4",
        "leaves=4 leaf_bits=5 modes=prefix,search",
        "leaves=16 leaf_bits=6 modes=reduce",
        "leaves=8 leaf_bits=5 modes=prefix",
        "leaves=16 leaf_bits=12 modes=search",
    ],
    build: |settings| Ok(Box::new(Tree::from_settings(settings)?)),
};

/// Cycles of the unit's time from a word to its sum.
pub const LATENCY_CYCLES: u32 = 2;

/// What a word's leaves are.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Mode {
    /// Numbers to sum.
    Reduce,
    /// Bits to count before a position.
    Prefix,
    /// Coordinates to search.
    Search,
}

impl Mode {
    /// All of them, in the order of their codes.
    pub const ALL: [Mode; 3] = [Mode::Reduce, Mode::Prefix, Mode::Search];

    /// Name in settings.
    pub fn name(self) -> &'static str {
        ["reduce", "prefix", "search"][self as usize]
    }
}

/// Parameters of a tree.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct Tree {
    leaves: u32,
    leaf_bits: u32,
    /// By code.
    offered: [bool; 3],
}

impl Tree {
    /// A tree of `leaves` of `leaf_bits` bits that offers `modes`.
    ///
    /// # Errors
    /// Leaves that are no power of 2 from 2 to 64, leaves of fewer than 4 or more than 32 bits, or no mode.
    pub fn new(leaves: u32, leaf_bits: u32, modes: &[Mode]) -> Result<Tree, UnitError> {
        if !leaves.is_power_of_two() || !(2..=64).contains(&leaves) {
            return Err(UnitError::illegal("leaves", leaves, "a power of 2 from 2 to 64 is needed"));
        }
        if !(4..=32).contains(&leaf_bits) {
            return Err(UnitError::illegal("leaf_bits", leaf_bits, "4 to 32 are legal"));
        }
        if modes.is_empty() {
            return Err(UnitError::illegal("modes", "none", "one at least is needed"));
        }
        Ok(Tree { leaves, leaf_bits, offered: Mode::ALL.map(|mode| modes.contains(&mode)) })
    }

    fn from_settings(settings: &Settings) -> Result<Tree, UnitError> {
        let names = settings.text("modes");
        let modes: Result<Vec<Mode>, UnitError> = names
            .split(',')
            .map(|name| {
                let found = Mode::ALL.into_iter().find(|mode| mode.name() == name);
                found.ok_or_else(|| UnitError::illegal("modes", name, "legal are reduce, prefix, search"))
            })
            .collect();
        Tree::new(settings.number("leaves", 2..=64)?, settings.number("leaf_bits", 4..=32)?, &modes?)
    }

    fn offers(&self, mode: Mode) -> bool {
        self.offered[mode as usize]
    }

    fn modes(&self) -> impl Iterator<Item = Mode> {
        Mode::ALL.into_iter().filter(|mode| self.offers(*mode))
    }

    /// Whether there is a port `mode_i`.
    fn chooses(&self) -> bool {
        self.modes().count() > 1
    }

    /// Bits of a word.
    pub fn word_bits(&self) -> u32 {
        self.leaves * self.leaf_bits
    }

    /// Leaves of a word.
    pub fn leaves(&self) -> u32 {
        self.leaves
    }

    /// log2 of the bits of a leaf that a bitmap uses.
    fn group_log2(&self) -> u32 {
        self.leaf_bits.ilog2()
    }

    /// Positions of a bitmap in a word, a power of 2.
    pub fn positions(&self) -> u32 {
        self.leaves << self.group_log2()
    }

    /// Bits of `key_i`: of a coordinate, or of a position, which may lie behind the last.
    pub fn key_bits(&self) -> u32 {
        let position_bits = if self.offers(Mode::Prefix) { bits_for(self.positions().into()) } else { 0 };
        position_bits.max(if self.offers(Mode::Search) { self.leaf_bits } else { 0 })
    }

    /// Bits of the number that a leaf sends up: signed where it may be a number of its own.
    fn number_bits(&self) -> u32 {
        match [Mode::Reduce, Mode::Prefix].map(|mode| self.offers(mode)) {
            [true, _] => self.leaf_bits,
            [false, true] => self.group_log2() + 1,
            [false, false] => 1,
        }
    }

    /// Bits of the sum: it is signed if the tree reduces.
    pub fn sum_bits(&self) -> u32 {
        self.number_bits() + self.leaves.ilog2()
    }

    /// The meaning: sum, and whether the key was found.
    pub fn answer(&self, mode: Mode, word: &BigUint, key: u64) -> (i64, bool) {
        let leaf = |index| lane(word, index, self.leaf_bits);
        let leaves = || (0..self.leaves).map(leaf);
        match mode {
            Mode::Reduce => (leaves().map(|leaf| signed_number(&leaf, self.leaf_bits)).sum(), false),
            Mode::Prefix => {
                let group = 1 << self.group_log2();
                let bit = |at: u64| leaf((at / group) as u32).bit(at % group);
                let positions = u64::from(self.positions());
                let before = (0..positions).filter(|at| *at < key && bit(*at)).count();
                (before as i64, key < positions && bit(key))
            }
            Mode::Search => {
                let below = leaves().filter(|leaf| number(leaf) < key).count();
                (below as i64, leaves().any(|leaf| number(&leaf) == key))
            }
        }
    }

    /// Name of the module.
    fn name(&self) -> String {
        let letters: String = self.modes().map(|mode| &mode.name()[..1]).collect();
        format!("bitmill_adder_search_tree_l{}_b{}_{letters}", self.leaves, self.leaf_bits)
    }
}

/// What a leaf sends up, and whether the key is in it.
struct Leaf<'m> {
    number: Signal<'m>,
    found: Signal<'m>,
}

/// What all leaves of a bitmap are told of the position.
struct Position<'m> {
    /// The leaf it lies in.
    leaf: Signal<'m>,
    /// By bit of a leaf: whether it lies before the position, and whether it is the one, if the leaf is that of the position.
    before: Signal<'m>,
    here: Signal<'m>,
}

impl Tree {
    fn position<'m>(&self, m: &'m ModuleBuilder, key: Signal<'m>) -> Position<'m> {
        let low = key.truncate(self.group_log2());
        let last = (1 << self.group_log2()) - 1;
        let by_bit =
            |test: &dyn Fn(u32) -> Signal<'m>| m.concat(&(0..=last).rev().map(test).collect::<Vec<_>>());
        let before = |bit: u32| match bit == last {
            true => m.bit(false),
            false => low.gt(m.lit(low.width(), bit.into())),
        };
        Position {
            leaf: key.slice(self.group_log2(), self.leaves.ilog2() + 1).named("leaf_of_position"),
            before: by_bit(&before).named("bits_before"),
            here: by_bit(&|bit| low.eq_value(bit.into())).named("bit_here"),
        }
    }

    /// The number that leaf `index` of a bitmap sends up.
    fn count<'m>(
        &self,
        m: &'m ModuleBuilder,
        index: u32,
        leaf: Signal<'m>,
        position: &Position<'m>,
    ) -> Leaf<'m> {
        let bits = leaf.truncate(1 << self.group_log2());
        let is_here = position.leaf.eq_value(index.into());
        let is_before = position.leaf.gt(m.lit(position.leaf.width(), index.into()));
        let mask = position.before.gate(is_here).or(is_before.replicate(bits.width()));
        Leaf {
            number: m.sum(&bits.and(mask).bits()).resize(self.group_log2() + 1),
            found: bits.and(position.here).any().and(is_here),
        }
    }

    /// The number that a leaf sends up in each mode that is offered, and the register that holds it.
    fn leaf<'m>(&self, m: &'m ModuleBuilder, index: u32, inputs: &Inputs<'m>) -> Leaf<'m> {
        let leaf = inputs.word.slice(index * self.leaf_bits, self.leaf_bits);
        let mut number = m.lit(self.number_bits(), 0);
        let mut found = m.bit(false);
        for mode in self.modes() {
            let of_mode = match (mode, &inputs.position) {
                (Mode::Prefix, Some(position)) => self.count(m, index, leaf, position),
                (Mode::Search, _) => {
                    let key = inputs.key.truncate(self.leaf_bits);
                    Leaf { number: leaf.lt(key), found: leaf.eq(key) }
                }
                _ => Leaf { number: leaf, found: m.bit(false) },
            };
            let is_mode = inputs.is_mode(m, mode);
            number = number.or(of_mode.number.extend(self.number_bits()).gate(is_mode));
            found = found.or(of_mode.found.and(is_mode));
        }
        Leaf { number: number.named(&format!("number_{index}")), found }
    }

    /// How many of ascending coordinates are below the key, from whether each is: chosen from the root down.
    fn descend<'m>(m: &'m ModuleBuilder, below: &[Signal<'m>]) -> Signal<'m> {
        let all = below[below.len() - 1];
        let (mut rest, mut bits) = (below[..below.len() - 1].to_vec(), vec![all]);
        while !rest.is_empty() {
            let half = rest.len() / 2;
            let right = rest[half];
            bits.push(right.and(all.not()));
            rest = (0..half).map(|at| right.mux(rest[half + 1 + at], rest[at])).collect();
        }
        m.concat(&bits)
    }
}

/// The inputs of the circuit.
struct Inputs<'m> {
    mode: Option<Signal<'m>>,
    word: Signal<'m>,
    key: Signal<'m>,
    position: Option<Position<'m>>,
}

impl<'m> Inputs<'m> {
    fn is_mode(&self, m: &'m ModuleBuilder, mode: Mode) -> Signal<'m> {
        self.mode.map_or_else(|| m.bit(true), |signal| signal.eq_value(mode as i128))
    }
}

impl Unit for Tree {
    fn module(&self) -> Result<Arc<Module>, HdlError> {
        let names: Vec<&str> = self.modes().map(Mode::name).collect();
        let m = ModuleBuilder::new(
            self.name(),
            format!(
                "tree of {} leaves of {} bits: {}.\nLatency {LATENCY_CYCLES} cycles, interval 1.",
                self.leaves,
                self.leaf_bits,
                names.join(", ")
            ),
        );
        m.group("Control");
        let advance = m.input_with_comment("advance_i", unsigned(1), "time stands still where it is 0");
        let mode = self.chooses().then(|| {
            m.input_with_comment("mode_i", unsigned(2), "0 reduce, 1 prefix, 2 search; others give 0")
        });
        m.group("Data");
        let word = m.input_with_comment("word_i", unsigned(self.word_bits()), "leaf 0 lowest");
        let key = match self.key_bits() {
            0 => m.lit(1, 0),
            bits => m.input_with_comment("key_i", unsigned(bits), "position in a bitmap, or coordinate"),
        };
        let position = self.offers(Mode::Prefix).then(|| self.position(&m, key));
        let inputs = Inputs { mode, word, key, position };
        let hold = |name: &str, next: Signal<'_>| {
            let register = m.register(name, next.shape()).without_reset();
            register.set_when(advance, next);
            register.q()
        };

        m.comment("What each leaf sends up.");
        let leaves: Vec<Leaf> = (0..self.leaves).map(|index| self.leaf(&m, index, &inputs)).collect();
        let found = m.any(&leaves.iter().map(|leaf| leaf.found).collect::<Vec<_>>());
        let numbers: Vec<Signal> =
            (0..).zip(&leaves).map(|(index, leaf)| hold(&format!("number_{index}_q"), leaf.number)).collect();
        m.comment("The tree.");
        let sum = match (self.offers(Mode::Reduce), self.modes().count()) {
            (true, _) => m.sum(&numbers.iter().map(|number| number.as_signed()).collect::<Vec<_>>()),
            (false, 1) if self.offers(Mode::Search) => Tree::descend(&m, &numbers),
            _ => m.sum(&numbers),
        };
        m.group("Two cycles later");
        m.output("sum_o", hold("sum_q", sum.resize(self.sum_bits())).as_unsigned());
        if self.key_bits() > 0 {
            m.output("found_o", hold("found_2_q", hold("found_q", found)));
        } else {
            m.ignore(key);
        }
        m.finish()
    }

    fn model(&self) -> Box<dyn Model> {
        let tree = *self;
        let mut in_flight: [Expected; LATENCY_CYCLES as usize] = Default::default();
        in_flight.fill(vec![None; 2]);
        let width = self.sum_bits();
        Box::new(move |inputs: &[BigUint]| {
            let shown = in_flight[1].clone();
            if number(&inputs[0]) == 1 {
                let ports = tree.split(&inputs[1..]);
                let (sum, found) =
                    ports.mode.map_or((0, false), |mode| tree.answer(mode, ports.word, ports.key));
                in_flight.rotate_right(1);
                in_flight[0] = vec![Some(to_bits(sum.into(), width)), Some(BigUint::from(u8::from(found)))];
            }
            shown
        })
    }

    fn stimulus(&self, random: &mut Random, cycles: usize) -> Vec<Values> {
        let modes: Vec<Mode> = self.modes().collect();
        (0..cycles.max(200))
            .map(|_| {
                let mode = modes[random.below(modes.len() as u64) as usize];
                let (word, key) = self.draw(mode, random);
                let mut values = vec![BigUint::from(u8::from(!random.one_in(5)))];
                values.extend(self.chooses().then(|| BigUint::from(mode as u8)));
                values.push(word);
                values.extend((self.key_bits() > 0).then(|| BigUint::from(key)));
                values
            })
            .collect()
    }
}

/// The inputs of a cycle besides `advance_i`; no mode where none of the offered ones is asked for.
struct Request<'i> {
    mode: Option<Mode>,
    word: &'i BigUint,
    key: u64,
}

impl Tree {
    fn split<'i>(&self, inputs: &'i [BigUint]) -> Request<'i> {
        let (mode, rest) = match self.chooses() {
            true => (Mode::ALL.get(number(&inputs[0]) as usize).copied(), &inputs[1..]),
            false => (self.modes().next(), inputs),
        };
        Request {
            mode: mode.filter(|mode| self.offers(*mode)),
            word: &rest[0],
            key: rest.get(1).map_or(0, number),
        }
    }

    /// A word that suits `mode`, and a key that is often in it.
    fn draw(&self, mode: Mode, random: &mut Random) -> (BigUint, u64) {
        match mode {
            Mode::Reduce => (random.corner_bits(self.word_bits()), random.below(1 << self.key_bits())),
            Mode::Prefix => {
                let dense = random.corner_bits(self.word_bits());
                let word = if random.one_in(2) { dense & random.bits(self.word_bits()) } else { dense };
                (word, random.below(u64::from(self.positions()) + 1))
            }
            Mode::Search => {
                let range = 1 << (1 + random.below(self.leaf_bits.into()));
                let count = 1 + random.below(self.leaves.into()) as usize;
                let mut leaves: Vec<u64> = (0..count).map(|_| random.below(range)).collect();
                leaves.sort_unstable();
                leaves.resize(self.leaves as usize, leaves[count - 1]);
                let key = if random.one_in(2) {
                    leaves[random.below(count as u64) as usize]
                } else {
                    random.below(range)
                };
                let leaves: Vec<BigUint> = leaves.into_iter().map(BigUint::from).collect();
                (bitmill_hdl::unit::pack(&leaves, self.leaf_bits), key)
            }
        }
    }
}
