//! The heads of a bit-plane PE: they cut a plane out of a word, and count what bipolar operands need.
//!
//! A bipolar bit b stands for 2b − 1. With p = popcount(a and w), a dot product of planes of n lanes is
//! Σ (2^s·a − s)(2^t·w − t) = 2^(s+t)·p − t·2^s·popcount(a) − s·2^t·popcount(w) + s·t·n, where s (t) is 1 for
//! bipolar activations (weights), else 0. All but p is the same for a whole row or a whole column: so the heads
//! count it, and a PE needs one population count for binary, mixed and integer operands alike.

use std::sync::Arc;

use bitmill_hdl::{HdlError, Module, ModuleBuilder, Signal, bits_for, signed, unsigned};

use super::{BitPlanePe, PlaneFormat};
use crate::pe::ProcessingElement;
use crate::pe::sum::popcount;

/// Bits of the shift of a plane's dot product.
pub(super) const SHIFT_BITS: u32 = 4;

/// Widths of what the heads hand to the PEs of `lanes`.
#[derive(Clone, Copy)]
pub(super) struct Widths {
    /// Bits of a population count.
    pub count: u32,
    /// Bits of the row's correction, signed.
    pub row: u32,
    /// Bits of the column's correction, unsigned.
    pub column: u32,
}

impl Widths {
    pub fn of(lanes: u32) -> Widths {
        let count = bits_for(lanes.into());
        Widths { count, row: count + 2, column: count + 1 }
    }
}

/// Mode and phase of a head, and what follows from them.
struct Control<'m> {
    m: &'m ModuleBuilder,
    pairs: Vec<(PlaneFormat, PlaneFormat)>,
    mode: Signal<'m>,
    phase: Signal<'m>,
}

impl<'m> Control<'m> {
    fn inputs(m: &'m ModuleBuilder, pe: &BitPlanePe) -> Control<'m> {
        let port = |name: &str, width: u32, comment: &str| {
            if width == 0 {
                return m.bit(false);
            }
            let input = m.input_with_comment(name, unsigned(width), comment);
            // Modes may differ in what the other head does only.
            m.ignore(input);
            input
        };
        Control {
            m,
            pairs: pe.pairs(),
            mode: port("mode_i", pe.mode_bits(), "formats of the operands"),
            phase: port("phase_i", pe.phase_bits(), "cycle of the step, from 0"),
        }
    }

    /// A number that the mode decides, of `width` bits.
    fn by_mode(&self, width: u32, number: impl Fn(PlaneFormat, PlaneFormat) -> u32) -> Signal<'m> {
        let numbers: Vec<u32> = self.pairs.iter().map(|&(a, w)| number(a, w)).collect();
        if numbers.iter().all(|&n| n == numbers[0]) {
            return self.m.lit(width, numbers[0].into());
        }
        let items: Vec<Signal> = numbers.iter().map(|&n| self.m.lit(width, n.into())).collect();
        self.mode.select(&items, items[0])
    }

    /// A bit that the mode decides.
    fn flag(&self, flag: impl Fn(PlaneFormat, PlaneFormat) -> bool) -> Signal<'m> {
        self.by_mode(1, |a, w| u32::from(flag(a, w)))
    }

    /// Numbers of the activation's plane (3 bits, counting fastest) and of the weight's (2 bits).
    fn planes(&self) -> (Signal<'m>, Signal<'m>) {
        let m = self.m;
        if self.pairs.iter().all(|(_, weight)| weight.planes() == 1) {
            return (self.phase.resize(3), m.lit(2, 0));
        }
        // Up to 3 times 8 planes: 5 bits.
        let phase = self.phase.resize(5);
        let once = self.by_mode(5, |activation, _| activation.planes());
        let twice = self.by_mode(5, |activation, _| 2 * activation.planes());
        let (second, third) = (phase.ge(once).named("second_plane"), phase.ge(twice).named("third_plane"));
        let base = third.mux(twice, once.gate(second));
        let activation = phase.sub_wrapping(base).truncate(3).named("activation_plane");
        (activation, m.concat(&[third, second.and(third.not())]).named("weight_plane"))
    }

    /// Plane `plane` of the word, by the format that `index` says.
    fn plane(
        &self,
        word: Signal<'m>,
        lanes: u32,
        formats: &[PlaneFormat],
        index: Signal<'m>,
        plane: Signal<'m>,
    ) -> Signal<'m> {
        let cut = |format: &PlaneFormat| {
            let planes: Vec<Signal> = (0..format.planes())
                .map(|bit| {
                    let bits: Vec<Signal> =
                        (0..lanes).rev().map(|lane| word.bit(lane * format.planes() + bit)).collect();
                    self.m.concat(&bits)
                })
                .collect();
            if planes.len() == 1 { planes[0] } else { plane.select(&planes, planes[0]) }
        };
        let cuts: Vec<Signal> = formats.iter().map(cut).collect();
        let chosen = if cuts.len() == 1 { cuts[0] } else { index.select(&cuts, cuts[0]) };
        chosen.named("plane")
    }
}

