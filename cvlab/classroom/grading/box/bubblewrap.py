"""Boxes by bubblewrap, for machines on which the grader may not build all walls itself.

Some systems forbid unprivileged user namespaces, which `isolation.enter` needs, but have the
program ``bwrap``, which is allowed to use them or belongs to root with its set-user-ID bit. It
makes the namespaces, the empty root and the mounts; the walls that need no privilege (resource
limits, Landlock, seccomp) are those of `isolation`, built inside before there is any student's
code. The price is a Python process of its own for each box, which imports the libraries again;
one box is therefore started ahead.

`Bubblewrap` stands in for a `zygote.Zygote`; what runs in the box is
``python -m cvlab.classroom.grading.box.bubblewrap FD``.

Source: the manual page bwrap(1), of version 0.8.
"""

from __future__ import annotations

import contextlib
import dataclasses
import json
import math
import os
import resource
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

from cvlab.checking import wire
from cvlab.classroom.grading.box import isolation, runner
from cvlab.classroom.grading.box.isolation import IsolationError, Limits
from cvlab.classroom.grading.box.zygote import (
    FIRST_USER,
    START_SECONDS,
    Box,
    ZygoteError,
    clean_environment,
    to_nowhere,
)
from cvlab.classroom.running.warm import parent

NAME = "cvlab.classroom.grading.box.bubblewrap"
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
        _program()  # a missing one is no reason to start threads
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

    def box(self, limits: Limits | None = None) -> Wrapped:
        """Start a box, or take the one that was started ahead.

        Args:
            limits: what it may use.

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
            box.begin()
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

    def alive(self) -> bool:
        """Tell whether it can start boxes; they end when it is stopped."""
        return not self._over.is_set()

    def stop(self) -> None:
        """End every box."""
        self._over.set()
        self._watcher.join()
        with self.lock:
            for box in self.boxes:
                box.end()
            if self._ahead is not None:
                self._ahead.close()
                self._ahead = None
        self._starter.shutdown()

    def __enter__(self) -> Bubblewrap:
        return self

    def __exit__(self, *_error: object) -> None:
        self.stop()


class Wrapped(Box):
    """A box that bwrap has started: `pid` is bwrap's, whose child is the first process inside."""

    def __init__(self, place: Bubblewrap, limits: Limits) -> None:
        self.place, self.limits = place, limits
        self.status, self._first, self._folders = None, None, []
        self.link, theirs = socket.socketpair()
        self._printed, output = os.pipe()
        reading, info = os.pipe()
        inside = ["--info-fd", str(info), sys.executable, "-m", NAME, str(theirs.fileno())]
        try:
            self.process = subprocess.Popen(
                [*_wall(limits, place.environment), *inside],
                pass_fds=[theirs.fileno(), info],
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
            )
        finally:
            theirs.close()
            os.close(output)
            os.close(info)
        self.pid = self.process.pid
        with open(reading) as file, contextlib.suppress(ValueError, ProcessLookupError):
            self._first = os.pidfd_open(json.load(file)["child-pid"])
        request = {
            "limits": dataclasses.asdict(limits),
            "setup": place.setup,
            "user": FIRST_USER + self.pid % 50_000 if isolation._is_root() else None,
            "others": _threads_of_user() if _set_user_id() else 0,
        }
        with contextlib.suppress(wire.WireError):  # `wait` will say why
            ends = time.monotonic() + START_SECONDS
            wire.write_message(self.link, json.dumps(request).encode(), ends)

    def wait(self) -> None:
        """Wait until it is ready for a student's code.

        Raises:
            ZygoteError: if it has ended instead; with the last line that it, or bwrap, printed.
        """
        if self._folders:
            return
        self.link.settimeout(START_SECONDS)
        with contextlib.suppress(OSError):
            flags = socket.MSG_CMSG_CLOEXEC
            _, self._folders, _, _ = socket.recv_fds(self.link, 1, len(SHARES), flags)
        self.link.settimeout(None)
        if not self._folders:
            self.end()
            printed = os.read(self._printed, 10_000).decode(errors="replace").splitlines()
            reason = printed[-1] if printed else "it did not say why."
            raise ZygoteError(f"bubblewrap starts no box: {reason[:1000]}")

    def begin(self) -> None:
        """Let it do what comes through `link`; from now on nobody reads what it prints."""
        with contextlib.suppress(OSError):  # it has ended, which `link` tells
            self.link.sendall(b"b")
        os.close(self._printed)
        self._printed = None

    def overflows(self) -> bool:
        """Return whether its folders hold more than they may."""
        found = [os.fstatvfs(folder) for folder in self._folders]
        size = sum((one.f_blocks - one.f_bfree) * one.f_frsize for one in found)
        files = sum(one.f_files - one.f_ffree for one in found)
        return size > self.limits.disk_bytes or files > FILES

    def end(self) -> None:
        """End every process of it and wait for that; bwrap's number is kept until `close`."""
        if self._first is None:
            self.process.kill()
            return
        with contextlib.suppress(ProcessLookupError):
            signal.pidfd_send_signal(self._first, signal.SIGKILL)
        waiting = select.poll()
        waiting.register(self._first, select.POLLIN)
        waiting.poll()  # the first process of a namespace ends after all others

    def close(self) -> int:
        """End the box, whatever it is doing, and everything in it; return its exit status."""
        if self.status is None:
            self.process.kill()
            self.status = self.process.wait()
            self.end()
            with self.place.lock:
                self.place.boxes.discard(self)
                fds = [self._first, self._printed, *self._folders]
                self.link.close()
                for fd in filter(None, fds):
                    os.close(fd)
        return self.status


