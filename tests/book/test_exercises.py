"""Every exercise: untouched it fails with friendly sentences, solved it passes, wrong it fails."""

from __future__ import annotations

import ast
import copy
import re

import nbformat
import pytest
from conftest import IN_TURN, ROOT
from nbclient import NotebookClient
from waiting import GIVE_UP

from cvlab.classroom import exercises, notebooks
from cvlab.classroom.running import kernel

assert IN_TURN, "there is no solution notebook"
pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]


def solution(name):
    return notebooks.load(ROOT / "solutions" / f"{name}.ipynb")


def exercise(name):
    return notebooks.load(ROOT / "exercises" / f"{name}.ipynb")


def run(notebook):
    """Execute a notebook to its end, errors included; return its cells."""
    notebook = copy.deepcopy(notebook)
    folder = {"metadata": {"path": str(ROOT / "exercises")}}
    NotebookClient(
        notebook,
        kernel_name=kernel.choose()[0],
        timeout=GIVE_UP,
        allow_errors=True,
        resources=folder,
    ).execute()
    return notebook["cells"]


def is_check(cell):
    return cell["metadata"].get("nbgrader", {}).get("grade", False)


def is_task(cell):
    return cell["metadata"].get("nbgrader", {}).get("solution", False)


def errors(cell):
    return [o for o in cell.get("outputs", []) if o["output_type"] == "error"]


def printed(cell):
    return "".join(o.get("text", "") for o in cell.get("outputs", []))


@pytest.mark.parametrize("name", IN_TURN)
def test_untouched_every_check_fails_kindly_and_nothing_else_fails(name):
    cells = run(exercise(name))
    checks = [cell for cell in cells if is_check(cell)]
    assert len(checks) >= 3
    for cell in cells:
        if is_check(cell):
            (error,) = errors(cell)
            assert error["ename"] == "CheckFailed", error["evalue"]
            assert "is not written yet" in error["evalue"]
            shown = "".join(error["traceback"])
            assert shown.startswith("✗ ")
            assert len(shown.splitlines()) <= 3, "a student sees a sentence, not a traceback"
        else:
            assert errors(cell) == [], cell["id"]


def without_refusal(source):
    """A wrong answer's code without the statement that refuses it."""
    tree = ast.parse(source)
    tree.body = [node for node in tree.body if "check.refuses" not in ast.unparse(node)]
    return ast.unparse(tree)


def wrong_answers(name):
    """Each named wrong answer with the task it belongs to: the nearest task above it."""
    task = None
    for cell in solution(name)["cells"]:
        if is_task(cell):
            task = cell
        if "wrong-answer" in notebooks.tags(cell):
            tree = ast.parse(cell["source"])
            refused = [
                ast.unparse(node.args[1])
                for node in ast.walk(tree)
                if isinstance(node, ast.Call) and ast.unparse(node.func) == "check.refuses"
            ]
            assert refused, f"{cell['id']} refuses nothing"
            yield task, cell, refused


@pytest.mark.parametrize("name", IN_TURN)
def test_solved_every_check_passes_and_two_wrong_answers_are_refused_in_place(name):
    """Put each answer where a student would write it, and run the student's own check."""
    found = {}
    for task, cell, refused in wrong_answers(name):
        for function in refused:
            found.setdefault(task["id"], []).append((cell, function))
    tasks = [cell for cell in solution(name)["cells"] if is_task(cell)]
    assert {task["id"] for task in tasks} == set(found)
    assert min(map(len, found.values())) >= 2

    notebook = exercise(name)
    bodies = {task["id"]: task["source"] for task in tasks}
    cells = []
    for cell in notebook["cells"]:
        cells.append(cell)
        if is_task(cell):
            assert exercises.STUB in cell["source"]
            cell["source"] = bodies[cell["id"]]
        if not is_check(cell):
            continue
        task_id = cell["metadata"]["nbgrader"]["grade_id"].removeprefix("check-")
        task = next(t for t in tasks if t["metadata"]["nbgrader"]["grade_id"] == task_id)
        right = re.search(r"^def (\w+)\(", task["source"], re.M)[1]
        for number, (wrong_cell, function) in enumerate(found[task["id"]]):
            plain = without_refusal(wrong_cell["source"])
            plain += f"\n{right}, _right = {function}, {right}"
            cells.append(nbformat.v4.new_code_cell(plain, id=f"plant-{task_id}-{number}"[:60]))
            cells.append(
                nbformat.v4.new_code_cell(cell["source"], id=f"wrong-{task_id}-{number}"[:60])
            )
            restore = f"{right} = _right"
            cells.append(nbformat.v4.new_code_cell(restore, id=f"mend-{task_id}-{number}"[:60]))
    notebook["cells"] = cells
    for cell in run(notebook):
        if cell["id"].startswith("wrong-"):
            assert errors(cell), f"{cell['id']} passes"
            (error,) = errors(cell)
            assert error["ename"] == "CheckFailed", error
            assert len(error["evalue"]) > 30, "the sentence helps"
            continue
        assert errors(cell) == [], f"{cell['id']}: {errors(cell)}"
        if is_check(cell):
            points = cell["metadata"]["nbgrader"]["points"]
            unit = "point" if points == 1 else "points"
            assert re.search(
                rf"^✓ .*: [1-9]\d* checks? passed \({points} {unit}\)$", printed(cell), re.M
            )
