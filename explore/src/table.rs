//! A sweep as a table: the columns, and all points as CSV.

use std::fmt;

use crate::{Point, Sweep};

/// A column of the table of points.
pub struct Column {
    /// Heading with the unit.
    pub heading: &'static str,
    /// The point's entry; of all points of one kind.
    pub entry: fn(&Point) -> Entry,
}

/// What a point has in a column. As text, real numbers are rounded.
#[derive(Clone, PartialEq, Debug)]
pub enum Entry {
    /// A name.
    Text(String),
    /// A whole number.
    Integer(u64),
    /// A real number with the decimals that are shown (all where `None`), or none.
    Real(Option<f64>, Option<usize>),
}

impl fmt::Display for Entry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Entry::Text(text) => write!(f, "{text}"),
            Entry::Integer(number) => write!(f, "{number}"),
            Entry::Real(None, _) => Ok(()),
            Entry::Real(Some(number), None) => write!(f, "{number}"),
            Entry::Real(Some(number), Some(decimals)) => write!(f, "{number:.decimals$}"),
        }
    }
}

/// The columns of the table of points; `front` stands beside them in a CSV.
pub const COLUMNS: [Column; 17] = [
    Column { heading: "name", entry: |p| Entry::Text(p.configuration.name.clone()) },
    Column { heading: "pe", entry: |p| Entry::Text(p.configuration.pe.kind.clone()) },
    Column {
        heading: "activations",
        entry: |p| Entry::Text(p.configuration.precision.activations.join(" ")),
    },
    Column { heading: "weights", entry: |p| Entry::Text(p.configuration.precision.weights.join(" ")) },
    Column { heading: "rows", entry: |p| whole(p.configuration.array.rows) },
    Column { heading: "columns", entry: |p| whole(p.configuration.array.columns) },
    Column { heading: "lanes", entry: |p| whole(p.configuration.pe.lanes) },
    Column { heading: "activations_kib", entry: |p| whole(p.configuration.scratchpads.activations_kib) },
    Column { heading: "weights_kib", entry: |p| whole(p.configuration.scratchpads.weights_kib) },
    Column { heading: "memory_bytes_per_cycle", entry: |p| Entry::Real(Some(bytes_per_cycle(p)), None) },
    Column { heading: "technology", entry: |p| Entry::Text(p.technology.clone()) },
    Column { heading: "cycles", entry: |p| Entry::Integer(p.cycles) },
    Column { heading: "clock_mhz", entry: |p| Entry::Real(Some(p.clock_mhz), Some(1)) },
    Column { heading: "latency_us", entry: |p| Entry::Real(Some(p.latency_us), Some(3)) },
    Column { heading: "energy_uj", entry: |p| Entry::Real(Some(p.energy_uj), Some(4)) },
    Column { heading: "area_mm2", entry: |p| Entry::Real(Some(p.area_mm2), Some(5)) },
    Column { heading: "accuracy_percent", entry: |p| Entry::Real(p.accuracy_percent, Some(2)) },
];

fn whole(number: u32) -> Entry {
    Entry::Integer(number.into())
}

fn bytes_per_cycle(point: &Point) -> f64 {
    let memory = point.configuration.memory;
    f64::from(memory.width_bits) / 8.0 / f64::from(memory.beat_interval_cycles)
}

/// All points as CSV with a heading; `front` is 1 for those that no other point beats. No entry needs quotes.
pub fn csv(sweep: &Sweep) -> String {
    let headings: Vec<&str> = COLUMNS.iter().map(|c| c.heading).collect();
    let mut text = format!("{},front\n", headings.join(","));
    for (index, point) in sweep.points.iter().enumerate() {
        let entries: Vec<String> = COLUMNS.iter().map(|c| (c.entry)(point).to_string()).collect();
        text.push_str(&format!("{},{}\n", entries.join(","), u8::from(sweep.front.contains(&index))));
    }
    text
}
