"""The renderer of worlds: one ray through the centre of each pixel, and what is true where it ends.

A ray of direction (.., .., 1) in camera coordinates is met at a parameter that *is* the depth, so
depth, normals, points and labels come from one intersection in float64. The image is drawn from the
same rays and is not smoothed at the outlines of things: a mask ends where the image changes.
Textures lie on the surfaces, in metres, and fade where a period shrinks towards a pixel.

Examples:
    >>> from cvlab.scenes.world_description import Camera, Thing, World
    >>> camera = Camera.at((0, -1, 0), focal=50, height=41, width=61)  # looks along z, 1 m up
    >>> scene = render_world(World((Thing("box", z=4.5, y=-0.5),), camera=camera))
    >>> float(scene.depth[20, 30]), scene.normals[20, 30].tolist()  # its near face, 0.5 m nearer
    (4.0, [0.0, 0.0, -1.0])
    >>> float(scene.depth[40, 0])  # 20 rows below the horizon, the ground lies 1 m lower
    2.5
    >>> scene.boxes.tolist()  # 1 m at 4 m is 12.5 pixels
    [[24.0, 14.0, 37.0, 27.0]]
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from cvlab import _arguments, geometry
from cvlab._arguments import integer
from cvlab.scenes.textures import WEIGHTS, Pattern
from cvlab.scenes.world_description import THINGS, Camera, Surface, Thing, World, check_world
from cvlab.scenes.world_rays import (
    ON_GROUND,
    ON_NOTHING,
    ON_WALL,
    Frames,
    Rays,
    cast,
    turned,
)

if TYPE_CHECKING:
    import torch

__all__ = ["RELATIONS", "WorldScene", "WorldScenes", "relation", "render_world", "render_worlds"]

GROUND, WALL = 1, 2  # in ``semantic``; a thing is 3 + its place in THINGS, nothing at all is 0
RELATIONS: tuple[str, ...] = ("left of", "right of", "in front of", "behind", "on", "under")


# --- What is true of an image ---------------------------------------------------------------------


@dataclass(frozen=True, eq=False, repr=False, slots=True)
class WorldScene:
    """One rendered world: its image and what is true of it.

    Only a thing of which at least one pixel is visible has a row in ``boxes`` and the lists beside
    it; row k - 1 belongs to the pixels with value k in ``instances``.

    Attributes:
        image: (H, W, 3) float32 in [0, 1].
        depth: (H, W) float32, metres along the camera's axis; inf where there is nothing.
        normals: (H, W, 3) float32, unit, camera coordinates, towards the camera; 0 for nothing.
        albedo: (H, W, 3) float32, the colour of the surface before the light.
        points: (H, W, 3) float32, where in the world each pixel looks; nan for nothing.
        semantic: (H, W) int64: 1 ground, 2 wall, 3 card, 4 box, 5 ball, 0 nothing.
        instances: (H, W) int32, 0 for stuff, k for the k-th row.
        boxes: (M, 4) float32, x1 y1 x2 y2 with edges: the tight box of the visible pixels.
        box_labels: (M,) int64, place in ``THINGS``.
        indices: (M,) int64, place in ``description.objects``.
        boxes_3d: (M, 7) float32: centre in camera coordinates, size, yaw in degrees against the
            camera's heading, as ``geometry.box_corners`` takes them with ``camera.tilt``. The yaw
            of cards and boxes, which a half turn maps onto themselves, lies in [-90, 90), a ball's
            is 0.
        relations: (subject, relation, object) by row, one for each ordered pair; see ``relation``.
        camera: Where the image was taken from.
        description: What was rendered.
    """

    image: np.ndarray
    depth: np.ndarray
    normals: np.ndarray
    albedo: np.ndarray
    points: np.ndarray
    semantic: np.ndarray
    instances: np.ndarray
    boxes: np.ndarray
    box_labels: np.ndarray
    indices: np.ndarray
    boxes_3d: np.ndarray
    relations: list[tuple[int, str, int]]
    camera: Camera
    description: World

    def lit(self, lights: Any, ambient: float = 0.0) -> np.ndarray:
        """(L, H, W, 3) float32, the view under each of L distant lights instead of the sun.

        A pixel shows ``albedo * (ambient + max(n . l, 0))``, clipped to [0, 1]; nothing casts a
        shadow, but a surface that looks away from a light gets none of it.

        Args:
            lights: (L, 3), towards the light in *camera* coordinates, as ``normals`` are; its
                length is its strength.
            ambient: The share of light from everywhere, not negative.

        Raises:
            TypeError: For values that are not real numbers.
            ValueError: For another shape or values that are not finite.
        """
        lights = _arguments.real(lights, "lights")
        ambient = _arguments.number(ambient, "ambient")
        if lights.ndim != 2 or lights.shape[1] != 3:
            raise ValueError(f"lights must be (L, 3), towards each light, not {lights.shape}.")
        facing = np.maximum(np.einsum("hwc,lc->lhw", self.normals, lights), 0) + ambient
        return np.clip(self.albedo * facing[..., None], 0, 1).astype(np.float32)

    def voxels(self, size: int = 16) -> np.ndarray:
        """(M, size, size, size) bool, along x, y and z of the frame of each thing.

        The cube around a thing has its longest side; a cell is full if its centre is inside.
        """
        integer(size, "size", 1, 256)
        side = (np.arange(size) + 0.5) / size - 0.5
        x, y, z = side[:, None, None], side[:, None], side
        full = []
        for index in self.indices:
            thing = self.description.objects[index]
            w, h, d = np.asarray(thing.size) / max(thing.size) / 2
            inside = (abs(x) <= w) & (abs(y) <= h) & (abs(z) <= d)
            full.append(x * x + y * y + z * z <= 0.25 if thing.shape == "ball" else inside)
        return np.array(full).reshape(-1, size, size, size)

    def clouds(self, count: int = 256, seed: int = 0) -> np.ndarray:
        """(M, count, 3) float32 points spread evenly over each surface, own frame, metres."""
        integer(count, "count", 1)
        rng = np.random.default_rng(integer(seed, "seed", 0))
        things = [self.description.objects[index] for index in self.indices]
        clouds = [_cloud(thing, count, rng) for thing in things]
        return np.array(clouds, np.float32).reshape(-1, count, 3)

    def __repr__(self) -> str:
        shapes = ", ".join(THINGS[label] for label in self.box_labels) or "no thing"
        return f"WorldScene({self.image.shape[1]}x{self.image.shape[0]} pixels: {shapes})"


@dataclass(frozen=True, eq=False, repr=False, slots=True)
class WorldScenes:
    """A batch of N rendered worlds; the attributes are those of ``WorldScene``, one entry a world.

    Indexed by an integer it gives a ``WorldScene``; by a slice, an index array or a mask,
    ``WorldScenes``. What differs in number from world to world is a list of N arrays.
    """

    images: np.ndarray  # (N, H, W, 3) float32
    depth: np.ndarray  # (N, H, W) float32
    normals: np.ndarray  # (N, H, W, 3) float32
    albedo: np.ndarray  # (N, H, W, 3) float32
    points: np.ndarray  # (N, H, W, 3) float32
    semantic: np.ndarray  # (N, H, W) int64
    instances: np.ndarray  # (N, H, W) int32
    boxes: list[np.ndarray]  # N of (M, 4) float32
    box_labels: list[np.ndarray]  # N of (M,) int64
    indices: list[np.ndarray]  # N of (M,) int64
    boxes_3d: list[np.ndarray]  # N of (M, 7) float32
    relations: list[list[tuple[int, str, int]]]
    cameras: list[Camera]
    descriptions: list[World]

    def __len__(self) -> int:
        return len(self.descriptions)

    def __getitem__(self, index: Any) -> Any:
        values = [getattr(self, field.name) for field in fields(self)]
        if isinstance(index, (int, np.integer)):
            return WorldScene(*(value[index] for value in values))
        chosen = np.arange(len(self))[index]
        return WorldScenes(
            *([v[i] for i in chosen] if isinstance(v, list) else v[index] for v in values)
        )

    def torch(self) -> dict[str, torch.Tensor | list[torch.Tensor]]:
        """The arrays as tensors that share their memory; images, normals, .. are (N, 3, H, W)."""
        import torch

        tensors: dict[str, Any] = {}
        for name in (field.name for field in fields(self)):
            value = getattr(self, name)
            if isinstance(value, np.ndarray):
                tensor = torch.from_numpy(value)
                tensors[name] = tensor.permute(0, 3, 1, 2) if tensor.ndim == 4 else tensor
            elif name in ("boxes", "box_labels", "indices", "boxes_3d"):
                tensors[name] = [torch.from_numpy(array) for array in value]
        return tensors

    def __repr__(self) -> str:
        return f"WorldScenes({len(self)} of {self.images.shape[2]}x{self.images.shape[1]} pixels)"


# --- Rendering ------------------------------------------------------------------------------------


def render_world(description: World, camera: Camera | None = None) -> WorldScene:
    """Render one world as a camera sees it.

    Args:
        description: What there is.
        camera: Where to look from; the description's own if None.

    Raises:
        TypeError: For values of another type.
        ValueError: For what cannot be drawn; see ``check_world``.
    """
    if camera is None and isinstance(description, World):
        camera = description.camera
    check_world(description, camera)
    shape = (camera.height, camera.width)
    rays, frames = Rays(camera), Frames(description.objects)
    windows = frames.windows(camera)
    depth, owner = cast(description, camera, rays, frames, windows)
    paint = _paint(description, camera, rays, frames, depth, owner)
    indices, instances, boxes = _instances(owner.reshape(shape), windows)
    things = [description.objects[index] for index in indices]
    kinds = np.array([THINGS.index(thing.shape) for thing in things], np.int64)
    return WorldScene(
        image=_expose(paint.radiance, description).reshape(*shape, 3),
        depth=depth.reshape(shape).astype(np.float32),
        normals=paint.normals.reshape(*shape, 3),
        albedo=paint.albedo.reshape(*shape, 3),
        points=paint.points.reshape(*shape, 3),
        semantic=_semantic(owner, description).reshape(shape),
        instances=instances,
        boxes=boxes,
        box_labels=kinds,
        indices=indices,
        boxes_3d=_boxes_3d(things, camera),
        relations=_relations(description, camera, indices.tolist()),
        camera=camera,
        description=description,
    )


def render_worlds(descriptions: Sequence[World]) -> WorldScenes:
    """Render worlds, whose cameras' images have one size, each through its own camera."""
    scenes = [render_world(description) for description in descriptions]
    columns: list[Any] = []
    for field in fields(WorldScene):
        values = [getattr(scene, field.name) for scene in scenes]
        columns.append(np.stack(values) if field.name in _STACKED else values)
    return WorldScenes(*columns)


