"""The grader against nbval, nbgrader and otter-grader: seconds a submission, and what it costs.

Run ``python tests/benchmarks/bench_grade.py [--submissions 20] [--repeats 3] [--many 1000]``. All
grade the same answers, the right ones of `grade_forms`, on one worker, one grader after another,
and each in its own form: cvlab with probes, walls on; nbval with the instructor's tests restored in
the students' notebooks (``pytest --nbval-lax``, one process); nbgrader with hidden tests in the
cells of the checks (``nbgrader autograde``); otter with what ``otter assign`` makes
(`otter.api.grade_submission`, one process and no container). All must give full points. The peers
live in an environment of their own (``--environment``), which the first run installs.

A submission's seconds are those of a batch without its start. Of cvlab the start is measured, and
all else, the end included, belongs to the submissions; of the others it is what a batch of one
takes beyond one more submission, so nothing that is done once counts against them. A submission's
own cells are those that cvlab runs: not the visible checks, of which the probes take the place.

Targets: 0.10 s beyond its own cells for a NumPy notebook, 0.15 s for one with torch; two workers
1.8 times one where two plain processes do twice as much as one (two halves of a core do not); a
crash at most 0.5 s; under 250 MB in the judge for 1,000 submissions (``--many``).
``--corpus`` adds what a dozen honest and hostile notebooks earn from each grader.
"""

import argparse
import csv
import dataclasses
import json
import os
import platform
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import grade_forms as forms
from grade_forms import NAME, Work

from cvlab.classroom import exercises
from cvlab.classroom.grading.intake import tasks
from cvlab.classroom.grading.report import journal
from cvlab.classroom.grading.verdict.judge import Judge

ROOT = Path(__file__).resolve().parents[2]
BEYOND = {"NumPy": 0.10, "torch": 0.15}
FASTER, CRASH, JUDGE = 1.8, 0.5, 250e6
Notebook = dict[str, Any]
PEERS = ("nbval", "nbgrader", "otter-grader")
SEED = "1"

#: `cvlab grade`, with what it takes until the judge is ready, and the judge's peak memory.
COMMAND = """
import json, sys, time
from pathlib import Path
marks, spawned = Path(sys.argv[1]), float(sys.argv[2])
from cvlab.classroom import cli
from cvlab.classroom.grading import session
start = time.monotonic() - spawned

class Timed(session.Judge):
    def __init__(self, *arguments):
        global start
        began = time.monotonic()
        super().__init__(*arguments)
        start += time.monotonic() - began

session.Judge = Timed
status = cli.main(sys.argv[3:])
peak = int(Path("/proc/self/status").read_text().split("VmHWM:")[1].split()[0]) * 1024
marks.write_text(json.dumps([start, peak]))
sys.exit(status)
"""
#: Honest and hostile notebooks of `tests/hostile_corpus.py` that harm their own process only.
PORTABLE = (
    "right",
    "wrong",
    "partial",
    "syntax error",
    "an experiment that fails, in the task's cell",
    "sys.exit after the answer",
    "os._exit in a cell",
    "NumPy patched so that all is close",
    "NumPy's functions gone, right answers",
    "builtins patched, right answers",
    "objects that are equal to everything",
    "right at the first call only",
)
SECONDS = 600  # for a peer and all of them
OTTER = """
import sys
from pathlib import Path
import otter.api
for path in sorted(Path(sys.argv[2]).glob("*.ipynb")):
    try:
        result = otter.api.grade_submission(str(path), sys.argv[1], quiet=True)
    except Exception:
        if "--any" not in sys.argv:
            raise
        continue
    print(path.stem, result.total, result.possible, flush=True)
    assert "--any" in sys.argv or result.total == result.possible, path
"""


@dataclasses.dataclass(frozen=True)
class Batch:
    """What a batch took: seconds before the first submission and for each, the judge's memory."""

    start: float
    each: float
    peak: int = 0


