//! Area and energy of what renders a frame: the engine's units and memories, and the accelerator that runs
//! the network.
//!
//! A unit takes the energy of a busy cycle in each cycle in which it works and that of the clock in the
//! others; a memory that of its reads and writes; all leak for as long as a frame takes. The accelerator runs
//! its batches and waits in between. What has no circuit is not priced, and neither is memory outside.

use std::error::Error;

use bitmill_cost_model::{DesignCost, Technology, energy, estimate, memory_cost};
use bitmill_formats::sparse::FormRule;
use bitmill_hdl::Design;
use bitmill_sim::radiance_field::{EngineActivity, PartKind, Storing, UNBUILT, parts};
use serde_json::{Value, json};

use super::compare::Compared;
use super::{Frame, Stage};
use crate::table::{Table, short};
use crate::technology;

/// Energies of the mean frame, and of those that it is set beside.
pub struct Energies {
    technology: Technology,
    /// By points, from a field stored sparsely.
    own: Priced,
    /// By rays and uniformly, from a field stored whole.
    others: Option<[Priced; 2]>,
}

/// Prices of a frame.
struct Priced {
    /// The clock that all parts reach, at most the configured one.
    clock_mhz: f64,
    rows: Vec<Row>,
}

/// A part's price.
struct Row {
    name: &'static str,
    area_um2: f64,
    energy_pj: f64,
}

impl Energies {
    /// Of `frames` and what they were compared with, in the technology of that name.
    ///
    /// # Errors
    /// No such technology, or an engine that cannot be built of units for the scene or the image.
    pub fn new(
        stage: &Stage,
        technology: &str,
        frames: &[Frame],
        compared: Option<&Compared>,
    ) -> Result<Energies, Box<dyn Error>> {
        let technology = technology::find(technology)?;
        let accelerator = estimate(&Design::new(&stage.accelerator.module()?)?, &technology);
        let price =
            |storing, frames: &[&Frame]| Priced::new(stage, &technology, &accelerator, storing, frames);
        let own = price(Storing::Sparse(FormRule::Smaller), &frames.iter().collect::<Vec<_>>())?;
        let others = match compared {
            Some(Compared { by_rays, uniform, .. }) => {
                Some([price(Storing::Dense, &[by_rays])?, price(Storing::Dense, &[uniform])?])
            }
            None => None,
        };
        Ok(Energies { technology, own, others })
    }

    /// For people.
    pub fn text(&self) -> String {
        let columns: Vec<&Priced> = std::iter::once(&self.own).chain(self.others.iter().flatten()).collect();
        let headings: &[&str] = match columns.len() {
            1 => &["part", "area mm2", "energy uJ"],
            _ => &["part", "area mm2", "by points, uJ", "dense field mm2", "by rays, uJ", "uniform, uJ"],
        };
        let mut table = Table::new(headings);
        let row = |name: &str, of: &dyn Fn(&Priced) -> Option<[f64; 2]>| {
            let mut entries = vec![name.to_owned()];
            for (index, column) in columns.iter().enumerate() {
                let [area, energy] = of(column)
                    .map_or([(); 2].map(|()| "-".to_owned()), |[area_um2, energy_pj]| {
                        [short(area_um2 * 1e-6), short(energy_pj * 1e-6)]
                    });
                // Both others have the same parts.
                entries.extend([area].into_iter().filter(|_| index < 2).chain([energy]));
            }
            entries
        };
        for Row { name, .. } in &self.own.rows {
            table.row(row(name, &|priced| priced.row(name)));
        }
        table.row(row("all of it", &|priced| Some([priced.area_um2(), priced.energy_pj()])));
        for name in UNBUILT {
            table.row(row(&format!("{name}: no circuit yet"), &|_| None));
        }
        let errors = [&self.technology.calibration.area, &self.technology.calibration.energy];
        let [area, energy] = errors.map(|fit| format!("± {:.1} %", 100.0 * fit.held_out.median));
        let mut text = format!(
            "\n{}\nin {} at {} MHz; area {area}, energy {energy} of cells, memories by macros; memory outside not counted\n",
            table.text(),
            self.technology.name,
            short(self.own.clock_mhz),
        );
        if let Some(ratios) = self.ratios() {
            text += &format!(
                "energy over that by points: {:.2} by rays, {:.2} uniform; of the engine alone {:.2} and {:.2}\n",
                ratios.all[0], ratios.all[1], ratios.engine[0], ratios.engine[1]
            );
        }
        text
    }

    fn ratios(&self) -> Option<Ratios> {
        let others = self.others.as_ref()?;
        let over = |of: fn(&Priced) -> f64| [0, 1].map(|index| of(&others[index]) / of(&self.own));
        Some(Ratios { all: over(Priced::energy_pj), engine: over(Priced::engine_pj) })
    }

