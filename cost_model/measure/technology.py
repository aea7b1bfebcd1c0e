"""Turns measurements into the text of a technology file."""

import liberty
import memory
import operators
import synthesis
from netlist import Netlist

COLUMNS = ("area_um2", "delay_ns", "energy_pj", "leakage_nw")
# Full-adder levels that reduce so many rows to two (Dadda 1965).
DADDA = (2, 3, 4, 6, 9, 13, 19, 28, 42)
TOTAL_BITS = 16


def measure(library, paths, reference, sram, pyosys):
    """The technology file of `library`, whose Liberty files stand at `paths`.

    `reference` is the sg13g2 library, from which memories are scaled.
    """
    cells, voltage = liberty.read(paths)
    products = {
        (long, short): operators.multiply(long, short)
        for long in operators.PRODUCT_WIDTHS
        for short in operators.PRODUCT_WIDTHS
        if short <= long
    }
    modules = {f"{kind}_{w}": body(w) for kind, (widths, body) in operators.CURVES.items() for w in widths}
    modules |= {f"product_{long}x{short}": body for (long, short), body in products.items()}
    modules |= {f"flip_flop_{k}": operators.flip_flop(*options) for k, options in operators.FLIP_FLOPS.items()}
    modules |= operators.CHECKS
    mapped, delays = synthesis.synthesise(modules, paths, library.dont_use, library.driver, library.load_ff)
    netlists = {name: Netlist(mapped[name], cells, voltage) for name in modules}
    figures = {
        name: (n.area_um2(), delays[name], n.data_pj(), n.leakage_nw()) for name, n in netlists.items()
    }
    parts = [header(library, voltage, pyosys)]
    parts += [curve(k, ws, figures) for k, (ws, _) in operators.CURVES.items() if k != "total"]
    parts.append(product_table(products, figures))
    parts.append(compressor(figures))
    parts.append(flip_flops(netlists, cells, library.load_ff))
    parts.append(memories(library, cells, voltage, reference, sram))
    parts += [f'[[check]]\ncircuit = "{name}"\n{row(figures[name])}' for name in operators.CHECKS]
    return "\n".join(parts)


def number(value):
    """Four significant digits, without an exponent where it reads better so."""
    return repr(float(f"{value:.4g}"))


def array(values):
    """A TOML array of numbers."""
    return "[" + ", ".join(number(v) for v in values) + "]"


def row(figures):
    """One value of each column."""
    return "".join(f"{column} = {number(value)}\n" for column, value in zip(COLUMNS, figures))


def header(library, voltage, pyosys):
    """Where the numbers come from."""
    return f"""# Written by cost_model/measure; do not edit. Regenerate with
#   python3 cost_model/measure {library.name} --data DATA
# where DATA holds liberty/ and sram/. Keys end in their unit; delays are longest paths, energies are a cycle's.
name = "{library.name}"
summary = "{library.summary}"
supply_v = {number(voltage)}

[source]
cells = "{library.source}"
method = "mapped with pyosys {pyosys} (Yosys and ABC with sizing, no delay target), before layout: no wires"
energy = "zero-delay toggles of uniformly random operands (glitches not counted), Liberty internal energy and pin loads"
memory = "{MEMORY_SOURCE[library.memory]}"
"""


MEMORY_SOURCE = {
    "ihp": "linear fit to nine IHP SG13 single-port SRAM macros (Apache-2.0)",
    "sky130": (
        "area and leakage: linear fit to four sky130 OpenRAM macros with one read-write and one read port (BSD-3-Clause);"
        " energy and time: nine IHP SG13 foundry macros of the same 130 nm (Apache-2.0), energy times (1.8 V / 1.2 V)^2"
    ),
    "scaled": (
        "scaled from nine IHP SG13 single-port macros of 130 nm (Apache-2.0): area by the ratio of the NAND2 areas,"
        " energy by that of the flip-flops' clock energies, time by that of their clock-to-output delays,"
        " leakage by that of their leakages"
    ),
}


def curve(kind, widths, figures):
    """An operator at several widths."""
    rows = [figures[f"{kind}_{w}"] for w in widths]
    columns = "".join(f"{c} = {array(r[i] for r in rows)}\n" for i, c in enumerate(COLUMNS))
    return f"[operator.{kind}]\nbits = [{', '.join(map(str, widths))}]\n{columns}"


def product_table(products, figures):
    """Signed products, longer operand first."""
    rows = [figures[f"product_{long}x{short}"] for long, short in products]
    longs = ", ".join(str(long) for long, _ in products)
    shorts = ", ".join(str(short) for _, short in products)
    columns = "".join(f"{c} = {array(r[i] for r in rows)}\n" for i, c in enumerate(COLUMNS))
    return f"[product]\nlong_bits = [{longs}]\nshort_bits = [{shorts}]\n{columns}"


