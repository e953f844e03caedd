"""Right answers to the tasks on distillation, masking, spans, power laws and what to buy."""

from __future__ import annotations

import math

import numpy as np

from right_answers import answers


@answers("distil-loss")
def distilled_row_by_row(student, teacher, temperature):
    total = 0.0
    for z, t in zip(student / temperature, teacher / temperature, strict=True):
        log_q = z - z.max() - math.log(np.exp(z - z.max()).sum())
        log_p = t - t.max() - math.log(np.exp(t - t.max()).sum())
        total += sum(math.exp(p) * (p - q) for p, q in zip(log_p, log_q, strict=True))
    return temperature * temperature * total / len(student)


@answers("distil-loss")
def distilled_by_logaddexp(student, teacher, temperature):
    both = np.stack([teacher, student]) / temperature
    both = both - np.logaddexp.reduce(both, axis=-1, keepdims=True)
    p, q = both
    return np.einsum("nc,nc->", np.exp(p), p - q) * temperature**2 / student.shape[0]


@answers("corrupt-tokens")
def corrupted_one_by_one(ids, draw, how, random, rate, mask, specials):
    out, labels = ids.copy(), np.full_like(ids, -100)
    for n in range(ids.shape[0]):
        for t in range(ids.shape[1]):
            if ids[n, t] < specials or draw[n, t] >= rate:
                continue
            labels[n, t] = ids[n, t]
            if how[n, t] < 0.8:
                out[n, t] = mask
            elif how[n, t] < 0.9:
                out[n, t] = random[n, t]
    return out, labels


@answers("corrupt-tokens")
def corrupted_by_select(ids, draw, how, random, rate, mask, specials):
    left = (draw >= rate) | (ids < specials)
    masked = np.full(ids.shape, mask)
    out = np.select([left, how < 0.8, how < 0.9], [ids, masked, random], ids)
    labels = np.array(ids)
    labels[left] = -100
    return [out, labels]


@answers("best-span")
def span_by_a_table(start, end, longest, bonus):
    size = len(start)
    first, last = np.indices((size, size))
    allowed = (first > 0) & (last >= first) & (last < first + longest)
    if not allowed.any():
        return 0, 0
    scores = np.where(allowed, start[:, None] + end, -np.inf)
    if start[0] + end[0] + bonus > scores.max():
        return 0, 0
    return tuple(int(each) for each in np.unravel_index(scores.argmax(), scores.shape))


@answers("best-span")
def span_by_sorting(start, end, longest, bonus):
    spans = [
        (-(start[s] + end[s + more]), s, s + more)
        for s in range(1, len(start))
        for more in range(longest)
        if s + more < len(start)
    ]
    if not spans:
        return [0, 0]
    score, s, e = min(spans)
    return [0, 0] if start[0] + end[0] + bonus > -score else [s, e]


@answers("fit-power-law")
def law_by_normal_equations(sizes, losses, floors):
    x = np.log(sizes)
    found = []
    for floor in floors:
        if floor < min(losses):
            y = np.log(losses - floor)
            slope = np.sum((x - x.mean()) * (y - y.mean())) / np.sum((x - x.mean()) ** 2)
            a = math.exp(y.mean() - slope * x.mean())
            found.append((np.square(floor + a * sizes**slope - losses).sum(), floor, a, -slope))
    return min(found)[1:]


@answers("fit-power-law")
def law_by_lstsq(sizes, losses, floors):
    possible = np.asarray(floors)[np.asarray(floors) < losses.min()]
    design = np.stack([np.ones(len(sizes)), -np.log(sizes)], axis=1)
    laws, _, _, _ = np.linalg.lstsq(design, np.log(losses[:, None] - possible), rcond=None)
    told = possible + np.exp(design @ laws)
    best = int(((told - losses[:, None]) ** 2).sum(axis=0).argmin())
    return np.array([possible[best], np.exp(laws[0, best]), laws[1, best]])


@answers("cheapest-model")
def bought_by_a_list(families, prices, floor, target):
    if not target > floor:
        return None
    offers = []
    for i, (sizes, losses) in enumerate(families):
        x, y = np.log(sizes), np.log(losses - floor)
        b = -np.cov(x, y)[0, 1] / np.var(x, ddof=1)
        if b > 0:
            a = np.exp(np.mean(y) + b * np.mean(x))
            size = (a / (target - floor)) ** (1 / b)
            offers.append((size * prices[i], i, size))
    return min(offers)[1:] if offers else None


@answers("cheapest-model")
def bought_in_logarithms(families, prices, floor, target):
    chosen = None
    least = math.inf
    if target <= floor:
        return chosen
    wanted = math.log(target - floor)
    for number, pair in enumerate(families):
        design = np.vander(np.log(pair[0]), 2)
        (slope, level), *_ = np.linalg.lstsq(design, np.log(pair[1] - floor), rcond=None)
        if slope < 0:
            log_size = (wanted - level) / slope
            cost = math.log(prices[number]) + log_size
            if cost < least:
                least, chosen = cost, [number, math.exp(log_size)]
    return chosen
