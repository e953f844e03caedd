"""The parent of the warm kernels: imports the libraries once and forks a kernel for each request.

Run as a script by `cvlab.classroom.running.warm`, never imported: a kernel must not find `cvlab`
already loaded, so nothing of the package but this file is in memory, and this file uses the
libraries and the standard library only. Linux only (`fork`, pidfd, SO_PEERCRED).

The parent has one thread, always: `fork` copies only the thread that calls it, and a library whose
worker threads are missing in the child waits for them for ever. It never touches CUDA, because a
child cannot use a CUDA context that its parent has opened.

A client connects to a Unix socket and sends one message: an empty JSON object with four file
descriptors (stdin, stdout, stderr and a memory file holding the request). It gets JSON messages
back: ``{"pid": 7}``, ``{"ready": true}``, later ``{"exit": 0}``; or ``{"refused": "why"}``. The
ended child stays a zombie until the client has closed the connection, so its process id cannot be
given to anybody else meanwhile, as with a child of the client's own.
"""

from __future__ import annotations

import contextlib
import copy
import errno
import fcntl
import gc
import importlib.util
import json
import multiprocessing.process
import os
import re
import resource
import select
import selectors
import signal
import site
import socket
import stat
import struct
import sys
import tempfile
import threading
import time
from pathlib import Path
from typing import Any

# What the course's notebooks use; torch imports its compiler when it makes the first optimiser.
LIBRARIES = """
    numpy matplotlib.pyplot scipy.ndimage scipy.optimize scipy.signal scipy.spatial scipy.stats
    PIL.Image tqdm.auto ipywidgets cv2 skimage.data skimage.filters sklearn.cluster sklearn.datasets
    sklearn.decomposition sklearn.linear_model sklearn.metrics sklearn.neighbors sklearn.svm
    torch torch._dynamo torch.utils.data torchvision torchvision.transforms.v2 torchvision.datasets
    torchvision.models torchvision.models.detection torchvision.models.segmentation
"""
# What a kernel imports while it starts; debugpy alone is most of the time that a start would take.
KERNEL = """
    ipykernel.ipkernel ipykernel.kernelapp ipykernel.zmqshell ipykernel.debugger pdb sqlite3
    IPython.core.completerlib IPython.core.debugger IPython.core.oinspect IPython.core.pylabtools
    IPython.extensions.storemagic IPython.utils.wildcard tornado.platform.asyncio psutil
"""
# The arguments with which kernels are started: a connection file, and settings of one trait each.
USUAL = r"-f\0(?P<file>[^\0]+)(?P<settings>(\0--[A-Z]\w*\.\w+=[^\0]*)*)"
# A message is small: whatever is large travels in the memory file.
LIMIT = 65536


def threads() -> int:
    """Return the number of threads of this process, those of native libraries included."""
    return len(os.listdir("/proc/self/task"))


def libraries() -> str:
    """Return what is imported before any fork: the course's libraries, or what one asks for."""
    return os.environ.get("CVLAB_LIBRARIES", LIBRARIES)


def load(names: str) -> None:
    """Import modules; one that is missing or broken is left to the notebook that wants it."""
    collects = gc.isenabled()
    gc.disable()  # a fifth of the time: an import makes much that stays and little rubbish
    try:
        for name in names.split():
            # A broken library shows its own error in the cell that imports it, as in any kernel.
            with contextlib.suppress(Exception):
                importlib.import_module(name)
    finally:
        if collects:
            gc.enable()


def rest_threads() -> None:
    """End the threads that OpenBLAS has started when it was loaded.

    It ends them before a fork and starts them again when they are needed next. So a fork, of a
    child that does nothing, leaves one thread.
    """
    idle = os.fork()
    if idle == 0:
        os._exit(0)
    os.waitpid(idle, 0)


