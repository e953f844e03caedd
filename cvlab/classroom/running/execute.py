"""Execute notebooks in parallel and remember the results: what has not changed runs once.

A result is a notebook with outputs in `_build/notebooks/` and a record beside it, written last, so
that a killed run leaves nothing that looks finished. It holds as long as these stay the same: the
notebook's code cells, the `cvlab` modules that they reach through imports, the lock, the version of
Python, the kernel and the device where the environment names them (the digest), and the data that
the run read. Prose does not matter.

All kernels are watched from this one process (`kernel.py`), each within its budget (`budget.py`).
"""

from __future__ import annotations

import ast
import asyncio
import contextlib
import functools
import hashlib
import json
import os
import sys
from collections.abc import Callable, Coroutine, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from cvlab.classroom import notebooks
from cvlab.classroom.notebooks import ROOT, NotebookError
from cvlab.classroom.running import arithmetic, budget, extensions, inputs, meter
from cvlab.classroom.running.progress import Progress

STORE = Path(os.environ.get("CVLAB_STORE") or ROOT / "_build" / "notebooks")
PACKAGE = ROOT / "cvlab"
_COMPLETE = {"digest", "seconds", "cpu_seconds", "peak_bytes", "kernel", "cells", "data", "widgets"}
_COMPLETE |= {"slowness"}


class ExecutionError(RuntimeError):
    """A notebook that failed; the message names the cell and the error."""


def module_files(code: str, package: Path | None = None) -> list[Path]:
    """Return the files of `cvlab` that code reaches through imports, also inside functions."""
    package = package or PACKAGE
    reached: set[Path] = set()
    waiting = [code]
    while waiting:
        for name in _imported(waiting.pop()):
            parts = name.split(".")[1:]
            file = package.joinpath(*parts).with_suffix(".py") if parts else None
            if file is None or not file.exists():
                file = package.joinpath(*parts, "__init__.py")
            for found in (package / "__init__.py", file):
                if found.exists() and found not in reached:
                    reached.add(found)
                    waiting.append(found.read_text(encoding="utf-8"))
    return sorted(reached)


