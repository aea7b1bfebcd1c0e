//! The network that makes colours of samples, as a row of 1 × 1 convolutions: a position is a sample.
//!
//! Nothing but sums stands between the basis and the first layer, so that one matrix does for both. Inputs are the integers
//! that the engine makes, scale 1 and zero point 0, and the first layer's weights carry their units. The sigmoid is looked up, and its
//! table gives colours of 8 bits: −128 is 0, 127 is 1.

use bitmill_formats::radiance_field::AXES;

use super::Scene;
use crate::ModelError;
use crate::float::{FloatLayer, FloatNetwork};
use crate::network::{Function, Network, Operation, Tensor, TensorId};
use crate::ptq::{PtqConfig, quantize};
use crate::quantized::{ActivationFormat, Quantization, QuantizedNetwork};
use crate::shape::{Shape, Window};

/// What is needed to make the network.
pub(super) struct ColourNetwork<'s> {
    /// Whose network.
    pub scene: &'s Scene,
    /// Real value of 1 in a channel that is a product.
    pub unit: f64,
    /// Real value of 1 in a channel of the direction.
    pub direction_unit: f64,
    /// Samples at once.
    pub batch: usize,
}

/// Colour 0 as an int8.
pub(super) const BLACK: i32 = -128;

impl ColourNetwork<'_> {
    /// The network in real numbers, on the engine's integers.
    fn real(&self) -> Result<FloatNetwork, ModelError> {
        let columns = AXES * self.scene.appearance.components;
        let channels = columns + self.scene.direction_channels();
        let input = Tensor { name: "samples".to_owned(), shape: Shape::new(1, self.batch, channels) };
        let mut graph = Network::new("colours", input)?;
        let (mut layers, mut last) = (Vec::new(), TensorId::INPUT);
        for (index, layer) in self.scene.layers.iter().enumerate() {
            let out_channels = layer.bias.len();
            let operation = Operation::Convolution { window: Window::square(1), out_channels, groups: 1 };
            last = graph.push(format!("layer_{index}"), operation, vec![last])?;
            let weights = if index == 0 { self.first_weights(columns) } else { layer.weights.clone() };
            let real = FloatLayer::weighted(weights, layer.bias.clone());
            let is_last = index + 1 == self.scene.layers.len();
            layers.push(if is_last { real } else { real.clamped(0.0, f32::INFINITY) });
        }
        graph.push("colour", Operation::Lookup { function: Function::Sigmoid }, vec![last])?;
        layers.push(FloatLayer::plain());
        FloatNetwork::new(graph, layers)
    }

    /// The first layer times the basis, in the units of the inputs.
    fn first_weights(&self, columns: usize) -> Vec<f32> {
        let Scene { layers, basis, .. } = self.scene;
        let features = basis.len() / columns;
        let rows = layers[0].weights.chunks(features + self.scene.direction_channels());
        rows.flat_map(|row| {
            let (of_features, of_direction) = row.split_at(features);
            let of_product = move |column: usize| {
                let sum: f64 = (0..features)
                    .map(|feature| {
                        f64::from(of_features[feature]) * f64::from(basis[feature * columns + column])
                    })
                    .sum();
                (sum * self.unit) as f32
            };
            let of_direction =
                of_direction.iter().map(|weight| (f64::from(*weight) * self.direction_unit) as f32);
            (0..columns).map(of_product).chain(of_direction)
        })
        .collect()
    }

    /// The network in integers, calibrated on `samples`.
    pub fn quantized(&self, samples: &[Vec<i8>], config: &PtqConfig) -> Result<QuantizedNetwork, ModelError> {
        let int8 = ActivationFormat::signed(8).map_err(ModelError::Input)?;
        if config.activations != int8 {
            return Err(ModelError::Input(format!(
                "samples and colours have 8 bits: precision.activations must be int8, found {}",
                config.activations.name()
            )));
        }
        let real = self.real()?;
        let network = quantize(&real, &self.calibration(samples), config)?;
        with_colours(&network)
    }

    /// Inputs that hold `samples` behind one that has both ends of int8, so that the input is quantized as it is.
    fn calibration(&self, samples: &[Vec<i8>]) -> Vec<Vec<f32>> {
        let channels = AXES * self.scene.appearance.components + self.scene.direction_channels();
        let length = self.batch * channels;
        let mut values = vec![0.0; channels];
        values[0] = f32::from(i8::MIN);
        values[1] = f32::from(i8::MAX);
        let given = samples.iter().take(MOST_CALIBRATION_SAMPLES).flatten();
        values.extend(given.map(|value| f32::from(*value)));
        values.resize(values.len().next_multiple_of(length), 0.0);
        values.chunks(length).map(<[f32]>::to_vec).collect()
    }
}

/// Samples that are enough to calibrate on.
const MOST_CALIBRATION_SAMPLES: usize = 1 << 13;

/// The network with a table that gives colours.
fn with_colours(network: &QuantizedNetwork) -> Result<QuantizedNetwork, ModelError> {
    let graph = network.graph();
    let mut quantizations: Vec<Quantization> = graph
        .tensors()
        .iter()
        .enumerate()
        .map(|(index, _)| network.quantization(TensorId::at(index)))
        .collect();
    let mut layers = network.layers().to_vec();
    let (Some(last), Some(output)) = (layers.last_mut(), quantizations.last_mut()) else {
        unreachable!("a network of a lookup at least");
    };
    *output = Quantization::signed(8, 1.0 / 255.0, BLACK).map_err(ModelError::Input)?;
    let before = network.quantization(graph.layers()[graph.layers().len() - 1].inputs[0]);
    let colour = |code: i32| output.quantize(Function::Sigmoid.at(before.dequantize(code))) as i16;
    last.weights = (before.min()..=before.max()).map(colour).collect();
    QuantizedNetwork::new(graph.clone(), quantizations, layers)
}
