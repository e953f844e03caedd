"""Cost volumes against loops and OpenCV, path costs against all paths and shortest ones."""

import doctest
import itertools

import cv2
import numpy as np
import pytest
from scipy import ndimage
from scipy.sparse import csgraph, csr_matrix
from skimage import graph

from cvlab import geometry, scenes
from cvlab.geometry import matching

STEPS = [(i, j) for i in (-1, 0, 1) for j in (-1, 0, 1) if i or j]


def images(seed, height=12, width=12):
    """A random left image, and a right one in which all lies two pixels further left."""
    rng = np.random.default_rng(seed)
    left = rng.random((height, width))
    right = np.roll(left, -2, axis=1)
    right[:, -2:] = rng.random((height, 2))
    return left, right


def costs(seed, shape=(4, 5, 6)):
    """Random costs in which what lies outside of the right image is infinite."""
    volume = np.random.default_rng(seed).random(shape).astype(np.float32)
    for d in range(shape[0]):
        volume[d, :, :d] = np.inf
    return volume


# --- Costs ----------------------------------------------------------------------------------------


def one_cost(cost, a, b):
    """The cost of two patches, by its definition."""
    if cost == "sad":
        return np.mean(np.abs(a - b))
    if cost == "ssd":
        return np.mean((a - b) ** 2)
    if cost == "zncc":
        a, b = a - a.mean(), b - b.mean()
    size = [max(np.mean(p**2), 1e-6) for p in (a, b)]
    return 1 - np.mean(a * b) / np.sqrt(size[0] * size[1])


@pytest.mark.parametrize("cost", matching.COSTS)
@pytest.mark.parametrize(("window", "seed"), [(1, 0), (3, 1), (5, 2), (15, 3)])
def test_costs_are_those_of_loops(cost, window, seed):
    left, right = images(seed)
    left[3:9, 3:9] = 0.5  # flat
    found, r = matching.cost_volume(left, right, 4, window, cost), window // 2
    assert found.dtype == np.float32
    for d, v, u in np.ndindex(found.shape):
        if u < d:
            assert found[d, v, u] == np.inf
            continue
        rows = slice(max(v - r, 0), v + r + 1)
        first, last = max(u - r, d), min(u + r + 1, 12)
        patches = left[rows, first:last], right[rows, first - d : last - d]
        assert found[d, v, u] == pytest.approx(one_cost(cost, *patches), abs=1e-6)


@pytest.mark.parametrize("window", [3, 9])
def test_inside_they_are_those_of_scipys_and_opencvs_filters(window):
    left, right = images(4, 60, 70)
    d, r = 5, window // 2
    sad = matching.cost_volume(left, right, d + 1, window, "sad")[d]
    apart = np.abs(left[:, d:] - right[:, :-d])
    inside = (slice(r, -r), slice(d + r, -r))
    theirs = ndimage.uniform_filter(apart, window)
    np.testing.assert_allclose(sad[inside], theirs[r:-r, r:-r], atol=1e-6)
    zncc = matching.cost_volume(left, right, d + 1, window, "zncc")[d]
    for v, u in ((20, 30), (41, 50), (33, 60)):
        patch = left[v - r : v + r + 1, u - r : u + r + 1].astype(np.float32)
        row = right[v - r : v + r + 1].astype(np.float32)
        scores = cv2.matchTemplate(row, patch, cv2.TM_CCOEFF_NORMED)[0]
        assert zncc[v, u] == pytest.approx(1 - scores[u - d - r], abs=1e-4)
    # A gain and an offset leave zncc alone; a gain leaves ncc alone.
    for cost, darker in (("zncc", 0.5 * right + 0.2), ("ncc", 0.5 * right)):
        one, two = (matching.cost_volume(left, i, 8, window, cost) for i in (right, darker))
        np.testing.assert_allclose(one, two, atol=1e-4)


def test_bands_of_rows_meet():
    left, right = images(5, 3 * matching.BAND + 7, 20)
    whole = matching.cost_volume(left, right, 3, 7, "zncc")
    mirrored = matching.cost_volume(left[::-1], right[::-1], 3, 7, "zncc")[:, ::-1]
    np.testing.assert_allclose(whole, mirrored, atol=1e-6)


