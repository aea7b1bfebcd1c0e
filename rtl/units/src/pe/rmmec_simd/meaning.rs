//! What the PE means: exact products, their magnitudes cut at the quire's last place, summed over all lanes.

use bitmill_formats::{Dyadic, Family, Scalar, Value};
use bitmill_hdl::unit::{Model, Pipeline, lane, number};
use bitmill_hdl::{BigUint, unit};

use super::RmmecSimd;
use super::lanes::LaneMode;
use crate::format::{Rounded, code};
use crate::pe::ProcessingElement;

/// Products of bf16 whose exponents (⌊log2⌋ of the operands) add up to more are too large for the quire.
const LARGEST_BF16_EXPONENT: i32 = 58;
/// Exponent of the smallest normal bf16: subnormal numbers count as having it.
const SMALLEST_BF16_EXPONENT: i32 = -126;

/// The sum in one mode.
#[derive(Clone)]
struct Quire {
    mode: LaneMode,
    /// Modulo 2^128.
    sum: i128,
    special: bool,
}

impl Quire {
    fn new(mode: LaneMode) -> Quire {
        Quire { mode, sum: 0, special: false }
    }

    fn add(&mut self, format: &Scalar, activation: &BigUint, weight: &BigUint) {
        let bits = self.mode.width.bits();
        for index in 0..self.mode.width.lanes() {
            let [a, w] = [activation, weight].map(|word| format.decode(code(&lane(word, index, bits))));
            match units(&self.mode, &a, &w) {
                Some(units) => self.sum = self.sum.wrapping_add(units),
                None => self.special = true,
            }
        }
    }
}

/// The product in units of the quire's last place, towards zero; `None` if it is not a number or too large.
fn units(mode: &LaneMode, a: &Value, w: &Value) -> Option<i128> {
    let (x, y) = (a.finite()?, w.finite()?);
    let exponent = |x: &Dyadic| x.log2_floor().map(|log2| log2.max(SMALLEST_BF16_EXPONENT));
    let (Some(ex), Some(ey)) = (exponent(&x), exponent(&y)) else { return Some(0) };
    if mode.name == "bf16" && ex + ey > LARGEST_BF16_EXPONENT {
        return None;
    }
    let product = x.multiply(y);
    let magnitude = product.significand() as i128;
    let places = product.exponent() - mode.lsb_exponent();
    let cut = if places >= 0 { magnitude << places } else { magnitude >> (-places).min(127) };
    Some(if product.is_negative() { -cut } else { cut })
}

fn bits(sum: i128, width_bits: u32) -> BigUint {
    unit::lane(&BigUint::from(sum as u128), 0, width_bits)
}

pub(super) fn model(pe: &RmmecSimd) -> Box<dyn Model> {
    let modes: Vec<(LaneMode, Scalar)> = pe.modes.iter().map(|mode| (*mode, mode.format())).collect();
    let (result, result_bits) = (pe.result.clone(), pe.result_bits);
    let outputs = 2 + usize::from(result.is_some());
    let mut quire = Quire::new(pe.modes[0]);
    let mut shown = vec![None; outputs];
    Box::new(Pipeline::new(pe.timing().latency_cycles as usize, outputs, move |inputs: &[BigUint]| {
        let [valid, first, last, mode, activation, weight] = inputs else { unreachable!("six inputs") };
        if !valid.bit(0) {
            return shown.clone();
        }
        let selected = modes.iter().find(|(known, _)| u64::from(known.code) == number(mode));
        let (mode, format) = selected.expect("the stimulus selects modes of the PE");
        if first.bit(0) {
            quire = Quire::new(*mode);
        }
        quire.add(format, activation, weight);
        if last.bit(0) {
            let total = quire.sum;
            shown = vec![
                (!quire.special).then(|| bits(total, result_bits)),
                Some(u8::from(quire.special).into()),
            ];
            shown.extend(result.as_ref().map(|result| Some(rounded(result, &quire).into())));
        }
        shown.clone()
    }))
}

/// The sum as a code of the result format; NaN for what the quire cannot hold.
fn rounded(result: &Rounded, quire: &Quire) -> u32 {
    let total = quire.sum;
    let magnitude = Dyadic::new(total < 0, total.unsigned_abs(), quire.mode.lsb_exponent());
    let value = if quire.special { Value::Nan } else { Value::Finite(magnitude) };
    result.format.encode(&value, result.mode.rounding(0))
}
