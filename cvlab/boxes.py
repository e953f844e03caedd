"""Boxes: how much they overlap, which of them stay, what a network learns to say about them.

A box is (x1, y1, x2, y2) with *edges*, in pixels from the image's top left corner, so that width
and height are plain differences. Functions take NumPy arrays or tensors and return the same kind;
tensors keep their device, and all but the index-valued functions their gradients. Chapter 15 builds
overlap and suppression, chapter 16 anchors and their targets.

    >>> iou([[0, 0, 4, 4]], [[2, 0, 6, 4], [9, 9, 9, 9]]).round(3)
    array([[0.333, 0.   ]], dtype=float32)
"""

from __future__ import annotations

import sys
from typing import Any

import numpy as np

from cvlab._arguments import integer, number

__all__ = [
    "anchor_grid",
    "area",
    "batched_nms",
    "clip",
    "crop_resize",
    "decode",
    "encode",
    "giou",
    "intersection",
    "iou",
    "match",
    "nms",
]


BACKGROUND, IGNORED = -1, -2
BLOCK = 64  # boxes that `nms` takes at a time


# --- Overlap --------------------------------------------------------------------------------------


def area(boxes: Any) -> Any:
    """Return the areas (N,) of boxes (N, 4) in square pixels; 0 where a side is not positive.

    >>> area([[0, 0, 3, 2], [5, 5, 4, 9]])
    array([6., 0.], dtype=float32)
    """
    return _area(_boxes(boxes, "boxes"))


def iou(a: Any, b: Any) -> Any:
    """Return intersection over union of all pairs: (N, 4), (M, 4) -> (N, M), in [0, 1].

    A box without area overlaps nothing, not even itself: 0.
    """
    return _ratio(*_shared(*_pair(a, b)))


def giou(a: Any, b: Any) -> Any:
    """Return generalised intersection over union of all pairs, (N, M), in [-1, 1].

    It falls on where IoU stays 0, by the share of the smallest box around both that neither fills.
    Source: Rezatofighi et al., 2019. Where even that box has no area, it is 0.
    """
    a, b = _pair(a, b)
    both, union = _shared(a, b)
    xp = _library(a)
    left, top, right, bottom = a.T[:, :, None]
    width = xp.maximum(right, b[:, 2]) - xp.minimum(left, b[:, 0])
    height = xp.maximum(bottom, b[:, 3]) - xp.minimum(top, b[:, 1])
    hull = _positive(width) * _positive(height)
    return _ratio(both, union) - _ratio(hull - union, hull)


def intersection(a: Any, b: Any) -> Any:
    """Return the areas that all pairs share: (N, 4), (M, 4) -> (N, M), in square pixels.

    >>> intersection([[0, 0, 4, 4]], [[2, 0, 6, 4]])
    array([[8.]], dtype=float32)
    """
    return _intersection(*_pair(a, b))


def _intersection(a: Any, b: Any) -> Any:
    xp = _library(a)
    # One coordinate after the other: five times as fast as (N, M, 2), whose last axis is so short.
    left, top, right, bottom = a.T[:, :, None]  # (N, 1) each
    width = xp.minimum(right, b[:, 2]) - xp.maximum(left, b[:, 0])  # (N, M)
    height = xp.minimum(bottom, b[:, 3]) - xp.maximum(top, b[:, 1])
    return _positive(width) * _positive(height)


def _shared(a: Any, b: Any) -> tuple[Any, Any]:
    """Return the areas (N, M) of intersection and union."""
    both = _intersection(a, b)
    return both, _area(a)[:, None] + _area(b) - both


def _area(boxes: Any) -> Any:
    return _positive(boxes[:, 2] - boxes[:, 0]) * _positive(boxes[:, 3] - boxes[:, 1])


def _ratio(part: Any, whole: Any) -> Any:
    """Return part / whole, and the part itself, which is then 0, where the whole is 0."""
    return part / _library(whole).where(whole > 0, whole, whole + 1)


# --- Suppression ----------------------------------------------------------------------------------


