//! Bit-plane PE: popcounts of planes of 1- to 3-bit weights and 1- to 8-bit activations, a pair a cycle.
//!
//! For QONNX networks, whose layers differ in their few bits: a step takes as many cycles as weight bits
//! times activation bits, on one datapath. The heads cut the planes out of words that are packed at their true
//! width and count what bipolar (±1) operands need, see `bit_plane/heads.rs`; the PE has one population count,
//! whatever the formats.
//!
//! Meaning: `result = Σ over steps Σ over lanes activation · weight`, modulo 2^accumulator bits.
//! Timing: a cycle for every pair of planes, activation planes counting fastest; latency 2.

mod format;
mod heads;

use std::sync::Arc;

use bitmill_hdl::unit::{Model, Random, Unit, Values, lane, number};
use bitmill_hdl::{HdlError, Module, ModuleBuilder, bits_for, unsigned};

pub use format::PlaneFormat;

use self::heads::{SHIFT_BITS, Widths};
use super::sum::{Control, negate_if, popcount};
use super::{Mode, PeTiming, ProcessingElement, cell};
use crate::{Entry, Legal, Parameter, Settings, UnitError};

/// Catalogue entry.
pub const ENTRY: Entry = Entry {
    name: "pe_bit_plane",
    summary: "weights of 1 to 3 bits times activations of 1 to 8 bits, a pair of bit planes a cycle",
    parameters: &[
        Parameter {
            name: "activations",
            default: "binary,uint1,uint2,uint4,uint8,int2,int4,int8",
            help: "formats to switch between, binary, uint1…uint8, int2…int8; mode_i counts them fastest",
            legal: Legal::SomeOf(&["binary", "uint1…uint8", "int2…int8"]),
        },
        Parameter {
            name: "weights",
            default: "binary,int2,int3",
            help: "formats to switch between, binary, uint1…uint3, int2 (ternary too), int3",
            legal: Legal::SomeOf(&["binary", "uint1…uint3", "int2…int3"]),
        },
        Parameter {
            name: "lanes",
            default: "32",
            help: "weights a step, 1 to 256",
            legal: Legal::Numbers(1, 256),
        },
        Parameter {
            name: "accumulator",
            default: "32",
            help: "bits of the sum, up to 64",
            legal: Legal::Numbers(4, 64),
        },
    ],
    examples: &[
        "",
        "activations=binary weights=binary lanes=17 accumulator=16",
        "activations=uint3 weights=binary lanes=8 accumulator=20",
        "activations=int5,binary,uint7 weights=int2 lanes=64",
        "activations=int6 weights=uint3,int3,binary,uint1 lanes=1 accumulator=16",
    ],
    build: |settings| Ok(Box::new(BitPlanePe::from_settings(settings)?)),
};

/// Most planes of an activation.
const MOST_ACTIVATION_BITS: u32 = 8;
/// Most planes of a weight.
const MOST_WEIGHT_BITS: u32 = 3;

/// Parameters of a bit-plane PE.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub struct BitPlanePe {
    activations: Vec<PlaneFormat>,
    weights: Vec<PlaneFormat>,
    lanes: u32,
    accumulator_bits: u32,
}

impl BitPlanePe {
    /// A PE for every pair of the given formats; mode = weight index · activations + activation index.
    ///
    /// # Errors
    /// No format, more than 16 of activations or 8 of weights, one given twice or too wide; lanes outside 1 to
    /// 256; an accumulator that a single step can overflow or that has more than 64 bits.
    pub fn new(
        activations: Vec<PlaneFormat>,
        weights: Vec<PlaneFormat>,
        lanes: u32,
        accumulator_bits: u32,
    ) -> Result<BitPlanePe, UnitError> {
        for (name, formats, most_bits, most_formats) in [
            ("activations", &activations, MOST_ACTIVATION_BITS, 16),
            ("weights", &weights, MOST_WEIGHT_BITS, 8),
        ] {
            if !(1..=most_formats).contains(&formats.len()) {
                let legal = format!("1 to {most_formats} formats are legal");
                return Err(UnitError::illegal(name, formats.len(), legal));
            }
            for (index, format) in formats.iter().enumerate() {
                if !format.is_legal(most_bits) {
                    let legal = format!("1 to {most_bits} bits are legal, 2 or more if signed");
                    return Err(UnitError::illegal(name, format.planes(), legal));
                }
                if formats[..index].contains(format) {
                    return Err(UnitError::illegal(name, format.format(), "each format may be given once"));
                }
            }
        }
        if !(1..=256).contains(&lanes) {
            return Err(UnitError::illegal("lanes", lanes, "1 to 256 lanes are legal"));
        }
        let widest = |formats: &[PlaneFormat]| formats.iter().map(|f| f.planes()).max().unwrap_or(1);
        let least = widest(&activations) + widest(&weights) + bits_for(lanes.into());
        if !(least..=64).contains(&accumulator_bits) {
            let legal = format!("one step makes up to {least} bits, so {least} to 64 are legal");
            return Err(UnitError::illegal("accumulator", accumulator_bits, legal));
        }
        Ok(BitPlanePe { activations, weights, lanes, accumulator_bits })
    }

