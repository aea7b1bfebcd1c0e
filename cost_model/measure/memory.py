"""Memories: what a macro costs, as a linear function of its width and its bits, fitted to Liberty files.

    python3 cost_model/measure/memory.py sg13g2 --data ../shared/data

prints the table `[memory]` of a technology file. The macros of sg13g2 are nine of its foundry, with one port. For sky130hd area and
leakage are those of four OpenRAM macros with one read-write and one read port, energy and time those of the same foundry
macros, which are of 130 nm, too: energy by the square of the supplies.
"""

import argparse
import re
from pathlib import Path

import liberty

# The supply of the foundry macros and that of sky130, in V.
IHP_SUPPLY_V = 1.2
SKY130_SUPPLY_V = 1.8
QUANTITIES = ("area_um2", "read_pj", "write_pj", "leakage_nw")


def main():
    """Reads the command line and prints the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("technology", choices=("sg13g2", "sky130hd"))
    parser.add_argument("--data", default="../shared/data", help="folder with sram/")
    arguments = parser.parse_args()
    folder = Path(arguments.data) / "sram"
    foundry = list(ihp_macros(folder))
    fitted = {quantity: model(foundry, quantity) for quantity in QUANTITIES}
    if arguments.technology == "sky130hd":
        own = list(sky130_macros(folder))
        fitted |= {quantity: model(own, quantity, columns=False) for quantity in ("area_um2", "leakage_nw")}
        factor = (SKY130_SUPPLY_V / IHP_SUPPLY_V) ** 2
        fitted |= {quantity: [factor * c for c in fitted[quantity]] for quantity in ("read_pj", "write_pj")}
    print("[memory]")
    for quantity, coefficients in fitted.items():
        names = zip(("fixed", "column", "bit"), coefficients)
        print(f"{quantity} = {{ {', '.join(f'{n} = {c:.4g}' for n, c in names)} }}")
    fixed, row = access(foundry)
    print(f"access_ns = {{ fixed = {fixed:.4g}, row = {row:.4g} }}")


def fit(rows, values):
    """Least squares coefficients of `values` on `rows`, by Gaussian elimination of the normal equations."""
    count = len(rows[0])
    matrix = [
        [sum(r[i] * r[j] for r in rows) for j in range(count)] + [sum(r[i] * v for r, v in zip(rows, values))]
        for i in range(count)
    ]
    for i in range(count):
        pivot = max(range(i, count), key=lambda k: abs(matrix[k][i]))
        matrix[i], matrix[pivot] = matrix[pivot], matrix[i]
        for k in range(count):
            if k != i:
                factor = matrix[k][i] / matrix[i][i]
                matrix[k] = [a - factor * b for a, b in zip(matrix[k], matrix[i])]
    return [matrix[i][count] / matrix[i][i] for i in range(count)]


def ihp_macros(folder):
    """IHP SG13 single-port macros: width, depth, area, read and write energy, access time, leakage."""
    for path in sorted(Path(folder).glob("RM_IHPSG13_*.lib")):
        depth, width = (int(n) for n in re.search(r"_(\d+)x(\d+)_", path.name).groups())
        library = liberty.parse(path.read_text(encoding="utf-8", errors="replace"))
        units = liberty.Units(library)
        cell = library.children("cell")[0]
        clock = next(g for g in cell.children("pin") if g.argument == "A_CLK")
        powers = {re.sub(r"\s", "", g.attributes["when"]): g for g in clock.children("internal_power")}

        def energy(when, powers=powers, units=units):
            rise = liberty.read_tables(powers[when], ("rise_power", "fall_power"), units, units.pj)
            return sum(table.at(0.0) for table in rise)

        data = next(g for g in cell.children("bus") if g.argument == "A_DOUT")
        yield {
            "width": width,
            "depth": depth,
            "area_um2": float(cell.attributes["area"]),
            "read_pj": energy("A_MEN&!A_WEN&A_REN"),
            "write_pj": energy("A_MEN&A_WEN&!A_REN"),
            "access_ns": liberty.mean(liberty.pin(data, units).delays, 0.01),
            "leakage_nw": units.nw * float(cell.attributes["cell_leakage_power"]),
        }


def sky130_macros(folder):
    """sky130 OpenRAM macros with one read-write and one read port: width, depth, area, leakage."""
    for path in sorted(Path(folder).glob("sky130_sram_*.lib")):
        width, depth = (int(n) for n in re.search(r"_(\d+)x(\d+)_", path.name).groups())
        library = liberty.parse(path.read_text(encoding="utf-8", errors="replace"))
        cell = library.children("cell")[0]
        yield {
            "width": width,
            "depth": depth,
            "area_um2": float(cell.attributes["area"]),
            "leakage_nw": liberty.Units(library).nw * float(cell.attributes["cell_leakage_power"]),
        }


def model(macros, quantity, columns=True):
    """Coefficients (fixed, per column, per bit) of `fixed + column * width + bit * width * depth`."""
    if columns:
        rows = [(1.0, m["width"], m["width"] * m["depth"]) for m in macros]
        return fit(rows, [m[quantity] for m in macros])
    fixed, bit = fit([(1.0, m["width"] * m["depth"]) for m in macros], [m[quantity] for m in macros])
    return [fixed, 0.0, bit]


def access(macros):
    """Coefficients (fixed, per row) of the access time `fixed + row * depth`, in ns."""
    return fit([(1.0, m["depth"]) for m in macros], [m["access_ns"] for m in macros])


if __name__ == "__main__":
    main()
