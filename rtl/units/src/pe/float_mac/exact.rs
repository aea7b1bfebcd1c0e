//! Exact accumulation: every product is moved to its places of one fixed-point register.
//!
//! The first register stands behind the adder tree of the lanes, the second is the accumulator. Negative
//! magnitudes enter complemented; the ones that make the complements negations are counted beside the tree
//! and added with the sum, where they cost no adder of their own.

use bitmill_formats::circuits::{self, Rounder, Unpacked};
use bitmill_formats::{AccumulatorShape, Dyadic, Family, FixedAccumulator, Value};
use bitmill_hdl::unit::{Model, Pipeline};
use bitmill_hdl::{BigUint, ModuleBuilder, Signal, signed, unsigned};

use super::dot_product::{DotProduct, Product};
use crate::format::Rounded;
use crate::pe::ProcessingElement;

/// The sum of a step, in the register's places.
pub(in crate::pe) struct Step<'m> {
    /// The lanes' sum without the counted ones.
    pub sum: Signal<'m>,
    /// How many ones are to be added; `None` if there is none.
    pub ones: Option<Signal<'m>>,
}

impl<'m> Step<'m> {
    /// Both, added.
    pub fn total(&self) -> Signal<'m> {
        self.ones.map_or(self.sum, |ones| self.sum.add(ones.to_signed()))
    }
}

/// The adder tree over the lanes of a step, in the places of `register`.
pub(in crate::pe) fn step<'m>(
    m: &'m ModuleBuilder,
    products: &[Unpacked<'m>],
    register: AccumulatorShape,
) -> Step<'m> {
    m.comment("Each product in its places; the lanes' sum.");
    let addends: Vec<_> = products.iter().map(|x| circuits::addend(m, x, register)).collect();
    let terms: Vec<Signal> = addends.iter().map(|addend| addend.bits).collect();
    let carries: Vec<Signal> = addends.iter().filter_map(|addend| addend.carry).collect();
    let ones = (!carries.is_empty()).then(|| m.delay_data("ones_q", m.sum(&carries)));
    Step { sum: m.delay_data("dot_q", m.sum(&terms)), ones }
}

/// What fixed point cannot hold: whether a NaN, a +∞ or a −∞ was met.
#[derive(Clone, Copy)]
pub(in crate::pe) struct Specials<'m> {
    /// NaN, +∞, −∞; `None` where a format has none.
    flags: [Option<Signal<'m>>; 3],
}

