"""A procedural renderer: one scene description, many exact and consistent outputs.

``sample`` draws random descriptions and renders them; ``describe`` draws one, ``render`` renders
one. A description holds no pixels and no image size: positions and radii are fractions of the
image side, so the same scene can be drawn at any size, or edited with ``dataclasses.replace`` and
drawn again.

Conventions
    * x points right and y down from the image's top left corner; pixel (row i, column j) covers
      [j, j + 1) x [i, i + 1) and its centre is (j + 0.5, i + 0.5).
    * A mask holds the pixels whose *centre* lies in the shape. The image is anti-aliased: a shape
      covers 0.5 - d of a pixel, clipped to [0, 1], d being the signed distance in pixels from the
      pixel's centre to the outline (of the nearest side's line beyond a corner).
    * A smaller ``depth`` is nearer to the camera and hides what is farther away.
    * A class is its position in ``CLASSES``, whichever subset was sampled; ``semantic`` adds 1.
    * Angles are in degrees, counter-clockwise as seen; at 0 every shape stands upright.

Nuisance strengths, each in [0, 1]
    * ``rotation`` r: the angle is uniform in +-180 r degrees.
    * ``scale`` s: the radius is multiplied by 2 ** uniform(-1.5 s, 0.4 s). Without it the radius of
      the circle around a shape is 0.32 / sqrt(number of objects) of the image side.
    * ``shift`` t: the centre of a single object is uniform in the middle share t, along each axis,
      of the room in which it stays inside the image. Where a scene may hold several objects, they
      are scattered over the whole image.
    * ``light`` l: the image is multiplied by a gain 2 ** uniform(-1.6 l, 0.4 l), by a ramp in a
      random direction that rises by uniform(0, 0.5 l) from the middle to the edge, and red and blue
      by 1 + t and 1 - t with t = uniform(-0.2 l, 0.2 l), warm or cold.
    * ``clutter`` c: round(8 c) unlabelled pebbles and streaks, of radius 0.03 to 0.10 of the image
      side, lie behind the objects.
    * ``occlusion`` o: the circles around two objects may overlap by up to o times the smaller
      radius (0: they are disjoint), and an unlabelled grey slab lies over one object, chosen at
      random, from a random side: it hides a band of 0.2 o to 0.6 o of the circle's diameter.
    * ``noise`` z: Gaussian noise of standard deviation 0.2 z is added to every value independently,
      then the image is clipped to [0, 1].

An object that finds no free place is shrunk until it finds one. The random numbers are the same for
every strength: with one object and a fixed seed, moving one strength changes that one thing only.
With several, ``scale`` and ``occlusion`` may also move objects to where there is room.

Further outputs (depth, flow, keypoints, captions) need no second renderer: what a scene holds is a
field of ``Object``, and what an image shows of it is one more array painted layer by layer, far to
near, beside ``instances``.

Examples:
    >>> from cvlab import scenes
    >>> batch = scenes.sample(8, size=32, objects=(1, 3), seed=1)
    >>> batch.images.shape, batch.images.dtype.name, len(batch.boxes)
    ((8, 32, 32, 3), 'float32', 8)
    >>> scene = scenes.render(scenes.describe(seed=1, index=5, objects=(1, 3)), size=32)
    >>> bool((scene.image == batch[5].image).all())
    True
"""

from __future__ import annotations

import math
import operator
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, fields, replace
from functools import cache
from itertools import groupby
from statistics import NormalDist
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

if TYPE_CHECKING:
    import torch

__all__ = [
    "CLASSES",
    "TEXTURES",
    "Background",
    "Description",
    "Light",
    "Object",
    "Scene",
    "Scenes",
    "describe",
    "render",
    "sample",
]

Colour = tuple[float, float, float]

BASE_RADIUS = 0.32  # of the image side, for a single object
MAX_OBJECTS = 20
MAX_CLUTTER = 8
NOISE_SIGMA = 0.2  # standard deviation at noise=1
MIN_SIZE, MAX_SIZE = 8, 4096


# --- Shapes: signed distance, negative inside, in units of the radius, v pointing up --------------


def _disc(u: np.ndarray, v: np.ndarray) -> np.ndarray:
    return np.sqrt(u * u + v * v) - 0.85


def _square(u: np.ndarray, v: np.ndarray) -> np.ndarray:
    return np.maximum(np.abs(u), np.abs(v)) - 0.70


def _triangle(u: np.ndarray, v: np.ndarray) -> np.ndarray:
    sides = (math.sqrt(3) / 2) * np.abs(u) + 0.5 * v
    return np.maximum(sides, -v) - 0.5


def _star(u: np.ndarray, v: np.ndarray) -> np.ndarray:
    # A pentagram is where at least four of five half-planes hold, so its distance is the second
    # largest of theirs. The normals point to the tips; folding u leaves four that can come second.
    u = np.abs(u)
    side = math.cos(math.radians(18)) * u + math.sin(math.radians(18)) * v
    foot_u, foot_v = math.cos(math.radians(54)) * u, math.sin(math.radians(54)) * v
    foot, other_foot = foot_u - foot_v, -foot_u - foot_v
    middle = np.maximum(np.minimum(side, foot), np.minimum(np.maximum(side, foot), v))
    return np.maximum(middle, other_foot) - math.sin(math.radians(18))


def _ring(u: np.ndarray, v: np.ndarray) -> np.ndarray:
    return np.abs(np.sqrt(u * u + v * v) - 0.68) - 0.20


def _cross(u: np.ndarray, v: np.ndarray) -> np.ndarray:
    u, v = np.abs(u), np.abs(v)
    return np.maximum(np.maximum(u, v) - 0.94, np.minimum(u, v) - 0.30)