_STACKED = ("image", "depth", "normals", "albedo", "points", "semantic", "instances")


# --- Paint and light ------------------------------------------------------------------------------


class _Paint(NamedTuple):
    """What is seen at each pixel, all (P, 3) float32."""

    normals: np.ndarray  # camera coordinates
    albedo: np.ndarray
    radiance: np.ndarray
    points: np.ndarray  # world


class _Sorted(NamedTuple):
    """The pixels in the order of their surfaces: ground, wall, boxes and cards, balls."""

    things: list[int]  # places in ``World.objects``
    surfaces: list[Surface | Thing]
    counts: np.ndarray  # (S,) pixels of each surface
    spans: list[slice]  # where they are in the order
    order: np.ndarray  # (P,) the pixels, those that see nothing last

    def spread(self, values: Any) -> np.ndarray:
        """Values (.., S) of the surfaces at the M pixels that see one, (.., M)."""
        return np.repeat(np.asarray(values), self.counts, axis=-1)

    def in_places(self, values: np.ndarray) -> np.ndarray:
        """Rows (K, 3, P) in this order at their places in the image, (K, P, 3) float32."""
        back = np.empty_like(self.order)
        back[self.order] = np.arange(len(back))
        rows = values.astype(np.float32).take(back, 2)
        return np.ascontiguousarray(rows.transpose(0, 2, 1))


