"""Crowds: pedestrians that walk to where they want to, look before they turn, and avoid each other.

``sample_crowds`` draws scenes at random and lets their people walk by social forces, 2.5 steps a
second. A scene depends on ``seed``, its place in the batch and the settings alone.

Conventions
    * The plane is in metres, x to the right and y upwards, and the area is a square of 16 metres
      around the origin. People may leave it.
    * ``heads`` is the yaw in which a person looks: 0 along x, pi / 2 along y, in [-pi, pi). It is
      the direction in which this person will *want* to walk one second later, with a deviation of
      0.1 radians. The body follows what is wanted with a delay of its own.
    * ``map[n, i, j]`` says whether the cell of half a metre with the centre
      (-7.75 + 0.5 j, -7.75 + 0.5 i) is wall. Beyond the area nothing is known.

People
    * Each wants a speed of its own in 0.9 to 1.5 metres per second. Members of one group share
      start, way and speed, and are drawn to their middle.
    * Without walls people cross the square near its middle. Every other group turns once, by 40 to
      110 degrees to either side, between a quarter and two thirds of the time; its members do so
      one after the other, 0.8 seconds apart.
    * With walls "streets" two or three streets, 3 to 5 metres wide, meet somewhere. A person comes
      in by one of them and leaves by another. No person is ever in a wall.

The forces are those of Helbing and Molnar (1995): what is wanted is taken up within 0.8 seconds,
and others repel along ellipses that reach ahead by their velocity, less so behind one's back.

Examples:
    >>> crowds = sample_crowds(2, people=3, seed=1)
    >>> crowds.positions.shape, crowds.heads.shape, crowds.map.any()
    ((2, 3, 20, 2), (2, 3, 20), np.False_)
    >>> streets = sample_crowds(2, walls="streets")
    >>> bool(in_walls(streets.map, streets.positions)[streets.present].any())
    False
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np

from cvlab._arguments import choice, real
from cvlab.scenes._arguments import counts, integer
from cvlab.scenes.batch import Batch

__all__ = ["CROWD_SIDE", "CROWD_STEP", "HEAD_LEAD", "WALLS", "Crowds", "in_walls", "sample_crowds"]

CROWD_SIDE = 16.0  # metres
CROWD_STEP = 0.4  # seconds
HEAD_LEAD = 1.0  # seconds by which a head is ahead of what is wanted
WALLS: tuple[str, ...] = ("none", "streets")
_CELLS = 32
_FINE = 0.1  # seconds of one step of the simulation
_BODY = 0.3  # metres from the middle of a body to a wall, at least
_PATIENCE = 0.8  # seconds in which what is wanted is taken up
_AHEAD = 1.5  # seconds by which others are seen coming
_PUSH, _REACH = 8.0, 0.4  # metres per second squared, metres
_ARMS = np.array([[1.0, 0], [0, 1], [-1, 0], [0, -1]])


@dataclass(frozen=True, eq=False, repr=False, slots=True)
class Crowds(Batch):
    """Scenes of walking people; see the module's text for the conventions.

    Indexed by a number, a slice, an index array or a mask it gives a batch.

    Attributes:
        positions: (N, P, T, 2) float32, metres; zeros where there is no person.
        present: (N, P) bool, whether there is such a person.
        heads: (N, P, T) float32, yaw in radians; zeros where there is no person.
        groups: (N, P) int64, people of one number walk together; -1 where there is no person.
        map: (N, 32, 32) bool, cells that are wall.
    """

    positions: np.ndarray
    present: np.ndarray
    heads: np.ndarray
    groups: np.ndarray
    map: np.ndarray

    def __repr__(self) -> str:
        people, steps = self.positions.shape[1:3]
        return f"Crowds({len(self)} of up to {people} people, {steps} steps)"


def sample_crowds(
    n: int,
    people: int | tuple[int, int] = (3, 8),
    steps: int = 20,
    walls: str = "none",
    seed: int = 0,
) -> Crowds:
    """Draw scenes and let their people walk; see the module's text for how.

    Args:
        n: Number of scenes.
        people: How many there are in a scene, or the ends of a range, both included; up to 12.
        steps: Number of positions of each, 0.4 seconds apart.
        walls: "none", or "streets" that meet.
        seed: Not negative.

    Raises:
        TypeError: For counts that are no integers.
        ValueError: For values out of these ranges.
    """
    n, steps = integer(n, "n", 1), integer(steps, "steps", 2, 200)
    seed = integer(seed, "seed", 0)
    fewest, most = counts("people", people, 12)
    if not fewest:
        raise ValueError("people must be at least 1: an empty square has no crowd.")
    choice(walls, "walls", WALLS)
    scenes = []
    for k in range(n):
        rng = np.random.default_rng((seed, k))
        count = int(rng.integers(fewest, most + 1))
        plan = _streets(rng, count) if walls == "streets" else _square(rng, count, steps)
        scenes.append(_padded(plan, most, rng.normal(0, 0.1, (most, steps))))
    plan = _Plan(*(np.stack(part) for part in zip(*scenes, strict=True)))
    positions, wanted = _walk(plan, steps)
    heads = (wanted + plan.glances + np.pi) % (2 * np.pi) - np.pi
    present = plan.groups >= 0
    return Crowds(
        np.where(present[:, :, None, None], positions, 0).astype(np.float32),
        present,
        np.where(present[:, :, None], heads, 0).astype(np.float32),
        plan.groups,
        _occupancy(plan.free) if walls == "streets" else np.zeros((n, _CELLS, _CELLS), bool),
    )


def in_walls(map: Any, positions: Any) -> np.ndarray:
    """Say which positions lie in a cell that is wall; beyond the map none does.

    Args:
        map: (N, 32, 32) bool.
        positions: (N, ..., 2), metres.

    Returns:
        (N, ...) bool.

    Raises:
        ValueError: For other shapes.

    Examples:
        >>> wall = np.zeros((1, 32, 32), bool)
        >>> wall[0, 16, 17] = True  # x from 0.5 to 1, y from 0 to 0.5
        >>> in_walls(wall, [[[0.6, 0.1], [0.4, 0.1], [9.0, 0.1]]]).tolist()
        [[True, False, False]]
    """
    wall, places = np.asarray(map, bool), real(positions, "positions")
    if wall.ndim != 3 or wall.shape[1] != wall.shape[2]:
        raise ValueError(f"map must have the shape (N, C, C), not {wall.shape}.")
    if places.ndim < 2 or places.shape[-1] != 2 or len(places) != len(wall):
        raise ValueError(
            f"positions must have the shape ({len(wall)}, ..., 2), a point for each map, "
            f"not {places.shape}."
        )
    cells = wall.shape[1]
    j, i = np.moveaxis(np.floor((places / CROWD_SIDE + 0.5) * cells), -1, 0).astype(int)
    inside = (i >= 0) & (i < cells) & (j >= 0) & (j < cells)
    scene = np.arange(len(wall)).reshape(-1, *[1] * (i.ndim - 1))
    return inside & wall[scene, i.clip(0, cells - 1), j.clip(0, cells - 1)]


# --- What people intend ---------------------------------------------------------------------------


class _Plan(NamedTuple):
    """What the people of one scene (P, ...), or of many (N, P, ...), start from and want."""

    start: np.ndarray  # (P, 2)
    speed: np.ndarray  # (P,) metres per second
    first: np.ndarray  # (P, 2) unit vector of the way in
    second: np.ndarray  # (P, 2) and of the way out
    corner: np.ndarray  # (P, 2) where the ways meet, out of reach where time decides
    turn: np.ndarray  # (P,) seconds, infinite where the corner decides
    groups: np.ndarray  # (P,)
    glances: np.ndarray  # (P, T) radians
    free: np.ndarray  # (4, 4) rectangles x1, y1, x2, y2 in which one may walk


def _groups(rng: np.random.Generator, count: int) -> np.ndarray:
    """Return the group (P,) of each person: half of them walk with the one before, up to three."""
    groups = np.zeros(count, int)
    for k, joins in enumerate(rng.random(count - 1) < 0.5, start=1):
        full = k >= 3 and groups[k - 3] == groups[k - 1]
        groups[k] = groups[k - 1] + (not joins or full)
    return groups


def _beside(way: np.ndarray) -> np.ndarray:
    """Turn vectors (..., 2) by a quarter to the left."""
    return np.stack([-way[..., 1], way[..., 0]], -1)


def _unit(yaw: Any) -> np.ndarray:
    return np.stack([np.cos(yaw), np.sin(yaw)], -1)


def _apart(start: np.ndarray, ways: np.ndarray) -> np.ndarray:
    """Return starts where each person stands back from those before until none is near."""
    place = start.copy()
    for k in range(1, len(place)):
        while np.linalg.norm(place[:k] - place[k], axis=1).min() < 0.7:
            place[k] -= 0.35 * ways[k]
    return place


def _square(rng: np.random.Generator, count: int, steps: int) -> _Plan:
    groups = _groups(rng, count)
    g = groups.max() + 1
    yaw = rng.uniform(-np.pi, np.pi, g)
    middle = rng.uniform(-2, 2, (g, 2))
    start = middle - rng.uniform(3, 6, (g, 1)) * _unit(yaw)
    by = np.radians(rng.uniform(40, 110, g)) * rng.choice([-1, 1], g)
    turn = rng.uniform(0.25, 0.65, g) * steps * CROWD_STEP
    turn[rng.random(g) < 0.5] = np.inf
    speed = rng.uniform(0.9, 1.5, g)
    first, second = _unit(yaw)[groups], _unit(yaw + by)[groups]
    start = start[groups] + 0.35 * rng.standard_normal((count, 1)) * _beside(first)
    rank = np.arange(count) - np.searchsorted(groups, groups)
    return _Plan(
        _apart(start, first),
        speed[groups],
        first,
        second,
        start + 1e3 * first,
        turn[groups] + 0.8 * rank,
        groups,
        np.empty(0),
        np.array([[-np.inf, -np.inf, np.inf, np.inf]] * 4),
    )


def _streets(rng: np.random.Generator, count: int) -> _Plan:
    groups = _groups(rng, count)
    g = groups.max() + 1
    centre, half = rng.uniform(-2, 2, 2), rng.uniform(1.5, 2.5, 2)
    arms = rng.permutation(4)[: rng.integers(2, 4)]
    free = np.tile(np.concatenate([centre - half, centre + half]), (4, 1))
    for arm in arms:
        free[arm, (arm + 2) % 4] = np.inf if arm < 2 else -np.inf
    ways = np.array([rng.permutation(arms)[:2] for _ in range(g)])
    first, second = -_ARMS[ways[:, 0]], _ARMS[ways[:, 1]]
    aside = rng.uniform(-1, 1, (g, 2)) * (half - 0.6)  # from the middle of either street
    corner = centre + aside
    start = (corner - rng.uniform(1.5, 6, (g, 1)) * first).clip(-7.5, 7.5)
    speed = rng.uniform(0.9, 1.5, g)
    beside = 0.3 * rng.standard_normal((count, 1)).clip(-1, 1)
    start = start[groups] + beside * _beside(first)[groups]
    return _Plan(
        _apart(start, first[groups]),
        speed[groups],
        first[groups],
        second[groups],
        corner[groups],
        np.full(count, np.inf),
        groups,
        np.empty(0),
        free,
    )


def _padded(plan: _Plan, most: int, glances: np.ndarray) -> _Plan:
    """Return a plan for as many people as there may be."""
    lacking = most - len(plan.groups)
    values = dict(zip(plan._fields, plan, strict=True))
    for name in ("start", "speed", "first", "second", "corner", "turn"):
        filler = np.repeat(values[name][:1], lacking, 0)
        values[name] = np.concatenate([values[name], filler])
    values["groups"] = np.concatenate([plan.groups, np.full(lacking, -1)])
    values["glances"] = glances
    return _Plan(**values)


# --- How they walk --------------------------------------------------------------------------------


def _walk(plan: _Plan, steps: int) -> tuple[np.ndarray, np.ndarray]:
    """Return positions (N, P, T, 2), and the yaw (N, P, T) that is wanted one second later."""
    every, ahead = round(CROWD_STEP / _FINE), round(HEAD_LEAD / _FINE)
    place, velocity = _inside(plan.start, plan.free), plan.speed[..., None] * plan.first
    others = (plan.groups >= 0)[:, None] & ~np.eye(place.shape[1], dtype=bool)  # (N, P, P)
    friends = others & (plan.groups[:, :, None] == plan.groups[:, None])
    past = np.zeros(plan.turn.shape, bool)
    places, yaws = [], []
    for k in range((steps - 1) * every + ahead + 1):
        past |= k * _FINE >= plan.turn
        past |= _dot(place - plan.corner, plan.first) > -0.5
        way = np.where(past[..., None], plan.second, plan.first)
        places.append(place)
        yaws.append(np.arctan2(way[..., 1], way[..., 0]))
        force = (plan.speed[..., None] * way - velocity) / _PATIENCE
        force += _repulsion(place, velocity, others - 0.6 * friends) + _cohesion(place, friends)
        velocity = velocity + _FINE * force
        velocity /= np.maximum(_length(velocity) / (1.4 * plan.speed), 1)[..., None]
        moved = _inside(place + _FINE * velocity, plan.free)
        velocity, place = (moved - place) / _FINE, moved
    chosen = slice(0, (steps - 1) * every + 1, every)
    return np.stack(places[chosen], 2), np.stack(yaws[ahead:][chosen], 2)


def _repulsion(place: np.ndarray, velocity: np.ndarray, weight: np.ndarray) -> np.ndarray:
    """Return what the others push each person by, (N, P, 2) metres per second squared."""
    gap = place[:, :, None] - place[:, None]  # (N, P, P, 2) from the other to oneself
    step = _AHEAD * (velocity[:, None] - velocity[:, :, None])  # of the other, seen by oneself
    later = gap - step
    near, then = np.maximum(_length(gap), 1e-6), np.maximum(_length(later), 1e-6)
    axis = np.sqrt(np.maximum((near + then) ** 2 - _dot(step, step), 1e-4)) / 2
    away = gap / near[..., None] + later / then[..., None]
    size = _PUSH * np.exp(-axis / _REACH) * (near + then) / (4 * axis)
    speed = np.maximum(_length(velocity), 1e-6)[:, :, None]
    ahead = -_dot(gap, velocity[:, :, None]) / (near * speed)  # cosine: 1 is straight ahead
    seen = 0.2 + 0.4 * (1 + ahead)
    return ((weight * size * seen)[..., None] * away).sum(2)


def _cohesion(place: np.ndarray, friends: np.ndarray) -> np.ndarray:
    """Return what draws each person to the middle of the group, (N, P, 2), beyond 0.8 metres."""
    number = friends.sum(2)[..., None]
    middle = (friends[..., None] * place[:, None]).sum(2) / np.maximum(number, 1)
    towards = np.where(number > 0, middle - place, 0)
    far = _length(towards)[..., None]
    return towards / np.maximum(far, 1e-6) * np.clip(far - 0.8, 0, 1)


def _inside(place: np.ndarray, free: np.ndarray) -> np.ndarray:
    """Return the nearest points (N, P, 2) that are free and at least a body's width from a wall."""
    low, high = free[:, None, :, :2] + _BODY, free[:, None, :, 2:] - _BODY
    nearest = place[:, :, None].clip(low, high)  # (N, P, 4, 2)
    best = _length(nearest - place[:, :, None]).argmin(2)
    return np.take_along_axis(nearest, best[..., None, None], 2)[:, :, 0]


def _occupancy(free: np.ndarray) -> np.ndarray:
    """Return which cells (N, 32, 32) have their centre in no free rectangle."""
    centre = (np.arange(_CELLS) + 0.5) / _CELLS * CROWD_SIDE - CROWD_SIDE / 2
    low, high = free[..., None, :2], free[..., None, 2:]
    along = (centre[:, None] >= low) & (centre[:, None] <= high)  # (N, 4, 32, 2)
    return ~(along[:, :, None, :, 0] & along[:, :, :, None, 1]).any(1)


def _dot(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    return a[..., 0] * b[..., 0] + a[..., 1] * b[..., 1]


def _length(a: np.ndarray) -> np.ndarray:
    return np.sqrt(_dot(a, a))
