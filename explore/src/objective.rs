//! What points are compared by.

use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::{Goal, Point};

/// What points are compared by.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Objective {
    /// Time of one inference; less is better.
    Latency,
    /// Energy of one inference; less is better.
    Energy,
    /// Area; less is better.
    Area,
    /// Right answers; more is better.
    Accuracy,
}

impl Objective {
    /// All of them.
    pub const ALL: [Objective; 4] =
        [Objective::Latency, Objective::Energy, Objective::Area, Objective::Accuracy];

    /// Its name, as in `--objectives`.
    pub fn name(self) -> &'static str {
        match self {
            Objective::Latency => "latency",
            Objective::Energy => "energy",
            Objective::Area => "area",
            Objective::Accuracy => "accuracy",
        }
    }

    /// The column of the table of points that shows it, see [`COLUMNS`](crate::COLUMNS).
    pub fn column(self) -> &'static str {
        match self {
            Objective::Latency => "latency_us",
            Objective::Energy => "energy_uj",
            Objective::Area => "area_mm2",
            Objective::Accuracy => "accuracy_percent",
        }
    }

    /// Which way is better.
    pub fn goal(self) -> Goal {
        if self == Objective::Accuracy { Goal::Maximise } else { Goal::Minimise }
    }

    /// The point's value as a cost: less is better.
    pub fn cost(self, point: &Point) -> f64 {
        match self.goal() {
            Goal::Minimise => self.of(point),
            Goal::Maximise => -self.of(point),
        }
    }

    /// The point's value; NaN where it has none.
    pub fn of(self, point: &Point) -> f64 {
        match self {
            Objective::Latency => point.latency_us,
            Objective::Energy => point.energy_uj,
            Objective::Area => point.area_mm2,
            Objective::Accuracy => point.accuracy_percent.unwrap_or(f64::NAN),
        }
    }
}

impl FromStr for Objective {
    type Err = String;

    fn from_str(text: &str) -> Result<Objective, String> {
        let legal = || Objective::ALL.map(Objective::name).join(", ");
        let found = Objective::ALL.into_iter().find(|objective| objective.name() == text);
        found.ok_or_else(|| format!("no objective is called `{text}`; there are {}", legal()))
    }
}
