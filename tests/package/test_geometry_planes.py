"""Homographies, warped images and random sample consensus against OpenCV, SciPy and torch."""

import doctest
import math

import cv2
import numpy as np
import pytest
from scipy import ndimage
from skimage import measure, transform

from cvlab import geometry

SQUARE = np.array([[0.0, 0], [100, 0], [100, 80], [0, 80]])


def planted(seed, n=40, noise=0.0):
    """A homography of moderate perspective, and pairs of points."""
    rng = np.random.default_rng(seed)
    H = geometry.homography_dlt(SQUARE, SQUARE + rng.uniform(-20, 20, (4, 2)))
    a = rng.uniform(0, 100, (n, 2))
    b = geometry.apply_homography(H, a)
    return H, a, b + rng.normal(0, noise, b.shape)


# --- Homographies ---------------------------------------------------------------------------------


@pytest.mark.parametrize("seed", range(10))
@pytest.mark.parametrize("n", [4, 5, 40])
def test_an_exact_homography_is_found_and_is_opencvs(seed, n):
    H, a, b = planted(seed, n)
    np.testing.assert_allclose(geometry.homography_dlt(a, b), H, rtol=1e-5, atol=1e-8)
    theirs = cv2.findHomography(a, b)[0]  # which rounds points to single precision
    np.testing.assert_allclose(geometry.apply_homography(theirs, a), b, atol=1e-3)


@pytest.mark.parametrize("seed", range(5))
def test_with_noise_it_minimises_the_algebraic_error_of_normalised_points(seed):
    _, a, b = planted(seed, 40, noise=0.5)
    T, U = geometry.normalising(a), geometry.normalising(b)
    rows = []
    for one, other in zip(a, b, strict=True):
        p, (u, v, _) = T @ [*one, 1], U @ [*other, 1]
        rows += [[*p, 0, 0, 0, *(-u * p)], [0, 0, 0, *p, *(-v * p)]]
    moment = np.transpose(rows) @ rows
    H = np.linalg.inv(U) @ np.linalg.eigh(moment)[1][:, 0].reshape(3, 3) @ T
    np.testing.assert_allclose(geometry.homography_dlt(a, b), H / H[2, 2], rtol=1e-7)
    # scikit-image measures the spread by squares, and hardly finds another.
    theirs = transform.estimate_transform("projective", a, b).params
    gap = geometry.apply_homography(H, a) - geometry.apply_homography(theirs, a)
    assert abs(gap).max() < 0.01


@pytest.mark.parametrize("seed", range(5))
def test_it_does_not_depend_on_where_the_origin_is(seed):
    _, a, b = planted(seed, 30, noise=0.5)
    far = np.array([1e4, -2e4])
    moved = geometry.homography_dlt(a + far, b + 3 * far)
    expected = geometry.apply_homography(geometry.homography_dlt(a, b), a) + 3 * far
    np.testing.assert_allclose(geometry.apply_homography(moved, a + far), expected, atol=1e-4)


def test_points_are_taken_as_opencv_takes_them_and_to_infinity():
    H, a, _ = planted(3)
    expected = cv2.perspectiveTransform(a[None], H)[0]
    np.testing.assert_allclose(geometry.apply_homography(H, a), expected, atol=1e-9)
    vanishing = np.array([[1.0, 0, 0], [0, 1, 0], [1, 0, 0]])
    assert np.isnan(geometry.apply_homography(vanishing, [[0, 1]])).all()
    assert geometry.homography_error(vanishing, [[0, 1]], [[0, 1]]).tolist() == [math.inf]
    assert geometry.apply_homography(H, np.empty((0, 2))).shape == (0, 2)


def test_a_homography_whose_last_entry_vanishes():
    H = np.array([[1.0, 0, 3], [0, 1, 2], [0.1, 0.05, 0]])
    a = np.random.default_rng(0).uniform(1, 9, (10, 2))
    found = geometry.homography_dlt(a, geometry.apply_homography(H, a))
    error = geometry.homography_error(found, a, geometry.apply_homography(H, a))
    np.testing.assert_allclose(error, 0, atol=1e-8)


@pytest.mark.parametrize(
    "a",
    [
        [[0, 0], [1, 1], [2, 2], [5, 0]],  # three on a line
        [[0, 0], [0, 0], [1, 0], [0, 1]],  # one twice
        [[3, 3]] * 4,
        [[k, 2 * k] for k in range(8)],
    ],
)
def test_pairs_that_determine_nothing_are_refused(a):
    b = np.array(a, float) * 2 + 1
    with pytest.raises(np.linalg.LinAlgError):
        geometry.homography_dlt(a, b)
    general = np.random.default_rng(0).normal(size=(len(a), 2))
    with pytest.raises(np.linalg.LinAlgError):  # a line that would be torn, or a plane crushed
        geometry.homography_dlt(a, general)
    with pytest.raises(np.linalg.LinAlgError):
        geometry.homography_dlt(general, a)


