"""Trains the embedded example network on scikit-learn's digits and writes everything beside this file.

    pip install numpy scikit-learn jax onnx onnxruntime sympy
    python train.py

Data: 1797 greyscale images of 8x8 pixels, integers 0..16 (UCI optical recognition of handwritten digits,
CC BY 4.0, as shipped by scikit-learn). Split: 450 test images, stratified by label; 1347 to train on.
Input of the network: the raw pixels as floats, [N, 1, 8, 8]; scaling by 1/16 is folded into the first
convolution. Everything is seeded; another version of JAX or another processor may round differently and
train slightly different weights.

Files written (.npy, format 1.0, C order, little endian):
    digits.onnx                 float network, batch normalization as separate nodes, opset 13
    digits_qdq_int8.onnx        the same quantized by onnxruntime: weights int8 per channel, activations uint8
    test_images.npy             u8 [450, 8, 8]
    test_labels.npy             u8 [450]
    calibration_images.npy      u8 [128, 8, 8], the first 128 training images
    reference_logits.npy        f32 [16, 10], onnxruntime on digits.onnx, first 16 test images
    reference_logits_qdq.npy    f32 [450, 10], onnxruntime on digits_qdq_int8.onnx, all test images
"""

import pathlib
import tempfile

import jax
import jax.numpy as jnp
import numpy as np
import onnx
import onnxruntime
from onnx import TensorProto, helper, numpy_helper
from onnxruntime.quantization import CalibrationDataReader, QuantFormat, QuantType, quantize_static
from onnxruntime.quantization.shape_inference import quant_pre_process
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split

HERE = pathlib.Path(__file__).parent
SEED = 2
EPOCHS = 120
BATCH = 64
PEAK_RATE = 4e-3
WEIGHT_DECAY = 1e-4
BATCH_NORM_EPSILON = 1e-5

# Convolutions in order: name, output channels, input channels per group, kernel, groups.
CONVOLUTIONS = [
    ("stem", 16, 1, 3, 1),
    ("depthwise1", 16, 1, 3, 16),
    ("pointwise1", 16, 16, 1, 1),
    ("conv2", 32, 16, 3, 1),
    ("depthwise2", 32, 1, 3, 32),
    ("pointwise2", 32, 32, 1, 1),
]


def initial_parameters(key):
    """He-initialised weights, and batch-normalization scale, shift and running statistics."""
    trained, running = {}, {}
    for name, out, per_group, kernel, _ in CONVOLUTIONS:
        key, use = jax.random.split(key)
        deviation = (2 / (per_group * kernel * kernel)) ** 0.5
        trained[name] = {
            "weight": deviation * jax.random.normal(use, (out, per_group, kernel, kernel)),
            "scale": jnp.ones(out),
            "shift": jnp.zeros(out),
        }
        running[name] = {"mean": jnp.zeros(out), "variance": jnp.ones(out)}
    key, use = jax.random.split(key)
    trained["classifier"] = {"weight": 0.2 * jax.random.normal(use, (10, 32)), "bias": jnp.zeros(10)}
    return trained, running


def convolve(x, weight, groups):
    """Stride-1 convolution, NCHW, zero padding that keeps the size."""
    return jax.lax.conv_general_dilated(
        x, weight, (1, 1), "SAME", dimension_numbers=("NCHW", "OIHW", "NCHW"), feature_group_count=groups
    )


