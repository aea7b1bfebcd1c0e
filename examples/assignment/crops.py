"""Inputs for networks of CIFAR-10's shape, where the data set itself is not at hand: crops of two photographs.

    pip install numpy pillow scikit-learn
    python crops.py

The photographs are those that scikit-learn ships (china.jpg and flower.jpg, CC BY 2.0). Squares of 64 to 200 pixels, at places
that a seed fixes, are averaged down to 32x32 and normalised as CIFAR-10 is for the networks of chenyaofo/pytorch-cifar-models.
Calibration crops come from the left halves, test crops from the right halves. There are no labels: what a quantized network
answers is compared with what the float network does.

Files written (.npy, f32, [inputs, height, width, channels]): calibration.npy, 64 crops; test.npy, 500 crops.
"""

import numpy as np
from PIL import Image
from sklearn.datasets import load_sample_images

SEED = 1
MEAN = np.array([0.4914, 0.4822, 0.4465], np.float32)
DEVIATION = np.array([0.2023, 0.1994, 0.2010], np.float32)


def crops(images, half, count, random):
    made = []
    for _ in range(count):
        image = images[random.integers(len(images))]
        middle = image.shape[1] // 2
        image = image[:, :middle] if half == 0 else image[:, middle:]
        size = random.integers(64, 201)
        top, left = (random.integers(extent - size + 1) for extent in image.shape[:2])
        crop = Image.fromarray(image[top : top + size, left : left + size])
        small = np.asarray(crop.resize((32, 32), Image.Resampling.BOX), np.float32) / 255
        made.append((small - MEAN) / DEVIATION)
    return np.stack(made)


def main():
    images = load_sample_images().images
    random = np.random.default_rng(SEED)
    np.save("calibration.npy", crops(images, 0, 64, random))
    np.save("test.npy", crops(images, 1, 500, random))


main()
