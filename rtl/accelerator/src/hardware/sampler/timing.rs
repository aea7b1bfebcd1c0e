//! How long a command of the sampler takes, cycle by cycle as the circuit does it.

use bitmill_formats::deformable::{Point, TAPS};
use bitmill_units::engine::deformable_convolution::interpolator;

use super::deformation::prepare_cycles;
use crate::hardware::timing::ComputeTiming;
use crate::{Accelerator, Sample};

/// Cycles from the first tap of a turn to its first reads of pixels, and none after its last.
const POINT_CYCLES: u32 = 2;

/// What a command of the sampler does.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct SampleTiming {
    /// Where its cycles go.
    pub compute: ComputeTiming,
    /// Offsets that saturate.
    pub saturated: u64,
}

/// Timing of a command, from its start event to its done event, where `offsets` tells those of a pixel of the image, less
/// their zero point; `None` for offsets that move no tap.
///
/// # Panics
/// When the accelerator has no sampler.
pub fn sample(
    accelerator: &Accelerator,
    command: &Sample,
    offsets: Option<&dyn Fn(usize) -> Vec<i64>>,
) -> SampleTiming {
    let sampler = accelerator.sampler().expect("a command asks for a sampler that there is");
    let sampling = sampler.sampling();
    let width = command.input_width as usize;
    let size = [command.input_height, command.input_width];
    // The first line may lie in any part of the banks: the others follow it in turn.
    let bank = |[row, column]: [u32; 2]| (row * command.input_width + column) % accelerator.banks();
    let first = (command.start_y * command.input_width + command.start_x) as usize;
    let mut saturated = 0;
    let mut told = |pixel: usize| match offsets {
        None => sampler.regular(),
        Some(offsets) => {
            let given = offsets(pixel).into_iter().map(|offset| offset << command.offset_shift);
            let saturate = |offset: i64| {
                let held = sampling.saturate(offset);
                saturated += u64::from(held != offset);
                held
            };
            given.map(saturate).collect()
        }
    };
    let (mut turns, mut cycles) = (0, 0);
    let pixels: Vec<usize> = (first..first + command.pixels as usize).collect();
    for turn in pixels.chunks(accelerator.drain_rows() as usize) {
        turns += 1;
        let told: Vec<(usize, Vec<i64>)> = turn.iter().map(|&pixel| (pixel, told(pixel))).collect();
        for tap in 0..TAPS {
            let point = |(pixel, offsets): &(usize, Vec<i64>)| {
                let at = [pixel / width, pixel % width].map(|index| index as i64);
                sampling.point(at, tap, offsets)
            };
            let points: Vec<Point> = told.iter().map(point).collect();
            cycles += u64::from(sampler.shape().cycles_by_bank(&points, size, bank));
        }
    }
    let blocks = u64::from(command.channel_blocks);
    let steps = turns * TAPS as u64;
    let latency = interpolator::latency_cycles(sampler.shape());
    let compute = ComputeTiming {
        setup_cycles: turns * u64::from(prepare_cycles(accelerator, sampler) + POINT_CYCLES),
        step_cycles: steps * blocks,
        sample_cycles: (cycles - steps) * blocks,
        finish_cycles: u64::from(latency) + 2,
        ..ComputeTiming::default()
    };
    SampleTiming { compute, saturated }
}
