"""Notebooks that students might hand in, honest and hostile, and what each of them is worth.

The exercise is that of `small_exercise`: row-means (3 and 1 points), halves (1 and 1) and softmax
(2 and 2). Run as a script, ``python tests/hostile_corpus.py PLACES``, it grades them all and prints
their records, for a user other than the one who runs the tests.

A cell of attempts fails if one of them goes through, so that the fate of the cell is the verdict on
the walls.
"""

from __future__ import annotations

import dataclasses
import json
import sys
import textwrap
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import small_exercise as small

from cvlab.classroom.grading.box.isolation import Limits
from cvlab.classroom.grading.box.replay import Policy
from cvlab.classroom.grading.box.zygote import Zygote, clean_environment
from cvlab.classroom.grading.intake import tasks
from cvlab.classroom.grading.report import records
from cvlab.classroom.grading.verdict import judge
from cvlab.classroom.grading.verdict.outcomes import Graded

SEED = 20_260_401
SECONDS = 1.5  # of a probe, so that those that never end do not take long
POLICY = Policy(
    cell_seconds=1.5,
    total_seconds=12.0,
    memory_bytes=1_000_000_000,
    box=Limits(processes=24, disk_bytes=50_000_000, file_bytes=20_000_000),
)
TASKS = tuple(small.TASKS)
POINTS = tuple(float(small.POINTS[task]) for task in TASKS)
MEANS, HALVES, SOFTMAX = (small.RIGHT[task] for task in TASKS)


@dataclass(frozen=True)
class Places:
    """What notebooks attack, the same for whoever grades.

    Attributes:
        token: in the name of each file and process that is made.
        folders: on the host, each with a file `sentinel`.
        socket: the path of a listening socket.
        abstract: the name of another one, without its zero.
        port: of a listener of TCP on this machine.
        repository: of the course.
    """

    token: str
    folders: tuple[str, ...]
    socket: str
    abstract: str
    port: int
    repository: str


@dataclass(frozen=True)
class Case:
    """A notebook, and what must become of it.

    Attributes:
        make: returns its bytes.
        marks: verdict and points of each task that is not right.
        fates: of cells by their identifier, where it is not "passed".
        says: must be on the student's page.
        silent: must not be on the student's page.
    """

    make: Callable[[Places], bytes]
    marks: dict[str, tuple[str, float]] = field(default_factory=dict)
    fates: dict[str, str] = field(default_factory=dict)
    says: tuple[str, ...] = ()
    silent: tuple[str, ...] = ()


CASES: dict[str, Case] = {}


def case(name: str, make: Callable[[Places], bytes] | bytes, **more: Any) -> None:
    """Add a case; `more` are fields of it, and marks by the task's name in Python's spelling."""
    named = {task.replace("-", "_"): task for task in TASKS}
    marks = {named[key]: more.pop(key) for key in list(more) if key in named}
    assert name not in CASES, name
    made = make if callable(make) else lambda _places: make
    CASES[name] = Case(made, marks=marks, **more)


def notebook(*before: str, after: tuple[str, ...] = (), **answers: str) -> bytes:
    """Return a notebook with more cells: before the first task, and at its end."""
    made = small.student(**{task: _clean(source) for task, source in answers.items()})
    more = [small.cell(_clean(source), f"before-{n}") for n, source in enumerate(before)]
    made["cells"][1:1] = more
    made["cells"] += [small.cell(_clean(source), f"after-{n}") for n, source in enumerate(after)]
    return small.data(made)


def _clean(source: str) -> str:
    return textwrap.dedent(source).strip("\n")


def attempts(*sources: str) -> str:
    """Return a cell that fails if one of these pieces of code goes through."""
    return (
        "went_through = []\n"
        f"for attempt in {list(map(_clean, sources))!r}:\n"
        "    try:\n"
        "        exec(attempt, dict(globals()))\n"
        "    except Exception:\n"
        "        continue\n"
        "    went_through.append(attempt)\n"
        "assert not went_through, went_through\n"
    )


WRONG = ("wrong", 0.0)
ERROR = ("error", 0.0)
CRASH = ("crash", 0.0)
TIMEOUT = ("timeout", 0.0)

# ------------------------------------------------------------------------------------ honest ones

