//! Every kind of processing element in the array of a whole accelerator: convolutions and matrix products in its
//! formats, which change from one command to the next, equal to the simulator to the cycle and to the bit.
//!
//! Under Verilator the quick suite takes the first case of each kind, `BITMILL_FULL` takes all. `BITMILL_UNIT=l_mul`
//! narrows both to cases whose names start so.

mod cases;
#[path = "../common/mod.rs"]
mod common;
#[path = "../common/parallel.rs"]
mod parallel;

use bitmill_accelerator::{Accelerator, Configuration};
use bitmill_formats::{Complex, Family, Format, GroupScales, Sherry};
use bitmill_hdl::unit::Random;
use bitmill_model::{
    ActivationFormat, Arithmetic, Multiplier, Network, Operation, Padding, Quantization, QuantizedLayer,
    QuantizedNetwork, Requantization, Shape, Tensor, TensorId, WeightFormat, Window,
};
use bitmill_sim::Keep;
use bitmill_testbenches::accelerator::{Engine, Verdict, Verification, VerificationError};
use bitmill_testbenches::{Sources, readers};
use cases::{CASES, Case};

impl Case {
    /// The kind of its PE, with the brace before it.
    fn kind(&self) -> &str {
        self.pe.split(',').next().unwrap_or(self.pe)
    }

    fn accelerator(&self) -> Accelerator {
        let yaml = format!(
            "name: {}\nprecision: {{activations: [{}], weights: [{}]}}\npe: {}\narray: {{rows: {}, columns: {}}}\n\
             scratchpads: {{activations_kib: 16, weights_kib: 16}}\nvector: {{rounding: [dyadic_half_up]}}\n\
             memory: {{width_bits: {}}}\n",
            self.name,
            self.activations.join(", "),
            self.weights.join(", "),
            self.pe,
            self.array.0,
            self.array.1,
            // A block and its scale take a beat of memory.
            if self.tensors.iter().any(|tensor| is_block(tensor)) { 256 } else { 64 }
        );
        Accelerator::new(Configuration::from_yaml(&yaml).expect("a legal case"))
            .unwrap_or_else(|e| panic!("{}: {e}", self.name))
    }

    /// A 3 × 3 convolution, then products over channels, at 5 × 6 pixels.
    fn network(&self, accelerator: &Accelerator, random: &mut Random) -> QuantizedNetwork {
        let input = Tensor { name: "input".to_owned(), shape: Shape::new(5, 6, self.channels[0]) };
        let mut graph = Network::new(self.name, input).expect("a legal case");
        let mut tensor = TensorId::INPUT;
        for index in 0..self.layers.len() {
            let mut window = Window::square(if index == 0 { 3 } else { 1 });
            if index == 0 && self.tensors[0] != "binary" {
                window.padding = Padding { top: 1, bottom: 1, left: 1, right: 1 };
            }
            let out_channels = self.channels[index + 1];
            let operation = Operation::Convolution { window, out_channels, groups: 1 };
            tensor = graph.push(format!("layer_{index}"), operation, vec![tensor]).expect("a legal case");
        }
        let quantizations: Vec<Quantization> = self
            .tensors
            .iter()
            .map(|name| {
                let unit = Quantization {
                    format: ActivationFormat::new(&name.parse().expect("a legal case"))
                        .expect("a legal case"),
                    scale: 0.5,
                    zero_point: 0,
                };
                let is_centred = unit.is_binary() || unit.format.float().is_some();
                let zero_point = if is_centred { 0 } else { between(random, unit.min(), unit.max()) };
                Quantization { zero_point, ..unit }
            })
            .collect();
        let layers = (0..self.layers.len())
            .map(|index| {
                let taps = if index == 0 { 9 } else { 1 };
                self.layer(accelerator, random, index, taps, &quantizations[index..index + 2])
            })
            .collect();
        QuantizedNetwork::new(graph, quantizations, layers).unwrap_or_else(|e| panic!("{}: {e}", self.name))
    }

