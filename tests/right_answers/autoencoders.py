"""Right answers to the tasks on PSNR, noise, equalisation, components, dimensions, the bound."""

from __future__ import annotations

import math

import numpy as np
import torch

from right_answers import answers


@answers("psnr")
def psnr_value_by_value(clean, repaired, peak=1.0):
    pairs = list(zip(clean.ravel().tolist(), repaired.ravel().tolist(), strict=True))
    total = sum((a - b) ** 2 for a, b in pairs)
    if total == 0:
        return math.inf
    return 20 * math.log10(peak) - 10 * math.log10(total / len(pairs))


@answers("psnr")
def psnr_of_scaled_images(clean, repaired, peak=1.0):
    a, b = np.asarray(clean, np.float64) / peak, np.asarray(repaired, np.float64) / peak
    root = np.linalg.norm(a - b) / np.sqrt(a.size)
    return float(-20 * np.log10(root)) if root > 0 else float("inf")


@answers("reparameterise")
def codes_by_filling(mean, log_variance):
    noise = torch.empty(mean.shape, dtype=mean.dtype).normal_()
    return torch.addcmul(mean, log_variance.exp().sqrt(), noise)


@answers("reparameterise")
def codes_row_by_row(mean, log_variance):
    sigma = (0.5 * log_variance).exp()
    rows = [m + s * torch.randn(len(m), dtype=m.dtype) for m, s in zip(mean, sigma, strict=True)]
    return torch.stack(rows)


@answers("histogram-equalise")
def equalised_by_sorting(image):
    ordered = np.sort(image, axis=None)
    below = np.searchsorted(ordered, image, side="right").astype(float)
    first = np.searchsorted(ordered, ordered[0], side="right")
    if first == image.size:
        return np.array(image)
    return np.floor(255 * (below - first) / (image.size - first) + 0.5).astype("uint8")


@answers("histogram-equalise")
def equalised_by_unique_values(image):
    values, place, counts = np.unique(image, return_inverse=True, return_counts=True)
    if len(values) == 1:
        return image.copy()
    beyond = np.cumsum(counts) - counts[0]
    levels = np.rint(beyond * (255 / beyond[-1])).astype(np.uint8)
    return levels[place.reshape(image.shape)]


@answers("pca-reconstruct")
def rebuilt_by_eigenvectors(train, test, k):
    centre = np.mean(train, axis=0, keepdims=True)
    scatter = (train - centre).T @ (train - centre)
    values, vectors = np.linalg.eigh(scatter)
    chosen = vectors[:, np.argsort(values)[::-1][:k]]
    return (test - centre) @ (chosen @ chosen.T) + centre


@answers("pca-reconstruct")
def rebuilt_row_by_row(train, test, k):
    centre = sum(train) / len(train)
    basis = np.linalg.svd((train - centre).T, full_matrices=False)[0].T[:k]
    result = []
    for row in test:
        rebuilt = centre.copy()
        for direction in basis:
            rebuilt += np.dot(row - centre, direction) * direction
        result.append(rebuilt)
    return np.array(result)


@answers("choose-dimensions")
def dimensions_one_by_one(mean, log_variance, share):
    prices = []
    for j in range(mean.shape[1]):
        pairs = zip(mean[:, j].tolist(), log_variance[:, j].tolist(), strict=True)
        terms = [(m * m + math.exp(v) - v - 1) / 2 for m, v in pairs]
        prices.append((sum(terms) / len(terms), j))
    total, sums, chosen = sum(p for p, _ in prices), 0.0, []
    for price, j in sorted(prices, reverse=True):
        if chosen and sums >= share * total - 1e-12:
            break
        chosen.append(j)
        sums += price
    return chosen


@answers("choose-dimensions")
def dimensions_by_a_search(mean, log_variance, share):
    price = np.sum(mean**2 + np.exp(log_variance) - 1 - log_variance, axis=0)
    order = np.flip(np.argsort(price))
    parts = np.cumsum(price[order]) / np.sum(price)
    return order[: np.searchsorted(parts, share - 1e-12) + 1]


def _gauss(value, centre, spread):
    square = ((value - centre) / spread) ** 2
    return -0.5 * (square + math.log(2 * math.pi * spread**2))


@answers("elbo", _gauss)
def bound_draw_by_draw(x, mean, log_variance, noise, decode, deviation):
    k = len(mean)
    sigma = [math.exp(v / 2) for v in log_variance]
    divergence = sum((mean[j] ** 2 + sigma[j] ** 2 - 1) / 2 - math.log(sigma[j]) for j in range(k))
    total, logs = 0.0, []
    for draw in noise:
        z = [mean[j] + sigma[j] * draw[j] for j in range(k)]
        image = decode(np.array([z]))[0]
        fit = sum(_gauss(a, b, deviation) for a, b in zip(x, image, strict=True))
        prior = sum(_gauss(value, 0, 1) for value in z)
        own = sum(_gauss(z[j], mean[j], sigma[j]) for j in range(k))
        total += fit
        logs.append(fit + prior - own)
    top = max(logs)
    evidence = top + math.log(sum(math.exp(w - top) for w in logs) / len(logs))
    return total / len(noise) - divergence, evidence


@answers("elbo")
def bound_by_logaddexp(x, mean, log_variance, noise, decode, deviation):
    variance = np.exp(log_variance)
    z = mean[None] + np.sqrt(variance)[None] * noise
    squares = np.sum((x[None] - decode(z)) ** 2, axis=1) / deviation**2
    fit = -0.5 * (squares + len(x) * np.log(2 * np.pi * deviation**2))
    # The constants of prior and q cancel; the square within q is that of the noise.
    ratio = 0.5 * np.sum(noise**2 - z**2 + log_variance, axis=1)
    divergence = 0.5 * (mean @ mean + np.sum(variance - np.log(variance)) - len(mean))
    evidence = np.logaddexp.reduce(fit + ratio) - np.log(len(noise))
    return [np.mean(fit) - divergence, evidence]
