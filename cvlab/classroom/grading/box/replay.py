"""A student's notebook in a box: replay of its cells, questions to it, and what became of it.

`ask` sends one request to a box and reads an answer of which every byte may be forged. A `Sitting`
replays a notebook and starts again without the guilty cell where one crashes or never ends.
`Watch` looks at the memory and the time of all processes of a box together, which no limit of the
kernel bounds without a control group.
"""

from __future__ import annotations

import contextlib
import functools
import json
import os
import signal
import threading
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

from cvlab.checking import wire
from cvlab.classroom.grading.box.clock import Clock
from cvlab.classroom.grading.box.isolation import Limits
from cvlab.classroom.grading.box.zygote import ZygoteError
from cvlab.classroom.grading.intake.answers import Code

REPLY = 100_000  # bytes of an answer, without a value and what a cell shows
OUTPUTS = 20_000_000  # bytes of an answer with what a cell shows
REPLAYS = 12  # of one notebook, by default; after so many crashes the rest is given up
LOOK_SECONDS = 0.1  # between two looks at the memory and the time of the boxes
#: On the wall, for each second that a box, or a submission, may use and besides: its turn comes
#: sooner on any machine on which it is worth grading. Also the most that somebody can make the
#: grader wait who sleeps and lets an idle thread of his wait for a processor meanwhile.
BACKSTOP, BACKSTOP_SECONDS = 10.0, 60.0
OVER = "the time of the whole submission is over"


class Place(Protocol):
    """Where boxes come from: a `zygote.Zygote`, or what stands in for one."""

    def box(self, limits: Limits | None = None) -> Any:
        """Start a box."""

    def alive(self) -> bool:
        """Tell whether boxes can be had; when that ends, so do all boxes."""

    def stop(self) -> None:
        """End everything."""


@dataclass(frozen=True)
class Policy:
    """What a submission may use; part of what decides about grades.

    Attributes:
        cell_seconds: for each cell of the notebook, of the box's own time (see `clock`).
        total_seconds: for the whole submission, the own time of its boxes added up.
        memory_bytes: of all processes of a box together.
        box: limits of each process; it may use the processor all the time that the whole has.
        hints: whether those who got a task wrong are told what the visible check says.
    """

    cell_seconds: float = 20.0
    total_seconds: float = 120.0
    memory_bytes: int = 3_500_000_000
    box: Limits = field(default_factory=lambda: Limits(cpu_seconds=120))
    hints: bool = True


@dataclass(frozen=True)
class Reply:
    """What came back from a box.

    Attributes:
        fate: ok, error (an exception), timeout, crash (the process has ended), or refused (an
            answer that is none).
        name: of the exception; forged or not, a short text.
        message: its text, from the box.
        line: of the student's cell, 0 if unknown.
        value: what a call returned.
        outputs: what a cell showed.
    """

    fate: str
    name: str = ""
    message: str = ""
    line: int = 0
    value: Any = None
    outputs: tuple[dict[str, Any], ...] = ()

    @property
    def ended(self) -> bool:
        """Tell whether the box is of no use any more."""
        return self.fate in ("timeout", "crash", "refused")


def ask(box: Any, request: dict[str, Any], seconds: float, value: bytes | None = None) -> Reply:
    """Send a request to a box and return its answer, whatever it is; never raises for the box.

    Args:
        box: a box that waits for a request.
        request: as `runner.Runner.live` reads it.
        seconds: how long the answer may take.
        value: an encoded value that the request is about.
    """
    ends = time.monotonic() + seconds
    try:
        wire.write_message(box.link, json.dumps(request).encode(), ends)
        if value is not None:
            wire.write_message(box.link, value, ends)
        cap = OUTPUTS if request.get("outputs") else REPLY
        reply = _parsed(wire.read_message(box.link, ends, cap))
        if reply.fate == "ok" and "call" in request:
            content = wire.read_message(box.link, ends)
            return Reply("ok", value=wire.decode(content))
        return reply
    except wire.WireTimeout:
        return Reply("timeout", message=f"it took longer than {seconds:.3g} seconds")
    except (wire.WireClosed, OSError):
        return Reply("crash", message="its process ended")
    except wire.WireError as error:
        return Reply("refused", message=str(error))


def _parsed(data: bytes | bytearray) -> Reply:
    """Read an answer of which nothing is trusted, not even that it is JSON."""
    try:
        answer = json.loads(data)
        error = answer["error"]
        outputs = answer.get("outputs", [])
        if not isinstance(outputs, list) or not all(isinstance(one, dict) for one in outputs):
            raise TypeError
        if error is None:
            return Reply("ok", outputs=tuple(outputs))
        name, message, line = error["name"], error["message"], error["line"]
        if type(name) is not str or type(message) is not str or type(line) is not int:
            raise TypeError
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError):
        return Reply("refused", message="its process sent an answer that is none")
    line = line if 0 <= line < 1_000_000 else 0
    return Reply("error", name[:100], message[:2000], line, outputs=tuple(outputs))


