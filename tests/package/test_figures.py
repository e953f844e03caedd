"""People against second ways to find what is true of them, and labels against pixels."""

import doctest
import importlib

import numpy as np
import pytest

from cvlab import scenes
from cvlab.scenes import JOINT_PARTS, JOINTS, MIRROR, PARTS, figure, render_figures, sample_figures

WALL = 6.0


def identical(first, second):
    return all(
        np.array_equal(getattr(first, name), getattr(second, name))
        for name in ("images", "keypoints", "visible", "keypoints_3d", "parts", "instances")
    )


@pytest.mark.parametrize("name", ["figures", "figure_description", "figure_renderer"])
def test_examples(name):
    module = importlib.import_module(f"cvlab.scenes.{name}")
    assert doctest.testmod(module).failed == 0
    assert doctest.testmod(module).attempted > 0


def test_an_image_depends_on_the_seed_and_its_place_alone():
    few, many = sample_figures(3, people=2, seed=4), sample_figures(20, people=2, seed=4)
    assert identical(few, many[:3])
    assert not identical(few, sample_figures(3, people=2, seed=5))
    assert identical(many[[17]], many[17])


@pytest.mark.parametrize("motion", [None, *scenes.MOTIONS])
def test_joints_in_space_project_onto_those_in_the_image(motion):
    batch = sample_figures(30, size=48, motion=motion, people=2, turn=180, seed=1)
    points = batch.keypoints_3d.astype(np.float64)
    focal, middle = 1.3 * 48, 23.5
    x = focal * points[..., 0] / points[..., 2] + middle
    y = focal * points[..., 1] / points[..., 2] + middle
    np.testing.assert_allclose(np.stack([x, y], -1), batch.keypoints, atol=1e-4)


def test_bones_keep_their_length_and_sides_their_mirror():
    batch = sample_figures(40, motion=None, turn=180, seed=2)
    height = np.array([crowd[0].build for crowd in batch.people])
    for first, second in scenes.LIMBS:
        bone = batch.keypoints_3d[:, 0, first] - batch.keypoints_3d[:, 0, second]
        length = np.linalg.norm(bone, axis=-1) / height
        if (first, second) not in {(1, 8), (1, 9)}:
            np.testing.assert_allclose(length, length[0], rtol=1e-4)
    assert sorted(MIRROR) == list(range(14))
    assert all(JOINTS[k][4:].strip() == JOINTS[MIRROR[k]][5:].strip() for k in range(2, 14, 2))
    seen = sorted(child for _parent, child in scenes.LIMBS)
    assert seen == [k for k in range(14) if k != 1]


def capsule_depth(ray, a, b, radius):
    """Where a ray first comes within a radius of a segment, by small steps and bisection."""
    z = np.linspace(1, WALL, 4001)
    axis = b - a

    def gap(z):
        p = z[:, None] * ray
        t = np.clip((p - a) @ axis / max(axis @ axis, 1e-12), 0, 1)
        return np.linalg.norm(p - a - t[:, None] * axis, axis=1) - radius

    inside = np.flatnonzero(gap(z) < 0)
    if not len(inside):
        return np.inf
    low, high = z[inside[0] - 1], z[inside[0]]
    for _ in range(30):
        middle = (low + high) / 2
        low, high = (low, middle) if gap(np.array([middle]))[0] < 0 else (middle, high)
    return high


def test_depth_and_parts_are_those_of_small_steps_along_the_rays():
    batch = sample_figures(9, size=32, motion=None, turn=180, depth=True, seed=3, noise=0)
    build = [crowd[0].build for crowd in batch.people]
    radius = {"upper arm": 0.052, "forearm": 0.045, "thigh": 0.078, "shank": 0.058}
    ends = {"upper arm": (2, 4), "forearm": (4, 6), "thigh": (8, 10), "shank": (10, 12)}
    checked = 0
    for n in range(9):
        rows, columns = np.nonzero(batch.parts[n])
        for row, column in zip(rows[::3], columns[::3], strict=True):
            side, _, name = PARTS[batch.parts[n, row, column] - 1].partition(" ")
            if name not in ends:
                continue
            first, second = (joint + (side == "right") for joint in ends[name])
            a, b = batch.keypoints_3d[n, 0, [first, second]].astype(float)
            ray = np.array([(column - 15.5) / 41.6, (row - 15.5) / 41.6, 1.0])
            expected = capsule_depth(ray, a, b, radius[name] * build[n])
            assert abs(expected - batch.depth[n, row, column]) < 2e-3
            checked += 1
    assert checked > 100


