"""Build the book: execute what changed, lay out the pages, run Jupyter Book, warnings as errors."""

from __future__ import annotations

import hashlib
import html
import itertools
import json
import os
import platform
import re
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import nbformat

from cvlab import widgets
from cvlab.classroom import exercises, notebooks
from cvlab.classroom.book import (
    broken,
    hygiene,
    layers,
    logo,
    orientation,
    page,
    polish,
    syllabus,
    systems,
)
from cvlab.classroom.book.paper import offer
from cvlab.classroom.book.sphinxext import chapter_number
from cvlab.classroom.notebooks import ROOT
from cvlab.classroom.running import budget, execute

BUILD = ROOT / "_build"
SOURCE = BUILD / "source"
HTML = BUILD / "html"
NPM = BUILD / "npm"
STAMP = BUILD / "built"
SYLLABUS = ROOT / "book" / "syllabus.md"
FRAMES = "assets/frames"  # among the sources
WIDGET_VIEW = "application/vnd.jupyter.widget-view+json"
PAGE_LIMIT = 4_000_000
SOURCES = {".md", ".bib", ".css", ".csv", ".js", ".yml", ".png", ".svg"}  # of book/
APART = {"slides", "students"}  # folders of book/ that are no part of its pages

# What other pages show of a page: headings, targets of links, numbered equations and figures.
_OUTLINE = re.compile(
    r"^#{1,6} .*$|^\([^()\s]+\)=|\$\$\s*\([^()\s]+\)|^\s*:(?:name|label):.*$", re.M
)

_EXPLORER = re.compile(
    '(?P<tag><div class="cvlab-explore")(?P<rest>>.*?)'
    '<script type="application/json" class="cvlab-frames">(?P<frames>.*?)</script>',
    re.S,
)
#: A script or a handler in the markup, which a strict policy forbids.
_RUNS = re.compile(r"<script\b(?![^>]*json)|<[^>]+\son(?:click|load|error|input|change)=", re.I)
_GLUED = re.compile(r"\{glue:\w*\}`[^`]*`")
NOT_RUN = (
    '<p class="cvlab-time" data-not-run>This page was not run for this build of the book: its '
    'figures and sliders are missing, and in place of its results stands "(not run)". '
    "<code>make book</code> runs every page.</p>"
)


class BuildError(RuntimeError):
    """The book cannot be built; the message says why and what to do."""


def make(
    report: Callable[[str], None] = print,
    due: Callable[[list[Path]], list[Path]] | None = None,
    *,
    also: Iterable[Path] = (),
    full: bool = False,
) -> Path:
    """Build the book and return the folder of its pages.

    Args:
        report: receives lines of progress.
        due: chooses among the chapters those to execute; all by default. Another is shown with the
            outputs of its last run, and where that is not valid, without any.
        also: notebooks to execute in the same go that are no pages of the book.
        full: ignore what was stored and built before.

    Raises:
        BuildError: if a notebook fails, a page is too heavy or Sphinx warns.
    """
    found = [*exercises.faults(), *hygiene.contents()]
    found += syllabus.faults() if SYLLABUS.exists() else []
    if found:
        raise BuildError("\n  ".join(found))
    front, chapters = ROOT / "book" / "index.ipynb", list(notebooks.files(ROOT, ("chapters",)))
    pages = [front, *chapters]
    wanted = [front, *(due(chapters) if due else chapters), *also]
    with execute.alone(BUILD / "lock", "is building this book", report):
        if full:
            for path in [*pages, *also]:
                forget(path)
        records = {path: _record(path) for path in pages} | run(wanted, report)
        _make_pages({path: records[path] for path in pages}, report, full=full)
    return HTML


