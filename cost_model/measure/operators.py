"""The operators that are measured: Verilog of one module each.

The keys of `CURVES` are those of the technology file; each operator is measured at several widths.
`CHECKS` are circuits that the estimate has to predict from the curves; none of them takes part in a curve.
"""

import random

WIDTHS = (4, 8, 16, 32, 64)


def binary(expression, output="w"):
    """An operator on two unsigned operands of `w` bits."""
    return lambda w: module(
        [("a", w, ""), ("b", w, "")], {"w": w, "w+1": w + 1, "1": 1}[output], expression
    )


def unary(expression):
    """A reduction of `w` bits to one."""
    return lambda w: module([("a", w, "")], 1, expression)


def module(inputs, output_bits, expression):
    """Ports and body of a combinational module."""
    ports = "".join(f"  input {sign} [{bits - 1}:0] {name},\n" for name, bits, sign in inputs)
    return f"{ports}  output [{output_bits - 1}:0] y);\n  assign y = {expression};\n"


def shift(operator, sign):
    """A shift of `w` bits by a signal that reaches every place."""
    return lambda w: module([("a", w, sign), ("b", (w - 1).bit_length(), "")], w, f"a {operator} b")


def multiply(m, n):
    """A signed product of full width."""
    return module([("a", m, "signed"), ("b", n, "signed")], m + n, "a * b")


def dot(lanes, m, n):
    """A signed dot product of full width."""
    width = m + n + max(lanes - 1, 1).bit_length() * (lanes > 1)
    inputs = [(f"{name}{i}", bits, "signed") for i in range(lanes) for name, bits in (("a", m), ("b", n))]
    return module(inputs, width, " + ".join(f"a{i} * b{i}" for i in range(lanes)))


def total(terms, w):
    """A signed sum of full width."""
    width = w + (terms - 1).bit_length()
    inputs = [(f"a{i}", w, "signed") for i in range(terms)]
    return module(inputs, width, " + ".join(f"a{i}" for i in range(terms)))


def table(index_bits):
    """Eight outputs of a table of random content: what a code book or a decoder costs."""
    source = random.Random(index_bits)
    rows = [f"    {i}: v = {source.getrandbits(8)};\n" for i in range(1 << index_bits)]
    return (
        f"  input [{index_bits - 1}:0] a,\n  output [7:0] y);\n  reg [7:0] v;\n"
        f"  always @* case (a)\n{''.join(rows)}  endcase\n  assign y = v;\n"
    )


def select(items):
    """A choice among `items` words of eight bits."""
    bits = (items - 1).bit_length()
    words = "".join(f"  input [7:0] a{i},\n" for i in range(items))
    rows = "".join(f"    {i}: v = a{i};\n" for i in range(items))
    return (
        f"{words}  input [{bits - 1}:0] b,\n  output [7:0] y);\n  reg [7:0] v;\n"
        f"  always @* case (b)\n{rows}    default: v = a{items - 1};\n  endcase\n  assign y = v;\n"
    )


def flip_flop(reset, enable):
    """Eight flip-flops."""
    assign = f"{'if (b) ' if enable else ''}q <= a;"
    body = f"if (!c) q <= 0; else {assign}" if reset else assign
    control = "".join(f"  input {name},\n" for name, used in (("b", enable), ("c", reset)) if used)
    return (
        f"  input clk,\n  input [7:0] a,\n{control}  output [7:0] y);\n  reg [7:0] q;\n"
        f"  always @(posedge clk) {body}\n  assign y = q;\n"
    )


CURVES = {
    "not": ((8,), lambda w: module([("a", w, "")], w, "~a")),
    "and": ((8,), binary("a & b")),
    "or": ((8,), binary("a | b")),
    "xor": ((8,), binary("a ^ b")),
    "mux": ((8, 32), lambda w: module([("a", w, ""), ("b", w, ""), ("c", 1, "")], w, "c ? a : b")),
    "add": (WIDTHS, binary("a + b", "w+1")),
    "subtract": (WIDTHS, binary("a - b", "w+1")),
    "increment": (WIDTHS, lambda w: module([("a", w, ""), ("b", 1, "")], w, "a + b")),
    "equal": (WIDTHS, binary("a == b", "1")),
    "less": (WIDTHS, binary("a < b", "1")),
    "reduce_or": (WIDTHS, unary("|a")),
    "reduce_and": (WIDTHS, unary("&a")),
    "reduce_xor": (WIDTHS, unary("^a")),
    "shift_left": (WIDTHS, shift("<<", "")),
    "shift_right": (WIDTHS, shift(">>>", "signed")),
    "select": ((2, 4, 8, 16, 32), select),
    "table": ((2, 4, 6, 8), table),
    "total": ((3, 4, 8, 16), lambda n: total(n, 16)),
}

# Products are measured for every pair of these widths, the longer operand first.
PRODUCT_WIDTHS = (2, 4, 6, 8, 12, 16)

FLIP_FLOPS = {
    "plain": (False, False),
    "reset": (True, False),
    "enable": (False, True),
    "reset_enable": (True, True),
}

CHECKS = {
    "multiply_10x5": multiply(10, 5),
    "multiply_14x14": multiply(14, 14),
    "dot_4_lanes_8x8": dot(4, 8, 8),
    "dot_8_lanes_4x4": dot(8, 4, 4),
    "dot_16_lanes_2x2": dot(16, 2, 2),
    "sum_9_terms_of_12": total(9, 12),
}
