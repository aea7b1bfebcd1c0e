//! Gathers one activation word for every array row, each from its own input position.
//!
//! Row r holds the input position of output pixel `group · rows + r` at tap 0. A step adds the tap, drops
//! what lies outside the input (it reads the padding value) and reads the banks; the bank of a pixel is
//! its number modulo the rows, so neighbours lie in different banks. With several banks a row, consecutive
//! lines lie in different ones, so that pixels two or four apart do too. Rows that meet in one bank take
//! turns, lowest row first: a step takes as many cycles as the fullest bank has readers, at least one.
//!
//! Where `array.input_dilation` allows it, the input's positions may lie 2, 4 or 8 apart; what lies between them reads the
//! padding value as well. So a transposed convolution is a convolution.

use std::sync::Arc;

use bitmill_hdl::{HdlError, Module, ModuleBuilder, Register, Shape, Signal, bits_for, signed, unsigned};

use crate::command::{Field, fields};
use crate::{Accelerator, Target, WordLayout};

pub(super) const COORDINATE: Shape = signed(16);
pub(super) const INDEX: Shape = signed(24);
pub(super) const COLUMN: Shape = unsigned(16);

/// Cycles from the step to its operands.
pub(super) const LATENCY_CYCLES: u32 = 2;

/// Fields of the command that move the positions, each its own port.
const SETTINGS: [&Field; 12] = [
    &fields::OUTPUT_WIDTH,
    &fields::WRAP_X,
    &fields::WRAP_Y,
    &fields::WRAP_INDEX,
    &fields::JUMP_COLUMN,
    &fields::JUMP_X,
    &fields::JUMP_Y,
    &fields::JUMP_INDEX,
    &fields::INPUT_WIDTH,
    &fields::INPUT_HEIGHT,
    &fields::PAD_VALUE,
    &fields::INPUT_DILATION,
];

/// Those that this accelerator has.
pub(super) fn settings(accelerator: &Accelerator) -> &'static [&'static Field] {
    if accelerator.most_input_dilation_log2() > 0 { &SETTINGS } else { &SETTINGS[..SETTINGS.len() - 1] }
}

pub(super) fn setting<'m>(inputs: &[Signal<'m>], field: &Field) -> Signal<'m> {
    let index = SETTINGS.iter().position(|f| f.name == field.name).expect("the field is a setting");
    inputs[index]
}

/// A position in the input that moves over output pixels.
#[derive(Clone, Copy)]
pub(super) struct Position<'m> {
    pub column: Signal<'m>,
    pub y: Signal<'m>,
    pub x: Signal<'m>,
    pub index: Signal<'m>,
}

impl<'m> Position<'m> {
    /// The position `columns` output pixels further (and as much as `move_by` says in the input), going
    /// down where the output row ends.
    pub fn advanced(
        self,
        columns: Signal<'m>,
        move_by: Move<'m>,
        settings: &[Signal<'m>],
        name: &str,
    ) -> Self {
        let widen = |field: &Field, shape: Shape| {
            let value = setting(settings, field);
            let value = if value.shape().signed { value } else { value.to_signed() };
            value.resize(shape.width)
        };
        let width = setting(settings, &fields::OUTPUT_WIDTH);
        let column = self.column.add(columns).named(&format!("{name}_column_sum"));
        let wraps = column.ge(width.extend(column.width())).named(&format!("{name}_wraps"));
        let wrapped = column.truncate(COLUMN.width).sub_wrapping(width);
        let back = widen(&fields::WRAP_X, COORDINATE).gate(wraps);
        let down = widen(&fields::WRAP_Y, COORDINATE).gate(wraps);
        let index = widen(&fields::WRAP_INDEX, INDEX).gate(wraps);
        Position {
            column: wraps.mux(wrapped, column.truncate(COLUMN.width)),
            y: self.y.add_wrapping(move_by.y).add_wrapping(down),
            x: self.x.add_wrapping(move_by.x).sub_wrapping(back),
            index: self.index.add_wrapping(move_by.index).add_wrapping(index),
        }
    }
}

/// How far a position moves in the input, before wrapping.
#[derive(Clone, Copy)]
pub(super) struct Move<'m> {
    pub y: Signal<'m>,
    pub x: Signal<'m>,
    pub index: Signal<'m>,
}

