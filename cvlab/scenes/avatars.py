"""People by identity: small images of the same people by several cameras, and scenes of several.

``sample_avatars`` draws views of people who differ in build, skin, hair, two garments and a bag.
How identity k looks depends on its number alone, and so does what camera c does to an image, so
that two calls with other numbers show other people to the same cameras. ``place_avatars`` puts them
into scenes with boxes. People are flat figures of rounded limbs; outlines are smooth over a pixel.

Views
    * View v is taken by camera ``v % cameras``. A camera has a gain, a tint and a kind of
      background (``BACKGROUNDS``, by its number modulo four).
    * A person walks: arms and legs swing with a phase, and the face is seen or the back of the
      head. A bag hangs at the same side of the image whichever way the person looks.
    * Junk is a view that cuts off all but a part of the person; without ``junk`` there is none.

Strengths, each 0 for none to 1
    * ``light``: the gain is 2^(-0.8 to 0.4), the tint 15 % a channel; two thirds of either belong
      to the camera, the rest to the view.
    * ``pose``: limbs swing by up to 32 degrees.
    * ``shift``: by up to 12 % of the height sideways and 8 % up or down. ``scale``: by up to 20 %.
    * ``clutter``: contrast of the background. ``noise``: a standard deviation of 0.1.
    * ``occlusion``: share of the images in which a post or a box hides a part. ``junk``: share of
      cut-offs.

Examples:
    >>> from cvlab.scenes import AVATAR_PARTS
    >>> batch = sample_avatars(range(3), views=4, seed=1)
    >>> batch.images.shape, batch.identity.tolist()[:5], batch.camera.tolist()[:5]
    ((12, 40, 20, 3), [0, 0, 0, 0, 1], [0, 1, 2, 3, 0])
    >>> [AVATAR_PARTS[k - 1] for k in np.unique(batch.part_masks[1])[1:]]
    ['hair', 'skin', 'upper', 'lower']
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from cvlab import _arguments
from cvlab.scenes._arguments import counts, integer, strength
from cvlab.scenes.avatar_painter import (
    Pose,
    backgrounds,
    cameras_light,
    looks,
    occlude,
    paint,
    paint_statue,
)
from cvlab.scenes.batch import Batch

if TYPE_CHECKING:
    pass

__all__ = ["AvatarScenes", "Avatars", "place_avatars", "sample_avatars"]

_DRAWS = 32  # uniform numbers behind each view
_CHUNK = 256


@dataclass(frozen=True, eq=False, repr=False, slots=True)
class Avatars(Batch):
    """N images of one person each.

    Indexed by a slice, an index array or a mask it gives ``Avatars``.

    Attributes:
        images: (N, H, W, 3) float32 in [0, 1].
        identity: (N,) int64, the number of the person.
        camera: (N,) int64.
        junk: (N,) bool, whether the image shows a cut-off.
        attributes: arrays (N, ...) by name: "build" is a factor of the width, "skin" and "hair" are
            colours (3,), "upper" and "lower" pairs of places in ``COLOUR_NAMES``, "bag_colour" one;
            the others are places in ``HAIR_STYLES``, ``PATTERNS``, ``LOWERS``, ``BAGS``, and
            "short_sleeves" is 0 or 1.
        part_masks: (N, H, W) int32, 0 for the background, else 1 + place in ``AVATAR_PARTS``.
    """

    images: np.ndarray
    identity: np.ndarray
    camera: np.ndarray
    junk: np.ndarray
    attributes: dict[str, np.ndarray]
    part_masks: np.ndarray

    def __repr__(self) -> str:
        n, height, width = self.part_masks.shape
        people = len(np.unique(self.identity))
        return f"Avatars({n} images of {width}x{height} pixels, {people} people)"


@dataclass(frozen=True, eq=False, repr=False, slots=True)
class AvatarScenes(Batch):
    """N scenes of several people.

    Indexed by a slice, an index array or a mask it gives ``AvatarScenes``.

    Attributes:
        images: (N, H, W, 3) float32 in [0, 1].
        boxes: N arrays (M, 4) float32, x1 y1 x2 y2 with edges, tight around what each person would
            show with nobody in front, cut at the image's border.
        identity: N arrays (M,) int64, the number of each person.
        visible: N arrays (M,) float32, the share of each person that nobody hides.
        distractors: N arrays (D, 4) float32, boxes of things of a person's shape that are none.
        light: (N, 3) float32, the factor of each channel in the whole scene.
    """

    images: np.ndarray
    boxes: list[np.ndarray]
    identity: list[np.ndarray]
    visible: list[np.ndarray]
    distractors: list[np.ndarray]
    light: np.ndarray

    def __repr__(self) -> str:
        height, width = self.images.shape[1:3]
        people = sum(map(len, self.identity))
        return f"AvatarScenes({len(self)} scenes of {width}x{height} pixels, {people} people)"


def sample_avatars(
    identities: int | Iterable[int],
    views: int,
    height: int = 40,
    width: int = 20,
    cameras: int = 4,
    seed: int = 0,
    *,
    light: float = 0.45,
    pose: float = 0.7,
    shift: float = 1.0,
    scale: float = 0.8,
    clutter: float = 0.35,
    occlusion: float = 0.25,
    noise: float = 0.25,
    junk: float = 0.0,
) -> Avatars:
    """Draw views of people.

    Args:
        identities: Numbers of the people, or how many, from 0 on.
        views: Images of each person; those of one stand together.
        height: Rows of the images, 8 to 256.
        width: Columns of the images, 8 to 256.
        cameras: How many, 1 to 64.
        seed: A view depends on the seed, the person's number and its own number alone.
        light: Strength of the cameras' gains and tints; the module's text gives all in units.
        pose: How far limbs swing.
        shift: How far people stand from the middle.
        scale: How much their size varies.
        clutter: Contrast of the background.
        occlusion: Share of the images in which something hides a part.
        noise: Strength of the noise.
        junk: Share of cut-offs.

    Raises:
        TypeError: For a count that is no integer or a strength that is no number.
        ValueError: For a value outside its limits, or a person who is named twice.

    Examples:
        >>> first = sample_avatars(range(150), views=1)
        >>> other = sample_avatars(range(150, 210), views=1)
        >>> set(first.identity) & set(other.identity)
        set()
    """
    people = _people(identities)
    views, cameras = integer(views, "views", 0), integer(cameras, "cameras", 1, 64)
    height, width = integer(height, "height", 8, 256), integer(width, "width", 8, 256)
    integer(seed, "seed", 0)
    given = {"light": light, "pose": pose, "shift": shift, "scale": scale, "clutter": clutter}
    given |= {"occlusion": occlusion, "noise": noise, "junk": junk}
    given = {name: strength(name, value) for name, value in given.items()}
    identity = np.repeat(people, views)
    camera = np.tile(np.arange(views) % cameras, len(people))
    number = np.tile(np.arange(views), len(people))
    every = looks(people)
    attributes = {name: np.repeat(value, views, axis=0) for name, value in every.items()}
    images = np.empty((len(identity), height, width, 3), np.float32)
    parts = np.empty((len(identity), height, width), np.int32)
    junks = np.empty(len(identity), bool)
    for start in range(0, len(identity), _CHUNK):
        here = slice(start, start + _CHUNK)
        keys = [(seed, int(k), int(v)) for k, v in zip(identity[here], number[here], strict=True)]
        look = {name: value[here] for name, value in attributes.items()}
        images[here], parts[here], junks[here] = _views(
            keys, look, camera[here], (height, width), given
        )
    return Avatars(images, identity, camera, junks, attributes, parts)


def _people(identities: Any) -> np.ndarray:
    if np.ndim(identities) == 0 and not isinstance(identities, Iterable):
        return np.arange(integer(identities, "identities", 0))
    people = np.array([integer(k, "an identity", 0) for k in identities], np.int64)
    if len(set(people.tolist())) < len(people):
        raise ValueError("identities must be distinct; use views= for several images of one.")
    return people


def _views(
    keys: Sequence[tuple[int, ...]],
    look: dict[str, np.ndarray],
    camera: np.ndarray,
    size: tuple[int, int],
    given: dict[str, float],
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Images (N, H, W, 3), parts (N, H, W) and junk (N,)."""
    height, width = size
    draws = np.array([np.random.default_rng(key).random(_DRAWS) for key in keys], np.float32)
    signed = 2 * draws - 1
    tall = height * 0.84 * (1 + 0.2 * given["scale"] * signed[:, 0])
    left = (width - 1) / 2 + height * 0.12 * given["shift"] * signed[:, 1]
    top = (height - tall) / 2 - 0.5 + height * 0.08 * given["shift"] * signed[:, 2]
    junk = draws[:, 3] < given["junk"]
    side = np.where(draws[:, 4] < 0.5, 1, -1)
    aside = draws[:, 5] < 0.4
    left += junk * aside * side * width * (0.45 + 0.1 * draws[:, 6])
    top += junk * ~aside * side * tall * (0.5 + 0.15 * draws[:, 6])
    turn = Pose(left, top, tall, draws[:, 7] * 2 * np.pi, given["pose"], draws[:, 8] < 0.5)
    images = backgrounds(camera, draws[:, 9:21], size, given["clutter"])
    parts = paint(images, look, turn)
    hidden = draws[:, 21] < given["occlusion"]
    occlude(images, parts, hidden, draws[:, 22:28], turn)
    images *= cameras_light(camera, given["light"], signed[:, 28:32])[:, None, None]
    return _noisy(images, keys, 0.1 * given["noise"]), parts, junk


