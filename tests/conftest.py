"""Fixtures shared by the tests: the built book, a browser, copies of the repository."""

from __future__ import annotations

import contextlib
import functools
import gc
import http.server
import os
import shutil
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Generator, Iterator
from pathlib import Path

import pytest

from cvlab.classroom import notebooks
from cvlab.classroom.running import turns

ROOT = Path(__file__).resolve().parents[1]
HTML = ROOT / "_build" / "html"
LOCK = "requirements.lock"
IN_CI = os.environ.get("CI") == "true"
#: Once a week tests that repeat themselves for each chapter take all; else the first stands for it.
WEEKLY = os.environ.get("CVLAB_WEEKLY") == "1"
#: The exercises that this run tests: `make test` says whose turn it is, pytest alone takes all.
SOLUTIONS = list(notebooks.files(ROOT, ("solutions",)))
IN_TURN = [
    path.stem
    for path in turns.due(
        SOLUTIONS,
        os.environ.get("CVLAB_PART") or "all",
        beside=list(notebooks.files(ROOT, ("chapters",))),
    )
]


def missing(what: str) -> None:
    """Skip a test whose tool is absent, but never in CI, where that would hide a fault."""
    if IN_CI:
        pytest.fail(f"{what}; CI must have it.")
    pytest.skip(what)


def pytest_configure() -> None:
    """Let Ctrl-C work in what tests start: a script's background jobs are told to ignore it."""
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.hookimpl(wrapper=True)
def pytest_collection() -> Generator[None, object, object]:
    """Collect tests without looking for rubbish meanwhile, which took ten seconds."""
    gc.disable()
    try:
        return (yield)
    finally:
        gc.enable()


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Leave to the weekly run what is about code that nobody has changed of late."""
    if WEEKLY or os.environ.get("CVLAB_PART", "all") in ("", "all"):
        return
    lately = functools.cache(turns.lately)
    for item in items:
        for mark in item.iter_markers("about"):
            if not lately((*mark.args, LOCK, item.path.relative_to(ROOT).as_posix())):
                reason = f"once a week; no file that it is about changed in {turns.RECENT} commits"
                item.add_marker(pytest.mark.skip(reason=reason))


def pytest_collection_finish() -> None:
    """Spare the collector what stays: ten thousand tests are a second of each full collection."""
    gc.collect()
    gc.freeze()


def pytest_unconfigure() -> None:
    """Let the end of the process find them, or libraries print a page on what was not freed."""
    gc.unfreeze()


def run_benchmark(name: str, *words: str) -> subprocess.CompletedProcess:
    """Run a script of ``tests/benchmarks/`` as a command."""
    command = [sys.executable, str(ROOT / "tests" / "benchmarks" / f"{name}.py"), *words]
    return subprocess.run(command, capture_output=True, text=True, timeout=600, check=False)


def rows_of(done: subprocess.CompletedProcess) -> list[list[str]]:
    """Return the cells of the table that a benchmark printed, without its heading."""
    assert done.returncode == 0, done.stderr
    lines = [line for line in done.stdout.splitlines() if line.startswith("| ")]
    return [[cell.strip() for cell in line.split("|")[1:-1]] for line in lines[1:]]


@pytest.fixture(scope="module", autouse=True)
def few_libraries(request: pytest.FixtureRequest) -> Iterator[None]:
    """Let what makes boxes import one library before, not all of the course: a second, not five.

    Walls, messages, clocks and grades do not depend on what is imported already. A module of the
    grader's tests may name others as its ``LIBRARIES``; None stands for all, as in a real class.
    """
    wanted = getattr(request.module, "LIBRARIES", "numpy")
    with pytest.MonkeyPatch.context() as patch:
        if request.path.parent.name == "grading" and wanted is not None:
            patch.setenv("CVLAB_LIBRARIES", wanted)
        yield


@pytest.fixture(scope="module")
def trees() -> Iterator[None]:
    """Let rules on notebooks keep the trees of all cells for one another, and no longer.

    They hold no circles, and each search for some would walk through all of them: with them in
    memory, a session of pytest inside of a test took three seconds instead of a twentieth.
    """
    from cvlab.classroom.book import hygiene

    gc.disable()
    yield
    hygiene.forget()
    gc.enable()


@pytest.fixture(scope="session")
def walls() -> None:
    """Boxes of the grader; without them there is nothing to test."""
    from cvlab.classroom.grading.box import isolation

    faults = {wall: fault for wall, fault in isolation.doctor().items() if fault}
    if faults:
        missing(f"this machine cannot build a box: {faults}")


@pytest.fixture(scope="session")
def html() -> Path:
    """The folder of the built book."""
    if not (HTML / "index.html").exists():
        missing("the book is not built; run `make book SERVE=0` first")
    return HTML


#: What a server may forbid, and the book still works; styles stand in the markup.
POLICY = (
    "default-src 'self'; script-src 'self'; style-src 'self' 'unsafe-inline'; "
    "img-src 'self' data:; font-src 'self' data:; object-src 'none'; base-uri 'none'"
)


class _Handler(http.server.SimpleHTTPRequestHandler):
    def end_headers(self) -> None:
        """Serve under a strict policy: its breaches are errors on the page's console."""
        self.send_header("Content-Security-Policy", POLICY)
        super().end_headers()

    def log_message(self, *_arguments: object) -> None:
        """Keep the tests' output readable."""


@contextlib.contextmanager
def served(folder: Path) -> Iterator[str]:
    """Serve a folder under the strict policy, on this machine only; yield its address."""
    handler = functools.partial(_Handler, directory=str(folder))
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()


@pytest.fixture(scope="session")
def address(html: Path) -> Iterator[str]:
    """The address at which the built book is served."""
    with served(html) as place:
        yield place


@pytest.fixture(scope="module")
def browser() -> Iterator[object]:
    """Headless Chromium, as installed on the machine.

    It ends with its module: while Playwright is open, no other test can run an event loop.
    """
    from playwright.sync_api import sync_playwright

    names = ("chromium", "chromium-browser", "google-chrome")
    program = os.environ.get("CVLAB_CHROMIUM") or next(filter(None, map(shutil.which, names)), None)
    if program is None:
        missing("no Chromium found; install it or set CVLAB_CHROMIUM")
    quiet = ["--no-sandbox", "--disable-gpu", "--disable-quic", "--disable-background-networking"]
    quiet += ["--disable-component-update", "--disable-sync", "--no-first-run"]
    with sync_playwright() as playwright:
        running = playwright.chromium.launch(executable_path=program, args=quiet)
        yield running
        running.close()


@pytest.fixture
def copy(tmp_path: Path) -> Callable[[], Path]:
    """Return a function that copies the repository's files, so that a fault can be planted."""

    def make() -> Path:
        target = tmp_path / "a copy"
        for path in notebooks.repository_files(ROOT):
            place = target / path.relative_to(ROOT)
            place.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(path, place)
        subprocess.run(["git", "init", "--quiet"], cwd=target, check=True)
        return target

    return make


@pytest.fixture(scope="module")
def shell() -> Iterator[object]:
    """An IPython shell that `display` sends to, as in a notebook, gone again after the module."""
    from IPython.core.interactiveshell import InteractiveShell
    from traitlets.config import Config

    config = Config()
    config.HistoryManager.enabled = False
    hook = sys.displayhook
    yield InteractiveShell.instance(config=config)
    InteractiveShell.clear_instance()
    sys.displayhook = hook
