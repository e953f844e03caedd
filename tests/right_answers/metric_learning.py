"""Right answers to the tasks on verification, pairs, thresholds, angles and triplets."""

from __future__ import annotations

import math

import numpy as np

from right_answers import answers


@answers("verification-roc")
def rates_pair_by_pair(embeddings, identities, thresholds):
    far, tar = [], []
    for threshold in thresholds:
        counts = {True: [0, 0], False: [0, 0]}  # accepted, all
        for i in range(len(embeddings)):
            for j in range(i):
                distance = math.sqrt(sum((embeddings[i] - embeddings[j]) ** 2))
                kind = counts[bool(identities[i] == identities[j])]
                kind[0] += distance <= threshold
                kind[1] += 1
        far.append(counts[False][0] / counts[False][1])
        tar.append(counts[True][0] / counts[True][1])
    return [far, tar]


@answers("verification-roc")
def rates_of_all_ordered_pairs(embeddings, identities, thresholds):
    # Every pair twice, which changes no share.
    distances = np.sqrt(((embeddings[:, None] - embeddings) ** 2).sum(-1))
    same = identities[:, None] == identities
    other = ~same
    np.fill_diagonal(same, False)
    return tuple(
        np.array([(distances[kind] <= t).sum() / kind.sum() for t in thresholds])
        for kind in (other, same)
    )


@answers("contrastive-loss")
def contrast_pair_by_pair(a, b, same, margin):
    loss, gradient = 0.0, np.zeros(a.shape)
    for i, (one, other, alike) in enumerate(zip(a, b, same, strict=True)):
        d = math.dist(one, other)
        if alike:
            loss += d * d
            gradient[i] = 2 * (one - other)
        elif d < margin:
            loss += (margin - d) ** 2
            if d > 0:
                gradient[i] = -2 * (margin - d) * (one - other) / d
    return [loss / len(a), gradient / len(a)]


@answers("contrastive-loss")
def contrast_with_masks(a, b, same, margin):
    gap = a - b
    d = np.sqrt(np.einsum("nd,nd->n", gap, gap))
    direction = np.zeros(gap.shape)
    np.divide(gap, d[:, None], out=direction, where=d[:, None] > 0)
    pushed = ~same & (d < margin)
    slope = np.zeros(len(a))  # of the loss in the distance
    slope[same] = 2 * d[same]
    slope[pushed] = -2 * (margin - d[pushed])
    loss = (d[same] ** 2).sum() + ((margin - d[pushed]) ** 2).sum()
    return loss / len(d), direction * (slope / len(d))[:, None]


@answers("choose-embedding")
def network_by_sorting(validation, test, far):
    best = None
    for number, (distances, same) in enumerate(validation):
        strangers = np.sort(distances[~same])
        allowed = math.floor(far * len(strangers) + 1e-9)
        limit = strangers[allowed] if allowed < len(strangers) else np.inf
        threshold = max(d for d in distances if d < limit)
        rate = float((distances[same] <= threshold).mean())
        if best is None or rate > best[0]:
            best = rate, number, threshold
    _, number, threshold = best
    distances, same = test[number]
    inside = distances <= threshold
    return [number, threshold, (inside & ~same).sum() / (~same).sum(), inside[same].mean()]


@answers("choose-embedding")
def network_threshold_by_threshold(validation, test, far):
    def shares(entry, threshold):
        accepted = {True: 0, False: 0}
        counts = {True: 0, False: 0}
        for d, alike in zip(*entry, strict=True):
            counts[bool(alike)] += 1
            accepted[bool(alike)] += bool(d <= threshold)
        return accepted[False] / counts[False], accepted[True] / counts[True]

    kept = []
    for entry in validation:
        threshold = None
        for candidate in sorted(float(d) for d in entry[0]):
            if shares(entry, candidate)[0] <= far:
                threshold = candidate
        kept.append((shares(entry, threshold)[1], threshold))
    number = max(range(len(kept)), key=lambda k: (kept[k][0], -k))
    return (number, kept[number][1], *shares(test[number], kept[number][1]))


@answers("arcface-logits")
def arcface_entry_by_entry(features, templates, labels, margin, scale):
    logits = np.zeros((len(features), len(templates)))
    for i, z in enumerate(features):
        for c, w in enumerate(templates):
            cosine = float(z @ w) / math.sqrt(float(z @ z) * float(w @ w))
            if c == labels[i]:
                theta = math.acos(max(-1.0, min(1.0, cosine)))
                if theta > math.pi - margin:
                    cosine -= margin * math.sin(margin)
                else:
                    cosine = math.cos(theta + margin)
            logits[i, c] = scale * cosine
    return logits


@answers("arcface-logits")
def arcface_by_the_addition_theorem(features, templates, labels, margin, scale):
    z = features.T / np.sqrt((features**2).sum(1))
    w = templates.T / np.sqrt((templates**2).sum(1))
    cosine = z.T @ w
    sine = np.sqrt(np.maximum(0, 1 - cosine**2))
    turned = cosine * np.cos(margin) - sine * np.sin(margin)
    turned = np.where(cosine >= -np.cos(margin), turned, cosine - margin * np.sin(margin))
    own = labels[:, None] == np.arange(len(templates))
    return np.where(own, turned, cosine) * scale


@answers("semi-hard-negatives")
def semi_hard_triplet_by_triplet(embeddings, identities, margin):
    n = len(embeddings)
    chosen = [[[False] * n for _ in range(n)] for _ in range(n)]
    costs, steps = [], np.zeros(embeddings.shape)
    for a in range(n):
        for p in range(n):
            if a == p or identities[a] != identities[p]:
                continue
            near = float(((embeddings[a] - embeddings[p]) ** 2).sum())
            for k in range(n):
                far = float(((embeddings[a] - embeddings[k]) ** 2).sum())
                if identities[k] != identities[a] and near < far < near + margin:
                    chosen[a][p][k] = True
                    costs.append(near - far + margin)
                    steps[a] += 2 * (embeddings[k] - embeddings[p])
                    steps[p] += 2 * (embeddings[p] - embeddings[a])
                    steps[k] += 2 * (embeddings[a] - embeddings[k])
    if not costs:
        return chosen, 0, steps
    return chosen, sum(costs) / len(costs), steps / len(costs)


@answers("semi-hard-negatives")
def semi_hard_by_counting(embeddings, identities, margin):
    # The gradient of a weighted sum of squared distances is that of a graph.
    gaps = embeddings[:, None, :] - embeddings[None, :, :]
    squared = np.einsum("ijd,ijd->ij", gaps, gaps)
    other = identities[:, None] != identities
    alike = np.triu(~other, 1) | np.tril(~other, -1)
    lead = squared[:, None, :] - squared[:, :, None]  # negative minus positive
    chosen = alike[:, :, None] & other[:, None, :] & (lead > 0) & (lead < margin)
    # As in the definition: a sum that rounding has moved to the margin is outside.
    chosen &= squared[:, None, :] < squared[:, :, None] + margin
    count = chosen.sum()
    if count == 0:
        return chosen, 0.0, np.zeros(embeddings.shape)
    weights = chosen.sum(axis=2).astype(float) - chosen.sum(axis=1)  # of D[i, j]
    weights = weights + weights.T
    gradient = 2 * (weights.sum(1, keepdims=True) * embeddings - weights @ embeddings)
    return chosen, margin - lead[chosen].mean(), gradient / count
