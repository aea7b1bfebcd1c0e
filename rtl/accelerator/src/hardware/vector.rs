//! The vector unit: for every array row, a lane for each channel of the activation word.

use std::sync::Arc;

use bitmill_hdl::unit::Unit;
use bitmill_hdl::{HdlError, Module, ModuleBuilder, Signal, signed, unsigned};
use bitmill_units::pe::lane::LANE_WEIGHT_BITS;

use super::array::result_port;
use crate::{Accelerator, WordLayout};

pub(super) fn module(accelerator: &Accelerator, word: &WordLayout) -> Result<Arc<Module>, HdlError> {
    let (name, rows) = (&accelerator.configuration().name, accelerator.rows());
    let (lanes, bits) = (word.channels, word.bits());
    let m = ModuleBuilder::new(
        format!("bitmill_{name}_vector"),
        format!("channel-by-channel operations on {rows} pixels by {lanes} channels."),
    );
    let lane_module = accelerator.vector_lane().module()?;
    m.group("Control");
    let mut ports = vec!["valid_i", "first_i", "last_i", "maximum_i"];
    if accelerator.vector_lane().pairs() {
        ports.push("pair_i");
    }
    let controls: Vec<(&str, Signal)> =
        ports.into_iter().map(|port| (port, m.input(port, unsigned(1)))).collect();
    m.group("Activations, a word for every row");
    let activations: Vec<Signal> =
        (0..rows).map(|r| m.input(&format!("activation_{r}_i"), unsigned(accelerator.word_bits()))).collect();
    m.group("Weights, one for every channel");
    let weights: Vec<Signal> =
        (0..lanes).map(|l| m.input(&format!("weight_{l}_i"), signed(LANE_WEIGHT_BITS))).collect();
    let mut results = Vec::new();
    for (row, word) in (0..rows).zip(activations) {
        for (lane, weight) in (0..lanes).zip(&weights) {
            let mut inputs = controls.clone();
            inputs
                .extend([("activation_i", word.slice(lane * bits, bits).as_signed()), ("weight_i", *weight)]);
            let instance = m.instance(&format!("i_lane_{row}_{lane}"), &lane_module, &inputs);
            results.push((result_port(row, lane), instance.output("result_o")));
        }
    }
    m.group("Results, row by row");
    for (port, result) in results {
        m.output(&port, result);
    }
    m.finish()
}
