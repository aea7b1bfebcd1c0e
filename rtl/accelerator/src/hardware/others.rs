//! The units beside the array that take commands of their own, row units, sampler and what joins results, and what they share with it: the
//! start of commands, the activations' ports, and the path of results.

use std::sync::Arc;

use bitmill_hdl::{HdlError, InstanceHandle, Module, ModuleBuilder, Signal, Wire, unsigned};

use super::memory_side::MemorySide;
use super::{residual, rows, sampler};
use crate::Accelerator;
use crate::command::{Opcode, fields};

/// The units that there are.
pub(super) struct Others<'m> {
    pub row_units: Option<Side<'m>>,
    pub sampler: Option<Side<'m>>,
    pub residual: Option<Side<'m>>,
}

/// A unit that takes commands of its own and reads lines of activations.
pub(super) struct Side<'m> {
    pub unit: InstanceHandle<'m>,
    /// The command at the head of the queue is its own.
    pub is_its: Signal<'m>,
    /// The line of activations that was read.
    line: Vec<Wire<'m>>,
}

impl<'m> Side<'m> {
    /// Hands it the line that was read.
    pub fn read_line(&self, line: &[Signal<'m>]) {
        self.line.iter().zip(line).for_each(|(wire, word)| wire.drive(*word));
    }
}

/// The unit that runs the commands of `opcode`, as `module`, which reads `words` of them. Its lines are named `line`.
fn beside<'m>(
    m: &'m ModuleBuilder,
    accelerator: &Accelerator,
    queues: &MemorySide<'m>,
    opcode: Opcode,
    module: &Arc<Module>,
    words: &[usize],
    line: &str,
) -> Side<'m> {
    let (place, name) = (fields::OPCODE, opcode.name());
    let code = queues.compute_words[place.word].slice(place.lsb, place.shape.width);
    let is_its = code.eq_value(opcode.code().into()).named(&format!("is_{name}"));
    let start = queues.compute_start.and(is_its).named(&format!("{name}_start"));
    let unit = m.instance(&format!("i_{name}"), module, &[("start_i", start)]);
    for &index in words {
        unit.input(&format!("word_{index}_i"), queues.compute_words[index]);
    }
    unit.reset_when(queues.reset);
    let wire = |row: u32| {
        let wire = m.wire(&format!("{line}_{row}"), unsigned(accelerator.word_bits()));
        unit.input(&format!("line_word_{row}_i"), wire.value());
        wire
    };
    Side { unit, is_its, line: (0..accelerator.rows()).map(wire).collect() }
}

