"""One submission before the judge: its answers in the box, task by task, and what each is worth.

A submission is replayed; where an answer ends the box, a new one is made for the next task. An
answer gets no points for what its task forbids; otherwise each probe that passes adds its own.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Callable

from cvlab.checking import code as reading
from cvlab.checking import compare, rules
from cvlab.classroom.grading.box.replay import Reply, Sitting
from cvlab.classroom.grading.intake import answers, ipynb
from cvlab.classroom.grading.intake.answers import Answer, Located
from cvlab.classroom.grading.intake.tasks import Probe, Task
from cvlab.classroom.grading.report.records import TaskResult
from cvlab.classroom.grading.verdict import flags, hints, mistakes, reasons, rebinding
from cvlab.classroom.grading.verdict.examiner import Examiner
from cvlab.classroom.grading.verdict.mistakes import Mistakes
from cvlab.classroom.grading.verdict.outcomes import (
    Heard,
    ProbeOutcome,
    nothing,
    refused,
    result_of,
    verdict_of,
)
from cvlab.classroom.grading.verdict.references import References
from cvlab.classroom.grading.verdict.source import SubmissionCode


def hear(
    examiner: Examiner,
    references: References,
    data: bytes | None,
    known: Callable[[], Mistakes] = dict,
) -> Heard:
    """Return what a submission comes to, whatever is in it.

    Args:
        examiner: replays it and asks.
        references: the right values.
        data: the notebook's bytes, None if there is nothing to grade.
        known: what the named wrong answers give; asked for when an answer is wrong.

    Raises:
        ZygoteError: if no box can be made any more.
    """
    exercise = examiner.exercise
    if data is None:
        return Heard([nothing(task, "Nothing was handed in.") for task in exercise.tasks])
    try:
        located = answers.locate(ipynb.read(data), exercise.notebook)
    except ipynb.NotebookProblem as error:
        return Heard([refused(task, str(error)) for task in exercise.tasks], [str(error)])
    with examiner.sitting(located) as sitting:
        hearing = Hearing(examiner, references, located, sitting, known)
        results = hearing.results()
        return Heard(
            results,
            flags=flags.of_notebook(located, sitting, hearing.outcomes),
            cells=flags.of_cells(located, sitting.lost, hearing.replies, results),
            probes=tuple(hearing.outcomes),
            boxes=sitting.replays,
            starved=sitting.starved,
        )


class Hearing:
    """The hearing of one submission.

    Args:
        examiner: asks the probes.
        references: the right values.
        located: the submission.
        sitting: its replay.
        known: what the named wrong answers give.
    """

    def __init__(
        self,
        examiner: Examiner,
        references: References,
        located: Located,
        sitting: Sitting,
        known: Callable[[], Mistakes] = dict,
    ) -> None:
        self.examiner, self.references, self.known = examiner, references, known
        self.located, self.sitting = located, sitting
        self.outcomes: list[ProbeOutcome] = []
        self.replies: dict[int, Reply] = {}  #: of cells, before any probe

    def results(self) -> list[TaskResult]:
        """Return the result of each task, in the exercise's order."""
        answered = list(zip(self.examiner.exercise.tasks, self.located.answers, strict=True))
        replayed = self.sitting.open()
        self.replies = dict(self.sitting.replies)
        results = []
        for task, answer in answered:
            if replayed and self.sitting.box is None:  # the last task has ended it
                replayed = self.sitting.open()
            results.append(self.result(task, answer, replayed))
        self.sitting.close()
        results = [
            self._as_checked(task, answer, found)
            for (task, answer), found in zip(answered, results, strict=True)
        ]
        if not self.examiner.policy.hints:
            return results
        return hints.with_checks(self.examiner, self.sitting, results)

    def result(self, task: Task, answer: Answer, replayed: bool) -> TaskResult:
        """Return the result of a task; `replayed` says whether the notebook ran to its end."""
        if answer.missing:
            reason = " ".join(["There is no answer to this task.", *answer.remarks])
            return result_of(task, answer, "missing", reason=reason)
        if answer.untouched:
            hint = f"In the task's cell, {reasons.STUB}."
            return result_of(task, answer, "missing", reason="Not written yet.", hint=hint)
        lost = next((self.sitting.lost[i] for i in answer.cells if i in self.sitting.lost), None)
        if lost is not None:
            reason = reasons.ended(answer.cells, lost)
            return result_of(task, answer, verdict_of(lost), reason=reason)
        if not replayed:
            verdict = "timeout" if self.sitting.left <= 0 else "crash"
            return result_of(task, answer, verdict, reason=reasons.fault(self.sitting))
        return self._forbidden(task, answer) or self._probed(task, answer)

    def _as_checked(self, task: Task, answer: Answer, found: TaskResult) -> TaskResult:
        """Return the better result of a task where later cells have changed what its answer uses.

        The student saw the answer checked before those; `nbval` would run the check there, too.
        """
        if found.verdict in ("right", "missing"):
            return found
        located = rebinding.as_checked(task, answer, self.located)
        if located is None:
            return found
        with self.examiner.sitting(located) as sitting:
            sitting.left, sitting.replays = self.sitting.left, self.sitting.replays
            sitting.until = self.sitting.until
            sitting.lost = dict(self.sitting.lost)
            hearing = Hearing(self.examiner, self.references, located, sitting, self.known)
            again = hearing.result(task, answer, sitting.open())
        self.sitting.left, self.sitting.replays = sitting.left, sitting.replays
        self.sitting.starved |= sitting.starved
        if again.points <= found.points:
            return found
        others = [outcome for outcome in self.outcomes if outcome.task != task.name]
        self.outcomes = others + hearing.outcomes
        return again

    # ----------------------------------------------------------------------------------- rules

    @functools.cached_property
    def code(self) -> SubmissionCode:
        """The notebook's code as text."""
        return SubmissionCode(self.examiner.exercise.setup, self.located)

    def _forbidden(self, task: Task, answer: Answer) -> TaskResult | None:
        """Return the result of an answer whose code does what the task forbids, else None."""
        if not (task.rules or task.declared):
            return None
        try:
            broken, hint = self._broken(task, answer)
        except reading.Unreadable:
            reason = reasons.own_error(answer, self.replies)
            reason = reason or "The code is beyond what the grader can read."
            return result_of(task, answer, "error", reason=reason)
        if not broken:
            return None
        reason = f"The code does what the task forbids: {broken}."
        return result_of(task, answer, "wrong", reason=reason, hint=reasons.sentence(hint))

    def _broken(self, task: Task, answer: Answer) -> tuple[str, str]:
        """Return what of an answer breaks a rule, and what to do instead; empty if nothing does.

        Raises:
            Unreadable: if nobody can tell.
        """
        reach = self.code.reach(task, answer)
        found = rules.breach(task.declared, reach) if task.declared else None
        if found is not None:
            said = self.code.notebook.texts[found.text].place
            return f"it {found.clause} ({said}line {found.line})", found.advice
        source = reach.source() if task.rules else ""
        for rule in task.rules:
            broken = self.examiner.referee.broken(rule, source)
            if broken is not None:
                return broken, rule.hint
        return "", ""

    # ---------------------------------------------------------------------------------- probes

    def _probed(self, task: Task, answer: Answer) -> TaskResult:
        """Call the probes of a task and add up what it earns."""
        earned, first = [], None
        replies: dict[str, Reply] = {}
        for probe in task.probes:
            outcome, replies[probe.name] = self._outcome(task, probe, answer)
            self.outcomes.append(outcome)
            if outcome.fate == "passed":
                earned.append(probe.points)
            else:
                first = first or (outcome, probe)
            if outcome.ended:
                self.sitting.close()
                break
        if first is None:
            return result_of(task, answer, "right", points=task.points)
        outcome, probe = first
        points = min(task.points, math.fsum(earned))
        verdict = "partial" if points and not outcome.ended else outcome.fate
        told = "SyntaxError" in outcome.reason
        remarks = [one for one in answer.remarks if not (told and "no valid Python" in one)]
        reason = " ".join([outcome.reason, *remarks])
        # The hint is about wrong values; an endless loop and a missing bracket are something else.
        hint = "" if told or outcome.ended else reasons.sentence(probe.hint)
        detail = f"{probe.name}: {outcome.detail}." if outcome.detail else ""
        mistake = mistakes.named(self.known().get(task.name, ()), task, replies)
        if mistake and mistake.said and not outcome.ended:
            hint = f"{hint}\nThis is what comes of a known mistake: {mistake.said}".strip()
        said = {"reason": reason, "hint": hint, "detail": detail}
        said["mistake"] = mistake.name if mistake else ""
        return result_of(task, answer, verdict, points=points, **said)

    def _outcome(self, task: Task, probe: Probe, answer: Answer) -> tuple[ProbeOutcome, Reply]:
        """Call a probe and compare what it returns, and return it, with the right value."""
        reply, detail = self.examiner.probe(self.sitting, task, probe), ""
        if reply.fate == "ok":
            reply = self.examiner.referee.normal(probe, reply.value)
            fate, reason, detail = self._compared(task, probe, reply)
        elif reply.fate == "error":
            own = reasons.own_error(answer, self.replies)
            fate, reason = ("error", own) if own else reasons.stopped(reply)
        else:
            fate, reason = verdict_of(reply), f"Called with the grader's input, {reply.message}."
        return ProbeOutcome(task.name, probe.name, fate, reason, detail), reply

    def _compared(self, task: Task, probe: Probe, normal: Reply) -> tuple[str, str, str]:
        """Return a probe's fate, what is wrong with its value, and the same for the instructor."""
        if normal.fate != "ok":
            return "wrong", reasons.FORM, ""
        expected = self.references[task.name, probe.name]
        difference = compare.compare(normal.value, expected, **probe.comparison)
        if difference is None:
            return "passed", "", ""
        return "wrong", difference.sparing(), str(difference)
