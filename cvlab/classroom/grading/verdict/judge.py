"""The judge: gives a submission its points from what its box answered, and from nothing else.

The judge holds the probes, the solution's values and the grades, and never executes a student's
code. It replays a notebook in a box, calls each probe there and on the solution in another, and
compares the two values here. Normal forms and rules, an instructor's code about a student's data,
run in a third box, the referee's.

A message that comes from a student's box is shown to that student only, and only if no probe has
been in that box before: a function may put its hidden input into the message of an exception.
"""

from __future__ import annotations

import ast
import builtins
import contextlib
import dataclasses
import functools
import hashlib
import json
import math
import symtable
import threading
import time
import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

from cvlab.checking import code as reading
from cvlab.checking import compare, rules, wire
from cvlab.classroom.exercises import HIDDEN_TAGS
from cvlab.classroom.grading.box.replay import REPLAYS, Place, Policy, Reply, Sitting, Watch, ask
from cvlab.classroom.grading.box.zygote import Zygote, ZygoteError
from cvlab.classroom.grading.intake import answers
from cvlab.classroom.grading.intake.answers import Answer, Located, NotebookProblem
from cvlab.classroom.grading.intake.tasks import Exercise, Probe, Rule, Task
from cvlab.classroom.grading.report.journal import Record, TaskResult

RULES_VERSION = "2"  # another one where the same submission may get other points
REFEREE_SECONDS = 10.0
HINT_SECONDS = 5.0  # for a visible check, which may never end
LINES = 200  # of a cell that a reason names; a number has room for hidden inputs
ERRORS = frozenset(
    name
    for name, kind in vars(builtins).items()
    if isinstance(kind, type) and issubclass(kind, BaseException)
)
STUB = "replace `raise NotImplementedError` by your code"


class JudgeError(RuntimeError):
    """The exercise itself cannot be graded; the message says what to mend."""


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


