//! CoDeNet's Table 2 (Huang et al., FPGA 2021) on the deformable convolution engine: cycles of a layer of 64 × 64 pixels,
//! 256 → 256 channels, 3 × 3 taps at 100 MHz, beside the paper's milliseconds without a last-level cache.
//!
//! Offsets are random, uniform within the bound [0, 7], with 4 bits behind the point; those of a plain convolution are 0
//! (1 where they are square), on the same engine. Without a bound, the image is read from memory through a cache: each tap
//! looks anywhere in the image, or up to 8 pixels from its place. `cargo run --release -p bitmill-testbenches --example deformable_table`
//! prints a Markdown table.

use std::error::Error;

use bitmill_formats::deformable::Offsets;
use bitmill_hdl::unit::Random;
use bitmill_units::Settings;
use bitmill_units::engine::deformable_convolution::array::{ArrayShape, Sums};
use bitmill_units::engine::deformable_convolution::cached_convolution::{self, CachedConvolution};
use bitmill_units::engine::deformable_convolution::convolution::{DeformableConvolution, ENTRY};
use bitmill_units::engine::deformable_convolution::memory_timing::MemoryTiming;
use bitmill_units::engine::deformable_convolution::timing::LayerSize;

const SIDE: u32 = 64;
const CHANNELS: u32 = 256;
const CLOCK_MHZ: f64 = 100.0;
const FRACTION_BITS: u32 = 4;
const HIGHEST: u64 = 7;

/// An engine in words, and its parameters beside those of the layer.
const ENGINES: [(&str, &str); 7] = [
    ("full, 9 taps × 8 × 8, 4 × 4 banks", "channels=full columns=8 most_groups=32 lanes=8 most_words=32"),
    (
        "full, 1 tap × 64 × 8, 2 × 2 banks",
        "channels=full columns=8 most_groups=32 lanes=64 most_words=4 taps_at_once=1 bank_rows=2 bank_columns=2",
    ),
    ("depthwise, 9 taps × 16, 4 × 4 banks", "lanes=16"),
    ("depthwise, 9 taps × 16, 8 × 8 banks", "lanes=16 bank_rows=8 bank_columns=8"),
    ("depthwise, 9 taps × 16, 16 × 16 banks", "lanes=16 bank_rows=16 bank_columns=16"),
    ("depthwise, rounded, 9 taps × 16, 4 × 4 banks", "lanes=16 interpolation=rounded"),
    (
        "depthwise, 1 tap × 128, 2 × 2 banks",
        "lanes=128 most_words=2 taps_at_once=1 bank_rows=2 bank_columns=2",
    ),
];

/// A row of the paper's table: offsets, whether they deform, and its milliseconds, full and depthwise.
const ROWS: [(&str, Offsets, bool, [f64; 2]); 3] = [
    ("plain", Offsets::Square, false, [43.1, 1.9]),
    ("deformable, bounded", Offsets::PerTap, true, [43.4, 3.0]),
    ("deformable, bounded, square", Offsets::Square, true, [43.4, 2.1]),
];

/// An engine without a bound in words, its number among [`ENGINES`] with a bound, and its parameters.
const CACHED: [(&str, usize, &str); 2] = [
    ("full, 1 tap × 64 × 8", 1, "channels=full columns=8 most_groups=32 lanes=64 most_words=4"),
    ("depthwise, 1 tap × 128", 6, "lanes=128 most_words=2"),
];

/// Rows and columns of pixels that a cache holds, all their channels.
const CACHES: [[u32; 2]; 2] = [[16, 16], [32, 64]];

/// The memory of the engines without a bound: 128 bits a cycle, as an AXI port of the paper's chip has at most.
const MEMORY: MemoryTiming = MemoryTiming { latency_cycles: 50, bytes_a_cycle: 16 };

/// Milliseconds of the paper's layer without a bound, full and depthwise.
const UNBOUNDED_MS: [f64; 2] = [59.0, 20.5];

fn engine(settings: &str, offsets: Offsets) -> Result<DeformableConvolution, Box<dyn Error>> {
    let offsets = if offsets == Offsets::Square { "offsets=square" } else { "offsets=per_tap" };
    let settings = settings.split_whitespace().chain([offsets, "lowest=0", "highest=7", "fraction_bits=4"]);
    let settings = Settings::parse(ENTRY.name, ENTRY.parameters, settings)?;
    Ok(DeformableConvolution::from_settings(&settings)?)
}

