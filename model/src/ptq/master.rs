//! Matryoshka slices: weights of few bits are the leading bits of one int8 master, which has one scale for all widths (MatGPTQ,
//! Double Rounding). Which bits, and how those below the cut round, is the format's rule ([`bitmill_formats::Slice`]).

use bitmill_formats::{Format, Multiplication, Scalar, Slice};

use super::{Clipping, WeightScales};
use crate::network::Operation;
use crate::quantized::{QuantizedWeights, WeightFormat};

/// Weights in a slice format, cut from the int8 integers that `clipping` rounds to.
///
/// # Errors
/// In words, a format that is no slice.
pub(super) fn sliced(
    clipping: Clipping,
    operation: &Operation,
    real: &[f32],
    channels: [usize; 2],
    format: &WeightFormat,
    scales: WeightScales,
) -> Result<QuantizedWeights, String> {
    let slice = slice_of(format)?;
    let master = clipping.weights(operation, real, channels, &WeightFormat::lane(), scales)?;
    Ok(QuantizedWeights {
        integers: master.integers.iter().map(|&integer| of_master(slice, format, integer)).collect(),
        // Values are held in units of the slice's last place, the master's in its own.
        scales: master.scales.iter().map(|scale| scale * 2f64.powi(format.unit_exponent())).collect(),
        format: format.clone(),
        multiplication: Multiplication::EXACT,
    })
}

/// The weight that becomes of a master's integer, as `format` holds it.
fn of_master(slice: Slice, format: &WeightFormat, master: i16) -> i16 {
    // Masters lie within ±127.
    let units = slice.master_units(slice.slice(master as i8)) as i16;
    units >> format.unit_exponent()
}

/// In words, that `format` is no slice.
pub(super) fn check(format: &WeightFormat) -> Result<(), String> {
    slice_of(format).map(|_| ())
}

fn slice_of(format: &WeightFormat) -> Result<Slice, String> {
    match format.format() {
        Format::Scalar(Scalar::Slice(slice)) => Ok(*slice),
        other => Err(format!(
            "{other} is no slice of an int8 master; matgptq2 to matgptq8 and double_rounding2 to double_rounding8 are"
        )),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn format(name: &str) -> WeightFormat {
        WeightFormat::new(name.parse().unwrap()).unwrap()
    }

    /// The leading bits of the master, rounded by a shift, for every width and every master.
    #[test]
    fn slices_are_leading_bits_of_the_master() {
        let real: Vec<f32> = (-127..=127).map(|weight| weight as f32 / 16.0).collect();
        let operation = Operation::FullyConnected { out_features: 1 };
        for bits in 2..=8u32 {
            let format = format(&format!("matgptq{bits}"));
            let scales = WeightScales::PerChannel;
            let cut = sliced(Clipping::MinMax, &operation, &real, [1, 255], &format, scales).unwrap();
            let dropped = 8 - bits;
            for (master, &integer) in (-127i32..=127).zip(&cut.integers) {
                let half = if dropped == 0 { 0 } else { 1 << (dropped - 1) };
                let shifted = ((master + half) >> dropped).min((1 << (bits - 1)) - 1);
                assert_eq!(i32::from(integer), shifted, "{master} in {bits} bits");
            }
            assert_eq!(cut.scales, [f64::from(1 << dropped) / 16.0]);
        }
    }

    #[test]
    fn other_formats_are_refused() {
        let error = check(&format("int4")).unwrap_err();
        assert!(error.contains("int4 is no slice") && error.contains("matgptq2"), "{error}");
    }
}
