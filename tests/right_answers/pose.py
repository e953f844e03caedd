"""Right answers to the tasks on joints, springs, limbs and trees."""

from __future__ import annotations

import math

import numpy as np

from right_answers import answers


@answers("soft-argmax")
def soft_argmax_cell_by_cell(logits, stride):
    places = []
    for one in logits:
        top, whole, x, y = one.max(), 0.0, 0.0, 0.0
        for (i, j), value in np.ndenumerate(one):
            weight = math.exp(value - top)
            whole += weight
            x += weight * (stride * (j + 0.5) - 0.5)
            y += weight * (stride * (i + 0.5) - 0.5)
        places.append([x / whole, y / whole])
    return places


@answers("soft-argmax")
def soft_argmax_by_a_table(logits, stride):
    joints, height, width = logits.shape
    flat = logits.reshape(joints, height * width)
    p = np.exp(flat - np.logaddexp.reduce(flat, axis=1)[:, None])
    i, j = np.divmod(np.arange(height * width), width)
    centres = np.array([j, i]).T * stride + (stride - 1) / 2  # (H W, 2)
    return p @ centres


@answers("pck")
def pck_by_counting(predicted, actual, visible, lengths, alpha):
    people, joints = visible.shape
    right, seen = [0] * joints, [0] * joints
    for n in range(people):
        for j in range(joints):
            if visible[n, j]:
                seen[j] += 1
                right[j] += math.dist(predicted[n, j], actual[n, j]) <= alpha * lengths[n]
    shares = [r / s if s else math.nan for r, s in zip(right, seen, strict=True)]
    return shares, sum(right) / sum(seen)


@answers("pck")
def pck_by_squares(predicted, actual, visible, lengths, alpha):
    squared = np.square(predicted - actual).sum(axis=-1)
    right = squared <= np.square(alpha * lengths).reshape(-1, 1)
    marks = np.where(visible, right.astype(float), np.nan)
    shares = [
        np.mean(row[~np.isnan(row)]) if visible[:, j].any() else np.nan
        for j, row in enumerate(marks.T)
    ]
    return np.array(shares), right[visible].mean()


@answers("paf-score")
def paf_step_by_step(field, starts, ends, samples=10):
    table = []
    for ax, ay in starts:
        row = []
        for bx, by in ends:
            length, total = math.hypot(bx - ax, by - ay), 0.0
            for k in range(samples):
                t = k / (samples - 1)
                vx, vy = field[round(ay + t * (by - ay)), round(ax + t * (bx - ax))]
                total += vx * (bx - ax) + vy * (by - ay)
            row.append(total / samples / length if length else 0.0)
        table.append(row)
    return np.array(table).reshape(len(starts), len(ends))


@answers("paf-score")
def paf_all_at_once(field, starts, ends, samples=10):
    limb = ends[None] - starts[:, None]  # (A, B, 2)
    length = np.sqrt((limb**2).sum(axis=2))
    unit = np.divide(limb, length[..., None], out=np.zeros(limb.shape), where=length[..., None] > 0)
    share = np.arange(samples)[:, None] / (samples - 1)
    points = starts[:, None, None] + share * limb[:, :, None]  # (A, B, S, 2)
    pixel = np.floor(points + 0.5).astype(int)
    vectors = field[pixel[..., 1], pixel[..., 0]]
    return np.einsum("absk,abk->ab", vectors, unit) / samples


