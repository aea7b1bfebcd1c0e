"""Writes the table as a page of the documentation."""

import designs


def page(wanted, figures, pyosys):
    """The page; groups of which nothing was measured are left out."""
    known = {design.key: design for design in wanted}
    parts = [HEADER.format(pyosys=pyosys)]
    for title, text, members in GROUPS:
        rows = [design for design in members if design.key in known]
        if rows:
            parts.append(f"## {title}\n\n{text}\n\n{COLUMNS}\n" + "\n".join(row(d, figures[d.key]) for d in rows))
    if all(design.key in known for design in designs.MULTIPLIERS + designs.PARTS + designs.SEPARATE):
        parts.append(ratios(figures))
    missing = [design.key for design in designs.DESIGNS if design.key not in known]
    if missing:
        parts.append("## Not measured in this run\n\n" + "\n".join(f"- {key}" for key in missing))
    return "\n\n".join(parts) + "\n"


HEADER = """# Processing elements, measured

This page is written by a command; do not edit it:

    python3 testbenches/pe_table --data ../shared/data

Areas are cells before layout, delays the longest path that ABC reports after sizing without a target, both with
pyosys {pyosys}, flattened, no wires. Energy is that of a cycle with random operands at every port, simulated gate by
gate without delay (glitches are not counted; the clock is), divided by the multiplications a cycle. Logic cells are
those of `synth_xilinx -family xcup -nodsp`: LUTs, in brackets carry chains of eight bits, and flip-flops."""

COLUMNS = (
    "| design | sky130 µm² | ns | pJ/MAC | ASAP7 µm² | ns | pJ/MAC | LUT (CARRY8) | FF | peer, logic cells |\n"
    "|---|---|---|---|---|---|---|---|---|---|"
)

GROUPS = [
    ("L-Mul against the true multiplier", "Combinational, codes in and codes out, every special case included.", designs.MULTIPLIERS),
    ("L-Mul and floating-point PEs", "With accumulator and pipeline registers.", designs.PES),
    (
        "The reconfigurable PE",
        "One circuit with the heads of its row and column; a row for each mode shows the energy of that mode.",
        designs.RMMEC,
    ),
    ("Its parts", "The core stands in every place of the array, a head at every row and every column.", designs.PARTS),
    ("Separate MACs for its modes", "Exact accumulation, decoders included.", designs.SEPARATE),
    ("Exact dot products of 32 elements", "With an accumulator, which the peer's have not.", designs.DOTS),
    ("Block dot products", "Scales, and an FP32 accumulator, included.", designs.BLOCKS),
    ("Posit operations", "Combinational, correctly rounded.", designs.POSITS),
]


def row(design, found):
    """A line of the table."""
    cells = [design.key]
    for library in designs.LIBRARIES:
        f = found[library]
        cells += [f"{f['area_um2']:.4g}", f"{f['delay_ns']:.3g}", f"{f['energy_pj'] / design.macs:.3g}"]
    luts = found["xcup"]
    cells += [f"{luts['luts']} ({luts['carries']})", str(luts["flip_flops"])]
    peer = designs.PEERS.get(design.key)
    cells.append(f"{peer[0]} {peer[1]}" if peer else "")
    return "| " + " | ".join(cells) + " |"


def ratios(figures):
    """What the papers claim, beside ours."""
    lines = [
        "## Against the papers' ratios\n",
        "| claim | paper | ours, sky130 | ours, ASAP7 |",
        "|---|---|---|---|",
    ]
    for name, paper, ours in CLAIMS:
        found = [f"{ours(lambda key: figures[key][library]['area_um2']):.3f}" for library in designs.LIBRARIES]
        lines.append(f"| {name} | {paper} | {found[0]} | {found[1]} |")
    lines += ["", CLAIMS_NOTE]
    return "\n".join(lines)


def multiplier_ratio(form):
    """Area of the L-Mul multiplier over that of the true one."""
    return lambda area: area(f"L-Mul multiplier {form}") / area(f"true multiplier {form}")


def separate(area, without=""):
    """Area of one MAC for every mode but bf16, and but those whose names start with `without`."""
    return sum(area(design.key) for design in designs.SEPARATE if not (without and design.key.startswith(without)))


def rmmec(heads, without=""):
    """Area of the reconfigurable PE with that share of its two heads, over separate MACs."""
    core, *both = (part.key for part in designs.PARTS)
    return lambda area: (area(core) + heads * sum(area(head) for head in both)) / separate(area, without)


CLAIMS = [
    ("L-Mul FP8 E4M3 over its true multiplier, area", "0.33 (FreePDK45)", multiplier_ratio("fp8_e4m3")),
    ("L-Mul BF16 over its true multiplier, area", "0.24 (FreePDK45)", multiplier_ratio("bf16")),
    ("reconfigurable PE in an 8 × 8 array over separate MACs, area", "0.58", rmmec(1 / 8)),
    ("reconfigurable PE alone with both heads over separate MACs, area", "0.58", rmmec(1)),
    ("the same in an 8 × 8 array, over separate MACs without the integer modes", "0.58", rmmec(1 / 8, "integer")),
]

CLAIMS_NOTE = """The separate MACs are one each for FP4, Posit(4,1), int4 (four lanes), FP8 E4M3, Posit(8,0), int8 (two lanes),
Posit(16,1) and int16 (one lane). BF16, which the reconfigurable PE runs too, is not counted on their side: an exact BF16
accumulator would have 534 bits and flatter the comparison. L-Mul's figures are the independent synthesis of 113 against
347 µm² (FP8) and 256 against 1068 µm² (BF16); XR-NPE claims 42 % less area than separate MACs. Peers: MX-for-FPGA's exact
dot products of 32 elements; PACoGen's posit adders and multipliers, which misround thousands of pairs."""
