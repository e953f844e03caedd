"""The benchmark of stereo runs; its figures are for people, and no test depends on them."""

from __future__ import annotations

import pytest
from conftest import WEEKLY, rows_of, run_benchmark


@pytest.mark.about(
    "tests/benchmarks/bench_stereo.py",
    "tests/benchmarks/bench_features.py",
    "cvlab/geometry",
)
@pytest.mark.slow
def test_every_row_is_measured_and_both_sides_agree():
    rows = rows_of(run_benchmark("bench_stereo", "--repeats", "1", "--side", "96"))
    assert [row[0].split(",")[0] for row in rows] == [
        "windows of sad",
        "windows of zncc",
        "paths in 4 directions",
        "paths in 8 directions",
        "warp and its gradient",
    ]
    assert all(row[1].startswith(("OpenCV", "torch")) and float(row[4]) >= 0 for row in rows)


@pytest.mark.skipif(not WEEKLY, reason="once a week; bench_features every day")
@pytest.mark.slow
def test_small_numbers_are_refused_in_one_sentence():
    done = run_benchmark("bench_stereo", "--side", "10")
    assert done.returncode == 2
    assert "--side must be at least 64" in done.stderr
