"""What a notebook may use: seconds, processor seconds and memory, by its folder and its metadata.

A notebook states its own budget as ``{"cvlab": {"budget": {"seconds": 40, "cpu_seconds": 80,
"memory_gb": 2}}}`` in its metadata, each key optional; the folder's limit holds for the rest.
What a notebook costs is its processor time; the seconds on the wall are only there to end what
waits for ever. On a machine that is slow, or busy with others, both last longer, by as much as a
fixed piece of work takes longer there meanwhile (`yardstick`). That is an estimate: a run that
exceeds it is called heavy, and only one that needs `ROOM` times as much is ended. The environment
variable ``CVLAB_BUDGET_SCALE`` multiplies every budget instead, memory included.
"""

from __future__ import annotations

import dataclasses
import math
import os
from pathlib import Path
from typing import Any

from cvlab.classroom import notebooks
from cvlab.classroom.notebooks import ROOT, NotebookError
from cvlab.classroom.running.yardstick import Pace

#: Two halves of one core slow each other down by 1.3 to 1.6 times, by how often the work at hand
#: waits for memory, and the yardstick is one mixture of work: what it says may be off by as much.
ROOM = 2.0


@dataclasses.dataclass
class Usage:
    """What a run has used so far; memory is its peak."""

    seconds: float = 0.0
    cpu_seconds: float = 0.0
    peak_bytes: int = 0

    def take(self, cpu_seconds: float, peak_bytes: float) -> None:
        """Enter a measurement; neither value ever falls."""
        self.cpu_seconds = max(self.cpu_seconds, cpu_seconds)
        self.peak_bytes = max(self.peak_bytes, int(peak_bytes))


@dataclasses.dataclass(frozen=True)
class Budget:
    """What a run may use.

    >>> Budget().overrun(Usage(cpu_seconds=130.0))
    'over its budget: 130.0 s of processor time, allowed are 120 s.'
    >>> Budget().overrun(Usage(peak_bytes=2_000_000_000)) is None
    True
    """

    seconds: float = 600
    cpu_seconds: float = 120
    memory_gb: float = 3  # 1e9 bytes each

    def on_machine(self, slowness: float, room: float = ROOM) -> Budget:
        """Return what ends a run where everything takes so many times as long.

        Args:
            slowness: from `yardstick`.
            room: for the yardstick's error; 1 gives the budget itself.
        """
        longer = self.cpu_seconds * slowness * room
        return dataclasses.replace(self, seconds=self.seconds * slowness, cpu_seconds=longer)

    def overrun(self, usage: Usage) -> str | None:
        """Say what exceeds the budget, or return None."""
        memory = usage.peak_bytes / 1e9
        if memory > self.memory_gb:
            found = f"{memory:.2f} GB of memory, allowed are {self.memory_gb:g} GB"
        elif usage.cpu_seconds > self.cpu_seconds:
            found = f"{usage.cpu_seconds:.1f} s of processor time, allowed are"
            found += f" {self.cpu_seconds:.5g} s"
        elif usage.seconds > self.seconds:
            found = f"{usage.seconds:.1f} s, allowed are {self.seconds:.5g} s"
        else:
            return None
        return f"over its budget: {found}."


CHAPTER = Budget()
LIMITS = {"solutions": Budget(seconds=150, cpu_seconds=30)}


def limit(path: Path) -> Budget:
    """Return the most that a notebook of this folder may state.

    >>> limit(Path("solutions/01_knn.ipynb")).cpu_seconds
    30
    """
    return LIMITS.get(path.parent.name, CHAPTER)


def scale() -> float:
    """Return the number by which the environment multiplies every budget.

    Raises:
        ValueError: if ``CVLAB_BUDGET_SCALE`` is no positive number.
    """
    given = os.environ.get("CVLAB_BUDGET_SCALE") or "1"
    try:
        found = float(given)
    except ValueError:
        found = math.nan
    if not 0 < found < math.inf:
        raise ValueError(f"CVLAB_BUDGET_SCALE must be a positive number such as 2, not {given!r}.")
    return found


def pace() -> Pace | None:
    """Return what follows how slow the machine is, or None where the environment says so."""
    return None if os.environ.get("CVLAB_BUDGET_SCALE") else Pace()


def stated(path: Path, notebook: Any = None) -> Budget:
    """Return the budget that a notebook states, with its folder's limit for what it does not.

    Raises:
        NotebookError: if the metadata holds no budget of the form that this module describes, or
            one above the folder's limit.
    """
    notebook = notebooks.load(path) if notebook is None else notebook
    name = f"{path.parent.name}/{path.name}"
    known = [field.name for field in dataclasses.fields(Budget)]
    found = notebook["metadata"].get("cvlab", {})
    found = found.get("budget", {}) if isinstance(found, dict) else None
    if not isinstance(found, dict) or not set(found) <= set(known):
        raise NotebookError(
            f"{name}: the budget in the notebook's metadata must look like "
            f'{{"cvlab": {{"budget": {{"seconds": 40}}}}}}, with any of {", ".join(known)}.'
        )
    for key, value in found.items():
        number = isinstance(value, (int, float)) and not isinstance(value, bool)
        if not number or not 0 < value < math.inf:
            raise NotebookError(f"{name}: the budget's {key} must be above 0, not {value!r}.")
        most = getattr(limit(path), key)
        if value > most:
            raise NotebookError(
                f"{name}: a budget of {value:g} for {key} is above the limit of "
                f"{path.parent.name}, {most:g}; make it lighter."
            )
    return dataclasses.replace(limit(path), **found)


def of(path: Path, notebook: Any = None) -> Budget:
    """Return what a run of the notebook may use on this machine: what it states, scaled.

    Raises:
        NotebookError: if the notebook's metadata is wrong.
        ValueError: if ``CVLAB_BUDGET_SCALE`` is.
    """
    found = dataclasses.asdict(stated(path, notebook))
    return Budget(**{name: value * scale() for name, value in found.items()})


def faults(root: Path = ROOT) -> list[str]:
    """Budgets that cannot be read, or that exceed the limit of their folder."""
    found = []
    front = [path for path in [root / "book" / "index.ipynb"] if path.exists()]
    for path in [*front, *notebooks.files(root, ("chapters", "solutions"))]:
        try:
            stated(path)
        except NotebookError as error:
            found.append(str(error))
    return found
