"""Codebooks by mixtures of Gaussians, taught in the chapter on visual words."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from cvlab.features import _arguments
from cvlab.features.clusters import kmeans


class GaussianMixture(NamedTuple):
    """A mixture of k Gaussians in D dimensions whose covariances are diagonal."""

    weights: np.ndarray
    """(k,) positive, sum 1."""
    means: np.ndarray
    """(k, D)."""
    variances: np.ndarray
    """(k, D) positive."""


def fit_mixture(
    points: np.ndarray,
    k: int,
    *,
    seed: int = 0,
    iterations: int = 100,
    tolerance: float = 1e-4,
    floor: float = 1e-4,
) -> GaussianMixture:
    """Fit a Gaussian mixture by expectation-maximisation, from the clusters that k-means finds.

    Taught in the chapter on visual words. Source: A. Dempster, N. Laird and D. Rubin, "Maximum
    likelihood from incomplete data via the EM algorithm", JRSS B 39 (1), 1977.

    Args:
        points: (N, D), N at least ``k``.
        k: number of Gaussians.
        seed: of k-means.
        iterations: the most steps of expectation and maximisation.
        tolerance: stop when a step raises the mean log-likelihood of a point by less than this.
        floor: the least variance, relative to the mean variance of the coordinates over all points.

    Returns:
        A ``GaussianMixture`` in float64.

    Raises:
        TypeError: if the points are no real numbers, or a count is not an integer.
        ValueError: for NaN, another shape, more Gaussians than points, or a floor of 0.

    >>> mixture = fit_mixture(np.array([[0.0], [2.0], [10.0], [12.0]]), 2)
    >>> mixture.weights.round(3), np.sort(mixture.means.ravel()).round(3)
    (array([0.5, 0.5]), array([ 1., 11.]))
    """
    iterations = _arguments.integer(iterations, "iterations", 1)
    tolerance = _arguments.number(tolerance, "tolerance")
    floor = _arguments.number(floor, "floor")
    if floor == 0:
        raise ValueError("floor must be positive: a Gaussian on one point has no width of its own.")
    clusters = kmeans(points, k, seed=seed)
    points = _arguments.points(points).astype(float)
    mean = points.mean(axis=0)
    points -= mean  # small numbers: their squares cancel less
    least = floor * (float(points.var(axis=0).mean()) or 1.0)  # equal points: any width will do
    shares = np.eye(k)[clusters.labels]
    mixture = GaussianMixture(np.full(k, 1 / k), clusters.centres - mean, np.ones((k, len(mean))))
    before = -np.inf
    for _ in range(iterations):
        mixture = _maximise(points, shares, mixture, least)
        logs = _log_joint(points, mixture)
        now, shares = _normalised(logs)
        if now.mean() - before < tolerance:
            break
        before = now.mean()
    return mixture._replace(means=mixture.means + mean)


def responsibilities(points: np.ndarray, mixture: GaussianMixture) -> np.ndarray:
    """Return how probable it is that each point was drawn from each Gaussian.

    Taught in the chapter on visual words.

    Args:
        points: (N, D); N may be 0.
        mixture: of Gaussians in D dimensions.

    Returns:
        (N, k) float64; each row adds up to 1.

    Raises:
        TypeError: if the points are no real numbers.
        ValueError: for NaN, another shape, or a mixture that is none.

    >>> mixture = GaussianMixture(np.array([0.5, 0.5]), np.array([[0.0], [4.0]]), np.ones((2, 1)))
    >>> responsibilities([[2.0], [9.0]], mixture).round(3)
    array([[0.5, 0.5],
           [0. , 1. ]])
    """
    mixture = GaussianMixture(*_arguments.mixture(mixture))
    points = _arguments.descriptors(points, mixture.means.shape[1], "points").astype(float)
    middle = mixture.weights @ mixture.means
    centred = mixture._replace(means=mixture.means - middle)
    return _normalised(_log_joint(points - middle, centred))[1]


def _log_joint(points: np.ndarray, mixture: GaussianMixture) -> np.ndarray:
    """Return (N, k): the logarithm of weight times density."""
    weights, means, variances = mixture
    inverse = 1 / variances
    squares = points**2 @ inverse.T - 2 * points @ (means * inverse).T
    squares += (means**2 * inverse).sum(axis=1) + np.log(2 * np.pi * variances).sum(axis=1)
    return np.log(weights) - squares / 2


def _normalised(logs: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return each point's log-likelihood (N,) and the shares (N, k) of the Gaussians in it."""
    largest = logs.max(axis=1, keepdims=True)
    shares = np.exp(logs - largest)
    totals = shares.sum(axis=1, keepdims=True)
    return (largest + np.log(totals))[:, 0], shares / totals


def _maximise(
    points: np.ndarray, shares: np.ndarray, before: GaussianMixture, least: float
) -> GaussianMixture:
    """Return the mixture that fits the points best, given their shares (N, k)."""
    numbers = np.maximum(shares.sum(axis=0), 10 * np.finfo(float).tiny)
    means = shares.T @ points / numbers[:, None]
    variances = np.maximum(shares.T @ points**2 / numbers[:, None] - means**2, least)
    # A Gaussian that has lost every point stays where it is; it cannot have weight 0.
    lost = numbers < np.finfo(float).eps
    means[lost], variances[lost] = before.means[lost], before.variances[lost]
    weights = np.maximum(numbers, np.finfo(float).eps)
    return GaussianMixture(weights / weights.sum(), means, variances)
