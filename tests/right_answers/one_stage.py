"""Right answers to the tasks on heat maps, grids of cells and the focal loss."""

from __future__ import annotations

import math

import numpy as np

from right_answers import answers


@answers("gaussian-heatmap")
def heatmap_cell_by_cell(centres, sigmas, height, width, stride):
    heat = [[0.0] * width for _ in range(height)]
    for k in range(len(sigmas)):
        column, row = (math.floor(value / stride) for value in centres[k])
        for i in range(height):
            for j in range(width):
                distance = math.hypot(i - row, j - column)
                value = math.exp(-0.5 * (distance / sigmas[k]) ** 2)
                heat[i][j] = max(heat[i][j], value)
    return heat


@answers("gaussian-heatmap")
def heatmap_by_outer_products(centres, sigmas, height, width, stride):
    cells = np.floor(centres / stride)
    across, down = (
        np.exp(-((np.arange(size) - place[:, None]) ** 2) / (2 * sigmas[:, None] ** 2))
        for size, place in ((width, cells[:, 0]), (height, cells[:, 1]))
    )
    return np.einsum("mh,mw->mhw", down, across).max(axis=0, initial=0)


def _sigmoid(value):
    return 1 / (1 + math.exp(-value))


@answers("yolo-decode", _sigmoid)
def yolo_by_loops(raw, anchors, stride):
    boxes, scores = [], []
    for i in range(raw.shape[2]):
        for j in range(raw.shape[3]):
            for a in range(len(raw)):
                tx, ty, tw, th, to, *classes = raw[a, :, i, j]
                x, y = (j + _sigmoid(tx)) * stride, (i + _sigmoid(ty)) * stride
                w, h = anchors[a][0] * math.exp(tw), anchors[a][1] * math.exp(th)
                boxes.append([x - w / 2, y - h / 2, x + w / 2, y + h / 2])
                scores.append([_sigmoid(to) * _sigmoid(c) for c in classes])
    return np.array(boxes), np.array(scores)


@answers("yolo-decode")
def yolo_map_by_map(raw, anchors, stride):
    row, column = np.indices(raw.shape[2:])
    share = 0.5 + 0.5 * np.tanh(raw / 2)
    x, y = stride * (share[:, 0] + column), stride * (share[:, 1] + row)  # (A, H, W)
    wide = np.exp(raw[:, 2]) * anchors[:, 0, None, None]
    tall = np.exp(raw[:, 3]) * anchors[:, 1, None, None]
    maps = np.stack([x - wide / 2, y - tall / 2, x + wide / 2, y + tall / 2])
    boxes = np.moveaxis(maps, 0, -1).transpose(1, 2, 0, 3).reshape(-1, 4)
    scores = (share[:, 4:5] * share[:, 5:]).transpose(2, 3, 0, 1)
    return [boxes, scores.reshape(len(boxes), -1)]


@answers("peak-pick")
def peaks_by_loops(heat, threshold, most=100):
    classes, height, width = heat.shape
    found = []
    for c in range(classes):
        for i in range(height):
            for j in range(width):
                beside = [
                    (heat[c, a, b], (a, b) < (i, j))
                    for a in range(max(i - 1, 0), min(i + 2, height))
                    for b in range(max(j - 1, 0), min(j + 2, width))
                    if (a, b) != (i, j)
                ]
                value = heat[c, i, j]
                rivals = [v > value or (v == value and before) for v, before in beside]
                if value >= threshold and not any(rivals):
                    found.append((-value, c, i, j))
    return np.array([entry[1:] for entry in sorted(found)[:most]], int).reshape(-1, 3)


@answers("peak-pick")
def peaks_by_unique_ranks(heat, threshold, most=100):
    # With the place in reading order as a second key no two values are equal.
    order = np.lexsort((np.arange(heat.size), -heat.reshape(-1)))
    rank = np.empty(heat.size, int)
    rank[order] = np.arange(heat.size)
    rank = rank.reshape(heat.shape)
    padded = np.pad(rank, ((0, 0), (1, 1), (1, 1)), constant_values=heat.size)
    windows = np.lib.stride_tricks.sliding_window_view(padded, (3, 3), axis=(1, 2))
    peak = (windows.min(axis=(3, 4)) == rank) & (heat >= threshold)
    places = np.argwhere(peak)
    return places[rank[peak].argsort()][:most]


