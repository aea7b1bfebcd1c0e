//! Products of significands: radix-4 Booth digits, their partial products added by rows or by a tree.
//!
//! Two bits of the multiplier and the one below make a digit from −2 to 2 (Booth 1951, MacSorley 1961), so there
//! are half as many partial products as bits, and two's complement needs no correction.
//! *Rows* add them one after the other: on an FPGA digit, selection and addition of a bit fit one LUT
//! before the carry chain. A *tree* leaves all of them to the synthesizer's carry-save adders: faster on an ASIC.

use bitmill_hdl::{BigUint, ModuleBuilder, Signal, unsigned};

/// How partial products are added up.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum Reduction {
    /// One after the other, each in a carry chain: smallest, delay grows with the width.
    #[default]
    Rows,
    /// All at once, by the synthesizer: delay grows with the logarithm of the width.
    Tree,
}

/// A digit of the multiplier as signals.
#[derive(Clone, Copy)]
struct Digit<'m> {
    negative: Signal<'m>,
    one: Signal<'m>,
    two: Signal<'m>,
}

/// Up to this width unsigned multipliers are read bit by bit: Booth's digits save rows only in wider ones.
const WIDEST_BITWISE: u32 = 5;

/// a·b at full width, of two signals of one signedness.
pub fn product<'m>(m: &'m ModuleBuilder, a: Signal<'m>, b: Signal<'m>, reduction: Reduction) -> Signal<'m> {
    let width = a.width() + b.width();
    let signed = a.shape().signed;
    if !signed && a.width().min(b.width()) <= WIDEST_BITWISE {
        return if reduction == Reduction::Rows { bitwise_rows(m, a, b) } else { a.mul(b) };
    }
    let multiplicand = a.to_signed();
    let digits = digits(m, b);
    let product = match reduction {
        Reduction::Rows => rows(m, multiplicand, &digits),
        Reduction::Tree => tree(m, multiplicand, &digits, width),
    };
    let product = product.resize(width);
    if signed { product.as_signed() } else { product }
}

/// The digits of the multiplier, lowest first; the highest of an unsigned one is not negative.
fn digits<'m>(m: &'m ModuleBuilder, multiplier: Signal<'m>) -> Vec<Digit<'m>> {
    let multiplier = multiplier.to_signed();
    let width = multiplier.width().next_multiple_of(2);
    let bits = multiplier.extend(width).as_unsigned().bits();
    (0..bits.len())
        .step_by(2)
        .map(|i| {
            let (high, middle) = (bits[i + 1], bits[i]);
            let low = if i == 0 { m.bit(false) } else { bits[i - 1] };
            let two = high.xor(middle).and(middle.xor(low).not());
            Digit { negative: high, one: middle.xor(low), two }
        })
        .collect()
}

impl<'m> Digit<'m> {
    /// |digit| · multiplicand, complemented where `flip` is set; one bit wider than the multiplicand.
    fn select(self, multiplicand: Signal<'m>, flip: Signal<'m>) -> Signal<'m> {
        let width = multiplicand.width() + 1;
        let single = multiplicand.extend(width).as_unsigned();
        let double = multiplicand.shl(1).as_unsigned();
        let choice = single.gate(self.one).or(double.gate(self.two));
        choice.xor(flip.replicate(width))
    }
}

/// Subtracts the negative of each partial product, so that the accumulator comes first: it then feeds the
/// carry chain directly. With ~q for −q − 1, a bit below the last one carries the 1 that is missing.
fn rows<'m>(m: &'m ModuleBuilder, multiplicand: Signal<'m>, digits: &[Digit<'m>]) -> Signal<'m> {
    let width = multiplicand.width() + 2;
    let mut sum = m.lit(width, 0).as_signed();
    let mut done = Vec::new();
    for (index, digit) in digits.iter().enumerate() {
        if index > 0 {
            done.push(sum.slice(0, 2));
            sum = sum.shr(2).extend(width);
        }
        let positive = digit.negative.not();
        let negated = digit.select(multiplicand, positive).as_signed().extend(width).as_unsigned();
        let minuend = m.concat(&[sum.as_unsigned(), m.bit(false)]);
        let row = minuend.sub_wrapping(m.concat(&[negated, positive]));
        sum = row.slice(1, width).as_signed();
    }
    done.push(sum.as_unsigned());
    done.reverse();
    m.concat(&done)
}

/// The schoolbook product of narrow magnitudes: each row adds the multiplicand or nothing.
fn bitwise_rows<'m>(m: &'m ModuleBuilder, a: Signal<'m>, b: Signal<'m>) -> Signal<'m> {
    let (multiplicand, multiplier) = if a.width() >= b.width() { (a, b) } else { (b, a) };
    let mut sum = multiplicand.gate(multiplier.bit(0)).extend(multiplicand.width() + 1);
    let mut done = Vec::new();
    for bit in multiplier.bits().into_iter().skip(1) {
        done.push(sum.bit(0));
        sum = sum.shr(1).add(multiplicand.gate(bit));
    }
    done.push(sum);
    done.reverse();
    m.concat(&done)
}

/// All partial products as one sum. A sign bit s of weight −2^k is written ~s·2^k − 2^k, and the constants of
/// all rows make one.
fn tree<'m>(m: &'m ModuleBuilder, multiplicand: Signal<'m>, digits: &[Digit<'m>], width: u32) -> Signal<'m> {
    let top = multiplicand.width();
    let modulus = BigUint::from(1u8) << width;
    let mut constant = BigUint::ZERO;
    let mut negatives = Vec::new();
    let mut terms = Vec::new();
    for (lsb, digit) in (0u32..).step_by(2).zip(digits) {
        let partial = digit.select(multiplicand, digit.negative);
        let partial = m.concat(&[partial.msb().not(), partial.truncate(top)]);
        terms.push(partial.shl(lsb).resize(width));
        negatives.extend([digit.negative, m.bit(false)]);
        constant = (constant + &modulus - ((BigUint::from(1u8) << (top + lsb)) % &modulus)) % &modulus;
    }
    negatives.reverse();
    terms.push(m.concat(&negatives).resize(width));
    terms.push(m.big_constant(unsigned(width), constant));
    let first = terms[0];
    terms[1..].iter().fold(first, |sum, term| sum.add_wrapping(*term))
}
