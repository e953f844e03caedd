"""What functions ask of their arguments, each in one sentence: a value comes back ready for use.

``features`` asks more of images in a module of its own, and ``train`` of what it trains.
"""

from __future__ import annotations

import math
import operator
from typing import Any

import numpy as np

# --- One value ------------------------------------------------------------------------------------


def integer(value: Any, name: str, least: int, most: int | None = None) -> int:
    """Return an integer of at least ``least`` and, where there is one, at most ``most``."""
    number = _index(value, name)
    if number < least or (most is not None and number > most):
        limits = f"at least {least}" if most is None else f"in {least} to {most}"
        raise ValueError(f"{name} must be {limits}, not {number}.")
    return number


def _index(value: Any, name: str) -> int:
    try:
        number = operator.index(value)
    except TypeError:
        number = None
    if number is None or isinstance(value, (bool, np.bool_)):
        raise TypeError(f"{name} must be an integer, not {type(value).__name__}.")
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


def positive_number(value: Any, name: str) -> Any:
    """Return a finite number above 0, of the type that it has."""
    if not np.isscalar(value) or isinstance(value, (str, bytes, complex)):
        raise TypeError(f"{name} must be one number, not {type(value).__name__}.")
    if not (np.isfinite(value) and value > 0):
        raise ValueError(f"{name} must be a positive number, not {value}.")
    return value


def choice(value: Any, name: str, options: Any) -> Any:
    """Return a value that is among the options."""
    if not isinstance(value, str) or value not in options:
        raise ValueError(f"{name} must be one of {', '.join(map(repr, options))}, not {value!r}.")
    return value


# --- Arrays of numbers ----------------------------------------------------------------------------


def real(value: Any, name: str) -> np.ndarray:
    """Return finite real numbers of any shape as float64, or as float32 if they were."""
    try:
        array = np.asarray(value)
    except ValueError as error:  # rows of different lengths
        raise ValueError(f"{name} must be one array, with rows of the same length.") from error
    if array.dtype.kind not in "biuf":
        raise TypeError(f"{name} must hold real numbers, not {array.dtype}; convert it to float.")
    if array.dtype != np.float32:
        array = array.astype(np.float64, copy=False)
    if not _all_finite(array):
        raise ValueError(f"{name} holds NaN or infinite values; replace or drop them first.")
    return array


def numbers(value: Any, name: str, *, flat: bool = True) -> np.ndarray:
    """Return a copy of finite numbers as float64, at least one; (N,) where ``flat``."""
    array = np.asarray(value)
    if array.dtype.kind not in "biuf" and array.size:
        raise TypeError(f"{name} must be numbers, not {array.dtype}.")
    if flat and array.ndim != 1:
        raise ValueError(f"{name} must have one dimension, not the shape {array.shape}.")
    if not array.size:
        raise ValueError(f"{name} is empty; give at least one value.")
    array = array.astype(np.float64)
    if not _all_finite(array):
        raise ValueError(f"{name} must be finite; it holds nan or inf.")
    return array


def _all_finite(array: np.ndarray) -> bool:
    # One sum is quicker than a test of every value, and finite unless it overflows.
    with np.errstate(all="ignore"):
        return bool(np.isfinite(array.sum()) or np.isfinite(array).all())


# --- Labels and scores ----------------------------------------------------------------------------


def labels(actual: Any, predicted: Any) -> tuple[np.ndarray, np.ndarray]:
    """Return two arrays (N,) of comparable labels: numbers, or strings."""
    first, second = _of_one_type(actual, "actual"), _of_one_type(predicted, "predicted")
    _check_as_many(first, second, "actual", "predicted", "labels")
    if (first.dtype.kind in "US") != (second.dtype.kind in "US"):
        raise TypeError("actual and predicted must both be numbers or both be strings.")
    return first, second


def _of_one_type(value: Any, name: str) -> np.ndarray:
    array = np.asarray(value)
    if array.dtype == object and all(isinstance(entry, str) for entry in array.flat):
        array = array.astype(str)  # a column of a table
    if array.dtype.kind in "biuf" or not array.size:
        numbers(array, name)
    elif array.dtype.kind not in "US":
        raise TypeError(f"{name} must be numbers or strings, not {array.dtype}.")
    elif array.ndim != 1:
        raise ValueError(f"{name} must have one dimension, not the shape {array.shape}.")
    return array


def classes(value: Any, actual: np.ndarray, predicted: np.ndarray) -> np.ndarray:
    """Return (C,) distinct classes of the type of two arrays of labels.

    An integer C stands for 0 to C - 1, None for the labels that occur.
    """
    if value is None:
        known = np.unique(np.concatenate([actual, predicted]))
    elif isinstance(value, (int, np.integer)) and not isinstance(value, bool):
        known = np.arange(value)
    else:
        known = np.asarray(value)
    ranked = np.sort(known, axis=None)
    if known.ndim != 1 or not len(known) or (ranked[1:] == ranked[:-1]).any():
        raise ValueError(f"classes must be distinct labels, at least one, not {value!r}.")
    if (actual.dtype.kind in "US") != (known.dtype.kind in "US"):
        raise TypeError("classes must be of the labels' type.")
    return known


def decisions(actual: Any, predicted: Any) -> tuple[np.ndarray, np.ndarray]:
    """Return two arrays (N,) bool of booleans or numbers 0 and 1."""
    truth, decision = _binary(actual, "actual"), _binary(predicted, "predicted")
    _check_as_many(truth, decision, "actual", "predicted", "labels")
    return truth, decision


def scored(positive: Any, scores: Any, *, both: bool = False) -> tuple[np.ndarray, np.ndarray]:
    """Return what is true, (N,) bool, and the scores, (N,) float64.

    With ``both``, there must be a positive and a negative.
    """
    truth, values = _binary(positive, "positive"), numbers(scores, "scores")
    _check_as_many(truth, values, "positive", "scores", "entries")
    if both and (truth.all() or not truth.any()):
        kind = "positive" if truth.any() else "negative"
        raise ValueError(f"All {len(truth)} samples are {kind}; an ROC curve needs both kinds.")
    return truth, values


def total(value: Any, found: int) -> int:
    """Return how many positives there are, ``found`` if None, at least that and at least one."""
    count = found if value is None else _index(value, "total")
    if count < found:
        raise ValueError(f"total must be at least the {found} positives given, not {count}.")
    if not count:
        raise ValueError("There is no positive sample; precision and recall need at least one.")
    return count


def _binary(value: Any, name: str) -> np.ndarray:
    array = np.asarray(value)
    if array.ndim == 1 and array.dtype == bool and array.size:
        return array
    values = numbers(array, name)
    truth = values == 1
    if not (truth | (values == 0)).all():
        odd = values[~truth & (values != 0)][0]
        raise ValueError(f"{name} must hold only 0 and 1, or booleans; it holds {odd:g}.")
    return truth


def _check_as_many(
    first: np.ndarray, second: np.ndarray, first_name: str, second_name: str, what: str
) -> None:
    if len(first) != len(second):
        raise ValueError(
            f"{first_name} has {len(first)} {what} and {second_name} {len(second)}; "
            "give one of each for every sample."
        )