def _counts(image, threshold, radius):
    peaks, scores, centres = image
    left = [tuple(centre) for centre in centres]
    right = wrong = 0
    for score, peak in sorted(zip(scores, peaks.tolist(), strict=True), reverse=True):
        if score >= threshold:
            near = [(math.dist(peak, centre), centre) for centre in left]
            near = [pair for pair in near if pair[0] <= radius]
            if near:
                left.remove(min(near)[1])
                right += 1
            else:
                wrong += 1
    return right, wrong, len(left)


@answers("peak-threshold", _counts)
def threshold_by_counts(validation, test, thresholds, radius):
    def quality(images, threshold):
        right, wrong, lost = (
            sum(c) for c in zip(*(_counts(i, threshold, radius) for i in images), strict=True)
        )
        return 2 * right / (2 * right + wrong + lost) if right else 0.0

    best = None
    for threshold in sorted(thresholds, reverse=True):
        value = quality(validation, threshold)
        if best is None or value > best[0]:
            best = value, threshold
    return [best[1], quality(test, best[1])]


@answers("peak-threshold")
def threshold_by_one_matching(validation, test, thresholds, radius):
    # Whether a peak is right depends on higher scores only, not on the threshold.
    def matched(images):
        verdicts = []
        for peaks, scores, centres in images:
            table = np.sqrt(((peaks[:, None] - centres[None]) ** 2).sum(axis=2))
            table[table > radius] = np.inf
            for k in np.argsort(scores)[::-1]:
                hit = table.shape[1] > 0 and table[k].min() < np.inf
                verdicts.append((scores[k], hit))
                if hit:
                    table[:, table[k].argmin()] = np.inf
        return np.array(verdicts, float).reshape(-1, 2), sum(len(c) for _, _, c in images)

    def quality(verdicts, truths, threshold):
        kept = verdicts[verdicts[:, 0] >= threshold, 1]
        return 2 * kept.sum() / max(len(kept) + truths, 1)

    known = matched(validation)
    values = np.array([quality(*known, t) for t in thresholds])
    best = np.max(np.array(thresholds)[values == values.max()])
    return float(best), float(quality(*matched(test), best))


@answers("focal-loss")
def focal_loss_by_the_definition(logits, targets, alpha=0.25, gamma=2.0):
    positives = max(int((targets == 1).sum()), 1)
    loss, slopes = 0.0, []
    for z, y in zip(logits.ravel().tolist(), targets.ravel().tolist(), strict=True):
        u, share = (z, alpha) if y == 1 else (-z, 1 - alpha)
        small = math.exp(-abs(u))
        p, q = (1 / (1 + small), small / (1 + small))
        p, q = (p, q) if u >= 0 else (q, p)
        log_p = -math.log1p(small) if u >= 0 else u - math.log1p(small)
        loss -= share * q**gamma * log_p
        slope = share * q**gamma * (gamma * p * log_p - q)
        slopes.append((slope if y == 1 else -slope) / positives)
    return loss / positives, np.array(slopes).reshape(logits.shape)


@answers("focal-loss")
def focal_loss_by_two_sums(logits, targets, alpha=0.25, gamma=2.0):
    y = np.asarray(targets, float)
    log_p, log_q = -np.logaddexp(0, -logits), -np.logaddexp(0, logits)
    p, q = np.exp(log_p), np.exp(log_q)
    count = max(y.sum(), 1.0)
    positive = -alpha * q**gamma * log_p
    negative = -(1 - alpha) * p**gamma * log_q
    rising = alpha * q**gamma * (gamma * p * log_p - q)
    falling = (1 - alpha) * p**gamma * (p - gamma * q * log_q)
    return (
        float(np.where(y > 0, positive, negative).sum() / count),
        np.where(y > 0, rising, falling) / count,
    )
