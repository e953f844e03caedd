"""The words of `cvlab grade`; apart, so that other commands need not load the grader."""

from __future__ import annotations

import argparse
import math
from collections.abc import Callable
from datetime import datetime
from pathlib import Path


def declare(command: argparse.ArgumentParser) -> None:
    """Add the arguments of `cvlab grade` to its parser."""
    command.add_argument(
        "submissions",
        nargs="?",
        type=Path,
        help="nbgrader's submitted/ tree, a folder of notebooks, a zip from a platform such as "
        "Moodle or Canvas, or one notebook",
    )
    command.add_argument(
        "--exercise", metavar="NAME", help="such as 01_knn, or a solution notebook's path"
    )
    command.add_argument("--out", type=Path, metavar="FOLDER", help="for the grades")
    command.add_argument("--roster", type=Path, metavar="CSV", help="identifiers, names, emails")
    command.add_argument(
        "--layout",
        choices=("class", "student", "folder"),
        help="what a folder of folders is, where that is not certain: a class, or one student's; "
        "or that names of files are no platform's",
    )
    command.add_argument(
        "--due", type=_time, metavar="TIME", help="the deadline, such as 2030-02-28T23:59+01:00"
    )
    command.add_argument(
        "--late",
        type=_share,
        default=0.0,
        metavar="SHARE",
        help="of the points that each day late costs, such as 0.1 (nothing by default)",
    )
    command.add_argument(
        "--late-most", type=_share, default=1.0, metavar="SHARE", help="that lateness costs at most"
    )
    command.add_argument(
        "--grace",
        type=_hours,
        default=0.0,
        metavar="HOURS",
        help="after the deadline that cost nothing",
    )
    command.add_argument(
        "--seed",
        type=_seed,
        metavar="N",
        help="of the hidden inputs (by default that of an earlier run in --out, else a new one)",
    )
    command.add_argument(
        "--workers", type=_count, metavar="N", help="submissions at once (as many as cores)"
    )
    command.add_argument("--scheduler", metavar="ADDRESS", help="of a Dask scheduler")
    command.add_argument(
        "--resume",
        action=argparse.BooleanOptionalAction,
        default=True,
        help="go on where an earlier run in --out has stopped (the default)",
    )
    command.add_argument(
        "--watch",
        nargs="?",
        type=_positive,
        const=5.0,
        metavar="S",
        help="stay, look every S seconds (5) and grade what arrives; Ctrl-C ends it",
    )
    command.add_argument(
        "--keep",
        choices=("newest", "best"),
        default="newest",
        help="which of a student's versions counts that were graded one after another",
    )
    command.add_argument(
        "--cell-seconds", type=_positive, default=20.0, metavar="S", help="for a cell (20)"
    )
    command.add_argument(
        "--total-seconds", type=_positive, default=120.0, metavar="S", help="a submission (120)"
    )
    command.add_argument(
        "--hints",
        action=argparse.BooleanOptionalAction,
        default=True,
        help="tell whoever got a task wrong what the visible check says (the default)",
    )
    command.add_argument(
        "--doctor", action="store_true", help="only say which walls this machine can build"
    )
    command.add_argument("--unsafe", action="store_true", help="grade even where walls are missing")


def _time(text: str) -> datetime:
    try:
        moment = datetime.fromisoformat(text)
        if len(text) <= len("2030-02-28"):  # midnight, as the day begins, is hardly meant
            raise ValueError
        return moment.astimezone()
    except (ValueError, OverflowError):
        raise argparse.ArgumentTypeError(
            f"{text!r} is no day and time; write it like 2030-02-28T23:59+01:00"
        ) from None


def _number(kind: Callable[[str], float], good: Callable[[float], bool], what: str):
    def read(text: str) -> float:
        try:
            value = kind(text)
        except ValueError:
            value = math.nan
        if not good(value):
            raise argparse.ArgumentTypeError(f"{text!r} is not {what}")
        return value

    return read


_share = _number(float, lambda value: 0 <= value <= 1, "a share from 0 to 1, such as 0.1")
_hours = _number(float, lambda value: 0 <= value < 1e5, "a number of hours, 0 or more")
_positive = _number(float, lambda value: 0 < value <= 1e6, "a number of seconds above 0")
_seed = _number(int, lambda value: 0 <= value < 2**64, "a whole number from 0 to 2**64 - 1")
_count = _number(int, lambda value: 1 <= value <= 1000, "a whole number from 1 to 1000")