@dataclass(frozen=True)
class Graded:
    """A record, and what the grader saw that is not part of the grade."""

    record: Record
    cells: tuple[CellOutcome, ...] = ()
    probes: tuple[ProbeOutcome, ...] = ()
    seconds: float = 0.0
    boxes: int = 0


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
        bare = [task.name for task in exercise.tasks if not task.probes]
        if bare:
            raise JudgeError(
                f"{exercise.name}: {', '.join(bare)} has no probe, so nothing can be said about an "
                "answer; see the instructor's guide."
            )
        self.exercise, self.seed, self.policy = exercise, seed, policy or Policy()
        self.place = (place or _zygote)(exercise)
        self._names = [name for task in exercise.tasks for name in task.names]
        self._referee: Any = None
        self._referee_lock = threading.Lock()
        self.watch = Watch()
        try:
            self.expected = self._expected()
        except BaseException:
            self.stop()
            raise

    def __enter__(self) -> Judge:
        return self

    def __exit__(self, *_error: object) -> None:
        self.stop()

    def stop(self) -> None:
        """End all boxes."""
        self.watch.stop()
        with self._referee_lock:
            if self._referee is not None:
                with contextlib.suppress(ZygoteError):  # it may have ended, and the box with it
                    self._referee.close()
                self._referee = None
        self.place.stop()

    # -------------------------------------------------------------------------- the right values

    def _expected(self) -> dict[tuple[str, str], Any]:
        """Return the solution's value for each probe, in its normal form."""
        found = {}
        notebook = self.exercise.notebook
        shown = [cell for cell in notebook.cells if not HIDDEN_TAGS & set(cell.tags)]
        answered = dataclasses.replace(notebook, cells=tuple(shown))
        located = answers.locate(answered, notebook)
        with self._sitting(located) as sitting:
            if not sitting.open():
                raise JudgeError(f"{self.exercise.name}: {_fault(sitting)}")
            for index, reply in sitting.replies.items():
                if reply.fate != "ok":
                    raise JudgeError(
                        f"{self.exercise.name}: cell {index + 1} of the solution stops with "
                        f"{reply.name}: {reply.message}."
                    )
            for task in self.exercise.tasks:
                for probe in task.probes:
                    found[task.name, probe.name] = self._right(sitting, task, probe)
        return found

    def _right(self, sitting: Sitting, task: Task, probe: Probe) -> Any:
        reply = self._probed(sitting, task, probe)
        if reply.fate == "ok":
            reply = self._normal(probe, reply.value)
        if reply.fate != "ok":
            raise JudgeError(
                f"{self.exercise.name}: the solution fails the probe {probe.name} of {task.name} "
                f"({': '.join(filter(None, (reply.name, reply.message)))})."
            )
        if not probe.normal and (reply.value is None or isinstance(reply.value, bool)):
            raise JudgeError(
                f"{self.exercise.name}: the probe {probe.name} of {task.name} returns {reply.value}"
                ", which other answers would too; let it return what the function gave, not a "
                "verdict."
            )
        return reply.value

    def _sitting(self, located: Located) -> Sitting:
        cells = [code for code in located.prelude if code.role != "check"]
        again = [one.source for one in _undone(located)]
        # One for each task that crashes, and one where it is heard again.
        replays = max(REPLAYS, 2 * len(self.exercise.tasks) + 2)
        return Sitting(self.place, cells, again, self.policy, self.watch, replays)

    def _probed(self, sitting: Sitting, task: Task, probe: Probe) -> Reply:
        request = {
            "call": probe.source,
            "function": probe.name,
            "names": self._names,
            "seed": self.seed_of(task, probe),
        }
        return sitting.ask(request, probe.seconds)

    def seed_of(self, task: Task, probe: Probe) -> int:
        """Return the seed of a probe's generator, which nobody guesses from another probe's."""
        text = f"{self.seed}/{self.exercise.name}/{task.name}/{probe.name}"
        return int.from_bytes(hashlib.sha256(text.encode()).digest()[:8])

    # -------------------------------------------------------------------------------- the referee

    def _refer(self, request: dict[str, Any], value: Any) -> Reply:
        """Let an instructor's function judge data of a student, where it can do no harm.

        One that ends over the data is replaced. It only counts if it has judged nothing before:
        otherwise its limits may have been used up by others.
        """
        content = wire.encode(value)
        with self._referee_lock:
            while True:
                fresh = self._referee is None
                if fresh:
                    self._referee = self.place.box(self.policy.box)
                reply = ask(self._referee, request | {"value": True}, REFEREE_SECONDS, content)
                if not reply.ended:
                    return reply
                self._referee.close()
                self._referee = None
                if fresh:
                    return reply

    def _normal(self, probe: Probe, value: Any) -> Reply:
        if not probe.normal:
            return Reply("ok", value=value)
        return self._refer({"call": probe.normal, "function": probe.normal_name}, value)

    def _broken(self, rule: Rule, code: str) -> str | None:
        """Return what breaks a rule, None if nothing does."""
        reply = self._refer({"call": rule.source, "function": rule.name}, code)
        if reply.fate != "ok":
            return "the code is beyond what the grader can read"
        return None if reply.value is None else str(reply.value)

    # ------------------------------------------------------------------------------ a submission

    def grade(
        self,
        data: bytes | None,
        student: str,
        name: str = "",
        *,
        late: bool = False,
        problem: str = "",
    ) -> Graded:
        """Grade a submission; whatever is in it, the result is a record.

        Args:
            data: the notebook's bytes, None if there is nothing to grade.
            student: the student's identifier.
            name: the student's name.
            late: whether it came after the deadline.
            problem: what was odd about handing it in.

        Raises:
            ZygoteError: if no box can be made any more.
        """
        began = time.monotonic()
        heard = self._heard(data)
        record = Record(
            student=student,
            name=name,
            exercise=self.exercise.name,
            submission="" if data is None else hashlib.sha256(data).hexdigest(),
            seed=self.seed,
            tasks=tuple(heard.results),
            flags=_flags([problem, *heard.flags]),
            late=late,
        )
        seconds = time.monotonic() - began
        return Graded(record, heard.cells, heard.probes, seconds, heard.boxes)

    def _heard(self, data: bytes | None) -> _Heard:
        tasks = self.exercise.tasks
        if data is None:
            return _Heard([_nothing(task, "Nothing was handed in.") for task in tasks])
        try:
            located = answers.locate(answers.read(data), self.exercise.notebook)
        except NotebookProblem as error:
            return _Heard([_refused(task, str(error)) for task in tasks], [str(error)])
        with self._sitting(located) as sitting:
            hearing = _Hearing(self, located, sitting)
            results = hearing.verdicts()
            return _Heard(
                results,
                flags=[*located.remarks, *hearing.flags()],
                cells=hearing.cells(results),
                probes=tuple(hearing.outcomes),
                boxes=sitting.replays,
            )