def compressor(figures):
    """What one full adder of a carry-save tree costs, from sums of 3 to 16 terms less their last addition."""
    terms = operators.CURVES["total"][0]
    cpa = figures[f"add_{TOTAL_BITS}"]
    adders = [n * TOTAL_BITS - 2 * (TOTAL_BITS + (n - 1).bit_length()) for n in terms]
    levels = [next(i for i, reach in enumerate(DADDA) if n <= reach) for n in terms]
    fitted = []
    for i in range(len(COLUMNS)):
        xs = levels if COLUMNS[i] == "delay_ns" else adders
        ys = [figures[f"total_{n}"][i] - cpa[i] for n in terms]
        fitted.append(sum(x * y for x, y in zip(xs, ys)) / sum(x * x for x in xs))
    return f"# One full adder of a carry-save tree; the delay is that of a level.\n[compressor]\n{row(fitted)}"


def flip_flops(netlists, cells, load_ff):
    """A flip-flop of each kind, a bit each; the clock's energy is that of its pin in every cycle."""
    bits = 8
    plain = next(cell for cell, _ in netlists["flip_flop_plain"].cells if cell.clock)
    output = next(p for p in plain.pins.values() if p.function in plain.state)
    data = next(p for p in plain.pins.values() if p.setups)
    text = "[flip_flop]\n"
    text += f"clock_to_output_ns = {number(liberty.mean(output.delays, load_ff * 1e-3))}\n"
    text += f"setup_ns = {number(liberty.mean(data.setups, 0.0))}\n"
    for kind in operators.FLIP_FLOPS:
        n = netlists[f"flip_flop_{kind}"]
        values = {
            "area_um2": n.area_um2(),
            "clock_pj": n.clock_pj(),
            "data_pj": n.data_pj(),
            "leakage_nw": n.leakage_nw(),
        }
        text += f"\n[flip_flop.{kind}]\n" + "".join(f"{k} = {number(v / bits)}\n" for k, v in values.items())
    return text


def memories(library, cells, voltage, reference, sram):
    """Coefficients of the memory model."""
    foundry, own = list(memory.ihp_macros(sram)), list(memory.sky130_macros(sram))
    quantities = ("area_um2", "read_pj", "write_pj", "leakage_nw")
    fitted = {quantity: memory.model(foundry, quantity) for quantity in quantities}
    access = memory.access(foundry)
    if library.memory == "sky130":
        fitted |= {q: memory.model(own, q, columns=False) for q in ("area_um2", "leakage_nw")}
        factor = (voltage / memory.IHP_SUPPLY_V) ** 2
        fitted |= {q: [factor * c for c in fitted[q]] for q in ("read_pj", "write_pj")}
    if library.memory == "scaled":
        ratio = Ratio(library, cells, voltage, reference)
        factors = {"area_um2": ratio.area, "read_pj": ratio.energy, "write_pj": ratio.energy, "leakage_nw": ratio.leakage}
        fitted = {q: [factors[q] * c for c in fitted[q]] for q in quantities}
        access = [ratio.time * c for c in access]
    text = "# fixed + column * width + bit * width * depth; access time: fixed + row * depth.\n[memory]\n"
    for quantity, coefficients in fitted.items():
        names = zip(("fixed", "column", "bit"), coefficients)
        text += f"{quantity} = {{ {', '.join(f'{n} = {number(c)}' for n, c in names)} }}\n"
    return text + f"access_ns = {{ fixed = {number(access[0])}, row = {number(access[1])} }}\n"


class Ratio:
    """How a library compares with sg13g2, whose foundry made the memories that are scaled."""

    def __init__(self, library, cells, voltage, reference):
        (own, own_nand), (other, other_nand) = (
            (smallest_flip_flop(cells), cells[library.nand]),
            (smallest_flip_flop(reference[0]), reference[0]["sg13g2_nand2_1"]),
        )
        self.area = own_nand.area_um2 / other_nand.area_um2
        self.energy = clock_pj(own, voltage) / clock_pj(other, reference[1])
        self.time = output_ns(own) / output_ns(other)
        self.leakage = own.leakage_nw / other.leakage_nw


def smallest_flip_flop(cells):
    """The flip-flop of least area."""
    flip_flops = [c for c in cells.values() if c.clock and any(p.function in c.state for p in c.pins.values())]
    return min(flip_flops, key=lambda cell: (cell.area_um2, cell.name))


def clock_pj(cell, voltage):
    """Energy of a clock cycle in which no data change."""
    pin = cell.pins[cell.clock]
    return 2 * pin.toggle_pj(0.0) + pin.capacitance_pf * voltage**2


def output_ns(cell):
    """Delay from the clock to the output, at no load."""
    return liberty.mean(next(p for p in cell.pins.values() if p.function in cell.state).delays, 0.0)
