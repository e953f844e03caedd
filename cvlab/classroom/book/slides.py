"""Slides of a chapter's core, made from its page in the built book.

A figure, a slider, a table, a formula, a question, a list and a visible cell each stand on a slide
of their own, below their section's heading and the one or two sentences before them. All prose goes
into the speaker's notes; Deeper sections stay away. What is shown is what the page shows: formulas
are typeset, sliders answer with the page's own script and frames.

The slides of a chapter are a folder that needs no network and no script in its markup. They are
shown by reveal.js, which npm brings.
"""

from __future__ import annotations

import copy
import html
import re
import shutil
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from bs4 import BeautifulSoup, NavigableString, Tag

from cvlab.classroom.book.build import BUILD, HTML, NPM
from cvlab.classroom.notebooks import ROOT

#: Words that the sentences above a figure or a formula may have together.
MOST_WORDS = 45
#: Lines of text that a cell printed and that are shown below its code.
MOST_PRINTED = 8

_END = re.compile(r"(?<=[.?!])[\"”’)]*\s+(?=[\"“(]?[A-Z0-9])")
_LAST = re.compile(r"[.?!:][\"”’)]*\s*$")
_ABBREVIATED = re.compile(r"\b(?:e\.g|i\.e|cf|vs|al|Fig|Eq|St|[A-Z])\.$")
_REVEAL = ("reveal.js", "reveal.css", "reset.css")


class SlidesError(ValueError):
    """The slides cannot be made; the message says why and what to do."""


@dataclass
class Slide:
    """A slide: its section's heading, a sentence or two, what is shown, what is said."""

    kind: str
    heading: str
    lead: list[Any] = field(default_factory=list)  # nodes
    item: list[Tag] = field(default_factory=list)
    notes: list[Tag] = field(default_factory=list)
    anchor: str = ""


def make(name: str, book: Path = HTML, target: Path | None = None) -> Path:
    """Write the slides of a chapter into a folder of their own.

    Args:
        name: of the chapter, such as 01_knn; its page has been built.
        book: the folder of the built book.
        target: the folder, ``_build/slides/NAME`` by default; what it holds is replaced.

    Returns:
        The file to open in a browser.

    Raises:
        SlidesError: if the page is missing or was not run, or reveal.js is not there.
    """
    page, reveal = book / "chapters" / f"{name}.html", NPM / "node_modules" / "reveal.js" / "dist"
    if not page.exists():
        raise SlidesError(f"the book has no page of {name!r}; run `make chapter NAME={name}`.")
    if missing := [file for file in _REVEAL if not (reveal / file).exists()]:
        raise SlidesError(f"{missing[0]} is missing: install Node.js with npm, and run it again.")
    article = BeautifulSoup(page.read_text(encoding="utf-8"), "html.parser").article
    if article is None or article.find(attrs={"data-not-run": True}):
        raise SlidesError(f"the page of {name} was not run; run `make chapter NAME={name}`.")
    deck = slides(article)
    target = target or BUILD / "slides" / name
    shutil.rmtree(target, ignore_errors=True)
    assets = target / "assets"
    _bring(book / "_static", reveal, assets)
    (assets / "frames").mkdir()
    for explorer in article.select("[data-frames]"):
        file = f"{explorer['data-frames']}.js"
        shutil.copy(book / "_static" / "frames" / file, assets / "frames" / file)
    _bring_figures(article, page.parent, assets)
    title = deck[0].heading
    shown = "\n".join(_markup(slide) for slide in deck)
    (target / "index.html").write_text(_page(title, shown), encoding="utf-8")
    (target / "speaker.html").write_text(_speaker(title), encoding="utf-8")
    return target / "index.html"


def _bring_figures(article: Tag, folder: Path, assets: Path) -> None:
    """Copy the page's figures, which are files, beside the slides."""
    for part in article.select("picture > img[src], picture > source[srcset]"):
        attribute = "src" if part.name == "img" else "srcset"
        if part[attribute].startswith("data:"):
            continue
        place = folder / part[attribute]
        (assets / "figures").mkdir(exist_ok=True)
        shutil.copy(place, assets / "figures" / place.name)
        part[attribute] = f"assets/figures/{place.name}"
        part.attrs.pop("loading", None)  # slides are printed whole


def _bring(static: Path, reveal: Path, assets: Path) -> None:
    """Copy the styles and scripts that slides need."""
    assets.mkdir(parents=True)
    for file in _REVEAL:
        shutil.copy(reveal / file, assets / file)
    for file in ("pygments.css", "cvlab.css", "figures.css", "explore.js", "questions.js"):
        shutil.copy(static / file, assets / file)
    shutil.copy(static / "favicon.svg", assets / "favicon.svg")
    for path in sorted((ROOT / "book" / "slides").iterdir()):
        shutil.copy(path, assets / path.name)
    shutil.copytree(static / "vendor" / "katex", assets / "katex")


