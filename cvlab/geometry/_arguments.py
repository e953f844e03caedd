"""What the functions of this package ask of their arguments, each in one sentence."""

from __future__ import annotations

import sys
from typing import Any

import numpy as np

from cvlab._arguments import choice, integer, number, real

__all__ = [
    "camera",
    "choice",
    "extent",
    "integer",
    "is_tensor",
    "like",
    "matrix",
    "number",
    "pairs",
    "real",
    "rows",
    "torch",
    "where",
]

# --- Arrays and tensors ---------------------------------------------------------------------------


def torch() -> Any:
    """Return the module torch if something has imported it, else None."""
    return sys.modules.get("torch")


def is_tensor(value: Any) -> bool:
    """Return whether a value is a tensor; torch is not imported for that."""
    module = torch()
    return module is not None and isinstance(value, module.Tensor)


def where(condition: Any, first: Any, second: float) -> Any:
    """Return ``first`` where a condition holds, elsewhere one number."""
    if is_tensor(first):
        return torch().where(condition, first, second)
    return np.where(condition, first, np.asarray(second, first.dtype))


def rows(value: Any, name: str, columns: int) -> Any:
    """Return an array (N, columns) of finite numbers, or a tensor as it is."""
    array = value if is_tensor(value) else real(value, name)
    if array.ndim != 2 or array.shape[1] != columns:
        raise ValueError(f"{name} must be (N, {columns}), not {tuple(array.shape)}.")
    return array


def like(first: Any, **others: Any) -> list[Any]:
    """Return other arguments as arrays, or as tensors of the kind of the first."""
    checked = [None if v is None else _shaped(v, name) for name, v in others.items()]
    if not is_tensor(first):
        return checked
    as_tensor = torch().as_tensor
    return [
        None if v is None else as_tensor(v, dtype=first.dtype, device=first.device) for v in checked
    ]


def _shaped(value: Any, name: str) -> Any:
    if name in ("K", "R"):
        return matrix(value, name)
    array = value if is_tensor(value) else real(value, name)
    if tuple(array.shape) != ((3,) if name == "t" else (len(array),) if array.ndim else None):
        raise ValueError(
            f"{name} must be {'(3,)' if name == 't' else '(N,)'}, not {tuple(array.shape)}."
        )
    return array


def matrix(value: Any, name: str, shape: tuple[int, int] = (3, 3)) -> Any:
    """Return an array of finite numbers of the shape of a matrix, or a tensor as it is."""
    array = value if is_tensor(value) else real(value, name)
    if tuple(array.shape) != shape:
        raise ValueError(f"{name} must be {shape}, not {tuple(array.shape)}.")
    return array


# --- Two views ------------------------------------------------------------------------------------


def pairs(a: Any, b: Any, least: int = 0, what: str = "") -> tuple[np.ndarray, np.ndarray]:
    """Return points (N, 2) of two images, float64, the i-th of each belonging together.

    Args:
        a: points of the first image.
        b: points of the second.
        least: how many pairs there must be.
        what: what needs them, the start of a sentence.
    """
    a, b = (np.asarray(rows(p, n, 2), np.float64) for p, n in ((a, "a"), (b, "b")))
    if len(a) != len(b):
        raise ValueError(f"a and b must be pairs of points, not {len(a)} and {len(b)} points.")
    if len(a) < least:
        raise ValueError(f"{what} needs at least {least} pairs of points, not {len(a)}.")
    return a, b


def camera(value: Any, name: str) -> np.ndarray:
    """Return the matrix (3, 3) of a camera's inside, float64, that has an inverse."""
    K = np.asarray(matrix(value, name), np.float64)
    if np.linalg.matrix_rank(K) < 3:
        raise ValueError(f"{name} must have an inverse; a focal length in it is 0.")
    return K


def extent(value: Any) -> tuple[int, int]:
    """Return the height and the width of an image, each at least 1."""
    if not np.iterable(value) or isinstance(value, str) or len(tuple(value)) != 2:
        raise ValueError(f"size must be (height, width), not {value!r}.")
    height, width = value
    return integer(height, "size's height", 1), integer(width, "size's width", 1)
