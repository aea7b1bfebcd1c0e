//! ShiftGELU: x · sigmoid(1.702 x) of a row of integers (I-ViT).
//!
//! Meaning: [`bitmill_formats::nonlinear::shift_gelu`]; `one_i` is 1 / (1.702 · scale), rounded up; results are in
//! units of 2^-7 of the input's.
//! Timing: two passes. A row fills the buffer, which finds its maximum; then each word takes the exponentials of its
//! elements and a division each, by serial dividers side by side, so that a word leaves every
//! `⌈31 / bits_per_cycle⌉ + 1` cycles. See [`Gelu::timing`].

use std::sync::Arc;

use bitmill_formats::nonlinear::{M, PROBABILITY_BITS, PROBABILITY_SHIFT, ShiftExp, shift_gelu};
use bitmill_hdl::unit::{Model, Random, Unit, Values, number};
use bitmill_hdl::{BigUint, HdlError, Module, ModuleBuilder, Signal, signed, unsigned};

use super::exponential;
use super::exponential_row::{ExponentialRow, exponentials, one_bits};
use super::row::{self, RowModel, RowShape, RowTiming, Rows};
use crate::{Entry, Legal, UnitError};

/// Catalogue entry.
pub const ENTRY: Entry = Entry {
    name: "gelu",
    summary: "integer GELU of a row by shifts (I-ViT's ShiftGELU)",
    parameters: &[
        row::BITS,
        row::LANES,
        row::LONGEST,
        one_bits("bits of 1/(1.702 scale), 1 to 8", Legal::Numbers(1, 8)),
        row::BITS_PER_CYCLE,
    ],
    examples: &[
        "",
        "lanes=1 longest_row=8 bits_per_cycle=1",
        "lanes=8 longest_row=64 one_bits=6 bits_per_cycle=31",
        "activation_bits=16 lanes=2 longest_row=32",
        "activation_bits=4 lanes=2 longest_row=16 one_bits=1 bits_per_cycle=16",
    ],
    build: |settings| Ok(Box::new(Gelu(ExponentialRow::from_settings(settings, ShiftExp::GELU_N)?))),
};

/// A GELU unit.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct Gelu(ExponentialRow);

impl Gelu {
    /// GELU of rows of `shape`, for scales whose reciprocal has `one_bits`; the divisions make `bits_per_cycle`
    /// bits a cycle.
    ///
    /// # Errors
    /// Reciprocals outside 1 to 8 bits or quotients outside 1 to 31.
    pub fn new(shape: RowShape, one_bits: u32, bits_per_cycle: u32) -> Result<Gelu, UnitError> {
        Ok(Gelu(ExponentialRow::new(shape, one_bits, bits_per_cycle, ShiftExp::GELU_N)?))
    }

    /// Bits of a result.
    pub fn result_bits(&self) -> u32 {
        self.0.shape.bits + PROBABILITY_BITS
    }

    /// The input that tells the scale, and its bits.
    pub fn setting(&self) -> (&'static str, u32) {
        ("one_i", self.0.one_bits)
    }

    /// When a row's results appear.
    pub fn timing(&self) -> RowTiming {
        // The reading, the exponential, the division, the sigmoid and the product.
        let latency_cycles = 4 + exponential::LATENCY_CYCLES + self.0.divider.latency_cycles();
        RowTiming {
            latency_cycles,
            latency_per_word_cycles: 0,
            interval_cycles: self.0.divider.latency_cycles(),
        }
    }

    fn row_model(&self) -> RowModel {
        let meaning = |row: &[i64], settings: &[BigUint]| {
            let one = number(&settings[0]) as u32;
            ShiftExp::new(one, ShiftExp::GELU_N)
                .map_or_else(|_| vec![0; row.len()], |exp| shift_gelu(row, &exp))
        };
        RowModel::new(self.0.shape, self.result_bits(), self.timing(), Box::new(meaning))
    }
}

