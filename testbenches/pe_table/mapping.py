"""Maps a design to a library or to look-up tables: area, longest path, energy of a cycle."""

import hashlib
import json
import re
import tempfile
from pathlib import Path

import activity
import liberty
import pyosys.libyosys as ys
from netlist import Netlist

# Yosys's own script for a library with constraints: area under a relaxed clock, then sizing.
ABC_SCRIPT = "+strash;&get,-n;&fraig,-x;&put;scorr;dc2;strash;&get,-n;&dch,-f;&nf;&put;buffer;upsize;dnsize;stime,-p"

LIBRARIES = {}  # by name: the library, its files, its cells and its supply


def load(library, paths):
    """Reads the Liberty files of a library."""
    LIBRARIES[library.name] = library, paths, *liberty.read(paths)


def measure(caching, technology, top, files, fixed):
    """The figures of a design, one for each set of input ports held at a value."""
    cache, only_cached = caching
    text = technology + "".join(Path(file).read_text(encoding="ascii") for file in files) + json.dumps(fixed)
    kept = cache and Path(cache) / hashlib.sha256(text.encode()).hexdigest()
    if kept and kept.exists():
        return json.loads(kept.read_text(encoding="utf-8"))
    if only_cached:
        return [None] * len(fixed)
    found = [look_up_tables(files, top)] * len(fixed) if technology == "xcup" else cells(files, top, technology, fixed)
    if kept:
        kept.parent.mkdir(parents=True, exist_ok=True)
        kept.write_text(json.dumps(found), encoding="utf-8")
    return found


def cells(files, top, technology, fixed):
    """Area in um2, longest path in ns and energy a cycle in pJ on a standard-cell library."""
    _, _, known, voltage = LIBRARIES[technology]
    modules, delay_ns = standard_cells(files, technology, [f"synth -flatten -top {top}"])
    mapped = Netlist(modules[top], known, voltage)
    common = {"area_um2": mapped.area_um2(), "delay_ns": delay_ns}
    return [common | {"energy_pj": activity.energy_pj(mapped, ports)} for ports in fixed]


def standard_cells(files, technology, synthesis):
    """Yosys's JSON of the modules that the `synthesis` commands leave, mapped to a library, and the longest path in ns."""
    library, paths, _, _ = LIBRARIES[technology]
    with tempfile.TemporaryDirectory() as folder:
        folder = Path(folder)
        constraints = f"set_driving_cell {library.driver}\nset_load {library.load_ff}\n"
        (folder / "constraints").write_text(constraints, encoding="ascii")
        liberty_files = " ".join(f"-liberty {path}" for path in paths)
        avoid = " ".join(f"-dont_use {cell}" for cell in library.dont_use)
        abc = f"abc {liberty_files} {avoid} -constr {folder}/constraints -script {ABC_SCRIPT}"
        run(
            f"read_verilog {' '.join(files)}",
            *synthesis,
            f"dfflibmap {liberty_files} {avoid}",
            f"tee -q -o {folder}/abc.log {abc}",
            "opt_clean -purge",
            f"write_json {folder}/mapped.json",
        )
        delays_ps = re.findall(r"Delay =\s*([\d.]+) ps", (folder / "abc.log").read_text(encoding="utf-8"))
        modules = json.loads((folder / "mapped.json").read_text(encoding="utf-8"))["modules"]
    return modules, max(map(float, delays_ps)) * 1e-3


def run(*commands):
    """Runs Yosys commands on a design of their own, quietly."""
    design = ys.Design()
    for command in commands:
        ys.run_pass(command if command.startswith("tee") else f"tee -q {command}", design)


def look_up_tables(files, top):
    """A Xilinx UltraScale+ FPGA without DSP blocks: logic cells as Yosys estimates them, LUTs, carry chains, flip-flops."""
    with tempfile.TemporaryDirectory() as folder:
        run(
            f"read_verilog {' '.join(files)}",
            f"synth_xilinx -family xcup -nodsp -noiopad -flatten -top {top}",
            f"tee -q -o {folder}/stat.log stat -tech xilinx",
            f"write_json {folder}/mapped.json",
        )
        module = json.loads(Path(f"{folder}/mapped.json").read_text(encoding="utf-8"))["modules"][top]
        logic_cells = re.search(r"Estimated number of LCs:\s*(\d+)", Path(f"{folder}/stat.log").read_text(encoding="utf-8"))
    kinds = [cell["type"] for cell in module["cells"].values()]
    return {
        "logic_cells": int(logic_cells[1]),
        "luts": sum(bool(re.fullmatch(r"LUT\d", kind)) for kind in kinds),
        "carries": sum(kind.startswith("CARRY") for kind in kinds),
        "flip_flops": sum(kind.startswith("FD") for kind in kinds),
    }
