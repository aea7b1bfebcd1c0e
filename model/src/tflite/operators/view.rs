//! Operators that move elements or change what their integers mean: reshape, padding, nearest resize, and
//! quantization at the ends of the network.

use bitmill_formats::{Multiplier, Requantization};

use super::{push_rescaled, whole};
use crate::ModelError;
use crate::float::FloatLayer;
use crate::network::{Operation, TensorId};
use crate::quantized::QuantizedLayer;
use crate::shape::{Extent, Padding, Window};
use crate::tflite::importer::{Clamp, Importer, Node, Seen, lane};

/// `RESHAPE`: nothing moves where the elements keep their order and the reader takes the tensor whole.
pub(super) fn reshape(importer: &mut Importer, node: Node) -> Result<(), ModelError> {
    let input = importer.activation(node, 0)?;
    let (old, new) = (importer.graph.shape(input), importer.output_shape(node)?);
    let is_vector = new.elements() == new.channels;
    node.require(old.elements() == new.elements() && (old == new || is_vector), || {
        format!("reshapes {old} to {new}; only flattening is supported")
    })?;
    importer.define(node, whole(input))
}

/// `PAD` with zeros around height and width, which a convolution takes in.
pub(super) fn pad(importer: &mut Importer, node: Node) -> Result<(), ModelError> {
    let input = importer.activation(node, 0)?;
    let given = importer.integers_at(node, 1)?.unwrap_or_default();
    let sizes: Option<Vec<usize>> =
        given.iter().map(|&size| usize::try_from(size).ok().filter(|&size| size <= 65_535)).collect();
    let Some(&[0, 0, top, bottom, left, right, 0, 0]) = sizes.as_deref() else {
        return Err(node.error(format!("only padding of height and width is supported, found {given:?}")));
    };
    let is_like = importer.output_quantization(node)? == importer.quantizations[input.index()];
    node.require(is_like, || "its output must have its input's scale and zero point".to_owned())?;
    importer.define(node, Seen { id: input, padding: Padding { top, left, bottom, right } })
}

/// Appends a layer that makes the zeros around `seen` real: a 1×1 depthwise layer of weight 1.
pub(in crate::tflite) fn push_padding(
    importer: &mut Importer,
    node: Node,
    seen: Seen,
) -> Result<TensorId, ModelError> {
    let quantization = importer.quantizations[seen.id.index()];
    let channels = importer.graph.shape(seen.id).channels;
    let clamp = Clamp::new(node, 0, quantization)?;
    let mode = Requantization::DyadicHalfUp;
    let (_, plain) = lane(channels, -quantization.zero_point, Multiplier::ONE, mode, clamp);
    let integers = QuantizedLayer { weights: vec![1; channels], ..plain };
    let real = FloatLayer::weighted(vec![1.0; channels], vec![0.0; channels]);
    let window = Window { padding: seen.padding, ..Window::square(1) };
    let operation = Operation::Depthwise { window };
    importer.push(node, operation, vec![seen.id], quantization, (real, integers))
}

/// `RESIZE_NEAREST_NEIGHBOR` to a multiple of the size.
pub(super) fn resize_nearest(importer: &mut Importer, node: Node) -> Result<(), ModelError> {
    let input = importer.activation(node, 0)?;
    let (old, new) = (importer.graph.shape(input), importer.output_shape(node)?);
    let is_multiple = new.height.is_multiple_of(old.height) && new.width.is_multiple_of(old.width);
    node.require(is_multiple && node.option(|options| options.u8(0))? == 0, || {
        format!("resizes {old} to {new}; only whole multiples without aligned corners are supported")
    })?;
    let quantization = importer.quantizations[input.index()];
    node.require(importer.output_quantization(node)? == quantization, || {
        "its output must have its input's scale and zero point".to_owned()
    })?;
    let factor = Extent::new(new.height / old.height, new.width / old.width);
    let clamp = Clamp::new(node, 0, quantization)?;
    let mode = Requantization::DyadicHalfUp;
    let layer = lane(old.channels, -quantization.zero_point, Multiplier::ONE, mode, clamp);
    let id = importer.push(node, Operation::ResizeNearest { factor }, vec![input], quantization, layer)?;
    importer.define_whole(node, id)
}

/// `QUANTIZE`: of the real input nothing is left to do; of integers it is a rescaling.
pub(super) fn quantize(importer: &mut Importer, node: Node) -> Result<(), ModelError> {
    if importer.is_quantized_input(node) {
        return Ok(());
    }
    let input = importer.activation(node, 0)?;
    let id = push_rescaled(importer, node, input, 0)?;
    importer.define_whole(node, id)
}

/// `DEQUANTIZE` of the output: the integers are the answer.
pub(super) fn dequantize(importer: &mut Importer, node: Node) -> Result<(), ModelError> {
    let seen = importer.padded(node, 0)?;
    importer.define(node, seen)
}
