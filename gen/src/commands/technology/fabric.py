"""Maps one design to an FPGA family with Yosys (the package pyosys), and places and routes it with nextpnr where there is one.

Reads a request as JSON from standard input:

    {"top": NAME, "verilog": [FILE...], "black_boxes": [FILE...], "synthesis": COMMAND, "nextpnr": [WORD...],
     "most_placed": NUMBER, "result": FILE}

and writes {"cells": {KIND: COUNT...}, "mhz": NUMBER} to that file (Yosys itself writes to standard output). Modules in `black_boxes`
keep their ports and cost nothing. `nextpnr` is a command without its netlist and report; with an empty one, with black boxes, and with
more cells than `most_placed` nothing is placed, and the clock is 0.

A package has fewer pins than most designs, so every input but clock and reset comes from a flip-flop of a shift chain, and every output
goes to a flip-flop that nothing reads: the clock is that of the design between registers. They are not counted.
"""

import json
import subprocess
import sys
import tempfile
from collections import Counter
from pathlib import Path

import pyosys.libyosys as ys


def main():
    """One request, one result."""
    request = json.load(sys.stdin)
    with tempfile.TemporaryDirectory() as folder:
        design = mapped(request, Path(folder))
        module = design["modules"][request["top"]]
        cells = Counter(cell["type"] for cell in module["cells"].values())
        is_placed = request["nextpnr"] and not request["black_boxes"] and cells.total() <= request["most_placed"]
        mhz = placed(request["nextpnr"], module, Path(folder)) if is_placed else 0
    Path(request["result"]).write_text(json.dumps({"cells": cells, "mhz": mhz}, sort_keys=True), encoding="ascii")


def mapped(request, folder):
    """The mapped design as Yosys's JSON gives it."""
    design = ys.Design()
    commands = [f"read_verilog {' '.join(request['verilog'])}"]
    if request["black_boxes"]:
        commands.append(f"read_verilog -lib {' '.join(request['black_boxes'])}")
    commands += [f"{request['synthesis']} -top {request['top']}", f"write_json {folder}/mapped.json"]
    for command in commands:
        ys.run_pass(f"tee -q {command}", design)
    return json.loads((folder / "mapped.json").read_text(encoding="utf-8"))


def placed(nextpnr, module, folder):
    """The fastest clock in MHz of a module between flip-flops, after routing."""
    nets = {bit for net in module["netnames"].values() for bit in net["bits"] if isinstance(bit, int)}
    fresh = iter(range(max(nets, default=1) + 1, sys.maxsize))
    clock = module["ports"].get("clk_i", {"bits": [next(fresh)]})["bits"][0]
    serial = next(fresh)
    kept = {"clk_i": pin([clock], "input"), "serial_i": pin([serial], "input")}
    cells, previous = dict(module["cells"]), serial
    for name, port in module["ports"].items():
        if name == "rst_ni":
            kept[name] = port
        elif port["direction"] == "input" and name != "clk_i":
            for bit in port["bits"]:
                cells[f"in{len(cells)}"] = flip_flop(clock, previous, bit)
                previous = bit
        elif port["direction"] == "output":
            for bit in port["bits"]:
                cells[f"out{len(cells)}"] = flip_flop(clock, bit, next(fresh))
    top = {"attributes": {"top": "1"}, "ports": kept, "cells": cells, "netnames": {}}
    (folder / "placed.json").write_text(json.dumps({"modules": {"top": top}}), encoding="ascii")
    # In WebAssembly it sees no more than the folder that it runs in.
    command = [*nextpnr, "--quiet", "--json", "placed.json", "--report", "report.json"]
    subprocess.run(command, check=True, cwd=folder, stdout=subprocess.DEVNULL)
    clocks = json.loads((folder / "report.json").read_text(encoding="utf-8"))["fmax"]
    return min((clock["achieved"] for clock in clocks.values()), default=0)


def pin(bits, direction):
    """A port of the top module."""
    return {"direction": direction, "bits": bits}


def flip_flop(clock, data, output):
    """A flip-flop of the ECP5 without enable and reset."""
    # Text that looks like a number ends in a blank.
    parameters = {"GSR": "DISABLED", "CEMUX": "1 ", "CLKMUX": "CLK", "LSRMUX": "LSR", "REGSET": "RESET"}
    connections = {"CLK": [clock], "DI": [data], "LSR": ["0"], "Q": [output]}
    directions = {"CLK": "input", "DI": "input", "LSR": "input", "Q": "output"}
    return {
        "type": "TRELLIS_FF",
        "parameters": parameters,
        "attributes": {},
        "port_directions": directions,
        "connections": connections,
    }


main()
