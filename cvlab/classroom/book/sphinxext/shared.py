"""What others see of a page: its address, a sentence and a picture, for search engines and chats.

The picture is the first of the page, on a card of the size that chats show; pages without one have
the front page's. The book's public address follows from the repository's.
"""

from __future__ import annotations

import base64
import html
import io
import re
from pathlib import Path
from typing import Any
from xml.sax.saxutils import escape

from PIL import Image

from cvlab.classroom.book.sphinxext import search

CARDS = "cards"  #: below _static
SIZE = (1200, 630)
SENTENCE = 160  #: letters that a search engine shows
_PICTURE = re.compile(
    r'<img class="cvlab-(?:figure|frame)"[^>]*?src="data:image/\w+;base64,([^"]+)"'
)


def find_address(_app: Any, config: Any) -> None:
    """Let the book stand where GitHub publishes it, unless its settings say otherwise."""
    repository = (config.html_theme_options or {}).get("repository_url", "")
    found = re.fullmatch(r"https://github\.com/([\w.-]+)/([\w.-]+?)/?", repository)
    if found and not config.html_baseurl:
        config.html_baseurl = f"https://{found[1].lower()}.github.io/{found[2]}/"


def describe(app: Any, pagename: str, _template: str, context: dict, doctree: Any) -> None:
    """Add a page's description, and what chats show of it, to its head."""
    if doctree is None or app.builder.format != "html":
        return
    title = html.unescape(re.sub(r"<[^>]+>", "", context.get("title") or pagename))
    said = search.MEMORY.of(app.env).get(pagename) or [("", title, "")]
    sentence = shortened(said[0][2] or title)
    base = app.config.html_baseurl
    picture = card(Path(app.outdir), pagename, context.get("body") or "")
    tags = {
        "og:type": "website" if pagename == app.config.root_doc else "article",
        "og:site_name": app.config.html_title or app.config.project,
        "og:title": title,
        "og:description": sentence,
        "og:url": f"{base}{pagename}.html",
        "og:image": f"{base}{picture}",
    }
    lines = [f'<meta name="description" content="{html.escape(sentence)}">']
    lines += [f'<meta property="{k}" content="{html.escape(v)}">' for k, v in tags.items() if base]
    lines += ['<meta name="twitter:card" content="summary_large_image">'] if base else []
    context["metatags"] = "\n".join([context.get("metatags") or "", *lines])


def shortened(text: str) -> str:
    """Return a text's beginning, whole words of at most `SENTENCE` letters."""
    if len(text) <= SENTENCE:
        return text
    return text[: SENTENCE - 1].rpartition(" ")[0].rstrip(" ,;:.") + " …"


def card(out: Path, pagename: str, body: str) -> str:
    """Draw a page's card and return its place in the book, or the front page's picture."""
    found = _PICTURE.search(body)
    if found is None:
        return "_static/front_page.png"
    place = out / "_static" / CARDS / f"{pagename.replace('/', '-')}.png"
    with Image.open(io.BytesIO(base64.b64decode(found[1]))) as image:
        picture = image.convert("RGB")
    scale = min(0.92 * SIZE[0] / picture.width, 0.92 * SIZE[1] / picture.height)
    size = (round(scale * picture.width), round(scale * picture.height))
    whole = Image.new("RGB", SIZE, "white")
    corner = ((SIZE[0] - size[0]) // 2, (SIZE[1] - size[1]) // 2)
    whole.paste(picture.resize(size, Image.Resampling.LANCZOS), corner)
    place.parent.mkdir(parents=True, exist_ok=True)
    whole.quantize(64).save(place, optimize=True)
    return place.relative_to(out).as_posix()


def list_pages(app: Any, exception: Exception | None) -> None:
    """Write the site's map for search engines."""
    base = app.config.html_baseurl
    if exception or app.builder.format != "html" or not base:
        return
    places = [f"{base}{name}.html" for name in sorted(app.env.found_docs)]
    lines = [f"  <url><loc>{escape(place)}</loc></url>" for place in places]
    head = '<?xml version="1.0" encoding="utf-8"?>'
    opening = '<urlset xmlns="http://www.sitemaps.org/schemas/sitemap/0.9">'
    text = "\n".join([head, opening, *lines, "</urlset>", ""])
    (Path(app.outdir) / "sitemap.xml").write_text(text, encoding="utf-8")


def setup(app: Any) -> dict[str, Any]:
    """Register the tags and the map."""
    app.connect("config-inited", find_address)
    app.connect("html-page-context", describe)
    app.connect("build-finished", list_pages)
    return {"version": "1", "parallel_read_safe": True, "parallel_write_safe": True}
