"""Makes the scene `shapes.npz`: a ball with a highlight, a box of two colours and a ring, as a small radiance field.

    python3 -m venv venv && venv/bin/pip install numpy jax
    venv/bin/python examples/radiance_field/shapes.py examples/radiance_field/shapes.npz

The shapes are formulas of our own; the field is trained on their exact images from all around. The same machine and
versions give the same file.
"""

import sys

import numpy as np

import field

CUBE = field.Cube([-1.0, -1.0, -1.0], 2.0, 32, 0.5)
LIGHT = np.array([0.48, 0.6, 0.64])


def shapes(point, direction):
    """Whether points lie in a shape, and the colours that they show towards where a ray of `direction` comes from."""
    x, y, z = point[..., 0], point[..., 1], point[..., 2]
    offset = point - np.array([-0.25, -0.1, 0.05])
    ball = (offset**2).sum(-1) < 0.42**2
    box = (np.abs(point - np.array([0.42, 0.3, -0.2])) < np.array([0.28, 0.28, 0.42])).all(-1)
    ring = (np.hypot(x, y) - 0.72) ** 2 + (z + 0.68) ** 2 < 0.13**2
    normal = offset / np.maximum(np.linalg.norm(offset, axis=-1, keepdims=True), 1e-9)
    mirrored = direction - 2 * (direction * normal).sum(-1, keepdims=True) * normal
    shine = np.clip((mirrored * LIGHT).sum(-1), 0, 1)[..., None] ** 6
    lit = 0.45 + 0.55 * np.clip((normal * LIGHT).sum(-1), 0, 1)[..., None]
    colour = np.where(ring[..., None], [0.15, 0.55, 0.45], np.zeros(3))
    striped = np.where((np.floor(z * 5) % 2 == 0)[..., None], [0.95, 0.75, 0.2], [0.2, 0.3, 0.65])
    colour = np.where(box[..., None], striped, colour)
    colour = np.where(ball[..., None], lit * [0.85, 0.2, 0.15] + shine * 0.6, colour)
    return ball | box | ring, colour.clip(0, 1)


def image(origins, units, parts=400):
    """Exact colours: what the first shape along each ray shows, before white."""
    centre = -(origins * units).sum(-1)
    colours = np.ones((len(origins), 3))
    is_open = np.ones(len(origins), bool)
    for distance in np.linspace(-1.75, 1.75, parts):
        point = origins + (centre + distance)[:, None] * units
        is_inside, colour = shapes(point, units)
        is_first = is_open & is_inside
        colours[is_first] = colour[is_first]
        is_open &= ~is_inside
    return colours


def occupied():
    """Voxels near a shape."""
    fine = (np.arange(CUBE.side * 4) + 0.5) / 4
    grid = np.stack(np.meshgrid(fine, fine, fine, indexing="ij"), -1) * CUBE.voxel + CUBE.lowest
    inside, _ = shapes(grid, np.array([0.0, 0.0, -1.0]))
    coarse = inside.reshape(CUBE.side, 4, CUBE.side, 4, CUBE.side, 4).any((1, 3, 5))
    return field.dilated(coarse)


def main(path):
    rng = np.random.default_rng(1)
    origins = rng.normal(size=(120_000, 3))
    origins *= 4 / np.linalg.norm(origins, axis=1, keepdims=True)
    units = rng.uniform(-1, 1, size=origins.shape) * 0.9 - origins
    units /= np.linalg.norm(units, axis=1, keepdims=True)
    targets = image(origins, units).astype(np.float32)
    rays = CUBE.rays(origins, units)
    occupancy = occupied()
    lists = field.pack(rays[0], rays[1], occupancy, 64)
    parameters = field.initial(CUBE.side, 4, 4, 8, 16, seed=2)
    parameters = field.train(parameters, (*rays, targets), lists, 1500, CUBE.step, seed=3, size=(1024, 16384))
    seen = field.seen(parameters, rays, lists, CUBE)
    print(f"kept {seen.mean():.1%} of the voxels, of {occupancy.mean():.1%}")
    field.save(path, parameters, seen, CUBE, places=10)


if __name__ == "__main__":
    main(*sys.argv[1:])
