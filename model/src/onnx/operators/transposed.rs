//! Transposed convolution, and the nearest resize that is one of a single input each.

use super::pooling::{explicit_padding, map_input};
use super::weights;
use crate::ModelError;
use crate::float::FloatLayer;
use crate::network::Operation;
use crate::onnx::importer::{ImportedLayer, Importer, Layout, Value};
use crate::onnx::node::Node;
use crate::shape::{Extent, Padding, Window};

/// `ConvTranspose` of one group, or of a group for each channel: a convolution with turned taps over an input whose
/// positions lie a stride apart.
pub(super) fn conv_transpose(importer: &mut Importer, node: Node) -> Result<Value, ModelError> {
    let input = map_input(importer, node)?;
    let constant = node.constant(importer, 1)?;
    let &[channels, group_outputs, height, width] = &constant.dims[..] else {
        return Err(node.error(format!("its weights must have four axes, found {:?}", constant.dims)));
    };
    node.require(channels == importer.shape(input).channels, || {
        format!("its weights take {channels} channels, its input has {}", importer.shape(input).channels)
    })?;
    let groups = usize::try_from(node.int("group", 1)).unwrap_or(0);
    let is_depthwise = groups > 1 && groups == channels && group_outputs == 1;
    node.require(groups == 1 || is_depthwise, || {
        format!("{groups} groups are not supported; 1 is, and one for each channel with one output each")
    })?;
    let window = window(node, Extent::new(height, width))?;
    let (operation, mut weights, out_channels, tap_weights) = if is_depthwise {
        let weights = weights::read(node, constant, &[2, 3, 0, 1])?;
        (Operation::Depthwise { window }, weights, channels, channels)
    } else {
        // Scales go with the output channels, the second axis.
        let by_output = constant.transposed(&[1, 2, 3, 0]);
        let weights = weights::read(node, &by_output, &[0, 1, 2, 3])?;
        let operation = Operation::Convolution { window, out_channels: group_outputs, groups: 1 };
        (operation, weights, group_outputs, channels)
    };
    let kernel_weights = window.kernel.area() * tap_weights;
    turn(&mut weights.real, kernel_weights, tap_weights);
    if let Some(integers) = &mut weights.integers {
        turn(&mut integers.integers, kernel_weights, tap_weights);
    }
    let bias = weights::bias(node.floats_at(importer, 2)?, node, out_channels)?;
    let layer = ImportedLayer { real: FloatLayer::weighted(weights.real, bias), integers: weights.integers };
    Ok(Value::Activation(importer.push(node, operation, &[input], Layout::Nchw, layer)?))
}

/// The taps of each kernel of `kernel` weights, `tap` of them each, in reverse.
fn turn<T: Copy>(weights: &mut [T], kernel: usize, tap: usize) {
    for weights in weights.chunks_exact_mut(kernel.max(1)) {
        let turned: Vec<T> = weights.chunks_exact(tap.max(1)).rev().flatten().copied().collect();
        weights.copy_from_slice(&turned);
    }
}

/// The window of the convolution: what the forward one pads is cut off.
fn window(node: Node, kernel: Extent) -> Result<Window, ModelError> {
    node.require(node.text("auto_pad", "NOTSET") == "NOTSET" && node.ints("output_shape").is_none(), || {
        "auto_pad and output_shape are not supported; give pads and output_padding".to_owned()
    })?;
    let pair = |name: &str, default: usize| {
        let Some(values) = node.ints(name) else { return Ok(Extent::square(default)) };
        let sizes = values.iter().map(|&size| usize::try_from(size).ok().filter(|&size| size <= 65_535));
        match sizes.collect::<Option<Vec<_>>>().as_deref() {
            Some(&[height, width]) => Ok(Extent::new(height, width)),
            _ => Err(node.error(format!("{name} must be two sizes up to 65535, found {values:?}"))),
        }
    };
    let (stride, dilation, extra) = (pair("strides", 1)?, pair("dilations", 1)?, pair("output_padding", 0)?);
    node.require(kernel.area() > 0 && kernel.height.max(kernel.width) <= 65_535, || {
        format!("kernels must lie in 1..=65535, found {}x{}", kernel.height, kernel.width)
    })?;
    let cut = explicit_padding(node)?;
    let side = |size: usize, step: usize, cut: usize, extra: usize| {
        (step * (size - 1) + extra)
            .checked_sub(cut)
            .ok_or_else(|| node.error(format!("pads cut {cut} positions, more than its kernel adds")))
    };
    let padding = Padding {
        top: side(kernel.height, dilation.height, cut.top, 0)?,
        left: side(kernel.width, dilation.width, cut.left, 0)?,
        bottom: side(kernel.height, dilation.height, cut.bottom, extra.height)?,
        right: side(kernel.width, dilation.width, cut.right, extra.width)?,
    };
    Ok(Window { kernel, dilation, padding, input_dilation: stride, ..Window::square(1) })
}

