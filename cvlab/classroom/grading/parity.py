"""Whether a cell gets from a box what it gets from a kernel: nbval asks a box instead of a kernel.

``pytest -p cvlab.classroom.grading.parity --nbval-lax chapters`` runs notebooks in boxes. nbval
itself decides about every cell, with its markers, its tags and its comparison of outputs; only its
kernel is replaced. `verdicts` does the same from Python, with boxes or with kernels, and
`differences` compares two such runs.

`BY_DESIGN` is all that may differ. The notebooks are an instructor's: a box keeps them from the
machine, but what nbval is told here comes out of it, so this is no way to grade.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import xml.etree.ElementTree as ElementTree
from collections.abc import Generator, Iterable, Mapping
from pathlib import Path
from queue import Empty
from typing import Any

import pytest
from nbval.plugin import IPyNbFile

from cvlab.classroom.grading.box.isolation import Limits
from cvlab.classroom.grading.box.replay import Reply, ask
from cvlab.classroom.grading.box.zygote import Zygote, clean_environment
from cvlab.classroom.running.nbval_kernel import StandInKernel

#: What differs between a box and a kernel, by construct, and why.
BY_DESIGN = {
    "network": "A box has no network: downloads fail, and `%pip install` installs nothing.",
    "files": "A box sees the system, the environment and the package, read-only, in an empty work "
    "folder of its own: a notebook finds no file that lies beside it, and writes nothing outside.",
    "limits": "A box has limits of memory, processes, disk and output that a kernel has not.",
    "environment": "A box does not have the environment variables of whoever starts it.",
    "end": "A cell that ends its process, or never ends, is one failed cell in both. nbval fails "
    "all cells after it; the grader runs them in a new box, without that cell.",
    "exit()": "`exit()` passes in both. It ends a kernel after a moment, and a box not at all.",
    "kernel": "Behind the shell of a box there is no kernel: `get_ipython().kernel` does not exist "
    "and comms lead nowhere.",
    "idle": "Tasks of asyncio go on while a kernel waits for its next cell, and in a box do not.",
    "probes": "The grader calls a student's function outside of a running event loop, so that "
    "`asyncio.run` works in it, which it does not in a notebook.",
    "exception groups": "IPython 9 prints an ExceptionGroup without telling the frontend, so nbval "
    "passes a cell that stops with one; a box fails it.",
    "figures": "The grader draws no figure, because nobody sees it; an error that appears only in "
    "drawing, such as a bad formula in a title, is one for nbval alone. Here figures are drawn.",
    "skipped magics": "The grader removes shell lines and magics from students' cells; here they "
    "run.",
}
LIMITS = Limits(cpu_seconds=1800, memory_bytes=8_000_000_000, disk_bytes=1_000_000_000)
INLINE = "module://matplotlib_inline.backend_inline"  # what a kernel draws with


class BoxKernel(StandInKernel):
    """Runs cells in a box."""

    def __init__(self, place: Zygote) -> None:
        super().__init__()
        self.box = place.box(LIMITS)
        self._source, self._number = "", 0

    def execute_cell_input(self, cell_input: str, allow_stdin: bool | None = None) -> str:
        """Note a cell, which `await_reply` runs; return the id that its messages answer to."""
        self._number += 1
        self._source = cell_input
        return f"cell-{self._number}"

    def await_reply(self, msg_id: str, timeout: float | None = None) -> None:
        """Run the cell.

        Raises:
            queue.Empty: if it does not end in time, or ends the box.
        """
        seconds = 3600.0 if timeout is None else timeout
        reply = ask(self.box, {"cell": self._source, "outputs": True}, seconds)
        if reply.ended:
            self._alive = False
            raise Empty
        self.show(msg_id, [*reply.outputs, *_error(reply)])

    def stop(self) -> None:
        """End the box."""
        super().stop()
        self.box.close()


def _error(reply: Reply) -> list[dict[str, Any]]:
    if reply.fate != "error":
        return []
    return [
        {
            "output_type": "error",
            "ename": reply.name,
            "evalue": reply.message,
            "traceback": [f"{reply.name}: {reply.message}"],
        }
    ]


class BoxedNotebook(IPyNbFile):
    """A notebook as nbval collects it, with a box for a kernel."""

    def setup(self) -> None:
        """Start a box where nbval would start a kernel."""
        self.kernel = BoxKernel(_place(self.config))
        self.setup_sanitize_files()

    def teardown(self) -> None:
        """End the box, also one that has ended itself."""
        if self.kernel is not None:
            self.kernel.stop()


def _place(config: pytest.Config) -> Zygote:
    """Return the session's zygote, started when a box is first asked for."""
    if _ZYGOTE not in config.stash:
        named = {key: value for key, value in os.environ.items() if key.startswith("CVLAB_")}
        place = Zygote(environment=clean_environment() | named | {"MPLBACKEND": INLINE})
        config.stash[_ZYGOTE] = place
        config.add_cleanup(place.stop)
    return config.stash[_ZYGOTE]


