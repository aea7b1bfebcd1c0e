//! Pair unit: joins two activations of a channel into the accumulator that a requantizer takes.
//!
//! Meaning, with a and b the activations less their zero points:
//! - addition: `a · 2^19 + scale(b · 2^20, factor)` with the `scale` of [`Requantization`]. That is TFLite's
//!   addition, whose factors are relative to twice the larger scale: the one with the larger scale comes
//!   first, and its factor is exactly one half;
//! - multiplication: `a · b`.
//!
//! Circuit: the 2^20 cancels against the shift, so b alone meets the factor; the rounding is the requantizer's,
//! `half_up(b · factor + c, shift − 20)` with its c divided by 2^20 (and −2^−20 is as good as −1 under a floor).
//! For a multiplication a takes the place of the factor.
//!
//! Timing: a pair every cycle, four cycles from input to output.

use std::collections::VecDeque;
use std::sync::Arc;

use bitmill_formats::circuits::at_least;
use bitmill_formats::requantize::{ADDITION_SHIFT, MULTIPLIER_BITS};
use bitmill_formats::{Multiplier, Requantization};
use bitmill_hdl::unit::{Model, Random, Unit, Values, number, signed_number, to_bits};
use bitmill_hdl::{BigUint, HdlError, Module, ModuleBuilder, Signal, signed, unsigned};

use super::requantizer::{ROUNDING_BITS, Roundings, SHIFT_BITS, rounding_constant};
use crate::{Entry, Legal, Parameter, Settings, UnitError};

/// Catalogue entry.
pub const ENTRY: Entry = Entry {
    name: "pair",
    summary: "sum in one step (TFLite's addition) or product of two activations, for the requantizer",
    parameters: &[
        Parameter {
            name: "activation_bits",
            default: "8",
            help: "bits of the signed activations, 2 to 16",
            legal: Legal::Numbers(2, 16),
        },
        Parameter {
            name: "rounding",
            default: "dyadic_half_up,double_rounding,half_away_from_zero",
            help: "modes it offers, with commas between, of these three",
            legal: Legal::SomeOf(&["dyadic_half_up", "double_rounding", "half_away_from_zero"]),
        },
    ],
    examples: &[
        "",
        "activation_bits=4 rounding=dyadic_half_up",
        "activation_bits=16 rounding=double_rounding",
        "rounding=half_away_from_zero",
    ],
    build: |settings| Ok(Box::new(Pair::from_settings(settings)?)),
};

/// Cycles from input to output.
pub const LATENCY_CYCLES: u32 = 4;
/// Places by which the first activation of an addition moves up: the factor one half of [`ADDITION_SHIFT`].
const FIRST_SHIFT: u32 = ADDITION_SHIFT as u32 - 1;

/// Parameters of a pair unit.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct Pair {
    activation_bits: u32,
    roundings: Roundings,
}

/// What a command sets for all of its channels.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct PairSettings {
    /// Integers that stand for zero, first and second.
    pub zero_points: [i64; 2],
    /// Factor of an addition's second activation, at most one half, with a shift of 20 or more; `None` for a
    /// multiplication.
    pub factor: Option<Multiplier>,
}

impl Pair {
    /// A unit for signed activations of `activation_bits` that rounds in the modes of `roundings`, of which
    /// single precision is left out: no framework adds so.
    ///
    /// # Errors
    /// Activations outside 2 to 16 bits.
    pub fn new(activation_bits: u32, roundings: Roundings) -> Result<Pair, UnitError> {
        if !(2..=16).contains(&activation_bits) {
            return Err(UnitError::illegal("activation_bits", activation_bits, "2 to 16 bits are legal"));
        }
        Ok(Pair { activation_bits, roundings })
    }

    fn from_settings(settings: &Settings) -> Result<Pair, UnitError> {
        let names = settings.text("rounding");
        let roundings = Roundings::from_names(names.split(','))
            .map_err(|problem| UnitError::illegal("rounding", names, problem))?;
        Pair::new(settings.number("activation_bits", 2..=16)?, roundings)
    }

    /// Bits of the signed activations.
    pub fn activation_bits(&self) -> u32 {
        self.activation_bits
    }

    /// Bits of the signed result.
    pub fn result_bits(&self) -> u32 {
        // A difference has a bit more than its terms; the sum of two sides another one.
        (self.activation_bits + 1 + FIRST_SHIFT + 1).max(2 * (self.activation_bits + 1))
    }

    /// The meaning, on numbers.
    pub fn join(mode: Requantization, activations: [i64; 2], settings: PairSettings) -> i64 {
        let [a, b] = [0, 1].map(|side| activations[side] - settings.zero_points[side]);
        match settings.factor {
            Some(factor) => (a << FIRST_SHIFT) + mode.scale(b << ADDITION_SHIFT, factor),
            None => a * b,
        }
    }

    fn modes(&self) -> impl Iterator<Item = Requantization> {
        self.roundings.iter().filter(|mode| *mode != Requantization::SinglePrecision)
    }

    /// Whether the command chooses among several modes, through the port `rounding_i`.
    pub fn has_choice(&self) -> bool {
        self.modes().count() > 1
    }
}