/// `Resize` and `Upsample` by whole factors, if each output takes the input at its place divided by the factor.
pub(super) fn resize(importer: &mut Importer, node: Node) -> Result<Value, ModelError> {
    let input = map_input(importer, node)?;
    let shape = importer.shape(input);
    node.require(node.text("mode", "nearest") == "nearest", || {
        "only the mode nearest is supported".to_owned()
    })?;
    let is_upsample = node.operator() == "Upsample";
    let scales = node.floats_at(importer, if is_upsample { 1 } else { 2 })?.unwrap_or_default();
    let sizes = node.integers_at(importer, 3)?.unwrap_or_default();
    let factors: Vec<f64> = match (&scales[..], &sizes[..]) {
        (scales, []) => scales.iter().map(|&scale| f64::from(scale)).collect(),
        ([], sizes) => {
            let old = [1, shape.channels, shape.height, shape.width];
            sizes.iter().zip(old).map(|(&new, old)| new as f64 / old as f64).collect()
        }
        _ => return Err(node.error("has both scales and sizes")),
    };
    let whole =
        |factor: f64| (factor.fract() == 0.0 && (1.0..=64.0).contains(&factor)).then_some(factor as usize);
    let legal = match factors[..] {
        [batch, channels, height, width] if batch == 1.0 && channels == 1.0 => {
            whole(height).zip(whole(width)).map(|(height, width)| Extent::new(height, width))
        }
        _ => None,
    };
    let factor = legal.ok_or_else(|| {
        node.error(format!(
            "resizes by {factors:?}; height and width by whole factors up to 64 are supported"
        ))
    })?;
    let takes_quotients = |size: usize, factor: usize| {
        (0..size * factor).all(|at| is_upsample || source(node, at, size, factor) == Some(at / factor))
    };
    node.require(takes_quotients(shape.height, factor.height) && takes_quotients(shape.width, factor.width), || {
        format!(
            "coordinates {} with rounding {} take other positions than the quotient, which alone is supported",
            node.text("coordinate_transformation_mode", HALF_PIXEL),
            node.text("nearest_mode", ROUND_PREFER_FLOOR)
        )
    })?;
    let operation = Operation::ResizeNearest { factor };
    Ok(Value::Activation(importer.push_plain(node, operation, &[input], Layout::Nchw)?))
}

const HALF_PIXEL: &str = "half_pixel";
const ROUND_PREFER_FLOOR: &str = "round_prefer_floor";

/// The input that output `at` takes by ONNX's rules; `None` for those that are not known.
fn source(node: Node, at: usize, size: usize, factor: usize) -> Option<usize> {
    let (at, factor) = (at as f64, factor as f64);
    let place = match node.text("coordinate_transformation_mode", HALF_PIXEL) {
        HALF_PIXEL | "half_pixel_symmetric" => (at + 0.5) / factor - 0.5,
        "pytorch_half_pixel" if size as f64 * factor > 1.0 => (at + 0.5) / factor - 0.5,
        "pytorch_half_pixel" => 0.0,
        "asymmetric" => at / factor,
        _ => return None,
    };
    let rounded = match node.text("nearest_mode", ROUND_PREFER_FLOOR) {
        ROUND_PREFER_FLOOR => (place - 0.5).ceil(),
        "round_prefer_ceil" => (place + 0.5).floor(),
        "floor" => place.floor(),
        "ceil" => place.ceil(),
        _ => return None,
    };
    Some(rounded.clamp(0.0, (size - 1) as f64) as usize)
}
