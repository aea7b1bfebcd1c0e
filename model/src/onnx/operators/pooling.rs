//! Pooling, and the window attributes that it shares with convolution.

use crate::ModelError;
use crate::network::Operation;
use crate::onnx::importer::{Activation, Importer, Layout, Value};
use crate::onnx::node::Node;
use crate::shape::{Extent, Padding, Window};

/// Reads strides, dilations and padding of a node with `kernel` over `height` × `width` positions.
pub(super) fn window(node: Node, kernel: Extent, height: usize, width: usize) -> Result<Window, ModelError> {
    let stride = extent(node, "strides")?.unwrap_or(Extent::square(1));
    let dilation = extent(node, "dilations")?.unwrap_or(Extent::square(1));
    if let Some(shape) = extent(node, "kernel_shape")? {
        node.require(shape == kernel, || {
            format!("kernel_shape {shape:?} is not that of its weights, {kernel:?}")
        })?;
    }
    let unpadded = Window { kernel, stride, dilation, padding: Padding::default(), ..Window::square(1) };
    let is_sane = [kernel, stride, dilation]
        .iter()
        .all(|extent| (1..=65_535).contains(&extent.height) && (1..=65_535).contains(&extent.width));
    node.require(is_sane, || "kernel, strides and dilations must lie in 1..=65535".to_owned())?;
    let span = unpadded.span();
    // SAME: ceil(input / stride) outputs; the odd position goes to the end (upper) or the start (lower).
    let same = |size: usize, span: usize, stride: usize| {
        ((size.div_ceil(stride) - 1) * stride + span).saturating_sub(size)
    };
    let (rows, columns) = (same(height, span.height, stride.height), same(width, span.width, stride.width));
    let (half_rows, half_columns) = (rows / 2, columns / 2);
    let padding = match node.text("auto_pad", "NOTSET") {
        "NOTSET" => explicit_padding(node)?,
        "VALID" => Padding::default(),
        "SAME_UPPER" => Padding {
            top: half_rows,
            left: half_columns,
            bottom: rows - half_rows,
            right: columns - half_columns,
        },
        "SAME_LOWER" => Padding {
            top: rows - half_rows,
            left: columns - half_columns,
            bottom: half_rows,
            right: half_columns,
        },
        other => return Err(node.error(format!("auto_pad {other:?} is not one of ONNX's"))),
    };
    Ok(Window { padding, ..unpadded })
}

/// A pair of sizes, height first; `None` where the attribute is not given.
fn extent(node: Node, name: &str) -> Result<Option<Extent>, ModelError> {
    let Some(values) = node.ints(name) else { return Ok(None) };
    match values.iter().map(|&value| usize::try_from(value).ok()).collect::<Option<Vec<_>>>().as_deref() {
        Some(&[height, width]) => Ok(Some(Extent { height, width })),
        _ => Err(node.error(format!("{name} must be two sizes, height and width, found {values:?}"))),
    }
}

/// The `pads` attribute: starts, then ends.
pub(super) fn explicit_padding(node: Node) -> Result<Padding, ModelError> {
    let Some(values) = node.ints("pads") else { return Ok(Padding::default()) };
    let sizes = values.iter().map(|&size| usize::try_from(size).ok().filter(|&size| size <= 65_535));
    match sizes.collect::<Option<Vec<_>>>().as_deref() {
        Some(&[top, left, bottom, right]) => Ok(Padding { top, left, bottom, right }),
        _ => Err(node.error(format!("pads must be four sizes in 0..=65535, found {values:?}"))),
    }
}

/// A pooling node's input, seen whole and with four axes in ONNX's order, and its window.
fn pooled(importer: &mut Importer, node: Node) -> Result<(Activation, Window), ModelError> {
    let input = map_input(importer, node)?;
    let kernel = extent(node, "kernel_shape")?.ok_or_else(|| node.error("needs kernel_shape"))?;
    let shape = importer.shape(input);
    let window = window(node, kernel, shape.height, shape.width)?;
    if node.int("ceil_mode", 0) != 0 {
        let positions = window.output(shape.height, shape.width).map_err(|problem| node.error(problem))?;
        let covers = |size: usize, start: usize, end: usize, span: usize, stride: usize, count: usize| {
            (size + start + end - span).div_ceil(stride) + 1 == count
        };
        let Window { stride, padding, .. } = window;
        let span = window.span();
        let is_exact =
            covers(shape.height, padding.top, padding.bottom, span.height, stride.height, positions.height)
                && covers(
                    shape.width,
                    padding.left,
                    padding.right,
                    span.width,
                    stride.width,
                    positions.width,
                );
        node.require(is_exact, || {
            "ceil_mode with windows that hang over the edge is not supported".to_owned()
        })?;
    }
    Ok((input, window))
}

