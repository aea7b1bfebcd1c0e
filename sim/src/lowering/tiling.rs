//! How finely layers are cut into chunks: a search for the fewest simulated cycles.
//!
//! Chunks as large as a scratchpad leave no room to load the next one meanwhile; small ones end more often. What is
//! better depends on the memory, on the layer, and on its neighbours, whose weights are loaded ahead as well; so each
//! way to cut is simulated.

use bitmill_accelerator::{Accelerator, Opcode, Queue};

use serde::{Deserialize, Serialize};

use crate::machine::{Timings, Trace, run_knowing};
use crate::{Program, SimulationError};

/// Chunks that fit the scratchpads of weights and parameters together, where their tiles are small enough. The first is
/// what the search starts from: one chunk is computed on, one is ready, and others are loaded.
const CHUNKS_AT_ONCE: [u32; 6] = [3, 2, 4, 1, 6, 8];

/// The part of all cycles that a layer may wait and be left as it is: one in so many.
const SHORTEST_WAIT: u64 = 1000;

/// How long to look for the way to cut that takes the fewest cycles.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Effort {
    /// Ways to cut are simulated, and the best is kept.
    #[default]
    Search,
    /// The way that the search would start from: one simulation, and some more cycles where layers wait.
    FirstCut,
}

/// How many chunks of each layer fit the scratchpads together.
#[derive(Clone)]
pub(super) struct Tiling(Vec<u32>);

impl Tiling {
    pub fn chunks_at_once(&self, layer: usize) -> u32 {
        self.0[layer]
    }
}

/// The program that takes the fewest cycles: of those that cut all layers alike, then with one layer after the other cut
/// otherwise.
pub(super) fn fewest_cycles(
    accelerator: &Accelerator,
    layers: usize,
    effort: Effort,
    program: impl Fn(&Tiling) -> Result<Program, SimulationError>,
) -> Result<Program, SimulationError> {
    let alike = |chunks_at_once: u32| Tiling(vec![chunks_at_once; layers]);
    let mut timings = Timings::new();
    let mut candidate = |tiling: Tiling, program: Program| {
        let trace = run_knowing(accelerator, &program, &mut timings);
        Candidate { tiling, program, trace }
    };
    let first = alike(CHUNKS_AT_ONCE[0]);
    let of_first = program(&first)?;
    if effort == Effort::FirstCut {
        return Ok(of_first);
    }
    let mut best = candidate(first, of_first);
    let mut challenge = |best: &mut Candidate, tiling: Tiling| {
        // More chunks may need more memory than there is.
        let Ok(found) = program(&tiling) else { return };
        if found.commands == best.program.commands {
            return;
        }
        let other = candidate(tiling, found);
        if other.trace.cycles < best.trace.cycles {
            *best = other;
        }
    };
    for &chunks_at_once in &CHUNKS_AT_ONCE[1..] {
        challenge(&mut best, alike(chunks_at_once));
    }
    for (layer, waits) in best.layers_to_cut(layers) {
        let now = best.tiling.chunks_at_once(layer);
        // Where nothing waits, smaller chunks have nothing to offer.
        for chunks_at_once in CHUNKS_AT_ONCE.into_iter().filter(|&other| waits || other < now) {
            let mut tiling = best.tiling.clone();
            tiling.0[layer] = chunks_at_once;
            challenge(&mut best, tiling);
        }
    }
    Ok(best.program)
}

/// A way to cut, what it becomes, and how that runs.
struct Candidate {
    tiling: Tiling,
    program: Program,
    trace: Trace,
}

impl Candidate {
    /// Layers that another cut may make faster, and whether nothing is computed while they wait: the others are in
    /// several chunks.
    fn layers_to_cut(&self, layers: usize) -> Vec<(usize, bool)> {
        let mut commands = vec![0; layers];
        let mut waits = vec![0; layers];
        let mut done = 0;
        for (planned, command) in self.program.commands.iter().zip(&self.trace.commands) {
            if command.queue == Queue::Compute && planned.command.opcode() != Opcode::Residual {
                commands[planned.layer] += 1;
                waits[planned.layer] += command.start - done;
                done = command.done;
            }
        }
        let shortest = self.trace.cycles / SHORTEST_WAIT;
        let of_layer = (0..layers).map(|layer| (layer, waits[layer] > shortest));
        of_layer.filter(|&(layer, waits)| waits || commands[layer] > 1).collect()
    }
}

