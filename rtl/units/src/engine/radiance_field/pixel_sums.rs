//! The sums of pixels: weighted colours, and at the end the background.
//!
//! Meaning: [`Pixel::add`] and [`Pixel::finish`]. Trick: what finishes a pixel is one more addition, of the transmittance
//! that is left times the background, whose sum leaves, rounded, instead of being kept.
//!
//! Timing: an addition, or a pixel, every [`LATENCY_CYCLES`]; a pixel shows that long after it was asked for, and waits to be
//! taken. Clearing takes a cycle a pixel.

use std::sync::Arc;

use bitmill_formats::radiance_field::{Pixel, TRANSMITTANCE_BITS};
use bitmill_hdl::unit::{Expected, Model, Random, Unit, Values, lane, number, pack};
use bitmill_hdl::{BigUint, HdlError, Memory, Module, ModuleBuilder, RamPorts, Signal, unsigned};

use super::sweep::{PIXEL_BITS, sweep};
use super::weight::WEIGHT_BITS;
use crate::engine::deformable_convolution::gather;
use crate::{Entry, UnitError};

/// Catalogue entry.
pub const ENTRY: Entry = Entry {
    name: "pixel_sums",
    summary: "pixels of a radiance field: sums of weighted colours before a background",
    parameters: &[PIXEL_BITS],
    examples: &["pixel_bits=3", "pixel_bits=6"],
    build: |settings| Ok(Box::new(PixelSums::new(settings.number("pixel_bits", 2..=16)?)?)),
};

/// Cycles from an addition to the next, or to the pixel: product, sum, the memory.
pub const LATENCY_CYCLES: u32 = 3;
/// Bits of a colour's channel.
const CHANNEL_BITS: u32 = 8;
/// Red, green and blue.
const CHANNELS: u32 = 3;
/// Bits of a channel's sum.
const SUM_BITS: u32 = WEIGHT_BITS + CHANNEL_BITS;

/// Parameters of the unit.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct PixelSums {
    pixel_bits: u32,
}

impl PixelSums {
    /// A unit for 2^`pixel_bits` pixels.
    ///
    /// # Errors
    /// Fewer than 2 or more than 16 bits.
    pub fn new(pixel_bits: u32) -> Result<PixelSums, UnitError> {
        match pixel_bits {
            2..=16 => Ok(PixelSums { pixel_bits }),
            _ => Err(UnitError::illegal("pixel_bits", pixel_bits, "2 to 16 are legal")),
        }
    }

    /// The memory of sums.
    pub fn memory(&self) -> Memory {
        Memory { width: CHANNELS * SUM_BITS, depth: 1 << self.pixel_bits }
    }
}

impl Unit for PixelSums {
    fn module(&self) -> Result<Arc<Module>, HdlError> {
        let pixel_bits = self.pixel_bits;
        let m = ModuleBuilder::new(
            format!("bitmill_pixel_sums_p{pixel_bits}"),
            format!("sums of 2^{pixel_bits} pixels.\nAn addition every {LATENCY_CYCLES} cycles."),
        );
        m.group("In");
        let clear =
            m.input_with_comment("clear_i", unsigned(1), "all pixels, if ready_o, rather than an addition");
        let valid = m.input("valid_i", unsigned(1));
        let finish = m.input_with_comment(
            "finish_i",
            unsigned(1),
            "the sum leaves; it is of transmittance and background",
        );
        let pixel = m.input("pixel_i", unsigned(pixel_bits));
        let weight = m.input("weight_i", unsigned(WEIGHT_BITS));
        let colour = m.input_with_comment("colour_i", unsigned(CHANNELS * CHANNEL_BITS), "red lowest");
        m.group("Pixels out");
        let ready = m.input("ready_i", unsigned(1));

        let step = m.register("step_q", unsigned(2));
        let finish_q = m.register("finish_q", unsigned(1)).without_reset();
        let ends = step.q().eq_value(LATENCY_CYCLES.into()).named("ends");
        let shows = ends.and(finish_q.q()).named("shows");
        let rests = step.q().any().not().or(ends.and(shows.not().or(ready))).named("rests");
        let swept = sweep(&m, pixel_bits, clear.and(rests));
        let free = rests.and(swept.busy.not()).named("free");
        let takes = valid.and(free).and(clear.not()).named("takes");
        step.set(rests.mux(takes.extend(2), ends.mux(step.q(), step.q().increment())));
        finish_q.set_when(takes, finish);
        let keep = |name: &str, enable: Signal<'_>, next: Signal<'_>| {
            let register = m.register(name, next.shape()).without_reset();
            register.set_when(enable, next);
            register.q()
        };
        let (pixel_q, weight_q) = (keep("pixel_q", takes, pixel), keep("weight_q", takes, weight));
        let colour_q = keep("colour_q", takes, colour);

        m.comment("The sums of a pixel, red lowest.");
        let new_sums = m.wire("new_sums", unsigned(CHANNELS * SUM_BITS));
        let changes = step.q().eq_value(2).and(finish_q.q().not()).named("changes");
        let ports = RamPorts {
            write_enable: swept.busy.or(changes),
            write_address: swept.busy.mux(swept.pixel, pixel_q),
            write_data: new_sums.value().gate(swept.busy.not()),
            read_enable: takes,
            read_address: pixel,
        };
        let sums = m.memory("sums", self.memory(), ports);
        let (mut new, mut channels) = (vec![], vec![]);
        for channel in 0..CHANNELS {
            let product = weight_q.mul(colour_q.slice(channel * CHANNEL_BITS, CHANNEL_BITS));
            let product = m.delay_data(&format!("product_{channel}_q"), product);
            let sum = sums.slice(channel * SUM_BITS, SUM_BITS).add_wrapping(product);
            let half = m.lit(SUM_BITS, 1 << (TRANSMITTANCE_BITS - 1));
            let rounded = sum.add(half).shr(TRANSMITTANCE_BITS).truncate(CHANNEL_BITS);
            channels.push(keep(&format!("channel_{channel}_q"), step.q().eq_value(2), rounded));
            new.push(sum);
        }
        new_sums.drive(gather::pack(&m, &new));
        m.output("ready_o", free);
        m.output("valid_o", shows);
        m.output("pixel_o", pixel_q);
        m.output_with_comment("colour_o", gather::pack(&m, &channels), "red lowest");
        m.finish()
    }

