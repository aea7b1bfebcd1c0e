//! The golden executor against the specification at the head of `quantized`, written a second time: element
//! by element, in 128-bit integers and signed coordinates, over random layers of every kind.

use bitmill_formats::nonlinear::{ShiftExp, TableExp, layer_norm, shift_gelu, shiftmax, softmax_by_table};
use bitmill_model::{
    Arithmetic, Exponential, Extent, Function, Layer, Multiplier, Network, Operation, Padding, Quantization,
    QuantizedLayer, QuantizedNetwork, Requantization, Root, RowOperator, Shape, Tensor, TensorId,
    WeightFormat, Window,
};
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

/// The sum behind output element `at` (row, column, channel) of a layer, without bias.
fn sum(network: &QuantizedNetwork, index: usize, tensors: &[Vec<i32>], at: [usize; 3]) -> i128 {
    let graph = network.graph();
    let layer: &Layer = &graph.layers()[index];
    let parameters = &network.layers()[index];
    let [row, column, channel] = at;
    let input = layer.inputs[0];
    let shape = graph.shape(input);
    let zero_point = network.quantization(input).zero_point;
    // What the tap (r, c) of channel k reads, and whether it lies inside the input.
    let read = |window: &Window, r: usize, c: usize, k: usize| -> (i32, bool) {
        let y = (row * window.stride.height + r * window.dilation.height) as i64 - window.padding.top as i64;
        let x =
            (column * window.stride.width + c * window.dilation.width) as i64 - window.padding.left as i64;
        // Between the inputs of a spread map there are zeros.
        let spread = [window.input_dilation.height, window.input_dilation.width].map(|d| d as i64);
        let is_real = y % spread[0] == 0 && x % spread[1] == 0;
        let (y, x) = (y.div_euclid(spread[0]), x.div_euclid(spread[1]));
        let is_inside = is_real && y >= 0 && x >= 0 && y < shape.height as i64 && x < shape.width as i64;
        let offset = (y * shape.width as i64 + x) * shape.channels as i64 + k as i64;
        if is_inside { (tensors[input.index()][offset as usize], true) } else { (zero_point, false) }
    };
    let taps = |window: &Window| {
        let Extent { height, width } = window.kernel;
        (0..height).flat_map(move |r| (0..width).map(move |c| (r, c)))
    };
    let weight = |position: usize| i128::from(parameters.weights[position]);
    match layer.operation {
        Operation::Convolution { window, out_channels, groups } => {
            let per_group = shape.channels / groups;
            let first = channel / (out_channels / groups) * per_group;
            let mut sum = 0;
            for (r, c) in taps(&window) {
                for k in 0..per_group {
                    let place =
                        ((channel * window.kernel.height + r) * window.kernel.width + c) * per_group + k;
                    sum += i128::from(read(&window, r, c, first + k).0) * weight(place);
                }
            }
            sum
        }
        Operation::Depthwise { window } => taps(&window)
            .map(|(r, c)| {
                let place = (r * window.kernel.width + c) * shape.channels + channel;
                i128::from(read(&window, r, c, channel).0) * weight(place)
            })
            .sum(),
        Operation::FullyConnected { .. } => {
            let elements = tensors[input.index()].iter().enumerate();
            elements.map(|(k, &a)| i128::from(a) * weight(channel * shape.elements() + k)).sum()
        }
        Operation::MaxPool { window } => {
            let inside =
                taps(&window).map(|(r, c)| read(&window, r, c, channel)).filter(|(_, inside)| *inside);
            i128::from(inside.map(|(a, _)| a).max().unwrap_or(network.quantization(input).min()))
        }
        Operation::AveragePool { window } => {
            taps(&window).map(|(r, c)| i128::from(read(&window, r, c, channel).0)).sum()
        }
        Operation::Add => {
            let offset = shape.offset(row, column, channel);
            let [a, b] = [0, 1].map(|side| i128::from(tensors[layer.inputs[side].index()][offset]));
            a * weight(0) + b * weight(1)
        }
        Operation::Multiply => {
            let offset = shape.offset(row, column, channel);
            centred(network, tensors, layer.inputs[0], offset)
                * centred(network, tensors, layer.inputs[1], offset)
        }
        Operation::Concatenate => {
            let mut first = 0;
            for &id in &layer.inputs {
                let part = graph.shape(id);
                if channel < first + part.channels {
                    return tensors[id.index()][part.offset(row, column, channel - first)].into();
                }
                first += part.channels;
            }
            unreachable!("a channel of one of the inputs")
        }
        Operation::ResizeNearest { factor } => {
            tensors[input.index()][shape.offset(row / factor.height, column / factor.width, channel)].into()
        }
        Operation::MatrixMultiply { is_transposed } => {
            let other = graph.shape(layer.inputs[1]);
            let terms = (0..shape.channels).map(|k| {
                let (position, place) = if is_transposed { (channel, k) } else { (k, channel) };
                centred(network, tensors, layer.inputs[0], shape.offset(row, column, k))
                    * centred(network, tensors, layer.inputs[1], other.offset(row, position, place))
            });
            terms.sum()
        }
        Operation::Lookup { .. } => {
            let raw = tensors[input.index()][shape.offset(row, column, channel)];
            weight((raw - network.quantization(input).min()) as usize)
        }
        Operation::Sample { .. } => unreachable!("samples are held to their golden in deformable.rs"),
        Operation::Transpose => tensors[input.index()][shape.offset(row, channel, column)].into(),
        Operation::Row { operator } => {
            let offsets = (0..shape.channels).map(|k| shape.offset(row, column, k));
            let values: Vec<i64> =
                offsets.map(|offset| centred(network, tensors, input, offset) as i64).collect();
            // The functions have oracles of their own in `formats`.
            let scale = network.quantization(input).scale;
            let exp = |slope: f64, n: u32| ShiftExp::of_scale(slope * scale, n);
            let results = match operator {
                RowOperator::Softmax { exponential: Exponential::Shifts } => {
                    shiftmax(&values, &exp(1.0, 15).expect("a legal scale"), 15)
                }
                RowOperator::Softmax { exponential: Exponential::Table } => {
                    let exp = TableExp::of_scale(scale).expect("a legal scale");
                    softmax_by_table(&values, &exp, 15)
                }
                RowOperator::Gelu => shift_gelu(&values, &exp(1.702, 23).expect("a legal scale")),
                RowOperator::LayerNorm { root } => layer_norm(&values, root),
            };
            results[channel].into()
        }
    }
}

