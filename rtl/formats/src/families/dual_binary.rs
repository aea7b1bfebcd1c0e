//! DB-LLM's flexible dual binarization: two bit planes, W ≈ α₁·b₁ + α₂·b₂ with b in {0, 1}.
//!
//! Bit 0 of a code is b₁, bit 1 is b₂, so each plane packs as a binary matrix of its own. The format
//! `dual_binary` has the initial α₁ = 2, α₂ = −1 (in units of the group's scale s): 0, 2, −1, 1.
//! Source: Chen et al., DB-LLM (2024), as described by third-party code; see [`DualBinary::split`].

use super::codebook::{Codebook, Ties};
use crate::{Dyadic, FormatError};

/// The two scales of a group.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct DualBinary {
    /// Scale of the first plane, above 0.
    pub alpha1: f32,
    /// Scale of the second plane, below 0.
    pub alpha2: f32,
}

impl DualBinary {
    /// The starting scales of a group, α₁ = 2s and α₂ = −s with s = max|w|/2.
    pub fn for_group(weights: &[f32]) -> Self {
        let scale = weights.iter().fold(0f32, |largest, w| largest.max(w.abs())) / 2.0;
        Self { alpha1: 2.0 * scale, alpha2: -scale }
    }

    /// The code of one weight: b₁ = [w ≥ (α₁+α₂)/2], then b₂ = [−(w − α₁b₁ − α₂/2) ≥ 0].
    pub fn split(&self, weight: f32) -> u32 {
        let (alpha1, alpha2, weight) = (f64::from(self.alpha1), f64::from(self.alpha2), f64::from(weight));
        let b1 = weight >= (alpha1 + alpha2) / 2.0;
        let rest = if b1 { weight - alpha1 } else { weight };
        let b2 = rest <= alpha2 / 2.0;
        u32::from(b1) | u32::from(b2) << 1
    }

    /// The weight that a code stands for.
    pub fn join(&self, code: u32) -> f32 {
        let plane = |bit: u32, alpha: f32| if code >> bit & 1 == 1 { alpha } else { 0.0 };
        plane(0, self.alpha1) + plane(1, self.alpha2)
    }

    /// `dual_binary`, the levels of a group whose α₁ is −2·α₂, in units of −α₂. Its ties are those of
    /// [`Self::split`]: ±½ and 1½ become ±1.
    pub fn codebook() -> Codebook {
        let levels = [0, 2, -1, 1].map(Dyadic::from_integer).to_vec();
        Codebook::from_values("dual_binary", levels, Ties::EvenPlace).expect("four levels")
    }

    /// Reads the fixed name; `None` if it is another.
    pub fn parse(name: &str) -> Option<Result<Codebook, FormatError>> {
        (name == "dual_binary").then(|| Ok(Self::codebook()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::family::Family;
    use crate::{Rounding, Value};

    #[test]
    fn the_codebook_is_the_split_of_a_unit_group() {
        let unit = DualBinary { alpha1: 2.0, alpha2: -1.0 };
        let codebook = DualBinary::codebook();
        for eighths in -32..=32 {
            let weight = eighths as f32 / 8.0;
            let code = codebook.encode(&Value::from_f32(weight), Rounding::NearestEven, 0);
            assert_eq!(code, unit.split(weight), "{weight}");
            assert_eq!(codebook.decode(code).to_f32(), unit.join(code));
        }
    }

    #[test]
    fn a_group_starts_with_half_its_largest_weight() {
        let group = DualBinary::for_group(&[0.5, -3.0, 1.0]);
        assert_eq!(group, DualBinary { alpha1: 3.0, alpha2: -1.5 });
        assert_eq!([3.0, 1.5, 0.0, -3.0].map(|w| group.join(group.split(w))), [3.0, 1.5, 0.0, -1.5]);
    }
}
