"""What the judge says of a submission: of its tasks, of its cells and of its probes."""

from __future__ import annotations

from dataclasses import dataclass, field

from cvlab.classroom.grading.box.replay import Reply
from cvlab.classroom.grading.intake.answers import Answer
from cvlab.classroom.grading.intake.tasks import Task
from cvlab.classroom.grading.report.records import Record, TaskResult


@dataclass(frozen=True)
class CellOutcome:
    """What became of a code cell: passed, error, timeout, crash, refused, lost, or not run."""

    index: int
    role: str
    fate: str
    reason: str = ""
    tasks: tuple[str, ...] = ()


@dataclass(frozen=True)
class ProbeOutcome:
    """What became of a probe: passed, wrong, error, timeout, crash or not run."""

    task: str
    probe: str
    fate: str
    reason: str = ""
    detail: str = ""

    @property
    def ended(self) -> bool:
        """Tell whether the box ended over it."""
        return self.fate in ("timeout", "crash")


@dataclass(frozen=True)
class Heard:
    """What a submission came to, whosever it is."""

    results: list[TaskResult]
    flags: list[str] = field(default_factory=list)
    cells: tuple[CellOutcome, ...] = ()
    probes: tuple[ProbeOutcome, ...] = ()
    boxes: int = 0
    starved: bool = False


@dataclass(frozen=True)
class Graded:
    """A record, and what the grader saw that is not part of the grade.

    Attributes:
        starved: whether a box waited in vain for its turn; the record is then nobody's fault, and
            the submission to be graded once more when the machine has time.
    """

    record: Record
    cells: tuple[CellOutcome, ...] = ()
    probes: tuple[ProbeOutcome, ...] = ()
    seconds: float = 0.0
    boxes: int = 0
    starved: bool = False


def verdict_of(reply: Reply) -> str:
    """Return the verdict on a reply that is no value; what is no answer counts as a crash."""
    return "crash" if reply.fate == "refused" else reply.fate


def result_of(
    task: Task,
    answer: Answer,
    verdict: str,
    *,
    points: float = 0.0,
    reason: str = "",
    hint: str = "",
    detail: str = "",
    mistake: str = "",
) -> TaskResult:
    """Return the result of an answer that was read."""
    code = answer.source
    return TaskResult(task.name, points, task.points, verdict, reason, hint, code, detail, mistake)


def nothing(task: Task, reason: str) -> TaskResult:
    """Return the result where there is no submission."""
    return TaskResult(task.name, 0.0, task.points, "missing", reason)


def refused(task: Task, reason: str) -> TaskResult:
    """Return the result where a submission is no notebook."""
    hint = "Open your notebook in Jupyter or Colab, save it there, and hand it in again."
    return TaskResult(task.name, 0.0, task.points, "refused", reason, hint)
