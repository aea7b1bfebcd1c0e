//! The PE behind its heads: multiplier, distances, shifter, quire, result.

use std::sync::Arc;

use bitmill_formats::circuits::{self, Exponent, Rounder, Unpacked};
use bitmill_hdl::{HdlError, Module, ModuleBuilder, Signal, unsigned};

use super::head::{DISTANCE_BITS, MODE_BITS, SIGN_BITS, decoded_bits};
use super::lanes::{LaneMode, Layout, QUIRE_BITS};
use super::multiplier::{self, Division};
use super::{RmmecSimd, quire};
use crate::format::Rounded;
use crate::pe::sum::Control;

pub(super) fn module(pe: &RmmecSimd) -> Result<Arc<Module>, HdlError> {
    let layout = Layout::new(&pe.modes);
    let m = ModuleBuilder::new(
        format!("{}_core", pe.name()),
        "reconfigurable SIMD PE behind its heads: tiled multiplier, divided shifter and quire.\n\
             Latency 2 cycles, interval 1.",
    );
    let control = Control::inputs(&m);
    let mode = m.input_with_comment("mode_i", unsigned(MODE_BITS), "formats of the operands");
    m.group("Decoded words: {special, distances, signs, magnitudes}");
    let [a, w] = ["activation_i", "weight_i"]
        .map(|port| Operand::of(m.input(port, unsigned(decoded_bits(layout))), layout));

    let multiplier = multiplier::module(layout)?;
    let operands = [("width_i", mode.slice(2, 2)), ("a_i", a.magnitudes), ("b_i", w.magnitudes)];
    let products = m.instance("i_multiplier", &multiplier, &operands).output("products_o");
    let (distances, above) = distances(a.distances, w.distances);
    let bf16 = mode.bit(3).and(mode.truncate(2).any().not());
    let special = a.special.or(w.special).or(above.and(bf16));
    m.comment("What the second cycle needs.");
    let products_q = m.delay_data("products_q", products);
    let signs_q = m.delay_data("signs_q", a.signs.xor(w.signs));
    let [d0, d1, d2, d3] = distances;
    let distances_q = [("0", d0), ("1", d1), ("2", d2), ("3", d3)]
        .map(|(lane, distance)| m.delay_data(&format!("distance_{lane}_q"), distance));
    let special_q = m.delay_data("special_product_q", special);
    let division = Division::of(m.delay_data("width_q", mode.slice(2, 2)));
    let control_q = control.delayed(&m);

    let magnitudes = quire::align(&m, products_q, distances_q, division, layout);
    let (addend, carry) = quire::addend(&m, magnitudes, signs_q, division, layout);
    m.comment("Quire.");
    let quire_q = m.register("quire_q", unsigned(QUIRE_BITS)).without_reset();
    let previous = quire_q.q().gate(control_q.first.not());
    let quire_d = previous.add_wrapping(addend).add_wrapping(carry.resize(QUIRE_BITS)).named("quire_d");
    quire_q.set_when(control_q.valid, quire_d);
    let seen_q = m.register("special_seen_q", unsigned(1)).without_reset();
    let special_d = special_q.or(seen_q.q().gate(control_q.first.not()));
    seen_q.set_when(control_q.valid, special_d);
    let finished = Finished { quire: quire_d, special: special_d, hand: control_q.valid.and(control_q.last) };
    pe.results(&m, finished, mode);
    m.finish()
}

/// The fields of a decoded word.
struct Operand<'m> {
    magnitudes: Signal<'m>,
    signs: Signal<'m>,
    /// Of lanes 0 to 3.
    distances: [Signal<'m>; 4],
    special: Signal<'m>,
}

impl<'m> Operand<'m> {
    fn of(decoded: Signal<'m>, layout: Layout) -> Operand<'m> {
        let mut lsb = layout.word_bits + SIGN_BITS;
        let distances = DISTANCE_BITS.map(|width| {
            lsb += width;
            decoded.slice(lsb - width, width)
        });
        Operand {
            magnitudes: decoded.truncate(layout.word_bits),
            signs: decoded.slice(layout.word_bits, SIGN_BITS),
            distances,
            special: decoded.msb(),
        }
    }
}

/// The distances of the products, and whether lane 0's lies above the quire.
fn distances<'m>(a: [Signal<'m>; 4], w: [Signal<'m>; 4]) -> ([Signal<'m>; 4], Signal<'m>) {
    let whole = a[0].as_signed().add(w[0].as_signed());
    let above = whole.msb();
    // Beyond 127 nothing is left, as at 127.
    let far = whole.slice(7, 2).any();
    let near = whole.truncate(7).as_unsigned().or(far.replicate(7));
    let sums = [1, 2, 3].map(|lane| a[lane].add(w[lane]));
    ([near, sums[0], sums[1], sums[2]], above)
}

/// `value`, taken while `enable` is set.
fn hold<'m>(m: &'m ModuleBuilder, name: &str, enable: Signal<'m>, value: Signal<'m>) -> Signal<'m> {
    let register = m.register(name, value.shape()).without_reset();
    register.set_when(enable, value);
    register.q()
}

/// The quire behind the step at hand, which is the last of a sum where `hand` is set.
struct Finished<'m> {
    quire: Signal<'m>,
    special: Signal<'m>,
    hand: Signal<'m>,
}

impl RmmecSimd {
    /// The finished sum, and the outputs.
    fn results<'m>(&self, m: &'m ModuleBuilder, finished: Finished<'m>, mode: Signal<'m>) {
        let kept = if self.result.is_some() { QUIRE_BITS } else { self.result_bits };
        let result_q = hold(m, "result_q", finished.hand, finished.quire.truncate(kept));
        let special_q = hold(m, "special_q", finished.hand, finished.special);
        m.group("Result");
        m.output_with_comment(
            "result_o",
            result_q.truncate(self.result_bits),
            "in units of 2^lsb of the mode",
        );
        m.output_with_comment("special_o", special_q, "met what the quire cannot hold; result_o is open");
        if let Some(Rounded { format, mode: rounding }) = &self.result {
            m.comment("Round once.");
            let mode_q = m.delay_data("mode_q", mode);
            let result_mode_q = hold(m, "result_mode_q", finished.hand, mode_q);
            let number = self.number(m, result_q.as_signed(), special_q, result_mode_q);
            m.output("rounded_o", circuits::encode(m, format, &number, &Rounder::new(m, *rounding)));
        }
    }

    /// The sum over the lanes as a number in the mode's units.
    fn number<'m>(
        &self,
        m: &'m ModuleBuilder,
        sum: Signal<'m>,
        special: Signal<'m>,
        mode: Signal<'m>,
    ) -> Unpacked<'m> {
        let lsbs = self.modes.iter().map(LaneMode::lsb_exponent);
        let (low, high) = (lsbs.clone().min().unwrap_or(0), lsbs.max().unwrap_or(0));
        let bits = bitmill_hdl::bits_for((high - low) as u64);
        let lsb = self.modes.iter().fold(m.lit(bits, 0), |lsb, lane_mode| {
            let is = mode.eq_value(lane_mode.code.into());
            lsb.or(m.lit(bits, (lane_mode.lsb_exponent() - low) as u64).gate(is))
        });
        let exponent = Exponent::variable(lsb.named("result_lsb"), low, low, high);
        Unpacked { exponent, nan: Some(special), ..Unpacked::fixed(sum, 0) }
    }
}
