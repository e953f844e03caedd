"""Fundamental and essential matrix, pose and triangulation against OpenCV and planted cameras."""

import doctest

import cv2
import numpy as np
import pytest

from cvlab import geometry, scenes

K = np.array([[60.0, 0, 31.5], [0, 60, 23.5], [0, 0, 1]])
WIDE = np.array([[40.0, 0.5, 30], [0, 42, 20], [0, 0, 1]])


def cross(t):
    return np.array([[0, -t[2], t[1]], [t[2], 0, -t[0]], [-t[1], t[0], 0]])


def views(seed, n=60, noise=0.0, second=K):
    """Pairs of pixels of a cloud of points, the pose, and the points."""
    rng = np.random.default_rng(seed)
    R, t = geometry.rotation(*rng.uniform(-15, 15, 3)), rng.normal(size=3) * (1, 1, 0.5)
    t /= np.linalg.norm(t)
    X = rng.uniform((-2, -1.5, 4), (2, 1.5, 9), (n, 3))
    a, b = geometry.project(X, K)[0], geometry.project(X, second, R, t)[0]
    return a + rng.normal(0, noise, a.shape), b + rng.normal(0, noise, b.shape), R, t, X


def true_fundamental(R, t, second=K):
    F = np.linalg.inv(second).T @ cross(t) @ R @ np.linalg.inv(K)
    return F / np.linalg.norm(F)


def same_up_to_sign(found, expected, atol):
    sign = np.sign((found * expected).sum())
    np.testing.assert_allclose(sign * found, expected, atol=atol)


# --- Fundamental matrix ---------------------------------------------------------------------------


@pytest.mark.parametrize("seed", range(10))
@pytest.mark.parametrize("n", [8, 9, 60])
def test_the_matrix_of_exact_pairs_is_the_planted_one(seed, n):
    a, b, R, t, _ = views(seed, n)
    F = geometry.fundamental_eight_point(a, b)
    assert np.linalg.norm(F) == pytest.approx(1)
    assert np.linalg.matrix_rank(F, tol=1e-12) == 2
    assert geometry.epipolar_distance(F, a, b).max() < 1e-5
    if n == 60:
        same_up_to_sign(F, true_fundamental(R, t), 1e-8)


@pytest.mark.parametrize("seed", range(5))
def test_with_noise_it_is_opencvs(seed):
    a, b, *_ = views(seed, 60, noise=0.3)
    F = geometry.fundamental_eight_point(a, b)
    theirs = cv2.findFundamentalMat(a, b, cv2.FM_8POINT)[0]
    same_up_to_sign(F, theirs / np.linalg.norm(theirs), 1e-4)


def test_distances_are_those_to_opencvs_lines():
    a, b, R, t, _ = views(0, 30, noise=2.0)
    F = true_fundamental(R, t)
    distances = []
    for points, partners, which in ((a, b, 1), (b, a, 2)):
        lines = cv2.computeCorrespondEpilines(points[:, None], which, F)[:, 0]
        distances.append(abs((lines[:, :2] * partners).sum(1) + lines[:, 2]))
    np.testing.assert_allclose(geometry.epipolar_distance(F, a, b), np.max(distances, 0), rtol=1e-3)


def test_an_epipole_has_no_line():
    F = np.array([[0.0, -1, 2], [1, 0, -3], [-2, 3, 0]])  # both epipoles at (3, 2)
    assert geometry.epipolar_distance(F, [[3, 2], [5, 2]], [[0, 0], [3, 4]]).tolist()[0] == np.inf
    assert geometry.epipolar_distance(F, np.empty((0, 2)), np.empty((0, 2))).shape == (0,)


def test_a_flat_scene_or_a_camera_that_only_turns_leaves_it_open():
    a, _, R, _, X = views(0, 30)
    turned = geometry.project(X, K, R)[0]
    X[:, 2] = 5 + 0.2 * X[:, 0]
    flat = geometry.project(X, K)[0], geometry.project(X, K, R, [1, 0, 0])[0]
    for pair in ((a, turned), flat):
        with pytest.raises(np.linalg.LinAlgError, match="flat"):
            geometry.fundamental_eight_point(*pair)


@pytest.mark.parametrize("seed", range(3))
def test_outliers_are_found_with_ransac(seed):
    a, b, *_ = views(seed, 120, noise=0.2)
    rng = np.random.default_rng(seed)
    wrong = rng.random(120) < 0.3
    b[wrong] = rng.uniform(0, 60, (wrong.sum(), 2))
    _, inliers = geometry.ransac(
        geometry.fundamental_eight_point, geometry.epipolar_distance, (a, b), 8, 1.0
    )
    assert inliers[~wrong].mean() > 0.9
    assert inliers[wrong].mean() < 0.2  # some fall near their line by chance


