//! Integer parameters from real ones: given every tensor's quantization and every weight tensor's integers,
//! there is one nearest [`QuantizedNetwork`]. Post-training quantization and QDQ import both end here.

use super::thresholds::{self, Channel};
use super::{
    Arithmetic, MAX_BIAS_PLACES, Quantization, QuantizedLayer, QuantizedNetwork, QuantizedWeights,
    WeightFormat, weight_channel,
};
use bitmill_formats::nonlinear::layer_norm_bias;
use bitmill_formats::{Multiplication, Multiplier, Requantization};

use crate::float::{FloatLayer, FloatNetwork};
use crate::network::{Layer, Operation, TensorId};
use crate::{ModelError, Network};

/// Largest factor of an addition: the widest positive 8-bit weight.
const MAX_FACTOR: i16 = 127;

impl QuantizedNetwork {
    /// The quantized network nearest to `float`, with one quantization a tensor, and integer weights for
    /// each layer that has weights (`None` for pooling and addition).
    ///
    /// # Errors
    /// When a number lies outside its width, which includes a bias beyond 32 bits and a max pool whose
    /// output has another quantization than its input.
    pub fn from_float(
        float: &FloatNetwork,
        quantizations: Vec<Quantization>,
        weights: Vec<Option<QuantizedWeights>>,
    ) -> Result<Self, ModelError> {
        let graph = float.graph();
        if quantizations.len() != graph.tensors().len() || weights.len() != graph.layers().len() {
            return Err(ModelError::Input(format!(
                "a graph of {} tensors and {} layers needs as many quantizations and weights, found {} and {}",
                graph.tensors().len(),
                graph.layers().len(),
                quantizations.len(),
                weights.len()
            )));
        }
        let build = |((layer, real), weights): ((&Layer, &FloatLayer), &Option<QuantizedWeights>)| {
            let inputs = layer.inputs.iter().map(|id| quantizations[id.index()]).collect();
            let context = Context { graph, layer, inputs, output: quantizations[layer.output.index()] };
            context.layer(real, weights.as_ref()).map_err(|problem| ModelError::layer(&layer.name, problem))
        };
        let layers = float.pairs().zip(&weights).map(build).collect::<Result<_, _>>()?;
        Self::new(graph.clone(), quantizations, layers)
    }
}

impl QuantizedNetwork {
    /// Moves every step of layers with few output levels to where the real network has it, and tensors that are
    /// `bipolar` to −1 and 1. Layers whose steps cannot all be placed stay as they are.
    ///
    /// # Errors
    /// When a bipolar tensor cannot be made, or sums leave their width.
    pub(crate) fn keep_steps(
        &mut self,
        float: &FloatNetwork,
        weights: &[Option<QuantizedWeights>],
        bipolar: &[TensorId],
    ) -> Result<(), ModelError> {
        for index in 0..self.layers.len() {
            let layer = &self.graph.layers()[index];
            let (input, output) = (self.quantization(layer.inputs[0]), self.quantization(layer.output));
            let is_bipolar = bipolar.contains(&layer.output);
            let channels = self.graph.shape(layer.output).channels;
            let functions: Vec<Channel> = match &weights[index] {
                Some(weights) => {
                    let mut sums = vec![0i64; channels];
                    for (place, &weight) in weights.integers.iter().enumerate() {
                        let count = weights.integers.len();
                        sums[weight_channel(&layer.operation, place, count, channels)] += i64::from(weight);
                    }
                    let function = |(channel, &sum): (usize, &i64)| Channel {
                        gain: input.scale * weights.scales[channel] / output.scale,
                        shift: f64::from(float.layers()[index].bias[channel]) / output.scale,
                        correction: -i64::from(input.zero_point) * sum,
                    };
                    sums.iter().enumerate().map(function).collect()
                }
                None => match layer.operation {
                    Operation::AveragePool { window } => {
                        let taps = window.kernel.area() as i64;
                        let gain = input.scale / (taps as f64 * output.scale);
                        let correction = -i64::from(input.zero_point) * taps;
                        vec![Channel { gain, shift: 0.0, correction }; channels]
                    }
                    _ => continue,
                },
            };
            let name = layer.name.clone();
            let is_fitted = thresholds::fit(&mut self.layers[index], &functions, output, is_bipolar);
            if is_bipolar && !is_fitted {
                return Err(ModelError::layer(&name, "its sign cannot be computed from its sums"));
            }
            self.shift_bias(index, &vec![0; channels])?;
        }
        Ok(())
    }
}

