"""Outlines of the flat shapes: how far a point is from each, negative inside.

An outline takes two arrays of one shape, u pointing right and v pointing up from the centre, in
units of the radius of the circle around the shape. It returns the signed distance of each point to
the outline (to the nearest side's line beyond a corner), in the same units.

Examples:
    >>> OUTLINES["square"](np.array([0.0, 1.0]), np.array([0.0, 0.2])).round(2).tolist()
    [-0.7, 0.3]
"""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np

__all__ = ["CLASSES", "OUTLINES"]


def _disc(u: np.ndarray, v: np.ndarray) -> np.ndarray:
    return np.sqrt(u * u + v * v) - 0.85


def _square(u: np.ndarray, v: np.ndarray) -> np.ndarray:
    return np.maximum(np.abs(u), np.abs(v)) - 0.70


def _triangle(u: np.ndarray, v: np.ndarray) -> np.ndarray:
    sides = (math.sqrt(3) / 2) * np.abs(u) + 0.5 * v
    return np.maximum(sides, -v) - 0.5


def _star(u: np.ndarray, v: np.ndarray) -> np.ndarray:
    # A pentagram is where at least four of five half-planes hold, so its distance is the second
    # largest of theirs. The normals point to the tips; folding u leaves four that can come second.
    u = np.abs(u)
    side = math.cos(math.radians(18)) * u + math.sin(math.radians(18)) * v
    foot_u, foot_v = math.cos(math.radians(54)) * u, math.sin(math.radians(54)) * v
    foot, other_foot = foot_u - foot_v, -foot_u - foot_v
    middle = np.maximum(np.minimum(side, foot), np.minimum(np.maximum(side, foot), v))
    return np.maximum(middle, other_foot) - math.sin(math.radians(18))


def _ring(u: np.ndarray, v: np.ndarray) -> np.ndarray:
    return np.abs(np.sqrt(u * u + v * v) - 0.68) - 0.20


def _cross(u: np.ndarray, v: np.ndarray) -> np.ndarray:
    u, v = np.abs(u), np.abs(v)
    return np.maximum(np.maximum(u, v) - 0.94, np.minimum(u, v) - 0.30)


def _crescent(u: np.ndarray, v: np.ndarray) -> np.ndarray:
    v_squared = v * v
    bite = np.sqrt((u - 0.42) ** 2 + v_squared)
    return np.maximum(np.sqrt(u * u + v_squared) - 0.95, 0.72 - bite)


def _heart(u: np.ndarray, v: np.ndarray) -> np.ndarray:
    # A square on its tip and a half-disc on each of its two upper sides.
    u, v = np.abs(u), v + 0.11
    lobe = np.sqrt((u - 0.37) ** 2 + (v - 0.37) ** 2) - 0.37 * math.sqrt(2)
    return np.minimum((u + np.abs(v) - 0.74) * math.sqrt(0.5), lobe)


def _arrow(u: np.ndarray, v: np.ndarray) -> np.ndarray:
    # The head's side runs from the tip (0, 0.95) to the barb (0.72, 0).
    u = np.abs(u)
    length = math.hypot(0.95, 0.72)
    head = np.maximum((0.95 / length) * u + (0.72 / length) * (v - 0.95), -v)
    shaft = np.maximum(np.maximum(u - 0.24, v - 0.10), -0.90 - v)
    return np.minimum(head, shaft)


def _bar(u: np.ndarray, v: np.ndarray) -> np.ndarray:
    return np.maximum(np.abs(u) - 0.95, np.abs(v) - 0.28)


def _pebble(u: np.ndarray, v: np.ndarray) -> np.ndarray:
    return np.sqrt(u * u + (1.6 * v) ** 2) - 0.95


def _streak(u: np.ndarray, v: np.ndarray) -> np.ndarray:
    beyond = np.maximum(np.abs(u) - 0.80, 0)
    return np.sqrt(beyond * beyond + v * v) - 0.18


def _slab(u: np.ndarray, v: np.ndarray) -> np.ndarray:
    # Round corners, so that it is no bar and no square.
    u, v = np.maximum(np.abs(u) - 0.60, 0), np.maximum(np.abs(v) - 0.17, 0)
    return np.sqrt(u * u + v * v) - 0.25


OUTLINES: dict[str, Callable[[np.ndarray, np.ndarray], np.ndarray]] = {
    "disc": _disc,
    "square": _square,
    "triangle": _triangle,
    "star": _star,
    "ring": _ring,
    "cross": _cross,
    "crescent": _crescent,
    "heart": _heart,
    "arrow": _arrow,
    "bar": _bar,
}
CLASSES: tuple[str, ...] = tuple(OUTLINES)
# What clutters and occludes belongs to no class.
OUTLINES |= {"pebble": _pebble, "streak": _streak, "slab": _slab}
