"""Maps the deformable convolution engines to FPGAs and cell libraries and prints docs/deformable_convolution.md's table.

    python3 -m venv venv && venv/bin/pip install pyosys
    venv/bin/python testbenches/deformable_resources --data ../shared/data

`--data` is a folder with `liberty/`. Without it, or without pyosys, nothing is measured and the exit status is 0, so
that a machine that lacks them skips the table visibly. `--only TEXT` measures the engines whose name contains it.
Each takes half an hour.
"""

import argparse
import sys
import tempfile
from pathlib import Path

TESTBENCHES = Path(__file__).resolve().parent.parent
sys.path += [str(TESTBENCHES / "pe_table"), str(TESTBENCHES.parent / "cost_model" / "measure")]

import ready  # noqa: E402
import verilog  # noqa: E402

ENGINES = {
    "depthwise, rounded, 9 taps × 16, 4 × 4 banks": "deformable_convolution weight=int4 lanes=16 interpolation=rounded",
    "1 × 1 of 16 × 16, then the same":
        "pointwise_deformable input_lanes=16 weight=int4 lanes=16 interpolation=rounded",
}
LIBRARIES = ("sky130hd", "asap7")


def row(name, source):
    """A line of the table."""
    import asic
    import fpga

    top, files = source
    devices = fpga.xcup(files, top), fpga.ecp5(files, top)
    print(name, *devices, file=sys.stderr, flush=True)
    cells = [f"{found.luts} | {found.memory_luts} | {found.flip_flops} | {found.block_rams:g} | {found.dsps}" for found in devices]
    logic = {library: asic.logic(files, top, library) for library in LIBRARIES}
    areas = [f"{logic[library].area_um2 * 1e-6:.4f}" for library in LIBRARIES]
    memories = logic[LIBRARIES[0]]
    return f"| {name} | {' | '.join(cells + areas)} | {memories.memories} of {memories.memory_bits / 1024:g} |"


def main():
    """Reads the command line, measures, and prints the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", default="../shared/data", help="folder with liberty/")
    parser.add_argument("--only", default="", help="measure the engines whose name contains this")
    arguments = parser.parse_args()
    if not ready.is_ready(arguments.data):
        return
    import libraries
    import mapping

    wanted = {name: request for name, request in ENGINES.items() if arguments.only in name}
    with tempfile.TemporaryDirectory() as folder:
        for name in LIBRARIES:
            mapping.load(libraries.LIBRARIES[name], libraries.unpack(libraries.LIBRARIES[name], arguments.data, folder))
        sources = dict(verilog.emit(list(wanted.values()), folder))
        rows = []
        for name, request in wanted.items():
            rows.append(row(name, sources[request]))
            print(rows[-1], file=sys.stderr, flush=True)
    print(HEADER, *rows, sep="\n")


HEADER = """\
| engine | xcup LUT | LUT of memories | FF | BRAM | DSP | ECP5 LUT | LUT of memories | FF | BRAM | DSP | sky130 mm² | ASAP7 mm² | memories of the ASIC, Kibit |
|---|---|---|---|---|---|---|---|---|---|---|---|---|---|"""


if __name__ == "__main__":
    main()
