"""Views of twenty textured solid objects on a turntable, under controlled conditions.

``view`` renders one view, ``views`` many; ``OBJECTS`` names the twenty, and an object's identity is
its position there. Every setting changes one thing only and is exact, so that an experiment can
vary one at a time. Lengths are fractions of the image side, so a view looks the same at any size.

Conventions
    * The camera is far away (parallel rays). x points right and y down from the top left corner;
      pixel (row i, column j) has its centre at (j + 0.5, i + 0.5).
    * The mask holds the pixels whose *centre* shows the object; the image is anti-aliased by 3 x 3
      rays a pixel, the middle one through the centre.
    * Angles are in degrees. Objects, colours and light are the same at any time: what looks like
      chance comes from ``seed``.

Settings
    * ``yaw``: the object turns on its table, counter-clockwise seen from above; 0 shows its front.
    * ``elevation``: of the camera above the table, -90 to 90.
    * ``roll``: the object turns in the image, counter-clockwise, about the middle of its circle,
      with its shading and its shadow, as if camera and lamp turned and the backdrop did not.
    * ``scale``: at 1 the object lies in a circle of radius 0.42 image sides from every viewpoint;
      from 1.19 on it may leave the image, which then clips it.
    * ``shift``: the circle's centre is at 0.5 + right, 0.5 + down image sides.
    * ``light``: azimuth (0 behind the camera, positive to the right) and elevation of the lamp,
      which stays where it is when the object turns. A surface shows its colour times 0.45
      ambient light, of which more comes from above, plus 0.55 times the cosine between its normal
      and the lamp (Lambert), and nothing where that is negative. Nothing shines, and nothing casts
      a shadow but for a soft dark patch on the table below the object.
    * ``gain`` multiplies the image, background too; up to 1, without warmth, nothing is clipped.
    * ``warmth`` w in [-1, 1] multiplies red by 1 + 0.3 w and blue by 1 - 0.3 w.
    * ``clutter`` c in [0, 1]: round(12 c) textured solids and cards in the objects' colours lie
      behind and around the object. They belong to no identity.
    * ``occlusion`` o in [0, 1]: a striped board comes in front from a random side and hides the
      share o of the object's pixels, to within one pixel.
    * ``noise`` z in [0, 1]: Gaussian noise of standard deviation 0.2 z on every value.
    * ``seed`` draws the clutter, the side of the board and the noise: the same seed gives the same
      for every other setting. Clutter stays in its place in the image.

Examples:
    >>> from cvlab import scenes
    >>> front = scenes.view(scenes.OBJECTS.index("mug"))
    >>> front.image.shape, front.mask.shape, front.name
    ((64, 64, 3), (64, 64), 'mug')
    >>> turntable = scenes.views([4] * 12, yaw=np.arange(0, 360, 30), size=32)
    >>> turntable.images.shape, turntable.yaws[:3].tolist()
    ((12, 32, 32, 3), [0.0, 30.0, 60.0])
"""

from __future__ import annotations

import operator
from collections.abc import Sequence
from dataclasses import dataclass, fields, replace
from functools import cache, lru_cache
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from cvlab.scenes.batch import Batch
from cvlab.scenes.catalogue import OBJECTS, PALETTES, body
from cvlab.scenes.modelling import Body, fit, part
from cvlab.scenes.sampling import NOISE_SIGMA
from cvlab.scenes.solids import Camera, Faceted, Rendering, Solid, Surface, Turned, cast

if TYPE_CHECKING:
    pass

__all__ = ["View", "Views", "view", "views"]

RADIUS = 0.42  # of an object's circle at scale 1, in image sides
AMBIENT = 0.45
WARMTH = 0.3
MAX_CLUTTER = 12
MIN_SIZE, MAX_SIZE = 8, 1024
LIGHT = (-30.0, 40.0)  # from the upper left


