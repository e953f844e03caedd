"""Boxes at the cost of a fork: a process that knows libraries and what students are given.

The judge holds the tests, the solutions and the grades, so no box may be forked from it: a child
has its parent's memory. It starts this process instead, which knows the libraries, the package and
the cells that come before the first task, and asks it for boxes. A box is a child of it behind the
walls of `isolation`, and talks to the judge through a socket of its own.

`Zygote` and `Box` are the judge's side; the rest of the file runs in the zygote
(``python -m cvlab.classroom.grading.box.zygote``), which has one thread, always: see
`cvlab.classroom.running.warm.parent`.
"""

from __future__ import annotations

import contextlib
import ctypes
import dataclasses
import errno
import functools
import gc
import json
import os
import re
import select
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import cvlab
from cvlab.classroom.grading.box import isolation, runner
from cvlab.classroom.grading.box.isolation import Limits
from cvlab.classroom.running.warm import parent

NAME = "cvlab.classroom.grading.box.zygote"
LATE, OPEN = "set-up-in-each-box", "no-walls"  # arguments of the process
START_SECONDS = 120
KILLED = -signal.SIGKILL
FIRST_USER = 100_000  # of boxes, where the grader runs as root
MESSAGE = 65536
MADV_COLLAPSE = 25  # of <linux/mman.h>
PR_SET_CHILD_SUBREAPER = 36  # of <sys/prctl.h>
REAP_SECONDS = 10.0  # the kernel's work at the end of a box, which has been killed

_libc = ctypes.CDLL(None, use_errno=True)


class ZygoteError(RuntimeError):
    """The zygote cannot be started or has ended; the message says why."""


class Zygote:
    """Starts boxes from warm imports; several threads may ask for them.

    Args:
        setup: sources of the cells that come before an exercise's first task. They are executed
            here, once, as long as they start no thread; otherwise in each box.
        environment: the environment variables of the boxes; the judge's own are not for students.
        walls: False for boxes that are plain processes, for notebooks that somebody trusts.

    Raises:
        ZygoteError: if the process cannot be started.
    """

    def __init__(
        self,
        setup: Sequence[str] = (),
        environment: dict[str, str] | None = None,
        *,
        walls: bool = True,
    ) -> None:
        self._control, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        command = [sys.executable, "-m", NAME, str(theirs.fileno()), *([] if walls else [OPEN])]
        self.walls = walls
        self._lock = threading.Lock()
        with tempfile.TemporaryFile() as cells:
            cells.write(json.dumps(list(setup)).encode())
            cells.seek(0)
            self.process = subprocess.Popen(
                command,
                env=environment or clean_environment(),
                pass_fds=[theirs.fileno()],
                stdin=cells,
                stdout=subprocess.DEVNULL,
                start_new_session=True,
            )
        theirs.close()
        self._control.settimeout(START_SECONDS)
        try:
            said = self._receive()
        except BaseException:  # Ctrl-C, too
            self.stop()
            raise
        if "refused" in said:
            self.stop()
            raise ZygoteError(said["refused"])

    def box(self, limits: Limits | None = None) -> Box:
        """Start a box; nobody reads what it prints.

        Args:
            limits: what it may use.

        Raises:
            ZygoteError: if the zygote has ended or cannot fork.
        """
        from cvlab.checking import wire  # in the zygote only once torch is there

        link, theirs = socket.socketpair()
        request = json.dumps(dataclasses.asdict(limits or Limits())).encode()
        try:
            with self._lock:
                socket.send_fds(self._control, [request], [theirs.fileno()])
                said = self._receive()
        except (OSError, ZygoteError) as error:
            link.close()
            raise ZygoteError(f"the zygote does not answer ({error}).") from error
        finally:
            theirs.close()
        if "refused" in said:
            link.close()
            raise ZygoteError(said["refused"])
        box = Box(self, said["pid"], link)
        try:
            # Said before there is any code of a student, who could not tell it to the judge later.
            fault = wire.read_message(link, time.monotonic() + START_SECONDS).decode()
        except wire.WireError:
            fault = "its process ended"
        except BaseException:
            box.close()
            raise
        if fault:
            box.close()
            raise ZygoteError(f"a box could not be built ({fault.rstrip('.')}).")
        return box

    def _receive(self) -> dict[str, Any]:
        try:
            message = self._control.recv(MESSAGE)
        except OSError as error:
            raise ZygoteError(f"the zygote does not answer ({error}).") from error
        if not message:
            raise ZygoteError(f"the zygote has ended, with status {self.process.wait()}.")
        return json.loads(message)

    def alive(self) -> bool:
        """Tell whether the zygote runs; when it ends, all its boxes do, but after its socket."""
        try:
            waiting = select.poll()
            waiting.register(self._control, select.POLLIN)
            if not waiting.poll(0):
                return True
            return bool(self._control.recv(1, socket.MSG_PEEK | socket.MSG_DONTWAIT))
        except (OSError, ValueError):  # also: another thread has taken the message
            return self.process.poll() is None

    def reap(self, pid: int) -> int:
        """Return the exit status of a box, once it has ended; only then its number is given up."""
        with self._lock:
            try:
                self._control.send(json.dumps({"reap": pid}).encode())
            except OSError as error:
                raise ZygoteError(f"the zygote has ended ({error.strerror}).") from error
            return self._receive()["status"]

    def stop(self) -> None:
        """End the zygote and with it every box."""
        self._control.close()
        with contextlib.suppress(subprocess.TimeoutExpired):
            self.process.wait(5)
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait()

    def __enter__(self) -> Zygote:
        return self

    def __exit__(self, *_error: object) -> None:
        self.stop()


