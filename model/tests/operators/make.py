"""Writes one tiny ONNX model for each way of using an operator, with its result by onnxruntime or ONNX itself.

    pip install numpy onnx onnxruntime
    python make.py

For each case: <case>.onnx and <case>.npy, the output (f32, as ONNX lays it out) for the input whose element
i is ((37 i + 11) mod 64 − 32) / 16.
tests/operators.rs imports each model, runs it in single precision and compares. Cases that end in a
softmax record the value before it, which is what the import must return.
"""

import pathlib

import numpy as np
import onnx
import onnxruntime
from onnx import TensorProto, helper, numpy_helper
from onnx.reference import ReferenceEvaluator

HERE = pathlib.Path(__file__).parent
rng = np.random.default_rng(1)
FLOAT = TensorProto.FLOAT


def by_onnxruntime(model, x):
    options = onnxruntime.SessionOptions()
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    session = onnxruntime.InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"])
    return session.run(None, {"x": x})[0]


def by_reference(model, x):
    """By ONNX's own evaluator, for operators that onnxruntime has no kernel for."""
    return ReferenceEvaluator(model).run(None, {"x": x})[0]


def case(name, shape, nodes, constants=(), output="y", opset=13, drop_last=False, judge=by_onnxruntime):
    """Writes the model made of `nodes` from input x to `output`, and its result."""
    def model(nodes, output):
        graph = helper.make_graph(
            nodes,
            name,
            [helper.make_tensor_value_info("x", FLOAT, ["N", *shape])],
            [helper.make_tensor_value_info(output, FLOAT, None)],
            [c if isinstance(c, TensorProto) else numpy_helper.from_array(c[1], c[0]) for c in constants],
        )
        made = helper.make_model(graph, opset_imports=[helper.make_opsetid("", opset)])
        made.ir_version = 10
        return made

    whole = model(nodes, output)
    onnx.save(whole, HERE / f"{name}.onnx")
    judged = model(nodes[:-1], nodes[-1].input[0]) if drop_last else whole
    x = ((np.arange(np.prod(shape)) * 37 + 11) % 64 - 32).astype(np.float32).reshape(1, *shape) / 16
    np.save(HERE / f"{name}.npy", judge(judged, x))


def node(operator, inputs, output, **attributes):
    # Two spaces leave an optional input out.
    return helper.make_node(operator, inputs.split(" ") if inputs else [], [output], **attributes)


def real(name, *shape):
    return name, rng.normal(size=shape).astype(np.float32)


def ints(name, *values):
    return name, np.array(values, np.int64)


def scalar(name, value, kind=np.float32):
    return name, np.array(value, kind)


def convolutions():
    case("conv_bias_stride", (3, 7, 6),
         [node("Conv", "x w b", "y", strides=[2, 1], pads=[1, 0, 2, 1])], [real("w", 4, 3, 3, 2), real("b", 4)])
    case("conv_groups_dilation", (4, 9, 8),
         [node("Conv", "x w", "y", group=2, dilations=[2, 3], pads=[2, 2, 2, 2])], [real("w", 6, 2, 3, 2)])
    case("conv_depthwise", (5, 6, 6),
         [node("Conv", "x w b", "y", group=5, pads=[1, 1, 1, 1], strides=[2, 2])], [real("w", 5, 1, 3, 3), real("b", 5)])
    case("conv_depthwise_multiplier", (3, 5, 5), [node("Conv", "x w", "y", group=3)], [real("w", 6, 1, 3, 3)])
    for padding in ("SAME_UPPER", "SAME_LOWER", "VALID"):
        case(f"conv_auto_pad_{padding.lower()}", (2, 8, 7),
             [node("Conv", "x w", "y", auto_pad=padding, strides=[2, 3])], [real("w", 3, 2, 4, 4)])
    case("conv_weights_from_constant_nodes", (2, 4, 4),
         [node("Constant", "", "w", value_floats=[1.0, -2.0]), node("Reshape", "w s", "w4"), node("Conv", "x w4", "y")],
         [ints("s", 1, 2, 1, -1)])


