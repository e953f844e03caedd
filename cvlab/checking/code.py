"""The code of a notebook as text: statement by statement, which names it binds, uses and hides.

`Notebook` takes cells in the order in which they run; `Reach` follows a function to all that it
uses by name: helpers, constants, aliases, wherever they are defined. Nothing is executed.

The text may be hostile. All work is linear in its length: trees are walked with stacks of our own,
every name is followed through at most `MOST_MEANINGS` others, and scopes nest `MOST_SCOPES` deep.
"""

from __future__ import annotations

import ast
import builtins
import itertools
import warnings
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

MOST_MEANINGS = 40  # of one name, and of names on the way to them
MOST_SCOPES = 100  # functions inside functions
MOST_PARTS = 12  # of a dotted name

#: What IPython adds is no part of the language.
BUILTINS = frozenset(dir(builtins)) - {
    "copyright", "credits", "display", "exit", "get_ipython", "help", "quit",
}  # fmt: skip
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


@dataclass(frozen=True)
class Text:
    """Code of one cell or file; `place` says where it stands."""

    source: str
    place: str = ""


@dataclass(frozen=True)
class Answer:
    """What stands for a task: its names, and the texts in which they are defined."""

    names: tuple[str, ...]
    texts: frozenset[int]


# ---------------------------------------------------------------------------- one statement


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

    @property
    def owner(self) -> str:
        """A name that it binds or changes."""
        return min(self.scope.bound or self.fills or self.calls, default="")


#: A name that stands for another one: where that is used, at which top, its name and its dots.
Alias = tuple[Scope, Scope, str, Path]


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


# ---------------------------------------------------------------------------------- a notebook


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
    for unit in _flat(body, text):
        yield _read(unit)


def _read(unit: Unit) -> Unit:
    try:
        _Reader(unit).read()
    except Unreadable:
        unit.marks = [(unit.span[0], "depth", "")]
    return unit


class Notebook:
    """The code of a notebook in the order in which it is executed.

    Args:
        texts: cells or files.
        read: gives the statements of a text.
    """

    def __init__(
        self, texts: Sequence[Text], read: Callable[[str], Iterable[Unit]] = units
    ) -> None:
        self.texts = list(texts)
        self.binding: dict[str, list[Unit]] = {}
        self.stars: dict[Path, None] = {}  #: modules of which all names are imported
        self.rebinds = False  #: whether names may be bound that are not written
        for number, text in enumerate(self.texts):
            for unit in read(text.source):
                self._enter(replace(unit, text=number))

    def _enter(self, unit: Unit) -> None:
        for name in unit.scope.bound | unit.fills | unit.calls:
            self.binding.setdefault(name, []).append(unit)
        self.stars |= dict.fromkeys(unit.stars)
        self.rebinds |= unit.rebinds

    def add(self, nodes: Sequence[ast.AST], text: int, name: str = "") -> None:
        """Add statements that are not at the top of a text, or an expression under a name."""
        if not name:
            for unit in _flat(list(nodes), text):
                self._enter(_read(unit))
            return
        unit = Unit(list(nodes), text, _span(nodes[0]), certain=False)
        unit.scope.bound.add(name)
        self._enter(_read(unit))

    def binds(self, text: int, name: str) -> bool:
        """Tell whether a text binds a name."""
        found = self.binding.get(name, ())
        return any(unit.text == text and name in unit.scope.bound for unit in found)


