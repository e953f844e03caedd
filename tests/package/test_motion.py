"""Worlds at two moments: flow and occlusion against points, pixels and a large second image."""

import doctest
import math
from dataclasses import fields, replace

import numpy as np
import pytest
from solids import inside, local

from cvlab import geometry, scenes
from cvlab.scenes import motion as module


@pytest.fixture(scope="module", params=["things", "camera", "both"])
def motion(request):
    strengths = {
        "things": {"camera": 0.0, "objects": 1.0},
        "camera": {"camera": 1.0, "objects": 0.0},
        "both": {"camera": 1.0, "objects": 1.0},
    }[request.param]
    return scenes.sample_motion(16, seed=7, things=(2, 6), **strengths)


def ends(motion, k):
    """Where in the second image the pixels lie, (H, W, 2)."""
    rows, columns = np.mgrid[:48, :64]
    return motion.flow[k] + np.stack([columns, rows], axis=2)


def carried(motion, k):
    """Where in the world the points of the first image are later, by a loop over the pixels."""
    before, after = motion.descriptions[k]
    scene = scenes.render_world(before)
    points = scene.points.astype(np.float64)
    for row, column in zip(*np.nonzero(scene.instances), strict=True):
        index = scene.indices[scene.instances[row, column] - 1]
        own = local(before.objects[index], points[row, column])
        later = after.objects[index]
        points[row, column] = geometry.rotation(later.yaw) @ own + later.centre
    return points


# --- Flow -----------------------------------------------------------------------------------------


def test_both_images_are_those_of_the_descriptions(motion):
    for k, (before, after) in enumerate(motion.descriptions):
        first, second = scenes.render_world(before), scenes.render_world(after)
        np.testing.assert_array_equal(motion.first[k], first.image)
        np.testing.assert_array_equal(motion.second[k], second.image)
        for name in ("depth", "semantic", "instances"):
            np.testing.assert_array_equal(getattr(motion, name)[k], getattr(first, name))


def test_flow_is_the_projection_of_the_carried_point(motion):
    for k in range(4):
        camera = motion.descriptions[k][1].camera
        points = carried(motion, k).reshape(-1, 3)
        pixels, depth = geometry.project(points, camera.K, camera.R, camera.t)
        np.testing.assert_allclose(ends(motion, k).reshape(-1, 2), pixels, atol=1e-4)
        np.testing.assert_array_equal(motion.valid[k].ravel(), depth > 0)


def test_the_second_image_shows_the_same_point_of_the_same_thing(motion):
    # Where the end of a flow is nearly a pixel's centre, that pixel's own point must be the same.
    compared = 0
    for k, (_, after) in enumerate(motion.descriptions):
        second, points, place = scenes.render_world(after), carried(motion, k), ends(motion, k)
        u, v = np.rint(place).astype(int).transpose(2, 0, 1)
        near = (abs(place - np.rint(place)).max(axis=2) < 0.15) & ~motion.occluded[k]
        kinds = second.semantic[v[near], u[near]]
        same = kinds == motion.semantic[k][near]
        assert same.mean() > 0.98
        apart = np.linalg.norm(second.points[v[near], u[near]] - points[near], axis=1)
        depth = second.depth[v[near], u[near]]
        assert (
            apart[same] < 0.03 * depth[same]
        ).mean() > 0.9  # 0.15 pixels, on slanted ground more
        compared += near.sum()
    assert compared > 1500


def flat_light(world):
    return replace(world, sun=replace(world.sun, ambient=1.0))


def test_brightness_is_constant_along_the_flow_in_flat_light(motion):
    seen, within, hidden, still = [], [], [], []
    for k, pair in enumerate(motion.descriptions):
        # Without textures, so that neither sampling nor their fading counts.
        plain = [
            replace(
                flat_light(world),
                objects=tuple(replace(t, texture="flat") for t in world.objects),
                ground=replace(world.ground, texture="flat"),
                wall=replace(world.wall, texture="flat"),
            )
            for world in pair
        ]
        first, second = (scenes.render_world(world).image for world in plain)
        x, y = ends(motion, k).transpose(2, 0, 1)
        error = abs(geometry.sample_bilinear(second, x, y) - first).mean(axis=2)
        j, i = (np.clip(np.floor(axis).astype(int), 0, m) for axis, m in ((x, 62), (y, 46)))
        around = np.array([second[i + a, j + b] for a in (0, 1) for b in (0, 1)])
        one_colour = np.ptp(around, axis=0).max(axis=2) < 1e-5
        within.append(error[~motion.occluded[k] & one_colour])
        seen.append(error[~motion.occluded[k]])
        hidden.append(error[motion.occluded[k]])
        still.append(abs(second - first).mean(axis=2)[~motion.occluded[k]])
    seen, within, hidden, still = map(np.concatenate, (seen, within, hidden, still))
    assert len(within) > 0.9 * len(seen)  # all but outlines, where bilinear values mix
    assert (within < 1e-4).mean() > 0.995
    assert hidden.mean() > 8 * seen.mean()
    assert still.mean() > 1.5 * seen.mean()


