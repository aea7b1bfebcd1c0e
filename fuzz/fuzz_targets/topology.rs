//! SCALE-Sim's topology files: what is read has shapes that suit their operations.
#![no_main]

use bitmill_model::shapes::scale_sim::{Dataflow, closed_form_cycles, read_topology};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|text: &str| {
    for layer in read_topology(text).unwrap_or_default() {
        layer.macs().expect("a layer that was read is legal");
        closed_form_cycles(&layer, 8, 8, Dataflow::OutputStationary).expect("and has a time");
    }
});
