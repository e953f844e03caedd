"""The right values: what the solution returns to each probe, against which answers are compared."""

from __future__ import annotations

import dataclasses
from typing import Any

from cvlab.classroom.exercises import HIDDEN_TAGS
from cvlab.classroom.grading.box.replay import Sitting
from cvlab.classroom.grading.intake import answers
from cvlab.classroom.grading.intake.answers import Located
from cvlab.classroom.grading.intake.tasks import Exercise, Probe, Task
from cvlab.classroom.grading.verdict import reasons
from cvlab.classroom.grading.verdict.examiner import Examiner

#: Normal forms of the solution's values, by the names of task and probe.
References = dict[tuple[str, str], Any]


class JudgeError(RuntimeError):
    """The exercise itself cannot be graded; the message says what to mend."""


def require_probes(exercise: Exercise) -> None:
    """Refuse an exercise in which a task has no probe.

    Raises:
        JudgeError: if there is one.
    """
    bare = [task.name for task in exercise.tasks if not task.probes]
    if bare:
        raise JudgeError(
            f"{exercise.name}: {', '.join(bare)} has no probe, so nothing can be said about an "
            "answer; see the instructor's guide."
        )


def find(examiner: Examiner) -> References:
    """Return the solution's value for each probe, in its normal form.

    Raises:
        JudgeError: if the solution stops, or fails one of its own probes.
        ZygoteError: if no box can be made.
    """
    exercise = examiner.exercise
    with examiner.sitting(_solution(exercise)) as sitting:
        if not sitting.open():
            raise JudgeError(f"{exercise.name}: {reasons.fault(sitting)}")
        for index, reply in sitting.replies.items():
            if reply.fate != "ok":
                raise JudgeError(
                    f"{exercise.name}: cell {index + 1} of the solution stops with "
                    f"{reply.name}: {reply.message}."
                )
        return {
            (task.name, probe.name): _value(examiner, sitting, task, probe)
            for task in exercise.tasks
            for probe in task.probes
        }


def _solution(exercise: Exercise) -> Located:
    """Return the solution notebook as if it had been handed in."""
    shown = [cell for cell in exercise.notebook.cells if not HIDDEN_TAGS & set(cell.tags)]
    answered = dataclasses.replace(exercise.notebook, cells=tuple(shown))
    return answers.locate(answered, exercise.notebook)


def _value(examiner: Examiner, sitting: Sitting, task: Task, probe: Probe) -> Any:
    name = examiner.exercise.name
    reply = examiner.probe(sitting, task, probe)
    if reply.fate == "ok":
        reply = examiner.referee.normal(probe, reply.value)
    if reply.fate != "ok":
        raise JudgeError(
            f"{name}: the solution fails the probe {probe.name} of {task.name} "
            f"({': '.join(filter(None, (reply.name, reply.message)))})."
        )
    if not probe.normal and (reply.value is None or isinstance(reply.value, bool)):
        raise JudgeError(
            f"{name}: the probe {probe.name} of {task.name} returns {reply.value}"
            ", which other answers would too; let it return what the function gave, not a "
            "verdict."
        )
    return reply.value
