"""Pictures of landmarks seen from the front: facades and posters, one of a kind each.

A picture is a flat thing that ``landmarks`` photographs: float32 (96, 72 to 128, 3). Facades share
few wall paints and are built of rows of equal windows; single windows, a sign, a door and emblems
tell them apart. Posters have a gradient, overlapping shapes and lines of signs.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

__all__ = ["HEIGHT", "KINDS", "facade"]

HEIGHT = 96
KINDS = ("facade", "poster")
_WIDTHS = (72, 128)

_WALLS = np.array(
    [
        *([0.72, 0.50, 0.40], [0.80, 0.72, 0.58], [0.62, 0.62, 0.64]),
        *([0.66, 0.42, 0.36], [0.74, 0.70, 0.66], [0.56, 0.60, 0.52]),
    ],
    np.float32,
)
_ACCENTS = np.array(
    [
        *([0.85, 0.25, 0.26], [0.94, 0.62, 0.18], [0.22, 0.58, 0.36], [0.22, 0.40, 0.80]),
        *([0.52, 0.35, 0.75], [0.96, 0.94, 0.89], [0.17, 0.19, 0.26], [0.14, 0.60, 0.61]),
    ],
    np.float32,
)
_GLASS = np.array([[0.16, 0.20, 0.28], [0.42, 0.50, 0.58], [0.90, 0.80, 0.50]], np.float32)


Shape = Callable[[np.ndarray, np.ndarray], np.ndarray]


class _Canvas:
    """A picture that is painted over; places and sizes are in pixels, edges one pixel wide."""

    def __init__(self, width: int) -> None:
        self.width = width
        self.picture = np.empty((HEIGHT, width, 3), np.float32)
        self.y, self.x = np.ogrid[:HEIGHT, :width]

    def paint(self, shape: Shape, colour: Any, box: Any = (0, 0, 999, 999)) -> None:
        """Lay a colour over what is there, as thick as the shape says; it ends in the box."""
        left, top = (max(int(side) - 1, 0) for side in box[:2])
        right, bottom = (max(int(side) + 3, 0) for side in box[2:])
        x, y = self.x[:, left:right], self.y[top:bottom]
        cover = np.clip(shape(x, y), 0, 1).astype(np.float32)[..., None]
        part = self.picture[top:bottom, left:right]
        part += cover * (colour - part)

    def rectangle(self, left: float, top: float, right: float, bottom: float, colour: Any) -> None:
        """Paint a rectangle."""
        box = left, top, right, bottom
        self.paint(_rectangle(*box), colour, box)


def _rectangle(left: float, top: float, right: float, bottom: float) -> Shape:
    def cover(x: np.ndarray, y: np.ndarray) -> np.ndarray:
        across = np.clip(np.minimum(x - left + 0.5, right + 0.5 - x), 0, 1)
        return across * np.clip(np.minimum(y - top + 0.5, bottom + 0.5 - y), 0, 1)

    return cover


def _disc(at_x: float, at_y: float, radius: float) -> Shape:
    return lambda x, y: np.clip(radius + 0.5 - np.hypot(x - at_x, y - at_y), 0, 1)


def _polygon(at_x: float, at_y: float, radius: float, turn: float, sides: int) -> Shape:
    angles = turn + 2 * np.pi * np.arange(sides) / sides
    apothem = radius * np.cos(np.pi / sides)

    def cover(x: np.ndarray, y: np.ndarray) -> np.ndarray:
        out = [np.cos(a) * (x - at_x) + np.sin(a) * (y - at_y) - apothem for a in angles]
        return np.clip(0.5 - np.maximum.reduce(out), 0, 1)

    return cover


def _either(first: Shape, second: Shape) -> Shape:
    return lambda x, y: np.maximum(first(x, y), second(x, y))


def facade(seed: int, number: int) -> tuple[np.ndarray, str]:
    """Return the picture of a landmark, (96, W, 3) float32 in [0, 1], and which of ``KINDS`` it is.

    Args:
        seed: Not negative.
        number: Which landmark of this seed; not negative.

    Examples:
        >>> picture, kind = facade(0, 3)
        >>> picture.shape[0], kind in KINDS
        (96, True)
    """
    rng = np.random.default_rng((seed, number, 7))
    canvas = _Canvas(int(rng.integers(_WIDTHS[0], _WIDTHS[1] + 1)))
    kind = KINDS[int(rng.random() < 0.35)]
    (_house if kind == "facade" else _poster)(canvas, rng)
    return np.clip(canvas.picture, 0, 1), kind


def _house(canvas: _Canvas, rng: np.random.Generator) -> None:
    wall = _WALLS[rng.integers(len(_WALLS))] + rng.uniform(-0.04, 0.04, 3)
    canvas.picture[:] = wall
    _courses(canvas, rng, wall)
    rows, columns = rng.integers(2, 5), rng.integers(2, 6)
    top, bottom = rng.uniform(14, 24), rng.uniform(64, 74)
    frame = _ACCENTS[rng.integers(len(_ACCENTS))]
    _windows(canvas, rng, (rows, columns), (top, bottom), frame)
    roof = 0.6 * wall * rng.uniform(0.7, 1.1, 3)
    canvas.rectangle(-1, -1, canvas.width, rng.uniform(4, 9), roof)
    for level in rng.uniform(top, bottom, rng.integers(0, 3)):
        canvas.rectangle(-1, level, canvas.width, level + 2, 1.2 * wall)
    left = rng.uniform(4, canvas.width - 24)
    door = left, rng.uniform(76, 80), left + rng.uniform(10, 18), HEIGHT
    canvas.rectangle(*door, _ACCENTS[rng.integers(len(_ACCENTS))])
    _sign(canvas, rng, rng.uniform(4, canvas.width - 44), rng.uniform(62, 78))
    for _ in range(rng.integers(3, 7)):
        _emblem(canvas, rng, rng.uniform(4, 9))


def _courses(canvas: _Canvas, rng: np.random.Generator, wall: np.ndarray) -> None:
    """Bricks, planks or plaster, and stains that no other wall has."""
    kind, period = rng.integers(3), rng.uniform(5, 9)
    darker = 0.8 * wall
    if kind < 2:
        canvas.paint(lambda x, y: ((y % period) < 1.2) & (x >= 0), darker)
    if kind == 0:
        canvas.paint(lambda x, y: (x + ((y // period) % 2) * period) % (2 * period) < 1.2, darker)
    coarse = rng.normal(0, 0.05, (7, 9))
    y = np.linspace(0, 5.999, HEIGHT)
    x = np.linspace(0, 7.999, canvas.width)
    i, j = y.astype(int)[:, None], x.astype(int)
    v, u = (y % 1)[:, None], x % 1
    upper = coarse[i, j] * (1 - u) + coarse[i, j + 1] * u
    lower = coarse[i + 1, j] * (1 - u) + coarse[i + 1, j + 1] * u
    canvas.picture += (upper * (1 - v) + lower * v).astype(np.float32)[..., None]


def _windows(
    canvas: _Canvas,
    rng: np.random.Generator,
    counts: tuple[int, int],
    ends: tuple[float, float],
    frame: np.ndarray,
) -> None:
    """Equal windows in rows and columns; each is dark, bright or lit, and a few are walled up."""
    rows, columns = counts
    high, wide = (ends[1] - ends[0]) / rows, (canvas.width - 8) / columns
    half_high, half_wide = rng.uniform(0.28, 0.36) * high, rng.uniform(0.25, 0.36) * wide
    shape, bars = rng.integers(3), rng.random() < 0.6
    for row in range(rows):
        for column in range(columns):
            state, walled = rng.integers(3), rng.random() < 0.12
            if walled:
                continue
            x, y = 4 + (column + 0.5) * wide, ends[0] + (row + 0.5) * high
            reach = max(half_wide, half_high) + 2
            box = x - reach, y - reach, x + reach, y + reach
            canvas.paint(_pane(shape, x, y, half_wide + 1.6, half_high + 1.6), frame, box)
            canvas.paint(_pane(shape, x, y, half_wide, half_high), _GLASS[state], box)
            if bars:
                thin = min(half_wide, half_high)
                canvas.rectangle(x - 0.5, y - thin, x + 0.5, y + thin, frame)
                canvas.rectangle(x - thin, y - 0.5, x + thin, y + 0.5, frame)


def _pane(shape: int, x: float, y: float, half_wide: float, half_high: float) -> Shape:
    """A window: a rectangle, one with a round top, or a disc."""
    if shape == 2:
        return _disc(x, y, min(half_wide, half_high))
    top = min(y, y - half_high + (half_wide if shape == 1 else 0))
    body = _rectangle(x - half_wide, top, x + half_wide, y + half_high)
    return body if shape == 0 else _either(body, _disc(x, top, half_wide))


def _sign(canvas: _Canvas, rng: np.random.Generator, left: float, top: float) -> None:
    """A board with five to eight letters of no alphabet."""
    letters = int(rng.integers(5, 9))
    board, ink = rng.choice(len(_ACCENTS), 2, replace=False)
    wide = 5.5 * letters
    canvas.rectangle(left, top, left + wide, top + 11, _ACCENTS[board])
    for k in range(letters):
        strokes = rng.random((3, 2)) < 0.6
        for row, column in np.argwhere(strokes):
            x, y = left + 1 + 5.5 * k + 2 * column, top + 1.5 + 2.8 * row
            canvas.rectangle(x, y, x + 1.6, y + 2.4, _ACCENTS[ink])


def _emblem(canvas: _Canvas, rng: np.random.Generator, radius: float) -> None:
    """A disc, ring, cross or polygon of two colours, anywhere."""
    x = rng.uniform(radius, canvas.width - radius)
    y = rng.uniform(radius, HEIGHT - radius)
    first, second = _ACCENTS[rng.choice(len(_ACCENTS), 2, replace=False)]
    kind, turn = int(rng.integers(5)), rng.uniform(0, np.pi)
    for size, colour in ((radius, first), (0.5 * radius, second)):
        canvas.paint(
            _figure(kind, x, y, size, turn), colour, (x - size, y - size, x + size, y + size)
        )


def _figure(kind: int, x: float, y: float, r: float, turn: float) -> Shape:
    if kind == 0:
        return _disc(x, y, r)
    if kind == 1:
        level = _rectangle(x - r, y - r / 3, x + r, y + r / 3)
        return _either(level, _rectangle(x - r / 3, y - r, x + r / 3, y + r))
    return _polygon(x, y, r, turn, kind + 1)


def _poster(canvas: _Canvas, rng: np.random.Generator) -> None:
    first, second = _ACCENTS[rng.choice(len(_ACCENTS), 2, replace=False)]
    along = rng.uniform(-1, 1, 2)
    slope = along[0] * canvas.x / canvas.width + along[1] * canvas.y / HEIGHT
    weight = (slope - slope.min()) / max(float(np.ptp(slope)), 1e-6)
    mixed = weight[..., None] * first + (1 - weight[..., None]) * second
    canvas.picture[:] = 0.5 * mixed + 0.3
    for _ in range(rng.integers(7, 13)):
        _emblem(canvas, rng, rng.uniform(6, 18))
    for _ in range(rng.integers(1, 4)):
        _sign(canvas, rng, rng.uniform(2, canvas.width - 44), rng.uniform(2, HEIGHT - 14))
    middle = _rectangle(2.5, 2.5, canvas.width - 3.5, HEIGHT - 3.5)
    canvas.paint(lambda x, y: 1 - middle(x, y), _ACCENTS[rng.integers(len(_ACCENTS))])
