//! The parameters that dot-product PEs share, and what is legal of them.

use bitmill_formats::circuits::RoundingMode;
use bitmill_formats::{AccumulatorShape, Scalar};

use super::dot_product::{Accumulation, DotProduct, Product, WIDEST_BITS};
use crate::format::{Rounded, scalar};
use crate::{Legal, Parameter, Settings, UnitError};

pub(crate) const LANES: Parameter = Parameter {
    name: "lanes",
    default: "4",
    help: "multiplications a cycle, 1 to 64",
    legal: Legal::Numbers(1, 64),
};
pub(crate) const LENGTH: Parameter = Parameter {
    name: "length",
    default: "1024",
    help: "most products in a sum, lanes to 2^20",
    legal: Legal::Numbers(1, 1 << 20),
};
pub(crate) const ACCUMULATOR: Parameter = Parameter {
    name: "accumulator",
    default: "exact",
    help: "exact, or the scalar format that every step is rounded to and added in",
    legal: Legal::OneOf(&["exact", "exact", "fp32", "bf16", "fp16", "fp8_e5m2", "posit16_1", "fixed16_8"]),
};
pub(crate) const ACCUMULATOR_BITS: Parameter = Parameter {
    name: "accumulator_bits",
    default: "auto",
    help: "bits of the exact sum; auto is the fewest that `length` products cannot overflow",
    legal: Legal::OneOf(&["auto", "2…1024"]),
};
pub(crate) const DROPPED_BITS: Parameter = Parameter {
    name: "dropped_bits",
    default: "0",
    help: "lowest places of the exact register to leave out: magnitudes of products are cut there",
    legal: Legal::OneOf(&["0", "1…1024"]),
};
pub(crate) const RESULT: Parameter = Parameter {
    name: "result",
    default: "none",
    help: "none, or the scalar format of a further output with the exact sum rounded to nearest even",
    legal: Legal::OneOf(&["none", "fp32", "bf16", "fp16", "fp8_e4m3", "posit16_1", "posit8_0", "int8"]),
};

impl<P: Product> DotProduct<P> {
    /// With the parameters that all such PEs share.
    pub(crate) fn from_settings(product: P, settings: &Settings) -> Result<DotProduct<P>, UnitError> {
        let rounded = |name| Rounded::new(scalar(settings, name)?, RoundingMode::NearestEven);
        let dropped_bits = settings.number(DROPPED_BITS.name, 0..=WIDEST_BITS)?;
        let result = match settings.text(RESULT.name) {
            "none" => None,
            _ => Some(rounded(RESULT.name)?),
        };
        let width_bits = match settings.text(ACCUMULATOR_BITS.name) {
            "auto" => None,
            _ => Some(settings.number(ACCUMULATOR_BITS.name, 2..=WIDEST_BITS)?),
        };
        let accumulation = match settings.text(ACCUMULATOR.name) {
            "exact" => Accumulation::Exact { width_bits, dropped_bits, result },
            format => {
                let exact_only = [
                    (DROPPED_BITS.name, dropped_bits > 0),
                    (RESULT.name, result.is_some()),
                    (ACCUMULATOR_BITS.name, width_bits.is_some()),
                ];
                if let Some((name, _)) = exact_only.into_iter().find(|(_, given)| *given) {
                    let legal = format!("legal with accumulator=exact only, not with {format}");
                    return Err(UnitError::illegal(name, settings.text(name), legal));
                }
                Accumulation::InFormat(rounded(ACCUMULATOR.name)?)
            }
        };
        let lanes = settings.number(LANES.name, 1..=64)?;
        DotProduct::new(product, lanes, settings.number(LENGTH.name, 1..=1 << 20)?, accumulation)
    }
}

/// The register with the width and the places that were asked for.
pub(super) fn trimmed<P: Product>(
    product: &P,
    exact: AccumulatorShape,
    width_bits: Option<u32>,
    dropped_bits: u32,
) -> Result<AccumulatorShape, UnitError> {
    // Of the largest product a place must be left.
    let product_bits = product.register(1).width_bits;
    if dropped_bits + 2 > product_bits {
        let legal = format!("a product has {product_bits} bits, so 0 to {} are legal", product_bits - 2);
        return Err(UnitError::illegal(DROPPED_BITS.name, dropped_bits, legal));
    }
    let magnitudes = product.operands().iter().all(|operand| matches!(operand, Scalar::Minifloat(_)));
    if dropped_bits > 0 && !magnitudes {
        let legal = "places can be left out of products of minifloats only; 0 is legal";
        return Err(UnitError::illegal(DROPPED_BITS.name, dropped_bits, legal));
    }
    let least = exact.width_bits - dropped_bits;
    let given = width_bits.unwrap_or(least);
    if given < least {
        let legal = format!(
            "the sum has up to {least} bits: {least} or more are legal, or auto, or more dropped_bits"
        );
        return Err(UnitError::illegal(ACCUMULATOR_BITS.name, given, legal));
    }
    Ok(AccumulatorShape { lsb_exponent: exact.lsb_exponent + dropped_bits as i32, width_bits: given })
}
