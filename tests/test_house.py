"""The house of cvlab: which room may know which, how long a module may be, what stays private.

What a test needs is public: a test of private names would have to change with them.
"""

from __future__ import annotations

import ast
import contextlib
from collections.abc import Iterator
from pathlib import Path

import pytest
from conftest import ROOT

#: Floors from the ground up. A module imports from its own floor or from one below, never from
#: above; the first prefix that fits says where a module lives.
FLOORS = (
    ("cvlab.checking",),  # what `check` and the judge both need
    ("cvlab.classroom.notebooks", "cvlab.classroom.exercises"),
    ("cvlab.classroom.running",),
    ("cvlab.classroom.grading.intake", "cvlab.classroom.grading.box"),
    ("cvlab.classroom.grading.report",),
    ("cvlab.classroom.grading.verdict",),
    ("cvlab.classroom.grading",),
    ("cvlab.classroom.book",),
    ("cvlab.classroom.cli",),
)
#: Stands beside the floors: it sets up what all others need and imports nothing of cvlab.
ALONE = ("cvlab.classroom.bootstrap",)
LONGEST = 600


def modules(root: Path) -> dict[str, Path]:
    """Return the file of each module of the package."""
    found = {}
    for path in sorted((root / "cvlab").rglob("*.py")):
        parts = path.relative_to(root).with_suffix("").parts
        found[".".join(parts[:-1] if parts[-1] == "__init__" else parts)] = path
    return found


def imports(module: str, source: str, known: dict[str, Path]) -> Iterator[tuple[int, str, str]]:
    """Iterate over what a module imports of the package: line, module, name in it or ""."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            for alias in node.names:
                if alias.name.split(".")[0] == "cvlab":
                    yield node.lineno, alias.name, ""
        elif isinstance(node, ast.ImportFrom):
            assert not node.level, f"{module}:{node.lineno}: imports stand in full"
            if (node.module or "").split(".")[0] == "cvlab":
                for alias in node.names:
                    whole = f"{node.module}.{alias.name}"
                    yield (
                        (node.lineno, whole, "")
                        if whole in known
                        else (node.lineno, node.module, alias.name)
                    )


def floor(module: str) -> int:
    """Return a module's floor; what students import is on the ground, -1."""
    fits = [
        (len(prefix), number)
        for number, prefixes in enumerate(FLOORS)
        for prefix in prefixes
        if module == prefix or module.startswith(f"{prefix}.")
    ]
    return max(fits)[1] if fits else -1


def faults(module: str, source: str, known: dict[str, Path]) -> list[str]:
    """Return imports against the arrows, of private names, and any by whoever stands alone."""
    found = []
    for line, target, name in imports(module, source, known):
        here = f"{module}:{line}"
        of_classroom = target.startswith("cvlab.classroom")
        if module in ALONE:
            found.append(f"{here}: it imports nothing of cvlab, but {target}.")
        elif not module.startswith("cvlab.classroom") and of_classroom:
            found.append(f"{here}: it is imported by students and reaches into {target}.")
        elif of_classroom and floor(target) > floor(module):
            found.append(f"{here}: it imports {target}, which is above it.")
        if name.startswith("_") and not name.startswith("__"):
            found.append(f"{here}: it imports the private {target}.{name}.")
    return found


def test_arrows_run_one_way_and_private_names_stay_private():
    known = modules(ROOT)
    sources = {module: path.read_text(encoding="utf-8") for module, path in known.items()}
    assert [f for module, text in sources.items() for f in faults(module, text, known)] == []


def test_no_module_is_too_long():
    lines = {
        path.relative_to(ROOT).as_posix(): len(path.read_text(encoding="utf-8").splitlines())
        for path in modules(ROOT).values()
    }
    assert {name: n for name, n in lines.items() if n > LONGEST} == {}


@pytest.mark.parametrize(
    ("module", "line", "said"),
    [
        ("cvlab.plot", "from cvlab.classroom import notebooks", "imported by students"),
        ("cvlab.checking.rules", "import cvlab.classroom.notebooks", "imported by students"),
        ("cvlab.classroom.notebooks", "from cvlab.classroom.running import execute", "above it"),
        ("cvlab.classroom.running.execute", "from cvlab.classroom.book import page", "above it"),
        ("cvlab.classroom.grading.box.zygote", "from cvlab.classroom import cli", "above it"),
        (
            "cvlab.classroom.grading.intake.answers",
            "def f():\n    from cvlab.classroom.grading.verdict import judge",
            "above it",
        ),
        ("cvlab.classroom.bootstrap", "from cvlab import plot", "imports nothing of cvlab"),
        ("cvlab.features.words", "from cvlab.features.clusters import _x", "private"),
    ],
)
def test_an_arrow_against_the_floors_is_found(module, line, said):
    known = modules(ROOT)
    source = known[module].read_text(encoding="utf-8")
    (fault,) = faults(module, f"{source}\n{line}\n", known)
    assert said in fault
    assert fault.startswith(f"{module}:")


def private_names(source: str) -> list[str]:
    """Return private names of cvlab that a test touches: imported, as attributes, or replaced."""
    tree, ours, found = ast.parse(source), set(), []
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and (node.module or "").split(".")[0] == "cvlab":
            ours |= {alias.asname or alias.name for alias in node.names}
            found += [alias.name for alias in node.names if is_private(alias.name)]
        elif isinstance(node, ast.Import):
            ours |= {a.asname or "cvlab" for a in node.names if a.name.split(".")[0] == "cvlab"}
    for node in ast.walk(tree):
        if isinstance(node, ast.Attribute) and is_private(node.attr) and root(node) in ours:
            found.append(ast.unparse(node))
        elif isinstance(node, ast.Constant) and "from cvlab" in str(node.value):
            with contextlib.suppress(SyntaxError):  # code that the test runs elsewhere, or prose
                found += private_names(node.value)
        elif isinstance(node, ast.Call) and ast.unparse(node.func).split(".")[-1] == "setattr":
            target, name, *_ = [*node.args, None, None]
            text = name.value if isinstance(name, ast.Constant) else ""
            if target is not None and root(target) in ours and is_private(str(text)):
                found.append(f"{ast.unparse(target)}.{text}")
    return found


def is_private(name: str) -> bool:
    return name.startswith("_") and not name.startswith("__")


def root(node: ast.expr) -> str:
    """Return the name at the start of a chain of attributes, or ""."""
    while isinstance(node, ast.Attribute):
        node = node.value
    return node.id if isinstance(node, ast.Name) else ""


def test_tests_touch_no_private_name():
    found = {
        path.relative_to(ROOT).as_posix(): names
        for path in sorted((ROOT / "tests").rglob("*.py"))
        if path != Path(__file__)  # which plants some
        and (names := private_names(path.read_text(encoding="utf-8")))
    }
    assert found == {}


@pytest.mark.parametrize(
    ("line", "name"),
    [
        ("from cvlab.plot import _x", "_x"),
        ("from cvlab import plot\nplot._x()", "plot._x"),
        ("import cvlab.plot\ncvlab.plot._x", "cvlab.plot._x"),
        ("from cvlab import plot as p\nmonkeypatch.setattr(p, '_x', 1)", "p._x"),
        ("from cvlab import plot\nmonkeypatch.setattr(plot, 'x', 1)\nplot.__name__", ""),
        ("run('from cvlab import plot as p; p._x')", "p._x"),
        ("import numpy\nnumpy._x\nself._x", ""),
    ],
)
def test_a_private_name_in_a_test_is_found(line, name):
    assert private_names(line) == ([name] if name else [])
