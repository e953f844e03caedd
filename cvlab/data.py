"""Real image data behind one type: sets that ship with the dependencies, and full ones.

The embedded sets need no network: ``digits``, ``photograph``, ``photographs``, ``faces``,
``stereo_motorcycle``, and the two-dimensional point sets ``rings``, ``moons`` and ``blobs``.

The full sets (``mnist``, ``cifar10``, ``voc_detection``, ...) are read by torchvision's own
classes. They lie in the folder ``root``; without it in the folder named by the environment
variable ``CVLAB_DATA``; without that in the user's cache. What is missing is downloaded on first
use, after one line that says how much and from where. What cannot be had raises
``DatasetUnavailable``, which says what to do instead.

No file is trusted because it exists. A download bears another name until it is whole and its
checksum agrees. An archive is compared with torchvision's checksum before it is unpacked; then the
size and CRC-32 of each of its files are recorded beside it, and compared again before that file is
decoded. A truncated or altered file is removed, and fetched again where that is possible.
"""

from __future__ import annotations

import contextlib
import errno
import gzip
import http.client
import json
import lzma
import os
import shutil
import socket
import tarfile
import tempfile
import time
import urllib.error
import zipfile
import zlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

if TYPE_CHECKING:
    import torch.utils.data

__all__ = [
    "MOTORCYCLE_CALIBRATION",
    "PHOTOGRAPHS",
    "Dataset",
    "DatasetUnavailable",
    "StereoPair",
    "blobs",
    "celeba",
    "cifar10",
    "cifar100",
    "cityscapes",
    "coco_captions",
    "coco_detection",
    "digits",
    "faces",
    "fashion_mnist",
    "imagenet",
    "kitti",
    "kitti_flow",
    "kitti_stereo",
    "lfw",
    "mnist",
    "moons",
    "omniglot",
    "photograph",
    "photographs",
    "rings",
    "stereo_motorcycle",
    "voc_detection",
    "voc_segmentation",
]

COLOUR_PHOTOGRAPHS = (
    "astronaut",
    "chelsea",
    "coffee",
    "hubble_deep_field",
    "immunohistochemistry",
    "retina",
    "rocket",
)
GREY_PHOTOGRAPHS = (
    "brick",
    "camera",
    "clock",
    "coins",
    "grass",
    "gravel",
    "moon",
    "page",
    "text",
)
PHOTOGRAPHS = tuple(sorted(COLOUR_PHOTOGRAPHS + GREY_PHOTOGRAPHS))

# For the images as embedded, a quarter of the published size in each direction. Depth in
# millimetres is focal_length * baseline / (disparity + principal_offset).
MOTORCYCLE_CALIBRATION = {
    "focal_length": 994.978,  # pixels
    "principal_point": (311.193, 254.877),  # (x, y) of the left image, pixels
    "principal_offset": 31.086,  # principal point of the right image minus the left, x, pixels
    "baseline": 193.001,  # millimetres
}

VOC_CLASSES = (
    *("aeroplane", "bicycle", "bird", "boat", "bottle", "bus", "car", "cat", "chair", "cow"),
    *("diningtable", "dog", "horse", "motorbike", "person", "pottedplant", "sheep", "sofa"),
    *("train", "tvmonitor"),
)
KITTI_CLASSES = (
    *("Car", "Van", "Truck", "Pedestrian", "Person_sitting", "Cyclist", "Tram", "Misc"),
)

TIMEOUT = 10.0  # seconds without an answer before a server counts as unreachable


class DatasetUnavailable(RuntimeError):
    """A full data set that is neither on this machine nor to be had, or a damaged file of one.

    The message is one sentence: the set, the reason, where to place its files by hand, and the
    embedded data to use instead.

    >>> issubclass(DatasetUnavailable, RuntimeError)
    True
    """


# --- One type for every set ---------------------------------------------------------------------


class Dataset:
    """A labelled set of images, read one at a time.

    ``dataset[i]`` is ``(image, target)``. The image is float32 in [0, 1], of shape (H, W) if grey
    and (H, W, 3) if RGB. The target is a class index (int), an int64 mask (H, W), or a dict; for
    detection the dict holds ``boxes`` (N, 4) float32 xyxy in pixels and ``labels`` (N,) int64.
    ``class_names[k]`` names class ``k``.

    Attributes:
        name: the function of this module that made it.
        description: what it holds, in one line.
        source: who published it, and where.
        licence: the terms of use, as far as they were stated.
        class_names: one name a class.

    >>> dataset = digits()
    >>> len(dataset), dataset.class_names[3]
    (1797, '3')
    >>> image, label = dataset[0]
    >>> image.shape, image.dtype, label
    ((8, 8), dtype('float32'), 0)
    """

    def __init__(
        self,
        card: _Card,
        class_names: Sequence[str],
        read: Callable[[int], tuple[np.ndarray, Any]],
        indices: Sequence[int] | np.ndarray,
        labels: Sequence[int] | np.ndarray | None = None,
    ) -> None:
        self.name = card.name
        self.description = card.description
        self.source = card.source
        self.licence = card.licence
        self.class_names = tuple(class_names)
        self._card = card
        self._read = read
        self._indices = np.asarray(indices, dtype=np.int64)
        # Class of every item of the source, so that a split need not decode images.
        self._labels = None if labels is None else np.asarray(labels, dtype=np.int64)

    def __len__(self) -> int:
        return len(self._indices)

    def __getitem__(self, i: int) -> tuple[np.ndarray, Any]:
        if isinstance(i, (bool, np.bool_)) or not isinstance(i, (int, np.integer)):
            raise TypeError(
                f"A Dataset is indexed by one integer, not by {type(i).__name__}; "
                "use arrays() or split() for several samples."
            )
        if not -len(self) <= i < len(self):
            raise IndexError(f"Index {i} is outside a Dataset of {len(self)} samples.")
        return self._read(int(self._indices[i]))

    def __repr__(self) -> str:
        return f"<Dataset {self.name}: {len(self)} samples, {len(self.class_names)} classes>"

    def arrays(self) -> tuple[np.ndarray, np.ndarray]:
        """Stack the whole set in memory.

        Returns:
            images (N, H, W) or (N, H, W, 3) float32 in [0, 1], and labels (N,) int64.

        Raises:
            ValueError: if image sizes differ, or if the targets are not class indices.

        >>> images, labels = digits().arrays()
        >>> images.shape, labels.shape
        ((1797, 8, 8), (1797,))
        """
        if self._labels is None:
            raise ValueError(
                f"The targets of {self.name} are no class indices, so they do not stack; "
                "read the samples one at a time."
            )
        first = self[0][0]
        # Allocated once: a list of images and its stack would need twice the memory.
        images = np.empty((len(self), *first.shape), dtype=np.float32)
        for i in range(len(self)):
            image, _ = self[i]
            if image.shape != first.shape:
                raise ValueError(
                    f"The images of {self.name} differ in size ({first.shape} and {image.shape}), "
                    "so they do not stack; resize them first or read them one at a time."
                )
            images[i] = image
        return images, self._labels[self._indices]

    def split(self, *fractions: float, seed: int = 0, stratify: bool = True) -> tuple[Dataset, ...]:
        """Divide the set at random into disjoint parts that together cover it.

        Args:
            fractions: the size of each part; positive, and together 1.
            seed: the same seed gives the same parts, in the same order.
            stratify: give each part the same mix of classes, to within two samples a class. Sets
                whose targets are no class indices are divided plainly.

        Raises:
            ValueError: if the fractions are wrong, or so small that a part would be empty.

        >>> train, validation, test = digits().split(0.6, 0.2, 0.2, seed=0)
        >>> len(train), len(validation), len(test)
        (1078, 360, 359)
        """
        sizes = _part_sizes(len(self), fractions)
        rng = np.random.default_rng(seed)
        order = rng.permutation(len(self))
        if stratify and self._labels is not None:
            order = order[np.argsort(self._labels[self._indices[order]], kind="stable")]
            # Spread the parts evenly along the samples sorted by class: sample i of a part of n
            # belongs at (i + 1/2) / n of the way, so every run of one class gets its share.
            ideal = np.concatenate([(np.arange(n) + 0.5) / n for n in sizes])
            part = np.repeat(np.arange(len(sizes)), sizes)[np.argsort(ideal, kind="stable")]
        else:
            part = np.repeat(np.arange(len(sizes)), sizes)
        return tuple(
            self._subset(rng.permutation(self._indices[order[part == k]]))
            for k in range(len(sizes))
        )

    def _subset(self, indices: np.ndarray) -> Dataset:
        return Dataset(self._card, self.class_names, self._read, indices, self._labels)

    def torch(
        self, transform: Callable[[torch.Tensor], Any] | None = None
    ) -> torch.utils.data.Dataset:
        """View the set as a ``torch.utils.data.Dataset``, ready for a ``DataLoader``.

        Each item is ``(image, target)``: the image a (C, H, W) float32 tensor in [0, 1], passed
        through ``transform`` where one is given; arrays of the target become tensors too, those of
        three dimensions with the channel first.

        >>> image, label = digits().torch()[0]
        >>> tuple(image.shape), str(image.dtype), label
        ((1, 8, 8), 'torch.float32', 0)
        """
        if transform is not None and not callable(transform):
            raise TypeError(f"transform must be a function, not {type(transform).__name__}.")
        return _torch_view(self, transform)


