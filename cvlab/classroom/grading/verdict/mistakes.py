"""Which named wrong answer a submission's values are those of.

The solution notebook names wrong answers that students really give. Each is asked the same probes
as the solution and the submissions; an answer that returns the same to all of them makes the same
mistake, whatever its code looks like.
"""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass, field
from typing import Any

from cvlab.checking import compare
from cvlab.classroom.exercises import HIDDEN_TAGS
from cvlab.classroom.grading.box.replay import Reply
from cvlab.classroom.grading.intake import answers
from cvlab.classroom.grading.intake.answers import Located
from cvlab.classroom.grading.intake.tasks import Exercise, Task, WrongAnswer
from cvlab.classroom.grading.verdict import hints
from cvlab.classroom.grading.verdict.examiner import Examiner


@dataclass(frozen=True)
class Mistake:
    """A named wrong answer, and what comes of it.

    Attributes:
        name: its function's.
        replies: to each probe of its task, by the probe's name; values in their normal form.
        said: what the visible check says about it, empty if that is not asked.
    """

    name: str
    replies: dict[str, Reply] = field(repr=False)
    said: str = ""


#: Of each task, by its name, in the notebook's order.
Mistakes = dict[str, tuple[Mistake, ...]]


def find(examiner: Examiner) -> Mistakes:
    """Ask every named wrong answer of an exercise; one that does not run is nobody's mistake.

    Raises:
        ZygoteError: if no box can be made.
    """
    exercise = examiner.exercise
    return {
        task.name: tuple(filter(None, (_asked(examiner, task, wrong) for wrong in task.wrong)))
        for task in exercise.tasks
    }


def _asked(examiner: Examiner, task: Task, wrong: WrongAnswer) -> Mistake | None:
    """Return what a wrong answer gives, or None if its notebook does not run."""
    with examiner.sitting(_handed_in(examiner.exercise, task, wrong)) as sitting:
        if not sitting.open() or any(reply.fate != "ok" for reply in sitting.replies.values()):
            return None
        said, replies = "", {}
        if examiner.policy.hints:
            said = hints.said_by_check(examiner, sitting, task)
            if any(name in said for name in wrong.stands_for.values()):
                said = ""  # it stopped, and the sentence is about a cell that nobody has
            if sitting.box is None and not sitting.open():
                return None
        for probe in task.probes:
            reply = examiner.probe(sitting, task, probe)
            if reply.fate == "ok":
                reply = examiner.referee.normal(probe, reply.value)
            replies[probe.name] = reply
            if reply.ended:
                sitting.close()
                break
    return Mistake(wrong.name, replies, said)


def _handed_in(exercise: Exercise, task: Task, wrong: WrongAnswer) -> Located:
    """Return the solution notebook as if it had been handed in with a wrong answer."""
    aliases = "".join(f"\n{name} = {other}" for name, other in wrong.stands_for.items())
    cells = []
    for cell in exercise.notebook.cells:
        if HIDDEN_TAGS & set(cell.tags):
            continue
        if cell.solution and cell.grade_id == task.name:
            cell = dataclasses.replace(cell, source=f"{wrong.source}\n{aliases}\n")
        cells.append(cell)
    changed = dataclasses.replace(exercise.notebook, cells=tuple(cells))
    return answers.locate(changed, exercise.notebook)


def named(known: tuple[Mistake, ...], task: Task, replies: dict[str, Reply]) -> Mistake | None:
    """Return the mistake that an answer makes, None if it is none that has a name.

    Args:
        known: the task's mistakes, for the same inputs.
        task: that the answer is to.
        replies: what the answer returned to each probe, in normal form.
    """
    for mistake in known:
        if mistake.replies.keys() == replies.keys() and all(
            _same(replies[probe.name], mistake.replies[probe.name], probe.comparison)
            for probe in task.probes
            if probe.name in replies
        ):
            return mistake
    return None


def _same(reply: Reply, other: Reply, comparison: dict[str, Any]) -> bool:
    """Tell whether two replies are equal: values as the task compares them, errors by kind."""
    if reply.fate != other.fate:
        return False
    if reply.fate != "ok":
        return reply.name == other.name
    return compare.compare(reply.value, other.value, **comparison) is None
