"""An end to what never ends: a check stops an answer that takes too long.

What counts is the processor's time of the thread that runs the answer, so that a slow or a busy
machine stops nobody; only an answer that does nothing at all, such as one that sleeps, is stopped
by the clock. It needs signals: on Windows, and outside of the main thread, nothing is stopped.
"""

from __future__ import annotations

import contextlib
import os
import signal
import threading
import time
from collections.abc import Iterator
from typing import Any

SECONDS = 20.0  # of the processor; times CVLAB_BUDGET_SCALE
PATIENCE = 10.0  # so many times as much by the clock
AGAIN = 0.5  # seconds after which it is stopped once more, if it has caught the first


class Endless(BaseException):
    """An answer has taken too long. No `except Exception` of an answer catches it."""

    def __init__(self, seconds: float) -> None:
        self.seconds = seconds
        super().__init__(f"it took longer than {seconds:g} seconds")


def allowed() -> float:
    """Return the seconds of the processor that a check may take on this machine."""
    try:
        scale = float(os.environ.get("CVLAB_BUDGET_SCALE") or 1)
    except ValueError:
        scale = 1.0
    return SECONDS * (scale if 0 < scale < 1e6 else 1.0)


def _possible() -> bool:
    there = hasattr(signal, "setitimer") and hasattr(signal, "SIGALRM")
    return there and threading.current_thread() is threading.main_thread()


@contextlib.contextmanager
def limited() -> Iterator[None]:
    """Stop what takes longer than `allowed`, and leave signals and timers as they were.

    Raises:
        Endless: where it was stopped.
    """
    if not _possible():
        yield
        return
    seconds = allowed()
    began, clock = time.thread_time(), time.monotonic()

    def wake(_signal: int, _frame: Any) -> None:
        left = min(
            seconds - (time.thread_time() - began),
            PATIENCE * seconds - (time.monotonic() - clock),
        )
        signal.setitimer(signal.ITIMER_REAL, max(left, 0.01) if left > 0 else AGAIN)
        if left <= 0:
            raise Endless(seconds)

    try:
        handler = signal.signal(signal.SIGALRM, wake)
        before = signal.setitimer(signal.ITIMER_REAL, seconds)
    except (OSError, ValueError):  # forbidden, or an interpreter inside of another one
        yield
        return
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, signal.SIG_DFL if handler is None else handler)
        if before[0]:  # somebody else's, who has waited meanwhile
            left = before[0] - (time.monotonic() - clock)
            signal.setitimer(signal.ITIMER_REAL, max(left, 0.01), before[1])