def test_nearer_people_hide_farther_ones():
    near, far = figure(distance=2.5), figure(x=0.02, distance=3.5)
    both = render_figures([[near, far], [far, near]], size=64)
    alone = render_figures([[near], [far]], size=64)
    assert (both.depth[0] == alone.depth.min(0)).all()
    assert (both.depth[1] == both.depth[0]).all()
    assert (both.images[1] == both.images[0]).all()
    nearest = np.where(alone.depth.min(0) == WALL, 0, 1 + alone.depth.argmin(0))
    assert (both.instances[0] == nearest).all()
    assert (both.instances[1] == np.array([0, 2, 1])[nearest]).all()


def test_masks_end_where_the_image_changes():
    crowd = [[figure(yaw=20)]]
    pink = np.array([1, 0, 1], np.float32)
    batch = render_figures(crowd, 64, np.broadcast_to(pink, (1, 2, 3)))
    outside = batch.parts[0] == 0
    assert (batch.images[0][outside] == pink).all()
    assert (abs(batch.images[0][~outside] - pink).max(-1) > 0.02).all()
    assert ((batch.depth[0] == WALL) == outside).all()
    assert ((batch.instances[0] == 0) == outside).all()


def test_visible_joints_lie_on_their_own_parts_and_boxes_hold_all_pixels():
    batch = sample_figures(60, size=48, people=2, crossing=0.8, turn=180, seed=6)
    for n in range(60):
        for person in range(2):
            mask = batch.instances[n] == person + 1
            rows, columns = np.nonzero(mask)
            box = [columns.min(), rows.min(), columns.max() + 1, rows.max() + 1]
            assert batch.boxes[n, person].tolist() == box
            for joint in range(14):
                x, y = np.floor(batch.keypoints[n, person, joint] + 0.5).astype(int)
                inside = 0 <= x < 48 and 0 <= y < 48
                on = inside and mask[y, x] and batch.parts[n, y, x] in JOINT_PARTS[joint]
                assert on == batch.visible[n, person, joint]
    hidden = render_figures([[figure(distance=2.0), figure(x=9.0, distance=3.0)]])
    assert hidden.boxes[0, 1].tolist() == [0, 0, 0, 0]
    assert not hidden.visible[0, 1].any()


def test_settings_do_what_they_say():
    crossed = sample_figures(20, people=2, crossing=1.0, seed=1).keypoints_3d[:, :, 8:10].mean(2)
    apart = sample_figures(20, people=2, crossing=0.0, seed=1).keypoints_3d[:, :, 8:10].mean(2)
    np.testing.assert_allclose(crossed[:, 1, 0] - crossed[:, 0, 0], 0, atol=1e-5)
    np.testing.assert_allclose(apart[:, 1, 0] - apart[:, 0, 0], 1, atol=1e-5)
    assert sample_figures(30, sided=1.0).sided.all()
    assert not sample_figures(30, sided=0.0).sided.any()
    assert 0.3 < sample_figures(300).sided.mean() < 0.7
    assert sample_figures(2).depth is None
    assert sample_figures(0).images.shape == (0, 48, 48, 3)
    assert sample_figures(2, people=0).keypoints.shape == (2, 0, 14, 2)
    assert not sample_figures(2, people=0).parts.any()
    plain = sample_figures(1, sided=0.0).people[0][0].colours
    assert (plain[4] == plain[5]).all()


@pytest.mark.parametrize(
    ("call", "error"),
    [
        (lambda: sample_figures(-1), ValueError),
        (lambda: sample_figures(1, motion="fly"), ValueError),
        (lambda: sample_figures(1, motion=()), ValueError),
        (lambda: sample_figures(1, distance=(3, 2)), ValueError),
        (lambda: sample_figures(1, distance=3), ValueError),
        (lambda: sample_figures(1, crossing=2), ValueError),
        (lambda: sample_figures(1, people=1.5), TypeError),
        (lambda: figure(np.zeros(12)), ValueError),
        (lambda: figure(distance=0), ValueError),
        (lambda: figure(colours=np.zeros((3, 3))), ValueError),
        (lambda: render_figures([[figure()], []]), ValueError),
        (lambda: render_figures([["nobody"]]), TypeError),
        (lambda: render_figures([[figure(distance=9)]]), ValueError),
        (lambda: render_figures([[figure()]], backgrounds=np.zeros(3)), ValueError),
    ],
)
def test_bad_arguments_are_refused_in_one_sentence(call, error):
    with pytest.raises(error) as caught:
        call()
    assert str(caught.value).endswith(".")
