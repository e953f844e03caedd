"""People of fourteen joints: images with keypoints, body parts, depth and instances, all exact.

``sample_figures`` draws poses at random, ``figure`` one person with given angles, and
``render_figures`` people whose joints may have been moved by hand. A body consists of sixteen
round-ended limbs in space (``PARTS``), each the points within a radius of a segment between joints.
A level camera looks at them, and one ray through the centre of each pixel is met with each limb, so
that image, parts, instances and depth come from the same intersection. Outlines are not smoothed: a
mask ends where the image changes.

Conventions
    * Camera coordinates are metres: x right, y down, z away along the axis. A person of yaw 0 faces
      the camera, so that the *left* hand is at the right of the image; a positive yaw turns the
      left side away from the camera.
    * Pixel centres are integers: x and y of a keypoint are a column and a row. The camera's matrix
      is ``figure_camera(size)``: a focal length of 1.3 sides, the principal point in the middle.
    * A keypoint is ``visible`` where it lies in the image and the pixel that it falls into shows a
      part of the same person that this joint belongs to (``JOINT_PARTS``).
    * Nobody stands before a wall at ``WALL`` metres, which is the depth where nobody is.

Motions
    A motion is a sequence of poses with a phase in radians, one turn a cycle: "walk" swings legs
    and opposite arms, "wave" beats with one raised forearm, "squat" bends hips and knees and
    stretches the arms forward, "reach" lifts one arm or both overhead and back. To every angle of a
    motion a normal deviation of 6 degrees is added. None stands for poses without a motion: every
    joint is bent by an angle of its own within its limits.

Examples:
    >>> batch = sample_figures(4, size=48, people=2, motion="walk", depth=True, seed=1)
    >>> batch.images.shape, batch.keypoints.shape, batch.depth.dtype.name
    ((4, 48, 48, 3), (4, 2, 14, 2), 'float32')
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from cvlab._arguments import number
from cvlab.scenes._arguments import integer, strength
from cvlab.scenes.figure_description import COLD, MOTIONS, WALL, WARM, Person, figure, paint
from cvlab.scenes.figure_renderer import Figures, render_figures

__all__ = ["describe_figures", "sample_figures"]

_JITTER = 6.0  # degrees
_LOW = np.array([[-35.0], [5], [5], [-20], [0], [0]])  # of a free pose
_HIGH = np.array([[150.0], [120], [125], [60], [30], [75]])
_PAINTS = np.array(
    [[[0.45, 0.3, 0.2], [0.15] * 3, [0.1] * 3], [[0.95, 0.8, 0.7], [0.9] * 3, [0.6] * 3]]
)


def _pose(motion: str, phase: float, rng: np.random.Generator) -> dict[str, Any]:
    """Angles of a motion at a phase, or free ones, in degrees; random numbers vary both."""
    side, both = int(rng.integers(2)), bool(rng.random() < 0.4)
    free = rng.random((6, 2))
    jitter = rng.normal(0, _JITTER, (6, 2))
    lean, tilt = rng.normal(0, _JITTER, 2)
    rise, turn = (1 - math.cos(phase)) / 2, phase + np.array([0.0, math.pi])
    pose = np.repeat([[0.0], [8.0], [12.0], [0.0], [3.0], [6.0]], 2, axis=1)
    if not motion:
        pose = _LOW + free * (_HIGH - _LOW)
        pose[1] *= 1 - 0.6 * free[0]  # an arm swung and lifted far would end behind the head
        pose[5] = np.maximum(pose[5], 0.8 * pose[3])  # no stiff leg is held out
        return {"angles": pose, "lean": lean + 8, "tilt": tilt}
    if motion == "walk":
        step = np.sin(turn)
        pose[3], pose[0] = 28 * step, -30 * step
        pose[2] += 12 * (1 - step)
        pose[5] += 38 * np.clip(np.cos(turn), 0, None)
    elif motion == "wave":
        pose[:3, side] = 30, 80, 105 + 35 * math.sin(phase)
    elif motion == "squat":
        pose[[0, 3, 5]] += np.array([[85], [85], [115]]) * rise
        lean += 28 * rise
    else:
        arms = [0, 1] if both else [side]
        pose[0, arms], pose[1, arms] = 170 * rise, 14
        lean -= 6 * rise
    pose += jitter
    pose[[2, 5]] = abs(pose[[2, 5]])
    pose[1] = np.maximum(pose[1], 2)
    return {"angles": pose, "lean": lean, "tilt": tilt}


def describe_figures(
    people: int = 1,
    motion: str | Sequence[str] | None = None,
    seed: int = 0,
    index: int = 0,
    *,
    crossing: float | None = None,
    turn: float = 60.0,
    distance: tuple[float, float] = (2.9, 3.5),
    sided: float = 0.5,
) -> list[Person]:
    """Return the people of image ``index`` of ``sample_figures`` with the same arguments.

    Examples:
        >>> people = describe_figures(2, "wave", seed=3, index=7)
        >>> drawn = render_figures([people]).keypoints[0]
        >>> bool((sample_figures(8, people=2, motion="wave", seed=3).keypoints[7] == drawn).all())
        True
    """
    settings = _settings(people, motion, crossing, turn, distance, sided)
    rng = np.random.default_rng([integer(seed, "seed", 0), integer(index, "index", 0)])
    return _crowd(rng, *settings)


def _settings(
    people: Any, motion: Any, crossing: Any, turn: Any, distance: Any, sided: Any
) -> tuple[int, tuple[str, ...], float | None, float, tuple[float, float], float]:
    count = integer(people, "people", 0, 8)
    motions = ("",) if motion is None else (motion,) if isinstance(motion, str) else tuple(motion)
    if not motions or any(name not in MOTIONS for name in motions if motion is not None):
        raise ValueError(f"motion must be None or names from {MOTIONS}, not {motion!r}.")
    if crossing is not None:
        crossing = strength("crossing", crossing)
    turn = number(turn, "turn")
    try:
        near, far = (number(value, "distance", 0.5) for value in distance)
    except (TypeError, ValueError) as error:
        raise ValueError(f"distance must be metres (nearest, farthest), not {distance}.") from error
    if not 1.0 <= near <= far <= WALL - 1:
        raise ValueError(f"distance must rise within 1 to {WALL - 1:g} metres, not {distance}.")
    return count, motions, crossing, turn, (near, far), strength("sided", sided)


def _crowd(
    rng: np.random.Generator,
    count: int,
    motions: tuple[str, ...],
    crossing: float | None,
    turn: float,
    distance: tuple[float, float],
    sided: float,
) -> list[Person]:
    middle = rng.uniform(-0.15, 0.15)
    apart = rng.uniform(0.25, 1.0) if crossing is None else 1.0 - crossing
    order = rng.permutation(count)
    nearest = rng.uniform(*distance)
    found = []
    for k in range(count):
        motion = motions[rng.integers(len(motions))]
        phase = rng.uniform(0, 2 * math.pi)
        pose = _pose(motion, phase, rng)
        dyed = bool(rng.random() < sided)
        clothes, shift = rng.uniform(*_PAINTS), rng.uniform(-0.08, 0.08, (2, 3))
        sides = (WARM + shift[0], COLD + shift[1]) if dyed else (None, None)
        step = rng.uniform(-0.05, 0.05) if crossing is None else 0.0
        person = figure(
            **pose,
            x=middle + (k - (count - 1) / 2) * apart + step,
            distance=nearest + 0.45 * int(order[k]),
            yaw=rng.uniform(-turn, turn),
            height=rng.uniform(1.55, 1.8),
            colours=paint(*clothes, *sides),
        )
        found.append(replace(person, motion=motion, phase=phase))
    return found


def sample_figures(
    n: int,
    size: int = 48,
    people: int = 1,
    motion: str | Sequence[str] | None = None,
    depth: bool = False,
    seed: int = 0,
    *,
    crossing: float | None = None,
    turn: float = 60.0,
    distance: tuple[float, float] = (2.9, 3.5),
    sided: float = 0.5,
    noise: float = 0.03,
) -> Figures:
    """Draw images of random people.

    Args:
        n: Images.
        size: Side of the images in pixels, 8 to 1024.
        people: People in each image, 0 to 8. With several, neighbours stand beside each other in
            the order of their number, each at another distance, 0.45 m behind the next nearer.
        motion: A name from ``MOTIONS``, several to draw from, or None for free poses.
        depth: Whether the result holds depth maps.
        seed: Image k depends on the seed and on k alone.
        crossing: Metres between neighbours are ``1 - crossing``: at 1 they stand behind each other.
            None draws 0.25 to 1.0 m.
        turn: The yaw is uniform within plus and minus so many degrees; 180 shows all sides.
        distance: Metres (nearest, farthest) of the nearest person.
        sided: Share of the people whose left and right differ in colour.
        noise: Standard deviation of the normal noise on every value of the image.

    Raises:
        TypeError: For a count that is no integer or a strength that is no number.
        ValueError: For a value outside its limits or an unknown motion.

    Examples:
        >>> batch = sample_figures(2, motion=("walk", "reach"), seed=4)
        >>> [crowd[0].motion for crowd in batch.people]
        ['reach', 'reach']
    """
    integer(n, "n", 0)
    settings = _settings(people, motion, crossing, turn, distance, sided)
    integer(seed, "seed", 0)
    noise = number(noise, "noise")
    crowds = [_crowd(np.random.default_rng([seed, k]), *settings) for k in range(n)]
    colours = np.empty((n, 2, 3), np.float32)
    for k in range(n):
        colours[k] = np.random.default_rng([seed, k, 1]).uniform(0.2, 0.85, (2, 3))
    batch = render_figures(crowds, size, backgrounds=colours)
    if noise:
        for k, image in enumerate(batch.images):
            rng = np.random.default_rng([seed, k, 2])
            image += rng.standard_normal(image.shape, np.float32) * np.float32(noise)
        np.clip(batch.images, 0, 1, out=batch.images)
    return batch if depth else replace(batch, depth=None)
