"""Speed of ml_dtypes on one core, on a million normal values: run by the tensor benchmark."""

import sys
import time

try:
    import ml_dtypes
    import numpy as np
except ImportError:
    sys.exit(1)

COUNT = 1 << 20
REPETITIONS = 20


def million_values_per_second(work):
    """The fastest of several runs, in 10^6 values a second."""
    seconds = []
    for _ in range(REPETITIONS):
        start = time.perf_counter()
        work()
        seconds.append(time.perf_counter() - start)
    return COUNT / min(seconds) / 1e6


values = np.random.default_rng(1).standard_normal(COUNT).astype(np.float32)
print(f"ml_dtypes {ml_dtypes.__version__}, million values/s")
for name in ["int4", "float4_e2m1fn", "float8_e4m3fn", "float8_e5m2", "float8_e8m0fnu", "bfloat16"]:
    dtype = getattr(ml_dtypes, name)
    codes = values.astype(dtype)
    encode = million_values_per_second(lambda: values.astype(dtype))
    decode = million_values_per_second(lambda: codes.astype(np.float32))
    print(f"  {name:15} encode {encode:7.0f}  decode {decode:7.0f}")