def test_flat_patches_cost_one_and_nothing_is_divided_by_zero():
    flat = np.full((5, 6), 0.3)
    with np.errstate(all="raise"):
        found = matching.cost_volume(flat, flat, 2, 3, "zncc")
        black = matching.cost_volume(0 * flat, 0 * flat, 2, 3, "ncc")
    np.testing.assert_allclose(found[0], 1, atol=1e-6)
    np.testing.assert_allclose(black[0], 1)


def test_the_right_volume_is_that_of_the_mirrored_pair():
    left, right = images(6)
    ours = matching.right_volume(matching.cost_volume(left, right, 5, 3))
    mirrored = matching.cost_volume(right[:, ::-1], left[:, ::-1], 5, 3)[:, :, ::-1]
    np.testing.assert_allclose(ours, mirrored, atol=1e-6)
    assert matching.right_volume(np.zeros((9, 2, 3))).shape == (9, 2, 3)  # more slices than columns


# --- Winners and checks ---------------------------------------------------------------------------


def test_the_winner_is_the_shift_and_an_even_cost_goes_to_the_smallest():
    left, right = images(7)
    volume = matching.cost_volume(left, right, 6, 3)
    assert (matching.winners(volume)[:, 3:-1] == 2).all()
    np.testing.assert_array_equal(matching.winners(np.ones((4, 2, 3))), np.zeros((2, 3)))


@pytest.mark.parametrize("seed", range(5))
def test_the_parabola_is_numpys_through_three_points(seed):
    volume = costs(seed, (7, 6, 9))
    whole, fine = matching.winners(volume), matching.winners(volume, subpixel=True)
    for v, u in np.ndindex(whole.shape):
        best = int(whole[v, u])
        near = volume[max(best - 1, 0) : best + 2, v, u]
        if not 0 < best < 6 or not np.isfinite(near).all():
            assert fine[v, u] == best
            continue
        a, b, _ = np.polyfit((-1, 0, 1), near, 2)
        assert fine[v, u] == pytest.approx(best - b / (2 * a), abs=1e-4)
    assert abs(fine - whole).max() <= 0.5
    assert (matching.winners(np.ones((3, 2, 2)), True) == 0).all()  # no parabola opens


def test_a_parabola_is_found_exactly_and_two_slices_have_none():
    places = np.linspace(1.5, 4.4, 12).reshape(3, 4)
    volume = (np.arange(7)[:, None, None] - places) ** 2
    np.testing.assert_allclose(matching.winners(volume, True), places, atol=1e-5)
    np.testing.assert_array_equal(matching.winners([[[2.0]], [[1.0]]], True), [[1]])


@pytest.mark.parametrize("seed", range(4))
def test_the_check_is_that_of_loops(seed):
    rng = np.random.default_rng(seed)
    a, b = rng.uniform(-1, 5, (2, 6, 9)).round(2)
    a[rng.random(a.shape) < 0.1], b[rng.random(b.shape) < 0.1] = np.nan, np.nan
    found = matching.left_right_check(a, b, 1.5)
    for v, u in np.ndindex(a.shape):
        partner = np.rint(u - a[v, u])
        inside = 0 <= partner < 9  # False for NaN
        assert found[v, u] == (inside and abs(a[v, u] - b[v, int(partner)]) <= 1.5)


def test_exact_maps_fail_exactly_where_one_camera_is_blind():
    pairs = scenes.sample_pairs(6, seed=4, baseline=0.3)
    for left, right, hidden in zip(
        pairs.disparity_left, pairs.disparity_right, pairs.occluded_left, strict=True
    ):
        found = matching.left_right_check(left, right, 1.0)
        assert (found == ~hidden).mean() > 0.97  # all but outlines, half a pixel wide
        assert found[hidden].mean() < 0.3


# --- Paths ----------------------------------------------------------------------------------------


