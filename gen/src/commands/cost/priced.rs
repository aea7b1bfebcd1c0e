//! Hardware with all that is known of its cost.

use std::collections::BTreeMap;
use std::error::Error;

use bitmill_accelerator::Accelerator;
use bitmill_cost_model::{
    Calibration, Component, DesignCost, EnergyBreakdown, LIMITS, Technology, energy, estimate,
};
use bitmill_hdl::Design;
use bitmill_sim::simulate;
use serde_json::{Value, json};

use crate::source::Source;
use crate::workload::Model;

/// An accelerator or a unit with its cost.
pub struct Priced {
    /// Process and cell library.
    pub technology: Technology,
    /// Components, uncalibrated.
    pub cost: DesignCost,
    /// Areas of cells where the technology is calibrated.
    pub cells: Option<Cells>,
    /// Name of the network and the energy of an inference; of accelerators alone.
    pub inference: Option<(String, EnergyBreakdown)>,
    /// Why there is no inference.
    pub note: Option<String>,
}

/// Areas of cells from coefficients that were fitted to whole designs.
pub struct Cells {
    /// The coefficients with their errors.
    pub calibration: Calibration,
    /// Area of every module in µm² with all that is below it, memories left out.
    by_module: BTreeMap<String, f64>,
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
            Source::Unit(unit) => Ok(Priced::hardware(&Design::new(&unit.module()?)?, technology)?),
            Source::Accelerator(accelerator) => {
                let mut priced = Priced::hardware(&Design::new(&accelerator.module()?)?, technology)?;
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
    ///
    /// # Errors
    /// Only on our own bugs: embedded calibrations are legal.
    pub fn hardware(design: &Design, technology: &Technology) -> Result<Priced, Box<dyn Error>> {
        let cells = Calibration::named(&technology.name)?
            .map(|calibration| Cells { by_module: calibration.module_areas_um2(design), calibration });
        let cost = estimate(design, technology);
        Ok(Priced { technology: technology.clone(), cost, cells, inference: None, note: None })
    }

    fn inference_of(
        &self,
        accelerator: &Accelerator,
        model: &Model,
    ) -> Result<EnergyBreakdown, Box<dyn Error>> {
        let network = model.quantized(accelerator)?;
        let (_, _, report) = simulate(accelerator, &network)?;
        let clock_mhz = f64::from(accelerator.configuration().clock_mhz).min(self.cost.clock_mhz());
        Ok(energy(&self.cost, &report.activity, clock_mhz))
    }

    /// Area of the cells of all instances of a component in µm²; calibrated where the technology is.
    pub fn cells_um2(&self, component: &Component) -> f64 {
        self.calibrated_um2(&component.module)
            .map_or(component.cost.logic_um2 + component.cost.registers_um2, |area_um2| {
                area_um2 * f64::from(component.instances)
            })
    }

    /// Area of all cells in µm², calibrated where the technology is.
    pub fn all_cells_um2(&self) -> f64 {
        let total = &self.cost.total;
        self.calibrated_um2(&self.cost.top).unwrap_or(total.logic_um2 + total.registers_um2)
    }

    /// Calibrated area of the cells of one instance of a module in µm².
    fn calibrated_um2(&self, module: &str) -> Option<f64> {
        self.cells.as_ref().and_then(|cells| cells.by_module.get(module)).copied()
    }

    /// Area of cells and memories in µm².
    pub fn area_um2(&self) -> f64 {
        self.all_cells_um2() + self.cost.total.memories_um2
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
        value["calibration"] = json!("uncalibrated");
        value["limits"] = json!(LIMITS);
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
        if let Some(cells) = &self.cells {
            value["calibrated_area"] = json!({
                "cells_um2": self.all_cells_um2(),
                "memories_um2": self.cost.total.memories_um2,
                "held_out": cells.calibration.held_out,
            });
            for (place, component) in self.cost.components.iter().enumerate() {
                self.add_cells(&mut value["components"][place], component);
            }
        }
        Ok(value)
    }

    fn add_cells(&self, value: &mut Value, component: &Component) {
        value["calibrated_cells_um2"] = json!(self.cells_um2(component));
        for (place, part) in component.parts.iter().enumerate() {
            self.add_cells(&mut value["parts"][place], part);
        }
    }
}
