//! Reconfigurable SIMD PE (RMMEC, after XR-NPE): one datapath for four lanes of 4 bits, two of 8 or one of 16.
//!
//! `mode_i` selects with every sum what the 16-bit words hold: minifloats, posits or integers of 4, 8 or 16
//! bits. Decoders stand in the heads of column and row; in the PE are one multiplier of sixteen tiles
//! (`multiplier.rs`), four small adders for the exponents, and one shifter (`quire.rs`), all divided as the lanes
//! are, and one quire of 128 bits. The PE has the widths that its modes need: 13 × 13 bits for posit16_1, which
//! is exact throughout, 16 × 16 with int16. The quire is the posit standard's.
//!
//! Meaning: `result_o` is the sum of exact products over all lanes, in units of 2^lsb of the mode
//! ([`ProcessingElement::modes`]), modulo 2^128. bf16 spans more than the quire: the magnitude of each product is
//! cut below 2^-44, and exponents that add up to more than 58 set `special_o`, as do NaN, NaR and infinities;
//! `result_o` is open then.
//! Timing: a step every cycle; two cycles from the last step to the sum.

mod core;
mod head;
mod lanes;
mod meaning;
mod multiplier;
mod quire;

use std::sync::Arc;

use bitmill_formats::circuits::RoundingMode;
use bitmill_formats::{Family, Multiplication};
use bitmill_hdl::unit::{Model, Random, Unit, Values, pack};
use bitmill_hdl::{BigUint, HdlError, Module};

use super::{Mode, PeTiming, ProcessingElement, cell};
use crate::format::{self, Rounded, code};
use crate::{Entry, Legal, Parameter, Settings, UnitError};
use head::MODE_BITS;
use lanes::{LaneMode, MODES, QUIRE_BITS, WORD_BITS};

pub use lanes::LaneWidth;

/// Catalogue entry.
pub const ENTRY: Entry = Entry {
    name: "pe_rmmec_simd",
    summary: "reconfigurable SIMD MAC: 4 × 4, 2 × 8 or 1 × 16 bits of minifloat, posit or integer, exact quire",
    parameters: &[
        Parameter {
            name: "modes",
            default: "all",
            help: "all, or formats between commas: fp4_e2m1, posit4_1, int4, fp8_e4m3, posit8_0, int8, bf16, \
                   posit16_1, int16; fewer or narrower ones make heads and PE smaller",
            legal: Legal::SomeOf(&[
                "fp4_e2m1",
                "posit4_1",
                "int4",
                "fp8_e4m3",
                "posit8_0",
                "int8",
                "bf16",
                "posit16_1",
                "int16",
            ]),
        },
        Parameter {
            name: "result_bits",
            default: "128",
            help: "lowest bits of the sum on result_o, 16 to 128",
            legal: Legal::Numbers(16, 128),
        },
        Parameter {
            name: "result",
            default: "none",
            help: "none, or the scalar format of a further output with the sum rounded to nearest even",
            legal: Legal::OneOf(&[
                "none",
                "fp32",
                "bf16",
                "fp16",
                "fp8_e4m3",
                "posit16_1",
                "posit8_0",
                "int8",
            ]),
        },
    ],
    examples: &[
        "",
        "result=posit16_1",
        "modes=fp4_e2m1,fp8_e4m3,bf16 result=bf16",
        "modes=posit4_1,posit8_0,posit16_1 result=posit8_0",
        "modes=int4,int8,int16 result_bits=64",
        "modes=fp4_e2m1,posit4_1,int4 result_bits=32 result=fp16",
        "modes=bf16",
        "modes=fp4_e2m1,posit4_1,fp8_e4m3,posit8_0,posit16_1",
    ],
    build: |settings| Ok(Box::new(RmmecSimd::from_settings(settings)?)),
};

/// A reconfigurable SIMD PE.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct RmmecSimd {
    modes: Vec<LaneMode>,
    result_bits: u32,
    result: Option<Rounded>,
}

impl RmmecSimd {
    /// A PE for the modes of these names, with the sum's lowest `result_bits` on `result_o` and, if asked for,
    /// rounded to a format.
    ///
    /// # Errors
    /// No mode, an unknown one or one given twice, or results outside 16 to 128 bits.
    pub fn new(names: &[&str], result_bits: u32, result: Option<Rounded>) -> Result<RmmecSimd, UnitError> {
        let mut modes: Vec<LaneMode> =
            names.iter().map(|name| LaneMode::find(name)).collect::<Result<_, _>>()?;
        modes.sort_by_key(|mode| mode.code);
        if let Some(pair) = modes.windows(2).find(|pair| pair[0] == pair[1]) {
            return Err(UnitError::illegal("modes", pair[0].name, "it stands there twice; each counts once"));
        }
        if modes.is_empty() {
            return Err(UnitError::illegal("modes", "", "at least one mode is needed"));
        }
        if !(WORD_BITS..=QUIRE_BITS).contains(&result_bits) {
            let legal = format!("{WORD_BITS} to {QUIRE_BITS} bits are legal");
            return Err(UnitError::illegal("result_bits", result_bits, legal));
        }
        Ok(RmmecSimd { modes, result_bits, result })
    }

