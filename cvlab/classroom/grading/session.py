"""A whole class: find the submissions, grade what is not graded yet, write what people read.

`run` is what ``cvlab grade`` does. Each submission is one job for an executor of
`concurrent.futures`, threads of this process by default, and one fsynced line of the journal, so
that a run that is killed goes on where it stopped. A job carries all that it needs, and each
process that gets jobs keeps a judge of its own.
"""

from __future__ import annotations

import atexit
import contextlib
import dataclasses
import json
import os
import secrets
import shutil
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Executor, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from pathlib import Path

from tqdm import tqdm

from cvlab.classroom.grading.box import isolation, zygote
from cvlab.classroom.grading.box.replay import Place, Policy
from cvlab.classroom.grading.box.zygote import Zygote, ZygoteError
from cvlab.classroom.grading.intake import submissions, tasks
from cvlab.classroom.grading.intake.submissions import Submission
from cvlab.classroom.grading.intake.tasks import Exercise
from cvlab.classroom.grading.report import exports, feedback, similar
from cvlab.classroom.grading.report.exports import Grade, Late
from cvlab.classroom.grading.report.journal import Journal, one_sentence, private_folder, replace
from cvlab.classroom.grading.report.records import Key, Record
from cvlab.classroom.grading.verdict import judge
from cvlab.classroom.grading.verdict.judge import Judge
from cvlab.classroom.grading.verdict.outcomes import Graded

JOURNAL = "journal.jsonl"
AHEAD = 2  # jobs of each worker that wait, so that none stands idle
SECRET = 16  # bytes
TWICE = "The machine was too busy at first; this was graded again, alone."
REASSURE_SECONDS = 15.0  # in a pipe: nobody should stare at silence
OPTIONAL_WALLS = frozenset({"Landlock"})  # the others say the same twice
FORMS = {
    "nbgrader": "nbgrader's form",
    "moodle": "Moodle's form",
    "blackboard": "Blackboard's form",
    "canvas": "Canvas's form",
    "folder": "a folder",
}


class SessionError(ValueError):
    """A class that cannot be graded; the message says what to do."""


@dataclass(frozen=True)
class Options:
    """What to grade, and how.

    Attributes:
        place: folder, zip or notebook of submissions.
        solution: the exercise's solution notebook.
        out: folder for the grades.
        seed: of the hidden inputs; that of the journal in `out`, or a new one, by default.
        workers: submissions at once.
        scheduler: address of a Dask scheduler; without one, threads of this process.
        roster: CSV of the class.
        layout: whether folders in a folder are a class or one student's, where it is not certain.
        keep: of several versions that a student has handed in one after another, each graded when
            it was there: "newest", or "best", after what lateness costs.
        due: the deadline.
        late: what lateness costs.
        resume: go on with the journal in `out`; otherwise put it aside.
        unsafe: grade even if a wall is missing.
        policy: what a submission may use.
    """

    place: Path
    solution: Path
    out: Path
    seed: int | None = None
    workers: int = 1
    scheduler: str | None = None
    roster: Path | None = None
    layout: str | None = None
    keep: str = "newest"
    due: datetime | None = None
    late: Late = dataclasses.field(default_factory=Late)
    resume: bool = True
    unsafe: bool = False
    policy: Policy = dataclasses.field(default_factory=Policy)


@dataclass(frozen=True)
class Job:
    """A submission on its way to a judge, wherever that is."""

    solution: bytes
    exercise: str
    seed: int
    policy: Policy
    walls: str
    data: bytes | None
    student: str
    name: str
    late: bool
    problem: str
    attempt: int = 0
    run: str = ""  # by which it is known whether that run was stopped


@dataclass(frozen=True)
class Outcome:
    """What a run has done."""

    grades: Sequence[Grade]
    graded: int
    seconds: float
    files: Sequence[Path]


# -------------------------------------------------------------------------------------- the walls


