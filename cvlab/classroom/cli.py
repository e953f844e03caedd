"""The `cvlab` command: what the Makefile's targets do."""

from __future__ import annotations

import argparse
import functools
import http.server
import os
import re
import subprocess
import sys
import time
import webbrowser
from collections.abc import Sequence
from pathlib import Path

from cvlab.classroom.notebooks import ROOT


def say(line: str) -> None:
    """Print a line of progress at once, also into a pipe."""
    print(line, flush=True)


def make_book(options: argparse.Namespace) -> int:
    """Build the book, say where it is and, unless told not to, serve it."""
    from cvlab.classroom import book
    from cvlab.classroom.execute import ExecutionError

    started = time.monotonic()
    try:
        html = book.build(report=say, only=getattr(options, "name", None))
    except (book.BuildError, ExecutionError, ValueError) as error:
        say(f"cvlab: the book was not built. {error}")
        return 1
    say(f"Book: {html / 'index.html'} ({time.monotonic() - started:.0f} s)")
    if options.serve != "0":
        serve(html)
    return 0


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
    """Execute one chapter, build the book around it, open its page."""
    from cvlab.classroom import notebooks

    path = ROOT / "chapters" / f"{options.name}.ipynb"
    if not path.exists():
        known = ", ".join(file.stem for file in notebooks.files(ROOT, ("chapters",)))
        say(f"cvlab: there is no chapter {options.name!r}; there are {known}.")
        return 1
    options.serve = "0"
    if make_book(options):
        return 1
    from cvlab.classroom import book

    address = (book.HTML / "chapters" / f"{options.name}.html").as_uri()
    say(f"Page: {address}")
    if sys.stdout.isatty():
        webbrowser.open(address)
    return 0


def _pytest(*arguments: str) -> int:
    """Run pytest on as many workers as cores, one thread each."""
    from cvlab.classroom.execute import thread_limits

    workers = str(os.cpu_count() or 1)
    command = [sys.executable, "-m", "pytest", "-n", workers, *arguments]
    environment = os.environ | thread_limits(1)
    return subprocess.run(command, cwd=ROOT, check=False, env=environment).returncode


def make_test(options: argparse.Namespace) -> int:
    """Build the book, then run everything that CI checks in one pytest session."""
    options.serve = "0"
    if make_book(options):
        return 1
    # nbval numbers the cells of a notebook, so one worker must keep them all: loadscope.
    parallel = ["--dist", "loadscope"]
    everything = ["tests", "cvlab", "chapters", "solutions"]
    notebooks = ["--nbval-lax", "--nbval-cell-timeout", "300"]
    return _pytest(*parallel, "--doctest-modules", *notebooks, *everything, *options.arguments)


def make_check(options: argparse.Namespace) -> int:
    """Run what takes under a minute: lint, hygiene, unit tests."""
    quick = ["-m", "not browser and not slow"]
    return _pytest(*quick, "--doctest-modules", "tests", "cvlab", *options.arguments)


def make_exercises(_options: argparse.Namespace) -> int:
    """Derive the students' notebooks from the solutions."""
    from cvlab.classroom import exercises

    try:
        changed = exercises.write()
    except ValueError as error:
        say(f"cvlab: {error}")
        return 1
    for path in changed:
        say(f"exercises/{path.name}: {'written' if path.exists() else 'removed'}")
    say(f"{len(changed)} of {len(exercises.expected())} exercises changed.")
    return 0


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
    return make_exercises(_options)


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
    from cvlab.classroom import address

    try:
        changed = address.move(options.url)
    except ValueError as error:
        say(f"cvlab: {error}")
        return 1
    for path in changed:
        say(f"{path.relative_to(ROOT)}: moved")
    say(f"{len(changed)} files changed; the address is {address.current()}.")
    return 0


def parser() -> argparse.ArgumentParser:
    """Return the command's argument parser."""
    from cvlab import __version__

    top = argparse.ArgumentParser("cvlab", description="Build and check the cvlab course.")
    top.add_argument("--version", action="version", version=f"cvlab {__version__}")
    commands = top.add_subparsers(dest="command", required=True, metavar="COMMAND")

    def add(name: str, function) -> argparse.ArgumentParser:
        summary = re.sub(r"\s+", " ", function.__doc__ or "").strip()
        command = commands.add_parser(name, help=summary, description=summary)
        command.set_defaults(run=function)
        return command

    add("book", make_book).add_argument("--serve", default="1", metavar="0|1")
    add("chapter", make_chapter).add_argument("name", help="such as 01_knn")
    add("test", make_test).add_argument("arguments", nargs="*", help="handed to pytest")
    add("check", make_check).add_argument("arguments", nargs="*", help="handed to pytest")
    add("exercises", make_exercises)
    add("tidy", make_tidy)
    add("lock", make_lock)
    add("address", make_address).add_argument("url", help="https://github.com/OWNER/NAME")
    return top


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command; return its exit status."""
    options, unknown = parser().parse_known_args(arguments)
    if hasattr(options, "arguments"):  # -k, -x, --lf and the like are pytest's
        options.arguments = [*options.arguments, *unknown]
    elif unknown:
        parser().error(f"unknown: {' '.join(unknown)}")
    if not (ROOT / "_config.yml").exists():
        say("cvlab: this command works inside a checkout of the course, installed with `make`.")
        return 1
    try:
        return options.run(options)
    except OSError as error:
        say(f"cvlab: {error.filename or 'a file'}: {error.strerror}; mend that and run it again.")
        return 1
    except KeyboardInterrupt:
        say("\ncvlab: stopped; what was finished is kept.")
        return 130


if __name__ == "__main__":
    sys.exit(main())
