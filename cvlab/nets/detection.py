"""Networks that keep the place of things: a small backbone, a feature pyramid, RoI align.

Maps travel in dicts from stride to map: at stride 8 a cell of the map stands for 8 x 8 pixels.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

import torch
from torch import nn
from torch.nn import functional

from cvlab._arguments import integer
from cvlab.nets.blocks import conv_norm

__all__ = ["Backbone", "FeaturePyramid", "backbone", "batch_iou", "fpn", "roi_align"]


class Backbone(nn.Module):
    """Two 3 x 3 convolutions a stage, the first of them at stride 2; see `backbone`.

    Attributes:
        channels: number of channels C of each map that comes out, by stride.
    """

    def __init__(self, width: int, strides: Sequence[int], dilate: int | None) -> None:
        super().__init__()
        self.strides = tuple(strides)
        self.stages = nn.ModuleDict()
        in_channels, stride, dilation = 3, 1, 1
        while stride < max(strides):
            stride *= 2
            channels = width * min(stride // 2, 4)
            shrinks = dilate is None or stride <= dilate
            first = conv_norm(in_channels, channels, stride=2 if shrinks else 1, dilation=dilation)
            dilation = 1 if shrinks else 2 * dilation
            second = conv_norm(channels, channels, dilation=dilation)
            self.stages[str(stride)] = nn.Sequential(first, second)
            in_channels = channels
        self.channels = {s: width * min(s // 2, 4) for s in self.strides}

    def forward(self, images: torch.Tensor) -> dict[int, torch.Tensor]:
        """Return ``{stride: (N, C, H / stride, W / stride)}`` of images (N, 3, H, W)."""
        maps, x = {}, images
        for stride, stage in self.stages.items():
            x = stage(x)
            maps[int(stride)] = x
        return {stride: maps[stride] for stride in self.strides}


def backbone(
    width: int = 16, strides: Iterable[int] = (2, 4, 8, 16), dilate: int | None = None
) -> Backbone:
    """Make a small convolutional network that returns its maps at several strides.

    Args:
        width: channels at stride 2; twice as many at stride 4, four times from stride 8 on.
        strides: powers of two from 2 on, rising; sizes are rounded up where H is no multiple.
        dilate: the stride at which maps stop shrinking. Later stages keep that size and spread
            their kernels instead, by 2, 4, ..., so that each unit sees as much as without. Their
            maps keep the name of the stride that they would have had.

    Returns:
        A module from images (N, 3, H, W) to ``{stride: map}``, with ``channels`` by stride.

    Raises:
        TypeError: if a number is not whole.
        ValueError: if a stride is no power of two, strides do not rise, or there are none.

    >>> {s: tuple(x.shape) for s, x in backbone(4, (4, 8))(torch.zeros(1, 3, 64, 48)).items()}
    {4: (1, 8, 16, 12), 8: (1, 16, 8, 6)}
    """
    integer(width, "width", 1)
    strides = [integer(stride, "a stride", 2) for stride in strides]
    for stride in strides + ([] if dilate is None else [integer(dilate, "dilate", 2)]):
        if stride & (stride - 1):
            raise ValueError(f"strides are powers of two, such as 4 or 8, not {stride}.")
    if not strides or sorted(set(strides)) != strides:
        raise ValueError(f"strides must rise and be at least one, not {strides}.")
    return Backbone(width, strides, dilate)


class FeaturePyramid(nn.Module):
    """What is known of deep maps, added to the fine ones from the top down; see `fpn`."""

    def __init__(self, channels: Mapping[int, int], out: int) -> None:
        super().__init__()
        self.lateral = nn.ModuleDict({str(s): nn.Conv2d(c, out, 1) for s, c in channels.items()})
        self.smooth = nn.ModuleDict({str(s): nn.Conv2d(out, out, 3, 1, 1) for s in channels})
        self.channels = dict.fromkeys(channels, out)

    def forward(self, maps: Mapping[int, torch.Tensor]) -> dict[int, torch.Tensor]:
        """Return maps of ``out`` channels and the sizes of those given, by stride."""
        out, above = {}, None
        for stride in sorted(self.channels, reverse=True):  # the coarsest first
            merged = self.lateral[str(stride)](maps[stride])
            if above is not None:
                merged = merged + functional.interpolate(above, size=merged.shape[-2:])
            out[stride] = self.smooth[str(stride)](merged)
            above = merged
        return dict(sorted(out.items()))


def fpn(channels: Mapping[int, int], out: int) -> FeaturePyramid:
    """Make a feature pyramid network: 1 x 1 convolutions, sums from the top down, 3 x 3 ones.

    Args:
        channels: ``{stride: C}`` of the maps that go in, such as ``backbone().channels``.
        out: channels of each map that comes out.

    Returns:
        A module from ``{stride: (N, C, h, w)}`` to ``{stride: (N, out, h, w)}``. Where sizes are
        no multiples of each other, the coarse map is stretched to the fine one's size.

    Raises:
        TypeError: if a number is not whole.
        ValueError: if there is no map, or a number is below one.

    Source: Lin et al., Feature Pyramid Networks for Object Detection, CVPR 2017.
    """
    integer(out, "out", 1)
    if not channels:
        raise ValueError("channels is empty; give {stride: channels} of at least one map.")
    for stride, count in channels.items():
        integer(stride, "a stride", 1)
        integer(count, "channels", 1)
    return FeaturePyramid(channels, out)


def roi_align(
    features: torch.Tensor,
    boxes: Sequence[torch.Tensor],
    size: int = 7,
    stride: float = 8,
    samples: int = 2,
) -> torch.Tensor:
    """Return features of a fixed size for boxes of any size: torchvision's, with half-pixel shift.

    Args:
        features: (N, C, h, w), one map an image.
        boxes: for each image (K, 4), in pixels of the image; K may be 0.
        size: bins across and down.
        stride: pixels of the image to a cell of the map.
        samples: bilinear samples across and down each bin, whose mean the bin is.

    Returns:
        (sum of all K, C, size, size), the boxes of the first image first.

    Raises:
        ValueError: if there are not as many sets of boxes as images, or no (K, 4) of boxes.

    Source: He, Gkioxari, Dollar and Girshick, Mask R-CNN, ICCV 2017; taught in chapter 16.

    >>> ramp = torch.arange(8.0).expand(1, 1, 8, 8)  # each cell holds its column
    >>> roi_align(ramp, [torch.tensor([[16.0, 16, 48, 48]])], size=2)[0, 0].tolist()
    [[2.5, 4.5], [2.5, 4.5]]
    """
    import torchvision

    integer(size, "size", 1)
    integer(samples, "samples", 1)
    if len(boxes) != len(features):
        raise ValueError(f"{len(features)} maps need as many sets of boxes, not {len(boxes)}.")
    for some in boxes:
        if some.ndim != 2 or some.shape[1] != 4:
            raise ValueError(f"boxes must have shape (K, 4), not {tuple(some.shape)}.")
    boxes = [some.to(features) for some in boxes]
    return torchvision.ops.roi_align(features, boxes, size, 1 / stride, samples, aligned=True)


def batch_iou(a: torch.Tensor, b: torch.Tensor) -> torch.Tensor:
    """Return the intersection over union of all pairs of boxes of each image.

    Args:
        a: (N, K, 4), boxes (x1, y1, x2, y2) of N images.
        b: (N, M, 4), others of the same images.

    Returns:
        (N, K, M); 0 where both boxes are empty.

    Raises:
        ValueError: if the shapes are others.

    >>> one = torch.tensor([[[0.0, 0, 2, 2]]])
    >>> batch_iou(one, torch.tensor([[[0.0, 0, 2, 1], [5, 5, 6, 6]]])).tolist()
    [[[0.5, 0.0]]]
    """
    if a.ndim != 3 or b.ndim != 3 or a.shape[-1] != 4 or b.shape[-1] != 4 or len(a) != len(b):
        raise ValueError(
            "boxes must have shapes (N, K, 4) and (N, M, 4) with one N, "
            f"not {tuple(a.shape)} and {tuple(b.shape)}."
        )
    low = torch.maximum(a[:, :, None, :2], b[:, None, :, :2])
    high = torch.minimum(a[:, :, None, 2:], b[:, None, :, 2:])
    shared = (high - low).clamp(min=0).prod(-1)
    areas = [(boxes[..., 2:] - boxes[..., :2]).prod(-1) for boxes in (a, b)]
    return shared / (areas[0][:, :, None] + areas[1][:, None] - shared).clamp(min=1e-6)
