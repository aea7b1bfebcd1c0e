//! Parameters that make a network round as onnxruntime's integer kernels do.
//!
//! Convolutions, fully connected layers and means: `rint(float(accumulator) · scale)`, the scale computed in single
//! precision in the kernels' order. An addition is real arithmetic there, `rint(a · s_a/s_y + b · s_b/s_y + z)`; here
//! both inputs get 20 bits of fraction, which is exact but for sums within about 2^-19 of a half.

use bitmill_formats::{Multiplier, Requantization, requantize};

use super::QuantizedNetwork;
use crate::ModelError;
use crate::network::Operation;

impl QuantizedNetwork {
    /// The same network with onnxruntime's rounding. `weight_scales` are those of each layer that has weights.
    ///
    /// # Errors
    /// When a scale lies outside what single-precision requantization takes.
    pub(crate) fn in_single_precision(
        mut self,
        weight_scales: &[Option<Vec<f64>>],
    ) -> Result<Self, ModelError> {
        for (index, scales) in weight_scales.iter().enumerate() {
            let layer = self.graph.layers()[index].clone();
            let output = self.quantization(layer.output).scale as f32;
            let inputs: Vec<f32> =
                layer.inputs.iter().map(|&id| self.quantization(id).scale as f32).collect();
            let channels = self.layers[index].multipliers.len();
            let illegal = |problem: String| ModelError::layer(&layer.name, problem);
            let single = |scale: f32| Multiplier::from_single(scale).map_err(illegal);
            let multipliers = match (layer.operation, scales) {
                (Operation::Add, _) => {
                    let step = 2.0 * f64::from(inputs[0].max(inputs[1]));
                    let side = |input: f32| Multiplier::nearest(f64::from(input) / step).map_err(illegal);
                    let fraction = f64::from(1u32 << requantize::ADDITION_SHIFT);
                    let factor =
                        Multiplier::nearest(step / (fraction * f64::from(output))).map_err(illegal)?;
                    let parameters = &mut self.layers[index];
                    parameters.input_multipliers = vec![side(inputs[0])?, side(inputs[1])?];
                    parameters.weights.clear();
                    parameters.bias.fill(0);
                    parameters.multipliers = vec![factor; channels];
                    continue;
                }
                (Operation::AveragePool { window }, _) => {
                    vec![single(inputs[0] / (output * window.kernel.area() as f32))?; channels]
                }
                (Operation::Multiply | Operation::MatrixMultiply { .. }, _) => {
                    vec![single(inputs[0] * inputs[1] / output)?; channels]
                }
                (_, Some(scales)) if scales.len() == channels => {
                    let factor = |&scale: &f64| single(inputs[0] * scale as f32 / output);
                    scales.iter().map(factor).collect::<Result<_, _>>()?
                }
                // Layers that hand integers on, and those that import added.
                _ => continue,
            };
            let parameters = &mut self.layers[index];
            parameters.multipliers = multipliers;
            parameters.requantization = Requantization::SinglePrecision;
        }
        Self::new(self.graph, self.quantizations, self.layers)
    }
}
