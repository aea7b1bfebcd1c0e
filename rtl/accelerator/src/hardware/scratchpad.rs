//! Scratchpads: banks of activations that are read at addresses of their own, and line memories for
//! weights and parameters.

use std::sync::Arc;

use bitmill_hdl::unit::Unit;
use bitmill_hdl::{HdlError, Module, ModuleBuilder, Signal, bits_for, unsigned};

use super::load::slice_bits;
use crate::command::fields;
use crate::{Accelerator, Target};

fn ram(accelerator: &Accelerator, target: Target) -> Result<Arc<Module>, HdlError> {
    accelerator.ram(target).expect("a checked geometry has legal memories").module()
}

/// Weights or parameters: one line a read, written a beat at a time.
pub(super) fn lines(accelerator: &Accelerator, target: Target, role: &str) -> Result<Arc<Module>, HdlError> {
    let config = &accelerator.configuration().name;
    let (depth, slices) = (accelerator.lines(target), accelerator.beats_per_line(target));
    let address_bits = accelerator.line_address_bits(target);
    let m = ModuleBuilder::new(
        format!("bitmill_{config}_{role}"),
        format!(
            "{role} scratchpad: {depth} lines of {} bits, written a beat at a time.",
            accelerator.line_bits(target)
        ),
    );
    let ram = ram(accelerator, target)?;
    let width = ram.port("write_data_i").map_or(1, |(_, port)| port.shape.width);
    m.group("Write, one beat");
    let write = m.input("write_i", unsigned(1));
    let write_line = m.input("write_line_i", unsigned(fields::LINE.shape.width));
    let write_slice = m.input("write_slice_i", unsigned(slice_bits(accelerator)));
    let write_data = m.input("write_data_i", unsigned(accelerator.beat_bits()));
    m.group("Read, one line");
    let read = m.input("read_i", unsigned(1));
    let read_line = m.input("read_line_i", unsigned(fields::WEIGHT_LINE.shape.width));
    let [write_address, read_address] = [write_line, read_line].map(|line| line.truncate(address_bits));
    let data = write_data.truncate(width);
    let mut outputs = Vec::new();
    for slice in 0..slices {
        let here = write.and(write_slice.eq_value(slice.into()));
        let inputs = [
            ("write_i", here),
            ("write_address_i", write_address),
            ("write_data_i", data),
            ("read_i", read),
            ("read_address_i", read_address),
        ];
        outputs.push(m.instance(&format!("i_slice_{slice}"), &ram, &inputs).output("read_data_o"));
    }
    m.group("Line that was read, lowest slice first");
    for (slice, output) in outputs.into_iter().enumerate() {
        m.output(&format!("slice_{slice}_o"), output);
    }
    m.finish()
}

/// Activations: a bank for every array row. The load DMA and the postprocessor write, the gatherer and the
/// store DMA read; commands are ordered so that no two of a pair work at once.
pub(super) fn activations(accelerator: &Accelerator) -> Result<Arc<Module>, HdlError> {
    let config = &accelerator.configuration().name;
    let (rows, drain_rows) = (accelerator.rows(), accelerator.drain_rows());
    let (word_bits, slot_bits) = (accelerator.word_bits(), accelerator.word_slot_bits());
    let address_bits = accelerator.line_address_bits(Target::Activations);
    let m = ModuleBuilder::new(
        format!("bitmill_{config}_activations"),
        format!(
            "activation scratchpad: {rows} banks of {} words of {word_bits} bits.",
            accelerator.lines(Target::Activations)
        ),
    );
    m.group("Write by the load DMA, one beat of neighbouring banks");
    let load_write = m.input("load_write_i", unsigned(1));
    let load_line = m.input("load_line_i", unsigned(fields::LINE.shape.width));
    let load_slice = m.input("load_slice_i", unsigned(slice_bits(accelerator)));
    let load_data = m.input("load_data_i", unsigned(accelerator.beat_bits()));
    m.group("Write by the postprocessor, one group of rows");
    let drain_write = m.input("drain_write_i", unsigned(drain_rows));
    let drain_group = m.input("drain_group_i", unsigned(group_bits(accelerator)));
    let drain_line = m.input("drain_line_i", unsigned(fields::OUTPUT_LINE.shape.width));
    let drain_words: Vec<Signal> =
        (0..drain_rows).map(|i| m.input(&format!("drain_word_{i}_i"), unsigned(word_bits))).collect();
    m.group("Read by the store DMA, all banks");
    let store_read = m.input("store_read_i", unsigned(1));
    let store_line = m.input("store_line_i", unsigned(fields::LINE.shape.width));
    m.group("Read by the gatherer, each bank at an address of its own");
    let gathers: Vec<(Signal, Signal)> = (0..rows)
        .map(|bank| {
            let read = m.input(&format!("gather_read_{bank}_i"), unsigned(1));
            (read, m.input(&format!("gather_address_{bank}_i"), unsigned(address_bits)))
        })
        .collect();

    let loading = load_line.truncate(address_bits).named("load_address");
    let draining = drain_line.truncate(address_bits).named("drain_address");
    let storing = store_line.truncate(address_bits).named("store_address");
    let ram = ram(accelerator, Target::Activations)?;
    let words_per_beat = accelerator.words_per_beat();
    let mut outputs = Vec::new();
    for (bank, (gather_read, gather_address)) in (0..rows).zip(gathers) {
        let (slice, place) = (bank / words_per_beat, bank % words_per_beat);
        let loads = load_write.and(load_slice.eq_value(slice.into())).named(&format!("bank_{bank}_loads"));
        let drains = drain_write
            .bit(bank % drain_rows)
            .and(drain_group.eq_value(i128::from(bank / drain_rows)))
            .named(&format!("bank_{bank}_drains"));
        let loaded = load_data.slice(place * slot_bits, word_bits);
        let inputs = [
            ("write_i", loads.or(drains)),
            ("write_address_i", loads.mux(loading, draining)),
            ("write_data_i", loads.mux(loaded, drain_words[(bank % drain_rows) as usize])),
            ("read_i", store_read.or(gather_read)),
            ("read_address_i", store_read.mux(storing, gather_address)),
        ];
        outputs.push(m.instance(&format!("i_bank_{bank}"), &ram, &inputs).output("read_data_o"));
    }
    m.group("Words that were read");
    for (bank, output) in outputs.into_iter().enumerate() {
        m.output(&format!("word_{bank}_o"), output);
    }
    m.finish()
}

/// Bits that number the groups of rows that are drained together.
pub(super) fn group_bits(accelerator: &Accelerator) -> u32 {
    bits_for(u64::from(accelerator.rows() / accelerator.drain_rows()) - 1)
}

/// Bits `lsb .. lsb + width` of a line that is cut into slices, lowest first.
pub(super) fn across<'m>(m: &'m ModuleBuilder, slices: &[Signal<'m>], lsb: u32, width: u32) -> Signal<'m> {
    let slice_width = slices[0].width();
    let (mut parts, mut at) = (Vec::new(), lsb);
    while at < lsb + width {
        let offset = at % slice_width;
        let taken = (slice_width - offset).min(lsb + width - at);
        parts.push(slices[(at / slice_width) as usize].slice(offset, taken));
        at += taken;
    }
    parts.reverse();
    m.concat(&parts)
}