impl<'m> Others<'m> {
    pub fn new(
        m: &'m ModuleBuilder,
        accelerator: &Accelerator,
        queues: &MemorySide<'m>,
    ) -> Result<Others<'m>, HdlError> {
        let mut others = Others { row_units: None, sampler: None, residual: None };
        if let Some(units) = accelerator.row_units() {
            m.comment("Row units: a command is theirs or array's and vector unit's.");
            let module = rows::module(accelerator, units)?;
            let side = beside(m, accelerator, queues, Opcode::Rows, &module, &rows::WORDS, "line_word");
            others.row_units = Some(side);
        }
        if let Some(sampler) = accelerator.sampler() {
            m.comment("Sampler: its commands are those of deformable convolutions.");
            let module = sampler::module(accelerator, sampler)?;
            let side = beside(m, accelerator, queues, Opcode::Sample, &module, &sampler::WORDS, "told_word");
            others.sampler = Some(side);
        }
        if let Some((pair, requantizer)) = residual::units(accelerator) {
            m.comment(
                "Residuals: a command of theirs says what the results of the next one are joined with.",
            );
            let module = residual::module(accelerator, pair, requantizer)?;
            let side =
                beside(m, accelerator, queues, Opcode::Residual, &module, &residual::WORDS, "other_word");
            side.unit.input("run_start_i", queues.run_start);
            others.residual = Some(side);
        }
        Ok(others)
    }

    fn all(&self) -> impl Iterator<Item = &Side<'m>> {
        [&self.row_units, &self.sampler, &self.residual].into_iter().flatten()
    }

    /// Ties what joins results with a tensor to sequencer and drain.
    pub fn join_results(&self, sequencer: InstanceHandle<'m>, drain: InstanceHandle<'m>) {
        let Some(Side { unit, .. }) = &self.residual else { return };
        let active = unit.output("active_o");
        sequencer.input("residual_i", active);
        sequencer.input("pause_i", unit.output("read_o"));
        drain.input("residual_i", active);
        for port in ["tile_done", "tile_blocks", "group_ends"] {
            unit.input(&format!("{port}_i"), sequencer.output(&format!("{port}_o")));
        }
        for port in ["block", "group"] {
            unit.input(&format!("{port}_i"), drain.output(&format!("{port}_o")));
        }
        unit.input("array_done_i", drain.output("done_o"));
    }

    /// Hands each unit the line that was read, and the sampler the banks' words.
    pub fn read(&self, line: &[Signal<'m>], banks: &[Wire<'m>]) {
        self.all().for_each(|side| side.read_line(line));
        for (bank, word) in banks.iter().enumerate() {
            if let Some(sampler) = &self.sampler {
                sampler.unit.input(&format!("bank_word_{bank}_i"), word.value());
            }
        }
    }

    /// Whether one of them runs a command, or array and vector unit do.
    pub fn running(&self, array: Signal<'m>) -> Signal<'m> {
        self.all().fold(array, |running, side| running.or(side.unit.output("running_o")))
    }

    /// Whether a command of the array or the vector unit starts.
    pub fn array_starts(&self, m: &'m ModuleBuilder, queues: &MemorySide<'m>) -> Signal<'m> {
        let theirs: Vec<Signal> = self.all().map(|side| side.is_its).collect();
        match theirs[..] {
            [] => queues.compute_start,
            _ => queues.compute_start.and(m.any(&theirs).not()).named("array_starts"),
        }
    }

    /// Whether a line of activations is read, and which: the ports on which the store DMA reads whole lines serve these
    /// units as well.
    pub fn line_read(&self, read: Signal<'m>, line: Signal<'m>) -> (Signal<'m>, Signal<'m>) {
        self.all().fold((read, line), |(read, line), Side { unit, .. }| {
            let [reads, own] = ["read_o", "line_o"].map(|port| unit.output(port));
            (read.or(reads), reads.mux(own, line))
        })
    }

    /// Whether the command is done, where another unit than `others` may be.
    pub fn done(&self, others: Signal<'m>) -> Signal<'m> {
        self.residual.as_ref().map_or(others, |residual| others.or(residual.unit.output("done_o")))
    }

    /// What a bank's read port is told at `port`, where the gatherer says `gathered`.
    pub fn gathered(&self, port: &str, gathered: Signal<'m>) -> Signal<'m> {
        let sampler = self.sampler.as_ref();
        sampler.map_or(gathered, |sampler| sampler.is_its.mux(sampler.unit.output(port), gathered))
    }

    /// The words that are written: joined with a tensor, if that is asked for. Samples do not go through the requantizers.
    pub fn written(&self, requantized: &[Signal<'m>]) -> Vec<Signal<'m>> {
        let join = |row: u32, word: Signal<'m>| {
            let Some(residual) = &self.residual else { return word };
            residual.unit.input(&format!("sum_{row}_i"), word);
            residual.unit.output(&format!("joined_{row}_o"))
        };
        let word = |(row, word): (u32, &Signal<'m>)| {
            let word = join(row, *word);
            let sampler = self.sampler.as_ref();
            let sample = |side: &Side<'m>| side.unit.output(&sampler::sample_port(row));
            sampler.map_or(word, |side| side.is_its.mux(sample(side), word))
        };
        (0..).zip(requantized).map(word).collect()
    }
}

/// Who says where results go: the drain, or another unit in a command of its own.
pub(super) struct Results<'a, 'm> {
    pub drain: InstanceHandle<'m>,
    pub others: &'a Others<'m>,
}

impl<'m> Results<'_, 'm> {
    /// What is said at `port`.
    pub fn output(&self, port: &str) -> Signal<'m> {
        let drained = self.drain.output(port);
        let rows = self.others.row_units.as_ref();
        let said = rows.map_or(drained, |units| units.is_its.mux(units.unit.output(port), drained));
        // The sampler needs no parameters.
        let sampler = self.others.sampler.as_ref().filter(|_| !port.starts_with("parameter"));
        sampler.map_or(said, |sampler| sampler.is_its.mux(sampler.unit.output(port), said))
    }
}
