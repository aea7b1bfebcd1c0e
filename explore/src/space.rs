//! A space of configurations: one to start from, and the values that some of its keys take.

mod keys;

use bitmill_accelerator::Configuration;
use serde::{Deserialize, Serialize};

use crate::ExploreError;
use keys::Axis;
pub use keys::{Datapath, Vary};

/// A space of configurations.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Space {
    /// What is not varied, and the name that all points begin with.
    pub base: Configuration,
    /// Process and cell library, where it is not varied.
    #[serde(default = "default_technology")]
    pub technology: String,
    /// What is varied: every combination is a point.
    pub vary: Vary,
}

fn default_technology() -> String {
    "sky130hd".to_owned()
}

/// A point of a space: it need not be legal, [`bitmill_accelerator::Accelerator::new`] decides.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Candidate {
    /// The accelerator.
    pub configuration: Configuration,
    /// Process and cell library, by name.
    pub technology: String,
}

impl Space {
    /// Reads a space.
    ///
    /// # Errors
    /// [`ExploreError::Yaml`] with the line, a caret and what was expected; [`ExploreError::IllegalList`] for a
    /// value that is listed twice.
    pub fn from_yaml(text: &str) -> Result<Space, ExploreError> {
        let space: Space = serde_saphyr::from_str(text).map_err(|e| ExploreError::Yaml(e.to_string()))?;
        space.vary.check()?;
        Ok(space)
    }

    /// The space as [`Space::from_yaml`] reads it, all defaults spelled out.
    ///
    /// # Errors
    /// Only on our own bugs.
    pub fn to_yaml(&self) -> Result<String, ExploreError> {
        serde_saphyr::to_string(self).map_err(|e| ExploreError::Yaml(e.to_string()))
    }

    /// Every combination.
    pub fn points(&self) -> Points<'_> {
        Points { space: self, axes: self.vary.axes() }
    }

    /// The technologies that points have, each once.
    pub fn technologies(&self) -> &[String] {
        match &self.vary.technology[..] {
            [] => std::slice::from_ref(&self.technology),
            varied => varied,
        }
    }
}

/// The points of a space by position: the last key varies fastest. They are made when they are asked for.
pub struct Points<'a> {
    space: &'a Space,
    axes: Vec<Axis<'a>>,
}

