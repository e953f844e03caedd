"""Networks that classify, by name: LeNet-5, the ImageNet decade, and small ones that train here.

Each takes images (N, C, H, W) and returns logits (N, classes). ``build(name)`` makes one;
``PUBLISHED`` holds the numbers of parameters that the tests hold them to.
"""

from __future__ import annotations

from collections.abc import Callable

from torch import nn

from cvlab._arguments import integer
from cvlab.nets.blocks import (
    BasicBlock,
    Bottleneck,
    DepthwiseSeparable,
    Inception,
    conv_norm,
    conv_relu,
)


def count_parameters(model: nn.Module, *, trainable: bool = False) -> int:
    """Return the number of parameters of a model, a shared one counted once.

    Args:
        model: any module.
        trainable: whether to leave out those that ``requires_grad_(False)`` froze.

    >>> count_parameters(nn.Linear(3, 2))
    8
    """
    return sum(p.numel() for p in model.parameters() if p.requires_grad or not trainable)


def lenet5(classes: int = 10) -> nn.Sequential:
    """LeNet-5 for grey images of 28 x 28 (padded) pixels, with ReLU and every map connected.

    The original has scaled tanh, trainable pooling and a sparse table of connections in its second
    convolution.

    Source: LeCun, Bottou, Bengio and Haffner, Proceedings of the IEEE, 1998.
    """
    return nn.Sequential(
        conv_relu(1, 6, 5, padding=2),  # (N, 6, 28, 28)
        nn.AvgPool2d(2),
        conv_relu(6, 16, 5),  # (N, 16, 10, 10)
        nn.AvgPool2d(2),
        nn.Flatten(),  # (N, 400)
        nn.Linear(400, 120),
        nn.ReLU(),
        nn.Linear(120, 84),
        nn.ReLU(),
        nn.Linear(84, classes),
    )


def _dense_head(features: int, classes: int) -> list[nn.Module]:
    """Return the three fully connected layers that AlexNet, ZFNet and VGG end with."""
    return [
        nn.Flatten(),
        nn.Linear(features, 4096),
        nn.ReLU(),
        nn.Dropout(0.5),
        nn.Linear(4096, 4096),
        nn.ReLU(),
        nn.Dropout(0.5),
        nn.Linear(4096, classes),
    ]


def _early_network(first: list[nn.Module], classes: int) -> nn.Sequential:
    """Return what AlexNet and ZFNet share after their first two, different, convolutions."""
    return nn.Sequential(
        *first,  # (N, 256, 13, 13)
        conv_relu(256, 384, 3, padding=1),
        conv_relu(384, 384, 3, padding=1),
        conv_relu(384, 256, 3, padding=1),
        nn.MaxPool2d(3, 2),  # (N, 256, 6, 6)
        *_dense_head(256 * 6 * 6, classes),
    )


def alexnet(classes: int = 1000) -> nn.Sequential:
    """AlexNet as one network, without groups, for 227 x 227 images.

    Source: Krizhevsky, Sutskever and Hinton, NIPS 2012; there two towers on two cards, in which
    some convolutions see half of the maps, and local response normalisation, left out here.
    """
    first = [
        conv_relu(3, 96, 11, stride=4),  # (N, 96, 55, 55)
        nn.MaxPool2d(3, 2),
        conv_relu(96, 256, 5, padding=2),
        nn.MaxPool2d(3, 2),
    ]
    return _early_network(first, classes)


def zfnet(classes: int = 1000) -> nn.Sequential:
    """ZFNet for 224 x 224 images: AlexNet with smaller first kernels and strides.

    Source: Zeiler and Fergus, Visualizing and Understanding Convolutional Networks, ECCV 2014.
    """
    first = [
        conv_relu(3, 96, 7, stride=2, padding=1),  # (N, 96, 110, 110)
        nn.MaxPool2d(3, 2, padding=1),  # (N, 96, 55, 55)
        conv_relu(96, 256, 5, stride=2),  # (N, 256, 26, 26)
        nn.MaxPool2d(3, 2, padding=1),
    ]
    return _early_network(first, classes)


