"""The features' benchmark runs; its figures are for people, and no test depends on them."""

from __future__ import annotations

import importlib
import re
import sys

import numpy as np
import pytest
from conftest import ROOT, rows_of, run_benchmark

BENCH = ROOT / "tests" / "benchmarks" / "bench_features.py"
SMALL = ("--side", "64", "--points", "400", "--scores", "500", "--repeats", "1")

sys.path.insert(0, str(BENCH.parent))
bench = importlib.import_module("bench_features")


@pytest.mark.slow
def test_every_row_is_measured_and_both_sides_agree():
    done = run_benchmark("bench_features", *SMALL)
    rows = rows_of(done)
    assert "one thread" in done.stdout
    for row in rows:
        assert all(re.fullmatch(r"\d+\.\d\d", cell) for cell in row[2:5]), row
        assert float(row[2]) >= 0
    for work, peers in (
        ("nearest neighbours", {"scikit-learn"}),
        ("k-means", {"scikit-learn"}),
        ("Gaussian blur", {"scipy", "OpenCV"}),
        ("HOG", {"scikit-image"}),
        ("Canny", {"OpenCV"}),
        ("Hough lines", {"OpenCV"}),
        ("Hough circles", {"OpenCV"}),
        ("ROC curve", {"scikit-learn"}),
        ("average precision", {"scikit-learn"}),
    ):
        assert {row[1] for row in rows if row[0].startswith(work)} == peers


def test_a_wrong_result_is_not_timed():
    row = bench.Row("adding", "nobody", lambda: 3, lambda: 4, bench.near(0.5))
    with pytest.raises(AssertionError, match="adding: nobody gives another result"):
        bench.measure(row, 1)
    ours, theirs = bench.measure(row._replace(agree=bench.near(1)), 2)
    assert len(ours) == len(theirs) == 2
    assert min(ours + theirs) > 0


def test_functions_are_loaded_from_a_chapter_without_running_it():
    chapter = bench.load("03_optimisation", "numerical-gradient")
    slope = chapter.numerical_gradient(lambda theta: float(np.sum(theta**2)), np.array([1.0, -2.0]))
    assert np.allclose(slope, [2, -4])
    assert not hasattr(chapter, "cvlab")  # only the imports that the cell needs
    with pytest.raises(ValueError, match=r"03_optimisation\.ipynb has no code cell 'newtons'"):
        bench.load("03_optimisation", "newtons")


@pytest.mark.slow
def test_small_numbers_are_refused_in_one_sentence():
    done = run_benchmark("bench_features", "--side", "8")
    assert done.returncode == 2
    assert "--side must be at least 64" in done.stderr
