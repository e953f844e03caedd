"""The judge: points, hints, replays, limits, rules, the referee, and always the same grades."""

from __future__ import annotations

import dataclasses
import json
import os
import random
import re
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
import pytest
import small_exercise as small
from conftest import ROOT
from waiting import GIVE_UP

from cvlab.classroom.grading.box import isolation, replay
from cvlab.classroom.grading.box.replay import Policy, Reply, Sitting, Watch
from cvlab.classroom.grading.box.zygote import Zygote
from cvlab.classroom.grading.intake import answers, ipynb, tasks
from cvlab.classroom.grading.report import records
from cvlab.classroom.grading.verdict import judge, referee
from cvlab.classroom.grading.verdict.judge import Judge
from cvlab.classroom.grading.verdict.references import JudgeError
from cvlab.classroom.grading.verdict.source import SubmissionCode

pytestmark = [
    pytest.mark.skipif(sys.platform != "linux", reason="boxes need Linux"),
    pytest.mark.slow,
    pytest.mark.usefixtures("walls"),
]
POLICY = Policy(cell_seconds=60.0, total_seconds=300.0)  # nobody is late on a busy machine
RIGHT = {task: ("right", float(small.POINTS[task])) for task in small.TASKS}


@pytest.fixture(scope="module")
def zygote() -> Iterator[Shared]:
    with Shared(["import numpy as np\nimport torch\n\nfrom cvlab import check"]) as one:
        yield one


class Shared(Zygote):
    """Boxes for several judges, none of which ends it."""

    def stop(self) -> None:
        """Stay."""

    def __exit__(self, *_error: object) -> None:
        Zygote.stop(self)


def made(zygote: Zygote, policy: Policy = POLICY, notebook: bytes | None = None) -> Judge:
    """Return a judge of the small exercise, or of another one."""
    exercise = tasks.parse(notebook or small.solution(), "small")
    return Judge(exercise, 5, policy, lambda _exercise: zygote)


@pytest.fixture(scope="module")
def court(zygote: Zygote) -> Iterator[Judge]:
    with made(zygote) as one:
        yield one


def with_cells(*cells: str, at: int = 1, **answers: str) -> bytes:
    """Return a notebook with more cells; those at -1 come last."""
    notebook = small.student(**answers)
    place = at if at >= 0 else len(notebook["cells"])
    notebook["cells"][place:place] = [small.cell(c, f"more-{n}") for n, c in enumerate(cells)]
    return small.data(notebook)


def graded(court: Judge, **answers: str) -> records.Record:
    return court.grade(small.data(small.student(**answers)), "ann").record


def verdicts(record: records.Record) -> dict[str, tuple[str, float]]:
    return {result.task: (result.verdict, result.points) for result in record.tasks}


def test_right_partial_wrong_and_missing_earn_exactly_this(court):
    record = graded(
        court,
        row_means="def row_means(x):\n    return x.mean(axis=-1)",
        halves="def halves(n, rng):\n    return np.arange(n // 2), np.arange(n // 2, n)",
        softmax="def softmax(x):\n    return x",
    )
    expected = {"row-means": ("partial", 3.0), "halves": ("partial", 1.0), "softmax": ("wrong", 0)}
    assert verdicts(record) == expected
    assert record.points == 4
    assert verdicts(graded(court)) == RIGHT
    assert court.grade(None, "ann").record.points == 0
    assert {r.verdict for r in court.grade(None, "ann").record.tasks} == {"missing"}


def test_reasons_and_hints(court):
    row_means, _, softmax = graded(
        court,
        row_means="def row_means(x):\n    return x.mean(axis=0)",
        softmax="def softmax(x):\n    raise KeyError(str(x))",
    ).tasks
    assert row_means.hint.startswith("Average over the columns.\nThe check in the notebook says: ")
    assert "axis 1" in row_means.hint
    assert (
        softmax.reason
        == "Called with the grader's input it stops with KeyError in line 2 of a cell."
    )
    assert "[[0., 0.]]" in softmax.hint  # the visible check's input, which is no secret
    silent = dataclasses.replace(POLICY, hints=False)
    with made(court.place, silent) as other:
        record = graded(other, softmax="def softmax(x):\n    raise KeyError(str(x))")
    assert record.tasks[2].hint == "Divide by the sum of the row."