class Snapshot:
    """The files that this process was made from, and whether they are still the same on disk."""

    def __init__(self) -> None:
        here = Path(__file__).resolve()
        loaded = [getattr(module, "__file__", None) for module in list(sys.modules.values())]
        self.paths = {str(path) for path in loaded if path}
        self.paths |= {str(path) for path in here.parents[3].rglob("*.py")}
        # A package that is installed, removed or updated changes the folder of packages, which may
        # not exist before the first one.
        self.paths |= {path for path in [*sys.path, site.getusersitepackages()] if path}
        self.paths.add(os.path.join(sys.prefix, "pyvenv.cfg"))
        self.paths.add(str(here.parents[3]))
        # A checkout that is on the path; what counts of it, the package, is there file by file.
        self.paths.discard(str(here.parents[4]))
        self.state = self._now()

    def _now(self) -> dict[str, Any]:
        return {path: _state(path) for path in self.paths}

    def changed(self) -> str | None:
        """Return a file that is not what it was, or None."""
        now = self._now()
        return next((path for path in self.paths if now[path] != self.state[path]), None)


def _state(path: str) -> Any:
    """Return what changes when a file does, or what a folder has that Python can import."""
    try:
        found = os.stat(path)
        if not stat.S_ISDIR(found.st_mode):
            return found.st_mtime_ns, found.st_size
        if FOLDERS.get(path, (None,))[0] != found.st_mtime_ns:
            with os.scandir(path) as entries:
                names = frozenset(one.name for one in entries if _importable(one))
            FOLDERS[path] = found.st_mtime_ns, names
        return FOLDERS[path][1]
    except OSError:
        return None


FOLDERS: dict[str, tuple[int | None, frozenset[str]]] = {}  # as they were when they changed last


def _importable(entry: os.DirEntry[str]) -> bool:
    """Tell whether an entry of a folder on the path is a module, a package or says of one."""
    name = entry.name
    if name.endswith((".py", ".pyc", ".so", ".pth", ".zip", ".egg", "-info", ".egg-link")):
        return True
    return name.isidentifier() and name != "__pycache__" and entry.is_dir()


class Connection:
    """A client, and its kernel once that is forked."""

    def __init__(self, link: socket.socket) -> None:
        self.link = link
        self.pid = 0
        self.watch = -1  # pidfd of the kernel
        self.open = True
        self.over = False

    def send(self, **message: Any) -> None:
        """Send a message; a client that has gone needs none."""
        with contextlib.suppress(OSError):
            self.link.send(json.dumps(message).encode(), socket.MSG_DONTWAIT)


class Kernel(Exception):
    """Raised in a new child, so that the kernel does not run on the parent's stack."""

    def __init__(self, request: dict[str, Any], link: socket.socket, client: int) -> None:
        super().__init__()
        self.request, self.link, self.client = request, link, client


