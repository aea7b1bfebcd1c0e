//! Runs the row units: softmax, GELU or LayerNorm of the channels of each pixel.
//!
//! As many units work side by side as rows are drained at once; a word of each of these rows is read every cycle until
//! the units have a whole row. Each result goes to the requantizers in the cycle in which it leaves its unit, and the
//! next block's parameters are read with it, so that nothing waits: what a command takes is exact, see
//! [`duration`]. It shares scratchpad ports and requantizers with the drain, which rests meanwhile.

use std::sync::Arc;

use bitmill_hdl::{HdlError, Module, ModuleBuilder, Signal, signed, unsigned};

use super::groups::{Groups, block_stride};
use super::postprocessor::{choose, rows_of};
use super::timing::ComputeTiming;
use crate::command::fields;
use crate::rows::{RowCircuit, RowUnits};
use crate::{Accelerator, RowOperator, Rows};

/// Words of the command that it reads.
pub(super) const WORDS: [usize; 5] = [
    fields::OPERATOR.word,
    fields::INPUT_LINE.word,
    fields::ROW_LENGTH.word,
    fields::PIXELS.word,
    fields::OUTPUT_LINE.word,
];

/// Timing of a command, from its start event to its done event.
pub(super) fn duration(accelerator: &Accelerator, command: &Rows) -> ComputeTiming {
    let timing = accelerator.row_units().and_then(|units| units.timing(command.operator));
    let timing = timing.expect("a command asks for a row unit that there is");
    let lanes = accelerator.row_units().map_or(1, RowUnits::lanes);
    let words = command.length.div_ceil(lanes);
    let (rows, drain_rows) = (accelerator.rows(), accelerator.drain_rows());
    let (groups, rest) = (command.pixels / rows, command.pixels % rows);
    let turns = u64::from(groups * (rows / drain_rows) + rest.div_ceil(drain_rows));
    // A cycle to read the first word; the units take it in the next.
    let turn_cycles = 1 + u64::from(timing.row_cycles(words));
    ComputeTiming {
        step_cycles: turns * u64::from(words),
        row_cycles: turns * (turn_cycles - u64::from(words)),
        finish_cycles: 1 + u64::from(accelerator.requantization_cycles()),
        ..ComputeTiming::default()
    }
}

/// Port with the result of channel `lane` in row `row` of its group.
pub(super) fn result_port(row: u32, lane: u32) -> String {
    format!("result_{row}_{lane}_o")
}

pub(super) fn module(accelerator: &Accelerator, units: &RowUnits) -> Result<Arc<Module>, HdlError> {
    let name = &accelerator.configuration().name;
    let (rows, drain_rows) = (accelerator.rows(), accelerator.drain_rows());
    let names: Vec<&str> = units.operators().map(RowOperator::name).collect();
    let m = ModuleBuilder::new(
        format!("bitmill_{name}_rows"),
        format!(
            "runs the row units ({}) on {drain_rows} pixels at once, rows of up to {} channels.",
            names.join(", "),
            units.longest_row()
        ),
    );
    m.group("Command, held until done");
    let start = m.input("start_i", unsigned(1));
    let words = super::command_inputs(&m, &WORDS);
    m.group("Line of activations that was read, a word for each row");
    let line: Vec<Signal> = (0..rows)
        .map(|row| m.input(&format!("line_word_{row}_i"), unsigned(accelerator.word_bits())))
        .collect();

    let result_valid = m.wire("result_valid", unsigned(1));
    let turn = Turns::new(&m, accelerator, units, &words, start, result_valid.value());
    let (valid, results) = unit_results(&m, accelerator, units, &words, &turn, &line)?;
    result_valid.drive(valid);

    let lines = Lines::new(&m, accelerator, &words, start, &turn, valid);
    m.group("To the activations: read");
    m.output("read_o", turn.reads);
    m.output("line_o", lines.input);
    m.group("To the parameters");
    m.output("parameter_read_o", turn.reads_first.or(valid));
    m.output("parameter_line_o", lines.parameters);
    m.group("To the requantizers");
    for (row, results) in (0..).zip(&results) {
        for (lane, result) in (0..).zip(results) {
            m.output(&result_port(row, lane), *result);
        }
    }
    m.comment("The write follows when the results have been requantized.");
    let written: Vec<Signal> =
        (0..drain_rows).rev().map(|row| turn.groups.exists(&m, row).and(valid)).collect();
    let cycles = accelerator.requantization_cycles();
    let write = super::later(&m, "write", m.concat(&written), cycles, true);
    let group = super::later(&m, "group", turn.groups.group, cycles, false);
    let line = super::later(&m, "output_line", lines.output, cycles, false);
    let last = super::later(&m, "final", turn.groups.ends_all, cycles, true);
    m.group("To the activations: write");
    m.output("write_o", write);
    m.output("write_group_o", group);
    m.output("write_line_o", line);
    m.group("Status");
    let done = m.delay("done_q", last);
    let running_q = m.register("running_q", unsigned(1));
    running_q.set_when(start.or(done), start);
    m.output("running_o", running_q.q());
    m.output_with_comment("done_o", done, "one cycle, after the last write");
    m.finish()
}

