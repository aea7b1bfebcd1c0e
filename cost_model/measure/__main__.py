"""Measures a library's operators and writes the technology file that the cost model embeds.

    python3 -m venv venv && venv/bin/pip install pyosys
    venv/bin/python cost_model/measure sky130hd --data ../shared/data

`--data` is a folder with `liberty/` and `sram/`; without it nothing is measured and the exit status is 0, so
that a machine that lacks the libraries skips the measurement visibly. A run takes one to two minutes.
"""

import argparse
import importlib.metadata
import sys
import tempfile
from pathlib import Path

import libraries
import liberty
import technology

OUTPUT = Path(__file__).resolve().parent.parent / "technologies"


def main():
    """Reads the command line and writes one technology file."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("library", choices=sorted(libraries.LIBRARIES))
    parser.add_argument("--data", default="../shared/data", help="folder with liberty/ and sram/")
    parser.add_argument("--out", help="technology file to write; the one that is embedded by default")
    arguments = parser.parse_args()
    if not (Path(arguments.data) / "liberty").is_dir():
        print(f"skipped: no Liberty files in {arguments.data}", file=sys.stderr)
        return
    library = libraries.LIBRARIES[arguments.library]
    pyosys = importlib.metadata.version("pyosys")
    with tempfile.TemporaryDirectory() as folder:
        paths = libraries.unpack(library, arguments.data, folder)
        reference = liberty.read(libraries.unpack(libraries.LIBRARIES["sg13g2"], arguments.data, folder))
        text = technology.measure(library, paths, reference, Path(arguments.data) / "sram", pyosys)
    out = Path(arguments.out) if arguments.out else OUTPUT / f"{library.name}.toml"
    out.write_text(text, encoding="utf-8")
    print(f"wrote {out}", file=sys.stderr)


if __name__ == "__main__":
    main()
