"""Image gradients and histograms of them.

Gradients are taught in the chapter on edges, HOG in the chapter on visual words. x points right
and y down, so an angle grows clockwise as seen on the screen.
"""

from __future__ import annotations

import numpy as np

from cvlab.features import _arguments
from cvlab.features.filters import pad

# Weights of the smoothing across the derivative: each neighbour's, then the middle's; the sum is 1.
OPERATORS: dict[str, tuple[float, float]] = {
    "central": (0, 1),
    "prewitt": (1 / 3, 1 / 3),
    "sobel": (1 / 4, 2 / 4),
    "scharr": (3 / 16, 10 / 16),
}
VOTES = ("linear", "nearest")
NORMALISATIONS = ("l2-hys", "l2", "l1-sqrt", "l1")

_EPSILON = 1e-5  # keeps a flat block from being divided by zero
_CLIP = 0.2  # of Lowe's "hysteresis": no single gradient may dominate a block


def image_gradient(
    image: np.ndarray, *, operator: str = "central", border: str = "replicate"
) -> tuple[np.ndarray, np.ndarray]:
    """Differentiate an image along x and y.

    Every operator takes central differences, and all but "central" smooth across them. They are
    normalised: a ramp that rises by 1 a pixel gives 1 inside the image. Taught in the chapter on
    edges.

    Args:
        image: (H, W) or (H, W, C); each channel has its own gradient.
        operator: "central" [-1 0 1] / 2, "prewitt" (smoothed by [1 1 1] / 3), "sobel" ([1 2 1] / 4)
            or "scharr" ([3 10 3] / 16).
        border: how the image goes on, a name from ``features.BORDERS``. "replicate" halves the
            slope of a ramp at the border, "reflect101" makes it 0.

    Returns:
        gx and gy in values a pixel, each of the shape of the image; float64, or float32 if it is.

    Raises:
        TypeError: if the image does not hold real numbers.
        ValueError: for an unknown operator or border, NaN, an empty image or another shape.

    >>> gx, gy = image_gradient(np.array([[0, 1, 2, 3]] * 2), operator="sobel")
    >>> gx
    array([[0.5, 1. , 1. , 0.5],
           [0.5, 1. , 1. , 0.5]])
    """
    side, middle = OPERATORS[_arguments.choice(operator, "operator", OPERATORS)]
    padded = pad(image, 1, border)
    rows, columns = padded[1:-1], padded[:, 1:-1]
    if side:
        rows = side * (padded[:-2] + padded[2:]) + middle * rows
        columns = side * (padded[:, :-2] + padded[:, 2:]) + middle * columns
    gx, gy = rows[:, 2:] - rows[:, :-2], columns[2:] - columns[:-2]
    gx /= 2
    gy /= 2
    return gx, gy


