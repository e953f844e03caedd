"""Codebooks by k-means, taught in the chapter on visual words."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from cvlab.features import _arguments

_BLOCK = 1024  # rows whose distances to all centres stay in the processor's cache


class KMeans(NamedTuple):
    """What ``kmeans`` found."""

    centres: np.ndarray
    """(k, D), float64, or float32 if the points are."""
    labels: np.ndarray
    """(N,) the index of each point's nearest centre."""
    inertia: float
    """Sum of the squared distances from the points to their centres."""
    history: tuple[float, ...]
    """The inertia of each assignment, from first to last; but for rounding it never rises."""
    iterations: int
    """How many times the centres were moved."""


def kmeans(
    points: np.ndarray,
    k: int,
    *,
    seed: int = 0,
    init: str | np.ndarray = "k-means++",
    iterations: int = 100,
    tolerance: float = 1e-6,
    restarts: int = 1,
) -> KMeans:
    """Cluster points by Lloyd's algorithm: assign to the nearest centre, move centres to the mean.

    Taught in the chapter on visual words. Sources: S. Lloyd, "Least squares quantization in PCM",
    IEEE Transactions on Information Theory 28 (2), 1982; D. Arthur and S. Vassilvitskii,
    "k-means++: the advantages of careful seeding", SODA 2007.

    Args:
        points: (N, D), N at least ``k``.
        k: number of clusters.
        seed: of the first centres.
        init: "k-means++" draws points far from each other, "random" draws points uniformly, an
            array (k, D) is taken as it is.
        iterations: the most times that the centres move.
        tolerance: stop when the squared moves of the centres add up to no more than this times the
            mean variance of the coordinates; 0 waits until nothing moves.
        restarts: runs from other first centres, of which the one with the lowest inertia is kept;
            an array as ``init`` needs only one.

    Returns:
        A ``KMeans``. A cluster that loses all its points takes the one farthest from its centre.

    Raises:
        TypeError: if the points are no real numbers, or a count is not an integer.
        ValueError: for NaN, another shape, more clusters than points, or an unknown ``init``.

    >>> found = kmeans(np.array([[0.0], [1.0], [10.0], [12.0]]), 2)
    >>> np.sort(found.centres.ravel()), found.inertia
    (array([ 0.5, 11. ]), 2.5)
    """
    points = _arguments.points(points)
    k = _arguments.integer(k, "k", 1)
    if k > len(points):
        raise ValueError(f"k must not exceed the number of points, {len(points)}, but is {k}.")
    iterations = _arguments.integer(iterations, "iterations", 1)
    tolerance = _arguments.number(tolerance, "tolerance")
    restarts = _arguments.integer(restarts, "restarts", 1)
    rng = np.random.default_rng(_arguments.integer(seed, "seed", 0))
    mean = points.mean(axis=0, dtype=float).astype(points.dtype)
    points = points - mean  # small numbers: their squares cancel less
    enough = tolerance * float(points.var(axis=0, dtype=float).mean())
    best = None
    for _ in range(restarts if isinstance(init, str) else 1):
        start = _first_centres(points, mean, k, init, rng)
        centres, labels, history = _lloyd(points, start, iterations, enough)
        inertia = float(_squared_distances(points, centres, labels).sum(dtype=float))
        if best is None or inertia < best.inertia:
            history = (*history, inertia)
            best = KMeans(centres + mean, labels, inertia, history, len(history) - 1)
    return best


def nearest_centre(points: np.ndarray, centres: np.ndarray) -> np.ndarray:
    """Return the index of each point's nearest centre; of equal ones the first.

    Taught in the chapter on visual words, where a centre is a visual word.

    Args:
        points: (N, D); N may be 0.
        centres: (k, D).

    Returns:
        (N,) integers.

    Raises:
        TypeError: if one of them does not hold real numbers.
        ValueError: for NaN, another shape or no centre.

    >>> nearest_centre([[1.0, 0.0], [9.0, 9.0]], [[0.0, 0.0], [10.0, 10.0]])
    array([0, 1])
    """
    centres = _arguments.points(centres, "centres")
    points = _arguments.descriptors(points, centres.shape[1], "points")
    kind = np.result_type(points, centres)
    middle = centres.mean(axis=0, dtype=float).astype(kind)
    return _nearest(_augmented((points - middle).astype(kind)), (centres - middle).astype(kind))


def _augmented(points: np.ndarray) -> np.ndarray:
    """Append a one to each point: (N, D + 1)."""
    return np.concatenate([points, np.ones((len(points), 1), points.dtype)], axis=1)


def _nearest(augmented: np.ndarray, centres: np.ndarray) -> np.ndarray:
    # |x - c|^2 = |x|^2 - 2 x c + |c|^2, and |x|^2 is the same for every centre. The rest is one
    # matrix product, to which the ones add |c|^2.
    squares = np.einsum("ij,ij->i", centres, centres)
    weights = np.concatenate([-2 * centres.T, squares[None]])
    labels = np.empty(len(augmented), np.intp)
    distances = np.empty((_BLOCK, len(centres)), augmented.dtype)
    for start in range(0, len(augmented), _BLOCK):
        block = augmented[start : start + _BLOCK]
        np.matmul(block, weights, out=distances[: len(block)])
        distances[: len(block)].argmin(axis=1, out=labels[start : start + _BLOCK])
    return labels


