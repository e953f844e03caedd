"""A plugin of pytest that grades notebooks: nbval's items, with the judge's verdicts.

``pytest -p cvlab.classroom.grading.plugin --exercise 01_knn submitted/`` collects every notebook
below a folder. Each code cell is an item with nbval's name and number, which fails where the cell
does, a cell with a check by what the judge found about its task; after them follows one item for
each probe, ``TASK::PROBE``. Options of pytest (``-k``, ``-x``, ``-n``, ``--junitxml``) do what they
always do. Markers in a student's cells, comments and tags, do nothing.

Submissions are data: of what lies among them pytest reads notebooks only, no ``conftest.py``, no
test and no package, and follows no link. But pytest itself looks for a file of settings in the
folder that its arguments have in common and above. So name the folder that holds all submissions,
not one student's, or a file of yours with ``-c``; settings among submissions are refused, though
too late for what they have already loaded.
"""

from __future__ import annotations

import secrets
from collections import defaultdict
from collections.abc import Generator, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from nbformat import NotebookNode
from nbval.plugin import IPyNbCell, IPyNbFile, NbCellError, nocolors

from cvlab.classroom.grading import session
from cvlab.classroom.grading.box.zygote import ZygoteError
from cvlab.classroom.grading.intake import ipynb, tasks
from cvlab.classroom.grading.verdict.judge import Judge
from cvlab.classroom.grading.verdict.outcomes import CellOutcome, Graded

SHOWN = 4000  # characters of a cell in a report


@dataclass
class Grading:
    """What one session of pytest grades with."""

    exercise: tasks.Exercise
    seed: int
    walls: str
    judge: Judge | None = None

    def open(self) -> None:
        """Make the judge.

        Raises:
            JudgeError, ZygoteError: if the exercise is at fault, or no box can be made.
        """
        self.judge = Judge(self.exercise, self.seed, place=session.place(self.walls))

    def close(self) -> None:
        """End the judge and its boxes."""
        judge, self.judge = self.judge, None
        if judge is not None:
            judge.stop()


_GRADING = pytest.StashKey[Grading]()


