"""The hostile corpus: what each notebook earns, and that it reaches nothing but its own grade."""

from __future__ import annotations

import contextlib
import dataclasses
import html
import io
import json
import os
import re
import secrets
import shutil
import site
import socket
import subprocess
import sys
import tempfile
import threading
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import hostile_corpus as corpus
import numpy as np
import psutil
import pytest
import small_exercise as small
from conftest import ROOT, WEEKLY
from waiting import GIVE_UP, until

from cvlab.classroom.grading.box.replay import Policy
from cvlab.classroom.grading.intake import submissions, tasks
from cvlab.classroom.grading.report import feedback, records
from cvlab.classroom.grading.verdict import judge
from cvlab.classroom.grading.verdict.outcomes import Graded

pytestmark = [
    pytest.mark.skipif(sys.platform != "linux", reason="boxes need Linux"),
    pytest.mark.slow,
    pytest.mark.usefixtures("walls"),
]
SENTINEL = "Whoever reads this has left the box.\n"
DIGITS = 6  # of a number by which it is recognised
RIGHT = corpus.notebook()


@pytest.fixture(scope="module")
def host() -> Iterator[Host]:
    with Host() as one:
        yield one


@pytest.fixture(scope="module")
def court(host: Host) -> Iterator[judge.Judge]:
    with corpus.the_judge(host.places.token) as one:
        yield one


@pytest.fixture(scope="module")
def before(court: judge.Judge) -> bytes:
    """The record of somebody who is right, before anybody else is graded."""
    return records.encode(court.grade(RIGHT, "ann").record)


@pytest.fixture(scope="module")
def hidden(court: judge.Judge) -> set[str]:
    return digits_of(numbers(court))


class Host:
    """Sentinels on this machine: files, folders and listeners that notebooks try to reach."""

    def __enter__(self) -> Host:
        self.token = f"cvlab{secrets.token_hex(8)}"
        (ROOT / ".pytest_cache").mkdir(exist_ok=True)
        places = Path.home(), Path(tempfile.gettempdir()), ROOT / ".pytest_cache"
        self.folders = [Path(tempfile.mkdtemp(prefix=".sentinel-", dir=path)) for path in places]
        for folder in self.folders:
            folder.chmod(0o777)  # the walls must hold, not the permissions
            (folder / "sentinel").write_text(SENTINEL)
            (folder / "sentinel").chmod(0o666)
        self.listeners = [socket.socket(socket.AF_UNIX), socket.socket(socket.AF_UNIX)]
        self.listeners.append(socket.socket(socket.AF_INET))
        path = self.folders[1] / "socket"
        addresses = str(path), f"\0{self.token}", ("127.0.0.1", 0)
        for listener, address in zip(self.listeners, addresses, strict=True):
            listener.bind(address)
            listener.listen()
            listener.setblocking(False)
        path.chmod(0o777)
        self.places = corpus.Places(
            token=self.token,
            folders=tuple(map(str, self.folders)),
            socket=str(path),
            abstract=self.token,
            port=self.listeners[2].getsockname()[1],
            repository=str(ROOT),
        )
        self.state = self._state()
        return self

    def __exit__(self, *_error: object) -> None:
        for listener in self.listeners:
            listener.close()
        for folder in self.folders:
            shutil.rmtree(folder)

    def _state(self) -> list[Any]:
        """Return all that could have been changed, times of access and change included."""
        found: list[Any] = []
        for folder in self.folders:
            for path in (folder, *sorted(folder.iterdir())):
                known = path.lstat()
                found.append((path.name, known.st_mode, known.st_nlink, known.st_mtime_ns))
            found.append((folder / "sentinel").read_text())
        return found

    def assert_untouched(self) -> None:
        """Assert that no file has changed or come, and that nobody has called."""
        assert self._state() == self.state
        package = Path(judge.__file__).parents[3]
        places = [*self.folders, Path.home(), Path(tempfile.gettempdir()), Path.cwd(), ROOT]
        places += [Path("/"), package, Path(sys.base_prefix), *map(Path, site.getsitepackages())]
        for folder in places:
            assert not [name for name in os.listdir(folder) if self.token in name], folder
        for listener in self.listeners:
            with pytest.raises(BlockingIOError):
                listener.accept()
        unix = Path("/proc/net/unix").read_text().splitlines()
        named = [line.split()[-1] for line in unix if self.token in line]
        assert set(named) <= {f"@{self.token}"}

    def left(self, allowed: set[int]) -> list[psutil.Process]:
        """Return the processes of boxes that run, but for those allowed."""
        found = []
        for process in psutil.process_iter():
            with contextlib.suppress(psutil.Error, OSError):
                said = [*process.cmdline(), *process.environ().values()]
                ended = process.status() == psutil.STATUS_ZOMBIE or process.pid == os.getpid()
                if self.token in " ".join(said) and not ended and process.pid not in allowed:
                    found.append(process)
        return found


