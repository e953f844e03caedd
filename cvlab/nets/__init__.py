"""Networks in plain torch: from blocks to whole ones that say what, where or who.

Modules: ``blocks``, ``classification``, ``detection``, ``segmentation``, ``depth``, ``embedding``,
``attention``, ``matching``, ``stereo_losses``; all are also names of this package. ``build(name)``
makes a network that classifies; ``PUBLISHED`` holds the numbers of parameters that the tests hold
them to.

    >>> from cvlab import nets
    >>> nets.count_parameters(nets.build("lenet5"))
    61706
"""

from cvlab.nets.attention import MultiHeadAttention, TransformerBlock, causal_mask
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
from cvlab.nets.depth import DepthNet
from cvlab.nets.detection import backbone, batch_iou, fpn, roi_align
from cvlab.nets.embedding import Embedder, embedder
from cvlab.nets.matching import correlation
from cvlab.nets.segmentation import UNet, UNetDecoder
from cvlab.nets.stereo_losses import (
    appearance_loss,
    consistency_loss,
    smoothness_loss,
    ssim_windows,
)

__all__ = [
    "NETWORKS",
    "PUBLISHED",
    "BasicBlock",
    "Bottleneck",
    "DepthNet",
    "DepthwiseSeparable",
    "Embedder",
    "Inception",
    "MultiHeadAttention",
    "SqueezeExcite",
    "TransformerBlock",
    "UNet",
    "UNetDecoder",
    "alexnet",
    "appearance_loss",
    "backbone",
    "batch_iou",
    "build",
    "causal_mask",
    "consistency_loss",
    "conv_norm",
    "correlation",
    "count_parameters",
    "embedder",
    "fpn",
    "googlenet",
    "lenet5",
    "mobilenet",
    "resnet",
    "resnext50",
    "roi_align",
    "se_resnet50",
    "small_resnet",
    "smoothness_loss",
    "ssim_windows",
    "vgg16",
    "zfnet",
]
