//! N:M sparsity: of every M weights along the input channels of a tap, the N largest stay and the others are 0 (Mishra et al.,
//! 2021, for 2:4). What is left behind the last M of a tap keeps N too, or all if it has no more.
//!
//! Where the second moments A of the inputs are known, the weights that stay make up for those that go: of all weights v on
//! the places that stay, the ones with the least (w - v)ᵀ A (w - v), found coordinate by coordinate, each in closed form.

use std::fmt;
use std::str::FromStr;

use crate::float::FloatNetwork;
use crate::network::Operation;

/// How many of how many neighbouring weights stay.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Sparsity {
    kept: usize,
    of: usize,
}

/// Most neighbours.
const MOST: usize = 16;
/// Sweeps over the weights of a row: errors fall by less than a thousandth in later ones.
const SWEEPS: usize = 32;
/// Added to the diagonal of the moments, as a part of its mean.
const RIDGE: f64 = 0.1;

impl FromStr for Sparsity {
    type Err = String;

    fn from_str(text: &str) -> Result<Sparsity, String> {
        let numbers = text.split_once(':').and_then(|(n, m)| Some((n.parse().ok()?, m.parse().ok()?)));
        match numbers {
            Some((kept, of)) if 1 <= kept && kept < of && of <= MOST => Ok(Sparsity { kept, of }),
            _ => Err(format!(
                "sparsity is N:M, N of every M weights stay, with 1 <= N < M <= {MOST}, such as 2:4; found {text}"
            )),
        }
    }
}

impl fmt::Display for Sparsity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.kept, self.of)
    }
}

impl Sparsity {
    /// Which weights stay, of rows of taps of `channels`: the first of equal ones.
    pub fn mask(self, weights: &[f32], channels: usize) -> Vec<bool> {
        weights
            .chunks(channels.max(1))
            .flat_map(|tap| tap.chunks(self.of))
            .flat_map(|few| self.of_few(few))
            .collect()
    }

    /// The network with 0 for the weights of convolutions and fully connected layers that go.
    pub(super) fn without_small_weights(self, network: &FloatNetwork) -> FloatNetwork {
        let mut sparse = network.clone();
        for (index, layer) in network.graph().layers().iter().enumerate() {
            let channels = match layer.operation {
                Operation::Convolution { groups, .. } => network.graph().input_shape(layer).channels / groups,
                Operation::FullyConnected { .. } => network.graph().input_shape(layer).channels,
                _ => continue,
            };
            let weights = &mut sparse.layer_mut(index).weights;
            let stay = self.mask(weights, channels);
            weights.iter_mut().zip(stay).filter(|(_, stays)| !stays).for_each(|(weight, _)| *weight = 0.0);
        }
        sparse
    }

    fn of_few(self, few: &[f32]) -> Vec<bool> {
        let mut places: Vec<usize> = (0..few.len()).collect();
        places.sort_by(|&a, &b| few[b].abs().total_cmp(&few[a].abs()));
        let mut stay = vec![false; few.len()];
        places.iter().take(self.kept).for_each(|&place| stay[place] = true);
        stay
    }
}

/// Moves the weights of a row that stay so that they make up for the others, which become 0.
pub(super) fn compensate(row: &mut [f32], stay: &[bool], moments: &[f64]) {
    let count = row.len();
    let wanted: Vec<f64> = row.iter().map(|&weight| weight.into()).collect();
    let mut kept: Vec<f64> =
        wanted.iter().zip(stay).map(|(&w, &stays)| if stays { w } else { 0.0 }).collect();
    let diagonal: f64 = (0..count).map(|at| moments[at * (count + 1)]).sum();
    let ridge = RIDGE * diagonal / count as f64;
    for _ in 0..SWEEPS {
        for at in (0..count).filter(|&at| stay[at]) {
            let along: f64 = (0..count).map(|k| moments[at * count + k] * (wanted[k] - kept[k])).sum();
            let square = moments[at * (count + 1)] + ridge;
            if square > 0.0 {
                kept[at] += (along + ridge * (wanted[at] - kept[at])) / square;
            }
        }
    }
    row.iter_mut().zip(kept).for_each(|(weight, value)| *weight = value as f32);
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sparsity(text: &str) -> Sparsity {
        text.parse().unwrap()
    }

    #[test]
    fn exactly_so_many_stay_the_largest_ones() {
        let weights: Vec<f32> = (0..172 * 3).map(|at| ((at * 61 % 127) as f32 - 63.0) / 10.0).collect();
        for (text, kept, of) in [("2:4", 2, 4), ("3:4", 3, 4), ("1:2", 1, 2)] {
            let mask = sparsity(text).mask(&weights, 172);
            for (few, stay) in weights.chunks(of).zip(mask.chunks(of)) {
                assert_eq!(stay.iter().filter(|stays| **stays).count(), kept, "{text}");
                let of = |wanted: bool| {
                    few.iter().zip(stay).filter(move |(_, s)| **s == wanted).map(|(w, _)| w.abs())
                };
                assert!(of(true).fold(f32::MAX, f32::min) >= of(false).fold(0.0, f32::max), "{few:?}");
            }
        }
        assert_eq!(sparsity("2:4").mask(&[1.0; 4], 4), [true, true, false, false]);
        // Taps of six channels: four and two; taps of one channel stay whole.
        let stay = sparsity("2:4").mask(&[1.0, 2.0, 3.0, 4.0, 5.0, 6.0], 6);
        assert_eq!(stay, [false, false, true, true, true, true]);
        assert_eq!(sparsity("2:4").mask(&[0.0, 1.0, 0.0], 1), [true; 3]);
    }

    #[test]
    fn what_stays_makes_up_for_what_goes() {
        // The second channel is nearly the first: its weight goes to it.
        let moments = [1.0, 0.95, 0.0, 0.95, 1.0, 0.0, 0.0, 0.0, 1.0];
        let mut row = [1.0, 0.5, 2.0];
        compensate(&mut row, &[true, false, true], &moments);
        // 1.475, but for the ridge.
        assert!((row[0] - 1.475).abs() < 0.05 && row[1] == 0.0 && (row[2] - 2.0).abs() < 1e-6, "{row:?}");
        let mut dead = [1.0, 0.5];
        compensate(&mut dead, &[true, false], &[0.0; 4]);
        assert_eq!(dead, [1.0, 0.0]);
    }

    #[test]
    fn other_patterns_are_refused() {
        for text in ["4:4", "0:4", "2/4", "2:17", "dense", "-1:4"] {
            let error = text.parse::<Sparsity>().unwrap_err();
            assert!(error.contains("such as 2:4") && error.contains(text), "{error}");
        }
        assert_eq!(sparsity("3:4").to_string(), "3:4");
    }
}
