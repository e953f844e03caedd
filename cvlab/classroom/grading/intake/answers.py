"""Find a student's answers in a notebook, as data: nothing that a student wrote is executed.

`read` takes the bytes of a notebook, whatever has become of it, and `locate` finds the answer to
each task of the solution by the cell's identifier, then by the task's name or heading, then by the
functions that the task defines. Cells may have been deleted, duplicated, moved, split, merged or
retyped, and may hold what Jupyter and Colab leave behind: magics, shell lines, forms.

Where several cells define a task's function, the last complete definition above the student's last
copy of the task's check counts, because that is the one that the student saw checked.
"""

from __future__ import annotations

import ast
import functools
import json
import re
import warnings
from collections import Counter, deque
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from typing import Any

from cvlab.classroom.exercises import IMPORT

MB = 1_000_000
MOST_BYTES = 20 * MB
MOST_CELLS = 5_000
MOST_DEPTH = 100  # of JSON
#: Counted before parsing, wherever they stand, so that no file of 20 MB becomes one of 500 MB.
MOST_OF = {b"[": 500_000, b"{": 500_000, b'"': 2_000_000, b",": 3_000_000}
MOST_REMARKS = 50
MOST_SOURCE = 100_000  # characters of one code cell; parsed, they may take 50 MB
MOST_CODE = 500_000  # characters of all code cells
MOST_JOINED = 5  # pieces of one function

_ORDER = ("cell id", "grade_id", "task name", "heading")
#: Magics whose cell is still Python, with its names in the notebook's name space.
_PYTHON_MAGICS = ("capture", "time", "prun", "memit", "snakeviz")
_MARKED_TAGS = re.compile(r"^(nbval-.*|raises-exception|skip-execution)$", re.I)
_MARKER = re.compile(r"^[ \t]*#+[ \t]*(NBVAL_[A-Z_]+|PYTEST_VALIDATE_IGNORE_OUTPUT)\b.*$", re.M)
_HEADING = re.compile(r"^ {0,3}#{1,6}[ \t]+(.+)$", re.M)
_BODY = re.compile(
    r"^[ \t]*### BEGIN SOLUTION[ \t]*\n.*?^[ \t]*### END SOLUTION[ \t]*$", re.M | re.S
)
_CELL_MAGIC = re.compile(r"(?:[ \t]*(?:#[^\n]*)?\n)*[ \t]*%%(\w*)[^\n]*")
_REST = r"(?:[^\n\\]|\\.)*+"  # to the end of the line, and on after a backslash
_MAGIC = re.compile(
    r"(?P<indent>[ \t]*)(?:"
    r"%time[ \t]+(?P<timed>[^\n]+)"
    rf"|[%!]{_REST}"
    rf"|[A-Za-z_][\w.,\[\]' \t]*=[ \t]*(?:%[A-Za-z]|!){_REST}"
    r"|\?{1,2}[\w.%*]+[ \t]*|%{0,2}[A-Za-z_][\w.]*\?{1,2}[ \t]*"
    r")(?=\n|\Z)",
    re.S,
)
# Each alternative that has begun also ends, at the latest with the text, so that this is linear.
_TOKEN = re.compile(
    r'"""(?:[^"\\]|\\.|"(?!""))*+(?:""")?'
    r"|'''(?:[^'\\]|\\.|'(?!''))*+(?:''')?"
    r'|"(?:[^"\\\n]|\\.)*+"?'
    r"|'(?:[^'\\\n]|\\.)*+'?"
    r"|\#[^\n]*|\\\n|[()\[\]{}\n]",
    re.S,
)


class NotebookProblem(ValueError):
    """A file that is no readable notebook; the message is a sentence for the instructor."""


@dataclass(frozen=True)
class Cell:
    """A cell as the file has it; every field has exactly its type, whatever the file said."""

    index: int
    kind: str  #: code, markdown or raw
    source: str
    id: str | None = None
    grade_id: str | None = None
    solution: bool = False
    grade: bool = False
    tags: tuple[str, ...] = ()
    labels: tuple[str, ...] = ()  #: other words in the metadata that may name a task


