"""Alphabets: characters as short programs of strokes, each drawing by another hand.

``sample_characters`` draws whole alphabets; ``draw`` writes one character once more. A character
depends on ``seed``, its alphabet and its place there alone, a drawing also on its own place.

Conventions
    * A character is a program of two to four strokes. A stroke is a quadratic Bezier curve with
      three control points (x, y): it starts at the first, ends at the third, and bends towards the
      second. x grows to the right and y downwards, and the image is the unit square.
    * Images hold ink: 1 is full, 0 is paper.

Alphabets
    * Each has its own stroke statistics, which its characters share: two or three preferred
      directions, a typical length and bend, how many strokes, and how often a stroke begins where
      another ended. A character fills 0.7 of the square in its longer direction.

Drawings
    * Every control point moves by a normal deviation of 0.05. The drawing is turned by up to 0.5
      radians to either side, slanted by as much, scaled by 0.7 to 1.1 in each direction for itself,
      and shifted by up to 0.06. Its line is 0.045 to 0.09 wide.

The idea of characters as programs is that of Lake, Salakhutdinov and Tenenbaum (2015).

Examples:
    >>> letters = sample_characters(2, characters=3, drawings=4, seed=1)
    >>> letters
    Characters(24 drawings of 6 characters in 2 alphabets, 24 x 24)
    >>> letters.images.shape, letters.character[:5].tolist()
    ((24, 24, 24), [0, 0, 0, 0, 1])
    >>> draw(letters.strokes[0], np.random.default_rng(0)).shape
    (24, 24)
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from cvlab.scenes._arguments import integer
from cvlab.scenes.batch import Batch

if TYPE_CHECKING:
    import torch

__all__ = ["MAX_STROKES", "Characters", "draw", "sample_characters"]

MAX_STROKES = 4
_POINTS = 48  # places on a stroke at which its distance is measured
_WOBBLE, _TURN, _SLANT, _SHIFT = 0.05, 0.5, 0.5, 0.06
SCALES, WIDTHS = (0.7, 1.1), (0.045, 0.09)
_FILLED = 0.7  # of the square, by a character's longer side


@dataclass(frozen=True, eq=False, repr=False, slots=True)
class Characters(Batch):
    """Drawings of characters; see the module's text for the conventions.

    Indexed by a number, a slice, an index array or a mask it gives a batch.

    Attributes:
        images: (N, size, size) float32, ink in [0, 1].
        alphabet: (N,) int64, number of the alphabet.
        character: (N,) int64, number of the character, counted through all alphabets.
        strokes: (N, 4, 3, 2) float32, the program of the character, before any hand has drawn it;
            NaN for strokes that it lacks.
    """

    images: np.ndarray
    alphabet: np.ndarray
    character: np.ndarray
    strokes: np.ndarray

    def torch(self) -> dict[str, torch.Tensor]:
        """The fields as tensors that share their memory; images (N, 1, size, size)."""
        import torch

        names = ("images", "alphabet", "character", "strokes")
        values = {name: torch.from_numpy(getattr(self, name)) for name in names}
        return values | {"images": values["images"][:, None]}

    def __repr__(self) -> str:
        kinds, books = (len(np.unique(v)) for v in (self.character, self.alphabet))
        side = self.images.shape[1]
        return (
            f"Characters({len(self)} drawings of {kinds} characters in {books} alphabets, "
            f"{side} x {side})"
        )


def sample_characters(
    alphabets: int, characters: int, drawings: int, size: int = 24, seed: int = 0
) -> Characters:
    """Invent alphabets and draw each of their characters several times.

    Args:
        alphabets: Number of alphabets.
        characters: Number of characters in each.
        drawings: Number of drawings of each character.
        size: Side of the images in pixels, 8 to 128.
        seed: Not negative.

    Returns:
        alphabets * characters * drawings images, in this order of nesting.

    Raises:
        TypeError: For numbers that are no integers.
        ValueError: For values out of these ranges.
    """
    alphabets = integer(alphabets, "alphabets", 1)
    characters = integer(characters, "characters", 1)
    drawings = integer(drawings, "drawings", 1)
    size, seed = integer(size, "size", 8, 128), integer(seed, "seed", 0)
    programs, images = [], []
    for a in range(alphabets):
        style = _style(np.random.default_rng((seed, a)))
        for c in range(characters):
            program = _program(style, np.random.default_rng((seed, a, c)))
            programs.append(program)
            for k in range(drawings):
                images.append(_drawn(program, np.random.default_rng((seed, a, c, k)), size))
    padded = np.full((len(programs), MAX_STROKES, 3, 2), np.nan, np.float32)
    for row, program in zip(padded, programs, strict=True):
        row[: len(program)] = program
    number = np.repeat(np.arange(len(programs)), drawings)
    return Characters(np.stack(images), number // characters, number, padded[number])


def draw(character: Any, rng: np.random.Generator, size: int = 24) -> np.ndarray:
    """Draw a character once, by another hand each time; see the module's text for how they vary.

    Args:
        character: (S, 3, 2) control points of its strokes, S at least 1. Strokes of NaN are left
            out, so that a row of ``Characters.strokes`` may be given.
        rng: The hand: what it draws at random.
        size: Side of the image in pixels, 8 to 128.

    Returns:
        (size, size) float32, ink in [0, 1].

    Raises:
        TypeError: For another ``rng``, or points that are no numbers.
        ValueError: For another shape, no stroke, strokes known in part, or another size.
    """
    if not isinstance(rng, np.random.Generator):
        raise TypeError(f"rng must be a numpy Generator, not {type(rng).__name__}.")
    size = integer(size, "size", 8, 128)
    strokes = np.asarray(character)
    if strokes.dtype.kind not in "biuf":
        raise TypeError(f"character must hold real numbers, not {strokes.dtype}.")
    if strokes.ndim != 3 or strokes.shape[1:] != (3, 2):
        raise ValueError(f"character must have the shape (S, 3, 2), not {strokes.shape}.")
    strokes = strokes[~np.isnan(strokes).all((1, 2))].astype(float)
    if not len(strokes) or not np.isfinite(strokes).all():
        raise ValueError("character must have at least one stroke, each with finite points.")
    return _drawn(strokes, rng, size)


# --- Programs -------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class _Style:
    """What the characters of one alphabet have in common."""

    directions: np.ndarray  # (2 or 3,) radians
    length: float
    bend: float
    counts: np.ndarray  # (3,) chances of two, three and four strokes
    joined: float  # chance that a stroke begins where another ended


def _style(rng: np.random.Generator) -> _Style:
    first = rng.uniform(0, np.pi)
    turns = rng.uniform(0.25, 0.75, int(rng.integers(1, 3))).cumsum() * np.pi / 1.5
    return _Style(
        first + np.append(0, turns),
        rng.uniform(0.45, 0.75),
        rng.uniform(0.05, 0.4),
        rng.dirichlet((2, 3, 2)),
        rng.uniform(0.3, 0.9),
    )


def _program(style: _Style, rng: np.random.Generator) -> np.ndarray:
    """Return (S, 3, 2) control points whose places fill the middle of the unit square."""
    count = 2 + int(rng.choice(3, p=style.counts))
    strokes: list[np.ndarray] = []
    for _ in range(count):
        angle = rng.choice(style.directions) + rng.normal(0, 0.2) + np.pi * rng.integers(2)
        along = np.array([np.cos(angle), np.sin(angle)]) * style.length * rng.uniform(0.6, 1.2)
        if strokes and rng.random() < style.joined:
            begin = strokes[int(rng.integers(len(strokes)))][int(rng.integers(3))]
        else:
            begin = rng.uniform(0.2, 0.8, 2) - along / 2
        across = np.array([-along[1], along[0]]) * rng.normal(0, 2 * style.bend)
        strokes.append(np.stack([begin, begin + along / 2 + across, begin + along]))
    program = np.stack(strokes)
    places = _curves(program, 16).reshape(-1, 2)
    low, high = places.min(0), places.max(0)
    return 0.5 + (program - (low + high) / 2) * _FILLED / (high - low).max()


def _curves(strokes: np.ndarray, points: int) -> np.ndarray:
    """Return (S, points, 2) places along quadratic Bezier curves (S, 3, 2)."""
    t = np.linspace(0, 1, points)
    weights = np.stack([(1 - t) ** 2, 2 * t * (1 - t), t**2], 1)
    return np.einsum("pk,skd->spd", weights, strokes)


# --- Drawings -------------------------------------------------------------------------------------


def _drawn(strokes: np.ndarray, rng: np.random.Generator, size: int) -> np.ndarray:
    moved = strokes + rng.normal(0, _WOBBLE, strokes.shape)
    turn, slant = rng.uniform(-_TURN, _TURN), np.tan(rng.uniform(-_SLANT, _SLANT))
    turned = [[np.cos(turn), -np.sin(turn)], [np.sin(turn), np.cos(turn)]]
    hand = turned @ np.array([[1, slant], [0, 1]]) @ np.diag(rng.uniform(*SCALES, 2))
    middle = 0.5 + rng.uniform(-_SHIFT, _SHIFT, 2)
    places = ((_curves(moved, _POINTS) - 0.5) @ hand.T + middle).reshape(-1, 2) * size
    half = rng.uniform(*WIDTHS) / 2 * size
    pixel = np.arange(size) + 0.5
    near = ((places[:, :, None] - pixel) ** 2).astype(np.float32)  # (points, 2, size)
    distance = np.sqrt((near[:, 1, :, None] + near[:, 0, None]).min(0))  # rows are y
    return np.clip(half + 0.5 - distance, 0, 1)
