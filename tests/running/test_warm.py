"""Tests of the warm kernels: like stock ones in all but speed, and nothing left behind."""

from __future__ import annotations

import asyncio
import contextlib
import fcntl
import importlib.util
import json
import os
import resource
import shutil
import signal
import socket
import subprocess
import sys
import textwrap
import threading
import time
import tomllib
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import nbformat
import psutil
import pytest
from jupyter_client.manager import AsyncKernelManager, KernelManager
from traitlets.config import Config
from waiting import GIVE_UP, until

from cvlab.classroom.notebooks import ROOT
from cvlab.classroom.running import warm
from cvlab.classroom.running.warm import client

pytestmark = [
    pytest.mark.skipif(sys.platform != "linux", reason="warm kernels need Linux"),
    pytest.mark.timeout(900),
    pytest.mark.slow,
    # Every notebook that the tests execute runs in one; here is what could go wrong.
    pytest.mark.about("cvlab/classroom/running/warm", "pyproject.toml"),
]


class Kernel:
    """A kernel with its manager and client, for a test."""

    def __init__(self, folder: Path, name: str = "cvlab", **arguments: Any) -> None:
        # TCP on a shared machine is refused by nobody but makes the kernel print a warning.
        place = {"transport": "ipc", "ip": str(folder / f"k{time.monotonic_ns()}")}
        self.manager = KernelManager(kernel_name=name, config=Config({"KernelManager": place}))
        self.manager.start_kernel(**arguments)
        self.client = self.manager.client()
        self.client.start_channels()
        self.client.wait_for_ready(timeout=GIVE_UP)

    @property
    def pid(self) -> int:
        return self.manager.provisioner.pid

    @property
    def parent(self) -> int:
        return psutil.Process(self.pid).ppid()

    @property
    def is_warm(self) -> bool:
        return isinstance(self.manager.provisioner.process, client.WarmProcess)

    def run(self, code: str, timeout: float = GIVE_UP, **arguments: Any) -> str:
        """Run code; return what it printed and its errors."""
        said: list[str] = []

        def hear(message: dict[str, Any]) -> None:
            content = message["content"]
            if message["msg_type"] == "stream":
                said.append(content["text"])
            elif message["msg_type"] == "error":
                said.append(f"{content['ename']}: {content['evalue']}")

        code = textwrap.dedent(code)
        self.client.execute_interactive(code, timeout=timeout, output_hook=hear, **arguments)
        return "".join(said).strip()

    def stop(self, now: bool = True) -> None:
        self.client.stop_channels()
        with contextlib.suppress(RuntimeError):
            self.manager.shutdown_kernel(now=now)


