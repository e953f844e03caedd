"""The time that a box has used, whoever else is at work on the machine.

A limit in seconds on the wall would take points from a right answer because other boxes, or other
users, kept the processor: the grade would depend on who else is graded. Counted is what the box
had: its processor time, of all its processes together, or, where that is more, the time in which
none of them was kept waiting for a processor, so that sleeping counts. Waits are what Linux tells
in ``/proc/PID/task/TID/schedstat``; a kernel that does not tell them leaves the time on the wall.
"""

from __future__ import annotations

import contextlib
import os
import time
from collections.abc import Iterator

TICK = os.sysconf("SC_CLK_TCK")
SHORT = 0.05  # seconds on the wall that are not worth a look; so long it cannot have taken less


class Clock:
    """The own time of a box since a request to it, or of any process and those below it.

    Args:
        pid: the box's first process.
        seconds: that it may use.
    """

    def __init__(self, pid: int, seconds: float) -> None:
        self.pid, self.seconds = pid, seconds
        self._had = self._not_waiting = 0.0
        self.over = False  #: whether a look has found that it used more than it may; that stays so
        self._at = time.monotonic()
        self._processor, self._waits = usage(pid)

    def look(self) -> float:
        """Enter the time since the last look; return the seconds used.

        That is the processor time, or the wall's without the longest wait of a thread in each
        interval: whoever forks away what it does is not asleep, and counts as well. The kernel
        enters a wait when it is over, so an interval may hold more of it than its own length, and
        while a thread could run nobody can tell whether it does or waits: then the processor time
        alone says whether the limit is reached.
        """
        now = time.monotonic()
        processor, waits = usage(self.pid)
        passed = now - self._at
        waited = max((wait - self._waits.get(task, 0.0) for task, wait in waits.items()), default=0)
        self._had += max(processor - self._processor, 0.0)  # some may have ended unseen
        self._not_waiting += passed - max(waited, 0.0)
        self._at, self._processor, self._waits = now, processor, waits
        if self._had > self.seconds or (self.used > self.seconds and not could_run(self.pid)):
            self.over = True
        return self.used

    def end(self) -> float:
        """Return the seconds used until now, the last time."""
        passed = time.monotonic() - self._at
        return passed if not self.used and passed < SHORT else self.look()

    @property
    def used(self) -> float:
        """The seconds used, as of the last look."""
        return max(self._had, self._not_waiting)


def usage(pid: int) -> tuple[float, dict[int, float]]:
    """Return what a process and all below it have used of the processor, and their threads' waits.

    Returns:
        Processor seconds, those of ended children included; by thread, the seconds in which it
        could have run and did not. Both are empty of what has ended meanwhile.
    """
    processor, waits = 0.0, {}
    for process in family(pid):
        with contextlib.suppress(OSError, ValueError, IndexError):
            with open(f"/proc/{process}/stat", errors="replace") as file:
                # The name of a program may hold anything, but the last bracket is its end.
                fields = file.read().rpartition(")")[2].split()
            processor += sum(map(int, fields[11:15])) / TICK
            for task in os.listdir(f"/proc/{process}/task"):
                with open(f"/proc/{process}/task/{task}/schedstat") as file:
                    waits[int(task)] = int(file.read().split()[1]) / 1e9
    return processor, waits


def could_run(pid: int) -> bool:
    """Tell whether a thread of a process, or of any below it, runs or waits for a processor."""
    for process in family(pid):
        with contextlib.suppress(OSError, IndexError):
            for task in os.listdir(f"/proc/{process}/task"):
                with open(f"/proc/{process}/task/{task}/stat", errors="replace") as file:
                    if file.read().rpartition(")")[2].split()[0] == "R":
                        return True
    return False


def family(pid: int) -> Iterator[int]:
    """Iterate over a process and all below it."""
    pending = [pid]
    while pending:
        process = pending.pop()
        yield process
        with contextlib.suppress(OSError, ValueError):
            for task in os.listdir(f"/proc/{process}/task"):
                with open(f"/proc/{process}/task/{task}/children") as file:
                    pending += map(int, file.read().split())