def _crescent(u: np.ndarray, v: np.ndarray) -> np.ndarray:
    v_squared = v * v
    bite = np.sqrt((u - 0.42) ** 2 + v_squared)
    return np.maximum(np.sqrt(u * u + v_squared) - 0.95, 0.72 - bite)


def _heart(u: np.ndarray, v: np.ndarray) -> np.ndarray:
    # A square on its tip and a half-disc on each of its two upper sides.
    u, v = np.abs(u), v + 0.11
    lobe = np.sqrt((u - 0.37) ** 2 + (v - 0.37) ** 2) - 0.37 * math.sqrt(2)
    return np.minimum((u + np.abs(v) - 0.74) * math.sqrt(0.5), lobe)


def _arrow(u: np.ndarray, v: np.ndarray) -> np.ndarray:
    # The head's side runs from the tip (0, 0.95) to the barb (0.72, 0).
    u = np.abs(u)
    length = math.hypot(0.95, 0.72)
    head = np.maximum((0.95 / length) * u + (0.72 / length) * (v - 0.95), -v)
    shaft = np.maximum(np.maximum(u - 0.24, v - 0.10), -0.90 - v)
    return np.minimum(head, shaft)


def _bar(u: np.ndarray, v: np.ndarray) -> np.ndarray:
    return np.maximum(np.abs(u) - 0.95, np.abs(v) - 0.28)


def _pebble(u: np.ndarray, v: np.ndarray) -> np.ndarray:
    return np.sqrt(u * u + (1.6 * v) ** 2) - 0.95


def _streak(u: np.ndarray, v: np.ndarray) -> np.ndarray:
    beyond = np.maximum(np.abs(u) - 0.80, 0)
    return np.sqrt(beyond * beyond + v * v) - 0.18


def _slab(u: np.ndarray, v: np.ndarray) -> np.ndarray:
    # Round corners, so that it is no bar and no square.
    u, v = np.maximum(np.abs(u) - 0.60, 0), np.maximum(np.abs(v) - 0.17, 0)
    return np.sqrt(u * u + v * v) - 0.25


_SHAPES: dict[str, Callable[[np.ndarray, np.ndarray], np.ndarray]] = {
    "disc": _disc,
    "square": _square,
    "triangle": _triangle,
    "star": _star,
    "ring": _ring,
    "cross": _cross,
    "crescent": _crescent,
    "heart": _heart,
    "arrow": _arrow,
    "bar": _bar,
}
CLASSES: tuple[str, ...] = tuple(_SHAPES)
# What clutters and occludes belongs to no class.
_SHAPES |= {"pebble": _pebble, "streak": _streak, "slab": _slab}


# --- Textures: weight of the second colour in [0, 1], in the object's own frame -------------------


@dataclass(frozen=True, slots=True)
class _Pattern:
    """Arguments of a texture: coordinates in units of the radius, and each object's parameters."""

    u: np.ndarray  # (G, S, S)
    v: np.ndarray  # (G, S, S)
    period: np.ndarray  # (G, 1, 1) in units of the radius
    phase_u: np.ndarray  # (G, 1, 1) in periods
    phase_v: np.ndarray  # (G, 1, 1) in periods
    pixels: np.ndarray  # (G, 1, 1) pixels in one period


def _bands(along: np.ndarray, phase: np.ndarray, pattern: _Pattern) -> np.ndarray:
    cycle = along / pattern.period + phase
    cycle -= np.floor(cycle)
    # The signed distance to the nearer edge of the band, in periods, then blurred over one pixel.
    distance = np.abs(cycle - 0.5) - 0.25
    return np.clip(distance * pattern.pixels + 0.5, 0, 1)


def _stripes(p: _Pattern) -> np.ndarray:
    return _bands(p.u, p.phase_u, p)


def _checks(p: _Pattern) -> np.ndarray:
    first, second = _bands(p.u, p.phase_u, p), _bands(p.v, p.phase_v, p)
    return first + second - 2 * first * second


def _dots(p: _Pattern) -> np.ndarray:
    u, v = p.u / p.period + p.phase_u, p.v / p.period + p.phase_v
    u -= np.floor(u)
    v -= np.floor(v)
    distance = 0.32 - np.sqrt((u - 0.5) ** 2 + (v - 0.5) ** 2)
    return np.clip(distance * p.pixels + 0.5, 0, 1)


# Value noise looks up a fixed lattice; an object's phase chooses the part that it sees.
_LATTICE = np.random.default_rng(2024).random(64 * 64, dtype=np.float32)


def _noise(p: _Pattern) -> np.ndarray:
    u = p.u * 2.5 / p.period + 64 * p.phase_u
    v = p.v * 2.5 / p.period + 64 * p.phase_v
    column, row = np.floor(u), np.floor(v)
    u, v = u - column, v - row
    u, v = u * u * (3 - 2 * u), v * v * (3 - 2 * v)
    column, row = column.astype(np.int32), row.astype(np.int32)
    left, right = column & 63, (column + 1) & 63
    upper, lower = (row & 63) << 6, ((row + 1) & 63) << 6
    upper = _LATTICE[upper + left] * (1 - u) + _LATTICE[upper + right] * u
    lower = _LATTICE[lower + left] * (1 - u) + _LATTICE[lower + right] * u
    value = upper + (lower - upper) * v
    return np.clip((value - 0.5) * 3 + 0.5, 0, 1)


_TEXTURES: dict[str, Callable[[_Pattern], np.ndarray] | None] = {
    "flat": None,
    "stripes": _stripes,
    "checks": _checks,
    "dots": _dots,
    "noise": _noise,
}
TEXTURES: tuple[str, ...] = tuple(_TEXTURES)