def choose_walls(*, unsafe: bool = False) -> tuple[str, str]:
    """Return how boxes are made on this machine, and a sentence if that is not the usual way.

    Returns:
        "zygote", "bubblewrap" or "none", and the sentence, which may be empty.

    Raises:
        SessionError: if there are too few walls and nobody has said that this is all right.
    """
    from cvlab.classroom.grading.box import bubblewrap

    faults = {
        wall: fault
        for wall, fault in isolation.doctor().items()
        if fault and wall not in OPTIONAL_WALLS
    }
    if not faults:
        return "zygote", ""
    said = "; ".join(f"{wall}: {fault.rstrip('.')}" for wall, fault in faults.items())
    why = bubblewrap.available()
    if why is None:
        return "bubblewrap", (
            f"Boxes are made by bubblewrap, which takes seconds for each, because of this: {said}."
        )
    if unsafe:
        return "none", f"There are no walls, as --unsafe allows, because of this: {said}."
    raise SessionError(
        f"this machine cannot keep students' code in ({said}; bubblewrap: {why.rstrip('.')}). "
        "Nothing was run. Use Linux with user namespaces, install bubblewrap, or, for notebooks "
        "that you trust, give --unsafe."
    )


def doctor() -> Iterator[tuple[str, str]]:
    """Iterate over the walls that a box has, each with "yes" or why it is not there."""
    from cvlab.classroom.grading.box import bubblewrap

    for wall, fault in isolation.doctor().items():
        yield wall, fault or "yes"
    yield "bubblewrap, where one of these is missing", bubblewrap.available() or "yes"


def place(walls: str, libraries: str | None = None) -> Callable[[Exercise], Place]:
    """Return what makes boxes with these walls, and libraries imported, for an exercise."""

    def make(exercise: Exercise) -> Place:
        if walls == "bubblewrap":
            from cvlab.classroom.grading.box.bubblewrap import Bubblewrap

            return Bubblewrap(exercise.setup)
        environment = zygote.clean_environment(libraries)
        return Zygote(exercise.setup, environment, walls=walls != "none")

    return make


# ---------------------------------------------------------------------------------------- the jobs

_judges: dict[tuple[str, bytes, int, Policy, str, str], Judge] = {}
_judges_lock = threading.Lock()
#: Runs that were stopped: what fails of them is not tried again, and what is on its way fails. None
#: is taken out again: a signal can leave a thread behind that outlives its run.
_stopped: set[str] = set()


def work(job: Job) -> Graded:
    """Grade one submission, with the judge that this process keeps for its exercise.

    Raises:
        JudgeError: if the exercise cannot be graded.
        ZygoteError: if no box can be made, twice.
    """
    for attempt in range(2):
        one = _judge(job)
        try:
            words = {"late": job.late, "problem": job.problem, "attempt": job.attempt}
            return one.grade(job.data, job.student, job.name, **words)
        except ZygoteError:
            if attempt or job.run in _stopped:
                raise
            dismiss(one)  # it may have been a victim of some other process's hunger for memory
    raise AssertionError("unreachable")


def _judge(job: Job) -> Judge:
    # What others hand in must not decide what is imported already when a student's time begins.
    libraries = zygote.libraries(job.solution, job.data or b"")
    key = (job.exercise, job.solution, job.seed, job.policy, job.walls, libraries)
    with _judges_lock:
        if job.run in _stopped:  # a job that was on its way: its judge would be stopped by nobody
            raise ZygoteError("the grader is being stopped.")
        if key not in _judges:
            exercise = tasks.parse(job.solution, job.exercise)
            _judges[key] = Judge(exercise, job.seed, job.policy, place(job.walls, libraries))
        return _judges[key]


def dismiss(one: Judge | None = None) -> None:
    """Stop a judge, or all."""
    with _judges_lock:
        for key in [key for key, known in _judges.items() if one in (None, known)]:
            _judges.pop(key).stop()


atexit.register(dismiss)


# ----------------------------------------------------------------------------------------- a class


