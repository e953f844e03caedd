"""Crowds: one walker against a loop of its own, people and walls against what the text promises."""

import doctest
import math

import numpy as np
import pytest
from scipy import ndimage

from cvlab.scenes import (
    CROWD_SIDE,
    CROWD_STEP,
    HEAD_LEAD,
    WALLS,
    crowds,
    in_walls,
    sample_crowds,
)


def turned(angle):
    """The angle in [-pi, pi)."""
    return (angle + np.pi) % (2 * np.pi) - np.pi


def nearest(positions):
    """Distance (N, P, T) of each person to the nearest other one."""
    gap = np.linalg.norm(positions[:, :, None] - positions[:, None], axis=-1)
    return np.where(np.eye(gap.shape[1], dtype=bool)[None, :, :, None], np.inf, gap).min(2)


def lone_walk(start, first, second, speed, turn, steps):
    """Four small steps for each position; what is wanted is taken up within 0.8 seconds."""
    (x, y), (u, v) = start, (speed * math.cos(first), speed * math.sin(first))
    walked = []
    for k in range(4 * (steps - 1) + 1):
        if k % 4 == 0:
            walked.append((x, y))
        yaw = second if 0.1 * k >= turn else first
        u += 0.1 / 0.8 * (speed * math.cos(yaw) - u)
        v += 0.1 / 0.8 * (speed * math.sin(yaw) - v)
        x, y = x + 0.1 * u, y + 0.1 * v
    return np.array(walked)


def test_examples():
    results = doctest.testmod(crowds)
    assert results.failed == 0
    assert results.attempted > 0


@pytest.mark.parametrize("walls", WALLS)
def test_a_scene_depends_on_seed_and_its_place_alone(walls):
    few, many = (sample_crowds(n, walls=walls, seed=4) for n in (3, 7))
    np.testing.assert_allclose(few.positions, many.positions[:3], atol=1e-4)
    np.testing.assert_allclose(few.heads, many.heads[:3], atol=1e-4)
    np.testing.assert_array_equal(few.groups, many.groups[:3])
    np.testing.assert_array_equal(few.map, many.map[:3])
    other = sample_crowds(3, walls=walls, seed=5)
    assert abs(other.positions - few.positions).max() > 0.1
    if walls != "none":
        assert not np.array_equal(other.map, few.map)


def test_shapes_types_and_who_is_there():
    batch = sample_crowds(60, (2, 5), 9, seed=1)
    assert len(batch) == 60
    assert repr(batch) == "Crowds(60 of up to 5 people, 9 steps)"
    assert batch.positions.shape == (60, 5, 9, 2)
    assert batch.positions.dtype == batch.heads.dtype == np.float32
    assert batch.heads.shape == (60, 5, 9)
    assert batch.present.dtype == batch.map.dtype == bool
    assert set(batch.present.sum(1)) == {2, 3, 4, 5}
    assert not batch.positions[~batch.present].any()
    assert not batch.heads[~batch.present].any()
    np.testing.assert_array_equal(batch.groups >= 0, batch.present)
    assert (abs(batch.heads) <= np.float32(np.pi)).all()
    assert not batch.map.any()
    assert np.isfinite(batch.positions).all()
    assert sample_crowds(1, 1, 2).positions.shape == (1, 1, 2, 2)


def test_a_batch_is_picked_from_and_given_to_torch():
    batch = sample_crowds(6, 4, 5, "streets", seed=2)
    tensors = batch.torch()
    assert set(tensors) == {"positions", "present", "heads", "groups", "map"}
    assert tensors["positions"].data_ptr() == batch.positions.ctypes.data
    for index in (2, slice(1, 4), np.array([5, 0]), batch.positions[:, 0, 0, 0] > 0):
        few = batch[index]
        places = np.atleast_1d(np.arange(6)[index])
        assert len(few) == len(places)
        np.testing.assert_array_equal(few.positions, batch.positions[places])
        np.testing.assert_array_equal(few.map, batch.map[places])


def test_one_walker_goes_as_a_loop_by_hand():
    batch = sample_crowds(80, 1, 40, seed=2)
    turning = 0
    for walked, heads in zip(batch.positions[:, 0], batch.heads[:, 0], strict=True):
        first = math.atan2(*(walked[1] - walked[0])[::-1])
        speed = np.linalg.norm(walked[1] - walked[0]) / CROWD_STEP
        assert 0.9 <= speed <= 1.5 + 1e-5
        second = math.atan2(*(walked[-1] - walked[-2])[::-1])
        if abs(turned(second - first)) < 1e-3:
            line = walked[0] + np.arange(40)[:, None] * (walked[1] - walked[0])
            np.testing.assert_allclose(walked, line, atol=1e-3)
            assert abs(turned(heads - first)).max() < 0.6
            continue
        turning += 1
        assert 40 - 0.1 <= abs(np.degrees(turned(second - first))) <= 110 + 0.1
        tries = [
            lone_walk(walked[0], first, second, speed, turn, 40) for turn in np.arange(4, 10.5, 0.1)
        ]
        wrong = [abs(tried - walked).max() for tried in tries]
        assert min(wrong) < 0.02
        # The head is a second ahead of the turn that fits best.
        turn = 4 + 0.1 * int(np.argmin(wrong))
        ahead = np.arange(40) * CROWD_STEP + HEAD_LEAD
        clear = abs(ahead - turn) > 0.15
        wanted = np.where(ahead > turn, second, first)
        assert abs(turned(heads - wanted))[clear].max() < 0.6
    assert 24 <= turning <= 56  # every other one