@answers("spring-stiffness")
def stiffness_all_figures_at_once(validation, test, springs, radius):
    offset = np.mean(validation[2] - validation[1], axis=0)

    def share(figures, k):
        heat, shoulders, elbows = figures
        height, width = heat.shape[1:]
        across = (np.arange(width) - shoulders[:, :1] - offset[0]) ** 2  # (N, W)
        down = (np.arange(height) - shoulders[:, 1:] - offset[1]) ** 2  # (N, H)
        scores = heat - k * (down[:, :, None] + across[:, None])
        best = scores.reshape(len(heat), -1).argmax(axis=1)
        places = np.stack([best % width, best // width], axis=1)
        return (np.linalg.norm(places - elbows, axis=1) <= radius).mean()

    springs = np.sort(springs)
    chosen = springs[np.argmax([share(validation, k) for k in springs])]
    return float(chosen), float(share(test, chosen))


def _placed(heat, rest, k):
    best, place = -math.inf, None
    for (i, j), value in np.ndenumerate(heat):
        score = value - k * ((j - rest[0]) ** 2 + (i - rest[1]) ** 2)
        if score > best:
            best, place = score, (j, i)
    return place


@answers("spring-stiffness", _placed)
def stiffness_pixel_by_pixel(validation, test, springs, radius):
    pairs = list(zip(validation[1], validation[2], strict=True))
    dx = sum(elbow[0] - shoulder[0] for shoulder, elbow in pairs) / len(pairs)
    dy = sum(elbow[1] - shoulder[1] for shoulder, elbow in pairs) / len(pairs)

    def right(figures, k):
        count = 0
        for heat, (x, y), elbow in zip(*figures, strict=True):
            count += math.dist(_placed(heat, (x + dx, y + dy), k), elbow) <= radius
        return count

    most, chosen = -1, None
    for k in sorted(springs):
        count = right(validation, k)
        if count > most:
            most, chosen = count, k
    return [chosen, right(test, chosen) / len(test[0])]


@answers("tree-inference")
def tree_by_recursion(heat, parents, offsets, stiffness):
    _, height, width = heat.shape
    places = np.array([(x, y) for y in range(height) for x in range(width)])
    children = {j: [c for c in range(1, len(heat)) if parents[c] == j] for j in range(len(heat))}
    pointers = {}

    def reach(j):
        """What joint j and all below it gain at best, for each of its places."""
        gain = heat[j].ravel().copy()
        for c in children[j]:
            below, rest = reach(c), places + offsets[c]
            gaps = places[None] - rest[:, None]
            table = below - stiffness[c] * np.einsum("pqk,pqk->pq", gaps, gaps)
            pointers[c] = table.argmax(axis=1)
            gain += table[np.arange(len(table)), pointers[c]]
        return gain

    gain = reach(0)
    chosen = {0: int(gain.argmax())}
    for j in range(1, len(heat)):
        chosen[j] = int(pointers[j][chosen[int(parents[j])]])
    return [places[chosen[j]].tolist() for j in range(len(heat))], float(gain.max())


@answers("tree-inference")
def tree_column_by_column(heat, parents, offsets, stiffness):
    # The squared distance is a sum over x and y, so that one is maximised after the other.
    joints, height, width = heat.shape
    score, pointers = [h.astype(float) for h in heat], [None] * joints
    i, j = np.arange(height), np.arange(width)
    for c in reversed(range(1, joints)):
        dx, dy = offsets[c]
        across = stiffness[c] * (j[None] - j[:, None] - dx) ** 2  # (parent x, own x)
        down = stiffness[c] * (i[None] - i[:, None] - dy) ** 2  # (parent y, own y)
        rows = score[c][None] - across[:, None]  # (parent x, own y, own x)
        best_x = rows.argmax(axis=2)
        columns = rows.max(axis=2)[None] - down[:, None]  # (parent y, parent x, own y)
        best_y = columns.argmax(axis=2)
        pointers[c] = best_x[j[None], best_y], best_y
        score[parents[c]] = score[parents[c]] + columns.max(axis=2)
    y, x = np.unravel_index(score[0].argmax(), (height, width))
    places = [(int(x), int(y))]
    for c in range(1, joints):
        x, y = places[parents[c]]
        places.append((int(pointers[c][0][y, x]), int(pointers[c][1][y, x])))
    return np.array(places), score[0].max()
