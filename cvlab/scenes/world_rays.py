"""Rays of a camera in a world: what each meets first, and whether a point is seen.

A ray's direction has the depth 1 in camera coordinates, so that the parameter at which it meets a
surface *is* the depth. Of many short arrays one coordinate a row, (3, M), is quicker than one point
a row.

Examples:
    >>> ball = Thing("ball", z=4.0, size=(1.0, 1.0, 1.0))
    >>> world, camera = World((ball,)), Camera.at((0, -0.5, 0))
    >>> points = np.array([[0, -0.5, 3.5], [0, -0.5, 4.5], [1, 0, 3], [9, 0, 3]])
    >>> unseen(world, camera, points.T).tolist()
    [False, True, False, True]
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from cvlab import geometry
from cvlab.scenes.world_description import Camera, Thing, World

__all__ = [
    "ON_GROUND",
    "ON_NOTHING",
    "ON_WALL",
    "Frames",
    "Rays",
    "cast",
    "meet",
    "turned",
    "unseen",
]

# Whose surface a ray ends on, beside 0, 1, .. of things.
ON_NOTHING, ON_GROUND, ON_WALL = -1, -2, -3
_PARALLEL = 1e-9
_TOUCH = 1e-4  # share of its way by which a ray may end early and still see the point
_BORDER = 1e-3  # pixels: what rounding may add to a pixel's centre

_SIGNS = np.array([(x, y, z) for z in (-1, 1) for y in (-1, 1) for x in (-1, 1)]).T  # (3, 8)


class Rays:
    """The rays of a camera's pixels, rows first: directions with depth 1, and their lengths."""

    def __init__(self, camera: Camera) -> None:
        K = camera.K
        v = ((np.arange(camera.height) - K[1, 2]) / K[1, 1])[:, None]
        u = ((np.arange(camera.width) - K[0, 2])[None, :] - K[0, 1] * v) / K[0, 0]
        seen = np.ones((3, camera.height, camera.width))
        seen[0], seen[1] = u, v
        self.world = camera.R.T @ seen.reshape(3, -1)  # (3, P)
        self.length = np.sqrt(u * u + v * v + 1).ravel()  # (P,)


class Frames:
    """The frames of M things: how each is turned, where its middle is, half its sizes."""

    def __init__(self, things: Sequence[Thing]) -> None:
        turns = [math.radians(thing.yaw) for thing in things]
        self.cosine, self.sine = np.array([[f(a) for a in turns] for f in (math.cos, math.sin)])
        self.centres = np.array([thing.centre for thing in things]).reshape(-1, 3).T  # (3, M)
        self.halves = np.array([thing.size for thing in things]).reshape(-1, 3).T / 2  # (3, M)

    def windows(self, camera: Camera) -> list[tuple[slice, slice]]:
        """The rows and columns in which each thing can be seen."""
        x, y, z = _SIGNS[:, None] * self.halves[..., None]  # (M, 8)
        cosine, sine = self.cosine[:, None], self.sine[:, None]
        corners = np.stack([cosine * x + sine * z, y, cosine * z - sine * x])
        seen = camera.R @ (corners + self.centres[..., None]).reshape(3, -1) + camera.t[:, None]
        depth = seen[2].reshape(-1, 8)
        behind = depth.min(axis=1, initial=np.inf) < 1e-3
        depth[behind] = 1.0
        pixels = (camera.K @ seen)[:2].reshape(2, -1, 8) / depth
        limits = np.array([[camera.width], [camera.height]])
        low = np.clip(np.floor(pixels.min(axis=2, initial=np.inf)), 0, limits)
        high = np.clip(np.ceil(pixels.max(axis=2, initial=-np.inf)) + 1, 0, limits)
        low[:, behind], high[:, behind] = 0, limits  # it reaches behind the camera
        ends = np.concatenate([low, high]).astype(int).T.tolist()
        return [np.s_[top:bottom, left:right] for left, top, right, bottom in ends]


