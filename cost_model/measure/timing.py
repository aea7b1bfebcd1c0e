"""The longest path of a mapped netlist by OpenSTA."""

import re
import subprocess
import tempfile
from pathlib import Path

PERIOD_PS = 100000


def longest_path_ns(library, paths, netlist):
    """The longest path in ns, set-up included, the reset left out; 0 where there is none."""
    clock, reset = (port(netlist, name) for name in ("clk_i", "rst_ni"))
    ports = {direction: nets_of(netlist, direction) for direction in ("input", "output")}
    data = [net for net in ports["input"] if net not in clock + reset]
    with tempfile.TemporaryDirectory() as folder:
        Path(folder, "mapped.v").write_text(structure(netlist["cells"], *ports.values()), encoding="ascii")
        script = [f"read_liberty {path}" for path in paths]
        script += [
            "set_cmd_units -time ps -capacitance fF",
            f"read_verilog {folder}/mapped.v",
            "link_design mapped",
            f"create_clock -name clock -period {PERIOD_PS} " + (f"[get_ports n{clock[0]}]" if clock else ""),
            "set_output_delay 0 -clock clock [all_outputs]",
            f"set_load {library.load_ff} [all_outputs]",
        ]
        if data:
            listed = " ".join(f"n{net}" for net in data)
            script += [
                f"set_input_delay 0 -clock clock [get_ports {{{listed}}}]",
                f"set_driving_cell -lib_cell {library.driver} [get_ports {{{listed}}}]",
            ]
        script += [f"set_false_path -from [get_ports n{net}]" for net in reset]
        script += ["report_worst_slack", "exit"]
        Path(folder, "sta.tcl").write_text("\n".join(script) + "\n", encoding="ascii")
        command = ["sta", "-exit", "-no_splash", f"{folder}/sta.tcl"]
        ran = subprocess.run(command, capture_output=True, text=True, check=True)
    found = re.search(r"worst slack\s+(-?(?:[\d.]+|INF))", ran.stdout)
    if not found:
        raise RuntimeError(f"sta printed no slack: {ran.stdout[-500:]} {ran.stderr[-500:]}")
    # Of a path that a black box ends, OpenSTA knows nothing.
    return 0.0 if found[1].endswith("INF") else (PERIOD_PS - float(found[1])) * 1e-3


def port(netlist, name):
    """The nets of a port; none if there is no such port."""
    return [bit for bit in netlist["ports"].get(name, ("", []))[1] if isinstance(bit, int)]


def nets_of(netlist, direction):
    """The nets at the ports of a direction, each once; what is constant is left out."""
    bits = [bit for way, port in netlist["ports"].values() if way == direction for bit in port]
    return [bit for bit in dict.fromkeys(bits) if isinstance(bit, int)]


def structure(cells, inputs, outputs):
    """The netlist as Verilog that OpenSTA reads: a port and a wire a net, instances, nothing else."""
    outputs = [net for net in outputs if net not in set(inputs)]
    ports = set(inputs + outputs)
    lines = [f"module mapped ({', '.join(f'n{net}' for net in inputs + outputs)});"]
    lines += [f"input n{net};" for net in inputs] + [f"output n{net};" for net in outputs]
    bits = {bit for _, pins in cells for at in pins.values() for bit in at if isinstance(bit, int)}
    lines += [f"wire n{bit};" for bit in sorted(bits - ports)]
    for number, (kind, pins) in enumerate(cells):
        wired = (f".{pin}({name(bits[0])})" for pin, bits in pins.items() if len(bits) == 1)
        lines.append(f"{kind} u{number} ({', '.join(wired)});")
    return "\n".join(lines + ["endmodule", ""])


def name(bit):
    """A net's name, or a constant."""
    return f"n{bit}" if isinstance(bit, int) else f"1'b{'1' if bit == '1' else '0'}"
