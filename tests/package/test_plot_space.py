"""Pictures of flows and clouds of points: what is drawn is read back from the colours."""

from __future__ import annotations

import colorsys
import doctest
import math
import sys

import numpy as np
import pytest
from matplotlib import colormaps

from cvlab import geometry, plot, plot_space


def test_doctests_and_names():
    assert doctest.testmod(plot_space).failed == 0
    assert all(getattr(plot, name) is getattr(plot_space, name) for name in plot_space.__all__)
    assert set(plot_space.__all__) < set(plot.__all__)
    assert "cvlab.plot" in sys.modules


# --- Flow -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("seed", range(5))
def test_hue_is_the_direction_and_saturation_the_length(seed):
    rng = np.random.default_rng(seed)
    flow, limit = rng.uniform(-4, 4, (5, 7, 2)), 3.0
    found = plot.flow_colours(flow, limit=limit)
    for (du, dv), colour in zip(flow.reshape(-1, 2), found.reshape(-1, 3), strict=True):
        hue = math.atan2(dv, du) / (2 * math.pi) % 1
        expected = colorsys.hsv_to_rgb(hue, min(math.hypot(du, dv) / limit, 1), 1)
        assert colour == pytest.approx(expected)


def test_directions_have_the_colours_that_the_text_names():
    right, down, left, up = plot.flow_colours(np.array([[[1, 0], [0, 1], [-1, 0], [0, -1]]]))[0]
    assert right.tolist() == [1, 0, 0]
    assert down == pytest.approx([0.5, 1, 0])
    assert left == pytest.approx([0, 1, 1])
    assert up == pytest.approx([0.5, 0, 1])


def test_unknown_and_resting_pixels_and_the_limit():
    flow = np.array([[[0.0, 0], [2, 0], [8, 0], [np.inf, 0]]])
    valid = np.array([[True, True, False, True]])
    found = plot.flow_colours(flow, valid)
    assert found[0].tolist() == [[1, 1, 1], [1, 0, 0], [0.6, 0.6, 0.6], [0.6, 0.6, 0.6]]
    assert plot.flow_colours(np.zeros((2, 3, 2))).tolist() == np.ones((2, 3, 3)).tolist()
    assert plot.flow_colours(np.uint8([[[3, 0]]])).tolist() == [[[1, 0, 0]]]
    assert plot.flow_colours(flow, valid, limit=4)[0, 1].tolist() == [1, 0.5, 0.5]


def test_the_wheel_has_the_colours_of_the_picture():
    flow = np.zeros((4, 6, 2))
    flow[1, 2] = 3, 4
    fig = plot.flow_wheel(flow, title="One moves")
    ax, legend = fig.axes
    assert ax.get_title() == "One moves"
    assert legend.get_title().startswith("5 pixels")
    picture, wheel = ax.images[0].get_array(), legend.images[0].get_array()
    np.testing.assert_allclose(picture, plot.flow_colours(flow))
    row, column = round(40 + 40 * 0.8), round(40 + 40 * 0.6)  # the same direction, at the rim
    np.testing.assert_allclose(wheel[row, column, :3], picture[1, 2], atol=0.03)
    assert wheel[0, 0, 3] == 0
    assert wheel[40, 40].tolist() == [1, 1, 1, 1]
    assert legend.images[0].get_extent()[2:] == [1, -1]  # down is down


# --- Clouds ---------------------------------------------------------------------------------------


def drawn(fig):
    (scatter,) = fig.axes[0].collections
    return np.asarray(scatter.get_offsets()), scatter


def test_looking_along_z_shows_x_to_the_right_and_y_down():
    points = np.array([[0, 0, 1.0], [2, 0, 1], [0, 3, 1]])
    places, _ = drawn(plot.point_cloud(points, yaw=0, pitch=0))
    np.testing.assert_allclose(places - places[0], [[0, 0], [2, 0], [0, -3]], atol=1e-12)
    assert plot.point_cloud(points).axes[0].get_aspect() == 1


