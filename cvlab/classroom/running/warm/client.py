"""The client's side of the warm kernels: find or start the parent, ask it for a kernel.

Linux only; `cvlab.classroom.running.warm` imports it where it can work.
"""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import json
import os
import resource
import select
import signal
import socket
import struct
import subprocess
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from cvlab.classroom.running.warm import EndedAtOnce, NoWarmKernel

PARENT = Path(__file__).with_name("parent.py")
# What the interpreter or a library reads once, when it starts or is imported: a kernel for which
# one of these differs needs a parent of its own.
READ_AT_IMPORT = (
    *("PYTHON", "LD_", "OMP_", "GOMP_", "KMP_", "MKL_", "OPENBLAS_", "GOTO_", "BLIS_", "NUMEXPR_"),
    *("ATEN_", "ONEDNN_", "DNNL_"),
    *("TORCH", "PYTORCH", "OPENCV_", "MATPLOTLIB", "MPLCONFIGDIR", "MALLOC_", "GLIBC_", "PYDEVD_"),
    *("NUMPY_", "NPY_", "SCIPY_", "SKLEARN_", "JOBLIB_", "LOKY_", "TQDM_", "JUPYTER_WIDGETS_"),
    *("LANG", "LC_", "TZ", "HOME", "XDG_CONFIG_HOME", "XDG_CACHE_HOME", "VIRTUAL_ENV"),
    "CVLAB_LIBRARIES",  # what the parent imports instead of the usual
)
START_SECONDS = 120  # a cold disk takes its time to import torch
KERNEL_SECONDS = 60
#: While others start parents, which happens one at a time; then an ordinary kernel is sooner there.
WAIT_SECONDS = 60.0
LONGEST_SOCKET_NAME = 100  # the system's limit is 107 bytes


class Stale(NoWarmKernel):
    """The parent was made from files that have changed since."""


def folder() -> Path:
    """Return this user's private folder of sockets, which exists while a parent does."""
    for base in (os.environ.get("XDG_RUNTIME_DIR"), os.environ.get("TMPDIR"), "/tmp"):
        path = Path(base or "") / f"cvlab-warm-{os.geteuid()}"
        if (
            path.is_absolute()
            and path.parent.is_dir()
            and len(bytes(path)) + 25 < LONGEST_SOCKET_NAME
        ):
            return path
    raise NoWarmKernel("there is no folder for a socket; set TMPDIR to one.")


def socket_path(interpreter: list[str], environment: dict[str, str]) -> Path:
    """Return the socket of the parent for an interpreter (with its options) and environment.

    What a kernel cannot change afterwards decides as well: a hard limit cannot be raised again, and
    libraries look once at how many cores there are for their threads.
    """
    names = sorted(name for name in dir(resource) if name.startswith("RLIMIT_"))
    limits = [resource.getrlimit(getattr(resource, name)) for name in names]
    variables = sorted(_read_at_import(environment).items())
    wanted = [interpreter, variables, limits, os.nice(0), _cores()]
    return folder() / f"{hashlib.sha256(json.dumps(wanted).encode()).hexdigest()[:16]}.sock"


def _cores() -> list[int]:
    """Return the cores of the main thread; this one may be of a pool that was made otherwise."""
    return sorted(os.sched_getaffinity(os.getpid()))


def _read_at_import(environment: dict[str, str]) -> dict[str, str]:
    return {name: environment[name] for name in environment if name.startswith(READ_AT_IMPORT)}


@contextlib.contextmanager
def _locked(path: Path) -> Iterator[None]:
    """Hold the folder's lock, which ends with the process, so that one parent starts at a time."""
    ends = time.monotonic() + float(os.environ.get("CVLAB_WARM_WAIT") or WAIT_SECONDS)
    fd = _lock(path, ends)
    while fd is None:
        fd = _lock(path, ends)
    try:
        yield
    finally:
        with contextlib.suppress(OSError):
            path.rmdir()  # unless a parent has its socket there
        os.close(fd)


