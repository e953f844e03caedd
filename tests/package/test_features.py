"""Filters, pyramids, gradients and words against SciPy, OpenCV, scikit-image and scikit-learn."""

import doctest
import importlib
import subprocess
import sys
import warnings

import cv2
import numpy as np
import pytest
from scipy import ndimage, signal
from skimage import feature as skfeature
from sklearn.cluster import KMeans as ReferenceKMeans
from sklearn.exceptions import ConvergenceWarning
from sklearn.mixture import GaussianMixture as ReferenceMixture

from cvlab import data, features
from cvlab.features import definitions

# Our name, SciPy's, OpenCV's.
BORDERS = {
    "constant": ("constant", cv2.BORDER_CONSTANT),
    "replicate": ("nearest", cv2.BORDER_REPLICATE),
    "reflect": ("reflect", cv2.BORDER_REFLECT),
    "reflect101": ("mirror", cv2.BORDER_REFLECT_101),
    "wrap": ("wrap", cv2.BORDER_WRAP),
}
SHAPES = [(1, 1), (1, 9), (7, 1), (2, 3, 1), (16, 17), (33, 65), (20, 31, 3), (70, 18, 4)]


def noise(*shape, seed=0):
    return np.random.default_rng(seed).normal(size=shape)


def planes(image):
    """The channels of an image, each (H, W)."""
    return np.moveaxis(np.atleast_3d(image), 2, 0)


def each(function, image):
    """A function of one channel applied to every channel."""
    return np.stack([function(plane) for plane in planes(image)], axis=-1).reshape(image.shape)


# --- Filters --------------------------------------------------------------------------------------


def test_border_names():
    assert set(features.BORDERS) == set(BORDERS)


@pytest.mark.parametrize("border", [name for name in BORDERS if name != "wrap"])
@pytest.mark.parametrize("side", [1, 2, 3, 8])
@pytest.mark.parametrize("amount", [0, 1, 5, 23])
def test_pad_matches_opencv(border, side, amount):
    image = noise(side, side + 1)
    padded = features.pad(image, (amount, 2), border)
    wanted = cv2.copyMakeBorder(image, amount, amount, 2, 2, BORDERS[border][1])
    assert np.array_equal(padded, wanted)


def test_pad_wraps_and_keeps_channels():
    image = noise(3, 4, 2)
    padded = features.pad(image, 7, "wrap")
    assert padded.shape == (17, 18, 2)
    rows, columns = np.ix_(np.arange(-7, 10) % 3, np.arange(-7, 11) % 4)
    assert np.array_equal(padded, image[rows, columns])


@pytest.mark.parametrize("border", BORDERS)
@pytest.mark.parametrize("shape", SHAPES, ids=str)
@pytest.mark.parametrize("size", [(1, 1), (3, 3), (5, 1), (1, 7), (9, 5)], ids=str)
def test_correlate_matches_scipy(shape, size, border):
    image, kernel = noise(*shape), noise(*size, seed=1)
    kernel[0, -1] = 0
    ours = features.correlate(image, kernel, border=border)
    assert ours.shape == image.shape
    wanted = each(lambda plane: scipy_correlate(plane, kernel, border), image)
    assert np.allclose(ours, wanted, rtol=0, atol=1e-12)
    turned = features.convolve(image, kernel, border=border)
    wanted = each(lambda plane: scipy_correlate(plane, kernel[::-1, ::-1], border), image)
    assert np.allclose(turned, wanted, rtol=0, atol=1e-12)


