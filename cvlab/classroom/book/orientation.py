"""Where a reader is: the pages of the parts, and the map of the course.

Both are made from the contents and from what chapters say they need. A page in `book/parts/` has
the text of a part and a comment `<!-- made: part -->`, where its chapters stand when the book is
built; `book/course_map.md` has `<!-- made: map -->`.
"""

from __future__ import annotations

import html
import re
from dataclasses import dataclass
from pathlib import Path

import yaml

from cvlab.classroom import notebooks
from cvlab.classroom.book import questions, syllabus, systems
from cvlab.classroom.book.sphinxext import chapter_number
from cvlab.classroom.book.syllabus import Chapter
from cvlab.classroom.notebooks import ROOT

FOLDER = "parts/"
ROW = 2  #: height of a row of the map, in rem, as in `cvlab.css`
_FIRST = re.compile(r".+?(?=[:,]| and |$)")


@dataclass(frozen=True)
class Part:
    """A part of the book: its caption in the contents, its page, its chapters."""

    caption: str
    page: str
    chapters: list[str]


def parts(root: Path = ROOT) -> list[Part]:
    """Return the parts in the book's order; what stands around them, such as Reference, is none.

    Raises:
        ValueError: if a part's first page is none of `book/parts/`.
    """
    contents = yaml.safe_load((root / "book" / "_toc.yml").read_text(encoding="utf-8"))
    found = []
    for part in contents.get("parts", []):
        files = [entry["file"] for entry in part["chapters"]]
        names = [file.removeprefix("chapters/") for file in files if file.startswith("chapters/")]
        if not names:
            continue
        if not files[0].startswith(FOLDER):
            raise ValueError(f"book/_toc.yml: {part['caption']} does not begin with its own page.")
        found.append(Part(part["caption"], files[0], names))
    return found


def pages(root: Path = ROOT) -> dict[str, str]:
    """Return the Markdown of the parts' pages and of the map, by their places in the book."""
    if not (root / "book" / "course_map.md").exists():  # a small course
        return {}
    known = syllabus.chapters(root)
    made = {
        f"{part.page}.md": {"part": lambda part=part: about(part, known, root)}
        for part in parts(root)
    }
    made["course_map.md"] = {"map": lambda: course_map(parts(root), known)}
    paths = {place: root / "book" / place for place in made}
    return {
        place: syllabus.fill(path, made[place]) for place, path in paths.items() if path.exists()
    }


def about(part: Part, known: dict[str, Chapter], root: Path = ROOT) -> str:
    """Return what a part needs, and its chapters with hours and methods."""
    own = [known[name] for name in part.chapters]
    methods = [row.chapter for row in systems.read(root / "book" / "systems.csv")]
    outside = [
        name for name in known if name not in part.chapters and any(name in c.needs for c in own)
    ]
    needs = "; ".join(_link(known[name]) for name in outside)
    lines = [
        f"**You need** {needs}." if needs else "**You need** some Python, and nothing before it.",
        "",
        f"**It takes** {syllabus.hours(sum(c.core for c in own))} hours for what everybody reads, "
        f"{syllabus.hours(sum(c.deeper() for c in own))} for all that is deeper, and "
        f"{syllabus.hours(sum(c.practice for c in own))} for the exercises "
        "([how they are counted](../syllabus.md)).",
        "",
        "| chapter | core (h) | Deeper (h) | exercise (h) | methods |",
        "|---|---:|---:|---:|---:|",
    ]
    for chapter in own:
        times = map(syllabus.hours, (chapter.core, chapter.deeper(), chapter.practice))
        count = methods.count(chapter.name)
        lines.append(f"| {_link(chapter)} | {' | '.join(times)} | {count} |")
    return "\n".join(lines)


def _link(chapter: Chapter) -> str:
    return f"[{chapter.title}](../chapters/{chapter.name}.ipynb)"


def reduced(known: dict[str, Chapter]) -> dict[str, list[str]]:
    """Return what each chapter builds on without what follows from that."""
    above: dict[str, set[str]] = {}
    for name, chapter in known.items():
        above[name] = set(chapter.needs).union(*(above[need] for need in chapter.needs))
    return {
        name: [
            need
            for need in chapter.needs
            if not any(need in above[other] for other in chapter.needs)
        ]
        for name, chapter in known.items()
    }


def course_map(of_course: list[Part], known: dict[str, Chapter]) -> str:
    """Return the map: a list of links, and beside it a picture with an arc for each need.

    All rows of the list are equally high, so that the picture, as high as the list, fits.
    """
    rows: list[str] = []
    places: dict[str, int] = {}
    for part in of_course:
        title = html.escape(part.caption)
        rows.append(f'<li class="cvlab-part"><a href="{part.page}.html">{title}</a></li>')
        for name in part.chapters:
            places[name] = len(rows)
            rows.append(_row(known[name]))
    height = len(rows)
    arcs = [
        f'<path data-chapter="{name}" d="{_arc(places[need], row, height)}"></path>'
        for name, needs in reduced(known).items()
        for need in needs
        if (row := places.get(name)) is not None and need in places
    ]
    lines = [
        '<div class="cvlab-map">',
        f'<svg viewBox="0 0 1 {height}" height="{ROW * height}rem" preserveAspectRatio="none" '
        'aria-hidden="true">',
        *arcs,
        "</svg>",
        "<ul>",
        *rows,
        "</ul>",
        "</div>",
    ]
    return "\n".join(lines)


def _row(chapter: Chapter) -> str:
    """Return a chapter's line: its title, of which a phone shows the first words alone."""
    title = _FIRST.match(chapter.title)[0]
    rest = chapter.title.removeprefix(title)
    rest = f'<span class="cvlab-rest">{html.escape(rest)}</span>' if rest else ""
    needs = ", ".join(chapter_number(need) or need for need in chapter.needs)
    on = f'<span class="cvlab-hidden"> (builds on {needs})</span>' if needs else ""
    place = f"chapters/{chapter.name}.html"
    done = f'<span class="cvlab-done" data-keys="{" ".join(_keys(chapter.path))}"></span>'
    link = f'<a href="{place}">{html.escape(title)}{rest}{on}</a>'
    return f'<li data-chapter="{chapter.name}">{link}{done}</li>'


def _arc(one: int, other: int, height: int) -> str:
    """Return half an ellipse between two rows; the longer the way, the farther out it goes."""
    half = (other - one) / 2
    reach = 0.1 + 0.88 * (2 * half / height) ** 0.5
    return f"M 1 {one + 0.5:g} A {reach:.3f} {half:g} 0 0 0 1 {other + 0.5:g}"


def _keys(path: Path) -> list[str]:
    cells = notebooks.look(path)["cells"]
    texts = ["".join(cell["source"]) for cell in cells if cell["cell_type"] == "markdown"]
    return [one.key for text in texts for one in questions.questions(text)]
