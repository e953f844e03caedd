"""The walls of a box: what keeps a student's process away from the machine, the network and others.

`enter` is called in a child that has just been forked, best by `fork`, from a process with one
thread. It returns in the first process of a PID namespace, as nobody, without capabilities, with no
network, on a file system of its own: the system read-only, and a work folder in memory that
vanishes with it. When that process or its parent ends, the kernel ends every process that it has
started, daemons included.

Each layer stands for itself, so that a hole in one is no way out: namespaces, an empty root with
read-only mounts, resource limits, Landlock, seccomp. `doctor` tries each of them and says which
this machine has. Linux on x86-64 and 64-bit Arm; system calls by ctypes, because Python 3.11 wraps
few of those. Sources: the manual pages namespaces(7), pivot_root(2), mount_setattr(2),
landlock(7), seccomp(2) and their headers.
"""

from __future__ import annotations

import contextlib
import ctypes
import dataclasses
import errno
import functools
import os
import platform
import resource
import select
import signal
import socket
import struct
import sys
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TypeAlias

NOBODY = 65534
WORK = Path("/box")  # in the box

# Numbers of <linux/sched.h>, <linux/mount.h>, <sys/prctl.h>, <linux/landlock.h>, <linux/seccomp.h>
CLONE_NEWNS, CLONE_NEWCGROUP, CLONE_NEWUTS = 0x00020000, 0x02000000, 0x04000000
CLONE_NEWIPC, CLONE_NEWUSER, CLONE_NEWPID = 0x08000000, 0x10000000, 0x20000000
CLONE_NEWNET = 0x40000000
NAMESPACES = CLONE_NEWNS | CLONE_NEWUTS | CLONE_NEWIPC | CLONE_NEWPID | CLONE_NEWNET
MS_NOSUID, MS_NODEV, MS_NOEXEC, MS_BIND, MS_REC, MS_PRIVATE = 2, 4, 8, 4096, 16384, 1 << 18
MNT_DETACH = 2
AT_FDCWD, AT_RECURSIVE = -100, 0x8000
MOUNT_ATTR_RDONLY, MOUNT_ATTR_NOSUID, MOUNT_ATTR_NODEV = 1, 2, 4
PR_SET_PDEATHSIG, PR_SET_DUMPABLE, PR_CAPBSET_DROP, PR_SET_NO_NEW_PRIVS = 1, 4, 24, 38
PR_SET_SECCOMP, SECCOMP_MODE_FILTER = 22, 2

# The same numbers on all architectures since they were given to all at once.
MOUNT_SETATTR, LANDLOCK_CREATE, LANDLOCK_ADD, LANDLOCK_RESTRICT = 442, 444, 445, 446

