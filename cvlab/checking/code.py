"""The code of a notebook as text: what an answer uses, wherever that is defined.

`Notebook` takes cells in the order in which they run; `Reach` follows a function to all that it
uses by name: helpers, constants, aliases, wherever they are defined. Nothing is executed.

The text may be hostile: every name is followed through at most `MOST_MEANINGS` others, and all
other work is linear in the length of the text, as in `statements`.
"""

from __future__ import annotations

import ast
import bisect
import builtins
import itertools
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace

from cvlab.checking.statements import (
    MOST_PARTS,
    Path,
    Scope,
    Unit,
    Unreadable,
    Use,
    named,
    units,
    units_of,
)

MOST_MEANINGS = 40  # of one name, and of names on the way to them
MOST_BEFORE = 20  # definitions that may be in force where an answer's name is used

#: What IPython adds is no part of the language.
BUILTINS = frozenset(dir(builtins)) - {
    "copyright", "credits", "display", "exit", "get_ipython", "help", "quit",
}  # fmt: skip

#: A name that stands for another one: where that is used, in which unit, its name and its dots.
Alias = tuple[Scope, Unit, str, Path]


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
        self._count = 0
        for number, text in enumerate(self.texts):
            for unit in read(text.source):
                self._enter(replace(unit, text=number))

    def _enter(self, unit: Unit) -> None:
        self._count += 1
        unit.number = self._count
        for name in unit.scope.bound | unit.fills | unit.calls:
            self.binding.setdefault(name, []).append(unit)
        self.stars |= dict.fromkeys(unit.stars)
        self.rebinds |= unit.rebinds

    def add(self, nodes: Sequence[ast.AST], text: int, name: str = "") -> None:
        """Add statements that are not at the top of a text, or an expression under a name."""
        for unit in [named(nodes, text, name)] if name else units_of(nodes, text):
            self._enter(unit)

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
        self._own: dict[str, tuple[list[Unit], list[int]]] = {}
        self._given: dict[tuple[str, bool, int], tuple[list[Path], list[Alias]]] = {}
        self._meant: dict[tuple[int, str, bool, int], tuple[tuple[Path, ...], str]] = {}
        self.units = self._followed()  #: itself first, each with whether it has run before
        if not self.units:
            raise Unreadable(f"there is no definition of {', '.join(answer.names)}")

    def bindings(self, name: str, eager: bool, at: Unit | None = None) -> list[Unit]:
        """Return the statements that make a name what it is.

        Args:
            name: of the notebook.
            eager: what it was at any time; otherwise what it is in the end.
            at: the unit that reads it while it runs, if it is known. An answer's name means there
                what it meant until then, which need not be the answer.
        """
        if eager and name in self.answer.names:
            return self._before(name, at)
        if (name, eager) in self._bindings:
            return self._bindings[name, eager]
        found = self._bound(name)
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

    def _bound(self, name: str) -> list[Unit]:
        found = self.notebook.binding.get(name, [])
        modules = any(name in unit.scope.imports for unit in found)
        # `np.append(...)` puts nothing into NumPy.
        return [u for u in found if name in u.scope.bound or name in u.fills or not modules]

    def _before(self, name: str, at: Unit | None) -> list[Unit]:
        """Return what an answer's name may mean where a unit reads it, or at any time."""
        found = self._ever(name)[0]
        return found if at is None else found[slice(*self._in_force(name, at))]

    def _ever(self, name: str) -> tuple[list[Unit], list[int]]:
        """Return all definitions of an answer's name, and where those begin that a moment has."""
        if name not in self._own:
            found, latest = self._bound(name), [0]
            for number, unit in enumerate(found):
                latest.append(number if name in unit.sure else latest[-1])
            self._own[name] = found, latest
        return self._own[name]

    def _in_force(self, name: str, at: Unit) -> tuple[int, int]:
        """Return which definitions of an answer's name may be in force where a unit runs."""
        found, latest = self._ever(name)
        end = bisect.bisect_left(found, at.number, key=lambda unit: unit.number)
        return latest[end], end

    def _followed(self) -> list[tuple[Unit, bool]]:
        seen: dict[int, bool] = {}
        order: list[Unit] = []
        pending: list[tuple[str, bool, Unit | None]]
        pending = [(name, False, None) for name in self.answer.names][::-1]
        asked: set[tuple[str, bool, int]] = set()
        while pending:
            name, eager, at = pending.pop()
            own = name in self.answer.names
            if (name, eager, _number(at)) in asked or (not own and (name, True, 0) in asked):
                continue
            asked.add((name, eager, _number(at)))
            for unit in self.bindings(name, eager, at):
                known = seen.get(id(unit))
                if known is None:
                    order.append(unit)
                if known is None or (eager and not known):
                    seen[id(unit)] = eager
                    uses = [use for use in unit.uses if use.scope.home(use.name) is unit.scope]
                    pending += [
                        (
                            use.name,
                            eager or not use.scope.lazy,
                            self._moment(use.name, use.scope, unit),
                        )
                        for use in uses[::-1]
                    ]
        return [(unit, seen[id(unit)]) for unit in order]

    def _reads(self, name: str, scope: Scope) -> bool:
        """Tell whether a unit reads a name of the answer while it runs, and not later."""
        return name in self.answer.names and not scope.lazy

    def _moment(self, name: str, scope: Scope, unit: Unit) -> Unit | None:
        """Return the unit if what a name of the answer means depends on when that runs."""
        if not self._reads(name, scope):
            return None
        first, end = self._in_force(name, unit)
        # Where many may be in force, all are asked once instead of some again and again.
        return unit if end - first <= MOST_BEFORE else None

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
        moment = _number(self._moment(use.name, use.scope, unit))
        key = (0 if at is unit.scope else id(at), use.name, early, moment)
        if key not in self._meant:
            self._meant[key] = self._traced(use, unit, early)
        return self._meant[key]

    def _traced(self, use: Use, unit: Unit, eager: bool) -> tuple[tuple[Path, ...], str]:
        pending = [(use.scope, unit, use.name, ())]
        seen: set[tuple[int, str, Path, int]] = set()
        found: dict[Path, None] = {}
        unknown = ""
        while pending:
            scope, unit, name, rest = pending.pop()
            at, top = scope.home(name), unit.scope
            now = self._moment(name, scope, unit) if at is top else None
            early = eager or (at is top and self._reads(name, scope))
            mark = (0 if at is top else id(at), name, rest, _number(now))
            if mark in seen:
                continue
            seen.add(mark)
            if at is not top:
                paths, aliases = at.imports.get(name, []), at.aliases.get(name, [])
                aliases = [(where, unit, other, more) for where, other, more in aliases]
            elif self.bindings(name, early, now):
                paths, aliases = self._at_the_top(name, early, now)
            else:
                paths, aliases = self._outside(name), []
                unknown = unknown or ("" if paths else "unknown")
            if max(len(seen), len(found), len(paths), len(aliases)) > MOST_MEANINGS:
                return (), "many"
            found |= {(*path, *rest)[:MOST_PARTS]: None for path in paths}
            pending += [
                (where, other_unit, other, (*more, *rest)[:MOST_PARTS])
                for where, other_unit, other, more in aliases
            ]
        return tuple(found), unknown

    def _at_the_top(
        self, name: str, eager: bool, at: Unit | None
    ) -> tuple[list[Path], list[Alias]]:
        """Return what a name of the notebook is imported from, and what else it stands for."""
        key = name, eager, _number(at)
        if key not in self._given:
            tops = self.bindings(name, eager, at)
            paths = {path: None for top in tops for path in top.scope.imports.get(name, ())}
            aliases = {
                (id(scope), id(top), other, more): (scope, top, other, more)
                for top in tops
                for scope, other, more in top.scope.aliases.get(name, ())
            }
            self._given[key] = list(paths), list(aliases.values())
        return self._given[key]

    def _outside(self, name: str) -> list[Path]:
        """Return what a name may be that no statement binds."""
        if name in BUILTINS or (name.startswith("__") and name.endswith("__")):
            return [("builtins", name)]
        few = itertools.islice(self.notebook.stars, MOST_MEANINGS + 1)
        return [(*star, name) for star in few]


def _number(unit: Unit | None) -> int:
    return 0 if unit is None else unit.number


def _latest(found: list[Unit], name: str) -> list[Unit]:
    """Return the statements after which nothing of the earlier ones is left of a name."""
    sure = [number for number, unit in enumerate(found) if name in unit.sure]
    return found[sure[-1] :] if sure else found
