"""Modules that a cell writes by ``%%writefile helpers.py`` and that other cells import.

A box has no files. So the text is read as a cell of its own, where it was written, its names with
the module's before them, and what imports it reads those: ``from helpers import area as own``
becomes ``own = _helpers_area``, and ``helpers.area`` becomes ``_helpers_area``. What a rule looks
for is found there as in any other cell.
"""

from __future__ import annotations

import ast
import dataclasses
import re
from collections.abc import Iterator

from cvlab.classroom.grading.intake.ipynb import MOST_SOURCE, Cell, Notebook
from cvlab.classroom.grading.intake.magics import cleaned
from cvlab.classroom.grading.intake.syntax import bindings, parsed

_WRITES = re.compile(
    r"(?:[ \t]*(?:#[^\n]*)?\n)*[ \t]*%%(?:writefile|file)[ \t]+(?:-a[ \t]+)?"
    r"(?P<quote>[\"']?)(?:\./)?(?P<path>\w+(?:/\w+)*)\.py(?P=quote)[ \t]*\n"
)
_DEFINITIONS = (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)
_SCOPES = (
    *(*_DEFINITIONS, ast.Lambda),
    *(ast.ListComp, ast.SetComp, ast.DictComp, ast.GeneratorExp),
)
#: What stands before a scope's own names come into force: fields by the kind of its node.
_OUTSIDE = ("decorator_list", "returns", "bases", "keywords")
Edit = tuple[ast.AST, str]  # a part of a text, and what stands there instead


@dataclasses.dataclass
class _Module:
    """A module that a notebook writes, and what it binds at its top."""

    name: str
    own: set[str] = dataclasses.field(default_factory=set)  #: by itself
    others: set[str] = dataclasses.field(default_factory=set)  #: by importing them

    def add(self, tree: ast.Module) -> None:
        imports = [n for n in tree.body if isinstance(n, ast.Import | ast.ImportFrom)]
        self.others |= dict(bindings(imports)).keys()
        self.own |= dict(bindings([n for n in tree.body if n not in imports])).keys()
        self.own |= {n.id for n in _inside(tree) if isinstance(n, ast.Name) and _stored(n)}
        self.own -= self.others

    def called(self, name: str) -> str | None:
        """Return what a name of the module is called in the notebook, if it has that name."""
        if name in self.own:
            return f"_{self.name.replace('.', '_')}_{name}"
        return name if name in self.others else None


def inlined(student: Notebook) -> Notebook:
    """Return a notebook in which modules that it writes and imports are cells.

    Modules that nothing imports stay as they are: nothing runs them.
    """
    written = {cell.index: found for cell in student.cells if (found := _written(cell))}
    if not written:
        return student
    texts = {
        cell.index: cleaned(cell.source)[0]
        for cell in student.cells
        if cell.kind == "code" and cell.index not in written and len(cell.source) <= MOST_SOURCE
    }
    trees = {index: tree for index, text in texts.items() if (tree := parsed(text)[0])}
    known = {name for name, _ in written.values()}
    modules: dict[str, _Module] = {}
    aliases: dict[str, str] = {}
    for tree in trees.values():
        for alias, name in _imported(tree, known):
            modules.setdefault(name, _Module(name))
            aliases |= {alias: name} if alias else {}
    files = {
        index: (modules[name], text, tree)
        for index, (name, text) in written.items()
        if name in modules and (tree := parsed(text)[0])
    }
    for module, _, tree in files.values():
        module.add(tree)
    cells, remarks = [], []
    for cell in student.cells:
        if cell.index in files:
            module, text, tree = files[cell.index]
            cell = dataclasses.replace(cell, source=_edited(text, list(_renamed(tree, module))))
            remarks.append(f"Cell {cell.index + 1} writes {module.name}.py; it was read as code.")
        elif cell.index in trees:
            edits = list(_edits(trees[cell.index], modules, aliases))
            if edits:
                cell = dataclasses.replace(cell, source=_edited(texts[cell.index], edits))
        cells.append(cell)
    return Notebook(tuple(cells), (*student.remarks, *remarks))