/// An element less its zero point.
fn centred(network: &QuantizedNetwork, tensors: &[Vec<i32>], id: TensorId, offset: usize) -> i128 {
    i128::from(tensors[id.index()][offset]) - i128::from(network.quantization(id).zero_point)
}

/// The scaled accumulator, from the definitions: quotients and their remainders.
fn rounded(mode: Requantization, accumulator: i128, Multiplier { multiplier, shift }: Multiplier) -> i128 {
    // round_half_up(v / 2^s) = floor((2v + 2^s) / 2^(s+1)).
    let half_up = |v: i128, s: u8| (2 * v + (1i128 << s)).div_euclid(1i128 << (s + 1));
    let half_away = |v: i128, s: u8| v.signum() * half_up(v.abs(), s);
    let product = accumulator * i128::from(multiplier);
    match mode {
        Requantization::DyadicHalfUp => half_up(product, shift),
        Requantization::DoubleRounding => {
            let first = shift.min(31);
            half_away(half_up(product, first), shift - first)
        }
        Requantization::HalfAwayFromZero => half_away(product, shift),
        Requantization::SinglePrecision => {
            let scale = (f64::from(multiplier) / 2f64.powi(shift.into())) as f32;
            (accumulator as f32 * scale).round_ties_even() as i128
        }
    }
}

/// One output element of a layer, from the specification.
fn expected(network: &QuantizedNetwork, index: usize, tensors: &[Vec<i32>], at: [usize; 3]) -> i32 {
    let parameters = &network.layers()[index];
    let channel = at[2];
    let accumulator = sum(network, index, tensors, at) + i128::from(parameters.bias[channel]);
    // The promised width holds the accumulator.
    let bits = network.accumulator_bits(index);
    assert!((-(1i128 << (bits - 1))..1i128 << (bits - 1)).contains(&accumulator));
    let rounded = rounded(parameters.requantization, accumulator, parameters.multipliers[channel]);
    let shifted = rounded + i128::from(parameters.offset);
    shifted.clamp(i128::from(parameters.low), i128::from(parameters.high)) as i32
}

