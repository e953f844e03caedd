"""Textures of the flat shapes: the weight of the second colour, in the object's own frame.

A texture is a function of a ``Pattern`` and returns weights (G, S, S) in [0, 1] for G objects in
windows of S by S pixels, its edges blurred over one pixel; "flat" has none.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

__all__ = ["TEXTURES", "WEIGHTS", "Pattern"]


@dataclass(frozen=True, slots=True)
class Pattern:
    """Arguments of a texture: coordinates in units of the radius, and each object's parameters."""

    u: np.ndarray  # (G, S, S)
    v: np.ndarray  # (G, S, S)
    period: np.ndarray  # (G, 1, 1) in units of the radius
    phase_u: np.ndarray  # (G, 1, 1) in periods
    phase_v: np.ndarray  # (G, 1, 1) in periods
    pixels: np.ndarray  # (G, 1, 1) pixels in one period


def _bands(along: np.ndarray, phase: np.ndarray, pattern: Pattern) -> np.ndarray:
    cycle = along / pattern.period + phase
    cycle -= np.floor(cycle)
    # The signed distance to the nearer edge of the band, in periods, then blurred over one pixel.
    distance = np.abs(cycle - 0.5) - 0.25
    return np.clip(distance * pattern.pixels + 0.5, 0, 1)


def _stripes(p: Pattern) -> np.ndarray:
    return _bands(p.u, p.phase_u, p)


def _checks(p: Pattern) -> np.ndarray:
    first, second = _bands(p.u, p.phase_u, p), _bands(p.v, p.phase_v, p)
    return first + second - 2 * first * second


def _dots(p: Pattern) -> np.ndarray:
    u, v = p.u / p.period + p.phase_u, p.v / p.period + p.phase_v
    u -= np.floor(u)
    v -= np.floor(v)
    distance = 0.32 - np.sqrt((u - 0.5) ** 2 + (v - 0.5) ** 2)
    return np.clip(distance * p.pixels + 0.5, 0, 1)


# Value noise looks up a fixed lattice; an object's phase chooses the part that it sees.
_LATTICE = np.random.default_rng(2024).random(64 * 64, dtype=np.float32)


def _noise(p: Pattern) -> np.ndarray:
    u = p.u * 2.5 / p.period + 64 * p.phase_u
    v = p.v * 2.5 / p.period + 64 * p.phase_v
    column, row = np.floor(u), np.floor(v)
    u, v = u - column, v - row
    u, v = u * u * (3 - 2 * u), v * v * (3 - 2 * v)
    column, row = column.astype(np.int32), row.astype(np.int32)
    left, right = column & 63, (column + 1) & 63
    upper, lower = (row & 63) << 6, ((row + 1) & 63) << 6
    upper = _LATTICE[upper + left] * (1 - u) + _LATTICE[upper + right] * u
    lower = _LATTICE[lower + left] * (1 - u) + _LATTICE[lower + right] * u
    value = upper + (lower - upper) * v
    return np.clip((value - 0.5) * 3 + 0.5, 0, 1)


WEIGHTS: dict[str, Callable[[Pattern], np.ndarray] | None] = {
    "flat": None,
    "stripes": _stripes,
    "checks": _checks,
    "dots": _dots,
    "noise": _noise,
}
TEXTURES: tuple[str, ...] = tuple(WEIGHTS)