def test_a_message_made_where_a_probe_has_been_is_not_shown(court):
    tainted = """
seen = []
def softmax(x):
    seen.append(float(x.ravel()[0]))
    class Mine(Exception):
        pass
    raise Mine(f"tainted by {seen}")
"""
    record = graded(court, softmax=tainted)
    assert verdicts(record)["softmax"] == ("error", 0)
    reason, hint = record.tasks[2].reason, record.tasks[2].hint
    assert reason == (
        "Called with the grader's input it stops with an exception of its own in line 6 of a cell."
    )
    assert "tainted by [0.0]" in hint  # of the check's zeros, in a box that has seen no probe


def test_what_a_function_chooses_by_its_input_is_not_shown(court):
    sized = "def softmax(x):\n    return np.zeros((0, int(1e5 * abs(x.ravel()[0]))))"
    (*_, result) = graded(court, softmax=sized).tasks
    assert result.reason == "What it returns: expected another shape."
    assert re.fullmatch(
        r"\w+: shape \(0, \d+\), expected another length along axis 0\.", result.detail
    )
    lined = """
def softmax(x):
    code = "\\n" * int(1e5 * abs(x.ravel()[0])) + "1 / 0"
    exec(compile(code, "<ipython-input-1>", "exec"))
"""
    (*_, result) = graded(court, softmax=lined).tasks
    assert result.reason == "Called with the grader's input it stops with ZeroDivisionError."


#: What a function returns by a number from 0 to 7 that it takes from its hidden input.
CHOICES = {
    "how many values are right": "y = np.exp(x) / np.exp(x).sum(-1, keepdims=True)\n"
    "    y.ravel()[: 1 + number] += 1\n    return y",
    "how many dimensions": "return np.zeros((1,) * (3 + number))",
    "which axis": "return np.zeros(x.shape)[number % 2 :]",
    "how long": "return np.zeros(number)",
    "which value": "return np.full(x.shape, number)",
}


@pytest.mark.parametrize("choice", CHOICES)
def test_a_page_says_the_same_whatever_a_function_chooses_by_its_input(court, choice):
    """The instructor's record says more."""
    told = set()
    for number in (0, 3, 7):
        answer = f"def softmax(x):\n    x = np.asarray(x)\n    number = {number}\n    "
        (*_, result) = graded(court, softmax=answer + CHOICES[choice]).tasks
        assert result.verdict == "wrong"
        told.add((result.reason, result.hint.split("\n")[0]))
        assert result.detail
        assert result.detail not in result.reason
    assert len(told) <= (2 if choice in ("which axis", "how long") else 1)  # also the right shape


def test_what_was_found_out_about_hidden_inputs_is_of_no_use_the_next_time(court):
    """Here an answer knows the first input that one attempt is asked with."""
    task = next(task for task in court.exercise.tasks if task.name == "softmax")
    probe = next(probe for probe in task.probes if probe.name == "small")
    for attempt in (0, 1):
        asked = court.examiner.of_attempt(attempt)
        seed = asked.seed_of(task, probe)
        known = np.random.default_rng(seed).normal(size=(3, 4))[0, 0]
        answer = (
            f"def softmax(x):\n    if abs(float(x[0, 0]) - {known!r}) < 1e-9:\n"
            "        return torch.softmax(x, dim=-1)\n    return 0 * x"
        )
        for now in (0, 1, 2):
            data = small.data(small.student(softmax=answer))
            record = court.grade(data, "ann", attempt=now).record
            assert record.attempt == now
            assert verdicts(record)["softmax"][1] == (2 if now == attempt else 0)
    assert verdicts(court.grade(small.data(small.student()), "bob", attempt=2).record) == RIGHT


def test_the_replay_leaves_out_the_guilty_cell(court):
    crash = "import os\nos._exit(3)"
    found = court.grade(with_cells("base = 1", crash, "base += 1"), "ann")
    assert verdicts(found.record) == RIGHT
    assert [(cell.index, cell.fate) for cell in found.cells if cell.role == "other"] == [
        (0, "passed"),
        (1, "passed"),
        (2, "crash"),
        (3, "passed"),
    ]
    assert found.boxes == 2
    assert found.record.flags == ("Cell 3 was ended: its process ended.",)


def test_definitions_that_a_later_cell_undoes_are_run_again(court):
    right = small.RIGHT["row-means"]
    wrong = "def row_means(x):\n    return 0"
    assert verdicts(court.grade(with_cells(wrong, at=-1), "ann").record) == RIGHT
    assert verdicts(court.grade(with_cells(wrong, at=1), "ann").record) == RIGHT
    record = court.grade(with_cells(right, at=-1, row_means=wrong), "ann").record
    assert verdicts(record)["row-means"][1] == 0


