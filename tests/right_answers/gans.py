"""Right answers to the tasks on pixel shuffle, styles, two losses, modes, the Frechet distance."""

from __future__ import annotations

import math

import numpy as np
import torch

from right_answers import answers


@answers("pixel-shuffle")
def shuffled_pixel_by_pixel(x, r):
    channels, height, width = len(x) // (r * r), x.shape[1], x.shape[2]
    large = np.empty((channels, r * height, r * width), x.dtype)
    for c in range(channels):
        for row in range(r * height):
            for column in range(r * width):
                part = c * r * r + (row % r) * r + column % r
                large[c, row, column] = x[part, row // r, column // r]
    return large


@answers("pixel-shuffle")
def shuffled_by_strides(x, r):
    _, height, width = x.shape
    large = np.zeros((len(x) // r**2, height * r, width * r))
    for i in range(r):
        for j in range(r):
            large[:, i::r, j::r] = x[i * r + j :: r * r]
    return large


@answers("adain")
def styled_channel_by_channel(x, scale, shift, eps=1e-5):
    result = np.zeros(x.shape)
    for n in range(x.shape[0]):
        for c in range(x.shape[1]):
            values = x[n, c]
            middle = values.sum() / values.size
            spread = math.sqrt(((values - middle) ** 2).sum() / values.size + eps)
            result[n, c] = (values - middle) * (scale[n, c] / spread) + shift[n, c]
    return result


@answers("adain")
def styled_in_rows(x, scale, shift, eps=1e-5):
    rows = x.reshape(x.shape[0] * x.shape[1], -1)
    centred = rows - rows.mean(axis=1)[:, None]
    gain = scale.ravel() * (np.mean(centred**2, axis=1) + eps) ** -0.5
    return (gain[:, None] * centred + shift.reshape(-1, 1)).reshape(x.shape)


@answers("gan-losses")
def losses_by_entropy(discriminator, real, fake):
    entropy = torch.nn.functional.binary_cross_entropy_with_logits
    on_real, on_fake, hoped = discriminator(real), discriminator(fake.detach()), discriminator(fake)
    d_loss = entropy(on_real, torch.ones_like(on_real))
    d_loss = d_loss + entropy(on_fake, torch.zeros_like(on_fake))
    return [d_loss, entropy(hoped, torch.ones_like(hoped))]


@answers("gan-losses")
def losses_by_logsigmoid(discriminator, real, fake):
    certain = torch.nn.LogSigmoid()
    copy = fake.clone().detach()
    first = certain(discriminator(real)).sum() / len(real)
    second = certain(-discriminator(copy)).sum() / len(copy)
    return -(first + second), -torch.mean(certain(discriminator(fake)))


@answers("choose-generator")
def generator_point_by_point(samples, centres, radius, least):
    marks = []
    for number, points in enumerate(samples):
        counts, good = [0] * len(centres), 0
        for x, y in points.tolist():
            far = [math.hypot(x - a, y - b) for a, b in centres.tolist()]
            if min(far) <= radius:
                good += 1
                counts[far.index(min(far))] += 1
        covered = sum(count / len(points) >= least for count in counts)
        marks.append((covered, good / len(points), -number))
    covered, share, number = max(marks)
    return [-number, covered, share]


@answers("choose-generator")
def generator_by_one_hot(samples, centres, radius, least):
    covered, shares = [], []
    for points in samples:
        squares = np.square(points[:, None, :] - centres[None]).sum(-1)
        own = np.arange(len(centres)) == np.argmin(squares, axis=1)[:, None]
        own &= np.sqrt(squares) <= radius
        covered.append(np.count_nonzero(own.mean(axis=0) >= least))
        shares.append(own.any(axis=1).mean())
    most = np.array(covered) == max(covered)
    best = int(np.argmax(np.where(most, shares, -1.0)))
    return best, covered[best], shares[best]


@answers("frechet-distance")
def frechet_by_singular_values(a, b):
    first = (a - a.mean(axis=0)) / math.sqrt(len(a) - 1)
    second = (b - b.mean(axis=0)) / math.sqrt(len(b) - 1)
    shared = np.linalg.svd(first @ second.T, compute_uv=False).sum()
    means = np.sum((a.mean(axis=0) - b.mean(axis=0)) ** 2)
    return float(means + np.sum(first**2) + np.sum(second**2) - 2 * shared)


def _covariance(rows):
    centred = rows - np.mean(rows, axis=0)
    return centred.T @ centred / (len(rows) - 1)


@answers("frechet-distance", _covariance)
def frechet_by_symmetric_roots(a, b):
    first, second = _covariance(a), _covariance(b)
    values, vectors = np.linalg.eigh(first)
    root = vectors @ np.diag(np.sqrt(np.maximum(values, 0))) @ vectors.T
    inner = np.linalg.eigvalsh(root @ second @ root)
    means = np.linalg.norm(a.mean(0) - b.mean(0)) ** 2
    return means + np.trace(first + second) - 2 * np.sqrt(np.abs(inner)).sum()
