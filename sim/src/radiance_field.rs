//! A frame of a radiance field on an accelerator: the engine that finds samples, the network that makes colours of them, and
//! what goes through memory.
//!
//! The engine goes before the array: it walks cubes, finds the samples that weigh, and writes them to memory in batches.
//! The accelerator runs the network on each batch, an ordinary program of its own with all its loads and stores, while
//! the engine fills the next; there is room for two. Rays come from memory, and so does the field, once a frame.
//!
//! The engine's cycles follow from the [`Work`]. They are a plan: of its parts the search unit is a circuit. What is
//! counted one after the other here will partly overlap.

mod storage;

pub use storage::{FieldStorage, Storing, storage};

use bitmill_accelerator::{Accelerator, COMMAND_BYTES};
use bitmill_formats::radiance_field::{AXES, RAY_BITS};
use bitmill_model::TensorId;
use bitmill_model::radiance_field::{Field, QuantizedScene, Rendering, Work};

use crate::{Report, SimulationError, simulate};

/// Cycles from a cube to its pixels: two divisions of 24 bits by a divider that makes two bits a cycle, and the products
/// around them.
const PROJECTION_CYCLES: u64 = 30;
/// Batches that there is room for.
const BATCHES_IN_MEMORY: usize = 2;

/// The engine in front of the array.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Engine {
    /// Sets of four search units, 1 to 3. The nodes of a plane are spread over a set by the parities of row and column, so
    /// that the four around a point lie in different units, and a set gives a word of each in every cycle.
    pub search_sets: u32,
}

impl Engine {
    /// Sets that are legal: three planes are there to be searched at once.
    pub const LEGAL_SETS: std::ops::RangeInclusive<u32> = 1..=AXES as u32;

    /// Cycles in which the factors of a sample with so many `components` a mode are found.
    fn sample_cycles(&self, field: &Field, components: usize) -> u64 {
        let words = AXES * storage::words_of_node(field, components);
        words.div_ceil(self.search_sets as usize) as u64
    }

    /// Cycles of `work`: one for each row of cubes, for each candidate pixel and for each sample in an empty voxel, and for
    /// every other sample as many as its factors are searched for.
    pub fn cycles(&self, field: &Field, work: &Work) -> u64 {
        let density = self.sample_cycles(field, field.density.components);
        let appearance = self.sample_cycles(field, field.appearance.components);
        let walking = work.rows + work.cubes * PROJECTION_CYCLES + work.candidates;
        walking + (work.samples - work.densities) + work.densities * density + work.weighing * appearance
    }
}

/// Bytes through memory in a frame.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct FrameTraffic {
    /// The field, read once.
    pub field: u64,
    /// Rays, read.
    pub rays: u64,
    /// Samples written by the engine, and what the accelerator reads and writes to make colours of them.
    pub network: u64,
    /// Colours read by the engine, and pixels written.
    pub pixels: u64,
}

impl FrameTraffic {
    /// All of them.
    pub fn total(&self) -> u64 {
        self.field + self.rays + self.network + self.pixels
    }
}

/// What a frame took.
#[derive(Debug, Clone, PartialEq)]
pub struct FrameReport {
    /// From the first cube to the last colour.
    pub cycles: u64,
    /// Of the engine, were it alone.
    pub engine_cycles: u64,
    /// Of the network on all batches.
    pub network_cycles: u64,
    /// Batches.
    pub batches: usize,
    /// The network's run on one.
    pub batch: Report,
    /// Through memory.
    pub traffic: FrameTraffic,
}

/// The frame of `rendering` on `accelerator`, with the field stored in `field_bytes`.
///
/// # Errors
/// A network that does not fit the accelerator.
pub fn frame(
    accelerator: &Accelerator,
    engine: &Engine,
    quantized: &QuantizedScene,
    rendering: &Rendering,
    field_bytes: u64,
) -> Result<FrameReport, SimulationError> {
    let QuantizedScene { field, network } = quantized;
    let (program, _, batch) = simulate(accelerator, network)?;
    let filled: Vec<u64> = rendering.batches.iter().map(|work| engine.cycles(field, work)).collect();
    let engine_cycles = engine.cycles(field, &rendering.work);
    let batches = filled.len();
    let input = network.graph().shape(TensorId::INPUT);
    let [samples, colours] = [input.elements() as u64, 3 * input.width as u64];
    let directions = input.channels - AXES * field.appearance.components;
    let pixels = rendering.image.pixels.len() as u64;
    let moved: u64 = batch.layers.iter().map(|layer| layer.read_bytes + layer.written_bytes).sum();
    let commands = program.commands.len() as u64 * COMMAND_BYTES;
    let traffic = FrameTraffic {
        field: field_bytes,
        rays: pixels * (2 * AXES as u64 * u64::from(RAY_BITS) / 8 + directions as u64),
        network: batches as u64 * (samples + moved + commands),
        pixels: batches as u64 * colours + 3 * pixels,
    };
    Ok(FrameReport {
        cycles: overlapped(&filled, engine_cycles, batch.cycles),
        engine_cycles,
        network_cycles: batches as u64 * batch.cycles,
        batches,
        batch,
        traffic,
    })
}

/// Cycles until all is done, where batches are full at `filled` of the engine's own cycles, and each then takes `batch_cycles`
/// on the array. The engine waits for room.
fn overlapped(filled: &[u64], engine_cycles: u64, batch_cycles: u64) -> u64 {
    let (mut waited, mut done) = (0, Vec::<u64>::with_capacity(filled.len()));
    for (index, own) in filled.iter().enumerate() {
        let before = if index == 0 { 0 } else { filled[index - 1] };
        let room = index.checked_sub(BATCHES_IN_MEMORY).map_or(0, |earlier| done[earlier]);
        waited = waited.max(room.saturating_sub(before));
        let full = own + waited;
        done.push(full.max(done.last().copied().unwrap_or(0)) + batch_cycles);
    }
    (engine_cycles + waited).max(done.last().copied().unwrap_or(0))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_slower_of_engine_and_array_sets_the_pace() {
        // The array is faster: all but the last batch hides behind the engine.
        assert_eq!(overlapped(&[100, 200, 300], 320, 10), 320);
        assert_eq!(overlapped(&[100, 200, 300], 300, 10), 310);
        // The engine is faster: it waits for room.
        assert_eq!(overlapped(&[10, 20, 30, 40], 45, 100), 410);
        // Nothing weighs.
        assert_eq!(overlapped(&[], 50, 100), 50);
    }
}
