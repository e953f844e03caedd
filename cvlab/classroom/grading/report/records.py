"""What the grader found out about each submission, and how it is spelt in a file.

A `Record` is plain, checked and harmless data: text of students and of their programs is cleaned
when a record is made, so that no page, table or terminal downstream has to trust it. `encode` gives
one spelling of it, a line, and `decode` takes nothing else. A `Key` says what records depend on.

No measured time is in a record: two runs with the same key give the same bytes.
"""

from __future__ import annotations

import dataclasses
import json
import math
import re
from collections.abc import Iterable
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from cvlab.classroom.grading.report.harmless import LABEL, harmless

#: What can be said of an answer; only the first two earn points in an honest grading.
VERDICTS = ("right", "partial", "wrong", "error", "missing", "timeout", "crash", "refused")

SENTENCE = 2_000  #: characters of a reason, a hint or a flag
CODE = 100_000  #: characters of a student's code for one task
ENTRIES = 100  #: tasks of a record, and its flags
POINTS = 1_000_000.0  #: points of a task
ATTEMPTS = 1_000_000

_SHA256 = re.compile(r"[0-9a-f]{64}")


class RecordError(ValueError):
    """Data that is no record of a grading; the message says what is wrong with it."""


def _text(value: Any, what: str, most: int, **choices: bool) -> str:
    if type(value) is not str:
        raise RecordError(f"{what} is text, not {type(value).__name__}.")
    return harmless(value, most, **choices)


def _label(value: Any, what: str) -> str:
    """Check an identifier: it is refused and not cleaned, or two could become equal."""
    label = _text(value, what, 4 * LABEL, line=True)
    if not 0 < len(label) <= LABEL:
        raise RecordError(f"{what} has 1 to {LABEL} characters, not {len(label):,}.")
    if label != value:
        raise RecordError(f"{what} is one line without control characters, unlike {label!r}.")
    return label


def _number(value: Any, what: str, most: float) -> float:
    if type(value) not in (int, float):
        raise RecordError(f"{what} is a number, not {type(value).__name__}.")
    if not 0 <= value <= most or not math.isfinite(value):
        raise RecordError(f"{what} is a finite number from 0 to {most:g}.")
    return abs(float(value))  # -0.0 has another spelling than 0.0


def _seed(value: Any) -> int:
    if type(value) is not int or not 0 <= value < 2**64:
        raise RecordError("a seed is a whole number from 0 to 2**64 - 1.")
    return value


def _set(record: Any, **fields: Any) -> None:
    """Give a frozen record its cleaned fields."""
    for name, value in fields.items():
        object.__setattr__(record, name, value)


@dataclass(frozen=True)
class TaskResult:
    """What one submission earned in one task.

    Attributes:
        task: the task's identifier.
        points: what the answer earned, 0 to `max_points`.
        max_points: what a right answer earns.
        verdict: one of `VERDICTS`.
        reason: a sentence for the student; never a hidden input or an expected value.
        hint: where to look; may be empty.
        code: the student's code of this task, for their feedback page.
        detail: for the instructor alone, what the reason leaves out: how many values differ, which
            shape came back. A function may choose these by its hidden input.
        mistake: the solution's named wrong answer that returns the same to every probe; may be
            empty.

    Raises:
        RecordError: if a field has another type, or a number or the verdict is impossible.
    """

    task: str
    points: float
    max_points: float
    verdict: str
    reason: str = ""
    hint: str = ""
    code: str = ""
    detail: str = ""
    mistake: str = ""

    def __post_init__(self) -> None:
        task = _label(self.task, "a task's name")
        most = _number(self.max_points, f"the maximum of {task}", POINTS)
        if type(self.verdict) is not str or self.verdict not in VERDICTS:
            raise RecordError(f"the verdict of {task} is none of {', '.join(VERDICTS)}.")
        _set(
            self,
            task=task,
            max_points=most,
            points=_number(self.points, f"what {task} earned", most),
            reason=_text(self.reason, f"the reason of {task}", SENTENCE),
            hint=_text(self.hint, f"the hint of {task}", SENTENCE),
            code=_text(self.code, f"the code of {task}", CODE, code=True),
            detail=_text(self.detail, f"the detail of {task}", SENTENCE),
            mistake=_text(self.mistake, f"the mistake of {task}", LABEL, line=True),
        )


def _sum(values: Iterable[float]) -> Decimal:
    """Add points exactly as they are written: three times 0.1 is 0.3."""
    return sum((Decimal(repr(value)) for value in values), Decimal(0))