    pub(super) fn from_settings(settings: &Settings) -> Result<BitPlanePe, UnitError> {
        let formats = |name: &'static str, most: u32| -> Result<Vec<PlaneFormat>, UnitError> {
            settings.text(name).split(',').map(|text| PlaneFormat::parse(name, text.trim(), most)).collect()
        };
        BitPlanePe::new(
            formats("activations", MOST_ACTIVATION_BITS)?,
            formats("weights", MOST_WEIGHT_BITS)?,
            settings.number("lanes", 1..=256)?,
            settings.number("accumulator", 3..=64)?,
        )
    }

    /// Formats of the activations.
    pub fn activations(&self) -> &[PlaneFormat] {
        &self.activations
    }

    /// Formats of the weights.
    pub fn weights(&self) -> &[PlaneFormat] {
        &self.weights
    }

    /// Formats of activations and weights, by mode.
    fn pairs(&self) -> Vec<(PlaneFormat, PlaneFormat)> {
        let with =
            |&weight: &PlaneFormat| self.activations.iter().map(move |&activation| (activation, weight));
        self.weights.iter().flat_map(with).collect()
    }

    /// The formats, for a module's name.
    /// For module names, which Verilator keeps up to 127 characters: `a_u8s2_w_b`.
    fn formats_name(&self) -> String {
        let names = |formats: &[PlaneFormat]| -> String {
            formats
                .iter()
                .map(|format| match format {
                    PlaneFormat::Binary => "b".to_owned(),
                    PlaneFormat::Unsigned(bits) => format!("u{bits}"),
                    PlaneFormat::Signed(bits) => format!("s{bits}"),
                })
                .collect()
        };
        format!("a_{}_w_{}", names(&self.activations), names(&self.weights))
    }

    fn widest(formats: &[PlaneFormat]) -> u32 {
        formats.iter().map(|format| format.planes()).max().unwrap_or(1)
    }
}

impl Unit for BitPlanePe {
    fn module(&self) -> Result<Arc<Module>, HdlError> {
        let (formats, lanes) = (self.formats_name(), self.lanes);
        let name = format!("bitmill_pe_bit_plane_cell_{formats}_l{lanes}_acc{}", self.accumulator_bits);
        let purpose = format!(
            "bit-plane dot-product PE with its heads, {lanes} lanes.\n\
             Latency 2 cycles; a step takes weight bits times activation bits."
        );
        cell::module(self, &name, &purpose)
    }

    fn model(&self) -> Box<dyn Model> {
        let (lanes, pairs) = (self.lanes, self.pairs());
        cell::model(self, move |step| {
            let (activation, weight) = pairs[step.mode as usize];
            let value = |word, format: PlaneFormat, index| {
                format.value(number(&lane(word, index, format.planes())) as u32)
            };
            let product =
                |index| value(step.activation, activation, index) * value(step.weight, weight, index);
            [(0..lanes).map(product).sum()]
        })
    }

