//! Term encoder: turns a word of weights into one term a lane and cycle, once for all PEs of a column.
//!
//! Meaning: [`SerialWeight::terms`]; over the cycles of a step the terms of a lane, each times 2^significance,
//! add up to its weight. Timing: combinational. BitMoD (Chen et al., HPCA 2025, section IV) finds the terms of
//! FP4 by two leading-one detectors; with eight magnitudes and four special values a table is smaller.

use std::sync::Arc;

use bitmill_hdl::unit::{Expected, Model, Random, Unit, Values, lane, number};
use bitmill_hdl::{BigUint, HdlError, Module, ModuleBuilder, Signal, bits_for, unsigned};

use super::weight::{SerialWeight, Term};
use crate::pe::WeightPacker;
use crate::pe::words::Codes;
use crate::{Entry, Legal, Parameter, Settings, UnitError};

/// Catalogue entry.
pub const ENTRY: Entry = Entry {
    name: "bit_serial_encoder",
    summary: "weights to bit-serial terms, shared by the PEs of a column",
    parameters: &[LANES, WEIGHTS, FP4_SPECIALS, FP3_SPECIALS],
    examples: &[
        "",
        "lanes=1 weights=int8",
        "lanes=2 weights=bitmod_fp4",
        "lanes=3 weights=int2,int7,bitmod_fp3",
    ],
    build: |settings| Ok(Box::new(TermEncoder::from_settings(settings)?)),
};

pub(super) const LANES: Parameter =
    Parameter { name: "lanes", default: "4", help: "weights a step, 1 to 64", legal: Legal::Numbers(1, 64) };
pub(super) const WEIGHTS: Parameter = Parameter {
    name: "weights",
    default: "int8,int6,int5,int4,bitmod_fp4,bitmod_fp3",
    help: "formats to switch between: int2…int8, bitmod_fp4, bitmod_fp3, separated by commas; mode_i counts them",
    legal: Legal::SomeOf(&["int2…int8", "bitmod_fp4", "bitmod_fp3"]),
};
pub(super) const FP4_SPECIALS: Parameter = Parameter {
    name: "fp4_specials",
    default: "5,-5,8,-8",
    help: "special values of BitMoD FP4 for each 2-bit select, ±1 to ±8",
    legal: Legal::Each(4, &["1…8", "-1…-8"]),
};
pub(super) const FP3_SPECIALS: Parameter = Parameter {
    name: "fp3_specials",
    default: "3,-3,6,-6",
    help: "special values of BitMoD FP3 for each 2-bit select, ±1 to ±8",
    legal: Legal::Each(4, &["1…8", "-1…-8"]),
};

/// Bits of a lane's term: exponent (2), sign, presence.
pub(super) const TERM_BITS: u32 = 4;
/// Bits of the significance that the terms of a cycle share: 0, 1, 2, 4 or 6.
pub(crate) const SIGNIFICANCE_BITS: u32 = 3;

/// Parameters of a term encoder.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub struct TermEncoder {
    lanes: u32,
    weights: Vec<SerialWeight>,
}

impl TermEncoder {
    /// An encoder of `lanes` weights in any of the formats `weights`; the mode is the index of the format.
    ///
    /// # Errors
    /// Lanes outside 1 to 64, no format or more than 8, a format given twice, or a special value that two terms
    /// do not reach.
    pub fn new(lanes: u32, weights: Vec<SerialWeight>) -> Result<TermEncoder, UnitError> {
        if !(1..=64).contains(&lanes) {
            return Err(UnitError::illegal("lanes", lanes, "1 to 64 lanes are legal"));
        }
        if !(1..=8).contains(&weights.len()) {
            return Err(UnitError::illegal("weights", weights.len(), "1 to 8 formats are legal"));
        }
        for (index, weight) in weights.iter().enumerate() {
            if weights[..index].contains(weight) {
                return Err(UnitError::illegal("weights", weight.format(), "each format may be given once"));
            }
            match weight {
                SerialWeight::Integer(bits) if !(2..=8).contains(bits) => {
                    return Err(UnitError::illegal("weights", weight.bits(), "2 to 8 bits are legal"));
                }
                SerialWeight::BitMod { bits, .. } if !(3..=4).contains(bits) => {
                    return Err(UnitError::illegal("weights", bits, "BitMoD has 3 or 4 bits"));
                }
                SerialWeight::BitMod { specials, .. } => {
                    if let Some(special) = specials.iter().find(|s| !(1..=8).contains(&s.abs())) {
                        return Err(UnitError::illegal("specials", special, "±1 to ±8 are legal"));
                    }
                }
                SerialWeight::Integer(_) => {}
            }
        }
        Ok(TermEncoder { lanes, weights })
    }

