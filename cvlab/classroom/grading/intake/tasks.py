"""An exercise as the grader reads it from its solution notebook: tasks, probes, rules, points.

A cell tagged ``probe`` declares one probe or one rule of a task with `cvlab.check.probe` or
`cvlab.check.rule`. It is read as text here and never executed in the judge: the probe goes into the
students' boxes without its decorator, its normal form and the rules into the referee's. What
`cvlab.check.task` declares (libraries, forbidden names, loops) is read from the check's cell.
"""

from __future__ import annotations

import ast
import hashlib
import inspect
import math
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from cvlab.checking import compare
from cvlab.checking.rules import Rules
from cvlab.classroom.exercises import HIDDEN_TAGS
from cvlab.classroom.grading.intake import ipynb
from cvlab.classroom.grading.intake.magics import plain
from cvlab.classroom.grading.intake.plan import task_names

PROBE_TAG = "probe"
WRONG_TAG = "wrong-answer"
MOST_SECONDS = 60.0  # of one probe
SKIP = "NBVAL_SKIP"
COMPARISON = frozenset(inspect.signature(compare.compare).parameters) - {"got", "expected"}


class ExerciseError(ValueError):
    """A solution notebook from which nothing can be graded; the message says what to mend."""


@dataclass(frozen=True)
class Probe:
    """A call of the student's function whose value is compared with the solution's.

    Attributes:
        name: of its function, unique in the task.
        points: what it is worth.
        hint: for whoever gets it wrong.
        seconds: how long it may take.
        source: Python that defines the function `name`, without decorator and normal form.
        normal: Python that defines the function `normal_name`, empty if values are compared as
            they are.
        normal_name: of that function.
        comparison: options of `compare.compare`.
        cell: of the notebook, from 0.
    """

    name: str
    points: float
    hint: str
    seconds: float
    source: str
    normal: str = ""
    normal_name: str = ""
    comparison: dict[str, Any] = field(default_factory=dict)
    cell: int = 0


@dataclass(frozen=True)
class Rule:
    """A condition on the student's code as text; `source` defines the function `name`."""

    name: str
    hint: str
    source: str


@dataclass(frozen=True)
class WrongAnswer:
    """A named wrong answer: `source` defines functions that stand for the task's, in order."""

    name: str
    source: str
    stands_for: dict[str, str]  #: by the task's name, the wrong function's


@dataclass(frozen=True)
class Task:
    """A task of an exercise; `names` are what students define."""

    name: str
    points: float
    names: tuple[str, ...]
    solution: str
    check: str  #: source of the visible self-check and of the helpers that are given for it
    probes: tuple[Probe, ...]
    rules: tuple[Rule, ...] = ()
    wrong: tuple[WrongAnswer, ...] = ()
    declared: Rules = field(default_factory=Rules)  #: what its check declares
    see: str = ""  #: chapter and section that its check names


@dataclass(frozen=True)
class Exercise:
    """An exercise and how it is graded; `setup` are the cells that come before the first task."""

    name: str
    notebook: ipynb.Notebook = field(repr=False)
    setup: tuple[str, ...]
    tasks: tuple[Task, ...]
    digest: str

    @property
    def points(self) -> float:
        """What a right submission earns."""
        return math.fsum(task.points for task in self.tasks)


def load(path: Path) -> Exercise:
    """Read an exercise from its solution notebook.

    Raises:
        ExerciseError: if the notebook, a probe or a rule is not as the guide says.
    """
    try:
        data = path.read_bytes()
    except OSError as error:
        raise ExerciseError(f"cannot read {path} ({error.strerror}).") from error
    return parse(data, path.stem)


def parse(data: bytes, name: str) -> Exercise:
    """Read an exercise from the bytes of its solution notebook.

    Raises:
        ExerciseError: if the notebook, a probe or a rule is not as the guide says.
    """
    try:
        notebook = ipynb.read(data)
        defined = task_names(notebook)
    except (ValueError, SyntaxError) as error:
        raise ExerciseError(f"{name}: {error}") from error
    points = _points(data, name)
    probes, rules, wrong = _declared(notebook, name, set(defined))
    solutions = {cell.grade_id: cell for cell in notebook.cells if cell.solution}
    checks = {cell.grade_id: cell for cell in notebook.cells if cell.grade}
    first = min(cell.index for cell in solutions.values())
    setup = tuple(
        plain(cell.source)
        for cell in notebook.cells
        if cell.kind == "code" and cell.index < first and not HIDDEN_TAGS & set(cell.tags)
    )
    tasks = tuple(
        Task(
            name=task,
            points=points[task],
            names=names,
            solution=plain(solutions[task].source),
            check=_with_helpers(notebook, checks[f"check-{task}"], first),
            probes=tuple(probes.get(task, ())),
            rules=tuple(rules.get(task, ())),
            wrong=tuple(wrong.get(task, ())),
            **_promised(checks[f"check-{task}"], name),
        )
        for task, names in defined.items()
    )
    for task in tasks:
        _add_up(task, name)
    return Exercise(name, notebook, setup, tasks, hashlib.sha256(data).hexdigest())


