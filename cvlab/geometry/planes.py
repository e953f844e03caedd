"""Two images of one plane, or from one place: the homography between them, and images warped."""

from __future__ import annotations

from typing import Any

import numpy as np

from cvlab.geometry import _arguments

__all__ = [
    "apply_homography",
    "homography_dlt",
    "homography_error",
    "normalising",
    "sample_bilinear",
    "warp_homography",
]

_RANK = 1e-7  # a singular value below this share of the largest counts as 0


def normalising(points: Any) -> np.ndarray:
    """Return the matrix (3, 3) that takes points to mean 0 and mean length of sqrt(2).

    Source: R. Hartley, "In defense of the eight-point algorithm", PAMI 19(6), 1997.

    Args:
        points: (N, 2), N at least 1.

    Raises:
        TypeError: for values that are not real numbers.
        ValueError: for another shape, no point, or values that are not finite.
        numpy.linalg.LinAlgError: where all points are the same.

    >>> T = normalising([[10, 0], [14, 0], [12, 2], [12, -2]])
    >>> apply_homography(T, [[12, 0], [14, 0]]).round(3).tolist()
    [[0.0, 0.0], [1.414, 0.0]]
    """
    points = np.asarray(_arguments.rows(points, "points", 2), np.float64)
    if not len(points):
        raise ValueError("points must hold at least one point.")
    x, y = points.mean(0)
    spread = np.hypot(points[:, 0] - x, points[:, 1] - y).mean()
    if spread <= 1e-12 * max(abs(x), abs(y)):
        raise np.linalg.LinAlgError("The points are all the same; nothing can be fitted to them.")
    s = np.sqrt(2) / spread
    return np.array([[s, 0, -s * x], [0, s, -s * y], [0, 0, 1]])


def homography_dlt(a: Any, b: Any) -> np.ndarray:
    """Return the homography (3, 3), float64, that takes points of one image to another's.

    Taught in the chapter on retrieval. The direct linear transform: two equations per pair in the
    nine entries, solved by the last right singular vector, after the points of each image have
    been normalised. Exact for four pairs, least squares of an algebraic error for more. Source:
    R. Hartley and A. Zisserman, "Multiple View Geometry", 2nd edition, algorithm 4.2.

    Args:
        a: (N, 2) points (x, y), N at least 4.
        b: (N, 2) where they lie in the other image.

    Returns:
        H such that b is ``apply_homography(H, a)``; its last entry is 1 unless that vanishes, and
        then its entries have the square sum 1.

    Raises:
        TypeError: for values that are not real numbers.
        ValueError: for wrong shapes, fewer than four pairs, or values that are not finite.
        numpy.linalg.LinAlgError: where the pairs do not determine an invertible homography, as
            with all points but one on a line.

    >>> square = np.array([[0, 0], [1, 0], [1, 1], [0, 1]])
    >>> homography_dlt(square, 2 * square + 5).round(6) + 0.0
    array([[2., 0., 5.],
           [0., 2., 5.],
           [0., 0., 1.]])
    """
    a, b = _arguments.pairs(a, b, 4, "A homography")
    from_a, from_b = normalising(a), normalising(b)
    x, y = a.T * from_a[0, 0] + from_a[:2, 2:]
    u, v = b.T * from_b[0, 0] + from_b[:2, 2:]
    rows = np.zeros((2 * len(a), 9))
    rows[0::2, 0], rows[0::2, 1], rows[0::2, 2] = x, y, 1
    rows[1::2, 3], rows[1::2, 4], rows[1::2, 5] = x, y, 1
    rows[0::2, 6], rows[0::2, 7], rows[0::2, 8] = -u * x, -u * y, -u
    rows[1::2, 6], rows[1::2, 7], rows[1::2, 8] = -v * x, -v * y, -v
    _, strengths, directions = np.linalg.svd(rows, full_matrices=len(rows) < 9)
    H = directions[8].reshape(3, 3)
    scales = np.linalg.svd(H, compute_uv=False)
    if strengths[7] <= _RANK * strengths[0] or scales[2] <= _RANK * scales[0]:
        raise np.linalg.LinAlgError("The pairs do not determine a homography; too many on a line?")
    H = np.linalg.inv(from_b) @ H @ from_a
    H /= np.linalg.norm(H)
    return H / H[2, 2] if abs(H[2, 2]) > 1e-12 else H