@dataclass(frozen=True)
class Notebook:
    """The cells of a notebook, and sentences on what was odd about the file."""

    cells: tuple[Cell, ...]
    remarks: tuple[str, ...] = ()


@dataclass(frozen=True)
class Answer:
    """What a student answered to a task."""

    task: str
    source: str  #: Python to run, empty if missing
    how: str  #: cell id, grade_id, task name, heading, function name, or empty if missing
    cells: tuple[int, ...]  #: indices in the student's notebook, from 0
    missing: bool = False
    untouched: bool = False  #: there is only the stub that was handed out
    remarks: tuple[str, ...] = ()


@dataclass(frozen=True)
class Code:
    """A code cell of the student, for a replay of the notebook in its order.

    `role` is "task" for a cell with answers; "check" for a student's copy of a check of `tasks`,
    never to be run; "superseded" for a definition of a task's function that is not the answer, so
    that whoever replays it runs `Answer.source` once more before probing; and "other" for imports,
    helpers and experiments, which answers may need.
    """

    index: int
    role: str
    tasks: tuple[str, ...]
    source: str  #: Python without magics, markers and calls of checks; may still have an error


@dataclass(frozen=True)
class Located:
    """The answers in the order of the solution's tasks, and the notebook's code in its own."""

    answers: tuple[Answer, ...]
    prelude: tuple[Code, ...]
    remarks: tuple[str, ...] = ()


# Reading


def read(data: bytes) -> Notebook:
    """Read a notebook of format 2, 3 or 4 from bytes that may be anything.

    Raises:
        NotebookProblem: if there is no notebook in them, or a larger one than anyone would write.

    Examples:
        >>> read(b'{"cells": [{"cell_type": "code", "source": ["a = 1"]}]}').cells[0].source
        'a = 1'
    """
    tree = _json(data)
    if not isinstance(tree, dict):
        raise NotebookProblem("The file is JSON, but no notebook.")
    remarks: list[str] = []
    form = tree.get("nbformat")
    if type(form) is not int:
        remarks.append("The file does not say its notebook format.")
        form = 3 if "worksheets" in tree else 4
    if form < 2:
        raise NotebookProblem(f"The notebook's format is {form}, which is too old; save it anew.")
    if form > 4:
        remarks.append(f"The notebook's format is {str(form)[:9]}; it was read as format 4.")
    cells = tree.get("cells")
    if form < 4 and "worksheets" in tree:
        sheets = tree["worksheets"] if isinstance(tree["worksheets"], list) else []
        listed = [sheet.get("cells") for sheet in sheets if isinstance(sheet, dict)]
        cells = [cell for part in listed if isinstance(part, list) for cell in part]
        remarks.append(f"The notebook has the old format {form}; it was converted.")
    if not isinstance(cells, list):
        raise NotebookProblem("The file is JSON, but has no list of cells; it is no notebook.")
    if len(cells) > MOST_CELLS:
        raise NotebookProblem(
            f"The notebook has {len(cells)} cells; at most {MOST_CELLS} are read."
        )
    found = [_cell(index, cell, remarks) for index, cell in enumerate(cells)]
    return Notebook(tuple(cell for cell in found if cell), _some(remarks))


def _some(remarks: list[str]) -> tuple[str, ...]:
    more = len(remarks) - MOST_REMARKS
    cut = [*remarks[:MOST_REMARKS], f"There are {more} more remarks of this kind."]
    return tuple(cut if more > 0 else remarks)


