//! Matryoshka PE: one memory of int8 master weights, run at 8, 6, 4, 3 or 2 bits, two bits a cycle.
//!
//! The column head rounds each master to the bits of the mode (MatGPTQ, Double Rounding) and hands out one
//! radix-4 Booth digit a cycle, so that 8, 6, 4, 3 and 2 bits take 4, 3, 2, 2 and 1 cycles: throughput rises as
//! bits fall, on one layout of the weights and one width of the memory. The PE is the bit-serial one.
//! Meaning: `result = Σ over steps Σ over lanes activation · slice(master)` in units of 2^(8 − bits), modulo
//! 2^accumulator bits. Timing: a cycle for two bits; latency 2.

use std::sync::Arc;

use bitmill_formats::{Family, Format, Integer, Scalar, Slice, SliceRule};
use bitmill_hdl::unit::{Model, Random, Unit, Values, lane, signed_number};
use bitmill_hdl::{BigUint, HdlError, Module, ModuleBuilder, Signal, unsigned};

use super::bit_serial::core::{SerialCore, step_bits};
use super::bit_serial::encoder::{SIGNIFICANCE_BITS, booth_term};
use super::{Mode, PeTiming, ProcessingElement, WeightPacker, cell};
use crate::{Entry, Legal, Parameter, Settings, UnitError};

/// Catalogue entry.
pub const ENTRY: Entry = Entry {
    name: "pe_matryoshka",
    summary: "int8 master weights run at 8, 6, 4, 3 or 2 bits in 4, 3, 2, 2 or 1 cycles",
    parameters: &[
        Parameter {
            name: "bits",
            default: "8,6,4,3,2",
            help: "widths to switch between, 2 to 8, separated by commas; mode_i counts them",
            legal: Legal::SomeOf(&["2…8"]),
        },
        Parameter {
            name: "rule",
            default: "matgptq",
            help: "matgptq or double_rounding",
            legal: Legal::OneOf(&["matgptq", "double_rounding"]),
        },
        Parameter {
            name: "lanes",
            default: "4",
            help: "weights a step, 1 to 64",
            legal: Legal::Numbers(1, 64),
        },
        Parameter {
            name: "activation_bits",
            default: "8",
            help: "bits of a signed activation, 2 to 16",
            legal: Legal::Numbers(2, 16),
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
        "rule=double_rounding",
        "bits=2 lanes=8 accumulator=20",
        "bits=8,4,2 rule=double_rounding activation_bits=4 lanes=3",
        "bits=7,5 activation_bits=16 lanes=1 accumulator=40",
    ],
    build: |settings| Ok(Box::new(MatryoshkaPe::from_settings(settings)?)),
};

/// Bits of a master weight.
const MASTER_BITS: u32 = 8;

/// Parameters of a Matryoshka PE.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub struct MatryoshkaPe {
    slices: Vec<Slice>,
    lanes: u32,
    activation_bits: u32,
    accumulator_bits: u32,
}

impl MatryoshkaPe {
    /// A PE whose modes are `slices` of the int8 masters.
    ///
    /// # Errors
    /// No slice, more than 7 or one given twice, lanes outside 1 to 64, activations outside 2 to 16 bits, or an
    /// accumulator that a single step can overflow or that has more than 64 bits.
    pub fn new(
        slices: Vec<Slice>,
        lanes: u32,
        activation_bits: u32,
        accumulator_bits: u32,
    ) -> Result<MatryoshkaPe, UnitError> {
        if !(1..=7).contains(&slices.len()) {
            return Err(UnitError::illegal("bits", slices.len(), "1 to 7 widths are legal"));
        }
        for (index, slice) in slices.iter().enumerate() {
            if slices[..index].contains(slice) {
                return Err(UnitError::illegal("bits", slice, "each width may be given once"));
            }
        }
        if !(1..=64).contains(&lanes) {
            return Err(UnitError::illegal("lanes", lanes, "1 to 64 lanes are legal"));
        }
        if !(2..=16).contains(&activation_bits) {
            return Err(UnitError::illegal("activation_bits", activation_bits, "2 to 16 bits are legal"));
        }
        let widest = slices.iter().map(|slice| slice.bits()).max().unwrap_or(MASTER_BITS);
        let least = step_bits(lanes, activation_bits, widest);
        if !(least..=64).contains(&accumulator_bits) {
            let legal = format!("one step makes up to {least} bits, so {least} to 64 are legal");
            return Err(UnitError::illegal("accumulator", accumulator_bits, legal));
        }
        Ok(MatryoshkaPe { slices, lanes, activation_bits, accumulator_bits })
    }

