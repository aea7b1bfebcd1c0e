//! Second moments of what matrices read on calibration inputs: which channels are large, and which go together.

use crate::ModelError;
use crate::float::FloatNetwork;

/// Sums of products of the channels of one position, over positions.
#[derive(Debug, Clone, PartialEq)]
pub struct InputMoments {
    channels: usize,
    count: usize,
    /// Row by row.
    sums: Vec<f64>,
}

/// Positions of a map looked at, about.
const MAX_POSITIONS: usize = 1 << 8;

impl InputMoments {
    /// Of no position yet.
    pub fn new(channels: usize) -> InputMoments {
        InputMoments { channels, count: 0, sums: vec![0.0; channels * channels] }
    }

    /// Adds what one position holds: as many numbers as there are channels.
    pub fn add(&mut self, position: &[f32]) {
        self.count += 1;
        for (row, &a) in self.sums.chunks_exact_mut(self.channels).zip(position) {
            if a != 0.0 {
                row.iter_mut().zip(position).for_each(|(sum, b)| *sum += f64::from(a * b));
            }
        }
    }

    /// Mean products, row by row.
    pub fn means(&self) -> Vec<f64> {
        self.sums.iter().map(|sum| sum / self.count.max(1) as f64).collect()
    }

    /// Of what each layer of `network` reads; empty for layers that are no matrices.
    pub(super) fn of_network(
        network: &FloatNetwork,
        inputs: &[Vec<f32>],
    ) -> Result<Vec<Option<InputMoments>>, ModelError> {
        let graph = network.graph();
        let of_layer = |layer: &crate::Layer| {
            layer.operation.is_matrix().then(|| InputMoments::new(graph.input_shape(layer).channels))
        };
        let mut moments: Vec<_> = graph.layers().iter().map(of_layer).collect();
        for input in inputs {
            let tensors = network.run(input)?;
            for (layer, moments) in graph.layers().iter().zip(&mut moments) {
                let Some(moments) = moments else { continue };
                let read = &tensors[layer.inputs[0].index()];
                // Odd, so that the positions looked at wander over the columns of the map.
                let stride = (read.len() / moments.channels / MAX_POSITIONS) | 1;
                read.chunks_exact(moments.channels)
                    .step_by(stride)
                    .for_each(|position| moments.add(position));
            }
        }
        Ok(moments)
    }
}
