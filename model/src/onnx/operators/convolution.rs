//! Convolution, and the batch normalization that folds into it.

use super::pooling::window;
use super::weights;
use crate::ModelError;
use crate::float::FloatLayer;
use crate::network::Operation;
use crate::onnx::importer::{Activation, ImportedLayer, Importer, Layout, Value};
use crate::onnx::node::Node;
use crate::shape::{Extent, Padding, Window};

/// `Conv`: two-dimensional, any groups. A group for each channel becomes a depthwise layer.
pub(super) fn conv(importer: &mut Importer, node: Node) -> Result<Value, ModelError> {
    let seen = node.activation(importer, 0)?;
    node.require(seen.layout == Layout::Nchw, || {
        "its input must have four axes in the order batch, channels, height, width".to_owned()
    })?;
    let kernels = Kernels::read(importer, node, importer.shape(seen).channels, 2)?;
    let (input, window) = absorbed(importer, node, seen, kernels.extent)?;
    let operation = kernels.operation(window);
    Ok(Value::Activation(importer.push(node, operation, &[input], Layout::Nchw, kernels.layer)?))
}

/// The weights and the bias of a convolution.
pub(super) struct Kernels {
    /// Rows and columns.
    pub extent: Extent,
    out_channels: usize,
    groups: usize,
    is_depthwise: bool,
    /// In the order that the operation asks for.
    pub layer: ImportedLayer,
}

impl Kernels {
    /// Those of a node over `channels`: weights at input 1, the bias at input `bias`.
    pub fn read(
        importer: &Importer,
        node: Node,
        channels: usize,
        bias: usize,
    ) -> Result<Kernels, ModelError> {
        let constant = node.constant(importer, 1)?;
        let &[out_channels, group_channels, height, width] = &constant.dims[..] else {
            return Err(node.error(format!("its weights must have four axes, found {:?}", constant.dims)));
        };
        let groups = usize::try_from(node.int("group", 1)).unwrap_or(0);
        node.require(groups.checked_mul(group_channels) == Some(channels), || {
            format!(
                "{groups} groups of {group_channels} channels do not make its input's {channels} channels"
            )
        })?;
        let is_depthwise = groups > 1 && group_channels == 1 && out_channels == groups;
        let order: &[usize] = if is_depthwise { &[2, 3, 0, 1] } else { &[0, 2, 3, 1] };
        let weights::Weights { real, integers } = weights::read(node, constant, order)?;
        let bias = weights::bias(node.floats_at(importer, bias)?, node, out_channels)?;
        let layer = ImportedLayer { real: FloatLayer::weighted(real, bias), integers };
        Ok(Kernels { extent: Extent::new(height, width), out_channels, groups, is_depthwise, layer })
    }

    /// The convolution with them: a group for each channel makes it depthwise.
    pub fn operation(&self, window: Window) -> Operation {
        let Kernels { out_channels, groups, .. } = *self;
        match self.is_depthwise {
            true => Operation::Depthwise { window },
            false => Operation::Convolution { window, out_channels, groups },
        }
    }
}

/// The node's window with the view of its input taken in: zero padding always, subsampling by a 1×1
/// kernel without padding.
fn absorbed(
    importer: &mut Importer,
    node: Node,
    seen: Activation,
    kernel: Extent,
) -> Result<(Activation, Window), ModelError> {
    let is_point = kernel == Extent::square(1) && seen.padding.is_none();
    let unpadded = Activation { padding: Padding::default(), ..seen };
    let input = if is_point { unpadded } else { importer.settled(node, unpadded)? };
    let shape = importer.shape(input);
    let (rows, columns) = (
        shape.height.div_ceil(input.stride.height) + seen.padding.top + seen.padding.bottom,
        shape.width.div_ceil(input.stride.width) + seen.padding.left + seen.padding.right,
    );
    let mut window = window(node, kernel, rows, columns)?;
    if is_point && !window.padding.is_none() {
        let input = importer.settled(node, input)?;
        return Ok((input, window));
    }
    window.stride.height *= input.stride.height;
    window.stride.width *= input.stride.width;
    window.padding.top += seen.padding.top;
    window.padding.left += seen.padding.left;
    window.padding.bottom += seen.padding.bottom;
    window.padding.right += seen.padding.right;
    Ok((Activation { stride: Extent::square(1), ..input }, window))
}

/// `BatchNormalization` in inference: `y = x · factor + shift` for each channel, folded into the layer
/// before it, or a 1×1 depthwise layer where that is not possible.
pub(super) fn batch_normalization(importer: &mut Importer, node: Node) -> Result<Value, ModelError> {
    node.require(node.int("training_mode", 0) == 0, || "training mode is not supported".to_owned())?;
    let seen = node.activation(importer, 0)?;
    let input = importer.settled(node, seen)?;
    let is_channelwise =
        input.layout == Layout::Nchw || importer.shape(input).elements() == importer.shape(input).channels;
    node.require(is_channelwise, || "its input must have its channels on axis 1".to_owned())?;
    let channels = importer.shape(input).channels;
    let mut inputs = Vec::new();
    for index in 1..=4 {
        let values = node.floats_at(importer, index)?.unwrap_or_default();
        node.require(values.len() == channels, || {
            format!(
                "input {index} must hold one number for each of {channels} channels, found {}",
                values.len()
            )
        })?;
        inputs.push(values);
    }
    let epsilon = node.float("epsilon", 1e-5);
    let factor_of = |channel: usize| inputs[0][channel] / (inputs[3][channel] + epsilon).sqrt();
    let factors: Vec<f32> = (0..channels).map(factor_of).collect();
    let shifts: Vec<f32> = (0..channels).map(|c| inputs[1][c] - inputs[2][c] * factors[c]).collect();
    let is_finite = factors.iter().chain(&shifts).all(|value| value.is_finite());
    node.require(is_finite, || "its variance plus epsilon must be positive".to_owned())?;

    if let Some((operation, layer)) = importer.open_affine_layer(input) {
        layer.then(&operation, &factors, &shifts);
        return Ok(Value::Activation(input));
    }
    let scaled = importer.push_depthwise(node, Window::square(1), input, factors, shifts)?;
    Ok(Value::Activation(scaled))
}