def cast(
    world: World,
    camera: Camera,
    rays: Rays,
    frames: Frames,
    windows: list[tuple[slice, slice]],
) -> tuple[np.ndarray, np.ndarray]:
    """Depth (P,) of the nearest surface on each ray, and whose it is, (P,)."""
    start, down = camera.position, rays.world[1]
    with np.errstate(divide="ignore", invalid="ignore"):
        depth = np.where(down > _PARALLEL, -start[1] / down, np.inf)
        normal = -geometry.rotation(world.wall_yaw)[:, 2]
        speed = normal @ rays.world
        gap = normal @ (np.array([0, 0, world.wall_distance]) - start)
        wall = np.where(speed < -_PARALLEL, gap / speed, np.inf)
    owner = np.where(wall < depth, ON_WALL, ON_GROUND)
    depth = np.minimum(depth, wall)
    owner[depth == np.inf] = ON_NOTHING
    size = (camera.height, camera.width)
    depths, owners = depth.reshape(size), owner.reshape(size)
    directions = rays.world.reshape(3, *size)
    from_middle = start[:, None] - frames.centres
    for number, (thing, window) in enumerate(zip(world.objects, windows, strict=True)):
        turn = frames.cosine[number], frames.sine[number]
        place = np.array(turned(from_middle[:, number], *turn))
        way = np.stack(turned(directions[(slice(None), *window)], *turn))
        met = meet(thing, place, way)
        nearer = met < depths[window]
        np.copyto(depths[window], met, where=nearer)
        np.copyto(owners[window], number, where=nearer)
    return depth, owner


def turned(vectors: np.ndarray, cosine: np.ndarray, sine: np.ndarray) -> tuple[np.ndarray, ...]:
    """Vectors (3, ..) of the world in the frame of a thing with this cosine and sine of its yaw."""
    x, y, z = vectors
    return cosine * x - sine * z, y, sine * x + cosine * z


def meet(thing: Thing, start: np.ndarray, way: np.ndarray) -> np.ndarray:
    """Where rays (3, H, W) from one point enter a thing, all in its own frame, or inf, (H, W)."""
    if thing.shape == "ball":
        square = (way * way).sum(axis=0)
        half = np.tensordot(start, way, 1)
        rest = start @ start - thing.size[0] ** 2 / 4
        inside = half * half - square * rest
        enter = (-half - np.sqrt(np.maximum(inside, 0))) / square
        return np.where((inside > 0) & (enter > 0), enter, np.inf)
    way[np.abs(way) < _PARALLEL] = _PARALLEL
    middle = -start[:, None, None] / way
    reach = np.array(thing.size)[:, None, None] / 2 / np.abs(way)
    enter, leave = (middle - reach).max(axis=0), (middle + reach).min(axis=0)
    return np.where((enter < leave) & (enter > 0), enter, np.inf)


def unseen(world: World, camera: Camera, points: np.ndarray) -> np.ndarray:
    """Whether a camera does not see points (3, P) of the world's surfaces, (P,) bool.

    It does not see what lies beyond the centres of the outermost pixels of its image, what a thing
    stands before, and the far side of a thing. Ground and wall hide nothing, for all things stand
    above the one and before the other. A point that is not finite is not seen.
    """
    frames, start = Frames(world.objects), camera.position[:, None]
    column, row, depth = camera.K @ (camera.R @ points + camera.t[:, None])
    with np.errstate(divide="ignore", invalid="ignore"):
        column, row = column / depth, row / depth
    found = ~((depth > 0) & (column > -_BORDER) & (column < camera.width - 1 + _BORDER))
    found |= ~((row > -_BORDER) & (row < camera.height - 1 + _BORDER))
    from_middle = start - frames.centres
    windows = frames.windows(camera)
    for number, (thing, (rows, columns)) in enumerate(zip(world.objects, windows, strict=True)):
        near = (column > columns.start - 1) & (column < columns.stop)
        near &= (row > rows.start - 1) & (row < rows.stop)
        some = np.flatnonzero(near & ~found)
        turn = frames.cosine[number], frames.sine[number]
        place = np.array(turned(from_middle[:, number], *turn))
        way = np.stack(turned(points.take(some, 1) - start, *turn))
        found[some] = meet(thing, place, way[:, None])[0] < 1 - _TOUCH
    return found
