//! Sums over blocks of channels: exact within a block, cut where blocks meet.
//!
//! The blocks of a window are those of each tap: the channels, as many as a block has, and what is left of them.

use bitmill_formats::{BlockSums, Value};

use super::execute::Input;
use super::{QuantizedLayer, QuantizedNetwork};
use crate::network::{Layer, Operation};
use crate::shape::{Shape, Window};

/// A number as `significand · 2^exponent`.
#[derive(Clone, Copy)]
struct Number {
    significand: i64,
    exponent: i32,
}

impl Number {
    /// A bf16 number.
    fn new(value: &Value) -> Number {
        let Some(x) = value.finite().filter(|x| !x.is_zero()) else {
            return Number { significand: 0, exponent: 0 };
        };
        let magnitude = x.significand() as i64;
        Number { significand: if x.is_negative() { -magnitude } else { magnitude }, exponent: x.exponent() }
    }
}

/// ⌊Σ a·w / 2^`lsb_exponent`⌋. Products of a block lie within 128 bits: a processing element sums them exactly.
fn block_sum(activations: &[Number], weights: &[Number], lsb_exponent: i32) -> i128 {
    let products = || {
        let pairs = activations.iter().zip(weights);
        let product = |(a, w): (&Number, &Number)| (a.significand * w.significand, a.exponent + w.exponent);
        pairs.map(product).filter(|(significand, _)| *significand != 0)
    };
    let Some(lowest) = products().map(|(_, exponent)| exponent).min() else { return 0 };
    let sum: i128 =
        products().map(|(significand, exponent)| i128::from(significand) << (exponent - lowest)).sum();
    let down = lsb_exponent - lowest;
    if down >= 0 { sum >> down.min(127) } else { sum << -down }
}

impl QuantizedNetwork {
    /// In words, what blocks do not allow.
    pub(super) fn block_problem(&self, layer: &Layer, parameters: &QuantizedLayer) -> Option<String> {
        let formats = |id| self.quantization(id).format;
        let inputs = layer.inputs.iter().map(|&id| formats(id));
        let has_blocks = inputs.chain([formats(layer.output)]).any(|format| format.block().is_some())
            || parameters.weight_format.block().is_some();
        let blocks = parameters.arithmetic.multiplication.blocks;
        if !has_blocks {
            return blocks.map(|_| "sums of blocks need activations in blocks".to_owned());
        }
        let input = formats(layer.inputs[0]);
        let weight = &parameters.weight_format;
        match layer.operation {
            Operation::Convolution { groups: 1, .. } | Operation::FullyConnected { .. } => {
                let sizes = [input.block(), weight.block()].map(|block| block.map(|block| block.size()));
                (sizes != [blocks.map(|blocks| blocks.size); 2] || blocks.is_none()).then(|| {
                    format!("activations and weights need blocks of the size that sums have, found {input} and {weight}")
                })
            }
            Operation::Convolution { groups, .. } => Some(format!(
                "a convolution of {groups} groups has no blocks across channels; 1 group is legal"
            )),
            operation => Some(format!("{} has no meaning in blocks; matrix layers have", operation.name())),
        }
    }

    /// Bits of the sums of a layer over blocks, bias included.
    pub(super) fn block_accumulator_bits(&self, index: usize, blocks: BlockSums) -> u32 {
        let (layer, parameters) = (&self.graph().layers()[index], &self.layers()[index]);
        let quantization = self.quantization(layer.inputs[0]);
        let largest = quantization.value(quantization.max()).to_f64();
        let unit = 2f64.powi(blocks.lsb_exponent);
        let weights = self.weight_values(index);
        let row = weights.len() / parameters.bias.len().max(1);
        let terms = row.div_ceil(blocks.size as usize) as f64
            + layer.operation.terms(self.graph().input_shape(layer)) as f64;
        let mut most = 0f64;
        for (weights, &bias) in weights.chunks(row.max(1)).zip(&parameters.bias) {
            // Sums of a few thousand bf16 numbers: far more places than a double rounds away.
            let sum: f64 = weights.iter().map(|weight| weight.to_f64().abs()).sum();
            let bias = f64::from(bias).abs() * 2f64.powi(parameters.arithmetic.bias_places.into());
            most = most.max(sum * largest / unit * (1.0 + 1e-9) + terms + bias);
        }
        if most < 2f64.powi(120) { (most + 1.0).log2().ceil() as u32 + 1 } else { u32::MAX }
    }

    /// Sums of the layer at `index`, without bias, in units of 2^`lsb_exponent`.
    pub(super) fn accumulate_blocks(
        &self,
        index: usize,
        tensors: &[Vec<i32>],
        blocks: BlockSums,
    ) -> Vec<i128> {
        let layer = &self.graph().layers()[index];
        let [source, output] = [layer.inputs[0], layer.output].map(|id| self.graph().shape(id));
        let quantization = self.quantization(layer.inputs[0]);
        let elements: Vec<Number> = tensors[layer.inputs[0].index()]
            .iter()
            .map(|&integer| Number::new(&quantization.value(integer)))
            .collect();
        let weights: Vec<Number> = self.weight_values(index).iter().map(Number::new).collect();
        let padding = Number { significand: 0, exponent: 0 };
        let (window, output) = match layer.operation {
            Operation::Convolution { window, .. } => (window, output),
            _ => (Window::global(source), Shape { height: 1, width: 1, ..output }),
        };
        let input = Input { elements: &elements[..], shape: source, padding, output };
        let (channels, size) = (source.channels, blocks.size as usize);
        let taps = window.kernel.area();
        let mut sums = vec![0; output.elements()];
        for (position, at) in sums.chunks_exact_mut(output.channels).zip(input.positions()) {
            for tap in 0..taps {
                let Some(start) = input.start(&window, at, tap, 0) else { continue };
                let activations = &elements[start..][..channels];
                for (channel, sum) in position.iter_mut().enumerate() {
                    let row = &weights[(channel * taps + tap) * channels..][..channels];
                    let pairs = activations.chunks(size).zip(row.chunks(size));
                    *sum += pairs.map(|(a, w)| block_sum(a, w, blocks.lsb_exponent)).sum::<i128>();
                }
            }
        }
        sums
    }
}