class View(NamedTuple):
    """One view of one object, and what is true of it."""

    image: np.ndarray  # (S, S, 3) float32 in [0, 1]
    mask: np.ndarray  # (S, S) bool: the object's visible pixels
    identity: int  # position in OBJECTS
    yaw: float
    elevation: float
    roll: float
    scale: float
    shift: tuple[float, float]

    @property
    def name(self) -> str:
        """The object's name."""
        return OBJECTS[self.identity]


@dataclass(frozen=True, eq=False, repr=False, slots=True)
class Views(Batch):
    """N views; the attributes are those of ``View``, one entry a view.

    Indexed by an integer it gives a ``View``; by a slice, an index array or a mask, ``Views``.
    """

    images: np.ndarray  # (N, S, S, 3) float32
    masks: np.ndarray  # (N, S, S) bool
    identities: np.ndarray  # (N,) int64
    yaws: np.ndarray  # (N,) float64, as all that follow
    elevations: np.ndarray
    rolls: np.ndarray
    scales: np.ndarray
    shifts: np.ndarray  # (N, 2)

    def __getitem__(self, index: Any) -> Any:
        values = [getattr(self, field.name)[index] for field in fields(self)]
        if not isinstance(index, (int, np.integer)):
            return Views(*values)
        numbers = [value.item() for value in values[2:-1]]
        return View(*values[:2], *numbers, tuple(values[-1].tolist()))

    def arrays(self) -> tuple[np.ndarray, np.ndarray]:
        """The images (N, S, S, 3) and identities (N,), as a classifier wants them."""
        return self.images, self.identities

    def __repr__(self) -> str:
        side = self.images.shape[1]
        return f"Views({len(self)} of {side}x{side} pixels, {len(set(self.identities))} objects)"


# --- Arguments ------------------------------------------------------------------------------------

# The limits of each setting that is a number.
_LIMITS: dict[str, tuple[float, float]] = {
    "yaw": (-np.inf, np.inf),
    "elevation": (-90, 90),
    "roll": (-np.inf, np.inf),
    "scale": (0.01, 10),
    "gain": (0, np.inf),
    "warmth": (-1, 1),
    "clutter": (0, 1),
    "occlusion": (0, 1),
    "noise": (0, 1),
}
_PAIRS = {"shift": ("right", "down"), "light": ("azimuth", "elevation")}


def _column(name: str, value: ArrayLike, count: int) -> np.ndarray:
    """A setting as an array of one entry a view, (N,) or (N, 2) float64, checked."""
    try:
        array = np.asarray(value, dtype=float)
    except (TypeError, ValueError):
        raise TypeError(
            f"{name} must be a number or an array of numbers, not {type(value).__name__}."
        ) from None
    if name in _PAIRS:
        if array.shape not in ((2,), (count, 2)):
            pair = ", ".join(_PAIRS[name])
            raise ValueError(
                f"{name} must be one pair ({pair}) or an array ({count}, 2) of pairs, "
                f"not of shape {array.shape}."
            )
        low, high = -np.inf, np.inf
        array = np.broadcast_to(array, (count, 2))
    else:
        if array.shape not in ((), (count,)):
            raise ValueError(
                f"{name} must be one number or one for each of the {count} views, "
                f"not of shape {array.shape}."
            )
        low, high = _LIMITS[name]
        array = np.broadcast_to(array, (count,))
    wrong = ~(np.isfinite(array) & (array >= low) & (array <= high))
    if wrong.any():
        limits = f"in [{low:g}, {high:g}]" if np.isfinite(high) else f"finite, at least {low:g}"
        limits = limits if np.isfinite(low) else "finite"
        raise ValueError(f"{name} must be {limits}, not {array[wrong][0]:g}.")
    return array


