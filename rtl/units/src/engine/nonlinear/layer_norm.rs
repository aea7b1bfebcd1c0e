//! Integer LayerNorm of a row (I-ViT), before the channel's scale and bias.
//!
//! Meaning: [`bitmill_formats::nonlinear::layer_norm`]; results are in units of √N · 2^-30. The channel's γ and β
//! are a multiplier and a bias of the requantizer that follows.
//! Timing: two passes, not three. While a row fills the buffer, Σx and Σx² are summed; with the rounded mean μ,
//! Σ(x − μ)² = Σx² − μ · (2Σx − N·μ), exactly. One serial divider makes the mean, the ten steps of the root and
//! the factor; `root=floor` takes a serial square root instead of the ten steps. See [`LayerNorm::timing`].

mod scalars;

use std::sync::Arc;

use bitmill_formats::nonlinear::{NEWTON_ITERATIONS, Root, layer_norm};
use bitmill_hdl::unit::{Model, Random, Unit, Values};
use bitmill_hdl::{BigUint, HdlError, Module, ModuleBuilder, Signal, bits_for};

use super::divider::Divider;
use super::row::{self, RowModel, RowShape, RowTiming, Rows};
use super::square_root::SquareRoot;
use crate::{Entry, Legal, Parameter, Settings, UnitError};

/// Catalogue entry.
pub const ENTRY: Entry = Entry {
    name: "layer_norm",
    summary: "integer LayerNorm of a row (I-ViT), scale and bias left to the requantizer",
    parameters: &[
        row::BITS,
        row::LANES,
        row::LONGEST,
        Parameter {
            name: "root",
            default: "ten_iterations",
            help: "ten_iterations (as released) or floor (the exact integer root)",
            legal: Legal::OneOf(&["ten_iterations", "floor"]),
        },
        row::BITS_PER_CYCLE,
    ],
    examples: &[
        "",
        "lanes=1 longest_row=8 bits_per_cycle=31",
        "root=floor lanes=8 longest_row=64 bits_per_cycle=8",
        "activation_bits=16 lanes=2 longest_row=1024 bits_per_cycle=16",
        "activation_bits=16 lanes=4 longest_row=32 root=floor",
        "activation_bits=4 lanes=2 longest_row=16 bits_per_cycle=16",
    ],
    build: |settings| Ok(Box::new(LayerNorm::from_settings(settings)?)),
};

/// Bits of a result, signed.
pub const RESULT_BITS: u32 = 31;

/// A LayerNorm unit.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct LayerNorm {
    shape: RowShape,
    root: Root,
    divider: Divider,
    square_root: SquareRoot,
    bits_per_cycle: u32,
}

impl LayerNorm {
    /// LayerNorm of rows of `shape`; the divisions make `bits_per_cycle` bits a cycle.
    ///
    /// # Errors
    /// Quotients outside 1 to 31 bits a cycle.
    pub fn new(shape: RowShape, root: Root, bits_per_cycle: u32) -> Result<LayerNorm, UnitError> {
        let squares_bits = squares_bits(shape);
        let divider = Divider::new(squares_bits.max(31), norm_bits(shape), bits_per_cycle)?;
        Ok(LayerNorm { shape, root, divider, square_root: SquareRoot::new(squares_bits)?, bits_per_cycle })
    }

    fn from_settings(settings: &Settings) -> Result<LayerNorm, UnitError> {
        let roots = [("ten_iterations", Root::TenIterations), ("floor", Root::Floor)];
        LayerNorm::new(
            RowShape::from_settings(settings)?,
            settings.choice("root", &roots)?,
            settings.number("bits_per_cycle", 1..=31)?,
        )
    }

    /// When a row's results appear.
    pub fn timing(&self) -> RowTiming {
        let division = self.divider.latency_cycles();
        let root = match self.root {
            Root::TenIterations => NEWTON_ITERATIONS * (division + 1),
            Root::Floor => self.square_root.latency_cycles() + 1,
        };
        // The moments, the mean, three steps to Σ(x − μ)², the root, the factor, and the four of a reading.
        let latency_cycles = 2 + division + 3 + root + division + 4;
        RowTiming { latency_cycles, latency_per_word_cycles: 0, interval_cycles: 1 }
    }

