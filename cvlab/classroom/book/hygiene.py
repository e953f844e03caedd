"""What a tidy course looks like: one function a rule, each returns its faults as sentences."""

from __future__ import annotations

import ast
import functools
import json
import re
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import yaml

from cvlab.classroom import exercises, notebooks
from cvlab.classroom.book import address, broken, layers, readable, sections, syllabus, systems
from cvlab.classroom.grading.intake import tasks as grading
from cvlab.classroom.notebooks import ROOT, NotebookError
from cvlab.classroom.running import budget

_MEASURED = re.compile(
    r"(?<![\w.])(?:\d+(?:\.\d+)?(?:\s|&nbsp;)?(?:%|per ?cent\b|(?:ms|s|MB|GB|seconds|minutes)\b)"
    r"|(?:\w+ty|\w+ty-\w+) per ?cent\b|\d+ (?:out )?of \d+|\d+\.\d+|\d+e-?\d+)(?![\w.]*\d)"
)

REPEATED = 4  #: lines of a body that may not stand twice

# American spellings whose British reading is another word, or which are right in both.
_BRITISH_TOO = {
    "balk", "check", "checks", "checked", "curb", "disk", "draft", "inquire", "inquiry",
    "license", "licensed", "meter", "meters", "practice", "program", "programs", "programmed",
    "story", "stories", "tire", "tires", "ton", "tons", "analog", "catalog", "dialog",
    "dialogs", "grill", "mold", "plow", "siphon", "sulfur", "gray", "ize", "racket", "mask",
    "masks", "veranda", "artifact", "artifacts", "jail", "ax", "axes", "czar", "pajamas", "skeptic",
}  # fmt: skip


def _cells(path: Path, kind: str) -> Iterator[tuple[str, str, Any]]:
    for cell in notebooks.look(path)["cells"]:
        if cell["cell_type"] == kind:
            yield cell.get("id", "?"), "".join(cell["source"]), cell


def _documents(root: Path) -> Iterator[tuple[str, str]]:
    """Iterate over all prose, in code too: pages, READMEs, cells, by a name to report."""
    for path in [*sorted(root.glob("*.md")), *sorted((root / "book").rglob("*.md"))]:
        yield path.relative_to(root).as_posix(), path.read_text(encoding="utf-8")
    for path in _notebooks(root):
        for identifier, source, _ in _cells(path, "markdown"):
            yield f"{path.relative_to(root).as_posix()}, {identifier}", source
        for identifier, source, _ in _cells(path, "code"):
            texts = "\n".join(readable.texts_in_code(notebooks.plain(source)))
            yield f"{path.relative_to(root).as_posix()}, {identifier}", texts


def _notebooks(root: Path, *folders: str) -> list[Path]:
    front = [path for path in [root / "book" / "index.ipynb"] if path.exists() and not folders]
    return [*front, *notebooks.files(root, folders or ("chapters", "solutions"))]


def normal_form(root: Path = ROOT) -> list[str]:
    """Every notebook is in normal form: no outputs, no counts, no editor's metadata."""
    found = []
    for path in [*_notebooks(root), *notebooks.files(root, ("exercises",))]:
        name = path.relative_to(root).as_posix()
        try:
            wanted = notebooks.text(notebooks.normal(notebooks.look(path)))
        except NotebookError as error:
            found.append(str(error))
            continue
        if path.read_text(encoding="utf-8") == wanted:
            continue
        stray = [
            cell["id"]
            for cell in json.loads(path.read_text(encoding="utf-8"))["cells"]
            if cell.get("outputs") and notebooks.KEEPS_OUTPUT not in notebooks.tags(cell)
        ]
        what = f"carries an output in cell {stray[0]!r}" if stray else "is not in normal form"
        found.append(f"{name} {what}; run `make tidy`.")
    return found


def ruff(root: Path = ROOT) -> list[str]:
    """Lint and format of modules and notebooks alike."""
    found = []
    config = ["--output-format=concise", "--config", str(root / "pyproject.toml"), "--no-cache"]
    notebook = [f"--line-length={notebooks.LINE_LENGTH}"]
    for settings, targets in (
        (config, ["cvlab", "tests"]),
        ([*config, *notebook], ["chapters", "solutions", "book/index.ipynb"]),
    ):
        for rule in (["check"], ["format", "--check"]):
            done = subprocess.run(
                [sys.executable, "-m", "ruff", *rule, *settings, *targets],
                cwd=root,
                capture_output=True,
                text=True,
                check=False,
            )
            if done.returncode:
                found += [line for line in (done.stdout + done.stderr).splitlines() if ":" in line]
    return found