@pytest.mark.parametrize("seed", range(4))
def test_the_view_is_that_of_a_turned_camera_and_near_points_come_last(seed):
    rng = np.random.default_rng(seed)
    points, colours = rng.normal(0, 1, (20, 3)), rng.random((20, 3))
    yaw, pitch = rng.uniform(-80, 80, 2)
    places, scatter = drawn(plot.point_cloud(points, colours, yaw=yaw, pitch=pitch))
    eye = geometry.rotation(yaw, pitch).T
    seen = [eye @ (point - points.mean(0)) for point in points]
    order = sorted(range(20), key=lambda k: -seen[k][2])
    np.testing.assert_allclose(places, [(seen[k][0], -seen[k][1]) for k in order], atol=1e-12)
    np.testing.assert_allclose(scatter.get_facecolors()[:, :3], colours[order])


def test_turning_to_the_right_and_looking_down_show_the_sides_that_one_expects():
    left, right = [-1.0, 0, 0], [1.0, 0, 0]
    _, scatter = drawn(plot.point_cloud([left, right], [0.0, 1.0], yaw=60, pitch=0))
    assert scatter.get_array().tolist() == [1, 0]  # looking right, the right one is further away
    places, _ = drawn(plot.point_cloud([[0, 0, 0], [0, 0, 5.0]], [0.0, 1.0], yaw=0, pitch=-30))
    far, near = places  # from above, what is far lies higher in the picture
    assert far[1] > near[1]


def test_pictures_values_and_points_at_infinity():
    points = np.ones((2, 3, 3))
    points[..., 2] = np.arange(6).reshape(2, 3)
    points[0, 0] = np.nan
    picture = np.random.default_rng(0).random((2, 3, 3))
    places, scatter = drawn(plot.point_cloud(points, picture, title="Cloud", size=3))
    assert len(places) == 5
    assert scatter.get_sizes().tolist() == [3]
    _, scatter = drawn(plot.point_cloud(points, yaw=0, pitch=0))  # coloured by z
    assert scatter.get_array().tolist() == [5, 4, 3, 2, 1]
    assert scatter.get_cmap() == colormaps["viridis"]
    fig, axes = plot.figure(1, 2)
    assert plot.point_cloud([[1, 2, 3]], ax=axes[1]) is fig


FLOW = np.ones((3, 4, 2))


@pytest.mark.parametrize(
    ("call", "said"),
    [
        (lambda: plot.flow_wheel(FLOW[..., 0]), r"\(H, W, 2\)"),
        (lambda: plot.flow_wheel(np.ones((3, 4, 3))), r"\(H, W, 2\)"),
        (lambda: plot.flow_wheel(FLOW * np.nan), "known pixel"),
        (lambda: plot.flow_wheel(FLOW[:0]), "known pixel"),
        (lambda: plot.flow_wheel(FLOW, np.zeros((3, 4), bool)), "known pixel"),
        (lambda: plot.flow_wheel(FLOW, np.ones((2, 2), bool)), "valid is"),
        (lambda: plot.flow_wheel(FLOW, limit=0), "limit"),
        (lambda: plot.flow_colours(FLOW, limit=math.inf), "limit"),
        (lambda: plot.point_cloud(np.ones((3, 2))), r"\(N, 3\)"),
        (lambda: plot.point_cloud(np.ones(3)), r"\(N, 3\)"),
        (lambda: plot.point_cloud(np.ones((0, 3))), "finite point"),
        (lambda: plot.point_cloud(np.full((2, 3), np.nan)), "finite point"),
        (lambda: plot.point_cloud(np.ones((2, 3)), np.ones((3, 3))), "as many colours"),
        (lambda: plot.point_cloud(np.ones((2, 3)), np.ones((2, 4))), "as many colours"),
        (lambda: plot.point_cloud(np.ones((2, 3)), np.full((2, 3), 255)), "divide"),
    ],
)
def test_bad_input_is_refused_in_one_sentence(call, said):
    with pytest.raises(ValueError, match=said):
        call()