# ------------------------------------------------------------------------------------- the session


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add the options."""
    group = parser.getgroup("cvlab", "grade notebooks in boxes")
    group.addoption(
        "--exercise",
        metavar="NAME",
        help="grade notebooks of this exercise, such as 01_knn, or of a solution notebook's path",
    )
    group.addoption(
        "--grade-seed",
        type=int,
        metavar="N",
        help="of the hidden inputs (a new one by default, which the first lines show)",
    )
    group.addoption(
        "--grade-unsafe", action="store_true", help="grade even where walls of boxes are missing"
    )


@pytest.hookimpl(tryfirst=True)
def pytest_load_initial_conftests(early_config: pytest.Config) -> None:
    """Keep pytest from importing a `conftest.py` that somebody handed in."""
    early_config.known_args_namespace.noconftest = True


@pytest.hookimpl(tryfirst=True)
def pytest_sessionstart(session: pytest.Session) -> None:
    """Read the exercise; nothing is run yet."""
    config = session.config
    try:
        grading = _grading(config)
    except (ValueError, RuntimeError) as error:
        said = str(error).replace("--unsafe", "--grade-unsafe")
        raise pytest.UsageError(said) from None
    config.stash[_GRADING] = grading
    config.add_cleanup(grading.close)
    config.option.noconftest = True  # goes to the workers of pytest-xdist, as do these
    config.option.grade_seed = grading.seed


def _grading(config: pytest.Config) -> Grading:
    from cvlab.classroom.grading import command

    if not config.pluginmanager.hasplugin("nbval"):
        raise ValueError("nbval is switched off or not installed; the grader needs it.")
    if not config.option.exercise:
        raise ValueError("say which exercise to grade, as in --exercise 01_knn.")
    if not _worker(config):
        _refuse_settings(config)
    exercise = tasks.load(command.solution(config.option.exercise))
    walls, _said = session.choose_walls(unsafe=config.option.grade_unsafe)
    seed = config.option.grade_seed
    return Grading(exercise, secrets.randbits(32) if seed is None else seed, walls)


def _refuse_settings(config: pytest.Config) -> None:
    if config.args_source != pytest.Config.ArgsSource.ARGS:
        raise ValueError("name the folder or the notebooks to grade, such as submitted/.")
    folders = [place if place.is_dir() else place.parent for place in _places(config)]
    for folder in folders:
        if config.inipath is not None and config.inipath.is_relative_to(folder):
            raise ValueError(
                f"pytest reads its settings from {config.inipath}, which lies among the "
                "submissions; remove it, or give a file of settings of yours with -c."
            )


def _places(config: pytest.Config) -> list[Path]:
    """Return the files and folders that the command names."""
    invoked = config.invocation_params.dir
    return [invoked / argument.split("::")[0] for argument in config.args]


def _worker(config: pytest.Config) -> bool:
    return hasattr(config, "workerinput")


def _shares(config: pytest.Config) -> bool:
    """Tell whether this session leaves the work to workers of pytest-xdist."""
    return not _worker(config) and config.getoption("dist", "no") != "no"


def pytest_report_header(config: pytest.Config) -> str:
    """Say what is graded, and with which seed."""
    one = config.stash[_GRADING]
    return f"exercise: {one.exercise.name}, {one.exercise.points:g} points, seed {one.seed}"


@pytest.hookimpl(wrapper=True)
def pytest_runtestloop(session: pytest.Session) -> Generator[None, Any, Any]:
    """Make the judge before the first item and end it after the last."""
    grading = session.config.stash[_GRADING]
    wanted = session.items or _shares(session.config)
    if wanted and not session.config.option.collectonly:
        try:
            grading.open()
        except (ValueError, RuntimeError) as error:
            raise pytest.UsageError(str(error)) from None
        if _shares(session.config):  # now it is known that every worker can make its own
            grading.close()
    try:
        return (yield)
    finally:
        grading.close()


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> Any:
    """Keep all items of a notebook in one worker, whatever ``--dist`` says: it is graded once."""
    from xdist.scheduler import LoadFileScheduling

    return LoadFileScheduling(config, log)


# -------------------------------------------------------------------------------------- collection


@pytest.hookimpl(tryfirst=True)
def pytest_ignore_collect(collection_path: Path, config: pytest.Config) -> bool | None:
    """Leave out all that is no notebook, and links, which may lead anywhere."""
    if collection_path.is_symlink() and collection_path not in _places(config):
        return True
    return True if collection_path.is_file() and collection_path.suffix != ".ipynb" else None


@pytest.hookimpl(tryfirst=True)
def pytest_collect_directory(path: Path, parent: pytest.Collector) -> pytest.Collector:
    """Take every folder for a plain one: a package would be imported."""
    return pytest.Dir.from_parent(parent, path=path)


@pytest.hookimpl(wrapper=True)
def pytest_collect_file(file_path: Path, parent: pytest.Collector) -> Generator[None, Any, Any]:
    """Collect notebooks as submissions, and as nothing else."""
    yield
    is_notebook = file_path.suffix == ".ipynb" and file_path.is_file()
    return [Submission.from_parent(parent, path=file_path)] if is_notebook else []


class Submission(IPyNbFile):
    """A student's notebook; graded when its first item runs."""

    _graded: Graded | None = None

    def collect(self) -> Iterator[pytest.Item | pytest.Collector]:
        """Iterate over the code cells, and over the tasks with their probes."""
        try:
            cells = ipynb.read(self._data()).cells
        except ipynb.NotebookProblem as problem:
            cells = ()
            yield UnreadableFile.from_parent(self, name="notebook", fault=str(problem))
        code = [cell for cell in cells if cell.kind == "code"]
        for number, cell in enumerate(code):
            name = f"Cell {number}"
            yield GradedCell.from_parent(
                self, name=name, cell_num=number, source=cell.source, index=cell.index
            )
        for task in self.config.stash[_GRADING].exercise.tasks:
            yield GradedTask.from_parent(self, name=task.name, task=task)

    def _data(self) -> bytes:
        with self.path.open("rb") as file:
            return file.read(ipynb.MOST_FILE + 1)  # one more will be refused

    def setup(self) -> None:
        """Start no kernel."""

    def teardown(self) -> None:
        """Forget what the judge said: a class has many notebooks."""
        self._graded = None

    def graded(self) -> Graded:
        """Return what the judge says of this notebook."""
        if self._graded is None:
            judge = self.config.stash[_GRADING].judge
            try:
                self._graded = judge.grade(self._data(), self.nodeid)
            except ZygoteError as error:  # which is no student's fault
                pytest.exit(f"no box can be made any more: {error}", returncode=3)
        return self._graded

    def outcome(self, index: int) -> CellOutcome:
        """Return what became of a cell; the second half of a function became part of the first."""
        found = [one for one in self.graded().cells if one.index <= index]
        if not found:
            reason = next(iter(self.graded().record.flags), "The judge found no code in it.")
            return CellOutcome(index, "other", "not run", reason)
        return max(found, key=lambda one: one.index)


