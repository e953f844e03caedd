"""Right answers to the tasks on boxes and the marks for them."""

from __future__ import annotations

import itertools

import numpy as np

from right_answers import answers


@answers("iou")
def iou_pair_by_pair(a, b):
    table = np.zeros((len(a), len(b)))
    for i, j in np.ndindex(*table.shape):
        width = min(a[i][2], b[j][2]) - max(a[i][0], b[j][0])
        height = min(a[i][3], b[j][3]) - max(a[i][1], b[j][1])
        if width > 0 and height > 0:
            own, other = ((box[2] - box[0]) * (box[3] - box[1]) for box in (a[i], b[j]))
            table[i, j] = width * height / (own + other - width * height)
    return table


@answers("iou")
def iou_by_outer_minima(a, b):
    (left, top, right, bottom), (x1, y1, x2, y2) = a.T, b.T
    width = np.minimum.outer(right, x2) - np.maximum.outer(left, x1)
    height = np.minimum.outer(bottom, y2) - np.maximum.outer(top, y1)
    shared = np.maximum(width, 0) * np.maximum(height, 0)
    union = np.add.outer((right - left) * (bottom - top), (x2 - x1) * (y2 - y1)) - shared
    return np.divide(shared, union, out=np.zeros_like(shared), where=union > 0)


@answers("classwise-nms")
def nms_by_crossing_out(overlap, scores, labels, threshold):
    conflict = (overlap > threshold) & (labels[:, None] == labels[None])
    left = np.ones(len(scores), bool)
    kept = []
    while left.any():
        best = int(np.where(left, scores, -np.inf).argmax())
        kept.append(best)
        left &= ~conflict[best]
        left[best] = False
    return kept


@answers("classwise-nms")
def nms_class_by_class(overlap, scores, labels, threshold):
    kept = []
    for label in set(labels.tolist()):
        order = [int(k) for k in np.argsort(-scores) if labels[k] == label]
        while order:
            best = order.pop(0)
            kept.append(best)
            order = [k for k in order if overlap[best, k] <= threshold]
    return np.array(sorted(kept, key=lambda k: -scores[k]), dtype=int)


@answers("match-detections")
def match_by_sorting_offers(overlap, scores, ignore, threshold=0.5):
    verdicts = {}
    taken = set()
    for k in sorted(range(len(scores)), key=lambda k: -scores[k]):
        offers = [
            (overlap[k, m], m)
            for m in range(len(ignore))
            if not ignore[m] and m not in taken and overlap[k, m] >= threshold
        ]
        if offers:
            taken.add(max(offers)[1])
            verdicts[k] = "right"
        elif any(overlap[k, m] >= threshold for m in range(len(ignore)) if ignore[m]):
            verdicts[k] = "ignored"
    return tuple(
        np.array([verdicts.get(k) == word for k in range(len(scores))], bool)
        for word in ("right", "ignored")
    )


@answers("match-detections")
def match_by_striking_columns(overlap, scores, ignore, threshold=0.5):
    offers = np.array(overlap[:, ~ignore], float)
    inside = (overlap[:, ignore] >= threshold).any(axis=1)
    right = np.zeros(len(scores), bool)
    for k in np.argsort(scores)[::-1]:
        if offers.shape[1] and offers[k].max() >= threshold:
            right[k] = True
            offers[:, offers[k].argmax()] = -1
    return right, inside & ~right


@answers("detection-precision")
def precision_by_definition(scores, right, truths, points=None):
    curve, hits = [], 0
    ranked = sorted(zip(scores, right, strict=True), reverse=True)
    for count, (_, hit) in enumerate(ranked, start=1):
        hits += int(hit)
        curve.append((hits / truths, hits / count))

    def best(recall):
        return max((p for r, p in curve if r >= recall - 1e-9), default=0.0)

    if points is not None:
        return sum(best(k / (points - 1)) for k in range(points)) / points
    steps = sorted({0.0, *(r for r, _ in curve)})
    return sum((b - a) * best(b) for a, b in itertools.pairwise(steps))


@answers("detection-precision")
def precision_by_its_hits(scores, right, truths, points=None):
    hits = np.asarray(right)[np.argsort(scores)[::-1]].astype(bool)
    places = np.flatnonzero(hits)
    precision = np.arange(1, len(places) + 1) / (places + 1)
    for k in range(len(precision) - 2, -1, -1):
        precision[k] = max(precision[k], precision[k + 1])
    if points is None:
        return precision.sum() / truths
    needed = np.ceil(np.linspace(0, 1, points) * truths - 1e-7).astype(int).clip(1)
    reached = needed <= len(precision)
    return precision[needed[reached] - 1].sum() / points


@answers("choose-thresholds")
def thresholds_by_a_table(results, truths, least):
    cuts = sorted(results)
    table = np.array(
        [
            [
                (results[cut][0] >= low).sum() - 2 * results[cut][1][results[cut][0] >= low].sum()
                for low in least[::-1]
            ]
            for cut in cuts
        ]
    )
    row, column = np.unravel_index(table.argmin(), table.shape)
    return cuts[row], least[::-1][column]


@answers("choose-thresholds")
def thresholds_one_record_after_the_other(results, truths, least):
    best, pair = None, None
    for cut in sorted(results):
        for low in sorted(least, reverse=True):
            mistakes = truths
            for score, hit in zip(*results[cut], strict=True):
                if score >= low:
                    mistakes += -1 if hit else 1
            if best is None or mistakes < best:
                best, pair = mistakes, [cut, low]
    return pair


def _mean_at_101(flags, truths):
    hits = np.flatnonzero(flags)
    precision = np.arange(1, len(hits) + 1) / (hits + 1)
    precision = np.maximum.accumulate(precision[::-1])[::-1]
    needed = np.ceil(np.linspace(0, 1, 101) * truths - 1e-7).astype(int).clip(1)
    return np.append(precision, np.zeros(truths + 1))[
        np.where(needed <= len(precision), needed - 1, len(precision))
    ].mean()


@answers("coco-precision", _mean_at_101)
def coco_by_its_hits(images, thresholds, most=100):
    truths = sum(overlap.shape[1] for overlap, _ in images)
    total = 0.0
    for threshold in thresholds:
        scores, flags = [], []
        for overlap, given in images:
            table = np.array(overlap, float)
            for k in sorted(range(len(given)), key=lambda k: -given[k])[:most]:
                hit = table.shape[1] > 0 and table[k].max() >= threshold
                if hit:
                    table[:, table[k].argmax()] = -1
                scores.append(given[k])
                flags.append(hit)
        order = np.argsort(scores)[::-1]
        total += _mean_at_101(np.array(flags, bool)[order], truths)
    return total / len(thresholds)


@answers("coco-precision")
def coco_all_images_at_once(images, thresholds, most=100):
    truths = sum(overlap.shape[1] for overlap, _ in images)
    entries = sorted(
        (-score, number, k)
        for number, (_, scores) in enumerate(images)
        for k, score in enumerate(scores)
        if (scores > score).sum() < most
    )
    values = []
    for threshold in thresholds:
        taken, curve, hits = set(), [(0.0, 0.0)], 0
        for count, (_, number, k) in enumerate(entries, start=1):
            offers = [
                (value, m)
                for m, value in enumerate(images[number][0][k])
                if value >= threshold and (number, m) not in taken
            ]
            if offers:
                taken.add((number, max(offers)[1]))
                hits += 1
            curve.append((hits / truths, hits / count))
        values += [max((p for r, p in curve if r >= k / 100 - 1e-9), default=0) for k in range(101)]
    return np.mean(values)
