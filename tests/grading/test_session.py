"""A class from its folder to its grades: resume, workers, executors, lateness, the command."""

from __future__ import annotations

import contextlib
import csv
import dataclasses
import itertools
import json
import os
import signal
import subprocess
import sys
import threading
import zipfile
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import psutil
import pytest
import small_exercise
from waiting import GIVE_UP, all_end, started, until

from cvlab.checking import wire
from cvlab.classroom import cli
from cvlab.classroom.grading import session, watch
from cvlab.classroom.grading.box import isolation, replay, zygote
from cvlab.classroom.grading.box.replay import Policy
from cvlab.classroom.grading.box.zygote import Box, Zygote
from cvlab.classroom.grading.intake import tasks
from cvlab.classroom.grading.intake.tasks import Exercise, ExerciseError
from cvlab.classroom.grading.report.exports import Late
from cvlab.classroom.grading.report.journal import JournalError, load
from cvlab.classroom.grading.session import Options
from cvlab.classroom.grading.verdict.references import JudgeError

pytestmark = [
    pytest.mark.skipif(sys.platform != "linux", reason="boxes need Linux"),
    pytest.mark.slow,
    pytest.mark.usefixtures("walls"),
]
WRONG_AXIS = (
    "def row_means(x):\n    if x.ndim != 2:\n        raise ValueError\n    return x.mean(0)"
)
ANSWERS = {
    "ada": {},
    "bob": {"row_means": WRONG_AXIS},
    "cleo": {"softmax": "import os\nos._exit(1)"},
    "dan": {"halves": "def halves(n, rng):\n    while True: pass"},
    "eve": {"softmax": "def softmax(x):\n    raise KeyError"},
}
#: The same points without waiting for the end of the endless loop, where that is not the question.
QUICK = ANSWERS | {"dan": {"halves": "def halves(n, rng):\n    raise KeyError"}}
POINTS = {"ada": 10, "bob": 6, "cleo": 6, "dan": 8, "eve": 6, "fay": 0}
POLICY = Policy(cell_seconds=60, total_seconds=300)  # nobody is late on a busy machine


class Kept:
    """A zygote that several runs share, so that not each of them has to start one."""

    def __init__(self, zygote: Zygote) -> None:
        self.zygote = zygote
        self.box, self.alive = zygote.box, zygote.alive

    def stop(self) -> None:
        """Go on."""


@pytest.fixture(scope="module")
def kept():
    """What makes boxes for the small exercise."""
    setup = tasks.parse(small_exercise.solution(), "small").setup
    with Zygote(setup) as zygote:
        yield lambda *_walls: lambda _exercise: Kept(zygote)


@pytest.fixture
def shared(kept, monkeypatch):
    """Let runs of this process share a zygote."""
    monkeypatch.setattr(session, "place", kept)


@pytest.fixture
def a_class(tmp_path):
    """A folder of six notebooks, one of them no notebook, and the solution."""
    folder = tmp_path / "handed in"
    folder.mkdir()
    hand_in(folder, QUICK)
    (folder / "fay.ipynb").write_text("{")
    solution = tmp_path / "small.ipynb"
    solution.write_bytes(small_exercise.solution())
    return Options(folder, solution, tmp_path / "grades", seed=5, workers=2, policy=POLICY)


@pytest.fixture
def with_a_loop(a_class):
    """The same, with an answer that never ends, and less time for it than is usual."""
    hand_in(a_class.place, ANSWERS)
    brief = small_exercise.solution().replace(b"points=1, hint=", b"points=1, seconds=1, hint=")
    assert brief.count(b"seconds=1") == 3
    a_class.solution.write_bytes(brief)
    return a_class


def hand_in(folder: Path, answers: dict[str, dict[str, str]]) -> None:
    for name, theirs in answers.items():
        notebook = small_exercise.data(small_exercise.student(**theirs))
        (folder / f"{name}.ipynb").write_bytes(notebook)


def change(options: Options, **choices) -> Options:
    return Options(**(vars(options) | choices))


def points(options: Options) -> dict[str, float]:
    return {record.student: record.points for record in load(options.out / "grades.jsonl")}


