//! Dot products over lanes, whatever the lanes multiply by: the frame of the L-Mul and floating-point PEs.
//!
//! The ports are those of every PE. With exact accumulation `result_o` is the sum of all products, a two's
//! complement integer in units of 2^[`DotProduct::lsb_exponent`]: nothing is rounded, so the order of the
//! terms does not matter. `special_o` (only where a product can be infinite or NaN) tells that such a
//! product went into the sum; `result_o` is open then. `rounded_o` (only with a result format) is the sum
//! rounded once, specials included. With a format as accumulator, each step is rounded to it and added in
//! it, and `result_o` is its code.

use std::sync::Arc;

use bitmill_formats::circuits::Unpacked;
use bitmill_formats::{AccumulatorShape, Family, Format, Multiplication, Rule, Scalar, Value};
use bitmill_hdl::unit::{Model, Random, Unit, Values, lane, pack};
use bitmill_hdl::{BigUint, HdlError, Module, ModuleBuilder, Signal, unsigned};

use super::settings::{ACCUMULATOR, ACCUMULATOR_BITS, trimmed};
use crate::UnitError;
use crate::format::{Rounded, code};
use crate::pe::integer::step_stimulus;
use crate::pe::{Mode, PeTiming, ProcessingElement};

/// Widest register for an exact sum, in bits; a million products of fp32 need 575.
pub(super) const WIDEST_BITS: u32 = 1024;

/// How two codes multiply.
pub trait Product: Send + Sync + Clone + std::fmt::Debug + 'static {
    /// For the module's name.
    fn name(&self) -> String;
    /// For the module's head.
    fn purpose(&self) -> String;
    /// Formats of activation and weight.
    fn operands(&self) -> [&Scalar; 2];
    /// The rule of a product.
    fn rule(&self) -> Rule {
        Rule::Exact
    }
    /// The meaning.
    fn value(&self, activation: u32, weight: u32) -> Value;
    /// The circuit; `lane` is for the names of its signals.
    ///
    /// # Errors
    /// Only on our own bugs.
    fn circuit<'m>(
        &self,
        m: &'m ModuleBuilder,
        lane: u32,
        activation: Signal<'m>,
        weight: Signal<'m>,
    ) -> Result<Unpacked<'m>, HdlError>;
    /// The narrowest register for sums of so many products.
    fn register(&self, products: u32) -> AccumulatorShape;
}

/// Where the products go.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Accumulation {
    /// A fixed-point register.
    Exact {
        /// Its width in bits; `None` for the narrowest that cannot overflow.
        width_bits: Option<u32>,
        /// Lowest places that it leaves out; magnitudes are cut there, towards zero.
        dropped_bits: u32,
        /// The format of the further output `rounded_o`.
        result: Option<Rounded>,
    },
    /// A code of this format: every step's sum is rounded to it, and every addition.
    InFormat(Rounded),
}

/// A dot-product PE.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct DotProduct<P> {
    pub(super) product: P,
    pub(super) lanes: u32,
    pub(super) length: u32,
    pub(super) accumulation: Accumulation,
    /// The register of the exact sum: of `length` products, or of one step.
    pub(super) register: AccumulatorShape,
}

impl<P: Product> DotProduct<P> {
    /// A PE that sums up to `length` products, `lanes` a cycle.
    ///
    /// # Errors
    /// Lanes outside 1 to 64, a length outside lanes to 2^20, a register that the sum can overflow or that
    /// has more than 1024 bits, or dropped places where magnitudes cannot be cut or nothing would be left.
    pub fn new(
        product: P,
        lanes: u32,
        length: u32,
        accumulation: Accumulation,
    ) -> Result<DotProduct<P>, UnitError> {
        if !(1..=64).contains(&lanes) {
            return Err(UnitError::illegal("lanes", lanes, "1 to 64 lanes are legal"));
        }
        if !(lanes..=1 << 20).contains(&length) {
            let legal = format!("a step has {lanes} products, so {lanes} to {} are legal", 1 << 20);
            return Err(UnitError::illegal("length", length, legal));
        }
        let register = match &accumulation {
            Accumulation::InFormat(_) => product.register(lanes),
            Accumulation::Exact { width_bits, dropped_bits, .. } => {
                trimmed(&product, product.register(length), *width_bits, *dropped_bits)?
            }
        };
        if register.width_bits > WIDEST_BITS {
            let legal = format!("up to {WIDEST_BITS} bits are legal");
            return Err(UnitError::illegal(ACCUMULATOR_BITS.name, register.width_bits, legal));
        }
        Ok(DotProduct { product, lanes, length, accumulation, register })
    }

    /// The weight of the last bit of an exact `result_o`, as a power of two.
    pub fn lsb_exponent(&self) -> i32 {
        self.register.lsb_exponent
    }

    /// The PE as an array takes it, whose results are integers.
    ///
    /// # Errors
    /// Accumulation in a format other than an integer or fixed point.
    pub fn array_element(&self) -> Result<&dyn ProcessingElement, UnitError> {
        match &self.accumulation {
            Accumulation::InFormat(rounded) if !matches!(rounded.format, Scalar::Integer(_)) => {
                let legal = "an array takes integers: exact, or a format such as fixed16_8, is legal";
                Err(UnitError::illegal(ACCUMULATOR.name, &rounded.format, legal))
            }
            _ => Ok(self),
        }
    }

