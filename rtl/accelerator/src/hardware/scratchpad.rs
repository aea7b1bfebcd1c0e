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

/// Activations: a bank for every array row, or several, over which consecutive lines are spread. The load DMA and
/// the postprocessor write, the gatherer and the store DMA read; commands are ordered so that no two of a pair
/// work at once.
pub(super) fn activations(accelerator: &Accelerator) -> Result<Arc<Module>, HdlError> {
    let config = &accelerator.configuration().name;
    let (rows, drain_rows) = (accelerator.rows(), accelerator.drain_rows());
    let (word_bits, slot_bits) = (accelerator.word_bits(), accelerator.word_slot_bits());
    let address_bits = accelerator.bank_address_bits();
    let banks = accelerator.banks();
    let ram = ram(accelerator, Target::Activations)?;
    let m = ModuleBuilder::new(
        format!("bitmill_{config}_activations"),
        format!(
            "activation scratchpad: {banks} banks of {} words of {word_bits} bits.",
            accelerator.lines(Target::Activations).div_ceil(accelerator.banks_per_row())
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
    let gathers: Vec<(Signal, Signal)> = (0..banks)
        .map(|bank| {
            let read = m.input(&format!("gather_read_{bank}_i"), unsigned(1));
            (read, m.input(&format!("gather_address_{bank}_i"), unsigned(address_bits)))
        })
        .collect();

    let part_bits = accelerator.banks_per_row().ilog2();
    let [loading, draining, storing] =
        [(load_line, "load_address"), (drain_line, "drain_address"), (store_line, "store_address")]
            .map(|(line, name)| line.slice(part_bits, address_bits).named(name));
    let words_per_beat = accelerator.words_per_beat();
    let mut outputs = Vec::new();
    for (bank, (gather_read, gather_address)) in (0..banks).zip(gathers) {
        let (part, row) = (bank / rows, bank % rows);
        let (slice, place) = (row / words_per_beat, row % words_per_beat);
        let loads = in_part(load_line, part_bits, part, load_write.and(load_slice.eq_value(slice.into())));
        let loads = loads.named(&format!("bank_{bank}_loads"));
        let of_group = drain_group.eq_value(i128::from(row / drain_rows));
        let drains = in_part(drain_line, part_bits, part, drain_write.bit(row % drain_rows).and(of_group));
        let drains = drains.named(&format!("bank_{bank}_drains"));
        let loaded = load_data.slice(place * slot_bits, word_bits);
        let inputs = [
            ("write_i", loads.or(drains)),
            ("write_address_i", loads.mux(loading, draining)),
            ("write_data_i", loads.mux(loaded, drain_words[(row % drain_rows) as usize])),
            ("read_i", store_read.or(gather_read)),
            ("read_address_i", store_read.mux(storing, gather_address)),
        ];
        outputs.push(m.instance(&format!("i_bank_{bank}"), &ram, &inputs).output("read_data_o"));
    }
    m.group("Words that were read");
    for (bank, output) in outputs.iter().enumerate() {
        m.output(&format!("word_{bank}_o"), *output);
    }
    if part_bits > 0 {
        m.comment("The line that the store DMA has read lies in one part of the banks.");
        let part_q = m.register("store_part_q", unsigned(part_bits)).without_reset();
        part_q.set_when(store_read, store_line.truncate(part_bits));
        m.group("Line that the store DMA has read");
        for row in 0..rows as usize {
            let parts: Vec<Signal> = outputs.iter().skip(row).step_by(rows as usize).copied().collect();
            m.output(&line_word_port(accelerator, row), part_q.q().select(&parts, parts[0]));
        }
    }
    m.finish()
}

/// `what`, if `line` lies in this part of the banks.
fn in_part<'m>(line: Signal<'m>, part_bits: u32, part: u32, what: Signal<'m>) -> Signal<'m> {
    if part_bits == 0 { what } else { line.truncate(part_bits).eq_value(part.into()).and(what) }
}

/// Port with a row's word of the line that the store DMA has read: with one bank a row, the bank's own.
pub(super) fn line_word_port(accelerator: &Accelerator, row: usize) -> String {
    if accelerator.banks_per_row() == 1 { format!("word_{row}_o") } else { format!("line_word_{row}_o") }
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