def _written(cell: Cell) -> tuple[str, str] | None:
    """Return the module that a cell writes, and its text with the lines where they were."""
    match = _WRITES.match(cell.source) if cell.kind == "code" else None
    if match is None or len(cell.source) > MOST_SOURCE:
        return None
    return match["path"].replace("/", "."), "\n" * match[0].count("\n") + cell.source[match.end() :]


# ------------------------------------------------------------------------------ in other cells


def _imported(tree: ast.Module, known: set[str]) -> Iterator[tuple[str, str]]:
    """Iterate over modules of ours that a cell imports, each with the name that it gets."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (
                (one.asname or one.name, one.name) for one in node.names if one.name in known
            )
        elif isinstance(node, ast.ImportFrom) and not node.level:
            if node.module in known:
                yield "", node.module
            for one in node.names:
                if (module := f"{node.module}.{one.name}") in known:
                    yield one.asname or one.name, module


def _edits(
    tree: ast.Module, modules: dict[str, _Module], aliases: dict[str, str]
) -> Iterator[Edit]:
    """Iterate over the parts of a cell that read a module, and what stands there instead."""
    pending: list[ast.AST] = [tree]
    while pending:
        node = pending.pop()
        if isinstance(node, ast.Import | ast.ImportFrom):
            said = _import(node, modules)
            if said is not None:
                yield node, said
        elif isinstance(node, ast.Attribute) and (found := _member(node, modules, aliases)):
            yield node, found
        elif isinstance(node, ast.Call) and _reloads(node, aliases):
            yield node, "None"
        else:
            pending += ast.iter_child_nodes(node)


def _import(node: ast.Import | ast.ImportFrom, modules: dict[str, _Module]) -> str | None:
    """Return what stands for an import, or None if it is of nothing of ours."""
    if isinstance(node, ast.ImportFrom) and not node.level and node.module in modules:
        module, said = modules[node.module], []
        for one in node.names:
            public = sorted(name for name in module.own if not name.startswith("_"))
            for name in public if one.name == "*" else [one.name]:
                own, called = one.asname or name, module.called(name)
                if called != own:  # a name that is nowhere gives the student's own error
                    said.append(f"{own} = {called or name}")
        return "; ".join(said) or "pass"
    before = f"{node.module}." if isinstance(node, ast.ImportFrom) else ""
    others = [one for one in node.names if f"{before}{one.name}" not in modules]
    if len(others) == len(node.names):
        return None
    if not others:
        return "pass"
    if isinstance(node, ast.Import):
        return ast.unparse(ast.Import(others))
    return ast.unparse(ast.ImportFrom(node.module, others, node.level))


def _member(
    node: ast.Attribute, modules: dict[str, _Module], aliases: dict[str, str]
) -> str | None:
    module = aliases.get(_dotted(node.value))
    return None if module is None else modules[module].called(node.attr)


def _reloads(node: ast.Call, aliases: dict[str, str]) -> bool:
    """Tell whether a call loads a module again, which is new whenever it is read."""
    last = _dotted(node.func).rpartition(".")[2]
    return last == "reload" and any(_dotted(one) in aliases for one in node.args)


def _dotted(node: ast.AST) -> str:
    """Return a chain of names such as ``utils.boxes``, or nothing."""
    parts = []
    while isinstance(node, ast.Attribute) and len(parts) < 9:
        parts.append(node.attr)
        node = node.value
    return ".".join([node.id, *reversed(parts)]) if isinstance(node, ast.Name) else ""


# ------------------------------------------------------------------------------- in the module


def _renamed(tree: ast.Module, module: _Module) -> Iterator[Edit]:
    """Iterate over the places of a module's own names in its text, and their new ones."""
    # Which names mean something else here, and which in a function that begins here.
    nothing: frozenset[str] = frozenset()
    pending: list[tuple[ast.AST, frozenset[str], frozenset[str]]] = [(tree, nothing, nothing)]
    while pending:
        node, hidden, below = pending.pop()
        if isinstance(node, ast.Name) and node.id in module.own - hidden:
            yield node, module.called(node.id) or ""
        elif isinstance(node, ast.Global):
            yield node, f"global {', '.join(module.called(name) or name for name in node.names)}"
        elif isinstance(node, _DEFINITIONS) and node.name in module.own - hidden:
            yield _name_of(node), module.called(node.name) or ""
        inner = hidden, below
        if isinstance(node, _SCOPES):
            own = _bound_in(node) & module.own
            # Functions in a class do not see what the class binds.
            inner = below | own, below if isinstance(node, ast.ClassDef) else below | own
        for field, value in ast.iter_fields(node):
            known = (hidden, below) if field in _OUTSIDE else inner
            for child in value if isinstance(value, list) else [value]:
                if isinstance(child, ast.arguments):  # defaults are read outside
                    defaults = (*child.defaults, *child.kw_defaults)
                    inside = (one for one in ast.walk(child) if isinstance(one, ast.arg))
                    notes = (one.annotation for one in inside)
                    pending += [(one, hidden, below) for one in (*defaults, *notes) if one]
                elif isinstance(child, ast.AST):
                    pending.append((child, *known))