def _json(data: bytes) -> Any:
    if len(data) > MOST_BYTES:
        raise NotebookProblem(f"The file is larger than {MOST_BYTES // MB} MB; clear its outputs.")
    if data.startswith((b"\xff\xfe", b"\xfe\xff")):
        raise NotebookProblem("The file is saved as UTF-16; save it as UTF-8.")
    start = data.removeprefix(b"\xef\xbb\xbf").lstrip()[:100]
    if not start:
        raise NotebookProblem("The file is empty.")
    if start.startswith(b"<"):
        raise NotebookProblem("The file is a web page; download the notebook itself.")
    for magic, what in ((b"PK\x03\x04", "a zip archive"), (b"%PDF", "a PDF document")):
        if start.startswith(magic):
            raise NotebookProblem(f"The file is {what}; hand in the notebook itself.")
    if not start.startswith(b"{"):
        raise NotebookProblem("The file is no notebook: it does not begin like JSON.")
    if any(data.count(sign) > most for sign, most in MOST_OF.items()):
        raise NotebookProblem("The file has millions of values; clear the notebook's outputs.")
    try:
        tree = json.loads(data.decode("utf-8-sig"))
    except UnicodeDecodeError as error:
        raise NotebookProblem(f"The file is not UTF-8 (at byte {error.start}).") from None
    except json.JSONDecodeError as error:
        rest = error.doc[error.pos :].strip()
        what = "damaged" if rest and not error.msg.startswith("Unterminated") else "cut off"
        raise NotebookProblem(
            f"The notebook is {what} (line {error.lineno} of the file)."
        ) from None
    except (RecursionError, MemoryError):
        raise NotebookProblem(f"The file is nested deeper than {MOST_DEPTH} levels.") from None
    except ValueError:  # a number with thousands of digits
        raise NotebookProblem("The notebook is damaged: it has a number beyond measure.") from None
    _measure(tree)
    return tree


def _measure(tree: Any) -> None:
    level = [tree]
    for _ in range(MOST_DEPTH):
        inner = [each.values() if isinstance(each, dict) else each for each in level]
        level = [each for part in inner for each in part if isinstance(each, dict | list)]
        if not level:
            return
    raise NotebookProblem(f"The file is nested deeper than {MOST_DEPTH} levels.")


def _cell(index: int, raw: Any, remarks: list[str]) -> Cell | None:
    here = f"Cell {index + 1}"
    if not isinstance(raw, dict):
        remarks.append(f"{here} is no cell and was left out.")
        return None
    kind = raw.get("cell_type")
    if kind == "heading":  # of format 3
        kind = "markdown"
    if not isinstance(kind, str) or kind not in ("code", "markdown", "raw"):
        remarks.append(f"{here} has an unknown type and was read as raw text.")
        kind = "raw"
    lines = raw.get("source", raw.get("input"))
    lines = lines if isinstance(lines, list) else [lines]
    source = "".join(line for line in lines if isinstance(line, str))
    if not all(isinstance(line, str) for line in lines):
        remarks.append(f"{here} has a source that is no text.")
    source = re.sub(r"\r\n?", "\n", source)
    if re.search("[\ud800-\udfff]", source):
        source = re.sub("[\ud800-\udfff]", "\ufffd", source)
        remarks.append(f"{here} held halves of characters, which were replaced.")
    if raw.get("cell_type") == "heading":
        source = f"# {source}"
    metadata = raw.get("metadata")
    metadata = metadata if isinstance(metadata, dict) else {}
    grading = metadata.get("nbgrader")
    grading = grading if isinstance(grading, dict) else {}
    tags = metadata.get("tags")
    return Cell(
        index=index,
        kind=kind,
        source=source,
        id=_word(raw.get("id")) or _word(metadata.get("id")),  # Colab moves it there
        grade_id=_word(grading.get("grade_id")),
        solution=grading.get("solution") is True,
        grade=grading.get("grade") is True,
        tags=tuple(filter(None, map(_word, tags[:100]))) if isinstance(tags, list) else (),
        labels=_labels(metadata),
    )


def _word(value: Any) -> str | None:
    return value if isinstance(value, str) and 0 < len(value) <= 200 else None


def _labels(metadata: dict[str, Any]) -> tuple[str, ...]:
    """Return the words of a cell's metadata, two levels deep, without what precedes a colon."""
    words: list[str] = []
    level: list[Any] = [value for key, value in metadata.items() if key != "nbgrader"]
    for _ in range(3):
        inner: list[Any] = []
        for value in level[:200]:
            if isinstance(value, dict):
                inner += value.values()
            elif isinstance(value, list):
                inner += value
            elif word := _word(value):
                words.append(word.rpartition(":")[2].strip())
        level = inner
    return tuple(words)


# Source code


