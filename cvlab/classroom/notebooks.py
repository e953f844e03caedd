"""Read notebooks as data, bring them into the one normal form, and say where they are not in it."""

from __future__ import annotations

import functools
import hashlib
import json
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import nbformat

ROOT = Path(__file__).resolve().parents[2]
FOLDERS = ("chapters", "solutions", "exercises")

#: Outputs of a cell with this tag are the reference for nbval and stay in the file.
KEEPS_OUTPUT = "nbval-check-output"

#: Of a notebook's code, so that no line is cut on a laptop's page.
LINE_LENGTH = 79

_KERNEL = {"display_name": "Python 3 (ipykernel)", "language": "python", "name": "python3"}
_CELL_KEYS = ("tags", "nbgrader")
# A line for IPython, not one that goes on with a comparison or a remainder.
_MAGIC = re.compile(r"^(\s*)(?:%{1,2}[A-Za-z]|!(?!=)).*$", re.M)
_OPTION = re.compile(r"^:[\w-]+:.*$", re.M)  # of a directive
_ROLE = re.compile(r"\{[a-z:]+\}`[^`]*`")
_CODE = re.compile(r"```.*?```|`[^`]*`", re.S)
_MATH = re.compile(r"\$\$.*?\$\$|\$[^$]*\$", re.S)
_LINK = re.compile(r"\]\([^)]*\)|<[^>]+>")
_ID = re.compile(r"^[a-z0-9][a-z0-9-]{2,63}$")


class NotebookError(ValueError):
    """A file that is not a readable notebook; the message says what to do."""


def load(path: Path) -> nbformat.NotebookNode:
    """Read a notebook file.

    Raises:
        NotebookError: if it is missing, not UTF-8, not JSON or not a notebook of format 4.
    """
    return _read(path, _parsed.__wrapped__)


def look(path: Path) -> nbformat.NotebookNode:
    """Read a notebook file without changing what is returned: all who look share it.

    Rules look at each notebook dozens of times, and parsing is most of their work.

    Raises:
        NotebookError: as `load`.
    """
    return _read(path, _parsed)


@functools.lru_cache(maxsize=256)
def _parsed(text: str) -> nbformat.NotebookNode:
    import nbformat  # takes a second, which commands that read no notebook need not wait

    notebook = nbformat.reads(text, as_version=4)
    nbformat.validate(notebook)
    return notebook


