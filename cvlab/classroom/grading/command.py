"""What `cvlab grade` does with its words, and what it says."""

from __future__ import annotations

import argparse
import math
from collections.abc import Callable
from pathlib import Path

from cvlab.classroom import notebooks
from cvlab.classroom.grading import session
from cvlab.classroom.grading.box.isolation import Limits
from cvlab.classroom.grading.box.replay import Policy
from cvlab.classroom.grading.report.exports import Late, rounded
from cvlab.classroom.grading.watch import watch
from cvlab.classroom.notebooks import ROOT
from cvlab.classroom.running import execute


def grade(options: argparse.Namespace, say: Callable[[str], None]) -> int:
    """Run the command; return its exit status: 0, 1 for a fault, 130 after Ctrl-C."""
    if options.doctor:
        return _doctor(say)
    try:
        chosen = _options(options)
        if options.watch is not None:
            watch(chosen, say, lambda outcome: _tell(outcome, options.out, say), options.watch)
        outcome = session.run(chosen, say)
    except (ValueError, RuntimeError) as error:
        say(f"cvlab: {error}")
        return 1
    _tell(outcome, options.out, say)
    return 0


def _doctor(say: Callable[[str], None]) -> int:
    for wall, state in session.doctor():
        say(f"{wall}: {state}")
    try:
        walls, said = session.choose_walls()
    except session.SessionError as error:
        say(f"cvlab: {error}")
        return 1
    said = said or "Students' notebooks can be graded on this machine."
    say(said if walls == "zygote" else f"Students' notebooks can be graded here. {said}")
    return 0


def _options(options: argparse.Namespace) -> session.Options:
    missing = [
        word
        for word, value in (
            ("SUBMISSIONS", options.submissions),
            ("--exercise", options.exercise),
            ("--out", options.out),
        )
        if value is None
    ]
    if missing:
        *first, last = missing
        what = f"{', '.join(first)} and {last} are" if first else f"{last} is"
        raise session.SessionError(
            f"{what} missing; a whole command is "
            "`cvlab grade submitted/ --exercise 01_knn --out grades/`."
        )
    if not options.submissions.exists():
        raise session.SessionError(
            f"there is no {options.submissions}; name a folder, a zip or a notebook."
        )
    return session.Options(
        place=options.submissions,
        solution=solution(options.exercise),
        out=options.out,
        seed=options.seed,
        workers=options.workers or execute.cores(),
        scheduler=options.scheduler,
        roster=options.roster,
        layout=options.layout,
        keep=options.keep,
        due=options.due,
        late=Late(options.late, options.late_most, options.grace),
        resume=options.resume,
        unsafe=options.unsafe,
        policy=Policy(
            cell_seconds=options.cell_seconds,
            total_seconds=options.total_seconds,
            box=Limits(cpu_seconds=math.ceil(options.total_seconds)),
            hints=options.hints,
        ),
    )


def solution(name: str) -> Path:
    """Return the solution notebook of an exercise.

    Raises:
        SessionError: if there is none.
    """
    known = {path.stem: path for path in notebooks.files(ROOT, ("solutions",))}
    if name in known:
        return known[name]
    path = Path(name)
    if path.suffix == ".ipynb" and path.is_file():
        return path
    raise session.SessionError(
        f"there is no exercise {name!r}; there are {', '.join(known)}. A solution notebook "
        "elsewhere is named by its path, with .ipynb."
    )


def _tell(outcome: session.Outcome, out: Path, say: Callable[[str], None]) -> None:
    points = [grade.points for grade in outcome.grades]
    most = max(grade.record.max_points for grade in outcome.grades)
    mean = rounded(sum(points) / len(points))
    flagged = sum(bool(grade.record.flags) for grade in outcome.grades)
    each = f", {outcome.seconds / outcome.graded:.2f} s each" if outcome.graded else ""
    say(
        f"{outcome.graded} graded in {outcome.seconds:.0f} s{each}; mean {mean} of {most:g} points."
    )
    if flagged:
        verb = "is" if flagged == 1 else "are"
        say(f"{flagged} {verb} flagged: see the list in {out / 'class.html'}.")
    say(f"Grades: {out / 'grades.csv'}. Pages: {out / 'class.html'}, {out / 'students'}.")
