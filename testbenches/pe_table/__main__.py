"""Measures the processing elements against their baselines and writes docs/pe/table.md.

    python3 -m venv venv && venv/bin/pip install pyosys
    venv/bin/python testbenches/pe_table --data ../shared/data

`--data` is a folder with `liberty/`. Without it, or without pyosys, nothing is measured and the exit status is 0, so
that a machine that lacks them skips the table visibly. `--only TEXT` measures the designs whose name contains it
and prints the table instead of writing it.
"""

import argparse
import concurrent.futures
import importlib.metadata
import importlib.util
import multiprocessing
import sys
import tempfile
from pathlib import Path

import designs
import verilog

sys.path.append(str(verilog.ROOT / "cost_model" / "measure"))


def measure_all(wanted, data, jobs, cache, technologies):
    """The figures of every design, by its key; `None` for other technologies than those wanted, if not in the cache."""
    import libraries
    import mapping

    figures = {design.key: {} for design in wanted}
    requests = list(dict.fromkeys(design.request for design in wanted))
    with tempfile.TemporaryDirectory() as folder:
        sources = dict(verilog.emit(requests, folder))
        for name in designs.LIBRARIES:
            # Read once: the processes of the pool inherit it.
            mapping.load(libraries.LIBRARIES[name], libraries.unpack(libraries.LIBRARIES[name], data, folder))
        context = multiprocessing.get_context("fork")
        with concurrent.futures.ProcessPoolExecutor(jobs, context) as pool:
            tasks = {}
            for request in requests:
                members = [design for design in wanted if design.request == request]
                for technology in designs.TECHNOLOGIES:
                    fixed = [design.fixed for design in members]
                    caching = cache, technology not in technologies
                    task = pool.submit(mapping.measure, caching, technology, *sources[request], fixed)
                    tasks[task] = members, technology
            for done in concurrent.futures.as_completed(tasks):
                members, technology = tasks[done]
                for design, found in zip(members, done.result()):
                    figures[design.key][technology] = found
                    print(f"{design.key}: {technology} {found}", file=sys.stderr, flush=True)
    return figures


def main():
    """Reads the command line, measures, and writes the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", default="../shared/data", help="folder with liberty/")
    parser.add_argument("--only", default="", help="measure the designs whose name contains this, and print")
    parser.add_argument("--jobs", type=int, default=2, help="designs measured at once")
    parser.add_argument("--cache", help="folder that keeps figures by the content of the Verilog, to go on after a stop")
    parser.add_argument("--technologies", nargs="*", choices=designs.TECHNOLOGIES, default=designs.TECHNOLOGIES,
                        help="measure these; of the others, or of all if none is named, take what the cache holds")
    arguments = parser.parse_args()
    if not (Path(arguments.data) / "liberty").is_dir():
        print(f"skipped: no Liberty files in {arguments.data}", file=sys.stderr)
        return
    if importlib.util.find_spec("pyosys") is None:
        print("skipped: the Python package pyosys is not installed", file=sys.stderr)
        return
    import report

    wanted = [design for design in designs.DESIGNS if arguments.only in design.key]
    figures = measure_all(wanted, arguments.data, arguments.jobs, arguments.cache, arguments.technologies)
    wanted = [design for design in wanted if any(figures[design.key].values())]
    text = report.page(wanted, figures, importlib.metadata.version("pyosys"))
    if arguments.only:
        print(text)
    else:
        (verilog.ROOT / "docs" / "pe" / "table.md").write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
