"""The fast functions of features against their definitions, on random and on degenerate input."""

from __future__ import annotations

import inspect

import numpy as np
import pytest

from cvlab import features
from cvlab.features import definitions, keypoints

IMAGES = {
    "noise": np.random.default_rng(0).normal(size=(19, 34)),
    "integers": np.random.default_rng(1).integers(0, 256, (18, 7)).astype(float),
    "one pixel": np.array([[3.0]]),
    "one row": np.random.default_rng(2).normal(size=(1, 9)),
    "one column": np.random.default_rng(3).normal(size=(9, 1)),
    "zeros": np.zeros((5, 6)),
    "constant": np.full((17, 4), 0.1),
    "huge": np.random.default_rng(4).normal(size=(6, 6)) * 1e150,
    "tiny": np.random.default_rng(5).normal(size=(6, 6)) * 1e-150,
}
KERNELS = [(1, 1), (3, 5), (7, 1), (1, 7), (21, 21)]


@pytest.fixture(params=IMAGES, ids=str)
def image(request):
    return IMAGES[request.param]


def near(ours, wanted, image, terms=1):
    """Whether two results agree to within the rounding of sums of so many terms."""
    scale = np.abs(image).max() * terms
    return ours.shape == wanted.shape and np.abs(ours - wanted).max() <= 1e-14 * scale


# --- Filters --------------------------------------------------------------------------------------


@pytest.mark.parametrize("border", features.BORDERS)
@pytest.mark.parametrize("shape", KERNELS, ids=str)
def test_correlation_and_convolution(image, shape, border):
    kernel = np.random.default_rng(9).normal(size=shape)
    for name in ("correlate", "convolve"):
        ours = getattr(features, name)(image, kernel, border=border)
        wanted = getattr(definitions, name)(image, kernel, border)
        assert near(ours, wanted, image, terms=kernel.size), name


@pytest.mark.parametrize("border", features.BORDERS)
@pytest.mark.parametrize(("sigma", "radius"), [(0.4, 2), (1.5, 6), (3.0, 4), (50.0, 1), (1.0, 0)])
def test_gaussian_blur(image, sigma, radius, border):
    kernel = features.gaussian_kernel(sigma, radius=radius)
    assert np.allclose(kernel, definitions.gaussian_kernel(sigma, radius), rtol=1e-13, atol=0)
    ours = features.gaussian_blur(image, sigma, radius=radius, border=border)
    assert near(ours, definitions.gaussian_blur(image, sigma, radius, border), image)


@pytest.mark.parametrize("border", features.BORDERS)
@pytest.mark.parametrize("side", [1, 3, 5, 23])
def test_box_blur(image, side, border):
    ours = features.box_blur(image, side, border=border)
    # Differences of sums over all of the image: their rounding is that of the largest sum.
    terms = (len(image) + side) * (image.shape[1] + side)
    assert near(ours, definitions.box_blur(image, side, border), image, terms)


def test_integral_image(image):
    ours = features.integral_image(image)
    assert near(ours, definitions.integral_image(image), image, terms=image.size)


def test_pyramid_down(image):
    assert near(features.pyramid_down(image), definitions.pyramid_down(image), image)


# --- Codebooks ------------------------------------------------------------------------------------


def blobs(n, d, k, seed):
    rng = np.random.default_rng(seed)
    return 8 * rng.normal(size=(k, d))[rng.integers(k, size=n)] + rng.normal(size=(n, d))


