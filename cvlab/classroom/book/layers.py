"""The two layers of a chapter, and which of its code is the method.

Everybody reads the *core*. A section whose heading begins with "Deeper:" belongs to the second
layer, with all that follows until the next heading of its level or a higher one; the book folds it.
Visible code is the method: a cell that asserts, glues, plots, times, prints tables or makes a
slider is folded, and such a cell defines no method that a reader would look for.
"""

from __future__ import annotations

import ast
import functools
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cvlab.classroom import notebooks

#: What the core of a chapter may hold, so that it is read in about an hour.
MOST_WORDS = 2500
MOST_LINES = 200
MOST_FIGURES = 8
#: Lines of one visible cell: it fits a laptop's screen.
MOST_CELL_LINES = 20

DEEPER = "Deeper:"
WORDS_PER_MINUTE = 100  # of a text with formulas that one works through
LINES_PER_MINUTE = 8
MINUTES_PER_FIGURE = 1.5  # turn the slider, answer the question

_HEADING = re.compile(r"^(#{1,6}) +(.*?)\s*$", re.M)
_FENCE = re.compile(r"^(```|~~~).*?^\1", re.M | re.S)
_FOLD = re.compile(r"<details\b.*?</details>", re.S)
_MATH = re.compile(r"\$\$.*?\$\$(?:\s*\([\w-]+\))?|\$[^$\n]+\$", re.S)
_ROLE = re.compile(r"\{[\w:]+\}`([^`]*)`")
_DIRECTIVE = re.compile(r"^:::.*$|^:[\w-]+:.*$|^\s*\d+[.)] ", re.M)
_LINK = re.compile(r"\]\([^)]*\)|<[^>]+>")
_WORD = re.compile(r"[^\W_][\w'’.,-]*")

# Calls by which a cell shows, checks or times something.
_SHOWS = re.compile(
    r"^(?:glue|explore|timed|plot\.\w+|check\.\w+|(?:np|numpy|torch)\.testing\.\w+|display"
    r"|time\.(?:perf_counter|process_time|time)|perf_counter|process_time|tracemalloc\.\w+)$"
)
_WHAT = (
    (re.compile(r"^explore$"), "the code of this slider"),
    (re.compile(r"^plot\.table$"), "how this table is made"),
    (re.compile(r"^plot\."), "how this figure is drawn"),
    (re.compile(r"time|perf_counter|tracemalloc"), "how this is measured"),
)
CHECKED = "how these numbers are checked"


@dataclass
class Extent:
    """What a reader has before them in one layer of a page."""

    words: int = 0
    lines: int = 0
    figures: int = 0

    @property
    def minutes(self) -> int:
        """How long a reader takes, to the nearest five minutes."""
        spent = self.words / WORDS_PER_MINUTE + self.lines / LINES_PER_MINUTE
        return max(5, 5 * round((spent + MINUTES_PER_FIGURE * self.figures) / 5))

    def __add__(self, other: Extent) -> Extent:
        return Extent(
            self.words + other.words, self.lines + other.lines, self.figures + other.figures
        )


@dataclass(frozen=True)
class Piece:
    """A stretch of a notebook in one layer: a code cell, or Markdown between two headings."""

    cell: Any
    text: str
    section: str | None  # the Deeper section's title without that word, None in the core

    @property
    def deeper(self) -> bool:
        """Whether it belongs to the second layer."""
        return self.section is not None


def pieces(cells: list[Any]) -> Iterator[Piece]:
    """Iterate over a notebook's cells, Markdown divided where a Deeper section begins or ends."""
    level, section = 0, None  # of the heading that opened the Deeper section
    for cell in cells:
        source = "".join(cell["source"])
        if cell["cell_type"] != "markdown":
            yield Piece(cell, source, section)
            continue
        hidden = _FENCE.sub(lambda fence: " " * len(fence[0]), source)
        start = 0
        for heading in _HEADING.finditer(hidden):
            depth, opens = len(heading[1]), heading[2].startswith(DEEPER)
            was = section
            if section is not None and depth <= level:
                section = None
            if opens and section is None:
                level, section = depth, heading[2].removeprefix(DEEPER).strip()
            if section != was and source[start : heading.start()].strip():
                yield Piece(cell, source[start : heading.start()], was)
            if section != was:
                start = heading.start()
        yield Piece(cell, source[start:], section)


@functools.lru_cache(maxsize=8192)
def presents(source: str) -> str | None:
    """Return what the reader gets to see by unfolding a cell, or None if the cell is the method.

    Args:
        source: of a code cell.
    """
    try:
        tree = ast.parse(notebooks.plain(source))
    except SyntaxError:
        return None
    called = [ast.unparse(n.func) for n in ast.walk(tree) if isinstance(n, ast.Call)]
    for pattern, what in _WHAT:
        if any(_SHOWS.match(name) and pattern.search(name) for name in called):
            return what
    asserts = any(isinstance(node, ast.Assert) for node in ast.walk(tree))
    return CHECKED if asserts or any(_SHOWS.match(name) for name in called) else None