def assert_nothing_runs(host: Host, court: judge.Judge) -> None:
    """Assert that of all boxes at most the referee's is left, and that nobody listens."""
    zygote = psutil.Process(court.place.process.pid)
    allowed = {zygote.pid}
    box = court.examiner.referee.box
    if box is not None:
        referee = psutil.Process(box.pid)
        allowed |= {referee.pid, *(child.pid for child in referee.children(recursive=True))}
    assert until(lambda: not host.left(allowed)), host.left(allowed)
    assert {child.pid for child in zygote.children(recursive=True)} <= allowed
    assert not [c for c in zygote.net_connections() if c.status == psutil.CONN_LISTEN]


# ------------------------------------------------------------------------- what must stay hidden


def numbers(court: judge.Judge) -> list[float]:
    """Return the hidden inputs and the expected values of all probes."""
    names: dict[str, Any] = {}
    for source in (*court.exercise.setup, *(task.solution for task in court.exercise.tasks)):
        exec(source, names)
    seen: list[Any] = []

    def recorded(function: Any) -> Any:
        def call(*arguments: Any) -> Any:
            seen.extend(each for each in arguments if not isinstance(each, np.random.Generator))
            return function(*arguments)

        return call

    names |= {name: recorded(names[name]) for task in court.exercise.tasks for name in task.names}
    for task in court.exercise.tasks:
        for probe in task.probes:
            here = dict(names)
            exec(probe.source, here)
            here[probe.name](np.random.default_rng(court.examiner.seed_of(task, probe)))
    assert len(seen) == 5 + 3 + 2 + 2  # calls: row_means, halves, softmax
    return [*floats(seen), *floats(list(court.expected(court.examiner).values()))]


def floats(value: Any) -> Iterator[float]:
    """Iterate over the floats in a value, however deep."""
    if isinstance(value, dict):
        value = list(value.values())
    if isinstance(value, list | tuple):
        for each in value:
            yield from floats(each)
    elif not isinstance(value, str | None):
        yield from (float(each) for each in np.asarray(value).ravel() if each % 1)


def digits_of(values: list[float]) -> set[str]:
    """Return how each number begins, without its point."""
    found = {f"{abs(value):.16e}".replace(".", "")[:DIGITS] for value in values if value}
    assert len(found) > 50
    return found


def leaked(text: str, hidden: set[str]) -> set[str]:
    """Return which of the hidden numbers a text holds, wherever their point is."""
    runs = re.findall(r"\d+", re.sub(r"(?<=\d)[.,_](?=\d)", "", text))
    parts = {run[i : i + DIGITS] for run in runs for i in range(len(run) - DIGITS + 1)}
    return parts & hidden


def shown(record: records.Record) -> str:
    """Return a student's page without its style and its digest of the notebook."""
    page = feedback.student_page(record).replace(record.submission[:12] or "-", "")
    return html.unescape(re.sub(r"<(style|meta).*?>.*?(</style>|\n)", "", page, flags=re.S))


