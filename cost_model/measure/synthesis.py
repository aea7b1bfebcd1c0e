"""Maps modules to a library with Yosys and ABC (the pyosys package) and reads ABC's delay."""

import json
import re
import tempfile
from pathlib import Path

import pyosys.libyosys as ys

# Yosys's own script for a library with constraints: area under a relaxed clock, then sizing.
ABC_SCRIPT = "+strash;&get,-n;&fraig,-x;&put;scorr;dc2;strash;&get,-n;&dch,-f;&nf;&put;buffer;upsize;dnsize;stime,-p"


def synthesise(modules, libraries, dont_use, driver, load_ff):
    """Yosys's JSON of the mapped modules, and the longest path of each in ns (0 where there is none).

    `modules` gives ports and body by name; `driver` and `load_ff` are what ABC assumes at the ports.
    """
    with tempfile.TemporaryDirectory() as folder:
        folder = Path(folder)
        source = "".join(f"module {name}(\n{body}endmodule\n" for name, body in modules.items())
        (folder / "operators.v").write_text(source, encoding="ascii")
        (folder / "constraints").write_text(f"set_driving_cell {driver}\nset_load {load_ff}\n", encoding="ascii")
        liberty = " ".join(f"-liberty {path}" for path in libraries)
        avoid = " ".join(f"-dont_use {cell}" for cell in dont_use)
        design = ys.Design()
        for command in (
            f"read_verilog {folder}/operators.v",
            "synth",
            f"dfflibmap {liberty} {avoid}",
        ):
            ys.run_pass(command, design)
        delays = {}
        abc = f"abc {liberty} {avoid} -constr {folder}/constraints -script {ABC_SCRIPT}"
        for name in modules:
            ys.run_pass(f"tee -q -o {folder}/abc.log {abc} {name}", design)
            found = re.search(r"Delay =\s*([\d.]+) ps", (folder / "abc.log").read_text(encoding="utf-8"))
            delays[name] = float(found[1]) * 1e-3 if found else 0.0
        ys.run_pass("opt_clean -purge", design)
        ys.run_pass(f"write_json {folder}/mapped.json", design)
        return json.loads((folder / "mapped.json").read_text(encoding="utf-8"))["modules"], delays

