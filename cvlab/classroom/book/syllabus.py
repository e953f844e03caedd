"""The syllabus: hours a chapter, what builds on what, and plans of a whole course.

Nothing of it is typed. Hours follow from what the notebooks hold, prerequisites from the links
after "You need" at a chapter's head, plans from `book/plans.yml`. `book/syllabus.md` says the rule;
where it has a comment such as `<!-- made: hours -->` stands the table when the book is built.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import yaml

from cvlab.classroom import notebooks
from cvlab.classroom.book import layers
from cvlab.classroom.book.sphinxext import chapter_number
from cvlab.classroom.notebooks import ROOT

#: Minutes for a task of an exercise, beside reading it.
MINUTES = {"first step": 10, "standard": 20, "hard": 40}

_NEEDS = re.compile(r"^\*\*You need:?\*\*:?(.*?)(?:\n\s*\n|\Z)", re.M | re.S)
_CHAPTER = re.compile(r"\]\((?:\.\./chapters/)?(\d[\w-]*)\.ipynb")
_LEVEL = re.compile(r"^## Task \d+: .+ \((first step|standard|hard), [\d.]+ points?\)\s*$", re.M)
_MADE = re.compile(r"^<!-- made: (\w+) -->$", re.M)


@dataclass(frozen=True)
class Chapter:
    """A chapter with its exercise, as a teacher plans it; all times are minutes of a student."""

    path: Path
    exercise: Path

    @property
    def name(self) -> str:
        """Its file's name, such as 01_knn."""
        return self.path.stem

    @cached_property
    def _text(self) -> list[str]:
        cells = notebooks.look(self.path)["cells"]
        return ["".join(cell["source"]) for cell in cells if cell["cell_type"] == "markdown"]

    @property
    def title(self) -> str:
        """Its number and its title."""
        return f"{chapter_number(self.name)}. {notebooks.title(notebooks.look(self.path))}"

    @property
    def states_needs(self) -> bool:
        """Whether its head says what one needs."""
        return bool(_NEEDS.search(self._text[0]))

    @cached_property
    def needs(self) -> list[str]:
        """The chapters that its head links to as needed, each once."""
        found = _NEEDS.search(self._text[0])
        return list(dict.fromkeys(_CHAPTER.findall(found[1]))) if found else []

    @cached_property
    def sections(self) -> dict[str | None, layers.Extent]:
        """What each Deeper section holds, by its title without that word; under None the core."""
        return layers.sections(notebooks.look(self.path)["cells"])

    @property
    def core(self) -> int:
        """Minutes for the core."""
        return self.sections[None].minutes

    def deeper(self, titles: list[str] | None = None) -> int:
        """Return the minutes for some Deeper sections, or for all."""
        chosen = [title for title in self.sections if title] if titles is None else titles
        extents = [self.sections[title] for title in chosen]
        return sum(extents, layers.Extent()).minutes if extents else 0

    @cached_property
    def practice(self) -> int:
        """Minutes for the exercise: to read it, and by the difficulty of its tasks."""
        cells = notebooks.look(self.exercise)["cells"]
        text = "\n\n".join("".join(c["source"]) for c in cells if c["cell_type"] == "markdown")
        tasks = sum(MINUTES[level] for level in _LEVEL.findall(text))
        return tasks + 5 * round(layers.words(text) / layers.WORDS_PER_MINUTE / 5)


@dataclass(frozen=True)
class Unit:
    """A week or a day of a plan."""

    chapters: list[str]
    exercises: list[str] = field(default_factory=list)
    deeper: dict[str, list[str]] = field(default_factory=dict)

    def minutes(self, known: dict[str, Chapter]) -> int:
        """Return how long a student works in it."""
        return (
            sum(known[name].core for name in self.chapters)
            + sum(known[name].practice for name in self.exercises)
            + sum(known[name].deeper(titles) for name, titles in self.deeper.items())
        )


@dataclass(frozen=True)
class Plan:
    """A course of so many weeks or days."""

    name: str
    about: str
    unit: str
    hours: float  # at most, in each unit
    units: list[Unit]


def chapters(root: Path = ROOT) -> dict[str, Chapter]:
    """Return the chapters by name, in the order of the book."""
    paths = notebooks.files(root, ("chapters",))
    return {path.stem: Chapter(path, root / "exercises" / path.name) for path in paths}


def plans(root: Path = ROOT) -> list[Plan]:
    """Return the plans of `book/plans.yml`.

    Raises:
        ValueError: if the file has another form.
    """
    text = (root / "book" / "plans.yml").read_text(encoding="utf-8")
    try:
        read = yaml.safe_load(text)
        return [Plan(**plan | {"units": [Unit(**unit) for unit in plan["units"]]}) for plan in read]
    except (yaml.YAMLError, TypeError, KeyError) as error:
        raise ValueError(
            f"book/plans.yml is no list of plans with name, about, unit, hours and units: {error}."
        ) from None