def call(
    command: list[str | Path], folder: Path, environment: dict[str, str], *, may_fail: bool = False
) -> str:
    """Run a command; return what it printed, or stop with what it complained of.

    One that may fail, or never end, because of a notebook gives what it printed in any case.
    """
    known = {"cwd": folder, "env": environment, "capture_output": True, "text": True}
    try:
        done = subprocess.run(command, **known, timeout=SECONDS if may_fail else None, check=False)
    except subprocess.TimeoutExpired:
        return ""
    if may_fail:
        return done.stdout
    if done.returncode:
        raise SystemExit(
            f"{' '.join(map(str, command[:3]))}: {(done.stdout + done.stderr)[-3000:]}"
        )
    return done.stdout


# ----------------------------------------------------------------------------------------- cvlab


def plain(work: Work) -> tuple[list[object], float]:
    """Return the values of the hidden tests, and the seconds of the cells and probes alone."""
    command = [sys.executable, "-c", forms.PLAIN]
    done = subprocess.run(
        command, input=forms.plain_input(work), capture_output=True, text=True, check=True
    )
    return tuple(json.loads(done.stdout))


def side_by_side(work: Work, repeats: int) -> float:
    """Return how many times as much as one two plain processes do: 2 where no core is a half."""
    found = []
    with ThreadPoolExecutor(2) as pool:
        for _ in range(repeats):
            alone = plain(work)[1]
            both = [seconds for _, seconds in pool.map(plain, [work, work])]
            found.append(2 * alone / statistics.mean(both))
    return statistics.median(found)


def write_class(folder: Path, count: int, made: Callable[[int], Notebook]) -> Path:
    """Write the notebooks of a class into a new folder."""
    folder.mkdir(parents=True)
    for number in range(count):
        content = json.dumps(made(number))
        (folder / f"student{number:04d}.ipynb").write_text(content, encoding="utf-8")
    return folder


def write_submission(course: Path, student: str, notebook: Notebook) -> None:
    """Write a student's notebook to where nbgrader looks for it."""
    path = course / "submitted" / student / NAME / f"{NAME}.ipynb"
    path.parent.mkdir(parents=True)
    path.write_text(json.dumps(notebook), encoding="utf-8")


def with_cvlab(work: Work, count: int, workers: int, folder: Path) -> Batch:
    """Grade a class with `cvlab grade`."""
    folder.mkdir(exist_ok=True)
    solution, place = folder / f"{NAME}.ipynb", folder / f"class{count}"
    if not solution.exists():
        solution.write_text(json.dumps(forms.cvlab_solution(work)), encoding="utf-8")
    if not place.exists():
        stub = exercises.derive(forms.cvlab_solution(work))
        write_class(place, count, lambda number: forms.answered(stub, work, number))
    out, marks = folder / "grades", folder / "marks"
    shutil.rmtree(out, ignore_errors=True)
    arguments = ["grade", place, "--exercise", solution, "--out", out, "--seed", SEED]
    began = time.monotonic()
    command = [sys.executable, "-c", COMMAND, marks, str(began), *arguments]
    call([*command, "--workers", str(workers)], ROOT, dict(os.environ))
    seconds = time.monotonic() - began
    found = list(journal.load(out / "grades.jsonl"))
    right = [one for one in found if one.exact_points == one.exact_max_points]
    assert len(right) == len(found) == count, f"{len(right)} of {len(found)} are right"
    start, peak = json.loads(marks.read_text())
    return Batch(start, (seconds - start) / count, peak)