# --- Pose -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("seed", range(10))
@pytest.mark.parametrize("second", [K, WIDE], ids=["same camera", "another camera"])
def test_the_pose_is_the_planted_one(seed, second):
    a, b, R, t, _ = views(seed, second=second)
    F = geometry.fundamental_eight_point(a, b)
    E = geometry.essential_matrix(F, K, second)
    np.testing.assert_allclose(np.linalg.svd(E, compute_uv=False), (1, 1, 0), atol=1e-12)
    same_up_to_sign(E, cross(t) @ R, 1e-6)
    for signed in (E, -E):
        found = geometry.relative_pose(signed, a, b, K, second)
        np.testing.assert_allclose(found.R, R, atol=1e-6)
        np.testing.assert_allclose(found.t, t, atol=1e-6)
        assert found.in_front.all()


@pytest.mark.parametrize("seed", range(10))
def test_with_noise_the_pose_is_opencvs(seed):
    a, b, *_ = views(seed, noise=0.3)
    E = geometry.essential_matrix(geometry.fundamental_eight_point(a, b), K)
    found = geometry.relative_pose(E, a, b, K)
    _, R, t, _ = cv2.recoverPose(E, a, b, K)
    np.testing.assert_allclose(found.R, R, atol=1e-5)
    np.testing.assert_allclose(found.t, t[:, 0], atol=1e-5)
    assert np.linalg.det(found.R) == pytest.approx(1)


@pytest.mark.parametrize("seed", range(4))
def test_pairs_of_a_rendered_world_lie_within_half_a_pixel(seed):
    scene = scenes.sample_world(1, seed=seed)[0]
    first, second = scene.camera, scene.camera.moved(right=0.5, forward=0.2)
    a = np.argwhere(scene.depth > 0)[::7, ::-1].astype(float)  # pixel centres, (x, y)
    points = scene.points[a[:, 1].astype(int), a[:, 0].astype(int)]
    b = geometry.project(points, second.K, second.R, second.t)[0]
    b += np.random.default_rng(0).normal(0, 0.1, b.shape)
    F = geometry.fundamental_eight_point(a, b)
    assert np.quantile(geometry.epipolar_distance(F, a, b), 0.95) < 0.5
    E = geometry.essential_matrix(F, first.K, second.K)
    found = geometry.relative_pose(E, a, b, first.K, second.K)
    R = second.R @ first.R.T
    t = second.t - R @ first.t
    turn = np.degrees(np.arccos(np.clip((np.trace(found.R @ R.T) - 1) / 2, -1, 1)))
    assert turn < 1
    assert found.t @ t / np.linalg.norm(t) > np.cos(np.radians(4))


# --- Triangulation --------------------------------------------------------------------------------


@pytest.mark.parametrize("noise", [0.0, 0.5])
@pytest.mark.parametrize("seed", range(5))
def test_points_are_opencvs(seed, noise):
    a, b, R, t, X = views(seed, noise=noise)
    P, Q = K @ np.eye(3, 4), K @ np.column_stack([R, t])
    found = geometry.triangulate(a, b, P, Q)
    theirs = cv2.triangulatePoints(P, Q, a.T, b.T)
    np.testing.assert_allclose(found, (theirs[:3] / theirs[3]).T, rtol=1e-4, atol=1e-4)
    if not noise:
        np.testing.assert_allclose(found, X, atol=1e-6)


def test_parallel_rays_meet_nowhere_and_no_pair_gives_no_point():
    P, Q = np.eye(3, 4), np.column_stack([np.eye(3), [1.0, 0, 0]])
    assert np.isnan(geometry.triangulate([[0.3, 0.1]], [[0.3, 0.1]], P, Q)).all()
    assert geometry.triangulate(np.empty((0, 2)), np.empty((0, 2)), P, Q).shape == (0, 3)


POINTS = np.random.default_rng(0).random((8, 2))


@pytest.mark.parametrize(
    ("call", "error", "said"),
    [
        (
            lambda: geometry.fundamental_eight_point(POINTS[:7], POINTS[:7]),
            ValueError,
            "eight-point algorithm needs at least 8",
        ),
        (
            lambda: geometry.fundamental_eight_point(POINTS, POINTS * np.nan),
            ValueError,
            "b holds NaN",
        ),
        (lambda: geometry.epipolar_distance(np.eye(4), POINTS, POINTS), ValueError, "F must be"),
        (lambda: geometry.essential_matrix(np.eye(3), 0 * K), ValueError, "K_a must have an inv"),
        (lambda: geometry.essential_matrix(np.eye(3), K, np.eye(2)), ValueError, r"K_b must be"),
        (
            lambda: geometry.relative_pose(np.eye(3), POINTS[:0], POINTS[:0], K),
            ValueError,
            "A pose needs at least 1",
        ),
        (
            lambda: geometry.triangulate(POINTS, POINTS, np.eye(3), np.eye(3, 4)),
            ValueError,
            r"P_a must be \(3, 4\)",
        ),
        (
            lambda: geometry.triangulate(POINTS, POINTS[:, :1], np.eye(3, 4), np.eye(3, 4)),
            ValueError,
            r"b must be \(N, 2\)",
        ),
    ],
)
def test_bad_input_is_refused_in_one_sentence(call, error, said):
    with pytest.raises(error, match=said):
        call()


def test_doctests():
    result = doctest.testmod(geometry.two_views)
    assert result.attempted > 1
    assert result.failed == 0
