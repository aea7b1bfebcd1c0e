//! Learned rounding: the integers of a layer are chosen together, so that its outputs on the calibration inputs stay
//! near the real network's, not its weights near the real weights (AdaRound, Nagel et al., 2020; AdaQuant, Hubara et
//! al., 2021, section 3).
//!
//! Layers are learned in order, each on what the rounded layers before it make, so that it makes up for them. For an
//! output channel with integers q and step s over inputs x, the squared error to the real sums y is
//!
//! ```text
//! s² qᵀ A q − 2 s qᵀ b + constant,   A = E[x xᵀ] + r·1,   b = E[x y] + r·w
//! ```
//!
//! of centred x and y, since a bias makes up for means. The ridge r draws what the inputs do not decide to the real
//! weights w. A coordinate has its best integer in closed form; sweeps over them end when none moves, and then so does
//! the step. There is no randomness and no learning rate.

use crate::ModelError;
use crate::float::FloatNetwork;
use crate::network::{Operation, TensorId};
use crate::quantized::{Input, Quantization, QuantizedWeights};
use crate::shape::{Shape, Window};

use super::WeightScales;
use super::clipping::legal_step;

/// Most terms of a sum: the moments of more would fill memory.
const MAX_TERMS: usize = 4096;
/// Output positions looked at in all calibration inputs together.
const MAX_POSITIONS: usize = 1 << 14;
/// The ridge, as a part of the inputs' mean square.
const RIDGE: f64 = 0.01;
/// First steps tried, as multiples of the one that the range gave.
const STARTS: [f64; 5] = [0.7, 0.85, 1.0, 1.2, 1.5];
/// Most times that the integers settle and the step follows.
const ROUNDS: usize = 4;
/// Most sweeps over the integers of a channel; a few settle them.
const SWEEPS: usize = 16;

/// What is learned from.
pub(super) struct Learning<'a> {
    /// What layers should make.
    pub network: &'a FloatNetwork,
    /// The same network with 0 for weights that go.
    pub sparse: &'a FloatNetwork,
    /// Of each tensor.
    pub quantizations: &'a [Quantization],
    /// How many weights share a step.
    pub scales: WeightScales,
    /// Whether weights that are 0 in `sparse` stay 0; the others then make up for them.
    pub keeps_zeros: bool,
}

impl Learning<'_> {
    /// Rounds the weights of convolutions and fully connected layers anew.
    ///
    /// # Errors
    /// Weights in a format that is no grid of integers, and layers of too many terms.
    pub fn learn(
        &self,
        weights: &mut [Option<QuantizedWeights>],
        inputs: &[Vec<f32>],
    ) -> Result<(), ModelError> {
        let Learning { network, quantizations, .. } = *self;
        let graph = network.graph();
        let mut rounded = network.clone();
        let mut exact: Vec<Vec<Vec<f32>>> = inputs.iter().map(|input| vec![input.clone()]).collect();
        let on_grid = |values: Vec<f32>, id: TensorId| -> Vec<f32> {
            let grid = quantizations[id.index()];
            values.into_iter().map(|value| grid.dequantize(grid.quantize(f64::from(value))) as f32).collect()
        };
        let mut runs: Vec<Vec<Vec<f32>>> =
            inputs.iter().map(|input| vec![on_grid(input.clone(), TensorId::INPUT)]).collect();
        for (index, layer) in graph.layers().iter().enumerate() {
            let wanted: Vec<Vec<f32>> = exact.iter().map(|tensors| network.sums(index, tensors)).collect();
            if let Some(own) = &mut weights[index] {
                if layer.operation.is_matrix() {
                    let problem = |problem| ModelError::layer(&layer.name, problem);
                    if !own.format.is_uniform() {
                        let found = &own.format;
                        return Err(problem(format!(
                            "learned rounding is for integers, found {found}; use nearest"
                        )));
                    }
                    let sides = runs
                        .iter()
                        .zip(&wanted)
                        .map(|(run, wanted)| (run[layer.inputs[0].index()].as_slice(), wanted.as_slice()));
                    let shapes = [graph.input_shape(layer), graph.shape(layer.output)];
                    let pairs = Pairs::new(layer.operation, shapes, sides.collect()).map_err(problem)?;
                    let bias =
                        pairs.learn(own, &self.sparse.layers()[index].weights, self.scales, self.keeps_zeros);
                    rounded.layer_mut(index).bias = bias;
                }
                let row = own.integers.len() / own.scales.len();
                let is_matrix = layer.operation.is_matrix();
                let channel = |place: usize| if is_matrix { place / row } else { place % own.scales.len() };
                let real = |(place, &integer): (usize, &i16)| {
                    (own.format.real(integer) * own.scales[channel(place)]) as f32
                };
                rounded.layer_mut(index).weights = own.integers.iter().enumerate().map(real).collect();
            }
            let (low, high) = (network.layers()[index].low, network.layers()[index].high);
            let clamped =
                |sums: Vec<f32>| sums.into_iter().map(|sum| sum.max(low).min(high)).collect::<Vec<_>>();
            for ((exact, run), wanted) in exact.iter_mut().zip(&mut runs).zip(wanted) {
                let sums = rounded.sums(index, run);
                exact.push(clamped(wanted));
                run.push(on_grid(clamped(sums), layer.output));
                // What no later layer reads is dropped, so that memory stays that of a few layers.
                for id in layer.inputs.iter().filter(|&&id| graph.last_reader(id) == Some(index)) {
                    exact[id.index()] = Vec::new();
                    run[id.index()] = Vec::new();
                }
            }
        }
        Ok(())
    }
}