def crash_costs(work: Work, repeats: int) -> dict[str, float]:
    """Return the seconds that each kind of crash costs beyond a healthy submission."""
    content = json.dumps(forms.cvlab_solution(work)).encode()
    stub = exercises.derive(forms.cvlab_solution(work))
    task = work.tasks[1]
    kinds = {
        "healthy": task.solution,
        "in its cell": f"{task.solution}\n\n\nimport os\n\nos._exit(1)",
        "when it is called": f"{task.head}\n    import os\n\n    os._exit(1)",
    }
    seconds: dict[str, list[float]] = {kind: [] for kind in kinds}
    with Judge(tasks.parse(content, NAME), int(SEED)) as judge:
        for _ in range(repeats):
            for kind, answer in kinds.items():
                made = forms.answered(stub, work, 0, {task.name: answer})
                graded = judge.grade(json.dumps(made).encode(), kind)
                verdict = graded.record.tasks[1].verdict
                assert verdict == ("right" if kind == "healthy" else "crash"), graded.record
                seconds[kind].append(graded.seconds)
    median = {kind: statistics.median(found) for kind, found in seconds.items()}
    return {kind: median[kind] - median["healthy"] for kind in list(kinds)[1:]}


# ----------------------------------------------------------------------------------------- peers


class Peers:
    """The other graders, in an environment of their own.

    Args:
        place: of the environment; made if it is not there.
    """

    def __init__(self, place: Path) -> None:
        self.folder = place
        self.programs = place / "bin"
        done = place / "installed"
        if not done.exists():
            self._install(done)
        self.versions = json.loads(done.read_text())
        # Kernels and nbgrader's database are looked for by name.
        self.environment = {
            key: value
            for key, value in os.environ.items()
            if not key.startswith(("JUPYTER", "PYTHON", "IPYTHON", "VIRTUAL_ENV"))
        } | {"PATH": f"{self.programs}{os.pathsep}{os.environ['PATH']}"}

    def _install(self, done: Path) -> None:
        """Install the peers, in the lock's versions, and compile all before it is measured."""
        uv = shutil.which("uv") or str(Path(sys.executable).with_name("uv"))
        print(f"Installing {', '.join(PEERS)} (once) ...", flush=True)
        shutil.rmtree(self.folder, ignore_errors=True)
        python = self.programs / "python"
        install = [uv, "pip", "install", "--quiet", "--compile-bytecode", "--python", python]
        install += [*PEERS, "numpy", "torch", "-c", ROOT / "requirements.lock"]
        for command in ([uv, "venv", "--quiet", "--python", sys.executable, self.folder], install):
            try:
                finished = subprocess.run(command, stderr=subprocess.PIPE, text=True, check=False)
            except OSError as error:
                raise SystemExit(f"cvlab: {command[0]}: {error.strerror}; run `make`.") from None
            if finished.returncode:
                sys.stderr.write(finished.stderr)
                raise SystemExit(
                    "cvlab: the other graders cannot be installed (see above); check the network "
                    "and the disk, or measure cvlab alone with --no-peers."
                )
        listed = subprocess.check_output([uv, "pip", "list", "--format=json", "--python", python])
        known = {one["name"]: one["version"] for one in json.loads(listed)}
        done.write_text(json.dumps({name: known[name] for name in (*PEERS, "numpy", "torch")}))

    def seconds(self, peer: str, work: Work, values: list[object], count: int, at: Path) -> float:
        """Grade a class with one of them; return the seconds that its command took."""
        at.mkdir(parents=True)
        command, confirm = getattr(self, f"_{peer.split('-')[0]}")(work, values, count, at)
        began = time.monotonic()
        call(command, at, self.environment)
        seconds = time.monotonic() - began
        confirm()
        return seconds

    def batch(self, peer: str, work: Work, values: list[object], count: int, at: Path) -> Batch:
        """Return what a batch takes, from one of one submission and one of them all."""
        one = self.seconds(peer, work, values, 1, at / "one")
        every = self.seconds(peer, work, values, count, at / "all")
        each = (every - one) / (count - 1)
        return Batch(max(0.0, one - each), each)

    def _nbval(
        self, work: Work, values: list[object], count: int, at: Path
    ) -> tuple[list[str | Path], Callable[[], None]]:
        stub = exercises.derive(forms.cvlab_solution(work))

        def made(number: int) -> Notebook:
            student = forms.answered(stub, work, number)
            return forms.nbval_restored(student, work, values)

        place = write_class(at / "class", count, made)
        options = ["--nbval-lax", "--quiet", "-p", "no:cacheprovider", f"--rootdir={at}"]
        return [self.programs / "pytest", *options, place], lambda: None

    def _nbgrader(
        self, work: Work, values: list[object], count: int, at: Path
    ) -> tuple[list[str | Path], Callable[[], None]]:
        (at / "nbgrader_config.py").write_text(
            "c = get_config()\nc.CourseDirectory.course_id = 'c'"
        )
        program = self.programs / "nbgrader"
        released = self._released(forms.nbgrader_source(work, values), at)
        for number in range(count):
            made = forms.answered(released, work, number)
            write_submission(at, f"student{number:04d}", made)

        def confirm() -> None:
            call([program, "export"], at, self.environment)
            with (at / "grades.csv").open(newline="") as file:
                right = [row for row in csv.DictReader(file) if row["score"] == row["max_score"]]
            assert len(right) == count, f"nbgrader finds {len(right)} of {count} right"

        return [program, "autograde", NAME], confirm

    def _otter(
        self, work: Work, values: list[object], count: int, at: Path
    ) -> tuple[list[str | Path], Callable[[], None]]:
        stub, tests = self._assigned(work, values, at)
        place = write_class(at / "class", count, lambda n: forms.answered(stub, work, n))
        return [self.programs / "python", "-c", OTTER, tests, place], lambda: None

    def _released(self, source: Notebook, at: Path) -> Notebook:
        """Make nbgrader's course; return the notebook that its students get."""
        config = "c = get_config()\nc.CourseDirectory.course_id = 'course'\n"
        (at / "nbgrader_config.py").write_text(config)
        path = at / "source" / NAME / f"{NAME}.ipynb"
        path.parent.mkdir(parents=True)
        path.write_text(json.dumps(source), encoding="utf-8")
        program = self.programs / "nbgrader"
        call([program, "generate_assignment", NAME], at, self.environment)
        return json.loads((at / "release" / NAME / f"{NAME}.ipynb").read_text())

    def _assigned(self, work: Work, values: list[object], at: Path) -> tuple[Notebook, Path]:
        """Let otter make the notebook that students get, and the zip of the tests."""
        (at / f"{NAME}.ipynb").write_text(json.dumps(forms.otter_source(work, values)))
        call([self.programs / "otter", "assign", f"{NAME}.ipynb", "dist"], at, self.environment)
        stub = json.loads((at / "dist" / "student" / f"{NAME}.ipynb").read_text())
        (tests,) = (at / "dist" / "autograder").glob("*.zip")
        return stub, tests

    def points(
        self, peer: str, work: Work, values: list[object], students: list[Notebook], at: Path
    ) -> list[float]:
        """Return the points that one of them gives to notebooks in a batch; 0 if it gives none."""
        at.mkdir(parents=True)
        return getattr(self, f"_points_{peer.split('-')[0]}")(work, values, students, at)

    def _points_nbval(
        self, work: Work, values: list[object], students: list[Notebook], at: Path
    ) -> list[float]:
        stub = exercises.derive(forms.cvlab_solution(work))
        made = [
            forms.nbval_restored(forms.transplanted(stub, work, student), work, values)
            for student in students
        ]
        place = write_class(at / "class", len(made), made.__getitem__)
        options = ["--nbval-lax", "-p", "no:cacheprovider", f"--rootdir={at}", "--junitxml=found"]
        options.append("--nbval-cell-timeout=20")  # as cvlab's; otherwise it waits for 2000 s
        call([self.programs / "pytest", *options, place], at, self.environment, may_fail=True)
        if not (at / "found").exists():
            return [0.0] * len(made)
        cases = ElementTree.parse(at / "found").iter("testcase")
        passed = {(case.get("classname"), case.get("name")) for case in cases if len(case) == 0}
        found = []
        for number, notebook in enumerate(made):
            code = [cell["id"] for cell in notebook["cells"] if cell["cell_type"] == "code"]
            file = f"class.student{number:04d}.ipynb"
            earned = [
                points
                for task in work.tasks
                for test, points in enumerate(task.points)
                if (file, f"Cell {code.index(f'{task.name}-test-{test}')}") in passed
            ]
            found.append(float(sum(earned)))
        return found

    def _points_nbgrader(
        self, work: Work, values: list[object], students: list[Notebook], at: Path
    ) -> list[float]:
        released = self._released(forms.nbgrader_source(work, values, partial=True), at)
        for number, student in enumerate(students):
            made = forms.transplanted(released, work, student)
            write_submission(at, f"student{number:04d}", made)
        program = self.programs / "nbgrader"
        call([program, "autograde", NAME], at, self.environment, may_fail=True)
        call([program, "export"], at, self.environment)
        with (at / "grades.csv").open(newline="") as file:
            scores = {row["student_id"]: float(row["score"]) for row in csv.DictReader(file)}
        return [scores.get(f"student{number:04d}", 0.0) for number in range(len(students))]

    def _points_otter(
        self, work: Work, values: list[object], students: list[Notebook], at: Path
    ) -> list[float]:
        stub, tests = self._assigned(work, values, at)
        made = [forms.transplanted(stub, work, student) for student in students]
        place = write_class(at / "class", len(made), made.__getitem__)
        command = [self.programs / "python", "-c", OTTER, tests, place, "--any"]
        said = call(command, at, self.environment, may_fail=True)
        lines = [line.split() for line in said.splitlines() if line.startswith("student")]
        scores = {line[0]: float(line[1]) for line in lines}
        return [scores.get(f"student{number:04d}", 0.0) for number in range(len(students))]


