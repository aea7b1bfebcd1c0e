//! Accelerators and networks drawn at random, small enough for the interpreter.

use bitmill_accelerator::{Accelerator, Configuration};
use bitmill_hdl::unit::Random;
use bitmill_model::{
    ActivationFormat, Arithmetic, Extent, Function, Multiplier, Network, Operation, Padding, Quantization,
    QuantizedLayer, QuantizedNetwork, Requantization, Shape, Tensor, TensorId, WeightFormat, Window,
};

/// Roundings that every drawn accelerator has.
const MODES: [Requantization; 3] =
    [Requantization::DyadicHalfUp, Requantization::DoubleRounding, Requantization::HalfAwayFromZero];

fn within(random: &mut Random, low: usize, high: usize) -> usize {
    low + random.below((high - low + 1) as u64) as usize
}

fn one_of<T: Copy>(random: &mut Random, items: &[T]) -> T {
    items[random.below(items.len() as u64) as usize]
}

/// A legal accelerator for activations of `bits`, and its YAML.
pub fn accelerator(random: &mut Random, bits: u32) -> (Accelerator, String) {
    let rows: u32 = one_of(random, &[1, 2, 4, 8]);
    let lanes = one_of(random, &[1, 2, 4, 8]);
    let columns = lanes * one_of(random, &[1, 2, 3]);
    let drained = 1 << random.below(u64::from(rows.ilog2()) + 1);
    let least_beat = (lanes * bits).next_power_of_two().max(32);
    let beat = [32, 64, 128, 256].into_iter().filter(|beat| *beat >= least_beat).collect::<Vec<u32>>();
    let yaml = format!(
        "name: drawn\nprecision: {{activations: int{bits}, weights: int{bits}}}\n\
         pe: {{kind: integer, lanes: {lanes}}}\narray: {{rows: {rows}, columns: {columns}, input_dilation: {}}}\n\
         scratchpads: {{activations_kib: {}, banks_per_row: {}, weights_kib: {}, parameters_kib: {}}}\n\
         vector: {{rows: {drained}, lookup_tables: {}, residual: {}}}\n\
         memory: {{width_bits: {}, burst_beats: {}, outstanding_reads: {}, outstanding_writes: {}, \
         latency_cycles: {}, beat_interval_cycles: {}}}\n",
        one_of(random, &[1, 2, 4, 8]),
        one_of(random, &[2, 4, 8]),
        one_of(random, &[1, 1, 2, 4]),
        one_of(random, &[1, 2, 4]),
        one_of(random, &[1, 1, 2]),
        one_of(random, &[0, 1, 2, 3]),
        random.one_in(2),
        one_of(random, &beat),
        within(random, 1, 20),
        within(random, 1, 4),
        within(random, 1, 4),
        within(random, 1, 40),
        one_of(random, &[1, 1, 2, 3]),
    );
    let configuration = Configuration::from_yaml(&yaml).expect("well-formed");
    (Accelerator::new(configuration).unwrap_or_else(|error| panic!("{yaml}{error}")), yaml)
}

/// A network of some layers whose tensors have `bits`, of operations that `accelerator` mostly has.
pub fn network(random: &mut Random, accelerator: &Accelerator, bits: u8) -> QuantizedNetwork {
    let shape = Shape::new(within(random, 1, 9), within(random, 1, 9), within(random, 1, 9));
    let mut graph = Network::new("drawn", Tensor { name: "x".to_owned(), shape }).expect("a legal shape");
    let wanted = within(random, 2, 6);
    while graph.layers().len() < wanted {
        let (operation, inputs) = layer(random, accelerator, &graph);
        // What does not suit its inputs is drawn again.
        let _ = graph.push(format!("layer{}", graph.layers().len()), operation, inputs);
    }
    let format = ActivationFormat::signed(bits).expect("a legal width");
    let half = 1 << (bits - 1);
    let quantizations: Vec<Quantization> = graph
        .tensors()
        .iter()
        .map(|_| {
            let zero_point = random.below(2 * half) as i32 - half as i32;
            Quantization { format, scale: 0.5, zero_point }
        })
        .collect();
    let layers = graph.layers().iter().map(|layer| {
        let terms = layer.operation.terms(graph.input_shape(layer));
        let output = quantizations[layer.output.index()];
        let weights = layer.operation.weight_count(graph.input_shape(layer));
        parameters(random, &layer.operation, graph.shape(layer.output).channels, terms, weights, &output)
    });
    let layers = layers.collect();
    QuantizedNetwork::new(graph.clone(), quantizations.clone(), layers).expect("legal parameters")
}

/// Raw integers for the network's input.
pub fn input(random: &mut Random, network: &QuantizedNetwork) -> Vec<i32> {
    let quantization = network.quantization(TensorId::INPUT);
    let codes = (quantization.max() - quantization.min() + 1) as u64;
    let elements = network.graph().shape(TensorId::INPUT).elements();
    (0..elements).map(|_| quantization.min() + random.below(codes) as i32).collect()
}