def _make_pages(
    records: dict[Path, dict[str, Any] | None], report: Callable[[str], None], *, full: bool
) -> None:
    """Bring the pages up to date with the notebooks' runs and with everything else in them."""
    offline = fetch_libraries(report)
    try:
        outline = lay_out(records)
    except UnicodeEncodeError as error:  # half a character
        raise BuildError("\n  ".join(broken.faults()) or str(error)) from None
    frame = hashlib.sha256(f"{_digest(frame=True)} {offline} {outline}".encode()).hexdigest()
    wanted = {"frame": frame, "pages": _digest(frame=False)}
    built = {} if full else _last_build()
    if HTML.exists() and built == wanted:
        report("Pages: up to date.")
        return
    if found := broken.faults():
        raise BuildError("\n  ".join(found))
    report("Pages: running Jupyter Book ...")
    STAMP.unlink(missing_ok=True)
    # Sphinx rewrites the pages whose source changed; what frames every page concerns them all.
    _jupyter_book(everything=not HTML.exists() or built.get("frame") != wanted["frame"])
    remove_orphans()
    polish.pages(HTML)
    if gone := offer.withdraw(HTML):
        report(f"Pages: {' and '.join(gone)} showed earlier ones; `make pdf` makes them anew.")
    _check_weight()
    STAMP.write_text(json.dumps(wanted), encoding="utf-8")


def run(paths: list[Path], report: Callable[[str], None]) -> dict[Path, dict[str, Any]]:
    """Execute those of the notebooks that have no valid run; return the records of all.

    Raises:
        BuildError: if some fail, one sentence each, after all have been tried.
    """
    records = {path: _record(path) for path in paths}
    stale = [path for path, found in records.items() if found is None]
    if not stale:
        report(f"Notebooks: {len(paths)} up to date.")
    elif failures := execute.execute_all(paths, report=report):
        raise BuildError("\n  ".join(["Not every notebook ran to its end:", *failures]))
    for path in stale:
        records[path] = _record(path)
        if records[path] is None:
            raise BuildError(f"{path.parent.name}/{path.name} changed while it ran: run it again.")
    return records


def _record(path: Path) -> dict[str, Any] | None:
    try:
        return execute.record(path)
    except (execute.ExecutionError, ValueError):
        return None  # `execute_all` says what is wrong with it, beside the other failures


def forget(path: Path) -> None:
    """Make a notebook's stored run stale; its measured time stays, to start heavy ones first."""
    described = execute.stored(path)[1]
    try:
        found = json.loads(described.read_text(encoding="utf-8"))
        notebooks.write(described, json.dumps(found | {"digest": "forgotten"}))
    except (OSError, ValueError, TypeError):
        described.unlink(missing_ok=True)


def fetch_libraries(report=print) -> bool:
    """Get the browser libraries from npm, once; return whether the book can serve its own."""
    lock = (ROOT / "book" / "package-lock.json").read_bytes()
    stamp = NPM / "installed"
    wanted = hashlib.sha256(lock).hexdigest()
    whole = stamp.exists() and stamp.read_text(encoding="utf-8") == wanted
    if whole and all(path.exists() for path in _vendor_files().values()):
        return True
    stamp.unlink(missing_ok=True)
    npm = shutil.which("npm")
    if npm is None and os.environ.get("CI") == "true":
        raise BuildError("npm is missing, and a published book must typeset its own formulas.")
    if npm is None:
        report("npm is missing: pages take MathJax for their formulas from a public CDN, so they")
        report(
            "need a network; install Node.js and run `make book` again for a book that does not."
        )
        shutil.rmtree(NPM, ignore_errors=True)
        return False
    report("Browser libraries: installing with npm ...")
    NPM.mkdir(parents=True, exist_ok=True)
    for name in ("package.json", "package-lock.json"):
        shutil.copy(ROOT / "book" / name, NPM / name)
    done = subprocess.run(
        [npm, "ci", "--ignore-scripts", "--no-audit", "--no-fund", "--loglevel=error"],
        cwd=NPM,
        capture_output=True,
        text=True,
        check=False,
        close_fds=False,  # see `execute.alone`
    )
    if done.returncode and os.environ.get("CI") == "true":
        raise BuildError(f"npm failed: {(done.stderr or done.stdout).strip()[-500:]}")
    if done.returncode:
        report(f"npm failed: {(done.stderr or done.stdout).strip().splitlines()[-1:]}; pages take")
        report("MathJax from a public CDN until `make book` succeeds with npm.")
        return False
    stamp.write_text(wanted, encoding="utf-8")
    return True