def codespell(root: Path = ROOT) -> list[str]:
    """Misspellings anywhere."""
    targets = ["README.md", "CONTRIBUTING.md", "CHANGELOG.md", "_config.yml", "cvlab", "tests"]
    targets += ["book", "chapters", "solutions"]
    done = subprocess.run(
        [sys.executable, "-m", "codespell_lib", *(t for t in targets if (root / t).exists())],
        cwd=root,
        capture_output=True,
        text=True,
        check=False,
    )
    return done.stdout.splitlines() + done.stderr.splitlines()


def british(root: Path = ROOT) -> list[str]:
    """American spellings in prose, by the dictionary that codespell ships."""
    import codespell_lib

    dictionary = Path(codespell_lib.__file__).parent / "data" / "dictionary_en-GB_to_en-US.txt"
    american: dict[str, str] = {}
    for line in dictionary.read_text(encoding="utf-8").splitlines():
        ours, _, theirs = line.partition("->")
        for word in theirs.split(","):
            if word.strip() and word.strip() not in _BRITISH_TOO:
                american[word.strip()] = ours
    found = []
    for name, source in _documents(root):
        for word in re.findall(r"[A-Za-z]+", notebooks.prose(source)):
            # A capital inside a sentence is a name: Fisher's "Color Indexing" stays.
            if word in american:
                found.append(f"{name}: {word} is spelt {american[word]} in British English.")
    return found


def unfinished(root: Path = ROOT) -> list[str]:
    """Notes to oneself, figures without alternative text."""
    found = []
    mark = re.compile(r"\b(?:TO" + r"DO|FIX" + r"ME|XX" + r"X)\b")
    for path in [*_notebooks(root), *sorted((root / "cvlab").rglob("*.py"))]:
        text = path.read_text(encoding="utf-8")
        if mark.search(text):
            found.append(
                f"{path.relative_to(root)} carries a note to oneself: {mark.search(text)[0]}"
            )
    return found


def alternative_text(root: Path = ROOT) -> list[str]:
    """Figures reach the page through `plot.show(figure, alt=...)` and `explore(..., alt=...)`."""
    found = []
    for path in _notebooks(root):
        for identifier, source, _ in _cells(path, "code"):
            where = f"{path.relative_to(root).as_posix()}, {identifier}"
            if re.search(r"\bplt\.|\bpyplot\b", source):
                found.append(f"{where}: pyplot gives no alt text; use cvlab.plot and plot.show.")
            for call in _calls(source):
                if call.keywords and any(k.arg == "alt" for k in call.keywords):
                    continue
                found.append(f"{where}: {ast.unparse(call.func)}(...) has no alt text.")
        for identifier, source, _ in _cells(path, "markdown"):
            if re.search(r"!\[\s*\]\(|<img(?![^>]*\balt=\"[^\"]+\")", source):
                found.append(f"{path.relative_to(root)}, {identifier}: an image has no alt text.")
    for path in sorted((root / "book").glob("*.md")):
        if re.search(r"!\[\s*\]\(|<img(?![^>]*\balt=\"[^\"]+\")", path.read_text(encoding="utf-8")):
            found.append(f"{path.relative_to(root)}: an image has no alt text.")
    return found


def _calls(source: str) -> Iterator[ast.Call]:
    """Iterate over the calls of `plot.show` and `explore` in a cell."""
    if "plot.show" not in source and "explore" not in source:
        return
    try:
        tree = ast.parse(notebooks.plain(source))
    except SyntaxError:
        return
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and ast.unparse(node.func) in ("plot.show", "explore"):
            yield node


def measured_numbers(root: Path = ROOT) -> list[str]:
    """Decimals and percentages in a chapter's prose come from the run, through `glue`.

    A number typed into the text cannot fail when the code changes.
    """
    found = []
    for path in [root / "book" / "index.ipynb", *notebooks.files(root, ("chapters",))]:
        for identifier, source, _ in _cells(path, "markdown"):
            for number in _MEASURED.findall(notebooks.prose(source)):
                found.append(
                    f"{path.parent.name}/{path.name}, {identifier}: {number.strip()} is typed into "
                    "the text; glue it from the run, or set an exact constant in $...$."
                )
    return found


