//! Who may write and who may read the line buffer: the image's counters, and the window of rows that taps look at.

use bitmill_hdl::{ModuleBuilder, Register, Signal, unsigned};

use super::shape::Shape;

/// Counts `0 ..= last` where `step` is set; also whether it steps past `last`.
pub(super) fn count_to<'m>(
    m: &'m ModuleBuilder,
    name: &str,
    step: Signal<'m>,
    last: Signal<'m>,
) -> (Signal<'m>, Signal<'m>) {
    let count = m.register(&format!("{name}_q"), last.shape());
    let is_last = count.q().eq(last).named(&format!("{name}_is_last"));
    count.set_when(step, count.q().increment().gate(is_last.not()));
    (count.q(), step.and(is_last).named(&format!("{name}_ends")))
}

/// The last index along each axis.
#[derive(Clone, Copy)]
pub(super) struct Last<'m> {
    pub row: Signal<'m>,
    pub column: Signal<'m>,
    pub word: Signal<'m>,
}

/// The write side.
pub(super) struct Writer<'m> {
    shape: Shape,
    pub row: Signal<'m>,
    pub column: Signal<'m>,
    pub word: Signal<'m>,
    /// The image takes a word.
    pub ready: Signal<'m>,
    /// The whole image is in.
    full: Register<'m>,
    image_ends: Signal<'m>,
}

impl<'m> Writer<'m> {
    /// `oldest_row` is the row whose taps look.
    pub fn new(
        m: &'m ModuleBuilder,
        shape: &Shape,
        valid: Signal<'m>,
        last: Last<'m>,
        oldest_row: Signal<'m>,
    ) -> Writer<'m> {
        m.comment("An image streams in, as long as its row takes the place of none that taps look at.");
        let full = m.register("image_full_q", unsigned(1));
        let accept = m.wire("accept", unsigned(1));
        let (word, word_ends) = count_to(m, "write_word", accept.value(), last.word);
        let (column, column_ends) = count_to(m, "write_column", word_ends, last.column);
        let (row, image_ends) = count_to(m, "write_row", column_ends, last.row);
        let [above, _] = shape.sampling.reach();
        let width = shape.side_bits().max(7) + 2;
        let written = row.extend(width).add_wrapping(m.lit(width, above.into()));
        let limit = oldest_row.extend(width).add_wrapping(m.lit(width, shape.rows().into()));
        let ready = full.q().not().and(written.lt(limit)).named("image_ready");
        accept.drive(valid.and(ready));
        Writer { shape: *shape, row, column, word, ready, full, image_ends }
    }

    /// Whether the rows that the taps of `row` look at are in.
    pub fn has_window(&self, m: &'m ModuleBuilder, row: Signal<'m>) -> Signal<'m> {
        let [_, below] = self.shape.sampling.reach();
        let width = self.shape.side_bits().max(6) + 1;
        let needed = row.extend(width).add_wrapping(m.lit(width, below.into()));
        self.full.q().or(self.row.extend(width).gt(needed)).named("has_window")
    }

    /// The next image may enter after `left`.
    pub fn finish(self, left: Signal<'m>) {
        self.full.set(self.image_ends.or(self.full.q().and(left.not())));
    }
}
