//! Where the taps of a turn's pixels look: offsets and masks are read from the scratchpad, a word a cycle, while the pixels'
//! places are counted; then they are saturated and held.

use bitmill_hdl::{HdlError, ModuleBuilder, Signal, bits_for, unsigned};
use bitmill_units::engine::deformable_convolution::front_end;
use bitmill_units::engine::deformable_convolution::gather::pack;
use bitmill_units::engine::deformable_convolution::shape::{ACTIVATION_BITS, OFFSET_BITS};

use super::setting;
use crate::command::fields;
use crate::hardware::groups::Groups;
use crate::hardware::postprocessor::{choose, rows_of};
use crate::{Accelerator, Sampler};

/// Cycles from a turn's beginning to its first tap: each word is there two cycles after it was asked for, and a cycle
/// places a pixel.
pub(super) fn prepare_cycles(accelerator: &Accelerator, sampler: &Sampler) -> u32 {
    let words = sampler.offset_words() + sampler.mask_words();
    (words + 2).max(accelerator.drain_rows())
}

/// What the turn's pixels have been told.
pub(super) struct Deformation<'m> {
    /// A line of activations is read, and which.
    pub reads: Signal<'m>,
    pub line: Signal<'m>,
    /// Everything is there with the next cycle.
    pub ready: Signal<'m>,
    pub pixels: Vec<Pixel<'m>>,
    /// Offsets that saturate, in the cycle of `ready`.
    pub saturated: Signal<'m>,
}

/// One of the turn's pixels.
pub(super) struct Pixel<'m> {
    /// Row and column.
    pub at: [Signal<'m>; 2],
    pub offsets: Signal<'m>,
    pub masks: Option<Signal<'m>>,
}

/// The cycles before the first tap.
struct Phase<'m> {
    preparing: Signal<'m>,
    number: Signal<'m>,
}

impl<'m> Phase<'m> {
    fn is(&self, number: u32) -> Signal<'m> {
        self.preparing.and(self.number.eq_value(number.into()))
    }

    /// Whether it is one of the first `count`.
    fn is_below(&self, m: &'m ModuleBuilder, count: u32) -> Signal<'m> {
        match u64::from(count) >> self.number.width() {
            0 => self.preparing.and(self.number.lt(m.lit(self.number.width(), count.into()))),
            _ => self.preparing,
        }
    }
}