def test_the_total_of_seconds_bounds_the_time(zygote):
    policy = Policy(cell_seconds=0.6, total_seconds=2.0)
    with made(zygote, policy) as court:
        loops = ["while True:\n    pass"] * 9
        found = court.grade(with_cells(*loops), "ann")
    assert found.boxes <= 4  # each loop takes 0.6 s of 2
    assert {result.verdict for result in found.record.tasks} == {"timeout"}
    reason = "The notebook took longer than 2 seconds altogether."
    assert {result.reason for result in found.record.tasks} == {reason}
    assert all("seconds" not in flag or "0.6" in flag for flag in found.record.flags)


def test_the_memory_of_all_processes_together_is_watched(zygote):
    # Two such floods may take long to fill their memory on a busy machine, so nothing ends by time.
    policy = Policy(cell_seconds=500.0, total_seconds=550.0, memory_bytes=1_000_000_000)
    flood = """
import os, time
def halves(n, rng):
    os.fork()  # neither of the two has too much
    kept = np.ones(75_000_000)
    time.sleep(999)
"""
    with made(zygote, policy) as court:
        record = graded(court, halves=flood)
    assert verdicts(record) == RIGHT | {"halves": ("crash", 0)}
    assert "it used more than 1 GB of memory" in record.tasks[1].reason


#: In a process of its own: that of the tests has gigabytes, which come and go.
MEASURED = """
import mmap, os
from cvlab.classroom.grading.box import replay

def memory(**most):
    return replay.memory(os.getpid(), **most)

mine = bytearray(os.urandom(1000)) * 30_000
shared = mmap.mmap(-1, 50_000_000)
reading, writing = os.pipe()
before = memory()
shared[:] = bytes(1) * 50_000_000
assert 45e6 < memory() - before < 60e6
child = os.fork()
if child == 0:
    os.read(reading, 1)
    os._exit(0)
both = memory()
os.write(writing, b"x")
os.waitpid(child, 0)
alone = memory()
assert abs(both - alone) < 15e6, (both, alone)
assert alone - before > 45e6
assert memory(most=10**12) >= alone - 15e6
"""


def test_memory_counts_what_is_shared_once_and_what_is_mapped():
    """Of a process and a child: pages of its own, shared pages, and those of the parent."""
    command = [sys.executable, "-c", MEASURED]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_memory_counts_what_fits_into_the_sockets_of_a_box(zygote):
    with zygote.box() as box:
        before = replay.memory(box.pid)
        cell = "import socket\nkept = [socket.socketpair() for _ in range(100)]"
        assert replay.ask(box, {"cell": cell}, GIVE_UP).fate == "ok"
        assert replay.memory(box.pid) - before >= 200 * 200_000
    # The sockets of the host are none of a box.
    pairs = [socket.socketpair() for _ in range(100)]
    assert replay.bytes_in_sockets([os.getpid()]) == 0
    for end in (end for pair in pairs for end in pair):
        end.close()


def test_names_used_again_after_the_check_cost_nothing(court):
    """Where later cells bind what an answer uses, the notebook up to the check counts, too."""
    answer = "scale = 1\ndef softmax(x):\n    return torch.softmax(x * scale, -1)"
    found = court.grade(with_cells("for scale in 1, 9:\n    pass", at=-1, softmax=answer), "ann")
    assert verdicts(found.record) == RIGHT
    assert {outcome.fate for outcome in (*found.cells, *found.probes)} == {"passed"}
    assert len(found.probes) == sum(len(task.probes) for task in court.exercise.tasks)
    assert found.boxes == 2
    # Before the check it is what the student saw, and an answer that is wrong stays so.
    names = [cell["id"] for cell in small.student()["cells"]]
    between = with_cells("scale = 9", at=names.index("softmax-check"), softmax=answer)
    assert verdicts(court.grade(between, "ann").record)["softmax"][1] == 0
    wrong = answer.replace("-1)", "0)")
    found = court.grade(with_cells("scale = 9", at=-1, softmax=wrong), "ann")
    assert verdicts(found.record)["softmax"][1] == 0
    assert found.probes[-1].fate == "wrong"
    # Nobody is heard again for a cell that has nothing to do with the answer.
    assert court.grade(with_cells("other = 9", at=-1, softmax=wrong), "ann").boxes == 2


