//! Why a network cannot run on an accelerator.

use bitmill_accelerator::CommandError;
use bitmill_formats::Multiplication;
use bitmill_model::ModelError;

/// A network that does not fit an accelerator.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum SimulationError {
    /// A tensor's or a layer's format is not the accelerator's.
    #[error("layer {layer}: {what} is in {found}, the accelerator takes {legal}")]
    Format {
        /// The layer.
        layer: String,
        /// What does not fit.
        what: &'static str,
        /// Its format.
        found: String,
        /// Formats that are legal.
        legal: String,
    },
    /// The hardware does not have what a layer asks for.
    #[error("layer {layer}: the accelerator has no {what}")]
    Unsupported {
        /// The layer.
        layer: String,
        /// What it asks for.
        what: String,
    },
    /// A layer multiplies otherwise than the processing elements do.
    #[error("layer {layer}: its products are {found}, those of the accelerator {legal}")]
    Multiplication {
        /// The layer.
        layer: String,
        /// How it multiplies.
        found: Multiplication,
        /// How the processing elements do.
        legal: Multiplication,
    },
    /// The sums of a layer are too wide for the accelerator's accumulators.
    #[error(
        "layer {layer}: its sums have {found} bits, the accelerator has {legal}: raise pe.accumulator_bits"
    )]
    Sum {
        /// The layer.
        layer: String,
        /// Bits of its sums.
        found: u32,
        /// Bits there are.
        legal: u32,
    },
    /// No weight word stands for some weights.
    #[error("layer {layer}: output channel {channel}, {what}")]
    Weights {
        /// The layer.
        layer: String,
        /// The output channel.
        channel: usize,
        /// What does not fit, and what would.
        what: String,
    },
    /// The activations that are alive during a layer do not fit.
    #[error(
        "layer {layer}: its tensors need {needed_bytes} bytes of activations at once, the scratchpad has \
         {available_bytes}: raise scratchpads.activations_kib by {missing_kib} KiB"
    )]
    Activations {
        /// The layer.
        layer: String,
        /// Bytes needed, layout included.
        needed_bytes: u64,
        /// Bytes there are.
        available_bytes: u64,
        /// KiB lacking.
        missing_kib: u64,
    },
    /// One tile of a layer does not fit a scratchpad.
    #[error(
        "layer {layer}: the {what} of {channels} output channels take {needed_bytes} bytes, the scratchpad has \
         {available_bytes}: raise {key}"
    )]
    Tile {
        /// The layer.
        layer: String,
        /// Weights or parameters.
        what: &'static str,
        /// Output channels of a tile.
        channels: u32,
        /// Bytes needed.
        needed_bytes: u64,
        /// Bytes of the scratchpad.
        available_bytes: u64,
        /// Key of the configuration.
        key: &'static str,
    },
    /// A number of the layer is too large for the command format.
    #[error("layer {layer}: {source}")]
    Command {
        /// The layer.
        layer: String,
        /// The field.
        source: CommandError,
    },
    /// The input is not the network's.
    #[error(transparent)]
    Input(#[from] ModelError),
    /// The program's memory image is larger than a command can address.
    #[error("the program needs {bytes} bytes of memory, commands address 4 GiB")]
    Memory {
        /// Bytes needed.
        bytes: u64,
    },
}
