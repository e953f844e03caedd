"""Worlds: every label against the pixels and against a second, slower way to find it."""

import doctest
import importlib
import math
from dataclasses import fields, replace

import numpy as np
import pytest
from solids import inside

from cvlab import geometry, scenes
from cvlab.scenes import Camera, Sun, Surface, Thing, World, world_rays

EVERYTHING = {"stacking": 1.0, "occlusion": 1.0, "flatness": 0.3, "light": 1.0, "noise": 0.5}


@pytest.fixture(scope="module")
def batch():
    return scenes.sample_world(40, objects=(1, 5), seed=7, stacking=0.5, occlusion=0.6)


def pixel_grid(camera):
    rows, columns = np.mgrid[: camera.height, : camera.width]
    return np.stack([columns.ravel(), rows.ravel()], axis=1)


# --- Depth, points, normals -----------------------------------------------------------------------


def test_depth_unprojects_to_the_points(batch):
    for scene in batch:
        camera = scene.camera
        lifted = geometry.unproject(pixel_grid(camera), scene.depth.ravel(), camera.K)
        world = (lifted - camera.t) @ camera.R
        np.testing.assert_allclose(world, scene.points.reshape(-1, 3), atol=1e-4)


def test_points_lie_on_the_surface_that_the_labels_name(batch):
    for scene in batch:
        world, points = scene.description, scene.points.astype(np.float64)
        assert abs(points[scene.semantic == 1][:, 1]).max() < 1e-4
        turn = geometry.rotation(world.wall_yaw)
        wall = (points[scene.semantic == 2] - (0, 0, world.wall_distance)) @ turn
        assert abs(wall[:, 2]).max() < 1e-4
        for row, index in enumerate(scene.indices):
            thing, own = world.objects[index], points[scene.instances == row + 1]
            assert inside(thing, own, -1e-4).all()
            assert not inside(thing, own, 1e-4).any()


def test_no_ray_meets_anything_before_its_end(batch):
    for scene in batch[:12]:
        world, start = scene.description, scene.camera.position
        ends = scene.points.reshape(-1, 3).astype(np.float64)
        way = np.linspace(0, 1, 60)[:, None, None]
        places = start + (ends - start) * way * (1 - 1e-4)
        assert (places[..., 1] < 1e-9).all()  # above the ground
        for thing in world.objects:
            assert not inside(thing, places, 2e-3).any()


def test_normals_are_those_of_the_depths_surface(batch):
    checked = 0
    for scene in batch:
        points, owner = scene.points.astype(np.float64), scene.instances * 10 + scene.semantic
        here = np.s_[1:-1, 1:-1]
        across = points[1:-1, 2:] - points[1:-1, :-2]
        along = points[2:, 1:-1] - points[:-2, 1:-1]
        found = np.cross(along, across)
        found /= np.linalg.norm(found, axis=-1, keepdims=True)
        normals = scene.normals @ scene.camera.R  # in the world
        np.testing.assert_allclose(np.linalg.norm(normals, axis=-1), 1, atol=1e-5)
        neighbours = (np.s_[1:-1, 2:], np.s_[1:-1, :-2], np.s_[2:, 1:-1], np.s_[:-2, 1:-1])
        one_surface = np.logical_and.reduce([owner[n] == owner[here] for n in neighbours])
        turned = np.max([1 - (normals[n] * normals[here]).sum(-1) for n in neighbours], axis=0)
        agreement = (found * normals[here]).sum(axis=-1)
        flat = one_surface & (turned < 1e-6)
        assert agreement[flat].min() > 1 - 1e-3
        round_ = one_surface & (scene.semantic[here] == 5) & (turned < 0.1)
        assert (agreement[round_] > 0.9).all()
        checked += flat.sum() + round_.sum()
    assert checked > 0.8 * batch.semantic.size


