"""Drive JupyterLab and Notebook in a browser, with the warm kernel in place of the stock one.

    python tests/peers/lab.py                       # both
    python tests/peers/lab.py notebook --chapter 01_knn

A reader's session with a whole chapter: run all cells, move every slider, load the page again,
interrupt, restart, run five notebooks at once, shut down. It runs twice, once with each kernel, and
what is seen must be equal: outputs, the pictures that sliders lead to, complaints of the browser
and of the server. Beside `clients.py`, whose environment it shares; needs Chromium. Pictures of
the pages are left in the folder that it names, to be looked at.
"""

from __future__ import annotations

import argparse
import contextlib
import hashlib
import json
import os
import re
import shutil
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import clients  # beside this file
import run as suites
from clients import KIND, Place, outputs
from playwright.sync_api import Error, Page, sync_playwright

TOKEN = "secret"
GIVE_UP = 900  # seconds; a chapter on a busy machine takes a third
MANY = 5
#: By front end: its module, the path of a notebook's page, and the option's application.
FRONTS = {"lab": ("lab/tree", "LabApp"), "notebook": ("notebooks", "JupyterNotebookApp")}
PANEL = "window.jupyterapp.shell.currentWidget"
SERVER = "from jupyterlab.labapp import main; main()", "from notebook.app import main; main()"
#: What differs from run to run: addresses, names of widgets, times, what else is a number, and
#: pictures, of which some show times; those of sliders are compared by themselves.
CHANGING = re.compile(r"data:image/[^\\\"]+|0x[0-9a-f]+|\b[0-9a-f]{32}\b|\d+(\.\d+)?")


class Server:
    """A server of notebooks and the pages that it shows in a browser.

    Args:
        front: of `FRONTS`.
        place: where it runs.
        browser: of playwright.
    """

    def __init__(self, front: str, place: Place, browser: Any) -> None:
        self.front, self.place = front, place
        self.path, application = FRONTS[front]
        with socket.create_server(("127.0.0.1", 0)) as free:
            self.port = free.getsockname()[1]
        settings = place.folder / "settings"
        command = [place.python, "-c", SERVER[list(FRONTS).index(front)], "--no-browser"]
        command += ["--allow-root", f"--ServerApp.port={self.port}", "--ServerApp.port_retries=0"]
        command += [f"--IdentityProvider.token={TOKEN}", f"--ServerApp.root_dir={place.folder}"]
        command += [f"--{application}.expose_app_in_browser=True"]
        command += [f"--{application}.{name}_dir={settings / name}" for name in SETTINGS]
        self.log = place.folder / "server.log"
        self.process = subprocess.Popen(
            command, cwd=place.folder, env=place.variables, stderr=self.log.open("w")
        )
        self.context = browser.new_context(viewport={"width": 1280, "height": 900})
        self.context.set_default_timeout(1000 * GIVE_UP)
        self.complaints: list[str] = []

    def __enter__(self) -> Server:
        wait(self.answers)
        return self

    def __exit__(self, *_exception: object) -> None:
        self.context.close()
        self.process.terminate()
        self.process.wait(GIVE_UP)

    def ask(self, path: str) -> Any:
        """Ask the server's interface."""
        url = f"http://127.0.0.1:{self.port}/api/{path}?token={TOKEN}"
        with urllib.request.urlopen(url, timeout=GIVE_UP) as reply:
            return json.loads(reply.read())

    def answers(self) -> bool:
        """Tell whether it is there."""
        assert self.process.poll() is None, self.log.read_text()[-3000:]
        with contextlib.suppress(OSError):
            return bool(self.ask("status"))
        return False

    def open(self, name: str) -> Page:
        """Open a notebook in a page of its own and wait for its kernel."""
        page = self.context.new_page()
        page.on("console", lambda m: m.type == "error" and self.complaints.append(m.text))
        page.on("pageerror", lambda error: self.complaints.append(str(error)))
        reset = "&reset" if self.front == "lab" else ""
        page.goto(f"http://127.0.0.1:{self.port}/{self.path}/{name}?token={TOKEN}{reset}")
        ready(page)
        return page

    @contextlib.contextmanager
    def witness(self) -> Iterator[None]:
        """Take pictures of the pages if something fails."""
        try:
            yield
        except BaseException:
            for number, page in enumerate(self.context.pages):
                page.screenshot(path=self.place.folder / f"failed{number}.png")
            raise

    def complained(self) -> list[str]:
        """Return what browser and server complained of, each once, without numbers."""
        logged = re.findall(r"^\[E .*|^\[W .*warm parent.*|^\w+Error.*", self.log.read_text(), re.M)
        return sorted({CHANGING.sub("0", line) for line in logged + self.complaints})


