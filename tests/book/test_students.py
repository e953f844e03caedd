"""The students' edition holds no answer, and what it says works in it."""

from __future__ import annotations

import ast
import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from conftest import ROOT

from cvlab.classroom import cli, exercises, notebooks
from cvlab.classroom.book import students

SOLUTIONS = list(notebooks.files(ROOT, ("solutions",)))
BODY = re.compile(r"### BEGIN SOLUTION\n(.*?)### END SOLUTION", re.S)
#: Where methods are taught or kept, exercises' methods among them.
TEACHING = ("chapters/", "cvlab/")


@pytest.fixture(scope="module")
def edition(tmp_path_factory):
    """The students' edition of this repository."""
    target = tmp_path_factory.mktemp("edition") / "course"
    students.write(target)
    return target


def bare(code):
    """Code without blank lines, comments' lines and indentation: what a copy has in common."""
    lines = (line.strip() for line in code.splitlines())
    return "\n".join(line for line in lines if line and not line.startswith("#"))


def text_of(path):
    """What a reader finds in a file; of a notebook its cells."""
    if path.suffix == ".ipynb":
        return "\n".join("".join(c["source"]) for c in json.loads(path.read_bytes())["cells"])
    return path.read_bytes().decode(errors="replace")


class Said:
    """What files say, to be searched for code in."""

    def __init__(self, texts):
        self.text = "\n".join(texts)
        self.lines = set(self.text.splitlines())

    def __contains__(self, code):
        """Say whether the code stands there; most is refused by a line that stands nowhere."""
        return all(line in self.lines for line in code.splitlines()) and code in self.text


@pytest.fixture(scope="module")
def found(edition):
    """What all files say, those that teach apart."""
    teaching, others = [], []
    for path in sorted(edition.rglob("*")):
        if path.is_file():
            teaches = path.relative_to(edition).as_posix().startswith(TEACHING)
            (teaching if teaches else others).append(bare(text_of(path)))
    return Said(teaching), Said(others)


def cells_of(path, *tags):
    """The code of a notebook's cells that have one of the tags, or of all."""
    for cell in notebooks.look(path)["cells"]:
        if cell["cell_type"] == "code" and (not tags or set(tags) & set(notebooks.tags(cell))):
            yield "".join(cell["source"])


def bodies_of(code):
    """The bodies of all functions, but for those of one or two lines, which may be anybody's."""
    lines = code.splitlines()
    for node in ast.walk(ast.parse(code)):
        if isinstance(node, ast.FunctionDef):
            body = bare("\n".join(lines[node.body[0].lineno - 1 : node.end_lineno]))
            if body.count("\n") > 1:
                yield body


@pytest.mark.parametrize("path", SOLUTIONS, ids=lambda path: path.stem)
def test_no_answer_probe_or_wrong_answer_is_left(found, path):
    teaching, others = found
    bodies = [bare(body) for code in cells_of(path) for body in BODY.findall(code)]
    assert len(bodies) >= 3
    # A body of one line may be anybody's, such as a sum.
    assert [body for body in bodies if body.count("\n") > 1 and body in others] == []
    for code in cells_of(path, "probe", "wrong-answer", "hidden"):
        assert bare(code) not in teaching
        assert bare(code) not in others
        assert [body for body in bodies_of(code) if body in others] == []


def test_no_right_answer_in_another_style_is_left(found):
    modules = sorted((ROOT / "tests" / "right_answers").glob("[!_]*.py"))
    assert len(modules) > 30
    for path in modules:
        bodies = bodies_of(path.read_text(encoding="utf-8"))
        assert [body for body in bodies if body in found[1]] == [], path.name


def test_the_search_for_answers_finds_what_is_there(found):
    _teaching, others = found
    exercise = next(iter(cells_of(ROOT / "exercises" / SOLUTIONS[0].name)))
    assert bare(exercise) in others


def test_exercises_are_the_repositorys_and_hold_no_answer(edition):
    names = [path.name for path in notebooks.files(edition, ("exercises",))]
    assert names == [path.name for path in SOLUTIONS]
    for path in notebooks.files(edition, ("exercises",)):
        assert path.read_bytes() == (ROOT / "exercises" / path.name).read_bytes()
        assert list(cells_of(path, *exercises.HIDDEN_TAGS)) == []
    assert not (edition / "solutions").exists()
    assert not (edition / ".git").exists()