def batch_normalizations():
    values = [real("g", 4), real("h", 4), real("m", 4), ("v", rng.uniform(0.5, 2, 4).astype(np.float32))]
    case("batch_norm_folded", (3, 5, 5),
         [node("Conv", "x w b", "c"), node("BatchNormalization", "c g h m v", "n", epsilon=1e-3), node("Relu", "n", "y")],
         [real("w", 4, 3, 3, 3), real("b", 4), *values])
    case("batch_norm_depthwise", (4, 5, 5),
         [node("Conv", "x w", "c", group=4), node("BatchNormalization", "c g h m v", "y")],
         [real("w", 4, 1, 3, 3), *values])
    case("batch_norm_alone", (4, 3, 3), [node("BatchNormalization", "x g h m v", "y")], values)
    case("batch_norm_after_relu", (3, 5, 5),
         [node("Conv", "x w", "c"), node("Relu", "c", "r"), node("BatchNormalization", "r g h m v", "y")],
         [real("w", 4, 3, 3, 3), *values])


def clamps_and_additions():
    w = real("w", 3, 3, 1, 1)
    case("relu_of_shared_tensor", (3, 4, 4),
         [node("Conv", "x w", "c"), node("Relu", "c", "r"), node("Add", "c r", "y")], [w])
    case("relu_behind_shared_identity", (3, 4, 4),
         [node("Conv", "x w", "c"), node("Identity", "c", "i"), node("Relu", "i", "r"), node("Add", "c r", "y")], [w])
    case("relu_of_input", (3, 4, 4), [node("Relu", "x", "y")])
    case("clip_inputs", (3, 4, 4),
         [node("Conv", "x w", "c"), node("Clip", "c lo hi", "y")], [w, scalar("lo", -0.25), scalar("hi", 0.5)])
    case("clip_of_clip", (3, 4, 4),
         [node("Conv", "x w", "c"), node("Relu", "c", "r"), node("Clip", "r lo hi", "y")],
         [w, scalar("lo", -0.5), scalar("hi", 0.75)])
    case("clip_attributes", (3, 4, 4),
         [node("Conv", "x w", "c"), node("Clip", "c", "y", min=0.0, max=6.0)], [w], opset=8)
    case("add_relu", (3, 4, 4), [node("Conv", "x w", "c"), node("Add", "c x", "a"), node("Relu", "a", "y")], [w])
    case("add_constant_channels", (3, 4, 4),
         [node("Conv", "x w", "c"), node("Add", "k c", "y")], [w, real("k", 1, 3, 1, 1)])
    case("add_constant_to_input", (3, 4, 4), [node("Add", "x k", "y")], [real("k", 3, 1, 1)])


def pools():
    case("max_pool", (3, 7, 8),
         [node("MaxPool", "x", "y", kernel_shape=[3, 2], strides=[2, 2], pads=[1, 0, 1, 1])])
    case("max_pool_dilated_exact_ceil", (3, 7, 7),
         [node("MaxPool", "x", "y", kernel_shape=[2, 2], dilations=[2, 2], strides=[2, 2], ceil_mode=1)])
    case("average_pool", (3, 7, 8), [node("AveragePool", "x", "y", kernel_shape=[3, 2], strides=[2, 2])])
    case("average_pool_counts_padding", (3, 6, 6),
         [node("AveragePool", "x", "y", kernel_shape=[3, 3], pads=[1, 1, 1, 1], count_include_pad=1)])
    case("global_average_pool", (3, 5, 4), [node("GlobalAveragePool", "x", "y")])
    case("global_max_pool", (3, 5, 4), [node("GlobalMaxPool", "x", "p"), node("Squeeze", "p a", "y")], [ints("a", -1, 2)])
    case("reduce_mean", (3, 5, 4), [node("ReduceMean", "x", "y", axes=[-1, -2], keepdims=0)])
    case("reduce_mean_input_axes", (3, 5, 4), [node("ReduceMean", "x a", "y")], [ints("a", 2, 3)], opset=18)


def dense():
    case("gemm_of_flat_map", (3, 4, 5),
         [node("Flatten", "x", "f"), node("Gemm", "f w b", "y", transB=1)], [real("w", 6, 60), real("b", 6)])
    case("gemm_alpha_beta", (12,),
         [node("Gemm", "x w b", "y", alpha=0.5, beta=-2.0)], [real("w", 12, 5), real("b", 1, 5)])
    case("mat_mul_bias", (3, 2, 2),
         [node("Reshape", "x s", "f"), node("MatMul", "f w", "m"), node("Add", "m b", "a"), node("Relu", "a", "y")],
         [ints("s", 0, -1), real("w", 12, 5), real("b", 5)])
    case("mat_mul_transposed", (12,),
         [node("Transpose", "w", "t"), node("MatMul", "x t", "y")], [real("w", 5, 12)])
    case("softmax_last", (12,), [node("MatMul", "x w", "m"), node("Softmax", "m", "y")], [real("w", 12, 5)],
         drop_last=True)


