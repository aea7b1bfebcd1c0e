//! Hadamard rotation: channels are mixed in groups of a power of two before they are quantized, so that no weight and no
//! activation of a group stands out (ITQ3_S and TurboQuant rotate so; both are known by their abstracts alone).
//!
//! A matrix reads H·x where it read x, and holds W·H where it held W: H is symmetric and its own inverse, so that nothing changes
//! but for rounding. The rows of H are in Sylvester's order, and it is scaled by 2^(-k/2) for 2^k channels; hardware adds and
//! subtracts integers in k stages and leaves the factor to the scales.

/// A rotation of channels in groups of a power of two. What is left behind the last group is cut in smaller powers: 172
/// channels in groups of 64 are 64, 64, 32, 8 and 4.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Rotation {
    group: usize,
}

impl Rotation {
    /// Most channels of a group.
    pub const MOST: usize = 1 << 12;

    /// For groups of so many channels.
    ///
    /// # Errors
    /// In words, a number that is no power of two from 2 to 4096.
    pub fn new(group: usize) -> Result<Rotation, String> {
        let is_legal = group.is_power_of_two() && (2..=Self::MOST).contains(&group);
        is_legal.then_some(Rotation { group }).ok_or_else(|| {
            format!("a rotation takes groups of a power of two from 2 to {}, found {group}", Self::MOST)
        })
    }

    /// Channels of a group.
    pub fn group(self) -> usize {
        self.group
    }

    /// Rotates the channels of one position. A second time takes the first back.
    pub fn apply(self, channels: &mut [f32]) {
        let mut rest = channels;
        while !rest.is_empty() {
            let length = self.group.min(1 << rest.len().ilog2());
            let (group, behind) = rest.split_at_mut(length);
            walsh_hadamard(group);
            rest = behind;
        }
    }
}

/// The fast Walsh–Hadamard transform in Sylvester's order, scaled so that lengths stay what they are.
///
/// # Panics
/// For a number of values that is no power of two.
pub fn walsh_hadamard(values: &mut [f32]) {
    assert!(values.len().is_power_of_two(), "{} values are no power of two", values.len());
    let mut half = 1;
    while half < values.len() {
        for pair in values.chunks_exact_mut(2 * half) {
            let (low, high) = pair.split_at_mut(half);
            for (a, b) in low.iter_mut().zip(high) {
                (*a, *b) = (*a + *b, *a - *b);
            }
        }
        half *= 2;
    }
    let factor = (values.len() as f32).sqrt().recip();
    values.iter_mut().for_each(|value| *value *= factor);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_are_orthonormal_and_in_order() {
        for size in [1, 2, 8, 64] {
            let columns: Vec<Vec<f32>> = (0..size)
                .map(|at| {
                    let mut unit = vec![0.0; size];
                    unit[at] = 1.0;
                    walsh_hadamard(&mut unit);
                    unit
                })
                .collect();
            for (i, a) in columns.iter().enumerate() {
                for (j, b) in columns.iter().enumerate() {
                    let dot: f32 = a.iter().zip(b).map(|(a, b)| a * b).sum();
                    assert!((dot - f32::from(u8::from(i == j))).abs() < 1e-6, "{size}: {i} {j} {dot}");
                    // Sylvester's: the sign is the parity of the common bits of row and column.
                    let sign = if (i & j).count_ones().is_multiple_of(2) { 1.0 } else { -1.0 };
                    assert_eq!(a[j].signum(), sign, "{size}: {i} {j}");
                }
            }
        }
    }

    #[test]
    fn a_rotation_is_its_own_inverse_for_any_number_of_channels() {
        let rotation = Rotation::new(64).unwrap();
        for channels in [1, 3, 64, 172, 784] {
            let values: Vec<f32> = (0..channels).map(|at| ((at * 37 % 101) as f32 - 50.0) / 8.0).collect();
            let mut twice = values.clone();
            rotation.apply(&mut twice);
            let length = |values: &[f32]| values.iter().map(|value| value * value).sum::<f32>();
            assert!((length(&twice) / length(&values) - 1.0).abs() < 1e-5, "{channels}");
            assert!(channels == 1 || twice != values, "{channels}");
            rotation.apply(&mut twice);
            let far = values.iter().zip(&twice).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max);
            assert!(far < 1e-5, "{channels}: {far}");
        }
    }

    #[test]
    fn what_stands_out_is_spread() {
        let mut outlier = vec![0.0; 16];
        outlier[5] = 8.0;
        Rotation::new(16).unwrap().apply(&mut outlier);
        assert!(outlier.iter().all(|value| value.abs() == 2.0), "{outlier:?}");
    }

    #[test]
    fn other_groups_are_refused() {
        for group in [0, 1, 3, 96, 8192] {
            let error = Rotation::new(group).unwrap_err();
            assert!(
                error.contains("power of two from 2 to 4096") && error.contains(&group.to_string()),
                "{error}"
            );
        }
    }
}