/// What a layer reads, and the sums that it should make of it, for each calibration input.
struct Pairs<'a> {
    window: Window,
    groups: usize,
    shapes: [Shape; 2],
    sides: Vec<(&'a [f32], &'a [f32])>,
}

impl<'a> Pairs<'a> {
    fn new(
        operation: Operation,
        [input, output]: [Shape; 2],
        sides: Vec<(&'a [f32], &'a [f32])>,
    ) -> Result<Self, String> {
        let terms = operation.terms(input);
        if terms > MAX_TERMS {
            return Err(format!(
                "learned rounding takes sums of up to {MAX_TERMS} terms, found {terms}; use nearest"
            ));
        }
        Ok(match operation {
            Operation::Convolution { window, groups, .. } => {
                Pairs { window, groups, shapes: [input, output], sides }
            }
            _ => {
                let shapes = [Shape::vector(input.elements()), output];
                Pairs { window: Window::square(1), groups: 1, shapes, sides }
            }
        })
    }

    /// Learns the integers and steps of all channels, and returns the biases that belong to them.
    fn learn(
        &self,
        own: &mut QuantizedWeights,
        real: &[f32],
        scales: WeightScales,
        keeps_zeros: bool,
    ) -> Vec<f32> {
        let channels = own.scales.len();
        let terms = own.integers.len() / channels;
        let mut biases = Vec::with_capacity(channels);
        for group in 0..self.groups {
            let moments = self.moments(group, terms, channels / self.groups);
            for inside in 0..channels / self.groups {
                let channel = group * (channels / self.groups) + inside;
                let row = channel * terms..(channel + 1) * terms;
                let goal = moments.goal(inside, &real[row.clone()], keeps_zeros);
                let start = own.scales[channel];
                let starts: &[f64] = if scales == WeightScales::PerTensor { &[1.0] } else { &STARTS };
                let nearest = |units: f64| own.format.nearest(units);
                let candidates = starts
                    .iter()
                    .map(|part| goal.settle(&real[row.clone()], start * part, starts.len() > 1, nearest));
                let best = candidates.min_by(|a, b| a.error.total_cmp(&b.error));
                let Some(Settled { integers, step, .. }) = best else { continue };
                let sum: f64 =
                    integers.iter().zip(&moments.input_means).map(|(&q, mean)| f64::from(q) * mean).sum();
                biases.push((moments.output_means[inside] - sum * step) as f32);
                own.integers[row].copy_from_slice(&integers);
                own.scales[channel] = step;
            }
        }
        biases
    }

    /// Means and centred second moments of a group of channels.
    fn moments(&self, group: usize, terms: usize, outputs: usize) -> Moments {
        let [shape, output] = self.shapes;
        let inside = shape.channels / self.groups;
        let positions = output.height * output.width * self.sides.len();
        // Odd, so that the positions looked at wander over the columns of the map.
        let stride = if positions > MAX_POSITIONS { (positions / MAX_POSITIONS) | 1 } else { 1 };
        let mut moments = Moments::zero(terms, outputs);
        let mut patch = vec![0f64; terms];
        let (mut number, mut count) = (0usize, 0f64);
        for (elements, wanted) in &self.sides {
            let input = Input { elements, shape, padding: 0.0, output };
            for (at, wanted) in input.positions().zip(wanted.chunks_exact(output.channels)) {
                number += 1;
                if !number.is_multiple_of(stride) {
                    continue;
                }
                for (tap, values) in patch.chunks_exact_mut(inside).enumerate() {
                    match input.start(&self.window, at, tap, group * inside) {
                        Some(start) => {
                            let read = &elements[start..][..inside];
                            values.iter_mut().zip(read).for_each(|(value, &x)| *value = f64::from(x));
                        }
                        None => values.fill(0.0),
                    }
                }
                moments.add(&patch, &wanted[group * outputs..][..outputs]);
                count += 1.0;
            }
        }
        moments.centred(count)
    }
}

/// Means and second moments of inputs, and of inputs with outputs.
struct Moments {
    input_means: Vec<f64>,
    output_means: Vec<f64>,
    /// A, row by row.
    squares: Vec<f64>,
    /// E[x y], a row for each output channel.
    products: Vec<f64>,
    ridge: f64,
}

