//! Codebooks: a table of fixed-point values one way, a ladder of thresholds the other.

use bitmill_hdl::{ModuleBuilder, Signal, signed};

use super::fixed::{Window, to_fixed};
use super::rounding::{Rounder, RoundingMode};
use super::shift::at_least;
use super::unpacked::{Unpacked, either, negate_if};
use crate::family::Family;
use crate::rounding::ZeroSide;
use crate::{BitMod, Codebook, Dyadic, FormatError};

/// Most places between the first bit of the largest value and the last bit of the smallest.
const MOST_PLACES: i32 = 60;

impl Codebook {
    /// Errors if the circuit would need more fixed-point places than it can have.
    pub(super) fn check_places(&self) -> Result<(), FormatError> {
        let places = self.highest_place() - self.extremes().lsb_exponent + 1;
        if places > MOST_PLACES {
            return Err(FormatError::illegal(
                &self.to_string(),
                format!("its values span {places} binary places; a circuit takes up to {MOST_PLACES}"),
            ));
        }
        Ok(())
    }

    /// Circuit: the number that `code` stands for.
    pub(super) fn decode_circuit<'m>(
        &self,
        m: &'m ModuleBuilder,
        prefix: &str,
        code: Signal<'m>,
    ) -> Unpacked<'m> {
        let table = Table::of(self.values());
        let items: Vec<Signal> = self.values().iter().map(|value| table.constant(m, value)).collect();
        table.unpacked(code.select(&items, m.constant(signed(table.width), 0)), prefix)
    }

    /// Circuit: the value of the list that `x` is rounded to.
    pub(super) fn encode_circuit<'m>(
        &self,
        m: &'m ModuleBuilder,
        x: &Unpacked<'m>,
        rounder: &Rounder<'m>,
    ) -> Signal<'m> {
        // Midpoints have one place more than the values; a sticky bit tells what lies beside them.
        let window = Window { highest: self.highest_place(), lowest: self.extremes().lsb_exponent - 1 };
        let fixed = to_fixed(m, x, window, x.leading);
        let sign = x.sign(m);
        let jammed = if x.is_signed() { fixed.bits } else { negate_if(sign, fixed.bits.to_signed()) };
        let width = jammed.width();
        // With the sign bit turned over, two's complement is ordered like unsigned numbers.
        let ordered = m
            .concat(&[jammed.msb().not(), jammed.truncate(width - 1).as_unsigned()])
            .named(&rounder.name("ordered"));

        let passed: Vec<Signal> = self
            .sorted()
            .windows(2)
            .map(|pair| {
                let bound =
                    self.bound(pair[0].0, pair[1].0, rounder.mode(), window.lowest - 1) + (1 << (width - 1));
                at_least(m, ordered, bound as u64)
            })
            .collect();
        let code = self.code_behind(m, &passed);
        let end = |negative| m.lit(self.bits(), self.infinity_code(negative).into());
        let code = match either(fixed.above, x.infinite) {
            Some(outside) => outside.mux(sign.mux(end(true), end(false)), code),
            None => code,
        };
        x.nan.map_or(code, |nan| nan.mux(m.lit(self.bits(), self.nan_code().into()), code))
    }

    /// From which number on the upper of two neighbours is taken, in units of 2^`lsb`. A number that has to
    /// lie above a value, rather than at it, is told by the sticky bit in the last place.
    fn bound(&self, below: Dyadic, above: Dyadic, mode: RoundingMode, lsb: i32) -> i128 {
        let middle = below.add(above).scale_by_power(-1);
        let place = self.locate(&middle);
        let (value, inclusive) = match (mode, place.zero) {
            (RoundingMode::TowardZero, ZeroSide::Below) => (above, true),
            (RoundingMode::TowardZero, ZeroSide::Above) => (below, false),
            _ => (middle, place.round(mode.rounding(0), 0) > place.lower),
        };
        units(&value, lsb) + i128::from(!inclusive)
    }

    /// The code of the highest value whose threshold was passed. Each bit turns over where neighbours'
    /// codes differ in it, and the thresholds are passed in order.
    fn code_behind<'m>(&self, m: &'m ModuleBuilder, passed: &[Signal<'m>]) -> Signal<'m> {
        let codes: Vec<u32> = self.sorted().iter().map(|(_, code)| *code).collect();
        let bit = |index: u32| {
            let turns: Vec<Signal> = codes
                .windows(2)
                .zip(passed)
                .filter(|(pair, _)| (pair[0] ^ pair[1]) >> index & 1 == 1)
                .map(|(_, passed)| *passed)
                .collect();
            let turned = if turns.is_empty() { m.bit(false) } else { m.concat(&turns).parity() };
            if codes[0] >> index & 1 == 1 { turned.not() } else { turned }
        };
        let bits: Vec<Signal> = (0..self.bits()).rev().map(bit).collect();
        m.concat(&bits)
    }

    fn highest_place(&self) -> i32 {
        let extremes = self.extremes();
        let largest = extremes.highest.magnitude().max(extremes.lowest.magnitude());
        largest.log2_floor().unwrap_or(0)
    }
}

impl BitMod {
    /// Circuit: the number that `code` stands for in a group whose special value is number `select`.
    pub fn decode_circuit<'m>(
        &self,
        m: &'m ModuleBuilder,
        prefix: &str,
        code: Signal<'m>,
        select: Signal<'m>,
    ) -> Unpacked<'m> {
        let books = self.specials().map(|special| self.codebook(special).expect("its own special is legal"));
        let all: Vec<Dyadic> = books.iter().flat_map(|book| book.values().to_vec()).collect();
        let table = Table::of(&all);
        let row = |code: usize| -> Signal<'m> {
            let column: Vec<Signal> = books.iter().map(|b| table.constant(m, &b.values()[code])).collect();
            if code as u32 == self.special_code() { select.select(&column, column[0]) } else { column[0] }
        };
        let items: Vec<Signal> = (0..books[0].values().len()).map(row).collect();
        table.unpacked(code.select(&items, items[0]), prefix)
    }
}

/// The fixed-point layout of a list of values.
struct Table {
    lsb: i32,
    width: u32,
    leading: u32,
}

impl Table {
    fn of(values: &[Dyadic]) -> Table {
        let nonzero = || values.iter().filter(|value| !value.is_zero());
        let lsb = nonzero().map(Dyadic::exponent).min().unwrap_or(0);
        let bits = |value: &Dyadic| {
            let units = units(value, lsb);
            129 - (if units < 0 { !units } else { units }).leading_zeros()
        };
        let width = nonzero().map(bits).max().unwrap_or(1);
        let narrowest = nonzero().map(bits).min().unwrap_or(1);
        Table { lsb, width, leading: width - narrowest }
    }

    fn constant<'m>(&self, m: &'m ModuleBuilder, value: &Dyadic) -> Signal<'m> {
        m.constant(signed(self.width), units(value, self.lsb))
    }

    fn unpacked<'m>(&self, significand: Signal<'m>, prefix: &str) -> Unpacked<'m> {
        let significand = significand.named(&format!("{prefix}_significand"));
        Unpacked { leading: self.leading, ..Unpacked::fixed(significand, self.lsb) }
    }
}

/// `value` in units of 2^`lsb`, which divides it.
fn units(value: &Dyadic, lsb: i32) -> i128 {
    if value.is_zero() {
        return 0;
    }
    let magnitude = (value.significand() << (value.exponent() - lsb)) as i128;
    if value.is_negative() { -magnitude } else { magnitude }
}
