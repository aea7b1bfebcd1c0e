//! The YAML file that describes an accelerator, and what makes it legal.

mod deformable;
mod formats;
mod nonlinear;

use std::collections::BTreeMap;

use bitmill_units::common::requantizer::Roundings;
use serde::{Deserialize, Serialize};

use crate::command::fields;

pub use deformable::{Deformable, OffsetKind};
pub use formats::Formats;
pub use nonlinear::{Nonlinear, NormRoot};

/// A whole accelerator.
#[derive(Clone, PartialEq, Eq, Hash, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Configuration {
    /// Name; the top module is called `bitmill_NAME`.
    pub name: String,
    /// Formats of the operands.
    pub precision: Precision,
    /// The processing element.
    pub pe: Pe,
    /// Shape of the array.
    pub array: Array,
    /// On-chip memories.
    pub scratchpads: Scratchpads,
    /// The vector unit behind the array.
    #[serde(default)]
    pub vector: Vector,
    /// Row units for transformers; none without it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub nonlinear: Option<Nonlinear>,
    /// A sampler for deformable convolutions; none without it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub deformable: Option<Deformable>,
    /// The port to memory and the memory behind it.
    #[serde(default)]
    pub memory: MemoryPort,
    /// Clock, for latencies in seconds and for power.
    #[serde(default = "default_clock_mhz")]
    pub clock_mhz: u32,
}

fn default_clock_mhz() -> u32 {
    200
}

/// Formats of the operands.
#[derive(Clone, PartialEq, Eq, Hash, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Precision {
    /// Formats of the activations, as `bitmill formats` lists them: one name or a list. Integers of up to 16 bits,
    /// binary, and minifloats and posits of up to 16 bits, as far as the processing element runs them.
    pub activations: Formats,
    /// Formats of the weights.
    pub weights: Formats,
}

impl Precision {
    /// The formats as part of a name: `a8w4` for integers, else `a_fp8_e4m3_w_bitmod_fp4`.
    pub fn label(&self) -> String {
        let part = |letter: &str, formats: &Formats| {
            let name = formats.join("_");
            match name.strip_prefix("int") {
                Some(bits) if formats.len() == 1 => format!("{letter}{bits}"),
                _ => format!("{letter}_{name}_"),
            }
        };
        let label = part("a", &self.activations) + &part("w", &self.weights);
        label.trim_end_matches('_').to_owned()
    }
}

/// The processing element that the array is made of.
#[derive(Clone, PartialEq, Eq, Hash, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Pe {
    /// Which one: the name of a [`bitmill_units::pe::Kind`].
    pub kind: String,
    /// Multiplications a step in one PE. What a word holds then must be a power of two of channels.
    pub lanes: u32,
    /// Bits of the sum.
    #[serde(default = "default_accumulator_bits")]
    pub accumulator_bits: u32,
    /// Other parameters of the unit, as `bitmill units` lists them.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub options: BTreeMap<String, String>,
}

fn default_accumulator_bits() -> u32 {
    32
}

/// Shape of the array: output stationary, one output a PE.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Array {
    /// Output pixels at once, and words of an activation line. A power of two.
    pub rows: u32,
    /// PE columns, an output channel each (two if the PE is complex). The channels must fill whole words.
    pub columns: u32,
    /// Farthest that neighbouring positions of an input may lie apart, with nothing between them: the largest stride
    /// of a transposed convolution and factor of a nearest resize. 1 (neither), 2, 4 or 8; the gatherer grows with it.
    #[serde(default = "default_input_dilation")]
    pub input_dilation: u32,
}

fn default_input_dilation() -> u32 {
    1
}

/// Sizes of the on-chip memories.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Scratchpads {
    /// Activations, in KiB.
    pub activations_kib: u32,
    /// Banks of activations for each array row: 1, 2 or 4. With 2 the rows of a convolution of stride 2 read at
    /// once, with 4 those of stride 4; the gatherer grows with them.
    #[serde(default = "default_banks_per_row")]
    pub banks_per_row: u32,
    /// Weights, in KiB: those that are computed on and those that are loaded meanwhile.
    pub weights_kib: u32,
    /// Biases and scales, in KiB: 9 bytes an output channel (10 where sums are wide), loaded as the weights are.
    #[serde(default = "default_parameters_kib")]
    pub parameters_kib: u32,
}