def glued(root: Path = ROOT) -> list[str]:
    """Each name that the text quotes is glued once, and each glued name is quoted."""
    found = []
    for path in notebooks.files(root, ("chapters",)):
        code = "\n".join(source for _, source, _ in _cells(path, "code"))
        text = "\n".join(source for _, source, _ in _cells(path, "markdown"))
        names = re.findall(r"\bglue\(\s*f?\"([^\"]+)\"", code)
        quoted = set(re.findall(r"\{glue:text\}`([^`:]+)", text))
        found += [f"{path.name}: {name} is glued twice." for name in _twice(names)]
        found += [
            f"{path.name}: the glued name {name} is all field; give it fixed words too."
            for name in names
            if "{" in name and len(re.sub(r"\{.*?\}", "", name)) < 3
        ]
        patterns = [re.compile(re.sub(r"\\\{.*?\\\}", ".+", re.escape(name))) for name in names]
        found += [
            f"{path.name}: the text quotes {name}, which no cell glues."
            for name in sorted(quoted)
            if not any(pattern.fullmatch(name) for pattern in patterns)
        ]
        found += [
            f"{path.name}: {name} is glued but the text never quotes it."
            for name, pattern in zip(names, patterns, strict=True)
            if not any(pattern.fullmatch(quote) for quote in quoted)
        ]
    return found


def _twice(names: list[str]) -> list[str]:
    return sorted({name for name in names if names.count(name) > 1})


def asserted(root: Path = ROOT) -> list[str]:
    """A cell that shows a method or glues a number asserts something in the same cell."""
    found = []
    for path in notebooks.files(root, ("chapters",)):
        for identifier, source, cell in _cells(path, "code"):
            shows = any(tag.startswith("system:") for tag in notebooks.tags(cell))
            checks = re.sub(r"assert True\b", "", source)
            if (shows or re.search(r"\bglue\(", source)) and not re.search(
                r"\bassert\b|\bassert_\w+\(", checks
            ):
                what = "shows a method" if shows else "glues a number"
                found.append(f"chapters/{path.name}, {identifier}: {what} but asserts nothing.")
    return found


def anatomy(root: Path = ROOT) -> list[str]:
    """A chapter has its parts; a solution has tasks with wrong answers."""
    found = []
    install = f'%pip install -q "cvlab @ git+{address.current(root)}"'
    for path in notebooks.files(root, ("chapters", "solutions")):
        if not any(install in source for _, source, _ in _cells(path, "code")):
            found.append(f"{path.parent.name}/{path.name} lacks the line for Colab: {install}")
    for path in notebooks.files(root, ("chapters",)):
        code = "\n".join(source for _, source, _ in _cells(path, "code"))
        text = "\n".join(source for _, source, _ in _cells(path, "markdown"))
        needed = {
            "a live widget": "explore(" in code,
            "the seed (cvlab.setup)": "cvlab.setup(" in code,
            "a section In practice": "\n## In practice" in f"\n{text}",
            "its outcomes (By the end you can)": "By the end you can" in text,
            "its further reading": "urther reading" in text,
            "a link to its exercise": f"(../exercises/{path.name})" in text,
            "a citation": "{cite" in text,
            "an assertion": re.search(r"\bassert\b|assert_", code),
        }
        found += [
            f"chapters/{path.name} lacks {what}." for what, there in needed.items() if not there
        ]
        for folder in ("solutions", "exercises"):
            if not (root / folder / path.name).exists():
                found.append(f"{folder}/{path.name} is missing.")
    for path in notebooks.files(root, ("solutions",)):
        cells = notebooks.look(path)["cells"]
        tasks = sum(bool(c["metadata"].get("nbgrader", {}).get("solution")) for c in cells)
        wrong = sum("wrong-answer" in notebooks.tags(cell) for cell in cells)
        idle = [
            cell["id"]
            for cell in cells
            if "wrong-answer" in notebooks.tags(cell) and "check.refuses(" not in cell["source"]
        ]
        found += [f"solutions/{path.name}, {name}: refuses nothing." for name in idle]
        if tasks < 3:
            found.append(f"solutions/{path.name}: {tasks} tasks; an exercise has at least three.")
        if not tasks or wrong < 2 * tasks:
            found.append(f"solutions/{path.name}: {tasks} tasks need two wrong answers each.")
    return found


