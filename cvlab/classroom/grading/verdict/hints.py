"""What the visible checks say about answers that are not right."""

from __future__ import annotations

import dataclasses

from cvlab.classroom.grading.box.replay import Sitting
from cvlab.classroom.grading.intake.tasks import Task
from cvlab.classroom.grading.report.records import TaskResult
from cvlab.classroom.grading.verdict.examiner import Examiner

HINT_SECONDS = 5.0  # for a visible check, which may never end


def with_checks(
    examiner: Examiner, sitting: Sitting, results: list[TaskResult]
) -> list[TaskResult]:
    """Return the results, with what the visible checks say about those that are not right.

    Each runs in a box that has seen no probe, so that its message can hold nothing hidden.
    """
    asked = [
        position
        for position, result in enumerate(results)
        if result.verdict in ("wrong", "partial", "error")
    ]
    if not asked or not sitting.open():
        return results
    hinted = list(results)
    for position in asked:
        message = said_by_check(examiner, sitting, examiner.exercise.tasks[position])
        if sitting.box is None:
            break
        hint = results[position].hint
        if message and message not in hint:
            hint = f"{hint}\nThe check in the notebook says: {message}".strip()
            hinted[position] = dataclasses.replace(results[position], hint=hint)
    return hinted


def said_by_check(examiner: Examiner, sitting: Sitting, task: Task) -> str:
    """Return what the visible check of a task says in a box, empty if nothing of use.

    A box that ends over it is closed.
    """
    reply = examiner.check(sitting, task, HINT_SECONDS)
    if reply.ended:
        sitting.close()
    failed = reply.fate == "error" and reply.name == "CheckFailed"
    return " ".join(reply.message.split()) if failed else ""