impl Unit for Gelu {
    fn module(&self) -> Result<Arc<Module>, HdlError> {
        let timing = self.timing();
        let m = ModuleBuilder::new(
            format!("bitmill_gelu_{}", self.0.name()),
            format!(
                "integer GELU of a row by shifts (I-ViT's ShiftGELU); results in units of 2^-7 of the scale.\n\
                 {} cycles from the last word in to the first word out, interval {}.",
                timing.latency_cycles, timing.interval_cycles
            ),
        );
        let rows = Rows::new(&m, self.0.shape, timing.interval_cycles);
        let one =
            m.input_with_comment("one_i", unsigned(self.0.one_bits), "1 / (1.702 scale), rounded up; not 0");
        let maximum = rows.maximum();
        let exps = exponentials(&m, &rows, maximum, &self.0.exponential(false).module()?, ("one_i", one));
        let stages = exponential::LATENCY_CYCLES + 1;

        m.comment("The exponential of 0, less the maximum: it is there before that of the first element.");
        let inputs = [("enable_i", rows.advance), ("x_i", maximum.neg()), ("one_i", one)];
        let of_zero = m.instance("i_exp_zero", &self.0.exponential(true).module()?, &inputs).output("exp_o");

        m.comment("The division of each element; what it needs afterwards is held for as long.");
        let starts = rows.flag_after("valid", rows.reads, stages);
        let results = self.sigmoids(&m, &rows, &exps, of_zero, starts)?;
        let ends = self.0.divider.latency_cycles();
        let divided = rows.flag_after("divided", starts, ends + 1);
        let last = rows.flag_after("last", rows.reads_last, stages + ends + 1);
        let start_pass = rows.filled;
        rows.finish(start_pass, divided, last, &results);
        m.finish()
    }

    fn model(&self) -> Box<dyn Model> {
        Box::new(self.row_model())
    }

    fn stimulus(&self, random: &mut Random, cycles: usize) -> Vec<Values> {
        self.0.stimulus(self.row_model(), random, cycles)
    }
}

impl Gelu {
    /// x · sigmoid(x) of every lane, two cycles after its division, which `starts` starts.
    fn sigmoids<'m>(
        &self,
        m: &'m ModuleBuilder,
        rows: &Rows<'m>,
        exps: &[Signal<'m>],
        of_zero: Signal<'m>,
        starts: Signal<'m>,
    ) -> Result<Vec<Signal<'m>>, HdlError> {
        let largest = m.lit(31, M.into());
        let divider = self.0.divider.module()?;
        let mask = rows.mask_after(exponential::LATENCY_CYCLES + 1);
        let hold = |name: String, next: Signal<'m>| {
            let register = m.register(&name, next.shape()).without_reset();
            register.set_when(rows.advance.and(starts), next);
            register.q()
        };
        let lane = |(lane, (e, filled)): (usize, (&Signal<'m>, &Signal<'m>))| {
            let sum = e.extend(31).add(of_zero).named(&format!("sum_{lane}"));
            let clamped = sum.msb().mux(largest, sum.truncate(31));
            let inputs = [
                ("enable_i", rows.advance),
                ("start_i", starts),
                ("dividend_i", largest),
                ("divisor_i", clamped),
            ];
            let divider = m.instance(&format!("i_divider_{lane}"), &divider, &inputs);
            m.ignore(divider.output("remainder_o"));
            m.ignore(divider.output("done_o"));
            let e = hold(format!("exp_{lane}_q"), *e);
            let x = (1..=exponential::LATENCY_CYCLES)
                .fold(rows.outgoing[lane], |x, i| rows.data(&format!("x_{lane}_{i}_q"), x));
            let x = hold(format!("x_{lane}_q"), x.gate(*filled));
            let product = e.mul(divider.output("quotient_o"));
            let sigmoid = product.slice(PROBABILITY_SHIFT, PROBABILITY_BITS);
            let sigmoid_q = rows.data(&format!("sigmoid_{lane}_q"), sigmoid);
            let x_q = rows.data(&format!("waiting_x_{lane}_q"), x);
            let y = x_q.mul(sigmoid_q.to_signed());
            y.truncate(self.result_bits())
        };
        let lanes = exps.iter().zip(&mask).enumerate();
        let results: Vec<Signal> = lanes.map(lane).collect();
        debug_assert!(results.iter().all(|y| y.shape() == signed(self.result_bits())));
        Ok(results)
    }
}
