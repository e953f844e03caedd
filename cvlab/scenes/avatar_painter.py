"""How avatars look: what a person wears by number, limbs as layers, backgrounds, a camera's light.

A person's frame has its unit at the person's height: v is 0 at the top of the head and 1 at the
soles, u is 0 in the middle and grows to the right.

Examples:
    >>> first = looks(np.array([3, 8]))
    >>> bool((first["upper"][1] == looks(np.array([8]))["upper"][0]).all())
    True
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from cvlab.scenes.palette import COLOUR_NAMES

__all__ = [
    "AVATAR_PARTS",
    "BACKGROUNDS",
    "BAGS",
    "HAIR_STYLES",
    "LOWERS",
    "PATTERNS",
    "Pose",
    "backgrounds",
    "cameras_light",
    "looks",
    "occlude",
    "paint",
    "paint_statue",
]

AVATAR_PARTS = ("hair", "skin", "upper", "lower", "shoes", "bag")
HAIR_STYLES = ("short", "long", "cap")
PATTERNS = ("flat", "hoops", "stripes", "checks", "halves")
LOWERS = ("trousers", "shorts", "skirt")
BAGS = ("none", "backpack", "handbag")
BACKGROUNDS = ("plain", "bricks", "street", "leaves")

_COLOURS = np.array(list(COLOUR_NAMES.values()), np.float32)
_SKINS = np.array([[0.95, 0.80, 0.70], [0.85, 0.65, 0.50], [0.66, 0.46, 0.33], [0.40, 0.27, 0.20]])
_HAIRS = np.array([[0.12, 0.10, 0.09], [0.35, 0.22, 0.13], [0.80, 0.66, 0.38], [0.55, 0.53, 0.51]])
_SHOE = np.array([0.14, 0.13, 0.15], np.float32)
_STONE = np.array([0.52, 0.50, 0.47], np.float32)
_LATTICE = np.random.default_rng(2026).random((64, 64), dtype=np.float32)


@dataclass(frozen=True, slots=True)
class Pose:
    """Where N people stand in their images and how: pixels of centres, radians, strengths."""

    left: np.ndarray  # (N,) column of the middle
    top: np.ndarray  # (N,) row of the top of the head
    tall: np.ndarray  # (N,) pixels from head to soles
    phase: np.ndarray  # (N,) of the gait
    swing: float  # 0 to 1
    front: np.ndarray  # (N,) bool, whether the face is seen


def looks(people: np.ndarray) -> dict[str, np.ndarray]:
    """Return what people look like, arrays (N, ...) by name, from their numbers alone."""
    n = len(people)
    draws = np.array([np.random.default_rng([20, int(k)]).random(16) for k in people])
    draws = draws.reshape(n, 16)

    def pick(column: int, count: int) -> np.ndarray:
        return (draws[:, column] * count).astype(np.int64)

    def pair(column: int) -> np.ndarray:  # two different colours
        first, step = pick(column, len(_COLOURS)), 1 + pick(column + 1, len(_COLOURS) - 1)
        return np.stack([first, (first + step) % len(_COLOURS)], axis=1)

    bag = np.maximum(pick(11, 5) - 2, 0)  # three in five have none
    shift = (draws[:, 12:13] - 0.5) * 0.1
    return {
        "build": (0.8 + 0.5 * draws[:, 0]).astype(np.float32),
        "skin": (_SKINS[pick(1, 4)] + shift).astype(np.float32),
        "hair": (_HAIRS[pick(2, 4)] + shift / 2).astype(np.float32),
        "hair_style": pick(3, len(HAIR_STYLES)),
        "upper": pair(4),
        "upper_pattern": pick(6, len(PATTERNS)),
        "short_sleeves": pick(7, 2),
        "lower": pair(8),
        "lower_pattern": np.where(draws[:, 13] < 0.5, 0, pick(14, len(PATTERNS))),
        "lower_kind": pick(10, len(LOWERS)),
        "bag": bag,
        "bag_colour": pick(15, len(_COLOURS)),
    }


# --- Layers --------------------------------------------------------------------------------------


def _of(values: np.ndarray) -> np.ndarray:
    return np.asarray(values, np.float32)[:, None, None]


class _Canvas:
    """Images and their parts, onto which layers are laid one over the other."""

    def __init__(self, images: np.ndarray, pose: Pose) -> None:
        n, height, width = images.shape[:3]
        tall = _of(pose.tall)
        self.u = (np.arange(width, dtype=np.float32) - _of(pose.left)) / tall  # (N, 1, W)
        self.v = (np.arange(height, dtype=np.float32)[:, None] - _of(pose.top)) / tall
        self.images, self.tall = images, tall
        self.parts = np.zeros((n, height, width), np.int32)

    def lay(self, distance: np.ndarray, colour: np.ndarray, part: str, where=True) -> None:
        """Cover what has a negative distance (in heights), smooth over one pixel."""
        cover = np.clip(0.5 - distance * self.tall, 0, 1)
        if where is not True:
            cover = cover * _of(where)
        if colour.ndim == 2:
            colour = colour[:, None, None]
        self.images += cover[..., None] * (colour - self.images)
        if part:
            self.parts[cover >= 0.5] = 1 + AVATAR_PARTS.index(part)

    def disc(self, x, y, across, down) -> np.ndarray:
        """Signed distance to an ellipse, nearly."""
        far = np.sqrt(((self.u - _of(x)) / across) ** 2 + ((self.v - _of(y)) / down) ** 2)
        return (far - 1) * np.minimum(across, down)

    def limb(self, x1, y1, x2, y2, radius) -> np.ndarray:
        """Signed distance to a capsule between two points."""
        x1, y1, x2, y2 = _of(x1), _of(y1), _of(x2), _of(y2)
        dx, dy = x2 - x1, y2 - y1
        along = ((self.u - x1) * dx + (self.v - y1) * dy) / (dx * dx + dy * dy)
        along = np.clip(along, 0, 1)
        return np.sqrt((self.u - x1 - along * dx) ** 2 + (self.v - y1 - along * dy) ** 2) - radius

    def box(self, x, y, across, down, corner=0.02) -> np.ndarray:
        """Signed distance to a rectangle with round corners."""
        a = np.maximum(np.abs(self.u - _of(x)) - across + corner, 0)
        b = np.maximum(np.abs(self.v - _of(y)) - down + corner, 0)
        return np.sqrt(a * a + b * b) - corner

    def pattern(self, colours: np.ndarray, kind: np.ndarray, middle: float) -> np.ndarray:
        """Colours (N, H, W, 3) of cloth, from two colours (N, 2, 3) and a place in PATTERNS."""
        hoops = self._bands(self.v, 0.11)
        stripes = self._bands(self.u + 0.025, 0.10)
        hoops, stripes = np.broadcast_arrays(hoops, stripes)
        halves = np.clip((self.v - middle) * self.tall + 0.5, 0, 1)
        checks = hoops + stripes - 2 * hoops * stripes
        weight = np.zeros(hoops.shape, np.float32)
        for number, cloth in enumerate((hoops, stripes, checks, halves), start=1):
            weight += cloth * _of(kind == number)
        weight = weight[..., None]
        return colours[:, None, None, 0] * (1 - weight) + colours[:, None, None, 1] * weight

    def _bands(self, along: np.ndarray, period: float) -> np.ndarray:
        cycle = along / period
        cycle = cycle - np.floor(cycle)
        return np.clip((np.abs(cycle - 0.5) - 0.25) * period * self.tall + 0.5, 0, 1)


def paint(images: np.ndarray, look: dict[str, np.ndarray], pose: Pose) -> np.ndarray:
    """Paint people into images (N, H, W, 3), in place; return the parts (N, H, W) int32."""
    canvas, build, middle = _Canvas(images, pose), look["build"], np.zeros(len(images))
    hair, skin = look["hair"].copy(), look["skin"]
    bag_colour = _COLOURS[look["bag_colour"]]
    cap, long = look["hair_style"] == 2, look["hair_style"] == 1
    hair[cap] = bag_colour[cap]
    across = _of(0.095 * build)
    swing = np.sin(pose.phase) * np.radians(32) * pose.swing
    upper = canvas.pattern(_COLOURS[look["upper"]], look["upper_pattern"], 0.33)
    lower = canvas.pattern(_COLOURS[look["lower"]], look["lower_pattern"], 0.72)
    backpack, handbag = look["bag"] == 1, look["bag"] == 2
    canvas.lay(canvas.box(0.115 * build, middle + 0.29, 0.05, 0.11), bag_colour, "bag", backpack)
    canvas.lay(canvas.box(middle, middle + 0.12, 0.068, 0.1, 0.05), hair, "hair", long)
    _legs(canvas, look, swing, lower)
    shoulders = canvas.box(middle, middle + 0.325, across, 0.185, 0.06)
    for side in (-1, 1):
        _arm(canvas, look, side, swing, upper)
    canvas.lay(shoulders, upper, "upper")
    canvas.lay(canvas.limb(middle, middle + 0.1, middle, middle + 0.15, 0.03), skin, "skin")
    canvas.lay(canvas.disc(middle, middle + 0.08, 0.058, 0.075), skin, "skin")
    canvas.lay(canvas.disc(middle, middle + 0.035, 0.062, 0.04), hair, "hair")
    behind = canvas.disc(middle, middle + 0.07, 0.062, 0.07)
    canvas.lay(behind, hair, "hair", ~pose.front)
    down = canvas.box(middle, middle + 0.14, 0.06, 0.08, 0.04)
    canvas.lay(down, hair, "hair", long & ~pose.front)
    # Worn on the back, it covers most of what is seen from behind.
    whole = canvas.box(middle, middle + 0.3, _of(0.07 * build), 0.11)
    canvas.lay(whole, bag_colour, "bag", backpack & ~pose.front)
    canvas.lay(canvas.box(-0.16 * build, middle + 0.56, 0.055, 0.05), bag_colour, "bag", handbag)
    return canvas.parts


def _legs(canvas: _Canvas, look: dict[str, np.ndarray], swing: np.ndarray, cloth: np.ndarray):
    build, kind = look["build"], look["lower_kind"]
    middle = np.zeros(len(build))
    for side in (-1, 1):
        hip = side * 0.045 * build
        turn = side * swing
        x, y = hip + 0.44 * np.sin(turn), 0.5 + 0.45 * np.cos(turn)
        knee_x, knee_y = hip + 0.2 * np.sin(turn), 0.5 + 0.2 * np.cos(turn)
        radius = _of(0.043 * build)
        bare = canvas.limb(hip, middle + 0.5, x, y, 0.8 * radius)
        canvas.lay(bare, look["skin"], "skin", kind > 0)
        shoe = np.broadcast_to(_SHOE, (len(build), 3))
        canvas.lay(canvas.disc(x + 0.01, y + 0.02, 0.045, 0.028), shoe, "shoes")
        canvas.lay(canvas.limb(hip, middle + 0.5, x, y - 0.02, radius), cloth, "lower", kind == 0)
        short = canvas.limb(hip, middle + 0.5, knee_x, knee_y, 1.25 * radius)
        canvas.lay(short, cloth, "lower", kind == 1)
    flare = 0.085 + 0.25 * np.clip(canvas.v - 0.5, 0, 0.3)
    skirt = np.maximum(np.abs(canvas.u) - flare * _of(build), np.abs(canvas.v - 0.61) - 0.13)
    canvas.lay(skirt, cloth, "lower", kind == 2)


def _arm(
    canvas: _Canvas, look: dict[str, np.ndarray], side: int, swing: np.ndarray, cloth: np.ndarray
) -> None:
    build = look["build"]
    turn = side * (0.16 - 0.9 * side * swing)  # against the legs
    x, y = side * 0.098 * build, np.full(len(build), 0.2)
    along = np.sin(turn), np.cos(turn)
    hand = canvas.limb(x, y, x + 0.35 * along[0], y + 0.35 * along[1], 0.026)
    canvas.lay(hand, look["skin"], "skin")
    short = look["short_sleeves"] == 1
    reach = np.where(short, 0.12, 0.3)
    sleeve = canvas.limb(x, y, x + reach * along[0], y + reach * along[1], 0.036)
    canvas.lay(sleeve, cloth, "upper")


def paint_statue(images: np.ndarray, look: dict[str, np.ndarray], pose: Pose) -> np.ndarray:
    """Paint things of a person's height and outline, of stone on a plinth; return the parts."""
    canvas, middle = _Canvas(images, pose), np.zeros(len(images))
    stone = _STONE + 0.3 * (_COLOURS[look["bag_colour"]] - _STONE)
    canvas.lay(canvas.box(middle, middle + 0.78, 0.13, 0.22), 0.8 * stone, "lower")
    canvas.lay(
        canvas.box(middle, middle + 0.36, _of(0.1 * look["build"]), 0.22, 0.07), stone, "upper"
    )
    canvas.lay(canvas.disc(middle, middle + 0.085, 0.06, 0.08), stone, "skin")
    return canvas.parts


