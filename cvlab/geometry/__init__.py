"""Cameras and space: one camera, planes, two views, rectified pairs, matching, consensus.

All functions are also names of this package: ``from cvlab import geometry; geometry.project(...)``.
Coordinates of a camera, in metres: x points right, y down, z forwards along its axis; *depth* is z,
not the length of the ray. Coordinates of the world have the same sense, so that y points down there
too and heights are negative. A camera is K (3, 3), R (3, 3) and t (3,): a point X of the world has
the camera coordinates R X + t, and lies in the image at K (R X + t) divided by its third entry.

A pixel's coordinates are (u, v), column first, and its *centre is an integer*: the pixel in row i
and column j has its centre at (j, i), and ends half a pixel further. Boxes have edges instead, as
in ``cvlab.boxes``: the box around that pixel is (j, i, j + 1, i + 1), that is (u, v) + 0.5 in each
coordinate. Functions of one camera, and those that warp images, take NumPy arrays or tensors and
return the same kind; chapter 20 builds the first. What compares two images takes arrays; chapter 23
builds it, and what stands on parallel cameras chapters 31 and 33, matching included.

    >>> from cvlab.geometry import project, unproject
    >>> K = [[50.0, 0.0, 31.5], [0.0, 50.0, 23.5], [0.0, 0.0, 1.0]]
    >>> pixels, depth = project([[0.0, 0.0, 2.0], [1.0, 0.0, 2.0]], K)
    >>> pixels.tolist(), depth.tolist()
    ([[31.5, 23.5], [56.5, 23.5]], [2.0, 2.0])
    >>> unproject(pixels, depth, K).tolist()
    [[0.0, 0.0, 2.0], [1.0, 0.0, 2.0]]
"""

from cvlab.geometry.cameras import box_corners, project, rotation, unproject
from cvlab.geometry.consensus import ransac, trials_needed
from cvlab.geometry.matching import (
    cost_volume,
    left_right_check,
    path_costs,
    right_volume,
    semi_global,
    winners,
)
from cvlab.geometry.planes import (
    apply_homography,
    homography_dlt,
    homography_error,
    normalising,
    sample_bilinear,
    warp_homography,
)
from cvlab.geometry.stereo import Rectification, rectify, splat_disparity, warp_disparity
from cvlab.geometry.two_views import (
    RelativePose,
    epipolar_distance,
    essential_matrix,
    fundamental_eight_point,
    relative_pose,
    triangulate,
)

__all__ = [
    "Rectification",
    "RelativePose",
    "apply_homography",
    "box_corners",
    "cost_volume",
    "epipolar_distance",
    "essential_matrix",
    "fundamental_eight_point",
    "homography_dlt",
    "homography_error",
    "left_right_check",
    "normalising",
    "path_costs",
    "project",
    "ransac",
    "rectify",
    "relative_pose",
    "right_volume",
    "rotation",
    "sample_bilinear",
    "semi_global",
    "splat_disparity",
    "trials_needed",
    "triangulate",
    "unproject",
    "warp_disparity",
    "warp_homography",
    "winners",
]
