//! Lookup tables behind the requantizers: a function of each element alone.
//!
//! Every lane of every drained row has a copy of the tables, so that all look up at once. A table lies in beats as they
//! came from memory; the high bits of a code choose the beat, the low ones the entry in it.

use bitmill_hdl::unit::Unit;
use bitmill_hdl::{HdlError, ModuleBuilder, Signal, unsigned};

use super::load::slice_bits;
use crate::command::fields;
use crate::{Accelerator, Target};

/// Ports of the tables, which whoever instantiates the postprocessor connects.
pub(super) struct Tables<'m> {
    /// Table of the command, counted from 1; 0 for none.
    lookup: Signal<'m>,
    looks_up: Signal<'m>,
    write: Signal<'m>,
    write_line: Signal<'m>,
    write_slice: Signal<'m>,
    write_data: Signal<'m>,
}

impl<'m> Tables<'m> {
    pub fn new(m: &'m ModuleBuilder, accelerator: &Accelerator) -> Option<Tables<'m>> {
        if accelerator.lookup_tables() == 0 {
            return None;
        }
        m.group("Lookup tables: the one of the command, counted from 1, and a beat that is written");
        let lookup = m.input("lookup_i", fields::LOOKUP.shape);
        let write = m.input("table_write_i", unsigned(1));
        let write_line = m.input("table_line_i", unsigned(fields::LINE.shape.width));
        let write_slice = m.input("table_slice_i", unsigned(slice_bits(accelerator)));
        let write_data = m.input("table_data_i", unsigned(accelerator.beat_bits()));
        if accelerator.lookup_tables() == 1 {
            m.ignore(write_line);
        }
        if accelerator.beats_per_line(Target::Tables) == 1 {
            m.ignore(write_slice);
        }
        let looks_up = lookup.any().named("looks_up");
        Some(Tables { lookup, looks_up, write, write_line, write_slice, write_data })
    }

    /// What `code` becomes a cycle later: its entry in the command's table, or itself where there is none.
    pub fn look_up(
        &self,
        m: &'m ModuleBuilder,
        accelerator: &Accelerator,
        place: &str,
        code: Signal<'m>,
    ) -> Result<Signal<'m>, HdlError> {
        let ram = accelerator.ram(Target::Tables).expect("a checked geometry has legal memories");
        let slot_bits = accelerator.table_slot_bits();
        let beats_log2 = accelerator.beats_per_line(Target::Tables).ilog2();
        let entry_bits = code.width() - beats_log2;
        let tables = accelerator.lookup_tables();
        let number_bits = if tables > 1 { bitmill_hdl::bits_for(u64::from(tables) - 1) } else { 0 };
        let address = |number: Signal<'m>, beat: Signal<'m>| {
            let parts: Vec<Signal> = [(number, number_bits), (beat, beats_log2)]
                .into_iter()
                .filter(|(_, bits)| *bits > 0)
                .map(|(part, bits)| part.truncate(bits))
                .collect();
            match parts.is_empty() {
                true => m.lit(ram.address_bits(), 0),
                false => m.concat(&parts).extend(ram.address_bits()),
            }
        };
        let width = accelerator.beat_bits().min(accelerator.line_bits(Target::Tables));
        let number = self.lookup.sub_wrapping(m.lit(self.lookup.width(), 1));
        let beat = if beats_log2 > 0 { code.slice(entry_bits, beats_log2) } else { code };
        let inputs = [
            ("write_i", self.write),
            ("write_address_i", address(self.write_line, self.write_slice)),
            ("write_data_i", self.write_data.truncate(width)),
            ("read_i", self.looks_up),
            ("read_address_i", address(number, beat)),
        ];
        let line = m.instance(&format!("i_table_{place}"), &ram.module()?, &inputs).output("read_data_o");
        let code_q = m.delay_data(&format!("code_{place}_q"), code);
        let entries: Vec<Signal> =
            (0..1 << entry_bits).map(|entry| line.slice(entry * slot_bits, code.width())).collect();
        let entry = match entry_bits {
            0 => entries[0],
            _ => code_q.truncate(entry_bits).select(&entries, entries[0]),
        };
        Ok(self.looks_up.mux(entry, code_q))
    }
}
