//! Parameters of the sampler, and the sizes that follow from them.

use bitmill_formats::deformable::{
    Bound, Interpolation, MOST_FRACTION_BITS, Offsets, Sampling, TAPS, WIDEST_BOUND,
};
use bitmill_hdl::bits_for;

use super::elements;
use crate::{Legal, Parameter, Settings, UnitError};

/// Bits of an activation.
pub const ACTIVATION_BITS: u32 = 8;
/// Bits of an offset as it comes in, signed.
pub const OFFSET_BITS: u32 = 16;
/// Bits of the count of saturated offsets.
pub const COUNT_BITS: u32 = 32;

/// Parameters of every sampler.
pub(super) const COMMON: [Parameter; 7] = [
    Parameter {
        name: "offsets",
        default: "square",
        help: "per_tap (18 values a pixel) or square (one)",
        legal: Legal::OneOf(&["per_tap", "square"]),
    },
    Parameter {
        name: "interpolation",
        default: "bilinear",
        help: "bilinear, or rounded to the nearest pixel",
        legal: Legal::OneOf(&["bilinear", "rounded"]),
    },
    Parameter {
        name: "fraction_bits",
        default: "4",
        help: "bits of an offset behind the point, 0 to 8",
        legal: Legal::Numbers(0, MOST_FRACTION_BITS),
    },
    Parameter {
        name: "mask_bits",
        default: "0",
        help: "bits of the modulation behind the point, 0 (none) to 8",
        legal: Legal::Numbers(0, 8),
    },
    Parameter {
        name: "lanes",
        default: "4",
        help: "channels a word, 1 to 128",
        legal: Legal::Numbers(1, 128),
    },
    Parameter {
        name: "longest_side",
        default: "64",
        help: "rows or columns of the largest image: a power of 2 from the bank columns to 1024",
        legal: Legal::OneOf(&["2", "4", "8", "16", "32", "64", "128", "256", "512", "1024"]),
    },
    Parameter {
        name: "most_words",
        default: "16",
        help: "words of a pixel, its channels by the lanes: a power of 2 up to 128",
        legal: Legal::OneOf(&["1", "2", "4", "8", "16", "32", "64", "128"]),
    },
];

/// Parameters of the bound and of the banks.
const BOUNDED: [Parameter; 5] = [
    Parameter {
        name: "lowest",
        default: "0",
        help: "offsets saturate at minus so many pixels, 0 to 31",
        legal: Legal::Numbers(0, WIDEST_BOUND as u32),
    },
    Parameter {
        name: "highest",
        default: "7",
        help: "offsets saturate at so many pixels, 0 to 31",
        legal: Legal::Numbers(0, WIDEST_BOUND as u32),
    },
    Parameter {
        name: "taps_at_once",
        default: "9",
        help: "taps gathered in a step: 1, 3 or 9",
        legal: Legal::OneOf(&["1", "3", "9"]),
    },
    Parameter {
        name: "bank_rows",
        default: "4",
        help: "rows of the image that lie in banks of their own: 1, 2, 4, 8 or 16",
        legal: Legal::OneOf(&["1", "2", "4", "8", "16"]),
    },
    Parameter {
        name: "bank_columns",
        default: "4",
        help: "columns of the image that lie in banks of their own: 1, 2, 4, 8 or 16",
        legal: Legal::OneOf(&["1", "2", "4", "8", "16"]),
    },
];

/// The sampler's parameters.
pub const PARAMETERS: [Parameter; 12] = elements::joined(&COMMON, &BOUNDED);

/// A sampler's parameters, checked.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct Shape {
    /// How taps look and read.
    pub sampling: Sampling,
    /// Channels a word.
    pub lanes: u32,
    /// Taps gathered in a step: 1, 3 or 9.
    pub taps_at_once: u32,
    /// Rows and columns that lie in banks of their own, powers of 2.
    pub banks: [u32; 2],
    /// Rows or columns of the largest image, a power of 2.
    pub longest_side: u32,
    /// Words of a pixel, a power of 2.
    pub most_words: u32,
}

impl Shape {
    /// The shape that `settings` of [`PARAMETERS`] describe.
    ///
    /// # Errors
    /// A value outside what the parameters' help states.
    pub fn from_settings(settings: &Settings) -> Result<Shape, UnitError> {
        let [lowest, highest] =
            [settings.number("lowest", 0..=31)? as i32, settings.number("highest", 0..=31)? as i32];
        let bound =
            Bound::new(-lowest, highest).map_err(|legal| UnitError::illegal("highest", highest, legal))?;
        let taps_at_once = settings.choice("taps_at_once", &[("1", 1), ("3", 3), ("9", 9)])?;
        let banks = [power_of_two(settings, "bank_rows", 16)?, power_of_two(settings, "bank_columns", 16)?];
        Shape::common(settings, bound, taps_at_once, banks)
    }

