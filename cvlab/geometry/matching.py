"""Partners along rows of two images: costs of patches, the volume of them, and what makes a map.

Images are grey, (H, W), rectified, and the disparity of a left pixel is d = u_left - u_right: its
partner is the right pixel (u - d, v). A *cost volume* is (D, H, W); entry [d, v, u] says how unlike
the patches around the left pixel (u, v) and the right pixel (u - d, v) are. Where that partner lies
outside of the right image the cost is infinite.
"""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np

from cvlab.geometry import _arguments

__all__ = ["COSTS", "cost_volume", "left_right_check", "path_costs", "right_volume", "semi_global"]
__all__ += ["winners"]

COSTS = ("sad", "ssd", "ncc", "zncc")  #: names of the costs of two patches
BAND = 32  # rows at a time, which stay in the processor's cache
_FLAT = 1e-6  # least variance (least mean square, for ncc) of a patch, as if it had so much


def cost_volume(
    left: Any, right: Any, disparities: int, window: int = 9, cost: str = "zncc"
) -> np.ndarray:
    """Compare the patch around each left pixel with those at 0 to ``disparities`` - 1 in its row.

    Taught in the chapter on stereo. A patch is a square, of which those pixels count that both
    images have. With means over these, and l and r for their values:

    * ``sad``: mean of abs(l - r).
    * ``ssd``: mean of (l - r) ** 2.
    * ``ncc``: 1 - mean(l r) / sqrt(mean(l ** 2) mean(r ** 2)), the cosine.
    * ``zncc``: the same of l - mean(l) and r - mean(r): 1 minus their correlation.

    A patch whose mean square (after the mean is subtracted, for ``zncc``) is below 1e-6 counts as
    if it were 1e-6, so that flat patches cost about 1. Images are expected in [0, 1].

    Args:
        left: (H, W).
        right: (H, W).
        disparities: how many, at least 1, at most W.
        window: side of the patch in pixels, odd.
        cost: one of ``COSTS``.

    Returns:
        (disparities, H, W) float32, infinite where u - d < 0.

    Raises:
        TypeError: for values that are not real numbers.
        ValueError: for wrong shapes, values that are not finite, too many disparities, an even
            window, or an unknown cost.

    >>> left, right = np.array([[0.0, 0, 0, 1, 0]]), np.array([[0.0, 1, 0, 0, 0]])
    >>> cost_volume(left, right, 4, window=1, cost="sad")[:, 0, 3].tolist()  # it is 2 further left
    [1.0, 1.0, 0.0, 1.0]
    """
    left, right = (np.asarray(_arguments.real(i, n), np.float64)
                   for i, n in ((left, "left"), (right, "right")))  # fmt: skip
    if left.ndim != 2 or left.shape != right.shape or not left.size:
        raise ValueError(f"left and right must both be (H, W), not {left.shape}, {right.shape}.")
    height, width = left.shape
    disparities = _arguments.integer(disparities, "disparities", 1, width)
    reach = _arguments.integer(window, "window", 1) // 2
    if window % 2 == 0:
        raise ValueError(f"window must be odd, not {window}.")
    cost = _arguments.choice(cost, "cost", COSTS)
    if cost == "zncc":  # changes nothing but the rounding
        left, right = left - left.mean(), right - right.mean()
    volume = np.full((disparities, height, width), np.inf, np.float32)
    for top in range(0, height, BAND):
        rows = slice(max(top - reach, 0), top + BAND + reach)
        kept = slice(top - rows.start, top - rows.start + BAND)
        _compare(left[rows], right[rows], reach, cost, kept, volume[:, top : top + BAND])
    return volume


def _compare(
    left: np.ndarray, right: np.ndarray, reach: int, cost: str, kept: slice, out: np.ndarray
) -> None:
    """Fill (D, rows, W) with the costs of the kept rows of a band of both images."""
    width = left.shape[1]
    ones = _sums(np.ones_like(left), reach, kept)
    sums = [_sums(image, reach, kept) for image in (left, left**2, right, right**2)]
    for d in range(len(out)):
        near, far = slice(d, width), slice(0, width - d)
        count = _windows(ones, reach, far)
        if cost in ("sad", "ssd"):
            apart = left[:, near] - right[:, far]
            apart = np.abs(apart) if cost == "sad" else apart * apart
            out[d, :, d:] = _windows(_sums(apart, reach, kept), reach, far) / count
            continue
        product = _windows(_sums(left[:, near] * right[:, far], reach, kept), reach, far) / count
        l2, r2 = _windows(sums[1], reach, near) / count, _windows(sums[3], reach, far) / count
        if cost == "zncc":
            l1, r1 = _windows(sums[0], reach, near) / count, _windows(sums[2], reach, far) / count
            product -= l1 * r1
            l2 -= l1 * l1
            r2 -= r1 * r1
        out[d, :, d:] = 1 - product / np.sqrt(np.maximum(l2, _FLAT) * np.maximum(r2, _FLAT))


