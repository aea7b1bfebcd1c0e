//! Pooling, and the windows that it shares with convolution.

use bitmill_formats::{Multiplier, Requantization};

use super::whole;
use crate::ModelError;
use crate::network::Operation;
use crate::quantized::proof::{divide_half_away, proved_multiplier};
use crate::shape::{Extent, Padding, Shape, Window};
use crate::tflite::importer::{Clamp, Importer, Node, Seen, lane};

/// A step in rows and one in columns, as the file has them.
type Steps = (i32, i32);

/// The window of an operator whose padding rule is option 0: SAME (0) or VALID (1).
pub(super) fn window(
    node: Node,
    shape: Shape,
    kernel: Extent,
    stride: Steps,
    dilation: Steps,
) -> Result<Window, ModelError> {
    let extent =
        |(height, width): Steps| {
            let size = |size: i32| usize::try_from(size).ok().filter(|size| (1..=65_535).contains(size));
            match (size(height), size(width)) {
                (Some(height), Some(width)) => Ok(Extent::new(height, width)),
                _ => Err(node
                    .error(format!("strides and dilations must lie in 1..=65535, found {height}x{width}"))),
            }
        };
    node.require(kernel.height.max(kernel.width) <= 65_535 && kernel.area() > 0, || {
        format!("kernels must lie in 1..=65535, found {}x{}", kernel.height, kernel.width)
    })?;
    let window = Window { kernel, stride: extent(stride)?, dilation: extent(dilation)?, ..Window::square(1) };
    let padding = match node.option(|options| options.u8(0))? {
        0 => {
            let span = window.span();
            // ⌈size / stride⌉ outputs; the odd position goes to the end.
            let total = |size: usize, span: usize, stride: usize| {
                ((size.div_ceil(stride) - 1) * stride + span).saturating_sub(size)
            };
            let rows = total(shape.height, span.height, window.stride.height);
            let columns = total(shape.width, span.width, window.stride.width);
            Padding {
                top: rows / 2,
                left: columns / 2,
                bottom: rows - rows / 2,
                right: columns - columns / 2,
            }
        }
        1 => Padding::default(),
        other => return Err(node.error(format!("padding rule {other} is neither SAME nor VALID"))),
    };
    Ok(Window { padding, ..window })
}

/// The window of a convolution over `seen`, with the zeros around it taken in.
pub(super) fn padded_window(
    importer: &Importer,
    node: Node,
    seen: Seen,
    kernel: Extent,
    stride: Steps,
    dilation: Steps,
) -> Result<Window, ModelError> {
    let shape = importer.graph.shape(seen.id);
    let Padding { top, left, bottom, right } = seen.padding;
    let padded = Shape { height: shape.height + top + bottom, width: shape.width + left + right, ..shape };
    let mut window = window(node, padded, kernel, stride, dilation)?;
    window.padding.top += top;
    window.padding.left += left;
    window.padding.bottom += bottom;
    window.padding.right += right;
    Ok(window)
}

/// The window of a pooling operator over `shape`, and its fused activation.
fn pool_window(node: Node, shape: Shape) -> Result<(Window, u8), ModelError> {
    let size = |field| node.option(|options| options.i32(field, 0));
    let kernel = (size(4)?, size(3)?);
    let (Ok(height), Ok(width)) = (usize::try_from(kernel.0), usize::try_from(kernel.1)) else {
        return Err(node.error(format!("its window must not be negative, found {kernel:?}")));
    };
    let window = window(node, shape, Extent::new(height, width), (size(2)?, size(1)?), (1, 1))?;
    Ok((window, node.option(|options| options.u8(5))?))
}

/// `MAX_POOL_2D`.
pub(super) fn max_pool(importer: &mut Importer, node: Node) -> Result<(), ModelError> {
    let input = importer.activation(node, 0)?;
    let (shape, quantization) = (importer.graph.shape(input), importer.quantizations[input.index()]);
    let (window, activation) = pool_window(node, shape)?;
    node.require(importer.output_quantization(node)? == quantization, || {
        "its output must have its input's scale and zero point".to_owned()
    })?;
    let clamp = Clamp::new(node, activation, quantization)?;
    let mode = Requantization::DyadicHalfUp;
    let layer = lane(shape.channels, -quantization.zero_point, Multiplier::ONE, mode, clamp);
    let id = importer.push(node, Operation::MaxPool { window }, vec![input], quantization, layer)?;
    importer.define_whole(node, id)
}

/// `AVERAGE_POOL_2D`: the mean of the raw integers, zero points included, halves away from zero.
pub(super) fn average_pool(importer: &mut Importer, node: Node) -> Result<(), ModelError> {
    let input = importer.activation(node, 0)?;
    let (shape, quantization) = (importer.graph.shape(input), importer.quantizations[input.index()]);
    let (window, activation) = pool_window(node, shape)?;
    node.require(window.padding.is_none(), || {
        "windows that hang over the edge are not supported: their means have other counts".to_owned()
    })?;
    node.require(importer.output_quantization(node)? == quantization, || {
        "its output must have its input's scale and zero point".to_owned()
    })?;
    let clamp = Clamp::new(node, activation, quantization)?;
    let count = window.kernel.area() as i64;
    let mode = Requantization::HalfAwayFromZero;
    let outputs = i64::from(clamp.low)..=i64::from(clamp.high);
    let mean = |sum: i64| divide_half_away(sum, count);
    let factor = proved_multiplier(1.0 / count as f64, mode, outputs, mean);
    let factor = factor.map_err(|problem| node.error(problem))?;
    let (real, mut integers) = lane(shape.channels, 0, factor, mode, clamp);
    integers.offset = 0;
    let operation = Operation::AveragePool { window };
    let id = importer.push(node, operation, vec![input], quantization, (real, integers))?;
    importer.define_whole(node, id)
}

/// `MEAN` over height and width: the kernel folds the count into the multiplier, truncated, and rounds twice.
pub(super) fn mean(importer: &mut Importer, node: Node) -> Result<(), ModelError> {
    let input = importer.activation(node, 0)?;
    let (shape, quantization) = (importer.graph.shape(input), importer.quantizations[input.index()]);
    let rank = importer.info(node, 0)?.map_or(0, |info| info.dims.len() as i32);
    let mut axes = importer.integers_at(node, 1)?.unwrap_or_default();
    axes.iter_mut().filter(|axis| **axis < 0).for_each(|axis| *axis = axis.saturating_add(rank));
    axes.sort_unstable();
    node.require(rank == 4 && axes == [1, 2], || {
        format!("only means over height and width are supported, found axes {axes:?}")
    })?;
    let output = importer.output_quantization(node)?;
    let clamp = Clamp::new(node, 0, output)?;
    let count = shape.height * shape.width;
    let whole_factor = super::double_rounding(node, quantization.scale / output.scale)?;
    let spare = count.ilog2() as u8;
    let multiplier = ((u64::from(whole_factor.multiplier) << spare) / count as u64) as u32;
    let factor = Multiplier { multiplier, shift: whole_factor.shift + spare };
    let bias = i64::from(quantization.zero_point) * -(count as i64);
    let bias = i32::try_from(bias).map_err(|_| node.error("averages too many positions"))?;
    let layer = lane(shape.channels, bias, factor, Requantization::DoubleRounding, clamp);
    let operation = Operation::AveragePool { window: Window::global(shape) };
    let id = importer.push(node, operation, vec![input], output, layer)?;
    importer.define(node, whole(id))
}
