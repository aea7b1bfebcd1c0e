//! Serial divider of unsigned integers: restoring, some quotient bits a cycle.
//!
//! Meaning: `quotient_o = ⌊dividend / divisor⌋` and the remainder. A divisor of 0 gives a quotient of all ones.
//! Timing: `start_i` takes the operands and ends whatever was going on; `done_o` is set for one cycle
//! [`Divider::latency_cycles`] later, and the results stay until the next start. Where `enable_i` is 0, time
//! stands still.

use std::sync::Arc;

use bitmill_hdl::unit::{Model, Random, Unit, Values};
use bitmill_hdl::{BigUint, HdlError, Module, ModuleBuilder, bits_for, unsigned};

use crate::{Entry, Legal, Parameter, UnitError};

/// Catalogue entry.
pub const ENTRY: Entry = Entry {
    name: "divider",
    summary: "serial restoring divider, some quotient bits a cycle",
    parameters: &[
        Parameter {
            name: "dividend_bits",
            default: "31",
            help: "bits of dividend and quotient, 2 to 64",
            legal: Legal::Numbers(2, 64),
        },
        Parameter {
            name: "divisor_bits",
            default: "31",
            help: "bits of divisor and remainder, 1 to 64",
            legal: Legal::Numbers(1, 64),
        },
        Parameter {
            name: "bits_per_cycle",
            default: "1",
            help: "quotient bits a cycle, 1 to 32",
            legal: Legal::Numbers(1, 32),
        },
    ],
    examples: &[
        "",
        "bits_per_cycle=4",
        "dividend_bits=12 divisor_bits=5 bits_per_cycle=12",
        "dividend_bits=42 divisor_bits=26 bits_per_cycle=5",
    ],
    build: |settings| {
        Ok(Box::new(Divider::new(
            settings.number("dividend_bits", 2..=64)?,
            settings.number("divisor_bits", 1..=64)?,
            settings.number("bits_per_cycle", 1..=32)?,
        )?))
    },
};

/// Parameters of a divider.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct Divider {
    dividend_bits: u32,
    divisor_bits: u32,
    bits_per_cycle: u32,
}

impl Divider {
    /// A divider of `dividend_bits` by `divisor_bits`, `bits_per_cycle` quotient bits a cycle.
    ///
    /// # Errors
    /// More bits a cycle than the quotient has.
    pub fn new(dividend_bits: u32, divisor_bits: u32, bits_per_cycle: u32) -> Result<Divider, UnitError> {
        if bits_per_cycle == 0 || bits_per_cycle > dividend_bits {
            let legal = format!("the quotient has {dividend_bits} bits, so 1 to {dividend_bits} are legal");
            return Err(UnitError::illegal("bits_per_cycle", bits_per_cycle, legal));
        }
        Ok(Divider { dividend_bits, divisor_bits, bits_per_cycle })
    }

    /// Cycles in which quotient bits are made.
    fn steps(&self) -> u32 {
        self.dividend_bits.div_ceil(self.bits_per_cycle)
    }

    /// Cycles from `start_i` to `done_o`; a new division may start in the cycle of `done_o`.
    pub fn latency_cycles(&self) -> u32 {
        self.steps() + 1
    }
}

impl Unit for Divider {
    fn module(&self) -> Result<Arc<Module>, HdlError> {
        let Divider { dividend_bits, divisor_bits, bits_per_cycle } = *self;
        let m = ModuleBuilder::new(
            format!("bitmill_divider_{dividend_bits}_by_{divisor_bits}_r{bits_per_cycle}"),
            format!(
                "restoring divider, {bits_per_cycle} quotient bits a cycle.\nLatency {} cycles.",
                self.latency_cycles()
            ),
        );
        m.group("Control");
        let enable = m.input_with_comment("enable_i", unsigned(1), "time stands still where it is 0");
        let start = m.input("start_i", unsigned(1));
        m.group("Operands, taken at the start");
        let dividend = m.input("dividend_i", unsigned(dividend_bits));
        let divisor = m.input("divisor_i", unsigned(divisor_bits));

        let steps = self.steps();
        let padded = steps * bits_per_cycle;
        let count = m.register("count_q", unsigned(bits_for(steps.into())));
        let running = count.q().any().named("running");
        m.comment("Dividend bits leave at the top of one register, quotient bits enter at its bottom.");
        let quotient = m.register("quotient_q", unsigned(padded)).without_reset();
        let remainder = m.register("remainder_q", unsigned(divisor_bits)).without_reset();
        let divisor_q = m.register("divisor_q", unsigned(divisor_bits)).without_reset();
        let (mut rest, mut digits) = (remainder.q(), Vec::new());
        for i in 0..bits_per_cycle {
            let widened = m.concat(&[rest, quotient.q().bit(padded - 1 - i)]);
            let difference = widened.sub(divisor_q.q()).named(&format!("difference_{i}"));
            let fits = difference.msb().not();
            rest = fits.mux(difference.as_unsigned().truncate(divisor_bits), widened.truncate(divisor_bits));
            digits.push(fits);
        }
        let kept = padded - bits_per_cycle;
        if kept > 0 {
            digits.insert(0, quotient.q().truncate(kept));
        }
        let zero = m.lit(divisor_bits, 0);
        let works = enable.and(start.or(running)).named("works");
        count.set_when(works, start.mux(m.lit(count.q().width(), steps.into()), decrement(&m, count.q())));
        quotient.set_when(works, start.mux(dividend.extend(padded), m.concat(&digits)));
        remainder.set_when(works, start.mux(zero, rest));
        divisor_q.set_when(enable.and(start), divisor);
        let last = count.q().eq_value(1).and(start.not());
        let done = m.register("done_q", unsigned(1));
        done.set_when(enable, last);
        m.group("Results, held until the next start");
        m.output("done_o", done.q());
        m.output("quotient_o", quotient.q().truncate(dividend_bits));
        m.output("remainder_o", remainder.q());
        m.finish()
    }

    fn model(&self) -> Box<dyn Model> {
        let unit = *self;
        let (mut left, mut results, mut done) = (0, None, false);
        Box::new(move |inputs: &[BigUint]| {
            let [enable, start, dividend, divisor] = inputs else { unreachable!("four inputs") };
            let visible = if left == 0 { results.clone() } else { None };
            let (quotient, remainder) = visible.unzip();
            let shown = vec![Some(BigUint::from(u8::from(done))), quotient, remainder];
            if enable.bit(0) {
                done = left == 1 && !start.bit(0);
                left = if start.bit(0) { unit.steps() } else { u32::saturating_sub(left, 1) };
                if start.bit(0) {
                    results = (*divisor != BigUint::ZERO).then(|| (dividend / divisor, dividend % divisor));
                }
            }
            shown
        })
    }

    fn stimulus(&self, random: &mut Random, cycles: usize) -> Vec<Values> {
        let pause = u64::from(self.latency_cycles());
        (0..cycles)
            .map(|_| {
                let enable = BigUint::from(u8::from(!random.one_in(8)));
                let start = BigUint::from(u8::from(random.one_in(pause + 2)));
                let divisor = random.corner_bits(self.divisor_bits).max(BigUint::from(1u8));
                vec![enable, start, random.corner_bits(self.dividend_bits), divisor]
            })
            .collect()
    }
}

/// `count − 1`, modulo 2^width.
pub(super) fn decrement<'m>(m: &'m ModuleBuilder, count: bitmill_hdl::Signal<'m>) -> bitmill_hdl::Signal<'m> {
    count.sub_wrapping(m.lit(count.width(), 1))
}
