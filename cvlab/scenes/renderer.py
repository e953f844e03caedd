"""The renderer: from descriptions of flat scenes to images and what is true of them, exactly.

The renderer paints layer by layer, far to near, and beside the image an array of which object each
pixel shows; boxes, classes and masks follow from that array alone.

Conventions
    * Pixel (row i, column j) covers [j, j + 1) x [i, i + 1) and its centre is (j + 0.5, i + 0.5).
    * A mask holds the pixels whose *centre* lies in the shape. The image is anti-aliased: a shape
      covers 0.5 - d of a pixel, clipped to [0, 1], d being the signed distance in pixels from the
      pixel's centre to the outline (of the nearest side's line beyond a corner).
    * ``semantic`` is the class plus 1; 0 is the background.

Further outputs (depth, flow, keypoints, captions) need no second renderer: what a scene holds is a
field of ``Object``, and what an image shows of it is one more array painted layer by layer, far to
near, beside ``instances``.

Examples:
    >>> from cvlab.scenes.description import Description, Object
    >>> render(Description(objects=(Object("star"),)), size=32).image.shape
    (32, 32, 3)
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, fields
from functools import cache
from itertools import groupby
from statistics import NormalDist
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from cvlab.scenes import _arguments
from cvlab.scenes.description import Description, Light, Object, check
from cvlab.scenes.outlines import CLASSES, OUTLINES
from cvlab.scenes.textures import WEIGHTS, Pattern

if TYPE_CHECKING:
    import torch

__all__ = ["MAX_SIZE", "MIN_SIZE", "Scene", "Scenes", "render", "render_all"]

MIN_SIZE, MAX_SIZE = 8, 4096


@dataclass(frozen=True, eq=False, repr=False, slots=True)
class Scene:
    """One rendered scene: its image and what is true of it.

    Only an object of which at least one pixel is visible has a row in ``boxes`` and the arrays
    beside it; row k - 1 belongs to the pixels with value k in ``instances``.

    Attributes:
        image: (H, W, 3) float32 in [0, 1].
        label: Class of the only or largest object, -1 without objects.
        boxes: (M, 4) float32, x1 y1 x2 y2 in pixels: the tight box of the *visible* pixels, from
            the left edge of the first column to the right edge of the last; x2 - x1 counts columns.
        full_boxes: (M, 4) float32, the same of the whole object within the image, hidden or not.
        box_labels: (M,) int64.
        indices: (M,) int64, each row's place in ``description.objects``.
        instances: (H, W) int32, 0 for background, clutter and occluders, k for the k-th row.
        semantic: (H, W) int64, 0 for background, clutter and occluders, else 1 + class.
        description: What was rendered.
    """

    image: np.ndarray
    label: int
    boxes: np.ndarray
    full_boxes: np.ndarray
    box_labels: np.ndarray
    indices: np.ndarray
    instances: np.ndarray
    semantic: np.ndarray
    description: Description

    def torch(self) -> dict[str, torch.Tensor]:
        """The arrays as tensors that share their memory; ``image`` is (3, H, W)."""
        import torch

        tensors = {
            field.name: torch.from_numpy(getattr(self, field.name))
            for field in fields(self)
            if isinstance(getattr(self, field.name), np.ndarray)
        }
        tensors["image"] = tensors["image"].permute(2, 0, 1)
        return tensors | {"label": torch.tensor(self.label)}

    def __repr__(self) -> str:
        shapes = ", ".join(CLASSES[label] for label in self.box_labels) or "no object"
        return f"Scene({self.image.shape[1]}x{self.image.shape[0]} pixels: {shapes})"


@dataclass(frozen=True, eq=False, repr=False, slots=True)
class Scenes:
    """A batch of N rendered scenes; the attributes are those of ``Scene``, one entry a scene.

    Indexed by an integer it gives a ``Scene``; by a slice, an index array or a mask, ``Scenes``.
    Boxes and their labels differ in number from scene to scene, so they are lists of arrays.
    """

    images: np.ndarray  # (N, H, W, 3) float32
    labels: np.ndarray  # (N,) int64
    boxes: list[np.ndarray]  # N of (M, 4) float32
    full_boxes: list[np.ndarray]  # N of (M, 4) float32
    box_labels: list[np.ndarray]  # N of (M,) int64
    indices: list[np.ndarray]  # N of (M,) int64
    instances: np.ndarray  # (N, H, W) int32
    semantic: np.ndarray  # (N, H, W) int64
    descriptions: list[Description]

    def __len__(self) -> int:
        return len(self.descriptions)

    def __getitem__(self, index: Any) -> Any:
        values = [getattr(self, field.name) for field in fields(self)]
        if isinstance(index, (int, np.integer)):
            picked = [value[index] for value in values]
            picked[1] = int(picked[1])
            return Scene(*picked)
        chosen = np.arange(len(self))[index]
        return Scenes(
            *(
                [value[i] for i in chosen] if isinstance(value, list) else value[index]
                for value in values
            )
        )

    def arrays(self) -> tuple[np.ndarray, np.ndarray]:
        """The images (N, H, W, 3) and labels (N,), as a classifier wants them."""
        return self.images, self.labels

    def torch(self) -> dict[str, torch.Tensor | list[torch.Tensor]]:
        """The arrays as tensors that share their memory; ``images`` is (N, 3, H, W)."""
        import torch

        tensors: dict[str, Any] = {}
        for field in fields(self):
            value = getattr(self, field.name)
            if isinstance(value, np.ndarray):
                tensors[field.name] = torch.from_numpy(value)
            elif field.name != "descriptions":
                tensors[field.name] = [torch.from_numpy(array) for array in value]
        tensors["images"] = tensors["images"].permute(0, 3, 1, 2)
        return tensors

    def __repr__(self) -> str:
        height, width = self.images.shape[1:3]
        objects = sum(map(len, self.boxes))
        return f"Scenes({len(self)} of {width}x{height} pixels, {objects} visible objects)"


def render(description: Description, size: int = 64) -> Scene:
    """Render one description.

    Args:
        description: From ``describe`` or built by hand.
        size: Side of the square image in pixels, 8 to 4096.

    Raises:
        TypeError: If ``description`` is not a ``Description``, or ``size`` not an integer.
        ValueError: For an unknown shape or texture, a radius or period that is not positive, a
            colour outside [0, 1], or a number that is not finite.

    Examples:
        >>> scene = render(Description(objects=(Object("square", radius=0.25),)), size=100)
        >>> scene.boxes.tolist()  # 50 +- 0.70 * 25: the pixels whose centres lie inside
        [[32.0, 32.0, 68.0, 68.0]]
        >>> int((scene.instances == 1).sum())
        1296
    """
    if not isinstance(description, Description):
        raise TypeError(
            f"description must be a scenes.Description, not {type(description).__name__}."
        )
    size = _arguments.integer(size, "size", MIN_SIZE, MAX_SIZE)
    check(description)
    return render_all([description], size)[0]


def render_all(descriptions: list[Description], size: int) -> Scenes:
    """Render descriptions that have been checked, as ``render`` does one."""
    count = len(descriptions)
    images = np.empty((count, size, size, 3), np.float32)
    instances = np.zeros((count, size, size), np.int32)
    semantic = np.empty((count, size, size), np.int64)
    rows: list[_Rows] = []
    # Scenes drawn together share the cost of each NumPy call; more of them only cost memory.
    step = max(1, 2**20 // size**2)
    for start in range(0, count, step):
        part = slice(start, start + step)
        chunk = descriptions[part]
        canvas = _backdrops(chunk, size)
        full_boxes = _paint(chunk, canvas, instances[part])
        _develop(chunk, canvas)
        for channel in range(3):
            np.clip(canvas[:, channel], 0, 1, out=images[part, ..., channel])
        rows += _label(chunk, instances[part], semantic[part], full_boxes)
    boxes, full, labels, indices = map(list, zip(*rows, strict=True))
    label = np.array([description.label for description in descriptions], np.int64)
    return Scenes(images, label, boxes, full, labels, indices, instances, semantic, descriptions)


def _ramps(angles: list[float], size: int) -> np.ndarray:
    """(N, 1, H, W) float32: 0 in the middle, rising to 0.5 at an edge that an angle points to."""
    centred = (np.arange(size) + 0.5) / size - 0.5
    right = np.array([math.cos(math.radians(angle)) for angle in angles])
    up = np.array([math.sin(math.radians(angle)) for angle in angles])
    across = (right[:, None] * centred).astype(np.float32)
    down = (up[:, None] * -centred).astype(np.float32)
    return (down[:, :, None] + across[:, None, :])[:, None]


def _backdrops(descriptions: list[Description], size: int) -> np.ndarray:
    """(N, 3, H, W) float32: channels first, because planes are faster to paint on."""
    backgrounds = [description.background for description in descriptions]
    weight = np.clip(_ramps([background.angle for background in backgrounds], size) + 0.5, 0, 1)
    first = np.array([background.colour for background in backgrounds], np.float32)
    second = np.array([background.second for background in backgrounds], np.float32)
    canvas = weight * (second - first)[:, :, None, None]
    canvas += first[:, :, None, None]
    return canvas


class _Layer(NamedTuple):
    """One object within its window of the image."""

    top: int
    left: int
    alpha: np.ndarray  # (S, S) float32, how much of the pixel it covers
    inside: np.ndarray  # (S, S) bool, whether it covers the pixel's centre
    paint: np.ndarray  # (3, S, S) or (3, 1, 1) float32
    box: np.ndarray  # (4,) float32


def _paint(
    descriptions: list[Description], canvas: np.ndarray, instances: np.ndarray
) -> np.ndarray:
    """Paint every scene far to near, in place; returns the objects' full boxes (N, M, 4)."""
    things = [
        (scene, number, thing)
        for scene, description in enumerate(descriptions)
        for number, thing in _far_to_near(description)
    ]
    most = max(len(description.objects) for description in descriptions)
    full_boxes = np.zeros((len(descriptions), most, 4), np.float32)
    layers = _rasterise([thing for _, _, thing in things], canvas.shape[-1])
    for (scene, number, _), layer in zip(things, layers, strict=True):
        side = len(layer.alpha)
        rows, columns = slice(layer.top, layer.top + side), slice(layer.left, layer.left + side)
        window = canvas[scene, :, rows, columns]
        change = layer.paint - window
        change *= layer.alpha
        window += change
        np.copyto(instances[scene, rows, columns], number, where=layer.inside)
        if number:
            full_boxes[scene, number - 1] = layer.box
    return full_boxes


