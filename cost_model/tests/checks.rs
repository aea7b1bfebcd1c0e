//! The estimate by operators, as technologies without a calibration have it, against circuits that were mapped but took no part
//! in the coefficients.
//!
//! The bounds are what the estimate reaches today, rounded up: a change of the model that makes it worse fails.

use std::sync::Arc;

use bitmill_cost_model::{Technology, estimate};
use bitmill_hdl::{Design, Module, ModuleBuilder, Signal, signed};

/// Largest relative errors of area, delay and energy over all checks of all technologies.
const BOUNDS: [f64; 3] = [0.13, 0.16, 0.20];

#[test]
fn the_estimate_predicts_circuits_that_it_never_saw() {
    let mut worst = [0.0f64; 3];
    for mut technology in Technology::embedded().unwrap() {
        technology.calibration = None;
        for check in &technology.checks {
            let design = Design::new(&circuit(&check.circuit)).unwrap();
            let cost = estimate(&design, &technology);
            let pairs = [
                (cost.total.area_um2(), check.area_um2),
                (cost.longest_path.delay_ns, check.delay_ns),
                (cost.total.active_pj, check.energy_pj),
            ];
            let errors = pairs.map(|(estimated, measured)| estimated / measured - 1.0);
            let [area, delay, energy] = errors.map(|e| format!("{:+.1} %", e * 100.0));
            println!("{} {}: area {area}, delay {delay}, energy {energy}", technology.name, check.circuit);
            for (worst, error) in worst.iter_mut().zip(errors) {
                *worst = worst.max(error.abs());
            }
        }
    }
    for (quantity, (worst, bound)) in ["area", "delay", "energy"].iter().zip(worst.iter().zip(BOUNDS)) {
        assert!(
            *worst <= bound,
            "{quantity}: off by {:.1} %, at most {:.0} % was known",
            worst * 100.0,
            bound * 100.0
        );
    }
}

/// The circuit that `cost_model/measure/operators.py` calls so.
fn circuit(name: &str) -> Arc<Module> {
    let m = ModuleBuilder::new(format!("bitmill_{name}"), "a circuit that was measured.");
    let numbers: Vec<u32> = name.split(['_', 'x']).filter_map(|part| part.parse().ok()).collect();
    let input = |name: String, width| m.input(&name, signed(width));
    let product = |lane: u32, a, b| input(format!("a{lane}_i"), a).mul(input(format!("b{lane}_i"), b));
    let result = match (name.split('_').next(), &numbers[..]) {
        (Some("multiply"), &[a, b]) => product(0, a, b),
        (Some("dot"), &[lanes, a, b]) => {
            m.sum(&(0..lanes).map(|l| product(l, a, b)).collect::<Vec<Signal>>())
        }
        (Some("sum"), &[terms, width]) => {
            m.sum(&(0..terms).map(|t| input(format!("a{t}_i"), width)).collect::<Vec<Signal>>())
        }
        _ => panic!("no circuit is called {name}"),
    };
    m.output("y_o", result);
    m.finish().expect("a legal circuit")
}