class Parent:
    """Waits for requests, forks kernels, tells how they ended, and ends after its last user."""

    def __init__(self, listener: socket.socket, path: Path, linger: float) -> None:
        self.listener, self.path, self.linger = listener, path, linger
        self.inode = os.stat(path).st_ino
        self.snapshot = Snapshot()
        self.selector = selectors.DefaultSelector()
        self.selector.register(listener, selectors.EVENT_READ, self._accept)
        self.connections: set[Connection] = set()
        self.retired = False

    def serve(self) -> None:
        """Serve until nobody needs this parent any more.

        Raises:
            Kernel: in a new child.
        """
        seconds = max(self.linger, 5.0)  # whoever started this has yet to connect
        while not self.retired or any(connection.pid for connection in self.connections):
            ready = self.selector.select(None if self.connections else seconds)
            seconds = self.linger
            if not ready and not self.connections:
                self.retire()
                self._accept_waiting()
            for key, _ in ready:
                key.data()

    def retire(self) -> None:
        """Take no new clients; the next one starts another parent."""
        if self.retired:
            return
        self.retired = True
        with contextlib.suppress(OSError):
            if os.stat(self.path).st_ino == self.inode:
                self.path.unlink()
        with contextlib.suppress(OSError), contextlib.ExitStack() as stack:
            folder = os.open(self.path.parent, os.O_RDONLY)
            stack.callback(os.close, folder)
            # Whoever holds the lock is starting a parent that will need the folder.
            fcntl.flock(folder, fcntl.LOCK_EX | fcntl.LOCK_NB)
            for path in self.path.parent.glob("*.sock"):
                _remove_dead(path)
            self.path.parent.rmdir()

    def stop(self) -> None:
        """End, but not before the kernels, whose clients want to know how they end."""
        self.retire()
        if not any(connection.pid for connection in self.connections):
            os._exit(0)  # libraries would take their time, and print what they have not taken down

    def _accept_waiting(self) -> None:
        # One may have connected just before the socket's name was removed.
        self.selector.unregister(self.listener)
        self.listener.setblocking(False)
        with contextlib.suppress(BlockingIOError):
            while True:
                self._accept()

    def _accept(self) -> None:
        try:
            link, _ = self.listener.accept()
        except OSError as error:
            if error.errno not in (errno.EMFILE, errno.ENFILE):
                raise
            time.sleep(0.1)  # the client waits until a kernel has ended
            return
        connection = Connection(link)
        pid, uid, _ = _peer(link)
        if uid != os.geteuid() or not pid:
            connection.send(refused="the parent belongs to another user or another container.")
            link.close()
            return
        self.connections.add(connection)
        self.selector.register(link, selectors.EVENT_READ, lambda: self._read(connection))

    def _read(self, connection: Connection) -> None:
        try:
            message, fds, _, _ = socket.recv_fds(connection.link, LIMIT, 8, socket.MSG_CMSG_CLOEXEC)
        except OSError:
            message, fds = b"", []
        try:
            if not message:
                self._gone(connection)
            elif len(fds) != 4:
                connection.send(refused="the parent has too many files open.")
            elif not connection.pid and not _has_gone(connection.link):
                self._fork(connection, fds)
        finally:
            for fd in fds:
                os.close(fd)

    def _gone(self, connection: Connection) -> None:
        connection.open = False
        self.selector.unregister(connection.link)
        connection.link.close()
        self._forget(connection)

    def _fork(self, connection: Connection, fds: list[int]) -> None:
        reason = _unfit()
        if reason:
            connection.send(refused=reason)
            return
        try:
            client = os.pidfd_open(_peer(connection.link)[0])
        except OSError as error:  # the client may have died already
            connection.send(refused=f"pidfd_open failed ({error.strerror}).")
            return
        try:
            pid = os.fork()
        except OSError as error:
            os.close(client)
            connection.send(refused=f"fork failed ({error.strerror}).")
            return
        if pid == 0:
            raise Kernel(self._become(connection, fds), connection.link, client)
        os.close(client)
        connection.pid, connection.watch = pid, os.pidfd_open(pid)
        self.selector.register(
            connection.watch, selectors.EVENT_READ, lambda: self._ended(connection)
        )
        # Looking at thousands of files takes as long as the fork: the child starts meanwhile.
        changed = self.snapshot.changed()
        if changed:
            self.retire()
            os.kill(pid, signal.SIGKILL)
            connection.send(refused=f"{changed} has changed.", stale=True)
        else:
            connection.send(pid=pid)

    def _become(self, own: Connection, fds: list[int]) -> dict[str, Any]:
        """Turn a fresh child into a process of its own; return its request."""
        os.setsid()
        # The parent's socket, its other clients and their kernels are not this child's business.
        self.selector.close()
        self.listener.close()
        for other in self.connections - {own}:
            other.link.close()
            if other.watch >= 0 and not other.over:
                os.close(other.watch)
        for number, fd in enumerate(fds[:3]):
            os.dup2(fd, number)
        with open(fds[3], "rb", closefd=False) as file:
            file.seek(0)  # the client has left the shared position at the end
            return json.load(file)

    def _ended(self, connection: Connection) -> None:
        self.selector.unregister(connection.watch)
        os.close(connection.watch)
        connection.over = True
        found = os.waitid(os.P_PID, connection.pid, os.WEXITED | os.WNOWAIT)
        code = found.si_status if found.si_code == os.CLD_EXITED else -found.si_status
        connection.send(exit=code)
        self._forget(connection)

    def _forget(self, connection: Connection) -> None:
        """Reap the kernel when it has ended and its client knows; then nothing of both is left."""
        if connection.open or (connection.pid and not connection.over):
            return
        if connection.pid:
            os.waitpid(connection.pid, 0)
        self.connections.discard(connection)


