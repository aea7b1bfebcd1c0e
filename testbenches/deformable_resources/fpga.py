"""Resources on two FPGA families, from Yosys's mapping: nothing is placed, so nothing is said of the clock."""

import json
import re
import tempfile
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

import mapping


@dataclass(frozen=True)
class Resources:
    """What a design takes."""

    luts: int  # of logic
    memory_luts: int  # LUTs whose memory serves as RAM or shift register
    flip_flops: int
    block_rams: float
    dsps: int


# LUTs that a distributed memory of Xilinx takes, by the name of its cell (Xilinx UG974).
XILINX_MEMORY_LUTS = {"RAM32M": 4, "RAM64M": 4, "RAM32M16": 8, "RAM64M8": 8, "RAM32X1D": 2, "RAM64X1D": 2, "RAM128X1D": 4,
                      "RAM256X1D": 8, "SRL16E": 1, "SRLC32E": 1}
# A 16 × 4 memory lies in the LUTs of two slices, and a third slice addresses its writes (Lattice's memory usage guide).
ECP5_MEMORY_LUTS = 6


def kinds(files, synthesis):
    """How many cells of each kind `synthesis` maps the design to."""
    with tempfile.TemporaryDirectory() as folder:
        mapped = Path(folder) / "mapped.json"
        mapping.run(f"read_verilog {' '.join(files)}", synthesis, f"write_json {mapped}")
        modules = json.loads(mapped.read_text(encoding="utf-8"))["modules"]
    top, = (module for module in modules.values() if module["attributes"].get("top"))
    return Counter(cell["type"] for cell in top["cells"].values())


def xcup(files, top):
    """A Xilinx UltraScale+ device; a block RAM is one of 36 Kbit."""
    found = kinds(files, f"synth_xilinx -family xcup -noiopad -flatten -top {top}")
    total = counter(found)
    memory_luts = sum(count * XILINX_MEMORY_LUTS[kind] for kind, count in found.items() if re.match(r"(RAM\d+[MX]|SRL)", kind))
    return Resources(total(r"LUT\d"), memory_luts, total(r"FD\w+"), total("RAMB36E2") + total("RAMB18E2") / 2, total("DSP48E2"))


def ecp5(files, top):
    """A Lattice ECP5 device: four-input LUTs, two of them for each cell of a carry chain; block RAMs of 18 Kbit."""
    total = counter(kinds(files, f"synth_ecp5 -top {top}"))
    luts = total("LUT4") + 2 * total("CCU2C")
    return Resources(luts, ECP5_MEMORY_LUTS * total("TRELLIS_DPR16X4"), total("TRELLIS_FF"), total("DP16KD"), total("MULT18X18D"))


def counter(found):
    """Counts the cells whose kind matches a pattern."""
    return lambda pattern: sum(count for kind, count in found.items() if re.fullmatch(pattern, kind))
