"""A radiance field of plane and line factors: trained on rays, and written as a scene for `bitmill render`.

The arithmetic is that of the renderer in real numbers: samples stand at whole multiples of the step from the camera,
nodes at whole coordinates, and only occupied voxels count. Needs numpy and jax.
"""

import jax
import jax.numpy as jnp
import numpy as np

jax.config.update("jax_enable_x64", True)  # Only the running optical depth is summed in double precision.

MODES = ((0, 1, 2), (0, 2, 1), (1, 2, 0))  # axes of the plane (rows, columns), axis of the line
FREQUENCIES = 2  # sines and cosines of the view direction, besides the direction itself
BACKGROUND = 1.0


class Cube:
    """Where a field stands: lowest corner, length of a side, voxels a side, and the step in voxels."""

    def __init__(self, lowest, length, side, step=1.0):
        self.lowest, self.length, self.side, self.step = np.array(lowest, np.float64), length, side, step
        self.voxel = length / side

    def rays(self, origins, directions):
        """Origins and increments in voxels, and unit directions."""
        unit = directions / np.linalg.norm(directions, axis=-1, keepdims=True)
        return (origins - self.lowest) / self.voxel, unit * self.step, unit


def pack(origins, increments, occupancy, most):
    """The numbers of the samples of each ray that lie in occupied voxels, at most `most`: a list a ray."""
    side = occupancy.shape[0]
    lists = []
    for start in range(0, len(origins), 4096):
        o, d = origins[start:start + 4096], increments[start:start + 4096]
        step = np.linalg.norm(d[0])
        middle = ((side / 2 - o) * d).sum(1) / step**2
        reach = int(np.ceil(side * np.sqrt(3) / 2 / step)) + 1
        k = np.round(middle).astype(np.int64)[:, None] + np.arange(-reach, reach)[None]
        cell = np.floor(o[:, None] + k[..., None] * d[:, None]).astype(np.int64)
        inside = ((cell >= 0) & (cell < side)).all(-1) & (k >= 0)
        cell = np.clip(cell, 0, side - 1)
        inside &= occupancy[cell[..., 0], cell[..., 1], cell[..., 2]]
        lists += [numbers[mask][:most].astype(np.int16) for numbers, mask in zip(k, inside)]
    return lists


def initial(side, density, appearance, features, hidden, seed):
    """Random parameters: `density` and `appearance` components a mode, `features` behind the basis."""
    rng = np.random.default_rng(seed)
    noise = lambda *shape: rng.normal(size=shape).astype(np.float32)
    directions = 3 * (1 + 2 * FREQUENCIES)
    sizes = [features + directions, hidden, hidden, 3]
    parameters = {
        "density_planes": 0.55 + 0.1 * noise(3, side, side, density),
        "density_lines": 0.55 + 0.1 * noise(3, side, density),
        "appearance_planes": 0.2 * noise(3, side, side, appearance),
        "appearance_lines": 1.0 + 0.2 * noise(3, side, appearance),
        "basis": noise(features, 3 * appearance) / np.sqrt(appearance),
    }
    for layer, (inputs, outputs) in enumerate(zip(sizes, sizes[1:])):
        parameters[f"mlp_{layer}_weight"] = noise(outputs, inputs) * np.sqrt(2 / inputs)
        parameters[f"mlp_{layer}_bias"] = np.zeros(outputs, np.float32)
    return {name: jnp.array(value, jnp.float32) for name, value in parameters.items()}


def products(planes, lines, position):
    """Plane times line of each mode and component at positions in voxels; mode by mode."""
    side, components = planes.shape[1], planes.shape[-1]
    near = jnp.floor(position).astype(jnp.int32)
    share = (position - near).astype(jnp.float32)
    near = jnp.clip(near, 0, side - 1)
    far = jnp.minimum(near + 1, side - 1)
    out = []
    for mode, (row, column, along) in enumerate(MODES):
        plane, line = planes[mode].reshape(-1, components), lines[mode]
        r, c, a = (share[:, axis, None] for axis in (row, column, along))
        at = lambda i, j: plane[i[:, row] * side + j[:, column]]
        low = at(near, near) * (1 - c) + at(near, far) * c
        high = at(far, near) * (1 - c) + at(far, far) * c
        on_line = line[near[:, along]] * (1 - a) + line[far[:, along]] * a
        out.append((low * (1 - r) + high * r) * on_line)
    return jnp.concatenate(out, -1)


def encode(direction):
    """The view direction, then sines and cosines of it by frequency."""
    parts = [direction]
    for power in range(FREQUENCIES):
        parts += [jnp.sin(direction * 2.0**power), jnp.cos(direction * 2.0**power)]
    return jnp.concatenate(parts, -1)


