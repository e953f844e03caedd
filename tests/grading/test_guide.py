"""The instructor's guide is true: its commands are run from an empty folder, its task is graded."""

from __future__ import annotations

import argparse
import ast
import csv
import json
import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

import nbformat
import pytest
import sample_class
from conftest import ROOT, WEEKLY, missing

from cvlab.classroom import notebooks
from cvlab.classroom.grading import arguments, session, verify
from cvlab.classroom.grading.intake import submissions, tasks
from cvlab.classroom.grading.report import journal, records

GUIDE = (ROOT / "book" / "instructors_guide.md").read_text(encoding="utf-8")
SET_UP = ("make setup", "make exercises")  # these install; every build runs them
LAYOUTS = ("submitted", "moodle.zip", "canvas.zip", "notebooks")


def section(title: str) -> str:
    """Return the text below a heading of the guide, up to the next one of its level."""
    found = re.search(rf"^## {re.escape(title)}$(.*?)(?=^## |\Z)", GUIDE, re.M | re.S)
    assert found, f"the guide has no section {title!r}"
    return found[1]


def commands(text: str) -> list[tuple[str, list[str]]]:
    """Return the commands of the console blocks of a text, each with what it should print."""
    found: list[tuple[str, list[str]]] = []
    for block in re.findall(r"^```console\n(.*?)^```", text, re.M | re.S):
        for line in block.replace("\\\n", " ").splitlines():
            if line.startswith("$ "):
                found.append((line[2:], []))
            else:
                found[-1][1].append(line)
    return found


def form(line: str) -> str:
    """Return a line without what differs from one run to the next."""
    return re.sub(r"\d+(\.\d+)?", "0", line)


@pytest.fixture(scope="module")
def walls() -> str:
    """How boxes are made here; without walls there is nothing to try."""
    try:
        return session.choose_walls()[0]
    except session.SessionError as error:
        missing(str(error))