def test_textures_move_with_the_surfaces(motion):
    follows, stays = [], []
    for k, pair in enumerate(motion.descriptions):
        first, second = (scenes.render_world(flat_light(world)).image for world in pair)
        x, y = ends(motion, k).transpose(2, 0, 1)
        moving = ~motion.occluded[k] & (np.linalg.norm(motion.flow[k], axis=2) > 0.5)
        moving &= motion.instances[k] > 0
        follows.append(abs(geometry.sample_bilinear(second, x, y) - first).mean(axis=2)[moving])
        stays.append(abs(second - first).mean(axis=2)[moving])
    follows, stays = np.concatenate(follows), np.concatenate(stays)
    assert len(follows) > 500
    assert follows.mean() < 0.6 * stays.mean()


# --- Occlusion ------------------------------------------------------------------------------------


def test_occlusion_is_that_of_a_z_test_in_a_large_second_image(motion):
    disagreeing = checked = 0
    for k in range(6):
        after = motion.descriptions[k][1]
        large = after.camera.resized(9 * 48, 9 * 64)
        depths = scenes.render_world(after, large).depth
        pixels, depth = geometry.project(
            carried(motion, k).reshape(-1, 3), large.K, large.R, large.t
        )
        low, high = (4, 4), (9 * 63 + 4, 9 * 47 + 4)  # the centres of the outermost pixels
        outside = ((pixels < np.array(low) - 0.02) | (pixels > np.array(high) + 0.02)).any(axis=1)
        u, v = np.rint(pixels).astype(int).T
        steps = [(i, j) for i in (-1, 0, 1) for j in (-1, 0, 1)]
        around = np.array(
            [depths[np.clip(v + i, 0, 431), np.clip(u + j, 0, 575)] for i, j in steps]
        )
        behind = around.max(axis=0) < depth * (1 - 0.01)
        before = around.min(axis=0) > depth * (1 - 0.01)
        found = motion.occluded[k].ravel()
        assert found[outside].all()
        sure = ~outside & (behind | before)
        disagreeing += (found[sure] != behind[sure]).sum()
        checked += sure.sum()
        assert sure.sum() > 0.93 * (~outside).sum()
    assert checked > 12_000
    assert disagreeing < 2e-3 * checked  # far sides of things, nearly edge-on


def test_occlusion_is_that_of_a_walk_along_the_ray(motion):
    for k in range(3):
        after, points = motion.descriptions[k][1], carried(motion, k)
        eye = after.camera.position
        way = np.linspace(0.3, 0.998, 300)[:, None, None, None]
        places = eye + (points - eye) * way
        blocked = np.zeros(points.shape[:2], bool)
        for thing in after.objects:
            blocked |= inside(thing, places, 1e-3).any(axis=0)
        place = ends(motion, k)
        outside = ((place < -2e-3) | (place > np.array([63.002, 47.002]))).any(axis=2)
        found = motion.occluded[k]
        assert (found >= (blocked | outside)).all()
        assert (found != (blocked | outside)).mean() < 0.005


# --- What moves -----------------------------------------------------------------------------------


def test_things_keep_clear_of_each_other_and_of_the_wall():
    motion = scenes.sample_motion(60, 12, 16, things=(1, 8), seed=3)
    moving = standing = stacked = 0
    for before, after in motion.descriptions:
        turn = geometry.rotation(after.wall_yaw)[:, 2]
        for number, (thing, later) in enumerate(zip(before.objects, after.objects, strict=True)):
            assert later.y == thing.y
            same = {f.name for f in fields(thing)} - {"x", "z", "yaw"}
            assert all(getattr(thing, name) == getattr(later, name) for name in same)
            if thing.on >= 0:
                base, under = before.objects[thing.on], after.objects[thing.on]
                assert (later.x, later.z) == (under.x, under.z)
                assert later.yaw - thing.yaw == pytest.approx(under.yaw - base.yaw)
                stacked += 1
                continue
            step = math.hypot(later.x - thing.x, later.z - thing.z)
            assert step == 0 or 0.1 <= step <= 0.4 + 1e-9
            assert abs(later.yaw - thing.yaw) <= 12
            moving, standing = moving + (step > 0), standing + (step == 0)
            if step:
                radius = math.hypot(later.size[0], later.size[2]) / 2
                assert turn @ (np.array([later.x, 0, later.z - after.wall_distance])) < -radius
            for other in after.objects[:number]:
                if other.on < 0:
                    gap = math.hypot(later.x - other.x, later.z - other.z)
                    half = [math.hypot(t.size[0], t.size[2]) / 2 for t in (later, other)]
                    assert gap > sum(half)
    assert moving > 10 * standing
    assert stacked > 10


