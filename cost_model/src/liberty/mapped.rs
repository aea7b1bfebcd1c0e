//! A netlist as Yosys writes it in JSON: its area, its energies, trees of buffers, and the structure that OpenSTA reads.

use std::collections::{BTreeMap, BTreeSet};

use serde::Deserialize;
use serde_json::{Map, Value};

use super::cell::Direction;
use super::library::Library;
use super::netlist::{Activity, Netlist, NetlistError, Stimulus};
use super::power::power;

/// A module of cells and the nets between them. Nets 0 and 1 carry these constants. Cells that the library does not have are
/// black boxes: they cost nothing, and what they drive comes from outside.
#[derive(Clone, PartialEq, Debug)]
pub struct MappedNetlist {
    /// Nets of input ports, by port.
    inputs: BTreeMap<String, Vec<usize>>,
    /// Nets of output ports, by port.
    outputs: BTreeMap<String, Vec<usize>>,
    cells: Vec<Instance>,
    /// Names of nets, the lowest bit first.
    names: BTreeMap<String, Vec<usize>>,
}

/// A cell of the library or a black box.
#[derive(Clone, PartialEq, Debug)]
struct Instance {
    kind: String,
    /// Pins with their nets; those of black boxes may have several.
    pins: Vec<(String, Vec<usize>)>,
}

/// Most sinks of a net; beyond, there are trees of buffers.
const MOST_SINKS: usize = 16;

/// Names of the ports that no path begins at and that are not random.
const CLOCK: &str = "clk_i";
const RESET: &str = "rst_ni";

/// Cycles before registers have forgotten their random beginning, and cycles that are counted, in each of 64 runs.
const SETTLING: usize = 16;
const CYCLES: usize = 32;

/// Energies of a netlist under random inputs, and its leakage.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct Energies {
    /// Energy in pJ of a cycle in which every input but clock and reset is random.
    pub active_pj: f64,
    /// Energy in pJ of a cycle in which only the clock moves.
    pub clock_pj: f64,
    /// Leakage in nW.
    pub leakage_nw: f64,
}

#[derive(Deserialize)]
struct YosysModule {
    ports: Map<String, Value>,
    cells: Map<String, Value>,
    #[serde(default)]
    netnames: Map<String, Value>,
}

#[derive(Deserialize)]
struct YosysDesign {
    modules: BTreeMap<String, Value>,
}

impl MappedNetlist {
    /// Reads what Yosys's `write_json` writes: the module `top`, or the one module that there is.
    ///
    /// # Errors
    /// What is missing.
    pub fn from_yosys_design(text: &str, top: Option<&str>) -> Result<MappedNetlist, String> {
        let mut design: YosysDesign = serde_json::from_str(text).map_err(|error| error.to_string())?;
        let names: Vec<String> = design.modules.keys().cloned().collect();
        let name = match (top, &names[..]) {
            (Some(top), _) => top,
            (None, [only]) => only,
            (None, _) => return Err(format!("it has several modules; choose one of {}", names.join(", "))),
        };
        let module = design.modules.remove(name);
        let module =
            module.ok_or_else(|| format!("it has no module {name}; there are {}", names.join(", ")))?;
        MappedNetlist::of_module(serde_json::from_value(module).map_err(|error| error.to_string())?)
    }

    /// Reads one module of what Yosys's `write_json` writes.
    ///
    /// # Errors
    /// What is missing.
    pub fn from_yosys(text: &str) -> Result<MappedNetlist, String> {
        MappedNetlist::of_module(serde_json::from_str(text).map_err(|error| error.to_string())?)
    }

    fn of_module(module: YosysModule) -> Result<MappedNetlist, String> {
        let (mut inputs, mut outputs) = (BTreeMap::new(), BTreeMap::new());
        for (name, port) in &module.ports {
            let side = match port["direction"].as_str() {
                Some("input") => &mut inputs,
                Some("output") => &mut outputs,
                _ => return Err(format!("port {name} is neither input nor output")),
            };
            side.insert(name.clone(), nets(&port["bits"]));
        }
        let mut cells = Vec::new();
        for (name, cell) in &module.cells {
            let (Some(kind), Some(pins)) = (cell["type"].as_str(), cell["connections"].as_object()) else {
                return Err(format!("cell {name} has no type or no connections"));
            };
            let pins = pins.iter().map(|(pin, bits)| (pin.clone(), nets(bits))).collect();
            cells.push(Instance { kind: kind.to_owned(), pins });
        }
        let names = module.netnames.iter().map(|(name, net)| (name.clone(), nets(&net["bits"]))).collect();
        Ok(MappedNetlist { inputs, outputs, cells, names })
    }