def test_normals_look_towards_the_camera(batch):
    for scene in batch:
        camera = scene.camera
        rays = geometry.unproject(pixel_grid(camera), np.ones(48 * 64), camera.K)
        assert ((scene.normals.reshape(-1, 3) * rays).sum(axis=1) < 1e-6).all()


# --- Images and masks -----------------------------------------------------------------------------


def test_masks_end_where_the_image_changes():
    edges = 0
    for scene in scenes.sample_world(30, objects=(2, 4), seed=2, flatness=1.0, occlusion=0.5):
        owner = scene.instances * 10 + scene.semantic
        image, normals = scene.image, scene.normals
        for first, second in (
            (np.s_[:, 1:], np.s_[:, :-1]),
            (np.s_[1:], np.s_[:-1]),
        ):
            step = abs(image[first] - image[second]).max(axis=-1)
            same = owner[first] == owner[second]
            level = (abs(normals[first] - normals[second]) < 1e-6).all(axis=-1)
            assert step[same & level].max() < 1e-6  # one face has one colour without a texture
            paint = abs(scene.albedo[first] - scene.albedo[second]).max(axis=-1)
            assert (paint[same] == 0).all()
            thing = ~same & ((scene.instances[first] > 0) | (scene.instances[second] > 0))
            clear = thing & (paint > 0.15)
            assert clear.sum() > 0.7 * thing.sum()
            assert (step[clear] > 0.004).all()
            edges += clear.sum()
    assert edges > 3000


def test_the_image_is_albedo_times_lambert(batch):
    for scene in batch[:10]:
        sun = scene.description.sun
        direction = np.array(sun.direction) / np.linalg.norm(sun.direction)
        cosine = np.maximum(scene.normals @ (scene.camera.R @ direction), 0)
        light = sun.ambient + (1 - sun.ambient) * cosine
        np.testing.assert_allclose(scene.image, scene.albedo * light[..., None], atol=1e-5)


def test_lights_of_ones_own_shine_by_lambert_without_shadows(batch):
    lights = np.array([[0.3, -0.5, -0.8], [-1.2, 0.0, 0.0], [0.0, 0.0, -0.5]])
    for scene in batch[:5]:
        images = scene.lit(lights, ambient=0.1)
        assert images.dtype == np.float32
        for image, light in zip(images, lights, strict=True):
            for row, column in np.random.default_rng(0).integers((0, 0), (48, 64), (50, 2)):
                facing = sum(n * s for n, s in zip(scene.normals[row, column], light, strict=True))
                for colour, albedo in zip(
                    image[row, column], scene.albedo[row, column], strict=True
                ):
                    expected = min(albedo * (0.1 + max(facing, 0)), 1)
                    assert colour == pytest.approx(expected, abs=1e-6)
        sun = scene.description.sun
        towards = scene.camera.R @ (np.array(sun.direction) / np.linalg.norm(sun.direction))
        (usual,) = scene.lit((1 - sun.ambient) * towards[None], sun.ambient)
        np.testing.assert_allclose(usual, scene.image, atol=1e-5)


def test_three_lights_give_the_normals_and_the_albedo_back(batch):
    lights = np.array([[0.4, 0.0, -0.9], [-0.4, 0.3, -0.8], [0.0, -0.6, -0.7], [0.3, 0.5, -0.7]])
    scene = batch[0]
    images = scene.lit(lights)
    lit = (scene.normals @ lights.T > 0).all(axis=-1)
    green = images[:, lit, 1].astype(float)  # (L, P)
    found = np.linalg.lstsq(lights, green, rcond=None)[0].T
    albedo = np.linalg.norm(found, axis=1)
    np.testing.assert_allclose(albedo, scene.albedo[lit][:, 1], atol=1e-5)
    np.testing.assert_allclose(found / albedo[:, None], scene.normals[lit], atol=1e-5)
    assert lit.mean() > 0.5


