"""Right answers to the tasks on teacher forcing, attention, BLEU, glimpses, questions."""

from __future__ import annotations

import math
import statistics

import numpy as np

from right_answers import answers


@answers("teacher-pairs")
def pairs_by_padding_lists(captions, start, end, pad):
    longest = max(map(len, captions))
    inputs = [[start, *words, *[pad] * (longest - len(words))] for words in captions]
    targets = [[*words, end, *[pad] * (longest - len(words))] for words in captions]
    return np.array(inputs), np.array(targets)


@answers("teacher-pairs")
def pairs_by_one_long_row(captions, start, end, pad):
    width = 2 + max(len(words) for words in captions)
    whole = np.full((len(captions), width), pad)
    for row, words in zip(whole, captions, strict=True):
        row[: len(words) + 2] = [start, *words, end]
    inputs = whole[:, :-1].copy()
    inputs[inputs == end] = pad
    return inputs, whole[:, 1:]


@answers("additive-attention")
def attention_key_by_key(query, keys, w_q, w_k, a, mask):
    contexts, weights = np.zeros((len(keys), keys.shape[2])), np.zeros(mask.shape)
    for n in range(len(keys)):
        real = [int(i) for i in np.flatnonzero(mask[n])]
        asked = w_q @ query[n]
        scores = [float(a @ np.tanh(asked + w_k @ keys[n, i])) for i in real]
        shares = [math.exp(score - max(scores)) for score in scores]
        for i, share in zip(real, shares, strict=True):
            weights[n, i] = share / sum(shares)
            contexts[n] += weights[n, i] * keys[n, i]
    return contexts, weights


@answers("additive-attention")
def attention_by_einsum(query, keys, w_q, w_k, a, mask):
    hidden = np.einsum("aq,nq->na", w_q, query)[:, None, :] + np.einsum("ak,ntk->nta", w_k, keys)
    scores = np.einsum("a,nta->nt", a, np.tanh(hidden))
    top = np.max(np.where(mask, scores, scores.min() - 1), axis=1)[:, None]
    shares = mask * np.exp(np.minimum(scores - top, 0))
    shares /= shares.sum(1)[:, None]
    return (shares[:, None, :] @ keys)[:, 0], shares


@answers("bleu")
def bleu_by_crossing_out(captions, references, longest=4):
    logs = []
    for n in range(1, longest + 1):
        found = total = 0
        for words, texts in zip(captions, references, strict=True):
            left = {}
            for text in texts:
                own = {}
                for i in range(len(text) - n + 1):
                    key = " ".join(text[i : i + n])
                    own[key] = own.get(key, 0) + 1
                for key, count in own.items():
                    left[key] = max(left.get(key, 0), count)
            for i in range(len(words) - n + 1):
                key = " ".join(words[i : i + n])
                total += 1
                if left.get(key, 0) > 0:
                    left[key] -= 1
                    found += 1
        if found == 0:
            return 0
        logs.append(math.log(found / total))
    own = sum(len(words) for words in captions)
    near = 0
    for words, texts in zip(captions, references, strict=True):
        gaps = sorted((abs(len(text) - len(words)), len(text)) for text in texts)
        near += gaps[0][1]
    if own < near:
        logs.append(longest * (1 - near / own))
    return math.exp(sum(logs) / longest)


@answers("bleu")
def bleu_by_unique_runs(captions, references, longest=4):
    def runs(words, n):
        return [tuple(words[i : i + n]) for i in range(max(0, len(words) - n + 1))]

    product, ours, theirs = 1.0, 0, 0
    for n in range(1, longest + 1):
        top, bottom = 0, 0
        for words, texts in zip(captions, references, strict=True):
            own = runs(words, n)
            bottom += len(own)
            for run in set(own):
                top += min(own.count(run), max(runs(text, n).count(run) for text in texts))
        product *= top / bottom if bottom else 0.0
    for words, texts in zip(captions, references, strict=True):
        lengths = np.sort([len(text) for text in texts])
        ours += len(words)
        theirs += int(lengths[np.argmin(np.abs(lengths - len(words)))])
    factor = 1.0 if ours >= theirs else np.exp(1.0 - theirs / ours)
    return factor * product ** (1.0 / longest)


@answers("glimpse")
def glimpse_point_by_point(image, centre, side, spacing=1.0):
    height, width = image.shape

    def pixel(row, column):
        inside = 0 <= row < height and 0 <= column < width
        return float(image[row, column]) if inside else 0.0

    results = np.zeros((3, side, side))
    for i in range(side):
        for j in range(side):
            u = centre[0] + (j - (side - 1) / 2) * spacing
            v = centre[1] + (i - (side - 1) / 2) * spacing
            n, m = math.floor(u), math.floor(v)
            s, t = u - n, v - m
            a, b, c, d = (pixel(m + p, n + q) for p in (0, 1) for q in (0, 1))
            results[0, i, j] = (1 - t) * ((1 - s) * a + s * b) + t * ((1 - s) * c + s * d)
            results[1, i, j] = (1 - t) * (b - a) + t * (d - c)
            results[2, i, j] = (1 - s) * (c - a) + s * (d - b)
    return tuple(results)


@answers("glimpse")
def glimpse_of_a_padded_image(image, centre, side, spacing=1.0):
    padded = np.pad(image, 2).astype(float)
    height, width = image.shape
    steps = spacing * (np.arange(side) - 0.5 * side + 0.5)
    u = np.clip(centre[0] + steps, -1.5, width + 0.5) + 2
    v = np.clip(centre[1] + steps, -1.5, height + 0.5) + 2
    left, top = np.floor(u).astype(int), np.floor(v).astype(int)
    s, t = (u - left)[None, :], (v - top)[:, None]
    a, b = padded[top[:, None], left], padded[top[:, None], left + 1]
    c, d = padded[top[:, None] + 1, left], padded[top[:, None] + 1, left + 1]
    upper, lower = a + s * (b - a), c + s * (d - c)
    by_x = (b - a) + t * ((d - c) - (b - a))
    return [upper + t * (lower - upper), by_x, lower - upper]


@answers("types-that-look")
def types_one_by_one(types, truths, answers, blind):
    gains = {}
    for kind, right, seen, other in zip(types, truths, answers, blind, strict=True):
        gains.setdefault(kind, []).append((seen == right) - (other == right))
    chosen = set()
    for kind, values in gains.items():
        if statistics.mean(values) > 2 * statistics.stdev(values) / len(values) ** 0.5:
            chosen.add(kind)
    return sorted(chosen)


@answers("types-that-look")
def types_by_counts(types, truths, answers, blind):
    types, truths = np.asarray(types), np.asarray(truths)
    seen, other = np.asarray(answers) == truths, np.asarray(blind) == truths
    chosen = []
    for kind in sorted(set(types.tolist())):
        of_it = types == kind
        n = of_it.sum()
        up, down = (seen & ~other & of_it).sum(), (~seen & other & of_it).sum()
        mean = (up - down) / n
        square = (up + down - n * mean**2) / (n - 1)
        if mean > 0 and mean**2 > 4 * square / n:
            chosen.append(kind)
    return chosen
