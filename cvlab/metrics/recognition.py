"""How well does a recogniser do: confusion, rates, ROC and precision-recall curves.

Everything is exact and at most O(N log N). Scores that are equal stand on the same side of every
threshold, so the order of the samples never matters. ``positive`` says of each sample whether it
truly is of the class that is looked for (booleans, or numbers 0 and 1), and a higher score means
that the recogniser believes it more. Taught in the chapter on evaluation.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal, NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from cvlab import _arguments

__all__ = [
    "Curve",
    "Rates",
    "accuracy",
    "auc",
    "average_precision",
    "binary_rates",
    "confusion_matrix",
    "precision_recall_curve",
    "roc_auc",
    "roc_curve",
]


class Rates(NamedTuple):
    """What four counts say; a rate 0/0 is nan."""

    true_positive_rate: float  # TP / (TP + FN): recall, sensitivity
    true_negative_rate: float  # TN / (TN + FP): specificity
    positive_predictive_value: float  # TP / (TP + FP): precision
    negative_predictive_value: float  # TN / (TN + FN)
    false_positive_rate: float  # FP / (FP + TN): fall-out
    false_negative_rate: float  # FN / (FN + TP): miss rate
    false_discovery_rate: float  # FP / (FP + TP)
    false_omission_rate: float  # FN / (FN + TN)
    accuracy: float  # (TP + TN) / N
    error_rate: float  # (FP + FN) / N
    f1: float  # 2 TP / (2 TP + FP + FN), the harmonic mean of precision and recall


class Curve(NamedTuple):
    """An ROC curve; entry k holds for the threshold k, which counts scores >= it as positive."""

    false_positive_rate: np.ndarray  # (K,) from 0 to 1
    true_positive_rate: np.ndarray  # (K,) from 0 to 1
    thresholds: np.ndarray  # (K,) falling; the first is inf, the others the distinct scores


# --- Decisions ------------------------------------------------------------------------------------


def confusion_matrix(
    actual: ArrayLike, predicted: ArrayLike, classes: int | Sequence | np.ndarray | None = None
) -> np.ndarray:
    """Count how often each class is taken for each other.

    Args:
        actual: (N,) true labels, numbers or strings.
        predicted: (N,) labels that were given.
        classes: The C labels in the order of rows and columns; an integer C stands for 0 to C - 1.
            Without it, the sorted labels that occur.

    Returns:
        (C, C) int64: row = actual class, column = predicted class.

    Raises:
        ValueError: If the labels differ in number, are empty or not finite, if ``classes`` repeats
            a label, or if one occurs that it does not name.

    >>> confusion_matrix([0, 0, 1, 1, 1], [0, 1, 1, 1, 0])
    array([[1, 1],
           [1, 2]])
    """
    actual, predicted = _arguments.labels(actual, predicted)
    known = _arguments.classes(classes, actual, predicted)
    order = np.argsort(known, kind="stable")
    rows, columns = (_positions(labels, known[order], order) for labels in (actual, predicted))
    count = len(known)
    return np.bincount(rows * count + columns, minlength=count * count).reshape(count, count)


def accuracy(actual: ArrayLike, predicted: ArrayLike) -> float:
    """Share of the labels (N,) that were predicted right.

    Raises:
        ValueError: If the labels differ in number, are empty or not finite.

    >>> accuracy(["cat", "dog", "dog"], ["cat", "dog", "cat"])
    0.6666666666666666
    """
    actual, predicted = _arguments.labels(actual, predicted)
    return float(np.mean(actual == predicted))


def binary_rates(actual: ArrayLike, predicted: ArrayLike) -> Rates:
    """The rates of a yes-or-no decision; a rate whose denominator is 0 is nan.

    Args:
        actual: (N,) booleans, or numbers 0 and 1: what is true.
        predicted: (N,) the same: what was decided.

    Raises:
        ValueError: If they differ in number, are empty, or hold anything but 0 and 1.

    >>> rates = binary_rates([1, 1, 1, 0, 0], [1, 1, 0, 1, 0])
    >>> round(rates.true_positive_rate, 3), rates.false_positive_rate, rates.accuracy
    (0.667, 0.5, 0.6)
    """
    truth, decision = _arguments.decisions(actual, predicted)
    tp, tn = int(np.sum(truth & decision)), int(np.sum(~truth & ~decision))
    fp, fn = int(np.sum(~truth & decision)), int(np.sum(truth & ~decision))
    return Rates(
        true_positive_rate=_ratio(tp, tp + fn),
        true_negative_rate=_ratio(tn, tn + fp),
        positive_predictive_value=_ratio(tp, tp + fp),
        negative_predictive_value=_ratio(tn, tn + fn),
        false_positive_rate=_ratio(fp, fp + tn),
        false_negative_rate=_ratio(fn, fn + tp),
        false_discovery_rate=_ratio(fp, fp + tp),
        false_omission_rate=_ratio(fn, fn + tn),
        accuracy=_ratio(tp + tn, len(truth)),
        error_rate=_ratio(fp + fn, len(truth)),
        f1=_ratio(2 * tp, 2 * tp + fp + fn),
    )


# --- Scores ---------------------------------------------------------------------------------------


def roc_curve(positive: ArrayLike, scores: ArrayLike) -> Curve:
    """True against false positive rate over all thresholds; equal scores make one point.

    Args:
        positive: (N,) booleans, or numbers 0 and 1.
        scores: (N,) finite, higher for what is rather positive.

    Raises:
        ValueError: If the two differ in number or are empty, if a score is not finite, if
            ``positive`` holds anything but 0 and 1, or only one of them: a rate would be 0/0.

    >>> curve = roc_curve([0, 1, 0, 1], [0.1, 0.4, 0.4, 0.8])
    >>> curve.false_positive_rate.tolist(), curve.true_positive_rate.tolist()
    ([0.0, 0.0, 0.5, 1.0], [0.0, 0.5, 1.0, 1.0])
    >>> curve.thresholds.tolist()
    [inf, 0.8, 0.4, 0.1]
    """
    positive, scores = _arguments.scored(positive, scores, both=True)
    positives = int(positive.sum())
    hits, counts, thresholds = _cumulated(positive, scores)
    # The empty decision comes first: no score reaches an infinite threshold.
    hits, counts = np.concatenate([[0], hits]), np.concatenate([[0], counts])
    thresholds = np.concatenate([[np.inf], thresholds])
    return Curve((counts - hits) / (len(scores) - positives), hits / positives, thresholds)


def roc_auc(positive: ArrayLike, scores: ArrayLike) -> float:
    """Area under the ROC curve: how often a positive outranks a negative, a tie counting half.

    The arguments and errors are those of ``roc_curve``. Computed as that probability, the statistic
    of Mann and Whitney (1947), which equals the trapezoidal area.

    >>> roc_auc([0, 1, 0, 1], [0.1, 0.4, 0.4, 0.8])
    0.875
    """
    positive, scores = _arguments.scored(positive, scores, both=True)
    positives = int(positive.sum())
    ours, others = np.sort(scores[positive]), np.sort(scores[~positive])
    # Both sides of a tie: half the sum of those below and those not above. Searching the smaller
    # set's values in the larger is the same count seen from the other side.
    if len(ours) <= len(others):
        won = others.searchsorted(ours, "left").sum() + others.searchsorted(ours, "right").sum()
    else:
        lost = ours.searchsorted(others, "left").sum() + ours.searchsorted(others, "right").sum()
        won = 2 * len(ours) * len(others) - lost
    return int(won) / (2 * positives * (len(scores) - positives))


def auc(x: ArrayLike, y: ArrayLike) -> float:
    """Area under the polygon through points of rising or falling x, by the trapezoidal rule.

    Args:
        x: (K,) at least two, monotonic.
        y: (K,)

    Raises:
        ValueError: If the two differ in number, hold less than two points or something that is not
            finite, or if x turns round.

    >>> auc([0, 0.5, 1], [0, 1, 1])
    0.75
    """
    x, y = _arguments.numbers(x, "x"), _arguments.numbers(y, "y")
    if x.shape != y.shape or len(x) < 2:
        raise ValueError(f"x and y must be as many, at least two, not {len(x)} and {len(y)}.")
    steps = np.diff(x)
    if (steps < 0).any() and (steps > 0).any():
        raise ValueError("x must rise or fall throughout; sort the points first.")
    return abs(float(np.sum(steps * (y[1:] + y[:-1])) / 2))


def precision_recall_curve(
    positive: ArrayLike, scores: ArrayLike, *, total: int | None = None
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Precision and recall over all thresholds; equal scores make one point.

    Args:
        positive: (N,) booleans, or numbers 0 and 1.
        scores: (N,) finite, higher for what is rather positive.
        total: How many positives there are, where some got no score at all (objects that a detector
            missed); by default those in ``positive``.

    Returns:
        precision (K + 1,), recall (K + 1,) and thresholds (K,): the distinct scores, rising, as
        scikit-learn orders them. Entry k counts scores >= threshold k as positive; the last is the
        point (recall 0, precision 1), which has no threshold.

    Raises:
        ValueError: If the arrays differ in number, if they are empty and no ``total`` is given, if
            a score is not finite, if ``positive`` holds anything but 0 and 1, or if there is no
            positive: recall would be 0/0; or if ``total`` is less than the number of positives.

    >>> precision, recall, thresholds = precision_recall_curve([0, 1, 0, 1], [0.1, 0.4, 0.4, 0.8])
    >>> precision.round(2).tolist(), recall.tolist(), thresholds.tolist()
    ([0.5, 0.67, 1.0, 1.0], [1.0, 1.0, 0.5, 0.0], [0.1, 0.4, 0.8])
    """
    precision, recall, thresholds = _precision_recall(positive, scores, total)
    return np.append(precision[::-1], 1.0), np.append(recall[::-1], 0.0), thresholds[::-1]


