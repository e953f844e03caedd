"""Rotation, projection and boxes in space against SciPy and OpenCV, and back again."""

import doctest
import math

import cv2
import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from cvlab import geometry

K = np.array([[60.0, 0.5, 31.5], [0.0, 58.0, 23.5], [0.0, 0.0, 1.0]])


@pytest.mark.parametrize("seed", range(20))
def test_a_rotation_is_scipys(seed):
    angles = np.random.default_rng(seed).uniform(-400, 400, 3)
    expected = Rotation.from_euler("YXZ", angles, degrees=True).as_matrix()
    np.testing.assert_allclose(geometry.rotation(*angles), expected, atol=1e-12)


def test_each_angle_turns_as_it_says():
    forwards, right, up = np.array([0, 0, 1]), np.array([1, 0, 0]), np.array([0, -1, 0])
    np.testing.assert_allclose(geometry.rotation(90) @ forwards, right, atol=1e-12)
    np.testing.assert_allclose(geometry.rotation(0, 90) @ forwards, up, atol=1e-12)
    np.testing.assert_allclose(geometry.rotation(0, 0, 90) @ right, -up, atol=1e-12)


@pytest.mark.parametrize("seed", range(5))
def test_projection_is_opencvs(seed):
    rng = np.random.default_rng(seed)
    R, t = geometry.rotation(*rng.uniform(-40, 40, 3)), rng.normal(0, 0.3, 3)
    points = np.column_stack([rng.uniform(-1, 1, (50, 2)), rng.uniform(4, 9, 50)])
    straight = K * [[1, 0, 1], [1, 1, 1], [1, 1, 1]]  # OpenCV knows no skew
    expected, _ = cv2.projectPoints(points, cv2.Rodrigues(R)[0], t, straight, None)
    pixels, depth = geometry.project(points, straight, R, t)
    np.testing.assert_allclose(pixels, expected[:, 0], atol=1e-9)
    np.testing.assert_allclose(depth, (points @ R.T + t)[:, 2])


def test_lifting_undoes_projection_with_skew():
    points = np.random.default_rng(0).uniform((-2, -2, 0.1), (2, 2, 9), (200, 3))
    pixels, depth = geometry.project(points, K)
    np.testing.assert_allclose(geometry.unproject(pixels, depth, K), points, atol=1e-12)


def test_what_is_behind_has_no_pixel():
    pixels, depth = geometry.project([[0, 0, -2], [1, 1, 0], [0, 0, 1]], K)
    assert np.isnan(pixels[:2]).all()
    assert pixels[2].tolist() == [31.5, 23.5]
    assert depth.tolist() == [-2, 0, 1]


def test_no_points_give_no_pixels():
    pixels, depth = geometry.project(np.empty((0, 3)), K, np.eye(3), np.zeros(3))
    assert pixels.shape == (0, 2)
    assert depth.shape == (0,)
    assert geometry.unproject(pixels, depth, K).shape == (0, 3)
    assert geometry.box_corners(np.empty((0, 7))).shape == (0, 8, 3)


def test_float32_stays_and_tensors_keep_their_gradient():
    torch = pytest.importorskip("torch")
    points = np.array([[1, 2, 4], [0, 1, 2]], np.float32)
    assert geometry.project(points, K.astype(np.float32))[0].dtype == np.float32
    tensor = torch.tensor(points, requires_grad=True)
    pixels, depth = geometry.project(tensor, K, np.eye(3), np.zeros(3))
    np.testing.assert_allclose(pixels.detach().numpy(), geometry.project(points, K)[0], rtol=1e-6)
    lifted = geometry.unproject(pixels, depth, K)
    (gradient,) = torch.autograd.grad(lifted.sum(), tensor)
    np.testing.assert_allclose(gradient.numpy(), 1, atol=1e-5)  # there and back is the identity


@pytest.mark.parametrize("seed", range(5))
def test_corners_are_those_of_a_box_turned_by_hand(seed):
    rng = np.random.default_rng(seed)
    box = np.concatenate([rng.normal(size=3), rng.uniform(0.5, 2, 3), rng.uniform(-180, 180, 1)])
    tilt = geometry.rotation(0, -12, 3).T
    (corners,) = geometry.box_corners(box[None], tilt)
    own = (corners - box[:3]) @ tilt @ geometry.rotation(box[6])
    bits = (np.arange(8)[:, None] >> np.arange(3)) & 1
    np.testing.assert_allclose(own, (bits - 0.5) * box[3:6], atol=1e-12)


@pytest.mark.parametrize(
    ("call", "error", "said"),
    [
        (lambda: geometry.rotation("left"), TypeError, "yaw must be one number"),
        (lambda: geometry.rotation(0, math.nan), ValueError, "pitch must be finite"),
        (lambda: geometry.project(np.zeros((4, 2)), K), ValueError, r"points must be \(N, 3\)"),
        (lambda: geometry.project(np.zeros((4, 3)), np.eye(4)), ValueError, r"K must be \(3, 3\)"),
        (lambda: geometry.project([[1, 2, math.nan]], K), ValueError, "points holds NaN"),
        (lambda: geometry.project([[0, 0, 1]], K, t=[1, 2]), ValueError, r"t must be \(3,\)"),
        (lambda: geometry.unproject(np.zeros((3, 2)), np.ones(2), K), ValueError, "one entry per"),
        (lambda: geometry.unproject([[0, 0]], [1], 0 * K), ValueError, "inverse"),
        (lambda: geometry.box_corners(np.zeros((2, 6))), ValueError, r"boxes must be \(N, 7\)"),
        (lambda: geometry.box_corners([["a"] * 7]), TypeError, "real numbers"),
    ],
)
def test_bad_input_is_refused_in_one_sentence(call, error, said):
    with pytest.raises(error, match=said):
        call()


def test_doctests():
    for module in (geometry, geometry.cameras):
        result = doctest.testmod(module)
        assert result.attempted > 1
        assert result.failed == 0