def _lock(path: Path, ends: float) -> int | None:
    """Return the locked folder's descriptor, or None if a parent has removed it meanwhile."""
    path.mkdir(mode=0o700, exist_ok=True)
    fd = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
    try:
        found = os.fstat(fd)
        if found.st_uid != os.geteuid() or found.st_mode & 0o077:
            raise NoWarmKernel(f"{path} must belong to you alone (chmod 700); remove it.")
        while not _held(fd):
            if time.monotonic() > ends:
                raise NoWarmKernel(
                    "the parents of other kernels take too long to start; CVLAB_WARM_WAIT says how "
                    "many seconds to wait for them."
                )
            time.sleep(0.05)
        if path.exists() and path.stat().st_ino == found.st_ino:
            return fd
    except BaseException:
        os.close(fd)
        raise
    os.close(fd)
    return None


def _held(fd: int) -> bool:
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def connect_once(path: Path) -> socket.socket | None:
    """Connect to the parent, or return None if there is none."""
    link = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    link.settimeout(10)
    try:
        link.connect(str(path))
    except (FileNotFoundError, ConnectionRefusedError):
        link.close()
        return None
    except OSError as error:
        link.close()
        raise NoWarmKernel(f"{path}: {error.strerror or error}.") from error
    size = struct.calcsize("3i")
    _, user, _ = struct.unpack("3i", link.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, size))
    if user != os.geteuid():  # in a folder that anybody may write to, anybody may have been first
        link.close()
        raise NoWarmKernel(f"{path} belongs to another user; remove it.")
    return link


def connect(interpreter: list[str], environment: dict[str, str]) -> socket.socket:
    """Connect to the parent; start it if there is none.

    Raises:
        NoWarmKernel: if that does not succeed.
    """
    path = socket_path(interpreter, environment)
    link = connect_once(path)
    if link is None:
        try:
            with _locked(path.parent):
                link = connect_once(path)  # somebody else may have started it meanwhile
                if link is None:
                    path.unlink(missing_ok=True)  # of a parent that was killed
                    _start_parent(path, interpreter, environment)
                    link = connect_once(path)
        except OSError as error:
            raise NoWarmKernel(f"{path.parent}: {error.strerror or error}.") from error
    if link is None:
        raise NoWarmKernel("the parent ended as soon as it had started.")
    return link


def _start_parent(path: Path, interpreter: list[str], environment: dict[str, str]) -> None:
    """Start the parent and wait until it listens."""
    linger = os.environ.get("CVLAB_WARM_LINGER", "20")
    # Nothing else of the client's environment: kernels of other clients can read their parent's.
    lean = _read_at_import(environment) | {"PATH": os.environ.get("PATH", os.defpath)}
    command = [*interpreter, str(PARENT), str(path), linger, json.dumps(_cores())]
    with tempfile.TemporaryFile() as errors:
        try:
            process = subprocess.Popen(
                command,
                env=lean,
                cwd="/",
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=errors,
                start_new_session=True,
            )
        except OSError as error:
            raise NoWarmKernel(f"{interpreter[0]}: {error.strerror}.") from error
        said = _read_all(process.stdout, START_SECONDS)
        process.wait()  # it has left a grandchild that goes on
        errors.seek(0)
        last = errors.read().decode(errors="replace").strip().splitlines()[-1:]
    try:
        refused = json.loads(said).get("refused")
    except ValueError:
        refused = f"the parent could not start ({''.join(last) or 'it said nothing'})."
    if refused:
        raise NoWarmKernel(refused)


def _read_all(pipe: Any, seconds: float) -> bytes:
    """Read until the other end closes, at most for so long."""
    content = b""
    ends = time.monotonic() + seconds
    with pipe:
        while select.select([pipe], [], [], max(0.0, ends - time.monotonic()))[0]:
            part = os.read(pipe.fileno(), 4096)
            if not part:
                break
            content += part
    return content