def vgg16(classes: int = 1000) -> nn.Sequential:
    """VGG-16, configuration D, for 224 x 224 images: 3 x 3 convolutions and nothing else.

    Source: Simonyan and Zisserman, Very Deep Convolutional Networks, ICLR 2015.
    """
    layers: list[nn.Module] = []
    in_channels = 3
    for convolutions, channels in [(2, 64), (2, 128), (3, 256), (3, 512), (3, 512)]:
        for _ in range(convolutions):
            layers.append(conv_relu(in_channels, channels, 3, padding=1))
            in_channels = channels
        layers.append(nn.MaxPool2d(2))
    return nn.Sequential(*layers, *_dense_head(512 * 7 * 7, classes))


def googlenet(classes: int = 1000) -> nn.Sequential:
    """GoogLeNet for 224 x 224 images: nine inception modules, without the auxiliary classifiers.

    torchvision's has batch normalisation, and 3 x 3 kernels where the paper has 5 x 5.

    Source: Szegedy et al., Going Deeper with Convolutions, CVPR 2015, table 1.
    """

    def pool() -> nn.MaxPool2d:
        return nn.MaxPool2d(3, 2, ceil_mode=True)

    return nn.Sequential(
        conv_relu(3, 64, 7, stride=2, padding=3),  # (N, 64, 112, 112)
        pool(),
        conv_relu(64, 64, 1),
        conv_relu(64, 192, 3, padding=1),
        pool(),  # (N, 192, 28, 28)
        Inception(192, 64, (96, 128), (16, 32), 32),
        Inception(256, 128, (128, 192), (32, 96), 64),
        pool(),  # (N, 480, 14, 14)
        Inception(480, 192, (96, 208), (16, 48), 64),
        Inception(512, 160, (112, 224), (24, 64), 64),
        Inception(512, 128, (128, 256), (24, 64), 64),
        Inception(512, 112, (144, 288), (32, 64), 64),
        Inception(528, 256, (160, 320), (32, 128), 128),
        pool(),  # (N, 832, 7, 7)
        Inception(832, 256, (160, 320), (32, 128), 128),
        Inception(832, 384, (192, 384), (48, 128), 128),
        nn.AdaptiveAvgPool2d(1),
        nn.Flatten(),  # (N, 1024)
        nn.Dropout(0.4),
        nn.Linear(1024, classes),
    )


def _residual_network(
    block: Callable[..., nn.Module], depths: tuple[int, ...], classes: int, stem: nn.Module
) -> nn.Sequential:
    """Stack stages of blocks; each stage after the first halves the size and doubles channels."""
    layers: list[nn.Module] = [stem]
    channels = in_channels = next(
        m for m in stem.modules() if isinstance(m, nn.Conv2d)
    ).out_channels
    for stage, depth in enumerate(depths):
        for i in range(depth):
            made = block(in_channels, channels, stride=2 if stage and not i else 1)
            layers.append(made)
            in_channels = channels * made.expansion
        channels *= 2
    head = [nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(in_channels, classes)]
    return nn.Sequential(*layers, *head)


def _imagenet_stem() -> nn.Sequential:
    return nn.Sequential(conv_norm(3, 64, 7, stride=2), nn.MaxPool2d(3, 2, 1))  # (N, 64, 56, 56)


def resnet(depth: int = 34, classes: int = 1000) -> nn.Sequential:
    """ResNet of 18, 34, 50, 101 or 152 layers with weights, for 224 x 224 images.

    Source: He, Zhang, Ren and Sun, CVPR 2016, table 1.

    Raises:
        ValueError: if there is no ResNet of that depth.
    """
    kinds = {
        18: (BasicBlock, (2, 2, 2, 2)),
        34: (BasicBlock, (3, 4, 6, 3)),
        50: (Bottleneck, (3, 4, 6, 3)),
        101: (Bottleneck, (3, 4, 23, 3)),
        152: (Bottleneck, (3, 8, 36, 3)),
    }
    integer(depth, "depth", 1)
    if depth not in kinds:
        raise ValueError(f"the paper has no ResNet-{depth}; there are {sorted(kinds)}.")
    block, depths = kinds[depth]
    return _residual_network(block, depths, classes, _imagenet_stem())


def resnext50(classes: int = 1000) -> nn.Sequential:
    """ResNeXt-50 (32 x 4d): the 3 x 3 convolutions in 32 groups, of 4 channels in the first stage.

    Source: Xie, Girshick, Dollar, Tu and He, CVPR 2017.
    """

    def block(in_channels: int, channels: int, stride: int) -> Bottleneck:
        return Bottleneck(in_channels, channels, stride, groups=32, group_width=4)

    return _residual_network(block, (3, 4, 6, 3), classes, _imagenet_stem())


