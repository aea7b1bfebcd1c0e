"""Builds a CoDeNet-style network over crops of scikit-image's sample pictures, and its data.

    pip install numpy onnx scikit-image
    python make.py

Two blocks of a 1x1 convolution, a depthwise deformable 3x3 convolution whose distance of taps is a bounded value a pixel
(offsets "square" and within [0, 7], CoDeNet's cheapest), and a 1x1 convolution. Convolutions are drawn with a fixed seed
and normalized on the crops, as batch normalization would; the classifier is fitted to them by ridge regression. It tells
from which picture a crop comes: left halves are for training, right halves for the test.

Writes deformable.onnx (operator set 19), calibration_images.npy and test_images.npy (u8, [crops, 32, 32, 3]),
test_labels.npy, and reference_logits.npy: what ONNX's reference evaluator makes of every fifth test crop.
"""

import pathlib

import numpy as np
import onnx
import skimage.data
from onnx import TensorProto, helper, numpy_helper
from onnx.reference import ReferenceEvaluator

HERE = pathlib.Path(__file__).parent
PICTURES = ["astronaut", "chelsea", "coffee", "hubble_deep_field", "retina"]
SIZE, STEM, HIDDEN = 32, 16, 32
BOUND = 7.0
TAPS = [(y, x) for y in (-1, 0, 1) for x in (-1, 0, 1)]
rng = np.random.default_rng(6)


def crops(picture, count, half):
    """Crops of 64 x 64 pixels from one half of a picture, at half their size."""
    whole = getattr(skimage.data, picture)()[..., :3]
    middle = whole.shape[1] // 2
    part = whole[:, :middle] if half == 0 else whole[:, middle:]
    made = []
    for _ in range(count):
        row, column = (rng.integers(0, size - 2 * SIZE + 1) for size in part.shape[:2])
        crop = part[row:, column:][: 2 * SIZE, : 2 * SIZE].astype(np.float32)
        made.append(crop.reshape(SIZE, 2, SIZE, 2, 3).mean(axis=(1, 3)).round().astype(np.uint8))
    return made


def gather(maps, rows, columns):
    """maps[n, rows, columns], zero outside; rows and columns are [n, height, width]."""
    count, height, width, _ = maps.shape
    inside = (rows >= 0) & (rows < height) & (columns >= 0) & (columns < width)
    picked = maps[np.arange(count)[:, None, None], rows.clip(0, height - 1), columns.clip(0, width - 1)]
    return picked * inside[..., None]


def samples(maps, distance):
    """What the nine taps read, `distance` pixels from each other: [n, height, width, channels, taps]."""
    _, height, width, _ = maps.shape
    read = []
    for y, x in TAPS:
        rows = np.arange(height)[:, None] + y * distance
        columns = np.arange(width)[None, :] + x * distance
        top, left = np.floor(rows).astype(int), np.floor(columns).astype(int)
        down, right = (rows - top)[..., None], (columns - left)[..., None]
        upper = gather(maps, top, left) * (1 - right) + gather(maps, top, left + 1) * right
        lower = gather(maps, top + 1, left) * (1 - right) + gather(maps, top + 1, left + 1) * right
        read.append(upper * (1 - down) + lower * down)
    return np.stack(read, axis=-1)