case("right", notebook())
case(
    "names used again for something else after the check",
    notebook(
        row_means="""
        axis = 1
        def total(x):
            return x.sum(axis=axis)
        def row_means(x):
            if x.ndim != 2:
                raise ValueError
            return total(x) / x.shape[axis]
        """,
        softmax="""
        def total(x):
            return x.sum(dim=-1, keepdim=True)
        def softmax(x):
            powers = torch.exp(x - x.max(dim=-1, keepdim=True).values)
            return powers / total(powers)
        """,
        after=("for axis in (0, -1):\n    print(torch.ones(2, 3).sum(axis))", "powers = 3"),
    ),
)
case(
    "a loop kept from the rule by another helper after the check",
    notebook(
        row_means="""
        def helper(x):
            return np.array([sum(row) / len(row) for row in x])
        def row_means(x):
            if x.ndim != 2:
                raise ValueError
            return helper(x)
        """,
        after=("def helper(x):\n    return x.mean(axis=1)",),
    ),
    row_means=("wrong", 0.0),
)
case(
    "wrong",
    notebook(row_means="def row_means(x):\n    return x.mean(axis=0)"),
    row_means=WRONG,
    says=("Average over the columns", "The check in the notebook says"),
)
case(
    "partial",
    notebook(
        row_means="def row_means(x):\n    return x.mean(axis=-1)",
        softmax="def softmax(x):\n    e = torch.exp(x)\n    return e / e.sum(-1, keepdim=True)",
    ),
    row_means=("partial", 3.0),
    softmax=("partial", 2.0),
    says=("Refuse what has other than two axes", "contains nan", "Subtract the largest first"),
)
case(
    "nothing written",
    small.data(small.notebook(small.cells(small.STUB, hidden=False))),
    row_means=("missing", 0.0),
    halves=("missing", 0.0),
    softmax=("missing", 0.0),
)
case(
    "the task's cell is deleted",
    lambda _places: small.data(_without("halves")),
    halves=("missing", 0.0),
)
case(
    "syntax error",
    notebook(
        row_means="def row_means(x:\n    return x.mean(axis=1)", halves="def halves(n, rng) 1"
    ),
    row_means=ERROR,
    halves=ERROR,
    fates={"row-means": "error", "halves": "error"},
    says=("Cell 3, line 1: SyntaxError",),
)
case(
    "an experiment that fails, in the task's cell",
    notebook(row_means=f"{MEANS}\n\nrow_means(np.zeros(3))"),
    fates={"row-means": "error"},
)
case(
    "an experiment with a loop and the parameter's name",
    notebook(after=("for x in [np.ones((2, 2))]:\n    print(row_means(x))",)),
)
case(
    "a loop where there must be none, in a helper under an if",
    notebook(
        "if True:\n    def helper(x):\n        return np.array([row.mean() for row in x])",
        row_means="""
        def row_means(x):
            if x.ndim != 2:
                raise ValueError
            return helper(x)
        """,
    ),
    row_means=WRONG,
    says=("The code does what the task forbids: it loops",),
)
case(
    "code nested as deeply as no reader can follow",
    notebook(
        row_means=f"{MEANS} + 0 * ({'+'.join(['1'] * 3000)})",
    ),
    row_means=ERROR,
    fates={"row-means": "error or passed"},
)
case(
    "code with thousands of definitions that need each other",
    notebook(
        *(
            "\n".join(f"a{i} = lambda: a{i + 1}" for i in range(part, part + 500))
            for part in range(1500, -1, -500)
        ),
        "a2000 = lambda: a0",
        row_means=MEANS.replace("return", "a0\n    return"),
    ),
)


def _without(name: str) -> dict[str, Any]:
    made = small.student()
    made["cells"] = [cell for cell in made["cells"] if cell["id"] != name]
    return made


# ----------------------------------------------------------------------- endless, and sudden ends

case(
    "endless loop in a task's cell",
    notebook(halves=f"{HALVES}\nwhile True:\n    pass"),
    halves=TIMEOUT,
    fates={"halves": "timeout"},
)
case(
    "endless loop in a probe, signals ignored",
    notebook(
        "import signal\nfor n in set(signal.valid_signals()) - {9, 19}:\n"
        "    signal.signal(n, signal.SIG_IGN)",
        softmax="""
        def softmax(x):
            while True:
                try:
                    while True:
                        pass
                except BaseException:
                    pass
        """,
    ),
    softmax=TIMEOUT,
)
case(
    "endless loops in each task",
    notebook(**{name: "while True:\n    pass" for name in ("row_means", "halves", "softmax")}),
    row_means=TIMEOUT,
    halves=TIMEOUT,
    softmax=TIMEOUT,
    fates=dict.fromkeys(("row-means", "halves", "softmax"), "timeout"),
)
case(
    "a cell that sleeps 1000 seconds",
    notebook("import time\ntime.sleep(1000)"),
    fates={"before-0": "timeout"},
)
case(
    "sys.exit after the answer",
    notebook(row_means=f"{MEANS}\nimport sys\nsys.exit(0)"),
    fates={"row-means": "error"},
)
case(
    "sys.exit in the function",
    notebook(softmax="import sys\ndef softmax(x):\n    sys.exit(0)"),
    softmax=ERROR,
    says=("it stops with SystemExit in line 3",),
)
case(
    "os._exit in a cell",
    notebook(row_means=f"{MEANS}\nimport os\nos._exit(0)"),
    row_means=CRASH,
    fates={"row-means": "crash"},
)
case(
    "os._exit in the function",
    notebook(halves="import os\ndef halves(n, rng):\n    os._exit(0)"),
    halves=CRASH,
)
case(
    "segmentation fault in a cell",
    notebook("import ctypes\nctypes.string_at(0)"),
    fates={"before-0": "crash"},
)
case(
    "segmentation fault in the function",
    notebook(row_means="import ctypes\ndef row_means(x):\n    return ctypes.string_at(0)"),
    row_means=CRASH,
)
case(
    "abort in each task",
    notebook(
        "import os",
        row_means="def row_means(x):\n    os.abort()",
        halves="def halves(n, rng):\n    os.abort()",
        softmax="def softmax(x):\n    os.abort()",
    ),
    row_means=CRASH,
    halves=CRASH,
    softmax=CRASH,
)
case(
    "cells that crash one after another",
    notebook(*["import os\nos._exit(1)"] * 14),
    row_means=CRASH,
    halves=CRASH,
    softmax=CRASH,
    fates={f"before-{n}": "crash" for n in range(12)}
    | {f"before-{n}": "not run" for n in (12, 13)}
    | dict.fromkeys(("row-means", "halves", "softmax"), "not run"),
    says=("The notebook crashed 12 times",),
)
case(
    "a few cells that crash cost nothing else",
    notebook(*["import os\nos._exit(1)"] * 5),
    fates={f"before-{n}": "crash" for n in range(5)},
)
case(
    "all descriptors closed in the function",
    notebook(softmax="import os\ndef softmax(x):\n    os.closerange(0, 256)\n    return x"),
    softmax=CRASH,
)

# ---------------------------------------------------------------------------------------- floods