    pub(super) fn from_settings(settings: &Settings) -> Result<TermEncoder, UnitError> {
        let specials = |parameter: &Parameter| -> Result<[i32; 4], UnitError> {
            let text = settings.text(parameter.name);
            let numbers: Option<Vec<i32>> = text.split(',').map(|value| value.trim().parse().ok()).collect();
            numbers.and_then(|list| list.try_into().ok()).ok_or_else(|| {
                UnitError::illegal(parameter.name, text, "four integers separated by commas are needed")
            })
        };
        let (fp4, fp3) = (specials(&FP4_SPECIALS)?, specials(&FP3_SPECIALS)?);
        let with_specials = |weight| match weight {
            SerialWeight::BitMod { bits: 4, .. } => SerialWeight::BitMod { bits: 4, specials: fp4 },
            SerialWeight::BitMod { bits, .. } => SerialWeight::BitMod { bits, specials: fp3 },
            integer => integer,
        };
        let names = settings.text(WEIGHTS.name).split(',');
        let weights = names.map(|name| SerialWeight::parse(name.trim()).map(with_specials));
        TermEncoder::new(settings.number(LANES.name, 1..=64)?, weights.collect::<Result<_, _>>()?)
    }

    /// Weights a step.
    pub fn lanes(&self) -> u32 {
        self.lanes
    }

    /// The formats, by mode.
    pub fn weights(&self) -> &[SerialWeight] {
        &self.weights
    }

    /// Bits of a weight word: packed codes from bit 0 upwards, the select of the special value on top.
    pub fn word_bits(&self) -> u32 {
        self.select_lsb() + if self.has_specials() { 2 } else { 0 }
    }

    /// Bits of the widest weight as a two's complement integer.
    pub(super) fn value_bits(&self) -> u32 {
        self.weights.iter().map(|weight| weight.value_bits()).max().unwrap_or(1)
    }

    /// Most cycles of a step.
    pub fn most_cycles(&self) -> u32 {
        self.weights.iter().map(|weight| weight.cycles()).max().unwrap_or(1)
    }

    /// Codes of the lanes and select of the special value of a word in the format of `mode`.
    pub(super) fn unpack(&self, mode: u32, word: &BigUint) -> (Vec<u32>, u32) {
        let bits = self.weights[mode as usize].bits();
        let codes = (0..self.lanes).map(|index| number(&lane(word, index, bits)) as u32).collect();
        let select = if self.has_specials() { number(&(word >> self.select_lsb())) as u32 } else { 0 };
        (codes, select & 3)
    }

    /// Makes weight words of the format of `mode`. The special value is one that serves all weights of a word.
    pub(super) fn packer(&self, mode: u32) -> WeightPacker {
        let weight = self.weights[mode as usize];
        let select_lsb = self.select_lsb();
        let codes: Vec<Codes> = (0..weight.selects())
            .map(|select| Codes::new(&weight.scalar(select), weight.lsb_exponent()))
            .collect();
        Box::new(move |weights| {
            (0u32..).zip(&codes).find_map(|(select, codes)| {
                let word = codes.pack(&mut weights[0].clone())?;
                codes.pack(&mut weights[0])?;
                Some(word | BigUint::from(select) << select_lsb)
            })
        })
    }

    fn has_specials(&self) -> bool {
        self.weights.iter().any(|weight| matches!(weight, SerialWeight::BitMod { .. }))
    }

    fn select_lsb(&self) -> u32 {
        self.lanes * self.weights.iter().map(|weight| weight.bits()).max().unwrap_or(1)
    }

    fn mode_bits(&self) -> u32 {
        if self.weights.len() == 1 { 0 } else { bits_for(self.weights.len() as u64 - 1) }
    }

    fn phase_bits(&self) -> u32 {
        if self.most_cycles() == 1 { 0 } else { bits_for(u64::from(self.most_cycles()) - 1) }
    }

    /// The formats, for a module's name.
    pub(super) fn weights_name(&self) -> String {
        let name = |weight: &SerialWeight| match weight {
            SerialWeight::Integer(bits) => format!("i{bits}"),
            SerialWeight::BitMod { bits, specials } => {
                let signed = |s: &i32| if *s < 0 { format!("n{}", -s) } else { s.to_string() };
                format!("f{bits}_{}", specials.iter().map(signed).collect::<Vec<_>>().join("_"))
            }
        };
        self.weights.iter().map(name).collect::<Vec<_>>().join("_")
    }