def slides(article: Tag) -> list[Slide]:
    """Return the slides of a page's article, which is taken apart."""
    for fold in article.select("details.cvlab-deeper"):
        fold.find_parent("section").decompose()
    unneeded = ".headerlink, .cvlab-system, .cvlab-night, .toctree-wrapper, .cvlab-still, source"
    unneeded += ", .cvlab-gloss, .cvlab-onwards"
    for part in article.select(unneeded):
        part.decompose()
    for link in article.select("a[href]"):
        if not link["href"].startswith("http"):  # to other pages, which are not here
            link.unwrap()
    deck: list[Slide] = []
    for section in article.find_all("section"):
        deck += _section(section, deck)
    for before, slide in zip([None, *deck], deck, strict=False):
        if not slide.notes and before is not None:  # two cells with no word between them
            slide.notes = [copy.copy(note) for note in before.notes]
    return deck


def _section(section: Tag, before: list[Slide]) -> list[Slide]:
    """Return the slides of a section without those inside it."""
    heading = section.find(["h1", "h2", "h3", "h4"], recursive=False)
    title = heading.decode_contents().strip()
    opening = "title" if heading.name == "h1" else "text"
    made: list[Slide] = []
    prose: list[Tag] = []  # since the last slide
    for kind, parts in _blocks(section):
        if kind == "prose":
            prose += parts
            continue
        if kind == "answer":  # to what the last slide has asked
            (made or before)[-1].notes += [*prose, *parts]
            prose = []
            continue
        if not made and len(prose) > 1:
            made.append(Slide(opening, title, _lead(prose[0])))
        if made:  # the last paragraph leads to what comes now, those before it belong to what was
            made[-1].notes += prose[:-1] if made[-1].notes or len(prose) > 1 else prose
        lead = _lead(prose[-1], last=True) if prose and kind != "quiz" else []
        made.append(Slide(kind, title, lead, parts, [*prose[-1:], *_answers(kind, parts)]))
        prose = []
    if not made and prose:
        made.append(Slide(opening, title, _lead(prose[0])))
    if made:
        made[-1].notes += prose
        made[0].anchor = str(section.get("id", ""))
    return made


def _blocks(section: Tag) -> Iterator[tuple[str, list[Tag]]]:
    """Iterate over a section's parts in order, each with its kind."""
    for part in section.find_all(True, recursive=False):
        classes = part.get("class") or []
        if part.name == "section":
            continue
        if "cell" in classes:
            yield from _cell(part)
        elif part.name == "div" and "math" in classes:
            yield "formula", [part]
        elif "cvlab-question" in classes:
            yield "quiz", [part]
        elif part.name in ("ul", "ol"):
            yield "list", [part]
        elif part.find("table") or part.name == "table":
            yield "table", [part]
        elif part.name == "figure" or part.find("img"):
            yield "figure", [part]
        elif part.name == "details":
            asks = not part.summary.get_text().startswith("What did you")
            yield "question" if asks else "answer", [part]
        elif part.name == "p" and "cvlab-time" not in classes:
            yield "prose", [part]


def _cell(cell: Tag) -> Iterator[tuple[str, list[Tag]]]:
    """Iterate over what a cell shows: its code, unless folded, and its outputs."""
    outputs = cell.select(":scope > .cell_output > .output")
    code = cell.select(":scope > .cell_input .highlight")
    printed = [output for output in outputs if _kind(output) == "output"]
    lines = sum(len(output.get_text().strip().splitlines()) for output in printed)
    if code and lines <= MOST_PRINTED:
        outputs = [output for output in outputs if output not in printed]
        code += printed
    if code:
        yield "code", code
    for output in outputs:
        yield _kind(output), [output]


def _kind(output: Tag) -> str:
    for kind, mark in (("slider", ".cvlab-explore"), ("table", "table"), ("figure", "img")):
        if output.select_one(mark):
            return kind
    return "output"


def _answers(kind: str, parts: list[Tag]) -> list[Tag]:
    """Return what the speaker should know of a question: a copy, in which nothing is folded."""
    if kind == "list":
        return [copy.copy(part) for part in parts]
    if kind not in ("quiz", "question"):
        return []
    found = []
    for part in parts:
        fold = copy.copy(part if part.name == "details" else part.details)
        fold.name, fold.attrs = "div", {}
        fold.summary.name = "p"
        found.append(fold)
    return found


