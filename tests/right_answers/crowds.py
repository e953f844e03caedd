"""Right answers to the tasks on straight lines, errors, pooling, log-Cholesky, gaze."""

from __future__ import annotations

import math

import numpy as np

from right_answers import answers


@answers("constant-velocity")
def straight_person_by_person(observed, steps, span=1):
    scenes, people = observed.shape[:2]
    result = np.zeros((scenes, people, steps, 2))
    for n in range(scenes):
        for p in range(people):
            here, before = observed[n, p, -1], observed[n, p, -1 - span]
            for k in range(steps):
                result[n, p, k] = here + (k + 1) * (here - before) / span
    return result


@answers("constant-velocity")
def straight_by_cumulative_sums(observed, steps, span=1):
    velocity = np.diff(observed, axis=2)[:, :, -span:].mean(axis=2, keepdims=True)
    return observed[:, :, -1:] + np.cumsum(np.repeat(velocity, steps, axis=2), axis=2)


@answers("displacement-errors")
def errors_person_by_person(forecast, truth, present, near=0.3):
    distances, final, hits = [], [], []
    for n, p in zip(*np.nonzero(present), strict=True):
        for t in range(truth.shape[2]):
            distances.append(math.dist(forecast[n, p, t], truth[n, p, t]))
            hit = False
            for q in range(forecast.shape[1]):
                if q != p and present[n, q]:
                    hit = hit or math.dist(forecast[n, p, t], forecast[n, q, t]) < near
            hits.append(hit)
        final.append(distances[-1])
    return sum(distances) / len(distances), sum(final) / len(final), sum(hits) / len(hits)


@answers("displacement-errors")
def errors_by_weights(forecast, truth, present, near=0.3):
    steps, people = truth.shape[2], truth.shape[1]
    away = np.sqrt(((forecast - truth) ** 2).sum(-1))
    count = present.sum()
    ade = (away * present[..., None]).sum() / (count * steps)
    fde = np.average(away[..., -1], weights=present.astype(float))
    moved = np.where(present[..., None, None], forecast, np.nan)
    hits = np.zeros((*present.shape, steps), bool)
    for shift in range(1, people):
        other = np.roll(moved, shift, axis=1)
        gap = np.hypot(moved[..., 0] - other[..., 0], moved[..., 1] - other[..., 1])
        hits |= gap < near
    return ade, fde, hits.sum() / (count * steps)


@answers("social-pool")
def pooled_by_masks(positions, hidden, cells, side):
    people = len(positions)
    shift = (positions[None] - positions[:, None]) / (side / cells) + cells / 2
    cell = np.floor(shift)
    far = (cell < 0) | (cell >= cells)
    skip = far.any(-1) | np.eye(people, dtype=bool)
    numbers = np.arange(cells)
    first, second = cell[..., 0, None] == numbers, cell[..., 1, None] == numbers
    place = first[..., :, None] & second[..., None, :] & ~skip[..., None, None]
    return np.einsum("pqij,qk->pijk", place.astype(float), hidden)


@answers("social-pool")
def pooled_by_edges(positions, hidden, cells, side):
    width = side / cells
    pooled = np.zeros((len(positions), cells, cells, hidden.shape[1]))
    for me, here in enumerate(positions.tolist()):
        for other, there in enumerate(positions.tolist()):
            if me == other:
                continue
            i = math.floor((there[0] - here[0] + side / 2) / width)
            j = math.floor((there[1] - here[1] + side / 2) / width)
            if i in range(cells) and j in range(cells):
                pooled[me, i, j] = pooled[me, i, j] + hidden[other]
    return pooled


