//! What `bitmill render` prints, for people and as JSON.

use std::path::Path;

use bitmill_sim::radiance_field::FrameTraffic;
use serde_json::{Value, json};

use super::compare::Compared;
use super::energy::Energies;
use super::{Frame, Stage};
use crate::table::{Table, grouped, short};

/// All that is printed.
pub struct Summary<'s> {
    /// What was rendered on what.
    pub stage: &'s Stage,
    /// The frames.
    pub frames: &'s [Frame],
    /// PSNR against the reference, in decibels.
    pub reference: Option<f64>,
    /// The frame beside another.
    pub comparison: Option<Compared>,
    /// Area and energy.
    pub energy: Option<Energies>,
}

impl Summary<'_> {
    fn clock_mhz(&self) -> u32 {
        self.stage.accelerator.configuration().clock_mhz
    }

    /// The mean over all frames.
    fn mean(&self, of: impl Fn(&Frame) -> u64) -> u64 {
        self.frames.iter().map(of).sum::<u64>() / self.frames.len() as u64
    }

    fn frames_a_second(&self) -> f64 {
        1e6 * f64::from(self.clock_mhz()) / self.mean(|frame| frame.report.cycles) as f64
    }

    fn least_psnr_db(&self) -> f64 {
        self.frames.iter().map(|frame| frame.psnr_db).fold(f64::INFINITY, f64::min)
    }

    /// For people.
    pub fn text(&self, output: &Path) -> String {
        let first = &self.frames[0];
        let [width, height] = first.rendering.image.size;
        let mean = |of: fn(&Frame) -> u64| grouped(self.mean(of));
        let mut text = format!("image         {}, {width} x {height}", output.display());
        if self.frames.len() > 1 {
            text += &format!(", {} frames; figures are means of them", self.frames.len());
        }
        text += &format!("\nquality       {:.2} dB against real numbers", self.least_psnr_db());
        if let Some(reference) = self.reference {
            text += &format!(", {reference:.2} dB against the reference");
        }
        text += &format!(
            "\nwork          {} cubes, {} candidate pixels, {} samples, {} densities, {} samples that weigh\n\
             engine        {} cycles, as planned\n\
             network       {} cycles: {} batches of {} samples, {} cycles each, {:.1} % of {} multiply-accumulates a cycle\n\
             frame         {} cycles, {} frames a second at {} MHz; the engine fills a batch while the array runs the one before\n",
            mean(|frame| frame.rendering.work.cubes),
            mean(|frame| frame.rendering.work.candidates),
            mean(|frame| frame.rendering.work.samples),
            mean(|frame| frame.rendering.work.densities),
            mean(|frame| frame.rendering.work.weighing),
            mean(|frame| frame.report.engine_cycles),
            mean(|frame| frame.report.network_cycles),
            mean(|frame| frame.report.batches as u64),
            self.stage.quantized.network.graph().tensors()[0].shape.width,
            grouped(first.report.batch.cycles),
            100.0 * first.report.batch.utilization,
            self.stage.accelerator.peak_macs(),
            mean(|frame| frame.report.cycles),
            short(self.frames_a_second()),
            self.clock_mhz(),
        );
        let FrameTraffic { field, .. } = first.report.traffic;
        text += &format!(
            "traffic       {} bytes a frame: field {}, rays {}, network {}, pixels {}\n",
            mean(|frame| frame.report.traffic.total()),
            grouped(field),
            mean(|frame| frame.report.traffic.rays),
            mean(|frame| frame.report.traffic.network),
            mean(|frame| frame.report.traffic.pixels),
        );
        let comparison = self.comparison.as_ref().map(|compared| comparison(first, compared));
        text + &comparison.unwrap_or_default() + &self.energy.as_ref().map(Energies::text).unwrap_or_default()
    }

    /// As JSON.
    pub fn json(&self) -> String {
        let frame = |frame: &Frame| {
            let (work, report) = (&frame.rendering.work, &frame.report);
            json!({
                "psnr_db": frame.psnr_db,
                "cubes": work.cubes,
                "candidates": work.candidates,
                "samples": work.samples,
                "densities": work.densities,
                "weighing": work.weighing,
                "engine_cycles": report.engine_cycles,
                "network_cycles": report.network_cycles,
                "batches": report.batches,
                "batch_cycles": report.batch.cycles,
                "cycles": report.cycles,
                "field_bytes": report.traffic.field,
                "ray_bytes": report.traffic.rays,
                "network_bytes": report.traffic.network,
                "pixel_bytes": report.traffic.pixels,
            })
        };
        let comparison = self.comparison.as_ref().map(|compared| {
            let stored = compared.stored_bytes.iter().map(|(name, bytes)| ((*name).to_owned(), json!(bytes)));
            json!({
                "uniform": frame(&compared.uniform),
                "by_rays": frame(&compared.by_rays),
                "speed_up": compared.speed_up,
                "traffic_ratio": compared.traffic_ratio,
                "psnr_change_db": compared.psnr_change_db,
                "stored_bytes": Value::Object(stored.collect()),
            })
        });
        let value = json!({
            "accelerator": self.stage.accelerator.configuration().name,
            "clock_mhz": self.clock_mhz(),
            "frames_a_second": self.frames_a_second(),
            "frames": self.frames.iter().map(frame).collect::<Value>(),
            "reference_psnr_db": self.reference,
            "energy": self.energy.as_ref().map(Energies::json),
            "comparison": comparison,
        });
        format!("{value:#}\n")
    }
}

fn comparison(own: &Frame, compared: &Compared) -> String {
    let mut frames =
        Table::new(&["sampling", "densities", "engine cycles", "network cycles", "cycles", "traffic bytes"]);
    let rows = [
        ("by points, hybrid field", own),
        ("by rays, empty voxels left out, dense field", &compared.by_rays),
        ("uniform, dense field", &compared.uniform),
    ];
    for (name, frame) in rows {
        frames.row([
            name.to_owned(),
            grouped(frame.rendering.work.densities),
            grouped(frame.report.engine_cycles),
            grouped(frame.report.network_cycles),
            grouped(frame.report.cycles),
            grouped(frame.report.traffic.total()),
        ]);
    }
    let mut stored = Table::new(&["field stored", "bytes", "dense over it"]);
    for (name, bytes) in &compared.stored_bytes {
        stored.row([(*name).to_owned(), grouped(*bytes), format!("{:.2}", compared.storage_ratio(*bytes))]);
    }
    format!(
        "\n{}\n{:.1} times faster than uniform sampling, {:.2} times less traffic, {:.2} dB apart\n\n{}",
        frames.text(),
        compared.speed_up,
        compared.traffic_ratio,
        compared.psnr_change_db.abs(),
        stored.text()
    )
}
