"""Stereo pairs: every label against the pixels and against a second, slower way to find it."""

import doctest
import math
from dataclasses import fields, replace

import numpy as np
import pytest

from cvlab import geometry, scenes
from cvlab.scenes import pairs as module

BASELINE = 0.5


@pytest.fixture(scope="module")
def pairs():
    return scenes.sample_pairs(30, seed=7, objects=(1, 5))


@pytest.fixture(scope="module")
def views(pairs):
    """Both scenes of each pair, rendered on their own."""
    cameras = [(eye, eye.moved(right=BASELINE)) for eye in pairs.camera]
    return [
        [scenes.render_world(world, eye) for eye in both]
        for world, both in zip(pairs.descriptions, cameras, strict=True)
    ]


def owners(scene):
    """(H, W), which surface each pixel shows, the same number in every view."""
    index = np.concatenate([[-1], scene.indices])[scene.instances]
    return 10 * scene.semantic + index


def columns(scene):
    return np.broadcast_to(np.arange(scene.depth.shape[1]), scene.depth.shape)


# --- Disparity ------------------------------------------------------------------------------------


def test_left_and_right_are_what_two_cameras_see(pairs, views):
    for k, (left, right) in enumerate(views):
        np.testing.assert_array_equal(pairs.left[k], left.image)
        np.testing.assert_array_equal(pairs.right[k], right.image)
        for name in ("depth", "semantic", "instances"):
            np.testing.assert_array_equal(getattr(pairs, name)[k], getattr(left, name))


def test_points_project_into_both_images_at_their_disparity(pairs, views):
    for k, (left, right) in enumerate(views):
        for scene, other, sign, found in (
            (left, right, -1, pairs.disparity_left[k]),
            (right, left, 1, pairs.disparity_right[k]),
        ):
            camera, points = other.camera, scene.points.reshape(-1, 3).astype(np.float64)
            pixels, depth = geometry.project(points, camera.K, camera.R, camera.t)
            u, v = pixels.T.reshape(2, *scene.depth.shape)
            np.testing.assert_allclose(u, columns(scene) + sign * found, atol=1e-3)
            np.testing.assert_allclose(v, rows(scene), atol=1e-3)
            focal = pairs.camera[k].K[0, 0]
            np.testing.assert_allclose(found.ravel(), focal * BASELINE / depth, rtol=1e-5)
            assert found.min() > 0


def rows(scene):
    return np.broadcast_to(np.arange(scene.depth.shape[0])[:, None], scene.depth.shape)


def test_who_is_seen_twice_has_the_same_disparity_in_both_maps(pairs, views):
    compared = 0
    for k, (left, right) in enumerate(views):
        for scene, other, sign, here, there, hidden in (
            (left, right, -1, pairs.disparity_left, pairs.disparity_right, pairs.occluded_left),
            (right, left, 1, pairs.disparity_right, pairs.disparity_left, pairs.occluded_right),
        ):
            place = columns(scene) + sign * here[k]
            first = np.clip(np.floor(place).astype(int), 0, 62)
            i, share = rows(scene), place - first
            found = (1 - share) * there[k][i, first] + share * there[k][i, first + 1]
            # On a plane disparity is affine in the pixel, so that a look-up between two is exact.
            mine, theirs = owners(scene), owners(other)
            flat = ~hidden[k] & (mine == theirs[i, first]) & (mine == theirs[i, first + 1])
            for column in (first, first + 1):
                flat &= abs(other.normals[i, column] - scene.normals).max(axis=-1) < 1e-5
            off = abs(found - here[k])
            assert off[flat].max() < 2e-3
            assert flat.sum() > 0.7 * (~hidden[k]).sum()  # all but outlines, edges and balls
            compared += flat.sum()
    assert compared > 100_000


def test_disparity_grows_with_the_baseline_only():
    near, far = (scenes.sample_pairs(3, baseline=b, seed=4) for b in (0.25, 0.75))
    np.testing.assert_array_equal(near.left, far.left)
    np.testing.assert_array_equal(near.depth, far.depth)
    np.testing.assert_allclose(far.disparity_left, 3 * near.disparity_left, rtol=1e-5)
    assert near.occluded_left.mean() < far.occluded_left.mean()


# --- Occlusion ------------------------------------------------------------------------------------


def inside(thing, points, margin=0.0):
    own = (points - np.array(thing.centre)) @ geometry.rotation(thing.yaw)
    if thing.shape == "ball":
        return np.linalg.norm(own, axis=-1) < thing.size[0] / 2 - margin
    return (np.abs(own) < np.array(thing.size) / 2 - margin).all(axis=-1)