def by_hand(volume, P1, P2, step):
    """The recursion at one pixel after the other."""
    D, H, W = volume.shape
    result = np.full(volume.shape, np.nan)
    rows = range(H) if step[0] >= 0 else range(H - 1, -1, -1)
    columns = range(W) if step[1] >= 0 else range(W - 1, -1, -1)
    for v, u in itertools.product(rows, columns):
        i, j = v - step[0], u - step[1]
        for d in range(D):
            result[d, v, u] = volume[d, v, u]
            if 0 <= i < H and 0 <= j < W:
                before = result[:, i, j]
                price = np.where(abs(np.arange(D) - d) == 1, P1, P2)
                price[d] = 0
                result[d, v, u] += min(before + price) - min(before)
    return result


@pytest.mark.parametrize("step", STEPS)
@pytest.mark.parametrize("shape", [(4, 5, 6), (1, 3, 4), (3, 1, 5), (5, 4, 1)])
def test_path_costs_are_those_of_the_recursion(step, shape):
    volume = costs(8, shape)
    volume[0] = np.where(np.isfinite(volume[0]), volume[0], 1)
    before = volume.copy()
    found = matching.path_costs(volume, 0.2, 0.5, step)
    np.testing.assert_allclose(found, by_hand(volume, 0.2, 0.5, step), atol=1e-5)
    np.testing.assert_array_equal(volume, before)


@pytest.mark.parametrize("seed", range(5))
def test_on_one_line_the_best_of_all_paths_is_found(seed):
    volume = np.random.default_rng(seed).random((3, 1, 6)).astype(np.float32)
    P1, P2 = 0.15, 0.3
    prices = np.array([[0, P1, P2], [P1, 0, P1], [P2, P1, 0]])
    cost = {
        path: sum(volume[d, 0, u] for u, d in enumerate(path))
        + sum(prices[one, two] for one, two in itertools.pairwise(path))
        for path in itertools.product(range(3), repeat=6)
    }
    last = matching.path_costs(volume, P1, P2, (0, 1))[:, 0, -1]
    best = [min(c for path, c in cost.items() if path[-1] == d) for d in range(3)]
    np.testing.assert_allclose(last - last.min(), best - min(best), atol=1e-5)


def test_and_it_is_the_shortest_way_of_scipys_graph_and_of_scikit_images_without_prices():
    D, W, P1, P2 = 5, 12, 0.2, 0.6
    volume = np.random.default_rng(3).random((D, 1, W)).astype(np.float32) + 0.1
    ways = np.zeros((D * W + 1, D * W + 1))  # node d + D u, and a start
    ways[-1, :D] = volume[:, 0, 0]
    for u in range(1, W):
        for one, two in itertools.product(range(D), repeat=2):
            price = (0, P1)[abs(one - two)] if abs(one - two) < 2 else P2
            ways[one + D * (u - 1), two + D * u] = volume[two, 0, u] + price
    length = csgraph.dijkstra(csr_matrix(ways), indices=D * W)[D * (W - 1) : D * W]
    last = matching.path_costs(volume, P1, P2, (0, 1))[:, 0, -1]
    np.testing.assert_allclose(last - last.min(), length - length.min(), atol=1e-5)
    # Without penalties each pixel keeps its own cost.
    np.testing.assert_allclose(matching.path_costs(volume, 0, 0, (0, 1)), volume, atol=1e-6)
    # With a high price of jumps and steps for nothing, a way from column to column: slopes of 1.
    free = matching.path_costs(volume, 0, 100, (0, 1))[:, 0]
    cost = np.pad(volume[:, 0], ((0, 0), (1, 0)), constant_values=1e-9)
    for d in range(D):
        offsets = [(-1, 1), (0, 1), (1, 1)]
        way = graph.MCP(cost, offsets=offsets)
        total, _ = way.find_costs([(k, 0) for k in range(D)], [(d, W)])
        assert free[d, -1] - free[:, -1].min() == pytest.approx(
            total[d, W] - min(total[:, W]), abs=1e-5
        )


