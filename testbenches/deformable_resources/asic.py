"""Area on a standard-cell library: all logic and registers; memories stay whole and are counted beside."""

from dataclasses import dataclass

import mapping

MEMORY = "memory_macro"


@dataclass(frozen=True)
class Logic:
    """A design without its memories."""

    area_um2: float
    memories: int
    memory_bits: int


def logic(files, top, technology):
    """Each module is mapped once, not flattened, and counted as often as it stands in the design."""
    # Memories, with the registers at their ports, are taken out of the way before they would become flip-flops.
    synthesis = [
        f"synth -top {top} -run begin:fine",
        f"chtype -set {MEMORY} t:$mem_v2",
        f"synth -noabc -top {top} -run fine:check",
    ]
    modules, _ = mapping.standard_cells(files, technology, synthesis)
    _, _, known, _ = mapping.LIBRARIES[technology]

    def count(module):
        area_um2, memories, bits = 0.0, 0, 0
        for cell in modules[module]["cells"].values():
            kind = cell["type"]
            if kind == MEMORY:
                width, depth = (int(cell["parameters"][name], 2) for name in ("WIDTH", "SIZE"))
                memories, bits = memories + 1, bits + width * depth
            elif kind in known:
                area_um2 += known[kind].area_um2
            else:
                inner = count(kind)
                area_um2, memories, bits = area_um2 + inner.area_um2, memories + inner.memories, bits + inner.memory_bits
        return Logic(area_um2, memories, bits)

    return count(top)