def _far_to_near(description: Description) -> list[tuple[int, Object]]:
    """Every drawn thing with its number: k for the k-th object, 0 for a distractor."""
    things = [(0, thing) for thing in description.distractors]
    things += enumerate(description.objects, start=1)
    things.sort(key=lambda entry: -entry[1].depth)
    return things


def _rasterise(things: list[Object], size: int) -> list[_Layer]:
    """Each object's layer, computed together for those of equal shape and window size."""
    groups: dict[tuple[str, int], list[int]] = defaultdict(list)
    for i, thing in enumerate(things):
        # One pixel of margin for the soft outline; multiples of eight make fewer, larger groups.
        side = min(size, 8 * math.ceil((2 * thing.radius * size + 3) / 8))
        groups[thing.shape, side].append(i)
    layers: list[Any] = [None] * len(things)
    for (_, side), members in groups.items():
        members.sort(key=lambda i: things[i].texture)
        group = _rasterise_group([things[i] for i in members], side, size)
        for i, layer in zip(members, group, strict=True):
            layers[i] = layer
    return layers


def _rasterise_group(things: list[Object], side: int, size: int) -> Iterator[_Layer]:
    """Layers of objects of one shape, sorted by texture, in windows of (side, side) pixels."""
    table = [(t.x * size, t.y * size, t.radius * size) for t in things]
    x, y, radius = np.array(table).T[..., None]  # (G, 1) each, pixels
    turns = [math.radians(t.rotation) for t in things]
    cosine = np.array([[math.cos(turn)] for turn in turns])
    sine = np.array([[math.sin(turn)] for turn in turns])
    # Windows lie inside the image, so that nothing needs cropping.
    left = np.clip(np.floor(x - radius - 1), 0, size - side)
    top = np.clip(np.floor(y - radius - 1), 0, size - side)
    centres = np.arange(side) + 0.5
    right, up = (left + centres - x) / radius, (y - top - centres) / radius
    u = _outer_sum(sine * up, cosine * right)
    v = _outer_sum(cosine * up, -sine * right)

    pixels = radius.astype(np.float32)[..., None]
    distance = OUTLINES[things[0].shape](u, v)
    inside = distance <= 0
    alpha = np.clip(0.5 - distance * pixels, 0, 1)
    paint: list[np.ndarray] = []
    for _, run in groupby(things, key=lambda thing: thing.texture):
        same = list(run)
        part = slice(len(paint), len(paint) + len(same))
        paint.extend(_paint_of(same, u[part], v[part], pixels[part]))
    corners = np.concatenate([left, top, left, top], axis=1).astype(np.float32)
    boxes = _extents(inside)
    boxes += corners * boxes[:, 2:].any(axis=1, keepdims=True)
    tops, lefts = top[:, 0].astype(int).tolist(), left[:, 0].astype(int).tolist()
    return map(_Layer, tops, lefts, alpha, inside, paint, boxes)


