"""Worlds at two moments: what moves where, with exact flow and occlusion.

Between both images things move on the ground and turn, what stands on a thing moves with it, and
the camera moves if asked. The flow (du, dv) of a pixel of the first image says where the point of
the surface that it shows lies in the second one: at (u + du, v + dv), pixel centres being integers.
It follows the point with its thing, and so is exact also where the second image does not show it:
there the pixel is *occluded*, because a thing stands before the point, because it has turned to the
far side, or because it lies beyond the centres of the second image's outermost pixels.

The i-th first image is that of ``sample_world`` with the same seed, size, things and flatness.

Strengths, in [0, 1]
    * ``objects`` o: each thing on the ground moves by o * uniform(0.1, 0.4) metres in any direction
      and turns by o * uniform(-12, 12) degrees, but stays where no place is free. It keeps clear of
      the others and of the wall.
    * ``camera`` c: the camera turns by c * uniform(-2.5, 2.5) degrees in yaw and half as much in
      pitch and roll, and moves by c times uniform(-0.2, 0.2) metres to the right,
      uniform(-0.05, 0.05) down and uniform(-0.3, 0.3) forward.

The sun stays: a thing that turns changes its brightness a little. Render the descriptions with an
ambient light of 1 where it must not.

Examples:
    >>> motion = sample_motion(3, seed=1)
    >>> motion.first.shape, motion.flow.shape, motion.occluded.dtype.name
    ((3, 48, 64, 3), (3, 48, 64, 2), 'bool')
    >>> float(abs(motion.flow[motion.semantic < 3]).max()) < 1e-4  # ground and wall stand still
    True
"""

from __future__ import annotations

import math
from dataclasses import dataclass, fields, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from cvlab import geometry
from cvlab.scenes import _arguments
from cvlab.scenes.batch import Batch
from cvlab.scenes.world import describe_world
from cvlab.scenes.world_description import Camera, Thing, World
from cvlab.scenes.world_rays import unseen
from cvlab.scenes.world_renderer import WorldScene, render_world

if TYPE_CHECKING:
    import torch

__all__ = ["Motion", "sample_motion"]

_TRIES = 6  # ways to move a thing, before it stays
_GAP = 0.05  # metres around the circle of a foot


@dataclass(frozen=True, eq=False, repr=False, slots=True)
class Motion(Batch):
    """N worlds at two moments; the module's text says what flow and occlusion mean.

    Attributes:
        first: (N, H, W, 3) float32 in [0, 1].
        second: (N, H, W, 3) float32 in [0, 1].
        flow: (N, H, W, 2) float32 pixels (du, dv), of the first image's pixels; 0 where not valid.
        valid: (N, H, W) bool: the point lies in front of the second camera and has a flow.
        occluded: (N, H, W) bool: the second image does not show the point.
        depth: (N, H, W) float32, metres along the axis, of the first image.
        semantic: (N, H, W) int64, of the first image, as in ``WorldScene``.
        instances: (N, H, W) int32, of the first image.
        descriptions: N pairs of worlds, before and after, each with its own camera.
    """

    first: np.ndarray
    second: np.ndarray
    flow: np.ndarray
    valid: np.ndarray
    occluded: np.ndarray
    depth: np.ndarray
    semantic: np.ndarray
    instances: np.ndarray
    descriptions: list[tuple[World, World]]

    def torch(self) -> dict[str, torch.Tensor]:
        """The arrays as tensors that share their memory; images (N, 3, ..), flow (N, 2, H, W)."""
        tensors = super(Motion, self).torch()  # slots make another class of this one
        for name in ("first", "second", "flow"):
            tensors[name] = tensors[name].permute(0, 3, 1, 2)
        return tensors

    def __repr__(self) -> str:
        height, width = self.depth.shape[1:]
        return f"Motion({len(self)} of {width}x{height} pixels)"


