"""Which tests concern what changed: those that import it, directly or by way of others.

`make check` runs these, and the rules on notebooks and the house always, so that it takes a minute
however many tests there are. `make test` runs all.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from pathlib import Path

from cvlab.classroom.notebooks import ROOT
from cvlab.classroom.running import execute

#: What is run in any case: rules that read the whole repository.
RULES = ("tests/test_house.py", "tests/book/test_hygiene.py")
_IMPORT = re.compile(r"^\s*(?:from|import) (\w+)", re.M)


def files(changed: Iterable[Path], root: Path = ROOT) -> list[Path]:
    """Return the files of tests, and changed modules for their doctests, in the order of names.

    Args:
        changed: files, of which some may not exist any more.
        root: the repository.
    """
    modules = {path for path in changed if path.suffix == ".py"}
    # A table is read by the modules that lie beside it.
    tables = {path.parent for path in changed if path.suffix == ".csv"}
    known = {path.stem: path for path in sorted((root / "tests").rglob("*.py"))}
    found = {root / name for name in RULES}
    found |= {path for path in modules if path.exists() and root / "cvlab" in path.parents}
    for path in known.values():
        if path.stem.startswith("test_"):
            reached = _reached(path, known, root)
            if modules & reached or tables & {file.parent for file in reached}:
                found.add(path)
    return sorted(path for path in found if path.exists())


def _reached(path: Path, known: dict[str, Path], root: Path) -> set[Path]:
    """Return a test, the helpers and modules of tests that it imports, and `cvlab`'s files."""
    reached, waiting = set(), [path, *filter(None, [known.get("conftest")])]
    while waiting:
        file = waiting.pop()
        if file not in reached:
            reached.add(file)
            text = file.read_text(encoding="utf-8")
            reached |= set(execute.module_files(text, root / "cvlab"))
            waiting += [known[name] for name in _IMPORT.findall(text) if name in known]
    return reached
