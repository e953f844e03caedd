"""Random scenes of flat shapes: what varies from one to the next, by how much, and from which seed.

``sample`` draws random descriptions and renders them; ``describe`` draws one.

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
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from cvlab.scenes import _arguments
from cvlab.scenes.description import BASE_RADIUS, Background, Colour, Description, Light, Object
from cvlab.scenes.outlines import CLASSES
from cvlab.scenes.palette import COLOUR_NAMES
from cvlab.scenes.renderer import MAX_SIZE, MIN_SIZE, Scenes, render_all
from cvlab.scenes.textures import TEXTURES

__all__ = ["MAX_CLUTTER", "MAX_OBJECTS", "NOISE_SIGMA", "describe", "sample"]

MAX_OBJECTS = 20
MAX_CLUTTER = 8
NOISE_SIGMA = 0.2  # standard deviation at noise=1

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


def _brightness(colour: Colour) -> float:
    return 0.299 * colour[0] + 0.587 * colour[1] + 0.114 * colour[2]


def _mix(first: Colour, second: Colour, weight: float) -> Colour:
    return tuple((1 - weight) * a + weight * b for a, b in zip(first, second, strict=True))


def _paints(background: Colour) -> list[tuple[Colour, Colour]]:
    """The colours that stand out from a background in grey too, each with a texture's second."""
    # The second colour leads away from the background, so that no stripe melts into it.
    backdrop = _brightness(background)
    away = (1.0, 1.0, 1.0) if backdrop < 0.5 else (0.08, 0.09, 0.16)
    return [
        (c, _mix(c, away, 0.55))
        for c in COLOUR_NAMES.values()
        if abs(_brightness(c) - backdrop) > 0.20
    ]


_PAINTS = tuple(map(_paints, _BACKGROUNDS))


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
            setattr(self, name, _arguments.strength(name, getattr(self, name)))
        self.classes = _arguments.names("classes", self.classes, CLASSES)
        self.textures = _arguments.names("textures", self.textures, TEXTURES)
        self.objects = _arguments.counts("objects", self.objects, MAX_OBJECTS)


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
    _arguments.knobs("describe", knobs, _Knobs)
    seed, index = _arguments.integer(seed, "seed", 0), _arguments.integer(index, "index", 0)
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
    n = _arguments.integer(n, "n", 1)
    size, seed = (
        _arguments.integer(size, "size", MIN_SIZE, MAX_SIZE),
        _arguments.integer(seed, "seed", 0),
    )
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
    return render_all([_describe(seed, index, knobs) for index in range(n)], size)