    pub(super) fn from_settings(settings: &Settings) -> Result<MatryoshkaPe, UnitError> {
        let rules = [("matgptq", SliceRule::MatGptq), ("double_rounding", SliceRule::DoubleRounding)];
        let rule = settings.choice("rule", &rules)?;
        let slice = |text: &str| {
            let bits = text.trim().parse().ok().and_then(|bits| Slice::new(bits, rule).ok());
            bits.ok_or_else(|| UnitError::illegal("bits", text, "2 to 8 bits are legal"))
        };
        MatryoshkaPe::new(
            settings.text("bits").split(',').map(slice).collect::<Result<_, _>>()?,
            settings.number("lanes", 1..=64)?,
            settings.number("activation_bits", 2..=16)?,
            settings.number("accumulator", 4..=64)?,
        )
    }

    fn most_cycles(&self) -> u32 {
        self.slices.iter().map(|slice| cycles(*slice)).max().unwrap_or(1)
    }

    /// For module names: the rule and the widths, `double_rounding8_6_4`.
    fn slices_name(&self) -> String {
        let first = self.slices.first().map(Slice::to_string).unwrap_or_default();
        let others: String = self.slices.iter().skip(1).map(|slice| format!("_{}", slice.bits())).collect();
        first + &others
    }

    /// The Booth term of one lane, by mode and phase.
    fn lane_term<'m>(
        &self,
        m: &'m ModuleBuilder,
        [mode, phase]: [Signal<'m>; 2],
        master: Signal<'m>,
    ) -> Signal<'m> {
        let values: Vec<Signal> = self
            .slices
            .iter()
            .map(|slice| {
                let code = slice.slice_circuit(m, master);
                let value = match slice.rule() {
                    SliceRule::DoubleRounding => code,
                    // Offset binary differs from two's complement in the first bit.
                    SliceRule::MatGptq => m.concat(&[code.msb().not(), code.truncate(code.width() - 1)]),
                };
                value.as_signed().extend(2 * self.most_cycles())
            })
            .collect();
        booth_term(m, mode.select(&values, values[0]), phase)
    }
}

/// Cycles of a step: a Booth digit covers two bits.
fn cycles(slice: Slice) -> u32 {
    slice.bits().div_ceil(2)
}

impl Unit for MatryoshkaPe {
    fn module(&self) -> Result<Arc<Module>, HdlError> {
        let MatryoshkaPe { lanes, activation_bits, accumulator_bits, .. } = self;
        let slices = self.slices_name();
        let name =
            format!("bitmill_pe_matryoshka_cell_{slices}_a{activation_bits}_l{lanes}_acc{accumulator_bits}");
        let steps: Vec<String> =
            self.slices.iter().map(|slice| format!("{slice} {}", cycles(*slice))).collect();
        let purpose = format!(
            "dot-product PE on slices of int8 masters with its head, {lanes} lanes.\n\
             Latency 2 cycles; cycles a step: {}.",
            steps.join(", ")
        );
        cell::module(self, &name, &purpose)
    }

    fn model(&self) -> Box<dyn Model> {
        let unit = self.clone();
        cell::model(self, move |step| {
            let slice = unit.slices[step.mode as usize];
            let product = |index: u32| {
                let master = signed_number(&lane(step.weight, index, MASTER_BITS), MASTER_BITS) as i8;
                let weight = slice.master_units(slice.slice(master)) >> slice.dropped_bits();
                let bits = unit.activation_bits;
                i128::from(signed_number(&lane(step.activation, index, bits), bits)) * i128::from(weight)
            };
            [(0..unit.lanes).map(product).sum()]
        })
    }