def test_occlusion_is_that_of_a_z_test_in_a_large_image(pairs, views):
    # The other camera at 9 times the resolution: who is deeper there than the surface, is hidden.
    disagreeing = checked = 0
    for k in range(6):
        for scene, other, mask in (
            (views[k][0], views[k][1], pairs.occluded_left[k]),
            (views[k][1], views[k][0], pairs.occluded_right[k]),
        ):
            large = other.camera.resized(9 * 48, 9 * 64)
            depths = scenes.render_world(scene.description, large).depth
            points = scene.points.reshape(-1, 3).astype(np.float64)
            pixels, depth = geometry.project(points, large.K, large.R, large.t)
            u, v = np.rint(np.nan_to_num(pixels, nan=-9)).astype(int).T
            outside = (pixels[:, 0] < 4 - 0.01) | (pixels[:, 0] > 9 * 63 + 4 + 0.01)
            around = depths[np.clip(v, 0, 431)[:, None], np.clip(u[:, None] + [-1, 0, 1], 0, 575)]
            behind = around.max(axis=1) < depth * (1 - 0.01)  # by any of three pixels' surfaces
            before = around.min(axis=1) > depth * (1 - 0.01)
            found = mask.ravel()
            assert found[outside].all()
            assert found[behind].all()
            sure = ~outside & (behind | before)
            disagreeing += (found[sure] != behind[sure]).sum()
            checked += sure.sum()
            assert sure.sum() > 0.95 * (~outside).sum()
    assert checked > 25_000
    assert disagreeing < 1e-3 * checked  # far sides of things, nearly edge-on


def test_occlusion_is_that_of_a_walk_along_the_ray(pairs, views):
    for k in range(4):
        left, right = views[k]
        points, eye = left.points.astype(np.float64), right.camera.position
        way = np.linspace(0.3, 0.998, 300)[:, None, None, None]
        places = eye + (points - eye) * way
        blocked = np.zeros(points.shape[:2], bool)
        for thing in left.description.objects:
            blocked |= inside(thing, places, 1e-3).any(axis=0)
        place = columns(left) - pairs.disparity_left[k]
        blocked |= place < -2e-3
        found = pairs.occluded_left[k]
        assert (found >= blocked).all()
        assert (found != blocked).mean() < 0.005


def test_warping_the_other_image_fails_where_occluded_and_nowhere_else():
    smooth = scenes.sample_pairs(20, seed=1, flatness=1.0)
    for towards, here, other, disparity, hidden in (
        ("left", smooth.left, smooth.right, smooth.disparity_left, smooth.occluded_left),
        ("right", smooth.right, smooth.left, smooth.disparity_right, smooth.occluded_right),
    ):
        seen, unseen, wrong = [], [], []
        for k in range(len(smooth)):
            warped = geometry.warp_disparity(other[k], disparity[k], towards)
            error = abs(warped - here[k]).mean(axis=-1)
            seen.append(error[~hidden[k]])
            unseen.append(error[hidden[k]])
            opposite = geometry.warp_disparity(other[k], -disparity[k], towards)
            wrong.append(abs(opposite - here[k]).mean(axis=-1)[~hidden[k]])
        seen, unseen, wrong = (np.concatenate(part) for part in (seen, unseen, wrong))
        assert (seen < 0.01).mean() > 0.97  # all but outlines, where bilinear values mix
        assert unseen.mean() > 10 * seen.mean()
        assert wrong.mean() > 5 * seen.mean()


def test_textures_hang_on_the_surfaces():
    textured = scenes.sample_pairs(20, seed=2)
    error = [
        abs(geometry.warp_disparity(right, d, "left") - left).mean(axis=-1)[~hidden]
        for left, right, d, hidden in zip(
            textured.left,
            textured.right,
            textured.disparity_left,
            textured.occluded_left,
            strict=True,
        )
    ]
    still = abs(textured.left - textured.right).mean(axis=-1)[~textured.occluded_left]
    assert np.concatenate(error).mean() < 0.2 * still.mean()


# --- Photometric differences ----------------------------------------------------------------------


@pytest.mark.parametrize("strength", [0.1, 0.5])
def test_photometric_changes_gain_offset_and_noise_and_nothing_else(strength):
    plain = scenes.sample_pairs(12, seed=3)
    other = scenes.sample_pairs(12, seed=3, photometric=strength)
    for field in fields(plain):
        a, b = getattr(plain, field.name), getattr(other, field.name)
        if isinstance(a, np.ndarray) and field.name not in ("left", "right"):
            np.testing.assert_array_equal(a, b)
    assert [w.objects for w in plain.descriptions] == [w.objects for w in other.descriptions]
    noise, gains, offsets = 0.12 * strength, [], []
    for k in range(12):
        clear = (other.left[k] > 0.02) & (other.left[k] < 0.98)
        clear &= (plain.left[k] > 4 * noise) & (plain.left[k] < 1 - 4 * noise)
        change = (other.left[k] - plain.left[k])[clear]
        assert abs(change.mean()) < 0.1 * noise
        assert change.std() == pytest.approx(noise, rel=0.1)
        clear = (other.right[k] > 0.01) & (other.right[k] < 0.99)
        x, y = plain.right[k][clear], other.right[k][clear]
        gain, offset = np.polyfit(x, y, 1)
        gains.append(gain)
        offsets.append(offset)
        assert 2**-strength - 0.15 < gain < 2**strength + 0.05
        assert abs(offset) < 0.2 * strength + 0.1
    assert np.std(gains) > 0.2 * strength
    assert np.std(offsets) > 0.03 * strength
    assert other.left.min() >= 0
    assert other.right.max() <= 1


