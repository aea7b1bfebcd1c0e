//! CoDeNet's Table 2 (Huang et al., FPGA 2021) on the deformable convolution engine: cycles of a layer of 64 × 64 pixels,
//! 256 → 256 channels, 3 × 3 taps at 100 MHz, beside the paper's milliseconds without a last-level cache.
//!
//! Offsets are random, uniform within the bound [0, 7], with 4 bits behind the point; those of a plain convolution are 0
//! (1 where they are square), on the same engine. `cargo run --release -p bitmill-testbenches --example deformable_table`
//! prints a Markdown table.

use std::error::Error;

use bitmill_formats::deformable::Offsets;
use bitmill_hdl::unit::Random;
use bitmill_units::Settings;
use bitmill_units::engine::deformable_convolution::array::Sums;
use bitmill_units::engine::deformable_convolution::convolution::{DeformableConvolution, ENTRY};
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

fn engine(settings: &str, offsets: Offsets) -> Result<DeformableConvolution, Box<dyn Error>> {
    let offsets = if offsets == Offsets::Square { "offsets=square" } else { "offsets=per_tap" };
    let settings = settings.split_whitespace().chain([offsets, "lowest=0", "highest=7", "fraction_bits=4"]);
    let settings = Settings::parse(ENTRY.name, ENTRY.parameters, settings)?;
    Ok(DeformableConvolution::from_settings(&settings)?)
}

/// Cycles of the layer, whose offsets are random if it is deformed.
fn cycles(engine: &DeformableConvolution, deforms: bool) -> u64 {
    let groups = match engine.array().sums {
        Sums::Depthwise => 1,
        Sums::Full { columns, .. } => CHANNELS / columns,
    };
    let words = CHANNELS / engine.sampler().lanes;
    let size = LayerSize { height: SIDE, width: SIDE, words, groups };
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
    }
    Ok(())
}
