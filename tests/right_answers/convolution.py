"""Right answers to the tasks on convolutional networks."""

from __future__ import annotations

import numpy as np

from right_answers import answers


@answers("conv2d")
def unfolded_convolution(x, weight, bias, stride=1, padding=0):
    x = np.pad(x.astype(np.float64), [(0, 0), (0, 0), (padding,) * 2, (padding,) * 2])
    windows = np.lib.stride_tricks.sliding_window_view(x, weight.shape[2:], axis=(2, 3))
    windows = windows[:, :, ::stride, ::stride]
    return np.einsum("nchwij,kcij->nkhw", windows, weight) + bias.reshape(1, -1, 1, 1)


@answers("conv2d")
def convolution_shift_by_shift(x, weight, bias, stride=1, padding=0):
    n, c, rows, columns = x.shape
    padded = np.zeros((n, c, rows + 2 * padding, columns + 2 * padding))
    padded[:, :, padding : padding + rows, padding : padding + columns] = x
    _, _, high, wide = weight.shape
    below = (padded.shape[2] - high) // stride + 1
    across = (padded.shape[3] - wide) // stride + 1
    out = np.tile(np.asarray(bias, float)[None, :, None, None], (n, 1, below, across))
    for m in range(high):
        for j in range(wide):
            seen = padded[:, :, m:, j:][:, :, ::stride, ::stride][:, :, :below, :across]
            out += np.moveaxis(np.tensordot(weight[:, :, m, j], seen, axes=(1, 1)), 0, 1)
    return out


@answers("output-size")
def windows_counted(side, size, stride=1, padding=0, dilation=1):
    reach = 1 + dilation * (size - 1)
    return sum(1 for start in range(0, side + 2 * padding - reach + 1, stride))


@answers("output-size")
def size_by_a_condition(side, size, stride=1, padding=0, dilation=1):
    room = side + 2 * padding - dilation * (size - 1)
    if room < 1:
        return 0
    return int(np.floor((room - 1) / stride)) + 1


@answers("receptive-field")
def field_from_the_top(layers):
    field = 1
    for size, stride in layers[::-1]:
        field = (field - 1) * stride + size
    return field


@answers("receptive-field")
def field_as_a_sum(layers):
    sizes = np.array([size for size, _ in layers], dtype=int)
    strides = np.array([stride for _, stride in layers], dtype=int)
    jumps = np.cumprod(np.concatenate([[1], strides]))[: len(sizes)]
    return int(1 + np.sum((sizes - 1) * jumps))


@answers("batch-norm")
def normalised_channel_by_channel(
    x, gamma, beta, running_mean, running_variance, training, momentum=0.1, epsilon=1e-5
):
    y, new_mean, new_variance = np.empty(x.shape), running_mean.copy(), running_variance.copy()
    for c in range(x.shape[1]):
        values = x[:, c]
        mean, variance = running_mean[c], running_variance[c]
        if training:
            mean, variance = np.mean(values), np.var(values)
            new_mean[c] += momentum * (mean - new_mean[c])
            new_variance[c] += momentum * (np.var(values, ddof=1) - new_variance[c])
        y[:, c] = (values - mean) * (variance + epsilon) ** -0.5 * gamma[c] + beta[c]
    return [y, new_mean, new_variance]


@answers("batch-norm")
def normalised_as_rows(
    x, gamma, beta, running_mean, running_variance, training, momentum=0.1, epsilon=1e-5
):
    rows = np.moveaxis(x, 1, -1)  # (N, H, W, C)
    mean, variance = running_mean, running_variance
    after = running_mean, running_variance
    if training:
        flat = rows.reshape(-1, x.shape[1])
        mean = flat.sum(axis=0) / len(flat)
        squares = ((flat - mean) ** 2).sum(axis=0)
        variance = squares / len(flat)
        kept = 1 - momentum
        after = (
            kept * running_mean + momentum * mean,
            kept * running_variance + momentum * squares / (len(flat) - 1),
        )
    scale = gamma / np.sqrt(variance + epsilon)
    return np.moveaxis(rows * scale + (beta - mean * scale), -1, 1), *after


@answers("fold-batch-norm")
def folded_kernel_by_kernel(weight, bias, gamma, beta, mean, variance, epsilon=1e-5):
    new_weight, new_bias = weight.copy(), bias.copy()
    for k in range(len(weight)):
        factor = gamma[k] / (variance[k] + epsilon) ** 0.5
        new_weight[k] *= factor
        new_bias[k] = factor * bias[k] + (beta[k] - factor * mean[k])
    return [new_weight, new_bias]


@answers("fold-batch-norm")
def folded_by_einsum(weight, bias, gamma, beta, mean, variance, epsilon=1e-5):
    scale = gamma * (variance + epsilon) ** -0.5
    return np.einsum("k,kcij->kcij", scale, weight), beta - scale * (mean - bias)