def _name_of(node: ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef) -> ast.AST:
    """Return a part of a text where the name of a definition stands."""
    words = {ast.FunctionDef: "def ", ast.AsyncFunctionDef: "async def ", ast.ClassDef: "class "}
    start = node.col_offset + len(words[type(node)])
    end = start + len(node.name.encode())
    where = {"lineno": node.lineno, "end_lineno": node.lineno}
    return ast.Name(node.name, col_offset=start, end_col_offset=end, **where)


def _bound_in(scope: ast.AST) -> set[str]:
    """Return the names that a function, a class or a comprehension has for itself."""
    found, outside = set(), set()
    for node in _inside(scope):
        if isinstance(node, ast.arg):
            found.add(node.arg)
        elif isinstance(node, ast.Name) and _stored(node):
            found.add(node.id)
        elif isinstance(node, _DEFINITIONS):
            found.add(node.name)
        elif isinstance(node, ast.Import | ast.ImportFrom):
            found |= {(one.asname or one.name).split(".")[0] for one in node.names}
        elif isinstance(node, ast.ExceptHandler) and node.name:
            found.add(node.name)
        elif isinstance(node, ast.Global | ast.Nonlocal):
            outside |= set(node.names)
    return found - outside


def _inside(scope: ast.AST) -> Iterator[ast.AST]:
    """Iterate over the nodes of a scope that are in no scope below it, heads of those included."""
    pending = list(ast.iter_child_nodes(scope))
    while pending:
        node = pending.pop()
        yield node
        if not isinstance(node, _SCOPES):
            pending += ast.iter_child_nodes(node)


def _stands(node: ast.AST, part: bytes) -> bool:
    """Tell whether a name is where Python says; up to 3.11, in an f-string it need not be."""
    if isinstance(node, ast.Name):
        return part == node.id.encode()
    return not isinstance(node, ast.Attribute) or part.endswith(node.attr.encode())


def _stored(node: ast.Name) -> bool:
    return isinstance(node.ctx, ast.Store | ast.Del)


def _edited(text: str, edits: list[Edit]) -> str:
    """Return a text in which parts are replaced; lines keep their numbers."""
    data = text.encode("utf-8", "surrogatepass")
    starts = [0]
    for line in data.split(b"\n"):
        starts.append(starts[-1] + len(line) + 1)
    pieces, position = [], 0
    for node, new in sorted(edits, key=lambda edit: (edit[0].lineno, edit[0].col_offset)):
        first = starts[node.lineno - 1] + node.col_offset
        last = starts[node.end_lineno - 1] + node.end_col_offset
        if first < position or not _stands(node, data[first:last]):
            continue
        lines = b"\\\n" * data.count(b"\n", first, last)
        pieces += [data[position:first], new.encode(), b" " + lines if lines else b""]
        position = last
    return b"".join([*pieces, data[position:]]).decode("utf-8", "surrogatepass")
