"""Compares Bitmill's formats with a Python library: ml_dtypes, gfloat or softposit.

Standard input: one case a line, `operation format rounding inputs outputs`, the last two lists of integers
joined by commas. Real numbers are the bits of an IEEE double; other numbers are codes. Pairs are inputs
a, b, a, b and so on. Exit code 3 says that the library cannot be imported; 1, that a case disagrees.
"""

import sys


def reals(integers):
    return np.array(integers, dtype=np.uint64).view(np.float64)


def ml_dtypes_case(operation, name, rounding, inputs):
    """ml_dtypes never saturates, so floats with NaN or infinity are compared with our _nonsat forms."""
    dtypes = {
        "fp4_e2m1": "float4_e2m1fn",
        "fp6_e2m3": "float6_e2m3fn",
        "fp6_e3m2": "float6_e3m2fn",
        "fp8_e3m4": "float8_e3m4",
        "fp8_e4m3_nonsat": "float8_e4m3fn",
        "fp8_e4m3_ieee": "float8_e4m3",
        "fp8_e4m3_fnuz_nonsat": "float8_e4m3fnuz",
        "fp8_e4m3_fnuz_b11_nonsat": "float8_e4m3b11fnuz",
        "fp8_e5m2": "float8_e5m2",
        "fp8_e5m2_fnuz_nonsat": "float8_e5m2fnuz",
        "e8m0": "float8_e8m0fnu",
        "bf16": "bfloat16",
        "int2_wrap": "int2",
        "int4_wrap": "int4",
        "uint2_wrap": "uint2",
        "uint4_wrap": "uint4",
    }
    dtype = np.dtype(getattr(library, dtypes[name]))
    code_type = np.uint16 if dtype.itemsize == 2 else np.uint8
    bits = {"e8m0": 8, "bf16": 16}.get(name) or int("".join(c for c in name.split("_")[0] if c.isdigit()))
    mask = (1 << bits) - 1

    def of(codes):
        codes = np.array(codes, dtype=code_type)
        if name.startswith("int"):
            codes = np.where(codes >> (bits - 1), codes | (0xFF & ~mask), codes).astype(code_type)
        return codes.view(dtype)

    if operation == "encode":
        result = reals(inputs).astype(np.float32).astype(dtype)
    elif operation == "decode":
        return of(inputs).astype(np.float64).view(np.uint64).tolist()
    else:
        a, b = of(inputs[0::2]), of(inputs[1::2])
        result = a + b if operation == "add" else a * b
    return (result.view(code_type) & mask).tolist()


def gfloat_case(operation, name, rounding, inputs):
    from gfloat import RoundMode, decode_float, encode_float, formats, round_float

    infos = {
        "fp4_e2m1": ("ocp_e2m1", True),
        "fp6_e2m3": ("ocp_e2m3", True),
        "fp6_e3m2": ("ocp_e3m2", True),
        "fp8_e4m3": ("ocp_e4m3", True),
        "fp8_e4m3_nonsat": ("ocp_e4m3", False),
        "fp8_e5m2": ("ocp_e5m2", False),
        "fp8_e5m2_sat": ("ocp_e5m2", True),
        "fixed8_6": ("ocp_int8", True),
        "e8m0": ("ocp_e8m0", False),
        "e8m0_sat": ("ocp_e8m0", True),
        "fp16": ("binary16", False),
        "bf16": ("bfloat16", False),
    }
    info, saturates = infos[name]
    info = getattr(formats, "format_info_" + info)
    modes = {
        "nearest_even": RoundMode.TiesToEven,
        "nearest_away": RoundMode.TiesToAway,
        "toward_zero": RoundMode.TowardZero,
    }
    if operation == "decode":
        values = [float(decode_float(info, code).fval) for code in inputs]
        return np.array(values, dtype=np.float64).view(np.uint64).tolist()
    rounded = [round_float(info, float(x), modes[rounding], saturates) for x in reals(inputs)]
    return [int(encode_float(info, x)) for x in rounded]


def softposit_case(operation, name, rounding, inputs):
    posit, digits = {"posit8_0": (library.posit8, 8), "posit16_1": (library.posit16, 16)}[name]
    from_double = getattr(library, f"convertDoubleToP{digits}")
    to_double = getattr(library, f"convertP{digits}ToDouble")

    def of(code):
        number = posit(0)
        number.fromBits(code)
        return number.v

    if operation == "encode":
        return [from_double(float(x)).v for x in reals(inputs)]
    if operation == "decode":
        return np.array([to_double(of(code)) for code in inputs]).view(np.uint64).tolist()
    work = getattr(library, f"p{digits}_add" if operation == "add" else f"p{digits}_mul")
    every = [of(code) for code in range(1 << digits)]
    return [work(every[a], every[b]).v for a, b in zip(inputs[0::2], inputs[1::2])]


def is_nan(bits):
    # softposit's NaR converts to infinity.
    infinity = 0x7FF0000000000000
    nan = (bits & infinity) == infinity and (bits & (infinity >> 11 | 0xFFFFFFFFFFFFF)) != 0
    return nan or (library_name == "softposit" and bits & infinity == infinity)


library_name = sys.argv[1]
try:
    import numpy as np

    library = __import__(library_name)
except ImportError:
    sys.exit(3)

case_of = {"ml_dtypes": ml_dtypes_case, "gfloat": gfloat_case, "softposit": softposit_case}[library_name]
values_of = {}
compared = 0
for line in sys.stdin:
    operation, name, rounding, inputs, outputs = line.split()
    inputs = [int(x) for x in inputs.split(",")]
    ours = [int(x) for x in outputs.split(",")]
    with np.errstate(all="ignore"):
        theirs = case_of(operation, name, rounding, inputs)
    if operation == "decode":
        values_of[name] = dict(zip(inputs, ours))
        nan = is_nan
    else:
        # All NaN codes are one; a code that was not listed is an ordinary number.
        nan = lambda code: is_nan(values_of[name].get(code, 0))
    for index, (x, y) in enumerate(zip(ours, theirs, strict=True)):
        if x != y and not (nan(x) and nan(y)):
            given = inputs[2 * index : 2 * index + 2] if operation in ("add", "multiply") else inputs[index]
            print(f"{library_name}: {operation} {name} {rounding} {given}: {x:#x}, not {y:#x}")
            sys.exit(1)
    compared += len(ours)
print(f"{library_name} {getattr(library, '__version__', '')}: {compared} results agree")
