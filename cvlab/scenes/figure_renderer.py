"""The renderer of people: one ray through the centre of each pixel, met with every limb.

Image, parts, instances and depth come from the same intersection in float32. Outlines are not
smoothed: a mask ends where the image changes.

Examples:
    >>> from cvlab.scenes.figure_description import JOINTS, figure
    >>> drawn = render_figures([[figure(distance=3.0)]], size=49)
    >>> x, y = drawn.keypoints[0, 0, JOINTS.index("head")]  # 0.65 m above the axis
    >>> round(float(x), 1), round(float(y), 1)
    (24.0, 10.2)
    >>> PARTS[drawn.parts[0, 10, 24] - 1], round(float(drawn.depth[0, 10, 24]), 2)
    ('head', 2.89)
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from cvlab.scenes._arguments import integer
from cvlab.scenes.batch import Batch
from cvlab.scenes.figure_description import JOINT_PARTS, PARTS, WALL, Person

if TYPE_CHECKING:
    pass

__all__ = ["Figures", "figure_camera", "render_figures"]

FOCAL = 1.3  # sides of the image
_HAND, _FOOT = 0.09, 0.15  # metres
_RADII = np.array([0.115, 0.05, *np.repeat([0.105, 0.052, 0.045, 0.042, 0.078, 0.058, 0.045], 2)])


@dataclass(frozen=True, eq=False, repr=False, slots=True)
class Figures(Batch):
    """N images of P people each, and what is true of them.

    Indexed by a slice, an index array or a mask it gives ``Figures``.

    Attributes:
        images: (N, H, W, 3) float32 in [0, 1].
        keypoints: (N, P, 14, 2) float32, x and y in pixels with integer centres.
        visible: (N, P, 14) bool.
        keypoints_3d: (N, P, 14, 3) float32, camera coordinates in metres, which
            ``figure_camera(size)`` projects onto ``keypoints``.
        parts: (N, H, W) int32, 0 for the background, else 1 + place in ``PARTS``.
        instances: (N, H, W) int32, 0 for the background, k + 1 for person k.
        depth: (N, H, W) float32, metres along the camera's axis, or None if not asked for.
        boxes: (N, P, 4) float32, x1 y1 x2 y2 with edges: the tight box of the visible pixels, in
            the convention of ``cvlab.boxes``, where pixel j covers [j, j + 1]; zeros if hidden.
        people: N lists of P descriptions.
        backgrounds: (N, 2, 3) float32, colour at the top and at the bottom.
    """

    images: np.ndarray
    keypoints: np.ndarray
    visible: np.ndarray
    keypoints_3d: np.ndarray
    parts: np.ndarray
    instances: np.ndarray
    depth: np.ndarray | None
    boxes: np.ndarray
    people: list[list[Person]]
    backgrounds: np.ndarray

    @property
    def sided(self) -> np.ndarray:
        """(N, P) bool, whether left and right differ in colour."""
        return np.array([[person.sided for person in crowd] for crowd in self.people], bool)

    def __repr__(self) -> str:
        n, height, width = self.parts.shape
        return f"Figures({n} images of {width}x{height} pixels, {self.visible.shape[1]} people)"


def figure_camera(size: int = 48) -> np.ndarray:
    """Return K, (3, 3) float64, of the camera that draws an image of a side.

    Examples:
        >>> figure_camera(49)[0].round(1).tolist()
        [63.7, 0.0, 24.0]
    """
    size = integer(size, "size", 8, 1024)
    half = (size - 1) / 2
    return np.array([[FOCAL * size, 0, half], [0, FOCAL * size, half], [0, 0, 1.0]])


def render_figures(
    crowds: Sequence[Sequence[Person]], size: int = 48, backgrounds: Any = None
) -> Figures:
    """Draw people, without noise.

    Args:
        crowds: N lists of P people, P the same for all.
        size: Side of the images in pixels.
        backgrounds: (N, 2, 3) colours at the top and bottom in [0, 1]; light grey if None.

    Raises:
        TypeError: For someone who is no ``Person``.
        ValueError: For lists of different lengths, joints of another shape or not in front of the
            camera and before the wall, or backgrounds of another shape.

    Examples:
        >>> from cvlab.scenes.figure_description import figure
        >>> drawn = render_figures([[figure(x=-0.4), figure(x=0.4, distance=3.5)]], size=64)
        >>> drawn.boxes[0, 0].tolist()  # the nearer person
        [13.0, 10.0, 29.0, 59.0]
    """
    crowds = [list(crowd) for crowd in crowds]
    K, joints = figure_camera(size), _joints(crowds)
    n, count = joints.shape[:2]
    if backgrounds is None:
        backgrounds = np.full((n, 2, 3), 0.8)
    backgrounds = np.asarray(backgrounds, np.float32)
    if backgrounds.shape != (n, 2, 3):
        raise ValueError(f"backgrounds must be ({n}, 2, 3), not {backgrounds.shape}.")
    depth = np.full((n, size, size), WALL, np.float32)
    shade = np.ones((n, size, size), np.float32)
    shown = np.zeros((n, size, size), np.int32)  # 0, or 1 + 16 * person + part
    limbs = _segments(crowds, joints)
    for start in range(0, n, 16):
        chunk = slice(start, start + 16)
        _cast(*(array[chunk] for array in limbs), K, depth[chunk], shade[chunk], shown[chunk])
    parts = np.where(shown > 0, (shown - 1) % len(PARTS) + 1, 0).astype(np.int32)
    instances = np.where(shown > 0, (shown - 1) // len(PARTS) + 1, 0).astype(np.int32)
    keypoints = joints @ K.T
    keypoints = keypoints[..., :2] / keypoints[..., 2:]
    return Figures(
        images=_painted(crowds, shown, shade, backgrounds),
        keypoints=keypoints.astype(np.float32),
        visible=_visible(keypoints, parts, instances),
        keypoints_3d=joints.astype(np.float32),
        parts=parts,
        instances=instances,
        depth=depth,
        boxes=_boxes(instances, count),
        people=crowds,
        backgrounds=backgrounds,
    )


def _joints(crowds: list[list[Person]]) -> np.ndarray:
    """(N, P, 14, 3)."""
    counts = {len(crowd) for crowd in crowds}
    if len(counts) > 1:
        raise ValueError(f"Every image needs as many people, not {sorted(counts)}.")
    count = counts.pop() if counts else 0
    for person in (person for crowd in crowds for person in crowd):
        if not isinstance(person, Person):
            raise TypeError(f"render_figures takes lists of Person, not {type(person).__name__}.")
        joints = np.asarray(person.joints)
        if joints.shape != (14, 3) or not np.isfinite(joints).all():
            raise ValueError(f"joints must be (14, 3) and finite, not {joints.shape}.")
        if joints[:, 2].min() < 0.5 or joints[:, 2].max() > WALL - 0.3:
            raise ValueError(f"Joints must lie 0.5 to {WALL - 0.3:g} metres before the camera.")
    every = [person.joints for crowd in crowds for person in crowd]
    return np.array(every, np.float64).reshape(len(crowds), count, 14, 3)


def _segments(crowds: list[list[Person]], joints: np.ndarray) -> tuple[np.ndarray, ...]:
    """Ends (N, P * 16, 3) and (N, P * 16, 3) and radii (N, P * 16) of all limbs, in metres."""
    n, count = joints.shape[:2]
    every = [person for crowd in crowds for person in crowd]
    build = np.array([person.build for person in every]).reshape(n, count, 1)
    facing = np.array([person.facing for person in every]).reshape(n, count, 1, 3)
    head, neck, shoulder = joints[:, :, :1], joints[:, :, 1:2], joints[:, :, 2:4]
    hand, foot = _HAND * build[..., None], _FOOT * build[..., None]
    along = joints[:, :, 6:8] - joints[:, :, 4:6]
    along = along / np.maximum(np.linalg.norm(along, axis=-1, keepdims=True), 1e-9)
    up = head - neck
    starts = [head + 0.15 * up, neck, 0.55 * shoulder + 0.45 * neck]
    ends = [head - 0.15 * up, 0.6 * head + 0.4 * neck, joints[:, :, 8:10]]
    for first, second in ((2, 4), (4, 6)):
        starts.append(joints[:, :, first : first + 2])
        ends.append(joints[:, :, second : second + 2])
    starts.append(joints[:, :, 6:8])
    ends.append(joints[:, :, 6:8] + hand * along)
    for first, second in ((8, 10), (10, 12)):
        starts.append(joints[:, :, first : first + 2])
        ends.append(joints[:, :, second : second + 2])
    starts.append(joints[:, :, 12:14])
    ends.append(joints[:, :, 12:14] + foot * facing)
    radii = _RADII * build
    return (
        np.concatenate(starts, 2).reshape(n, count * len(PARTS), 3),
        np.concatenate(ends, 2).reshape(n, count * len(PARTS), 3),
        radii.reshape(n, count * len(PARTS)),
    )


def _cast(
    starts: np.ndarray,
    ends: np.ndarray,
    radii: np.ndarray,
    K: np.ndarray,
    depth: np.ndarray,
    shade: np.ndarray,
    shown: np.ndarray,
) -> None:
    """Meet the rays of a few images with their limbs, limb by limb, and keep what is nearest."""
    size = depth.shape[-1]
    u = ((np.arange(size) - K[0, 2]) / K[0, 0]).astype(np.float32)
    near = np.minimum(starts[..., 2], ends[..., 2]) - radii
    reach = radii / np.maximum(near, 0.1) * K[0, 0] * 1.1 + 1
    pixels = np.stack([starts, ends]) @ K.T
    pixels = pixels[..., :2] / pixels[..., 2:]
    low = np.clip(np.floor(pixels.min(0) - reach[..., None]).min(0), 0, size).astype(int)
    high = np.clip(np.ceil(pixels.max(0) + reach[..., None]).max(0) + 1, 0, size).astype(int)
    for k in range(radii.shape[1]):
        (left, top), (right, bottom) = low[k], high[k]
        if left >= right or top >= bottom:
            continue
        here = (slice(None), slice(top, bottom), slice(left, right))
        z, lit, hit = _meet(starts[:, k], ends[:, k], radii[:, k], u[left:right], u[top:bottom])
        nearer = hit & (z < depth[here])
        np.copyto(depth[here], z, where=nearer)
        np.copyto(shade[here], lit, where=nearer)
        np.copyto(shown[here], k + 1, where=nearer)


def _meet(
    a: np.ndarray, b: np.ndarray, radius: np.ndarray, u: np.ndarray, v: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Depth, shade and whether a ray (u, v, 1) from 0 meets limbs, each (N, V, U)."""

    def of(values: np.ndarray) -> np.ndarray:
        return values.astype(np.float32)[:, None, None]

    def dot(p: np.ndarray) -> np.ndarray:
        return of(p[:, 0]) * u + (of(p[:, 1]) * v[:, None] + of(p[:, 2]))

    axis = b - a
    long = np.maximum((axis * axis).sum(1), 1e-8)
    offset = (a * axis).sum(1)
    ray = u * u + (v * v)[:, None] + np.float32(1)  # its squared length
    along, to_a = dot(axis), dot(a)
    # |p - a|^2 |axis|^2 - ((p - a) . axis)^2 = radius^2 |axis|^2 on the endless cylinder.
    square = np.maximum(of(long) * ray - along * along, np.float32(1e-12))
    half = of(long) * to_a - of(offset) * along
    rest = of(long * ((a * a).sum(1) - radius**2) - offset**2)
    with np.errstate(invalid="ignore", divide="ignore"):
        z = (half - np.sqrt(half * half - square * rest)) / square
        place = z * along - of(offset)  # along the axis, 0 at a and |axis|^2 at b
        # Beyond an end the round end is what a ray meets.
        beyond = ~(place > 0)
        end = np.where(beyond, to_a, to_a + along)
        rest = np.where(beyond, of((a * a).sum(1) - radius**2), of((b * b).sum(1) - radius**2))
        round_z = (end - np.sqrt(end * end - ray * rest)) / ray
        middle = (place > 0) & (place < of(long))
        z = np.where(middle, z, round_z)
        place = np.clip((z * along - of(offset)) / of(long), 0, 1)
        inward = of(a[:, 2]) + place * of(axis[:, 2]) - z  # -normal's z times the radius
        lit = np.float32(0.55) + np.float32(0.45) * np.clip(inward / of(radius), 0, 1)
    return z, lit, np.isfinite(z)


