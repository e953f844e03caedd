"""Names of an answer that later cells of the notebook bind again.

A student who goes on to use a name of an answer, in a loop or another experiment, has changed what
the answer does when the notebook has run. What was seen when it was checked counts as well.
"""

from __future__ import annotations

import ast
import dataclasses
import symtable
import warnings

from cvlab.classroom.grading.intake.answers import Answer, Located
from cvlab.classroom.grading.intake.tasks import Task


def undone(located: Located) -> list[Answer]:
    """Return the answers after which the notebook defines something else by their names.

    They are executed once more in the end.
    """
    last = max((c.index for c in located.prelude if c.role == "superseded"), default=-1)
    return [one for one in located.answers if one.cells and min(one.cells) < last]


def as_checked(task: Task, answer: Answer, located: Located) -> Located | None:
    """Return a notebook up to the last check of a task; None if the rest does not matter to it.

    The rest matters if it binds a name that the answer uses.
    """
    checks = [code.index for code in located.prelude if task.name in code.tasks]
    last = max([*checks, *answer.cells])
    later = [code for code in located.prelude if code.index > last and code.role != "check"]
    used = _used(task, answer, located)
    if used is None or not any(
        used & _bound(node) for code in later for node in _body(code.source)
    ):
        return None
    prelude = tuple(code for code in located.prelude if code.index <= last)
    return dataclasses.replace(located, prelude=prelude)


def _used(task: Task, answer: Answer, located: Located) -> set[str] | None:
    """Return the names that an answer, and what else stands in its cells, takes from the notebook.

    None if that cannot be told, because the code is no Python or nested too deeply.
    """
    texts, binding = _statements(answer, located)
    for name in task.names:  # the answer is what counts of these, as the box runs it last
        binding.pop(name, None)
    pending = _needed(answer.source)
    if pending is None:
        return None
    names: set[str] = set()
    taken: set[int] = set()
    while pending:
        name = pending.pop()
        names.add(name)
        for position in binding.pop(name, ()):
            if position not in taken:
                taken.add(position)
                needed = _needed(texts[position])
                if needed is None:
                    return None
                pending |= needed - names
    return names - set(task.names)


def _statements(answer: Answer, located: Located) -> tuple[list[str], dict[str, list[int]]]:
    """Return the statements outside of an answer's cells, and which of them bind each name."""
    texts: list[str] = []
    binding: dict[str, list[int]] = {}
    for code in located.prelude:
        if code.role == "check" or code.index in answer.cells:
            continue
        lines = code.source.encode().split(b"\n")
        for node in _body(code.source):
            for name in _bound(node):
                binding.setdefault(name, []).append(len(texts))
            texts.append(_text(node, lines))
    return texts, binding


def _body(source: str) -> list[ast.stmt]:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return ast.parse(source).body
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return []


def _text(node: ast.stmt, lines: list[bytes]) -> str:
    """Return a statement as it is written; a decorator begins its line."""
    decorators = getattr(node, "decorator_list", ())
    part = lines[min([node.lineno, *(each.lineno for each in decorators)]) - 1 : node.end_lineno]
    part[-1] = part[-1][: node.end_col_offset]
    if not decorators:
        part[0] = part[0][node.col_offset :]
    return b"\n".join(part).decode()


def _needed(source: str) -> set[str] | None:
    r"""Return the names that a piece of code takes from outside of its functions.

    A parameter or a local variable is none of them, whatever else in the notebook has its name.

    >>> sorted(_needed("def f(x):\n    return [g(y) for y in x]\nf(a)"))
    ['a', 'f', 'g']
    """
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            tables = [symtable.symtable(source, "<answer>", "exec")]
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return None
    found: set[str] = set()
    for table in tables:  # grows
        tables += table.get_children()
        outermost = table.get_type() == "module"
        for symbol in table.get_symbols():
            if symbol.is_referenced() and (outermost or symbol.is_global()):
                found.add(symbol.get_name())
    return found


def _bound(node: ast.stmt) -> set[str]:
    """Return the names that a statement of the top level binds."""
    found: set[str] = set()
    pending: list[ast.AST] = [node]
    while pending:
        each = pending.pop()
        if isinstance(each, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            found.add(each.name)
        elif isinstance(each, ast.Import | ast.ImportFrom):
            found |= {(alias.asname or alias.name).split(".")[0] for alias in each.names}
        elif isinstance(each, ast.Name) and isinstance(each.ctx, ast.Store):
            found.add(each.id)
        elif isinstance(each, ast.comprehension):  # its variables are its own
            pending += [each.iter, *each.ifs]
        elif not isinstance(each, ast.Lambda):
            pending += ast.iter_child_nodes(each)
    return found
