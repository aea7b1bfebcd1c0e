//! How the weights of a matrix are rounded: a format, the choice of ranges, and methods that are composed.
//!
//! The order is fixed: channels are reordered, then rotated; some of the weights go; those that stay are rounded, salient
//! channels by themselves, or cut from a master. Scales are single-precision numbers.

use super::master;
use super::moments::InputMoments;
use super::reordering::by_magnitude;
use super::salient::{self, Salient};
use super::sparsity::{Sparsity, compensate};
use super::transform::InputTransform;
use super::{Clipping, Rotation, WeightScales, worth};
use crate::ModelError;
use crate::network::Operation;
use crate::quantized::{QuantizedWeights, WeightFormat};

/// What is done to weights besides rounding them to the nearest: by default nothing.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct WeightMethods {
    /// Whether input channels are sorted by the magnitude of their weights.
    pub reorders: bool,
    /// Whether input channels are rotated, and in which groups.
    pub rotation: Option<Rotation>,
    /// How many of how many neighbouring weights stay.
    pub sparsity: Option<Sparsity>,
    /// Whether the weights that stay make up for the others, where inputs to measure on are at hand.
    pub compensates: bool,
    /// Whether weights are slices of an int8 master with one scale for all widths.
    pub slices_master: bool,
    /// Channels with a format of their own.
    pub salient: Option<Salient>,
}

/// A format, the choice of ranges, and methods.
#[derive(Debug, Clone, PartialEq)]
pub struct MatrixRecipe {
    /// Format of the weights.
    pub format: WeightFormat,
    /// Choice of the range, for each output.
    pub clipping: Clipping,
    /// What else is done.
    pub methods: WeightMethods,
}

/// What the weights of a matrix are worth once rounded, and what it does to the channels that it reads.
#[derive(Debug, Clone, PartialEq)]
pub struct RoundedMatrix {
    /// In the order of the real weights.
    pub elements: Vec<f32>,
    /// How channels come to the matrix.
    pub transform: InputTransform,
}

impl From<Vec<f32>> for RoundedMatrix {
    fn from(elements: Vec<f32>) -> RoundedMatrix {
        RoundedMatrix { elements, transform: InputTransform::default() }
    }
}

impl RoundedMatrix {
    /// Weights that make the same of channels as they come: rows of any number of taps of `channels`.
    pub fn folded(mut self, channels: usize) -> Vec<f32> {
        if !self.transform.is_none() {
            self.elements.chunks_exact_mut(channels).for_each(|tap| self.transform.undo(tap));
        }
        self.elements
    }
}

impl WeightMethods {
    /// Whether they look at what the matrix reads.
    pub fn needs_inputs(&self) -> bool {
        self.salient.is_some() || (self.compensates && self.sparsity.is_some())
    }

    /// Whether they ask for channels that all outputs read.
    pub(super) fn mixes_channels(&self) -> bool {
        self.reorders || self.rotation.is_some() || self.needs_inputs()
    }

    /// In words, which methods networks of integers have no layers for.
    pub(super) fn check_integers(&self) -> Result<(), String> {
        if self.rotation.is_some() {
            return Err(
                "rotation needs activations that are rotated on line, and networks of integers have no such \
                        layer; `bitmill accuracy` measures it"
                    .to_owned(),
            );
        }
        match self.salient {
            Some(_) => Err(
                "salient channels need two formats in one layer, and layers of networks of integers have \
                            one; `bitmill accuracy` measures them"
                    .to_owned(),
            ),
            None => Ok(()),
        }
    }

    /// In words, which methods have no meaning with weights in `format`.
    pub(super) fn check(&self, format: &WeightFormat) -> Result<(), String> {
        if let Some(salient) = &self.salient {
            salient.check()?;
        }
        let formats = || std::iter::once(format).chain(self.salient.iter().map(|salient| &salient.format));
        if let Some(sparsity) = self.sparsity {
            let lacks_zero = |format: &&WeightFormat| format.value(format.nearest(0.0)).to_f64() != 0.0;
            if let Some(bad) = formats().find(lacks_zero) {
                return Err(format!("sparsity {sparsity} needs a format with a zero, found {bad}"));
            }
            if let Some(bad) = formats().find(|format| format.to_string() == bitmill_formats::Sherry::NAME) {
                return Err(format!(
                    "weights in {bad} are 3:4 sparse by themselves; leave out sparsity {sparsity}"
                ));
            }
        }
        if self.slices_master { master::check(format) } else { Ok(()) }
    }