def average_precision(
    positive: ArrayLike,
    scores: ArrayLike,
    *,
    interpolated: Literal[False, "11-point", "all-point"] = False,
    total: int | None = None,
) -> float:
    """Summarise the precision-recall curve in one number between 0 and 1.

    Args:
        positive: (N,) booleans, or numbers 0 and 1.
        scores: (N,) finite, higher for what is rather positive.
        interpolated: False sums precision times the step in recall, as scikit-learn does.
            Otherwise precision at recall r is the best precision at any recall >= r, and its mean
            is taken over r = 0, 0.1, ..., 1 ("11-point": Pascal VOC until 2009) or over all r
            ("all-point": VOC from 2010). See Everingham et al., IJCV 111, 2015.
        total: As in ``precision_recall_curve``.

    Raises:
        ValueError: As ``precision_recall_curve``, or for another ``interpolated``.

    >>> round(average_precision([1, 0, 1, 0], [0.9, 0.8, 0.7, 0.6]), 3)
    0.833
    >>> round(average_precision([1, 0, 1, 0], [0.9, 0.8, 0.7, 0.6], interpolated="11-point"), 3)
    0.848
    """
    if interpolated not in (False, "11-point", "all-point"):
        raise ValueError(
            f'interpolated must be False, "11-point" or "all-point", not {interpolated!r}.'
        )
    precision, recall, _ = _precision_recall(positive, scores, total)
    if interpolated:
        precision = np.maximum.accumulate(precision[::-1])[::-1]
    if interpolated == "11-point":
        # The margin is for rounding: a recall of three tenths reaches 0.3.
        first = np.searchsorted(recall, np.arange(11) / 10 - 1e-12)
        return float(np.append(precision, 0.0)[first].mean())
    return float(np.sum(np.diff(recall, prepend=0.0) * precision))


