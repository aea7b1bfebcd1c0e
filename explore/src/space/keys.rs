//! The keys that a space varies: one table. A line says what the key is called, what its values are, where they go
//! in a point, and how they show in its name.
//!
//! The order is that of positions, outermost first. What shapes the circuit stands before what only changes a run, and
//! that before what only changes prices, so that neighbours share the most, in shards too.

use bitmill_accelerator::{Array, Pe, Precision, Scratchpads};
use serde::{Deserialize, Serialize};

use super::Candidate;
use crate::ExploreError;

macro_rules! keys {
    ($($(#[doc = $doc:literal])+ $key:ident: $value:ty, $set:expr, $label:expr;)+) => {
        /// Values that keys take; a key that is left out keeps the base's value.
        #[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
        #[serde(deny_unknown_fields, default)]
        pub struct Vary {
            $($(#[doc = $doc])+ #[serde(skip_serializing_if = "Vec::is_empty")] pub $key: Vec<$value>,)+
        }

        impl Vary {
            /// Whether every value is listed once.
            fn check_lists(&self) -> Result<(), ExploreError> {
                $(distinct(stringify!($key), &self.$key)?;)+
                Ok(())
            }

            /// The keys that are varied, outermost first.
            pub(super) fn axes(&self) -> Vec<Axis<'_>> {
                let all = [$(Axis::new::<$value>(&self.$key, $set, $label)),+];
                all.into_iter().filter(|axis| axis.count() > 0).collect()
            }
        }
    };
}

/// What is multiplied, and by what: varied together where a PE runs few of the formats.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Datapath {
    /// Formats of the operands.
    pub precision: Precision,
    /// The processing element with its parameters.
    pub pe: Pe,
}

keys! {
    /// Formats of the operands with the processing element for them; in place of `precision` and `pe`.
    datapath: Datapath, |p, v| (p.configuration.precision, p.configuration.pe) = (v.precision, v.pe),
        |v| format!("{}_{}", v.precision.label(), pe_label(&v.pe));
    /// Formats of the operands.
    precision: Precision, |p, v| p.configuration.precision = v, Precision::label;
    /// The processing element with its parameters.
    pe: Pe, |p, v| p.configuration.pe = v, pe_label;
    /// Shapes of the array.
    array: Array, |p, v| p.configuration.array = v, |v| format!("{}x{}", v.rows, v.columns);
    /// Multiplications a cycle in one PE.
    pe_lanes: u32, |p, v| p.configuration.pe.lanes = v, |v| format!("l{v}");
    /// Array rows drained at once.
    vector_rows: u32, |p, v| p.configuration.vector.rows = v, |v| format!("v{v}");
    /// Sizes of the on-chip memories.
    scratchpads: Scratchpads, |p, v| p.configuration.scratchpads = v,
        |v| format!("s{}x{}", v.activations_kib, v.weights_kib);
    /// Bits of a beat of the bus.
    memory_width_bits: u32, |p, v| p.configuration.memory.width_bits = v, |v| format!("b{v}");
    /// Bursts that may be read at once.
    memory_outstanding_reads: u32, |p, v| p.configuration.memory.outstanding_reads = v, |v| format!("o{v}");
    /// Cycles from a read's address to its first beat.
    memory_latency_cycles: u32, |p, v| p.configuration.memory.latency_cycles = v, |v| format!("d{v}");
    /// Cycles from one beat to the next: with the width of the bus, the memory's bytes a cycle.
    memory_beat_interval_cycles: u32, |p, v| p.configuration.memory.beat_interval_cycles = v,
        |v| format!("i{v}");
    /// Processes and cell libraries.
    technology: String, |p, v| p.technology = v, |v| identifier(v);
    /// Clocks.
    clock_mhz: u32, |p, v| p.configuration.clock_mhz = v, |v| format!("f{v}");
}

impl Vary {
    /// Whether every value is listed once, and no key overrules another.
    pub(super) fn check(&self) -> Result<(), ExploreError> {
        let overruled = [("precision", self.precision.is_empty()), ("pe", self.pe.is_empty())];
        match overruled.into_iter().find(|(_, is_empty)| !is_empty && !self.datapath.is_empty()) {
            Some((key, _)) => Err(ExploreError::IllegalList {
                key,
                problem: "datapath varies it too; leave one of them out".to_owned(),
            }),
            None => self.check_lists(),
        }
    }
}

/// Gives a point the value at an index.
type Set<'a> = dyn Fn(usize, &mut Candidate) + 'a;

/// A key that is varied.
pub(super) struct Axis<'a> {
    labels: Vec<String>,
    set: Box<Set<'a>>,
}

impl<'a> Axis<'a> {
    fn new<T: Clone>(values: &'a [T], set: fn(&mut Candidate, T), label: impl Fn(&T) -> String) -> Axis<'a> {
        let mut labels: Vec<String> = values.iter().map(label).collect();
        let is_repeated = |(index, label): (usize, &String)| labels[..index].contains(label);
        if labels.iter().enumerate().any(is_repeated) {
            labels.iter_mut().zip(1..).for_each(|(label, number)| *label += &format!("_{number}"));
        }
        Axis { labels, set: Box::new(move |index, point| set(point, values[index].clone())) }
    }

    pub fn count(&self) -> usize {
        self.labels.len()
    }

    /// Gives `point` the value at `index` and returns how it is called.
    pub fn set(&self, index: usize, point: &mut Candidate) -> &str {
        (self.set)(index, point);
        &self.labels[index]
    }
}

fn pe_label(pe: &Pe) -> String {
    let options = pe.options.values().map(|value| format!("_{}", identifier(value)));
    format!("{}{}_l{}", pe.kind, options.collect::<String>(), pe.lanes)
}

/// `text` as a part of a name.
fn identifier(text: &str) -> String {
    let legal = |c: char| if c.is_ascii_alphanumeric() { c.to_ascii_lowercase() } else { '_' };
    text.chars().map(legal).collect()
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