@pytest.mark.parametrize("lights", [[0, 0, -1], [[0, 1]], [[0, 0, math.nan]]])
def test_lights_that_shine_from_nowhere_are_refused(lights, batch):
    with pytest.raises(ValueError, match="lights"):
        batch[0].lit(lights)
    with pytest.raises(ValueError, match="ambient"):
        batch[0].lit([[0, 0, -1]], ambient=-1)
    assert batch[0].lit(np.empty((0, 3))).shape == (0, 48, 64, 3)


def test_boxes_and_labels_are_those_of_the_masks(batch):
    for scene in batch:
        assert scene.instances.max() == len(scene.boxes) == len(scene.boxes_3d)
        assert ((scene.instances > 0) == (scene.semantic > 2)).all()
        for row, (box, label) in enumerate(zip(scene.boxes, scene.box_labels, strict=True)):
            rows, columns = np.nonzero(scene.instances == row + 1)
            x1, y1, x2, y2 = box
            assert (x1, y1) == (columns.min(), rows.min())
            assert (x2, y2) == (columns.max() + 1, rows.max() + 1)
            assert (scene.semantic[rows, columns] == 3 + label).all()
            assert scenes.THINGS[label] == scene.description.objects[scene.indices[row]].shape


# --- Boxes in space, relations, shapes ------------------------------------------------------------


def test_boxes_in_space_project_around_the_masks_and_no_wider():
    for scene in scenes.sample_world(60, objects=1, seed=3):
        (box,), camera = scene.boxes, scene.camera
        (corners,) = geometry.box_corners(scene.boxes_3d, camera.tilt)
        pixels, depth = geometry.project(corners, camera.K)
        low, high = pixels.min(axis=0) + 0.5, pixels.max(axis=0) + 0.5  # edges
        assert (low < box[:2] + 0.501).all()
        assert (high > box[2:] - 0.501).all()
        if scene.box_labels[0] != 2:
            assert (box[:2] - low < 1.6).all()
            assert (high - box[2:] < 1.6).all()
        seen = scene.depth[scene.instances == 1]
        assert depth.min() - 1e-4 < seen.min()
        assert seen.max() < depth.max() + 1e-4


def test_relations_are_those_of_the_boxes_in_space(batch):
    kinds = set()
    for scene in batch:
        level = scene.boxes_3d[:, :3] @ scene.camera.tilt  # camera of the same heading, level
        world = {(s, o): r for s, r, o in scene.relations}
        m = len(scene.boxes)
        assert len(world) == len(scene.relations) == m * (m - 1)
        for (subject, other), found in world.items():
            x, _, z = level[subject] - level[other]
            first, second = (scene.description.objects[scene.indices[k]] for k in (subject, other))
            stands = first.y < -0.01 and math.hypot(first.x - second.x, first.z - second.z) < 0.01
            carries = second.y < -0.01 and math.hypot(first.x - second.x, first.z - second.z) < 0.01
            across = ("left of", "right of")[int(x > 0)]
            along = ("in front of", "behind")[int(z > 0)]
            expected = across if abs(x) >= abs(z) else along
            expected = "on" if stands else "under" if carries else expected
            assert found == expected
            kinds.add(found)
    assert kinds == set(scenes.RELATIONS)


def test_a_thing_on_another_touches_it_and_nothing_else_overlaps(batch):
    for world in batch.descriptions:
        for number, thing in enumerate(world.objects):
            if thing.on >= 0:
                base = world.objects[thing.on]
                assert thing.y == pytest.approx(base.y - base.size[1])
                assert inside(base, np.array([thing.x, base.y - base.size[1] / 2, thing.z]))
            else:
                assert thing.y == 0
            for other in world.objects[:number]:
                if other.on < 0 and thing.on < 0:
                    gap = math.hypot(thing.x - other.x, thing.z - other.z)
                    half = [math.hypot(t.size[0], t.size[2]) / 2 for t in (thing, other)]
                    assert gap > sum(half)