# --- Counting -------------------------------------------------------------------------------------


def _positions(labels: np.ndarray, ranked: np.ndarray, order: np.ndarray) -> np.ndarray:
    """The place of each label among the classes, which are ``ranked`` once sorted by ``order``."""
    place = np.minimum(ranked.searchsorted(labels), len(ranked) - 1)
    unknown = ranked[place] != labels
    if unknown.any():
        raise ValueError(f"The label {labels[unknown][0]} is not among the classes.")
    return order[place]


def _cumulated(
    positive: np.ndarray, scores: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Positives and samples that reach each distinct score, and these scores, falling.

    Sorting values is several times as fast as sorting indices, so the positives are sorted apart
    and found again, instead of carried along.
    """
    ranked, ours = np.sort(scores), np.sort(scores[positive])
    first = np.concatenate([[True], ranked[1:] != ranked[:-1]]).nonzero()[0]
    thresholds = ranked[first]
    hits = len(ours) - ours.searchsorted(thresholds)
    return hits[::-1], (len(ranked) - first)[::-1], thresholds[::-1]


def _precision_recall(
    positive: ArrayLike, scores: ArrayLike, total: int | None
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Precision, recall and thresholds, from the highest threshold to the lowest."""
    # A detector that found nothing has no scores, and misses every object there is.
    nothing = total is not None and np.size(positive) == np.size(scores) == 0
    positive, scores = (
        (np.zeros(0, bool), np.zeros(0)) if nothing else _arguments.scored(positive, scores)
    )
    total = _arguments.total(total, int(positive.sum()))
    if nothing:
        return scores, scores, scores
    hits, counts, thresholds = _cumulated(positive, scores)
    return hits / counts, hits / total, thresholds


def _ratio(part: int, whole: int) -> float:
    return part / whole if whole else float("nan")
