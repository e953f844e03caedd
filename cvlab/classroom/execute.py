"""Execute notebooks in parallel and remember the results: what has not changed runs once.

The digest of a notebook covers its code cells, the `cvlab` modules that it reaches through
imports, the lock and the version of Python; prose is not part of it. A result is a notebook with
outputs in `_build/notebooks/` and a record beside it (time, memory, proof of the widgets), written
last, so that a killed run leaves nothing that looks finished.
"""

from __future__ import annotations

import ast
import hashlib
import json
import os
import re
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterable
from concurrent.futures import ProcessPoolExecutor, as_completed
from multiprocessing import get_context
from pathlib import Path
from typing import Any

from cvlab.classroom import notebooks
from cvlab.classroom.notebooks import ROOT

STORE = Path(os.environ.get("CVLAB_STORE") or ROOT / "_build" / "notebooks")
CELL_TIMEOUT = 600  # seconds; a notebook that hangs must not hang the build

_EPILOGUE = """
import json as _json, os as _os, resource as _resource
from cvlab import widgets as _widgets
_proof = [
    {"frames": len(list(explorer.positions())), "proof": explorer.proof()}
    for explorer in _widgets.registry
]
_peak = _resource.getrusage(_resource.RUSAGE_SELF).ru_maxrss * 1024
with open(_os.environ["CVLAB_PROOF"], "w", encoding="utf-8") as _file:
    _json.dump({"widgets": _proof, "peak_bytes": _peak}, _file)
"""


class ExecutionError(RuntimeError):
    """A notebook that failed; the message names the cell and the error."""


def module_files(code: str, package: Path = ROOT / "cvlab") -> list[Path]:
    """Return the files of `cvlab` that code reaches through imports, also inside functions."""
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


