//! Hardware with all that is known of its cost.

use std::error::Error;

use bitmill_accelerator::Accelerator;
use bitmill_cost_model::{DesignCost, EnergyBreakdown, Technology, energy, estimate};
use bitmill_hdl::Design;
use bitmill_sim::simulate;
use serde_json::{Value, json};

use crate::source::Source;
use crate::workload::Model;

/// An accelerator or a unit with its cost.
pub struct Priced {
    /// Process and cell library.
    pub technology: Technology,
    /// Components.
    pub cost: DesignCost,
    /// Name of the network and the energy of an inference; of accelerators alone.
    pub inference: Option<(String, EnergyBreakdown)>,
    /// Why there is no inference.
    pub note: Option<String>,
}

impl Priced {
    /// Prices `source`. A network that does not run on it is an error only if it `is_wanted`.
    ///
    /// # Errors
    /// A network that was asked for and does not fit.
    pub fn of(
        source: Source,
        technology: &Technology,
        model: &Model,
        is_wanted: bool,
    ) -> Result<Priced, Box<dyn Error>> {
        match source {
            Source::Unit(unit) => Ok(Priced::hardware(&Design::new(&unit.module()?)?, technology)),
            Source::Accelerator(accelerator) => {
                let mut priced = Priced::hardware(&Design::new(&accelerator.module()?)?, technology);
                match priced.inference_of(&accelerator, model) {
                    Ok(breakdown) => priced.inference = Some((model.name.clone(), breakdown)),
                    // The embedded network was nobody's wish: the hardware is priced all the same.
                    Err(error) if !is_wanted => {
                        priced.note =
                            Some(format!("no energy, since the embedded network does not run: {error}"));
                    }
                    Err(error) => return Err(error),
                }
                Ok(priced)
            }
        }
    }

    /// Prices a design, without a run.
    pub fn hardware(design: &Design, technology: &Technology) -> Priced {
        let cost = estimate(design, technology);
        Priced { technology: technology.clone(), cost, inference: None, note: None }
    }

    fn inference_of(
        &self,
        accelerator: &Accelerator,
        model: &Model,
    ) -> Result<EnergyBreakdown, Box<dyn Error>> {
        let network = model.quantized(accelerator)?;
        let (_, _, report) = simulate(accelerator, &network)?;
        let clock_mhz = self.cost.clock_within_mhz(accelerator.configuration().clock_mhz);
        Ok(energy(&self.cost, &report.activity, clock_mhz))
    }

    /// Time of an inference in µs, where there is one.
    pub fn latency_us(&self) -> Option<f64> {
        self.inference.as_ref().map(|(_, run)| run.cycles as f64 / run.clock_mhz)
    }

    /// Everything, for programs.
    ///
    /// # Errors
    /// Only on our own bugs.
    pub fn value(&self) -> Result<Value, serde_json::Error> {
        let mut value = serde_json::to_value(&self.cost)?;
        let calibration = &self.technology.calibration;
        value["calibration"] = json!({
            "area": calibration.area.held_out,
            "energy": calibration.energy.held_out,
            "leakage": calibration.leakage.held_out,
            "delay": calibration.delay.held_out,
            "speed_area": calibration.speed_area,
        });
        value["limits"] = json!(self.technology.limits());
        value["technology"] = json!({
            "name": self.technology.name,
            "summary": self.technology.summary,
            "supply_v": self.technology.supply_v,
            "cells": self.technology.source.cells,
            "memory": self.technology.source.memory,
        });
        value["area_um2"] = json!(self.cost.total.area_um2());
        value["clock_mhz"] = json!(self.cost.clock_mhz());
        if let Some((network, breakdown)) = &self.inference {
            value["inference"] = json!({
                "network": network,
                "energy_pj": breakdown.total_pj(),
                "power_mw": breakdown.power_mw(),
                "latency_us": self.latency_us(),
                "breakdown": breakdown,
            });
        }
        Ok(value)
    }
}
