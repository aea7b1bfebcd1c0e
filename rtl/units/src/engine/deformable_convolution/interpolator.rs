//! The interpolator of a tap: the weighted mean of four pixels, times a mask, rounded once.
//!
//! Meaning: [`Sampling::sample`](bitmill_formats::deformable::Sampling::sample), for each lane. Timing: see
//! [`latency_cycles`].

use std::sync::Arc;

use bitmill_hdl::{HdlError, Module, ModuleBuilder, Signal, signed, unsigned};

use super::gather::pack;
use super::shape::{ACTIVATION_BITS, Shape};

/// Cycles of the unit's time from the pixels to the sample: they wait in a register; the mean, the product with the
/// mask and the rounding take one more each where there are such.
pub fn latency_cycles(shape: &Shape) -> u32 {
    let (interpolates, masked) = (u32::from(shape.interpolates()), u32::from(shape.mask_width().is_some()));
    1 + interpolates + masked + interpolates.max(masked)
}

/// Whether samples show, from whether the `corners` of their step are there.
pub(super) fn valid<'m>(
    m: &'m ModuleBuilder,
    shape: &Shape,
    advance: Signal<'m>,
    corners: Signal<'m>,
) -> Signal<'m> {
    (1..=latency_cycles(shape)).fold(corners, |flag, cycle| {
        let register = m.register(&format!("valid_{cycle}_q"), unsigned(1));
        register.set_when(advance, flag);
        register.q()
    })
}

/// The weights of the four pixels, in the order of the corners.
fn weights<'m>(m: &'m ModuleBuilder, bits: u32, fractions: Signal<'m>) -> Vec<Signal<'m>> {
    let one = m.lit(bits + 1, 1 << bits);
    let parts = [1, 0].map(|axis| {
        let fraction = fractions.slice(axis * bits, bits).extend(bits + 1);
        [one.sub_wrapping(fraction), fraction]
    });
    let [rows, columns] = parts;
    rows.iter().flat_map(|row| columns.map(|column| row.mul(column).truncate(2 * bits + 1))).collect()
}

/// The circuit: `corners_i` by corner, then lane → `sample_o` by lane.
///
/// # Errors
/// Only on our own bugs: the shape was checked.
pub fn module(shape: &Shape) -> Result<Arc<Module>, HdlError> {
    let (bits, lanes) = (shape.point_bits(), shape.lanes);
    let m = ModuleBuilder::new(
        format!("bitmill_deformable_interpolator_{}", shape.name()),
        format!("sample of a tap, {lanes} lanes.\nLatency {} cycles, interval 1.", latency_cycles(shape)),
    );
    m.group("Control");
    let advance = m.input_with_comment("advance_i", unsigned(1), "time stands still where it is 0");
    m.group("Data");
    let corners = m.input("corners_i", unsigned(shape.corners() * shape.data_bits()));
    let fractions = (bits > 0)
        .then(|| m.input_with_comment("fractions_i", unsigned(2 * bits), "of the row in the high bits"));
    let mask = shape.mask_width().map(|width| m.input("mask_i", unsigned(width)));
    let zero_point = (fractions.is_some() || mask.is_some())
        .then(|| m.input("zero_point_i", unsigned(ACTIVATION_BITS)).as_signed());
    let data = |name: &str, next: Signal<'_>| {
        let register = m.register(name, next.shape()).without_reset();
        register.set_when(advance, next);
        register.q()
    };

    let corners_q = data("corners_q", corners);
    let Some(zero_point) = zero_point else {
        m.output("sample_o", corners_q);
        return m.finish();
    };
    let weights_q: Option<Vec<Signal>> = fractions.map(|fractions| {
        m.comment("Weights of the pixels: products of the fractions.");
        let weights = weights(&m, bits, fractions).into_iter().enumerate();
        weights.map(|(corner, weight)| data(&format!("weight_{corner}_q"), weight)).collect()
    });
    let mut mask = mask.map(|mask| data("mask_q", mask));
    if let (Some(late), Some(_)) = (mask, &weights_q) {
        mask = Some(data("mask_2_q", late));
    }
    let mut samples = Vec::new();
    for lane in 0..lanes {
        let centred = |corner: u32| {
            let lsb = corner * shape.data_bits() + lane * ACTIVATION_BITS;
            corners_q.slice(lsb, ACTIVATION_BITS).as_signed().sub(zero_point)
        };
        let mut value = match &weights_q {
            None => centred(0),
            Some(weights) => {
                let terms = weights.iter().zip(0..).map(|(weight, corner)| {
                    let product = centred(corner).mul(weight.to_signed());
                    product.truncate(ACTIVATION_BITS + 1 + 2 * bits)
                });
                // The weights add up to 2^2F, so that the mean has no more bits than a term.
                let mean = m.sum(&terms.collect::<Vec<_>>()).truncate(ACTIVATION_BITS + 1 + 2 * bits);
                data(&format!("mean_{lane}_q"), mean)
            }
        };
        if let Some(mask) = mask {
            let one = m.lit(mask.width(), 1 << (mask.width() - 1));
            let factor = mask.msb().mux(one, mask).to_signed();
            value = data(&format!("product_{lane}_q"), value.mul(factor));
        }
        let shift = 2 * bits + shape.sampling.mask_bits.unwrap_or(0);
        let half = m.constant(signed(shift + 1), 1 << (shift - 1));
        let rounded = value.add(half).shr(shift).add(zero_point).truncate(ACTIVATION_BITS);
        samples.push(data(&format!("sample_{lane}_q"), rounded).as_unsigned());
    }
    m.output("sample_o", pack(&m, &samples));
    m.finish()
}
