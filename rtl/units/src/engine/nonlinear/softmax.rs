//! Softmax of a row of integers: Shiftmax (I-ViT), or with exponentials from a table.
//!
//! Meaning: [`bitmill_formats::nonlinear::shiftmax`], `one_i` is 1 / scale, rounded up; or
//! [`bitmill_formats::nonlinear::softmax_by_table`], `factor_i` is log2(e) times the scale. Results are in units of
//! 2^-`share_bits`.
//! Timing: three passes. A row fills the buffer, which finds its maximum; its exponentials are summed; one serial
//! division gives the factor; the exponentials are made again, which is cheaper than keeping them, and scaled.
//! See [`Softmax::timing`].

use std::sync::Arc;

use bitmill_formats::nonlinear::{Exponential, M, ShiftExp, TableExp, shiftmax, softmax_by_table};
use bitmill_hdl::unit::{Model, Random, Unit, Values, number};
use bitmill_hdl::{BigUint, HdlError, Module, ModuleBuilder, Signal, bits_for, unsigned};

use super::exponential;
use super::exponential_row::{ExponentialRow, exponentials, one_bits};
use super::row::{self, RowModel, RowShape, RowTiming, Rows};
use super::table_exponential;
use crate::{Entry, Legal, Parameter, Settings, UnitError};

/// Catalogue entry.
pub const ENTRY: Entry = Entry {
    name: "softmax",
    summary: "integer softmax of a row by shifts (I-ViT's Shiftmax) or by a table",
    parameters: &[
        row::BITS,
        row::LANES,
        row::LONGEST,
        Parameter {
            name: "exponential",
            default: "shifts",
            help: "how exponentials are made: shifts (I-ViT) or table",
            legal: Legal::OneOf(&["shifts", "table"]),
        },
        one_bits(
            "bits of 1/scale with shifts, 1 to 16; a table takes a factor of 16 bits",
            Legal::Numbers(1, 16),
        ),
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
        "exponential=table lanes=4 longest_row=64 share_bits=15",
        "exponential=table activation_bits=4 lanes=1 longest_row=8 bits_per_cycle=31",
    ],
    build: |settings| Ok(Box::new(Softmax::from_settings(settings)?)),
};

/// A softmax unit.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct Softmax {
    row: ExponentialRow,
    exponential: Exponential,
    share_bits: u32,
}

impl Softmax {
    /// Softmax of rows of `shape`, with shifts for scales whose reciprocal has `one_bits`; the division makes
    /// `bits_per_cycle` bits a cycle. Results are in units of 2^-`share_bits`.
    ///
    /// # Errors
    /// Reciprocals outside 1 to 16 bits, quotients outside 1 to 31, or shares outside 1 to 15.
    pub fn new(
        shape: RowShape,
        exponential: Exponential,
        one_bits: u32,
        bits_per_cycle: u32,
        share_bits: u32,
    ) -> Result<Softmax, UnitError> {
        if !(1..=15).contains(&share_bits) {
            return Err(UnitError::illegal("share_bits", share_bits, "1 to 15 bits are legal"));
        }
        let setting_bits = match exponential {
            Exponential::Shifts => one_bits,
            Exponential::Table => TableExp::FACTOR_BITS,
        };
        let row = ExponentialRow::new(shape, setting_bits, bits_per_cycle, ShiftExp::SOFTMAX_N)?;
        Ok(Softmax { row, exponential, share_bits })
    }

    fn from_settings(settings: &Settings) -> Result<Softmax, UnitError> {
        let kinds = [("shifts", Exponential::Shifts), ("table", Exponential::Table)];
        Softmax::new(
            RowShape::from_settings(settings)?,
            settings.choice("exponential", &kinds)?,
            settings.number("one_bits", 1..=16)?,
            settings.number("bits_per_cycle", 1..=31)?,
            settings.number("share_bits", 1..=15)?,
        )
    }

    /// The input that tells the scale, and its bits.
    pub fn setting(&self) -> (&'static str, u32) {
        let name = match self.exponential {
            Exponential::Shifts => "one_i",
            Exponential::Table => "factor_i",
        };
        (name, self.row.one_bits)
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
        let (exponential, bits) = (self.exponential, self.share_bits);
        let meaning = move |row: &[i64], settings: &[BigUint]| {
            let setting = number(&settings[0]) as u32;
            let shares = match exponential {
                Exponential::Shifts => {
                    ShiftExp::new(setting, ShiftExp::SOFTMAX_N).map(|exp| shiftmax(row, &exp, bits))
                }
                Exponential::Table => TableExp::new(setting).map(|exp| softmax_by_table(row, &exp, bits)),
            };
            shares.unwrap_or_else(|_| vec![0; row.len()])
        };
        RowModel::new(self.row.shape, self.share_bits, self.timing(), Box::new(meaning))
    }
}

impl Unit for Softmax {
    fn module(&self) -> Result<Arc<Module>, HdlError> {
        let m = ModuleBuilder::new(
            format!("bitmill_softmax_{}_{}_s{}", self.exponential.name(), self.row.name(), self.share_bits),
            format!(
                "integer softmax of a row by {}; results in units of 2^-{}.\n\
                 {} + words cycles from the last word in to the first word out, interval 1.",
                match self.exponential {
                    Exponential::Shifts => "shifts (I-ViT's Shiftmax)",
                    Exponential::Table => "a table",
                },
                self.share_bits,
                self.timing().latency_cycles
            ),
        );
        let rows = Rows::new(&m, self.row.shape, 1);
        let (module, exp_bits, what) = match self.exponential {
            Exponential::Shifts => {
                let shifts = self.row.exponential(false);
                (shifts.module()?, shifts.result_bits(), "1 / scale, rounded up; not 0")
            }
            Exponential::Table => {
                let module = table_exponential::module(self.row.shape.bits + 1)?;
                (module, table_exponential::RESULT_BITS, "log2(e) times the scale, in units of 2^-15; not 0")
            }
        };
        let (name, bits) = self.setting();
        let setting = m.input_with_comment(name, unsigned(bits), what);
        let exps = exponentials(&m, &rows, rows.maximum(), &module, (name, setting));
        let stages = exponential::LATENCY_CYCLES + 1;
        let mask = rows.mask_after(stages);
        let valid = rows.flag_after("valid", rows.reads, stages);
        let last = rows.flag_after("last", rows.reads_last, stages);

        m.comment("First reading: the sum of the exponentials, clamped, and its reciprocal.");
        let emitting = m.register("emitting_q", unsigned(1));
        let summing = emitting.q().not().named("summing");
        let terms: Vec<Signal> = exps.iter().zip(&mask).map(|(e, filled)| e.gate(*filled)).collect();
        let word_sum_q = rows.data("word_sum_q", m.sum(&terms));
        let total_bits = exp_bits + bits_for(u64::from(self.row.shape.longest) - 1);
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