def forward(trained, running, pixels, training):
    """Logits of `pixels` in 0..16, and the updated running statistics."""
    groups = {name: g for name, _, _, _, g in CONVOLUTIONS}
    updated = {}

    def normalised(name, x):
        x = convolve(x, trained[name]["weight"], groups[name])
        mean, variance = running[name]["mean"], running[name]["variance"]
        if training:
            batch_mean, batch_variance = x.mean((0, 2, 3)), x.var((0, 2, 3))
            updated[name] = {
                "mean": 0.9 * mean + 0.1 * batch_mean,
                "variance": 0.9 * variance + 0.1 * batch_variance,
            }
            mean, variance = batch_mean, batch_variance
        factor = trained[name]["scale"] / jnp.sqrt(variance + BATCH_NORM_EPSILON)
        return x * factor[:, None, None] + (trained[name]["shift"] - mean * factor)[:, None, None]

    def residual(index, x):
        y = jax.nn.relu(normalised(f"depthwise{index}", x))
        return jax.nn.relu(normalised(f"pointwise{index}", y) + x)

    x = jax.nn.relu(normalised("stem", pixels / 16))
    x = residual(1, x)
    x = x.reshape(x.shape[0], 16, 4, 2, 4, 2).max((3, 5))
    x = jax.nn.relu(normalised("conv2", x))
    x = residual(2, x).mean((2, 3))
    return x @ trained["classifier"]["weight"].T + trained["classifier"]["bias"], updated


def augmented(images, rng):
    """The images shifted by up to one pixel, with a little noise and contrast."""
    padded = np.pad(images, ((0, 0), (0, 0), (1, 1), (1, 1)))
    rows, columns = rng.integers(0, 3, (2, len(images)))
    moved = np.stack([p[:, r : r + 8, c : c + 8] for p, r, c in zip(padded, rows, columns)])
    contrast = rng.uniform(0.85, 1.15, (len(images), 1, 1, 1))
    return np.clip(moved * contrast + rng.normal(0, 0.5, moved.shape), 0, 16).astype(np.float32)


def train(images, labels):
    """Adam with decoupled weight decay and a one-cycle cosine rate, on the cross-entropy."""
    trained, running = initial_parameters(jax.random.key(SEED))
    rng = np.random.default_rng(SEED)
    first = jax.tree.map(jnp.zeros_like, trained)
    second = jax.tree.map(jnp.zeros_like, trained)
    steps_total = EPOCHS * (len(images) // BATCH)

    def loss(trained, running, x, y):
        logits, updated = forward(trained, running, x, training=True)
        target = 0.9 * jax.nn.one_hot(y, 10) + 0.01
        return -(target * jax.nn.log_softmax(logits)).sum(-1).mean(), updated

    @jax.jit
    def step(trained, running, first, second, index, x, y):
        gradient, running = jax.grad(loss, has_aux=True)(trained, running, x, y)
        first = jax.tree.map(lambda m, g: 0.9 * m + 0.1 * g, first, gradient)
        second = jax.tree.map(lambda v, g: 0.999 * v + 0.001 * g * g, second, gradient)
        rate = PEAK_RATE * 0.5 * (1 + jnp.cos(jnp.pi * index / steps_total))
        bias1, bias2 = 1 - 0.9 ** (index + 1), 1 - 0.999 ** (index + 1)

        def moved(w, m, v):
            return w - rate * (m / bias1 / (jnp.sqrt(v / bias2) + 1e-8) + WEIGHT_DECAY * w)

        return jax.tree.map(moved, trained, first, second), running, first, second

    index = 0
    for _ in range(EPOCHS):
        order = rng.permutation(len(images))
        for batch in order[: len(order) // BATCH * BATCH].reshape(-1, BATCH):
            x, y = augmented(images[batch], rng), labels[batch]
            trained, running, first, second = step(trained, running, first, second, index, x, y)
            index += 1
    return jax.tree.map(np.asarray, trained), jax.tree.map(np.asarray, running)


def to_onnx(trained, running):
    """The float network as ONNX, with the scaling by 1/16 inside the first convolution."""
    nodes, constants = [], []

    def constant(name, values):
        constants.append(numpy_helper.from_array(np.asarray(values, np.float32), name))
        return name

    def add(operator, inputs, name, **attributes):
        nodes.append(helper.make_node(operator, inputs, [f"{name}_out"], name=name, **attributes))
        return f"{name}_out"

    def normalised(name, x):
        _, _, _, kernel, groups = next(c for c in CONVOLUTIONS if c[0] == name)
        weight = trained[name]["weight"] / (16 if name == "stem" else 1)
        pads = [kernel // 2] * 4
        shape = [kernel, kernel]
        weight = constant(f"{name}_weight", weight)
        x = add("Conv", [x, weight], name, kernel_shape=shape, pads=pads, group=groups)
        values = [
            constant(f"{name}_bn_{key}", source[name][key])
            for source, key in [(trained, "scale"), (trained, "shift"), (running, "mean"), (running, "variance")]
        ]
        return add("BatchNormalization", [x, *values], f"{name}_bn", epsilon=BATCH_NORM_EPSILON)

    def residual(index, x):
        y = add("Relu", [normalised(f"depthwise{index}", x)], f"depthwise{index}_relu")
        y = add("Add", [normalised(f"pointwise{index}", y), x], f"residual{index}")
        return add("Relu", [y], f"residual{index}_relu")

    x = add("Relu", [normalised("stem", "pixels")], "stem_relu")
    x = residual(1, x)
    x = add("MaxPool", [x], "pool", kernel_shape=[2, 2], strides=[2, 2])
    x = add("Relu", [normalised("conv2", x)], "conv2_relu")
    x = add("GlobalAveragePool", [residual(2, x)], "average")
    x = add("Flatten", [x], "flatten")
    weight = constant("classifier_weight", trained["classifier"]["weight"])
    bias = constant("classifier_bias", trained["classifier"]["bias"])
    nodes.append(helper.make_node("Gemm", [x, weight, bias], ["logits"], name="classifier", transB=1))
    graph = helper.make_graph(
        nodes,
        "digits",
        [helper.make_tensor_value_info("pixels", TensorProto.FLOAT, ["N", 1, 8, 8])],
        [helper.make_tensor_value_info("logits", TensorProto.FLOAT, ["N", 10])],
        constants,
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)], producer_name="train.py")
    model.ir_version = 8
    onnx.checker.check_model(model, full_check=True)
    return model


class Calibration(CalibrationDataReader):
    """Feeds the calibration images to onnxruntime one by one."""

    def __init__(self, images):
        self.batches = iter([{"pixels": image[None]} for image in images])

    def get_next(self):
        return next(self.batches, None)


def quantized(path, calibration):
    """onnxruntime's static QDQ quantization of the network at `path`."""
    with tempfile.TemporaryDirectory() as folder:
        prepared, result = pathlib.Path(folder, "prepared.onnx"), pathlib.Path(folder, "qdq.onnx")
        quant_pre_process(path, prepared)
        quantize_static(
            prepared,
            result,
            Calibration(calibration),
            quant_format=QuantFormat.QDQ,
            per_channel=True,
            activation_type=QuantType.QUInt8,
            weight_type=QuantType.QInt8,
        )
        return onnx.load(result)


def logits(path, images):
    """What onnxruntime computes for `images` without graph optimizations."""
    options = onnxruntime.SessionOptions()
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    session = onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])
    return session.run(None, {"pixels": images})[0]