def test_nothing_moves_at_strength_0():
    still = scenes.sample_motion(3, objects=0.0, seed=2)
    np.testing.assert_array_equal(still.first, still.second)
    assert abs(still.flow).max() < 1e-4
    assert not still.occluded.any()
    assert still.valid.all()


def test_a_strength_scales_what_it_names():
    weak, strong = (scenes.sample_motion(6, objects=o, seed=1) for o in (0.5, 1.0))
    np.testing.assert_array_equal(weak.first, strong.first)
    background = strong.semantic < 3
    assert abs(strong.flow[background]).max() < 1e-4
    ratios = [
        math.hypot(w.x - t.x, w.z - t.z) / math.hypot(s.x - t.x, s.z - t.z)
        for (before, small), (_, large) in zip(weak.descriptions, strong.descriptions, strict=True)
        for t, w, s in zip(before.objects, small.objects, large.objects, strict=True)
        if (s.x, s.z) != (t.x, t.z)
    ]
    assert np.median(ratios) == pytest.approx(0.5)
    seen = scenes.sample_motion(6, camera=1.0, objects=1.0, seed=1)
    for (_, first), (_, other) in zip(strong.descriptions, seen.descriptions, strict=True):
        assert first.objects == other.objects  # the camera has draws of its own


def test_first_images_are_those_of_sample_world_and_seeds_decide():
    motion, worlds = scenes.sample_motion(3, seed=9), scenes.sample_world(3, seed=9)
    np.testing.assert_array_equal(motion.first, worlds.images)
    few = scenes.sample_motion(2, seed=9)
    for field in fields(few):
        value = getattr(few, field.name)
        if isinstance(value, np.ndarray):
            np.testing.assert_array_equal(value, getattr(motion[:2], field.name))
    assert abs(motion.second[0] - scenes.sample_motion(1, seed=8).second[0]).max() > 0


@pytest.mark.parametrize(("height", "width"), [(48, 64), (24, 32), (33, 50)])
def test_sizes_kinds_and_tensors(height, width):
    torch = pytest.importorskip("torch")
    motion = scenes.sample_motion(2, height, width, camera=0.5, seed=1, flatness=0.5)
    assert motion.first.shape == motion.second.shape == (2, height, width, 3)
    assert motion.flow.shape == (2, height, width, 2)
    assert motion.first.dtype == motion.flow.dtype == motion.depth.dtype == np.float32
    assert motion.valid.dtype == motion.occluded.dtype == bool
    assert np.isfinite(motion.flow).all()
    assert repr(motion[1]) == f"Motion(1 of {width}x{height} pixels)"
    tensors = motion.torch()
    assert tensors["flow"].shape == (2, 2, height, width)
    assert tensors["second"].shape == (2, 3, height, width)
    assert tensors["occluded"].dtype == torch.bool


def test_an_empty_world_moves_with_its_camera_only():
    motion = scenes.sample_motion(2, things=0, camera=1.0, seed=0)
    assert not motion.instances.any()
    inner = np.zeros((48, 64), bool)
    inner[12:-12, 16:-16] = True
    assert not motion.occluded[:, inner].any()


@pytest.mark.parametrize(
    ("knobs", "error", "said"),
    [
        ({"n": 0}, ValueError, "n must be"),
        ({"n": "two"}, TypeError, "n must be"),
        ({"camera": 2}, ValueError, "camera"),
        ({"camera": math.nan}, ValueError, "camera"),
        ({"objects": -0.1}, ValueError, "objects"),
        ({"objects": (2, 4)}, TypeError, "objects"),
        ({"things": 9}, ValueError, "things"),
        ({"things": (3, 2)}, ValueError, "things"),
        ({"flatness": 7}, ValueError, "flatness"),
        ({"height": 2}, ValueError, "height"),
        ({"seed": -1}, ValueError, "seed"),
    ],
)
def test_bad_settings_are_refused(knobs, error, said):
    with pytest.raises(error, match=said):
        scenes.sample_motion(**({"n": 1} | knobs))


def test_doctests():
    result = doctest.testmod(module)
    assert result.attempted > 3
    assert result.failed == 0