def test_voxels_have_the_volume_and_clouds_lie_on_the_surface(batch):
    for scene in batch[:10]:
        voxels, clouds = scene.voxels(32), scene.clouds(300)
        assert voxels.shape == (len(scene.boxes), 32, 32, 32)
        for thing, full, cloud in zip(
            (scene.description.objects[i] for i in scene.indices), voxels, clouds, strict=True
        ):
            volume = np.prod(thing.size) * (math.pi / 6 if thing.shape == "ball" else 1)
            if thing.shape != "card":  # thinner than a cell
                assert full.mean() == pytest.approx(volume / max(thing.size) ** 3, rel=0.12)
            turned = cloud @ geometry.rotation(thing.yaw).T + thing.centre
            assert inside(thing, turned, -1e-4).all()
            assert not inside(thing, turned, 1e-4).any()
            assert (abs(cloud.mean(axis=0)) < 0.15 * max(thing.size)).all()


# --- Who sees what --------------------------------------------------------------------------------


def test_a_point_is_not_seen_where_the_way_to_it_leads_through_a_thing(batch):
    found_all = sampled = 0
    for scene in batch[:12]:
        camera = scene.camera.moved(right=0.8)
        points = scene.points.reshape(-1, 3).astype(np.float64)
        assert not world_rays.unseen(scene.description, scene.camera, points.T).any()
        (u, v), _ = (axis.T for axis in geometry.project(points, camera.K, camera.R, camera.t))
        found = world_rays.unseen(scene.description, camera, points.T)
        outside = (u < -2e-3) | (u > 63.002)
        assert found[outside].all()
        assert abs(v.reshape(48, 64) - np.arange(48)[:, None]).max() < 1e-3
        way = np.linspace(0.3, 0.998, 500)[:, None, None]
        places = camera.position + (points - camera.position) * way
        through = np.zeros(len(points), bool)
        for thing in scene.description.objects:
            through |= inside(thing, places, 1e-3).any(axis=0)
        assert (found >= through).all()  # steps may miss a corner that the ray cuts
        assert (found != through)[~outside].mean() < 0.005
        found_all += found[~outside].sum()
        sampled += through[~outside].sum()
    assert 500 < sampled <= found_all


# --- Other cameras --------------------------------------------------------------------------------


def test_a_second_camera_sees_the_same_world(batch):
    agreeing = 0
    for scene in batch[:15]:
        world = replace(scene.description, noise=0.0)
        other = scenes.render_world(world, scene.camera.moved(right=0.4, down=-0.1, forward=0.2))
        points = scene.points.reshape(-1, 3)
        pixels, depth = geometry.project(points, other.camera.K, other.camera.R, other.camera.t)
        u, v = np.rint(pixels).astype(int).T
        seen = (u >= 0) & (u < 64) & (v >= 0) & (v < 48)
        # What stands in front of a point in the other image may hide it, but nothing lies behind.
        there = other.depth[v[seen], u[seen]]
        owner = scene.semantic.ravel()[seen]
        free = abs(there - depth[seen]) < 0.02 * depth[seen]
        assert (other.semantic[v[seen], u[seen]][free] == owner[free]).mean() > 0.97
        assert (there < 1.15 * depth[seen]).mean() > 0.95
        agreeing += free.mean() / 15
    assert agreeing > 0.8


def test_a_step_to_the_right_shifts_a_pixel_by_focal_length_times_step_over_depth(batch):
    scene = batch[0]
    camera, moved = scene.camera, scene.camera.moved(right=0.5)
    points = scene.points.reshape(-1, 3).astype(np.float64)
    left, depth = geometry.project(points, camera.K, camera.R, camera.t)
    right, same = geometry.project(points, moved.K, moved.R, moved.t)
    np.testing.assert_allclose(left[:, 0] - right[:, 0], camera.K[0, 0] * 0.5 / depth, atol=1e-6)
    np.testing.assert_allclose(left[:, 1], right[:, 1], atol=1e-6)
    np.testing.assert_allclose(depth, same)


