"""How slow this machine is while a notebook runs, by a fixed piece of work beside it.

Two cores are often two halves of one: with both at work each needs half as long again for the same
notebook, and other users of the machine add to it. A budget that did not know this would end a
sound notebook on a slow or busy machine.
"""

from __future__ import annotations

import statistics
import time

#: Processor seconds of `work` where the budgets were set: a server's core with nobody beside it.
REFERENCE_SECONDS = 0.085
MOST = 4.0  # times as slow as that; whoever has a slower machine says so in CVLAB_BUDGET_SCALE
EVERY_SECONDS = 10.0  # of a run, one measurement: it costs a hundredth of a core
FIRST_SECONDS = 2.0  # a run that is over sooner needs none


def work() -> float:
    """Do what notebooks do, in plain Python, in the processor's cache and in memory."""
    import numpy as np  # here, because every command reads this module

    table: dict[int, int] = {}
    total = 0
    for number in range(150_000):
        table[number & 1023] = total
        total += number % 7
    small = np.random.default_rng(0).normal(size=(64, 64)).astype(np.float32)
    for _ in range(2000):
        small = np.tanh(small @ small.T / 64)
    large = np.zeros((1000, 1000), np.float32)
    for _ in range(20):
        large = large * 0.5 + 1
    return total + float(small.sum() + large.sum())


class Pace:
    """How many times as long as on the reference machine work takes, measured again and again."""

    def __init__(self) -> None:
        self.taken: list[float] = []
        self._next = time.monotonic() + FIRST_SECONDS

    def follow(self) -> None:
        """Measure, if the last time is long enough ago."""
        if time.monotonic() >= self._next:
            self.measure()

    def measure(self) -> None:
        """Do the work once and enter the processor seconds that it took."""
        import numpy  # noqa: F401 - not while the clock runs

        began = time.thread_time()
        work()
        self.taken.append(time.thread_time() - began)
        self._next = time.monotonic() + EVERY_SECONDS

    @property
    def slowness(self) -> float:
        """The mean so far, from 1 to `MOST`; 1 before the first measurement."""
        if not self.taken:
            return 1.0
        return min(max(statistics.fmean(self.taken) / REFERENCE_SECONDS, 1.0), MOST)