/// A layer between its quantized tensors.
struct Context<'a> {
    graph: &'a Network,
    layer: &'a Layer,
    inputs: Vec<Quantization>,
    output: Quantization,
}

impl Context<'_> {
    fn layer(&self, real: &FloatLayer, weights: Option<&QuantizedWeights>) -> Result<QuantizedLayer, String> {
        let channels = self.graph.shape(self.layer.output).channels;
        let input = self.inputs[0];
        let clamp = |bound: f32, unbounded: i32| match bound.is_finite() {
            true => self.output.quantize(f64::from(bound)),
            false => unbounded,
        };
        let (low, high) = (clamp(real.low, self.output.min()), clamp(real.high, self.output.max()));
        let lane = |weights: Vec<i16>, bias: i64, multiplier: Multiplier| {
            Ok(QuantizedLayer {
                weight_format: WeightFormat::lane(),
                weights,
                bias: vec![fit_bias(bias)?; channels],
                multipliers: vec![multiplier; channels],
                requantization: Requantization::DyadicHalfUp,
                input_multipliers: Vec::new(),
                arithmetic: Arithmetic::default(),
                offset: self.output.zero_point,
                low,
                high,
            })
        };
        let mut formats = self.inputs.iter().chain([&self.output]).map(|quantization| quantization.format);
        if let Some(format) =
            formats.find(|format| format.block().is_some() && !self.layer.operation.is_matrix())
        {
            let name = self.layer.operation.name();
            return Err(format!("{name} has no meaning in blocks ({format}); matrix layers have"));
        }
        match self.layer.operation {
            Operation::MaxPool { .. } | Operation::Sample { .. } if input != self.output => {
                let name = self.layer.operation.name().replace('_', " ");
                Err(format!("the output of a {name} must have its input's scale and zero point"))
            }
            Operation::MaxPool { .. } | Operation::Sample { .. } => {
                lane(Vec::new(), -i64::from(input.zero_point), Multiplier::ONE)
            }
            Operation::AveragePool { window } => {
                let taps = window.kernel.area();
                let factor = input.scale / (taps as f64 * self.output.scale);
                lane(Vec::new(), -i64::from(input.zero_point) * taps as i64, Multiplier::nearest(factor)?)
            }
            Operation::Add => {
                let other = self.inputs[1];
                let factors = addition_factors(input.scale, other.scale);
                let [left, right] = factors.map(i64::from);
                let bias = -(i64::from(input.zero_point) * left + i64::from(other.zero_point) * right);
                let step = common_step([input.scale, other.scale], factors);
                lane(factors.to_vec(), bias, Multiplier::nearest(step / self.output.scale)?)
            }
            Operation::Multiply | Operation::MatrixMultiply { .. } => {
                let factor = input.scale * self.inputs[1].scale / self.output.scale;
                lane(Vec::new(), 0, Multiplier::nearest(factor)?)
            }
            Operation::ResizeNearest { .. } | Operation::Transpose => lane(
                Vec::new(),
                -i64::from(input.zero_point),
                Multiplier::nearest(input.scale / self.output.scale)?,
            ),
            Operation::Concatenate => {
                let mut joined = lane(Vec::new(), 0, Multiplier::ONE)?;
                let sources = self.layer.inputs.iter().zip(&self.inputs);
                let channels =
                    sources.flat_map(|(&id, source)| (0..self.graph.shape(id).channels).map(move |_| source));
                for (channel, source) in channels.enumerate() {
                    joined.bias[channel] = -source.zero_point;
                    joined.multipliers[channel] = Multiplier::nearest(source.scale / self.output.scale)?;
                }
                Ok(joined)
            }
            Operation::Lookup { function } => {
                let entry = |integer| self.output.quantize(function.at(input.dequantize(integer))) as i16;
                let table = (input.min()..=input.max()).map(entry).collect();
                let plain = lane(table, 0, Multiplier::ONE)?;
                Ok(QuantizedLayer {
                    weight_format: WeightFormat::signed(self.output.bits() as u8)?,
                    offset: 0,
                    ..plain
                })
            }
            Operation::Row { operator } => {
                let unit = operator.result_scale(input.scale, channels) / self.output.scale;
                let mut row = lane(Vec::new(), 0, Multiplier::nearest(unit)?)?;
                for (channel, (&gamma, &beta)) in real.weights.iter().zip(&real.bias).enumerate() {
                    if gamma <= 0.0 {
                        return Err(format!("γ must be positive, found {gamma} in channel {channel}"));
                    }
                    let ratio = f64::from(beta) / f64::from(gamma);
                    row.bias[channel] = fit_bias(layer_norm_bias(ratio, channels))?;
                    row.multipliers[channel] = Multiplier::nearest(f64::from(gamma) * unit)?;
                }
                Ok(row)
            }
            Operation::Convolution { .. }
            | Operation::Depthwise { .. }
            | Operation::FullyConnected { .. } => {
                let weights = weights.ok_or("has no integer weights")?;
                let (bias, bias_places, multipliers) = self.affine(real, weights, channels)?;
                let (integers, weight_format) = (weights.integers.clone(), weights.format.clone());
                let multiplication = weights.multiplication;
                Ok(QuantizedLayer {
                    weight_format,
                    weights: integers,
                    bias,
                    multipliers,
                    requantization: Requantization::DyadicHalfUp,
                    input_multipliers: Vec::new(),
                    arithmetic: Arithmetic { multiplication, bias_places },
                    offset: self.output.zero_point,
                    low,
                    high,
                })
            }
        }
    }

    /// Biases, the places that they stand higher than the sums, and multipliers of a layer with weights, one bias
    /// and one multiplier for each output channel.
    fn affine(
        &self,
        real: &FloatLayer,
        weights: &QuantizedWeights,
        channels: usize,
    ) -> Result<(Vec<i32>, u8, Vec<Multiplier>), String> {
        let count = weights.integers.len();
        if weights.scales.len() != channels || count != real.weights.len() {
            return Err(format!(
                "needs {} integer weights and {channels} scales, found {count} and {}",
                real.weights.len(),
                weights.scales.len()
            ));
        }
        if let Some(bad) = weights.scales.iter().find(|scale| !scale.is_finite() || **scale <= 0.0) {
            return Err(format!("weight scales must be finite and positive, found {bad}"));
        }
        let (corrections, unit) = self.corrections(weights, channels)?;
        let input = self.inputs[0];
        let channel = |(channel, &correction): (usize, &i128)| {
            let step = input.scale * weights.scales[channel];
            // A float converts to the nearest integer, saturating: far beyond 32 bits it is refused below.
            let bias = (f64::from(real.bias[channel]) / step / unit).round_ties_even() as i128;
            Ok((bias.saturating_sub(correction), Multiplier::nearest(step / self.output.scale)?))
        };
        let channels = corrections.iter().enumerate().map(channel);
        let (bias, multipliers): (Vec<i128>, Vec<_>) =
            channels.collect::<Result<Vec<_>, String>>()?.into_iter().unzip();
        let (bias, bias_places) = fit_biases(&bias, unit != 1.0)?;
        Ok((bias, bias_places, multipliers))
    }

    /// What the zero point adds to the sums of each output channel, and what 1 in a sum stands for, in units of
    /// input and weight.
    fn corrections(&self, weights: &QuantizedWeights, channels: usize) -> Result<(Vec<i128>, f64), String> {
        let input = self.inputs[0];
        let QuantizedWeights { integers, format, multiplication, .. } = weights;
        let is_wide =
            input.format.float().is_some() || format.is_ordered() || *multiplication != Multiplication::EXACT;
        let lsb = multiplication.lsb_exponent(input.format.lsb_exponent(), format.format().lsb_exponent());
        let zero_point = input.value(input.zero_point);
        let mut sums = vec![0; channels];
        for (index, &weight) in integers.iter().enumerate() {
            let product = match is_wide {
                false => i128::from(input.zero_point) * i128::from(weight),
                true => multiplication
                    .units(&zero_point, &format.value(weight), lsb)
                    .ok_or("its products do not fit 128 bits")?,
            };
            sums[weight_channel(&self.layer.operation, index, integers.len(), channels)] += product;
        }
        let unit = if is_wide { 2f64.powi(lsb - format.unit_exponent()) } else { 1.0 };
        Ok((sums, unit))
    }
}

