"""What chapter 16 measured of its three detectors, for the table of all that closes chapter 17."""

from __future__ import annotations

import csv
from pathlib import Path
from typing import NamedTuple

_TABLE = Path(__file__).with_name("two_stage.csv")


class DetectorRow(NamedTuple):
    """One detector, mean of its seeds; ``ap`` is the mean over IoU 0.5, 0.55, ..., 0.95."""

    name: str
    images: int  # test scenes that it was scored on
    ap50: float  # at IoU 0.5; all interpolated at 101 recalls
    ap: float
    small: float  # ap of objects below 12 x 12 pixels
    middle: float
    large: float  # above 20 x 20
    parameters: int
    milliseconds: float  # an image, one thread, on the machine that built the book
    seconds: float  # of processor time to train, one thread


def two_stage_rows() -> tuple[DetectorRow, ...]:
    """Return the rows of R-CNN, Fast R-CNN and Faster R-CNN, as chapter 16 measured them.

    Its page asserts that its own run agrees: parameters exactly, average precisions to 0.15, as
    much as single seeds of so short a training differ.

    >>> [row.name for row in two_stage_rows()]
    ['R-CNN', 'Fast R-CNN', 'Faster R-CNN']
    """
    kinds = {"name": str, "images": int, "parameters": int}
    with open(_TABLE, encoding="utf-8", newline="") as table:
        rows = list(csv.DictReader(table))
    return tuple(
        DetectorRow(**{key: kinds.get(key, float)(value) for key, value in row.items()})
        for row in rows
    )
