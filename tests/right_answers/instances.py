"""Right answers to the tasks on masks, panoptic maps and points in metres."""

from __future__ import annotations

import math
from collections import Counter

import numpy as np

from right_answers import answers


@answers("unproject")
def unproject_point_by_point(pixels, depth, K):
    points = np.zeros((len(depth), 3))
    for n, ((u, v), z) in enumerate(zip(pixels, depth, strict=True)):
        points[n] = z * (u - K[0][2]) / K[0][0], z * (v - K[1][2]) / K[1][1], z
    return points


@answers("unproject")
def unproject_by_the_inverse(pixels, depth, K):
    homogeneous = np.column_stack([pixels, np.ones(len(pixels))])  # (N, 3)
    return np.linalg.solve(K, homogeneous.T * depth).T


@answers("mask-loss")
def mask_loss_region_by_region(logits, masks, labels):
    gradient = np.zeros(logits.shape)
    losses = []
    for n, label in enumerate(labels):
        for place in np.ndindex(masks.shape[1:]):
            z, y = logits[n, label][place], masks[n][place]
            small = math.exp(-abs(z))
            losses.append(max(z, 0) - y * z + math.log1p(small))
            p = 1 / (1 + small) if z >= 0 else small / (1 + small)
            gradient[n, label][place] = p - y
    return (sum(losses) / len(losses), gradient / len(losses)) if losses else (0.0, gradient)


@answers("mask-loss")
def mask_loss_by_a_one_hot(logits, masks, labels):
    chosen = np.eye(logits.shape[1])[labels][:, :, None, None]  # (N, C, 1, 1)
    sign = 1 - 2 * masks[:, None]  # the loss is the softplus of sign * logit
    count = masks.size or 1
    softplus = np.maximum(sign * logits, 0) + np.log1p(np.exp(-np.abs(logits)))
    sigmoid = 0.5 * (1 + np.tanh(sign * logits / 2))
    return np.sum(chosen * softplus) / count, chosen * sign * sigmoid / count


@answers("paste-mask")
def paste_pixel_by_pixel(mask, box, height, width):
    x1, y1, x2, y2 = (float(edge) for edge in box)
    h, w = mask.shape
    pasted = np.zeros((height, width))
    for i in range(max(math.floor(y1), 0), min(math.ceil(y2), height)):
        for j in range(max(math.floor(x1), 0), min(math.ceil(x2), width)):
            if not (x1 <= j + 0.5 < x2 and y1 <= i + 0.5 < y2):
                continue
            a = min(max((j + 0.5 - x1) * w / (x2 - x1) - 0.5, 0), w - 1)
            b = min(max((i + 0.5 - y1) * h / (y2 - y1) - 0.5, 0), h - 1)
            for row in range(h):
                for column in range(w):
                    weight = max(0, 1 - abs(a - column)) * max(0, 1 - abs(b - row))
                    pasted[i, j] += weight * mask[row, column]
    return pasted


@answers("paste-mask")
def paste_by_two_matrices(mask, box, height, width):
    def matrix(low, high, cells, pixels):
        centres = np.arange(pixels) + 0.5
        place = ((centres - low) / (high - low) * cells - 0.5).clip(0, cells - 1)
        weights = np.maximum(1 - np.abs(place[:, None] - np.arange(cells)), 0)
        return weights * ((low <= centres) & (centres < high))[:, None]

    rows = matrix(box[1], box[3], mask.shape[0], height)
    return rows @ mask @ matrix(box[0], box[2], mask.shape[1], width).T


@answers("tallest")
def tallest_by_lists(depth, instances, K, reach, slack):
    heights = {}
    for k in range(1, int(instances.max()) + 1):
        pairs = [(i, depth[i, j]) for i, j in np.argwhere(instances == k) if depth[i, j] > 0]
        if not pairs:
            continue
        middle = float(np.median([z for _, z in pairs]))
        if middle <= reach:
            y = [(i - K[1, 2]) * z / K[1, 1] for i, z in pairs if abs(z - middle) <= slack]
            heights[k] = max(y) - min(y)
    best = max(heights, key=heights.get, default=0)
    return [best, heights.get(best, 0.0)] if heights.get(best) else [0, 0.0]


@answers("tallest")
def tallest_by_maps(depth, instances, K, reach, slack):
    y = (np.arange(len(depth))[:, None] - K[1, 2]) / K[1, 1] * depth
    measured = np.where(depth > 0, depth, np.nan)
    best, number = 0.0, 0
    for k in set(instances.ravel().tolist()) - {0}:
        own = np.where(instances == k, measured, np.nan)
        if np.isnan(own).all() or np.nanmedian(own) > reach:
            continue
        with np.errstate(invalid="ignore"):
            seen = y[np.abs(own - np.nanmedian(own)) <= slack]
        if np.ptp(seen) > best:
            best, number = np.ptp(seen), k
    return number, best


@answers("panoptic-quality")
def panoptic_by_counting(predicted, actual, predicted_class, actual_class, classes):
    both = Counter(zip(predicted.ravel().tolist(), actual.ravel().tolist(), strict=True))
    mine, theirs = Counter(predicted.ravel().tolist()), Counter(actual.ravel().tolist())
    counts = np.zeros((classes, 4))  # sum of IoU, TP, FP, FN
    lone, missed = dict(predicted_class), dict(actual_class)
    for (s, t), pixels in both.items():
        if s and t and predicted_class[s] == actual_class[t]:
            union = mine[s] - both[s, 0] + theirs[t] - pixels
            if 2 * pixels > union:
                counts[lone.pop(s)] += pixels / union, 1, 0, 0
                del missed[t]
    for s, label in lone.items():
        counts[label, 2] += both[s, 0] / mine[s] <= 0.5
    for label in missed.values():
        counts[label, 3] += 1
    rows = []
    for overlap, right, extra, lost in counts:
        if right + extra + lost == 0:
            rows.append([math.nan] * 3)
        else:
            sq = overlap / right if right else 0.0
            rq = 2 * right / (2 * right + extra + lost)
            rows.append([sq * rq, sq, rq])
    return np.array(rows)


@answers("panoptic-quality")
def panoptic_by_tables(predicted, actual, predicted_class, actual_class, classes):
    ours, truths = list(predicted_class), list(actual_class)
    a = predicted.reshape(-1) == np.array(ours, int)[:, None]  # (S, pixels)
    b = actual.reshape(-1) == np.array(truths, int)[:, None]  # (T, pixels)
    void = actual.reshape(-1) == 0
    common = a.astype(int) @ b.T.astype(int)
    union = (a & ~void).sum(axis=1)[:, None] + b.sum(axis=1) - common
    label = np.array(list(predicted_class.values()), int)
    other = np.array(list(actual_class.values()), int)
    iou = np.where(label[:, None] == other, common / np.maximum(union, 1), 0)
    match = iou > 0.5
    forgiven = (a & void).sum(axis=1) > 0.5 * a.sum(axis=1)
    lone = ~match.any(axis=1) & ~forgiven
    scores = np.zeros((classes, 3))
    for c in range(classes):
        tp = match[label == c].sum()
        fp, fn = lone[label == c].sum(), (~match.any(axis=0))[other == c].sum()
        with np.errstate(invalid="ignore"):
            pq = (iou * match)[label == c].sum() / np.float64(tp + fp / 2 + fn / 2)
            rq = tp / np.float64(tp + fp / 2 + fn / 2)
        scores[c] = pq, pq / rq if rq > 0 else rq, rq
    return scores
