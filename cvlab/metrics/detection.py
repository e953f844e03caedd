"""How well does a detector do: matching boxes to the truth, and average precision in three ways.

A detection is right if its class is and if it overlaps a truth that no better detection has taken.
Matching follows COCO's evaluation (`pycocotools`), which the tests compare with. Taught in chapter
15.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal, NamedTuple

import numpy as np

from cvlab import boxes as box_ops

__all__ = [
    "DetectionCurve",
    "DetectionScores",
    "Detections",
    "Matches",
    "Truths",
    "detection_ap",
    "match_detections",
]

Interpolation = Literal["all-point", "11-point", "101-point"]

_NO_MATCH = -1
_EXACT = 1 - 1e-10  # as in COCO: an IoU of one passes a threshold of one in spite of rounding


class Detections(NamedTuple):
    """What a detector says about one image; K may be 0."""

    boxes: Any  # (K, 4)
    scores: Any  # (K,)
    labels: Any  # (K,) whole numbers
    masks: Any = None  # (K, H, W) booleans


class Truths(NamedTuple):
    """What there is in one image; M may be 0."""

    boxes: Any  # (M, 4)
    labels: Any  # (M,) whole numbers
    ignore: Any = None  # (M,) booleans: regions in which nothing counts, such as crowds
    masks: Any = None  # (M, H, W) booleans


class Matches(NamedTuple):
    """Which detections of an image are right, in the order in which they were given."""

    right: np.ndarray  # (K,) bool: true positives
    found: np.ndarray  # (M,) bool: truths that a detection has taken
    ignored: np.ndarray  # (K,) bool: neither right nor wrong


class DetectionCurve(NamedTuple):
    """Precision over recall of one class at one threshold; entry k counts the k + 1 best scores."""

    recall: np.ndarray  # (K,)
    precision: np.ndarray  # (K,)
    scores: np.ndarray  # (K,) falling


class DetectionScores(NamedTuple):
    """Average precision; nan where there is nothing to find."""

    ap: float  # mean over the classes that occur, and over the thresholds
    by_class: dict[int, float]  # mean over the thresholds
    curves: dict[tuple[int, float], DetectionCurve]  # (label, threshold)
    recall: float  # of all detections, mean over classes and thresholds


# --- One image ------------------------------------------------------------------------------------


def match_detections(detections: Detections, truths: Truths, threshold: float = 0.5) -> Matches:
    """Match detections to truths of their class, by falling score, each truth at most once.

    Each detection takes the free truth that it overlaps most, if their IoU is at least
    ``threshold``. A second detection of the same truth is wrong. One that takes no truth but lies
    in a region to ignore, by at least ``threshold`` of its own area, does not count.

    >>> found = Detections([[0, 0, 4, 4], [0, 0, 4, 5]], [0.9, 0.8], [1, 1])
    >>> match_detections(found, Truths([[0, 0, 4, 4]], [1])).right
    array([ True, False])
    """
    (detections,), (truths,) = _checked([detections], [truths])
    right, ignored = np.zeros((2, len(detections.labels)), bool)
    found = np.zeros(len(truths.labels), bool)
    for label in np.unique(detections.labels):
        mine, of = detections.labels == label, truths.labels == label
        order = np.flatnonzero(mine)[np.argsort(-detections.scores[mine], kind="stable")]
        places = np.flatnonzero(of)
        overlap = _overlaps(detections, truths, order, places, masks=False)
        taken = _assign(overlap, truths.ignore[of], truths.ignore[of], [threshold])[0]
        hit = taken != _NO_MATCH
        to = places[taken[hit]]
        ignored[order[hit]] = truths.ignore[to]
        right[order[hit]] = ~truths.ignore[to]
        found[to] = True
    return Matches(right, found & ~truths.ignore, ignored)


def _overlaps(
    detections: Detections, truths: Truths, order: np.ndarray, places: np.ndarray, masks: bool
) -> np.ndarray:
    """Return IoU (K, M) of chosen detections and truths; in regions to ignore the share inside."""
    if masks:
        pixels = int(np.prod(truths.masks.shape[1:]))
        a = detections.masks[order].reshape(len(order), pixels).astype(np.float32)
        b = truths.masks[places].reshape(len(places), pixels).astype(np.float32)
        both, own = a @ b.T, a.sum(1)[:, None]
        union = own + b.sum(1) - both
    else:
        a, b = detections.boxes[order], truths.boxes[places]
        both, own = box_ops.intersection(a, b), box_ops.area(a)[:, None]
        union = own + box_ops.area(b) - both
    within = np.broadcast_to(np.where(truths.ignore[places], own, union), both.shape)
    return both / np.where(within > 0, within, 1)


def _assign(
    overlap: np.ndarray, ignored: np.ndarray, crowd: np.ndarray, thresholds: Sequence[float]
) -> np.ndarray:
    """Return the truth that each detection takes, (T, K), -1 for none; detections best first.

    Truths that count go before those to ignore, of which crowds are never used up. Of equal
    overlaps the last truth is taken, as COCO does.
    """
    count, truths = overlap.shape
    least = np.minimum(thresholds, _EXACT)
    taken = np.full((len(least), count), _NO_MATCH)
    if not truths:
        return taken
    free = np.ones((len(least), truths), bool)
    rows = np.arange(len(least))
    groups = [group for group in (~ignored, ignored) if group.any()]
    for detection in np.flatnonzero(overlap.max(1) >= least.min()):
        for group in groups:
            offers = np.where(free & group, overlap[detection], -1.0)
            pick = truths - 1 - offers[:, ::-1].argmax(1)
            takes = (offers[rows, pick] >= least) & (taken[:, detection] == _NO_MATCH)
            taken[takes, detection] = pick[takes]
            free[rows[takes], pick[takes]] = crowd[pick[takes]]
    return taken


# --- A set of images ------------------------------------------------------------------------------


def detection_ap(
    detections: Sequence[Detections],
    truths: Sequence[Truths],
    *,
    thresholds: Sequence[float] = (0.5,),
    interpolation: Interpolation = "all-point",
    area: tuple[float, float] | None = None,
    per_image: int = 100,
    masks: bool = False,
) -> DetectionScores:
    """Return the average precision of a detector over a set of images.

    COCO's headline number is ``thresholds=np.arange(0.5, 1, 0.05), interpolation="101-point"``.

    Args:
        detections: of each image.
        truths: of each image, in the same order.
        thresholds: IoU from which a box is right; the result is the mean over them.
        interpolation: of the curve, whose precision is first made to fall: its area
            ("all-point", VOC from 2010), its mean at 11 recalls (VOC until 2009) or at 101 (COCO).
        area: count only truths with an area in this range, bounds included, in square pixels; what
            matches others, or matches none and is itself outside, does not count.
        per_image: at most so many detections of a class, the best, count in an image.
        masks: overlap and area are those of masks instead of boxes.

    Raises:
        ValueError: if lengths or shapes do not agree, a number is not finite, or a threshold is
            not in (0, 1].
    """
    if interpolation not in ("all-point", "11-point", "101-point"):
        raise ValueError(
            f"interpolation is 'all-point', '11-point' or '101-point', not {interpolation!r}."
        )
    limits = np.asarray(thresholds, float).reshape(-1)
    if not len(limits) or not ((limits > 0) & (limits <= 1)).all():
        raise ValueError("thresholds are one or more IoUs above 0 and at most 1.")
    detections, truths = _checked(detections, truths)
    labels = {int(label) for t in truths for label in np.unique(t.labels)}
    curves: dict[tuple[int, float], DetectionCurve] = {}
    by_class: dict[int, float] = {}
    recalls = []
    for label in sorted(labels):
        parts = [
            _judge(d, t, label, limits, area, per_image, masks)
            for d, t in zip(detections, truths, strict=True)
        ]
        total = sum(part[3] for part in parts)
        if not total:
            by_class[label] = np.nan
            continue
        scores = np.concatenate([part[0] for part in parts])
        right, counts = (np.concatenate([part[i] for part in parts], 1) for i in (1, 2))
        order = np.argsort(-scores, kind="stable")
        found = []
        for row, limit in enumerate(limits):
            kept = order[counts[row, order]]
            hits = right[row, kept].cumsum()
            curve = DetectionCurve(hits / total, hits / np.arange(1, len(kept) + 1), scores[kept])
            curves[label, float(limit)] = curve
            found.append(_area_under(curve, interpolation))
            recalls.append(curve.recall[-1] if len(kept) else 0.0)
        by_class[label] = float(np.mean(found))
    values = [value for value in by_class.values() if not np.isnan(value)]
    mean = float(np.mean(values)) if values else np.nan
    return DetectionScores(mean, by_class, curves, float(np.mean(recalls)) if recalls else np.nan)


def _judge(
    detections: Detections,
    truths: Truths,
    label: int,
    limits: np.ndarray,
    area: tuple[float, float] | None,
    per_image: int,
    masks: bool,
) -> tuple[np.ndarray, np.ndarray, np.ndarray, int]:
    """Judge one class of one image: scores (K,), right (T, K), counts (T, K), truths that count."""
    places = np.flatnonzero(truths.labels == label)
    mine = np.flatnonzero(detections.labels == label)
    order = mine[np.argsort(-detections.scores[mine], kind="stable")][:per_image]
    crowd = truths.ignore[places]
    ignored, outside = crowd.copy(), np.zeros(len(order), bool)
    if area is not None:
        ignored |= _out_of(_areas(truths, places, masks), area)
        outside = _out_of(_areas(detections, order, masks), area)
    taken = _assign(_overlaps(detections, truths, order, places, masks), ignored, crowd, limits)
    hit = taken != _NO_MATCH
    # An index of -1 reads the last entry, which is a truth to ignore: those without a match.
    aside = np.append(ignored, True)[taken]
    right = hit & ~aside
    counts = np.where(hit, ~aside, ~outside)
    return detections.scores[order], right, counts, int((~ignored).sum())


def _areas(one: Detections | Truths, chosen: np.ndarray, masks: bool) -> np.ndarray:
    return one.masks[chosen].sum((1, 2)) if masks else box_ops.area(one.boxes[chosen])


def _out_of(areas: np.ndarray, bounds: tuple[float, float]) -> np.ndarray:
    return (areas < bounds[0]) | (areas > bounds[1])


def _area_under(curve: DetectionCurve, interpolation: Interpolation) -> float:
    """Return the area under a curve whose precision is replaced by the best at as much recall."""
    best = np.maximum.accumulate(curve.precision[::-1])[::-1]
    if interpolation == "all-point":
        return float(np.sum(np.diff(curve.recall, prepend=0) * best))
    # A recall of 3/5 reaches 0.6 in spite of rounding; 101 points are COCO's to the last bit.
    grid = np.linspace(0, 1, 11) - 1e-12 if interpolation == "11-point" else np.linspace(0, 1, 101)
    places = np.searchsorted(curve.recall, grid, side="left")
    return float(np.append(best, 0.0)[places].mean())


# --- Arguments ------------------------------------------------------------------------------------


def _checked(
    detections: Sequence[Detections], truths: Sequence[Truths]
) -> tuple[list[Detections], list[Truths]]:
    """Return both as arrays whose lengths agree."""
    if len(detections) != len(truths):
        raise ValueError(
            f"{len(detections)} images with detections need as many with truths, "
            f"not {len(truths)}; an image without any has empty ones."
        )
    made = []
    for number, (found, there) in enumerate(zip(detections, truths, strict=True)):
        ignore = np.zeros(len(there.labels)) if there.ignore is None else there.ignore
        made.append(
            (
                Detections(*_columns(number, found.boxes, found.masks, found.scores, found.labels)),
                Truths(*_columns(number, there.boxes, there.masks, there.labels, ignore)),
            )
        )
    found = [Detections(d.boxes, d.scores, d.labels.astype(np.int64), d.masks) for d, _ in made]
    there = [
        Truths(t.boxes, t.labels.astype(np.int64), t.ignore.astype(bool), t.masks) for _, t in made
    ]
    return found, there


def _columns(number: int, boxes: Any, masks: Any, *columns: Any) -> list[Any]:
    """Return the arrays of one image, masks last, once they agree."""
    corners = _array(boxes)
    arrays = [_array(column).reshape(-1) for column in columns]
    masks = None if masks is None else _array(masks).astype(bool)
    if corners.size == 0:
        corners = corners.reshape(0, 4)
    lengths = {len(corners), *map(len, arrays), *([] if masks is None else [len(masks)])}
    if len(lengths) > 1 or corners.ndim != 2 or corners.shape[1] != 4:
        raise ValueError(
            f"image {number}: boxes (K, 4), scores, labels and masks must agree, but boxes are "
            f"{corners.shape} and the others {[array.shape for array in arrays]}."
        )
    if not all(np.isfinite(array).all() for array in (corners, *arrays)):
        raise ValueError(f"image {number}: a box, score or label is NaN or infinite; drop it.")
    return [corners.astype(np.float64), *arrays, masks]


def _array(value: Any) -> np.ndarray:
    if hasattr(value, "detach"):
        value = value.detach().cpu()
    return np.asarray(value)
