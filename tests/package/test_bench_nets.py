"""The benchmark of Part III runs; its figures are for people, and no test depends on them."""

from __future__ import annotations

import pytest
from conftest import WEEKLY, rows_of, run_benchmark


@pytest.mark.about(
    "tests/benchmarks/bench_nets.py",
    "tests/benchmarks/bench_features.py",
    "chapters/08_backprop.ipynb",
    "chapters/09_convolution.ipynb",
    "chapters/10_architectures.ipynb",
    "cvlab/nets",
)
@pytest.mark.slow
def test_every_row_is_measured_and_both_sides_agree():
    done = run_benchmark("bench_nets", "--repeats", "1", "--side", "6", "--width", "8")
    rows = rows_of(done)
    works = [row[0].split(",")[0] for row in rows]
    assert works == [
        "autograd engine",
        "autograd engine",
        "convolution 3 x 3",
        "convolution 3 x 3",
        "batch norm",
        "cost table of alexnet",
        "cost table of resnet34",
        "correlation",
    ]
    assert all(float(row[4]) > 0 for row in rows)


@pytest.mark.skipif(not WEEKLY, reason="once a week; bench_features every day")
@pytest.mark.slow
def test_small_numbers_are_refused_in_one_sentence():
    done = run_benchmark("bench_nets", "--side", "0")
    assert done.returncode == 2
    assert "--side must be at least 1" in done.stderr
