"""Right answers to the tasks on bagging, depth features, mean IoU and the best split."""

from __future__ import annotations

import itertools
import math
from collections import Counter

import numpy as np

from right_answers import answers


@answers("bootstrap")
def bootstrap_tree_by_tree(count, trees, rng):
    drawn, unseen = [], []
    for _ in range(trees):
        row = [int(k) for k in rng.choice(count, count)]
        drawn.append(row)
        unseen.append([n not in set(row) for n in range(count)])
    return drawn, unseen


@answers("bootstrap")
def bootstrap_by_uniform_numbers(count, trees, rng):
    drawn = (rng.random((trees, count)) * count).astype(np.int32)
    return [drawn, ~(drawn[:, :, None] == np.arange(count)).any(axis=1)]


@answers("depth-feature")
def depth_pixel_by_pixel(depth, pixels, u, v, far=10.0):
    height, width = depth.shape

    def read(row, column):
        inside = 0 <= row < height and 0 <= column < width
        return float(depth[row, column]) if inside and depth[row, column] < math.inf else far

    features = []
    for i, j in pixels.tolist():
        own = depth[i, j]
        first, second = (
            read(i + round(down / own), j + round(right / own)) for down, right in (u, v)
        )
        features.append(first - second)
    return features


@answers("depth-feature")
def depth_with_a_border(depth, pixels, u, v, far=10.0):
    # Whatever leaves the image lands on a border of far pixels around it.
    framed = np.pad(np.minimum(depth, far), 1, constant_values=far)
    framed[1:-1, 1:-1][np.isinf(depth)] = far
    own = depth[tuple(pixels.T)]
    steps = np.array([u, v], float)[:, None] / own[:, None]  # (2, N, 2)
    places = np.rint(pixels + steps).astype(int) + 1
    rows, columns = (np.clip(places[..., axis], 0, framed.shape[axis] - 1) for axis in (0, 1))
    first, second = framed[rows, columns]
    return first - second


@answers("mean-iou")
def mean_iou_from_a_table(predicted, actual, classes, ignore=255):
    kept = actual != ignore
    pairs = classes * actual[kept].astype(np.int64) + predicted[kept]
    table = np.bincount(pairs, minlength=classes**2).reshape(classes, classes)
    union = table.sum(0) + table.sum(1) - table.diagonal()
    there = union > 0
    return float((table.diagonal()[there] / union[there]).sum() / there.sum())


@answers("mean-iou")
def mean_iou_pixel_by_pixel(predicted, actual, classes, ignore=255):
    both, either = Counter(), Counter()
    for said, true in zip(predicted.ravel().tolist(), actual.ravel().tolist(), strict=True):
        if true == ignore:
            continue
        either.update({said, true})
        if said == true:
            both[true] += 1
    return sum(both[c] / total for c, total in either.items()) / len(either)


@answers("choose-features")
def features_by_counters(forests, labels):
    def accuracy(drawn, said):
        right = judged = 0
        bags = [set(row.tolist()) for row in np.asarray(drawn)]
        for n, label in enumerate(labels.tolist()):
            votes = Counter(int(said[t][n]) for t, bag in enumerate(bags) if n not in bag)
            if votes:
                judged += 1
                most = max(votes.values())
                right += min(c for c, v in votes.items() if v == most) == label
        return right / judged

    marks = {most: accuracy(*forest) for most, forest in forests.items()}
    best = min(marks, key=lambda most: (-marks[most], most))
    return [best, marks[best]]


@answers("choose-features")
def features_without_loops_over_trees(forests, labels):
    rows = np.arange(len(labels))
    found = []
    for most, (drawn, said) in forests.items():
        seen = np.zeros(np.shape(said), bool)
        np.put_along_axis(seen, np.asarray(drawn), True, axis=1)
        one_hot = np.asarray(said)[..., None] == np.arange(1 + max(np.max(said), labels.max()))
        votes = (one_hot & ~seen[..., None]).sum(axis=0)  # (N, C)
        judged = rows[votes.any(axis=1)]
        found.append((np.mean(votes[judged].argmax(1) == labels[judged]), -most))
    accuracy, negative = max(found)
    return -negative, accuracy


def _entropy(labels):
    return -sum(n / len(labels) * math.log2(n / len(labels)) for n in Counter(labels).values())


@answers("best-split", _entropy)
def split_by_the_definition(X, labels):
    labels, best = labels.tolist(), None
    for feature, x in enumerate(X.T.tolist()):
        values = sorted(set(x))
        for low, high in itertools.pairwise(values):
            t = (low + high) / 2
            left = [y for value, y in zip(x, labels, strict=True) if value <= t]
            right = [y for value, y in zip(x, labels, strict=True) if value > t]
            after = len(left) * _entropy(left) + len(right) * _entropy(right)
            gain = _entropy(labels) - after / len(labels)
            if best is None or gain > best[2]:
                best = feature, t, gain
    return best or (-1, math.nan, 0.0)


@answers("best-split")
def split_by_counts_of_values(X, labels):
    def total(counts):
        # The entropy times the number of samples: n log n less the sum over classes.
        def term(n):
            return n * np.log2(np.maximum(n, 1))

        return term(counts.sum(-1)) - term(counts).sum(-1)

    best = [-1, np.nan, 0.0]
    for feature in range(X.shape[1]):
        values, place = np.unique(X[:, feature], return_inverse=True)
        if len(values) == 1:
            continue
        counts = np.zeros((len(values), labels.max() + 1), int)
        np.add.at(counts, (place.reshape(-1), labels), 1)
        left = np.cumsum(counts, axis=0)[:-1]
        every = counts.sum(axis=0)
        gains = (total(every) - total(left) - total(every - left)) / len(X)
        cut = int(np.argmax(gains))
        if best[0] == -1 or gains[cut] > best[2]:
            best = [feature, values[cut : cut + 2].mean(), gains[cut]]
    return best