@dataclass(frozen=True)
class _Heard:
    """What a submission came to, whosever it is."""

    results: list[TaskResult]
    flags: list[str] = field(default_factory=list)
    cells: tuple[CellOutcome, ...] = ()
    probes: tuple[ProbeOutcome, ...] = ()
    boxes: int = 0


def _zygote(exercise: Exercise) -> Place:
    return Zygote(exercise.setup)


class _Hearing:
    """One submission before the judge."""

    def __init__(self, judge: Judge, located: Located, sitting: Sitting) -> None:
        self.judge, self.located, self.sitting = judge, located, sitting
        self.outcomes: list[ProbeOutcome] = []
        self.replies: dict[int, Reply] = {}  # of cells, before any probe

    def verdicts(self) -> list[TaskResult]:
        """Return the result of each task, in the exercise's order."""
        tasks = self.judge.exercise.tasks
        heard = self.sitting.open()
        self.replies = dict(self.sitting.replies)
        results = []
        for task, answer in zip(tasks, self.located.answers, strict=True):
            if heard and self.sitting.box is None:  # the last task has ended it
                heard = self.sitting.open()
            results.append(self._verdict(task, answer, heard))
        self.sitting.close()
        heard_once = zip(tasks, self.located.answers, results, strict=True)
        results = [self._as_checked(*each) for each in heard_once]
        return self._hinted(results) if self.judge.policy.hints else results

    def _as_checked(self, task: Task, answer: Answer, result: TaskResult) -> TaskResult:
        """Return the better result of a task where later cells have changed what its answer uses.

        The student saw the answer checked before those; `nbval` would run the check there, too.
        """
        if result.verdict in ("right", "missing"):
            return result
        located = _as_checked(task, answer, self.located)
        if located is None:
            return result
        with self.judge._sitting(located) as sitting:
            sitting.left, sitting.replays = self.sitting.left, self.sitting.replays
            sitting.lost = dict(self.sitting.lost)
            hearing = _Hearing(self.judge, located, sitting)
            again = hearing._verdict(task, answer, sitting.open())
        self.sitting.left, self.sitting.replays = sitting.left, sitting.replays
        if again.points <= result.points:
            return result
        others = [outcome for outcome in self.outcomes if outcome.task != task.name]
        self.outcomes = others + hearing.outcomes
        return again

    def _verdict(self, task: Task, answer: Answer, heard: bool) -> TaskResult:
        if answer.missing or answer.untouched:
            reason = "There is no answer to this task." if answer.missing else "Not written yet."
            hint = "" if answer.missing else f"In the task's cell, {STUB}."
            reason = " ".join([reason, *(answer.remarks if answer.missing else ())])
            return _result(task, answer, "missing", reason=reason, hint=hint)
        lost = next((self.sitting.lost[i] for i in answer.cells if i in self.sitting.lost), None)
        if lost is not None:
            return _result(task, answer, _verdict_of(lost), reason=self._ended(answer, lost))
        if not heard:
            verdict = "timeout" if self.sitting.left <= 0 else "crash"
            return _result(task, answer, verdict, reason=_fault(self.sitting))
        return self._forbidden(task, answer) or self._probe(task, answer)

    def _forbidden(self, task: Task, answer: Answer) -> TaskResult | None:
        """Return the result of an answer whose code does what the task forbids, else None."""
        if not (task.rules or task.declared):
            return None
        try:
            broken, hint = self._broken(task, answer)
        except reading.Unreadable:
            reason = self._own_error(answer) or "The code is beyond what the grader can read."
            return _result(task, answer, "error", reason=reason)
        if not broken:
            return None
        reason = f"The code does what the task forbids: {broken}."
        return _result(task, answer, "wrong", reason=reason, hint=_sentence(hint))

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
            broken = self.judge._broken(rule, source)
            if broken is not None:
                return broken, rule.hint
        return "", ""

    @functools.cached_property
    def code(self) -> _Code:
        """The notebook's code as text."""
        return _Code(self.judge.exercise.setup, self.located)

    def _probe(self, task: Task, answer: Answer) -> TaskResult:
        """Call the probes of a task and add up what it earns."""
        earned, first = [], None
        for probe in task.probes:
            outcome = self._one(task, probe, answer)
            self.outcomes.append(outcome)
            if outcome.fate == "passed":
                earned.append(probe.points)
            else:
                first = first or (outcome, probe)
            if outcome.fate in ("timeout", "crash", "refused"):
                self.sitting.close()
                break
        if first is None:
            return _result(task, answer, "right", points=task.points)
        outcome, probe = first
        verdict = {"wrong": "wrong", "error": "error"}.get(outcome.fate, outcome.fate)
        points = min(task.points, math.fsum(earned))
        if points and verdict in ("wrong", "error"):
            verdict = "partial"
        told = "SyntaxError" in outcome.reason
        remarks = [one for one in answer.remarks if not (told and "no valid Python" in one)]
        reason = " ".join([outcome.reason, *remarks])
        # The hint is about wrong values; an endless loop and a missing bracket are something else.
        aside = told or outcome.fate in ("timeout", "crash", "refused")
        hint = "" if aside else _sentence(probe.hint)
        return _result(task, answer, verdict, points=points, reason=reason, hint=hint)

    def _one(self, task: Task, probe: Probe, answer: Answer) -> ProbeOutcome:
        reply = self.judge._probed(self.sitting, task, probe)
        fate, reason = _verdict_of(reply), ""
        if reply.fate == "ok":
            normal = self.judge._normal(probe, reply.value)
            expected = self.judge.expected[task.name, probe.name]
            if normal.fate != "ok":
                fate, reason = "wrong", "What it returns is not of the form that the task asks for."
            else:
                difference = compare.compare(normal.value, expected, **probe.comparison)
                fate = "passed" if difference is None else "wrong"
                reason = difference.sparing() if difference else ""
        elif reply.fate == "error":
            fate, reason = self._stopped(reply, answer)
        else:
            reason = f"Called with the grader's input, {reply.message}."
        return ProbeOutcome(task.name, probe.name, fate, reason)

    def _stopped(self, reply: Reply, answer: Answer) -> tuple[str, str]:
        """Say what stopped a probe, without a word that a student's code may have chosen."""
        if own := self._own_error(answer):
            return "error", own
        kind = reply.name if reply.name in ERRORS else "an exception of its own"
        if reply.line > LINES:
            return "error", f"Called with the grader's input it stops with {kind}."
        if reply.line:
            where = f"line {reply.line} of a cell"
            return "error", f"Called with the grader's input it stops with {kind} in {where}."
        if kind == "NameError":
            return "error", "Its function is not there when the notebook has run."
        # Stopped in the probe itself, which could do nothing with what it got.
        return "wrong", "What it returns is not of the form that the task asks for."

    def _own_error(self, answer: Answer) -> str:
        """Return how a cell of the answer stopped before any probe; empty if none did."""
        for index in answer.cells:
            reply = self.replies.get(index)
            if reply is not None and reply.fate == "error":
                return self._cell_error(index, reply)
        return ""

    @staticmethod
    def _cell_error(index: int, reply: Reply) -> str:
        where = f"Cell {index + 1}, line {reply.line}" if reply.line else f"Cell {index + 1}"
        message = " ".join(reply.message.split())
        return _sentence(
            f"{where}: {reply.name}: {message}" if message else f"{where}: {reply.name}"
        )

    @staticmethod
    def _ended(answer: Answer, reply: Reply) -> str:
        cells = ", ".join(str(index + 1) for index in answer.cells)
        return f"Cell {cells} was ended: {reply.message}."

    def _hinted(self, results: list[TaskResult]) -> list[TaskResult]:
        """Add what the visible checks say about the answers that are not right.

        Each runs in a box that has seen no probe, so that its message can hold nothing hidden.
        """
        tasks = self.judge.exercise.tasks
        asked = [
            position
            for position, result in enumerate(results)
            if result.verdict in ("wrong", "partial", "error")
        ]
        if not asked or not self.sitting.open():
            return results
        for position in asked:
            task, result = tasks[position], results[position]
            request = {"call": task.check, "names": self.judge._names}
            reply = self.sitting.ask(request, HINT_SECONDS)
            if reply.ended:
                break
            if reply.fate == "error" and reply.name == "CheckFailed" and reply.message:
                said = f"The check in the notebook says: {' '.join(reply.message.split())}"
                hint = f"{result.hint}\n{said}".strip()
                results[position] = dataclasses.replace(result, hint=hint)
        return results

    # ---------------------------------------------------------------------- for the instructor

    def flags(self) -> list[str]:
        """Return sentences on what was odd in this notebook."""
        found = [f"Cell {i + 1} was ended: {r.message}." for i, r in self.sitting.lost.items()]
        found += [
            f"{outcome.task}, probe {outcome.probe}: {outcome.reason}"
            for outcome in self.outcomes
            if outcome.fate in ("timeout", "crash", "refused")
        ]
        for answer in self.located.answers:
            found += [f"{answer.task}: {remark}" for remark in answer.remarks]
        return found

    def cells(self, results: list[TaskResult]) -> tuple[CellOutcome, ...]:
        """Return what became of each code cell, those of checks by their task's verdict."""
        right = {result.task: result for result in results}
        found = []
        for code in self.located.prelude:
            reply = self.sitting.lost.get(code.index) or self.replies.get(code.index)
            if code.role == "check":
                verdicts = [right[task] for task in code.tasks if task in right]
                wrong = next((r for r in verdicts if r.verdict != "right"), None)
                fate = "passed" if verdicts and not wrong else "error" if wrong else "not run"
                reason = wrong.reason if wrong else ""
            elif reply is None:
                empty = not code.source.strip()
                fate, reason = ("passed", "") if empty else ("not run", "no box was left for it")
            elif reply.fate == "ok":
                fate, reason = "passed", ""
            else:
                fate, reason = reply.fate, self._cell_error(code.index, reply)
            found.append(CellOutcome(code.index, code.role, fate, reason, code.tasks))
        return tuple(found)


