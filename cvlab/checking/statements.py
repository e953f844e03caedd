"""One statement of a notebook as text: which names it binds, uses and hides. Nothing is executed.

`units` cuts a text into `Unit`s, the statements of its top level and the heads of those that hold
others, and reads each: its scopes, every use of a name, and what it does to names of the notebook.

The text may be hostile. All work is linear in its length: trees are walked with a stack of our own,
and scopes nest `MOST_SCOPES` deep.

>>> [unit] = units("def area(box): return np.prod(box[2:])")
>>> unit.owner, [(use.name, use.rest) for use in unit.uses]
('area', [('np', ('prod',)), ('box', ())])
"""

from __future__ import annotations

import ast
import warnings
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

MOST_SCOPES = 100  # functions inside functions
MOST_PARTS = 12  # of a dotted name

#: What binds names of a notebook without a statement that does.
REBINDING = frozenset({"exec", "globals", "locals", "setattr", "vars"})
#: Methods that put something into a container.
FILLING = frozenset(
    {"add", "append", "appendleft", "extend", "insert", "register", "setdefault", "update"}
)

Path = tuple[str, ...]
Span = tuple[int, int, int, int]  # first line, from 1, and byte in it; last line and byte


class Unreadable(ValueError):
    """Code of which nobody can tell what it uses: no Python, or nested too deeply."""


class Scope:
    """A module, class, function or comprehension: which names it binds, and to what."""

    __slots__ = ("aliases", "bound", "depth", "imports", "kind", "lazy", "outside", "parent")

    def __init__(self, kind: str, parent: Scope | None = None) -> None:
        self.kind, self.parent = kind, parent
        self.depth = 0 if parent is None else parent.depth + 1
        if self.depth > MOST_SCOPES:
            raise Unreadable("it is nested too deeply")
        # Whether what stands here runs only when a function is called.
        self.lazy = kind == "function" or (parent is not None and parent.lazy)
        self.bound: set[str] = set()
        self.outside: dict[str, str] = {}  # names declared global or nonlocal
        self.aliases: dict[str, list[tuple[Scope, str, Path]]] = {}
        self.imports: dict[str, list[Path]] = {}

    def home(self, name: str) -> Scope:
        """Return the scope in which a name that is used here lives."""
        scope, first = self, True
        while scope.parent is not None:
            declared = scope.outside.get(name)
            if declared == "global":
                while scope.parent is not None:
                    scope = scope.parent
                return scope
            inside = first or scope.kind != "class"
            if declared is None and inside and name in scope.bound:
                return scope
            scope, first = scope.parent, False
        return scope


@dataclass
class Use:
    """A name with what is after its dots, where it is used."""

    line: int
    scope: Scope
    name: str
    rest: Path
    alias: bool  #: it only gives a name another one


@dataclass
class Unit:
    """A statement of the top level, or the head of one that holds others."""

    nodes: list[ast.AST]
    text: int
    span: Span  #: of the whole statement at the top
    certain: bool  #: it is always executed
    loop: tuple[int, str] | None = None  #: around it
    scope: Scope = field(default_factory=lambda: Scope("module"))
    uses: list[Use] = field(default_factory=list)
    marks: list[tuple[int, str, str]] = field(default_factory=list)  #: line, kind, word
    fills: set[str] = field(default_factory=set)  #: names whose values it changes by an assignment
    calls: set[str] = field(default_factory=set)  #: ... or by a method
    stars: list[Path] = field(default_factory=list)
    rebinds: bool = False  #: it may bind names that are not written
    sure: set[str] = field(default_factory=set)  #: names that it binds anew, whatever happens
    number: int = 0  #: in the order of the notebook

    @property
    def owner(self) -> str:
        """A name that it binds or changes."""
        return min(self.scope.bound or self.fills or self.calls, default="")


# -------------------------------------------------------------------------- cutting a text


