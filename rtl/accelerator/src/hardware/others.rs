//! The units beside the array that take commands of their own, row units and sampler, and what they share with it: the
//! start of commands, the activations' ports, and the path of results.

use bitmill_hdl::{HdlError, InstanceHandle, ModuleBuilder, Signal, Wire, unsigned};

use super::memory_side::MemorySide;
use super::{residual, rows, sampler};
use crate::Accelerator;
use crate::command::{Opcode, fields};

/// The units that there are.
pub(super) struct Others<'m> {
    pub row_units: Option<RowSide<'m>>,
    pub sampler: Option<SamplerSide<'m>>,
    pub residual: Option<ResidualSide<'m>>,
}

/// The row units' instance.
pub(super) struct RowSide<'m> {
    pub unit: InstanceHandle<'m>,
    /// The command at the head of the queue is theirs.
    pub is_rows: Signal<'m>,
    /// The line of activations that was read.
    pub line: Vec<Wire<'m>>,
}

impl<'m> RowSide<'m> {
    pub fn new(
        m: &'m ModuleBuilder,
        accelerator: &Accelerator,
        queues: &MemorySide<'m>,
    ) -> Result<Option<RowSide<'m>>, HdlError> {
        let Some(units) = accelerator.row_units() else { return Ok(None) };
        m.comment("Row units: a command is theirs or array's and vector unit's.");
        let module = rows::module(accelerator, units)?;
        let (is_rows, unit) = beside(m, queues, Opcode::Rows, &module, &rows::WORDS);
        Ok(Some(RowSide { unit, is_rows, line: line_wires(m, accelerator, unit, "line_word") }))
    }
}

/// The sampler's instance.
pub(super) struct SamplerSide<'m> {
    pub unit: InstanceHandle<'m>,
    /// The command at the head of the queue is its own.
    is_sample: Signal<'m>,
    /// The line of activations that was read.
    line: Vec<Wire<'m>>,
}

impl<'m> SamplerSide<'m> {
    pub fn new(
        m: &'m ModuleBuilder,
        accelerator: &Accelerator,
        queues: &MemorySide<'m>,
    ) -> Result<Option<SamplerSide<'m>>, HdlError> {
        let Some(sampler) = accelerator.sampler() else { return Ok(None) };
        m.comment("Sampler: its commands are those of deformable convolutions.");
        let module = sampler::module(accelerator, sampler)?;
        let (is_sample, unit) = beside(m, queues, Opcode::Sample, &module, &sampler::WORDS);
        Ok(Some(SamplerSide { unit, is_sample, line: line_wires(m, accelerator, unit, "told_word") }))
    }

    /// Hands it the line and the banks' words that were read.
    pub fn read_words(&self, line: &[Signal<'m>], banks: &[Wire<'m>]) {
        self.line.iter().zip(line).for_each(|(wire, word)| wire.drive(*word));
        for (bank, word) in banks.iter().enumerate() {
            self.unit.input(&format!("bank_word_{bank}_i"), word.value());
        }
    }
}

/// The instance that joins results with a tensor.
pub(super) struct ResidualSide<'m> {
    pub unit: InstanceHandle<'m>,
    /// The command at the head of the queue is its own.
    is_residual: Signal<'m>,
    /// The line of activations that was read.
    line: Vec<Wire<'m>>,
}

impl<'m> ResidualSide<'m> {
    pub fn new(
        m: &'m ModuleBuilder,
        accelerator: &Accelerator,
        queues: &MemorySide<'m>,
    ) -> Result<Option<ResidualSide<'m>>, HdlError> {
        let Some((pair, requantizer)) = residual::units(accelerator) else { return Ok(None) };
        m.comment("Residuals: a command of theirs says what the results of the next one are joined with.");
        let module = residual::module(accelerator, pair, requantizer)?;
        let (is_residual, unit) = beside(m, queues, Opcode::Residual, &module, &residual::WORDS);
        Ok(Some(ResidualSide { unit, is_residual, line: line_wires(m, accelerator, unit, "other_word") }))
    }

    /// Ties it to sequencer and drain.
    pub fn follow(&self, sequencer: InstanceHandle<'m>, drain: InstanceHandle<'m>) {
        let active = self.unit.output("active_o");
        sequencer.input("residual_i", active);
        sequencer.input("pause_i", self.unit.output("read_o"));
        drain.input("residual_i", active);
        for port in ["tile_done", "tile_blocks", "group_ends"] {
            self.unit.input(&format!("{port}_i"), sequencer.output(&format!("{port}_o")));
        }
        for port in ["block", "group"] {
            self.unit.input(&format!("{port}_i"), drain.output(&format!("{port}_o")));
        }
        self.unit.input("array_done_i", drain.output("done_o"));
    }

    /// Hands it the line that was read.
    pub fn read_words(&self, line: &[Signal<'m>]) {
        self.line.iter().zip(line).for_each(|(wire, word)| wire.drive(*word));
    }
}

