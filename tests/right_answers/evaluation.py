"""Right answers to the tasks on evaluation."""

from __future__ import annotations

import numpy as np

from right_answers import answers

"""Right answers in other styles to the tasks of 06_evaluation, for tests/grading/test_probes.py."""


@answers("histogram-intersection")
def mean_of_two_shares(a, b):
    if a.shape != b.shape or a.max() <= 0 or b.max() <= 0:
        raise ValueError("histograms")
    totals = np.array([a.sum(), b.sum()], dtype=float)
    smaller = np.where(a < b, a, b)
    return float(np.mean(smaller.sum() / totals))


@answers("histogram-intersection")
def cell_by_cell(q, v):
    if np.shape(q) != np.shape(v):
        raise ValueError("shapes")
    q, v = [float(n) for n in q.ravel()], [float(n) for n in v.ravel()]
    if not any(q) or not any(v):
        raise ValueError("empty")
    shared = sum(map(min, q, v))
    return 0.5 * shared / sum(q) + 0.5 * shared / sum(v)


@answers("histogram-intersection")
def by_the_l1_distance(q, v):
    if q.shape != v.shape or q.sum() * v.sum() == 0:
        raise ValueError("shapes or totals")
    shared = (q.sum() + v.sum() - np.abs(q.astype(float) - v).sum()) / 2
    return shared * (1 / q.sum() + 1 / v.sum()) / 2


@answers("chi-square")
def divided_where_occupied(query, gallery):
    total, squares = query[None] + gallery, np.square(gallery - query)
    return np.divide(squares, total, out=np.zeros_like(total), where=total != 0).sum(-1)


@answers("chi-square")
def sum_without_nan(query, gallery):
    with np.errstate(invalid="ignore"):
        return np.nansum((query - gallery) ** 2 / (query + gallery), axis=1)


@answers("chi-square")
def row_by_row_of_chi_square(query, gallery):
    found = []
    for row in gallery:
        used = (query + row) > 0
        q, v = query[used], row[used]
        found.append(sum((q - v) ** 2 / (q + v)))
    return found


@answers("roc-curve")
def curve_by_cumulative_sums(positive, scores):
    if len(set(positive.tolist())) < 2:
        raise ValueError("one kind only")
    order = np.argsort(-scores, kind="stable")
    scores, hits = scores[order], positive[order]
    last = np.append(np.flatnonzero(np.diff(scores)), len(scores) - 1)  # of each tied group
    tps, fps = np.cumsum(hits)[last], np.cumsum(~hits)[last]
    rates = [np.concatenate([[0], count / count[-1]]) for count in (fps, tps)]
    return rates[0], rates[1], np.concatenate([[np.inf], scores[last]])


@answers("roc-curve")
def curve_by_plain_loops(positive, scores):
    n_positive = int(sum(positive))
    if n_positive in (0, len(positive)):
        raise ValueError("one kind only")
    thresholds = [float("inf"), *sorted(set(scores.tolist()), reverse=True)]
    fpr, tpr = [], []
    for threshold in thresholds:
        pairs = list(zip(positive.tolist(), (scores >= threshold).tolist(), strict=True))
        tpr.append(pairs.count((True, True)) / n_positive)
        fpr.append(pairs.count((False, True)) / (len(positive) - n_positive))
    return fpr, tpr, thresholds


@answers("roc-curve")
def curve_by_bincount(positive, scores):
    if positive.all() or not positive.any():
        raise ValueError("one kind only")
    levels, level = np.unique(-scores, return_inverse=True)
    counts = [np.bincount(level, kind, len(levels)).cumsum() for kind in (~positive, positive)]
    fpr, tpr = (np.insert(count / count[-1], 0, 0.0) for count in counts)
    return fpr, tpr, np.insert(-levels.astype(float), 0, np.inf)


@answers("average-precision")
def precision_at_each_positive(positive, scores):
    if positive.sum() < 1:
        raise ValueError("nothing to find")
    levels = [scores >= score for score in scores[positive]]
    return np.mean([positive[accepted].mean() for accepted in levels])


@answers("average-precision")
def precision_by_cumulative_sums(positive, scores):
    if True not in positive.tolist():
        raise ValueError("nothing to find")
    order = np.argsort(scores)[::-1]
    hits = np.cumsum(positive[order])
    last = np.flatnonzero(np.diff(scores[order], append=-np.inf))
    precision, recall = hits[last] / (last + 1), hits[last] / hits[-1]
    return float(np.sum((recall - np.append(0, recall[:-1])) * precision))


@answers("choose-threshold")
def one_sweep_over_the_sorted_scores(positive, scores, miss, alarm):
    order = sorted(range(len(scores)), key=lambda i: -scores[i])
    cost = miss * sum(bool(p) for p in positive)
    best, threshold = cost, float("inf")
    for place, i in enumerate(order):
        cost += -miss if positive[i] else alarm
        last = place + 1 == len(order) or scores[order[place + 1]] != scores[i]
        if last and cost < best:
            best, threshold = cost, float(scores[i])
    return threshold


@answers("choose-threshold")
def bills_in_a_dictionary(positive, scores, miss, alarm):
    bills = {}
    for t in [np.inf, *np.unique(scores)]:
        called = scores >= t
        bills[t] = miss * np.sum(positive & ~called) + alarm * np.sum(called & ~positive)
    return max(t for t in bills if bills[t] == min(bills.values()))
