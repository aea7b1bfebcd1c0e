//! A convolution as a matrix product in single precision, exact.
//!
//! Every sum below 2^24 in magnitude is exact in single precision, in whatever order its terms are added, and fused
//! multiply-adds are what processors do most of in a cycle. So a sum is cut into parts that stay below, and the
//! parts are added as integers. The input is copied once with its padding, in which every kernel row is contiguous:
//! nothing is gathered for each position. A register block of several positions by one or two vectors of
//! output channels keeps the multipliers busy.

use pulp::{Arch, Simd, WithSimd};

use super::Convolution;
use crate::quantized::execute::Input;
use crate::shape::{Extent, Window};

/// Up to here integers are exact in single precision.
pub(super) const EXACT_SUM: u64 = 1 << 24;

/// Sums of `convolution`, which 32 bits hold, and of which `exact_terms` terms stay within [`EXACT_SUM`] together.
pub(super) fn product(convolution: &Convolution, input: &Input, exact_terms: usize) -> Vec<i32> {
    let padded = Padded::new(input, convolution.window);
    let mut sums = vec![0; input.output.elements()];
    let (channels, outputs) = convolution.group_channels(input);
    let terms = convolution.window.kernel.area() * channels;
    for group in 0..convolution.groups {
        let first = group * outputs;
        Arch::new().dispatch(Product {
            elements: &padded.elements,
            positions: &padded.positions(input, convolution.window),
            parts: &padded.parts(convolution.window, group * channels, channels, exact_terms),
            weights: &convolution.weights[first * terms..][..outputs * terms],
            terms,
            stride: input.output.channels,
            sums: &mut sums[first..],
        });
    }
    sums
}

/// The input with its padding, and between its elements where the window asks for it.
struct Padded {
    elements: Vec<f32>,
    width: usize,
    channels: usize,
}

impl Padded {
    fn new(input: &Input, window: &Window) -> Padded {
        let (shape, output) = (input.shape, input.output);
        let size = |outputs: usize, stride: usize, kernel: usize, dilation: usize| {
            (outputs - 1) * stride + (kernel - 1) * dilation + 1
        };
        let Window { kernel, stride, dilation, padding, input_dilation } = *window;
        let height = size(output.height, stride.height, kernel.height, dilation.height);
        let width = size(output.width, stride.width, kernel.width, dilation.width);
        let channels = shape.channels;
        let mut elements = vec![input.padding as f32; height * width * channels];
        let rows = input.elements.chunks_exact(shape.width * channels).enumerate();
        for (y, row) in rows.map(|(y, row)| (y * input_dilation.height + padding.top, row)) {
            if y >= height {
                break;
            }
            let to = &mut elements[y * width * channels..][..width * channels];
            let to = to.chunks_exact_mut(channels).skip(padding.left).step_by(input_dilation.width);
            for (to, from) in to.zip(row.chunks_exact(channels)) {
                to.iter_mut().zip(from).for_each(|(to, &from)| *to = from as f32);
            }
        }
        Padded { elements, width, channels }
    }

    /// Where each output position's patch begins.
    fn positions(&self, input: &Input, window: &Window) -> Vec<usize> {
        let Extent { height, width } = window.stride;
        let start = |(y, x): (usize, usize)| (y * height * self.width + x * width) * self.channels;
        input.positions().map(start).collect()
    }

    /// The terms of a sum over `channels` channels from `first` on, in parts of up to `exact_terms`.
    fn parts(&self, window: &Window, first: usize, channels: usize, exact_terms: usize) -> Vec<Vec<Run>> {
        let Window { kernel, dilation, .. } = *window;
        // A kernel row over all channels lies in one piece.
        let is_whole = channels == self.channels && dilation.width == 1;
        let (pieces, length) = if is_whole { (1, kernel.width * channels) } else { (kernel.width, channels) };
        let mut parts: Vec<Vec<Run>> = vec![Vec::new()];
        let (mut term, mut room) = (0, exact_terms);
        for (row, piece) in (0..kernel.height).flat_map(|row| (0..pieces).map(move |piece| (row, piece))) {
            let place = row * dilation.height * self.width + piece * dilation.width;
            let (mut offset, mut left) = (place * self.channels + first, length);
            while left > 0 {
                if room == 0 {
                    parts.push(Vec::new());
                    room = exact_terms;
                }
                let length = left.min(room);
                if let Some(part) = parts.last_mut() {
                    part.push(Run { offset, term, length });
                }
                (offset, term, left, room) = (offset + length, term + length, left - length, room - length);
            }
        }
        parts
    }
}

/// Terms that lie side by side in every patch.
struct Run {
    /// From the beginning of the patch.
    offset: usize,
    /// The first one's number among a sum's terms.
    term: usize,
    length: usize,
}

/// The product of all patches with all rows of weights.
struct Product<'a> {
    elements: &'a [f32],
    positions: &'a [usize],
    parts: &'a [Vec<Run>],
    /// `[output channel][term]`.
    weights: &'a [i16],
    terms: usize,
    /// Elements from one position's sums to the next one's.
    stride: usize,
    sums: &'a mut [i32],
}

