//! The weight of a sample: alpha by a table, times the transmittance of its pixel, which it takes away from.
//!
//! Meaning: [`AlphaTable::alpha`] and [`Pixel::absorb`]. A sample that only looks (`look_i`) weighs nothing and tells the transmittance that is left.
//!
//! Timing: a sample's weight shows [`LATENCY_CYCLES`] after it was taken, and the next sample is taken with it, since it
//! may be of the same pixel: a sample every [`LATENCY_CYCLES`]. Clearing takes a cycle a pixel.

use std::sync::Arc;

use bitmill_formats::radiance_field::{
    ALPHA_BITS, AlphaTable, Pixel, TABLE_BITS, TRANSMITTANCE_BITS, Thresholds,
};
use bitmill_hdl::unit::{Expected, Model, Random, Unit, Values, lane, number, signed_number};
use bitmill_hdl::{BigUint, HdlError, Memory, Module, ModuleBuilder, RamPorts, signed, unsigned};

use super::interpolator::SHIFT_BITS;
use super::sweep::{PIXEL_BITS, sweep};
use crate::{Entry, Legal, Parameter, Settings, UnitError};

/// Catalogue entry.
pub const ENTRY: Entry = Entry {
    name: "sample_weight",
    summary: "weights of a radiance field's samples: alpha by a table, transmittance by pixel",
    parameters: &[
        PIXEL_BITS,
        Parameter {
            name: "density_bits",
            default: "24",
            help: "bits of a signed density, 4 to 40",
            legal: Legal::Numbers(4, 40),
        },
    ],
    examples: &["pixel_bits=3", "pixel_bits=5 density_bits=12"],
    build: |settings| Ok(Box::new(SampleWeight::from_settings(settings)?)),
};

/// Cycles from a sample to its weight: transmittance, table, product, difference.
pub const LATENCY_CYCLES: u32 = 4;
/// Bits of a weight and of a transmittance: one stands before the point.
pub const WEIGHT_BITS: u32 = TRANSMITTANCE_BITS + 1;

/// Parameters of the unit.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct SampleWeight {
    pixel_bits: u32,
    density_bits: u32,
}

impl SampleWeight {
    /// A unit for 2^`pixel_bits` pixels and signed densities of `density_bits`.
    ///
    /// # Errors
    /// Fewer than 2 or more than 16 pixel bits, densities of fewer than 4 or more than 40 bits.
    pub fn new(pixel_bits: u32, density_bits: u32) -> Result<SampleWeight, UnitError> {
        if !(2..=16).contains(&pixel_bits) {
            return Err(UnitError::illegal("pixel_bits", pixel_bits, "2 to 16 are legal"));
        }
        if !(4..=40).contains(&density_bits) {
            return Err(UnitError::illegal("density_bits", density_bits, "4 to 40 are legal"));
        }
        Ok(SampleWeight { pixel_bits, density_bits })
    }

    /// The memory of transmittances.
    pub fn memory(&self) -> Memory {
        Memory { width: WEIGHT_BITS, depth: 1 << self.pixel_bits }
    }

    fn from_settings(settings: &Settings) -> Result<SampleWeight, UnitError> {
        SampleWeight::new(settings.number("pixel_bits", 2..=16)?, settings.number("density_bits", 4..=40)?)
    }
}