class Network:
    """Layers as they are added: the ONNX graph, and what they make of the training crops."""

    def __init__(self, crops):
        self.nodes, self.constants, self.maps, self.name = [], [], crops, "x"

    def constant(self, name, values):
        self.constants.append(numpy_helper.from_array(np.asarray(values, np.float32), name))
        return name

    def add(self, operator, inputs, output, **attributes):
        self.nodes.append(helper.make_node(operator, inputs, [output], name=output, **attributes))
        self.name = output

    def normalized(self, weights, sums):
        """Weights and a bias that bring each output channel of `sums` to mean 0 and deviation 1."""
        mean, deviation = sums.mean(axis=(0, 1, 2)), sums.std(axis=(0, 1, 2)) + 1e-3
        shape = (-1,) + (1,) * (weights.ndim - 1)
        return weights / deviation.reshape(shape), -mean / deviation, (sums - mean) / deviation

    def stem(self, channels):
        """A 3 x 3 convolution at stride 2 and a ReLU."""
        weights = rng.normal(size=(channels, 3, 3, 3))
        padded = np.pad(self.maps, ((0, 0), (1, 1), (1, 1), (0, 0)))
        windows = np.lib.stride_tricks.sliding_window_view(padded, (3, 3), axis=(1, 2))[:, ::2, ::2]
        weights, bias, sums = self.normalized(weights, np.einsum("nhwcyx,ocyx->nhwo", windows, weights))
        inputs = [self.name, self.constant("stem_w", weights), self.constant("stem_b", bias)]
        self.add("Conv", inputs, "stem_sum", pads=[1, 1, 1, 1], strides=[2, 2])
        self.relu("stem", sums)

    def relu(self, name, sums):
        self.add("Relu", [self.name], name)
        self.maps = np.maximum(sums, 0)

    def point(self, name, channels):
        """A 1 x 1 convolution and a ReLU."""
        inputs = self.maps.shape[-1]
        weights = rng.normal(size=(channels, inputs, 1, 1))
        weights, bias, sums = self.normalized(weights, self.maps @ weights[:, :, 0, 0].T)
        self.add(
            "Conv", [self.name, self.constant(f"{name}_w", weights), self.constant(f"{name}_b", bias)], f"{name}_sum"
        )
        self.relu(name, sums)

    def deformable(self, name):
        """A distance of taps for each pixel, within [0, BOUND], and a depthwise 3 x 3 convolution with it; a ReLU."""
        image, channels = self.name, self.maps.shape[-1]
        weights = rng.normal(size=(1, channels, 1, 1))
        weights, bias, sums = self.normalized(weights, self.maps @ weights[:, :, 0, 0].T)
        weights, bias = 2 * weights, 2 * bias + 2
        distance = np.clip(2 * sums + 2, 0, BOUND)[..., 0]
        self.add(
            "Conv", [image, self.constant(f"{name}_dw", weights), self.constant(f"{name}_db", bias)], f"{name}_distance"
        )
        bounds = [self.constant(f"{name}_low", 0.0), self.constant(f"{name}_high", BOUND)]
        self.add("Clip", [self.name, *bounds], f"{name}_bounded")
        places = np.array([place for tap in TAPS for place in tap], np.float32)
        square = [self.constant(f"{name}_place", places.reshape(18, 1, 1, 1)), self.constant(f"{name}_regular", -places)]
        self.add("Conv", [self.name, *square], f"{name}_offsets")
        weights = rng.normal(size=(channels, 1, 3, 3))
        read = samples(self.maps, distance)
        weights, bias, sums = self.normalized(weights, np.einsum("nhwct,ct->nhwc", read, weights.reshape(channels, 9)))
        inputs = [image, self.constant(f"{name}_w", weights), self.name, self.constant(f"{name}_b", bias)]
        self.add("DeformConv", inputs, f"{name}_sum", kernel_shape=[3, 3], pads=[1, 1, 1, 1], group=channels)
        self.relu(name, sums)

    def classifier(self, labels):
        """The mean over all pixels, and ridge regression to 1 for the right picture and 0 for the others."""
        features = self.maps.mean(axis=(1, 2))
        centre, wanted = features.mean(axis=0), np.eye(len(PICTURES))[labels]
        centred = features - centre
        gram = centred.T @ centred + 0.02 * len(labels) * np.eye(centred.shape[1]) * centred.var()
        weights = np.linalg.solve(gram, centred.T @ (wanted - wanted.mean(axis=0)))
        self.add("GlobalAveragePool", [self.name], "pool")
        self.add("Flatten", ["pool"], "features")
        bias = self.constant("classifier_b", wanted.mean(axis=0) - centre @ weights)
        self.add("Gemm", ["features", self.constant("classifier_w", weights), bias], "y")

    def model(self):
        graph = helper.make_graph(
            self.nodes,
            "codenet_style",
            [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["N", 3, SIZE, SIZE])],
            [helper.make_tensor_value_info("y", TensorProto.FLOAT, ["N", len(PICTURES)])],
            self.constants,
        )
        made = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 19)])
        made.ir_version = 10
        return made


def main():
    drawn = {half: [crops(picture, count, half) for picture in PICTURES] for half, count in ((0, 60), (1, 5))}
    train, test = (np.array([crop for of_picture in drawn[half] for crop in of_picture]) for half in (0, 1))
    labels = np.repeat(np.arange(len(PICTURES)), 60)
    network = Network(train.astype(np.float32))
    network.stem(STEM)
    for block in ("first", "second"):
        network.point(f"{block}_expand", HIDDEN)
        network.deformable(f"{block}_deformable")
        network.point(f"{block}_project", HIDDEN)
    network.classifier(labels)
    model = network.model()
    onnx.save(model, HERE / "deformable.onnx")

    # The evaluator goes over DeformConv's channels in Python: a crop takes a minute.
    x = np.moveaxis(test[::5].astype(np.float32), -1, 1)
    evaluator = ReferenceEvaluator(model)
    logits = np.concatenate([evaluator.run(None, {"x": crop[None]})[0] for crop in x])
    np.save(HERE / "calibration_images.npy", train[::30])
    np.save(HERE / "test_images.npy", test)
    np.save(HERE / "test_labels.npy", np.repeat(np.arange(len(PICTURES)), 5).astype(np.uint8))
    np.save(HERE / "reference_logits.npy", logits.astype(np.float32))
    print(f"{len(test)} test crops; the first of each picture is taken for {logits.argmax(axis=1)}")


if __name__ == "__main__":
    main()
