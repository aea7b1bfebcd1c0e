//! Agreement with third-party libraries: every code and every pair of codes for formats of at most 8 bits,
//! corner values and 100 000 random pairs for wider ones.

mod apfloat;
#[path = "../common/mod.rs"]
mod common;
mod half_crate;
mod microfloat_crate;
mod posit;
mod python;

use bitmill_formats::{Family, Rounding, Scalar, Value, arithmetic};

/// What another library says about one format. Codes are in our layout.
pub struct Oracle<'a> {
    /// Our name of the format.
    pub format: &'a str,
    /// Our rounding that corresponds to the library's.
    pub rounding: Rounding,
    /// Exact results on which the library is known to differ, with the reason where it is given.
    pub differs: &'a dyn Fn(f64) -> bool,
    /// Encodes a real number.
    pub encode: &'a dyn Fn(f64) -> u32,
    /// Decodes a code.
    pub decode: &'a dyn Fn(u32) -> f64,
    /// Adds two codes.
    pub add: &'a dyn Fn(u32, u32) -> u32,
    /// Multiplies two codes.
    pub multiply: &'a dyn Fn(u32, u32) -> u32,
}

const RANDOM_PAIRS: u64 = 100_000;

impl Oracle<'_> {
    /// Compares decoding, encoding, addition and multiplication.
    pub fn check(&self) {
        let format: Scalar = self.format.parse().expect("a legal name");
        let compare = |ours: u32, theirs: u32, exact: Value, what: &dyn Fn() -> String| {
            let both_nan = format.decode(ours).is_nan() && format.decode(theirs).is_nan();
            let agreed = ours == theirs || both_nan || (self.differs)(exact.to_f64());
            assert!(agreed, "{} {}: {ours:#x}, not {theirs:#x}", format, what());
        };
        for code in codes(&format) {
            let (ours, theirs) = (format.decode(code), Value::from_f64((self.decode)(code)));
            assert_eq!(ours, theirs, "{format} decodes {code:#x}");
        }
        for real in reals(&format) {
            let what = || format!("encodes {real:e} ({:#x})", real.to_bits());
            let exact = Value::from_f64(real);
            compare(format.encode(&exact, self.rounding), (self.encode)(real), exact, &what);
        }
        for (a, b) in pairs(&format) {
            let (x, y) = (format.decode(a), format.decode(b));
            let sum = arithmetic::add(&format, a, b, self.rounding);
            compare(sum, (self.add)(a, b), x.add(y), &|| format!("{a:#x} + {b:#x}"));
            let product = arithmetic::multiply(&format, a, b, self.rounding);
            compare(product, (self.multiply)(a, b), x.multiply(y), &|| format!("{a:#x} * {b:#x}"));
        }
    }
}

/// Every code up to 16 bits; random ones above.
fn codes(format: &Scalar) -> Vec<u32> {
    let largest = format.largest_code();
    if format.bits() <= 16 {
        return (0..=largest).collect();
    }
    (0..RANDOM_PAIRS).map(|i| Rounding::draw(3, i) as u32 & largest).collect()
}

/// All pairs up to 8 bits. Above: the codes next to every power of two and both ends, all pairs of them, and
/// random pairs, a third of them close together so that sums cancel.
pub fn pairs(format: &Scalar) -> Vec<(u32, u32)> {
    let largest = format.largest_code();
    if format.bits() <= 8 {
        return (0..=largest).flat_map(|a| (0..=largest).map(move |b| (a, b))).collect();
    }
    let corners = (0..format.bits())
        .flat_map(|bit| [1u32 << bit, (1 << bit) - 1, (1 << bit) + 1, largest - (1 << bit)]);
    let corners: Vec<u32> = corners.map(|code| code & largest).collect();
    let mut pairs: Vec<(u32, u32)> =
        corners.iter().flat_map(|a| corners.iter().map(move |b| (*a, *b))).collect();
    pairs.extend((0..RANDOM_PAIRS).map(|i| {
        let draw = Rounding::draw(1, i);
        let (a, b) = (draw as u32, (draw >> 32) as u32);
        let near = a ^ (1 << (format.bits() - 1)) ^ (b & 0x1ff);
        (a & largest, if i % 3 == 0 { near } else { b } & largest)
    }));
    pairs
}

/// Real numbers to encode: for formats up to 8 bits every bfloat16 and both of its `f32` neighbours (so
/// every value and every tie of the format, exactly and one last place off); above, random `f32` of all
/// magnitudes and the ties between random neighbours.
fn reals(format: &Scalar) -> Vec<f64> {
    if format.bits() <= 8 {
        let neighbours =
            |top: u32| [top << 16, (top << 16) + 1, (top << 16).wrapping_sub(1), top << 16 | 0x8000];
        return (0..1 << 16).flat_map(neighbours).map(|bits| f64::from(f32::from_bits(bits))).collect();
    }
    let random = (0..RANDOM_PAIRS).map(|i| f64::from(f32::from_bits(Rounding::draw(2, i) as u32)));
    let ties = (0..RANDOM_PAIRS).flat_map(|i| {
        let code = Rounding::draw(4, i) as u32 & (format.largest_code() >> 1);
        let (below, above) = (format.decode(code).to_f64(), format.decode(code + 1).to_f64());
        let tie = below + (above - below) / 2.0;
        // The neighbours of a tie in `f32` where the format is narrower than that: `half` reads no further.
        let narrow = (tie as f32).next_up().into();
        [tie, if format.bits() <= 16 { narrow } else { tie.next_up() }, -tie, -narrow]
    });
    random
        .chain(ties)
        .chain([0.0, -0.0, f64::NAN, f64::INFINITY, f64::NEG_INFINITY, 1e300, -1e-300])
        .collect()
}