@pytest.fixture(scope="module")
def runtime(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A folder of sockets for the tests of this module alone, and the parent they share."""
    folder = Path("/tmp") / f"cvlab-test-{os.getpid()}"  # a socket's name must be short
    folder.mkdir(mode=0o700)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_RUNTIME_DIR", str(folder))
        patch.setenv("CVLAB_WARM_LINGER", "5")
        yield folder
    shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture
def kernel(runtime: Path) -> Iterator[Callable[..., Kernel]]:
    """Return a function that starts kernels, which end with the test."""
    running: list[Kernel] = []

    def start(name: str = "cvlab", **arguments: Any) -> Kernel:
        running.append(Kernel(runtime, name, **arguments))
        return running[-1]

    yield start
    for one in running:
        one.stop()


@pytest.fixture
def own_parent(
    runtime: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Callable[..., dict[str, str]]]:
    """Return a function that makes an environment whose parent is this test's own.

    It starts in a tenth of the time, because it imports one library: how long it lives and whom it
    serves does not depend on them.
    """
    before = {process.pid for process in parents(runtime)}
    environment = os.environ | {"TORCH_OF_TEST": str(time.monotonic_ns())}
    environment["CVLAB_LIBRARIES"] = "numpy"
    monkeypatch.setenv("CVLAB_WARM_LINGER", "0.3")
    yield lambda **more: environment | more
    for process in parents(runtime):
        if process.pid not in before:
            process.kill()


def parents(runtime: Path) -> list[psutil.Process]:
    """Return the parents that listen in a folder, not their kernels."""
    found = []
    for process in psutil.process_iter(["cmdline", "ppid"]):
        command = process.info["cmdline"] or []
        if str(client.PARENT.name) in " ".join(command) and str(runtime) in " ".join(command):
            found.append(process)
    pids = {process.pid for process in found}
    return [process for process in found if process.info["ppid"] not in pids]


@pytest.fixture(scope="module")
def parent_module() -> ModuleType:
    """The parent's script, as a module."""
    spec = importlib.util.spec_from_file_location("warm_parent", client.PARENT)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


# --------------------------------------------------------------------- like a stock kernel

PROBE = """
import gc, json, locale, os, resource, signal, sys
import matplotlib, matplotlib.pyplot as plt, numpy, torch, torchvision
shell = get_ipython()
status = open("/proc/self/status").read()
print(json.dumps(dict(
    environment={k: v for k, v in os.environ.items() if k != "TORCHINDUCTOR_CACHE_DIR"},
    argv=sys.argv[:2], original=sys.orig_argv[:4], path=sys.path, flags=str(sys.flags),
    executable=sys.executable, prefix=sys.prefix, cwd=os.getcwd(),
    umask=status.split("Umask:")[1].split()[0],
    masks=[line for line in status.splitlines() if line.startswith(("SigBlk", "SigIgn"))],
    nice=os.nice(0), affinity=sorted(os.sched_getaffinity(0)),
    leads_its_session=os.getpid() == os.getpgid(0) == os.getsid(0),
    handlers=[str(signal.getsignal(n)) for n in (signal.SIGINT, signal.SIGTERM, signal.SIGCHLD)],
    limits={n: resource.getrlimit(getattr(resource, n))
            for n in dir(resource) if n.startswith("RLIMIT_")},
    torch_threads=[torch.get_num_threads(), torch.get_num_interop_threads()],
    numpy_threads=[pool["num_threads"] for pool in __import__("threadpoolctl").threadpool_info()
                   if pool["internal_api"] == "openblas"][:1],
    rc={k: str(v) for k, v in matplotlib.rcParams.items()}, backend=matplotlib.get_backend(),
    print_options=numpy.get_printoptions(), main=sorted(sys.modules["__main__"].__dict__),
    encodings=[locale.getpreferredencoding(), sys.__stdout__.encoding, sys.__stderr__.errors],
    stdin=repr(os.read(0, 10)), terminal=os.isatty(1), gc=gc.isenabled(),
    comm=open("/proc/self/comm").read(),
    shell=type(shell).__name__, history=str(shell.history_manager.hist_file),
    parent_handle=shell.kernel.parent.parent_handle, recursion=sys.getrecursionlimit(),
    cvlab=sorted(m for m in sys.modules if m.startswith("cvlab")), cuda=torch.cuda.is_initialized(),
), default=str))
"""


@pytest.mark.parametrize("threads", [{}, {"OMP_NUM_THREADS": "3", "OPENBLAS_NUM_THREADS": "4"}])
def test_a_warm_kernel_has_the_surroundings_of_a_stock_one(kernel, tmp_path, threads):
    """Two kernels with unusual surroundings, compared in everything that code can see of them."""
    environment = os.environ | {
        **{"COURSE_VARIABLE": "ä\udcff b", "PYTHONPATH": str(tmp_path), **threads},
        "MPLBACKEND": "module://matplotlib_inline.backend_inline",
    }
    environment.pop("PYDEVD_USE_FRAME_EVAL", None)
    before = os.umask(0o027)
    soft, hard = files = resource.getrlimit(resource.RLIMIT_NOFILE)
    cpus = os.sched_getaffinity(0)
    try:
        resource.setrlimit(resource.RLIMIT_NOFILE, (min(soft, 1000), hard))
        os.sched_setaffinity(0, {min(cpus)})
        found = {}
        for name in ("python3", "cvlab"):
            one = kernel(name, cwd=str(tmp_path), env=dict(environment))
            assert one.is_warm == (name == "cvlab")
            found[name] = json.loads(one.run(PROBE))
    finally:
        os.umask(before)
        os.sched_setaffinity(0, cpus)
        resource.setrlimit(resource.RLIMIT_NOFILE, files)
    assert found["cvlab"]["cwd"] == str(tmp_path)
    assert found["cvlab"]["environment"]["JPY_PARENT_PID"] == str(os.getpid())
    assert found["cvlab"]["umask"] == "0027"
    assert found["cvlab"]["affinity"] == [min(cpus)]
    assert found["cvlab"]["cvlab"] == []
    assert not found["cvlab"]["cuda"]
    assert found["cvlab"] == found["python3"]


def test_kernels_draw_numbers_of_their_own(kernel):
    code = "import random, numpy, torch; print(random.random(), numpy.random.rand(), torch.rand(1))"
    drawn = {number for _ in range(2) for number in kernel().run(code).split(maxsplit=2)}
    assert len(drawn) == 6


def test_libraries_find_the_surroundings_of_the_kernel_not_of_the_parent(kernel, tmp_path):
    (tmp_path / "beside.py").write_text("def square(x): return x * x\n")
    one = kernel(cwd=str(tmp_path), env=os.environ | {"TMPDIR": str(tmp_path)})
    assert one.is_warm
    said = one.run("""
        import multiprocessing, resource, tempfile, beside, ipywidgets
        print(tempfile.gettempdir(), sorted(get_ipython().kernel.comm_manager.targets))
        for method in ("fork", "spawn", "forkserver"):
            with multiprocessing.get_context(method).Pool(1) as pool:
                print(method, pool.apply_async(beside.square, [3]).get(300))
    """)
    targets = "['jupyter.widget', 'jupyter.widget.control']"
    assert said.splitlines() == [f"{tmp_path} {targets}", "fork 9", "spawn 9", "forkserver 9"]


def test_a_package_folder_made_after_the_parent_is_noticed(parent_module, tmp_path, monkeypatch):
    monkeypatch.syspath_prepend(tmp_path / "later")
    snapshot = parent_module.Snapshot()
    assert snapshot.changed() is None
    (tmp_path / "later").mkdir()
    assert snapshot.changed() == str(tmp_path / "later")


def test_figures_appear_inline(kernel):
    one = kernel()
    shown = []
    code = "import matplotlib.pyplot as plt; plt.plot([1, 2]); plt.show()"
    one.client.execute_interactive(
        code, output_hook=lambda m: shown.extend(m["content"].get("data", {})), timeout=GIVE_UP
    )
    assert "image/png" in shown


def test_interrupt_restart_and_input(kernel):
    one = kernel()
    # Else the kernel drops, for a while, whatever comes after an error.
    message = one.client.execute(
        "import time\nprint('in the loop')\nwhile True: time.sleep(0.1)", stop_on_error=False
    )
    while one.client.get_iopub_msg(timeout=GIVE_UP)["content"].get("text") != "in the loop\n":
        pass
    one.manager.interrupt_kernel()
    reply = one.client.get_shell_msg(timeout=GIVE_UP)
    while reply["parent_header"].get("msg_id") != message:
        reply = one.client.get_shell_msg(timeout=GIVE_UP)
    assert reply["content"]["ename"] == "KeyboardInterrupt"
    one.run("kept = 1")
    assert one.run("print(kept)") == "1"
    asked = []

    def answer(message: dict[str, Any]) -> None:
        asked.append(message["content"]["prompt"])
        one.client.input("a line")

    said = one.run("print(input('a question'))", allow_stdin=True, stdin_hook=answer)
    assert (asked, said) == (["a question"], "a line")
    first = one.pid
    one.manager.restart_kernel(now=False)
    one.client.wait_for_ready(timeout=GIVE_UP)
    assert one.is_warm
    assert one.pid != first
    assert until(lambda: not psutil.pid_exists(first))
    assert one.run("print('kept' in globals())") == "False"


@pytest.mark.parametrize(
    ("code", "status"),
    [
        ("import os; os._exit(7)", 7),
        ("import os, signal; os.kill(os.getpid(), signal.SIGKILL)", -signal.SIGKILL),
        ("import ctypes; ctypes.string_at(0)", -signal.SIGSEGV),
    ],
)
def test_the_exit_status_is_the_kernels(kernel, code, status):
    one = kernel()
    process = one.manager.provisioner.process
    one.client.execute(code)
    assert until(lambda: process.poll() is not None)
    assert process.returncode == status
    assert not one.manager.is_alive()
    assert until(lambda: not psutil.pid_exists(process.pid))  # no zombie


def test_a_shutdown_ends_with_status_0_after_the_exit_handlers(kernel, tmp_path):
    one = kernel()
    process, pid = one.manager.provisioner.process, one.pid
    one.run(f"""
        import atexit
        unclosed = open({str(tmp_path / "unclosed")!r}, "w"); unclosed.write("buffered")
        atexit.register(lambda: open({str(tmp_path / "left")!r}, "w").write("done"))
    """)
    one.stop(now=False)
    assert process.returncode == 0
    assert (tmp_path / "left").read_text() == "done"
    assert (tmp_path / "unclosed").read_text() == "buffered"
    assert until(lambda: not psutil.pid_exists(pid))


def test_history_is_kept(kernel):
    one = kernel()
    one.run("first_line = 1")
    assert "first_line = 1" in one.run("%history")


def test_private_memory_is_small_and_given_back(kernel):
    one = kernel()
    one.run("import torch, torchvision; torch.rand(64, 64) @ torch.rand(64, 64)")
    memory = psutil.Process(one.pid).memory_full_info()
    assert memory.uss < 100e6, f"{memory.uss / 1e6:.0f} MB are the kernel's own"
    assert memory.rss > 300e6  # what it shares: torch is there
    pid = one.pid
    one.stop()
    assert until(lambda: not psutil.pid_exists(pid))


def test_threads_of_libraries_work_in_a_kernel(kernel):
    one = kernel()
    said = one.run("""
        import cv2, numpy, torch
        from sklearn.cluster import KMeans
        torch.set_num_threads(2)
        a = torch.rand(600, 600); (a @ a).sum()
        b = torch.rand(3000, 300, requires_grad=True); (b * b).sum().backward()
        numpy.linalg.svd(numpy.random.rand(300, 300))
        cv2.GaussianBlur(numpy.random.rand(500, 500), (31, 31), 5)
        KMeans(3, n_init=2).fit(numpy.random.rand(2000, 4))
        from torch.utils.data import DataLoader
        print(sum(len(batch) for batch in DataLoader(list(range(40)), batch_size=4, num_workers=2)))
    """)
    assert said == "40"


# ------------------------------------------------------------------ one parent, and its end


def test_one_parent_in_a_private_place(kernel, runtime):
    first, second = kernel(), kernel()
    assert first.parent == second.parent
    (place,) = runtime.glob("cvlab-warm-*")
    assert place.stat().st_mode & 0o777 == 0o700
    for path in place.iterdir():
        assert path.is_socket()
        assert path.stat().st_mode & 0o777 == 0o600
    parent = psutil.Process(first.parent)
    assert parent.num_threads() == 1
    assert parent.uids().real == os.getuid()
    assert parent.terminal() is None
    assert not [m.path for m in parent.memory_maps() if "libcuda.so" in m.path]
    assert "JPY_PARENT_PID" not in parent.environ()


START = """
import os, sys
from jupyter_client.manager import KernelManager
from traitlets.config import Config
# Free ports would be a race between clients; the folder is the one of the fixture `runtime`.
folder = os.path.join("/tmp", f"cvlab-test-{os.getppid()}")
place = {"transport": "ipc", "ip": f"{folder}/{os.getpid()}"}
manager = KernelManager(kernel_name="cvlab", config=Config({"KernelManager": place}))
manager.start_kernel()
client = manager.client()
client.start_channels()
client.wait_for_ready(timeout=300)
print(manager.provisioner.pid, flush=True)
sys.stdin.readline()
client.stop_channels()
manager.shutdown_kernel(now=True)
"""


def starter(environment: dict[str, str]) -> subprocess.Popen:
    """Start a client in a process of its own, which prints its kernel's process id."""
    command = [sys.executable, "-c", START]
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
    return subprocess.Popen(command, env=environment, stderr=subprocess.DEVNULL, **pipes)


def test_clients_that_start_together_share_a_parent_that_ends_after_them(own_parent, runtime):
    environment = own_parent(XDG_RUNTIME_DIR=str(runtime / "together"))
    (runtime / "together").mkdir(mode=0o700)
    clients = [starter(environment) for _ in range(3)]
    kernels = [psutil.Process(int(one.stdout.readline())) for one in clients]
    assert len({process.ppid() for process in kernels}) == 1
    parent = psutil.Process(kernels[0].ppid())
    for one in clients:
        one.communicate("stop\n", timeout=GIVE_UP)
    assert until(lambda: not parent.is_running())
    assert until(lambda: not any(process.is_running() for process in kernels))
    assert list((runtime / "together").iterdir()) == []  # neither socket nor folder


def test_killing_client_kernel_and_parent(own_parent, kernel):
    environment = own_parent()
    # kill -9 of a client: its kernel ends by itself, nobody else's does
    other = kernel(env=dict(environment))
    one = starter(environment)
    orphan = psutil.Process(int(one.stdout.readline()))
    assert orphan.ppid() == other.parent
    one.kill()
    one.wait()
    assert until(lambda: not orphan.is_running())
    # kill -9 of a kernel: the parent and the other kernels go on
    third = kernel(env=dict(environment))
    parent = psutil.Process(other.parent)
    os.kill(third.pid, signal.SIGKILL)
    assert until(lambda: not third.manager.is_alive())
    assert parent.is_running()
    assert other.run("print(1)") == "1"
    # kill -9 of the parent: its kernels go on and their end is noticed, new ones get a new parent
    parent.kill()
    assert until(lambda: not parent.is_running() or parent.status() == psutil.STATUS_ZOMBIE)
    assert other.run("print(2)") == "2"
    assert other.manager.is_alive()
    fourth = kernel(env=dict(environment))
    assert fourth.is_warm
    assert fourth.parent != parent.pid
    os.kill(other.pid, signal.SIGKILL)
    assert until(lambda: not other.manager.is_alive())
    # SIGTERM to the parent: it ends after its kernels, and says how they ended
    parent, process = psutil.Process(fourth.parent), fourth.manager.provisioner.process
    parent.terminate()
    assert fourth.run("print(4)") == "4"
    process.terminate()
    assert until(lambda: process.poll() is not None)
    assert process.returncode == -signal.SIGTERM
    assert until(lambda: not parent.is_running())


def test_killing_the_client_that_starts_the_parent(own_parent, runtime):
    """Whoever comes next shares that parent, and nothing is left of it if nobody comes."""
    place = runtime / "starter"
    place.mkdir(mode=0o700)
    environment = own_parent(XDG_RUNTIME_DIR=str(place))
    for comes_another in (False, True):
        one = starter(environment)
        assert until(lambda: parents(place))
        one.kill()
        one.wait()
        if comes_another:
            other = starter(environment)
            process = psutil.Process(int(other.stdout.readline()))
            assert "parent.py" in " ".join(process.cmdline())  # it is warm
            other.communicate("stop\n", timeout=GIVE_UP)
        assert until(lambda: not parents(place) and not list(place.iterdir()))


def test_a_parent_that_dies_before_it_forks_is_replaced(kernel, runtime, monkeypatch):
    connect = client.connect
    ends = [socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET) for _ in range(2)]
    ends[0][1].close()  # one is dead before the request, one does not answer it
    answers = [ends[0][0], ends[1][0]]
    ends[1][1].shutdown(socket.SHUT_WR)
    monkeypatch.setattr(
        client, "connect", lambda *given: answers.pop(0) if answers else connect(*given)
    )
    monkeypatch.setattr(client, "prepare", lambda *_: socket.socket())
    assert kernel().is_warm
    assert not answers
    ends[1][1].close()


