//! Networks drawn at random on accelerators drawn at random, in the interpreter: the circuit does what the simulator
//! predicts, to the cycle and to the bit, or the lowering says what there is too little of.
//!
//! `BITMILL_FULL` draws ten times as many; `BITMILL_SEED` draws again what failed.

mod draw;

use bitmill_hdl::unit::Random;
use bitmill_sim::{Keep, SimulationError};
use bitmill_testbenches::accelerator::{Engine, Verification, VerificationError};

/// Draws one case and runs it; `None` where the network does not fit the accelerator.
fn check(seed: u64) -> Option<u64> {
    let mut random = Random::new(seed);
    let bits = if random.one_in(3) { 4 } else { 8 };
    let (accelerator, yaml) = draw::accelerator(&mut random, bits);
    let network = draw::network(&mut random, &accelerator, bits as u8);
    let verification = Verification {
        top: accelerator.module().unwrap_or_else(|error| panic!("seed {seed}: {error}\n{yaml}")),
        accelerator: &accelerator,
        network: &network,
        input: &draw::input(&mut random, &network),
        keep: if random.one_in(2) { Keep::Every } else { Keep::Output },
        waves: None,
    };
    match verification.run(&Engine::Interpreter, &mut |_, _| ()) {
        Ok(verdict) => Some(verdict.cycles),
        Err(VerificationError::Simulation(
            error @ (SimulationError::Activations { .. }
            | SimulationError::Tile { .. }
            | SimulationError::Unsupported { .. }),
        )) => {
            println!("seed {seed}: {error}");
            None
        }
        Err(error) => panic!("seed {seed}: {error}\n{yaml}{:#?}", network.graph().layers()),
    }
}

#[test]
fn drawn_networks_run_as_predicted() {
    if let Ok(seed) = std::env::var("BITMILL_SEED") {
        println!("{:?} cycles", check(seed.parse().expect("a seed is a number")));
        return;
    }
    let cases = if std::env::var_os("BITMILL_FULL").is_some() { 400 } else { 40 };
    let cycles: Vec<u64> = (0..cases).filter_map(check).collect();
    let all: u64 = cycles.iter().sum();
    println!("{} of {cases} networks fit and ran as predicted, {all} cycles in all", cycles.len());
    assert!(2 * cycles.len() > cases as usize, "most fit");
}
