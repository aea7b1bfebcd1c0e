//! Layers with weights. Convolutions round twice (gemmlowp), with a factor a channel; a fully connected layer
//! rounds `accumulator · scale` once, in double precision, for which an integer factor is proved equal.

use bitmill_formats::{Multiplier, Requantization};

use super::pooling::padded_window;
use super::{double_rounding, whole};
use crate::ModelError;
use crate::float::FloatLayer;
use crate::network::{Operation, TensorId};
use crate::quantized::proof::proved_multiplier;
use crate::quantized::{Arithmetic, Quantization, QuantizedLayer, WeightFormat, weight_channel};
use crate::shape::{Extent, Padding, Window};
use crate::tflite::importer::{Clamp, Importer, Node};
use crate::tflite::schema::{ElementType, TensorInfo};

/// Constant weights.
struct Weights<'a> {
    info: &'a TensorInfo<'a>,
    dims: Vec<usize>,
    integers: Vec<i16>,
    /// One for each output channel.
    scales: Vec<f32>,
}

/// The weights at place `input`: int8, `rank` axes, symmetric, one scale or one for each of `channels` along
/// `axis`.
fn weights<'a>(
    importer: &Importer<'a>,
    node: Node,
    input: usize,
    rank: usize,
    axis: usize,
) -> Result<Weights<'a>, ModelError> {
    let info = importer.constant(node, input, ElementType::Int8)?;
    let info = info.ok_or_else(|| node.error("needs constant weights"))?;
    let dims: Vec<usize> = info.dims.iter().map(|&dim| dim.max(0) as usize).collect();
    node.require(dims.len() == rank && !dims.contains(&0), || {
        format!("its weights must have {rank} axes, found {dims:?}")
    })?;
    let channels = dims[axis];
    let scales = match info.scales.len() {
        1 => vec![info.scales[0]; channels],
        count if count == channels && info.quantized_axis == axis as i32 => info.scales.clone(),
        count => return Err(node.error(format!("{count} weight scales do not suit {channels} channels"))),
    };
    if let Some(bad) = scales.iter().find(|scale| !scale.is_finite() || **scale <= 0.0) {
        return Err(node.error(format!("weight scales must be finite and positive, found {bad}")));
    }
    if let Some(bad) = info.zero_points.iter().find(|&&point| point != 0) {
        return Err(node.error(format!("weights must have zero point 0, found {bad}")));
    }
    let integers = info.data.iter().map(|&byte| i16::from(byte as i8)).collect();
    Ok(Weights { info, dims, integers, scales })
}

/// Where the scaled accumulators of a layer go, and how.
struct Scaling {
    input: Quantization,
    output: Quantization,
    clamp: Clamp,
    requantization: Requantization,
}

/// The factor of one channel.
type Factor<'a> = &'a dyn Fn(f32) -> Result<Multiplier, ModelError>;

/// Both forms of a layer, for weights in the order of `operation`.
fn affine(
    importer: &Importer,
    node: Node,
    operation: &Operation,
    (integers, scales): (Vec<i16>, &[f32]),
    scaling: &Scaling,
    factor: Factor,
) -> Result<(FloatLayer, QuantizedLayer), ModelError> {
    let (channels, count) = (scales.len(), integers.len());
    // TRANSPOSE_CONV has its bias one place behind the others.
    let place = if node.name == "TRANSPOSE_CONV" { 3 } else { 2 };
    let given = importer.integers_at(node, place)?.unwrap_or_else(|| vec![0; channels]);
    node.require(given.len() == channels, || format!("needs {channels} biases, found {}", given.len()))?;
    let mut sums = vec![0i64; channels];
    let mut magnitudes = vec![0i64; channels];
    let mut real = Vec::with_capacity(count);
    for (index, &weight) in integers.iter().enumerate() {
        let channel = weight_channel(operation, index, count, channels);
        sums[channel] += i64::from(weight);
        magnitudes[channel] += i64::from(weight.abs());
        real.push(f32::from(weight) * scales[channel]);
    }
    let Scaling { input, output, clamp, requantization } = scaling;
    let (mut bias, mut multipliers, mut real_bias) = (vec![], vec![], vec![]);
    for channel in 0..channels {
        let folded = i64::from(given[channel]) - i64::from(input.zero_point) * sums[channel];
        let fitting = i32::try_from(folded);
        bias.push(fitting.map_err(|_| node.error(format!("bias {folded} does not fit 32 bits")))?);
        let multiplier = factor(scales[channel])?;
        // The kernel shifts left in 32 bits before it multiplies: no sum may overflow there.
        let left = 31u8.saturating_sub(multiplier.shift);
        let most = magnitudes[channel] * 256 + i64::from(given[channel]).abs();
        node.require(most << left < 1 << 31, || {
            format!("channel {channel} may overflow 32 bits: sums up to {most}, shifted left by {left}")
        })?;
        multipliers.push(multiplier);
        real_bias.push((f64::from(given[channel]) * input.scale * f64::from(scales[channel])) as f32);
    }
    let layer = QuantizedLayer {
        weight_format: WeightFormat::lane(),
        weights: integers,
        bias,
        multipliers,
        requantization: *requantization,
        input_multipliers: Vec::new(),
        arithmetic: Arithmetic::default(),
        offset: output.zero_point,
        low: clamp.low,
        high: clamp.high,
    };
    Ok((FloatLayer::weighted(real, real_bias).clamped(clamp.real.0, clamp.real.1), layer))
}