    fn name(&self) -> String {
        let (product, lanes, length) = (self.product.name(), self.lanes, self.length);
        let sum = match &self.accumulation {
            Accumulation::InFormat(rounded) => format!("{}", rounded.format),
            Accumulation::Exact { dropped_bits, result, .. } => {
                let dropped = if *dropped_bits > 0 { format!("_d{dropped_bits}") } else { String::new() };
                let result = result.as_ref().map_or_else(String::new, |r| format!("_{}", r.format));
                format!("n{length}_acc{}{dropped}{result}", self.register.width_bits)
            }
        };
        format!("bitmill_pe_{product}_l{lanes}_{sum}")
    }

    fn purpose(&self) -> String {
        let (product, lanes) = (self.product.purpose(), self.lanes);
        let sum = match &self.accumulation {
            Accumulation::InFormat(rounded) => format!("each step rounded and added in {}", rounded.format),
            Accumulation::Exact { .. } => format!("summed exactly, in units of 2^{}", self.lsb_exponent()),
        };
        let latency = self.timing().latency_cycles;
        format!("dot-product PE, {lanes} lanes: {product},\n{sum}.\nLatency {latency} cycles, interval 1.")
    }

    /// The products of a step.
    pub(super) fn products(&self, activations: &BigUint, weights: &BigUint) -> Vec<Value> {
        let [activation, weight] = self.product.operands().map(Family::bits);
        let take = |word, index, width| code(&lane(word, index, width));
        (0..self.lanes)
            .map(|i| self.product.value(take(activations, i, activation), take(weights, i, weight)))
            .collect()
    }

    /// A word of codes, seldom special ones: a single NaN settles a whole sum.
    fn word(&self, random: &mut Random, format: &Scalar) -> BigUint {
        let mut one = || {
            loop {
                let bits = random.corner_bits(format.bits());
                if format.decode(code(&bits)).finite().is_some() || random.one_in(60) {
                    return bits;
                }
            }
        };
        let codes: Vec<BigUint> = (0..self.lanes).map(|_| one()).collect();
        pack(&codes, format.bits())
    }
}

impl<P: Product> Unit for DotProduct<P> {
    fn module(&self) -> Result<Arc<Module>, HdlError> {
        let m = ModuleBuilder::new(self.name(), self.purpose());
        m.group("Control");
        let valid = m.input_with_comment("valid_i", unsigned(1), "operands are present");
        let first = m.input_with_comment("first_i", unsigned(1), "start a new sum");
        let last = m.input_with_comment("last_i", unsigned(1), "hand the sum to result_o");
        m.group("Codes, lane 0 lowest");
        let activation = m.input("activation_i", unsigned(self.activation_bits()));
        let weight = m.input("weight_i", unsigned(self.weight_bits()));

        m.comment("Products.");
        let [activation_bits, weight_bits] = self.product.operands().map(Family::bits);
        let products: Vec<Unpacked> = (0..self.lanes)
            .map(|lane| {
                let activation = activation.slice(lane * activation_bits, activation_bits);
                let weight = weight.slice(lane * weight_bits, weight_bits);
                self.product.circuit(&m, lane, activation, weight)
            })
            .collect::<Result<_, _>>()?;
        let control = [valid, first, last];
        match &self.accumulation {
            Accumulation::Exact { result, .. } => self.exact_circuit(&m, &products, control, result.as_ref()),
            Accumulation::InFormat(rounded) => self.rounded_circuit(&m, &products, control, rounded)?,
        }
        m.finish()
    }

    fn model(&self) -> Box<dyn Model> {
        match &self.accumulation {
            Accumulation::Exact { result, .. } => self.exact_model(result.clone()),
            Accumulation::InFormat(rounded) => self.rounded_model(rounded.clone()),
        }
    }

    fn stimulus(&self, random: &mut Random, cycles: usize) -> Vec<Values> {
        let mut steps = step_stimulus(random, cycles, &[1, 1]);
        for values in &mut steps {
            for (operand, format) in self.product.operands().into_iter().enumerate() {
                values[3 + operand] = self.word(random, format);
            }
        }
        steps
    }
}

impl<P: Product> ProcessingElement for DotProduct<P> {
    fn lanes(&self) -> u32 {
        self.lanes
    }

    fn activation_bits(&self) -> u32 {
        self.lanes * self.product.operands()[0].bits()
    }

    fn weight_bits(&self) -> u32 {
        self.lanes * self.product.operands()[1].bits()
    }

    fn result_bits(&self) -> u32 {
        match &self.accumulation {
            Accumulation::Exact { .. } => self.register.width_bits,
            Accumulation::InFormat(rounded) => rounded.format.bits(),
        }
    }

    fn timing(&self) -> PeTiming {
        let latency_cycles = match &self.accumulation {
            Accumulation::Exact { .. } => 2,
            Accumulation::InFormat(_) if self.lanes == 1 => 2,
            Accumulation::InFormat(_) => 3,
        };
        PeTiming { latency_cycles, interval_cycles: 1 }
    }

    fn modes(&self) -> Vec<Mode> {
        let [activation, weight] = self.product.operands().map(|scalar| Format::Scalar(scalar.clone()));
        let lsb_exponent = match &self.accumulation {
            Accumulation::Exact { .. } => self.lsb_exponent(),
            Accumulation::InFormat(rounded) => rounded.format.extremes().lsb_exponent,
        };
        vec![Mode { code: 0, activation, weight, lanes: self.lanes, interval_cycles: 1, lsb_exponent }]
    }

    fn multiplication(&self, _: &Mode) -> Multiplication {
        let cut = match self.accumulation {
            Accumulation::Exact { dropped_bits, .. } if dropped_bits > 0 => Some(self.lsb_exponent()),
            _ => None,
        };
        Multiplication { rule: self.product.rule(), cut, blocks: None }
    }
}