struct Row<'m> {
    /// The row reads a word: its pixel exists and its tap lies inside the input.
    reads: Signal<'m>,
    bank: Signal<'m>,
    address: Signal<'m>,
    served_q: Register<'m>,
    grant: Signal<'m>,
}

pub(super) fn module(accelerator: &Accelerator) -> Result<Arc<Module>, HdlError> {
    let (rows, banks) = (accelerator.rows(), accelerator.banks());
    let name = &accelerator.configuration().name;
    let m = ModuleBuilder::new(
        format!("bitmill_{name}_gather"),
        "gathers one activation word for every array row; rows that meet in one bank take turns.\nOperands follow the step by 2 cycles.",
    );
    m.group("Settings of the command");
    let settings: Vec<Signal> =
        settings(accelerator).iter().map(|f| m.input(&format!("{}_i", f.name), f.shape)).collect();
    m.group("Positions at the start of a command, row by row");
    let place = m.input("place_i", unsigned(1));
    let place_row = m.input("place_row_i", unsigned(row_bits(rows)));
    let placed = Position {
        column: m.input("place_column_i", COLUMN),
        y: m.input("place_y_i", COORDINATE),
        x: m.input("place_x_i", COORDINATE),
        index: m.input("place_index_i", INDEX),
    };
    m.group("Step");
    let step = m.input_with_comment("step_i", unsigned(1), "held until step_done_o");
    let jump = m.input_with_comment("jump_i", unsigned(1), "go to the next group of pixels");
    let remaining = m.input_with_comment("remaining_i", fields::PIXELS.shape, "pixels from this group on");
    let base = m.input_with_comment("base_line_i", fields::INPUT_LINE.shape, "line of pixel 0");
    let tap = Move {
        y: m.input("tap_y_i", COORDINATE),
        x: m.input("tap_x_i", COORDINATE),
        index: m.input("tap_index_i", INDEX),
    };
    let mode = mode_port(accelerator).map(|width| {
        m.input_with_comment("mode_i", unsigned(width), "formats of the operands, for the padding")
    });
    m.group("Words from the banks");
    let words: Vec<Signal> =
        (0..banks).map(|b| m.input(&format!("word_{b}_i"), unsigned(accelerator.word_bits()))).collect();

    let mut gathered: Vec<Row> = Vec::new();
    for row in 0..rows {
        m.comment(&format!("Row {row}."));
        let place_here = place.and(place_row.eq_value(row.into()));
        let position = row_position(&m, row, place_here, placed, jump, &settings);
        let exists = remaining.gt(m.constant(fields::PIXELS.shape, row.into()));
        let access = access(&m, accelerator, row, position, tap, base, &settings);
        let reads = exists.and(access.inside).named(&format!("reads_{row}"));
        let served_q = m.register(&format!("served_{row}_q"), unsigned(1));
        let waits = reads.and(served_q.q().not());
        let meets: Vec<Signal> =
            gathered.iter().map(|g| g.reads.and(g.served_q.q().not()).and(g.bank.eq(access.bank))).collect();
        let grant = m.any(&meets).not().and(waits).and(step).named(&format!("grant_{row}"));
        gathered.push(Row { reads, bank: access.bank, address: access.address, served_q, grant });
    }

    m.comment("A step is done when every row that reads has been served.");
    let unserved: Vec<Signal> =
        gathered.iter().map(|g| g.reads.and(g.served_q.q().or(g.grant).not())).collect();
    let step_done = step.and(m.any(&unserved).not()).named("step_done");
    for row in &gathered {
        row.served_q.set_when(step, step_done.not().and(row.served_q.q().or(row.grant)));
    }
    let operands = operands(&m, accelerator, &gathered, step, &words, &settings, mode);
    m.group("Bank reads");
    for bank in 0..banks {
        let chosen: Vec<(Signal, Signal)> =
            gathered.iter().map(|g| (g.grant.and(g.bank.eq_value(bank.into())), g.address)).collect();
        let read: Vec<Signal> = chosen.iter().map(|(here, _)| *here).collect();
        m.output(&format!("gather_read_{bank}_o"), m.any(&read));
        m.output(&format!("gather_address_{bank}_o"), one_hot(&chosen));
    }
    m.group("Step");
    m.output("step_done_o", step_done);
    m.group("Operands");
    for (row, operand) in operands.into_iter().enumerate() {
        m.output(&format!("operand_{row}_o"), operand);
    }
    m.finish()
}

