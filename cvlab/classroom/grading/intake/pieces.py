"""A student's cells on the way to their roles: cleaned, parsed, linked to tasks, rid of checks.

A function whose cell was split is joined again. A check that a student copied or called in another
cell is taken out, because the judge never runs a student's checks.
"""

from __future__ import annotations

import ast
import re
from dataclasses import dataclass, field

from cvlab.classroom.grading.intake.ipynb import MOST_SOURCE, Cell, Notebook, headed
from cvlab.classroom.grading.intake.magics import cleaned, markers_of, without_markers
from cvlab.classroom.grading.intake.plan import Plan
from cvlab.classroom.grading.intake.syntax import bindings, lines_of, parsed, texts_of

MOST_CODE = 500_000  # characters of all code cells
MOST_JOINED = 5  # pieces of one function


@dataclass
class Piece:
    """A student's cell on the way to its role."""

    cell: Cell
    text: str
    tree: ast.Module | None = None
    fault: str = ""  #: why there is no tree
    binds: dict[str, bool] = field(default_factory=dict)  #: names, and whether it is no stub
    links: dict[str, str] = field(default_factory=dict)  #: tasks, and by what they are linked
    check: str | None = None  #: the task of whose check it is a copy; empty for a nameless one
    given: bool = False  #: is as it was handed out, and no task
    joined: int = 0  #: how many further cells went into it
    remarks: list[str] = field(default_factory=list)

    @property
    def index(self) -> int:
        """The cell's index in the student's notebook, from 0."""
        return self.cell.index

    def parse(self) -> None:
        """Parse the text, and note which names it binds at the top level."""
        self.tree, self.fault = parsed(self.text)
        self.binds = dict(bindings(self.tree.body)) if self.tree else {}


def pieces_of(student: Notebook, plan: Plan) -> list[Piece]:
    """Return the cells that are or may be code, cleaned, parsed and linked to the tasks."""
    pieces: list[Piece] = []
    left = MOST_CODE
    for cell, heading in headed(student):
        links = _links(cell, heading, plan)
        own = any(how != "heading" for how in links.values())
        if cell.kind != "code" and not own and not re.search(r"^(def|class) ", cell.source, re.M):
            continue
        left -= len(cell.source) if len(cell.source) <= MOST_SOURCE else 0
        piece = _piece(cell, links, plan, left)
        if cell.kind != "code" and not piece.binds:
            continue
        if not (cell.kind == "code" and pieces and _join(pieces[-1], piece)):
            pieces.append(piece)
    for piece in pieces:
        _strip_checks(piece, plan)
        piece.tree = None  # large, and no longer needed
    return pieces


def _piece(cell: Cell, links: dict[str, str], plan: Plan, left: int) -> Piece:
    here = f"cell {cell.index + 1}"
    if len(cell.source) > MOST_SOURCE or left < 0:
        piece = Piece(cell, cell.source[:MOST_SOURCE] if left >= 0 else "", links=links)
        piece.fault = "there is more code than anyone would write"
        piece.remarks.append(f"The code of {here} was not read: {piece.fault}.")
        return piece
    text, removed = cleaned(cell.source)
    piece = Piece(cell, without_markers(text), links=links)
    piece.given = text.strip() in plan.given
    for marker in sorted(markers_of(cell) - plan.markers.get(cell.id or "", frozenset())):
        piece.remarks.append(f"The marker {marker} of {here} has no effect.")
    if removed and not text:
        piece.remarks.append(f"Nothing of {here} runs: it is under {removed[0][:40]}.")
    if cell.kind != "code":
        piece.remarks.append(f"The type of {here} was {cell.kind}; it was read as code.")
    piece.parse()
    return piece


def _links(cell: Cell, heading: str | None, plan: Plan) -> dict[str, str]:
    links = {}
    for task in plan.tasks:
        if cell.id and cell.id == task.cell_id:
            links[task.name] = "cell id"
        elif cell.grade_id == task.name and not cell.grade:
            links[task.name] = "grade_id"
        elif task.name in cell.labels:
            links[task.name] = "task name"
        elif heading and heading == task.heading:
            links[task.name] = "heading"
    return links


def _join(first: Piece, second: Piece) -> bool:
    """Join a function that was cut in two by splitting its cell; tell whether it was."""
    raw = second.cell.source
    indented = re.match(r"(?:[ \t]*\n)*[ \t]+[^\s]", raw)
    if first.cell.kind != "code" or not indented or not first.text.strip():
        return False
    if first.joined == MOST_JOINED or len(first.text) + len(raw) > MOST_SOURCE:
        return False
    returns = second.tree and any(isinstance(node, ast.Return) for node in second.tree.body)
    if not (returns or second.tree is None or first.tree is None):
        return False
    text = f"{first.text.rstrip()}\n{without_markers(raw)}"
    tree, _ = parsed(text)
    if tree is None:
        return False
    first.text = text
    first.joined += 1
    first.links = second.links | first.links
    where = f"cells {first.index + 1} and {second.index + 1}"
    first.remarks += [*second.remarks, f"A function was split between {where}; they were joined."]
    first.parse()
    return True


def _strip_checks(piece: Piece, plan: Plan) -> None:
    """Recognise a copy of a check, and take calls and copies of checks out of other cells."""
    cell = piece.cell
    checked = [plan.check_names[name] for name in piece.binds if name in plan.check_names]
    mark = plan.check_ids.get(cell.id) if cell.id else None
    if mark is None and cell.grade_id:
        mark = plan.check_grades.get(cell.grade_id)
    if mark is None and cell.grade and not cell.solution:
        mark = ""
    whose = checked[0] if checked else mark
    if piece.tree is None:
        piece.check = whose
        return
    lines = piece.text.split("\n")
    kept, dropped = [], []
    for node, text in zip(piece.tree.body, texts_of(piece.tree.body, piece.text), strict=True):
        copied = whose is not None and text in plan.check_lines
        mine = dropped if copied or _of_check(node, plan) else kept
        mine.append(node)
    names = {name for task in plan.tasks for name in task.names}
    answers = names & {name for name, _ in bindings(kept)}
    if whose is not None:
        piece.check = whose
    elif dropped and not kept:
        piece.check = plan.check_names.get(_called(dropped[0]) or "", "")
    if piece.check is not None and not answers:
        piece.binds = {}
        return
    if dropped:
        keep = {number for node in kept for number in lines_of(node)}
        for node in dropped:
            for number in set(lines_of(node)) - keep:
                lines[number] = ""
        piece.text = "\n".join(lines)
        piece.parse()


def _of_check(node: ast.stmt, plan: Plan) -> bool:
    if isinstance(node, ast.FunctionDef):
        return node.name in plan.check_names
    return _called(node) in plan.check_names


def _called(node: ast.stmt) -> str | None:
    if isinstance(node, ast.Expr) and isinstance(node.value, ast.Call):
        function = node.value.func
        return function.id if isinstance(function, ast.Name) else None
    return None
