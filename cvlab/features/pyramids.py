"""Gaussian and Laplacian pyramids, taught in the chapter on filtering.

A level is half as high and wide as the one before, rounded up; its pixel (i, j) lies on pixel
(2 i, 2 j). The filter is [1 4 6 4 1] / 16 along each axis, as in OpenCV's ``pyrDown`` and
``pyrUp``, with the image reflected at its border.

Source: P. Burt and E. Adelson, "The Laplacian pyramid as a compact image code", IEEE Transactions
on Communications 31 (4), 1983.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import numpy as np

from cvlab.features import _arguments
from cvlab.features.filters import pad


def pyramid_down(image: np.ndarray) -> np.ndarray:
    """Blur an image and keep every second row and column.

    Taught in the chapter on filtering; the same as OpenCV's ``pyrDown``.

    Args:
        image: (H, W) or (H, W, C).

    Returns:
        (ceil(H / 2), ceil(W / 2)[, C]); float64, or float32 if the image is.

    Raises:
        TypeError: if the image does not hold real numbers.
        ValueError: for NaN, an empty image or another shape.

    >>> pyramid_down(np.array([[0, 0, 16, 0, 0]]))
    array([[2., 6., 2.]])
    """
    padded = pad(image, 2)
    rows = _halved(padded)
    return np.ascontiguousarray(_halved(rows.swapaxes(0, 1)).swapaxes(0, 1))


def _halved(padded: np.ndarray) -> np.ndarray:
    """Filter the first axis and keep every second place: (n + 4, ...) to (ceil(n / 2), ...)."""
    count = (len(padded) - 3) // 2
    a, b, c, d, e = (padded[i : i + 2 * count - 1 : 2] for i in range(5))
    return (a + e + 4 * (b + d) + 6 * c) / 16


def pyramid_up(image: np.ndarray, shape: tuple[int, ...]) -> np.ndarray:
    """Double the size of an image: put zeros between its pixels, blur, multiply by 4.

    Taught in the chapter on filtering; the same as OpenCV's ``pyrUp``.

    Args:
        image: (h, w) or (h, w, C).
        shape: of the result, (2 h or 2 h - 1, 2 w or 2 w - 1); entries after the second do not
            count, so that the shape of a colour image will do.

    Returns:
        (shape[0], shape[1][, C]); float64, or float32 if the image is.

    Raises:
        TypeError: if the image does not hold real numbers.
        ValueError: if the shape is none of which the image is the half, for NaN or an empty image.

    >>> pyramid_up(np.array([[0, 8]]), (1, 4))
    array([[2., 4., 7., 8.]])
    """
    image = _arguments.image(image)
    try:
        height, width = (_arguments.integer(size, "shape", 1) for size in tuple(shape)[:2])
    except (TypeError, ValueError) as error:
        raise ValueError(f"shape must be (height, width), not {shape!r}.") from error
    if ((height + 1) // 2, (width + 1) // 2) != image.shape[:2]:
        raise ValueError(
            f"an image of shape {image.shape} grows to twice its size or one less, "
            f"not to {height} x {width}."
        )
    columns = _doubled(image.swapaxes(0, 1), width).swapaxes(0, 1)
    return np.ascontiguousarray(_doubled(columns, height))


def _doubled(image: np.ndarray, size: int) -> np.ndarray:
    """Filter along the first axis between zeros put in: (n, ...) to (size, ...)."""
    # The zeros put in are reflected with the pixels: pixel 1 comes before pixel 0, but after the
    # last one comes the last one again.
    before = image[1:2] if len(image) > 1 else image
    padded = np.concatenate([before, image, image[-1:]])
    result = np.empty((size, *image.shape[1:]), image.dtype)
    result[::2] = (padded[:-2] + 6 * padded[1:-1] + padded[2:]) / 8
    result[1::2] = ((padded[1:-1] + padded[2:]) / 2)[: size // 2]
    return result


def gaussian_pyramid(image: np.ndarray, levels: int) -> list[np.ndarray]:
    """Halve an image again and again, blurred each time.

    Taught in the chapter on filtering.

    Args:
        image: (H, W) or (H, W, C).
        levels: how many images; the first is the image itself, and one pixel stays one pixel.

    Returns:
        ``levels`` arrays, from fine to coarse; float64, or float32 if the image is.

    Raises:
        TypeError: if ``levels`` is not an integer or the image does not hold real numbers.
        ValueError: if ``levels`` is below 1, for NaN, an empty image or another shape.

    >>> [level.shape for level in gaussian_pyramid(np.zeros((5, 8)), 3)]
    [(5, 8), (3, 4), (2, 2)]
    """
    pyramid = [_arguments.image(image).copy()]
    for _ in range(_arguments.integer(levels, "levels", 1) - 1):
        pyramid.append(pyramid_down(pyramid[-1]))
    return pyramid


def laplacian_pyramid(image: np.ndarray, levels: int) -> list[np.ndarray]:
    """Split an image into bands of detail and a small blurred rest.

    Each band is a level of the Gaussian pyramid minus what the next one predicts of it. Taught in
    the chapter on filtering.

    Args:
        image: (H, W) or (H, W, C).
        levels: how many arrays, the rest included.

    Returns:
        ``levels`` arrays: the bands from fine to coarse, then the rest; ``collapse`` adds them up.

    Raises:
        TypeError: as ``gaussian_pyramid``.
        ValueError: as ``gaussian_pyramid``.

    >>> bands = laplacian_pyramid(np.full((4, 4), 7.0), 3)
    >>> [float(abs(band).max()) for band in bands]
    [0.0, 0.0, 7.0]
    """
    pyramid = gaussian_pyramid(image, levels)
    bands = [fine - pyramid_up(coarse, fine.shape) for fine, coarse in pairwise(pyramid)]
    return [*bands, pyramid[-1]]


def collapse(pyramid: Sequence[np.ndarray]) -> np.ndarray:
    """Add up a Laplacian pyramid from coarse to fine: the image again, up to rounding.

    Taught in the chapter on filtering.

    Args:
        pyramid: what ``laplacian_pyramid`` returns, changed or not; any sequence of arrays of which
            each is half the one before, rounded up.

    Returns:
        The shape of the first array.

    Raises:
        TypeError: if a level does not hold real numbers.
        ValueError: if there is no level, or one is not half the size of the one before.

    >>> image = np.arange(12.0).reshape(3, 4)
    >>> np.allclose(collapse(laplacian_pyramid(image, 2)), image)
    True
    """
    levels = [_arguments.image(level, "a level") for level in pyramid]
    if not levels:
        raise ValueError("pyramid must hold at least one level.")
    image = levels[-1].copy()
    for band in reversed(levels[:-1]):
        if band.shape[2:] != image.shape[2:]:
            raise ValueError("the levels must have the same number of channels.")
        image = band + pyramid_up(image, band.shape)
    return image


def blend(a: np.ndarray, b: np.ndarray, mask: np.ndarray, levels: int) -> np.ndarray:
    """Join two images along a mask, each band of detail over a seam as wide as its own scale.

    The bands of ``a`` and ``b`` are mixed by the Gaussian pyramid of the mask and added up; one
    level cuts and pastes. Taught in the chapter on filtering. Source: P. Burt and E. Adelson, "A
    multiresolution spline with application to image mosaics", ACM Transactions on Graphics 2 (4),
    1983.

    Args:
        a: (H, W) or (H, W, C), shown where the mask is 1.
        b: the shape of ``a``, shown where the mask is 0.
        mask: (H, W) in [0, 1], or the shape of ``a``; booleans will do.
        levels: of the pyramids.

    Returns:
        The shape of ``a``, not clipped: the mix may leave the range of the two a little.

    Raises:
        TypeError: if one of the three does not hold real numbers or ``levels`` is not an integer.
        ValueError: for other shapes, a mask outside [0, 1], NaN or an empty image.

    >>> blend(np.ones((2, 4)), np.zeros((2, 4)), np.arange(4) < [[2], [2]], levels=1)
    array([[1., 1., 0., 0.],
           [1., 1., 0., 0.]])
    """
    a, b = _arguments.image(a, "a"), _arguments.image(b, "b")
    mask = _arguments.image(mask, "mask")
    if a.shape != b.shape:
        raise ValueError(f"a and b must have the same shape, not {a.shape} and {b.shape}.")
    if mask.shape not in (a.shape, a.shape[:2]):
        raise ValueError(f"mask must have shape {a.shape[:2]} or {a.shape}, not {mask.shape}.")
    if mask.min() < 0 or mask.max() > 1:
        raise ValueError("mask must lie in [0, 1]: 1 shows a, 0 shows b.")
    mask = mask.astype(np.result_type(a, b), copy=False)
    shares = gaussian_pyramid(mask if mask.ndim == a.ndim else mask[..., None], levels)
    bands = zip(shares, laplacian_pyramid(a, levels), laplacian_pyramid(b, levels), strict=True)
    return collapse([share * of_a + (1 - share) * of_b for share, of_a, of_b in bands])
