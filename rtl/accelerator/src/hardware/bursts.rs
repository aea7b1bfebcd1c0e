//! Cuts a transfer into bursts; shared by load and store.
//!
//! A burst ends at the longest length that is configured, at the end of the transfer, and at each 4 KiB
//! boundary, which no AXI burst may cross (AMBA AXI specification, A3.4.1).

use bitmill_hdl::{ModuleBuilder, Signal, unsigned};

use super::{ADDRESS_BITS, BURST_BITS};
use crate::Accelerator;
use crate::command::fields;

/// Bytes of the pages that no burst may leave.
pub const PAGE_BYTES: u32 = 4096;

/// Beats of the burst that begins at `address` when `left` beats are to come: what the circuit below does.
pub fn burst_beats(accelerator: &Accelerator, address: u32, left: u64) -> u64 {
    let room = u64::from((PAGE_BYTES - address % PAGE_BYTES) / accelerator.beat_bytes());
    left.min(room).min(accelerator.configuration().memory.burst_beats.into())
}

/// The burst that is asked for next.
pub(super) struct Bursts<'m> {
    /// A burst is wanted.
    pub wanted: Signal<'m>,
    /// Its byte address.
    pub address: Signal<'m>,
    /// Its beats.
    pub beats: Signal<'m>,
}

impl<'m> Bursts<'m> {
    /// `start` takes the transfer of the command `words`; `grant` tells that a burst has been taken over.
    pub fn new(
        m: &'m ModuleBuilder,
        accelerator: &Accelerator,
        words: &[Signal<'m>],
        start: Signal<'m>,
        grant: Signal<'m>,
    ) -> Bursts<'m> {
        m.comment("Beats that are not asked for yet, and where they begin.");
        let width = fields::BEATS.shape.width;
        let beat_log2 = accelerator.beat_bytes().ilog2();
        let page_log2 = PAGE_BYTES.ilog2() - beat_log2;
        let left_q = m.register("unrequested_q", unsigned(width)).without_reset();
        let beat_q = m.register("next_beat_q", unsigned(ADDRESS_BITS - beat_log2)).without_reset();
        let within_page = beat_q.q().truncate(page_log2).extend(page_log2 + 1);
        let room = m.lit(page_log2 + 1, 1 << page_log2).sub_wrapping(within_page).named("page_beats");
        let longest = m.lit(BURST_BITS, accelerator.configuration().memory.burst_beats.into());
        let common = (page_log2 + 1).max(BURST_BITS);
        let limit = minimum(room.extend(common), longest.extend(common)).truncate(BURST_BITS);
        let beats = minimum(left_q.q(), limit.extend(width)).truncate(BURST_BITS).named("burst_beats");
        let after = left_q.q().sub_wrapping(beats.extend(width)).named("unrequested_next");
        left_q.set_when(
            start.or(grant),
            start.mux(words[fields::BEATS.word].slice(fields::BEATS.lsb, width), after),
        );
        let address = words[fields::ADDRESS.word].slice(fields::ADDRESS.lsb + beat_log2, beat_q.q().width());
        let next = beat_q.q().add_wrapping(beats.extend(beat_q.q().width()));
        beat_q.set_when(start.or(grant), start.mux(address, next));
        let wanted_q = m.register("wanted_q", unsigned(1));
        wanted_q.set_when(start.or(grant), start.or(after.any()));
        Bursts { wanted: wanted_q.q(), address: beat_q.q().shl(beat_log2), beats }
    }
}

fn minimum<'m>(a: Signal<'m>, b: Signal<'m>) -> Signal<'m> {
    a.lt(b).mux(a, b)
}