impl<'m> Deformation<'m> {
    /// `line` is the line of activations that was read a cycle ago, a word for each row.
    pub fn new(
        m: &'m ModuleBuilder,
        accelerator: &Accelerator,
        sampler: &Sampler,
        words: &[Signal<'m>],
        groups: &Groups<'m>,
        start: Signal<'m>,
        line: &[Signal<'m>],
    ) -> Result<Deformation<'m>, HdlError> {
        m.comment("Before the first tap: offsets and masks are read, and the pixels' places counted.");
        let last = prepare_cycles(accelerator, sampler) - 1;
        let preparing_q = m.register("preparing_q", unsigned(1));
        let phase_q = m.register("phase_q", unsigned(bits_for(last.into()))).without_reset();
        let phase = Phase { preparing: preparing_q.q(), number: phase_q.q() };
        let ready = phase.is(last).named("ready");
        preparing_q.set_when(groups.begins.or(ready), groups.begins);
        let first = m.lit(phase_q.q().width(), 0);
        phase_q
            .set_when(groups.begins.or(phase.preparing), groups.begins.mux(first, phase_q.q().increment()));

        let (offset_words, mask_words) = (sampler.offset_words(), sampler.mask_words());
        let reads = phase.is_below(m, offset_words + mask_words).named("reads");
        let line_q = m.register("read_line_q", fields::OFFSET_LINE.shape).without_reset();
        let offsets = groups.line(m, words, "offset_line", &fields::OFFSET_LINE);
        let next_block = line_q.q().add_wrapping(setting(words, &fields::CHANNEL_STRIDE));
        let next = if mask_words > 0 {
            let masks = groups.line(m, words, "mask_line", &fields::MASK_LINE);
            phase_q.q().eq_value(i128::from(offset_words) - 1).mux(masks.now, next_block)
        } else {
            next_block
        };
        m.ignore(offsets.now);
        line_q.set_when(groups.begins.or(reads), groups.begins.mux(offsets.next, next));

        let places = places(m, accelerator, sampler, words, start, &phase);
        let (mut pixels, mut beyond) = (Vec::new(), Vec::new());
        for (slot, at) in (0..).zip(places) {
            let candidates = rows_of(accelerator, slot).into_iter().map(|row| line[row]).collect();
            let word = choose(groups.group, candidates).named(&format!("told_{slot}"));
            let (offsets, masks) = told(m, sampler, words, &phase, word, slot);
            let shape = sampler.shape();
            let inputs = [("offsets_i", offsets)];
            let front = m.instance(&format!("i_front_end_{slot}"), &front_end::module(shape)?, &inputs);
            let offsets = front.output("offsets_o");
            let held = m.register(&format!("offsets_{slot}_q"), offsets.shape()).without_reset();
            held.set_when(ready, offsets);
            beyond.push(front.output("saturated_o").gate(groups.exists(m, slot)));
            pixels.push(Pixel { at, offsets: held.q(), masks });
        }
        let saturated = m.sum(&beyond).gate(ready).named("saturated");
        Ok(Deformation { reads, line: line_q.q(), ready, pixels, saturated })
    }
}

/// Row and column of each pixel: a counter goes over the image's pixels, and stands at one for a cycle.
fn places<'m>(
    m: &'m ModuleBuilder,
    accelerator: &Accelerator,
    sampler: &Sampler,
    words: &[Signal<'m>],
    start: Signal<'m>,
    phase: &Phase<'m>,
) -> Vec<[Signal<'m>; 2]> {
    let bits = sampler.shape().side_bits();
    let counter = |name: &str| m.register(name, unsigned(bits)).without_reset();
    let [row_q, column_q] = ["place_row_q", "place_column_q"].map(counter);
    let width = setting(words, &fields::INPUT_WIDTH);
    let is_last = column_q.q().extend(width.width()).increment().eq(width).named("is_last_column");
    let walks = phase.is_below(m, accelerator.drain_rows());
    let moves = start.or(walks);
    let [start_y, start_x] =
        [&fields::START_Y, &fields::START_X].map(|field| setting(words, field).truncate(bits));
    row_q.set_when(moves, start.mux(start_y, row_q.q().add_wrapping(is_last.extend(bits))));
    column_q.set_when(moves, start.mux(start_x, column_q.q().increment().gate(is_last.not())));
    let hold = |slot: u32| {
        [("row", row_q.q()), ("column", column_q.q())].map(|(name, place)| {
            let held = m.register(&format!("{name}_{slot}_q"), unsigned(bits)).without_reset();
            held.set_when(phase.is(slot), place);
            held.q()
        })
    };
    (0..accelerator.drain_rows()).map(hold).collect()
}

/// Offsets (of the front end's width) and masks of a pixel, as the words that hold them arrive: the word after next.
fn told<'m>(
    m: &'m ModuleBuilder,
    sampler: &Sampler,
    words: &[Signal<'m>],
    phase: &Phase<'m>,
    word: Signal<'m>,
    slot: u32,
) -> (Signal<'m>, Option<Signal<'m>>) {
    let (shape, lanes) = (sampler.shape(), sampler.shape().lanes);
    let zero_point = setting(words, &fields::OFFSET_ZERO_POINT).truncate(ACTIVATION_BITS).as_signed();
    let shift = setting(words, &fields::OFFSET_SHIFT);
    let keep = |name: String, first_word: u32, index: u32, value: Signal<'m>| {
        let held = m.register(&name, value.shape()).without_reset();
        held.set_when(phase.is(first_word + index / lanes + 1), value);
        held.q()
    };
    let element = |index: u32| word.slice(index % lanes * ACTIVATION_BITS, ACTIVATION_BITS);
    let offsets: Vec<Signal> = (0..shape.sampling.offsets.values() as u32)
        .map(|index| {
            let offset = element(index).as_signed().sub(zero_point).extend(OFFSET_BITS).shift_left(shift);
            keep(format!("offset_{slot}_{index}_q"), 0, index, offset).as_unsigned()
        })
        .collect();
    let masks = shape.mask_width().map(|width| {
        debug_assert_eq!(width, ACTIVATION_BITS, "a mask takes a whole activation");
        // The least integer stands for 0, and the highest bit for 1.
        let one = m.lit(width, 1 << (width - 1));
        let is_modulated = setting(words, &fields::MODULATED);
        let masks = (0..9).map(|index| {
            let mask = is_modulated.mux(element(index).xor(one), one);
            keep(format!("mask_{slot}_{index}_q"), sampler.offset_words(), index, mask)
        });
        pack(m, &masks.collect::<Vec<_>>())
    });
    (pack(m, &offsets), masks)
}