def views():
    case("channels_last_input", (4, 5, 3),
         [node("Transpose", "x", "t", perm=[0, 3, 1, 2]), node("Conv", "t w", "c"),
          node("Transpose", "c", "l", perm=[0, 2, 3, 1]), node("Flatten", "l", "f"), node("MatMul", "f k", "y")],
         [real("w", 2, 3, 3, 3), real("k", 12, 4)])
    case("transpose_of_vector", (6, 3, 3),
         [node("GlobalAveragePool", "x", "p"), node("Transpose", "p", "t", perm=[0, 2, 3, 1]), node("Reshape", "t s", "y")],
         [ints("s", -1, 6)])
    case("unflattened", (3, 2, 2),
         [node("Flatten", "x", "f"), node("Reshape", "f s", "m"), node("Conv", "m w", "y")],
         [ints("s", -1, 3, 2, 2), real("w", 4, 3, 2, 2)])
    slices = [ints("st", 0, 0), ints("en", 2**31, 99), ints("ax", 2, -1), ints("sp", 2, 3)]
    case("slice_then_pad_channels", (3, 7, 7),
         [node("Slice", "x st en ax sp", "s"), node("Pad", "s p", "y")], [*slices, ints("p", 0, 1, 0, 0, 0, 2, 0, 0)])
    case("slice_then_point_conv", (3, 7, 7),
         [node("Slice", "x st en ax sp", "s"), node("Conv", "s w", "y", strides=[2, 1])], [*slices, real("w", 4, 3, 1, 1)])
    case("slice_then_conv", (3, 9, 9),
         [node("Slice", "x st en ax sp", "s"), node("Conv", "s w", "y")], [*slices, real("w", 4, 3, 3, 3)])
    case("slice_last", (3, 7, 7), [node("Slice", "x st en ax sp", "y")], slices)
    case("slice_then_padded_point_conv", (3, 7, 7),
         [node("Slice", "x st en ax sp", "s"), node("Conv", "s w", "y", pads=[1, 0, 0, 1])],
         [*slices, real("w", 4, 3, 1, 1)])
    case("pad_then_conv", (3, 6, 6),
         [node("Pad", "x p", "s"), node("Conv", "s w b", "y", pads=[1, 0, 0, 1], strides=[2, 2])],
         [ints("p", 0, 0, 0, 1, 0, 0, 1, 0), real("w", 4, 3, 3, 3), real("b", 4)])
    case("slice_pad_then_same_conv", (3, 9, 9),
         [node("Slice", "x st en ax sp", "s"), node("Pad", "s p", "q"),
          node("Conv", "q w", "y", auto_pad="SAME_UPPER", strides=[2, 2])],
         [*slices, ints("p", 0, 0, 1, 0, 0, 0, 0, 1), real("w", 4, 3, 2, 2)])


def quantized_weights():
    w8 = rng.integers(-127, 128, (4, 3, 3, 3)).astype(np.int8)
    scales = rng.uniform(0.001, 0.01, 4).astype(np.float32)
    case("weights_int8_per_channel", (3, 5, 5),
         [node("DequantizeLinear", "q s z", "w", axis=0), node("Conv", "x w", "y")],
         [("q", w8), ("s", scales), ("z", np.zeros(4, np.int8))])
    case("weights_uint8_per_tensor", (12,),
         [node("DequantizeLinear", "q s z", "w"), node("MatMul", "x w", "y")],
         [("q", rng.integers(0, 256, (12, 5)).astype(np.uint8)), scalar("s", 0.01), scalar("z", 128, np.uint8)])
    int4 = helper.make_tensor("q", TensorProto.INT4, [3, 5], list(rng.integers(-8, 8, 15)))
    case("weights_int4_per_column", (3,),
         [node("DequantizeLinear", "q s", "w", axis=-1), node("MatMul", "x w", "y")],
         [int4, ("s", rng.uniform(0.01, 0.1, 5).astype(np.float32))], opset=21)
    case("weights_quantized_in_the_graph", (3, 5, 5),
         [node("QuantizeLinear", "r s z", "q", axis=0), node("DequantizeLinear", "q s z", "w", axis=0),
          node("Conv", "x w", "y")],
         [real("r", 4, 3, 3, 3), ("s", 3 * scales), ("z", np.zeros(4, np.int8))])


