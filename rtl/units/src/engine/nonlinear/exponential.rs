//! ShiftExp as a circuit: shifts, a division of a few bits, one shift. Meaning:
//! [`bitmill_formats::nonlinear::ShiftExp`]; latency [`LATENCY_CYCLES`], a value every cycle.
//!
//! With d = |x + ⌊x/2⌋ − ⌊x/16⌋| = q · one + ρ, the exponential is `(2 · one − ρ) · 2^(n − q − 1)` where x ≤ 0 and
//! `(one + ρ) · 2^(n + q)` where x > 0: both of the paper's floors, of a negative by a negative number, in
//! unsigned arithmetic. d is clamped so that q has few bits, each one conditional subtraction.

use std::sync::Arc;

use bitmill_formats::nonlinear::M;
use bitmill_hdl::{HdlError, Module, ModuleBuilder, Signal, bits_for, signed, unsigned};

/// Cycles from input to output.
pub(super) const LATENCY_CYCLES: u32 = 3;

/// Parameters of a ShiftExp.
#[derive(Clone, Copy)]
pub(super) struct Exponential {
    /// Bits of x, signed.
    pub bits: u32,
    /// Bits of `one`.
    pub one_bits: u32,
    /// Largest number of halvings.
    pub n: u32,
    /// Whether x may be positive; the result then saturates at 2^31 − 1.
    pub either_sign: bool,
}

impl Exponential {
    /// Bits of the result.
    pub fn result_bits(&self) -> u32 {
        if self.either_sign { 31 } else { self.one_bits + self.n }
    }

    /// Halvings, or doublings, at which the clamp acts.
    fn most(&self) -> u32 {
        if self.either_sign { self.n.max(31 - self.n) } else { self.n }
    }

    /// The circuit: `enable_i`, `x_i`, `one_i` → `exp_o`.
    pub fn module(&self) -> Result<Arc<Module>, HdlError> {
        let Exponential { bits, one_bits, n, either_sign } = *self;
        let sign = if either_sign { "_signed" } else { "" };
        let m = ModuleBuilder::new(
            format!("bitmill_shift_exp_x{bits}_one{one_bits}_n{n}{sign}"),
            format!(
                "exponential by shifts (I-ViT), in units of scale / 2^{n}.\nLatency {LATENCY_CYCLES} cycles, interval 1."
            ),
        );
        let enable = m.input_with_comment("enable_i", unsigned(1), "time stands still where it is 0");
        let x = m.input("x_i", signed(bits));
        let one = m.input_with_comment("one_i", unsigned(one_bits), "1 / scale, rounded up; held");
        let hold = |name: &str, next: Signal<'_>| {
            let register = m.register(name, next.shape()).without_reset();
            register.set_when(enable, next);
            register.q()
        };

        m.comment("x log2(e) by shifts, its magnitude clamped where the result bottoms out or saturates.");
        let scaled = x.add(x.shr(1)).sub(x.shr(4)).named("scaled");
        let magnitude = if either_sign {
            scaled.msb().mux(scaled.neg(), scaled.extend(scaled.width() + 1))
        } else {
            scaled.neg()
        };
        let magnitude = magnitude.as_unsigned();
        let times_one = |factor: u32| {
            let factor = m.lit(bits_for(factor.into()), factor.into());
            one.mul(factor)
        };
        let wide = magnitude.width().max(one_bits + bits_for(self.most().into()));
        let limit = times_one(n).extend(wide);
        let limit = if either_sign { scaled.msb().mux(limit, times_one(31 - n).extend(wide)) } else { limit };
        let limit = limit.named("limit");
        let magnitude = magnitude.extend(wide).named("magnitude");
        let clamped = magnitude.gt(limit).mux(limit, magnitude);
        let needed = bits_for((u64::from(self.most())) * ((1 << one_bits) - 1));
        let distance_q = hold("distance_q", clamped.truncate(needed.min(wide)));

        m.comment("Whole part and rest of that exponent: a division of few bits.");
        let quotient_bits = bits_for(self.most().into());
        let (mut rest, mut digits) = (distance_q, Vec::new());
        for bit in (0..quotient_bits).rev() {
            let difference = rest.sub(one.shl(bit)).named(&format!("less_{}_ones", 1u32 << bit));
            let fits = difference.msb().not();
            let kept = rest.width().min(one_bits + bit);
            rest = fits.mux(difference.as_unsigned().truncate(kept), rest.truncate(kept));
            digits.push(fits);
        }
        let quotient_q = hold("quotient_q", m.concat(&digits));
        let rest_q = hold("rest_q", rest.resize(one_bits));

        m.comment("2^f is 1 + f/2 for the fraction f; the whole part shifts.");
        let below = one
            .shl(1)
            .sub(rest_q.extend(one_bits + 1))
            .as_unsigned()
            .truncate(one_bits + 1)
            .named("mantissa");
        let halvings = m.lit(quotient_bits, n.into()).sub_wrapping(quotient_q).named("places");
        let shrunk = below.extend(one_bits + n + 1).shift_left(halvings).shr(1).named("shrunk");
        let exp = if either_sign {
            let grows_q = hold("grows_q", hold("positive_q", scaled.msb().not().and(scaled.any())));
            let most = one_bits + 1 + 31;
            let grown = one.add(rest_q).extend(most - n).shift_left(quotient_q).shl(n).named("grown");
            let saturated = grown.slice(31, most - 31).any();
            let largest = m.lit(31, M.into());
            grows_q.mux(saturated.mux(largest, grown.truncate(31)), shrunk.extend(31))
        } else {
            shrunk
        };
        m.output("exp_o", hold("exp_q", exp));
        m.finish()
    }
}