impl<'m> Specials<'m> {
    /// Of several numbers, named after what they are.
    pub fn of(m: &'m ModuleBuilder, numbers: &[Unpacked<'m>]) -> Specials<'m> {
        let all = |flag: &dyn Fn(&Unpacked<'m>) -> Option<Signal<'m>>| {
            let flags: Vec<Signal> = numbers.iter().filter_map(flag).collect();
            (!flags.is_empty()).then(|| m.any(&flags))
        };
        let infinite = |negative: bool| {
            move |x: &Unpacked<'m>| {
                let sign = x.sign(m);
                x.infinite.map(|infinite| infinite.and(if negative { sign } else { sign.not() }))
            }
        };
        Specials { flags: [all(&|x| x.nan), all(&infinite(false)), all(&infinite(true))] }
    }

    /// Each flag passed through `register`, which gets its name.
    pub fn map(self, register: impl Fn(&str, Signal<'m>) -> Signal<'m>) -> Specials<'m> {
        let [nan, positive, negative] = self.flags;
        let pass = |name, flag: Option<Signal<'m>>| flag.map(|flag| register(name, flag));
        Specials {
            flags: [
                pass("nan", nan),
                pass("positive_infinite", positive),
                pass("negative_infinite", negative),
            ],
        }
    }

    /// Whether there is any; `None` if there never is.
    pub fn any(self, m: &'m ModuleBuilder) -> Option<Signal<'m>> {
        let flags: Vec<Signal> = self.flags.into_iter().flatten().collect();
        (!flags.is_empty()).then(|| m.any(&flags))
    }

    /// The number that `sum` is, if it is none of these. ∞ − ∞ is NaN.
    pub fn with_sum(self, sum: Signal<'m>, lsb_exponent: i32) -> Unpacked<'m> {
        let plain = Unpacked::fixed(sum, lsb_exponent);
        let [nan, positive, negative] = self.flags;
        let (Some(positive), Some(negative)) = (positive, negative) else {
            return Unpacked { nan, ..plain };
        };
        let lost = positive.and(negative);
        let infinite = positive.or(negative);
        Unpacked {
            negative: Some(infinite.mux(negative, sum.msb())),
            infinite: Some(infinite),
            nan: Some(nan.map_or(lost, |nan| nan.or(lost))),
            ..plain
        }
    }
}

impl<P: Product> DotProduct<P> {
    pub(super) fn exact_circuit<'m>(
        &self,
        m: &'m ModuleBuilder,
        products: &[Unpacked<'m>],
        control: [Signal<'m>; 3],
        result: Option<&Rounded>,
    ) {
        let [valid, first, last] = control;
        let width = self.register.width_bits;
        let step = step(m, products, self.register);
        let specials =
            Specials::of(m, products).map(|name, flag| m.delay_data(&format!("{name}_dot_q"), flag));
        let valid_q = m.delay("valid_q", valid);
        let first_q = m.delay_data("first_q", first);
        let hand = valid_q.and(m.delay_data("last_q", last)).named("hand_over");

        m.comment("Accumulator.");
        let acc_q = m.register("acc_q", signed(width)).without_reset();
        let sum = acc_q.q().gate(first_q.not()).add_wrapping(step.sum.resize(width));
        let ones = step.ones.map(|ones| ones.resize(width).as_signed());
        let acc_d = ones.map_or(sum, |ones| sum.add_wrapping(ones)).named("acc_d");
        acc_q.set_when(valid_q, acc_d);
        let specials = specials.map(|name, flag| {
            let seen = m.register(&format!("{name}_seen_q"), unsigned(1)).without_reset();
            let now = flag.or(seen.q().gate(first_q.not()));
            seen.set_when(valid_q, now);
            now
        });
        let keep = |name: &str, value: Signal<'m>| {
            let register = m.register(name, value.shape()).without_reset();
            register.set_when(hand, value);
            register.q()
        };
        let result_q = keep("result_q", acc_d);
        m.group("Result");
        m.output_with_comment("result_o", result_q, &format!("in units of 2^{}", self.lsb_exponent()));
        let specials = specials.map(|name, flag| keep(&format!("{name}_q"), flag));
        if let Some(any) = specials.any(m) {
            m.output_with_comment("special_o", any, "an infinity or NaN was met; result_o is open");
        }
        if let Some(Rounded { format, mode }) = result {
            m.comment("Round once.");
            let sum = specials.with_sum(result_q, self.lsb_exponent());
            m.output("rounded_o", circuits::encode(m, format, &sum, &Rounder::new(m, *mode)));
        }
    }

    pub(super) fn exact_model(&self, result: Option<Rounded>) -> Box<dyn Model> {
        let unit = self.clone();
        let has_specials = self.has_specials();
        let outputs = 1 + usize::from(has_specials) + usize::from(result.is_some());
        let mut sum = FixedAccumulator::new(unit.register);
        let mut shown = vec![None; outputs];
        Box::new(Pipeline::new(
            self.timing().latency_cycles as usize,
            outputs,
            move |inputs: &[BigUint]| {
                let [valid, first, last, activations, weights] = inputs else { unreachable!("five inputs") };
                if !valid.bit(0) {
                    return shown.clone();
                }
                if first.bit(0) {
                    sum = FixedAccumulator::new(unit.register);
                }
                for product in unit.products(activations, weights) {
                    let kept = cut(product, unit.register.lsb_exponent);
                    sum.add_product(&kept, &Value::from_integer(1))
                        .expect("products end at the register's last bit");
                }
                if last.bit(0) {
                    let value = sum.value();
                    let finite = value.finite().is_some();
                    shown = vec![finite.then(|| register_bits(&sum, unit.register.width_bits))];
                    shown.extend(has_specials.then(|| Some(u8::from(!finite).into())));
                    shown.extend(
                        result.as_ref().map(|r| Some(r.format.encode(&value, r.mode.rounding(0)).into())),
                    );
                }
                shown.clone()
            },
        ))
    }

    /// Whether a product can be infinite or NaN.
    fn has_specials(&self) -> bool {
        self.product.operands().into_iter().any(|format| format.decode(format.nan_code()).is_nan())
    }
}

/// The product with its magnitude cut below 2^`lsb_exponent`.
fn cut(product: Value, lsb_exponent: i32) -> Value {
    let Value::Finite(x) = product else { return product };
    let below = lsb_exponent - x.exponent();
    let significand = if below < 128 { x.significand() >> below.max(0) } else { 0 };
    Value::Finite(Dyadic::new(x.is_negative(), significand, x.exponent() + below.max(0)))
}

/// The register as two's complement.
fn register_bits(sum: &FixedAccumulator, width_bits: u32) -> BigUint {
    let magnitude = sum.register().magnitude().clone();
    if sum.value().is_negative() { (BigUint::from(1u8) << width_bits) - magnitude } else { magnitude }
}
