"""Blocks of networks, in plain torch: convolution and normalisation, residual, inception, gates."""

from __future__ import annotations

import torch
from torch import nn

from cvlab._arguments import integer


def conv_norm(
    in_channels: int,
    out_channels: int,
    size: int = 3,
    *,
    stride: int = 1,
    groups: int = 1,
    dilation: int = 1,
    activation: bool = True,
) -> nn.Sequential:
    """Make a convolution, batch normalisation and, unless it is switched off, a ReLU.

    The padding keeps the size at stride 1. The convolution has no bias, because the normalisation
    that follows subtracts it again.

    Raises:
        TypeError: if a number is not whole.
        ValueError: if ``size`` is even, ``groups`` does not divide both numbers of channels, or a
            number is below one.
    """
    integer(in_channels, "in_channels", 1)
    integer(out_channels, "out_channels", 1)
    integer(size, "size", 1)
    integer(stride, "stride", 1)
    integer(groups, "groups", 1)
    integer(dilation, "dilation", 1)
    if size % 2 == 0:
        raise ValueError(f"a kernel of {size} pixels has no centre; take an odd size.")
    conv = nn.Conv2d(
        in_channels,
        out_channels,
        size,
        stride,
        padding=dilation * (size // 2),
        dilation=dilation,
        groups=groups,
        bias=False,
    )
    layers = [conv, nn.BatchNorm2d(out_channels)]
    return nn.Sequential(*layers, nn.ReLU()) if activation else nn.Sequential(*layers)


class SqueezeExcite(nn.Module):
    """Scale each channel by a gate in (0, 1) that is computed from the means of all channels.

    Source: Hu, Shen and Sun, Squeeze-and-Excitation Networks, CVPR 2018.

    Args:
        channels: C of the input (N, C, H, W).
        reduction: the hidden layer has C / reduction units, at least one.
    """

    def __init__(self, channels: int, reduction: int = 16) -> None:
        super().__init__()
        integer(channels, "channels", 1)
        integer(reduction, "reduction", 1)
        hidden = max(1, channels // reduction)
        self.squeeze = nn.Linear(channels, hidden)
        self.excite = nn.Linear(hidden, channels)

    def gates(self, x: torch.Tensor) -> torch.Tensor:
        """Return the gates (N, C) of a batch (N, C, H, W)."""
        means = x.mean(dim=(2, 3))  # (N, C)
        return torch.sigmoid(self.excite(torch.relu(self.squeeze(means))))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Return the input with each channel scaled by its gate."""
        return x * self.gates(x)[:, :, None, None]


def shortcut(in_channels: int, out_channels: int, stride: int) -> nn.Module:
    """Return the identity where the shapes agree, else a 1 x 1 convolution that fits the input."""
    if stride == 1 and in_channels == out_channels:
        return nn.Identity()
    return conv_norm(in_channels, out_channels, 1, stride=stride, activation=False)


class BasicBlock(nn.Module):
    """Two 3 x 3 convolutions and the input added before the last ReLU.

    Source: He, Zhang, Ren and Sun, Deep Residual Learning for Image Recognition, CVPR 2016.

    Args:
        in_channels: channels of the input.
        channels: channels of both convolutions, and of the output.
        stride: of the first convolution, and of the shortcut.
        skip: whether to add the input; without it the block is a plain one, of equal size where
            the shapes agree.
    """

    expansion = 1

    def __init__(
        self, in_channels: int, channels: int, stride: int = 1, *, skip: bool = True
    ) -> None:
        super().__init__()
        self.branch = nn.Sequential(
            conv_norm(in_channels, channels, 3, stride=stride),
            conv_norm(channels, channels, 3, activation=False),
        )
        self.shortcut = shortcut(in_channels, channels, stride) if skip else None

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Return (N, channels, H / stride, W / stride)."""
        out = self.branch(x)
        return torch.relu(out if self.shortcut is None else out + self.shortcut(x))


class Bottleneck(nn.Module):
    """1 x 1 down, 3 x 3, 1 x 1 up to four times the channels, and the input added.

    The stride is on the 3 x 3 convolution, as in most implementations today (the paper has it on
    the first 1 x 1). With ``groups`` it is the block of ResNeXt, with ``excite`` that of SENet.

    Source: He et al., CVPR 2016; Xie et al., Aggregated Residual Transformations, CVPR 2017.

    Args:
        in_channels: channels of the input.
        channels: the output has four times as many.
        stride: of the 3 x 3 convolution, and of the shortcut.
        groups: groups of the 3 x 3 convolution.
        group_width: channels of each group when ``channels`` is 64; it grows with ``channels``,
            and is at least one.
        excite: whether to squeeze and excite before the addition.
    """

    expansion = 4

    def __init__(
        self,
        in_channels: int,
        channels: int,
        stride: int = 1,
        *,
        groups: int = 1,
        group_width: int = 64,
        excite: bool = False,
    ) -> None:
        super().__init__()
        integer(channels, "channels", 1)
        integer(groups, "groups", 1)
        integer(group_width, "group_width", 1)
        width, out_channels = max(1, channels * group_width // 64) * groups, 4 * channels
        layers = [
            conv_norm(in_channels, width, 1),
            conv_norm(width, width, 3, stride=stride, groups=groups),
            conv_norm(width, out_channels, 1, activation=False),
        ]
        self.branch = nn.Sequential(*layers, *[SqueezeExcite(out_channels)] * excite)
        self.shortcut = shortcut(in_channels, out_channels, stride)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Return (N, 4 channels, H / stride, W / stride)."""
        return torch.relu(self.branch(x) + self.shortcut(x))


def conv_relu(in_channels: int, out_channels: int, size: int, stride: int = 1, padding: int = 0):
    """Return a convolution with a bias and a ReLU, as before batch normalisation was known."""
    return nn.Sequential(nn.Conv2d(in_channels, out_channels, size, stride, padding), nn.ReLU())


class Inception(nn.Module):
    """Four branches side by side, whose channels are concatenated: 1 x 1, 3 x 3, 5 x 5, pooling.

    Source: Szegedy et al., Going Deeper with Convolutions, CVPR 2015.

    Args:
        in_channels: channels of the input.
        one: channels of the 1 x 1 branch.
        three: channels after the reducing 1 x 1 and after the 3 x 3 convolution.
        five: the same of the 5 x 5 branch.
        pool: channels of the 1 x 1 convolution behind the 3 x 3 max pooling.
    """

    def __init__(
        self, in_channels: int, one: int, three: tuple[int, int], five: tuple[int, int], pool: int
    ) -> None:
        super().__init__()
        self.one = conv_relu(in_channels, one, 1)
        self.three = nn.Sequential(
            conv_relu(in_channels, three[0], 1), conv_relu(*three, 3, padding=1)
        )
        self.five = nn.Sequential(
            conv_relu(in_channels, five[0], 1), conv_relu(*five, 5, padding=2)
        )
        self.pool = nn.Sequential(nn.MaxPool2d(3, 1, 1), conv_relu(in_channels, pool, 1))
        self.out_channels = one + three[1] + five[1] + pool

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Return (N, out_channels, H, W)."""
        return torch.cat([self.one(x), self.three(x), self.five(x), self.pool(x)], dim=1)


class DepthwiseSeparable(nn.Sequential):
    """A 3 x 3 convolution of each channel for itself, then a 1 x 1 convolution across channels.

    Source: Howard et al., MobileNets, 2017.
    """

    def __init__(self, in_channels: int, out_channels: int, stride: int = 1) -> None:
        super().__init__(
            conv_norm(in_channels, in_channels, 3, stride=stride, groups=in_channels),
            conv_norm(in_channels, out_channels, 1),
        )
