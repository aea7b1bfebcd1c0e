"""Reads what the measurement needs from Liberty files: area, leakage, pins, functions, tables.

A Liberty file is nested groups `kind (arguments) { ... }` with attributes `name : value ;` between them.
Energies are in pJ, capacitances in pF, times in ns, leakage in nW, whatever the units of the file.
"""

import re
from dataclasses import dataclass, field

TOKEN = re.compile(
    r'/\*.*?\*/'                                          # comment
    r'|(?P<open>[\w\[\]:]+)\s*\((?P<arguments>[^()]*)\)\s*\{'
    r'|(?P<list>\w+)\s*\((?P<values>(?:[^()"]|"[^"]*")*)\)\s*;?'
    r'|(?P<name>\w+)\s*:\s*(?P<value>"[^"]*"|[^;\n}]+)\s*;?'
    r'|(?P<close>\})',
    re.DOTALL,
)


@dataclass
class Group:
    """A group of the file."""

    kind: str
    argument: str
    attributes: dict = field(default_factory=dict)
    groups: list = field(default_factory=list)

    def children(self, kind):
        """The groups of one kind within this one."""
        return [group for group in self.groups if group.kind == kind]


def parse(text):
    """The outermost group of a Liberty text."""
    root = Group("", "")
    stack = [root]
    for token in TOKEN.finditer(text.replace("\\\n", " ").replace("\\\r\n", " ")):
        if token["open"]:
            group = Group(token["open"], token["arguments"].strip().strip('"'))
            stack[-1].groups.append(group)
            stack.append(group)
        elif token["list"]:
            stack[-1].attributes[token["list"]] = token["values"]
        elif token["name"]:
            stack[-1].attributes[token["name"]] = token["value"].strip().strip('"')
        elif token["close"] and len(stack) > 1:
            stack.pop()
    return root.groups[0]


def numbers(text):
    """The numbers of a list attribute."""
    return [float(number) for number in re.findall(r"[-+]?[\d.]+(?:[eE][-+]?\d+)?", text)]


@dataclass
class Table:
    """Energy or time by input slew (rows) and load (columns); one number where the library gives one."""

    loads_pf: list
    rows: list

    def at(self, load_pf):
        """The value at the middle slew, interpolated and extrapolated along the load."""
        row = self.rows[len(self.rows) // 2]
        if len(row) == 1 or len(self.loads_pf) != len(row):
            return row[len(row) // 2]
        last = len(row) - 2
        low = next((i for i in range(last) if load_pf < self.loads_pf[i + 1]), last)
        x0, x1 = self.loads_pf[low], self.loads_pf[low + 1]
        return row[low] + (row[low + 1] - row[low]) * (load_pf - x0) / (x1 - x0)


@dataclass
class Pin:
    """A pin of a cell."""

    name: str
    direction: str
    capacitance_pf: float
    function: str
    energies: list  # internal energy of one transition, all conditions, rising and falling
    delays: list  # from a related pin to this one, rising and falling
    setups: list  # before the clock

    def toggle_pj(self, load_pf):
        """Mean internal energy of one transition, in pJ."""
        return mean(self.energies, load_pf)


def mean(tables, load_pf):
    """Mean of several tables at a load; 0 of none."""
    return sum(table.at(load_pf) for table in tables) / len(tables) if tables else 0.0


@dataclass
class Cell:
    """A standard cell."""

    name: str
    area_um2: float
    leakage_nw: float
    pins: dict
    clock: str  # the clock pin of a flip-flop, else empty
    state: tuple  # the names of a flip-flop's state and its complement
    next_state: str  # what a flip-flop takes at the clock, by its pins and its state


def read(paths):
    """Cells by name, and the supply voltage, of a library that stands in several files."""
    cells, voltage = {}, 0.0
    for path in paths:
        with open(path, encoding="utf-8", errors="replace") as file:
            library = parse(file.read())
        voltage = float(library.attributes["nom_voltage"])
        units = Units(library)
        for group in library.children("cell"):
            cells[group.argument] = cell(group, units)
    return cells, voltage


class Units:
    """Factors from a library's units to pF, pJ, ns and nW, and the loads of its table templates."""

    def __init__(self, library):
        scale, unit = library.attributes["capacitive_load_unit"].replace('"', "").split(",")
        self.pf = float(scale) * {"ff": 1e-3, "pf": 1.0}[unit.strip().lower()]
        self.pj = self.pf  # capacitance unit times volt squared
        scale, unit = re.match(r"([\d.]+)(\ws)", library.attributes["time_unit"]).groups()
        self.ns = float(scale) * {"ps": 1e-3, "ns": 1.0}[unit]
        scale, unit = re.match(r"([\d.]+)(\wW)", library.attributes["leakage_power_unit"]).groups()
        self.nw = float(scale) * {"pW": 1e-3, "nW": 1.0, "uW": 1e3, "mW": 1e6}[unit]
        self.loads = {}
        for template in library.children("power_lut_template") + library.children("lu_table_template"):
            index = 2 if "capacitance" in template.attributes.get("variable_2", "") else 1
            if "capacitance" in template.attributes.get(f"variable_{index}", ""):
                self.loads[template.argument] = (index, numbers(template.attributes[f"index_{index}"]))


def cell(group, units):
    """A cell of a library."""
    leakage = [float(g.attributes["value"]) for g in group.children("leakage_power")]
    stated = float(group.attributes.get("cell_leakage_power", 0.0))
    flip_flop = (group.children("ff") or [None])[0]
    return Cell(
        name=group.argument,
        area_um2=float(group.attributes.get("area", 0.0)),
        leakage_nw=units.nw * (stated or (sum(leakage) / len(leakage) if leakage else 0.0)),
        pins={g.argument: pin(g, units) for g in group.children("pin")},
        clock=flip_flop.attributes["clocked_on"].strip("()!") if flip_flop else "",
        state=tuple(re.findall(r"\w+", flip_flop.argument)) if flip_flop else (),
        next_state=flip_flop.attributes["next_state"] if flip_flop else "",
    )


def pin(group, units):
    """A pin of a cell."""
    energies, delays, setups = [], [], []
    for power in group.children("internal_power"):
        energies += read_tables(power, ("rise_power", "fall_power"), units, units.pj)
    for timing in group.children("timing"):
        kind = timing.attributes.get("timing_type", "")
        if kind.startswith("setup"):
            setups += read_tables(timing, ("rise_constraint", "fall_constraint"), units, units.ns)
        elif kind in ("", "combinational", "rising_edge", "falling_edge"):
            delays += read_tables(timing, ("cell_rise", "cell_fall"), units, units.ns)
    return Pin(
        name=group.argument,
        direction=group.attributes.get("direction", ""),
        capacitance_pf=units.pf * float(group.attributes.get("capacitance", 0.0)),
        function=group.attributes.get("function", ""),
        energies=energies,
        delays=delays,
        setups=setups,
    )


def read_tables(group, kinds, units, factor):
    """The tables of some kinds within a group, their rows along the slew."""
    found = []
    for kind in kinds:
        for table in group.children(kind):
            index, loads = units.loads.get(table.argument, (0, []))
            if index and f"index_{index}" in table.attributes:
                loads = numbers(table.attributes[f"index_{index}"])
            text = table.attributes["values"]
            rows = [numbers(row) for row in re.findall(r'"([^"]*)"', text)] or [numbers(text)]
            if index == 1 and len(rows) > 1:
                rows = [list(row) for row in zip(*rows)]
            found.append(Table([units.pf * load for load in loads], [[factor * v for v in r] for r in rows]))
    return found