@pytest.mark.usefixtures("shared")
def test_the_class_page_shows_whose_answers_are_alike_and_no_grade_depends_on_it(a_class):
    """Two have the same detour under other names; two have the solution, which belongs to all."""
    detour = "".join(f"    {{0}} = [{{1}}, {number}]\n" for number in range(20))
    for name, words in {"gil": ("kept", "x"), "<hal>": ("mine", "x")}.items():
        answer = small_exercise.RIGHT["softmax"].replace(
            "    return", f"{detour.format(*words)}    return"
        )
        hand_in(a_class.place, {name: {"softmax": answer}})
    session.run(a_class, print)
    page = (a_class.out / "class.html").read_text()
    alike = page.partition("Alike")[2].partition("</table>")[0]
    names = [name for name in ("ada", "bob", "eve", "gil", "&lt;hal&gt;") if name in alike]
    assert names == ["gil", "&lt;hal&gt;"]
    assert "<td>softmax</td>" in alike
    assert points(a_class) == POINTS | {"gil": 10, "hal": 10}
    for student in (a_class.out / "students").iterdir():
        assert "Alike" not in student.read_text()


@pytest.mark.usefixtures("shared")
def test_what_arrives_in_a_watched_folder_is_graded_and_the_best_is_kept(tmp_path, a_class):
    """One hands in, another one joins, both hand in something else, one once more."""
    place = tmp_path / "arriving"
    place.mkdir()
    solved, worse, crash = {}, {"row_means": WRONG_AXIS}, {"softmax": "import os\nos._exit(1)"}
    versions = iter([{"bob": crash}, {"ann": worse, "bob": worse}, {"bob": solved}])
    seen, said = [], []

    def told(outcome):
        seen.append((outcome.graded, points(options)))
        step = next(versions, None)
        if step is None:
            raise KeyboardInterrupt
        hand_in(place, step)

    def say(line):
        said.append(line)
        if len(said) == 1:  # the folder is empty at first
            hand_in(place, {"ann": solved})

    options = change(a_class, place=place, out=tmp_path / "kept", keep="best")
    with pytest.raises(KeyboardInterrupt):
        watch.watch(options, say, told, 0.05)
    assert seen == [
        (1, {"ann": 10}),
        (1, {"ann": 10, "bob": 6}),
        (2, {"ann": 10, "bob": 6}),
        (1, {"ann": 10, "bob": 10}),
    ]
    assert said[0].startswith("cvlab: "), "what is wrong with an empty folder"
    page = (options.out / "class.html").read_text()
    assert "attempt 3" in page
    assert "attempt 2" not in page, "Ann's first version counts"
    # Without the wish the newest counts, and with it again the best.
    session.run(change(options, keep="newest"), said.append)
    assert points(options) == {"ann": 6, "bob": 10}
    session.run(options, said.append)
    assert points(options) == {"ann": 10, "bob": 10}


@pytest.mark.usefixtures("shared")
def test_the_best_is_what_is_worth_most_after_what_lateness_costs(tmp_path, a_class):
    place, due = tmp_path / "submitted" / "ann" / "small", datetime(2030, 3, 1, 12, tzinfo=UTC)
    place.mkdir(parents=True)
    options = change(
        a_class, place=tmp_path / "submitted", out=tmp_path / "kept", due=due, keep="best"
    )

    def grade(answers, late_by, share):
        (place / "small.ipynb").write_bytes(small_exercise.data(small_exercise.student(**answers)))
        (place / "timestamp.txt").write_text((due + late_by).isoformat())
        session.run(change(options, late=Late(share)), print)
        (row,) = _table(options.out / "grades.csv")
        return float(row["grade"])

    hour = timedelta(hours=1)
    assert grade({"row_means": WRONG_AXIS}, -hour, 0.5) == 6
    assert grade({}, hour, 0.5) == 6, "10 less 5 are fewer than 6"
    assert grade({}, hour, 0.1) == 9


def test_a_look_sees_what_comes_goes_and_changes_but_not_the_grades(tmp_path):
    place, out = tmp_path / "place", tmp_path / "place" / "grades"
    out.mkdir(parents=True)
    states = [watch.look(place, out)]
    (place / "a.ipynb").write_text("1")
    states.append(watch.look(place, out))
    (place / "a.ipynb").write_text("12")
    states.append(watch.look(place, out))
    (place / "ann").mkdir()
    (place / "a.ipynb").rename(place / "ann" / "a.ipynb")
    states.append(watch.look(place, out))
    assert len(set(states)) == 4
    (out / "grades.csv").write_text("x")
    assert watch.look(place, out) == states[-1]
    assert len(watch.look(place / "ann" / "a.ipynb", out)) == 1
    assert watch.look(tmp_path / "nothing", out) == ()


