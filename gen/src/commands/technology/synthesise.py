"""Maps one design to a cell library with Yosys and ABC (the package pyosys).

Reads a request as JSON from standard input:

    {"top": NAME, "verilog": [FILE...], "black_boxes": [FILE...], "liberty": [FILE...], "dont_use": [PATTERN...],
     "driver": CELL, "load_ff": NUMBER, "goal": "area" or "speed", "result": FILE}

and writes the mapped module, as Yosys's JSON has it, to that file (Yosys itself writes to standard output). Modules in
`black_boxes` (memories) keep their ports and cost nothing. The driver and the load are what ABC assumes at the ports.
"""

import json
import sys
import tempfile
from pathlib import Path

import pyosys.libyosys as ys

# ABC's script by goal. For area that is Yosys's own script for a library with constraints, with cheaper proofs that gates are equal
# and more rounds of area recovery, which take seconds in place of minutes and come to less; for speed, gates keep the structure of Yosys's operators, are mapped for the least delay, and area is
# recovered where paths are short.
SCRIPTS = {
    "area": "+strash;ifraig;scorr;dc2;dc2;strash;&get,-n;&dch,-f;&nf,-R,20;&put;buffer;upsize;dnsize",
    "speed": "+strash;ifraig;scorr;dc2;strash;dch;map,-B,0.9;topo;buffer,-c;upsize;dnsize",
}


def main():
    """One request, one result."""
    request = json.load(sys.stdin)
    with tempfile.TemporaryDirectory() as folder:
        module = mapped(request, Path(folder))
    cells = {name: {key: cell[key] for key in ("type", "connections")} for name, cell in module["cells"].items()}
    text = json.dumps({"ports": module["ports"], "cells": cells}, separators=(",", ":"))
    Path(request["result"]).write_text(text, encoding="ascii")


def mapped(request, folder):
    """The mapped module as Yosys's JSON gives it."""
    (folder / "constraints").write_text(
        f"set_driving_cell {request['driver']}\nset_load {request['load_ff']}\n", encoding="ascii"
    )
    liberty = " ".join(f"-liberty {path}" for path in request["liberty"])
    avoid = " ".join(f"-dont_use {pattern}" for pattern in request["dont_use"])
    design = ys.Design()
    commands = [f"read_verilog {' '.join(request['verilog'])}"]
    if request["black_boxes"]:
        commands.append(f"read_verilog -lib {' '.join(request['black_boxes'])}")
    commands += [
        f"synth -noabc -flatten -top {request['top']}",
        f"dfflibmap {liberty} {avoid}",
        f"abc {liberty} {avoid} -constr {folder}/constraints -script {SCRIPTS[request['goal']]}",
        "opt_clean -purge",
        f"write_json {folder}/mapped.json",
    ]
    for command in commands:
        ys.run_pass(f"tee -q {command}", design)
    return json.loads((folder / "mapped.json").read_text(encoding="utf-8"))["modules"][request["top"]]


main()