/// Appends a convolution of any kind.
fn push_convolution(
    importer: &mut Importer,
    node: Node,
    input: TensorId,
    operation: Operation,
    weights: (Vec<i16>, &[f32]),
    activation: u8,
) -> Result<(), ModelError> {
    let quantization = importer.quantizations[input.index()];
    let output = importer.output_quantization(node)?;
    let clamp = Clamp::new(node, activation, output)?;
    let scaling =
        Scaling { input: quantization, output, clamp, requantization: Requantization::DoubleRounding };
    let factor = |scale: f32| double_rounding(node, quantization.scale * f64::from(scale) / output.scale);
    let layer = affine(importer, node, &operation, weights, &scaling, &factor)?;
    let id = importer.push(node, operation, vec![input], output, layer)?;
    importer.define_whole(node, id)
}

/// `CONV_2D`.
pub(super) fn convolution(importer: &mut Importer, node: Node) -> Result<(), ModelError> {
    let Weights { dims, integers, scales, .. } = weights(importer, node, 1, 4, 0)?;
    let [stride, dilation] = [(2, 1), (5, 4)].map(|(height, width)| {
        let step = |field| node.option(|options| options.i32(field, 1));
        Ok::<_, ModelError>((step(height)?, step(width)?))
    });
    let seen = importer.padded(node, 0)?;
    let channels = importer.graph.shape(seen.id).channels;
    node.require(channels.is_multiple_of(dims[3]), || {
        format!("{} channels of its weights do not divide {channels} of its input", dims[3])
    })?;
    let kernel = Extent::new(dims[1], dims[2]);
    let window = padded_window(importer, node, seen, kernel, stride?, dilation?)?;
    let operation = Operation::Convolution { window, out_channels: dims[0], groups: channels / dims[3] };
    let activation = node.option(|options| options.u8(3))?;
    push_convolution(importer, node, seen.id, operation, (integers, &scales), activation)
}

/// `DEPTHWISE_CONV_2D`. With several outputs a channel it is a convolution with a group a channel.
pub(super) fn depthwise(importer: &mut Importer, node: Node) -> Result<(), ModelError> {
    let Weights { dims, integers, scales, .. } = weights(importer, node, 1, 4, 3)?;
    let [stride, dilation] = [(2, 1), (6, 5)].map(|(height, width)| {
        let step = |field| node.option(|options| options.i32(field, 1));
        Ok::<_, ModelError>((step(height)?, step(width)?))
    });
    let seen = importer.padded(node, 0)?;
    let channels = importer.graph.shape(seen.id).channels;
    let outputs = dims[3];
    node.require(dims[0] == 1 && outputs.is_multiple_of(channels), || {
        format!("weights {dims:?} do not suit {channels} channels")
    })?;
    let kernel = Extent::new(dims[1], dims[2]);
    let window = padded_window(importer, node, seen, kernel, stride?, dilation?)?;
    let activation = node.option(|options| options.u8(4))?;
    if outputs == channels && channels > 1 {
        let operation = Operation::Depthwise { window };
        return push_convolution(importer, node, seen.id, operation, (integers, &scales), activation);
    }
    let taps = kernel.area();
    let ordered = (0..outputs).flat_map(|output| (0..taps).map(move |tap| tap * outputs + output));
    let integers: Vec<i16> = ordered.map(|place| integers[place]).collect();
    let operation = Operation::Convolution { window, out_channels: outputs, groups: channels };
    push_convolution(importer, node, seen.id, operation, (integers, &scales), activation)
}

