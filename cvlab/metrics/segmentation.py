"""How well are all pixels labelled: IoU and its kin, boundaries, and things and stuff in one score.

Labels are whole numbers. Predictions come first, then what is true; counts of all images are
pooled before any ratio is taken. Taught in chapters 18 to 20.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from cvlab import _arguments

__all__ = [
    "PanopticScores",
    "SegmentationScores",
    "boundary_f",
    "panoptic_quality",
    "pixel_confusion",
    "segmentation_scores",
]


class SegmentationScores(NamedTuple):
    """What one confusion matrix says of a labelling; nan where there is nothing to score."""

    pixel: float  # share of the pixels that are right
    mean: float  # mean over the classes that truly occur of their share that is right
    iou: np.ndarray  # (C,) TP / (TP + FP + FN); nan for a class in neither labelling
    miou: float  # mean of those that are not nan
    fwiou: float  # mean of them by how often each class truly occurs


class PanopticScores(NamedTuple):
    """Panoptic quality, mean over the classes that occur; nan where none does."""

    pq: float  # sum of the IoU of matches / (TP + FP / 2 + FN / 2)
    sq: float  # mean IoU of the matches; 0 for a class without any
    rq: float  # TP / (TP + FP / 2 + FN / 2)
    by_class: dict[int, tuple[float, float, float]]  # pq, sq, rq of each class


# --- Pixels ---------------------------------------------------------------------------------------


def pixel_confusion(
    predicted: ArrayLike, actual: ArrayLike, classes: int, ignore: int | None = None
) -> np.ndarray:
    """Count how many pixels of each class are labelled as each other.

    Args:
        predicted: labels of any shape, 0 to ``classes`` - 1.
        actual: the true labels, of the same shape.
        classes: their number C.
        ignore: a true label whose pixels do not count, whatever is predicted there.

    Returns:
        (C, C) int64: row = actual class, column = predicted class. Sum it over batches.

    Raises:
        TypeError: if labels or ``classes`` are not whole numbers.
        ValueError: if the shapes differ, or a label that counts is none of the classes.

    >>> pixel_confusion([[0, 1], [1, 1]], [[0, 0], [1, 255]], classes=2, ignore=255)
    array([[1, 1],
           [0, 1]])
    """
    _arguments.integer(classes, "classes", 1)
    predicted, actual = _pair(predicted, actual)
    if ignore is not None:
        counts = actual != ignore
        predicted, actual = predicted[counts], actual[counts]
    predicted, actual = predicted.ravel(), actual.ravel()
    for name, labels in (("predicted", predicted), ("actual", actual)):
        if labels.size and (labels.min() < 0 or labels.max() >= classes):
            raise ValueError(
                f"{name} holds the label {labels.min() if labels.min() < 0 else labels.max()}, "
                f"which is none of the classes 0 to {classes - 1}."
            )
    codes = actual.astype(np.int64) * classes + predicted.astype(np.int64)
    return np.bincount(codes, minlength=classes * classes).reshape(classes, classes)


def segmentation_scores(confusion: ArrayLike) -> SegmentationScores:
    """Return pixel accuracy, mean accuracy, IoU, mean IoU and frequency-weighted IoU.

    A class that occurs in neither labelling has no IoU and is left out of the means. One that is
    predicted without occurring has an IoU of 0 and no accuracy.

    Args:
        confusion: (C, C) counts, row = actual class, column = predicted class.

    Raises:
        TypeError: if the counts are no numbers.
        ValueError: if they are not square, not finite or negative.

    Source: Long, Shelhamer and Darrell, Fully Convolutional Networks, CVPR 2015.

    >>> scores = segmentation_scores([[3, 1, 0], [0, 4, 0], [0, 0, 0]])
    >>> scores.iou, scores.pixel, scores.miou
    (array([0.75, 0.8 ,  nan]), 0.875, 0.775)
    """
    counts = np.asarray(_arguments.real(confusion, "confusion"), np.float64)
    if counts.ndim != 2 or counts.shape[0] != counts.shape[1]:
        raise ValueError(f"confusion must have shape (C, C), not {counts.shape}.")
    if (counts < 0).any():
        raise ValueError("confusion counts pixels; it must not be negative.")
    right, rows, columns = np.diag(counts), counts.sum(1), counts.sum(0)
    iou = _ratio(right, rows + columns - right)
    return SegmentationScores(
        pixel=float(_ratio(right.sum(), rows.sum())),
        mean=_mean(_ratio(right, rows)),
        iou=iou,
        miou=_mean(iou),
        fwiou=float(_ratio(np.nansum(rows * iou), rows.sum())),
    )


def boundary_f(predicted: ArrayLike, actual: ArrayLike, tolerance: float = 1) -> float:
    """Return the F measure of boundaries: do two labellings change in the same places?

    A pixel is on a boundary if the pixel above, below, left or right of it has another label.
    Precision is the share of the predicted boundary within ``tolerance`` of the true one, recall
    the share of the true boundary within ``tolerance`` of the predicted one; F is their harmonic
    mean. Which classes meet at a boundary does not matter.

    Args:
        predicted: (N, H, W) labels, or (H, W).
        actual: the true ones, of the same shape.
        tolerance: Euclidean distance in pixels between centres, at least 0.

    Returns:
        F in [0, 1]; 0 if only one side has boundaries, nan if neither has.

    Raises:
        TypeError: if labels are not whole numbers, or ``tolerance`` is no number.
        ValueError: if the shapes differ or are none of images, or ``tolerance`` is negative.

    Source: Martin, Fowlkes and Malik, Learning to Detect Natural Image Boundaries, PAMI 2004, who
    match boundaries one to one; here a pixel may serve several, as in Perazzi et al., CVPR 2016.

    >>> step = np.repeat([[0, 0, 0, 1, 1, 1]], 4, axis=0)
    >>> late = np.repeat([[0, 0, 0, 0, 0, 1]], 4, axis=0)
    >>> boundary_f(late, step, tolerance=1), boundary_f(late, step, tolerance=2)
    (0.5, 1.0)
    """
    tolerance = _arguments.number(tolerance, "tolerance")
    predicted, actual = _pair(predicted, actual)
    if actual.ndim not in (2, 3):
        raise ValueError(f"labels must have shape (N, H, W) or (H, W), not {actual.shape}.")
    shape = (-1, *actual.shape[-2:]) if actual.size else (0, 1, 1)
    ours, theirs = _boundary(predicted.reshape(shape)), _boundary(actual.reshape(shape))
    if not ours.any() and not theirs.any():
        return float("nan")
    precision = float(_ratio((ours & _widened(theirs, tolerance)).sum(), ours.sum()))
    recall = float(_ratio((theirs & _widened(ours, tolerance)).sum(), theirs.sum()))
    both = precision + recall
    return 2 * precision * recall / both if both > 0 else 0.0


def _boundary(labels: np.ndarray) -> np.ndarray:
    """Return which pixels (N, H, W) differ from one of their four neighbours."""
    edge = np.zeros(labels.shape, bool)
    down, right = labels[:, 1:] != labels[:, :-1], labels[:, :, 1:] != labels[:, :, :-1]
    edge[:, 1:] |= down
    edge[:, :-1] |= down
    edge[:, :, 1:] |= right
    edge[:, :, :-1] |= right
    return edge


def _widened(mask: np.ndarray, radius: float) -> np.ndarray:
    """Return the pixels (N, H, W) within a radius of one of the mask."""
    height, width = mask.shape[1:]
    down, right = min(int(radius), height - 1), min(int(radius), width - 1)
    padded = np.pad(mask, ((0, 0), (down, down), (right, right)))
    wide = np.zeros_like(mask)
    for y in range(-down, down + 1):
        for x in range(-right, right + 1):
            if y * y + x * x <= radius * radius:
                top, left = down + y, right + x
                wide |= padded[:, top : top + height, left : left + width]
    return wide


# --- Segments -------------------------------------------------------------------------------------


def panoptic_quality(
    predicted: ArrayLike, actual: ArrayLike, *, stuff: Sequence[int] = (), void: int | None = None
) -> PanopticScores:
    """Return how well all pixels are divided into segments, each of a class.

    Each pair of class and instance is a segment. A predicted and a true segment of one image and
    class match if their IoU is above one half, so none can match two. Pixels that are truly void
    count in no union, and an unmatched prediction that is void for more than half is no error.

    Args:
        predicted: (N, H, W, 2) or (H, W, 2), the class and the instance of each pixel.
        actual: the true ones, of the same shape.
        stuff: classes without instances: all their pixels in an image are one segment.
        void: the class of pixels without a label; pixels predicted so belong to no segment.

    Returns:
        Quality, and its factors of segmentation and of recognition: for each class pq = sq rq,
        but the means over the classes need not be.

    Raises:
        TypeError: if labels are not whole numbers.
        ValueError: if the shapes differ, or are none of images of pairs.

    Source: Kirillov, He, Girshick, Rother and Dollar, Panoptic Segmentation, CVPR 2019.

    >>> actual = np.zeros((1, 2, 4, 2), int)
    >>> actual[0, :, 2:] = (1, 1)  # a thing on stuff of class 0
    >>> predicted = actual.copy()
    >>> predicted[0, 0, 2] = (0, 0)
    >>> scores = panoptic_quality(predicted, actual, stuff=[0])
    >>> scores.by_class[0], scores.by_class[1]
    ((0.8, 0.8, 1.0), (0.75, 0.75, 1.0))
    """
    predicted, actual = _pair(predicted, actual)
    if actual.ndim not in (3, 4) or actual.shape[-1] != 2:
        raise ValueError(f"segments must have shape (N, H, W, 2) or (H, W, 2), not {actual.shape}.")
    if actual.ndim == 3:
        predicted, actual = predicted[None], actual[None]
    counts: dict[int, np.ndarray] = {}  # sum of IoU, TP, FP, FN of each class
    for ours, theirs in zip(predicted, actual, strict=True):
        for label, found in _matched(ours, theirs, stuff, void):
            counts[label] = counts.get(label, np.zeros(4)) + found
    by_class = {label: _qualities(*counts[label]) for label in sorted(counts)}
    means = np.array(list(by_class.values())).mean(0) if by_class else np.full(3, np.nan)
    return PanopticScores(*map(float, means), by_class)


def _qualities(overlap: float, right: float, extra: float, missed: float):
    """Return pq, sq and rq of one class from its sum of IoU and its counts."""
    of = right + extra / 2 + missed / 2
    return float(overlap / of), float(overlap / right) if right else 0.0, float(right / of)


def _matched(ours: np.ndarray, theirs: np.ndarray, stuff: Sequence[int], void: int | None):
    """Iterate over (class, [sum of IoU, TP, FP, FN]) of the segments of one image."""
    own, mine, own_place = _segments(ours, stuff)
    real, there, real_place = _segments(theirs, stuff)
    both = np.zeros((len(own), len(real)))  # pixels in common
    np.add.at(both, (own_place, real_place), 1)
    is_void = np.zeros(len(real), bool) if void is None else real[:, 0] == void
    in_void = both[:, is_void].sum(1)
    union = (mine - in_void)[:, None] + there - both
    same = (own[:, None, 0] == real[None, :, 0]) & ~is_void
    if void is not None:
        same &= own[:, None, 0] != void
    iou = np.where(same, both / np.maximum(union, 1), 0)
    match = iou > 0.5
    for a, label in enumerate(own[:, 0].tolist()):
        if match[a].any():
            yield label, np.array([iou[a][match[a]].sum(), 1, 0, 0])
        elif label != void and in_void[a] <= mine[a] / 2:
            yield label, np.array([0, 0, 1, 0])
    for b, label in enumerate(real[:, 0].tolist()):
        if label != void and not match[:, b].any():
            yield label, np.array([0, 0, 0, 1])


def _segments(pairs: np.ndarray, stuff: Sequence[int]) -> tuple[np.ndarray, ...]:
    """Return segments (S, 2), their pixels (S,), and which of them each pixel is in (H * W,)."""
    flat = pairs.reshape(-1, 2).astype(np.int64)
    flat[np.isin(flat[:, 0], list(stuff)), 1] = 0
    found, places, sizes = np.unique(flat, axis=0, return_inverse=True, return_counts=True)
    return found, sizes, places.reshape(-1)


# --- Arguments ------------------------------------------------------------------------------------


def _pair(predicted: ArrayLike, actual: ArrayLike) -> tuple[np.ndarray, np.ndarray]:
    """Return two arrays of whole numbers that have one shape."""
    pair = np.asarray(predicted), np.asarray(actual)
    for name, labels in zip(("predicted", "actual"), pair, strict=True):
        if labels.dtype.kind not in "biu" and labels.size:
            raise TypeError(f"{name} must hold whole numbers as labels, not {labels.dtype}.")
    if pair[0].shape != pair[1].shape:
        raise ValueError(
            f"predicted has shape {pair[0].shape} and actual {pair[1].shape}; they must agree."
        )
    return pair


def _ratio(part: np.ndarray, whole: np.ndarray) -> np.ndarray:
    """Return part / whole, nan where the whole is 0."""
    part, whole = np.asarray(part, float), np.asarray(whole, float)
    return np.divide(part, whole, out=np.full(whole.shape, np.nan), where=whole > 0)


def _mean(values: np.ndarray) -> float:
    """Return the mean of those that are not nan, nan if there is none."""
    known = values[~np.isnan(values)]
    return float(known.mean()) if known.size else float("nan")
