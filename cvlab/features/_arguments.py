"""What the functions of this package ask of their arguments, each in one sentence."""

from __future__ import annotations

from typing import Any

import numpy as np

from cvlab._arguments import choice, integer, number, real

__all__ = [
    "choice",
    "codebook",
    "descriptors",
    "image",
    "integer",
    "mixture",
    "norm",
    "number",
    "patches",
    "pixels",
    "points",
    "power",
    "pyramid",
    "real",
    "sift",
]


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


# --- Visual words ---------------------------------------------------------------------------------


def codebook(values: Any, centres: Any) -> tuple[np.ndarray, np.ndarray]:
    """Return descriptors (N, D), N may be 0, and the centres (k, D) of their codebook."""
    centres = points(centres, "centres")
    return descriptors(values, centres.shape[1]), centres


def norm(value: Any) -> str | None:
    """Return "l1", "l2" or None."""
    if value not in ("l1", "l2", None):
        raise ValueError(f"normalise must be 'l1', 'l2' or None, not {value!r}.")
    return value


def power(value: Any) -> float:
    """Return an exponent in (0, 1]."""
    exponent = number(value, "power")
    if not 0 < exponent <= 1:
        raise ValueError(f"power must lie in (0, 1], not {exponent:g}.")
    return exponent


def mixture(value: Any) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return weights (k,), means (k, D) and variances (k, D) of a mixture of Gaussians, float64."""
    if not np.iterable(value) or len(value) != 3:
        raise ValueError(f"mixture must be a GaussianMixture, not {type(value).__name__}.")
    weights, means, variances = (real(part, "mixture") for part in value)
    fits = means.ndim == 2 and means.shape == variances.shape and weights.shape == means.shape[:1]
    if not fits or means.size == 0 or min(weights.min(), variances.min()) <= 0:
        raise ValueError(
            "mixture must hold weights (k,), means (k, D) and variances (k, D), the first and last "
            "positive."
        )
    return weights.astype(float), means.astype(float), variances.astype(float)


def pyramid(
    words: Any, positions: Any, k: Any, levels: Any
) -> tuple[np.ndarray, np.ndarray, int, list[int]]:
    """Return words (N,) below ``k``, positions (N, 2) in [0, 1), ``k`` and the levels."""
    k = integer(k, "k", 1)
    words, positions = np.asarray(words), descriptors(positions, 2, "positions")
    if words.size and words.dtype.kind not in "iu":
        raise TypeError(f"words must be integers, not {words.dtype}.")
    if words.shape != (len(positions),):
        raise ValueError(
            f"words must have shape (N,) and positions (N, 2), not {words.shape} and "
            f"{positions.shape}."
        )
    if not np.iterable(levels):
        raise TypeError(f"levels must be a sequence of integers, not {type(levels).__name__}.")
    sides = [integer(side, "a level", 1) for side in levels]
    if not sides:
        raise ValueError("levels must name at least one number of cells.")
    if len(words) and (positions.min() < 0 or positions.max() >= 1):
        raise ValueError("positions must lie in [0, 1); divide x by the width and y by the height.")
    if len(words) and (words.min() < 0 or words.max() >= k):
        raise ValueError(f"words must lie in 0 to k - 1 = {k - 1}.")
    return words, positions, k, sides


def patches(shape: tuple[int, ...], step: Any, size: Any) -> tuple[int, int]:
    """Return the step and the size of patches that an image of a shape has room for."""
    step, size = integer(step, "step", 1), integer(size, "size", 1)
    if min(shape[:2]) < size:
        raise ValueError(
            f"image must have at least {size} rows and columns, a patch's size, "
            f"not {shape[0]} x {shape[1]}."
        )
    return step, size


def sift(value: Any, size: Any) -> tuple[np.ndarray, int, tuple[Any, ...]]:
    """Return an image (H, W) or (H, W, 3), what its values take to 0 to 255, and sizes."""
    scale = 1 if getattr(value, "dtype", None) == np.uint8 else 255
    array = image(value)
    if array.ndim == 3 and array.shape[2] != 3:
        raise ValueError(f"image must have shape (H, W) or (H, W, 3), not {array.shape}.")
    if array.min() < 0 or array.max() * scale > 255:
        raise ValueError("image must lie in [0, 1], or be of dtype uint8; scale it first.")
    sizes = size if isinstance(size, tuple) else (size,)
    if not sizes:
        raise ValueError("size must name at least one side of a patch.")
    return array, scale, sizes
