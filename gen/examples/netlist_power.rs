//! The energy of mapped netlists under random operands, for `cost_model/measure/designs.py`.
//!
//!     cargo run -p bitmill --example netlist_power -- LIBRARY.lib … < netlists
//!
//! Each line of the input names a file as `cost_model/measure/synthesise.py` writes it. The answer is a line of three
//! numbers: energy in pJ of a cycle in which every input but clock and reset is random, energy in pJ of a cycle in which only the
//! clock moves, and leakage in nW. Outputs of cells that the library does not have (memories) are random, too.

use std::error::Error;
use std::io::{BufRead, stdin};

use bitmill_cost_model::liberty::{Activity, Library, Netlist, Stimulus, power};
use serde_json::Value;

/// Cycles before registers have forgotten their random beginning, and cycles that are counted, in each of 64 runs.
const SETTLING: usize = 16;
const CYCLES: usize = 32;

fn main() -> Result<(), Box<dyn Error>> {
    let texts = std::env::args().skip(1).map(std::fs::read_to_string).collect::<Result<Vec<String>, _>>()?;
    let library = Library::read(texts.iter().map(String::as_str))?;
    for path in stdin().lock().lines() {
        let [active_pj, clock_pj, leakage_nw] = measured(&library, &std::fs::read_to_string(path?)?)?;
        println!("{active_pj:.6} {clock_pj:.6} {leakage_nw:.6}");
    }
    Ok(())
}

fn measured(library: &Library, text: &str) -> Result<[f64; 3], Box<dyn Error>> {
    let found: Value = serde_json::from_str(text)?;
    let lacks = |what: &str| format!("a netlist without {what}");
    let ports = found["ports"].as_object().ok_or_else(|| lacks("ports"))?;
    let nets = |bits: &Value| -> Vec<usize> { bits.as_array().into_iter().flatten().map(net).collect() };
    let port = |name: &str| ports.get(name).and_then(|port| nets(&port[1]).first().copied());
    let (clock, reset) = (port("clk_i"), port("rst_ni"));
    let mut inputs: Vec<usize> =
        ports.values().filter(|port| port[0] == "input").flat_map(|port| nets(&port[1])).collect();
    let mut cells: Vec<(&str, Vec<(&str, usize)>)> = Vec::new();
    let mut foreign: Vec<usize> = Vec::new();
    for cell in found["cells"].as_array().ok_or_else(|| lacks("cells"))? {
        let name = cell[0].as_str().ok_or_else(|| lacks("names of cells"))?;
        let pins = cell[1].as_object().ok_or_else(|| lacks("pins"))?;
        if library.find(name).is_some() {
            let connected = pins.iter().filter_map(|(pin, bits)| Some((pin.as_str(), *nets(bits).first()?)));
            cells.push((name, connected.collect()));
        } else {
            foreign.extend(pins.values().flat_map(nets));
        }
    }
    let driven = driven(library, &cells);
    inputs.extend(foreign.into_iter().filter(|net| *net > 1 && !driven.contains(net)));
    inputs.sort_unstable();
    inputs.dedup();
    let netlist = Netlist::new(library, cells, inputs, &[])?;
    let stimulus = |net: usize| match net {
        _ if Some(net) == clock => Stimulus::Clock,
        _ if Some(net) == reset => Stimulus::Held(true),
        _ => Stimulus::Random,
    };
    let mut state = 1u64;
    let activity = netlist.simulate(stimulus, SETTLING, CYCLES, || random(&mut state));
    let active = power(&netlist, &activity);
    let still = (0..netlist.nets).map(|net| if Some(net) == clock { 2.0 } else { 0.0 }).collect();
    let idle = power(&netlist, &Activity { toggles: still, ones: activity.ones });
    Ok([active.dynamic_pj(), idle.dynamic_pj(), active.leakage_nw])
}

/// Yosys numbers nets from 2; constants stand as text.
fn net(bit: &Value) -> usize {
    bit.as_u64().map_or_else(|| usize::from(bit == "1"), |number| number as usize)
}

/// The nets that outputs of cells drive.
fn driven(library: &Library, cells: &[(&str, Vec<(&str, usize)>)]) -> std::collections::BTreeSet<usize> {
    use bitmill_cost_model::liberty::Direction;
    let outputs = cells.iter().flat_map(|(name, pins)| {
        let kind = library.find(name).map(|cell| &library.cells[cell]);
        pins.iter().filter_map(move |(pin, net)| {
            let kind = kind?;
            (kind.pins[kind.pin(pin)?].direction == Direction::Output).then_some(*net)
        })
    });
    outputs.collect()
}

/// SplitMix64.
fn random(state: &mut u64) -> u64 {
    *state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let mut z = *state;
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}
