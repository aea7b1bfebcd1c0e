//! The energy of every layer of a run, at the prices of a technology.

use bitmill_accelerator::{Accelerator, Activity};
use bitmill_cost_model::{Technology, energy, estimate};
use bitmill_hdl::{Design, HdlError};
use serde_json::{Value, json};

use crate::table::short;

/// Energies of a run; memory outside the accelerator is not in them.
pub struct Energies {
    technology: String,
    /// What is known of their error.
    error: String,
    /// The configuration's clock, or the fastest that the longest path allows.
    clock_mhz: f64,
    /// Of each layer, in nJ: they add up to the run's.
    pub layers_nj: Vec<f64>,
}

impl Energies {
    /// Prices what every layer's activity takes.
    ///
    /// # Errors
    /// Only on our own bugs: the circuits of a legal accelerator are whole.
    pub fn of(
        accelerator: &Accelerator,
        technology: &Technology,
        layers: &[Activity],
    ) -> Result<Energies, HdlError> {
        let cost = estimate(&Design::new(&accelerator.module()?)?, technology);
        let clock_mhz = cost.clock_within_mhz(accelerator.configuration().clock_mhz);
        let nanojoules = |activity: &Activity| energy(&cost, activity, clock_mhz).total_pj() * 1e-3;
        let layers_nj = layers.iter().map(nanojoules).collect();
        Ok(Energies {
            technology: technology.name.clone(),
            error: technology.error_of(|calibration| &calibration.energy),
            clock_mhz,
            layers_nj,
        })
    }

    fn total_nj(&self) -> f64 {
        self.layers_nj.iter().sum()
    }

    /// The run's energy, for people.
    pub fn text(&self) -> String {
        format!(
            "energy        {} µJ ({}) in {} at {} MHz, memory outside not counted; see `bitmill cost`\n",
            short(self.total_nj() * 1e-3),
            self.error,
            self.technology,
            short(self.clock_mhz)
        )
    }

    /// Adds the energies to the report's JSON.
    pub fn add_to(&self, value: &mut Value) {
        value["technology"] = json!(self.technology);
        value["energy_nj"] = json!(self.total_nj());
        value["energy_clock_mhz"] = json!(self.clock_mhz);
        for (index, energy_nj) in self.layers_nj.iter().enumerate() {
            value["layers"][index]["energy_nj"] = json!(energy_nj);
        }
    }
}