def sample_motion(
    n: int,
    height: int = 48,
    width: int = 64,
    camera: float = 0.0,
    objects: float = 1.0,
    seed: int = 0,
    *,
    things: int | tuple[int, int] = (2, 4),
    flatness: float = 0.0,
) -> Motion:
    """Draw random worlds, let things move, and render both moments; see the module's text.

    Args:
        n: How many; the first m of n are those that m alone would give.
        height: Rows of each image.
        width: Columns.
        camera: How far the camera moves, in [0, 1].
        objects: How far things move, in [0, 1].
        seed: Not negative.
        things: How many there are, or a pair (lo, hi), both included.
        flatness: Share of surfaces without texture.

    Raises:
        TypeError: For a value of the wrong type.
        ValueError: For a value out of range.

    Examples:
        >>> still = sample_motion(1, objects=0)
        >>> bool((still.first == still.second).all()), bool(still.occluded.any())
        (True, False)
    """
    n, seed = _arguments.integer(n, "n", 1), _arguments.integer(seed, "seed", 0)
    camera, objects = (
        _arguments.strength(name, value)
        for name, value in (("camera", camera), ("objects", objects))
    )
    _arguments.counts("things", things, 8)
    knobs = {"height": height, "width": width, "objects": things, "flatness": flatness}
    rows = []
    for index in range(n):
        before = describe_world(seed, index, **knobs)
        moved = _moved(before, objects, np.random.default_rng((seed, index, 3)))
        eye = _carried(before.camera, camera, np.random.default_rng((seed, index, 4)))
        rows.append(_moments(before, replace(before, objects=moved, camera=eye)))
    values = {}
    for field in fields(Motion):
        column = [row[field.name] for row in rows]
        values[field.name] = column if field.name == "descriptions" else np.array(column)
    return Motion(**values)


# --- Following points -----------------------------------------------------------------------------


def _moments(before: World, after: World) -> dict[str, Any]:
    """The fields of one world."""
    first, second = render_world(before), render_world(after)
    shape, camera = first.depth.shape, after.camera
    points = _followed(first, after)
    pixels, depth = geometry.project(points.T, camera.K, camera.R, camera.t)
    rows, columns = np.mgrid[: shape[0], : shape[1]]
    flow = pixels.reshape(*shape, 2) - np.stack([columns, rows], axis=2)
    valid = (depth > 0).reshape(shape)
    return {
        "first": first.image,
        "second": second.image,
        "flow": np.where(valid[..., None], flow, 0).astype(np.float32),
        "valid": valid,
        "occluded": unseen(after, camera, points).reshape(shape),
        "depth": first.depth,
        "semantic": first.semantic,
        "instances": first.instances,
        "descriptions": (before, after),
    }


def _followed(scene: WorldScene, after: World) -> np.ndarray:
    """Where the seen points of a scene are later, (3, P), each carried by its thing."""
    points = scene.points.reshape(-1, 3).T.astype(np.float64)
    instances = scene.instances.ravel()
    for row, index in enumerate(scene.indices):
        thing, later = scene.description.objects[index], after.objects[index]
        mask = instances == row + 1
        own = points[:, mask] - np.array(thing.centre)[:, None]
        turn = geometry.rotation(later.yaw - thing.yaw)
        points[:, mask] = turn @ own + np.array(later.centre)[:, None]
    return points


# --- What moves where -----------------------------------------------------------------------------


def _carried(camera: Camera, strength: float, rng: np.random.Generator) -> Camera:
    """A camera after its motion."""
    ends = np.array([2.5, 1.25, 1.25, 0.2, 0.05, 0.3])
    yaw, pitch, roll, right, down, forward = (strength * rng.uniform(-ends, ends)).tolist()
    turn = geometry.rotation(yaw, pitch, roll).T
    turned = replace(camera, R=turn @ camera.R, t=turn @ camera.t)
    return turned.moved(right=right, down=down, forward=forward)


def _moved(world: World, strength: float, rng: np.random.Generator) -> tuple[Thing, ...]:
    """The things after their motion, one after the other; what stands on one goes with it."""
    things = list(world.objects)
    for number, thing in enumerate(world.objects):
        ways = rng.random((_TRIES, 3)).tolist()  # whether it needs them or not
        if thing.on >= 0:
            base, under = world.objects[thing.on], things[thing.on]
            yaw = thing.yaw + under.yaw - base.yaw
            things[number] = replace(thing, x=under.x, z=under.z, yaw=yaw)
            continue
        for direction, length, turn in ways:
            step = strength * (0.1 + 0.3 * length)
            angle = 2 * math.pi * direction
            x, z = thing.x + step * math.cos(angle), thing.z + step * math.sin(angle)
            yaw = thing.yaw + strength * 12 * (2 * turn - 1)
            later = replace(thing, x=x, z=z, yaw=yaw)
            if _free(later, number, things, world):
                things[number] = later
                break
    return tuple(things)


def _free(thing: Thing, number: int, things: list[Thing], world: World) -> bool:
    """Whether a thing on the ground keeps clear of the others and of the wall."""
    radius, angle = _radius(thing), math.radians(world.wall_yaw)
    before = (world.wall_distance - thing.z) * math.cos(angle) - thing.x * math.sin(angle)
    return before > radius + _GAP and all(
        math.hypot(thing.x - other.x, thing.z - other.z) > radius + _radius(other) + _GAP
        for place, other in enumerate(things)
        if place != number and other.on < 0
    )


def _radius(thing: Thing) -> float:
    return math.hypot(thing.size[0], thing.size[2]) / 2