def _paint_of(
    things: list[Object], u: np.ndarray, v: np.ndarray, radius: np.ndarray
) -> Iterable[np.ndarray]:
    """The colours (3, S, S), or (3, 1, 1) when flat, of objects of one texture."""
    first = np.array([t.colour for t in things], np.float32)[..., None, None]
    weigh = WEIGHTS[things[0].texture]
    if weigh is None:
        return first
    table = np.array([(t.period, *t.phase) for t in things], np.float32)
    period, phase_u, phase_v = table.T[..., None, None]
    weight = weigh(Pattern(u, v, period, phase_u, phase_v, period * radius))
    second = np.array([t.second for t in things], np.float32)[..., None, None]
    return first + weight[:, None] * (second - first)


def _outer_sum(column: np.ndarray, row: np.ndarray) -> np.ndarray:
    """(G, S) and (G, S) to (G, S, S) float32."""
    return column.astype(np.float32)[:, :, None] + row.astype(np.float32)[:, None, :]


def _extents(masks: np.ndarray) -> np.ndarray:
    """Tight x1 y1 x2 y2 boxes of masks (G, H, W), in pixel edges; zeros for an empty mask."""
    edges = []
    for occupied in (masks.any(axis=1), masks.any(axis=2)):
        filled, length = occupied.any(axis=1), occupied.shape[1]
        edges.append(
            (occupied.argmax(axis=1), (length - occupied[:, ::-1].argmax(axis=1)) * filled)
        )
    (x1, x2), (y1, y2) = edges
    return np.stack([x1, y1, x2, y2], axis=1).astype(np.float32)


