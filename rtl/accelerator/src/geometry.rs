//! What a configuration fixes: widths, lines and slices that hardware, lowering and simulator share.

mod memories;

use std::sync::Arc;

use bitmill_formats::requantize::MULTIPLIER_BITS;
use bitmill_formats::{Block, ChannelBlock, Format, Multiplication, Ordered};
use bitmill_hdl::{HdlError, Module};
use bitmill_units::common::block_encoder::BlockEncoder;
use bitmill_units::common::pair::Pair;
use bitmill_units::common::requantizer::{BIAS_BITS, BIAS_PLACES_BITS, Requantizer};
use bitmill_units::pe::lane::VectorLane;
use bitmill_units::pe::{Element, Kind, Mode, ProcessingElement, Request};

use sha2::{Digest, Sha256};

use crate::command::Opcode;
use crate::command::fields;
use crate::configuration::{Vector, illegal, in_section};
use crate::rows::RowUnits;
use crate::sampler::Sampler;
use crate::{ComputeKind, Configuration, ConfigurationError, Target, WordLayout, hardware};

/// Most bits of a sum on the vector unit; it has no floating point.
const MOST_LANE_BITS: u32 = 64;

/// Scratchpad lines are addressed by 16-bit command fields.
const MOST_LINES: u32 = 1 << 16;

/// A legal configuration with everything that follows from it.
#[derive(Clone, Debug)]
pub struct Accelerator {
    configuration: Configuration,
    pe: Element,
    modes: Vec<Mode>,
    words: Vec<WordLayout>,
    lane: VectorLane,
    requantizer: Requantizer,
    pair: Option<Pair>,
    residual: Option<Requantizer>,
    row_units: Option<RowUnits>,
    sampler: Option<Sampler>,
    configuration_hash: u64,
}

impl Accelerator {
    /// Checks `configuration`.
    ///
    /// # Errors
    /// The first value that is not legal, with what would be.
    pub fn new(configuration: Configuration) -> Result<Accelerator, ConfigurationError> {
        configuration.check()?;
        let Configuration { precision, pe, vector, .. } = &configuration;
        let kind = Kind::find(&pe.kind).map_err(|error| in_section("pe", error))?;
        let element = kind
            .build(&Request {
                activations: &precision.activations,
                weights: &precision.weights,
                lanes: pe.lanes,
                accumulator_bits: pe.accumulator_bits,
                options: &pe.options,
            })
            .map_err(|error| in_section("pe", error))?;
        let modes = element.modes();
        let words = words(precision.activations.iter(), &modes)?;
        let vector_bits = words.iter().filter(|word| word.is_signed_integer()).map(WordLayout::bits).max();
        let pair_bits = vector_bits.filter(|_| vector.elementwise);
        let pair = pair_bits.map(|bits| Pair::new(bits, vector.rounding)).transpose()?;
        let residual = residual(vector, pair.as_ref())?;
        let lane_bits = pe.accumulator_bits.min(MOST_LANE_BITS);
        let lane = VectorLane::new(vector_bits.unwrap_or(2), lane_bits, pair.is_some())?;
        let nonlinear = configuration.nonlinear.as_ref();
        let row_units = nonlinear.map(|section| RowUnits::new(section, vector_word(&words))).transpose()?;
        let deformable = configuration.deformable.as_ref();
        let sampler = deformable.map(|section| Sampler::new(section, vector_word(&words))).transpose()?;
        let accumulator_bits = pair
            .map_or(0, |pair| pair.result_bits())
            .max(row_units.as_ref().map_or(0, RowUnits::result_bits))
            .max(pe.accumulator_bits);
        let value_bits = words.iter().map(WordLayout::value_bits).max().unwrap_or(2);
        let mut floats: Vec<Ordered> = Vec::new();
        for float in words.iter().filter_map(WordLayout::float) {
            if !floats.contains(&float) {
                floats.push(float);
            }
        }
        let requantizer = Requantizer::new(accumulator_bits, value_bits, vector.rounding)
            .and_then(|requantizer| requantizer.with_formats(floats))
            .map_err(|error| in_section("pe", error))?;
        let configuration_hash = configuration_hash(&configuration)?;
        let accelerator = Accelerator {
            pe: element,
            modes,
            words,
            lane,
            requantizer,
            pair,
            residual,
            row_units,
            sampler,
            configuration,
            configuration_hash,
        };
        accelerator.check()?;
        Ok(accelerator)
    }