def _noisy(images: np.ndarray, keys: Sequence[tuple[int, ...]], sigma: float) -> np.ndarray:
    if sigma:
        for image, key in zip(images, keys, strict=True):
            rng = np.random.default_rng((*key, 1))
            image += rng.standard_normal(image.shape, np.float32) * np.float32(sigma)
    return np.clip(images, 0, 1, out=images)


def place_avatars(
    world: int | np.ndarray,
    identities: int | Iterable[int],
    people: int | tuple[int, int] = (2, 4),
    distractors: int | tuple[int, int] = (0, 2),
    seed: int = 0,
    *,
    height: tuple[float, float] = (26.0, 42.0),
    light: float = 0.45,
    pose: float = 0.7,
    noise: float = 0.25,
) -> AvatarScenes:
    """Put people into scenes, nearer ones lower and in front.

    Args:
        world: How many scenes of 64 x 96 pixels to draw, or images (N, H, W, 3) in [0, 1] to stand
            in, such as those of ``sample_world``.
        identities: Numbers of the people to choose from, or how many; nobody is twice in a scene.
        people: How many in each scene, one count or (fewest, most).
        distractors: Things of a person's height that are no people: statues on plinths.
        seed: A scene depends on the seed, its place and the arguments.
        height: Pixels from head to feet, (smallest, greatest).
        light: One gain and tint a scene, as strong as in ``sample_avatars``.
        pose: How far limbs swing.
        noise: As in ``sample_avatars``.

    Raises:
        TypeError: For a count that is no integer or a strength that is no number.
        ValueError: For a value outside its limits, images of another shape, or fewer people to
            choose from than a scene may have.

    Examples:
        >>> scene = place_avatars(2, range(50), people=3, seed=4)
        >>> scene.images.shape, [k.shape for k in scene.boxes]
        ((2, 64, 96, 3), [(3, 4), (3, 4)])
    """
    known = _people(identities)
    least, most = counts("people", people, 8)
    few, many = counts("distractors", distractors, 8)
    if len(known) < most:
        raise ValueError(f"a scene of {most} people needs as many identities, not {len(known)}.")
    low, high = (_arguments.number(value, "height", 8) for value in height)
    if low > high:
        raise ValueError(f"height must be (smallest, greatest), not {height}.")
    given = {"light": light, "pose": pose, "noise": noise}
    given = {name: strength(name, value) for name, value in given.items()}
    integer(seed, "seed", 0)
    images, where = _worlds(world, seed)
    found = ([], [], [], [])
    tints = np.empty((len(images), 3), np.float32)
    for k, image in enumerate(images):
        rng = np.random.default_rng([seed, k])
        count = int(rng.integers(least, most + 1))
        chosen = rng.choice(known, count, replace=False)
        things = int(rng.integers(few, many + 1))
        shown = _placed(image, chosen, things, rng, (low, high), given["pose"])
        for values, value in zip(found, shown, strict=True):
            values.append(value)
        draws = 2 * rng.random((1, 4), np.float32) - 1
        tints[k] = cameras_light(np.array([k % 64]), given["light"], draws, own=1.0)[0]
        image *= tints[k]
    images = _noisy(images, where, 0.1 * given["noise"])
    boxes, identity, visible, others = found
    return AvatarScenes(images, boxes, identity, visible, others, tints)