impl Unit for SampleWeight {
    fn module(&self) -> Result<Arc<Module>, HdlError> {
        let &SampleWeight { pixel_bits, density_bits } = self;
        let m = ModuleBuilder::new(
            format!("bitmill_sample_weight_p{pixel_bits}_d{density_bits}"),
            format!("weights of samples of 2^{pixel_bits} pixels.\nA sample every {LATENCY_CYCLES} cycles."),
        );
        m.group("Table of alphas, written while no sample is under way");
        let table_write = m.input("table_write_i", unsigned(1));
        let table_address = m.input("table_address_i", unsigned(TABLE_BITS));
        let table_data = m.input("table_data_i", unsigned(ALPHA_BITS));
        m.group("Settings");
        let shift =
            m.input_with_comment("shift_i", unsigned(SHIFT_BITS), "of densities, to the table's entries");
        let least_weight =
            m.input_with_comment("least_weight_i", unsigned(WEIGHT_BITS), "less is transparent");
        let opaque = m.input_with_comment("opaque_i", unsigned(WEIGHT_BITS), "less transmittance is none");
        m.group("Samples in");
        let clear =
            m.input_with_comment("clear_i", unsigned(1), "all pixels, if ready_o, rather than a sample");
        let valid = m.input("valid_i", unsigned(1));
        let look = m.input_with_comment("look_i", unsigned(1), "tells what is left, and weighs nothing");
        let pixel = m.input("pixel_i", unsigned(pixel_bits));
        let density = m.input("density_i", unsigned(density_bits));
        m.group("Weights out");
        let ready = m.input("ready_i", unsigned(1));

        let step = m.register("step_q", unsigned(3));
        let shows = step.q().eq_value(LATENCY_CYCLES.into()).named("shows");
        let rests = step.q().eq_value(0).or(shows.and(ready)).named("rests");
        let swept = sweep(&m, pixel_bits, clear.and(rests));
        let free = rests.and(swept.busy.not()).named("free");
        let takes = valid.and(free).and(clear.not()).named("takes");
        let waits = shows.and(ready.not());
        let next = rests.mux(takes.extend(3), waits.mux(step.q(), step.q().increment()));
        step.set(next);
        let keep = |name: &str, next: bitmill_hdl::Signal<'_>| {
            let register = m.register(name, next.shape()).without_reset();
            register.set_when(takes, next);
            register.q()
        };
        let (look_q, pixel_q) = (keep("look_q", look), keep("pixel_q", pixel));
        let density_q = keep("density_q", density.as_signed());

        m.comment(
            "The entry of the density: twice the value, one more and halved is half up, whatever the shift.",
        );
        let doubled = density_q.shl(1).extend(density_bits + 2).shift_right(shift);
        let rounded = doubled.add(m.constant(signed(2), 1)).shr(1);
        let capped = if rounded.width() > TABLE_BITS + 1 {
            let highest = m.constant(rounded.shape(), (1 << TABLE_BITS) - 1);
            rounded.gt(highest).mux(highest, rounded)
        } else {
            rounded.extend(TABLE_BITS + 1)
        };
        let entry = capped.as_unsigned().truncate(TABLE_BITS).gate(rounded.msb().not()).named("entry");
        let ports = RamPorts {
            write_enable: table_write,
            write_address: table_address,
            write_data: table_data,
            read_enable: step.q().eq_value(1),
            read_address: entry,
        };
        let alpha = m.memory("alphas", Memory { width: ALPHA_BITS, depth: 1 << TABLE_BITS }, ports);

        m.comment("What it takes away from the transmittance.");
        let left = m.wire("left", unsigned(WEIGHT_BITS));
        let changes = step.q().eq_value(3);
        let ports = RamPorts {
            write_enable: swept.busy.or(changes),
            write_address: swept.busy.mux(swept.pixel, pixel_q),
            write_data: swept.busy.mux(m.lit(WEIGHT_BITS, 1 << TRANSMITTANCE_BITS), left.value()),
            read_enable: takes,
            read_address: pixel,
        };
        let transmittance = m.memory("transmittances", self.memory(), ports);
        let half = m.lit(ALPHA_BITS, 1 << (ALPHA_BITS - 1));
        let product = transmittance.mul(alpha).add(half).shr(ALPHA_BITS).truncate(WEIGHT_BITS);
        let whole = m.delay_data("whole_q", product);
        let counts = whole.any().and(whole.ge(least_weight)).and(transmittance.ge(opaque)).and(look_q.not());
        let weight = whole.gate(counts).named("weight");
        left.drive(transmittance.sub_wrapping(weight));
        m.output("ready_o", free);
        m.output("valid_o", shows);
        m.output("pixel_o", pixel_q);
        // While the weight waits to be taken, what it was made of stays.
        let weight_q = m.delay_data("weight_q", weight);
        m.output_with_comment("weight_o", weight_q, "0 where the sample does not count");
        m.output_with_comment("transmittance_o", m.delay_data("left_q", left.value()), "that is left");
        m.finish()
    }

    fn model(&self) -> Box<dyn Model> {
        Box::new(WeightModel::new(*self))
    }

    fn stimulus(&self, random: &mut Random, cycles: usize) -> Vec<Values> {
        let mut stimulus: Vec<Values> = Vec::new();
        let quiet = || vec![BigUint::ZERO; 12];
        for address in 0..1_u32 << TABLE_BITS {
            let mut inputs = quiet();
            inputs[0] = BigUint::from(1_u8);
            inputs[1] = address.into();
            inputs[2] = random.corner_bits(ALPHA_BITS);
            stimulus.push(inputs);
        }
        let mut settings = Values::new();
        for cycle in 0..cycles {
            // A new image now and then. Settings stay while one is made.
            let clears = cycle % 500 == 0;
            if clears {
                let [least, opaque] = [(); 2].map(|()| {
                    let bits = random.below(17);
                    random.below(1 << bits)
                });
                settings = vec![BigUint::from(random.below(16)), least.into(), opaque.into()];
            }
            let mut inputs = quiet();
            inputs[3..6].clone_from_slice(&settings);
            // Before a new image what is under way is taken.
            let drains = cycle % 500 > 490;
            inputs[6] = BigUint::from(u8::from(clears));
            inputs[7] = BigUint::from(u8::from(!drains && !random.one_in(4)));
            inputs[8] = BigUint::from(u8::from(random.one_in(8)));
            inputs[9] = random.bits(self.pixel_bits);
            inputs[10] = random.corner_bits(self.density_bits);
            inputs[11] = BigUint::from(u8::from(drains || !random.one_in(3)));
            stimulus.push(inputs);
        }
        stimulus
    }
}

