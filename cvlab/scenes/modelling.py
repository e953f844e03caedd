"""The tools that objects are modelled with: solids in their places, and the paint on them.

A model is a list of parts, built upright with its front towards negative y, in any unit; ``fit``
moves its middle to the origin and scales it so that it just fits into the unit sphere. Paint is a
function of the points of a surface and gives their colours (M, 3).

Examples:
    >>> red = (0.8, 0.1, 0.1)
    >>> ball_on_box = [part(Faceted.box(1, 1, 1), red), ball(red, (0, 0, 2))]
    >>> len(fit(ball_on_box).parts)
    2
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from cvlab.scenes.solids import Faceted, Paint, Part, Solid, Surface, Turned

__all__ = [
    "Body",
    "Colour",
    "ball",
    "directions",
    "fit",
    "half_space",
    "near",
    "odd",
    "part",
    "pick",
    "wash",
]

Colour = tuple[float, float, float]
Vector = tuple[float, float, float]


def part(
    solid: Solid | Sequence[Solid],
    paint: Paint | Colour,
    at: Vector = (0, 0, 0),
    *,
    axis: Vector = (0, 0, 1),
    spin: float = 0.0,
    stretch: float | Vector = 1.0,
    cut: Solid | None = None,
) -> Part:
    """Put a solid, or the common part of several, into its place.

    Args:
        solid: In coordinates of its own.
        paint: Its colours, or its one colour.
        at: Where its origin goes.
        axis: Where its z axis points; its x axis stays horizontal (and is x for an upright one).
        spin: Degrees about its own z axis, counter-clockwise seen from its tip, before that.
        stretch: Along its own axes, before that.
        cut: What is taken out, in the solid's coordinates.

    Examples:
        >>> lying = part(Turned.cylinder(0.5, 0, 2), (0.8, 0.1, 0.1), axis=(1, 0, 0))
        >>> lying.outline().max(axis=0).round(2).tolist()
        [2.0, 0.5, 0.5]
    """
    upright = np.array(axis, float)
    upright /= np.linalg.norm(upright)
    across = np.cross((0, 0, 1), upright)
    across = across / np.linalg.norm(across) if across.any() else np.array([1.0, 0, 0])
    frame = np.stack([across, np.cross(upright, across), upright], axis=1)
    angle = np.radians(spin)
    cosine, sine = np.cos(angle), np.sin(angle)
    frame = frame @ np.array([[cosine, -sine, 0], [sine, cosine, 0], [0, 0, 1]])
    matrix = frame.T / np.broadcast_to(np.array(stretch, float), 3)[:, None]
    solids = (solid,) if isinstance(solid, (Turned, Faceted)) else tuple(solid)
    painted = paint if callable(paint) else _plain(paint)
    return Part(solids, painted, matrix, -matrix @ np.array(at, float), cut)


def ball(
    paint: Paint | Colour,
    at: Vector,
    stretch: float | Vector = 1.0,
    axis: Vector = (0, 0, 1),
    spin: float = 0.0,
) -> Part:
    """An ellipsoid with three radii."""
    return part(Turned.ball(), paint, at, axis=axis, spin=spin, stretch=stretch)


def _plain(colour: Colour) -> Paint:
    shade = np.array([colour], np.float32)
    return lambda s: np.broadcast_to(shade, (len(s.x), 3))


def pick(index: np.ndarray, *colours: Colour) -> np.ndarray:
    """Colours (M, 3) by their number; a condition picks the first where false."""
    return np.array(colours, np.float32)[np.asarray(index, np.intp)]


def odd(value: np.ndarray) -> np.ndarray:
    """Whether the whole part of a coordinate is odd: stripes of width one."""
    return np.floor(value).astype(np.int32) & 1


def near(s: Surface, centres: np.ndarray) -> np.ndarray:
    """(M,) the greatest cosine between a point, seen from the origin, and any of (K, 3) centres."""
    points = np.stack([s.x, s.y, s.z], axis=1)
    points /= np.linalg.norm(points, axis=1, keepdims=True)
    return (points @ centres.T).max(axis=1)


def directions(*angles: tuple[float, float]) -> np.ndarray:
    """Unit vectors (K, 3) float32 of pairs: turn from the front and elevation, in degrees."""
    turn, elevation = np.radians(np.array(angles, float)).T
    flat = np.cos(elevation)
    axes = flat * np.sin(turn), -flat * np.cos(turn), np.sin(elevation)
    return np.stack(axes, axis=1).astype(np.float32)


def half_space(x: float, y: float, z: float, offset: float = 0.0) -> Faceted:
    """Where (x, y, z) times a point is at most ``offset``: it cuts a solid in two."""
    return Faceted(((x, y, z),), (offset,))


def wash(s: Surface) -> np.ndarray:
    """Smooth waves in [-1, 1] or so that look like chance, for wood, bark and continents."""
    x, y, z = 1.5 * s.x, 1.5 * s.y, 1.5 * s.z
    value = np.sin(2.1 * x + 1.3 * np.sin(2.3 * y + 0.8) + 0.5)
    value += np.sin(2.7 * y - 1.1 * np.sin(1.9 * z + 0.4) + 1.9)
    value += np.sin(3.1 * z + 1.4 * np.sin(2.9 * x - 1.2) - 0.7)
    return value * np.float32(0.5)


class Body(NamedTuple):
    """An object that just fits into the unit sphere around the origin, on its axis of rotation."""

    parts: tuple[Part, ...]
    outlines: tuple[np.ndarray, ...]  # (K, 3) each, points around each part
    floor: float  # height of the lowest point
    foot: float  # radius of what stands on the floor, for its shadow


def fit(parts: Sequence[Part]) -> Body:
    """Move parts along z and scale them so that they just fit into the unit sphere.

    Examples:
        >>> cube = fit([part(Faceted.box(2, 2, 2), (0.5, 0.5, 0.5), (0, 0, 7))])
        >>> round(cube.floor, 4)
        -0.5774
    """
    points = np.concatenate([p.outline() for p in parts])
    across = np.hypot(points[:, 0], points[:, 1])
    # The centre on the axis with the smallest greatest distance: a convex function of one number.
    low, high = points[:, 2].min(), points[:, 2].max()
    for _ in range(60):
        first, second = low + (high - low) / 3, high - (high - low) / 3
        reach = [np.hypot(across, points[:, 2] - middle).max() for middle in (first, second)]
        low, high = (first, high) if reach[0] > reach[1] else (low, second)
    middle = np.array([0, 0, (low + high) / 2])
    radius = np.hypot(across, points[:, 2] - middle[2]).max()
    moved = tuple(
        Part(p.solids, p.paint, p.matrix * radius, p.matrix @ middle + p.offset, p.cut)
        for p in parts
    )
    outlines = tuple(p.outline() for p in moved)
    points = np.concatenate(outlines)
    floor = points[:, 2].min()
    standing = points[points[:, 2] < floor + 0.3]
    return Body(moved, outlines, float(floor), float(np.hypot(*standing.T[:2]).max()))
