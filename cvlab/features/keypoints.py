"""Interest points: Harris corners and extrema of differences of Gaussians.

Taught in the chapter on visual words. A point's x and y are those of OpenCV's key points: the
centre of the first pixel is (0, 0).
"""

from __future__ import annotations

import numpy as np

from cvlab.features import _arguments
from cvlab.features.filters import gaussian_blur
from cvlab.features.gradients import image_gradient


def harris_response(
    image: np.ndarray, *, sigma: float = 1.5, k: float = 0.05, operator: str = "sobel"
) -> np.ndarray:
    """Tell corners (positive) from edges (negative) and flat places (near 0).

    ``det(M) - k trace(M)**2``, M being the outer product of the gradient with itself, blurred.
    Taught in the chapter on visual words. Source: C. Harris and M. Stephens, "A combined corner and
    edge detector", Alvey Vision Conference 1988.

    Args:
        image: (H, W).
        sigma: of the Gaussian window over which gradients are gathered, in pixels.
        k: how much an edge is held against a point; 0.04 to 0.06 are common.
        operator: of ``image_gradient``.

    Returns:
        (H, W) in the fourth power of values a pixel; float64, or float32 if the image is.

    Raises:
        TypeError: if the image does not hold real numbers.
        ValueError: for NaN, an empty image, channels, a negative number, an unknown operator.

    >>> square = np.zeros((20, 20))
    >>> square[10:, 10:] = 1
    >>> response = harris_response(square)
    >>> bool(response[10, 10] > 0 > response[19, 10])
    True
    """
    image = _arguments.pixels(image)
    sigma, k = _arguments.number(sigma, "sigma"), _arguments.number(k, "k")
    gx, gy = image_gradient(image, operator=operator)
    xx, xy, yy = (gaussian_blur(product, sigma) for product in (gx * gx, gx * gy, gy * gy))
    return xx * yy - xy**2 - k * (xx + yy) ** 2


def difference_of_gaussians(
    image: np.ndarray,
    *,
    levels: int = 13,
    first: float = 1.6,
    steps: int = 3,
    camera_blur: float = 0.5,
) -> np.ndarray:
    """Blur an image more and more and subtract each from the next.

    Level i is blurred to ``first * 2 ** (i / steps)`` pixels in all. Taught in the chapter on
    visual words. Source: D. Lowe, "Distinctive image features from scale-invariant keypoints", IJCV
    60 (2), 2004; here every level has the size of the image.

    Args:
        image: (H, W).
        levels: number of blurred images, at least 2.
        first: blur of the first of them in pixels, at least ``camera_blur``.
        steps: levels an octave.
        camera_blur: how blurred the image is already, in pixels.

    Returns:
        (levels - 1, H, W); float64, or float32 if the image is.

    Raises:
        TypeError: if the image does not hold real numbers or a count is not an integer.
        ValueError: for NaN, an empty image, channels or a number out of range.

    >>> difference_of_gaussians(np.eye(32), levels=4).shape
    (3, 32, 32)
    """
    image = _arguments.pixels(image)
    levels = _arguments.integer(levels, "levels", 2)
    steps = _arguments.integer(steps, "steps", 1)
    camera_blur = _arguments.number(camera_blur, "camera_blur")
    first = _arguments.number(first, "first", camera_blur)
    sigmas = first * 2 ** (np.arange(levels) / steps)
    blurred, already = [image], camera_blur
    for sigma in sigmas:  # squares of blurs add
        blurred.append(gaussian_blur(blurred[-1], float(np.sqrt(sigma**2 - already**2))))
        already = sigma
    return np.diff(np.stack(blurred[1:]), axis=0)


