//! One cell of a library: area, leakage, pins with their functions and tables.

use super::function::Function;
use super::syntax::Group;
use super::table::{Table, numbers};
use super::units::Units;

/// A cell.
#[derive(Clone, PartialEq, Debug)]
pub struct Cell {
    /// Name.
    pub name: String,
    /// Area in µm² (the unit is the library's convention; Liberty has no attribute for it).
    pub area_um2: f64,
    /// Leakage by state: the condition (`None` for always, or for what no other names) and nW.
    pub leakage_nw: Vec<(Option<Function>, f64)>,
    /// Pins without supply.
    pub pins: Vec<Pin>,
    /// State of a flip-flop; latches and tristate cells are not read.
    pub sequential: Option<Sequential>,
}

/// What a flip-flop does.
#[derive(Clone, PartialEq, Debug)]
pub struct Sequential {
    /// Names of the state and of its complement.
    pub state: [String; 2],
    /// What it takes at the clock's edge.
    pub next: Function,
    /// The clock pin.
    pub clock: String,
}

/// Direction of a pin.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Direction {
    /// Into the cell.
    Input,
    /// Out of the cell.
    Output,
}

/// A pin.
#[derive(Clone, PartialEq, Debug)]
pub struct Pin {
    /// Name.
    pub name: String,
    /// Direction.
    pub direction: Direction,
    /// Capacitance in pF.
    pub capacitance_pf: f64,
    /// What an output carries.
    pub function: Option<Function>,
    /// Energy within the cell of the pin's transitions.
    pub internal: Vec<InternalPower>,
    /// Delays from other pins to this one.
    pub arcs: Vec<Arc>,
}

/// Energy within the cell of one transition of a pin, in pJ by slew and load.
#[derive(Clone, PartialEq, Debug)]
pub struct InternalPower {
    /// The input that causes the transition; `None` at inputs.
    pub related: Option<String>,
    /// The supply that gives this energy, where a library tells them apart: those of all supplies add up.
    pub supply: Option<String>,
    /// When this table holds.
    pub when: Option<Function>,
    /// Of a rising transition.
    pub rise: Table,
    /// Of a falling one.
    pub fall: Table,
}

/// Delay from one pin to another, in ns by slew and load.
#[derive(Clone, PartialEq, Debug)]
pub struct Arc {
    /// The pin it starts at.
    pub related: String,
    /// Delay of a rising and of a falling output.
    pub delay_ns: [Table; 2],
    /// Slew of a rising and of a falling output.
    pub slew_ns: [Table; 2],
}

impl Cell {
    /// The pin called `name`, by number.
    pub fn pin(&self, name: &str) -> Option<usize> {
        self.pins.iter().position(|pin| pin.name == name)
    }

    /// Reads a cell, or says why it cannot be priced.
    pub(super) fn read(group: &Group, units: Units, templates: &[&Group]) -> Result<Cell, String> {
        let area_um2 = number(group, "area")?.ok_or("it has no area")?;
        if area_um2 < 0.0 {
            return Err(format!("area {area_um2} is negative"));
        }
        if group
            .groups
            .iter()
            .any(|g| matches!(g.kind.as_str(), "latch" | "statetable" | "latch_bank" | "ff_bank"))
        {
            return Err("it is a latch, a bank or has a state table".to_owned());
        }
        let mut pins = Vec::new();
        for pin in group.children("pin") {
            pins.push(Pin::read(pin, units, templates)?);
        }
        let cell = Cell {
            name: group.name().to_owned(),
            area_um2,
            leakage_nw: leakage(group, units)?,
            sequential: group.children("ff").next().map(flip_flop).transpose()?,
            pins,
        };
        cell.check()?;
        Ok(cell)
    }

    fn check(&self) -> Result<(), String> {
        if self.leakage_nw.is_empty() {
            return Err("it has no leakage".to_owned());
        }
        for pin in self.pins.iter().filter(|p| p.direction == Direction::Output) {
            let Some(function) = &pin.function else {
                return Err(format!("pin {} has no function", pin.name));
            };
            // The cells that tie a net to a constant have neither delay nor energy.
            let constant = function.pins().next().is_none();
            if !constant && pin.arcs.is_empty() {
                return Err(format!("pin {} has no tables of delay", pin.name));
            }
            if !constant && pin.internal.is_empty() {
                return Err(format!("pin {} has no tables of internal power", pin.name));
            }
        }
        Ok(())
    }
}

