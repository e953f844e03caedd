"""Right answers to the tasks on anchors, proposals and aligned regions."""

from __future__ import annotations

import itertools
import math

import numpy as np

from right_answers import answers


@answers("encode")
def encode_box_by_box(boxes, anchors):
    rows = []
    for (x1, y1, x2, y2), (left, top, right, bottom) in zip(boxes, anchors, strict=True):
        width, height = right - left, bottom - top
        rows.append(
            [
                ((x1 + x2) - (left + right)) / 2 / width,
                ((y1 + y2) - (top + bottom)) / 2 / height,
                math.log((x2 - x1) / width),
                math.log((y2 - y1) / height),
            ]
        )
    return rows


@answers("encode")
def encode_from_scaled_corners(boxes, anchors):
    size = np.tile(anchors[:, 2:] - anchors[:, :2], 2)
    first, second = np.hsplit((boxes - np.tile(anchors[:, :2], 2)) / size, 2)
    return np.hstack([(first + second - 1) / 2, np.log(second - first)])


@answers("decode")
def decode_box_by_box(deltas, anchors, height, width):
    rows = []
    for (dx, dy, dw, dh), (x1, y1, x2, y2) in zip(deltas, anchors, strict=True):
        row = []
        for shift, scale, low, high, most in ((dx, dw, x1, x2, width), (dy, dh, y1, y2, height)):
            middle = (low + high) / 2 + shift * (high - low)
            half = math.exp(scale) * (high - low) / 2
            row.append([min(max(middle + sign * half, 0), most) for sign in (-1, 1)])
        rows.append([row[0][0], row[1][0], row[0][1], row[1][1]])
    return np.array(rows)


@answers("decode")
def decode_by_columns(deltas, anchors, height, width):
    x1, y1, x2, y2 = anchors.T
    dx, dy, dw, dh = deltas.T
    x, y = x1 + (x2 - x1) * (0.5 + dx), y1 + (y2 - y1) * (0.5 + dy)
    w, h = (x2 - x1) * np.exp(dw), (y2 - y1) * np.exp(dh)
    columns = [x - w / 2, y - h / 2, x + w / 2, y + h / 2]
    limits = [width, height] * 2
    return np.stack(
        [np.minimum(np.maximum(c, 0), m) for c, m in zip(columns, limits, strict=True)], axis=1
    )


@answers("anchor-grid")
def grid_by_products(height, width, stride, sizes, ratios):
    anchors = []
    for i, j, s, r in itertools.product(range(height), range(width), sizes, ratios):
        w = math.sqrt(s * s / r)
        h = w * r
        x, y = stride * j + stride / 2, stride * i + stride / 2
        anchors.append((x - w / 2, y - h / 2, x + w / 2, y + h / 2))
    return anchors


@answers("anchor-grid")
def grid_by_broadcasting(height, width, stride, sizes, ratios):
    roots = np.sqrt(np.asarray(ratios, float))
    half = 0.5 * np.asarray(sizes, float)[:, None]
    shape = np.stack([half / roots, half * roots], axis=-1).reshape(-1, 2)
    y, x = np.meshgrid(np.arange(height) + 0.5, np.arange(width) + 0.5, indexing="ij")
    centre = stride * np.stack([x, y], axis=-1)[:, :, None]
    return np.concatenate([centre - shape, centre + shape], axis=-1).reshape(-1, 4)


@answers("assign-anchors")
def assign_anchor_by_anchor(overlap, high=0.7, low=0.3):
    peaks = [max(column) for column in overlap.T]
    found = []
    for row in overlap:
        claims = [m for m, peak in enumerate(peaks) if peak > 0 and row[m] == peak]
        best = max(row, default=0.0)
        if claims:
            found.append(claims[-1])
        elif len(row) == 0 or best < low:
            found.append(-1)
        else:
            found.append(int(np.argmax(row)) if best >= high else -2)
    return found