@dataclass
class _Piece:
    """A student's cell on the way to its role."""

    cell: Cell
    text: str
    tree: ast.Module | None = None
    fault: str = ""  #: why there is no tree
    binds: dict[str, bool] = field(default_factory=dict)  #: names, and whether it is no stub
    links: dict[str, str] = field(default_factory=dict)  #: tasks, and by what they are linked
    check: str | None = None  #: the task of whose check it is a copy; empty for a nameless one
    given: bool = False  #: is as it was handed out, and no task
    joined: int = 0  #: how many further cells went into it
    remarks: list[str] = field(default_factory=list)

    @property
    def index(self) -> int:
        return self.cell.index

    def parse(self) -> None:
        """Parse the text, and note which names it binds at the top level."""
        self.tree, self.fault = _parsed(self.text)
        self.binds = dict(_bindings(self.tree.body)) if self.tree else {}


def _parsed(text: str) -> tuple[ast.Module | None, str]:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of the student's escapes and comparisons
            return ast.parse(text), ""
    except SyntaxError as error:
        return None, f"line {error.lineno or 1}: {error.msg}"
    except ValueError:
        return None, "it holds a NUL character"
    except (RecursionError, MemoryError):
        return None, "it is nested too deeply"


def _bindings(body: list[ast.stmt]) -> Iterator[tuple[str, bool]]:
    r"""Iterate over the names that statements bind at the top, and whether to more than stubs.

    Examples:
        >>> dict(_bindings(ast.parse("def f():\n    raise NotImplementedError\ng = 1").body))
        {'f': False, 'g': True}
    """
    pending: deque[ast.AST] = deque(body)
    while pending:
        node = pending.popleft()
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            yield node.name, not _is_stub(node)
        elif isinstance(node, ast.Assign | ast.AnnAssign):
            targets = node.targets if isinstance(node, ast.Assign) else [node.target]
            filled = node.value is not None and not _is_dots(node.value)
            for target in targets:
                items = target.elts if isinstance(target, ast.Tuple | ast.List) else [target]
                yield from ((item.id, filled) for item in items if isinstance(item, ast.Name))
        elif isinstance(node, ast.Import | ast.ImportFrom):
            yield from ((alias.asname or alias.name.split(".")[0], True) for alias in node.names)
        else:
            inner = [
                getattr(node, part, []) for part in ("body", "handlers", "orelse", "finalbody")
            ]
            pending.extendleft(
                each
                for part in reversed(inner)
                if isinstance(part, list)
                for each in reversed(part)
            )


def _is_dots(node: ast.AST) -> bool:
    return isinstance(node, ast.Constant) and node.value is ...


def _is_stub(node: ast.stmt) -> bool:
    """Tell whether a function has no body beyond its docstring, or a class no written method."""
    for each in node.body:  # type: ignore[attr-defined]
        if isinstance(each, ast.Pass) or (
            isinstance(each, ast.Expr) and isinstance(each.value, ast.Constant)
        ):
            continue
        if isinstance(each, ast.Raise):
            raised = each.exc.func if isinstance(each.exc, ast.Call) else each.exc
            if isinstance(raised, ast.Name) and raised.id == "NotImplementedError":
                continue
        if isinstance(node, ast.ClassDef):
            inner = isinstance(each, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef)
            if inner and _is_stub(each):
                continue
            if isinstance(each, ast.AnnAssign) and each.value is None:
                continue
        return False
    return True


def plain(source: str) -> str:
    """Return a cell's source as Python, without magics and shell lines, line for line."""
    return _plain(source)[0]


def _plain(source: str) -> tuple[str, list[str]]:
    r"""Return a cell's source as Python, line for line, and what was taken out of it.

    Examples:
        >>> _plain("%matplotlib inline\n!pip install x\na = '''\n!b'''")
        ("pass\npass\na = '''\n!b'''", ['%matplotlib inline', '!pip install x'])
    """
    removed: list[str] = []
    text = source.replace("\f", " ")
    if match := _CELL_MAGIC.match(text):
        removed.append(match[0].strip().splitlines()[-1])
        if match[1] not in _PYTHON_MAGICS:
            return "", removed
        text = "\n" * match[0].count("\n") + text[match.end() :]
    # An indented cell runs in Jupyter, which takes the indentation of its first line away.
    first = re.match(r"(?:[ \t]*\n)*([ \t]+)(?=[^\s])", text)
    if first:
        text = re.sub(rf"^{re.escape(first[1])}", "", text, flags=re.M)
    pieces = []
    position = 0
    while position < len(text):
        if match := _MAGIC.match(text, position):
            removed.append(match[0].strip())
            statement = match["timed"] or "pass"
            pieces.append(f"{match['indent']}{statement}" + "\n" * match[0].count("\n"))
            position = match.end()
        end = _end_of_statement(text, position)
        pieces.append(text[position:end])
        position = end
    return "".join(pieces), removed


