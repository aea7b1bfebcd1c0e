//! The modes: how each divides the 16-bit words into lanes, and where its products stand in the shifter.
//!
//! A product of magnitudes has its last bit at [`LaneWidth::position`] of its segment of the shifter, and is
//! moved down by the sum of the operands' *distances*: how far each exponent lies below the mode's base. So
//! the last bit of a segment weighs 2^(base of activations + base of weights − position). [`Layout`] makes
//! multiplier and shifter as small as the modes of a PE allow.

use bitmill_formats::{Format, Scalar};

use crate::UnitError;

/// Bits of an operand word.
pub(super) const WORD_BITS: u32 = 16;
/// Bits of the quire.
pub(super) const QUIRE_BITS: u32 = 128;

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

    /// Place of a product's last bit in its segment before it is moved down: the largest sum of distances, but
    /// for posit16_1, whose products of the smallest numbers end in zeros, and for bf16, which is cut.
    pub(super) fn position(self) -> u32 {
        match self {
            LaneWidth::Four => 16,
            LaneWidth::Eight => 28,
            LaneWidth::Sixteen => 88,
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
    /// Distances count down from these exponents of an activation's and a weight's last bit: the largest there
    /// are, or so far above them that the product ends below the widest one of the lane width.
    pub base: [i32; 2],
}

/// Every mode there is, by ascending code.
pub(super) const MODES: [LaneMode; 9] = [
    LaneMode { name: "fp4_e2m1", code: 0b0000, width: LaneWidth::Four, base: [3, 3] },
    LaneMode { name: "posit4_1", code: 0b0001, width: LaneWidth::Four, base: [4, 4] },
    LaneMode { name: "int4", code: 0b0010, width: LaneWidth::Four, base: [8, 8] },
    LaneMode { name: "fp8_e4m3", code: 0b0100, width: LaneWidth::Eight, base: [5, 5] },
    LaneMode { name: "posit8_0", code: 0b0101, width: LaneWidth::Eight, base: [3, 3] },
    LaneMode { name: "int8", code: 0b0110, width: LaneWidth::Eight, base: [14, 14] },
    // The quire has 2^-44 as its last place here: the range of bf16 is centred a little above 1.
    LaneMode { name: "bf16", code: 0b1000, width: LaneWidth::Sixteen, base: [121, -77] },
    LaneMode { name: "posit16_1", code: 0b1001, width: LaneWidth::Sixteen, base: [16, 16] },
    LaneMode { name: "int16", code: 0b1010, width: LaneWidth::Sixteen, base: [44, 44] },
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

    /// Bits of a significand's magnitude.
    pub fn magnitude_bits(&self) -> u32 {
        match self.format() {
            Scalar::Integer(_) => self.width.bits(),
            Scalar::Posit(posit) => posit.significand_bits(),
            Scalar::Minifloat(minifloat) => minifloat.mantissa_bits() + 1,
            other => unreachable!("the table has no mode of {other}"),
        }
    }

    /// The weight of a segment's last bit, and of the quire's, as a power of two.
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

/// A segment takes all shifts of the first five stages.
const SHORTEST_SEGMENT_BITS: u32 = 17;

/// Where lanes lie in the words of multiplier and shifter: the smallest that hold the modes of a PE.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) struct Layout {
    /// Bits of a word of magnitudes, all lanes together.
    pub word_bits: u32,
    /// Bits of a segment of the shifter for lanes of 4 bits; those of 8 bits have two of them.
    pub segment_bits: u32,
    /// Bits of the shifter: four segments at the top, and below them what only lanes of 16 bits need.
    pub shifter_bits: u32,
    /// Widest product of lanes of 4, 8 and 16 bits; 0 where there is none.
    pub product_bits: [u32; 3],
}

impl Layout {
    /// The layout for these modes.
    pub fn new(modes: &[LaneMode]) -> Layout {
        let widest = |width: LaneWidth| {
            let bits = modes.iter().filter(|mode| mode.width == width).map(LaneMode::magnitude_bits);
            bits.max().unwrap_or(0)
        };
        let widths = [LaneWidth::Four, LaneWidth::Eight, LaneWidth::Sixteen];
        let [four, eight, sixteen] = widths.map(widest);
        let top = |width: LaneWidth, bits: u32| if bits > 0 { width.position() + 2 * bits } else { 0 };
        let segment_bits = top(LaneWidth::Four, four)
            .max(top(LaneWidth::Eight, eight).div_ceil(2))
            .max(SHORTEST_SEGMENT_BITS);
        Layout {
            word_bits: (4 * four).max(2 * eight).max(sixteen),
            segment_bits,
            shifter_bits: top(LaneWidth::Sixteen, sixteen).max(4 * segment_bits),
            product_bits: [four, eight, sixteen].map(|bits| 2 * bits),
        }
    }

    /// First bits of the four quarters of a word of magnitudes, and its end. Lanes of 8 bits have two quarters.
    pub fn quarters(self) -> [u32; 5] {
        let (half, quarter) = (self.word_bits / 2, self.word_bits / 4);
        [0, quarter, half, half + quarter, self.word_bits]
    }

    /// First bit of the lowest segment of the shifter.
    pub fn base(self) -> u32 {
        self.shifter_bits - 4 * self.segment_bits
    }
}
