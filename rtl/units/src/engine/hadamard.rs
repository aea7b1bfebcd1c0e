//! Walsh–Hadamard transform of a row of integers: what rotates activations before they are quantized.
//!
//! Meaning: `y[i] = Σ x[j] · (−1)^popcount(i & j)`, the transform in natural (Sylvester's) order, exact: a result has
//! a bit more than the input for each stage. Divided by √N it is a rotation, and its own inverse; that factor goes
//! with the scales of the tensor, and is a shift for N = 4, 16 and 64.
//!
//! Circuit: the fast transform (Fino and Algazi, "Unified Matrix Treatment of the Fast Walsh-Hadamard Transform",
//! IEEE Transactions on Computers, 1976): log2 N stages of N/2 butterflies, sum and difference of lanes that differ
//! in one bit of their number, where the matrix would take N · (N − 1) additions.
//!
//! Timing: a row every cycle, log2 N cycles from input to output. All stages stand still while a result waits.

use std::collections::VecDeque;
use std::sync::Arc;

use bitmill_hdl::unit::{Expected, Model, Random, Unit, Values, lane, pack, signed_number, to_bits};
use bitmill_hdl::{BigUint, HdlError, Module, ModuleBuilder, Signal, unsigned};

use super::deformable_convolution::gather;
use crate::{Entry, Legal, Parameter, Settings, UnitError};

/// Catalogue entry.
pub const ENTRY: Entry = Entry {
    name: "hadamard",
    summary: "fast Walsh-Hadamard transform of a row of integers, exact",
    parameters: &[
        Parameter {
            name: "lanes",
            default: "16",
            help: "integers in a row: 4, 8, 16, 32 or 64",
            legal: Legal::OneOf(&["4", "8", "16", "32", "64"]),
        },
        Parameter {
            name: "bits",
            default: "8",
            help: "bits of the signed integers, 2 to 16",
            legal: Legal::Numbers(2, 16),
        },
    ],
    examples: &["lanes=4 bits=2", "lanes=8 bits=4", "", "lanes=32 bits=6", "lanes=64 bits=16"],
    build: |settings| Ok(Box::new(Hadamard::from_settings(settings)?)),
};

/// Parameters of the unit.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct Hadamard {
    lanes: u32,
    bits: u32,
}

impl Hadamard {
    /// A unit for rows of `lanes` signed integers of `bits`.
    ///
    /// # Errors
    /// Lanes that are no power of two from 4 to 64, or integers of fewer than 2 or more than 16 bits.
    pub fn new(lanes: u32, bits: u32) -> Result<Hadamard, UnitError> {
        if !lanes.is_power_of_two() || !(4..=64).contains(&lanes) {
            return Err(UnitError::illegal("lanes", lanes, "4, 8, 16, 32 and 64 are legal"));
        }
        if !(2..=16).contains(&bits) {
            return Err(UnitError::illegal("bits", bits, "2 to 16 bits are legal"));
        }
        Ok(Hadamard { lanes, bits })
    }

    fn from_settings(settings: &Settings) -> Result<Hadamard, UnitError> {
        Hadamard::new(settings.number("lanes", 4..=64)?, settings.number("bits", 2..=16)?)
    }

    /// Stages, and cycles from input to output.
    pub fn latency_cycles(&self) -> u32 {
        self.lanes.ilog2()
    }

    /// Bits of the signed results.
    pub fn result_bits(&self) -> u32 {
        self.bits + self.latency_cycles()
    }

    /// The meaning, on numbers: as many as a power of two.
    pub fn transform(row: &[i64]) -> Vec<i64> {
        let mut row = row.to_vec();
        let mut distance = 1;
        while distance < row.len() {
            for first in (0..row.len()).filter(|index| index & distance == 0) {
                let (a, b) = (row[first], row[first | distance]);
                (row[first], row[first | distance]) = (a + b, a - b);
            }
            distance *= 2;
        }
        row
    }

    fn stages(&self) -> usize {
        self.latency_cycles() as usize
    }
}