def test_the_search_for_hidden_numbers_finds_them(court, hidden):
    value = next(floats([court.expected(court.examiner)["softmax", "small"]]))
    for spelt in (repr(value), f"{value:.12f}", f"x{value * 1e9:.0f}y", f"[-{value}, 3]"):
        assert leaked(f"<p>it stops with {spelt} &amp; no more</p>", hidden), spelt
    planted = records.TaskResult("softmax", 0, 4, "error", f"It stops with {value}.")
    record = records.Record("m", "", "small", "", 1, (planted,))
    assert leaked(shown(record), hidden)


# -------------------------------------------------------------------------------------- the corpus


def assert_as_expected(name: str, graded: Graded, data: bytes, hidden: set[str]) -> None:
    """Assert points, verdicts, fates of cells and what the student's page says."""
    case, record = corpus.CASES[name], graded.record
    for result, most in zip(record.tasks, corpus.POINTS, strict=True):
        verdict, points = case.marks.get(result.task, ("right", most))
        told = (result.task, result.points, result.verdict, result.reason, result.hint)
        assert (result.points, result.max_points) == (points, most), told
        assert result.verdict in verdict.split(" or "), told
    cells = json.loads(data)["cells"] if graded.cells else []
    for outcome in graded.cells:
        if outcome.role != "check" and "id" in cells[outcome.index]:
            fate = case.fates.get(cells[outcome.index]["id"], "passed")
            assert outcome.fate in fate.split(" or "), outcome
    page = shown(record)
    assert not leaked(page, hidden)
    assert not [text for text in case.says if text not in page], page
    assert not [text for text in case.silent if text in page], page
    for task in corpus.exercise().tasks:
        sources = [part for probe in task.probes for part in (probe.source, probe.normal)]
        lines = {line.strip() for source in sources for line in source.splitlines()}
        assert not [line for line in lines if len(line) > 20 and line in page]


@pytest.mark.parametrize("name", corpus.CASES)
def test_a_notebook_gets_what_it_is_worth_and_touches_nothing(name, host, court, before, hidden):
    data = corpus.CASES[name].make(host.places)
    graded = court.grade(data, "mallory")
    assert_as_expected(name, graded, data, hidden)
    assert_nothing_runs(host, court)
    host.assert_untouched()
    assert records.encode(court.grade(RIGHT, "ann").record) == before


def test_the_corpus_is_large():
    assert len(corpus.CASES) >= 90
    kinds = {verdict for case in corpus.CASES.values() for verdict, _ in case.marks.values()}
    assert {*["wrong", "partial", "error", "missing", "timeout", "crash", "refused"]} <= kinds


#: Becomes another user who finds the interpreter even where nobody may look for it.
OTHER = """
import os, sys
from pathlib import Path
from cvlab.classroom.grading.box import isolation as walls
walls.call_kernel("a name space of its own", walls.libc.unshare(walls.CLONE_NEWNS))
walls.mount("none", Path("/"), None, walls.MS_REC | walls.MS_PRIVATE)
places = [(path, os.open(path, os.O_PATH)) for path in (Path(sys.base_prefix), Path(sys.prefix))]
closed = {
    next(iter([up for up in reversed(path.parents) if not up.stat().st_mode & 1]), None)
    for path, _ in places
} - {None}
for folder in closed:
    walls.mount("tmpfs", folder, "tmpfs", 0, "mode=755")
for path, fd in places:
    if not path.exists():
        path.mkdir(parents=True)
        walls.mount(f"/proc/self/fd/{fd}", path, None, walls.MS_BIND | walls.MS_REC)
os.setgroups([]); os.setresgid(65534, 65534, 65534); os.setresuid(65534, 65534, 65534)
os.execv(sys.executable, [sys.executable, *sys.argv[1:]])
"""


