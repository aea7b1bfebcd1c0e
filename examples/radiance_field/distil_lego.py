"""Distils a trained NeRF of the lego scene into a field of plane and line factors.

    python3 -m venv venv && venv/bin/pip install numpy jax
    venv/bin/python examples/radiance_field/distil_lego.py lego_lowres_weights.npz lego.npz

The weights are those of nerf-pytorch's low-resolution lego (MIT licence): a coarse and a fine network of four layers of
128, rendered as there, with 64 + 64 samples a ray. The field learns from rays of 100 random views, none of them that of
the reference render (azimuth 45, elevation 30, distance 4). Its occupancy is where the fine network is dense, and then
where something is seen. Takes about half an hour on two cores; a third argument keeps the teacher's views in a file.
"""

import os
import sys

import jax
import jax.numpy as jnp
import numpy as np

import field

CUBE = field.Cube([-1.2, -1.2, -0.92], 2.4, 128)
NEAR, FAR, COARSE, FINE = 2.0, 6.0, 64, 64
VIEWS, PIXELS, ANGLE = 100, 100, 0.6911112070083618
DENSE = 2.0  # of the fine network's density, per unit of length


def encode(x, frequencies):
    parts = [x]
    for power in range(frequencies):
        parts += [jnp.sin(x * 2.0**power), jnp.cos(x * 2.0**power)]
    return jnp.concatenate(parts, -1)


def nerf(weights, prefix, x, direction):
    """Colours and densities of one of the two networks."""
    layer = lambda name, x: x @ weights[f"{prefix}.{name}.weight"].T + weights[f"{prefix}.{name}.bias"]
    relu = jax.nn.relu
    h = layer("layer1", encode(x, 10))
    for index in range(3):
        h = relu(layer(f"layers_xyz.{index}", h))
    density = relu(layer("fc_alpha", h)[..., 0])
    h = relu(layer("layers_dir.0", jnp.concatenate([relu(layer("fc_feat", h)), encode(direction, 4)], -1)))
    return jax.nn.sigmoid(layer("fc_rgb", h)), density


def composite(colour, density, t, length):
    """Colours of rays before white, and the samples' weights; the last sample reaches to infinity."""
    step = jnp.concatenate([jnp.diff(t), jnp.full_like(t[:, :1], 1e10)], 1) * length[:, None]
    alpha = 1 - jnp.exp(-density * step)
    clear = jnp.cumprod(jnp.concatenate([jnp.ones_like(alpha[:, :1]), 1 - alpha + 1e-10], 1), 1)[:, :-1]
    weight = alpha * clear
    return (weight[..., None] * colour).sum(1) + (1 - weight.sum(1))[:, None], weight


def finer(t, weight):
    """Distances that follow the weights, by the inverse of their distribution."""
    middle, weight = (t[:, 1:] + t[:, :-1]) / 2, weight[:, 1:-1] + 1e-5
    share = jnp.cumsum(weight / weight.sum(1, keepdims=True), 1)
    share = jnp.concatenate([jnp.zeros_like(share[:, :1]), share], 1)
    return jax.vmap(lambda s, m: jnp.interp(jnp.linspace(0, 1, FINE), s, m))(share, middle)


def teacher(weights):
    """The NeRF's renderer: origins and directions to colours."""

    @jax.jit
    def draw(origins, directions):
        length = jnp.linalg.norm(directions, axis=-1)
        unit = directions / length[:, None]

        def pass_of(prefix, t):
            x = origins[:, None] + directions[:, None] * t[..., None]
            colour, density = nerf(weights, prefix, x, jnp.broadcast_to(unit[:, None], x.shape))
            return composite(colour, density, t, length)

        t = jnp.broadcast_to(jnp.linspace(NEAR, FAR, COARSE), (len(origins), COARSE))
        _, weight = pass_of("coarse", t)
        return pass_of("fine", jnp.sort(jnp.concatenate([t, finer(t, weight)], 1), 1))[0]

    return draw


