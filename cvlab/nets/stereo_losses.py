"""Losses that need two pictures and no depth: do they look alike, is the map smooth, do maps agree.

Taught in the chapter on depth without depth. Images are tensors (N, C, H, W) with values up to 1,
disparities (N, 1, H, W) in pixels, with d = u_left - u_right. All are means, and differentiable.

    >>> from cvlab import geometry
    >>> right = torch.rand(1, 3, 8, 12, generator=torch.Generator().manual_seed(0))
    >>> d = torch.full((1, 1, 8, 12), 2.0)  # a wall
    >>> left = geometry.warp_disparity(right, d, "left", outside="edge")
    >>> rebuilt = geometry.warp_disparity(right, d, "left", outside="edge")
    >>> float(appearance_loss(left, rebuilt)) < 1e-6, float(smoothness_loss(d, left))
    (True, 0.0)
"""

from __future__ import annotations

import torch

from cvlab import _arguments
from cvlab.geometry.stereo import warp_disparity

__all__ = ["appearance_loss", "consistency_loss", "smoothness_loss", "ssim_windows"]


def ssim_windows(a: torch.Tensor, b: torch.Tensor, constants: tuple = (0.01, 0.03)) -> torch.Tensor:
    """Return the structural similarity of all 3 x 3 windows, with uniform weights.

    Variances are differences of means, in the images' own precision: give values of about 1.
    ``cvlab.metrics.ssim_map`` is the exact one, for arrays and any window.

    Args:
        a: (N, C, H, W), H and W at least 3.
        b: of the same shape.
        constants: k1 and k2, whose squares keep the quotient calm.

    Returns:
        (N, C, H - 2, W - 2).

    Raises:
        ValueError: for other shapes.

    Source: Wang, Bovik, Sheikh and Simoncelli (2004), with windows as in Godard et al. (2017).

    >>> ssim_windows(torch.zeros(1, 1, 3, 3), torch.ones(1, 1, 3, 3)).item() < 2e-4
    True
    """
    _same_images(a, b, 3)
    c1, c2 = (float(k) ** 2 for k in constants)
    mean_a, mean_b, aa, bb, ab = _means(torch.cat([a, b, a * a, b * b, a * b], 1)).chunk(5, 1)
    light = (2 * mean_a * mean_b + c1) / (mean_a * mean_a + mean_b * mean_b + c1)
    variances = aa - mean_a * mean_a + bb - mean_b * mean_b
    return light * (2 * (ab - mean_a * mean_b) + c2) / (variances + c2)


def appearance_loss(a: torch.Tensor, b: torch.Tensor, alpha: float = 0.85) -> torch.Tensor:
    """Return alpha (1 - SSIM) / 2 + (1 - alpha) |a - b|, each a mean over its own pixels.

    Args:
        a: (N, C, H, W), H and W at least 3.
        b: of the same shape.
        alpha: the weight of the structure, from 0 to 1.

    Raises:
        TypeError: if ``alpha`` is no number.
        ValueError: for other shapes or weights.

    Source: Godard, Mac Aodha and Brostow (2017), equation 2.
    """
    alpha = _arguments.number(alpha, "alpha")
    if not 0 <= alpha <= 1:
        raise ValueError(f"alpha must lie between 0 and 1, not {alpha:g}.")
    unlike = (1 - ssim_windows(a, b)).mean() / 2
    return alpha * unlike + (1 - alpha) * (a - b).abs().mean()


def smoothness_loss(
    disparity: torch.Tensor, image: torch.Tensor, aware: bool = True
) -> torch.Tensor:
    """Return the mean step of a map along both axes, made cheaper at edges of the image.

    A step counts times exp(-g), where g is the mean over colours of the image's absolute step.

    Args:
        disparity: (N, 1, H, W).
        image: (N, C, H, W) of the same view.
        aware: whether edges of the image count; if not, each step counts in full.

    Raises:
        ValueError: for other shapes.

    Source: Godard, Mac Aodha and Brostow (2017), equation 3.

    >>> float(smoothness_loss(torch.tensor([[[[0.0, 2.0], [0.0, 2.0]]]]), torch.zeros(1, 3, 2, 2)))
    2.0
    """
    _one_map(disparity, image)
    total = disparity.new_zeros(())
    for axis in (2, 3):
        step = disparity.diff(dim=axis).abs()
        if aware:
            step = step * torch.exp(-image.diff(dim=axis).abs().mean(1, keepdim=True))
        total = total + step.mean()
    return total


def consistency_loss(left: torch.Tensor, right: torch.Tensor) -> torch.Tensor:
    """Return how far two disparity maps of a pair disagree, the sum of both sides' means.

    The left pixel u reads the right map at u - d, the right one the left map at u + d. What points
    outside reads the border.

    Args:
        left: (N, 1, H, W), of the left images' pixels.
        right: (N, 1, H, W), of the right images'.

    Raises:
        ValueError: for other shapes.

    Source: Godard, Mac Aodha and Brostow (2017), equation 4, with both signs.

    >>> wall = torch.full((1, 1, 4, 9), 2.0)
    >>> float(consistency_loss(wall, wall))
    0.0
    """
    _same_images(left, right, 1)
    _one_map(left, right)
    read_right = warp_disparity(right, left, "left", outside="edge")
    read_left = warp_disparity(left, right, "right", outside="edge")
    return (left - read_right).abs().mean() + (right - read_left).abs().mean()


# --- Helpers --------------------------------------------------------------------------------------


def _means(x: torch.Tensor) -> torch.Tensor:
    """Return the means of all 3 x 3 windows; sums of slices are faster than pooling on a CPU."""
    x = x[..., :-2] + x[..., 1:-1] + x[..., 2:]
    return (x[..., :-2, :] + x[..., 1:-1, :] + x[..., 2:, :]) / 9


def _same_images(a: torch.Tensor, b: torch.Tensor, least: int) -> None:
    if a.ndim != 4 or a.shape != b.shape or min(a.shape[2:]) < least or not a.numel():
        raise ValueError(
            f"Give two tensors (N, C, H, W) of one shape, at least {least} x {least} pixels large, "
            f"not {tuple(a.shape)} and {tuple(b.shape)}."
        )


def _one_map(disparity: torch.Tensor, image: torch.Tensor) -> None:
    wanted = (image.shape[0], 1, *image.shape[2:]) if image.ndim == 4 else None
    if tuple(disparity.shape) != wanted or min(disparity.shape[2:]) < 2:
        raise ValueError(
            f"disparity must be (N, 1, H, W), one value a pixel of the image {tuple(image.shape)}, "
            f"at least 2 x 2, not {tuple(disparity.shape)}."
        )