def test_a_class_gets_its_grades_and_every_file(with_a_loop):
    said: list[str] = []
    outcome = session.run(with_a_loop, said.append)
    assert points(with_a_loop) == POINTS
    assert outcome.graded == 6
    assert "3 tasks, 10 points, seed 5; 6 students in a folder" in said[0]
    names = {path.name for path in with_a_loop.out.iterdir()}
    assert names == {
        *("grades.csv", "grades.jsonl", "canvas.csv", "junit.xml", "journal.jsonl", "times.csv"),
        *("class.html", "students", "gradescope", ".secret"),
    }
    assert len(list((with_a_loop.out / "students").iterdir())) == 6
    rows = {row["student"]: row for row in _table(with_a_loop.out / "grades.csv")}
    assert rows["bob"]["row-means"] == "0.00"
    assert "cut off" in rows["fay"]["flags"]
    assert "Slowest" in (with_a_loop.out / "class.html").read_text()
    assert all(Path(path).exists() for path in outcome.files)


def _table(path: Path) -> list[dict[str, str]]:
    """Read a table as spreadsheets do; the mark at its beginning is what Excel goes by."""
    with path.open(encoding="utf-8-sig", newline="") as file:
        return list(csv.DictReader(file))


@pytest.mark.usefixtures("shared")
def test_before_the_first_is_graded_it_is_said_what_takes_so_long(a_class, monkeypatch):
    """In a pipe, as on a terminal; here nothing is graded before the line is there."""
    monkeypatch.setattr(session, "REASSURE_SECONDS", 0.01)
    only, said = change(a_class, place=a_class.place / "ada.ipynb"), []
    heard = threading.Event()

    class Later(ThreadPoolExecutor):
        def submit(self, function, *arguments):
            return super().submit(lambda: heard.wait(GIVE_UP) and function(*arguments))

    def say(line):
        said.append(line)
        if "none of 1 graded yet: libraries" in line:
            heard.set()

    with Later(1) as executor:
        session.run(only, say, executor)
    assert points(only) == {"ada": 10}
    assert "  1 of 1 graded" in said


def test_torch_is_imported_beforehand_for_whoever_names_it_and_nobody_else(monkeypatch):
    """To import it takes seconds; a student's own must not depend on what others hand in."""
    monkeypatch.delenv("CVLAB_LIBRARIES", raising=False)
    made = []

    class Known:
        def __init__(self, exercise, _seed, _policy, place):
            self.place = place(exercise)

        def grade(self, *_submission, **_words):
            return self.place

        def stop(self):
            pass

    def make(_setup, environment, **_walls):
        made.append(environment["CVLAB_LIBRARIES"].split())
        return len(made)

    monkeypatch.setattr(session, "Judge", Known)
    monkeypatch.setattr(session, "Zygote", make)
    used = (b"", b"import torch", b"", b"import torch", b"import torchvision", b"torch.optim.SGD")
    used += (
        b"import scipy, torch",
        b"from cvlab import check, plot",
        b"import sklearn",
        b"x.fit(y)",
    )
    answer = small_exercise.data(small_exercise.student(softmax="ANSWER")).replace(b"torch", b"np")
    solution = small_exercise.solution().replace(b"torch", b"np")
    words = {"student": "ada", "name": "Ada", "late": False, "problem": ""}
    job = session.Job(solution, "small", 5, POLICY, "zygote", b"", **words)
    try:
        data = [answer.replace(b"ANSWER", each) for each in used]
        whose = [session.work(dataclasses.replace(job, data=each)) for each in data]
    finally:
        session.dismiss()
    assert whose == [1, 2, 1, 2, 3, 4, 5, 6, 6, 1]
    heavy = [{name.split(".")[0] for name in each if name.startswith("torch")} for each in made]
    assert heavy == [set(), {"torch"}, {"torch", "torchvision"}, {"torch"}, {"torch"}, set()]
    dynamo = ["torch._dynamo" in each for each in made]
    assert dynamo == [False, False, True, True, False, False]
    others = [{"sklearn.svm", "scipy.stats", "matplotlib.pyplot"} <= set(each) for each in made]
    assert others == [False, False, False, False, True, True]
    assert all("numpy" in each for each in made)


def test_whatever_is_named_there_are_eight_choices_of_libraries():
    words = (b"torch", b"torch torchvision", b"torch.optim", b"optim", b"scipy", b"cvlab.scenes")
    words += (b"cvlab.setup()", b"from cvlab import check", b"from cvlab import (", b".fit(x)")
    words += (b"from cvlab import data as d, train",)
    named = itertools.product((b"", b"scipy\n"), itertools.combinations_with_replacement(words, 2))
    found = {zygote.libraries(first, b"\n".join(pair)) for first, pair in named}
    assert len(found) == 8
    assert "torch" in zygote.libraries(b"from cvlab import data as d, train")
    for one in found:
        assert ("torchvision" in one) <= ("torch._dynamo" in one) <= ("torch" in one)
        assert ("cv2" in one) == ("sklearn.svm" in one) == ("ipywidgets" in one)