def nms(boxes: Any, scores: Any, threshold: float = 0.5) -> Any:
    """Keep the best box of each heap: greedy non-maximum suppression.

    Args:
        boxes: (N, 4).
        scores: (N,); the higher goes first, of equal ones the lower index.
        threshold: a box goes if its IoU with one that is kept is *above* it. Both are compared
            in the boxes' own precision, so that an IoU of 3/10 is not above 0.3. (torchvision
            compares float32 overlaps with a float64 threshold, and lets such a box go.)

    Returns:
        Indices (K,), int64, by falling score.

    >>> nms([[0, 0, 4, 4], [0, 0, 4, 5], [9, 9, 12, 12]], [0.8, 0.9, 0.1])
    array([1, 2])
    """
    boxes, scores = _scored(boxes, scores)
    threshold = number(threshold, "threshold")
    plain, order = _plain(boxes), np.argsort(-_plain(scores), kind="stable")
    kept = [np.zeros(0, np.int64)]
    while len(order):  # a block at a time, so that few steps are Python's
        block, order = order[:BLOCK], order[BLOCK:]
        near = _ratio(*_shared(plain[block], plain[block])) > threshold
        stays = np.ones(len(block), bool)
        for i in range(len(block)):
            if stays[i]:
                stays[i + 1 :] &= ~near[i, i + 1 :]
        best = block[stays]
        kept.append(best)
        covered = _ratio(*_shared(plain[best], plain[order])) > threshold
        order = order[~covered.any(0)]
    return _like(np.concatenate(kept), boxes)


def batched_nms(boxes: Any, scores: Any, labels: Any, threshold: float = 0.5) -> Any:
    """Suppress within each class only; labels (N,). Returns indices by falling score; see `nms`.

    >>> batched_nms([[0, 0, 4, 4], [0, 0, 4, 5]], [0.8, 0.9], [1, 2])
    array([1, 0])
    """
    boxes, scores = _scored(boxes, scores)
    labels = _plain(labels).reshape(-1)
    if len(labels) != len(boxes):
        raise ValueError(f"{len(boxes)} boxes need as many labels, not {len(labels)}.")
    kept = [
        members[_plain(nms(_plain(boxes)[members], _plain(scores)[members], threshold))]
        for members in (np.flatnonzero(labels == label) for label in np.unique(labels))
    ]
    indices = np.sort(np.concatenate([np.zeros(0, np.int64), *kept]))
    order = np.argsort(-_plain(scores)[indices], kind="stable")
    return _like(indices[order], boxes)


# --- What a network says about an anchor ----------------------------------------------------------


def encode(boxes: Any, anchors: Any) -> Any:
    """Return what moves anchors onto boxes, (N, 4): shifts by the anchor's size, logs of scale.

    Source: Girshick et al., 2014. Sides must be positive.

    >>> encode([[2, 0, 6, 8]], [[0, 0, 4, 4]]).round(3)
    array([[0.5  , 0.5  , 0.   , 0.693]], dtype=float32)
    """
    boxes, anchors = _rows(boxes, anchors, "boxes")
    (centre, size), (from_, scale) = _centred(boxes), _centred(anchors)
    if bool((size <= 0).any()) or bool((scale <= 0).any()):
        raise ValueError("boxes and anchors to encode need positive sides; drop the empty ones.")
    xp = _library(boxes)
    return xp.concatenate([(centre - from_) / scale, xp.log(size / scale)], 1)


def decode(deltas: Any, anchors: Any) -> Any:
    """Move anchors (N, 4) by deltas (N, 4) as `encode` gives them; return boxes (N, 4)."""
    deltas, anchors = _rows(deltas, anchors, "deltas")
    from_, scale = _centred(anchors)
    xp = _library(deltas)
    centre, half = from_ + deltas[:, :2] * scale, xp.exp(deltas[:, 2:]) * scale / 2
    return xp.concatenate([centre - half, centre + half], 1)


def clip(boxes: Any, height: float, width: float) -> Any:
    """Cut boxes (N, 4) off at the borders of an image of height x width pixels.

    >>> clip([[-3, 1, 9, 5]], 4, 8)
    array([[0., 1., 8., 4.]], dtype=float32)
    """
    boxes = _boxes(boxes, "boxes")
    xp = _library(boxes)
    x, y = boxes[:, 0::2].clip(0, width), boxes[:, 1::2].clip(0, height)
    return xp.stack([x[:, 0], y[:, 0], x[:, 1], y[:, 1]], 1)


