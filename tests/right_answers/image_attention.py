"""Right answers to the tasks on bits per pixel, patches, masks, likes and a choice of strength."""

from __future__ import annotations

import math

import numpy as np

from right_answers import answers


@answers("bits-per-pixel")
def bits_by_log_add_exp(logits, levels):
    total = np.logaddexp.reduce(logits, axis=1)
    images, rows, columns = np.indices(levels.shape)
    right = logits[images, levels, rows, columns]
    return float(np.mean((total - right) / math.log(2)))


@answers("bits-per-pixel")
def bits_pixel_by_pixel(logits, levels):
    bits = 0.0
    for image, y, x in np.ndindex(levels.shape):
        scores = logits[image, :, y, x]
        rest = np.exp(scores - scores.max()).sum()
        bits += np.log2(rest) + (scores.max() - scores[levels[image, y, x]]) / np.log(2)
    return bits / levels.size


@answers("patchify")
def patches_by_cutting(images, size):
    height, width = images.shape[2:]
    if height % size != 0 or width % size != 0:
        raise ValueError("no whole number of patches")
    words = []
    for top in range(0, height, size):
        for left in range(0, width, size):
            square = images[:, :, top : top + size, left : left + size]
            words.append(square.reshape(len(images), -1))
    return np.stack(words, axis=1)


@answers("patchify")
def patches_by_windows(images, size):
    if any(length % size for length in images.shape[2:]):
        raise ValueError("no whole number of patches")
    windows = np.lib.stride_tricks.sliding_window_view(images, (size, size), axis=(2, 3))
    squares = windows[:, :, ::size, ::size]  # (N, C, rows, columns, size, size)
    n, c, rows, columns = squares.shape[:4]
    return np.moveaxis(squares, 1, 3).reshape(n, rows * columns, c * size * size)


@answers("masked-conv2d")
def masked_by_order(x, weight, kind):
    if kind != "A" and kind != "B":
        raise ValueError(kind)
    k = weight.shape[-1]
    order = np.arange(k * k).reshape(k, k)
    seen = order <= k * k // 2 if kind == "B" else order < k * k // 2
    padded = np.pad(x, ((0, 0), (k // 2, k // 2), (k // 2, k // 2)))
    windows = np.lib.stride_tricks.sliding_window_view(padded, (k, k), axis=(1, 2))
    return np.einsum("chwmn,ocmn->ohw", windows, weight * seen)


@answers("masked-conv2d")
def masked_pixel_by_pixel(x, weight, kind):
    allowed = {"A": 0, "B": 1}
    if kind not in allowed:
        raise ValueError("A or B")
    _, height, width = x.shape
    r = weight.shape[2] // 2
    y = np.zeros((weight.shape[0], height, width))
    for i, j in np.ndindex(height, width):
        for row in range(max(0, i - r), i + 1):
            last = min(width, j + r + 1) if row < i else j + allowed[kind]
            for column in range(max(0, j - r), last):
                y[:, i, j] += weight[:, :, row - i + r, column - j + r] @ x[:, row, column]
    return y


@answers("denoise-pixel")
def pixel_by_all_patches(image, place, strength, size=3, reach=5, noise=0.0):
    padded = np.pad(image, size // 2, mode="reflect")
    patches = np.lib.stride_tricks.sliding_window_view(padded, (size, size))
    rows, columns = np.indices(image.shape)
    near = (abs(rows - place[0]) <= reach) & (abs(columns - place[1]) <= reach)
    gap = ((patches[near] - patches[place[0], place[1]]) ** 2).mean(axis=(1, 2))
    weight = np.exp(-np.clip(gap - 2 * noise**2, 0, None) / strength**2)
    return np.average(image[near], weights=weight)


@answers("denoise-pixel")
def pixel_with_mirrored_indices(image, place, strength, size=3, reach=5, noise=0.0):
    height, width = image.shape
    half = size // 2

    def mirrored(i, length):
        while not 0 <= i < length:
            i = -i if i < 0 else 2 * (length - 1) - i
        return i

    def patch(y, x):
        rows = [mirrored(i, height) for i in range(y - half, y + half + 1)]
        columns = [mirrored(j, width) for j in range(x - half, x + half + 1)]
        return image[np.ix_(rows, columns)]

    mine, values, powers = patch(*place), [], []
    for y, x in np.ndindex(height, width):
        if max(abs(y - place[0]), abs(x - place[1])) <= reach:
            extra = np.square(patch(y, x) - mine).sum() / size**2 - 2 * noise * noise
            powers.append(-max(extra, 0.0) / strength**2)
            values.append(image[y, x])
    share = np.exp(powers)
    return float(np.dot(share / share.sum(), values))


@answers("choose-strength")
def strength_by_a_table(clean, noisy, strengths, denoise):
    choices = [0, *sorted(strengths)]
    table = np.zeros((len(choices), len(clean)))
    for row, strength in enumerate(choices):
        for column, (true, shaken) in enumerate(zip(clean, noisy, strict=True)):
            made = denoise(shaken, strength) if strength else shaken
            error = np.minimum(np.maximum(made, 0), 1) - true
            table[row, column] = 10 * math.log10(1 / np.mean(error * error))
    return choices[int(table.mean(axis=1).argmax())]


@answers("choose-strength")
def strength_by_the_product_of_errors(clean, noisy, strengths, denoise):
    def loss(pictures):
        return sum(
            math.log(float(np.square(np.clip(a, 0.0, 1.0) - b).mean()))
            for a, b in zip(pictures, clean, strict=True)
        )

    losses = {s: loss([denoise(each, s) for each in noisy]) for s in strengths}
    least = min(losses.values())
    if least >= loss(noisy):
        return 0
    return min(s for s in strengths if losses[s] == least)