def parse(source: str) -> list[ast.stmt]:
    """Return the statements of a cell, in which `await` may stand at the top.

    Raises:
        Unreadable: if it is no Python, or nested too deeply.
    """
    flags = ast.PyCF_ONLY_AST | ast.PyCF_ALLOW_TOP_LEVEL_AWAIT
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of the student's escapes and comparisons
            return compile(source, "<cell>", "exec", flags, dont_inherit=True).body
    except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
        raise Unreadable(f"it is no Python ({type(error).__name__})") from None


def units(source: str, text: int = 0) -> Iterator[Unit]:
    """Iterate over the statements of a text; of one that is no Python, and so has not run, none."""
    try:
        body = parse(source)
    except Unreadable:
        return
    yield from units_of(body, text)


def units_of(nodes: Sequence[ast.AST], text: int) -> Iterator[Unit]:
    """Iterate over statements that have been parsed."""
    for unit in _flat(nodes, text):
        yield _understood(unit)


def named(nodes: Sequence[ast.AST], text: int, name: str) -> Unit:
    """Return an expression as the statement that gives it a name."""
    unit = Unit(list(nodes), text, _span(nodes[0]), certain=False)
    unit.scope.bound.add(name)
    return _understood(unit)


def _understood(unit: Unit) -> Unit:
    try:
        _Reader(unit).read()
    except Unreadable:
        unit.marks = [(unit.span[0], "depth", "")]
    return unit


_BLOCKS = ("body", "handlers", "orelse", "finalbody", "cases")
_COMPOUND = (
    *(ast.If, ast.For, ast.AsyncFor, ast.While, ast.With, ast.AsyncWith),
    *(ast.Try, ast.TryStar, ast.Match),
)
_HOLDERS = (ast.ExceptHandler, ast.match_case)


def _flat(body: Sequence[ast.AST], text: int) -> Iterator[Unit]:
    """Iterate over the statements of a text; those inside of conditions and loops singly."""
    pending = [(node, _span(node), True, None) for node in reversed(body)]
    while pending:
        node, span, certain, loop = pending.pop()
        if not isinstance(node, (*_COMPOUND, *_HOLDERS)):
            yield Unit([node], text, span, certain, loop)
            continue
        word = {ast.While: "while", ast.For: "for", ast.AsyncFor: "for"}.get(type(node))
        around = (node.lineno, f"a `{word}` loop") if word else loop  # type: ignore[attr-defined]
        blocks = [getattr(node, part, []) for part in _BLOCKS]
        inside = {id(each) for block in blocks for each in block}
        head = [each for each in ast.iter_child_nodes(node) if id(each) not in inside]
        if isinstance(node, ast.ExceptHandler) and node.name:
            head.append(ast.Name(node.name, ast.Store(), lineno=node.lineno, col_offset=0))
        if head:
            yield Unit(head, text, span, False, around)
        same = certain and isinstance(node, ast.With | ast.AsyncWith)
        pending += [
            (each, span, same, around) for block in reversed(blocks) for each in reversed(block)
        ]


def _span(node: ast.AST) -> Span:
    """Return where a statement begins with its decorators, and where it ends."""
    first, last = getattr(node, "lineno", 1), getattr(node, "end_lineno", None)
    decorators = getattr(node, "decorator_list", ())
    start = 0 if decorators else getattr(node, "col_offset", 0)
    first = min([first, *(each.lineno for each in decorators)])
    return first, start, last or first, getattr(node, "end_col_offset", None) or start


# ------------------------------------------------------------------------- reading a unit


