"""The benchmark of Part IV runs; its figures are for people, and no test depends on them."""

from __future__ import annotations

import pytest
from conftest import WEEKLY, rows_of, run_benchmark


@pytest.mark.about(
    "tests/benchmarks/bench_detection.py",
    "tests/benchmarks/bench_features.py",
    "chapters/14_viola_jones.ipynb",
    "chapters/16_two_stage.ipynb",
    "cvlab/boxes.py",
    "cvlab/features",
    "cvlab/metrics",
)
@pytest.mark.slow
def test_every_row_is_measured_and_both_sides_agree():
    done = run_benchmark(
        "bench_detection", "--repeats", "1", "--side", "64", "--boxes", "100", "--images", "10"
    )
    rows = rows_of(done)
    found = [(row[0].split(",")[0], row[1]) for row in rows]
    assert found == [
        ("iou", "torchvision"),
        ("giou", "torchvision"),
        ("nms", "torchvision"),
        ("nms", "torchvision"),
        ("batched nms", "torchvision"),
        ("COCO's AP", "pycocotools"),
        ("COCO's AP", "torchmetrics"),
        ("integral image", "OpenCV"),
        ("integral image", "scikit-image"),
        ("Haar feature", "OpenCV"),
        ("Haar feature", "scikit-image"),
        ("selective search's first regions", "scikit-image"),
    ]
    assert all(float(row[4]) >= 0 for row in rows)


@pytest.mark.skipif(not WEEKLY, reason="once a week; bench_features every day")
@pytest.mark.slow
def test_small_numbers_are_refused_in_one_sentence():
    done = run_benchmark("bench_detection", "--boxes", "0")
    assert done.returncode == 2
    assert "--boxes must be at least 1" in done.stderr