/// Bits that number the rows.
pub(super) fn row_bits(rows: u32) -> u32 {
    bits_for(u64::from(rows) - 1)
}

/// The input position of the row's output pixel at tap 0.
fn row_position<'m>(
    m: &'m ModuleBuilder,
    row: u32,
    place: Signal<'m>,
    placed: Position<'m>,
    jump: Signal<'m>,
    settings: &[Signal<'m>],
) -> Position<'m> {
    let register = |what: &str, shape| m.register(&format!("{what}_{row}_q"), shape).without_reset();
    let [column_q, y_q, x_q] =
        [("column", COLUMN), ("y", COORDINATE), ("x", COORDINATE)].map(|(n, s)| register(n, s));
    let index_q = register("index", INDEX);
    let here = Position { column: column_q.q(), y: y_q.q(), x: x_q.q(), index: index_q.q() };
    let move_by = Move {
        y: setting(settings, &fields::JUMP_Y).to_signed().extend(COORDINATE.width),
        x: setting(settings, &fields::JUMP_X).as_signed(),
        index: setting(settings, &fields::JUMP_INDEX),
    };
    let next =
        here.advanced(setting(settings, &fields::JUMP_COLUMN), move_by, settings, &format!("row_{row}"));
    let moves = place.or(jump);
    column_q.set_when(moves, place.mux(placed.column, next.column));
    y_q.set_when(moves, place.mux(placed.y, next.y));
    x_q.set_when(moves, place.mux(placed.x, next.x));
    index_q.set_when(moves, place.mux(placed.index, next.index));
    here
}

struct Access<'m> {
    inside: Signal<'m>,
    bank: Signal<'m>,
    address: Signal<'m>,
}

/// Where the row's tap lies: inside the input or not, and in which bank and line.
fn access<'m>(
    m: &'m ModuleBuilder,
    accelerator: &Accelerator,
    row: u32,
    position: Position<'m>,
    tap: Move<'m>,
    base: Signal<'m>,
    settings: &[Signal<'m>],
) -> Access<'m> {
    // A negative coordinate, read as unsigned, lies beyond every legal size.
    let within = |at: Signal<'m>, size: &Field| at.lt(setting(settings, size).extend(COORDINATE.width));
    let [y, x] = [(position.y, tap.y), (position.x, tap.x)].map(|(at, by)| at.add_wrapping(by).as_unsigned());
    let inside = within(y, &fields::INPUT_HEIGHT).and(within(x, &fields::INPUT_WIDTH));
    let index = position.index.add_wrapping(tap.index);
    let (inside, pixel) = match accelerator.most_input_dilation_log2() {
        0 => (inside, index),
        most => {
            let log2 = setting(settings, &fields::INPUT_DILATION);
            let between: Vec<Signal> = (0..most)
                .map(|bit| y.bit(bit).or(x.bit(bit)).and(log2.gt(m.lit(log2.width(), bit.into()))))
                .collect();
            let pixels: Vec<Signal> = (0..=most).map(|by| index.shr(by).extend(INDEX.width)).collect();
            (inside.and(m.any(&between).not()), log2.select(&pixels, pixels[most as usize]))
        }
    };
    let pixel = pixel.named(&format!("pixel_{row}"));
    let [bank, address] = location(m, accelerator, pixel.as_unsigned(), base, &row.to_string());
    Access { inside, bank, address }
}