@pytest.mark.parametrize("prepared", [False, True])
def test_a_start_that_was_cancelled_leaves_no_kernel(kernel, tmp_path, monkeypatch, prepared):
    """While it waits for the parent, or for the kernel."""
    connect, cancelled = client.connect, threading.Event()

    async def start_and_cancel() -> None:
        place = str(tmp_path / "connection.json")
        manager = AsyncKernelManager(kernel_name="cvlab", connection_file=place)
        loop, begun = asyncio.get_running_loop(), asyncio.Event()

        def connect_when_cancelled(*given: Any) -> socket.socket:
            loop.call_soon_threadsafe(begun.set)
            assert cancelled.wait(GIVE_UP)
            return connect(*given)

        monkeypatch.setattr(client, "connect", connect_when_cancelled)
        if prepared:
            monkeypatch.setattr(client, "prepare", lambda *_: socket.socket())
        starting = asyncio.ensure_future(manager.start_kernel())
        await begun.wait()
        starting.cancel()
        with pytest.raises(asyncio.CancelledError):
            await starting
        cancelled.set()

    one = kernel()
    parent = psutil.Process(one.parent)
    asyncio.run(start_and_cancel())
    assert until(lambda: [child.pid for child in parent.children()] == [one.pid])


def test_a_client_that_has_given_up_gets_no_kernel(parent_module):
    mine, other = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    with mine:
        assert not parent_module._has_gone(mine)
        other.close()
        assert parent_module._has_gone(mine)