SETTINGS = ("user_settings", "workspaces")


def wait(true: Callable[[], Any]) -> None:
    """Wait until something is true."""
    ends = time.monotonic() + GIVE_UP
    while not true():
        assert time.monotonic() < ends, "it never came"
        time.sleep(0.2)


def ready(page: Page) -> None:
    """Wait until a page's kernel has nothing to do."""
    page.wait_for_function(
        f"window.jupyterapp && {PANEL}?.context?.sessionContext"
        f" && {PANEL}.context.sessionContext.session?.kernel?.status === 'idle'"
    )


def command(page: Page, name: str) -> None:
    """Give a front end one of its commands and wait until it is done."""
    page.evaluate(f"window.jupyterapp.commands.execute('{name}')")


def saved(page: Page, path: Path) -> list[object]:
    """Save a page's notebook and return its outputs; by itself a front end may write it as well."""

    def whole() -> bool:
        try:
            json.loads(path.read_text(encoding="utf-8"))
        except json.JSONDecodeError:  # half of it is written
            return False
        return True

    command(page, "docmanager:save")
    wait(whole)
    return outputs(path)


def type_cell(page: Page, text: str) -> None:
    """Write a cell at the end, by keyboard, and run it."""
    page.evaluate(f"{PANEL}.content.activeCellIndex = {PANEL}.content.widgets.length - 1")
    command(page, "notebook:insert-cell-below")
    command(page, "notebook:enter-edit-mode")
    page.keyboard.insert_text(text)
    page.keyboard.press("Control+Enter")


def said(page: Page) -> str:
    """Return what the last cell has printed, or the name of its error."""
    last = f"{PANEL}.content.widgets.at(-1).model.outputs?.toJSON() ?? []"
    texts = [one.get("ename") or one.get("text", "") for one in page.evaluate(last)]
    return "".join("".join(text) for text in texts).strip()


def picture(page: Page, explorer: Any) -> tuple[str, str]:
    """Return an explorer's alternative text and a digest of its picture."""
    image = explorer.locator("img.cvlab-frame").element_handle()
    source = image.get_attribute("src") or ""
    return image.get_attribute("alt") or "", hashlib.sha256(source.encode()).hexdigest()


def turn(control: Any) -> None:
    """Turn a control by mouse; in Notebook an arrow key moves the page instead."""
    value, most = (control.get_attribute(f"aria-value{end}") for end in ("now", "max"))
    if value is None:  # a radio button
        control.check()
        return
    track = control.locator("xpath=ancestor::*[contains(@class, 'noUi-target')]")
    size = track.bounding_box()
    track.click(position={"x": 1 if value == most else size["width"] - 2, "y": size["height"] / 2})


def move_sliders(page: Page, count: int) -> list[tuple[str, str]]:
    """Move each control of each explorer; return the pictures that come."""
    found = []
    explorers = page.locator(".cvlab-explore")
    wait(lambda: explorers.count() == count)
    for explorer in explorers.all():
        explorer.scroll_into_view_if_needed()
        other_names = explorer.locator("input[type=radio]:not(:checked)").all()[-1:]
        for control in [*explorer.locator(".noUi-handle").all(), *other_names]:
            before = picture(page, explorer)
            found.append(before)
            turn(control)
            wait(lambda before=before, one=explorer: picture(page, one) != before)
            found.append(picture(page, explorer))
    return found


def session(server: Server, name: str, explorers: int) -> dict[str, Any]:
    """Spend a reader's session with a chapter; return what was seen."""
    seen: dict[str, Any] = {}
    page = server.open(name)
    shot = lambda what: page.screenshot(path=server.place.folder / f"{what}.png")  # noqa: E731
    command(page, "notebook:run-all-cells")
    ready(page)
    seen["outputs"] = unchanging(saved(page, server.place.folder / name))
    seen["sliders"] = move_sliders(page, explorers)
    shot("sliders")
    page.reload()
    ready(page)
    seen["sliders after loading the page again"] = move_sliders(page, explorers)
    shot("reloaded")
    type_cell(page, "import time\nprint('in the loop')\nwhile True:\n    time.sleep(0.1)")
    wait(lambda: "in the loop" in said(page))
    page.keyboard.press("Escape")
    page.keyboard.press("i")
    page.keyboard.press("i")
    wait(lambda: "KeyboardInterrupt" in said(page))
    ready(page)
    shot("interrupted")
    type_cell(page, "print('cvlab' in globals())")
    wait(lambda: said(page) == "True")
    page.keyboard.press("Escape")
    page.keyboard.press("0")
    page.keyboard.press("0")
    page.locator(".jp-Dialog .jp-mod-accept").click()
    ready(page)
    type_cell(page, "print('cvlab' in globals())")
    wait(lambda: said(page) == "False")
    shot("restarted")
    type_cell(page, KIND)
    wait(lambda: said(page) in ("stock", "warm"))
    seen["kernel"] = said(page)
    page.close()
    return seen


