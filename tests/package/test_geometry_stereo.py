"""Rectification against OpenCV, epipolar geometry and rendered worlds; warping against torch."""

import doctest
import math
from dataclasses import replace

import cv2
import numpy as np
import pytest

from cvlab import geometry, scenes
from cvlab.geometry import planes, stereo

ROWS = np.array([[0, 0, 0], [0, 0, -1], [0, 1, 0.0]])  # the fundamental matrix of parallel cameras


def cameras(seed, turn=12.0):
    """Insides of two cameras, rotation and translation between them, side by side."""
    rng = np.random.default_rng(seed)
    K_a, K_b = (
        np.array([[f, 0, 32 + x], [0, f * k, 24 + y], [0, 0, 1]])
        for f, k, x, y in rng.uniform((50, 0.95, -3, -3), (70, 1.05, 3, 3), (2, 4))
    )
    R = geometry.rotation(*rng.uniform(-turn, turn, 3)).T
    place = rng.choice([-1, 1]) * np.array([rng.uniform(0.3, 1), *rng.uniform(-0.15, 0.15, 2)])
    return K_a, K_b, R, -R @ place


def points(seed, n=30):
    return np.random.default_rng(seed).uniform((-2, -1.5, 4), (2, 1.5, 9), (n, 3))


# --- Rectification --------------------------------------------------------------------------------


@pytest.mark.parametrize("seed", range(20))
def test_partners_lie_in_one_row_at_the_disparity_of_their_depth(seed):
    K_a, K_b, R, t = cameras(seed)
    found, X = geometry.rectify(K_a, K_b, R, t, (48, 64)), points(seed)
    (a, _), (b, _) = geometry.project(X, K_a), geometry.project(X, K_b, R, t)
    a, b = geometry.apply_homography(found.H_a, a), geometry.apply_homography(found.H_b, b)
    np.testing.assert_allclose(a[:, 1], b[:, 1], atol=1e-9)
    depth = (X @ found.R_a.T)[:, 2]
    disparity = (a - b if found.left == "a" else b - a)[:, 0]
    np.testing.assert_allclose(disparity, found.K[0, 0] * found.baseline / depth)
    assert (disparity > 0).all()
    assert found.baseline == pytest.approx(np.linalg.norm(t))
    step = X @ found.R_a.T - (X @ R.T + t) @ found.R_b.T  # between both turned cameras
    side = 1 if found.left == "a" else -1
    np.testing.assert_allclose(step, [[side * found.baseline, 0, 0]] * len(X), atol=1e-9)


@pytest.mark.parametrize("seed", range(10))
def test_the_fundamental_matrix_becomes_that_of_parallel_cameras(seed):
    K_a, K_b, R, t = cameras(seed)
    cross = np.cross(t, np.eye(3)).T  # cross @ x is t x x
    F = np.linalg.inv(K_b).T @ cross @ R @ np.linalg.inv(K_a)
    found = geometry.rectify(K_a, K_b, R, t, (48, 64))
    turned = np.linalg.inv(found.H_b).T @ F @ np.linalg.inv(found.H_a)
    np.testing.assert_allclose(turned / turned[2, 1], ROWS, atol=1e-7)


@pytest.mark.parametrize("seed", range(20))
def test_it_is_opencvs(seed):
    K_a, K_b, R, t = cameras(seed)
    found = geometry.rectify(K_a, K_b, R, t, (48, 64))
    R_a, R_b, P_a, P_b, *_ = cv2.stereoRectify(
        *(K_a, None, K_b, None, (64, 48), R, t[:, None]), flags=cv2.CALIB_ZERO_DISPARITY, alpha=-1
    )
    np.testing.assert_allclose(found.R_a, R_a, atol=1e-7)
    np.testing.assert_allclose(found.R_b, R_b, atol=1e-7)
    np.testing.assert_allclose(P_b[0, 3] / P_b[0, 0], np.sign(P_b[0, 3]) * found.baseline)
    assert (found.left == "a") == (P_b[0, 3] < 0)
    # Versions of OpenCV differ in the focal length, and by half a pixel in where corners are.
    assert min(K_a[1, 1], K_b[1, 1]) <= P_a[0, 0] <= max(K_a[1, 1], K_b[1, 1])
    if P_a[0, 0] == pytest.approx(found.K[0, 0]):
        assert abs(found.K[:2, 2] - P_a[:2, 2]).max() < 1.1


