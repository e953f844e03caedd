"""The index of systems: every method the course names, and the cell that shows it working."""

from __future__ import annotations

import csv
import html
from dataclasses import dataclass
from pathlib import Path

from cvlab.classroom import notebooks
from cvlab.classroom.book.sphinxext import chapter_number
from cvlab.classroom.notebooks import ROOT


@dataclass(frozen=True)
class System:
    """A row of `book/systems.csv`."""

    id: str
    chapter: str
    name: str
    works_when: str


def read(path: Path = ROOT / "book" / "systems.csv") -> list[System]:
    """Return the course's methods in the order of the syllabus.

    Raises:
        ValueError: if a column is missing or an id stands twice.
    """
    with path.open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    fields = ("id", "chapter", "name", "works_when")
    for number, row in enumerate(rows, start=2):
        if any(not row.get(field) for field in fields) or None in row:
            raise ValueError(f"{path.name}, line {number}: needs the columns {', '.join(fields)}.")
    ids = [row["id"] for row in rows]
    twice = sorted({name for name in ids if ids.count(name) > 1})
    if twice:
        raise ValueError(f"{path.name}: {', '.join(twice)} stands more than once.")
    return [System(*(row[field] for field in fields)) for row in rows]


def tagged(root: Path = ROOT) -> dict[str, list[str]]:
    """Return, for each chapter's name, the ids that its code cells are tagged with."""
    return {
        path.stem: notebooks.systems(notebooks.look(path))
        for path in notebooks.files(root, ("chapters",))
    }


def faults(root: Path = ROOT) -> list[str]:
    """Return what is wrong between the list and the chapters' tags, one sentence each."""
    found: list[str] = []
    rows = read(root / "book" / "systems.csv")
    home = {row.id: row.chapter for row in rows}
    for path in notebooks.files(root, ("chapters",)):
        for cell in notebooks.look(path)["cells"]:
            marked = [tag for tag in notebooks.tags(cell) if tag.startswith("system:")]
            if marked and cell["cell_type"] != "code":
                found.append(f"{path.stem}, {cell['id']}: {marked[0]} marks text, not a code cell.")
    for chapter, ids in tagged(root).items():
        found += [
            f"{chapter}: system:{name} marks two cells; mark the one that asserts it."
            for name in sorted({name for name in ids if ids.count(name) > 1})
        ]
        found += [
            f"{chapter}: system:{name} belongs to {home[name]}, says book/systems.csv."
            for name in sorted(set(ids) & set(home))
            if home[name] != chapter
        ]
        found += [
            f"{chapter}: tag system:{name} is not in book/systems.csv."
            for name in sorted(set(ids) - set(home))
        ]
        missing = [row.id for row in rows if row.chapter == chapter and row.id not in ids]
        found += [f"{chapter}: no cell is tagged system:{name}." for name in missing]
    return found


def page(root: Path = ROOT) -> str:
    """Return the Markdown of the index: each method, with a link where it works."""
    rows = read(root / "book" / "systems.csv")
    shown = tagged(root)
    works = sum(row.id in shown.get(row.chapter, []) for row in rows)
    lines = [
        "# Index of systems",
        "",
        f"The course names {len(rows)} methods. A method *works* when a cell of its "
        "chapter computes and asserts what the third column says; the link leads there. It is made "
        f"from the cells' tags each time the book is built. Working now: {works}; planned: "
        f"{len(rows) - works}.",
        "",
    ]
    chapters = list(dict.fromkeys(row.chapter for row in rows))
    for chapter in chapters:
        place = root / "chapters" / f"{chapter}.ipynb"
        if chapter in shown:
            title = notebooks.title(notebooks.look(place))
            lines += [f"## {chapter_number(chapter)}. {title}", ""]
            lines += [f"[Open the chapter](chapters/{chapter}.ipynb).", ""]
        else:
            lines += [f"## {chapter.replace('_', ' ')}", ""]
        lines += ["| method | state | works when |", "|---|---|---|"]
        for row in rows:
            if row.chapter != chapter:
                continue
            if row.id in shown.get(chapter, []):
                link = f"chapters/{chapter}.html#system-{row.id}"
                state = f'<a href="{link}">works<span class="cvlab-hidden">: {row.name}</span></a>'
            else:
                state = "planned"
            works_when = html.escape(row.works_when, quote=False)  # or "<END>" is a tag
            cells = (f'<span id="{row.id}">{row.name}</span>', state, works_when)
            lines.append("| " + " | ".join(cell.replace("|", r"\|") for cell in cells) + " |")
        lines.append("")
    return "\n".join(lines)
