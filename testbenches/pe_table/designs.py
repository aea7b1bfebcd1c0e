"""What is measured: units of the catalogue, what each is compared with, and figures that others published."""

from dataclasses import dataclass, field

LIBRARIES = ("sky130hd", "asap7")
TECHNOLOGIES = ("xcup", *LIBRARIES)


@dataclass(frozen=True)
class Design:
    """A unit with its settings."""

    key: str
    request: str  # a line for the example unit_verilog
    macs: float = 1  # multiplications a cycle
    # Input ports held at a value while energy is measured; of a list, a value a cycle, the operands held meanwhile.
    fixed: dict = field(default_factory=dict)


def mac(activation, lanes, length=1024, weight="", extra=""):
    """A float_mac of one format."""
    weight = weight or activation
    name = activation if weight == activation else f"{activation} × {weight}"
    return Design(
        f"float_mac {name} ×{lanes}{' ' + extra if extra else ''}",
        f"pe_float_mac activation={activation} weight={weight} lanes={lanes} length={length} {extra}",
        lanes,
        STEPPING,
    )


def l_mul(form, lanes, extra=""):
    """An L-Mul PE of one format."""
    return Design(
        f"l_mul {form} ×{lanes}{' ' + extra if extra else ''}",
        f"pe_l_mul format={form} lanes={lanes} {extra}",
        lanes,
        STEPPING,
    )


# A sum that goes on: operands in every cycle.
STEPPING = {"valid_i": 1, "first_i": 0, "last_i": 0}


def integer(activation, weight, lanes, accumulator=32):
    """What a designer would write: `*` and an adder."""
    return Design(
        f"`*` {activation} × {weight} ×{lanes}",
        f"pe_integer activation={activation} weight={weight} lanes={lanes} accumulator={accumulator}",
        lanes,
        STEPPING,
    )


def serial(name, request, lanes, modes):
    """A row for every mode of a PE that takes several cycles a step; `modes` gives the cycles by name."""
    most = max(modes.values())
    rows = []
    for code, (mode, cycles) in enumerate(modes.items()):
        fixed = STEPPING | ({"mode_i": code} if len(modes) > 1 else {})
        if most > 1:
            fixed |= {"phase_i": list(range(cycles))}
        rows.append(Design(f"{name}, {mode}", request, lanes / cycles, fixed))
    return rows


RMMEC_MODES = {
    "fp4_e2m1": (0, 4), "posit4_1": (1, 4), "int4": (2, 4),
    "fp8_e4m3": (4, 2), "posit8_0": (5, 2), "int8": (6, 2),
    "bf16": (8, 1), "posit16_1": (9, 1), "int16": (10, 1),
}

MULTIPLIERS = [
    Design(f"{kind} {form}", f"{unit} format={form}")
    for form in ("fp8_e4m3", "fp8_e5m2", "bf16")
    for kind, unit in (("L-Mul multiplier", "l_mul_multiplier"), ("true multiplier", "format_multiplier"))
]

PES = [
    l_mul("fp8_e4m3", 4), l_mul("fp8_e4m3", 4, "range=wide"), mac("fp8_e4m3", 4),
    l_mul("bf16", 1, "accumulator=fp32"), mac("bf16", 1, extra="accumulator=fp32"),
]

RMMEC = [
    Design(f"rmmec_simd, {mode}", "pe_rmmec_simd", macs, {**STEPPING, "mode_i": code})
    for mode, (code, macs) in RMMEC_MODES.items()
]
PARTS = [
    Design("rmmec_simd core", "pe_rmmec_simd | _core", 1, STEPPING),
    Design("rmmec_simd row head", "pe_rmmec_simd | row_head"),
    Design("rmmec_simd column head", "pe_rmmec_simd | column_head"),
]
RMMEC_FLOATS = "pe_rmmec_simd modes=fp4_e2m1,posit4_1,fp8_e4m3,posit8_0,posit16_1"
FLOAT_PARTS = [
    Design("rmmec_simd core without integers and bf16", f"{RMMEC_FLOATS} | _core", 1, STEPPING),
    Design("its row head without them", f"{RMMEC_FLOATS} | row_head"),
    Design("its column head without them", f"{RMMEC_FLOATS} | column_head"),
]
# The tile multiplier alone: idle tiles do not switch. Four, two, one product a cycle.
TILES = [
    Design(f"rmmec_simd multiplier, lanes of {bits} bits", "pe_rmmec_simd | multiplier", lanes, {"width_i": code})
    for bits, lanes, code in ((4, 4, 0), (8, 2, 1), (16, 1, 2))
]
SEPARATE = [
    mac("fp4_e2m1", 4), mac("posit4_1", 4),
    mac("fp8_e4m3", 2), mac("posit8_0", 2),
    mac("posit16_1", 1),
    *(
        Design(f"integer {form} ×{lanes}", f"pe_integer activation={form} weight={form} lanes={lanes} accumulator={bits}",
               lanes, STEPPING)
        for form, lanes, bits in (("int4", 4, 32), ("int8", 2, 32), ("int16", 1, 48))
    ),
]