class _Reader:
    """Reads one unit: its scopes, the names that it uses, and what it does with them."""

    def __init__(self, unit: Unit) -> None:
        self.unit = unit
        self.pending: list[tuple[ast.AST, Scope]] = [(n, unit.scope) for n in unit.nodes[::-1]]
        self.renamed: set[int] = set()  # nodes that only give a name another one
        self.scopes: list[Scope] = []
        self.filled: list[tuple[Scope, str, bool]] = []

    def read(self) -> None:
        while self.pending:
            node, scope = self.pending.pop()
            handler = _HANDLERS.get(type(node))
            if handler is None:
                self.push(ast.iter_child_nodes(node), scope)
            else:
                handler(self, node, scope)
        self._settle()

    def push(self, nodes: Iterable[ast.AST | None], scope: Scope) -> None:
        self.pending += [(node, scope) for node in list(nodes)[::-1] if node is not None]

    def inner(self, kind: str, scope: Scope) -> Scope:
        made = Scope(kind, scope)
        self.scopes.append(made)
        return made

    def mark(self, node: ast.AST, kind: str, word: str) -> None:
        self.unit.marks.append((getattr(node, "lineno", 1), kind, word))

    def _settle(self) -> None:
        """Enter what functions do to names of the module."""
        top = self.unit.scope
        for scope in self.scopes:
            for name in [n for n, how in scope.outside.items() if how == "global"]:
                if name in scope.bound:
                    top.bound.add(name)
                    top.aliases.setdefault(name, []).extend(scope.aliases.get(name, ()))
                    top.imports.setdefault(name, []).extend(scope.imports.get(name, ()))
        if self.unit.certain:
            self.unit.sure = {name for node in self.unit.nodes for name in _targets(node)}
        for scope, name, method in self.filled:
            if scope.home(name) is top:
                (self.unit.calls if method else self.unit.fills).add(name)

    # ------------------------------------------------------------------------------ definitions

    def function(self, node: Any, scope: Scope) -> None:
        inner = self.inner("function", scope)
        if not isinstance(node, ast.Lambda):
            scope.bound.add(node.name)
            self.push(node.decorator_list, scope)
            self.annotation(node.returns, scope)
        arguments = node.args
        positional = [*arguments.posonlyargs, *arguments.args]
        pairs = list(zip(positional[::-1], arguments.defaults[::-1], strict=False))
        pairs += [p for p in zip(arguments.kwonlyargs, arguments.kw_defaults, strict=True) if p[1]]
        for argument in [*positional, *arguments.kwonlyargs, arguments.vararg, arguments.kwarg]:
            if argument is not None:
                inner.bound.add(argument.arg)
                self.annotation(argument.annotation, scope)
        for argument, default in pairs:
            self.rename(argument.arg, inner, default, scope)
        self.push([default for _, default in pairs], scope)
        body = node.body if isinstance(node.body, list) else [node.body]
        self.push([*getattr(node, "type_params", ()), *body], inner)

    def annotation(self, node: ast.AST | None, scope: Scope) -> None:
        """Read an annotation only if it does something; to name a type is to use nothing."""
        acting = (ast.NamedExpr, ast.Call, ast.Lambda, ast.Await, ast.Yield)
        if node is not None and any(isinstance(each, acting) for each in ast.walk(node)):
            self.push([node], scope)

    def klass(self, node: ast.ClassDef, scope: Scope) -> None:
        scope.bound.add(node.name)
        self.push([*node.decorator_list, *node.bases, *node.keywords], scope)
        self.push([*getattr(node, "type_params", ()), *node.body], self.inner("class", scope))

    def comprehension(self, node: Any, scope: Scope) -> None:
        generator = isinstance(node, ast.GeneratorExp)
        self.mark(node, "loop", "a generator expression" if generator else "a comprehension")
        inner = self.inner("comprehension", scope)
        parts = [node.key, node.value] if isinstance(node, ast.DictComp) else [node.elt]
        for number, each in enumerate(node.generators):
            self.push([each.iter], inner if number else scope)
            self.push([each.target, *each.ifs], inner)
        self.push(parts, inner)

    def imported(self, node: ast.Import, scope: Scope) -> None:
        for each in node.names:
            path = tuple(each.name.split("."))[:MOST_PARTS]
            name = each.asname or path[0]
            self._bind_import(node, scope, name, path if each.asname else path[:1], path)

    def imported_from(self, node: ast.ImportFrom, scope: Scope) -> None:
        module = (".",) if node.level else tuple((node.module or "").split("."))[: MOST_PARTS - 1]
        for each in node.names:
            if each.name == "*":
                self.unit.stars.append(module)
            else:
                path = (*module, each.name)
                self._bind_import(node, scope, each.asname or each.name, path, path)

    def _bind_import(self, node: ast.AST, scope: Scope, name: str, bound: Path, path: Path) -> None:
        scope.bound.add(name)
        scope.imports.setdefault(name, []).append(bound)
        if scope.kind != "module":  # there only the use of the name counts
            self.mark(node, "import", ".".join(path))

    # ------------------------------------------------------------------------------ assignments

    def assigned(self, node: ast.Assign, scope: Scope) -> None:
        for target in node.targets:
            self.pair(target, node.value, scope)
        self.push([*node.targets, node.value], scope)

    def annotated(self, node: ast.AnnAssign, scope: Scope) -> None:
        self.annotation(node.annotation, scope)
        if node.value is not None:
            self.pair(node.target, node.value, scope)
            self.push([node.target, node.value], scope)
        elif not isinstance(node.target, ast.Name):
            self.push([node.target], scope)

    def pair(self, target: ast.AST, value: ast.AST, scope: Scope) -> None:
        several = (ast.Tuple, ast.List)
        if isinstance(target, ast.Name):
            self.rename(target.id, scope, value, scope)
        elif isinstance(target, several) and isinstance(value, several):
            starred = any(isinstance(e, ast.Starred) for e in (*target.elts, *value.elts))
            if len(target.elts) == len(value.elts) and not starred:
                for name, each in zip(target.elts, value.elts, strict=True):
                    if isinstance(name, ast.Name):
                        self.rename(name.id, scope, each, scope)

    def walrus(self, node: ast.NamedExpr, scope: Scope) -> None:
        home = scope
        while home.kind == "comprehension" and home.parent is not None:
            home = home.parent
        home.bound.add(node.target.id)
        # Its value goes on to somewhere else, too, so that this is no mere renaming.
        self.rename(node.target.id, home, node.value, scope, mere=False)
        self.push([node.value], scope)

    def rename(
        self, name: str, home: Scope, value: ast.AST, scope: Scope, *, mere: bool = True
    ) -> None:
        """Note that a name stands for others, if that is all that its value says."""
        for node in _alternatives(value):
            chain = _chain(node)
            if chain is not None:
                home.aliases.setdefault(name, []).append((scope, *chain))
                if (
                    mere and home.kind != "class"
                ):  # elsewhere it is found as an attribute of the class
                    self.renamed.add(id(node))

    def augmented(self, node: ast.AugAssign, scope: Scope) -> None:
        if isinstance(node.target, ast.Name):
            self.filled.append((scope, node.target.id, False))
            self.use(node.target, scope, node.target.id, ())
            if scope.kind != "module":
                scope.bound.add(node.target.id)
            self.push([node.value], scope)
        else:
            self.push([node.target, node.value], scope)

    def declared(self, node: Any, scope: Scope) -> None:
        how = "global" if isinstance(node, ast.Global) else "nonlocal"
        scope.outside.update(dict.fromkeys(node.names, how))

    def captured(self, node: Any, scope: Scope) -> None:
        for name in (getattr(node, "name", None), getattr(node, "rest", None)):
            if name:
                scope.bound.add(name)
        self.push(ast.iter_child_nodes(node), scope)

    # ------------------------------------------------------------------------------------- uses

    def name(self, node: ast.Name, scope: Scope) -> None:
        if isinstance(node.ctx, ast.Load):
            self.use(node, scope, node.id, ())
        else:
            scope.bound.add(node.id)

    def attribute(self, node: ast.Attribute, scope: Scope) -> None:
        rest: list[str] = []
        inside: ast.AST = node
        while isinstance(inside, ast.Attribute):
            rest.append(inside.attr)
            self.mark(inside, "attribute", inside.attr)
            inside = inside.value
        if isinstance(inside, ast.Name):
            self.use(node, scope, inside.id, tuple(rest[::-1][:MOST_PARTS]))
            if not isinstance(node.ctx, ast.Load):
                self.filled.append((scope, inside.id, False))
        else:
            self.push([inside], scope)

    def use(self, node: ast.AST, scope: Scope, name: str, rest: Path) -> None:
        line = getattr(node, "lineno", 1)
        self.unit.uses.append(Use(line, scope, name, rest, id(node) in self.renamed))
        self.unit.rebinds |= name in REBINDING

    def subscript(self, node: ast.Subscript, scope: Scope) -> None:
        if not isinstance(node.ctx, ast.Load):
            inside: ast.AST = node
            while isinstance(inside, ast.Subscript | ast.Attribute):
                inside = inside.value
            if isinstance(inside, ast.Name):
                self.filled.append((scope, inside.id, False))
        self.push([node.value, node.slice], scope)

    def call(self, node: ast.Call, scope: Scope) -> None:
        function = node.func
        chain = _chain(function)
        if chain is not None and chain[1] and chain[1][-1] in FILLING:
            self.filled.append((scope, chain[0], True))
        elif chain == ("setattr", ()) and node.args and isinstance(node.args[0], ast.Name):
            self.filled.append((scope, node.args[0].id, False))
        self.push([function, *node.args, *node.keywords], scope)

    def keyword(self, node: ast.keyword, scope: Scope) -> None:
        if node.arg:
            self.mark(node.value, "keyword", node.arg)
        self.push([node.value], scope)

    def loop(self, node: Any, scope: Scope) -> None:
        word = "while" if isinstance(node, ast.While) else "for"
        self.mark(node, "loop", f"a `{word}` loop")
        self.push(ast.iter_child_nodes(node), scope)


