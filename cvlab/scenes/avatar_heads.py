"""Turned heads by identity, with landmarks: textured ellipsoids whose frontal view is known.

A head is an ellipsoid of revolution about the vertical axis, seen from far away. The row at height
y has the radius R(y) = a sqrt(1 - (y / b)^2) with the half axes ``HEAD_AXES``. The point of a row
at the angle theta from the nose appears at the column R sin(theta - yaw) from the middle, and is
seen where theta - yaw is within 90 degrees. A positive yaw moves the nose to the left of the image.

The texture depends on the identity's number alone: skin, hair, brows, eyes, mouth, spots. Light
comes from a direction that belongs to the view, so that a turned head is not shaded as a frontal
one is.

Examples:
    >>> heads = avatar_heads([4, 4], yaw=[0, 40], size=33)
    >>> nose = HEAD_MARKS.index("nose")
    >>> x = heads.landmarks[:, nose, 0] - 16
    >>> radius = 33 * HEAD_AXES[0] * (1 - (heads.landmarks[0, nose, 1] - 16) ** 2
    ...     / (33 * HEAD_AXES[1]) ** 2) ** 0.5
    >>> bool(abs(x[0]) < 1e-4), round(float(-x[1] / radius), 3)  # the sine of 40 degrees
    (True, 0.643)
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from cvlab import _arguments
from cvlab.scenes._arguments import integer, strength
from cvlab.scenes.batch import Batch

if TYPE_CHECKING:
    pass

__all__ = ["HEAD_AXES", "HEAD_MARKS", "AvatarHeads", "avatar_heads"]

HEAD_AXES = (0.36, 0.46)  # half the width and half the height, in sides of the image
HEAD_MARKS = ("left eye", "right eye", "nose", "left mouth", "right mouth")

_SKINS = np.array([[0.95, 0.80, 0.70], [0.85, 0.65, 0.50], [0.66, 0.46, 0.33], [0.40, 0.27, 0.20]])
_HAIRS = np.array([[0.12, 0.10, 0.09], [0.35, 0.22, 0.13], [0.80, 0.66, 0.38], [0.55, 0.53, 0.51]])
_EYES = np.array([[0.15, 0.3, 0.55], [0.2, 0.4, 0.25], [0.3, 0.18, 0.1]])
_SPOTS = 6


@dataclass(frozen=True, eq=False, repr=False, slots=True)
class AvatarHeads(Batch):
    """N images of one head each.

    Indexed by a slice, an index array or a mask it gives ``AvatarHeads``.

    Attributes:
        images: (N, S, S, 3) float32 in [0, 1].
        identity: (N,) int64.
        yaw: (N,) float32, degrees.
        landmarks: (N, 5, 2) float32, x and y in pixels with integer centres, of ``HEAD_MARKS``;
            left and right as the image has them.
        visible: (N, 5) bool, whether a landmark is on the side that is seen.
    """

    images: np.ndarray
    identity: np.ndarray
    yaw: np.ndarray
    landmarks: np.ndarray
    visible: np.ndarray

    def __repr__(self) -> str:
        n, size = self.images.shape[:2]
        people = len(np.unique(self.identity))
        return f"AvatarHeads({n} images of {size}x{size} pixels, {people} people)"


def avatar_heads(
    identities: Iterable[int],
    yaw: Any = 0.0,
    size: int = 32,
    seed: int = 0,
    *,
    light: float = 0.5,
    noise: float = 0.3,
) -> AvatarHeads:
    """Draw one head per entry.

    Args:
        identities: (N,) numbers of the people; a number may occur often.
        yaw: Degrees, one for all or (N,), within 90.
        size: Side of the images in pixels, 8 to 256.
        seed: Light and noise of image k depend on the seed, k and its person.
        light: Strength of the shading from one side, 0 for none to 1.
        noise: 0 to 1; a standard deviation of 0.1 at 1.

    Raises:
        TypeError: For a number that is no integer or a strength that is no number.
        ValueError: For a value outside its limits or a yaw of another shape.

    Examples:
        >>> avatar_heads([1, 1, 2], yaw=[-30, 0, 30]).images.shape
        (3, 32, 32, 3)
    """
    people = np.array([integer(k, "an identity", 0) for k in identities], np.int64)
    size = integer(size, "size", 8, 256)
    integer(seed, "seed", 0)
    light, noise = strength("light", light), strength("noise", noise)
    turns = _arguments.real(yaw, "yaw")
    if turns.ndim > 1 or (turns.ndim == 1 and turns.shape != people.shape):
        raise ValueError(f"yaw must be one angle or one per head, not of shape {turns.shape}.")
    turns = np.broadcast_to(turns, people.shape).astype(np.float32)
    if (abs(turns) > 90).any():
        raise ValueError("yaw must be within 90 degrees, so that the face can be seen.")
    keys = [(seed, int(k), n, 3) for n, k in enumerate(people)]
    rngs = [np.random.default_rng(key) for key in keys]
    draws = np.array([rng.random(5) for rng in rngs], np.float32).reshape(-1, 5)
    faces = _faces(people)
    images = _rendered(faces, np.radians(turns), size, light, draws)
    for image, rng in zip(images, rngs, strict=True):
        image += rng.standard_normal(image.shape, np.float32) * np.float32(0.1 * noise)
    np.clip(images, 0, 1, out=images)
    marks, visible = _marks(faces, np.radians(turns), size)
    return AvatarHeads(images, people, turns, marks, visible)


def _faces(people: np.ndarray) -> dict[str, np.ndarray]:
    """What heads look like, arrays (N, ...): angles in radians, heights from -1 (top) to 1."""
    rows = [np.random.default_rng([23, int(k)]).random(16 + 4 * _SPOTS) for k in people]
    draws = np.array(rows, np.float32).reshape(len(people), 16 + 4 * _SPOTS)

    def between(column: int, low: float, high: float) -> np.ndarray:
        return low + (high - low) * draws[:, column]

    def pick(column: int, table: np.ndarray) -> np.ndarray:
        chosen = table[(draws[:, column] * len(table)).astype(int)]
        return (chosen + (draws[:, 12:15] - 0.5) * 0.08).astype(np.float32)

    spots = draws[:, 16:].reshape(-1, _SPOTS, 4)
    return {
        "skin": pick(0, _SKINS),
        "hair": pick(1, _HAIRS),
        "iris": pick(2, _EYES),
        "eye": between(3, 0.36, 0.52),  # angle of either eye
        "eye_height": between(4, -0.2, -0.08),
        "nose_height": between(5, 0.14, 0.28),
        "mouth": between(6, 0.22, 0.42),
        "mouth_height": between(7, 0.46, 0.6),
        "line": between(8, -0.62, -0.36),  # of the hair above the forehead
        "temple": between(9, 1.0, 1.5),  # angle where the hair begins
        "brow": between(10, 0.0, 0.07),
        "beard": between(11, -0.5, 0.7),  # none below 0
        "spots": np.stack(
            [
                (spots[..., 0] - 0.5) * 2.4,
                -0.3 + 1.0 * spots[..., 1],
                0.08 + 0.14 * spots[..., 2],
                (spots[..., 3] - 0.5) * 0.7,
            ],
            axis=-1,
        ),
    }


def _marks(faces: dict[str, np.ndarray], yaw: np.ndarray, size: int) -> tuple:
    """Landmarks (N, 5, 2) float32 and which are seen, (N, 5) bool."""
    zero = np.zeros_like(faces["eye"])
    theta = np.stack([-faces["eye"], faces["eye"], zero, -faces["mouth"], faces["mouth"]], axis=1)
    high = [faces[name] for name in ("eye_height", "nose_height", "mouth_height")]
    y = np.stack([high[0], high[0], high[1], high[2], high[2]], axis=1)
    middle = (size - 1) / 2
    radius = size * HEAD_AXES[0] * np.sqrt(1 - y**2)
    x = middle + radius * np.sin(theta - yaw[:, None])
    marks = np.stack([x, middle + size * HEAD_AXES[1] * y], axis=-1).astype(np.float32)
    return marks, abs(theta - yaw[:, None]) < np.pi / 2


def _rendered(
    faces: dict[str, np.ndarray], yaw: np.ndarray, size: int, light: float, draws: np.ndarray
) -> np.ndarray:
    """(N, S, S, 3) float32 images, without noise."""
    middle = (size - 1) / 2
    across = ((np.arange(size, dtype=np.float32) - middle) / (size * HEAD_AXES[0]))[None, None]
    y = ((np.arange(size, dtype=np.float32) - middle) / (size * HEAD_AXES[1]))[None, :, None]
    radius = np.sqrt(np.clip(1 - y * y, 1e-6, None))  # of each row, in units of a
    sine = across / radius
    cover = np.clip(0.5 + (1 - np.sqrt(across**2 + y**2)) * size * HEAD_AXES[0], 0, 1)
    theta = np.arcsin(np.clip(sine, -1, 1)) + yaw[:, None, None].astype(np.float32)
    colours = _texture(faces, theta, np.broadcast_to(y, theta.shape))
    # Lambert's law with the sphere's normal; the light's direction belongs to the view.
    side, above = (2 * draws[:, 0] - 1)[:, None, None], (draws[:, 1] - 0.3)[:, None, None]
    depth = np.sqrt(np.clip(1 - across**2 - y**2, 0, None))
    lit = (side * across - above * y + depth) / np.sqrt(side**2 + above**2 + 1)
    colours = colours * (1 - light + light * np.clip(lit, 0.1, None))[..., None]
    back = (0.3 + 0.4 * draws[:, 2:5])[:, None, None]
    shown = cover[..., None]
    return (back * (1 - shown) + colours * shown).astype(np.float32)


def _texture(faces: dict[str, np.ndarray], theta: np.ndarray, y: np.ndarray) -> np.ndarray:
    """(N, S, S, 3) colours of the points at angles and heights."""

    def of(name: str) -> np.ndarray:
        return faces[name][:, None, None]

    def lay(colours: np.ndarray, weight: np.ndarray, colour: np.ndarray) -> np.ndarray:
        return colours + np.clip(weight, 0, 1)[..., None] * (colour[:, None, None] - colours)

    def blob(angle: Any, height: Any, wide: float, tall: float) -> np.ndarray:
        far = np.sqrt(((theta - angle) / wide) ** 2 + ((y - height) / tall) ** 2)
        return (1.0 - far) * 3 + 0.5

    skin, hair = faces["skin"], faces["hair"]
    colours = np.broadcast_to(skin[:, None, None], (*theta.shape, 3)).copy()
    for k in range(_SPOTS):
        angle, height, wide, strong = (v[:, None, None] for v in faces["spots"][:, k].T)
        bump = np.exp(-((theta - angle) ** 2 + (y - height) ** 2) / (2 * wide**2))
        colours *= (1 + strong * bump)[..., None]
    beard = np.clip(of("beard"), 0, 1) * np.clip((y - 0.35) * 8, 0, 1) * (abs(theta) < 1.6)
    colours = lay(colours, beard, hair)
    for side in (-1, 1):
        angle, height = side * of("eye"), of("eye_height")
        white = np.broadcast_to(np.float32(0.95), skin.shape)
        colours = lay(colours, blob(angle, height, 0.2, 0.075), white)
        colours = lay(colours, blob(angle, height, 0.1, 0.075), faces["iris"])
        colours = lay(colours, blob(angle, height - 0.13 - of("brow"), 0.26, 0.045), hair)
    colours = lay(colours, 0.6 * blob(0.0, of("nose_height"), 0.14, 0.06), 0.6 * skin)
    lips = 0.6 * skin * np.array([1.15, 0.6, 0.6], np.float32)
    colours = lay(colours, blob(0.0, of("mouth_height"), of("mouth"), 0.055), lips)
    above = np.maximum((of("line") - y) * 12, (abs(theta) - of("temple")) * 6 - 3 * (y > 0.35))
    return lay(colours, above, hair)
