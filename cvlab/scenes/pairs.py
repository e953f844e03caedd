"""Worlds seen by two cameras side by side: stereo pairs with exact disparities and occlusions.

The left camera is the world's own, the right one stands ``baseline`` metres along the left one's
x axis and looks the same way with the same inside, so that partners lie in one row. The disparity
d = u_left - u_right is positive and equals focal length times baseline over depth: the left pixel
(u, v) shows the point that the right image has at (u - d, v). Centres of pixels are integers.

The i-th world is that of ``sample_world`` with the same seed, size, objects and flatness, and
without ``photometric`` the left image is its image. What varies from world to world, the module
``world`` says; textures hang on the surfaces, so that both images show the same ones.

A pixel is *occluded* if its point is seen by its own camera only: because a thing hides it from the
other one, or because its partner lies beyond the other image's first or last pixel centre.

Strength, in [0, 1]
    * ``photometric`` p: the right image is multiplied by a gain 2 ** uniform(-p, p) and gets an
      offset uniform(-0.2 p, 0.2 p); both images get Gaussian noise of standard deviation 0.12 p,
      each its own. Values are clipped to [0, 1].

Examples:
    >>> pairs = sample_pairs(3, seed=1)
    >>> pairs.left.shape, pairs.disparity_left.dtype.name, pairs.camera[0].width
    ((3, 48, 64, 3), 'float32', 64)
    >>> focal = pairs.camera[0].K[0, 0]
    >>> bool(np.allclose(pairs.disparity_left[0], focal * 0.5 / pairs.depth[0]))
    True
"""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import TYPE_CHECKING

import numpy as np

from cvlab.scenes import _arguments
from cvlab.scenes.batch import Batch
from cvlab.scenes.world import describe_world
from cvlab.scenes.world_description import Camera, World
from cvlab.scenes.world_rays import unseen
from cvlab.scenes.world_renderer import WorldScene, render_world

if TYPE_CHECKING:
    import torch

__all__ = ["MAX_BASELINE", "Pairs", "sample_pairs"]

MAX_BASELINE = 1.0  # metres: the right camera stays clear of things and wall
_OFFSET, _NOISE = 0.2, 0.12


@dataclass(frozen=True, eq=False, repr=False, slots=True)
class Pairs(Batch):
    """N stereo pairs; the module's text says what sign, centres and occlusion mean.

    Attributes:
        left: (N, H, W, 3) float32 in [0, 1].
        right: (N, H, W, 3) float32 in [0, 1].
        disparity_left: (N, H, W) float32 pixels, positive, of the left image's pixels.
        disparity_right: (N, H, W) float32, of the right image's.
        depth: (N, H, W) float32, metres along the axis, of the left image's pixels.
        occluded_left: (N, H, W) bool: the left pixel shows what the right image does not.
        occluded_right: (N, H, W) bool: likewise of the right image's pixels.
        semantic: (N, H, W) int64, of the left image, as in ``WorldScene``.
        instances: (N, H, W) int32, of the left image.
        camera: N left cameras; the right one is ``camera[i].moved(right=baseline[i])``.
        baseline: (N,) float64, metres.
        descriptions: N worlds, for ``render_world`` with either camera.
    """

    left: np.ndarray
    right: np.ndarray
    disparity_left: np.ndarray
    disparity_right: np.ndarray
    depth: np.ndarray
    occluded_left: np.ndarray
    occluded_right: np.ndarray
    semantic: np.ndarray
    instances: np.ndarray
    camera: list[Camera]
    baseline: np.ndarray
    descriptions: list[World]

    def torch(self) -> dict[str, torch.Tensor]:
        """The arrays as tensors that share their memory; left and right are (N, 3, H, W)."""
        tensors = super(Pairs, self).torch()  # slots make another class of this one
        for name in ("left", "right"):
            tensors[name] = tensors[name].permute(0, 3, 1, 2)
        return tensors

    def __repr__(self) -> str:
        height, width = self.depth.shape[1:]
        return f"Pairs({len(self)} of {width}x{height} pixels)"


def sample_pairs(
    n: int,
    height: int = 48,
    width: int = 64,
    baseline: float = 0.5,
    photometric: float = 0.0,
    flatness: float = 0.0,
    seed: int = 0,
    *,
    objects: int | tuple[int, int] = (2, 4),
) -> Pairs:
    """Draw random worlds and render each through two cameras; see the module's text.

    Args:
        n: How many; the first m of n are those that m alone would give.
        height: Rows of each image.
        width: Columns.
        baseline: Metres from the left camera to the right one, above 0, at most 1.
        photometric: How far the images differ in gain and offset, and how noisy both are.
        flatness: Share of surfaces without texture.
        seed: Not negative.
        objects: Things in a world, or a pair (lo, hi), both included.

    Raises:
        TypeError: For a value of the wrong type.
        ValueError: For a value out of range.

    Examples:
        >>> far, near = sample_pairs(1, baseline=0.1), sample_pairs(1, baseline=0.2)
        >>> bool(np.allclose(near.disparity_left, 2 * far.disparity_left))
        True
    """
    n, seed = _arguments.integer(n, "n", 1), _arguments.integer(seed, "seed", 0)
    photometric = _arguments.strength("photometric", photometric)
    baseline = _arguments.positive_number(baseline, "baseline")
    if baseline > MAX_BASELINE:
        raise ValueError(f"baseline must be at most {MAX_BASELINE:g} metre, not {baseline:g}.")
    knobs = {"height": height, "width": width, "objects": objects, "flatness": flatness}
    rows = []
    for index in range(n):
        world = describe_world(seed, index, **knobs)
        rows.append(_pair(world, float(baseline), photometric, (seed, index, 2)))
    values = {}
    for field in fields(Pairs):
        column = [row[field.name] for row in rows]
        values[field.name] = (
            column if field.name in ("camera", "descriptions") else np.array(column)
        )
    return Pairs(**values)


def _pair(
    world: World, baseline: float, photometric: float, seed: tuple[int, int, int]
) -> dict[str, object]:
    """The fields of one pair."""
    camera = world.camera
    left, right = (render_world(world, eye) for eye in (camera, camera.moved(right=baseline)))
    first, second = left.image, right.image
    if photometric:
        first, second = _differing(first, second, photometric, np.random.default_rng(seed))
    reach = np.float32(camera.K[0, 0] * baseline)
    return {
        "left": first,
        "right": second,
        "disparity_left": reach / left.depth,
        "disparity_right": reach / right.depth,
        "depth": left.depth,
        "occluded_left": _occluded(left, right.camera),
        "occluded_right": _occluded(right, left.camera),
        "semantic": left.semantic,
        "instances": left.instances,
        "camera": camera,
        "baseline": baseline,
        "descriptions": world,
    }


def _occluded(scene: WorldScene, other: Camera) -> np.ndarray:
    """Which pixels (H, W) of one image show what another camera does not see."""
    points = scene.points.reshape(-1, 3).T.astype(np.float64)
    return unseen(scene.description, other, points).reshape(scene.depth.shape)


def _differing(
    left: np.ndarray, right: np.ndarray, strength: float, rng: np.random.Generator
) -> tuple[np.ndarray, np.ndarray]:
    """Both images as cameras of different gain, offset and noise record them."""
    gain, offset = rng.uniform(-1, 1, 2) * strength
    noise = np.float32(_NOISE * strength) * rng.standard_normal((2, *left.shape), np.float32)
    right = right * np.float32(2**gain) + np.float32(_OFFSET * offset)
    return np.clip(left + noise[0], 0, 1), np.clip(right + noise[1], 0, 1)