def test_a_box_that_ended_is_not_mistaken_for_a_later_one():
    class Box:
        pid = os.getpid()

    watch = Watch()
    first, second = Box(), Box()
    watch.add(first, 10**12)
    watch.forget(first)
    watch.add(second, 10**12)
    time.sleep(3 * replay.LOOK_SECONDS)
    assert not watch.greedy(second)
    watch.stop()


def test_the_same_grade_however_many_others_are_at_work(zygote):
    """Of half a second of work with a limit of one, on a core that three others keep busy."""
    work = "    import time\n    ends = time.process_time() + 0.5\n"
    work += "    while time.process_time() < ends:\n        pass\n"
    slow = small.RIGHT["softmax"].replace("    return", f"{work}    return")
    policy = dataclasses.replace(POLICY, cell_seconds=1.0)
    solution = small.solution().replace(b"points=2, hint=", b"points=2, seconds=1, hint=")
    core = min(os.sched_getaffinity(0))
    hogs = []
    with made(zygote, policy, solution) as court:
        before = os.sched_getaffinity(zygote.process.pid)
        os.sched_setaffinity(zygote.process.pid, {core})  # and all boxes of it
        try:
            for _ in range(3):  # a session each: a kernel may share the core between sessions
                hog = [sys.executable, "-c", "while True: pass"]
                hogs.append(subprocess.Popen(hog, start_new_session=True))
                os.sched_setaffinity(hogs[-1].pid, {core})
            began = time.monotonic()
            found = court.grade(small.data(small.student(softmax=slow)), "ann")
            passed = time.monotonic() - began
            endless = slow.replace("+ 0.5\n", "+ 100\n")
            late = court.grade(small.data(small.student(softmax=endless)), "bob")
        finally:
            os.sched_setaffinity(zygote.process.pid, before)
            for hog in hogs:
                hog.kill()
                hog.wait()
    assert passed > 1.5, "nobody was in its way"
    assert verdicts(found.record) == RIGHT
    assert not found.starved
    assert verdicts(late.record)["softmax"] == ("timeout", 0)
    assert not late.starved


def test_who_waits_in_vain_for_its_turn_is_not_too_slow(zygote, monkeypatch):
    asleep = "def softmax(x):\n    import time\n    time.sleep(1000)"
    with made(zygote, POLICY) as court:
        with monkeypatch.context() as hurried:
            hurried.setattr(replay, "BACKSTOP", 0.0)
            hurried.setattr(replay, "BACKSTOP_SECONDS", 0.5)
            found = court.grade(small.data(small.student(softmax=asleep)), "ann")
            cells = court.grade(with_cells(*["import time\ntime.sleep(1000)"] * 9), "cleo")
        right = court.grade(small.data(small.student()), "bob")
    assert found.starved
    assert cells.starved
    assert cells.boxes == 1, "whoever waits once in vain does not wait for each of his cells"
    assert not right.starved


def test_a_crash_costs_little(court):
    data = small.data(small.student())
    crash = small.data(small.student(halves="import os\ndef halves(n, rng):\n    os._exit(0)"))
    right, crashed = court.grade(data, "ann"), court.grade(crash, "ann")
    print(f"right {right.seconds:.3f} s, with a crash {crashed.seconds:.3f} s")
    assert crashed.boxes - right.boxes == 1


# -------------------------------------------------------------------------------- rules, by reach


def means(body: str) -> str:
    return f"def row_means(x):\n    if x.ndim != 2:\n        raise ValueError\n    return {body}"


LOOP = "def helper(x):\n    return np.array([row.mean() for row in x])"
REACHED = {
    "in the answer": (means("np.array([row.mean() for row in x])"), ()),
    "in a helper": (means("helper(x)"), (LOOP,)),
    "in a helper's helper": (means("first(x)"), ("def first(x):\n    return helper(x)", LOOP)),
    "under a condition": (means("helper(x)"), ("if True:\n    " + LOOP.replace("\n", "\n    "),)),
    "in a class": (
        means("Helper().call(x)"),
        ("class Helper:\n    def call(self, x):\n        return np.array([r.mean() for r in x])",),
    ),
    "in a lambda": (means("helper(x)"), ("helper = lambda x: np.array([r.mean() for r in x])",)),
    "behind a semicolon": (
        means("helper(x)"),
        ("a = 1; helper = lambda x: np.array([r.mean() for r in x])",),
    ),
}
NOT_REACHED = {
    "another task's": ("[x for x in 'abc']",),
    "a parameter's name": ("for x in [np.ones((2, 2))]:\n    y = row_means(x)",),
    "an attribute's name": ("for mean in range(3):\n    ndim = mean",),
    "a helper of nobody": (LOOP,),
    "a local of a function": ("def other():\n    for x in range(3):\n        helper = x",),
    "an earlier attempt": ("def row_means(x):\n    return [row.mean() for row in x]",),
    "on the same line": ("helper = np.mean; other = [x for x in 'ab']",),
}


