//! Requantizer: brings an accumulator back to the activations' format, by a scale a channel and the rounding
//! that the command asks for.
//!
//! Meaning: `y = clamp(scale(accumulator + bias) + zero_point, low, high)` with the `scale` of
//! [`Requantization`], which says what each mode rounds.
//!
//! Circuit: the three modes that round an exact product p share one shifter, because each of them is
//! `half_up(p + c, shift)` with a small constant c that the sign and the shift decide:
//!
//! | mode | c |
//! |---|---|
//! | dyadic half up | 0 |
//! | half away from zero | −1 for negative p, if anything is shifted out |
//! | double rounding | ±2^30 with the sign of p, if the shift is above 31 |
//!
//! The last one holds since `half_away(half_up(p, 31), s − 31)` adds 2^30 before the first floor and
//! 2^(s−32), less one for negative numbers, before the second: together 2^30 or 2^30 − 2^31, and 2^(s−1).
//! (For p in −2^30..0 the first floor is 0, not negative; the result is 0 with either sign.) The constant enters
//! the multiplier as one more partial product. Single precision rounds accumulator and product to 24
//! bits on the way and needs a sticky bit: an option with a stage before and one behind the multiplier.
//!
//! Timing: a value every cycle, six cycles from input to output, eight with single precision.

mod roundings;
mod single_precision;

use std::sync::Arc;

use bitmill_formats::circuits::shift_right_jamming;
use bitmill_formats::requantize::{MULTIPLIER_BITS, SINGLE_PRECISION_BITS};
use bitmill_formats::{Multiplier, Requantization};
use bitmill_hdl::unit::{Model, Pipeline, Random, Unit, Values, number, signed_number, to_bits};
use bitmill_hdl::{BigUint, HdlError, Module, ModuleBuilder, Signal, signed, unsigned};

use crate::{Entry, Legal, Parameter, Settings, UnitError};
pub use roundings::Roundings;
use single_precision::round_to_24_bits;

/// Catalogue entry.
pub const ENTRY: Entry = Entry {
    name: "requantizer",
    summary: "bias, scale a channel with the rounding of HAWQ-V3, TFLite or onnxruntime, zero point and clamp",
    parameters: &[
        Parameter {
            name: "accumulator",
            default: "32",
            help: "bits of the signed accumulator, 8 to 48",
            legal: Legal::Numbers(8, 48),
        },
        Parameter {
            name: "activation_bits",
            default: "8",
            help: "bits of the signed result, 2 to 16",
            legal: Legal::Numbers(2, 16),
        },
        Parameter {
            name: "rounding",
            default: "dyadic_half_up,double_rounding,half_away_from_zero",
            help: "modes it offers, with commas between: also single_precision",
            legal: Legal::SomeOf(&[
                "dyadic_half_up",
                "double_rounding",
                "half_away_from_zero",
                "single_precision",
            ]),
        },
    ],
    examples: &[
        "",
        "accumulator=24 activation_bits=4 rounding=dyadic_half_up",
        "accumulator=40 activation_bits=16 rounding=double_rounding",
        "accumulator=16 rounding=half_away_from_zero",
        "rounding=single_precision",
        "accumulator=40 activation_bits=12 rounding=dyadic_half_up,double_rounding,half_away_from_zero,single_precision",
    ],
    build: |settings| Ok(Box::new(Requantizer::from_settings(settings)?)),
};

/// Bits of the bias.
pub const BIAS_BITS: u32 = 32;
/// Bits of the shift.
pub const SHIFT_BITS: u32 = 6;
/// Bits of a mode's number.
pub const ROUNDING_BITS: u32 = 2;
/// Bits of the multiplier's low half; both halves are multiplied at once and added a cycle later.
const LOW_HALF_BITS: u32 = 16;

/// Parameters of a requantizer.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct Requantizer {
    accumulator_bits: u32,
    activation_bits: u32,
    roundings: Roundings,
}

/// What a command sets for all of its channels.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct OutputRange {
    /// Integer that stands for zero.
    pub zero_point: i64,
    /// Smallest output.
    pub low: i64,
    /// Largest output.
    pub high: i64,
}

impl Requantizer {
    /// A requantizer from accumulators of `accumulator_bits` to activations of `activation_bits`, in the
    /// modes of `roundings`.
    ///
    /// # Errors
    /// An accumulator outside 8 to 48 bits or activations outside 2 to 16 bits.
    pub fn new(
        accumulator_bits: u32,
        activation_bits: u32,
        roundings: Roundings,
    ) -> Result<Requantizer, UnitError> {
        if !(8..=48).contains(&accumulator_bits) {
            return Err(UnitError::illegal("accumulator", accumulator_bits, "8 to 48 bits are legal"));
        }
        if !(2..=16).contains(&activation_bits) {
            return Err(UnitError::illegal("activation_bits", activation_bits, "2 to 16 bits are legal"));
        }
        Ok(Requantizer { accumulator_bits, activation_bits, roundings })
    }

