//! Selects a chunk of results (some rows, one block of channels) and requantizes it into activation words. A
//! chunk of pairs goes through pair units first.

use std::sync::Arc;

use bitmill_formats::Family;
use bitmill_formats::requantize::MULTIPLIER_BITS;
use bitmill_hdl::unit::Unit;
use bitmill_hdl::{HdlError, Module, ModuleBuilder, Signal, bits_for, signed, unsigned};
use bitmill_units::common::block_encoder::BlockEncoder;
use bitmill_units::common::requantizer::{BIAS_BITS, BIAS_PLACES_BITS, ROUNDING_BITS};

use super::array::result_port;
use super::by_output;
use super::drain::block_bits;
use super::lookup::Tables;
use super::pairing::Pairing;
use super::scratchpad::{across, group_bits};
use crate::rows::RowUnits;
use crate::{Accelerator, Target, WordLayout};

pub(super) fn module(accelerator: &Accelerator) -> Result<Arc<Module>, HdlError> {
    let (rows, outputs, lanes) = (accelerator.rows(), accelerator.outputs(), accelerator.most_channels());
    let name = &accelerator.configuration().name;
    let bits = accelerator.value_bits();
    let m = ModuleBuilder::new(
        format!("bitmill_{name}_postprocessor"),
        format!("requantizes {} rows by {lanes} channels a cycle.", accelerator.drain_rows()),
    );
    m.group("Chunk");
    let is_matrix =
        m.input_with_comment("is_matrix_i", unsigned(1), "from the array, else from the vector unit");
    let block = m.input("block_i", unsigned(block_bits(accelerator)));
    let group = m.input("group_i", unsigned(group_bits(accelerator)));
    if accelerator.rows() == accelerator.drain_rows() {
        m.ignore(group);
    }
    if accelerator.words().iter().all(|word| accelerator.blocks_per_tile(word) == 1) {
        m.ignore(block);
    }
    m.group("Settings of the command");
    let format = output_port(accelerator)
        .map(|width| m.input_with_comment("output_format_i", unsigned(width), "format of the results"));
    let mut settings =
        ["zero_point_i", "low_i", "high_i"].map(|port| (port, m.input(port, signed(bits)))).to_vec();
    if accelerator.requantizer().has_choice() {
        settings.push(("rounding_i", m.input("rounding_i", unsigned(ROUNDING_BITS))));
    }
    let pairing = accelerator.pair().map(|unit| Pairing::new(&m, accelerator, unit, &settings));
    settings.extend(float_format(&m, accelerator, format).map(|number| ("format_i", number)));
    m.group("Parameters of the block's channels, in slices");
    let slice_bits = accelerator.beat_bits().min(accelerator.line_bits(Target::Parameters));
    let slices: Vec<Signal> = (0..accelerator.beats_per_line(Target::Parameters))
        .map(|s| m.input(&format!("parameter_{s}_i"), unsigned(slice_bits)))
        .collect();
    let inputs = |prefix: &str, channels: u32, bits: u32| -> Vec<Vec<Signal>> {
        let heading = format!("Results of the {prefix}");
        m.group(&heading);
        let port = |row, channel| {
            let name = result_port(row, channel).replace("result", prefix).replace("_o", "_i");
            m.input(&name, signed(bits))
        };
        (0..rows).map(|row| (0..channels).map(|channel| port(row, channel)).collect()).collect()
    };
    let array = inputs("array", outputs, accelerator.accumulator_bits());
    let lane_bits = accelerator.lane_accumulator_bits();
    let vector = accelerator.vector_word().map(|word| inputs("vector", word.channels, lane_bits));
    if vector.is_none() {
        m.ignore(is_matrix);
    }
    let rows = accelerator.row_units().map(|units| RowResults::new(&m, accelerator, units));
    let tables = Tables::new(&m, accelerator);
    let chunk = Chunk { is_matrix, block, group, format, array, vector };

    let requantizer = accelerator.requantizer().module()?;
    let mut words = Vec::new();
    for drain_row in 0..accelerator.drain_rows() {
        m.comment(&format!("Row {drain_row} of the group."));
        let mut activations = Vec::new();
        for lane in 0..lanes {
            let accumulator = select_result(accelerator, drain_row, lane, &chunk);
            let accumulator = match &pairing {
                None => accumulator,
                Some(pairing) => {
                    pairing.join(&m, accelerator, (drain_row, lane), chunk.vector.as_deref(), accumulator)?
                }
            };
            let accumulator = accumulator.extend(accelerator.requantizer().accumulator_bits());
            let accumulator = match &rows {
                None => accumulator,
                Some(rows) => rows.join(drain_row, lane, accumulator),
            };
            let accumulator = accumulator.named(&format!("accumulator_{drain_row}_{lane}"));
            let mut connections = vec![("accumulator_i", accumulator)];
            connections.extend(parameters(&m, accelerator, &slices, lane));
            connections.extend(&settings);
            let instance =
                m.instance(&format!("i_requantizer_{drain_row}_{lane}"), &requantizer, &connections);
            activations.push(instance.output("activation_o"));
        }
        words.push(word(&m, accelerator, drain_row, &activations, format, tables.as_ref())?);
    }
    m.group("Words, one for each row of the group");
    for (row, word) in words.into_iter().enumerate() {
        m.output(&format!("word_{row}_o"), word);
    }
    m.finish()
}