def _sums(image: np.ndarray, reach: int, kept: slice) -> np.ndarray:
    """Return sums over 2 reach + 1 rows, cut off at the border, added up along rows: (h, W + 1)."""
    down = np.zeros((len(image) + 1, image.shape[1]))
    np.cumsum(image, axis=0, out=down[1:])
    rows = np.arange(len(image))[kept]
    band = down[np.minimum(rows + reach + 1, len(image))] - down[np.maximum(rows - reach, 0)]
    along = np.zeros((len(band), image.shape[1] + 1))
    np.cumsum(band, axis=1, out=along[:, 1:])
    return along


def _windows(sums: np.ndarray, reach: int, columns: slice) -> np.ndarray:
    """Return sums over windows that are cut off at the first and the last of some columns."""
    height, width = len(sums), columns.stop - columns.start + 1
    part = np.empty((height, width + 2 * reach))
    part[:, reach : reach + width] = sums[:, columns.start : columns.stop + 1]
    part[:, :reach] = sums[:, columns.start, None]
    part[:, reach + width :] = sums[:, columns.stop, None]
    return part[:, 2 * reach + 1 :] - part[:, : -2 * reach - 1]


def right_volume(volume: Any) -> np.ndarray:
    """Return the cost volume of the right image's pixels, which holds the left one's slices.

    The right pixel u and the left pixel u + d are the same pair.

    Args:
        volume: (D, H, W), of the left image's pixels.

    Returns:
        (D, H, W), infinite where u + d lies outside of the left image.

    Raises:
        TypeError, ValueError: as ``winners``.

    >>> right_volume([[[1.0, 2, 3]], [[np.inf, 4, 5]]]).tolist()
    [[[1.0, 2.0, 3.0]], [[4.0, 5.0, inf]]]
    """
    volume = _volume(volume)
    sheared = np.full_like(volume, np.inf)
    for d, costs in enumerate(volume[: volume.shape[2]]):
        sheared[d, :, : volume.shape[2] - d] = costs[:, d:]
    return sheared


def winners(volume: Any, subpixel: bool = False) -> np.ndarray:
    """Return for each pixel the disparity of the least cost; of equal ones, the smallest.

    Args:
        volume: (D, H, W) costs.
        subpixel: whether a parabola through the least cost and its two neighbours moves the
            disparity, by half a pixel at most. Where a neighbour is missing or infinite it stays.

    Returns:
        (H, W) float32.

    Raises:
        TypeError: for costs that are no real numbers.
        ValueError: for another shape, costs that are NaN or minus infinity, or a pixel whose costs
            are all infinite.

    >>> winners([[[3.0]], [[1.0]], [[2.0]], [[4.0]]], subpixel=True).tolist()  # nearer to 2
    [[1.1666666269302368]]
    """
    volume = _volume(volume)
    best = volume.argmin(axis=0)
    if not subpixel or len(volume) < 3:
        return best.astype(np.float32)
    middle = np.clip(best, 1, len(volume) - 2)[None]
    before, least, after = (
        np.take_along_axis(volume, middle + k, axis=0)[0].astype(np.float64) for k in (-1, 0, 1)
    )
    with np.errstate(invalid="ignore", divide="ignore"):
        step = (before - after) / (2 * (before - 2 * least + after))
    inside = (best == middle[0]) & np.isfinite(before + after) & np.isfinite(step)
    return (best + np.where(inside, step, 0)).astype(np.float32)


def left_right_check(disparity_left: Any, disparity_right: Any, threshold: float = 1.0) -> Any:
    """Return which left pixels lead to a right pixel that leads back to them.

    The right map is read at the pixel nearest to u - d; both disparities may differ by
    ``threshold``. Source: P. Fua, "A parallel stereo algorithm that produces dense depth maps and
    preserves image features", Machine Vision and Applications 6, 1993.

    Args:
        disparity_left: (H, W) pixels, of the left image's pixels; NaN fails.
        disparity_right: (H, W), of the right image's; NaN fails.
        threshold: pixels.

    Returns:
        (H, W) bool, False where the partner lies outside.

    Raises:
        TypeError: for values that are no real numbers.
        ValueError: for other shapes, or a negative threshold.

    >>> left_right_check([[0.0, 2, 2, 2]], [[2.0, 2, 0, 0]]).tolist()  # the first two: no, outside
    [[False, False, True, True]]
    """
    threshold = _arguments.number(threshold, "threshold")
    a, b = (np.asarray(d, np.float64) for d in (disparity_left, disparity_right))
    if a.ndim != 2 or a.shape != b.shape:
        raise ValueError(f"disparities must both be (H, W), not {a.shape} and {b.shape}.")
    height, width = a.shape
    partner = np.rint(np.arange(width) - np.where(np.isfinite(a), a, width)).astype(int)
    inside = (partner >= 0) & (partner < width)
    back = b[np.arange(height)[:, None], np.clip(partner, 0, width - 1)]
    with np.errstate(invalid="ignore"):
        return inside & (np.abs(a - back) <= threshold)


