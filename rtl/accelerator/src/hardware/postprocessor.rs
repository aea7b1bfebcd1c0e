//! Selects a chunk of results (some rows, one block of channels) and requantizes it into activation words.

use std::sync::Arc;

use bitmill_formats::requantize::MULTIPLIER_BITS;
use bitmill_hdl::unit::Unit;
use bitmill_hdl::{HdlError, Module, ModuleBuilder, Signal, signed, unsigned};
use bitmill_units::common::requantizer::{BIAS_BITS, ROUNDING_BITS, SHIFT_BITS};

use super::array::result_port;
use super::drain::block_bits;
use super::scratchpad::{across, group_bits};
use crate::geometry::PARAMETER_BITS;
use crate::{Accelerator, Target};

pub(super) fn module(accelerator: &Accelerator) -> Result<Arc<Module>, HdlError> {
    let (rows, columns, lanes) = (accelerator.rows(), accelerator.columns(), accelerator.lanes());
    let (name, bits) = (&accelerator.configuration().name, accelerator.activation_bits());
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
    if accelerator.blocks_per_tile() == 1 {
        m.ignore(block);
    }
    m.group("Settings of the command");
    let mut settings =
        ["zero_point_i", "low_i", "high_i"].map(|port| (port, m.input(port, signed(bits)))).to_vec();
    if accelerator.requantizer().has_choice() {
        settings.push(("rounding_i", m.input("rounding_i", unsigned(ROUNDING_BITS))));
    }
    m.group("Parameters of the block's channels, in slices");
    let slice_bits = accelerator.beat_bits().min(accelerator.line_bits(Target::Parameters));
    let slices: Vec<Signal> = (0..accelerator.beats_per_line(Target::Parameters))
        .map(|s| m.input(&format!("parameter_{s}_i"), unsigned(slice_bits)))
        .collect();
    let inputs = |prefix: &str, channels: u32| -> Vec<Vec<Signal>> {
        let heading = format!("Results of the {prefix}");
        m.group(&heading);
        let port = |row, channel| {
            let name = result_port(row, channel).replace("result", prefix).replace("_o", "_i");
            m.input(&name, signed(accelerator.accumulator_bits()))
        };
        (0..rows).map(|row| (0..channels).map(|channel| port(row, channel)).collect()).collect()
    };
    let array = inputs("array", columns);
    let vector = inputs("vector", lanes);

    let requantizer = accelerator.requantizer().module()?;
    let mut words = Vec::new();
    for drain_row in 0..accelerator.drain_rows() {
        m.comment(&format!("Row {drain_row} of the group."));
        let mut activations = Vec::new();
        for lane in 0..lanes {
            let accumulator =
                select_result(accelerator, drain_row, lane, is_matrix, block, group, &array, &vector)
                    .named(&format!("accumulator_{drain_row}_{lane}"));
            let base = lane * PARAMETER_BITS;
            let mut connections = vec![
                ("accumulator_i", accumulator),
                ("bias_i", across(&m, &slices, base, BIAS_BITS).as_signed()),
                ("multiplier_i", across(&m, &slices, base + BIAS_BITS, MULTIPLIER_BITS)),
                ("shift_i", across(&m, &slices, base + BIAS_BITS + MULTIPLIER_BITS, SHIFT_BITS)),
            ];
            connections.extend(&settings);
            let instance =
                m.instance(&format!("i_requantizer_{drain_row}_{lane}"), &requantizer, &connections);
            activations.push(instance.output("activation_o").as_unsigned());
        }
        activations.reverse();
        words.push(m.concat(&activations));
    }
    m.group("Words, one for each row of the group");
    for (row, word) in words.into_iter().enumerate() {
        m.output(&format!("word_{row}_o"), word);
    }
    m.finish()
}

fn select_result<'m>(
    accelerator: &Accelerator,
    drain_row: u32,
    lane: u32,
    is_matrix: Signal<'m>,
    block: Signal<'m>,
    group: Signal<'m>,
    array: &[Vec<Signal<'m>>],
    vector: &[Vec<Signal<'m>>],
) -> Signal<'m> {
    let rows: Vec<usize> = (0..accelerator.rows() / accelerator.drain_rows())
        .map(|g| (g * accelerator.drain_rows() + drain_row) as usize)
        .collect();
    let choose = |index: Signal<'m>, items: Vec<Signal<'m>>| {
        if items.len() == 1 { items[0] } else { index.select(&items, items[0]) }
    };
    let blocks = accelerator.blocks_per_tile();
    let from_array: Vec<Signal> = (0..blocks)
        .map(|b| {
            choose(
                group,
                rows.iter().map(|&row| array[row][(b * accelerator.lanes() + lane) as usize]).collect(),
            )
        })
        .collect();
    let from_vector = choose(group, rows.iter().map(|&row| vector[row][lane as usize]).collect());
    is_matrix.mux(choose(block, from_array), from_vector)
}
