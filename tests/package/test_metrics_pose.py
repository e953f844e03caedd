"""pck against a loop by its definition, and inputs at the edges."""

import doctest
import math

import numpy as np
import pytest

from cvlab.metrics import pck, pose


def by_definition(predicted, actual, visible, radius):
    shares = []
    for joint in range(predicted.shape[1]):
        right = seen = 0
        for person in range(len(predicted)):
            if not visible[person][joint]:
                continue
            seen += 1
            reach = radius if np.ndim(radius) == 0 else radius[person]
            apart = math.dist(predicted[person, joint], actual[person, joint])
            right += apart <= reach
        shares.append(right / seen if seen else math.nan)
    return shares


@pytest.mark.parametrize("seed", range(20))
def test_equals_a_loop(seed):
    rng = np.random.default_rng(seed)
    n, joints = rng.integers(1, 9, 2)
    actual = rng.integers(0, 6, (n, joints, 2)).astype(rng.choice([np.float32, np.float64]))
    predicted = actual + rng.integers(-4, 5, actual.shape)  # many exactly at the radius
    visible = rng.random((n, joints)) < 0.6
    for radius in (0, 3, 5.0, rng.integers(0, 6, n).astype(float)):
        found = pck(predicted, actual, visible, radius)
        np.testing.assert_array_equal(found, by_definition(predicted, actual, visible, radius))


def test_edges():
    assert doctest.testmod(pose).failed == 0
    zeros = np.zeros((3, 2, 2))
    assert pck(zeros, zeros, radius=0).tolist() == [1, 1]
    assert np.isnan(pck(zeros, zeros, np.zeros((3, 2), bool))).all()
    assert np.isnan(pck(zeros[:0], zeros[:0])).all()
    assert pck(zeros + np.nan, zeros, radius=9).tolist() == [0, 0]
    assert pck(zeros + np.inf, zeros, radius=9).tolist() == [0, 0]
    unseen = zeros.copy()
    unseen[0, 0] = np.nan
    assert pck(zeros, unseen, np.isfinite(unseen[..., 0])).tolist() == [1, 1]
    whole = np.full((1, 1, 2), 250, np.uint8)
    assert pck(whole, np.full((1, 1, 2), 2, np.uint8), radius=10).tolist() == [0]


@pytest.mark.parametrize(
    ("change", "error"),
    [
        ({"predicted": np.zeros((3, 2))}, ValueError),
        ({"predicted": np.zeros((3, 2, 3))}, ValueError),
        ({"predicted": np.array([["a"]])}, TypeError),
        ({"actual": np.full((3, 2, 2), np.nan)}, ValueError),
        ({"visible": np.ones((3, 2))}, ValueError),
        ({"radius": -1}, ValueError),
        ({"radius": math.nan}, ValueError),
        ({"radius": np.ones(2)}, ValueError),
    ],
)
def test_bad_arguments(change, error):
    given = {"predicted": np.zeros((3, 2, 2)), "actual": np.zeros((3, 2, 2))} | change
    with pytest.raises(error):
        pck(**given)