def test_a_larger_image_shows_the_same_view(batch):
    for scene in batch[:5]:
        large = scenes.render_world(scene.description, scene.camera.resized(144, 192))
        assert (large.semantic[1::3, 1::3] == scene.semantic).all()  # the middle of three
        np.testing.assert_allclose(large.depth[1::3, 1::3], scene.depth, rtol=1e-5)
        np.testing.assert_allclose(large.boxes_3d, scene.boxes_3d)


def test_heading_and_tilt_make_up_the_rotation():
    camera = Camera.at((1, -2, 0.5), yaw=33, pitch=-20, roll=5)
    assert camera.heading == pytest.approx(33)
    np.testing.assert_allclose(camera.position, (1, -2, 0.5))
    np.testing.assert_allclose(camera.tilt, geometry.rotation(0, -20, 5).T, atol=1e-12)


def test_where_there_is_nothing_the_labels_say_so():
    world = World(camera=Camera.at((0, -1.5, 0), yaw=180, pitch=30))
    scene = scenes.render_world(world)
    assert (scene.semantic == 0).all()
    assert np.isinf(scene.depth).all()
    assert np.isnan(scene.points).all()
    assert not scene.normals.any()
    assert not scene.image.any()
    assert scene.boxes.shape == (0, 4)
    assert scene.boxes_3d.shape == (0, 7)
    assert scene.voxels().shape == (0, 16, 16, 16)
    assert scene.clouds().shape == (0, 256, 3)
    assert scene.relations == []


def test_a_thing_behind_the_camera_or_hidden_has_no_row():
    behind = Thing("box", z=-3.0)
    small, wall = Thing("ball", z=5.0, size=(0.2, 0.2, 0.2)), Thing("card", z=3.0)
    scene = scenes.render_world(World((behind, small, wall)))
    assert scene.indices.tolist() == [2]


# --- Drawing --------------------------------------------------------------------------------------


def same(first, second):
    for field in fields(first):
        a, b = getattr(first, field.name), getattr(second, field.name)
        if isinstance(a, np.ndarray):
            np.testing.assert_array_equal(a, b)


def test_seeds_decide_and_fewer_worlds_are_the_first_of_more():
    first, again = (
        scenes.sample_world(6, seed=5, **EVERYTHING),
        scenes.sample_world(3, seed=5, **EVERYTHING),
    )
    same(first[:3], again)
    assert first.descriptions[:2][0].objects == again.descriptions[0].objects
    assert abs(first.images[0] - scenes.sample_world(1, seed=6, **EVERYTHING).images[0]).max() > 0
    same(first[2], scenes.render_world(scenes.describe_world(5, 2, **EVERYTHING)))


@pytest.mark.parametrize("name", ["light", "noise", "flatness"])
def test_a_strength_moves_nothing_but_what_it_names(name):
    plain, strong = scenes.describe_world(11), scenes.describe_world(11, **{name: 1.0})
    place = [(t.shape, t.x, t.z, t.size, t.yaw, t.colour) for t in plain.objects]
    assert place == [(t.shape, t.x, t.z, t.size, t.yaw, t.colour) for t in strong.objects]
    assert plain.wall_distance == strong.wall_distance
    assert plain != strong


@pytest.mark.parametrize(("height", "width"), [(48, 64), (64, 48), (32, 32), (96, 128)])
@pytest.mark.parametrize("objects", [0, 1, 8])
def test_every_size_and_number_is_drawn(height, width, objects):
    batch = scenes.sample_world(4, height, width, objects, seed=1, **EVERYTHING)
    assert batch.images.shape == (4, height, width, 3)
    assert batch.images.min() >= 0
    assert batch.images.max() <= 1
    assert [len(world.objects) for world in batch.descriptions] == [objects] * 4
    assert np.isfinite(batch.depth).all()


