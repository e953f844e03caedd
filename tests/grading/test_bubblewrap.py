"""Boxes by bubblewrap: as me, as an unprivileged user, and where only root's bwrap may do it."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest
from conftest import ROOT, missing
from waiting import GIVE_UP, until

from cvlab.checking import wire
from cvlab.classroom.grading.box import bubblewrap
from cvlab.classroom.grading.box.bubblewrap import Bubblewrap
from cvlab.classroom.grading.box.zygote import ZygoteError

pytestmark = [
    pytest.mark.skipif(sys.platform != "linux", reason="boxes need Linux"),
    pytest.mark.slow,
]

USER = 12345
# The judge: for each line of JSON that comes it tries cells in a box of their own, and tells of
# each the error or that it ended the box. As root it can become somebody else, who must be able to
# get at the interpreter, and can forbid user namespaces to the processes of a namespace of its own.
JUDGE = """
import json, os, pathlib, subprocess, sys, threading, time
from cvlab.checking import wire
from cvlab.classroom.grading.box import bubblewrap, isolation
from cvlab.classroom.grading.box.isolation import CLONE_NEWNS, CLONE_NEWUSER, Limits
whom, program, user = sys.argv[1], sys.argv[2], int(sys.argv[3])

def show(folder):
    # Nothing changes for the host, because the mounts are in a namespace of their own.
    hidden = [one for one in reversed(folder.parents) if one.stat().st_mode & 5 != 5]
    if hidden:
        fd = os.open(folder, os.O_PATH)
        isolation.mount("none", hidden[0], "tmpfs", 0, "mode=755")
        folder.mkdir(parents=True)
        isolation.mount(f"/proc/self/fd/{fd}", folder, None, isolation.MS_BIND)
        os.close(fd)

def forbid():
    ready, tell = os.pipe()
    go, let = os.pipe()
    child = os.fork()
    if child:
        os.read(ready, 1)
        for kind in "ug":
            pathlib.Path(f"/proc/{child}/{kind}id_map").write_text("0 0 4294967295")
        os.write(let, b"x")
        os._exit(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) & 255)
    isolation.libc.prctl(isolation.PR_SET_PDEATHSIG, 9)
    isolation.call_kernel("a user namespace", isolation.libc.unshare(CLONE_NEWUSER))
    os.write(tell, b"x")
    os.read(go, 1)
    pathlib.Path("/proc/sys/user/max_user_namespaces").write_text("0")

if whom != "me":
    isolation.call_kernel("mounts", isolation.libc.unshare(CLONE_NEWNS))
    isolation.mount("none", pathlib.Path("/"), None, isolation.MS_REC | isolation.MS_PRIVATE)
    for folder in isolation.system_folders():
        show(folder)
    if whom == "forbidden":
        forbid()
    os.setgroups([]); os.setresgid(user, user, user); os.setresuid(user, user, user)
    isolation.libc.prctl(isolation.PR_SET_DUMPABLE, 1)  # else the files of /proc/self stay root's
    os.environ |= {"PATH": program + ":/usr/bin:/bin", "HOME": "/"}

def judge(asked):
    def ask(cell, seconds=300):
        ends = time.monotonic() + seconds
        try:
            wire.write_message(box.link, json.dumps({"cell": cell}).encode(), ends)
            return json.loads(wire.read_message(box.link, ends))["error"]
        except wire.WireError as error:
            return {"name": type(error).__name__}
    limits = eval(asked.get("limits", "Limits()"))
    began = time.monotonic()
    box = place.box(limits)
    started = time.monotonic() - began
    *before, last = asked["cells"]
    errors = [*map(ask, before), ask(last, asked.get("seconds", 300))]
    began = time.monotonic()
    status = None if asked.get("keep") else box.close()
    return {"errors": errors, "status": status, "pid": box.pid, "started": started,
            "ended": time.monotonic() - began, "fds": len(os.listdir("/proc/self/fd"))}

why = bubblewrap.available()
walls = isolation.tried(lambda: isolation.unshare(os.geteuid() == 0))
print(json.dumps({"why": why, "namespaces": walls, "pid": os.getpid()}), flush=True)
with bubblewrap.Bubblewrap(["import os, sys, ctypes\\ngiven = 3"]) as place:
    for line in sys.stdin:
        # The thread that asks for a box ends before the box is used again.
        found = []
        thread = threading.Thread(target=lambda: found.append(judge(json.loads(line))))
        thread.start(); thread.join()
        print(json.dumps(found[0]), flush=True)