def test_only_what_git_tracks_is_copied_and_the_check_names_no_solution(tmp_path):
    root = tmp_path / "a course"
    for name in ("book/students/README.md", "solutions/a.py", "cvlab/plot.py", "notes.txt"):
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(name, encoding="utf-8")
    shutil.copy(ROOT / "cvlab" / "check.py", root / "cvlab" / "check.py")
    with pytest.raises(students.StudentsError, match="git does not know"):
        students.write(tmp_path / "too early", root)
    subprocess.run(["git", "init", "--quiet"], cwd=root, check=True)
    subprocess.run(["git", "add", "book", "solutions", "cvlab"], cwd=root, check=True)
    assert students.write(tmp_path / "new", root) == 3
    files = {p.relative_to(tmp_path / "new").as_posix() for p in (tmp_path / "new").rglob("*.*")}
    assert files == {"README.md", "cvlab/plot.py", "cvlab/check.py"}
    check = (tmp_path / "new" / "cvlab" / "check.py").read_text(encoding="utf-8")
    ast.parse(check)
    assert "solutions/" not in check


def test_a_folder_that_holds_something_is_refused(tmp_path, capsys):
    kept = tmp_path / "kept.txt"
    kept.write_text("mine", encoding="utf-8")
    assert cli.main(["students", str(tmp_path)]) == 1
    said = capsys.readouterr().out
    assert said.count("\n") == 1
    assert "not empty" in said
    assert [path.name for path in tmp_path.iterdir()] == ["kept.txt"]


def test_exercises_stay_where_there_is_nothing_to_derive_them_from(tmp_path):
    (tmp_path / "exercises").mkdir()
    kept = tmp_path / "exercises" / "01_knn.ipynb"
    shutil.copy(ROOT / "exercises" / kept.name, kept)
    assert exercises.faults(tmp_path) == []
    with pytest.raises(notebooks.NotebookError, match="no folder solutions/"):
        exercises.write(tmp_path)
    assert kept.exists()


def run(edition, code):
    """Run code with the package of the edition."""
    environment = os.environ | {"PYTHONPATH": str(edition)}
    done = subprocess.run(
        [sys.executable, "-c", code],
        cwd=edition,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_its_pages_are_whole(edition):
    """What stops a build is known before: contents, links, markup, plans, exercises."""
    code = """
from cvlab.classroom import exercises
from cvlab.classroom.book import broken, hygiene, sections, syllabus
from cvlab.classroom.notebooks import ROOT
print(ROOT)
for faults in (exercises.faults, hygiene.contents, sections.faults, syllabus.faults, broken.faults):
    print(*faults(), sep="\\n")
"""
    root, *said = run(edition, code).split("\n")
    assert Path(root) == edition
    assert [line for line in said if line] == []


def test_what_its_readme_names_is_there(edition):
    text = (edition / "README.md").read_text(encoding="utf-8")
    targets = re.findall(r"^([a-z]+):", (edition / "Makefile").read_text(encoding="utf-8"), re.M)
    named = re.findall(r"(?:`|\$ )make ([a-z]+)", text)
    assert len(named) >= 5
    assert set(named) <= set(targets)
    for link in re.findall(r"\]\(([^)]+)\)|^\| `(\w+/)`", text, re.M):
        assert (edition / "".join(link)).exists(), link
    commands = re.findall(r"\.venv/bin/cvlab (\w+)", text)
    assert commands
    known = run(edition, "from cvlab.classroom import cli; print(cli.parser().format_help())")
    assert all(re.search(rf"^    {command} ", known, re.M) for command in commands)


def test_its_tests_import_only_what_is_there(edition):
    tests = edition / "tests"
    local = {path.stem for path in (ROOT / "tests").iterdir()} - {"__pycache__"}
    files = sorted(tests.rglob("*.py"))
    assert len(files) > 50
    for path in files:
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            names += [node.module or ""] if isinstance(node, ast.ImportFrom) else []
            for name in {name.split(".")[0] for name in names} & local - {"checking", "running"}:
                assert (tests / f"{name}.py").exists(), f"{path.name} imports {name}"
    benchmarks = re.findall(
        r"run_benchmark\(\s*\"(\w+)\"", "".join(p.read_text(encoding="utf-8") for p in files)
    )
    assert all((tests / "benchmarks" / f"{name}.py").exists() for name in benchmarks)