@answers("log-cholesky")
def gaussian_row_by_row(raw, target):
    n = len(raw)
    covariances, gradient, total = np.zeros((n, 2, 2)), np.zeros((n, 5)), 0.0
    for row in range(n):
        mx, my, a, b, c = raw[row].tolist()
        covariances[row] = [
            [math.exp(2 * a), b * math.exp(a)],
            [b * math.exp(a), b * b + math.exp(2 * c)],
        ]
        first = (target[row, 0] - mx) / math.exp(a)
        second = (target[row, 1] - my - b * first) / math.exp(c)
        total += math.log(2 * math.pi) + a + c + 0.5 * first**2 + 0.5 * second**2
        pull = second / math.exp(c)
        gradient[row, 1] = -pull
        gradient[row, 0] = -(first - b * pull) / math.exp(a)
        gradient[row, 2] = 1 - first**2 + b * pull * first
        gradient[row, 3] = -first * pull
        gradient[row, 4] = 1 - second**2
    return covariances, total / n, gradient / n


@answers("log-cholesky")
def gaussian_by_solving(raw, target):
    n = len(raw)
    lower = np.zeros((n, 2, 2))
    lower[:, [0, 1], [0, 1]] = np.exp(raw[:, [2, 4]])
    lower[:, 1, 0] = raw[:, 3]
    z = np.linalg.solve(lower, (target - raw[:, :2])[..., None])
    back = np.linalg.solve(lower.swapaxes(1, 2), z)  # L^-T z
    loss = np.log(2 * np.pi) + raw[:, 2] + raw[:, 4] + 0.5 * (z**2).sum((1, 2))
    by_lower = -back @ z.swapaxes(1, 2)  # (N, 2, 2)
    gradient = np.zeros((n, 5))
    gradient[:, :2] = -back[..., 0]
    gradient[:, 2] = 1 + by_lower[:, 0, 0] * lower[:, 0, 0]
    gradient[:, 3] = by_lower[:, 1, 0]
    gradient[:, 4] = 1 + by_lower[:, 1, 1] * lower[:, 1, 1]
    return np.einsum("nij,nkj->nik", lower, lower), np.mean(loss), gradient / n


@answers("choose-gaze")
def gaze_scene_by_scene(observed, yaw, future, weights):
    def error(n, weight):
        total, count = 0.0, 0
        for p in range(observed.shape[1]):
            here = observed[n, p, -1]
            ux, uy = (here - observed[n, p, -2]).tolist()
            speed = math.hypot(ux, uy)
            vx = (1 - weight) * ux + weight * speed * math.cos(yaw[n, p])
            vy = (1 - weight) * uy + weight * speed * math.sin(yaw[n, p])
            for k, truth in enumerate(future[n, p], start=1):
                total += math.hypot(here[0] + k * vx - truth[0], here[1] + k * vy - truth[1])
                count += 1
        return total / count

    scenes = range(len(observed))
    best, chosen = None, 0
    for weight in weights:
        gains = [error(n, 0) - error(n, weight) for n in scenes]
        mean = sum(gains) / len(gains)
        if best is None or mean > best:
            best = mean
            spread = sum((g - mean) ** 2 for g in gains) / (len(gains) - 1)
            chosen = weight if mean > 2 * math.sqrt(spread / len(gains)) else 0
    return chosen


@answers("choose-gaze")
def gaze_by_complex_numbers(observed, yaw, future, weights):
    z = observed[..., 0] + 1j * observed[..., 1]
    truth = future[..., 0] + 1j * future[..., 1]
    u = z[..., -1] - z[..., -2]
    k = np.arange(truth.shape[-1]) + 1
    every = np.array([0.0, *weights])[:, None, None]
    v = u + every * (np.abs(u) * np.exp(1j * yaw) - u)  # (W, N, P)
    away = np.abs(z[None, ..., -1, None] + k * v[..., None] - truth[None])
    errors = away.mean(axis=(2, 3))  # (W, N)
    gains = errors[0] - errors[1:]
    best = gains.mean(axis=1).argmax()
    chance = 2 * gains[best].std(ddof=1) / len(observed) ** 0.5
    return float(weights[best]) if gains[best].mean() > chance else 0.0