@pytest.mark.parametrize("seed", range(5))
def test_homographies_are_those_of_turning_and_hold_both_images(seed):
    K_a, K_b, R, t = cameras(seed)
    found = geometry.rectify(K_a, K_b, R, t, (48, 64))
    corners, means = np.array([(0, 0), (63, 0), (0, 47), (63, 47)]), []
    for H, K, turn in ((found.H_a, K_a, found.R_a), (found.H_b, K_b, found.R_b)):
        rays = geometry.unproject(corners, np.ones(4), K)
        moved = geometry.project(rays, found.K, turn)[0]
        np.testing.assert_allclose(geometry.apply_homography(H, corners), moved)
        means.append(moved.mean(0))
    np.testing.assert_allclose(np.mean(means, 0), (31.5, 23.5))
    assert found.K[0, 0] == found.K[1, 1] == pytest.approx((K_a[1, 1] + K_b[1, 1]) / 2)


@pytest.mark.parametrize("seed", range(4))
def test_rendered_images_become_what_the_turned_cameras_see(seed):
    world = scenes.describe_world(seed, flatness=1.0, height=96, width=128)
    camera = world.camera
    turned = camera.R.T @ geometry.rotation(4, -3, 5)
    place = camera.position + turned @ [0.5, 0.03, 0.05]
    other = replace(camera, R=turned.T, t=-turned.T @ place)
    R = other.R @ camera.R.T
    t = other.t - R @ camera.t
    found = geometry.rectify(camera.K, other.K, R, t, (96, 128))
    for view, H, turn in ((camera, found.H_a, found.R_a), (other, found.H_b, found.R_b)):
        image = scenes.render_world(world, view).image
        warped = geometry.warp_homography(image, H, (96, 128))
        inside = geometry.warp_homography(np.ones((96, 128)), H, (96, 128)) > 1 - 1e-9
        ideal = replace(view, K=found.K, R=turn @ view.R, t=turn @ view.t)
        rendered = scenes.render_world(world, ideal).image
        off = abs(warped - rendered).max(axis=-1)[inside]
        assert inside.mean() > 0.6
        assert (off < 0.02).mean() > 0.93  # all but the outlines, which bilinear values blur


def test_cameras_that_are_parallel_already_stay_as_they_are():
    K = np.array([[60, 0, 31.5], [0, 60, 23.5], [0, 0, 1.0]])
    for side, left in ((-0.5, "a"), (0.5, "b")):
        found = geometry.rectify(K, K, np.eye(3), [side, 0, 0], (48, 64))
        for name in ("H_a", "H_b", "R_a", "R_b"):
            np.testing.assert_allclose(getattr(found, name), np.eye(3), atol=1e-12)
        np.testing.assert_allclose(found.K, K)
        assert found.left == left


def test_cameras_one_above_the_other_are_turned_by_a_quarter():
    K = np.array([[60, 0, 23.5], [0, 60, 23.5], [0, 0, 1.0]])
    for side in (-0.5, 0.5):
        found, X = geometry.rectify(K, K, np.eye(3), [0, side, 0], (48, 48)), points(1)
        (a, _), (b, _) = geometry.project(X, K), geometry.project(X, K, t=[0, side, 0])
        a, b = geometry.apply_homography(found.H_a, a), geometry.apply_homography(found.H_b, b)
        np.testing.assert_allclose(a[:, 1], b[:, 1], atol=1e-9)
        assert found.left == "a"
        assert (a[:, 0] > b[:, 0]).all()


