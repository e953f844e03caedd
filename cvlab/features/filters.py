"""Linear filters that keep the size of the image, taught in the chapter on filtering.

An image is (H, W) or (H, W, C), of any range; channels are filtered alike. Integers and booleans
become float64 with their values as they are (0 to 255 stays 0 to 255), float32 stays float32.
Beyond its border an image goes on in one of the ways of ``BORDERS``.

Every filter is a product with a banded matrix. Sixteen rows of the result depend on the sixteen
rows of the image around them and ``kernel rows - 1`` more, so a narrow matrix that holds the kernel
once a row, each time one place further right, makes them in a single matrix product. That is more
multiplications than the definition needs, but the linear algebra library makes them far quicker
than any sum of shifted images.
"""

from __future__ import annotations

import numpy as np

from cvlab.features import _arguments

# The first name of each line is OpenCV's, the second that of numpy.pad.
BORDERS: dict[str, str] = {
    "constant": "constant",  # iiiiii|abcdefgh|iiiiii with i = 0
    "replicate": "edge",  # aaaaaa|abcdefgh|hhhhhh
    "reflect": "symmetric",  # fedcba|abcdefgh|hgfedc
    "reflect101": "reflect",  # gfedcb|abcdefgh|gfedcb
    "wrap": "wrap",  # cdefgh|abcdefgh|abcdef
}

_ROWS = 16  # of the result in one matrix product; more waste multiplications, fewer waste calls
_STRIP = 256  # rows that stay near the processor between the two passes


def pad(image: np.ndarray, amount: int | tuple[int, int], border: str = "reflect101") -> np.ndarray:
    """Continue an image beyond its border, taught in the chapter on filtering.

    Args:
        image: (H, W) or (H, W, C).
        amount: pixels to add on each side, or (rows above and below, columns left and right). It
            may exceed the size of the image, which then repeats.
        border: a name from ``BORDERS``, as in OpenCV. A single pixel has nothing to reflect around
            and is replicated.

    Returns:
        (H + 2 rows, W + 2 columns[, C]); float64, or float32 if the image is.

    Raises:
        TypeError: if an amount is not an integer or the image does not hold real numbers.
        ValueError: for NaN, an empty image, another shape, a negative amount, an unknown border.

    >>> pad(np.array([[1, 2, 3]]), (0, 2))
    array([[3., 2., 1., 2., 3., 2., 1.]])
    """
    rows, columns = amount if isinstance(amount, tuple) and len(amount) == 2 else (amount, amount)
    rows = _arguments.integer(rows, "amount", 0)
    columns = _arguments.integer(columns, "amount", 0)
    return _padded(_arguments.image(image), rows, columns, border)


def _padded(image: np.ndarray, rows: int, columns: int, border: str) -> np.ndarray:
    mode = BORDERS[_arguments.choice(border, "border", BORDERS)]
    widths = [(rows, rows), (columns, columns), (0, 0)][: image.ndim]
    return np.pad(image, widths, mode=mode)