/// Biases in 32 bits. Where sums are wide, they stand as much higher as they need.
fn fit_biases(biases: &[i128], is_wide: bool) -> Result<(Vec<i32>, u8), String> {
    let most = biases.iter().map(|bias| bias.unsigned_abs()).max().unwrap_or(0);
    let places = (u128::BITS - most.leading_zeros()).saturating_sub(30);
    if places == 0 || !is_wide {
        let narrow = biases.iter().map(|&bias| fit_bias(i64::try_from(bias).unwrap_or(i64::MAX)));
        return Ok((narrow.collect::<Result<_, _>>()?, 0));
    }
    if places > MAX_BIAS_PLACES.into() {
        return Err(format!(
            "biases stand up to {places} places above the last place of a product, up to {MAX_BIAS_PLACES} are legal: cut \
             the products' last places, as a processing element for such a format does"
        ));
    }
    let rounded = |&bias: &i128| ((bias + (1 << (places - 1))) >> places) as i32;
    Ok((biases.iter().map(rounded).collect(), places as u8))
}

fn fit_bias(bias: i64) -> Result<i32, String> {
    i32::try_from(bias)
        .map_err(|_| format!("bias {bias} does not fit 32 bits; use narrower weights or activations"))
}

/// The two 8-bit factors whose ratio is nearest to that of the scales `left` / `right`, relatively. Among
/// equally good pairs the larger one wins: it leaves less to the requantizer's rounding.
fn addition_factors(left: f64, right: f64) -> [i16; 2] {
    let (small, large) = (left.min(right), left.max(right));
    let mut best = (f64::INFINITY, 1, 0);
    for high in (1..=MAX_FACTOR).rev() {
        let low = (f64::from(high) * small / large).round();
        let error = (low / f64::from(high) / (small / large) - 1.0).abs();
        if error < best.0 {
            best = (error, high, low as i16);
        }
    }
    let (_, high, low) = best;
    if left >= right { [high, low] } else { [low, high] }
}

/// The real value of one accumulator unit that serves both inputs best: least squares of
/// `step · factor ≈ scale` over the two.
fn common_step(scales: [f64; 2], factors: [i16; 2]) -> f64 {
    let [a, b] = factors.map(f64::from);
    (scales[0] * a + scales[1] * b) / (a * a + b * b)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addition_factors_keep_the_ratio_of_the_scales() {
        assert_eq!(addition_factors(0.5, 0.5), [127, 127]);
        assert_eq!(addition_factors(0.02, 0.01), [126, 63]);
        assert_eq!(addition_factors(0.01, 0.03), [42, 126]);
        // One input so fine that it does not count beside the other.
        assert_eq!(addition_factors(1.0, 1e-6), [127, 0]);
        for (left, right) in [(0.037, 0.021), (1.0, 0.0101), (0.3, 0.299)] {
            let [a, b] = addition_factors(left, right).map(f64::from);
            let half_step = 0.5 / 127.0 / (right / left);
            assert!((b / a / (right / left) - 1.0).abs() <= half_step, "{left} {right}: {a} {b}");
        }
    }
}
