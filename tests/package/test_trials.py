"""Tests of cvlab.trials: against SciPy, by their promise, and on input that must be refused."""

from __future__ import annotations

import doctest
import subprocess
import sys

import numpy as np
import pytest
import torch
from scipy import stats

from cvlab import trials
from cvlab.trials import interval, mean_and_spread, timed


@pytest.mark.parametrize("runs", [2, 3, 5, 20])
@pytest.mark.parametrize("level", [0.5, 0.95, 0.99])
def test_the_interval_is_that_of_scipy(runs, level):
    values = np.random.default_rng(runs).normal(90, 3, (runs, 4))
    found = interval(values, level)
    low, high = stats.t.interval(level, runs - 1, values.mean(axis=0), stats.sem(values))
    np.testing.assert_allclose(found.low, low, rtol=1e-9)
    np.testing.assert_allclose(found.high, high, rtol=1e-9)
    np.testing.assert_allclose(found.mean, values.mean(axis=0))
    one = interval(values[:, 0], level)
    assert one.half == pytest.approx(found.half[0], rel=1e-12)


def test_the_interval_of_three_runs_holds_the_mean_as_often_as_it_says():
    runs = np.random.default_rng(0).normal(5, 2, (3, 40_000))
    found = interval(runs)
    share = np.mean(np.abs(found.mean - 5) < found.half)
    assert share == pytest.approx(0.95, abs=0.005)
    normal = 1.96 * runs.std(axis=0, ddof=1) / np.sqrt(3)
    assert np.mean(np.abs(found.mean - 5) < normal) == pytest.approx(0.81, abs=0.01)


def test_mean_and_spread_is_numpys():
    curves = np.random.default_rng(1).normal(size=(5, 7))
    found = mean_and_spread(curves)
    np.testing.assert_allclose(found.mean, curves.mean(axis=0))
    np.testing.assert_allclose(found.deviation, curves.std(axis=0, ddof=1))


def test_equal_runs_have_no_width():
    assert interval([0.5, 0.5, 0.5]).half == 0
    assert mean_and_spread([0.5, 0.5]).deviation == 0


def test_lists_and_tensors_are_values_too():
    values = [1.0, 2.0, 4.0]
    assert interval(torch.tensor(values)) == interval(values) == interval(np.array(values))
    assert interval([True, False]).mean == 0.5


def test_written_as_a_table_shows_it():
    assert f"{interval([95, 96, 97]):.1f}" == "96.0 ± 2.5"
    assert f"{mean_and_spread([95, 96, 97]):.2f}" == "96.00 ± 1.00"
    assert f"{mean_and_spread([95, 97])}".startswith("Spread(mean=")
    mean, half = interval([95, 96, 97])
    assert (mean, half) == (96, pytest.approx(2.4841, abs=1e-4))


@pytest.mark.parametrize("function", [interval, mean_and_spread])
@pytest.mark.parametrize(
    ("values", "error", "words"),
    [
        ([1.0], ValueError, "at least two runs"),
        (3.0, ValueError, "at least two runs"),
        ([], ValueError, "values is empty"),
        ([1.0, np.nan], ValueError, "values must be finite"),
        (["a", "b"], TypeError, "values must be numbers"),
    ],
)
def test_wrong_values_are_named(function, values, error, words):
    with pytest.raises(error, match=words) as caught:
        function(values)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("level", [0, 1, 95])
def test_a_level_is_a_share(level):
    with pytest.raises(ValueError, match="level must lie between 0 and 1"):
        interval([1, 2], level)


def test_a_level_is_a_number():
    with pytest.raises(TypeError, match="level must be one number, not str"):
        interval([1, 2], "high")


def test_calls_take_turns_and_the_median_is_taken(monkeypatch):
    calls, now = [], [0.0]

    def look():  # a clock that moves by 1 between two looks
        now[0] += 1
        return now[0]

    def second():
        calls.append("b")
        now[0] += 10 if len(calls) == 2 else 2

    monkeypatch.setattr(trials.time, "perf_counter", look)
    found = timed(lambda: calls.append("a"), second, repeats=3)
    assert "".join(calls) == "ababab"
    assert found.tolist() == [1, 3]
    calls.clear()
    assert timed(lambda: calls.append("a"), second, repeats=3, summary=np.max).tolist() == [1, 11]


@pytest.mark.parametrize(
    ("calls", "options", "error", "words"),
    [
        ((), {}, ValueError, "at least one function"),
        ((3,), {}, TypeError, "functions without arguments, not int"),
        ((print,), {"repeats": 0}, ValueError, "repeats must be at least 1"),
        ((print,), {"repeats": 1.5}, TypeError, "repeats must be an integer"),
    ],
)
def test_what_cannot_be_timed_is_named(calls, options, error, words):
    with pytest.raises(error, match=words):
        timed(*calls, **options)


def test_doctests():
    assert doctest.testmod(trials).failed == 0


def test_import_is_light():
    code = "import sys, cvlab.trials; print({'torch', 'scipy', 'matplotlib'} & set(sys.modules))"
    done = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
    assert done.stdout.strip() == "set()"