def many(server: Server, names: list[str]) -> dict[str, Any]:
    """Run notebooks at once; return what they put out."""
    pages = [server.open(name) for name in names]
    for page in pages:
        page.evaluate("void window.jupyterapp.commands.execute('notebook:run-all-cells')")
    found = {}
    for name, page in zip(names, pages, strict=True):
        page.bring_to_front()
        last = f"{PANEL}.content.widgets.at(-1).model.executionCount"
        page.wait_for_function(f"{last} !== null")
        ready(page)
        page.screenshot(path=server.place.folder / f"{Path(name).stem}.png")
        found[name] = unchanging(saved(page, server.place.folder / name))
        page.close()
    return found


def unchanging(found: list[object]) -> list[str]:
    """Return outputs without what differs between two runs with one kernel."""
    return [CHANGING.sub("0", json.dumps(one, ensure_ascii=False)) for one in found]


def spend(front: str, place: Place, browser: Any, chapter: Path) -> dict[str, Any]:
    """Spend the session with a kernel; return what was seen and complained of."""
    cells = json.loads(chapter.read_text(encoding="utf-8"))["cells"]
    code = ["".join(cell["source"]) for cell in cells if cell["cell_type"] == "code"]
    shutil.copy(chapter, place.folder / "chapter.ipynb")
    first = next(number for number, text in enumerate(code) if "explore(" in text)
    names = [f"many{number}.ipynb" for number in range(MANY)]
    for name in names:
        clients.write(place.folder / name, [KIND, *code[: first + 1]])
    place.variables["CVLAB_WARM_LINGER"] = "1"
    with Server(front, place, browser) as server, server.witness():
        seen = session(server, "chapter.ipynb", sum(text.count("\nexplore(") for text in code))
        seen["at once"] = many(server, names)
        kernels = server.ask("kernels")
        assert len(kernels) == 1 + MANY, kernels
    seen["complaints"] = server.complained()
    return seen


def chromium() -> str:
    """Return the browser's program."""
    names = ("chromium", "chromium-browser", "google-chrome")
    program = os.environ.get("CVLAB_CHROMIUM") or next(filter(None, map(shutil.which, names)), None)
    if program is None:
        raise SystemExit("peers: no Chromium found; install it or set CVLAB_CHROMIUM.")
    return program


def main() -> int:
    """Drive the front ends and print what differs; 1 if something does."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("names", nargs="*", help=f"of {', '.join(FRONTS)} (both)")
    parser.add_argument("--chapter", default="04_filtering", help="(%(default)s)")
    options = parser.parse_args()
    if unknown := set(options.names) - set(FRONTS):
        parser.error(f"there is no front end {', '.join(sorted(unknown))}")
    chapter = suites.ROOT / "chapters" / f"{options.chapter}.ipynb"
    if not chapter.exists():
        parser.error(f"there is no chapter {options.chapter}")
    place, python = suites.prepare()
    quiet = ["--no-sandbox", "--disable-gpu", "--no-first-run"]
    faults = 0
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium(), args=quiet)
        for front in options.names or FRONTS:
            folder = place / "lab" / front
            print(f"{front}, pictures in {folder}:", flush=True)
            try:
                stock, warm = (
                    spend(
                        front, Place(python, folder / kind, warm=kind == "warm"), browser, chapter
                    )
                    for kind in ("stock", "warm")
                )
            except (AssertionError, Error) as error:
                faults += 1
                print(f"  FAILED: {error}", flush=True)
                continue
            assert (stock["kernel"], warm["kernel"]) == ("stock", "warm")
            for what in stock:
                same = differences(stock[what], warm[what])
                faults += bool(same)
                print(f"  {what}: {same or 'equal'}", flush=True)
    return int(faults > 0)


def differences(stock: Any, warm: Any) -> str:
    """Say where what was seen with the two kernels differs, or nothing."""
    before, after = json.dumps(stock), json.dumps(warm).replace("warm", "stock")
    if before == after:
        return ""
    at = next((k for k, pair in enumerate(zip(before, after, strict=False)) if len({*pair}) > 1), 0)
    return f"DIFFERENT: ...{before[at - 80 :][:400]}\n    ...{after[at - 80 :][:400]}"


if __name__ == "__main__":
    sys.exit(main())