    fn from_settings(settings: &Settings) -> Result<Requantizer, UnitError> {
        let names = settings.text("rounding");
        let roundings = Roundings::from_names(names.split(','))
            .map_err(|problem| UnitError::illegal("rounding", names, problem))?;
        let accumulator_bits = settings.number("accumulator", 8..=48)?;
        Requantizer::new(accumulator_bits, settings.number("activation_bits", 2..=16)?, roundings)
    }

    /// Cycles from input to output.
    pub fn latency_cycles(&self) -> u32 {
        if self.has_single_precision() { 8 } else { 6 }
    }

    /// The modes it offers.
    pub fn roundings(&self) -> Roundings {
        self.roundings
    }

    /// Whether the command chooses among several modes, through the port `rounding_i`.
    pub fn has_choice(&self) -> bool {
        self.roundings.iter().count() > 1
    }

    fn has_single_precision(&self) -> bool {
        self.roundings.contains(Requantization::SinglePrecision)
    }

    /// The meaning, on numbers.
    pub fn requantize(
        mode: Requantization,
        accumulator: i64,
        bias: i64,
        factor: Multiplier,
        output: OutputRange,
    ) -> i64 {
        let scaled = i128::from(mode.scale(accumulator + bias, factor)) + i128::from(output.zero_point);
        scaled.max(output.low.into()).min(output.high.into()) as i64
    }
}

impl Unit for Requantizer {
    fn module(&self) -> Result<Arc<Module>, HdlError> {
        let (acc_bits, bits) = (self.accumulator_bits, self.activation_bits);
        let modes: Vec<&str> = self.roundings.iter().map(short_name).collect();
        let m = ModuleBuilder::new(
            format!("bitmill_requantizer_acc{acc_bits}_a{bits}_{}", modes.join("_")),
            format!(
                "clamp(round((accumulator + bias) * multiplier / 2^shift) + zero point).\nLatency {} cycles, interval 1.",
                self.latency_cycles()
            ),
        );
        m.group("Data");
        let accumulator = m.input("accumulator_i", signed(acc_bits));
        m.group("Scale of the channel");
        let bias = m.input("bias_i", signed(BIAS_BITS));
        let multiplier = m.input("multiplier_i", unsigned(MULTIPLIER_BITS));
        let shift = m.input("shift_i", unsigned(SHIFT_BITS));
        m.group("Settings of the command");
        let rounding = self
            .has_choice()
            .then(|| m.input_with_comment("rounding_i", unsigned(ROUNDING_BITS), "number of the mode"));
        let [zero_point, low, high] = ["zero_point_i", "low_i", "high_i"]
            .map(|port| m.input_with_comment(port, signed(bits), "held until the results are out"));

        m.comment("Bias.");
        let mut scaling = Scaling {
            value: m.delay_data("biased_q", accumulator.add(bias)),
            multiplier: m.delay_data("multiplier_q", multiplier),
            shift: m.delay_data("shift_q", shift),
            flags: self.flags(&m, rounding, shift),
        };
        if let Some(single) = scaling.flags.single {
            m.comment("Single precision: the accumulator has 24 significant bits.");
            scaling.round_value(&m, "accumulator", single);
        }
        scaling.multiply(&m);
        if let Some(single) = scaling.flags.single {
            m.comment("Single precision: so has the product.");
            scaling.round_value(&m, "product", single);
        }
        let scaled = scaling.shift(&m, bits);
        let sum_q = m.delay_data("sum_q", scaled.add(zero_point));
        m.comment("Clamp.");
        let [low, high] = [low, high].map(|bound| bound.extend(sum_q.width()));
        let floored = sum_q.lt(low).mux(low, sum_q).named("floored");
        let clamped = floored.gt(high).mux(high, floored).truncate(bits);
        m.output("activation_o", m.delay_data("activation_q", clamped));
        m.finish()
    }

    fn model(&self) -> Box<dyn Model> {
        let unit = *self;
        // Zero point and clamp act in the last cycles; the stimulus holds them still.
        Box::new(Pipeline::new(self.latency_cycles() as usize, 1, move |inputs: &[BigUint]| {
            let (data, range) = inputs.split_at(inputs.len() - 3);
            let number_of = |index: usize| number(&data[index]);
            let mode = match data.get(4) {
                Some(chosen) => Requantization::ALL[number(chosen) as usize],
                None => unit.roundings.iter().next().expect("a set of roundings is not empty"),
            };
            let narrow = |index: usize| signed_number(&range[index], unit.activation_bits);
            let y = Requantizer::requantize(
                mode,
                signed_number(&data[0], unit.accumulator_bits),
                signed_number(&data[1], BIAS_BITS),
                Multiplier { multiplier: number_of(2) as u32, shift: number_of(3) as u8 },
                OutputRange { zero_point: narrow(0), low: narrow(1), high: narrow(2) },
            );
            vec![Some(to_bits(i128::from(y), unit.activation_bits))]
        }))
    }

