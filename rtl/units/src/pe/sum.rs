//! What every PE ends with: a sum of signed terms, and the accumulator that `first_i` and `last_i` rule.

use bitmill_formats::Value;
use bitmill_hdl::{ModuleBuilder, Signal, bits_for, signed, unsigned};

/// The control bits of a step.
#[derive(Clone, Copy)]
pub(super) struct Control<'m> {
    pub valid: Signal<'m>,
    pub first: Signal<'m>,
    pub last: Signal<'m>,
}

impl<'m> Control<'m> {
    /// The input ports.
    pub fn inputs(m: &'m ModuleBuilder) -> Control<'m> {
        m.group("Control");
        Control {
            valid: m.input_with_comment("valid_i", unsigned(1), "operands are present"),
            first: m.input_with_comment("first_i", unsigned(1), "start a new sum"),
            last: m.input_with_comment("last_i", unsigned(1), "hand the sum to result_o"),
        }
    }

    /// The same, one clock later.
    pub fn delayed(self, m: &'m ModuleBuilder) -> Control<'m> {
        Control {
            valid: m.delay("valid_q", self.valid),
            first: m.delay_data("first_q", self.first),
            last: m.delay_data("last_q", self.last),
        }
    }

    /// Adds `addend` to an accumulator called `<name>_q`; returns the register of the finished sum.
    pub fn accumulate(self, m: &'m ModuleBuilder, name: &str, addend: Signal<'m>, bits: u32) -> Signal<'m> {
        let (acc, result) = match name {
            "" => ("acc".to_owned(), "result".to_owned()),
            name => (format!("acc_{name}"), format!("result_{name}")),
        };
        let acc_q = m.register(&format!("{acc}_q"), signed(bits)).without_reset();
        let previous = acc_q.q().gate(self.first.not());
        let acc_d = previous.add_wrapping(addend.to_signed().resize(bits)).named(&format!("{acc}_d"));
        acc_q.set_when(self.valid, acc_d);
        let result_q = m.register(&format!("{result}_q"), signed(bits)).without_reset();
        result_q.set_when(self.valid.and(self.last), acc_d);
        result_q.q()
    }
}

/// Σ ±value of signed `(value, negative)` pairs of one width. The trick: −v is the complement of v plus 1,
/// and all those ones enter the tree as one count, so that a negation costs an exclusive or.
pub(super) fn signed_sum<'m>(m: &'m ModuleBuilder, terms: &[(Signal<'m>, Signal<'m>)]) -> Signal<'m> {
    let flipped: Vec<Signal> = terms
        .iter()
        .map(|(value, negative)| value.as_unsigned().xor(negative.replicate(value.width())).as_signed())
        .collect();
    let negatives: Vec<Signal> = terms.iter().map(|(_, negative)| *negative).collect();
    m.sum(&flipped).add(m.sum(&negatives).to_signed()).truncate(signed_sum_bits(terms))
}

/// Bits of [`signed_sum`]: n values of w bits reach −n·2^(w−1) and, negated, n·2^(w−1).
fn signed_sum_bits(terms: &[(Signal, Signal)]) -> u32 {
    let (count, width) = (terms.len() as u64, terms[0].0.width());
    width + bits_for(count)
}

/// The number of bits that are set: unsigned.
pub(super) fn popcount<'m>(m: &'m ModuleBuilder, word: Signal<'m>) -> Signal<'m> {
    m.sum(&word.bits()).truncate(bits_for(word.width().into()))
}

/// A finite value in units of 2^`lsb_exponent`, of which it must be a multiple; special values count as 0.
pub(super) fn fixed_point(value: &Value, lsb_exponent: i32) -> i128 {
    let Some(x) = value.finite() else { return 0 };
    let shift = x.exponent() - lsb_exponent;
    assert!(x.is_zero() || shift >= 0, "{x:?} is no multiple of 2^{lsb_exponent}");
    let magnitude = if x.is_zero() { 0 } else { (x.significand() as i128) << shift };
    if x.is_negative() { -magnitude } else { magnitude }
}

/// `value`, or −`value` modulo 2^width where `negative` is set.
pub(super) fn negate_if<'m>(negative: Signal<'m>, value: Signal<'m>) -> Signal<'m> {
    let flipped = value.as_unsigned().xor(negative.replicate(value.width()));
    flipped.add_wrapping(negative.resize(value.width())).as_signed()
}