def _vendor_files() -> dict[str, Path]:
    """Return where in the book each file of the browser libraries goes."""
    modules = NPM / "node_modules"
    katex = modules / "katex" / "dist"
    chosen = [katex / "katex.min.css", *katex.glob("fonts/*.woff2")]
    files = {f"{page.VENDOR}/katex/{path.relative_to(katex).as_posix()}": path for path in chosen}
    search = modules / "minisearch" / "dist" / "umd" / "index.js"
    return files | {f"{page.VENDOR}/minisearch/index.js": search}


def lay_out(records: dict[Path, dict[str, Any] | None]) -> str:
    """Write the book's sources into one folder; touch only files whose content changed.

    Args:
        records: of each notebook that is a page the valid record, None without one.

    Returns:
        What pages show of each other, such as headings: if it changes, no page may stay as it was.
    """
    wanted: dict[str, bytes] = {}
    outline: list[str] = []
    for path in sorted((ROOT / "book").rglob("*")):
        if path.relative_to(ROOT / "book").parts[0] in APART:
            continue
        if path.is_file() and path.suffix in SOURCES:
            wanted[path.relative_to(ROOT / "book").as_posix()] = path.read_bytes()
        if path.suffix == ".md":
            outline += outline_of(path, path.read_text(encoding="utf-8"))
    for path, record in records.items():
        name = "index.ipynb" if path.stem == "index" else f"chapters/{path.name}"
        notebook = with_outputs(path) if record else without_outputs(path)
        wanted |= set_aside_frames(path, notebook)
        check_printed(path, notebook)
        notebook = decorate(notebook, record, path.stem)
        outline += outline_of(path, *_prose(notebook))
        wanted[name] = _content(notebook)
    for path in notebooks.files(ROOT, ("exercises",)):
        exercise = numbered(nbformat.read(path, as_version=4), path.stem)
        outline += outline_of(path, *_prose(exercise))
        for cell in exercise["cells"]:
            if cell["metadata"].get("nbgrader", {}).get("grade"):
                _fold(cell, "the self-check")
        wanted[f"exercises/{path.name}"] = _content(exercise)
    if SYLLABUS.exists():
        wanted["syllabus.md"] = syllabus.page().encode()
    wanted |= {place: text.encode() for place, text in orientation.pages().items()}
    wanted["systems.md"] = systems.page().encode()
    wanted["run_times.md"] = run_times(records).encode()
    wanted["logo.svg"] = logo.logo_svg().encode()
    wanted["favicon.svg"] = logo.favicon_svg().encode()
    if NPM.joinpath("installed").exists():
        for name, path in _vendor_files().items():
            wanted[f"assets/{name}"] = path.read_bytes()
    for path in [*SOURCE.rglob("*")] if SOURCE.exists() else []:
        if path.is_file() and path.relative_to(SOURCE).as_posix() not in wanted:
            path.unlink()
    for name, content in wanted.items():
        path = SOURCE / name
        if not path.exists() or path.read_bytes() != content:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content)
    return "\n".join(outline)


def check_printed(path: Path, notebook: Any) -> None:
    """Refuse before Sphinx sees it, which it would keep busy for hours, a page that prints much."""
    printed: dict[str, int] = {}
    for cell in notebook["cells"]:
        for output in cell.get("outputs", []):
            texts = [output.get("text", "")]
            texts += [v for kind, v in output.get("data", {}).items() if kind.startswith("text/")]
            weight = sum(len("".join(text)) for text in texts)
            printed[cell["id"]] = printed.get(cell["id"], 0) + weight
    if sum(printed.values()) > PAGE_LIMIT:
        heaviest = max(printed, key=printed.__getitem__)
        raise BuildError(
            f"{path.parent.name}/{path.name}: its cells print {sum(printed.values()) / 1e6:.1f} MB "
            f"of text; the limit is {PAGE_LIMIT / 1e6:.0f} MB: print less in cell {heaviest!r}."
        )