def _result(
    task: Task,
    answer: Answer,
    verdict: str,
    *,
    points: float = 0.0,
    reason: str = "",
    hint: str = "",
) -> TaskResult:
    return TaskResult(task.name, points, task.points, verdict, reason, hint, answer.source)


def _nothing(task: Task, reason: str) -> TaskResult:
    return TaskResult(task.name, 0.0, task.points, "missing", reason)


def _refused(task: Task, reason: str) -> TaskResult:
    hint = "Open your notebook in Jupyter or Colab, save it there, and hand it in again."
    return TaskResult(task.name, 0.0, task.points, "refused", reason, hint)


def _verdict_of(reply: Reply) -> str:
    """Return the verdict on a reply that is no value; what is no answer counts as a crash."""
    return "crash" if reply.fate == "refused" else reply.fate


def _sentence(text: str) -> str:
    text = text.strip()
    if not text:
        return ""
    text = text[0].upper() + text[1:]
    return text if text[-1] in ".!?" else f"{text}."


def _fault(sitting: Sitting) -> str:
    if sitting.left <= 0:
        seconds = sitting.policy.total_seconds
        return f"The notebook took longer than {seconds:g} seconds altogether."
    return f"The notebook crashed {sitting.replays} times; the rest of it was not run."


def _flags(flags: list[str]) -> tuple[str, ...]:
    known = list(dict.fromkeys(flag for flag in flags if flag))
    return tuple(known[:100])