/// Results of the row units, which go around the choice of a chunk.
struct RowResults<'m> {
    is_rows: Signal<'m>,
    /// By row of the group and channel.
    results: Vec<Vec<Signal<'m>>>,
}

impl<'m> RowResults<'m> {
    fn new(m: &'m ModuleBuilder, accelerator: &Accelerator, units: &RowUnits) -> RowResults<'m> {
        m.group("Results of the row units");
        let is_rows = m.input("is_rows_i", unsigned(1));
        let port = |row, lane| m.input(&row_port(row, lane), signed(units.result_bits()));
        let row = |row| (0..units.lanes()).map(|lane| port(row, lane)).collect();
        RowResults { is_rows, results: (0..accelerator.drain_rows()).map(row).collect() }
    }

    /// What the requantizer of channel `lane` takes, drained as row `drain_row` of its group.
    fn join(&self, drain_row: u32, lane: u32, sum: Signal<'m>) -> Signal<'m> {
        let result = self.results[drain_row as usize].get(lane as usize);
        result.map_or(sum, |result| self.is_rows.mux(result.extend(sum.width()), sum))
    }
}

/// Port with the result of a row unit: channel `lane` in row `row` of its group.
pub(super) fn row_port(row: u32, lane: u32) -> String {
    format!("row_result_{row}_{lane}_i")
}

/// The parameters of channel `lane` of the block, by port of its requantizer.
fn parameters<'m>(
    m: &'m ModuleBuilder,
    accelerator: &Accelerator,
    slices: &[Signal<'m>],
    lane: u32,
) -> Vec<(&'static str, Signal<'m>)> {
    let requantizer = accelerator.requantizer();
    let mut fields =
        vec![("bias_i", BIAS_BITS), ("multiplier_i", MULTIPLIER_BITS), ("shift_i", requantizer.shift_bits())];
    if requantizer.is_wide() {
        fields.push(("bias_places_i", BIAS_PLACES_BITS));
    }
    let mut next = lane * accelerator.parameter_bits();
    let mut take = |(port, bits): (&'static str, u32)| {
        let field = across(m, slices, next, bits);
        next += bits;
        (port, if port == "bias_i" { field.as_signed() } else { field })
    };
    fields.into_iter().map(&mut take).collect()
}

/// The requantizer's number of the results' format, where it has several: 0 for integers, else as they come.
fn float_format<'m>(
    m: &'m ModuleBuilder,
    accelerator: &Accelerator,
    format: Option<Signal<'m>>,
) -> Option<Signal<'m>> {
    let requantizer = accelerator.requantizer();
    if requantizer.formats().is_empty() {
        return None;
    }
    let number = |word: &WordLayout| {
        let place = requantizer.formats().iter().position(|format| Some(*format) == word.float());
        place.map_or(0, |place| place as u64 + 1)
    };
    let numbers = by_output(accelerator, number);
    let width = requantizer.format_bits();
    Some(format.map_or_else(|| m.lit(width, numbers[0]), |format| super::choose(m, format, &numbers, width)))
}

/// Width of the port `output_format_i`, if there are several formats.
pub(super) fn output_port(accelerator: &Accelerator) -> Option<u32> {
    let formats = accelerator.words().len() as u64;
    (formats > 1).then(|| bits_for(formats - 1))
}

/// Rows that are drained as `drain_row` of their group, by group.
pub(super) fn rows_of(accelerator: &Accelerator, drain_row: u32) -> Vec<usize> {
    let drain_rows = accelerator.drain_rows();
    (0..accelerator.rows() / drain_rows).map(|group| (group * drain_rows + drain_row) as usize).collect()
}