def run(
    options: Options, report: Callable[[str], None], executor: Executor | None = None
) -> Outcome:
    """Grade a class and write its grades; goes on where an earlier run has stopped.

    Args:
        options: what to grade, and how.
        report: receives lines for people.
        executor: runs the jobs, wherever; by default what the options say.

    Raises:
        SessionError: if something about the command has to change; nothing was run.
        ExerciseError, JudgeError: if the exercise is at fault.
        JournalError: if the grades cannot be written; what was graded is kept.
        ValueError: if the place or the roster cannot be used.
    """
    began = time.monotonic()
    exercise = tasks.load(options.solution)
    walls, said = choose_walls(unsafe=options.unsafe)
    if said:
        report(said)
    with _alone(options.out), _intake(options, exercise) as intake:
        for remark in (*intake.remarks, *_lateness(intake, options)):
            report(f"Note: {remark}")
        seed = _seed(options)
        key = Key(exercise.name, seed, judge.digest(exercise, options.policy), judge.RULES_VERSION)
        with Journal(options.out / JOURNAL, key) as journal:
            known = {one.student: one.sha256 for one in intake.submissions}
            done = journal.finished(known)
            left = [one for one in intake.submissions if one.student not in done]
            report(_plan(exercise, intake, len(done), seed))
            seconds = _grade(left, options, seed, walls, journal, report, executor) if left else {}
            _refresh(journal, intake.submissions, options)
            if options.keep == "best":
                journal.keep_best(lambda record: _worth(record, intake.submissions, options))
            journal.finish(list(known))
            records = [record for record in journal.records() if record.student in known]
        with one_sentence(options.out, "write to"):
            grades, files = _write(records, intake, options, seconds, exercise)
    return Outcome(grades, len(left), time.monotonic() - began, files)