@answers("assign-anchors")
def assign_by_masks(overlap, high=0.7, low=0.3):
    padded = np.pad(overlap, ((0, 0), (1, 0)))  # a truth that nobody overlaps
    top = padded.max(axis=1)
    found = np.select([top >= high, top >= low], [padded.argmax(axis=1) - 1, -2], -1)
    claimed = (padded == padded.max(axis=0)) & (padded > 0)
    last = padded.shape[1] - 2 - claimed[:, ::-1].argmax(axis=1)
    return np.where(claimed.any(axis=1), last, found)


@answers("choose-proposals")
def proposals_by_trying_numbers(methods, goal, threshold=0.5):
    most = max(len(scores) for images in methods.values() for _, scores in images)
    for n in range(1, most + 1):
        reached = []
        for name, images in methods.items():
            found, truths = 0, 0
            for overlap, scores in images:
                kept = overlap[np.argsort(scores)[::-1][:n]]
                found += int((kept >= threshold).any(axis=0).sum())
                truths += overlap.shape[1]
            if found >= goal * truths - 1e-9:
                reached.append((-found, name))
        if reached:
            return [min(reached)[1], n]
    return None


@answers("choose-proposals")
def proposals_by_sorted_ranks(methods, goal, threshold=0.5):
    best = None
    for name in sorted(methods):
        ranks = []
        for overlap, scores in methods[name]:
            place = (scores[None] >= scores[:, None]).sum(axis=1)
            for truth in range(overlap.shape[1]):
                hits = place[overlap[:, truth] >= threshold]
                ranks.append(hits.min() if len(hits) else math.inf)
        ranks.sort()
        n = ranks[math.ceil(goal * len(ranks) - 1e-9) - 1]
        if n < math.inf:
            entry = int(n), -sum(rank <= n for rank in ranks)
            if best is None or entry < best[0]:
                best = entry, name
    return None if best is None else (best[1], best[0][0])


def _sample(plane, y, x):
    height, width = plane.shape
    if y < -1 or y > height or x < -1 or x > width:
        return 0.0
    y, x = min(max(y, 0), height - 1), min(max(x, 0), width - 1)
    top, left = int(y), int(x)
    total = 0.0
    for i in (top, top + 1):
        for j in (left, left + 1):
            weight = (1 - abs(y - i)) * (1 - abs(x - j))
            if weight:
                total += weight * plane[i, j]
    return total


@answers("roi-align", _sample)
def roi_align_by_loops(features, boxes, size, stride, samples=2):
    pooled = np.zeros((len(boxes), len(features), size, size))
    for n, c, row, column in np.ndindex(*pooled.shape):
        x1, y1, x2, y2 = boxes[n] / stride - 0.5
        total = 0.0
        for a in range(samples):
            for b in range(samples):
                y = y1 + (row + (a + 0.5) / samples) * (y2 - y1) / size
                x = x1 + (column + (b + 0.5) / samples) * (x2 - x1) / size
                total += _sample(features[c], y, x)
        pooled[n, c, row, column] = total / samples**2
    return pooled


@answers("roi-align")
def roi_align_by_gathering(features, boxes, size, stride, samples=2):
    channels, height, width = features.shape
    steps = (np.arange(size * samples) + 0.5) / (size * samples)
    corners = boxes / stride - 0.5
    x = corners[:, :1] + steps * (corners[:, 2:3] - corners[:, :1])  # (N, S)
    y = corners[:, 1:2] + steps * (corners[:, 3:] - corners[:, 1:2])
    kept = ((y >= -1) & (y <= height))[:, :, None] & ((x >= -1) & (x <= width))[:, None]
    x, y = np.clip(x, 0, width - 1)[:, None], np.clip(y, 0, height - 1)[:, :, None]
    left, top = np.floor(x).astype(int), np.floor(y).astype(int)
    right, bottom = np.minimum(left + 1, width - 1), np.minimum(top + 1, height - 1)
    upper = features[:, top, left] * (1 - x + left) + features[:, top, right] * (x - left)
    lower = features[:, bottom, left] * (1 - x + left) + features[:, bottom, right] * (x - left)
    values = (upper * (1 - y + top) + lower * (y - top)) * kept
    shape = channels, len(boxes), size, samples, size, samples
    return values.reshape(shape).mean(axis=(3, 5)).swapaxes(0, 1)