impl Unit for Hadamard {
    fn module(&self) -> Result<Arc<Module>, HdlError> {
        let &Hadamard { lanes, bits } = self;
        let stages = self.stages();
        let m = ModuleBuilder::new(
            format!("bitmill_hadamard_n{lanes}_w{bits}"),
            format!("Walsh-Hadamard transform of {lanes} integers.\nLatency {stages} cycles, interval 1."),
        );
        m.group("Rows in");
        let valid = m.input("valid_i", unsigned(1));
        let row = m.input_with_comment("row_i", unsigned(lanes * bits), "signed integers, the first lowest");
        m.group("Rows out");
        let ready = m.input("ready_i", unsigned(1));

        let valids: Vec<_> =
            (0..stages).map(|stage| m.register(&format!("valid_{stage}_q"), unsigned(1))).collect();
        let shows = valids[stages - 1].q();
        let moves = shows.not().or(ready).named("moves");
        let mut before = valid;
        for register in valids {
            let valid = register.q();
            register.set_when(moves, before);
            before = valid;
        }
        let mut values: Vec<Signal<'_>> =
            (0..lanes).map(|lane| row.slice(lane * bits, bits).as_signed()).collect();
        for stage in 0..stages {
            let distance = 1 << stage;
            m.comment(&format!("Sums and differences of lanes {distance} apart."));
            let butterfly = |lane: usize| match lane & distance {
                0 => values[lane].add(values[lane | distance]),
                _ => values[lane ^ distance].sub(values[lane]),
            };
            let kept = (0..lanes as usize).map(|lane| {
                let next = butterfly(lane);
                let register =
                    m.register(&format!("stage_{stage}_lane_{lane}_q"), next.shape()).without_reset();
                register.set_when(moves, next);
                register.q()
            });
            values = kept.collect();
        }
        let results: Vec<Signal<'_>> = values.into_iter().map(Signal::as_unsigned).collect();
        m.output("ready_o", moves);
        m.output("valid_o", shows);
        m.output_with_comment("row_o", gather::pack(&m, &results), "signed integers, the first lowest");
        m.finish()
    }

    fn model(&self) -> Box<dyn Model> {
        let unit = *self;
        let mut rows: VecDeque<Option<BigUint>> = vec![None; unit.stages()].into();
        Box::new(move |inputs: &[BigUint]| -> Expected {
            let bit = |bit: bool| Some(BigUint::from(u8::from(bit)));
            let shown = rows[unit.stages() - 1].clone();
            let moves = shown.is_none() || inputs[2].bit(0);
            if moves {
                rows.pop_back();
                rows.push_front(inputs[0].bit(0).then(|| unit.result_of(&inputs[1])));
            }
            vec![bit(moves), bit(shown.is_some()), shown]
        })
    }

    fn stimulus(&self, random: &mut Random, cycles: usize) -> Vec<Values> {
        let row = |random: &mut Random| -> Vec<BigUint> {
            let lanes = self.lanes as usize;
            match random.below(4) {
                // One lane alone shows a column of the matrix; all alike meet in the first result.
                0 => {
                    let (place, value) = (random.below(lanes as u64) as usize, random.corner_bits(self.bits));
                    (0..lanes).map(|lane| if lane == place { value.clone() } else { BigUint::ZERO }).collect()
                }
                1 => vec![random.corner_bits(self.bits); lanes],
                _ => (0..lanes).map(|_| random.corner_bits(self.bits)).collect(),
            }
        };
        let cycle = |_| {
            let bit = |bit: bool| BigUint::from(u8::from(bit));
            let row = pack(&row(random), self.bits);
            vec![bit(!random.one_in(4)), row, bit(!random.one_in(3))]
        };
        (0..cycles).map(cycle).collect()
    }
}

impl Hadamard {
    /// The meaning on the module's input.
    fn result_of(&self, row: &BigUint) -> BigUint {
        let number = |index| signed_number(&lane(row, index, self.bits), self.bits);
        let row: Vec<i64> = (0..self.lanes).map(number).collect();
        let codes = Hadamard::transform(&row).into_iter();
        let codes: Vec<BigUint> = codes.map(|value| to_bits(value.into(), self.result_bits())).collect();
        pack(&codes, self.result_bits())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_transform_is_sylvesters_matrix_and_undoes_itself() {
        for lanes in [4_usize, 8, 16, 32, 64] {
            let row: Vec<i64> = (0..lanes as i64).map(|j| j * j % 23 - 11).collect();
            let result = Hadamard::transform(&row);
            for (i, value) in result.iter().enumerate() {
                let sign = |j: usize| 1 - 2 * i64::from((i & j).count_ones() % 2);
                assert_eq!(*value, row.iter().enumerate().map(|(j, x)| sign(j) * x).sum::<i64>());
            }
            let twice = Hadamard::transform(&result);
            assert!(twice.iter().zip(&row).all(|(value, x)| *value == lanes as i64 * x), "{lanes} lanes");
        }
    }

    #[test]
    fn the_largest_results_fit_and_fill_their_bits() {
        let unit = Hadamard::new(64, 8).unwrap();
        let lowest = *Hadamard::transform(&[-128; 64]).first().unwrap();
        assert_eq!((unit.result_bits(), lowest), (14, -(1 << 13)));
    }

    #[test]
    fn other_rows_are_refused() {
        for (lanes, bits, legal) in
            [(2, 8, "4, 8, 16"), (12, 8, "4, 8, 16"), (128, 8, "64"), (8, 1, "2 to 16")]
        {
            let refused = Hadamard::new(lanes, bits).unwrap_err().to_string();
            assert!(refused.contains(legal), "{refused}");
        }
    }
}
