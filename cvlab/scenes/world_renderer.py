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

from cvlab import geometry
from cvlab.scenes._arguments import integer
from cvlab.scenes.textures import WEIGHTS, Pattern
from cvlab.scenes.world_description import THINGS, Camera, Surface, Thing, World, check_world

if TYPE_CHECKING:
    import torch

__all__ = ["RELATIONS", "WorldScene", "WorldScenes", "relation", "render_world", "render_worlds"]

GROUND, WALL = 1, 2  # in ``semantic``; a thing is 3 + its place in THINGS, nothing at all is 0
RELATIONS: tuple[str, ...] = ("left of", "right of", "in front of", "behind", "on", "under")

_NOTHING, _GROUND, _WALL = -1, -2, -3  # whose surface a pixel shows, beside 0, 1, .. of things
_PARALLEL = 1e-9


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
    rays = _Rays(camera)
    depth, owner = _cast(description, camera, rays)
    seen = _paint(description, camera, rays, depth, owner)
    normals, albedo, light = (values.reshape(*shape, -1) for values in seen)
    image = _expose(albedo * light, description)
    hit = (owner != _NOTHING)[:, None]
    points = np.where(hit, camera.position + depth[:, None] * rays.world, np.nan)
    owner = owner.reshape(shape)
    indices, instances, boxes = _instances(owner, len(description.objects))
    things = [description.objects[index] for index in indices]
    kinds = np.array([THINGS.index(thing.shape) for thing in things], np.int64)
    return WorldScene(
        image=image,
        depth=depth.reshape(shape).astype(np.float32),
        normals=normals.astype(np.float32),
        albedo=albedo.astype(np.float32),
        points=points.reshape(*shape, 3).astype(np.float32),
        semantic=_semantic(owner, description),
        instances=instances,
        boxes=boxes,
        box_labels=kinds,
        indices=indices,
        boxes_3d=np.array([_box_3d(thing, camera) for thing in things], np.float32).reshape(-1, 7),
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


class _Rays:
    """The rays of a camera's pixels, rows first: directions with depth 1."""

    def __init__(self, camera: Camera) -> None:
        K = camera.K
        v = (np.arange(camera.height) - K[1, 2]) / K[1, 1]
        u = (np.arange(camera.width) - K[0, 2])[None, :] - K[0, 1] * v[:, None]
        seen = np.ones((camera.height, camera.width, 3))
        seen[..., 0], seen[..., 1] = u / K[0, 0], v[:, None]
        self.camera = seen.reshape(-1, 3)
        self.world = self.camera @ camera.R  # R^T d, for every ray d
        self.length = np.sqrt(np.einsum("pk,pk->p", self.camera, self.camera))


def _cast(world: World, camera: Camera, rays: _Rays) -> tuple[np.ndarray, np.ndarray]:
    """Depth (P,) of the nearest surface on each ray, and whose it is, (P,)."""
    start = camera.position
    down = rays.world[:, 1]
    with np.errstate(divide="ignore", invalid="ignore"):
        depth = np.where(down > _PARALLEL, -start[1] / down, np.inf)
        normal = geometry.rotation(world.wall_yaw) @ (0, 0, -1.0)
        speed = rays.world @ normal
        gap = normal @ (np.array([0, 0, world.wall_distance]) - start)
        wall = np.where(speed < -_PARALLEL, gap / speed, np.inf)
    owner = np.where(wall < depth, _WALL, _GROUND)
    depth = np.minimum(depth, wall)
    owner[~np.isfinite(depth)] = _NOTHING
    size = (camera.height, camera.width)
    depths, owners = depth.reshape(size), owner.reshape(size)
    directions = rays.world.reshape(*size, 3)
    for number, thing in enumerate(world.objects):
        window = _window(thing, camera)
        turn = geometry.rotation(thing.yaw)
        met = _meet(thing, (start - thing.centre) @ turn, directions[window] @ turn)
        nearer = met < depths[window]
        depths[window][nearer] = met[nearer]
        owners[window][nearer] = number
    return depth, owner


def _window(thing: Thing, camera: Camera) -> tuple[slice, slice]:
    """The rows and columns in which a thing can be seen."""
    corners = geometry.box_corners(np.array([[*thing.centre, *thing.size, thing.yaw]]))[0]
    seen = corners @ camera.R.T + camera.t
    if seen[:, 2].min() < 1e-3:
        return np.s_[:, :]  # it reaches behind the camera
    pixels = (seen @ camera.K.T)[:, :2] / seen[:, 2:]
    (left, top), (right, bottom) = np.floor(pixels.min(axis=0)), np.ceil(pixels.max(axis=0))
    columns = slice(*np.clip([left, right + 1], 0, camera.width).astype(int).tolist())
    return slice(*np.clip([top, bottom + 1], 0, camera.height).astype(int).tolist()), columns


def _meet(thing: Thing, start: np.ndarray, direction: np.ndarray) -> np.ndarray:
    """Where rays from one point enter a thing, all in its own frame about its centre; or inf."""
    if thing.shape == "ball":
        square = np.einsum("...k,...k", direction, direction)
        half = direction @ start
        rest = start @ start - thing.size[0] ** 2 / 4
        inside = half * half - square * rest
        enter = (-half - np.sqrt(np.maximum(inside, 0))) / square
        return np.where((inside > 0) & (enter > 0), enter, np.inf)
    enter, leave = -np.inf, np.inf
    for place, half, speed in zip(start, thing.size, np.moveaxis(direction, -1, 0), strict=True):
        speed = np.where(np.abs(speed) < _PARALLEL, _PARALLEL, speed)
        middle, reach = -place / speed, half / 2 / np.abs(speed)
        enter, leave = np.maximum(enter, middle - reach), np.minimum(leave, middle + reach)
    return np.where((enter < leave) & (enter > 0), enter, np.inf)


# --- Paint and light ------------------------------------------------------------------------------


class _Patch(NamedTuple):
    """The seen points (M,) of one surface: where on it, in metres, and its normals."""

    u: np.ndarray
    v: np.ndarray
    normals: np.ndarray  # (M, 3) or (3,), world


def _paint(
    world: World, camera: Camera, rays: _Rays, depth: np.ndarray, owner: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Normals (P, 3) in camera coordinates, albedo (P, 3), light (P, 1) of all pixels."""
    normals, albedo = np.zeros((len(depth), 3)), np.zeros((len(depth), 3))
    start, focal = camera.position, camera.K[0, 0]
    surfaces: list[tuple[int, Surface | Thing]] = [(_GROUND, world.ground), (_WALL, world.wall)]
    for number, surface in [*surfaces, *enumerate(world.objects)]:
        seen = np.flatnonzero(owner == number)
        if not len(seen):
            continue
        directions = rays.world[seen]
        patch = _patch(world, number, start + depth[seen, None] * directions)
        slant = -np.einsum("pk,pk->p", directions, np.broadcast_to(patch.normals, directions.shape))
        slant /= rays.length[seen]
        pixels = focal * surface.period / depth[seen] * np.clip(slant, 0.05, 1)
        normals[seen] = patch.normals
        albedo[seen] = _texture(surface, patch.u, patch.v, pixels)
    sun = np.asarray(world.sun.direction, np.float64)
    facing = np.maximum(normals @ (sun / np.linalg.norm(sun)), 0)
    light = world.sun.ambient + (1 - world.sun.ambient) * facing
    return normals @ camera.R.T, albedo, light


def _patch(world: World, number: int, points: np.ndarray) -> _Patch:
    """Coordinates and normals on the ground, the wall or a thing, of points (M, 3) of the world."""
    if number == _GROUND:
        return _Patch(points[:, 0], points[:, 2], np.array([0, -1.0, 0]))
    if number == _WALL:
        turn = geometry.rotation(world.wall_yaw)
        return _Patch(points @ turn[:, 0], points[:, 1], -turn[:, 2])
    thing = world.objects[number]
    turn = geometry.rotation(thing.yaw)
    own = (points - thing.centre) @ turn
    if thing.shape == "ball":
        radius = thing.size[0] / 2
        unit = own / radius
        longitude = np.arctan2(unit[:, 0], -unit[:, 2])
        latitude = np.arcsin(np.clip(unit[:, 1], -1, 1))
        return _Patch(radius * longitude, radius * latitude, unit @ turn.T)
    shares = own / (np.asarray(thing.size) / 2)
    axis = np.abs(shares).argmax(axis=1)
    sides = np.sign(shares[np.arange(len(own)), axis])
    u = np.where(axis == 0, own[:, 2], own[:, 0])
    v = np.where(axis == 1, own[:, 2], own[:, 1])
    return _Patch(u, v, sides[:, None] * turn.T[axis])


def _texture(
    surface: Surface | Thing, u: np.ndarray, v: np.ndarray, pixels: np.ndarray
) -> np.ndarray:
    """Colours (M, 3) of a surface at (u, v) metres, where a period is as many pixels long."""
    first = np.asarray(surface.colour)
    pattern = WEIGHTS[surface.texture]
    if pattern is None:
        return np.broadcast_to(first, (len(u), 3))
    weights = pattern(Pattern(u, v, surface.period, *surface.phase, pixels))
    # A period of fewer than four pixels fades into the mean of both colours.
    weights = 0.5 + (weights - 0.5) * np.clip(pixels / 4, 0, 1)
    return first + weights[:, None] * (np.asarray(surface.second) - first)


def _expose(radiance: np.ndarray, world: World) -> np.ndarray:
    """The image (H, W, 3) that the camera records: gain, tint and noise, clipped to [0, 1]."""
    sun = world.sun
    gains = sun.gain * np.array([1 + sun.tint, 1, 1 - sun.tint])
    image = (radiance * gains).astype(np.float32)
    if world.noise:
        rng = np.random.default_rng(world.seed)
        image += rng.standard_normal(image.shape, np.float32) * np.float32(world.noise)
    return np.clip(image, 0, 1, out=image)


# --- Labels ---------------------------------------------------------------------------------------


def _instances(owner: np.ndarray, count: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """The things of which a pixel is seen, (M,), instances (H, W) and boxes (M, 4)."""
    indices, boxes = [], []
    instances = np.zeros(owner.shape, np.int32)
    for number in range(count):
        mask = owner == number
        rows, columns = np.flatnonzero(mask.any(axis=1)), np.flatnonzero(mask.any(axis=0))
        if len(rows):
            indices.append(number)
            instances[mask] = len(indices)
            boxes.append((columns[0], rows[0], columns[-1] + 1, rows[-1] + 1))
    boxes = np.array(boxes, np.float32).reshape(-1, 4)
    return np.array(indices, np.int64), instances, boxes


def _semantic(owner: np.ndarray, world: World) -> np.ndarray:
    kinds = [3 + THINGS.index(thing.shape) for thing in world.objects]
    return np.array([*kinds, WALL, GROUND, 0], np.int64)[owner]  # counted from the end below 0


def _box_3d(thing: Thing, camera: Camera) -> list[float]:
    centre = camera.R @ thing.centre + camera.t
    yaw = 0.0 if thing.shape == "ball" else (thing.yaw - camera.heading + 90) % 180 - 90
    return [*centre, *thing.size, yaw]


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