def _part_sizes(n: int, fractions: Sequence[float]) -> list[int]:
    """Whole numbers that sum to n, each within one of its fraction of n."""
    if not fractions or not all(
        isinstance(f, (int, float, np.number)) and np.isfinite(f) and f > 0 for f in fractions
    ):
        raise ValueError(f"split needs positive fractions such as 0.6, 0.2, 0.2, not {fractions}.")
    if abs(sum(fractions) - 1) > 1e-6:
        raise ValueError(f"The fractions of split must sum to 1, not to {sum(fractions):g}.")
    edges = np.floor(np.cumsum((0.0, *fractions)) / sum(fractions) * n + 0.5).astype(int)
    sizes = np.diff(edges).tolist()
    if 0 in sizes:
        raise ValueError(
            f"Splitting {n} samples by {fractions} leaves a part empty; use fewer or larger parts."
        )
    return sizes


def _torch_view(dataset: Dataset, transform: Callable[..., Any] | None) -> Any:
    """The torch dataset itself; its class is made here because importing torch takes seconds."""
    from torch.utils.data import Dataset as TorchDataset

    class TorchView(TorchDataset):
        def __len__(self) -> int:
            return len(dataset)

        def __getitem__(self, i: int) -> tuple[Any, Any]:
            image, target = dataset[i]
            image = _to_tensor(image if image.ndim == 3 else image[..., None])
            return (image if transform is None else transform(image)), _to_tensor(target)

        def __reduce__(self) -> tuple[Any, ...]:
            # Worker processes that are spawned, not forked, cannot look up a local class.
            return _torch_view, (dataset, transform)

    return TorchView()


def _to_tensor(value: Any) -> Any:
    """Arrays to tensors, channels first; what is no array stays as it is."""
    import torch

    if isinstance(value, dict):
        return {key: _to_tensor(item) for key, item in value.items()}
    if isinstance(value, np.ndarray):
        channels_first = np.moveaxis(value, -1, 0) if value.ndim == 3 else value
        return torch.from_numpy(np.array(channels_first))
    return value


@dataclass(frozen=True)
class _Card:
    """What a set says about itself. The size is that of the download, the unpacked files apart."""

    name: str
    title: str
    description: str
    source: str
    licence: str
    megabytes: int = 0
    substitute: str = ""


# --- Embedded sets ------------------------------------------------------------------------------


@dataclass(frozen=True)
class _FromArrays:
    """Reads item i of arrays in memory: images uint8 or float32, labels of any integer type."""

    images: np.ndarray
    labels: np.ndarray

    def __call__(self, i: int) -> tuple[np.ndarray, int]:
        image = self.images[i].astype(np.float32)  # a copy: the caller may write to it
        if self.images.dtype == np.uint8:
            image /= 255
        return image, int(self.labels[i])


def _from_arrays(
    card: _Card, class_names: Sequence[str], images: np.ndarray, labels: np.ndarray
) -> Dataset:
    return Dataset(card, class_names, _FromArrays(images, labels), np.arange(len(images)), labels)


def digits() -> Dataset:
    """1,797 handwritten digits of 8 x 8 pixels, the ones that ship with scikit-learn.

    Source: E. Alpaydin and C. Kaynak, "Optical Recognition of Handwritten Digits", UCI Machine
    Learning Repository, 1998 (its test part).

    >>> images, labels = digits().arrays()
    >>> images.shape, float(images.max()), labels[:5].tolist()
    ((1797, 8, 8), 1.0, [0, 1, 2, 3, 4])
    """
    from sklearn.datasets import load_digits

    bunch = load_digits()
    card = _Card(
        "digits",
        "Digits",
        "1,797 grey images of handwritten digits, 8 x 8 pixels, ten classes",
        "UCI Optical Recognition of Handwritten Digits, inside scikit-learn",
        "CC BY 4.0",
    )
    images = (bunch.images / 16).astype(np.float32)  # the counts run from 0 to 16, so this is exact
    return _from_arrays(card, [str(k) for k in range(10)], images, bunch.target)


def photograph(name: str, size: tuple[int, int] | None = None) -> np.ndarray:
    """A photograph that ships with scikit-image, free to use.

    Args:
        name: one of ``PHOTOGRAPHS``.
        size: (height, width) in pixels to resize to, smoothed against aliasing; None keeps it.

    Returns:
        float32 in [0, 1]: (H, W, 3) RGB, or (H, W) if the photograph is grey.

    Raises:
        ValueError: if no photograph has this name, or if ``size`` is not two positive integers.

    >>> photograph("astronaut").shape, photograph("camera", size=(64, 96)).shape
    ((512, 512, 3), (64, 96))
    """
    import skimage.data
    from skimage.transform import resize

    if name not in PHOTOGRAPHS:
        raise ValueError(
            f"There is no photograph {name!r}; choose one of {', '.join(PHOTOGRAPHS)}."
        )
    image = _image(getattr(skimage.data, name)())
    if size is None:
        return image
    height, width = _checked_size(size)
    resized = resize(image, (height, width), anti_aliasing=True)
    return np.clip(resized, 0, 1).astype(np.float32)


def _checked_size(size: Any) -> tuple[int, int]:
    whole = isinstance(size, (tuple, list)) and len(size) == 2
    if not whole or not all(isinstance(s, (int, np.integer)) and s > 0 for s in size):
        raise ValueError(f"size must be (height, width) in whole pixels above 0, not {size!r}.")
    return int(size[0]), int(size[1])


def _read_photograph(i: int) -> tuple[np.ndarray, int]:
    return photograph(COLOUR_PHOTOGRAPHS[i]), i


def photographs() -> Dataset:
    """The colour photographs that ship with scikit-image, of different sizes; class i is photo i.

    >>> dataset = photographs()
    >>> dataset.class_names[0], dataset[0][0].shape
    ('astronaut', (512, 512, 3))
    """
    card = _Card(
        "photographs",
        "Photographs",
        f"{len(COLOUR_PHOTOGRAPHS)} colour photographs of different sizes, one a class",
        "scikit-image's data folder; each photographer is named in skimage.data",
        "CC0 or public domain",
    )
    everything = np.arange(len(COLOUR_PHOTOGRAPHS))
    return Dataset(card, COLOUR_PHOTOGRAPHS, _read_photograph, everything, everything)