def set_aside_frames(path: Path, notebook: Any) -> dict[str, bytes]:
    """Take the frames of the sliders out of a page, which loads them when a slider comes near.

    Returns:
        The scripts that hold them, by their places among the book's sources.

    Raises:
        BuildError: if they are too heavy together, a widget needs a kernel, or an output is
            nothing but a script.
    """
    files: dict[str, bytes] = {}

    def set_aside(explorer: re.Match) -> str:
        frames = explorer["frames"]
        name = hashlib.sha256(frames.encode()).hexdigest()[:16]
        files[f"{FRAMES}/{name}.js"] = f'cvlabFrames("{name}", {frames});\n'.encode()
        return f'{explorer["tag"]} data-frames="{name}"{explorer["rest"]}'

    for cell in notebook["cells"]:
        for output in cell.get("outputs", []):
            data = output.get("data", {})
            if WIDGET_VIEW in data:
                raise BuildError(
                    f"{path.parent.name}/{path.name}, cell {cell['id']!r}: a widget of ipywidgets "
                    "needs a kernel, which the book has not; use cvlab.widgets.explore."
                )
            if "text/html" in data:
                data["text/html"] = _EXPLORER.sub(set_aside, "".join(data["text/html"]))
                if _RUNS.search(data["text/html"]):
                    # Such as scikit-learn's pictures of models; their words say the same.
                    del data["text/html"]
                    if "text/plain" not in data:
                        raise BuildError(
                            f"{path.parent.name}/{path.name}, cell {cell['id']!r}: its output "
                            "holds a script, which the book's policy forbids, and has no words in "
                            "place of it; display it as text/plain too."
                        )
    weight = sum(map(len, files.values()))
    if weight > widgets.MAX_BYTES:
        raise BuildError(
            f"{path.parent.name}/{path.name}: its sliders weigh {weight / 1e6:.1f} MB together; "
            f"the limit is {widgets.MAX_BYTES / 1e6:.0f} MB: draw fewer or smaller frames."
        )
    return files


def _content(notebook: Any) -> bytes:
    # On one line: to indent megabytes of outputs, as `nbformat.writes` does, takes far longer.
    return json.dumps(notebook, ensure_ascii=False).encode()


def _prose(notebook: Any) -> list[str]:
    return [cell["source"] for cell in notebook["cells"] if cell["cell_type"] == "markdown"]


def outline_of(path: Path, *texts: str) -> list[str]:
    """Return what other pages may show of a page: a sentence of it is not among that."""
    found = [path.relative_to(ROOT).as_posix()]
    for text in texts:
        found += [text] if "{glossary}" in text else _OUTLINE.findall(text)
    return found


def with_outputs(path: Path) -> Any:
    """Return a notebook as it is now with the outputs of its last run, which prose leaves valid."""
    notebook = notebooks.load(path)
    executed = nbformat.read(execute.stored(path)[0], as_version=4)
    # The sources of the code cells are part of the digest, so both lists are the same.
    code, runs = (
        [cell for cell in cells if cell["cell_type"] == "code"]
        for cells in (notebook["cells"], executed["cells"])
    )
    for cell, run in zip(code, runs, strict=True):
        cell["outputs"], cell["execution_count"] = run["outputs"], run["execution_count"]
    # Some editors leave it out, and Sphinx would warn of each cell.
    notebook["metadata"].setdefault("language_info", {"name": "python"})
    notebook["metadata"].pop("widgets", None)  # it would bring their library into the page
    return notebook


def without_outputs(path: Path) -> Any:
    """Return a notebook that was not run, with "(not run)" where its text quotes its results."""
    notebook = notebooks.load(path)
    numbers = itertools.count(50)
    for cell in notebook["cells"]:
        if cell["cell_type"] == "code":
            cell["outputs"], cell["execution_count"] = [], None
        elif "{question}" in cell["source"]:
            # Its answers must be numbers, far from each other.
            cell["source"] = _GLUED.sub(lambda _: f"1e{next(numbers)} (not run)", cell["source"])
        else:
            cell["source"] = _GLUED.sub("(not run)", cell["source"])
    notebook["metadata"].setdefault("language_info", {"name": "python"})
    return notebook


