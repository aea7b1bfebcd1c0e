//! Accumulation in a format: the sum of a step is rounded once, and every addition once more.
//!
//! One lane needs no fixed point at all: its product is rounded as it is, a cycle earlier. Several lanes are
//! summed exactly first. Steps are added by the format's own adder, to nearest even, so the sum depends on their order.

use bitmill_formats::circuits::{self, Rounder, Unpacked};
use bitmill_formats::{ExactSum, Family, Rounding, arithmetic};
use bitmill_hdl::unit::{Model, Pipeline, Unit};
use bitmill_hdl::{BigUint, HdlError, ModuleBuilder, Signal, unsigned};

use super::dot_product::{DotProduct, Product};
use super::exact::{Specials, step};
use crate::format::Rounded;
use crate::format::adder::Adder;
use crate::pe::ProcessingElement;

impl<P: Product> DotProduct<P> {
    pub(super) fn rounded_circuit<'m>(
        &self,
        m: &'m ModuleBuilder,
        products: &[Unpacked<'m>],
        control: [Signal<'m>; 3],
        accumulator: &Rounded,
    ) -> Result<(), HdlError> {
        let Rounded { format, mode } = accumulator;
        let rounder = Rounder::new(m, *mode);
        let [valid, first, last] = control;
        let delayed = |valid, [first, last]: [Signal<'m>; 2], name: &str| {
            let flag = |flag: &str, signal| m.delay_data(&format!("{flag}{name}"), signal);
            (m.delay(&format!("valid{name}"), valid), [flag("first", first), flag("last", last)])
        };
        let (valid_q, flags_q) = delayed(valid, [first, last], "_q");
        if let [product] = products {
            m.comment("The product, rounded.");
            let product_q = m.delay_data("product_q", circuits::encode(m, format, product, &rounder));
            return add_and_keep(m, accumulator, product_q, [valid_q, flags_q[0], flags_q[1]]);
        }
        let specials = Specials::of(m, products).map(|name, flag| m.delay_data(&format!("{name}_q"), flag));
        let step = step(m, products, self.register);
        m.comment("The step's sum, rounded.");
        let sum = specials.with_sum(step.total(), self.lsb_exponent());
        let term_q = m.delay_data("term_q", circuits::encode(m, format, &sum, &rounder));
        let (valid_2_q, flags_2_q) = delayed(valid_q, flags_q, "_2_q");
        add_and_keep(m, accumulator, term_q, [valid_2_q, flags_2_q[0], flags_2_q[1]])
    }

    pub(super) fn rounded_model(&self, accumulator: Rounded) -> Box<dyn Model> {
        let unit = self.clone();
        let (mut sum, mut shown) = (0, None);
        Box::new(Pipeline::new(self.timing().latency_cycles as usize, 1, move |inputs: &[BigUint]| {
            let [valid, first, last, activations, weights] = inputs else { unreachable!("five inputs") };
            if valid.bit(0) {
                let products = unit.products(activations, weights);
                let value = match products[..] {
                    [product] => product,
                    _ => products
                        .iter()
                        .fold(ExactSum::new(), |mut sum, product| {
                            sum.add(product);
                            sum
                        })
                        .value(),
                };
                let term = accumulator.format.encode(&value, Rounding::NearestEven);
                let previous = if first.bit(0) { 0 } else { sum };
                sum = arithmetic::add(&accumulator.format, previous, term, Rounding::NearestEven);
                if last.bit(0) {
                    shown = Some(sum.into());
                }
            }
            vec![shown.clone()]
        }))
    }
}

/// The accumulator: a code, to which `term` is added while `valid` is set. Makes the port `result_o`.
pub(in crate::pe) fn add_and_keep<'m>(
    m: &'m ModuleBuilder,
    accumulator: &Rounded,
    term: Signal<'m>,
    control: [Signal<'m>; 3],
) -> Result<(), HdlError> {
    let format = &accumulator.format;
    let [valid, first, last] = control;
    m.comment("Accumulator: a code of the format, 0 at the start.");
    let acc_q = m.register("acc_q", unsigned(format.bits())).without_reset();
    let previous = acc_q.q().gate(first.not());
    let adder = Adder { operands: accumulator.clone() }.module()?;
    let acc_d = m.instance("i_adder", &adder, &[("a_i", previous), ("b_i", term)]).output("sum_o");
    acc_q.set_when(valid, acc_d);
    let result_q = m.register("result_q", unsigned(format.bits())).without_reset();
    result_q.set_when(valid.and(last), acc_d);
    m.group("Result");
    m.output_with_comment("result_o", result_q.q(), &format!("a code of {format}"));
    Ok(())
}
