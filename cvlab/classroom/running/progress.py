"""Show which notebooks run: live lines on a terminal, sparse ones in a pipe."""

from __future__ import annotations

import asyncio
import os
import shutil
import sys
import time
from collections.abc import Callable, Iterable
from typing import TextIO

REFRESH_SECONDS = 0.25
REASSURE_SECONDS = 15  # in a pipe: nobody should stare at silence


class Progress:
    """The state of all notebooks of one command.

    Args:
        names: of the notebooks, all waiting.
        report: receives lines that stay.
        stream: if it is a terminal, it gets a block of lines that is rewritten in place.
    """

    def __init__(
        self, names: Iterable[str], report: Callable[[str], None], stream: TextIO | None = None
    ) -> None:
        self.waiting = list(names)
        self.total = len(self.waiting)
        self.report, self.stream = report, stream or sys.stdout
        self.live = self.stream.isatty() and os.environ.get("TERM") != "dumb"
        self.running: dict[str, tuple[float, int, int]] = {}  # start, cell, cells
        self.finished = 0
        self._began = time.monotonic()
        self._drawn = 0

    def start(self, name: str, cells: int, last: float | None) -> None:
        """A notebook starts; `last` is how many seconds it took the last time."""
        self.waiting.remove(name)
        self.running[name] = (time.monotonic(), 0, cells)
        if not self.live:
            took = f", {last:.0f} s the last time" if last else ""
            self.report(f"  {name}: started{took}")

    def cell(self, name: str, position: int) -> None:
        """A notebook has come to its code cell of this position, from 1."""
        started, _, cells = self.running[name]
        self.running[name] = (started, position, cells)

    def finish(self, name: str, result: str) -> None:
        """A notebook is done or has failed."""
        self.running.pop(name, None)
        self.waiting = [other for other in self.waiting if other != name]
        self.finished += 1
        self.erase()
        self.report(f"  [{self.finished}/{self.total}] {name}: {result}")
        self.draw()

    async def keep(self) -> None:
        """Go on showing what runs, until cancelled."""
        while True:
            await asyncio.sleep(REFRESH_SECONDS if self.live else REASSURE_SECONDS)
            if self.live:
                self.erase()
                self.draw()
            else:
                passed = time.monotonic() - self._began
                self.report(f"  {passed:4.0f} s  running: {', '.join(self.lines())}")

    def lines(self) -> list[str]:
        """Return one line for each notebook that runs."""
        now = time.monotonic()
        return [
            f"{name} ({f'cell {cell} of {cells}' if cell else 'starting'}, {now - started:.0f} s)"
            for name, (started, cell, cells) in self.running.items()
        ]

    def draw(self) -> None:
        """Write the block of live lines."""
        if not self.live:
            return
        size = shutil.get_terminal_size()
        lines = [f"  {line}" for line in self.lines()]
        if self.waiting:
            lines.append(f"  {len(self.waiting)} waiting: {', '.join(self.waiting)}")
        # A block that is higher than the screen could not be erased.
        lines = [line[: size.columns - 1] for line in lines[: max(1, size.lines - 2)]]
        self.stream.write("".join(f"{line}\n" for line in lines))
        self.stream.flush()
        self._drawn = len(lines)

    def erase(self) -> None:
        """Take the block of live lines away."""
        if self._drawn:
            self.stream.write(f"\x1b[{self._drawn}F\x1b[J")
            self.stream.flush()
            self._drawn = 0