class Reach:
    """What an answer uses in a notebook.

    Args:
        notebook: all of the code.
        answer: where to begin.

    Raises:
        Unreadable: if there is no definition of it.
    """

    def __init__(self, notebook: Notebook, answer: Answer) -> None:
        self.notebook, self.answer = notebook, answer
        self._bindings: dict[tuple[str, bool], list[Unit]] = {}
        self._given: dict[tuple[str, bool], tuple[list[Path], list[Alias]]] = {}
        self._meant: dict[tuple[int, str, bool], tuple[tuple[Path, ...], str]] = {}
        self.units = self._followed()  #: itself first, each with whether it has run before
        if not self.units:
            raise Unreadable(f"there is no definition of {', '.join(answer.names)}")

    def bindings(self, name: str, eager: bool) -> list[Unit]:
        """Return the statements that make a name what it is.

        Args:
            name: of the notebook.
            eager: what it was at any time; otherwise what it is in the end.
        """
        if (name, eager) in self._bindings:
            return self._bindings[name, eager]
        found = self.notebook.binding.get(name, [])
        modules = any(name in unit.scope.imports for unit in found)
        # `np.append(...)` puts nothing into NumPy.
        found = [u for u in found if name in u.scope.bound or name in u.fills or not modules]
        if name in self.answer.names:  # the answer is what counts of these
            own = self.answer.texts
            found = [u for u in found if u.text in own or name not in u.scope.bound]
        if not eager:
            # Nor does a later cell excuse what the answer's own cell says.
            own = _latest([unit for unit in found if unit.text in self.answer.texts], name)
            kept = {id(unit) for unit in (*own, *_latest(found, name))}
            found = [unit for unit in found if id(unit) in kept]
        self._bindings[name, eager] = found
        return found

    def _followed(self) -> list[tuple[Unit, bool]]:
        seen: dict[int, bool] = {}
        order: list[Unit] = []
        pending = [(name, False) for name in self.answer.names][::-1]
        asked: set[tuple[str, bool]] = set()
        while pending:
            name, eager = pending.pop()
            if (name, eager) in asked or (name, True) in asked:
                continue
            asked.add((name, eager))
            for unit in self.bindings(name, eager):
                known = seen.get(id(unit))
                if known is None:
                    order.append(unit)
                if known is None or (eager and not known):
                    seen[id(unit)] = eager
                    uses = [use for use in unit.uses if use.scope.home(use.name) is unit.scope]
                    pending += [(use.name, eager or not use.scope.lazy) for use in uses[::-1]]
        return [(unit, seen[id(unit)]) for unit in order]

    def source(self) -> str:
        """Return the code of all that is used, in the notebook's order."""
        spans = sorted({(unit.text, *unit.span) for unit, _ in self.units})
        texts = {number: self.notebook.texts[number].source for number, *_ in spans}
        lines = {number: text.encode().split(b"\n") for number, text in texts.items()}
        parts = []
        for number, first, start, last, end in spans:
            part = lines[number][first - 1 : last]
            part[-1] = part[-1][:end]  # another statement may share the line
            part[0] = part[0][start:]
            parts.append(b"\n".join(part).decode())
        return "\n\n".join(parts)

    def meanings(self, use: Use, unit: Unit, eager: bool) -> tuple[tuple[Path, ...], str]:
        """Return the dotted names that a name may stand for, in a library or a builtin.

        Args:
            use: of the name.
            unit: in which it is used.
            eager: whether the unit has run before.

        Returns:
            The dotted names, without what follows the name where it is used; and "unknown" if
            nothing defines the name, "many" if it has more meanings than anyone would give it.
        """
        early = eager or not use.scope.lazy
        at = use.scope.home(use.name)
        key = (0 if at is unit.scope else id(at), use.name, early)
        if key not in self._meant:
            self._meant[key] = self._traced(use, unit.scope, early)
        return self._meant[key]

    def _traced(self, use: Use, top: Scope, eager: bool) -> tuple[tuple[Path, ...], str]:
        pending = [(use.scope, top, use.name, ())]
        seen: set[tuple[int, str, Path]] = set()
        found: dict[Path, None] = {}
        unknown = ""
        while pending:
            scope, top, name, rest = pending.pop()
            at = scope.home(name)
            mark = (0 if at is top else id(at), name, rest)
            if mark in seen:
                continue
            seen.add(mark)
            if at is not top:
                paths, aliases = at.imports.get(name, []), at.aliases.get(name, [])
                aliases = [(where, top, other, more) for where, other, more in aliases]
            elif self.bindings(name, eager):
                paths, aliases = self._at_the_top(name, eager)
            else:
                paths, aliases = self._outside(name), []
                unknown = unknown or ("" if paths else "unknown")
            if max(len(seen), len(found), len(paths), len(aliases)) > MOST_MEANINGS:
                return (), "many"
            found |= {(*path, *rest)[:MOST_PARTS]: None for path in paths}
            pending += [
                (where, root, other, (*more, *rest)[:MOST_PARTS])
                for where, root, other, more in aliases
            ]
        return tuple(found), unknown

    def _at_the_top(self, name: str, eager: bool) -> tuple[list[Path], list[Alias]]:
        """Return what a name of the notebook is imported from, and what else it stands for."""
        if (name, eager) not in self._given:
            tops = [unit.scope for unit in self.bindings(name, eager)]
            paths = {path: None for top in tops for path in top.imports.get(name, ())}
            aliases = {
                (scope, top, other, more): None
                for top in tops
                for scope, other, more in top.aliases.get(name, ())
            }
            self._given[name, eager] = list(paths), list(aliases)
        return self._given[name, eager]

    def _outside(self, name: str) -> list[Path]:
        """Return what a name may be that no statement binds."""
        if name in BUILTINS or (name.startswith("__") and name.endswith("__")):
            return [("builtins", name)]
        few = itertools.islice(self.notebook.stars, MOST_MEANINGS + 1)
        return [(*star, name) for star in few]


def _latest(found: list[Unit], name: str) -> list[Unit]:
    """Return the statements after which nothing of the earlier ones is left of a name."""
    sure = [number for number, unit in enumerate(found) if name in unit.sure]
    return found[sure[-1] :] if sure else found


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