    /// Rounded weights, without methods that change what is rounded. The arguments are those of [`Clipping::weights`].
    pub(super) fn integers(
        &self,
        clipping: Clipping,
        operation: &Operation,
        real: &[f32],
        channels: [usize; 2],
        format: &WeightFormat,
        scales: WeightScales,
    ) -> Result<QuantizedWeights, String> {
        match self.slices_master {
            true => master::sliced(clipping, operation, real, channels, format, scales),
            false => clipping.weights(operation, real, channels, format, scales),
        }
    }
}

impl MatrixRecipe {
    /// Rounds to the nearest, and no more.
    pub fn new(format: WeightFormat, clipping: Clipping) -> MatrixRecipe {
        MatrixRecipe { format, clipping, methods: WeightMethods::default() }
    }

    /// In words, what is wrong with it.
    pub(super) fn check(&self) -> Result<(), String> {
        self.clipping.check()?;
        self.methods.check(&self.format)
    }

    /// Rounds the weights of `[outputs][taps][channels]`, for any number of taps. `inputs` is what the channels hold.
    ///
    /// # Errors
    /// A setting out of range, a format that real weights cannot be rounded to, methods that do not go together, or ones
    /// that need `inputs` where there are none.
    pub fn round(
        &self,
        real: &[f32],
        [outputs, channels]: [usize; 2],
        inputs: Option<&InputMoments>,
    ) -> Result<RoundedMatrix, ModelError> {
        self.round_in_words(real, [outputs, channels], inputs).map_err(ModelError::Input)
    }

    /// [`MatrixRecipe::round`], with what is wrong in words.
    pub(super) fn round_in_words(
        &self,
        real: &[f32],
        [outputs, channels]: [usize; 2],
        inputs: Option<&InputMoments>,
    ) -> Result<RoundedMatrix, String> {
        self.check()?;
        let WeightMethods { reorders, rotation, sparsity, compensates, ref salient, .. } = self.methods;
        let order = if reorders { by_magnitude(real, channels) } else { Vec::new() };
        let transform = InputTransform::new(order, rotation);
        let moments = match inputs.filter(|_| self.methods.needs_inputs()) {
            Some(inputs) => Some(transform.of_moments(&inputs.means(), channels)),
            None if self.methods.needs_inputs() => {
                return Err(
                    "salient channels and compensation are measured on calibration inputs; none are given"
                        .to_owned(),
                );
            }
            None => None,
        };
        let mut weights = real.to_vec();
        if !transform.is_none() {
            weights.chunks_exact_mut(channels).for_each(|tap| transform.apply(tap));
        }
        let stay = sparsity.map(|sparsity| sparsity.mask(&weights, channels));
        if let Some(stay) = &stay {
            let rows = weights.len() / outputs.max(1);
            for (row, stay) in weights.chunks_mut(rows.max(1)).zip(stay.chunks(rows.max(1))) {
                match &moments {
                    // Moments tell of the channels of one position.
                    Some(moments) if compensates && rows == channels => compensate(row, stay, moments),
                    _ => row.iter_mut().zip(stay).filter(|(_, stays)| !**stays).for_each(|(w, _)| *w = 0.0),
                }
            }
        }
        let operation = Operation::FullyConnected { out_features: outputs };
        let round = |weights: &[f32], channels: usize, format: &WeightFormat| {
            let sizes = [outputs, channels];
            let scales = WeightScales::PerChannel;
            let integers = self.methods.integers(self.clipping, &operation, weights, sizes, format, scales);
            integers.map(|integers| worth(&operation, &integers))
        };
        let elements = match (salient, &moments) {
            (Some(salient), Some(moments)) => {
                let mask = salient.mask(moments, channels);
                salient::rounded(&weights, &mask, |part, width, is_salient| match is_salient {
                    true => {
                        let scales = WeightScales::PerChannel;
                        let sizes = [outputs, width];
                        let own = self.clipping.weights(&operation, part, sizes, &salient.format, scales);
                        own.map(|integers| worth(&operation, &integers))
                    }
                    false => round(part, width, &self.format),
                })?
            }
            _ => round(&weights, channels, &self.format)?,
        };
        Ok(RoundedMatrix { elements, transform })
    }
}