fn default_banks_per_row() -> u32 {
    1
}

fn default_parameters_kib() -> u32 {
    4
}

/// The vector unit: requantizers behind the array.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Vector {
    /// Array rows drained at once, each with as many requantizers as the PE has lanes. A power of two, at
    /// most the rows.
    pub rows: u32,
    /// Roundings that a command may ask for, by name. The first three share one circuit; `single_precision`
    /// takes two more stages.
    #[serde(with = "rounding_names")]
    pub rounding: Roundings,
    /// Whether it adds two activations in one step, as TFLite does, and multiplies them: a pair unit in front
    /// of every requantizer.
    pub elementwise: bool,
    /// Whether results may be added to another tensor, or multiplied by it, before they are written, so that a residual
    /// addition takes no pass of its own: one more pair unit and requantizer behind every requantizer.
    pub residual: bool,
    /// Lookup tables behind the requantizers, 0 to 3: functions of single elements, such as sigmoid and tanh, for
    /// activations of up to 8 bits. With two or more the next is loaded while one is in use.
    pub lookup_tables: u32,
}

impl Default for Vector {
    fn default() -> Vector {
        Vector {
            rows: 1,
            rounding: Roundings::default(),
            elementwise: true,
            residual: false,
            lookup_tables: 0,
        }
    }
}

/// Roundings as a list of their names.
mod rounding_names {
    use serde::de::{Deserialize, Deserializer, Error};
    use serde::ser::Serializer;

    use super::Roundings;

    pub fn serialize<S: Serializer>(roundings: &Roundings, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(roundings.iter().map(|mode| mode.name()))
    }

    pub fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Roundings, D::Error> {
        let names = Vec::<String>::deserialize(deserializer)?;
        Roundings::from_names(names.iter().map(String::as_str)).map_err(D::Error::custom)
    }
}

/// The port to memory and the memory behind it.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct MemoryPort {
    /// Bits of a beat: 32, 64, 128 or 256.
    pub width_bits: u32,
    /// Longest burst of a load or store in beats, 1 to 256. Bursts are cut at 4 KiB boundaries too; a command is
    /// always read in one.
    pub burst_beats: u32,
    /// Bursts that may be read at once, 1 to 16: requests on their way while earlier ones are answered.
    pub outstanding_reads: u32,
    /// Bursts that may be written at once, 1 to 16: the next is sent before the last is confirmed.
    pub outstanding_writes: u32,
    /// Cycles from a read's address to its first beat, and from a write's last beat to its answer; at least 1.
    pub latency_cycles: u32,
    /// Cycles from one beat to the next, at least 1, reads and writes each: a memory slower than the port.
    pub beat_interval_cycles: u32,
}

impl Default for MemoryPort {
    fn default() -> MemoryPort {
        MemoryPort {
            width_bits: 64,
            burst_beats: 16,
            outstanding_reads: 4,
            outstanding_writes: 2,
            latency_cycles: 20,
            beat_interval_cycles: 1,
        }
    }
}

/// Why a configuration is not legal.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum ConfigurationError {
    /// The YAML is malformed: unknown key, wrong type, duplicate key.
    #[error("{0}")]
    Yaml(String),
    /// A value is out of its range or does not fit another.
    #[error("{key}: {value} is not legal: {legal}")]
    IllegalValue {
        /// Path of the key, such as `array.rows`.
        key: &'static str,
        /// What was given.
        value: String,
        /// What would be legal.
        legal: String,
    },
    /// The unit that a section of the file describes refused a value.
    #[error("{section}: {source}")]
    Section {
        /// The section.
        section: &'static str,
        /// What is not legal, and what would be.
        source: bitmill_units::UnitError,
    },
    /// A unit refused its parameters.
    #[error(transparent)]
    Unit(#[from] bitmill_units::UnitError),
}