/// The layer on an engine with this multiply stage.
fn size(array: &ArrayShape) -> LayerSize {
    let groups = match array.sums {
        Sums::Depthwise => 1,
        Sums::Full { columns, .. } => CHANNELS / columns,
    };
    LayerSize { height: SIDE, width: SIDE, words: CHANNELS / array.steps.lanes, groups }
}

/// Where the taps of the pixel look whose row and column are `at`: up to so many pixels from their places, or anywhere in
/// the image.
fn unbounded(at: [u64; 2], farthest: Option<u64>) -> Vec<i64> {
    let mut random = Random::new(at[0] * u64::from(SIDE) + at[1]);
    let mut offset = |tap: i64, axis: usize| match farthest {
        Some(farthest) => {
            let end = farthest << FRACTION_BITS;
            random.below(2 * end + 1) as i64 - end as i64
        }
        None => {
            let place = at[axis] as i64 + [tap / 3, tap % 3][axis] - 1;
            random.below(u64::from(SIDE - 1) << FRACTION_BITS) as i64 - (place << FRACTION_BITS)
        }
    };
    (0..9).flat_map(|tap| [offset(tap, 0), offset(tap, 1)]).collect()
}

/// Rows of the engines without a bound, whose plain layers are those of an engine with one.
fn print_unbounded(plain: &[u64]) -> Result<(), Box<dyn Error>> {
    println!();
    println!(
        "| engine | cache | taps look | multipliers | words read | cycles | ms | to plain | paper, ms | paper, to plain |"
    );
    println!("|---|---|---|---|---|---|---|---|---|---|");
    for (name, bounded, settings) in CACHED {
        for [rows, columns] in CACHES {
            let settings = format!(
                "{settings} offsets=per_tap cache_rows={rows} cache_columns={columns} queue_steps=64 most_reads=64"
            );
            let entry = cached_convolution::ENTRY;
            let settings = Settings::parse(entry.name, entry.parameters, settings.split_whitespace())?;
            let engine = CachedConvolution::from_settings(&settings)?;
            for (place, farthest) in [("anywhere", None), ("within 8 pixels", Some(8))] {
                let side = u64::from(SIDE);
                let offsets = |pixel: u64| unbounded([pixel / side, pixel % side], farthest);
                let took = engine.layer_cycles(size(engine.array()), MEMORY, offsets);
                let is_depthwise = usize::from(name.starts_with("depthwise"));
                println!(
                    "| {name} | {rows} × {columns} pixels, {} KiB | {place} | {} | {} | {} | {:.3} | {:.3} | {:.1} | {:.2} |",
                    rows * columns * CHANNELS / 1024,
                    engine.array().multipliers(),
                    took.reads,
                    took.cycles,
                    took.cycles as f64 / CLOCK_MHZ / 1e3,
                    took.cycles as f64 / plain[bounded] as f64,
                    UNBOUNDED_MS[is_depthwise],
                    UNBOUNDED_MS[is_depthwise] / ROWS[0].3[is_depthwise],
                );
            }
        }
    }
    Ok(())
}

/// Cycles of the layer, whose offsets are random if it is deformed.
fn cycles(engine: &DeformableConvolution, deforms: bool) -> u64 {
    let size = size(engine.array());
    let offsets = engine.sampler().sampling.offsets;
    let regular = if offsets == Offsets::Square { 1 << FRACTION_BITS } else { 0 };
    engine.layer_cycles(size, |pixel| {
        let mut random = Random::new(pixel);
        let mut offset = || match deforms {
            true => random.below((HIGHEST << FRACTION_BITS) + 1) as i64,
            false => regular,
        };
        (0..offsets.values()).map(|_| offset()).collect()
    })
}

fn main() -> Result<(), Box<dyn Error>> {
    println!("| engine | layer | multipliers | cycles | ms | to plain | paper, ms | paper, to plain |");
    println!("|---|---|---|---|---|---|---|---|");
    let mut plain_layers = Vec::new();
    for (name, settings) in ENGINES {
        let is_depthwise = usize::from(name.starts_with("depthwise"));
        let mut plain = None;
        for (layer, offsets, deforms, paper) in ROWS {
            let engine = engine(settings, offsets)?;
            let cycles = cycles(&engine, deforms);
            let plain = *plain.get_or_insert(cycles);
            println!(
                "| {name} | {layer} | {} | {cycles} | {:.3} | {:.3} | {:.1} | {:.2} |",
                engine.array().multipliers(),
                cycles as f64 / CLOCK_MHZ / 1e3,
                cycles as f64 / plain as f64,
                paper[is_depthwise],
                paper[is_depthwise] / ROWS[0].3[is_depthwise],
            );
        }
        plain_layers.extend(plain);
    }
    print_unbounded(&plain_layers)
}