    fn stimulus(&self, random: &mut Random, cycles: usize) -> Vec<Values> {
        let lanes = self.lanes;
        cell::stimulus(self, random, cycles, |random, mode| {
            let bits = [mode.activation.code_bits(), mode.weight.code_bits()];
            let words = cell::corner_words(random, bits.map(|bits| (lanes, bits)));
            // The bits above those of the mode may be anything.
            let full = [self.activation_bits(), self.weight_bits()];
            std::array::from_fn(|side| {
                let used = lanes * bits[side];
                &words[side] | (random.bits(full[side]) >> used << used)
            })
        })
    }
}

impl ProcessingElement for BitPlanePe {
    fn lanes(&self) -> u32 {
        self.lanes
    }

    fn activation_bits(&self) -> u32 {
        self.lanes * BitPlanePe::widest(&self.activations)
    }

    fn weight_bits(&self) -> u32 {
        self.lanes * BitPlanePe::widest(&self.weights)
    }

    fn result_bits(&self) -> u32 {
        self.accumulator_bits
    }

    fn timing(&self) -> PeTiming {
        let interval_cycles = BitPlanePe::widest(&self.activations) * BitPlanePe::widest(&self.weights);
        PeTiming { latency_cycles: 2, interval_cycles }
    }

    fn modes(&self) -> Vec<Mode> {
        let mode = |(code, (activation, weight)): (u32, (PlaneFormat, PlaneFormat))| Mode {
            code,
            activation: activation.format(),
            weight: weight.format(),
            lanes: self.lanes,
            interval_cycles: activation.planes() * weight.planes(),
            lsb_exponent: 0,
        };
        (0..).zip(self.pairs()).map(mode).collect()
    }

    fn column_head(&self) -> Result<Option<Arc<Module>>, HdlError> {
        heads::column(self).map(Some)
    }

    fn row_head(&self) -> Result<Option<Arc<Module>>, HdlError> {
        heads::row(self).map(Some)
    }

    fn circuit(&self) -> Result<Arc<Module>, HdlError> {
        let BitPlanePe { lanes, accumulator_bits, .. } = *self;
        let widths = Widths::of(lanes);
        let most_shift = BitPlanePe::widest(&self.activations) + BitPlanePe::widest(&self.weights) - 2;
        let m = ModuleBuilder::new(
            format!("bitmill_pe_bit_plane_l{lanes}_s{most_shift}_acc{accumulator_bits}"),
            format!("bit-plane dot-product PE, {lanes} lanes.\nLatency 2 cycles, interval 1."),
        );
        let control = Control::inputs(&m);
        m.group("Planes, lane 0 lowest");
        let row = m.input_with_comment(
            "activation_i",
            unsigned(lanes + widths.row + 2 + SHIFT_BITS + 1),
            "negative, shift, doubling, correction, plane",
        );
        let column = m.input_with_comment("weight_i", unsigned(lanes + widths.column), "correction, plane");
        m.comment("Lanes in which both bits are set, and the heads' corrections for bipolar operands.");
        let ones = popcount(&m, row.slice(0, lanes).and(column.slice(0, lanes))).named("ones");
        let wide = ones.extend(widths.count + 2);
        let doubling = row.slice(lanes + widths.row, 2);
        let doubled =
            doubling.select(&[wide, ones.shl(1).extend(widths.count + 2), ones.shl(2)], wide).to_signed();
        let row_correction = row.slice(lanes, widths.row).as_signed();
        let column_correction = column.slice(lanes, widths.column).to_signed();
        // Every lane adds -1, 0 or 1.
        let dot = doubled.sub(row_correction).sub(column_correction).truncate(widths.count + 1);
        let dot_q = m.delay_data("dot_q", dot);
        let shift = row.slice(lanes + widths.row + 2, SHIFT_BITS);
        let negative_q = m.delay_data("negative_q", row.msb());
        m.comment("The weight of the planes, and the accumulator.");
        let signed_dot = negate_if(negative_q, dot_q.extend(widths.count + 2));
        let addend = if most_shift == 0 {
            m.ignore(shift);
            signed_dot
        } else {
            let shift_q = m.delay_data("shift_q", shift);
            signed_dot.extend(signed_dot.width() + most_shift).shift_left(shift_q)
        };
        let control_q = control.delayed(&m);
        m.output("result_o", control_q.accumulate(&m, "", addend, accumulator_bits));
        m.finish()
    }
}