# --------------------------------------------------------------------------------------- the table


def measure(
    work: Work, options: argparse.Namespace, peers: Peers | None, folder: Path
) -> Iterator[str]:
    """Iterate over the rows of the table for an exercise."""
    values, own = plain(work)
    found: dict[int, list[Batch]] = {1: [], 2: []}
    for _ in range(options.repeats):
        for workers, batches in found.items():
            batches.append(with_cvlab(work, options.submissions, workers, folder))
    each = statistics.median(one.each for one in found[1])
    start = statistics.median(one.start for one in found[1])
    pairs = zip(found[1], found[2], strict=True)
    ratio = statistics.median(one.each / two.each for one, two in pairs)
    yield row(work, "its own cells and probes, in a plain process", own)
    yield row(work, "`cvlab grade`", each, start, each)
    beyond, most = each - own, BEYOND[work.name]
    yield row(work, f"beyond its own cells (target {most:.2f} s: {met(beyond <= most)})", beyond)
    reach = side_by_side(work, options.repeats)
    of_two = 2 * ratio / reach
    words = f"two workers: {ratio:.2f} times one, where two plain processes do {reach:.2f} times "
    words += f"as much; {of_two:.2f} of two whole cores (target {FASTER}: {met(of_two >= FASTER)})"
    yield row(work, words, each / ratio)
    for kind, cost in crash_costs(work, max(3, 3 * options.repeats)).items():
        words = f"a crash {kind} costs (target {CRASH} s: {met(cost <= CRASH)})"
        yield row(work, words, cost)
    for peer in PEERS if peers else ():
        batch = peers.batch(peer, work, values, options.submissions, folder / peer)
        yield row(work, peer, batch.each, batch.start, each)