impl WithSimd for Product<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(mut self, simd: S) {
        let channels = self.weights.len() / self.terms;
        let mut panel = Vec::new();
        let mut first = 0;
        while first < channels {
            if channels - first > S::F32_LANES {
                self.panel::<S, 4, 2>(simd, first, &mut panel);
                first += 2 * S::F32_LANES;
            } else {
                self.panel::<S, 8, 1>(simd, first, &mut panel);
                first += S::F32_LANES;
            }
        }
    }
}

impl Product<'_> {
    /// The sums of `VECTORS` vectors of output channels from `first` on, `POSITIONS` positions at a time.
    #[inline(always)]
    fn panel<S: Simd, const POSITIONS: usize, const VECTORS: usize>(
        &mut self,
        simd: S,
        first: usize,
        panel: &mut Vec<S::f32s>,
    ) {
        let channels = (self.weights.len() / self.terms - first).min(VECTORS * S::F32_LANES);
        self.pack(first, channels, VECTORS, simd, panel);
        for number in (0..self.positions.len()).step_by(POSITIONS) {
            let places = &self.positions[number..];
            // Beyond the last position the last one is summed again, and left.
            let places: [usize; POSITIONS] = std::array::from_fn(|p| places[p.min(places.len() - 1)]);
            for part in self.parts {
                let mut sums = [[simd.splat_f32s(0.0); VECTORS]; POSITIONS];
                for Run { offset, term, length } in part {
                    let patches = places.map(|place| &self.elements[place + offset..][..*length]);
                    let weights = &panel[term * VECTORS..][..length * VECTORS];
                    add_products(simd, &mut sums, patches, weights);
                }
                for (sums, number) in sums.iter().zip(number..self.positions.len()) {
                    let to = &mut self.sums[number * self.stride + first..][..channels];
                    add_integers(to, pulp::bytemuck::cast_slice(sums));
                }
            }
        }
    }

    /// Brings the rows of `channels` output channels into `[term][channel]` order, `vectors` vectors a term.
    #[inline(always)]
    fn pack<S: Simd>(
        &self,
        first: usize,
        channels: usize,
        vectors: usize,
        simd: S,
        panel: &mut Vec<S::f32s>,
    ) {
        /// Terms at once, so that what is written stays in the cache.
        const TERMS: usize = 16;
        panel.clear();
        panel.resize(self.terms * vectors, simd.splat_f32s(0.0));
        let packed: &mut [f32] = pulp::bytemuck::cast_slice_mut(panel);
        let rows = &self.weights[first * self.terms..][..channels * self.terms];
        let width = vectors * S::F32_LANES;
        for (block, packed) in packed.chunks_mut(TERMS * width).enumerate() {
            for (channel, row) in rows.chunks_exact(self.terms).enumerate() {
                let row = &row[block * TERMS..];
                for (packed, &weight) in packed.chunks_exact_mut(width).zip(row) {
                    packed[channel] = weight.into();
                }
            }
        }
    }
}

/// Adds the products of `POSITIONS` patches with as many weight vectors for each of their terms.
#[inline(always)]
fn add_products<S: Simd, const POSITIONS: usize, const VECTORS: usize>(
    simd: S,
    sums: &mut [[S::f32s; VECTORS]; POSITIONS],
    patches: [&[f32]; POSITIONS],
    weights: &[S::f32s],
) {
    /// Terms between two checks of bounds.
    const TERMS: usize = 8;
    let mut add = |activations: [f32; POSITIONS], weights: &[S::f32s]| {
        for (sums, activation) in sums.iter_mut().zip(activations) {
            let activation = simd.splat_f32s(activation);
            for (sum, weight) in sums.iter_mut().zip(weights) {
                *sum = simd.mul_add_e_f32s(activation, *weight, *sum);
            }
        }
    };
    let (blocks, rest) = weights.split_at(weights.len() / (TERMS * VECTORS) * (TERMS * VECTORS));
    for (number, weights) in blocks.chunks_exact(TERMS * VECTORS).enumerate() {
        let patches = patches.map(|patch| &patch.as_chunks::<TERMS>().0[number]);
        for (term, weights) in (0..TERMS).zip(weights.chunks_exact(VECTORS)) {
            add(patches.map(|patch| patch[term]), weights);
        }
    }
    let first = blocks.len() / VECTORS;
    for (term, weights) in rest.chunks_exact(VECTORS).enumerate() {
        add(patches.map(|patch| patch[first + term]), weights);
    }
}

/// Adds whole numbers to as many integers.
#[inline(always)]
fn add_integers(to: &mut [i32], from: &[f32]) {
    /// Elements of a loop that becomes vector instructions.
    const ELEMENTS: usize = 16;
    let add = |(to, &from): (&mut i32, &f32)| *to += from as i32;
    let (blocks, rest) = to.as_chunks_mut::<ELEMENTS>();
    let (from_blocks, from_rest) = from.as_chunks::<ELEMENTS>();
    for (to, from) in blocks.iter_mut().zip(from_blocks) {
        to.iter_mut().zip(from).for_each(add);
    }
    let from_rest = from_blocks.get(blocks.len()).map_or(from_rest, |block| block);
    rest.iter_mut().zip(from_rest).for_each(add);
}
