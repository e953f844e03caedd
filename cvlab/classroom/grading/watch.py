"""Grade what arrives in a folder, for as long as one wants: `cvlab grade --watch`.

A look compares the names, sizes and times of all files with those of the last pass. A pass is a run
like any other, so that it grades what is new or has changed and nothing else; the boxes' parent
stays between passes, for it takes seconds to start.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from cvlab.classroom.grading import session

MOST_FILES = 200_000

State = tuple[tuple[str, int, int], ...]


def watch(
    options: session.Options,
    say: Callable[[str], None],
    told: Callable[[session.Outcome], None],
    seconds: float,
) -> None:
    """Grade a folder whenever something in it has changed; ends only by an interrupt.

    What a pass refuses is said, and tried again when the folder changes: files may still be on
    their way.

    Args:
        options: what to grade, and how.
        say: receives lines for people.
        told: receives the outcome of each pass that has graded something, and of the first.
        seconds: between two looks.
    """
    with ThreadPoolExecutor(options.workers, "judge") as executor:
        try:
            graded: State | None = None
            before = None
            first = True
            while True:
                now = look(options.place, options.out)
                # Whoever is still copying changes something between two looks.
                if now != graded and now == before:
                    graded = now
                    try:
                        lines: list[str] = []
                        outcome = session.run(options, lines.append, executor)
                    except (ValueError, RuntimeError) as error:
                        say(f"cvlab: {error}")
                    else:
                        if first or outcome.graded:
                            for line in lines:
                                say(line)
                            told(outcome)
                        first = False
                    say(f"Watching {options.place}; Ctrl-C ends it.")
                before = now
                time.sleep(seconds)
        finally:
            session.dismiss()


def look(place: Path, out: Path) -> State:
    """Return names, sizes and times of the files in a folder, or of one file; not of the grades."""
    if place.is_file():
        return (_state(str(place)),)
    found: list[tuple[str, int, int]] = []
    grades = os.path.realpath(out)
    for folder, folders, files in os.walk(place):
        folders[:] = [one for one in folders if os.path.realpath(f"{folder}/{one}") != grades]
        found += (_state(f"{folder}/{name}") for name in files[: MOST_FILES - len(found)])
    return tuple(sorted(found))


def _state(path: str) -> tuple[str, int, int]:
    try:
        stat = os.stat(path, follow_symlinks=False)
    except OSError:  # gone meanwhile
        return path, -1, -1
    return path, stat.st_size, stat.st_mtime_ns
