"""The `cvlab` command: what the Makefile's targets do."""

from __future__ import annotations

import argparse
import contextlib
import functools
import http.server
import os
import re
import signal
import subprocess
import sys
import threading
import time
import webbrowser
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, NoReturn

from cvlab.classroom.notebooks import ROOT


def say(line: str) -> None:
    """Print a line of progress at once, also into a pipe."""
    print(line, flush=True)


def _build(**choices: Any) -> int:
    from cvlab.classroom.book import build
    from cvlab.classroom.running.execute import ExecutionError

    started = time.monotonic()
    try:
        html = build.make(report=say, **choices)
    except (build.BuildError, ExecutionError, ValueError) as error:
        say(f"cvlab: the book was not built. {error}")
        return 1
    say(f"Book: {html / 'index.html'} ({time.monotonic() - started:.0f} s)")
    return 0


def make_book(options: argparse.Namespace) -> int:
    """Build the book, say where it is and, unless told not to, serve it."""
    failed = _build()
    if not failed and options.serve != "0":
        from cvlab.classroom.book import build

        serve(build.HTML)
    return failed


def serve(folder: Path, first_port: int = 8000) -> None:
    """Serve a folder on this machine only, on the first free port, until Ctrl-C."""

    class Quiet(http.server.SimpleHTTPRequestHandler):
        def log_message(self, *_arguments: object) -> None:
            """Keep the terminal readable."""

    handler = functools.partial(Quiet, directory=str(folder))
    for port in range(first_port, first_port + 50):
        try:
            server = http.server.ThreadingHTTPServer(("127.0.0.1", port), handler)
        except OSError:
            continue
        say(f"Serving http://127.0.0.1:{port}/ (stop with Ctrl-C)")
        with server:
            try:
                server.serve_forever()
            except KeyboardInterrupt:
                say("")
        return
    say(f"No free port between {first_port} and {first_port + 49}; the book is in {folder}.")


def make_chapter(options: argparse.Namespace) -> int:
    """Execute one chapter, build the book around it as far as it has run, open its page."""
    if failed := _build_around(options.name):
        return failed
    from cvlab.classroom.book import build

    _open("Page", build.HTML / "chapters" / f"{options.name}.html")
    return 0


def make_slides(options: argparse.Namespace) -> int:
    """Make slides of a chapter's core, with its figures and sliders and notes for the speaker."""
    if failed := _build_around(options.name):
        return failed
    from cvlab.classroom.book import slides

    try:
        _open("Slides", slides.make(options.name))
    except slides.SlidesError as error:
        say(f"cvlab: {error}")
        return 1
    say("In the slides S opens the speaker's notes, and Esc shows all slides.")
    return 0


def _build_around(name: str) -> int:
    """Execute a chapter and build the book around it; return an exit status."""
    from cvlab.classroom import notebooks

    path = ROOT / "chapters" / f"{name}.ipynb"
    if not path.exists():
        known = ", ".join(file.stem for file in notebooks.files(ROOT, ("chapters",)))
        say(f"cvlab: there is no chapter {name!r}; there are {known}.")
        return 1
    return _build(due=lambda _chapters: [path])


def _open(what: str, page: Path) -> None:
    """Say where a page is, and open it for whoever sits at a terminal."""
    say(f"{what}: {page.as_uri()}")
    if sys.stdout.isatty():
        webbrowser.open(page.as_uri())