def transposed():
    case("conv_transpose", (3, 4, 5),
         [node("ConvTranspose", "x w b", "y", strides=[2, 2], pads=[1, 1, 1, 1])], [real("w", 3, 4, 3, 3), real("b", 4)])
    case("conv_transpose_output_padding", (3, 4, 5),
         [node("ConvTranspose", "x w", "y", strides=[2, 2], pads=[1, 0, 1, 1], output_padding=[1, 1])],
         [real("w", 3, 4, 3, 3)])
    case("conv_transpose_dilated", (2, 4, 4),
         [node("ConvTranspose", "x w", "y", strides=[4, 4], dilations=[2, 3])], [real("w", 2, 3, 2, 2)])
    case("conv_transpose_depthwise", (4, 4, 4),
         [node("ConvTranspose", "x w b", "y", strides=[2, 2], group=4)], [real("w", 4, 1, 2, 3), real("b", 4)])
    w8 = rng.integers(-127, 128, (3, 4, 3, 3)).astype(np.int8)
    case("conv_transpose_int8_per_channel", (3, 5, 5),
         [node("DequantizeLinear", "q s z", "w", axis=1), node("ConvTranspose", "x w", "y", strides=[2, 2])],
         [("q", w8), ("s", rng.uniform(0.001, 0.01, 4).astype(np.float32)), ("z", np.zeros(4, np.int8))])
    case("resize_asymmetric", (3, 4, 5),
         [node("Resize", "x  s", "y", coordinate_transformation_mode="asymmetric", nearest_mode="floor")],
         [("s", np.array([1, 1, 2, 3], np.float32))])
    case("resize_half_pixel_sizes", (3, 4, 5), [node("Resize", "x   n", "y")], [ints("n", 1, 3, 16, 20)])
    case("upsample", (3, 4, 5), [node("Upsample", "x s", "y", mode="nearest")],
         [("s", np.array([1, 1, 2, 2], np.float32))], opset=9)


def functions():
    for operator, opset in (("Sigmoid", 13), ("Tanh", 13), ("HardSwish", 14), ("Gelu", 20)):
        case(operator.lower(), (3, 4, 5), [node(operator, "x", "y")], opset=opset)


def deformable_convolutions():
    """Offsets that leave a 6 × 5 image on all sides; drawn by themselves, so that the other cases stay as they are."""
    global rng
    rng = np.random.default_rng(2)
    offsets = [node("Conv", "x o", "u", pads=[1, 1, 1, 1]), node("Clip", "u lo hi", "d")]
    bounds = [scalar("lo", -4.5), scalar("hi", 4.5)]
    new = {"opset": 19, "judge": by_reference}
    attributes = {"kernel_shape": [3, 3], "pads": [1, 1, 1, 1]}
    case("deform_conv_full", (4, 6, 5), [*offsets, node("DeformConv", "x w d b", "y", group=2, **attributes)],
         [real("o", 18, 4, 3, 3), *bounds, real("w", 6, 2, 3, 3), real("b", 6)], **new)
    masks = [node("Conv", "x k", "v"), node("Clip", "v zero one", "m")]
    masked = helper.make_node("DeformConv", ["x", "w", "d", "", "m"], ["y"], group=4, **attributes)
    case("deform_conv_depthwise_masked", (4, 6, 5), [*offsets, *masks, masked],
         [real("o", 18, 4, 3, 3), *bounds, real("k", 9, 4, 1, 1), scalar("zero", 0), scalar("one", 1),
          real("w", 4, 1, 3, 3)], **new)
    places = np.array([place for y in (-1, 0, 1) for x in (-1, 0, 1) for place in (y, x)], np.float32)
    case("deform_conv_square", (4, 6, 5),
         [*offsets, node("Conv", "d place regular", "e"), node("DeformConv", "x w e", "y", group=4, **attributes)],
         [real("o", 1, 4, 3, 3), scalar("lo", 0), scalar("hi", 3), ("place", places.reshape(18, 1, 1, 1)),
          ("regular", -places), real("w", 4, 1, 3, 3)], **new)


if __name__ == "__main__":
    convolutions()
    batch_normalizations()
    clamps_and_additions()
    pools()
    dense()
    views()
    quantized_weights()
    transposed()
    functions()
    deformable_convolutions()
    print(f"{len(list(HERE.glob('*.onnx')))} cases")