# Numbers on x86-64 and on 64-bit Arm of what a learner's notebook never needs.
FORBIDDEN = {
    "ptrace": (101, 117),
    "process_vm_readv": (310, 270),
    "process_vm_writev": (311, 271),
    "pidfd_getfd": (438, 438),
    "kcmp": (312, 272),
    "mount": (165, 40),
    "umount2": (166, 39),
    "pivot_root": (155, 41),
    "chroot": (161, 51),
    "move_mount": (429, 429),
    "open_tree": (428, 428),
    "fsopen": (430, 430),
    "fsconfig": (431, 431),
    "fsmount": (432, 432),
    "fspick": (433, 433),
    "mount_setattr": (442, 442),
    "unshare": (272, 97),
    "setns": (308, 268),
    "keyctl": (250, 219),
    "add_key": (248, 217),
    "request_key": (249, 218),
    "bpf": (321, 280),
    "perf_event_open": (298, 241),
    "userfaultfd": (323, 282),
    "io_uring_setup": (425, 425),
    "io_uring_enter": (426, 426),
    "io_uring_register": (427, 427),
    "open_by_handle_at": (304, 265),
    "name_to_handle_at": (303, 264),
    "init_module": (175, 105),
    "finit_module": (313, 273),
    "delete_module": (176, 106),
    "kexec_load": (246, 104),
    "kexec_file_load": (320, 294),
    "reboot": (169, 142),
    "swapon": (167, 224),
    "swapoff": (168, 225),
    "acct": (163, 89),
    "quotactl": (179, 60),
    "settimeofday": (164, 170),
    "clock_settime": (227, 112),
    "sethostname": (170, 161),
    "setdomainname": (171, 162),
    "syslog": (103, 116),
    "vhangup": (153, 58),
    "personality": (135, 92),
    "fanotify_init": (300, 262),
    "lookup_dcookie": (212, 18),
    # Memory of no process, which nobody who watches processes would see.
    "memfd_create": (319, 279),
    "memfd_secret": (447, 447),
    "shmget": (29, 194),
    "semget": (64, 190),
    "msgget": (68, 186),
    "move_pages": (279, 239),
    "migrate_pages": (256, 238),
    "vmsplice": (278, 75),
    "io_setup": (206, 0),
}
SOCKET, SOCKETPAIR, CLONE, CLONE3 = (41, 198), (53, 199), (56, 220), (435, 435)
PRCTL, MMAP, FCNTL, SETSOCKOPT = (157, 167), (9, 222), (72, 25), (54, 208)
MAP_SHARED, MAP_ANONYMOUS, SO_SNDBUF = 1, 32, 7
LOCKS = 6, 7, 37, 38  # F_SETLK, F_SETLKW, F_OFD_SETLK, F_OFD_SETLKW
ARCHITECTURES = {"x86_64": (0, 0xC000003E), "aarch64": (1, 0xC00000B7)}  # column, AUDIT_ARCH


class IsolationError(RuntimeError):
    """A wall that could not be built; the message names it and says why."""


@dataclasses.dataclass(frozen=True)
class Limits:
    """What a box may use.

    Each value holds for one process; the number of processes bounds their sum, and whoever watches
    the box from outside bounds the time and the memory of all together.
    """

    cpu_seconds: int = 60
    memory_bytes: int = 3_000_000_000  # of data; shared libraries do not count
    processes: int = 64
    open_files: int = 256
    file_bytes: int = 100_000_000
    disk_bytes: int = 200_000_000  # of the work folder and /tmp, together with /dev/shm


libc = ctypes.CDLL(None, use_errno=True)
# In a process from `fork` that is the first of its PID namespace: readable if its parent has ended.
_guardian: int | None = None


def call_kernel(what: str, result: int) -> int:
    """Return the result of a call to the C library, or raise what it says.

    Raises:
        IsolationError: if the call failed.
    """
    if result < 0:
        raise IsolationError(f"{what}: {os.strerror(ctypes.get_errno())}.")
    return result


def _system(what: str, number: int, *arguments: object) -> int:
    return call_kernel(what, libc.syscall(ctypes.c_long(number), *arguments))


def mount(source: str, target: Path, kind: str | None, flags: int, options: str = "") -> None:
    """Put a file system, or a folder that is bound, at a place."""
    code = libc.mount(
        source.encode(),
        os.fsencode(target),
        kind.encode() if kind else None,
        ctypes.c_ulong(flags),
        options.encode() or None,
    )
    call_kernel(f"mounting {target}", code)


@functools.cache  # asked for each box, and a millisecond of the twenty that one takes
def system_folders() -> tuple[Path, ...]:
    """Return what Python and its libraries need of the file system, and nothing that is private.

    Of a checkout these are the environment and the package, not the notebooks.
    """
    package = Path(__file__).resolve().parents[3]
    wanted = [Path(f"/{name}") for name in ("usr", "bin", "sbin", "lib", "lib32", "lib64")]
    wanted += [Path("/etc/ld.so.cache"), Path("/etc/fonts"), Path("/etc/localtime")]
    wanted += [Path(sys.base_prefix), Path(sys.prefix), package]
    there = [path for path in dict.fromkeys(wanted) if path.exists()]
    return tuple(path for path in there if not any(one in path.parents for one in there))


