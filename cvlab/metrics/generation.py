"""How far drawn samples lie from the data: the Frechet distance of their features.

Taught in the chapter on adversarial networks.

Examples:
    >>> features = np.array([[0.0, 0.0], [2.0, 0.0], [0.0, 2.0], [2.0, 2.0]])
    >>> frechet_distance(features, features), frechet_distance(features, features + [3, 4])
    (0.0, 25.0)
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from cvlab import _arguments

__all__ = ["frechet_distance"]


def frechet_distance(a: ArrayLike, b: ArrayLike) -> float:
    """Squared Frechet distance of the two Gaussians that fit two sets of feature vectors.

    With the means m and covariances S (divided by the number of vectors less one) it is

        |m_a - m_b|^2 + tr(S_a + S_b - 2 (S_a S_b)^(1/2)),

    which is called FID where the features are those of the Inception network. It depends on the
    features and grows as the sets get smaller, so it compares only distances of the same features
    and numbers of vectors. Covariances may be singular: with centred features A^T A = S_a and
    B^T B = S_b, the trace of the root is the sum of the singular values of A B^T, so that neither
    a product of covariances nor a constant on their diagonals is needed.

    Args:
        a: (N, D) features, one row a sample, in any unit; at least two rows.
        b: (M, D) features; the two sets may change places.

    Returns:
        At least 0, in the squared unit of the features; 0 if means and covariances agree.

    Raises:
        TypeError: If a set does not hold numbers.
        ValueError: If a set is not (N, D), is empty or not finite, has one row only, or the two
            differ in D.

    Source: Dowson and Landau, The Frechet distance between multivariate normal distributions, 1982;
    Heusel et al., GANs trained by a two time-scale update rule, NeurIPS 2017.

    >>> narrow, wide = np.array([[-1.0], [0.0], [1.0]]), np.array([[-3.0], [0.0], [3.0]])
    >>> round(frechet_distance(narrow, wide), 9)  # deviations 1 and 3
    4.0
    """
    first, second = _features(a, "a"), _features(b, "b")
    if first.shape[1] != second.shape[1]:
        raise ValueError(
            "a and b must have as many features per row, "
            f"not {first.shape[1]} and {second.shape[1]}."
        )
    apart = first.mean(axis=0) - second.mean(axis=0)
    root_a, root_b = _root(first), _root(second)
    traces = (root_a**2).sum() + (root_b**2).sum()
    shared = np.linalg.svd(root_a @ root_b.T, compute_uv=False).sum()
    # Rounding leaves a difference of two equal numbers some thirteen decimals below them, on either
    # side of zero.
    spread = traces - 2 * shared
    return float(apart @ apart + (spread if spread > 1e-13 * traces else 0.0))


def _root(features: np.ndarray) -> np.ndarray:
    """Return R (K, D), K = min(N, D), with R^T R the covariance of features (N, D)."""
    centred = (features - features.mean(axis=0)) / np.sqrt(len(features) - 1)
    return np.linalg.qr(centred, mode="r")


def _features(value: ArrayLike, name: str) -> np.ndarray:
    """Return finite numbers (N, D), float64, with at least two rows."""
    array = _arguments.numbers(value, name, flat=False)
    if array.ndim != 2:
        raise ValueError(f"{name} must have the shape (N, D), not {array.shape}.")
    if len(array) < 2:
        raise ValueError(f"{name} must have at least two rows, or it has no covariance.")
    return array
