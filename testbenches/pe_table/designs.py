"""What is measured: units of the catalogue, what each is compared with, and figures that others published."""

from dataclasses import dataclass, field

LIBRARIES = ("sky130hd", "asap7")


@dataclass(frozen=True)
class Design:
    """A unit with its settings."""

    key: str
    request: str  # a line for the example unit_verilog
    macs: int = 1  # multiplications a cycle
    fixed: dict = field(default_factory=dict)  # input ports held at a value while energy is measured


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

# Exact dot products of 32 elements: the adder tree behind the multipliers, with an accumulator.
DOTS = [
    Design("dot 32 int8", "pe_integer activation=int8 weight=int8 lanes=32 accumulator=21", 32, STEPPING),
    *(
        Design(f"dot 32 {form}", f"pe_float_mac activation={form} weight={form} lanes=32 length=32", 32, STEPPING)
        for form in ("fp8_e4m3", "fp8_e5m2", "fp6_e2m3", "fp6_e3m2", "fp4_e2m1")
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
]

DESIGNS = MULTIPLIERS + PARTS + SEPARATE + RMMEC + DOTS + PES + BLOCKS + POSITS

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