impl Unit for Pair {
    fn module(&self) -> Result<Arc<Module>, HdlError> {
        let bits = self.activation_bits;
        let modes: Vec<&str> = self.modes().map(Requantization::name).collect();
        let m = ModuleBuilder::new(
            format!("bitmill_pair_a{bits}_{}", modes.join("_")),
            format!(
                "sum in one step, or product, of two activations.\nLatency {LATENCY_CYCLES} cycles, interval 1."
            ),
        );
        m.group("Data");
        let activations = ["first_i", "second_i"].map(|port| m.input(port, signed(bits)));
        m.group("Settings of the command, held until the results are out");
        let zero_points =
            ["first_zero_point_i", "second_zero_point_i"].map(|port| m.input(port, signed(bits)));
        let multiplies = m.input_with_comment("multiplies_i", unsigned(1), "else adds");
        let factor = m.input_with_comment("factor_i", unsigned(MULTIPLIER_BITS), "of the second activation");
        let shift = m.input_with_comment("shift_i", unsigned(SHIFT_BITS), "less 20; 0 for a multiplication");
        let rounding = self
            .has_choice()
            .then(|| m.input_with_comment("rounding_i", unsigned(ROUNDING_BITS), "number of the mode"));

        m.comment("Zero points.");
        let [first_q, second_q] = [("first_q", 0), ("second_q", 1)]
            .map(|(name, side)| m.delay_data(name, activations[side].sub(zero_points[side])));
        m.comment("The second activation meets the factor, or the first activation.");
        let factor = factor.to_signed();
        let product = second_q.mul(multiplies.mux(first_q.extend(factor.width()), factor)).named("product");
        let product = match self.constant(&m, rounding, shift, second_q.msb()) {
            Some(constant) => product.add_wrapping(constant.extend(product.width())),
            None => product,
        };
        let product_q = m.delay_data("product_q", product);
        let first_2_q = m.delay_data("first_2_q", first_q);
        m.comment("Shift right by all but one place, then round half up with the last.");
        let shifted = product_q.shl(1).shift_right(shift).named("shifted");
        let one = m.constant(signed(2), 1);
        let width = self.result_bits();
        let scaled_q = m.delay_data("scaled_q", shifted.add(one).shr(1).truncate(width));
        let first_3_q = m.delay_data("first_3_q", first_2_q);
        m.comment("A sum adds the first activation.");
        let addend = first_3_q.shl(FIRST_SHIFT).extend(width).gate(multiplies.not());
        m.output("result_o", m.delay_data("result_q", scaled_q.add_wrapping(addend)));
        m.finish()
    }

    fn model(&self) -> Box<dyn Model> {
        let unit = *self;
        let mut seen: VecDeque<Values> = VecDeque::new();
        // The settings act at any stage: a result counts if they were held all the way.
        Box::new(move |inputs: &[BigUint]| {
            seen.push_back(inputs.to_vec());
            if seen.len() <= LATENCY_CYCLES as usize {
                return vec![None];
            }
            let is_held = seen.iter().all(|values| values[2..] == seen[0][2..]);
            let result = unit.result_of(&seen[0]);
            seen.pop_front();
            vec![is_held.then(|| to_bits(i128::from(result), unit.result_bits()))]
        })
    }

    fn stimulus(&self, random: &mut Random, cycles: usize) -> Vec<Values> {
        let modes: Vec<Requantization> = self.modes().collect();
        let bits = self.activation_bits;
        let mut settings = Vec::new();
        (0..cycles)
            .map(|cycle| {
                if cycle % 16 == 0 {
                    let multiplies = random.one_in(3);
                    // A normalised factor of at most one half, or one with corners.
                    let high = BigUint::from(u8::from(!random.one_in(4))) << (MULTIPLIER_BITS - 1);
                    let factor = random.corner_bits(MULTIPLIER_BITS - 1) | high;
                    let shift = if multiplies { 0 } else { 12 + random.below(24) };
                    let number = modes[random.below(modes.len() as u64) as usize] as u8;
                    settings = vec![random.corner_bits(bits), random.corner_bits(bits)];
                    settings.extend([BigUint::from(u8::from(multiplies)), factor, BigUint::from(shift)]);
                    if self.has_choice() {
                        settings.push(BigUint::from(number));
                    }
                }
                let mut values = vec![random.corner_bits(bits), random.corner_bits(bits)];
                values.extend(settings.iter().cloned());
                values
            })
            .collect()
    }
}

impl Pair {
    /// The rounding's constant for a second activation of that sign.
    fn constant<'m>(
        &self,
        m: &'m ModuleBuilder,
        rounding: Option<Signal<'m>>,
        shift: Signal<'m>,
        negative: Signal<'m>,
    ) -> Option<Signal<'m>> {
        let is = |mode: Requantization| {
            let chosen = rounding.map_or_else(|| m.bit(true), |number| number.eq_value(mode as i128));
            self.modes().any(|offered| offered == mode).then_some(chosen)
        };
        let away = is(Requantization::HalfAwayFromZero).map(|is| is.and(shift.any()));
        // Two roundings are two where the shift, 20 added, is above 31.
        let above = 32 - u64::from(ADDITION_SHIFT);
        let twice = is(Requantization::DoubleRounding).map(|is| is.and(at_least(m, shift, above)));
        rounding_constant(m, negative, away, twice, MULTIPLIER_BITS - 1 - u32::from(ADDITION_SHIFT))
    }

    /// The meaning on the module's inputs.
    fn result_of(&self, inputs: &[BigUint]) -> i64 {
        let narrow = |index: usize| signed_number(&inputs[index], self.activation_bits);
        let mode = match inputs.get(7) {
            Some(chosen) => Requantization::ALL[number(chosen) as usize],
            None => self.modes().next().unwrap_or_default(),
        };
        let shift = number(&inputs[6]) as u8 + ADDITION_SHIFT;
        let factor = Multiplier { multiplier: number(&inputs[5]) as u32, shift };
        let factor = (!inputs[4].bit(0)).then_some(factor);
        let settings = PairSettings { zero_points: [narrow(2), narrow(3)], factor };
        Pair::join(mode, [narrow(0), narrow(1)], settings)
    }
}