/// The unit, cycle by cycle.
pub(super) struct WeightModel {
    unit: SampleWeight,
    alphas: Vec<u16>,
    pixels: Vec<Pixel>,
    /// Cycles that the sweep still takes.
    sweep_cycles: u32,
    /// Step of the sample under way, its pixel, its weight and what it leaves.
    step: u32,
    sample: (u64, u32, u32),
}

impl WeightModel {
    pub fn new(unit: SampleWeight) -> WeightModel {
        WeightModel {
            unit,
            alphas: vec![0; 1 << TABLE_BITS],
            pixels: vec![Pixel::CLEAR; 1 << unit.pixel_bits],
            sweep_cycles: 0,
            step: 0,
            sample: (0, 0, 0),
        }
    }

    /// Whether nothing is under way, or what is shown is taken as it is `ready`.
    fn rests(&self, ready: bool) -> bool {
        self.step == 0 || (self.step == LATENCY_CYCLES && ready)
    }

    /// Whether a sample would be taken in a cycle in which what is shown is taken if `ready`.
    pub fn is_free(&self, ready: bool) -> bool {
        self.rests(ready) && self.sweep_cycles == 0
    }

    fn take(&mut self, inputs: &[BigUint]) {
        let [shift, least_weight, opaque] = [3, 4, 5].map(|port| number(&inputs[port]) as u32);
        let alphas = &self.alphas;
        let one = f64::from(1_u32 << ALPHA_BITS);
        let step = 2f64.powi(shift as i32);
        let table = AlphaTable::new(shift, |density| f64::from(alphas[(density / step) as usize]) / one);
        let pixel = number(&inputs[9]);
        let kept = &mut self.pixels[pixel as usize];
        let density = signed_number(&inputs[10], self.unit.density_bits);
        let weight = match inputs[8].bit(0) {
            true => None,
            false => kept.absorb(table.alpha(density), &Thresholds { least_weight, opaque }),
        };
        self.sample = (pixel, weight.unwrap_or(0), kept.transmittance);
    }
}

impl Model for WeightModel {
    fn cycle(&mut self, inputs: &[BigUint]) -> Expected {
        let bit = |bit: bool| Some(BigUint::from(u8::from(bit)));
        let shows = self.step == LATENCY_CYCLES;
        let (rests, free) = (self.rests(inputs[11].bit(0)), self.is_free(inputs[11].bit(0)));
        let (pixel, weight, left) = self.sample;
        let mut outputs = vec![bit(free), bit(shows)];
        outputs.extend(match shows {
            true => [Some(pixel.into()), Some(weight.into()), Some(left.into())],
            false => [None, None, None],
        });
        self.sweep_cycles = self.sweep_cycles.saturating_sub(1);
        let (clears, takes) = (inputs[6].bit(0), inputs[7].bit(0));
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
        if inputs[0].bit(0) {
            let [address, data] =
                [1, 2].map(|port| number(&lane(&inputs[port], 0, TABLE_BITS.max(ALPHA_BITS))));
            self.alphas[address as usize] = data as u16;
        }
        outputs
    }
}
