"""A submission's code as text, for the rules: what an answer uses, wherever that is defined."""

from __future__ import annotations

from collections.abc import Sequence

from cvlab.checking import code as reading
from cvlab.classroom.grading.intake.answers import Answer, Located
from cvlab.classroom.grading.intake.tasks import Task
from cvlab.classroom.grading.verdict import rebinding


class SubmissionCode:
    """A submission's code, in the order in which a box executes it.

    Args:
        setup: the cells that every box has executed, whatever has become of the student's copies.
        located: the submission.
    """

    def __init__(self, setup: Sequence[str], located: Located) -> None:
        texts = [reading.Text(source) for source in setup]
        self._numbers: dict[str, set[int]] = {one.task: set() for one in located.answers}
        for code in located.prelude:
            if code.role != "check":
                for task in code.tasks:
                    self._numbers[task].add(len(texts))
                texts.append(reading.Text(code.source, f"cell {code.index + 1}, "))
        for answer in rebinding.undone(located):
            self._numbers[answer.task].add(len(texts))
            where = f"cell {answer.cells[0] + 1}, " if len(answer.cells) == 1 else ""
            texts.append(reading.Text(answer.source, where))
        self.notebook = reading.Notebook(texts)

    def reach(self, task: Task, answer: Answer) -> reading.Reach:
        """Return what an answer uses.

        Raises:
            Unreadable: if there is no definition of it.
        """
        texts = frozenset(self._numbers[answer.task])
        return reading.Reach(self.notebook, reading.Answer(task.names, texts))