def main():
    digits = load_digits()
    pixels = digits.images.astype(np.float32)[:, None]
    train_x, test_x, train_y, test_y = train_test_split(
        pixels, digits.target, test_size=450, stratify=digits.target, random_state=0
    )
    trained, running = train(train_x, train_y)
    onnx.save(to_onnx(trained, running), HERE / "digits.onnx")
    calibration = train_x[:128]
    onnx.save(quantized(HERE / "digits.onnx", calibration), HERE / "digits_qdq_int8.onnx")

    float_logits = logits(HERE / "digits.onnx", test_x)
    qdq_logits = logits(HERE / "digits_qdq_int8.onnx", test_x)
    arrays = {
        "test_images": test_x[:, 0].astype(np.uint8),
        "test_labels": test_y.astype(np.uint8),
        "calibration_images": calibration[:, 0].astype(np.uint8),
        "reference_logits": float_logits[:16],
        "reference_logits_qdq": qdq_logits,
    }
    for name, values in arrays.items():
        np.save(HERE / f"{name}.npy", values)
    for name, found in [("float", float_logits), ("QDQ int8", qdq_logits)]:
        right = int((found.argmax(1) == test_y).sum())
        print(f"{name}: {right} of {len(test_y)} right, {100 * right / len(test_y):.2f} %")


if __name__ == "__main__":
    main()
