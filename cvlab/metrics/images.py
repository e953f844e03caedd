"""How like another is an image: PSNR and SSIM.

Taught in the chapter on autoencoders.

Examples:
    >>> grey = np.tile([0.25, 0.5], (11, 6))
    >>> round(ssim(grey, grey), 6), round(ssim(grey, grey + 0.1), 3)
    (1.0, 0.973)
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from cvlab import _arguments

__all__ = ["psnr", "ssim", "ssim_map"]

_ROWS = 64  # are filtered at a time, so that they stay in the processor's cache


def psnr(reference: ArrayLike, image: ArrayLike, peak: float = 1.0) -> float:
    """Peak signal-to-noise ratio 10 log10(peak^2 / mean squared error), in decibels.

    Args:
        reference: The clean image, of any shape.
        image: The other one, of the same shape.
        peak: The largest value possible: 1 for floats, 255 for bytes.

    Returns:
        inf for equal images.

    Raises:
        TypeError: If an image does not hold numbers or ``peak`` is not one.
        ValueError: If the shapes differ, an image is empty or not finite, or ``peak`` not positive.

    >>> round(psnr([[0.5, 0.5]], [[0.6, 0.4]]), 6)
    20.0
    """
    clean, other = _pair(reference, image)
    peak = _arguments.positive_number(peak, "peak")
    difference = np.ravel(clean - other)
    error = float(np.dot(difference, difference)) / difference.size
    return float(10 * np.log10(peak**2 / error)) if error else float("inf")


def ssim(
    reference: ArrayLike,
    image: ArrayLike,
    peak: float = 1.0,
    *,
    sigma: float | None = 1.5,
    side: int = 11,
    constants: tuple[float, float] = (0.01, 0.03),
) -> float:
    """Mean structural similarity of two images; arguments and errors are those of ``ssim_map``.

    It is scikit-image's with ``gaussian_weights=True, use_sample_covariance=False`` for a Gaussian
    window of 11 pixels and sigma 1.5, and with ``use_sample_covariance=False`` for a uniform one.

    Returns:
        The mean of the map, at most 1, which only equal images reach.

    >>> black, white = np.zeros((11, 11)), np.ones((11, 11))
    >>> round(ssim(black, white), 6)  # c1 / (1 + c1)
    0.0001
    """
    similarity = ssim_map(reference, image, peak, sigma=sigma, side=side, constants=constants)
    return float(similarity.mean())


def ssim_map(
    reference: ArrayLike,
    image: ArrayLike,
    peak: float = 1.0,
    *,
    sigma: float | None = 1.5,
    side: int = 11,
    constants: tuple[float, float] = (0.01, 0.03),
) -> np.ndarray:
    """Structural similarity in every window that lies within both images.

    With the weighted means m, variances v (divided by the sum of the weights, not by one less) and
    covariance v_ab of a window, c1 = (k1 peak)^2 and c2 = (k2 peak)^2, it is

        (2 m_a m_b + c1) (2 v_ab + c2) / ((m_a^2 + m_b^2 + c1) (v_a + v_b + c2)).

    Args:
        reference: (H, W), or (H, W, 3) with each channel on its own.
        image: The other one, of the same shape; the two may change places.
        peak: The largest value possible: 1 for floats, 255 for bytes.
        sigma: Of the Gaussian window, in pixels; None for a uniform window.
        side: Of the window in pixels, odd.
        constants: k1 and k2, which keep the quotient calm where a window is dark or flat.

    Returns:
        (H - side + 1, W - side + 1) or (H - side + 1, W - side + 1, 3), float64 in [-1, 1] for
        images that are not negative.

    Raises:
        TypeError: If an image does not hold numbers, or another argument is no number.
        ValueError: If the shapes differ or are none of images, an image is smaller than the window
            or not finite, ``side`` is even, or ``peak``, ``sigma`` or a constant is not positive.

    Source: Wang, Bovik, Sheikh and Simoncelli, Image Quality Assessment, TIP 2004.

    >>> image = np.random.default_rng(0).random((20, 30))
    >>> ssim_map(image, 1 - image).shape
    (10, 20)
    """
    first, second = _pair(reference, image)
    weights = _window(sigma, side)
    if first.ndim not in (2, 3) or (first.ndim == 3 and first.shape[2] != 3):
        raise ValueError(f"Images must have shape (H, W) or (H, W, 3), not {first.shape}.")
    if min(first.shape[:2]) < side:
        raise ValueError(
            f"Images must hold a window of {side} x {side} pixels; theirs is {first.shape}."
        )
    peak = _arguments.positive_number(peak, "peak")
    if not isinstance(constants, (tuple, list)) or len(constants) != 2:
        raise ValueError(f"constants must be two numbers k1 and k2, not {constants!r}.")
    c1, c2 = (float(_arguments.positive_number(k, "constants") * peak) ** 2 for k in constants)
    if first.ndim == 3:
        channels = zip(np.moveaxis(first, 2, 0), np.moveaxis(second, 2, 0), strict=True)
        return np.stack([_similarity(*pair, weights, c1, c2) for pair in channels], axis=2)
    return _similarity(first, second, weights, c1, c2)


def _similarity(
    first: np.ndarray, second: np.ndarray, weights: np.ndarray, c1: float, c2: float
) -> np.ndarray:
    """Return the map of two images (H, W) of at least the window's size."""
    height, width = (length - len(weights) + 1 for length in first.shape)
    # Variances do not change when a constant is taken away, and their rounding becomes smaller.
    middle = (first.mean(dtype=float) + second.mean(dtype=float)) / 2
    similarity = np.empty((height, width))
    for top in range(0, height, _ROWS):
        rows = slice(top, top + _ROWS + len(weights) - 1)
        a, b = (np.asarray(image[rows], np.float64) - middle for image in (first, second))
        mean_a, mean_b = _filtered(a, weights), _filtered(b, weights)
        variances = _filtered(a * a + b * b, weights) - mean_a * mean_a - mean_b * mean_b
        covariance = _filtered(a * b, weights) - mean_a * mean_b
        mean_a, mean_b = mean_a + middle, mean_b + middle
        light = (2 * mean_a * mean_b + c1) / (mean_a * mean_a + mean_b * mean_b + c1)
        similarity[top : top + _ROWS] = light * (2 * covariance + c2) / (variances + c2)
    return similarity


