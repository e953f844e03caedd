"""A network that says something about depth at every pixel, at one or several scales."""

from __future__ import annotations

import torch
from torch import nn

from cvlab import _arguments
from cvlab.nets.detection import backbone
from cvlab.nets.segmentation import UNetDecoder

__all__ = ["DepthNet"]

_STRIDES = (2, 4, 8, 16)


class DepthNet(nn.Module):
    """A U-Net whose maps on the way up each give a prediction, the finest first.

    The values are free, positive or negative. What makes a depth or a disparity of them is the
    caller's: ``maps.exp()`` for depths from logarithms, ``largest * maps.sigmoid()`` for
    disparities between 0 and a largest one.

    Args:
        outputs: values of each pixel, such as 1 for a depth and 2 for the disparities of a left
            and a right view.
        scales: how many predictions, of half the images' size, a quarter, an eighth, a sixteenth.
        width: channels of the backbone at stride 2; see `backbone`.

    Raises:
        TypeError: if a number is not whole.
        ValueError: if a number is below one, or ``scales`` above four.

    Source: the U-Net of Ronneberger, Fischer and Brox (2015), with predictions at several scales
    as in Godard, Mac Aodha and Brostow (2017); taught in the chapter on depth from one image.

    >>> [tuple(maps.shape) for maps in DepthNet(2, scales=3, width=4)(torch.zeros(1, 3, 48, 64))]
    [(1, 2, 24, 32), (1, 2, 12, 16), (1, 2, 6, 8)]
    """

    def __init__(self, outputs: int = 1, scales: int = 1, width: int = 16) -> None:
        super().__init__()
        _arguments.integer(outputs, "outputs", 1)
        _arguments.integer(scales, "scales", 1, len(_STRIDES))
        self.body = backbone(width, _STRIDES)
        self.decoder = UNetDecoder(self.body.channels)
        self.heads = nn.ModuleDict(
            {
                str(stride): nn.Conv2d(self.body.channels[stride], outputs, 3, padding=1)
                for stride in _STRIDES[:scales]
            }
        )

    def forward(self, images: torch.Tensor) -> list[torch.Tensor]:
        """Return a list of ``scales`` maps (N, outputs, H / 2^k, W / 2^k), k = 1, 2, ...

        Images are (N, 3, H, W) of any size; halves are rounded up.
        """
        maps = self.decoder.maps(self.body(images))
        return [head(maps[int(stride)]) for stride, head in self.heads.items()]
