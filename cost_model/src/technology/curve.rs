//! Measured costs of one operator at several widths, and what lies between.

use std::ops::{Add, Mul, Sub};

use serde::Deserialize;

/// What a combinational circuit costs.
#[derive(Clone, Copy, PartialEq, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Figures {
    /// Area in µm².
    pub area_um2: f64,
    /// Longest path in ns.
    pub delay_ns: f64,
    /// Energy of a cycle with random operands, in pJ.
    pub energy_pj: f64,
    /// Leakage in nW.
    pub leakage_nw: f64,
}

impl Figures {
    /// Each figure through `f`.
    fn zip(self, other: Figures, f: impl Fn(f64, f64) -> f64) -> Figures {
        Figures {
            area_um2: f(self.area_um2, other.area_um2),
            delay_ns: f(self.delay_ns, other.delay_ns),
            energy_pj: f(self.energy_pj, other.energy_pj),
            leakage_nw: f(self.leakage_nw, other.leakage_nw),
        }
    }

    /// `count` such circuits side by side: all but the delay grow.
    pub fn beside(self, count: f64) -> Figures {
        Figures { delay_ns: self.delay_ns, ..self * count }
    }

    /// The same circuit, or nothing where a figure would be negative.
    pub(crate) fn at_least_zero(self) -> Figures {
        self.zip(Figures::default(), f64::max)
    }
}

/// One circuit after the other: delays add up as well.
impl Add for Figures {
    type Output = Figures;
    fn add(self, other: Figures) -> Figures {
        self.zip(other, |a, b| a + b)
    }
}

impl Sub for Figures {
    type Output = Figures;
    fn sub(self, other: Figures) -> Figures {
        self.zip(other, |a, b| a - b)
    }
}

impl Mul<f64> for Figures {
    type Output = Figures;
    fn mul(self, factor: f64) -> Figures {
        self.zip(self, |a, _| a * factor)
    }
}

/// An operator's cost at several widths, in columns.
#[derive(Clone, PartialEq, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Curve {
    bits: Vec<f64>,
    area_um2: Vec<f64>,
    delay_ns: Vec<f64>,
    energy_pj: Vec<f64>,
    leakage_nw: Vec<f64>,
}

impl Curve {
    pub(crate) fn check(&self) -> Result<(), String> {
        let columns = [&self.area_um2, &self.delay_ns, &self.energy_pj, &self.leakage_nw];
        check_columns(self.bits.len(), &columns)?;
        if self.bits[0] <= 0.0 || !self.bits.is_sorted_by(|a, b| a < b) {
            return Err("bits must rise from a positive width".to_owned());
        }
        Ok(())
    }

    /// The cost at a width: interpolated between measured widths; in proportion to the width (delay:
    /// unchanged) below the least; along the last two (delay: never falling) above the greatest.
    pub fn at(&self, bits: f64) -> Figures {
        let last = self.bits.len() - 1;
        if bits <= self.bits[0] {
            let least = self.point(0);
            return Figures { delay_ns: least.delay_ns, ..least * (bits / self.bits[0]) };
        }
        if last == 0 {
            return self.point(0).beside(bits / self.bits[0]);
        }
        let low = self.bits.iter().rposition(|&b| b <= bits).unwrap_or(0).min(last - 1);
        let (a, b) = (self.point(low), self.point(low + 1));
        let place = (bits - self.bits[low]) / (self.bits[low + 1] - self.bits[low]);
        let mut found = a + (b - a) * place;
        if place > 1.0 {
            found.delay_ns = found.delay_ns.max(b.delay_ns);
        }
        found
    }

    fn point(&self, index: usize) -> Figures {
        Figures {
            area_um2: self.area_um2[index],
            delay_ns: self.delay_ns[index],
            energy_pj: self.energy_pj[index],
            leakage_nw: self.leakage_nw[index],
        }
    }
}

/// Columns of `count` numbers that are finite and not negative.
pub(super) fn check_columns(count: usize, columns: &[&Vec<f64>]) -> Result<(), String> {
    if count == 0 {
        return Err("at least one width is needed".to_owned());
    }
    if let Some(column) = columns.iter().find(|column| column.len() != count) {
        return Err(format!("there are {count} widths but {} figures in a column", column.len()));
    }
    match columns.iter().flat_map(|column| column.iter()).find(|v| !v.is_finite() || **v < 0.0) {
        Some(value) => Err(format!("{value} is not a figure; it must be finite and not negative")),
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn curve() -> Curve {
        Curve {
            bits: vec![4.0, 8.0],
            area_um2: vec![10.0, 30.0],
            delay_ns: vec![1.0, 2.0],
            energy_pj: vec![0.5, 1.0],
            leakage_nw: vec![0.0, 0.0],
        }
    }

    #[test]
    fn a_curve_meets_its_points_and_is_straight_between_and_beyond() {
        let cases =
            [(2.0, 5.0, 1.0), (4.0, 10.0, 1.0), (6.0, 20.0, 1.5), (8.0, 30.0, 2.0), (12.0, 50.0, 3.0)];
        for (bits, area_um2, delay_ns) in cases {
            let found = curve().at(bits);
            assert_eq!((found.area_um2, found.delay_ns), (area_um2, delay_ns), "at {bits} bits");
        }
    }

    #[test]
    fn illegal_columns_are_refused() {
        let mut ragged = curve();
        ragged.area_um2.pop();
        assert_eq!(ragged.check().unwrap_err(), "there are 2 widths but 1 figures in a column");
        let mut falling = curve();
        falling.bits.reverse();
        assert_eq!(falling.check().unwrap_err(), "bits must rise from a positive width");
        let mut infinite = curve();
        infinite.energy_pj[0] = f64::INFINITY;
        assert_eq!(infinite.check().unwrap_err(), "inf is not a figure; it must be finite and not negative");
    }
}
