"""The walls of the grader's box: what code inside can see, reach, use up and leave behind."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import textwrap
import time
from pathlib import Path

import psutil
import pytest
from waiting import GIVE_UP, processor_time, until

from cvlab.classroom.grading.box import isolation

pytestmark = [
    pytest.mark.skipif(sys.platform != "linux", reason="boxes need Linux"),
    pytest.mark.slow,
    pytest.mark.usefixtures("walls"),
]

# A package that is imported on the way here loads NumPy, whose OpenBLAS starts threads.
ONE_THREAD = os.environ | {"OPENBLAS_NUM_THREADS": "1"}
# The interpreter may lie where nobody may look, so the driver imports what the tests use.
# As root it builds the walls directly; as anybody else it needs a user namespace.
ENTER = """
import concurrent.futures.thread, ctypes, errno, mmap, os, random, resource, signal, socket
import subprocess, sys, tempfile, threading, time
as_whom, limits, code = sys.argv[1:4]
from cvlab.classroom.grading.box import isolation
folders = isolation.system_folders()
if as_whom == "nobody":
    os.setgroups([]); os.setresgid(65534, 65534, 65534); os.setresuid(65534, 65534, 65534)
    isolation.libc.prctl(4, 1, 0, 0, 0)  # else the files of /proc/self stay root's
    folders = [path for path in folders if os.access(path, os.X_OK)]
