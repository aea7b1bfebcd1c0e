"""Energy of a design at work: random operands in every cycle, simulated gate by gate.

Each bit of a Python integer is a run of its own, so a pass over the netlist advances all runs by a cycle. Cells
switch without delay: glitches and wires are not counted, the clock is.
"""

import random

from netlist import function

RUNS = 64
CYCLES = 40
SETTLING_CYCLES = 6  # what was random at the start has left the pipeline


def energy_pj(netlist, fixed, seed=1):
    """Mean energy of a cycle. The input ports in `fixed` keep their value, or walk a list of values, a value a
    cycle; the others are drawn at random whenever a list starts again."""
    gates, flip_flops = program(netlist)
    source, ones = random.Random(seed), (1 << RUNS) - 1
    state = [source.getrandbits(RUNS) for _ in flip_flops]
    held = {"rst_ni": 1} | fixed
    turn = max((len(values) for values in held.values() if isinstance(values, list)), default=1)
    drawn = {}
    previous, toggles = None, {}
    for cycle in range(SETTLING_CYCLES + CYCLES):
        values = {"0": 0, "1": ones, "x": 0}
        for name, port in netlist.ports.items():
            if port["direction"] == "input":
                walked = held.get(name)
                value = walked[cycle % turn] if isinstance(walked, list) else walked
                for index, bit in enumerate(port["bits"]):
                    if value is not None:
                        values[bit] = -(value >> index & 1) & ones
                    else:
                        if cycle % turn == 0:
                            drawn[bit] = source.getrandbits(RUNS)
                        values[bit] = drawn[bit]
        for (outputs, _, _, _), q in zip(flip_flops, state):
            values |= {bit: q ^ ones if inverted else q for bit, inverted in outputs}
        for output, code, inputs in gates:
            values[output] = eval(code, EMPTY, {name: values[bit] for name, bit in inputs}) & ones
        state = [
            eval(code, EMPTY, {name: values[bit] for name, bit in inputs} | {names[0]: q, names[1]: q ^ ones}) & ones
            for (_, code, inputs, names), q in zip(flip_flops, state)
        ]
        if cycle >= SETTLING_CYCLES:
            for bit, value in values.items():
                toggles[bit] = toggles.get(bit, 0) + bin(value ^ previous[bit]).count("1")
        previous = values
    return netlist.clock_pj() + switching_pj(netlist, {b: n / (RUNS * CYCLES) for b, n in toggles.items()})


EMPTY = {"__builtins__": {}}


def switching_pj(netlist, rates):
    """Energy of the toggles a cycle: half of C V^2 of the pins driven, and the cells' internal energy."""
    energy = sum(rates.get(bit, 0.0) * 0.5 * load * netlist.voltage**2 for bit, load in netlist.load_pf.items())
    for cell, connections in netlist.cells:
        for name, (bit,) in connections.items():
            if name != cell.clock:
                energy += rates.get(bit, 0.0) * cell.pins[name].toggle_pj(netlist.load_pf.get(bit, 0.0))
    return energy


def program(netlist):
    """Gates in topological order as (output, code, inputs), and flip-flops as (outputs, code, inputs, state)."""
    gates, flip_flops = [], []
    known = {"0", "1", "x"}
    known |= {bit for port in netlist.ports.values() if port["direction"] == "input" for bit in port["bits"]}
    for cell, connections in netlist.cells:
        outputs = [(n, connections[n][0]) for n, p in cell.pins.items() if p.direction == "output" and n in connections]
        if cell.clock:
            code, inputs = compiled(cell.next_state, connections)
            driven = [(bit, cell.pins[name].function == cell.state[1]) for name, bit in outputs]
            flip_flops.append((driven, code, inputs, cell.state))
            known |= {bit for _, bit in outputs}
        else:
            gates += [(bit, *compiled(cell.pins[name].function, connections)) for name, bit in outputs]
    ordered = []
    while gates:
        ready, later = [], []
        for gate in gates:
            (ready if all(bit in known for _, bit in gate[2]) else later).append(gate)
        if not ready:
            raise ValueError("combinational loop in a mapped netlist")
        known |= {gate[0] for gate in ready}
        ordered, gates = ordered + ready, later
    return ordered, flip_flops


def compiled(text, connections):
    """Code of a Liberty function, and the pins that it reads with their bits."""
    code = function(text)
    return code, [(name, connections[name][0]) for name in code.co_names if name in connections]