def row(
    work: Work, words: str, each: float, start: float | None = None, cvlab: float | None = None
) -> str:
    """Return a row of the table; `cvlab` is what a submission costs there."""
    began = "" if start is None else f"{start:.1f} s"
    times = "" if cvlab is None else f"{each / cvlab:.1f}"
    return f"| {work.name} | {words} | {each:.3f} s | {began} | {times} |"


def met(good: bool) -> str:
    """Return the word for a target."""
    return "met" if good else "missed"


def corpus(peers: Peers | None, folder: Path) -> Iterator[str]:
    """Iterate over the rows of a table of notebooks, with the points that each grader gives."""
    sys.path.insert(0, str(ROOT / "tests"))
    import hostile_corpus

    work, graders = forms.SMALL, ("cvlab", *(PEERS if peers else ()))
    cases = [hostile_corpus.CASES[name] for name in PORTABLE]
    contents = [case.make(None) for case in cases]  # the places of the host are for others
    with Judge(hostile_corpus.exercise(), hostile_corpus.SEED, hostile_corpus.POLICY) as judge:
        graded = [judge.grade(content, "student").record for content in contents]
    given = [[float(record.exact_points) for record in graded]]
    values, _ = plain(work)
    students = [json.loads(content) for content in contents]
    given += [peers.points(peer, work, values, students, folder / peer) for peer in graders[1:]]
    right = [0] * len(graders)
    for name, case, row_of in zip(PORTABLE, cases, zip(*given, strict=True), strict=True):
        lost = {task: marks[1] for task, marks in case.marks.items()}
        earned = sum(lost.get(task.name, sum(task.points)) for task in work.tasks)
        right = [count + (points == earned) for count, points in zip(right, row_of, strict=True)]
        cells = (f"{points:g}{'' if points == earned else ' (!)'}" for points in row_of)
        yield f"| {name} | {earned:g} | {' | '.join(cells)} |"
    yield f"| right | of {len(PORTABLE)} | {' | '.join(map(str, right))} |"


