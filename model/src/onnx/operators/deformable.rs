//! `DeformConv`: what its taps read becomes a layer of its own, and the sum an ordinary convolution over the samples.

use bitmill_formats::deformable::{Bound, MOST_FRACTION_BITS, Offsets, TAPS};

use super::convolution::Kernels;
use super::pooling::window;
use crate::ModelError;
use crate::deformable::{Taps, bits_behind_the_point, mask_bits, square};
use crate::float::FloatLayer;
use crate::network::Operation;
use crate::onnx::importer::{Activation, ImportedLayer, Importer, Layout, Value};
use crate::onnx::node::Node;
use crate::quantized::Quantization;
use crate::shape::{Extent, Window};

/// `DeformConv` with 3 × 3 taps at stride, dilation and padding 1; inputs image, weights, offsets, bias, masks.
pub(super) fn deform_conv(importer: &mut Importer, node: Node) -> Result<Value, ModelError> {
    let image = map(importer, node, 0, "image")?;
    let shape = importer.shape(image);
    let kernels = Kernels::read(importer, node, shape.channels, 3)?;
    let found = window(node, kernels.extent, shape.height, shape.width)?;
    let legal = Window::square(3).with_padding(1);
    node.require(found == legal, || {
        let Window { kernel, stride, dilation, padding, .. } = found;
        let pads = [padding.top, padding.left, padding.bottom, padding.right];
        let pair = |extent: Extent| format!("{}x{}", extent.height, extent.width);
        format!(
            "a kernel of 3x3 with strides 1, dilations 1 and pads 1 is supported, found {} with strides {}, \
             dilations {} and pads {pads:?}",
            pair(kernel),
            pair(stride),
            pair(dilation)
        )
    })?;
    let groups = node.int("offset_group", 1);
    node.require(groups == 1, || format!("offset_group 1 is supported, found {groups}"))?;

    let is_modulated = node.has_input(4);
    let masks = is_modulated.then(|| map(importer, node, 4, "masks")).transpose()?;
    let mut offsets = map(importer, node, 2, "offsets")?;
    let mut taps = Taps { offsets: Offsets::PerTap, bound: Bound::WIDEST, is_modulated };
    if let Some(distance) = distance(importer, offsets) {
        (offsets, taps.offsets) = (distance, Offsets::Square);
    }
    if let Some(layer) = offsets.tensor.index().checked_sub(1) {
        let FloatLayer { low, high, .. } = importer.layers[layer].real;
        taps.bound = Bound::around(low.into(), high.into());
    }
    let offsets = admitted(importer, node, offsets, bits_behind_the_point, |q| {
        let ends = [q.min(), q.max()].map(|end| q.dequantize(end));
        taps.offset_quantization(ends, q.format, MOST_FRACTION_BITS, false)
    })?;
    let of_masks = |q: Quantization| Taps::mask_quantization(q.format);
    let masks = masks.map(|masks| admitted(importer, node, masks, mask_bits, of_masks)).transpose()?;
    let inputs: Vec<Activation> = [image, offsets].into_iter().chain(masks).collect();
    let plain = ImportedLayer { real: FloatLayer::plain(), integers: None };
    let name = format!("{}.samples", node.name());
    let samples =
        importer.push_named(node, &name, Operation::Sample { taps }, &inputs, Layout::Nchw, plain)?;
    let operation = kernels.operation(Taps::window());
    Ok(Value::Activation(importer.push(node, operation, &[samples], Layout::Nchw, kernels.layer)?))
}

/// Input `index`, a computed map seen whole with four axes in ONNX's order.
fn map(importer: &mut Importer, node: Node, index: usize, what: &str) -> Result<Activation, ModelError> {
    if let Value::Constant(_) = node.value(importer, index)? {
        return Err(node.error(format!("its {what} must be computed, found a constant")));
    }
    let seen = node.activation(importer, index)?;
    let input = importer.settled(node, seen)?;
    node.require(input.layout == Layout::Nchw, || {
        format!("its {what} must have four axes in the order batch, channels, height, width")
    })?;
    Ok(input)
}

/// The distance of neighbouring taps, where `offsets` are made of it by a 1 × 1 convolution and say nothing else: each
/// is −1, 0 or 1 times what the distance exceeds 1 by. The convolution is taken back.
fn distance(importer: &mut Importer, offsets: Activation) -> Option<Activation> {
    let (layer, real) = importer.last_layer(offsets)?;
    let input = importer.graph.input_shape(layer);
    let expected = Operation::Convolution { window: Window::square(1), out_channels: 2 * TAPS, groups: 1 };
    let is_open = real.low == f32::NEG_INFINITY && real.high == f32::INFINITY;
    let says = |numbers: &[f32], sign: f64| {
        numbers.iter().zip(square(2 * TAPS)).all(|(&number, place)| f64::from(number) == sign * place)
    };
    let is_square = layer.operation == expected && input.channels == 1 && is_open;
    let is_square = is_square && says(&real.weights, 1.0) && says(&real.bias, -1.0);
    is_square.then(|| importer.take_back()).flatten()
}

/// `activation`, rescaled by a layer to the `nearest` quantization where it has one without `legal` bits behind the
/// point.
fn admitted(
    importer: &mut Importer,
    node: Node,
    activation: Activation,
    legal: impl Fn(&Quantization) -> Option<u32>,
    nearest: impl Fn(Quantization) -> Quantization,
) -> Result<Activation, ModelError> {
    match importer.quantizations[activation.tensor.index()] {
        Some(given) if legal(&given).is_none() => {
            let rescaled = importer.push_identity(node, activation)?;
            importer.quantizations[rescaled.tensor.index()] = Some(nearest(given));
            Ok(rescaled)
        }
        _ => Ok(activation),
    }
}