impl Configuration {
    /// Reads a configuration.
    ///
    /// # Errors
    /// [`ConfigurationError::Yaml`] with the line, a caret and what was expected. Values are checked by
    /// [`crate::Accelerator::new`].
    pub fn from_yaml(text: &str) -> Result<Configuration, ConfigurationError> {
        serde_saphyr::from_str(text).map_err(|e| {
            // The printer of errors says `error:` itself.
            let text = e.to_string();
            ConfigurationError::Yaml(text.strip_prefix("error: ").unwrap_or(&text).to_owned())
        })
    }

    /// The configuration with every default spelled out, keys in a fixed order.
    ///
    /// # Errors
    /// Only on our own bugs.
    pub fn to_yaml(&self) -> Result<String, ConfigurationError> {
        serde_saphyr::to_string(self).map_err(|e| ConfigurationError::Yaml(e.to_string()))
    }

    /// Checks each value by itself; what values must be to each other is checked with the geometry.
    pub(crate) fn check(&self) -> Result<(), ConfigurationError> {
        let legal_name = |n: &str| {
            n.starts_with(|c: char| c.is_ascii_lowercase())
                && n.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_')
        };
        if !legal_name(&self.name) {
            return Err(illegal(
                "name",
                &self.name,
                "lower-case letters, digits and underscores, a letter first",
            ));
        }
        range("pe.lanes", self.pe.lanes, 1, 256)?;
        range("pe.accumulator_bits", self.pe.accumulator_bits, 8, 128)?;
        power_of_two("array.rows", self.array.rows, 1, 64)?;
        range("array.columns", self.array.columns, 1, 256)?;
        power_of_two("array.input_dilation", self.array.input_dilation, 1, 8)?;
        power_of_two("vector.rows", self.vector.rows, 1, self.array.rows)?;
        range("vector.lookup_tables", self.vector.lookup_tables, 0, (1 << fields::LOOKUP.shape.width) - 1)?;
        range("scratchpads.activations_kib", self.scratchpads.activations_kib, 1, 4096)?;
        power_of_two("scratchpads.banks_per_row", self.scratchpads.banks_per_row, 1, 4)?;
        range("scratchpads.weights_kib", self.scratchpads.weights_kib, 1, 4096)?;
        range("scratchpads.parameters_kib", self.scratchpads.parameters_kib, 1, 256)?;
        self.nonlinear.as_ref().map_or(Ok(()), Nonlinear::check)?;
        self.deformable.as_ref().map_or(Ok(()), Deformable::check)?;
        power_of_two("memory.width_bits", self.memory.width_bits, 32, 256)?;
        range("memory.burst_beats", self.memory.burst_beats, 1, 256)?;
        range("memory.outstanding_reads", self.memory.outstanding_reads, 1, 16)?;
        range("memory.outstanding_writes", self.memory.outstanding_writes, 1, 16)?;
        range("memory.latency_cycles", self.memory.latency_cycles, 1, 1000)?;
        range("memory.beat_interval_cycles", self.memory.beat_interval_cycles, 1, 64)?;
        range("clock_mhz", self.clock_mhz, 1, 5000)
    }
}

pub(crate) fn illegal(
    key: &'static str,
    value: impl ToString,
    legal: impl Into<String>,
) -> ConfigurationError {
    ConfigurationError::IllegalValue { key, value: value.to_string(), legal: legal.into() }
}

/// The error of a unit, as one of the section that describes it.
pub(crate) fn in_section(section: &'static str, error: bitmill_units::UnitError) -> ConfigurationError {
    ConfigurationError::Section { section, source: error }
}

fn range(key: &'static str, value: u32, low: u32, high: u32) -> Result<(), ConfigurationError> {
    if (low..=high).contains(&value) {
        return Ok(());
    }
    Err(illegal(key, value, format!("{low} to {high} are legal")))
}

fn power_of_two(key: &'static str, value: u32, low: u32, high: u32) -> Result<(), ConfigurationError> {
    range(key, value, low, high)?;
    if value.is_power_of_two() {
        return Ok(());
    }
    Err(illegal(key, value, format!("a power of two from {low} to {high} is needed")))
}