    fn stimulus(&self, random: &mut Random, cycles: usize) -> Vec<Values> {
        let (lanes, bits) = (self.lanes, self.activation_bits);
        cell::stimulus(self, random, cycles, |random, _| {
            cell::corner_words(random, [(lanes, bits), (lanes, MASTER_BITS)])
        })
    }
}

impl ProcessingElement for MatryoshkaPe {
    fn lanes(&self) -> u32 {
        self.lanes
    }

    fn activation_bits(&self) -> u32 {
        self.lanes * self.activation_bits
    }

    fn weight_bits(&self) -> u32 {
        self.lanes * MASTER_BITS
    }

    fn result_bits(&self) -> u32 {
        self.accumulator_bits
    }

    fn timing(&self) -> PeTiming {
        PeTiming { latency_cycles: 2, interval_cycles: self.most_cycles() }
    }

    fn modes(&self) -> Vec<Mode> {
        let activation = Integer::signed(self.activation_bits).expect("int2 to int16 are legal");
        let mode = |(code, slice): (u32, &Slice)| Mode {
            code,
            activation: Format::Scalar(Scalar::Integer(activation)),
            weight: Format::Scalar(Scalar::Slice(*slice)),
            lanes: self.lanes,
            interval_cycles: cycles(*slice),
            lsb_exponent: slice.dropped_bits() as i32,
        };
        (0..).zip(&self.slices).map(mode).collect()
    }

    /// The masters whose slices are the weights, with nothing below the cut.
    fn weight_packer(&self, mode: &Mode) -> WeightPacker {
        let dropped = mode.lsb_exponent;
        Box::new(move |weights| {
            let mut word = BigUint::ZERO;
            for weight in weights[0].iter_mut().rev() {
                let master = i8::try_from(*weight.get_or_insert(0) << dropped).ok()?;
                word = (word << MASTER_BITS) | BigUint::from(master as u8);
            }
            Some(word)
        })
    }

    fn column_head(&self) -> Result<Option<Arc<Module>>, HdlError> {
        let lanes = self.lanes;
        let m = ModuleBuilder::new(
            format!("bitmill_matryoshka_encoder_{}_l{lanes}", self.slices_name()),
            format!(
                "{lanes} int8 masters, cut to the bits of the mode, a Booth digit a cycle.\nCombinational."
            ),
        );
        let port = |name: &str, width: u32, comment: &str| {
            if width == 0 { m.bit(false) } else { m.input_with_comment(name, unsigned(width), comment) }
        };
        let mode = port("mode_i", self.mode_bits(), "bits of the weights");
        let phase = port("phase_i", self.phase_bits(), "cycle of the step, from 0");
        let word = m.input_with_comment("weight_i", unsigned(self.weight_bits()), "masters, lane 0 lowest");
        let mut parts: Vec<Signal> = (0..lanes)
            .map(|index| {
                let master = word.slice(index * MASTER_BITS, MASTER_BITS).named(&format!("master_{index}"));
                self.lane_term(&m, [mode, phase], master).named(&format!("term_{index}"))
            })
            .collect();
        let significance = if self.most_cycles() == 1 { m.lit(SIGNIFICANCE_BITS, 0) } else { phase.shl(1) };
        parts.push(significance.resize(SIGNIFICANCE_BITS));
        parts.reverse();
        m.output_with_comment(
            "weight_o",
            m.concat(&parts),
            "significance, then a term a lane, lane 0 lowest",
        );
        m.finish().map(Some)
    }

    fn circuit(&self) -> Result<Arc<Module>, HdlError> {
        let core = SerialCore {
            lanes: self.lanes,
            activation_bits: self.activation_bits,
            most_exponent: 1,
            most_significance: 2 * (self.most_cycles() - 1),
            accumulator_bits: self.accumulator_bits,
        };
        core.module()
    }
}