def _squared_distances(points: np.ndarray, centres: np.ndarray, labels: np.ndarray) -> np.ndarray:
    away = points - centres[labels]
    return np.einsum("ij,ij->i", away, away)


def _first_centres(
    points: np.ndarray, mean: np.ndarray, k: int, init: str | np.ndarray, rng: np.random.Generator
) -> np.ndarray:
    if isinstance(init, str):
        if init not in ("k-means++", "random"):
            raise ValueError(f"init must be 'k-means++', 'random' or an array, not {init!r}.")
        if init == "random":
            return points[rng.choice(len(points), k, replace=False)]
        return _far_apart(points, k, rng)
    start = _arguments.points(init, "init")
    if start.shape != (k, points.shape[1]):
        raise ValueError(f"init must have shape {(k, points.shape[1])}, not {start.shape}.")
    return (start - mean).astype(points.dtype)


def _far_apart(points: np.ndarray, k: int, rng: np.random.Generator) -> np.ndarray:
    """Draw k points, each with a chance that grows with its squared distance to the others."""
    lengths = np.einsum("ij,ij->i", points, points)
    nearest = np.full(len(points), np.inf)
    chosen = [int(rng.integers(len(points)))]
    while len(chosen) < k:
        last = points[chosen[-1]]
        distances = lengths - 2 * (points @ last) + last @ last
        distances[chosen[-1]] = 0
        np.minimum(nearest, np.maximum(distances, 0), out=nearest)
        chances = np.cumsum(nearest)
        place = np.searchsorted(chances, rng.random() * chances[-1], side="right")
        chosen.append(min(int(place), len(points) - 1))  # where all lie on a centre, any will do
    return points[chosen]


def _lloyd(
    points: np.ndarray, centres: np.ndarray, iterations: int, enough: float
) -> tuple[np.ndarray, np.ndarray, list[float]]:
    """Move centres until their squared moves add up to ``enough``.

    Return them, the labels, and the inertia of each assignment before the last.
    """
    augmented = _augmented(points)
    labels = _nearest(augmented, centres)
    sums, counts = cluster_sums(points, labels, len(centres))
    total = float(np.einsum("ij,ij->", points, points, dtype=float))
    history = []
    for _ in range(iterations):
        exact = centres.astype(float)
        # The same expansion, summed over the clusters.
        squares = counts @ np.einsum("ij,ij->i", exact, exact)
        history.append(max(total - 2 * float((sums * exact).sum()) + float(squares), 0.0))
        if not counts.all():
            _fill(points, centres, labels, sums, counts)
        centres = (sums / counts[:, None]).astype(points.dtype)
        found = _nearest(augmented, centres)
        moved = np.flatnonzero(found != labels)
        if 2 * len(moved) > len(points):
            sums, counts = cluster_sums(points, found, len(centres))
        else:  # late in a run few points change sides: only these leave one sum for another
            for side, sign in ((labels, -1), (found, 1)):
                part, number = cluster_sums(points[moved], side[moved], len(centres))
                sums += sign * part
                counts += sign * number
        labels = found
        if float(((centres - exact) ** 2).sum()) <= enough:
            break
    return centres, labels, history


def cluster_sums(points: np.ndarray, labels: np.ndarray, k: int) -> tuple[np.ndarray, np.ndarray]:
    """Add up the points of each cluster; the arguments have been checked.

    Args:
        points: (N, D).
        labels: (N,) integers below ``k``, the cluster of each point.
        k: number of clusters.

    Returns:
        The sums (k, D) float64, zeros for a cluster without points, and the numbers of points (k,).

    >>> cluster_sums(np.array([[1.0], [2.0], [4.0]]), np.array([0, 2, 0]), 3)[0]
    array([[5.],
           [0.],
           [2.]])
    """
    counts = np.bincount(labels, minlength=k)
    # NumPy sorts short integers by their digits, in linear time.
    ordered = points[np.argsort(labels.astype(np.min_scalar_type(k)), kind="stable")]
    ends = np.cumsum(counts)
    sums = np.zeros((k, points.shape[1]))
    for label in np.flatnonzero(counts):
        part = ordered[ends[label] - counts[label] : ends[label]]
        np.einsum("ij->j", part, dtype=float, out=sums[label])
    return sums, counts


def _fill(
    points: np.ndarray,
    centres: np.ndarray,
    labels: np.ndarray,
    sums: np.ndarray,
    counts: np.ndarray,
) -> None:
    """Give each empty cluster the point farthest from its centre."""
    distances = _squared_distances(points, centres, labels)
    for label in np.flatnonzero(counts == 0):
        # A cluster of one point keeps it: it would be the next empty one.
        point = int(np.where(counts[labels] > 1, distances, -1).argmax())
        sums[labels[point]] -= points[point]
        counts[labels[point]] -= 1
        sums[label], counts[label], labels[point] = points[point], 1, label
