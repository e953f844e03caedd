"""The grader as a plugin of pytest: nbval's items with the judge's verdicts."""

from __future__ import annotations

import copy
import os
import re
import subprocess
import sys
import xml.etree.ElementTree as ElementTree
from pathlib import Path

import pytest
import small_exercise as small
from conftest import ROOT
from nbval.plugin import IPyNbCell

from cvlab.classroom.grading import plugin
from cvlab.classroom.grading.box.zygote import ZygoteError
from cvlab.classroom.grading.intake import ipynb, tasks
from cvlab.classroom.grading.verdict.judge import Judge

pytestmark = pytest.mark.slow  # each starts a session of pytest of its own
OPTIONS = ["-p", "cvlab.classroom.grading.plugin", "-p", "no:cacheprovider", "-p", "no:xdist"]
PROBES = [
    "row-means::random_tables",
    "row-means::other_axes",
    "halves::partitions",
    "halves::shuffled",
    "softmax::small",
    "softmax::large",
]
AXIS = "def row_means(x):\n    return x.mean(axis=0)"
BROKEN = "def softmax(x):\n    raise KeyError('\x1b[31mred')"


@pytest.fixture(scope="module")
def judge():
    with Judge(tasks.parse(small.solution(), "small"), 7) as judge:
        yield judge


@pytest.fixture
def place(tmp_path, monkeypatch) -> Path:
    """An empty folder for submissions, beside the solution."""
    (tmp_path / "small.ipynb").write_bytes(small.solution())
    monkeypatch.chdir(tmp_path)
    (tmp_path / "submitted").mkdir()
    return tmp_path / "submitted"


class Session:
    """What a session of pytest has done: its items, reports and text, and how it ended."""

    def __init__(self, *arguments: str, capsys) -> None:
        self.items: list[pytest.Item] = []
        self.results: dict[str, str] = {}
        self.properties: dict[str, dict] = {}
        self.reasons: dict[str, str] = {}
        capsys.readouterr()
        self.status = int(pytest.main([*OPTIONS, *arguments], plugins=[self]))
        self.out, self.err = capsys.readouterr()

    def pytest_collection_finish(self, session):
        self.items = list(session.items)

    def pytest_runtest_logreport(self, report):
        if report.when == "call" or report.outcome != "passed":
            self.results[report.nodeid] = report.outcome
            self.properties[report.nodeid] = dict(report.user_properties)
            self.reasons[report.nodeid] = str(report.longrepr)


@pytest.fixture
def run(request, monkeypatch, capsys):
    """Return a function that grades ``submitted/`` with the judge of this module."""
    made = []

    class Shared:
        def __init__(self, exercise, seed, place):
            assert (exercise.name, seed) == ("small", 7)
            self.graded, self.stopped = [], 0
            made.append(self)

        def grade(self, data, student):
            self.graded.append(student)
            return request.getfixturevalue("judge").grade(data, student)

        def stop(self):
            self.stopped += 1

    monkeypatch.setattr(plugin, "Judge", Shared)
    monkeypatch.setattr(plugin.session, "choose_walls", lambda **_: ("zygote", ""))

    def run(*arguments: str) -> Session:
        made.clear()
        options = ["--exercise", "small.ipynb", "--grade-seed", "7"]
        session = Session(*options, *map(str, arguments), capsys=capsys)
        session.judges = list(made)
        return session

    return run


def put(path: Path, notebook: dict | bytes) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(notebook if isinstance(notebook, bytes) else small.data(notebook))
    return path


def split_in_two() -> dict:
    """A right notebook, whose first answer was cut in two cells."""
    notebook = small.student()
    at = next(i for i, cell in enumerate(notebook["cells"]) if cell["id"] == "row-means")
    first, _, second = notebook["cells"][at]["source"].rpartition("\n")
    notebook["cells"][at]["source"] = first
    notebook["cells"].insert(at + 1, small.cell(second, "second-half"))
    return notebook


def retyped() -> dict:
    """A right notebook, one of whose answers is a cell of text."""
    notebook = small.student()
    for cell in notebook["cells"]:
        if cell["id"] == "halves":
            cell["cell_type"] = "markdown"
    return notebook


