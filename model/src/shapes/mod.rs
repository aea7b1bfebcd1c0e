//! Workloads that are shapes alone, for timing: layers read from SCALE-Sim's topology files, and built-in sets of
//! well-known networks. Each layer stands for itself; repeated ones are counted.

mod layer_sets;
pub mod scale_sim;

use bitmill_formats::Multiplication;

pub use layer_sets::{LAYER_SETS, LayerSet};

use crate::network::{Network, Operation, Tensor, TensorId};
use crate::quantized::{
    ActivationFormat, Arithmetic, Quantization, QuantizedLayer, QuantizedNetwork, WeightFormat,
};
use crate::shape::{Shape, Window};
use crate::{ModelError, Multiplier, Requantization};

/// One layer without numbers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ShapeLayer {
    /// Name, for reports.
    pub name: String,
    /// Shape of the input.
    pub input: Shape,
    /// What is computed.
    pub operation: Operation,
    /// How often the network has it.
    pub repeats: usize,
}

impl ShapeLayer {
    /// A matrix product of `rows` × `inner` by `inner` × `columns`, as a 1×1 convolution over `rows` positions:
    /// the second matrix stands where weights do.
    pub fn matrix(name: impl Into<String>, [rows, inner, columns]: [usize; 3], repeats: usize) -> Self {
        let operation =
            Operation::Convolution { window: Window::square(1), out_channels: columns, groups: 1 };
        Self { name: name.into(), input: Shape::new(1, rows, inner), operation, repeats }
    }

    /// The layer as a network of its own.
    ///
    /// # Errors
    /// When the shapes do not suit the operation.
    pub fn network(&self) -> Result<Network, ModelError> {
        let mut network = Network::new(&self.name, Tensor { name: "input".to_owned(), shape: self.input })?;
        network.push(&self.name, self.operation, vec![TensorId::INPUT])?;
        Ok(network)
    }

    /// The same with weights nearest to zero: enough for its time, which does not depend on numbers. A matrix layer's
    /// products are `multiplication`'s.
    ///
    /// # Errors
    /// As [`ShapeLayer::network`].
    pub fn placeholder(
        &self,
        activation: ActivationFormat,
        weight: WeightFormat,
        multiplication: Multiplication,
    ) -> Result<QuantizedNetwork, ModelError> {
        let graph = self.network()?;
        let multiplication = if self.operation.is_matrix() { multiplication } else { Multiplication::EXACT };
        let channels = graph.shape(graph.output()).channels;
        let quantization = Quantization { format: activation, scale: 1.0, zero_point: 0 };
        let weight_format = if self.operation.is_matrix() { weight } else { WeightFormat::lane() };
        let layer = QuantizedLayer {
            weights: vec![weight_format.nearest(0.0); self.operation.weight_count(self.input)],
            weight_format,
            bias: vec![0; channels],
            multipliers: vec![Multiplier::ONE; channels],
            requantization: Requantization::DyadicHalfUp,
            input_multipliers: Vec::new(),
            arithmetic: Arithmetic { multiplication, bias_places: 0 },
            offset: 0,
            low: quantization.min(),
            high: quantization.max(),
        };
        QuantizedNetwork::new(graph, vec![quantization; 2], vec![layer])
    }

    /// Multiply-accumulates of all repeats.
    ///
    /// # Errors
    /// As [`ShapeLayer::network`].
    pub fn macs(&self) -> Result<u64, ModelError> {
        let network = self.network()?;
        let macs: u64 = network.layers().iter().map(|layer| network.macs(layer)).sum();
        Ok(macs.saturating_mul(self.repeats as u64))
    }
}