def enter(
    limits: Limits | None = None, folders: Sequence[Path] | None = None, user: int = NOBODY
) -> None:
    """Become a box; returns in the first process of the box only.

    In a process from `fork`, where the caller is root, that is the calling process. Otherwise it is
    a child, for which the calling process waits, and ends with its exit status (128 and the
    signal's number if a signal ended it). File descriptors stay open: close what the box must not
    have before.

    Args:
        limits: what the box may use.
        folders: what it sees of the file system, read-only; `system_folders` by default.
        user: whom it runs as where the caller is root; otherwise it is the caller, who is nobody
            inside. The limit of processes is shared by boxes of the same user.

    Raises:
        IsolationError: if one of the walls cannot be built; the box must not be used then.
    """
    limits = limits or Limits()
    if len(os.listdir("/proc/self/task")) != 1:
        raise IsolationError("namespaces: the process has several threads, and must have one.")
    root = os.geteuid() == 0
    if _guardian is not None:
        alive = _guardian
        call_kernel("namespaces", libc.unshare((NAMESPACES | CLONE_NEWCGROUP) & ~CLONE_NEWPID))
    else:
        alive = _enter_by_a_fork(root)
    _build_root(folders or system_folders(), limits)
    os.chdir(WORK)
    _limit(limits)
    _drop_privileges(user if root else None)
    libc.prctl(PR_SET_PDEATHSIG, signal.SIGKILL)  # a change of user would have cleared it
    if select.select([alive], [], [], 0)[0]:
        os._exit(1)  # whoever waits for the box has ended before the line above
    os.close(alive)
    landlock([WORK, Path("/tmp"), Path("/dev")])
    seccomp()


def _enter_by_a_fork(root: bool) -> int:
    """Go on in the first process of a PID namespace; return what is readable if this one ends."""
    caller = os.getppid()
    libc.prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != caller:
        os._exit(1)  # it ended before the line above
    unshare(root)
    alive, outside = os.pipe()
    box = os.fork()  # who unshares a PID namespace is not in it, but its children are
    if box:
        os.close(alive)
        os._exit(_outcome(box))
    os.close(outside)
    return alive


def fork() -> int:
    """Fork a process that is to become a box; return its number, and 0 in it.

    Where the caller is root the new process is already the first of its PID namespace, and `enter`
    spares the second fork, which for a large process is most of the time that a box takes.
    """
    global _guardian
    if not _is_root():
        return os.fork()
    own = os.open("/proc/self/ns/pid", os.O_RDONLY | os.O_CLOEXEC)
    me = os.pidfd_open(os.getpid())
    try:
        call_kernel("namespaces", libc.unshare(CLONE_NEWPID))
        try:
            pid = os.fork()
            if pid == 0:
                _guardian, me = me, -1
        finally:
            if me >= 0:  # the next one gets another namespace
                call_kernel("namespaces", libc.setns(own, CLONE_NEWPID))
        return pid
    finally:
        os.close(own)
        if me >= 0:
            os.close(me)


def stay(limits: Limits | None = None) -> None:
    """Become a box without walls: limits, and a process group of its own in an empty folder.

    For notebooks that somebody trusts, on machines that cannot build walls.
    """
    caller = os.getppid()
    os.setsid()
    libc.prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != caller:
        os._exit(1)
    folder = tempfile.mkdtemp(prefix="cvlab-box-")
    os.chdir(folder)
    os.environ["HOME"] = folder
    _limit(dataclasses.replace(limits or Limits(), processes=4096))  # shared with the user's own


def _outcome(box: int) -> int:
    _, status = os.waitpid(box, 0)
    code = os.waitstatus_to_exitcode(status)
    return code if code >= 0 else 128 - code


def unshare(root: bool) -> None:
    """Leave the namespaces of the host."""
    if root:  # needs no user namespace to build walls, and becomes somebody else afterwards
        call_kernel("namespaces", libc.unshare(NAMESPACES | CLONE_NEWCGROUP))
        return
    uid, gid = os.geteuid(), os.getegid()
    call_kernel("namespaces", libc.unshare(CLONE_NEWUSER | NAMESPACES | CLONE_NEWCGROUP))
    try:
        Path("/proc/self/setgroups").write_text("deny")
        Path("/proc/self/uid_map").write_text(f"{NOBODY} {uid} 1\n")
        Path("/proc/self/gid_map").write_text(f"{NOBODY} {gid} 1\n")
    except OSError as error:
        raise IsolationError(f"user namespace: {error.strerror}.") from error


