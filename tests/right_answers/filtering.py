"""Right answers to the tasks on filtering."""

from __future__ import annotations

import numpy as np

from right_answers import answers


@answers("convolve-2d")
def sum_for_each_pixel(image, kernel):
    if any(side % 2 == 0 for side in kernel.shape):
        raise ValueError("even")
    up, left = kernel.shape[0] // 2, kernel.shape[1] // 2
    padded = np.pad(image.astype(float), [(up, up), (left, left)], "reflect")
    turned = np.rot90(kernel, 2)
    return [
        [
            float(np.vdot(turned, padded[i : i + 2 * up + 1, j : j + 2 * left + 1]))
            for j in range(image.shape[1])
        ]
        for i in range(image.shape[0])
    ]


@answers("convolve-2d")
def by_fourier_transform(image, kernel):
    if not (kernel.shape[0] & kernel.shape[1] & 1):
        raise ValueError("both sides have to be odd")
    radii = [side // 2 for side in kernel.shape]
    padded = np.pad(image, [(r, r) for r in radii], mode="reflect")
    spectrum = np.fft.rfft2(padded) * np.fft.rfft2(kernel, s=padded.shape)
    whole = np.fft.irfft2(spectrum, s=padded.shape)
    return whole[2 * radii[0] :, 2 * radii[1] :]


@answers("gaussian-kernel")
def bell_on_a_mesh(sigma, size):
    if sigma <= 0 or size <= 0 or not size % 2:
        raise ValueError("bad")
    r = (size - 1) // 2
    v, u = np.meshgrid(np.arange(-r, r + 1), np.arange(-r, r + 1))
    weights = np.exp(-0.5 * np.hypot(u, v) ** 2 / sigma**2)
    return weights / np.sum(weights)


@answers("gaussian-kernel")
def bell_in_plain_python(sigma, size):
    import math

    if sigma <= 0 or size < 1 or size // 2 * 2 == size:
        raise ValueError("bad")
    steps = [i - size // 2 for i in range(size)]
    bell = [math.exp(-(u * u) / (2 * sigma * sigma)) / math.sqrt(2 * math.pi) for u in steps]
    total = sum(bell)
    return [[a / total * b / total for b in bell] for a in bell]


def five_taps(image):
    padded = np.pad(image, 2, mode="reflect")
    windows = np.lib.stride_tricks.sliding_window_view(padded, (5, 5))
    return np.einsum("ijuv,u,v->ij", windows, *np.array([[1, 4, 6, 4, 1]] * 2)) / 256


def grown(image, shape):
    larger = np.zeros(shape)
    larger[::2, ::2] = 4 * image
    return five_taps(larger)


@answers("laplacian-pyramid", five_taps, grown)
def gaussian_levels_first(image, levels):
    gauss = [image.copy()]
    while len(gauss) < levels:
        gauss.append(five_taps(gauss[-1])[0::2, 0::2])
    details = [gauss[n] - grown(gauss[n + 1], gauss[n].shape) for n in range(levels - 1)]
    return (*details, gauss[-1])


@answers("laplacian-pyramid")
def recursive_pyramid(image, levels):
    if levels == 1:
        return [image]
    weights = np.array([1.0, 4, 6, 4, 1]) / 16

    def matrix(n):
        """The smoothing of n pixels as a matrix."""
        rows = [np.convolve(np.pad(row, 2, "reflect"), weights, "valid") for row in np.eye(n)]
        return np.array(rows).T

    rows, columns = map(matrix, image.shape)
    smaller = (rows @ image @ columns.T)[::2, ::2]
    larger = 4 * rows[:, ::2] @ smaller @ columns[:, ::2].T
    return [image - larger, *recursive_pyramid(smaller, levels - 1)]


@answers("collapse-pyramid", five_taps, grown)
def recursive_collapse(pyramid):
    fine, *coarser = pyramid
    return fine + grown(recursive_collapse(coarser), fine.shape) if coarser else fine.copy()


@answers("collapse-pyramid")
def four_phases(pyramid):
    """Each quarter of the larger image is a small filter of its own."""
    image = np.array(pyramid[-1])
    for detail in pyramid[-2::-1]:
        for axis in (0, 1):
            n = detail.shape[axis]
            image = np.moveaxis(image, axis, 0)
            before, after = image[np.minimum(1, len(image) - 1)], image[len(image) - 1 - n % 2]
            padded = np.concatenate([before[None], image, after[None]])
            larger = np.empty((n, *image.shape[1:]))
            larger[::2] = (padded[:-2] + 6 * padded[1:-1] + padded[2:]) / 8
            larger[1::2] = ((padded[1:-1] + padded[2:]) / 2)[: n // 2]
            image = np.moveaxis(larger, 0, axis)
        image = image + detail
    return image


@answers("median-filter")
def middle_of_the_sorted(image, size):
    if size % 2 == 0:
        raise ValueError("even")
    r = size // 2
    padded = np.pad(image, r, mode="reflect")
    result = np.empty_like(image)
    for i in range(image.shape[0]):
        for j in range(image.shape[1]):
            result[i, j] = sorted(padded[i : i + size, j : j + size].ravel())[size * size // 2]
    return result


@answers("median-filter")
def shifted_copies(image, size):
    if size % 2 != 1:
        raise ValueError("even")
    height, width = image.shape
    padded = np.pad(image, (size - 1) // 2, mode="reflect")
    copies = [padded[i : i + height, j : j + width] for i in range(size) for j in range(size)]
    return np.partition(np.stack(copies), len(copies) // 2, axis=0)[len(copies) // 2]


@answers("choose-smoothing", five_taps)
def errors_in_a_dictionary(first, second, most):
    first, second = np.float64(first), np.float64(second)
    frames, errors = [first, second], {}
    for n in range(most + 1):
        gaps = frames[0] - second, frames[1] - first
        errors[n] = sum(float((gap**2).mean()) for gap in gaps)
        frames = [five_taps(frame) for frame in frames]
    return min(errors, key=errors.get), ((first - second) ** 2 / 2).mean() ** 0.5


@answers("choose-smoothing", five_taps)
def both_frames_in_one_array(first, second, most):
    given = np.stack([first, second]).astype(float)
    smoothed, best, least = given, 0, np.inf
    for n in range(most + 1):
        error = np.square(smoothed - given[::-1]).sum()
        if error < least:
            best, least = n, error
        smoothed = np.array([five_taps(image) for image in smoothed])
    return [best, np.linalg.norm(given[0] - given[1]) / np.sqrt(2 * given[0].size)]