def _imported(code: str) -> set[str]:
    # A magic is no Python; blanking its line keeps the rest readable.
    plain = re.sub(r"^(\s*)[%!].*$", r"\1pass", code, flags=re.MULTILINE)
    names: set[str] = set()
    for node in ast.walk(ast.parse(plain)):
        if isinstance(node, ast.Import):
            names.update(alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module and node.level == 0:
            names.add(node.module)
            names.update(f"{node.module}.{alias.name}" for alias in node.names)
    return {name for name in names if name == "cvlab" or name.startswith("cvlab.")}


def digest(path: Path) -> str:
    """Return a digest of everything that a notebook's outputs depend on, prose left out."""
    cells = notebooks.load(path)["cells"]
    code = [cell["source"] for cell in cells if cell["cell_type"] == "code"]
    content = hashlib.sha256(json.dumps([sys.version, _EPILOGUE, code]).encode())
    try:
        modules = module_files("\n".join(code))
    except SyntaxError as error:
        raise ExecutionError(f"{_name(path)}: a code cell is not Python ({error.msg}).") from error
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


def record(path: Path) -> dict[str, Any] | None:
    """Return the record of a notebook's last run, or None if it is stale or missing."""
    executed, described = stored(path)
    try:
        found = json.loads(described.read_text(encoding="utf-8"))
        whole = found["executed"] == hashlib.sha256(executed.read_bytes()).hexdigest()
        complete = {"digest", "seconds", "peak_bytes", "widgets"} <= set(found)
    except (OSError, ValueError, TypeError, KeyError):
        return None  # missing or damaged: the notebook runs again
    return found if whole and complete and found["digest"] == digest(path) else None


def thread_limits(threads: int) -> dict[str, str]:
    """Return the environment that keeps a process's numerical libraries to so many threads."""
    names = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")
    return dict.fromkeys(names, str(max(1, threads)))


def execute(path: Path, threads: int | None = None) -> dict[str, Any]:
    """Run one notebook in a fresh kernel, with every widget frame drawn, and store the result.

    Args:
        path: the notebook.
        threads: of its numerical libraries; the libraries' own default if not given.

    Returns:
        The record: digest, seconds, peak memory in bytes, widgets' proof.

    Raises:
        ExecutionError: if a cell fails or the kernel dies.
    """
    import nbformat
    from nbclient import NotebookClient
    from nbclient.exceptions import CellExecutionError, CellTimeoutError, DeadKernelError

    wanted = digest(path)
    executed, described = stored(path)
    executed.parent.mkdir(parents=True, exist_ok=True)
    described.unlink(missing_ok=True)
    proof = executed.with_suffix(f".proof-{os.getpid()}")
    notebook = notebooks.load(path)
    notebook["cells"].append(nbformat.v4.new_code_cell(_EPILOGUE, id="epilogue"))
    environment = os.environ | {"CVLAB_STATIC": "1", "CVLAB_PROOF": str(proof)}
    environment |= thread_limits(threads) if threads else {}
    started = time.monotonic()
    try:
        with tempfile.TemporaryDirectory(prefix="cvlab-") as sockets:
            client = NotebookClient(
                notebook,
                kernel_name="python3",
                config=_local_sockets(Path(sockets)),
                timeout=CELL_TIMEOUT,
                resources={"metadata": {"path": str(path.parent)}},
            )
            client.execute(env=environment)
        found = json.loads(proof.read_text(encoding="utf-8"))
    except (CellExecutionError, CellTimeoutError, DeadKernelError) as error:
        raise ExecutionError(_reason(path, notebook, error)) from None
    finally:
        proof.unlink(missing_ok=True)
    found |= {"digest": wanted, "seconds": round(time.monotonic() - started, 1)}
    del notebook["cells"][-1]
    content = nbformat.writes(notebook)
    notebooks.write(executed, content)
    found["executed"] = hashlib.sha256(content.encode()).hexdigest()
    notebooks.write(described, json.dumps(found))
    return found


def _local_sockets(folder: Path) -> Any:
    """Return the setting by which a kernel listens in a private folder of the file system.

    The default, TCP without encryption, can be read by every user of a shared machine.
    """
    from traitlets.config import Config

    if os.name == "nt":
        return Config()
    return Config({"KernelManager": {"transport": "ipc", "ip": str(folder / "kernel")}})


def _reason(path: Path, notebook: Any, error: Exception) -> str:
    """Name the cell that failed and its error."""
    for cell in notebook["cells"]:
        for output in cell.get("outputs", []):
            if output["output_type"] == "error":
                what = f"{output['ename']}: {output['evalue']}"
                return f"{_name(path)}, cell {cell['id']!r}: {what}"
    return f"{_name(path)}: {type(error).__name__}: {str(error).splitlines()[0]}"


def execute_all(
    paths: Iterable[Path], *, workers: int | None = None, report: Callable[[str], None] = print
) -> list[str]:
    """Execute what is stale, in parallel, and say what is going on.

    Args:
        paths: notebooks.
        workers: processes; as many as cores by default.
        report: receives lines of progress.

    Returns:
        The failures, one sentence each; empty if all is well.
    """
    paths = list(paths)
    stale = [path for path in paths if record(path) is None]
    if not stale:
        report(f"Notebooks: {len(paths)} up to date.")
        return []
    workers = min(workers or os.cpu_count() or 1, len(stale))
    report(f"Notebooks: {len(stale)} to run, {len(paths) - len(stale)} up to date.")
    failures: list[str] = []
    started = time.monotonic()
    done = threading.Event()
    running = {_name(path) for path in stale}

    def reassure() -> None:
        while not done.wait(15):
            names = ", ".join(sorted(running))
            report(f"  {time.monotonic() - started:4.0f} s  still to finish: {names}")

    threading.Thread(target=reassure, daemon=True).start()
    try:
        with ProcessPoolExecutor(workers, mp_context=get_context("spawn")) as pool:
            # More threads than cores would slow every notebook down.
            threads = max(1, (os.cpu_count() or 1) // workers)
            waiting = {pool.submit(execute, path, threads): path for path in stale}
            for finished, future in enumerate(as_completed(waiting), start=1):
                name = _name(waiting[future])
                running.discard(name)
                error = future.exception()
                if error is None:
                    report(f"  [{finished}/{len(stale)}] {name}: {future.result()['seconds']} s")
                else:
                    failures.append(str(error))
                    report(f"  [{finished}/{len(stale)}] {name}: FAILED: {error}")
    finally:
        done.set()
    return failures
