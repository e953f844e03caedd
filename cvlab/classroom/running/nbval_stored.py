"""A plugin of pytest that lets nbval compare a notebook's stored run instead of running it again.

`make test` executes every notebook once, builds the book from those runs and hands the same ones
to nbval: ``pytest -p cvlab.classroom.running.nbval_stored --nbval-lax chapters solutions``. nbval
itself still does the comparing, cell by cell; only its kernel is replaced, by one that repeats what
the stored run printed. A notebook without a valid run is one failed test.
"""

from __future__ import annotations

from collections.abc import Generator, Iterator
from pathlib import Path
from typing import Any

import nbformat
import pytest
from nbval.plugin import IPyNbCell, IPyNbFile

from cvlab.classroom.running import execute
from cvlab.classroom.running.nbval_kernel import StandInKernel


class StoredKernel(StandInKernel):
    """Repeats a stored run; starts no process and runs no code."""

    def __init__(self, path: Path) -> None:
        super().__init__()
        run = nbformat.read(execute.stored(path)[0], as_version=4)
        self._cells = [cell for cell in run["cells"] if cell["cell_type"] == "code"]
        self.number = 0  # of the code cell that comes next, as nbval counts them

    def execute_cell_input(self, cell_input: str, allow_stdin: bool | None = None) -> str:
        """Queue the messages of a cell's stored outputs; return the id they answer to.

        Raises:
            RuntimeError: if the stored run has other code in this place.
        """
        if self.number >= len(self._cells) or self._cells[self.number]["source"] != cell_input:
            raise RuntimeError("The stored run has other code in this cell; `make test` renews it.")
        message_id = f"cell-{self.number}"
        self.show(message_id, self._cells[self.number]["outputs"])
        return message_id

    def await_reply(self, msg_id: str, timeout: float | None = None) -> None:
        """Return at once: a stored cell has been executed."""


class StoredNotebook(IPyNbFile):
    """A notebook as nbval collects it, with a stored kernel."""

    def collect(self) -> Iterator[pytest.Item]:
        """Iterate over the code cells, or over one test that fails and says why."""
        self.fault = _fault(self.path)
        if self.fault:
            yield MissingRun.from_parent(self, name="stored run")
        else:
            yield from super().collect()

    def setup(self) -> None:
        """Read the stored run where nbval would start a kernel."""
        if not self.fault:
            self.kernel = StoredKernel(self.path)
            self.setup_sanitize_files()


class MissingRun(pytest.Item):
    """Stands for the cells of a notebook that has no valid run."""

    def runtest(self) -> None:
        """Fail with one sentence."""
        pytest.fail(self.parent.fault, pytrace=False)

    def reportinfo(self) -> tuple[Path, int, str]:
        """Return where the test is."""
        return self.path, 0, f"{self.path.parent.name}/{self.path.name}"


def _fault(path: Path) -> str:
    name = f"{path.parent.name}/{path.name}"
    try:
        found = execute.record(path)
    except (execute.ExecutionError, ValueError) as error:
        return str(error)
    return "" if found else f"{name} has no valid stored run; `make test` makes one."


@pytest.hookimpl(wrapper=True)
def pytest_collect_file(file_path: Path, parent: pytest.Collector) -> Generator[None, Any, Any]:
    """Put stored notebooks in the place of those that nbval collects."""
    collected = yield
    return [
        StoredNotebook.from_parent(parent, path=file_path) if isinstance(one, IPyNbFile) else one
        for one in collected
    ]


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_call(item: pytest.Item) -> None:
    """Tell the stored kernel which cell comes: some may have been skipped or not been chosen."""
    if isinstance(item, IPyNbCell) and isinstance(item.parent, StoredNotebook):
        item.parent.kernel.number = item.cell_num