def _integers(name: str, value: ArrayLike, count: int | None, high: int | None) -> np.ndarray:
    """Whole numbers of one entry a view, (N,) int64, from 0 on; any N where count is None."""
    array = np.asarray(value)
    if array.dtype.kind not in "iu" and array.size:
        raise TypeError(f"{name} must be an integer or an array of integers, not {array.dtype}.")
    if count is not None and array.shape not in ((), (count,)):
        raise ValueError(
            f"{name} must be one integer or one for each of the {count} views, "
            f"not of shape {array.shape}."
        )
    if count is None and (array.ndim != 1 or not array.size):
        raise ValueError(
            f"{name} must be a list of at least one integer, not of shape {array.shape}; "
            "use view() for a single one."
        )
    wrong = (array < 0) if high is None else (array < 0) | (array >= high)
    if wrong.any():
        limits = "at least 0" if high is None else f"in 0 to {high - 1}"
        raise ValueError(f"{name} must be {limits}, not {array[wrong].flat[0]}.")
    array = array.astype(np.int64)
    return array if count is None else np.broadcast_to(array, (count,))


def _side(size: int) -> int:
    try:
        number = operator.index(size)
    except TypeError:
        raise TypeError(f"size must be an integer, not {type(size).__name__}.") from None
    if not MIN_SIZE <= number <= MAX_SIZE:
        raise ValueError(f"size must be in {MIN_SIZE} to {MAX_SIZE}, not {number}.")
    return number


# --- The two functions ----------------------------------------------------------------------------


def view(
    identity: int,
    *,
    yaw: float = 0.0,
    elevation: float = 20.0,
    roll: float = 0.0,
    scale: float = 1.0,
    shift: Sequence[float] = (0.0, 0.0),
    gain: float = 1.0,
    light: Sequence[float] = LIGHT,
    warmth: float = 0.0,
    clutter: float = 0.0,
    occlusion: float = 0.0,
    noise: float = 0.0,
    size: int = 64,
    seed: int = 0,
) -> View:
    """Render one object; the module's text says what each setting does, in units.

    Args:
        identity: Position in ``OBJECTS``.
        yaw: Degrees about the vertical.
        elevation: Degrees of the camera above the table.
        roll: Degrees in the image.
        scale: Magnification.
        shift: Right and down, in image sides.
        gain: Multiplies the image.
        light: Azimuth and elevation of the lamp in degrees.
        warmth: Colour of the light, -1 (blue) to 1 (red).
        clutter: Amount of it behind the object, 0 to 1.
        occlusion: Share of the object that is hidden, 0 to 1.
        noise: Amount of it, 0 to 1.
        size: Side of the square image in pixels, 8 to 1024.
        seed: Of clutter, occlusion and noise; not negative.

    Raises:
        TypeError: For an argument of the wrong type.
        ValueError: For a value out of range.

    Examples:
        >>> view(OBJECTS.index("duck"), yaw=90, clutter=0.5).name
        'duck'
    """
    if np.ndim(identity) or np.ndim(seed):
        raise TypeError("view() takes one identity and one seed; use views() for several.")
    return views(
        [identity],
        yaw=yaw,
        elevation=elevation,
        roll=roll,
        scale=scale,
        shift=shift,
        gain=gain,
        light=light,
        warmth=warmth,
        clutter=clutter,
        occlusion=occlusion,
        noise=noise,
        size=size,
        seed=seed,
    )[0]


