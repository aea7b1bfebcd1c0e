"""A mapped netlist: its area, its leakage, and the energy of random operands.

Energy is counted from toggles: every signal is evaluated for all vectors at once (one bit of a Python
integer a vector), so a toggle is a set bit of `v ^ (v >> 1)`. Every change costs the driving pin's internal
energy and half of C V^2 of the input pins it drives. Delays are zero: glitches and wires are not counted.
"""

import random
import re

VECTORS = 4096
FANOUT_PIN = 0.0  # wires have no capacitance before layout


class Netlist:
    """One module of Yosys's JSON, mapped to cells of a library."""

    def __init__(self, module, cells, voltage):
        self.voltage = voltage
        self.ports = module["ports"]
        self.cells = [(cells[c["type"]], c["connections"]) for c in module["cells"].values()]
        self.load_pf = {}
        for cell, connections in self.cells:
            for name, (bit,) in connections.items():
                if cell.pins[name].direction == "input":
                    self.load_pf[bit] = self.load_pf.get(bit, FANOUT_PIN) + cell.pins[name].capacitance_pf

    def area_um2(self):
        """Sum of the cells' areas."""
        return sum(cell.area_um2 for cell, _ in self.cells)

    def leakage_nw(self):
        """Sum of the cells' mean leakage."""
        return sum(cell.leakage_nw for cell, _ in self.cells)

    def clock_pj(self):
        """Energy of a clock cycle in which no data change."""
        flip_flops = [cell for cell, _ in self.cells if cell.clock]
        pins = [cell.pins[cell.clock] for cell in flip_flops]
        return sum(2 * pin.toggle_pj(0.0) + pin.capacitance_pf * self.voltage**2 for pin in pins)

    def data_pj(self, seed=1):
        """Mean energy of a cycle in which every input bit and every register bit is random, without the clock."""
        values = self.evaluate(seed)
        mask = (1 << (VECTORS - 1)) - 1
        rate = {bit: bin((v ^ (v >> 1)) & mask).count("1") / (VECTORS - 1) for bit, v in values.items()}
        energy = sum(rate.get(bit, 0.0) * 0.5 * load * self.voltage**2 for bit, load in self.load_pf.items())
        for cell, connections in self.cells:
            for name, (bit,) in connections.items():
                if name != cell.clock:
                    energy += rate.get(bit, 0.0) * cell.pins[name].toggle_pj(self.load_pf.get(bit, 0.0))
        return energy

    def evaluate(self, seed):
        """The value of every bit, for all vectors."""
        source = random.Random(seed)
        ones = (1 << VECTORS) - 1
        values = {"0": 0, "1": ones, "x": 0}
        for port in self.ports.values():
            if port["direction"] == "input":
                values |= {bit: source.getrandbits(VECTORS) for bit in port["bits"]}
        waiting = []
        for cell, connections in self.cells:
            for name, pin in cell.pins.items():
                if pin.direction != "output" or name not in connections:
                    continue
                if cell.clock:
                    values[connections[name][0]] = source.getrandbits(VECTORS)
                else:
                    waiting.append((function(pin.function), connections, connections[name][0]))
        while waiting:
            later = []
            for code, connections, output in waiting:
                inputs = {name: values.get(bits[0]) for name, bits in connections.items()}
                if any(inputs[name] is None for name in code.co_names):
                    later.append((code, connections, output))
                else:
                    values[output] = eval(code, {"__builtins__": {}}, inputs) & ones
            if len(later) == len(waiting):
                raise ValueError("combinational loop in a mapped netlist")
            waiting = later
        return values


def function(text):
    """Python code of a Liberty function: ! * + & | ^, postfix ', and operands side by side, which are both needed."""
    text = re.sub(r"(?<=[\w)'])\s+(?=[\w(!])", " & ", text)
    python = re.sub(r"(\w+)\s*'", r"(~\1)", text).replace("!", "~").replace("*", "&").replace("+", "|")
    return compile({"0": "0", "1": "~0"}.get(python.strip("() "), python), "function", "eval")
