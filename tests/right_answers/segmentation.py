"""Right answers to the tasks on unpooling, skips, two losses, borders, transposed convolution."""

from __future__ import annotations

import math

import numpy as np

from right_answers import answers


@answers("max-unpool")
def unpool_value_by_value(values, places, height, width):
    result = [[[0.0] * width for _ in range(height)] for _ in values]
    for c in range(len(values)):
        for value, place in zip(values[c].ravel(), places[c].ravel(), strict=True):
            i, j = divmod(int(place), width)
            result[c][i][j] += value
    return result


@answers("max-unpool")
def unpool_by_counting(values, places, height, width):
    size = height * width
    first = size * np.arange(len(values))[:, None, None]
    sums = np.bincount(
        (places + first).ravel(), weights=values.ravel(), minlength=len(values) * size
    )
    return sums.reshape(len(values), height, width)


def _between(values, scale):
    """Stretch the first axis of values."""
    count = len(values)
    place = np.clip((np.arange(scale * count) + 0.5) / scale - 0.5, 0, count - 1)
    low = np.floor(place).astype(int)
    high = np.minimum(low + 1, count - 1)
    share = (place - low).reshape(-1, *[1] * (values.ndim - 1))
    return (1 - share) * values[low] + share * values[high]


@answers("skip-fuse", _between)
def fuse_by_neighbours(coarse, fine, weight, bias):
    scale = fine.shape[2] // coarse.shape[2]
    large = _between(np.moveaxis(coarse, 1, 0), scale)  # (H, A, w)
    large = _between(np.moveaxis(large, 2, 0), scale)  # (W, H, A)
    own, other = weight[:, : len(fine)], weight[:, len(fine) :]
    mixed = np.moveaxis(fine, 0, 2) @ own.T + large.transpose(1, 0, 2) @ other.T + bias
    return mixed.transpose(2, 0, 1)


@answers("skip-fuse")
def fuse_by_interp(coarse, fine, weight, bias):
    # What is linear may come in any order: mix the coarse channels first, then stretch.
    _, height, width = fine.shape
    small = np.tensordot(weight[:, len(fine) :], coarse, axes=1)  # (C, h, w)
    scale = height // small.shape[1]
    down = (np.arange(height) + 0.5) / scale - 0.5
    right = (np.arange(width) + 0.5) / scale - 0.5
    result = []
    for c, channel in enumerate(small):
        tall = np.array([np.interp(down, np.arange(len(channel)), v) for v in channel.T])
        wide = np.array([np.interp(right, np.arange(len(tall)), v) for v in tall.T])
        result.append(wide + np.einsum("d,dij->ij", weight[c, : len(fine)], fine) + bias[c])
    return result


@answers("dice-and-ce")
def losses_pixel_by_pixel(logits, labels, ignore=255, smooth=1.0):
    classes, height, width = logits.shape
    entropy, pixels = 0.0, 0
    both, sizes = [0.0] * classes, [0.0] * classes
    for i in range(height):
        for j in range(width):
            y = int(labels[i, j])
            if y == ignore:
                continue
            s = [float(v) for v in logits[:, i, j]]
            top = max(s)
            total = top + math.log(sum(math.exp(v - top) for v in s))
            entropy += total - s[y]
            pixels += 1
            for c in range(classes):
                p = math.exp(s[c] - total)
                both[c] += p * (c == y)
                sizes[c] += p + (c == y)
    dice = [(2 * b + smooth) / (n + smooth) for b, n in zip(both, sizes, strict=True)]
    return [entropy / pixels, 1 - sum(dice) / classes]


@answers("dice-and-ce")
def losses_with_a_mask(logits, labels, ignore=255, smooth=1.0):
    valid = labels != ignore
    log_p = logits - np.logaddexp.reduce(logits, axis=0)
    true = (np.arange(len(logits))[:, None, None] == labels) & valid
    p = np.exp(log_p) * valid
    axes = (1, 2)
    dice = (2 * (p * true).sum(axes) + smooth) / (p.sum(axes) + true.sum(axes) + smooth)
    return -log_p[true].mean(), float(np.mean(1 - dice))


@answers("choose-network")
def network_by_frames(predictions, labels, radius, ignore=255):
    frame = ((0, 0), (radius, radius), (radius, radius))
    padded = np.pad(labels, frame, constant_values=ignore)
    side = 2 * radius + 1
    windows = np.lib.stride_tricks.sliding_window_view(padded, (side, side), (1, 2))
    other = (windows != labels[..., None, None]) & (windows != ignore)
    band = other.any(axis=(3, 4)) & (labels != ignore)
    marks = [int(np.sum(band & (said == labels))) for said in predictions]
    best = marks.index(max(marks))
    return [best, marks[best] / int(band.sum())]


@answers("choose-network")
def network_pixel_by_pixel(predictions, labels, radius, ignore=255):
    count, height, width = labels.shape
    band = []
    for n in range(count):
        for i in range(height):
            for j in range(width):
                around = labels[
                    n, max(i - radius, 0) : i + radius + 1, max(j - radius, 0) : j + radius + 1
                ]
                known = {int(v) for v in around.ravel()} - {ignore}
                if labels[n, i, j] != ignore and len(known) > 1:
                    band.append((n, i, j))
    best = None
    for k, said in enumerate(predictions):
        mark = sum(said[place] == labels[place] for place in band) / len(band)
        if best is None or mark > best[1]:
            best = k, mark
    return best


@answers("transposed-conv2d")
def transposed_kernel_by_kernel(x, weight, stride=1, padding=0):
    # One slice of the output for each entry of the kernel.
    _, height, width = x.shape
    _, channels, k, _ = weight.shape
    full = np.zeros((channels, stride * (height - 1) + k, stride * (width - 1) + k))
    for u in range(k):
        for v in range(k):
            part = np.einsum("aij,ab->bij", x, weight[:, :, u, v])
            rows = slice(u, u + stride * (height - 1) + 1, stride)
            columns = slice(v, v + stride * (width - 1) + 1, stride)
            full[:, rows, columns] += part
    return full[:, padding : full.shape[1] - padding, padding : full.shape[2] - padding]


@answers("transposed-conv2d")
def transposed_by_zeros(x, weight, stride=1, padding=0):
    # Zeros between the values, then an ordinary convolution with the kernel flipped.
    a, height, width = x.shape
    k = weight.shape[-1]
    spread = np.zeros((a, stride * (height - 1) + 1, stride * (width - 1) + 1))
    spread[:, ::stride, ::stride] = x
    framed = np.pad(spread, ((0, 0), (k - 1, k - 1), (k - 1, k - 1)))
    windows = np.lib.stride_tricks.sliding_window_view(framed, (k, k), (1, 2))
    full = np.einsum("aijuv,abuv->bij", windows, weight[:, :, ::-1, ::-1])
    rows, columns = full.shape[1:]
    return full[:, padding : rows - padding, padding : columns - padding]
