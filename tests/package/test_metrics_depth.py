"""Errors of depths, disparities and flows against loops by definition and torchmetrics; edges."""

import doctest
import math
import statistics

import numpy as np
import pytest

from cvlab.metrics import DepthErrors, bad_pixels, depth, depth_errors, end_point_error


def drawn(seed, shape=(5, 7)):
    """Two maps of positive numbers and a mask, of either float."""
    rng = np.random.default_rng(seed)
    kind = rng.choice([np.float32, np.float64])
    a, b = rng.uniform(0.5, 9, (2, *shape)).astype(kind)
    valid = rng.random(shape) < 0.6
    valid.flat[0] = True
    return a, b, valid


# --- Against loops --------------------------------------------------------------------------------


@pytest.mark.parametrize("seed", range(10))
@pytest.mark.parametrize("components", [1, 2, 3])
def test_end_point_error_equals_a_loop(seed, components):
    a, b, _ = drawn(seed, (4, 6, components))
    valid = drawn(seed + 100, (4, 6))[2]
    apart = [math.dist(a[i, j], b[i, j]) for i, j in zip(*np.nonzero(valid), strict=True)]
    assert end_point_error(a, b, valid) == pytest.approx(statistics.fmean(apart))
    assert end_point_error(b, a, valid) == pytest.approx(statistics.fmean(apart))
    assert end_point_error(a, b) == pytest.approx(np.linalg.norm(a - b, axis=-1).mean())


@pytest.mark.parametrize("seed", range(10))
def test_bad_pixels_equals_a_loop(seed):
    rng = np.random.default_rng(seed)
    a, b = rng.integers(0, 6, (2, 4, 6)).astype(float)  # many exactly at the threshold
    a[rng.random(a.shape) < 0.2] = rng.choice([np.nan, np.inf, -np.inf])
    valid = rng.random(a.shape) < 0.6
    valid[0, 0] = True
    for threshold in (0, 1, 2.0, 2.5):
        bad = total = 0
        for found, truth, counts in zip(a.flat, b.flat, valid.flat, strict=True):
            if counts:
                total += 1
                bad += not (math.isfinite(found) and abs(found - truth) <= threshold)
        assert bad_pixels(a, b, threshold, valid) == bad / total


def by_definition(predicted, actual, valid, cap, align):
    pixels = [
        (float(p), float(a))
        for p, a, counts in zip(predicted.flat, actual.flat, valid.flat, strict=True)
        if counts and (cap is None or a <= cap)
    ]
    scale = 1.0
    if align:
        scale = statistics.median(a for _, a in pixels) / statistics.median(p for p, _ in pixels)
    pixels = [(min(scale * p, cap or math.inf), a) for p, a in pixels]
    n = len(pixels)
    return DepthErrors(
        sum(abs(p - a) / a for p, a in pixels) / n,
        sum((p - a) ** 2 / a for p, a in pixels) / n,
        math.sqrt(sum((p - a) ** 2 for p, a in pixels) / n),
        math.sqrt(sum((math.log(p) - math.log(a)) ** 2 for p, a in pixels) / n),
        *(sum(max(p / a, a / p) < 1.25**k for p, a in pixels) / n for k in (1, 2, 3)),
    )


@pytest.mark.parametrize("seed", range(10))
@pytest.mark.parametrize("cap", [None, 5, 7.5])
@pytest.mark.parametrize("align", [None, "median"])
def test_depth_errors_equal_a_loop(seed, cap, align):
    predicted, actual, valid = drawn(seed)
    found = depth_errors(predicted, actual, valid, cap, align)
    assert found == pytest.approx(by_definition(predicted, actual, valid, cap, align))


@pytest.mark.parametrize("seed", range(5))
def test_depth_errors_equal_torchmetrics(seed):
    torch = pytest.importorskip("torch")
    functional = pytest.importorskip("torchmetrics.functional")
    predicted, actual, valid = drawn(seed)
    p, a = (torch.from_numpy(m[valid].astype(float)) for m in (predicted, actual))
    found = depth_errors(predicted, actual, valid)
    relative = functional.mean_absolute_percentage_error(p, a)
    assert found.abs_rel == pytest.approx(float(relative))
    rmse = functional.mean_squared_error(p, a, squared=False)
    assert found.rmse == pytest.approx(float(rmse))
    rmse_log = functional.mean_squared_error(p.log(), a.log(), squared=False)
    assert found.rmse_log == pytest.approx(float(rmse_log))


def test_a_worked_example():
    # 2 x 3: right, twice, half, a quarter more, not valid, beyond the cap.
    actual = np.array([[2.0, 2.0, 4.0], [4.0, 0.0, 50.0]])
    predicted = np.array([[2.0, 4.0, 2.0], [5.0, np.nan, 1.0]])
    valid = actual > 0
    found = depth_errors(predicted, actual, valid, cap=10)
    assert found.abs_rel == (0 + 1 + 0.5 + 0.25) / 4
    assert found.sq_rel == (0 + 2 + 1 + 0.25) / 4
    assert found.rmse == math.sqrt((0 + 4 + 4 + 1) / 4)
    logs = (0, math.log(2), math.log(2), math.log(1.25))
    assert found.rmse_log == pytest.approx(math.sqrt(sum(x * x for x in logs) / 4))
    assert (found.delta1, found.delta2, found.delta3) == (0.25, 0.5, 0.5)  # below, not at, 1.25
    assert depth_errors([4.0], [5.0]).delta1 == 0