@pytest.mark.parametrize("where", REACHED)
def test_a_rule_sees_what_the_answer_uses(court, where):
    answer, cells = REACHED[where]
    record = court.grade(with_cells(*cells, row_means=answer), "ann").record
    assert verdicts(record) == RIGHT | {"row-means": ("wrong", 0)}
    assert record.tasks[0].reason == "The code does what the task forbids: it loops."
    assert record.tasks[0].hint.startswith("Let NumPy do it.")


@pytest.mark.parametrize("where", NOT_REACHED)
def test_a_rule_does_not_see_the_rest(court, where):
    answer = means("helper(x, axis=1)" if "helper = np" in str(NOT_REACHED[where]) else "x.mean(1)")
    record = court.grade(with_cells(*NOT_REACHED[where], row_means=answer), "ann").record
    assert verdicts(record) == RIGHT


MEANS = means("x.mean(axis=1)")
BESIDE = {
    "a try-out loop": f"{MEANS}\n\nfor n in range(1, 3):\n    print(row_means(np.ones((n, 2))))",
    "a comparison with a library": f"{MEANS}\n\nimport scipy.stats\n"
    "print(row_means(np.eye(3)) - [scipy.stats.tmean(row) for row in np.eye(3)])",
    "a test": f"{MEANS}\n\nassert all(row_means(np.full((1, 2), v)) == v for v in (1, 2))",
}


@pytest.mark.parametrize("beside", BESIDE)
def test_what_else_stands_in_the_cell_is_not_judged(court, strict, beside):
    """Neither by a rule of the instructor's own nor by a declaration."""
    for each in (court, strict):
        assert verdicts(graded(each, row_means=BESIDE[beside])) == RIGHT


@pytest.fixture(scope="module")
def strict(zygote: Zygote) -> Iterator[Judge]:
    """A judge of the exercise with a declaration in place of the rule."""
    notebook = json.loads(small.solution())
    cells = [cell for cell in notebook["cells"] if "@check.rule" not in cell["source"]]
    for cell in cells:
        declared = 'points=4, libraries=("numpy",), loops=False)\ndef check_row_means'
        cell["source"] = cell["source"].replace("points=4)\ndef check_row_means", declared)
    with made(zygote, POLICY, small.data(notebook | {"cells": cells})) as one:
        assert one.exercise.tasks[0].declared
        assert not one.exercise.tasks[0].rules
        yield one


def test_a_declared_rule_costs_the_task_and_says_where(strict):
    record = graded(strict, row_means=means("torch.tensor(x).mean(1).numpy()"))
    assert verdicts(record) == RIGHT | {"row-means": ("wrong", 0)}
    assert record.tasks[0].reason == (
        "The code does what the task forbids: it uses `torch.tensor` (cell 3, line 4)."
    )
    hint, said = record.tasks[0].hint.split("\n")
    assert hint == ("This task allows only NumPy and plain Python: write it with these.")
    assert said.startswith(
        "The check in the notebook says: row_means uses `torch.tensor` in line 4"
    )


def test_a_set_up_that_was_deleted_is_known_all_the_same(strict):
    notebook = small.student(row_means=means("torch.tensor(x).mean(1).numpy()"))
    del notebook["cells"][0]
    record = strict.grade(small.data(notebook), "ann").record
    assert verdicts(record)["row-means"] == ("wrong", 0)


@pytest.mark.parametrize("where", REACHED)
def test_a_declared_rule_sees_what_the_answer_uses(strict, where):
    answer, cells = REACHED[where]
    record = strict.grade(with_cells(*cells, row_means=answer), "ann").record
    assert verdicts(record) == RIGHT | {"row-means": ("wrong", 0)}