def view(azimuth, elevation, distance=4.0):
    """Origins and directions of a view's pixels, in NeRF's convention."""
    a, e = np.radians(azimuth), np.radians(elevation)
    outward = np.array([np.sin(a) * np.cos(e), np.cos(a) * np.cos(e), np.sin(e)])
    right = np.array([-np.cos(a), np.sin(a), 0.0])
    down = np.cross(-outward, right)
    focal = 0.5 * PIXELS / np.tan(0.5 * ANGLE)
    x, y = np.meshgrid(np.arange(PIXELS) - PIXELS / 2, np.arange(PIXELS) - PIXELS / 2)
    directions = (x[..., None] * right + y[..., None] * down) / focal - outward
    return np.broadcast_to(distance * outward, directions.shape).reshape(-1, 3), directions.reshape(-1, 3)


def chunked(function, arrays, size=2000):
    """`function` over equal parts of `arrays`."""
    count = len(arrays[0])
    padded = [np.resize(array, (-(-count // size) * size, 3)).astype(np.float32) for array in arrays]
    parts = [function(*(array[i:i + size] for array in padded)) for i in range(0, len(padded[0]), size)]
    return np.concatenate([np.array(part) for part in parts])[:count]


def densities(weights):
    """The fine network's density in the middle of every voxel."""
    places = (np.arange(CUBE.side) + 0.5) * CUBE.voxel
    grid = np.stack(np.meshgrid(places, places, places, indexing="ij"), -1).reshape(-1, 3) + CUBE.lowest
    density = jax.jit(lambda x: nerf(weights, "fine", x, jnp.zeros_like(x))[1])
    return chunked(density, [grid], CUBE.side**2).reshape((CUBE.side,) * 3)


def views(weights, occupancy):
    """Origins, directions and colours of the rays of all views that meet an occupied voxel."""
    draw, rng, kept = teacher(weights), np.random.default_rng(7), []
    for index in range(VIEWS):
        azimuth = -180 + 360 * (index * 0.6180339887 % 1)
        elevation = 30 + (rng.normal() * 8 if index % 2 else rng.uniform(-25, 28))
        origins, directions = view(azimuth, elevation)
        rays = CUBE.rays(origins, directions)
        meets = np.array([len(numbers) > 0 for numbers in field.pack(rays[0], rays[1], occupancy, 1)])
        origins, directions = origins[meets], directions[meets]
        kept.append((origins, directions, chunked(draw, [origins, directions])))
        print(f"view {index + 1} of {VIEWS}: {meets.sum()} rays", flush=True)
    return [np.concatenate(arrays) for arrays in zip(*kept)]


def main(teacher_path, scene_path, views_path=None):
    weights = {name: jnp.array(array) for name, array in np.load(teacher_path).items()}
    occupancy = field.dilated(densities(weights) > DENSE)
    if views_path and os.path.exists(views_path):
        archive = np.load(views_path)
        origins, directions, colours = (archive[name] for name in "odc")
    else:
        origins, directions, colours = views(weights, occupancy)
        if views_path:
            np.savez(views_path, o=origins, d=directions, c=colours)
    rays = CUBE.rays(origins.astype(np.float64), directions.astype(np.float64))
    lists = field.pack(rays[0], rays[1], occupancy, 96)
    parameters = field.initial(CUBE.side, 8, 12, 16, 32, seed=1)
    targets = colours.astype(np.float32)
    parameters = field.train(parameters, (*rays, targets), lists, 4000, CUBE.step, seed=2, size=(1024, 16384))
    seen = field.seen(parameters, rays, lists, CUBE, least=0.01)
    print(f"kept {seen.mean():.2%} of the voxels, of {occupancy.mean():.2%}")
    lists = field.pack(rays[0], rays[1], seen, 96)
    parameters = field.train(parameters, (*rays, targets), lists, 600, CUBE.step, seed=4, rate=0.003, size=(1024, 16384))
    field.save(scene_path, parameters, seen, CUBE)


if __name__ == "__main__":
    main(*sys.argv[1:])