/// An operation on tensors that there are, mostly on the latest.
fn layer(random: &mut Random, accelerator: &Accelerator, graph: &Network) -> (Operation, Vec<TensorId>) {
    let outputs = graph.layers().iter().map(|layer| layer.output);
    let tensors: Vec<TensorId> = [TensorId::INPUT].into_iter().chain(outputs).collect();
    let latest = tensors[tensors.len() - 1];
    let first = if random.one_in(4) { one_of(random, &tensors) } else { latest };
    let second = one_of(random, &tensors);
    let shape = graph.shape(first);
    let window = window(random, accelerator);
    let one = |operation| (operation, vec![first]);
    match random.below(14) {
        0..4 => {
            let groups = if random.one_in(4) { shape.channels } else { 1 };
            let out_channels = groups * within(random, 1, if groups == 1 { 12 } else { 2 });
            one(Operation::Convolution { window, out_channels, groups })
        }
        4 | 5 => one(Operation::Depthwise { window }),
        6 => one(Operation::MaxPool { window }),
        7 if random.one_in(2) => one(Operation::AveragePool { window: Window::global(shape) }),
        7 => one(Operation::AveragePool { window: Window { padding: Padding::default(), ..window } }),
        8 => one(Operation::FullyConnected { out_features: within(random, 1, 12) }),
        9 => (Operation::Concatenate, vec![first, second]),
        10 => (Operation::Add, vec![first, second]),
        11 if accelerator.lookup_tables() > 0 => one(Operation::Lookup { function: Function::Sigmoid }),
        12 => one(Operation::ResizeNearest { factor: input_dilation(random, accelerator) }),
        _ => (Operation::Multiply, vec![first, second]),
    }
}

/// An input dilation, seldom one that the accelerator lacks.
fn input_dilation(random: &mut Random, accelerator: &Accelerator) -> Extent {
    let most = accelerator.most_input_dilation_log2();
    let log2 = if random.one_in(20) { 2 } else { random.below(u64::from(most) + 1) };
    Extent::square(1 << log2)
}

fn window(random: &mut Random, accelerator: &Accelerator) -> Window {
    let extent = |random: &mut Random, most| Extent::new(within(random, 1, most), within(random, 1, most));
    let (kernel, stride, dilation) = (extent(random, 4), extent(random, 3), extent(random, 2));
    // A window always meets the input.
    let mut padding = |kernel: usize| within(random, 0, (kernel - 1).min(2));
    let padding = Padding {
        top: padding(kernel.height),
        left: padding(kernel.width),
        bottom: padding(kernel.height),
        right: padding(kernel.width),
    };
    let input_dilation =
        if random.one_in(4) { input_dilation(random, accelerator) } else { Extent::square(1) };
    Window { kernel, stride, dilation, padding, input_dilation }
}

fn parameters(
    random: &mut Random,
    operation: &Operation,
    channels: usize,
    terms: usize,
    weights: usize,
    output: &Quantization,
) -> QuantizedLayer {
    let (low, high) = (output.min(), output.max());
    let (codes, half) = ((high - low + 1) as u64, f64::from(high));
    let multiplier = |real: f64| Multiplier::nearest(real).expect("a legal factor");
    if let Operation::Lookup { .. } = operation {
        // Half of them rescale what the table says.
        let (factor, bias) = if random.one_in(2) { (1.0, 0) } else { (0.7, 3) };
        return QuantizedLayer {
            weight_format: WeightFormat::signed(output.bits() as u8).expect("a legal width"),
            weights: (low..=high).map(|_| (i64::from(low) + random.below(codes) as i64) as i16).collect(),
            bias: vec![bias; channels],
            multipliers: vec![multiplier(factor); channels],
            requantization: one_of(random, &MODES),
            input_multipliers: Vec::new(),
            arithmetic: Arithmetic::default(),
            offset: 0,
            low,
            high,
        };
    }
    let is_add = *operation == Operation::Add;
    let in_one_step = is_add && random.one_in(2);
    // Sums of random terms spread over about the range of the output.
    let spread = match operation {
        _ if in_one_step => f64::from(1 << 19),
        Operation::MaxPool { .. } | Operation::Concatenate | Operation::ResizeNearest { .. } => 1.0,
        Operation::AveragePool { .. } => (terms as f64).sqrt(),
        Operation::Multiply => half,
        _ => half * (terms as f64).sqrt(),
    };
    let per_channel = operation.is_matrix() || matches!(operation, Operation::Depthwise { .. });
    let mut factor = || multiplier((0.5 + random.below(1000) as f64 / 1000.0) / spread);
    let common = factor();
    let multipliers = (0..channels).map(|_| if per_channel { factor() } else { common }).collect();
    let bias_range = if per_channel { codes * terms as u64 } else { 1 };
    let relu = random.one_in(3);
    QuantizedLayer {
        weight_format: match operation.is_matrix() {
            true => WeightFormat::new(output.format.scalar().into()).expect("integers are legal"),
            false => WeightFormat::lane(),
        },
        weights: (0..if is_add && !in_one_step { 2 } else { weights })
            .map(|_| (i64::from(low) + random.below(codes) as i64) as i16)
            .collect(),
        bias: (0..channels).map(|_| random.below(bias_range) as i32 - bias_range as i32 / 2).collect(),
        multipliers,
        requantization: one_of(random, &MODES),
        input_multipliers: match in_one_step {
            true => {
                let pair = [multiplier(0.5), multiplier(0.03 + random.below(400) as f64 / 1000.0)];
                if random.one_in(2) { vec![pair[1], pair[0]] } else { pair.to_vec() }
            }
            false => Vec::new(),
        },
        arithmetic: Arithmetic::default(),
        offset: output.zero_point,
        low: if relu { output.zero_point } else { low },
        high,
    }
}