def _end_of_statement(text: str, position: int) -> int:
    """Return where the logical line ends: at a line's end outside of brackets and strings."""
    depth = 0
    for match in _TOKEN.finditer(text, position):
        token = match[0]
        if token in "([{":
            depth += 1
        elif token in ")]}":
            depth = max(depth - 1, 0)
        elif token == "\n" and depth == 0:
            return match.end()
    return len(text)


def _lines_of(node: ast.stmt) -> range:
    """Return the line numbers of a statement, from 0, with its decorators."""
    starts = [node.lineno, *(each.lineno for each in getattr(node, "decorator_list", []))]
    return range(min(starts) - 1, node.end_lineno or node.lineno)


# The solution


@dataclass(frozen=True)
class _Task:
    name: str
    cell_id: str | None
    names: tuple[str, ...]  #: that the student has to define
    heading: str | None


@dataclass(frozen=True)
class _Plan:
    """What the solution says of its tasks, its checks and the cells that it hands out."""

    tasks: tuple[_Task, ...]
    check_ids: dict[str, str]  #: by cell id, the task
    check_grades: dict[str, str]  #: by grade_id, the task
    check_names: dict[str, str]  #: by the name of the checking function, the task
    check_lines: frozenset[str]  #: each statement of the checks
    given: frozenset[str]  #: texts of the cells that are neither
    markers: dict[str, frozenset[str]]  #: by cell id, the markers that the course itself set


@functools.lru_cache(maxsize=4)  # one solution for a whole class
def _planned(solution: Notebook) -> _Plan:
    tasks: list[_Task] = []
    check_ids: dict[str, str] = {}
    check_grades: dict[str, str] = {}
    check_names: dict[str, str] = {}
    check_lines: set[str] = set()
    given: set[str] = set()
    for cell, heading in _headed(solution):
        if cell.kind != "code":
            continue
        text = _plain(cell.source)[0]
        if cell.solution and cell.grade_id:
            tasks.append(_Task(cell.grade_id, cell.id, _defined(text), heading))
        elif cell.grade:
            task = (cell.grade_id or "").removeprefix("check-")
            check_ids[cell.id or ""] = check_grades[cell.grade_id or ""] = task
            for node in ast.parse(text).body:
                if _is_check_function(node):
                    check_names[node.name] = task  # type: ignore[attr-defined]
                check_lines.add(_text_of(node, text))
            check_lines.add(IMPORT)
        else:
            given.add(text.strip())
    if not tasks:
        raise ValueError(
            "The solution has no task; see the metadata of a task in add_a_chapter.md."
        )
    twice = Counter(task.heading for task in tasks)
    tasks = [replace(task, heading=None) if twice[task.heading] > 1 else task for task in tasks]
    markers = {cell.id: _markers(cell) for cell in solution.cells if cell.id}
    return _Plan(
        tasks=tuple(tasks),
        check_ids=check_ids,
        check_grades=check_grades,
        check_names=check_names,
        check_lines=frozenset(check_lines),
        given=frozenset(given),
        markers=markers,
    )


def _headed(notebook: Notebook) -> Iterator[tuple[Cell, str | None]]:
    """Iterate over the cells, each with the heading that it stands under."""
    heading = None
    for cell in notebook.cells:
        if cell.kind == "markdown" and (found := _HEADING.findall(cell.source[:MOST_SOURCE])):
            heading = re.sub(r"\W+", " ", found[-1][:300].casefold()).strip()
        yield cell, heading