@pytest.mark.parametrize("where", NOT_REACHED)
def test_a_declared_rule_does_not_see_the_rest(strict, where):
    answer = means("helper(x, axis=1)" if "helper = np" in str(NOT_REACHED[where]) else "x.mean(1)")
    record = strict.grade(with_cells(*NOT_REACHED[where], row_means=answer), "ann").record
    assert verdicts(record) == RIGHT


def test_code_that_cannot_be_read_is_no_way_around_a_rule(court):
    """A syntax error is told as one, and what IPython alone understands earns nothing."""
    record = graded(court, row_means="def row_means(x:\n    return 0")
    assert verdicts(record)["row-means"] == ("error", 0)
    assert record.tasks[0].reason.startswith("Cell 3, line 1: SyntaxError")
    autocall = f"{means('np.array([row.mean() for row in x])')}\n,print a b"
    assert verdicts(graded(court, row_means=autocall))["row-means"] == ("error", 0)


def test_reading_code_takes_time_that_grows_with_its_length_only():
    def seconds(count: int) -> float:
        chain = "\n".join(f"a{i} = lambda: a{i + 1}" for i in range(count, -1, -1))
        located = answers.locate(
            ipynb.read(with_cells(chain, row_means=means("x.mean(1) + 0 * a0()"))),
            ipynb.read(small.solution()),
        )
        (task, *_) = tasks.parse(small.solution(), "small").tasks
        began = time.process_time()
        code = SubmissionCode((), located).reach(task, located.answers[0]).source()
        assert code.count("lambda") == count + 1
        return time.process_time() - began

    few, many = seconds(200), seconds(2000)
    assert many < 60 * few + 0.5


# ------------------------------------------------------------------------------------- the referee


def test_a_normal_form_that_raises_makes_the_answer_wrong(court):
    record = graded(court, halves="def halves(n, rng):\n    return 'ab', rng.normal(size=3)")
    assert verdicts(record) == RIGHT | {"halves": ("wrong", 0)}
    assert record.tasks[1].reason == "What it returns is not of the form that the task asks for."


def test_a_referee_that_has_ended_is_replaced(court):
    assert verdicts(graded(court)) == RIGHT
    first = court.examiner.referee.box
    os.kill(first.pid, signal.SIGKILL)
    assert verdicts(graded(court)) == RIGHT
    assert court.examiner.referee.box is not first


def test_a_referee_whose_limits_others_have_used_up_is_replaced(zygote):
    """It may use the processor for two seconds, as every box; the class needs more."""
    limits = isolation.Limits(cpu_seconds=2)
    policy = dataclasses.replace(POLICY, box=limits)
    slow = "    answers = []\n    import time\n    ends = time.process_time() + 0.5\n"
    slow += "    while time.process_time() < ends:\n        pass\n"
    notebook = json.loads(small.solution())
    for cell in notebook["cells"]:
        cell["source"] = cell["source"].replace("    answers = []\n", slow, 1)
    with made(zygote, policy, small.data(notebook)) as court:
        assert [verdicts(graded(court)) for _ in range(7)] == [RIGHT] * 7


def test_a_referee_that_never_ends_costs_its_time_and_no_more(zygote, monkeypatch):
    notebook = json.loads(small.solution())
    for cell in notebook["cells"]:
        trap = "    answers = []\n    while value[0][0] == 2**40:\n        pass\n"
        cell["source"] = cell["source"].replace("    answers = []\n", trap, 1)
    with made(zygote, POLICY, small.data(notebook)) as court:
        probe = court.exercise.tasks[1].probes[0]
        with monkeypatch.context() as hurried:
            hurried.setattr(referee, "REFEREE_SECONDS", 1.0)
            reply = court.examiner.referee.normal(probe, [(2**40, ([0], [1]))])
        assert reply == Reply("timeout", message="it took longer than 1 seconds")
        assert court.examiner.referee.normal(probe, [(2, ([0], [1]))]).value == [(2, True, True)]


# --------------------------------------------------------------------------- exercises that fail