def _by_surface(world: World, owner: np.ndarray) -> _Sorted:
    """Sort the pixels by their owners (P,)."""
    balls = [thing.shape == "ball" for thing in world.objects]
    things = sorted(range(len(balls)), key=balls.__getitem__)
    surfaces = [world.ground, world.wall, *(world.objects[number] for number in things)]
    place = np.empty(len(things) + 3, int)
    place[[ON_GROUND, ON_WALL, *things, ON_NOTHING]] = np.arange(len(place))
    places = place[owner]
    counts = np.bincount(places, minlength=len(place))[:-1]
    ends = counts.cumsum().tolist()
    spans = [slice(end - count, end) for end, count in zip(ends, counts.tolist(), strict=True)]
    return _Sorted(things, surfaces, counts, spans, places.argsort(kind="stable"))


def _paint(
    world: World,
    camera: Camera,
    rays: Rays,
    frames: Frames,
    depth: np.ndarray,
    owner: np.ndarray,
) -> _Paint:
    """The paint of all pixels: sorted by surface, painted, and put back in their places."""
    pixels = _by_surface(world, owner)
    some = pixels.order[: pixels.spans[-1].stop]  # (M,), those that see a surface
    directions, far = rays.world.take(some, 1), depth.take(some)
    points = camera.position[:, None] + far * directions  # (3, M)
    patch = _patch(world, frames, pixels, points)
    slant = np.clip(-(directions * patch.normals).sum(axis=0) / rays.length.take(some), 0.05, 1)
    periods = [camera.K[0, 0] * surface.period for surface in pixels.surfaces]
    weights = _weights(pixels, patch, pixels.spread(periods) / far * slant)
    first, second = np.array([(s.colour, s.second) for s in pixels.surfaces]).transpose(1, 2, 0)
    albedo = pixels.spread(first) + weights * pixels.spread(second - first)
    sun = np.asarray(world.sun.direction, np.float64)
    facing = np.maximum(sun / np.linalg.norm(sun) @ patch.normals, 0)
    light = world.sun.ambient + (1 - world.sun.ambient) * facing
    gains = world.sun.gain * np.array([1 + world.sun.tint, 1, 1 - world.sun.tint])

    painted = np.zeros((4, 3, len(owner)))
    painted[3] = np.nan  # of a pixel that sees nothing
    values = camera.R @ patch.normals, albedo, albedo * light * gains[:, None], points
    for row, kind in zip(painted, values, strict=True):
        row[:, : len(some)] = kind
    return _Paint(*pixels.in_places(painted))


