"""Waiting for events: how long one takes says nothing, that it never comes is a fault.

A test on a busy machine takes longer and is still right. So tests wait for what another process
writes, prints or becomes, stop it at a point that they control, and measure what must be quick in
processor time. `GIVE_UP` only ends a test whose event never comes.
"""

from __future__ import annotations

import contextlib
import resource
import subprocess
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

import psutil

GIVE_UP = 300.0  # seconds


def until(true: Callable[[], Any], seconds: float = GIVE_UP) -> bool:
    """Wait until something is true; return whether it became so."""
    ends = time.monotonic() + seconds
    while not true():
        if time.monotonic() > ends:
            return False
        time.sleep(0.01)
    return True


def ended(process: int | psutil.Process) -> bool:
    """Tell whether a process has ended; a zombie that nobody reaps has."""
    try:
        one = psutil.Process(process) if isinstance(process, int) else process
        return not one.is_running() or one.status() == psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return True


def all_end(processes: Iterable[int | psutil.Process]) -> bool:
    """Wait until processes have ended; return whether they did."""
    return all([until(lambda one=one: ended(one)) for one in processes])


def line_in(path: Path) -> str:
    """Wait until another process has written a line into a file; return it."""
    assert until(lambda: path.exists() and path.read_text().endswith("\n")), f"{path}: no line"
    return path.read_text().strip()


@contextlib.contextmanager
def started(command: Sequence[Any], **options: Any) -> Iterator[subprocess.Popen]:
    """Start a process for a block; one that hangs there fails its test, and not the whole run."""
    with subprocess.Popen([str(part) for part in command], **options) as process:
        try:
            yield process
        finally:
            process.kill()


@contextlib.contextmanager
def processor_time(most: float, *, children: bool = False) -> Iterator[None]:
    """Assert that a block takes at most so many seconds of this process's time.

    Args:
        most: seconds.
        children: whether those of processes that ended meanwhile count.
    """
    whose = [resource.RUSAGE_SELF, *([resource.RUSAGE_CHILDREN] if children else [])]

    def spent() -> float:
        times = [resource.getrusage(one) for one in whose]
        return sum(one.ru_utime + one.ru_stime for one in times)

    began = spent()
    yield
    took = spent() - began
    assert took < most, f"{took:.2f} s of processor time, allowed are {most:g}"
