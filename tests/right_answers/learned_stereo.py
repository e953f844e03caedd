"""Right answers to the tasks on soft argmins, stacked features, hinges and a chosen sharpness."""

from __future__ import annotations

import numpy as np

from right_answers import answers


def _weights(costs, sharpness=1.0):
    scaled = sharpness * np.asarray(costs, float)
    log_p = scaled.min(axis=0) - scaled
    return np.exp(log_p) / np.exp(log_p).sum(axis=0)


def _mean(costs, sharpness=1.0):
    return np.einsum("dhw,d->hw", _weights(costs, sharpness), np.arange(len(costs)))


@answers("soft-argmin")
def soft_by_loops(costs):
    _, H, W = costs.shape
    found = np.zeros((H, W))
    for v in range(H):
        for u in range(W):
            least = min(costs[:, v, u])
            p = [np.exp(least - c) for c in costs[:, v, u]]
            found[v, u] = sum(d * w for d, w in enumerate(p)) / sum(p)
    return found


@answers("soft-argmin", _mean, _weights)
def soft_by_einsum(costs):
    return _mean(costs)


@answers("feature-volume")
def stack_by_index(left, right, levels):
    W = left.shape[2]
    partner = np.arange(W) - np.arange(levels)[:, None]
    inside = (partner >= 0)[None, :, None]
    moved = right[:, :, partner.clip(0)].transpose(0, 2, 1, 3)
    return np.concatenate([inside * left[:, None], inside * moved])


@answers("feature-volume")
def stack_by_padding(left, right, levels):
    W = left.shape[2]
    slices = []
    for d in range(levels):
        both = np.concatenate([left[..., d:], right[..., : W - d]])
        slices.append(np.pad(both, ((0, 0), (0, 0), (d, 0))))
    return np.stack(slices, axis=1)


@answers("hinge-and-area")
def area_by_ranks(plus, minus, margin):
    gaps = [margin + b - a for a, b in zip(plus, minus, strict=False)]
    below = np.searchsorted(np.sort(minus), plus, side="left")
    upto = np.searchsorted(np.sort(minus), plus, side="right")
    area = (below + upto).sum() / (2 * len(plus) * len(minus))
    return sum(max(0, g) for g in gaps) / len(gaps), area


@answers("hinge-and-area")
def area_by_signs(plus, minus, margin):
    n = min(plus.size, minus.size)
    over = margin - (plus[:n] - minus[:n])
    sign = np.sign(np.subtract.outer(plus, minus))
    return [np.where(over > 0, over, 0).sum() / n, (1 + sign.mean()) / 2]


@answers("soft-argmin-slope", _weights)
def slope_by_the_matrix(costs, slope):
    p = _weights(costs)
    d = np.arange(len(p))
    jacobian = np.einsum("ihw,khw->ikhw", p, p)
    jacobian[d, d] -= p
    return np.einsum("ikhw,i->khw", jacobian, d) * slope


@answers("soft-argmin-slope")
def slope_by_pixels(costs, slope):
    result = np.zeros(costs.shape)
    for v, u in np.ndindex(slope.shape):
        c = costs[:, v, u]
        p = np.where(np.isfinite(c), np.exp(c.min() - c), 0)
        p /= p.sum()
        gap = p @ np.arange(len(c)) - np.arange(len(c))
        result[:, v, u] = slope[v, u] * p * gap
    return result


@answers("choose-sharpness", _mean, _weights)
def sharpness_by_a_table(costs, truth, seen, sharpnesses, new_costs):
    shares = [np.mean(np.abs(_mean(costs, s) - truth)[seen] > 1) for s in sharpnesses]
    k = int(np.argmin(shares))
    return sharpnesses[k], shares[k], _mean(new_costs, sharpnesses[k])


@answers("choose-sharpness", _mean, _weights)
def sharpness_by_a_loop(costs, truth, seen, sharpnesses, new_costs):
    best, least = None, 2.0
    for s in sharpnesses:
        wrong = (np.abs(_mean(costs, s) - truth) > 1) & seen
        share = wrong.sum() / seen.sum()
        if share < least:
            best, least = s, share
    return [best, least, _mean(new_costs, best)]
