"""Verilog of units of the catalogue, by the example `unit_verilog`."""

import subprocess
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent.parent


def emit(requests, folder):
    """Writes the Verilog of `requests` into `folder`; the top module of each and the files of all its modules."""
    command = ["cargo", "run", "--quiet", "-p", "bitmill-testbenches", "--example", "unit_verilog", "--", folder]
    ran = subprocess.run(command, cwd=ROOT, input="\n".join(requests) + "\n", text=True, stdout=subprocess.PIPE, check=True)
    for request, line in zip(requests, ran.stdout.splitlines()):
        top, *modules = line.split()
        yield request, (top, [f"{folder}/{module}.v" for module in modules])
