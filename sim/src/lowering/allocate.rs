//! Places for activation tensors: first fit, each tensor for as long as a later layer reads it. Unit matrices, by which
//! tensors are transposed, stay from the beginning to the last transposition.

use bitmill_accelerator::{Accelerator, Target, WordLayout};
use bitmill_formats::{Family, Format, Scalar};
use bitmill_model::{Operation, QuantizedNetwork, Shape, TensorId};

use super::deformable;
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

#[derive(Clone)]
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
pub(super) fn tensor_word(
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

/// A place for every tensor of `network`, by tensor. What goes into the layer that another takes with it lies nowhere;
/// it has the place of what comes out.
pub(super) fn allocate(
    accelerator: &Accelerator,
    network: &QuantizedNetwork,
    takes_next: &dyn Fn(usize) -> bool,
) -> Result<Places, SimulationError> {
    let graph = network.graph();
    let layers = graph.layers();
    // What a sampler reads lives until the last of its samples have been summed.
    let last_use = |tensor: TensorId, default: usize| {
        let last = graph.last_reader(tensor);
        last.map_or(default, |last| deformable::convolution_over(network, last).unwrap_or(last))
    };
    let mut scratchpad = Scratchpad { accelerator, network, living: Vec::new() };
    let lies = |tensor| shape_in_place(accelerator, network, tensor);
    let word = |tensor| tensor_word(accelerator, network, tensor);
    let input = TensorId::INPUT;
    let mut tensors = vec![scratchpad.place(lies(input), word(input)?, 0, last_use(input, 0))?];
    let mut unit_matrices: Vec<TensorPlace> = Vec::new();
    for (index, layer) in layers.iter().enumerate().rev() {
        if layer.operation != Operation::Transpose {
            continue;
        }
        let (channels, (word, _)) = (graph.input_shape(layer).channels, word(layer.inputs[0])?);
        if !unit_matrices.iter().any(|place| is_unit_matrix(place, channels, &word)) {
            let shape = Shape::new(1, channels, channels);
            unit_matrices.push(scratchpad.place(shape, (word, 0), 0, index)?);
        }
    }
    let mut index = 0;
    while index < layers.len() {
        let made = deformable::convolution_over(network, index).unwrap_or(index);
        let results = if takes_next(made) { 2 } else { 1 };
        let output = layers[made + results - 1].output;
        let until = last_use(output, layers.len());
        let found = if made > index {
            let (image, samples) = (graph.input_shape(&layers[index]), word(layers[index].output)?);
            let behind = (lies(output), word(output)?, until);
            let (samples, found) = scratchpad.place_slices(image, samples, behind, index)?;
            tensors.push(samples);
            found
        } else {
            scratchpad.place(lies(output), word(output)?, index, until)?
        };
        tensors.extend(std::iter::repeat_n(found, results));
        index = made + results;
    }
    Ok(Places { tensors, unit_matrices })
}

/// The activation scratchpad while it is filled.
#[derive(Clone)]
struct Scratchpad<'a> {
    accelerator: &'a Accelerator,
    network: &'a QuantizedNetwork,
    living: Vec<Living>,
}

impl Scratchpad<'_> {
    /// The first place where a tensor that lives from layer `layer` until layer `until` fits.
    fn place(
        &mut self,
        shape: Shape,
        (word, idle): (WordLayout, i32),
        layer: usize,
        until: usize,
    ) -> Result<TensorPlace, SimulationError> {
        let available = self.accelerator.lines(Target::Activations);
        self.living.retain(|other| other.until >= layer);
        let mut found = TensorPlace { shape, line: 0, word, idle };
        let lines = found.lines(self.accelerator);
        self.living.sort_by_key(|other| other.line);
        for other in &self.living {
            if found.line + lines <= other.line {
                break;
            }
            found.line = found.line.max(other.line + other.lines);
        }
        self.living.push(Living { line: found.line, lines, until });
        if found.line + lines > available {
            let line_bytes = u64::from(self.accelerator.line_bits(Target::Activations).div_ceil(8));
            let (needed, there) =
                (u64::from(found.line + lines) * line_bytes, u64::from(available) * line_bytes);
            return Err(SimulationError::Activations {
                layer: self.network.graph().layers()[layer].name.clone(),
                needed_bytes: needed,
                available_bytes: there,
                missing_kib: (needed - there).div_ceil(1024),
            });
        }
        Ok(found)
    }

    /// Places for a slice of the samples of `image` that layer `layer` takes, and for the output of the next layer (its
    /// shape, word and last use), which sums them: as few slices as fit.
    fn place_slices(
        &mut self,
        image: Shape,
        word: (WordLayout, i32),
        (sums, sum_word, until): (Shape, (WordLayout, i32), usize),
        layer: usize,
    ) -> Result<(TensorPlace, TensorPlace), SimulationError> {
        let mut last = None;
        for lines in deformable::slice_lines(self.accelerator, image) {
            let shape = deformable::slice_shape(self.accelerator, image, lines);
            let mut tried = self.clone();
            let samples = tried.place(shape, word.clone(), layer, layer + 1);
            let both = samples
                .and_then(|samples| Ok((samples, tried.place(sums, sum_word.clone(), layer + 1, until)?)));
            if both.is_ok() {
                *self = tried;
                return both;
            }
            last = Some(both);
        }
        last.expect("a slice of one line is tried")
    }
}