impl Pin {
    fn read(group: &Group, units: Units, templates: &[&Group]) -> Result<Pin, String> {
        let name = group.name().to_owned();
        let direction = match group.attribute("direction") {
            Some("input") => Direction::Input,
            Some("output") => Direction::Output,
            other => {
                return Err(format!(
                    "pin {name} is {}, not input or output",
                    other.unwrap_or("without direction")
                ));
            }
        };
        if group.attribute("three_state").is_some() {
            return Err(format!("pin {name} can be released"));
        }
        let capacitance = number(group, "capacitance")?;
        if direction == Direction::Input && capacitance.is_none() {
            return Err(format!("pin {name} has no capacitance"));
        }
        let function = group.attribute("function").map(Function::parse).transpose()?;
        let table = |parent: &Group, kind: &str, energies: bool| -> Result<Option<Table>, String> {
            let Some(found) = parent.children(kind).next() else { return Ok(None) };
            let scale = if energies { units.energies() } else { units.times() };
            let read = Table::read(found, templates, scale, &format!("pin {name}, {kind}"));
            read.map(Some).map_err(|error| error.to_string())
        };
        let mut internal = Vec::new();
        for power in group.children("internal_power") {
            let both = table(power, "power", true)?;
            let rise = table(power, "rise_power", true)?.or_else(|| both.clone());
            let fall = table(power, "fall_power", true)?.or(both);
            let (Some(rise), Some(fall)) = (rise, fall) else {
                return Err(format!("pin {name} has internal power without tables"));
            };
            let when = power.attribute("when").map(Function::parse).transpose()?;
            internal.push(InternalPower {
                related: power.attribute("related_pin").map(str::to_owned),
                supply: power.attribute("related_pg_pin").map(str::to_owned),
                when,
                rise,
                fall,
            });
        }
        let mut arcs = Vec::new();
        for timing in group.children("timing").filter(|_| direction == Direction::Output) {
            let (Some(related), Some(rise), Some(fall), Some(rise_slew), Some(fall_slew)) = (
                timing.attribute("related_pin"),
                table(timing, "cell_rise", false)?,
                table(timing, "cell_fall", false)?,
                table(timing, "rise_transition", false)?,
                table(timing, "fall_transition", false)?,
            ) else {
                // Clears and presets have one edge only.
                continue;
            };
            arcs.push(Arc {
                related: related.to_owned(),
                delay_ns: [rise, fall],
                slew_ns: [rise_slew, fall_slew],
            });
        }
        let capacitance_pf = capacitance.unwrap_or(0.0) * units.capacitance_pf;
        Ok(Pin { name, direction, capacitance_pf, function, internal, arcs })
    }
}

fn number(group: &Group, name: &str) -> Result<Option<f64>, String> {
    let Some(text) = group.attribute(name) else { return Ok(None) };
    match numbers(text)?[..] {
        [number] => Ok(Some(number)),
        _ => Err(format!("{name} `{text}` is not a number")),
    }
}

/// Leakage by state; where no state is given, the cell's one figure.
fn leakage(group: &Group, units: Units) -> Result<Vec<(Option<Function>, f64)>, String> {
    let mut states = Vec::new();
    for state in group.children("leakage_power") {
        let supply = state.attribute("related_pg_pin");
        if let Some(value) =
            number(state, "value")?.filter(|_| supply.is_none_or(|pin| !pin.starts_with("VSS")))
        {
            let when = state.attribute("when").map(Function::parse).transpose()?;
            states.push((when, value * units.leakage_nw));
        }
    }
    // A figure without a condition beside others with one is the library's own mean: the states say more.
    if states.iter().any(|(when, _)| when.is_some()) {
        states.retain(|(when, _)| when.is_some());
    }
    if states.is_empty() {
        states.extend(number(group, "cell_leakage_power")?.map(|value| (None, value * units.leakage_nw)));
    }
    Ok(states)
}

fn flip_flop(group: &Group) -> Result<Sequential, String> {
    let [state, complement] = &group.arguments[..] else {
        return Err("its flip-flop does not name a state and its complement".to_owned());
    };
    let next = Function::parse(group.attribute("next_state").ok_or("its flip-flop has no next state")?)?;
    let clocked_on = group.attribute("clocked_on").ok_or("its flip-flop has no clock")?;
    let clock = Function::parse(clocked_on)?;
    let mut pins = clock.pins();
    match (pins.next(), pins.next()) {
        (Some(pin), None) => {
            Ok(Sequential { state: [state.clone(), complement.clone()], next, clock: pin.to_owned() })
        }
        _ => Err(format!("its clock `{clocked_on}` is not one pin")),
    }
}