class Box:
    """A student's process, seen from outside: a socket, and its end.

    Everything that comes out of it may be forged; see `wire` for how it is read.
    """

    def __init__(self, zygote: Zygote, pid: int, link: socket.socket) -> None:
        self.zygote, self.pid, self.link = zygote, pid, link
        self.status: int | None = None

    def close(self) -> int:
        """End the box, whatever it is doing, and everything in it; return its exit status."""
        if self.status is None:
            # The number is its own until it is reaped; the walls fall with whoever waits for it.
            with contextlib.suppress(ProcessLookupError):
                os.kill(self.pid, signal.SIGKILL)
                if not self.zygote.walls:
                    os.killpg(self.pid, signal.SIGKILL)
            self.link.close()
            self._wait()
            self.status = KILLED  # holds if the zygote is not there to tell
            with contextlib.suppress(ZygoteError):
                self.status = self.zygote.reap(self.pid)
        return self.status

    def _wait(self) -> None:
        """Wait for the end here: the zygote, while it waited, would start no other box."""
        with contextlib.suppress(OSError):  # the zygote has ended and with it the number
            fd = os.pidfd_open(self.pid)
            try:
                waiting = select.poll()
                waiting.register(fd, select.POLLIN)
                waiting.poll(1000 * REAP_SECONDS)
            finally:
                os.close(fd)

    def __enter__(self) -> Box:
        return self

    def __exit__(self, *_error: object) -> None:
        self.close()


#: Modules of cvlab that a notebook names, and libraries that take a second together.
MODULES = rb"cvlab\.(\w+)|cvlab import ([\w, ]+)"
OTHERS = rb"matplotlib|scipy|PIL|tqdm|ipywidgets|cv2|skimage|sklearn|cvlab import \("


