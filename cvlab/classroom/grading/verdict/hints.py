"""What the visible checks say about answers that are not right."""

from __future__ import annotations

import dataclasses

from cvlab.classroom.grading.box.replay import Sitting
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
        reply = examiner.check(sitting, examiner.exercise.tasks[position], HINT_SECONDS)
        if reply.ended:
            break
        if reply.fate == "error" and reply.name == "CheckFailed" and reply.message:
            said = f"The check in the notebook says: {' '.join(reply.message.split())}"
            hint = f"{results[position].hint}\n{said}".strip()
            hinted[position] = dataclasses.replace(results[position], hint=hint)
    return hinted