def thickness(parameters, position, step):
    """Optical depth of a sample: alpha is 1 − exp(−depth)."""
    feature = products(parameters["density_planes"], parameters["density_lines"], position).sum(-1)
    return jax.nn.softplus(feature - SHIFT) * step


SHIFT = 10.0  # a feature of zero, which is what an absent factor gives, is all but transparent


def colours(parameters, position, direction):
    """Red, green and blue of samples."""
    features = products(parameters["appearance_planes"], parameters["appearance_lines"], position)
    x = jnp.concatenate([features @ parameters["basis"].T, encode(direction)], -1)
    layers = sum(name.endswith("_bias") for name in parameters)
    for layer in range(layers):
        x = x @ parameters[f"mlp_{layer}_weight"].T + parameters[f"mlp_{layer}_bias"]
        x = jax.nn.relu(x) if layer < layers - 1 else jax.nn.sigmoid(x)
    return x


def render(parameters, batch, step, rays):
    """Colours of `rays` rays from their packed samples, and the samples' weights."""
    origin, increment, direction, ray, number, is_real = batch
    position = origin[ray] + number[:, None] * increment[ray]
    depth = jnp.where(is_real, thickness(parameters, position, step), 0.0).astype(jnp.float64)
    until = jnp.cumsum(depth)
    first = jnp.searchsorted(ray, jnp.arange(rays))
    before = (until - depth)[jnp.minimum(first, len(ray) - 1)][ray]
    weight = (jnp.exp(-(until - depth - before)) * -jnp.expm1(-depth)).astype(jnp.float32)
    colour = colours(parameters, position, direction[ray])
    total = jax.ops.segment_sum(weight[:, None] * colour, ray, rays)
    return total + BACKGROUND * (1 - jax.ops.segment_sum(weight, ray, rays))[:, None], weight


def batch_of(origins, increments, units, lists, chosen, rays, samples):
    """Rays `chosen`, as many as `rays` and `samples` have room for, in arrays of these lengths."""
    counts = np.array([len(lists[i]) for i in chosen])
    kept = min(rays, int(np.searchsorted(np.cumsum(counts), samples, side="right")))
    chosen, counts = chosen[:kept], counts[:kept]
    number = np.concatenate([lists[i] for i in chosen]) if kept else np.zeros(0)
    ray = np.repeat(np.arange(kept), counts)
    room = samples - len(number)
    pad = lambda array: np.concatenate([array[chosen], np.zeros((rays - kept, 3))]).astype(np.float32)
    arrays = (pad(origins), pad(increments), pad(units), np.pad(ray, (0, room), constant_values=rays - 1),
              np.pad(number, (0, room)).astype(np.float32), np.arange(samples) < len(number))
    return arrays, chosen


def train(parameters, rays, lists, steps, step, seed, rate=0.02, size=(2048, 32768), report=print):
    """Adam on the squared error of rays; `rays` are origins, increments, unit directions and colours."""
    origins, increments, units, targets = rays

    def loss(parameters, batch, target, is_kept):
        image, _ = render(parameters, batch, step, size[0])
        error = jnp.where(is_kept[:, None], (image - target) ** 2, 0.0).sum() / (3 * is_kept.sum())
        sparse = sum(jnp.abs(parameters[name]).mean() for name in ("density_planes", "appearance_planes"))
        return error + 2e-4 * sparse, error

    @jax.jit
    def update(parameters, first, second, i, batch, target, is_kept):
        (_, error), gradient = jax.value_and_grad(loss, has_aux=True)(parameters, batch, target, is_kept)
        decay = 0.03 ** (i / steps)
        new, new_first, new_second = {}, {}, {}
        for name, value in parameters.items():
            m = 0.9 * first[name] + 0.1 * gradient[name]
            v = 0.99 * second[name] + 0.01 * gradient[name] ** 2
            own = rate if name.endswith(("planes", "lines")) else rate / 10
            change = m / (1 - 0.9 ** (i + 1)) / (jnp.sqrt(v / (1 - 0.99 ** (i + 1))) + 1e-10)
            new[name], new_first[name], new_second[name] = (value - own * decay * change).astype(value.dtype), m, v
        return new, new_first, new_second, error

    zeros = {name: jnp.zeros_like(value) for name, value in parameters.items()}
    first, second, rng, errors = zeros, zeros, np.random.default_rng(seed), []
    usable = np.flatnonzero([len(numbers) > 0 for numbers in lists])
    for i in range(steps):
        chosen = usable[rng.integers(0, len(usable), size[0])]
        batch, chosen = batch_of(origins, increments, units, lists, chosen, *size)
        target = np.zeros((size[0], 3), np.float32)
        target[:len(chosen)] = targets[chosen]
        parameters, first, second, error = update(
            parameters, first, second, jnp.float32(i), batch, target, np.arange(size[0]) < len(chosen))
        errors.append(float(error))
        if i % 100 == 99:
            report(f"step {i + 1}: {-10 * np.log10(np.mean(errors[-100:])):.2f} dB on the rays it sees")
    return parameters


