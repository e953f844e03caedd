"""The grader's benchmark runs; its figures are for people, and no test depends on them."""

from __future__ import annotations

import re
import subprocess
import sys

import pytest
from conftest import ROOT

pytestmark = [
    pytest.mark.skipif(sys.platform != "linux", reason="boxes need Linux"),
    pytest.mark.slow,
]
BENCH = ROOT / "tests" / "benchmarks" / "bench_grade.py"


def run(*words):
    """The benchmark as a command."""
    command = [sys.executable, str(BENCH), *words]
    return subprocess.run(command, capture_output=True, text=True, timeout=600, check=False)


def test_two_submissions_are_measured_with_every_answer_right(walls):
    few = ("--works", "NumPy", "--submissions", "2", "--repeats", "1", "--many", "3")
    done = run("--no-peers", *few)
    assert done.returncode == 0, done.stderr
    rows = [line.split("|")[1:-1] for line in done.stdout.splitlines() if line.startswith("| ")]
    assert {row[0].strip() for row in rows[1:]} == {"NumPy"}
    assert len(rows) == 1 + 6
    for row in rows[1:]:
        assert re.fullmatch(r" -?\d+\.\d{3} s ", row[2]), row
    said = [row[1] for row in rows]
    for target in ("0.10 s", "1.8", "0.5 s"):
        assert any(f"target {target}: " in words for words in said)
    assert "3 submissions: the judge's memory" in done.stdout


def test_a_batch_of_one_is_refused_in_one_sentence():
    done = run("--submissions", "1", "--no-peers")
    assert done.returncode == 2
    assert "it takes at least two submissions" in done.stderr


def test_fairness_is_measured(walls):
    bench = BENCH.with_name("bench_fairness.py")
    few = ("--right", "2", "--hogs", "0", "--workers", "1", "2")
    done = subprocess.run(
        [sys.executable, str(bench), *few], capture_output=True, text=True, timeout=600, check=False
    )
    assert done.returncode == 0, done.stderr
    rows = [line.split("|")[1:-1] for line in done.stdout.splitlines() if line.startswith("| ")]
    assert [[cell.strip() for cell in row[:4]] for row in rows[1:]] == [
        [workers, "0", "2 of 2", "2 of 2"] for workers in ("1", "2")
    ]