/// Bank and address of the word of `pixel` (a number) in the channel block whose first line is `base`; `name` tells
/// several from each other.
pub(super) fn location<'m>(
    m: &'m ModuleBuilder,
    accelerator: &Accelerator,
    pixel: Signal<'m>,
    base: Signal<'m>,
    name: &str,
) -> [Signal<'m>; 2] {
    let rows_log2 = accelerator.rows().ilog2();
    let line_bits = accelerator.line_address_bits(Target::Activations);
    let line = pixel.slice(rows_log2, INDEX.width - rows_log2).resize(line_bits);
    let line = base.truncate(line_bits).add_wrapping(line).named(&format!("line_{name}"));
    let parts_log2 = accelerator.banks_per_row().ilog2();
    let low = |signal: Signal<'m>, bits: u32| (bits > 0).then(|| signal.truncate(bits));
    let bank: Vec<Signal> = [low(line, parts_log2), low(pixel, rows_log2)].into_iter().flatten().collect();
    let bank =
        if bank.is_empty() { m.lit(1, 0) } else { m.concat(&bank).named(&format!("reads_bank_{name}")) };
    let address = line.slice(parts_log2, accelerator.bank_address_bits()).named(&format!("address_{name}"));
    [bank, address]
}

/// The words as the banks deliver them, a cycle after the grant, kept until the step is complete.
fn operands<'m>(
    m: &'m ModuleBuilder,
    accelerator: &Accelerator,
    rows: &[Row<'m>],
    step: Signal<'m>,
    words: &[Signal<'m>],
    settings: &[Signal<'m>],
    mode: Option<Signal<'m>>,
) -> Vec<Signal<'m>> {
    m.comment("Words arrive a cycle after their grant.");
    let padding = padding(accelerator, setting(settings, &fields::PAD_VALUE), mode).named("padding");
    rows.iter()
        .enumerate()
        .map(|(row, gathered)| {
            let granted_q = m.delay(&format!("granted_{row}_q"), gathered.grant);
            let padded_q = m.delay(&format!("padded_{row}_q"), step.and(gathered.reads.not()));
            let bank_q = m.delay_data(&format!("bank_{row}_q"), gathered.bank);
            let word = if words.len() == 1 { words[0] } else { bank_q.select(words, words[0]) };
            if words.len() == 1 {
                m.ignore(bank_q);
            }
            let operand_q = m.register(&format!("operand_{row}_q"), word.shape()).without_reset();
            operand_q.set_when(granted_q.or(padded_q), padded_q.mux(padding, word));
            operand_q.q()
        })
        .collect()
}

/// Width of the port `mode_i`, if words of padding differ between modes.
pub(super) fn mode_port(accelerator: &Accelerator) -> Option<u32> {
    let words = accelerator.words();
    let same = words.iter().all(|word| (word.bits(), word.channels) == (words[0].bits(), words[0].channels));
    (!same).then(|| accelerator.pe().mode_bits())
}

/// The word that taps outside the input read: the padding's code in every channel.
fn padding<'m>(accelerator: &Accelerator, code: Signal<'m>, mode: Option<Signal<'m>>) -> Signal<'m> {
    let word_of = |word: &WordLayout| {
        code.as_unsigned().truncate(word.bits()).replicate(word.channels).extend(accelerator.word_bits())
    };
    let Some(mode) = mode else { return word_of(&accelerator.words()[0]) };
    let modes = accelerator.modes();
    let most = modes.iter().map(|mode| mode.code).max().unwrap_or(0);
    let word_of_code = |code: u32| {
        let mode = modes.iter().find(|mode| mode.code == code).unwrap_or(&modes[0]);
        word_of(accelerator.word(&mode.activation).unwrap_or(&accelerator.words()[0]))
    };
    let words: Vec<Signal> = (0..=most).map(word_of_code).collect();
    mode.select(&words, words[0])
}

/// The value whose condition holds; at most one does.
fn one_hot<'m>(choices: &[(Signal<'m>, Signal<'m>)]) -> Signal<'m> {
    match choices {
        [(_, only)] => *only,
        [(condition, value), (_, other)] => condition.mux(*value, *other),
        _ => {
            let mut level: Vec<Signal> =
                choices.iter().map(|(condition, value)| value.gate(*condition)).collect();
            while level.len() > 1 {
                level = level.chunks(2).map(|p| if p.len() == 2 { p[0].or(p[1]) } else { p[0] }).collect();
            }
            level[0]
        }
    }
}