# --- The scene description ------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Object:
    """One shape in the scene. Positions and lengths are fractions of the image side.

    Attributes:
        shape: A name from ``CLASSES``; for a distractor also "pebble", "streak" or "slab".
        x: Centre, from the left edge.
        y: Centre, from the top edge.
        radius: Radius of the circle around the shape.
        rotation: Degrees counter-clockwise; 0 is upright.
        depth: Distance from the camera, in any unit: the smaller hides the larger, and of two equal
            ones the later in the description hides the earlier.
        colour: Red, green, blue in [0, 1].
        texture: A name from ``TEXTURES``.
        second: The texture's other colour.
        period: Length of one texture period in units of the radius.
        phase: Where the texture starts along the object's two axes, in periods.
    """

    shape: str
    x: float = 0.5
    y: float = 0.5
    radius: float = BASE_RADIUS
    rotation: float = 0.0
    depth: float = 1.0
    colour: Colour = (0.86, 0.27, 0.27)
    texture: str = "flat"
    second: Colour = (1.0, 1.0, 1.0)
    period: float = 0.5
    phase: tuple[float, float] = (0.0, 0.0)


@dataclass(frozen=True, slots=True)
class Background:
    """A linear gradient from ``colour`` to ``second`` along ``angle`` degrees."""

    colour: Colour = (0.93, 0.91, 0.86)
    second: Colour = (0.93, 0.91, 0.86)
    angle: float = 0.0


@dataclass(frozen=True, slots=True)
class Light:
    """Multiplies the image: a gain, a ramp of relative height ``slope`` and a warm ``tint``.

    Red is multiplied by ``gain * (1 + tint)`` and blue by ``gain * (1 - tint)``; the ramp is 1 in
    the middle of the image and rises by ``slope`` over half a side towards ``angle`` degrees.
    """

    gain: float = 1.0
    slope: float = 0.0
    angle: float = 0.0
    tint: float = 0.0


@dataclass(frozen=True, slots=True)
class Description:
    """Everything a scene consists of, without pixels: the one source of every output.

    Attributes:
        objects: The labelled objects.
        distractors: What is drawn but belongs to no class: clutter and occluders.
        background: What lies behind everything.
        light: Multiplies the image before the noise.
        noise: Standard deviation of the Gaussian noise on every value.
        seed: Seeds the noise.
    """

    objects: tuple[Object, ...] = ()
    distractors: tuple[Object, ...] = ()
    background: Background = Background()
    light: Light = Light()
    noise: float = 0.0
    seed: int = 0

    @property
    def label(self) -> int:
        """Class of the object with the largest radius (the first of equals), -1 without objects."""
        if not self.objects:
            return -1
        return CLASSES.index(max(self.objects, key=lambda thing: thing.radius).shape)


@dataclass(frozen=True, eq=False, repr=False, slots=True)
class Scene:
    """One rendered scene: its image and what is true of it.

    Only an object of which at least one pixel is visible has a row in ``boxes`` and the arrays
    beside it; row k - 1 belongs to the pixels with value k in ``instances``.

    Attributes:
        image: (H, W, 3) float32 in [0, 1].
        label: Class of the only or largest object, -1 without objects.
        boxes: (M, 4) float32, x1 y1 x2 y2 in pixels: the tight box of the *visible* pixels, from
            the left edge of the first column to the right edge of the last; x2 - x1 counts columns.
        full_boxes: (M, 4) float32, the same of the whole object within the image, hidden or not.
        box_labels: (M,) int64.
        indices: (M,) int64, each row's place in ``description.objects``.
        instances: (H, W) int32, 0 for background, clutter and occluders, k for the k-th row.
        semantic: (H, W) int64, 0 for background, clutter and occluders, else 1 + class.
        description: What was rendered.
    """

    image: np.ndarray
    label: int
    boxes: np.ndarray
    full_boxes: np.ndarray
    box_labels: np.ndarray
    indices: np.ndarray
    instances: np.ndarray
    semantic: np.ndarray
    description: Description

    def torch(self) -> dict[str, torch.Tensor]:
        """The arrays as tensors that share their memory; ``image`` is (3, H, W)."""
        import torch

        tensors = {
            field.name: torch.from_numpy(getattr(self, field.name))
            for field in fields(self)
            if isinstance(getattr(self, field.name), np.ndarray)
        }
        tensors["image"] = tensors["image"].permute(2, 0, 1)
        return tensors | {"label": torch.tensor(self.label)}

    def __repr__(self) -> str:
        shapes = ", ".join(CLASSES[label] for label in self.box_labels) or "no object"
        return f"Scene({self.image.shape[1]}x{self.image.shape[0]} pixels: {shapes})"