def path_costs(volume: Any, P1: float, P2: float, step: Any) -> np.ndarray:
    """Return the least cost of a path that ends in each pixel at each disparity.

    All paths come along one direction. A pixel pays its cost, and P1 where the disparity differs
    from the one before by 1, P2 where it differs by more. The least cost of the pixel before is
    subtracted at each step, which keeps numbers small and moves no winner. Source: H.
    Hirschmueller, "Stereo processing by semiglobal matching and mutual information", IEEE
    Transactions on Pattern Analysis and Machine Intelligence 30(2), 2008.

    Args:
        volume: (D, H, W) costs.
        P1: not negative.
        P2: at least P1.
        step: (rows, columns), each -1, 0 or 1 and not both 0, from a pixel to the next of a path.

    Returns:
        (D, H, W) float32.

    Raises:
        TypeError, ValueError: as ``winners``; also for other penalties or steps.

    >>> path_costs([[[0.0, 5, 0]], [[9.0, 1, 9]]], 1, 2, (0, 1)).tolist()
    [[[0.0, 5.0, 1.0]], [[9.0, 2.0, 9.0]]]
    """
    volume = _volume(volume)
    P1 = _arguments.number(P1, "P1")
    P2 = _arguments.number(P2, "P2", least=P1)
    if tuple(step) not in {(i, j) for i in (-1, 0, 1) for j in (-1, 0, 1)} - {(0, 0)}:
        raise ValueError(f"step must be two of -1, 0 and 1, not both 0, not {step!r}.")
    down, across = step
    if not down:  # lines of pixels that are reached together: columns, else rows
        volume, (down, across) = volume.transpose(0, 2, 1), (across, 0)
    lines = np.array(volume.transpose(1, 0, 2)[::down], order="C")  # (lines, D, N), a copy
    for before, line in itertools.pairwise(lines):
        come = slice(max(-across, 0), line.shape[1] - max(across, 0))
        go = slice(max(across, 0), line.shape[1] - max(-across, 0))
        last = before[:, come]
        least = last.min(axis=0)
        ways = np.minimum(last, least + np.float32(P2))
        np.minimum(ways[1:], last[:-1] + np.float32(P1), out=ways[1:])
        np.minimum(ways[:-1], last[1:] + np.float32(P1), out=ways[:-1])
        ways -= least
        line[:, go] += ways
    found = lines[::down].transpose(1, 0, 2)
    return found if step[0] else found.transpose(0, 2, 1)


def semi_global(volume: Any, P1: float, P2: float, directions: int = 8) -> np.ndarray:
    """Return a cost volume in which pixels along lines have spoken with each other.

    The sum of ``path_costs`` along 2 directions (the rows), 4 (and the columns) or 8 (and the
    diagonals). Its ``winners`` are the result of semi-global matching.

    Args:
        volume: (D, H, W) costs.
        P1: price of a step of 1 in disparity, not negative.
        P2: price of a larger one, at least P1.
        directions: 2, 4 or 8.

    Returns:
        (D, H, W) float32.

    Raises:
        TypeError, ValueError: as ``path_costs``; also for another number of directions.

    >>> noisy = np.array([[[0.0, 0, 2, 0, 0]], [[3.0, 3, 1, 3, 3]]])
    >>> winners(noisy).tolist(), winners(semi_global(noisy, 2, 3, directions=2)).tolist()
    ([[0.0, 0.0, 1.0, 0.0, 0.0]], [[0.0, 0.0, 0.0, 0.0, 0.0]])
    """
    if directions not in (2, 4, 8):
        raise ValueError(f"directions must be 2, 4 or 8, not {directions!r}.")
    steps = [(0, 1), (0, -1), (1, 0), (-1, 0), (1, 1), (-1, -1), (1, -1), (-1, 1)]
    volume = _volume(volume)
    total = np.zeros(volume.shape, np.float32)
    for step in steps[:directions]:
        total += path_costs(volume, P1, P2, step)
    return total


def _volume(value: Any) -> np.ndarray:
    """Return a cost volume (D, H, W) as float32, with a finite cost for each pixel."""
    volume = np.asarray(value)
    if volume.dtype.kind not in "biuf":
        raise TypeError(f"volume must hold real numbers, not {volume.dtype}.")
    if volume.ndim != 3 or not volume.size:
        raise ValueError(f"volume must be (D, H, W), not {volume.shape}.")
    volume = volume.astype(np.float32, copy=False)
    least = volume.min(axis=0)
    if not np.isfinite(least).all():
        raise ValueError("volume holds NaN or -inf, or a pixel without any finite cost.")
    return volume