impl Points<'_> {
    /// How many there are: 1 if nothing varies.
    pub fn count(&self) -> usize {
        self.axes.iter().map(Axis::count).product()
    }

    /// How many values each key takes that varies, outermost first.
    pub fn shape(&self) -> Vec<usize> {
        self.axes.iter().map(Axis::count).collect()
    }

    /// The point at `position`, below [`Points::count`]. It is named after what varies: `NAME_a8w8_4x8_l4`.
    pub fn at(&self, position: usize) -> Candidate {
        let mut point =
            Candidate { configuration: self.space.base.clone(), technology: self.space.technology.clone() };
        let mut rest = position;
        let mut stride = self.count();
        for axis in &self.axes {
            stride /= axis.count();
            let label = axis.set(rest / stride, &mut point);
            rest %= stride;
            let name = &mut point.configuration.name;
            name.push('_');
            name.push_str(label);
        }
        point
    }

    /// All points in order.
    pub fn iter(&self) -> impl Iterator<Item = Candidate> {
        (0..self.count()).map(|position| self.at(position))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const BASE: &str = "base:\n  name: s\n  precision: {activations: int8, weights: int8}\n  \
        pe: {kind: integer, lanes: 4}\n  array: {rows: 4, columns: 8}\n  \
        scratchpads: {activations_kib: 16, weights_kib: 16}\n";

    fn space(vary: &str) -> Result<Space, ExploreError> {
        Space::from_yaml(&format!("{BASE}{vary}"))
    }

    #[test]
    fn points_are_every_combination_and_named_after_what_varies() {
        let vary = "vary:\n  clock_mhz: [50, 100]\n  array: [{rows: 4, columns: 8}, {rows: 8, columns: 8}]\n";
        let space = space(vary).unwrap();
        let points: Vec<Candidate> = space.points().iter().collect();
        let names: Vec<&str> = points.iter().map(|p| p.configuration.name.as_str()).collect();
        assert_eq!(names, ["s_4x8_f50", "s_4x8_f100", "s_8x8_f50", "s_8x8_f100"]);
        assert_eq!((points[1].configuration.array.rows, points[1].configuration.clock_mhz), (4, 100));
        assert_eq!((space.points().count(), space.points().shape()), (4, vec![2, 2]));
        assert_eq!(Space::from_yaml(&space.to_yaml().unwrap()).unwrap(), space);
    }

    #[test]
    fn every_key_reaches_its_points() {
        let vary = "
vary:
  precision: [{activations: int8, weights: int4}]
  pe: [{kind: bit_serial, lanes: 8, options: {digit_bits: '2'}}]
  array: [{rows: 2, columns: 16}]
  pe_lanes: [16]
  vector_rows: [2]
  scratchpads: [{activations_kib: 32, weights_kib: 8}]
  memory_width_bits: [128]
  memory_outstanding_reads: [8]
  memory_latency_cycles: [40]
  memory_beat_interval_cycles: [2]
  technology: [asap7]
  clock_mhz: [400]
";
        let space = space(vary).unwrap();
        let Candidate { configuration: point, technology } = space.points().at(0);
        assert_eq!(point.name, "s_a8w4_bit_serial_2_l8_2x16_l16_v2_s32x8_b128_o8_d40_i2_asap7_f400");
        let memory = point.memory;
        assert_eq!((point.pe.kind.as_str(), point.pe.lanes), ("bit_serial", 16), "lanes go on top of the PE");
        assert_eq!((point.array.columns, point.vector.rows, point.scratchpads.weights_kib), (16, 2, 8));
        assert_eq!((memory.width_bits, memory.outstanding_reads), (128, 8));
        assert_eq!((memory.latency_cycles, memory.beat_interval_cycles), (40, 2));
        assert_eq!((technology.as_str(), point.clock_mhz), ("asap7", 400));
        let untouched = Space::from_yaml(&format!("{BASE}vary: {{}}\n")).unwrap();
        assert_eq!(untouched.points().at(0).configuration, untouched.base);
        assert_eq!((untouched.points().count(), untouched.technologies()), (1, &["sky130hd".to_owned()][..]));
    }

    #[test]
    fn a_datapath_is_a_precision_with_its_element_and_no_other_key_overrules_it() {
        let vary = "vary:\n  datapath:\n    - {precision: {activations: int8, weights: int4}, pe: {kind: integer, lanes: 2}}\n    \
                    - {precision: {activations: fp8_e4m3, weights: fp8_e4m3}, pe: {kind: l_mul, lanes: 4}}\n";
        let points: Vec<Candidate> = space(vary).unwrap().points().iter().collect();
        let names: Vec<&str> = points.iter().map(|p| p.configuration.name.as_str()).collect();
        assert_eq!(names, ["s_a8w4_integer_l2", "s_a_fp8_e4m3_w_fp8_e4m3_l_mul_l4"]);
        assert_eq!(points[1].configuration.pe.kind, "l_mul");
        let both =
            space(&format!("{vary}  precision: [{{activations: int8, weights: int8}}]\n")).unwrap_err();
        assert_eq!(both.to_string(), "vary.precision: datapath varies it too; leave one of them out");
    }

    #[test]
    fn values_that_would_be_called_alike_are_numbered() {
        let vary =
            "vary:\n  pe: [{kind: integer, lanes: 4}, {kind: integer, lanes: 4, accumulator_bits: 24}]\n";
        let names: Vec<String> = space(vary).unwrap().points().iter().map(|p| p.configuration.name).collect();
        assert_eq!(names, ["s_integer_l4_1", "s_integer_l4_2"]);
    }

    #[test]
    fn unknown_keys_and_repeated_values_are_refused() {
        let unknown = space("vary:\n  lanes: [2]\n").unwrap_err().to_string();
        assert!(unknown.contains("lanes") && unknown.contains("pe_lanes"), "{unknown}");
        let twice = space("vary:\n  pe_lanes: [2, 4, 2]\n").unwrap_err();
        assert_eq!(twice.to_string(), "vary.pe_lanes: 2 is listed twice; list it once");
    }
}
