"""Broken markup: what would swallow the text after it, or reach the reader as it is typed.

Sphinx accepts much of it in silence, or complains of a line that does not exist. Each fault here is
one sentence with file, cell and line.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

from cvlab.classroom import notebooks
from cvlab.classroom.notebooks import ROOT

_FENCE = re.compile(r"^ *(`{3,}|~{3,})(?!`).*?(?:^ *\1`*[ \t]*$|\Z)", re.M | re.S)
_CODE = re.compile(r"(`+)(?!`).+?(?<!`)\1(?!`)", re.S)
_COMMENT = re.compile(r"<!--.*?-->", re.S)
_FORMULA = re.compile(r"\$\$.*?\$\$|(?<!\\)\$(?!\s)[^$\n]+?(?<![\s\\])\$", re.S)
_TAG = re.compile(
    r"<(?P<end>/?)(?P<name>details|summary|div|figure|figcaption|table|ul|ol)\b[^>]*>", re.I
)
_COLONS = re.compile(r"^ *(?P<colons>:{3,})(?P<name>\{[^}]*\}|[a-z]+)?.*$", re.M)
_REFERENCE = re.compile(r"(?<![\]\\!])\[[^\]\[]+\]\[(?P<label>[^\]\[]*)\]")
_DEFINED = re.compile(r"^ {0,3}\[([^\]]+)\]:\s", re.M)
_LABEL = re.compile(r"^\((?P<target>[^()\s]+)\)=[ \t]*$|\$\$[ \t]*\((?P<equation>[^()\s]+)\)", re.M)
_SURROGATE = re.compile("[\ud800-\udfff]")


def faults(root: Path = ROOT) -> list[str]:
    """Return what is broken in the pages of the book, in their order."""
    found: list[str] = []
    labels: dict[str, str] = {}
    for place, text in _texts(root):
        found += [f"{place}, line {line}: {what}" for line, what in in_text(text)]
        page = place.partition(",")[0]
        if page.startswith("solutions/"):
            continue  # its exercise is the page
        for match in _LABEL.finditer(_without_code(text)):
            label = match["target"] or match["equation"]
            where = f"{place}, line {_line(text, match.start())}"
            if label in labels:
                found.append(f"{where}: the label {label!r} stands at {labels[label]} already.")
            labels.setdefault(label, where)
    return found


def _texts(root: Path) -> Iterator[tuple[str, str]]:
    """Iterate over the pages' Markdown, by the place to report."""
    for path in sorted((root / "book").glob("*.md")):
        name = path.relative_to(root).as_posix()
        yield name, path.read_text(encoding="utf-8", errors="surrogateescape")
    front = [path for path in [root / "book" / "index.ipynb"] if path.exists()]
    for path in [*front, *notebooks.files(root, ("chapters", "exercises", "solutions"))]:
        for cell in notebooks.look(path)["cells"]:
            place = f"{path.relative_to(root).as_posix()}, cell {cell.get('id', '?')!r}"
            source = "".join(cell["source"])
            if cell["cell_type"] == "markdown":
                yield place, source
            elif _SURROGATE.search(source):
                yield place, _SURROGATE.search(source)[0]


def in_text(text: str) -> list[tuple[int, str]]:
    """Return what is broken in a text, each fault with its line, counted from 1."""
    found = []
    if lone := _SURROGATE.search(text):
        what = f"the character U+{ord(lone[0]):04X} is half of one and cannot be stored; remove it."
        found.append((_line(text, lone.start()), what))
    plain = _without_code(text)
    if plain.count("$$") % 2:
        line = _line(text, plain.rindex("$$"))
        found.append((line, "a formula is opened or closed by $$ alone; write its other $$."))
    words = _FORMULA.sub(_blank, plain)
    found += _unclosed_tags(words)
    found += _unclosed_fences(words)
    defined = {label.casefold() for label in _DEFINED.findall(words)}
    for match in _REFERENCE.finditer(words):
        label = match["label"] or match[0][1 : match[0].index("]")]
        if label.casefold() not in defined:
            what = f"{match[0]} refers to nothing: no line begins with [{label}]: and an address."
            found.append((_line(words, match.start()), what))
    return sorted(found)


def _without_code(text: str) -> str:
    """Return a text with its code and comments blank, every line where it was."""
    for part in (_FENCE, _COMMENT, _CODE):
        text = part.sub(lambda found: found[0] if _directive(found[0]) else _blank(found), text)
    return text


def _directive(code: str) -> bool:
    """Say whether a fence holds prose of a directive, such as a note, rather than code."""
    return bool(re.match(r" *(?:`{3,}|~{3,})\{(?:note|tip|warning|admonition|question)\}", code))


def _blank(found: re.Match) -> str:
    return re.sub(r"[^\n]", " ", found[0])


def _line(text: str, place: int) -> int:
    return text.count("\n", 0, place) + 1


def _unclosed_tags(text: str) -> list[tuple[int, str]]:
    found, open_tags = [], []
    for tag in _TAG.finditer(text):
        name, line = tag["name"].lower(), _line(text, tag.start())
        if not tag["end"]:
            open_tags.append((name, line))
        elif open_tags and open_tags[-1][0] == name:
            open_tags.pop()
        else:
            opened = "".join(f"; <{one}> of line {at} is open" for one, at in open_tags[-1:])
            found.append((line, f"</{name}> closes nothing here{opened}."))
            open_tags = [one for one in open_tags if one[0] != name]
    found += [
        (line, f"<{name}> is never closed, and swallows what follows; write </{name}>.")
        for name, line in open_tags
    ]
    return found


def _unclosed_fences(text: str) -> list[tuple[int, str]]:
    found, open_fences = [], []
    for fence in _COLONS.finditer(text):
        line, length = _line(text, fence.start()), len(fence["colons"])
        if fence["name"]:
            open_fences.append((length, line, fence["name"]))
        elif open_fences:
            while open_fences and open_fences[-1][0] < length:
                _, opened, name = open_fences.pop()
                found.append((opened, f"{name} is not closed by a line of as many colons."))
            if open_fences:
                open_fences.pop()
        else:
            found.append((line, f"{fence['colons']} closes nothing."))
    found += [
        (line, f"{name} is not closed by a line of as many colons.")
        for _, line, name in open_fences
    ]
    return found