@dataclass(frozen=True, eq=False, repr=False, slots=True)
class Scenes:
    """A batch of N rendered scenes; the attributes are those of ``Scene``, one entry a scene.

    Indexed by an integer it gives a ``Scene``; by a slice, an index array or a mask, ``Scenes``.
    Boxes and their labels differ in number from scene to scene, so they are lists of arrays.
    """

    images: np.ndarray  # (N, H, W, 3) float32
    labels: np.ndarray  # (N,) int64
    boxes: list[np.ndarray]  # N of (M, 4) float32
    full_boxes: list[np.ndarray]  # N of (M, 4) float32
    box_labels: list[np.ndarray]  # N of (M,) int64
    indices: list[np.ndarray]  # N of (M,) int64
    instances: np.ndarray  # (N, H, W) int32
    semantic: np.ndarray  # (N, H, W) int64
    descriptions: list[Description]

    def __len__(self) -> int:
        return len(self.descriptions)

    def __getitem__(self, index: Any) -> Any:
        values = [getattr(self, field.name) for field in fields(self)]
        if isinstance(index, (int, np.integer)):
            picked = [value[index] for value in values]
            picked[1] = int(picked[1])
            return Scene(*picked)
        chosen = np.arange(len(self))[index]
        return Scenes(
            *(
                [value[i] for i in chosen] if isinstance(value, list) else value[index]
                for value in values
            )
        )

    def arrays(self) -> tuple[np.ndarray, np.ndarray]:
        """The images (N, H, W, 3) and labels (N,), as a classifier wants them."""
        return self.images, self.labels

    def torch(self) -> dict[str, torch.Tensor | list[torch.Tensor]]:
        """The arrays as tensors that share their memory; ``images`` is (N, 3, H, W)."""
        import torch

        tensors: dict[str, Any] = {}
        for field in fields(self):
            value = getattr(self, field.name)
            if isinstance(value, np.ndarray):
                tensors[field.name] = torch.from_numpy(value)
            elif field.name != "descriptions":
                tensors[field.name] = [torch.from_numpy(array) for array in value]
        tensors["images"] = tensors["images"].permute(0, 3, 1, 2)
        return tensors

    def __repr__(self) -> str:
        height, width = self.images.shape[1:3]
        objects = sum(map(len, self.boxes))
        return f"Scenes({len(self)} of {width}x{height} pixels, {objects} visible objects)"


# --- Drawing descriptions ------------------------------------------------------------------------

# Cream, mist, sage, blush, lilac, then night, forest, plum, charcoal.
_BACKGROUNDS: tuple[Colour, ...] = (
    (0.94, 0.91, 0.84),
    (0.84, 0.90, 0.94),
    (0.86, 0.92, 0.85),
    (0.95, 0.87, 0.84),
    (0.87, 0.85, 0.93),
    (0.12, 0.16, 0.25),
    (0.14, 0.23, 0.20),
    (0.24, 0.16, 0.24),
    (0.19, 0.19, 0.20),
)
# Red, orange, yellow, lime, green, teal, sky, blue, violet, magenta, brown, ivory, ink.
_COLOURS: tuple[Colour, ...] = (
    (0.85, 0.25, 0.26),
    (0.94, 0.53, 0.18),
    (0.96, 0.79, 0.27),
    (0.60, 0.76, 0.28),
    (0.22, 0.58, 0.36),
    (0.14, 0.60, 0.61),
    (0.36, 0.69, 0.90),
    (0.22, 0.40, 0.80),
    (0.52, 0.35, 0.75),
    (0.82, 0.37, 0.65),
    (0.57, 0.38, 0.26),
    (0.96, 0.94, 0.89),
    (0.17, 0.19, 0.26),
)


def _brightness(colour: Colour) -> float:
    return 0.299 * colour[0] + 0.587 * colour[1] + 0.114 * colour[2]


def _mix(first: Colour, second: Colour, weight: float) -> Colour:
    return tuple((1 - weight) * a + weight * b for a, b in zip(first, second, strict=True))


def _paints(background: Colour) -> list[tuple[Colour, Colour]]:
    """The colours that stand out from a background in grey too, each with a texture's second."""
    # The second colour leads away from the background, so that no stripe melts into it.
    backdrop = _brightness(background)
    away = (1.0, 1.0, 1.0) if backdrop < 0.5 else (0.08, 0.09, 0.16)
    return [(c, _mix(c, away, 0.55)) for c in _COLOURS if abs(_brightness(c) - backdrop) > 0.20]


_PAINTS = tuple(map(_paints, _BACKGROUNDS))


def _strength(name: str, value: float) -> float:
    if not isinstance(value, (int, float, np.number)):
        raise TypeError(f"{name} must be a number in [0, 1], not {type(value).__name__}.")
    if not 0 <= value <= 1:
        raise ValueError(f"{name} must be a number in [0, 1], not {value}; 0 is none, 1 is full.")
    return float(value)


def _integer(name: str, value: int, low: int, high: int | None = None) -> int:
    try:
        number = operator.index(value)
    except TypeError:
        raise TypeError(f"{name} must be an integer, not {type(value).__name__}.") from None
    if number < low or (high is not None and number > high):
        limits = f"at least {low}" if high is None else f"in {low} to {high}"
        raise ValueError(f"{name} must be {limits}, not {number}.")
    return number


def _names(name: str, value: Sequence[str] | None, known: tuple[str, ...]) -> tuple[str, ...]:
    if value is None:
        return known
    if isinstance(value, str):
        raise TypeError(f"{name} must be a sequence of names such as ({value!r},), not a string.")
    names = tuple(value)
    unknown = [entry for entry in names if entry not in known]
    if not names or unknown or len(set(names)) < len(names):
        raise ValueError(f"{name} must be distinct names from {known}, at least one, not {names}.")
    return names


@dataclass(slots=True)
class _Knobs:
    """The checked arguments of ``sample`` that say what to draw."""

    objects: Any = 1
    classes: Sequence[str] | None = None
    light: float = 0.0
    scale: float = 0.0
    rotation: float = 0.0
    clutter: float = 0.0
    occlusion: float = 0.0
    noise: float = 0.0
    shift: float = 0.0
    textures: Sequence[str] | None = None

    def __post_init__(self) -> None:
        for name in ("light", "scale", "rotation", "clutter", "occlusion", "noise", "shift"):
            setattr(self, name, _strength(name, getattr(self, name)))
        self.classes = _names("classes", self.classes, CLASSES)
        self.textures = _names("textures", self.textures, TEXTURES)
        pair = self.objects if isinstance(self.objects, (tuple, list)) else (self.objects,) * 2
        if len(pair) != 2:
            raise ValueError(f"objects must be a count or a pair (lo, hi), not {self.objects}.")
        low, high = (_integer("objects", count, 0, MAX_OBJECTS) for count in pair)
        if low > high:
            raise ValueError(f"objects must be a pair (lo, hi) with lo <= hi, not {self.objects}.")
        self.objects = (low, high)