def test_a_second_run_grades_only_what_is_new(a_class, shared):
    session.run(a_class, lambda _line: None)
    before = (a_class.out / "grades.jsonl").read_bytes()
    said: list[str] = []
    assert session.run(change(a_class, seed=None), said.append).graded == 0
    assert "6 of them graded before" in said[0]
    assert "seed 5" in said[0]  # that of the journal
    assert (a_class.out / "grades.jsonl").read_bytes() == before
    better = small_exercise.data(small_exercise.student())
    (a_class.place / "bob.ipynb").write_bytes(better)
    assert session.run(a_class, lambda _line: None).graded == 1
    assert points(a_class) == POINTS | {"bob": 10}


def test_each_version_of_a_student_is_an_attempt(a_class, shared):
    """Counted for each student alone, over runs, and not for what was graded before."""

    def attempts() -> dict[str, int]:
        session.run(a_class, lambda _line: None)
        return {record.student: record.attempt for record in load(a_class.out / "grades.jsonl")}

    def hands_in(who: str, **answers: str) -> None:
        hand_in(a_class.place, {who: answers})

    for name in ("cleo", "dan", "eve", "fay"):
        (a_class.place / f"{name}.ipynb").unlink()
    assert attempts() == {"ada": 0, "bob": 0}
    hands_in("bob")
    assert attempts() == {"ada": 0, "bob": 1}
    hands_in("bob", softmax="def softmax(x): return x")
    hands_in("ada", softmax="def softmax(x): return x")
    assert attempts() == {"ada": 1, "bob": 2}
    hands_in("bob", row_means=WRONG_AXIS)  # the first one again
    assert attempts() == {"ada": 1, "bob": 2}
    assert points(a_class)["bob"] == POINTS["bob"]


def test_another_seed_is_another_run(a_class, shared):
    few = change(a_class, place=a_class.place / "ada.ipynb")
    session.run(few, lambda _line: None)
    with pytest.raises(ValueError, match=r"begun with another seed .*choose another --out"):
        session.run(change(few, seed=6), lambda _line: None)
    again = change(few, seed=6, resume=False)
    assert session.run(again, lambda _line: None).graded == 1
    assert (a_class.out / "journal.1.jsonl").exists()
    # Without a seed nobody can guess it.
    seeds = set()
    for name in ("x", "y"):
        fresh = change(few, seed=None, out=few.out / name)
        session.run(fresh, lambda _line: None)
        seeds.add(json.loads((fresh.out / "journal.jsonl").open().readline())["seed"])
    assert len(seeds) == 2


def test_workers_and_processes_give_the_same_bytes(with_a_loop, shared):
    made = {}
    for workers in (1, 4):
        options = change(with_a_loop, workers=workers, out=with_a_loop.out / str(workers))
        session.run(options, lambda _line: None)
        made[workers] = (options.out / "grades.jsonl").read_bytes()
    with ProcessPoolExecutor(2, get_context("spawn")) as pool:
        options = change(with_a_loop, out=with_a_loop.out / "processes")
        session.run(options, lambda _line: None, pool)
        made["processes"] = (options.out / "grades.jsonl").read_bytes()
    assert len(set(made.values())) == 1


def test_a_dask_cluster_gives_the_same_bytes(a_class, shared):
    distributed = pytest.importorskip("distributed")
    session.run(change(a_class, out=a_class.out / "here"), lambda _line: None)
    with distributed.LocalCluster(2, threads_per_worker=1, dashboard_address=None) as cluster:
        address = cluster.scheduler_address
        session.run(
            change(a_class, out=a_class.out / "dask", scheduler=address), lambda _line: None
        )
    here, there = ((a_class.out / name / "grades.jsonl").read_bytes() for name in ("here", "dask"))
    assert here == there


def test_a_second_grader_leaves_the_first_alone(a_class, shared):
    """It neither takes away the copies that are being graded, nor puts the journal aside."""
    said = []

    def meddle(line: str) -> None:
        if not said and "tasks" in line:
            for resume in (True, False):
                with pytest.raises(session.SessionError, match="is in use by another grader"):
                    session.run(change(a_class, resume=resume), said.append)
            said.append("met")

    assert session.run(a_class, meddle).graded == len(POINTS)
    assert said == ["met"]


