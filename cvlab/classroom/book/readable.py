"""How a chapter reads, as rules: one sitting, visible method, honest clocks, spelling."""

from __future__ import annotations

import ast
import functools
import io
import re
import tokenize
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from cvlab.classroom import notebooks
from cvlab.classroom.book import layers, questions
from cvlab.classroom.notebooks import ROOT

#: Each chapter ends with so many questions that answer.
QUESTIONS = 5

WORDS = Path("book/words.txt")  # what the dictionary does not know and the course uses

_CLOCKS = {"perf_counter", "process_time", "thread_time", "monotonic", "timed", "timeit"}
_SPENT = {"seconds", "elapsed", "milliseconds"}


def _code(path: Path) -> Iterator[tuple[str, str, Any]]:
    for cell in notebooks.look(path)["cells"]:
        if cell["cell_type"] == "code":
            yield cell["id"], notebooks.plain("".join(cell["source"])), cell


@functools.lru_cache(maxsize=8192)
def _tree(source: str) -> ast.Module:
    try:
        return ast.parse(source)
    except SyntaxError:
        return ast.Module([], [])


# --- The core is finished in one sitting ----------------------------------------------------------


def two_layers(root: Path = ROOT) -> list[str]:
    """The core of each chapter keeps its limits, and its visible code is the method."""
    paths = notebooks.files(root, ("chapters",))
    return [f"chapters/{fault}" for path in paths for fault in layers.faults(path)]


def core_stands_alone(root: Path = ROOT) -> list[str]:
    """No cell of the core uses a name that only a Deeper section defines."""
    found = []
    for path in notebooks.files(root, ("chapters",)):
        core: set[str] = set()
        deeper: dict[str, str] = {}
        for piece in layers.pieces(notebooks.look(path)["cells"]):
            if piece.cell["cell_type"] != "code":
                continue
            tree = _tree(notebooks.plain(piece.text))
            if piece.deeper:
                deeper |= dict.fromkeys(_bound(tree), piece.cell["id"])
                continue
            local = _bound(tree, nested=True)
            found += [
                f"chapters/{path.name}, {piece.cell['id']}: the core uses {name}, which the Deeper "
                f"cell {deeper[name]} defines; move its definition into the core."
                for name in sorted(_read(tree) - core - local)
                if name in deeper
            ]
            core |= _bound(tree)
    return found


@functools.lru_cache(maxsize=16384)
def _bound(tree: ast.Module, *, nested: bool = False) -> frozenset[str]:
    """Return the names that a cell defines at its top level, or anywhere in it."""
    names = set()
    todo: list[ast.AST] = list(tree.body)
    while todo:
        node = todo.pop()
        if isinstance(node, ast.FunctionDef | ast.ClassDef | ast.AsyncFunctionDef):
            names.add(node.name)
            if not nested:
                continue
        elif isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
            names.add(node.id)
        elif isinstance(node, ast.alias):
            names.add((node.asname or node.name).partition(".")[0])
        elif isinstance(node, ast.arg):
            names.add(node.arg)
        elif (
            isinstance(node, ast.Lambda | ast.ListComp | ast.DictComp | ast.SetComp) and not nested
        ):
            continue
        todo += ast.iter_child_nodes(node)
    return frozenset(names)


@functools.lru_cache(maxsize=16384)
def _read(tree: ast.AST) -> frozenset[str]:
    loaded = (n for n in ast.walk(tree) if isinstance(n, ast.Name) and isinstance(n.ctx, ast.Load))
    return frozenset(name.id for name in loaded)


def sliders_keep_their_data(root: Path = ROOT) -> list[str]:
    """No later cell rebinds a name that a slider's functions read when they draw a frame.

    With a kernel a frame is drawn when a reader first asks for it, which is after the whole run.
    """
    found = []
    for path in notebooks.files(root, ("chapters",)):
        cells = [(identifier, _tree(source)) for identifier, source, _ in _code(path)]
        for index, (identifier, tree) in enumerate(cells):
            if "explore" not in _read(tree):
                continue
            functions = [node for node in tree.body if isinstance(node, ast.FunctionDef)]
            reads = set()
            for function in functions:
                reads |= _read(function) - _bound(ast.Module([function], []), nested=True)
            for later, after in cells[index + 1 :]:
                found += [
                    f"chapters/{path.name}, {later}: it gives {name} another value, which the "
                    f"slider in {identifier} reads when it draws; choose another name."
                    for name in sorted(reads & _bound(after))
                ]
    return found


