//! Keys and values of earlier positions in few bits (after KIVI and VidKV): keys by channel, since a channel's keys are alike
//! over positions; values by position.
//!
//! A channel's keys share a range for each [`WINDOW`] positions; they are rounded when the last of these comes, and until then
//! stay real. The values of a position share one for each [`GROUP`] channels, and are rounded at once.
//!
//! Integers of 2 to 8 bits lie between the smallest and the largest value. Binary ones are the mean and, up or down from it, the
//! mean distance. Ternary values are 0 and ± the mean magnitude, which those take that have more than half of it (VidKV's
//! 1.58-bit values).

use std::fmt;
use std::str::FromStr;

/// Positions that a channel's keys share a range for.
pub const WINDOW: usize = 32;
/// Channels that a position's values share a range for.
pub const GROUP: usize = 32;

/// How numbers are kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum KeptFormat {
    /// Two levels.
    Binary,
    /// Three levels.
    Ternary,
    /// As many levels as integers of so many bits, 2 to 8.
    Integer(u8),
}

/// Formats of keys and values.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct KeptFormats {
    /// Of keys.
    pub keys: KeptFormat,
    /// Of values.
    pub values: KeptFormat,
}

impl FromStr for KeptFormat {
    type Err = String;

    fn from_str(text: &str) -> Result<KeptFormat, String> {
        match (text, text.strip_prefix("int").map(str::parse)) {
            ("binary", _) => Ok(KeptFormat::Binary),
            ("ternary", _) => Ok(KeptFormat::Ternary),
            (_, Some(Ok(bits @ 2..=8))) => Ok(KeptFormat::Integer(bits)),
            _ => Err(format!("keys and values are kept as binary, ternary or int2 to int8, found {text}")),
        }
    }
}

impl fmt::Display for KeptFormat {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            KeptFormat::Binary => f.write_str("binary"),
            KeptFormat::Ternary => f.write_str("ternary"),
            KeptFormat::Integer(bits) => write!(f, "int{bits}"),
        }
    }
}

impl KeptFormat {
    /// Rounds numbers that share a range.
    fn round(self, values: &mut [f32]) {
        let count = values.len().max(1) as f32;
        match self {
            KeptFormat::Binary => {
                let mean = values.iter().sum::<f32>() / count;
                let distance = values.iter().map(|value| (value - mean).abs()).sum::<f32>() / count;
                values.iter_mut().for_each(|value| *value = mean + distance.copysign(*value - mean));
            }
            KeptFormat::Ternary => {
                let mean = values.iter().map(|value| value.abs()).sum::<f32>() / count;
                let level = |value: f32| if value.abs() > mean / 2.0 { mean.copysign(value) } else { 0.0 };
                values.iter_mut().for_each(|value| *value = level(*value));
            }
            KeptFormat::Integer(bits) => {
                let least = values.iter().copied().fold(f32::INFINITY, f32::min);
                let most = values.iter().copied().fold(f32::NEG_INFINITY, f32::max);
                let step = (most - least) / ((1u32 << bits) - 1) as f32;
                if step > 0.0 {
                    let round = |value: f32| ((value - least) / step).round_ties_even() * step + least;
                    values.iter_mut().for_each(|value| *value = round(*value));
                }
            }
        }
    }
}

/// What one layer keeps of one sequence.
#[derive(Debug, Clone)]
pub(super) struct Kept {
    /// Channels of a position.
    width: usize,
    formats: Option<KeptFormats>,
    keys: Vec<f32>,
    values: Vec<f32>,
}

impl Kept {
    pub fn new(width: usize, formats: Option<KeptFormats>) -> Kept {
        Kept { width, formats, keys: Vec::new(), values: Vec::new() }
    }

    /// Of all positions so far, as they are worth.
    pub fn keys(&self) -> &[f32] {
        &self.keys
    }

    /// Of all positions so far, as they are worth.
    pub fn values(&self) -> &[f32] {
        &self.values
    }

    /// Keeps those of one more position.
    pub fn push(&mut self, keys: &[f32], values: &[f32]) {
        self.keys.extend(keys);
        let start = self.values.len();
        self.values.extend(values);
        let Some(formats) = self.formats else { return };
        self.values[start..].chunks_mut(GROUP).for_each(|group| formats.values.round(group));
        let positions = self.keys.len() / self.width;
        if !positions.is_multiple_of(WINDOW) {
            return;
        }
        let first = (positions - WINDOW) * self.width;
        for channel in 0..self.width {
            let places = (first + channel..self.keys.len()).step_by(self.width);
            let mut window: Vec<f32> = places.clone().map(|place| self.keys[place]).collect();
            formats.keys.round(&mut window);
            places.zip(window).for_each(|(place, key)| self.keys[place] = key);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rounded(format: &str, values: &[f32]) -> Vec<f32> {
        let mut values = values.to_vec();
        format.parse::<KeptFormat>().unwrap().round(&mut values);
        values
    }

    #[test]
    fn numbers_take_the_levels_of_their_format() {
        let values = [-1.0, 0.25, 2.0, 0.75];
        assert_eq!(rounded("int2", &values), [-1.0, 0.0, 2.0, 1.0]);
        // Mean 0.5, mean distance 0.875.
        assert_eq!(rounded("binary", &values), [-0.375, -0.375, 1.375, 1.375]);
        assert_eq!(rounded("ternary", &values), [-1.0, 0.0, 1.0, 1.0]);
        assert_eq!(rounded("int8", &[0.5; 3]), [0.5; 3]);
        for (value, kept) in values.iter().zip(rounded("int8", &values)) {
            assert!((value - kept).abs() <= 1.5 / 255.0 + 1e-6, "{value} {kept}");
        }
    }

    #[test]
    fn keys_are_rounded_by_channel_and_values_by_position() {
        let formats = KeptFormats { keys: KeptFormat::Binary, values: KeptFormat::Ternary };
        let mut kept = Kept::new(2, Some(formats));
        let key = |position: usize| [position as f32, 10.0 + (position % 2) as f32];
        for position in 0..WINDOW + 3 {
            kept.push(&key(position), &[1.0, 0.1]);
        }
        // The second channel has two levels anyway; the first takes two of its own.
        let half = |at: usize| if at < WINDOW / 2 { 7.5 } else { 23.5 };
        for (position, keys) in kept.keys().chunks(2).enumerate() {
            let first = if position < WINDOW { half(position) } else { key(position)[0] };
            assert_eq!(keys, [first, key(position)[1]], "{position}");
        }
        assert!(kept.values().chunks(2).all(|values| values == [0.55, 0.0]));
    }

    #[test]
    fn other_formats_are_refused() {
        for text in ["int1", "int9", "fp4_e2m1", "uint4"] {
            let error = text.parse::<KeptFormat>().unwrap_err();
            assert!(error.contains("int2 to int8") && error.contains(text), "{error}");
        }
        for text in ["binary", "ternary", "int3"] {
            assert_eq!(text.parse::<KeptFormat>().unwrap().to_string(), text);
        }
    }
}