class _Draws:
    """Uniform numbers in a fixed order: which one serves which purpose depends on no strength."""

    def __init__(self, rng: np.random.Generator, count: int) -> None:
        self.next: Callable[[], float] = iter(rng.random(count).tolist()).__next__

    def uniform(self, low: float, high: float) -> float:
        return low + (high - low) * self.next()

    def choice(self, items: Sequence[Any]) -> Any:
        return items[int(self.next() * len(items))]


def describe(seed: int = 0, index: int = 0, **knobs: Any) -> Description:
    """Draw one random scene description.

    Args:
        seed: Not negative; the seed of ``sample``.
        index: Which of the seed's scenes: ``sample(n, seed=s)`` renders ``describe(s, 0)`` to
            ``describe(s, n - 1)``.
        **knobs: ``objects``, ``classes``, ``textures`` and the strengths, as in ``sample``.

    Raises:
        TypeError: For an unknown knob or a value of the wrong type.
        ValueError: For a value out of range.

    Examples:
        >>> upright, turned = describe(3), describe(3, rotation=0.5)
        >>> upright.objects[0].rotation, -90 <= turned.objects[0].rotation <= 90
        (0.0, True)
        >>> upright.background == turned.background
        True
    """
    known = [field.name for field in fields(_Knobs)]
    if unknown := [name for name in knobs if name not in known]:
        raise TypeError(f"describe() has no knob {unknown[0]!r}; choose from {', '.join(known)}.")
    seed, index = _integer("seed", seed, 0), _integer("index", index, 0)
    return _describe(seed, index, _Knobs(**knobs))


def _describe(seed: int, index: int, knobs: _Knobs) -> Description:
    rng = np.random.default_rng((seed, index))
    low, high = knobs.objects
    # The number of values drawn from each block is constant; placement, which is not, comes last.
    whole, parts, litter = _Draws(rng, 16), _Draws(rng, 12 * high), _Draws(rng, 12 * MAX_CLUTTER)
    count = low + int(whole.next() * (high - low + 1))
    palette = whole.choice(range(len(_BACKGROUNDS)))
    background = _draw_background(whole, palette)
    light = _draw_light(whole, knobs.light)
    noise_seed = int(whole.uniform(0, 2**53))
    cover = [whole.next() for _ in range(4)]

    drawn = [_draw_object(parts, knobs, count, palette) for _ in range(count)]
    if high == 1:
        objects = [_shift(thing, knobs.shift, *rng.random(2).tolist()) for thing in drawn]
    else:
        objects = _scatter(drawn, knobs.occlusion, rng)
    clutter = round(MAX_CLUTTER * knobs.clutter)
    distractors = [_draw_clutter(litter, palette) for _ in range(clutter)]
    if knobs.occlusion and objects:
        distractors.append(_draw_slab(cover, objects, knobs.occlusion))
    return Description(
        objects=tuple(objects),
        distractors=tuple(distractors),
        background=background,
        light=light,
        noise=NOISE_SIGMA * knobs.noise,
        seed=noise_seed,
    )


def _draw_background(draws: _Draws, palette: int) -> Background:
    # Towards a middle grey the gradient would swallow the objects, so it leads away from it.
    colour = _BACKGROUNDS[palette]
    extreme = (1.0, 1.0, 1.0) if _brightness(colour) > 0.5 else (0.0, 0.0, 0.0)
    second = _mix(colour, extreme, draws.uniform(0.1, 0.7))
    return Background(colour, second, draws.uniform(-180, 180))


def _draw_light(draws: _Draws, strength: float) -> Light:
    return Light(
        gain=2 ** (strength * draws.uniform(-1.6, 0.4)),
        slope=strength * draws.uniform(0, 0.5),
        angle=draws.uniform(-180, 180),
        tint=strength * draws.uniform(-0.2, 0.2),
    )


def _draw_object(draws: _Draws, knobs: _Knobs, count: int, palette: int) -> Object:
    (red, green, blue), second = draws.choice(_PAINTS[palette])
    return Object(
        shape=draws.choice(knobs.classes),
        radius=BASE_RADIUS / math.sqrt(count) * 2 ** (knobs.scale * draws.uniform(-1.5, 0.4)),
        rotation=knobs.rotation * draws.uniform(-180, 180) + 0.0,  # no negative zero
        depth=draws.uniform(1, 2),
        colour=(
            min(1.0, red * draws.uniform(0.92, 1.08)),
            min(1.0, green * draws.uniform(0.92, 1.08)),
            min(1.0, blue * draws.uniform(0.92, 1.08)),
        ),
        texture=draws.choice(knobs.textures),
        second=second,
        period=draws.uniform(0.35, 0.60),
        phase=(draws.next(), draws.next()),
    )


def _draw_clutter(draws: _Draws, palette: int) -> Object:
    return Object(
        shape=draws.choice(("pebble", "streak")),
        x=draws.next(),
        y=draws.next(),
        radius=draws.uniform(0.03, 0.10),
        rotation=draws.uniform(-180, 180),
        depth=draws.uniform(3, 4),
        colour=draws.choice(_PAINTS[palette])[0],
    )


