"""Networks that label every pixel: a U-Net on the backbone of ``detection``."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Literal

import torch
from torch import nn
from torch.nn import functional

from cvlab import _arguments
from cvlab.nets.blocks import conv_norm
from cvlab.nets.detection import backbone

__all__ = ["SKIPS", "UNet", "UNetDecoder"]

#: Ways to bring a fine map to the decoder, and how many maps of its size they make of two.
SKIPS = {"concatenate": 2, "sum": 1, "none": 1}


class UNetDecoder(nn.Module):
    """From the coarsest map up, one finer map at a time, down to the finest.

    Each step takes a map to the channels of the next finer one by a 1 x 1 convolution, stretches
    it to that one's size, joins the two and smooths by a 3 x 3 convolution.

    Args:
        channels: ``{stride: C}`` of the maps that go in, such as ``backbone().channels``.
        skips: "concatenate" puts the fine map's channels beside those from below, "sum" adds
            them, "none" leaves it out (its size is still used).

    Attributes:
        channels: of the map that comes out, those of the finest that goes in.

    Raises:
        ValueError: if there is no map, or ``skips`` is no such way.
    """

    def __init__(
        self,
        channels: Mapping[int, int],
        skips: Literal["concatenate", "sum", "none"] = "concatenate",
    ) -> None:
        super().__init__()
        if not channels:
            raise ValueError("channels is empty; give {stride: channels} of at least one map.")
        self.skips = _arguments.choice(skips, "skips", SKIPS)
        self.strides = sorted(channels, reverse=True)  # the coarsest first
        self.reduce, self.smooth = nn.ModuleDict(), nn.ModuleDict()
        for coarse, fine in zip(self.strides[:-1], self.strides[1:], strict=True):
            out = channels[fine]
            self.reduce[str(fine)] = conv_norm(channels[coarse], out, 1)
            self.smooth[str(fine)] = conv_norm(SKIPS[skips] * out, out)
        self.channels = channels[self.strides[-1]]

    def forward(self, maps: Mapping[int, torch.Tensor]) -> torch.Tensor:
        """Return one map (N, C, h, w) of the finest stride from ``{stride: map}``."""
        return self.maps(maps)[self.strides[-1]]

    def maps(self, maps: Mapping[int, torch.Tensor]) -> dict[int, torch.Tensor]:
        """Return ``{stride: map}`` of the way up, each of the size and channels of the one given.

        The coarsest is the one that was given.
        """
        x = maps[self.strides[0]]
        up = {self.strides[0]: x}
        for stride in self.strides[1:]:
            fine = maps[stride]
            x = _stretched(self.reduce[str(stride)](x), fine.shape[-2:])
            if self.skips == "concatenate":
                x = torch.cat([fine, x], dim=1)
            elif self.skips == "sum":
                x = fine + x
            up[stride] = x = self.smooth[str(stride)](x)
        return up


class UNet(nn.Module):
    """Down by a backbone, up by a decoder that sees each map of the way down again.

    Args:
        classes: C, the number of values that each pixel gets.
        width: channels of the backbone at stride 2; see `backbone`.
        strides: of the maps that the decoder sees; the last is the coarsest, the first the one
            on which pixels are classified.
        skips: "concatenate" as in the paper, "sum" or "none"; see `UNetDecoder`.

    Raises:
        TypeError: if a number is not whole.
        ValueError: if a number is below one, ``strides`` are none of a backbone, or ``skips`` is
            none of the three.

    Source: Ronneberger, Fischer and Brox, U-Net, MICCAI 2015; taught in chapter 19. Theirs has
    maps at stride 1, transposed convolutions and no padding.

    >>> UNet(5, width=4)(torch.zeros(2, 3, 48, 64)).shape
    torch.Size([2, 5, 48, 64])
    """

    def __init__(
        self,
        classes: int,
        width: int = 16,
        strides: Iterable[int] = (2, 4, 8, 16),
        skips: Literal["concatenate", "sum", "none"] = "concatenate",
    ) -> None:
        super().__init__()
        _arguments.integer(classes, "classes", 1)
        self.body = backbone(width, strides)
        self.decoder = UNetDecoder(self.body.channels, skips)
        self.classify = nn.Conv2d(self.decoder.channels, classes, 1)

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        """Return values (N, classes, H, W) of images (N, 3, H, W), of any size.

        They are computed at the finest stride and stretched bilinearly.
        """
        logits = self.classify(self.decoder(self.body(images)))
        return _stretched(logits, images.shape[-2:])


def _stretched(maps: torch.Tensor, size: tuple[int, int]) -> torch.Tensor:
    return functional.interpolate(maps, size=size, mode="bilinear", align_corners=False)