@pytest.mark.parametrize(
    ("points", "centres"),
    [
        *((blobs(n, d, k, 0), blobs(k, d, k, 1)) for n, d, k in [(1, 1, 1), (200, 3, 7)]),
        *((blobs(n, d, k, 0), blobs(k, d, k, 1)) for n, d, k in [(5, 40, 5), (1500, 2, 3)]),
        (np.zeros((0, 2)), np.eye(2)),
        (np.zeros((4, 2)), np.zeros((3, 2))),
        (np.array([[0.0], [1.0], [2.0]]), np.array([[0.0], [2.0]])),
        (np.array([[5.0, 5.0]]), np.array([[5.0, 6.0], [6.0, 5.0], [5.0, 4.0]])),
    ],
    ids=["1", "200", "5", "1500", "no point", "all equal", "half-way", "as far from each"],
)
def test_nearest_centre_and_bag_of_words(points, centres):
    wanted = definitions.nearest_centre(points, centres)
    assert np.array_equal(features.nearest_centre(points, centres), wanted)
    counts = features.bag_of_words(points, centres, normalise=None)
    assert np.array_equal(counts, definitions.bag_of_words(points, centres))


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize(("n", "k"), [(150, 4), (6, 6), (6, 1)])
def test_kmeans(n, k, seed):
    points = blobs(n, 2, 4, seed)
    start = points[np.random.default_rng(seed).choice(n, k, replace=False)]
    found = features.kmeans(points, k, init=start, tolerance=0)
    assert np.allclose(found.centres, definitions.kmeans(points, start), rtol=0, atol=1e-12)
    assert np.array_equal(found.labels, definitions.nearest_centre(points, found.centres))
    again = definitions.moved_centres(points, found.labels, k)
    assert np.allclose(found.centres, again, rtol=0, atol=1e-12)


@pytest.mark.parametrize("k", [1, 3])
def test_responsibilities(k):
    rng = np.random.default_rng(k)
    weights = rng.dirichlet(np.ones(k))
    means, variances = rng.normal(size=(k, 2)), 0.2 + rng.random((k, 2))
    points = np.concatenate([rng.normal(size=(40, 2)), means])
    ours = features.responsibilities(points, features.GaussianMixture(weights, means, variances))
    wanted = definitions.responsibilities(points, weights, means, variances)
    assert np.allclose(ours, wanted, rtol=1e-9, atol=1e-14)


# --- Visual words ---------------------------------------------------------------------------------


def test_vlad_of_nothing_and_of_the_words_themselves():
    centres = blobs(5, 3, 5, 1)
    for descriptors in (np.zeros((0, 3)), centres):
        assert not definitions.vlad(descriptors, centres).any()
        assert not features.vlad(descriptors, centres).any()


@pytest.mark.parametrize("n", [1, 40])
def test_vlad(n):
    descriptors, centres = blobs(n, 3, 5, 0), blobs(5, 3, 5, 1)
    wanted = definitions.vlad(descriptors, centres).ravel()
    ours = features.vlad(descriptors, centres, power=1, intra=False)
    assert np.allclose(ours, wanted / np.linalg.norm(wanted), rtol=0, atol=1e-12)


@pytest.mark.parametrize("side", [1, 2, 3, 8])
def test_a_level_of_the_spatial_pyramid(side):
    rng = np.random.default_rng(side)
    words, positions = rng.integers(4, size=90), rng.random((90, 2))
    positions[:2] = [[0, 0], [0.999999, 0.5]]
    ours = features.spatial_pyramid(words, positions, 4, levels=(side,))
    wanted = definitions.spatial_pyramid(words, positions, 4, side)
    assert np.allclose(ours.reshape(side, side, 4), wanted, rtol=0, atol=1e-12)


# --- Interest points ------------------------------------------------------------------------------


@pytest.mark.parametrize("least", [0, 0.5, 2])
@pytest.mark.parametrize("shape", [(3, 3, 3), (5, 12, 9), (2, 8, 8), (3, 1, 20)], ids=str)
def test_extrema(shape, least):
    rng = np.random.default_rng(0)
    for stack in (rng.normal(size=shape), rng.integers(-9, 10, shape).astype(float)):
        found = [tuple(place) for place in keypoints.extrema(stack, least).tolist()]
        assert found == definitions.extrema(stack, least)


def test_a_plateau_and_zeros_have_no_extremum():
    plateau = np.zeros((3, 4, 4))
    plateau[1, 1, 1:3] = 1
    for stack in (plateau, np.zeros((3, 4, 4))):
        assert not len(keypoints.extrema(stack, 0))
        assert definitions.extrema(stack, 0) == []


# --- All of them ----------------------------------------------------------------------------------


def test_definitions_are_short():
    for name, function in inspect.getmembers(definitions, inspect.isfunction):
        if function.__module__ == definitions.__name__:
            lines = inspect.getsource(function).split('"""')[-1].strip().splitlines()
            assert len(lines) <= 5, name
            assert function.__doc__, name
