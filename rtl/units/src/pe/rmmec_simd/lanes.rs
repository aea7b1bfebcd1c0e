//! The modes: how each divides the 16-bit words into lanes, and where its products stand in the quire.
//!
//! A product of significands has its last bit at [`LaneWidth::position`] of its segment of the quire, and is
//! moved down by the sum of the operands' *distances*: how far each exponent lies below the mode's base. So
//! the last bit of a segment weighs 2^(base of activations + base of weights − position).

use bitmill_formats::{Format, Scalar};

use crate::UnitError;

/// Bits of an operand word.
pub(super) const WORD_BITS: u32 = 16;
/// Bits of the quire, all lanes' segments together.
pub(super) const QUIRE_BITS: u32 = 128;
/// Bits of a segment of the narrowest lanes.
pub(super) const SEGMENT_BITS: u32 = 32;

/// How a word is divided.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum LaneWidth {
    /// Four lanes of 4 bits.
    Four,
    /// Two lanes of 8 bits.
    Eight,
    /// One lane of 16 bits.
    Sixteen,
}

impl LaneWidth {
    /// Lanes of a word.
    pub fn lanes(self) -> u32 {
        match self {
            LaneWidth::Four => 4,
            LaneWidth::Eight => 2,
            LaneWidth::Sixteen => 1,
        }
    }

    /// Bits of a lane.
    pub fn bits(self) -> u32 {
        WORD_BITS / self.lanes()
    }

    /// Bits of a lane's segment of the quire.
    pub fn segment_bits(self) -> u32 {
        QUIRE_BITS / self.lanes()
    }

    /// Place of a product's last bit in its segment before it is moved down.
    pub(super) fn position(self) -> u32 {
        match self {
            LaneWidth::Four => 22,
            LaneWidth::Eight => 28,
            LaneWidth::Sixteen => 94,
        }
    }
}

/// A mode.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) struct LaneMode {
    /// Name of the format of both operands.
    pub name: &'static str,
    /// Code on `mode_i`: the lane width in the upper two bits (one of them for each wider width).
    pub code: u32,
    /// Division of the words.
    pub width: LaneWidth,
    /// Distances count down from these exponents of an activation's and a weight's last bit. They are chosen
    /// so that a distance is the complement of an exponent field, and no adder is needed for the bias.
    pub base: [i32; 2],
}

/// Every mode there is, by ascending code.
pub(super) const MODES: [LaneMode; 9] = [
    LaneMode { name: "fp4_e2m1", code: 0b0000, width: LaneWidth::Four, base: [9, 9] },
    LaneMode { name: "posit4_1", code: 0b0001, width: LaneWidth::Four, base: [7, 7] },
    LaneMode { name: "int4", code: 0b0010, width: LaneWidth::Four, base: [11, 11] },
    LaneMode { name: "fp8_e4m3", code: 0b0100, width: LaneWidth::Eight, base: [5, 5] },
    LaneMode { name: "posit8_0", code: 0b0101, width: LaneWidth::Eight, base: [2, 2] },
    LaneMode { name: "int8", code: 0b0110, width: LaneWidth::Eight, base: [14, 14] },
    // The quire has 2^-44 as its last place here: the range of bf16 is centred a little above 1.
    LaneMode { name: "bf16", code: 0b1000, width: LaneWidth::Sixteen, base: [121, -71] },
    LaneMode { name: "posit16_1", code: 0b1001, width: LaneWidth::Sixteen, base: [19, 19] },
    LaneMode { name: "int16", code: 0b1010, width: LaneWidth::Sixteen, base: [47, 47] },
];

impl LaneMode {
    /// The mode called `name`.
    ///
    /// # Errors
    /// No mode of that name.
    pub fn find(name: &str) -> Result<LaneMode, UnitError> {
        MODES.into_iter().find(|mode| mode.name == name).ok_or_else(|| {
            let legal = MODES.map(|mode| mode.name).join(", ");
            UnitError::illegal("modes", name, format!("legal are {legal}, or several of them between commas"))
        })
    }

    /// The format of both operands.
    pub fn format(&self) -> Scalar {
        self.name.parse().expect("the table names formats that exist")
    }

    /// The weight of a segment's last bit, as a power of two.
    pub fn lsb_exponent(&self) -> i32 {
        self.base[0] + self.base[1] - self.width.position() as i32
    }

    /// The mode as the array knows it.
    pub fn declared(&self) -> super::Mode {
        let format = Format::Scalar(self.format());
        super::Mode {
            code: self.code,
            activation: format.clone(),
            weight: format,
            lanes: self.width.lanes(),
            interval_cycles: 1,
            lsb_exponent: self.lsb_exponent(),
        }
    }
}