    /// Area of all cells in µm².
    pub fn area_um2(&self, library: &Library) -> f64 {
        let kinds = self.cells.iter().filter_map(|cell| library.find(&cell.kind));
        kinds.map(|kind| library.cells[kind].area_um2).sum()
    }

    /// Puts trees of `buffer` behind nets of more than sixteen sinks, clock and reset left out: ABC buffers what gates drive, but
    /// neither registers nor ports. A flow that lays out a design mends that first.
    ///
    /// # Errors
    /// `buffer` is no cell of the library with an input and an output.
    pub fn insert_buffers(&mut self, library: &Library, buffer: &str) -> Result<(), NetlistError> {
        let unknown = || NetlistError::UnknownCell(buffer.to_owned());
        let pins = &library.cells[library.find(buffer).ok_or_else(unknown)?].pins;
        let pin_of =
            |direction| pins.iter().find(|pin| pin.direction == direction).map(|pin| pin.name.clone());
        let (into, out) =
            (pin_of(Direction::Input).ok_or_else(unknown)?, pin_of(Direction::Output).ok_or_else(unknown)?);
        let kept: BTreeSet<usize> = self.port(CLOCK).chain(self.port(RESET)).collect();
        let mut sinks: BTreeMap<usize, Vec<(usize, usize)>> = BTreeMap::new();
        for (number, cell) in self.cells.iter().enumerate() {
            let Some(kind) = library.find(&cell.kind).map(|kind| &library.cells[kind]) else { continue };
            for (place, (pin, nets)) in cell.pins.iter().enumerate() {
                let is_input = kind.pin(pin).is_some_and(|pin| kind.pins[pin].direction == Direction::Input);
                let net = nets.first().filter(|net| is_input && **net > 1 && !kept.contains(net));
                net.into_iter().for_each(|net| sinks.entry(*net).or_default().push((number, place)));
            }
        }
        let mut last = self.all_nets().max().unwrap_or(1);
        for (net, mut places) in sinks {
            while places.len() > MOST_SINKS {
                let mut above = Vec::new();
                for part in places.chunks(MOST_SINKS) {
                    last += 1;
                    for &(number, place) in part {
                        self.cells[number].pins[place].1 = vec![last];
                    }
                    above.push((self.cells.len(), 0));
                    let pins = vec![(into.clone(), vec![net]), (out.clone(), vec![last])];
                    self.cells.push(Instance { kind: buffer.to_owned(), pins });
                }
                places = above;
            }
        }
        Ok(())
    }

    /// Names of nets with their bits, the lowest first.
    pub fn names(&self) -> &BTreeMap<String, Vec<usize>> {
        &self.names
    }

    /// Kinds of cells that the library does not have, with their number.
    pub fn black_boxes(&self, library: &Library) -> BTreeMap<&str, usize> {
        let mut found = BTreeMap::new();
        for cell in self.cells.iter().filter(|cell| library.find(&cell.kind).is_none()) {
            *found.entry(cell.kind.as_str()).or_default() += 1;
        }
        found
    }