def test_an_unprivileged_user_gives_the_same_grades(host, court, tmp_path):
    """Each fourth notebook of the corpus; once a week all of them."""
    if os.geteuid() != 0:
        pytest.skip("whoever runs these tests is unprivileged")
    home = Path(tempfile.mkdtemp(prefix="cvlab-home-"))
    home.chmod(0o777)
    environment = {"HOME": str(home), "PATH": os.environ["PATH"], "OPENBLAS_NUM_THREADS": "1"}
    names = list(corpus.CASES)[:: 1 if WEEKLY else 4]
    arguments = [corpus.__file__, json.dumps(dataclasses.asdict(host.places)), *names]
    command = [sys.executable, "-c", OTHER, *arguments]
    with open(tmp_path / "errors", "w+") as errors:
        started = subprocess.Popen(
            command, stdout=subprocess.PIPE, stderr=errors, text=True, cwd="/", env=environment
        )
        try:
            said = started.communicate(timeout=8 * GIVE_UP)[0]
            lines = [json.loads(line) for line in said.splitlines()]
        finally:
            started.kill()
            shutil.rmtree(home)
        errors.seek(0)
        assert started.returncode == 0, errors.read()
    theirs = dict(lines)
    assert list(theirs) == names
    for name in names:
        case = corpus.CASES[name]
        found = records.decode(theirs[name].encode())
        loose = any(" or " in verdict for verdict, _ in case.marks.values())
        for result, most in zip(found.tasks, corpus.POINTS, strict=True):
            verdict, points = case.marks.get(result.task, ("right", most))
            assert result.points == points, (name, result)
            assert loose or result.verdict == verdict, (name, result)
    assert not host.left({court.place.process.pid} | _family(court))
    host.assert_untouched()


def _family(court: judge.Judge) -> set[int]:
    return {child.pid for child in psutil.Process(court.place.process.pid).children(recursive=True)}


# ------------------------------------------------------------------------------ memory of the box

#: Looks for bytes that are told with 85 added to each, and adds 85 to what it reads, so that it
#: finds neither the question nor what its own buffers have left behind.
SEARCH = """
import gc, os
def search(*masked):
    gc.collect()
    found, overlap = set(), max(map(len, masked))
    maps = [line.split() for line in open("/proc/self/maps")]
    with open("/proc/self/mem", "rb", buffering=0) as memory:
        for line in maps:
            if not line[1].startswith("rw"):
                continue
            low, high = (int(part, 16) for part in line[0].split("-"))
            for place in range(low, high, 2**22):
                try:
                    memory.seek(place)
                    part = memory.read(min(2**22 + overlap, high - place))
                except OSError:
                    break
                part = np.frombuffer(part, np.uint8)
                if part.any():
                    part = (part + np.uint8(85)).tobytes()
                    found |= {number for number, text in enumerate(masked) if text in part}
    return sorted(found)
"""


def masked(*texts: bytes) -> str:
    """Return a call's arguments."""
    return ", ".join(repr(bytes((byte + 85) % 256 for byte in text)) for text in texts)


def test_no_probe_and_no_expected_value_is_in_the_memory_of_a_box():
    """Neither during the replay nor, but for its own, during a probe, where the search finds it."""
    parsed = tasks.parse(small.solution(), "small")
    patient = dataclasses.replace(parsed, tasks=tuple(map(_patient, parsed.tasks)))
    policy = dataclasses.replace(Policy(), cell_seconds=60.0, total_seconds=300.0)
    with judge.Judge(patient, 11, policy) as court:
        expected = [*floats(list(court.expected(court.examiner).values()))]
        values = [np.float64(value).tobytes() for value in expected[:20:3]]
        own = [b"def random_tables(rng)", b"[row_means(table)"]
        sources = [
            line.strip().encode()
            for task in patient.tasks
            for probe in task.probes
            for line in probe.source.splitlines()
            if len(line) > 30 and "row_means" not in line and "tables" not in line
        ]
        hints = [probe.hint.encode() for task in patient.tasks for probe in task.probes]
        assert len(values) > 5
        assert len(sources) > 5
        others = masked(*values, *sources, *hints)
        cells = [
            SEARCH,
            f"found = search({masked(*own)}, {others})\nassert not found, found",
            f"planted = bytes((byte - 85) % 256 for byte in {masked(b'planted with care')})\n"
            f"assert search({masked(b'planted with care')}) == [0]",
            f"look_for = [{others}]\nown = [{masked(*own)}]\nsaid = []",
        ]
        answer = """
        def row_means(x):
            if not said:
                said.append(globals()["search"](*look_for))
                said.append(globals()["search"](*own))
                if said != [[], [0, 1]]:
                    return None
            if x.ndim != 2:
                raise ValueError
            return x.mean(axis=1)
        """
        graded = court.grade(corpus.notebook(*cells, row_means=answer), "mallory")
    assert {outcome.fate for outcome in graded.cells} == {"passed"}, graded.cells
    assert graded.record.points == 10, graded.record


