"""One camera: how angles turn axes, where a point falls in an image and back."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from cvlab._arguments import number
from cvlab.geometry import _arguments

__all__ = ["box_corners", "project", "rotation", "unproject"]

# Corners of a unit box: left and right, then top and bottom (y points down), then near and far.
_SIGNS = np.array([(x, y, z) for z in (-1, 1) for y in (-1, 1) for x in (-1, 1)]) / 2


def rotation(yaw: float, pitch: float = 0.0, roll: float = 0.0) -> np.ndarray:
    """Return the matrix (3, 3), float64, that turns a thing or a camera by three angles.

    Its columns are the turned axes. The turns act one after the other about the thing's own axes:
    ``yaw`` to the right about y, then ``pitch`` upwards about x, then ``roll`` clockwise about z.
    A camera that has been turned so has R = ``rotation(...).T``, which leads from the world to it.

    Args:
        yaw: Degrees; 90 turns z, forwards, to x, right.
        pitch: Degrees; 90 turns z to -y, up.
        roll: Degrees; 90 turns x to y.

    Raises:
        TypeError: For an angle that is not a number.
        ValueError: For an angle that is not finite.

    Examples:
        >>> rotation(90).round(3) @ [0, 0, 1]
        array([1., 0., 0.])
        >>> rotation(0, pitch=90).round(3) @ [0, 0, 1]
        array([ 0., -1.,  0.])
    """
    angles = [number(a, n, -np.inf) for a, n in ((yaw, "yaw"), (pitch, "pitch"), (roll, "roll"))]
    y, p, r = map(math.radians, angles)
    (cy, cp, cr), (sy, sp, sr) = map(math.cos, (y, p, r)), map(math.sin, (y, p, r))
    # About y, then x, then z, multiplied out.
    return np.array(
        [
            [cy * cr + sy * sp * sr, sy * sp * cr - cy * sr, sy * cp],
            [cp * sr, cp * cr, -sp],
            [cy * sp * sr - sy * cr, sy * sr + cy * sp * cr, cy * cp],
        ]
    )


def project(points: Any, K: Any, R: Any = None, t: Any = None) -> tuple[Any, Any]:
    """Return where points fall in an image, (N, 2) pixels, and their depth, (N,).

    Args:
        points: (N, 3), of the world, or of the camera where R and t are left out.
        K: (3, 3), upper triangular: focal lengths and principal point in pixels.
        R: (3, 3), world to camera; None is the identity.
        t: (3,), where the camera sees the world's origin; None is 0.

    Returns:
        Pixel coordinates (u, v) with centres at integers, NaN for a point that does not lie in
        front of the camera (depth 0 or less), and the depths in the unit of the points.

    Raises:
        TypeError: For values that are not real numbers.
        ValueError: For wrong shapes or values that are not finite.
    """
    points, (K, R, t) = _arguments.rows(points, "points", 3), _arguments.like(points, K=K, R=R, t=t)
    seen = points if R is None else points @ R.T
    seen = seen if t is None else seen + t
    depth = seen[:, 2]
    homogeneous = seen @ K.T
    front = depth > 0
    scale = _arguments.where(front, homogeneous[:, 2], 1.0)  # of a point behind, no division by 0
    pixels = homogeneous[:, :2] / scale[:, None]
    return _arguments.where(front[:, None], pixels, np.nan), depth


def unproject(pixels: Any, depth: Any, K: Any) -> Any:
    """Return the points (N, 3), in camera coordinates, that lie at pixels in a depth.

    Args:
        pixels: (N, 2), (u, v) with centres at integers.
        depth: (N,) along the camera's axis, in any unit; that of the points.
        K: (3, 3), upper triangular.

    Raises:
        TypeError: For values that are not real numbers.
        ValueError: For wrong shapes, values that are not finite, or a K without inverse.
    """
    pixels, (K, depth) = (
        _arguments.rows(pixels, "pixels", 2),
        _arguments.like(pixels, K=K, depth=depth),
    )
    if len(depth) != len(pixels):
        raise ValueError(f"depth must have one entry per pixel, not {len(depth)}.")
    if K[0, 0] * K[1, 1] * K[2, 2] == 0:
        raise ValueError("K must have an inverse; a focal length in it is 0.")
    v = (pixels[:, 1] - K[1, 2]) / K[1, 1]
    u = (pixels[:, 0] - K[0, 2] - K[0, 1] * v) / K[0, 0]
    stack = np.stack if isinstance(pixels, np.ndarray) else _arguments.torch().stack
    return stack([u * depth, v * depth, depth], -1)


def box_corners(boxes: Any, tilt: Any = None) -> np.ndarray:
    """Return the corners (N, 8, 3) of boxes in space, in camera coordinates.

    A box stands upright in the world: its vertical axis is the world's, which a camera that looks
    downwards does not share.

    Args:
        boxes: (N, 7): centre x, y, z in camera coordinates; width, height, length, which are its
            sizes along its own x, y and z axis; yaw in *degrees* from the camera's heading.
        tilt: (3, 3), from a level camera of the same heading to this one; None for a level camera.

    Returns:
        Corners in the order of the bits of their number: bit 0 is right, bit 1 bottom, bit 2 far,
        as the box stands at yaw 0.

    Raises:
        TypeError: For values that are not real numbers.
        ValueError: For wrong shapes or values that are not finite.

    Examples:
        >>> corners = box_corners([[0, 0, 5, 2, 1, 4, 90]])  # its length lies along the image now
        >>> np.ptp(corners[0], axis=0).round(3)
        array([4., 1., 2.])
    """
    boxes = np.asarray(_arguments.rows(boxes, "boxes", 7), np.float64)
    turns = np.array([rotation(yaw) for yaw in boxes[:, 6]]).reshape(-1, 3, 3)
    if tilt is not None:
        turns = _arguments.matrix(tilt, "tilt") @ turns
    return boxes[:, None, :3] + (_SIGNS * boxes[:, None, 3:6]) @ turns.transpose(0, 2, 1)
