"""What the functions of this package ask of their arguments, each in one sentence."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from cvlab._arguments import integer

__all__ = ["integer", "names", "strength"]


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