def test_noise_is_not_the_same_in_both_views():
    plain, noisy = (scenes.sample_pairs(1, seed=5, photometric=p) for p in (0.0, 0.2))
    left, right = ((getattr(noisy, s) - getattr(plain, s)).ravel() for s in ("left", "right"))
    assert abs(np.corrcoef(left, right)[0, 1]) < 0.15


# --- Drawing --------------------------------------------------------------------------------------


def test_worlds_are_those_of_sample_world():
    pairs, worlds = scenes.sample_pairs(4, seed=9), scenes.sample_world(4, seed=9)
    np.testing.assert_array_equal(pairs.left, worlds.images)
    np.testing.assert_array_equal(pairs.depth, worlds.depth)


def test_seeds_decide_and_fewer_pairs_are_the_first_of_more():
    many, few = (scenes.sample_pairs(n, seed=5, photometric=0.3, flatness=0.5) for n in (4, 2))
    for field in fields(few):
        value = getattr(few, field.name)
        if isinstance(value, np.ndarray):
            np.testing.assert_array_equal(value, getattr(many[:2], field.name))
    assert abs(many.left[0] - scenes.sample_pairs(1, seed=6).left[0]).max() > 0


def test_flatness_takes_textures_away():
    flat = scenes.sample_pairs(5, seed=1, flatness=1.0)
    surfaces = [s for w in flat.descriptions for s in (*w.objects, w.ground, w.wall)]
    assert {s.texture for s in surfaces} == {"flat"}


@pytest.mark.parametrize(("height", "width"), [(48, 64), (24, 32), (96, 128), (33, 50)])
def test_sizes_kinds_and_tensors(height, width):
    torch = pytest.importorskip("torch")
    pairs = scenes.sample_pairs(2, height, width, seed=1)
    shapes = {f.name: getattr(getattr(pairs, f.name), "shape", None) for f in fields(pairs)}
    maps = ("disparity_left", "disparity_right", "depth", "occluded_left", "occluded_right")
    assert all(shapes[name] == (2, height, width) for name in (*maps, "semantic", "instances"))
    assert shapes["left"] == shapes["right"] == (2, height, width, 3)
    assert pairs.left.dtype == pairs.depth.dtype == pairs.disparity_right.dtype == np.float32
    assert pairs.occluded_left.dtype == bool
    assert len(pairs[1]) == 1
    assert pairs[np.array([False, True])].camera[0] is pairs.camera[1]
    assert repr(pairs) == f"Pairs(2 of {width}x{height} pixels)"
    tensors = pairs.torch()
    assert tensors["left"].shape == (2, 3, height, width)
    assert tensors["occluded_left"].dtype == torch.bool
    assert tensors["disparity_left"].shape == (2, height, width)


def test_an_empty_world_has_no_occlusion_but_the_border():
    pairs = scenes.sample_pairs(2, objects=0, seed=0)
    place = np.arange(64) - pairs.disparity_left
    assert (pairs.occluded_left == (place < 0)).mean() > 0.999
    assert not pairs.instances.any()


@pytest.mark.parametrize(
    ("knobs", "error", "said"),
    [
        ({"n": 0}, ValueError, "n must be"),
        ({"n": 1.5}, TypeError, "n must be"),
        ({"baseline": 0}, ValueError, "baseline"),
        ({"baseline": -0.5}, ValueError, "baseline"),
        ({"baseline": 2.0}, ValueError, "at most 1"),
        ({"baseline": math.nan}, ValueError, "baseline"),
        ({"baseline": "wide"}, TypeError, "baseline"),
        ({"photometric": 1.5}, ValueError, "photometric"),
        ({"photometric": None}, TypeError, "photometric"),
        ({"flatness": -1}, ValueError, "flatness"),
        ({"height": 4}, ValueError, "height"),
        ({"width": 64.0}, TypeError, "width"),
        ({"objects": 9}, ValueError, "objects"),
        ({"seed": -1}, ValueError, "seed"),
    ],
)
def test_bad_settings_are_refused(knobs, error, said):
    with pytest.raises(error, match=said):
        scenes.sample_pairs(**({"n": 1} | knobs))


def test_doctests_and_the_widest_baseline():
    result = doctest.testmod(module)
    assert result.attempted > 3
    assert result.failed == 0
    wide = scenes.sample_pairs(60, objects=(1, 8), baseline=module.MAX_BASELINE, seed=11)
    assert np.isfinite(wide.disparity_right).all()
    assert replace(wide, baseline=wide.baseline).baseline[0] == 1
