"""Networks in plain torch: ``blocks``, ``classification``, ``detection``, ``segmentation``.

All are also names of this package. ``build(name)`` makes a network that classifies;
``PUBLISHED`` holds the numbers of parameters that the tests hold them to.

    >>> from cvlab import nets
    >>> nets.count_parameters(nets.build("lenet5"))
    61706
"""

from cvlab.nets.blocks import (
    BasicBlock,
    Bottleneck,
    DepthwiseSeparable,
    Inception,
    SqueezeExcite,
    conv_norm,
)
from cvlab.nets.classification import (
    NETWORKS,
    PUBLISHED,
    alexnet,
    build,
    count_parameters,
    googlenet,
    lenet5,
    mobilenet,
    resnet,
    resnext50,
    se_resnet50,
    small_resnet,
    vgg16,
    zfnet,
)
from cvlab.nets.detection import backbone, fpn, roi_align
from cvlab.nets.segmentation import UNet, UNetDecoder

__all__ = [
    "NETWORKS",
    "PUBLISHED",
    "BasicBlock",
    "Bottleneck",
    "DepthwiseSeparable",
    "Inception",
    "SqueezeExcite",
    "UNet",
    "UNetDecoder",
    "alexnet",
    "backbone",
    "build",
    "conv_norm",
    "count_parameters",
    "fpn",
    "googlenet",
    "lenet5",
    "mobilenet",
    "resnet",
    "resnext50",
    "roi_align",
    "se_resnet50",
    "small_resnet",
    "vgg16",
    "zfnet",
]
