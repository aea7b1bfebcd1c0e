"""Trains a small network of plain convolutions on cluttered digits and writes everything beside this file.

    pip install numpy scikit-learn jax onnx onnxruntime
    python train.py

Task: after the cluttered translated MNIST of Mnih et al. ("Recurrent Models of Visual Attention", 2014), made of
scikit-learn's digits (UCI optical recognition of handwritten digits, CC BY 4.0). A digit of 8x8 pixels lies anywhere on
12x12, with three patches of 4x4 of other digits and noise around it; the label is the whole digit's. It is harder than
the digits alone, so that a format of weights and activations shows in the right answers.

Split: 450 digits, stratified by label, are for tests alone and placed twice; 1347 to train on, placed anew in every
epoch. Everything is seeded; another version of JAX or another processor may round differently.

Files written (.npy, format 1.0, C order):
    cluttered_digits.onnx      float network, opset 13; input [N, 1, 12, 12], raw pixels 0..16
    test_images.npy            u8 [900, 12, 12]
    test_labels.npy            u8 [900]
    calibration_images.npy     u8 [128, 12, 12], of digits to train on
"""

import pathlib

import jax
import jax.numpy as jnp
import numpy as np
import onnx
import onnxruntime
from onnx import TensorProto, helper, numpy_helper
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split

HERE = pathlib.Path(__file__).parent
SEED = 1
EPOCHS = 400
BATCH = 64
PEAK_RATE = 4e-3
WEIGHT_DECAY = 1e-4
SIDE = 12
PATCHES = 3
NOISE = 1.0

# Convolutions in order: name, output channels, input channels, stride.
CONVOLUTIONS = [("conv1", 8, 1, 1), ("conv2", 16, 8, 2), ("conv3", 32, 16, 2)]
FEATURES = 32 * 3 * 3


def placed(digits, rng):
    """Each of the `digits` somewhere on a larger image, patches of others around it, and noise: whole pixels, 0..16."""
    images = np.zeros((len(digits), SIDE, SIDE))
    for image, digit in zip(images, digits):
        for _ in range(PATCHES):
            other = digits[rng.integers(len(digits))]
            (row, column), (top, left) = rng.integers(0, 5, 2), rng.integers(0, SIDE - 3, 2)
            image[top : top + 4, left : left + 4] = other[row : row + 4, column : column + 4]
        top, left = rng.integers(0, SIDE - 7, 2)
        spot = image[top : top + 8, left : left + 8]
        spot[:] = np.maximum(digit, 0.3 * spot)
    return np.clip(np.rint(images + rng.normal(0, NOISE, images.shape)), 0, 16).astype(np.float32)


def initial(key):
    """He-initialised weights, and biases of 0."""
    shapes = [(name, (out, inputs, 3, 3)) for name, out, inputs, _ in CONVOLUTIONS]
    parameters = {}
    for name, shape in [*shapes, ("classifier", (10, FEATURES))]:
        key, use = jax.random.split(key)
        deviation = (2 / np.prod(shape[1:])) ** 0.5
        parameters[name] = {"weight": deviation * jax.random.normal(use, shape), "bias": jnp.zeros(shape[0])}
    return parameters


def forward(parameters, pixels):
    """Logits of `pixels` in 0..16, [N, 1, 12, 12]."""
    x = pixels / 16
    for name, _, _, stride in CONVOLUTIONS:
        layer = parameters[name]
        x = jax.lax.conv_general_dilated(
            x, layer["weight"], (stride, stride), ((1, 1), (1, 1)), dimension_numbers=("NCHW", "OIHW", "NCHW")
        )
        x = jax.nn.relu(x + layer["bias"][:, None, None])
    return x.reshape(len(x), -1) @ parameters["classifier"]["weight"].T + parameters["classifier"]["bias"]