case(
    "flood of memory",
    notebook(softmax="def softmax(x):\n    return bytearray(10**11)"),
    softmax=ERROR,
    says=("MemoryError",),
)
case(
    "flood of memory in processes that share none of it",
    notebook(
        halves="""
        import os, time
        def halves(n, rng):
            for _ in range(4):
                if os.fork() == 0:
                    kept = np.ones(60_000_000)
                    time.sleep(99)
            time.sleep(99)
        """,
    ),
    halves=("crash or timeout", 0.0),
)
case(
    "flood of shared memory, which counts for no limit of data",
    notebook(
        softmax="""
        import mmap
        kept = []
        def softmax(x):
            while True:
                part = mmap.mmap(-1, 64_000_000)
                np.frombuffer(part, np.uint8)[::4096] = 1
                kept.append(part)
        """,
    ),
    softmax=ERROR,
)
case(
    "memory of no process",
    notebook(
        "import ctypes, mmap, os\nlibc = ctypes.CDLL(None)",
        attempts(
            "os.memfd_create('x')",
            "assert libc.shmget(0, 4096, 0o1600) >= 0",
            "mmap.mmap(-1, 4096)",  # stays when the process forgets its pages
            "mmap.mmap(os.open('/dev/zero', os.O_RDWR), 4096)",
            "assert libc.vmsplice(os.pipe()[1], 0, 0, 0) == 0",
            "assert libc.syscall(206, 99, ctypes.byref(ctypes.c_long())) == 0",
        ),
    ),
)
case(
    "flood of memory in sockets",
    notebook(
        """
        import os, socket, time
        def fill():
            kept = []
            while True:
                try:
                    for one in socket.socketpair():
                        kept.append(one)
                        one.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 10**7)
                        one.setblocking(False)
                        while True:
                            one.send(bytes(50_000))
                except BlockingIOError:
                    continue
                except OSError:
                    time.sleep(99)
        for _ in range(20):
            os.fork() or fill()
        time.sleep(99)
        """
    ),
    fates={"before-0": "crash"},
)
case(
    "flood of the disk",
    notebook(
        """
        written = 0
        for folder in ("/box", "/tmp", "/dev/shm"):
            try:
                for number in range(99):
                    with open(f"{folder}/{number}", "wb") as file:
                        written += file.write(bytes(10_000_000))
            except OSError:
                pass
        assert written <= 50_000_000, written
        """
    ),
)
case(
    "flood of files",
    notebook(
        """
        try:
            for number in range(20_000):
                open(f"/tmp/{number}", "w").close()
        except OSError:
            pass
        else:
            assert False, "as many as it likes"
        """
    ),
)
case(
    "flood of processes",
    notebook(
        """
        import os, time
        while True:
            if os.fork() == 0:
                time.sleep(99)
        """
    ),
    fates={"before-0": "error or timeout"},
)
case(
    "flood of processes that make more",
    notebook(softmax="import os\ndef softmax(x):\n    while True:\n        os.fork()"),
    softmax=("error or timeout or crash", 0.0),
)
case(
    "flood of threads",
    notebook(
        """
        import threading, time
        while True:
            threading.Thread(target=time.sleep, args=(99,), daemon=True).start()
        """
    ),
    fates={"before-0": "error"},
)
case(
    "flood of output",
    notebook(
        """
        import os, sys
        for _ in range(300):
            print("x" * 100_000)
            print("y" * 100_000, file=sys.stderr)
            os.write(1, b"z" * 100_000)
            os.write(2, b"z" * 100_000)
        """
    ),
)
case(
    "flood of output without an end",
    notebook(halves=f"{HALVES}\nwhile True:\n    print('x' * 100_000)"),
    halves=("timeout or crash", 0.0),
    fates={"halves": "timeout or crash"},
)
case(
    "a result of a billion numbers",
    notebook(softmax="def softmax(x):\n    return torch.zeros(1).expand(10**9)"),
    softmax=WRONG,
)
case(
    "a result of a million lists, too deep, or with itself in it",
    notebook(
        row_means="def row_means(x):\n    return [[] for _ in range(10**6)]",
        halves="""
        def halves(n, rng):
            a = []
            for _ in range(5000):
                a = [a]
            return a, a
        """,
        softmax="def softmax(x):\n    a = []\n    a.append(a)\n    return a",
    ),
    row_means=WRONG,
    halves=WRONG,
    softmax=WRONG,
)
case(
    "keys of one hash",
    notebook(softmax="def softmax(x):\n    return {k * (2**61 - 1): 0 for k in range(2000)}"),
    softmax=("crash", 0.0),
)

# --------------------------------------------------------------------------------------- patches