def libraries(*notebooks: bytes) -> str:
    """Return the libraries to import once for all boxes: those that take seconds if one is named.

    One of eight choices, so that a class has few of these processes whatever it names.

    Args:
        notebooks: the exercise's and a student's.

    >>> libraries(b"import numpy as np", b"from cvlab import check")
    'numpy'
    >>> "scipy.stats" in libraries(b"import skimage"), "torch" in libraries(b"import skimage")
    (True, False)
    >>> libraries(b"from cvlab import check, nets")
    'numpy torch torch.utils.data'
    >>> "torchvision" in libraries(b"import torch"), "torch" in libraries(b"to train an optimist")
    (False, False)
    """

    def named(pattern: bytes) -> bool:
        return any(re.search(pattern, each) for each in notebooks)

    found = [b" ".join(pair) for each in notebooks for pair in re.findall(MODULES, each)]
    modules = set(re.findall(rb"\w+", b" ".join(found)))
    # Each with what is left of it; torch._dynamo is what the first optimiser imports.
    torch = named(rb"torch") or not modules.isdisjoint({b"nets", b"train"})
    heavy = {
        "torch": torch,
        "torch._dynamo": torch and named(rb"\boptim\b|\bfit\("),
        "torchvision": named(rb"torchvision"),
    }
    most = max((n for n, wanted in enumerate(heavy.values(), 1) if wanted), default=0)
    left_out = tuple(list(heavy)[most:])
    # What else of cvlab is named may import whatever it needs.
    others = named(OTHERS) or modules - {b"check", b"checking", b"nets", b"setup", b"train"}

    def taken(name: str) -> bool:
        if name.startswith("torch"):
            return most > 0 and not name.startswith(left_out)
        return name == "numpy" or bool(others)

    return " ".join(name for name in parent.LIBRARIES.split() if taken(name))


def clean_environment(chosen: str | None = None) -> dict[str, str]:
    """Return the environment variables of a box: none of the judge's, one thread a library.

    Args:
        chosen: the libraries that are imported once for all boxes; by default those of a kernel.
    """
    found = {
        "PATH": "/usr/bin:/bin",
        "HOME": str(isolation.WORK),
        "LANG": "C.UTF-8",
        "MPLBACKEND": "agg",
        "MPLCONFIGDIR": str(_kept("matplotlib")),
        "PYTHONHASHSEED": "0",
        "PYTHONDONTWRITEBYTECODE": "1",
        "IPYTHONDIR": str(_kept("ipython")),
    }
    package = str(Path(cvlab.__file__).parents[1])
    if package in map(os.path.abspath, sys.path) and not _is_installed(package):
        found["PYTHONPATH"] = package  # where the caller has it from, by its path or its folder
    chosen = os.environ.get("CVLAB_LIBRARIES", chosen)
    if chosen is not None:
        found["CVLAB_LIBRARIES"] = chosen
    names = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")
    return found | dict.fromkeys(names, "1")


@functools.cache
def _is_installed(folder: str) -> bool:
    """Tell whether every Python of this environment has a folder on its path."""
    code = "import sys; print(*sys.path, sep=chr(10))"
    known = subprocess.run(
        [sys.executable, "-I", "-c", code], capture_output=True, text=True, check=False
    )
    return folder in known.stdout.split("\n")


def _kept(name: str) -> Path:
    """Return where a library keeps what takes it seconds to make, such as its list of fonts.

    Boxes do not see the folder; they have in memory what they need of it.
    """
    cache = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    path = Path(cache) / "cvlab" / name
    with contextlib.suppress(OSError):  # IPython warns where the folder above is not there
        path.parent.mkdir(parents=True, exist_ok=True)
    return path


# ------------------------------------------------------------------------------ in the zygote


def serve(
    control: socket.socket, live: Callable[[socket.socket], None], *, walls: bool = True
) -> None:
    """Fork boxes until the judge is gone.

    Args:
        control: to the judge.
        live: what a box does, with its socket to the judge.
        walls: whether boxes have any.
    """
    if walls:
        isolation.system_folders()  # found once for all boxes
    number = 64 * os.getpid()  # so that two zygotes seldom take the same users
    boxes: set[int] = set()
    while True:
        message, fds, _, _ = socket.recv_fds(control, MESSAGE, 1)
        if not message:
            return
        request = json.loads(message)
        if "reap" in request:
            _, status = os.waitpid(request["reap"], 0)
            boxes.discard(request["reap"])
            _reap_orphans(boxes)
            reply = {"status": os.waitstatus_to_exitcode(status)}
        elif parent.threads() != 1:
            reply = {"refused": f"the zygote has {parent.threads()} threads, and must have one."}
        else:
            number += 1
            pid = isolation.fork() if walls else os.fork()
            if pid == 0:
                control.close()
                # Boxes of one user would share its limit of processes.
                user = FIRST_USER + number % 50_000
                _become(Limits(**request), *fds, live, user if walls else None)
            boxes.add(pid)
            reply = {"pid": pid}
        for fd in fds:
            os.close(fd)
        control.send(json.dumps(reply).encode())