_HANDLERS: dict[type, Any] = {
    ast.FunctionDef: _Reader.function,
    ast.AsyncFunctionDef: _Reader.function,
    ast.Lambda: _Reader.function,
    ast.ClassDef: _Reader.klass,
    ast.Import: _Reader.imported,
    ast.ImportFrom: _Reader.imported_from,
    ast.Assign: _Reader.assigned,
    ast.AnnAssign: _Reader.annotated,
    ast.AugAssign: _Reader.augmented,
    ast.NamedExpr: _Reader.walrus,
    ast.Global: _Reader.declared,
    ast.Nonlocal: _Reader.declared,
    ast.ExceptHandler: _Reader.captured,
    ast.MatchAs: _Reader.captured,
    ast.MatchStar: _Reader.captured,
    ast.MatchMapping: _Reader.captured,
    ast.Name: _Reader.name,
    ast.Attribute: _Reader.attribute,
    ast.Subscript: _Reader.subscript,
    ast.Call: _Reader.call,
    ast.keyword: _Reader.keyword,
    ast.For: _Reader.loop,
    ast.AsyncFor: _Reader.loop,
    ast.While: _Reader.loop,
} | dict.fromkeys(
    (ast.ListComp, ast.SetComp, ast.DictComp, ast.GeneratorExp), _Reader.comprehension
)