/// Input 0, seen whole, with four axes in ONNX's order.
pub(super) fn map_input(importer: &mut Importer, node: Node) -> Result<Activation, ModelError> {
    let seen = node.activation(importer, 0)?;
    let input = importer.settled(node, seen)?;
    node.require(input.layout == Layout::Nchw, || {
        "its input must have four axes in the order batch, channels, height, width".to_owned()
    })?;
    Ok(input)
}

/// `MaxPool` without its second output.
pub(super) fn max_pool(importer: &mut Importer, node: Node) -> Result<Value, ModelError> {
    let has_indices = node.0.output.get(1).is_some_and(|name| !name.is_empty());
    node.require(!has_indices, || "its second output (indices) is not supported".to_owned())?;
    let (input, window) = pooled(importer, node)?;
    let span = window.span();
    let Padding { top, left, bottom, right } = window.padding;
    let is_inside = top.max(bottom) < span.height && left.max(right) < span.width;
    node.require(is_inside, || "a window may not lie in the padding alone".to_owned())?;
    Ok(Value::Activation(importer.push_plain(node, Operation::MaxPool { window }, &[input], Layout::Nchw)?))
}

/// `AveragePool`. Zero padding that counts makes it a depthwise layer with equal weights.
pub(super) fn average_pool(importer: &mut Importer, node: Node) -> Result<Value, ModelError> {
    let (input, window) = pooled(importer, node)?;
    if window.padding.is_none() {
        let operation = Operation::AveragePool { window };
        return Ok(Value::Activation(importer.push_plain(node, operation, &[input], Layout::Nchw)?));
    }
    node.require(node.int("count_include_pad", 0) != 0, || {
        "padding that is left out of the mean (count_include_pad 0) is not supported; set it to 1, or use no padding"
            .to_owned()
    })?;
    let channels = importer.shape(input).channels;
    let taps = window.kernel.area();
    node.require(taps.saturating_mul(channels) <= 1 << 24, || "its kernel is too large".to_owned())?;
    let weights = vec![1.0 / taps as f32; taps * channels];
    Ok(Value::Activation(importer.push_depthwise(node, window, input, weights, vec![0.0; channels])?))
}

/// `GlobalAveragePool`.
pub(super) fn global_average_pool(importer: &mut Importer, node: Node) -> Result<Value, ModelError> {
    let input = map_input(importer, node)?;
    global_average(importer, node, input, Layout::Nchw)
}

/// `GlobalMaxPool`.
pub(super) fn global_max_pool(importer: &mut Importer, node: Node) -> Result<Value, ModelError> {
    let input = map_input(importer, node)?;
    let window = Window::global(importer.shape(input));
    Ok(Value::Activation(importer.push_plain(node, Operation::MaxPool { window }, &[input], Layout::Nchw)?))
}

/// `ReduceMean` over height and width.
pub(super) fn reduce_mean(importer: &mut Importer, node: Node) -> Result<Value, ModelError> {
    let seen = node.activation(importer, 0)?;
    let input = importer.settled(node, seen)?;
    let given = match node.ints("axes") {
        Some(axes) => axes.to_vec(),
        None => node.integers_at(importer, 1)?.unwrap_or_default(),
    };
    let mut axes: Vec<i64> =
        given.iter().map(|&axis| if axis < 0 { axis.saturating_add(4) } else { axis }).collect();
    axes.sort_unstable();
    let spatial: &[i64] = match input.layout {
        Layout::Nchw => &[2, 3],
        Layout::Nhwc => &[1, 2],
        Layout::FlatChw | Layout::FlatHwc => &[],
    };
    node.require(!spatial.is_empty() && axes == spatial, || {
        format!("only means over height and width are supported, found axes {given:?}")
    })?;
    let layout = if node.int("keepdims", 1) != 0 { input.layout } else { Layout::FlatChw };
    global_average(importer, node, input, layout)
}

fn global_average(
    importer: &mut Importer,
    node: Node,
    input: Activation,
    layout: Layout,
) -> Result<Value, ModelError> {
    let window = Window::global(importer.shape(input));
    let operation = Operation::AveragePool { window };
    Ok(Value::Activation(importer.push_plain(node, operation, &[input], layout)?))
}
