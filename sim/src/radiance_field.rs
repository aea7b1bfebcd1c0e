//! A frame of a radiance field on an accelerator: the engine that finds samples, the network that makes colours of them, and
//! what goes through memory.
//!
//! The engine goes before the array: it walks cubes, finds the samples that weigh, and writes them to memory in batches.
//! The accelerator runs the network on each batch, an ordinary program of its own with all its loads and stores, while
//! the engine fills the next. Rays come from memory, and so does the field, once a frame.
//!
//! The engine is a plan: projections, intersections, search, interpolation, weights and sums are units with their
//! own timing, the walk is not a circuit yet (`clock.rs`). What it is made of, for whoever prices it, stands in
//! `parts.rs`.

mod clock;
mod parts;
mod storage;

pub use parts::{EngineActivity, Part, PartKind, UNBUILT, parts};
pub use storage::{FieldStorage, Storing, storage};

use bitmill_accelerator::{Accelerator, COMMAND_BYTES};
use bitmill_formats::radiance_field::{AXES, RAY_BITS};
use bitmill_model::TensorId;
use bitmill_model::radiance_field::{Camera, Cubes, Order, QuantizedScene, Rendering, Scene, render};

use crate::{Report, SimulationError, simulate};
use clock::Clock;

/// The engine in front of the array.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Engine {
    /// Sets of four search units, 1 to 3. The nodes of a plane are spread over a set by the parities of row and column, so
    /// that the four around a point lie in different units, and a set gives a word of each in every cycle. Behind each set
    /// stands an interpolator as wide as the words.
    pub search_sets: u32,
}

impl Engine {
    /// Sets that are legal: three planes are there to be searched at once.
    pub const LEGAL_SETS: std::ops::RangeInclusive<u32> = 1..=AXES as u32;

    /// Rounds in which words are searched for, so many for each of the three planes.
    fn rounds(&self, words: usize) -> u64 {
        (AXES * words).div_ceil(self.search_sets as usize) as u64
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
    /// From the first pixel cleared to the last one finished.
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
    /// What the engine's parts did.
    pub activity: EngineActivity,
}

/// The frame of `scene`, whose integers are `quantized`, from `camera` on `accelerator`, with the field stored in `field_bytes`.
///
/// # Errors
/// A camera that cannot be, or a network that does not fit the accelerator.
pub fn frame(
    accelerator: &Accelerator,
    engine: &Engine,
    (scene, quantized): (&Scene, &QuantizedScene),
    camera: &Camera,
    order: Order,
    field_bytes: u64,
) -> Result<(Rendering, FrameReport), SimulationError> {
    let QuantizedScene { field, network } = quantized;
    let (program, _, batch) = simulate(accelerator, network)?;
    let pixels = camera.size.iter().product::<usize>() as u64;
    let rows = if order == Order::Points { Cubes::of(field).rows() as u64 } else { 0 };
    let clock = |batch_cycles| Clock::new(engine, field, pixels, rows, batch_cycles);
    let (mut alone, mut together) = (clock(0), clock(batch.cycles));
    let mut activity = EngineActivity { pixels, ..EngineActivity::default() };
    let rendering = render(scene, quantized, camera, order, &mut |step| {
        activity.step(field, step);
        alone.step(step);
        together.step(step);
    })?;
    let batches = together.batches();
    let input = network.graph().shape(TensorId::INPUT);
    let [samples, colours] = [input.elements() as u64, 3 * input.width as u64];
    let directions = input.channels - AXES * field.appearance.components;
    let moved: u64 = batch.layers.iter().map(|layer| layer.read_bytes + layer.written_bytes).sum();
    let commands = program.commands.len() as u64 * COMMAND_BYTES;
    let traffic = FrameTraffic {
        field: field_bytes,
        rays: pixels * (2 * AXES as u64 * u64::from(RAY_BITS) / 8 + directions as u64),
        network: batches as u64 * (samples + moved + commands),
        pixels: batches as u64 * colours + 3 * pixels,
    };
    let report = FrameReport {
        cycles: together.end(pixels),
        engine_cycles: alone.end(pixels),
        network_cycles: batches as u64 * batch.cycles,
        batches,
        batch,
        traffic,
        activity,
    };
    Ok((rendering, report))
}
