//! Cells that a flow needs by what they do, whatever a library calls them.

use super::LibertyError;
use super::cell::{Cell, Direction, Pin};
use super::library::Library;
use crate::significant;
use crate::technology::Reference;

/// Cells by what they do.
#[derive(Clone, PartialEq, Debug)]
pub struct Roles {
    /// What drives inputs, and what trees behind nets of many sinks are made of: the buffer with the least product of area and
    /// delay at sixteen inputs.
    pub buffer: String,
    /// What outputs drive: four inputs of the smallest NAND2, in fF.
    pub load_ff: f64,
    /// The smallest NAND2 and flip-flop.
    pub reference: Reference,
}

/// Inputs of the smallest NAND2 that a buffer of a tree drives, and that an output does.
const TREE_INPUTS: f64 = 16.0;
const OUTPUT_INPUTS: f64 = 4.0;

/// Slew in ns at which cells are compared.
const SLEW_NS: f64 = 0.05;

impl Roles {
    /// Finds the cells in a library, those that `is_usable` leaves out apart.
    ///
    /// # Errors
    /// [`LibertyError::Library`] for a library without a NAND2, a buffer or a flip-flop.
    pub fn find(library: &Library, is_usable: impl Fn(&str) -> bool) -> Result<Roles, LibertyError> {
        let lacks = |what: &str| LibertyError::Library {
            library: library.name.clone(),
            problem: format!("it has no {what} that can be priced and used"),
        };
        let usable = || library.cells.iter().filter(|cell| is_usable(&cell.name));
        let by_area =
            |a: &&Cell, b: &&Cell| a.area_um2.total_cmp(&b.area_um2).then_with(|| a.name.cmp(&b.name));
        let nand2 = usable()
            .filter(|cell| is_function(cell, 2, 0b0111))
            .min_by(by_area)
            .ok_or_else(|| lacks("NAND2"))?;
        let input_pf = inputs(nand2).map(|pin| pin.capacitance_pf).fold(0.0, f64::max);
        let weighed = |cell: &Cell| cell.area_um2 * delay_ns(cell, TREE_INPUTS * input_pf);
        let buffer = usable()
            .filter(|cell| is_function(cell, 1, 0b10))
            .min_by(|a, b| weighed(a).total_cmp(&weighed(b)))
            .ok_or_else(|| lacks("buffer"))?;
        let flip_flop = usable()
            .filter(|cell| cell.sequential.is_some() && output(cell).is_some())
            .min_by(by_area)
            .ok_or_else(|| lacks("flip-flop"))?;
        Ok(Roles {
            buffer: buffer.name.clone(),
            load_ff: OUTPUT_INPUTS * input_pf * 1e3,
            reference: Reference {
                nand2_um2: nand2.area_um2,
                flip_flop_pj: significant(clock_pj(flip_flop, library.corner.voltage_v)),
                flip_flop_ns: significant(delay_ns(flip_flop, 0.0)),
                flip_flop_nw: significant(mean(flip_flop.leakage_nw.iter().map(|(_, nw)| *nw))),
            },
        })
    }
}

fn inputs(cell: &Cell) -> impl Iterator<Item = &Pin> {
    cell.pins.iter().filter(|pin| pin.direction == Direction::Input)
}

fn output(cell: &Cell) -> Option<&Pin> {
    cell.pins.iter().find(|pin| pin.direction == Direction::Output)
}

/// Whether a cell has `count` inputs and one output with this truth table, a bit a row, the first input the lowest.
fn is_function(cell: &Cell, count: usize, table: u64) -> bool {
    let names: Vec<&str> = inputs(cell).map(|pin| pin.name.as_str()).collect();
    let one_output = cell.pins.len() == count + 1 && names.len() == count && cell.sequential.is_none();
    let Some(function) = output(cell).and_then(|pin| pin.function.as_ref()).filter(|_| one_output) else {
        return false;
    };
    // Bit r of an input is its value in row r.
    let column = |input: usize| {
        (0..1u64 << count).filter(|row| row >> input & 1 == 1).map(|row| 1 << row).sum::<u64>()
    };
    let value = function.eval(|name| names.iter().position(|n| *n == name).map_or(0, column));
    value & ((1 << (1 << count)) - 1) == table
}

/// Mean delay of all arcs to the output in ns.
fn delay_ns(cell: &Cell, load_pf: f64) -> f64 {
    let tables = output(cell).into_iter().flat_map(|pin| &pin.arcs).flat_map(|arc| &arc.delay_ns);
    mean(tables.map(|table| table.at(SLEW_NS, load_pf)))
}

/// Energy of both edges of the clock, the pin's load included, in pJ.
fn clock_pj(cell: &Cell, voltage_v: f64) -> f64 {
    let Some(clock) = cell.sequential.as_ref().and_then(|s| cell.pin(&s.clock)) else { return 0.0 };
    let pin = &cell.pins[clock];
    let tables = pin.internal.iter().flat_map(|power| [&power.rise, &power.fall]);
    2.0 * mean(tables.map(|table| table.at(SLEW_NS, 0.0))) + pin.capacitance_pf * voltage_v * voltage_v
}

fn mean(values: impl Iterator<Item = f64>) -> f64 {
    let (sum, count) = values.fold((0.0, 0.0), |(sum, count), value| (sum + value, count + 1.0));
    if count > 0.0 { sum / count } else { 0.0 }
}