@functools.lru_cache(maxsize=256)
def _exercise(solution: bytes, name: str) -> grading.Exercise:
    """Read a solution once for all rules about it."""
    return grading.parse(solution, name)


def probes(root: Path = ROOT) -> list[str]:
    """Each task can be graded: two probes or more, in its solution notebook and nowhere else."""
    found = [
        f"{path.relative_to(root).as_posix()}, {cell['id']}: a probe belongs in solutions/ only, "
        "or students can read it."
        for path in [*_notebooks(root), *notebooks.files(root, ("exercises",))]
        if path.parent.name != "solutions"
        for cell in notebooks.look(path)["cells"]
        if grading.PROBE_TAG in notebooks.tags(cell)
    ]
    for path in notebooks.files(root, ("solutions",)):
        try:
            exercise = _exercise(path.read_bytes(), path.stem)
        except grading.ExerciseError as error:
            found.append(f"solutions/{error}")
            continue
        found += [
            f"solutions/{path.name}, {task.name}: {len(task.probes)} of at least two probes."
            for task in exercise.tasks
            if len(task.probes) < 2
        ]
    return found


_TASK = re.compile(
    r"^## Task (\d+): (.+) \((first step|standard|hard), ([\d.]+) points?\)\s*$", re.M
)
MOST_RULE_LINES = 15


def exercise_form(root: Path = ROOT) -> list[str]:
    """Tasks of rising difficulty, with hints in steps, declared rules, and where to read on."""
    found = []
    for path in notebooks.files(root, ("solutions",)):
        name = f"solutions/{path.name}"
        found += [
            f"{name}, {identifier}: declare libraries=/forbid=/loops= on check.task."
            for identifier, source, _ in _cells(path, "code")
            if "@check.rule(" in source and len(source.splitlines()) > MOST_RULE_LINES
        ]
        try:
            exercise = _exercise(path.read_bytes(), path.stem)
        except grading.ExerciseError:
            continue  # `probes` tells it
        steps = []
        texts = list(_texts_of_tasks(path))
        for number, (task, text) in enumerate(zip(exercise.tasks, texts, strict=True), start=1):
            heading = _TASK.search(text)
            steps += [heading[3]] if heading else []
            wrong = [
                heading is None or (int(heading[1]), float(heading[4])) != (number, task.points),
                not all(f"<summary>Hint {step}</summary>" in text for step in (1, 2)),
                not _is_section(root, task.see),
            ]
            wanted = (
                f"its heading is `## Task {number}: name (first step|standard|hard, "
                f"{task.points:g} point{'' if task.points == 1 else 's'})`",
                "it has two folds, <summary>Hint 1</summary> and <summary>Hint 2</summary>",
                f"see= of its check names a chapter and a heading in it (it is {task.see!r})",
            )
            found += [
                f"{name}, {task.name}: {what}."
                for what, not_so in zip(wanted, wrong, strict=True)
                if not_so
            ]
        if steps.count("first step") != 1 or "hard" not in steps:
            found.append(f"{name}: one task is a first step, and at least one is hard.")
    return found


def _texts_of_tasks(path: Path) -> Iterator[str]:
    """Iterate over what the text says before each task, from the last task on."""
    text = ""
    for cell in notebooks.look(path)["cells"]:
        if cell["cell_type"] == "markdown":
            text += "".join(cell["source"]) + "\n\n"
        elif cell["metadata"].get("nbgrader", {}).get("solution"):
            yield text
            text = ""


def _is_section(root: Path, see: str) -> bool:
    """Tell whether a chapter has a section, written ``chapter#Title of the section``."""
    chapter, _, title = see.partition("#")
    path = root / "chapters" / f"{chapter}.ipynb"
    if not title or not path.exists():
        return False
    heading = re.compile(rf"^#{{2,6}} +(?:Deeper: )?{re.escape(title)}\s*$", re.M)
    return any(heading.search(source) for _, source, _ in _cells(path, "markdown"))


