"""How well does a method place joints.

Examples:
    >>> actual = np.zeros((2, 1, 2))
    >>> predicted = np.array([[[3.0, 4.0]], [[0.0, 6.0]]])  # 5 and 6 pixels away
    >>> pck(predicted, actual, radius=5.0).tolist()
    [0.5]
"""

from __future__ import annotations

from typing import Any

import numpy as np

from cvlab._arguments import real

__all__ = ["pck"]


def pck(predicted: Any, actual: Any, visible: Any = None, radius: Any = 1.0) -> np.ndarray:
    """Return the share of each joint's visible keypoints that lie within a radius.

    A keypoint at exactly the radius counts as right, an invisible one not at all, neither above
    nor below the line; each visible keypoint counts once, whoever it belongs to. The percentage
    over all joints is ``100 * pck(predicted.reshape(-1, 1, 2), ...)`` with the joints as people.

    Args:
        predicted: (N, J, 2) pixels. Not finite means that the method gave no answer: wrong.
        actual: (N, J, 2) pixels, finite where visible.
        visible: (N, J) bool; all if None.
        radius: Pixels, not negative: one number, or (N,) relative to each person, such as half the
            length of the head.

    Returns:
        (J,) float64 in [0, 1], nan for a joint that is nowhere visible.

    Raises:
        TypeError: For arrays that are no numbers.
        ValueError: For other shapes, a radius that is negative or not finite, or an actual position
            that is not finite where it is visible.

    Source: chapter ``pose``; the measure of Yang and Ramanan (2013) with a free radius.

    Examples:
        >>> actual = np.array([[[0.0, 0.0], [10.0, 0.0]]])
        >>> pck(actual + [0, 2], actual, [[True, False]], radius=[2.0]).tolist()
        [1.0, nan]
    """
    found, truth = np.asarray(predicted), np.asarray(actual)
    for array, name in ((found, "predicted"), (truth, "actual")):
        if array.dtype.kind not in "biuf":
            raise TypeError(f"{name} must hold real numbers, not {array.dtype}.")
    if found.ndim != 3 or found.shape[2] != 2 or found.shape != truth.shape:
        raise ValueError(
            f"predicted and actual must both be (N, J, 2), not {found.shape} and {truth.shape}."
        )
    n, joints = found.shape[:2]
    seen = np.ones((n, joints), bool) if visible is None else np.asarray(visible)
    if seen.shape != (n, joints) or seen.dtype != bool:
        raise ValueError(f"visible must be ({n}, {joints}) bool, not {seen.shape} {seen.dtype}.")
    reach = real(radius, "radius").astype(np.float64)
    if reach.shape not in ((), (n,)) or (reach < 0).any():
        raise ValueError(f"radius must be one number or ({n},), not negative.")
    if not np.isfinite(truth[seen]).all():
        raise ValueError("actual must be finite wherever it is visible.")
    with np.errstate(invalid="ignore"):
        step = found.astype(np.float64) - truth.astype(np.float64)
        apart = np.hypot(step[..., 0], step[..., 1])
        right = (apart <= reach[..., None]) & seen
    with np.errstate(invalid="ignore", divide="ignore"):
        return right.sum(0) / seen.sum(0)
