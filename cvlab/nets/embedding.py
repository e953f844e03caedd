"""Networks that map an image to a vector, whose distances are to mean something."""

from __future__ import annotations

from typing import Literal

import torch
from torch import nn
from torch.nn import functional

from cvlab import _arguments
from cvlab.nets.detection import backbone

__all__ = ["Embedder", "embedder"]

POOLS = {"mean": functional.adaptive_avg_pool2d, "max": functional.adaptive_max_pool2d}


class Embedder(nn.Module):
    """A backbone, pooling within horizontal stripes, one linear layer; see `embedder`.

    Attributes:
        dimensions: D of the vectors that come out.
    """

    def __init__(
        self, dimensions: int, width: int, stripes: int, pool: str, normalise: bool
    ) -> None:
        super().__init__()
        self.dimensions, self.stripes, self.pool, self.normalise = (
            dimensions,
            stripes,
            pool,
            normalise,
        )
        self.body = backbone(width, (8,))
        self.project = nn.Linear(stripes * self.body.channels[8], dimensions)

    def maps(self, images: torch.Tensor) -> torch.Tensor:
        """Return the maps (N, C, H / 8, W / 8) before pooling, of images (N, 3, H, W)."""
        return self.body(images)[8]

    def head(self, maps: torch.Tensor) -> torch.Tensor:
        """Return vectors (N, D) of maps (N, C, h, w)."""
        pooled = POOLS[self.pool](maps, (self.stripes, 1))  # (N, C, stripes, 1)
        vectors = self.project(pooled.flatten(1))
        return functional.normalize(vectors) if self.normalise else vectors

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        """Return vectors (N, D) of images (N, 3, H, W)."""
        return self.head(self.maps(images))


def embedder(
    dimensions: int = 32,
    width: int = 16,
    stripes: int = 4,
    pool: Literal["mean", "max"] = "mean",
    normalise: bool = True,
) -> Embedder:
    """Make a network from images (N, 3, H, W) to vectors (N, D).

    Three stages of two convolutions each halve the sides; the map is pooled within horizontal
    stripes, so that it is known how high something was but not how far to the side.

    Args:
        dimensions: D.
        width: channels at stride 2; see `backbone`.
        stripes: into how many the map's height is cut; one pools over the whole map.
        pool: what is taken of each stripe, "mean" or "max".
        normalise: whether vectors get the length 1.

    Raises:
        TypeError: if a number is not whole.
        ValueError: if a number is below one or ``pool`` is neither.

    Source: stripes are those of Sun et al., Beyond Part Models, ECCV 2018; taught in chapter 22.

    >>> vectors = embedder(8, width=4)(torch.rand(2, 3, 40, 20))
    >>> vectors.shape, bool((vectors.norm(dim=1) - 1).abs().max() < 1e-6)
    (torch.Size([2, 8]), True)
    """
    _arguments.integer(dimensions, "dimensions", 1)
    _arguments.integer(width, "width", 1)
    _arguments.integer(stripes, "stripes", 1)
    _arguments.choice(pool, "pool", POOLS)
    return Embedder(dimensions, width, stripes, pool, normalise)
