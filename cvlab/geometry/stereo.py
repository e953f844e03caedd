"""Two images side by side: turned until partners lie in one row, and warped by a disparity.

The disparity of a pixel is d = u_left - u_right in pixels, positive for points in front of both
cameras: the left pixel (u, v) and the right pixel (u - d, v) show the same point.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from cvlab.geometry import _arguments
from cvlab.geometry.planes import apply_homography, sample_bilinear

__all__ = ["Rectification", "rectify", "splat_disparity", "warp_disparity"]


class Rectification(NamedTuple):
    """How two images are turned so that partners lie in the same row.

    Both turned cameras have the inside K. A point with the camera coordinates X in the first has
    R_a X in the first turned one, and in the second turned one the same but for its x, which is
    smaller by the baseline where the first camera is the left one, and larger where the second is.
    So its depth there is K[0, 0] * baseline / d.
    """

    H_a: np.ndarray  #: (3, 3), pixels of the first image to the turned one, for `warp_homography`
    H_b: np.ndarray  #: (3, 3), those of the second
    K: np.ndarray  #: (3, 3), of both turned cameras
    R_a: np.ndarray  #: (3, 3), rotation from the first camera to its turned one
    R_b: np.ndarray  #: (3, 3), from the second
    baseline: float  #: the length of t
    left: str  #: "a" or "b": whose turned image is the left one


def rectify(K_a: Any, K_b: Any, R: Any, t: Any, size: Any) -> Rectification:
    """Return the homographies that make the epipolar lines of two images the same rows.

    Taught in the chapter on stereo. Each camera is turned by half of the rotation between them, the
    one forwards and the other back, then both by the smallest rotation that lays the line from one
    to the other along their rows. Turning a camera about its centre moves its pixels by the
    homography K R_a inv(K_a). The focal length of K is the mean of both vertical ones; its
    principal point puts the mean of all eight turned corners in the middle of the image. Source:
    J.-Y. Bouguet's toolbox; the rotations are those of ``cv2.stereoRectify`` where that lays the
    lines along rows.

    Args:
        K_a: (3, 3), focal lengths and principal point of the first camera, in pixels.
        K_b: (3, 3), those of the second.
        R: (3, 3), rotation from the first camera to the second: X becomes R X + t.
        t: (3,), in the unit of the baseline.
        size: height and width of both images.

    Raises:
        TypeError: for values that are not real numbers.
        ValueError: for wrong shapes, values that are not finite, a K without inverse, an R that is
            no rotation, cameras at one place, and cameras one of which sees the other, or that look
            in opposite directions: their lines cannot be made rows.

    >>> K = [[50, 0, 31.5], [0, 50, 23.5], [0, 0, 1]]
    >>> found = rectify(K, K, np.eye(3), [-0.5, 0, 0], (48, 64))  # parallel already
    >>> found.H_a.round(6).tolist() == np.eye(3).tolist(), found.baseline, found.left
    (True, 0.5, 'a')
    """
    K_a, K_b = _arguments.camera(K_a, "K_a"), _arguments.camera(K_b, "K_b")
    height, width = _arguments.extent(size)
    R, (t,) = _rotation(R), _arguments.like(np.empty(0), t=t)
    baseline = float(np.linalg.norm(t))
    if not baseline:
        raise ValueError("t must not be 0; from one place there is no disparity.")
    left, strengths, right = np.linalg.svd(np.eye(3) + R)
    if strengths[2] < 1e-6:
        raise ValueError("The cameras look in opposite directions; no half of R is defined.")
    half = left @ right  # the rotation whose square is R
    way = half.T @ t / baseline
    side = -1.0 if way[0] <= 0 else 1.0  # the second camera's place is -t
    turn = _smallest_rotation(way, np.array([side, 0, 0]))
    R_a, R_b = turn @ half, turn @ half.T
    focal = (K_a[1, 1] / K_a[2, 2] + K_b[1, 1] / K_b[2, 2]) / 2
    scale = np.diag([focal, focal, 1.0])
    turned = [scale @ rotation @ np.linalg.inv(K) for rotation, K in ((R_a, K_a), (R_b, K_b))]
    corners = np.array([(x, y) for x in (0, width - 1) for y in (0, height - 1)], np.float64)
    homogeneous = np.column_stack([corners, np.ones(4)])
    if min((H[2] @ homogeneous.T).min() for H in turned) < 1e-6:
        raise ValueError("One camera sees the other; epipolar lines that meet cannot be rows.")
    middle = np.mean([apply_homography(H, corners) for H in turned], axis=(0, 1))
    K = scale.copy()
    K[:2, 2] = np.array([width - 1, height - 1]) / 2 - middle
    shift = K @ np.linalg.inv(scale)
    return Rectification(*(shift @ H for H in turned), K, R_a, R_b, baseline, "ab"[int(side > 0)])


def _rotation(value: Any) -> np.ndarray:
    R = np.asarray(_arguments.matrix(value, "R"), np.float64)
    if abs(R @ R.T - np.eye(3)).max() > 1e-6 or np.linalg.det(R) < 0:
        raise ValueError("R must be a rotation.")
    return R


def _smallest_rotation(start: np.ndarray, end: np.ndarray) -> np.ndarray:
    """Return the rotation (3, 3) about the normal of two unit vectors that takes one to the other.

    Their angle must be below 180 degrees.
    """
    x, y, z = np.cross(start, end)
    across = np.array([[0, -z, y], [z, 0, -x], [-y, x, 0]])
    return np.eye(3) + across + across @ across / (1 + start @ end)


def splat_disparity(image: Any, disparity: Any, towards: str) -> tuple[np.ndarray, np.ndarray]:
    """Return one image of a pair with its pixels moved to where the other camera sees them.

    Taught in the chapter on depth without depth. Each pixel goes to the nearest pixel centre; where
    several arrive, the nearest to the cameras, of the largest disparity, is seen (of equal ones the
    last in its row). Where none arrives there is a hole. `warp_disparity` leaves none.

    Args:
        image: (H, W) or (H, W, C).
        disparity: (H, W) pixels, *of the image's pixels*.
        towards: "right" moves a left image's pixels to u - d, "left" a right image's to u + d.

    Returns:
        The view, of the image's shape with 0 in the holes, and where it has a value, (H, W) bool.

    Raises:
        TypeError: for values that are not real numbers.
        ValueError: for wrong shapes, values that are not finite, or an unknown word.

    >>> view, filled = splat_disparity([[1.0, 2, 3, 4]], [[0.0, 0, 2, 2]], "right")
    >>> view.tolist(), filled.tolist()  # the two near ones hide the far ones
    ([[3.0, 4.0, 0.0, 0.0]], [[True, True, False, False]])
    """
    sign = -1 if _arguments.choice(towards, "towards", ("left", "right")) == "right" else 1
    image, shift = _arguments.real(image, "image"), _arguments.real(disparity, "disparity")
    if image.ndim not in (2, 3) or shift.shape != image.shape[:2]:
        raise ValueError(
            f"disparity must be (H, W), one entry a pixel of the image {image.shape}, not "
            f"{shift.shape}."
        )
    height, width = shift.shape
    columns = np.rint(np.arange(width) + sign * shift).ravel()
    rows = np.repeat(np.arange(height), width)
    order = np.argsort(shift, axis=None, kind="stable")  # far ones first, so that near ones stay
    order = order[(columns[order] >= 0) & (columns[order] < width)]
    target = rows[order], columns[order].astype(np.int64)
    view, filled = np.zeros_like(image), np.zeros((height, width), bool)
    view[target] = image.reshape(height * width, *image.shape[2:])[order]
    filled[target] = True
    return view, filled


def warp_disparity(image: Any, disparity: Any, towards: str, outside: str = "zero") -> Any:
    """Return one image of a pair as the other camera would see it.

    Taught in the chapter on depth without depth. Each pixel of the result is looked up, bilinearly,
    where its disparity says that its partner lies: towards "left", ``image`` is the right one and
    is sampled at u - d; towards "right", it is the left one, sampled at u + d. With tensors the
    result is differentiable in the image and in the disparity. A pixel without a partner, because
    something hides it, shows what hides it.

    Args:
        image: (H, W) or (H, W, C) array, or a floating-point tensor (H, W), (C, H, W) or
            (N, C, H, W).
        disparity: (H, W) pixels, *of the result's pixels*: that of the left image towards "left".
            With N images (N, H, W) or (N, 1, H, W).
        towards: "left" or "right".
        outside: "zero": what lies outside the image is 0; "edge": as its nearest pixel.

    Returns:
        Of the image's kind and shape.

    Raises:
        TypeError: for values that are not real numbers.
        ValueError: for wrong shapes, values that are not finite, or an unknown word.

    >>> right = np.array([[1.0, 2, 3, 4]])
    >>> warp_disparity(right, np.ones((1, 4)), "left").tolist()  # everything is 1 further right
    [[0.0, 1.0, 2.0, 3.0]]
    """
    sign = -1 if _arguments.choice(towards, "towards", ("left", "right")) == "left" else 1
    if not _arguments.is_tensor(image):
        image, shift = _arguments.real(image, "image"), _arguments.real(disparity, "disparity")
        size, shape = image.shape[:2], image.shape[:2]
        columns, rows = (np.arange(k, dtype=shift.dtype) for k in (shape[-1], shape[0]))
    else:
        torch = _arguments.torch()
        shift = torch.as_tensor(disparity, dtype=image.dtype, device=image.device)
        if image.ndim == 4 and shift.ndim == 4 and shift.shape[1] == 1:
            shift = shift[:, 0]
        size = tuple(image.shape[-2:])
        shape = (image.shape[0], *size) if image.ndim == 4 else size
        columns, rows = (torch.arange(k).to(shift) for k in (size[-1], size[0]))
        if not torch.isfinite(shift).all():
            raise ValueError("disparity holds NaN or infinite values; replace them first.")
    if tuple(shift.shape) != shape or len(size) < 2:
        raise ValueError(
            f"disparity must be {shape}, one entry a pixel of the image, not {tuple(shift.shape)}."
        )
    y = rows[:, None] + 0 * shift
    return sample_bilinear(image, columns + sign * shift, y, outside)