/// The row head: `activation_o` is {negative, shift, doubling, correction, plane}.
pub(super) fn row(pe: &BitPlanePe) -> Result<Arc<Module>, HdlError> {
    let (lanes, widths) = (pe.lanes(), Widths::of(pe.lanes()));
    let m = ModuleBuilder::new(
        format!("bitmill_bit_plane_row_{}_l{lanes}", pe.formats_name()),
        format!(
            "a bit plane of {lanes} activations, with what the row's PEs do with its product.\nCombinational."
        ),
    );
    let control = Control::inputs(&m, pe);
    let word = m.input("activation_i", unsigned(pe.activation_bits()));
    let (activation_plane, weight_plane) = control.planes();
    let index = control.by_mode(4, |a, _| pe.activations().iter().position(|f| *f == a).unwrap_or(0) as u32);
    let plane = control.plane(word, lanes, pe.activations(), index, activation_plane);

    m.comment("The highest planes of signed operands count negative.");
    let highest = |format: PlaneFormat| format.planes() - 1;
    let negative_activation =
        activation_plane.eq(control.by_mode(3, |a, _| highest(a))).and(control.flag(|a, _| a.is_signed()));
    let negative_weight =
        weight_plane.eq(control.by_mode(2, |_, w| highest(w))).and(control.flag(|_, w| w.is_signed()));
    let negative = negative_activation.xor(negative_weight).named("negative");
    let shift = activation_plane.add(weight_plane).truncate(SHIFT_BITS);

    m.comment("Bipolar operands.");
    let doubling = control.by_mode(2, |a, w| u32::from(a.is_bipolar()) + u32::from(w.is_bipolar()));
    let bipolar_activation = control.flag(|a, _| a.is_bipolar());
    let bipolar_weight = control.flag(|_, w| w.is_bipolar());
    let ones = popcount(&m, plane);
    let counted = bipolar_activation.mux(ones.shl(1), ones.extend(widths.count + 1)).gate(bipolar_weight);
    let both = bipolar_activation.and(bipolar_weight);
    let all = m.constant(signed(widths.row), lanes.into()).gate(both);
    let correction = counted.to_signed().sub_wrapping(all).as_unsigned().named("correction");
    m.output("activation_o", m.concat(&[negative, shift, doubling, correction, plane]));
    m.finish()
}

/// The column head: `weight_o` is {correction, plane}.
pub(super) fn column(pe: &BitPlanePe) -> Result<Arc<Module>, HdlError> {
    let (lanes, widths) = (pe.lanes(), Widths::of(pe.lanes()));
    let m = ModuleBuilder::new(
        format!("bitmill_bit_plane_column_{}_l{lanes}", pe.formats_name()),
        format!("a bit plane of {lanes} weights and the ones in it.\nCombinational."),
    );
    let control = Control::inputs(&m, pe);
    let word = m.input("weight_i", unsigned(pe.weight_bits()));
    let (activation_plane, weight_plane) = control.planes();
    m.ignore(activation_plane);
    let index = control.by_mode(3, |_, w| pe.weights().iter().position(|f| *f == w).unwrap_or(0) as u32);
    let plane = control.plane(word, lanes, pe.weights(), index, weight_plane);
    let bipolar_activation = control.flag(|a, _| a.is_bipolar());
    let bipolar_weight = control.flag(|_, w| w.is_bipolar());
    let ones = popcount(&m, plane);
    let counted = bipolar_weight.mux(ones.shl(1), ones.extend(widths.column)).gate(bipolar_activation);
    m.output("weight_o", m.concat(&[counted.named("correction"), plane]));
    m.finish()
}
