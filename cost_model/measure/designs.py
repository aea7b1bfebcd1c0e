"""Synthesises whole designs and writes their areas, longest paths and energies to cost_model/tests/measured.

    cargo build -p bitmill --bins --examples && cargo build -p bitmill-testbenches --example unit_verilog
    python3 cost_model/measure/designs.py sky130hd --data ../shared/data --cache CACHE

Designs are examples of the catalogue of units (at most six a unit), and modules of small accelerators, arrays among
them; modules with memories are black boxes. Results stay in CACHE by the content of the request, so that a run
goes on where it stopped. A design that takes longer than `--seconds` is skipped with a line. pyosys is a PyPI
package; OpenSTA is `apt-get install opensta`. The library osu018 is `apt-get install qflow-tech-osu018`, so that any machine can
measure for itself: `--only NAME` prints the designs with that name, to be compared with the table.
"""

import argparse
import hashlib
import json
import os
import re
import signal
import subprocess
import sys
import tempfile
from pathlib import Path

import buffers
import liberty
import libraries
import timing

ROOT = Path(__file__).resolve().parent.parent.parent
BITMILL = ROOT / "target" / "debug" / "bitmill"
NETLIST_POWER = ROOT / "target" / "debug" / "examples" / "netlist_power"
UNIT_VERILOG = ROOT / "target" / "debug" / "examples" / "unit_verilog"
MOST_OF_A_UNIT = 6
# By name t_WEIGHTS_ROWSxCOLUMNSxLANES: the kind of PE, activations, weights; of the first one all modules are measured.
ACCELERATORS = {
    "t_int8_2x4x4": ("integer", "int8", "int8"),
    "t_int8_4x4x4": ("integer", "int8", "int8"),
    "t_int4_2x8x8": ("integer", "int8", "int4"),
    "t_int8_8x2x2": ("integer", "int8", "int8"),
    "t_serial_2x4x4": ("bit_serial", "int8", "int8"),
    "t_int4_2x8x4": ("integer", "int4", "int4"),
    "t_int4_4x4x4": ("integer", "int8", "int4"),
    "t_int8_1x4x4": ("integer", "int8", "int8"),
    "t_int8_8x8x1": ("integer", "int8", "int8"),
}


