"""Random worlds in perspective: what varies from one to the next, by how much, from which seed.

``sample_world`` draws random descriptions and renders them; ``describe_world`` draws one;
``render_world`` draws any description from any camera.

What varies always: the camera's height (1.2 to 1.8 m), pitch (8 to 18 degrees down), roll (+-3) and
focal length (0.85 to 1.1 times the image's width), so that the horizon moves; the wall (6.5 to 9 m
away, yaw +-15); paint and texture of all surfaces; the sun. Cards are 0.5 to 1 m wide and 0.6 to
1.2 m high, boxes 0.6 to 1 m wide, 0.4 to 0.8 m high and 0.5 to 0.75 times as deep as wide, balls
0.5 to 0.9 m across. Things stand 2.5 to 6 m away, wholly inside the image, none in another.

Strengths, each in [0, 1]
    * ``stacking`` s: a thing that is not the first stands on a free box with probability s, where
      there is one; it is then at most 0.7 times as large.
    * ``occlusion`` o: the boxes in the image around two things that stand apart share up to o times
      the smaller one's area.
    * ``flatness`` f: each surface is without texture with probability f.
    * ``light`` l: the image is multiplied by a gain 2 ** uniform(-1.2 l, 0.3 l), red and blue by
      1 + t and 1 - t with t = uniform(-0.2 l, 0.2 l).
    * ``noise`` z: Gaussian noise of standard deviation 0.2 z on every value.

Examples:
    >>> from cvlab import scenes
    >>> batch = scenes.sample_world(4, seed=1)
    >>> batch.images.shape, batch.depth.dtype.name, len(batch.boxes_3d)
    ((4, 48, 64, 3), 'float32', 4)
    >>> scene = scenes.render_world(scenes.describe_world(seed=1, index=3))
    >>> bool((scene.image == batch[3].image).all())
    True
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from cvlab import geometry
from cvlab.scenes import _arguments
from cvlab.scenes.palette import COLOUR_NAMES
from cvlab.scenes.sampling import NOISE_SIGMA
from cvlab.scenes.textures import TEXTURES
from cvlab.scenes.world_description import THINGS, Camera, Sun, Surface, Thing, World
from cvlab.scenes.world_renderer import WorldScenes, render_worlds

__all__ = ["MAX_THINGS", "describe_world", "sample_world"]

MAX_THINGS = 8
_TRIES = 32  # places tried at once for a thing, before it shrinks
_GAP = 0.05  # metres between the circles around two feet

# The names of a thing's colours.
_COLOURS = (
    *("red", "orange", "yellow", "green", "teal"),
    *("blue", "purple", "pink", "white", "brown"),
)
_GROUNDS = ((0.66, 0.62, 0.55), (0.55, 0.60, 0.52), (0.62, 0.58, 0.60), (0.50, 0.52, 0.56))
_WALLS = ((0.80, 0.83, 0.86), (0.86, 0.82, 0.76), (0.78, 0.84, 0.78), (0.70, 0.70, 0.76))


@dataclass(slots=True)
class _Knobs:
    """The checked arguments of ``sample_world`` that say what to draw."""

    height: int = 48
    width: int = 64
    objects: Any = (2, 4)
    stacking: float = 0.3
    occlusion: float = 0.3
    flatness: float = 0.0
    light: float = 0.0
    noise: float = 0.0

    def __post_init__(self) -> None:
        for name in ("stacking", "occlusion", "flatness", "light", "noise"):
            setattr(self, name, _arguments.strength(name, getattr(self, name)))
        for name in ("height", "width"):
            setattr(self, name, _arguments.integer(getattr(self, name), name, 8, 1024))
        self.objects = _arguments.counts("objects", self.objects, MAX_THINGS)


def sample_world(
    n: int,
    height: int = 48,
    width: int = 64,
    objects: int | tuple[int, int] = (2, 4),
    seed: int = 0,
    *,
    stacking: float = 0.3,
    occlusion: float = 0.3,
    flatness: float = 0.0,
    light: float = 0.0,
    noise: float = 0.0,
) -> WorldScenes:
    """Draw and render random worlds; see the module's text for what each strength does.

    Args:
        n: How many; the first m of n are those that m alone would give.
        height: Rows of each image.
        width: Columns.
        objects: Things in a world, or a pair (lo, hi), both included.
        seed: Not negative.
        stacking: How often things stand on others.
        occlusion: How far things may hide each other.
        flatness: Share of surfaces without texture.
        light: How far brightness and colour of the light vary.
        noise: How noisy the camera is.

    Raises:
        TypeError: For a value of the wrong type.
        ValueError: For a value out of range.

    Examples:
        >>> sample_world(2, objects=1, seed=3)[0]
        WorldScene(64x48 pixels: card)
    """
    n, seed = _arguments.integer(n, "n", 1), _arguments.integer(seed, "seed", 0)
    knobs = _Knobs(height, width, objects, stacking, occlusion, flatness, light, noise)
    return render_worlds([_describe(seed, index, knobs) for index in range(n)])


def describe_world(seed: int = 0, index: int = 0, **knobs: Any) -> World:
    """Draw one random world, the ``index``-th of ``sample_world(n, seed=seed, **knobs)``.

    Args:
        seed: Not negative.
        index: Not negative.
        **knobs: ``height``, ``width``, ``objects`` and the strengths, as in ``sample_world``.

    Raises:
        TypeError: For an unknown knob or a value of the wrong type.
        ValueError: For a value out of range.

    Examples:
        >>> plain, noisy = describe_world(3), describe_world(3, noise=0.5)
        >>> plain.objects == noisy.objects, plain.noise, noisy.noise
        (True, 0.0, 0.1)
    """
    _arguments.knobs("describe_world", knobs, _Knobs)
    seed, index = _arguments.integer(seed, "seed", 0), _arguments.integer(index, "index", 0)
    return _describe(seed, index, _Knobs(**knobs))


def _describe(seed: int, index: int, knobs: _Knobs) -> World:
    # Streams of their own: one strength moves what it names, and nothing else.
    whole, place = np.random.default_rng((seed, index)), np.random.default_rng((seed, index, 1))
    low, high = knobs.objects
    count = int(whole.integers(low, high + 1))
    camera = _camera(whole, knobs)
    ground, wall = (_surface(whole, paints, knobs.flatness) for paints in (_GROUNDS, _WALLS))
    low_ends, high_ends = (6.5, -15, -1.2, -0.2, -0.8), (9, 15, 0.3, 0.2, 0.8)
    distance, turn, gain, tint, across = _uniform(whole, low_ends, high_ends)
    sun = Sun((across, -0.8, -0.5), 0.45, 2 ** (gain * knobs.light), tint * knobs.light)
    drawn = [_thing(whole, knobs.flatness) for _ in range(count)]
    return World(
        objects=_place(drawn, camera, knobs, place),
        ground=ground,
        wall=wall,
        wall_distance=distance,
        wall_yaw=turn,
        sun=sun,
        noise=NOISE_SIGMA * knobs.noise,
        seed=int(whole.integers(2**53)),
        camera=camera,
    )


def _uniform(
    rng: np.random.Generator, low_ends: tuple[float, ...], high_ends: tuple[float, ...]
) -> list[float]:
    """What ``rng.uniform`` gives for the same ends; of few numbers, this is quicker."""
    shares = rng.random(len(low_ends)).tolist()
    return [a + (b - a) * share for a, b, share in zip(low_ends, high_ends, shares, strict=True)]


def _camera(rng: np.random.Generator, knobs: _Knobs) -> Camera:
    up, pitch, roll, focal = _uniform(rng, (1.2, -18, -3, 0.85), (1.8, -8, 3, 1.1))
    return Camera.at(
        (0.0, -up, 0.0),
        pitch=pitch,
        roll=roll,
        focal=focal * knobs.width,
        height=knobs.height,
        width=knobs.width,
    )


def _textured(rng: np.random.Generator, flatness: float) -> dict[str, Any]:
    """Texture, period and phase of a surface; its draws do not depend on the flatness."""
    share, kind = float(rng.random()), TEXTURES[1 + int(rng.integers(len(TEXTURES) - 1))]
    u, v = rng.random(2).tolist()
    return {"texture": "flat" if share < flatness else kind, "phase": (u, v)}


def _surface(rng: np.random.Generator, paints: tuple[Any, ...], flatness: float) -> Surface:
    colour = paints[int(rng.integers(len(paints)))]
    darker, period = _uniform(rng, (0.7, 0.6), (0.85, 1.4))
    second = tuple(darker * value for value in colour)
    return Surface(colour, second=second, period=period, **_textured(rng, flatness))


def _thing(rng: np.random.Generator, flatness: float) -> Thing:
    """A thing at the origin of the ground."""
    shape = THINGS[int(rng.integers(len(THINGS)))]
    colour = COLOUR_NAMES[_COLOURS[int(rng.integers(len(_COLOURS)))]]
    # The second colour is a lighter or darker kind of the first, whose name the thing keeps.
    away = 1.0 if sum(colour) < 1.6 else 0.1
    second = tuple(0.4 * value + 0.6 * away for value in colour)
    low_ends, high_ends = (0, 0, 0.5, -1, 0.35), (1, 1, 0.75, 1, 0.55)
    wide, high, share, turn, period = _uniform(rng, low_ends, high_ends)
    size, yaw = {
        "card": ((0.5 + 0.5 * wide, 0.6 + 0.6 * high, 0.04), 50 * turn),
        "box": ((0.6 + 0.4 * wide, 0.4 + 0.4 * high, share * (0.6 + 0.4 * wide)), 90 * turn),
        "ball": ((0.5 + 0.4 * wide,) * 3, 180 * turn),
    }[shape]
    return Thing(
        shape,
        size=size,
        yaw=yaw,
        colour=colour,
        second=second,
        period=period,
        **_textured(rng, flatness),
    )


# --- Where things stand ---------------------------------------------------------------------------


class _View:
    """Where a camera sees feet and what stands on them; one coordinate a row."""

    def __init__(self, camera: Camera) -> None:
        self.height, self.width = camera.height, camera.width
        self.focal = camera.K[0, 0]
        self.matrix = camera.K @ camera.R
        self.shift = (camera.K @ camera.t)[:, None]

    def outlines(self, things: list[Thing]) -> np.ndarray:
        """What the corners of things add to the homogeneous pixels of their feet, (M, 3, 8)."""
        around = [(0, -thing.size[1] / 2, 0, *thing.size, thing.yaw) for thing in things]
        corners = geometry.box_corners(np.array(around).reshape(-1, 7))
        return self.matrix @ corners.transpose(0, 2, 1)

    def rectangles(self, outline: np.ndarray, feet: np.ndarray) -> np.ndarray:
        """The boxes (4, T), with edges, around what it would cover on each of the feet (3, T)."""
        seen = outline[:, :, None] + (self.matrix @ feet + self.shift)[:, None]
        depth = np.maximum(seen[2], 0.1)  # a thing that reaches behind is outside anyway
        pixels = seen[:2] / depth + 0.5
        return np.concatenate([pixels.min(axis=1), pixels.max(axis=1)])

    def inside(self, rectangles: np.ndarray) -> np.ndarray:
        """Which boxes (4, T) the image holds, (T,)."""
        left, top, right, bottom = rectangles
        return (left >= 0) & (top >= 0) & (right <= self.width) & (bottom <= self.height)


@dataclass(slots=True)
class _Placed:
    """What stands already: things, their boxes in the image, the circles around their feet."""

    things: list[Thing]
    rectangles: np.ndarray  # (4, K)
    circles: np.ndarray  # (3, K): x, z, radius
    taken: set[int]

    def add(self, thing: Thing, rectangle: np.ndarray) -> None:
        """Enter a thing in its place."""
        circle = np.array([[thing.x], [thing.z], [_radius(thing)]])
        self.things.append(thing)
        self.rectangles = np.concatenate([self.rectangles, rectangle[:, None]], axis=1)
        self.circles = np.concatenate([self.circles, circle], axis=1)
        self.taken.add(thing.on)

    def apart(self, rectangles: np.ndarray, share: float, base: int | None = None) -> np.ndarray:
        """Whether boxes (4, T) share at most so much of the smaller area with each that stands."""
        others = self.rectangles if base is None else np.delete(self.rectangles, base, axis=1)
        area, other_area = (
            (right - left) * (bottom - top) for left, top, right, bottom in (rectangles, others)
        )
        low = np.maximum(rectangles[:2, None], others[:2, :, None])
        high = np.minimum(rectangles[2:, None], others[2:, :, None])
        across, along = np.maximum(high - low, 0)  # (K, T)
        fits = across * along <= share * np.minimum(area, other_area[:, None])
        return fits.all(axis=0)

    def beside(self, x: np.ndarray, z: np.ndarray, radius: float) -> np.ndarray:
        """Whether circles around feet (T,) leave a gap to each circle that stands."""
        other_x, other_z, other = self.circles[:, :, None]
        return (np.hypot(x - other_x, z - other_z) > radius + other + _GAP).all(axis=0)


def _radius(thing: Thing) -> float:
    return math.hypot(thing.size[0], thing.size[2]) / 2


def _place(
    drawn: list[Thing], camera: Camera, knobs: _Knobs, rng: np.random.Generator
) -> tuple[Thing, ...]:
    """Find a place for each thing, one after the other."""
    placed, view = _Placed([], np.empty((4, 0)), np.empty((3, 0)), set()), _View(camera)
    for thing, outline in zip(drawn, view.outlines(drawn), strict=True):
        dice, which = rng.random(2).tolist()
        free = [
            number
            for number, other in enumerate(placed.things)
            if other.shape == "box" and other.on < 0 and number not in placed.taken
        ]
        if dice < knobs.stacking and free:
            base = free[int(which * len(free))]
            if _stack(thing, outline, base, placed, view, knobs.occlusion):
                continue
        _stand(thing, outline, placed, view, knobs.occlusion, rng)
    return tuple(placed.things)


def _stack(
    thing: Thing, outline: np.ndarray, base: int, placed: _Placed, view: _View, share: float
) -> bool:
    """Put a thing on another, if all of it is in the image and hides nothing else too far."""
    under = placed.things[base]
    scale = min(0.7, min(under.size[0], under.size[2]) / max(thing.size[0], thing.size[2]))
    top = replace(_scaled(thing, scale), x=under.x, y=under.y - under.size[1], z=under.z, on=base)
    rectangle = view.rectangles(scale * outline, np.array([[top.x], [top.y], [top.z]]))
    fits = view.inside(rectangle) & placed.apart(rectangle, share, base)
    if fits[0]:
        placed.add(top, rectangle[:, 0])
    return bool(fits[0])


def _stand(
    thing: Thing,
    outline: np.ndarray,
    placed: _Placed,
    view: _View,
    share: float,
    rng: np.random.Generator,
) -> None:
    """Put a thing on the ground; it shrinks until it finds a place."""
    feet = np.zeros((3, _TRIES))
    for _ in range(20):
        z = feet[2] = rng.uniform(2.3, 5.8, _TRIES)
        x = feet[0] = rng.uniform(-0.48, 0.48, _TRIES) * view.width / view.focal * z
        rectangles = view.rectangles(outline, feet)
        fits = view.inside(rectangles) & placed.apart(rectangles, share)
        fits &= placed.beside(x, z, _radius(thing))
        first = int(fits.argmax())
        if fits[first]:
            placed.add(replace(thing, x=float(x[first]), z=float(z[first])), rectangles[:, first])
            return
        thing, outline = _scaled(thing, 0.85), 0.85 * outline
    raise ValueError(
        f"There is no room for {len(placed.things) + 1} things in images of {view.height} rows "
        f"and {view.width} columns; ask for fewer, or for higher images."
    )


def _scaled(thing: Thing, scale: float) -> Thing:
    return replace(thing, size=tuple(scale * side for side in thing.size))
