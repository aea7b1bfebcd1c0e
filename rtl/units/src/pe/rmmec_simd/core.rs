//! The PE behind its heads: multiplier, distances, quire, results.

use std::sync::Arc;

use bitmill_formats::circuits::{self, Exponent, Rounder, Unpacked};
use bitmill_hdl::{HdlError, Module, ModuleBuilder, Signal, unsigned};

use super::head::{DECODED_BITS, DISTANCE_BITS, MODE_BITS};
use super::lanes::{LaneMode, QUIRE_BITS, WORD_BITS};
use super::multiplier::{self, Division};
use super::{RmmecSimd, quire};
use crate::format::Rounded;

pub(super) fn module(pe: &RmmecSimd) -> Result<Arc<Module>, HdlError> {
    let m = ModuleBuilder::new(
        format!("{}_core", pe.name()),
        "reconfigurable SIMD PE behind its heads: tiled multiplier, divided shifter and quire.\n\
             Latency 3 cycles, interval 1.",
    );
    m.group("Control");
    let valid = m.input_with_comment("valid_i", unsigned(1), "operands are present");
    let first = m.input_with_comment("first_i", unsigned(1), "start a new sum");
    let last = m.input_with_comment("last_i", unsigned(1), "hand the sum to result_o");
    let mode = m.input_with_comment("mode_i", unsigned(MODE_BITS), "formats of the operands");
    m.group("Decoded words: {special, distances, significands}");
    let [a, w] = ["activation_i", "weight_i"].map(|port| fields(m.input(port, unsigned(DECODED_BITS))));

    let products = multiplier::multiply(&m, a.0, w.0, Division::of(mode));
    let (distances, above) = distances(a.1, w.1);
    let bf16 = mode.bit(3).and(mode.truncate(2).any().not());
    let special = a.2.or(w.2).or(above.and(bf16));
    m.comment("What the second cycle needs; it stands still while nothing is valid.");
    let products_q = hold(&m, "products_q", valid, products);
    let [d0, d1, d2, d3] = distances;
    let distances_q = [("0", d0), ("1", d1), ("2", d2), ("3", d3)]
        .map(|(lane, distance)| hold(&m, &format!("distance_{lane}_q"), valid, distance));
    let special_q = hold(&m, "special_product_q", valid, special);
    let mode_q = hold(&m, "mode_q", valid, mode);
    let first_q = hold(&m, "first_q", valid, first);
    let hand = m.delay("hand_over_q", valid.and(last));
    let valid_q = m.delay("valid_q", valid);

    let division = Division::of(mode_q);
    let terms = quire::align(&m, products_q, distances_q, division);
    m.comment("Quire.");
    let quire_q = m.register("quire_q", unsigned(QUIRE_BITS)).without_reset();
    quire_q.set_when(valid_q, quire::add(&m, quire_q.q().gate(first_q.not()), terms, division));
    let seen_q = m.register("special_seen_q", unsigned(1)).without_reset();
    seen_q.set_when(valid_q, special_q.or(seen_q.q().gate(first_q.not())));
    let quire = Finished { quire: quire_q.q(), special: seen_q.q(), mode: mode_q, hand };
    pe.results(&m, quire);
    m.finish()
}

/// The fields of a decoded word: significands, distances of lanes 0 to 3, special.
fn fields<'m>(decoded: Signal<'m>) -> (Signal<'m>, [Signal<'m>; 4], Signal<'m>) {
    let mut lsb = WORD_BITS;
    let distances = DISTANCE_BITS.map(|width| {
        lsb += width;
        decoded.slice(lsb - width, width)
    });
    (decoded.slice(0, WORD_BITS), distances, decoded.msb())
}

/// The distances of the products, and whether lane 0's lies above the quire.
fn distances<'m>(a: [Signal<'m>; 4], w: [Signal<'m>; 4]) -> ([Signal<'m>; 4], Signal<'m>) {
    let whole = a[0].as_signed().add(w[0].as_signed());
    let above = whole.msb();
    // Beyond 127 nothing but the sign is left, as at 127.
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

/// The quire after the last step of a sum, a cycle after `hand` tells so.
struct Finished<'m> {
    quire: Signal<'m>,
    special: Signal<'m>,
    mode: Signal<'m>,
    hand: Signal<'m>,
}

impl RmmecSimd {
    /// The third cycle: the lanes' sums together, and the outputs.
    fn results<'m>(&self, m: &'m ModuleBuilder, finished: Finished<'m>) {
        m.comment("The lanes' sums together.");
        let hand_2_q = m.delay("hand_over_2_q", finished.hand);
        let mode_2_q = hold(m, "mode_2_q", finished.hand, finished.mode);
        let total = quire::total(finished.quire, Division::of(mode_2_q));
        let kept = if self.result.is_some() { QUIRE_BITS } else { self.result_bits };
        let result_q = hold(m, "result_q", hand_2_q, total.truncate(kept));
        let special_q = hold(m, "special_q", hand_2_q, finished.special);
        m.group("Result");
        m.output_with_comment(
            "result_o",
            result_q.truncate(self.result_bits),
            "in units of 2^lsb of the mode",
        );
        m.output_with_comment("special_o", special_q, "met what the quire cannot hold; result_o is open");
        if let Some(Rounded { format, mode }) = &self.result {
            m.comment("Round once.");
            let result_mode_q = hold(m, "result_mode_q", hand_2_q, mode_2_q);
            let number = self.number(m, result_q, special_q, result_mode_q);
            m.output("rounded_o", circuits::encode(m, format, &number, &Rounder::new(m, *mode)));
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
