//! Size of a search unit: its memories, and what a search reads of them.

use bitmill_formats::sparse::Form;
use bitmill_hdl::{Memory, bits_for};

use super::tree::{Mode, Tree};
use crate::{Legal, Parameter, Settings, UnitError};

/// Parameters of a search unit.
pub(in crate::engine) const PARAMETERS: [Parameter; 8] = [
    Parameter {
        name: "requests",
        default: "2",
        help: "requests a beat, 1 to 4",
        legal: Legal::Numbers(1, 4),
    },
    Parameter {
        name: "banks",
        default: "4",
        help: "banks of each memory, a power of 2 up to 16",
        legal: Legal::OneOf(&["1", "2", "4", "8", "16"]),
    },
    Parameter {
        name: "index_bits",
        default: "5",
        help: "log2 of the positions of a block, 4 to 10",
        legal: Legal::Numbers(4, 10),
    },
    Parameter {
        name: "leaves",
        default: "8",
        help: "coordinates of a word of places, a power of 2 from 2 to 64",
        legal: Legal::OneOf(&["2", "4", "8", "16", "32", "64"]),
    },
    Parameter {
        name: "value_bits",
        default: "8",
        help: "bits of a value, 1 to 32",
        legal: Legal::Numbers(1, 32),
    },
    Parameter {
        name: "block_address_bits",
        default: "8",
        help: "log2 of the blocks, 5 to 16",
        legal: Legal::Numbers(5, 16),
    },
    Parameter {
        name: "place_address_bits",
        default: "9",
        help: "log2 of the words of places, 5 to 16",
        legal: Legal::Numbers(5, 16),
    },
    Parameter {
        name: "value_address_bits",
        default: "12",
        help: "log2 of the values, 5 to 16",
        legal: Legal::Numbers(5, 16),
    },
];

/// The three memories of a search unit, in the order of their codes at its write port.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Store {
    /// An entry a block: its form and count, and where its places and its values begin.
    Directory,
    /// Words of places: bitmaps and coordinates.
    Places,
    /// Values.
    Values,
}

impl Store {
    /// All of them.
    pub const ALL: [Store; 3] = [Store::Directory, Store::Places, Store::Values];

    /// Its name, in modules.
    pub(super) fn name(self) -> &'static str {
        ["directory", "places", "values"][self as usize]
    }
}

/// Size of a search unit.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct Shape {
    /// Requests a beat.
    pub requests: u32,
    /// Banks of each memory.
    pub banks: u32,
    /// log2 of the positions of a block.
    pub index_bits: u32,
    /// Coordinates of a word of places.
    pub leaves: u32,
    /// Bits of a value.
    pub value_bits: u32,
    /// log2 of the words of each memory.
    pub address_bits: [u32; 3],
}

impl Shape {
    pub(super) fn from_settings(settings: &Settings) -> Result<Shape, UnitError> {
        let positions =
            settings.number("block_address_bits", 5..=16)? + settings.number("index_bits", 4..=10)?;
        Shape::of_positions(
            settings,
            settings.number("requests", 1..=4)?,
            settings.number("value_bits", 1..=32)?,
            positions,
        )
    }

    /// The unit of `settings` for so many requests a beat, values of so many bits and 2^`position_bits` positions.
    pub(in crate::engine) fn of_positions(
        settings: &Settings,
        requests: u32,
        value_bits: u32,
        position_bits: u32,
    ) -> Result<Shape, UnitError> {
        let index_bits = settings.number("index_bits", 4..=10)?;
        let block_address_bits = position_bits.saturating_sub(index_bits);
        if !(5..=16).contains(&block_address_bits) {
            let legal = format!(
                "{} to {} leave 2^5 to 2^16 blocks",
                position_bits.saturating_sub(16).max(4),
                position_bits - 5
            );
            return Err(UnitError::illegal("index_bits", index_bits, legal));
        }
        let power = |name, most| match settings.number(name, 1..=most)? {
            number if number.is_power_of_two() => Ok(number),
            number => Err(UnitError::illegal(name, number, format!("a power of 2 up to {most} is needed"))),
        };
        let shape = Shape {
            requests,
            banks: power("banks", 16)?,
            index_bits,
            leaves: power("leaves", 64)?,
            value_bits,
            address_bits: [
                block_address_bits,
                settings.number("place_address_bits", 5..=16)?,
                settings.number("value_address_bits", 5..=16)?,
            ],
        };
        Tree::new(shape.leaves, shape.index_bits, &Mode::ALL)?;
        Ok(shape)
    }