def test_things_are_not_lost_at_the_usual_strengths():
    batch = scenes.sample_world(100, seed=9)
    drawn = sum(len(world.objects) for world in batch.descriptions)
    assert sum(map(len, batch.boxes)) > 0.99 * drawn


def test_batches_index_and_become_tensors():
    torch = pytest.importorskip("torch")
    batch = scenes.sample_world(5, seed=1)
    assert len(batch[1:3]) == 2
    assert len(batch[np.array([True, False, True, False, False])]) == 2
    same(batch[[4, 0]][1], batch[0])
    tensors = batch.torch()
    assert tensors["images"].shape == (5, 3, 48, 64)
    assert tensors["depth"].shape == (5, 48, 64)
    assert tensors["boxes_3d"][0].dtype == torch.float32


# --- Refusals -------------------------------------------------------------------------------------

BOX = Thing("box")


@pytest.mark.parametrize(
    ("world", "said"),
    [
        (World((replace(BOX, shape="cone"),)), "shape from"),
        (World((replace(BOX, size=(1, 0, 1)),)), "positive sizes"),
        (World((Thing("ball", size=(1, 1, 2)),)), "three equal sizes"),
        (World((replace(BOX, texture="wool"),)), "texture from"),
        (World((replace(BOX, period=0.0),)), "positive period"),
        (World((replace(BOX, colour=(1.2, 0, 0)),)), "Colours"),
        (World((replace(BOX, x=math.nan),)), "finite"),
        (World(sun=Sun(direction=(0, 0, 0))), "direction"),
        (World(sun=Sun(ambient=2)), "ambient"),
        (World(noise=-1), "Noise"),
        (World(wall_yaw=80), "yaw"),
        (World(ground=Surface(texture="grass")), "texture from"),
        (World(camera=Camera.at((0, 0.1, 0))), "above the ground"),
        (World(camera=Camera.at((0, -1, 9))), "in front of the wall"),
        (World((replace(BOX, z=0.0, size=(2, 2, 2)),)), "inside thing 0"),
        (World(camera=replace(Camera.at(), R=2 * np.eye(3))), "rotation"),
        (World(camera=replace(Camera.at(), K=np.zeros((3, 3)))), "focal"),
        (World(camera=replace(Camera.at(), height=0)), "height"),
    ],
)
def test_what_cannot_be_drawn_is_refused(world, said):
    with pytest.raises(ValueError, match=said):
        scenes.render_world(world)


@pytest.mark.parametrize(
    ("knobs", "error"),
    [
        ({"objects": (3, 2)}, ValueError),
        ({"objects": 9}, ValueError),
        ({"objects": (1, 2, 3)}, ValueError),
        ({"light": 2.0}, ValueError),
        ({"noise": "loud"}, TypeError),
        ({"height": 4}, ValueError),
        ({"fog": 1.0}, TypeError),
    ],
)
def test_bad_settings_are_refused(knobs, error):
    with pytest.raises(error):
        scenes.describe_world(**knobs)


def test_an_image_without_room_says_so():
    with pytest.raises(ValueError, match="no room"):
        scenes.sample_world(1, 8, 1024, 3)


def test_relations_need_two_things():
    world = scenes.describe_world(0, objects=2)
    with pytest.raises(ValueError, match="itself"):
        scenes.relation(world, world.camera, 1, 1)
    with pytest.raises(ValueError, match="subject and other"):
        scenes.relation(world, world.camera, 0, 2)
    with pytest.raises(TypeError, match="World and a Camera"):
        scenes.render_world("world")


@pytest.mark.parametrize("name", ["world", "world_description", "world_rays", "world_renderer"])
def test_doctests(name):
    result = doctest.testmod(importlib.import_module(f"cvlab.scenes.{name}"))
    assert result.attempted > 1
    assert result.failed == 0