NOTEBOOKS = {
    "right": small.student(),
    "stub": small.notebook(small.cells(small.STUB, hidden=False)),
    "axis": small.student(row_means=AXIS),
    "guard": small.student(row_means="def row_means(x):\n    return x.mean(axis=1)"),
    "broken": small.student(softmax=BROKEN),
    "syntax": small.student(halves="def halves(n, rng:\n    pass"),
    "ends": small.student(row_means="import os\nos._exit(3)"),
    "loops": small.student(
        row_means="def row_means(x):\n    return np.array([row.mean() for row in x])"
    ),
    "split": split_in_two(),
    "retyped": retyped(),
    "empty": small.notebook([]),
    "unreadable": b"{",
}


def expected(judge: Judge, notebook: dict | bytes) -> dict[str, str]:
    """What the judge itself says, by the item's name."""
    data = notebook if isinstance(notebook, bytes) else small.data(notebook)
    graded = judge.grade(data, "expected")
    try:
        code = [cell.index for cell in ipynb.read(data).cells if cell.kind == "code"]
    except ipynb.NotebookProblem:
        return {"notebook": "failed"} | dict.fromkeys(PROBES, "failed")
    fates = {one.index: one.fate for one in graded.cells}
    found = {}
    for number, index in enumerate(code):
        fate = fates.get(index) or fates[max(i for i in fates if i < index)]
        found[f"Cell {number}"] = "passed" if fate == "passed" else "failed"
    passed = {f"{one.task}::{one.probe}" for one in graded.probes if one.fate == "passed"}
    return found | {name: "passed" if name in passed else "failed" for name in PROBES}


def test_the_items_are_nbvals_and_their_verdicts_the_judges(judge, place, run):
    for name, notebook in NOTEBOOKS.items():
        put(place / name / "small.ipynb", notebook)
    session = run(place)
    assert all(isinstance(item, IPyNbCell) for item in session.items)
    for name, notebook in NOTEBOOKS.items():
        start = f"submitted/{name}/small.ipynb::"
        found = {
            node.removeprefix(start): result
            for node, result in session.results.items()
            if node.startswith(start)
        }
        assert found == expected(judge, notebook), name
        points = sum(
            each["points"]
            for node, each in session.properties.items()
            if node.startswith(start) and each
        )
        data = notebook if isinstance(notebook, bytes) else small.data(notebook)
        assert points == judge.grade(data, name).record.points, name
    assert session.status == 1
    (one,) = session.judges
    assert one.graded == sorted(one.graded)
    assert len(one.graded) == len(NOTEBOOKS)
    assert one.stopped == 1


def test_numbers_are_those_of_nbval(place, run):
    put(place / "small.ipynb", NOTEBOOKS["right"])
    session = run(place)
    names = [item.nodeid.partition("::")[2] for item in session.items]
    assert names == [*(f"Cell {number}" for number in range(7)), *PROBES]
    assert (session.status, set(session.results.values())) == (0, {"passed"})


def test_collecting_runs_nothing(place, run):
    put(place / "small.ipynb", NOTEBOOKS["ends"])
    session = run("--collect-only", place)
    assert (session.status, len(session.items), session.judges) == (0, 13, [])
    session = run(place, "-k", "nothing_has_this_name")
    assert (session.status, session.judges) == (5, [])


def test_selections_and_stopping_early(place, run):
    for name in ("a", "b"):
        put(place / f"{name}.ipynb", NOTEBOOKS["axis"])
    session = run(place, "-k", "random_tables or Cell and 1")
    assert set(session.results.values()) == {"passed", "failed"}
    assert len(session.results) == 4
    assert session.judges[0].graded == ["submitted/a.ipynb", "submitted/b.ipynb"]
    session = run(f"{place}/a.ipynb::row-means::random_tables")
    assert session.results == {"submitted/a.ipynb::row-means::random_tables": "failed"}
    session = run(f"{place}/b.ipynb::Cell 1")
    assert session.results == {"submitted/b.ipynb::Cell 1": "passed"}
    session = run(place, "-x")
    assert list(session.results.values()).count("failed") == 1
    assert [(one.graded, one.stopped) for one in session.judges] == [(["submitted/a.ipynb"], 1)]