@pytest.mark.parametrize("resume", [True, False])
def test_a_folder_keeps_its_seed(a_class, shared, resume):
    free = change(a_class, seed=None)
    session.run(free, lambda _line: None)
    first = json.loads((a_class.out / "journal.jsonl").read_text().splitlines()[0])["seed"]
    session.run(change(free, resume=resume), lambda _line: None)
    again = json.loads((a_class.out / "journal.jsonl").read_text().splitlines()[0])["seed"]
    assert first == again
    assert (a_class.out / "journal.1.jsonl").exists() != resume


def test_a_place_that_cannot_be_written_is_one_sentence(a_class):
    a_class.out.mkdir(parents=True)
    (a_class.out / "file").write_text("")
    for out in (a_class.out / "file", a_class.out / "file" / "below"):
        with pytest.raises(JournalError, match=r"cannot write to .*; check the folder"):
            session.run(change(a_class, out=out), lambda _line: None)


def test_no_scheduler_is_one_sentence(a_class, shared):
    with pytest.raises(session.SessionError, match=r"there is no Dask scheduler at .*start one"):
        session.run(change(a_class, scheduler="tcp://127.0.0.1:9"), lambda _line: None)
    assert points_of_journal(a_class) == {}


def points_of_journal(options: Options) -> dict[str, float]:
    lines = (options.out / "journal.jsonl").read_text().splitlines()[1:]
    return {json.loads(line)["student"]: 0 for line in lines}


#: A run whose judges grade so many submissions and are in the middle of the next ones ever after.
RUN = """
import os, sys, threading
from pathlib import Path
from cvlab.classroom.grading import session
from cvlab.classroom.grading.box.replay import Policy
from cvlab.classroom.grading.box.zygote import ZygoteError

place, solution, out = map(Path, sys.argv[1:4])
turns = threading.Semaphore(int(sys.argv[4]))

class Halting(session.Judge):
    def __init__(self, *arguments):
        self.stopped = threading.Event()
        super().__init__(*arguments)

    def grade(self, *arguments, **options):
        if turns.acquire(blocking=False):
            return super().grade(*arguments, **options)
        with self.place.box():
            os.write(1, b"halted\\n")  # in one piece: print has two, and two threads write
            self.stopped.wait()
        raise ZygoteError("it was stopped.")

    def stop(self):
        super().stop()
        self.stopped.set()

session.Judge = Halting
policy = Policy(cell_seconds=CELL, total_seconds=TOTAL)
options = session.Options(place, solution, out, seed=5, workers=2, policy=policy)
session.run(options, lambda line: None)
""".replace("CELL", str(POLICY.cell_seconds)).replace("TOTAL", str(POLICY.total_seconds))


def begin(options: Options, out: Path, graded: int) -> contextlib.AbstractContextManager:
    command = [sys.executable, "-c", RUN, options.place, options.solution, out, graded]
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.STDOUT, "text": True}
    return started(command, **pipes)


@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGINT])
def test_a_grader_that_is_stopped_goes_on_to_the_same_bytes(a_class, how, shared):
    for number in range(12):
        answers = ANSWERS["bob"] if number % 3 else {}
        notebook = small_exercise.data(small_exercise.student(**answers))
        (a_class.place / f"more{number}.ipynb").write_bytes(notebook)
    whole = change(a_class, out=a_class.out / "whole")
    session.run(whole, lambda _line: None)
    out, kept = a_class.out / "stopped", 8
    with begin(a_class, out, kept) as process:
        assert [process.stdout.readline() for _ in range(2)] == ["halted\n"] * 2  # both workers
        assert until(lambda: lines(out / "journal.jsonl") == 1 + kept)
        children = psutil.Process(process.pid).children(recursive=True)
        assert len(children) > 2  # boxes, too
        process.send_signal(how)
        process.communicate(timeout=GIVE_UP)
    assert process.returncode != 0
    assert all_end(children)
    assert lines(out / "journal.jsonl") == 1 + kept
    assert not (out / "grades.jsonl").exists()
    outcome = session.run(change(a_class, out=out), lambda _line: None)
    assert outcome.graded == 18 - kept
    for name in ("grades.jsonl", "grades.csv", "junit.xml"):
        assert (out / name).read_bytes() == (whole.out / name).read_bytes()
    assert not (out / ".submissions").exists()


def lines(path: Path) -> int:
    return path.read_bytes().count(b"\n")