def _defined(text: str) -> tuple[str, ...]:
    """Return the names that a solution's cell defines outside of the body that students write."""
    tree = ast.parse(text)
    bodies = [
        range(text.count("\n", 0, m.start()), text.count("\n", 0, m.end()) + 1)
        for m in _BODY.finditer(text)
    ]
    outside = [node for node in tree.body if not any(node.lineno - 1 in body for body in bodies)]
    for body in (outside, tree.body):
        functions = [n for n in body if isinstance(n, ast.FunctionDef | ast.ClassDef)]
        for nodes in (functions, body):
            names = tuple(dict.fromkeys(name for name, _ in _bindings(nodes)))
            if names:
                return names
    return ()


def _is_check_function(node: ast.stmt) -> bool:
    return isinstance(node, ast.FunctionDef) and any(
        ast.unparse(decorator).startswith("check.") for decorator in node.decorator_list
    )


def _text_of(node: ast.stmt, text: str) -> str:
    lines = text.split("\n")
    return "\n".join(lines[number] for number in _lines_of(node)).strip()


def _markers(cell: Cell) -> frozenset[str]:
    tags = {tag for tag in cell.tags if _MARKED_TAGS.match(tag)}
    return frozenset(tags | set(_MARKER.findall(cell.source)))


def task_names(solution: Notebook) -> dict[str, tuple[str, ...]]:
    """Return the tasks of a solution in their order, each with the names that students define.

    Raises:
        ValueError: if the solution has no task.
        SyntaxError: if the solution's own code cannot be parsed.
    """
    return {task.name: task.names for task in _planned(solution).tasks}


# Locating


def locate(student: Notebook, solution: Notebook) -> Located:
    """Find the student's answer to every task of the solution.

    Raises:
        ValueError: if the solution has no task.
        SyntaxError: if the solution's own code cannot be parsed.
    """
    plan = _planned(solution)
    pieces = _pieces(student, plan)
    remarks = [*_some([*student.remarks, *_oddities(student, pieces)])]
    chosen = {task.name: _complete(task, pieces) for task in plan.tasks}
    taken = {piece.index for found in chosen.values() for piece in found.values()}
    answers = []
    for task in plan.tasks:
        found = chosen[task.name]
        answer = _answer(task, found, pieces) if found else _fallback(task, pieces, taken)
        answers.append(answer)
    if all(answer.missing for answer in answers):
        remarks.append("None of the tasks is in this notebook; is it that of another exercise?")
    return Located(tuple(answers), _prelude(pieces, answers, plan), tuple(remarks))


def _pieces(student: Notebook, plan: _Plan) -> list[_Piece]:
    """Return the cells that are or may be code, cleaned, parsed and linked to the tasks."""
    pieces: list[_Piece] = []
    left = MOST_CODE
    for cell, heading in _headed(student):
        links = _links(cell, heading, plan)
        own = any(how != "heading" for how in links.values())
        if cell.kind != "code" and not own and not re.search(r"^(def|class) ", cell.source, re.M):
            continue
        left -= len(cell.source) if len(cell.source) <= MOST_SOURCE else 0
        piece = _piece(cell, links, plan, left)
        if cell.kind != "code" and not piece.binds:
            continue
        if not (cell.kind == "code" and pieces and _join(pieces[-1], piece)):
            pieces.append(piece)
    for piece in pieces:
        _strip_checks(piece, plan)
        piece.tree = None  # large, and no longer needed
    return pieces


def _piece(cell: Cell, links: dict[str, str], plan: _Plan, left: int) -> _Piece:
    here = f"cell {cell.index + 1}"
    if len(cell.source) > MOST_SOURCE or left < 0:
        piece = _Piece(cell, cell.source[:MOST_SOURCE] if left >= 0 else "", links=links)
        piece.fault = "there is more code than anyone would write"
        piece.remarks.append(f"The code of {here} was not read: {piece.fault}.")
        return piece
    text, removed = _plain(cell.source)
    piece = _Piece(cell, _MARKER.sub("#", text), links=links)
    piece.given = text.strip() in plan.given
    for marker in sorted(_markers(cell) - plan.markers.get(cell.id or "", frozenset())):
        piece.remarks.append(f"The marker {marker} of {here} has no effect.")
    if removed and not text:
        piece.remarks.append(f"Nothing of {here} runs: it is under {removed[0][:40]}.")
    if cell.kind != "code":
        piece.remarks.append(f"The type of {here} was {cell.kind}; it was read as code.")
    piece.parse()
    return piece