def faces() -> Dataset:
    """200 grey patches of 25 x 25 pixels, the ones that ship with scikit-image: faces or not.

    The faces are a sample of Labelled Faces in the Wild, the others its backgrounds; ``lfw()`` is
    the full set. Class 0 is "other", class 1 "face".

    Source: G. Huang et al., "Learning to align from scratch", NIPS 2012.

    >>> images, labels = faces().arrays()
    >>> images.shape, labels.sum().item()
    ((200, 25, 25), 100)
    """
    from skimage.data import lfw_subset

    images = lfw_subset().astype(np.float32)  # the first half shows faces, the second does not
    card = _Card(
        "faces",
        "LFW subset",
        "200 grey patches, 25 x 25 pixels, half of them faces",
        "Labelled Faces in the Wild (vis-www.cs.umass.edu/lfw), inside scikit-image",
        "none stated; published for research",
    )
    labels = np.repeat([1, 0], len(images) // 2)
    return _from_arrays(card, ("other", "face"), images, labels)


class StereoPair(NamedTuple):
    """A rectified stereo pair with the disparity of its left image.

    The point at column x of the left image lies at column x - disparity of the right one, in the
    same row. Images are (H, W, 3) float32 in [0, 1]; ``disparity`` is (H, W) float32 in pixels,
    0 where it is unknown; ``valid`` is (H, W) bool, False where it is unknown.

    >>> StereoPair._fields
    ('left', 'right', 'disparity', 'valid')
    """

    left: np.ndarray
    right: np.ndarray
    disparity: np.ndarray
    valid: np.ndarray


def stereo_motorcycle() -> StereoPair:
    """The Motorcycle scene with measured disparity, 500 x 741 pixels, inside scikit-image.

    ``MOTORCYCLE_CALIBRATION`` turns disparity into depth. It also stands in for indoor depth sets:
    torchvision has no class for NYU Depth v2, so this module offers none.

    Source: D. Scharstein et al., "High-resolution stereo datasets with subpixel-accurate ground
    truth", GCPR 2014 (Middlebury 2014).

    >>> left, right, disparity, valid = stereo_motorcycle()
    >>> left.shape, disparity.dtype, round(float(valid.mean()), 2)
    ((500, 741, 3), dtype('float32'), 0.93)
    """
    from skimage.data import stereo_motorcycle as load

    left, right, disparity = load()
    valid = np.isfinite(disparity)
    known = np.where(valid, disparity, 0).astype(np.float32)
    return StereoPair(_image(left), _image(right), known, valid)


def rings(n: int = 200, noise: float = 0.05, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Points on two circles about the origin: class 0 of radius 1, class 1 of radius 1/2.

    Args:
        n: the number of points, at least 2; the classes differ by one at most.
        noise: standard deviation of the normal noise on each coordinate.
        seed: the same seed gives the same points.

    Returns:
        points (n, 2) float32 in random order, and labels (n,) int64.

    Raises:
        TypeError: if ``n`` is not an integer.
        ValueError: if ``n`` or ``noise`` is out of range.

    >>> points, labels = rings(100, noise=0.0)
    >>> np.unique(np.linalg.norm(points, axis=1).round(3)).tolist()
    [0.5, 1.0]
    """
    labels = _toy_labels(n, 2, noise)
    angle = 2 * np.pi * _positions(labels, endpoint=False)
    radius = np.where(labels == 0, 1.0, 0.5)
    points = radius[:, None] * np.stack([np.cos(angle), np.sin(angle)], axis=1)
    return _shaken(points, labels, noise, seed)


def moons(n: int = 200, noise: float = 0.1, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Points on two interleaved half circles of radius 1: class 0 the upper, class 1 the lower.

    The upper one is centred at (0, 0), the lower at (1, 1/2). Arguments, result and errors are
    those of ``rings``.

    >>> points, labels = moons(100, noise=0.0)
    >>> points[labels == 0].round(2).max(axis=0).tolist()
    [1.0, 1.0]
    """
    labels = _toy_labels(n, 2, noise)
    angle = np.pi * _positions(labels, endpoint=True)
    upper = np.stack([np.cos(angle), np.sin(angle)], axis=1)
    lower = np.array([1.0, 0.5]) - upper
    return _shaken(np.where(labels[:, None] == 0, upper, lower), labels, noise, seed)


def blobs(
    n: int = 200, noise: float = 0.3, seed: int = 0, classes: int = 3
) -> tuple[np.ndarray, np.ndarray]:
    """Normal clouds of standard deviation ``noise`` around evenly spaced points of the unit circle.

    Arguments, result and errors are those of ``rings``; ``n`` is at least ``classes``.

    >>> points, labels = blobs(90, classes=3)
    >>> points.shape, np.bincount(labels).tolist()
    ((90, 2), [30, 30, 30])
    """
    if isinstance(classes, bool) or not isinstance(classes, (int, np.integer)) or classes < 1:
        raise ValueError(f"classes must be a whole number above 0, not {classes!r}.")
    labels = _toy_labels(n, classes, noise)
    angle = 2 * np.pi * labels / classes
    return _shaken(np.stack([np.cos(angle), np.sin(angle)], axis=1), labels, noise, seed)


def _toy_labels(n: int, classes: int, noise: float) -> np.ndarray:
    if isinstance(n, bool) or not isinstance(n, (int, np.integer)):
        raise TypeError(f"n must be an integer, not {type(n).__name__}.")
    if n < classes:
        raise ValueError(f"n must be at least {classes}, one point a class, not {n}.")
    if not np.isfinite(noise) or noise < 0:
        raise ValueError(f"noise must be a standard deviation of 0 or more, not {noise}.")
    return np.arange(n, dtype=np.int64) * classes // n  # sorted, sizes differ by one at most


def _positions(labels: np.ndarray, endpoint: bool) -> np.ndarray:
    """Where each point lies along its class's curve, from 0 to 1."""
    return np.concatenate([np.linspace(0, 1, c, endpoint=endpoint) for c in np.bincount(labels)])


def _shaken(
    points: np.ndarray, labels: np.ndarray, noise: float, seed: int
) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    order = rng.permutation(len(points))
    noisy = points + noise * rng.standard_normal(points.shape)
    return noisy[order].astype(np.float32), labels[order]


# --- The full sets: what each is -----------------------------------------------------------------

_FULL_SETS = (
    _Card(
        "mnist",
        "MNIST",
        "70,000 grey images of handwritten digits, 28 x 28 pixels, ten classes",
        "Y. LeCun, C. Cortes and C. Burges (ossci-datasets.s3.amazonaws.com/mnist)",
        "CC BY-SA 3.0",
        12,
        "data.digits()",
    ),
    _Card(
        "fashion_mnist",
        "Fashion-MNIST",
        "70,000 grey images of clothing, 28 x 28 pixels, ten classes",
        "Zalando Research (github.com/zalandoresearch/fashion-mnist)",
        "MIT",
        31,
        "data.digits()",
    ),
    _Card(
        "cifar10",
        "CIFAR-10",
        "60,000 colour images of animals and vehicles, 32 x 32 pixels, ten classes",
        "A. Krizhevsky, University of Toronto (www.cs.toronto.edu/~kriz/cifar.html)",
        "none stated; published for research",
        170,
        "cvlab.scenes.sample(1000, size=32)",
    ),
    _Card(
        "cifar100",
        "CIFAR-100",
        "60,000 colour images, 32 x 32 pixels, 100 classes",
        "A. Krizhevsky, University of Toronto (www.cs.toronto.edu/~kriz/cifar.html)",
        "none stated; published for research",
        169,
        "cvlab.scenes.sample(1000, size=32)",
    ),
    _Card(
        "omniglot",
        "Omniglot",
        "drawings of 1,623 characters from 50 alphabets, 105 x 105 pixels, 20 a character",
        "B. Lake (github.com/brendenlake/omniglot)",
        "MIT",
        16,
        "data.digits()",
    ),
    _Card(
        "lfw",
        "Labelled Faces in the Wild",
        "13,233 colour photographs of the faces of 5,749 people, 250 x 250 pixels",
        "University of Massachusetts (vis-www.cs.umass.edu/lfw)",
        "none stated; published for research",
        243,
        "data.faces()",
    ),
    _Card(
        "celeba",
        "CelebA",
        "202,599 colour photographs of faces, 218 x 178 pixels, 40 attributes",
        "Chinese University of Hong Kong (mmlab.ie.cuhk.edu.hk/projects/CelebA.html)",
        "non-commercial research only",
        1443,
        "data.faces()",
    ),
    _Card(
        "imagenet",
        "ImageNet",
        "colour photographs of 1,000 classes, of different sizes",
        "image-net.org, after registration",
        "non-commercial research and education only",
        substitute="data.photographs()",
    ),
    _Card(
        "cityscapes",
        "Cityscapes",
        "street scenes of 50 cities, 1024 x 2048 pixels, masks of 19 classes",
        "www.cityscapes-dataset.com, after registration",
        "non-commercial use only",
        11_900,
        "cvlab.scenes.sample(1000, size=128, objects=(1, 8))",
    ),
    _Card(
        "kitti",
        "KITTI",
        "7,481 street scenes, about 375 x 1242 pixels, boxes of eight classes",
        "Karlsruhe Institute of Technology (www.cvlibs.net/datasets/kitti)",
        "CC BY-NC-SA 3.0",
        12_600,
        "cvlab.scenes.sample(1000, size=128, objects=(1, 8))",
    ),
    _Card(
        "kitti_stereo",
        "KITTI 2015 stereo",
        "200 rectified stereo pairs of street scenes with measured disparity",
        "www.cvlibs.net/datasets/kitti/eval_scene_flow.php",
        "CC BY-NC-SA 3.0",
        substitute="data.stereo_motorcycle()",
    ),
    _Card(
        "kitti_flow",
        "KITTI 2015 flow",
        "200 pairs of successive street scenes with measured optical flow",
        "www.cvlibs.net/datasets/kitti/eval_scene_flow.php",
        "CC BY-NC-SA 3.0",
        substitute="cvlab.scenes.sample(1000, size=128)",
    ),
    _Card(
        "voc_detection",
        "Pascal VOC",
        "colour photographs with the boxes of 20 classes",
        "the Pascal VOC challenge (www.robots.ox.ac.uk/~vgg/projects/pascal/VOC)",
        "Flickr terms of use",
        2000,
        "cvlab.scenes.sample(1000, size=128, objects=(1, 8))",
    ),
    _Card(
        "voc_segmentation",
        "Pascal VOC",
        "colour photographs with a class for each pixel",
        "the Pascal VOC challenge (www.robots.ox.ac.uk/~vgg/projects/pascal/VOC)",
        "Flickr terms of use",
        2000,
        "cvlab.scenes.sample(1000, size=128, objects=(1, 8))",
    ),
    _Card(
        "coco_detection",
        "COCO 2017",
        "colour photographs with the boxes of 80 classes",
        "the COCO consortium (cocodataset.org)",
        "annotations CC BY 4.0; photographs under Flickr's terms of use",
        19_500,
        "cvlab.scenes.sample(1000, size=128, objects=(1, 8))",
    ),
    _Card(
        "coco_captions",
        "COCO 2017",
        "colour photographs with about five sentences each",
        "the COCO consortium (cocodataset.org)",
        "annotations CC BY 4.0; photographs under Flickr's terms of use",
        19_500,
        "cvlab.scenes.sample(1000, size=128, objects=(1, 8))",
    ),
)
_CARDS = {card.name: card for card in _FULL_SETS}

COCO_SERVER = "http://images.cocodataset.org"


# --- Files of the full sets: fetched, verified, unpacked, recorded ------------------------------


class _Refused(Exception):
    """Why a set cannot be had, as the middle of a sentence."""


@dataclass(frozen=True)
class _File:
    """One file of a full set.

    ``md5`` is None where torchvision knows no checksum. Without ``urls`` it is placed by hand.
    ``into`` is the folder that an archive is unpacked into, None for a plain file. ``contents``
    are the files and folders that show that it was unpacked by hand. ``kept`` archives must stay,
    because torchvision's class asks for them.
    """

    path: Path
    md5: str | None = None
    urls: tuple[str, ...] = ()
    into: Path | None = None
    contents: tuple[Path, ...] = ()
    kept: bool = False

    @property
    def record(self) -> Path:
        """Where the size and CRC-32 of each unpacked file are noted."""
        return self.path.with_name(f".{self.path.name}.unpacked.json")


def _root(root: str | os.PathLike[str] | None) -> Path:
    if root is None:
        cache = os.environ.get("XDG_CACHE_HOME") or Path("~/.cache").expanduser()
        root = os.environ.get("CVLAB_DATA") or Path(cache) / "cvlab"
    if not isinstance(root, (str, os.PathLike)):
        raise TypeError(f"root must be the path of a folder, not {type(root).__name__}.")
    return Path(root).expanduser().absolute()


def _checked_split(card: _Card, split: str, allowed: Sequence[str]) -> str:
    if split not in allowed:
        raise ValueError(f"{card.name} has no split {split!r}; choose {' or '.join(allowed)}.")
    return split


def _unavailable(card: _Card, reason: str, place: str) -> DatasetUnavailable:
    reason = " ".join(reason.split()).rstrip(".")
    return DatasetUnavailable(
        f"{card.title} is unavailable because {reason}: {place}, or use {card.substitute} instead."
    )


def _obtain(card: _Card, files: Sequence[_File]) -> dict[str, tuple[int, int]]:
    """Have every file verified and unpacked, downloading what is missing.

    Returns:
        the recorded size and CRC-32 of each unpacked file, by its path.

    Raises:
        DatasetUnavailable: if a file cannot be had.
    """
    announced = False
    try:
        for file in files:
            if _is_ready(file):
                continue
            refusal = _use_local(file)
            if refusal is None:
                continue
            if not file.urls:
                raise _Refused(refusal)
            if not announced:
                _announce(card, files)
                announced = True
            _download(file)
            refusal = _use_local(file)
            if refusal is not None:
                raise _Refused(refusal)
    except (_Refused, OSError) as error:
        reason = str(error) if isinstance(error, _Refused) else _explain(error)
        *others, last = [file.path.name for file in files]
        names = f"{', '.join(others)} and {last}" if others else last
        place = f"place {names} (from {card.source}) in {files[0].path.parent} by hand"
        raise _unavailable(card, reason, place) from error
    return {
        str(file.into / name): (size, crc)
        for file in files
        if file.into is not None
        for name, (size, crc) in _read_record(file).get("files", {}).items()
    }


def _announce(card: _Card, files: Sequence[_File]) -> None:
    """Say what is about to be downloaded, after a look at the room for it."""
    folder = files[0].path.parent
    existing = next(p for p in (folder, *folder.parents) if p.exists())
    free = shutil.disk_usage(existing).free
    if free < card.megabytes * 1e6:
        size, room = _size(card.megabytes), _size(free / 1e6)
        raise _Refused(f"the download takes {size} and only {room} are free in {existing}")
    print(
        f"{card.title}: downloading {_size(card.megabytes)} from {card.source} to {folder}.",
        flush=True,
    )


def _size(megabytes: float) -> str:
    return f"{megabytes / 1000:.1f} GB" if megabytes >= 1000 else f"{megabytes:.0f} MB"


def _is_ready(file: _File) -> bool:
    """Whether the file, or what was unpacked from it, is there and unaltered."""
    if file.into is None:
        return _is_intact(file)
    record = _read_record(file)
    here = file.path.exists()
    if not record:
        # Neither an archive nor a note of ours: the reader unpacked it. Its files carry no
        # checksum, so each is only tried for decoding (_Reader).
        by_hand = bool(file.contents) and all(path.exists() for path in file.contents)
        return by_hand and not here and not file.kept
    if "files" not in record or (file.kept and not here):
        return False
    if here and record["archive"] != _stamp(file.path) and not _is_intact(file):
        return False
    for name, (size, crc) in record["files"].items():
        path = file.into / name
        if not path.is_file():
            return False
        # Files that are decoded whole are compared here, images each before it is decoded.
        altered = path in file.contents and _crc32(path) != crc
        if altered or path.stat().st_size != size:
            _remove(path)
            return False
    return True


def _use_local(file: _File) -> str | None:
    """Verify a file that lies in place and unpack it; None, or why it could not be used."""
    if not file.path.exists():
        return f"{file.path.name} is missing"
    if not _is_intact(file):
        return f"{file.path.name} did not match its checksum and was removed"
    if file.into is not None and not _unpack(file):
        return f"{file.path.name} was truncated or altered and was removed"
    return None


def _is_intact(file: _File) -> bool:
    """Compare a file with its checksum, if it has one; a wrong file is removed."""
    from torchvision.datasets.utils import check_integrity

    if not file.path.is_file():
        return False
    if check_integrity(str(file.path), file.md5):
        return True
    file.record.unlink(missing_ok=True)
    _remove(file.path)
    return False


def _remove(path: Path) -> None:
    try:
        path.unlink()
    except OSError as error:
        raise _Refused(
            f"{path} is truncated or altered and could not be removed ({error.strerror})"
        ) from error
    print(f"Removed {path.name}, which was truncated or altered.", flush=True)


def _download(file: _File) -> None:
    """Fetch one file through torchvision, from the first of its mirrors that delivers it."""
    from torchvision.datasets.utils import download_url

    folder = file.path.parent
    folder.mkdir(parents=True, exist_ok=True)
    _sweep(folder.glob(f"{file.path.name}.*.part"), 3600)
    reasons = []
    for url in file.urls:
        handle, name = tempfile.mkstemp(".part", f"{file.path.name}.", folder)
        os.close(handle)
        part = Path(name)
        if file.md5 is None:
            part.unlink()  # torchvision takes any file that is there for the whole one
        try:
            with _socket_timeout(TIMEOUT):
                download_url(url, str(folder), part.name, file.md5)
            os.replace(part, file.path)
            return
        except (OSError, RuntimeError, http.client.HTTPException, ValueError) as error:
            server = url.split("/")[2]
            reasons.append(f"{server}: {_explain(error)}")
        finally:
            part.unlink(missing_ok=True)
    raise _Refused(f"{file.path.name} could not be downloaded ({'; '.join(reasons)})")


@contextlib.contextmanager
def _socket_timeout(seconds: float) -> Iterator[None]:
    before = socket.getdefaulttimeout()
    socket.setdefaulttimeout(seconds)
    try:
        yield
    finally:
        socket.setdefaulttimeout(before)


def _explain(error: BaseException) -> str:
    """The cause of a failed download, unpacking or reading in a few words."""
    if isinstance(error, urllib.error.HTTPError):
        return f"the server answered {error.code} {error.reason}"
    if isinstance(error, urllib.error.URLError):
        if isinstance(error.reason, TimeoutError):
            return f"no answer within {TIMEOUT:g} s"
        return f"the server could not be reached, {error.reason}"
    if isinstance(error, TimeoutError):
        return f"no answer within {TIMEOUT:g} s"
    if isinstance(error, (http.client.HTTPException, ConnectionError)):
        return f"the connection broke, {type(error).__name__}"
    if isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG):
        return f"the disk is full, {error.strerror}"
    if isinstance(error, OSError) and error.filename:
        return f"{error.filename} cannot be used, {error.strerror}"
    if isinstance(error, RuntimeError) and not isinstance(error, RecursionError):
        return "what arrived does not match its checksum"
    return str(error) or type(error).__name__


_DAMAGED = (
    zipfile.BadZipFile,
    tarfile.TarError,
    gzip.BadGzipFile,
    lzma.LZMAError,
    zlib.error,
    EOFError,
)


def _unpack(file: _File) -> bool:
    """Unpack an archive, record what came out and move it into place.

    Returns:
        False if the archive turned out to be damaged; then nothing of it is left.
    """
    from torchvision.datasets.utils import extract_archive

    file.into.mkdir(parents=True, exist_ok=True)
    _sweep(file.into.glob(".unpacking-*"), 24 * 3600)
    # Aside, so that an archive that breaks off halfway leaves nothing that looks whole.
    staging = Path(tempfile.mkdtemp(prefix=".unpacking-", dir=file.into))
    try:
        extract_archive(str(file.path), str(staging))
        paths = [path for path in staging.rglob("*") if path.is_file()]
        names = {path.relative_to(staging).as_posix(): path for path in paths}
        # Beside folders of data lie notes such as README, which sister archives overwrite.
        data = [name for name in names if "/" in name] or list(names)
        entries = {name: (names[name].stat().st_size, _crc32(names[name])) for name in data}
        # Without "files" the record says that moving began; if killed, it is done again.
        _write_record(file, {"archive": _stamp(file.path)})
        for name, path in names.items():
            (file.into / name).parent.mkdir(parents=True, exist_ok=True)
            os.replace(path, file.into / name)
        _write_record(file, {"archive": _stamp(file.path), "files": entries})
    except _DAMAGED:
        _remove(file.path)
        return False
    finally:
        shutil.rmtree(staging, ignore_errors=True)
    return True


def _sweep(left_behind: Iterable[Path], age: float) -> None:
    """Delete what killed processes left, once nobody has touched it for ``age`` seconds."""
    for path in left_behind:
        if time.time() - path.stat().st_mtime > age:
            if path.is_dir():
                shutil.rmtree(path, ignore_errors=True)
            else:
                path.unlink(missing_ok=True)


def _write_record(file: _File, record: dict[str, Any]) -> None:
    temporary = file.record.with_suffix(f".{os.getpid()}.part")
    try:
        temporary.write_text(json.dumps(record), encoding="utf-8")
        os.replace(temporary, file.record)  # atomic: a reader sees the old or the new, whole
    finally:
        temporary.unlink(missing_ok=True)


def _read_record(file: _File) -> dict[str, Any]:
    try:
        return json.loads(file.record.read_text(encoding="utf-8"))
    except (FileNotFoundError, NotADirectoryError):
        return {}


def _stamp(path: Path) -> list[int]:
    """Size and time of change: while they stay, gigabytes need not be hashed again."""
    status = path.stat()
    return [status.st_size, status.st_mtime_ns]


def _crc32(path: str | Path) -> int:
    value = 0
    with open(path, "rb") as handle:
        while chunk := handle.read(1 << 20):
            value = zlib.crc32(chunk, value)
    return value


# --- Reading the full sets ----------------------------------------------------------------------


@dataclass(frozen=True)
class _Reader:
    """Reads item i of a torchvision set, after a look at each file that it is about to decode."""

    card: _Card
    source: Any
    paths: Sequence[Sequence[str]]
    convert: Callable[[Any], tuple[np.ndarray, Any]]
    recorded: dict[str, tuple[int, int]]

    def __call__(self, i: int) -> tuple[np.ndarray, Any]:
        for path in self.paths[i]:
            _check_item(self.card, Path(path), self.recorded.get(os.path.normpath(path)))
        return self.convert(self.source[i])


def _check_item(card: _Card, path: Path, recorded: tuple[int, int] | None) -> None:
    """Refuse and remove an unpacked file that was truncated or altered since."""
    place = f"call data.{card.name}() again or place the file by hand"
    if not path.is_file():
        raise _unavailable(card, f"{path} is missing", place)
    if recorded is not None:
        good = (path.stat().st_size, _crc32(path)) == tuple(recorded)
    else:
        good = _is_decodable(path)
    if good:
        return
    try:
        _remove(path)
    except _Refused as error:
        raise _unavailable(card, str(error), place) from error
    raise _unavailable(card, f"{path} was truncated or altered and was removed", place)


def _is_decodable(path: Path) -> bool:
    """All that can be verified of an image or annotation without a checksum."""
    from xml.etree import ElementTree

    from PIL import Image

    try:
        if path.suffix == ".xml":
            ElementTree.parse(path)
        elif path.suffix == ".json":
            json.loads(path.read_bytes())
        elif path.suffix.lower() in {".jpg", ".jpeg", ".png"}:
            with Image.open(path) as image:
                image.load()
    except (SyntaxError, ValueError):
        return False
    except OSError as error:
        if error.errno is not None:  # the disk failed, which says nothing about the file
            raise
        return False
    return True


def _image(picture: Any) -> np.ndarray:
    """An image of bytes, from PIL or NumPy, to float32 in [0, 1]."""
    return np.asarray(picture, dtype=np.float32) / 255


def _labelled(item: tuple[Any, Any], table: Sequence[int] | None = None) -> tuple[np.ndarray, int]:
    picture, label = item
    return _image(picture), int(label if table is None else table[label])


def _masked(
    item: tuple[Any, Any], table: Sequence[int] | None = None
) -> tuple[np.ndarray, np.ndarray]:
    picture, mask = item
    mask = np.asarray(mask).astype(np.int64)
    return _image(picture), mask if table is None else np.asarray(table)[mask]


def _boxes(boxes: Sequence[Sequence[float]]) -> np.ndarray:
    return np.asarray(boxes, dtype=np.float32).reshape(-1, 4)


def _mnist_family(card: _Card, torchvision_name: str, split: str, root: Any) -> Dataset:
    from torchvision import datasets

    _checked_split(card, split, ("train", "test"))
    root = _root(root)
    family = getattr(datasets, torchvision_name)
    raw = root / torchvision_name / "raw"
    files = [
        _File(
            raw / name,
            md5,
            tuple(mirror + name for mirror in family.mirrors),
            into=raw,
            contents=(raw / Path(name).stem,),
            # The checksum is that of the archive, so its contents alone are not enough.
            kept=True,
        )
        for name, md5 in family.resources
    ]
    _obtain(card, files)
    source = family(str(root), train=split == "train")
    names = family.classes if torchvision_name == "FashionMNIST" else [str(k) for k in range(10)]
    return _from_arrays(card, names, source.data.numpy(), source.targets.numpy())


def mnist(split: str = "train", root: str | os.PathLike[str] | None = None) -> Dataset:
    """MNIST: 70,000 handwritten digits of 28 x 28 pixels, 12 MB; embedded: ``digits``.

    Source: Y. LeCun et al., "Gradient-based learning applied to document recognition", Proc. IEEE
    1998. Archives are verified by torchvision's checksums, their contents by recorded ones.

    Args:
        split: "train" (60,000) or "test" (10,000).
        root: the folder of the data; None for ``CVLAB_DATA`` or the cache.

    Raises:
        ValueError: if there is no such split.
        DatasetUnavailable: if it is neither here nor to be had.

    >>> mnist(split="validation")
    Traceback (most recent call last):
    ValueError: mnist has no split 'validation'; choose train or test.
    """
    card = _CARDS["mnist"]
    return _mnist_family(card, "MNIST", split, root)


def fashion_mnist(split: str = "train", root: str | os.PathLike[str] | None = None) -> Dataset:
    """Fashion-MNIST: 70,000 articles of clothing of 28 x 28 pixels, 31 MB; embedded: ``digits``.

    Source: H. Xiao et al., "Fashion-MNIST: a novel image dataset for benchmarking machine learning
    algorithms", 2017. Arguments, verification and errors are those of ``mnist``.

    >>> fashion_mnist(split="validation")
    Traceback (most recent call last):
    ValueError: fashion_mnist has no split 'validation'; choose train or test.
    """
    card = _CARDS["fashion_mnist"]
    return _mnist_family(card, "FashionMNIST", split, root)


def _cifar_family(card: _Card, torchvision_name: str, split: str, root: Any) -> Dataset:
    from torchvision import datasets

    _checked_split(card, split, ("train", "test"))
    root = _root(root)
    family = getattr(datasets, torchvision_name)
    folder = root / family.base_folder
    meta = (family.meta["filename"], family.meta["md5"])
    batches = [_File(folder / name, md5) for name, md5 in (*family.train_list, *family.test_list)]
    batches.append(_File(folder / meta[0], meta[1]))
    archive = _File(
        root / family.filename,
        family.tgz_md5,
        (family.url,),
        into=root,
        contents=tuple(batch.path for batch in batches),
    )
    # The batches are pickles, which run code when read: each has its own checksum, used first.
    try:
        for batch in batches:
            _is_intact(batch)
    except _Refused as error:
        raise _unavailable(card, str(error), f"remove {folder} by hand") from error
    _obtain(card, [archive])
    source = family(str(root), train=split == "train")
    return _from_arrays(card, source.classes, source.data, np.asarray(source.targets))


def cifar10(split: str = "train", root: str | os.PathLike[str] | None = None) -> Dataset:
    """CIFAR-10: 60,000 colour images of 32 x 32 pixels in ten classes, 170 MB.

    Embedded substitute: ``cvlab.scenes``. Source: A. Krizhevsky, "Learning multiple layers of
    features from tiny images", 2009. torchvision has checksums for the archive and each batch.

    Args:
        split: "train" (50,000) or "test" (10,000).
        root: the folder of the data; None for ``CVLAB_DATA`` or the cache.

    Raises:
        ValueError: if there is no such split.
        DatasetUnavailable: if it is neither here nor to be had.

    >>> cifar10(split="validation")
    Traceback (most recent call last):
    ValueError: cifar10 has no split 'validation'; choose train or test.
    """
    card = _CARDS["cifar10"]
    return _cifar_family(card, "CIFAR10", split, root)


def cifar100(split: str = "train", root: str | os.PathLike[str] | None = None) -> Dataset:
    """CIFAR-100: 60,000 colour images of 32 x 32 pixels in 100 fine classes, 169 MB.

    Source, arguments, verification and errors are those of ``cifar10``.

    >>> cifar100(split="validation")
    Traceback (most recent call last):
    ValueError: cifar100 has no split 'validation'; choose train or test.
    """
    card = _CARDS["cifar100"]
    return _cifar_family(card, "CIFAR100", split, root)


def omniglot(split: str = "train", root: str | os.PathLike[str] | None = None) -> Dataset:
    """Omniglot: 1,623 characters of 50 alphabets, 20 drawings each, 105 x 105 pixels, 16 MB.

    A class is a character, named "Alphabet/character01"; classes and samples are in the order of
    their names. Embedded substitute: ``digits``. Source: B. Lake et al., "Human-level concept
    learning through probabilistic program induction", Science 2015.

    Args:
        split: "train" (the 964 background characters) or "test" (the 659 evaluation ones).
        root: the folder of the data; None for ``CVLAB_DATA`` or the cache.

    Raises:
        ValueError: if there is no such split.
        DatasetUnavailable: if it is neither here nor to be had.

    >>> omniglot(split="validation")
    Traceback (most recent call last):
    ValueError: omniglot has no split 'validation'; choose train or test.
    """
    from torchvision.datasets import Omniglot

    card = _CARDS["omniglot"]
    name = {"train": "images_background", "test": "images_evaluation"}[
        _checked_split(card, split, ("train", "test"))
    ]
    folder = _root(root) / Omniglot.folder
    file = _File(
        folder / f"{name}.zip",
        Omniglot.zips_md5[name],
        (f"{Omniglot.download_url_prefix}/{name}.zip",),
        into=folder,
        contents=(folder / name,),
        kept=True,
    )
    recorded = _obtain(card, [file])
    source = Omniglot(str(_root(root)), background=split == "train")
    # torchvision numbers the characters in the order of the directory, which is anybody's guess.
    names = sorted(source._characters)
    table = [names.index(character) for character in source._characters]
    drawings = source._flat_character_images
    paths = [
        (os.path.join(source.target_folder, source._characters[k], file_name),)
        for file_name, k in drawings
    ]
    reader = _Reader(card, source, paths, partial(_labelled, table=table), recorded)
    order = sorted(range(len(paths)), key=paths.__getitem__)
    return Dataset(card, names, reader, order, [table[k] for _, k in drawings])


def lfw(split: str = "train", root: str | os.PathLike[str] | None = None) -> Dataset:
    """Labelled Faces in the Wild, funnelled: 13,233 faces of 5,749 people, 250 x 250 pixels.

    Its host no longer offers the 243 MB for download, so the files are placed by hand and verified
    by torchvision's checksums. Embedded substitute: ``faces``. Source: G. Huang et al., "Labeled
    Faces in the Wild", UMass technical report 07-49, 2007.

    Args:
        split: "train" (4,038 people), "test" (1,711 others) or "10fold" (all people).
        root: the folder of the data; None for ``CVLAB_DATA`` or the cache.

    Raises:
        ValueError: if there is no such split.
        DatasetUnavailable: if a file is not there; the message lists them.

    >>> lfw(split="validation")
    Traceback (most recent call last):
    ValueError: lfw has no split 'validation'; choose train or test or 10fold.
    """
    from torchvision.datasets import LFWPeople

    card = _CARDS["lfw"]
    _checked_split(card, split, ("train", "test", "10fold"))
    folder = _root(root) / LFWPeople.base_folder
    images, archive, md5 = LFWPeople.file_dict["funneled"]
    lists = (f"people{LFWPeople.annot_file[split]}.txt", LFWPeople.names)
    recorded = _obtain(
        card,
        [
            _File(folder / archive, md5, into=folder, contents=(folder / images,), kept=True),
            *(_File(folder / name, LFWPeople.checksums[name]) for name in lists),
        ],
    )
    source = LFWPeople(str(_root(root)), split=split, image_set="funneled")
    paths = [(path,) for path in source.data]
    reader = _Reader(card, source, paths, _labelled, recorded)
    return Dataset(card, source.class_to_idx, reader, np.arange(len(paths)), source.targets)


def _celeba_item(item: tuple[Any, tuple[Any, Any, Any]]) -> tuple[np.ndarray, dict[str, Any]]:
    picture, (attributes, identity, landmarks) = item
    return _image(picture), {
        "attributes": attributes.numpy().astype(bool),
        "identity": int(identity),
        "landmarks": landmarks.numpy().astype(np.float32).reshape(5, 2),
    }


def celeba(split: str = "train", root: str | os.PathLike[str] | None = None) -> Dataset:
    """CelebA, aligned: 202,599 faces of celebrities, 218 x 178 pixels, 1.4 GB.

    The target is a dict: ``attributes`` (40,) bool, named by ``class_names``; ``identity`` int;
    ``landmarks`` (5, 2) float32 xy in pixels (eyes, nose, corners of the mouth). Its host limits
    downloads by a daily quota, so the files are placed by hand and verified by torchvision's
    checksums. Embedded substitute: ``faces``. Source: Z. Liu et al., "Deep learning face
    attributes in the wild", ICCV 2015.

    Args:
        split: "train" (162,770), "valid" (19,867) or "test" (19,962).
        root: the folder of the data; None for ``CVLAB_DATA`` or the cache.

    Raises:
        ValueError: if there is no such split.
        DatasetUnavailable: if a file is not there; the message lists them.

    >>> celeba(split="validation")
    Traceback (most recent call last):
    ValueError: celeba has no split 'validation'; choose train or valid or test.
    """
    from torchvision.datasets import CelebA

    card = _CARDS["celeba"]
    _checked_split(card, split, ("train", "valid", "test"))
    folder = _root(root) / CelebA.base_folder
    files = [
        _File(
            folder / name,
            md5,
            into=folder if name.endswith(".zip") else None,
            contents=(folder / "img_align_celeba",),
        )
        for _, md5, name in CelebA.file_list
    ]
    recorded = _obtain(card, files)
    source = CelebA(str(_root(root)), split, target_type=["attr", "identity", "landmarks"])
    paths = [(str(folder / "img_align_celeba" / name),) for name in source.filename]
    reader = _Reader(card, source, paths, _celeba_item, recorded)
    # The header ends in a blank, which torchvision takes for one more name.
    names = [name for name in source.attr_names if name]
    return Dataset(card, names, reader, np.arange(len(paths)))


def _voc_objects(item: tuple[Any, dict[str, Any]]) -> tuple[np.ndarray, dict[str, np.ndarray]]:
    picture, tree = item
    objects = tree["annotation"]["object"]
    corners = [[float(o["bndbox"][k]) for k in ("xmin", "ymin", "xmax", "ymax")] for o in objects]
    return _image(picture), {
        # VOC counts pixels from 1 and includes the last: [1, 1, 1, 1] is the first pixel.
        "boxes": _boxes(corners) - np.array([1, 1, 0, 0], dtype=np.float32),
        "labels": np.array([VOC_CLASSES.index(o["name"]) for o in objects], dtype=np.int64),
        "difficult": np.array([o.get("difficult") == "1" for o in objects], dtype=bool),
    }


def _voc_family(
    card: _Card, torchvision_name: str, split: str, root: Any, year: str, classes: Sequence[str]
) -> Dataset:
    from torchvision import datasets
    from torchvision.datasets.voc import DATASET_YEAR_DICT

    if year not in ("2007", "2012"):
        raise ValueError(f"{card.name} has no year {year!r}; choose '2007' or '2012'.")
    allowed = ("train", "val", "trainval") + (("test",) if year == "2007" else ())
    _checked_split(card, split, allowed)
    megabytes = 2000 if year == "2012" else 460
    card = replace(card, title=f"{card.title} {year}", megabytes=megabytes)
    root = _root(root)
    meta = DATASET_YEAR_DICT["2007-test" if (year, split) == ("2007", "test") else year]
    listed = root / meta["base_dir"] / "ImageSets" / "Main" / f"{split}.txt"
    file = _File(
        root / meta["filename"], meta["md5"], (meta["url"],), into=root, contents=(listed,)
    )
    recorded = _obtain(card, [file])
    source = getattr(datasets, torchvision_name)(str(root), year=year, image_set=split)
    paths = list(zip(source.images, source.targets, strict=True))
    convert = _voc_objects if torchvision_name == "VOCDetection" else _masked
    reader = _Reader(card, source, paths, convert, recorded)
    return Dataset(card, classes, reader, np.arange(len(paths)))


def voc_detection(
    split: str = "train", root: str | os.PathLike[str] | None = None, year: str = "2012"
) -> Dataset:
    """Pascal VOC detection: photographs with the boxes of 20 classes, 2.0 GB (2007: 0.5 GB).

    The target is a dict: ``boxes`` (N, 4) float32 xyxy from pixel edge to pixel edge, counted from
    0; ``labels`` (N,) int64; ``difficult`` (N,) bool, the objects that the score ignores. The
    archive has a checksum in torchvision; the images are verified by recorded ones. Embedded
    substitute: ``cvlab.scenes``. Source: M. Everingham et al., "The Pascal Visual Object Classes
    (VOC) challenge", IJCV 2010.

    Args:
        split: "train", "val", "trainval"; also "test" for 2007.
        root: the folder of the data; None for ``CVLAB_DATA`` or the cache.
        year: "2007" or "2012".

    Raises:
        ValueError: if there is no such split or year.
        DatasetUnavailable: if it is neither here nor to be had.

    >>> voc_detection(split="test")
    Traceback (most recent call last):
    ValueError: voc_detection has no split 'test'; choose train or val or trainval.
    """
    card = _CARDS["voc_detection"]
    return _voc_family(card, "VOCDetection", split, root, year, VOC_CLASSES)


def voc_segmentation(
    split: str = "train", root: str | os.PathLike[str] | None = None, year: str = "2012"
) -> Dataset:
    """Pascal VOC segmentation: photographs with a class for each pixel, in the same archive.

    The target is a mask (H, W) int64: 0 is background, 1 to 20 the classes, 255 the void that the
    score ignores. Source, arguments, verification and errors are those of ``voc_detection``.

    >>> voc_segmentation(split="test")
    Traceback (most recent call last):
    ValueError: voc_segmentation has no split 'test'; choose train or val or trainval.
    """
    card = _CARDS["voc_segmentation"]
    names = ("background", *VOC_CLASSES)
    return _voc_family(card, "VOCSegmentation", split, root, year, names)


class _CocoIndex:
    """The four look-ups that torchvision's COCO classes make, without pycocotools.

    pycocotools is compiled, and only its masks need that.
    """

    def __init__(self, path: Path) -> None:
        content = json.loads(path.read_text(encoding="utf-8"))
        self.imgs = {image["id"]: image for image in content["images"]}
        self.categories = sorted(content.get("categories", ()), key=lambda c: c["id"])
        self._annotations: dict[int, list[dict[str, Any]]] = {i: [] for i in self.imgs}
        for annotation in content["annotations"]:
            self._annotations[annotation["image_id"]].append(annotation)

    def loadImgs(self, key: int) -> list[dict[str, Any]]:
        return [self.imgs[key]]

    def getAnnIds(self, key: int) -> int:
        return key

    def loadAnns(self, key: int) -> list[dict[str, Any]]:
        return self._annotations[key]


def _coco_objects(
    item: tuple[Any, list[dict[str, Any]]], table: dict[int, int]
) -> tuple[np.ndarray, dict[str, np.ndarray]]:
    picture, annotations = item
    boxes = _boxes([a["bbox"] for a in annotations])
    boxes[:, 2:] += boxes[:, :2]  # from width and height to the far corner
    return _image(picture), {
        "boxes": boxes,
        "labels": np.array([table[a["category_id"]] for a in annotations], dtype=np.int64),
        "crowd": np.array([bool(a.get("iscrowd", 0)) for a in annotations], dtype=bool),
    }


def _coco_texts(item: tuple[Any, list[str]]) -> tuple[np.ndarray, dict[str, list[str]]]:
    picture, captions = item
    return _image(picture), {"captions": [caption.strip() for caption in captions]}


def _coco_family(card: _Card, torchvision_name: str, split: str, root: Any) -> Dataset:
    from torchvision import datasets
    from torchvision.datasets.vision import VisionDataset

    _checked_split(card, split, ("train", "val"))
    card = replace(card, megabytes=1070 if split == "val" else 19_500)
    folder = _root(root) / "coco"
    images = folder / f"{split}2017"
    kind = "instances" if torchvision_name == "CocoDetection" else "captions"
    annotations = folder / "annotations" / f"{kind}_{split}2017.json"
    archives = (
        (f"zips/{split}2017", images),
        ("annotations/annotations_trainval2017", annotations),
    )
    files = [
        _File(
            folder / f"{Path(name).name}.zip",
            urls=(f"{COCO_SERVER}/{name}.zip",),
            into=folder,
            contents=(contents,),
        )
        for name, contents in archives
    ]
    recorded = _obtain(card, files)
    _check_item(card, annotations, recorded.get(str(annotations)))
    family = getattr(datasets, torchvision_name)
    source = family.__new__(family)
    VisionDataset.__init__(source, str(images))
    source.coco = _CocoIndex(annotations)
    source.ids = sorted(source.coco.imgs)
    paths = [(str(images / source.coco.imgs[key]["file_name"]),) for key in source.ids]
    categories = source.coco.categories
    table = {category["id"]: k for k, category in enumerate(categories)}
    convert = _coco_texts if kind == "captions" else partial(_coco_objects, table=table)
    reader = _Reader(card, source, paths, convert, recorded)
    return Dataset(card, [c["name"] for c in categories], reader, np.arange(len(paths)))


def coco_detection(split: str = "val", root: str | os.PathLike[str] | None = None) -> Dataset:
    """COCO 2017 detection: photographs with the boxes of 80 classes; "val" 1.1 GB, "train" 19.5 GB.

    The target is a dict: ``boxes`` (N, 4) float32 xyxy in pixels, ``labels`` (N,) int64 numbered
    from 0 without gaps, ``crowd`` (N,) bool. torchvision knows no checksum for COCO: its zip files
    are verified by the CRC-32 of each member, when unpacked and again when read. pycocotools is
    not needed. Embedded substitute: ``cvlab.scenes``. Source: T.-Y. Lin et al., "Microsoft COCO:
    common objects in context", ECCV 2014.

    Args:
        split: "val" (5,000 photographs) or "train" (118,287).
        root: the folder of the data; None for ``CVLAB_DATA`` or the cache.

    Raises:
        ValueError: if there is no such split.
        DatasetUnavailable: if it is neither here nor to be had.

    >>> coco_detection(split="test")
    Traceback (most recent call last):
    ValueError: coco_detection has no split 'test'; choose train or val.
    """
    card = _CARDS["coco_detection"]
    return _coco_family(card, "CocoDetection", split, root)


def coco_captions(split: str = "val", root: str | os.PathLike[str] | None = None) -> Dataset:
    """COCO 2017 captions: the same photographs, each with about five sentences.

    The target is a dict with ``captions``, a list of strings; there are no classes. Source,
    arguments, verification and errors are those of ``coco_detection``.

    >>> coco_captions(split="test")
    Traceback (most recent call last):
    ValueError: coco_captions has no split 'test'; choose train or val.
    """
    card = _CARDS["coco_captions"]
    return _coco_family(card, "CocoCaptions", split, root)


def imagenet(split: str = "val", root: str | os.PathLike[str] | None = None) -> Dataset:
    """ImageNet 2012: 1,000 classes; 50,000 images in "val" (6.7 GB), 1,281,167 in "train" (148 GB).

    Only from files that you place by hand, because its terms demand a registration: the devkit
    and the split's archive, in the folder ``imagenet`` below the root. torchvision has checksums
    for the archives, none for the images; those are only tried for decoding. Embedded substitute:
    ``photographs``. Source: O. Russakovsky et al., "ImageNet large scale visual recognition
    challenge", IJCV 2015.

    Args:
        split: "val" or "train".
        root: the folder above ``imagenet``; None for ``CVLAB_DATA`` or the cache.

    Raises:
        ValueError: if there is no such split.
        DatasetUnavailable: if a file is not there or damaged; the message lists them.

    >>> imagenet(split="test")
    Traceback (most recent call last):
    ValueError: imagenet has no split 'test'; choose train or val.
    """
    from torchvision.datasets import ImageNet
    from torchvision.datasets.imagenet import ARCHIVE_META

    card = _CARDS["imagenet"]
    _checked_split(card, split, ("train", "val"))
    folder = _root(root) / "imagenet"
    try:
        for part in ("devkit", split):
            _unpack_imagenet(folder, part)
        source = ImageNet(str(folder), split)
    except (_Refused, *_DAMAGED, OSError) as error:
        reason = str(error) if isinstance(error, _Refused) else _explain(error)
        names = f"{ARCHIVE_META['devkit'][0]} and {ARCHIVE_META[split][0]}"
        place = f"place {names} (from {card.source}) in {folder} by hand"
        raise _unavailable(card, reason, place) from error
    names = [", ".join(words) for words in source.classes]
    paths = [(path,) for path, _ in source.imgs]
    reader = _Reader(card, source, paths, _labelled, {})
    return Dataset(card, names, reader, np.arange(len(paths)), source.targets)


def _unpack_imagenet(folder: Path, part: str) -> None:
    """Have torchvision verify and unpack one archive, unless that was done before."""
    from torchvision.datasets import imagenet as torchvision_imagenet

    name, _ = torchvision_imagenet.ARCHIVE_META[part]
    done = folder / (torchvision_imagenet.META_FILE if part == "devkit" else part)
    if done.is_dir() or (done.is_file() and _is_loadable(folder)):
        return
    if not (folder / name).is_file():
        raise _Refused(f"{name} is missing")
    # Half an unpacked archive must not pass for a whole one: it gets its name when complete.
    staging = folder / f".unpacking-{part}"
    shutil.rmtree(staging, ignore_errors=True)
    try:
        if part == "devkit":
            torchvision_imagenet.parse_devkit_archive(str(folder))
        elif part == "train":
            torchvision_imagenet.parse_train_archive(str(folder), folder=staging.name)
            staging.rename(done)
        else:
            torchvision_imagenet.parse_val_archive(str(folder), folder=staging.name)
            staging.rename(done)
    except (RuntimeError, *_DAMAGED) as error:
        _remove(folder / name)
        raise _Refused(f"{name} did not match its checksum and was removed") from error
    finally:
        shutil.rmtree(staging, ignore_errors=True)


def _is_loadable(folder: Path) -> bool:
    """Whether torchvision's summary of the devkit was written whole; half of one is removed."""
    import pickle

    from torchvision.datasets.imagenet import META_FILE, load_meta_file

    try:
        load_meta_file(str(folder))
    except (RuntimeError, EOFError, pickle.UnpicklingError):
        (folder / META_FILE).unlink()
        return False
    return True


def cityscapes(split: str = "train", root: str | os.PathLike[str] | None = None) -> Dataset:
    """Cityscapes: street scenes of 1024 x 2048 pixels with a class for each pixel, 12 GB.

    The target is a mask (H, W) int64: 0 to 18 are the classes of the benchmark, 255 is void. Only
    from files that you place by hand, because its terms demand a registration. torchvision knows
    no checksum for them: the zip files are verified by the CRC-32 of each member, when unpacked
    and again when read. Embedded substitute: ``cvlab.scenes``. Source: M. Cordts et al., "The
    Cityscapes dataset for semantic urban scene understanding", CVPR 2016.

    Args:
        split: "train" (2,975 images) or "val" (500).
        root: the folder above ``cityscapes``; None for ``CVLAB_DATA`` or the cache.

    Raises:
        ValueError: if there is no such split.
        DatasetUnavailable: if a file is not there or damaged; the message lists them.

    >>> cityscapes(split="test")
    Traceback (most recent call last):
    ValueError: cityscapes has no split 'test'; choose train or val.
    """
    from torchvision.datasets import Cityscapes

    card = _CARDS["cityscapes"]
    _checked_split(card, split, ("train", "val"))
    folder = _root(root) / "cityscapes"
    files = [
        _File(folder / f"{kind}_trainvaltest.zip", into=folder, contents=(folder / kind / split,))
        for kind in ("leftImg8bit", "gtFine")
    ]
    recorded = _obtain(card, files)
    source = Cityscapes(str(folder), split=split, mode="fine", target_type="semantic")
    # The files number 34 classes, the benchmark scores 19 of them.
    table = np.full(256, 255, dtype=np.int64)
    scored = [c for c in Cityscapes.classes if not c.ignore_in_eval]
    for entry in scored:
        table[entry.id] = entry.train_id
    paths = [(image, masks[0]) for image, masks in zip(source.images, source.targets, strict=True)]
    reader = _Reader(card, source, paths, partial(_masked, table=table), recorded)
    order = sorted(range(len(paths)), key=paths.__getitem__)
    return Dataset(card, [entry.name for entry in scored], reader, order)


def _kitti_objects(
    item: tuple[Any, list[dict[str, Any]]],
) -> tuple[np.ndarray, dict[str, np.ndarray]]:
    picture, objects = item
    known = [o for o in objects if o["type"] in KITTI_CLASSES]
    return _image(picture), {
        "boxes": _boxes([o["bbox"] for o in known]),
        "labels": np.array([KITTI_CLASSES.index(o["type"]) for o in known], dtype=np.int64),
        "ignored": _boxes([o["bbox"] for o in objects if o["type"] == "DontCare"]),
    }


def kitti(split: str = "train", root: str | os.PathLike[str] | None = None) -> Dataset:
    """KITTI detection: 7,481 street scenes with the boxes of eight classes, 12.6 GB.

    The target is a dict: ``boxes`` (N, 4) float32 xyxy in pixels, ``labels`` (N,) int64, and
    ``ignored`` (M, 4), the regions that nobody labelled. torchvision knows no checksum for KITTI:
    its zip files are verified by the CRC-32 of each member, when unpacked and again when read.
    Embedded substitute: ``cvlab.scenes``. Source: A. Geiger et al., "Are we ready for autonomous
    driving?", CVPR 2012.

    Args:
        split: "train", the only one whose labels are public.
        root: the folder of the data; None for ``CVLAB_DATA`` or the cache.

    Raises:
        ValueError: if there is no such split.
        DatasetUnavailable: if it is neither here nor to be had.

    >>> kitti(split="test")
    Traceback (most recent call last):
    ValueError: kitti has no split 'test'; choose train.
    """
    from torchvision.datasets import Kitti

    card = _CARDS["kitti"]
    _checked_split(card, split, ("train",))
    raw = _root(root) / "Kitti" / "raw"
    folders = (raw / "training" / Kitti.image_dir_name, raw / "training" / Kitti.labels_dir_name)
    files = [
        _File(raw / name, urls=(Kitti.data_url + name,), into=raw, contents=(folder,))
        for name, folder in zip(Kitti.resources, folders, strict=True)
    ]
    recorded = _obtain(card, files)
    source = Kitti(str(_root(root)), train=True)
    paths = list(zip(source.images, source.targets, strict=True))
    reader = _Reader(card, source, paths, _kitti_objects, recorded)
    order = sorted(range(len(paths)), key=paths.__getitem__)
    return Dataset(card, KITTI_CLASSES, reader, order)


def _kitti_local(card: _Card, split: str, root: Any, archive: str, below: str) -> Path:
    """The root of a KITTI benchmark that torchvision reads and does not download."""
    _checked_split(card, split, ("train",))
    root = _root(root)
    folder = root / below / "training"
    if not folder.is_dir():
        place = f"unpack {archive} (from {card.source}) into {root / below} by hand"
        raise _unavailable(card, f"{folder} is missing", place)
    return root


def _open_local(card: _Card, family: Callable[..., Any], folder: Path) -> Any:
    try:
        return family(str(folder))
    except (FileNotFoundError, ValueError) as error:
        place = f"unpack the whole archive (from {card.source}) by hand"
        raise _unavailable(card, str(error), place) from error


def _stereo_item(item: tuple[Any, Any, np.ndarray, None]) -> tuple[np.ndarray, dict[str, Any]]:
    left, right, disparity, _ = item
    disparity = disparity[0].astype(np.float32)
    # KITTI writes 0 where its laser scanner saw nothing.
    target = {"right": _image(right), "disparity": disparity, "valid": disparity > 0}
    return _image(left), target


def kitti_stereo(split: str = "train", root: str | os.PathLike[str] | None = None) -> Dataset:
    """KITTI 2015 stereo: 200 rectified street scenes with measured disparity, 1.7 GB unpacked.

    The image is the left one, the target a dict: ``right`` (H, W, 3), ``disparity`` (H, W) float32
    in pixels with the sign of ``StereoPair``, ``valid`` (H, W) bool. Only from a folder that you
    unpack by hand, ``Kitti2015`` below the root; nobody published checksums, so the images are
    only tried for decoding. Embedded substitute: ``stereo_motorcycle``. Source: M. Menze and
    A. Geiger, "Object scene flow for autonomous vehicles", CVPR 2015.

    Args:
        split: "train", the only one whose disparity is public.
        root: the folder above ``Kitti2015``; None for ``CVLAB_DATA`` or the cache.

    Raises:
        ValueError: if there is no such split.
        DatasetUnavailable: if the folder is not there.

    >>> kitti_stereo(split="test")
    Traceback (most recent call last):
    ValueError: kitti_stereo has no split 'test'; choose train.
    """
    card = _CARDS["kitti_stereo"]
    folder = _kitti_local(card, split, root, "data_scene_flow.zip", "Kitti2015")
    from torchvision.datasets import Kitti2015Stereo

    source = _open_local(card, Kitti2015Stereo, folder)
    paths = [
        (*images, *maps) for images, maps in zip(source._images, source._disparities, strict=True)
    ]
    reader = _Reader(card, source, paths, _stereo_item, {})
    return Dataset(card, (), reader, np.arange(len(paths)))


def _flow_item(
    item: tuple[Any, Any, np.ndarray, np.ndarray],
) -> tuple[np.ndarray, dict[str, np.ndarray]]:
    first, second, flow, valid = item
    flow = np.where(valid[..., None], np.moveaxis(flow, 0, -1), 0).astype(np.float32)
    return _image(first), {"second": _image(second), "flow": flow, "valid": valid}


def kitti_flow(split: str = "train", root: str | os.PathLike[str] | None = None) -> Dataset:
    """KITTI 2015 optical flow: 200 pairs of successive frames with measured motion.

    The image is the first frame, the target a dict: ``second`` (H, W, 3), ``flow`` (H, W, 2)
    float32 xy in pixels, 0 where unknown, and ``valid`` (H, W) bool. Only from a folder that you
    unpack by hand, ``KittiFlow`` below the root, with the archive of ``kitti_stereo``, whose
    source, verification, arguments and errors it shares. Embedded substitute: ``cvlab.scenes``.

    >>> kitti_flow(split="test")
    Traceback (most recent call last):
    ValueError: kitti_flow has no split 'test'; choose train.
    """
    card = _CARDS["kitti_flow"]
    folder = _kitti_local(card, split, root, "data_scene_flow.zip", "KittiFlow")
    from torchvision.datasets import KittiFlow

    source = _open_local(card, KittiFlow, folder)
    if len(source._flow_list) != len(source._image_list):
        reason = f"{len(source._image_list)} frame pairs have {len(source._flow_list)} flow maps"
        raise _unavailable(card, reason, f"unpack the whole archive (from {card.source}) by hand")
    paths = [(*p, f) for p, f in zip(source._image_list, source._flow_list, strict=True)]
    reader = _Reader(card, source, paths, _flow_item, {})
    return Dataset(card, (), reader, np.arange(len(paths)))