def _reap_orphans(boxes: set[int]) -> None:
    """Reap the children that are no boxes: what a box has left, as PID 1 of a container may not.

    A box keeps its number until the judge asks for its status, and so is not reaped here.
    """
    with contextlib.suppress(OSError):  # a kernel without this file, or one that nobody waits for
        children = Path(f"/proc/self/task/{os.getpid()}/children").read_text()
        for child in {int(pid) for pid in children.split()} - boxes:
            os.waitpid(child, os.WNOHANG)


def _become(
    limits: Limits, link: int, live: Callable[[socket.socket], None], user: int | None
) -> None:
    """Be a box; never returns."""
    from cvlab.checking import wire

    status = 70
    try:
        # Of its own: what one box writes to a file that the next one holds, or only sets of its
        # flags, would be a message to it.
        to_nowhere(0, 1, 2)
        line = socket.socket(fileno=link)
        try:
            if user is None:
                isolation.stay(limits)
            else:
                isolation.enter(limits, user=user)
        except Exception as error:
            wire.write_message(line, str(error).encode()[:1000])
            raise
        wire.write_message(line, b"")  # the walls stand
        gc.enable()
        live(line)
        status = 0
    except SystemExit as end:
        status = end.code if isinstance(end.code, int) else 1
    finally:
        os._exit(status)  # whatever stopped it: the judge sees that its socket is closed


def to_nowhere(*descriptors: int) -> None:
    """Let standard streams be the device that holds nothing."""
    nothing = os.open(os.devnull, os.O_RDWR)
    for descriptor in descriptors:
        os.dup2(nothing, descriptor)
    os.close(nothing)


def _use_large_pages() -> None:
    """Put the memory of this process into large pages, which a fork copies by a line each.

    Of 500 MB in pages of 4 kB it copies 125,000 lines, and the end of a box undoes them. Kernels
    before 6.1 do not know the request; boxes then take longer and are no different.
    """
    size = 2 << 20
    for line in Path("/proc/self/maps").read_text().splitlines():
        place, rights, _, _, file, *name = line.split(maxsplit=5)
        if not rights.startswith("rw-p") or file != "0" or (name and name[0] != "[heap]"):
            continue
        low, high = (int(part, 16) for part in place.split("-"))
        for start in range(-(-low // size) * size, high // size * size, size):
            if _libc.madvise(ctypes.c_void_p(start), ctypes.c_size_t(size), MADV_COLLAPSE):
                if ctypes.get_errno() == errno.EINVAL:
                    return
                break  # no large page is free for this part


def main() -> None:
    """Import the libraries, execute the setup's cells and serve."""
    control = socket.socket(fileno=int(sys.argv[1]))
    # The first process inside of a killed box becomes a child of this one.
    _libc.prctl(PR_SET_CHILD_SUBREAPER, 1)
    cells = json.load(sys.stdin)
    late = LATE in sys.argv  # the setup starts threads, which no fork would have
    parent.load(parent.libraries())
    try:
        one = runner.Runner(() if late else cells)
    except runner.SetupError as error:
        control.send(json.dumps({"refused": f"the setup does not run: {error}"[:1000]}).encode())
        os._exit(0)
    parent.rest_threads()
    if parent.threads() != 1 and not late:
        os.lseek(0, 0, os.SEEK_SET)
        os.set_inheritable(control.fileno(), True)
        os.execv(sys.executable, [sys.executable, "-m", NAME, *sys.argv[1:], LATE])
    to_nowhere(0)  # boxes must not read on where this has stopped
    gc.collect()
    gc.disable()
    gc.freeze()
    _use_large_pages()
    control.send(json.dumps({"ready": True}).encode())

    def live(link: socket.socket) -> None:
        if late:
            one.set_up(cells)
        one.live(link)

    serve(control, live, walls=OPEN not in sys.argv)
    os._exit(0)  # boxes that are left end with it, and nothing here is worth tidying up


if __name__ == "__main__":
    main()
