"""Plant faults in the functions of the chapters, and list those that no assertion notices.

    python tests/benchmarks/bench_mutants.py             # six for each chapter, drawn by a seed
    python tests/benchmarks/bench_mutants.py 05 --each 20 --seed 3

A page is run cell by cell. Before a cell that defines functions the process forks: each child puts
one fault into the cell and runs the rest of the page, until an assertion or any other error stops
it. A child that reaches the end is a survivor: an assertion is missing, or the fault changes no
result, which a reader has to judge. Takes minutes a chapter; it is no part of the tests. It needs
`fork`: Linux or macOS.
"""

from __future__ import annotations

import argparse
import ast
import contextlib
import copy
import io
import json
import os
import random
import signal
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT))

from cvlab.classroom import notebooks  # noqa: E402
from cvlab.classroom.book import layers  # noqa: E402

SECONDS = 400  # of one child; who takes longer has noticed something too
_OPERATORS = {
    ast.Add: ast.Sub, ast.Sub: ast.Add, ast.Mult: ast.Div, ast.Div: ast.Mult,
    ast.FloorDiv: ast.Div, ast.Pow: ast.Mult, ast.Mod: ast.FloorDiv,
    ast.Lt: ast.LtE, ast.LtE: ast.Lt, ast.Gt: ast.GtE, ast.GtE: ast.Gt,
    ast.Eq: ast.NotEq, ast.NotEq: ast.Eq, ast.And: ast.Or, ast.Or: ast.And,
}  # fmt: skip
_NAMES = {
    "max": "min", "min": "max", "argmax": "argmin", "argmin": "argmax", "mean": "sum",
    "sum": "mean", "maximum": "minimum", "minimum": "maximum", "floor": "ceil", "ceil": "floor",
    "zeros": "ones", "ones": "zeros", "sin": "cos", "cos": "sin",
}  # fmt: skip
_DROPPED = {"abs", "sqrt", "exp", "log", "relu", "clip", "sorted", "round"}  # f(x) becomes x


@dataclass(frozen=True)
class Mutant:
    """One fault: the cell with it, the function it is in, its line, and the change in words."""

    function: str
    line: str
    change: str
    source: str


def mutants(source: str) -> list[Mutant]:
    """Return every cell that differs by one planted fault inside a function."""
    tree = ast.parse(source)
    found = []
    for function in [n for n in ast.walk(tree) if isinstance(n, ast.FunctionDef)]:
        if function.name.startswith(("draw", "describe", "alt", "show", "__repr")):
            continue
        for node in ast.walk(function):
            for change, undo in _faults(node):
                line = source.splitlines()[getattr(node, "lineno", function.lineno) - 1].strip()
                with contextlib.suppress(Exception):
                    faulty = ast.unparse(ast.fix_missing_locations(copy.deepcopy(tree)))
                    if faulty != ast.unparse(ast.parse(source)):
                        found.append(Mutant(function.name, line, change, faulty))
                undo()
    return list({mutant.source: mutant for mutant in found}.values())


def _faults(node: ast.AST) -> Iterator[tuple[str, object]]:
    """Iterate over the faults of a node; each is in place until its function is called."""

    def put(owner, field, value, words):
        old = getattr(owner, field)
        setattr(owner, field, value)
        return words, lambda: setattr(owner, field, old)

    if isinstance(node, ast.BinOp | ast.AugAssign | ast.BoolOp) and type(node.op) in _OPERATORS:
        new = _OPERATORS[type(node.op)]
        yield put(node, "op", new(), f"{type(node.op).__name__} becomes {new.__name__}")
    if isinstance(node, ast.Compare) and type(node.ops[0]) in _OPERATORS:
        new = _OPERATORS[type(node.ops[0])]
        words = f"{type(node.ops[0]).__name__} becomes {new.__name__}"
        yield put(node, "ops", [new(), *node.ops[1:]], words)
    if isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.USub):
        yield put(node, "op", ast.UAdd(), "a minus is lost")
    if isinstance(node, ast.Constant) and type(node.value) in (int, float):
        wrong = node.value + 1 if isinstance(node.value, int) else node.value * 1.3 + 1e-3
        yield put(node, "value", wrong, f"{node.value} becomes {wrong:g}")
    if isinstance(node, ast.Constant) and isinstance(node.value, bool):
        yield put(node, "value", not node.value, f"{node.value} is turned round")
    if isinstance(node, ast.Attribute) and node.attr in _NAMES:
        yield put(node, "attr", _NAMES[node.attr], f"{node.attr} becomes {_NAMES[node.attr]}")
    if isinstance(node, ast.If | ast.IfExp | ast.While):
        yield put(node, "test", ast.UnaryOp(ast.Not(), node.test), "a condition is turned round")
    for field, value in ast.iter_fields(node):
        if isinstance(value, ast.Call) and len(value.args) == 1:
            name = ast.unparse(value.func).rpartition(".")[2]
            if name in _DROPPED:
                yield put(node, field, value.args[0], f"{name} is left out")
        if isinstance(value, list) and len(value) > 1 and field == "body":
            for index, statement in enumerate(value):
                if isinstance(statement, ast.AugAssign) or (
                    isinstance(statement, ast.Expr) and isinstance(statement.value, ast.Call)
                ):
                    rest = [*value[:index], *value[index + 1 :]]
                    yield put(node, field, rest, f"`{ast.unparse(statement)}` is left out")