def _build_root(folders: Sequence[Path], limits: Limits) -> None:
    """Make an empty root in memory, put the folders into it read-only, and forget the old one."""
    mount("none", Path("/"), None, MS_REC | MS_PRIVATE)
    # A folder that every machine has and no box needs: nothing is left of it on the host.
    new = Path("/sys")
    mount("tmpfs", new, "tmpfs", MS_NOSUID | MS_NODEV, "size=1m,mode=755")
    # One file system for all that can be written, so that one limit holds for it.
    scratch = new / "scratch"
    scratch.mkdir()
    size = f"size={limits.disk_bytes},nr_inodes=10000,mode=755"
    mount("tmpfs", scratch, "tmpfs", MS_NOSUID | MS_NODEV, size)
    for place in ("box", "tmp", "dev/shm"):
        part = scratch / Path(place).name
        part.mkdir()
        part.chmod(0o1777)
        (new / place).mkdir(parents=True, exist_ok=True)
        mount(str(part), new / place, None, MS_BIND)
    # A checkout may lie in /tmp, so this comes after it.
    for path in folders:
        _bind(path, new)
    for name in ("null", "full", "random", "urandom"):
        _bind(Path("/dev") / name, new, device=True)
    # Whoever maps the real one has memory that nobody counts; full reads as zeros, too.
    _bind(Path("/dev/full"), new, device=True, name="/dev/zero")
    (new / "proc").mkdir(exist_ok=True)
    mount("proc", new / "proc", "proc", MS_NOSUID | MS_NODEV | MS_NOEXEC)
    (new / "old").mkdir()
    _system("pivot_root", _number("pivot_root"), os.fsencode(new), os.fsencode(new / "old"))
    os.chdir("/")
    for place in ("old", "scratch"):
        call_kernel(f"leaving {place}", libc.umount2(f"/{place}".encode(), MNT_DETACH))
        os.rmdir(f"/{place}")
    _read_only(Path("/"), recursive=False)


def _bind(path: Path, new: Path, *, device: bool = False, name: str = "") -> None:
    """Show a file or folder of the host in the new root, by the same name or another."""
    target = new / Path(name or path).relative_to("/")
    target.parent.mkdir(parents=True, exist_ok=True)
    if path.is_symlink():  # /bin, /lib and the like are links into /usr on most systems
        target.symlink_to(os.readlink(path))
        return
    if path.is_dir():
        target.mkdir(exist_ok=True)
    elif not target.exists():
        target.touch()
    mount(str(path), target, None, MS_BIND | MS_REC)
    if not device:
        _read_only(target, recursive=True)


def _read_only(path: Path, *, recursive: bool) -> None:
    attributes = MOUNT_ATTR_RDONLY | MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV
    wanted = ctypes.create_string_buffer(struct.pack("4Q", attributes, 0, 0, 0), 32)
    flags = AT_RECURSIVE if recursive else 0
    _system(f"making {path} read-only", MOUNT_SETATTR, AT_FDCWD, bytes(path), flags, wanted, 32)


def _limit(limits: Limits) -> None:
    for number, value in (
        (resource.RLIMIT_CPU, limits.cpu_seconds),
        (resource.RLIMIT_DATA, limits.memory_bytes),
        (resource.RLIMIT_NPROC, limits.processes),
        (resource.RLIMIT_NOFILE, limits.open_files),
        (resource.RLIMIT_FSIZE, limits.file_bytes),
        (resource.RLIMIT_CORE, 0),
        (resource.RLIMIT_MEMLOCK, 0),
        (resource.RLIMIT_MSGQUEUE, 0),
    ):
        _, hard = resource.getrlimit(number)
        value = value if hard == resource.RLIM_INFINITY else min(value, hard)
        resource.setrlimit(number, (value, value))


