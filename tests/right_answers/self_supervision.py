"""Right answers on masks, neighbours, pseudo-labels, contrast and the choice of an encoder."""

from __future__ import annotations

import numpy as np

from right_answers import answers


@answers("random-mask")
def mask_by_counting(noise, visible):
    restore = (noise[:, None, :] < noise[:, :, None]).sum(axis=2)
    keep = np.array([[list(row).index(k) for k in range(visible)] for row in restore])
    return keep, restore > visible - 1, restore


@answers("random-mask")
def mask_by_sorted_pairs(noise, visible):
    keep, hidden, restore = [], [], []
    for row in noise:
        order = [place for _, place in sorted((value, i) for i, value in enumerate(row))]
        rank = {place: k for k, place in enumerate(order)}
        keep.append(order[:visible])
        restore.append([rank[i] for i in range(len(row))])
        hidden.append([rank[i] not in range(visible) for i in range(len(row))])
    return np.array(keep), np.array(hidden), np.array(restore)


@answers("knn-probe")
def votes_in_a_loop(known, labels, new, k, tau, classes):
    middle, size = np.mean(known, axis=0), np.std(known, axis=0)
    rows = []
    for vector in (new - middle) / size:
        pairs = []
        for other, label in zip((known - middle) / size, labels, strict=True):
            s = vector @ other / np.sqrt((vector @ vector) * (other @ other))
            pairs.append((s, label))
        pairs.sort(key=lambda pair: -pair[0])
        votes = [0.0] * classes
        for s, label in pairs[:k]:
            votes[int(label)] += np.exp(s / tau)
        rows.append([v / sum(votes) for v in votes])
    return np.array(rows)


@answers("knn-probe")
def votes_by_partition(known, labels, new, k, tau, classes):
    z = np.concatenate([known, new]) - known.mean(0)
    z = z / known.std(0)
    z = z / np.sqrt(np.square(z).sum(1))[:, None]
    s = z[len(known) :] @ z[: len(known)].T
    least = np.partition(s, -k, axis=1)[:, -k]
    w = np.where(s >= least[:, None], np.exp(s / tau), 0.0)
    votes = w @ np.eye(classes)[labels]
    return votes / votes.sum(1)[:, None]


@answers("pseudo-label-step")
def step_by_the_kept(weak, strong, threshold, weight):
    gradient, loss = np.zeros(strong.shape), 0.0
    for j, (a, b) in enumerate(zip(weak, strong, strict=True)):
        c = int(np.argmax(a))
        if 1 / np.exp(a - a[c]).sum() <= threshold:
            continue
        loss += b.max() - b[c] + np.log(np.exp(b - b.max()).sum())
        gradient[j] = np.exp(b - b.max()) / np.exp(b - b.max()).sum()
        gradient[j, c] -= 1
    return weight * loss / len(weak), weight * gradient / len(weak)


@answers("pseudo-label-step")
def step_by_one_hot(weak, strong, threshold, weight):
    def shares(x):
        e = np.exp(x - np.max(x, 1)[:, None])
        return e / e.sum(1)[:, None]

    p = shares(weak)
    target = np.eye(p.shape[1])[p.argmax(1)] * (p.max(1) > threshold)[:, None]
    normaliser = np.logaddexp.reduce(strong, axis=1)
    loss = np.mean(target.sum(1) * normaliser - (target * strong).sum(1))
    slope = target.sum(1)[:, None] * shares(strong) - target
    return [weight * loss, weight * slope / len(p)]


@answers("nt-xent")
def contrast_in_a_loop(z, tau):
    n = len(z)
    unit = [row / np.sqrt(row @ row) for row in z]
    loss, slope = 0.0, np.zeros((n, n))
    for i in range(n):
        others = [j for j in range(n) if j != i]
        x = np.array([unit[i] @ unit[j] / tau for j in others])
        top = x.max()
        share = np.exp(x - top) / np.exp(x - top).sum()
        partner = others.index((i + n // 2) % n)
        loss += (np.log(np.exp(x - top).sum()) + top - x[partner]) / n
        share[partner] -= 1
        slope[i, others] = share / (n * tau)
    return loss, slope


@answers("nt-xent")
def contrast_by_halves(z, tau):
    N = len(z) // 2
    unit = z / np.sqrt(np.einsum("ij,ij->i", z, z))[:, None]
    x = np.where(np.eye(2 * N, dtype=bool), -np.inf, unit @ unit.T / tau)
    total = np.logaddexp.reduce(x, axis=1)
    across = np.einsum("ij,ij->i", unit[:N], unit[N:]) / tau
    target = np.kron(np.array([[0, 1], [1, 0]]), np.eye(N))
    slope = (np.exp(x - total[:, None]) - target) / (2 * N * tau)
    return (total.sum() - 2 * across.sum()) / (2 * N), slope


@answers("choose-encoder")
def encoder_in_a_loop(features, labels, margin):
    worth = []
    for f in features:
        hits = 0
        for i in range(len(f)):
            s = [
                -2.0 if j == i else f[i] @ f[j] / np.sqrt((f[i] @ f[i]) * (f[j] @ f[j]))
                for j in range(len(f))
            ]
            hits += labels[int(np.argmax(s))] == labels[i]
        worth.append(hits / len(f))
    best, choice = worth[0], 0
    for e in range(1, len(worth)):
        if worth[e] - best > margin:
            best, choice = worth[e], e
    return choice, np.array(worth)


@answers("choose-encoder")
def encoder_by_distances(features, labels, margin):
    worth = np.empty(len(features))
    for e, f in enumerate(features):
        u = f / np.sqrt(np.square(f).sum(1, keepdims=True))
        d = np.square(u[:, None] - u[None]).sum(2) + 9 * np.eye(len(u))
        worth[e] = (labels[d.argmin(1)] == labels).mean()
    choice = 0
    while True:
        later = [e for e in range(choice + 1, len(worth)) if worth[e] > worth[choice] + margin]
        if not later:
            return choice, worth
        choice = later[0]