def gradient_polar(gx: np.ndarray, gy: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return how steep an image is, and in which direction it gets brighter.

    Taught in the chapter on edges.

    Args:
        gx: derivative along x, any shape.
        gy: derivative along y, the same shape.

    Returns:
        The magnitude, and the direction ``arctan2(gy, gx)`` in radians in [-pi, pi]: 0 points
        right, pi / 2 down. A flat place has magnitude 0 and direction 0.

    Raises:
        TypeError: if one of them does not hold real numbers.
        ValueError: if the shapes differ, or for NaN.

    >>> magnitude, direction = gradient_polar(np.array([3.0, 0.0]), np.array([4.0, -1.0]))
    >>> magnitude, direction.round(3)
    (array([5., 1.]), array([ 0.927, -1.571]))
    """
    gx, gy = _arguments.real(gx, "gx"), _arguments.real(gy, "gy")
    if gx.shape != gy.shape:
        raise ValueError(f"gx and gy must have the same shape, not {gx.shape} and {gy.shape}.")
    return np.hypot(gx, gy), np.arctan2(gy, gx)


def hog_cells(
    image: np.ndarray, *, orientations: int = 9, cell: int = 8, votes: str = "linear"
) -> np.ndarray:
    """Histogram the orientations of the gradient in each cell of an image.

    Taught in the chapter on visual words. A pixel's gradient has the differences
    ``image[y, x + 1] - image[y, x - 1]`` and ``image[y + 1, x] - image[y - 1, x]``, 0 at the
    border; in colour it is that of the channel where it is largest. It votes with its magnitude for
    its orientation in [0, 180) degrees: whether an edge goes from dark to bright or from bright to
    dark makes no difference.

    Args:
        image: (H, W) or (H, W, C).
        orientations: number of bins over 180 degrees; bin b covers 180 / orientations degrees from
            b * 180 / orientations on.
        cell: side of a cell in pixels; rows and columns that fill no cell are left out.
        votes: "nearest" gives all to the bin that holds the orientation, "linear" shares between
            the two bins whose centres enclose it.

    Returns:
        (H // cell, W // cell, orientations), summed magnitudes over the number of a cell's pixels;
        float64, or float32 if the image is.

    Raises:
        TypeError: if a number is not an integer or the image does not hold real numbers.
        ValueError: if a number is below 1, for unknown votes, NaN, an empty image or another shape.

    >>> ramp = np.tile(np.arange(4.0), (4, 1))
    >>> hog_cells(ramp, orientations=2, cell=4, votes="nearest")
    array([[[1., 0.]]])
    """
    image = _arguments.image(image)
    orientations = _arguments.integer(orientations, "orientations", 1)
    cell = _arguments.integer(cell, "cell", 1)
    _arguments.choice(votes, "votes", VOTES)
    rows, columns = len(image) // cell, image.shape[1] // cell
    gx, gy = (part[: rows * cell, : columns * cell] for part in _largest_difference(image))
    magnitude = np.sqrt(gx * gx + gy * gy)
    place = np.degrees(np.arctan2(gy, gx)) % 180 * (orientations / 180)  # in bins
    across, down = np.arange(columns * cell) // cell, np.arange(rows * cell) // cell
    histogram = (down[:, None] * columns + across) * orientations
    if votes == "nearest":
        pairs = [(place.astype(np.intp), magnitude)]
    else:
        below = np.floor(place - 0.5)
        upper = magnitude * (place - 0.5 - below)
        below = below.astype(np.intp)
        pairs = [(below, magnitude - upper), (below + 1, upper)]
    size = rows * columns * orientations
    total = np.zeros(size)
    for bins, share in pairs:
        # Only one turn is possible, from -1 to the last bin or past it to the first.
        bins[bins < 0] += orientations
        bins[bins >= orientations] -= orientations
        bins += histogram
        total += np.bincount(bins.ravel(), share.ravel(), minlength=size)
    return (total / cell**2).astype(image.dtype).reshape(rows, columns, orientations)


def _largest_difference(image: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return (H, W) differences along x and y, of the channel where they are largest."""
    gx, gy = np.zeros_like(image), np.zeros_like(image)
    np.subtract(image[:, 2:], image[:, :-2], out=gx[:, 1:-1])
    np.subtract(image[2:], image[:-2], out=gy[1:-1])
    if image.ndim == 2:
        return gx, gy
    if image.shape[2] == 1:
        return gx[..., 0], gy[..., 0]
    channel = np.argmax(gx * gx + gy * gy, axis=2)[..., None]
    return tuple(np.take_along_axis(part, channel, axis=2)[..., 0] for part in (gx, gy))


def hog(
    image: np.ndarray,
    *,
    orientations: int = 9,
    cell: int = 8,
    block: int = 2,
    votes: str = "linear",
    normalisation: str = "l2-hys",
) -> np.ndarray:
    """Describe an image by histograms of oriented gradients.

    The cells' histograms (``hog_cells``) are normalised together in every block of ``block`` x
    ``block`` cells; blocks overlap. Taught in the chapter on visual words. Source: N. Dalal and B.
    Triggs, "Histograms of oriented gradients for human detection", CVPR 2005, without the Gaussian
    window over a block and without votes shared between cells. With ``votes="nearest"`` the result
    is that of ``skimage.feature.hog``.

    Args:
        image: (H, W) or (H, W, C), at least one block large.
        orientations: bins over 180 degrees.
        cell: side of a cell in pixels.
        block: side of a block in cells.
        votes: "linear" or "nearest", as in ``hog_cells``.
        normalisation: of a block v: "l2" v / |v|; "l2-hys" the same, clipped at 0.2, again; "l1"
            v / sum(v); "l1-sqrt" the root of that.

    Returns:
        (block rows * block columns * block * block * orientations,), row by row, from the top left
        block to the bottom right one; float64, or float32 if the image is.

    Raises:
        TypeError: as ``hog_cells``.
        ValueError: as ``hog_cells``, and if the image is smaller than a block.

    >>> hog(np.eye(32)).shape
    (324,)
    """
    block = _arguments.integer(block, "block", 1)
    _arguments.choice(normalisation, "normalisation", NORMALISATIONS)
    cells = hog_cells(image, orientations=orientations, cell=cell, votes=votes)
    if min(cells.shape[:2]) < block:
        raise ValueError(
            f"image must have at least {block * cell} rows and columns for one block, "
            f"not {np.shape(image)[0]} x {np.shape(image)[1]}."
        )
    windows = np.lib.stride_tricks.sliding_window_view(cells, (block, block), axis=(0, 1))
    blocks = np.moveaxis(windows, 2, -1)  # (rows, columns, block, block, orientations)
    blocks = blocks.reshape(*blocks.shape[:2], -1)
    if normalisation.startswith("l1"):
        blocks = blocks / (blocks.sum(axis=-1, keepdims=True) + _EPSILON)
        return (np.sqrt(blocks) if normalisation == "l1-sqrt" else blocks).ravel()
    blocks = _unit(blocks)
    return (_unit(np.minimum(blocks, _CLIP)) if normalisation == "l2-hys" else blocks).ravel()


def _unit(vectors: np.ndarray) -> np.ndarray:
    squares = np.einsum("...i,...i->...", vectors, vectors)[..., None]
    return vectors / np.sqrt(squares + _EPSILON**2)
