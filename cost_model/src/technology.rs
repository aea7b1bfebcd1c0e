//! A technology: what operators, flip-flops and memories cost, each number with unit and source.
//!
//! The files under `technologies/` are written by `cost_model/measure`, which maps each operator at a few
//! widths to a cell library. Between measured widths costs are interpolated, beyond them extrapolated.

mod curve;
mod memory;
mod product;

use std::collections::BTreeMap;

use serde::Deserialize;

use crate::{Calibration, CostError, Fit};

pub use curve::{Curve, Figures};
pub use memory::MemoryModel;
pub use product::ProductTable;

/// What operators, flip-flops and memories cost in one process and cell library.
#[derive(Clone, PartialEq, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Technology {
    /// Name, as in `--technology NAME`.
    pub name: String,
    /// Process, library and corner, in a line.
    pub summary: String,
    /// Supply voltage in V.
    pub supply_v: f64,
    /// Where the numbers come from.
    pub source: Source,
    pub(crate) operator: Operators,
    pub(crate) product: ProductTable,
    pub(crate) compressor: Figures,
    pub(crate) flip_flop: FlipFlops,
    pub(crate) memory: MemoryModel,
    /// What cells cost, fitted to whole designs; where there is none, operators are added up.
    #[serde(default)]
    pub calibration: Option<Calibration>,
    /// Circuits that were measured but took no part in the coefficients: the estimate must predict them.
    #[serde(rename = "check")]
    pub checks: Vec<Check>,
}

/// Where a technology's numbers come from.
#[derive(Clone, PartialEq, Eq, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Source {
    /// The cell library and its licence.
    pub cells: String,
    /// How operators were mapped.
    pub method: String,
    /// How energies were measured.
    pub energy: String,
    /// Where memories come from and how they were scaled.
    pub memory: String,
}

/// A measured circuit that the estimate is compared with.
#[derive(Clone, PartialEq, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Check {
    /// The circuit, as `cost_model/measure/operators.py` names it.
    pub circuit: String,
    /// Area in µm².
    pub area_um2: f64,
    /// Longest path in ns.
    pub delay_ns: f64,
    /// Energy of a cycle with random operands, in pJ.
    pub energy_pj: f64,
    /// Leakage in nW.
    pub leakage_nw: f64,
}

/// A curve for each operator; the width is that of the operands, or as stated.
#[derive(Clone, PartialEq, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Operators {
    pub not: Curve,
    pub and: Curve,
    pub or: Curve,
    pub xor: Curve,
    pub mux: Curve,
    pub add: Curve,
    pub subtract: Curve,
    /// Adds one bit to a word.
    pub increment: Curve,
    pub equal: Curve,
    pub less: Curve,
    pub reduce_or: Curve,
    pub reduce_and: Curve,
    pub reduce_xor: Curve,
    pub shift_left: Curve,
    pub shift_right: Curve,
    /// A choice among so many words of [`WORD_BITS`].
    pub select: Curve,
    /// A table of random content with an index of so many bits and [`WORD_BITS`] outputs.
    pub table: Curve,
}

/// Width of the words with which `select` and `table` were measured.
pub(crate) const WORD_BITS: f64 = 8.0;

/// Flip-flops: what a bit costs, by its controls.
#[derive(Clone, PartialEq, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct FlipFlops {
    pub clock_to_output_ns: f64,
    pub setup_ns: f64,
    pub plain: FlipFlop,
    pub reset: FlipFlop,
    pub enable: FlipFlop,
    pub reset_enable: FlipFlop,
}

/// One bit of a register.
#[derive(Clone, Copy, PartialEq, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct FlipFlop {
    pub area_um2: f64,
    /// Energy of the clock pin in every cycle.
    pub clock_pj: f64,
    /// Further energy of a cycle with a random new bit.
    pub data_pj: f64,
    pub leakage_nw: f64,
}