def changed(old: str, new: str) -> bytes:
    data = json.loads(small.solution())
    for cell in data["cells"]:
        cell["source"] = cell["source"].replace(old, new)
    assert small.data(data) != small.solution()
    return small.data(data)


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        (
            "return softmax(1000 * torch",
            "return softmx(1000 * torch",
            "the probe large of softmax",
        ),
        ("return softmax(1000 * torch", "import os; os._exit(1); (torch", "fails the probe large"),
        (
            "    answers = []",
            "    1 / 0",
            "probe partitions of halves .ZeroDivisionError",
        ),
        (
            "return softmax(1000 *",
            "return object(), (1000 *",
            "the probe large .*WireError",
        ),
        ("return softmax(1000 *", "return True or (1000 *", "returns True, which other answers"),
        ("    ### BEGIN SOLUTION\n    order", "    order", None),
        ("def softmax(x):", "1 / 0\ndef softmax(x):", "cell .* of the solution stops with ZeroDiv"),
    ],
)
def test_a_solution_that_fails_its_own_probe_is_refused(zygote, old, new, message):
    if message is None:
        made(zygote, notebook=changed(old, new)).stop()  # a marker is missing, no more
        return
    with pytest.raises(JudgeError, match=message):
        made(zygote, notebook=changed(old, new))


def test_a_task_without_a_probe_is_refused(zygote):
    data = json.loads(small.solution())
    data["cells"] = [cell for cell in data["cells"] if "softmax-probe" not in cell["id"]]
    with pytest.raises(JudgeError, match="softmax has no probe"):
        made(zygote, notebook=small.data(data))


# ------------------------------------------------------------------------------------- always equal


def test_any_order_and_any_number_of_threads_give_the_same_records(court):
    notebooks: dict[str, bytes] = {
        "right": small.data(small.student()),
        "stub": small.data(small.notebook(small.cells(small.STUB, hidden=False))),
        "wrong": with_cells(row_means="def row_means(x):\n    return x.mean(axis=0)"),
        "crash": with_cells("import os\nos._exit(1)", softmax="def softmax(x):\n    os.abort()"),
        "error": with_cells("1 / 0", halves="def halves(n, rng):\n    raise rng"),
        "loop": with_cells(row_means=means("np.array([row.mean() for row in x])")),
        "empty": b"",
    }
    names = [*notebooks] * 3

    def one(name: str) -> tuple[str, bytes]:
        return name, records.encode(court.grade(notebooks[name], name).record)

    alone = dict(map(one, notebooks))
    for threads in (1, 4):
        random.Random(threads).shuffle(names)
        with ThreadPoolExecutor(threads) as pool:
            assert all(alone[name] == found for name, found in pool.map(one, names))


def test_grades_depend_on_the_seed_and_the_policy_says_so(court):
    other = dataclasses.replace(POLICY, total_seconds=31.0)
    assert judge.digest(court.exercise, POLICY) != judge.digest(court.exercise, other)
    seeds = {court.examiner.seed_of(t, p) for t in court.exercise.tasks for p in t.probes}
    assert len(seeds) == 6


# ------------------------------------------------------------------------------------ one sitting


class Deaf:
    """Boxes that never answer."""

    def __init__(self) -> None:
        self.made = 0

    def box(self, _limits: Any = None) -> Any:
        self.made += 1
        raise AssertionError("no box is needed")

    def alive(self) -> bool:
        return True

    def stop(self) -> None:
        """Nothing runs."""


def test_no_box_is_made_when_there_is_no_time():
    place = Deaf()
    with Sitting(place, (), (), Policy(total_seconds=0.0)) as one:
        assert not one.open()
        assert one.ask({"cell": "1"}, 1.0).fate == "timeout"
    assert place.made == 0


def test_a_timeout_does_not_tell_how_much_time_was_left(zygote):
    with Sitting(zygote, (), (), POLICY) as one:
        assert one.open()
        one.left = 1.0
        reply = one.ask({"cell": "import time\ntime.sleep(9)"}, 5.0)
    assert reply == Reply("timeout", message=replay.OVER)


def test_a_process_that_a_cell_forks_answers_nobody(zygote):
    with zygote.box() as box:
        assert replay.ask(box, {"cell": "import os\nwho = os.fork()\nok = 1"}, GIVE_UP).fate == "ok"
        call = {"call": "def p(rng):\n    return ok", "function": "p", "names": ["ok"], "seed": 1}
        assert replay.ask(box, call, GIVE_UP) == Reply("ok", value=1)
        assert replay.ask(box, call, GIVE_UP) == Reply("ok", value=1)


def test_boxes_share_no_standard_input(zygote):
    code = "import os\nassert os.readlink('/proc/self/fd/0') == '/dev/null'"
    with zygote.box() as box:
        assert replay.ask(box, {"cell": code}, GIVE_UP).fate == "ok"