def _peer(link: socket.socket) -> tuple[int, int, int]:
    """Return process, user and group of whoever is at the other end."""
    size = struct.calcsize("3i")
    return struct.unpack("3i", link.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, size))


def _remove_dead(path: Path) -> None:
    """Remove the socket of a parent that was killed."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as link:
        link.setblocking(False)
        try:
            link.connect(str(path))
        except ConnectionRefusedError:
            path.unlink(missing_ok=True)
        except OSError:
            pass  # it is alive and busy


def _has_gone(link: socket.socket) -> bool:
    """Return whether the client has given up, perhaps because this process was suspended."""
    try:
        return not link.recv(1, socket.MSG_PEEK | socket.MSG_DONTWAIT)
    except BlockingIOError:
        return False
    except OSError:
        return True


def _unfit() -> str | None:
    """Say why this process must not be forked, or None."""
    count = threads()
    if count != 1:
        return f"the parent has {count} threads, and a child would wait for those it lacks."
    torch = sys.modules.get("torch")
    if torch is not None and torch.cuda.is_initialized():
        return "the parent has initialised CUDA, which a child could not use."
    return None


def _settle(request: dict[str, Any]) -> None:
    """Give this child the surroundings that a new process of the client would have had."""
    os.environ.clear()
    os.environ.update(SET_BY_KERNEL | request["env"])
    os.umask(request["umask"])
    os.chdir(request["cwd"])
    resource.setrlimit(resource.RLIMIT_NOFILE, FILES)
    tempfile.tempdir = None  # computed from TMPDIR when it is first asked for
    # Where processes that this one spawns look for the modules beside a notebook.
    multiprocessing.process.ORIGINAL_DIR = os.getcwd()
    sys.argv, sys.orig_argv = request["argv"], request["command"]
    launcher = importlib.util.find_spec(sys.argv[0])
    sys.argv[0] = launcher.origin if launcher and launcher.origin else sys.argv[0]
    for name, number, mode in (("stdin", 0, "r"), ("stdout", 1, "w"), ("stderr", 2, "w")):
        # Whether a stream is a terminal, and so how it is buffered, is decided when it is opened.
        old = getattr(sys, name)
        stream = os.fdopen(number, mode, encoding=old.encoding, errors=old.errors, closefd=False)
        setattr(sys, name, stream)
        setattr(sys, f"__{name}__", stream)
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    signal.signal(signal.SIGINT, signal.default_int_handler)
    gc.enable()
    # Every kernel would draw the parent's numbers; Python's own generator sees to itself.
    if "numpy" in sys.modules:
        sys.modules["numpy"].random.seed()
    if "torch" in sys.modules:
        sys.modules["torch"].default_generator.seed()


SET_BY_KERNEL: dict[str, str] = {}
FILES = resource.getrlimit(resource.RLIMIT_NOFILE)


class ClientPoller(threading.Thread):
    """Ends the kernel when its client has died, as ipykernel does when its parent has."""

    def __init__(self, client: int) -> None:
        super().__init__(daemon=True, name="client-poller")
        self.client = client

    def run(self) -> None:
        """Wait for the client's end."""
        poll = select.poll()
        poll.register(self.client, select.POLLIN)
        poll.poll()
        os._exit(1)


