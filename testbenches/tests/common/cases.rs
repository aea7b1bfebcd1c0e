//! The catalogue's units with their examples, ready to run.

use std::sync::Arc;

use bitmill_hdl::Module;
use bitmill_hdl::unit::{Mismatch, Random, Unit, Values, compare};
use bitmill_units::catalogue;

/// One example of the catalogue, ready to run.
pub struct Case {
    /// Unit and settings.
    pub label: String,
    /// The unit.
    pub unit: Box<dyn Unit>,
    /// Its circuit.
    pub module: Arc<Module>,
    /// What is applied to it.
    pub stimulus: Vec<Values>,
}

/// Every unit with every example, and stimulus of about `cycles` for it. `BITMILL_UNIT=pe_sherry` narrows them to
/// units whose names start so.
pub fn cases(cycles: usize) -> Vec<Case> {
    let wanted = std::env::var("BITMILL_UNIT").unwrap_or_default();
    let mut cases: Vec<Case> = Vec::new();
    for entry in catalogue().into_iter().filter(|entry| entry.name.starts_with(&wanted)) {
        for example in entry.examples {
            let label = format!("{} {example}", entry.name);
            let unit =
                entry.unit(example.split_whitespace()).unwrap_or_else(|error| panic!("{label}: {error}"));
            let module = unit.module().unwrap_or_else(|error| panic!("{label}: {error}"));
            let mut random = Random::new(cases.len() as u64);
            let stimulus = unit.stimulus(&mut random, cycles);
            cases.push(Case { label, unit, module, stimulus });
        }
    }
    cases
}

/// The number of values that agree, or the first that does not.
pub fn agreement(case: &Case, seen: &[Values], by: &'static str) -> Result<usize, Box<Mismatch>> {
    compare(&case.module, &mut *case.unit.model(), &case.stimulus, seen, by)
}