    fn model(&self) -> Box<dyn Model> {
        Box::new(SumsModel::new(*self))
    }

    fn stimulus(&self, random: &mut Random, cycles: usize) -> Vec<Values> {
        // What is left of each pixel's transmittance: weights of more than 1 in all are not legal.
        let mut model = SumsModel::new(*self);
        let mut left = vec![0; 1 << self.pixel_bits];
        let mut stimulus = Vec::new();
        for cycle in 0..cycles {
            let clears = cycle % 400 == 0;
            let drains = cycle % 400 > 390;
            let pixel = random.below(1 << self.pixel_bits);
            let finish = random.one_in(3);
            let kept = &mut left[pixel as usize];
            let most = *kept >> random.below(6);
            let weight = if finish { *kept } else { random.below(most + 1) };
            let bit = |bit: bool| BigUint::from(u8::from(bit));
            let inputs = vec![
                bit(clears),
                bit(!drains && !random.one_in(4)),
                bit(finish),
                pixel.into(),
                weight.into(),
                random.corner_bits(CHANNELS * CHANNEL_BITS),
                bit(drains || !random.one_in(3)),
            ];
            let taken = model.cycle(&inputs)[0] == Some(bit(true)) && inputs[1].bit(0) && !clears;
            if taken && !finish {
                *kept -= weight;
            }
            if clears {
                left.fill(1 << TRANSMITTANCE_BITS);
            }
            stimulus.push(inputs);
        }
        stimulus
    }
}

/// The unit, cycle by cycle.
pub(super) struct SumsModel {
    unit: PixelSums,
    pixels: Vec<Pixel>,
    sweep_cycles: u32,
    step: u32,
    /// Of what is under way: the pixel, and its colour where it is finished.
    pixel: u64,
    finished: Option<[u8; 3]>,
}

impl SumsModel {
    pub fn new(unit: PixelSums) -> SumsModel {
        let pixels = vec![Pixel::CLEAR; 1 << unit.pixel_bits];
        SumsModel { unit, pixels, sweep_cycles: 0, step: 0, pixel: 0, finished: None }
    }

    fn take(&mut self, inputs: &[BigUint]) {
        self.pixel = number(&inputs[3]);
        let weight = number(&inputs[4]) as u32;
        let colour = [0, 1, 2].map(|channel| number(&lane(&inputs[5], channel, CHANNEL_BITS)) as u8);
        let kept = &mut self.pixels[self.pixel as usize];
        self.finished = inputs[2].bit(0).then(|| Pixel { transmittance: weight, ..*kept }.finish(colour));
        if self.finished.is_none() {
            kept.add(weight, colour);
        }
    }
}

impl Model for SumsModel {
    fn cycle(&mut self, inputs: &[BigUint]) -> Expected {
        let bit = |bit: bool| Some(BigUint::from(u8::from(bit)));
        let ends = self.step == LATENCY_CYCLES;
        let shown = self.finished.filter(|_| ends);
        let rests = self.step == 0 || (ends && (shown.is_none() || inputs[6].bit(0)));
        let free = rests && self.sweep_cycles == 0;
        let mut outputs = vec![bit(free), bit(shown.is_some())];
        outputs.push(shown.map(|_| self.pixel.into()));
        outputs.push(shown.map(|colour| pack(&colour.map(BigUint::from), CHANNEL_BITS)));
        self.sweep_cycles = self.sweep_cycles.saturating_sub(1);
        let (clears, takes) = (inputs[0].bit(0), inputs[1].bit(0));
        self.step = match rests {
            true => u32::from(free && takes && !clears),
            false => (self.step + 1).min(LATENCY_CYCLES),
        };
        if self.step == 1 && rests {
            self.take(inputs);
        }
        if free && clears {
            self.sweep_cycles = 1 << self.unit.pixel_bits;
            self.pixels.fill(Pixel::CLEAR);
        }
        outputs
    }
}
