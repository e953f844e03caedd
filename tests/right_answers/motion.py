"""Right answers to the tasks on windows, smooth flow, correlation and the choice of a pose."""

from __future__ import annotations

import numpy as np

from right_answers import answers


@answers("judge-window")
def window_by_the_formula(Ix, Iy, threshold):
    half = ((Ix * Ix).sum() + (Iy * Iy).sum()) / 2
    gap = np.hypot(((Ix * Ix).sum() - (Iy * Iy).sum()) / 2, (Ix * Iy).sum())
    values = half + gap, half - gap
    return [*values, ("flat", "edge", "corner")[sum(v >= threshold for v in values)]]


@answers("judge-window")
def window_by_singular_values(Ix, Iy, threshold):
    rows = np.stack([np.ravel(Ix), np.ravel(Iy)])
    larger, smaller = np.linalg.svd(rows @ rows.T, compute_uv=False)
    word = "corner"
    if smaller < threshold:
        word = "edge"
    if larger < threshold:
        word = "flat"
    return larger, smaller, word


@answers("lucas-kanade")
def window_by_cramer(Ix, Iy, It, row, column, radius, least):
    rows, columns = np.ogrid[: Ix.shape[0], : Ix.shape[1]]
    inside = (abs(rows - row) <= radius) & (abs(columns - column) <= radius)
    a, b, c = (np.sum((p * q)[inside]) for p, q in ((Ix, Ix), (Ix, Iy), (Iy, Iy)))
    u, v = (-np.sum((p * It)[inside]) for p in (Ix, Iy))
    if (a + c) / 2 - np.hypot((a - c) / 2, b) < least:
        return np.array([np.nan, np.nan])
    return np.array([c * u - b * v, a * v - b * u]) / (a * c - b * b)


@answers("lucas-kanade")
def window_by_least_squares(Ix, Iy, It, row, column, radius, least):
    g, t = [], []
    for i in range(row - radius, row + radius + 1):
        for j in range(column - radius, column + radius + 1):
            if 0 <= i < len(Ix) and 0 <= j < len(Ix[0]):
                g.append((Ix[i, j], Iy[i, j]))
                t.append(-It[i, j])
    small = np.linalg.eigvalsh(np.transpose(g) @ np.array(g))[0]
    return np.linalg.lstsq(g, t, rcond=None)[0] if small >= least else np.array([np.nan] * 2)


@answers("horn-schunck-step")
def step_by_loops(Ix, Iy, It, flow, alpha):
    new = np.empty_like(flow)
    H, W = It.shape
    for i in range(H):
        for j in range(W):
            near = [(i + y, j + x) for y, x in ((1, 0), (-1, 0), (0, 1), (0, -1))]
            near = [flow[p] for p in near if 0 <= p[0] < H and 0 <= p[1] < W]
            u, v = np.mean(near, axis=0)
            gx, gy = Ix[i, j], Iy[i, j]
            part = (gx * u + gy * v + It[i, j]) / (alpha * len(near) + gx**2 + gy**2)
            new[i, j] = u - gx * part, v - gy * part
    return new


@answers("horn-schunck-step")
def step_by_systems_of_two(Ix, Iy, It, flow, alpha):
    total, k = np.zeros_like(flow), np.zeros(It.shape)
    for here, there in ((slice(1, None), slice(None, -1)), (slice(None, -1), slice(1, None))):
        total[here] += flow[there]
        total[:, here] += flow[:, there]
        k[here] += 1
        k[:, here] += 1
    g = np.stack([Ix, Iy], axis=-1)
    A = g[..., :, None] * g[..., None, :] + (alpha * k)[..., None, None] * np.eye(2)
    return np.linalg.solve(A, (alpha * total - g * It[..., None])[..., None])[..., 0]


@answers("compare-and-decide")
def volume_by_einsum(a, b, reach):
    H, W = a.shape[1:]
    side = 2 * reach + 1
    padded = np.pad(b, ((0, 0), (reach, reach), (reach, reach)))
    windows = np.lib.stride_tricks.sliding_window_view(padded, (side, side), axis=(1, 2))
    volume = np.einsum("chw,chwij->ijhw", a, windows) / len(a)
    left = np.array([n - abs(np.arange(-reach, reach + 1)) for n in (H, W)])
    means = volume.sum((2, 3)) / (left[0][:, None] * left[1])
    y, x = np.unravel_index(means.argmax(), means.shape)
    return volume.reshape(-1, H, W), y - reach, x - reach


@answers("compare-and-decide")
def volume_by_overlaps(a, b, reach):
    H, W = a.shape[1:]
    volume, best = [], (-np.inf, 0, 0)
    for y in range(-reach, reach + 1):
        for x in range(-reach, reach + 1):
            rows, columns = slice(max(-y, 0), H - max(y, 0)), slice(max(-x, 0), W - max(x, 0))
            moved_rows = slice(max(y, 0), H + min(y, 0))
            moved = b[:, moved_rows, max(x, 0) : W + min(x, 0)]
            channel = np.zeros((H, W))
            channel[rows, columns] = np.mean(a[:, rows, columns] * moved, axis=0)
            volume.append(channel)
            best = max(best, (channel[rows, columns].mean(), y, x))
    return [np.array(volume), best[1], best[2]]


def _four(E):
    U, _, Vt = np.linalg.svd(E)
    U, Vt = U * np.sign(np.linalg.det(U)), Vt * np.sign(np.linalg.det(Vt))
    W = np.array([[0.0, -1, 0], [1, 0, 0], [0, 0, 1]])
    return [(U @ turn @ Vt, sign * U[:, 2]) for turn in (W, W.T) for sign in (1, -1)]


@answers("choose-pose", _four)
def pose_by_cross_products(E, a, b):
    p, q = (np.pad(points, ((0, 0), (0, 1)), constant_values=1.0) for points in (a, b))

    def in_front(pose):
        R, t = pose
        r = p @ R.T
        n = np.cross(r, q)
        squares = (n * n).sum(1)
        z_a = (np.cross(q, t) * n).sum(1) / squares
        z_b = (np.cross(r, t) * n).sum(1) / squares
        return ((z_a > 0) & (z_b > 0)).sum()

    return max(_four(E), key=in_front)


@answers("choose-pose", _four)
def pose_by_linear_triangulation(E, a, b):
    counts = []
    for R, t in _four(E):
        P, seen = np.column_stack([R, t]), 0
        for (x, y), (u, v) in zip(a, b, strict=True):
            rows = [[-1, 0, x, 0], [0, -1, y, 0], u * P[2] - P[0], v * P[2] - P[1]]
            X = np.linalg.svd(np.array(rows))[2][3]
            X = X[:3] / X[3]
            seen += X[2] > 0 and (R @ X + t)[2] > 0
        counts.append(seen)
    return list(_four(E)[int(np.argmax(counts))])