def _worlds(world: Any, seed: int) -> tuple[np.ndarray, list[tuple[int, ...]]]:
    """Images (N, H, W, 3) to stand in, a copy, and a key of each."""
    if np.ndim(world) == 0:
        n = integer(world, "world", 0)
        keys = [(seed, k, 2) for k in range(n)]
        rows = [np.random.default_rng(key).random(12) for key in keys]
        draws = np.array(rows, np.float32).reshape(n, 12)
        families = np.array([int(row[0] * 64) for row in draws], int)
        return backgrounds(families, draws, (64, 96), 0.6), keys
    images = _arguments.real(world, "world").astype(np.float32)
    if images.ndim != 4 or images.shape[3] != 3 or min(images.shape[1:3], default=0) < 16:
        raise ValueError(f"world must be images (N, H, W, 3) of 16 pixels, not {images.shape}.")
    return images, [(seed, k, 2) for k in range(len(images))]


def _placed(
    image: np.ndarray,
    chosen: np.ndarray,
    things: int,
    rng: np.random.Generator,
    limits: tuple[float, float],
    pose: float,
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Draw people and things into one image; boxes, identity, visible share, boxes of things."""
    count = len(chosen) + things
    rows, columns = image.shape[:2]
    tall = np.sort(rng.uniform(*np.minimum(limits, 0.95 * rows), count))  # the farthest first
    places = (rng.permutation(count) + 0.5 + rng.uniform(-0.3, 0.3, count)) / max(count, 1)
    left = 4 + places * (columns - 9)
    # Feet stand on a ground that rises towards the back: the taller, the lower.
    feet = rows * 0.98 - 0.35 * (min(limits[1], 0.95 * rows) - tall) + rng.uniform(-1, 0.5, count)
    top = np.maximum(feet - tall, 0)
    thing = np.zeros(count, bool)
    thing[rng.permutation(count)[:things]] = True
    phase, front = rng.uniform(0, 2 * np.pi, count), rng.random(count) < 0.5
    look = looks(np.concatenate([chosen, rng.integers(10**6, 10**9, things)]))
    order = np.empty(count, int)
    order[~thing], order[thing] = np.arange(len(chosen)), np.arange(len(chosen), count)
    owner = np.full((rows, columns), -1)
    full, boxes = np.zeros(count), np.zeros((count, 4), np.float32)
    for k in range(count):
        # Only a window around the person is painted.
        r, c = int(max(top[k] - 2, 0)), int(max(left[k] - 0.45 * tall[k], 0))
        here = slice(r, int(feet[k]) + 4), slice(c, int(left[k] + 0.45 * tall[k]) + 2)
        place = (left[k] - c, top[k] - r, tall[k], phase[k])
        turn = Pose(*(np.array([value], np.float32) for value in place), pose, front[[k]])
        own = {name: value[[order[k]]] for name, value in look.items()}
        parts = (paint_statue if thing[k] else paint)(image[here][None], own, turn)[0]
        owner[here][parts > 0], full[k] = k, (parts > 0).sum()
        y, x = np.nonzero(parts)
        boxes[k] = c + x.min(), r + y.min(), c + x.max() + 1, r + y.max() + 1
    share = np.array([(owner == k).sum() / full[k] for k in range(count)], np.float32)
    return boxes[~thing], chosen[order[~thing]], share[~thing], boxes[thing]
