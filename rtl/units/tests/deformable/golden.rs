//! Whole images as they stream through a unit, and the golden of what comes out.

use std::collections::BTreeMap;

use bitmill_formats::deformable::{Channels, Deformation, Image, TAPS, convolve};
use bitmill_formats::requantize::MULTIPLIER_BITS;
use bitmill_formats::{Multiplier, Requantization};
use bitmill_hdl::unit::{Values, lane, number, signed_number};
use bitmill_hdl::{BigUint, Module};
use bitmill_units::common::requantizer::{BIAS_BITS, OutputRange, Requantizer, SHIFT_BITS};
use bitmill_units::engine::deformable_convolution::array::{ArrayShape, Sums};
use bitmill_units::engine::deformable_convolution::shape::Shape;

/// The ports of a unit in a cycle, by name.
pub struct Ports<'r> {
    pub module: &'r Module,
    pub inputs: &'r Values,
    pub outputs: &'r Values,
}

impl Ports<'_> {
    pub fn value(&self, name: &str) -> &BigUint {
        let input = self.module.inputs().position(|port| port.name == name);
        let output = || self.module.outputs().position(|port| port.name == name).expect("a port");
        input.map_or_else(|| &self.outputs[output()], |input| &self.inputs[input])
    }

    pub fn signed(&self, name: &str) -> i64 {
        signed_number(self.value(name), 8)
    }

    /// What the port `name` of a last index says that there are.
    pub fn size(&self, name: &str) -> usize {
        self.number(name) + 1
    }

    /// The range of a multiply stage, before whose ports' names `prefix` stands.
    pub fn range(&self, prefix: &str) -> OutputRange {
        let [zero_point, low, high] =
            ["output_zero_point_i", "low_i", "high_i"].map(|port| self.signed(&format!("{prefix}{port}")));
        OutputRange { zero_point, low, high }
    }

    pub fn number(&self, name: &str) -> usize {
        number(self.value(name)) as usize
    }

    fn passes(&self, stream: &str) -> bool {
        self.value(&format!("{stream}valid_i")).bit(0) && self.value(&format!("{stream}ready_o")).bit(0)
    }
}

/// Numbers of `bits` side by side, signed.
pub fn split(word: &BigUint, count: usize, bits: u32) -> Vec<i64> {
    (0..count as u32).map(|index| signed_number(&lane(word, index, bits), bits)).collect()
}

/// What went in and came out of an image.
#[derive(Default)]
pub struct Streams {
    pub image: Vec<i64>,
    offsets: Vec<i64>,
    masks: Vec<i64>,
    pub results: Vec<i64>,
}

impl Streams {
    /// What passes in a cycle.
    pub fn take(&mut self, ports: &Ports, shape: &Shape) {
        let [image_lanes, result_lanes] = word_lanes(ports.module);
        if image_lanes > 0 && ports.passes("image_") {
            self.image.extend(split(ports.value("image_i"), image_lanes, 8));
        }
        if ports.passes("offsets_") {
            self.offsets.extend(split(ports.value("offsets_i"), shape.sampling.offsets.values(), 16));
            if let Some(width) = shape.mask_width() {
                let masks = ports.value("masks_i");
                self.masks.extend((0..TAPS as u32).map(|tap| number(&lane(masks, tap, width)) as i64));
            }
        }
        if ports.value("valid_o").bit(0) && ports.value("ready_i").bit(0) {
            self.results.extend(split(ports.value(result_port(ports.module)), result_lanes, 8));
        }
    }

    /// What moves the taps.
    pub fn deformation(&self) -> Deformation<'_> {
        Deformation { offsets: &self.offsets, masks: &self.masks }
    }

    /// Whether offsets have come for an image that is not over.
    pub fn has_begun(&self) -> bool {
        !self.offsets.is_empty()
    }

    /// The first image, if its results are whole; of the next one, parts may have come. `words` of a pixel go in and
    /// come out.
    pub fn first(&mut self, ports: &Ports, shape: &Shape, words: [usize; 2]) -> Option<Streams> {
        let pixels = ports.size("last_row_i") * ports.size("last_column_i");
        let [inputs, outputs] = word_lanes(ports.module).map(|lanes| pixels * lanes);
        if self.results.len() < outputs * words[1] {
            return None;
        }
        let first = |list: &mut Vec<i64>, length: usize| list.drain(..length).collect();
        Some(Streams {
            image: first(&mut self.image, inputs * words[0]),
            offsets: first(&mut self.offsets, pixels * shape.sampling.offsets.values()),
            masks: first(&mut self.masks, if shape.mask_width().is_some() { pixels * TAPS } else { 0 }),
            results: first(&mut self.results, outputs * words[1]),
        })
    }
}

/// The port of results, which are samples where nothing is multiplied.
fn result_port(module: &Module) -> &'static str {
    if module.port("result_o").is_some() { "result_o" } else { "samples_o" }
}

