"""Sets that ship inside the dependencies, and point sets made here: none needs a network."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from cvlab.data.dataset import Card, Dataset, from_arrays, unit_image

COLOUR_PHOTOGRAPHS = (
    *("astronaut", "chelsea", "coffee", "hubble_deep_field", "immunohistochemistry"),
    *("retina", "rocket"),
)
GREY_PHOTOGRAPHS = ("brick", "camera", "clock", "coins", "grass", "gravel", "moon", "page", "text")
PHOTOGRAPHS = tuple(sorted(COLOUR_PHOTOGRAPHS + GREY_PHOTOGRAPHS))

# For the images as embedded, a quarter of the published size in each direction. Depth in
# millimetres is focal_length * baseline / (disparity + principal_offset).
MOTORCYCLE_CALIBRATION = {
    "focal_length": 994.978,  # pixels
    "principal_point": (311.193, 254.877),  # (x, y) of the left image, pixels
    "principal_offset": 31.086,  # principal point of the right image minus the left, x, pixels
    "baseline": 193.001,  # millimetres
}


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
    card = Card(
        "digits",
        "Digits",
        "1,797 grey images of handwritten digits, 8 x 8 pixels, ten classes",
        "UCI Optical Recognition of Handwritten Digits, inside scikit-learn",
        "CC BY 4.0",
    )
    images = (bunch.images / 16).astype(np.float32)  # the counts run from 0 to 16, so this is exact
    return from_arrays(card, [str(k) for k in range(10)], images, bunch.target)


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
    image = unit_image(getattr(skimage.data, name)())
    if size is None:
        return image
    whole = isinstance(size, (tuple, list)) and len(size) == 2
    if not whole or not all(isinstance(s, (int, np.integer)) and s > 0 for s in size):
        raise ValueError(f"size must be (height, width) in whole pixels above 0, not {size!r}.")
    resized = resize(image, tuple(size), anti_aliasing=True)
    return np.clip(resized, 0, 1).astype(np.float32)


def _read_photograph(i: int) -> tuple[np.ndarray, int]:
    return photograph(COLOUR_PHOTOGRAPHS[i]), i


def photographs() -> Dataset:
    """The colour photographs that ship with scikit-image, of different sizes; class i is photo i.

    >>> dataset = photographs()
    >>> dataset.class_names[0], dataset[0][0].shape
    ('astronaut', (512, 512, 3))
    """
    card = Card(
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
    card = Card(
        "faces",
        "LFW subset",
        "200 grey patches, 25 x 25 pixels, half of them faces",
        "Labelled Faces in the Wild (vis-www.cs.umass.edu/lfw), inside scikit-image",
        "none stated; published for research",
    )
    labels = np.repeat([1, 0], len(images) // 2)
    return from_arrays(card, ("other", "face"), images, labels)


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
    return StereoPair(unit_image(left), unit_image(right), known, valid)


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