def _patient(task: tasks.Task) -> tasks.Task:
    probes = tuple(dataclasses.replace(probe, seconds=60.0) for probe in task.probes)
    return dataclasses.replace(task, probes=probes)


# ----------------------------------------------------------------------- files that are no notebook


def _bomb() -> bytes:
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("notebook.ipynb", b'{"cells": [' + bytes(30_000_000))
    return packed.getvalue()


def _climbing() -> bytes:
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        for name in ("../../climbed.ipynb", "/climbed.ipynb", "a/../../../climbed.ipynb"):
            archive.writestr(name, RIGHT)
    return packed.getvalue()


def _symlink(folder: Path, target: Path) -> None:
    (folder / "small.ipynb").symlink_to(target)


def _hard_link(folder: Path, target: Path) -> None:
    os.link(target, folder / "small.ipynb")


def _pipe(folder: Path, _target: Path) -> None:
    os.mkfifo(folder / "small.ipynb")


def _folder(folder: Path, _target: Path) -> None:
    (folder / "small.ipynb").mkdir()


def _socket(folder: Path, _target: Path) -> None:
    with socket.socket(socket.AF_UNIX) as one, contextlib.chdir(folder):
        one.bind("small.ipynb")


def _bomb_file(folder: Path, _target: Path) -> None:
    (folder / "small.zip").write_bytes(_bomb())


def _climbing_file(folder: Path, _target: Path) -> None:
    (folder / "small.zip").write_bytes(_climbing())


FILES = {
    "a symlink to the solution": _symlink,
    "a hard link to the solution": _hard_link,
    "a pipe": _pipe,
    "a folder": _folder,
    "a socket": _socket,
    "a zip bomb": _bomb_file,
    "a zip that climbs": _climbing_file,
}


@pytest.mark.parametrize("name", FILES)
def test_a_file_that_is_no_notebook_earns_nothing(name, tmp_path, court, host, before):
    solution = tmp_path / "solution.ipynb"
    solution.write_bytes(small.solution())
    place = tmp_path / "submitted"
    for student in ("ann", "mallory"):
        (place / student / "small").mkdir(parents=True)
    (place / "ann" / "small" / "small.ipynb").write_bytes(RIGHT)
    FILES[name](place / "mallory" / "small", solution)
    found: list[submissions.Intake] = []
    thread = threading.Thread(
        target=lambda: found.append(submissions.find(place, "small", tmp_path / "work")),
        daemon=True,
    )
    thread.start()
    thread.join(GIVE_UP)
    assert found, "it waits for ever"
    grades = {
        one.student: court.grade(
            one.path.read_bytes() if one.path else None, one.student, problem=one.problem or ""
        ).record
        for one in found[0].submissions
    }
    assert grades["mallory"].points == 0
    assert {task.verdict for task in grades["mallory"].tasks} <= {"missing", "refused"}
    assert grades["mallory"].flags
    assert records.encode(grades["ann"]) == before
    assert solution.read_bytes() == small.solution()
    assert not list(tmp_path.parent.rglob("climbed*"))
    host.assert_untouched()