impl Moments {
    fn zero(terms: usize, outputs: usize) -> Self {
        Moments {
            input_means: vec![0.0; terms],
            output_means: vec![0.0; outputs],
            squares: vec![0.0; terms * terms],
            products: vec![0.0; outputs * terms],
            ridge: 0.0,
        }
    }

    fn add(&mut self, patch: &[f64], wanted: &[f32]) {
        let terms = patch.len();
        let add = |row: &mut [f64], factor: f64| {
            row.iter_mut().zip(patch).for_each(|(sum, x)| *sum += factor * x);
        };
        add(&mut self.input_means, 1.0);
        // After a ReLU many inputs are 0.
        let rows = self.squares.chunks_exact_mut(terms).zip(patch).filter(|(_, x)| **x != 0.0);
        rows.for_each(|(row, &x)| add(row, x));
        for (channel, &y) in wanted.iter().enumerate() {
            self.output_means[channel] += f64::from(y);
            add(&mut self.products[channel * terms..][..terms], y.into());
        }
    }

    /// Sums of `count` positions as means, without the products of means, with the ridge.
    fn centred(mut self, count: f64) -> Self {
        let terms = self.input_means.len();
        self.input_means.iter_mut().chain(&mut self.output_means).for_each(|sum| *sum /= count);
        let centre = |rows: &mut [f64], means: &[f64], inputs: &[f64]| {
            for (row, mean) in rows.chunks_exact_mut(terms).zip(means) {
                row.iter_mut().zip(inputs).for_each(|(sum, x)| *sum = *sum / count - mean * x);
            }
        };
        centre(&mut self.squares, &self.input_means, &self.input_means);
        centre(&mut self.products, &self.output_means, &self.input_means);
        let diagonal = || (0..terms).map(|term| term * (terms + 1));
        self.ridge = RIDGE * diagonal().map(|place| self.squares[place]).sum::<f64>() / terms as f64;
        // Inputs that never change decide nothing: any positive ridge then keeps the nearest integers.
        self.ridge = self.ridge.max(f64::MIN_POSITIVE.sqrt());
        diagonal().for_each(|place| self.squares[place] += self.ridge);
        self
    }

    /// The error of one output channel whose real weights are `real`.
    fn goal<'a>(&'a self, channel: usize, real: &[f32], keeps_zeros: bool) -> Goal<'a> {
        let terms = real.len();
        let products = &self.products[channel * terms..][..terms];
        let linear = products.iter().zip(real).map(|(xy, &w)| xy + self.ridge * f64::from(w)).collect();
        let moves = real.iter().map(|&weight| !keeps_zeros || weight != 0.0).collect();
        Goal { squares: &self.squares, linear, moves }
    }
}

/// The squared error of a channel: A and b.
struct Goal<'a> {
    squares: &'a [f64],
    linear: Vec<f64>,
    /// Which integers may be other than 0.
    moves: Vec<bool>,
}

/// Integers and a step that none of them alone improves on.
struct Settled {
    integers: Vec<i16>,
    step: f64,
    /// Squared error, but for a constant.
    error: f64,
}

impl Goal<'_> {
    fn settle(&self, real: &[f32], start: f64, moves_step: bool, nearest: impl Fn(f64) -> i16) -> Settled {
        let terms = real.len();
        let mut step = legal_step(start);
        let mut integers: Vec<i16> = real.iter().map(|&weight| nearest(f64::from(weight) / step)).collect();
        // A q.
        let mut gradient = vec![0.0; terms];
        let add = |gradient: &mut [f64], term: usize, change: f64| {
            let row = &self.squares[term * terms..][..terms];
            gradient.iter_mut().zip(row).for_each(|(sum, square)| *sum += change * square);
        };
        integers.iter().enumerate().for_each(|(term, &q)| add(&mut gradient, term, q.into()));
        for round in 0..ROUNDS {
            for _ in 0..SWEEPS {
                let mut has_moved = false;
                for term in (0..terms).filter(|&term| self.moves[term]) {
                    let square = self.squares[term * (terms + 1)];
                    let old = f64::from(integers[term]);
                    let best = nearest((self.linear[term] / step - gradient[term]) / square + old);
                    if best != integers[term] {
                        add(&mut gradient, term, f64::from(best) - old);
                        integers[term] = best;
                        has_moved = true;
                    }
                }
                if !has_moved {
                    break;
                }
            }
            let (along, square) = self.along(&integers, &gradient);
            let better = along / square;
            if !moves_step || round + 1 == ROUNDS || better.is_nan() || better <= 0.0 {
                break;
            }
            step = legal_step(better);
        }
        let (along, square) = self.along(&integers, &gradient);
        Settled { error: step * step * square - 2.0 * step * along, integers, step }
    }

    /// qᵀ b and qᵀ A q, where `gradient` is A q.
    fn along(&self, integers: &[i16], gradient: &[f64]) -> (f64, f64) {
        let dot = |values: &[f64]| integers.iter().zip(values).map(|(&q, value)| f64::from(q) * value).sum();
        (dot(&self.linear), dot(gradient))
    }
}
