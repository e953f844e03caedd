"""Right answers to the tasks on smoothness, consistency, warping, SSIM and the cables of a rig."""

from __future__ import annotations

import numpy as np

from right_answers import answers


@answers("edge-aware")
def smoothness_by_slices(disparity, image):
    across = np.abs(disparity[:, 1:] - disparity[:, :-1])
    down = np.abs(disparity[1:] - disparity[:-1])
    edge_across = np.abs(image[:, 1:] - image[:, :-1]).sum(-1) / image.shape[-1]
    edge_down = np.abs(image[1:] - image[:-1]).sum(-1) / image.shape[-1]
    return (across / np.exp(edge_across)).mean() + (down / np.exp(edge_down)).mean()


@answers("edge-aware")
def smoothness_by_loops(disparity, image):
    height, width = disparity.shape
    sums, counts = [0.0, 0.0], [0, 0]
    for v in range(height):
        for u in range(width):
            for k, (i, j) in enumerate(((v, u + 1), (v + 1, u))):
                if i < height and j < width:
                    edge = np.mean(np.abs(image[v, u] - image[i, j]))
                    sums[k] += abs(disparity[v, u] - disparity[i, j]) * np.exp(-edge)
                    counts[k] += 1
    return sums[0] / counts[0] + sums[1] / counts[1]


@answers("consistency")
def consistency_by_mirror(left, right):
    def term(own, other):
        width = own.shape[1]
        x = np.arange(width) - own
        inside = (x >= 0) & (x <= width - 1)
        j = np.clip(np.floor(x), 0, width - 2).astype(int)
        below = np.take_along_axis(other, j, axis=1)
        above = np.take_along_axis(other, j + 1, axis=1)
        gap = np.abs(own - below - (x - j) * (above - below))
        return gap[inside].mean() if inside.any() else 0.0

    return term(left, right) + term(right[:, ::-1], left[:, ::-1])


@answers("consistency")
def consistency_by_pixels(left, right):
    width, total = left.shape[1], 0.0
    for own, other, sign in ((left, right, -1), (right, left, 1)):
        gaps = []
        for v, row in enumerate(own):
            for u, d in enumerate(row):
                x = u + sign * d
                if 0 <= x <= width - 1:
                    gaps.append(abs(d - np.interp(x, range(width), other[v])))
        total += sum(gaps) / max(len(gaps), 1)
    return total


@answers("warp-left")
def warp_by_interpolation(right, disparity):
    height, width = disparity.shape
    places = np.arange(width)
    image = np.zeros(right.shape)
    for v in range(height):
        for c in range(right.shape[2]):
            image[v, :, c] = np.interp(
                places - disparity[v], places, right[v, :, c], left=0, right=0
            )
    x = places - disparity
    return image, np.logical_and(x >= 0, x <= width - 1)


@answers("warp-left")
def warp_by_hats(right, disparity):
    width = disparity.shape[1]
    x = np.arange(width) - disparity
    weights = np.maximum(0, 1 - np.abs(x[..., None] - np.arange(width)))  # (H, W, W)
    valid = ~((x < 0) | (x > width - 1))
    return np.einsum("vuj,vjc->vuc", weights, right) * valid[..., None], valid


@answers("ssim-map")
def ssim_from_shifted_images(a, b):
    height, width = a.shape
    places = [(i, j) for i in range(3) for j in range(3)]
    p, q = (np.array([x[i : i + height - 2, j : j + width - 2] for i, j in places]) for x in (a, b))
    m, n = p.mean(0), q.mean(0)
    p, q = p - m, q - n
    structure = (2 * (p * q).mean(0) + 0.0009) / (p.var(0) + q.var(0) + 0.0009)
    return structure * (2 * m * n + 0.0001) / (m * m + n * n + 0.0001)


@answers("ssim-map")
def ssim_by_windows(a, b):
    result = np.zeros((a.shape[0] - 2, a.shape[1] - 2))
    for i, j in np.ndindex(*result.shape):
        p, q = a[i : i + 3, j : j + 3], b[i : i + 3, j : j + 3]
        m, n = p.mean(), q.mean()
        together = np.mean((p - m) * (q - n))
        top = (2 * m * n + 1e-4) * (2 * together + 9e-4)
        result[i, j] = top / ((m**2 + n**2 + 1e-4) * (p.var() + q.var() + 9e-4))
    return result


def _read(image, x):
    places = np.arange(image.shape[1])
    rows = [
        [np.interp(x[v], places, image[v, :, c]) for c in range(image.shape[2])]
        for v in range(len(image))
    ]
    return np.moveaxis(np.array(rows), 1, 2)


@answers("judge-rig", _read)
def rig_by_interpolation(first, second, disparity):
    u = np.arange(disparity.shape[1]) + 0 * disparity
    counts = (u >= disparity) & (u + disparity <= disparity.shape[1] - 1)
    guesses = {"ok": u - disparity, "swapped": u + disparity, "one camera": u}
    errors = {name: np.abs(first - _read(second, x))[counts].mean() for name, x in guesses.items()}
    return list(errors.values()), min(errors, key=errors.get)


@answers("judge-rig")
def rig_by_pixels(first, second, disparity):
    height, width, channels = first.shape
    sums, count = np.zeros(3), 0
    for v in range(height):
        for u in range(width):
            d = disparity[v, u]
            if u - d < 0 or u + d > width - 1:
                continue
            count += channels
            for k, x in enumerate((u - d, u + d, u)):
                for c in range(channels):
                    value = np.interp(x, range(width), second[v, :, c])
                    sums[k] += abs(first[v, u, c] - value)
    errors = sums / count
    return errors, ["ok", "swapped", "one camera"][errors.argmin()]
