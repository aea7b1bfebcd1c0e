//! A space of configurations: one to start from, and the values that some of its keys take.

use bitmill_accelerator::{Array, Configuration, Precision};
use serde::{Deserialize, Serialize};

use crate::ExploreError;

/// A space of configurations.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Space {
    /// What is not varied, and the name that all points begin with.
    pub base: Configuration,
    /// What is varied: every combination is a point.
    pub vary: Vary,
}

/// Values that keys of the configuration take; a key that is left out keeps the base's value.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Vary {
    /// Formats of the operands.
    pub precision: Vec<Precision>,
    /// Shapes of the array.
    pub array: Vec<Array>,
    /// Multiplications a cycle in one PE.
    pub pe_lanes: Vec<u32>,
    /// Array rows drained at once.
    pub vector_rows: Vec<u32>,
}

impl Space {
    /// Reads a space.
    ///
    /// # Errors
    /// [`ExploreError::Yaml`] with the line, a caret and what was expected; [`ExploreError::IllegalList`] for a
    /// value that is listed twice.
    pub fn from_yaml(text: &str) -> Result<Space, ExploreError> {
        let space: Space = serde_saphyr::from_str(text).map_err(|e| ExploreError::Yaml(e.to_string()))?;
        distinct("precision", &space.vary.precision)?;
        distinct("array", &space.vary.array)?;
        distinct("pe_lanes", &space.vary.pe_lanes)?;
        distinct("vector_rows", &space.vary.vector_rows)?;
        Ok(space)
    }

    /// Every combination, precision outermost. Points are named after what is varied: `NAME_a8w8_4x8_l4_v1`.
    /// They need not be legal: [`bitmill_accelerator::Accelerator::new`] decides.
    pub fn points(&self) -> Vec<Configuration> {
        let (base, vary) = (&self.base, &self.vary);
        let mut points = Vec::new();
        for precision in or_base(&vary.precision, base.precision.clone()) {
            for array in or_base(&vary.array, base.array) {
                for lanes in or_base(&vary.pe_lanes, base.pe.lanes) {
                    for rows in or_base(&vary.vector_rows, base.vector.rows) {
                        let mut point = base.clone();
                        (point.precision, point.array, point.pe.lanes, point.vector.rows) =
                            (precision.clone(), array, lanes, rows);
                        point.name = format!(
                            "{}_{}_{}x{}_l{lanes}_v{rows}",
                            base.name,
                            precision.label(),
                            array.rows,
                            array.columns
                        );
                        points.push(point);
                    }
                }
            }
        }
        points
    }
}

fn or_base<T: Clone>(values: &[T], base: T) -> Vec<T> {
    if values.is_empty() { vec![base] } else { values.to_vec() }
}

fn distinct<T: PartialEq + std::fmt::Debug>(key: &'static str, values: &[T]) -> Result<(), ExploreError> {
    match values.iter().enumerate().find(|(index, value)| values[..*index].contains(value)) {
        Some((_, twice)) => Err(ExploreError::IllegalList {
            key,
            problem: format!("{twice:?} is listed twice; list it once"),
        }),
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const BASE: &str = "base:\n  name: s\n  precision: {activations: int8, weights: int8}\n  \
        pe: {kind: integer, lanes: 4}\n  array: {rows: 4, columns: 8}\n  \
        scratchpads: {activations_kib: 16, weights_kib: 16}\n";

    #[test]
    fn points_are_every_combination_and_named_after_it() {
        let vary = "vary:\n  array: [{rows: 4, columns: 8}, {rows: 8, columns: 8}]\n  pe_lanes: [2, 4]\n";
        let names: Vec<String> = Space::from_yaml(&format!("{BASE}{vary}"))
            .unwrap()
            .points()
            .into_iter()
            .map(|p| p.name)
            .collect();
        assert_eq!(names, ["s_a8w8_4x8_l2_v1", "s_a8w8_4x8_l4_v1", "s_a8w8_8x8_l2_v1", "s_a8w8_8x8_l4_v1"]);
    }

    #[test]
    fn unknown_keys_and_repeated_values_are_refused() {
        let unknown = Space::from_yaml(&format!("{BASE}vary:\n  lanes: [2]\n")).unwrap_err().to_string();
        assert!(unknown.contains("lanes") && unknown.contains("pe_lanes"), "{unknown}");
        let twice = Space::from_yaml(&format!("{BASE}vary:\n  pe_lanes: [2, 4, 2]\n")).unwrap_err();
        assert_eq!(twice.to_string(), "vary.pe_lanes: 2 is listed twice; list it once");
    }
}