class WarmProcess:
    """A kernel forked by the parent, with the interface of `subprocess.Popen`."""

    stdin = stdout = stderr = None

    def __init__(self, link: socket.socket, pid: int) -> None:
        self.link, self.pid = link, pid
        self.returncode: int | None = None

    def poll(self) -> int | None:
        """Return the exit status, negative for a signal, or None while the kernel runs."""
        if self.returncode is None:
            self._receive(0)
        return self.returncode

    def wait(self, timeout: float | None = None) -> int:
        """Wait for the end and return the exit status.

        Raises:
            subprocess.TimeoutExpired: if the kernel is still running after `timeout` seconds.
        """
        ends = None if timeout is None else time.monotonic() + timeout
        while self.returncode is None:
            left = None if ends is None else ends - time.monotonic()
            if left is not None and left <= 0:
                raise subprocess.TimeoutExpired("kernel", timeout or 0)
            self._receive(left)
        return self.returncode

    def _receive(self, seconds: float | None) -> None:
        poll = select.poll()  # knows no limit on the number of a file descriptor
        poll.register(self.link, select.POLLIN)
        if not poll.poll(None if seconds is None else seconds * 1000):
            return
        try:
            message = self.link.recv(4096)
        except OSError:
            message = b""
        if not message:
            # Parent and kernel are both gone, and nobody was left to say how the kernel ended.
            self._end(1)
        elif "exit" in (found := json.loads(message)):
            self._end(found["exit"])

    def _end(self, code: int) -> None:
        self.returncode = code
        self.link.close()  # the parent now lets go of the process id

    def send_signal(self, number: int) -> None:
        """Send a signal unless the kernel has ended."""
        if self.poll() is None:
            os.kill(self.pid, number)

    def terminate(self) -> None:
        """Send SIGTERM."""
        self.send_signal(signal.SIGTERM)

    def kill(self) -> None:
        """Send SIGKILL."""
        self.send_signal(signal.SIGKILL)


def fork_kernel(
    interpreter: list[str],
    argv: list[str],
    *,
    environment: dict[str, str],
    cwd: str,
    streams: tuple[Any, Any, Any] = (None, None, None),
) -> WarmProcess:
    """Have the parent fork a kernel and wait until it listens.

    Args:
        interpreter: Python and its options.
        argv: what `sys.argv` is in the kernel.
        environment: the kernel's environment variables.
        cwd: its working directory.
        streams: stdin, stdout and stderr, as `subprocess.Popen` takes them.

    Raises:
        NoWarmKernel: if no kernel could be had.
    """
    status = Path("/proc/self/status").read_text(encoding="utf-8")
    request = {
        "argv": argv,
        "command": [*interpreter, "-m", *argv],
        "cwd": cwd,
        "env": environment,
        "umask": int(status.split("Umask:")[1].split()[0], 8),
    }
    stale: NoWarmKernel | None = None
    for _ in range(3):  # the files may change once more while a new parent starts
        link = connect(interpreter, environment)
        try:
            return _request(link, request, streams)
        except Stale as reason:
            stale = reason
            link.close()
        except BaseException:
            link.close()
            raise
    raise NoWarmKernel(str(stale))


def _request(
    link: socket.socket, request: dict[str, Any], streams: tuple[Any, Any, Any]
) -> WarmProcess:
    link.settimeout(KERNEL_SECONDS)
    process: WarmProcess | None = None
    ready = False
    try:
        with contextlib.ExitStack() as stack:
            memory = stack.enter_context(os.fdopen(os.memfd_create("cvlab-request"), "wb"))
            memory.write(json.dumps(request).encode())
            memory.flush()
            fds = _descriptors(stack, streams)
            socket.send_fds(link, [b"{}"], [*fds, memory.fileno()])
        while process is None or not ready:
            received = link.recv(4096)
            if not received and process is None:
                raise ConnectionResetError
            message = json.loads(received or b'{"refused": "the parent and the kernel have died."}')
            if "pid" in message:
                process = WarmProcess(link, message["pid"])
            elif "ready" in message:
                ready = True
            elif "exit" in message:
                raise EndedAtOnce(f"the kernel ended at once, with status {message['exit']}.")
            else:
                raise (Stale if "stale" in message else NoWarmKernel)(message["refused"])
    except OSError as error:  # a time-out included
        if process is None and isinstance(error, (BrokenPipeError, ConnectionResetError)):
            raise Stale("the parent has died.") from error
        if process is not None:
            with contextlib.suppress(ProcessLookupError):
                os.kill(process.pid, signal.SIGKILL)
        raise NoWarmKernel(f"the parent does not answer ({error}).") from error
    return process