_ZYGOTE = pytest.StashKey[Zygote]()


@pytest.hookimpl(wrapper=True)
def pytest_collect_file(file_path: Path, parent: pytest.Collector) -> Generator[None, Any, Any]:
    """Put notebooks in boxes in the place of those that nbval collects."""
    collected = yield
    return [
        BoxedNotebook.from_parent(parent, path=file_path) if isinstance(one, IPyNbFile) else one
        for one in collected
    ]


def verdicts(
    paths: Iterable[Path], *options: str, boxes: bool, workers: int = 1
) -> dict[tuple[str, str], str]:
    """Run notebooks with ``pytest --nbval-lax`` and return what it says of each cell.

    Args:
        paths: of the notebooks, or of folders with notebooks.
        options: further ones of pytest.
        boxes: whether cells run in boxes instead of kernels.
        workers: processes that run notebooks at the same time.

    Returns:
        passed, failed, skipped or xfailed, by the notebook (``chapters.01_knn.ipynb``) and the
        cell (``Cell 3``).

    Raises:
        RuntimeError: if there is no report; with what pytest printed last.
    """
    plugin = ["-p", "cvlab.classroom.lean"]
    plugin += ["-p", "cvlab.classroom.grading.parity"] if boxes else []
    shared = ["-n", str(workers), "--dist", "loadscope"] if workers > 1 else []
    with tempfile.TemporaryDirectory() as folder:
        report = Path(folder) / "report.xml"
        command = [sys.executable, "-m", "pytest", "-q", "--nbval-lax", *plugin, *shared]
        done = subprocess.run(
            [*command, f"--junitxml={report}", *options, *map(str, paths)],
            capture_output=True,
            text=True,
            check=False,
        )
        if not report.exists():
            raise RuntimeError(f"pytest made no report:\n{(done.stdout + done.stderr)[-2000:]}")
        return read_report(report)


def read_report(path: Path) -> dict[tuple[str, str], str]:
    """Return what a JUnit report says of each test, by its class and its name."""
    found = {}
    for case in ElementTree.parse(path).iter("testcase"):
        tags = {child.tag: child for child in case}
        verdict = "failed" if tags.keys() & {"failure", "error"} else "passed"
        if "skipped" in tags:
            verdict = "xfailed" if tags["skipped"].get("type") == "pytest.xfail" else "skipped"
        found[case.get("classname", ""), case.get("name", "")] = verdict
    return found


def differences(
    box: Mapping[tuple[str, str], str], kernel: Mapping[tuple[str, str], str]
) -> list[str]:
    """Return a sentence for each cell of which two runs say something else.

    >>> differences({("a.ipynb", "Cell 0"): "passed"}, {("a.ipynb", "Cell 0"): "failed"})
    ['a.ipynb, Cell 0: passed in a box, failed in a kernel.']
    """
    return [
        f"{name}, {cell}: {box.get((name, cell), 'missing')} in a box, "
        f"{kernel.get((name, cell), 'missing')} in a kernel."
        for name, cell in sorted(box.keys() | kernel.keys())
        if box.get((name, cell)) != kernel.get((name, cell))
    ]