    /// The tree of a request.
    ///
    /// # Panics
    /// On our own bugs: the constructor checked what it asks for.
    pub fn tree(&self) -> Tree {
        Tree::new(self.leaves, self.index_bits, &[Mode::Prefix, Mode::Search]).expect("a legal tree")
    }

    /// Positions of a block.
    pub fn positions(&self) -> u32 {
        1 << self.index_bits
    }

    /// log2 of the positions of a bitmap in a word.
    pub(super) fn word_positions_log2(&self) -> u32 {
        self.tree().positions().ilog2()
    }

    /// Bits of a position: block and index.
    pub fn position_bits(&self) -> u32 {
        self.address_bits[Store::Directory as usize] + self.index_bits
    }

    /// Bits of a count of values.
    pub(super) fn count_bits(&self) -> u32 {
        self.index_bits + 1
    }

    /// Most words of places that a block has: what the watchdog lets a search read.
    pub fn most_words(&self) -> u32 {
        (self.positions() / self.leaves).max(1)
    }

    /// Bits of the number of a search's words so far.
    pub(super) fn word_count_bits(&self) -> u32 {
        bits_for(u64::from(self.most_words()))
    }

    /// Size of a bank of `store`.
    pub fn bank(&self, store: Store) -> Memory {
        let width = match store {
            Store::Directory => self.entry_bits(),
            Store::Places => self.tree().word_bits(),
            Store::Values => self.value_bits,
        };
        Memory { width, depth: (1 << self.address_bits[store as usize]) / self.banks }
    }

    /// Bits of an address and of data at the write port, which is as wide as the widest memory.
    pub(in crate::engine) fn write_bits(&self) -> [u32; 2] {
        let widest = |of: &dyn Fn(Store) -> u32| Store::ALL.into_iter().map(of).max().unwrap_or(1);
        [widest(&|store| self.address_bits[store as usize]), widest(&|store| self.bank(store).width)]
    }

    /// Bits of an entry of the directory: form, count, and the addresses of places and values.
    pub fn entry_bits(&self) -> u32 {
        let [_, place, value] = self.address_bits;
        1 + self.count_bits() + place + value
    }

    /// Words of places that a search of `index` in a block reads, if the watchdog lets it.
    pub(super) fn words(&self, form: Form, count: u32, index: u32) -> u32 {
        match form {
            Form::Bitmap => (index >> self.word_positions_log2()) + 1,
            Form::Coordinates => count.div_ceil(self.leaves),
        }
    }

    /// Cycles in which the banks read `addresses`: those of the busiest one, where an address is read once for all
    /// that ask for it; one at least.
    pub fn step_cycles(&self, addresses: impl IntoIterator<Item = u64>) -> u32 {
        let mut distinct: Vec<u64> = addresses.into_iter().collect();
        distinct.sort_unstable();
        distinct.dedup();
        let in_bank =
            |bank| distinct.iter().filter(|address| **address % u64::from(self.banks) == bank).count();
        (0..u64::from(self.banks)).map(in_bank).max().unwrap_or(0).max(1) as u32
    }

    /// For names of modules.
    pub(in crate::engine) fn name(&self) -> String {
        let [block, place, value] = self.address_bits;
        let (requests, banks, bits) = (self.requests, self.banks, self.value_bits);
        format!("r{requests}_b{banks}_i{}_l{}_v{bits}_{block}_{place}_{value}", self.index_bits, self.leaves)
    }
}
