//! What a configuration fixes: widths, lines and slices that hardware, lowering and simulator share.

use std::sync::Arc;

use bitmill_hdl::{HdlError, Module, bits_for};
use bitmill_units::common::ram::Ram;
use bitmill_units::common::requantizer::Requantizer;
use bitmill_units::pe::integer::{IntegerPe, Operand};
use bitmill_units::pe::lane::{LANE_WEIGHT_BITS, VectorLane};
use bitmill_units::pe::{PeTiming, ProcessingElement};

use crate::configuration::illegal;
use crate::{Configuration, ConfigurationError, PeKind, Target, hardware};

/// Bits of the parameters of one output channel: bias 32, multiplier 31, shift 6, padded to whole bytes.
pub const PARAMETER_BITS: u32 = 72;

/// Scratchpad lines are addressed by 16-bit command fields.
const MOST_LINES: u32 = 1 << 16;

/// A legal configuration with everything that follows from it.
#[derive(Clone, Debug)]
pub struct Accelerator {
    configuration: Configuration,
    pe: IntegerPe,
    lane: VectorLane,
    requantizer: Requantizer,
}

impl Accelerator {
    /// Checks `configuration`.
    ///
    /// # Errors
    /// The first value that is not legal, with what would be.
    pub fn new(configuration: Configuration) -> Result<Accelerator, ConfigurationError> {
        configuration.check()?;
        let Configuration { precision, pe, .. } = &configuration;
        let element = match pe.kind {
            PeKind::Integer => IntegerPe::new(
                Operand::int(precision.activation_bits),
                Operand::int(precision.weight_bits),
                pe.lanes,
                pe.accumulator_bits,
            )?,
        };
        let lane = VectorLane::new(precision.activation_bits, pe.accumulator_bits)?;
        let requantizer =
            Requantizer::new(pe.accumulator_bits, precision.activation_bits, configuration.vector.rounding)?;
        let accelerator = Accelerator { pe: element, lane, requantizer, configuration };
        accelerator.check()?;
        Ok(accelerator)
    }

    fn check(&self) -> Result<(), ConfigurationError> {
        let beat = self.beat_bits();
        if self.word_slot_bits() > beat {
            let legal = format!(
                "pe.lanes × activation_bits, rounded up to a power of two, is {} and must fit one beat",
                self.word_slot_bits()
            );
            return Err(illegal("memory.width_bits", beat, legal));
        }
        let memories = [
            (
                "scratchpads.activations_kib",
                self.configuration.scratchpads.activations_kib,
                Target::Activations,
            ),
            ("scratchpads.weights_kib", self.configuration.scratchpads.weights_kib, Target::Weights),
            ("scratchpads.parameters_kib", self.configuration.scratchpads.parameters_kib, Target::Parameters),
        ];
        for (key, kib, target) in memories {
            let (lines, bytes) = (self.lines(target), self.line_bits(target).div_ceil(8));
            if !(4..=MOST_LINES).contains(&lines) {
                let legal = format!(
                    "a line has {bytes} bytes, and 4 to {MOST_LINES} lines are legal: {} to {} KiB",
                    (4 * bytes).div_ceil(1024),
                    (u64::from(MOST_LINES) * u64::from(bytes)) / 1024
                );
                return Err(illegal(key, kib, legal));
            }
        }
        Ok(())
    }

    /// The configuration it was made from.
    pub fn configuration(&self) -> &Configuration {
        &self.configuration
    }

    /// The circuit.
    ///
    /// # Errors
    /// Only on our own bugs: the configuration was checked.
    pub fn module(&self) -> Result<Arc<Module>, HdlError> {
        hardware::top(self)
    }

    /// Output pixels at once.
    pub fn rows(&self) -> u32 {
        self.configuration.array.rows
    }

    /// Output channels at once.
    pub fn columns(&self) -> u32 {
        self.configuration.array.columns
    }

    /// Channels of a block.
    pub fn lanes(&self) -> u32 {
        self.configuration.pe.lanes
    }

    /// Output blocks of one matrix tile.
    pub fn blocks_per_tile(&self) -> u32 {
        self.columns() / self.lanes()
    }

    /// Array rows drained at once.
    pub fn drain_rows(&self) -> u32 {
        self.configuration.vector.rows
    }

    /// Bits of an activation.
    pub fn activation_bits(&self) -> u32 {
        self.configuration.precision.activation_bits
    }

    /// Bits of a weight in the array; lane weights have 8.
    pub fn weight_bits(&self) -> u32 {
        self.configuration.precision.weight_bits
    }

    /// Bits of a sum.
    pub fn accumulator_bits(&self) -> u32 {
        self.configuration.pe.accumulator_bits
    }

    /// Bits of a beat on the memory port.
    pub fn beat_bits(&self) -> u32 {
        self.configuration.memory.width_bits
    }

    /// Bytes of a beat on the memory port.
    pub fn beat_bytes(&self) -> u32 {
        self.beat_bits() / 8
    }

    /// Bits of an activation word: one block of one pixel.
    pub fn word_bits(&self) -> u32 {
        self.lanes() * self.activation_bits()
    }

    /// Bits a word takes in memory: padded, so that words do not cross beats.
    pub fn word_slot_bits(&self) -> u32 {
        self.word_bits().next_power_of_two()
    }

    /// Words of one beat.
    pub fn words_per_beat(&self) -> u32 {
        (self.beat_bits() / self.word_slot_bits()).min(self.rows())
    }

    /// Bits of a weight word: what one column takes a step.
    pub fn weight_word_bits(&self) -> u32 {
        self.lanes() * self.weight_bits()
    }

    /// Useful bits of a scratchpad line.
    pub fn line_bits(&self, target: Target) -> u32 {
        match target {
            Target::Activations => self.rows() * self.word_bits(),
            Target::Weights => {
                (self.columns() * self.weight_word_bits()).max(self.lanes() * LANE_WEIGHT_BITS)
            }
            Target::Parameters => self.lanes() * PARAMETER_BITS,
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
        let sizes = &self.configuration.scratchpads;
        let kib = match target {
            Target::Activations => sizes.activations_kib,
            Target::Weights => sizes.weights_kib,
            Target::Parameters => sizes.parameters_kib,
        };
        kib * 8192 / self.line_bits(target)
    }

    /// Bits of a line address.
    pub(crate) fn line_address_bits(&self, target: Target) -> u32 {
        bits_for(u64::from(self.lines(target)) - 1)
    }

    /// Timing of the array's PEs; the vector lanes keep the same.
    pub fn pe_timing(&self) -> PeTiming {
        ProcessingElement::timing(&self.pe)
    }

    pub(crate) fn pe(&self) -> &dyn ProcessingElement {
        &self.pe
    }

    pub(crate) fn vector_lane(&self) -> &VectorLane {
        &self.lane
    }

    /// The requantizer behind the array, one for each drained row and lane.
    pub fn requantizer(&self) -> &Requantizer {
        &self.requantizer
    }

    /// The memory behind one bank or slice of a scratchpad.
    pub(crate) fn ram(&self, target: Target) -> Result<Ram, ConfigurationError> {
        let width = match target {
            Target::Activations => self.word_bits(),
            _ => self.beat_bits().min(self.line_bits(target)),
        };
        Ok(Ram::new(width, self.lines(target))?)
    }
}
