"""What the fast functions of this package compute, each as short as its definition in a textbook.

No function here is quick: they look at one pixel, one point, one word after another. That is what
they are for: to be read beside the fast function of the same name, and to be right without a second
thought, so that tests compare the fast one with them. Arguments are not checked. Images are (H, W)
floats; channels are filtered alike.

>>> import numpy as np
>>> from cvlab import features
>>> image = np.random.default_rng(0).random((9, 7))
>>> np.allclose(features.box_blur(image, 3), box_blur(image, 3))
True
"""

from __future__ import annotations

import numpy as np

from cvlab.features.filters import pad

# --- Filters --------------------------------------------------------------------------------------


def correlate(image: np.ndarray, kernel: np.ndarray, border: str = "reflect101") -> np.ndarray:
    """The sum of the kernel (kh, kw), both odd, times what lies under it, at each pixel."""
    (rows, columns), result = kernel.shape, np.zeros(image.shape)
    beyond = pad(image, (rows // 2, columns // 2), border)
    for y, x in np.ndindex(image.shape):
        result[y, x] = np.sum(kernel * beyond[y : y + rows, x : x + columns])
    return result


def convolve(image: np.ndarray, kernel: np.ndarray, border: str = "reflect101") -> np.ndarray:
    """Each pixel spreads as a copy of the kernel: correlation with the kernel turned around."""
    return correlate(image, kernel[::-1, ::-1], border)


def gaussian_kernel(sigma: float, radius: int) -> np.ndarray:
    """exp(-x**2 / (2 sigma**2)) at x = -radius to radius, divided by the sum; sigma above 0."""
    weights = [np.exp(-(x**2) / (2 * sigma**2)) for x in range(-radius, radius + 1)]
    return np.array(weights) / sum(weights)


def gaussian_blur(
    image: np.ndarray, sigma: float, radius: int, border: str = "reflect101"
) -> np.ndarray:
    """The mean of the pixels around each, weighted by a Gaussian of both distances."""
    kernel = gaussian_kernel(sigma, radius)
    return correlate(image, np.outer(kernel, kernel), border)


def box_blur(image: np.ndarray, size: int, border: str = "reflect101") -> np.ndarray:
    """The mean of the square of an odd side around each pixel."""
    result, beyond = np.zeros(image.shape), pad(image, size // 2, border)
    for y, x in np.ndindex(image.shape):
        result[y, x] = beyond[y : y + size, x : x + size].mean()
    return result


def integral_image(image: np.ndarray) -> np.ndarray:
    """(H + 1, W + 1): the sum of all that lies above and to the left of each corner."""
    result = np.zeros((image.shape[0] + 1, image.shape[1] + 1))
    for y, x in np.ndindex(result.shape):
        result[y, x] = image[:y, :x].sum()
    return result


def pyramid_down(image: np.ndarray) -> np.ndarray:
    """Every second pixel of the image, blurred by a binomial kernel of five."""
    kernel = np.array([1, 4, 6, 4, 1]) / 16
    return correlate(image, np.outer(kernel, kernel))[::2, ::2]


# --- Codebooks ------------------------------------------------------------------------------------


def nearest_centre(points: np.ndarray, centres: np.ndarray) -> np.ndarray:
    """(N,): which of the centres (k, D) is nearest to each point (N, D); the first of equals."""
    distances = [[np.sum((point - centre) ** 2) for centre in centres] for point in points]
    return np.array([row.index(min(row)) for row in distances], int)


def moved_centres(points: np.ndarray, labels: np.ndarray, k: int) -> np.ndarray:
    """(k, D): the mean of the points of each cluster, none of which is empty."""
    return np.array([points[labels == label].mean(axis=0) for label in range(k)])


def kmeans(points: np.ndarray, centres: np.ndarray) -> np.ndarray:
    """Lloyd's algorithm: assign, move, until nothing moves; for clusters that do not get empty."""
    before = None
    while before is None or not np.array_equal(before, centres):
        before, labels = centres, nearest_centre(points, centres)
        centres = moved_centres(points, labels, len(centres))
    return centres


def responsibilities(
    points: np.ndarray, weights: np.ndarray, means: np.ndarray, variances: np.ndarray
) -> np.ndarray:
    """(N, k): each Gaussian's weight times its density at each point, divided by their sum."""
    densities = np.empty((len(points), len(weights)))
    for i, j in np.ndindex(densities.shape):
        normal = np.exp(-((points[i] - means[j]) ** 2) / (2 * variances[j]))
        densities[i, j] = weights[j] * np.prod(normal / np.sqrt(2 * np.pi * variances[j]))
    return densities / densities.sum(axis=1, keepdims=True)


# --- Visual words ---------------------------------------------------------------------------------


def bag_of_words(descriptors: np.ndarray, centres: np.ndarray) -> np.ndarray:
    """(k,): how many descriptors fall to each word, not normalised."""
    words = nearest_centre(descriptors, centres)
    return np.array([np.sum(words == word) for word in range(len(centres))])


def vlad(descriptors: np.ndarray, centres: np.ndarray) -> np.ndarray:
    """(k, D): for each word, the sum of its descriptors minus the word; not normalised."""
    result = np.zeros(centres.shape)
    for descriptor, word in zip(descriptors, nearest_centre(descriptors, centres), strict=True):
        result[word] += descriptor - centres[word]
    return result


def spatial_pyramid(words: np.ndarray, positions: np.ndarray, k: int, side: int) -> np.ndarray:
    """(side, side, k): one level, the share of each word in each cell; positions in [0, 1)."""
    result = np.zeros((side, side, k))
    for word, (x, y) in zip(words, positions, strict=True):
        result[int(y * side), int(x * side), word] += 1 / len(words)
    return result


# --- Interest points ------------------------------------------------------------------------------


def is_extremum(cube: np.ndarray, least: float) -> bool:
    """Whether the middle of (3, 3, 3) exceeds its 26 neighbours, or they it, and ``least``."""
    here, near = cube[1, 1, 1], np.delete(cube, 13)
    return abs(here) > least and not near.min() <= here <= near.max()


def extrema(stack: np.ndarray, least: float) -> list[tuple[int, ...]]:
    """Non-maximum suppression: scale, y, x of the extrema of (S, H, W), none at its border."""
    corners = np.ndindex(*(max(length - 2, 0) for length in stack.shape))
    cubes = {(s, y, x): stack[s : s + 3, y : y + 3, x : x + 3] for s, y, x in corners}
    found = [place for place, cube in cubes.items() if is_extremum(cube, least)]
    return [(s + 1, y + 1, x + 1) for s, y, x in found]
