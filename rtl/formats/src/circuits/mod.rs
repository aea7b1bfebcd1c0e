//! Circuits of the formats: decode to an unpacked form, operate exactly, round once.
//!
//! Every function adds logic to a module under construction. [`decode`] brings a code of any scalar format to
//! [`Unpacked`]; [`multiply`], [`add`] and the accumulator work on that form and round nothing; [`encode`]
//! rounds once, by a [`Rounder`]. So there are formats and operations, not formats × operations, and any
//! two formats convert into each other. The value side of this crate is the meaning of all of it.
//!
//! ```
//! use bitmill_formats::circuits::{self, Rounder, RoundingMode};
//! use bitmill_formats::Scalar;
//! use bitmill_hdl::{ModuleBuilder, unsigned};
//!
//! let posit: Scalar = "posit8_0".parse()?;
//! let m = ModuleBuilder::new("bitmill_square", "the square of a posit");
//! let code = m.input("code_i", unsigned(8));
//! let rounder = Rounder::new(&m, RoundingMode::NearestEven);
//! let x = circuits::decode(&m, "x", &posit, code);
//! let square = circuits::multiply(&m, &x, &x);
//! m.output("square_o", circuits::encode(&m, &posit, &square, &rounder));
//! assert!(m.finish().is_ok());
//! # Ok::<(), bitmill_formats::FormatError>(())
//! ```

mod accumulate;
mod add;
mod codebook;
mod complex;
mod exponent;
mod fixed;
mod integer;
mod lmul;
mod minifloat;
mod multiply;
mod narrow;
mod posit;
mod power_of_two;
mod product;
mod rounding;
mod sherry;
mod shift;
mod unpacked;

pub use accumulate::{Addend, accumulate, addend};
pub use add::add;
pub use exponent::Exponent;
pub use multiply::{multiply, multiply_by};
pub use narrow::narrow;
pub use product::{Reduction, product};
pub use rounding::{Rounder, RoundingMode};
pub use shift::{at_least, shift_right_jamming};
pub use unpacked::Unpacked;

use bitmill_hdl::{ModuleBuilder, Signal};

use crate::{FormatError, Scalar};

/// Whether circuits of `format` can round by `mode`.
///
/// # Errors
/// Stochastic rounding to a codebook, whose gaps are no powers of two, or a codebook too wide for fixed point.
pub fn check(format: &Scalar, mode: RoundingMode) -> Result<(), FormatError> {
    let Scalar::Codebook(codebook) = format else { return Ok(()) };
    if let RoundingMode::Stochastic { .. } = mode {
        return Err(FormatError::Unsupported {
            operation: "stochastic rounding in hardware",
            needs: "a format with evenly spaced or logarithmic codes",
            format: format.to_string(),
        });
    }
    codebook.check_places()
}

/// The number that `code` stands for. `prefix` begins the names of its signals.
pub fn decode<'m>(m: &'m ModuleBuilder, prefix: &str, format: &Scalar, code: Signal<'m>) -> Unpacked<'m> {
    match format {
        Scalar::Integer(integer) => integer.decode_circuit(code),
        Scalar::Minifloat(minifloat) => minifloat.decode_circuit(m, prefix, code),
        Scalar::PowerOfTwo(scale) => scale.decode_circuit(m, code),
        Scalar::Posit(posit) => posit.decode_circuit(m, prefix, code),
        Scalar::Codebook(codebook) => codebook.decode_circuit(m, prefix, code),
        Scalar::Slice(slice) => slice.decode_circuit(m, code),
    }
}

/// The code of `x` in `format`, rounded once. [`check`] says which formats round by which modes.
pub fn encode<'m>(
    m: &'m ModuleBuilder,
    format: &Scalar,
    x: &Unpacked<'m>,
    rounder: &Rounder<'m>,
) -> Signal<'m> {
    match format {
        Scalar::Integer(integer) => integer.encode_circuit(m, x, rounder),
        Scalar::Minifloat(minifloat) => minifloat.encode_circuit(m, x, rounder),
        Scalar::PowerOfTwo(scale) => scale.encode_circuit(m, x, rounder),
        Scalar::Posit(posit) => posit.encode_circuit(m, x, rounder),
        Scalar::Codebook(codebook) => codebook.encode_circuit(m, x, rounder),
        Scalar::Slice(slice) => slice.encode_circuit(m, x, rounder),
    }
}