def test_markers_of_students_have_no_effect(place, run):
    plain, marked = NOTEBOOKS["axis"], copy.deepcopy(NOTEBOOKS["axis"])
    tags = ["nbval-skip", "raises-exception", "nbval-check-output", "skip", "xfail"]
    for cell in marked["cells"]:
        cell["metadata"] = cell["metadata"] | {"tags": tags}
        if cell["cell_type"] == "code":
            cell["source"] = (
                "# NBVAL_SKIP\n# NBVAL_RAISES_EXCEPTION\n# NBVAL_CHECK_OUTPUT\n" + cell["source"]
            )
            cell["outputs"] = [{"output_type": "stream", "name": "stdout", "text": "other\n"}]
    put(place / "a.ipynb", plain)
    put(place / "b.ipynb", marked)
    session = run(place)
    a, b = (
        {node[19:]: r for node, r in session.results.items() if f"/{name}.ipynb" in node}
        for name in "ab"
    )
    assert a == b
    assert set(a.values()) == {"passed", "failed"}
    for item in session.items:
        assert list(item.iter_markers()) == []
        assert item.options == {}
    assert not run(place, "-m", "skip or xfail").results


def test_a_failure_says_why_and_controls_no_terminal(place, run, tmp_path):
    put(place / "small.ipynb", NOTEBOOKS["broken"])
    reports = []
    for number in range(2):
        path = tmp_path / f"{number}.xml"
        session = run(place, "--color=yes", f"--junitxml={path}")
        reports.append(path.read_text())
    reason = session.reasons["submitted/small.ipynb::softmax::large"]
    assert "Called with the grader's input it stops with KeyError in line 2 of a cell." in reason
    assert "Subtract the largest first." not in reason  # the hint is for the first that fails
    assert "Divide by the sum of the row." in reason
    assert "Traceback" not in session.out
    cell = session.reasons["submitted/small.ipynb::Cell 6"]
    assert cell.startswith("Cell 6 (cell 10 of the notebook): ")
    assert "Input:\n@check.task" in cell
    for report in reports:
        assert "\x1b" not in report
        assert "#x1B" not in report
    ids = [
        [(case.get("classname"), case.get("name")) for case in ElementTree.fromstring(text).iter()]
        for text in reports
    ]
    assert ids[0] == ids[1]
    assert ("submitted.small.ipynb", "Cell 6") in ids[0]
    assert ("submitted.small.ipynb.softmax", "large") in ids[0]


def test_a_cell_that_stops_is_shown_without_its_escape_codes(place, run):
    source = "print('\x1b]0;title\x07')\nraise ValueError('\x1b[2Jgone')"
    put(place / "small.ipynb", small.student(halves=source))
    session = run(place, "--color=yes")
    shown = session.reasons["submitted/small.ipynb::Cell 3"]
    assert "\\x1b]0;title\\x07" in shown
    assert "\\x1b[2Jgone" in shown
    assert "\x1b]0" not in session.out
    assert "\x1b[2J" not in session.out


def test_nothing_but_notebooks_is_read(place, run, tmp_path):
    evil = f"open({str(tmp_path / 'evil')!r}, 'a').close()"
    for name in ("conftest.py", "test_one.py", "package/__init__.py", "package/conftest.py"):
        put(place / "eve" / name, evil.encode())
    put(place / "eve" / "package" / "small.ipynb", NOTEBOOKS["right"])
    put(tmp_path / "elsewhere.ipynb", NOTEBOOKS["right"])
    (place / "eve" / "link.ipynb").symlink_to(tmp_path / "elsewhere.ipynb")
    (place / "eve" / "loop").symlink_to(place)
    os.mkfifo(place / "eve" / "pipe.ipynb")
    for extra in ([], ["--nbval-lax"], ["--doctest-modules"]):
        session = run(place, *extra)
        assert {item.path.name for item in session.items} == {"small.ipynb"}
        assert len(session.results) == 13
        assert session.status == 0, session.out
    assert not (tmp_path / "evil").exists()
    (tmp_path / "named").symlink_to(place / "eve" / "package")
    assert len(run(tmp_path / "named").results) == 13  # a link that the instructor names