def _promised(check: ipynb.Cell, name: str) -> dict[str, Any]:
    """Return what a check declares of its task: its rules, and where to read on."""
    here = f"{name}, cell {check.id or check.index + 1}"
    for node in _tree(check, here).body:
        call = _decorator(node, "task") if isinstance(node, ast.FunctionDef) else None
        if call is None:
            continue
        options = _options(call, here)[1]
        given = {key: options[key] for key in ("libraries", "forbid", "loops") if key in options}
        try:
            return {"declared": Rules(**given), "see": str(options.get("see") or "")}
        except ValueError as error:
            raise ExerciseError(f"{here}: {error}") from error
    return {}


def _with_helpers(notebook: ipynb.Notebook, check: ipynb.Cell, first: int) -> str:
    """Return a check, preceded by what the notebook gives students between its tasks."""
    helpers = [
        plain(cell.source)
        for cell in notebook.cells[first : check.index]
        if cell.kind == "code" and not (cell.solution or cell.grade or HIDDEN_TAGS & set(cell.tags))
    ]
    return "\n\n".join([*helpers, plain(check.source)])


def _points(data: bytes, name: str) -> dict[str, float]:
    """Return the points of each task, from the metadata of its check."""
    import json

    found = {}
    for cell in json.loads(data.decode("utf-8-sig"))["cells"]:
        grading = cell.get("metadata", {}).get("nbgrader", {})
        if grading.get("grade"):
            points = grading.get("points")
            if not isinstance(points, int | float) or points <= 0:
                raise ExerciseError(
                    f"{name}: {grading.get('grade_id')} is worth no points; write `points` into "
                    "its cell's metadata."
                )
            found[str(grading.get("grade_id")).removeprefix("check-")] = points
    return found


def _add_up(task: Task, name: str) -> None:
    named = [one.name for one in (*task.probes, *task.rules)]
    if twice := {one for one in named if named.count(one) > 1}:
        raise ExerciseError(
            f"{name}, {task.name}: two probes are called {min(twice)}; rename one, because its "
            "inputs are drawn by its name."
        )
    total = math.fsum(probe.points for probe in task.probes)
    if task.probes and not math.isclose(total, task.points):
        raise ExerciseError(
            f"{name}, {task.name}: its probes are worth {total:g} points together, but the task "
            f"{task.points:g}; make them equal."
        )


def _declared(
    notebook: ipynb.Notebook, name: str, known: set[str]
) -> tuple[dict[str, list[Probe]], dict[str, list[Rule]], dict[str, list[WrongAnswer]]]:
    """Return the probes, rules and wrong answers of each task."""
    probes: dict[str, list[Probe]] = {}
    rules: dict[str, list[Rule]] = {}
    wrong: dict[str, list[WrongAnswer]] = {}
    checks: dict[str, tuple[str, tuple[str, ...]]] = {}
    for cell in notebook.cells:
        if cell.kind != "code":
            continue
        here = f"{name}, cell {cell.id or cell.index + 1}"
        if cell.grade:
            checks.update(_check_functions(cell))
        elif WRONG_TAG in cell.tags:
            for task, answer in _wrong_answers(cell, checks, here):
                wrong.setdefault(task, []).append(answer)
        elif PROBE_TAG in cell.tags and SKIP not in cell.source:
            task, one = _declaration(cell, here)
            if task not in known:
                raise ExerciseError(
                    f"{here}: there is no task {task!r}; there are {', '.join(sorted(known))}."
                )
            target: dict[str, list[Any]] = probes if isinstance(one, Probe) else rules
            target.setdefault(task, []).append(one)
    return probes, rules, wrong


def _check_functions(cell: ipynb.Cell) -> Iterator[tuple[str, tuple[str, tuple[str, ...]]]]:
    """Iterate over the names of a cell's checks, each with its task and what it is called with."""
    tree = ast.parse(plain(cell.source))
    called = {
        node.value.func.id: tuple(a.id for a in node.value.args if isinstance(a, ast.Name))
        for node in tree.body
        if isinstance(node, ast.Expr)
        and isinstance(node.value, ast.Call)
        and isinstance(node.value.func, ast.Name)
    }
    for node in tree.body:
        if isinstance(node, ast.FunctionDef) and _decorator(node, "task"):
            task = (cell.grade_id or "").removeprefix("check-")
            yield node.name, (task, called.get(node.name, ()))


def _decorator(node: ast.FunctionDef, kind: str) -> ast.Call | None:
    """Return the call of ``check.KIND`` that decorates a function."""
    for each in node.decorator_list:
        if isinstance(each, ast.Call) and ast.unparse(each.func) == f"check.{kind}":
            return each
    return None


