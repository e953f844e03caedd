"""The description of a scene of flat shapes: everything that it consists of, without pixels.

A description holds no image size: positions and radii are fractions of the image side, so the same
scene can be drawn at any size, or edited with ``dataclasses.replace`` and drawn again.

Conventions
    * x points right and y down from the image's top left corner.
    * A smaller ``depth`` is nearer to the camera and hides what is farther away.
    * A class is its position in ``CLASSES``, whichever subset was sampled.
    * Angles are in degrees, counter-clockwise as seen; at 0 every shape stands upright.

Examples:
    >>> scene = Description(objects=(Object("disc", radius=0.2), Object("star")))
    >>> CLASSES[scene.label]
    'star'
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

from cvlab.scenes.outlines import CLASSES, OUTLINES
from cvlab.scenes.textures import TEXTURES

__all__ = [
    "BASE_RADIUS",
    "Background",
    "Colour",
    "Description",
    "Light",
    "Object",
    "check",
    "check_paint",
]

Colour = tuple[float, float, float]

BASE_RADIUS = 0.32  # of the image side, for a single object


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


def check_paint(part: Any) -> None:
    """Refuse a colour or a second colour that lies outside [0, 1].

    Raises:
        ValueError: naming both.
    """
    if not all(0 <= value <= 1 for value in (*part.colour, *part.second)):
        raise ValueError(f"Colours must lie in [0, 1], not {part.colour} and {part.second}.")


def check(description: Description) -> None:
    """Refuse a description that cannot be drawn.

    Raises:
        ValueError: For an unknown shape or texture, a radius or period that is not positive, a
            colour outside [0, 1], or a number that is not finite.
    """
    parts = [*description.objects, *description.distractors]
    for thing in parts:
        if thing.shape not in OUTLINES or thing.texture not in TEXTURES:
            raise ValueError(
                f"An object needs a shape from {tuple(OUTLINES)} and a texture from {TEXTURES}, "
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
        check_paint(part)
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