    /// Random parameters whose outputs spread over their range.
    fn layer(
        &self,
        accelerator: &Accelerator,
        random: &mut Random,
        index: usize,
        taps: usize,
        around: &[Quantization],
    ) -> QuantizedLayer {
        let format: Format = self.layers[index].parse().expect("a legal case");
        let weight_format = WeightFormat::new(format).expect("a legal case");
        let (inputs, outputs) = (self.channels[index], self.channels[index + 1]);
        let weights = weights(random, &weight_format, outputs, taps * inputs, inputs);
        let typical = (inputs * taps) as f64;
        let (least, most) = weight_format.range();
        let largest_weight = weight_format.real(most).max(-weight_format.real(least));
        let [largest_input, largest_output] = [0, 1].map(|side| largest(&around[side]));
        let product = largest_weight * largest_input;
        // Floating-point numbers are seldom as large as they may be.
        let usual = if around[0].format.float().is_some() { product / 16.0 } else { product };
        let factor = largest_output / (usual * typical.sqrt() * 0.5);
        let activation = around[0].format.name();
        let multiplication = accelerator.multiplication(&activation, weight_format.format());
        let lsb =
            multiplication.lsb_exponent(activation.lsb_exponent(), weight_format.format().lsb_exponent());
        let is_float = around[0].format.float().is_some() || weight_format.is_ordered();
        let unit = if is_float { 2f64.powi(lsb - weight_format.unit_exponent()) } else { 1.0 };
        let bias = (product / unit).min(1e8);
        let bias_places = if is_float { ((product / unit).log2() - 29.0).ceil().max(0.0) as u8 } else { 0 };
        QuantizedLayer {
            weight_format,
            weights,
            // Floating-point biases are of any magnitude too.
            bias: (0..outputs)
                .map(|_| {
                    let drawn = between(random, -(bias as i32), bias as i32);
                    if is_float { drawn >> (8 + random.below(16)) } else { drawn }
                })
                .collect(),
            // Floating-point channels lie in different binades.
            multipliers: (0..outputs)
                .map(|output| {
                    let binade = if around[1].format.float().is_some() { output % 3 * 2 } else { 0 };
                    Multiplier::nearest(factor / f64::from(1u32 << binade)).expect("a legal case")
                })
                .collect(),
            requantization: Requantization::DyadicHalfUp,
            input_multipliers: Vec::new(),
            arithmetic: Arithmetic { multiplication, bias_places },
            offset: around[1].zero_point,
            low: around[1].min(),
            high: around[1].max(),
        }
    }
}

fn is_block(format: &str) -> bool {
    matches!(format.parse(), Ok(Format::Block(_)))
}

/// The largest magnitude of a tensor's numbers.
fn largest(quantization: &Quantization) -> f64 {
    [quantization.min(), quantization.max()]
        .map(|end| quantization.value(end).to_f64().abs())
        .into_iter()
        .fold(0.0, f64::max)
}

fn between(random: &mut Random, low: i32, high: i32) -> i32 {
    low + random.below((high - low + 1) as u64) as i32
}

/// Weights of a format, rows of `row` each, `channels` to a tap.
fn weights(random: &mut Random, format: &WeightFormat, rows: usize, row: usize, channels: usize) -> Vec<i16> {
    match format.format() {
        // The last group of a row may be cut off.
        Format::Sherry(_) => (0..rows)
            .flat_map(|_| {
                let groups =
                    (0..row.div_ceil(Sherry::LANES)).flat_map(|_| Sherry.decode(random.below(32) as u32));
                groups.take(row).map(i16::from).collect::<Vec<_>>()
            })
            .collect(),
        Format::Complex(_) => {
            let codes: Vec<u32> = (0..rows / 2 * row / 2).map(|_| random.below(4) as u32).collect();
            let part = |output: usize, input: usize| {
                let (re, im) = Complex.decode(codes[output / 2 * (row / 2) + input / 2]);
                i16::from([[re, im], [im, -re]][output % 2][input % 2])
            };
            (0..rows)
                .flat_map(|output| (0..row).map(move |input| (output, input)))
                .map(|(o, i)| part(o, i))
                .collect()
        }
        Format::Scalar(_) => {
            let choices = format.choices().expect("a legal case");
            (0..rows)
                .flat_map(|_| {
                    let values = &choices[random.below(choices.len() as u64) as usize];
                    let (least, most) = values.range();
                    let mut draw = || {
                        if values.is_ordered() {
                            // Any of the upper binades: bf16 has more of them below than a sum has places.
                            let significand = f64::from(between(random, -511, 511)) / 512.0;
                            let binade = 2f64.powi(-between(random, 0, 7));
                            return values.nearest(values.real(most) * significand * binade);
                        }
                        values.nearest(f64::from(between(random, least.into(), most.into())))
                    };
                    (0..row).map(|_| draw()).collect::<Vec<_>>()
                })
                .collect()
        }
        Format::Grouped(grouped) => {
            let ranges = grouped.groups(row / channels, channels);
            let scales = GroupScales::new(grouped);
            let choices = grouped.element().group_choices();
            (0..rows)
                .flat_map(|_| {
                    ranges
                        .iter()
                        .flat_map(|range| {
                            let scale = 1 + random.below(grouped.largest_scale().into()) as i32;
                            let choice = &choices[random.below(choices.len() as u64) as usize];
                            let unit = 2f64.powi(-grouped.lsb_exponent());
                            let draw = |_| {
                                let code = random.below(u64::from(choice.largest_code()) + 1) as u32;
                                (scale * (choice.decode(code).to_f64() * unit) as i32) as i16
                            };
                            let weights: Vec<i16> = range.clone().map(draw).collect();
                            assert!(scales.of(&weights).is_some(), "{grouped}: {weights:?}");
                            weights
                        })
                        .collect::<Vec<_>>()
                })
                .collect()
        }
        Format::Block(_) => {
            let block = format.block().expect("a legal case");
            let (least, most) = format.range();
            let mut drawn: Vec<i32> = (0..rows * row)
                .map(|_| {
                    let magnitude = f64::from(between(random, -511, 511)) / 512.0;
                    let binade = 2f64.powi(-between(random, 0, 9));
                    let largest = format.real(most).max(-format.real(least));
                    format.nearest(largest * magnitude * binade).into()
                })
                .collect();
            block.settle(&mut drawn, channels);
            drawn.into_iter().map(|ordinal| ordinal as i16).collect()
        }
    }
}

