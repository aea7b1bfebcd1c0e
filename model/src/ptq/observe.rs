//! What the tensors of a float network hold on calibration inputs.

use crate::ModelError;
use crate::float::{FloatNetwork, FloatRun};

/// Samples kept for each tensor. Enough for a range to settle, few enough to try a hundred ranges on.
const MAX_SAMPLES: usize = 1 << 15;

/// Values seen on the calibration inputs.
pub(super) struct Observations {
    /// Sorted samples of each tensor, its extremes among them.
    samples: Vec<Vec<f32>>,
    /// Mean of each output channel before the clamp, for each layer.
    means: Vec<Vec<f64>>,
}

impl Observations {
    /// Runs `network` on all inputs.
    pub fn new(network: &FloatNetwork, inputs: &[Vec<f32>]) -> Result<Self, ModelError> {
        if inputs.is_empty() {
            return Err(ModelError::Input("quantization needs at least one calibration input".to_owned()));
        }
        let graph = network.graph();
        let mut samples = vec![Vec::new(); graph.tensors().len()];
        let mut extremes = vec![(f32::INFINITY, f32::NEG_INFINITY); graph.tensors().len()];
        let channels = graph.layers().iter().map(|layer| graph.shape(layer.output).channels);
        let mut means: Vec<Vec<f64>> = channels.map(|channels| vec![0.0; channels]).collect();
        for input in inputs {
            let FloatRun { tensors, sums } = network.run_with_sums(input)?;
            for (index, tensor) in tensors.iter().enumerate() {
                // A stride that shares no factor with the usual channel counts visits all channels.
                let stride = (tensor.len() * inputs.len() / MAX_SAMPLES) | 1;
                samples[index].extend(tensor.iter().step_by(stride));
                let (least, most) = &mut extremes[index];
                // Neither a minimum nor a maximum shows what is no number.
                let has_nan = least.is_nan() || tensor.iter().any(|value| value.is_nan());
                *least = if has_nan { f32::NAN } else { tensor.iter().copied().fold(*least, f32::min) };
                *most = tensor.iter().copied().fold(*most, f32::max);
            }
            for (mean, sums) in means.iter_mut().zip(&sums) {
                add_channel_means(mean, sums.iter().map(|&sum| f64::from(sum)), inputs.len());
            }
        }
        for ((samples, (least, most)), tensor) in samples.iter_mut().zip(extremes).zip(graph.tensors()) {
            if !(least.is_finite() && most.is_finite()) {
                let problem = format!("calibration gives values from {least} to {most}; they must be finite");
                return Err(ModelError::layer(&tensor.name, problem));
            }
            samples.extend([least, most]);
            samples.sort_unstable_by(f32::total_cmp);
        }
        Ok(Self { samples, means })
    }

    /// Sorted samples of tensor `index`, never empty.
    pub fn samples(&self, index: usize) -> &[f32] {
        &self.samples[index]
    }

    /// Mean of each output channel of layer `index` before its clamp.
    pub fn means(&self, index: usize) -> &[f64] {
        &self.means[index]
    }
}

/// Adds to `means` the mean of each channel of one of `inputs` tensors, whose channels stand innermost.
pub(super) fn add_channel_means(
    means: &mut [f64],
    values: impl ExactSizeIterator<Item = f64>,
    inputs: usize,
) {
    let channels = means.len();
    let count = (values.len() / channels * inputs) as f64;
    for (index, value) in values.enumerate() {
        means[index % channels] += value / count;
    }
}