def _filtered(image: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """Return the weighted mean of every window, (H - K + 1, W - K + 1)."""
    height, width = (length - len(weights) + 1 for length in image.shape)
    shifted = [image[k : k + height] for k in range(len(weights))]
    rows = _weighted(shifted, weights)
    return _weighted([rows[:, k : k + width] for k in range(len(weights))], weights)


def _weighted(parts: list[np.ndarray], weights: np.ndarray) -> np.ndarray:
    """Return the sum of arrays times symmetric weights."""
    half = len(weights) // 2
    total = weights[half] * parts[half]
    for k in range(half):
        total += weights[k] * (parts[k] + parts[-1 - k])
    return total


def _window(sigma: float | None, side: int) -> np.ndarray:
    """Return the weights (K,) of one axis, with the sum 1."""
    side = _arguments.integer(side, "side", 1)
    if side % 2 == 0:
        raise ValueError(f"side must be odd, so that a window has a middle, not {side}.")
    if sigma is None:
        return np.full(side, 1 / side)
    sigma = _arguments.positive_number(sigma, "sigma")
    weights = np.exp(-0.5 * (np.arange(side) - side // 2) ** 2 / float(sigma) ** 2)
    return weights / weights.sum()


def _pair(reference: ArrayLike, image: ArrayLike) -> tuple[np.ndarray, np.ndarray]:
    """Return two arrays of finite numbers, of floats and of one shape."""
    clean, other = _arguments.real(reference, "reference"), _arguments.real(image, "image")
    if clean.shape != other.shape:
        raise ValueError(f"The images must have one shape, not {clean.shape} and {other.shape}.")
    if not clean.size:
        raise ValueError("The images are empty.")
    return clean, other