def apply_homography(H: Any, points: Any) -> np.ndarray:
    """Return where a homography takes points, (N, 2) float64.

    Args:
        H: (3, 3).
        points: (N, 2), (x, y).

    Returns:
        NaN for a point that it takes to infinity.

    Raises:
        TypeError: for values that are not real numbers.
        ValueError: for wrong shapes or values that are not finite.

    >>> apply_homography([[2, 0, 1], [0, 2, 0], [0, 0, 1]], [[0, 0], [3, 4]]).tolist()
    [[1.0, 0.0], [7.0, 8.0]]
    """
    H = np.asarray(_arguments.matrix(H, "H"), np.float64)
    points = np.asarray(_arguments.rows(points, "points", 2), np.float64)
    x, y, w = H[:, :2] @ points.T + H[:, 2:]
    w = np.where(w == 0, np.nan, w)
    return np.stack([x / w, y / w], 1)


def homography_error(H: Any, a: Any, b: Any) -> np.ndarray:
    """Return how far a homography takes each point from its partner, (N,) in pixels.

    Args:
        H: (3, 3).
        a: (N, 2).
        b: (N, 2).

    Returns:
        Infinity for a point that it takes to infinity.

    Raises:
        TypeError: for values that are not real numbers.
        ValueError: for wrong shapes or values that are not finite.

    >>> homography_error(np.eye(3), [[0, 0], [1, 1]], [[3, 4], [1, 1]]).tolist()
    [5.0, 0.0]
    """
    a, b = _arguments.pairs(a, b)
    distances = np.linalg.norm(apply_homography(H, a) - b, axis=1)
    return np.where(np.isnan(distances), np.inf, distances)


def warp_homography(image: Any, H: Any, size: Any) -> Any:
    """Return an image as a homography moves it; what lies outside it is 0.

    Each pixel of the result is looked up, bilinearly, where the inverse of H says that it came
    from. Differentiable in the image if it is a tensor.

    Args:
        image: (H, W) or (H, W, C) array, or a tensor (H, W), (C, H, W) or (N, C, H, W).
        H: (3, 3), takes points (x, y) of the image to points of the result; pixel centres are
            integers.
        size: height and width of the result.

    Returns:
        Of the kind of the image, its rows and columns as ``size`` says; floating point.

    Raises:
        TypeError: for values that are not real numbers.
        ValueError: for wrong shapes, values that are not finite, or an H without inverse.

    >>> shift = [[1, 0, 1], [0, 1, 0], [0, 0, 1]]
    >>> warp_homography(np.array([[1.0, 2, 3]]), shift, (1, 4))
    array([[0., 1., 2., 3.]])
    """
    height, width = _arguments.extent(size)
    H = np.asarray(_arguments.matrix(H, "H"), np.float64)
    scales = np.linalg.svd(H, compute_uv=False)
    if scales[2] <= 1e-14 * scales[0]:
        raise ValueError("H must have an inverse.")
    y, x = np.mgrid[:height, :width]
    pixels = np.stack([x.ravel(), y.ravel()], 1)
    back = np.nan_to_num(apply_homography(np.linalg.inv(H), pixels), nan=-1e9)
    x, y = back.T.reshape(2, height, width)
    if _arguments.is_tensor(image) and image.ndim == 4:
        x, y = x[None], y[None]
    return sample_bilinear(image, x, y)


