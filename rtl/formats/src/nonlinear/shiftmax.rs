//! Softmax of a row of integers: Shiftmax, or with exponentials from a table.

use super::{M, ShiftExp, TableExp};

/// Softmax of `row` in units of 2^-`bits`, in 0..2^`bits`; `bits` is at most 31. The reference's n is
/// [`ShiftExp::SOFTMAX_N`], its bits are [`PROBABILITY_BITS`](super::PROBABILITY_BITS): ⌊ ⌋ of finer shares by 2^8 is
/// the same as of its own.
pub fn shiftmax(row: &[i64], exp: &ShiftExp, bits: u32) -> Vec<i64> {
    let Some(max) = row.iter().max() else { return Vec::new() };
    normalise(&row.iter().map(|x| exp.exp(x - max)).collect::<Vec<_>>(), bits)
}

/// The same with exponentials from a table: within a percent of the real softmax where Shiftmax errs by six.
pub fn softmax_by_table(row: &[i64], exp: &TableExp, bits: u32) -> Vec<i64> {
    let Some(max) = row.iter().max() else { return Vec::new() };
    normalise(&exp.exps(row.iter().map(|x| x.abs_diff(*max))), bits)
}

/// The shares of positive `terms` in their sum, in units of 2^-`bits`: `⌊e · ⌊M / Σe⌋ / 2^(31 − bits)⌋`, the sum clamped
/// to M; all terms 0 give shares 0.
pub fn normalise(terms: &[u32], bits: u32) -> Vec<i64> {
    let sum = terms.iter().map(|&e| u64::from(e)).sum::<u64>().clamp(1, M.into());
    let factor = u64::from(M) / sum;
    terms.iter().map(|&e| ((u64::from(e) * factor) >> (31 - bits)) as i64).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn equal_inputs_share_equally() {
        let exp = ShiftExp::of_scale(0.1, ShiftExp::SOFTMAX_N).unwrap();
        // ⌊M / 4e⌋ rounds down, so that a quarter comes out as 31 instead of 32.
        assert_eq!(shiftmax(&[5, 5, 5, 5], &exp, 7), [31, 31, 31, 31]);
        assert_eq!(shiftmax(&[5, 5, 5, 5], &exp, 15), [8190, 8190, 8190, 8190]);
        assert_eq!(shiftmax(&[100], &exp, 7), [127]);
        assert_eq!(shiftmax(&[], &exp, 7), []);
    }

    #[test]
    fn shares_stay_below_one_where_the_sum_is_clamped() {
        let exp = ShiftExp::new(0xffff, ShiftExp::SOFTMAX_N).unwrap();
        assert!(shiftmax(&[0; 64], &exp, 7).iter().all(|share| (0..=127).contains(share)));
    }
}