    fn stimulus(&self, random: &mut Random, cycles: usize) -> Vec<Values> {
        let bits = self.activation_bits;
        // -8 … 7 of 4 bits: the settings of one command, with low <= high.
        let range = [
            to_bits(3 - (1 << (bits - 2)), bits),
            to_bits(-(1 << (bits - 1)), bits),
            to_bits((1 << (bits - 1)) - 2, bits),
        ];
        let modes: Vec<Requantization> = self.roundings.iter().collect();
        (0..cycles)
            .map(|_| {
                let mode = modes[random.below(modes.len() as u64) as usize];
                let mut values = self.scaling_stimulus(random, mode);
                if self.has_choice() {
                    values.push(BigUint::from(mode as u8));
                }
                values.extend(range.iter().cloned());
                values
            })
            .collect()
    }
}

impl Requantizer {
    /// Accumulator, bias, multiplier and shift. Most results lie within the activations' range, ties are
    /// frequent, and the corners of all four are mixed in.
    fn scaling_stimulus(&self, random: &mut Random, mode: Requantization) -> Values {
        let bits = match mode {
            Requantization::SinglePrecision => SINGLE_PRECISION_BITS,
            _ => MULTIPLIER_BITS,
        };
        let narrow = 1 + random.below(u64::from(self.accumulator_bits)) as u32;
        let accumulator = widen(&random.corner_bits(narrow), narrow, self.accumulator_bits);
        let bias_bits = narrow.min(BIAS_BITS);
        let bias = widen(&random.corner_bits(bias_bits), bias_bits, BIAS_BITS);
        // A power of two times a small accumulator meets ties; a shift near the product's bits, the range.
        let multiplier = match random.below(3) {
            0 => BigUint::from(1u8) << random.below(u64::from(bits)),
            1 => random.corner_bits(bits),
            _ => random.bits(bits) | BigUint::from(1u8) << (bits - 1),
        };
        let near = u64::from(narrow) + multiplier.bits().saturating_sub(random.below(20));
        let shift = if random.one_in(8) { random.below(63) } else { near.min(62) };
        vec![accumulator, bias, multiplier, BigUint::from(shift)]
    }

    /// What the modes that it offers need to know of a value, a cycle later.
    fn flags<'m>(&self, m: &'m ModuleBuilder, rounding: Option<Signal<'m>>, shift: Signal<'m>) -> Flags<'m> {
        let is = |mode: Requantization| {
            let chosen = rounding.map_or_else(|| m.bit(true), |number| number.eq_value(mode as i128));
            self.roundings.contains(mode).then_some(chosen)
        };
        let away = is(Requantization::HalfAwayFromZero).map(|is| is.and(shift.any()));
        // The highest bit of the shift says that it is above 31.
        let twice = is(Requantization::DoubleRounding).map(|is| is.and(shift.bit(SHIFT_BITS - 1)));
        let single = is(Requantization::SinglePrecision);
        Flags {
            away: away.map(|flag| m.delay_data("away_q", flag)),
            twice: twice.map(|flag| m.delay_data("twice_q", flag)),
            single: single.map(|flag| m.delay_data("single_q", flag)),
        }
    }
}

/// How the value beside it rounds; `None` where no mode needs to know.
#[derive(Clone, Copy)]
struct Flags<'m> {
    /// Halves go away from zero, and there are some.
    away: Option<Signal<'m>>,
    /// The high word was rounded before.
    twice: Option<Signal<'m>>,
    /// Single precision.
    single: Option<Signal<'m>>,
}

/// A value on its way through the pipeline, with what has yet to be done to it.
struct Scaling<'m> {
    value: Signal<'m>,
    multiplier: Signal<'m>,
    shift: Signal<'m>,
    flags: Flags<'m>,
}

impl<'m> Scaling<'m> {
    /// What waits beside the value is a cycle older; `name` says what the value has become.
    fn advance(&mut self, m: &'m ModuleBuilder, name: &str) {
        self.shift = m.delay_data(&format!("{name}_shift_q"), self.shift);
        self.flags.single = self.flags.single.map(|flag| m.delay_data(&format!("{name}_single_q"), flag));
    }