def test_a_killed_parents_socket_is_removed_by_the_next(parent_module, runtime):
    living, dead = runtime / "living", runtime / "dead"
    with parent_module._listen(living):
        parent_module._listen(dead).close()
        for path in (living, dead):
            parent_module._remove_dead(path)
        assert living.exists()
        assert not dead.exists()
    living.unlink()


def test_a_parent_serves_more_clients_than_its_limit_of_files(own_parent, kernel):
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    links: list[socket.socket] = []
    try:
        resource.setrlimit(resource.RLIMIT_NOFILE, (100, hard))
        environment = own_parent()
        one = kernel(env=dict(environment))
        path = client.socket_path([sys.executable], environment)
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
        links = [link for _ in range(110) if (link := client.connect_once(path))]
        assert len(links) == 110
        assert one.run("import resource; print(resource.getrlimit(7)[0])") == "100"
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
        for link in links:
            link.close()
    os.kill(one.pid, signal.SIGKILL)
    process = one.manager.provisioner.process
    assert until(lambda: process.poll() is not None)
    assert process.returncode == -signal.SIGKILL  # the parent is there to say so


def test_a_parent_restarts_when_the_files_change(own_parent, kernel, tmp_path, monkeypatch):
    """Of the package, or of the environment (here a folder of PYTHONPATH)."""
    package = tmp_path / "cvlab" / "classroom" / "warm"
    shutil.copytree(client.PARENT.parent, package)
    (tmp_path / "cvlab" / "boxes.py").write_text("area = 1\n")
    monkeypatch.setattr(client, "PARENT", package / "parent.py")
    packages = tmp_path / "packages"
    packages.mkdir()
    environment = own_parent(PYTHONPATH=str(packages))
    first = kernel(env=dict(environment))
    old = psutil.Process(first.parent)
    (tmp_path / "cvlab" / "boxes.py").write_text("area = 22\n")
    second = kernel(env=dict(environment))
    assert second.is_warm
    assert second.parent != old.pid
    assert first.run("print(3)") == "3"  # the old parent's kernels go on
    (packages / "new_package.py").write_text("")
    third = kernel(env=dict(environment))
    assert third.is_warm
    assert third.parent not in (old.pid, second.parent)
    first.stop()
    assert until(lambda: not old.is_running())