def _links(cell: Cell, heading: str | None, plan: _Plan) -> dict[str, str]:
    links = {}
    for task in plan.tasks:
        if cell.id and cell.id == task.cell_id:
            links[task.name] = "cell id"
        elif cell.grade_id == task.name and not cell.grade:
            links[task.name] = "grade_id"
        elif task.name in cell.labels:
            links[task.name] = "task name"
        elif heading and heading == task.heading:
            links[task.name] = "heading"
    return links


def _join(first: _Piece, second: _Piece) -> bool:
    """Join a function that was cut in two by splitting its cell; tell whether it was."""
    raw = second.cell.source
    indented = re.match(r"(?:[ \t]*\n)*[ \t]+[^\s]", raw)
    if first.cell.kind != "code" or not indented or not first.text.strip():
        return False
    if first.joined == MOST_JOINED or len(first.text) + len(raw) > MOST_SOURCE:
        return False
    returns = second.tree and any(isinstance(node, ast.Return) for node in second.tree.body)
    if not (returns or second.tree is None or first.tree is None):
        return False
    text = f"{first.text.rstrip()}\n{_MARKER.sub('#', raw)}"
    tree, _ = _parsed(text)
    if tree is None:
        return False
    first.text = text
    first.joined += 1
    first.links = second.links | first.links
    where = f"cells {first.index + 1} and {second.index + 1}"
    first.remarks += [*second.remarks, f"A function was split between {where}; they were joined."]
    first.parse()
    return True


def _strip_checks(piece: _Piece, plan: _Plan) -> None:
    """Recognise a copy of a check, and take calls and copies of checks out of other cells."""
    cell = piece.cell
    checked = [plan.check_names[name] for name in piece.binds if name in plan.check_names]
    mark = plan.check_ids.get(cell.id) if cell.id else None
    if mark is None and cell.grade_id:
        mark = plan.check_grades.get(cell.grade_id)
    if mark is None and cell.grade and not cell.solution:
        mark = ""
    whose = checked[0] if checked else mark
    if piece.tree is None:
        piece.check = whose
        return
    lines = piece.text.split("\n")
    kept, dropped = [], []
    for node in piece.tree.body:
        copied = whose is not None and _text_of(node, piece.text) in plan.check_lines
        mine = dropped if copied or _of_check(node, plan) else kept
        mine.append(node)
    names = {name for task in plan.tasks for name in task.names}
    answers = names & {name for name, _ in _bindings(kept)}
    if whose is not None:
        piece.check = whose
    elif dropped and not kept:
        piece.check = plan.check_names.get(_called(dropped[0]) or "", "")
    if piece.check is not None and not answers:
        piece.binds = {}
        return
    if dropped:
        keep = {number for node in kept for number in _lines_of(node)}
        for node in dropped:
            for number in set(_lines_of(node)) - keep:
                lines[number] = ""
        piece.text = "\n".join(lines)
        piece.parse()


def _of_check(node: ast.stmt, plan: _Plan) -> bool:
    if isinstance(node, ast.FunctionDef):
        return node.name in plan.check_names
    return _called(node) in plan.check_names


def _called(node: ast.stmt) -> str | None:
    if isinstance(node, ast.Expr) and isinstance(node.value, ast.Call):
        function = node.value.func
        return function.id if isinstance(function, ast.Name) else None
    return None


def _oddities(student: Notebook, pieces: list[_Piece]) -> Iterator[str]:
    """Iterate over sentences on markers and on identifiers that stand twice."""
    for piece in pieces:
        yield from piece.remarks
    for identifier, count in Counter(c.id for c in student.cells if c.id).items():
        if count > 1:
            yield f"The cell id {identifier[:64]!a} stands {count} times."


