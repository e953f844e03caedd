"""The grader's benchmarks run; their figures are for people, and no test depends on them."""

from __future__ import annotations

import re
import sys

import pytest
from conftest import WEEKLY, rows_of, run_benchmark

pytestmark = [
    pytest.mark.skipif(sys.platform != "linux", reason="boxes need Linux"),
    pytest.mark.slow,
    pytest.mark.about("tests/benchmarks", "cvlab/classroom/grading"),
]
TARGETS = {"NumPy": "0.10 s", "torch": "0.15 s"}
WORKS = list(TARGETS) if WEEKLY else ["NumPy"]


def test_two_submissions_are_measured_with_every_answer_right(walls):
    few = ("--works", *WORKS, "--submissions", "2", "--repeats", "1", "--many", "3")
    done = run_benchmark("bench_grade", "--no-peers", *few)
    rows = rows_of(done)
    assert {row[0] for row in rows} == set(WORKS)
    assert len(rows) == 6 * len(WORKS)
    for row in rows:
        assert re.fullmatch(r"-?\d+\.\d{3} s", row[2]), row
    said = [row[1] for row in rows]
    for target in (*(TARGETS[work] for work in WORKS), "1.8", "0.5 s"):
        assert any(f"target {target}: " in words for words in said)
    assert "3 submissions: the judge's memory" in done.stdout


def test_a_batch_of_one_is_refused_in_one_sentence():
    done = run_benchmark("bench_grade", "--submissions", "1", "--no-peers")
    assert done.returncode == 2
    assert "it takes at least two submissions" in done.stderr


def test_fairness_is_measured(walls):
    few = ("--right", "2", "--hogs", "0", "--workers", "1", "2")
    rows = rows_of(run_benchmark("bench_fairness", *few))
    assert [row[:4] for row in rows] == [[n, "0", "2 of 2", "2 of 2"] for n in ("1", "2")]
