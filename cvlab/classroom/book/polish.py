"""What is done to the built pages: no script and no figure in the markup, no library for few icons.

The theme brings 1.5 MB of icons and a font of them for a dozen, loads the index of the search into
every page, and writes scripts into the markup, which a server with a strict policy
(`script-src 'self'`) forbids. Figures, which notebooks hold in their outputs, become files that a
browser loads when they come near. `pages` mends that in the HTML; a page that is mended already
stays as it is.
"""

from __future__ import annotations

import base64
import hashlib
import html
import re
from functools import cache
from pathlib import Path

ICONS = "scripts/fontawesome.js"
SCRIPTS = "inline"  # below _static
FIGURES = "figures"  #: the same

STYLE = "styles/pydata-sphinx-theme.css"
_NAMES = re.compile(r"(?<=\})(?:\.fa-[\w-]+:?:before,?)+\{content:[^}]*\}")  # of the font's letters
_SCRIPT = re.compile(r"<script\b(?P<attributes>[^>]*)>(?P<code>.*?)</script>\s*", re.S)
_ICON = re.compile(
    r'<(?P<tag>i|span) (?P<before>[^>]*?)class="(?P<classes>[^"]*\bfa-[^"]*)"(?P<after>[^>]*)>'
    r"</(?P=tag)>",
    re.S,
)
_PICTURE = re.compile(r'<picture>(?:<source\b[^>]*>)?<img class="cvlab-figure"[^>]*></picture>')
_DATA = re.compile(r"data:image/(\w+);base64,([A-Za-z0-9+/=]+)")
_PLACE = re.compile(rf"_static/{FIGURES}/([\w.]+)")
_SOURCE = re.compile(r'\bsrc="(?P<root>(?:\.\./)*)(?P<path>[^"?]*)')
_ONCLICK = re.compile(r' onclick="(\w+(?:\.\w+)*)\(\)"')
_SIZES = {"fa-solid", "fa-regular", "fa-brands", "fa-lg", "fa-xl", "fa-sm", "fa-fw"}


def pages(folder: Path) -> None:
    """Mend all pages of a built book, and take two thousand letters of icons out of its style.

    Raises:
        ValueError: if an icon is not among the theme's.
    """
    style = folder / "_static" / STYLE
    if style.exists():
        text = style.read_text(encoding="utf-8")
        mended = _NAMES.sub("", text)
        if mended != text:
            style.write_text(mended, encoding="utf-8")
    figures: set[str] = set()
    for path in sorted(folder.rglob("*.html")):
        if "_static" in path.relative_to(folder).parts:
            continue
        text = path.read_text(encoding="utf-8")
        # Without the book's own search the theme's stays, on its page.
        searches = path.name == "search.html" and "_static/search.js" not in text
        mended = page(text, folder / "_static", searches=searches)
        if mended != text:
            path.write_text(mended, encoding="utf-8")
        figures.update(_PLACE.findall(mended))
    for path in (folder / "_static" / FIGURES).glob("*"):
        if path.name not in figures:  # of an earlier run of a page
            path.unlink()


def page(text: str, static: Path, *, searches: bool = False) -> str:
    """Return a page's HTML mended; scripts and figures that stood in it are written as files.

    Args:
        text: the page.
        static: the book's folder ``_static``.
        searches: whether the page needs the index of the search.
    """
    root = re.search(r'data-content_root="([^"]*)"', text)
    root = root[1] if root else ""

    def script(found: re.Match) -> str:
        attributes, code = found["attributes"], found["code"]
        source = _SOURCE.search(attributes)
        if source:
            path = source["path"]
            unused = path.endswith(ICONS) or (
                not searches
                and Path(path).name in ("searchtools.js", "language_data.js", "searchindex.js")
            )
            return "" if unused else found[0]
        kind = re.search(r'\btype="([^"]*)"', attributes)
        if kind and "javascript" not in kind[1]:  # data, which nobody runs
            return found[0]
        name = f"{hashlib.sha256(code.encode()).hexdigest()[:12]}.js"
        file = static / SCRIPTS / name
        if not file.exists():
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(code, encoding="utf-8")
        return f'<script src="{root}_static/{SCRIPTS}/{name}"></script>\n'

    def icon(found: re.Match) -> str:
        names = [
            name.removeprefix("fa-")
            for name in found["classes"].split()
            if name.startswith("fa-") and name not in _SIZES
        ]
        width, height, outline = drawing(static / ICONS, names[0])
        classes = " ".join(found["classes"].split())
        return (
            f'<svg {found["before"]}class="svg-inline--fa {classes}"{found["after"]} role="img" '
            f'aria-hidden="true" focusable="false" viewBox="0 0 {width} {height}">'
            f'<path fill="currentColor" d="{html.escape(outline)}"></path></svg>'
        )

    def data(found: re.Match) -> str:
        content = base64.b64decode(found[2])
        name = f"{hashlib.sha256(content).hexdigest()[:16]}.{found[1]}"
        file = static / FIGURES / name
        if not file.exists():
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_bytes(content)
        return f"{root}_static/{FIGURES}/{name}"

    def picture(found: re.Match) -> str:
        mended, count = _DATA.subn(data, found[0])
        return mended.replace("<img ", '<img loading="lazy" ', 1) if count else found[0]

    text = _PICTURE.sub(picture, _SCRIPT.sub(script, text))
    text = re.sub(rf'<link rel="preload"[^>]*{re.escape(ICONS)}[^>]*>\s*', "", text)
    text = _ONCLICK.sub(r' data-click="\1"', text)
    return _ICON.sub(icon, text)


@cache
def drawing(library: Path, name: str) -> tuple[str, str, str]:
    """Return width, height and outline of an icon of the theme's library; the solid variant.

    Raises:
        ValueError: if there is none of that name.
    """
    pattern = rf'(?<![\w-])["\']?{re.escape(name)}["\']?:\[(\d+),(\d+),\[[^\]]*\],"\w+","([^"]+)"'
    # Brands come first, then outlined icons, then the solid ones.
    found = re.findall(pattern, library.read_text(encoding="utf-8"))
    if not found:
        raise ValueError(f"the theme has no icon {name!r}; choose another.")
    return found[-1]
