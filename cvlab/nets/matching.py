"""What compares two maps of features: the correlation layer, which has no parameters.

>>> import torch
>>> left = torch.tensor([[[[0.0, 1.0, 2.0]]]])  # (1, 1, 1, 3)
>>> correlation(left, left, rows=[0], columns=[0, -1])[0, :, 0]
tensor([[0., 1., 4.],
        [0., 0., 2.]])
"""

from __future__ import annotations

import operator
from collections.abc import Iterable

import torch
from torch.nn import functional

__all__ = ["correlation"]


def correlation(
    a: torch.Tensor, b: torch.Tensor, rows: Iterable[int], columns: Iterable[int]
) -> torch.Tensor:
    """Return how alike two maps are at each displacement, the mean product over channels.

    Taught in the chapter on motion. Channel k belongs to one displacement, rows first: its value at
    row i and column j compares ``a[.., i, j]`` with ``b[.., i + row, j + column]``, and is 0 where
    that lies outside. For flows give ``range(-r, r + 1)`` twice. For the left map of a stereo pair
    as ``a`` and disparities of 0 to D - 1 give rows ``[0]`` and columns ``range(0, -D, -1)``. It is
    a similarity: a match is a maximum. Source: A. Dosovitskiy et al., "FlowNet", ICCV 2015.

    Args:
        a: (N, C, H, W).
        b: Of the same shape.
        rows: displacements along rows, pixels of the maps, at least one.
        columns: displacements along columns, at least one.

    Returns:
        (N, len(rows) * len(columns), H, W), differentiable in both maps.

    Raises:
        TypeError: for displacements that are not whole numbers.
        ValueError: for other shapes or no displacement.
    """
    rows, columns = ([operator.index(step) for step in steps] for steps in (rows, columns))
    if a.ndim != 4 or a.shape != b.shape:
        raise ValueError(
            f"a and b must be (N, C, H, W) of one shape, not {tuple(a.shape)} and {tuple(b.shape)}."
        )
    if not rows or not columns:
        raise ValueError("rows and columns must hold at least one displacement each.")
    height, width = a.shape[2:]
    up, left = max(0, -min(rows)), max(0, -min(columns))
    padding = left, max(0, *columns), up, max(0, *rows)
    padded = functional.pad(b, padding)
    moved = (
        padded[:, :, up + y : up + y + height, left + x : left + x + width]
        for y in rows
        for x in columns
    )
    return torch.stack([(a * each).mean(1) for each in moved], 1)