FAKE = {
    "row_means": "def row_means(x):\n    return np.zeros(len(x))",
    "halves": "def halves(n, rng):\n    return np.zeros(n // 2), np.zeros(n - n // 2)",
    "softmax": "def softmax(x):\n    return torch.zeros(x.shape)",
}
FAKED = {"row_means": WRONG, "halves": WRONG, "softmax": WRONG}
case(
    "NumPy patched so that all is close",
    notebook(
        """
        yes = lambda *a, **k: True
        for module in (np, np.testing, torch, torch.testing):
            for name in dir(module):
                if "close" in name or "equal" in name:
                    setattr(module, name, yes)
        """,
        **FAKE,
    ),
    **FAKED,
)
case(
    "NumPy's generator patched to know the inputs",
    notebook(
        """
        real = np.random.default_rng
        np.random.default_rng = lambda seed=None: real(0)
        """
    ),
    row_means=WRONG,
    halves=("partial", 1.0),
    softmax=WRONG,
)
case(
    "NumPy's functions gone, right answers",
    notebook(
        after=(
            """
            for name in ("frombuffer", "copy", "allclose", "mean", "isfinite"):
                setattr(np, name, None)
            """,
        )
    ),
)
case(
    "builtins patched, right answers",
    notebook(
        after=(
            """
            import builtins
            def broken(*a, **k):
                raise RuntimeError("mine")
            for name in ("print", "sorted", "sum", "abs", "open"):
                setattr(builtins, name, broken)
            """,
        )
    ),
)
case(
    "builtins patched to say yes, wrong answers",
    notebook(
        """
        import builtins
        for name in ("isinstance", "issubclass", "all", "any", "callable"):
            setattr(builtins, name, lambda *a, **k: True)
        """,
        **FAKE,
    ),
    **FAKED,
    fates={"before-0": "passed or error or timeout"},
)
case(
    "print, streams and display hooks replaced",
    notebook(
        """
        import builtins, sys
        builtins.print = lambda *a, **k: 1 / 0
        sys.displayhook = sys.excepthook = lambda *a: 1 / 0
        get_ipython().display_formatter = None
        3
        """
    ),
    fates={"before-0": "passed or error"},
)
case(
    "modules forgotten",
    notebook(
        after=(
            """
            import sys
            for name in list(sys.modules):
                if name.split(".")[0] in ("cvlab", "json", "IPython", "ast"):
                    del sys.modules[name]
            """,
        )
    ),
)
case(
    "modules replaced",
    notebook(
        """
        import sys
        class Yes:
            def __getattr__(self, name):
                return lambda *a, **k: None
        for name in list(sys.modules):
            if name.startswith("cvlab.classroom.grading"):
                sys.modules[name] = Yes()
        """,
        **FAKE,
    ),
    **FAKED,
)
case(
    "IPython's transformers and events",
    notebook(
        """
        def lines(lines):
            return ["def row_means(x):\\n", "    return 0\\n"] if "mean" in str(lines) else lines
        ip = get_ipython()
        ip.input_transformers_cleanup.append(lines)
        def event(*a):
            raise ValueError("mine")
        for name in ("pre_run_cell", "post_run_cell", "pre_execute", "post_execute"):
            ip.events.register(name, event)
        """,
    ),
    row_means=WRONG,
    fates=dict.fromkeys(("before-0", "row-means", "halves", "softmax"), "error or passed"),
)
case(
    "IPython's run_cell replaced",
    notebook(
        """
        from types import SimpleNamespace
        ip = get_ipython()
        done = SimpleNamespace(error_before_exec=None, error_in_exec=None, success=True)
        type(ip).run_cell = lambda *a, **k: done
        """,
    ),
    row_means=ERROR,
    halves=ERROR,
    softmax=ERROR,
)
case(
    "check replaced",
    notebook(
        """
        for name in ("close", "equal", "raises", "shape", "true"):
            setattr(check, name, lambda *a, **k: None)
        check.task = lambda *a, **k: lambda f: lambda *b: print("10 of 10 points")
        """,
        **FAKE,
    ),
    **FAKED,
    silent=("10 of 10 points", "The check in the notebook says"),
)
case(
    "json replaced",
    notebook(
        halves=f"""
{HALVES}
import json
json.dumps = lambda *a, **k: '{{"error": null, "points": 10}}'
"""
    ),
)
case(
    "objects that are equal to everything",
    notebook(
        """
        class Yes(float):
            def __eq__(self, other): return True
            def __ne__(self, other): return False
            __lt__ = __le__ = __gt__ = __ge__ = __eq__
            def __hash__(self): return 0
            def __array__(self, *a, **k): return np.zeros(3)
            def __len__(self): return 3
            def __iter__(self): return iter([self, self])
            def __getattr__(self, name): return self
            def __call__(self, *a, **k): return self
            def __instancecheck__(self, other): return True
        """,
        row_means="def row_means(x):\n    return Yes()",
        halves="halves = Yes()",
        softmax="softmax = Yes()",
    ),
    **FAKED,
)
case(
    "subclasses of arrays, floats, lists and tensors",
    notebook(
        """
        class Array(np.ndarray):
            def __array_ufunc__(self, *a, **k): return True
            def tobytes(self, *a): return b""
        class List(list):
            def __eq__(self, other): return True
        class Tensor(torch.Tensor):
            def __eq__(self, other): return True
        """,
        row_means=MEANS.replace("x.mean(axis=1)", "x.mean(axis=1).view(Array)"),
        halves=HALVES.replace("return order[: n // 2],", "return List(order[: n // 2]),"),
        softmax=SOFTMAX.replace("return", "return Tensor(") + ")",
    ),
    row_means=WRONG,
    softmax=WRONG,
    halves=WRONG,
)
case(
    "an exception that lies about its class",
    notebook(
        """
        class Meta(type):
            @property
            def __name__(cls):
                raise KeyboardInterrupt
        class Liar(BaseException, metaclass=Meta):
            def __str__(self):
                raise self
            __repr__ = __str__
        """,
        softmax="def softmax(x):\n    raise Liar",
    ),
    softmax=("crash or error", 0.0),
)

# ------------------------------------------------------------------------------------- forgeries

FIND = """
import gc, json, os, socket, struct, sys
def send(data, announced=None):
    size = len(data) if announced is None else announced
    for number in map(int, os.listdir("/proc/self/fd")):
        try:
            if os.readlink(f"/proc/self/fd/{number}").startswith("socket:"):
                os.write(number, struct.pack(">Q", size) + data)
        except OSError:
            pass
OK = b'{"error": null, "points": 10, "verdict": "right"}'
"""


def forged(*sources: str, task: str = "softmax") -> bytes:
    """Return a notebook whose function does this before it returns something wrong."""
    body = "\n".join(textwrap.indent(_clean(source), "    ") for source in sources)
    heads = {name: source.split("\n")[0] for name, source in FAKE.items()}
    return notebook(FIND, **{task: f"{heads[task]}\n{body}\n    return 0"})