def cells_of(path: Path) -> list[dict]:
    """Return the code cells of a notebook."""
    return [cell for cell in notebooks.load(path)["cells"] if cell["cell_type"] == "code"]


def plan(path: Path, each: int, seed: int) -> dict[str, list[Mutant]]:
    """Draw faults for a chapter, by the cell they are in, each function about as often."""
    pool: dict[tuple[str, str], list[Mutant]] = {}
    for cell in cells_of(path):
        source = "".join(cell["source"])
        if notebooks.plain(source) != source or not layers.methods(source):
            continue
        for mutant in mutants(source):
            pool.setdefault((cell["id"], mutant.function), []).append(mutant)
    rng = random.Random(f"{seed} {path.name}")
    chosen: dict[str, list[Mutant]] = {}
    functions = sorted(pool)
    rng.shuffle(functions)
    for number in range(each):
        here = functions[number % len(functions)]
        if pool[here]:
            chosen.setdefault(here[0], []).append(pool[here].pop(rng.randrange(len(pool[here]))))
    return chosen


def run(path: Path, each: int, seed: int) -> list[tuple[Mutant, str, str, float]]:
    """Run a page with each of its faults; return mutant, cell, what noticed it, and seconds."""
    os.environ |= {"MPLBACKEND": "agg", "OMP_NUM_THREADS": "1"}
    os.chdir(path.parent)
    from IPython.core.interactiveshell import InteractiveShell

    shell = InteractiveShell.instance()
    chosen, cells, results = plan(path, each, seed), cells_of(path), []
    for index, cell in enumerate(cells):
        for mutant in chosen.get(cell["id"], []):
            started = time.perf_counter()
            rest = [(c["id"], "".join(c["source"])) for c in cells[index + 1 :]]
            verdict = _child(shell, [(cell["id"], mutant.source), *rest])
            results.append((mutant, cell["id"], verdict, time.perf_counter() - started))
        error = _execute(shell, "".join(cell["source"]))
        if error:
            raise SystemExit(f"{path.name}, {cell['id']} fails without any fault: {error}")
    return results


def _execute(shell: object, source: str) -> str:
    with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()):
        result = shell.run_cell(source, silent=True)
    error = result.error_in_exec or result.error_before_exec
    return "" if error is None else f"{type(error).__name__}: {str(error)[:80]}"


def _child(shell: object, cells: list[tuple[str, str]]) -> str:
    """Run cells in a fork; return where and why they stopped, or an empty string."""
    read, write = os.pipe()
    pid = os.fork()
    if pid == 0:
        signal.alarm(SECONDS)  # its default action ends the process
        verdict = ""
        for name, source in cells:
            error = _execute(shell, source)
            if error:
                verdict = f"{name}: {error}"
                break
        os.write(write, verdict.encode()[:4000])
        os._exit(0)
    os.close(write)
    with os.fdopen(read, "rb") as pipe:
        verdict = pipe.read().decode(errors="replace")
    _, status = os.waitpid(pid, 0)
    return verdict or ("took too long or crashed" if status else "")


def main() -> None:
    """Run the chapters named, each in a process of its own, and print what survives."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("chapters", nargs="*", help="numbers or names; all by default")
    parser.add_argument("--each", type=int, default=6, help="faults a chapter")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--json", action="store_true", help=argparse.SUPPRESS)
    options = parser.parse_args()
    paths = [
        path
        for path in sorted((ROOT / "chapters").glob("*.ipynb"))
        if not options.chapters or any(path.stem.startswith(name) for name in options.chapters)
    ]
    planted, survivors = 0, 0
    for path in paths:
        results = (
            run(path, options.each, options.seed) if len(paths) == 1 else _apart(path, options)
        )
        if options.json:
            print(json.dumps([(m.__dict__, cell, why, spent) for m, cell, why, spent in results]))
            return
        planted += len(results)
        for mutant, cell, why, spent in results:
            survivors += not why
            mark = "noticed " if why else "SURVIVED"
            print(f"{mark} {path.stem} {cell}, {mutant.function}: {mutant.change}")
            print(f"         in `{mutant.line}` ({spent:.0f} s) {why}", flush=True)
    print(f"{planted} faults planted, {survivors} survived.")


def _apart(path: Path, options: argparse.Namespace) -> list[tuple[Mutant, str, str, float]]:
    import subprocess

    command = [sys.executable, __file__, path.stem, "--each", str(options.each)]
    command += ["--seed", str(options.seed), "--json"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise SystemExit((done.stderr or done.stdout).strip()[-500:])
    rows = json.loads(done.stdout.splitlines()[-1])
    return [(Mutant(**mutant), cell, why, spent) for mutant, cell, why, spent in rows]


if __name__ == "__main__":
    main()
