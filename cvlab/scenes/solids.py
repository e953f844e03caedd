"""Casting parallel rays at painted solids: intervals on a ray, the nearest surface, its shade.

Coordinates are right-handed with z up; at yaw 0 the camera looks along +y, so that an object shows
what lies at negative y, and x points right in the image. A ray is ``o + t d``, t growing away from
the camera; d is one vector for the whole image, because the camera is far away.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import NamedTuple, Protocol

import numpy as np

__all__ = ["Camera", "Faceted", "Part", "Rendering", "Solid", "Surface", "Turned", "cast"]

Arrays = tuple[np.ndarray, np.ndarray, np.ndarray]
SAMPLES = 3  # rays across a pixel; odd, so that one of them passes through its centre
SKY = 0.15  # how much of the ambient light comes from above: a wall gets 1 - SKY of it
_TOUCH = 1e-4  # how near to a plane a point counts as lying on it


class Solid(Protocol):
    """A convex body: a ray meets it in one interval."""

    def span(self, origin: Arrays, direction: Sequence[float]) -> tuple[np.ndarray, np.ndarray]:
        """Where rays enter and leave it; they miss it where enter >= leave."""

    def side(self, x: np.ndarray, y: np.ndarray, z: np.ndarray) -> tuple[np.ndarray, Arrays]:
        """On which side surface points lie, and the outward normal there, of any length."""

    def outline(self) -> np.ndarray:
        """Points (K, 3) whose convex hull holds the solid, but for a few per cent."""


class Turned(NamedTuple):
    """A body of revolution, x^2 + y^2 <= a z^2 + b z + c with low <= z <= high.

    Sides: 0 is the wall, 1 the upper and -1 the lower lid. It must be convex, as cylinders,
    ellipsoids and frusta of one nappe are.
    """

    a: float
    b: float
    c: float
    low: float
    high: float

    @classmethod
    def cylinder(cls, radius: float, low: float, high: float) -> Turned:
        """An upright cylinder."""
        return cls(0.0, 0.0, radius * radius, low, high)

    @classmethod
    def frustum(cls, lower: float, upper: float, low: float, high: float) -> Turned:
        """Radius ``lower`` at the low end and ``upper`` at the high one; 0 for a cone's tip."""
        slope = (upper - lower) / (high - low)
        start = lower - slope * low
        return cls(slope * slope, 2 * slope * start, start * start, low, high)

    @classmethod
    def ball(cls, low: float = -1.0, high: float = 1.0) -> Turned:
        """The unit ball between two heights; a part's stretch makes an ellipsoid of it."""
        return cls(-1.0, 0.0, 1.0, low, high)

    def span(self, origin: Arrays, direction: Sequence[float]) -> tuple[np.ndarray, np.ndarray]:
        """Where rays enter and leave; see ``Solid``."""
        (x, y, z), (dx, dy, dz) = origin, direction
        square = dx * dx + dy * dy - self.a * dz * dz
        if abs(square) < 1e-6:
            square = 1e-6
        half = dx * x + dy * y - (self.a * dz) * z - 0.5 * self.b * dz
        rest = x * x + y * y - (self.a * z + self.b) * z - self.c
        inside = half * half - square * rest
        root = np.sqrt(np.maximum(inside, 0))
        first, last = (-half - root) / square, (-half + root) / square
        lids = ((height - z) / dz for height in (self.low, self.high))
        enter, leave = lids if dz > 0 else reversed(tuple(lids))
        if square > 0:
            enter, leave = np.maximum(enter, first), np.minimum(leave, last)
            enter[inside < 0] = np.inf
            return enter, leave
        # A ray steeper than a cone's wall is inside before the one root and after the other;
        # between the lids, which cut off the second nappe, it is one of the two.
        last, first = np.minimum(first, last), np.maximum(first, last)
        before = (enter < last) & (inside >= 0)
        after = (inside >= 0) & ~before
        return np.where(after, np.maximum(enter, first), enter), np.where(
            before, np.minimum(leave, last), leave
        )

    def side(self, x: np.ndarray, y: np.ndarray, z: np.ndarray) -> tuple[np.ndarray, Arrays]:
        """Side and normal; see ``Solid``."""
        lid = (z > self.high - _TOUCH).astype(np.int8) - (z < self.low + _TOUCH)
        wall = lid == 0
        return lid, (x * wall, y * wall, np.where(wall, -self.a * z - 0.5 * self.b, lid))

    def outline(self) -> np.ndarray:
        """Points around it; see ``Solid``."""
        angles = np.linspace(0, 2 * np.pi, 16, endpoint=False)
        # Closer towards both ends, where a ball is round.
        middle, half = (self.high + self.low) / 2, (self.high - self.low) / 2
        height = (middle - half * np.cos(np.linspace(0, np.pi, 13)))[:, None]
        radius = np.sqrt(np.maximum((self.a * height + self.b) * height + self.c, 0))
        across = radius * np.cos(angles), radius * np.sin(angles), height + 0 * angles
        return np.stack([axis.ravel() for axis in across], axis=1)