def train(digits, labels):
    """Adam with decoupled weight decay and a cosine rate, on the cross-entropy."""
    parameters = initial(jax.random.key(SEED))
    rng = np.random.default_rng(SEED)
    first = second = jax.tree.map(jnp.zeros_like, parameters)
    steps_total = EPOCHS * (len(digits) // BATCH)

    def loss(parameters, x, y):
        target = 0.9 * jax.nn.one_hot(y, 10) + 0.01
        return -(target * jax.nn.log_softmax(forward(parameters, x))).sum(-1).mean()

    @jax.jit
    def step(parameters, first, second, index, x, y):
        gradient = jax.grad(loss)(parameters, x, y)
        first = jax.tree.map(lambda m, g: 0.9 * m + 0.1 * g, first, gradient)
        second = jax.tree.map(lambda v, g: 0.999 * v + 0.001 * g * g, second, gradient)
        rate = PEAK_RATE * 0.5 * (1 + jnp.cos(jnp.pi * index / steps_total))
        bias1, bias2 = 1 - 0.9 ** (index + 1), 1 - 0.999 ** (index + 1)

        def moved(w, m, v):
            return w - rate * (m / bias1 / (jnp.sqrt(v / bias2) + 1e-8) + WEIGHT_DECAY * w)

        return jax.tree.map(moved, parameters, first, second), first, second

    index = 0
    for _ in range(EPOCHS):
        images = placed(digits, rng)[:, None]
        order = rng.permutation(len(digits))
        for batch in order[: len(order) // BATCH * BATCH].reshape(-1, BATCH):
            parameters, first, second = step(parameters, first, second, index, images[batch], labels[batch])
            index += 1
    return jax.tree.map(np.asarray, parameters)


def to_onnx(parameters):
    """The float network as ONNX, with the scaling by 1/16 inside the first convolution."""
    nodes, constants = [], []

    def constant(name, values):
        constants.append(numpy_helper.from_array(np.asarray(values, np.float32), name))
        return name

    x = "pixels"
    for name, _, _, stride in CONVOLUTIONS:
        weight = parameters[name]["weight"] / (16 if name == "conv1" else 1)
        inputs = [x, constant(f"{name}_weight", weight), constant(f"{name}_bias", parameters[name]["bias"])]
        attributes = {"kernel_shape": [3, 3], "pads": [1] * 4, "strides": [stride] * 2}
        nodes.append(helper.make_node("Conv", inputs, [f"{name}_out"], name=name, **attributes))
        x = f"{name}_relu"
        nodes.append(helper.make_node("Relu", [f"{name}_out"], [x], name=x))
    nodes.append(helper.make_node("Flatten", [x], ["features"], name="flatten"))
    weight = constant("classifier_weight", parameters["classifier"]["weight"])
    inputs = ["features", weight, constant("classifier_bias", parameters["classifier"]["bias"])]
    nodes.append(helper.make_node("Gemm", inputs, ["logits"], name="classifier", transB=1))
    graph = helper.make_graph(
        nodes,
        "cluttered_digits",
        [helper.make_tensor_value_info("pixels", TensorProto.FLOAT, ["N", 1, SIDE, SIDE])],
        [helper.make_tensor_value_info("logits", TensorProto.FLOAT, ["N", 10])],
        constants,
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)], producer_name="train.py")
    model.ir_version = 8
    onnx.checker.check_model(model, full_check=True)
    return model


def main():
    digits = load_digits()
    train_x, test_x, train_y, test_y = train_test_split(
        digits.images, digits.target, test_size=450, stratify=digits.target, random_state=0
    )
    model = to_onnx(train(train_x, train_y))
    onnx.save(model, HERE / "cluttered_digits.onnx")
    rng = np.random.default_rng(SEED + 1)
    tests, answers = placed(np.concatenate([test_x, test_x]), rng), np.concatenate([test_y, test_y])
    arrays = {
        "test_images": tests.astype(np.uint8),
        "test_labels": answers.astype(np.uint8),
        "calibration_images": placed(train_x[:128], rng).astype(np.uint8),
    }
    for name, values in arrays.items():
        np.save(HERE / f"{name}.npy", values)
    session = onnxruntime.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    found = session.run(None, {"pixels": tests[:, None]})[0]
    right = int((found.argmax(1) == answers).sum())
    print(f"float: {right} of {len(answers)} right, {100 * right / len(answers):.2f} %")


if __name__ == "__main__":
    main()