# --- What surrounds people -----------------------------------------------------------------------


def backgrounds(
    camera: np.ndarray, draws: np.ndarray, size: tuple[int, int], contrast: float
) -> np.ndarray:
    """Return images (N, H, W, 3) of what a camera sees, each from another place.

    Args:
        camera: (N,) numbers; the kind is ``BACKGROUNDS[number % 4]``.
        draws: (N, 12) uniform numbers.
        size: (H, W) in pixels.
        contrast: 0 for grey to 1.
    """
    height, width = size
    n = len(camera)
    base = np.array(
        [np.random.default_rng([21, int(k)]).uniform(0.25, 0.75, (2, 3)) for k in camera]
    )
    # Half of the colours is the camera's, half the view's.
    base = 0.5 * base.reshape(n, 2, 3).astype(np.float32)
    base += 0.5 * draws[:, [[2, 9, 10], [11, 3, 6]]]
    x = np.arange(width, dtype=np.float32) / 20 + 8 * _of(draws[:, 0])
    y = np.arange(height, dtype=np.float32)[:, None] / 20 + 8 * _of(draws[:, 1])
    row = np.floor(y * 4)
    joint = ((y * 4 - row) < 0.25) | (((x * 2 + row / 2) % 1) < 0.12)
    horizon = height * (0.55 + 0.2 * _of(draws[:, 2]))
    ground = (np.arange(height, dtype=np.float32)[:, None] > horizon) + 0 * x
    leaves = _LATTICE[(y * 6).astype(int) % 64, (x * 6).astype(int) % 64]
    plain = np.linspace(0, 1, height, dtype=np.float32)[:, None] + 0 * x
    weights = np.stack(np.broadcast_arrays(plain, joint, ground, leaves)).astype(np.float32)
    weight = weights[camera % len(BACKGROUNDS), np.arange(n)][..., None]
    images = base[:, None, None, 0] * (1 - weight) + base[:, None, None, 1] * weight
    # A thing or two that stand about: boxes of their own colour.
    rows, columns = np.arange(height)[:, None], np.arange(width)
    for k in (3, 6):
        wide = width * (0.1 + 0.25 * draws[:, k])
        inside = abs(columns - _of(draws[:, k + 1] * width)) < _of(wide / 2)
        inside = inside & (rows > _of(height * (0.1 + 0.8 * draws[:, k + 2])))
        colour = _COLOURS[(draws[:, k] * 997).astype(int) % len(_COLOURS)]
        images = np.where(inside[..., None], colour[:, None, None], images)
    return (0.5 + contrast * (images - 0.5)).astype(np.float32)


