"""Check that every internal link, anchor and resource of the built book exists."""

from __future__ import annotations

from collections.abc import Iterator
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urlsplit

from cvlab.classroom.book.build import HTML

#: Where each element keeps the address of what it leads to or loads.
_TARGETS = {
    "a": ("link", "href"),
    "link": ("resource", "href"),
    "script": ("resource", "src"),
    "img": ("resource", "src"),
    "source": ("resource", "src"),
}


class _Tags(HTMLParser):
    """Collects the elements of a page as they begin, which takes a quarter of a tree's time."""

    def __init__(self) -> None:
        super().__init__()
        self.found: list[tuple[str, dict[str, str]]] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found.append((tag, {name: value or "" for name, value in attrs}))


def elements(path: Path) -> Iterator[tuple[str, dict[str, str]]]:
    """Yield the name and the attributes of each element of a page, in its order."""
    parser = _Tags()
    parser.feed(path.read_text(encoding="utf-8"))
    parser.close()
    yield from parser.found


def _page(path: Path) -> tuple[set[str], list[tuple[str, str]], list[str]]:
    """Return a page's anchors, its links and resources, and images without alternative text."""
    anchors, targets, bare = set(), [], []
    for tag, attributes in elements(path):
        anchors |= {attributes["id"]} if "id" in attributes else set()
        if tag == "a" and "name" in attributes:
            anchors.add(attributes["name"])
        if tag in _TARGETS and (target := attributes.get(_TARGETS[tag][1])) is not None:
            targets.append((_TARGETS[tag][0], target))
        if tag == "img" and not attributes.get("alt", "").strip():
            bare.append(attributes.get("src", "")[:120])
    return anchors, targets, bare


def faults(html: Path = HTML, *, resources: bool = True) -> list[str]:
    """Return each dead internal link, anchor or resource, and each image without alt text.

    Args:
        html: folder of the built book.
        resources: check scripts, styles and images too, not only links.
    """
    # Below _static lie the theme's templates, which are no pages.
    files = [path for path in sorted(html.rglob("*.html")) if "_static" not in path.parts]
    pages = {path.resolve(): _page(path) for path in files}
    found = []
    for path, (anchors, targets, bare) in pages.items():
        name = path.relative_to(html.resolve())
        found += [f"{name}: image without alternative text: {image}" for image in bare]
        for kind, target in dict.fromkeys(targets):
            parts = urlsplit(target)
            if parts.scheme or parts.netloc or (kind == "resource" and not resources):
                continue
            place = (path.parent / unquote(parts.path)).resolve() if parts.path else path
            if place.is_dir():
                place /= "index.html"
            if not place.exists():
                if resources or place.suffix == ".html":
                    found.append(f"{name}: {kind} {target} leads nowhere.")
            elif parts.fragment and place in pages:
                known = anchors if place == path else pages[place][0]
                if unquote(parts.fragment) not in known:
                    found.append(f"{name}: {target} names a place that its page does not have.")
    return found