def five_questions(root: Path = ROOT) -> list[str]:
    """Each chapter ends with five questions that answer, at least one of them with a number."""
    found = []
    for path in notebooks.files(root, ("chapters",)):
        asked = []
        for cell in notebooks.look(path)["cells"]:
            if cell["cell_type"] != "markdown":
                continue
            try:
                asked += questions.questions("".join(cell["source"]))
            except ValueError as error:
                found.append(f"chapters/{path.name}, {cell['id']}: {error}")
        if len(asked) != QUESTIONS:
            found.append(f"chapters/{path.name} has {len(asked)} questions, not {QUESTIONS}.")
        elif not any(not each.choices for each in asked):
            found.append(f"chapters/{path.name}: no question asks for a number.")
    return found


def plain_summaries(root: Path = ROOT) -> list[str]:
    """The line that opens a fold is HTML: a formula or code in it would show its signs."""
    found = []
    for path in notebooks.files(root, ("chapters", "solutions")):
        for cell in notebooks.look(path)["cells"]:
            if cell["cell_type"] == "markdown":
                found += [
                    f"{path.parent.name}/{path.name}, {cell['id']}: {line.strip()!r} opens a fold "
                    "and is not Markdown; write it in plain words."
                    for line in re.findall(r"<summary>([^<]*[$`*][^<]*)</summary>", cell["source"])
                ]
    return found


# --- Clocks ---------------------------------------------------------------------------------------


def no_assertion_on_time(root: Path = ROOT) -> list[str]:
    """Nothing that a student runs depends on a fast machine: times are shown, not asserted."""
    found = []
    for path in notebooks.files(root, ("chapters", "solutions")):
        if not any(name in source for name in _CLOCKS | _SPENT for _, source, _ in _code(path)):
            continue  # it reads no clock
        spent = set(_CLOCKS)
        for identifier, source, _ in _code(path):
            tree = _tree(source)
            _follow(tree, spent)
            for node in ast.walk(tree):
                if isinstance(node, ast.Assert) and (name := _timed(node.test, spent)):
                    found.append(
                        f"{path.parent.name}/{path.name}, {identifier}: an assertion on {name}, "
                        "which a clock gave; assert counts, and move what must be fast into "
                        "tests/benchmarks/."
                    )
    return found


def _timed(node: ast.AST, spent: set[str]) -> str | None:
    """Return what in an expression comes from a clock."""
    for each in ast.walk(node):
        if isinstance(each, ast.Name) and each.id in spent:
            return each.id
        if isinstance(each, ast.Attribute) and each.attr in _CLOCKS | _SPENT:
            return each.attr
    return None


def _follow(node: ast.AST, spent: set[str]) -> None:
    """Keep `spent` as the names that hold what a clock measured, statement by statement."""
    for each in ast.iter_child_nodes(node):
        if isinstance(each, ast.FunctionDef):
            inner = set(spent)
            _follow(each, inner)
            returns = [n.value for n in ast.walk(each) if isinstance(n, ast.Return) and n.value]
            if any(not isinstance(v, ast.Tuple) and _timed(v, inner) for v in returns):
                spent.add(each.name)
            continue
        if isinstance(each, ast.For):  # before its body
            _give(each.target, each.iter, spent)
        _follow(each, spent)
        if isinstance(each, ast.Assign):
            for target in each.targets:
                _give(target, each.value, spent)
        elif isinstance(each, ast.AugAssign) and not _timed(each.value, spent):
            continue  # what is added takes nothing away
        elif isinstance(each, ast.AugAssign | ast.AnnAssign | ast.NamedExpr) and each.value:
            _give(each.target, each.value, spent)
        elif isinstance(each, ast.Call) and isinstance(each.func, ast.Attribute):
            grows = each.func.attr in {"append", "extend", "add", "update"}
            # A row of a table holds other numbers beside the time.
            plain = [a for a in each.args if not isinstance(a, ast.List | ast.Tuple | ast.Dict)]
            if grows and any(_timed(argument, spent) for argument in plain):
                _give(each.func.value, each.args[0], spent)


def _give(target: ast.AST, value: ast.AST, spent: set[str]) -> None:
    """Assign: a name is among the spent ones if its value is, and no longer if it is not."""
    if isinstance(target, ast.Tuple):
        parts = value.elts if isinstance(value, ast.Tuple) else [value] * len(target.elts)
        for one, other in zip(target.elts, parts, strict=False):
            _give(one, other, spent)
    elif isinstance(target, ast.Subscript | ast.Attribute | ast.Starred):
        if _timed(value, spent):
            _give(target.value, value, spent)
    elif isinstance(target, ast.Name):
        (spent.add if _timed(value, spent) else spent.discard)(target.id)