def test_heads_waver_by_a_tenth_of_a_radian():
    batch = sample_crowds(200, 1, 20, seed=8)
    step = batch.positions[:, 0, 1] - batch.positions[:, 0, 0]
    off = turned(batch.heads[:, 0, 0] - np.arctan2(step[:, 1], step[:, 0]))
    assert 0.08 < off.std() < 0.12
    assert abs(off.mean()) < 0.03


def test_groups_hold_up_to_three_who_walk_together():
    batch = sample_crowds(80, 6, seed=3)
    sizes = set()
    together, apart = [], []
    for positions, groups in zip(batch.positions, batch.groups, strict=True):
        assert (np.diff(groups) >= 0).all()
        assert set(groups) == set(range(groups.max() + 1))
        sizes |= set(np.bincount(groups))
        gap = np.linalg.norm(positions[:, None] - positions[None], axis=-1).mean(-1)
        same = groups[:, None] == groups
        together += gap[same & ~np.eye(6, dtype=bool)].tolist()
        apart += gap[~same].tolist()
    assert sizes == {1, 2, 3}
    assert np.median(together) < 1.5 < 3 < np.median(apart)


@pytest.mark.parametrize("walls", WALLS)
def test_people_avoid_each_other(walls):
    batch = sample_crowds(150, 8, walls=walls, seed=6)
    assert nearest(batch.positions[:, :, :1]).min() > 0.6
    straight = batch.positions[:, :, :1] + np.arange(20)[:, None] * (
        batch.positions[:, :, 1:2] - batch.positions[:, :, :1]
    )
    assert (nearest(batch.positions) < 0.3).mean() < 0.1 * (nearest(straight) < 0.3).mean()
    speed = np.linalg.norm(np.diff(batch.positions, axis=2), axis=-1) / CROWD_STEP
    assert speed.max() <= 1.4 * 1.5 + 1e-4


def test_those_who_are_absent_push_nobody():
    batch = sample_crowds(200, (1, 8), 12, seed=5)  # the first turn is after 1.2 seconds
    alone = batch.present.sum(1) == 1
    assert alone.sum() >= 10
    bends = np.diff(batch.positions, n=2, axis=2)
    assert abs(bends[alone, 0, :1]).max() < 1e-4
    assert abs(bends[~alone]).max() > 0.05


def test_streets_are_walls_that_nobody_enters():
    batch = sample_crowds(120, (3, 8), 30, "streets", seed=7)
    assert not in_walls(batch.map, batch.positions)[batch.present].any()
    arms = set()
    for wall in batch.map:
        free, pieces = ndimage.label(~wall)
        assert pieces == 1
        borders = [free[0], free[-1], free[:, 0], free[:, -1]]
        arms.add(sum(bool(border.any()) for border in borders))
        assert 0.3 < wall.mean() < 0.9
    assert arms == {2, 3}
    assert len({wall.tobytes() for wall in batch.map}) > 110
    # A line on from the first two positions runs into them, often enough to need the map.
    line = batch.positions[:, :, :1] + np.arange(20)[:, None] * (
        batch.positions[:, :, 1:2] - batch.positions[:, :, :1]
    )
    assert in_walls(batch.map, line)[batch.present].mean() > 0.1


def test_in_walls_equals_a_loop_over_points():
    rng = np.random.default_rng(9)
    wall = rng.random((3, 32, 32)) < 0.5
    places = rng.uniform(-9, 9, (3, 4, 25, 2))
    cell = CROWD_SIDE / 32
    for n, p, t in np.ndindex(3, 4, 25):
        j, i = (math.floor((value + 8) / cell) for value in places[n, p, t])
        wanted = 0 <= i < 32 and 0 <= j < 32 and wall[n, i, j]
        assert in_walls(wall, places)[n, p, t] == wanted
    edges = np.array([[[-8.0, -8.0], [8.0, 8.0], [7.999, 0.0]]])
    assert in_walls(np.ones((1, 32, 32)), edges).tolist() == [[True, False, True]]


@pytest.mark.parametrize(
    ("settings", "error", "words"),
    [
        ({"n": 0}, ValueError, "n must be at least 1"),
        ({"n": 2.0}, TypeError, "n must be an integer"),
        ({"n": 1, "people": 0}, ValueError, "an empty square has no crowd"),
        ({"n": 1, "people": (3, 13)}, ValueError, "people"),
        ({"n": 1, "people": (4, 3)}, ValueError, "lo <= hi"),
        ({"n": 1, "steps": 1}, ValueError, "steps must be in 2 to 200"),
        ({"n": 1, "walls": "maze"}, ValueError, "walls must be one of 'none', 'streets'"),
        ({"n": 1, "seed": -1}, ValueError, "seed must be at least 0"),
    ],
)
def test_bad_settings_get_one_sentence(settings, error, words):
    with pytest.raises(error, match=words):
        sample_crowds(**settings)


@pytest.mark.parametrize(
    ("wall", "places", "words"),
    [
        (np.ones((32, 32)), np.ones((1, 2)), "map must have the shape"),
        (np.ones((2, 32, 32)), np.ones((1, 5, 2)), r"positions must have the shape \(2, ..., 2\)"),
        (np.ones((2, 32, 32)), np.ones((2, 5, 3)), "positions must have the shape"),
        (np.ones((1, 32, 32)), np.full((1, 1, 2), np.nan), "NaN or infinite"),
    ],
)
def test_in_walls_refuses_other_shapes(wall, places, words):
    with pytest.raises(ValueError, match=words):
        in_walls(wall, places)
