//! `Slice` and `Pad`: taking every k-th position, and zeros around a feature map.

use super::view::axes;
use crate::ModelError;
use crate::float::FloatLayer;
use crate::network::Operation;
use crate::onnx::importer::{Activation, ImportedLayer, Importer, Value};
use crate::onnx::node::Node;
use crate::shape::{MAX_TENSOR_ELEMENTS, Window};

/// `Slice` that takes every k-th row and column of the whole map.
pub(super) fn slice(importer: &mut Importer, node: Node) -> Result<Value, ModelError> {
    let seen = node.activation(importer, 0)?;
    let is_map = !seen.layout.is_flat() && !seen.is_probability;
    node.require(seen.padding.is_none() && is_map, || "its input must be a feature map".to_owned())?;
    let list = |index: usize| node.integers_at(importer, index);
    let (Some(starts), Some(ends)) = (list(1)?, list(2)?) else {
        return Err(node.error("needs starts and ends as inputs (opset 10 and later)"));
    };
    let axes_given = list(3)?.unwrap_or_else(|| (0..starts.len() as i64).collect());
    let steps = list(4)?.unwrap_or_else(|| vec![1; starts.len()]);
    let lengths = [ends.len(), axes_given.len(), steps.len()];
    node.require(lengths == [starts.len(); 3], || {
        "its starts, ends, axes and steps differ in number".to_owned()
    })?;
    let shape = importer.shape(seen);
    let mut result = seen;
    for (index, &axis) in axes_given.iter().enumerate() {
        let place =
            usize::try_from(if axis < 0 { axis.saturating_add(4) } else { axis }).unwrap_or(usize::MAX);
        let (stride, size) = match axes(seen.layout).get(place) {
            Some('h') => (Some(&mut result.stride.height), shape.height),
            Some('w') => (Some(&mut result.stride.width), shape.width),
            Some('c') => (None, shape.channels),
            Some(_) => (None, 1),
            None => return Err(node.error(format!("axis {axis} does not exist"))),
        };
        let is_whole = starts[index] == 0 && ends[index] >= size as i64;
        let step = usize::try_from(steps[index]).unwrap_or(0);
        match stride {
            Some(stride) if is_whole && (1..=65_535).contains(&step) => {
                *stride = stride.saturating_mul(step);
            }
            None if is_whole && step == 1 => {}
            _ => {
                return Err(node.error(format!(
                    "only strides over the whole height and width are supported, found {}..{} step {} on axis {axis}",
                    starts[index], ends[index], steps[index]
                )));
            }
        }
    }
    let is_sane = result.stride.height <= 65_535 && result.stride.width <= 65_535;
    node.require(is_sane, || "its strides must lie in 1..=65535".to_owned())?;
    Ok(Value::Activation(result))
}

/// `Pad` with zeros: of height and width for the convolution behind it; of channels as a 1×1 convolution.
pub(super) fn pad(importer: &mut Importer, node: Node) -> Result<Value, ModelError> {
    let mut seen = node.activation(importer, 0)?;
    node.require(!seen.layout.is_flat() && !seen.is_probability, || {
        "its input must be a feature map".to_owned()
    })?;
    let mode = node.text("mode", "constant");
    node.require(mode == "constant", || format!("mode must be \"constant\", found {mode:?}"))?;
    let value = node.scalar_at(importer, 2)?.unwrap_or(node.float("value", 0.0));
    node.require(value == 0.0, || format!("only zero padding is supported, found {value}"))?;
    node.require(!node.has_input(3), || {
        "a list of axes (opset 18) is not supported; pad all axes".to_owned()
    })?;
    let given = match node.ints("pads") {
        Some(pads) => pads.to_vec(),
        None => node.integers_at(importer, 1)?.unwrap_or_default(),
    };
    let sizes: Option<Vec<usize>> =
        given.iter().map(|&size| usize::try_from(size).ok().filter(|&size| size <= 4096)).collect();
    let sizes = sizes.filter(|sizes| sizes.len() == 8);
    let sizes =
        sizes.ok_or_else(|| node.error(format!("pads must be eight sizes in 0..=4096, found {given:?}")))?;
    let of = |name: char| {
        let place = axes(seen.layout).iter().position(|&axis| axis == name).unwrap_or(0);
        (sizes[place], sizes[place + 4])
    };
    node.require(of('n') == (0, 0), || "the batch axis cannot be padded".to_owned())?;
    let ((top, bottom), (left, right), (before, after)) = (of('h'), of('w'), of('c'));
    if before + after > 0 {
        seen = padded_channels(importer, node, seen, before, after)?;
    }
    seen.padding.top += top;
    seen.padding.left += left;
    seen.padding.bottom += bottom;
    seen.padding.right += right;
    Ok(Value::Activation(seen))
}

/// A 1×1 convolution that copies every channel to `before` places later among zeros. It takes in the
/// subsampling of its input's view: the parameter-free shortcut of ResNet (He et al., 2016, option A).
fn padded_channels(
    importer: &mut Importer,
    node: Node,
    seen: Activation,
    before: usize,
    after: usize,
) -> Result<Activation, ModelError> {
    node.require(seen.padding.is_none(), || "channels of a padded map cannot be padded".to_owned())?;
    let channels = importer.shape(seen).channels;
    let out_channels = channels + before + after;
    node.require(out_channels.saturating_mul(channels) <= MAX_TENSOR_ELEMENTS, || {
        format!("{out_channels} channels from {channels} are too many")
    })?;
    let mut weights = vec![0.0; out_channels * channels];
    for channel in 0..channels {
        weights[(channel + before) * channels + channel] = 1.0;
    }
    let window = Window { stride: seen.stride, ..Window::square(1) };
    let operation = Operation::Convolution { window, out_channels, groups: 1 };
    let real = FloatLayer::weighted(weights, vec![0.0; out_channels]);
    let padded =
        importer.push(node, operation, &[seen], seen.layout, ImportedLayer { real, integers: None })?;
    // A copy keeps its scale and zero point; zero is exact in both.
    importer.quantizations[padded.tensor.index()] = importer.quantizations[seen.tensor.index()];
    Ok(padded)
}