"""


class Judge:
    """The process above."""

    def __init__(self, whom: str, program: Path) -> None:
        command = [sys.executable, "-c", JUDGE, whom, str(program), str(USER)]
        environment = os.environ | {"OPENBLAS_NUM_THREADS": "1", "CVLAB_SECRET_OF_TEST": "secret"}
        self.process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=environment
        )
        self.whom, self.hello = whom, self._read()

    def _read(self) -> dict[str, Any]:
        return json.loads(self.process.stdout.readline())

    def ask(self, *cells: str, **settings: Any) -> dict[str, Any]:
        """Try cells in a box; ``seconds`` is how long the last of them may take."""
        self.process.stdin.write(json.dumps({"cells": cells, **settings}) + "\n")
        self.process.stdin.flush()
        return self._read()

    def names(self, *cells: str, **settings: Any) -> list[str | None]:
        """Return the names of the cells' errors, where there are any."""
        return [error and error["name"] for error in self.ask(*cells, **settings)["errors"]]

    def close(self) -> int:
        """Let it end; return its status."""
        self.process.stdin.close()
        with self.process.stdout:
            return self.process.wait(GIVE_UP)


@pytest.fixture(scope="module", params=["me", "somebody", "forbidden"])
def make(request) -> Iterator[Callable[[], Judge]]:
    """What starts a judge: as me, as an unprivileged user, and as one without user namespaces."""
    if shutil.which("bwrap") is None:
        missing("bubblewrap is not installed")
    if bubblewrap.available():
        missing(bubblewrap.available())
    if request.param != "me" and os.geteuid() != 0:
        pytest.skip("only root can become somebody else; it runs as an unprivileged user anyway")
    with tempfile.TemporaryDirectory() as folder:
        os.chmod(folder, 0o755)
        if request.param == "forbidden":
            os.chmod(shutil.copy(shutil.which("bwrap"), folder), 0o4755)
        yield lambda: Judge(request.param, Path(folder))


@pytest.fixture(scope="module")
def judge(make) -> Iterator[Judge]:
    one = make()
    yield one
    assert one.close() == 0


def test_it_is_there_where_the_grader_may_not_build_walls(judge):
    assert judge.hello["why"] is None
    said = judge.hello["namespaces"]
    assert said.startswith("namespaces: ") if judge.whom == "forbidden" else said is None


def test_a_box_is_alone_and_without_rights(judge):
    cells = (
        "assert given == 3 and os.getpid() == 1 and os.getuid() != 0 and os.getcwd() == '/box'",
        "assert [name for name in os.listdir('/proc') if name.isdigit()] == ['1']",
        "said = open('/proc/self/status').read()",
        "assert not any(int(s.split()[1], 16) for s in said.splitlines() if s.startswith('Cap'))",
        "assert 'NoNewPrivs:\\t1' in said and 'Seccomp:\\t2' in said",
        "assert [line.split()[0] for line in open('/proc/net/dev')][2:] == ['lo:']",
        "assert os.listdir('/box') == os.listdir('/dev/shm') == []",
        "assert 'CVLAB_SECRET_OF_TEST' not in os.environ",
        "held = [os.readlink(f'/proc/self/fd/{n}') for n in (0, 1, 2)]",
        "assert held == ['/dev/null'] * 3",
        "held = []",
        "for n in range(3, 300):\n    if os.path.lexists(f'/proc/self/fd/{n}'):\n"
        "        held.append(os.readlink(f'/proc/self/fd/{n}').partition(':')[0])",
        "assert set(held) <= {'socket', 'anon_inode'}, held",
        # Of the checkout it sees the package and the environment.
        f"assert set(os.listdir({str(ROOT)!r})) <= {{'cvlab', '.venv'}}",
    )
    assert judge.names(*cells) == [None] * len(cells)


REFUSED = {
    "TCP": "import socket; socket.socket(socket.AF_INET)",
    "UDP over IPv6": "import socket; socket.socket(socket.AF_INET6, socket.SOCK_DGRAM)",
    "netlink": "import socket; socket.socket(socket.AF_NETLINK, socket.SOCK_RAW)",
    "a socket of the host": "import socket; socket.socket(socket.AF_UNIX).connect('\\0ABSTRACT')",
    "users": "open('/etc/passwd')",
    "solutions": f"os.listdir({str(ROOT / 'solutions')!r})",
    "tests": f"open({__file__!r})",
    "homes": "os.listdir('/home')",
    "a file of the host": "open(HOSTS)",
    "the system": "open('/usr/lib/x', 'w')",
    "the root": "open('/x', 'w')",
    "devices": "open('/dev/x', 'w')",
    "the package": "import cvlab; open(cvlab.__file__, 'a')",
    "the environment": "open(os.path.join(sys.prefix, 'x'), 'w')",
    "the kernel's settings": "open('/proc/sys/kernel/hostname', 'w').write('x')",
    "memory that nobody counts": "import mmap; mmap.mmap(-1, 4096)",
    "memory of a device": "import mmap; mmap.mmap(os.open('/dev/zero', os.O_RDWR), 4096)",
    "a device": "os.mknod('/box/device', 0o20666, os.makedev(1, 1))",
    "the judge": "os.kill(JUDGE, 9)",
    "another user": "os.setuid(0)",
    "another group": "os.setgroups([0])",
    "out of the root": "os.chroot('/box')",
    "a namespace": "if ctypes.CDLL(None).unshare(0x10000000): raise PermissionError",
    "a mount": "if ctypes.CDLL(None).mount(b'x', b'/box', b'tmpfs', 0, 0): raise PermissionError",
    "more than the limit": "import resource; resource.setrlimit(resource.RLIMIT_NPROC, (-1, -1))",
}
ERRORS = {"OSError", "PermissionError", "FileNotFoundError", "ConnectionRefusedError"}
ERRORS |= {"ProcessLookupError", "ValueError"}