class Faceted(NamedTuple):
    """A convex polyhedron, where n . p <= h holds for every face; its sides are its faces."""

    normals: tuple[tuple[float, float, float], ...]
    offsets: tuple[float, ...]

    @classmethod
    def box(cls, x: float, y: float, z: float) -> Faceted:
        """Half sides; faces 0 to 5 look along +x, -x, +y, -y, +z, -z."""
        signs = [(1, 0, 0), (-1, 0, 0), (0, 1, 0), (0, -1, 0), (0, 0, 1), (0, 0, -1)]
        return cls(tuple(signs), (x, x, y, y, z, z))

    def span(self, origin: Arrays, direction: Sequence[float]) -> tuple[np.ndarray, np.ndarray]:
        """Where rays enter and leave; see ``Solid``."""
        enter = leave = None
        for normal, offset in zip(self.normals, self.offsets, strict=True):
            speed = sum(n * d for n, d in zip(normal, direction, strict=True)) or 1e-9
            # Most normals have one or two components only.
            height = sum(n * axis for n, axis in zip(normal, origin, strict=True) if n)
            meets = (offset - height) / speed
            if speed > 0:
                leave = meets if leave is None else np.minimum(leave, meets)
            else:
                enter = meets if enter is None else np.maximum(enter, meets)
        far = np.float32(1e6)
        blank = np.zeros_like(origin[0])
        return (blank - far if enter is None else enter), (blank + far if leave is None else leave)

    def side(self, x: np.ndarray, y: np.ndarray, z: np.ndarray) -> tuple[np.ndarray, Arrays]:
        """Side and normal; see ``Solid``."""
        normals = np.array(self.normals, np.float32)
        heights = normals @ np.stack([x, y, z]) - np.array(self.offsets, np.float32)[:, None]
        face = heights.argmax(axis=0)
        return face, tuple(normals.T[:, face])

    def outline(self) -> np.ndarray:
        """The corners, where three faces meet inside all others."""
        normals, offsets = np.array(self.normals, float), np.array(self.offsets)
        corners = []
        for three in combinations(range(len(offsets)), 3):
            faces = normals[list(three)]
            if abs(np.linalg.det(faces)) > 1e-6:
                corner = np.linalg.solve(faces, offsets[list(three)])
                if (normals @ corner <= offsets + 1e-6).all():
                    corners.append(corner)
        return np.array(corners).reshape(-1, 3)


class Surface(NamedTuple):
    """Points (M,) of one part's surface, for its paint: in the part's own coordinates."""

    x: np.ndarray
    y: np.ndarray
    z: np.ndarray
    side: np.ndarray  # as the solid numbers its sides
    cut: bool  # whether these points lie where the cut has been taken out

    @property
    def turn(self) -> np.ndarray:
        """Angle about z in turns, in (-0.5, 0.5]: 0 in front, positive to the right."""
        return np.arctan2(self.x, -self.y) / np.float32(2 * np.pi)


Paint = Callable[[Surface], np.ndarray]


