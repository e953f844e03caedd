"""How far off are depths, disparities and flows.

Taught in the chapters on stereo and on depth from one image.

Examples:
    >>> flow, truth = np.zeros((1, 2, 2)), np.array([[[3.0, 4.0], [0.0, 1.0]]])
    >>> end_point_error(flow, truth)  # 5 pixels and 1
    3.0
    >>> bad_pixels([[10.0, np.nan, 12.5]], [[10.5, 11, 11]], threshold=1) * 3  # a hole is bad
    2.0
    >>> depth_errors([[2.0, 4.0]], [[1.0, 4.0]]).abs_rel
    0.5
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from cvlab import _arguments

__all__ = ["DepthErrors", "bad_pixels", "depth_errors", "end_point_error"]


class DepthErrors(NamedTuple):
    """The seven numbers of depth from one image, with p predicted and a actual."""

    abs_rel: float  #: mean of |p - a| / a
    sq_rel: float  #: mean of (p - a)^2 / a, in the unit of the depths
    rmse: float  #: root of the mean of (p - a)^2, in the unit of the depths
    rmse_log: float  #: root of the mean of (log p - log a)^2, natural logarithms
    delta1: float  #: share of pixels with max(p / a, a / p) < 1.25
    delta2: float  #: with 1.25^2
    delta3: float  #: with 1.25^3


def end_point_error(a: Any, b: Any, valid: Any = None) -> float:
    """Return the mean distance between the ends of two flows, in pixels.

    Args:
        a: (.., D), of a flow (.., H, W, 2): how far each pixel moves; for disparities give
            ``disparity[..., None]``.
        b: The other one, of the same shape; the two may change places.
        valid: (..) bool, the pixels that count; all if None.

    Raises:
        TypeError: For arrays that are no numbers, or a mask that is not bool.
        ValueError: For other shapes, no valid pixel, or one whose flow is not finite.

    Source: Otte and Nagel (1994); the mean over pixels as in Baker et al. (2011).

    >>> end_point_error([[1.0, 1.0], [9.0, 9.0]], [[1.0, 3.0], [0.0, 0.0]], [True, False])
    2.0
    """
    a, b = _pair(a, b, ("a", "b"))
    if not a.ndim or not a.shape[-1]:
        raise ValueError(f"a and b must be (.., D) with at least one component, not {a.shape}.")
    counts = _counts(valid, a.shape[:-1])
    steps = _finite(a[counts], "a") - _finite(b[counts], "b")
    return float(np.sqrt((steps * steps).sum(-1)).mean())


def bad_pixels(a: Any, b: Any, threshold: float, valid: Any = None) -> float:
    """Return the share of pixels whose disparity is off by more than a threshold.

    Args:
        a: Found disparities of any shape. Not finite means a hole, which is bad.
        b: Actual ones, of the same shape, finite where valid.
        threshold: Pixels, not negative; an error of exactly so much is not bad.
        valid: bool of the same shape, the pixels that count; all if None.

    Returns:
        In [0, 1].

    Raises:
        TypeError: For arrays that are no numbers, or a mask that is not bool.
        ValueError: For other shapes, no valid pixel, one whose actual disparity is not finite, or
            a threshold that is negative or not finite.

    Source: Scharstein and Szeliski (2002).

    >>> bad_pixels([1.0, 2.0, 3.0, 4.0], [1.0, 1.0, 1.0, 1.0], 2)
    0.25
    """
    threshold = _arguments.number(threshold, "threshold")
    a, b = _pair(a, b, ("a", "b"))
    counts = _counts(valid, a.shape)
    with np.errstate(invalid="ignore"):
        near = np.abs(a[counts] - _finite(b[counts], "b")) <= threshold  # False for NaN
    return float((~near).sum() / near.size)


def depth_errors(
    predicted: Any, actual: Any, valid: Any = None, cap: float | None = None, align: Any = None
) -> DepthErrors:
    """Return the seven errors of predicted depths, over all pixels that count together.

    For the mean over images, average the results of single images.

    Args:
        predicted: Depths of any shape, positive where they count.
        actual: Depths of the same shape and unit, positive where valid.
        valid: bool of the same shape, the pixels that count; all if None.
        cap: Where the actual depth is larger a pixel does not count; larger predictions become it,
            after the alignment. None: no cap.
        align: "median" multiplies the predictions by the quotient of both medians over the pixels
            that count, one factor for all; None leaves them as they are.

    Raises:
        TypeError: For arrays that are no numbers, or a mask that is not bool.
        ValueError: For other shapes, no pixel that counts, one whose depth is not finite and
            positive, a cap that is not positive, or an unknown alignment.

    Source: Eigen, Puhrsch and Fergus (2014); cap and median as in Godard et al. (2017) and Zhou et
    al. (2017).

    >>> errors = depth_errors([2.0, 4.0, 200.0], [1.0, 2.0, 90.0], cap=80, align="median")
    >>> errors.rmse, errors.delta1  # the third pixel lies beyond the cap
    (0.0, 1.0)
    """
    predicted, actual = _pair(predicted, actual, ("predicted", "actual"))
    if align is not None:
        _arguments.choice(align, "align", ("median",))
    counts = _counts(valid, actual.shape)
    p, a = predicted[counts], _positive(actual[counts], "actual")
    if cap is not None:
        cap = _arguments.positive_number(cap, "cap")
        p, a = p[a <= cap], a[a <= cap]
        if not a.size:
            raise ValueError(f"No valid pixel has an actual depth within the cap of {cap:g}.")
    p = _positive(p, "predicted")
    if align is not None:
        p = p * (np.median(a) / np.median(p))
    p = p if cap is None else np.minimum(p, cap)
    step, logs, larger = p - a, np.log(p / a), np.maximum(p / a, a / p)
    square = step * step
    return DepthErrors(
        float((np.abs(step) / a).mean()),
        float((square / a).mean()),
        float(np.sqrt(square.mean())),
        float(np.sqrt((logs * logs).mean())),
        *(float((larger < 1.25**k).mean()) for k in (1, 2, 3)),
    )


# --- Arguments ------------------------------------------------------------------------------------


def _pair(first: Any, second: Any, names: tuple[str, str]) -> tuple[np.ndarray, np.ndarray]:
    """Return two arrays of real numbers and one shape, float64."""
    arrays = np.asarray(first), np.asarray(second)
    for array, name in zip(arrays, names, strict=True):
        if array.dtype.kind not in "biuf":
            raise TypeError(f"{name} must hold real numbers, not {array.dtype}.")
    if arrays[0].shape != arrays[1].shape:
        raise ValueError(
            f"{' and '.join(names)} must have one shape, not {arrays[0].shape} and "
            f"{arrays[1].shape}."
        )
    return arrays[0].astype(np.float64), arrays[1].astype(np.float64)


def _counts(valid: Any, shape: tuple[int, ...]) -> np.ndarray:
    """Return which pixels count, at least one."""
    mask = np.ones(shape, bool) if valid is None else np.asarray(valid)
    if mask.dtype != bool:
        raise TypeError(f"valid must be bool, not {mask.dtype}.")
    if mask.shape != shape:
        raise ValueError(f"valid must be {shape}, one entry a pixel, not {mask.shape}.")
    if not mask.any():
        raise ValueError("No pixel is valid; there is nothing to measure.")
    return mask


def _finite(values: np.ndarray, name: str) -> np.ndarray:
    if not np.isfinite(values).all():
        raise ValueError(f"{name} must be finite wherever it is valid; leave such pixels out.")
    return values


def _positive(values: np.ndarray, name: str) -> np.ndarray:
    if not (np.isfinite(values) & (values > 0)).all():
        raise ValueError(
            f"{name} must be finite and positive wherever it is valid; leave such pixels out."
        )
    return values
