"""What the functions of this package ask of their arguments, each in one sentence."""

from __future__ import annotations

from typing import Any

import numpy as np

from cvlab._arguments import choice, integer, number, real

__all__ = ["choice", "descriptors", "image", "integer", "number", "pixels", "points", "real"]


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