FLOATING = "pe_bit_serial activation=fp16 accumulator=floating28"
EXACT = "pe_bit_serial activation=fp16 accumulator=64"
BIT_SERIAL_MODES = {"int8": 4, "int6": 3, "int5": 3, "int4": 2, "bitmod_fp4": 2, "bitmod_fp3": 2}
FP16_MACS = [mac("fp16", 1, extra="accumulator=fp32"), mac("fp16", 1, extra="accumulator=fp16")]
BIT_SERIAL_PARTS = [
    Design("bit_serial fp16 floating28", f"{FLOATING} | pe_bit_serial_fp16", 4, STEPPING),
    Design("its row head", f"{FLOATING} | to_block", 4),
    Design("bit_serial fp16 exact", f"{EXACT} | pe_bit_serial_a", 4, STEPPING),
    Design("the exact row head", f"{EXACT} | to_fixed", 4),
    Design("bit_serial_encoder", f"{FLOATING} | encoder", 4),
    Design("bit_serial_dequantizer", "bit_serial_dequantizer sum_bits=28 result_bits=40", 4),
]
BIT_SERIAL = [
    *FP16_MACS,
    *BIT_SERIAL_PARTS,
    *serial("bit_serial fp16 floating28 with heads", FLOATING, 4, BIT_SERIAL_MODES),
]
BIT_SERIAL_INTEGER = [
    integer("int8", "int8", 1),
    integer("int8", "int8", 4),
    *serial("bit_serial int8 with heads", "pe_bit_serial", 4, BIT_SERIAL_MODES),
    # Random weight words end a group whenever they like: the dequantizer is always busy, as with the shortest groups.
    *serial("bit_serial_grouped int8 with heads", "bit_serial_grouped", 4, BIT_SERIAL_MODES),
    *serial("matryoshka with heads", "pe_matryoshka", 4, {"8 bits": 4, "6 bits": 3, "4 bits": 2, "3 bits": 2, "2 bits": 1}),
]

# Activations of 8 bits unless said otherwise; a complex product is four real ones.
MULTIPLIER_FREE = [
    integer("int8", "int2", 16),
    Design("ternary ×16", "pe_ternary", 16, STEPPING),
    Design("sherry ×16", "pe_sherry", 16, STEPPING),
    Design("dual_binary ×16", "pe_dual_binary", 16, STEPPING),
    integer("int8", "int2", 32),
    Design("complex ×8", "pe_complex", 8, STEPPING),
    integer("int2", "int2", 64),
    Design("binary ×64", "pe_binary", 64, STEPPING),
    integer("int8", "int3", 32),
]
PLANE_ACTIVATIONS = {"binary": 1, "uint1": 1, "uint2": 2, "uint4": 4, "uint8": 8, "int2": 2, "int4": 4, "int8": 8}
PLANE_WEIGHTS = {"binary": 1, "int2": 2, "int3": 3}
BIT_PLANE = [
    design
    for design in serial(
        "bit_plane ×32 with heads",
        "pe_bit_plane",
        32,
        {f"{w} × {a}": m * n for w, m in PLANE_WEIGHTS.items() for a, n in PLANE_ACTIVATIONS.items()},
    )
    if design.key.split(", ")[1] in ("binary × binary", "binary × int8", "int2 × int4", "int2 × int8", "int3 × uint8")
]

# Exact dot products of 32 elements: the adder tree behind the multipliers, with an accumulator.
DOTS = [
    *(
        Design(f"dot 32 {form}", f"pe_float_mac activation={form} weight={form} lanes=32 length=32", 32, STEPPING)
        for form in ("int8", "fp8_e4m3", "fp8_e5m2", "fp6_e2m3", "fp6_e3m2", "fp4_e2m1")
    ),
]
BLOCKS = [
    Design(f"block_dot {form}", f"pe_block_dot activation={form} weight={form} lanes={lanes}", lanes, STEPPING)
    for form, lanes in (("mxfp8_e4m3", 32), ("mxfp6_e2m3", 32), ("mxfp4", 32), ("mxint8", 32), ("nvfp4", 16), ("nvint4", 16))
]

POSITS = [
    Design(f"{operation} {form}", f"{unit} format={form}")
    for form in ("posit8_2", "posit8_0", "posit16_1")
    for operation, unit in (("adder", "format_adder"), ("multiplier", "format_multiplier"))
] + [mac("posit8_2", 1), mac("posit8_0", 1)]

GROUPS = (
    BIT_SERIAL, BIT_SERIAL_INTEGER, MULTIPLIER_FREE, BIT_PLANE, DOTS, POSITS, BLOCKS, MULTIPLIERS, PES, SEPARATE, PARTS, FLOAT_PARTS, TILES, RMMEC,
)
DESIGNS = list({design.key: design for group in GROUPS for design in group}.values())

# Logic cells that open peers report, see the sources in report.py.
PEERS = {
    "dot 32 int8": ("MX-for-FPGA", 3882),
    "dot 32 fp8_e4m3": ("MX-for-FPGA", 4597),
    "dot 32 fp8_e5m2": ("MX-for-FPGA", 6942),
    "dot 32 fp6_e2m3": ("MX-for-FPGA", 2194),
    "dot 32 fp6_e3m2": ("MX-for-FPGA", 2460),
    "dot 32 fp4_e2m1": ("MX-for-FPGA", 1067),
    "adder posit8_2": ("PACoGen", 168),
    "multiplier posit8_2": ("PACoGen", 120),
    "adder posit16_1": ("PACoGen", 429),
    "multiplier posit16_1": ("PACoGen", 542),
}