def decorate(notebook: Any, record: dict[str, Any] | None, name: str) -> Any:
    """Make an executed notebook a page: number, times, folds, an anchor at each system's cell."""
    times = _times(notebook["cells"], record) if record else NOT_RUN
    names = {row.id: row.name for row in systems.read()}
    cells = []
    for index, cell in enumerate(numbered(notebook, name)["cells"]):
        for tag in notebooks.tags(cell):
            if tag.startswith("system:") and cell["cell_type"] == "code":
                system = tag.removeprefix("system:")
                shown = html.escape(names.get(system, system))
                anchor = (
                    f'<div class="cvlab-system" id="system-{system}">'
                    f'<a href="../systems.html#{system}">index: {shown}</a></div>'
                )
                cells.append(nbformat.v4.new_markdown_cell(anchor, id=f"anchor-{system}"[:64]))
        cells.append(_folded(cell))
        if index == 0 and name != "index":
            cells.append(nbformat.v4.new_markdown_cell(times, id="measured-time"))
    notebook["cells"] = cells
    return notebook


def numbered(notebook: Any, name: str) -> Any:
    """Put a chapter's number before its title, and into that of its exercise."""
    number = chapter_number(name)
    if number and notebook["cells"]:
        title = notebook["cells"][0]
        title["source"] = re.sub(
            r"\A# (Exercise(?=:))?",
            lambda found: f"# Exercise {number}" if found[1] else f"# {number}. ",
            title["source"],
        )
    return notebook


def _times(cells: list[Any], record: dict[str, Any]) -> str:
    """Return the line that says how long a chapter takes: its reader, and the machine."""
    core, deeper = layers.extents(cells)
    reading = f"Reading: about {core.minutes} min"
    if deeper != layers.Extent():
        reading += f", with all Deeper sections {deeper.minutes} min more"
    return (
        f'<p class="cvlab-time">{reading}. Runs in {record["seconds"]:.0f} s with '
        f"{record['peak_bytes'] / 1e9:.1f} GB on the machine that built this page, every frame of "
        'its sliders included: see <a href="../run_times.html">run times</a>.</p>'
    )


def _folded(cell: Any) -> Any:
    """Fold a cell that shows, checks or times something: visible code is the method."""
    if cell["cell_type"] == "code":
        shown = layers.presents(cell["source"])
        if re.search(r"\bcvlab\.setup\(", cell["source"]):
            shown = "the set-up of this page"
        if shown or "hide-input" in notebooks.tags(cell):
            _fold(cell, shown or "the code of this step")
    return cell


def _fold(cell: Any, what: str) -> None:
    if "hide-input" not in notebooks.tags(cell):
        cell["metadata"]["tags"] = [*notebooks.tags(cell), "hide-input"]
    cell["metadata"]["mystnb"] = {
        "code_prompt_show": f"Show {what}",
        "code_prompt_hide": f"Hide {what}",
    }


def run_times(records: dict[Path, dict[str, Any] | None]) -> str:
    """Return the page of measured run times."""
    lines = [
        "# Run times",
        "",
        "Measured when this book was built, each notebook in a fresh kernel with every frame of "
        f"its sliders drawn; {execute.cores()} CPU cores shared by as many notebooks at a time, "
        f"Python {platform.python_version()} on {platform.system()}. The budget of a chapter is "
        f"{budget.CHAPTER.cpu_seconds:g} s of processor time and {budget.CHAPTER.memory_gb:g} GB, "
        "and a run that exceeds it is stopped. Kernels that are forked from a "
        "process with the libraries already imported spend no time on that, and their memory "
        "includes the part that they share with it.",
        "",
        "| notebook | time (s) | CPU time (s) | peak memory (GB) | sliders' positions drawn |",
        "|---|---:|---:|---:|---:|",
    ]
    for path, record in records.items():
        link = "index.ipynb" if path.stem == "index" else f"chapters/{path.name}"
        if record is None:
            lines.append(f"| [{path.stem}]({link}) | not run | | | |")
            continue
        frames = sum(widget["frames"] for widget in record["widgets"])
        lines.append(
            f"| [{path.stem}]({link}) | {record['seconds']:.0f} "
            f"| {record['cpu_seconds']:.0f} | {record['peak_bytes'] / 1e9:.1f} "
            f"| {frames} |"
        )
    total = sum(record["seconds"] for record in records.values() if record)
    lines += ["", f"All notebooks together: {total:.0f} s of kernel time.", ""]
    return "\n".join(lines)