def occlude(
    images: np.ndarray, parts: np.ndarray, hidden: np.ndarray, draws: np.ndarray, pose: Pose
) -> None:
    """Put a post or a low box before some of the people (N,), in place."""
    height, width = parts.shape[1:]
    rows, columns = np.arange(height)[:, None], np.arange(width)
    post = _of(draws[:, 0] < 0.5)
    middle = _of(pose.left + (draws[:, 1] - 0.5) * 0.3 * pose.tall)
    upright = abs(columns - middle) < _of(0.05 + 0.05 * draws[:, 2]) * _of(pose.tall)
    low = rows > _of(pose.top + pose.tall * (0.55 + 0.25 * draws[:, 3]))
    cover = np.where(post, upright, low) & (_of(hidden) > 0)
    colour = np.float32(0.2) + 0.5 * draws[:, 4:5] + 0.2 * (draws[:, 3:6] - 0.5)
    np.copyto(images, colour[:, None, None].astype(np.float32), where=cover[..., None])
    parts[cover] = 0


def cameras_light(
    camera: np.ndarray, light: float, signed: np.ndarray, own: float = 1 / 3
) -> np.ndarray:
    """Return factors (N, 3) of the channels.

    Args:
        camera: (N,) numbers.
        light: Strength.
        signed: (N, 4) uniform numbers in -1 to 1 of the view: gain, then tint.
        own: Share of the view's numbers in the whole; the rest is the camera's.
    """
    fixed = [2 * np.random.default_rng([22, int(k)]).random(4) - 1 for k in camera]
    mixed = (1 - own) * np.array(fixed).reshape(-1, 4) + own * signed
    gain = 2 ** (light * (0.6 * mixed[:, :1] - 0.2))  # 2^(-0.8 to 0.4)
    return (gain * (1 + 0.15 * light * mixed[:, 1:])).astype(np.float32)