    /// The term of one lane, by mode and phase.
    fn lane_term<'m>(&self, m: &'m ModuleBuilder, ports: &Ports<'m>, index: u32) -> Signal<'m> {
        let terms: Vec<Signal> = self
            .weights
            .iter()
            .map(|weight| {
                let code = ports.word.slice(index * weight.bits(), weight.bits());
                match weight {
                    SerialWeight::Integer(_) => booth_term(m, code.as_signed(), ports.phase),
                    SerialWeight::BitMod { bits, .. } => {
                        let phases = [0, 1].map(|phase| {
                            let table = |code, select| weight.terms(code, select)[phase].code();
                            let basic: Vec<Signal> =
                                (0..1 << bits).map(|c| m.lit(TERM_BITS, table(c, 0))).collect();
                            let special: Vec<Signal> =
                                (0..4).map(|s| m.lit(TERM_BITS, table(1 << (bits - 1), s))).collect();
                            let is_special = code.eq_value(1 << (bits - 1));
                            let special = ports.select.select(&special, special[3]);
                            is_special.mux(special, code.select(&basic, basic[0]))
                        });
                        ports.phase.bit(0).mux(phases[1], phases[0])
                    }
                }
            })
            .collect();
        ports.mode.select(&terms, terms[0]).named(&format!("term_{index}"))
    }
}

struct Ports<'m> {
    mode: Signal<'m>,
    phase: Signal<'m>,
    word: Signal<'m>,
    select: Signal<'m>,
}

/// The radix-4 Booth digit number `phase` of a two's complement `value`, as a term of at most 2^1.
pub(crate) fn booth_term<'m>(m: &'m ModuleBuilder, value: Signal<'m>, phase: Signal<'m>) -> Signal<'m> {
    let digits = value.width().div_ceil(2);
    let padded = m.concat(&[value.extend(2 * digits), m.bit(false)]);
    let windows: Vec<Signal> = (0..digits).map(|digit| padded.slice(2 * digit, 3)).collect();
    let window = if digits == 1 { windows[0] } else { phase.select(&windows, windows[digits as usize - 1]) };
    // The digit of each window 000 … 111.
    let digit = [0i64, 1, 1, 2, -2, -1, -1, 0].map(|digit| {
        let term = Term { present: digit != 0, negative: digit < 0, exponent: u32::from(digit.abs() == 2) };
        m.lit(TERM_BITS, term.code())
    });
    window.select(&digit, digit[0])
}

impl Unit for TermEncoder {
    fn module(&self) -> Result<Arc<Module>, HdlError> {
        let lanes = self.lanes;
        let m = ModuleBuilder::new(
            format!("bitmill_bit_serial_encoder_l{lanes}_{}", self.weights_name()),
            format!("{lanes} weights to terms, a term a cycle, for all PEs of a column.\nCombinational."),
        );
        let port = |name: &str, width: u32, comment: &str| {
            if width == 0 { m.bit(false) } else { m.input_with_comment(name, unsigned(width), comment) }
        };
        let mode = port("mode_i", self.mode_bits(), "format of the weights");
        let phase = port("phase_i", self.phase_bits(), "cycle of the step, from 0");
        let word = m.input_with_comment("weight_i", unsigned(self.word_bits()), "codes, lane 0 lowest");
        let select = if self.has_specials() { word.slice(self.select_lsb(), 2) } else { m.lit(2, 0) };
        let ports = Ports { mode, phase, word, select };
        let mut parts: Vec<Signal> = (0..lanes).map(|index| self.lane_term(&m, &ports, index)).collect();
        m.comment("The power of two that this cycle's terms share.");
        let cycles = self.most_cycles();
        let significances: Vec<Signal> = self
            .weights
            .iter()
            .map(|weight| {
                let items: Vec<Signal> = (0..cycles)
                    .map(|phase| {
                        let phase = phase.min(weight.cycles() - 1);
                        m.lit(SIGNIFICANCE_BITS, weight.significance(phase).into())
                    })
                    .collect();
                phase.select(&items, items[cycles as usize - 1])
            })
            .collect();
        parts.push(mode.select(&significances, significances[0]).named("significance"));
        parts.reverse();
        m.output_with_comment(
            "weight_o",
            m.concat(&parts),
            "significance, then a term a lane, lane 0 lowest",
        );
        m.finish()
    }

    fn model(&self) -> Box<dyn Model> {
        let unit = self.clone();
        Box::new(move |inputs: &[BigUint]| -> Expected {
            let (controls, word) = inputs.split_at(inputs.len() - 1);
            let mode = if unit.mode_bits() > 0 { number(&controls[0]) as u32 } else { 0 };
            let phase = if unit.phase_bits() > 0 { controls.last().map_or(0, number) as u32 } else { 0 };
            let Some(weight) = unit.weights.get(mode as usize).filter(|w| phase < w.cycles()) else {
                return vec![None];
            };
            let (codes, select) = unit.unpack(mode, &word[0]);
            let significance = BigUint::from(weight.significance(phase));
            let packed = codes.iter().rev().fold(significance, |word, &code| {
                (word << TERM_BITS) | BigUint::from(weight.terms(code, select)[phase as usize].code())
            });
            vec![Some(packed)]
        })
    }

    fn stimulus(&self, random: &mut Random, cycles: usize) -> Vec<Values> {
        self.module().map_or(vec![], |module| (0..cycles).map(|_| random.inputs(&module)).collect())
    }
}