    /// The cells of the library with what drives them. What black boxes drive comes from outside; `wire_pf` adds the capacitance of
    /// wires to nets.
    ///
    /// # Errors
    /// [`NetlistError`]: loops, and pins that cells do not have.
    pub fn netlist<'l>(
        &self,
        library: &'l Library,
        wire_pf: &[(usize, f64)],
    ) -> Result<Netlist<'l>, NetlistError> {
        let (known, foreign): (Vec<&Instance>, Vec<&Instance>) =
            self.cells.iter().partition(|cell| library.find(&cell.kind).is_some());
        let driven: BTreeSet<usize> = known
            .iter()
            .flat_map(|cell| {
                let kind = library.find(&cell.kind).map(|kind| &library.cells[kind]);
                cell.pins.iter().filter_map(move |(pin, nets)| {
                    let pin = &kind?.pins[kind?.pin(pin)?];
                    nets.first().filter(|_| pin.direction == Direction::Output).copied()
                })
            })
            .collect();
        let from_boxes = foreign.iter().flat_map(|cell| cell.pins.iter().flat_map(|(_, nets)| nets)).copied();
        let ports = self.inputs.values().flatten().copied();
        let inputs: BTreeSet<usize> =
            ports.chain(from_boxes.filter(|net| *net > 1 && !driven.contains(net))).collect();
        let cells = known.iter().map(|cell| {
            let pins = cell.pins.iter().filter_map(|(pin, nets)| Some((pin.as_str(), *nets.first()?)));
            (cell.kind.as_str(), pins.collect())
        });
        Netlist::new(library, cells, inputs.into_iter().collect(), wire_pf)
    }

    /// What the nets of `netlist`, which is made of this, do in a cycle of random inputs, clock and reset left out: zero-delay
    /// simulation, glitches not counted.
    pub fn random_activity(&self, netlist: &Netlist) -> Activity {
        let (clock, reset) = (self.port(CLOCK).next(), self.port(RESET).next());
        let stimulus = |net: usize| match net {
            _ if Some(net) == clock => Stimulus::Clock,
            _ if Some(net) == reset => Stimulus::Held(true),
            _ => Stimulus::Random,
        };
        let mut random = crate::gates::Random::seeded(1);
        netlist.simulate(stimulus, SETTLING, CYCLES, || random.next())
    }

    /// Energies by the power calculator, without wires, of [`MappedNetlist::random_activity`].
    ///
    /// # Errors
    /// [`NetlistError`]: loops, and pins that cells do not have.
    pub fn energies(&self, library: &Library) -> Result<Energies, NetlistError> {
        let netlist = self.netlist(library, &[])?;
        let activity = self.random_activity(&netlist);
        let active = power(&netlist, &activity);
        let clock = self.port(CLOCK).next();
        let still = (0..netlist.nets).map(|net| if Some(net) == clock { 2.0 } else { 0.0 }).collect();
        let idle = power(&netlist, &Activity { toggles: still, ones: activity.ones });
        Ok(Energies {
            active_pj: active.dynamic_pj(),
            clock_pj: idle.dynamic_pj(),
            leakage_nw: active.leakage_nw,
        })
    }

    /// Nets of inputs that data come from: neither clock nor reset.
    pub fn data_inputs(&self) -> Vec<usize> {
        let timing = |name: &&String| *name != CLOCK && *name != RESET;
        let ports = self.inputs.iter().filter(|(name, _)| timing(name));
        once_each(ports.flat_map(|(_, nets)| nets))
    }

    /// Nets of the clock and of the reset.
    pub fn clock_and_reset(&self) -> [Option<usize>; 2] {
        [self.port(CLOCK).next(), self.port(RESET).next()]
    }

    /// The module `mapped` as Verilog that timing tools read: a port and a wire a net (`n7`), instances of the library's cells,
    /// nothing else. Black boxes are left out.
    pub fn to_verilog(&self, library: &Library) -> String {
        let inputs = once_each(self.inputs.values().flatten());
        let outputs = once_each(self.outputs.values().flatten());
        let outputs: Vec<usize> = outputs.into_iter().filter(|net| !inputs.contains(net)).collect();
        let listed = |nets: &[usize]| nets.iter().map(|net| format!("n{net}")).collect::<Vec<_>>();
        let ports = [listed(&inputs), listed(&outputs)].concat();
        let mut text = format!("module mapped ({});\n", ports.join(", "));
        listed(&inputs).iter().for_each(|net| text += &format!("input {net};\n"));
        listed(&outputs).iter().for_each(|net| text += &format!("output {net};\n"));
        let at_ports: BTreeSet<usize> = inputs.iter().chain(&outputs).copied().collect();
        let own: BTreeSet<usize> =
            self.all_nets().filter(|net| *net > 1 && !at_ports.contains(net)).collect();
        own.iter().for_each(|net| text += &format!("wire n{net};\n"));
        let name = |net: usize| if net > 1 { format!("n{net}") } else { format!("1'b{net}") };
        for (number, Instance { kind, pins }) in self.cells.iter().enumerate() {
            if library.find(kind).is_some() {
                let pins =
                    pins.iter().filter_map(|(pin, nets)| Some(format!(".{pin}({})", name(*nets.first()?))));
                text += &format!("{kind} u{number} ({});\n", pins.collect::<Vec<_>>().join(", "));
            }
        }
        text + "endmodule\n"
    }

    fn port(&self, name: &str) -> impl Iterator<Item = usize> {
        self.inputs.get(name).into_iter().flatten().copied().filter(|net| *net > 1)
    }

    fn all_nets(&self) -> impl Iterator<Item = usize> {
        let pins = self.cells.iter().flat_map(|cell| cell.pins.iter().flat_map(|(_, nets)| nets));
        self.inputs.values().chain(self.outputs.values()).flatten().chain(pins).copied()
    }
}

/// Nets that are no constants, each once, in the order of their first appearance.
fn once_each<'n>(nets: impl Iterator<Item = &'n usize>) -> Vec<usize> {
    let mut seen = BTreeSet::new();
    nets.copied().filter(|net| *net > 1 && seen.insert(*net)).collect()
}

/// Yosys numbers nets from 2; constants stand as text, what is unknown counts as 0.
fn nets(bits: &Value) -> Vec<usize> {
    let net = |bit: &Value| {
        bit.as_u64().map_or_else(|| usize::from(bit == "1"), |number| usize::try_from(number).unwrap_or(0))
    };
    bits.as_array().into_iter().flatten().map(net).collect()
}
