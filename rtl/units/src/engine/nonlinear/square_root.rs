//! Serial square root of unsigned integers: one bit of the root a cycle, digit by digit.
//!
//! Meaning: `root_o = ⌊√radicand⌋`.
//! Timing: `start_i` takes the radicand and ends whatever was going on; `done_o` is set for one cycle
//! [`SquareRoot::latency_cycles`] later, and the root stays until the next start.

use std::sync::Arc;

use bitmill_hdl::unit::{Model, Random, Unit, Values, number};
use bitmill_hdl::{BigUint, HdlError, Module, ModuleBuilder, bits_for, unsigned};

use super::divider::decrement;
use crate::{Entry, Legal, Parameter, UnitError};

/// Catalogue entry.
pub const ENTRY: Entry = Entry {
    name: "square_root",
    summary: "serial integer square root, one bit a cycle",
    parameters: &[Parameter {
        name: "radicand_bits",
        default: "32",
        help: "bits of the radicand, 3 to 64",
        legal: Legal::Numbers(3, 64),
    }],
    examples: &["", "radicand_bits=41", "radicand_bits=8"],
    build: |settings| Ok(Box::new(SquareRoot::new(settings.number("radicand_bits", 3..=64)?)?)),
};

/// Parameters of a square root.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct SquareRoot {
    radicand_bits: u32,
}

impl SquareRoot {
    /// The square root of integers of `radicand_bits`.
    ///
    /// # Errors
    /// A width outside 3 to 64.
    pub fn new(radicand_bits: u32) -> Result<SquareRoot, UnitError> {
        if !(3..=64).contains(&radicand_bits) {
            return Err(UnitError::illegal("radicand_bits", radicand_bits, "3 to 64 bits are legal"));
        }
        Ok(SquareRoot { radicand_bits })
    }

    /// Bits of the root.
    pub fn root_bits(&self) -> u32 {
        self.radicand_bits.div_ceil(2)
    }

    /// Cycles from `start_i` to `done_o`.
    pub fn latency_cycles(&self) -> u32 {
        self.root_bits() + 1
    }
}

impl Unit for SquareRoot {
    fn module(&self) -> Result<Arc<Module>, HdlError> {
        let (bits, steps) = (self.radicand_bits, self.root_bits());
        let m = ModuleBuilder::new(
            format!("bitmill_square_root_{bits}"),
            format!("integer square root, one bit a cycle.\nLatency {} cycles.", self.latency_cycles()),
        );
        m.group("Control");
        let start = m.input("start_i", unsigned(1));
        m.group("Operand, taken at the start");
        let radicand = m.input("radicand_i", unsigned(bits));

        let count = m.register("count_q", unsigned(bits_for(steps.into())));
        let running = count.q().any().named("running");
        m.comment("With root r and remainder d: a next bit of 1 takes 4r + 1 from 4d + two more bits.");
        let radicand_q = m.register("radicand_q", unsigned(2 * steps)).without_reset();
        let root = m.register("root_q", unsigned(steps)).without_reset();
        let remainder = m.register("remainder_q", unsigned(steps + 1)).without_reset();
        let widened = m.concat(&[remainder.q(), radicand_q.q().slice(2 * steps - 2, 2)]);
        let trial = m.concat(&[root.q(), m.lit(2, 1)]);
        let difference = widened.sub(trial).named("difference");
        let fits = difference.msb().not().named("fits");
        let rest = fits.mux(difference.as_unsigned().truncate(steps + 1), widened.truncate(steps + 1));
        let works = start.or(running).named("works");
        count.set_when(works, start.mux(m.lit(count.q().width(), steps.into()), decrement(&m, count.q())));
        let shifted = m.concat(&[radicand_q.q().truncate(2 * steps - 2), m.lit(2, 0)]);
        radicand_q.set_when(works, start.mux(radicand.extend(2 * steps), shifted));
        remainder.set_when(works, start.mux(m.lit(steps + 1, 0), rest));
        let grown = m.concat(&[root.q().truncate(steps - 1), fits]);
        root.set_when(works, start.mux(m.lit(steps, 0), grown));
        let done = m.delay("done_q", count.q().eq_value(1).and(start.not()));
        m.group("Result, held until the next start");
        m.output("done_o", done);
        m.output("root_o", root.q());
        m.finish()
    }

    fn model(&self) -> Box<dyn Model> {
        let unit = *self;
        let (mut left, mut root, mut done) = (0, None, false);
        Box::new(move |inputs: &[BigUint]| {
            let [start, radicand] = inputs else { unreachable!("two inputs") };
            let visible = if left == 0 { root.clone() } else { None };
            let shown = vec![Some(BigUint::from(u8::from(done))), visible];
            done = left == 1 && !start.bit(0);
            left = if start.bit(0) { unit.root_bits() } else { u32::saturating_sub(left, 1) };
            if start.bit(0) {
                root = Some(BigUint::from(number(radicand).isqrt()));
            }
            shown
        })
    }

    fn stimulus(&self, random: &mut Random, cycles: usize) -> Vec<Values> {
        let pause = u64::from(self.latency_cycles());
        let start = |random: &mut Random| BigUint::from(u8::from(random.one_in(pause + 2)));
        (0..cycles)
            .map(|_| {
                let near_square = random.bits(self.radicand_bits / 2).pow(2);
                let radicand = random.corner_bits(self.radicand_bits);
                vec![start(random), if random.one_in(3) { near_square } else { radicand }]
            })
            .collect()
    }
}
