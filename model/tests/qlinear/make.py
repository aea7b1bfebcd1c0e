"""Makes one-operator models with integer arithmetic and what onnxruntime computes for them.

Usage: python make.py   (needs numpy, onnx and onnxruntime; writes NAME.onnx and NAME.npz beside itself)
"""
import numpy as np
import onnx
import onnxruntime
from onnx import TensorProto, helper, numpy_helper

RUNS = 12
random = np.random.default_rng(5)


def scalar(name, value, kind=np.float32):
    return numpy_helper.from_array(np.array(value, kind), name)


def make(name, operator, shape, constants, inputs, kind=np.uint8, out_rank=4, domain="", **attributes):
    """Runs `operator` on random integers of `shape` and writes the model with its inputs and outputs."""
    code = helper.np_dtype_to_tensor_dtype(np.dtype(kind))
    node = helper.make_node(operator, inputs, ["y"], name=name, domain=domain, **attributes)
    value = lambda label, dims: helper.make_tensor_value_info(label, code, dims)
    graph = helper.make_graph([node], name, [value("x", [1, *shape])], [value("y", ["n"] + [None] * (out_rank - 1))], constants)
    opsets = [helper.make_opsetid("", 13), helper.make_opsetid("com.microsoft", 1)]
    model = helper.make_model(graph, opset_imports=opsets, ir_version=8)
    session = onnxruntime.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    bounds = np.iinfo(kind)
    xs = random.integers(bounds.min, bounds.max + 1, (RUNS, *shape)).astype(kind)
    ys = np.concatenate([session.run(None, {"x": x[None]})[0] for x in xs])
    onnx.save(model, f"{name}.onnx")
    np.savez_compressed(f"{name}.npz", x=xs, y=ys)


def common(x, y, kind=np.uint8):
    return [
        scalar("xs", x[0]), scalar("xz", x[1], kind), scalar("ys", y[0]), scalar("yz", y[1], kind),
    ]


# Weights stay below 64: without VNNI onnxruntime's 8-bit kernels add pairs of products in 16 bits.
conv = [
    numpy_helper.from_array(random.integers(-63, 64, (6, 3, 3, 3)).astype(np.int8), "w"),
    numpy_helper.from_array((0.002 + 0.01 * random.random(6)).astype(np.float32), "ws"),
    numpy_helper.from_array(np.zeros(6, np.int8), "wz"),
    numpy_helper.from_array(random.integers(-4000, 4000, 6).astype(np.int32), "b"),
]
names = ["x", "xs", "xz", "w", "ws", "wz", "ys", "yz"]
make("conv", "QLinearConv", (3, 9, 8), common((0.021, 117), (0.0613, 131)) + conv, names + ["b"], pads=[1, 1, 1, 1], strides=[2, 1])
matrix = [
    numpy_helper.from_array(random.integers(-63, 64, (40, 7)).astype(np.int8), "w"),
    scalar("ws", 0.0071), scalar("wz", 0, np.int8),
]
make("mat_mul", "QLinearMatMul", (40,), common((0.033, 100), (0.0411, 120)) + matrix, names, out_rank=2)
make(
    "global_average_pool", "QLinearGlobalAveragePool", (5, 7, 6), common((0.033, 100), (0.0121, 90)),
    ["x", "xs", "xz", "ys", "yz"], domain="com.microsoft", channels_last=0,
)