class Sitting:
    """The replay of one notebook, box after box.

    Args:
        place: where boxes come from.
        cells: what to execute, in this order.
        again: sources to execute after all cells, because a later cell has undone them.
        policy: what the notebook may use.
        watch: told of each box.
        replays: how often to start again before the rest is given up.
    """

    def __init__(
        self,
        place: Place,
        cells: Sequence[Code],
        again: Sequence[str],
        policy: Policy,
        watch: Watch | None = None,
        replays: int = REPLAYS,
    ) -> None:
        self.place, self.cells, self.again, self.policy = place, cells, again, policy
        self.watch, self.most_replays = watch, replays
        self.replies: dict[int, Reply] = {}  #: by the cell's index, of the last replay
        self.lost: dict[int, Reply] = {}  #: cells that ended a box, and are left out since
        self.box: Any = None
        self.left = policy.total_seconds
        self.replays = 0
        self.starved = False  #: whether it waited in vain for its turn, which is not its fault
        self.until = time.monotonic() + BACKSTOP * policy.total_seconds + BACKSTOP_SECONDS

    def __enter__(self) -> Sitting:
        return self

    def __exit__(self, *_error: object) -> None:
        self.close()

    def close(self) -> None:
        """End the box, if there is one."""
        box, self.box = self.box, None
        if box is not None:
            if self.watch:
                self.watch.forget(box)
            box.close()

    def open(self) -> bool:
        """Replay the notebook in a new box; False if nothing is left to try it with."""
        self.close()
        while self.replays < self.most_replays and self.left > 0:
            self.replays += 1
            self.box = self.place.box(self.policy.box)
            if self.watch:
                self.watch.add(self.box, self.policy.memory_bytes)
            self.replies = {}
            if self._replay():
                return True
            self.close()
        return False

    def _replay(self) -> bool:
        for code in self.cells:
            if code.index in self.lost or not code.source.strip():
                continue
            reply = self.ask({"cell": code.source}, self.policy.cell_seconds)
            self.replies[code.index] = reply
            if reply.ended:
                self.lost[code.index] = reply
                return False
        for source in self.again:
            if self.ask({"cell": source}, self.policy.cell_seconds).ended:
                self.left = 0.0  # a cell that ran once and not again plays tricks
                return False
        return True

    def ask(self, request: dict[str, Any], seconds: float, value: bytes | None = None) -> Reply:
        """Ask the box; the time is taken from what the submission has left.

        Raises:
            ZygoteError: if the box has ended because all boxes have.
        """
        if self.box is None or self.left <= 0:
            return Reply("timeout", message=OVER)
        seconds = min(seconds, self.left)
        reply, used = ask_within(self.box, request, seconds, self.watch, value)
        self.left -= used
        if time.monotonic() > self.until or (reply.fate == "timeout" and used < seconds):
            self.starved, self.left = True, 0.0
            return Reply("timeout", message="the machine had no time for it")
        if reply.fate == "crash" and not self.place.alive():
            raise ZygoteError("the process that makes boxes has ended, and all boxes with it.")
        if reply.fate == "timeout" and self.left <= 0:  # how much was left is nobody's business
            reply = Reply("timeout", message=OVER)
        if self.watch and self.watch.greedy(self.box):
            most = self.policy.memory_bytes / 1e9
            reply = Reply("crash", message=f"it used more than {most:.3g} GB of memory")
        return reply


def ask_within(
    box: Any, request: dict[str, Any], seconds: float, watch: Watch | None, value: bytes | None
) -> tuple[Reply, float]:
    """Ask a box that may use so many seconds of its own; return its answer and what it used."""
    if watch is None:
        began = time.monotonic()
        return ask(box, request, seconds, value), time.monotonic() - began
    with watch.timed(box, seconds) as clock:
        reply = ask(box, request, BACKSTOP * seconds + BACKSTOP_SECONDS, value)
    used = clock.end()
    # Ended by the watch, or just before it: an answer that came in time stands. What the clock has
    # once found stays: the kernel enters the box's last wait only now, and takes it off the time.
    if reply.fate == "crash" and clock.over:
        reply = Reply("timeout", message=f"it took longer than {seconds:.3g} seconds")
        used = max(used, seconds)
    return reply, used