@dataclass(frozen=True)
class Record:
    """What the grader found out about one submission.

    Attributes:
        student: the student's identifier, unique in the class.
        name: the student's name; may be empty.
        exercise: the exercise's name.
        submission: SHA-256 of the notebook's bytes, or "" where there is none.
        seed: the seed of the run.
        tasks: a result for each task of the exercise, in the exercise's order.
        flags: sentences for the instructor, never shown to the student.
        late: whether it came after the deadline.
        attempt: how many other versions of the student were graded before this one.

    Raises:
        RecordError: if a field has another type, or a value is impossible.

    >>> tasks = (TaskResult("iou", 0.1, 1, "partial"), TaskResult("nms", 0.2, 2, "partial"))
    >>> Record("ann", "Ann", "15_boxes", "", 1, tasks).points
    0.3
    """

    student: str
    name: str
    exercise: str
    submission: str
    seed: int
    tasks: tuple[TaskResult, ...]
    flags: tuple[str, ...] = ()
    late: bool = False
    attempt: int = 0

    def __post_init__(self) -> None:
        student = _label(self.student, "a student's identifier")
        for what in ("tasks", "flags"):
            value = getattr(self, what)
            if type(value) is not tuple or len(value) > ENTRIES:
                raise RecordError(f"the {what} of {student} are a tuple of up to {ENTRIES}.")
        if not all(type(task) is TaskResult for task in self.tasks):
            raise RecordError(f"each task of {student} is a TaskResult.")
        if len({task.task for task in self.tasks}) < len(self.tasks):
            raise RecordError(f"a task of {student} is there twice.")
        if type(self.submission) is not str or not _SHA256.fullmatch(self.submission or "0" * 64):
            raise RecordError(f"the submission of {student} is a SHA-256 in hexadecimal, or empty.")
        if type(self.late) is not bool:
            raise RecordError(f"whether {student} was late is True or False, nothing else.")
        if type(self.attempt) is not int or not 0 <= self.attempt < ATTEMPTS:
            raise RecordError(f"the attempt of {student} is a whole number from 0.")
        _set(
            self,
            student=student,
            name=_text(self.name, f"the name of {student}", LABEL, line=True),
            exercise=_label(self.exercise, "an exercise's name"),
            seed=_seed(self.seed),
            flags=tuple(_text(f, f"a flag of {student}", SENTENCE) for f in self.flags),
        )

    @property
    def exact_points(self) -> Decimal:
        """The sum of the points, without a rounding error."""
        return _sum(task.points for task in self.tasks)

    @property
    def exact_max_points(self) -> Decimal:
        """The sum of the maxima, without a rounding error."""
        return _sum(task.max_points for task in self.tasks)

    @property
    def points(self) -> float:
        """What the submission earned, before any penalty."""
        return float(self.exact_points)

    @property
    def max_points(self) -> float:
        """What a right submission earns."""
        return float(self.exact_max_points)


def spell(value: Any) -> bytes:
    """Return the one spelling of a value as a line of JSON, with its line end."""
    text = json.dumps(value, ensure_ascii=False, separators=(",", ":"), allow_nan=False)
    return text.encode() + b"\n"


def encode(record: Record) -> bytes:
    """Return the record's line: one spelling of the same record, with its line end."""
    return spell(dataclasses.asdict(record))


def _no_constant(name: str) -> None:
    raise RecordError(f"{name} is no number.")


def decode(line: bytes) -> Record:
    """Read a record's line; only what `encode` writes is accepted.

    Raises:
        RecordError: if a field is missing, unknown, impossible or spelt in another way.
    """
    try:
        fields = json.loads(line.decode(), parse_constant=_no_constant)
        tasks = tuple(TaskResult(**task) for task in fields["tasks"])
        record = Record(**{**fields, "tasks": tasks, "flags": tuple(fields["flags"])})
    except RecordError:
        raise
    except (ValueError, TypeError, KeyError, RecursionError) as error:
        raise RecordError(f"it is no record ({type(error).__name__}).") from error
    if encode(record) != line:
        raise RecordError("it is not spelt as the grader spells it.")
    return record


@dataclass(frozen=True)
class Key:
    """What must be equal for two runs to give the same grades.

    Attributes:
        exercise: the exercise's name.
        seed: the seed of the hidden inputs.
        digest: of the solution, the probes and whatever else decides.
        rules: versions of the grading rules.

    Raises:
        RecordError: if a field has another type.
    """

    exercise: str
    seed: int
    digest: str
    rules: str = ""

    def __post_init__(self) -> None:
        _set(
            self,
            exercise=_label(self.exercise, "an exercise's name"),
            seed=_seed(self.seed),
            digest=_label(self.digest, "a run's digest"),
            rules=_text(self.rules, "the version of the rules", LABEL, line=True),
        )
