//! The pixel whose taps look: its offsets are held while its steps leave, by word, then group of taps.

use bitmill_formats::deformable::Bound;
use bitmill_hdl::{HdlError, ModuleBuilder, Signal, Wire, bits_for, unsigned};

use super::front_end;
use super::line_buffer::{Last, count_to};
use super::points::Place;
use super::shape::{COUNT_BITS, Shape};

/// The pixel whose offsets are held, and the counters of its steps.
pub(super) struct PixelSlot<'m> {
    pub place: Place<'m>,
    pub word: Signal<'m>,
    /// Offsets are taken.
    pub ready: Signal<'m>,
    /// A step goes to the gather.
    pub loads: Signal<'m>,
    /// It is the last of its row, of the image.
    pub row_ends: Signal<'m>,
    pub image_ends: Signal<'m>,
    /// Masks of the step's taps.
    pub step_masks: Option<Signal<'m>>,
    /// Offsets beyond the bound since reset, if there is one.
    pub saturated: Option<Signal<'m>>,
    /// To be driven: the image's last step was read.
    pub drained: Wire<'m>,
}

impl<'m> PixelSlot<'m> {
    /// `may_load` tells whether a step of a row may go to the gather.
    pub fn new(
        m: &'m ModuleBuilder,
        shape: &Shape,
        [valid, offsets]: [Signal<'m>; 2],
        masks: Option<Signal<'m>>,
        last: Last<'m>,
        may_load: impl Fn(Signal<'m>) -> Signal<'m>,
    ) -> Result<PixelSlot<'m>, HdlError> {
        m.comment("The offsets of a pixel, and its steps: by word, then group of taps.");
        let front = m.instance("i_front_end", &front_end::module(shape)?, &[("offsets_i", offsets)]);
        let held = m.register("pixel_valid_q", unsigned(1));
        let draining = m.register("draining_q", unsigned(1));
        let drained = m.wire("drained", unsigned(1));
        let loads = m.wire("loads", unsigned(1));
        let (group, groups_end) = if shape.groups() == 1 {
            (None, loads.value())
        } else {
            let width = bits_for(u64::from(shape.groups()) - 1);
            let last = m.lit(width, u64::from(shape.groups()) - 1);
            let (group, ends) = count_to(m, "group", loads.value(), last);
            (Some(group), ends)
        };
        let (word, pixel_ends) = count_to(m, "word", groups_end, last.word);
        let (column, row_ends) = count_to(m, "column", pixel_ends, last.column);
        let (row, image_ends) = count_to(m, "row", row_ends, last.row);
        loads.drive(held.q().and(draining.q().not()).and(may_load(row)));
        draining.set(image_ends.or(draining.q().and(drained.value().not())));
        let ready = held.q().not().or(pixel_ends).named("offsets_ready");
        let accepts = valid.and(ready).named("offsets_accept");
        held.set(accepts.or(held.q().and(pixel_ends.not())));
        let hold = |name: &str, next: Signal<'m>| {
            let register = m.register(name, next.shape()).without_reset();
            register.set_when(accepts, next);
            register.q()
        };
        let saturated = (shape.sampling.bound != Bound::NONE).then(|| {
            let saturated = m.register("saturated_q", unsigned(COUNT_BITS));
            let more = front.output("saturated_o").extend(COUNT_BITS);
            saturated.set_when(accepts, saturated.q().add_wrapping(more));
            saturated.q()
        });
        let place = Place {
            at: [row, column],
            last: [last.row, last.column],
            group,
            offsets: hold("offsets_q", front.output("offsets_o")),
        };
        let step_masks = masks.map(|masks| {
            let masks = hold("masks_q", masks);
            let width = masks.width() / shape.groups();
            let parts: Vec<Signal> =
                (0..shape.groups()).map(|group| masks.slice(group * width, width)).collect();
            place.of_group(&parts)
        });
        Ok(PixelSlot {
            place,
            word,
            ready,
            loads: loads.value(),
            row_ends,
            image_ends,
            step_masks,
            saturated,
            drained,
        })
    }
}
