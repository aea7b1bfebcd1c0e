"""Whether this machine can map designs to cell libraries; what it lacks is said."""

import importlib.util
import sys
from pathlib import Path


def is_ready(data):
    """Liberty files in the folder `data`, and Yosys as a Python package."""
    if not (Path(data) / "liberty").is_dir():
        print(f"skipped: no Liberty files in {data}", file=sys.stderr)
        return False
    if importlib.util.find_spec("pyosys") is None:
        print("skipped: the Python package pyosys is not installed", file=sys.stderr)
        return False
    return True