isolation.enter(eval(limits, {"Limits": isolation.Limits}), folders)
exec(code)
"""


@pytest.fixture(params=["me", "nobody"])
def whom(request):
    if request.param == "nobody" and os.geteuid() != 0:
        pytest.skip("only root can become somebody else; it runs as an unprivileged user anyway")
    return request.param


def inside(
    code: str, whom: str = "me", limits: str = "Limits()", **arguments: str
) -> tuple[int, str]:
    """Run code in a box; return the exit status and what it printed."""
    command = [sys.executable, "-c", ENTER, whom, limits, textwrap.dedent(code)]
    environment = ONE_THREAD | arguments
    done = subprocess.run(
        command, capture_output=True, text=True, timeout=GIVE_UP, check=False, env=environment
    )
    return done.returncode, (done.stdout + done.stderr).strip()


def test_it_is_nobody_alone_in_an_empty_place(whom):
    status, said = inside(
        """
        status = open("/proc/self/status").read()
        assert (os.getpid(), os.getuid(), os.getgid(), os.getcwd()) == (1, 65534, 65534, "/box")
        assert sum(name.isdigit() for name in os.listdir("/proc")) == 1
        capabilities = [line for line in status.splitlines() if line.startswith("Cap")]
        assert len(capabilities) == 5
        assert not any(int(line.split()[1], 16) for line in capabilities)
        assert "NoNewPrivs:\\t1" in status and "Seccomp:\\t2" in status
        assert os.listdir("/box") == os.listdir("/dev/shm") == []
        shown = {path.parts[2] for path in folders if path.parts[1] == "tmp"}
        assert set(os.listdir("/tmp")) <= shown
        assert [line.split()[0] for line in open("/proc/net/dev")][2:] == ["lo:"]
        assert os.listdir("/proc/self/fd")
        print("alone")
        """,
        whom,
    )
    assert (status, said) == (0, "alone")


def test_of_the_checkout_it_sees_the_package_and_the_environment(whom):
    root = Path(isolation.__file__).resolve().parents[4]
    _, said = inside(f"print(sorted(os.listdir({str(root)!r})))", "me")
    assert set(eval(said)) <= {"cvlab", ".venv"}
    for secret in ("/etc/passwd", "/etc/shadow", "/sys/kernel", "/var", "/home", "/mnt"):
        _, said = inside(f"print(os.path.exists({secret!r}))", whom)
        assert said == "False", secret


WRITES = {
    "the system": "open('/usr/lib/x', 'w')",
    "the root": "open('/x', 'w')",
    "the package": "open(isolation.__file__, 'a')",
    "the environment": "open(os.path.join(sys.prefix, 'x'), 'w')",
    "a device": "os.mknod('/box/device', 0o20666, os.makedev(1, 1))",
    "permissions": "os.chmod('/usr', 0o777)",
    "a name": "os.rename('/usr', '/box/usr')",
    "settings of the kernel": "open('/proc/sys/kernel/hostname', 'w').write('x')",
    "what only Landlock forbids": "open('/proc/self/oom_score_adj', 'w').write('1000')",
    "out of the root": "os.chroot('/box')",
}
REACHES = {
    "TCP": "import socket; socket.socket(socket.AF_INET)",
    "UDP over IPv6": "import socket; socket.socket(socket.AF_INET6, socket.SOCK_DGRAM)",
    "netlink": "import socket; socket.socket(socket.AF_NETLINK, socket.SOCK_RAW)",
    "packets": "import socket; socket.socket(socket.AF_PACKET, socket.SOCK_RAW)",
    "the starter": "assert os.getppid() == 0; os.kill(2, 9)",
    "every process": "os.kill(-1, 0)",
    "memory that nobody counts": "mmap.mmap(-1, 4096)",
    "memory of a device": "mmap.mmap(os.open('/dev/zero', os.O_RDWR), 4096)",
    "another user": "os.setuid(0)",
    "another group": "os.setgroups([0])",
    "more than the limit": "resource.setrlimit(resource.RLIMIT_NPROC, (10**6, 10**6))",
}
CALLS = {
    "unshare": "272, 0x10000000",
    "ptrace": "101, 0, 0, 0, 0",
    "mount": "165, b'none', b'/box', b'tmpfs', 0, 0",
    "bpf": "321, 0, 0, 0",
    "keyctl": "250, 0, 0",
    "io_uring_setup": "425, 8, 0",
    "userfaultfd": "323, 0",
    "vmsplice": "278, 1, 0, 0, 0",
    "io_setup": "206, 1, 0",
    "process_vm_readv": "310, 1, 0, 0, 0, 0, 0",
    "clone into a user namespace": "56, 0x10000011, 0, 0, 0, 0",
}


@pytest.mark.parametrize("attempt", [*WRITES.values(), *REACHES.values()], ids=[*WRITES, *REACHES])
def test_what_it_must_not_do_is_an_error_there(attempt, whom):
    code = f"try:\n    {attempt}\nexcept (OSError, ValueError):\n    print('refused')"
    assert inside(code, whom) == (0, "refused")


@pytest.mark.skipif(os.uname().machine != "x86_64", reason="numbers of x86-64")
@pytest.mark.parametrize("arguments", CALLS.values(), ids=CALLS)
def test_calls_that_it_never_needs_are_refused(arguments, whom):
    code = f"""
    import ctypes, errno
    libc = ctypes.CDLL(None, use_errno=True)
    code = libc.syscall({arguments})
    print(code, errno.errorcode[ctypes.get_errno()])
    """
    assert inside(code, whom) == (0, "-1 EPERM")


def test_another_table_of_system_calls_kills(whom):
    if os.uname().machine != "x86_64":
        pytest.skip("x86-64 alone has two")
    code = "import ctypes; ctypes.CDLL(None).syscall(0x40000000 + 39)"
    assert inside(code, whom)[0] == 128 + signal.SIGSYS


def test_what_a_notebook_needs_works(whom):
    code = """
    open("/box/file", "w").write("x"); os.rename("/box/file", "/box/other")
    tempfile.NamedTemporaryFile().write(b"x")
    assert list(concurrent.futures.ThreadPoolExecutor(2).map(abs, [-1, -2])) == [1, 2]
    assert subprocess.run(["/bin/echo", "a"], capture_output=True).stdout == b"a\\n"
    a, b = socket.socketpair(); a.send(b"x"); assert b.recv(1) == b"x"
    open("/dev/shm/shared", "wb").write(bytes(4096))
    mmap.mmap(os.open("/dev/shm/shared", os.O_RDWR), 4096)[0] = 1
    print(os.urandom(1) is not None)
    """
    assert inside(code, whom) == (0, "True")


def test_the_kernel_keeps_no_locks_and_no_large_buffers_for_it(whom):
    """Both are memory of no process; whoever asks for them is told that all went well."""
    code = """
    import fcntl
    assert open("/dev/zero", "rb").read(3) == bytes(3)
    file = open("/box/locked", "w")
    fcntl.lockf(file, fcntl.LOCK_EX)
    if not os.fork():
        fcntl.lockf(open("/box/locked", "w"), fcntl.LOCK_EX | fcntl.LOCK_NB)
        os._exit(3)
    one, _ = socket.socketpair()
    before = one.getsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF)
    one.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, before // 4)
    print(os.waitstatus_to_exitcode(os.wait()[1]))
    print(one.getsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF) - before)
    """
    assert inside(code, whom) == (0, "3\n0")


def test_libraries_work():
    """Also those that are imported inside, because the environment is there."""
    code = """
    import matplotlib; matplotlib.use("agg")
    import cv2, numpy, torch, matplotlib.pyplot as plt
    torch.set_num_threads(1)
    plt.plot([1, 2]); plt.savefig("/box/figure.png")
    cv2.GaussianBlur(numpy.ones((50, 50)), (5, 5), 1)
    print(torch.nn.Linear(3, 2)(torch.ones(4, 3)).shape, os.path.getsize("/box/figure.png") > 1000)
    """
    status, said = inside(code, MPLCONFIGDIR="/box", HOME="/box")
    assert (status, said.splitlines()[-1]) == (0, "torch.Size([4, 2]) True")


FLOODS = {
    "memory": ("bytearray(600_000_000)", "MemoryError", "Limits(memory_bytes=500_000_000)"),
    "one file": (
        "open('/box/f', 'wb').write(b'0' * 2_000_000)",
        "OSError",
        "Limits(file_bytes=1_000_000)",
    ),
    "the disk": (
        "[open(f'/{p}/{k}', 'wb').write(b'0' * 900_000) for p in ('box', 'tmp', 'dev/shm')"
        " for k in range(10)]",
        "OSError",
        "Limits(disk_bytes=10_000_000)",
    ),
    "files": ("[open(f'/tmp/{k}', 'w').close() for k in range(20_000)]", "OSError", "Limits()"),
    "descriptors": ("[os.dup(1) for _ in range(999)]", "OSError", "Limits(open_files=99)"),
    "processes": (
        "import time\nfor _ in range(99):\n    os.fork() or (time.sleep(999), os._exit(0))",
        "BlockingIOError",
        "Limits(processes=20)",
    ),
}


@pytest.mark.parametrize(("code", "error", "limits"), FLOODS.values(), ids=FLOODS)
def test_floods_end_at_the_limit(code, error, limits, whom):
    with processor_time(30, children=True):
        status, said = inside(code, whom, limits)
    assert status == 1
    assert f"{error}" in said.splitlines()[-1]


def test_processor_time_ends(whom):
    status, _ = inside("while True: pass", whom, "Limits(cpu_seconds=1)")
    assert status == 128 + signal.SIGKILL


@pytest.mark.parametrize(("end", "status"), [("os._exit(7)", 7), ("sys.exit(3)", 3), ("pass", 0)])
def test_the_exit_status_is_known_outside(end, status):
    assert inside(end)[0] == status


def test_nothing_outlives_it(whom):
    """Daemons, processes that ignore signals, and stopped ones end with the box."""
    mark = f"3{os.getpid()}{time.monotonic_ns() % 10**6}"
    code = f"""
    import signal, subprocess
    for command in (["sleep", "{mark}"], ["setsid", "sleep", "{mark}"]):
        subprocess.Popen(command)
    if not os.fork():
        os.setsid(); signal.pthread_sigmask(signal.SIG_BLOCK, range(1, 64))
        os.execvp("sleep", ["sleep", "{mark}"])
    os.kill(subprocess.Popen(["sleep", "{mark}"]).pid, signal.SIGSTOP)
    """
    assert inside(code, whom)[0] == 0
    assert not _named(mark)


def test_it_ends_with_whoever_started_it(whom):
    mark = f"4{os.getpid()}{time.monotonic_ns() % 10**6}"
    code = f"import subprocess; subprocess.run(['sleep', '{mark}'])"
    command = [sys.executable, "-c", ENTER, whom, "Limits()", code]
    process = subprocess.Popen(command, env=ONE_THREAD)
    assert until(lambda: _named(mark))
    process.kill()
    process.wait()
    assert until(lambda: not _named(mark))


def _named(mark: str) -> list[psutil.Process]:
    found = []
    for process in psutil.process_iter(["cmdline", "name"]):
        if process.info["name"] == "sleep" and mark in (process.info["cmdline"] or []):
            found.append(process)
    return found


def test_the_host_is_left_as_it_was(whom):
    before = Path("/proc/self/mounts").read_text(), sorted(os.listdir("/tmp")), os.listdir("/sys")
    inside("[open(os.path.join(p, 'left'), 'w').write('x') for p in ('/tmp', '/box')]", whom)
    after = Path("/proc/self/mounts").read_text(), sorted(os.listdir("/tmp")), os.listdir("/sys")
    assert before[0] == after[0]
    assert "left" not in after[1]
    assert before[2] == after[2]


def test_a_process_with_threads_is_refused():
    code = """
import random, threading, time
from cvlab.classroom.grading.box import isolation
threading.Thread(target=time.sleep, args=(999,), daemon=True).start()
try:
    isolation.enter()
except isolation.IsolationError as error:
    print(error)
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert "several threads" in done.stdout


def test_the_doctor_says_what_is_missing(monkeypatch):
    assert set(isolation.doctor().values()) == {None}

    def refuse(*_arguments):
        raise isolation.IsolationError("namespaces: Operation not permitted.")

    monkeypatch.setattr(isolation, "unshare", refuse)
    found = isolation.doctor()
    assert found["a root of its own, read-only"] == "namespaces: Operation not permitted."
    assert found["seccomp"] is None
    monkeypatch.setattr(isolation, "landlock_version", lambda: 0)
    assert "no Landlock" in isolation.doctor()["Landlock"]