def anchor_grid(
    height: int, width: int, stride: float, sizes: Any, ratios: Any = (1.0,)
) -> np.ndarray:
    """Return the anchors of a map of height x width cells, (height * width * A, 4), float32.

    Args:
        height: of the map, in cells.
        width: of the map, in cells.
        stride: pixels of the image from one cell to the next; a cell's anchors share its centre.
        sizes: square roots of the anchors' areas, in pixels.
        ratios: of height to width; all keep the area. A is sizes times ratios, sizes slowest.

    >>> anchor_grid(1, 2, 8, [4]).tolist()
    [[2.0, 2.0, 6.0, 6.0], [10.0, 2.0, 14.0, 6.0]]
    """
    height, width = integer(height, "height", 0), integer(width, "width", 0)
    sizes, ratios = (np.asarray(value, float).reshape(-1) for value in (sizes, ratios))
    if not ((sizes > 0).all() and (ratios > 0).all() and number(stride, "stride") > 0):
        raise ValueError("stride, sizes and ratios of anchors must be positive.")
    tall = sizes[:, None] * np.sqrt(ratios) / 2  # half sides, (sizes, ratios)
    wide = sizes[:, None] / np.sqrt(ratios) / 2
    shape = np.stack([-wide, -tall, wide, tall], -1).reshape(-1, 4)
    y, x = stride * (np.mgrid[:height, :width] + 0.5)
    centres = np.stack([x, y, x, y], -1).reshape(-1, 1, 4)
    return (centres + shape).reshape(-1, 4).astype(np.float32)


def match(anchors: Any, truths: Any, high: float = 0.5, low: float = 0.4, best: bool = True) -> Any:
    """Assign each anchor to a truth, to the background, or to nobody.

    Args:
        anchors: (N, 4).
        truths: (M, 4).
        high: an anchor belongs to the truth that it overlaps most if their IoU is at least this.
        low: below it an anchor is background; in between it is ignored.
        best: each truth also gets the anchors that overlap it most, however little that is: without
            this some objects would have none. Where two truths share their best anchor, the later
            gets it. (torchvision gives such an anchor to the truth that the *anchor* overlaps
            most, which may leave the other without any.)

    Returns:
        (N,) int64: the truth's index, -1 for background, -2 for ignored.
    """
    if not 0 <= low <= high <= 1:
        raise ValueError(f"0 <= low <= high <= 1, not low = {low} and high = {high}.")
    anchors, truths = _pair(anchors, truths)
    overlap = _plain(iou(anchors, truths))
    if not len(truths):
        return _like(np.full(len(anchors), BACKGROUND), anchors)
    top = overlap.max(1)
    found = np.where(top >= high, overlap.argmax(1), np.where(top < low, BACKGROUND, IGNORED))
    if best and len(anchors):
        peak = overlap.max(0)
        for truth in np.flatnonzero(peak > 0):
            found[overlap[:, truth] == peak[truth]] = truth
    return _like(found.astype(np.int64), anchors)


def crop_resize(image: Any, boxes: Any, size: int, context: float = 0.0) -> Any:
    """Cut boxes out of an image and bring each to size x size pixels, by bilinear sampling.

    Args:
        image: (C, H, W), or (H, W); outside of it the border's pixels are repeated.
        boxes: (N, 4).
        size: of the crops, in pixels.
        context: by how much a crop is wider than its box on each side, in sides of the box.

    Returns:
        (N, C, size, size), or (N, size, size); one sample in the middle of each pixel of the crop.
    """
    boxes = _boxes(boxes, "boxes")
    size = integer(size, "size", 1)
    xp = _library(image) if not isinstance(image, (list, tuple)) else np
    image = image if xp is not np else np.asarray(image, np.float32)
    if image.ndim not in (2, 3) or 0 in image.shape[-2:]:
        raise ValueError(f"image must have shape (C, H, W) or (H, W), not {tuple(image.shape)}.")
    corners = _plain(boxes)
    sides = corners[:, 2:] - corners[:, :2]
    low, sides = corners[:, :2] - context * sides, (1 + 2 * context) * sides
    steps = (np.arange(size) + 0.5) / size
    # Edges become centres of pixels: half a pixel less.
    x = low[:, :1] + sides[:, :1] * steps - 0.5  # (N, size)
    y = low[:, 1:] + sides[:, 1:] * steps - 0.5
    left, right, x_part = _neighbours(x, image.shape[-1])
    top, bottom, y_part = _neighbours(y, image.shape[-2])
    x_part, y_part = (
        (part if xp is np else xp.as_tensor(part, device=image.device))
        for part in (x_part[:, None, :], y_part[:, :, None])
    )
    upper, lower = (
        image[..., y_[:, :, None], left[:, None]] * (1 - x_part)
        + image[..., y_[:, :, None], right[:, None]] * x_part
        for y_ in (top, bottom)
    )  # ([C,] N, size, size)
    crops = upper * (1 - y_part) + lower * y_part
    return crops if image.ndim == 2 else xp.moveaxis(crops, 0, 1)