class _Patch(NamedTuple):
    """The seen points of all surfaces: where on its surface each is, in metres, and its normal."""

    u: np.ndarray  # (P,)
    v: np.ndarray  # (P,)
    normals: np.ndarray  # (3, P), world


def _patch(world: World, frames: Frames, pixels: _Sorted, points: np.ndarray) -> _Patch:
    """Coordinates and normals at sorted points (3, M): on the ground, on the wall, on things."""
    patch = _Patch(*points[::2].copy(), np.zeros_like(points))  # as it is on the ground
    ground, wall, *spans = pixels.spans
    patch.normals[1, ground] = -1.0
    turn = geometry.rotation(world.wall_yaw)
    patch.u[wall], patch.v[wall] = turn[:, 0] @ points[:, wall], points[1, wall]
    patch.normals[:, wall] = -turn[:, 2:]
    if not spans:
        return patch
    things = slice(wall.stop, None)
    each = np.repeat(pixels.things, pixels.counts[2:])
    cosine, sine = frames.cosine[each], frames.sine[each]
    halves = frames.halves.take(each, 1)
    own = np.stack(turned(points[:, things] - frames.centres.take(each, 1), cosine, sine))
    boxes = sum(world.objects[number].shape != "ball" for number in pixels.things)
    split = pixels.counts[2 : 2 + boxes].sum()  # balls come last
    u, v, normals = patch.u[things], patch.v[things], np.zeros_like(own)
    u[:split], v[:split], normals[:, :split] = _on_boxes(own[:, :split], halves[:, :split])
    u[split:], v[split:], normals[:, split:] = _on_balls(own[:, split:], halves[0, split:])
    x, y, z = normals
    patch.normals[:, things] = cosine * x + sine * z, y, cosine * z - sine * x
    return patch


