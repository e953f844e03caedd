"""The benchmark of Part V runs; its figures are for people, and no test depends on them."""

from __future__ import annotations

import pytest
from conftest import WEEKLY, rows_of, run_benchmark


@pytest.mark.about(
    "tests/benchmarks/bench_pixels.py",
    "tests/benchmarks/bench_features.py",
    "chapters/18_forests.ipynb",
    "chapters/19_segmentation.ipynb",
)
@pytest.mark.slow
def test_every_row_is_measured_and_both_sides_agree():
    small = ("--repeats", "1", "--samples", "500", "--trees", "3", "--side", "16")
    done = run_benchmark("bench_pixels", *small)
    rows = rows_of(done)
    found = [(row[0].split(",")[0], row[1]) for row in rows]
    assert found == [
        ("tree with all cuts", "scikit-learn"),
        ("forest training", "scikit-learn"),
        ("forest answers", "scikit-learn"),
        ("max unpooling", "torch"),
        ("bilinear", "torch"),
        ("transposed convolution", "torch"),
        ("random walker", "scikit-image"),
    ]
    assert all(float(row[4]) >= 0 for row in rows)


@pytest.mark.skipif(not WEEKLY, reason="once a week; bench_features every day")
@pytest.mark.slow
def test_small_numbers_are_refused_in_one_sentence():
    done = run_benchmark("bench_pixels", "--trees", "0")
    assert done.returncode == 2
    assert "--trees must be at least 1" in done.stderr
