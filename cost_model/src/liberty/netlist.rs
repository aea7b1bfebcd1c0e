//! A netlist of cells, and what its nets do under random operands, simulated gate by gate without delay.
//!
//! A zero-delay simulation sees each net at most once a cycle: glitches are not counted.

use super::cell::Direction;
use super::function::Function;
use super::library::Library;

/// A netlist that cannot be simulated.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum NetlistError {
    /// A cell that the library does not have, or cannot price.
    #[error("the library has no cell `{0}` that can be priced")]
    UnknownCell(String),
    /// A pin that the cell does not have.
    #[error("cell {cell} has no pin `{pin}`")]
    UnknownPin {
        /// The cell.
        cell: String,
        /// The pin.
        pin: String,
    },
    /// Gates that wait for each other.
    #[error("{0} gates form a loop, or read nets that nothing drives")]
    Loop(usize),
}

/// A net by number.
type Net = usize;

/// A cell of the netlist.
#[derive(Clone, PartialEq, Debug)]
pub struct MappedCell {
    /// Number in [`Library::cells`].
    pub cell: usize,
    /// The net at each of the cell's pins; `None` where nothing is connected.
    pub nets: Vec<Option<Net>>,
}

/// Cells and the nets between them. Nets 0 and 1 carry these constants.
#[derive(Clone, PartialEq, Debug)]
pub struct Netlist<'l> {
    /// The library of the cells.
    pub library: &'l Library,
    /// Cells; gates stand behind what drives them.
    pub cells: Vec<MappedCell>,
    /// How many nets there are.
    pub nets: usize,
    /// Nets that the outside drives.
    pub inputs: Vec<Net>,
    /// Load of each net in pF: the pins that it drives, and wires where known.
    pub load_pf: Vec<f64>,
    /// Input slew in ns of each net, from delay tables.
    pub slew_ns: Vec<f64>,
}

/// How the inputs of a simulation are driven.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Stimulus {
    /// A new random bit in every cycle.
    Random,
    /// The same value in all cycles.
    Held(bool),
    /// The clock: its net is not simulated, it rises and falls once a cycle.
    Clock,
}

/// What each net does in a cycle.
#[derive(Clone, PartialEq, Debug)]
pub struct Activity {
    /// Transitions a cycle.
    pub toggles: Vec<f64>,
    /// Share of the time for which it is 1.
    pub ones: Vec<f64>,
}

/// Slew in ns at inputs and clocks of which nothing is known: that of a small driver.
const INPUT_SLEW_NS: f64 = 0.05;