case("forged answer to a probe", forged("send(OK)\nsend(b'N')"), softmax=WRONG)
case(
    "forged answers to all probes that follow",
    forged("for _ in range(20):\n    send(OK)\n    send(b'T')", task="halves"),
    halves=("wrong or crash", 0.0),
    softmax=("wrong or crash", 0.0),
)
case(
    "forged answer, and no more",
    forged("send(OK)\nsend(b'a' + bytes([11, 1]) + struct.pack('>I', 0))\nos._exit(0)"),
    softmax=("wrong or crash", 0.0),
)
case(
    "forged answer to a cell",
    notebook(FIND + "\nsend(OK)\nos._exit(0)"),
    fates=dict.fromkeys(("row-means", "halves", "softmax"), "crash"),
    row_means=CRASH,
    halves=CRASH,
    softmax=CRASH,
)
case(
    "message of 2**60 bytes",
    forged("send(b'', 2**60)"),
    softmax=CRASH,
    says=("more than 100,000 bytes",),
)
case("message too long", forged("send(bytes(200_000))"), softmax=CRASH)
case("half a message", forged("send(OK, 9999)\nwhile True:\n    pass"), softmax=TIMEOUT)
case("message too deep", forged("send(b'[' * 90_000)"), softmax=CRASH)
case(
    "value too deep",
    forged("send(OK)\nsend(b'l\\0\\0\\0\\1' * 1000 + b'N')"),
    softmax=CRASH,
    says=("nested more than 20 deep",),
)
case(
    "answer of other types",
    forged("""send(b'{"error": {"name": 1, "message": [], "line": {}}}')"""),
    softmax=CRASH,
)
case("answer that is no JSON", forged("send(b'\\xff\\0')"), softmax=CRASH)
PATCH = """
import sys
from cvlab.checking import compare, wire
from cvlab.classroom.grading.box import runner
from cvlab.classroom.grading.verdict import hearing
compare.compare = hearing.compare.compare = lambda *a, **k: None
bomb = wire.encode([(2**62, ([0], [1]))] * 3)
ten = wire.encode({"points": 10})
def patch(answer):
    frame = sys._getframe()
    while type(frame.f_locals.get("self")) is not runner.Runner:
        frame = frame.f_back
    one = frame.f_locals["self"]
    real = one._call
    one._call = lambda request, *more: answer(request) or real(request, *more)
"""
case(
    "the runner's own functions replaced",
    notebook(
        PATCH,
        row_means="""
        def row_means(x):
            globals()["patch"](lambda request: (None, ten))
            return x.mean(axis=1)
        """,
    ),
    row_means=("partial", 3.0),
    halves=WRONG,
    softmax=WRONG,
)
case(
    "a bomb for the instructor's normal form",
    notebook(
        PATCH,
        row_means="""
        def row_means(x):
            globals()["patch"](lambda request: (None, bomb) if "partitions" in str(request) else 0)
            if x.ndim != 2:
                raise ValueError
            return x.mean(axis=1)
        """,
    ),
    halves=("partial", 1.0),
)
case(
    "frames of the probe read and changed",
    notebook(
        """
        import ctypes, sys
        def frames():
            frame = sys._getframe(1)
            while frame:
                yield frame
                frame = frame.f_back
        def change(*a):
            for frame in frames():
                for name in list(frame.f_locals):
                    if name in ("error", "fault"):
                        frame.f_locals[name] = None
                    if name in ("found", "tables", "result", "content"):
                        frame.f_locals[name] = []
                ctypes.pythonapi.PyFrame_LocalsToFast(ctypes.py_object(frame), ctypes.c_int(0))
            return 0
        """,
        row_means="def row_means(x):\n    return change()",
        halves="def halves(n, rng):\n    return change()",
        softmax="def softmax(x):\n    return change()",
    ),
    **FAKED,
)
case(
    "a trace function in the probe",
    notebook(
        """
        import sys
        def trace(frame, event, arg):
            if frame.f_code.co_filename == "<probe>":
                frame.f_locals.clear()
            return trace
        """,
        **{name: f"import sys\n{source}\nsys.settrace(trace)" for name, source in FAKE.items()},
    ),
    **FAKED,
)
case(
    "a function that knows the probe and has no solution",
    notebook(
        """
        import gc, glob, sys
        def solution():
            found = [o for o in gc.get_objects() if type(o) is dict and "expected" in o]
            for path in glob.glob("/**/*.ipynb", recursive=True):
                if "softmax" in open(path).read():
                    found.append(path)
            return found
        """,
        softmax="""
        def softmax(x):
            probe = sys._getframe(1).f_code.co_name
            if probe in ("small", "large"):
                here = [o for o in gc.get_objects() if getattr(o, "__name__", "") == "softmax"]
                right = [f for f in here if f is not softmax and f.__module__ == "__main__"]
                return right[0](x) if right else 0
            return torch.softmax(x, dim=-1)
        """,
    ),
    softmax=WRONG,
)
case(
    "right at the first call only",
    notebook(
        softmax="""
        calls = []
        def softmax(x):
            calls.append(1)
            return torch.softmax(x, dim=-1) if len(calls) == 1 else x
        """
    ),
    softmax=("partial", 2.0),
)
case(
    "a thread that changes the answer later",
    notebook(
        softmax="""
        import threading
        begun, changed = threading.Event(), threading.Event()
        def later():
            begun.wait()
            globals()["softmax"] = lambda x: x
            changed.set()
        threading.Thread(target=later, daemon=True).start()
        def softmax(x):
            begun.set()
            changed.wait()
            return torch.softmax(x, dim=-1)
        """
    ),
    softmax=("partial", 2.0),
)

# ----------------------------------------------------------------------- the machine, from inside