@dataclass(frozen=True, eq=False, slots=True)
class Part:
    """A painted solid in its place: the common part of ``solids`` without ``cut``.

    Attributes:
        solids: What the part is the intersection of; the first one's sides are told to ``paint``.
        paint: Gives the colours (M, 3) of a ``Surface``.
        matrix: (3, 3), object to part coordinates: ``matrix @ p + offset``.
        offset: (3,)
        cut: What is taken out of it, or None.
    """

    solids: tuple[Solid, ...]
    paint: Paint
    matrix: np.ndarray
    offset: np.ndarray
    cut: Solid | None = None

    def outline(self) -> np.ndarray:
        """Points (K, 3) around the part, in object coordinates."""
        points = np.concatenate([solid.outline() for solid in self.solids])
        for solid in self.solids:
            box = solid.outline()
            if len(box):  # a half-space has no corner and bounds nothing
                points = np.clip(points, box.min(axis=0), box.max(axis=0))
        return (points - self.offset) @ np.linalg.inv(self.matrix).T


@dataclass(frozen=True, eq=False, slots=True)
class Camera:
    """Where parallel rays run, in object coordinates.

    The ray of image point (column, row), in pixels, is ``middle + column right + row down + t d``.
    """

    right: np.ndarray  # (3,) a pixel
    down: np.ndarray  # (3,) a pixel
    middle: np.ndarray  # (3,)
    direction: np.ndarray  # (3,) unit length

    def project(self, points: np.ndarray) -> np.ndarray:
        """Points (K, 3) to columns and rows (K, 2)."""
        axes = np.stack([self.right, self.down])
        squares = (axes * axes).sum(axis=1)
        return (points - self.middle) @ axes.T / squares


class Rendering(NamedTuple):
    """The window of an image that a body covers; all arrays (R, C) for its rows and columns."""

    rows: slice
    columns: slice
    colour: np.ndarray  # (R, C, 3) float32, times coverage
    coverage: np.ndarray  # (R, C) float32, share of the rays that hit
    mask: np.ndarray  # (R, C) bool, whether the ray of the centre hits


def cast(
    parts: Sequence[Part],
    outlines: Sequence[np.ndarray],
    camera: Camera,
    size: int,
    lamp: np.ndarray,
    ambient: float,
) -> Rendering | None:
    """Render parts that may hide each other, or None where none of them is in the image.

    Args:
        parts: The body.
        outlines: ``part.outline()`` of each, which need not be computed for each view.
        camera: The rays.
        size: Side of the image in pixels.
        lamp: (3,) unit vector towards the lamp, in object coordinates.
        ambient: Share of the light that comes from everywhere; Lambert's law holds for the rest.
    """
    windows = [window_around(camera.project(outline), size) for outline in outlines]
    seen = [window for window in windows if window is not None]
    if not seen:
        return None
    left, top = np.min([window[:2] for window in seen], axis=0)
    right, bottom = np.max([window[2:] for window in seen], axis=0)
    shape = ((bottom - top) * SAMPLES, (right - left) * SAMPLES)
    depth = np.full(shape, np.inf, np.float32)
    owner = np.full(shape, -1, np.int16)
    colour = np.zeros((*shape, 3), np.float32)
    bundles = []
    for number, (part, window) in enumerate(zip(parts, windows, strict=True)):
        if window is not None:
            x1, y1, x2, y2 = (
                SAMPLES * (edge - start)
                for edge, start in zip(window, (left, top, left, top), strict=True)
            )
            place, rays = np.s_[y1:y2, x1:x2], _rays(part, camera, window)
            _hit(part, number, rays, depth[place], owner[place])
            bundles.append((part, number, rays, place))
    for part, number, rays, place in bundles:
        buffers = depth[place], owner[place], colour[place]
        _shade(part, number, rays, buffers, lamp, ambient)
    hit, centre = owner >= 0, SAMPLES // 2
    return Rendering(
        slice(top, bottom),
        slice(left, right),
        _pixels(colour),
        _pixels(hit.astype(np.float32)),
        hit[centre::SAMPLES, centre::SAMPLES],
    )


def window_around(points: np.ndarray, size: int) -> tuple[int, int, int, int] | None:
    """Pixels x1, y1, x2, y2 around points (K, 2), within the image; None if there are none."""
    # The rings of an outline have corners, which lie on circles that reach a little further.
    low, high = points.min(axis=0), points.max(axis=0)
    margin = 0.02 * (high - low) + 0.01
    x1, y1 = np.clip(np.floor(low - margin), 0, size).astype(int).tolist()
    x2, y2 = np.clip(np.ceil(high + margin), 0, size).astype(int).tolist()
    return (x1, y1, x2, y2) if x1 < x2 and y1 < y2 else None


