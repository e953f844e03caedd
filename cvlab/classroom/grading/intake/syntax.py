"""What Python says of a cell's code without running it: its tree, the names it binds, its lines.

A name that is bound to a stub, a function without a body or `...`, is bound, but not answered.
"""

from __future__ import annotations

import ast
import warnings
from collections import deque
from collections.abc import Iterable, Iterator


def parsed(text: str) -> tuple[ast.Module | None, str]:
    """Return the tree of a text, or None and in a few words why there is none."""
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


def bindings(body: list[ast.stmt]) -> Iterator[tuple[str, bool]]:
    r"""Iterate over the names that statements bind at the top, and whether to more than stubs.

    Examples:
        >>> dict(bindings(ast.parse("def f():\n    raise NotImplementedError\ng = 1").body))
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


def lines_of(node: ast.stmt) -> range:
    """Return the line numbers of a statement, from 0, with its decorators."""
    starts = [node.lineno, *(each.lineno for each in getattr(node, "decorator_list", []))]
    return range(min(starts) - 1, node.end_lineno or node.lineno)


def texts_of(nodes: Iterable[ast.stmt], text: str) -> Iterator[str]:
    """Iterate over the lines in which each statement stands, whole and as they are spelt."""
    lines, before, found = text.split("\n"), None, ""
    for node in nodes:
        span = lines_of(node)
        if span != before:  # of thousands on one line, each would copy all of it
            before, found = span, "\n".join(lines[number] for number in span).strip()
        yield found
