"""Random sample consensus: fit to few data at a time, and keep what most of the others accept."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from cvlab.geometry import _arguments

__all__ = ["ransac", "trials_needed"]

_ROUNDS = 10  # of refitting, at most


def trials_needed(share: float, size: int, confidence: float = 0.99) -> float:
    """Return after how many samples one of them is free of outliers.

    log(1 - confidence) / log(1 - share ** size), where every sample draws ``size`` data.

    Args:
        share: of the data that are inliers, 0 to 1.
        size: data in a sample.
        confidence: the probability that is asked for, at least 0 and below 1.

    Returns:
        A number, not rounded; 0 where all are inliers, infinity where none is.

    Raises:
        TypeError: for values that are no numbers.
        ValueError: for a share or a confidence out of range, or a size below 1.

    >>> round(trials_needed(0.5, 4), 1)
    71.4
    >>> trials_needed(1.0, 4), trials_needed(0.0, 4)
    (0.0, inf)
    """
    share, confidence = _unit(share, "share"), _unit(confidence, "confidence")
    if confidence == 1:
        raise ValueError("confidence must be below 1; nothing is certain after finitely many.")
    clean = share ** _arguments.integer(size, "size", 1)
    if confidence == 0 or clean == 1:
        return 0.0
    return math.log1p(-confidence) / math.log1p(-clean) if clean > 0 else math.inf


def _unit(value: Any, name: str) -> float:
    number = _arguments.number(value, name)
    if number > 1:
        raise ValueError(f"{name} must lie in [0, 1], not {number:g}.")
    return number


def ransac(
    fit: Callable[..., Any],
    error: Callable[..., Any],
    data: Any,
    size: int,
    threshold: float,
    trials: int = 1000,
    seed: int = 0,
    *,
    confidence: float = 0.999,
) -> tuple[Any, np.ndarray]:
    """Fit a model to data of which many may be wrong; return it and which data it explains.

    Taught in the chapter on retrieval. Draws samples of the smallest size, fits the model to each
    and counts the data within the threshold; of equally many, the first model stays. Drawing ends
    after ``trials_needed`` for the share of inliers found so far. The winner is fitted again to
    all of its inliers as long as their number grows. Source: M. Fischler and R. Bolles, "Random
    sample consensus", Communications of the ACM 24(6), 1981.

    Args:
        fit: takes rows of the data, as many arrays as ``data`` has; returns a model, or None where
            the rows do not determine one. A ``LinAlgError`` of it counts as None.
        error: takes a model and the data; returns (N,), not negative. NaN is no inlier.
        data: an array (N, ...), or a tuple of such arrays with the same N.
        size: rows in a sample, the fewest that determine a model.
        threshold: the largest error of an inlier, in the unit of ``error``.
        trials: the most samples that are drawn.
        seed: of the samples.
        confidence: how sure to be that one sample was free of outliers before drawing ends.

    Returns:
        The model, and the inliers, (N,) bool; None and no inlier if no sample gave a model.

    Raises:
        TypeError: for arguments of the wrong type.
        ValueError: for fewer rows than a sample has, arrays of different length, a negative
            threshold, or an error that is not (N,).

    >>> x = np.arange(10.0)
    >>> y = 2 * x
    >>> y[[3, 7]] += 40
    >>> slope = lambda x, y: x @ y / (x @ x) if x.any() else None
    >>> model, inliers = ransac(slope, lambda m, x, y: abs(y - m * x), (x, y), 1, 0.5)
    >>> float(model), np.flatnonzero(~inliers).tolist()
    (2.0, [3, 7])
    """
    columns, size = _columns(data), _arguments.integer(size, "size", 1)
    threshold = _arguments.number(threshold, "threshold")
    trials = _arguments.integer(trials, "trials", 1)
    n, rng = len(columns[0]), np.random.default_rng(seed)
    if n < size:
        raise ValueError(f"data must have at least {size} rows, the size of a sample, not {n}.")
    trials_needed(1, size, confidence)  # asks for a confidence below 1

    def accepted(model: Any) -> np.ndarray:
        errors = np.asarray(error(model, *columns))
        if errors.shape != (n,):
            raise ValueError(f"error must return one number per row, ({n},), not {errors.shape}.")
        return errors <= threshold  # False for NaN

    best, inliers, done, needed = None, np.zeros(n, bool), 0, float(trials)
    while done < min(trials, needed):
        done += 1
        model = _attempt(fit, columns, rng.choice(n, size, replace=False, shuffle=False))
        if model is None:
            continue
        found = accepted(model)
        if best is None or found.sum() > inliers.sum():
            best, inliers = model, found
            needed = max(1.0, trials_needed(found.mean(), size, confidence))
    for _ in range(_ROUNDS):
        if inliers.sum() < size:
            break
        model = _attempt(fit, columns, inliers)
        found = np.zeros(n, bool) if model is None else accepted(model)
        if found.sum() < inliers.sum():
            break
        grown = found.sum() > inliers.sum()
        best, inliers = model, found
        if not grown:
            break
    return best, inliers


def _columns(data: Any) -> tuple[np.ndarray, ...]:
    columns = tuple(map(np.asarray, data)) if isinstance(data, tuple) else (np.asarray(data),)
    if not columns or any(column.ndim == 0 for column in columns):
        raise ValueError("data must be an array (N, ...), or a tuple of such arrays.")
    lengths = sorted({len(column) for column in columns})
    if len(lengths) > 1:
        raise ValueError(f"data must be arrays of one length, not {lengths}.")
    return columns


def _attempt(fit: Callable[..., Any], columns: tuple[np.ndarray, ...], rows: np.ndarray) -> Any:
    try:
        return fit(*(column[rows] for column in columns))
    except np.linalg.LinAlgError:
        return None
