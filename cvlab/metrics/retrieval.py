"""How well does a search rank: CMC, mean average precision, NDCG, and TAR at a FAR for pairs.

A row belongs to one query, a column to one image of the gallery. What is *junk* for a query leaves
its ranking, as if it were not in the gallery. Equal distances never help: the order of the gallery
does not matter. Taught in the chapters ``metric_learning``, ``retrieval`` and ``person_search``.

Examples:
    >>> relevant = [[True, False, False, True]]
    >>> retrieval_map([[0.1, 0.2, 0.3, 0.4]], relevant).tolist()
    [0.75]
    >>> retrieval_map([[0.1, 0.2, 0.3, 0.4]], relevant, junk=[[False, True, True, False]]).tolist()
    [1.0]
"""

from __future__ import annotations

from typing import Any

import numpy as np

from cvlab import _arguments
from cvlab.metrics.recognition import average_precision, roc_curve

__all__ = ["cmc", "ndcg", "retrieval_map", "tar_at_far"]


def cmc(
    distances: Any,
    query_id: Any,
    gallery_id: Any,
    query_camera: Any = None,
    gallery_camera: Any = None,
    junk: Any = None,
    ranks: int = 10,
) -> np.ndarray:
    """Return the share of the queries that find themselves among the first 1, 2, ..., ``ranks``.

    The rank of a query is 1 plus the number of wrong images that are at most as far as its nearest
    right one. Images of the query's identity from the query's own camera are junk: they would be
    too easy. Queries without a right image do not count.

    Args:
        distances: (Q, G) finite, small for what looks alike.
        query_id: (Q,) identities, numbers or strings.
        gallery_id: (G,) the same.
        query_camera: (Q,) cameras, numbers or strings; None, with the next, for no camera rule.
        gallery_camera: (G,) the same.
        junk: (G,) or (Q, G) bool, further images that leave the ranking; none if None.
        ranks: How many places to report, at least 1; there may be fewer images.

    Returns:
        (ranks,) float64, rising, in [0, 1]; nan if no query counts.

    Raises:
        TypeError: For distances that are no numbers, or junk that is not bool.
        ValueError: For other shapes, distances that are not finite, or cameras on one side only.

    Source: chapter ``person_search``; Market-1501's protocol (Zheng et al., ICCV 2015).

    Examples:
        >>> cmc([[0.1, 0.2, 0.3]], [7], [7, 8, 7], ["a"], ["a", "a", "b"], ranks=3).tolist()
        [0.0, 1.0, 1.0]
    """
    far = _distances(distances)
    if (query_camera is None) != (gallery_camera is None):
        raise ValueError("Give the cameras of queries and gallery, or of neither.")
    ranks = _arguments.integer(ranks, "ranks", 1)
    out = _flags(junk, "junk", far.shape)
    right = _equal(query_id, gallery_id, "id", far.shape)
    if query_camera is not None:
        out = out | (right & _equal(query_camera, gallery_camera, "camera", far.shape))
    nearest = np.where(right & ~out, far, np.inf).min(1, initial=np.inf)  # (Q,)
    ahead = (~right & ~out & (far <= nearest[:, None])).sum(1)  # (Q,)
    rank = 1 + ahead[np.isfinite(nearest)]
    if not len(rank):
        return np.full(ranks, np.nan)
    return (rank[:, None] <= np.arange(1, ranks + 1)).mean(0)


def retrieval_map(distances: Any, relevant: Any, junk: Any = None) -> np.ndarray:
    """Return each query's average precision; its mean is the mAP.

    The precision is taken at each relevant image's place and averaged over all of them, found early
    or late. Images at one distance share their last place.

    Args:
        distances: (Q, G) finite, small for what looks alike.
        relevant: (Q, G) bool, or (G,) for all queries.
        junk: (Q, G) or (G,) bool, images that leave the ranking, relevant or not; none if None.

    Returns:
        (Q,) float64 in [0, 1], nan for a query with nothing relevant: take the mean by
        ``np.nanmean``.

    Raises:
        TypeError: For distances that are no numbers, or flags that are not bool.
        ValueError: For other shapes or distances that are not finite.

    Source: chapters ``retrieval`` and ``person_search``; Philbin et al. (CVPR 2007) with the sum
    over places instead of the trapezoids.

    Examples:
        >>> retrieval_map([[1, 2], [2, 1], [1, 1]], [True, False]).tolist()
        [1.0, 0.5, 0.5]
    """
    far = _distances(distances)
    if relevant is None:
        raise TypeError("relevant must be bool, (Q, G) or (G,), not None.")
    wanted = _flags(relevant, "relevant", far.shape)
    kept = ~_flags(junk, "junk", far.shape)
    result = np.full(len(far), np.nan)
    for i in (wanted & kept).any(1).nonzero()[0]:
        result[i] = average_precision(wanted[i, kept[i]], -far[i, kept[i]])
    return result