def test_a_file_that_a_library_was_loaded_from_is_watched(parent_module, tmp_path, monkeypatch):
    library = tmp_path / "some_library.py"
    library.write_text("answer = 1\n")
    monkeypatch.syspath_prepend(tmp_path)
    importlib.import_module("some_library")
    snapshot = parent_module.Snapshot()
    assert snapshot.changed() is None
    library.write_text("answer = 42\n")
    assert snapshot.changed() == str(library)
    library.unlink()
    assert snapshot.changed() in (str(library), str(tmp_path))


# ---------------------------------------------------------------------- what a fork cannot do

HANG = """
import contextlib, os, signal, sys, time, torch
torch.set_num_threads(2)
def work():
    for _ in range(3):
        torch.rand(500, 500) @ torch.rand(500, 500)
        torch.rand(2_000_000).exp_()
if sys.argv[1] == "threaded":
    work()
child = os.fork()
if child == 0:
    work()
    os._exit(0)
def asleep():
    found = set()
    for task in os.listdir(f"/proc/{child}/task"):
        with contextlib.suppress(OSError), open(f"/proc/{child}/task/{task}/stat") as file:
            found.add(file.read().rpartition(")")[2].split()[0])
    return found == {"S"}
# However busy the machine is, whoever has work to do is not asleep in all threads for long.
looks = 0
while not os.waitpid(child, os.WNOHANG)[0]:
    looks = looks + 1 if asleep() else 0
    if looks == 30:
        print("hangs")
        os.kill(child, signal.SIGKILL)
        break
    time.sleep(0.1)
else:
    print("ended")
"""