def test_a_common_factor_is_forgiven_by_the_median_only():
    _, actual, valid = drawn(0)
    assert depth_errors(3 * actual, actual, valid).delta3 == 0
    found = depth_errors(3 * actual, actual, valid, align="median")
    assert found == pytest.approx((0, 0, 0, 0, 1, 1, 1), abs=1e-6)


# --- Edges ----------------------------------------------------------------------------------------


def test_constant_maps_one_row_one_pixel_and_bytes():
    assert doctest.testmod(depth).failed == 0
    flat = np.full((3, 4), 2.0)
    assert depth_errors(flat, flat) == (0, 0, 0, 0, 1, 1, 1)
    assert bad_pixels(flat, flat, 0) == 0
    assert bad_pixels(flat[:1], flat[:1] + 1, 0.5) == 1
    assert end_point_error(flat[:1], flat[:1] + 3) == 6
    assert end_point_error([1.0], [3.0]) == 2  # one pixel, one component
    assert bad_pixels(np.uint8([[1, 255]]), np.uint8([[255, 1]]), 200) == 1
    assert end_point_error(np.uint8([[0, 0]]), np.uint8([[3, 4]])) == 5
    assert depth_errors(np.uint8([[1]]), np.uint8([[2]])).abs_rel == 0.5


def test_what_does_not_count_may_be_anything():
    truth, valid = np.array([[1.0, np.nan, np.inf, 0.0]]), np.array([[True, False, False, False]])
    assert depth_errors(truth, truth, valid).rmse == 0
    assert bad_pixels(truth, truth, 1, valid) == 0
    assert end_point_error(truth[..., None], truth[..., None], valid) == 0
    beyond = depth_errors([[1.0, np.nan]], [[1.0, 9.0]], cap=5)  # not even looked at
    assert beyond.rmse == 0


def test_arguments_stay_as_they_were():
    predicted, actual, valid = drawn(3)
    before = predicted.copy(), actual.copy(), valid.copy()
    depth_errors(predicted, actual, valid, cap=4, align="median")
    bad_pixels(predicted, actual, 1, valid)
    for array, old in zip((predicted, actual, valid), before, strict=True):
        np.testing.assert_array_equal(array, old)


MAP, FLOW = np.ones((3, 4)), np.ones((3, 4, 2))


@pytest.mark.parametrize(
    ("call", "error", "said"),
    [
        (lambda: end_point_error(FLOW, FLOW[:2]), ValueError, "one shape"),
        (lambda: end_point_error(FLOW[:0], FLOW[:0]), ValueError, "No pixel"),
        (lambda: end_point_error(1.0, 1.0), ValueError, "component"),
        (lambda: end_point_error(FLOW[..., :0], FLOW[..., :0]), ValueError, "component"),
        (lambda: end_point_error(FLOW * np.nan, FLOW), ValueError, "a must be finite"),
        (lambda: end_point_error(FLOW, FLOW * np.inf), ValueError, "b must be finite"),
        (lambda: end_point_error(FLOW, FLOW, FLOW > 0), ValueError, "one entry a pixel"),
        (lambda: end_point_error(FLOW, FLOW, MAP), TypeError, "bool"),
        (lambda: end_point_error(FLOW, FLOW, MAP < 0), ValueError, "No pixel is valid"),
        (lambda: end_point_error([["a"]], [["b"]]), TypeError, "real numbers"),
        (lambda: bad_pixels(MAP, MAP[:1], 1), ValueError, "one shape"),
        (lambda: bad_pixels(MAP, MAP * np.nan, 1), ValueError, "b must be finite"),
        (lambda: bad_pixels(MAP, MAP, -1), ValueError, "threshold"),
        (lambda: bad_pixels(MAP, MAP, math.nan), ValueError, "threshold"),
        (lambda: bad_pixels(MAP, MAP, "1 px"), TypeError, "threshold"),
        (lambda: bad_pixels(MAP[:0], MAP[:0], 1), ValueError, "No pixel"),
        (lambda: bad_pixels(MAP + 1j, MAP, 1), TypeError, "real numbers"),
        (lambda: depth_errors(MAP, MAP[0]), ValueError, "one shape"),
        (lambda: depth_errors(MAP * 0, MAP), ValueError, "predicted must be finite and positive"),
        (lambda: depth_errors(MAP, -MAP), ValueError, "actual must be finite and positive"),
        (lambda: depth_errors(MAP * np.nan, MAP), ValueError, "predicted"),
        (lambda: depth_errors(MAP, MAP, MAP < 0), ValueError, "No pixel is valid"),
        (lambda: depth_errors(MAP, MAP, cap=0.5), ValueError, "within the cap"),
        (lambda: depth_errors(MAP, MAP, cap=0), ValueError, "cap"),
        (lambda: depth_errors(MAP, MAP, cap="far"), TypeError, "cap"),
        (lambda: depth_errors(MAP, MAP, align="mean"), ValueError, "align"),
        (lambda: depth_errors(MAP, MAP, align=True), ValueError, "align"),
        (lambda: depth_errors([], []), ValueError, "No pixel"),
    ],
)
def test_bad_arguments(call, error, said):
    with pytest.raises(error, match=said):
        call()