/// Turns: a row in each unit, from its first word's read to its last result.
struct Turns<'m> {
    /// A word of each row is read.
    reads: Signal<'m>,
    /// It is the first.
    reads_first: Signal<'m>,
    /// The last result of the turn is there.
    ends: Signal<'m>,
    /// The rows that take part.
    groups: Groups<'m>,
}

impl<'m> Turns<'m> {
    fn new(
        m: &'m ModuleBuilder,
        accelerator: &Accelerator,
        units: &RowUnits,
        words: &[Signal<'m>],
        start: Signal<'m>,
        result_valid: Signal<'m>,
    ) -> Turns<'m> {
        let lanes_log2 = units.lanes().ilog2();
        let width = units.length_bits() - lanes_log2;
        let last_word = fields::ROW_LENGTH.of(words).slice(lanes_log2, width).named("last_word");
        let zero = m.lit(width, 0);

        m.comment("Results of the turn.");
        let result_q = m.register("result_word_q", unsigned(width)).without_reset();
        let ends = result_valid.and(result_q.q().eq(last_word)).named("turn_ends");
        let restarts = start.or(ends).named("turn_restarts");
        result_q.set_when(start.or(result_valid), restarts.mux(zero, result_q.q().increment()));

        let groups = Groups::new(m, accelerator, words, start, ends);

        m.comment("A turn begins with its reads.");
        let reading_q = m.register("reading_q", unsigned(1));
        let word_q = m.register("word_q", unsigned(width)).without_reset();
        let reads = reading_q.q();
        let reads_last = reads.and(word_q.q().eq(last_word)).named("reads_last");
        word_q.set_when(restarts.or(reads), restarts.mux(zero, word_q.q().increment()));
        reading_q.set_when(groups.begins.or(reads_last), groups.begins);
        Turns { reads, reads_first: reads.and(word_q.q().eq_value(0)), ends, groups }
    }
}

/// Lines of the word that is read, of the result, and of the parameters that are read.
struct Lines<'m> {
    input: Signal<'m>,
    output: Signal<'m>,
    parameters: Signal<'m>,
}