@pytest.mark.parametrize(("parent", "child"), [("threaded", "hangs"), ("idle", "ended")])
def test_the_child_of_a_parent_that_ran_a_threaded_operation_hangs(parent, child):
    """The reason for the parent's rule to have one thread."""
    done = subprocess.run(
        [sys.executable, "-c", HANG, parent],
        capture_output=True,
        text=True,
        timeout=GIVE_UP,
        check=True,
        env=os.environ | {"OMP_NUM_THREADS": "2", "MKL_NUM_THREADS": "2"},
    )
    assert done.stdout.strip() == child


@pytest.mark.parametrize(
    ("fault", "reason"),
    [
        ("os.register_at_fork(after_in_child=threading.Thread(target=wait).start)", "2 threads"),
        ("sys.exit('broken on purpose')", "broken on purpose"),
    ],
)
def test_an_unfit_parent_is_not_used(own_parent, kernel, tmp_path, caplog, fault, reason):
    (tmp_path / "sitecustomize.py").write_text(
        "import os, sys, threading, time\n"
        "def wait(): time.sleep(600)\n"
        f"if 'warm/parent.py' in ' '.join(sys.orig_argv):\n    {fault}\n"
    )
    one = kernel(env=own_parent(PYTHONPATH=str(tmp_path)))
    assert not one.is_warm
    assert one.run("print(1)") == "1"
    lines = [record.getMessage() for record in caplog.records if "warm parent" in record.message]
    assert len(lines) == 1
    assert reason in lines[0]


def test_cuda_is_never_initialised_in_the_parent(parent_module, kernel, monkeypatch):
    import torch

    assert kernel().run("import torch; print(torch.cuda._is_in_bad_fork())") == "False"
    monkeypatch.setattr(parent_module, "threads", lambda: 1)
    assert parent_module._unfit() is None
    monkeypatch.setattr(torch.cuda, "is_initialized", lambda: True)
    assert "CUDA" in parent_module._unfit()


def test_without_fork_the_kernel_is_a_stock_one_and_one_line_says_so(kernel, monkeypatch, caplog):
    monkeypatch.setattr(warm, "reasons_told", set())
    with monkeypatch.context() as patch:
        patch.setattr(warm.sys, "platform", "darwin")
        first, second = kernel(), kernel()
    assert not first.is_warm
    assert not second.is_warm
    assert first.run("print(1)") == second.run("print(1)") == "1"
    lines = [record.getMessage() for record in caplog.records if "warm parent" in record.message]
    assert len(lines) == 1
    assert "Linux" in lines[0]


def test_what_a_fork_cannot_give_is_refused(runtime, tmp_path, monkeypatch):
    command = [sys.executable, "-m", "ipykernel_launcher", "-f", "file"]
    (tmp_path / "matplotlibrc").write_text("lines.linewidth: 3\n")
    for kwargs, reason in [
        ({"cwd": str(tmp_path)}, "matplotlibrc"),
        ({"env": {"PYTHONPATH": "relative"}}, "relative"),
        ({"preexec_fn": print}, "preexec_fn"),
        ({"stdout": subprocess.PIPE}, "pipe"),
    ]:
        for ask in (client.prepare, client.launch):
            with pytest.raises(warm.NoWarmKernel, match=reason):
                ask(command, kwargs)
    with pytest.raises(warm.NoWarmKernel, match="some_kernel"):
        client.launch([sys.executable, "-m", "some_kernel"], {})
    (runtime / "x" / f"cvlab-warm-{os.geteuid()}").mkdir(parents=True, mode=0o755)
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(runtime / "x"))
    with pytest.raises(warm.NoWarmKernel, match="belong to you alone"):
        client.launch(command, {"cwd": "/"})


