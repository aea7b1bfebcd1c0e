"""Maps one design to a cell library with Yosys and ABC (the package pyosys) and times it with OpenSTA.

Reads a request as JSON from standard input:

    {"top": NAME, "verilog": [FILE...], "black_boxes": [FILE...], "liberty": [FILE...], "dont_use": [PATTERN...],
     "driver": CELL, "load_ff": NUMBER, "result": FILE}

and writes the result as JSON to that file (Yosys itself writes to standard output): the ports, the cells with the net at each pin, and the longest
path in ns. Modules in `black_boxes` (memories) keep their ports and cost nothing. The driver and the load are
what ABC and OpenSTA assume at the ports.
"""

import json
import re
import subprocess
import sys
import tempfile
from pathlib import Path

import pyosys.libyosys as ys

# Yosys's own script for a library with constraints: area under a relaxed clock, then sizing.
ABC_SCRIPT = "+strash;&get,-n;&fraig,-x;&put;scorr;dc2;strash;&get,-n;&dch,-f;&nf;&put;buffer;upsize;dnsize;stime,-p"
PERIOD_PS = 100000


def main():
    """One request, one result."""
    request = json.load(sys.stdin)
    with tempfile.TemporaryDirectory() as folder:
        module, abc_ns = mapped(request, Path(folder))
        delay_ns = longest_path(request, Path(folder), module)
    text = json.dumps(
        {
            "ports": {name: [port["direction"], port["bits"]] for name, port in module["ports"].items()},
            "cells": [
                [cell["type"], cell["connections"]] for cell in module["cells"].values()
            ],
            "delay_ns": delay_ns,
            "abc_delay_ns": abc_ns,
        },
        separators=(",", ":"),
    )
    Path(request["result"]).write_text(text, encoding="ascii")


def mapped(request, folder):
    """The mapped module as Yosys's JSON gives it, and ABC's own delay."""
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
        f"synth -flatten -top {request['top']}",
        f"dfflibmap {liberty} {avoid}",
        f"tee -q -o {folder}/abc.log abc {liberty} {avoid} -constr {folder}/constraints -script {ABC_SCRIPT}",
        "opt_clean -purge",
        f"write_json {folder}/mapped.json",
    ]
    for command in commands:
        ys.run_pass(command if command.startswith("tee") else f"tee -q {command}", design)
    found = re.search(r"Delay =\s*([\d.]+) ps", (folder / "abc.log").read_text(encoding="utf-8"))
    module = json.loads((folder / "mapped.json").read_text(encoding="utf-8"))["modules"][request["top"]]
    return module, float(found[1]) * 1e-3 if found else 0.0


def longest_path(request, folder, module):
    """The longest path in ns by OpenSTA, set-up included, the reset left out; 0 where there is none."""
    ports = {d: nets_of(module, d) for d in ("input", "output")}
    (folder / "mapped.v").write_text(structure(module, *ports.values()), encoding="ascii")
    clock, reset = ([f"n{b}" for b in module["ports"].get(p, {"bits": []})["bits"]] for p in ("clk_i", "rst_ni"))
    data = [net for net in ports["input"] if net not in clock + reset]
    script = [f"read_liberty {path}" for path in request["liberty"]]
    script += [
        "set_cmd_units -time ps -capacitance fF",
        f"read_verilog {folder}/mapped.v",
        "link_design mapped",
        f"create_clock -name clock -period {PERIOD_PS} " + (f"[get_ports {clock[0]}]" if clock else ""),
        "set_output_delay 0 -clock clock [all_outputs]",
        f"set_load {request['load_ff']} [all_outputs]",
    ]
    if data:
        script += [
            f"set_input_delay 0 -clock clock [get_ports {{{' '.join(data)}}}]",
            f"set_driving_cell -lib_cell {request['driver']} [get_ports {{{' '.join(data)}}}]",
        ]
    script += [f"set_false_path -from [get_ports {net}]" for net in reset]
    script += ["report_worst_slack", "exit"]
    (folder / "sta.tcl").write_text("\n".join(script) + "\n", encoding="ascii")
    ran = subprocess.run(["sta", "-exit", "-no_splash", f"{folder}/sta.tcl"], capture_output=True, text=True, check=True)
    found = re.search(r"worst slack\s+(-?(?:[\d.]+|INF))", ran.stdout)
    if not found:
        raise RuntimeError(f"sta printed no slack: {ran.stdout[-500:]} {ran.stderr[-500:]}")
    # Of a path that a black box ends, OpenSTA knows nothing.
    return 0.0 if found[1].endswith("INF") else (PERIOD_PS - float(found[1])) * 1e-3


def nets_of(module, direction):
    """The nets at the ports of a direction, each once; what is constant is left out."""
    bits = [b for p in module["ports"].values() if p["direction"] == direction for b in p["bits"]]
    return [f"n{bit}" for bit in dict.fromkeys(bits) if isinstance(bit, int)]


def structure(module, inputs, outputs):
    """The mapped module as Verilog that OpenSTA reads: a port and a wire a net, instances, nothing else."""
    outputs = [net for net in outputs if net not in set(inputs)]
    lines = [f"module mapped ({', '.join(inputs + outputs)});"]
    lines += [f"input {net};" for net in inputs] + [f"output {net};" for net in outputs]
    bits = {b for c in module["cells"].values() for bs in c["connections"].values() for b in bs if isinstance(b, int)}
    lines += [f"wire n{bit};" for bit in sorted(bits) if f"n{bit}" not in set(inputs + outputs)]
    for number, cell in enumerate(module["cells"].values()):
        pins = ((pin, bits) for pin, bits in cell["connections"].items() if len(bits) == 1)
        wired = ", ".join(f".{pin}({net(bits[0])})" for pin, bits in pins)
        lines.append(f"{cell['type']} u{number} ({wired});")
    return "\n".join(lines + ["endmodule", ""])


def net(bit):
    """A net's name, or a constant."""
    return f"n{bit}" if isinstance(bit, int) else f"1'b{'1' if bit == '1' else '0'}"


main()