    /// The shape that `settings` of [`COMMON`] describe, and what else it has.
    pub(super) fn common(
        settings: &Settings,
        bound: Bound,
        taps_at_once: u32,
        banks: [u32; 2],
    ) -> Result<Shape, UnitError> {
        let mask_bits = settings.number("mask_bits", 0..=8)?;
        let interpolations = [("bilinear", Interpolation::Bilinear), ("rounded", Interpolation::Rounded)];
        let sampling = Sampling {
            offsets: settings
                .choice("offsets", &[("per_tap", Offsets::PerTap), ("square", Offsets::Square)])?,
            interpolation: settings.choice("interpolation", &interpolations)?,
            fraction_bits: settings.number("fraction_bits", 0..=MOST_FRACTION_BITS)?,
            bound,
            mask_bits: (mask_bits > 0).then_some(mask_bits),
        };
        let shape = Shape {
            sampling,
            lanes: settings.number("lanes", 1..=128)?,
            taps_at_once,
            banks,
            longest_side: power_of_two(settings, "longest_side", 1024)?,
            most_words: power_of_two(settings, "most_words", 128)?,
        };
        if shape.longest_side < shape.banks[1].max(2) {
            let legal = format!("powers of 2 from {} to 1024 are legal", shape.banks[1].max(2));
            return Err(UnitError::illegal("longest_side", shape.longest_side, legal));
        }
        Ok(shape)
    }

    /// Rows of the line buffer, a power of 2.
    ///
    /// While the taps of row y look from `y − above` to `y + below`, row `y + below + 1` is written: that is
    /// `above + below + 2` rows. With square offsets up to N it is 2N + 2, with offsets a tap from −N to N 2N + 4.
    /// One fewer, and a row may be overwritten while it is looked at, or the image waits for the taps.
    pub fn rows(&self) -> u32 {
        let [above, below] = self.sampling.reach();
        (above + below + 2).next_power_of_two().max(self.banks[0])
    }

    /// Whether a tap reads four pixels.
    pub fn interpolates(&self) -> bool {
        self.point_bits() > 0
    }

    /// Bits of a position behind the point, once offsets are rounded where they shall be.
    pub fn point_bits(&self) -> u32 {
        self.sampling.weight_bits() / 2
    }

    /// Pixels that a tap reads.
    pub fn corners(&self) -> u32 {
        if self.interpolates() { 4 } else { 1 }
    }

    /// Pixels that a step reads.
    pub fn requests(&self) -> u32 {
        self.taps_at_once * self.corners()
    }

    /// Steps in which the taps of a word are gathered.
    pub fn groups(&self) -> u32 {
        TAPS as u32 / self.taps_at_once
    }

    /// Bits of a row or column.
    pub fn side_bits(&self) -> u32 {
        bits_for(u64::from(self.longest_side) - 1)
    }

    /// Bits of a word's number; at least one, for a port.
    pub fn word_bits(&self) -> u32 {
        bits_for(u64::from(self.most_words) - 1)
    }

    /// Bits of an offset once it is saturated and rounded, signed.
    pub fn held_offset_bits(&self) -> u32 {
        match self.sampling.bound {
            Bound::NONE => OFFSET_BITS,
            _ => bits_for(WIDEST_BOUND as u64) + 1 + self.point_bits(),
        }
    }

    /// Bits of a word of activations.
    pub fn data_bits(&self) -> u32 {
        self.lanes * ACTIVATION_BITS
    }

    /// Bits of the offsets of a pixel.
    pub fn offsets_bits(&self) -> u32 {
        self.sampling.offsets.values() as u32 * OFFSET_BITS
    }

    /// Bits of a tap's mask, if there is modulation: 1 needs one more than the fraction.
    pub fn mask_width(&self) -> Option<u32> {
        self.sampling.mask_bits.map(|bits| bits + 1)
    }

    /// The bank of a pixel inside the image.
    pub fn bank(&self, pixel: [u32; 2]) -> u32 {
        pixel[0] % self.banks[0] * self.banks[1] + pixel[1] % self.banks[1]
    }

    /// What tells modules of different shapes apart.
    pub fn name(&self) -> String {
        let Sampling { offsets, interpolation, fraction_bits, bound, mask_bits } = self.sampling;
        let offsets = match offsets {
            Offsets::PerTap => "tap",
            Offsets::Square => "square",
        };
        let interpolation = match interpolation {
            Interpolation::Bilinear => "bilinear",
            Interpolation::Rounded => "rounded",
        };
        let bound = match bound {
            Bound::NONE => "any".to_owned(),
            _ => bound.to_string().replace(" to ", "_").replace('-', "m"),
        };
        let [rows, columns] = self.banks;
        format!(
            "{offsets}_{interpolation}_f{fraction_bits}_{bound}_m{}_l{}_t{}_b{rows}x{columns}_s{}_w{}",
            mask_bits.unwrap_or(0),
            self.lanes,
            self.taps_at_once,
            self.longest_side,
            self.most_words
        )
    }
}

pub(super) fn power_of_two(settings: &Settings, name: &'static str, most: u32) -> Result<u32, UnitError> {
    let number = settings.number(name, 1..=most)?;
    if number.is_power_of_two() {
        return Ok(number);
    }
    Err(UnitError::illegal(name, number, format!("powers of 2 up to {most} are legal")))
}