#[cfg(test)]
mod tests {
    use bitmill_accelerator::{Accelerator, Configuration};
    use bitmill_model::{
        ActivationFormat, Arithmetic, Multiplier, Network, Operation, Quantization, QuantizedLayer,
        QuantizedNetwork, Requantization, Shape, Tensor, TensorId, WeightFormat,
    };

    use super::{CHUNKS_AT_ONCE, Effort, Tiling, fewest_cycles};
    use crate::lowering::Allocated;
    use crate::lowering::allocate::allocate;
    use crate::{Keep, run};

    /// Fully connected layers of these many features, one behind the other.
    fn network(features: &[usize]) -> QuantizedNetwork {
        let input = Tensor { name: "input".to_owned(), shape: Shape::vector(features[0]) };
        let mut graph = Network::new("features", input).expect("a legal shape");
        let mut layers = Vec::new();
        let mut tensor = TensorId::INPUT;
        for (number, pair) in features.windows(2).enumerate() {
            let operation = Operation::FullyConnected { out_features: pair[1] };
            tensor = graph.push(format!("layer{number}"), operation, vec![tensor]).expect("a legal layer");
            layers.push(QuantizedLayer {
                weight_format: WeightFormat::signed(8).expect("a legal width"),
                weights: vec![1; pair[0] * pair[1]],
                bias: vec![0; pair[1]],
                multipliers: vec![Multiplier::nearest(0.01).expect("a legal factor"); pair[1]],
                requantization: Requantization::DyadicHalfUp,
                input_multipliers: Vec::new(),
                arithmetic: Arithmetic::default(),
                offset: 0,
                low: -128,
                high: 127,
            });
        }
        let format = ActivationFormat::signed(8).expect("a legal width");
        let quantization = Quantization { format, scale: 1.0, zero_point: 0 };
        QuantizedNetwork::new(graph, vec![quantization; features.len()], layers).expect("a legal network")
    }

    #[test]
    fn the_search_finds_what_no_common_cut_has() {
        let yaml = "
name: tiling
precision: {activations: int8, weights: int8}
pe: {kind: integer, lanes: 4}
array: {rows: 8, columns: 8}
scratchpads: {activations_kib: 4, weights_kib: 8}
memory: {width_bits: 32, latency_cycles: 40}
";
        let configuration = Configuration::from_yaml(yaml).expect("legal");
        let accelerator = Accelerator::new(configuration).expect("legal");
        // Layers of one size would want one cut.
        let network = &network(&[32, 160, 32, 96, 200]);
        let places = allocate(&accelerator, network, &|_| false).expect("it fits");
        let allocated =
            Allocated { accelerator: &accelerator, network, unrolling: None, keep: Keep::Output, places };
        let cycles = |tiling: &Tiling| {
            let program = allocated.program(tiling).expect("it fits");
            run(&accelerator, &program).cycles
        };
        let alike: Vec<u64> = CHUNKS_AT_ONCE.iter().map(|&chunks| cycles(&Tiling(vec![chunks; 4]))).collect();
        let found = fewest_cycles(&accelerator, 4, Effort::Search, |tiling| allocated.program(tiling))
            .expect("it fits");
        let found = run(&accelerator, &found).cycles;
        assert!(alike.iter().all(|&cycles| found < cycles), "{found} of {alike:?}");
        let first =
            fewest_cycles(&accelerator, 4, Effort::FirstCut, |t| allocated.program(t)).expect("it fits");
        assert_eq!(
            run(&accelerator, &first).cycles,
            alike[0],
            "the first cut is what the search starts from"
        );
    }
}