def test_who_waited_in_vain_is_graded_again_alone(a_class, shared, monkeypatch):
    busy, turns, at_work, lock = {"ada", "eve"}, [], [], threading.Lock()

    class Crowded(session.Judge):
        """Finds no time for some at first, and notes who is graded beside whom."""

        def grade(self, data, student, *arguments, **options):
            with lock:
                at_work.append(student)
                turns.append((student, tuple(at_work)))
            try:
                graded = super().grade(data, student, *arguments, **options)
            finally:
                with lock:
                    at_work.remove(student)
            first = sum(who == student for who, _ in turns) == 1
            if student in busy and first:
                nothing = dataclasses.replace(graded.record, tasks=())
                return dataclasses.replace(graded, record=nothing, starved=True)
            return graded

    monkeypatch.setattr(session, "Judge", Crowded)
    session.run(a_class, lambda _line: None)
    assert points(a_class) == POINTS
    assert {who for who, _ in turns[-2:]} == busy
    assert all(together == (who,) for who, together in turns[-2:])
    found = {record.student: record.flags for record in load(a_class.out / "grades.jsonl")}
    assert {student for student, flags in found.items() if session.TWICE in flags} == busy


def test_a_grader_that_is_terminated_leaves_no_copies_and_says_so(a_class):
    command = [sys.executable, "-c", TERMINATED, a_class.place, a_class.solution, a_class.out]
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.STDOUT, "text": True}
    with started(command, **pipes) as process:
        assert any(line == "halted\n" for line in process.stdout)
        assert (a_class.out / ".submissions").exists()
        process.terminate()
        said = process.communicate(timeout=GIVE_UP)[0]
    assert process.returncode == 128 + signal.SIGTERM
    assert "stopped; what was finished is kept" in said
    assert not (a_class.out / ".submissions").exists()


#: The command, with judges that never come to an end.
TERMINATED = """
import os, sys, threading
from cvlab.classroom import cli
from cvlab.classroom.grading import session

class Halting:
    def __init__(self, *arguments):
        self.stopped = threading.Event()

    def grade(self, *arguments, **options):
        os.write(1, b"halted\\n")  # in one piece: print has two, and two threads write
        self.stopped.wait()
        raise session.ZygoteError("it was stopped.")

    def stop(self):
        self.stopped.set()

session.Judge = Halting
place, solution, out = sys.argv[1:]
sys.exit(cli.main(["grade", place, "--exercise", solution, "--out", out]))
"""


def halting(made: list[Any], until_then: threading.Event | None = None) -> type:
    """Return judges that note themselves and fail when stopped, or at an event after that."""

    class Halting:
        def __init__(self, *_arguments):
            self.stopped = threading.Event()
            made.append(self)

        def grade(self, *_arguments, **_options):
            self.stopped.wait()
            if until_then:
                until_then.wait(GIVE_UP)
            raise session.ZygoteError("it was stopped.")

        def stop(self):
            self.stopped.set()

    return Halting


def test_who_is_on_the_way_to_a_worker_when_the_grader_is_stopped_gets_no_judge(
    a_class, monkeypatch
):
    """A signal may come when a job has been handed over and nobody has noted that."""
    made, submitted = [], []

    class Interrupted(ThreadPoolExecutor):
        def submit(self, *arguments):
            future = super().submit(*arguments)
            assert until(lambda: made)  # the first one's; the second waits for the only thread
            submitted.append(future)
            if len(submitted) == 2:
                raise KeyboardInterrupt
            return future

    monkeypatch.setattr(session, "Judge", halting(made))
    monkeypatch.setattr(session, "ThreadPoolExecutor", Interrupted)
    with pytest.raises(KeyboardInterrupt):
        session.run(change(a_class, workers=1), lambda _line: None)
    assert [one.stopped.is_set() for one in made] == [True]


@pytest.mark.parametrize("late", ["in its judge", "before it has one"])
def test_a_worker_whose_start_was_interrupted_ends_with_the_run(a_class, monkeypatch, late):
    """Such a thread is known to nobody, and nobody waits for it."""
    made, threads, over = [], [], threading.Event()
    start, libraries = threading.Thread.start, session.zygote.libraries

    def interrupted(self):
        start(self)
        if self.name.startswith("judge"):
            threads.append(self)
            assert late == "before it has one" or until(lambda: made)
            raise KeyboardInterrupt

    def delayed(*arguments):
        assert late == "in its judge" or over.wait(GIVE_UP)
        return libraries(*arguments)

    monkeypatch.setattr(session, "Judge", halting(made, over))
    monkeypatch.setattr(threading.Thread, "start", interrupted)
    monkeypatch.setattr(session.zygote, "libraries", delayed)
    with pytest.raises(KeyboardInterrupt):
        session.run(a_class, lambda _line: None)
    over.set()
    (thread,) = threads
    try:
        assert until(lambda: not thread.is_alive())
    finally:
        session.dismiss()
    assert [one.stopped.is_set() for one in made] == [True] * (late == "in its judge")


