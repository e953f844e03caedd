"""Whether an exercise can be graded: its solution, stub and wrong answers, through the same judge.

Each is put into the notebook that students get and graded like a submission: the solution has to
earn all points, the stub none, a named wrong answer fewer than all, and lazy answers none.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cvlab.classroom import exercises, notebooks
from cvlab.classroom.grading.box.replay import Place, Policy
from cvlab.classroom.grading.intake import tasks
from cvlab.classroom.grading.intake.tasks import Exercise, Task
from cvlab.classroom.grading.report.records import TaskResult
from cvlab.classroom.grading.verdict.judge import Judge

#: Answers of whoever has not thought: what is earned by them can be guessed.
LAZY = {
    "nothing": "None",
    "zero": "0",
    "true": "True",
    "its first argument": "arguments[0]",
    "an exception": "_refuse()",
    "an empty list": "[]",
}
SEED = 20_260_101


@dataclass(frozen=True)
class Trial:
    """An answer that was graded, and what is wrong with its grade; empty if nothing is."""

    task: str
    answer: str
    points: float
    fault: str = ""


def trials(
    path: Path, place: Callable[[Exercise], Place] | None = None, seed: int = SEED
) -> Iterator[Trial]:
    """Grade the solution, the stub, every named wrong answer and lazy ones of an exercise.

    Args:
        path: of the solution notebook.
        place: where boxes come from.
        seed: of the hidden inputs.

    Raises:
        ExerciseError, JudgeError: if nothing of the exercise can be graded.
    """
    exercise = tasks.load(path)
    stub = exercises.derive(notebooks.load(path), path.name)
    right = {task.name: task.solution for task in exercise.tasks}
    with Judge(exercise, seed, Policy(hints=False), place) as judge:

        def results(answers: dict[str, str]) -> dict[str, TaskResult]:
            record = judge.grade(_filled(stub, answers), "trial").record
            return {result.task: result for result in record.tasks}

        for task, result in results(right).items():
            yield _trial(result, task, "the solution", result.points == result.max_points)
        for task, result in results({}).items():
            yield _trial(result, task, "the stub", result.points == 0)
        for task in exercise.tasks:
            for wrong in task.wrong:
                aliases = "".join(f"\n{a} = {b}" for a, b in wrong.stands_for.items())
                source = f"{wrong.source}\n{aliases}\n"
                result = results(right | {task.name: source})[task.name]
                yield _trial(result, task.name, wrong.name, result.points < result.max_points)
            for name, value in LAZY.items():
                result = results(right | {task.name: _lazy(task, value)})[task.name]
                yield _trial(result, task.name, name, result.points == 0)


def _trial(result: TaskResult, task: str, answer: str, good: bool) -> Trial:
    fault = f"{answer} earns {result.points:g} of {result.max_points:g} points in {task}"
    why = f" ({result.reason})" if result.reason and result.points < result.max_points else ""
    return Trial(task, answer, result.points, "" if good else f"{fault}{why}.")


def _lazy(task: Task, value: str) -> str:
    made = ["def _refuse():\n    raise ValueError"]
    made += [f"def {name}(*arguments, **options):\n    return {value}" for name in task.names]
    return "\n\n\n".join(made) + "\n"


def _filled(stub: dict[str, Any], answers: dict[str, str]) -> bytes:
    """Return the students' notebook with answers in the cells of the tasks."""
    cells = []
    for cell in stub["cells"]:
        grading = cell["metadata"].get("nbgrader", {})
        if grading.get("solution") and grading.get("grade_id") in answers:
            cell = cell | {"source": answers[grading["grade_id"]]}
        cells.append(cell)
    return json.dumps(stub | {"cells": cells}).encode()