impl<'m> Lines<'m> {
    fn new(
        m: &'m ModuleBuilder,
        accelerator: &Accelerator,
        words: &[Signal<'m>],
        start: Signal<'m>,
        turn: &Turns<'m>,
        result_valid: Signal<'m>,
    ) -> Lines<'m> {
        m.comment("Lines: a block further is as many lines further as the tensor has groups of pixels.");
        let stride = block_stride(m, accelerator, words);
        let restarts = start.or(turn.ends);
        let walk = |name: &str, field: &crate::Field, steps: Signal<'m>| {
            let first = turn.groups.line(m, words, name, field).next;
            let line_q = m.register(&format!("{name}_q"), field.shape).without_reset();
            line_q.set_when(restarts.or(steps), restarts.mux(first, line_q.q().add_wrapping(stride)));
            line_q.q()
        };
        let input = walk("input_line", &fields::INPUT_LINE, turn.reads);
        let output = walk("output_line", &fields::OUTPUT_LINE, result_valid);
        m.comment(
            "The parameters of the first block are read with the first word, the next with each result.",
        );
        let parameter_q = m.register("parameter_line_q", fields::PARAMETER_LINE.shape).without_reset();
        let first = fields::PARAMETER_LINE.of(words);
        let reads = turn.reads_first.or(result_valid);
        parameter_q.set_when(restarts.or(reads), restarts.mux(first, parameter_q.q().increment()));
        Lines { input, output, parameters: parameter_q.q() }
    }
}

/// Whether the row units show results, and the results by row and lane.
fn unit_results<'m>(
    m: &'m ModuleBuilder,
    accelerator: &Accelerator,
    units: &RowUnits,
    words: &[Signal<'m>],
    turn: &Turns<'m>,
    line: &[Signal<'m>],
) -> Result<(Signal<'m>, Vec<Vec<Signal<'m>>>), HdlError> {
    m.comment("The units, side by side; those of one function keep the same time.");
    let arrives = m.delay("word_arrives_q", turn.reads);
    let operator = fields::OPERATOR.of(words);
    let place = fields::ROW_LENGTH;
    let length = words[place.word].slice(place.lsb, units.length_bits());
    let one = fields::ONE.of(words);
    let row_bits = units.lanes() * units.element_bits();
    let circuits = units.circuits()?;
    if circuits.iter().all(|circuit| circuit.setting.is_none()) {
        m.ignore(one);
    }
    let is_asked =
        |which: RowOperator| operator.eq_value(which as i128).named(&format!("is_{}", which.name()));
    let asked: Vec<Signal> = circuits.iter().map(|circuit| is_asked(circuit.operator)).collect();
    let width = units.result_bits();
    let mut valids = Vec::new();
    let mut results = Vec::new();
    for drain_row in 0..accelerator.drain_rows() {
        let candidates = rows_of(accelerator, drain_row).into_iter().map(|row| line[row]).collect();
        let word =
            choose(turn.groups.group, candidates).truncate(row_bits).named(&format!("row_word_{drain_row}"));
        let mut rows = Vec::new();
        for (RowCircuit { operator, module, setting, is_signed }, asked) in circuits.iter().zip(&asked) {
            let mut inputs = vec![
                ("valid_i", arrives.and(*asked)),
                ("row_i", word),
                ("ready_i", m.bit(true)),
                ("length_i", length),
            ];
            inputs.extend(setting.map(|(port, bits)| (port, one.truncate(bits))));
            let unit = m.instance(&format!("i_{}_{drain_row}", operator.name()), module, &inputs);
            m.ignore(unit.output("ready_o"));
            let valid = unit.output("valid_o");
            if drain_row == 0 {
                valids.push(valid)
            } else {
                m.ignore(valid)
            }
            rows.push(lanes(units, *is_signed, unit.output("row_o"), width));
        }
        let chosen = |lane: usize| {
            let (first, others) = rows.split_first().expect("a section nonlinear names an operator");
            let others = others.iter().zip(&asked[1..]);
            others.fold(first[lane], |rest, (row, asked)| asked.mux(row[lane], rest))
        };
        results.push((0..units.lanes() as usize).map(chosen).collect());
    }
    Ok((m.any(&valids), results))
}

/// The results of a word, widened to what the widest function makes.
fn lanes<'m>(units: &RowUnits, is_signed: bool, row: Signal<'m>, width: u32) -> Vec<Signal<'m>> {
    let bits = row.width() / units.lanes();
    let lane = |lane| {
        let result = row.slice(lane * bits, bits);
        let result = if is_signed { result.as_signed() } else { result.to_signed() };
        result.extend(width)
    };
    (0..units.lanes()).map(lane).inspect(|result| debug_assert!(result.shape() == signed(width))).collect()
}