def _wrong_answers(
    cell: ipynb.Cell, checks: dict[str, tuple[str, tuple[str, ...]]], here: str
) -> Iterator[tuple[str, WrongAnswer]]:
    tree = _tree(cell, here)
    refusals = [node for node in tree.body if _is_refusal(node)]
    body = [node for node in tree.body if node not in refusals]
    source = ast.unparse(ast.Module(body, []))
    for node in refusals:
        words = [each.id for each in node.value.args if isinstance(each, ast.Name)]
        if len(words) > 1 and words[0] in checks:
            task, names = checks[words[0]]
            stands_for = dict(zip(names, words[1:], strict=False))
            yield task, WrongAnswer(words[1], source, stands_for)


def _is_refusal(node: ast.stmt) -> bool:
    return (
        isinstance(node, ast.Expr)
        and isinstance(node.value, ast.Call)
        and ast.unparse(node.value.func) == "check.refuses"
    )


def _tree(cell: ipynb.Cell, here: str) -> ast.Module:
    try:
        return ast.parse(plain(cell.source))
    except SyntaxError as error:
        raise ExerciseError(f"{here}, line {error.lineno}: {error.msg}.") from error


def _declaration(cell: ipynb.Cell, here: str) -> tuple[str, Probe | Rule]:
    """Return the task and the probe or rule that a cell declares."""
    tree = _tree(cell, here)
    found = [
        (kind, node, call)
        for node in tree.body
        if isinstance(node, ast.FunctionDef)
        for kind in ("probe", "rule")
        if (call := _decorator(node, kind))
    ]
    if len(found) != 1:
        raise ExerciseError(
            f"{here}: it declares {len(found)} probes or rules; a cell tagged probe declares one, "
            "a function below @check.probe(...) or @check.rule(...)."
        )
    kind, node, call = found[0]
    node.decorator_list = []
    task, options = _options(call, here)
    if kind == "rule":
        hint = _sentence(options.get("hint"), here)
        return task, Rule(node.name, hint, ast.unparse(tree))
    return task, _probe(tree, node.name, options, cell.index, here)


def _options(call: ast.Call, here: str) -> tuple[str, dict[str, Any]]:
    """Return the task that a declaration names, and its keyword arguments."""
    options: dict[str, Any] = {}
    for keyword in call.keywords:
        if keyword.arg == "normal" and isinstance(keyword.value, ast.Name):
            options["normal"] = keyword.value.id
            continue
        try:
            options[str(keyword.arg)] = ast.literal_eval(keyword.value)
        except ValueError as error:
            raise ExerciseError(
                f"{here}: {keyword.arg} is written out, as text or numbers, because the grader "
                "reads this cell without running it."
            ) from error
    if not call.args or not isinstance(call.args[0], ast.Constant):
        raise ExerciseError(f"{here}: the name of the task is missing.")
    return str(call.args[0].value), options


def _sentence(value: Any, here: str) -> str:
    if not isinstance(value, str) or not value.strip():
        raise ExerciseError(f"{here}: a hint is missing; say what to look at.")
    return value


def _probe(tree: ast.Module, name: str, options: dict[str, Any], index: int, here: str) -> Probe:
    points, seconds = options.pop("points", None), options.pop("seconds", 5.0)
    hint = _sentence(options.pop("hint", None), here)
    normal_name = options.pop("normal", "")
    if isinstance(points, bool) or not isinstance(points, int | float) or not points > 0:
        raise ExerciseError(f"{here}: points= is missing, or no number above 0.")
    if not isinstance(seconds, int | float) or not 0 < seconds <= MOST_SECONDS:
        raise ExerciseError(f"{here}: seconds is a number above 0, at most {MOST_SECONDS:g}.")
    if unknown := sorted(set(options) - COMPARISON):
        raise ExerciseError(
            f"{here}: check.probe knows no {unknown[0]}=; it knows points, hint, seconds, normal, "
            f"{', '.join(sorted(COMPARISON))}."
        )
    try:
        compare.compare(None, None, **options)
    except (TypeError, ValueError) as error:
        raise ExerciseError(f"{here}: {error}") from error
    normal = ""
    body = tree.body
    if normal_name:
        apart = [n for n in body if isinstance(n, ast.FunctionDef) and n.name == normal_name]
        if not apart:
            raise ExerciseError(
                f"{here}: normal={normal_name} is a function that this cell does not define; "
                "write it here, above the probe."
            )
        rest = [n for n in body if not (isinstance(n, ast.FunctionDef) and n.name == name)]
        normal = ast.unparse(ast.Module(rest, []))
        body = [node for node in body if node is not apart[0]]
    source = ast.unparse(ast.Module(body, []))
    return Probe(
        name=name,
        points=float(points),
        hint=hint,
        seconds=float(seconds),
        source=source,
        normal=normal,
        normal_name=normal_name,
        comparison=options,
        cell=index,
    )
