//! Where the elements of layers without windows come from: what concatenation and resizing move, and which
//! pairs a matrix product of two activations multiplies. Float and integer execution share it.

use crate::network::{Layer, Network, Operation, TensorId};
use crate::shape::Shape;

/// For each output element of a concatenation, a nearest resize or a transposition, in order: the input tensor and the
/// offset in it.
pub(crate) fn moved_elements<'a>(
    graph: &'a Network,
    layer: &'a Layer,
) -> impl Iterator<Item = (TensorId, usize)> + 'a {
    let output = graph.shape(layer.output);
    let factor = match layer.operation {
        Operation::ResizeNearest { factor } => factor,
        _ => crate::Extent::square(1),
    };
    let is_transposed = layer.operation == Operation::Transpose;
    let positions =
        (0..output.height).flat_map(move |row| (0..output.width).map(move |column| (row, column)));
    positions.flat_map(move |(row, column)| {
        layer.inputs.iter().flat_map(move |&input| {
            let shape = graph.shape(input);
            let (start, step, count) = match is_transposed {
                true => (shape.offset(row, 0, column), shape.channels, shape.width),
                false => (shape.offset(row / factor.height, column / factor.width, 0), 1, shape.channels),
            };
            (0..count).map(move |place| (input, start + place * step))
        })
    })
}

/// The products behind a matrix multiplication of two activations.
pub(crate) struct MatrixPairs {
    left: Shape,
    right: Shape,
    output: Shape,
    is_transposed: bool,
}

impl MatrixPairs {
    /// The products of `layer`, which has two inputs.
    pub fn new(graph: &Network, layer: &Layer, is_transposed: bool) -> Self {
        let [left, right] = [0, 1].map(|side| graph.shape(layer.inputs[side]));
        Self { left, right, output: graph.shape(layer.output), is_transposed }
    }

    /// `sum` of the pairs of offsets (left, right) behind each output element, in order.
    pub fn map<T>(&self, sum: impl Fn(&mut dyn Iterator<Item = (usize, usize)>) -> T) -> Vec<T> {
        let Self { left, right, output, is_transposed } = *self;
        let mut sums = Vec::with_capacity(output.elements());
        for batch in 0..output.height {
            for (row, column) in
                (0..output.width).flat_map(|row| (0..output.channels).map(move |column| (row, column)))
            {
                let pair = |inner: usize| {
                    let second = match is_transposed {
                        true => right.offset(batch, column, inner),
                        false => right.offset(batch, inner, column),
                    };
                    (left.offset(batch, row, inner), second)
                };
                sums.push(sum(&mut (0..left.channels).map(pair)));
            }
        }
        sums
    }
}