def views(
    identities: ArrayLike,
    *,
    yaw: ArrayLike = 0.0,
    elevation: ArrayLike = 20.0,
    roll: ArrayLike = 0.0,
    scale: ArrayLike = 1.0,
    shift: ArrayLike = (0.0, 0.0),
    gain: ArrayLike = 1.0,
    light: ArrayLike = LIGHT,
    warmth: ArrayLike = 0.0,
    clutter: ArrayLike = 0.0,
    occlusion: ArrayLike = 0.0,
    noise: ArrayLike = 0.0,
    size: int = 64,
    seed: ArrayLike = 0,
) -> Views:
    """Render many views: row i is ``view(identities[i], ...)`` with the i-th of every setting.

    Args:
        identities: (N,) positions in ``OBJECTS``.
        yaw: This and every other setting but ``size`` is one for all views, or one for each: (N,),
            and (N, 2) for ``shift`` and ``light``. The text of ``view`` says what they are.
        elevation: See ``view``.
        roll: See ``view``.
        scale: See ``view``.
        shift: See ``view``.
        gain: See ``view``.
        light: See ``view``.
        warmth: See ``view``.
        clutter: See ``view``.
        occlusion: See ``view``.
        noise: See ``view``.
        size: See ``view``.
        seed: One seed gives every view the same clutter and the same noise; give ``np.arange(N)``
            for each its own.

    Raises:
        TypeError: For an argument of the wrong type.
        ValueError: For a value out of range, or an array of another length.

    Examples:
        >>> batch = views([0, 0, 1], yaw=[0, 180, 0], scale=0.8, seed=[0, 1, 2], noise=0.2)
        >>> batch, batch[1].yaw
        (Views(3 of 64x64 pixels, 2 objects), 180.0)
    """
    identities = _integers("identities", identities, None, len(OBJECTS))
    count, size = len(identities), _side(size)
    numbers = {
        "yaw": yaw,
        "elevation": elevation,
        "roll": roll,
        "scale": scale,
        "shift": shift,
        "gain": gain,
        "light": light,
        "warmth": warmth,
        "clutter": clutter,
        "occlusion": occlusion,
        "noise": noise,
    }
    table = {name: _column(name, value, count) for name, value in numbers.items()}
    seeds = _integers("seed", seed, count, None)
    images = np.empty((count, size, size, 3), np.float32)
    masks = np.empty((count, size, size), bool)
    for i, identity in enumerate(identities.tolist()):
        row = {name: column[i].tolist() for name, column in table.items()}
        setting = _Setting(size=size, seed=int(seeds[i]), **row)
        _photograph(identity, setting, images[i], masks[i])
    poses = [np.array(table[name]) for name in ("yaw", "elevation", "roll", "scale", "shift")]
    return Views(images, masks, identities, *poses)


# --- Rendering ------------------------------------------------------------------------------------


class _Setting(NamedTuple):
    """The checked settings of one view."""

    yaw: float
    elevation: float
    roll: float
    scale: float
    shift: list[float]
    gain: float
    light: list[float]
    warmth: float
    clutter: float
    occlusion: float
    noise: float
    size: int
    seed: int


def _photograph(identity: int, setting: _Setting, image: np.ndarray, mask: np.ndarray) -> None:
    """Render one view into its arrays."""
    size = setting.size
    count = round(MAX_CLUTTER * setting.clutter)
    image[:] = painted_background(size, setting.seed if count else 0, count, *setting.light)
    camera = camera_around(
        setting.yaw, setting.elevation, setting.roll, setting.scale, setting.shift, size
    )
    lamp = direction_of(setting.light[0] - setting.yaw, setting.light[1])
    rendering = _place(body(identity), camera, lamp, image)
    mask[:] = False
    if rendering is not None:
        mask[rendering.rows, rendering.columns] = rendering.mask
    if setting.occlusion:
        _board(setting, image, mask)
    gain = np.array([1 + WARMTH * setting.warmth, 1, 1 - WARMTH * setting.warmth])
    gain *= setting.gain
    if (gain != 1).any():
        image *= gain.astype(np.float32)
    if setting.noise:
        rng = np.random.default_rng((setting.seed, 2))
        grain = rng.standard_normal(image.shape, np.float32)
        image += grain * np.float32(NOISE_SIGMA * setting.noise)
    np.clip(image, 0, 1, out=image)


@lru_cache(maxsize=4)  # views of one seed and one lamp have it in common
def painted_background(
    size: int, seed: int, count: int, azimuth: float, elevation: float
) -> np.ndarray:
    """A neutral wall that becomes a lighter table, with clutter: (S, S, 3) float32."""
    row = (np.arange(size) + 0.5) / size
    blend = np.clip((row - 0.35) / 0.35, 0, 1)
    value = 0.60 + 0.16 * blend * blend * (3 - 2 * blend)
    image = np.empty((size, size, 3), np.float32)
    image[:] = value[:, None, None]
    chosen = clutter_of(seed)[:count] if count else ()
    # Cards stand at the back; the lower in the image, the nearer.
    for thing in sorted(chosen, key=lambda thing: (not thing.card, thing.shift[1])):
        camera = camera_around(thing.yaw, 20.0, thing.roll, thing.scale, thing.shift, size)
        _place(thing.body, camera, direction_of(azimuth - thing.yaw, elevation), image)
    return image