def _on_boxes(own: np.ndarray, halves: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Coordinates (M,) on the faces of boxes, and normals, of points (3, M) in their frames."""
    shares = own / halves
    x, y, z = np.abs(shares)
    side, level = (x >= y) & (x >= z), y >= z
    level &= ~side
    on_face = np.stack([side, level, ~(side | level)])
    u, v = np.where(side, own[2], own[0]), np.where(level, own[2], own[1])
    return u, v, np.where(on_face, np.sign(shares), 0.0)


def _on_balls(own: np.ndarray, radius: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Coordinates (M,) on balls, along a parallel and a meridian, and normals, of points (3, M)."""
    unit = own / radius
    longitude, latitude = np.arctan2(unit[0], -unit[2]), np.arcsin(np.clip(unit[1], -1, 1))
    return radius * longitude, radius * latitude, unit


def _weights(pixels: _Sorted, patch: _Patch, lengths: np.ndarray) -> np.ndarray:
    """The share (M,) of the second colour, where a period is as many pixels long."""
    weights, flat = np.full(len(lengths), 0.5), []
    for surface, span in zip(pixels.surfaces, pixels.spans, strict=True):
        pattern = WEIGHTS[surface.texture]
        if pattern is None:
            flat.append(span)
        elif span.start < span.stop:
            place = patch.u[span], patch.v[span]
            weights[span] = pattern(Pattern(*place, surface.period, *surface.phase, lengths[span]))
    # A period of fewer than four pixels fades into the mean of both colours.
    weights = 0.5 + (weights - 0.5) * np.clip(lengths / 4, 0, 1)
    for span in flat:
        weights[span] = 0.0
    return weights


def _expose(image: np.ndarray, world: World) -> np.ndarray:
    """The image (P, 3) that the camera records of the light: with noise, clipped to [0, 1]."""
    if world.noise:
        rng = np.random.default_rng(world.seed)
        image += rng.standard_normal(image.shape, np.float32) * np.float32(world.noise)
    return np.clip(image, 0, 1, out=image)


# --- Labels ---------------------------------------------------------------------------------------


def _instances(
    owner: np.ndarray, windows: list[tuple[slice, slice]]
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """The things of which a pixel is seen, (M,), instances (H, W) and boxes (M, 4)."""
    indices, boxes = [], []
    instances = np.zeros(owner.shape, np.int32)
    for number, window in enumerate(windows):
        mask = owner[window] == number
        rows, columns = np.flatnonzero(mask.any(axis=1)), np.flatnonzero(mask.any(axis=0))
        if len(rows):
            indices.append(number)
            instances[window][mask] = len(indices)
            top, left = window[0].start or 0, window[1].start or 0
            boxes.append((left + columns[0], top + rows[0], left + columns[-1], top + rows[-1]))
    boxes = np.array(boxes, np.float32).reshape(-1, 4)
    boxes[:, 2:] += 1
    return np.array(indices, np.int64), instances, boxes


def _semantic(owner: np.ndarray, world: World) -> np.ndarray:
    kinds = [3 + THINGS.index(thing.shape) for thing in world.objects]
    return np.array([*kinds, WALL, GROUND, 0], np.int64)[owner]  # counted from the end below 0


def _boxes_3d(things: list[Thing], camera: Camera) -> np.ndarray:
    heading = camera.heading
    boxes = np.zeros((len(things), 7), np.float32)
    for box, thing in zip(boxes, things, strict=True):
        yaw = 0.0 if thing.shape == "ball" else (thing.yaw - heading + 90) % 180 - 90
        box[:] = (*(camera.R @ thing.centre + camera.t), *thing.size, yaw)
    return boxes


def relation(world: World, camera: Camera, subject: int, other: int) -> str:
    """How one thing of a world stands to another, as a camera sees it: one of ``RELATIONS``.

    "on" and "under" where one stands on the other; else the larger of their centres' two level
    distances decides: across the camera's heading (left, right) or along it (front, behind).

    Args:
        world: What there is.
        camera: Who looks.
        subject: Place in ``world.objects``.
        other: Another place.

    Raises:
        ValueError: For a place that there is not, or twice the same.
    """
    for place in (subject, other):
        integer(place, "subject and other", 0, len(world.objects) - 1)
    if subject == other:
        raise ValueError("A thing has no relation to itself.")
    return _how(world, *camera.R[2, ::2].tolist(), subject, other)


def _how(world: World, sine: float, cosine: float, subject: int, other: int) -> str:
    """The relation, where sine and cosine of the heading are given times any positive factor."""
    first, second = world.objects[subject], world.objects[other]
    if first.on == other:
        return "on"
    if second.on == subject:
        return "under"
    x, z = first.x - second.x, first.z - second.z
    across, along = cosine * x - sine * z, sine * x + cosine * z
    if abs(across) >= abs(along):
        return "left of" if across < 0 else "right of"
    return "in front of" if along < 0 else "behind"


def _relations(world: World, camera: Camera, indices: list[int]) -> list[tuple[int, str, int]]:
    sine, cosine = camera.R[2, ::2].tolist()
    return [
        (row, _how(world, sine, cosine, subject, other), column)
        for row, subject in enumerate(indices)
        for column, other in enumerate(indices)
        if row != column
    ]


def _cloud(thing: Thing, count: int, rng: np.random.Generator) -> np.ndarray:
    """Points (count, 3) drawn evenly from a thing's surface, in its own frame about its centre."""
    if thing.shape == "ball":
        points = rng.standard_normal((count, 3))
        return points / np.linalg.norm(points, axis=1, keepdims=True) * thing.size[0] / 2
    w, h, d = thing.size
    areas = np.array([h * d, w * d, w * h])
    axis = rng.choice(3, count, p=areas / areas.sum())
    points = rng.uniform(-1, 1, (count, 3))
    points[np.arange(count), axis] = rng.choice([-1.0, 1.0], count)
    return points * np.asarray(thing.size) / 2