def test_no_parent_starts_for_a_kernel_that_it_cannot_fork(own_parent, kernel, runtime):
    """As jupyter_client's own tests want one, with pipes; to start a parent takes seconds."""
    before = parents(runtime)
    one = kernel(env=own_parent(), stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    assert not one.is_warm
    assert one.run("print(1)") == "1"
    assert {process.pid for process in parents(runtime)} <= {process.pid for process in before}


FORKS = """
import asyncio, os, sys
from jupyter_client.manager import AsyncKernelManager
from traitlets.config import Config

async def pid_of_a_kernel():
    place = {"transport": "ipc", "ip": os.path.join(sys.argv[1], str(os.getpid()))}
    manager = AsyncKernelManager(kernel_name="cvlab", config=Config({"KernelManager": place}))
    await manager.start_kernel()
    print(type(manager.provisioner.process).__name__, flush=True)
    await manager.shutdown_kernel(now=True)

asyncio.run(pid_of_a_kernel())
loop = asyncio.new_event_loop()
loop.run_until_complete(pid_of_a_kernel())
child = os.fork()
if child == 0:  # as multiprocessing does: with the loop, and without the threads
    asyncio.events._set_running_loop(None)
    loop.run_until_complete(pid_of_a_kernel())
    os._exit(0)
sys.exit(os.waitpid(child, 0)[1])
"""


def test_a_process_that_forks_after_its_first_kernel_gets_another(own_parent, runtime):
    done = subprocess.run(
        [sys.executable, "-c", FORKS, str(runtime)],
        env=own_parent(CVLAB_WARM_LINGER="5"),
        stdout=subprocess.PIPE,
        text=True,
        check=True,
        timeout=GIVE_UP,
    )
    assert done.stdout.split() == 3 * ["WarmProcess"]


@pytest.mark.parametrize("restarted", [False, True])
def test_ports_that_others_take_meanwhile_are_given_up_for_others(
    own_parent, runtime, monkeypatch, restarted
):
    """One does the moment before the kernel is forked; after a restart clients know the ports."""
    original, taken = client.fork_kernel, []

    def take_and_fork(interpreter, argv, **arguments):
        port = json.loads(Path(argv[-1]).read_text())["shell_port"]
        taken.append(socket.socket())
        taken[-1].setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        taken[-1].bind(("127.0.0.1", port))
        taken[-1].listen()
        return original(interpreter, argv, **arguments)

    monkeypatch.setenv("JUPYTER_RUNTIME_DIR", str(runtime))
    manager = KernelManager(kernel_name="cvlab")
    environment = own_parent(CVLAB_WARM_LINGER="5")
    try:
        if restarted:
            manager.start_kernel(env=environment)
        known = manager.get_connection_info()
        monkeypatch.setattr(client, "fork_kernel", take_and_fork)
        if restarted:
            manager.restart_kernel(now=True)
            assert manager.get_connection_info() == known
            return
        manager.start_kernel(env=environment)
        assert isinstance(manager.provisioner.process, subprocess.Popen)
        ports = {manager.get_connection_info()[name] for name in ("shell_port", "iopub_port")}
        assert taken[0].getsockname()[1] not in ports
        one = manager.client()
        one.start_channels()
        one.wait_for_ready(timeout=GIVE_UP)
        one.stop_channels()
    finally:
        for each in taken:
            each.close()
        manager.shutdown_kernel(now=True)


def test_tables_are_printed_as_in_a_kernel_and_not_as_on_a_terminal(own_parent, kernel, tmp_path):
    """Of a stand-in for pandas, which asks at its import whether it is on a terminal."""
    (tmp_path / "pandas.py").write_text(
        "options = {'display.max_columns': 0 if 'IPython' not in globals() else 20}\n"
        "get_option, set_option = options.__getitem__, options.__setitem__\n"
    )
    variables = {"PYTHONPATH": str(tmp_path), "CVLAB_LIBRARIES": "pandas"}
    one = kernel(env=own_parent(**variables))
    assert one.is_warm
    assert one.run("import pandas; print(pandas.get_option('display.max_columns'))") == "20"


def test_what_nobody_can_import_makes_no_kernel_cold(own_parent, kernel, tmp_path):
    environment = own_parent(PYTHONPATH=str(tmp_path), CVLAB_WARM_LINGER="5")
    first = kernel(env=environment)
    (tmp_path / "grades.csv").write_text("1")
    (tmp_path / "notes").write_text("no folder, so no package")
    (tmp_path / "__pycache__").mkdir()
    (tmp_path / "my data").mkdir()
    second = kernel(env=environment)
    assert second.is_warm
    assert second.parent == first.parent
    (tmp_path / "helpers.py").write_text("x = 1")
    third = kernel(env=environment)
    assert third.is_warm
    assert third.parent != first.parent


@pytest.mark.parametrize("name", ["new.py", "new.so", "new", "new-1.0.dist-info", "new.pth"])
def test_a_folder_is_another_when_python_can_import_something_else(parent_module, tmp_path, name):
    before = parent_module._state(str(tmp_path))
    path = tmp_path / name
    path.mkdir() if "." not in name or name.endswith("info") else path.write_text("")
    assert parent_module._state(str(tmp_path)) != before
    path.rmdir() if path.is_dir() else path.unlink()
    assert parent_module._state(str(tmp_path)) == before
    assert parent_module._state(str(tmp_path / "nothing")) is None


def test_who_waits_too_long_for_the_parents_of_others_gets_a_stock_kernel(
    own_parent, runtime, kernel, monkeypatch, caplog
):
    monkeypatch.setattr(warm, "reasons_told", set())
    monkeypatch.setenv("CVLAB_WARM_WAIT", "0.2")
    place = client.folder()
    place.mkdir(mode=0o700, exist_ok=True)
    held = os.open(place, os.O_RDONLY)
    try:
        fcntl.flock(held, fcntl.LOCK_EX)
        one = kernel(env=own_parent())
        assert not one.is_warm
        assert one.run("print(1)") == "1"
    finally:
        os.close(held)
    assert "CVLAB_WARM_WAIT" in caplog.text


def test_with_pytest_the_line_on_a_stock_kernel_is_printed_too(kernel, monkeypatch, capsys):
    """nbval's run takes what is logged for itself; with -s one sees what is printed."""
    monkeypatch.setattr(warm, "reasons_told", set())
    with monkeypatch.context() as patch:
        patch.setattr(warm.sys, "platform", "darwin")
        kernel()
    assert "cvlab: this kernel starts without the warm parent" in capsys.readouterr().err


# ------------------------------------------------------------------------ whoever starts kernels


def a_notebook(path: Path, code: str) -> Path:
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(code, id="only")])
    notebook["metadata"]["kernelspec"] = {"name": "cvlab", "display_name": "cvlab"}
    nbformat.write(notebook, path)
    return path


