"""Two cameras that look at one scene: fundamental and essential matrix, pose, points in space.

The first image's points are ``a``, the second's ``b``; a point X in the first camera's coordinates
is R X + t in the second's. Two images alone leave the unit of length open: t has length 1.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from cvlab.geometry import _arguments
from cvlab.geometry.planes import normalising

__all__ = [
    "RelativePose",
    "epipolar_distance",
    "essential_matrix",
    "fundamental_eight_point",
    "relative_pose",
    "triangulate",
]

_RANK = 1e-7  # a singular value below this share of the largest counts as 0


class RelativePose(NamedTuple):
    """Where the second camera stands, seen from the first."""

    R: np.ndarray  #: (3, 3), a rotation
    t: np.ndarray  #: (3,), of length 1
    in_front: np.ndarray  #: (N,) bool: points that lie in front of both cameras


def fundamental_eight_point(a: Any, b: Any) -> np.ndarray:
    """Return the fundamental matrix F (3, 3), float64: b' F a = 0 for points (x, y, 1).

    Taught in the chapter on retrieval. The normalised eight-point algorithm: one linear equation
    per pair, solved by the last right singular vector; then the smallest singular value is set
    to 0, and the normalisation undone. Source: R. Hartley, "In defense of the eight-point
    algorithm", PAMI 19(6), 1997.

    Args:
        a: (N, 2) points (x, y) of the first image, N at least 8.
        b: (N, 2) where the same points of the scene lie in the second.

    Returns:
        Of rank 2, with entries of square sum 1; its sign means nothing.

    Raises:
        TypeError: for values that are not real numbers.
        ValueError: for wrong shapes, fewer than eight pairs, or values that are not finite.
        numpy.linalg.LinAlgError: where the pairs leave more than one matrix, as those of a flat
            scene or of a camera that has only turned do.

    >>> rng = np.random.default_rng(0)
    >>> X = rng.uniform((-1, -1, 3), (1, 1, 6), (20, 3))
    >>> a, b = X[:, :2] / X[:, 2:], (X[:, :2] + (1, 0)) / X[:, 2:]  # the camera moved along x
    >>> F = fundamental_eight_point(a, b)
    >>> (F / F[2, 1]).round(6) + 0.0  # rows are the epipolar lines
    array([[ 0.,  0.,  0.],
           [ 0.,  0., -1.],
           [ 0.,  1.,  0.]])
    """
    a, b = _arguments.pairs(a, b, 8, "The eight-point algorithm")
    from_a, from_b = normalising(a), normalising(b)
    rows = _homogeneous(b) @ from_b.T, _homogeneous(a) @ from_a.T
    rows = (rows[0][:, :, None] * rows[1][:, None]).reshape(-1, 9)
    _, strengths, directions = np.linalg.svd(rows, full_matrices=len(rows) < 9)
    if strengths[7] <= _RANK * strengths[0]:
        raise np.linalg.LinAlgError(
            "The pairs do not determine a fundamental matrix; is the scene flat?"
        )
    left, scales, right = np.linalg.svd(directions[8].reshape(3, 3))
    F = from_b.T @ (left[:, :2] * scales[:2] @ right[:2]) @ from_a
    return F / np.linalg.norm(F)


def epipolar_distance(F: Any, a: Any, b: Any) -> np.ndarray:
    """Return how far pairs of points lie from each other's epipolar lines, (N,) in pixels.

    Of the two distances, b to the line of a and a to the line of b, the larger.

    Args:
        F: (3, 3), b' F a = 0.
        a: (N, 2).
        b: (N, 2).

    Returns:
        Infinity where a point lies on its epipole, which has no line.

    Raises:
        TypeError: for values that are not real numbers.
        ValueError: for wrong shapes or values that are not finite.

    >>> rows = [[0, 0, 0], [0, 0, -1], [0, 1, 0]]  # partners lie in the same row
    >>> epipolar_distance(rows, [[0, 5], [1, 2]], [[9, 5], [1, 4]]).tolist()
    [0.0, 2.0]
    """
    F = np.asarray(_arguments.matrix(F, "F"), np.float64)
    a, b = map(_homogeneous, _arguments.pairs(a, b))
    lines_b, lines_a = a @ F.T, b @ F  # (N, 3), in the second and the first image
    residual = abs((b * lines_b).sum(1))
    shorter = np.minimum(*(np.hypot(line[:, 0], line[:, 1]) for line in (lines_a, lines_b)))
    return np.divide(residual, shorter, out=np.full(len(a), np.inf), where=shorter > 0)


def essential_matrix(F: Any, K_a: Any, K_b: Any = None) -> np.ndarray:
    """Return the essential matrix (3, 3), float64, of two cameras whose insides are known.

    K_b' F K_a with its singular values set to 1, 1 and 0, the essential matrix nearest to it.

    Args:
        F: (3, 3), the fundamental matrix.
        K_a: (3, 3), focal lengths and principal point of the first camera, in pixels.
        K_b: (3, 3), those of the second; None: the same.

    Returns:
        E; its sign means nothing.

    Raises:
        TypeError: for values that are not real numbers.
        ValueError: for wrong shapes, values that are not finite, or a K without inverse.

    >>> K = [[50, 0, 32], [0, 50, 24], [0, 0, 1]]
    >>> E = essential_matrix([[0, 0, 0], [0, 0, -0.02], [0, 0.02, 0]], K)
    >>> np.linalg.svd(E, compute_uv=False).round(6)
    array([1., 1., 0.])
    """
    F = np.asarray(_arguments.matrix(F, "F"), np.float64)
    K_a = _arguments.camera(K_a, "K_a")
    K_b = K_a if K_b is None else _arguments.camera(K_b, "K_b")
    left, _, right = np.linalg.svd(K_b.T @ F @ K_a)
    return left[:, :2] @ right[:2]


def relative_pose(E: Any, a: Any, b: Any, K_a: Any, K_b: Any = None) -> RelativePose:
    """Return how the second camera stands, of the four poses that fit an essential matrix.

    Taught in the chapter on retrieval. Chosen by cheirality: the pose with the most points in
    front of both cameras. Source: R. Hartley and A. Zisserman, "Multiple View Geometry", 2nd
    edition, section 9.6.

    Args:
        E: (3, 3), b' K_b'^-1 E K_a^-1 a = 0.
        a: (N, 2) points (x, y) of the first image, in pixels, N at least 1.
        b: (N, 2) where they lie in the second.
        K_a: (3, 3), focal lengths and principal point of the first camera, in pixels.
        K_b: (3, 3), those of the second; None: the same.

    Returns:
        R, t and which points lie in front of both cameras.

    Raises:
        TypeError: for values that are not real numbers.
        ValueError: for wrong shapes, no pair, values that are not finite, or a K without inverse.

    >>> K, X = np.eye(3), np.array([[0, 0, 4.0], [1, 1, 5]])
    >>> a, b = X[:, :2] / X[:, 2:], (X[:, :2] + (1, 0)) / X[:, 2:]
    >>> R, t, in_front = relative_pose([[0, 0, 0], [0, 0, -1], [0, 1, 0]], a, b, K)
    >>> R.round(6) + 0.0, t.round(6) + 0.0, in_front
    (array([[1., 0., 0.],
           [0., 1., 0.],
           [0., 0., 1.]]), array([1., 0., 0.]), array([ True,  True]))
    """
    E = np.asarray(_arguments.matrix(E, "E"), np.float64)
    a, b = _arguments.pairs(a, b, 1, "A pose")
    K_a = _arguments.camera(K_a, "K_a")
    K_b = K_a if K_b is None else _arguments.camera(K_b, "K_b")
    a, b = ((_homogeneous(p) @ np.linalg.inv(K).T)[:, :2] for p, K in ((a, K_a), (b, K_b)))
    left, _, right = np.linalg.svd(E)
    quarter = np.array([[0.0, -1, 0], [1, 0, 0], [0, 0, 1]])
    first, best = np.eye(3, 4), None
    for turn in (quarter, quarter.T):
        R = left @ turn @ right
        R *= np.sign(np.linalg.det(R))
        for t in (left[:, 2], -left[:, 2]):
            X = triangulate(a, b, first, np.column_stack([R, t]))
            in_front = (X[:, 2] > 0) & ((X @ R.T + t)[:, 2] > 0)  # False for NaN
            if best is None or in_front.sum() > best.in_front.sum():
                best = RelativePose(R, t, in_front)
    return best


def triangulate(a: Any, b: Any, P_a: Any, P_b: Any) -> np.ndarray:
    """Return the points in space (N, 3), float64, that two cameras see at pairs of pixels.

    The linear method: two equations per image in (X, Y, Z, 1), solved by the last right singular
    vector. It minimises an algebraic error, not the distance in pixels. Source: R. Hartley and
    A. Zisserman, "Multiple View Geometry", 2nd edition, section 12.2.

    Args:
        a: (N, 2) points (x, y) of the first image.
        b: (N, 2) where they lie in the second.
        P_a: (3, 4), the first camera, K [R t].
        P_b: (3, 4), the second.

    Returns:
        NaN for a point at infinity, where both rays are parallel.

    Raises:
        TypeError: for values that are not real numbers.
        ValueError: for wrong shapes or values that are not finite.

    >>> first, second = np.eye(3, 4), np.array([[1, 0, 0, 1.0], [0, 1, 0, 0], [0, 0, 1, 0]])
    >>> triangulate([[0, 0]], [[0.5, 0]], first, second).round(6) + 0.0
    array([[0., 0., 2.]])
    """
    a, b = _arguments.pairs(a, b)
    P_a, P_b = (
        np.asarray(_arguments.matrix(P, name, (3, 4)), np.float64)
        for P, name in ((P_a, "P_a"), (P_b, "P_b"))
    )
    rows = np.concatenate(
        [p[:, :, None] * P[2] - P[:2] for p, P in ((a, P_a), (b, P_b))], axis=1
    )  # (N, 4, 4)
    X = np.linalg.svd(rows)[2][:, 3]
    w = np.where(abs(X[:, 3]) < 1e-12, np.nan, X[:, 3])
    return X[:, :3] / w[:, None]


def _homogeneous(points: np.ndarray) -> np.ndarray:
    return np.column_stack([points, np.ones(len(points))])