@cache
def _normal_quantiles() -> np.ndarray:
    """(65536,) float32: equally probable values of a standard normal variable.

    Looking up one of them by 16 random bits is three times as fast as drawing exactly.
    """
    inverse = NormalDist().inv_cdf
    upper = np.array([inverse(0.5 + (rank + 0.5) / 2**16) for rank in range(2**15)])
    upper /= np.sqrt(np.mean(upper**2))
    return np.concatenate([-upper, upper]).astype(np.float32)


def _develop(descriptions: list[Description], canvas: np.ndarray) -> None:
    """Light, then noise, in place."""
    lights, neutral = [description.light for description in descriptions], Light()
    if any(light != neutral for light in lights):
        slopes = np.array([light.slope for light in lights], np.float32)[:, None, None, None]
        shade = 2 * slopes * _ramps([light.angle for light in lights], canvas.shape[-1]) + 1
        gains = [(1 + light.tint, 1.0, 1 - light.tint) for light in lights]
        gains = np.array(gains) * np.array([[light.gain] for light in lights])
        canvas *= np.maximum(shade, 0)
        canvas *= gains.astype(np.float32)[:, :, None, None]
    for picture, description in zip(canvas, descriptions, strict=True):
        if description.noise:
            rng = np.random.default_rng(description.seed)
            ranks = np.frombuffer(rng.bytes(2 * picture.size), "<u2").reshape(picture.shape)
            picture += (_normal_quantiles() * np.float32(description.noise))[ranks]


_Rows = tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]


def _label(
    descriptions: list[Description],
    instances: np.ndarray,
    semantic: np.ndarray,
    full_boxes: np.ndarray,
) -> list[_Rows]:
    """Boxes, labels and indices of what is visible; renumbers instances where a row falls away."""
    most = full_boxes.shape[1]
    visible = [_extents(instances == number) for number in range(1, most + 1)]
    boxes = np.stack(visible, axis=1) if most else full_boxes
    rows = []
    for scene, description in enumerate(descriptions):
        indices = np.flatnonzero(boxes[scene, :, 2])
        labels = np.array([CLASSES.index(t.shape) for t in description.objects], np.int64)
        if len(indices) < len(labels):
            numbers = np.zeros(len(labels) + 1, np.int32)
            numbers[indices + 1] = np.arange(1, len(indices) + 1)
            instances[scene] = numbers[instances[scene]]
        labels = labels[indices]
        values = np.concatenate([[0], labels + 1])
        np.take(values, instances[scene], out=semantic[scene], mode="clip")
        rows.append((boxes[scene, indices], full_boxes[scene, indices], labels, indices))
    return rows
