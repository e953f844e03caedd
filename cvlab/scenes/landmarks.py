"""Landmarks by instance: each under many views, with the homography of every view.

``landmark_views`` photographs flat landmarks, facades and posters, before a background. A landmark
is known by a number, ``first`` and those after it: equal numbers of one seed are the same landmark
in every call, so that training and test landmarks are disjoint if their numbers are.

Conventions
    * Pixel centres are integers. ``homographies[n]`` leads from a pixel (x, y, 1) of the landmark's
      picture from the front, ``fronts[m]``, to a multiple of (x', y', 1) in image n; ``between``
      leads from one image to another of the same landmark.
    * ``masks`` holds the pixels whose centre shows the landmark, behind no occluder; ``boxes`` are
      the edges of the box around them.
    * ``landmark`` is what an image shows, -1 where it is none of those asked for; ``labels`` is
      what somebody wrote below it, which differs with ``noisy`` alone.

Strengths, each in [0, 1]
    * ``viewpoint`` v: the landmark is turned by up to 60 v degrees about its upright and 25 v about
      its level axis, and the camera rolls by up to 15 v.
    * ``scale`` s: the landmark's box fills 0.85 of the image's sides, divided by up to 1 + s; what
      is left around it is shared out at random, and with s = 0 up to a tenth of it is cut off.
    * ``light`` l: gain 2 ** uniform(-1 l, 0.3 l), red and blue times 1 + t and 1 - t with
      t = uniform(-0.2 l, 0.2 l), and a shade across the image down to 1 - 0.5 l.
    * ``clutter`` c: the background has up to 10 c patches cut from other landmarks.
    * ``occlusion`` o: with probability o a post or a bush covers a part of the image.
    * ``noise`` z: Gaussian noise of standard deviation 0.2 z on every value.

Examples:
    >>> batch = landmark_views(2, 3, seed=1)
    >>> batch.images.shape, batch.landmark.tolist()
    ((6, 64, 64, 3), [0, 0, 0, 1, 1, 1])
    >>> batch.between(0, 2).shape
    (3, 3)
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from cvlab import geometry
from cvlab.scenes._arguments import integer, strength
from cvlab.scenes.facades import facade
from cvlab.scenes.sampling import NOISE_SIGMA

__all__ = ["LandmarkViews", "landmark_views"]

_OTHERS = 10**6  # numbers from here on belong to distractors and to what lies in the background
_STREET = np.array([[0.62, 0.74, 0.86], [0.80, 0.84, 0.88], [0.50, 0.50, 0.50]], np.float32)


@dataclass(frozen=True, eq=False, repr=False, slots=True)
class LandmarkViews:
    """Views of landmarks and what is true of them; see the module's text for the conventions.

    Attributes:
        images: (N, H, W, 3) float32 in [0, 1].
        landmark: (N,) int64, the number of the landmark that is seen, -1 for none of the set.
        labels: (N,) int64, the number that was written down.
        homographies: (N, 3, 3) float64, picture from the front to image.
        masks: (N, H, W) bool, where the landmark is seen.
        boxes: (N, 4) float32, xyxy with edges, around the mask; zeros where it is empty.
        fronts: The pictures from the front, by number; distractors have none.
    """

    images: np.ndarray
    landmark: np.ndarray
    labels: np.ndarray
    homographies: np.ndarray
    masks: np.ndarray
    boxes: np.ndarray
    fronts: dict[int, np.ndarray]

    def __len__(self) -> int:
        return len(self.images)

    def __repr__(self) -> str:
        height, width = self.images.shape[1:3]
        return f"LandmarkViews({len(self)} of {len(self.fronts)} landmarks, {width}x{height})"

    def between(self, source: int, target: int) -> np.ndarray:
        """Return the homography (3, 3) from image ``source`` to image ``target``.

        Raises:
            ValueError: if the two do not show the same landmark.
        """
        first, second = self.landmark[source], self.landmark[target]
        if first != second or first < 0:
            raise ValueError(f"Images {source} and {target} must show the same landmark.")
        matrix = self.homographies[target] @ np.linalg.inv(self.homographies[source])
        return matrix / matrix[2, 2]


@dataclass(slots=True)
class _Knobs:
    height: int
    width: int
    viewpoint: float
    scale: float
    light: float
    clutter: float
    occlusion: float
    noise: float
    noisy: float

    def __post_init__(self) -> None:
        for name in ("height", "width"):
            setattr(self, name, integer(getattr(self, name), name, 16, 1024))
        for name in ("viewpoint", "scale", "light", "clutter", "occlusion", "noise", "noisy"):
            setattr(self, name, strength(name, getattr(self, name)))


def landmark_views(
    landmarks: int,
    views: int,
    height: int = 64,
    width: int = 64,
    *,
    first: int = 0,
    seed: int = 0,
    viewpoint: float = 0.5,
    scale: float = 0.4,
    light: float = 0.5,
    clutter: float = 0.5,
    occlusion: float = 0.25,
    noise: float = 0.1,
    noisy: float = 0.0,
    distractors: int = 0,
) -> LandmarkViews:
    """Photograph landmarks; see the module's text for what each strength does.

    Args:
        landmarks: How many.
        views: Of each, one after the other; view k is the same whatever else is asked for.
        height: Rows of each image.
        width: Columns.
        first: Number of the first landmark, below a million less ``landmarks``.
        seed: Not negative.
        viewpoint: How far the landmark is turned.
        scale: How much smaller it may be.
        light: How far brightness and colour of the light vary.
        clutter: How much else is in the background.
        occlusion: How often something stands before it.
        noise: How noisy the camera is.
        noisy: Share of images, on average, that show something else than their label says: half of
            them another landmark of the set, half one that has no number.
        distractors: Further images at the end, of landmarks without number; their label is -1.

    Raises:
        TypeError: For a value of the wrong type.
        ValueError: For a value out of range.

    Examples:
        >>> train, test = landmark_views(3, 2), landmark_views(2, 2, first=3)
        >>> set(train.landmark.tolist()) & set(test.landmark.tolist())
        set()
    """
    landmarks, views = integer(landmarks, "landmarks", 1), integer(views, "views", 1)
    first = integer(first, "first", 0, _OTHERS - landmarks)
    seed, distractors = integer(seed, "seed", 0), integer(distractors, "distractors", 0)
    knobs = _Knobs(height, width, viewpoint, scale, light, clutter, occlusion, noise, noisy)
    numbers = range(first, first + landmarks)
    fronts = {number: facade(seed, number)[0] for number in numbers}
    plan = [_assign(seed, number, k, numbers, knobs) for number in numbers for k in range(views)]
    # A distractor is one view of a landmark that nobody asked for.
    plan += [(-1, _OTHERS + k, (_OTHERS + k, 0)) for k in range(distractors)]
    count = len(plan)
    images = np.empty((count, knobs.height, knobs.width, 3), np.float32)
    masks = np.empty(images.shape[:3], bool)
    homographies = np.empty((count, 3, 3))
    for n, (_label, shown, stream) in enumerate(plan):
        front = fronts[shown] if shown in fronts else facade(seed, shown)[0]
        homographies[n] = _photograph(front, (seed, *stream), knobs, images[n], masks[n])
    shown = np.array([row[1] for row in plan], np.int64)
    labels = np.array([row[0] for row in plan], np.int64)
    shown[shown >= _OTHERS] = -1
    return LandmarkViews(images, shown, labels, homographies, masks, _boxes(masks), fronts)


def _assign(
    seed: int, number: int, view: int, numbers: range, knobs: _Knobs
) -> tuple[int, int, tuple[int, int]]:
    """Return label, what is shown, and the stream of a view: with ``noisy`` sometimes another."""
    dice, kind, which = np.random.default_rng((seed, number, view, 1)).random(3)
    shown = number
    if dice < knobs.noisy:
        shown = _OTHERS + 10**6 + 1000 * number + view
        if kind < 0.5 and len(numbers) > 1:
            others = [other for other in numbers if other != number]
            shown = others[int(which * len(others))]
    return number, shown, (number, view)


# --- One view -------------------------------------------------------------------------------------


def _photograph(
    front: np.ndarray,
    stream: tuple[int, int, int],
    knobs: _Knobs,
    image: np.ndarray,
    mask: np.ndarray,
) -> np.ndarray:
    """Draw one view into ``image`` and ``mask``; return its homography."""
    pose, scene = (np.random.default_rng((*stream, k)) for k in (2, 3))
    matrix = _homography(front.shape[:2], pose.uniform(-1, 1, 6), knobs)
    image[:] = _background(scene, stream[0], knobs)
    _lay(front, matrix, image, mask)
    _occlude(scene, knobs, image, mask)
    gain, tint, across, along, depth = scene.uniform(-1, 1, 5)
    gain = 2 ** (knobs.light * (0.65 * gain - 0.35))
    tint = 0.2 * tint * knobs.light
    y, x = np.ogrid[-1 : 1 : knobs.height * 1j, -1 : 1 : knobs.width * 1j]
    ramp = (across * x + along * y) / (abs(across) + abs(along) + 1e-9)  # -1 to 1
    shade = 1 - 0.25 * knobs.light * abs(depth) * (1 + ramp)
    image *= (gain * shade[..., None] * (1 + tint, 1, 1 - tint)).astype(np.float32)
    if knobs.noise:
        image += (NOISE_SIGMA * knobs.noise) * scene.standard_normal(image.shape, np.float32)
    np.clip(image, 0, 1, out=image)
    return matrix


def _homography(size: tuple[int, int], dice: np.ndarray, knobs: _Knobs) -> np.ndarray:
    """Turn a picture in space, photograph it, and fit its box into the image."""
    high, wide = size
    yaw, pitch, roll = knobs.viewpoint * dice[:3] * (60, 25, 15)
    turned = geometry.rotation(yaw, pitch, roll)
    # The picture's centre at the origin, its longer side 1; the camera 1.8 away.
    middle = np.array([[1, 0, (1 - wide) / 2], [0, 1, (1 - high) / 2], [0, 0, max(size)]])
    plane = np.stack([turned[:, 0], turned[:, 1], [0, 0, 1.8]], axis=1) @ middle
    corners = np.array([[-0.5, -0.5, 1], [wide - 0.5, -0.5, 1], [wide - 0.5, high - 0.5, 1]])
    corners = np.vstack([corners, [[-0.5, high - 0.5, 1]]]) @ plane.T
    flat = corners[:, :2] / corners[:, 2:]
    low, high_end = flat.min(axis=0), flat.max(axis=0)
    canvas = np.array([knobs.width, knobs.height], float)
    zoom = 0.85 / (1 + knobs.scale * (1 + dice[3]) / 2) * (canvas / (high_end - low)).min()
    room = canvas - zoom * (high_end - low)
    slack = (1 - knobs.scale) * 0.1 * zoom * (high_end - low)
    corner = room / 2 + dice[4:] * (room / 2 + slack * (room < slack)) - 0.5 - zoom * low
    fit = np.array([[zoom, 0, corner[0]], [0, zoom, corner[1]], [0, 0, 1]])
    matrix = fit @ plane
    return matrix / matrix[2, 2]


def _lay(front: np.ndarray, matrix: np.ndarray, image: np.ndarray, mask: np.ndarray) -> None:
    """Lay a picture into an image: one sample a pixel, from the picture blurred to its size."""
    height, width = mask.shape
    inverse = np.linalg.inv(matrix)
    x, y = np.arange(width), np.arange(height)[:, None]
    u, v, w = (row[0] * x + row[1] * y + row[2] for row in inverse)
    u, v = u / w, v / w
    high, wide = front.shape[:2]
    # How far inside the picture, in its pixels; negative outside.
    inside = np.minimum(np.minimum(u, wide - 1 - u), np.minimum(v, high - 1 - v)) + 0.5
    mask[:] = (inside > 0) & (w > 0)
    zoom = (mask.sum() / (high * wide)) ** 0.5  # pixels of the image in one of the picture
    cover = np.where(w > 0, np.clip(inside * zoom + 0.5, 0, 1), 0)
    at = np.flatnonzero(cover)
    step = max(1, round(0.8 / max(zoom, 0.1)))
    u, v = (u.ravel()[at] + 0.5) / step - 0.5, (v.ravel()[at] + 0.5) / step - 0.5
    thick = cover.ravel()[at, None].astype(np.float32)
    flat = image.reshape(-1, 3)
    flat[at] += thick * (_sampled(_shrunk(front, step), u, v) - flat[at])


def _shrunk(front: np.ndarray, step: int) -> np.ndarray:
    """The means of blocks of a picture; what is left at its end is dropped."""
    high, wide = (side // step for side in front.shape[:2])
    blocks = front[: high * step, : wide * step].reshape(high, step, wide, step, 3)
    return blocks.mean(axis=(1, 3))


def _sampled(front: np.ndarray, u: np.ndarray, v: np.ndarray) -> np.ndarray:
    """Bilinear samples (K, 3) of a picture; its border goes on outside."""
    high, wide = front.shape[:2]
    u, v = u.clip(0, wide - 1.001), v.clip(0, high - 1.001)
    left, top = u.astype(np.int64), v.astype(np.int64)
    u, v = ((u - left)[:, None].astype(np.float32), (v - top)[:, None].astype(np.float32))
    flat, place = front.reshape(-1, 3), top * wide + left
    upper = flat[place] * (1 - u) + flat[place + 1] * u
    lower = flat[place + wide] * (1 - u) + flat[place + wide + 1] * u
    return upper * (1 - v) + lower * v


def _background(rng: np.random.Generator, seed: int, knobs: _Knobs) -> np.ndarray:
    """Sky above street, and patches cut from other landmarks."""
    height, width = knobs.height, knobs.width
    horizon = rng.uniform(0.4, 0.8) * height
    mix, dark = rng.random(2)
    sky = mix * _STREET[0] + (1 - mix) * _STREET[1]
    below = np.arange(height)[:, None, None] > horizon
    image = np.where(below, (0.7 + 0.5 * dark) * _STREET[2], sky) * np.ones((1, width, 1))
    image = image.astype(np.float32)
    patches = rng.random((10, 5))
    sources = rng.integers(64, size=10)
    for (x, y, wide, high, whether), source in zip(patches, sources, strict=True):
        if whether >= knobs.clutter:
            continue
        other = _fragment(seed, int(source))
        rows = int((0.15 + 0.3 * high) * min(height, other.shape[0]))
        columns = int((0.15 + 0.3 * wide) * min(width, other.shape[1]))
        top, left = int(y * (height - rows)), int(x * (width - columns))
        i = int(x * (other.shape[0] - rows))
        j = int(y * (other.shape[1] - columns))
        image[top : top + rows, left : left + columns] = other[i : i + rows, j : j + columns]
    return image


_fragments: dict[tuple[int, int], np.ndarray] = {}


def _fragment(seed: int, source: int) -> np.ndarray:
    """One of 64 other landmarks, at two thirds of its size; the last seed's are kept."""
    if (seed, source) not in _fragments:
        if any(kept != seed for kept, _ in _fragments):
            _fragments.clear()
        picture = facade(seed, 2 * _OTHERS + 10**6 + source)[0]
        y = np.arange(0, picture.shape[0] - 1, 1.5).astype(int)
        x = np.arange(0, picture.shape[1] - 1, 1.5).astype(int)
        averaged = (picture[:-1, :-1] + picture[1:, :-1] + picture[:-1, 1:] + picture[1:, 1:]) / 4
        _fragments[seed, source] = averaged[y[:, None], x]
    return _fragments[seed, source]


