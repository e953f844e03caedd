"""Descriptors on a grid and what is counted over them, taught in the chapter on visual words.

A codebook has k visual words in D dimensions, the centres of ``kmeans`` or the Gaussians of
``fit_mixture``. An image without descriptors is described by zeros.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from cvlab.features import _arguments
from cvlab.features.clusters import cluster_sums, nearest_centre
from cvlab.features.mixtures import GaussianMixture, responsibilities

_SIFT_WINDOW = 6  # sides of the 4 x 4 bins in sizes of a key point: each bin is 1.5 sizes wide


def bag_of_words(
    descriptors: np.ndarray, centres: np.ndarray, *, normalise: str | None = "l1"
) -> np.ndarray:
    """Count how many descriptors fall to each visual word.

    Taught in the chapter on visual words. Source: G. Csurka et al., "Visual categorization with
    bags of keypoints", ECCV workshop 2004.

    Args:
        descriptors: (N, D); N may be 0.
        centres: (k, D), the codebook.
        normalise: "l1" divides by the sum, "l2" by the Euclidean length, None returns counts.

    Returns:
        (k,); float64, or float32 if both arguments are.

    Raises:
        TypeError: if one of them does not hold real numbers.
        ValueError: for NaN, another shape, no centre, or an unknown ``normalise``.

    >>> bag_of_words([[0.1], [0.2], [0.9], [0.0]], [[0.0], [1.0]])
    array([0.75, 0.25])
    """
    normalise = _arguments.norm(normalise)
    descriptors, centres = _arguments.codebook(descriptors, centres)
    counts = np.bincount(nearest_centre(descriptors, centres), minlength=len(centres))
    counts = counts.astype(np.result_type(descriptors, centres))
    if normalise is None or not len(descriptors):
        return counts
    return counts / (counts.sum() if normalise == "l1" else np.linalg.norm(counts))


def vlad(
    descriptors: np.ndarray, centres: np.ndarray, *, power: float = 0.5, intra: bool = True
) -> np.ndarray:
    """Add up, for each visual word, how its descriptors differ from it.

    Taught in the chapter on visual words. The sums of descriptor minus word are raised to a power,
    then each word's part is divided by its length (``intra``), then the whole by its own. Sources:
    H. Jegou et al., "Aggregating local descriptors into a compact image representation", CVPR 2010;
    R. Arandjelovic and A. Zisserman, "All about VLAD", CVPR 2013.

    Args:
        descriptors: (N, D); N may be 0.
        centres: (k, D), the codebook.
        power: exponent of the absolute values, in (0, 1]; signs are kept; 1 changes nothing.
        intra: whether each word counts the same, however many descriptors it has.

    Returns:
        (k * D,) word by word, of length 1, or 0 if there is no descriptor or each is a word itself;
        float64, or float32 if both arguments are.

    Raises:
        TypeError: if one of them does not hold real numbers.
        ValueError: for NaN, another shape, no centre, or a power out of range.

    >>> vlad([[1.0, 0.0], [3.0, 0.0], [9.0, 9.0]], [[0.0, 0.0], [9.0, 9.0]])
    array([1., 0., 0., 0.])
    """
    power = _arguments.power(power)
    descriptors, centres = _arguments.codebook(descriptors, centres)
    words = nearest_centre(descriptors, centres)
    sums, _counts = cluster_sums(descriptors - centres[words], words, len(centres))
    sums = np.sign(sums) * np.abs(sums) ** power
    if intra:
        sums = _unit(sums)
    return _unit(sums.ravel()).astype(np.result_type(descriptors, centres))


def fisher_vector(
    descriptors: np.ndarray,
    mixture: GaussianMixture,
    *,
    power: float = 0.5,
    normalise: bool = True,
    weights: bool = False,
) -> np.ndarray:
    """Describe descriptors by how a Gaussian mixture should change to fit them better.

    The gradient of the mean log-likelihood, each part divided by its standard deviation under the
    mixture: first with respect to the means, then to the standard deviations. Taught in the chapter
    on visual words. Source: J. Sanchez et al., "Image classification with the Fisher vector: theory
    and practice", IJCV 105, 2013. ``skimage.feature.fisher_vector`` puts the weights' part first
    and gives the last part the opposite sign.

    Args:
        descriptors: (N, D); N may be 0.
        mixture: k Gaussians in D dimensions.
        power: exponent of the absolute values, in (0, 1]; signs are kept; 1 changes nothing.
        normalise: whether to divide the result by its length.
        weights: whether to put the k derivatives with respect to the weights in front.

    Returns:
        (2 k D,), or (k + 2 k D,) with ``weights``; float64.

    Raises:
        TypeError: if the descriptors are no real numbers.
        ValueError: for NaN, another shape, a power out of range, or a mixture that is none.

    >>> mixture = GaussianMixture(np.ones(1), np.zeros((1, 1)), np.ones((1, 1)))
    >>> fisher_vector([[2.0], [4.0]], mixture, power=1, normalise=False).round(3)
    array([3.   , 6.364])
    """
    power = _arguments.power(power)
    mixture = GaussianMixture(*_arguments.mixture(mixture))
    descriptors = _arguments.descriptors(descriptors, mixture.means.shape[1]).astype(float)
    number = max(len(descriptors), 1)
    shares = responsibilities(descriptors, mixture)
    sigmas, roots = np.sqrt(mixture.variances), np.sqrt(mixture.weights)[:, None]
    middle = mixture.weights @ mixture.means  # small numbers: their squares cancel less
    near, means = descriptors - middle, mixture.means - middle
    counts = shares.sum(axis=0)[:, None]
    first, second = shares.T @ near, shares.T @ near**2
    of_weights = (counts - len(descriptors) * mixture.weights[:, None]) / roots
    of_means = (first - counts * means) / (sigmas * roots)
    spread = second - 2 * means * first + counts * means**2
    of_sigmas = (spread / mixture.variances - counts) / (np.sqrt(2) * roots)
    parts = [of_weights] * bool(weights) + [of_means, of_sigmas]
    result = np.concatenate([part.ravel() for part in parts]) / number
    result = np.sign(result) * np.abs(result) ** power
    return _unit(result) if normalise else result


def _unit(vectors: np.ndarray) -> np.ndarray:
    """Divide each vector by its length; zeros stay zeros."""
    lengths = np.linalg.norm(vectors, axis=-1, keepdims=True)
    return vectors / np.where(lengths > 0, lengths, 1)


def spatial_pyramid(
    words: np.ndarray, positions: np.ndarray, k: int, levels: Sequence[int] = (1, 2, 4)
) -> np.ndarray:
    """Count visual words in the whole image, in its quarters, in its sixteenths.

    Taught in the chapter on visual words. Source: S. Lazebnik, C. Schmid and J. Ponce, "Beyond bags
    of features", CVPR 2006: of L + 1 levels the first is weighted by 2**-L, level l after it by
    2**(l - L - 1), so that the weights add up to 1.

    Args:
        words: (N,) integers below ``k``, from ``nearest_centre``; N may be 0.
        positions: (N, 2) x and y of the descriptors as fractions of the image, in [0, 1).
        k: size of the codebook.
        levels: cells along each side of the image, from coarse to fine.

    Returns:
        (k * sum of the squared levels,) float64: for each level its cells row by row, in each cell
        the words. It adds up to 1, or to 0 without words.

    Raises:
        TypeError: if the words or levels are no integers or the positions no real numbers.
        ValueError: for other shapes, positions outside [0, 1), words outside the codebook.

    >>> spatial_pyramid([0, 1], [[0.1, 0.1], [0.9, 0.1]], 2, levels=(1, 2))
    array([0.25, 0.25, 0.25, 0.  , 0.  , 0.25, 0.  , 0.  , 0.  , 0.  ])
    """
    words, positions, k, sides = _arguments.pyramid(words, positions, k, levels)
    if not len(words):
        return np.zeros(k * sum(side**2 for side in sides))
    parts = []
    for level, side in enumerate(sides):
        column, row = np.floor(positions.T * side).astype(np.intp)
        counts = np.bincount((row * side + column) * k + words, minlength=side**2 * k)
        parts.append(counts / len(words) * 2.0 ** (max(level, 1) - len(sides)))
    return np.concatenate(parts)


def dense_patches(
    image: np.ndarray, *, step: int = 8, size: int = 16
) -> tuple[np.ndarray, np.ndarray]:
    """Cut the patches of a regular grid out of an image.

    Taught in the chapter on visual words.

    Args:
        image: (H, W) or (H, W, C), at least one patch large.
        step: pixels from one patch to the next.
        size: side of a patch in pixels.

    Returns:
        Patches (N, size * size * C) as rows, from the top left one to the bottom right one, and
        their centres (N, 2), x and y in pixels from the image's top left corner: divided by (W, H)
        they are what ``spatial_pyramid`` takes.

    Raises:
        TypeError: if a number is not an integer or the image does not hold real numbers.
        ValueError: if the image is smaller than a patch, for NaN or another shape.

    >>> patches, positions = dense_patches(np.arange(16).reshape(4, 4), step=2, size=2)
    >>> patches[1], positions[1]
    (array([2., 3., 6., 7.]), array([3., 1.]))
    """
    image = _arguments.image(image)
    positions = _grid(image.shape, step, size)
    windows = np.lib.stride_tricks.sliding_window_view(image, (size, size), axis=(0, 1))
    windows = windows[::step, ::step]  # (rows, columns[, C], size, size)
    if image.ndim == 3:
        windows = np.moveaxis(windows, 2, -1)
    return windows.reshape(len(positions), -1), positions


def dense_sift(
    image: np.ndarray, *, step: int = 8, size: int | tuple[int, ...] = 16
) -> tuple[np.ndarray, np.ndarray]:
    """Describe the patches of a regular grid by OpenCV's SIFT, upright.

    Taught in the chapter on visual words. Source: D. Lowe, "Distinctive image features from
    scale-invariant keypoints", IJCV 60 (2), 2004.

    Args:
        image: (H, W) or (H, W, 3) in RGB, in [0, 1], or in 0 to 255 if of dtype uint8; at least one
            patch large.
        step: pixels from one patch to the next.
        size: side in pixels of the square that the 4 x 4 histograms cover; several sizes are
            described one after another.

    Returns:
        Descriptors (N, 128) float32 with values up to 255, zeros for a flat patch, and their
        centres (N, 2) as in ``dense_patches``. OpenCV centres a square on a whole pixel: of even
        size, it lies half a pixel to the right and down.

    Raises:
        TypeError: if a number is not an integer or the image does not hold real numbers.
        ValueError: if the image is smaller than a patch, out of range, of another shape, or NaN.

    >>> descriptors, positions = dense_sift(np.eye(32), step=8, size=16)
    >>> descriptors.shape, positions[-1]
    ((9, 128), array([24., 24.]))
    """
    import cv2

    image, scale, sizes = _arguments.sift(image, size)
    grids = [_grid(image.shape, step, side) for side in sizes]
    eight_bits = np.ascontiguousarray(np.rint(image * scale), np.uint8)
    if image.ndim == 3:
        eight_bits = cv2.cvtColor(eight_bits, cv2.COLOR_RGB2GRAY)
    places = [
        cv2.KeyPoint(x, y, side / _SIFT_WINDOW, 0)
        for grid, side in zip(grids, sizes, strict=True)
        for x, y in np.floor(grid).tolist()
    ]
    return cv2.SIFT_create().compute(eight_bits, places)[1], np.concatenate(grids)


def _grid(shape: tuple[int, ...], step: int, size: int) -> np.ndarray:
    """Return the centres (N, 2) of the patches that lie inside an image."""
    step, size = _arguments.patches(shape, step, size)
    y, x = (np.arange(0, side - size + 1, step) + size / 2 for side in shape[:2])
    return np.stack(np.meshgrid(x, y), axis=-1).reshape(-1, 2)