    /// For programs.
    pub fn json(&self) -> Value {
        let calibration = &self.technology.calibration;
        let others = self
            .others
            .as_ref()
            .map(|[by_rays, uniform]| json!({ "by_rays": by_rays.json(), "uniform": uniform.json() }));
        json!({
            "technology": self.technology.name,
            "area_error": calibration.area.held_out.median,
            "energy_error": calibration.energy.held_out.median,
            "limits": self.technology.limits(),
            "unpriced": UNBUILT,
            "by_points": self.own.json(),
            "comparison": others,
            "uniform_over_points": self.ratios().map(|ratios| ratios.all[1]),
            "uniform_over_points_of_engine": self.ratios().map(|ratios| ratios.engine[1]),
        })
    }
}

/// Energies by rays and by uniform sampling over those by points.
struct Ratios {
    all: [f64; 2],
    engine: [f64; 2],
}

impl Priced {
    /// Of the mean of `frames`.
    fn new(
        stage: &Stage,
        technology: &Technology,
        accelerator: &DesignCost,
        storing: Storing,
        frames: &[&Frame],
    ) -> Result<Priced, Box<dyn Error>> {
        let activity: EngineActivity = frames.iter().map(|frame| frame.report.activity).sum();
        let cycles: u64 = frames.iter().map(|frame| frame.report.cycles).sum();
        let pixels = frames[0].rendering.image.pixels.len() as u64;
        let engine = parts(&stage.engine, &stage.quantized.field, storing, pixels, &activity)?;
        let mut clock_mhz = accelerator.clock_within_mhz(stage.accelerator.configuration().clock_mhz);
        let mut found = Vec::new();
        for part in engine {
            let (cost, count, read_or_busy, written_pj, writes) = match part.kind {
                PartKind::Units { module, count, busy_cycles } => {
                    let whole = estimate(&Design::new(&module)?, technology);
                    clock_mhz = clock_mhz.min(whole.clock_mhz());
                    (whole.total.beyond(whole.memories), count, busy_cycles, 0.0, 0)
                }
                PartKind::Memories { bank, count, reads, writes } => {
                    let memory = memory_cost(technology, bank);
                    (memory.cost, count, reads, memory.write_pj * writes as f64, writes)
                }
            };
            let idle = (cycles * u64::from(count)).saturating_sub(read_or_busy + writes);
            let energy_pj = cost.active_pj * read_or_busy as f64 + written_pj + cost.idle_pj * idle as f64;
            found.push((part.name, cost * count, energy_pj));
        }
        let frame_count = frames.len() as f64;
        // nW times µs is fJ.
        let leakage_pj = |leakage_nw: f64, cycles: u64| leakage_nw * (cycles as f64 / clock_mhz) * 1e-3;
        let engine = found.into_iter().map(|(name, cost, energy_pj)| Row {
            name,
            area_um2: cost.area_um2(),
            energy_pj: (energy_pj + leakage_pj(cost.leakage_nw, cycles)) / frame_count,
        });
        let mut rows: Vec<Row> = engine.collect();
        let batches: u64 = frames.iter().map(|frame| frame.report.batches as u64).sum();
        let batch = &frames[0].report.batch;
        let runs_pj = energy(accelerator, &batch.activity, clock_mhz).total_pj() * batches as f64;
        let waits = cycles.saturating_sub(batches * batch.cycles);
        let whole = &accelerator.total;
        let waits_pj = whole.idle_pj * waits as f64 + leakage_pj(whole.leakage_nw, waits);
        rows.push(Row { name: NETWORK, area_um2: whole.area_um2(), energy_pj: runs_pj / frame_count });
        rows.push(Row { name: "network, waiting", area_um2: 0.0, energy_pj: waits_pj / frame_count });
        Ok(Priced { clock_mhz, rows })
    }

    /// Area and energy of a part, if there is one.
    fn row(&self, name: &str) -> Option<[f64; 2]> {
        let row = self.rows.iter().find(|row| row.name == name)?;
        Some([row.area_um2, row.energy_pj])
    }

    fn area_um2(&self) -> f64 {
        self.rows.iter().map(|row| row.area_um2).sum()
    }

    fn energy_pj(&self) -> f64 {
        self.rows.iter().map(|row| row.energy_pj).sum()
    }

    /// Of the rows before the network's.
    fn engine_pj(&self) -> f64 {
        self.rows.iter().take_while(|row| row.name != NETWORK).map(|row| row.energy_pj).sum()
    }

    fn json(&self) -> Value {
        let parts = self.rows.iter().map(|Row { name, area_um2, energy_pj }| {
            json!({ "part": name, "area_um2": area_um2, "energy_pj": energy_pj })
        });
        json!({
            "clock_mhz": self.clock_mhz,
            "area_um2": self.area_um2(),
            "energy_pj": self.energy_pj(),
            "engine_pj": self.engine_pj(),
            "parts": parts.collect::<Value>(),
        })
    }
}

/// The accelerator at work.
const NETWORK: &str = "network";