def faults(root: Path = ROOT) -> list[str]:
    """Return what is wrong with prerequisites and plans, one sentence each."""
    known = chapters(root)
    order = list(known)
    found = []
    for name, chapter in known.items():
        if not chapter.states_needs:
            found.append(f'chapters/{name}.ipynb: its first cell does not say "**You need:**".')
        for need in chapter.needs:
            if need not in known:
                found.append(f"chapters/{name}.ipynb needs {need}, which is no chapter.")
            elif order.index(need) >= order.index(name):
                found.append(f"chapters/{name}.ipynb needs {need}, which comes later.")
    try:
        read = plans(root)
    except ValueError as error:
        return [*found, str(error)]
    return found + [fault for plan in read for fault in _faults_of(plan, known)]


def _faults_of(plan: Plan, known: dict[str, Chapter]) -> Iterator[str]:
    taught: set[str] = set()
    for number, unit in enumerate(plan.units, start=1):
        where = f"book/plans.yml, {plan.name}, {plan.unit} {number}"
        named = [*unit.chapters, *unit.exercises, *unit.deeper]
        if unknown := [name for name in named if name not in known]:
            yield f"{where}: there is no chapter {unknown[0]}."
            continue
        for name in unit.chapters:
            missing = [need for need in known[name].needs if need not in taught]
            if missing:
                yield f"{where}: {name} needs {', '.join(missing)} before it."
            taught.add(name)
        for name in [*unit.exercises, *unit.deeper]:
            if name not in taught:
                yield f"{where}: {name} is not taught until then."
        titles = [(n, title) for n, chosen in unit.deeper.items() for title in chosen]
        unknown = [(name, title) for name, title in titles if title not in known[name].sections]
        yield from (f"{where}: {name} has no section Deeper: {t}." for name, t in unknown)
        if not unknown and unit.minutes(known) > 60 * plan.hours:
            yield (
                f"{where}: {hours(unit.minutes(known))} hours, {plan.hours:g} at most; "
                "take something out."
            )


def page(root: Path = ROOT) -> str:
    """Return the Markdown of the syllabus with its tables."""
    makers = {"hours": lambda: _table(root), "plans": lambda: _plans(root)}
    return fill(root / "book" / "syllabus.md", makers)


def fill(path: Path, makers: dict[str, Callable[[], str]]) -> str:
    """Return a page's Markdown with what is made for it in place of its comments.

    Args:
        path: the page.
        makers: what makes the text for a comment such as `<!-- made: hours -->`, by its name.

    Raises:
        ValueError: if the page asks for something that is not made.
    """
    text = path.read_text(encoding="utf-8")
    if unknown := [name for name in _MADE.findall(text) if name not in makers]:
        raise ValueError(f"book/{path.name}: no table {unknown[0]!r} is made.")
    return _MADE.sub(lambda found: makers[found[1]](), text)


def _table(root: Path) -> str:
    known = chapters(root)
    lines = [
        "| chapter | core (h) | Deeper (h) | exercise (h) | builds on |",
        "|---|---:|---:|---:|---|",
    ]
    for name, chapter in known.items():
        needs = ", ".join(_link(need, chapter_number(need)) for need in chapter.needs) or "–"
        times = (chapter.core, chapter.deeper(), chapter.practice)
        cells = [_link(name, chapter.title), *map(hours, times), needs]
        lines.append(f"| {' | '.join(cells)} |")
    sums = [
        hours(sum(times))
        for times in zip(*((c.core, c.deeper(), c.practice) for c in known.values()), strict=True)
    ]
    return "\n".join([*lines, f"| all | {' | '.join(sums)} | |"])


def _plans(root: Path) -> str:
    known = chapters(root)
    return "\n\n".join(_plan(plan, known) for plan in plans(root))


def _plan(plan: Plan, known: dict[str, Chapter]) -> str:
    total = sum(unit.minutes(known) for unit in plan.units)
    lines = [
        f"### {plan.name}",
        "",
        plan.about.strip(),
        "",
        f"At most {plan.hours:g} hours a {plan.unit}, {hours(total)} in all."
        + _left_out(plan, known),
        "",
        f"| {plan.unit} | chapters | Deeper | exercises | hours |",
        "|---:|---|---|---|---:|",
    ]
    for number, unit in enumerate(plan.units, start=1):
        deeper = [f"{chapter_number(n)}: {t}" for n, titles in unit.deeper.items() for t in titles]
        cells: list[Any] = [
            number,
            "<br>".join(_link(name, known[name].title) for name in unit.chapters),
            "<br>".join(deeper) or "–",
            ", ".join(_link(n, chapter_number(n), "exercises") for n in unit.exercises) or "–",
            hours(unit.minutes(known)),
        ]
        lines.append(f"| {' | '.join(map(str, cells))} |")
    return "\n".join(lines)


def _left_out(plan: Plan, known: dict[str, Chapter]) -> str:
    taught = {name for unit in plan.units for name in unit.chapters}
    left = [_link(name, chapter_number(name)) for name in known if name not in taught]
    return f" Left out: {', '.join(left)}." if left else ""


def _link(name: str, text: str | None, folder: str = "chapters") -> str:
    return f"[{text}]({folder}/{name}.ipynb)"


def hours(minutes: int) -> str:
    """Return minutes as hours, or a dash for none.

    >>> hours(90), hours(0)
    ('1.5', '–')
    """
    return f"{minutes / 60:.1f}" if minutes else "–"
