"""Rows in any order: whether each row can be paired with another one that agrees with it."""

from __future__ import annotations

import numpy as np

from cvlab.checking.tolerance import LARGEST, Tolerance

__all__ = ["matched", "partners"]

EFFORT = 20_000_000  #: steps spent on rows that lie so close together that sorting does not help
COLUMNS = 64  #: of wide rows, by which they are sorted and divided


def partners(got: np.ndarray, expected: np.ndarray, tolerance: Tolerance) -> bool:
    """Tell whether the rows can be paired so that all pairs agree.

    "Within the tolerance" is not transitive, so that sorting alone may pair the wrong ones of rows
    that nearly tie. Gaps wider than the tolerance divide the rows into cells first; within a cell
    rows are paired as sorted, and where that fails by an exact matching. Rows that lie too close
    together for that are refused; for one column of floats, sorting is exact.
    """
    if got.shape[1] == 1 and got.dtype.kind == "f":
        return bool(tolerance.arrays(np.sort(got, axis=0), np.sort(expected, axis=0)).all())
    half, width = got.shape
    both = np.concatenate([got, expected])
    with np.errstate(all="ignore"):
        size = np.minimum(np.abs(both), LARGEST)
        if both.dtype.kind == "c":  # a part may be smaller than the modulus that counts
            size = np.full((1, 2 * width), size[np.isfinite(both)].max(initial=0.0))
    parts = both.view(float)
    cell = _cells(parts, np.broadcast_to(tolerance.atol + tolerance.rtol * size, parts.shape))
    sizes = np.bincount(cell[:half], minlength=cell.max() + 1)
    if (sizes != np.bincount(cell[half:], minlength=len(sizes))).any():
        return False
    keys = [parts[:, column] for column in reversed(_columns(parts))] + [cell]
    ours, theirs = np.lexsort([k[:half] for k in keys]), np.lexsort([k[half:] for k in keys])
    got, expected, cell = got[ours], expected[theirs], cell[:half][ours]
    failed = np.unique(cell[~tolerance.arrays(got, expected).all(axis=1)])
    counts = sizes[failed].astype(float)
    if (counts == 1).any() or (1000 + counts**2 * width + counts**3 / 100).sum() > EFFORT:
        return False
    begins, ends = np.searchsorted(cell, failed), np.searchsorted(cell, failed, "right")
    return all(
        matched(
            [
                tolerance.arrays(np.tile(row, (end - begin, 1)), expected[begin:end]).all(axis=1)
                for row in got[begin:end]
            ]
        )
        for begin, end in zip(begins, ends, strict=True)
    )


def _columns(rows: np.ndarray) -> list[int]:
    """Return the columns to sort by: all, or some of very many."""
    width = rows.shape[1]
    return (
        sorted({i * width // COLUMNS for i in range(COLUMNS)})
        if width > COLUMNS
        else [*range(width)]
    )


def _cells(rows: np.ndarray, reach: np.ndarray) -> np.ndarray:
    """Number the rows so that those of different numbers cannot agree.

    Args:
        rows: (N, C) floats.
        reach: (N, C), how far from each the tolerance goes.

    Returns:
        (N,) integers.
    """
    cell = np.zeros(len(rows), int)
    for column in _columns(rows) * 2:  # once more: what a column has divided helps the others
        order = np.lexsort([rows[:, column], cell])
        value, far = rows[order, column], reach[order, column]
        low, high = value[:-1], value[1:]
        with np.errstate(all="ignore"):
            # A little more than the tolerance, for the rounding of its formula.
            apart = high - low > np.maximum(far[:-1], far[1:]) * (1 + 1e-9)
        same = (low == high) | (np.isnan(low) & np.isnan(high))
        apart = np.where(np.isfinite(low) & np.isfinite(high), apart, ~same)
        apart |= np.diff(cell[order]) != 0
        cell[order] = np.concatenate([[0], np.cumsum(apart)])
    return cell


def matched(near: list[np.ndarray]) -> bool:
    """Tell whether each row can have a partner of its own.

    Args:
        near: for each row, with which of as many others it agrees.

    Source: H. W. Kuhn, "The Hungarian method for the assignment problem", 1955: augmenting paths,
    here by breadth first, on sets of partners that are kept as the bits of integers.
    """
    options = [int.from_bytes(np.packbits(row, bitorder="little"), "little") for row in near]
    owner: dict[int, int] = {}
    return all(_augment(options, owner, row) for row in range(len(options)))


def _augment(options: list[int], owner: dict[int, int], row: int) -> bool:
    """Give one more row a partner, moving others to new ones; False if there is no way."""
    unseen = (1 << len(options)) - 1
    wanted_by: dict[int, int] = {}
    rows, partner_of = [row], {owning: partner for partner, owning in owner.items()}
    for each in rows:  # grows
        fresh = options[each] & unseen
        unseen &= ~fresh
        while fresh:
            partner = (fresh & -fresh).bit_length() - 1
            fresh &= fresh - 1
            wanted_by[partner] = each
            if partner in owner:
                rows.append(owner[partner])
                continue
            while partner is not None:  # back along the path
                each = wanted_by[partner]
                owner[partner] = each
                partner = partner_of.get(each)
            return True
    return False