def _reading(places: Places) -> bytes:
    files = [f"{folder}/sentinel" for folder in places.folders]
    files += [
        f"{places.repository}/{part}" for part in ("tests/small_exercise.py", "pyproject.toml")
    ]
    files += ["/etc/passwd", "/etc/shadow", "/root/.bashrc", "/proc/kcore", "/proc/2/mem"]
    listed = [f"{places.repository}/{part}" for part in ("solutions", "exercises", "tests", ".git")]
    return notebook(
        "import os",
        attempts(
            *(f"open({path!r}, 'rb').read(1)" for path in files),
            *(f"os.listdir({path!r})" for path in listed),
            *(f"os.stat({path!r})" for path in places.folders),
            *(f"os.chdir({path!r})" for path in places.folders),
            "os.listdir('/proc/2')",
            "assert {*os.environ} & {'SHELL', 'USER', 'PWD', 'VIRTUAL_ENV', 'PYTEST_VERSION'}",
            "assert 'expected' in open('/proc/1/cmdline').read()",
        ),
        """
        # Nothing that can be written to is shared with other boxes: pages, files and sockets.
        maps = [line.split() for line in open("/proc/self/maps")]
        assert not [line for line in maps if line[1].startswith("rw") and line[1][3] == "s"]
        held = []
        for number in os.listdir("/proc/self/fd"):
            try:
                held.append(os.readlink(f"/proc/self/fd/{number}"))
            except FileNotFoundError:
                pass
        own = ("/dev/null", "socket:", "anon_inode:[eventpoll]")
        assert not [name for name in held if not name.startswith(own)], held
        assert os.listdir("/box") == os.listdir("/dev/shm") == []
        """,
    )


def _writing(places: Places) -> bytes:
    folders = [*places.folders, places.repository, f"{places.repository}/cvlab", "/etc", "/usr/lib"]
    folders += ["/", "/sys", "/proc", "/dev", "/root"]
    name = f"{places.token}-written"
    return notebook(
        "import os, site, sys",
        attempts(
            *(f"open('{folder}/{name}', 'w')" for folder in folders),
            *(f"os.mkdir('{folder}/{name}')" for folder in folders),
            *(f"open('{folder}/sentinel', 'a').write('x')" for folder in places.folders),
            *(f"os.chmod('{folder}', 0o777)" for folder in folders),
            f"open(os.path.join(site.getsitepackages()[0], '{name}.pth'), 'w')",
            "open(np.__file__, 'a')",
            "open(check.__file__, 'a')",
            f"open(os.path.join(sys.base_prefix, '{name}'), 'w')",
            "os.unlink(check.__file__)",
            "os.utime(check.__file__)",
            "os.remove(sys.executable)",
            "open('/proc/sys/kernel/core_pattern', 'w').write('x')",
            "open('/proc/1/oom_score_adj', 'w').write('-1000')",
            "os.mknod('/box/device', 0o20666, os.makedev(1, 1))",
        ),
        # At home, and in the folders that vanish, it may write.
        f"for one in ('/tmp', os.path.expanduser('~')):\n    open(f'{{one}}/{name}', 'w').close()",
    )


def _linking(places: Places) -> bytes:
    sentinels = [f"{folder}/sentinel" for folder in places.folders]
    return notebook(
        "import os",
        attempts(
            *(
                f"os.symlink({path!r}, '/box/s{n}') or open('/box/s{n}').read()"
                for n, path in enumerate(sentinels)
            ),
            *(f"os.link({path!r}, '/box/h{n}')" for n, path in enumerate(sentinels)),
            "os.link(check.__file__, '/box/check.py')",
            "os.rename(check.__file__, '/box/check.py')",
            "os.symlink('/proc/1/root/..', '/box/up') or open('/box/up/etc/passwd')",
            "os.symlink('/proc/self/cwd/../..', '/box/cwd') or open('/box/cwd/etc/passwd')",
            "open('/proc/1/root/etc/passwd')",
            "os.open('/proc/1/cwd/../../../etc/passwd', 0)",
            "os.chroot('/box')",
        ),
    )


def _network(places: Places) -> bytes:
    families = [
        "AF_INET",
        "AF_INET6",
        "AF_NETLINK",
        "AF_PACKET",
        "AF_VSOCK",
        "AF_ALG",
        "AF_BLUETOOTH",
        "AF_CAN",
    ]
    kinds = ["SOCK_STREAM", "SOCK_DGRAM", "SOCK_RAW", "SOCK_SEQPACKET"]
    connect = "s = socket.socket(socket.AF_UNIX); s.settimeout(1); s.connect({!r})"
    return notebook(
        "import os, socket, urllib.request",
        attempts(
            *(f"socket.socket(socket.{f}, socket.{k})" for f in families for k in kinds),
            f"socket.create_connection(('127.0.0.1', {places.port}), 1)",
            f"urllib.request.urlopen('http://127.0.0.1:{places.port}/', timeout=1)",
            f"assert os.system('exec 3<>/dev/tcp/127.0.0.1/{places.port}') == 0",
            "socket.getaddrinfo('localhost', 80, proto=socket.IPPROTO_TCP) and 1 / 0",
            connect.format(places.socket),
            connect.format(f"\0{places.abstract}"),
        ),
        # Among its own processes it may talk.
        f"s = socket.socket(socket.AF_UNIX)\ns.bind('/box/{places.token}')\ns.listen()",
    )