def se_resnet50(classes: int = 1000) -> nn.Sequential:
    """SE-ResNet-50: ResNet-50 whose blocks weigh their channels before the addition.

    Source: Hu, Shen and Sun, CVPR 2018.
    """

    def block(in_channels: int, channels: int, stride: int) -> Bottleneck:
        return Bottleneck(in_channels, channels, stride, excite=True)

    return _residual_network(block, (3, 4, 6, 3), classes, _imagenet_stem())


def mobilenet(classes: int = 1000) -> nn.Sequential:
    """MobileNet (version 1, width 1) for 224 x 224 images, of depthwise separable convolutions.

    Source: Howard et al., MobileNets, 2017, table 1.
    """
    layers: list[nn.Module] = [conv_norm(3, 32, 3, stride=2)]
    in_channels = 32
    plan = [(64, 1), (128, 2), (128, 1), (256, 2), (256, 1), (512, 2), *[(512, 1)] * 5]
    for channels, stride in [*plan, (1024, 2), (1024, 1)]:
        layers.append(DepthwiseSeparable(in_channels, channels, stride))
        in_channels = channels
    return nn.Sequential(*layers, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(1024, classes))


def small_resnet(
    depth: int = 8, classes: int = 10, *, in_channels: int = 3, width: int = 16, skip: bool = True
) -> nn.Sequential:
    """Residual network for small images: 6 n + 2 layers in three stages of n blocks.

    Args:
        depth: 8, 14, 20, 26, ... layers with weights.
        classes: number of logits.
        in_channels: 1 for grey images, 3 for colour.
        width: channels of the first stage; the others have two and four times as many.
        skip: whether blocks add their input; without it this is the plain network of equal depth.

    Raises:
        ValueError: if ``depth`` is not 6 n + 2 with n at least 1.

    Source: He et al., CVPR 2016, section 4.2. Its shortcuts pad with zeros where channels double;
    these are 1 x 1 convolutions.
    """
    integer(depth, "depth", 1)
    if depth < 8 or (depth - 2) % 6:
        raise ValueError(f"depth {depth} is not 6 n + 2; take 8, 14, 20, 26, ... layers.")

    def block(in_channels: int, channels: int, stride: int) -> BasicBlock:
        return BasicBlock(in_channels, channels, stride, skip=skip)

    depths = ((depth - 2) // 6,) * 3
    return _residual_network(block, depths, classes, conv_norm(in_channels, width, 3))


#: What ``build`` knows. Each takes ``classes``.
NETWORKS: dict[str, Callable[..., nn.Module]] = {
    "lenet5": lenet5,
    "alexnet": alexnet,
    "zfnet": zfnet,
    "vgg16": vgg16,
    "googlenet": googlenet,
    "resnet18": lambda classes=1000: resnet(18, classes),
    "resnet34": lambda classes=1000: resnet(34, classes),
    "resnet50": lambda classes=1000: resnet(50, classes),
    "resnext50": resnext50,
    "se_resnet50": se_resnet50,
    "mobilenet": mobilenet,
    "small_resnet": small_resnet,
}

#: Parameters of the networks above, as published or as torchvision's and timm's models have them.
PUBLISHED = {
    "lenet5": 61_706,
    "alexnet": 62_378_344,
    "vgg16": 138_357_544,
    "googlenet": 6_998_552,
    "resnet18": 11_689_512,
    "resnet34": 21_797_672,
    "resnet50": 25_557_032,
    "resnext50": 25_028_904,
    "se_resnet50": 28_088_024,
    "mobilenet": 4_231_976,
}


def build(name: str, classes: int | None = None) -> nn.Module:
    """Make a network by its name in ``NETWORKS``.

    Args:
        name: such as ``"resnet34"``.
        classes: number of logits; by default that of the paper.

    Raises:
        TypeError: if ``classes`` is not a whole number.
        ValueError: if no network has that name, or ``classes`` is below one.
    """
    if name not in NETWORKS:
        raise ValueError(f"there is no network {name!r}; there are {', '.join(NETWORKS)}.")
    if classes is not None:
        integer(classes, "classes", 1)
    return NETWORKS[name]() if classes is None else NETWORKS[name](classes=classes)
