"""Where the code of an answer is: in the cells of a running notebook, or in a file."""

from __future__ import annotations

import ast
import functools
import linecache
import sys
from typing import Any

from cvlab.checking.code import Answer, Notebook, Reach, Text
from cvlab.checking.statements import Unit, Unreadable, parse, units

ROOT = "<answer>"  # a function that stands under no name
#: Magics whose cell is still Python, with its names in the notebook's name space.
PYTHON_MAGICS = frozenset({"capture", "memit", "prun", "snakeviz", "time"})


def shell() -> Any:
    """Return the IPython shell that runs the notebook, or None."""
    if "IPython" not in sys.modules:
        return None
    return sys.modules["IPython"].get_ipython()


def reach(answer: Any, names: dict[str, Any]) -> Reach:
    """Return the code of an answer with all that it uses.

    Args:
        answer: a function, or whatever stands for one.
        names: of the notebook.

    Raises:
        Unreadable: if its source is not to be had.
    """
    code = getattr(answer, "__code__", None)
    source = "".join(linecache.getlines(code.co_filename)) if code else ""
    name = _name(answer, names)
    if not name:
        names = getattr(answer, "__globals__", names)
        name = _name(answer, names)
    texts = _texts(source, code.co_filename if code else "", names)
    notebook = Notebook(texts, _remembered)
    own = [n for n, text in enumerate(texts) if source and _same(text.source, source)][-1:]
    if name and not (own and notebook.binds(own[0], name)):  # say, what a decorator has made
        own = [n for n in range(len(texts)) if notebook.binds(n, name)][-1:] or own
    if not own:
        raise Unreadable("its source is not to be had")
    if not name or not notebook.binds(own[0], name):
        name = _add(notebook, own[0], code)
    return Reach(notebook, Answer((name,), frozenset(own)))


def _name(answer: Any, names: dict[str, Any]) -> str:
    """Return the name by which a notebook knows an answer; empty if it has none."""
    likely = getattr(answer, "__name__", "")
    if names.get(likely) is answer:
        return likely
    found = (name for name, value in list(names.items()) if value is answer)
    return next((name for name in found if not name.startswith("_")), "")


def _texts(source: str, file: str, names: dict[str, Any]) -> list[Text]:
    """Return the cells that have run, in their order, or the file of the answer."""
    running = shell()
    elsewhere = source and not _is_cell(file, running)
    if running is None or (elsewhere and names is not running.user_ns):
        return [Text(source)] if source else []
    source = "" if elsewhere else source
    typed = running.user_ns.get("In")
    cells = [one for one in typed if isinstance(one, str)] if isinstance(typed, list) else []
    if not cells or (source and not any(_same(one, source) for one in cells)):
        # Cells that are run without a history; here one that ran twice has its first place.
        files = [file for file in list(linecache.cache) if _is_cell(file, running)]
        cells = ["".join(linecache.getlines(each)) for each in files]
    return [Text(_python(cell)) for cell in cells]


def _is_cell(file: str, running: Any) -> bool:
    known = getattr(getattr(running, "compile", None), "_filename_map", {})
    return file in known or "ipython-input" in file or "ipykernel_" in file


def _same(first: str, second: str) -> bool:
    return first.rstrip() == second.rstrip()


def _python(cell: str) -> str:
    """Return a cell as Python: under `%%time` it stands in a string."""
    if not cell.startswith("get_ipython().run_cell_magic("):
        return cell
    try:
        call = ast.parse(cell).body[0].value  # type: ignore[attr-defined]
        magic, _, body = (ast.literal_eval(each) for each in call.args)
    except (SyntaxError, ValueError, AttributeError, IndexError):
        return ""
    return f"\n{body}" if magic in PYTHON_MAGICS else ""


@functools.lru_cache(maxsize=1024)
def _remembered(source: str) -> tuple[Unit, ...]:
    """Read a cell once: a notebook of the course asks for its cells again and again."""
    return tuple(units(source))


def _add(notebook: Notebook, text: int, code: Any) -> str:
    """Add a function that is none of a text's own statements, and what stands around it.

    Raises:
        Unreadable: if it cannot be found.
    """
    around: list[Any] = []
    found: list[Any] = []
    pending: list[tuple[Any, tuple[Any, ...]]] = [
        (node, ()) for node in parse(notebook.texts[text].source)
    ]
    while pending:
        node, outer = pending.pop()
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda):
            lines = [node.lineno, *(each.lineno for each in getattr(node, "decorator_list", ()))]
            if code is not None and min(lines) == code.co_firstlineno and _called(node, code):
                found.append(node)
                around = [*outer]
            outer = (*outer, node)
        pending += [(each, outer) for each in ast.iter_child_nodes(node)]
    if not found:
        raise Unreadable("its source is not to be had")
    for each in around:
        if isinstance(each.body, list):
            notebook.add(each.body, text)
    for node in found:
        notebook.add([node], text, ROOT)
    return ROOT


def _called(node: Any, code: Any) -> bool:
    return getattr(node, "name", "<lambda>") == code.co_name