/// `TRANSPOSE_CONV`: a convolution over the input spread by the stride, with the kernel turned by 180°.
pub(super) fn transposed_convolution(importer: &mut Importer, node: Node) -> Result<(), ModelError> {
    let Weights { dims, mut integers, scales, .. } = weights(importer, node, 1, 4, 0)?;
    let input = importer.activation(node, 2)?;
    let (shape, output) = (importer.graph.shape(input), importer.output_shape(node)?);
    node.require(dims[3] == shape.channels && dims[0] == output.channels, || {
        format!("weights {dims:?} do not suit {shape} to {output}")
    })?;
    let step = |field| node.option(|options| options.i32(field, 1));
    let stride = Extent::new(step(2)?.max(0) as usize, step(1)?.max(0) as usize);
    let is_same = node.option(|options| options.u8(0))? == 0;
    let kernel = Extent::new(dims[1], dims[2]);
    let sides = |size: usize, stride: usize, kernel: usize, wanted: usize| {
        let full = (size.checked_sub(1)?).checked_mul(stride)?.checked_add(kernel)?;
        // What the forward convolution pads is cut off here, half of it, rounded down, in front.
        let cut = if is_same { full.saturating_sub(wanted) / 2 } else { 0 };
        let front = (kernel - 1).checked_sub(cut)?;
        let spread = (size - 1) * stride + 1;
        Some((front, (wanted + kernel - 1).checked_sub(spread + front)?))
    };
    let rows = sides(shape.height, stride.height, kernel.height, output.height);
    let columns = sides(shape.width, stride.width, kernel.width, output.width);
    let (Some((top, bottom)), Some((left, right))) = (rows, columns) else {
        return Err(node.error(format!("output {output} does not suit input {shape}")));
    };
    let padding = Padding { top, left, bottom, right };
    let window = Window { kernel, padding, input_dilation: stride, ..Window::square(1) };
    let (taps, channels) = (kernel.area(), dims[3]);
    for output in integers.chunks_exact_mut(taps * channels) {
        let turned: Vec<i16> = output.chunks_exact(channels).rev().flatten().copied().collect();
        output.copy_from_slice(&turned);
    }
    let operation = Operation::Convolution { window, out_channels: dims[0], groups: 1 };
    let activation = node.option(|options| options.u8(3))?;
    push_convolution(importer, node, input, operation, (integers, &scales), activation)
}

/// `FULLY_CONNECTED`.
pub(super) fn fully_connected(importer: &mut Importer, node: Node) -> Result<(), ModelError> {
    let Weights { info, dims, integers, scales } = weights(importer, node, 1, 2, 0)?;
    let input = importer.activation(node, 0)?;
    let elements = importer.graph.shape(input).elements();
    node.require(node.option(|options| options.u8(1))? == 0, || {
        "only weights in the default format are supported".to_owned()
    })?;
    node.require(dims[1] == elements, || {
        format!("its weights take {} features, its input has {elements}", dims[1])
    })?;
    let quantization = importer.quantizations[input.index()];
    let output = importer.output_quantization(node)?;
    let clamp = Clamp::new(node, node.option(|options| options.u8(0))?, output)?;
    let requantization = Requantization::HalfAwayFromZero;
    let scaling = Scaling { input: quantization, output, clamp, requantization };
    let is_per_channel = info.scales.len() > 1;
    let factor = |scale: f32| {
        let real = quantization.scale * f64::from(scale) / output.scale;
        let reference = |accumulator: i64| (accumulator as f64 * real).round() as i64;
        let proved = proved_multiplier(real, requantization, clamp.scaled(), reference);
        proved.map_err(|problem| node.error(problem))
    };
    let once = if is_per_channel { None } else { Some(factor(scales[0])?) };
    let each = |scale: f32| once.map_or_else(|| factor(scale), Ok);
    let operation = Operation::FullyConnected { out_features: dims[0] };
    let layer = affine(importer, node, &operation, (integers, &scales), &scaling, &each)?;
    let id = importer.push(node, operation, vec![input], output, layer)?;
    importer.define(node, whole(id))
}