def direction_of(azimuth: float, elevation: float) -> np.ndarray:
    """From the origin towards azimuth (0: where a camera at yaw 0 stands, 90: right), degrees."""
    azimuth, elevation = np.radians(azimuth), np.radians(elevation)
    flat = np.cos(elevation)
    return np.array([flat * np.sin(azimuth), -flat * np.cos(azimuth), np.sin(elevation)])


def camera_around(
    yaw: float, elevation: float, roll: float, scale: float, shift: Sequence[float], size: int
) -> Camera:
    """The rays of a view in object coordinates."""
    direction = -direction_of(-yaw, elevation)
    right = direction_of(90 - yaw, 0)
    up = np.cross(right, direction)
    cosine, sine = np.cos(np.radians(roll)), np.sin(np.radians(roll))
    # Turning the object one way is turning the camera's axes the other way.
    right, up = cosine * right - sine * up, sine * right + cosine * up
    pixel = 1 / (RADIUS * scale * size)
    right, down = right * pixel, -up * pixel
    column, row = (size * (0.5 + part) for part in shift)
    return Camera(right, down, -column * right - row * down, direction)


def _place(thing: Body, camera: Camera, lamp: np.ndarray, image: np.ndarray) -> Rendering | None:
    """Render a body with its shadow over the image, in place."""
    size = len(image)
    _shadow(thing, camera, image)
    rendering = cast(thing.parts, thing.outlines, camera, size, lamp, AMBIENT)
    if rendering is not None:
        window = image[rendering.rows, rendering.columns]
        window *= (1 - rendering.coverage)[..., None]
        window += rendering.colour
    return rendering


def _shadow(thing: Body, camera: Camera, image: np.ndarray) -> None:
    """Darken the table around where the body stands, in place."""
    steep, size = -camera.direction[2], len(image)
    if steep < 0.02:
        return
    reach = 2.2 * thing.foot
    ring = np.array([(reach, reach), (-reach, reach), (-reach, -reach), (reach, -reach)])
    corners = camera.project(np.column_stack([ring, np.full(4, thing.floor)]))
    x1, y1 = np.clip(np.floor(corners.min(axis=0)), 0, size).astype(int)
    x2, y2 = np.clip(np.ceil(corners.max(axis=0)), 0, size).astype(int)
    if x1 >= x2 or y1 >= y2:
        return
    columns, rows = np.arange(x1, x2) + 0.5, np.arange(y1, y2) + 0.5
    # Where each pixel's ray meets the table: along the ray from the plane through the middle.
    run = -camera.direction[:2] / camera.direction[2]
    flat = [
        vector[:2] + run * vector[2]
        for vector in (camera.right, camera.down, camera.middle - [0, 0, thing.floor])
    ]
    x, y = (
        (flat[0][axis] * columns).astype(np.float32)
        + (flat[1][axis] * rows + flat[2][axis]).astype(np.float32)[:, None]
        for axis in (0, 1)
    )
    distance = (x * x + y * y) * np.float32(1 / thing.foot**2)
    dark = np.float32(0.5 * min(1.0, steep / 0.17)) * np.exp(-1.1 * distance)
    image[y1:y2, x1:x2] *= (1 - dark)[..., None]