/// Random networks of one layer (two for an addition, whose inputs then differ in scale and zero point).
struct Source(ChaCha8Rng);

impl Source {
    fn pick(&mut self, from: usize, to: usize) -> usize {
        self.0.random_range(from..=to)
    }

    fn integer(&mut self, low: i32, high: i32) -> i32 {
        self.0.random_range(low..=high)
    }

    fn window(&mut self, has_padding: bool) -> Window {
        let mut extent = |to| Extent::new(self.pick(1, to), self.pick(1, to));
        let (kernel, stride, dilation) = (extent(3), extent(3), extent(2));
        let mut side = || if has_padding { self.pick(0, 2) } else { 0 };
        let padding = Padding { top: side(), left: side(), bottom: side(), right: side() };
        let input_dilation =
            if has_padding && self.pick(0, 3) == 0 { Extent::new(2, 3) } else { Extent::square(1) };
        Window { kernel, stride, dilation, padding, input_dilation }
    }

    fn operation(&mut self, kind: usize) -> Operation {
        match kind {
            0 => {
                let (window, groups) = (self.window(true), [1, 2, 6][self.pick(0, 2)]);
                Operation::Convolution { window, out_channels: groups * self.pick(1, 4), groups }
            }
            1 => Operation::Depthwise { window: self.window(true) },
            2 => Operation::FullyConnected { out_features: self.pick(1, 9) },
            3 => Operation::MaxPool { window: self.window(true) },
            4 => Operation::AveragePool { window: self.window(false) },
            5 => Operation::Add,
            6 => Operation::Multiply,
            7 => Operation::Concatenate,
            8 => Operation::ResizeNearest { factor: Extent::new(self.pick(1, 3), self.pick(1, 3)) },
            9 => Operation::MatrixMultiply { is_transposed: self.pick(0, 1) == 1 },
            10 => Operation::Lookup { function: Function::Tanh },
            11 => Operation::Transpose,
            _ => {
                let root = [Root::Floor, Root::TenIterations][self.pick(0, 1)];
                let exponential = [Exponential::Shifts, Exponential::Table][self.pick(0, 1)];
                let operators = [
                    RowOperator::Softmax { exponential },
                    RowOperator::Gelu,
                    RowOperator::LayerNorm { root },
                ];
                Operation::Row { operator: operators[self.pick(0, 2)] }
            }
        }
    }

    fn quantization(&mut self) -> Quantization {
        let bits = self.pick(2, 16) as u8;
        let unit = Quantization::signed(bits, 0.5, 0).expect("a legal width");
        Quantization { zero_point: self.integer(unit.min(), unit.max()), ..unit }
    }

    /// Parameters that spread the outputs over their range, most of the time.
    fn parameters(
        &mut self,
        graph: &Network,
        index: usize,
        quantizations: &[Quantization],
    ) -> QuantizedLayer {
        let layer = &graph.layers()[index];
        let operation = layer.operation;
        let input = graph.input_shape(layer);
        let weight_bits = match operation {
            Operation::Lookup { .. } => quantizations[layer.output.index()].bits() as u8,
            _ if operation.is_matrix() => self.pick(2, 16) as u8,
            _ => 8,
        };
        let count = match operation {
            Operation::Add => 2,
            Operation::Row { .. } => 0,
            Operation::Lookup { .. } => 1 << quantizations[layer.inputs[0].index()].bits(),
            _ => operation.weight_count(input),
        };
        let limit = 1i32 << (weight_bits - 1);
        let weights = (0..count).map(|_| self.integer(-limit, limit - 1) as i16).collect();
        let channels = graph.shape(layer.output).channels;
        let output = quantizations[layer.output.index()];
        let bits = (quantizations[layer.inputs[0].index()].bits() as i32 + i32::from(weight_bits))
            + operation.terms(input).ilog2_or_zero();
        let bias_limit = 1i32 << bits.min(30);
        let requantization = Requantization::ALL[self.pick(0, 3)];
        let spare = if requantization == Requantization::SinglePrecision { 7 } else { 0 };
        let (a, b) = (self.integer(output.min(), output.max()), self.integer(output.min(), output.max()));
        QuantizedLayer {
            weight_format: WeightFormat::signed(weight_bits).expect("a legal width"),
            weights,
            bias: (0..channels).map(|_| self.integer(-bias_limit, bias_limit)).collect(),
            multipliers: (0..channels)
                .map(|_| Multiplier {
                    multiplier: self.0.random_range(1 << 30..1 << 31) >> spare,
                    shift: (30 - spare + bits - output.bits() as i32 + self.integer(-3, 2)).clamp(0, 62)
                        as u8,
                })
                .collect(),
            requantization,
            input_multipliers: Vec::new(),
            arithmetic: Arithmetic::default(),
            offset: output.zero_point,
            low: a.min(b),
            high: a.max(b),
        }
    }

