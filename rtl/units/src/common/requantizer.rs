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
//! Results in floating point branch off behind the multiplier into a [`ResultEncoder`], whose ordinals are clamped
//! like integers. Sums for them are wide: the shift has eight bits then, and the bias stands `bias_places` higher.
//!
//! Timing: a value every cycle, six cycles from input to output, two more with single precision and one more with
//! floating point.

mod roundings;
mod scaling;
mod single_precision;

use std::sync::Arc;

use bitmill_formats::requantize::{MULTIPLIER_BITS, SINGLE_PRECISION_BITS};
use bitmill_formats::{Multiplier, Ordered, Requantization, requantize};
use bitmill_hdl::unit::{Model, Pipeline, Random, Unit, Values, number, signed_number, to_bits};
use bitmill_hdl::{BigUint, HdlError, Module, ModuleBuilder, Signal, bits_for, signed, unsigned};

use super::result_encoder::{self, ResultEncoder};
use crate::{Entry, Legal, Parameter, Settings, UnitError};
pub use roundings::Roundings;
pub(super) use scaling::rounding_constant;
use scaling::{Flags, Scaling};

/// Catalogue entry.
pub const ENTRY: Entry = Entry {
    name: "requantizer",
    summary: "bias, scale a channel with the rounding of HAWQ-V3, TFLite or onnxruntime, zero point and clamp",
    parameters: &[
        Parameter {
            name: "accumulator",
            default: "32",
            help: "bits of the signed accumulator, 8 to 96; above 48 with a shift of eight bits and bias places",
            legal: Legal::Numbers(8, 96),
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
        Parameter {
            name: "formats",
            default: "none",
            help: "none, or minifloats and posits that results may have instead of integers, with commas between",
            legal: Legal::OneOf(&["none", "none", "fp8_e4m3", "posit8_0,fp4_e2m1"]),
        },
    ],
    examples: &[
        "",
        "accumulator=24 activation_bits=4 rounding=dyadic_half_up",
        "accumulator=40 activation_bits=16 rounding=double_rounding",
        "accumulator=16 rounding=half_away_from_zero",
        "rounding=single_precision",
        "accumulator=40 activation_bits=12 rounding=dyadic_half_up,double_rounding,half_away_from_zero,single_precision",
        "accumulator=96 rounding=dyadic_half_up",
        "accumulator=48 formats=fp8_e4m3 rounding=half_away_from_zero",
        "accumulator=96 activation_bits=16 formats=fp8_e4m3,posit16_1,bf16",
        "accumulator=30 formats=fp4_e2m1,posit8_0 rounding=double_rounding,single_precision",
    ],
    build: |settings| Ok(Box::new(Requantizer::from_settings(settings)?)),
};

/// Bits of the bias.
pub const BIAS_BITS: u32 = 32;
/// Bits of the shift where sums are narrow.
pub const SHIFT_BITS: u32 = 6;
/// Bits of the places by which a bias stands higher than a wide sum.
pub const BIAS_PLACES_BITS: u32 = 6;
/// Widest accumulator of integers alone, in bits.
const NARROW_BITS: u32 = 48;
/// Widest accumulator, in bits: its product with a multiplier has 128.
const WIDEST_BITS: u32 = requantize::WIDEST_SUM_BITS - 1;
/// Bits of a mode's number.
pub const ROUNDING_BITS: u32 = 2;

/// Parameters of a requantizer.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub struct Requantizer {
    accumulator_bits: u32,
    activation_bits: u32,
    roundings: Roundings,
    encoder: Option<ResultEncoder>,
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
    /// An accumulator outside 8 to 96 bits or activations outside 2 to 16 bits.
    pub fn new(
        accumulator_bits: u32,
        activation_bits: u32,
        roundings: Roundings,
    ) -> Result<Requantizer, UnitError> {
        if !(8..=WIDEST_BITS).contains(&accumulator_bits) {
            return Err(UnitError::illegal("accumulator", accumulator_bits, "8 to 96 bits are legal"));
        }
        if !(2..=16).contains(&activation_bits) {
            return Err(UnitError::illegal("activation_bits", activation_bits, "2 to 16 bits are legal"));
        }
        Ok(Requantizer { accumulator_bits, activation_bits, roundings, encoder: None })
    }

    /// The same with results in `formats` too, if there are any; `format_i` numbers them from 1, 0 are integers.
    ///
    /// # Errors
    /// A format with more bits than the activations.
    pub fn with_formats(self, formats: Vec<Ordered>) -> Result<Requantizer, UnitError> {
        if let Some(wide) = formats.iter().find(|format| format.bits() > self.activation_bits) {
            let legal =
                format!("activations have {} bits, formats up to as many are legal", self.activation_bits);
            return Err(UnitError::illegal("formats", wide, legal));
        }
        let product_bits = self.biased_bits() + MULTIPLIER_BITS;
        let encoder = (!formats.is_empty()).then(|| ResultEncoder::new(product_bits, formats)).transpose()?;
        Ok(Requantizer { encoder, ..self })
    }

    fn from_settings(settings: &Settings) -> Result<Requantizer, UnitError> {
        let names = settings.text("rounding");
        let roundings = Roundings::from_names(names.split(','))
            .map_err(|problem| UnitError::illegal("rounding", names, problem))?;
        let accumulator_bits = settings.number("accumulator", 8..=WIDEST_BITS)?;
        let formats = match settings.text("formats") {
            "none" => Vec::new(),
            names => result_encoder::parse(names)?,
        };
        Requantizer::new(accumulator_bits, settings.number("activation_bits", 2..=16)?, roundings)?
            .with_formats(formats)
    }

    /// Bits of the signed accumulator.
    pub fn accumulator_bits(&self) -> u32 {
        self.accumulator_bits
    }

    /// Cycles from input to output.
    pub fn latency_cycles(&self) -> u32 {
        6 + 2 * u32::from(self.has_single_precision()) + u32::from(self.encoder.is_some())
    }

    /// Whether it takes wide sums: a shift of eight bits, and the port `bias_places_i`.
    pub fn is_wide(&self) -> bool {
        self.accumulator_bits > NARROW_BITS || self.encoder.is_some()
    }

    /// Bits of the shift.
    pub fn shift_bits(&self) -> u32 {
        if self.is_wide() { result_encoder::SHIFT_BITS } else { SHIFT_BITS }
    }

    /// Formats of results beside integers, numbered from 1 by the port `format_i`, which stands where there are any.
    pub fn formats(&self) -> &[Ordered] {
        self.encoder.as_ref().map_or(&[], ResultEncoder::formats)
    }

    /// Bits of `format_i`.
    pub fn format_bits(&self) -> u32 {
        bits_for(self.formats().len() as u64)
    }

    /// Bits of a sum with its bias.
    fn biased_bits(&self) -> u32 {
        // What a bias of 63 places adds to a narrower sum, nobody asks for: it wraps around.
        self.accumulator_bits.max(BIAS_BITS) + 1
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

    /// The meaning for integers, on numbers.
    pub fn requantize(
        mode: Requantization,
        accumulator: i64,
        bias: i64,
        factor: Multiplier,
        output: OutputRange,
    ) -> i64 {
        Requantizer::requantize_wide(mode, (accumulator + bias).into(), 0, factor, output)
    }

    /// The same for a sum of any width, `sum` · 2^−`deeper` with the bias.
    fn requantize_wide(
        mode: Requantization,
        sum: i128,
        deeper: i32,
        factor: Multiplier,
        output: OutputRange,
    ) -> i64 {
        let scaled = i128::from(mode.scale_wide(sum, -deeper, factor)) + i128::from(output.zero_point);
        scaled.max(output.low.into()).min(output.high.into()) as i64
    }
}

impl Unit for Requantizer {
    fn module(&self) -> Result<Arc<Module>, HdlError> {
        let (acc_bits, bits) = (self.accumulator_bits, self.activation_bits);
        let modes: Vec<&str> = self.roundings.iter().map(short_name).collect();
        let formats: Vec<String> = self.formats().iter().map(|format| format!("_{format}")).collect();
        let m = ModuleBuilder::new(
            format!("bitmill_requantizer_acc{acc_bits}_a{bits}_{}{}", modes.join("_"), formats.concat()),
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
        let shift = m.input("shift_i", unsigned(self.shift_bits()));
        let places = self.is_wide().then(|| {
            m.input_with_comment(
                "bias_places_i",
                unsigned(BIAS_PLACES_BITS),
                "the bias stands so much higher",
            )
        });
        m.group("Settings of the command");
        let rounding = self
            .has_choice()
            .then(|| m.input_with_comment("rounding_i", unsigned(ROUNDING_BITS), "number of the mode"));
        let format = self.encoder.is_some().then(|| {
            let comment = "0: integers, else a floating-point format; held until the results are out";
            m.input_with_comment("format_i", unsigned(self.format_bits()), comment)
        });
        let [zero_point, low, high] = ["zero_point_i", "low_i", "high_i"]
            .map(|port| m.input_with_comment(port, signed(bits), "held until the results are out"));
        let is_encoded = format.map(|format| format.any().named("is_encoded"));

        m.comment("Bias.");
        let biased = match places {
            None => accumulator.add(bias),
            Some(places) => {
                let wide = bias.extend(self.biased_bits()).shift_left(places).named("placed_bias");
                accumulator.extend(self.biased_bits()).add_wrapping(wide)
            }
        };
        let mut scaling = Scaling {
            value: m.delay_data("biased_q", biased),
            multiplier: m.delay_data("multiplier_q", multiplier),
            shift: m.delay_data("shift_q", shift),
            flags: self.flags(&m, rounding, is_encoded, shift),
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
        let ordinal =
            self.encoder.as_ref().zip(format).map(|(encoder, format)| encode(&m, encoder, &scaling, format));
        let scaled = scaling.shift(&m, bits);
        let mut sum_q = m.delay_data("sum_q", scaled.add(zero_point));
        if let Some((ordinal, is_encoded)) = ordinal.transpose()?.zip(is_encoded) {
            m.comment("Whichever is meant.");
            let integer_q = m.delay_data("integer_q", sum_q);
            sum_q = is_encoded.mux(ordinal.extend(integer_q.width()), integer_q).named("result");
        }
        m.comment("Clamp.");
        let [low, high] = [low, high].map(|bound| bound.extend(sum_q.width()));
        let floored = sum_q.lt(low).mux(low, sum_q).named("floored");
        let clamped = floored.gt(high).mux(high, floored).truncate(bits);
        m.output("activation_o", m.delay_data("activation_q", clamped));
        m.finish()
    }

    fn model(&self) -> Box<dyn Model> {
        let unit = self.clone();
        // Format, zero point and clamp act in the last cycles; the stimulus holds them still.
        Box::new(Pipeline::new(self.latency_cycles() as usize, 1, move |inputs: &[BigUint]| {
            let (data, range) = inputs.split_at(inputs.len() - 3);
            let mut data = data.iter();
            let mut next = || data.next().expect("the ports in their order");
            let accumulator = signed_wide(next(), unit.accumulator_bits);
            let bias = i128::from(signed_number(next(), BIAS_BITS));
            let multiplier = number(next()) as u32;
            let deeper = number(next()) as i32;
            let sum = accumulator + (bias << if unit.is_wide() { number(next()) } else { 0 });
            let mode = match unit.has_choice() {
                true => Requantization::ALL[number(next()) as usize],
                false => unit.roundings.iter().next().expect("a set of roundings is not empty"),
            };
            let format = unit.encoder.as_ref().map_or(0, |_| number(next()) as usize);
            let narrow = |index: usize| signed_number(&range[index], unit.activation_bits);
            let output = OutputRange { zero_point: narrow(0), low: narrow(1), high: narrow(2) };
            let factor = Multiplier { multiplier, shift: 0 };
            let y = match format.checked_sub(1).map(|index| unit.formats()[index]) {
                Some(format) => i64::from(requantize::encode(sum, -deeper, factor, format))
                    .max(output.low)
                    .min(output.high),
                None => Requantizer::requantize_wide(mode, sum, deeper, factor, output),
            };
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
        let format = random.below(self.formats().len() as u64 + 1);
        (0..cycles)
            .map(|_| {
                let mode = modes[random.below(modes.len() as u64) as usize];
                let mut values = self.scaling_stimulus(random, mode);
                if self.has_choice() {
                    values.push(BigUint::from(mode as u8));
                }
                if self.encoder.is_some() {
                    values.push(format.into());
                }
                values.extend(range.iter().cloned());
                values
            })
            .collect()
    }
}

/// The ordinal of the scaled sum in the chosen format.
fn encode<'m>(
    m: &'m ModuleBuilder,
    encoder: &ResultEncoder,
    scaling: &Scaling<'m>,
    format: Signal<'m>,
) -> Result<Signal<'m>, HdlError> {
    let product = scaling.value.resize(encoder.product_bits());
    let mut inputs = vec![("product_i", product), ("shift_i", scaling.shift)];
    if encoder.format_bits() > 0 {
        let number = format.sub_wrapping(m.lit(format.width(), 1)).truncate(encoder.format_bits());
        inputs.push(("format_i", number));
    }
    Ok(m.instance("i_encoder", &encoder.module()?, &inputs).output("ordinal_o").as_signed())
}

/// A two's complement number of up to 128 bits.
fn signed_wide(bits: &BigUint, width: u32) -> i128 {
    let digits = bits.to_u64_digits();
    let digit = |index: usize| u128::from(digits.get(index).copied().unwrap_or(0));
    let unused = 128 - width;
    ((digit(1) << 64 | digit(0)) << unused) as i128 >> unused
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
        let accumulator = to_bits(signed_wide(&random.corner_bits(narrow), narrow), self.accumulator_bits);
        let bias_bits = narrow.min(BIAS_BITS);
        let bias = to_bits(signed_wide(&random.corner_bits(bias_bits), bias_bits), BIAS_BITS);
        // A power of two times a small accumulator meets ties; a shift near the product's bits, the range.
        let multiplier = match random.below(3) {
            0 => BigUint::from(1u8) << random.below(u64::from(bits)),
            1 => random.corner_bits(bits),
            _ => random.bits(bits) | BigUint::from(1u8) << (bits - 1),
        };
        let near = u64::from(narrow) + multiplier.bits().saturating_sub(random.below(20));
        let most = if self.is_wide() { 190 } else { 62 };
        let shift = if random.one_in(8) { random.below(most + 1) } else { near.min(most) };
        let mut values = vec![accumulator, bias, multiplier, BigUint::from(shift)];
        if self.is_wide() {
            // A placed bias stays within a sum.
            let most = (self.accumulator_bits - 1).saturating_sub(bias_bits).min(63);
            values.push(random.below(u64::from(most) + 1).into());
        }
        values
    }

    /// What the modes that it offers need to know of a value, a cycle later.
    fn flags<'m>(
        &self,
        m: &'m ModuleBuilder,
        rounding: Option<Signal<'m>>,
        is_encoded: Option<Signal<'m>>,
        shift: Signal<'m>,
    ) -> Flags<'m> {
        let is = |mode: Requantization| {
            let chosen = rounding.map_or_else(|| m.bit(true), |number| number.eq_value(mode as i128));
            // An encoder rounds in its own way.
            let chosen = is_encoded.map_or(chosen, |is_encoded| chosen.and(is_encoded.not()));
            self.roundings.contains(mode).then_some(chosen)
        };
        let away = is(Requantization::HalfAwayFromZero).map(|is| is.and(shift.any()));
        // The highest bits of the shift say that it is above 31.
        let above_31 = shift.slice(SHIFT_BITS - 1, shift.width() - SHIFT_BITS + 1).any();
        let twice = is(Requantization::DoubleRounding).map(|is| is.and(above_31));
        let single = is(Requantization::SinglePrecision);
        Flags {
            away: away.map(|flag| m.delay_data("away_q", flag)),
            twice: twice.map(|flag| m.delay_data("twice_q", flag)),
            single: single.map(|flag| m.delay_data("single_q", flag)),
        }
    }
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
