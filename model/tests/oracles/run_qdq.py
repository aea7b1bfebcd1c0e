"""Runs a QDQ file in onnxruntime and writes every quantized tensor, as raw int32.

run_qdq.py MODEL INPUTS SHAPE NAMES OUTPUTS
INPUTS holds float32 of SHAPE (comma-separated); OUTPUTS gets the tensors called NAMES (comma-separated), one after the
other, each of all inputs, channels innermost. Ends with 3 where onnxruntime cannot be imported.
"""

import sys

try:
    import numpy as np
    import onnx
    import onnxruntime as ort
except ImportError:
    sys.exit(3)

path, inputs, shape, names, outputs = sys.argv[1:]
model = onnx.load(path)
onnx.checker.check_model(model, full_check=True)
names = names.split(",")
for name in names:
    model.graph.output.append(onnx.ValueInfoProto(name=name))
# The file's own operators, not what an optimizer makes of them.
options = ort.SessionOptions()
options.graph_optimization_level = ort.GraphOptimizationLevel.ORT_DISABLE_ALL
session = ort.InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"])
x = np.fromfile(inputs, np.float32).reshape([int(size) for size in shape.split(",")])
found = session.run(names, {session.get_inputs()[0].name: x})
with open(outputs, "wb") as file:
    for tensor in found:
        if tensor.ndim == 4:
            tensor = tensor.transpose(0, 2, 3, 1)
        np.ascontiguousarray(tensor, np.int32).tofile(file)
print(f"onnxruntime {ort.__version__}: {len(names)} tensors of {len(x)} inputs")
