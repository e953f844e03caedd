"""The benchmark of attention in images runs; its figures are for people, and no test needs them."""

from __future__ import annotations

import pytest
from conftest import WEEKLY, rows_of, run_benchmark


@pytest.mark.about(
    "tests/benchmarks/bench_attention.py",
    "tests/benchmarks/bench_features.py",
    "chapters/28b_image_attention.ipynb",
    "cvlab/data",
)
@pytest.mark.slow
def test_every_row_is_measured_and_both_sides_agree():
    done = run_benchmark("bench_attention", "--repeats", "1", "--side", "24")
    rows = rows_of(done)
    found = [(*row[0].split(", ")[:2], row[1]) for row in rows]
    assert found == 3 * [("non-local means", "24 x 24 pixels", "scikit-image")]
    assert all(float(row[4]) >= 0 for row in rows)


@pytest.mark.skipif(not WEEKLY, reason="once a week; bench_features every day")
@pytest.mark.slow
def test_small_numbers_are_refused_in_one_sentence():
    done = run_benchmark("bench_attention", "--side", "8")
    assert done.returncode == 2
    assert "--side must be at least 16" in done.stderr