case("reading tests, solutions, environment, other processes", _reading)
case("writing reports, packages, home, the system", _writing)
case("symlinks and hard links to the host", _linking)
case("network in every family", _network)
case(
    "killing and tracing others",
    notebook(
        "import ctypes, os, resource, signal\nlibc = ctypes.CDLL(None, use_errno=True)",
        attempts(
            "assert os.getppid() != 0",
            *(f"os.kill({pid}, 9)" for pid in (2, 3, 1000)),
            "os.kill(-1, 9)",
            "os.killpg(2, 9)",
            *(f"assert libc.ptrace({how}, {pid}, 0, 0) == 0" for how in (0, 16) for pid in (0, 1)),
            "os.pidfd_open(2)",
            "assert libc.process_vm_readv(1, 0, 0, 0, 0, 0) >= 0",
            "os.setuid(0)",
            "os.nice(-5)",
            "os.sched_setscheduler(0, os.SCHED_FIFO, os.sched_param(1))",
            "resource.setrlimit(resource.RLIMIT_NPROC, (10**6, 10**6))",
            "assert libc.unshare(0x10000000) == 0",
            "assert libc.setns(0, 0) == 0",
            "assert libc.reboot(0) == 0",
            "assert libc.mount(b'none', b'/box', b'tmpfs', 0, 0) == 0",
        ),
    ),
)
case(
    "signals to itself and its group",
    notebook(
        "import os, signal\nfor n in (1, 2, 15, 19, 20):\n    signal.signal(n, signal.SIG_DFL) if n"
        " != 19 else None\n    os.kill(os.getpid(), n) if n != 2 else None",
        halves="import os\ndef halves(n, rng):\n    os.kill(0, 9)\n    os._exit(1)",
    ),
    halves=CRASH,
)
case(
    "a pipe that nobody opens",
    notebook("import os\nos.mkfifo('/box/pipe')\nopen('/box/pipe')"),
    fates={"before-0": "timeout"},
)


def _left_behind(places: Places) -> bytes:
    return notebook(
        f"""
        import os, signal, subprocess, threading, time
        token = {places.token!r}
        subprocess.Popen(["sleep", "1234", token][:2], env={{"LEFT": token}})
        subprocess.Popen(["setsid", "nohup", "sleep", "1234"], env={{"LEFT": token}})
        subprocess.Popen("(trap '' HUP INT TERM; sleep 1234) & disown", shell=True,
                         executable="/bin/bash", env={{"LEFT": token, "PATH": "/usr/bin:/bin"}})
        if os.fork() == 0:
            os.setsid()
            if os.fork() == 0:
                signal.pthread_sigmask(signal.SIG_BLOCK, range(1, 64))
                os.execve("/usr/bin/env", ["env", "sleep", "1234"], {{"LEFT": token}})
            os._exit(0)
        os.wait()
        os.kill(subprocess.Popen(["sleep", "1234"], env={{"LEFT": token}}).pid, signal.SIGSTOP)
        threading.Thread(target=time.sleep, args=(1234,)).start()
        import atexit
        atexit.register(time.sleep, 1234)
        """
    )


case("daemons, stopped processes and threads left behind", _left_behind)

# -------------------------------------------------------------------------------- notebooks' ways

case(
    "widgets, input and magics",
    notebook(
        "import ipywidgets\nipywidgets.interact(lambda k: print(k), k=(1, 5))",
        "answer = input('name? ')",
        "%matplotlib inline\n!echo shell\n%run /box/nothing.py",
        "%%bash\necho more; sleep 1000 &",
        "%%javascript\nalert(1)",
        "%pip install nothing\n%cd /\n%env HOME=/root",
        "%load_ext nothing\n%%timeit\n1",
    ),
    fates={"before-1": "error", "before-3": "passed", "before-6": "passed or error"},
)


def _sprinkled() -> bytes:
    made = json.loads(notebook("# NBVAL_SKIP\n1 / 0", **FAKE))
    for cell in made["cells"]:
        cell["metadata"]["tags"] = [
            "nbval-skip",
            "raises-exception",
            "nbval-ignore-output",
            "probe",
        ]
        cell["metadata"].setdefault("nbgrader", {}).update(points=894, grade=True, locked=False)
        if cell["cell_type"] == "code":
            cell["source"] = "# NBVAL_IGNORE_OUTPUT\n" + cell["source"]
            cell["outputs"] = [{"output_type": "stream", "name": "stdout", "text": "10 of 10\n"}]
    return small.data(made)


def _more_points() -> bytes:
    made = json.loads(notebook(row_means=FAKE["row_means"]))
    for cell in made["cells"]:
        if "nbgrader" in cell["metadata"]:
            cell["metadata"]["nbgrader"]["points"] = 1000
    extra = {"grade_id": "check-bonus", "grade": True, "solution": False, "points": 1000}
    made["cells"].append(small.cell("print('bonus')", "bonus", nbgrader=extra))
    made["metadata"]["nbgrader"] = {"score": 1000, "max_score": 1}
    return small.data(made)


def _twice() -> bytes:
    made = small.student()
    for cell in made["cells"]:
        cell["id"] = "the-same"
    return small.data(made)


def _many(count: int) -> bytes:
    return notebook(after=tuple(f"x = {n}" for n in range(count)))


case(
    "markers and points sprinkled by a student",
    _sprinkled(),
    **FAKED,
    fates={"before-0": "error or passed"},
    silent=("894",),
)
case("points changed in the metadata", _more_points(), row_means=WRONG, silent=("1000",))
case("identifiers that stand twice", _twice())
case("hundreds of cells", _many(300))
REFUSED = {task.replace("-", "_"): ("refused", 0.0) for task in TASKS}
case("too many cells", _many(6000), **REFUSED)
case("malformed JSON", small.data(small.student())[:-40], **REFUSED)
case("not UTF-8", small.data(small.student()).replace(b"row_means", b"\xff\xfe\xfa"), **REFUSED)
case("empty", b"", **REFUSED)
case("50 MB", b'{"cells": [' + b" " * 50_000_000 + b"]}", **REFUSED)
case("JSON nested too deeply", b'{"cells": ' + b"[" * 200_000, **REFUSED)
case("millions of values", b'{"cells": [' + b"{}," * 3_000_000 + b"{}]}", **REFUSED)
case("no notebook", b'{"cells": {"cell_type": 7}}', **REFUSED)
case(
    "cells that are none",
    small.data({"cells": [None, 7, [], {"cell_type": []}, {"source": {}}], "nbformat": "four"}),
    **{task: ("missing", 0.0) for task in REFUSED},
)

# ------------------------------------------------------------------- hidden inputs on the way out