def test_a_box_maker_that_dies_costs_nobody_a_grade(a_class, monkeypatch):
    """As when the machine runs out of memory and its kernel picks a victim."""
    (a_class.place / "unlucky.ipynb").write_bytes(
        small_exercise.data(small_exercise.student(row_means=RIGHT_MEANS))
    )
    only = change(a_class, place=a_class.place / "unlucky.ipynb", workers=1)
    made: list[Zygote] = []
    place, ask, asked = session.place, replay.ask, []

    def recorded(*walls: str) -> Callable[[Exercise], Zygote]:
        def make(exercise: Exercise) -> Zygote:
            made.append(place(*walls)(exercise))
            return made[-1]

        return make

    def ask_or_die(box: Box, request: dict[str, Any], *more: Any) -> replay.Reply:
        """Where the student's cell comes, the maker dies while the box is at work on it."""
        if request.get("cell") == RIGHT_MEANS:
            asked.append(request)
            if len(asked) == 1:
                wire.write_message(box.link, json.dumps({"cell": "while True: pass"}).encode())
                made[0].process.kill()
        return ask(box, request, *more)

    monkeypatch.setattr(session, "place", recorded)
    monkeypatch.setattr(replay, "ask", ask_or_die)
    session.run(only, lambda _line: None)
    assert len(made) == len(asked) == 2
    assert points(only) == {"unlucky": 10}


RIGHT_MEANS = small_exercise.RIGHT["row-means"]


def test_platforms_get_their_own_numbers_back(a_class, tmp_path, shared):
    """Moodle's participants and Canvas's users, whatever the roster calls the students."""
    ada = small_exercise.data(small_exercise.student())
    roster = tmp_path / "roster.csv"
    roster.write_text("id,name,email\nada7,Ada Lovelace,ada@x.org\nzoe1,Zoë Nil,zoe@x.org\n")
    names = {
        "moodle": "Ada Lovelace_101_assignsubmission_file_/small.ipynb",
        "canvas": "lovelaceada_101_9001_small.ipynb",
    }
    found = {}
    for layout, name in names.items():
        archive = tmp_path / f"{layout}.zip"
        with zipfile.ZipFile(archive, "w") as made:
            made.writestr(name, ada)
        options = change(a_class, place=archive, roster=roster, out=a_class.out / layout)
        session.run(options, lambda _line: None)
        table = options.out / f"{layout}.csv"
        found[layout] = list(csv.reader(table.open(encoding="utf-8")))
    assert [row[0] for row in found["moodle"]] == ["Identifier", "Participant 101"]
    assert found["moodle"][1][3] == "10.00"
    by_name = {row[0]: row for row in found["canvas"]}
    assert by_name["Ada Lovelace"][1:3] == ["101", ""]
    assert by_name["Zoë Nil"][1:3] == ["", "zoe1"]
    assert not (a_class.out / "canvas" / "moodle.csv").exists()


def test_nobody_else_on_the_machine_can_read_grades(a_class, shared):
    options = change(a_class, out=a_class.out / "new" / "grades")
    mask = os.umask(0)
    try:
        session.run(options, lambda _line: None)
        session.run(options, lambda _line: None)
    finally:
        os.umask(mask)
    made = [options.out, *options.out.rglob("*")]
    assert {path.name for path in made} > {"grades.jsonl", "grades.csv", "class.html", "students"}
    assert [path for path in made if path.stat().st_mode & 0o77] == []


def test_pages_have_names_that_nobody_can_guess(a_class, shared):
    pages = set()
    for name in ("one", "two", "one"):
        options = change(a_class, place=a_class.place / "ada.ipynb", out=a_class.out / name)
        session.run(options, lambda _line: None)
        pages |= {path.name for path in (options.out / "students").iterdir()}
        assert (options.out / ".secret").exists()
    assert len(pages) == 2
    assert all(len(page) > 32 for page in pages)


def test_a_deadline_takes_points_and_moves_without_a_new_grading(a_class, tmp_path, shared):
    only = change(a_class, place=a_class.place / "ada.ipynb")
    session.run(only, lambda _line: None)
    found = session.submissions.find(only.place, "small", tmp_path / "w").submissions[0]
    handed_in = found.submitted or datetime(2030, 1, 1, tzinfo=UTC)
    one = type(found)(**(vars(found) | {"submitted": handed_in}))
    due = datetime.fromtimestamp(handed_in.timestamp() - 90_000, UTC)
    assert session.days_late(one, change(only, due=due)) == 2
    assert session.days_late(one, change(only, due=due, late=Late(grace=26))) == 0
    assert session.days_late(one, change(only, due=handed_in)) == 0


