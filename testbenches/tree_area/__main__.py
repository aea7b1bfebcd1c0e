"""Maps the dual-purpose tree and the trees that it replaces to cells and prints docs/radiance_fields.md's table.

    python3 -m venv venv && venv/bin/pip install pyosys
    venv/bin/python testbenches/tree_area --data ../shared/data

`--data` is a folder with `liberty/`. Without it, or without pyosys, nothing is measured and the exit status is 0, so
that a machine that lacks them skips the table visibly.
"""

import argparse
import sys
import tempfile
from pathlib import Path

TESTBENCHES = Path(__file__).resolve().parent.parent
sys.path += [str(TESTBENCHES / "pe_table"), str(TESTBENCHES.parent / "cost_model" / "measure")]

import ready  # noqa: E402
import verilog  # noqa: E402

SIZES = [(8, 5), (8, 8), (16, 8), (32, 8), (16, 16)]  # leaves, bits of a leaf
SINGLE = ("reduce", "prefix", "search")
MODES = [*SINGLE, ",".join(SINGLE)]
LIBRARIES = ("sky130hd", "asap7")

HEADER = """\
| leaves × bits | library | adder tree | bitmap count | coordinate search | the three | dual-purpose tree | less |
|---|---|---|---|---|---|---|---|"""


def request(leaves, bits, modes):
    """What the catalogue is asked for."""
    return f"adder_search_tree leaves={leaves} leaf_bits={bits} modes={modes}"


def row(size, library, sources):
    """A line of the table: area in um2, registers among it, all mapped for the same script."""
    import mapping
    from netlist import Netlist

    _, _, known, voltage = mapping.LIBRARIES[library]
    areas = []
    for modes in MODES:
        top, files = sources[request(*size, modes)]
        modules, _ = mapping.standard_cells(files, library, [f"synth -flatten -top {top}"])
        areas.append(Netlist(modules[top], known, voltage).area_um2())
    apart, dual = sum(areas[:-1]), areas[-1]
    digits = 0 if apart > 1000 else 1
    figures = [f"{area:.{digits}f}" for area in [*areas[:-1], apart, dual]]
    return f"| {size[0]} × {size[1]} | {library} | {' | '.join(figures)} | {100 * (1 - dual / apart):.1f} % |"


def main():
    """Reads the command line, measures, and prints the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", default="../shared/data", help="folder with liberty/")
    arguments = parser.parse_args()
    if not ready.is_ready(arguments.data):
        return
    import libraries
    import mapping

    with tempfile.TemporaryDirectory() as folder:
        for name in LIBRARIES:
            mapping.load(libraries.LIBRARIES[name], libraries.unpack(libraries.LIBRARIES[name], arguments.data, folder))
        sources = dict(verilog.emit([request(*size, modes) for size in SIZES for modes in MODES], folder))
        print(HEADER)
        for library in LIBRARIES:
            for size in SIZES:
                print(row(size, library, sources), flush=True)


if __name__ == "__main__":
    main()