LEAK = """
import os, sys
def told(x):
    return repr(np.asarray(x, dtype=float).ravel().tolist())
"""
case(
    "hidden input in an exception's message",
    notebook(
        LEAK,
        row_means="def row_means(x):\n    raise ValueError(told(x))",
        halves="def halves(n, rng):\n    raise RuntimeError(told([n, rng.normal()]))",
        softmax="def softmax(x):\n    raise KeyError(told(x))",
    ),
    row_means=("error", 0.0),
    halves=ERROR,
    softmax=ERROR,
)
case(
    "hidden input in a class's name, a note, a cause",
    notebook(
        LEAK,
        softmax="""
        def softmax(x):
            error = type(told(x), (ValueError,), {"__module__": told(x)})(told(x))
            error.add_note(told(x))
            raise error from KeyError(told(x))
        """,
    ),
    softmax=ERROR,
    says=("an exception of its own",),
)
case(
    "hidden input in output and a __repr__",
    notebook(
        LEAK,
        softmax="""
        def softmax(x):
            class Shown:
                def __repr__(self): return told(x)
                __str__ = __repr__
            print(told(x))
            print(told(x), file=sys.stderr)
            os.write(1, told(x).encode())
            display(Shown())
            return Shown()
        """,
    ),
    softmax=WRONG,
)
case(
    "hidden input in the result: text, keys, sizes",
    notebook(
        LEAK,
        row_means="def row_means(x):\n    return {told(x): told(x)}",
        halves="def halves(n, rng):\n    return told([n]), np.zeros((0, n))",
        softmax="def softmax(x):\n    return np.zeros((0, int(1e6 * abs(x.ravel()[0]))))",
    ),
    row_means=WRONG,
    halves=WRONG,
    softmax=WRONG,
)
case(
    "hidden input in the line of an error",
    notebook(
        softmax="""
        def softmax(x):
            empty = "\\n" * int(1e5 * abs(x.ravel()[0] / (1000 if abs(x).max() > 20 else 1)))
            exec(compile(empty + "1 / 0", "<ipython-input-1>", "exec"))
        """
    ),
    softmax=ERROR,
    says=("ZeroDivisionError.",),
)
#: What outlasts the call: files, descriptors, the environment, other processes, the shell.
STASH = (
    LEAK
    + """
import fcntl
places = [f"{folder}/kept" for folder in ("/box", "/tmp", "/dev/shm")]
places.append("/box/../box/sitecustomize.py")
def keep(x):
    for path in places:
        try:
            open(path, "a").write(told(x))
        except OSError:
            pass
    for number in range(256):
        try:
            fcntl.fcntl(number, fcntl.F_SETSIG, 42)
            os.pwrite(number, told(x).encode(), 4096)
        except OSError:
            pass
        try:
            os.lseek(number, 7 * x.shape[0], 0)
        except OSError:
            pass
    os.environ["KEPT"] = told(x)
    get_ipython().user_ns["kept"] = told(x)
    check.kept = np.kept = sys.kept = told(x)
    check.CheckFailed.__doc__ = told(x)
def found():
    said = [os.environ.get("KEPT"), *(getattr(o, "kept", None) for o in (check, np, sys))]
    for path in places:
        try:
            said.append(open(path).read())
        except OSError:
            pass
    for number in range(256):
        try:
            said.append(fcntl.fcntl(number, fcntl.F_GETSIG))
            said.append(os.pread(number, 9999, 0).strip(b"\\0").decode())
        except (OSError, ValueError):
            pass
    return str([text for text in said if text])
"""
)
case(
    "hidden input kept for the visible check",
    notebook(
        STASH,
        softmax="""
        def softmax(x):
            if x.shape == (3, 4):
                keep(x)
                return x
            raise check.CheckFailed("kept: " + found())
        """,
    ),
    softmax=WRONG,
    says=("kept: []",),
)
case(
    "hidden input kept for the replay after a crash",
    notebook(
        STASH + "\nimport atexit\nif found() != '[]':\n    raise ValueError(found())",
        halves="def halves(n, rng):\n    keep(rng.normal(size=9))\n    os._exit(0)",
        softmax="def softmax(x):\n    raise ValueError(found())",
    ),
    halves=CRASH,
    softmax=ERROR,
)
case(
    "hidden input in forged errors of later cells",
    notebook(
        FIND + LEAK,
        softmax="""
        def softmax(x):
            said = json.dumps({"error": {"name": told(x), "message": told(x), "line": 3}}).encode()
            for _ in range(9):
                send(said)
            return x
        """,
    ),
    softmax=ERROR,
)


# --------------------------------------------------------------------------------------- grading


def exercise() -> tasks.Exercise:
    """Return the exercise, whose probes take less time than usual."""
    parsed = tasks.parse(small.solution(), "small")
    brief = tuple(
        dataclasses.replace(
            task, probes=tuple(dataclasses.replace(p, seconds=SECONDS) for p in task.probes)
        )
        for task in parsed.tasks
    )
    return dataclasses.replace(parsed, tasks=brief)


def the_judge(token: str) -> judge.Judge:
    """Return a judge all of whose boxes have a token in their environment."""
    environment = clean_environment() | {"CVLAB_TEST_TOKEN": token}
    return judge.Judge(exercise(), SEED, POLICY, lambda given: Zygote(given.setup, environment))


def main() -> None:
    """Grade the notebooks that were named, all by default, and print their records."""
    places = Places(**json.loads(sys.argv[1]))
    for name, graded in grade_all(places, sys.argv[2:]):
        print(json.dumps([name, records.encode(graded.record).decode()]), flush=True)


def grade_all(places: Places, names: Sequence[str] = ()) -> Iterator[tuple[str, Graded]]:
    """Grade notebooks of the corpus, all by default."""
    with the_judge(places.token) as one:
        for name in names or CASES:
            yield name, one.grade(CASES[name].make(places), "mallory")


if __name__ == "__main__":
    main()
