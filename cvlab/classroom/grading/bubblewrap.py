"""Boxes by bubblewrap, for machines on which the grader may not build all walls itself.

Some systems forbid unprivileged user namespaces, which `isolation.enter` needs, but have the
program ``bwrap``, which is allowed to use them or belongs to root with its set-user-ID bit. It
makes the namespaces, the empty root and the mounts; the walls that need no privilege (resource
limits, Landlock, seccomp) are those of `isolation`, built inside before there is any student's
code. The price is a Python process of its own for each box, which imports the libraries again;
one box is therefore started ahead.

`Bubblewrap` stands in for a `zygote.Zygote`; ``python -m cvlab.classroom.grading.bubblewrap FD``
is what runs in the box. Source: the manual page bwrap(1), of version 0.8.
"""

from __future__ import annotations

import contextlib
import dataclasses
import json
import os
import select
import shutil
import signal
import socket
import stat
import subprocess
import sys
import threading
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from cvlab.classroom.grading import exchange, isolation, runner
from cvlab.classroom.grading.isolation import IsolationError, Limits
from cvlab.classroom.grading.zygote import (
    FIRST_USER,
    START_SECONDS,
    Box,
    ZygoteError,
    clean_environment,
)
from cvlab.classroom.warm import parent

NAME = "cvlab.classroom.grading.bubblewrap"
# Each has its share of the bytes of disk: bwrap cannot make one file system of them.
SHARES = {"/box": 2, "/tmp": 4, "/dev/shm": 4}
FILES = 10_000
LOOK_SECONDS = 0.1  # between two looks at what boxes have written


class Bubblewrap:
    """Starts boxes with bwrap; several threads may ask for them.

    Args:
        setup: sources of the cells that come before an exercise's first task, executed in each box.
        environment: the environment variables of the boxes.

    Raises:
        ZygoteError: if bwrap refuses, or the setup does not run.
    """

    def __init__(
        self, setup: Sequence[str] = (), environment: dict[str, str] | None = None
    ) -> None:
        self.setup = list(setup)
        hidden = {"MPLCONFIGDIR": "/tmp/.matplotlib", "IPYTHONDIR": "/tmp/.ipython"}
        self.environment = environment or clean_environment() | hidden
        self.lock, self._over = threading.RLock(), threading.Event()
        self.boxes: set[Wrapped] = set()
        self._ahead: Wrapped | None = None
        # A box ends with the thread that has started it, so this one starts all of them.
        self._starter = ThreadPoolExecutor(1, "bubblewrap")
        self._watcher = threading.Thread(target=self._watch, daemon=True)
        self._watcher.start()
        try:
            self._ahead = self._start(Limits())
            self._ahead.wait()
        except BaseException:  # Ctrl-C, too
            self.stop()
            raise

    def box(self, limits: Limits | None = None, *, heard: bool = False) -> Wrapped:
        """Start a box, or take the one that was started ahead.

        Args:
            limits: what it may use.
            heard: whether what it prints comes out of `Box.printed`, which has to be read then.

        Raises:
            ZygoteError: if it cannot be started.
        """
        limits = limits or Limits()
        with self.lock:
            box, self._ahead = self._ahead, None
            if box is not None and box.limits != limits:
                box.close()
                box = None
            box = box or self._start(limits)
            with contextlib.suppress(ZygoteError):  # whoever wants that one will be told
                self._ahead = self._start(limits)
        try:
            box.wait()
            box.begin(heard)
        except BaseException:
            box.close()
            raise
        return box

    def _start(self, limits: Limits) -> Wrapped:
        if self._over.is_set():
            raise ZygoteError("bubblewrap has been stopped.")
        box = self._starter.submit(Wrapped, self, limits).result()
        with self.lock:
            self.boxes.add(box)
        return box

    def _watch(self) -> None:
        # A set-user-ID bwrap does not limit the bytes of folders, and none the number of files.
        while not self._over.wait(LOOK_SECONDS):
            with self.lock:
                for box in self.boxes:
                    if box.overflows():
                        box.end()

    def stop(self) -> None:
        """End every box."""
        self._over.set()
        self._watcher.join()
        with self.lock:
            for box in self.boxes:
                box.end()
            if self._ahead is not None:
                self._ahead.close()
        self._starter.shutdown()

    def __enter__(self) -> Bubblewrap:
        return self

    def __exit__(self, *_error: object) -> None:
        self.stop()


class Wrapped(Box):
    """A box that bwrap has started: `pid` is that of bwrap, the parent of its first process."""

    def __init__(self, place: Bubblewrap, limits: Limits) -> None:
        self.place, self.limits = place, limits
        self.status, self._first = None, -1
        self._folders: list[int] = []
        self.link, theirs = socket.socketpair()
        self.printed, output = os.pipe()
        reading, info = os.pipe()
        inside = ["--info-fd", str(info), sys.executable, "-m", NAME, str(theirs.fileno())]
        with theirs, open(output), open(info):
            self.process = subprocess.Popen(
                [*wall(limits, place.environment), *inside],
                pass_fds=[theirs.fileno(), info],
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
            )
        self.pid = self.process.pid
        with open(reading, "rb") as file, contextlib.suppress(ValueError, ProcessLookupError):
            self._first = os.pidfd_open(json.load(file)["child-pid"])
        user = FIRST_USER + self.pid % 50_000 if os.geteuid() == 0 else None
        request = {"limits": dataclasses.asdict(limits), "setup": place.setup, "user": user}
        request["threads"] = _threads_of_user()
        with contextlib.suppress(exchange.ExchangeError):  # `wait` will say why
            ends = time.monotonic() + START_SECONDS
            exchange.write_message(self.link, json.dumps(request).encode(), ends)

    def wait(self) -> None:
        """Wait until it is ready for a student's code.

        Raises:
            ZygoteError: if it has ended instead; with what it, or bwrap, said last.
        """
        self.link.settimeout(START_SECONDS)
        with contextlib.suppress(OSError):
            flags = socket.MSG_CMSG_CLOEXEC
            _, self._folders, _, _ = socket.recv_fds(self.link, 1, len(SHARES), flags)
        self.link.settimeout(None)
        if not self._folders:
            self.end()
            said = os.read(self.printed, 10_000).decode(errors="replace").strip()
            raise ZygoteError(f"bubblewrap starts no box: {said.splitlines()[-1:]}")

    def begin(self, heard: bool) -> None:
        """Let it listen to `link`, and hear what it prints or not."""
        self.link.sendall(b"h" if heard else b"q")

    def overflows(self) -> bool:
        """Return whether it has written more, or more files, than it may."""
        found = [os.fstatvfs(folder) for folder in self._folders]
        size = sum((one.f_blocks - one.f_bfree) * one.f_frsize for one in found)
        files = sum(one.f_files - one.f_ffree for one in found)
        return size > self.limits.disk_bytes or files > FILES

    def end(self) -> None:
        """End every process of it, and wait until the last has ended; its number stays its own."""
        if self._first >= 0:
            with contextlib.suppress(ProcessLookupError):
                signal.pidfd_send_signal(self._first, signal.SIGKILL)
            select.select([self._first], [], [])  # it ends after all others of its namespace

    def close(self) -> int: ...
