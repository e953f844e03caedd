"""Right answers to the tasks on clipping, causal convolution, LSTM, truncated BPTT, leaks."""

from __future__ import annotations

import math

import numpy as np

from right_answers import answers


@answers("clip-gradients")
def clipped_as_one_vector(gradients, limit):
    flat = np.concatenate([np.ravel(each) for each in gradients])
    norm = np.linalg.norm(flat)
    if norm <= limit:
        return [each.copy() for each in gradients], norm
    return [each * (limit / norm) for each in gradients], norm


@answers("clip-gradients")
def clipped_with_a_small_constant(gradients, limit):
    total = 0.0
    for each in gradients:
        total += float((each * each).sum())
    norm = math.sqrt(total)
    factor = min(1.0, limit / (norm + 1e-6))
    return tuple(each * factor for each in gradients), norm


@answers("causal-conv1d")
def convolution_step_by_step(x, weight, bias, dilation=1):
    samples, _, steps = x.shape
    out, _, taps = weight.shape
    y = np.empty((samples, out, steps))
    for t in range(steps):
        total = np.tile(bias, (samples, 1)).astype(float)
        for k in range(taps):
            source = t - (taps - 1 - k) * dilation
            if source >= 0:
                total += x[:, :, source] @ weight[:, :, k].T
        y[:, :, t] = total
    return y


@answers("causal-conv1d")
def convolution_by_shifts(x, weight, bias, dilation=1):
    steps, taps = x.shape[-1], weight.shape[-1]
    y = np.broadcast_to(bias[None, :, None], (len(x), len(bias), steps)).copy()
    for back in range(taps):
        shift = back * dilation
        if shift < steps:
            part = np.tensordot(x[..., : steps - shift], weight[..., taps - 1 - back], (1, 1))
            y[..., shift:] += part.transpose(0, 2, 1)
    return y


def _logistic(a):
    result = np.empty_like(a)
    high = a >= 0
    result[high] = 1 / (1 + np.exp(-a[high]))
    small = np.exp(a[~high])
    result[~high] = small / (1 + small)
    return result


@answers("lstm-cell", _logistic)
def lstm_by_joined_weights(x, h, c, w_x, w_h, b):
    k = h.shape[1]
    joined = np.concatenate([w_x, w_h, b[:, None]], axis=1)
    entry = np.concatenate([x, h, np.ones((len(x), 1))], axis=1)
    a = entry @ joined.T
    gates = _logistic(a)
    write, keep, show = gates[:, :k], gates[:, k : 2 * k], gates[:, 3 * k :]
    state = keep * c + write * np.tanh(a[:, 2 * k : 3 * k])
    return show * np.tanh(state), state


@answers("lstm-cell")
def lstm_unit_by_unit(x, h, c, w_x, w_h, b):
    samples, units = c.shape
    shown, states = np.zeros((samples, units)), np.zeros((samples, units))
    for n in range(samples):
        for j in range(units):
            a = [
                float(np.dot(w_x[r], x[n]) + np.dot(w_h[r], h[n]) + b[r])
                for r in range(j, 4 * units, units)
            ]
            i, f, o = ((1 + math.tanh(a[m] / 2)) / 2 for m in (0, 1, 3))
            states[n, j] = f * c[n, j] + i * math.tanh(a[2])
            shown[n, j] = o * math.tanh(states[n, j])
    return [shown, states]


@answers("truncated-bptt")
def chunk_by_chunk(x, targets, w_xh, w_hh, w_hy, h, chunk):
    loss, slopes, state = 0.0, [0 * w_xh, 0 * w_hh, 0 * w_hy], h
    for begin in range(0, len(x), chunk):
        part = range(begin, min(begin + chunk, len(x)))
        tape = []
        for t in part:
            before, state = state, np.tanh(w_xh @ x[t] + w_hh @ state)
            error = w_hy @ state - targets[t]
            loss += 0.5 * error @ error
            tape.append((before, state, error))
        arriving = np.zeros(len(h))
        for t, (before, after, error) in reversed(list(zip(part, tape, strict=True))):
            slopes[2] = slopes[2] + error[:, None] * after
            delta = (error @ w_hy + arriving) * (1 - after * after)
            slopes[0] = slopes[0] + delta[:, None] * x[t]
            slopes[1] = slopes[1] + delta[:, None] * before
            arriving = delta @ w_hh
    return (loss, *slopes)


@answers("truncated-bptt")
def by_sensitivities_forward(x, targets, w_xh, w_hh, w_hy, h, chunk):
    k, d = w_xh.shape
    loss, state = 0.0, h
    slope_x, slope_h, slope_y = np.zeros((k, d)), np.zeros((k, k)), np.zeros(w_hy.shape)
    by_x, by_h = np.zeros((k, k, d)), np.zeros((k, k, k))  # of the state, by the weights
    for t in range(len(x)):
        if t % chunk == 0:
            by_x, by_h = 0 * by_x, 0 * by_h
        after = np.tanh(w_xh @ x[t] + w_hh @ state)
        by_x = np.tensordot(w_hh, by_x, 1)
        by_h = np.tensordot(w_hh, by_h, 1)
        for unit in range(k):
            by_x[unit, unit] += x[t]
            by_h[unit, unit] += state
        by_x = (1 - after**2)[:, None, None] * by_x
        by_h = (1 - after**2)[:, None, None] * by_h
        state = after
        error = w_hy @ state - targets[t]
        loss += float(np.sum(error**2)) / 2
        slope_x += np.tensordot(error @ w_hy, by_x, 1)
        slope_h += np.tensordot(error @ w_hy, by_h, 1)
        slope_y += np.outer(error, state)
    return loss, slope_x, slope_h, slope_y


@answers("usable-layers")
def layers_by_a_table(layers, x, reach):
    steps = len(x)
    chosen = []
    for layer in layers:
        plain = np.asarray(layer(x.copy()))
        table = np.zeros((steps, steps), bool)  # outputs, inputs
        for s in range(steps):
            other = x.copy()
            other[s] = other[s] + np.sqrt(np.arange(2, 2 + x.shape[1]))
            table[:, s] = np.any(np.abs(np.asarray(layer(other)) - plain) > 1e-10, axis=1)
        ahead = np.triu(table, 1).any()
        back = np.tril(table, -reach).any()
        chosen.append(bool(back) and not ahead)
    return np.flatnonzero(chosen).tolist()


@answers("usable-layers")
def layers_one_question_at_a_time(layers, x, reach):
    rng = np.random.default_rng(5)
    changes = rng.normal(size=x.shape)

    def moved(layer, s):
        other = np.array(x)
        other[s] += changes[s]
        gap = np.abs(layer(other) - layer(np.array(x)))
        return [t for t in range(len(x)) if gap[t].max() > 1e-9]

    def usable(layer):
        far = False
        for s in range(len(x)):
            rows = moved(layer, s)
            if rows and rows[0] < s:
                return False
            far = far or (bool(rows) and rows[-1] - s >= reach)
        return far

    return [n for n, layer in enumerate(layers) if usable(layer)]
