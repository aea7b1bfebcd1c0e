//! Scratchpads and lookup tables: lines, beats, banks and addresses.

use bitmill_hdl::bits_for;
use bitmill_units::common::ram::Ram;
use bitmill_units::pe::lane::LANE_WEIGHT_BITS;

use crate::{Accelerator, ConfigurationError, Target};

/// Most bits of what a table is looked up by.
const MOST_TABLE_BITS: u32 = 8;

impl Accelerator {
    /// Useful bits of a scratchpad line.
    pub fn line_bits(&self, target: Target) -> u32 {
        match target {
            Target::Activations => self.rows() * self.word_bits(),
            Target::Weights => {
                let lanes = self.vector_word().map_or(0, |word| word.channels);
                (self.columns() * self.weight_word_bits()).max(lanes * LANE_WEIGHT_BITS)
            }
            Target::Parameters => self.most_channels() * self.parameter_bits(),
            Target::Tables => {
                self.table_slot_bits()
                    << self.vector_word().map_or(0, |word| word.bits().min(MOST_TABLE_BITS))
            }
        }
    }

    /// Beats that fill one line.
    pub fn beats_per_line(&self, target: Target) -> u32 {
        let bits = match target {
            Target::Activations => self.rows() * self.word_slot_bits(),
            _ => self.line_bits(target),
        };
        bits.div_ceil(self.beat_bits())
    }

    /// Lines of a scratchpad.
    pub fn lines(&self, target: Target) -> u32 {
        let sizes = &self.configuration().scratchpads;
        let kib = match target {
            Target::Activations => sizes.activations_kib,
            Target::Weights => sizes.weights_kib,
            Target::Parameters => sizes.parameters_kib,
            Target::Tables => return self.lookup_tables(),
        };
        kib * 8192 / self.line_bits(target)
    }

    /// Banks of the activation scratchpad: a word of a line in each of the first `rows`, and so on with the lines
    /// that follow, as many as there are banks for each row.
    pub fn banks(&self) -> u32 {
        self.rows() * self.banks_per_row()
    }

    /// Lines of activations that lie side by side in banks of their own.
    pub(crate) fn banks_per_row(&self) -> u32 {
        self.configuration().scratchpads.banks_per_row
    }

    /// Bits of an address within a bank of activations.
    pub(crate) fn bank_address_bits(&self) -> u32 {
        self.line_address_bits(Target::Activations) - self.banks_per_row().ilog2()
    }

    /// Bits of a line address.
    pub(crate) fn line_address_bits(&self, target: Target) -> u32 {
        bits_for(u64::from(self.lines(target)) - 1)
    }

    /// The memory behind one bank or slice of a scratchpad.
    pub(crate) fn ram(&self, target: Target) -> Result<Ram, ConfigurationError> {
        let (width, banks_per_row) = match target {
            Target::Activations => (self.word_bits(), self.banks_per_row()),
            // All beats of a line lie in one memory, since only one of them is read at once.
            Target::Tables => {
                let beats = self.lines(target) * self.beats_per_line(target);
                return Ok(Ram::new(self.beat_bits().min(self.line_bits(target)), beats.max(2))?);
            }
            _ => (self.beat_bits().min(self.line_bits(target)), 1),
        };
        Ok(Ram::new(width, self.lines(target).div_ceil(banks_per_row))?)
    }

    /// Lookup tables that lie ready at once, each with a result for every code of the vector unit's words.
    pub fn lookup_tables(&self) -> u32 {
        self.configuration().vector.lookup_tables
    }

    /// Bits that an entry of a table takes: those of a code, rounded up so that entries do not cross beats.
    pub fn table_slot_bits(&self) -> u32 {
        self.vector_word().map_or(1, |word| word.bits().next_power_of_two())
    }

    /// Why the words of activations cannot be looked up, if they cannot.
    pub(super) fn lacks_table_words(&self) -> Option<String> {
        match self.vector_word() {
            Some(word) if word.bits() <= MOST_TABLE_BITS => None,
            Some(word) => {
                Some(format!("tables are looked up by up to {MOST_TABLE_BITS} bits, not by {}", word.name()))
            }
            None => Some("signed integers in precision.activations are needed".to_owned()),
        }
    }

    /// Cycles that a lookup takes behind the requantizer; those of every result, if there are tables.
    pub(crate) fn lookup_cycles(&self) -> u32 {
        u32::from(self.lookup_tables() > 0)
    }

    /// Cycles from a sum at the requantizers to its word.
    pub(crate) fn requantization_cycles(&self) -> u32 {
        self.requantizer().latency_cycles() + self.lookup_cycles() + self.block_cycles()
    }
}
