//! Measured costs of products, by the widths of both operands.

use serde::Deserialize;

use super::curve::{Figures, check_columns};

/// Full-width products; every pair of the widths was measured, the longer operand first.
#[derive(Clone, PartialEq, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ProductTable {
    long_bits: Vec<u32>,
    short_bits: Vec<u32>,
    area_um2: Vec<f64>,
    delay_ns: Vec<f64>,
    energy_pj: Vec<f64>,
    leakage_nw: Vec<f64>,
}

impl ProductTable {
    pub(crate) fn check(&self) -> Result<(), String> {
        let columns = [&self.area_um2, &self.delay_ns, &self.energy_pj, &self.leakage_nw];
        check_columns(self.long_bits.len(), &columns)?;
        if self.short_bits.len() != self.long_bits.len() {
            return Err("long_bits and short_bits must be of one length".to_owned());
        }
        let widths = self.widths();
        if widths.len() < 2 || widths[0] == 0 {
            return Err("at least two widths are needed".to_owned());
        }
        for (index, &long) in widths.iter().enumerate() {
            for &short in &widths[..=index] {
                if self.find(long, short).is_none() {
                    return Err(format!("the product of {long} by {short} bits is missing"));
                }
            }
        }
        Ok(())
    }

    /// The cost of a product of `a` by `b` bits: interpolated in both directions, which is exact for costs
    /// of the form `w + x·a + y·b + z·a·b`, and extrapolated beyond the measured widths.
    pub fn at(&self, a: u32, b: u32) -> Figures {
        let (long, short) = (a.max(b), a.min(b));
        let widths = self.widths();
        let (low_long, place_long) = bracket(&widths, long);
        let (low_short, place_short) = bracket(&widths, short);
        let corner = |i: usize, j: usize| self.symmetric(widths[i], widths[j]);
        let along = |i: usize| {
            let (from, to) = (corner(i, low_short), corner(i, low_short + 1));
            from + (to - from) * place_short
        };
        let (from, to) = (along(low_long), along(low_long + 1));
        (from + (to - from) * place_long).at_least_zero()
    }

    fn widths(&self) -> Vec<u32> {
        let mut widths = self.long_bits.clone();
        widths.sort_unstable();
        widths.dedup();
        widths
    }

    fn symmetric(&self, a: u32, b: u32) -> Figures {
        // `check` found every pair.
        self.find(a.max(b), a.min(b)).unwrap_or_default()
    }

    fn find(&self, long: u32, short: u32) -> Option<Figures> {
        let at = self.long_bits.iter().zip(&self.short_bits).position(|(&l, &s)| l == long && s == short)?;
        Some(Figures {
            area_um2: self.area_um2[at],
            delay_ns: self.delay_ns[at],
            energy_pj: self.energy_pj[at],
            leakage_nw: self.leakage_nw[at],
        })
    }
}

/// The interval of `widths` that `bits` lies in (the first or last beyond them) and the place in it, from 0 to 1.
fn bracket(widths: &[u32], bits: u32) -> (usize, f64) {
    let low = widths.iter().rposition(|&w| w <= bits).unwrap_or(0).min(widths.len() - 2);
    let span = f64::from(widths[low + 1]) - f64::from(widths[low]);
    (low, (f64::from(bits) - f64::from(widths[low])) / span)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Area 3·a·b + 5·(a + b).
    fn table() -> ProductTable {
        let pairs = [(2u32, 2u32), (4, 2), (4, 4), (8, 2), (8, 4), (8, 8)];
        let area = |(a, b): (u32, u32)| f64::from(3 * a * b + 5 * (a + b));
        ProductTable {
            long_bits: pairs.iter().map(|p| p.0).collect(),
            short_bits: pairs.iter().map(|p| p.1).collect(),
            area_um2: pairs.iter().map(|&p| area(p)).collect(),
            delay_ns: vec![1.0; 6],
            energy_pj: vec![1.0; 6],
            leakage_nw: vec![0.0; 6],
        }
    }

    #[test]
    fn products_are_exact_for_bilinear_costs_in_either_order() {
        for (a, b) in [(2, 2), (8, 8), (8, 3), (3, 8), (5, 6), (12, 7), (16, 16)] {
            assert_eq!(table().at(a, b).area_um2, f64::from(3 * a * b + 5 * (a + b)), "{a} by {b}");
        }
    }

    #[test]
    fn a_missing_pair_is_named() {
        let mut table = table();
        table.short_bits[4] = 3;
        assert_eq!(table.check().unwrap_err(), "the product of 8 by 4 bits is missing");
    }
}