def _painted(
    crowds: list[list[Person]], shown: np.ndarray, shade: np.ndarray, backgrounds: np.ndarray
) -> np.ndarray:
    """(N, H, W, 3) float32 images."""
    n, size = shown.shape[:2]
    every = np.array([person.colours for crowd in crowds for person in crowd], np.float32)
    paints = every.reshape(n, every.size // max(3 * n, 1), 3)
    table = np.concatenate([np.zeros((n, 1, 3), np.float32), paints], 1)
    rows = shown + np.arange(n, dtype=np.int32)[:, None, None] * table.shape[1]
    images = table.reshape(-1, 3)[rows] * shade[..., None]
    down = np.linspace(0, 1, size, dtype=np.float32)[:, None]
    ramp = (1 - down) * backgrounds[:, None, 0] + down * backgrounds[:, None, 1]  # (N, H, 3)
    image, row, _column = np.nonzero(shown == 0)
    images[shown == 0] = ramp[image, row]
    return np.clip(images, 0, 1, out=images)


def _visible(keypoints: np.ndarray, parts: np.ndarray, instances: np.ndarray) -> np.ndarray:
    """(N, P, 14) bool."""
    n, count, _joints, _two = keypoints.shape
    size = parts.shape[-1]
    x, y = np.moveaxis(np.floor(keypoints + 0.5).astype(np.int64), -1, 0)
    inside = (x >= 0) & (x < size) & (y >= 0) & (y < size)
    x, y = np.clip(x, 0, size - 1), np.clip(y, 0, size - 1)
    image = np.arange(n)[:, None, None]
    own = instances[image, y, x] == np.arange(1, count + 1)[:, None]
    belongs = np.zeros((14, len(PARTS) + 1), bool)
    for joint, numbers in enumerate(JOINT_PARTS):
        belongs[joint, list(numbers)] = True
    return inside & own & belongs[np.arange(14), parts[image, y, x]]


def _boxes(instances: np.ndarray, count: int) -> np.ndarray:
    """(N, P, 4) float32, tight with edges; zeros for who is hidden."""
    size = instances.shape[-1]
    boxes = np.zeros((len(instances), count, 4), np.float32)
    for k in range(count):
        mask = instances == k + 1
        for axis, first in ((1, 0), (2, 1)):
            some = mask.any(axis)  # columns, then rows
            boxes[:, k, first] = some.argmax(1)
            boxes[:, k, first + 2] = size - some[:, ::-1].argmax(1)
        boxes[~mask.any((1, 2)), k] = 0
    return boxes