def _board(setting: _Setting, image: np.ndarray, mask: np.ndarray) -> None:
    """Hide a share of the mask's pixels behind a striped board, in place."""
    angle = 2 * np.pi * np.random.default_rng((setting.seed, 1)).random()
    centres = (np.arange(setting.size) + 0.5) / setting.size
    along = np.cos(angle) * centres + np.sin(angle) * centres[:, None]
    across = np.cos(angle) * centres[:, None] - np.sin(angle) * centres
    reach = np.sort(along[mask])
    visible = len(reach) - round(setting.occlusion * len(reach))
    if visible == len(reach):
        return
    edge = (reach[visible - 1] + reach[visible]) / 2 if visible else reach[0] - 1 / setting.size
    cover = np.clip((along - edge) * setting.size + 0.5, 0, 1)
    stripes = np.clip(np.abs((across * 9) % 1 - 0.5) * setting.size / 4.5 - setting.size / 18, 0, 1)
    rim = np.clip((edge + 0.02 - along) * setting.size, 0, 1)
    shade = (0.46 + 0.10 * stripes) * (1 - 0.35 * rim)
    cover, shade = cover[..., None].astype(np.float32), shade[..., None].astype(np.float32)
    image += cover * (shade - image)
    mask &= along <= edge


# --- Clutter --------------------------------------------------------------------------------------


class _Thing(NamedTuple):
    """One piece of clutter and its place."""

    body: Body
    card: bool
    yaw: float
    roll: float
    scale: float
    shift: list[float]


_LITTER: dict[str, tuple[Solid, float]] = {
    "ball": (Turned.ball(), 1.0),
    "block": (Faceted.box(0.8, 0.5, 0.6), 0.6),
    "tube": (Turned.cylinder(0.5, 0, 1.6), 0.0),
    "cone": (Turned.frustum(0.8, 0.0, 0, 1.5), 0.0),
    "card": (Faceted.box(0.75, 0.02, 1.0), 1.0),
}


@cache
def _bare(kind: str) -> Body:
    solid, height = _LITTER[kind]
    return fit([part(solid, (0.5, 0.5, 0.5), (0, 0, height))])


def _litter(kind: str, pattern: int, colours: np.ndarray, period: float) -> Body:
    """A plain solid, painted in two colours."""

    def bands(s: Surface) -> np.ndarray:
        return colours[np.floor(s.z * period + 0.3).astype(int) & 1]

    def checks(s: Surface) -> np.ndarray:
        cells = np.floor(s.x * period + 0.4) + np.floor(s.z * period + 0.2)
        return colours[cells.astype(int) & 1]

    def dots(s: Surface) -> np.ndarray:
        u, v = (s.x * period) % 1 - 0.5, (s.z * period) % 1 - 0.5
        return colours[(u * u + v * v < 0.09).astype(int)]

    bare, paint = _bare(kind), (bands, checks, dots)[pattern]
    return bare._replace(parts=tuple(replace(p, paint=paint) for p in bare.parts))


@lru_cache(maxsize=256)
def clutter_of(seed: int) -> tuple[_Thing, ...]:
    """All that may clutter the views of a seed; a lower strength takes the first of them."""
    rng = np.random.default_rng((seed, 0))
    palettes = list(PALETTES.values())
    drawn = []
    for number in range(MAX_CLUTTER):
        kind = ("card", "ball", "block", "tube", "cone", "card")[rng.integers(6)]
        palette = np.array(palettes[rng.integers(len(palettes))], np.float32)
        colours = palette[rng.permutation(len(palette))[:2]]
        litter = _litter(kind, rng.integers(3), colours, rng.uniform(2.2, 4.2))
        # Around a ring, so that not all of it hides behind the object; flat below the middle, where
        # what stands on the table would be nearer than the object.
        angle = 2 * np.pi * (rng.random() + number / MAX_CLUTTER)
        right, down = rng.uniform(0.24, 0.52) * np.array([np.cos(angle), np.sin(angle)])
        shift = [1.1 * right, 0.4 * down if down > 0 else 0.95 * down]
        roll, yaw, scale = rng.uniform((-25, -70, 0.3), (25, 70, 0.55)).tolist()
        card = kind == "card"
        drawn.append(_Thing(litter, card, yaw, roll if card else 0.0, scale, shift))
    return tuple(drawn)