K = np.array([[60, 0, 31.5], [0, 60, 23.5], [0, 0, 1.0]])


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"t": [0, 0, 0]}, "must not be 0"),
        ({"t": [0, 0, 1]}, "sees the other"),
        ({"t": [0, 0, -1]}, "sees the other"),
        ({"R": geometry.rotation(180)}, "opposite"),
        ({"R": 2 * np.eye(3)}, "rotation"),
        ({"R": np.diag([1, 1, -1])}, "rotation"),
        ({"R": np.eye(2)}, "R must be"),
        ({"t": [1, 0]}, "t must be"),
        ({"t": [math.nan, 0, 0]}, "NaN"),
        ({"K_a": np.zeros((3, 3))}, "inverse"),
        ({"K_b": np.eye(4)}, "K_b must be"),
        ({"size": 48}, "height, width"),
        ({"size": (0, 64)}, "at least 1"),
    ],
)
def test_what_cannot_be_rectified_is_refused(change, said):
    given = {"K_a": K, "K_b": K, "R": np.eye(3), "t": [-1, 0, 0], "size": (48, 64)}
    with pytest.raises(ValueError, match=said):
        geometry.rectify(**given | change)


# --- Warping --------------------------------------------------------------------------------------


def by_loop(image, disparity, sign):
    result = np.zeros(image.shape, np.float64)
    height, width = disparity.shape
    for row in range(height):
        for column in range(width):
            place = column + sign * disparity[row, column]
            for j in (math.floor(place), math.floor(place) + 1):
                if 0 <= j < width:
                    result[row, column] += (1 - abs(place - j)) * image[row, j]
    return result


@pytest.mark.parametrize("seed", range(6))
@pytest.mark.parametrize("shape", [(5, 8), (1, 6), (4, 1), (3, 7, 3)])
def test_warping_equals_a_loop(seed, shape):
    rng = np.random.default_rng(seed)
    image, disparity = rng.random(shape), rng.uniform(-3, 4, shape[:2])
    if seed % 2:
        disparity = disparity.round()
    for towards, sign in (("left", -1), ("right", 1)):
        found = geometry.warp_disparity(image, disparity, towards)
        np.testing.assert_allclose(found, by_loop(image, disparity, sign), atol=1e-12)


def test_kinds_of_arrays():
    assert doctest.testmod(stereo).failed == 0
    single = geometry.warp_disparity(np.ones((2, 3), np.float32), np.zeros((2, 3)), "left")
    assert single.dtype == np.float32
    whole = geometry.warp_disparity(np.uint8([[0, 200]]), np.int64([[-1, 0]]), "left")
    assert whole.tolist() == [[200, 200]]
    edge = geometry.warp_disparity([[1.0, 2.0]], [[1.0, -9.0]], "left", outside="edge")
    assert edge.tolist() == [[1, 2]]
    far = geometry.warp_disparity([[1.0, 2.0]], [[1e12, -1e12]], "right")
    assert far.tolist() == [[0, 0]]


@pytest.fixture
def torch():
    return pytest.importorskip("torch")