@contextlib.contextmanager
def _alone(out: Path) -> Iterator[None]:
    """Make the folder for the grades, and keep other graders out of it.

    The journal's lock comes too late: it is opened after the submissions have been copied here.
    """
    import fcntl  # not on Windows, where nothing is graded

    private_folder(out)
    with one_sentence(out, "write to"):
        folder = os.open(out, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        fcntl.flock(folder, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(folder)
        raise SessionError(
            f"{out} is in use by another grader; wait for it, or choose another --out."
        ) from None
    except OSError:
        pass  # a network's file system without locks of folders; the journal has one of its own
    try:
        yield
    finally:
        os.close(folder)


@contextlib.contextmanager
def _intake(options: Options, exercise: Exercise) -> Iterator[submissions.Intake]:
    """Copy the submissions to a folder of ours for as long as they are graded."""
    work_folder = options.out / ".submissions"
    shutil.rmtree(work_folder, ignore_errors=True)  # of a run that was killed
    try:
        with one_sentence(work_folder, "write to"):
            found = submissions.find(
                options.place, exercise.name, work_folder, options.roster, options.layout
            )
        yield found
    finally:
        shutil.rmtree(work_folder, ignore_errors=True)


def _lateness(intake: submissions.Intake, options: Options) -> Iterator[str]:
    """Iterate over sentences on what the options for lateness cannot do here."""
    if options.due is None and not options.late.per_day:
        return
    if intake.layout in ("canvas", "ilias"):
        platform = {"canvas": "Canvas", "ilias": "ILIAS"}[intake.layout]
        yield f"{platform} says who was late, not by how much: each of them counts as one day late."
    elif options.due is None:
        yield "--late takes nothing without a deadline; add --due."
    elif not any(one.submitted for one in intake.submissions):
        yield (
            "nothing here says when it was handed in, so nobody is late, whatever --due says; "
            "what nbgrader, Canvas, Gradescope, Sakai and ILIAS make does."
        )


def _seed(options: Options) -> int:
    """Return the seed that was asked for, that of the journal, or one that nobody can guess.

    A journal that is not to be resumed is put aside; its seed stays that of the folder.
    """
    path = options.out / JOURNAL
    seed = options.seed
    if seed is None:
        seed = secrets.randbits(32)
        with contextlib.suppress(OSError, ValueError, TypeError, KeyError), path.open("rb") as file:
            known = json.loads(file.readline(100_000))["seed"]
            seed = known if type(known) is int else seed
    if not options.resume and path.exists():
        number = 1 + sum(1 for _ in options.out.glob("journal.*.jsonl"))
        with one_sentence(path, "move"):
            path.rename(path.with_name(f"journal.{number}.jsonl"))
    return seed


def _plan(exercise: Exercise, intake: submissions.Intake, done: int, seed: int) -> str:
    count = len(intake.submissions)
    known = f", {done} of them graded before" if done else ""
    return (
        f"{exercise.name}: {_count(len(exercise.tasks), 'task')}, {exercise.points:g} points, "
        f"seed {seed}; {_count(count, 'student')} in {FORMS[intake.layout]}{known}."
    )


def _count(number: int, unit: str) -> str:
    return f"{number} {unit}" if number == 1 else f"{number} {unit}s"


def _is_late(one: Submission, options: Options) -> bool:
    return days_late(one, options) > 0


def days_late(one: Submission, options: Options) -> int:
    """Return the days late that have begun."""
    if options.due is None or one.submitted is None:
        return int(one.late)
    return options.late.days(one.submitted, options.due)


def _jobs(
    left: Sequence[Submission],
    options: Options,
    seed: int,
    walls: str,
    journal: Journal,
    this_run: str,
) -> Iterator[Job]:
    solution = options.solution.read_bytes()
    for one in left:
        yield Job(
            solution=solution,
            exercise=options.solution.stem,
            seed=seed,
            policy=options.policy,
            walls=walls,
            data=None if one.path is None else one.path.read_bytes(),
            student=one.student,
            name=one.name,
            late=_is_late(one, options),
            problem=one.problem or "",
            attempt=journal.attempt(one.student, one.sha256),
            run=this_run,
        )


def _grade(
    left: Sequence[Submission],
    options: Options,
    seed: int,
    walls: str,
    journal: Journal,
    report: Callable[[str], None],
    executor: Executor | None,
) -> dict[str, float]:
    """Grade submissions and put them into the journal as they come; return each one's seconds."""
    seconds: dict[str, float] = {}
    this_run = secrets.token_hex(8)
    jobs = _jobs(left, options, seed, walls, journal, this_run)
    given = contextlib.nullcontext(executor) if executor else _executor(options)
    with given as executor, _bar(len(left), report) as progress:
        running: dict[Future[Graded], Job] = {}
        starved: list[Job] = []
        most = AHEAD * options.workers

        def keep(graded: Graded) -> None:
            journal.add(graded.record)
            seconds[graded.record.student] = graded.seconds

        try:
            while True:
                while len(running) < most and (job := next(jobs, None)) is not None:
                    running[executor.submit(work, job)] = job
                if not running:
                    break
                finished, _ = wait(running, REASSURE_SECONDS, FIRST_COMPLETED)
                for future in finished:
                    job, graded = running.pop(future), future.result()
                    if graded.starved:
                        starved.append(job)
                    else:
                        keep(graded)
                progress(len(seconds))
            for job in starved:  # one at a time, so that nothing of ours is in its way
                future = executor.submit(work, job)
                running[future] = job
                graded = future.result()
                flags = (*graded.record.flags, TWICE)
                record = dataclasses.replace(graded.record, flags=flags)
                keep(dataclasses.replace(graded, record=record))
                progress(len(seconds))
            return seconds
        except BaseException:
            _stopped.add(this_run)
            for future in running:
                future.cancel()
            dismiss()  # ends the boxes, so that nobody waits for an endless loop
            raise


@contextlib.contextmanager
def _executor(options: Options) -> Iterator[Executor]:
    if options.scheduler is None:
        try:
            with ThreadPoolExecutor(options.workers, "judge") as executor:
                yield executor
        finally:
            dismiss()
        return
    try:
        from distributed import Client
    except ImportError:
        raise SessionError(
            "--scheduler needs Dask; install it with `pip install 'cvlab[dask]'`."
        ) from None
    try:
        client = Client(options.scheduler, timeout=10)
    except (OSError, ValueError) as error:
        raise SessionError(
            f"there is no Dask scheduler at {options.scheduler} ({error}); start one with "
            "`dask scheduler`."
        ) from error
    with client:
        # Two equal notebooks are two submissions, and a job that failed would fail again.
        yield client.get_executor(pure=False, retries=0)


@contextlib.contextmanager
def _bar(total: int, report: Callable[[str], None]) -> Iterator[Callable[[int], None]]:
    """Show how many are graded: a bar on a terminal, a line now and then in a pipe."""
    if sys.stderr.isatty():
        with tqdm(total=total, unit="notebook", smoothing=0.1, dynamic_ncols=True) as bar:
            yield lambda count: bar.update(count - bar.n)
        return
    began = said = time.monotonic()

    def tell(count: int) -> None:
        nonlocal said
        now = time.monotonic()
        if now - said < REASSURE_SECONDS and count < total:
            return
        if count:
            left = f", {(now - began) / count * (total - count):.0f} s left"
            report(f"  {count} of {total} graded{left if count < total else ''}")
        else:
            report(f"  none of {total} graded yet: libraries and the solution's answers come first")
        said = now

    yield tell


def _refresh(journal: Journal, found: Sequence[Submission], options: Options) -> None:
    """Bring names and lateness up to date, which a new roster or deadline has changed."""
    by_student = {one.student: one for one in found}
    for record in list(journal.records()):
        one = by_student.get(record.student)
        if one is None:
            continue
        newer = dataclasses.replace(record, name=one.name, late=_is_late(one, options))
        if newer != record:
            journal.add(newer)


def _days(
    records: Sequence[Record], found: Sequence[Submission], options: Options
) -> dict[str, int]:
    """Return the days late of each record; of an earlier version only whether it was is known."""
    now = {one.student: days_late(one, options) for one in found}
    newest = {one.student: one.sha256 for one in found}
    return {
        one.student: now[one.student] if one.late or one.submission == newest[one.student] else 0
        for one in records
    }


def _worth(record: Record, found: Sequence[Submission], options: Options) -> Decimal:
    own = [one for one in found if one.student == record.student]
    if not own:
        return record.exact_points
    (grade,) = exports.settle([record], options.late, _days([record], own, options))
    return grade.points


def _write(
    records: Sequence[Record],
    intake: submissions.Intake,
    options: Options,
    seconds: dict[str, float],
    exercise: Exercise,
) -> tuple[list[Grade], list[Path]]:
    """Write every form of the grades, and the pages."""
    found = intake.submissions
    days = _days(records, found, options)
    grades = exports.settle(records, options.late, days)
    people = {one.student: _person(one, intake.layout) for one in found}
    files = exports.write(options.out, grades, people, bom=True)  # Excel reads no accents else
    times = options.out / "times.csv"
    seconds = _times(times) | seconds
    replace(times, [exports.times_csv(seconds).encode()])
    alike = similar.pairs(
        {one.student: {task.task: task.code for task in one.tasks} for one in records},
        [task.solution for task in exercise.tasks],
    )
    feedback.write(options.out, grades, _secret(options.out), seconds, alike)
    return grades, [options.out / "grades.jsonl", *files, times, options.out / "class.html"]


def _person(one: Submission, layout: str) -> exports.Person:
    return exports.Person(
        email=one.email,
        participant=one.number if layout == "moodle" else "",
        canvas=one.number if layout == "canvas" else "",
    )


def _secret(out: Path) -> bytes:
    """Return what makes the names of students' pages unguessable; it stays with the grades."""
    path = out / ".secret"
    with contextlib.suppress(OSError):
        secret = path.read_bytes()
        if len(secret) == SECRET:
            return secret
    secret = secrets.token_bytes(SECRET)
    replace(path, [secret])
    return secret


def _times(path: Path) -> dict[str, float]:
    """Return the seconds that earlier runs have measured."""
    import csv

    found: dict[str, float] = {}
    with contextlib.suppress(OSError, ValueError, KeyError), path.open(newline="") as file:
        for row in csv.DictReader(file):
            found[row["student"]] = float(row["seconds"])
    return found