@pytest.mark.parametrize(("directions", "steps"), [(2, 2), (4, 4), (8, 8)])
def test_directions_are_summed_and_opposite_ones_mirror_each_other(directions, steps):
    volume = costs(9)
    found = matching.semi_global(volume, 0.1, 0.4, directions)
    whole = sum(
        by_hand(volume, 0.1, 0.4, step)
        for step in STEPS
        if {2: not step[0], 4: 0 in step, 8: True}[directions]
    )
    np.testing.assert_allclose(found, whole, atol=1e-4)
    flipped = np.ascontiguousarray(volume[:, ::-1])
    again = matching.semi_global(flipped, 0.1, 0.4, directions)[:, ::-1]
    np.testing.assert_allclose(found, again, atol=1e-5)
    assert steps == directions


def test_it_beats_windows_alone_and_keeps_beside_opencv_on_rendered_pairs():
    pairs = scenes.sample_pairs(4, 96, 128, photometric=0.25, seed=12, baseline=0.4)
    bad = {"window": [], "paths": [], "opencv": []}
    for left, right, truth, hidden in zip(
        pairs.left, pairs.right, pairs.disparity_left, pairs.occluded_left, strict=True
    ):
        left, right = left.mean(2), right.mean(2)
        volume = matching.cost_volume(left, right, 32, 9)
        sgbm = cv2.StereoSGBM_create(
            0, 32, 5, 8 * 25, 32 * 25, uniquenessRatio=0, mode=cv2.STEREO_SGBM_MODE_HH
        )
        wide = [
            cv2.copyMakeBorder((255 * i).astype(np.uint8), 0, 0, 32, 0, cv2.BORDER_REPLICATE)
            for i in (left, right)
        ]
        maps = {
            "window": matching.winners(volume, True),
            "paths": matching.winners(matching.semi_global(volume, 0.3, 1.5), True),
            "opencv": sgbm.compute(*wide)[:, 32:] / 16,
        }
        for name, found in maps.items():
            bad[name].append(np.mean(abs(found - truth)[~hidden] > 1))
    means = {name: np.mean(shares) for name, shares in bad.items()}
    assert means["paths"] < 0.75 * means["window"]
    assert means["paths"] < means["opencv"] + 0.05


# --- Arguments ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda: geometry.cost_volume(np.ones((3, 4)), np.ones((3, 5)), 2), "both be"),
        (lambda: geometry.cost_volume(np.ones((3, 4, 3)), np.ones((3, 4, 3)), 2), "both be"),
        (lambda: geometry.cost_volume(np.ones((3, 4)), np.ones((3, 4)), 5), "disparities"),
        (lambda: geometry.cost_volume(np.ones((3, 4)), np.ones((3, 4)), 2, 4), "odd"),
        (lambda: geometry.cost_volume(np.ones((3, 4)), np.ones((3, 4)), 2, 3, "SAD"), "cost"),
        (lambda: geometry.cost_volume([[np.nan]], [[1.0]], 1), "NaN"),
        (lambda: geometry.winners(np.ones((3, 4))), "must be"),
        (lambda: geometry.winners(np.full((2, 1, 1), np.inf)), "finite cost"),
        (lambda: geometry.winners([[[np.nan]], [[1.0]]]), "NaN"),
        (lambda: geometry.right_volume(np.ones((0, 3, 4))), "must be"),
        (lambda: geometry.left_right_check(np.ones((2, 3)), np.ones((3, 2))), "both be"),
        (lambda: geometry.left_right_check(np.ones((2, 3)), np.ones((2, 3)), -1), "threshold"),
        (lambda: geometry.path_costs(np.ones((2, 3, 4)), 2, 1, (0, 1)), "P2"),
        (lambda: geometry.path_costs(np.ones((2, 3, 4)), 1, 2, (0, 0)), "step"),
        (lambda: geometry.path_costs(np.ones((2, 3, 4)), 1, 2, (0, 2)), "step"),
        (lambda: geometry.semi_global(np.ones((2, 3, 4)), 1, 2, 3), "directions"),
    ],
)
def test_what_cannot_be_meant_is_refused_in_one_sentence(call, words):
    with pytest.raises(ValueError, match=words):
        call()


@pytest.mark.parametrize("value", ["volume", [[[1j]]]])
def test_what_is_no_number_is_a_type_error(value):
    with pytest.raises(TypeError):
        geometry.winners(value)


def test_doctests():
    assert doctest.testmod(matching).failed == 0
