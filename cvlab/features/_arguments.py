"""What the functions of this package ask of their arguments, each in one sentence."""

from __future__ import annotations

import math
import operator
from typing import Any

import numpy as np


def image(value: Any, name: str = "image") -> np.ndarray:
    """Return an image as a C-ordered array of float64, or float32 if it was; no value changes.

    Args:
        value: (H, W) or (H, W, C), at least one pixel, real and finite.
        name: what the sentence calls it.
    """
    array = real(value, name)
    if array.ndim not in (2, 3):
        raise ValueError(
            f"{name} must have shape (H, W) or (H, W, C), not {array.shape}; pass one image."
        )
    if array.size == 0:
        raise ValueError(f"{name} must hold at least one pixel, but its shape is {array.shape}.")
    return np.ascontiguousarray(array)


def real(value: Any, name: str) -> np.ndarray:
    """Return finite real numbers as float64, or as float32 if they were."""
    try:
        array = np.asarray(value)
    except ValueError as error:  # rows of different lengths
        raise ValueError(f"{name} must be one array, with rows of the same length.") from error
    if array.dtype.kind not in "biuf":
        raise TypeError(f"{name} must hold real numbers, not {array.dtype}; convert it to float.")
    if array.dtype != np.float32:
        array = array.astype(np.float64, copy=False)
    # One sum is quicker than a test of every value, and finite unless it overflows.
    with np.errstate(all="ignore"):
        finite = np.isfinite(array.sum()) or np.isfinite(array).all()
    if not finite:
        raise ValueError(f"{name} holds NaN or infinite values; replace or drop them first.")
    return array


def integer(value: Any, name: str, least: int) -> int:
    """Return an integer of at least ``least``."""
    try:
        number = operator.index(value)
    except TypeError:
        number = None
    if number is None or isinstance(value, (bool, np.bool_)):
        raise TypeError(f"{name} must be an integer, not {type(value).__name__}.")
    if number < least:
        raise ValueError(f"{name} must be at least {least}, not {number}.")
    return number


def number(value: Any, name: str, least: float = 0.0) -> float:
    """Return a finite number of at least ``least``."""
    if not np.isscalar(value) and np.ndim(value) != 0:
        raise TypeError(f"{name} must be one number, not {type(value).__name__}.")
    try:
        result = float(value)
    except (TypeError, ValueError) as error:
        raise TypeError(f"{name} must be one number, not {type(value).__name__}.") from error
    if not math.isfinite(result) or result < least:
        raise ValueError(f"{name} must be finite and at least {least:g}, not {result:g}.")
    return result


def choice(value: Any, name: str, options: Any) -> Any:
    """Return a value that is among the options."""
    if not isinstance(value, str) or value not in options:
        raise ValueError(f"{name} must be one of {', '.join(map(repr, options))}, not {value!r}.")
    return value


def pixels(value: Any, name: str = "image") -> np.ndarray:
    """Return an image (H, W) of one channel."""
    array = image(value, name)
    if array.ndim != 2:
        raise ValueError(f"{name} must have shape (H, W), not {array.shape}; make it grey first.")
    return array


def points(value: Any, name: str = "points") -> np.ndarray:
    """Return (N, D), N and D at least 1, as a C-ordered array of float64 or float32."""
    array = real(value, name)
    if array.ndim != 2:
        raise ValueError(f"{name} must have shape (N, D), one row each, not {array.shape}.")
    if array.size == 0:
        raise ValueError(f"{name} must hold at least one row of numbers, not shape {array.shape}.")
    return np.ascontiguousarray(array)


def descriptors(value: Any, dimensions: int, name: str = "descriptors") -> np.ndarray:
    """Return (N, D) with D = ``dimensions``; an image may have none, so N may be 0."""
    array = real(value, name)
    if array.size == 0 and array.ndim in (1, 2):
        return np.zeros((0, dimensions), array.dtype)
    if array.ndim != 2 or array.shape[1] != dimensions:
        like = " like the codebook" if name != "positions" else ": x and y"
        raise ValueError(f"{name} must have shape (N, {dimensions}){like}, not {array.shape}.")
    return np.ascontiguousarray(array)