    fn row_model(&self) -> RowModel {
        let root = self.root;
        let meaning = move |row: &[i64], _: &[BigUint]| layer_norm(row, root);
        RowModel::new(self.shape, RESULT_BITS, self.timing(), Box::new(meaning))
    }
}

/// Bits of Σx², unsigned.
fn squares_bits(shape: RowShape) -> u32 {
    2 * shape.bits - 1 + shape.length_bits()
}

/// Bits of the norm on its way from 2^16, unsigned: the first step may go up to half of Σ/2^16.
fn norm_bits(shape: RowShape) -> u32 {
    squares_bits(shape).saturating_sub(16).max(17)
}

impl Unit for LayerNorm {
    fn module(&self) -> Result<Arc<Module>, HdlError> {
        let root = match self.root {
            Root::TenIterations => "ten",
            Root::Floor => "floor",
        };
        let m = ModuleBuilder::new(
            format!("bitmill_layer_norm_{}_{root}_r{}", self.shape.name(), self.bits_per_cycle),
            format!(
                "integer LayerNorm of a row (I-ViT), before scale and bias.\n\
                 {} cycles from the last word in to the first word out, interval 1.",
                self.timing().latency_cycles
            ),
        );
        let rows = Rows::new(&m, self.shape, 1);
        let moments = moments(&m, &rows, self.shape);
        let (mean, factor, ready) = self.scalars(&m, &rows, moments)?;

        m.comment("Each element, less the mean, times the factor.");
        let mask = rows.mask_after(2);
        let factor = factor.truncate(31).to_signed();
        let mut results = Vec::new();
        for (lane, x) in rows.outgoing.iter().enumerate() {
            let centred = rows.data(&format!("centred_{lane}_q"), x.sub(mean));
            let product = centred.mul(factor).shr(1).truncate(RESULT_BITS);
            results.push(product.gate(mask[lane]));
        }
        let valid = rows.flag_after("valid", rows.reads, 2);
        let last = rows.flag_after("last", rows.reads_last, 2);
        rows.finish(ready, valid, last, &results);
        m.finish()
    }

    fn model(&self) -> Box<dyn Model> {
        Box::new(self.row_model())
    }

    fn stimulus(&self, random: &mut Random, cycles: usize) -> Vec<Values> {
        row::stimulus(self.row_model(), random, cycles, |_| Vec::new())
    }
}

/// Σx and Σx² of the row, two cycles after its last word came in.
struct Moments<'m> {
    sum: Signal<'m>,
    squares: Signal<'m>,
}

fn moments<'m>(m: &'m ModuleBuilder, rows: &Rows<'m>, shape: RowShape) -> Moments<'m> {
    m.comment("The sums of the elements and of their squares, a word at a time.");
    let filled: Vec<Signal> =
        rows.incoming.iter().zip(&rows.mask).map(|(x, filled)| x.gate(*filled)).collect();
    // A square is not negative, and its top bit is clear: (−2^(b−1))² = 2^(2b−2).
    let square = |x: &Signal<'m>| x.mul(*x).as_unsigned().truncate(2 * shape.bits - 1);
    let of_word = [m.sum(&filled), m.sum(&filled.iter().map(square).collect::<Vec<_>>())];
    let adds = rows.flag("adds_q", rows.accept);
    let first = rows.data("first_q", rows.first);
    let widths = [shape.bits + bits_for(u64::from(shape.longest) - 1), squares_bits(shape)];
    let names = ["sum", "squares"];
    let [sum, squares] = [0, 1].map(|i| {
        let word = rows.data(&format!("word_{}_q", names[i]), of_word[i]);
        let total =
            m.register(&format!("{}_q", names[i]), bitmill_hdl::Shape { width: widths[i], ..word.shape() });
        let total = total.without_reset();
        let added = total.q().gate(first.not()).add_wrapping(word.resize(widths[i]));
        total.set_when(adds, added);
        total.q()
    });
    Moments { sum, squares }
}
