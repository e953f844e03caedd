"""The own time of a box: what it had of the processor, whoever else is at work."""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
import time

import pytest
from waiting import GIVE_UP, started, until

from cvlab.classroom.grading.box import clock as clocks
from cvlab.classroom.grading.box.clock import Clock, family, usage

pytestmark = [
    pytest.mark.skipif(sys.platform != "linux", reason="boxes need Linux"),
    pytest.mark.slow,
]
BURN = "import time\nwhile time.process_time() < {}:\n    pass\n"
#: Children whose time the kernel adds to nobody's, one after another.
HIDDEN = """
import os, signal, time
signal.signal(signal.SIGCHLD, signal.SIG_IGN)
while True:
    pid = os.fork()
    if pid == 0:
        while time.process_time() < 0.03: pass
        os._exit(0)
    try:
        os.waitpid(pid, 0)
    except ChildProcessError: pass
"""


@contextlib.contextmanager
def running(source: str, core: int | None = None):
    """A process that executes some code, on one core of the machine if that is said."""
    command = [sys.executable, "-c", f"print(flush=True)\ninput()\n{source}"]
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE}
    with started(command, **pipes) as process:
        process.stdout.readline()
        if core is not None:
            os.sched_setaffinity(process.pid, {core})
        yield process


def go(process: subprocess.Popen) -> None:
    """Let a process begin, once its clock runs."""
    process.stdin.write(b"\n")
    process.stdin.flush()


def looked(clock: Clock, seconds: float) -> float:
    """Look again and again until so many seconds have gone by on the wall."""
    ends = time.monotonic() + seconds
    while time.monotonic() < ends:
        clock.look()
        time.sleep(0.05)
    return clock.look()


def test_sleeping_counts_as_on_the_wall():
    with running("import time\ntime.sleep(1000)") as process:
        began = time.monotonic()
        clock = Clock(process.pid, 0.5)
        go(process)
        used = looked(clock, 1.0)
        passed = time.monotonic() - began
    assert 0.5 * passed < used <= passed
    assert clock.over


def test_waiting_for_a_processor_does_not_count():
    core = min(os.sched_getaffinity(0))
    with contextlib.ExitStack() as others:
        for _ in range(5):
            go(others.enter_context(running("while True: pass", core)))
        process = others.enter_context(running("while True: pass", core))
        clock = Clock(process.pid, 100)
        go(process)
        before, _ = usage(process.pid)
        began = time.monotonic()
        used = looked(clock, 3.0)
        passed = time.monotonic() - began
        had = usage(process.pid)[0] - before
    assert had < 0.5 * passed, "it shares its core with five others"
    # But for ticks of the processor's clock, and a wait that is not over yet.
    assert had - 0.2 <= used <= had + 0.2 * passed


def test_a_wait_that_the_kernel_enters_late_does_not_take_back_what_was_found(monkeypatch):
    """The look that ends a box sees it over its limit; its last wait is known only afterwards."""
    seen = iter([(0.0, {1: 0.0}), (0.9, {1: 0.0}), (0.0, {1: 0.5})])
    now = iter([0.0, 1.1, 1.2])
    monkeypatch.setattr(clocks, "usage", lambda _pid: next(seen))
    monkeypatch.setattr(clocks.time, "monotonic", lambda: next(now))
    monkeypatch.setattr(clocks, "could_run", lambda _pid: False)
    clock = Clock(1, 1.0)
    assert clock.look() > 1.0
    assert clock.over
    assert clock.look() < 1.0
    assert clock.over


def test_who_may_be_waiting_is_not_over_by_the_time_on_the_wall(monkeypatch):
    seen = iter([(0.0, {1: 0.0}), (0.2, {1: 0.0}), (0.2, {1: 1.5}), (1.1, {1: 1.5})])
    now = iter([0.0, 1.5, 1.8, 2.7])
    monkeypatch.setattr(clocks, "usage", lambda _pid: next(seen))
    monkeypatch.setattr(clocks.time, "monotonic", lambda: next(now))
    monkeypatch.setattr(clocks, "could_run", lambda _pid: True)
    clock = Clock(1, 1.0)
    assert clock.look() == 1.5, "the wait goes on, and is not known yet"
    assert not clock.over
    assert clock.look() < 0.4
    assert not clock.over
    assert clock.look() > 1.0
    assert clock.over


def test_a_thread_that_waits_for_a_processor_could_run():
    core = min(os.sched_getaffinity(0))
    with running("import time\ntime.sleep(1000)", core) as process:
        go(process)
        assert until(lambda: not clocks.could_run(process.pid))
    with running("while True: pass", core) as first, running("while True: pass", core) as second:
        go(first)
        go(second)
        assert until(lambda: clocks.could_run(first.pid) and clocks.could_run(second.pid))


def test_all_processes_below_count_also_those_that_have_ended():
    source = f"""
import subprocess, sys
for _ in range(2):
    subprocess.run([sys.executable, "-c", {BURN.format(0.6)!r}])
child = subprocess.Popen([sys.executable, "-c", {BURN.format(0.6)!r}])
child.wait()
print("done", flush=True)
import time
time.sleep(1000)
"""
    with running(source) as process:
        clock = Clock(process.pid, 1.0)
        go(process)
        assert process.stdout.readline() == b"done\n"
        assert clock.look() >= 1.7
        assert list(family(process.pid)) == [process.pid]


def test_time_that_is_hidden_in_children_counts():
    with running(HIDDEN) as process:
        clock = Clock(process.pid, 1.0)
        go(process)
        assert until(lambda: clock.look() > 1.0)


def test_what_has_ended_uses_nothing_more():
    with running("") as process:
        clock = Clock(process.pid, 100)
        go(process)
        process.wait(GIVE_UP)
        assert usage(process.pid) == (0.0, {})
        assert clock.end() < GIVE_UP
