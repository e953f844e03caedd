"""The benchmark of retrieval runs; its figures are for people, and no test depends on them."""

from __future__ import annotations

import pytest
from conftest import WEEKLY, rows_of, run_benchmark


@pytest.mark.about(
    "tests/benchmarks/bench_retrieval.py",
    "tests/benchmarks/bench_features.py",
    "chapters/23_retrieval.ipynb",
    "cvlab/geometry",
)
@pytest.mark.slow
def test_every_row_is_measured_and_both_sides_agree():
    small = ("--repeats", "1", "--pairs", "100", "--points", "3000", "--images", "500")
    rows = rows_of(run_benchmark("bench_retrieval", *small))
    found = [(row[0].split(",")[0], row[1]) for row in rows]
    assert found == [
        *3 * [("homography", "OpenCV"), ("homography", "scikit-image")],
        ("k-d tree", "scikit-learn"),
        ("hash tables (8 of 12 bits)", "scikit-learn's brute force"),
        ("inverted file", "dense product"),
    ]
    assert all(float(row[4]) >= 0 for row in rows)


@pytest.mark.skipif(not WEEKLY, reason="once a week; bench_features every day")
@pytest.mark.slow
def test_small_numbers_are_refused_in_one_sentence():
    done = run_benchmark("bench_retrieval", "--pairs", "3")
    assert done.returncode == 2
    assert "--pairs must be at least 40" in done.stderr
