//! Turns over the pixels of a command, as many at once as rows are drained: what row units and sampler have in common.

use bitmill_hdl::{ModuleBuilder, Signal, unsigned};

use super::scratchpad::group_bits;
use crate::command::fields;
use crate::{Accelerator, Field};

/// The rows of a line of activations that take part in a turn.
pub(super) struct Groups<'m> {
    /// A turn begins with the next cycle.
    pub begins: Signal<'m>,
    /// The command's last turn ends.
    pub ends_all: Signal<'m>,
    /// The turn is the last of its line of activations.
    pub is_last_of_line: Signal<'m>,
    /// Which rows of the line take part.
    pub group: Signal<'m>,
    /// Pixels from this turn on.
    pub remaining: Signal<'m>,
    start: Signal<'m>,
    /// The next turn's numbers take the place of this one's.
    restarts: Signal<'m>,
}

/// The line of a turn's pixels in the first channel block of a tensor.
pub(super) struct TurnLine<'m> {
    /// Of the turn that follows, in the last cycle before it.
    pub next: Signal<'m>,
    /// Of the turn.
    pub now: Signal<'m>,
}

impl<'m> Groups<'m> {
    /// The groups of a command that `start`s, where each turn but the first begins when the one before `ends`.
    pub fn new(
        m: &'m ModuleBuilder,
        accelerator: &Accelerator,
        words: &[Signal<'m>],
        start: Signal<'m>,
        ends: Signal<'m>,
    ) -> Groups<'m> {
        m.comment("Turns: groups of rows, as far as they hold pixels.");
        let restarts = start.or(ends);
        let (shape, drain_rows) = (fields::PIXELS.shape, accelerator.drain_rows());
        let remaining_q = m.register("remaining_q", shape).without_reset();
        let at_once = m.constant(shape, drain_rows.into());
        let fewer = remaining_q.q().sub_wrapping(at_once);
        remaining_q.set_when(restarts, start.mux(fields::PIXELS.of(words), fewer));
        let is_last = remaining_q.q().le(at_once).named("is_last_turn");
        let group_q = m.register("group_q", unsigned(group_bits(accelerator))).without_reset();
        let most = i128::from(accelerator.rows() / drain_rows) - 1;
        let is_last_of_line = group_q.q().eq_value(most).named("is_last_of_line");
        let first_group = m.lit(group_q.q().width(), 0);
        group_q.set_when(restarts, start.or(is_last_of_line).mux(first_group, group_q.q().increment()));
        Groups {
            begins: start.or(ends.and(is_last.not())).named("turn_begins"),
            ends_all: ends.and(is_last),
            is_last_of_line,
            group: group_q.q(),
            remaining: remaining_q.q(),
            start,
            restarts,
        }
    }

    /// The lines of a tensor whose first line is `field` of the command.
    pub fn line(
        &self,
        m: &'m ModuleBuilder,
        words: &[Signal<'m>],
        name: &str,
        field: &Field,
    ) -> TurnLine<'m> {
        let first_q = m.register(&format!("first_{name}_q"), field.shape).without_reset();
        let of_command = field.of(words);
        let next = first_q.q().add_wrapping(self.is_last_of_line.extend(field.shape.width));
        let next = self.start.mux(of_command, next).named(&format!("next_first_{name}"));
        first_q.set_when(self.restarts, next);
        TurnLine { next, now: first_q.q() }
    }

    /// Whether the pixel in row `row` of the group exists.
    pub fn exists(&self, m: &'m ModuleBuilder, row: u32) -> Signal<'m> {
        self.remaining.gt(m.constant(fields::PIXELS.shape, row.into()))
    }
}

/// Lines of a channel block: a block further is as many lines further as the command has lines of pixels.
pub(super) fn block_stride<'m>(
    m: &'m ModuleBuilder,
    accelerator: &Accelerator,
    words: &[Signal<'m>],
) -> Signal<'m> {
    let rows = accelerator.rows();
    let pixels = words[fields::PIXELS.word].slice(fields::PIXELS.lsb, fields::PIXELS.shape.width);
    let rounded = pixels.add(m.lit(pixels.width(), u64::from(rows) - 1)).shr(rows.ilog2());
    rounded.resize(fields::INPUT_LINE.shape.width).named("block_stride")
}