impl<'l> Netlist<'l> {
    /// Puts cells together: each by the name of its cell, and pins with their nets. `wire_pf` adds the capacitance of
    /// wires to nets.
    ///
    /// # Errors
    /// [`NetlistError`] for unknown cells and pins, and for loops of gates.
    pub fn new<'n>(
        library: &'l Library,
        cells: impl IntoIterator<Item = (&'n str, Vec<(&'n str, Net)>)>,
        inputs: Vec<Net>,
        wire_pf: &[(Net, f64)],
    ) -> Result<Netlist<'l>, NetlistError> {
        let mut mapped = Vec::new();
        for (name, connections) in cells {
            let cell = library.find(name).ok_or_else(|| NetlistError::UnknownCell(name.to_owned()))?;
            let pins = &library.cells[cell];
            let mut nets = vec![None; pins.pins.len()];
            for (pin, net) in connections {
                let number = pins
                    .pin(pin)
                    .ok_or_else(|| NetlistError::UnknownPin { cell: name.to_owned(), pin: pin.to_owned() })?;
                nets[number] = Some(net);
            }
            mapped.push(MappedCell { cell, nets });
        }
        let used = mapped
            .iter()
            .flat_map(|c| c.nets.iter().flatten())
            .chain(&inputs)
            .chain(wire_pf.iter().map(|w| &w.0));
        let nets = used.copied().max().unwrap_or(1).max(1) + 1;
        let mut load_pf = vec![0.0; nets];
        wire_pf.iter().for_each(|&(net, pf)| load_pf[net] += pf);
        for cell in &mapped {
            for (pin, net) in library.cells[cell.cell].pins.iter().zip(&cell.nets) {
                if let (Direction::Input, Some(net)) = (pin.direction, net) {
                    load_pf[*net] += pin.capacitance_pf;
                }
            }
        }
        let cells = ordered(library, mapped, nets, &inputs)?;
        let mut netlist =
            Netlist { library, cells, nets, inputs, load_pf, slew_ns: vec![INPUT_SLEW_NS; nets] };
        netlist.propagate_slews();
        Ok(netlist)
    }

    /// Area of all cells in µm².
    pub fn area_um2(&self) -> f64 {
        self.cells.iter().map(|c| self.library.cells[c.cell].area_um2).sum()
    }

    /// The slowest slew of each net, both edges averaged: cells stand in the order of signals.
    fn propagate_slews(&mut self) {
        for cell in &self.cells {
            let kind = &self.library.cells[cell.cell];
            for (pin, net) in kind.pins.iter().zip(&cell.nets) {
                let (Direction::Output, Some(net)) = (pin.direction, *net) else { continue };
                let slews = pin.arcs.iter().filter_map(|arc| {
                    let from = cell.nets[kind.pin(&arc.related)?]?;
                    let [rise, fall] =
                        arc.slew_ns.each_ref().map(|t| t.at(self.slew_ns[from], self.load_pf[net]));
                    Some(f64::midpoint(rise, fall))
                });
                if let Some(slowest) = slews.reduce(f64::max) {
                    self.slew_ns[net] = slowest.max(0.0);
                }
            }
        }
    }

    /// Simulates 64 runs of `cycles` cycles after `settling` that are not counted. `stimulus` tells how each input is
    /// driven; `random` gives 64 random bits.
    pub fn simulate(
        &self,
        stimulus: impl Fn(Net) -> Stimulus,
        settling: usize,
        cycles: usize,
        mut random: impl FnMut() -> u64,
    ) -> Activity {
        let mut values = vec![0u64; self.nets];
        values[1] = u64::MAX;
        let mut state: Vec<u64> = self.cells.iter().map(|_| random()).collect();
        let (mut toggles, mut ones) = (vec![0u64; self.nets], vec![0u64; self.nets]);
        let mut before = values.clone();
        for cycle in 0..settling + cycles {
            for &net in &self.inputs {
                values[net] = match stimulus(net) {
                    Stimulus::Random => random(),
                    Stimulus::Held(value) => u64::from(value).wrapping_neg(),
                    Stimulus::Clock => 0,
                };
            }
            self.settle(&mut values, &state);
            self.step(&values, &mut state);
            if cycle >= settling {
                for net in 0..self.nets {
                    toggles[net] += u64::from((values[net] ^ before[net]).count_ones());
                    ones[net] += u64::from(values[net].count_ones());
                }
            }
            before.copy_from_slice(&values);
        }
        let all = (64 * cycles) as f64;
        let mut activity = Activity {
            toggles: toggles.into_iter().map(|n| n as f64 / all).collect(),
            ones: ones.into_iter().map(|n| n as f64 / all).collect(),
        };
        for &net in self.inputs.iter().filter(|&&net| stimulus(net) == Stimulus::Clock) {
            (activity.toggles[net], activity.ones[net]) = (2.0, 0.5);
        }
        activity
    }

    /// Values of all nets, from inputs and states.
    fn settle(&self, values: &mut [u64], state: &[u64]) {
        for sequential in [true, false] {
            for (cell, &q) in self.cells.iter().zip(state) {
                let kind = &self.library.cells[cell.cell];
                if kind.sequential.is_some() != sequential {
                    continue;
                }
                for (pin, net) in kind.pins.iter().zip(&cell.nets) {
                    if let (Direction::Output, Some(net), Some(function)) =
                        (pin.direction, *net, &pin.function)
                    {
                        values[net] = self.eval(cell, function, q, values);
                    }
                }
            }
        }
    }

    /// The states that follow.
    fn step(&self, values: &[u64], state: &mut [u64]) {
        for (cell, q) in self.cells.iter().zip(state) {
            if let Some(sequential) = &self.library.cells[cell.cell].sequential {
                *q = self.eval(cell, &sequential.next, *q, values);
            }
        }
    }

    fn eval(&self, cell: &MappedCell, function: &Function, q: u64, values: &[u64]) -> u64 {
        let kind = &self.library.cells[cell.cell];
        function.eval(|name| match &kind.sequential {
            Some(s) if s.state[0] == name => q,
            Some(s) if s.state[1] == name => !q,
            _ => kind.pin(name).and_then(|pin| cell.nets[pin]).map_or(0, |net| values[net]),
        })
    }
}

/// Flip-flops first, then gates, each behind what drives it.
fn ordered(
    library: &Library,
    cells: Vec<MappedCell>,
    nets: usize,
    inputs: &[Net],
) -> Result<Vec<MappedCell>, NetlistError> {
    let driven = |cell: &MappedCell| -> Vec<Net> {
        let pins = library.cells[cell.cell].pins.iter().zip(&cell.nets);
        pins.filter(|(p, _)| p.direction == Direction::Output).filter_map(|(_, net)| *net).collect()
    };
    let mut known = vec![false; nets];
    [0, 1].iter().chain(inputs).for_each(|&net| known[net] = true);
    let (mut order, mut waiting): (Vec<_>, Vec<_>) =
        cells.into_iter().partition(|c| library.cells[c.cell].sequential.is_some());
    order.iter().flat_map(&driven).for_each(|net| known[net] = true);
    while !waiting.is_empty() {
        let count = waiting.len();
        let mut later = Vec::new();
        for cell in waiting {
            let pins = library.cells[cell.cell].pins.iter().zip(&cell.nets);
            let ready = pins
                .filter(|(p, _)| p.direction == Direction::Input)
                .all(|(_, net)| net.is_none_or(|n| known[n]));
            if ready {
                driven(&cell).into_iter().for_each(|net| known[net] = true);
                order.push(cell);
            } else {
                later.push(cell);
            }
        }
        if later.len() == count {
            return Err(NetlistError::Loop(count));
        }
        waiting = later;
    }
    Ok(order)
}