@functools.cache  # most notebooks reach the same modules
def _imported(code: str) -> frozenset[str]:
    # A magic is no Python; blanking its line keeps the rest readable.
    plain = notebooks.plain(code)
    names: set[str] = set()
    for node in ast.walk(ast.parse(plain)):
        if isinstance(node, ast.Import):
            names.update(alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module and node.level == 0:
            names.add(node.module)
            names.update(f"{node.module}.{alias.name}" for alias in node.names)
    return frozenset(name for name in names if name == "cvlab" or name.startswith("cvlab."))


def digest(path: Path, notebook: Any = None) -> str:
    """Return a digest of a notebook's code and all other code that it depends on.

    Args:
        path: the notebook.
        notebook: its content, where that has been loaded already.

    Raises:
        ExecutionError: if a code cell is not Python.
        ValueError: if ``CVLAB_ARITHMETIC`` is none of its choices.
    """
    cells = (notebooks.load(path) if notebook is None else notebook)["cells"]
    code = [cell["source"] for cell in cells if cell["cell_type"] == "code"]
    measure = Path(meter.__file__).read_text(encoding="utf-8")
    # A kernel or device that was asked for by name is asked for to see what it does.
    chosen = [os.environ.get(name) for name in ("CVLAB_KERNEL", "CVLAB_DEVICE")]
    chosen.append(arithmetic.chosen())
    content = hashlib.sha256(json.dumps([sys.version, chosen, measure, code]).encode())
    for cell in cells:
        if cell["cell_type"] == "code":
            try:
                _imported(cell["source"])
            except SyntaxError as error:
                place = f"{_name(path)}, cell {cell.get('id', '?')!r}, line {error.lineno}"
                raise ExecutionError(f"{place} is not Python: {error.msg}.") from error
    modules = module_files("\n".join(code))
    # Tables that lie beside the modules of a package are read by them.
    tables = {table for file in modules for table in file.parent.glob("*.csv")}
    for file in [*modules, *sorted(tables), ROOT / "requirements.lock"]:
        content.update(file.read_bytes())
    return content.hexdigest()


def _name(path: Path) -> str:
    return f"{path.parent.name}/{path.name}"


def stored(path: Path) -> tuple[Path, Path]:
    """Return where the executed notebook and its record lie."""
    base = STORE / path.parent.name / path.stem
    return base.with_suffix(".ipynb"), base.with_suffix(".json")


def _described(path: Path) -> dict[str, Any]:
    """Return what is known of a notebook's last run, however old; empty if that is nothing."""
    try:
        return dict(json.loads(stored(path)[1].read_text(encoding="utf-8")))
    except (OSError, ValueError, TypeError):
        return {}


def record(path: Path) -> dict[str, Any] | None:
    """Return the record of a notebook's last run, or None if it is stale, missing or damaged.

    Returns:
        digest, seconds, cpu_seconds, peak_bytes, kernel (the one really used), cells (seconds of
        each), slowness (see `yardstick`), data (the files that it read), widgets (their proof),
        executed (a digest).
    """
    found = _described(path)
    if not found.keys() >= {"executed", *_COMPLETE}:
        return None
    try:
        whole = found["executed"] == hashlib.sha256(stored(path)[0].read_bytes()).hexdigest()
        same = whole and inputs.unchanged(found["data"])
        usage = budget.Usage(found["seconds"], found["cpu_seconds"], found["peak_bytes"])
        notebook = notebooks.load(path)
        most = budget.of(path, notebook).on_machine(found["slowness"])
        kept = same and most.overrun(usage) is None
    except (OSError, TypeError, KeyError):
        return None
    return found if kept and found["digest"] == digest(path, notebook) else None


def thread_limits(threads: int) -> dict[str, str]:
    """Return the environment that keeps a process's numerical libraries to so many threads."""
    names = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")
    return dict.fromkeys(names, str(max(1, threads)))


def cores() -> int:
    """Return the number of processor cores that this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


@contextlib.contextmanager
def alone(file: Path, doing: str, report: Callable[[str], None]) -> Iterator[None]:
    """Let one command at a time do something; the system ends its claim when its process dies.

    Args:
        file: made if it is missing, and never removed.
        doing: what the others are told, such as "is building this book".
        report: receives a line if there is another command to wait for.
    """
    try:
        import fcntl
    except ImportError:  # Windows
        yield
        return
    file.parent.mkdir(parents=True, exist_ok=True)
    with open(file, "a", encoding="utf-8") as claim:
        # A program that is started with `close_fds=False` keeps the claim if it lives longer.
        os.set_inheritable(claim.fileno(), True)
        try:
            fcntl.flock(claim, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            report(f"Another command {doing}; waiting for its end.")
            fcntl.flock(claim, fcntl.LOCK_EX)
        yield


def _alone(report: Callable[[str], None]) -> contextlib.AbstractContextManager[None]:
    return alone(STORE / "lock", "is executing notebooks in this checkout", report)


def execute(
    path: Path, threads: int | None = None, report: Callable[[str], None] = print
) -> dict[str, Any]:
    """Run one notebook in a fresh kernel, with every widget frame drawn, and store the result.

    Args:
        path: the notebook.
        threads: of its numerical libraries; the libraries' own default if not given.
        report: receives what there is to say about the kernel and about other commands.

    Returns:
        The record; see `record`.

    Raises:
        ExecutionError: if a cell fails, the kernel dies or the notebook exceeds its budget.
    """
    from cvlab.classroom.running import kernel

    try:
        name, remark = kernel.choose()
    except ValueError as error:
        raise ExecutionError(str(error)) from None
    if remark:
        report(remark)
    with _alone(report):
        return finish(_execute(path, name, threads))


def finish(work: Coroutine[Any, Any, Any]) -> Any:
    """Run to the end, in a thread if this one is busy with an event loop, as in Jupyter."""
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return asyncio.run(work)
    with ThreadPoolExecutor(1) as pool:
        return pool.submit(asyncio.run, work).result()


async def _execute(
    path: Path, name: str, threads: int | None, at_cell: Callable[[int], None] = lambda k: None
) -> dict[str, Any]:
    import nbformat

    from cvlab.classroom.running import kernel

    notebook = notebooks.load(path)
    wanted = digest(path, notebook)
    executed, described = stored(path)
    executed.parent.mkdir(parents=True, exist_ok=True)
    # From here on the last result is stale, whatever happens; its time still tells what is heavy.
    notebooks.write(described, json.dumps({"seconds": _described(path).get("seconds")}))
    environment = os.environ | {"CVLAB_STATIC": "1"} | arithmetic.environment()
    environment |= extensions.environment(STORE / "kernels")
    environment |= thread_limits(threads) if threads else {}
    run = kernel.Run(
        notebook,
        path.parent,
        kernel=name,
        budget=budget.of(path, notebook),
        environment=environment,
        data=list(inputs.folders().values()),
        at_cell=at_cell,
        pace=budget.pace(),
    )
    try:
        found = await run.run()
    except kernel.KernelFailure as error:
        raise ExecutionError(f"{_name(path)}, {error}") from None
    found |= {"digest": wanted, "data": inputs.read(found.pop("opened"))}
    content = nbformat.writes(notebook)
    notebooks.write(executed, content)
    found["executed"] = hashlib.sha256(content.encode()).hexdigest()
    notebooks.write(described, json.dumps(found))
    return found


def execute_all(
    paths: Iterable[Path], *, workers: int | None = None, report: Callable[[str], None] = print
) -> list[str]:
    """Execute what is stale, in parallel, heavy notebooks first, and say what is going on.

    Args:
        paths: notebooks.
        workers: notebooks at a time; as many as cores by default.
        report: receives lines of progress. A terminal also shows what runs, line by line.

    Returns:
        The failures, one sentence each; empty if all is well.
    """
    from cvlab.classroom.running import kernel

    paths = list(paths)
    stale, failures = _stale(paths)
    with _alone(report) if stale else contextlib.nullcontext():
        stale, _ = _stale(stale)  # another command may have executed them meanwhile
        fresh = len(paths) - len(stale) - len(failures)
        if not stale:
            report(f"Notebooks: {fresh} up to date.")
            return list(dict.fromkeys(failures))
        report(f"Notebooks: {len(stale)} to run, {fresh} up to date.")
        try:
            name, remark = kernel.choose()
        except ValueError as error:
            return [str(error)]
        if remark:
            report(remark)
        stale.sort(key=_weight, reverse=True)
        workers = max(1, min(workers or cores(), len(stale)))
        return failures + finish(_execute_all(stale, name, workers, report))


def _stale(paths: list[Path]) -> tuple[list[Path], list[str]]:
    """Return which notebooks have to run, and what is wrong with those that cannot."""
    stale, failures = [], []
    for path in paths:
        try:
            if record(path) is None:
                budget.of(path)
                digest(path)
                stale.append(path)
        except (ExecutionError, NotebookError, ValueError) as error:
            failures.append(str(error))
    return stale, failures


def _weight(path: Path) -> float:
    """Return how many seconds a notebook took the last time, or may take."""
    known = _described(path).get("seconds")
    return known if isinstance(known, (int, float)) else budget.of(path).seconds


async def _execute_all(
    paths: list[Path], name: str, workers: int, report: Callable[[str], None]
) -> list[str]:
    progress = Progress([_name(path) for path in paths], report)
    failures: list[str] = []
    waiting = iter(paths)
    # More threads than cores would slow every notebook down.
    threads = max(1, cores() // workers)

    async def work() -> None:
        for path in waiting:  # all workers take from the same iterator
            last = _described(path).get("seconds")
            at_cell = functools.partial(progress.cell, _name(path))
            try:
                cells = [cell["cell_type"] for cell in notebooks.load(path)["cells"]].count("code")
                progress.start(_name(path), cells, last)
                found = await _execute(path, name, threads, at_cell)
            except Exception as error:  # one notebook's failure does not stop the others
                failures.append(_sentence(path, error))
                progress.finish(_name(path), f"FAILED: {failures[-1]}")
            else:
                progress.finish(_name(path), f"{found['seconds']:.1f} s{_heavy(path, found)}")

    keep = asyncio.ensure_future(progress.keep())
    try:
        async with asyncio.TaskGroup() as group:
            for _ in range(workers):
                group.create_task(work())
    finally:
        keep.cancel()
        progress.erase()
    return failures


def _heavy(path: Path, found: dict[str, Any]) -> str:
    """Say that a run took more than its budget, as well as this machine can tell."""
    most = budget.of(path).on_machine(found["slowness"], room=1)
    used = budget.Usage(found["seconds"], found["cpu_seconds"], found["peak_bytes"])
    over = most.overrun(used)
    return f", {over[:-1]}; make it lighter" if over else ""


def _sentence(path: Path, error: Exception) -> str:
    if isinstance(error, (ExecutionError, NotebookError)):
        return str(error)
    if isinstance(error, OSError):
        return f"{_name(path)}: {error.filename or 'a file'}: {error.strerror}."
    return f"{_name(path)}: {type(error).__name__}: {error}"