fn input(random: &mut Random, network: &QuantizedNetwork) -> Vec<i32> {
    let quantization = network.quantization(TensorId::INPUT);
    let elements = network.graph().shape(TensorId::INPUT).elements();
    let draw = |_| loop {
        let value = between(random, quantization.min(), quantization.max());
        if quantization.holds(value) {
            return value;
        }
    };
    let mut input: Vec<i32> = (0..elements).map(draw).collect();
    if let Some(block) = quantization.format.block() {
        block.settle(&mut input, network.graph().shape(TensorId::INPUT).channels);
    }
    input
}

/// Results that are all alike would show nothing.
fn check_spread(case: &Case, network: &QuantizedNetwork, input: &[i32]) {
    let tensors = network.run(input).expect("a legal input");
    for (layer, tensor) in network.graph().layers().iter().zip(&tensors[1..]) {
        let format = network.quantization(layer.output);
        let distinct: std::collections::BTreeSet<i32> = tensor.iter().copied().collect();
        let some = if format.is_binary() { 2 } else { 3 };
        assert!(distinct.len() >= some, "{} {}: {} of {some} results", case.name, layer.name, distinct.len());
    }
}

fn verify(case: &Case, engine: &Engine) -> Result<Verdict, VerificationError> {
    let mut random = Random::new(7);
    let accelerator = case.accelerator();
    let network = case.network(&accelerator, &mut random);
    let input = input(&mut random, &network);
    check_spread(case, &network, &input);
    let top = accelerator.module().expect("a checked circuit");
    let (accelerator, network) = (&accelerator, &network);
    let verification =
        Verification { accelerator, top, network, input: &input, keep: Keep::Every, waves: None };
    verification.run(engine, &mut |_, _| ())
}

fn wanted() -> impl Iterator<Item = &'static Case> {
    let prefix = std::env::var("BITMILL_UNIT").unwrap_or_default();
    CASES.iter().filter(move |case| case.name.starts_with(&prefix))
}

#[test]
fn every_kind_in_the_interpreter() {
    for case in wanted() {
        let verdict = verify(case, &Engine::Interpreter).unwrap_or_else(|e| panic!("{}: {e}", case.name));
        println!("{}: {verdict:?}", case.name);
    }
}

#[test]
fn every_kind_in_verilator() {
    let Some(verilator) = common::verilator_for("every kind of processing element") else { return };
    let engine = Engine::Verilator(verilator);
    let is_first = |case: &Case| {
        CASES.iter().find(|other| other.kind() == case.kind()).map(|c| c.name) == Some(case.name)
    };
    let takes_all = ["BITMILL_FULL", "BITMILL_UNIT"].iter().any(|name| std::env::var_os(name).is_some());
    let cases: Vec<&Case> = wanted().filter(|case| takes_all || is_first(case)).collect();
    parallel::on_every_core(&cases, |case| {
        let accelerator = case.accelerator();
        let design =
            bitmill_hdl::Design::new(&accelerator.module().expect("a legal case")).expect("a legal case");
        readers::lint(&Sources::of(&design)).unwrap_or_else(|e| panic!("{}: {e}", case.name));
        let verdict = verify(case, &engine).unwrap_or_else(|e| panic!("{}: {e}", case.name));
        println!("{}: {verdict:?}", case.name);
    });
}
