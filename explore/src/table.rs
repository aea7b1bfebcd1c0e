//! A sweep as a table: the columns, and all points as CSV.

use crate::{Point, Sweep};

/// A column of the table of points.
pub struct Column {
    /// Heading with the unit.
    pub heading: &'static str,
    /// The point's entry.
    pub entry: fn(&Point) -> String,
}

/// The columns of the table of points; `front` stands beside them in a CSV.
pub const COLUMNS: [Column; 17] = [
    Column { heading: "name", entry: |p| p.configuration.name.clone() },
    Column { heading: "pe", entry: |p| p.configuration.pe.kind.clone() },
    Column { heading: "activations", entry: |p| p.configuration.precision.activations.join(" ") },
    Column { heading: "weights", entry: |p| p.configuration.precision.weights.join(" ") },
    Column { heading: "rows", entry: |p| p.configuration.array.rows.to_string() },
    Column { heading: "columns", entry: |p| p.configuration.array.columns.to_string() },
    Column { heading: "lanes", entry: |p| p.configuration.pe.lanes.to_string() },
    Column { heading: "activations_kib", entry: |p| p.configuration.scratchpads.activations_kib.to_string() },
    Column { heading: "weights_kib", entry: |p| p.configuration.scratchpads.weights_kib.to_string() },
    Column { heading: "memory_bytes_per_cycle", entry: bytes_per_cycle },
    Column { heading: "technology", entry: |p| p.technology.clone() },
    Column { heading: "cycles", entry: |p| p.cycles.to_string() },
    Column { heading: "clock_mhz", entry: |p| format!("{:.1}", p.clock_mhz) },
    Column { heading: "latency_us", entry: |p| format!("{:.3}", p.latency_us) },
    Column { heading: "energy_uj", entry: |p| format!("{:.4}", p.energy_uj) },
    Column { heading: "area_mm2", entry: |p| format!("{:.5}", p.area_mm2) },
    Column {
        heading: "accuracy_percent",
        entry: |p| p.accuracy_percent.map(|a| format!("{a:.2}")).unwrap_or_default(),
    },
];

fn bytes_per_cycle(point: &Point) -> String {
    let memory = point.configuration.memory;
    (f64::from(memory.width_bits) / 8.0 / f64::from(memory.beat_interval_cycles)).to_string()
}

/// All points as CSV with a heading; `front` is 1 for those that no other point beats. No entry needs quotes.
pub fn csv(sweep: &Sweep) -> String {
    let headings: Vec<&str> = COLUMNS.iter().map(|c| c.heading).collect();
    let mut text = format!("{},front\n", headings.join(","));
    for (index, point) in sweep.points.iter().enumerate() {
        let entries: Vec<String> = COLUMNS.iter().map(|c| (c.entry)(point)).collect();
        text.push_str(&format!("{},{}\n", entries.join(","), u8::from(sweep.front.contains(&index))));
    }
    text
}
