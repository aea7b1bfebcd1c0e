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
    parts.append(ratios({key: figures[key] for key in known}))
    missing = [design.key for design in designs.DESIGNS if design.key not in known]
    if missing:
        parts.append("## Not measured in this run\n\n" + "\n".join(f"- {key}" for key in missing))
    return "\n\n".join(parts) + "\n"


HEADER = """# Processing elements, measured

This page is written by a command; do not edit it:

    python3 testbenches/pe_table --data ../shared/data

Areas are cells before layout, delays the longest path that ABC reports after sizing without a target, both with
pyosys {pyosys}, flattened, no wires. Energy is that of a cycle with random operands at every port, simulated gate by
gate without delay (glitches are not counted; the clock is), divided by the multiplications a cycle. LC are the logic
cells that Yosys estimates after `synth_xilinx -family xcup -nodsp`, where two small look-up tables share one; beside them
all LUTs, in brackets carry chains, and flip-flops. A dash stands for what was not measured."""

COLUMNS = (
    "| design | sky130 µm² | ns | pJ/MAC | ASAP7 µm² | ns | pJ/MAC | LC | LUT (carry) | FF | peer, LC |\n"
    "|---|---|---|---|---|---|---|---|---|---|---|"
)

GROUPS = [
    (
        "BitMoD's bit-serial PE against a bit-parallel FP16 MAC",
        "Four lanes that share a floating-point sum, and a multiplier of its own for each product. The PE stands in every place "
        "of the array, a row head at every row, an encoder at every column; rows with a mode are of one PE with both heads, "
        "operands held for the cycles of a step.",
        designs.BIT_SERIAL,
    ),
    ("Bit-serial PEs with 8-bit activations", "`*` is Yosys's multiplier with an adder, as a designer would write it.", designs.BIT_SERIAL_INTEGER),
    (
        "PEs without multiplier",
        "8-bit activations, beside `*` with weights of as many bits; a complex product is four real ones.",
        designs.MULTIPLIER_FREE,
    ),
    ("Bit planes", "All weights and activations of QONNX in one PE; a row for each mode shows its energy.", designs.BIT_PLANE),
    ("L-Mul against the true multiplier", "Combinational, codes in and codes out, every special case included.", designs.MULTIPLIERS),
    ("L-Mul and floating-point PEs", "With accumulator and pipeline registers.", designs.PES),
    (
        "The reconfigurable PE",
        "One circuit with the heads of its row and column; a row for each mode shows the energy of that mode.",
        designs.RMMEC,
    ),
    ("Its parts", "The core stands in every place of the array, a head at every row and every column.", designs.PARTS + designs.FLOAT_PARTS),
    ("Its tile multiplier", "Random operands; the energy falls with the tiles in use.", designs.TILES),
    ("Separate MACs for its modes", "Exact accumulation, decoders included.", designs.SEPARATE),
    ("Exact dot products of 32 elements", "With an accumulator, which the peer's have not.", designs.DOTS),
    ("Block dot products", "Scales, and an FP32 accumulator, included.", designs.BLOCKS),
    ("Posit operations", "Adders and multipliers are combinational and correctly rounded; the MACs are exact.", designs.POSITS),
]


def row(design, found):
    """A line of the table."""
    cells = [design.key]
    for library in designs.LIBRARIES:
        f = found[library]
        cells += [f"{f['area_um2']:.4g}", f"{f['delay_ns']:.3g}", f"{f['energy_pj'] / design.macs:.3g}"] if f else ["–"] * 3
    luts = found["xcup"]
    cells += [str(luts["logic_cells"]), f"{luts['luts']} ({luts['carries']})", str(luts["flip_flops"])] if luts else ["–"] * 3
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
        try:
            found = [f"{ours(lambda key: figures[key][library]['area_um2']):.3f}" for library in designs.LIBRARIES]
        except (KeyError, TypeError):
            continue  # not all of its designs were measured
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
    """Area of the reconfigurable PE with that share of its two heads, over separate MACs; both without some modes."""
    core, *both = (part.key for part in (designs.FLOAT_PARTS if without else designs.PARTS))
    return lambda area: (area(core) + heads * sum(area(head) for head in both)) / separate(area, without)


def bit_serial(accumulator, heads):
    """Area of the floating bit-serial PE with that share of its two heads, over the FP16 MAC."""
    core, row_head, column_head = "bit_serial fp16 floating28", "its row head", "bit_serial_encoder"
    baseline = f"float_mac fp16 ×1 accumulator={accumulator}"
    return lambda area: (area(core) + heads * (area(row_head) + area(column_head))) / area(baseline)


CLAIMS = [
    ("bit-serial PE over the FP16 MAC with an FP32 sum, area", "0.76 (28 nm)", bit_serial("fp32", 0)),
    ("the same with its share of the heads of an 8 × 8 array", "0.78 (28 nm)", bit_serial("fp32", 1 / 8)),
    ("the same, over the FP16 MAC with an FP16 sum", "", bit_serial("fp16", 1 / 8)),
    ("L-Mul FP8 E4M3 over its true multiplier, area", "0.33 (FreePDK45)", multiplier_ratio("fp8_e4m3")),
    ("L-Mul BF16 over its true multiplier, area", "0.24 (FreePDK45)", multiplier_ratio("bf16")),
    ("reconfigurable PE in an 8 × 8 array over separate MACs, area", "0.58", rmmec(1 / 8)),
    ("reconfigurable PE alone with both heads over separate MACs, area", "0.58", rmmec(1)),
    ("the same built without integers and BF16, over separate MACs without integers", "0.58", rmmec(1 / 8, "integer")),
]

CLAIMS_NOTE = """The separate MACs are one each for FP4, Posit(4,1), int4 (four lanes), FP8 E4M3, Posit(8,0), int8 (two lanes),
Posit(16,1) and int16 (one lane). BF16, which the reconfigurable PE runs too, is not counted on their side: an exact BF16
accumulator would have 534 bits and flatter the comparison. L-Mul's figures are the independent synthesis of 113 against
347 µm² (FP8) and 256 against 1068 µm² (BF16); XR-NPE claims 42 % less area than separate MACs. Peers: MX-for-FPGA's exact
dot products of 32 elements; PACoGen's posit adders and multipliers, which misround thousands of pairs."""