def _drop_privileges(user: int | None) -> None:
    """Be somebody without any capability and without a way to get one."""
    for capability in range(64):
        libc.prctl(PR_CAPBSET_DROP, capability, 0, 0, 0)  # fails past the last one
    if user is not None:
        os.setgroups([])
        os.setresgid(user, user, user)
        os.setresuid(user, user, user)
    # A change of user or of its name space takes /proc/self away from the box, and its memory from
    # whoever measures that; there is nobody here from whom to hide it.
    libc.prctl(PR_SET_DUMPABLE, 1, 0, 0, 0)
    header = ctypes.create_string_buffer(struct.pack("Ii", 0x20080522, 0), 8)
    none = ctypes.create_string_buffer(24)
    call_kernel("dropping capabilities", libc.capset(header, none))
    call_kernel("no new privileges", libc.prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0))


def landlock_version() -> int:
    """Return the version of Landlock that the kernel offers; 0 if it has none."""
    found = libc.syscall(ctypes.c_long(LANDLOCK_CREATE), None, ctypes.c_size_t(0), 1)
    return max(0, found)


def landlock(writable: list[Path]) -> None:
    """Allow this process and its children to write in some folders only, and to reach nobody.

    Reading is not restricted: the box sees nothing that must not be read.

    Raises:
        IsolationError: if the kernel refuses.
    """
    version = landlock_version()
    if not version:
        return  # `doctor` has said so; the mounts say the same
    # Bits 1 and 4 to 12: writing, removing, making; 13 refer, 14 truncate, 15 ioctl on devices.
    files = 0b1_1111_1111_0010
    for since, bit in ((2, 13), (3, 14), (5, 15)):
        files |= (1 << bit) if version >= since else 0
    network = 0b11 if version >= 4 else 0  # bind and connect of TCP
    scope = 0b11 if version >= 6 else 0  # abstract sockets and signals of others
    rules = struct.pack("QQQ", files, network, scope)[
        : 8 if version < 4 else 16 if version < 6 else 24
    ]
    buffer = ctypes.create_string_buffer(rules, len(rules))
    ruleset = _system("Landlock", LANDLOCK_CREATE, buffer, ctypes.c_size_t(len(rules)), 0)
    try:
        for folder in writable:
            fd = os.open(folder, os.O_PATH | os.O_CLOEXEC)
            rule = ctypes.create_string_buffer(struct.pack("=Qi", files, fd), 12)
            _system("Landlock", LANDLOCK_ADD, ruleset, 1, rule, 0)
            os.close(fd)
        _system("Landlock", LANDLOCK_RESTRICT, ruleset, 0)
    finally:
        os.close(ruleset)


def _number(name: str) -> int:
    return FORBIDDEN[name][_architecture()[0]]


def _architecture() -> tuple[int, int]:
    try:
        return ARCHITECTURES[platform.machine()]
    except KeyError:
        raise IsolationError(
            f"seccomp: this machine's architecture, {platform.machine()}, is not known."
        ) from None


def seccomp() -> None:
    """Refuse system calls that a notebook never needs: a fault in one of them would be a way out.

    Raises:
        IsolationError: if the kernel refuses the filter.
    """
    program = _filter()
    code = ctypes.create_string_buffer(program, len(program))
    wanted = struct.pack("HxxxxxxP", len(program) // 8, ctypes.addressof(code))
    argument = ctypes.create_string_buffer(wanted, len(wanted))
    done = libc.prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, argument, 0, 0)
    call_kernel("seccomp", done)


# The kernel's classic packet filter machine: its instructions, and what a filter answers.
_LOAD, _EQUAL, _GREATER, _BITS, _END = 0x20, 0x15, 0x35, 0x45, 0x06
_ALLOW, _KILL = 0x7FFF0000, 0x80000000
_REFUSE = 0x00050000  # and the number of the error; without one the call seems to have worked
_Lines: TypeAlias = list[tuple[int, int, int, int]]