impl FlipFlops {
    /// The flip-flop with these controls.
    pub(crate) fn kind(&self, reset: bool, enable: bool) -> FlipFlop {
        match (reset, enable) {
            (false, false) => self.plain,
            (true, false) => self.reset,
            (false, true) => self.enable,
            (true, true) => self.reset_enable,
        }
    }
}

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
    /// [`CostError::Toml`] with the line and what was expected; [`CostError::IllegalTable`] for a table that is
    /// empty, ragged or not in rising order, or that has a number that is not finite or is negative.
    pub fn from_toml(text: &str) -> Result<Technology, CostError> {
        let technology: Technology = toml::from_str(text).map_err(|e| CostError::Toml(e.to_string()))?;
        technology.check()?;
        Ok(technology)
    }

    /// The technologies that are part of the program.
    ///
    /// # Errors
    /// Only on our own bugs: the tests read every embedded file.
    pub fn embedded() -> Result<Vec<Technology>, CostError> {
        let embedded = |text: &&str| {
            let technology = Technology::from_toml(text)?;
            Ok(Technology { calibration: Calibration::named(&technology.name)?, ..technology })
        };
        EMBEDDED.iter().map(embedded).collect()
    }

    /// The embedded technology called `name`.
    ///
    /// # Errors
    /// [`CostError::UnknownTechnology`], with the names there are.
    pub fn named(name: &str) -> Result<Technology, CostError> {
        let mut technologies = Technology::embedded()?;
        match technologies.iter().position(|t| t.name == name) {
            Some(index) => Ok(technologies.swap_remove(index)),
            None => {
                let legal: Vec<String> = technologies.into_iter().map(|t| t.name).collect();
                Err(CostError::UnknownTechnology { name: name.to_owned(), legal: legal.join(", ") })
            }
        }
    }

    /// The error of half of the designs that the fit of a figure did not see, in words for a report.
    pub fn error_of(&self, fit: impl Fn(&Calibration) -> &Fit) -> String {
        self.calibration.as_ref().map_or("uncalibrated".to_owned(), |calibration| {
            format!("± {:.1} %", 100.0 * fit(calibration).held_out.median)
        })
    }

    /// What figures in this technology are worth, and what they leave out, in words for a report.
    pub fn limits(&self) -> String {
        let left_out = "before layout: no wires and no clock tree; random operands, glitches not counted";
        let Some(calibration) = &self.calibration else {
            return format!("uncalibrated: operators measured one by one and added up; {left_out}");
        };
        let errors = |figure: &str, fit: &Fit| {
            let [half, most] = [fit.held_out.median, fit.held_out.percentile_90].map(|share| 100.0 * share);
            format!("{figure} ± {half:.1} % ({most:.0} %)")
        };
        format!(
            "error of half (nine in ten) of the designs that the fit did not see: {}, {}, {}; {left_out}; \
             cells that reach the clock are {:.0} % larger",
            errors("area", &calibration.area),
            errors("energy", &calibration.energy),
            errors("longest path", &calibration.delay),
            100.0 * (calibration.speed_area - 1.0)
        )
    }

    fn check(&self) -> Result<(), CostError> {
        let o = &self.operator;
        let curves = BTreeMap::from([
            ("not", &o.not),
            ("and", &o.and),
            ("or", &o.or),
            ("xor", &o.xor),
            ("mux", &o.mux),
            ("add", &o.add),
            ("subtract", &o.subtract),
            ("increment", &o.increment),
            ("equal", &o.equal),
            ("less", &o.less),
            ("reduce_or", &o.reduce_or),
            ("reduce_and", &o.reduce_and),
            ("reduce_xor", &o.reduce_xor),
            ("shift_left", &o.shift_left),
            ("shift_right", &o.shift_right),
            ("select", &o.select),
            ("table", &o.table),
        ]);
        for (name, curve) in curves {
            curve.check().map_err(|problem| self.illegal(&format!("operator.{name}"), problem))?;
        }
        self.product.check().map_err(|problem| self.illegal("product", problem))?;
        self.memory.check().map_err(|problem| self.illegal("memory", problem))?;
        let positive = |value: f64| value.is_finite() && value > 0.0;
        if !positive(self.supply_v) {
            return Err(self.illegal("supply_v", "a positive voltage is needed".to_owned()));
        }
        let f = &self.flip_flop;
        for (kind, bit) in [("plain", f.plain), ("reset", f.reset), ("enable", f.enable)] {
            if !positive(bit.area_um2) || !positive(bit.clock_pj) {
                let problem = "a flip-flop has a positive area and clock energy".to_owned();
                return Err(self.illegal(&format!("flip_flop.{kind}"), problem));
            }
        }
        Ok(())
    }

    fn illegal(&self, table: &str, problem: String) -> CostError {
        CostError::IllegalTable { technology: self.name.clone(), table: table.to_owned(), problem }
    }
}