def run_pytest(*arguments: str, workers: int | None = None, **variables: str) -> int:
    """Run pytest on as many workers as cores by default; together they use each core once."""
    from cvlab.classroom.running import execute

    cores = execute.cores()
    workers = min(workers or cores, cores)
    command = [sys.executable, "-m", "pytest", "-p", "cvlab.classroom.lean", "-n", str(workers)]
    command += arguments
    environment = os.environ | variables | execute.thread_limits(cores // workers)
    return subprocess.run(command, cwd=ROOT, check=False, env=environment).returncode


def make_test(options: argparse.Namespace) -> int:
    """Execute notebooks once, build the book from that, then run everything that CI checks."""
    from cvlab.classroom import notebooks
    from cvlab.classroom.running import costs, execute, turns

    chapters, solutions = (list(notebooks.files(ROOT, (f,))) for f in ("chapters", "solutions"))
    try:
        turn = turns.part()
    except ValueError as error:
        say(f"cvlab: {error}")
        return 1
    due = turns.due(chapters, turn)
    if turn != "all":
        say(
            f"Part {turn} of {turns.PARTS} has its turn, with what changed of late: {len(due)} of "
            f"{len(chapters)} chapters and their exercises (PART=all: every chapter)."
        )
    # All notebooks run and all failures are listed, even if one of the first fails.
    solved = turns.due(solutions, turn, beside=chapters)
    if _build(due=lambda _chapters: due, also=solved, full=options.full):
        say("cvlab: nothing was tested; mend this and run it again.")
        return 1
    # nbval compares the runs that the book was built from: no notebook runs twice.
    nbval = ["-p", "cvlab.classroom.running.nbval_stored", "--nbval-lax"]
    ran = [str(path.relative_to(ROOT)) for path in (*chapters, *solutions) if execute.record(path)]
    everything = ["tests", "cvlab", *ran]
    # What each test took, for `cvlab costs`.
    parallel = ["--dist", "loadscope", f"--junitxml={costs.REPORT}", "-o", "junit_family=xunit1"]
    # A test that waits for ever fails, says where, and holds up nobody; its clock is no alarm,
    # which checks set for themselves.
    parallel += ["--timeout=900", "--timeout-method=thread"]
    with busy(execute.cores() if options.stress else 0):
        words = (*parallel, "--doctest-modules", *nbval, *everything, *options.arguments)
        return run_pytest(*words, CVLAB_PART=turn)  # the tests of exercises ask for it


@contextlib.contextmanager
def busy(processes: int) -> Iterator[list[subprocess.Popen]]:
    """Keep cores busy meanwhile, as other users of a machine do; each ends with this process."""
    endless = "import os\nwho = os.getppid()\nwhile os.getppid() == who:\n    sum(range(10**6))"
    load = [subprocess.Popen([sys.executable, "-c", endless]) for _ in range(processes)]
    try:
        yield load
    finally:
        for process in load:
            process.kill()
            process.wait()


def make_costs(options: argparse.Namespace) -> int:
    """Print what the last full `make test` took: what is fixed, and what each chapter adds."""
    from cvlab.classroom.running import costs

    try:
        say(costs.table())
    except FileNotFoundError:
        say("cvlab: there is no full run yet; `make test` leaves one.")
        return 1
    except ValueError as error:
        say(f"cvlab: {error}")
        return 1
    return 0


def make_validate(options: argparse.Namespace) -> int:
    """Run notebooks with plain nbval in kernels of their own, as an instructor's machine does."""
    from cvlab.classroom import notebooks
    from cvlab.classroom.running import budget, execute, extensions, kernel

    front = ROOT / "book" / "index.ipynb"
    known = [
        *notebooks.files(ROOT, ("chapters", "solutions")),
        *([front] if front.exists() else []),
    ]
    asked: list[Path] = []
    rest: list[str] = []
    for word in options.arguments:
        found = [path for path in known if _asks_for(word, path)]
        asked += found
        if not (found or rest or word.startswith("-")):  # else it may be an option's value
            names = ", ".join(dict.fromkeys(path.stem for path in known))
            say(f"cvlab: there is no notebook {word!r}; there are {names}.")
            return 1
        rest += [] if found else [word]
    asked = list(dict.fromkeys(asked)) or known
    try:
        name, line = kernel.choose()
        # nbval notices a dead kernel only when the time of its cell is over.
        seconds = max(budget.of(path).seconds for path in asked)
        variables = extensions.environment(execute.STORE / "kernels")
    except ValueError as error:
        say(f"cvlab: {error}")
        return 1
    if line:
        say(line)
    nbval = ["--nbval-lax", "--nbval-kernel-name", name, "--nbval-cell-timeout", f"{seconds:g}"]
    # nbval numbers the cells of a notebook, so one worker must keep them all: loadscope.
    nbval += ["--dist", "loadscope"]
    return run_pytest(*nbval, *map(str, asked), *rest, workers=len(asked), **variables)


def _asks_for(word: str, path: Path) -> bool:
    """Say whether a word on the command line means a notebook: its name, its file, its folder."""
    place = Path(word).resolve()
    return word == path.stem or place in (path, path.parent)


def make_check(options: argparse.Namespace) -> int:
    """Run what takes a minute: lint, hygiene, the quick unit tests of what changed."""
    from cvlab.classroom.running import concerned, turns

    chosen = ["tests", "cvlab"]
    if not options.all:
        files = concerned.files(turns.changed(turns.unpublished()))
        chosen = [str(path.relative_to(ROOT)) for path in files]
        say(f"The rules, and the tests of what changed: {len(chosen)} files (ALL=1: all of them).")
    quick = ["-m", "not browser and not slow"]
    return run_pytest(*quick, "--doctest-modules", *chosen, *options.arguments)


def make_exercises(options: argparse.Namespace) -> int:
    """Derive the students' notebooks from the solutions; try those that changed in the grader."""
    from cvlab.classroom import exercises, notebooks

    known = list(notebooks.files(ROOT, ("solutions",)))
    asked = [path for path in known if path.stem in (options.names or ())]
    if unknown := set(options.names or ()) - {path.stem for path in asked}:
        names = ", ".join(path.stem for path in known)
        say(f"cvlab: there is no exercise {min(unknown)!r}; there are {names}.")
        return 1
    try:
        changed = exercises.write()
    except ValueError as error:
        say(f"cvlab: {error}")
        return 1
    for path in changed:
        say(f"exercises/{path.name}: {'written' if path.exists() else 'removed'}")
    say(f"{len(changed)} of {len(exercises.expected())} exercises changed.")
    stems = {path.stem for path in changed if path.exists()}
    return max((_verify(path) for path in known if path in asked or path.stem in stems), default=0)


def _verify(path: Path) -> int:
    """Grade an exercise's solution, stub and wrong answers; say what the grader gets wrong."""
    from cvlab.classroom.grading import session, verify

    say(f"{path.stem}: grading its solution, its stub and its wrong answers")
    try:
        walls, _said = session.choose_walls(unsafe=True)  # of the course's own notebooks
        trials = list(verify.trials(path, session.place(walls)))
    except (ValueError, RuntimeError) as error:
        say(f"cvlab: {error}")
        return 1
    faults = [trial.fault for trial in trials if trial.fault]
    for fault in faults:
        say(f"  {fault}")
    say(f"{path.stem}: {len(trials) - len(faults)} of {len(trials)} answers got the right grade.")
    return 1 if faults else 0


def make_grade(options: argparse.Namespace) -> int:
    """Grade a class's notebooks in boxes, where no student's code can do harm or forge a grade."""
    from cvlab.classroom.grading import command

    return command.grade(options, say)


def make_tidy(_options: argparse.Namespace) -> int:
    """Format modules and notebooks, and bring notebooks into normal form."""
    from cvlab.classroom import notebooks

    ruff = [sys.executable, "-m", "ruff"]
    subprocess.run([*ruff, "format", "--quiet", "cvlab", "tests"], cwd=ROOT, check=True)
    paths = [ROOT / "book" / "index.ipynb", *notebooks.files(ROOT, ("chapters", "solutions"))]
    try:
        changed = notebooks.tidy(paths)
    except ValueError as error:
        say(f"cvlab: {error}")
        return 1
    for path in changed:
        say(f"{path.relative_to(ROOT)}: tidied")
    return make_exercises(argparse.Namespace(names=[]))


def make_layers(options: argparse.Namespace) -> int:
    """Count what the two layers of each chapter hold, and say what is too long."""
    from cvlab.classroom import notebooks
    from cvlab.classroom.book import layers

    known = {path.stem: path for path in notebooks.files(ROOT, ("chapters",))}
    unknown = sorted(set(options.names) - set(known))
    if unknown:
        say(f"cvlab: there is no chapter {unknown[0]}; there are {', '.join(known)}.")
        return 2
    paths = [known[name] for name in options.names or known]
    say(layers.table(paths))
    found = [fault for path in paths for fault in layers.faults(path)]
    for fault in found:
        say(fault)
    return int(bool(found))


def make_questions(options: argparse.Namespace) -> int:
    """Write the chapters' questions for a learning platform, as Moodle XML or QTI 1.2."""
    from cvlab.classroom import notebooks
    from cvlab.classroom.book import quiz

    known = {path.stem: path for path in notebooks.files(ROOT, ("chapters",))}
    if unknown := sorted(set(options.names) - set(known)):
        say(f"cvlab: there is no chapter {unknown[0]}; there are {', '.join(known)}.")
        return 2
    ending, write = quiz.FORMATS[options.format]
    place = Path(options.output or f"cvlab-questions{ending}")
    try:
        asked = [one for name in options.names or known for one in quiz.of_chapter(known[name])]
        write(asked, place)
    except quiz.QuizError as error:
        say(f"cvlab: {error}")
        return 1
    except OSError as error:
        say(f"cvlab: {place} cannot be written: {error.strerror}.")
        return 1
    say(f"{place}: {len(asked)} questions, chapters: {len({one.chapter for one in asked})}")
    return 0


def make_pdf(_options: argparse.Namespace) -> int:
    """Make one PDF and one EPUB of the built book, beside its pages."""
    from cvlab.classroom.book import build
    from cvlab.classroom.book.paper import press
    from cvlab.classroom.running import execute

    started = time.monotonic()
    try:
        with execute.alone(build.BUILD / "lock", "is building this book", say):
            made = press.make(build.HTML, build.SOURCE / "_toc.yml", report=say)
    except press.PaperError as error:
        say(f"cvlab: neither PDF nor EPUB was made: {error}")
        return 1
    for path in made:
        say(f"{path} ({path.stat().st_size / 1e6:.0f} MB)")
    say(f"Paper: {time.monotonic() - started:.0f} s")
    return 0


def make_students(options: argparse.Namespace) -> int:
    """Write a copy of the course for students, in which no solution, probe or answer is left."""
    from cvlab.classroom.book import students

    target = Path(options.folder)
    try:
        count = students.write(target)
    except students.StudentsError as error:
        say(f"cvlab: {error}")
        return 1
    say(f"{target}: {count} files; its README says how to begin.")
    return 0


def make_lock(_options: argparse.Namespace) -> int:
    """Renew requirements.lock: newest versions, every platform, hashes, no index address."""
    import shutil

    uv = shutil.which("uv") or str(Path(sys.executable).parent / "uv")
    command = [uv, "pip", "compile", "pyproject.toml", "--all-extras", "--universal", "--upgrade"]
    command += ["--generate-hashes", "--no-emit-index-url", "--no-header", "--quiet"]
    command += ["--python-version", "3.11", "--output-file", "requirements.lock"]
    try:
        return subprocess.run(command, cwd=ROOT, check=False).returncode
    except OSError:
        say("cvlab: `make lock` needs uv; install it with `pip install uv`.")
        return 1


def make_address(options: argparse.Namespace) -> int:
    """Move the repository's public address everywhere."""
    from cvlab.classroom.book import address

    try:
        changed = address.move(options.url)
    except ValueError as error:
        say(f"cvlab: {error}")
        return 1
    for path in changed:
        say(f"{path.relative_to(ROOT)}: moved")
    say(f"{len(changed)} files changed; the address is {address.current()}.")
    return 0


class _Parser(argparse.ArgumentParser):
    """A parser that says in one line what is wrong with the words, and where to read on."""

    def error(self, message: str) -> NoReturn:
        self.exit(2, f"cvlab: {message}; see `{self.prog} --help`.\n")


def parser() -> argparse.ArgumentParser:
    """Return the command's argument parser."""
    from cvlab import __version__

    top = _Parser("cvlab", description="Build and check the cvlab course.")
    top.add_argument("--version", action="version", version=f"cvlab {__version__}")
    commands = top.add_subparsers(dest="command", required=True, metavar="COMMAND")

    def add(name: str, function) -> argparse.ArgumentParser:
        summary = re.sub(r"\s+", " ", function.__doc__ or "").strip()
        command = commands.add_parser(name, help=summary, description=summary)
        command.set_defaults(run=function)
        return command

    add("book", make_book).add_argument("--serve", default="1", metavar="0|1")
    add("chapter", make_chapter).add_argument("name", help="such as 01_knn")
    test = add("test", make_test)
    test.add_argument("--full", action="store_true", help="ignore stored runs, execute all once")
    test.add_argument("--stress", action="store_true", help="with all cores kept busy meanwhile")
    test.add_argument("arguments", nargs="*", help="handed to pytest")
    validate = add("validate", make_validate)
    validate.add_argument(
        "arguments", nargs="*", help="such as 01_knn or chapters; the rest is handed to pytest"
    )
    quick = add("check", make_check)
    quick.add_argument("--all", action="store_true", help="also the tests of what did not change")
    quick.add_argument("arguments", nargs="*", help="handed to pytest")
    add("exercises", make_exercises).add_argument(
        "names", nargs="*", help="such as 01_knn: try these in the grader even if nothing changed"
    )
    grade = add("grade", make_grade)
    from cvlab.classroom.grading import arguments

    arguments.declare(grade)
    add("costs", make_costs)
    add("layers", make_layers).add_argument("names", nargs="*", help="such as 01_knn")
    ask = add("questions", make_questions)
    ask.add_argument("names", nargs="*", help="such as 01_knn; all chapters without")
    ask.add_argument("--format", choices=("moodle", "qti"), default="moodle")
    ask.add_argument("--output", metavar="FILE", help="cvlab-questions.xml or .zip without")
    add("pdf", make_pdf)
    add("slides", make_slides).add_argument("name", help="such as 01_knn")
    add("students", make_students).add_argument("folder", help="a new or an empty one")
    add("tidy", make_tidy)
    add("lock", make_lock)
    add("address", make_address).add_argument("url", help="https://github.com/OWNER/NAME")
    return top


@contextlib.contextmanager
def terminated_as_interrupted() -> Iterator[None]:
    """Let SIGTERM end a command as Ctrl-C does: nothing that it has written stays half-way."""

    def interrupt(number: int, _frame: object) -> None:
        raise KeyboardInterrupt(number)

    ours = threading.current_thread() is threading.main_thread()
    if not ours or signal.getsignal(signal.SIGTERM) is not signal.SIG_DFL:
        yield
        return
    signal.signal(signal.SIGTERM, interrupt)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, signal.SIG_DFL)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command; return its exit status."""
    arguments = sys.argv[1:] if arguments is None else list(arguments)
    options, unknown = parser().parse_known_args(arguments)
    if hasattr(options, "arguments"):  # -k, -x, --lf and the like are pytest's, in their order
        words = arguments[arguments.index(options.command) + 1 :]
        options.arguments = [word for word in words if word not in ("--full", "--stress")]
    elif unknown:
        parser().error(f"`cvlab {options.command}` does not know {' '.join(unknown)}")
    if not (ROOT / "_config.yml").exists():
        say("cvlab: this command works inside a checkout of the course, installed with `make`.")
        return 1
    from cvlab.classroom import lean  # noqa: F401

    try:
        with terminated_as_interrupted():
            return options.run(options)
    except BrokenPipeError:  # nobody reads on, as after `cvlab ... | head -1`
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
        return 1
    except OSError as error:
        say(f"cvlab: {error.filename or 'a file'}: {error.strerror}; mend that and run it again.")
        return 1
    except KeyboardInterrupt as stop:
        say("\ncvlab: stopped; what was finished is kept. Run the same command to go on.")
        return 128 + (stop.args or (signal.SIGINT,))[0]


if __name__ == "__main__":
    sys.exit(main())