def _draw_slab(cover: list[float], objects: list[Object], strength: float) -> Object:
    """A slab in front of one object, its edge at the hidden fraction of the object's diameter."""
    which, side, amount, grey = cover
    target = objects[int(which * len(objects))]
    angle = 2 * math.pi * side
    # The slab is 2 * 0.85 long and 2 * 0.42 thick in units of its own radius: the length spans the
    # target's diameter, the thickness covers even the widest band from outside.
    radius = target.radius / 0.85
    hidden = strength * (0.2 + 0.4 * amount)
    distance = target.radius * (1 - 2 * hidden) + 0.42 * radius
    return Object(
        shape="slab",
        x=target.x + distance * math.cos(angle),
        y=target.y - distance * math.sin(angle),
        radius=radius,
        rotation=math.degrees(angle) + 90,
        depth=0.5,
        colour=_mix((0.38, 0.40, 0.44), (0.62, 0.64, 0.68), grey),
    )


def _shift(thing: Object, strength: float, right: float, down: float) -> Object:
    room = strength * (1 - 2 * thing.radius)
    return replace(thing, x=0.5 + room * (right - 0.5), y=0.5 + room * (down - 0.5))


def _scatter(drawn: list[Object], overlap: float, rng: np.random.Generator) -> list[Object]:
    """Place the largest first, each in the first of random places that is free, else shrunk."""
    order = sorted(range(len(drawn)), key=lambda i: -drawn[i].radius)
    placed: dict[int, Object] = {}
    for i in order:
        radius = drawn[i].radius
        while i not in placed:
            for right, down in rng.random((32, 2)).tolist():
                x, y = radius + right * (1 - 2 * radius), radius + down * (1 - 2 * radius)
                if all(
                    math.hypot(x - other.x, y - other.y)
                    >= radius + other.radius - overlap * min(radius, other.radius)
                    for other in placed.values()
                ):
                    placed[i] = replace(drawn[i], x=x, y=y, radius=radius)
                    break
            else:
                radius *= 0.85
    return [placed[i] for i in range(len(drawn))]


# --- Rendering -----------------------------------------------------------------------------------


def sample(
    n: int,
    size: int = 64,
    objects: int | tuple[int, int] = 1,
    classes: Sequence[str] | None = None,
    seed: int = 0,
    light: float = 0.0,
    scale: float = 0.0,
    rotation: float = 0.0,
    clutter: float = 0.0,
    occlusion: float = 0.0,
    noise: float = 0.0,
    *,
    shift: float = 0.0,
    textures: Sequence[str] | None = None,
) -> Scenes:
    """Draw and render random scenes; the module's text says what each strength does, in units.

    Args:
        n: Number of scenes. Scene i depends on ``seed`` and i, not on n.
        size: Side of the square images in pixels, 8 to 4096.
        objects: Labelled objects in a scene: a count, or (lo, hi) drawn uniformly; 0 to 20.
        classes: Names from ``CLASSES`` to draw from, uniformly; all ten by default.
        seed: Not negative.
        light: Strength of the light's variation.
        scale: Strength of the size's variation.
        rotation: Strength of the rotation.
        clutter: Strength of the clutter behind the objects.
        occlusion: Strength of the occlusion.
        noise: Strength of the Gaussian noise.
        shift: Strength of the single object's displacement from the middle.
        textures: Names from ``TEXTURES`` to draw from, uniformly; all five by default.

    Raises:
        TypeError: For an argument of the wrong type.
        ValueError: For a value out of range.

    Examples:
        >>> images, labels = sample(4, size=16, classes=("disc", "star"), noise=0.5).arrays()
        >>> images.shape, sorted(set(labels.tolist()) | {0, 3})
        ((4, 16, 16, 3), [0, 3])
    """
    n = _integer("n", n, 1)
    size, seed = _integer("size", size, MIN_SIZE, MAX_SIZE), _integer("seed", seed, 0)
    knobs = _Knobs(
        objects=objects,
        classes=classes,
        light=light,
        scale=scale,
        rotation=rotation,
        clutter=clutter,
        occlusion=occlusion,
        noise=noise,
        shift=shift,
        textures=textures,
    )
    return _render([_describe(seed, index, knobs) for index in range(n)], size)


def render(description: Description, size: int = 64) -> Scene:
    """Render one description.

    Args:
        description: From ``describe`` or built by hand.
        size: Side of the square image in pixels, 8 to 4096.

    Raises:
        TypeError: If ``description`` is not a ``Description``, or ``size`` not an integer.
        ValueError: For an unknown shape or texture, a radius or period that is not positive, a
            colour outside [0, 1], or a number that is not finite.

    Examples:
        >>> scene = render(Description(objects=(Object("square", radius=0.25),)), size=100)
        >>> scene.boxes.tolist()  # 50 +- 0.70 * 25: the pixels whose centres lie inside
        [[32.0, 32.0, 68.0, 68.0]]
        >>> int((scene.instances == 1).sum())
        1296
    """
    if not isinstance(description, Description):
        raise TypeError(
            f"description must be a scenes.Description, not {type(description).__name__}."
        )
    size = _integer("size", size, MIN_SIZE, MAX_SIZE)
    _check_description(description)
    return _render([description], size)[0]


def _check_description(description: Description) -> None:
    parts = [*description.objects, *description.distractors]
    for thing in parts:
        if thing.shape not in _SHAPES or thing.texture not in TEXTURES:
            raise ValueError(
                f"An object needs a shape from {tuple(_SHAPES)} and a texture from {TEXTURES}, "
                f"not {thing.shape!r} and {thing.texture!r}."
            )
        if not (thing.radius > 0 and thing.period > 0):
            raise ValueError(
                f"An object's radius and period must be positive, not {thing.radius} and "
                f"{thing.period}."
            )
    for thing in description.objects:
        if thing.shape not in CLASSES:
            raise ValueError(f"A {thing.shape} has no class; put it among the distractors.")
    for part in (*parts, description.background):
        if not all(0 <= value <= 1 for value in (*part.colour, *part.second)):
            raise ValueError(f"Colours must lie in [0, 1], not {part.colour} and {part.second}.")
    light, background = description.light, description.background
    numbers = [light.gain, light.slope, light.angle, light.tint, background.angle]
    for thing in parts:
        numbers += [thing.x, thing.y, thing.radius, thing.rotation, thing.depth, thing.period]
        numbers += thing.phase
    if not all(map(math.isfinite, numbers)):
        raise ValueError("Every number of a description must be finite; one is NaN or infinite.")
    if not (light.gain >= 0 and 0 <= description.noise < math.inf):
        raise ValueError(
            f"Gain and noise must not be negative, not {light.gain} and {description.noise}."
        )


