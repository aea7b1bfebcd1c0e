"""Recomputes I-ViT's integer operators from their description, in its own way, with numpy.

Standard input: one case a line, `operation parameters row-length inputs outputs`, the last two lists of
integers joined by commas, the rows one after the other. Exit code 3 says that numpy cannot be imported; 1, that
a case disagrees.
"""

import sys

M = 2**31 - 1


def shift_exp(x, one, n):
    """The paper's formula with x0 = -one; numbers are doubled so that r/2 stays an integer."""
    x0 = -one
    x = x + np.floor_divide(x, 2) - np.floor_divide(x, 16)
    x = np.maximum(x, n * x0)
    q = np.floor_divide(x, x0)
    r = x - q * x0
    doubled = (r - 2 * x0).astype(object)
    exact = [(d * 2 ** int(n - e)) // 2 for d, e in zip(doubled.ravel(), q.ravel())]
    return np.array([min(e, M) for e in exact], dtype=object).reshape(x.shape)


def shiftmax(rows, one, n, bits):
    e = shift_exp(rows - rows.max(axis=-1, keepdims=True), one, n)
    factor = M // np.minimum(e.sum(axis=-1, keepdims=True), M)
    return e * factor // 2 ** (31 - bits)


# 2^-f at the middle of each 128th of an octave, rounded to 15 bits.
OCTAVE = [round(2 ** (15 - (2 * k + 1) / 256)) for k in range(128)]


def softmax_by_table(rows, factor, bits):
    exponents = (rows.max(axis=-1, keepdims=True) - rows).astype(object) * factor
    e = np.array([OCTAVE[v % 2**15 // 2**8] // 2 ** (v // 2**15) for v in exponents.ravel()], dtype=object)
    e = e.reshape(rows.shape)
    return e * (M // e.sum(axis=-1, keepdims=True)) // 2 ** (31 - bits)


def shift_gelu(rows, one, n):
    largest = rows.max(axis=-1, keepdims=True)
    e1 = shift_exp(rows - largest, one, n)
    e2 = shift_exp(-largest, one, n)
    sigmoid = e1 * (M // np.minimum(e1 + e2, M)) // 2**24
    return rows * sigmoid


def ten_iterations(v):
    k = np.full_like(v, 2**16)
    for _ in range(10):
        k = (k + v // k) // 2
    return k


def floor_root(v):
    k = np.maximum(np.sqrt(v.astype(np.float64)).astype(np.int64), 1)
    k = np.where(k * k > np.maximum(v, 1), k - 1, k)
    return np.where((k + 1) * (k + 1) <= v, k + 1, k)


ROOTS = {"ten": ten_iterations, "floor": floor_root}


def layer_norm(rows, root):
    # Means of at most 2^20 over short rows are exact enough in double precision for rint to see every tie.
    deviation = rows - np.rint(rows.mean(axis=-1, keepdims=True)).astype(np.int64)
    k = ROOTS[root]((deviation * deviation).sum(axis=-1, keepdims=True))
    return np.floor_divide(deviation * (M // k), 2)


def answer(operation, parameters, rows):
    if operation == "root":
        return ROOTS[parameters[0]](rows)
    if operation == "layer_norm":
        return layer_norm(rows, parameters[0])
    work = {
        "shift_exp": shift_exp,
        "shiftmax": shiftmax,
        "softmax_by_table": softmax_by_table,
        "shift_gelu": shift_gelu,
    }[operation]
    return work(rows, *map(int, parameters))


def main():
    numbers, cases, wrong = 0, 0, 0
    for line in sys.stdin:
        operation, parameters, length, inputs, outputs = line.split()
        shape = (-1, int(length))
        rows = np.array(inputs.split(","), dtype=np.int64).reshape(shape)
        given = np.array(outputs.split(","), dtype=np.int64).reshape(shape)
        expected = answer(operation, parameters.split(","), rows)
        numbers, cases = numbers + rows.size, cases + 1
        for row, ours, theirs in zip(rows, given, expected):
            if list(ours) != list(theirs) and wrong < 10:
                wrong += 1
                print(f"{operation} {parameters} of {list(row)}: ours {list(ours)}, oracle {list(theirs)}")
    print(f"numpy: {numbers} numbers in {cases} cases of the nonlinear operators")
    sys.exit(1 if wrong or not cases else 0)


try:
    import numpy as np
except ImportError:
    sys.exit(3)
main()
