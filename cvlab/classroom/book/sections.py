"""Links to a section of another page, checked in the sources: a build says so minutes later.

A heading's anchor is what MyST makes of it: its text and code in small letters, blanks as hyphens,
other signs and formulas left out, and a number where a page has the same one twice.
"""

from __future__ import annotations

import functools
import itertools
import re
from pathlib import Path

from markdown_it import MarkdownIt
from mdit_py_plugins.dollarmath import dollarmath_plugin
from myst_parser.mdit_to_docutils.base import default_slugify

from cvlab.classroom import notebooks
from cvlab.classroom.notebooks import ROOT

_LINK = re.compile(r"\]\(([^)#\s:]+\.(?:ipynb|md))#([^)\s]+)\)")
_LABEL = re.compile(r"^\(([\w-]+)\)=\s*$|^:name: ([\w-]+)\s*$", re.M)
_MADE = ("system-", "term-", "eq-", "equation-", "citation-")  # by extensions, for what they know
_parser = MarkdownIt("commonmark").use(dollarmath_plugin)


def anchors(text: str) -> set[str]:
    r"""Return the anchors of a page's headings and labels.

    >>> sorted(anchors("# The $k$-means of `fit`\n\n## Ties, again\n\n## Ties, again"))
    ['the--means-of-fit', 'ties-again', 'ties-again-1']
    """
    found: set[str] = set()
    tokens = _parser.parse(text)
    for opening, inline in itertools.pairwise(tokens):
        if opening.type == "heading_open":
            words = (c.content for c in inline.children or () if c.type in ("text", "code_inline"))
            slug, number = default_slugify("".join(words)), 1
            while slug in found:
                slug, number = f"{slug}-{number}", number + 1
            found.add(slug)
    return found | {first or second for first, second in _LABEL.findall(text)}


def anchors_of(path: Path) -> set[str]:
    """Return the anchors of a notebook's or a Markdown file's headings and labels."""
    return anchors(_text(path))


def faults(root: Path = ROOT) -> list[str]:
    """Every link to a section of another page leads to one."""
    known = functools.cache(anchors_of)
    found = []
    pages = [*sorted((root / "book").glob("*.md")), root / "book" / "index.ipynb"]
    pages += notebooks.files(root, ("chapters", "exercises", "solutions"))
    for page in filter(Path.exists, pages):
        for target, anchor in _LINK.findall(_text(page)):
            path = (page.parent / target).resolve()
            if not path.exists():  # written as the book sees it, in which book/ is the root
                here = root if page.parent.name == "book" else root / "book" / "chapters"
                path = (here / target).resolve()
            name = page.relative_to(root).as_posix()
            if not path.exists():
                found.append(f"{name}: {target}#{anchor} names a file that is not there.")
            elif not anchor.startswith(_MADE) and anchor not in known(path):
                found.append(f"{name}: {target} has no section with the anchor {anchor!r}.")
    return found


def _text(path: Path) -> str:
    """Return the Markdown of a page."""
    if path.suffix == ".md":
        return path.read_text(encoding="utf-8")
    cells = notebooks.look(path)["cells"]
    return "\n\n".join("".join(c["source"]) for c in cells if c["cell_type"] == "markdown")