def ndcg(relevance: Any, scores: Any, k: int | None = None) -> np.ndarray:
    """Return each query's normalised discounted cumulative gain.

    The image at place r, counted from 1, adds its relevance divided by log2(r + 1); the sum is
    divided by what the best order would reach. Images of one score share their mean gain.

    Args:
        relevance: (Q, G) finite and not negative: how much each image is worth to each query.
        scores: (Q, G) finite, *high* for what is ranked first.
        k: Only the first so many places count, at least 1; all if None.

    Returns:
        (Q,) float64 in [0, 1], nan for a query to which nothing is relevant.

    Raises:
        TypeError: For arrays that are no numbers.
        ValueError: For other shapes, or values that are negative or not finite.

    Source: chapter ``person_search``; Jarvelin and Kekalainen (2002). Ties as in McSherry and
    Najork (2008), and as scikit-learn's ``ndcg_score``.

    Examples:
        >>> ndcg([[3, 2, 0], [3, 2, 0]], [[0.9, 0.5, 0.1], [0.1, 0.5, 0.9]]).round(3).tolist()
        [1.0, 0.648]
    """
    gain, said = _distances(relevance, "relevance"), _distances(scores, "scores")
    if gain.shape != said.shape:
        raise ValueError(f"relevance and scores must be alike, not {gain.shape} and {said.shape}.")
    if (gain < 0).any():
        raise ValueError("relevance must not be negative.")
    places = gain.shape[1] if k is None else _arguments.integer(k, "k", 1)
    weight = 1 / np.log2(np.arange(gain.shape[1]) + 2.0)  # (G,)
    weight[places:] = 0
    best = np.sort(gain, 1)[:, ::-1] @ weight
    result = np.full(len(gain), np.nan)
    for i in (best > 0).nonzero()[0]:
        _, group, count = np.unique(-said[i], return_inverse=True, return_counts=True)
        last = count.cumsum()
        mean = np.diff(np.append(0.0, weight.cumsum())[np.append(0, last)]) / count
        result[i] = gain[i] @ mean[group.ravel()] / best[i]
    return result


def tar_at_far(positive: Any, scores: Any, far: Any = 0.01) -> Any:
    """Return the true accept rate at the best threshold whose false accept rate is at most ``far``.

    No point is interpolated: with fewer than 1 / far negative pairs, a single wrong pair is too
    many.

    Args:
        positive: (N,) bool, or 0 and 1: is this a pair of one identity?
        scores: (N,) finite, *high* for pairs that are accepted first (not distances).
        far: The false accept rate allowed, in [0, 1]: one number or (K,).

    Returns:
        float, or (K,) float64 for several rates; 0 where even the highest score accepts too many.

    Raises:
        TypeError: For rates that are no numbers.
        ValueError: As ``roc_curve``, or for a rate outside [0, 1].

    Source: chapter ``metric_learning``; the verification rate of LFW and IJB.

    Examples:
        >>> tar_at_far([1, 1, 0, 1, 0], [0.9, 0.8, 0.7, 0.6, 0.5], [0, 0.5]).round(3).tolist()
        [0.667, 1.0]
    """
    allowed = _arguments.real(far, "far").astype(np.float64)
    if allowed.ndim > 1 or (allowed < 0).any() or (allowed > 1).any():
        raise ValueError("far must be one number or (K,) numbers in [0, 1].")
    false, true, _ = roc_curve(positive, scores)
    rates = true[false.searchsorted(allowed, "right") - 1]
    return rates if allowed.ndim else float(rates)


# --- What they share ------------------------------------------------------------------------------


def _distances(value: Any, name: str = "distances") -> np.ndarray:
    array = _arguments.real(value, name).astype(np.float64)
    if array.ndim != 2:
        raise ValueError(f"{name} must be (Q, G), queries times gallery, not {array.shape}.")
    return array


def _flags(value: Any, name: str, shape: tuple[int, int]) -> np.ndarray:
    """Return (Q, G) bool; all False for None."""
    flags = np.asarray(False if value is None else value)
    if flags.dtype != bool:
        raise TypeError(f"{name} must be bool, not {flags.dtype}.")
    if value is not None and flags.shape not in (shape, shape[1:]):
        raise ValueError(f"{name} must be {shape} or {shape[1:]}, not {flags.shape}.")
    return np.broadcast_to(flags, shape)


def _equal(queries: Any, gallery: Any, what: str, shape: tuple[int, int]) -> np.ndarray:
    """Return (Q, G) bool: which labels agree."""
    rows, columns = np.asarray(queries), np.asarray(gallery)
    for labels, side, n in ((rows, "query", shape[0]), (columns, "gallery", shape[1])):
        if labels.shape != (n,):
            raise ValueError(
                f"{side}_{what} must be ({n},), one per row of it, not {labels.shape}."
            )
    if (rows.dtype.kind in "US") != (columns.dtype.kind in "US"):
        raise TypeError(f"query_{what} and gallery_{what} must both be numbers or both strings.")
    return rows[:, None] == columns[None, :]