_Rays = tuple[Arrays, list[float]]


def _rays(part: Part, camera: Camera, window: tuple[int, int, int, int]) -> _Rays:
    """Origins, three (R, C) float32, and direction of a window's rays in part coordinates."""
    x1, y1, x2, y2 = window
    columns = x1 + (np.arange((x2 - x1) * SAMPLES) + 0.5) / SAMPLES
    rows = y1 + (np.arange((y2 - y1) * SAMPLES) + 0.5) / SAMPLES
    across, down = part.matrix @ camera.right, part.matrix @ camera.down
    start = part.matrix @ camera.middle + part.offset
    direction = part.matrix @ camera.direction
    # Parallel to a lid or a face, a ray would meet it nowhere.
    direction = np.where(np.abs(direction) < 1e-6, 1e-6, direction)
    origin = tuple(
        (start[axis] + down[axis] * rows).astype(np.float32)[:, None]
        + (across[axis] * columns).astype(np.float32)
        for axis in range(3)
    )
    return origin, direction.tolist()


_CUT = 7  # in an owner 8 n + k, instead of the k-th solid of part n


def _hit(part: Part, number: int, rays: _Rays, depth: np.ndarray, owner: np.ndarray) -> None:
    """Enter a part into the buffers, in place: distance, and what of which part the ray meets."""
    enter, leave = part.solids[0].span(*rays)
    met: np.ndarray | int = 8 * number
    for which, solid in enumerate(part.solids[1:], start=1):
        first, last = solid.span(*rays)
        met = np.where(first > enter, 8 * number + which, met)
        enter, leave = np.maximum(enter, first), np.minimum(leave, last)
    nearer = enter < leave
    if part.cut is not None:
        first, last = part.cut.span(*rays)
        hollow = (first <= enter) & (enter < last)
        enter = np.where(hollow, last, enter)
        met = np.where(hollow, 8 * number + _CUT, met)
        nearer &= enter < leave
    nearer &= enter < depth
    np.copyto(depth, enter, where=nearer)
    np.copyto(owner, np.asarray(met, owner.dtype), where=nearer)


def _shade(
    part: Part,
    number: int,
    rays: _Rays,
    buffers: tuple[np.ndarray, np.ndarray, np.ndarray],
    lamp: np.ndarray,
    ambient: float,
) -> None:
    """Paint what is seen of a part, in place: its colours times the light that falls on them."""
    depth, owner, colour = buffers
    origin, direction = rays
    towards_lamp = (part.matrix @ lamp).astype(np.float32)
    upwards = part.matrix[:, 2].astype(np.float32)
    squares = (part.matrix**2).sum(axis=1).astype(np.float32)
    surfaces = list(enumerate(part.solids))
    if part.cut is not None:
        surfaces.append((_CUT, part.cut))
    for which, solid in surfaces:
        seen = owner == 8 * number + which
        t = depth[seen]
        if not len(t):
            continue
        x, y, z = (o[seen] + np.float32(d) * t for o, d in zip(origin, direction, strict=True))
        side, normal = solid.side(x, y, z)
        if 0 < which < _CUT:
            side, _ = part.solids[0].side(x, y, z)
        # A normal n becomes matrix.T n in object coordinates, of squared length n . squares n.
        length = np.sqrt(sum(s * n * n for s, n in zip(squares, normal, strict=True)))
        if which == _CUT:
            length = -length  # the wall of a hole looks inwards
        facing = sum(n * s for n, s in zip(normal, towards_lamp, strict=True)) / length
        rising = sum(n * s for n, s in zip(normal, upwards, strict=True)) / length
        light = ambient * (1 + SKY * (rising - 1)) + (1 - ambient) * np.maximum(facing, 0)
        paint = part.paint(Surface(x, y, z, side, which == _CUT))
        colour[seen] = paint * light[:, None].astype(np.float32)


def _pixels(samples: np.ndarray) -> np.ndarray:
    """Means of the samples (R SAMPLES, C SAMPLES, ...) in each pixel, (R, C, ...)."""
    rows = sum(samples[k::SAMPLES] for k in range(SAMPLES))
    return sum(rows[:, k::SAMPLES] for k in range(SAMPLES)) * np.float32(1 / SAMPLES**2)