def conditions(options: argparse.Namespace, peers: Peers | None) -> str:
    """Return a sentence on the machine and what was run."""
    from cvlab.classroom.grading import session

    try:
        walls, _ = session.choose_walls()
    except session.SessionError as error:
        raise SystemExit(f"cvlab: {error}") from None
    load = os.getloadavg()[0]
    versions = (
        "".join(f", {name} {version}" for name, version in peers.versions.items()) if peers else ""
    )
    return (
        f"{len(os.sched_getaffinity(0))} cores, Linux {platform.release()}, Python "
        f"{platform.python_version()}{versions}; {options.submissions} submissions, median of "
        f"{options.repeats} batches; boxes by {walls}; load before it began {load:.1f}."
    )


def main() -> None:
    """Measure and print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    kept = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache", "cvlab", "graders")
    parser.add_argument("--works", nargs="+", choices=list(BEYOND), default=list(BEYOND))
    parser.add_argument("--submissions", type=int, default=20)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--many", type=int, default=0, help="submissions for the judge's memory")
    parser.add_argument("--environment", type=Path, default=kept, help="of the other graders")
    parser.add_argument("--peers", action=argparse.BooleanOptionalAction, default=True)
    parser.add_argument("--corpus", action="store_true", help="what hostile notebooks earn")
    options = parser.parse_args()
    if options.submissions < 2 or options.repeats < 1:
        parser.error("it takes at least two submissions and one batch.")
    peers = Peers(options.environment.absolute()) if options.peers else None
    print(conditions(options, peers), flush=True)
    print("\n| exercise | | a submission | start | times cvlab |\n|---|---|---:|---:|---:|")
    with tempfile.TemporaryDirectory(prefix="cvlab-bench-") as place:
        for work in (forms.NUMPY, forms.TORCH):
            if work.name not in options.works:
                continue
            for line in measure(work, options, peers, Path(place, work.name)):
                print(line, flush=True)
        if options.many:
            batch = with_cvlab(forms.NUMPY, options.many, 1, Path(place, "many"))
            print(
                f"\n{options.many:,} submissions: the judge's memory {batch.peak / 1e6:.0f} MB at "
                f"most (target {JUDGE / 1e6:.0f} MB: {met(batch.peak < JUDGE)}), "
                f"{batch.each:.3f} s each."
            )
        if options.corpus:
            graders = ("cvlab", *(PEERS if peers else ()))
            rule = "---:|" * (len(graders) + 1)
            print(f"\n| points | earned | {' | '.join(graders)} |\n|---|{rule}")
            for line in corpus(peers, Path(place, "corpus")):
                print(line, flush=True)


if __name__ == "__main__":
    main()