@pytest.mark.parametrize("whole", [False, True])
@pytest.mark.parametrize("outside", ["zero", "edge"])
@pytest.mark.parametrize("towards", ["left", "right"])
def test_tensors_and_their_gradients_are_grid_samples(torch, whole, outside, towards):
    generator = torch.Generator().manual_seed(0)
    image = torch.rand(2, 3, 5, 9, generator=generator, dtype=torch.float64)
    disparity = 6 * torch.rand(2, 1, 5, 9, generator=generator, dtype=torch.float64) - 2
    disparity = disparity.round() if whole else disparity
    weights = torch.rand(2, 3, 5, 9, generator=generator, dtype=torch.float64)
    results = []
    for ours in (True, False):
        leaves = [v.clone().requires_grad_() for v in (image, disparity)]
        if ours:
            found = geometry.warp_disparity(*leaves, towards, outside)
        else:
            x = torch.arange(9) + (-1 if towards == "left" else 1) * leaves[1][:, 0]
            y = torch.arange(5)[:, None] + torch.zeros_like(x)
            grid = torch.stack([(2 * x + 1) / 9 - 1, (2 * y + 1) / 5 - 1], -1)
            found = torch.nn.functional.grid_sample(
                *(leaves[0], grid),
                padding_mode="zeros" if outside == "zero" else "border",
                align_corners=False,
            )
        (found * weights).sum().backward()
        results.append([found.detach(), *(leaf.grad for leaf in leaves)])
    np.testing.assert_allclose(results[0][0], results[1][0], atol=1e-12)
    np.testing.assert_allclose(results[0][1], results[1][1], atol=1e-12)
    gradients = results[0][2].numpy(), results[1][2].numpy()
    if whole:  # at a pixel's centre rounding decides which side's gradient grid_sample takes
        right = [v.clone().requires_grad_() for v in (image, disparity)]
        nudge = 1e-7 if towards == "right" else -1e-7
        shifted = geometry.warp_disparity(right[0], right[1] + nudge, towards, outside)
        (shifted * weights).sum().backward()
        inner = np.ones(disparity.shape, bool)
        if outside == "edge":  # the clamp ends exactly at the last pixel
            x = np.arange(9) + (-1 if towards == "left" else 1) * disparity.numpy()
            inner = (x > 0) & (x < 8)
        np.testing.assert_allclose(gradients[0][inner], right[1].grad.numpy()[inner], atol=1e-6)
    else:
        np.testing.assert_allclose(gradients[0], gradients[1], atol=1e-12)


def test_a_disparity_of_zero_has_the_gradient_of_the_step_to_the_next_pixel(torch):
    image = torch.tensor([[1.0, 5.0, 2.0]])
    disparity = torch.zeros(1, 3, requires_grad=True)
    geometry.warp_disparity(image, disparity, "right", "edge").sum().backward()
    assert disparity.grad.tolist()[0][1:] == [-3, 0]
    places = torch.tensor([2.0], requires_grad=True)
    geometry.sample_bilinear(image, places, torch.zeros(1), "edge").sum().backward()
    assert places.grad.tolist() == [0]


def test_numerical_gradients(torch):
    generator = torch.Generator().manual_seed(1)
    image = torch.rand(1, 2, 3, 6, generator=generator, dtype=torch.float64, requires_grad=True)
    disparity = torch.rand(1, 3, 6, generator=generator, dtype=torch.float64) * 3 + 0.05
    disparity = (disparity.floor() + disparity.frac().clip(0.05, 0.95)).requires_grad_()
    assert torch.autograd.gradcheck(
        lambda i, d: geometry.warp_disparity(i, d, "left"), (image, disparity)
    )


@pytest.mark.parametrize("shape", [(4, 6), (3, 4, 6), (2, 3, 4, 6)])
def test_tensors_agree_with_arrays(torch, shape):
    rng = np.random.default_rng(0)
    image = rng.random(shape)
    disparity = rng.uniform(-1, 3, (2, 4, 6) if len(shape) == 4 else (4, 6))
    found = geometry.warp_disparity(torch.from_numpy(image), torch.from_numpy(disparity), "left")
    assert tuple(found.shape) == shape
    stack = image if len(shape) == 4 else image[None]
    maps = disparity if len(shape) == 4 else disparity[None]
    for one, shift, got in zip(stack, maps, found.reshape(stack.shape), strict=True):
        one = one if one.ndim == 2 else np.moveaxis(one, 0, -1)
        expected = geometry.warp_disparity(one, shift, "left")
        expected = expected if expected.ndim == 2 else np.moveaxis(expected, -1, 0)
        np.testing.assert_allclose(got, expected, atol=1e-12)


IMAGE = np.ones((3, 4))