class TestOneSentenceForAnErrorOfUse:
    def refused(self, session: Session) -> str:
        assert session.status == pytest.ExitCode.USAGE_ERROR
        assert not session.results
        (line,) = [line for line in session.err.splitlines() if "ERROR" in line]
        return re.sub(r"\x1b\[[0-9;]*m", "", line)

    def test_no_exercise(self, place, capsys):
        put(place / "small.ipynb", NOTEBOOKS["right"])
        assert "say which exercise" in self.refused(Session(str(place), capsys=capsys))

    def test_an_unknown_exercise(self, place, capsys):
        session = Session("--exercise", "99_none", str(place), capsys=capsys)
        assert "there is no exercise '99_none'; there are 01_knn" in self.refused(session)

    def test_an_exercise_that_cannot_be_graded(self, place, capsys):
        put(place / "small.ipynb", NOTEBOOKS["right"])
        put(place.parent / "none.ipynb", NOTEBOOKS["empty"])
        session = Session("--exercise", "none.ipynb", str(place), capsys=capsys)
        assert "The solution has no task" in self.refused(session)

    def test_no_place(self, place, run):
        assert "name the folder" in self.refused(run())

    def test_settings_among_the_submissions(self, place, run):
        put(place / "eve" / "small.ipynb", NOTEBOOKS["right"])
        put(place / "eve" / "pytest.ini", b"[pytest]\naddopts = -k Cell\n")
        assert "lies among the submissions" in self.refused(run(place / "eve"))
        assert run(place, "--collect-only").status == 0  # where nobody looks for them

    def test_walls_that_are_missing(self, place, run, monkeypatch):
        def missing(*, unsafe):
            if not unsafe:
                raise plugin.session.SessionError("no walls; give --unsafe.")
            return "none", "There are no walls."

        monkeypatch.setattr(plugin.session, "choose_walls", missing)
        put(place / "small.ipynb", NOTEBOOKS["right"])
        assert "give --grade-unsafe." in self.refused(run(place))
        assert run(place, "--grade-unsafe", "--collect-only").status == 0

    def test_no_box(self, place, run, monkeypatch):
        def none(*_arguments, **_options):
            raise ZygoteError("the kernel refuses.")

        monkeypatch.setattr(plugin, "Judge", none)
        put(place / "small.ipynb", NOTEBOOKS["right"])
        assert "the kernel refuses." in self.refused(run(place))


def test_boxes_that_fail_later_are_no_students_fault(place, run, monkeypatch, judge):
    put(place / "small.ipynb", NOTEBOOKS["right"])

    def fails(*_arguments, **_options):
        raise ZygoteError("it was killed.")

    monkeypatch.setattr(judge, "grade", fails)
    session = run(place)
    assert session.status == 3
    assert "no box can be made any more: it was killed." in session.out + session.err
    assert "failed" not in session.results.values()


def test_the_seed_is_a_new_one_unless_given_and_shown(place, run, capsys):
    options = ["--exercise", "small.ipynb", "--collect-only", str(place)]
    shown = {
        re.search(r"exercise: small, 10 points, seed (\d+)", session.out)[1]
        for session in (Session(*options, capsys=capsys) for _ in range(2))
    }
    assert len(shown) == 2


def test_workers_say_the_same_and_run_nothing_else(judge, place, tmp_path):
    chosen = {name: NOTEBOOKS[name] for name in ("right", "axis", "broken", "unreadable")}
    for name, notebook in chosen.items():
        put(place / name / "small.ipynb", notebook)
    evil = f"open({str(tmp_path / 'evil')!r}, 'a').close()"
    put(place / "axis" / "conftest.py", evil.encode())
    report = tmp_path / "report.xml"
    command = [
        sys.executable,
        "-m",
        "pytest",
        "-p",
        "cvlab.classroom.lean",
        *OPTIONS[:4],
        "--exercise",
        "small.ipynb",
    ]
    command += ["-n", "2", "--dist", "loadscope", f"--junitxml={report}", str(place)]
    done = subprocess.run(
        command,
        env=os.environ | {"PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 1, done.stdout + done.stderr
    found = {}
    for case in ElementTree.parse(report).iter("testcase"):
        name = "::".join([*case.get("classname").split(".")[4:], case.get("name")])
        verdict = "passed" if case.find("failure") is None else "failed"
        found.setdefault(case.get("classname").split(".")[1], {})[name] = verdict
    assert found == {name: expected(judge, notebook) for name, notebook in chosen.items()}
    assert not (tmp_path / "evil").exists()
