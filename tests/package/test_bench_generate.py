"""The benchmark of Part VII runs; its figures are for people, and no test depends on them."""

from __future__ import annotations

import pytest
from conftest import WEEKLY, rows_of, run_benchmark


@pytest.mark.about(
    "tests/benchmarks/bench_generate.py",
    "tests/benchmarks/bench_features.py",
    "chapters/25_autoencoders.ipynb",
    "cvlab/metrics",
)
@pytest.mark.slow
def test_every_row_is_measured_and_both_sides_agree():
    done = run_benchmark("bench_generate", "--repeats", "1", "--side", "32")
    rows = rows_of(done)
    found = [(row[0].split(",")[0], row[1]) for row in rows]
    quality = [("PSNR", "OpenCV"), ("PSNR", "scikit-image"), ("SSIM", "scikit-image")]
    flat = [("histogram equalisation", "OpenCV"), ("histogram equalisation", "scikit-image")]
    assert found == 2 * quality + 2 * flat
    assert all(float(row[4]) >= 0 for row in rows)


@pytest.mark.skipif(not WEEKLY, reason="once a week; bench_features every day")
@pytest.mark.slow
def test_small_numbers_are_refused_in_one_sentence():
    done = run_benchmark("bench_generate", "--side", "8")
    assert done.returncode == 2
    assert "--side must be at least 16" in done.stderr