    pub(super) fn from_settings(settings: &Settings) -> Result<RmmecSimd, UnitError> {
        let names: Vec<&str> = match settings.text("modes") {
            "all" => MODES.iter().map(|mode| mode.name).collect(),
            list => list.split(',').collect(),
        };
        let result = match settings.text("result") {
            "none" => None,
            _ => Some(Rounded::new(format::scalar(settings, "result")?, RoundingMode::NearestEven)?),
        };
        RmmecSimd::new(&names, settings.number("result_bits", WORD_BITS..=QUIRE_BITS)?, result)
    }

    /// What tells this PE's heads from others'.
    fn modes_name(&self) -> String {
        if self.modes.len() == MODES.len() {
            return "all".to_owned();
        }
        self.modes.iter().map(|mode| mode.name.replace('_', "")).collect::<Vec<_>>().join("_")
    }

    fn name(&self) -> String {
        let result = self.result.as_ref().map_or_else(String::new, |r| format!("_{}", r.format));
        format!("bitmill_pe_rmmec_simd_{}_r{}{result}", self.modes_name(), self.result_bits)
    }

    fn head(&self, operand: usize) -> Result<Option<Arc<Module>>, HdlError> {
        let side = ["row", "column"][operand];
        let name = format!("bitmill_rmmec_simd_{side}_head_{}", self.modes_name());
        head::module(&self.modes, operand, &name).map(Some)
    }
}

impl ProcessingElement for RmmecSimd {
    fn lanes(&self) -> u32 {
        self.modes.iter().map(|mode| mode.width.lanes()).max().unwrap_or(1)
    }

    fn activation_bits(&self) -> u32 {
        WORD_BITS
    }

    fn weight_bits(&self) -> u32 {
        WORD_BITS
    }

    fn result_bits(&self) -> u32 {
        self.result_bits
    }

    fn timing(&self) -> PeTiming {
        PeTiming { latency_cycles: 2, interval_cycles: 1 }
    }

    fn modes(&self) -> Vec<Mode> {
        self.modes.iter().map(LaneMode::declared).collect()
    }

    fn multiplication(&self, mode: &Mode) -> Multiplication {
        // The quire ends above the last place of bf16's products alone.
        let cut = (mode.activation.lsb_exponent() + mode.weight.lsb_exponent() < mode.lsb_exponent)
            .then_some(mode.lsb_exponent);
        Multiplication { cut, ..Multiplication::EXACT }
    }

    fn mode_bits(&self) -> u32 {
        MODE_BITS
    }

    fn column_head(&self) -> Result<Option<Arc<Module>>, HdlError> {
        self.head(1)
    }

    fn row_head(&self) -> Result<Option<Arc<Module>>, HdlError> {
        self.head(0)
    }

    fn circuit(&self) -> Result<Arc<Module>, HdlError> {
        core::module(self)
    }
}

impl Unit for RmmecSimd {
    fn module(&self) -> Result<Arc<Module>, HdlError> {
        let formats: Vec<&str> = self.modes.iter().map(|mode| mode.name).collect();
        let purpose = format!(
            "reconfigurable SIMD PE with its heads, for\n{}.\nLatency 2 cycles, interval 1.",
            formats.join(", ")
        );
        cell::module(self, &self.name(), &purpose)
    }

    fn model(&self) -> Box<dyn Model> {
        meaning::model(self)
    }

    fn stimulus(&self, random: &mut Random, cycles: usize) -> Vec<Values> {
        cell::stimulus(self, random, cycles, |random, mode| {
            let lane_mode = MODES.into_iter().find(|known| known.code == mode.code).unwrap_or(MODES[0]);
            let (format, bits) = (lane_mode.format(), lane_mode.width.bits());
            [0, 1].map(|_| {
                let codes: Vec<BigUint> = (0..mode.lanes)
                    .map(|_| {
                        loop {
                            let bits = random.corner_bits(bits);
                            if format.decode(code(&bits)).finite().is_some() || random.one_in(60) {
                                return bits;
                            }
                        }
                    })
                    .collect();
                pack(&codes, bits)
            })
        })
    }
}