def _descriptors(stack: contextlib.ExitStack, streams: tuple[Any, Any, Any]) -> list[int]:
    """Return the file descriptors that a kernel gets as stdin, stdout and stderr."""
    found: list[int] = []
    for number, stream in enumerate(streams):
        if stream == subprocess.STDOUT:
            found.append(found[1])
        elif stream == subprocess.DEVNULL or (stream is None and (number == 0 or _closed(number))):
            fd = os.open(os.devnull, os.O_RDWR)
            stack.callback(os.close, fd)
            found.append(fd)
        elif stream is None:
            found.append(number)
        else:
            found.append(stream if isinstance(stream, int) else stream.fileno())
    return found


def _closed(fd: int) -> bool:
    try:
        os.fstat(fd)
    except OSError:
        return True
    return False


def prepare(cmd: list[str], kwargs: dict[str, Any]) -> socket.socket:
    """Have the parent there for a kernel that is to start; it stays while the connection is open.

    Args:
        cmd: as for `launch`.
        kwargs: as for `launch`.

    Raises:
        NoWarmKernel: if no warm kernel can be had.
    """
    asked = _asked(cmd, kwargs)
    return connect(asked["interpreter"], asked["environment"])


def launch(cmd: list[str], kwargs: dict[str, Any]) -> WarmProcess:
    """Start a kernel warm, from what jupyter_client would start it with.

    Args:
        cmd: the command line of the kernelspec, filled in.
        kwargs: arguments of `subprocess.Popen` and ``independent``, see
            `jupyter_client.launcher.launch_kernel`.

    Raises:
        NoWarmKernel: if no warm kernel can be had.
    """
    return fork_kernel(**_asked(cmd, kwargs))


def _asked(cmd: list[str], kwargs: dict[str, Any]) -> dict[str, Any]:
    """Return the arguments of `fork_kernel`; what it cannot give is said before any parent starts.

    Raises:
        NoWarmKernel: if something else than a kernel is asked for, or what a fork cannot give.
    """
    kwargs = dict(kwargs)
    streams = tuple(kwargs.pop(name, None) for name in ("stdin", "stdout", "stderr"))
    if subprocess.PIPE in streams:
        raise NoWarmKernel("a pipe to the kernel was asked for.")
    environment = dict(kwargs.pop("env", None) or os.environ)
    environment.pop("JPY_PARENT_PID", None)
    if not kwargs.pop("independent", False):
        environment["JPY_PARENT_PID"] = str(os.getpid())
    cwd = os.path.abspath(os.path.expanduser(kwargs.pop("cwd", None) or os.getcwd()))
    if Path(cwd, "matplotlibrc").exists():
        raise NoWarmKernel(f"the matplotlibrc in {cwd} is read when matplotlib is imported.")
    if kwargs:
        raise NoWarmKernel(f"it was asked for with {', '.join(sorted(kwargs))}.")
    if "-m" not in cmd or cmd[cmd.index("-m") + 1 :][:1] != ["ipykernel_launcher"]:
        raise NoWarmKernel(f"its command is {' '.join(cmd)}, not ipykernel_launcher.")
    paths = environment.get("PYTHONPATH")
    if paths and not all(map(os.path.isabs, paths.split(os.pathsep))):
        raise NoWarmKernel(f"PYTHONPATH has a relative folder: {paths}.")
    module = cmd.index("-m")
    return {
        "interpreter": [os.path.abspath(cmd[0]), *cmd[1:module]],
        "argv": cmd[module + 1 :],
        "environment": environment,
        "cwd": cwd,
        "streams": streams,
    }
