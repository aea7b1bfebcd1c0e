//! Decoder: from a code to significand, exponent and flags.
//!
//! Meaning: the value of the code is significand · 2^exponent, exactly. Of all such pairs it is the one with
//! the smallest exponent that the significand's width and the format's lowest exponent allow.
//! Timing: combinational.

use std::sync::Arc;

use bitmill_formats::circuits::{self, Unpacked};
use bitmill_formats::{Dyadic, Family, Scalar, Value};
use bitmill_hdl::unit::{Expected, Model, Random, Unit, Values, to_bits};
use bitmill_hdl::{BigUint, HdlError, Module, ModuleBuilder, Shape, unsigned};

use super::{FORMAT, VALUES, code, scalar, stimulus};
use crate::{Entry, Settings, UnitError};

/// Catalogue entry.
pub const ENTRY: Entry = Entry {
    name: "format_decoder",
    summary: "code of any scalar format to significand, exponent and flags",
    parameters: &[FORMAT, VALUES],
    examples: &[
        "",
        "format=int8",
        "format=uint4",
        "format=fixed8_5_sym",
        "format=fp4_e2m1",
        "format=fp6_e3m2",
        "format=fp8_e5m2",
        "format=fp8_e4m3_fnuz",
        "format=fp8_e3m4_ftz",
        "format=fp16",
        "format=fp32",
        "format=e8m0",
        "format=posit4_1",
        "format=posit8_0",
        "format=posit16_1",
        "format=binary",
        "format=ternary",
        "format=dual_binary",
        "format=bitmod_fp3_n6",
        "format=matgptq4",
        "format=double_rounding3",
        "format=own values=-1,-0.6875,-0.375,0,0.25,0.5,0.8125,1.5",
    ],
    build: |settings| Ok(Box::new(Decoder::from_settings(settings)?)),
};

/// Parameters of a decoder.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Decoder {
    format: Scalar,
}

/// The pairs of significand and exponent that a decoder yields.
struct Layout {
    significand: Shape,
    exponent_bits: u32,
    lowest_exponent: i32,
    signed: bool,
    infinite: bool,
    nan: bool,
}

impl Decoder {
    /// A decoder of `format`.
    ///
    /// # Errors
    /// A codebook too wide for fixed point.
    pub fn new(format: Scalar) -> Result<Decoder, UnitError> {
        circuits::check(&format, circuits::RoundingMode::NearestEven)
            .map_err(|error| UnitError::illegal("format", &format, error.to_string()))?;
        Ok(Decoder { format })
    }

    fn from_settings(settings: &Settings) -> Result<Decoder, UnitError> {
        Decoder::new(scalar(settings, FORMAT.name)?)
    }

    fn layout(&self) -> Layout {
        let m = ModuleBuilder::new("bitmill_layout", "");
        let x = circuits::decode(&m, "x", &self.format, m.input("code_i", unsigned(self.format.bits())));
        Layout {
            significand: x.significand.shape(),
            exponent_bits: x.exponent.above(&m, 0).width(),
            lowest_exponent: x.exponent.low(),
            signed: x.negative.is_some() && !x.is_signed(),
            infinite: x.infinite.is_some(),
            nan: x.nan.is_some(),
        }
    }
}

impl Unit for Decoder {
    fn module(&self) -> Result<Arc<Module>, HdlError> {
        let format = &self.format;
        let m = ModuleBuilder::new(
            format!("bitmill_format_decoder_{format}"),
            format!("the number that a code of {format} stands for.\nCombinational."),
        );
        let x = circuits::decode(&m, "x", format, m.input("code_i", unsigned(format.bits())));
        outputs(&m, &x);
        m.finish()
    }

    fn model(&self) -> Box<dyn Model> {
        let (format, layout) = (self.format.clone(), self.layout());
        Box::new(move |inputs: &[BigUint]| layout.ports(&format.decode(code(&inputs[0]))))
    }

    fn stimulus(&self, random: &mut Random, cycles: usize) -> Vec<Values> {
        self.module().map_or(vec![], |module| stimulus::all_or_random(&module, random, cycles))
    }
}

/// The output ports of an unpacked number.
fn outputs(m: &ModuleBuilder, x: &Unpacked) {
    m.group("Number, significand * 2^exponent");
    m.output("significand_o", x.significand);
    m.output_with_comment("exponent_o", x.exponent.above(m, 0), "of the last bit; open if zero");
    if let (Some(negative), false) = (x.negative, x.is_signed()) {
        m.output("negative_o", negative);
    }
    m.group("Special values; all but the sign of an infinity is open");
    if let Some(infinite) = x.infinite {
        m.output("infinite_o", infinite);
    }
    if let Some(nan) = x.nan {
        m.output("nan_o", nan);
    }
}

impl Layout {
    /// The ports for a value.
    fn ports(&self, value: &Value) -> Expected {
        let flag = |set: bool| Some(BigUint::from(u8::from(set)));
        let (significand, exponent) = match value {
            Value::Finite(x) if x.is_zero() => (Some(BigUint::ZERO), None),
            Value::Finite(x) => {
                let (significand, exponent) = self.split(x);
                (
                    Some(to_bits(significand, self.significand.width)),
                    Some(to_bits(exponent.into(), self.exponent_bits)),
                )
            }
            _ => (None, None),
        };
        let mut ports = vec![significand, exponent];
        if self.signed {
            ports.push(if value.is_nan() { None } else { flag(value.is_negative()) });
        }
        if self.infinite {
            ports.push(flag(matches!(value, Value::Infinite { .. })));
        }
        if self.nan {
            ports.push(flag(value.is_nan()));
        }
        ports
    }

    /// The significand with the smallest exponent that is allowed.
    fn split(&self, x: &Dyadic) -> (i128, i32) {
        let fits = |integer: i128| {
            let Shape { width, signed } = self.significand;
            if signed {
                (-(1i128 << (width - 1))..1 << (width - 1)).contains(&integer)
            } else {
                integer >> width == 0
            }
        };
        let negate = self.significand.signed && x.is_negative();
        let integer = |exponent: i32| {
            let magnitude = (x.significand() << (x.exponent() - exponent)) as i128;
            if negate { -magnitude } else { magnitude }
        };
        let lowest = self.lowest_exponent.max(x.exponent() - 64);
        let exponent = (lowest..=x.exponent()).find(|exponent| fits(integer(*exponent)));
        let exponent = exponent.expect("every finite value fits into the decoder's significand");
        (integer(exponent), exponent)
    }
}
