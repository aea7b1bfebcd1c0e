//! One point: where a tap of a pixel looks, as requests to the scratchpad's banks.
//!
//! The tap's pixels and fractions in the first cycle, a register, bank and address of each pixel in the second.

use std::sync::Arc;

use bitmill_hdl::{HdlError, Module, ModuleBuilder, Signal, bits_for, unsigned};
use bitmill_units::engine::deformable_convolution::gather::pack;
use bitmill_units::engine::deformable_convolution::points::Place;

use crate::command::fields;
use crate::hardware::gather::{INDEX, location};
use crate::{Accelerator, Sampler};

/// Bits of a tap's number.
pub(super) const TAP_BITS: u32 = 4;

/// Bits of a bank's number, one at least.
pub(super) fn bank_bits(accelerator: &Accelerator) -> u32 {
    bits_for(u64::from(accelerator.banks()) - 1)
}

/// The circuit, which stands still where `advance_i` is 0.
pub(super) fn module(accelerator: &Accelerator, sampler: &Sampler) -> Result<Arc<Module>, HdlError> {
    let (shape, side_bits) = (sampler.shape(), sampler.shape().side_bits());
    let m = ModuleBuilder::new(
        format!("bitmill_{}_point", accelerator.configuration().name),
        "where a tap of a pixel looks.\nRequests follow by 1 cycle.",
    );
    let advance = m.input_with_comment("advance_i", unsigned(1), "time stands still where it is 0");
    m.group("Pixel and tap");
    let exists = m.input("exists_i", unsigned(1));
    let at = ["row_i", "column_i"].map(|port| m.input(port, unsigned(side_bits)));
    let tap = m.input("tap_i", unsigned(TAP_BITS));
    let offset_bits = shape.sampling.offsets.values() as u32 * shape.held_offset_bits();
    let offsets = m.input_with_comment("offsets_i", unsigned(offset_bits), "saturated");
    let masks = shape.mask_width().map(|width| m.input("masks_i", unsigned(9 * width)));
    m.group("Image");
    let sizes = ["height_i", "width_i"].map(|port| m.input(port, fields::INPUT_WIDTH.shape));
    let line = m.input_with_comment("line_i", fields::INPUT_LINE.shape, "first of the block, a cycle later");

    let one = m.constant(fields::INPUT_WIDTH.shape, 1);
    let last = sizes.map(|size| size.sub_wrapping(one).truncate(side_bits));
    let place = Place { at, last, group: Some(tap), offsets };
    let requests = place.requests(&m, shape);
    let hold = |name: &str, next: Signal<'_>| {
        let register = m.register(name, next.shape()).without_reset();
        register.set_when(advance, next);
        register.q()
    };
    let present = hold("present_q", requests.present.and(exists.replicate(shape.corners())));
    let pixels = hold("pixels_q", requests.pixels);
    m.group("Requests, that of the first corner lowest");
    m.output("present_o", present);
    let width = sizes[1].truncate(side_bits + 1);
    let mut rows: Vec<Signal> = Vec::new();
    let (mut banks, mut addresses) = (Vec::new(), Vec::new());
    for corner in 0..shape.corners() {
        let [column, row] = [0, 1].map(|part| pixels.slice((2 * corner + part) * side_bits, side_bits));
        // Both corners of a row begin at the same pixel.
        if corner % 2 == 0 {
            rows.push(row.mul(width).named(&format!("row_begins_{corner}")));
        }
        let begins = rows[corner as usize / 2];
        let pixel = begins.add(column.extend(begins.width())).resize(INDEX.width);
        let [bank, address] =
            location(&m, accelerator, pixel.named(&format!("pixel_{corner}")), line, &corner.to_string());
        banks.push(bank);
        addresses.push(address);
    }
    m.output("banks_o", pack(&m, &banks));
    m.output("addresses_o", pack(&m, &addresses));
    m.group("For the interpolation");
    if let Some(fractions) = requests.fractions {
        m.output_with_comment("fractions_o", hold("fractions_q", fractions), "of the row in the high bits");
    }
    if let Some((masks, width)) = masks.zip(shape.mask_width()) {
        let items: Vec<Signal> = (0..9).map(|tap| masks.slice(tap * width, width)).collect();
        m.output("mask_o", hold("mask_q", tap.select(&items, items[0])));
    }
    m.finish()
}