class Watch:
    """A thread that ends boxes whose processes together use too much memory or time."""

    def __init__(self) -> None:
        self._boxes: dict[int, tuple[Any, int]] = {}
        self._killed: set[int] = set()
        self._clocks: dict[int, tuple[Any, Clock]] = {}
        self._lock = threading.Lock()
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._look, name="box-memory", daemon=True)
        self._thread.start()

    def add(self, box: Any, most: int) -> None:
        """Look at a box from now on."""
        with self._lock:
            self._boxes[box.pid] = (box, most)

    def forget(self, box: Any) -> None:
        """Look at a box no more; its number may be given to another."""
        with self._lock:
            self._boxes.pop(box.pid, None)
            self._killed.discard(box.pid)

    def greedy(self, box: Any) -> bool:
        """Tell whether a box has been ended for its memory."""
        return box.pid in self._killed

    @contextlib.contextmanager
    def timed(self, box: Any, seconds: float) -> Iterator[Clock]:
        """Count the own time of a box, and end it when that is over."""
        clock = Clock(box.pid, seconds)
        with self._lock:
            self._clocks[box.pid] = (box, clock)
        try:
            yield clock
        finally:
            with self._lock:
                del self._clocks[box.pid]

    def stop(self) -> None:
        """Look no more."""
        self._stop.set()
        self._thread.join()

    def _look(self) -> None:
        before: list[Any] = []
        while not self._stop.wait(LOOK_SECONDS):
            with self._lock:  # a box that has a clock is not closed meanwhile
                for box, clock in self._clocks.values():
                    clock.look()
                    if clock.over:
                        with contextlib.suppress(ProcessLookupError):
                            os.kill(box.pid, signal.SIGKILL)
                known = list(self._boxes.values())
            # A look takes milliseconds, and most boxes have ended before a second one would come.
            watched = [(box, most) for box, most in known if any(box is old for old in before)]
            before = [box for box, _most in known]
            children = _children() if watched else {}
            for box, most in watched:
                if memory(box.pid, most, children) <= most:
                    continue
                with self._lock:  # the number is the box's for as long as it is in the list
                    if self._boxes.get(box.pid, (None, 0))[0] is box:
                        self._killed.add(box.pid)
                        with contextlib.suppress(ProcessLookupError):
                            os.kill(box.pid, signal.SIGKILL)


def memory(pid: int, most: int = 0, children: dict[int, list[int]] | None = None) -> int:
    """Return the bytes of memory that a process and its descendants have for themselves.

    Besides anonymous pages these are shared ones, what the kernel needs for their tables, what has
    been swapped out, and what fits into their sockets. What a process shares with others is counted
    for each of them, unless that comes to more than `most`; then it is worth its time to find out
    exactly.
    """
    children = _children() if children is None else children
    every, pending = [], [pid]
    while pending:
        every.append(pending.pop())
        pending += children.get(every[-1], ())
    parts = "RssAnon:", "RssShmem:", "VmPTE:", "VmSwap:"
    quickly = {one: _fields(f"/proc/{one}/status", *parts) for one in every}
    found = bytes_in_sockets(every)
    if found + sum(quickly.values()) <= most:
        return found + sum(quickly.values())
    shared = "Pss_Anon:", "Pss_Shmem:", "SwapPss:"
    for one in every:
        exactly = _fields(f"/proc/{one}/smaps_rollup", *shared)
        # Nothing at all is what a file says that this user may not read.
        found += exactly + _fields(f"/proc/{one}/status", "VmPTE:") if exactly else quickly[one]
    return found


def bytes_in_sockets(processes: Sequence[int]) -> int:
    """Return the bytes that the sockets of a box can hold, which no process is said to have.

    The kernel tells how many sockets are in a network namespace, and not what is in them. Without
    walls there is no such namespace, and nothing is counted.
    """
    for one in processes:
        with contextlib.suppress(OSError):
            if os.readlink(f"/proc/{one}/ns/net") != os.readlink("/proc/self/ns/net"):
                with open(f"/proc/{one}/net/unix", "rb") as file:
                    return (sum(1 for _ in file) - 1) * _socket_bytes()
    return 0


@functools.cache
def _socket_bytes() -> int:
    """Return what a socket can hold: when it is full, half as much again may have come at once."""
    return int(Path("/proc/sys/net/core/wmem_default").read_text()) * 3 // 2


def _children() -> dict[int, list[int]]:
    """Return the children of each process, from one look at all of them."""
    found: dict[int, list[int]] = {}
    for name in os.listdir("/proc"):
        if name.isdigit():
            with contextlib.suppress(OSError, ValueError, IndexError):
                # The name of a program may hold anything, but the last bracket is its end.
                fields = Path(f"/proc/{name}/stat").read_text(errors="replace").rpartition(")")[2]
                found.setdefault(int(fields.split()[1]), []).append(int(name))
    return found


def _fields(path: str, *names: str) -> int:
    """Return the sum of some lines of a file that gives kilobytes."""
    with contextlib.suppress(OSError, ValueError), open(path, errors="replace") as file:
        return sum(int(line.split()[1]) * 1024 for line in file if line.startswith(names))
    return 0
