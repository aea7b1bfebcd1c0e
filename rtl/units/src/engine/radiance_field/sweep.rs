//! The sweep that clears a memory of pixels, a pixel a cycle, before an image.

use bitmill_hdl::{ModuleBuilder, Signal, unsigned};

/// Parameters of a unit that keeps pixels.
pub(super) const PIXEL_BITS: crate::Parameter = crate::Parameter {
    name: "pixel_bits",
    default: "8",
    help: "log2 of the pixels that it keeps, 2 to 16",
    legal: crate::Legal::Numbers(2, 16),
};

/// The sweep, in a circuit.
pub(super) struct Sweep<'m> {
    /// Whether it is under way: nothing else is taken.
    pub busy: Signal<'m>,
    /// The pixel that is cleared.
    pub pixel: Signal<'m>,
}

/// A sweep that `asks` starts, where none is under way.
pub(super) fn sweep<'m>(m: &'m ModuleBuilder, pixel_bits: u32, asks: Signal<'m>) -> Sweep<'m> {
    m.comment("A sweep clears all pixels.");
    let busy = m.register("sweeps_q", unsigned(1));
    let pixel = m.register("swept_q", unsigned(pixel_bits));
    busy.set(busy.q().mux(pixel.q().all().not(), asks));
    pixel.set_when(busy.q(), pixel.q().increment());
    Sweep { busy: busy.q(), pixel: pixel.q() }
}