def image_of(parameters, rays, lists, step, size=(2048, 65536)):
    """Colours of all rays."""
    origins, increments, units = rays
    draw = jax.jit(lambda p, batch: render(p, batch, step, size[0])[0])
    image, start = np.full((len(origins), 3), BACKGROUND), 0
    while start < len(origins):
        batch, chosen = batch_of(origins, increments, units, lists, np.arange(start, min(len(origins), start + size[0])), *size)
        image[chosen] = np.array(draw(parameters, batch))[:len(chosen)]
        start += len(chosen)
    return image


def seen(parameters, rays, lists, cube, least=1e-3, size=(2048, 65536)):
    """The voxels in which some sample of the rays weighs at least `least`: the occupancy worth keeping."""
    origins, increments, units = rays
    weigh = jax.jit(lambda p, batch: render(p, batch, cube.step, size[0])[1])
    occupancy, start = np.zeros((cube.side,) * 3, bool), 0
    while start < len(origins):
        batch, chosen = batch_of(origins, increments, units, lists, np.arange(start, min(len(origins), start + size[0])), *size)
        heavy = (np.array(weigh(parameters, batch)) >= least) & batch[5]
        position = batch[0][batch[3]] + batch[4][:, None] * batch[1][batch[3]]
        cell = np.floor(position[heavy]).astype(int).clip(0, cube.side - 1)
        occupancy[cell[:, 0], cell[:, 1], cell[:, 2]] = True
        start += len(chosen)
    return occupancy


def touched(occupancy):
    """Nodes of the planes and of the lines that some sample of an occupied voxel reads, mode by mode."""
    nodes = occupancy.copy()
    for axis in range(3):
        shifted = np.roll(nodes, 1, axis)
        shifted[tuple(slice(0, 1) if a == axis else slice(None) for a in range(3))] = False
        nodes |= shifted
    planes = np.stack([nodes.any(axis=along) for _, _, along in MODES])
    lines = np.stack([nodes.any(axis=(row, column)) for row, column, _ in MODES])
    return planes, lines


def dilated(occupancy):
    """The voxels and their 26 neighbours."""
    padded = np.pad(occupancy, 1)
    side, places = occupancy.shape[0], np.ndindex(3, 3, 3)
    return np.any([padded[a:a + side, b:b + side, c:c + side] for a, b, c in places], axis=0)


def save(path, parameters, occupancy, cube, places=16):
    """Writes a scene, factors with `places` bits behind the point. Those that nothing reads are zero; each component is
    shared evenly by plane and line."""
    arrays = {name: np.array(value, np.float32) for name, value in parameters.items()}
    plane_nodes, line_nodes = touched(occupancy)
    for kind in ("density", "appearance"):
        planes, lines = arrays[f"{kind}_planes"], arrays[f"{kind}_lines"]
        planes *= plane_nodes[..., None]
        lines *= line_nodes[..., None]
        largest = lambda array, axes: np.abs(array).max(axis=axes, keepdims=True) + 1e-12
        ratio = np.sqrt(largest(lines, (1,)) / largest(planes, (1, 2))[:, 0])
        planes *= ratio[:, None]
        lines /= ratio
        arrays[f"{kind}_planes"], arrays[f"{kind}_lines"] = (np.round(a * 2.0**places) / 2.0**places for a in (planes, lines))
    layers = sum(name.endswith("_bias") for name in arrays)
    np.savez_compressed(
        path,
        version=np.array([1], np.int32),
        occupancy=np.packbits(occupancy.reshape(-1), bitorder="little"),
        cube=np.array([*cube.lowest, cube.length], np.float32),
        # Step in voxels, and what is subtracted from a density before the softplus.
        sampling=np.array([cube.step, SHIFT], np.float32),
        background=np.full(3, BACKGROUND, np.float32),
        direction_frequencies=np.array([FREQUENCIES], np.int32),
        mlp_layers=np.array([layers], np.int32),
        **{name: array.astype(np.float32) for name, array in arrays.items()},
    )


def psnr(a, b):
    """Peak signal-to-noise ratio in decibels of images from 0 to 1."""
    return -10 * np.log10(np.mean((np.asarray(a) - b) ** 2))