def _occlude(rng: np.random.Generator, knobs: _Knobs, image: np.ndarray, mask: np.ndarray) -> None:
    """Put a post or a bush before the landmark."""
    height, width = mask.shape
    whether, kind, x, y, large, shade = rng.random(6)
    lumps = rng.uniform(-1, 1, (6, 2))
    if whether >= knobs.occlusion:
        return
    i, j = np.ogrid[:height, :width]
    x, y = (0.2 + 0.6 * x) * width, (0.3 + 0.7 * y) * height
    if kind < 0.5:
        half = (0.03 + 0.05 * large) * width
        covered = (abs(j - x) < half) & (i >= 0)
        colour = np.full(3, 0.2 + 0.3 * shade)
    else:
        radius = (0.08 + 0.08 * large) * min(height, width)
        covered = np.zeros((height, width), bool)
        for u, v in radius * lumps:
            covered |= (j - x - u) ** 2 + (i - y - v) ** 2 < radius**2
        colour = np.array([0.15, 0.35, 0.15]) * (0.7 + 0.6 * shade)
    image[covered] = colour
    mask &= ~covered


def _boxes(masks: np.ndarray) -> np.ndarray:
    """The boxes (N, 4) around masks, with edges; zeros around nothing."""
    boxes = np.zeros((len(masks), 4), np.float32)
    for axis, low in ((1, 0), (2, 1)):
        seen = masks.any(axis=axis)
        some = seen.any(axis=1)
        boxes[some, low] = seen.argmax(axis=1)[some]
        boxes[some, low + 2] = (seen.shape[1] - seen[:, ::-1].argmax(axis=1))[some]
    return boxes
