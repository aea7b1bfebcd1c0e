//! ResNet-18 at 224 × 224 with weights drawn at random, on 32 × 32 multipliers: how long a run takes whose every tensor
//! and every command's cycles are known, how long its cycles alone, and how much memory.

use std::time::Instant;

use bitmill_accelerator::{Accelerator, Configuration};
use bitmill_hdl::unit::Random;
use bitmill_model::{
    ActivationFormat, Arithmetic, ModelError, Multiplier, Network, Operation, Quantization, QuantizedLayer,
    QuantizedNetwork, Requantization, Shape, Tensor, TensorId, WeightFormat, Window,
};
use bitmill_sim::{Effort, Keep, lower, time};

use super::{Outcome, simulate};

/// A systolic array's worth of multipliers: 32 pixels by 32 output channels at once. All of the largest activations lie
/// in the scratchpad.
const CONFIGURATION: &str = "
name: resnet18
precision: {activations: int8, weights: int8}
pe: {kind: integer, lanes: 4}
array: {rows: 8, columns: 32}
scratchpads: {activations_kib: 2048, banks_per_row: 2, weights_kib: 256, parameters_kib: 16}
memory: {width_bits: 256, burst_beats: 64}
";

/// Channels and stride of each stage of two blocks.
const STAGES: [(usize, usize); 4] = [(64, 1), (128, 2), (256, 2), (512, 2)];

struct Builder {
    random: Random,
    graph: Network,
    layers: Vec<QuantizedLayer>,
}

impl Builder {
    fn push(
        &mut self,
        operation: Operation,
        inputs: Vec<TensorId>,
        is_relu: bool,
    ) -> Result<TensorId, ModelError> {
        let input = self.graph.shape(inputs[0]);
        let output = self.graph.push(format!("layer{}", self.layers.len()), operation, inputs)?;
        let channels = self.graph.shape(output).channels;
        let count = operation.weight_count(input);
        let is_add = operation == Operation::Add;
        let factor = match operation {
            Operation::MaxPool { .. } => 1.0,
            Operation::Add => 0.5,
            Operation::AveragePool { .. } => 1.0 / operation.terms(input) as f64,
            _ => 0.02 / (operation.terms(input) as f64).sqrt(),
        };
        let weights = match is_add {
            true => vec![1, 1],
            false => (0..count).map(|_| self.random.below(255) as i16 - 127).collect(),
        };
        let is_matrix = operation.is_matrix();
        self.layers.push(QuantizedLayer {
            weight_format: if is_matrix {
                WeightFormat::signed(8).map_err(ModelError::Input)?
            } else {
                WeightFormat::lane()
            },
            weights,
            bias: vec![0; channels],
            multipliers: vec![Multiplier::nearest(factor).map_err(ModelError::Input)?; channels],
            requantization: Requantization::DyadicHalfUp,
            input_multipliers: Vec::new(),
            arithmetic: Arithmetic::default(),
            offset: 0,
            low: if is_relu { 0 } else { -128 },
            high: 127,
        });
        Ok(output)
    }

    fn convolution(
        &mut self,
        input: TensorId,
        (kernel, stride): (usize, usize),
        out_channels: usize,
        is_relu: bool,
    ) -> Result<TensorId, ModelError> {
        let window = Window::square(kernel).with_stride(stride).with_padding(kernel / 2);
        self.push(Operation::Convolution { window, out_channels, groups: 1 }, vec![input], is_relu)
    }
}

/// He et al., 2016, table 1.
fn network() -> Result<QuantizedNetwork, ModelError> {
    let input = Tensor { name: "image".to_owned(), shape: Shape::new(224, 224, 3) };
    let graph = Network::new("resnet18", input)?;
    let mut builder = Builder { random: Random::new(18), graph, layers: Vec::new() };
    let stem = builder.convolution(TensorId::INPUT, (7, 2), 64, true)?;
    let window = Window::square(3).with_stride(2).with_padding(1);
    let mut tensor = builder.push(Operation::MaxPool { window }, vec![stem], false)?;
    for (stage, (channels, stride)) in STAGES.into_iter().enumerate() {
        for block in 0..2 {
            let stride = if block == 0 { stride } else { 1 };
            let inner = builder.convolution(tensor, (3, stride), channels, true)?;
            let outer = builder.convolution(inner, (3, 1), channels, false)?;
            let short = match block == 0 && stage > 0 {
                true => builder.convolution(tensor, (1, stride), channels, false)?,
                false => tensor,
            };
            tensor = builder.push(Operation::Add, vec![outer, short], true)?;
        }
    }
    let window = Window::global(builder.graph.shape(tensor));
    let pooled = builder.push(Operation::AveragePool { window }, vec![tensor], false)?;
    builder.push(Operation::FullyConnected { out_features: 1000 }, vec![pooled], false)?;
    let format = ActivationFormat::signed(8).map_err(ModelError::Input)?;
    let quantization = Quantization { format, scale: 1.0, zero_point: 0 };
    let tensors = builder.layers.len() + 1;
    QuantizedNetwork::new(builder.graph, vec![quantization; tensors], builder.layers)
}

/// Prints the least of some runs of each.
pub fn alone() -> Outcome {
    let accelerator = Accelerator::new(Configuration::from_yaml(CONFIGURATION)?)?;
    let network = network()?;
    let elements = network.graph().shape(TensorId::INPUT).elements() as i32;
    let input: Vec<i32> = (0..elements).map(|i| (i * 37 + i / 7 * 11) % 256 - 128).collect();
    let least = |turns: usize, work: &mut dyn FnMut() -> Outcome| {
        let times: Result<Vec<_>, _> = (0..turns)
            .map(|_| {
                let began = Instant::now();
                work().map(|()| began.elapsed())
            })
            .collect();
        times.map(|times| times.into_iter().min().unwrap_or_default().as_secs_f64() * 1e3)
    };
    let program = lower(&accelerator, &network, Keep::Output)?;
    let mut cycles = 0;
    let exact = least(3, &mut || {
        cycles = simulate(&accelerator, &program, &network, &input)?;
        Ok(())
    })?;
    let timing = least(10, &mut || {
        std::hint::black_box(time(&accelerator, &network, Effort::Search)?);
        Ok(())
    })?;
    println!("ResNet-18 at 224 x 224 on {} multipliers, {cycles} cycles", accelerator.peak_macs());
    println!("  bit-exact with cycles  min {exact:9.1} ms");
    println!("  cycles alone, lowered  min {timing:9.1} ms");
    if let Some(peak) = peak_memory() {
        println!("  peak of memory         {peak}");
    }
    Ok(())
}

/// The most memory that the process has had, where the system tells.
fn peak_memory() -> Option<String> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
    Some(line.trim().to_owned())
}