/// Channels of a word of the image, none where it does not stream in, and of a result.
fn word_lanes(module: &Module) -> [usize; 2] {
    ["image_i", result_port(module)]
        .map(|port| module.port(port).map_or(0, |(_, port)| port.shape.width as usize / 8))
}

/// The weights and scales of a multiply stage.
#[derive(Default)]
pub struct Stage {
    weights: BTreeMap<(usize, usize), Vec<i64>>,
    scales: BTreeMap<(usize, usize), BigUint>,
}

impl Stage {
    /// What the load ports bring, before whose names `prefix` stands.
    pub fn load(&mut self, ports: &Ports, prefix: &str, array: &ArrayShape) {
        let port = |name: &str| format!("{prefix}{name}");
        let loads = |name: &str| ports.value(&port(name)).bit(0);
        let place =
            |[number, address]: [&str; 2]| (ports.number(&port(number)), ports.number(&port(address)));
        let taps = array.steps.taps_at_once;
        if loads("weight_load_i") {
            let word = ports.value(&port("weight_i"));
            let weights = split(word, taps as usize, array.pe.weight_bits() / taps);
            self.weights.insert(place(["weight_element_i", "weight_address_i"]), weights);
        }
        if loads("scale_load_i") {
            let scale = ports.value(&port("scale_i")).clone();
            self.scales.insert(place(["scale_lane_i", "scale_address_i"]), scale);
        }
    }

    /// The result of output channel `output` from its sum.
    fn requantize(&self, array: &ArrayShape, output: usize, sum: i64, range: OutputRange) -> i64 {
        let outputs = array.outputs() as usize;
        let scale = &self.scales[&(output % outputs, output / outputs)];
        let bias = signed_number(&(scale >> (MULTIPLIER_BITS + SHIFT_BITS)), BIAS_BITS);
        let factor = Multiplier {
            multiplier: number(&lane(&(scale >> SHIFT_BITS), 0, MULTIPLIER_BITS)) as u32,
            shift: number(&lane(scale, 0, SHIFT_BITS)) as u8,
        };
        Requantizer::requantize(Requantization::DyadicHalfUp, sum, bias, factor, range)
    }

    /// The weight of an output channel, a tap and an input channel.
    fn weight(&self, array: &ArrayShape, output: usize, tap: usize, channel: usize) -> i64 {
        let steps = array.steps;
        let [at_once, words, lanes] =
            [steps.taps_at_once, steps.most_words, steps.lanes].map(|size| size as usize);
        let steps_of_word = steps.of_word.next_power_of_two() as usize;
        let step = channel / lanes * steps_of_word + tap / at_once;
        let (group, column) = match array.sums {
            Sums::Depthwise => (0, 0),
            Sums::Full { columns, .. } => (output / columns as usize, output % columns as usize),
        };
        let address = group * words.max(2) * steps_of_word + step;
        self.weights[&(column * lanes + channel % lanes, address)][tap % at_once]
    }

    /// The golden of a 1 × 1 convolution to `outputs` channels.
    pub fn pointwise(
        &self,
        array: &ArrayShape,
        image: &[i64],
        sizes: [usize; 2],
        range: OutputRange,
    ) -> Vec<i64> {
        let [inputs, outputs] = sizes;
        let lanes = array.steps.taps_at_once as usize;
        let of_pixel = |pixel: &[i64], output: usize| {
            let product = |(channel, value): (usize, &i64)| {
                value * self.weight(array, output, channel % lanes, channel / lanes)
            };
            self.requantize(array, output, pixel.iter().enumerate().map(product).sum(), range)
        };
        let pixels = image.chunks(inputs);
        pixels.flat_map(|pixel| (0..outputs).map(move |output| of_pixel(pixel, output))).collect()
    }

    /// The golden of a deformable convolution from so many words a pixel to `outputs` channels: sums of the whole image,
    /// requantized.
    pub fn deformable(
        &self,
        shape: &Shape,
        array: &ArrayShape,
        streams: &Streams,
        ports: &Ports,
        [words, outputs]: [usize; 2],
        zero_point: i64,
    ) -> Vec<i64> {
        let channels = words * shape.lanes as usize;
        let taps_and_channels = (0..TAPS).flat_map(|tap| (0..channels).map(move |channel| (tap, channel)));
        let of_output = |output: usize| {
            taps_and_channels.clone().map(move |(tap, channel)| self.weight(array, output, tap, channel))
        };
        let (kind, weights): (_, Vec<i64>) = match array.sums {
            Sums::Depthwise => (Channels::Depthwise, of_output(0).collect()),
            Sums::Full { .. } => (Channels::Full(outputs), (0..outputs).flat_map(of_output).collect()),
        };
        let [height, width] = ["last_row_i", "last_column_i"].map(|port| ports.size(port));
        let image = Image { height, width, channels, values: streams.image.clone() };
        let sums =
            convolve(&shape.sampling, &image, zero_point, streams.deformation(), kind, &weights).image.values;
        let range = ports.range("");
        let requantize = |(index, sum): (usize, &i64)| self.requantize(array, index % outputs, *sum, range);
        sums.iter().enumerate().map(requantize).collect()
    }
}