def correlate(image: np.ndarray, kernel: np.ndarray, *, border: str = "reflect101") -> np.ndarray:
    """Slide a kernel over an image: the weighted sum around each pixel, kernel not flipped.

    ``result[y, x] = sum over i, j of kernel[i, j] * image[y + i - kh // 2, x + j - kw // 2]``.
    Taught in the chapter on filtering. OpenCV's ``filter2D`` and a layer's ``conv2d`` do the same.

    Args:
        image: (H, W) or (H, W, C); the channels are filtered alike.
        kernel: (kh, kw), both odd; it may be larger than the image.
        border: how the image goes on, a name from ``BORDERS``.

    Returns:
        The shape of the image; float64, or float32 if the image is.

    Raises:
        TypeError: if the image or the kernel does not hold real numbers.
        ValueError: for NaN, an empty image, another shape, an even kernel, an unknown border.

    >>> correlate(np.array([[0, 0, 1, 0, 0]]), np.array([[1, 2, 3]]))
    array([[0., 3., 2., 1., 0.]])
    """
    image = _arguments.image(image)
    kernel = _kernel(kernel, "kernel", 2).astype(image.dtype)
    height, width = (size // 2 for size in kernel.shape)
    channels = image[0, 0].size
    padded = _padded(image, height, width, border)
    flat = padded.reshape(len(padded), -1)  # one column to the right is `channels` further
    result = np.empty((len(image), image[0].size), image.dtype)
    columns = [j for j in range(kernel.shape[1]) if kernel[:, j].any()]
    bands = {j: _band(kernel[:, j]) for j in columns}
    result[:] = 0
    term = np.empty((_ROWS, result.shape[1]), image.dtype)
    for top in range(0, len(result), _ROWS):
        part = result[top : top + _ROWS]
        rows = len(part)
        for j in columns:
            left = j * channels
            source = flat[top : top + rows + 2 * height, left : left + result.shape[1]]
            np.matmul(bands[j][:rows, : len(source)], source, out=term[:rows])
            part += term[:rows]
    return result.reshape(image.shape)


def convolve(image: np.ndarray, kernel: np.ndarray, *, border: str = "reflect101") -> np.ndarray:
    """Convolve an image with a kernel: correlate it with the kernel turned by 180 degrees.

    The response to a single bright pixel is the kernel itself. Arguments, result and errors are
    those of ``correlate``; taught in the chapter on filtering.

    >>> convolve(np.array([[0, 0, 1, 0, 0]]), np.array([[1, 2, 3]]))
    array([[0., 1., 2., 3., 0.]])
    """
    return correlate(image, _kernel(kernel, "kernel", 2)[::-1, ::-1], border=border)


def correlate_separable(
    image: np.ndarray,
    column_kernel: np.ndarray,
    row_kernel: np.ndarray,
    *,
    border: str = "reflect101",
) -> np.ndarray:
    """Correlate with ``np.outer(column_kernel, row_kernel)`` in two passes, one along each axis.

    kh + kw multiplications a pixel instead of kh kw; taught in the chapter on filtering.

    Args:
        image: (H, W) or (H, W, C); the channels are filtered alike.
        column_kernel: (kh,), odd: the weights along y, from top to bottom.
        row_kernel: (kw,), odd: the weights along x, from left to right.
        border: how the image goes on, a name from ``BORDERS``.

    Returns:
        The shape of the image; float64, or float32 if the image is.

    Raises:
        TypeError: if the image or a kernel does not hold real numbers.
        ValueError: for NaN, an empty image, another shape, an even kernel, an unknown border.

    >>> correlate_separable(np.ones((2, 3)), [1, 1, 1], [1, 2, 1])
    array([[12., 12., 12.],
           [12., 12., 12.]])
    """
    image = _arguments.image(image)
    column_kernel = _kernel(column_kernel, "column_kernel", 1).astype(image.dtype)
    row_kernel = _kernel(row_kernel, "row_kernel", 1).astype(image.dtype)
    padded = _padded(image, len(column_kernel) // 2, len(row_kernel) // 2, border)
    result = np.empty_like(image, order="C")
    down, across = _band(column_kernel), np.ascontiguousarray(_band(row_kernel).T)
    for top in range(0, len(result), _STRIP):
        part = result[top : top + _STRIP]
        source = padded[top : top + len(part) + len(column_kernel) - 1]
        part[:] = _along_rows(_along_columns(source, down), across)
    return result


def _kernel(value: np.ndarray, name: str, dimensions: int) -> np.ndarray:
    kernel = _arguments.real(value, name)
    if kernel.ndim != dimensions:
        shape = "(kh, kw)" if dimensions == 2 else "(k,)"
        raise ValueError(f"{name} must have shape {shape}, not {kernel.shape}.")
    if any(size % 2 == 0 for size in kernel.shape):
        raise ValueError(
            f"{name} must have odd sizes, so that it has a centre, not {kernel.shape}; "
            "append zeros."
        )
    return kernel


def _band(kernel: np.ndarray) -> np.ndarray:
    """Return (rows, rows + k - 1): the kernel once a row, each time one place further right."""
    band = np.zeros((_ROWS, _ROWS + len(kernel) - 1), kernel.dtype)
    for row in range(_ROWS):
        band[row, row : row + len(kernel)] = kernel
    return band


def _along_columns(source: np.ndarray, band: np.ndarray) -> np.ndarray:
    """Correlate each column of (h + k - 1, W[, C]) where the kernel fits: (h, W[, C])."""
    overlap = band.shape[1] - _ROWS
    flat = source.reshape(len(source), -1)
    result = np.empty((len(source) - overlap, flat.shape[1]), source.dtype)
    for top in range(0, len(result), _ROWS):
        part = result[top : top + _ROWS]
        rows = len(part)
        np.matmul(band[:rows, : rows + overlap], flat[top : top + rows + overlap], out=part)
    return result.reshape(len(result), *source.shape[1:])


def _along_rows(source: np.ndarray, band: np.ndarray) -> np.ndarray:
    """Correlate each row of (h, W + k - 1[, C]) where the kernel fits: (h, W[, C])."""
    overlap = len(band) - _ROWS
    # The channels become rows: neighbours in a row are then neighbours in memory.
    planes = np.moveaxis(np.atleast_3d(source), 2, 0)  # (C, h, W + k - 1)
    flat = np.ascontiguousarray(planes).reshape(-1, planes.shape[2])
    result = np.empty((len(flat), flat.shape[1] - overlap), source.dtype)
    for left in range(0, result.shape[1], _ROWS):
        part = result[:, left : left + _ROWS]
        columns = part.shape[1]
        near = flat[:, left : left + columns + overlap]
        np.matmul(near, band[: columns + overlap, :columns], out=part)
    result = np.moveaxis(result.reshape(*planes.shape[:2], -1), 0, 2)
    return result.reshape(*result.shape[:2], *source.shape[2:])


def gaussian_kernel(sigma: float, *, radius: int | None = None) -> np.ndarray:
    """Sample a Gaussian at the integers and normalise the sum to 1.

    Taught in the chapter on filtering.

    Args:
        sigma: standard deviation in pixels; 0 gives the kernel that changes nothing.
        radius: how far the kernel reaches, in pixels; ``int(4 * sigma + 0.5)`` if not given, as in
            SciPy.

    Returns:
        (2 radius + 1,) float64.

    Raises:
        TypeError: if ``sigma`` is not a number or ``radius`` not an integer.
        ValueError: if one of them is negative or not finite.

    >>> gaussian_kernel(1, radius=1).round(3)
    array([0.274, 0.452, 0.274])
    """
    sigma = _arguments.number(sigma, "sigma")
    radius = int(4 * sigma + 0.5) if radius is None else _arguments.integer(radius, "radius", 0)
    places = np.arange(-radius, radius + 1)
    if sigma == 0:
        return (places == 0).astype(float)
    with np.errstate(over="ignore"):  # a tiny sigma: the exponent is -inf, the weight 0
        weights = np.exp(-0.5 * (places / sigma) ** 2)
    return weights / weights.sum()


def gaussian_blur(
    image: np.ndarray, sigma: float, *, radius: int | None = None, border: str = "reflect101"
) -> np.ndarray:
    """Blur an image with a Gaussian, in one pass along each axis.

    Taught in the chapter on filtering.

    Args:
        image: (H, W) or (H, W, C).
        sigma: standard deviation in pixels; 0 gives a copy.
        radius: where the Gaussian is cut off, as in ``gaussian_kernel``.
        border: how the image goes on, a name from ``BORDERS``.

    Returns:
        The shape of the image; float64, or float32 if the image is.

    Raises:
        TypeError: as ``gaussian_kernel`` and ``correlate_separable``.
        ValueError: as ``gaussian_kernel`` and ``correlate_separable``.

    >>> gaussian_blur(np.array([[0, 0, 0, 1, 0, 0, 0]]), sigma=0.5).round(2)
    array([[0.  , 0.  , 0.11, 0.79, 0.11, 0.  , 0.  ]])
    """
    kernel = gaussian_kernel(sigma, radius=radius)
    return correlate_separable(image, kernel, kernel, border=border)


def integral_image(image: np.ndarray) -> np.ndarray:
    """Sum everything above and to the left of each corner of a pixel.

    ``result[y, x]`` is the sum of ``image[:y, :x]``, so the sum over any rectangle takes four
    values: ``result[b, r] - result[t, r] - result[b, l] + result[t, l]``. Taught in the chapter on
    filtering. Source: F. Crow, "Summed-area tables for texture mapping", SIGGRAPH 1984.

    Args:
        image: (H, W) or (H, W, C).

    Returns:
        (H + 1, W + 1[, C]), always float64: float32 cannot hold the sum of a large image. Sums of
        integers are exact below 2**53.

    Raises:
        TypeError: if the image does not hold real numbers.
        ValueError: for NaN, an empty image or another shape.

    >>> integral_image(np.array([[1, 2], [3, 4]]))
    array([[ 0.,  0.,  0.],
           [ 0.,  1.,  3.],
           [ 0.,  4., 10.]])
    """
    image = _arguments.image(image)
    result = np.zeros((len(image) + 1, image.shape[1] + 1, *image.shape[2:]))
    inside = result[1:, 1:]
    np.cumsum(image, axis=1, dtype=float, out=inside)
    np.cumsum(inside, axis=0, out=inside)
    return result


def box_blur(image: np.ndarray, size: int, *, border: str = "reflect101") -> np.ndarray:
    """Replace each pixel by the mean of the square around it, at the same cost for every size.

    Taught in the chapter on filtering.

    Args:
        image: (H, W) or (H, W, C).
        size: side of the square in pixels, odd.
        border: how the image goes on, a name from ``BORDERS``.

    Returns:
        The shape of the image; float64, or float32 if the image is.

    Raises:
        TypeError: if ``size`` is not an integer or the image does not hold real numbers.
        ValueError: for an even size, NaN, an empty image, another shape, an unknown border.

    >>> box_blur(np.array([[0, 0, 9, 0, 0]]), 3)
    array([[0., 3., 3., 3., 0.]])
    """
    image = _arguments.image(image)
    size = _arguments.integer(size, "size", 1)
    if size % 2 == 0:
        raise ValueError(f"size must be odd, so that the square has a centre, not {size}.")
    sums = integral_image(pad(image, size // 2, border))
    rows = sums[size:] - sums[:-size]
    means = (rows[:, size:] - rows[:, :-size]) / size**2
    return means.astype(image.dtype, copy=False)