WARM = "import sys\nassert 'torchvision' in sys.modules\nprint('warm')"


def test_nbval_takes_it_by_name(runtime, tmp_path):
    path = a_notebook(tmp_path / "one.ipynb", WARM)
    done = subprocess.run(
        [
            sys.executable,
            *["-m", "pytest", "-p", "cvlab.classroom.lean", "-p", "no:cacheprovider"],
            "--nbval-lax",
            "--nbval-kernel-name",
            "cvlab",
            str(path),
        ],
        capture_output=True,
        text=True,
        cwd=tmp_path,
        timeout=GIVE_UP,
        check=False,
    )
    assert "1 passed" in done.stdout, done.stdout + done.stderr


def test_nbclient_and_jupyter_cache_take_it_by_name(runtime, tmp_path):
    from jupyter_cache import get_cache
    from jupyter_cache.executors import load_executor
    from nbclient import NotebookClient

    path = a_notebook(tmp_path / "one.ipynb", WARM)
    notebook = nbformat.read(path, as_version=4)
    NotebookClient(notebook, kernel_name="cvlab").execute()
    assert notebook["cells"][0]["outputs"][0]["text"] == "warm\n"
    cache = get_cache(str(tmp_path / "cache"))
    cache.add_nb_to_project(str(path))
    result = load_executor("local-serial", cache=cache).run_and_cache()
    assert [Path(one).name for one in result.succeeded] == ["one.ipynb"]


def test_the_console_takes_it_by_name(runtime):
    done = subprocess.run(
        [sys.executable, "-m", "jupyter_console", "--kernel", "cvlab", "--simple-prompt"],
        input="import sys\nprint('torchvision' in sys.modules, 6 * 7)\nexit()\n",
        capture_output=True,
        text=True,
        timeout=GIVE_UP,
        check=False,
    )
    assert "True 42" in done.stdout, done.stdout + done.stderr


def test_jupyterlab_takes_it_by_name(runtime, tmp_path):
    """The server of JupyterLab, asked for kernels as its page in the browser asks."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    command = [sys.executable, "-m", "jupyterlab", "--no-browser", "--allow-root"]
    command += [f"--ServerApp.port={port}", "--IdentityProvider.token=secret"]
    command += [f"--ServerApp.root_dir={tmp_path}"]

    def ask(method: str, path: str, body: dict[str, Any] | None = None) -> Any:
        request = urllib.request.Request(
            f"http://127.0.0.1:{port}/api/{path}",
            method=method,
            data=json.dumps(body).encode() if body else None,
            headers={"Authorization": "token secret"},
        )
        with urllib.request.urlopen(request, timeout=GIVE_UP) as reply:
            return json.loads(reply.read() or b"null")

    def answers() -> bool:
        with contextlib.suppress(OSError):
            return "cvlab" in ask("GET", "kernelspecs")["kernelspecs"]
        return False

    with (tmp_path / "log").open("w") as log, subprocess.Popen(command, stderr=log) as server:
        try:
            assert until(answers), (tmp_path / "log").read_text()
            identifier = ask("POST", "kernels", {"name": "cvlab"})["id"]
            (running,) = [one for parent in parents(runtime) for one in parent.children()]
            ask("POST", f"kernels/{identifier}/restart", {})
            assert until(lambda: not running.is_running())
            ask("DELETE", f"kernels/{identifier}")
            assert ask("GET", "kernels") == []
        finally:
            server.terminate()
    assert "without the warm parent" not in (tmp_path / "log").read_text()


def test_the_kernelspec_is_installed_with_the_package():
    from jupyter_client.kernelspec import KernelSpecManager

    spec = KernelSpecManager().get_kernel_spec("cvlab")
    assert spec.metadata["kernel_provisioner"]["provisioner_name"] == "cvlab-warm"
    assert Path(spec.resource_dir).is_relative_to(sys.prefix)
    written = json.loads(client.PARENT.with_name("kernel.json").read_text(encoding="utf-8"))
    assert spec.to_dict()["argv"] == written["argv"]
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    wheel = project["tool"]["hatch"]["build"]["targets"]["wheel"]
    assert set(wheel["shared-data"]) <= set(wheel["exclude"]), "it would be in the wheel twice"
