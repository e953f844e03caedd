"""Right answers to the tasks on training in practice."""

from __future__ import annotations

import math

import numpy as np

from right_answers import answers


@answers("kaiming-normal")
def weights_by_scaling_unit_normals(shape, rng, slope=0.0):
    fan_in = 1
    for size in shape[1:]:
        fan_in *= size
    gain = np.sqrt(2 / (1 + slope**2))
    return gain / np.sqrt(fan_in) * rng.standard_normal(shape)


@answers("kaiming-normal")
def weights_in_single_precision(shape, rng, slope=0.0):
    fan_in = np.ones(shape, dtype=bool)[0].size
    weights = rng.standard_normal(shape, dtype=np.float32)
    weights *= math.sqrt(2 / (1 + slope**2) / fan_in)
    return weights


@answers("kaiming-normal")
def weights_filter_by_filter(shape, rng, slope=0.0):
    inner = shape[1:]
    deviation = (2 / (1 + slope * slope) / np.prod(inner)) ** 0.5
    return np.stack([rng.normal(scale=deviation, size=inner) for _ in range(shape[0])])


@answers("cosine-with-warmup")
def warmup_by_interpolation(step, steps, warmup, peak, final=0.0):
    if step <= warmup:
        return float(np.interp(step, [-1, warmup], [0, peak]))
    progress = np.clip((step - warmup) / (steps - warmup - 1), 0, 1)
    return peak - (peak - final) * math.sin(math.pi / 2 * progress) ** 2


@answers("cosine-with-warmup")
def whole_schedule_then_one_entry(step, steps, warmup, peak, final=0.0):
    up = np.linspace(0, peak, warmup + 2)[1:-1]
    down = final + (peak - final) * (1 + np.cos(np.linspace(0, np.pi, steps - warmup))) / 2
    return np.concatenate([up, down])[min(step, steps - 1)]


@answers("one-cycle")
def cycle_by_interpolation(step, steps, p, start, peak, final, momenta):
    corners = [0, p * steps - 1, steps - 1]
    low, high = momenta
    rate = np.interp(step, corners, [start, peak, final])
    return rate, np.interp(step, corners, [high, low, high])


@answers("one-cycle")
def cycle_as_an_array(step, steps, p, start, peak, final, momenta):
    top, ends = p * steps - 1, np.array([start, momenta[1]])
    middle, last = np.array([peak, momenta[0]]), np.array([final, momenta[1]])
    if step <= top:
        return (ends * (top - step) + middle * step) / top
    return (middle * (steps - 1 - step) + last * (step - top)) / (steps - 1 - top)


@answers("one-cycle")
def cycle_by_a_share_of_the_peak(step, steps, p, start, peak, final, momenta):
    top = p * steps - 1
    rising = step < top
    height = step / top if rising else (steps - 1 - step) / (steps - 1 - top)
    base = start if rising else final
    return [base * (1 - height) + peak * height, momenta[1] + (momenta[0] - momenta[1]) * height]


@answers("lr-range-test")
def smoothing_by_weighted_means(train_step, rates, beta=0.9, factor=4.0):
    losses, smoothed = [], []
    for rate in rates:
        losses.append(float(train_step(rate)))
        weights = beta ** np.arange(len(losses))[::-1]
        value = np.average(losses, weights=weights)
        if not np.isfinite(value) or value > factor * min(smoothed, default=np.inf):
            break
        smoothed.append(value)
    return np.array(smoothed), float(rates[int(np.argmin(smoothed))]) / 10


@answers("lr-range-test")
def smoothing_with_a_running_weight(train_step, rates, beta=0.9, factor=4.0):
    total = weight = 0.0
    best, suggestion, smoothed = math.inf, None, []
    for rate in rates:
        total, weight = beta * total + train_step(rate), beta * weight + 1
        value = total / weight
        if math.isnan(value) or math.isinf(value) or (smoothed and value > factor * best):
            return smoothed, suggestion
        if value < best:
            best, suggestion = value, 0.1 * rate
        smoothed.append(value)
    return smoothed, suggestion
