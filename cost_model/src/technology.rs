//! A technology: what cells and memories cost in a process and a cell library, each number with unit and source.
//!
//! The files under `technologies/` are written by `bitmill technology fit`.

mod memory;
mod scaling;

use serde::{Deserialize, Serialize};

use crate::{Calibration, CostError, Fabric, Fit};

pub use memory::MemoryModel;
pub use scaling::Process;

/// What cells and memories cost in one process and cell library.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Technology {
    /// Name, as in `--technology NAME`.
    pub name: String,
    /// Process, library and corner, in a line.
    pub summary: String,
    /// Supply voltage in V.
    pub supply_v: f64,
    /// What else must be known of its figures, in a clause.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub caveat: Option<String>,
    /// Where the numbers come from.
    pub source: Source,
    /// Cells by which libraries are compared.
    pub reference: Reference,
    /// What memories cost.
    pub memory: MemoryModel,
    /// What cells cost, fitted to whole designs.
    pub calibration: Calibration,
}

/// Where a technology's numbers come from.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Source {
    /// The cell library and its licence.
    pub cells: String,
    /// How designs were mapped and measured.
    pub method: String,
    /// Where memories come from and how they were scaled.
    pub memory: String,
}

/// Two cells that every library has: by them memories of one are scaled to another.
#[derive(Clone, Copy, PartialEq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Reference {
    /// Area of the smallest NAND2 in µm².
    pub nand2_um2: f64,
    /// Energy of a clock cycle in pJ in which nothing else changes, of the smallest flip-flop.
    pub flip_flop_pj: f64,
    /// Its time from the clock to the output in ns, at no load.
    pub flip_flop_ns: f64,
    /// Its leakage in nW.
    pub flip_flop_nw: f64,
}

/// See [`Technology::scaling_base`].
const SCALED_FROM: &str = "sg13g2";

const EMBEDDED: [&str; 4] = [
    include_str!("../technologies/sky130hd.toml"),
    include_str!("../technologies/sg13g2.toml"),
    include_str!("../technologies/asap7.toml"),
    include_str!("../technologies/osu018.toml"),
];

impl Technology {
    /// Reads a technology from TOML.
    ///
    /// # Errors
    /// [`CostError::Toml`] with the line and what was expected; [`CostError::IllegalTable`] for a coefficient that is
    /// missing, unknown, negative or not finite.
    pub fn from_toml(text: &str) -> Result<Technology, CostError> {
        let technology: Technology = toml::from_str(text).map_err(|e| CostError::Toml(e.to_string()))?;
        technology.check()?;
        Ok(technology)
    }

    /// The text that [`Technology::from_toml`] reads.
    ///
    /// # Errors
    /// [`CostError::Toml`] only on our own bugs.
    pub fn to_toml(&self) -> Result<String, CostError> {
        let text = toml::to_string(self).map_err(|e| CostError::Toml(e.to_string()))?;
        Ok(format!("{HEADER}{text}"))
    }

    /// The technologies that are part of the program: those that were measured, and one that is scaled from one of them.
    ///
    /// # Errors
    /// Only on our own bugs: the tests read every embedded file.
    pub fn embedded() -> Result<Vec<Technology>, CostError> {
        let mut found =
            EMBEDDED.iter().map(|text| Technology::from_toml(text)).collect::<Result<Vec<_>, _>>()?;
        let from = found.iter().find(|technology| technology.name == SCALED_FROM);
        let scaled =
            from.map(|base| base.scaled("scaled28", FROM_130_NM, TO_28_NM, SCALING_CAVEAT.to_owned()));
        found.extend(scaled);
        Ok(found)
    }

    /// The technology that others are scaled from: a real process with macros of memories.
    ///
    /// # Errors
    /// As [`Technology::named`].
    pub fn scaling_base() -> Result<Technology, CostError> {
        Technology::named(SCALED_FROM)
    }

