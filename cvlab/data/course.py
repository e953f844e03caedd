"""The course's own prose, frozen: something to learn a language from, without a download."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

_TEXT = Path(__file__).with_name("course_text.txt")


class ProseChapter(NamedTuple):
    """The prose of one chapter."""

    part: str  # of the book, such as "IV Detection"
    title: str
    paragraphs: tuple[str, ...]  # one line each, headings and items of lists included


def course_text() -> tuple[ProseChapter, ...]:
    """Return the prose of chapters 01 to 26, in their order, as plain ASCII text.

    It is a snapshot, about 350,000 characters: later edits of those chapters change nothing here.
    Formulas, code, links and quoted numbers are left out, with the sentences that hold them.

    >>> chapters = course_text()
    >>> len(chapters), chapters[0].part, chapters[0].paragraphs[1]
    (26, 'I Learning from pixels', 'By the end you can:')
    """
    chapters: list[ProseChapter] = []
    with open(_TEXT, encoding="ascii") as file:
        blocks = file.read().split("\n== ")[1:]  # before the first: what the file says of itself
    for block in blocks:
        heading, *paragraphs = block.splitlines()
        part, _, title = heading.partition(": ")
        chapters.append(ProseChapter(part, title, tuple(paragraphs)))
    return tuple(chapters)
