"""Right answers to the tasks on prototypes, attention, episodes, a paired choice, inner steps."""

from __future__ import annotations

import numpy as np
import torch

from right_answers import answers


@answers("prototypes")
def prototypes_by_sums(support, labels, query):
    classes, place = np.unique(labels, return_inverse=True)
    sums = np.zeros((len(classes), support.shape[1]))
    np.add.at(sums, place, support)
    means = sums / np.bincount(place)[:, None]
    cross = query @ means.T
    return classes, 2 * cross - (query**2).sum(1)[:, None] - (means**2).sum(1)


@answers("prototypes")
def prototypes_one_by_one(support, labels, query):
    kinds = sorted(set(labels.tolist()))
    logits = []
    for row in query:
        line = []
        for kind in kinds:
            mine = [s for s, label in zip(support, labels, strict=True) if label == kind]
            gap = row - sum(mine) / len(mine)
            line.append(-float(gap @ gap))
        logits.append(line)
    return kinds, np.array(logits)


@answers("matching-attention")
def attention_by_loops(support, labels, query, classes, temperature):
    result = np.zeros((len(query), classes))
    for q, row in enumerate(query):
        cosine = support @ row / (np.linalg.norm(support, axis=1) * np.linalg.norm(row))
        weights = np.exp((cosine - max(cosine)) / temperature)
        for weight, label in zip(weights, labels, strict=True):
            result[q, label] += weight / weights.sum()
    return result


@answers("matching-attention")
def attention_by_log_sum(support, labels, query, classes, temperature):
    lengths = np.linalg.norm(query, axis=1)[:, None] * np.linalg.norm(support, axis=1)
    logits = query @ support.T / lengths / temperature
    total = np.logaddexp.reduce(logits, axis=1, keepdims=True)
    weights = np.exp(logits - total)
    columns = [weights[:, labels == c].sum(axis=1) for c in range(classes)]
    return np.stack(columns, axis=1)


@answers("sample-episode")
def episode_from_shuffled_classes(labels, allowed, ways, shots, queries, rng):
    classes = rng.permutation(allowed)[:ways]
    support, query = [], []
    for kind in classes:
        images = [n for n, label in enumerate(labels) if label == kind]
        rng.shuffle(images)
        support.append(images[:shots])
        query.append(images[shots : shots + queries])
    return classes, np.array(support), np.array(query)


@answers("sample-episode")
def episode_from_one_order(labels, allowed, ways, shots, queries, rng):
    order = rng.permutation(len(labels))
    keys = rng.random(len(allowed))
    classes = np.asarray(allowed)[np.argsort(keys)[:ways]]
    rows = np.array([order[labels[order] == c][: shots + queries] for c in classes])
    support, query = np.split(rows, [shots], axis=1)
    return classes.tolist(), support, query


def _right(rule, episode):
    support, labels, query, truth = episode
    hits = 0
    for row, wanted in zip(query, truth, strict=True):
        if rule == "nearest":
            said = labels[np.argmin(np.linalg.norm(support - row, axis=1))]
        else:
            gaps = {c: np.linalg.norm(support[labels == c].mean(0) - row) for c in set(labels)}
            said = min(gaps, key=gaps.get)
        hits += bool(said == wanted)
    return hits / len(query)


@answers("choose-rule", _right)
def rule_by_single_queries(episodes):
    gains = np.array([_right("means", each) - _right("nearest", each) for each in episodes])
    count = len(gains)
    mean = gains.sum() / count
    half = 1.96 * (((gains - mean) ** 2).sum() / (count - 1) / count) ** 0.5
    low, high = mean - half, mean + half
    decision = "prototypes" if low > 0 else "nearest" if high < 0 else "unclear"
    return mean, half, decision


@answers("choose-rule")
def rule_by_products(episodes):
    gains = []
    for support, labels, query, truth in episodes:
        classes, place = np.unique(labels, return_inverse=True)
        one_hot = np.eye(len(classes))[place]  # (N, W)
        means = (one_hot / one_hot.sum(0)).T @ support
        right = []
        for points, kinds in ((means, classes), (support, labels)):
            score = 2 * query @ points.T - (points**2).sum(1)
            right.append((kinds[score.argmax(1)] == truth).mean())
        gains.append(right[0] - right[1])
    mean, half = np.mean(gains), 1.96 * np.std(gains, ddof=1) * len(gains) ** -0.5
    names = {1: "prototypes", -1: "nearest", 0: "unclear"}
    return [mean, half, names[int(mean > half) - int(mean < -half)]]


@answers("maml-inner-step")
def steps_with_detached_slopes(theta, loss_of, rate, steps=1, first_order=False):
    phi = [w + 0 for w in theta]
    for _ in range(steps):
        slopes = torch.autograd.grad(loss_of(phi), phi, create_graph=True)
        if first_order:
            slopes = [g.detach() for g in slopes]
        phi = [torch.add(w, g, alpha=-rate) for w, g in zip(phi, slopes, strict=True)]
    return phi


def _once(phi, loss_of, rate, keep):
    slopes = torch.autograd.grad(loss_of(phi), phi, create_graph=keep)
    return [w - rate * slopes[k] for k, w in enumerate(phi)]


@answers("maml-inner-step", _once)
def steps_by_a_helper(theta, loss_of, rate, steps=1, first_order=False):
    phi, left = tuple(theta), steps
    while left:
        phi, left = _once(phi, loss_of, rate, not first_order), left - 1
    return phi