@pytest.fixture(scope="module")
def checkout(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A fresh copy of the course in an empty folder, as if it had been set up."""
    folder = tmp_path_factory.mktemp("empty") / "course"
    for path in notebooks.repository_files(ROOT):
        place = folder / path.relative_to(ROOT)
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_bytes(path.read_bytes())
    (folder / ".venv").symlink_to(Path(sys.prefix))
    return folder


def run(command: str, folder: Path) -> str:
    """Run a command of the guide as it stands there; return what it prints."""
    environment = {**os.environ, "PYTHONPATH": str(folder)}  # the copy's package, not this one's
    done = subprocess.run(
        ["bash", "-c", command],
        cwd=folder,
        env=environment,
        capture_output=True,
        text=True,
        timeout=400,
        check=False,
    )
    assert done.returncode == 0, f"{command}\n{done.stdout}{done.stderr}"
    return done.stdout + done.stderr


@pytest.fixture(scope="module")
def tour(checkout: Path, walls: str) -> dict[str, str]:
    """What the commands of the tour print, run one after another from the empty folder."""
    assert walls
    steps = commands(section("A tour in two minutes"))
    return {c: run(c, checkout) for c, _ in steps if c not in SET_UP}


@pytest.mark.slow
@pytest.mark.timeout(600)
class TestTour:
    """The tour, from an empty folder."""

    def test_every_command_prints_what_the_guide_says(self, tour):
        for command, lines in commands(section("A tour in two minutes")):
            if command in SET_UP:
                continue
            said = [form(line) for line in tour[command].splitlines()]
            for line in lines:
                if line.startswith("bubblewrap"):  # need not be there
                    assert any(one.startswith(line.split(":")[0]) for one in said)
                else:
                    assert form(line) in said, f"{command} does not print {line!r}"

    def test_deriving_prints_what_the_guide_says(self, tour, checkout):
        (command, lines) = commands(section("Derive the exercise"))[0]
        assert (command, lines) == ("make exercises", [])
        (command, lines) = commands(section("Derive the exercise"))[-1]
        solutions = list(notebooks.files(checkout, ("solutions",)))
        (path,) = (one for one in solutions if command.endswith(f" exercises {one.stem}"))
        said = [f"0 of {len(solutions)} exercises changed."]
        said.append(f"{path.stem}: grading its solution, its stub and its wrong answers")
        given = tasks.load(path).tasks
        count = sum(2 + len(task.wrong) + len(verify.LAZY) for task in given)
        said.append(f"{path.stem}: {count} of {count} answers got the right grade.")
        assert lines == said
        if WEEKLY:  # it grades seventy submissions
            assert run(command, checkout).splitlines() == said
        else:
            first = run(command.removesuffix(f" {path.stem}"), checkout).splitlines()
            assert first == said[:1]

    def test_files_are_there(self, tour, checkout):
        table = section("Read the results")
        for name in re.findall(r"^\| `.*?\|", table, re.M):
            for pattern in re.findall(r"`([^`]+)`", name):
                found = list((checkout / "grades").glob(pattern))
                # Moodle's form needs participants' numbers, which this roster does not use.
                assert bool(found) == (pattern != "moodle.csv"), pattern

    def test_numbers_in_the_text_are_those_of_the_run(self, tour, checkout):
        """The pictures' alternative texts, the forger's sentence and the late days are true."""
        rows = {
            row["student"]: row
            for row in csv.DictReader(
                (checkout / "grades" / "grades.csv").open(encoding="utf-8-sig", newline="")
            )
        }
        assert len(rows) == len(sample_class.STUDENTS) == 26
        points = sorted(float(row["grade"]) for row in rows.values())
        mean, median = sum(points) / 26, (points[12] + points[13]) / 2
        full = sum(value == 10 for value in points)
        assert f"mean {mean:.2f}, median {median:.2f}, full points {full}" in GUIDE
        assert f"{rows['elavi']['grade'].rstrip('0')} of 10 points" in GUIDE
        assert float(rows["jniguez"]["grade"]) == 5
        assert [rows[who]["days_late"] for who in ("agokce", "kwboateng", "lixy")] == list("130")
        forged = record(checkout / "grades", "vhorvath", "choose-k")
        assert forged.points == 0
        assert f"Not right yet. {forged.reason}" in GUIDE

    def test_the_class_page_names_everyone(self, tour, checkout):
        page = (checkout / "grades" / "class.html").read_text(encoding="utf-8")
        for student in sample_class.STUDENTS:
            assert student.name in page

    def test_a_page_says_once_what_is_true_of_all_tasks(self, tour, checkout):
        (page,) = (checkout / "grades" / "students").glob("sdubois-*.html")
        text = page.read_text(encoding="utf-8")
        assert text.count("The notebook is cut off") == 1
        assert "<table" not in text
        (page,) = (checkout / "grades" / "students").glob("lwisniak-*.html")
        text = page.read_text(encoding="utf-8")
        assert text.count("<section") == 4
        assert "<code>raise NotImplementedError</code>" in text

    def test_flagged_students_are_one_click_away(self, tour, checkout):
        page = (checkout / "grades" / "class.html").read_text(encoding="utf-8")
        flagged = page[page.index('id="flagged"') :].partition("</table>")[0]
        linked = re.findall(r'href="(students/[^"]+)"', flagged)
        assert len(linked) == 7
        assert all((checkout / "grades" / link).is_file() for link in linked)
        assert "16 of 23" in page, "those who handed nothing in are no part of a task's success"

    @pytest.mark.skipif(not WEEKLY, reason="once a week; it grades the class again")
    def test_moodles_form_needs_no_roster(self, tour, checkout):
        run(
            ".venv/bin/cvlab grade class/moodle.zip --exercise 01_knn --out moodle --seed 7",
            checkout,
        )
        rows = list(csv.DictReader((checkout / "moodle" / "moodle.csv").open(encoding="utf-8")))
        assert len(rows) == 24
        assert rows[0]["Identifier"].startswith("Participant 4")

    def test_another_seed_is_refused_in_the_words_of_the_guide(self, tour, checkout):
        command = next(c for c in tour if "--late" in c).replace("--seed 7", "--seed 8")
        done = subprocess.run(
            shlex.split(command), cwd=checkout, capture_output=True, text=True, check=False
        )
        assert done.returncode == 1
        said = next(line for line in done.stdout.splitlines() if line.startswith("cvlab:"))
        assert said in section("Grade").replace("`", "")

    def test_the_pytest_session_collects_the_class(self, tour, checkout):
        ((command, _),) = commands(section("As a test run"))
        said = run(f"{command} --collect-only -q", checkout)
        assert "choose-k::chosen" in said
        assert "lixy" in said


def record(grades: Path, student: str, task: str) -> records.TaskResult:
    """Return the result of a student's task."""
    found = next(r for r in journal.load(grades / "grades.jsonl") if r.student == student)
    return next(result for result in found.tasks if result.task == task)


def example() -> dict:
    """Return the notebook of the task that the guide writes."""
    cells = [nbformat.v4.new_code_cell("import numpy as np\n\nfrom cvlab import check")]
    for source in re.findall(r"^```python\n(.*?)^```", section("Write a task"), re.M | re.S):
        cell = nbformat.v4.new_code_cell(source.rstrip())
        graded = {"grade": False, "locked": False, "schema_version": 3, "solution": False}
        if "BEGIN SOLUTION" in source:
            cell.metadata["nbgrader"] = graded | {"grade_id": "unit-rows", "solution": True}
        elif "@check.task" in source:
            check = {"grade_id": "check-unit-rows", "grade": True, "points": 2}
            cell.metadata["nbgrader"] = graded | check
        else:
            kind = "wrong-answer" if "check.refuses" in source else "probe"
            cell.metadata["tags"] = [kind]
        cells.append(cell)
    return nbformat.v4.new_notebook(cells=cells)


@pytest.mark.slow
@pytest.mark.timeout(120)
def test_the_task_of_the_guide_is_graded_rightly(tmp_path, walls):
    path = tmp_path / "98_rows.ipynb"
    path.write_text(json.dumps(example()), encoding="utf-8")
    (task,) = tasks.load(path).tasks
    assert (len(task.probes), len(task.rules), len(task.wrong)) == (2, 0, 2)
    assert task.declared
    trials = list(verify.trials(path, session.place(walls)))
    assert len(trials) == 2 + 2 + len(verify.LAZY)
    assert [trial.fault for trial in trials if trial.fault] == []


def test_the_cells_of_the_guides_task_run(shell):
    for cell in example().cells:
        shell.run_cell(cell.source).raise_error()


def test_every_option_is_in_the_guide_and_no_other():
    parser = argparse.ArgumentParser(add_help=False)
    arguments.declare(parser)
    known = set(re.findall(r"--[a-z-]+", parser.format_help()))
    named = set(re.findall(r"`(--[a-z-]+)", section("Grade")))
    assert named <= known
    assert known - named <= {"--resume", "--hints"}, "the guide leaves an option out"


def test_every_command_of_the_guide_can_be_parsed():
    parser = argparse.ArgumentParser()
    arguments.declare(parser)
    grading = [shlex.split(c) for c, _ in commands(GUIDE) if "cvlab grade" in c]
    assert len(grading) >= 3
    for words in grading:
        parser.parse_args(words[2:])


@pytest.mark.parametrize("layout", LAYOUTS[1:])
def test_every_layout_holds_the_same_class(tmp_path, layout):
    """Equal notebooks of equal students get equal grades, so none is graded here."""
    sample_class.write(tmp_path)
    found = []
    for place in (LAYOUTS[0], layout):
        intake = submissions.find(
            tmp_path / place, "01_knn", tmp_path / f"{place}-work", tmp_path / "roster.csv"
        )
        found.append({one.student: (one.name, one.sha256) for one in intake.submissions})
    assert found[0] == found[1]
    assert len(found[0]) == 26


def test_the_sample_class_is_the_same_every_time(tmp_path):
    found = []
    for name in ("one", "two"):
        sample_class.write(tmp_path / name)
        files = (path for path in (tmp_path / name).rglob("*") if path.is_file())
        found.append({p.relative_to(tmp_path / name): p.read_bytes() for p in files})
    assert found[0] == found[1]
    assert {path.parts[0] for path in found[0]} == {*LAYOUTS, "roster.csv"}
    assert len({student.login for student in sample_class.STUDENTS}) == len(sample_class.STUDENTS)


def test_pictures_are_there_and_small():
    names = re.findall(r"\{figure\} (assets/\S+)", GUIDE)
    assert len(names) == 4
    assert GUIDE.count(":alt: ") == GUIDE.count(":width: ") == len(names)
    for name in names:
        assert 0 < (ROOT / "book" / name).stat().st_size < 200_000


def test_every_message_in_the_guide_can_be_said():
    sources = [path.read_text(encoding="utf-8") for path in (ROOT / "cvlab").rglob("*.py")]
    texts = [
        node.value
        for source in sources
        for node in ast.walk(ast.parse(source))
        if isinstance(node, ast.Constant) and isinstance(node.value, str)
    ]
    messages = re.findall(r"^\| `(.*?)` \|", section("When something is wrong"), re.M)
    assert len(messages) >= 8
    for message in messages:
        fixed = max(re.split(r"\.\.\.|[()'\d]|choose-k|digest|: ", message), key=len).strip(" ,.`")
        assert any(fixed in text for text in texts), f"nothing says {fixed!r}"