def test_normalised_points():
    points = np.random.default_rng(0).normal(500, 30, (50, 2))
    moved = geometry.apply_homography(geometry.normalising(points), points)
    np.testing.assert_allclose(moved.mean(0), 0, atol=1e-10)
    assert np.linalg.norm(moved, axis=1).mean() == pytest.approx(math.sqrt(2))


# --- Sampling and warping -------------------------------------------------------------------------


@pytest.mark.parametrize("shape", [(1, 1), (1, 7), (9, 4), (6, 5, 3), (8, 8, 1)])
@pytest.mark.parametrize(("outside", "mode"), [("zero", "grid-constant"), ("edge", "nearest")])
def test_sampling_is_scipys(shape, outside, mode):
    rng = np.random.default_rng(0)
    image, (y, x) = rng.normal(size=shape), rng.uniform(-4, 12, (2, 20, 3))
    y[0], x[1] = np.floor(y[0]), np.floor(x[1])
    found = geometry.sample_bilinear(image, x, y, outside)
    for channel in range(shape[2] if len(shape) == 3 else 1):
        plane = np.atleast_3d(image)[..., channel]
        expected = ndimage.map_coordinates(plane, (y, x), order=1, mode=mode)
        ours = found[..., channel] if len(shape) == 3 else found
        np.testing.assert_allclose(ours, expected, atol=1e-12)


def test_kinds_of_images_and_no_places():
    image = np.array([[0, 255], [255, 0]], np.uint8)
    assert geometry.sample_bilinear(image, 0.5, 0.5) == 127.5
    assert geometry.sample_bilinear(image.astype(np.float32), [0.5], [0.0]).dtype == np.float32
    assert geometry.sample_bilinear(image, [], []).shape == (0,)
    assert geometry.sample_bilinear(np.zeros((4, 4, 3)), [[]], [[]]).shape == (1, 0, 3)
    assert geometry.sample_bilinear(image, [1e30, -1e30], [0, 0]).tolist() == [0, 0]


def test_tensors_are_sampled_as_torch_does_and_keep_their_gradients():
    torch = pytest.importorskip("torch")
    rng = torch.Generator().manual_seed(0)
    images = torch.randn(3, 2, 6, 8, generator=rng, dtype=torch.float64, requires_grad=True)
    grid = torch.rand(3, 5, 4, 2, generator=rng, dtype=torch.float64) * 2.6 - 1.3
    grid.requires_grad_()
    expected = torch.nn.functional.grid_sample(images, grid, align_corners=True)
    x, y = (grid[..., 0] + 1) / 2 * 7, (grid[..., 1] + 1) / 2 * 5
    found = geometry.sample_bilinear(images, x, y)
    torch.testing.assert_close(found, expected)
    weights = torch.randn(expected.shape, generator=rng, dtype=torch.float64)
    for ours, theirs in zip(
        torch.autograd.grad((found * weights).sum(), (images, grid)),
        torch.autograd.grad((expected * weights).sum(), (images, grid)),
        strict=True,
    ):
        torch.testing.assert_close(ours, theirs)
    same = geometry.sample_bilinear(images, x[:1], y[:1])
    torch.testing.assert_close(same[0], found[0])
    one = geometry.sample_bilinear(images[1], x[1], y[1], "edge")
    border = torch.nn.functional.grid_sample(
        images[1:2], grid[1:2], padding_mode="border", align_corners=True
    )
    torch.testing.assert_close(one, border[0])
    plane = geometry.sample_bilinear(images[1, 0], x[1], y[1])
    torch.testing.assert_close(plane, found[1, 0])


@pytest.mark.parametrize("seed", range(5))
def test_warped_images_are_scikit_images(seed):
    rng = np.random.default_rng(seed)
    image = rng.random((40, 60, 3))
    corners = np.array([[0.0, 0], [59, 0], [59, 39], [0, 39]])
    H = geometry.homography_dlt(corners, corners + rng.uniform(-8, 8, (4, 2)))
    found = geometry.warp_homography(image, H, (30, 50))
    expected = transform.warp(image, np.linalg.inv(H), output_shape=(30, 50), order=1)
    # A pixel whose place lies beyond the border's centres: zeros take part here, and not there.
    mask = geometry.warp_homography(np.ones((40, 60)), H, (30, 50)) > 1 - 1e-9
    assert mask.sum() > 700
    np.testing.assert_allclose(found[mask], expected[mask], atol=1e-6)