def _targets(node: ast.AST) -> Iterator[str]:
    """Iterate over the names that a statement binds as soon as it is executed."""
    if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
        yield node.name
    elif isinstance(node, ast.Import | ast.ImportFrom):
        yield from ((each.asname or each.name).split(".")[0] for each in node.names)
    elif isinstance(node, ast.Assign) or (isinstance(node, ast.AnnAssign) and node.value):
        for target in node.targets if isinstance(node, ast.Assign) else [node.target]:
            several = isinstance(target, ast.Tuple | ast.List)
            for each in target.elts if several else [target]:
                if isinstance(each, ast.Name):
                    yield each.id


def _alternatives(value: ast.AST) -> Iterator[ast.AST]:
    """Iterate over what an expression may be, if it only chooses between others."""
    pending = [value]
    while pending:
        node = pending.pop()
        if isinstance(node, ast.IfExp):
            pending += [node.body, node.orelse]
        elif isinstance(node, ast.BoolOp):
            pending += node.values
        elif isinstance(node, ast.NamedExpr):
            pending.append(node.value)
        else:
            yield node


def _chain(node: ast.AST) -> tuple[str, Path] | None:
    """Return a dotted name's first part and the rest; None for anything else."""
    rest: list[str] = []
    while isinstance(node, ast.Attribute):
        rest.append(node.attr)
        node = node.value
    return (node.id, tuple(rest[::-1][:MOST_PARTS])) if isinstance(node, ast.Name) else None
