"""Runs a QONNX file in qonnx and writes tensors as raw int32: the integers that their Quant nodes made.

run_qonnx.py MODEL INPUTS SHAPE NAMES OUTPUTS
INPUTS holds float32 of SHAPE (comma-separated), inputs first; OUTPUTS gets the tensors called NAMES (comma-separated), one
after the other, each of all inputs, channels innermost. Ends with 3 where qonnx cannot be imported.
"""

import sys

try:
    import numpy as np
    import onnx
    import qonnx
    from qonnx.core.modelwrapper import ModelWrapper
    from qonnx.core.onnx_exec import execute_onnx
    from qonnx.transformation.infer_shapes import InferShapes
except ImportError:
    sys.exit(3)

path, inputs, shape, names, outputs = sys.argv[1:]
names = names.split(",")
model = ModelWrapper(onnx.load(path)).transform(InferShapes())
x = np.fromfile(inputs, np.float32).reshape([int(size) for size in shape.split(",")])
entry = model.graph.input[0].name
runs = [execute_onnx(model, {entry: one[np.newaxis]}, return_full_exec_context=True) for one in x]
with open(outputs, "wb") as file:
    for name in names:
        node = model.find_producer(name)
        scale = model.get_initializer(node.input[1])
        zero_point = model.get_initializer(node.input[2]) if node.op_type == "Quant" else 0
        tensor = np.concatenate([run[name] for run in runs]).astype(np.float64)
        integers = np.rint(tensor / np.float64(scale)) + zero_point
        assert np.allclose((integers - zero_point) * np.float64(scale), tensor, rtol=1e-5), name
        if integers.ndim == 4:
            integers = integers.transpose(0, 2, 3, 1)
        np.ascontiguousarray(integers, np.int32).tofile(file)
print(f"qonnx {qonnx.__version__ if hasattr(qonnx, '__version__') else ''}: {len(names)} tensors of {len(x)} inputs")