def sample_bilinear(image: Any, x: Any, y: Any, outside: str = "zero") -> Any:
    """Return an image's values between its pixels, by the four around each place.

    Pixel centres are integers: at x = j and y = i stands ``image[i, j]``. With tensors the result
    is differentiable in the image and in the places.

    Args:
        image: (H, W) or (H, W, C) array, or a floating-point tensor (H, W), (C, H, W) or
            (N, C, H, W).
        x: any shape S; with a tensor of N images (N,) + S, or (1,) + S for all the same places.
        y: like x.
        outside: "zero": beyond the image's pixels all is 0; "edge": as the nearest of them.

    Returns:
        S, or S + (C,) for an array with channels; for tensors S, (C,) + S or (N, C) + S.

    Raises:
        TypeError: for values that are not real numbers.
        ValueError: for wrong shapes, values that are not finite, or an unknown ``outside``.

    >>> image = np.array([[0.0, 10.0], [20.0, 30.0]])
    >>> sample_bilinear(image, [0, 0.5, 1.5], [0, 0.5, 0]).tolist()
    [0.0, 15.0, 5.0]
    >>> sample_bilinear(image, [1.5], [0], outside="edge").tolist()
    [10.0]
    """
    _arguments.choice(outside, "outside", ("zero", "edge"))
    if _arguments.is_tensor(image):
        return _sample_tensor(image, x, y, outside)
    image, x, y = (_arguments.real(v, n) for v, n in ((image, "image"), (x, "x"), (y, "y")))
    if image.ndim not in (2, 3) or not image.size:
        raise ValueError(f"image must be (H, W) or (H, W, C), not {image.shape}.")
    if x.shape != y.shape:
        raise ValueError(f"x and y must have the same shape, not {x.shape} and {y.shape}.")
    flat = image.reshape(image.shape[0] * image.shape[1], -1)
    result = np.zeros((x.size, flat.shape[1]), image.dtype)
    for index, weight in _corners(x.ravel(), y.ravel(), image.shape[:2], outside, np):
        result += flat[index] * weight.astype(image.dtype)[:, None]
    return result.reshape(x.shape + image.shape[2:])


def _corners(x: Any, y: Any, size: tuple[int, int], outside: str, space: Any) -> Any:
    """Iterate over the four pixels around each place: their flat index and their weight.

    ``space`` is NumPy or torch, whose functions of these names agree.
    """
    height, width = size
    if outside == "edge":
        x, y = space.clip(x, 0, width - 1), space.clip(y, 0, height - 1)
    # Far outside one place is like another; the bounds keep the integers small.
    left, top = space.clip(space.floor(x), -2, width), space.clip(space.floor(y), -2, height)
    for dy in (0, 1):
        for dx in (0, 1):
            j, i = left + dx, top + dy
            inside = (j >= 0) & (j < width) & (i >= 0) & (i < height)
            # 1 minus the distance, without an absolute value, whose gradient at a pixel's centre
            # would be 0 for one of both neighbours.
            weight = (1 - (j - x if dx else x - j)) * (1 - (i - y if dy else y - i))
            if outside == "zero":
                weight = space.where(inside, weight, space.zeros_like(weight))
            j, i = space.clip(j, 0, width - 1), space.clip(i, 0, height - 1)
            index = i * width + j
            yield index.astype(np.int64) if space is np else index.long(), weight


def _sample_tensor(image: Any, x: Any, y: Any, outside: str) -> Any:
    torch = _arguments.torch()
    if not image.is_floating_point():
        raise TypeError(f"image must hold floating-point numbers, not {image.dtype}.")
    if image.ndim not in (2, 3, 4) or not image.numel():
        raise ValueError(
            f"image must be (H, W), (C, H, W) or (N, C, H, W), not {tuple(image.shape)}."
        )
    x, y = (torch.as_tensor(v, dtype=image.dtype, device=image.device) for v in (x, y))
    if x.shape != y.shape:
        raise ValueError(
            f"x and y must have the same shape, not {tuple(x.shape)} and {tuple(y.shape)}."
        )
    images = image.reshape((-1, *image.shape[-3:]) if image.ndim > 2 else (1, 1, *image.shape))
    n, channels, height, width = images.shape
    shape = x.shape
    if image.ndim == 4:
        if not x.ndim or x.shape[0] not in (1, n):
            raise ValueError(f"x must be (N, ...) with N = {n} or 1, not {tuple(x.shape)}.")
        shape = x.shape[1:]
    flat = images.reshape(n, channels, height * width)
    x, y = (v.reshape(v.shape[0] if image.ndim == 4 else 1, 1, -1) for v in (x, y))
    result = 0
    for index, weight in _corners(x, y, (height, width), outside, torch):
        result = result + flat.gather(2, index.expand(n, channels, -1)) * weight
    return result.reshape((*image.shape[:-2], *shape))
