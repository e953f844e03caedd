"""The benchmark of Part VIII runs; its figures are for people, and no test depends on them."""

from __future__ import annotations

import pytest
from conftest import WEEKLY, rows_of, run_benchmark


@pytest.mark.about(
    "tests/benchmarks/bench_sequences.py",
    "tests/benchmarks/bench_features.py",
    "chapters/27a_recurrent.ipynb",
    "chapters/28a_attention.ipynb",
)
@pytest.mark.slow
def test_every_row_is_measured_and_both_sides_agree():
    done = run_benchmark("bench_sequences", "--repeats", "1", "--steps", "4")
    rows = rows_of(done)
    found = [(*row[0].split(", ")[:2], row[1]) for row in rows]
    lstm = [("LSTM", "one step", "torch"), ("LSTM", "4 steps with gradients", "torch")]
    convolution = [
        ("causal convolution", "forward", "torch"),
        ("causal convolution", "with gradients", "torch"),
    ]
    attention = [
        ("attention", "one look-up", "torch"),
        ("attention", "in heads with gradients", "torch"),
    ]
    assert found == 3 * lstm + 3 * convolution + 3 * attention
    assert all(float(row[4]) >= 0 for row in rows)


@pytest.mark.skipif(not WEEKLY, reason="once a week; bench_features every day")
@pytest.mark.slow
def test_small_numbers_are_refused_in_one_sentence():
    done = run_benchmark("bench_sequences", "--steps", "1")
    assert done.returncode == 2
    assert "--steps must be at least 2" in done.stderr
