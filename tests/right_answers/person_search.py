"""Right answers to the tasks on NDCG, three losses, CMC, the weight of words, instance matching."""

from __future__ import annotations

import math

import numpy as np

from right_answers import answers


@answers("ndcg")
def ndcg_place_by_place(gains, scores, k=None):
    k = len(gains) if k is None else min(k, len(gains))
    pairs = sorted(zip(scores.tolist(), gains.tolist(), strict=True), reverse=True)
    ordered = sorted(gains.tolist(), reverse=True)
    ours = sum(pairs[r][1] / math.log2(r + 2) for r in range(k))
    return ours / sum(ordered[r] / math.log2(r + 2) for r in range(k))


@answers("ndcg")
def ndcg_by_ranks(gains, scores, k=None):
    discount = np.log(2) / np.log(np.arange(len(gains)) + 2)
    if k is not None:
        discount[k:] = 0
    rank = (scores[None] > scores[:, None]).sum(axis=1)
    best = -np.sort(-gains)
    return float(np.sum(gains * discount[rank]) / np.sum(best * discount))


@answers("three-stream-loss")
def streams_triplet_by_triplet(images, texts, margin):
    total, count = 0.0, images.shape[1]
    for n in range(count):
        for a, b in ((images, images), (images, texts), (texts, images)):
            gap = margin - a[0, n] @ b[1, n] + a[0, n] @ b[2, n]
            if gap > 0:
                total += gap / 2
    return total / count


@answers("three-stream-loss")
def streams_by_einsum(images, texts, margin):
    anchors = np.stack([images[0], images[0], texts[0]])
    others = np.stack([images[2] - images[1], texts[2] - texts[1], images[2] - images[1]])
    gaps = margin + np.einsum("snd,snd->sn", anchors, others)
    return 0.5 * gaps.clip(min=0).mean(axis=1).sum()


@answers("cmc")
def cmc_by_sorting(distances, query_id, gallery_id, query_camera, gallery_camera, junk, ranks):
    curves = []
    for q in range(len(query_id)):
        right = gallery_id == query_id[q]
        kept = ~junk & ~(right & (gallery_camera == query_camera[q]))
        # Of equal distances the wrong ones come first.
        order = np.lexsort((right[kept], distances[q, kept]))
        hits = right[kept][order]
        if hits.any():
            found = np.maximum.accumulate(hits)[:ranks]
            curves.append(np.pad(found, (0, ranks - len(found)), constant_values=True))
    return np.mean(curves, axis=0)


@answers("cmc")
def cmc_crop_by_crop(distances, query_id, gallery_id, query_camera, gallery_camera, junk, ranks):
    counts, queries = [0] * ranks, 0
    for q, person in enumerate(query_id):
        right, wrong = [], []
        for g, far in enumerate(distances[q]):
            if junk[g]:
                continue
            if gallery_id[g] != person:
                wrong.append(far)
            elif gallery_camera[g] != query_camera[q]:
                right.append(far)
        if not right:
            continue
        queries += 1
        place = sum(far <= min(right) for far in wrong)
        for r in range(place, ranks):
            counts[r] += 1
    return [count / queries for count in counts]


@answers("choose-weight")
def weight_query_by_query(picture_scores, text_scores, own, wanted, weights):
    marks = []
    for weight in weights:
        total = 0.0
        for pictures, texts, mine, goal in zip(
            picture_scores, text_scores, own, wanted, strict=True
        ):
            scores = pictures + weight * texts
            place = 1
            for g, score in enumerate(scores):
                if g not in (mine, goal) and score >= scores[goal]:
                    place += 1
            total += 1 / place
        marks.append((total / len(own), -weight))
    quality, weight = max(marks)
    return -weight, quality


@answers("choose-weight")
def weight_by_masks(picture_scores, text_scores, own, wanted, weights):
    steps = np.sort(np.asarray(weights, float))
    scores = picture_scores[None] + steps[:, None, None] * text_scores[None]
    goal = np.take_along_axis(scores, wanted[None, :, None], axis=2)
    left = np.arange(picture_scores.shape[1])[None] != own[:, None]
    quality = (1 / ((scores >= goal) & left[None]).sum(axis=2)).mean(axis=1)
    return steps[quality.argmax()], quality.max()


@answers("oim-loss")
def matching_vector_by_vector(x, labels, table, queue, head, temperature=0.1, beta=0.5):
    known = np.vstack([table, queue])
    named = [n for n, label in enumerate(labels) if label != -1]
    loss, gradient = 0.0, np.zeros_like(x)
    for n in named:
        scores = known @ x[n] / temperature
        weights = np.exp(scores - scores.max())
        p = weights / weights.sum()
        loss += scores.max() + math.log(weights.sum()) - scores[labels[n]]
        gradient[n] = (p @ known - table[labels[n]]) / temperature / len(named)
    loss = loss / len(named) if named else 0
    table, queue = np.array(table), np.array(queue)
    for vector, label in zip(x, labels, strict=True):
        if label == -1:
            if queue.shape[0] > 0:
                queue[head] = vector
                head = 0 if head + 1 == queue.shape[0] else head + 1
        else:
            row = beta * table[label] + (1 - beta) * vector
            table[label] = row / math.sqrt(row @ row)
    return [loss, gradient, table, queue, head]


@answers("oim-loss")
def matching_in_one_matrix(x, labels, table, queue, head, temperature=0.1, beta=0.5):
    known = np.concatenate([table, queue])
    scores = x @ known.T / temperature
    log_p = scores - np.logaddexp.reduce(scores, axis=1, keepdims=True)
    target = labels[:, None] == np.arange(len(known))
    count = max(int((labels >= 0).sum()), 1)
    loss = -log_p[target].sum() / count
    push = np.where(labels[:, None] >= 0, np.exp(log_p) - target, 0.0)
    gradient = push @ known / (count * temperature)
    fresh = table.copy()
    for n in np.flatnonzero(labels >= 0):
        y = labels[n]
        fresh[y] = beta * fresh[y] + (1 - beta) * x[n]
        fresh[y] /= np.sqrt(np.sum(fresh[y] ** 2))
    waiting = queue.copy()
    if len(waiting):
        for vector in x[labels < 0]:
            waiting[head] = vector
            head = (head + 1) % len(waiting)
    return loss, gradient, fresh, waiting, head