def _complete(task: _Task, pieces: list[_Piece]) -> dict[str, _Piece]:
    """Return, for each name of the task that is defined in full somewhere, the cell that counts."""
    checks = [piece.index for piece in pieces if piece.check == task.name]
    last = max(checks, default=-1)
    found = {}
    for name in task.names:
        full = [piece for piece in pieces if piece.binds.get(name)]
        full = [piece for piece in full if piece.cell.kind == "code"] or full
        seen = [piece for piece in full if piece.index <= last]
        own = [p for p in full if p.links.get(task.name, "heading") != "heading"]
        if pool := seen or own or full:
            found[name] = pool[-1]
    return found


def _answer(task: _Task, found: dict[str, _Piece], pieces: list[_Piece]) -> Answer:
    chosen = sorted({piece.index: piece for piece in found.values()}.values(), key=_index)
    remarks = [remark for piece in chosen for remark in piece.remarks]
    missing = [name for name in task.names if name not in found]
    if missing:
        remarks.append(f"There is no definition of {_listed(missing)}.")
    for name, piece in found.items():
        others = [p.index + 1 for p in pieces if p.binds.get(name) and p is not piece]
        if others:
            more = "cells" if len(others) > 1 else "cell"
            numbers = ", ".join(map(str, others[:9]))
            remarks.append(
                f"{name} is defined in {more} {numbers} too; that of cell {piece.index + 1} counts."
            )
    how = next((p.links[task.name] for p in chosen if task.name in p.links), "function name")
    source = "\n\n".join(piece.text.strip("\n") for piece in chosen) + "\n"
    return Answer(
        task.name, source, how, tuple(map(_index, chosen)), remarks=tuple(dict.fromkeys(remarks))
    )


def _index(piece: _Piece) -> int:
    return piece.index


def _listed(names: list[str]) -> str:
    return ", ".join(f"`{name}`" for name in names)


def _fallback(task: _Task, pieces: list[_Piece], taken: set[int]) -> Answer:
    """Return what comes nearest to an answer where no name of the task is defined in full."""
    free = [p for p in pieces if p.index not in taken and p.text.strip()]
    stubs = [p for p in free if set(task.names) & p.binds.keys()]
    free = [p for p in free if p.check is None]
    definition = re.compile(rf"^[ \t]*(?:async\s+def|def|class)\s+({'|'.join(task.names)})\b", re.M)
    broken = [p for p in free if p.fault and task.names and definition.search(p.text)]
    linked = [p for p in free if p not in stubs and not p.given and task.name in p.links]
    by = {how: [p for p in linked if p.links[task.name] == how] for how in _ORDER}
    order = [by["cell id"], by["grade_id"], by["task name"], broken, stubs, by["heading"]]
    pool = next(filter(None, order), None)
    if pool is None:
        empty = [p for p in pieces if task.name in p.links and not p.text.strip()]
        emptied = (
            [f"Cell {empty[0].index + 1}, where the answer belongs, is empty."] if empty else []
        )
        return Answer(task.name, "", "", (), missing=True, remarks=tuple(emptied))
    piece = pool[-1]
    remarks = list(piece.remarks)
    untouched = piece in stubs
    if piece.fault:
        remarks.append(f"Cell {piece.index + 1} is no valid Python ({piece.fault}).")
    elif task.names and not untouched:
        other = [name for name in piece.binds if name not in task.names]
        instead = f" but {_listed(other[:3])}" if other else ""
        remarks.append(
            f"Cell {piece.index + 1} does not define {_listed(list(task.names))}{instead}."
        )
    how = piece.links.get(task.name, "function name")
    source = piece.text.strip("\n") + "\n"
    return Answer(task.name, source, how, (piece.index,), False, untouched, tuple(remarks))


def _prelude(pieces: list[_Piece], answers: list[Answer], plan: _Plan) -> tuple[Code, ...]:
    names = {name for task in plan.tasks for name in task.names}
    codes = []
    for piece in pieces:
        tasks = tuple(answer.task for answer in answers if piece.index in answer.cells)
        if tasks:
            role = "task"
        elif piece.check is not None and not names & piece.binds.keys():
            role = "check"
            tasks = (piece.check,) if piece.check else ()
        elif names & piece.binds.keys():
            role = "superseded"
        elif piece.cell.kind == "code":
            role = "other"
        else:
            continue
        codes.append(Code(piece.index, role, tasks, piece.text))
    return tuple(codes)