def test_a_shift_moves_pixels_and_tensors_follow():
    torch = pytest.importorskip("torch")
    image = np.arange(12.0).reshape(3, 4)
    shift = np.array([[1.0, 0, 2], [0, 1, 1], [0, 0, 1]])
    moved = geometry.warp_homography(image, shift, (4, 6))
    expected = np.zeros((4, 6))
    expected[1:, 2:] = image
    np.testing.assert_allclose(moved, expected)
    for shape in ((3, 4), (1, 3, 4), (2, 1, 3, 4)):
        tensor = torch.tensor(image).expand(shape)
        found = geometry.warp_homography(tensor, shift, (4, 6))
        np.testing.assert_allclose(found.numpy(), np.broadcast_to(expected, (*shape[:-2], 4, 6)))


# --- Random sample consensus ----------------------------------------------------------------------


def with_outliers(seed, share, n=100, noise=0.5):
    """Pairs of which a share is wrong, and which are right."""
    H, a, b = planted(seed, n, noise)
    rng = np.random.default_rng(seed + 1000)
    wrong = rng.permutation(n) < share * n
    b[wrong] = rng.uniform(-20, 120, (wrong.sum(), 2))
    return H, a, b, ~wrong


def consensus(a, b, threshold=2.0, **options):
    return geometry.ransac(
        geometry.homography_dlt, geometry.homography_error, (a, b), 4, threshold, **options
    )


@pytest.mark.parametrize("share", [0.0, 0.3, 0.5, 0.7])
@pytest.mark.parametrize("seed", range(4))
def test_a_planted_homography_is_found_among_outliers(share, seed):
    H, a, b, right = with_outliers(seed, share)
    found, inliers = consensus(a, b, trials=2000)
    assert (inliers & right).sum() >= 0.97 * right.sum()
    assert (inliers & ~right).sum() <= 3
    corners = geometry.homography_error(found, SQUARE, geometry.apply_homography(H, SQUARE))
    assert corners.max() < 2
    cv2.setRNGSeed(0)
    _, mask = cv2.findHomography(a, b, cv2.RANSAC, 2.0, maxIters=2000, confidence=0.999)
    assert abs(inliers.sum() - mask.sum()) <= 0.02 * len(a)


@pytest.mark.parametrize("seed", range(3))
def test_a_line_is_the_one_that_scikit_image_finds(seed):
    rng = np.random.default_rng(seed)
    points = np.column_stack([np.arange(60.0), 2 * np.arange(60.0) + rng.normal(0, 0.1, 60)])
    points[:20] = rng.uniform(0, 120, (20, 2))

    def fit(rows):
        along = rows[1] - rows[0] if len(rows) == 2 else np.linalg.svd(rows - rows.mean(0))[2][0]
        return rows.mean(0), along / np.linalg.norm(along)

    def distance(line, rows):
        away = rows - line[0]
        return abs(away[:, 0] * line[1][1] - away[:, 1] * line[1][0])

    _, inliers = geometry.ransac(fit, distance, points, 2, 0.5)
    _, theirs = measure.ransac(points, measure.LineModelND, 2, 0.5, max_trials=1000, rng=seed)
    assert (inliers != theirs).sum() <= 2
    assert inliers[20:].all()


def test_the_model_is_refitted_to_its_inliers():
    _, a, b, _ = with_outliers(0, 0.4)
    found, inliers = consensus(a, b)
    np.testing.assert_allclose(found, geometry.homography_dlt(a[inliers], b[inliers]), rtol=1e-9)


def test_drawing_ends_once_it_is_sure_enough():
    drawn = []

    def fit(a, b):
        drawn.append(len(a))
        return geometry.homography_dlt(a, b)

    _, a, b, _ = with_outliers(0, 0.3, noise=0.0)
    geometry.ransac(fit, geometry.homography_error, (a, b), 4, 1.0)
    samples = drawn.count(4)
    assert math.ceil(geometry.trials_needed(0.75, 4, 0.999)) <= samples < 60
    drawn.clear()
    geometry.ransac(fit, geometry.homography_error, (a, b), 4, 1.0, trials=3)
    assert drawn.count(4) == 3


@pytest.mark.parametrize("share", [0.4, 0.6, 0.8])
def test_trials_needed_is_the_probability_of_a_clean_sample(share):
    trials = round(geometry.trials_needed(share, 3, 0.9))
    rng = np.random.default_rng(0)
    clean = (rng.random((20000, trials, 3)) < share).all(2).any(1).mean()
    assert clean == pytest.approx(1 - (1 - share**3) ** trials, abs=0.01)
    assert clean == pytest.approx(0.9, abs=0.06)  # of a whole number of trials


def test_the_seed_decides_alone():
    _, a, b, _ = with_outliers(2, 0.6)
    first, second = consensus(a, b, seed=5), consensus(a, b, seed=5)
    assert np.array_equal(first[0], second[0])
    assert np.array_equal(first[1], second[1])