    /// The embedded technology called `name`.
    ///
    /// # Errors
    /// [`CostError::UnknownTechnology`] and [`CostError::IsFabric`], with the names there are.
    pub fn named(name: &str) -> Result<Technology, CostError> {
        let mut technologies = Technology::embedded()?;
        match technologies.iter().position(|t| t.name == name) {
            Some(index) => Ok(technologies.swap_remove(index)),
            None => {
                let legal: Vec<String> = technologies.into_iter().map(|t| t.name).collect();
                let (name, legal) = (name.to_owned(), legal.join(", "));
                let families: Vec<String> =
                    Fabric::embedded()?.into_iter().map(|family| family.name).collect();
                Err(match families.contains(&name) {
                    true => CostError::IsFabric { name, legal },
                    false => CostError::UnknownTechnology { name, legal, families: families.join(", ") },
                })
            }
        }
    }

    /// The error of half of the designs that the fit of a figure did not see, in words for a report.
    pub fn error_of(&self, fit: impl Fn(&Calibration) -> &Fit) -> String {
        format!("± {:.1} %", 100.0 * fit(&self.calibration).held_out.median)
    }

    /// What figures in this technology are worth, and what they leave out, in words for a report.
    pub fn limits(&self) -> String {
        limits(std::slice::from_ref(self))
    }

    /// The errors of half of the designs that the fits did not see, and of nine in ten.
    fn errors(&self) -> String {
        let Calibration { area, energy, delay, .. } = &self.calibration;
        let figures = [("area", area), ("energy", energy), ("longest path", delay)].map(|(figure, fit)| {
            let [half, most] = [fit.held_out.median, fit.held_out.percentile_90].map(|share| 100.0 * share);
            format!("{figure} ± {half:.1} % ({most:.0} %)")
        });
        figures.join(", ")
    }

    fn check(&self) -> Result<(), CostError> {
        let r = self.reference;
        for (key, value) in [
            ("supply_v", self.supply_v),
            ("reference.nand2_um2", r.nand2_um2),
            ("reference.flip_flop_pj", r.flip_flop_pj),
            ("reference.flip_flop_ns", r.flip_flop_ns),
            ("reference.flip_flop_nw", r.flip_flop_nw),
        ] {
            if !(value.is_finite() && value > 0.0) {
                return Err(self.illegal(key, format!("{value} is not legal; it must be positive")));
            }
        }
        self.memory.check().map_err(|problem| self.illegal("memory", problem))?;
        self.calibration
            .check()
            .map_err(|(table, problem)| self.illegal(&format!("calibration.{table}"), problem))
    }

    fn illegal(&self, table: &str, problem: String) -> CostError {
        CostError::IllegalTable { technology: self.name.clone(), table: table.to_owned(), problem }
    }
}

/// What the embedded scaled technology is scaled from and to.
pub const FROM_130_NM: Process = Process { nm: 130.0, supply_v: 1.2 };
const TO_28_NM: Process = Process { nm: 28.0, supply_v: 0.9 };

/// What the equations make of sg13g2 at 7 nm and 0.7 V against what was measured in ASAP7: medians of the designs measured in both.
pub const SCALING_CAVEAT: &str = "scaled by equations for whole processes (Stillmaker and Baas, 2017), which from sg13g2 to 7 nm err against ASAP7 \
                                  by these medians: area +16 %, longest path -36 %, energy -75 %";

const HEADER: &str = "\
# Written by `bitmill technology fit`; docs/cost_model.md tells how.
# Keys end in their unit. Coefficients are um2 and nW a gate, pJ a toggle (of the clock: a flip-flop and cycle) and ns a step of a path;
# of memories, fixed + column * width + bit * width * depth, and fixed + row * depth for the time.

";

/// What figures in these technologies are worth, and what they leave out, in words for a report.
pub fn limits(technologies: &[Technology]) -> String {
    let has_names = technologies.len() > 1;
    let errors = technologies.iter().map(|technology| match has_names {
        true => format!("in {} {}", technology.name, technology.errors()),
        false => technology.errors(),
    });
    let larger = technologies.iter().map(|t| format!("{:.0} %", 100.0 * (t.calibration.speed_area - 1.0)));
    let caveats = technologies.iter().filter_map(|t| t.caveat.as_ref()).map(|caveat| format!("; {caveat}"));
    format!(
        "error of half (nine in ten) of the designs that the fit did not see: {}; before layout: no wires and no clock tree; \
         random operands, glitches not counted; cells that reach the clock are {} larger{}",
        errors.collect::<Vec<_>>().join("; "),
        larger.collect::<Vec<_>>().join(", "),
        caveats.collect::<String>()
    )
}
