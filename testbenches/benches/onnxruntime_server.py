"""onnxruntime on one thread: reads a line, runs the network once, answers with a line. Run by the simulation benchmark."""

import sys

try:
    import numpy as np
    import onnxruntime as ort
except ImportError:
    sys.exit(1)

options = ort.SessionOptions()
options.intra_op_num_threads = 1
options.inter_op_num_threads = 1
session = ort.InferenceSession(sys.argv[1], options, providers=["CPUExecutionProvider"])
(description,) = session.get_inputs()
shape = [size if isinstance(size, int) else 1 for size in description.shape]
feed = {description.name: np.random.default_rng(1).standard_normal(shape).astype(np.float32)}
print(ort.__version__, flush=True)
for _ in sys.stdin:
    session.run(None, feed)
    print("done", flush=True)