def available() -> str | None:
    """Build every wall around a process; return None if that works here, otherwise why not."""
    user = FIRST_USER if isolation._is_root() else None
    code = f"from {__package__} import bubblewrap; bubblewrap._enter({user})"
    try:
        command = [*_wall(Limits(), clean_environment()), sys.executable, "-c", code]
    except ZygoteError as error:
        return str(error)
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    said = done.stderr.strip().splitlines() or [f"it ended with status {done.returncode}"]
    return f"bubblewrap does not work here ({said[-1]})." if done.returncode else None


def _program() -> str:
    found = shutil.which("bwrap") if sys.platform == "linux" else None
    if found is None:
        raise ZygoteError("bubblewrap (the program bwrap) is not installed.")
    return found


def _set_user_id() -> bool:
    """Return whether bwrap has rights that the caller has not."""
    return bool(os.stat(_program()).st_mode & stat.S_ISUID) and not isolation._is_root()


def _threads_of_user() -> int:
    count = 0
    for process in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):  # it has ended
            if process.stat().st_uid == os.geteuid():
                count += len(os.listdir(process / "task"))
    return count


def _wall(limits: Limits, environment: dict[str, str]) -> list[str]:
    """Return the command that starts a program in a box."""
    command = [_program(), "--die-with-parent", "--new-session"]
    command += ["--as-pid-1", "--clearenv", "--cap-drop", "ALL"]
    if isolation._is_root():
        # In a user namespace it would be root to the host's files; so it changes its user inside.
        command += [f"--unshare-{name}" for name in ("ipc", "pid", "net", "uts", "cgroup-try")]
        for name in ("CAP_SETUID", "CAP_SETGID", "CAP_SETPCAP"):
            command += ["--cap-add", name]
    else:
        command.append("--unshare-all")
    for name, value in environment.items():
        command += ["--setenv", name, value]
    # Its own /dev/zero, mapped, would be memory that nobody counts; see `isolation`.
    command += ["--proc", "/proc", "--dev", "/dev", "--dev-bind", "/dev/full", "/dev/zero"]
    for folder, share in SHARES.items():
        # Not permitted with the set-user-ID bit; `Wrapped.overflows` is the limit then.
        size = [] if _set_user_id() else ["--size", str(max(1, limits.disk_bytes // share))]
        command += ["--perms", "1777", *size, "--tmpfs", folder]
    for path in isolation.system_folders():  # a checkout may lie in /tmp
        for above in reversed(path.parents[:-1]):  # bwrap would make these for its own user only
            command += ["--perms", "0755", "--dir", str(above)]
        command += ["--ro-bind", str(path), str(path)]
    return [*command, "--remount-ro", "/dev", "--remount-ro", "/", "--chdir", str(isolation.WORK)]


# ------------------------------------------------------------------------------------- in the box


def main() -> None:
    """Build the walls that bwrap has not built, then be a box; never returns."""
    status = 70
    try:
        link = socket.socket(fileno=int(sys.argv[1]))
        link.set_inheritable(False)
        ends = time.monotonic() + START_SECONDS
        request = json.loads(wire.read_message(link, ends, runner.REQUEST))
        parent.load(parent.libraries())
        one = runner.Runner()
        parent.rest_threads()
        _empty()
        _enter(request["user"])
        one.set_up(request["setup"])
        _limit(Limits(**request["limits"]), request["others"])
        folders = [os.open(folder, os.O_PATH | os.O_CLOEXEC) for folder in SHARES]
        socket.send_fds(link, [b"r"], folders)
        for folder in folders:
            os.close(folder)
        if link.recv(1):
            to_nowhere(1, 2)
            one.live(link)
        status = 0
    except SystemExit as end:
        status = end.code if isinstance(end.code, int) else 1
    except BaseException as error:
        with contextlib.suppress(OSError):
            os.write(2, f"{type(error).__name__}: {error}\n".encode(errors="replace")[:1000])
    finally:
        os._exit(status)


def _empty() -> None:
    """Remove what libraries have cached, perhaps as root; not a checkout that lies there."""
    shown = isolation.system_folders()
    for left in (path for folder in SHARES for path in Path(folder).iterdir()):
        if not any(left == path or left in path.parents for path in shown):
            shutil.rmtree(left)


def _enter(user: int | None) -> None:
    if parent.threads() != 1:
        raise IsolationError("the libraries have started threads, which no wall would hold.")
    isolation._drop_privileges(user)
    # A change of user has cleared it; no student's code has come yet should it be too late.
    isolation.libc.prctl(isolation.PR_SET_PDEATHSIG, signal.SIGKILL)
    isolation.landlock([isolation.WORK, Path("/tmp"), Path("/dev")])
    isolation.seccomp()


def _limit(limits: Limits, others: int) -> None:
    """Limit what the student's code may use: the imports have taken time already."""
    used = resource.getrusage(resource.RUSAGE_SELF)
    seconds = limits.cpu_seconds + math.ceil(used.ru_utime + used.ru_stime)
    # Without a user namespace the number of processes is that of the user on the whole machine.
    shared = int(Path("/proc/self/uid_map").read_text().split()[2]) > 1
    processes = limits.processes + (others if shared else 0)
    isolation._limit(dataclasses.replace(limits, cpu_seconds=seconds, processes=processes))


if __name__ == "__main__":
    main()