def _filter() -> bytes:
    """Return the program of the filter."""
    column, architecture = _architecture()
    lines: _Lines = [
        (_LOAD, 0, 0, 4),  # the architecture: on x86-64 there are two other tables of calls
        (_EQUAL, 1, 0, architecture),
        (_END, 0, 0, _KILL),
        (_LOAD, 0, 0, 0),  # the number of the call
    ]
    if column == 0:
        lines += [(_GREATER, 0, 1, 0x40000000), (_END, 0, 0, _KILL)]  # the x32 table
    for numbers in FORBIDDEN.values():
        lines += [(_EQUAL, 0, 1, numbers[column]), (_END, 0, 0, _REFUSE | errno.EPERM)]
    # Its flags are in memory, where a filter cannot look; the C library then uses clone.
    lines += [(_EQUAL, 0, 1, CLONE3[column]), (_END, 0, 0, _REFUSE | errno.ENOSYS)]
    spaces = NAMESPACES | CLONE_NEWUSER | CLONE_NEWCGROUP
    lines += _with_bits(CLONE[column], 0, [spaces], _REFUSE | errno.EPERM)
    # A box that does not end with whoever waits for it would outlive the judge. Answered as if it
    # had been done: whoever asks for it in a notebook wants to end with somebody, and will.
    lines += _with_value(PRCTL[column], 0, [PR_SET_PDEATHSIG], _REFUSE)
    for call in (SOCKET, SOCKETPAIR):
        family = [socket.AF_UNIX]
        lines += _with_value(call[column], 0, family, _ALLOW, _REFUSE | errno.EAFNOSUPPORT)
    # Shared pages stay when a process has forgotten them, and locks and full sockets are memory of
    # the kernel: nobody who watches processes would see it. Locks look as if they were had.
    shared = [MAP_ANONYMOUS, MAP_SHARED]
    lines += _with_bits(MMAP[column], 3, shared, _REFUSE | errno.ENOMEM)
    lines += _with_value(FCNTL[column], 1, LOCKS, _REFUSE)
    lines += _with_value(SETSOCKOPT[column], 2, [SO_SNDBUF], _REFUSE)
    lines.append((_END, 0, 0, _ALLOW))
    return b"".join(struct.pack("HBBI", *line) for line in lines)


def _with_value(
    call: int, argument: int, values: Sequence[int], verdict: int, otherwise: int = _ALLOW
) -> _Lines:
    """Return what gives a verdict on a call by whether an argument has one of some values."""
    count = len(values)
    tests = [(_EQUAL, count - n, 0, value) for n, value in enumerate(values)]
    ends = [(_END, 0, 0, otherwise), (_END, 0, 0, verdict)]
    return [(_EQUAL, 0, count + 3, call), (_LOAD, 0, 0, 16 + 8 * argument), *tests, *ends]


def _with_bits(call: int, argument: int, masks: Sequence[int], verdict: int) -> _Lines:
    """Return what gives a verdict on a call if an argument has a bit of each of some masks."""
    count = len(masks)
    tests = [(_BITS, 0, count - n, mask) for n, mask in enumerate(masks)]
    ends = [(_END, 0, 0, verdict), (_END, 0, 0, _ALLOW)]
    return [(_EQUAL, 0, count + 3, call), (_LOAD, 0, 0, 16 + 8 * argument), *tests, *ends]


def doctor() -> dict[str, str | None]:
    """Try every wall in a child of its own.

    Returns:
        For each wall None if it stands, otherwise a sentence that says why it does not.
    """
    return {
        "own user, PID, network, IPC and mount namespaces": tried(lambda: unshare(_is_root())),
        "a root of its own, read-only": tried(enter),
        "Landlock": None if landlock_version() else "the kernel has no Landlock.",
        "seccomp": tried(lambda: (libc.prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0), seccomp())),
    }


def _is_root() -> bool:
    return os.geteuid() == 0


def tried(wall: Callable[[], object]) -> str | None:
    """Build a wall in a child; return why that failed."""
    if sys.platform != "linux":
        return "only Linux has it."
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            wall()
        except Exception as error:
            with contextlib.suppress(OSError):
                os.write(writing, str(error).encode()[:500])
        finally:
            os._exit(0)
    os.close(writing)
    with open(reading, "rb") as pipe:
        said = pipe.read().decode(errors="replace")
    os.waitpid(child, 0)
    return said or None