pub(super) fn choose<'m>(index: Signal<'m>, items: Vec<Signal<'m>>) -> Signal<'m> {
    if items.len() == 1 { items[0] } else { index.select(&items, items[0]) }
}

/// What chooses a result, and what it chooses from.
struct Chunk<'m> {
    is_matrix: Signal<'m>,
    block: Signal<'m>,
    group: Signal<'m>,
    format: Option<Signal<'m>>,
    /// By row and output channel.
    array: Vec<Vec<Signal<'m>>>,
    /// By row and channel.
    vector: Option<Vec<Vec<Signal<'m>>>>,
}

/// The sum of channel `lane` of the chunk's block, in one row of its group.
fn select_result<'m>(accelerator: &Accelerator, drain_row: u32, lane: u32, chunk: &Chunk<'m>) -> Signal<'m> {
    let rows = rows_of(accelerator, drain_row);
    let output = |output: u32| {
        choose(chunk.group, rows.iter().map(|&row| chunk.array[row][output as usize]).collect())
    };
    // A format with fewer channels a word leaves the upper lanes idle: they may take anything.
    let of_word = |word: &WordLayout| {
        let lane = lane.min(word.channels - 1);
        (0..accelerator.blocks_per_tile(word)).map(|block| output(block * word.channels + lane)).collect()
    };
    let words = accelerator.words();
    let same = words.iter().all(|word| word.channels == words[0].channels);
    let from_array = match chunk.format.filter(|_| !same) {
        None => choose(chunk.block, of_word(&words[0])),
        Some(format) => {
            let items: Vec<Signal> = words.iter().map(|word| choose(chunk.block, of_word(word))).collect();
            format.select(&items, items[0])
        }
    };
    let Some(vector) = &chunk.vector else { return from_array };
    let Some(from_vector) = rows.iter().map(|&row| vector[row].get(lane as usize).copied()).collect() else {
        return from_array;
    };
    chunk.is_matrix.mux(from_array, choose(chunk.group, from_vector).extend(from_array.width()))
}

/// The activation word of the requantized integers (or ordinals), in the chosen format. Where there are lookup tables
/// or blocks, all words wait for as long as they take.
fn word<'m>(
    m: &'m ModuleBuilder,
    accelerator: &Accelerator,
    drain_row: u32,
    integers: &[Signal<'m>],
    format: Option<Signal<'m>>,
    tables: Option<&Tables<'m>>,
) -> Result<Signal<'m>, HdlError> {
    let code = |word: &WordLayout, integer: Signal<'m>| {
        let bits = integer.as_unsigned().truncate(word.format.bits());
        match word.float() {
            Some(ordered) => ordered.code_circuit(m, bits),
            None if word.is_bipolar() => integer.msb().not(),
            None => bits,
        }
    };
    let mut words = Vec::new();
    for (number, layout) in accelerator.words().iter().enumerate() {
        let lanes = integers[..layout.channels as usize].iter().rev();
        let later = |word, cycles: u32| {
            let delay = |word, cycle| m.delay_data(&format!("word_{drain_row}_{number}_{cycle}_q"), word);
            (0..cycles).fold(word, delay)
        };
        let word = match layout.block {
            Some(block) => {
                let ordinals: Vec<Signal> =
                    lanes.map(|ordinal| ordinal.as_unsigned().truncate(layout.format.bits())).collect();
                let encoder = BlockEncoder::new(block).module()?;
                let name = format!("i_block_{drain_row}_{number}");
                let word =
                    m.instance(&name, &encoder, &[("ordinals_i", m.concat(&ordinals))]).output("word_o");
                later(word, accelerator.lookup_cycles())
            }
            None => {
                let codes: Vec<Signal> = lanes.map(|&integer| code(layout, integer)).collect();
                match tables.filter(|_| accelerator.vector_word() == Some(layout)) {
                    Some(tables) => {
                        let places = (0..layout.channels).rev().map(|lane| format!("{drain_row}_{lane}"));
                        let entries = places
                            .zip(codes)
                            .map(|(place, code)| tables.look_up(m, accelerator, &place, code))
                            .collect::<Result<Vec<Signal>, HdlError>>()?;
                        later(m.concat(&entries), accelerator.block_cycles())
                    }
                    None => later(m.concat(&codes), accelerator.lookup_cycles() + accelerator.block_cycles()),
                }
            }
        };
        words.push(word.extend(accelerator.word_bits()));
    }
    Ok(format.map_or(words[0], |format| format.select(&words, words[0])))
}
