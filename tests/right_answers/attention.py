"""Right answers to the tasks on masks, attention, relative logits, beams and the length bonus."""

from __future__ import annotations

import heapq
import math

import numpy as np

from right_answers import answers


@answers("causal-mask")
def mask_row_by_row(n):
    mask = np.full((n, n), -np.inf)
    for i in range(n):
        mask[i, : i + 1] = 0
    return mask


@answers("causal-mask")
def mask_by_a_triangle(n):
    mask = np.zeros((n, n))
    mask[np.triu_indices(n, k=1)] = -np.inf
    return mask


@answers("scaled-dot-product-attention")
def attention_by_einsum(query, key, value, mask=None):
    scores = np.einsum("...nd,...md->...nm", query, key) * query.shape[-1] ** -0.5
    if mask is not None:
        scores = np.where(np.isneginf(mask), -np.inf, scores)
    top = np.max(scores, axis=-1, keepdims=True)
    shifted = np.exp(scores - top)
    return np.einsum("...nm,...mv->...nv", shifted, value) / shifted.sum(-1)[..., None]


@answers("scaled-dot-product-attention")
def attention_query_by_query(query, key, value, mask=None):
    if query.ndim > 2:
        parts = [
            attention_query_by_query(*each, mask) for each in zip(query, key, value, strict=True)
        ]
        return np.stack(parts)
    rows = []
    for i, q in enumerate(query):
        scores = key @ q / math.sqrt(len(q))
        allowed = np.ones(len(key), bool) if mask is None else mask[i] == 0
        weights = np.exp(scores[allowed] - scores[allowed].max())
        rows.append(weights @ value[allowed] / weights.sum())
    return np.array(rows)


@answers("relative-logits")
def logits_by_a_table(query, table):
    n = len(query)
    distance = np.arange(n) - np.arange(n)[:, None]
    return np.einsum("id,ijd->ij", query, table[distance + n - 1])


@answers("relative-logits")
def logits_by_columns(query, table):
    n = len(query)
    columns = np.add.outer(-np.arange(n), np.arange(n)) + n - 1
    return np.take_along_axis(query @ table.T, columns, axis=1)


@answers("beam-search")
def beams_in_a_heap(next_p, end, width, longest, bonus=0.0):
    alive, best = {(): 0.0}, ((), -math.inf)
    for length in range(longest + 1):
        extended = {}
        for symbols, log_p in alive.items():
            p = np.asarray(next_p(symbols))
            for symbol in np.flatnonzero(p > 0).tolist():
                total = log_p + math.log(p[symbol])
                if symbol != end:
                    extended[(*symbols, symbol)] = total
                elif total + bonus * length > best[1]:
                    best = (symbols, total + bonus * length)
        alive = dict(heapq.nlargest(width, extended.items(), key=lambda pair: pair[1]))
    return best


@answers("beam-search")
def beams_with_arrays(next_p, end, width, longest, bonus=0.0):
    rows, scores = [()], np.zeros(1)
    finished, values = [()], [-np.inf]
    for _ in range(longest + 1):
        if not rows:
            break
        with np.errstate(divide="ignore"):
            total = scores[:, None] + np.log(np.array([next_p(row) for row in rows]))
        finished += rows
        values += [total[i, end] + bonus * len(row) for i, row in enumerate(rows)]
        total[:, end] = -np.inf
        order = np.argsort(-total, axis=None)[:width]
        order = [k for k in order if np.isfinite(total.flat[k])]
        pairs = [np.unravel_index(k, total.shape) for k in order]
        scores = np.array([total[pair] for pair in pairs])
        rows = [(*rows[i], int(s)) for i, s in pairs]
    best = int(np.argmax(values))
    return finished[best], values[best]


def _picked(listed, bonus):
    best = listed[0]
    for candidate in listed[1:]:
        if candidate[1] + bonus * len(candidate[0]) > best[1] + bonus * len(best[0]):
            best = candidate
    return best[0]


@answers("choose-bonus", _picked)
def bonus_by_counting(candidates, truths, bonuses):
    counts = {
        bonus: sum(_picked(c, bonus) == t for c, t in zip(candidates, truths, strict=True))
        for bonus in bonuses
    }
    return min(bonuses, key=lambda bonus: (-counts[bonus], bonus))


@answers("choose-bonus")
def bonus_by_a_table(candidates, truths, bonuses):
    ordered = np.sort(np.asarray(bonuses, float))
    right = np.zeros(len(ordered), int)
    for listed, truth in zip(candidates, truths, strict=True):
        log_p = np.array([pair[1] for pair in listed])
        length = np.array([len(pair[0]) for pair in listed])
        best = np.argmax(log_p + ordered[:, None] * length, axis=1)
        right += np.array([listed[i][0] == truth for i in best])
    return float(ordered[np.argmax(right)])
