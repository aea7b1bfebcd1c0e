//! iFairy's complex weights {1, i, −1, −i}: a code is a number of quarter turns.
//!
//! So a product is an addition modulo 4 and never needs a multiplier, and a weight times an activation is
//! a swap and two signs. Source: Fairy±i (2025): phases are cut at ±45° and ±135°, lower bound inclusive;
//! real-axis and imaginary-axis weights have a scale each.

use std::fmt;

use crate::FormatError;
use crate::family::Policy;

/// The fourth roots of unity: code c stands for i^c.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Complex;

/// What quantizing one group yields.
#[derive(Debug, Clone, PartialEq)]
pub struct ComplexGroup {
    /// Mean |Re| over the weights that became ±1; 0 if there is none.
    pub real_scale: f32,
    /// Mean |Im| over the weights that became ±i; 0 if there is none.
    pub imaginary_scale: f32,
    /// One code a weight.
    pub codes: Vec<u32>,
}

impl Complex {
    /// The name of the format.
    pub const NAME: &'static str = "ifairy";
    /// Width of a code in bits.
    pub const BITS: u32 = 2;

    /// Real and imaginary part of a code.
    pub fn decode(&self, code: u32) -> (i8, i8) {
        [(1, 0), (0, 1), (-1, 0), (0, -1)][(code & 3) as usize]
    }

    /// The code of the quadrant in which the phase lies: [−45°, 45°) is 1, [45°, 135°) is i, and so on.
    /// Zero and NaN become 1.
    pub fn encode(&self, real: f32, imaginary: f32) -> u32 {
        if real > 0.0 && -real <= imaginary && imaginary < real {
            0
        } else if imaginary > 0.0 && -imaginary < real && real <= imaginary {
            1
        } else if real < 0.0 && real < imaginary && imaginary <= -real {
            2
        } else if imaginary < 0.0 && imaginary <= real && real < -imaginary {
            3
        } else {
            0
        }
    }

    /// The code of the product of two codes.
    pub fn multiply(&self, a: u32, b: u32) -> u32 {
        (a + b) & 3
    }

    /// conj(x)·w, the product of iFairy's layers: (xr·wr + xi·wi, xr·wi − xi·wr).
    pub fn conjugate_product(&self, (real, imaginary): (i64, i64), weight: u32) -> (i64, i64) {
        let (weight_real, weight_imaginary) = self.decode(weight);
        let (weight_real, weight_imaginary) = (i64::from(weight_real), i64::from(weight_imaginary));
        (real * weight_real + imaginary * weight_imaginary, real * weight_imaginary - imaginary * weight_real)
    }

    /// Quantizes one group of complex weights, with its two scales.
    pub fn quantize_group(&self, weights: &[(f32, f32)]) -> ComplexGroup {
        let codes: Vec<u32> =
            weights.iter().map(|(real, imaginary)| self.encode(*real, *imaginary)).collect();
        let mean = |axis: u32, part: fn(&(f32, f32)) -> f32| {
            let chosen = || weights.iter().zip(&codes).filter(|(_, code)| **code & 1 == axis);
            let count = chosen().count();
            if count == 0 { 0.0 } else { chosen().map(|(w, _)| part(w).abs()).sum::<f32>() / count as f32 }
        };
        ComplexGroup { real_scale: mean(0, |w| w.0), imaginary_scale: mean(1, |w| w.1), codes }
    }

    /// Reads the name or `complex`; `None` if it is another.
    pub fn parse(name: &str) -> Option<Result<Self, FormatError>> {
        (name == Self::NAME || name == "complex").then_some(Ok(Self))
    }

    /// The written rules.
    pub fn policies(&self) -> Vec<Policy> {
        vec![
            Policy::new(
                "encoding",
                "By phase, cut at 45, 135, -135 and -45 degrees; the lower bound belongs to the quadrant.",
            ),
            Policy::new("zero and NaN", "Both become 1."),
            Policy::new(
                "scale",
                "Two a group: mean |Re| over the weights +1 and -1, mean |Im| over +i and -i.",
            ),
            Policy::new("product", "Codes add modulo 4; a layer computes conj(x)*w."),
        ]
    }
}

impl fmt::Display for Complex {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(Self::NAME)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quadrants_are_cut_by_phase() {
        for degrees in (-179..=180).filter(|d| d % 90 != 45 && d % 90 != -45) {
            let phase = f64::from(degrees).to_radians();
            let expected = ((degrees + 45 + 360) / 90 % 4) as u32;
            assert_eq!(Complex.encode(phase.cos() as f32, phase.sin() as f32), expected, "{degrees}");
        }
        let corners = [((1., -1.), 0), ((1., 1.), 1), ((-1., 1.), 2), ((-1., -1.), 3), ((0., 0.), 0)];
        for ((real, imaginary), code) in corners {
            assert_eq!(Complex.encode(real, imaginary), code, "{real} {imaginary}");
        }
        assert_eq!(Complex.encode(f32::NAN, 1.0), 0);
    }

    #[test]
    fn products_are_those_of_complex_numbers() {
        for a in 0..4 {
            for b in 0..4 {
                let ((ar, ai), (br, bi)) = (Complex.decode(a), Complex.decode(b));
                assert_eq!(Complex.decode(Complex.multiply(a, b)), (ar * br - ai * bi, ar * bi + ai * br));
                let x = (i64::from(ar) * 7, i64::from(ai) * 7);
                let expected = (7 * i64::from(ar * br + ai * bi), 7 * i64::from(ar * bi - ai * br));
                assert_eq!(Complex.conjugate_product(x, b), expected);
            }
        }
    }

    #[test]
    fn each_axis_has_its_scale() {
        let group = Complex.quantize_group(&[(2.0, 0.1), (-4.0, 1.0), (0.5, -1.0)]);
        assert_eq!(group, ComplexGroup { real_scale: 3.0, imaginary_scale: 1.0, codes: vec![0, 2, 3] });
    }
}
