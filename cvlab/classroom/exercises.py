"""Derive the students' notebooks from the solutions: one source, nothing to keep in step by hand.

In a solution notebook a task is a code cell whose ``nbgrader`` metadata says ``solution: true``
and whose body stands between ``### BEGIN SOLUTION`` and ``### END SOLUTION``; its self-check is a
cell with ``grade: true`` and points. Cells tagged ``hidden``, ``wrong-answer`` or ``probe`` are for
instructors, as is what stands between ``### BEGIN HIDDEN TESTS`` and ``### END HIDDEN TESTS``.

Each self-check begins with a line that imports `check`, so that after a restart without the set-up
cell it can say what to do.
"""

from __future__ import annotations

import copy
import re
from pathlib import Path
from typing import Any

from cvlab.classroom import notebooks
from cvlab.classroom.notebooks import ROOT, NotebookError

STUB = "raise NotImplementedError"
HIDDEN_TAGS = {"hidden", "wrong-answer", "probe"}
IMPORT = "from cvlab import check"

_SOLUTION = re.compile(
    r"^([ \t]*)### BEGIN SOLUTION[ \t]*\n.*?^[ \t]*### END SOLUTION[ \t]*$", re.M | re.S
)
_HIDDEN_TESTS = re.compile(
    r"^[ \t]*### BEGIN HIDDEN TESTS[ \t]*\n.*?^[ \t]*### END HIDDEN TESTS[ \t]*\n?", re.M | re.S
)
_MARKER = re.compile(r"### (BEGIN|END) ", re.M)


def derive(solution: Any, name: str = "the solution") -> dict[str, Any]:
    """Return the student's notebook of a solution notebook, in normal form.

    Raises:
        NotebookError: if a marker has no partner, a solution cell has no marked body, a task has
            no self-check, or an identifier stands twice.
    """
    exercise = copy.deepcopy(solution)
    exercise["cells"] = [
        cell for cell in exercise["cells"] if not HIDDEN_TAGS & set(notebooks.tags(cell))
    ]
    tasks: list[str] = []
    checks: list[str] = []
    for cell in exercise["cells"]:
        if cell["cell_type"] != "code":
            continue
        source = "".join(cell["source"])
        grading = cell["metadata"].get("nbgrader", {})
        identifier = grading.get("grade_id", cell.get("id", "?"))
        source, bodies = _SOLUTION.subn(rf"\1{STUB}", source)
        source = _HIDDEN_TESTS.sub("", source)
        if _MARKER.search(source):
            raise NotebookError(f"{name}, {identifier}: a ### BEGIN or ### END has no partner.")
        if grading.get("solution"):
            if bodies == 0:
                raise NotebookError(
                    f"{name}, {identifier}: no ### BEGIN SOLUTION; students would see the answer."
                )
            tasks.append(identifier)
        elif bodies:
            raise NotebookError(f"{name}, {identifier}: a solution body without nbgrader metadata.")
        if grading.get("grade"):
            if not grading.get("points"):
                raise NotebookError(f"{name}, {identifier}: the self-check is worth no points.")
            checks.append(identifier)
            source = source if IMPORT in source else f"{IMPORT}\n\n\n{source}"
        cell["source"] = source
    for identifiers in (tasks, checks):
        twice = {name_ for name_ in identifiers if identifiers.count(name_) > 1}
        if twice:
            raise NotebookError(f"{name}: {', '.join(sorted(twice))} stands twice.")
    if [f"check-{task}" for task in tasks] != checks:
        raise NotebookError(
            f"{name}: each task needs a self-check named check-<task>, in the same order; "
            f"tasks {tasks}, checks {checks}."
        )
    return notebooks.normal(exercise)


def expected(root: Path = ROOT) -> dict[Path, str]:
    """Return the content that each file of `exercises/` must have."""
    return {
        root / "exercises" / path.name: notebooks.text(derive(notebooks.load(path), path.name))
        for path in notebooks.files(root, ("solutions",))
    }


def faults(root: Path = ROOT) -> list[str]:
    """Return how `exercises/` differs from what the solutions give, one sentence a file."""
    if not (root / "solutions").exists():
        return []  # the students' edition, in which they stand alone
    wanted = expected(root)
    found = []
    for path in sorted({*wanted, *notebooks.files(root, ("exercises",))}):
        name = f"exercises/{path.name}"
        if path not in wanted:
            found.append(f"{name} has no solution notebook; remove it.")
        elif not path.exists():
            found.append(f"{name} is missing; run `make exercises`.")
        elif path.read_text(encoding="utf-8") != wanted[path]:
            found.append(f"{name} is not what its solution gives; run `make exercises`.")
    return found


def write(root: Path = ROOT) -> list[Path]:
    """Write the exercises that differ, remove those without a solution; return what changed.

    Raises:
        NotebookError: in the students' edition, in which there is nothing to derive them from.
    """
    if not (root / "solutions").exists():
        raise NotebookError("there is no folder solutions/ here, so exercises stay as they are.")
    wanted = expected(root)
    changed = []
    for path in notebooks.files(root, ("exercises",)):
        if path not in wanted:
            path.unlink()
            changed.append(path)
    for path, content in wanted.items():
        if not path.exists() or path.read_text(encoding="utf-8") != content:
            path.parent.mkdir(exist_ok=True)
            notebooks.write(path, content)
            changed.append(path)
    return changed