@pytest.mark.parametrize(
    ("image", "disparity", "towards", "error", "said"),
    [
        (IMAGE, IMAGE, "up", ValueError, "towards"),
        (IMAGE, IMAGE, 1, ValueError, "towards"),
        (IMAGE, IMAGE[:2], "left", ValueError, "one entry a pixel"),
        (IMAGE, 1.0, "left", ValueError, "one entry a pixel"),
        (IMAGE[0], IMAGE[0], "left", ValueError, "one entry a pixel"),
        (IMAGE, IMAGE * np.nan, "left", ValueError, "NaN"),
        (IMAGE * np.inf, IMAGE, "left", ValueError, "infinite"),
        (IMAGE[:0], IMAGE[:0], "left", ValueError, "image must be"),
        ([["a"]], [[1]], "left", TypeError, "real numbers"),
    ],
)
def test_what_cannot_be_warped_is_refused(image, disparity, towards, error, said):
    with pytest.raises(error, match=said):
        geometry.warp_disparity(image, disparity, towards)


def test_tensors_that_cannot_be_warped_are_refused(torch):
    image = torch.ones(2, 3, 4, 6)
    with pytest.raises(ValueError, match="one entry a pixel"):
        geometry.warp_disparity(image, torch.ones(4, 6), "left")
    with pytest.raises(ValueError, match="one entry a pixel"):
        geometry.warp_disparity(image[0, 0, 0], torch.ones(6), "left")
    with pytest.raises(ValueError, match="NaN"):
        geometry.warp_disparity(image, torch.full((2, 4, 6), math.nan), "left")
    with pytest.raises(TypeError, match="floating-point"):
        geometry.warp_disparity(image.int(), torch.ones(2, 4, 6), "left")
    with pytest.raises(ValueError, match="outside"):
        geometry.warp_disparity(image, torch.ones(2, 4, 6), "left", outside="wrap")
    assert planes.sample_bilinear is geometry.sample_bilinear


# --- Splatting ------------------------------------------------------------------------------------


@pytest.mark.parametrize("towards", ["left", "right"])
@pytest.mark.parametrize("seed", range(6))
def test_a_splat_keeps_the_nearest_of_all_that_arrive(seed, towards):
    rng = np.random.default_rng(seed)
    height, width = rng.integers(1, 9, 2)
    image, disparity = rng.random((height, width, 2)), rng.uniform(-4, 6, (height, width))
    view, filled = geometry.splat_disparity(image, disparity, towards)
    nearest = np.full((height, width), -np.inf)
    expected = np.zeros_like(image)
    for i, j in np.ndindex(height, width):
        d = disparity[i, j]
        k = int(np.rint(j - d if towards == "right" else j + d))
        if 0 <= k < width and d >= nearest[i, k]:
            nearest[i, k], expected[i, k] = d, image[i, j]
    np.testing.assert_array_equal(filled, np.isfinite(nearest))
    np.testing.assert_array_equal(view, expected)


def test_holes_of_a_splat_are_what_the_other_camera_sees_alone():
    pairs = scenes.sample_pairs(4, seed=3)
    for k in range(4):
        view, filled = geometry.splat_disparity(pairs.left[k], pairs.disparity_left[k], "right")
        hidden = pairs.occluded_right[k]
        assert (~filled & hidden).sum() > 0.6 * hidden.sum()
        assert abs(view - pairs.right[k])[filled & ~hidden].mean() < 0.06


@pytest.mark.parametrize(
    ("image", "disparity", "towards", "error", "said"),
    [
        (IMAGE, IMAGE, "up", ValueError, "towards"),
        (IMAGE, IMAGE[:2], "left", ValueError, "one entry a pixel"),
        (IMAGE[0], IMAGE[0], "left", ValueError, "one entry a pixel"),
        (IMAGE, IMAGE * np.nan, "left", ValueError, "NaN"),
        ([["a"]], [[1]], "left", TypeError, "real numbers"),
    ],
)
def test_what_cannot_be_splatted_is_refused(image, disparity, towards, error, said):
    with pytest.raises(error, match=said):
        geometry.splat_disparity(image, disparity, towards)
