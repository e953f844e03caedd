"""The benchmark of Part III runs; its figures are for people, and no test depends on them."""

from __future__ import annotations

import pytest
from conftest import run_benchmark


@pytest.mark.slow
def test_every_row_is_measured_and_both_sides_agree():
    done = run_benchmark("bench_nets", "--repeats", "1", "--side", "6", "--width", "8")
    assert done.returncode == 0, done.stderr
    rows = [line.split("|")[1:-1] for line in done.stdout.splitlines() if line.startswith("| ")]
    works = [row[0].split(",")[0].strip() for row in rows[1:]]
    assert works == [
        "autograd engine",
        "autograd engine",
        "convolution 3 x 3",
        "convolution 3 x 3",
        "batch norm",
        "cost table of alexnet",
        "cost table of resnet34",
    ]
    assert all(float(row[4]) > 0 for row in rows[1:])


@pytest.mark.slow
def test_small_numbers_are_refused_in_one_sentence():
    done = run_benchmark("bench_nets", "--side", "0")
    assert done.returncode == 2
    assert "--side must be at least 1" in done.stderr