def test_nothing_to_grade_with_is_said_before_anything_runs(a_class, tmp_path, monkeypatch, shared):
    bare = json.loads(small_exercise.solution())
    bare["cells"] = [cell for cell in bare["cells"] if not cell["metadata"].get("tags")]
    path = tmp_path / "bare.ipynb"
    path.write_text(json.dumps(bare))
    with pytest.raises(JudgeError, match="row-means, halves, softmax has no probe"):
        session.run(change(a_class, solution=path), lambda _line: None)
    with pytest.raises(ExerciseError, match="cannot read"):
        session.run(change(a_class, solution=tmp_path / "no.ipynb"), lambda _line: None)
    walls = {"own user, PID, network, IPC and mount namespaces": "not permitted."}
    monkeypatch.setattr(isolation, "doctor", lambda: walls)
    from cvlab.classroom.grading.box import bubblewrap

    monkeypatch.setattr(bubblewrap, "available", lambda: "there is no bwrap.")
    with pytest.raises(session.SessionError, match=r"cannot keep students' code in .*Nothing was"):
        session.run(a_class, lambda _line: None)
    assert session.choose_walls(unsafe=True)[0] == "none"
    monkeypatch.setattr(bubblewrap, "available", lambda: None)
    assert session.choose_walls()[0] == "bubblewrap"


def test_without_walls_grades_are_the_same_and_nothing_is_left(with_a_loop, monkeypatch):
    before = zygotes()
    session.run(change(with_a_loop, out=with_a_loop.out / "walls"), lambda _line: None)
    monkeypatch.setattr(session, "choose_walls", lambda unsafe: ("none", "no walls"))
    said: list[str] = []
    session.run(change(with_a_loop, out=with_a_loop.out / "none", unsafe=True), said.append)
    assert said[0] == "no walls"
    made = [(with_a_loop.out / name / "grades.jsonl").read_bytes() for name in ("walls", "none")]
    assert made[0] == made[1]
    assert zygotes() == before


def test_the_command(a_class, capsys):
    words = ["grade", str(a_class.place), "--exercise", str(a_class.solution)]
    words += ["--out", str(a_class.out), "--seed", "5", "--cell-seconds", "5"]
    assert cli.main(words) == 0
    printed = capsys.readouterr().out
    assert "6 graded in" in printed
    assert "of 10 points" in printed
    assert points(a_class) == POINTS


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (["grade"], "SUBMISSIONS, --exercise and --out are missing"),
        (["grade", ".", "--exercise", "99_none", "--out", "x"], "there is no exercise '99_none'"),
        (["grade", "nowhere", "--exercise", "01_knn", "--out", "x"], "there is no nowhere"),
        (["exercises", "99_none"], "there is no exercise '99_none'; there are 01_knn"),
    ],
)
def test_a_command_that_cannot_be_says_why(words, sentence, capsys):
    assert cli.main(words) == 1
    assert sentence in capsys.readouterr().out


@pytest.mark.parametrize(
    "words",
    [
        ["--due", "soon"],
        ["--due", "2030-03-15"],  # midnight, as that day begins?
        ["--late", "2"],
        ["--workers", "0"],
        ["--cell-seconds", "0"],
    ],
)
def test_a_word_that_makes_no_sense_is_refused(words, capsys):
    with pytest.raises(SystemExit):
        cli.main(["grade", ".", *words])
    said = capsys.readouterr().err
    assert "is no" in said
    assert said.count("\n") == 1


def test_a_reader_that_goes_away_makes_no_noise():
    command = [sys.executable, "-c", "from cvlab.classroom import cli; cli.main(['grade'])"]
    read, write = os.pipe()
    os.close(read)
    done = subprocess.run(command, stdout=write, stderr=subprocess.PIPE, check=False)
    os.close(write)
    assert done.stderr == b""


def test_the_doctor(capsys):
    assert cli.main(["grade", "--doctor"]) == 0
    printed = capsys.readouterr().out
    assert "seccomp: yes" in printed
    assert "can be graded" in printed


def zygotes() -> set[int]:
    """Return the processes of this one that make boxes, and boxes."""
    found = set()
    for one in psutil.Process().children(recursive=True):
        with contextlib.suppress(psutil.Error):
            if "zygote" in " ".join(one.cmdline()):
                found.add(one.pid)
    return found
