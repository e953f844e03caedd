"""Find a student's answers in a notebook, as data: nothing that a student wrote is executed.

`locate` finds the answer to each task of the solution by the cell's identifier, then by the task's
name or heading, then by the functions that the task defines. Cells may have been deleted,
duplicated, moved, split, merged or retyped, and may hold what Jupyter and Colab leave behind.

Where several cells define a task's function, the last complete definition above the student's last
copy of the task's check counts, because that is the one that the student saw checked.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass

from cvlab.classroom.grading.intake.ipynb import Notebook, abridged
from cvlab.classroom.grading.intake.pieces import Piece, pieces_of
from cvlab.classroom.grading.intake.plan import Plan, PlannedTask, planned
from cvlab.classroom.grading.intake.written import inlined

_ORDER = ("cell id", "grade_id", "task name", "heading")


@dataclass(frozen=True)
class Answer:
    """What a student answered to a task."""

    task: str
    source: str  #: Python to run, empty if missing
    how: str  #: cell id, grade_id, task name, heading, function name, or empty if missing
    cells: tuple[int, ...]  #: indices in the student's notebook, from 0
    missing: bool = False
    untouched: bool = False  #: there is only the stub that was handed out
    remarks: tuple[str, ...] = ()


@dataclass(frozen=True)
class Code:
    """A code cell of the student, for a replay of the notebook in its order.

    `role` is "task" for a cell with answers; "check" for a student's copy of a check of `tasks`,
    never to be run; "superseded" for a definition of a task's function that is not the answer, so
    that whoever replays it runs `Answer.source` once more before probing; and "other" for imports,
    helpers and experiments, which answers may need.
    """

    index: int
    role: str
    tasks: tuple[str, ...]
    source: str  #: Python without magics, markers and calls of checks; may still have an error


@dataclass(frozen=True)
class Located:
    """The answers in the order of the solution's tasks, and the notebook's code in its own."""

    answers: tuple[Answer, ...]
    prelude: tuple[Code, ...]
    remarks: tuple[str, ...] = ()


def locate(student: Notebook, solution: Notebook) -> Located:
    """Find the student's answer to every task of the solution.

    Raises:
        ValueError: if the solution has no task.
        SyntaxError: if the solution's own code cannot be parsed.
    """
    plan = planned(solution)
    student = inlined(student)
    pieces = pieces_of(student, plan)
    remarks = [*abridged([*student.remarks, *_oddities(student, pieces)])]
    chosen = {task.name: _complete(task, pieces) for task in plan.tasks}
    taken = {piece.index for found in chosen.values() for piece in found.values()}
    answers = []
    for task in plan.tasks:
        found = chosen[task.name]
        answer = _answer(task, found, pieces) if found else _fallback(task, pieces, taken)
        answers.append(answer)
    if all(answer.missing for answer in answers):
        remarks.append("None of the tasks is in this notebook; is it that of another exercise?")
    return Located(tuple(answers), _prelude(pieces, answers, plan), tuple(remarks))


def _oddities(student: Notebook, pieces: list[Piece]) -> Iterator[str]:
    """Iterate over sentences on markers and on identifiers that stand twice."""
    for piece in pieces:
        yield from piece.remarks
    for identifier, count in Counter(c.id for c in student.cells if c.id).items():
        if count > 1:
            yield f"The cell id {identifier[:64]!a} stands {count} times."


def _complete(task: PlannedTask, pieces: list[Piece]) -> dict[str, Piece]:
    """Return, for each name of the task that is defined in full somewhere, the cell that counts."""
    checks = [piece.index for piece in pieces if piece.check == task.name]
    last = max(checks, default=-1)
    found = {}
    for name in task.names:
        full = [piece for piece in pieces if piece.binds.get(name)]
        full = [piece for piece in full if piece.cell.kind == "code"] or full
        seen = [piece for piece in full if piece.index <= last]
        own = [p for p in full if p.links.get(task.name, "heading") != "heading"]
        if pool := seen or own or full:
            found[name] = pool[-1]
    return found


def _answer(task: PlannedTask, found: dict[str, Piece], pieces: list[Piece]) -> Answer:
    chosen = sorted({piece.index: piece for piece in found.values()}.values(), key=_index)
    remarks = [remark for piece in chosen for remark in piece.remarks]
    missing = [name for name in task.names if name not in found]
    if missing:
        remarks.append(f"There is no definition of {_listed(missing)}.")
    for name, piece in found.items():
        others = [p.index + 1 for p in pieces if p.binds.get(name) and p is not piece]
        if others:
            more = "cells" if len(others) > 1 else "cell"
            numbers = ", ".join(map(str, others[:9]))
            remarks.append(
                f"{name} is defined in {more} {numbers} too; that of cell {piece.index + 1} counts."
            )
    how = next((p.links[task.name] for p in chosen if task.name in p.links), "function name")
    source = "\n\n".join(piece.text.strip("\n") for piece in chosen) + "\n"
    return Answer(
        task.name, source, how, tuple(map(_index, chosen)), remarks=tuple(dict.fromkeys(remarks))
    )


def _index(piece: Piece) -> int:
    return piece.index


def _listed(names: list[str]) -> str:
    return ", ".join(f"`{name}`" for name in names)


def _fallback(task: PlannedTask, pieces: list[Piece], taken: set[int]) -> Answer:
    """Return what comes nearest to an answer where no name of the task is defined in full."""
    free = [p for p in pieces if p.index not in taken and p.text.strip()]
    stubs = [p for p in free if set(task.names) & p.binds.keys()]
    free = [p for p in free if p.check is None]
    definition = re.compile(rf"^[ \t]*(?:async\s+def|def|class)\s+({'|'.join(task.names)})\b", re.M)
    broken = [p for p in free if p.fault and task.names and definition.search(p.text)]
    linked = [p for p in free if p not in stubs and not p.given and task.name in p.links]
    by = {how: [p for p in linked if p.links[task.name] == how] for how in _ORDER}
    order = [by["cell id"], by["grade_id"], by["task name"], broken, stubs, by["heading"]]
    pool = next(filter(None, order), None)
    if pool is None:
        empty = [p for p in pieces if task.name in p.links and not p.text.strip()]
        emptied = (
            [f"Cell {empty[0].index + 1}, where the answer belongs, is empty."] if empty else []
        )
        return Answer(task.name, "", "", (), missing=True, remarks=tuple(emptied))
    piece = pool[-1]
    remarks = list(piece.remarks)
    untouched = piece in stubs
    if piece.fault:
        remarks.append(f"Cell {piece.index + 1} is no valid Python ({piece.fault}).")
    elif task.names and not untouched:
        other = [name for name in piece.binds if name not in task.names]
        instead = f" but {_listed(other[:3])}" if other else ""
        remarks.append(
            f"Cell {piece.index + 1} does not define {_listed(list(task.names))}{instead}."
        )
    how = piece.links.get(task.name, "function name")
    source = piece.text.strip("\n") + "\n"
    return Answer(task.name, source, how, (piece.index,), False, untouched, tuple(remarks))


def _prelude(pieces: list[Piece], answers: list[Answer], plan: Plan) -> tuple[Code, ...]:
    names = {name for task in plan.tasks for name in task.names}
    codes = []
    for piece in pieces:
        tasks = tuple(answer.task for answer in answers if piece.index in answer.cells)
        if tasks:
            role = "task"
        elif piece.check is not None and not names & piece.binds.keys():
            role = "check"
            tasks = (piece.check,) if piece.check else ()
        elif names & piece.binds.keys():
            role = "superseded"
        elif piece.cell.kind == "code":
            role = "other"
        else:
            continue
        codes.append(Code(piece.index, role, tasks, piece.text))
    return tuple(codes)
