"""What a solution notebook says of its tasks, its checks and the cells that it hands out.

A student's cell is compared with this plan, never with the solution itself.
"""

from __future__ import annotations

import ast
import functools
import re
from collections import Counter
from dataclasses import dataclass, replace

from cvlab.classroom.exercises import IMPORT
from cvlab.classroom.grading.intake.ipynb import Notebook, headed
from cvlab.classroom.grading.intake.magics import markers_of, plain
from cvlab.classroom.grading.intake.syntax import bindings, texts_of

_BODY = re.compile(
    r"^[ \t]*### BEGIN SOLUTION[ \t]*\n.*?^[ \t]*### END SOLUTION[ \t]*$", re.M | re.S
)


@dataclass(frozen=True)
class PlannedTask:
    """A task, and by what a student's cell may be known to answer it."""

    name: str
    cell_id: str | None
    names: tuple[str, ...]  #: that the student has to define
    heading: str | None


@dataclass(frozen=True)
class Plan:
    """What the solution says of its tasks, its checks and the cells that it hands out."""

    tasks: tuple[PlannedTask, ...]
    check_ids: dict[str, str]  #: by cell id, the task
    check_grades: dict[str, str]  #: by grade_id, the task
    check_names: dict[str, str]  #: by the name of the checking function, the task
    check_lines: frozenset[str]  #: each statement of the checks
    given: frozenset[str]  #: texts of the cells that are neither
    markers: dict[str, frozenset[str]]  #: by cell id, the markers that the course itself set


@functools.lru_cache(maxsize=4)  # one solution for a whole class
def planned(solution: Notebook) -> Plan:
    """Return the plan of a solution.

    Raises:
        ValueError: if the solution has no task.
        SyntaxError: if the solution's own code cannot be parsed.
    """
    tasks: list[PlannedTask] = []
    check_ids: dict[str, str] = {}
    check_grades: dict[str, str] = {}
    check_names: dict[str, str] = {}
    check_lines: set[str] = set()
    given: set[str] = set()
    for cell, heading in headed(solution):
        if cell.kind != "code":
            continue
        text = plain(cell.source)
        if cell.solution and cell.grade_id:
            tasks.append(PlannedTask(cell.grade_id, cell.id, _defined(text), heading))
        elif cell.grade:
            task = (cell.grade_id or "").removeprefix("check-")
            check_ids[cell.id or ""] = check_grades[cell.grade_id or ""] = task
            body = ast.parse(text).body
            for node in filter(_is_check_function, body):
                check_names[node.name] = task  # type: ignore[attr-defined]
            check_lines |= {*texts_of(body, text)}
            check_lines.add(IMPORT)
        else:
            given.add(text.strip())
    if not tasks:
        raise ValueError(
            "The solution has no task; see the metadata of a task in add_a_chapter.md."
        )
    twice = Counter(task.heading for task in tasks)
    tasks = [replace(task, heading=None) if twice[task.heading] > 1 else task for task in tasks]
    markers = {cell.id: markers_of(cell) for cell in solution.cells if cell.id}
    return Plan(
        tasks=tuple(tasks),
        check_ids=check_ids,
        check_grades=check_grades,
        check_names=check_names,
        check_lines=frozenset(check_lines),
        given=frozenset(given),
        markers=markers,
    )


def _defined(text: str) -> tuple[str, ...]:
    """Return the names that a solution's cell defines outside of the body that students write."""
    tree = ast.parse(text)
    bodies = [
        range(text.count("\n", 0, m.start()), text.count("\n", 0, m.end()) + 1)
        for m in _BODY.finditer(text)
    ]
    outside = [node for node in tree.body if not any(node.lineno - 1 in body for body in bodies)]
    for body in (outside, tree.body):
        functions = [n for n in body if isinstance(n, ast.FunctionDef | ast.ClassDef)]
        for nodes in (functions, body):
            names = tuple(dict.fromkeys(name for name, _ in bindings(nodes)))
            if names:
                return names
    return ()


def _is_check_function(node: ast.stmt) -> bool:
    return isinstance(node, ast.FunctionDef) and any(
        ast.unparse(decorator).startswith("check.") for decorator in node.decorator_list
    )


def task_names(solution: Notebook) -> dict[str, tuple[str, ...]]:
    """Return the tasks of a solution in their order, each with the names that students define.

    Raises:
        ValueError: if the solution has no task.
        SyntaxError: if the solution's own code cannot be parsed.
    """
    return {task.name: task.names for task in planned(solution).tasks}