def main():
    """Reads the command line, measures, and writes the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("library", choices=sorted(libraries.LIBRARIES))
    parser.add_argument("--data", default="../shared/data", help="folder with liberty/")
    parser.add_argument("--cache", required=True, help="folder that keeps results")
    parser.add_argument("--seconds", type=int, default=60, help="longest time for a design")
    parser.add_argument("--only", default="", help="measure the designs whose name contains this, and print")
    arguments = parser.parse_args()
    library = libraries.LIBRARIES[arguments.library]
    if missing := libraries.missing(library, arguments.data):
        print(f"skipped: {missing} is not at hand", file=sys.stderr)
        return
    found = []
    with tempfile.TemporaryDirectory() as folder:
        paths = [str(path) for path in libraries.unpack(library, arguments.data, folder)]
        cells, _ = liberty.read(paths)
        for name, top, files in designs(Path(folder)):
            if arguments.only not in name:
                continue
            kept = [mapped(library, paths, cells, top, files, goal, arguments) for goal in ("area", "speed")]
            if None in kept:
                print(f"skipped: {name} took longer than {arguments.seconds} s", file=sys.stderr)
                continue
            areas_um2 = [area_um2(cells, netlist) for netlist in kept]
            if areas_um2[0]:
                delay_ns = delay(library, paths, kept[1])
                found.append((name, kept[0], f"{areas_um2[0]:.4g}\t{areas_um2[1]:.4g}\t{delay_ns:.4g}"))
                print(f"{name}\t{found[-1][2]}", file=sys.stderr, flush=True)
        energies = run([NETLIST_POWER, *paths], "".join(f"{kept}\n" for _, kept, _ in found)).splitlines()
    rows = [f"{name}\t{first}\t" + "\t".join(f"{float(n):.4g}" for n in energy.split()) for (name, _, first), energy in zip(found, energies)]
    text = "\n".join([HEADER, *sorted(rows)]) + "\n"
    if arguments.only:
        print(text, end="")
    else:
        (ROOT / "cost_model" / "tests" / "measured" / f"{library.name}.tsv").write_text(text, encoding="utf-8")


HEADER = (
    "# design; area in um2, mapped for area and mapped for speed; longest path in ns of the latter (OpenSTA, the library's default wire load); of the "
    "former, energy in pJ of a cycle with random inputs and of one in which only the clock moves, and leakage in nW; cost_model/measure/designs.py"
)


def designs(folder):
    """Name, top module and Verilog files of every design."""
    listed = json.loads(run([BITMILL, "units", "--json"]))
    for unit in (entry["name"] for entry in listed):
        examples = json.loads(run([BITMILL, "units", "show", unit, "--json"]))["examples"]
        for example in examples[:MOST_OF_A_UNIT]:
            name = f"{unit} {example}".strip()
            top, *modules = run([UNIT_VERILOG, folder], name + "\n").split()
            files = [folder / f"{module}.v" for module in modules]
            if not any(has_memory(file) for file in files):
                yield name, top, files
    for number, (name, (kind, activations, weights)) in enumerate(ACCELERATORS.items()):
        shape = name.rsplit("_", 1)[1].split("x")
        (folder / f"{name}.yaml").write_text(CONFIGURATION.format(name, activations, weights, kind, *shape), encoding="ascii")
        run([BITMILL, "generate", folder / f"{name}.yaml", "-o", folder / name])
        files = sorted((folder / name / "rtl").glob("*.v"))
        for top in (file.stem for file in files if not has_memory(file)):
            own = top.removeprefix(f"bitmill_{name}_")
            if own == "array" or (number == 0 and own != f"bitmill_{name}" and own not in ("array_row", "parameters")):
                yield f"{name} {own}", top, files


CONFIGURATION = """name: {0}
precision: {{activations: {1}, weights: {2}}}
pe: {{kind: {3}, lanes: {6}}}
array: {{rows: {4}, columns: {5}}}
scratchpads: {{activations_kib: 16, weights_kib: 16}}
vector: {{rows: 1}}
clock_mhz: 100
"""


def has_memory(file):
    """Whether a module holds a memory."""
    return bool(re.search(r"^\s*reg\b[^;=]*\w+\s*\[[^\]]+\]\s*;", file.read_text(encoding="ascii"), re.MULTILINE))


def mapped(library, paths, cells, top, files, goal, arguments):
    """The file with what synthesise.py and buffers.py make of a design; `None` if it takes too long."""
    cache = Path(arguments.cache)
    script = Path(__file__).with_name("synthesise.py")
    boxes = [file for file in files if has_memory(file)]
    settings = f"{goal} {top} {library.dont_use} {library.driver} {library.buffer} {library.load_ff}"
    kept = cache / f"{digest(settings, [script, Path(buffers.__file__), *files, *map(Path, paths)])}.json"
    if not kept.exists():
        cache.mkdir(parents=True, exist_ok=True)
        raw = kept.with_suffix(".raw")
        request = {
            "top": top,
            "verilog": [str(file) for file in files if file not in boxes],
            "black_boxes": [str(file) for file in boxes],
            "liberty": paths,
            "dont_use": library.dont_use,
            "driver": library.driver,
            "load_ff": library.load_ff,
            "goal": goal,
            "result": str(raw),
        }
        process = subprocess.Popen([sys.executable, script], stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, start_new_session=True, text=True)
        try:
            process.communicate(json.dumps(request), timeout=arguments.seconds)
        except subprocess.TimeoutExpired:
            # ABC is a process of its own in the same session.
            os.killpg(process.pid, signal.SIGKILL)
            process.communicate()
            return None
        if process.returncode:
            raise RuntimeError(f"synthesise.py failed on {top}")
        found = netlist(raw)
        fixed = {*timing.port(found, "clk_i"), *timing.port(found, "rst_ni")}
        found["cells"] = buffers.insert(found, cells, library.buffer, fixed)
        raw.write_text(json.dumps(found, separators=(",", ":")), encoding="ascii")
        raw.rename(kept)
    return kept


def area_um2(cells, kept):
    """The area of a netlist's cells."""
    return sum(cells[kind].area_um2 for kind, _ in netlist(kept)["cells"] if kind in cells)


def netlist(kept):
    """What a file holds."""
    return json.loads(kept.read_text(encoding="ascii"))


def delay(library, paths, kept):
    """The longest path of a netlist in ns, which is kept beside it."""
    settings = f"{library.driver} {library.load_ff}"
    result = kept.with_suffix(f".{digest(settings, [Path(timing.__file__)])[:16]}.delay")
    if not result.exists():
        result.write_text(str(timing.longest_path_ns(library, paths, netlist(kept))), encoding="ascii")
    return float(result.read_text(encoding="ascii"))


def digest(settings, files):
    """What changes when settings or the content of files do."""
    found = hashlib.sha256(settings.encode())
    for file in files:
        found.update(file.read_bytes())
    return found.hexdigest()


def run(command, text=None):
    """What a command prints."""
    return subprocess.run([str(word) for word in command], input=text, capture_output=True, text=True, check=True).stdout


if __name__ == "__main__":
    main()
