//! Places for activation tensors: first fit, each tensor for as long as a later layer reads it. Unit matrices, by which
//! tensors are transposed, stay from the beginning to the last transposition.

use bitmill_accelerator::{Accelerator, Target, WordLayout};
use bitmill_formats::{Family, Format, Scalar};
use bitmill_model::{Operation, QuantizedNetwork, Shape, TensorId};

use super::pooling::shape_in_place;
use crate::{SimulationError, TensorPlace};

/// Where everything lies in the activation scratchpad.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Places {
    /// By tensor.
    pub tensors: Vec<TensorPlace>,
    /// A row of the map for each channel, with 1 in that channel.
    pub unit_matrices: Vec<TensorPlace>,
}

impl Places {
    /// The unit matrix of `channels` in `word`s, for a tensor that is transposed.
    pub(super) fn unit_matrix(&self, channels: usize, word: &WordLayout) -> &TensorPlace {
        let found = self.unit_matrices.iter().find(|place| is_unit_matrix(place, channels, word));
        found.expect("a tensor that is transposed has its unit matrix")
    }
}

fn is_unit_matrix(place: &TensorPlace, channels: usize, word: &WordLayout) -> bool {
    place.shape.channels == channels && place.word == *word
}

struct Living {
    line: u32,
    lines: u32,
    /// Last layer that reads the tensor.
    until: usize,
}

/// The word for activations in `format`: of the format itself, or of the narrowest signed integers that hold its own.
pub(super) fn word_that_holds<'a>(accelerator: &'a Accelerator, format: &Format) -> Option<&'a WordLayout> {
    let wider = || {
        let Format::Scalar(Scalar::Integer(integer)) = format else { return None };
        let needed = integer.bits() + u32::from(!integer.is_signed());
        let words = accelerator.words().iter().filter(|word| word.is_signed_integer());
        words.filter(|word| word.bits() >= needed).min_by_key(|word| word.bits())
    };
    accelerator.word(format).or_else(wider)
}

/// How `tensor` lies in words, and what its channels beyond the last hold: the zero point as the layer that makes
/// the tensor clamps it.
fn tensor_word(
    accelerator: &Accelerator,
    network: &QuantizedNetwork,
    tensor: TensorId,
) -> Result<(WordLayout, i32), SimulationError> {
    let quantization = network.quantization(tensor);
    let format = quantization.format.name();
    let word = word_that_holds(accelerator, &format);
    let maker = network.pairs().find(|(layer, _)| layer.output == tensor);
    let word = word.ok_or_else(|| SimulationError::Format {
        layer: maker
            .map_or_else(|| network.graph().layers()[0].name.clone(), |(layer, _)| layer.name.clone()),
        what: if maker.is_some() { "its output" } else { "its input" },
        found: format.to_string(),
        legal: accelerator.configuration().precision.activations.join(", "),
    })?;
    let (low, high) = maker.map_or((i32::MIN, i32::MAX), |(_, parameters)| (parameters.low, parameters.high));
    let idle = word.value(word.code(quantization.zero_point.clamp(low, high)));
    Ok((word.clone(), idle))
}

/// A place for every tensor of `network`, by tensor. What goes into the lookup that a layer takes with it lies nowhere;
/// it has the place of what comes out.
pub(super) fn allocate(
    accelerator: &Accelerator,
    network: &QuantizedNetwork,
    takes_lookup: &dyn Fn(usize) -> bool,
) -> Result<Places, SimulationError> {
    let graph = network.graph();
    let layers = graph.layers();
    let last_use = |tensor: TensorId, default: usize| graph.last_reader(tensor).unwrap_or(default);
    let available = accelerator.lines(Target::Activations);
    let mut living: Vec<Living> = Vec::new();
    let mut place = |shape: Shape, (word, idle): (WordLayout, i32), layer: usize, until: usize| {
        living.retain(|other| other.until >= layer);
        let mut found = TensorPlace { shape, line: 0, word, idle };
        let lines = found.lines(accelerator);
        living.sort_by_key(|other| other.line);
        for other in &living {
            if found.line + lines <= other.line {
                break;
            }
            found.line = found.line.max(other.line + other.lines);
        }
        living.push(Living { line: found.line, lines, until });
        if found.line + lines > available {
            let line_bytes = u64::from(accelerator.line_bits(Target::Activations).div_ceil(8));
            let (needed, there) =
                (u64::from(found.line + lines) * line_bytes, u64::from(available) * line_bytes);
            return Err(SimulationError::Activations {
                layer: layers[layer].name.clone(),
                needed_bytes: needed,
                available_bytes: there,
                missing_kib: (needed - there).div_ceil(1024),
            });
        }
        Ok(found)
    };
    let lies = |tensor| shape_in_place(accelerator, network, tensor);
    let word = |tensor| tensor_word(accelerator, network, tensor);
    let input = TensorId::INPUT;
    let mut tensors = vec![place(lies(input), word(input)?, 0, last_use(input, 0))?];
    let mut unit_matrices: Vec<TensorPlace> = Vec::new();
    for (index, layer) in layers.iter().enumerate().rev() {
        if layer.operation != Operation::Transpose {
            continue;
        }
        let (channels, (word, _)) = (graph.input_shape(layer).channels, word(layer.inputs[0])?);
        if !unit_matrices.iter().any(|place| is_unit_matrix(place, channels, &word)) {
            unit_matrices.push(place(Shape::new(1, channels, channels), (word, 0), 0, index)?);
        }
    }
    let mut index = 0;
    while index < layers.len() {
        let results = if takes_lookup(index) { 2 } else { 1 };
        let output = layers[index + results - 1].output;
        let until = last_use(output, layers.len());
        let found = place(lies(output), word(output)?, index, until)?;
        tensors.extend(std::iter::repeat_n(found, results));
        index += results;
    }
    Ok(Places { tensors, unit_matrices })
}
