"""What a full run of the tests costs, and how much of that grows with each chapter.

`make test` leaves what each test took in ``_build/tests.xml``, and each notebook's record says what
its execution took. `table` puts both together: a test whose name holds a notebook's name belongs to
that chapter, all others are fixed, whatever the number of chapters.
"""

from __future__ import annotations

import re
import xml.etree.ElementTree as ElementTree
from collections import defaultdict
from pathlib import Path

from cvlab.classroom import notebooks
from cvlab.classroom.notebooks import ROOT
from cvlab.classroom.running import execute

REPORT = ROOT / "_build" / "tests.xml"
PLANNED = 33  #: chapters of the whole course


def table(report: Path | None = None, workers: int | None = None) -> str:
    """Return the cost table of the last full run.

    Args:
        report: JUnit file of pytest, durations with set-up and tear-down; `REPORT` by default.
        workers: that shared the work; as many as cores by default.

    Returns:
        One line a test module, worker seconds: those that are fixed, those that belong to chapters;
        below them the sums and what a run takes with all planned chapters.

    Raises:
        OSError: if there is no report.
        ValueError: if it is not whole.
    """
    report, workers = report or REPORT, workers or execute.cores()
    names = [path.stem for path in notebooks.files(ROOT, ("chapters",))]
    try:
        cases = list(ElementTree.parse(report).iter("testcase"))
    except ElementTree.ParseError as error:
        raise ValueError(f"{report} is damaged ({error}); run `make test` again.") from None
    seconds: dict[str, list[float]] = defaultdict(lambda: [0.0, 0.0, 0])
    for path in notebooks.files(ROOT, ("chapters", "solutions")):
        if record := execute.record(path):
            seconds["(execution of notebooks)"][1] += record["seconds"]
            seconds["(execution of notebooks)"][2] += 1
    mark = re.compile("|".join(map(re.escape, names)) or "(?!)")
    for case in cases:
        where = f"{case.get('classname', '')} {case.get('name', '')}"
        module = _module(case.get("classname", ""))
        of_chapter = bool(mark.search(where))
        seconds[module][of_chapter] += float(case.get("time") or 0)
        seconds[module][2] += 1
    lines = [f"{'worker seconds':44}{'fixed':>8}{'chapters':>10}{'tests':>8}"]
    for module, (fixed, grows, count) in sorted(
        seconds.items(), key=lambda entry: -sum(entry[1][:2])
    ):
        lines.append(f"{module:44}{fixed:8.0f}{grows:10.0f}{count:8.0f}")
    fixed = sum(entry[0] for entry in seconds.values())
    grows = sum(entry[1] for entry in seconds.values())
    each = grows / max(len(names), 1)
    lines.append(f"{'together':44}{fixed:8.0f}{grows:10.0f}")
    now, then = fixed + grows, fixed + each * PLANNED
    lines.append(
        f"{len(names)} chapters, {each:.0f} worker seconds each: about "
        f"{now / workers / 60:.0f} minutes on {workers} workers; {PLANNED} chapters: "
        f"{then / workers / 60:.0f}."
    )
    return "\n".join(lines)


def _module(classname: str) -> str:
    """Return the file's name of a JUnit class, notebooks and doctests each taken together."""
    parts = [part for part in classname.split(".") if part]
    if parts and parts[0] in notebooks.FOLDERS:
        return f"(nbval, {parts[0]})"
    if parts and parts[0] == "cvlab":
        return "(doctests)"
    return next((part for part in parts if part.startswith("test_")), classname or "?")
