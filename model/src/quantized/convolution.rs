//! Sums of convolutions and fully connected layers over integers, without bias.
//!
//! Most are matrix products in single precision, exact by construction (`convolution/product.rs`). What would
//! not be exact or has hardly any positions is summed as dot products of 16-bit integers: the inputs of one output
//! position are gathered into a patch, so that both sides are contiguous.

mod product;

use super::execute::Input;
use super::rescale::Sums;
use crate::shape::Window;
use product::{EXACT_SUM, product};

/// Positions from which on it pays to bring weights into the order of a matrix product.
const FEWEST_POSITIONS: usize = 4;

/// Terms that must be exact together for a matrix product to pay.
const FEWEST_TERMS: u64 = 32;

/// A convolution in groups of channels.
#[derive(Clone, Copy)]
pub(super) struct Convolution<'a> {
    /// Weights in `[output channel][kernel height][kernel width][channels of a group]` order.
    pub weights: &'a [i16],
    pub window: &'a Window,
    pub groups: usize,
    /// No activation is larger, in magnitude.
    pub largest_activation: u64,
    /// Bits that hold every sum.
    pub sum_bits: u32,
}

impl Convolution<'_> {
    /// One sum for each element of the output.
    pub fn sums(&self, input: &Input) -> Sums {
        let largest_weight = self.weights.iter().fold(0, |most, weight| weight.unsigned_abs().max(most));
        let largest_product = self.largest_activation * u64::from(largest_weight);
        let exact_terms = EXACT_SUM / largest_product.max(1);
        let positions = input.output.height * input.output.width;
        if positions >= FEWEST_POSITIONS && exact_terms >= FEWEST_TERMS && self.sum_bits <= 32 {
            Sums::Narrow(product(self, input, exact_terms as usize))
        } else {
            Sums::Wide(self.dot_products(input))
        }
    }

    /// Input channels and output channels of one group.
    fn group_channels(&self, input: &Input) -> (usize, usize) {
        (input.shape.channels / self.groups, input.output.channels / self.groups)
    }

    fn dot_products(&self, input: &Input) -> Vec<i64> {
        let (channels, outputs) = self.group_channels(input);
        let terms = self.window.kernel.area() * channels;
        let dot = if self.sum_bits <= 32 { dot_32 } else { dot_64 };
        let mut patch = vec![0i16; terms];
        let mut sums = vec![0i64; input.output.elements()];
        for (position, at) in sums.chunks_exact_mut(input.output.channels).zip(input.positions()) {
            for group in 0..self.groups {
                gather(input, self.window, at, group * channels, &mut patch);
                let first = group * outputs;
                let rows = self.weights[first * terms..][..outputs * terms].chunks_exact(terms);
                for (sum, row) in position[first..].iter_mut().zip(rows) {
                    *sum = dot(&patch, row);
                }
            }
        }
        sums
    }
}

/// Gathers what output position `at` reads of the channels from `first_channel` on, as many as `patch`
/// holds for each tap, in `[kernel height][kernel width][channels]` order.
fn gather(input: &Input, window: &Window, at: (usize, usize), first_channel: usize, patch: &mut [i16]) {
    let taps = window.kernel.area();
    let channels = patch.len() / taps;
    for (tap, values) in patch.chunks_exact_mut(channels).enumerate() {
        match input.start(window, at, tap, first_channel) {
            Some(start) => {
                for (value, &raw) in values.iter_mut().zip(&input.elements[start..][..channels]) {
                    *value = raw as i16;
                }
            }
            None => values.fill(input.padding as i16),
        }
    }
}

/// Dot product whose every partial sum fits 32 bits: compiles to the machine's 16-bit multiply-add.
fn dot_32(activations: &[i16], weights: &[i16]) -> i64 {
    let products = activations.iter().zip(weights).map(|(&a, &w)| i32::from(a) * i32::from(w));
    i64::from(products.fold(0i32, i32::wrapping_add))
}

/// Dot product of any length.
fn dot_64(activations: &[i16], weights: &[i16]) -> i64 {
    activations.iter().zip(weights).map(|(&a, &w)| i64::from(i32::from(a) * i32::from(w))).sum()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::shape::{Extent, Padding, Shape};

    #[test]
    fn matrix_products_are_the_dot_products() {
        let wide = Extent { height: 2, width: 3 };
        let padding = Padding { top: 1, bottom: 2, left: 2, right: 0 };
        let plain = Window::square(1);
        for (window, shape, outputs, groups) in [
            (plain, Shape::new(4, 5, 7), 3, 1),
            (Window { padding, ..Window::square(3) }, Shape::new(9, 6, 5), 35, 1),
            (Window { kernel: wide, stride: wide, padding, ..plain }, Shape::new(8, 11, 4), 17, 1),
            (Window { kernel: wide, dilation: wide, padding, ..plain }, Shape::new(8, 11, 4), 16, 2),
            (Window { kernel: wide, padding, ..plain }, Shape::new(5, 4, 6), 66, 3),
            (Window { input_dilation: wide, padding, ..Window::square(2) }, Shape::new(3, 4, 5), 4, 1),
        ] {
            let positions = window.output(shape.height, shape.width).expect("a legal window");
            let output = Shape::new(positions.height, positions.width, outputs);
            let elements: Vec<i32> = (0..shape.elements() as i32).map(|i| i * 97 % 256 - 128).collect();
            let input = Input { elements: &elements, shape, padding: -11, output };
            let terms = window.kernel.area() * shape.channels / groups;
            let weights: Vec<i16> = (0..outputs * terms).map(|i| (i * 89 % 255) as i16 - 127).collect();
            let (window, largest_activation) = (&window, 128);
            let convolution =
                Convolution { weights: &weights, window, groups, largest_activation, sum_bits: 32 };
            let expected = convolution.dot_products(&input);
            for exact_terms in [1, 5, terms] {
                let found = Sums::Narrow(product(&convolution, &input, exact_terms));
                assert_eq!(found.wide(), expected, "{window:?} {exact_terms}");
            }
        }
    }
}