    fn network(&mut self, kind: usize) -> Option<QuantizedNetwork> {
        let shape = Shape::new(self.pick(1, 7), self.pick(1, 7), 6);
        let input = Tensor { name: "x".to_owned(), shape };
        let mut graph = Network::new("random", input).expect("a legal shape");
        let mut inputs = vec![TensorId::INPUT];
        if [5, 6, 7, 9].contains(&kind) {
            let identity = Operation::AveragePool { window: Window::square(1) };
            inputs.push(graph.push("identity", identity, inputs.clone()).expect("equal shapes"));
        }
        // Some windows are larger than their input.
        graph.push("layer", self.operation(kind), inputs).ok()?;
        let quantizations: Vec<_> = graph.tensors().iter().map(|_| self.quantization()).collect();
        let indices = 0..graph.layers().len();
        let layers = indices.map(|index| self.parameters(&graph, index, &quantizations)).collect();
        QuantizedNetwork::new(graph, quantizations, layers).ok()
    }
}

/// `ilog2` with 0 for 0.
trait Logarithm {
    fn ilog2_or_zero(self) -> i32;
}

impl Logarithm for usize {
    fn ilog2_or_zero(self) -> i32 {
        self.checked_ilog2().unwrap_or(0) as i32
    }
}

#[test]
fn random_layers_follow_the_specification() {
    let mut source = Source(ChaCha8Rng::seed_from_u64(7));
    let mut distinct_outputs = std::collections::BTreeSet::new();
    for kind in 0..13 {
        let mut tried = 0;
        while tried < 150 {
            let Some(network) = source.network(kind) else { continue };
            tried += 1;
            let graph = network.graph();
            let quantization = network.quantization(TensorId::INPUT);
            let elements = graph.shape(TensorId::INPUT).elements();
            let input: Vec<i32> =
                (0..elements).map(|_| source.integer(quantization.min(), quantization.max())).collect();
            let tensors = network.run(&input).expect("the input fits");
            for (index, layer) in graph.layers().iter().enumerate() {
                let shape = graph.shape(layer.output);
                let found = &tensors[layer.output.index()];
                assert_eq!(found.len(), shape.elements());
                for (offset, &found) in found.iter().enumerate() {
                    let position = offset / shape.channels;
                    let at = [position / shape.width, position % shape.width, offset % shape.channels];
                    let expected = expected(&network, index, &tensors, at);
                    assert_eq!(found, expected, "{layer:?} at {at:?}");
                    distinct_outputs.insert(found);
                }
            }
        }
    }
    // The outputs are not all clamped: they take many values.
    assert!(distinct_outputs.len() > 2000, "{}", distinct_outputs.len());
}

#[test]
fn inputs_that_do_not_fit_are_refused() {
    let mut source = Source(ChaCha8Rng::seed_from_u64(1));
    let network = std::iter::repeat_with(|| source.network(0)).flatten().next().expect("endless");
    let elements = network.graph().shape(TensorId::INPUT).elements();
    let beyond = network.quantization(TensorId::INPUT).max() + 1;
    for (input, message) in [
        (vec![0; elements + 1], format!("the input has {elements} elements, found {}", elements + 1)),
        (vec![beyond; elements], format!("input element {beyond} is not one of")),
    ] {
        let error = network.run(&input).expect_err("must be refused").to_string();
        assert!(error.contains(&message), "{error}");
    }
}