def contents(root: Path = ROOT) -> list[str]:
    """The table of contents names every chapter and exercise, in order, and nothing else."""
    path = root / "book" / "_toc.yml"
    try:
        listed = list(_files_in(yaml.safe_load(path.read_text(encoding="utf-8"))))
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        line = f", line {mark.line + 1}" if mark else ""
        return [f"book/_toc.yml{line} is not YAML: {getattr(error, 'problem', error)}."]
    found = []
    for folder in ("chapters", "exercises"):
        names = [name for name in listed if name.startswith(f"{folder}/")]
        there = [f"{folder}/{path.stem}" for path in notebooks.files(root, (folder,))]
        gone = [name for name in names if name not in there]
        new = [name for name in there if name not in names]
        found += [f"book/_toc.yml lists {name}, which does not exist; remove it." for name in gone]
        found += [f"{name} is not in book/_toc.yml; add `- file: {name}` there." for name in new]
        if not (gone or new) and names != there:
            found.append(f"book/_toc.yml must list each of {folder} once, in order of their names.")
    return found


def _files_in(node: Any) -> Iterator[str]:
    """Iterate over the files of a table of contents, in order."""
    if isinstance(node, dict):
        if "file" in node:
            yield str(node["file"])
        for value in node.values():
            yield from _files_in(value)
    elif isinstance(node, list):
        for value in node:
            yield from _files_in(value)


def repository(root: Path = ROOT) -> list[str]:
    """No big file, no address of a package index, no path of a machine, no minified script."""
    index = re.compile(r"(?:pypi|pythonhosted|npmjs|conda\.anaconda)\.(?:org|com)", re.I)
    place = re.compile(r"(?<![\w.:/-])/(?:home|root|Users|work|opt|tmp)/\w")
    found = []
    for path in notebooks.repository_files(root):
        name = path.relative_to(root).as_posix()
        data = path.read_bytes()
        if len(data) > 1_000_000:
            found.append(f"{name} has {len(data) / 1e6:.1f} MB; the limit is 1 MB.")
        text = data.decode("utf-8", errors="replace")
        if index.search(text):
            found.append(f"{name} names a package index: {index.search(text)[0]}")
        if place.search(text) and path.suffix != ".lock":
            found.append(f"{name} holds a path of a machine: {place.search(text)[0]}")
        if path.suffix == ".js" and max(map(len, text.splitlines()), default=0) > 500:
            found.append(f"{name} looks like minified JavaScript.")
    return found


def repeated(root: Path = ROOT) -> list[str]:
    """No function of `REPEATED` lines or more stands in two chapters: it has a home in `cvlab`."""
    places: dict[str, list[str]] = {}
    for path in _notebooks(root, "chapters"):
        for identifier, source, _ in _cells(path, "code"):
            for node in _parsed(source):
                if isinstance(node, ast.FunctionDef | ast.ClassDef):
                    name = node.name
                    if ast.get_docstring(node):  # the same code may be explained anew
                        node.body = node.body[1:]
                    text = ast.unparse(node)
                    if text.count("\n") >= REPEATED:
                        places.setdefault(text, []).append(f"{path.stem}, {identifier}: {name}")
    return [
        f"{' and '.join(found)} are the same; move it into cvlab and import it."
        for found in places.values()
        if len(found) > 1
    ]


def _parsed(source: str) -> list[ast.stmt]:
    try:
        return ast.parse(source).body
    except SyntaxError:  # a line for IPython
        return []


def version(root: Path = ROOT) -> list[str]:
    """Package, changelog and lock-file-free metadata agree on the version."""
    import tomllib

    project = tomllib.loads((root / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    newest = re.search(
        r"^## \[?(\d[\w.]*)\]?", (root / "CHANGELOG.md").read_text(encoding="utf-8"), re.M
    )
    if newest is None or newest[1] != project["version"]:
        return [f"CHANGELOG.md opens with {newest and newest[1]}, pyproject {project['version']}."]
    return []


RULES: tuple[Callable[[Path], list[str]], ...] = (
    normal_form,
    ruff,
    codespell,
    british,
    unfinished,
    alternative_text,
    measured_numbers,
    glued,
    asserted,
    anatomy,
    probes,
    exercise_form,
    contents,
    repeated,
    repository,
    version,
    budget.faults,
    systems.faults,
    syllabus.faults,
    exercises.faults,
    address.faults,
    sections.faults,
    broken.faults,
    *readable.RULES,
)


def forget() -> None:
    """Let go of what the rules have read and keep for one another: two million objects."""
    for module in (notebooks, layers, readable, sys.modules[__name__]):
        for kept in vars(module).values():
            if hasattr(kept, "cache_clear"):
                kept.cache_clear()
