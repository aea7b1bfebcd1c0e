//! BitMoD (Chen et al., HPCA 2025): FP3 and FP4 whose useless −0 becomes a special value of the group.
//!
//! A code is sign | magnitude index; the code of −0 reads as the special value. Each group of weights has
//! an 8-bit scale and two bits that select one of four specials: ±3, ±6 for FP3, ±5, ±8 for FP4.
//! `bitmod_fp3` and `bitmod_fp4` are the formats with the first special (+3, +5); `_p<k>` and `_n<k>`
//! name another one.

use super::codebook::{Codebook, Ties};
use crate::family::{Family, parameter};
use crate::{Dyadic, FormatError, Rounding, Value};

/// A BitMoD data type: its basic magnitudes and the specials that a group can choose from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BitMod {
    bits: u32,
    /// Magnitudes by index, in halves.
    magnitudes_halves: &'static [i64],
    /// The special that each value of the 2-bit select stands for.
    specials: [i32; 4],
}

/// What quantizing one group yields.
#[derive(Debug, Clone, PartialEq)]
pub struct BitModGroup {
    /// The 2-bit select: the index of the special value.
    pub select: u32,
    /// The group's scale; a weight is about scale × value of its code.
    pub scale: f32,
    /// One code a weight.
    pub codes: Vec<u32>,
}

impl BitMod {
    /// How the names of this family look.
    pub const GRAMMAR: &'static str = "bitmod_fp3, bitmod_fp4 with _p<1-8> or _n<1-8> for the special value";

    /// 3 bits: 0, ±1, ±2, ±4 and a special of ±3 or ±6.
    pub const FP3: Self = Self { bits: 3, magnitudes_halves: &[0, 2, 4, 8], specials: [3, -3, 6, -6] };

    /// 4 bits: E2M1 and a special of ±5 or ±8.
    pub const FP4: Self =
        Self { bits: 4, magnitudes_halves: &[0, 1, 2, 3, 4, 6, 8, 12], specials: [5, -5, 8, -8] };

    /// The specials in the order of the 2-bit select.
    pub fn specials(&self) -> [i32; 4] {
        self.specials
    }

    /// The code that reads as the special value: that of −0.
    pub fn special_code(&self) -> u32 {
        1 << (self.bits - 1)
    }

    /// The codebook with a given special value, ±1 to ±8 (what the decoder's fixed-point term reaches).
    pub fn codebook(&self, special: i32) -> Result<Codebook, FormatError> {
        let name = self.name(special);
        if !(1..=8).contains(&special.abs()) {
            return Err(FormatError::illegal(&name, "a BitMoD special value is 1 to 8 in magnitude"));
        }
        let halves = |sign: i64| self.magnitudes_halves.iter().map(move |magnitude| sign * magnitude);
        let mut values: Vec<i64> = halves(1).chain(halves(-1)).collect();
        values[self.special_code() as usize] = 2 * i64::from(special);
        let values = values.into_iter().map(|v| Dyadic::from_integer(v).scale_by_power(-1)).collect();
        Ok(Codebook::from_values(&name, values, Ties::Lower).expect("more than two values"))
    }

    /// Quantizes one group as the authors do: for each special, scale = max|w|/max|value| (clamped to
    /// 10⁻⁵..10⁴), then the nearest value; the special with the smallest squared error wins, the first
    /// among equals.
    pub fn quantize_group(&self, weights: &[f32]) -> BitModGroup {
        let largest = weights.iter().fold(0f32, |largest, w| largest.max(w.abs()));
        let candidates = (0u32..).zip(self.specials).map(|(select, special)| {
            let codebook = self.codebook(special).expect("built-in specials are legal");
            let extremes = codebook.extremes();
            let reach = extremes.highest.to_f32().max(-extremes.lowest.to_f32());
            let scale = (largest / reach).clamp(1e-5, 1e4);
            let nearest = |w: &f32| codebook.encode(&Value::from_f32(w / scale), Rounding::NearestEven, 0);
            let codes: Vec<u32> = weights.iter().map(nearest).collect();
            let error =
                |(w, code): (&f32, &u32)| f64::from(w - scale * codebook.decode(*code).to_f32()).powi(2);
            let squared_error: f64 = weights.iter().zip(&codes).map(error).sum();
            (squared_error, BitModGroup { select, scale, codes })
        });
        let best = candidates.min_by(|(a, _), (b, _)| a.total_cmp(b));
        best.map(|(_, group)| group).expect("four candidates")
    }

    /// Reads a name; `None` if it is not of this family.
    pub fn parse(name: &str) -> Option<Result<Codebook, FormatError>> {
        let rest = name.strip_prefix("bitmod_")?;
        let (base, special) = rest.split_once('_').map_or((rest, None), |(base, s)| (base, Some(s)));
        let illegal = || FormatError::illegal(name, format!("the BitMoD formats are {}", Self::GRAMMAR));
        let family = match base {
            "fp3" => Self::FP3,
            "fp4" => Self::FP4,
            _ => return Some(Err(illegal())),
        };
        let Some(special) = special else { return Some(family.codebook(family.specials[0])) };
        let magnitude =
            |prefix| special.strip_prefix(prefix).and_then(parameter).and_then(|k| i32::try_from(k).ok());
        let special = magnitude('p').or_else(|| magnitude('n').map(|k| -k));
        Some(special.ok_or_else(illegal).and_then(|special| family.codebook(special)))
    }

    /// Whether `name` leaves the special value open.
    pub(crate) fn is_base(&self, name: &str) -> bool {
        name == self.name(self.specials[0])
    }

    fn name(&self, special: i32) -> String {
        let base = format!("bitmod_fp{}", self.bits);
        match special {
            _ if special == self.specials[0] => base,
            0.. => format!("{base}_p{special}"),
            _ => format!("{base}_n{}", -special),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_the_papers() {
        let values = |codebook: Codebook| codebook.values().iter().map(Dyadic::to_f64).collect::<Vec<_>>();
        assert_eq!(values(BitMod::FP3.codebook(-6).unwrap()), [0., 1., 2., 4., -6., -1., -2., -4.]);
        assert_eq!(
            values(BitMod::FP4.codebook(5).unwrap()),
            [0., 0.5, 1., 1.5, 2., 3., 4., 6., 5., -0.5, -1., -1.5, -2., -3., -4., -6.]
        );
    }

    #[test]
    fn a_group_takes_the_special_that_fits() {
        let weights = [0.1, -0.1, 0.3, 0.4, -0.4, 0.2];
        let group = BitMod::FP3.quantize_group(&weights);
        assert_eq!((group.select, group.scale), (0, 0.1), "0.3 is exactly 3 tenths");
        assert_eq!(group.codes, [1, 5, BitMod::FP3.special_code(), 3, 7, 2]);
        let group = BitMod::FP4.quantize_group(&[-8.0, 1.0, 6.0]);
        assert_eq!((group.select, group.scale), (3, 1.0));
    }

    #[test]
    fn ties_go_down_as_in_the_authors_code() {
        let fp3 = BitMod::FP3.codebook(3).unwrap();
        for (real, value) in [(0.5, 0.0), (-0.5, -1.0), (3.5, 3.0), (-3.0, -4.0)] {
            let code = fp3.encode(&Value::from_f64(real), Rounding::NearestEven, 0);
            assert_eq!(fp3.decode(code).to_f64(), value, "{real}");
        }
    }
}
