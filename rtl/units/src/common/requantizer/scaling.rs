//! The requantizer's pipeline between bias and zero point: multiply, shift, round; see the head of the unit for its
//! constants.

use bitmill_formats::circuits::shift_right_jamming;
use bitmill_formats::requantize::MULTIPLIER_BITS;
use bitmill_hdl::{ModuleBuilder, Signal};

use super::single_precision::round_to_24_bits;

/// Bits of the multiplier's low half; both halves are multiplied at once and added a cycle later.
const LOW_HALF_BITS: u32 = 16;

/// How the value beside it rounds; `None` where no mode needs to know.
#[derive(Clone, Copy)]
pub(super) struct Flags<'m> {
    /// Halves go away from zero, and there are some.
    pub away: Option<Signal<'m>>,
    /// The high word was rounded before.
    pub twice: Option<Signal<'m>>,
    /// Single precision.
    pub single: Option<Signal<'m>>,
}

/// A value on its way through the pipeline, with what has yet to be done to it.
pub(super) struct Scaling<'m> {
    pub value: Signal<'m>,
    pub multiplier: Signal<'m>,
    pub shift: Signal<'m>,
    pub flags: Flags<'m>,
}

impl<'m> Scaling<'m> {
    /// What waits beside the value is a cycle older; `name` says what the value has become.
    fn advance(&mut self, m: &'m ModuleBuilder, name: &str) {
        self.shift = m.delay_data(&format!("{name}_shift_q"), self.shift);
        self.flags.single = self.flags.single.map(|flag| m.delay_data(&format!("{name}_single_q"), flag));
    }

    /// Rounds the value to 24 significant bits where `single` says so: a cycle.
    pub fn round_value(&mut self, m: &'m ModuleBuilder, name: &str, single: Signal<'m>) {
        let rounded = round_to_24_bits(m, &format!("{name}_rounded"), self.value);
        let value = single.mux(rounded, self.value.extend(rounded.width()));
        self.value = m.delay_data(&format!("{name}_single_precision_q"), value);
        self.advance(m, name);
        if name == "accumulator" {
            self.multiplier = m.delay_data("accumulator_multiplier_q", self.multiplier);
            for (flag, what) in [(&mut self.flags.away, "away"), (&mut self.flags.twice, "twice")] {
                *flag = flag.map(|flag| m.delay_data(&format!("accumulator_{what}_q"), flag));
            }
        }
    }

    /// Multiplies by both halves of the multiplier, adds the constant of the rounding, then joins the
    /// halves: two cycles.
    pub fn multiply(&mut self, m: &'m ModuleBuilder) {
        m.comment("Multiply by both halves; the rounding's constant is one more partial product.");
        let multiplier_bits = self.multiplier.width();
        let high = self.multiplier.slice(LOW_HALF_BITS, multiplier_bits - LOW_HALF_BITS);
        let low = self.value.mul(self.multiplier.truncate(LOW_HALF_BITS).to_signed()).named("low_product");
        let high = self.value.mul(high.to_signed()).named("high_product");
        let Flags { away, twice, .. } = self.flags;
        let low = match rounding_constant(m, self.value.msb(), away, twice, MULTIPLIER_BITS - 1) {
            // The zero bit that makes the half signed leaves the product room for the constant.
            Some(constant) => low.add_wrapping(constant.extend(low.width())),
            None => low,
        };
        let low_q = m.delay_data("low_product_q", low);
        let high_q = m.delay_data("high_product_q", high);
        self.advance(m, "halves");
        m.comment("Join the halves.");
        let product = low_q.add(high_q.shl(LOW_HALF_BITS)).truncate(self.value.width() + multiplier_bits);
        self.value = m.delay_data("product_q", product);
        self.advance(m, "joined");
    }

    /// Shifts right and rounds with the last bit that is shifted out, saturating what lies far beyond the
    /// range of `bits`: a cycle, and an addition in the next.
    pub fn shift(&mut self, m: &'m ModuleBuilder, bits: u32) -> Signal<'m> {
        m.comment(
            "Shift right by all but one place, saturated to a width at which the clamp sees no difference.",
        );
        let (shifted, sticky) = match self.flags.single {
            None => (self.value.shl(1).shift_right(self.shift).named("shifted"), None),
            Some(_) => {
                let jammed = shift_right_jamming(m, self.value.shl(2), self.shift).named("jammed");
                (jammed.shr(1), Some(jammed.bit(0)))
            }
        };
        // The result, two bits for the zero point and saturation, and the bit that rounds.
        let kept_bits = bits + 3;
        let above = shifted.slice(kept_bits - 1, shifted.width() - kept_bits + 1);
        let fits = above.all().or(above.any().not()).named("fits");
        let negative = shifted.msb();
        let limit = m.concat(&[negative, negative.not().replicate(kept_bits - 1)]);
        let kept = fits.mux(shifted.as_unsigned().truncate(kept_bits), limit);
        let kept_q = m.delay_data("shifted_q", kept).as_signed();
        m.comment("Round with the last place: halves up, or to even in single precision.");
        let up = match (self.flags.single, sticky) {
            (Some(single), Some(sticky)) => {
                let sticky_q = m.delay_data("sticky_q", sticky);
                let single_q = m.delay_data("shifted_single_q", single);
                m.any(&[single_q.not(), sticky_q, kept_q.bit(1)])
            }
            _ => m.bit(true),
        };
        kept_q.add(up.to_signed()).shr(1).named("scaled")
    }
}

/// −1, ±2^`places` or 0, see the head of the file, for a product of the sign `negative`; `None` where it is 0 in
/// every mode.
pub(in crate::common) fn rounding_constant<'m>(
    m: &'m ModuleBuilder,
    negative: Signal<'m>,
    away: Option<Signal<'m>>,
    twice: Option<Signal<'m>>,
    places: u32,
) -> Option<Signal<'m>> {
    let away = away.map(|away| away.and(negative).named("away_from_zero"));
    let parts = match (away, twice) {
        (None, None) => return None,
        (Some(away), None) => return Some(away.as_signed()),
        (None, Some(twice)) => [twice.and(negative), twice, m.lit(places, 0)],
        (Some(away), Some(twice)) => [away.or(twice.and(negative)), away.or(twice), away.replicate(places)],
    };
    Some(m.concat(&parts).as_signed().named("rounding_constant"))
}