def _undone(located: Located) -> list[Answer]:
    """Return the answers after which the notebook defines something else by their names.

    They are executed once more in the end.
    """
    last = max((c.index for c in located.prelude if c.role == "superseded"), default=-1)
    return [one for one in located.answers if one.cells and min(one.cells) < last]


class _Code:
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
        for answer in _undone(located):
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


def _as_checked(task: Task, answer: Answer, located: Located) -> Located | None:
    """Return a notebook up to the last check of a task; None if the rest does not matter to it.

    The rest matters if it binds a name that the answer uses.
    """
    checks = [code.index for code in located.prelude if task.name in code.tasks]
    last = max([*checks, *answer.cells])
    later = [code for code in located.prelude if code.index > last and code.role != "check"]
    used = _used(task, answer, located)
    if used is None or not any(
        used & _bound(node) for code in later for node in _body(code.source)
    ):
        return None
    prelude = tuple(code for code in located.prelude if code.index <= last)
    return dataclasses.replace(located, prelude=prelude)


def _used(task: Task, answer: Answer, located: Located) -> set[str] | None:
    """Return the names that an answer, and what else stands in its cells, takes from the notebook.

    None if that cannot be told, because the code is no Python or nested too deeply.
    """
    texts: list[str] = []
    binding: dict[str, list[int]] = {}
    for code in located.prelude:
        if code.role == "check" or code.index in answer.cells:
            continue
        lines = code.source.encode().split(b"\n")
        for node in _body(code.source):
            for name in _bound(node):
                binding.setdefault(name, []).append(len(texts))
            texts.append(_text(node, lines))
    for name in task.names:  # the answer is what counts of these, as the box runs it last
        binding.pop(name, None)
    pending = _needed(answer.source)
    names: set[str] = set()
    taken: set[int] = set()
    while pending:
        name = pending.pop()
        names.add(name)
        for position in binding.pop(name, ()):
            if position not in taken:
                taken.add(position)
                needed = _needed(texts[position])
                if needed is None:
                    return None
                pending |= needed - names
    if pending is None:
        return None
    return names - set(task.names)


