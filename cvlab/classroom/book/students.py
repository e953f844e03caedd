"""The students' edition: a copy of the repository in which no answer is left.

It holds what git tracks, without the solutions, their probes and wrong answers, the grader's tests
and what is written for instructors. Exercises stay as they were derived; the book builds, and the
tests of what notebooks import run. Chapters teach the methods that exercises ask for, as is meant.
"""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path

from cvlab.classroom import notebooks
from cvlab.classroom.notebooks import ROOT

#: Folders and files that students do not get. The tests that stay are those of the package.
LEFT_OUT = (
    ".ci", ".github", ".pre-commit-config.yaml", "CONTRIBUTING.md", "README.md",
    "book/add_a_chapter.md", "book/assets/grader.svg", "book/assets/grading_class.png",
    "book/assets/grading_phone.png", "book/assets/grading_student.png",
    "book/instructors_guide.md", "book/students", "solutions",
    "tests/benchmarks/bench_fairness.py", "tests/benchmarks/bench_grade.py",
    "tests/benchmarks/bench_mutants.py", "tests/benchmarks/bench_warm.py",
    "tests/benchmarks/grade_forms.py", "tests/book", "tests/checking", "tests/colab.py",
    "tests/colab_packages.txt", "tests/grading", "tests/hostile_corpus.py",
    "tests/package/test_without_torch.py", "tests/peers", "tests/right_answers", "tests/running",
    "tests/sample_class.py", "tests/screenshots.py", "tests/small_exercise.py",
)  # fmt: skip
#: Its own README, in place of the repository's.
README = "book/students/README.md"

_GUIDES = re.compile(r"add_a_chapter|instructors_guide")
_FOR_TEACHERS = re.compile(r"^## To teach with it$.*?(?=^## |\Z)", re.M | re.S)
#: A solution to read on in, which students have not.
_SOLUTION = re.compile(r" A solution:(?: \\\n| )solutions/[\w{}]+\.ipynb\.")


class StudentsError(ValueError):
    """The edition cannot be written; the message says why and what to do."""


def write(target: Path, root: Path = ROOT) -> int:
    """Write the students' edition into a folder that is empty or not there yet.

    Returns:
        The number of its files.

    Raises:
        StudentsError: if the folder holds something, or git does not know what belongs to the
            repository.
    """
    if target.exists() and (not target.is_dir() or any(target.iterdir())):
        raise StudentsError(f"{target} is there and not empty; name a new folder.")
    names = tracked(root)
    chosen = [name for name in names if not left_out(name)]
    for name in chosen:
        place = target / name
        place.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(root / name, place)
        if name.startswith("book/"):
            _without_guides(place)
    check = target / "cvlab" / "check.py"
    _rewrite(check, _SOLUTION.sub("", check.read_text(encoding="utf-8")))
    shutil.copy(root / README, target / "README.md")
    return len(chosen) + 1


def tracked(root: Path = ROOT) -> list[str]:
    """Return the files that git tracks and that are there.

    Raises:
        StudentsError: where git knows none.
    """
    listed = subprocess.run(
        ["git", "-C", str(root), "ls-files", "-z"], capture_output=True, check=False
    )
    names = [name for name in listed.stdout.decode().split("\0") if (root / name).is_file()]
    if listed.returncode or not names:
        raise StudentsError("git does not know the course's files; work in a clone of it.")
    return names


def left_out(name: str) -> bool:
    """Say whether students do not get a file."""
    return any(name == part or name.startswith(f"{part}/") for part in LEFT_OUT)


def without_guides(text: str) -> str:
    r"""Return a page without what is for teachers and without the lines that lead there.

    >>> without_guides("- [Write](add_a_chapter.md)\n- Read\n\n## To teach with it\n\nGrade.\n")
    '- Read\n\n'
    """
    lines = _FOR_TEACHERS.sub("", text).splitlines(keepends=True)
    return "".join(line for line in lines if not _GUIDES.search(line))


def _without_guides(path: Path) -> None:
    if path.suffix in (".md", ".yml"):
        _rewrite(path, without_guides(path.read_text(encoding="utf-8")))
    elif path.suffix == ".ipynb":
        notebook = notebooks.load(path)
        for cell in notebook["cells"]:
            if cell["cell_type"] == "markdown":
                cell["source"] = without_guides("".join(cell["source"]))
        _rewrite(path, notebooks.text(notebooks.normal(notebook)))


def _rewrite(path: Path, text: str) -> None:
    if text != path.read_text(encoding="utf-8"):
        notebooks.write(path, text)