def folded(cell: Any) -> bool:
    """Whether the book folds a code cell: by its tag, or because it shows, checks or times."""
    return bool(
        {"hide-input", "hide-cell", "remove-cell", "remove-input"} & set(notebooks.tags(cell))
        or presents("".join(cell["source"]))
    )


def words(markdown: str) -> int:
    """Count the words of Markdown that a reader reads: no folds, no code, a formula is one word."""
    for pattern, instead in (
        (_FENCE, " "), (_FOLD, " "), (_MATH, " formula "), (_ROLE, " number "),
        (_DIRECTIVE, lambda line: line[0].split("}", 1)[-1] if "}" in line[0] else " "),
        (_LINK, " "),
    ):  # fmt: skip
        markdown = pattern.sub(instead, markdown)
    return len(_WORD.findall(markdown))


def code_lines(source: str) -> int:
    """Count the lines of a cell that are not blank."""
    return sum(bool(line.strip()) for line in source.splitlines())


def extents(cells: list[Any]) -> tuple[Extent, Extent]:
    """Return what the core and the Deeper sections of a notebook hold."""
    held = sections(cells)
    core = held.pop(None, Extent())
    return core, sum(held.values(), Extent())


def sections(cells: list[Any]) -> dict[str | None, Extent]:
    """Return what each Deeper section of a notebook holds, by its title; under None the core."""
    held: dict[str | None, Extent] = {}
    for piece in pieces(cells):
        extent = held.setdefault(piece.section, Extent())
        if piece.cell["cell_type"] == "markdown":
            extent.words += words(piece.text)
            extent.figures += len(re.findall(r"!\[|<img\b|^```\{figure\}", piece.text, re.M))
        elif piece.cell["cell_type"] == "code":
            extent.figures += len(re.findall(r"\b(?:plot\.show|explore)\(", piece.text))
            if not folded(piece.cell):
                extent.lines += code_lines(piece.text)
    return held


def table(paths: list[Path]) -> str:
    """Return what both layers of each page hold, a line a page, below the limits of the core."""
    head = f"{'page':<22}{'words':>7}{'lines':>7}{'figures':>9}{'min':>5}"
    deeper = f"{'deeper: words':>16}{'lines':>7}{'figures':>9}{'min':>5}"
    limits = f"{'(at most)':<22}{MOST_WORDS:>7}{MOST_LINES:>7}{MOST_FIGURES:>9}"
    rows = [head + deeper, limits]
    for path in paths:
        core, more = extents(notebooks.look(path)["cells"])
        minutes = more.minutes if more.words else 0
        rows.append(
            f"{path.stem:<22}{core.words:>7}{core.lines:>7}{core.figures:>9}{core.minutes:>5}"
            f"{more.words:>16}{more.lines:>7}{more.figures:>9}{minutes:>5}"
        )
    return "\n".join(rows)


def faults(path: Path) -> list[str]:
    """Return what makes a chapter too long to finish, or its visible code more than the method."""
    cells = notebooks.look(path)["cells"]
    core, _ = extents(cells)
    found = [
        f"{path.name}: the core has {count} {what}, at most {most} are read in an hour; move "
        'sections below a heading "Deeper: ...", or shorten.'
        for count, what, most in (
            (core.words, "words", MOST_WORDS),
            (core.lines, "visible lines of code", MOST_LINES),
            (core.figures, "figures and sliders", MOST_FIGURES),
        )
        if count > most
    ]
    for cell in cells:
        if cell["cell_type"] != "code":
            continue
        source, where = "".join(cell["source"]), f"{path.name}, {cell['id']}"
        if not folded(cell) and code_lines(source) > MOST_CELL_LINES:
            found.append(
                f"{where}: {code_lines(source)} visible lines, at most {MOST_CELL_LINES} fit a "
                "screen; split the cell, or tag it hide-input if it is not the method."
            )
        if "hide-input" not in notebooks.tags(cell) and presents(source) and methods(source):
            found.append(
                f"{where}: it defines {', '.join(methods(source))} and shows or checks something "
                "too; the method stands in a cell of its own, or tag this one hide-input."
            )
    return found


def methods(source: str) -> list[str]:
    """Return the functions and classes that a cell defines, but for those that draw."""
    try:
        tree = ast.parse(notebooks.plain(source))
    except SyntaxError:
        return []
    return [
        node.name
        for node in tree.body
        if isinstance(node, ast.FunctionDef | ast.ClassDef)
        and presents(ast.unparse(node)) is None
        and not node.name.startswith(("draw", "describe", "alt"))
    ]
