"""The benchmark of a search's metrics runs; its figures are for people."""

from __future__ import annotations

import pytest
from conftest import WEEKLY, rows_of, run_benchmark


@pytest.mark.about(
    "tests/benchmarks/bench_ranking.py",
    "tests/benchmarks/bench_features.py",
    "cvlab/metrics",
)
@pytest.mark.slow
def test_every_row_is_measured_and_both_sides_agree():
    done = run_benchmark("bench_ranking", "--repeats", "1", "--queries", "3", "--images", "60")
    rows = rows_of(done)
    assert [(row[0].split(",")[0], row[1]) for row in rows] == [
        ("mAP", "scikit-learn"),
        ("mAP", "torchmetrics"),
        ("NDCG", "scikit-learn"),
        ("CMC", "NumPy's sort"),
        ("TAR at FAR", "torchmetrics"),
    ]
    assert all(float(row[4]) >= 0 for row in rows)


@pytest.mark.skipif(not WEEKLY, reason="once a week; bench_features every day")
@pytest.mark.slow
def test_small_numbers_are_refused_in_one_sentence():
    done = run_benchmark("bench_ranking", "--images", "3")
    assert done.returncode == 2
    assert "--images must be at least 40" in done.stderr
