//! Salient channels (after PTQ1.61, known by its abstract): the input channels with the largest activations keep more bits,
//! the rest has few, down to one. The mask has one bit an input channel, the same for all outputs, so that hardware reads two
//! matrices of whole columns. Both have a scale for each output.

use crate::quantized::WeightFormat;

/// Which part of the input channels keeps which format.
#[derive(Debug, Clone, PartialEq)]
pub struct Salient {
    /// Percent of the input channels that are salient, above 0 and below 100.
    pub percent: f64,
    /// Format of their weights.
    pub format: WeightFormat,
}

impl Salient {
    /// In words, what is wrong with the setting.
    pub(super) fn check(&self) -> Result<(), String> {
        let is_legal = self.percent > 0.0 && self.percent < 100.0;
        is_legal.then_some(()).ok_or_else(|| {
            format!("salient channels are more than 0 and less than 100 percent, found {}", self.percent)
        })
    }

    /// Which channels are salient, from the second moments of the inputs: those with the largest mean squares, the first of
    /// equal ones, at least one and at most all but one.
    pub(super) fn mask(&self, moments: &[f64], channels: usize) -> Vec<bool> {
        let count = (channels as f64 * self.percent / 100.0).round() as usize;
        let mut order: Vec<usize> = (0..channels).collect();
        let square = |channel: usize| moments[channel * (channels + 1)];
        order.sort_by(|&a, &b| square(b).total_cmp(&square(a)));
        let mut mask = vec![false; channels];
        order.iter().take(count.clamp(1, channels.max(2) - 1)).for_each(|&channel| mask[channel] = true);
        mask
    }
}

/// Weights of rows of any number of taps, the channels of each of the two parts rounded by themselves: `round` has the weights
/// of a part, how many channels it has, and whether it is the salient one.
pub(super) fn rounded(
    weights: &[f32],
    mask: &[bool],
    round: impl Fn(&[f32], usize, bool) -> Result<Vec<f32>, String>,
) -> Result<Vec<f32>, String> {
    let channels = mask.len();
    let mut whole = weights.to_vec();
    for is_salient in [true, false] {
        let places = || (0..weights.len()).filter(|place| mask[place % channels] == is_salient);
        let part: Vec<f32> = places().map(|place| weights[place]).collect();
        if part.is_empty() {
            continue;
        }
        let width = mask.iter().filter(|salient| **salient == is_salient).count();
        places().zip(round(&part, width, is_salient)?).for_each(|(place, value)| whole[place] = value);
    }
    Ok(whole)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_largest_inputs_keep_their_weights() {
        let salient = |percent| Salient { percent, format: WeightFormat::signed(4).unwrap() };
        let diagonal = |squares: [f64; 5]| -> Vec<f64> {
            (0..25).map(|at| if at % 6 == 0 { squares[at / 6] } else { 9.0 }).collect()
        };
        let moments = diagonal([1.0, 4.0, 0.5, 4.0, 2.0]);
        assert_eq!(salient(40.0).mask(&moments, 5), [false, true, false, true, false]);
        assert_eq!(salient(0.1).mask(&moments, 5), [false, true, false, false, false]);
        assert_eq!(salient(99.0).mask(&moments, 5), [true, true, false, true, true]);
        for percent in [0.0, 100.0, f64::NAN] {
            assert!(salient(percent).check().unwrap_err().contains("less than 100 percent"));
        }
        // Two rows of two channels: each part is rounded by itself.
        let by_part = |part: &[f32], width: usize, is_salient: bool| {
            assert_eq!((width, part.len()), (1, 2));
            Ok(part.iter().map(|weight| if is_salient { *weight } else { weight.signum() }).collect())
        };
        assert_eq!(rounded(&[0.5, 3.5, -0.5, 2.5], &[false, true], by_part), Ok(vec![1.0, 3.5, -1.0, 2.5]));
    }
}