def sentences(paragraph: Tag) -> list[list[Any]]:
    """Return a paragraph's sentences, each a list of copies of its nodes."""
    found: list[list[Any]] = [[]]
    for node in paragraph.children:
        if isinstance(node, Tag) or not isinstance(node, NavigableString):
            found[-1].append(copy.copy(node))
            continue
        text = str(node)
        start = 0
        for end in _END.finditer(text):
            if not _ABBREVIATED.search(text[start : end.start()]):
                found[-1].append(NavigableString(text[start : end.end()]))
                found.append([])
                start = end.end()
        rest = text[start:]
        found[-1].append(NavigableString(rest))
        if _LAST.search(rest) and rest != rest.rstrip() and not _ABBREVIATED.search(rest.rstrip()):
            found.append([])
    return [sentence for sentence in found if _words(sentence)]


def _words(nodes: list[Any]) -> int:
    """Count the words of a sentence, in which a formula is one."""
    count = 0
    for node in nodes:
        if isinstance(node, Tag):
            node = copy.copy(node)
            for formula in node.select(".katex"):
                formula.replace_with(" x ")
            count += len(node.get_text().split())
        else:
            count += len(str(node).split())
    return count


def _lead(paragraph: Tag, *, last: bool = False) -> list[Any]:
    """Return a paragraph's first sentence, or its last one; two if they are short."""
    found = sentences(paragraph)
    begin = next(paragraph.children, "")
    if isinstance(begin, NavigableString) and begin.lstrip()[:1].islower():
        # It goes on with the sentence of a formula.
        found = found[1:]
    two, one = (found[-2:], found[-1:]) if last else (found[:2], found[:1])
    chosen = two if sum(map(_words, two)) <= MOST_WORDS else one
    return [node for sentence in chosen for node in sentence]


def _markup(slide: Slide) -> str:
    """Return a slide's HTML; only what is shown keeps its identifiers."""
    notes = [copy.copy(note) for note in slide.notes]
    for part in [tag for note in notes for tag in [note, *note.find_all(True)]]:
        part.attrs.pop("id", None)
    lead = BeautifulSoup("".join(map(str, slide.lead)), "html.parser")
    for part in lead.find_all(id=True):
        del part["id"]
    level = "h1" if slide.kind == "title" else "h2"
    anchor = f' id="{html.escape(slide.anchor)}"' if slide.anchor else ""
    said = f'<p class="lead">{lead}</p>' if slide.lead else ""
    shown = "".join(map(str, slide.item))
    shown = f'<div class="item" data-prevent-swipe>{shown}</div>' if shown else ""
    return (
        f'<section{anchor} data-kind="{slide.kind}"><div class="sheet">'
        f"<{level}>{slide.heading}</{level}>{said}{shown}</div>"
        f'<aside class="notes">{"".join(map(str, notes))}</aside></section>'
    )


def _page(title: str, shown: str) -> str:
    """Return the page of the slides."""
    styles = ("reset.css", "reveal.css", "pygments.css", "katex/katex.min.css")
    styles += ("cvlab.css", "figures.css", "slides.css")
    links = "\n".join(f'<link rel="stylesheet" href="assets/{name}">' for name in styles)
    scripts = ("explore.js", "questions.js", "reveal.js", "slides.js")
    loaded = "\n".join(f'<script src="assets/{name}" defer></script>' for name in scripts)
    return _HTML.format(
        title=_plain(title),
        head=f"{links}\n{loaded}",
        body=f'<div class="reveal"><div class="slides">\n{shown}\n</div></div>',
        classes="",
    )


def _speaker(title: str) -> str:
    """Return the page of the speaker's window."""
    links = "\n".join(
        f'<link rel="stylesheet" href="assets/{name}">'
        for name in ("pygments.css", "katex/katex.min.css", "slides.css")
    )
    script = '<script src="assets/speaker.js" defer></script>'
    body = (
        '<header><span id="place"></span> <b id="title"></b> <time id="clock"></time></header>\n'
        '<main id="notes" aria-live="polite"></main>\n'
        '<footer>Next: <span id="next"></span></footer>'
    )
    title = f"Notes: {_plain(title)}"
    return _HTML.format(title=title, head=f"{links}\n{script}", body=body, classes="speaker")


def _plain(title: str) -> str:
    return html.escape(BeautifulSoup(title, "html.parser").get_text())


_HTML = """<!DOCTYPE html>
<html lang="en-GB" data-theme="light">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{title}</title>
<link rel="icon" href="assets/favicon.svg">
{head}
</head>
<body class="{classes}">
{body}
</body>
</html>
"""