    /// Rounds the value to 24 significant bits where `single` says so: a cycle.
    fn round_value(&mut self, m: &'m ModuleBuilder, name: &str, single: Signal<'m>) {
        let rounded = round_to_24_bits(m, &format!("{name}_rounded"), self.value);
        let value = single.mux(rounded, self.value.extend(rounded.width()));
        self.value = m.delay_data(&format!("{name}_single_precision_q"), value);
        self.advance(m, name);
        if name == "accumulator" {
            self.multiplier = m.delay_data("accumulator_multiplier_q", self.multiplier);
            for (flag, what) in [(&mut self.flags.away, "away"), (&mut self.flags.twice, "twice")] {
                *flag = flag.map(|flag| m.delay_data(&format!("accumulator_{what}_q"), flag));
            }
        }
    }

    /// Multiplies by both halves of the multiplier, adds the constant of the rounding, then joins the
    /// halves: two cycles.
    fn multiply(&mut self, m: &'m ModuleBuilder) {
        m.comment("Multiply by both halves; the rounding's constant is one more partial product.");
        let multiplier_bits = self.multiplier.width();
        let high = self.multiplier.slice(LOW_HALF_BITS, multiplier_bits - LOW_HALF_BITS);
        let low = self.value.mul(self.multiplier.truncate(LOW_HALF_BITS).to_signed()).named("low_product");
        let high = self.value.mul(high.to_signed()).named("high_product");
        let Flags { away, twice, .. } = self.flags;
        let low = match rounding_constant(m, self.value.msb(), away, twice, MULTIPLIER_BITS - 1) {
            // The zero bit that makes the half signed leaves the product room for the constant.
            Some(constant) => low.add_wrapping(constant.extend(low.width())),
            None => low,
        };
        let low_q = m.delay_data("low_product_q", low);
        let high_q = m.delay_data("high_product_q", high);
        self.advance(m, "halves");
        m.comment("Join the halves.");
        let product = low_q.add(high_q.shl(LOW_HALF_BITS)).truncate(self.value.width() + multiplier_bits);
        self.value = m.delay_data("product_q", product);
        self.advance(m, "joined");
    }

    /// Shifts right and rounds with the last bit that is shifted out, saturating what lies far beyond the
    /// range of `bits`: a cycle, and an addition in the next.
    fn shift(&mut self, m: &'m ModuleBuilder, bits: u32) -> Signal<'m> {
        m.comment(
            "Shift right by all but one place, saturated to a width at which the clamp sees no difference.",
        );
        let (shifted, sticky) = match self.flags.single {
            None => (self.value.shl(1).shift_right(self.shift).named("shifted"), None),
            Some(_) => {
                let jammed = shift_right_jamming(m, self.value.shl(2), self.shift).named("jammed");
                (jammed.shr(1), Some(jammed.bit(0)))
            }
        };
        // The result, two bits for the zero point and saturation, and the bit that rounds.
        let kept_bits = bits + 3;
        let above = shifted.slice(kept_bits - 1, shifted.width() - kept_bits + 1);
        let fits = above.all().or(above.any().not()).named("fits");
        let negative = shifted.msb();
        let limit = m.concat(&[negative, negative.not().replicate(kept_bits - 1)]);
        let kept = fits.mux(shifted.as_unsigned().truncate(kept_bits), limit);
        let kept_q = m.delay_data("shifted_q", kept).as_signed();
        m.comment("Round with the last place: halves up, or to even in single precision.");
        let up = match (self.flags.single, sticky) {
            (Some(single), Some(sticky)) => {
                let sticky_q = m.delay_data("sticky_q", sticky);
                let single_q = m.delay_data("shifted_single_q", single);
                m.any(&[single_q.not(), sticky_q, kept_q.bit(1)])
            }
            _ => m.bit(true),
        };
        kept_q.add(up.to_signed()).shr(1).named("scaled")
    }
}

/// −1, ±2^`places` or 0, see the head of the file, for a product of the sign `negative`; `None` where it is 0 in
/// every mode.
pub(super) fn rounding_constant<'m>(
    m: &'m ModuleBuilder,
    negative: Signal<'m>,
    away: Option<Signal<'m>>,
    twice: Option<Signal<'m>>,
    places: u32,
) -> Option<Signal<'m>> {
    let away = away.map(|away| away.and(negative).named("away_from_zero"));
    let parts = match (away, twice) {
        (None, None) => return None,
        (Some(away), None) => return Some(away.as_signed()),
        (None, Some(twice)) => [twice.and(negative), twice, m.lit(places, 0)],
        (Some(away), Some(twice)) => [away.or(twice.and(negative)), away.or(twice), away.replicate(places)],
    };
    Some(m.concat(&parts).as_signed().named("rounding_constant"))
}

/// The mode in the module's name.
fn short_name(mode: Requantization) -> &'static str {
    match mode {
        Requantization::DyadicHalfUp => "up",
        Requantization::DoubleRounding => "twice",
        Requantization::HalfAwayFromZero => "away",
        Requantization::SinglePrecision => "single",
    }
}

fn widen(bits: &BigUint, from: u32, to: u32) -> BigUint {
    to_bits(signed_number(bits, from).into(), to)
}