def _render(descriptions: list[Description], size: int) -> Scenes:
    count = len(descriptions)
    images = np.empty((count, size, size, 3), np.float32)
    instances = np.zeros((count, size, size), np.int32)
    semantic = np.empty((count, size, size), np.int64)
    rows: list[_Rows] = []
    # Scenes drawn together share the cost of each NumPy call; more of them only cost memory.
    step = max(1, 2**20 // size**2)
    for start in range(0, count, step):
        part = slice(start, start + step)
        chunk = descriptions[part]
        canvas = _backdrops(chunk, size)
        full_boxes = _paint(chunk, canvas, instances[part])
        _develop(chunk, canvas)
        for channel in range(3):
            np.clip(canvas[:, channel], 0, 1, out=images[part, ..., channel])
        rows += _label(chunk, instances[part], semantic[part], full_boxes)
    boxes, full, labels, indices = map(list, zip(*rows, strict=True))
    label = np.array([description.label for description in descriptions], np.int64)
    return Scenes(images, label, boxes, full, labels, indices, instances, semantic, descriptions)


def _ramps(angles: list[float], size: int) -> np.ndarray:
    """(N, 1, H, W) float32: 0 in the middle, rising to 0.5 at an edge that an angle points to."""
    centred = (np.arange(size) + 0.5) / size - 0.5
    right = np.array([math.cos(math.radians(angle)) for angle in angles])
    up = np.array([math.sin(math.radians(angle)) for angle in angles])
    across = (right[:, None] * centred).astype(np.float32)
    down = (up[:, None] * -centred).astype(np.float32)
    return (down[:, :, None] + across[:, None, :])[:, None]


def _backdrops(descriptions: list[Description], size: int) -> np.ndarray:
    """(N, 3, H, W) float32: channels first, because planes are faster to paint on."""
    backgrounds = [description.background for description in descriptions]
    weight = np.clip(_ramps([background.angle for background in backgrounds], size) + 0.5, 0, 1)
    first = np.array([background.colour for background in backgrounds], np.float32)
    second = np.array([background.second for background in backgrounds], np.float32)
    canvas = weight * (second - first)[:, :, None, None]
    canvas += first[:, :, None, None]
    return canvas


class _Layer(NamedTuple):
    """One object within its window of the image."""

    top: int
    left: int
    alpha: np.ndarray  # (S, S) float32, how much of the pixel it covers
    inside: np.ndarray  # (S, S) bool, whether it covers the pixel's centre
    paint: np.ndarray  # (3, S, S) or (3, 1, 1) float32
    box: np.ndarray  # (4,) float32


def _paint(
    descriptions: list[Description], canvas: np.ndarray, instances: np.ndarray
) -> np.ndarray:
    """Paint every scene far to near, in place; returns the objects' full boxes (N, M, 4)."""
    things = [
        (scene, number, thing)
        for scene, description in enumerate(descriptions)
        for number, thing in _far_to_near(description)
    ]
    most = max(len(description.objects) for description in descriptions)
    full_boxes = np.zeros((len(descriptions), most, 4), np.float32)
    layers = _rasterise([thing for _, _, thing in things], canvas.shape[-1])
    for (scene, number, _), layer in zip(things, layers, strict=True):
        side = len(layer.alpha)
        rows, columns = slice(layer.top, layer.top + side), slice(layer.left, layer.left + side)
        window = canvas[scene, :, rows, columns]
        change = layer.paint - window
        change *= layer.alpha
        window += change
        np.copyto(instances[scene, rows, columns], number, where=layer.inside)
        if number:
            full_boxes[scene, number - 1] = layer.box
    return full_boxes


def _far_to_near(description: Description) -> list[tuple[int, Object]]:
    """Every drawn thing with its number: k for the k-th object, 0 for a distractor."""
    things = [(0, thing) for thing in description.distractors]
    things += enumerate(description.objects, start=1)
    things.sort(key=lambda entry: -entry[1].depth)
    return things


def _rasterise(things: list[Object], size: int) -> list[_Layer]:
    """Each object's layer, computed together for those of equal shape and window size."""
    groups: dict[tuple[str, int], list[int]] = defaultdict(list)
    for i, thing in enumerate(things):
        # One pixel of margin for the soft outline; multiples of eight make fewer, larger groups.
        side = min(size, 8 * math.ceil((2 * thing.radius * size + 3) / 8))
        groups[thing.shape, side].append(i)
    layers: list[Any] = [None] * len(things)
    for (_, side), members in groups.items():
        members.sort(key=lambda i: things[i].texture)
        group = _rasterise_group([things[i] for i in members], side, size)
        for i, layer in zip(members, group, strict=True):
            layers[i] = layer
    return layers


def _rasterise_group(things: list[Object], side: int, size: int) -> Iterator[_Layer]:
    """Layers of objects of one shape, sorted by texture, in windows of (side, side) pixels."""
    table = [(t.x * size, t.y * size, t.radius * size) for t in things]
    x, y, radius = np.array(table).T[..., None]  # (G, 1) each, pixels
    turns = [math.radians(t.rotation) for t in things]
    cosine = np.array([[math.cos(turn)] for turn in turns])
    sine = np.array([[math.sin(turn)] for turn in turns])
    # Windows lie inside the image, so that nothing needs cropping.
    left = np.clip(np.floor(x - radius - 1), 0, size - side)
    top = np.clip(np.floor(y - radius - 1), 0, size - side)
    centres = np.arange(side) + 0.5
    right, up = (left + centres - x) / radius, (y - top - centres) / radius
    u = _outer_sum(sine * up, cosine * right)
    v = _outer_sum(cosine * up, -sine * right)

    pixels = radius.astype(np.float32)[..., None]
    distance = _SHAPES[things[0].shape](u, v)
    inside = distance <= 0
    alpha = np.clip(0.5 - distance * pixels, 0, 1)
    paint: list[np.ndarray] = []
    for _, run in groupby(things, key=lambda thing: thing.texture):
        same = list(run)
        part = slice(len(paint), len(paint) + len(same))
        paint.extend(_paint_of(same, u[part], v[part], pixels[part]))
    corners = np.concatenate([left, top, left, top], axis=1).astype(np.float32)
    boxes = _extents(inside)
    boxes += corners * boxes[:, 2:].any(axis=1, keepdims=True)
    tops, lefts = top[:, 0].astype(int).tolist(), left[:, 0].astype(int).tolist()
    return map(_Layer, tops, lefts, alpha, inside, paint, boxes)


def _paint_of(
    things: list[Object], u: np.ndarray, v: np.ndarray, radius: np.ndarray
) -> Iterable[np.ndarray]:
    """The colours (3, S, S), or (3, 1, 1) when flat, of objects of one texture."""
    first = np.array([t.colour for t in things], np.float32)[..., None, None]
    weigh = _TEXTURES[things[0].texture]
    if weigh is None:
        return first
    table = np.array([(t.period, *t.phase) for t in things], np.float32)
    period, phase_u, phase_v = table.T[..., None, None]
    weight = weigh(_Pattern(u, v, period, phase_u, phase_v, period * radius))
    second = np.array([t.second for t in things], np.float32)[..., None, None]
    return first + weight[:, None] * (second - first)


def _outer_sum(column: np.ndarray, row: np.ndarray) -> np.ndarray:
    """(G, S) and (G, S) to (G, S, S) float32."""
    return column.astype(np.float32)[:, :, None] + row.astype(np.float32)[:, None, :]


def _extents(masks: np.ndarray) -> np.ndarray:
    """Tight x1 y1 x2 y2 boxes of masks (G, H, W), in pixel edges; zeros for an empty mask."""
    edges = []
    for occupied in (masks.any(axis=1), masks.any(axis=2)):
        filled, length = occupied.any(axis=1), occupied.shape[1]
        edges.append(
            (occupied.argmax(axis=1), (length - occupied[:, ::-1].argmax(axis=1)) * filled)
        )
    (x1, x2), (y1, y2) = edges
    return np.stack([x1, y1, x2, y2], axis=1).astype(np.float32)


@cache
def _normal_quantiles() -> np.ndarray:
    """(65536,) float32: equally probable values of a standard normal variable.

    Looking up one of them by 16 random bits is three times as fast as drawing exactly.
    """
    inverse = NormalDist().inv_cdf
    upper = np.array([inverse(0.5 + (rank + 0.5) / 2**16) for rank in range(2**15)])
    upper /= np.sqrt(np.mean(upper**2))
    return np.concatenate([-upper, upper]).astype(np.float32)


def _develop(descriptions: list[Description], canvas: np.ndarray) -> None:
    """Light, then noise, in place."""
    lights, neutral = [description.light for description in descriptions], Light()
    if any(light != neutral for light in lights):
        slopes = np.array([light.slope for light in lights], np.float32)[:, None, None, None]
        shade = 2 * slopes * _ramps([light.angle for light in lights], canvas.shape[-1]) + 1
        gains = [(1 + light.tint, 1.0, 1 - light.tint) for light in lights]
        gains = np.array(gains) * np.array([[light.gain] for light in lights])
        canvas *= np.maximum(shade, 0)
        canvas *= gains.astype(np.float32)[:, :, None, None]
    for picture, description in zip(canvas, descriptions, strict=True):
        if description.noise:
            rng = np.random.default_rng(description.seed)
            ranks = np.frombuffer(rng.bytes(2 * picture.size), "<u2").reshape(picture.shape)
            picture += (_normal_quantiles() * np.float32(description.noise))[ranks]


_Rows = tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]


def _label(
    descriptions: list[Description],
    instances: np.ndarray,
    semantic: np.ndarray,
    full_boxes: np.ndarray,
) -> list[_Rows]:
    """Boxes, labels and indices of what is visible; renumbers instances where a row falls away."""
    most = full_boxes.shape[1]
    visible = [_extents(instances == number) for number in range(1, most + 1)]
    boxes = np.stack(visible, axis=1) if most else full_boxes
    rows = []
    for scene, description in enumerate(descriptions):
        indices = np.flatnonzero(boxes[scene, :, 2])
        labels = np.array([CLASSES.index(t.shape) for t in description.objects], np.int64)
        if len(indices) < len(labels):
            numbers = np.zeros(len(labels) + 1, np.int32)
            numbers[indices + 1] = np.arange(1, len(indices) + 1)
            instances[scene] = numbers[instances[scene]]
        labels = labels[indices]
        values = np.concatenate([[0], labels + 1])
        np.take(values, instances[scene], out=semantic[scene], mode="clip")
        rows.append((boxes[scene, indices], full_boxes[scene, indices], labels, indices))
    return rows