def _read(path: Path, parse: Callable[[str], nbformat.NotebookNode]) -> nbformat.NotebookNode:
    import nbformat

    try:
        return parse(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise NotebookError(f"{path} does not exist; `ls {path.parent}` shows the names.") from None
    except (UnicodeDecodeError, ValueError, KeyError, AttributeError, TypeError) as error:
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise NotebookError(f"{path} is not a readable notebook ({reason}).") from error
    except nbformat.ValidationError as error:
        raise NotebookError(f"{path} is not a valid notebook: {error.message}.") from error


def tags(cell: Any) -> list[str]:
    """Return the tags of a cell."""
    return list(cell.get("metadata", {}).get("tags", []))


def systems(notebook: Any) -> list[str]:
    """Return the ids of the methods that the notebook's code cells are tagged with, in order."""
    return [
        tag.removeprefix("system:")
        for cell in notebook["cells"]
        if cell["cell_type"] == "code"
        for tag in tags(cell)
        if tag.startswith("system:")
    ]


def title(notebook: Any) -> str:
    """Return a notebook's title: its first heading of the first level, or nothing."""
    sources = ("".join(c["source"]) for c in notebook["cells"] if c["cell_type"] == "markdown")
    return next((m[1] for source in sources if (m := re.search(r"^# (.+)$", source, re.M))), "")


def plain(source: str) -> str:
    r"""Return a cell's code as Python: lines for IPython become `pass`, numbered as before.

    >>> plain("%pip install x\n!ls\nright = (one\n    != two\n    % three)")
    'pass\npass\nright = (one\n    != two\n    % three)'
    """
    return _MAGIC.sub(r"\1pass", source)


def prose(source: str) -> str:
    """Return Markdown without code, roles, formulas and addresses: what a reader reads."""
    for pattern in (_OPTION, _ROLE, _CODE, _MATH, _LINK):
        source = pattern.sub(" ", source)
    return source


def normal(notebook: Any) -> dict[str, Any]:
    """Return the notebook in normal form: no outputs, counts or editor's metadata, stable ids."""
    taken: set[str] = set()
    cells = []
    for cell in notebook["cells"]:
        source = "".join(cell["source"]).rstrip()
        if not source:
            continue
        identifier = cell.get("id", "")
        if not _ID.match(identifier) or identifier in taken:
            identifier = hashlib.sha256(f"{len(taken)}{source}".encode()).hexdigest()[:8]
        taken.add(identifier)
        metadata = {key: cell["metadata"][key] for key in _CELL_KEYS if cell["metadata"].get(key)}
        tidy: dict[str, Any] = {
            "cell_type": cell["cell_type"],
            "id": identifier,
            "metadata": metadata,
            "source": source.splitlines(keepends=True),
        }
        if cell["cell_type"] == "code":
            keeps = KEEPS_OUTPUT in metadata.get("tags", [])
            tidy["outputs"] = [dict(o) for o in cell.get("outputs", [])] if keeps else []
            # nbval refuses outputs of a cell that was never run; any number says that it was.
            count = tidy["execution_count"] = 1 if tidy["outputs"] else None
            for output in tidy["outputs"]:
                if "execution_count" in output:
                    output["execution_count"] = count
        cells.append(tidy)
    metadata = {"kernelspec": _KERNEL, "language_info": {"name": "python"}}
    if "cvlab" in notebook["metadata"]:
        metadata["cvlab"] = notebook["metadata"]["cvlab"]
    return {"cells": cells, "metadata": metadata, "nbformat": 4, "nbformat_minor": 5}


def text(notebook: Any) -> str:
    """Return the file content of a notebook: one spelling of the same JSON."""
    return json.dumps(notebook, indent=1, ensure_ascii=False, sort_keys=True) + "\n"


def write(path: Path, content: str) -> None:
    """Write a file whole or not at all: a full disk or a kill leaves the old one as it was."""
    partial = path.with_name(f".{path.name}.partial")
    try:
        partial.write_text(content, encoding="utf-8")
        partial.replace(path)
    except OSError as error:
        error.filename = error.filename or str(path)  # a full disk does not say of which file
        raise
    finally:
        partial.unlink(missing_ok=True)


def files(root: Path = ROOT, folders: Iterable[str] = FOLDERS) -> Iterator[Path]:
    """Iterate over the notebooks of the given folders, in order; the front page is not one."""
    for folder in folders:
        yield from sorted((root / folder).glob("*.ipynb"))


def repository_files(root: Path = ROOT) -> list[Path]:
    """Return the files of the repository: what git tracks, and what it would if asked."""
    listed = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard", "-z"],
        cwd=root,
        capture_output=True,
        check=False,
    )
    if listed.returncode == 0:
        paths = [root / name for name in listed.stdout.decode().split("\0") if name]
    else:  # an unpacked archive
        paths = [p for p in root.rglob("*") if not {".venv", "_build", ".git"} & set(p.parts)]
    return [path for path in paths if path.is_file()]


def tidy(paths: Iterable[Path]) -> list[Path]:
    """Format notebooks with ruff and write them in normal form.

    Returns:
        The files that were changed.

    Raises:
        NotebookError: if a file is no notebook, or a code cell no Python.
    """
    paths = list(paths)
    before = {path: path.read_bytes() for path in paths}
    for path in paths:
        load(path)  # a damaged notebook is named before anything is written
    # ruff rewrites files in place, so it gets copies: nothing is lost when the disk is full.
    with tempfile.TemporaryDirectory() as folder:
        copies = {path: Path(folder) / f"{path.parent.name}-{path.name}" for path in paths}
        for path, copy in copies.items():
            shutil.copy(path, copy)
        ruff = [sys.executable, "-m", "ruff", "format", "--no-cache"]
        ruff += ["--config", str(ROOT / "pyproject.toml"), f"--line-length={LINE_LENGTH}"]
        done = subprocess.run(
            [*ruff, *copies.values()], capture_output=True, text=True, check=False
        )
        if done.returncode:
            reason = (done.stderr or done.stdout).strip().splitlines()[0]
            raise NotebookError(f"ruff cannot format a code cell: {reason.replace(folder, '')}")
        for path, copy in copies.items():
            content = text(normal(load(copy)))
            if content.encode() != before[path]:
                write(path, content)
    return [path for path in paths if path.read_bytes() != before[path]]
