"""Boxes at the cost of a fork: a process that has imported the libraries and nothing else.

The judge holds the tests, the solutions and the grades, so no box may be forked from it: a child
has its parent's memory. It starts this process instead, which knows libraries and the package
only, and asks it for boxes. A box is a child of it behind the walls of `isolation`, and talks to
the judge through a socket of its own.

`Zygote` and `Box` are the judge's side; the rest of the file runs in the zygote
(``python -m cvlab.classroom.grading.zygote``), which has one thread, always: see
`cvlab.classroom.warm.parent`.
"""

from __future__ import annotations

import contextlib
import dataclasses
import gc
import json
import os
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Callable
from typing import Any

from cvlab.classroom.grading import isolation, runner
from cvlab.classroom.grading.isolation import Limits
from cvlab.classroom.warm import parent

START_SECONDS = 120
KILLED = -signal.SIGKILL
FIRST_USER = 100_000  # of boxes, where the grader runs as root
MESSAGE = 65536


class ZygoteError(RuntimeError):
    """The zygote cannot be started or has ended; the message says why."""


class Zygote:
    """Starts boxes from warm imports; several threads may ask for them.

    Args:
        environment: the environment variables of the boxes; the judge's own are not for students.

    Raises:
        ZygoteError: if the process cannot be started.
    """

    def __init__(self, environment: dict[str, str] | None = None) -> None:
        self._control, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        command = [sys.executable, "-m", __name__, str(theirs.fileno())]
        self._lock = threading.Lock()
        self.process = subprocess.Popen(
            command,
            env=environment or clean_environment(),
            pass_fds=[theirs.fileno()],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            start_new_session=True,
        )
        theirs.close()
        self._control.settimeout(START_SECONDS)
        try:
            said = self._receive()
        except ZygoteError:
            self.stop()
            raise
        if "refused" in said:
            self.stop()
            raise ZygoteError(said["refused"])

    def box(self, limits: Limits | None = None) -> Box:
        """Start a box.

        Raises:
            ZygoteError: if the zygote has ended or cannot fork.
        """
        link, theirs = socket.socketpair()
        printed, output = os.pipe()
        request = json.dumps(dataclasses.asdict(limits or Limits())).encode()
        try:
            with self._lock:
                socket.send_fds(self._control, [request], [theirs.fileno(), output])
                said = self._receive()
        except (OSError, ZygoteError) as error:
            link.close()
            os.close(printed)
            raise ZygoteError(f"the zygote does not answer ({error}).") from error
        finally:
            theirs.close()
            os.close(output)
        if "refused" in said:
            link.close()
            os.close(printed)
            raise ZygoteError(said["refused"])
        return Box(self, said["pid"], link, printed)

    def _receive(self) -> dict[str, Any]:
        try:
            message = self._control.recv(MESSAGE)
        except OSError as error:
            raise ZygoteError(f"the zygote does not answer ({error}).") from error
        if not message:
            raise ZygoteError(f"the zygote has ended, with status {self.process.wait()}.")
        return json.loads(message)

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
    """A student's process, seen from outside: a socket, what it printed, and its end.

    Everything that comes out of it may be forged; see `exchange` for how it is read.
    """

    def __init__(self, zygote: Zygote, pid: int, link: socket.socket, printed: int) -> None:
        self.zygote, self.pid, self.link, self.printed = zygote, pid, link, printed
        self.status: int | None = None

    def close(self) -> int:
        """End the box, whatever it is doing, and everything in it; return its exit status."""
        if self.status is None:
            # The number is its own until it is reaped; the walls fall with whoever waits for it.
            with contextlib.suppress(ProcessLookupError):
                os.kill(self.pid, signal.SIGKILL)
            self.link.close()
            os.close(self.printed)
            self.status = KILLED  # holds if the zygote is not there to tell
            self.status = self.zygote.reap(self.pid)
        return self.status

    def __enter__(self) -> Box:
        return self

    def __exit__(self, *_error: object) -> None:
        self.close()


def clean_environment() -> dict[str, str]:
    """Return the environment variables of a box: none of the judge's, one thread a library."""
    found = {
        "PATH": "/usr/bin:/bin",
        "HOME": str(isolation.WORK),
        "LANG": "C.UTF-8",
        "MPLBACKEND": "agg",
        "MPLCONFIGDIR": str(isolation.WORK / ".matplotlib"),
        "PYTHONHASHSEED": "0",
        "PYTHONDONTWRITEBYTECODE": "1",
        "IPYTHONDIR": str(isolation.WORK / ".ipython"),
    }
    names = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")
    return found | dict.fromkeys(names, "1")


# ------------------------------------------------------------------------------ in the zygote


def serve(control: socket.socket, live: Callable[[socket.socket], None]) -> None:
    """Fork boxes until the judge is gone.

    Args:
        control: to the judge.
        live: what a box does, with its socket to the judge.
    """
    while True:
        message, fds, _, _ = socket.recv_fds(control, MESSAGE, 2)
        if not message:
            return
        request = json.loads(message)
        if "reap" in request:
            _, status = os.waitpid(request["reap"], 0)
            reply = {"status": os.waitstatus_to_exitcode(status)}
        elif parent.threads() != 1:
            reply = {"refused": f"the zygote has {parent.threads()} threads, and must have one."}
        else:
            pid = os.fork()
            if pid == 0:
                control.close()
                _become(Limits(**request), *fds, live)
            reply = {"pid": pid}
        for fd in fds:
            os.close(fd)
        control.send(json.dumps(reply).encode())


def _become(limits: Limits, link: int, output: int, live: Callable[[socket.socket], None]) -> None:
    """Be a box; never returns."""
    status = 70
    try:
        for number in (1, 2):
            os.dup2(output, number)
        os.close(output)
        # Boxes of one user would share its limit of processes.
        isolation.enter(limits, user=FIRST_USER + os.getpid() % 50_000)
        gc.enable()
        live(socket.socket(fileno=link))
        status = 0
    except SystemExit as end:
        status = end.code if isinstance(end.code, int) else 1
    except BaseException as error:
        with contextlib.suppress(OSError):
            os.write(2, f"{type(error).__name__}: {error}\n".encode(errors="replace")[:1000])
    finally:
        os._exit(status)


def main() -> None:
    """Import the libraries and serve."""
    control = socket.socket(fileno=int(sys.argv[1]))
    parent.load(parent.LIBRARIES)
    parent.rest_threads()
    shell = runner.prepare()
    gc.collect()
    gc.disable()
    gc.freeze()
    control.send(json.dumps({"ready": True}).encode())
    serve(control, lambda link: runner.live(link, shell))
    os._exit(0)  # boxes that are left end with it, and nothing here is worth tidying up


if __name__ == "__main__":
    main()
