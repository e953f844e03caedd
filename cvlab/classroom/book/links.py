"""Check that every internal link, anchor and resource of the built book exists."""

from __future__ import annotations

from pathlib import Path
from urllib.parse import unquote, urlsplit

from cvlab.classroom.book.build import HTML


def _page(path: Path) -> tuple[set[str], list[tuple[str, str]], list[str]]:
    """Return a page's anchors, its links and resources, and images without alternative text."""
    from bs4 import BeautifulSoup

    soup = BeautifulSoup(path.read_text(encoding="utf-8"), "html.parser")
    anchors = {tag["id"] for tag in soup.find_all(id=True)}
    anchors |= {tag["name"] for tag in soup.find_all("a", attrs={"name": True})}
    targets = [("link", tag["href"]) for tag in soup.find_all("a", href=True)]
    targets += [("resource", tag["href"]) for tag in soup.find_all("link", href=True)]
    for name in ("script", "img", "source"):
        targets += [("resource", tag["src"]) for tag in soup.find_all(name, src=True)]
    bare = [str(tag)[:120] for tag in soup.find_all("img") if not tag.get("alt", "").strip()]
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
