"""What the functions of this package ask of their arguments, each in one sentence."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import fields
from typing import Any

import numpy as np

from cvlab._arguments import integer, positive_number

__all__ = ["counts", "integer", "knobs", "names", "positive_number", "strength"]


def strength(name: str, value: float) -> float:
    """Return a number in [0, 1]."""
    if not isinstance(value, (int, float, np.number)):
        raise TypeError(f"{name} must be a number in [0, 1], not {type(value).__name__}.")
    if not 0 <= value <= 1:
        raise ValueError(f"{name} must be a number in [0, 1], not {value}; 0 is none, 1 is full.")
    return float(value)


def names(name: str, value: Sequence[str] | None, known: tuple[str, ...]) -> tuple[str, ...]:
    """Return distinct names out of the known ones, at least one; all of them for None."""
    if value is None:
        return known
    if isinstance(value, str):
        raise TypeError(f"{name} must be a sequence of names such as ({value!r},), not a string.")
    chosen = tuple(value)
    unknown = [entry for entry in chosen if entry not in known]
    if not chosen or unknown or len(set(chosen)) < len(chosen):
        raise ValueError(f"{name} must be distinct names from {known}, at least one, not {chosen}.")
    return chosen


def counts(name: str, value: Any, most: int) -> tuple[int, int]:
    """Return the ends of a range of counts, both included, given as one count or a pair."""
    pair = value if isinstance(value, (tuple, list)) else (value,) * 2
    if len(pair) != 2:
        raise ValueError(f"{name} must be a count or a pair (lo, hi), not {value}.")
    low, high = (integer(count, name, 0, most) for count in pair)
    if low > high:
        raise ValueError(f"{name} must be a pair (lo, hi) with lo <= hi, not {value}.")
    return low, high


def knobs(function: str, given: Iterable[str], known: Any) -> None:
    """Refuse names that are no fields of a dataclass."""
    choices = [field.name for field in fields(known)]
    if unknown := [name for name in given if name not in choices]:
        raise TypeError(
            f"{function}() has no knob {unknown[0]!r}; choose from {', '.join(choices)}."
        )
