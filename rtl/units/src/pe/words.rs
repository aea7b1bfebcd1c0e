//! Weight words as a host writes them: the codes of one column and step, packed as the PE takes them.

use std::collections::HashMap;

use bitmill_formats::{Family, Ordered, Scalar};
use bitmill_hdl::BigUint;

use super::sum::fixed_point;

/// Makes the word that stands for some weights.
///
/// It takes a row of weights for each of the PE's results, a weight for each channel of a step, in units of
/// 2^lsb of the weight format, or as ordinals where 16 bits do not hold these ([`Ordered::of_wide`]). A weight that is `None` meets no channel and may be anything: the packer writes
/// in what it chose. It returns nothing if no word stands for the weights.
pub type WeightPacker = Box<dyn Fn(&mut [Vec<Option<i64>>]) -> Option<BigUint> + Send + Sync>;

/// Codes of a scalar format by value, in units of 2^lsb or as ordinals.
pub(super) struct Codes {
    by_value: HashMap<i64, u32>,
    /// What stands where nothing is asked for: the value of the smallest magnitude.
    idle: i64,
    bits: u32,
}

impl Codes {
    /// The codes of `format`, in units of 2^`lsb_exponent`. Infinities and NaN are left out.
    pub fn new(format: &Scalar, lsb_exponent: i32) -> Codes {
        let ordered = Ordered::of_wide(format);
        let finite = (0..=format.largest_code()).rev().filter_map(|code| {
            let value = format.decode(code);
            let held = match ordered {
                Some(ordered) => ordered.ordinal(code).into(),
                None => fixed_point(&value, lsb_exponent) as i64,
            };
            value.finite().map(|_| (held, code))
        });
        // The lowest code of equal values wins.
        let by_value: HashMap<i64, u32> = finite.collect();
        let idle = by_value.keys().copied().min_by_key(|value| (value.abs(), *value)).unwrap_or(0);
        Codes { by_value, idle, bits: format.bits() }
    }

    /// Packs the codes of `weights`, lane 0 lowest.
    pub fn pack(&self, weights: &mut [Option<i64>]) -> Option<BigUint> {
        // Machine words as far as they go: a network has many weights.
        let at_once = (u64::BITS / self.bits) as usize;
        let mut word = BigUint::ZERO;
        for weights in weights.chunks_mut(at_once).rev() {
            let mut low = 0;
            for weight in weights.iter_mut().rev() {
                let value = *weight.get_or_insert(self.idle);
                low = low << self.bits | u64::from(*self.by_value.get(&value)?);
            }
            word = (word << (self.bits as usize * weights.len())) | BigUint::from(low);
        }
        Some(word)
    }
}
