"""The judge: gives a submission its points from what its box answered, and from nothing else.

The judge holds the probes, the solution's values and the grades, and never executes a student's
code. It replays a notebook in a box (`examiner`), calls each probe there and on the solution in
another (`references`), and compares the two values here (`hearing`). Normal forms and rules, an
instructor's code about a student's data, run in a third box (`referee`).
"""

from __future__ import annotations

import dataclasses
import functools
import hashlib
import json
import threading
import time
from collections.abc import Callable

from cvlab.classroom.grading.box.replay import Place, Policy
from cvlab.classroom.grading.box.zygote import Zygote
from cvlab.classroom.grading.intake.tasks import Exercise
from cvlab.classroom.grading.report.records import Record
from cvlab.classroom.grading.verdict import flags, mistakes, references
from cvlab.classroom.grading.verdict.examiner import Examiner
from cvlab.classroom.grading.verdict.hearing import hear
from cvlab.classroom.grading.verdict.outcomes import Graded

RULES_VERSION = "5"  # another one where the same submission may get another record


class Judge:
    """Grades submissions of one exercise; several threads may share it.

    Args:
        exercise: what to grade.
        seed: of the probes' inputs.
        policy: what a submission may use.
        place: where boxes come from; a `Zygote` of its own by default.

    Raises:
        JudgeError: if the exercise has no probes or its solution does not pass them.
        ZygoteError: if no box can be made.
    """

    def __init__(
        self,
        exercise: Exercise,
        seed: int,
        policy: Policy | None = None,
        place: Callable[[Exercise], Place] | None = None,
    ) -> None:
        references.require_probes(exercise)
        self.exercise, self.seed, self.policy = exercise, seed, policy or Policy()
        self.place = (place or _zygote)(exercise)
        self.examiner = Examiner(exercise, seed, self.policy, self.place)
        self._lock = threading.Lock()
        self._expected: dict[int, references.References] = {}  # by the attempt
        self._mistakes: dict[int, mistakes.Mistakes] = {}
        try:
            self.expected(self.examiner)
        except BaseException:
            self.stop()
            raise

    def __enter__(self) -> Judge:
        return self

    def __exit__(self, *_error: object) -> None:
        self.stop()

    def stop(self) -> None:
        """End all boxes."""
        self.examiner.stop()

    def expected(self, examiner: Examiner) -> references.References:
        """Return the right values for the inputs of an attempt, found when first needed."""
        with self._lock:
            if examiner.attempt not in self._expected:
                self._expected[examiner.attempt] = references.find(examiner)
            return self._expected[examiner.attempt]

    def mistakes(self, examiner: Examiner) -> mistakes.Mistakes:
        """Return what the named wrong answers give for the inputs of an attempt, likewise."""
        with self._lock:
            if examiner.attempt not in self._mistakes:
                self._mistakes[examiner.attempt] = mistakes.find(examiner)
            return self._mistakes[examiner.attempt]

    def grade(
        self,
        data: bytes | None,
        student: str,
        name: str = "",
        *,
        late: bool = False,
        problem: str = "",
        attempt: int = 0,
    ) -> Graded:
        """Grade a submission; whatever is in it, the result is a record.

        Args:
            data: the notebook's bytes, None if there is nothing to grade.
            student: the student's identifier.
            name: the student's name.
            late: whether it came after the deadline.
            problem: what was odd about handing it in.
            attempt: how many other versions of the student were graded before; each gets inputs of
                its own.

        Raises:
            ZygoteError: if no box can be made any more.
        """
        began = time.monotonic()
        examiner = self.examiner.of_attempt(attempt) if attempt else self.examiner
        known = functools.partial(self.mistakes, examiner)
        heard = hear(examiner, self.expected(examiner), data, known)
        record = Record(
            student=student,
            name=name,
            exercise=self.exercise.name,
            submission="" if data is None else hashlib.sha256(data).hexdigest(),
            seed=self.seed,
            tasks=tuple(heard.results),
            flags=flags.distinct([problem, *heard.flags]),
            late=late,
            attempt=attempt,
        )
        seconds = time.monotonic() - began
        return Graded(record, heard.cells, heard.probes, seconds, heard.boxes, heard.starved)


def _zygote(exercise: Exercise) -> Place:
    return Zygote(exercise.setup)


def digest(exercise: Exercise, policy: Policy) -> str:
    """Return what grades depend on besides the seed, as one short text."""
    said = json.dumps(dataclasses.asdict(policy), sort_keys=True)
    return hashlib.sha256(f"{exercise.digest}/{said}".encode()).hexdigest()