    fn check(&self) -> Result<(), ConfigurationError> {
        let most_modes = 1 << fields::MODE.shape.width;
        if let Some(mode) = self.modes.iter().find(|mode| mode.code >= most_modes) {
            let legal = format!("the formats make mode {}; up to {most_modes} modes are legal", mode.code);
            return Err(illegal("precision.weights", self.configuration.precision.weights.join(", "), legal));
        }
        for word in &self.words {
            if !word.channels.is_power_of_two() || !self.outputs().is_multiple_of(word.channels) {
                let legal = format!(
                    "{} output channels must fill words of {}, a power of two, in {}",
                    self.outputs(),
                    word.channels,
                    word.format
                );
                return Err(illegal("array.columns", self.columns(), legal));
            }
        }
        let lacks_tables = self.lacks_table_words().filter(|_| self.lookup_tables() > 0);
        if let Some(legal) = lacks_tables {
            return Err(illegal("vector.lookup_tables", self.lookup_tables(), legal));
        }
        let beat = self.beat_bits();
        if self.word_slot_bits() > beat {
            let legal = format!(
                "a word of activations, rounded up to a power of two, has {} bits and must fit one beat",
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

    /// The first 64 bits of the SHA-256 of the configuration, every default spelled out: what the
    /// configuration registers hold.
    pub fn configuration_hash(&self) -> u64 {
        self.configuration_hash
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

    /// Output channels at once: one or more a column.
    pub fn outputs(&self) -> u32 {
        self.columns() * self.pe.results()
    }

    /// log2 of the farthest that neighbouring positions of an input may lie apart.
    pub fn most_input_dilation_log2(&self) -> u32 {
        self.configuration.array.input_dilation.ilog2()
    }

    /// What the PEs run.
    pub fn modes(&self) -> &[Mode] {
        &self.modes
    }

    /// The mode for these formats.
    pub fn mode(&self, activation: &Format, weight: &Format) -> Option<&Mode> {
        self.modes.iter().find(|mode| mode.activation == *activation && mode.weight == *weight)
    }

    /// What the PEs make of a pair of these formats: exact products where no mode takes them.
    pub fn multiplication(&self, activation: &Format, weight: &Format) -> Multiplication {
        let mode = self.mode(activation, weight);
        mode.map(|mode| self.pe.multiplication(mode)).unwrap_or_default()
    }

    /// The mode with this code.
    ///
    /// # Panics
    /// When no mode has it.
    pub fn mode_of(&self, code: u32) -> &Mode {
        self.modes.iter().find(|mode| mode.code == code).expect("a command names a mode that there is")
    }

    /// How activations lie in words, by format: the place is what a command's `output_format` says.
    pub fn words(&self) -> &[WordLayout] {
        &self.words
    }

    /// The word of activations in `format`.
    pub fn word(&self, format: &Format) -> Option<&WordLayout> {
        self.words.iter().find(|word| word.name() == *format)
    }

    /// The word that the vector unit works on: the widest signed integers, if there are any.
    pub fn vector_word(&self) -> Option<&WordLayout> {
        vector_word(&self.words)
    }

    /// Cycles that words of blocks take behind the requantizer; those of every format, if there are any.
    pub fn block_cycles(&self) -> u32 {
        let has_blocks = self.words.iter().any(|word| word.block.is_some());
        if has_blocks { BlockEncoder::LATENCY_CYCLES } else { 0 }
    }

    /// Kinds of compute commands whose circuits there are, by number from 0.
    pub(crate) fn kinds(&self) -> u64 {
        let last = match self.pair {
            Some(_) => ComputeKind::Pair,
            None => ComputeKind::Maximum,
        };
        last as u64 + 1
    }

    /// Bits of the integers that the requantizer makes, before they become codes.
    pub(crate) fn value_bits(&self) -> u32 {
        self.words.iter().map(WordLayout::value_bits).max().unwrap_or(2)
    }

    /// Most channels of a word.
    pub fn most_channels(&self) -> u32 {
        self.words.iter().map(|word| word.channels).max().unwrap_or(1)
    }

    /// Output blocks of one matrix tile, in words of this format.
    pub fn blocks_per_tile(&self, word: &WordLayout) -> u32 {
        self.outputs() / word.channels
    }

    /// Multiply-accumulates of real numbers that the whole array does in a cycle, in the fastest mode.
    pub fn peak_macs(&self) -> u64 {
        let per_output = |mode: &Mode| u64::from(mode.channels()) / u64::from(mode.interval_cycles);
        let fastest = self.modes.iter().map(|mode| per_output(mode).max(1)).max().unwrap_or(1);
        u64::from(self.rows() * self.outputs()) * fastest
    }

    /// Lanes of the vector unit: elements that it takes in a cycle.
    pub fn vector_lanes(&self) -> u64 {
        self.vector_word().map_or(0, |word| u64::from(self.rows() * word.channels))
    }

    /// Cycles of a step on the array.
    pub fn interval_cycles(&self, mode: u32) -> u32 {
        self.mode_of(mode).interval_cycles
    }

    /// Array rows drained at once.
    pub fn drain_rows(&self) -> u32 {
        self.configuration.vector.rows
    }

    /// Bits of a sum.
    pub fn accumulator_bits(&self) -> u32 {
        self.configuration.pe.accumulator_bits
    }

    /// Bits of a sum on the vector unit.
    pub fn lane_accumulator_bits(&self) -> u32 {
        self.accumulator_bits().min(MOST_LANE_BITS)
    }

    /// Bits of the parameters of one output channel, padded to whole bytes: bias 32, multiplier 31, shift 6; where
    /// sums are wide, shift 8 and bias places 6.
    pub fn parameter_bits(&self) -> u32 {
        let places = if self.requantizer.is_wide() { BIAS_PLACES_BITS } else { 0 };
        (BIAS_BITS + MULTIPLIER_BITS + self.requantizer.shift_bits() + places).next_multiple_of(8)
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
        self.pe.activation_bits()
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
        self.pe.weight_bits()
    }

    /// Cycles from a tile's last step to its results: those of the PE, or of the vector lanes.
    pub fn result_latency_cycles(&self, kind: ComputeKind) -> u32 {
        let timing = if kind == ComputeKind::Matrix { self.pe.timing() } else { self.lane.timing() };
        timing.latency_cycles
    }

    /// The processing element.
    pub fn pe(&self) -> &dyn ProcessingElement {
        self.pe.as_ref()
    }

    pub(crate) fn vector_lane(&self) -> &VectorLane {
        &self.lane
    }

    /// The requantizer behind the array, one for each drained row and lane.
    pub fn requantizer(&self) -> &Requantizer {
        &self.requantizer
    }

    /// The pair unit in front of each requantizer, if there is one.
    pub fn pair(&self) -> Option<&Pair> {
        self.pair.as_ref()
    }

    /// The requantizer behind the pair unit that joins results with another tensor, if there is one.
    pub fn residual(&self) -> Option<&Requantizer> {
        self.residual.as_ref()
    }

    /// The row units, if there are any.
    pub fn row_units(&self) -> Option<&RowUnits> {
        self.row_units.as_ref()
    }

    /// The sampler of deformable convolutions, if there is one.
    pub fn sampler(&self) -> Option<&Sampler> {
        self.sampler.as_ref()
    }

    /// What its commands may be.
    pub fn opcodes(&self) -> Vec<Opcode> {
        let has_circuit = |opcode: &Opcode| match opcode {
            Opcode::Load | Opcode::Compute | Opcode::Store => true,
            Opcode::Rows => self.row_units.is_some(),
            Opcode::Sample => self.sampler.is_some(),
            Opcode::Residual => self.residual.is_some(),
        };
        Opcode::ALL.into_iter().filter(has_circuit).collect()
    }
}

/// The requantizer of what `pair` joins results with, where the section asks for it.
fn residual(vector: &Vector, pair: Option<&Pair>) -> Result<Option<Requantizer>, ConfigurationError> {
    if !vector.residual {
        return Ok(None);
    }
    let Some(pair) = pair else {
        let legal = "it needs vector.elementwise and signed integers in precision.activations";
        return Err(illegal("vector.residual", true, legal));
    };
    Requantizer::new(pair.result_bits(), pair.activation_bits(), vector.rounding)
        .map(Some)
        .map_err(|error| in_section("vector", error))
}

/// The widest signed integers.
fn vector_word(words: &[WordLayout]) -> Option<&WordLayout> {
    words.iter().filter(|word| word.is_signed_integer()).max_by_key(|word| word.bits())
}

/// The words of the activation formats: each has as many channels in every mode that reads it.
fn words<'f>(
    formats: impl Iterator<Item = &'f Format>,
    modes: &[Mode],
) -> Result<Vec<WordLayout>, ConfigurationError> {
    const KEY: &str = "precision.activations";
    let mut words = Vec::new();
    for format in formats {
        let channels = modes.iter().filter(|mode| mode.activation == *format).map(Mode::channels).max();
        let channels = channels.unwrap_or(1);
        let word = match format {
            Format::Block(block) => {
                block_word(block, channels).map_err(|legal| illegal(KEY, format, legal))?
            }
            _ => WordLayout {
                format: format
                    .scalar("activations")
                    .map_err(|error| illegal(KEY, format, error.to_string()))?
                    .clone(),
                block: None,
                channels,
            },
        };
        if !word.is_legal() {
            let legal = "integers, binary, minifloats and posits of up to 16 bits, and blocks are legal";
            return Err(illegal(KEY, format, legal));
        }
        words.push(word);
    }
    let most = 1 << fields::OUTPUT_FORMAT.shape.width;
    if words.len() > most {
        return Err(illegal(KEY, words.len(), format!("up to {most} formats are legal")));
    }
    Ok(words)
}

/// The word of a block format: a block.
fn block_word(block: &Block, channels: u32) -> Result<WordLayout, String> {
    let format = ChannelBlock::new(block).ok_or(
        "results are brought to blocks whose numbers are bf16 numbers, with scales rounded down, and to NV blocks: \
         mxfp8_e4m3, mxfp4, mxint8, bfp8_g16 or nvfp4, for instance",
    )?;
    if format.size() != channels {
        return Err(format!("a word holds one block; {} lanes are needed", format.size()));
    }
    let carrier = ChannelBlock::carrier().scalar();
    Ok(WordLayout { format: carrier, block: Some(format), channels })
}

fn configuration_hash(configuration: &Configuration) -> Result<u64, ConfigurationError> {
    let digest = Sha256::digest(configuration.to_yaml()?.as_bytes());
    Ok(digest.iter().take(8).fold(0, |hash, byte| hash << 8 | u64::from(*byte)))
}