def dog_keypoints(
    image: np.ndarray,
    *,
    threshold: float = 0.006,
    edge_ratio: float = 10.0,
    levels: int = 13,
    first: float = 1.6,
    steps: int = 3,
    camera_blur: float = 0.5,
) -> np.ndarray:
    """Find blobs: extrema over place and scale of differences of Gaussians, with sub-pixel fit.

    Taught in the chapter on visual words. Source: as ``difference_of_gaussians``.

    Args:
        image: (H, W); the threshold is meant for values in [0, 1].
        threshold: the least absolute value of an extremum, in values of the image.
        edge_ratio: how many times larger than the other one curvature may be, at least 1.
        levels: as in ``difference_of_gaussians``, as are the arguments after it.
        first: blur of the first level in pixels.
        steps: levels an octave.
        camera_blur: how blurred the image is already, in pixels.

    Returns:
        (N, 3) float64: x and y in pixels, and the standard deviation in pixels of the Gaussian blob
        that responds most; the strongest point first.

    Raises:
        TypeError: as ``difference_of_gaussians``.
        ValueError: as ``difference_of_gaussians``.

    >>> x, y = np.meshgrid(np.arange(40), np.arange(40))
    >>> blob = np.exp(-((x - 20.3) ** 2 + (y - 18.0) ** 2) / (2 * 4.0**2))
    >>> dog_keypoints(blob, camera_blur=0).round(1)
    array([[20.3, 18. ,  4. ]])
    """
    threshold = _arguments.number(threshold, "threshold")
    edge_ratio = _arguments.number(edge_ratio, "edge_ratio", 1)
    stack = difference_of_gaussians(
        image, levels=levels, first=first, steps=steps, camera_blur=camera_blur
    ).astype(float)
    at = extrema(stack, 0.8 * threshold)  # the fit may find a little more than the sample shows
    if not len(at):
        return np.empty((0, 3))
    at, here, slope, hessian = _derivatives(stack, at)
    offset = -np.linalg.solve(hessian, slope[..., None])[..., 0]
    peak = here + (slope * offset).sum(axis=1) / 2
    trace = hessian[:, 1, 1] + hessian[:, 2, 2]
    determinant = hessian[:, 1, 1] * hessian[:, 2, 2] - hessian[:, 1, 2] ** 2
    blob = trace**2 * edge_ratio < (edge_ratio + 1) ** 2 * determinant
    keep = (np.abs(offset) < 1).all(axis=1) & (np.abs(peak) > threshold) & blob
    scale, y, x = (at + offset)[keep].T
    # A difference responds most to the blob half a step above its lower blur.
    found = np.column_stack([x, y, first * 2 ** ((scale + 0.5) / steps)])
    return found[np.argsort(-np.abs(peak[keep]), kind="stable")]


def extrema(stack: np.ndarray, least: float) -> np.ndarray:
    """Suppress what is no maximum and no minimum of its neighbourhood in place and scale.

    Taught in the chapter on visual words; the arguments have been checked.

    Args:
        stack: (scales, H, W) float64.
        least: what an absolute value must exceed.

    Returns:
        (N, 3) scale, y and x of the samples that lie beyond all of their 26 neighbours.

    >>> extrema(np.pad([[[3.0]]], 1), 1)
    array([[1, 1, 1]])
    """
    middle = stack[1:-1, 1:-1, 1:-1]
    if not middle.size:
        return np.empty((0, 3), np.intp)
    candidates = np.argwhere(np.abs(middle) > least) + 1
    values = stack[tuple(candidates.T)]
    upper = np.ones(len(candidates), bool)
    lower = upper.copy()
    for offset in np.ndindex(3, 3, 3):
        if offset != (1, 1, 1):
            near = stack[tuple((candidates + np.array(offset) - 1).T)]
            upper &= values > near
            lower &= values < near
    return candidates[upper | lower]


def _derivatives(
    stack: np.ndarray, at: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Return the places (N, 3) that have a Hessian to invert, values, gradients and Hessians."""

    def value(by: np.ndarray) -> np.ndarray:
        return stack[tuple((at + by).T)]

    unit = np.eye(3, dtype=int)
    here = value(np.zeros(3, int))
    slope = np.stack([(value(e) - value(-e)) / 2 for e in unit], axis=-1)
    hessian = np.empty((len(at), 3, 3))
    for i, a in enumerate(unit):
        hessian[:, i, i] = value(a) - 2 * here + value(-a)
        for j, b in enumerate(unit[:i]):
            crossed = value(a + b) - value(a - b) - value(b - a) + value(-a - b)
            hessian[:, i, j] = hessian[:, j, i] = crossed / 4
    regular = np.linalg.det(hessian) != 0
    return at[regular], here[regular], slope[regular], hessian[regular]