def test_what_it_must_not_do_is_an_error_there(judge, tmp_path):
    there = tmp_path / "there"
    there.write_text("mine")
    tmp_path.chmod(0o777)
    name = f"cvlab-test-{os.getpid()}"
    texts = {"ABSTRACT": name, "HOSTS": repr(str(there)), "JUDGE": str(judge.hello["pid"])}
    cells = list(REFUSED.values())
    for text, value in texts.items():
        cells = [cell.replace(text, value) for cell in cells]
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind("\0" + name)
        listener.listen()
        found = dict(zip(REFUSED, judge.names(*cells), strict=True))
    assert {what: error for what, error in found.items() if error not in ERRORS} == {}
    assert there.read_text() == "mine"


def test_what_a_notebook_needs_works(judge):
    cells = (
        "import concurrent.futures, socket, subprocess, tempfile, numpy as np, torch, cv2",
        "import matplotlib.pyplot as plt; plt.plot([1, 2]); plt.savefig('/box/figure.png')",
        "assert torch.nn.Linear(3, 2)(torch.ones(4, 3)).shape == (4, 2)",
        "tempfile.NamedTemporaryFile().write(b'x'); open('/dev/shm/x', 'wb').write(bytes(4096))",
        "assert list(concurrent.futures.ThreadPoolExecutor(2).map(abs, [-1])) == [1]",
        "assert subprocess.run(['/bin/echo', 'a'], capture_output=True).stdout == b'a\\n'",
        "a, b = socket.socketpair(); a.send(b'x'); assert b.recv(1) == b'x'",
        "1 / 0",
        "%%writefile mine.py\nx = 3",
        "import mine; assert mine.x == 3",
    )
    assert judge.names(*cells) == [None] * 7 + ["ZeroDivisionError", None, None]


# The same for all: boxes of other limits than those before cannot be had ahead.
LIMITS = (
    "Limits(cpu_seconds=3, memory_bytes=2_000_000_000, file_bytes=1_000_000, open_files=99,"
    " processes=9, disk_bytes=10_000_000)"
)


def test_floods_end_at_the_limit(judge):
    """One process of each kind at a time, in one box, and what ends a box in boxes of their own."""
    cells = (
        "x = bytearray(2_000_000_000)",
        "open('/box/f', 'wb').write(b'0' * 2_000_000)",
        "[os.dup(1) for _ in range(999)]",
        "import time\nfor _ in range(999):\n    os.fork() or (time.sleep(99), os._exit(0))",
    )
    errors = ["MemoryError", "OSError", "OSError", "BlockingIOError"]
    assert judge.names(*cells, limits=LIMITS) == errors
    # bwrap counts the bytes of each folder, or the judge those of all if bwrap may not.
    write = "[open(f'/{p}/{k}', 'wb').write(b'0' * 900_000) for k in range(12)]"
    cells = (
        f"import time\nfor p in ('box', 'tmp', 'dev/shm'):\n    {write}\ntime.sleep(999)",
        "for k in range(20_000): open(f'/tmp/{k}', 'w').close()\ntime.sleep(999)",
    )
    *errors, last = judge.names(*cells, limits=LIMITS)
    assert errors == ["WireClosed" if judge.whom == "forbidden" else "OSError"]
    assert last == "WireClosed"


@pytest.mark.parametrize("make", ["me"], indirect=True)
def test_processor_time_ends_and_starts_after_the_imports(judge):
    cells = ("import time\nwhile time.process_time() % 1 < 0.5: pass", "while True: pass")
    assert judge.names(*cells, limits=LIMITS) == [None, "WireClosed"]