def scipy_correlate(plane, kernel, border):
    if border != "wrap":
        return ndimage.correlate(plane, kernel, mode=BORDERS[border][0])
    # SciPy's "wrap" is not periodic where the kernel is larger than the image.
    rows, columns = (
        np.arange(-(k // 2), n + k // 2) % n for k, n in zip(kernel.shape, plane.shape, strict=True)
    )
    return signal.correlate2d(plane[np.ix_(rows, columns)], kernel, "valid")


def test_convolve_matches_signal_and_opencv():
    image, kernel = noise(40, 37), noise(5, 9, seed=1)
    ours = features.convolve(image, kernel, border="constant")
    wanted = signal.convolve2d(image, kernel, mode="same")
    assert np.allclose(ours, wanted, rtol=0, atol=1e-12)
    filtered = cv2.filter2D(image, -1, kernel)
    assert np.allclose(features.correlate(image, kernel), filtered, rtol=0, atol=1e-12)


@pytest.mark.parametrize("border", ["constant", "replicate", "reflect", "reflect101"])
def test_kernel_larger_than_the_image(border):
    image, kernel = noise(3, 5, 3), noise(21, 33, seed=1)
    padded = cv2.copyMakeBorder(image, 10, 10, 16, 16, BORDERS[border][1])
    wanted = [signal.correlate2d(plane, kernel, "valid") for plane in planes(padded)]
    ours = features.correlate(image, kernel, border=border)
    assert np.allclose(planes(ours), wanted, rtol=0, atol=1e-11)


@pytest.mark.parametrize("border", BORDERS)
@pytest.mark.parametrize("shape", [*SHAPES, (150, 40), (150, 40, 3)], ids=str)
@pytest.mark.parametrize("size", [(1, 1), (5, 1), (1, 5), (3, 41), (37, 3)], ids=str)
def test_separable_is_the_outer_product(shape, size, border):
    image, column, row = noise(*shape), noise(size[0], seed=1), noise(size[1], seed=2)
    ours = features.correlate_separable(image, column, row, border=border)
    wanted = features.correlate(image, np.outer(column, row), border=border)
    assert ours.shape == image.shape
    assert ours.flags.c_contiguous
    assert np.allclose(ours, wanted, rtol=0, atol=1e-11)


def test_filter_algebra():
    image, f, g = noise(30, 30), noise(3, 5, seed=1), noise(5, 3, seed=2)
    wrapped = {"border": "wrap"}
    one_after_other = features.convolve(features.convolve(image, f, **wrapped), g, **wrapped)
    at_once = features.convolve(image, signal.convolve2d(f, g), **wrapped)
    assert np.allclose(one_after_other, at_once, rtol=0, atol=1e-11)
    both = features.convolve(image, 2 * f, **wrapped) + features.convolve(3 * image, f, **wrapped)
    assert np.allclose(both, 5 * features.convolve(image, f, **wrapped), rtol=0, atol=1e-11)
    impulse = np.zeros((7, 7))
    impulse[3, 3] = 1
    assert np.array_equal(features.convolve(impulse, f)[2:5, 1:6], f)


@pytest.mark.parametrize("sigma", [0.3, 1, 2.5, 12])
@pytest.mark.parametrize("shape", [(1, 1), (9, 40), (64, 31, 3)], ids=str)
@pytest.mark.parametrize("border", ["replicate", "reflect", "reflect101", "constant"])
def test_gaussian_blur_matches_scipy(sigma, shape, border):
    image = noise(*shape)
    sigmas = (sigma, sigma, 0)[: image.ndim]
    wanted = ndimage.gaussian_filter(image, sigmas, mode=BORDERS[border][0])
    assert np.allclose(features.gaussian_blur(image, sigma, border=border), wanted, atol=1e-12)


def test_gaussian_blur_matches_opencv():
    image = noise(40, 50, 3)
    wanted = cv2.GaussianBlur(image, (13, 13), 2)
    assert np.allclose(features.gaussian_blur(image, 2, radius=6), wanted, rtol=0, atol=1e-7)


def test_gaussian_kernel():
    for sigma in (0.2, 1, 3.7):
        kernel = features.gaussian_kernel(sigma)
        assert len(kernel) == 2 * int(4 * sigma + 0.5) + 1
        assert abs(kernel.sum() - 1) < 1e-15
        assert np.array_equal(kernel, kernel[::-1])
    assert np.array_equal(features.gaussian_kernel(0), [1])
    assert np.array_equal(features.gaussian_kernel(0, radius=2), [0, 0, 1, 0, 0])
    assert np.array_equal(features.gaussian_kernel(1e-200, radius=1), [0, 1, 0])
    places = np.arange(-12, 13)
    assert abs((features.gaussian_kernel(3) * places**2).sum() - 9) < 0.02  # the tails are cut


def test_gaussian_blur_of_sigma_zero_is_a_copy():
    image = noise(3, 4)
    copy = features.gaussian_blur(image, 0)
    assert np.array_equal(copy, image)
    assert not np.shares_memory(copy, image)


@pytest.mark.parametrize("size", [1, 3, 9, 31])
@pytest.mark.parametrize("shape", [(1, 1), (12, 40), (40, 31, 3)], ids=str)
@pytest.mark.parametrize("border", ["replicate", "reflect", "reflect101", "constant"])
def test_box_blur_matches_scipy(size, shape, border):
    image = noise(*shape)
    kernel = np.full((size, size), size**-2.0)
    wanted = features.correlate(image, kernel, border=border)
    assert np.allclose(features.box_blur(image, size, border=border), wanted, rtol=0, atol=1e-12)
    if size < min(shape[:2]):
        mode = BORDERS[border][0]
        wanted = each(lambda plane: ndimage.uniform_filter(plane, size, mode=mode), image)
        assert np.allclose(features.box_blur(image, size, border=border), wanted, atol=1e-12)


def test_integral_image_matches_opencv_and_gives_rectangles():
    image = np.random.default_rng(0).integers(0, 256, (37, 53, 3), np.uint8)
    sums = features.integral_image(image)
    assert np.array_equal(sums, cv2.integral(image, sdepth=cv2.CV_64F))
    rectangle = sums[30, 40] - sums[7, 40] - sums[30, 11] + sums[7, 11]
    assert np.array_equal(rectangle, image[7:30, 11:40].sum(axis=(0, 1)))
    assert features.integral_image(image.astype(np.float32)).dtype == np.float64


FILTERS = {
    "pad": lambda image: features.pad(image, 2),
    "correlate": lambda image: features.correlate(image, noise(3, 5)),
    "convolve": lambda image: features.convolve(image, noise(3, 5)),
    "separable": lambda image: features.correlate_separable(image, noise(3), noise(5)),
    "gaussian_blur": lambda image: features.gaussian_blur(image, 1.5),
    "box_blur": lambda image: features.box_blur(image, 5),
    "pyramid_down": features.pyramid_down,
    "pyramid_up": lambda i: features.pyramid_up(i, (2 * len(i), 2 * i.shape[1])),
    "laplacian": lambda image: features.laplacian_pyramid(image, 3)[0],
    "collapse": lambda image: features.collapse(features.laplacian_pyramid(image, 3)),
    "gradient": lambda image: features.image_gradient(image, operator="scharr")[0],
    "hog_cells": lambda image: features.hog_cells(image, cell=4),
    "hog": lambda image: features.hog(image, cell=4),
}


@pytest.mark.parametrize("name", FILTERS)
@pytest.mark.parametrize("shape", [(16, 21), (16, 21, 3)], ids=str)
def test_dtypes_and_inputs_left_alone(name, shape):
    pixels = np.random.default_rng(0).integers(0, 256, shape, np.uint8)
    wanted = FILTERS[name](pixels.astype(float))
    assert wanted.dtype == np.float64
    for dtype in (np.uint8, np.int32, np.float16, np.float64):
        image = pixels.astype(dtype)
        image.flags.writeable = False
        result = FILTERS[name](image)
        assert result.dtype == np.float64
        assert np.array_equal(result, wanted)
    single = FILTERS[name](pixels.astype(np.float32))
    assert single.dtype == np.float32
    assert np.allclose(single, wanted, rtol=1e-4, atol=1e-4 * np.abs(wanted).max())
    turned = np.asfortranarray(pixels)
    assert np.array_equal(FILTERS[name](turned[::-1][::-1]), wanted)


@pytest.mark.parametrize("name", FILTERS)
def test_booleans_and_lists_are_images(name):
    image = noise(12, 12) > 0
    wanted = FILTERS[name](image.astype(float))
    assert np.array_equal(FILTERS[name](image), wanted)
    if name != "pyramid_up":
        assert np.array_equal(FILTERS[name](image.tolist()), wanted)


@pytest.mark.parametrize("name", ["gaussian_blur", "box_blur", "pyramid_down", "pyramid_up"])
@pytest.mark.parametrize("shape", [(1, 1), (1, 2), (30, 29), (30, 29, 3)], ids=str)
def test_constant_images_stay_constant(name, shape):
    result = FILTERS[name](np.full(shape, 7.25))
    assert np.allclose(result, 7.25, rtol=0, atol=1e-12)


@pytest.mark.parametrize("name", FILTERS)
@pytest.mark.parametrize(
    ("image", "error", "words"),
    [
        ([[1.0, np.nan], [0.0, 1.0]], ValueError, "NaN or infinite"),
        ([[1.0, np.inf], [0.0, 1.0]], ValueError, "NaN or infinite"),
        ([[-np.inf, np.inf], [0.0, 1.0]], ValueError, "NaN or infinite"),
        (np.zeros((0, 5)), ValueError, "at least one pixel"),
        (np.zeros((5, 5, 0)), ValueError, "at least one pixel"),
        (np.zeros(5), ValueError, r"shape \(H, W\)"),
        (np.zeros((1, 2, 3, 4)), ValueError, r"shape \(H, W\)"),
        ([[1, 2], [3]], ValueError, "same length"),
        (np.zeros((4, 4), complex), TypeError, "real numbers"),
        (np.full((4, 4), "a"), TypeError, "real numbers"),
        (np.full((4, 4), None), TypeError, "real numbers"),
    ],
    ids=str,
)
def test_bad_images_are_refused_in_one_sentence(name, image, error, words):
    function = FILTERS[name]
    if name == "pyramid_up":
        function = lambda image: features.pyramid_up(image, (4, 4))  # noqa: E731
    with pytest.raises(error, match=words) as caught:
        function(image)
    assert "\n" not in str(caught.value)


def test_huge_values_are_finite():
    # Their sum overflows, they do not.
    image = np.full((4, 4), 1e308)
    assert np.array_equal(features.pad(image, 0), image)
    single = np.full((64, 64), 3e38, np.float32)
    assert np.array_equal(features.pad(single, 0), single)


IMAGE = np.zeros((8, 8))
DESCRIPTORS = np.zeros((5, 2))
CENTRES = np.array([[0.0, 0.0], [1.0, 1.0]])
MIXTURE = features.GaussianMixture(np.full(2, 0.5), CENTRES, np.ones((2, 2)))


@pytest.mark.parametrize(
    ("call", "error", "words"),
    [
        (lambda f: f.pad(IMAGE, -1), ValueError, "amount must be at least 0"),
        (lambda f: f.pad(IMAGE, 1.5), TypeError, "amount must be an integer"),
        (lambda f: f.pad(IMAGE, (1, 2, 3)), TypeError, "amount must be an integer"),
        (lambda f: f.pad(IMAGE, True), TypeError, "amount must be an integer"),
        (lambda f: f.pad(IMAGE, 1, "mirror"), ValueError, "border must be one of 'constant', "),
        (lambda f: f.pad(IMAGE, 1, None), ValueError, "border must be one of"),
        (lambda f: f.correlate(IMAGE, np.ones((2, 3))), ValueError, "odd sizes"),
        (lambda f: f.correlate(IMAGE, np.ones((3, 0))), ValueError, "odd sizes"),
        (lambda f: f.correlate(IMAGE, np.ones(3)), ValueError, r"shape \(kh, kw\)"),
        (lambda f: f.convolve(IMAGE, [[np.nan]]), ValueError, "kernel holds NaN"),
        (lambda f: f.convolve(IMAGE, np.ones((4, 3))), ValueError, "odd sizes"),
        (lambda f: f.correlate_separable(IMAGE, [1], [1, 1]), ValueError, "row_kernel must have"),
        (lambda f: f.correlate_separable(IMAGE, [[1]], [1]), ValueError, "column_kernel must"),
        (lambda f: f.gaussian_kernel(-1), ValueError, "sigma must be finite and at least 0"),
        (lambda f: f.gaussian_kernel(np.nan), ValueError, "sigma must be finite"),
        (lambda f: f.gaussian_kernel("wide"), TypeError, "sigma must be one number"),
        (lambda f: f.gaussian_kernel([1, 2]), TypeError, "sigma must be one number"),
        (lambda f: f.gaussian_kernel(1, radius=-1), ValueError, "radius must be at least 0"),
        (lambda f: f.gaussian_blur(IMAGE, 1, radius=1.5), TypeError, "radius must be an integer"),
        (lambda f: f.box_blur(IMAGE, 4), ValueError, "size must be odd"),
        (lambda f: f.box_blur(IMAGE, 0), ValueError, "size must be at least 1"),
        (lambda f: f.pyramid_up(IMAGE, (17, 16)), ValueError, "twice its size or one less"),
        (lambda f: f.pyramid_up(IMAGE, 16), ValueError, r"shape must be \(height, width\)"),
        (lambda f: f.pyramid_up(IMAGE, (16,)), ValueError, r"shape must be \(height, width\)"),
        (lambda f: f.gaussian_pyramid(IMAGE, 0), ValueError, "levels must be at least 1"),
        (lambda f: f.laplacian_pyramid(IMAGE, 2.0), TypeError, "levels must be an integer"),
        (lambda f: f.collapse([]), ValueError, "at least one level"),
        (lambda f: f.collapse([IMAGE, IMAGE]), ValueError, "twice its size or one less"),
        (lambda f: f.collapse([IMAGE, np.zeros((4, 4, 3))]), ValueError, "number of channels"),
        (lambda f: f.blend(IMAGE, IMAGE[1:], IMAGE, 2), ValueError, "the same shape"),
        (lambda f: f.blend(IMAGE, IMAGE, IMAGE[1:], 2), ValueError, "mask must have shape"),
        (lambda f: f.blend(IMAGE, IMAGE, IMAGE + 2, 2), ValueError, r"mask must lie in \[0, 1\]"),
        (lambda f: f.image_gradient(IMAGE, operator="roberts"), ValueError, "operator must be"),
        (lambda f: f.gradient_polar([1.0], [1.0, 2.0]), ValueError, "the same shape"),
        (lambda f: f.gradient_polar([np.nan], [1.0]), ValueError, "gx holds NaN"),
        (lambda f: f.hog_cells(IMAGE, votes="all"), ValueError, "votes must be one of 'linear'"),
        (lambda f: f.hog_cells(IMAGE, cell=0), ValueError, "cell must be at least 1"),
        (lambda f: f.hog_cells(IMAGE, orientations=2.5), TypeError, "orientations must be an int"),
        (lambda f: f.hog(IMAGE), ValueError, "at least 16 rows and columns"),
        (lambda f: f.hog(IMAGE, normalisation="l3"), ValueError, "normalisation must be one of"),
        (lambda f: f.harris_response(np.zeros((4, 4, 3))), ValueError, "make it grey"),
        (lambda f: f.harris_response(IMAGE, sigma=-1), ValueError, "sigma must be finite"),
        (lambda f: f.difference_of_gaussians(IMAGE, levels=1), ValueError, "levels must be at"),
        (lambda f: f.difference_of_gaussians(IMAGE, first=0.2), ValueError, "first must be"),
        (lambda f: f.dog_keypoints(IMAGE, edge_ratio=0.5), ValueError, "edge_ratio must be"),
        (lambda f: f.kmeans(DESCRIPTORS, 6), ValueError, "k must not exceed the number of points"),
        (lambda f: f.kmeans(DESCRIPTORS, 0), ValueError, "k must be at least 1"),
        (lambda f: f.kmeans(DESCRIPTORS, 2.0), TypeError, "k must be an integer"),
        (lambda f: f.kmeans(np.zeros((0, 2)), 1), ValueError, "at least one row"),
        (lambda f: f.kmeans(np.zeros(5), 1), ValueError, r"shape \(N, D\)"),
        (lambda f: f.kmeans([[np.nan]], 1), ValueError, "points holds NaN"),
        (lambda f: f.kmeans(DESCRIPTORS, 2, init="far"), ValueError, r"init must be 'k-means\+\+'"),
        (lambda f: f.kmeans(DESCRIPTORS, 2, init=CENTRES[:1]), ValueError, "init must have shape"),
        (lambda f: f.kmeans(DESCRIPTORS, 2, seed=-1), ValueError, "seed must be at least 0"),
        (lambda f: f.kmeans(DESCRIPTORS, 2, restarts=0), ValueError, "restarts must be at least 1"),
        (lambda f: f.kmeans(DESCRIPTORS, 2, tolerance=-1), ValueError, "tolerance must be finite"),
        (lambda f: f.nearest_centre(np.zeros((5, 3)), CENTRES), ValueError, r"points must have sh"),
        (lambda f: f.nearest_centre(DESCRIPTORS, []), ValueError, "centres must have shape"),
        (lambda f: f.bag_of_words(DESCRIPTORS, CENTRES, normalise="max"), ValueError, "'l1', 'l2'"),
        (lambda f: f.bag_of_words(np.zeros((5, 3)), CENTRES), ValueError, "like the codebook"),
        (
            lambda f: f.vlad(DESCRIPTORS, CENTRES, power=0),
            ValueError,
            r"power must lie in \(0, 1\]",
        ),
        (lambda f: f.vlad(DESCRIPTORS[0], CENTRES), ValueError, "descriptors must have shape"),
        (lambda f: f.vlad([[np.nan, 0]], CENTRES), ValueError, "descriptors holds NaN"),
        (lambda f: f.fisher_vector(DESCRIPTORS, MIXTURE, power=2), ValueError, "power must lie"),
        (lambda f: f.fisher_vector(np.zeros((5, 3)), MIXTURE), ValueError, "like the codebook"),
        (
            lambda f: f.fisher_vector(DESCRIPTORS, MIXTURE._replace(variances=np.zeros((2, 2)))),
            ValueError,
            "the first and last positive",
        ),
        (lambda f: f.fisher_vector(DESCRIPTORS, None), ValueError, "must be a GaussianMixture"),
        (lambda f: f.fit_mixture(DESCRIPTORS, 9), ValueError, "k must not exceed"),
        (lambda f: f.fit_mixture(DESCRIPTORS, 1, floor=0), ValueError, "floor must be positive"),
        (lambda f: f.spatial_pyramid([0.5], [[0, 0]], 2), TypeError, "words must be integers"),
        (lambda f: f.spatial_pyramid([0, 1], [[0, 0]], 2), ValueError, r"words must have shape"),
        (lambda f: f.spatial_pyramid([0], [[0, 1]], 2), ValueError, r"must lie in \[0, 1\)"),
        (lambda f: f.spatial_pyramid([2], [[0, 0]], 2), ValueError, "words must lie in 0 to k - 1"),
        (lambda f: f.spatial_pyramid([0], [[0, 0, 0]], 2), ValueError, "positions must have shape"),
        (lambda f: f.spatial_pyramid([0], [[0, 0]], 2, 2), TypeError, "levels must be a sequence"),
        (lambda f: f.spatial_pyramid([0], [[0, 0]], 2, levels=()), ValueError, "at least one"),
        (lambda f: f.dense_patches(IMAGE), ValueError, "at least 16 rows and columns"),
        (lambda f: f.dense_patches(IMAGE, step=0, size=4), ValueError, "step must be at least 1"),
        (lambda f: f.dense_sift(IMAGE + 2, size=8), ValueError, r"image must lie in \[0, 1\]"),
        (lambda f: f.dense_sift(np.zeros((20, 20, 4))), ValueError, r"\(H, W, 3\)"),
        (lambda f: f.dense_sift(IMAGE, size=()), ValueError, "at least one side"),
    ],
)
def test_wrong_arguments_are_refused_in_one_sentence(call, error, words):
    with pytest.raises(error, match=words) as caught:
        call(features)
    assert "\n" not in str(caught.value)
    assert str(caught.value).endswith(".")


# --- Pyramids -------------------------------------------------------------------------------------


@pytest.mark.parametrize("shape", [*SHAPES, (2, 2), (3, 2), (64, 48, 3)], ids=str)
def test_pyramids_match_opencv(shape):
    image = noise(*shape)
    down = features.pyramid_down(image)
    assert down.shape == ((shape[0] + 1) // 2, (shape[1] + 1) // 2, *shape[2:])
    assert np.allclose(down, cv2.pyrDown(image).reshape(down.shape), rtol=0, atol=1e-12)
    for odd_rows in (0, 1):
        for odd_columns in (0, 1):
            size = (2 * shape[0] - odd_rows, 2 * shape[1] - odd_columns)
            up = features.pyramid_up(image, size)
            assert up.shape == (*size, *shape[2:])
            wanted = cv2.pyrUp(image, dstsize=size[::-1]).reshape(up.shape)
            assert np.allclose(up, wanted, rtol=0, atol=1e-12)


@pytest.mark.parametrize("shape", [*SHAPES, (100, 37, 3)], ids=str)
@pytest.mark.parametrize("levels", [1, 2, 5, 9])
def test_collapse_inverts(shape, levels):
    image = noise(*shape)
    pyramid = features.laplacian_pyramid(image, levels)
    assert len(pyramid) == levels
    assert pyramid[-1].shape == features.gaussian_pyramid(image, levels)[-1].shape
    assert np.allclose(features.collapse(pyramid), image, rtol=0, atol=1e-12)


def test_levels_are_those_of_pyramid_down():
    image = noise(21, 30)
    pyramid = features.gaussian_pyramid(image, 3)
    assert np.array_equal(pyramid[0], image)
    assert not np.shares_memory(pyramid[0], image)
    assert np.array_equal(pyramid[2], features.pyramid_down(features.pyramid_down(image)))


def test_a_ramp_keeps_its_slope_inside():
    ramp = np.add.outer(3.0 * np.arange(64), 2.0 * np.arange(80))
    down = features.pyramid_down(ramp)
    assert np.allclose(down[1:-1, 1:-1], ramp[2:-2:2, 2:-2:2])
    up = features.pyramid_up(down, ramp.shape)
    assert np.allclose(up[4:-4, 4:-4], ramp[4:-4, 4:-4])


def test_blend():
    a, b = noise(32, 48, 3), noise(32, 48, 3, seed=1)
    left = np.broadcast_to(np.arange(48) < 24, (32, 48))
    assert np.array_equal(features.blend(a, b, left, 1), np.where(left[..., None], a, b))
    for levels in (1, 3, 6):
        assert np.allclose(features.blend(a, b, np.ones((32, 48)), levels), a, atol=1e-12)
        assert np.allclose(features.blend(a, b, np.zeros((32, 48)), levels), b, atol=1e-12)
        assert np.allclose(features.blend(a, a, left, levels), a, atol=1e-12)
        whole = features.blend(a, b, np.repeat(left[..., None], 3, axis=2), levels)
        assert np.allclose(whole, features.blend(a, b, left, levels), atol=1e-12)
    # The more levels, the wider the seam between black and white.
    black, white = np.zeros((32, 48)), np.ones((32, 48))
    seams = [
        (np.abs(features.blend(white, black, left, levels) - left) > 0.01).sum()
        for levels in (1, 2, 3, 4)
    ]
    assert seams[0] == 0
    assert np.all(np.diff(seams) > 0)
    single = features.blend(a.astype(np.float32), b.astype(np.float32), left, 3)
    assert single.dtype == np.float32


# --- Gradients ------------------------------------------------------------------------------------


@pytest.mark.parametrize("operator", ["central", "prewitt", "sobel", "scharr"])
@pytest.mark.parametrize("border", BORDERS)
def test_ramps_give_their_slope(operator, border):
    ramp = np.add.outer(-0.5 * np.arange(9), 1.25 * np.arange(12))
    gx, gy = features.image_gradient(ramp, operator=operator, border=border)
    assert np.allclose(gx[1:-1, 1:-1], 1.25, rtol=0, atol=1e-14)
    assert np.allclose(gy[1:-1, 1:-1], -0.5, rtol=0, atol=1e-14)
    colour = np.stack([ramp, 2 * ramp, 0 * ramp], axis=-1)
    for of_colour, of_grey in zip(
        features.image_gradient(colour, operator=operator, border=border), (gx, gy), strict=True
    ):
        assert np.allclose(of_colour, of_grey[..., None] * [1, 2, 0], rtol=0, atol=1e-14)


@pytest.mark.parametrize("shape", [(1, 1), (1, 6), (6, 1), (2, 2), (20, 33)], ids=str)
@pytest.mark.parametrize("border", ["replicate", "reflect", "reflect101", "constant"])
def test_gradients_match_opencv(shape, border):
    image = noise(*shape)
    mode = BORDERS[border][1]
    for operator, function, sum_of_weights in (
        ("sobel", cv2.Sobel, 8),
        ("scharr", cv2.Scharr, 32),
    ):
        gx, gy = features.image_gradient(image, operator=operator, border=border)
        wanted = function(image, -1, 1, 0, borderType=mode) / sum_of_weights
        assert np.allclose(gx, wanted, rtol=0, atol=1e-14)
        wanted = function(image, -1, 0, 1, borderType=mode) / sum_of_weights
        assert np.allclose(gy, wanted, rtol=0, atol=1e-14)


@pytest.mark.parametrize("operator", ["prewitt", "sobel", "scharr"])
def test_gradients_match_scikit_image(operator):
    from skimage import filters

    image = noise(20, 33)
    gx, gy = features.image_gradient(image, operator=operator, border="reflect")
    assert np.allclose(gx, getattr(filters, f"{operator}_v")(image) / 2)
    assert np.allclose(gy, getattr(filters, f"{operator}_h")(image) / 2)


def test_central_differences_match_numpy_inside():
    image = noise(20, 33)
    gx, gy = features.image_gradient(image)
    wanted_y, wanted_x = np.gradient(image)
    assert np.allclose(gx[:, 1:-1], wanted_x[:, 1:-1])
    assert np.allclose(gy[1:-1], wanted_y[1:-1])


def test_polar():
    angles = np.linspace(-np.pi + 1e-6, np.pi, 50)
    magnitude, direction = features.gradient_polar(2 * np.cos(angles), 2 * np.sin(angles))
    assert np.allclose(magnitude, 2)
    assert np.allclose(direction, angles)
    # Brighter downwards: pi / 2, because y points down.
    gx, gy = features.image_gradient(np.arange(5.0)[:, None] * np.ones((5, 5)))
    assert np.allclose(features.gradient_polar(gx, gy)[1], np.pi / 2)
    assert features.gradient_polar(0.0, 0.0) == (0.0, 0.0)


# --- HOG ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("shape", [(16, 16), (64, 48), (70, 53), (40, 64, 3)], ids=str)
@pytest.mark.parametrize(("cell", "block"), [(8, 2), (5, 1), (4, 3)])
@pytest.mark.parametrize("orientations", [1, 8, 9])
@pytest.mark.parametrize("norm", ["L2-Hys", "L2", "L1", "L1-sqrt"])
def test_hog_matches_scikit_image(shape, cell, block, orientations, norm):
    image = noise(*shape)
    wanted = skfeature.hog(
        image,
        orientations,
        (cell, cell),
        (block, block),
        norm,
        channel_axis=2 if image.ndim == 3 else None,
    )
    ours = features.hog(
        image,
        orientations=orientations,
        cell=cell,
        block=block,
        votes="nearest",
        normalisation=norm.lower(),
    )
    # scikit-image adds up a cell's votes in single precision.
    assert np.allclose(ours, wanted, rtol=0, atol=1e-6)


@pytest.mark.parametrize("name", ["camera", "astronaut"])
def test_hog_of_a_photograph_matches_scikit_image(name):
    image = data.photograph(name)[:200:2, :240:2]
    wanted = skfeature.hog(
        image, cells_per_block=(2, 2), channel_axis=2 if image.ndim == 3 else None
    )
    assert np.allclose(features.hog(image, votes="nearest"), wanted, rtol=0, atol=1e-5)


def cells_by_loops(image, orientations, cell, votes):
    """The definition of the histograms, one pixel after another."""
    rows, columns = len(image) // cell, image.shape[1] // cell
    result = np.zeros((rows, columns, orientations))
    width = 180 / orientations
    for y in range(rows * cell):
        for x in range(columns * cell):
            gx = image[y, x + 1] - image[y, x - 1] if 0 < x < image.shape[1] - 1 else 0
            gy = image[y + 1, x] - image[y - 1, x] if 0 < y < len(image) - 1 else 0
            angle = np.degrees(np.arctan2(gy, gx)) % 180
            histogram = result[y // cell, x // cell]
            if votes == "nearest":
                histogram[int(angle // width) % orientations] += np.hypot(gx, gy)
                continue
            for b in range(orientations):
                away = abs(angle - (b + 0.5) * width)
                away = min(away, 180 - away)
                histogram[b] += max(0, 1 - away / width) * np.hypot(gx, gy)
    return result / cell**2


@pytest.mark.parametrize("orientations", [2, 4, 9])
@pytest.mark.parametrize("votes", ["linear", "nearest"])
def test_hog_cells_match_the_definition(orientations, votes):
    image = noise(18, 22)
    ours = features.hog_cells(image, orientations=orientations, cell=6, votes=votes)
    assert ours.shape == (3, 3, orientations)
    assert np.allclose(ours, cells_by_loops(image, orientations, 6, votes))


def test_every_vote_adds_up_to_the_magnitude():
    image = noise(32, 32)
    sums = [
        features.hog_cells(image, orientations=n, votes=votes).sum(axis=-1)
        for n in (1, 2, 9)
        for votes in ("linear", "nearest")
    ]
    assert np.allclose(sums, sums[0])


def test_hog_is_unsigned_and_forgives_gain_and_offset():
    image = noise(32, 32)
    for votes in ("linear", "nearest"):
        described = features.hog(image, votes=votes)
        assert np.allclose(features.hog(-image, votes=votes), described)
        assert np.allclose(features.hog(100 * image + 5, votes=votes), described, atol=1e-4)


def test_hog_of_nothing_to_see_and_of_one_channel():
    assert np.array_equal(features.hog(np.full((16, 16), 3.0)), np.zeros(36))
    assert features.hog_cells(np.ones((1, 1)), cell=1).shape == (1, 1, 9)
    image = noise(16, 16)
    assert np.array_equal(features.hog(image[..., None]), features.hog(image))
    assert features.hog_cells(np.ones((3, 3))).shape == (0, 0, 9)


# --- Key points -----------------------------------------------------------------------------------


def test_harris_matches_scikit_image():
    image = noise(40, 50)
    ours = features.harris_response(image, sigma=2)
    wanted = skfeature.corner_harris(image, method="k", k=0.05, sigma=2) / 8**4
    inside = np.s_[12:-12, 12:-12]  # its border is another
    assert np.allclose(ours[inside], wanted[inside], rtol=1e-9, atol=1e-15)
    assert features.harris_response(image.astype(np.float32)).dtype == np.float32


def test_dog_finds_planted_blobs():
    rng = np.random.default_rng(0)
    rows, columns = np.mgrid[:150, :150]
    image, planted = np.full((150, 150), 0.5), []
    for y, x in np.ndindex(2, 2):
        cx, cy, s = 40 + 70 * x + rng.random(), 40 + 70 * y + rng.random(), rng.uniform(3, 8)
        blob = np.exp(-((columns - cx) ** 2 + (rows - cy) ** 2) / (2 * s**2))
        image += rng.choice([-0.3, 0.3]) * blob
        planted.append((cx, cy, s))
    found = features.dog_keypoints(image, threshold=0.02, camera_blur=0)
    assert len(found) == 4
    for blob in planted:
        nearest = found[np.abs(found[:, :2] - blob[:2]).sum(axis=1).argmin()]
        assert np.abs(nearest[:2] - blob[:2]).max() < 0.1
        assert abs(nearest[2] / blob[2] - 1) < 0.03


def test_threshold_is_the_height_of_the_extremum():
    rows, columns = np.mgrid[:61, :61]
    blob = np.exp(-((columns - 30) ** 2 + (rows - 30) ** 2) / (2 * 4.0**2))
    height = np.abs(features.difference_of_gaussians(blob)).max()
    assert len(features.dog_keypoints(blob, threshold=0.95 * height)) == 1
    assert len(features.dog_keypoints(blob, threshold=1.1 * height)) == 0


def test_strongest_points_come_first():
    image = data.photograph("camera")[100:250, 150:300]
    many = features.dog_keypoints(image, threshold=0.004)
    few = features.dog_keypoints(image, threshold=0.06)
    assert 5 < len(few) < len(many)
    assert np.array_equal(many[: len(few)], few)


def test_an_extremum_without_a_fit_is_left_out(monkeypatch):
    # Beyond all its neighbours, yet flat along a diagonal: the Hessian has no inverse.
    stack = np.zeros((3, 3, 3))
    stack[1, 1, 1] = 1
    stack[1, 0, 2] = stack[1, 2, 0] = -4
    keypoints = importlib.import_module("cvlab.features.keypoints")
    monkeypatch.setattr(keypoints, "difference_of_gaussians", lambda *_args, **_settings: stack)
    assert features.dog_keypoints(np.zeros((3, 3))).shape == (0, 3)


@pytest.mark.parametrize("shape", [(1, 1), (2, 9), (20, 20)], ids=str)
def test_flat_images_have_no_key_points(shape):
    assert features.dog_keypoints(np.full(shape, 0.5)).shape == (0, 3)
    assert np.allclose(features.harris_response(np.full(shape, 0.5)), 0, atol=1e-30)


def test_differences_of_gaussians_add_up():
    image = noise(60, 60)
    stack = features.difference_of_gaussians(image, levels=5, camera_blur=0)
    ends = [features.gaussian_blur(image, 1.6 * 2 ** (i / 3)) for i in (0, 4)]
    # Blurring in steps samples and cuts off more than one Gaussian.
    inside = np.s_[15:-15, 15:-15]
    assert np.abs(stack.sum(axis=0) - (ends[1] - ends[0]))[inside].max() < 1e-3


# --- k-means --------------------------------------------------------------------------------------


def clustered(n, d, k, seed=0, spread=1.0):
    rng = np.random.default_rng(seed)
    return rng.normal(size=(n, d)) + spread * rng.normal(size=(k, d))[rng.integers(k, size=n)]


@pytest.mark.parametrize(("n", "d", "k"), [(300, 2, 5), (2500, 16, 20), (50, 1, 50), (40, 3, 1)])
def test_kmeans_matches_scikit_learn(n, d, k):
    points = clustered(n, d, k)
    start = points[:k]
    for iterations in (1, 3, 300):
        ours = features.kmeans(points, k, init=start, iterations=iterations, tolerance=0)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ConvergenceWarning)
            theirs = ReferenceKMeans(
                k, init=start, n_init=1, max_iter=iterations, tol=0, algorithm="lloyd"
            ).fit(points)
        assert np.array_equal(ours.labels, theirs.labels_)
        assert np.allclose(ours.centres, theirs.cluster_centers_, rtol=0, atol=1e-10)
        assert np.isclose(ours.inertia, theirs.inertia_, rtol=1e-9, atol=1e-20)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("init", ["k-means++", "random"])
@pytest.mark.parametrize("offset", [0, 1e4])
def test_inertia_never_rises(dtype, init, offset):
    for seed in range(5):
        points = (clustered(800, 4, 8, seed) + offset).astype(dtype)
        found = features.kmeans(points, 12, seed=seed, init=init, tolerance=0)
        assert found.centres.dtype == dtype
        assert np.all(np.diff(found.history) <= 1e-5 * found.inertia * np.finfo(dtype).eps ** 0.25)
        assert found.history[-1] == found.inertia
        assert len(found.history) == found.iterations + 1
        squares = ((points.astype(float) - found.centres[found.labels]) ** 2).sum()
        assert np.isclose(found.inertia, squares, rtol=1e-3 if dtype == np.float32 else 1e-9)


def test_kmeans_result_is_a_fixed_point():
    points = clustered(600, 3, 6)
    found = features.kmeans(points, 6, tolerance=0, iterations=1000)
    assert np.array_equal(found.labels, features.nearest_centre(points, found.centres))
    means = [points[found.labels == label].mean(axis=0) for label in range(6)]
    assert np.allclose(found.centres, means)
    assert found.labels.dtype.kind == "i"


def test_kmeans_repeats_by_seed_and_restarts_help():
    points = clustered(400, 2, 10, spread=5)
    first, again = (features.kmeans(points, 10, seed=3) for _ in range(2))
    assert np.array_equal(first.centres, again.centres)
    inertias = {round(features.kmeans(points, 10, seed=s).inertia, 6) for s in range(6)}
    assert len(inertias) > 1
    best = features.kmeans(points, 10, seed=3, restarts=8).inertia
    assert best <= first.inertia


def test_far_apart_centres_are_better_than_random_ones():
    points = clustered(500, 2, 12, spread=20)
    means = {
        init: np.mean(
            [
                features.kmeans(points, 12, seed=s, init=init, iterations=1).history[0]
                for s in range(20)
            ]
        )
        for init in ("k-means++", "random")
    }
    assert means["k-means++"] < means["random"] / 2


@pytest.mark.parametrize("tolerance", [1e-1, 1e-2, 1e-3, 1e-4])
def test_tolerance_is_scikit_learns(tolerance):
    points = 7 * clustered(2000, 5, 10)
    start = points[:10]
    ours = features.kmeans(points, 10, init=start, tolerance=tolerance)
    theirs = ReferenceKMeans(10, init=start, n_init=1, tol=tolerance, max_iter=100).fit(points)
    assert ours.iterations == theirs.n_iter_ < 100
    assert np.array_equal(ours.labels, theirs.labels_)


def test_more_iterations_and_a_looser_tolerance():
    points = clustered(2000, 5, 10)
    runs = [features.kmeans(points, 10, tolerance=t) for t in (0.1, 1e-3, 0)]
    assert runs[0].iterations < runs[1].iterations <= runs[2].iterations
    assert features.kmeans(points, 10, iterations=2, tolerance=0).iterations == 2


def test_an_empty_cluster_takes_the_farthest_point():
    points = np.array([[0.0], [1.0], [2.0], [50.0]])
    start = np.array([[1.0], [1000.0]])
    found = features.kmeans(points, 2, init=start, iterations=1)
    assert np.array_equal(np.sort(found.centres.ravel()), [1.0, 50.0])
    assert np.array_equal(np.bincount(found.labels), [3, 1])
    points = clustered(300, 2, 4)
    start = np.concatenate([points[:3], [[1e3, 1e3]]])
    ours = features.kmeans(points, 4, init=start, iterations=200, tolerance=0)
    theirs = ReferenceKMeans(4, init=start, n_init=1, max_iter=200, tol=0).fit(points)
    assert np.array_equal(ours.labels, theirs.labels_)


def test_several_empty_clusters_and_points_alone():
    # All start centres but one lie far away, and one of the four points is alone from the start.
    points = np.array([[0.0], [0.1], [0.2], [100.0]])
    start = np.array([[0.0], [101.0], [900.0], [900.0]])
    found = features.kmeans(points, 4, init=start)
    assert found.inertia < 1e-20
    assert np.allclose(np.sort(found.centres.ravel()), points.ravel(), rtol=0, atol=1e-12)
    assert np.isfinite(found.centres).all()


@pytest.mark.parametrize("init", ["k-means++", "random"])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_all_points_equal(init, dtype):
    points = np.full((20, 3), 0.1, dtype)
    for k in (1, 4, 20):
        found = features.kmeans(points, k, init=init)
        assert np.allclose(found.centres, 0.1)
        assert found.inertia < 1e-12
        assert set(found.labels) <= set(range(k))


def test_one_cluster_and_one_point():
    points = noise(30, 4)
    found = features.kmeans(points, 1)
    assert np.allclose(found.centres[0], points.mean(axis=0))
    assert np.isclose(found.inertia, points.var(axis=0).sum() * 30)
    alone = features.kmeans([[3, 4]], 1)
    assert np.array_equal(alone.centres, [[3.0, 4.0]])
    assert alone.inertia == 0


def test_points_far_from_the_origin():
    points = clustered(500, 3, 4, spread=5)
    near = features.kmeans(points, 4, init=points[:4], tolerance=0)
    far = features.kmeans(points + 1e7, 4, init=points[:4] + 1e7, tolerance=0)
    assert np.array_equal(near.labels, far.labels)
    assert np.allclose(near.centres + 1e7, far.centres, rtol=0, atol=1e-6)
    labels = features.nearest_centre(points + 1e7, far.centres)
    assert np.array_equal(labels, near.labels)


def test_integers_are_points():
    points = np.random.default_rng(0).integers(0, 256, (60, 5), np.uint8)
    found = features.kmeans(points, 5)
    assert found.centres.dtype == np.float64
    assert np.array_equal(found.labels, features.nearest_centre(points, found.centres))


@pytest.mark.parametrize("n", [0, 1, 1023, 1024, 1025, 3000])
def test_nearest_centre_matches_the_definition(n):
    points, centres = noise(n, 6), noise(17, 6, seed=1)
    wanted = ((points[:, None] - centres) ** 2).sum(axis=-1).argmin(axis=1)
    assert np.array_equal(features.nearest_centre(points, centres), wanted)
    single = features.nearest_centre(points.astype(np.float32), centres.astype(np.float32))
    assert np.mean(single == wanted) > 0.999 if n else single.shape == (0,)


def test_ties_go_to_the_first_centre():
    assert np.array_equal(features.nearest_centre([[0.0]], [[5.0], [1.0], [-1.0], [1.0]]), [1])


# --- Gaussian mixtures ----------------------------------------------------------------------------


def test_mixture_matches_scikit_learn_step_by_step():
    points = clustered(600, 4, 3, spread=3)
    before = features.fit_mixture(points, 3, iterations=4, tolerance=0, floor=1e-12)
    after = features.fit_mixture(points, 3, iterations=6, tolerance=0, floor=1e-12)
    reference = ReferenceMixture(
        3,
        covariance_type="diag",
        weights_init=before.weights,
        means_init=before.means,
        precisions_init=1 / before.variances,
        max_iter=2,
        tol=0,
        reg_covar=0,
    )
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        reference.fit(points)
    assert np.allclose(after.weights, reference.weights_, rtol=1e-9)
    assert np.allclose(after.means, reference.means_, rtol=1e-9)
    assert np.allclose(after.variances, reference.covariances_, rtol=1e-9)
    shares = features.responsibilities(points, after)
    assert np.allclose(shares, reference.predict_proba(points), atol=1e-9)


def log_likelihood(points, mixture):
    density = np.exp(-((points[:, None] - mixture.means) ** 2) / (2 * mixture.variances))
    density /= np.sqrt(2 * np.pi * mixture.variances)
    return np.log(density.prod(axis=-1) @ mixture.weights).sum()


def test_likelihood_never_falls():
    points = clustered(300, 2, 4)
    values = [
        log_likelihood(points, features.fit_mixture(points, 4, iterations=i, tolerance=0))
        for i in (1, 2, 4, 8, 16, 32)
    ]
    assert np.all(np.diff(values) > -1e-9)
    assert values[-1] > values[0] + 1


def test_mixture_recovers_what_drew_the_points():
    rng = np.random.default_rng(0)
    which = rng.choice(2, 20_000, p=[0.3, 0.7])
    means, sigmas = np.array([[0.0, 5.0], [9.0, -2.0]]), np.array([[1.0, 0.5], [2.0, 3.0]])
    points = means[which] + sigmas[which] * rng.normal(size=(20_000, 2))
    found = features.fit_mixture(points, 2)
    order = found.means[:, 0].argsort()
    assert np.allclose(found.weights[order], [0.3, 0.7], atol=0.01)
    assert np.allclose(found.means[order], means, atol=0.1)
    assert np.allclose(np.sqrt(found.variances[order]), sigmas, rtol=0.03)


def test_degenerate_mixtures():
    equal = features.fit_mixture(np.full((20, 3), 7.0), 4)
    assert np.allclose(equal.means, 7)
    assert np.isclose(equal.weights.sum(), 1)
    assert equal.weights.min() > 0
    assert equal.variances.min() > 0
    single = features.fit_mixture(noise(40, 2), 1)
    assert np.allclose(single.weights, 1)
    assert np.allclose(single.means, noise(40, 2).mean(axis=0))
    assert np.allclose(single.variances, noise(40, 2).var(axis=0))
    few = np.repeat([[0.0, 0.0], [3.0, 1.0], [9.0, 9.0]], 10, axis=0)  # fewer places than Gaussians
    dead = features.fit_mixture(few, 5)
    for mean in dead.means:
        assert np.abs(few - mean).max(axis=1).min() < 1e-9  # those that lost every point stay there
    assert np.abs(features.fisher_vector(few, dead, power=1, normalise=False)).max() < 10
    each_its_own = features.fit_mixture(noise(6, 2), 6)
    assert all(np.isfinite(part).all() for part in each_its_own)
    assert features.responsibilities(np.zeros((0, 2)), each_its_own).shape == (0, 6)
    far = features.responsibilities([[1e6, -1e6]], each_its_own)
    assert np.isclose(far.sum(), 1)
    moved = features.fit_mixture(noise(200, 2) + 1e6, 2)
    assert np.allclose(moved.means - 1e6, features.fit_mixture(noise(200, 2), 2).means, atol=1e-3)


# --- Bags, VLAD, Fisher ---------------------------------------------------------------------------


def test_bag_of_words():
    descriptors, centres = noise(200, 3), noise(7, 3, seed=1)
    counts = np.bincount(features.nearest_centre(descriptors, centres), minlength=7)
    assert np.array_equal(features.bag_of_words(descriptors, centres, normalise=None), counts)
    assert np.allclose(features.bag_of_words(descriptors, centres), counts / 200)
    lengths = features.bag_of_words(descriptors, centres, normalise="l2")
    assert np.allclose(lengths, counts / np.sqrt((counts**2).sum()))
    single = features.bag_of_words(descriptors.astype(np.float32), centres.astype(np.float32))
    assert single.dtype == np.float32


@pytest.mark.parametrize("power", [1, 0.5, 0.2])
@pytest.mark.parametrize("intra", [True, False])
@pytest.mark.parametrize("n", [1, 3, 200])
def test_vlad_matches_the_definition(power, intra, n):
    descriptors, centres = noise(n, 3), noise(7, 3, seed=1)
    ours = features.vlad(descriptors, centres, power=power, intra=intra)
    wanted = definitions.vlad(descriptors, centres)
    wanted = np.sign(wanted) * np.abs(wanted) ** power
    if intra:
        wanted = np.array([row / (np.linalg.norm(row) or 1) for row in wanted])
    assert np.allclose(ours, wanted.ravel() / np.linalg.norm(wanted))
    assert np.isclose(np.linalg.norm(ours), 1)


@pytest.mark.parametrize("n", [1, 2, 300])
def test_fisher_matches_scikit_image(n):
    points = clustered(400, 3, 4)
    reference = ReferenceMixture(4, covariance_type="diag", random_state=0).fit(points)
    mixture = features.GaussianMixture(reference.weights_, reference.means_, reference.covariances_)
    descriptors = noise(n, 3, seed=5)
    for power, normalise in ((1, False), (0.5, True)):
        wanted = skfeature.fisher_vector(
            descriptors, reference, improved=normalise, alpha=power if normalise else 0.5
        )
        wanted[4 + 12 :] *= -1  # its derivative with respect to the standard deviations is negated
        ours = features.fisher_vector(
            descriptors, mixture, power=power, normalise=normalise, weights=True
        )
        assert np.allclose(ours, wanted, rtol=0, atol=1e-10)
        without = features.fisher_vector(descriptors, mixture, power=power, normalise=False)
        assert without.shape == (24,)
    bare = features.fisher_vector(descriptors, mixture, power=1, normalise=False)
    with_weights = features.fisher_vector(
        descriptors, mixture, power=1, normalise=False, weights=True
    )
    assert np.array_equal(with_weights[4:], bare)


def test_fisher_is_the_gradient_of_the_likelihood():
    descriptors = noise(30, 2, seed=3)
    mixture = features.GaussianMixture(
        np.array([0.4, 0.6]), noise(2, 2), 0.5 + noise(2, 2, seed=1) ** 2
    )
    fisher = features.fisher_vector(descriptors, mixture, power=1, normalise=False)
    step, slopes = 1e-6, []
    sigmas = np.sqrt(mixture.variances)
    for change in ("means", "sigmas"):
        for k, d in np.ndindex(2, 2):
            values = []
            for sign in (1, -1):
                means, widths = mixture.means.copy(), sigmas.copy()
                (means if change == "means" else widths)[k, d] += sign * step
                moved = features.GaussianMixture(mixture.weights, means, widths**2)
                values.append(log_likelihood(descriptors, moved) / 30)
            slope = (values[0] - values[1]) / (2 * step)
            information = mixture.weights[k] / mixture.variances[k, d]
            information *= 1 if change == "means" else 2
            slopes.append(slope / np.sqrt(information))
    assert np.allclose(fisher, slopes, rtol=1e-5, atol=1e-8)


@pytest.mark.parametrize("nothing", [np.zeros((0, 2)), np.zeros(0), []], ids=["0 x 2", "0", "list"])
def test_no_descriptors_give_zeros(nothing):
    assert np.array_equal(features.nearest_centre(nothing, CENTRES), [])
    for normalise in ("l1", "l2", None):
        assert np.array_equal(features.bag_of_words(nothing, CENTRES, normalise=normalise), [0, 0])
    assert np.array_equal(features.vlad(nothing, CENTRES), np.zeros(4))
    assert np.array_equal(features.fisher_vector(nothing, MIXTURE), np.zeros(8))
    assert np.array_equal(features.spatial_pyramid([], nothing, 2), np.zeros(42))


def test_descriptors_that_are_words():
    assert np.array_equal(features.vlad(CENTRES, CENTRES), np.zeros(4))


# --- Spatial pyramid and grids --------------------------------------------------------------------


def test_spatial_pyramid_counts_cells():
    rng = np.random.default_rng(0)
    words, positions = rng.integers(5, size=400), rng.random((400, 2))
    found = features.spatial_pyramid(words, positions, 5)
    assert found.shape == (5 * 21,)
    assert np.isclose(found.sum(), 1)
    weights, start = (0.25, 0.25, 0.5), 0
    for side, weight in zip((1, 2, 4), weights, strict=True):
        for row in range(side):
            for column in range(side):
                here = (positions[:, 0] * side // 1 == column) & (
                    positions[:, 1] * side // 1 == row
                )
                wanted = weight * np.bincount(words[here], minlength=5) / 400
                assert np.allclose(found[start : start + 5], wanted)
                start += 5
    alone = features.spatial_pyramid(words, positions, 5, levels=(1,))
    assert np.allclose(alone, np.bincount(words, minlength=5) / 400)


def test_intersection_of_pyramids_is_lazebniks_kernel():
    # Matches found at level l and not at a finer one count 1 / 2**(L - l).
    rng = np.random.default_rng(0)
    first, second = (
        features.spatial_pyramid(np.zeros(50, int), rng.random((50, 2)), 1) for _ in "ab"
    )
    kernel = np.minimum(first, second).sum()
    ends = [0, 1, 5, 21]
    matches = [
        50 * np.minimum(first[a:b], second[a:b]).sum() / weight
        for a, b, weight in zip(ends[:-1], ends[1:], (0.25, 0.25, 0.5), strict=True)
    ]
    wanted = matches[2] + (matches[1] - matches[2]) / 2 + (matches[0] - matches[1]) / 4
    assert np.isclose(50 * kernel, wanted)


@pytest.mark.parametrize("shape", [(16, 16), (30, 41), (30, 41, 3)], ids=str)
@pytest.mark.parametrize(("step", "size"), [(8, 16), (5, 7), (1, 16)])
def test_patches_and_their_places(shape, step, size):
    image = noise(*shape)
    patches, positions = features.dense_patches(image, step=step, size=size)
    assert patches.shape == (len(positions), size * size * image[0, 0].size)
    for patch, (x, y) in zip(patches, positions, strict=True):
        top, left = int(y - size / 2), int(x - size / 2)
        assert np.array_equal(patch, image[top : top + size, left : left + size].ravel())
    down, across = ((side - size) // step + 1 for side in shape[:2])
    assert len(positions) == down * across
    assert np.all(positions < shape[1::-1])


def test_dense_sift_matches_opencv():
    image = data.photograph("camera")[:96, :128]
    image = np.ascontiguousarray(
        image if image.dtype == np.uint8 else np.rint(image * 255), np.uint8
    )
    described, positions = features.dense_sift(image, step=6, size=24)
    assert described.shape == (len(positions), 128)
    assert described.dtype == np.float32
    points = [cv2.KeyPoint(float(int(x)), float(int(y)), 4, 0) for x, y in positions]
    wanted = cv2.SIFT_create().compute(image, points)[1]
    assert np.array_equal(described, wanted)
    assert np.array_equal(features.dense_sift(image / 255, step=6, size=24)[0], wanted)
    grey = np.repeat(image[..., None], 3, axis=2)
    assert np.array_equal(features.dense_sift(grey, step=6, size=24)[0], wanted)
    both, places = features.dense_sift(image, step=6, size=(24, 31))
    assert np.array_equal(both[: len(wanted)], wanted)
    odd = [cv2.KeyPoint(x - 0.5, y - 0.5, 31 / 6, 0) for x, y in places[len(wanted) :].tolist()]
    assert np.array_equal(both[len(wanted) :], cv2.SIFT_create().compute(image, odd)[1])
    assert len(both) == len(places) > len(wanted)


def test_sift_covers_its_patch():
    # What lies well outside the square leaves the descriptor of its middle alone.
    image = np.full((64, 64), 0.5)
    image[24:40, 24:40] = np.random.default_rng(0).random((16, 16))
    changed = image.copy()
    changed[:12] = 1
    changed[:, 52:] = 0
    one, places = features.dense_sift(image, step=8, size=16)
    other, _ = features.dense_sift(changed, step=8, size=16)
    middle = np.flatnonzero((places == 32).all(axis=1))
    assert np.array_equal(one[middle], other[middle])
    assert np.abs(one - other).max() > 0


def test_flat_images_have_flat_sift():
    assert not features.dense_sift(np.full((20, 20), 0.5))[0].any()


# --- The package ----------------------------------------------------------------------------------


def test_everything_is_exported_and_taught_somewhere():
    for name in features.__all__:
        thing = getattr(features, name)
        if callable(thing) and not isinstance(thing, type):
            assert ">>> " in thing.__doc__, name
            words = " ".join(thing.__doc__.split())
            assert "aught in the chapter on" in words, name
            assert "Raises:" in words or name == "convolve", name


def test_import_is_light():
    code = (
        "import sys, cvlab.features; print({'torch', 'torchvision', 'cv2', 'sklearn', 'skimage', "
        "'scipy'} & set(sys.modules))"
    )
    run = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
    assert run.stdout.strip() == "set()"


@pytest.mark.parametrize(
    "name",
    [
        *("", "clusters", "definitions", "filters", "gradients", "keypoints", "mixtures"),
        *("pyramids", "words"),
    ],
)
def test_doctests(name):
    module = importlib.import_module(f"cvlab.features.{name}".rstrip("."))
    result = doctest.testmod(module)
    assert result.attempted
    assert result.failed == 0