class GradedItem(IPyNbCell):
    """An item whose result is the judge's; `fail` ends it with a reason."""

    def __init__(self, name: str, parent: Any, cell_num: int, source: str) -> None:
        cell = NotebookNode(cell_type="code", source=source, metadata=NotebookNode(), outputs=[])
        # No options: whatever a student's comments and tags say has no effect.
        super().__init__(name, parent, cell_num, cell, defaultdict(bool))
        self.colors = nocolors

    def setup(self) -> None:
        """Expect nothing of what other cells did: each has its own verdict."""

    def fail(self, reason: str, source: str = "") -> None:
        """End the item.

        Raises:
            NbCellError: always.
        """
        raise NbCellError(self.cell_num, reason, source)

    def repr_failure(self, excinfo: pytest.ExceptionInfo[BaseException]) -> str:
        """Return the report: the reason and the code, no traceback, no escape codes."""
        error = excinfo.value
        if not isinstance(error, NbCellError):
            return printable(str(super().repr_failure(excinfo)))
        source = error.source if len(error.source) <= SHOWN else f"{error.source[:SHOWN]} ..."
        shown = f"\n\nInput:\n{source}\n" if source else ""
        return printable(f"{self.title()}: {error}{shown}")

    def title(self) -> str:
        """Return what the report calls the item."""
        return self.name

    def reportinfo(self) -> tuple[Path, int, str]:
        """Return where the item is."""
        return self.path, 0, printable(self.nodeid)


class GradedCell(GradedItem):
    """A code cell of a student, which passes if nbval would pass it."""

    def __init__(self, name: str, parent: Any, cell_num: int, source: str, index: int) -> None:
        super().__init__(name, parent, cell_num, source)
        self.index = index

    def title(self) -> str:
        """Return both numbers of the cell: nbval's, and that in the judge's sentences."""
        return f"{self.name} (cell {self.index + 1} of the notebook)"

    def runtest(self) -> None:
        """Fail if the cell does, or, for a check, if its task is not right."""
        outcome = self.parent.outcome(self.index)
        if outcome.role == "check" and not outcome.tasks:
            pytest.skip("This check belongs to no task of the exercise.")
        if outcome.fate != "passed":
            self.fail(outcome.reason or outcome.fate, self.cell.source)


class UnreadableFile(GradedItem):
    """Stands for the cells of a file that is no notebook."""

    def __init__(self, name: str, parent: Any, fault: str) -> None:
        super().__init__(name, parent, 0, "")
        self.fault = fault

    def runtest(self) -> None:
        """Fail with what is wrong with the file."""
        self.fail(self.fault)


class GradedTask(pytest.Collector):
    """A task of the exercise, whose items are its probes."""

    def __init__(self, task: tasks.Task, **options: Any) -> None:
        super().__init__(**options)
        self.task = task

    def collect(self) -> Iterator[pytest.Item]:
        """Iterate over the probes."""
        for number, probe in enumerate(self.task.probes):
            yield GradedProbe.from_parent(self, name=probe.name, cell_num=number, probe=probe)


class GradedProbe(GradedItem):
    """A probe of the exercise, called with a student's function."""

    def __init__(self, name: str, parent: Any, cell_num: int, probe: tasks.Probe) -> None:
        super().__init__(name, parent, cell_num, "")
        self.probe = probe

    def title(self) -> str:
        """Return the names of task and probe."""
        return f"{self.parent.name}::{self.name}"

    def runtest(self) -> None:
        """Fail if the probe found something else than the right values, or did not get so far."""
        graded = self.parent.parent.graded()
        task = self.parent.task.name
        outcome = next(
            (one for one in graded.probes if (one.task, one.probe) == (task, self.name)), None
        )
        passed = outcome is not None and outcome.fate == "passed"
        self.user_properties.append(("points", self.probe.points if passed else 0.0))
        self.user_properties.append(("most", self.probe.points))
        if passed:
            return
        result = next(one for one in graded.record.tasks if one.task == task)
        reason = outcome.reason if outcome is not None else result.reason
        self.fail("\n".join(filter(None, (reason or "It was not run.", result.hint))))


def printable(text: str) -> str:
    r"""Return a text in which nothing moves a terminal's cursor or changes its colours.

    >>> printable("red: \x1b[31m")
    'red: \\x1b[31m'
    """
    return "".join(
        char if char.isprintable() or char in "\n\t " else repr(char)[1:-1] for char in text
    )
