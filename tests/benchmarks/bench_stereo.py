"""What matches two images, against OpenCV: windows of costs, and paths through the volume.

    python tests/benchmarks/bench_stereo.py [--repeats 15] [--only window]

Form of the table, clock and checks are those of ``bench_features.py``. The pair is a random picture
and itself, moved by a few pixels. OpenCV compares 8-bit images, ours floating-point ones with
windows of any cost, so both sides must only find the same disparities in the middle. Warping is
compared with torch's sampler.
"""

from __future__ import annotations

from collections.abc import Iterator

import cv2
import numpy as np
import torch
import torch.nn.functional as F
from bench_features import Row, conditions, options, print_table

from cvlab import geometry

SHIFT, WINDOW = 11, 9


def pair(side: int) -> tuple[np.ndarray, np.ndarray]:
    """Two grey images (side, 3 / 2 side) in [0, 1]: all is 11 pixels further right in the left."""
    rng = np.random.default_rng(0)
    wall = rng.integers(0, 256, (side, 3 * side // 2 + SHIFT)).astype(np.float32)
    wall = cv2.GaussianBlur(wall, (0, 0), 1.0)
    wall = np.rint(255 * (wall - wall.min()) / np.ptp(wall)) / 255
    return wall[:, :-SHIFT], wall[:, SHIFT:]


def found(ours: np.ndarray, theirs: np.ndarray) -> bool:
    """Whether both maps say the shift nearly everywhere, but for borders."""
    inner = np.s_[WINDOW:-WINDOW, 48:-WINDOW]
    return all(np.mean(abs(each[inner] - SHIFT) < 1) > 0.98 for each in (ours, theirs))


def stereo_rows(side: int) -> Iterator[Row]:
    """Block matching and semi-global matching, 32 disparities."""
    left, right = pair(side)
    eights = [np.rint(255 * image).astype(np.uint8) for image in (left, right)]
    size = f"{left.shape[0]} x {left.shape[1]}, 32 disparities"
    block = cv2.StereoBM_create(32, WINDOW)
    for cost in ("sad", "zncc"):
        yield Row(
            f"windows of {cost}, {size}",
            "OpenCV's StereoBM",
            lambda c=cost: geometry.winners(geometry.cost_volume(left, right, 32, WINDOW, c), True),
            lambda: block.compute(*eights) / 16,
            found,
        )
    volume = geometry.cost_volume(left, right, 32, 5)
    ways = {4: cv2.STEREO_SGBM_MODE_SGBM, 8: cv2.STEREO_SGBM_MODE_HH}
    for directions, mode in ways.items():
        paths = cv2.StereoSGBM_create(0, 32, 5, 8 * 25, 32 * 25, mode=mode)
        yield Row(
            f"paths in {directions} directions, {size}",
            "OpenCV's StereoSGBM, costs included",
            lambda d=directions: geometry.winners(geometry.semi_global(volume, 0.3, 1.5, d), True),
            lambda p=paths: p.compute(*eights) / 16,
            found,
        )


def warp_rows(side: int) -> Iterator[Row]:
    """Looking up the right image, eight colour pairs, with the gradient of the disparity."""
    generator = torch.Generator().manual_seed(0)
    image = torch.rand(8, 3, side, side, generator=generator)
    shift = 8 * torch.rand(8, 1, side, side, generator=generator)

    def ours() -> np.ndarray:
        d = shift.clone().requires_grad_()
        geometry.warp_disparity(image, d, "left", outside="edge").sum().backward()
        return d.grad.numpy()

    def library() -> np.ndarray:
        d = shift.clone().requires_grad_()
        x = torch.arange(side) - d[:, 0]
        y = torch.arange(side)[:, None].expand_as(x)
        grid = torch.stack([2 * x / (side - 1) - 1, 2 * y / (side - 1) - 1], -1)
        seen = F.grid_sample(image, grid, padding_mode="border", align_corners=True)
        seen.sum().backward()
        return d.grad.numpy()

    def alike(mine: np.ndarray, theirs: np.ndarray) -> bool:
        # Rounding puts a look-up beside a pixel's centre on either side of it.
        return np.mean(abs(mine - theirs) < 1e-2) > 0.99

    yield Row(
        f"warp and its gradient, 8 x 3 x {side} x {side}",
        "torch's grid_sample",
        ours,
        library,
        alike,
    )


def main() -> None:
    """Print the table."""
    asked = options(__doc__, side=(240, 64, "rows of the images"))
    cv2.setNumThreads(1)
    torch.set_num_threads(1)
    packages = ("numpy", "opencv-python-headless", "torch")
    print(conditions(packages, asked.repeats, "grey images"), end="\n\n")
    tables = (lambda: stereo_rows(asked.side), lambda: warp_rows(asked.side))
    print_table(tables, asked.only, asked.repeats)


if __name__ == "__main__":
    main()