def _body(source: str) -> list[ast.stmt]:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return ast.parse(source).body
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return []


def _text(node: ast.stmt, lines: list[bytes]) -> str:
    """Return a statement as it is written; a decorator begins its line."""
    decorators = getattr(node, "decorator_list", ())
    part = lines[min([node.lineno, *(each.lineno for each in decorators)]) - 1 : node.end_lineno]
    part[-1] = part[-1][: node.end_col_offset]
    if not decorators:
        part[0] = part[0][node.col_offset :]
    return b"\n".join(part).decode()


def _needed(source: str) -> set[str] | None:
    r"""Return the names that a piece of code takes from outside of its functions.

    A parameter or a local variable is none of them, whatever else in the notebook has its name.

    >>> sorted(_needed("def f(x):\n    return [g(y) for y in x]\nf(a)"))
    ['a', 'f', 'g']
    """
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            tables = [symtable.symtable(source, "<answer>", "exec")]
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return None
    found: set[str] = set()
    for table in tables:  # grows
        tables += table.get_children()
        outermost = table.get_type() == "module"
        for symbol in table.get_symbols():
            if symbol.is_referenced() and (outermost or symbol.is_global()):
                found.add(symbol.get_name())
    return found


def _bound(node: ast.stmt) -> set[str]:
    """Return the names that a statement of the top level binds."""
    found: set[str] = set()
    pending: list[ast.AST] = [node]
    while pending:
        each = pending.pop()
        if isinstance(each, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            found.add(each.name)
        elif isinstance(each, ast.Import | ast.ImportFrom):
            found |= {(alias.asname or alias.name).split(".")[0] for alias in each.names}
        elif isinstance(each, ast.Name) and isinstance(each.ctx, ast.Store):
            found.add(each.id)
        elif isinstance(each, ast.comprehension):  # its variables are its own
            pending += [each.iter, *each.ifs]
        elif not isinstance(each, ast.Lambda):
            pending += ast.iter_child_nodes(each)
    return found


def digest(exercise: Exercise, policy: Policy) -> str:
    """Return what grades depend on besides the seed, as one short text."""
    said = json.dumps(dataclasses.asdict(policy), sort_keys=True)
    return hashlib.sha256(f"{exercise.digest}/{said}".encode()).hexdigest()