def run_kernel(kernel: Kernel) -> None:
    """Be an IPython kernel until told to shut down."""
    from ipykernel import kernelapp
    from traitlets.config import Config
    from traitlets.config.loader import DeferredConfigString

    class IPKernelApp(kernelapp.IPKernelApp):
        """ipykernel's application, where it has to know that it was forked."""

        def init_poller(self) -> None:
            """Watch the client: the process that this one is a child of is nobody's user."""
            if self.parent_handle:
                self.poller = ClientPoller(kernel.client)

        def parse_command_line(self, argv: list[str] | None = None) -> None:
            """Read the usual arguments; building a parser for all others is a third of a start."""
            config, found = Config(), re.fullmatch(USUAL, "\0".join(argv or []))
            if not found:
                super().parse_command_line(argv)
                return
            config["IPKernelApp"].connection_file = DeferredConfigString(found["file"])
            for setting in filter(None, found["settings"].split("\0")):
                name, value = setting.removeprefix("--").split("=", 1)
                group, trait = name.split(".")
                config[group][trait] = DeferredConfigString(value)
            self.cli_config = copy.deepcopy(config)
            self.update_config(config)

    # Its default was computed from the environment of the parent.
    app = IPKernelApp.instance(parent_handle=int(os.environ.get("JPY_PARENT_PID") or 0))
    app.initialize(sys.argv[1:])
    if "matplotlib" in sys.modules and os.environ.get("MPLBACKEND"):
        sys.modules["matplotlib"].rcParams["backend"] = os.environ["MPLBACKEND"]
    pandas = sys.modules.get("pandas")
    if pandas is not None and pandas.get_option("display.max_columns") == 0:
        pandas.set_option("display.max_columns", 20)  # it took the parent for a terminal
    if "ipywidgets" in sys.modules:
        # It registers its comms when it is imported in a kernel, and the parent is none.
        sys.modules["ipywidgets"].register_comm_target()
    # From here on a client that connects is answered at once.
    kernel.link.send(b'{"ready": true}')
    app.start()


def _listen(path: Path) -> socket.socket:
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    before = os.umask(0o177)
    try:
        listener.bind(str(path))
    finally:
        os.umask(before)
    listener.listen(128)
    return listener


def main() -> None:
    """Import, tell the starter through stdout, serve; in a child, be the kernel."""
    path, cores = Path(sys.argv[1]), json.loads(sys.argv[3])
    linger = min(max(0.0, float(sys.argv[2])), 86400.0)  # not a number becomes 0
    if os.fork():
        os._exit(0)  # the starter need not wait for this process, and gets no zombie
    os.sched_setaffinity(0, cores)
    os.chdir("/")  # a matplotlibrc in the working directory would hold for every kernel
    if not sys.flags.safe_path:
        del sys.path[0]  # the folder of a script is on the path of a script, not of a kernel
    before = set(os.environ)
    load(KERNEL)
    SET_BY_KERNEL.update({name: os.environ[name] for name in set(os.environ) - before})
    load(libraries())
    rest_threads()
    reason = _unfit()
    try:
        parent = None if reason else Parent(_listen(path), path, linger)
    except OSError as error:
        parent = None
        if error.errno != errno.EADDRINUSE:  # else another one, whose starter died, was faster
            reason = f"{path}: {error.strerror}."
    with contextlib.suppress(BrokenPipeError):  # the starter has died, others may come
        os.write(1, json.dumps({"refused": reason} if reason else {"ready": True}).encode())
    with open(os.devnull, "r+b", buffering=0) as null:
        for number in range(3):
            os.dup2(null.fileno(), number)
    if reason or parent is None:
        os._exit(0)  # libraries would print what they have not taken down
    signal.signal(signal.SIGTERM, lambda *_: parent.stop())
    # Each kernel takes two descriptors here, so a limit that suits one client is soon reached.
    resource.setrlimit(resource.RLIMIT_NOFILE, (FILES[1], FILES[1]))
    gc.collect()
    gc.disable()
    gc.freeze()  # a collection in a child would touch, and so copy, every page
    child = None
    try:
        parent.serve()
    except Kernel as kernel:
        child = kernel
    finally:
        if child is None:
            parent.retire()
    if child is None:
        os._exit(0)
    _settle(child.request)
    run_kernel(child)


if __name__ == "__main__":
    main()