def test_nothing_to_be_found():
    line = np.column_stack([np.arange(10.0), np.arange(10.0)])
    model, inliers = consensus(line, line, trials=20)
    assert model is None
    assert not inliers.any()
    model, inliers = geometry.ransac(lambda x: x.mean(), lambda m, x: x * np.nan, np.ones(4), 1, 1)
    assert model == 1
    assert not inliers.any()


def test_exactly_a_sample():
    H, a, b = planted(0, 4)
    found, inliers = consensus(a, b)
    assert inliers.all()
    np.testing.assert_allclose(found, H, rtol=1e-6, atol=1e-9)


def mean(x):
    return x.mean()


def apart(m, x):
    return abs(x - m)


@pytest.mark.parametrize(
    ("call", "error", "said"),
    [
        (lambda: geometry.homography_dlt(SQUARE[:3], SQUARE[:3]), ValueError, "needs at least 4"),
        (lambda: geometry.homography_dlt(SQUARE, SQUARE[:3]), ValueError, "pairs of points"),
        (lambda: geometry.homography_dlt(SQUARE, SQUARE.T), ValueError, r"b must be \(N, 2\)"),
        (lambda: geometry.homography_dlt(SQUARE * math.nan, SQUARE), ValueError, "a holds NaN"),
        (lambda: geometry.homography_dlt([["a", "b"]] * 4, SQUARE), TypeError, "real numbers"),
        (lambda: geometry.apply_homography(np.eye(2), SQUARE), ValueError, r"H must be \(3, 3\)"),
        (lambda: geometry.normalising(np.empty((0, 2))), ValueError, "at least one point"),
        (lambda: geometry.warp_homography(SQUARE, np.eye(3), 5), ValueError, "height, width"),
        (lambda: geometry.warp_homography(SQUARE, np.eye(3), (0, 5)), ValueError, "height"),
        (lambda: geometry.warp_homography(SQUARE, np.ones((3, 3)), (2, 2)), ValueError, "inverse"),
        (lambda: geometry.sample_bilinear(np.ones(3), [0], [0]), ValueError, r"\(H, W\)"),
        (lambda: geometry.sample_bilinear(SQUARE, [0, 1], [0]), ValueError, "same shape"),
        (lambda: geometry.sample_bilinear(SQUARE, [0], [0], "wrap"), ValueError, "outside"),
        (lambda: geometry.sample_bilinear(SQUARE, [math.nan], [0]), ValueError, "x holds NaN"),
        (lambda: geometry.ransac(mean, apart, np.ones(3), 4, 1), ValueError, "at least 4 rows"),
        (lambda: geometry.ransac(mean, apart, 3.0, 1, 1), ValueError, "array"),
        (
            lambda: geometry.ransac(mean, apart, (np.ones(3), np.ones(4)), 1, 1),
            ValueError,
            "one length",
        ),
        (lambda: geometry.ransac(mean, apart, np.ones(3), 1, -1), ValueError, "threshold"),
        (lambda: geometry.ransac(mean, apart, np.ones(3), 0, 1), ValueError, "size"),
        (
            lambda: geometry.ransac(mean, lambda m, x: x[:2], np.ones(3), 1, 1),
            ValueError,
            "one number per row",
        ),
        (
            lambda: geometry.ransac(mean, apart, np.ones(3), 1, 1, confidence=1),
            ValueError,
            "below 1",
        ),
        (lambda: geometry.trials_needed(1.2, 4), ValueError, r"share must lie in \[0, 1\]"),
        (lambda: geometry.trials_needed(0.5, "a"), TypeError, "size must be an integer"),
    ],
)
def test_bad_input_is_refused_in_one_sentence(call, error, said):
    with pytest.raises(error, match=said):
        call()


def test_bad_tensors_are_refused_in_one_sentence():
    torch = pytest.importorskip("torch")
    images = torch.zeros(2, 1, 4, 4)
    with pytest.raises(TypeError, match="floating-point"):
        geometry.sample_bilinear(images.long(), [[0]], [[0]])
    with pytest.raises(ValueError, match="with N = 2"):
        geometry.sample_bilinear(images, torch.zeros(3, 5), torch.zeros(3, 5))
    with pytest.raises(ValueError, match="same shape"):
        geometry.sample_bilinear(images, torch.zeros(2, 5), torch.zeros(2, 4))
    with pytest.raises(ValueError, match=r"\(N, C, H, W\)"):
        geometry.sample_bilinear(torch.zeros(3), [0.0], [0.0])


def test_doctests():
    for module in (geometry.planes, geometry.consensus):
        result = doctest.testmod(module)
        assert result.attempted > 1
        assert result.failed == 0