def _last_build() -> dict[str, str]:
    """Return the digests of the last finished build; empty if there is none or it is damaged."""
    try:
        return dict(json.loads(STAMP.read_text(encoding="utf-8")))
    except (OSError, ValueError, TypeError):
        return {}


def _digest(*, frame: bool) -> str:
    """Return a digest of the pages' sources, or of what frames every page."""
    digest = hashlib.sha256()
    # A file of frames has its content's name, which stands in its page.
    frames = SOURCE / FRAMES
    parts = [path for path in sorted(SOURCE.rglob("*")) if path.is_file()]
    parts = [path for path in parts if path.parent != frames]
    shared = {path for path in parts if path.suffix in {".bib", ".css", ".js", ".svg", ".yml"}}
    parts = [path for path in parts if (path in shared) == frame]
    if frame:
        here = Path(__file__).parent
        parts += [ROOT / "_config.yml", ROOT / "requirements.lock"]
        parts += [here / "page.py", here / "questions.py", *sorted(here.glob("sphinxext/*.py"))]
        parts.append(here / "polish.py")
    for path in parts:
        digest.update(path.relative_to(ROOT).as_posix().encode())
        digest.update(path.read_bytes())
    return digest.hexdigest()


def _jupyter_book(*, everything: bool) -> None:
    main = "from cvlab.classroom import lean; from jupyter_book.cli.main import main; main()"
    command = [sys.executable, "-c", main, "build", str(SOURCE)]
    command += ["--config", str(ROOT / "_config.yml"), "--toc", str(SOURCE / "_toc.yml")]
    command += ["--path-output", str(ROOT), "--warningiserror", "--keep-going", "--quiet"]
    command += ["--all"] if everything else []
    done = subprocess.run(
        command, capture_output=True, text=True, check=False, cwd=ROOT, close_fds=False
    )
    printed = re.sub(r"\x1b\[[0-9;]*m", "", done.stdout + done.stderr)
    log = BUILD / "sphinx.log"
    log.write_text(printed, encoding="utf-8")
    if done.returncode:
        lines = printed.splitlines()
        telling = [line for line in lines if "WARNING" in line or "ERROR" in line] or lines[-15:]
        raise BuildError(
            "Jupyter Book reports:\n  " + "\n  ".join(telling[:20]) + f"\nThe whole log: {log}"
        )


def remove_orphans() -> None:
    """Remove the pages whose source is gone, which Sphinx leaves behind."""
    made = {"genindex.html", "search.html"}
    for path in [*HTML.rglob("*.html"), *(HTML / "_sources").rglob("*.*")]:
        place = path.relative_to(HTML)
        if place.parts[0] == "_static" or place.name in made:
            continue
        place = Path(*place.parts[place.parts[0] == "_sources" :])
        if not any((SOURCE / place).with_suffix(kind).exists() for kind in (".md", ".ipynb")):
            path.unlink()
    for path in (HTML / "_static" / "frames").glob("*.js"):
        if not (SOURCE / FRAMES / path.name).exists():
            path.unlink()


def _check_weight() -> None:
    for path in HTML.rglob("*.html"):
        weight = path.stat().st_size
        if weight > PAGE_LIMIT:
            raise BuildError(
                f"{path.relative_to(HTML)} weighs {weight / 1e6:.1f} MB; the limit is "
                f"{PAGE_LIMIT / 1e6:.0f} MB: draw its figures smaller."
            )