# What tries to stay when its box or its judge has gone.
STAY = """
import signal, subprocess
assert ctypes.CDLL(None).prctl(1, 0, 0, 0, 0) == 0  # to outlive whoever waits for it
signal.pthread_sigmask(signal.SIG_BLOCK, range(1, 64))
subprocess.Popen(["sleep", "MARK"])
subprocess.Popen(["setsid", "sleep", "MARK"])
if not os.fork():
    os.setsid()
    os.fork() or os.execvp("sleep", ["sleep", "MARK"])
    os._exit(0)
os.kill(subprocess.Popen(["sleep", "MARK"]).pid, signal.SIGSTOP)
"""


def alive(processes: list[psutil.Process]) -> list[psutil.Process]:
    """Return those that have not ended."""
    found = []
    for process in processes:
        with contextlib.suppress(psutil.NoSuchProcess):
            if process.is_running() and process.status() != psutil.STATUS_ZOMBIE:
                found.append(process)
    return found


def marked(mark: str) -> list[psutil.Process]:
    every = psutil.process_iter(["cmdline"])
    return alive([one for one in every if mark in (one.info["cmdline"] or [])])


def test_nothing_outlives_it(judge):
    mark = f"6{os.getpid()}{time.monotonic_ns() % 10**6}"
    loop = "import time\nwhile True: time.sleep(0.01)"
    found = judge.ask(STAY.replace("MARK", mark), loop, seconds=2)
    assert [error and error["name"] for error in found["errors"]] == [None, "WireTimeout"]
    assert found["status"] == -signal.SIGKILL
    assert marked(mark) == []


def test_nothing_is_left_when_the_judge_is_killed(make):
    mark = f"7{os.getpid()}{time.monotonic_ns() % 10**6}"
    one = make()
    assert one.names(STAY.replace("MARK", mark), keep=True) == [None]
    # One of them is a daemon, for which nobody has waited; and a box is started ahead.
    assert until(lambda: len(marked(mark)) == 4)
    judge = psutil.Process(one.hello["pid"])
    assert until(lambda: len(judge.children(recursive=True)) >= 8)
    every = judge.children(recursive=True)
    os.kill(one.hello["pid"], signal.SIGKILL)
    one.close()
    assert until(lambda: not alive(every))
    assert marked(mark) == []


@pytest.mark.parametrize("make", ["me"], indirect=True)
def test_descriptors_and_processes_do_not_pile_up(judge):
    first, *_, last = (judge.ask("os._exit(3)", "1") for _ in range(3))
    assert {error["name"] for error in last["errors"]} == {"WireClosed"}
    assert first["fds"] == last["fds"]
    # One box is started ahead: bwrap and the process in it. A program that lists fonts may be there
    # for a moment, too.
    process = psutil.Process(judge.hello["pid"])
    assert until(lambda: len(process.children(recursive=True)) <= 2)


def test_stop_ends_all():
    if bubblewrap.available():
        missing(bubblewrap.available())
    others = set(psutil.Process().children(recursive=True))
    place = Bubblewrap()
    one, other = place.box(), place.box()
    wire.write_message(one.link, json.dumps({"cell": "print('x' * 10**6)"}).encode())
    assert wire.read_message(one.link, time.monotonic() + GIVE_UP) == b'{"error": null}'
    every = set(psutil.Process().children(recursive=True)) - others
    assert len(every) >= 6  # of three boxes
    assert place.alive()
    place.stop()
    assert not place.alive()
    assert alive([process for process in every if process.pid not in (one.pid, other.pid)]) == []
    with pytest.raises(wire.WireClosed):
        wire.read_message(one.link, time.monotonic() + GIVE_UP)
    assert one.close() == one.close() != 0
    other.close()
    with pytest.raises(ZygoteError, match="stopped"):
        place.box()


def test_a_setup_that_does_not_run_is_told():
    if bubblewrap.available():
        missing(bubblewrap.available())
    with pytest.raises(ZygoteError, match="SetupError: ZeroDivisionError: division by zero"):
        Bubblewrap(["1 / 0"])


def test_it_is_told_why_bubblewrap_is_not_there(monkeypatch, tmp_path):
    monkeypatch.setenv("PATH", str(tmp_path))
    assert bubblewrap.available() == "bubblewrap (the program bwrap) is not installed."
    with pytest.raises(ZygoteError, match="is not installed"):
        Bubblewrap()
    program = tmp_path / "bwrap"
    program.write_text("#!/bin/sh\necho 'bwrap: No permissions' >&2\nexit 1\n")
    program.chmod(0o755)
    assert bubblewrap.available() == "bubblewrap does not work here (bwrap: No permissions)."
    with pytest.raises(ZygoteError, match="starts no box: bwrap: No permissions"):
        Bubblewrap()