def _neighbours(place: np.ndarray, length: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return the pixels before and after places among centres, and how far they are on the way."""
    inside = place.clip(0, length - 1)
    before = np.floor(inside).astype(np.int64)
    return before, np.minimum(before + 1, length - 1), (inside - before).astype(np.float32)


# --- Arrays and tensors ---------------------------------------------------------------------------


def _library(value: Any) -> Any:
    """Return the module whose functions take this value: torch for a tensor, else NumPy."""
    torch = sys.modules.get("torch")  # who holds a tensor has imported it
    return torch if torch is not None and isinstance(value, torch.Tensor) else np


def _plain(value: Any) -> np.ndarray:
    return np.asarray(value) if _library(value) is np else value.detach().cpu().numpy()


def _like(indices: np.ndarray, boxes: Any) -> Any:
    xp = _library(boxes)
    return indices if xp is np else xp.as_tensor(indices, device=boxes.device)


def _positive(value: Any) -> Any:
    return value.clip(0)


def _centred(boxes: Any) -> tuple[Any, Any]:
    return (boxes[:, :2] + boxes[:, 2:]) / 2, boxes[:, 2:] - boxes[:, :2]


def _boxes(value: Any, name: str) -> Any:
    """Return (N, 4) as floats, NumPy's as float32 unless they are float64; N may be 0."""
    xp = _library(value)
    if xp is np:
        value = np.asarray(value)
        if value.dtype not in (np.float32, np.float64):
            value = value.astype(np.float32)
    elif not value.is_floating_point():
        value = value.float()
    if value.ndim == 1 and len(value) == 0:
        value = value.reshape(0, 4)
    if value.ndim != 2 or value.shape[1] != 4:
        raise ValueError(f"{name} must have shape (N, 4), not {tuple(value.shape)}.")
    if not bool(xp.isfinite(value).all()):
        raise ValueError(f"{name} hold NaN or infinite numbers; drop those first.")
    return value


def _pair(a: Any, b: Any) -> tuple[Any, Any]:
    """Return two sets of boxes as one kind: tensors if either is one."""
    a, b = _boxes(a, "boxes"), _boxes(b, "boxes")
    if _library(a) is not _library(b):
        tensor = a if _library(a) is not np else b
        xp = _library(tensor)
        a, b = (xp.as_tensor(v, device=tensor.device, dtype=tensor.dtype) for v in (a, b))
    return a, b


def _rows(values: Any, anchors: Any, name: str) -> tuple[Any, Any]:
    values, anchors = _pair(values, anchors)
    if len(values) != len(anchors):
        raise ValueError(f"{len(values)} {name} need as many anchors, not {len(anchors)}.")
    return values, anchors


def _scored(boxes: Any, scores: Any) -> tuple[Any, Any]:
    boxes = _boxes(boxes, "boxes")
    scores = scores if _library(scores) is not np else np.asarray(scores, float).reshape(-1)
    if len(scores) != len(boxes):
        raise ValueError(f"{len(boxes)} boxes need as many scores, not {len(scores)}.")
    if not np.isfinite(_plain(scores)).all():
        raise ValueError("scores hold NaN or infinite numbers; drop those boxes first.")
    return boxes, scores