# --- Torch where it is needed ---------------------------------------------------------------------


def torch_where_needed(root: Path = ROOT) -> list[str]:
    """A notebook imports torch in the first cell that uses it, unless a quarter of its cells do."""
    found = []
    for path in notebooks.files(root, ("chapters", "solutions")):
        cells = [(identifier, _tree(source)) for identifier, source, _ in _code(path)]
        uses = [bool(_read(tree) & {"torch", "nn", "F", "functional"}) for _, tree in cells]
        if 4 * sum(uses) > len(uses):
            continue
        found += [
            f"{path.parent.name}/{path.name}, {identifier}: it imports torch without using it; "
            "import it in the first cell that does, so that the page runs that far without."
            for (identifier, tree), used in zip(cells, uses, strict=True)
            if not used and any(_imports_torch(node) for node in tree.body)
        ]
    return found


def _imports_torch(node: ast.AST) -> bool:
    if isinstance(node, ast.ImportFrom):
        return (node.module or "").partition(".")[0] in ("torch", "torchvision")
    return isinstance(node, ast.Import) and any(
        alias.name.partition(".")[0] in ("torch", "torchvision") for alias in node.names
    )


# --- Spelling -------------------------------------------------------------------------------------


@functools.lru_cache(maxsize=8192)
def texts_in_code(source: str) -> tuple[str, ...]:
    """Return what a reader reads in a code cell: comments, and strings of several words."""
    return tuple(_texts_in_code(source))


def _texts_in_code(source: str) -> Iterator[str]:
    try:
        lines = io.StringIO(source if "#" in source else "")  # taking tokens apart takes its time
        tokens = list(tokenize.generate_tokens(lines.readline))
    except (tokenize.TokenError, SyntaxError):
        tokens = []
    for token in tokens:
        if token.type == tokenize.COMMENT and not re.match(r"#\s*(?:noqa|fmt|type):", token.string):
            yield token.string.lstrip("# ")
    for node in ast.walk(_tree(source)):
        if isinstance(node, ast.Constant) and isinstance(node.value, str):
            yield from [node.value] * (len(node.value.split()) > 3)


def spelling(root: Path = ROOT) -> list[str]:
    """Every word of the text, of alternative texts and of comments is one.

    The judge is a list of words that people really write; what the course uses beyond it stands in
    `book/words.txt`, one word a line.
    """
    known = set((root / WORDS).read_text(encoding="utf-8").split())
    found = []
    for path in notebooks.files(root, ("chapters", "solutions")):
        name = f"{path.parent.name}/{path.name}"
        for cell in notebooks.look(path)["cells"]:
            source = "".join(cell["source"])
            if cell["cell_type"] == "code":
                prose = "\n".join(texts_in_code(notebooks.plain(source)))
            else:
                prose = notebooks.prose(source)
            found += [
                f"{name}, {cell['id']}: {word!r} is no known word; mend it, or add it to {WORDS}."
                for word in sorted(set(unknown_words(prose)) - known)
            ]
    return found


def unknown_words(prose: str) -> Iterator[str]:
    """Iterate over the words, in small letters, that nobody seems to write."""
    plain = re.sub(
        r"`[^`]*`|\{[^}]*\}|\S*[_/\\@=<>()\[\]]\S*|\b\w*\d\w*\b|\b\w+\.\w+\b", " ", prose
    )
    for word in re.findall(r"[^\W\d_]+(?:['’][^\W\d_]+)*", plain):
        bare = re.sub(r"['’]s?$|['’].*$", "", word)
        if len(bare) > 3 and bare[1:].islower() and not _written(bare.lower()):
            yield bare.lower()


@functools.cache
def _written(word: str) -> bool:
    from wordfreq import zipf_frequency

    # American lists know some British endings by their American form alone.
    other = re.sub(r"is(e|ed|es|er|ers|ing|ation|ations)$", r"iz\1", word)
    return any(zipf_frequency(form, "en") > 0 for form in (word, other))


RULES = (
    two_layers,
    core_stands_alone,
    sliders_keep_their_data,
    five_questions,
    plain_summaries,
    no_assertion_on_time,
    torch_where_needed,
    spelling,
)
