"""Right answers to the tasks on matches, rankings, inverted files, hash tables and consensus."""

from __future__ import annotations

import math
from collections import Counter
from itertools import combinations

import numpy as np

from right_answers import answers


@answers("ratio-test")
def ratio_descriptor_by_descriptor(a, b, ratio):
    matches = []
    for i, one in enumerate(a):
        distances = sorted((math.dist(one, other), j) for j, other in enumerate(b))
        (first, j), (second, _) = distances[:2]
        if first < ratio * second:
            matches.append([i, j])
    return matches


@answers("ratio-test")
def ratio_by_partition(a, b, ratio):
    squared = np.square(a[:, None, :] - b[None, :, :]).sum(-1)
    first, second = np.partition(squared, 1, axis=1)[:, :2].T
    passed = np.sqrt(first) < ratio * np.sqrt(second)
    return np.argwhere(passed).repeat(2, axis=1) * [1, 0] + (
        squared.argmin(1)[passed, None] * np.array([[0, 1]])
    )


@answers("average-precision-with-junk")
def precision_rank_by_rank(distances, relevant, junk):
    ranking = sorted((d, g) for g, d in enumerate(distances) if not junk[g])
    found, shares = 0, []
    for rank, (_, g) in enumerate(ranking, start=1):
        if relevant[g]:
            found += 1
            shares.append(found / rank)
    return sum(shares) / len(shares) if shares else math.nan


@answers("average-precision-with-junk")
def precision_by_counting(distances, relevant, junk):
    # The rank of an image: how many that count stand no farther down.
    number = np.arange(len(distances))
    before = (distances[None] < distances[:, None]) | (
        (distances[None] == distances[:, None]) & (number[None] <= number[:, None])
    )
    counts = before & ~junk[None]
    wanted = relevant & ~junk
    if not np.any(wanted):
        return float("nan")
    return np.mean((counts & relevant[None]).sum(1)[wanted] / counts.sum(1)[wanted])


@answers("inverted-file-query")
def query_with_dictionaries(images, query, size):
    tables = [Counter(words.tolist()) for words in images]
    lists = {k: [i for i, table in enumerate(tables) if k in table] for k in range(size)}
    idf = {k: math.log(len(images) / max(len(lists[k]), 1)) for k in range(size)}
    lengths = [math.sqrt(sum((n * idf[k]) ** 2 for k, n in table.items())) for table in tables]
    asked = Counter(query.tolist())
    length = math.sqrt(sum((n * idf[k]) ** 2 for k, n in asked.items()))
    scores, visited = [0.0] * len(images), 0
    for k, n in asked.items():
        for i in lists[k]:
            visited += 1
            if lengths[i] * length > 0:
                scores[i] += n * idf[k] * tables[i][k] * idf[k] / lengths[i] / length
    return [scores, visited]


@answers("inverted-file-query")
def query_by_the_dense_product(images, query, size):
    counts = np.zeros((len(images) + 1, size))
    for i, words in enumerate([*images, query]):
        np.add.at(counts[i], words, 1)
    contained = np.count_nonzero(counts[:-1], axis=0)
    weighted = counts * np.log(len(images) / contained.clip(1))
    lengths = np.sqrt((weighted**2).sum(1))
    unit = np.divide(
        weighted, lengths[:, None], out=np.zeros(weighted.shape), where=lengths[:, None] > 0
    )
    return unit[:-1] @ unit[-1], int(contained[counts[-1] > 0].sum())


@answers("choose-tables")
def tables_one_by_one(stored, asked, nearest, goal):
    queries = range(asked.shape[1])
    lists = [set() for _ in queries]
    for t in range(len(stored)):
        for q in queries:
            lists[q] |= set(np.flatnonzero(stored[t] == asked[t, q]).tolist())
        recall = sum(int(nearest[q]) in lists[q] for q in queries) / len(lists)
        if recall >= goal:
            return [t + 1, recall, sum(map(len, lists)) / len(lists)]
    return None


@answers("choose-tables")
def tables_by_the_first_that_shares(stored, asked, nearest, goal):
    # For each point and query, the number of tables with which it becomes a candidate.
    count = len(stored)
    shared = stored[:, :, None] == asked[:, None, :]
    first = np.where(shared.any(0), shared.argmax(0), count)  # (N, Q)
    needed = first[nearest, np.arange(asked.shape[1])]
    tables = next(t for t in range(1, count + 1) if np.mean(needed < t) >= goal)
    return tables, np.mean(needed < tables), (first < tables).sum() / asked.shape[1]


def _transform(points):
    """Return the matrix that normalises points."""
    x, y = points.mean(0)
    s = math.sqrt(2) / np.hypot(*(points - (x, y)).T).mean()
    return np.array([[s, 0, -s * x], [0, s, -s * y], [0, 0, 1]])


def _fitted(a, b):
    """Return the homography of pairs by the smallest eigenvector."""
    T, U = _transform(a), _transform(b)
    p = np.column_stack([a, np.ones(len(a))]) @ T.T
    q = np.column_stack([b, np.ones(len(b))]) @ U.T
    rows = np.zeros((2, len(a), 3, 3))
    rows[0, :, 0] = rows[1, :, 1] = p
    rows[0, :, 2], rows[1, :, 2] = -q[:, :1] * p, -q[:, 1:2] * p
    rows = rows.reshape(-1, 9)
    H = np.linalg.svd(rows, full_matrices=True)[2][8].reshape(3, 3)
    H = np.linalg.solve(U, H @ T)
    return H / H[-1, -1]


@answers("ransac-homography", _transform, _fitted)
def consensus_by_areas(a, b, draws, threshold):
    kept = []
    for four in draws:
        areas = []
        for triple in combinations(four, 3):
            (px, py), (qx, qy), (rx, ry) = a[list(triple)]
            areas.append(abs((qx - px) * (ry - py) - (qy - py) * (rx - px)))
        if min(areas) < 1e-8:
            continue
        H = _fitted(a[four], b[four])
        x, y, w = H @ np.vstack([a.T, np.ones(len(a))])
        kept.append(np.hypot(x / w - b[:, 0], y / w - b[:, 1]) <= threshold)
    inliers = max(kept, key=np.count_nonzero)  # the first of equal ones
    return [_fitted(a[inliers], b[inliers]).tolist(), inliers.tolist()]


@answers("ransac-homography", _transform, _fitted)
def consensus_of_all_draws(a, b, draws, threshold):
    points = np.column_stack([a, np.ones(len(a))])
    volumes = np.stack(
        [np.linalg.det(points[np.delete(draws, k, axis=1)]) for k in range(4)], axis=1
    )
    counts, agreed = np.zeros(len(draws), int), np.zeros((len(draws), len(a)), bool)
    for t in np.flatnonzero((abs(volumes) > 1e-9).all(1)):
        moved = points @ _fitted(a[draws[t]], b[draws[t]]).T
        gap = moved[:, :2] - b * moved[:, 2:]
        agreed[t] = (gap**2).sum(1) <= (threshold * moved[:, 2]) ** 2
        counts[t] = agreed[t].sum()
    best = agreed[counts.argmax()]
    return _fitted(a[best], b[best]), best