/// Whether the command at the head of the queue is one of `opcode`, and the unit that runs it.
fn beside<'m>(
    m: &'m ModuleBuilder,
    queues: &MemorySide<'m>,
    opcode: Opcode,
    module: &std::sync::Arc<bitmill_hdl::Module>,
    words: &[usize],
) -> (Signal<'m>, InstanceHandle<'m>) {
    let (place, name) = (fields::OPCODE, opcode.name());
    let code = queues.compute_words[place.word].slice(place.lsb, place.shape.width);
    let is_its = code.eq_value(opcode.code().into()).named(&format!("is_{name}"));
    let start = queues.compute_start.and(is_its).named(&format!("{name}_start"));
    let unit = m.instance(&format!("i_{name}"), module, &[("start_i", start)]);
    for &index in words {
        unit.input(&format!("word_{index}_i"), queues.compute_words[index]);
    }
    unit.reset_when(queues.reset);
    (is_its, unit)
}

/// Wires for the line of activations that `unit` reads, a word for each row.
fn line_wires<'m>(
    m: &'m ModuleBuilder,
    accelerator: &Accelerator,
    unit: InstanceHandle<'m>,
    name: &str,
) -> Vec<Wire<'m>> {
    let word = unsigned(accelerator.word_bits());
    let wire = |row: u32| {
        let wire = m.wire(&format!("{name}_{row}"), word);
        unit.input(&format!("line_word_{row}_i"), wire.value());
        wire
    };
    (0..accelerator.rows()).map(wire).collect()
}

impl<'m> Others<'m> {
    /// Whether a command of the array or the vector unit starts.
    pub fn array_starts(&self, m: &'m ModuleBuilder, queues: &MemorySide<'m>) -> Signal<'m> {
        let rows = self.row_units.iter().map(|units| units.is_rows);
        let samples = self.sampler.iter().map(|sampler| sampler.is_sample);
        let residuals = self.residual.iter().map(|residual| residual.is_residual);
        let theirs: Vec<Signal> = rows.chain(samples).chain(residuals).collect();
        match theirs[..] {
            [] => queues.compute_start,
            _ => queues.compute_start.and(m.any(&theirs).not()).named("array_starts"),
        }
    }

    /// Whether a line of activations is read, and which: the ports on which the store DMA reads whole lines serve these
    /// units as well.
    pub fn line_read(&self, read: Signal<'m>, line: Signal<'m>) -> (Signal<'m>, Signal<'m>) {
        let units = self.row_units.iter().map(|units| units.unit);
        let samplers = self.sampler.iter().map(|sampler| sampler.unit);
        let residuals = self.residual.iter().map(|residual| residual.unit);
        units.chain(samplers).chain(residuals).fold((read, line), |(read, line), unit| {
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
        sampler.map_or(gathered, |sampler| sampler.is_sample.mux(sampler.unit.output(port), gathered))
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
            let sample = |side: &SamplerSide<'m>| side.unit.output(&sampler::sample_port(row));
            sampler.map_or(word, |side| side.is_sample.mux(sample(side), word))
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
        let said = rows.map_or(drained, |units| units.is_rows.mux(units.unit.output(port), drained));
        // The sampler needs no parameters.
        let sampler = self.others.sampler.as_ref().filter(|_| !port.starts_with("parameter"));
        sampler.map_or(said, |sampler| sampler.is_sample.mux(sampler.unit.output(port), said))
    }
}
