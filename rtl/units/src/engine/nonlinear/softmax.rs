//! Shiftmax: softmax of a row of integers (I-ViT).
//!
//! Meaning: [`bitmill_formats::nonlinear::shiftmax`]; `one_i` is 1 / scale, rounded up, results are in units of 2^-`share_bits`.
//! Timing: three passes. A row fills the buffer, which finds its maximum; its exponentials are summed; one serial
//! division gives the factor; the exponentials are made again, which is cheaper than keeping them, and scaled.
//! See [`Softmax::timing`].

use std::sync::Arc;

use bitmill_formats::nonlinear::{M, ShiftExp, shiftmax};
use bitmill_hdl::unit::{Model, Random, Unit, Values, number};
use bitmill_hdl::{BigUint, HdlError, Module, ModuleBuilder, Signal, bits_for, unsigned};

use super::exponential;
use super::exponential_row::{ExponentialRow, one_bits};
use super::row::{self, RowModel, RowShape, RowTiming, Rows};
use crate::{Entry, Legal, Parameter, UnitError};

/// Catalogue entry.
pub const ENTRY: Entry = Entry {
    name: "softmax",
    summary: "integer softmax of a row by shifts (I-ViT's Shiftmax)",
    parameters: &[
        row::BITS,
        row::LANES,
        row::LONGEST,
        one_bits("bits of 1/scale, 1 to 16", Legal::Numbers(1, 16)),
        row::BITS_PER_CYCLE,
        Parameter {
            name: "share_bits",
            default: "7",
            help: "fraction bits of a result, 1 to 15; 7 as released",
            legal: Legal::Numbers(1, 15),
        },
    ],
    examples: &[
        "",
        "lanes=1 longest_row=8 bits_per_cycle=1",
        "lanes=8 longest_row=64 one_bits=6 bits_per_cycle=31",
        "activation_bits=16 lanes=2 longest_row=512 one_bits=16",
        "activation_bits=4 lanes=2 longest_row=16 one_bits=1",
        "lanes=2 longest_row=128 share_bits=15",
    ],
    build: |settings| {
        let row = ExponentialRow::from_settings(settings, ShiftExp::SOFTMAX_N)?;
        Ok(Box::new(Softmax { row, share_bits: settings.number("share_bits", 1..=15)? }))
    },
};

/// A softmax unit.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct Softmax {
    row: ExponentialRow,
    share_bits: u32,
}

impl Softmax {
    /// Softmax of rows of `shape`, for scales whose reciprocal has `one_bits`; the division makes
    /// `bits_per_cycle` bits a cycle. Results are in units of 2^-`share_bits`.
    ///
    /// # Errors
    /// Reciprocals outside 1 to 16 bits, quotients outside 1 to 31, or shares outside 1 to 15.
    pub fn new(
        shape: RowShape,
        one_bits: u32,
        bits_per_cycle: u32,
        share_bits: u32,
    ) -> Result<Softmax, UnitError> {
        if !(1..=15).contains(&share_bits) {
            return Err(UnitError::illegal("share_bits", share_bits, "1 to 15 bits are legal"));
        }
        let row = ExponentialRow::new(shape, one_bits, bits_per_cycle, ShiftExp::SOFTMAX_N)?;
        Ok(Softmax { row, share_bits })
    }

    /// Bits of a result, unsigned.
    pub fn result_bits(&self) -> u32 {
        self.share_bits
    }

    /// When a row's results appear.
    pub fn timing(&self) -> RowTiming {
        // Two readings with their exponentials, the sum, the division, the product.
        let latency_cycles = 6 + 2 * exponential::LATENCY_CYCLES + self.row.divider.latency_cycles();
        RowTiming { latency_cycles, latency_per_word_cycles: 1, interval_cycles: 1 }
    }

    fn row_model(&self) -> RowModel {
        let bits = self.share_bits;
        let meaning = move |row: &[i64], settings: &[BigUint]| {
            let one = number(&settings[0]) as u32;
            ShiftExp::new(one, ShiftExp::SOFTMAX_N)
                .map_or_else(|_| vec![0; row.len()], |exp| shiftmax(row, &exp, bits))
        };
        RowModel::new(self.row.shape, self.share_bits, self.timing(), Box::new(meaning))
    }
}

impl Unit for Softmax {
    fn module(&self) -> Result<Arc<Module>, HdlError> {
        let m = ModuleBuilder::new(
            format!("bitmill_softmax_{}_s{}", self.row.name(), self.share_bits),
            format!(
                "integer softmax of a row by shifts (I-ViT's Shiftmax); results in units of 2^-{}.\n\
                 {} + words cycles from the last word in to the first word out, interval 1.",
                self.share_bits,
                self.timing().latency_cycles
            ),
        );
        let rows = Rows::new(&m, self.row.shape, 1);
        let one = m.input_with_comment("one_i", unsigned(self.row.one_bits), "1 / scale, rounded up; not 0");
        let exps = self.row.exponentials(&m, &rows, rows.maximum(), one)?;
        let stages = exponential::LATENCY_CYCLES + 1;
        let mask = rows.mask_after(stages);
        let valid = rows.flag_after("valid", rows.reads, stages);
        let last = rows.flag_after("last", rows.reads_last, stages);

        m.comment("First reading: the sum of the exponentials, clamped, and its reciprocal.");
        let emitting = m.register("emitting_q", unsigned(1));
        let summing = emitting.q().not().named("summing");
        let terms: Vec<Signal> = exps.iter().zip(&mask).map(|(e, filled)| e.gate(*filled)).collect();
        let word_sum_q = rows.data("word_sum_q", m.sum(&terms));
        let total_bits =
            self.row.exponential(false).result_bits() + bits_for(u64::from(self.row.shape.longest) - 1);
        let total = m.register("total_q", unsigned(total_bits)).without_reset();
        let adds = rows.flag("adds_q", valid.and(summing));
        let sum = total.q().add(word_sum_q.extend(total_bits)).truncate(total_bits);
        total.set_when(rows.filled.or(adds), sum.gate(rows.filled.not()));
        let start = rows.flag_after("summed", last.and(summing), 2);
        let largest = m.lit(31, M.into());
        let total = if total_bits > 31 {
            total.q().slice(31, total_bits - 31).any().mux(largest, total.q().truncate(31))
        } else {
            total.q().extend(31)
        };
        let divider = m.instance(
            "i_divider",
            &self.row.divider.module()?,
            &[("enable_i", m.bit(true)), ("start_i", start), ("dividend_i", largest), ("divisor_i", total)],
        );
        m.ignore(divider.output("remainder_o"));
        let divided = divider.output("done_o");
        emitting.set(divided.or(emitting.q().and(rows.taken_last.not())));

        m.comment("Second reading: the share of each exponential.");
        let factor = divider.output("quotient_o");
        let mut shares = Vec::new();
        for (e, filled) in exps.iter().zip(&mask) {
            shares.push(e.mul(factor).slice(31 - self.share_bits, self.share_bits).gate(*filled));
        }
        let start_pass = rows.filled.or(divided);
        rows.finish(start_pass, valid.and(emitting.q()), last.and(emitting.q()), &shares);
        m.finish()
    }

    fn model(&self) -> Box<dyn Model> {
        Box::new(self.row_model())
    }

    fn stimulus(&self, random: &mut Random, cycles: usize) -> Vec<Values> {
        self.row.stimulus(self.row_model(), random, cycles)
    }
}
