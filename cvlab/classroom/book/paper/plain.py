"""From the pages of the built book to one plain HTML document, which pandoc reads.

Formulas become their TeX again, code its text, sliders the frame that they show first. Folds are
open. Links between pages become links within the document, and only what a link leads to keeps an
anchor: ``chapters/01_knn.html#ties`` is ``#chapters-01_knn--ties``.
"""

from __future__ import annotations

import base64
import hashlib
import html
import io
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import unquote, urldefrag, urljoin, urlsplit

import yaml
from bs4 import BeautifulSoup, NavigableString, Tag
from PIL import Image, UnidentifiedImageError

WIDE = 760  #: CSS pixels on a line: pictures are a little smaller than on a screen
HIGH = 570  #: and on half a page: what is higher would leave more than that empty before it

# Of a page of megabytes these two are most; without them it is parsed ten times as fast.
_TYPESET = re.compile(r'<span class="katex-html"')
_SPAN = re.compile(r"<(/?)span\b")
_PRE = re.compile(r"(<pre\b[^>]*>)(.*?)(</pre>)", re.S)
_TEX = 'annotation[encoding="application/x-tex"]'
_CASES = re.compile(r"\\begin\{cases\}(.*?)\\end\{cases\}", re.S)
_CANONICAL = re.compile(r'<link rel="canonical" href="([^"]*)"')
_DATA = re.compile(r"data:image/([\w.+-]+);base64,(.*)", re.S)
_ENDING = {"jpeg": "jpg", "svg+xml": "svg"}

_NEEDLESS = (
    "a.headerlink, .toctree-wrapper, .cvlab-minutes, .cvlab-night, .cvlab-hidden, .cvlab-control, "
    ".cvlab-downloads, .cvlab-gloss, .cvlab-letters, .cvlab-onwards, .cvlab-map svg, "
    ".cell_input ~ style, details.hide > summary, source, button, style"
)
NEW_PAGE = '<div class="newpage"></div>'
#: What stays a block of its own, with a look of its own, by its class in the pages.
BLOCKS = {
    "cvlab-system": "system",
    "cvlab-time": "note",
    "cvlab-still": "note",
    "cvlab-question": "question",
}


_KEPT = {"folded", "fold", "picture", "equation", "caption", "eqno", "newpage", *BLOCKS.values()}
_HEADINGS = ["h2", "h3", "h4", "h5", "h6"]  # of a page in the document


class PaperError(RuntimeError):
    """The book cannot be put on paper; the message says where and why."""


@dataclass
class Plain:
    """The whole book as one document.

    Attributes:
        markup: its HTML, in which parts have level 1, chapters level 2.
        formulas: of each formula, as TeX, the pages that have it.
        count: of formulas, each as often as it stands in the book.
        not_run: pages that have no outputs.
        address: of the live book; empty if it has none.
    """

    markup: str = ""
    formulas: dict[str, list[str]] = field(default_factory=dict)
    count: int = 0
    not_run: list[str] = field(default_factory=list)
    address: str = ""


def order(toc: Path) -> Iterator[tuple[str, list[str]]]:
    """Iterate over the parts of a book as its `_toc.yml` has them: title, names of the pages.

    The front page is the first of the first part.
    """
    listed = yaml.safe_load(toc.read_text(encoding="utf-8"))
    front = [listed["root"]]
    for part in listed["parts"]:
        chapters = [one for page in part["chapters"] for one in (page, *page.get("sections", ()))]
        yield part["caption"], [*front, *(one["file"] for one in chapters)]
        front = []


def document(folder: Path, toc: Path, pictures: Path) -> Plain:
    """Make the document of a built book; its pictures are written into a folder.

    Raises:
        PaperError: if a page is missing, or a link leads nowhere.
    """
    plain = Plain()
    parts = list(order(toc))
    names = [name for _, pages in parts for name in pages]
    articles = {}
    for name in names:
        articles[name], address = _article(folder / f"{name}.html", name)
        plain.address = plain.address or address.removesuffix(f"{name}.html")
    for name, article in articles.items():
        _clean(article, name, plain)
        _place_pictures(article, folder / f"{name}.html", pictures)
    _link(articles, plain.address)
    body = []
    for number, (title, pages) in enumerate(parts):
        body.append(NEW_PAGE if number else "")  # what stood before the first would be a chapter
        body.append(f"<h1 id='part-{number}'>{html.escape(title)}</h1>")
        for place, name in enumerate(pages):  # the first one begins below the part's title
            body += [NEW_PAGE if place else "", articles[name].decode_contents()]
    plain.markup = "\n".join(body)
    return plain


def slim(page: str) -> str:
    """Return a page without formulas drawn for the screen and without colours in its code."""
    kept, end = [], 0
    for found in _TYPESET.finditer(page):
        if found.start() < end:
            continue
        kept.append(page[end : found.start()])
        depth = 0
        for span in _SPAN.finditer(page, found.start()):
            depth += -1 if span[1] else 1
            if not depth:
                end = page.index(">", span.end()) + 1
                break
    whole = "".join([*kept, page[end:]])
    return _PRE.sub(lambda m: m[1] + re.sub(r"<[^>]*>", "", m[2]) + m[3], whole)


def _article(path: Path, name: str) -> tuple[Tag, str]:
    """Return a page's text, and the page's address on the web."""
    if not path.exists():
        raise PaperError(f"the built book has no page {name}; run `make book SERVE=0` first.")
    page = path.read_text(encoding="utf-8")
    start, end = page.find('<article class="bd-article"'), page.rfind("</article>")
    if start < 0:
        raise PaperError(f"{name}.html has no article: it is no page of this book.")
    soup = BeautifulSoup(slim(page[start:end]), "html.parser")
    canonical = _CANONICAL.search(page)
    return soup.article, canonical[1] if canonical else ""


def anchor(name: str, place: str = "") -> str:
    """Return the name that a place of a page has in the document."""
    start = name.replace("/", "-")
    return f"{start}--{place}" if place else start


def _clean(article: Tag, name: str, plain: Plain) -> None:
    """Leave of a page what stands on paper, in elements that pandoc knows."""
    if article.select_one("[data-not-run]"):
        plain.not_run.append(name)
    for formula in article.select(".math"):
        tex = _formula(formula)
        plain.count += 1
        pages = plain.formulas.setdefault(tex, [])
        if name not in pages:
            pages.append(name)
    for needless in article.select(_NEEDLESS):
        needless.decompose()
    for script in article.find_all("script"):
        if not script.get("type", "").startswith("math/tex"):
            script.decompose()
    for pre in article.find_all("pre"):
        _code(pre)
    for code in article.find_all("code"):
        if code.parent.name != "pre":
            code.string = code.get_text()
    for level in range(5, 0, -1):
        for heading in article.find_all(f"h{level}"):
            heading.name = f"h{level + 1}"
    for explorer in article.select(".cvlab-explore"):
        _caption(explorer)
    _fold(article)
    for table in article.find_all("table"):
        _table(table)
    for citation in article.select("div.citation"):
        _citation(citation)
    for inner in article.select(".cvlab-answer, .cvlab-ask"):
        inner.unwrap()


def _formula(formula: Tag) -> str:
    """Put a formula's TeX in its place and return it; its number stays beside it."""
    annotation = formula.select_one(_TEX)
    number = formula.select_one(".eqno")
    if number:
        number.extract()
        for link in number.find_all("a"):
            link.decompose()
    tex = annotation.get_text() if annotation else formula.get_text().strip()
    tex = re.sub(r"^\\[(\[]|\\[)\]]$", "", tex).strip()  # left by Sphinx to MathJax
    tex = re.sub(r"\\[bB]igg?\s*/", "/", tex)  # pandoc makes faulty MathML of a tall stroke
    tex = _CASES.sub(_two_columns, tex)
    written = Tag(name="script", attrs={"type": "math/tex"})
    written.string = tex
    anchored = {"id": formula["id"]} if formula.has_attr("id") else {}
    if formula.name != "div":
        formula.replace_with(written)
        return tex
    written["type"] += "; mode=display"
    block = Tag(name="div", attrs={"class": "equation", **anchored})
    block.append(written)
    if number:
        block["data-number"] = number.get_text()
        shown = Tag(name="span", attrs={"class": "eqno"})
        shown.string = number.get_text()
        block.append(shown)
    formula.replace_with(block)
    return tex


def _two_columns(cases: re.Match) -> str:
    """Give cases without conditions an empty second column: pandoc loses the brace of one."""
    return cases[0] if "&" in cases[1] else cases[0].replace("\\\\", "& \\\\")


def _code(pre: Tag) -> None:
    """Make a block of code or of output plain, with its language."""
    outer = pre.find_parent("div", class_=re.compile(r"^highlight-"))
    language = outer["class"][0].removeprefix("highlight-") if outer else ""
    kind = "python" if language in ("python", "ipython3") else language
    text = pre.get_text().rstrip("\n")
    block = Tag(name="pre")
    inner = Tag(name="code")
    inner.string = text
    block.append(inner)
    if pre.find_parent("div", class_="cell_output"):
        block["class"] = "output"
    elif kind in ("python", "json", "markdown", "bibtex", "yaml"):
        block["class"] = kind
    pre.replace_with(block)


def _caption(explorer: Tag) -> None:
    """Say below a slider's frame where the slider stands and, in words, what is to be seen."""
    picture, still = explorer.img, explorer.select_one(".cvlab-still")
    if still is not None and picture is not None:
        shown = still.get_text().split(". ")[0].rstrip(".")
        still.string = f"{shown}. {picture['alt']}"


def _fold(article: Tag) -> None:
    """Open all folds: the label of one that a reader opens for its text stays, as its title."""
    for details in article.select("details.hide"):
        details.name, details.attrs = "div", {"class": "folded"}
    for details in article.select("details.cvlab-deeper"):
        details.summary.unwrap()
        details.unwrap()
    for details in article.find_all("details"):
        summary = details.summary
        if summary is not None:
            summary.name, summary.attrs = "p", {}
            bold = summary.wrap(Tag(name="strong"))
            bold.name, summary.name = "p", "strong"
        details.name, details.attrs = "div", {"class": "fold"}
    for old, new in BLOCKS.items():
        for block in article.select(f".{old}"):
            block["class"] = [new]
            if block.name == "p":
                block.wrap(Tag(name="div", attrs={"class": new}))
                del block["class"]


def _table(table: Tag) -> None:
    """Keep a table's cells and their alignment; its caption stands above it."""
    figure = table.find_parent("figure")
    for cell in table.find_all(["td", "th"]):
        right = "text-right" in cell.get("class", ()) or (
            figure is not None and cell.find_previous_sibling(["td", "th"]) is not None
        )
        spans = {key: cell[key] for key in ("colspan", "rowspan") if cell.has_attr(key)}
        cell.attrs = spans | ({"style": "text-align: right"} if right else {})
        for paragraph in cell.find_all("p", recursive=False):
            if len(cell.find_all("p", recursive=False)) == 1:
                paragraph.unwrap()
    caption = figure.figcaption if figure else None
    if caption is not None:
        caption.name = "div"
        caption["class"] = "caption"


def _citation(citation: Tag) -> None:
    label = citation.select_one(".label")
    text = citation.find("p")
    if label is not None and text is not None:
        bold = Tag(name="strong")
        bold.string = f"{label.get_text()} "
        label.decompose()
        text.insert(0, bold)


def _place_pictures(article: Tag, page: Path, pictures: Path) -> None:
    """Write the pictures of a page into a folder, each once, and give them their size."""
    for image in article.find_all("img"):
        found = _DATA.match(image.get("src", ""))
        if found:
            content, kind = base64.b64decode(found[2]), found[1]
        else:
            place = page.parent / unquote(urlsplit(image["src"]).path)
            content, kind = place.read_bytes(), place.suffix.removeprefix(".")
        name = f"{hashlib.sha256(content).hexdigest()[:16]}.{_ENDING.get(kind, kind)}"
        (pictures / name).write_bytes(content)
        width = _width(image, content)
        image.attrs = {"src": name, "alt": image.get("alt", ""), "width": f"{width:.0%}"}
        outer = image
        while outer.parent.name in ("span", "picture", "a", "p") and not (
            outer.parent.get_text(strip=True)
        ):
            outer = outer.parent
        block = Tag(name="div", attrs={"class": "picture"})
        outer.replace_with(block)
        paragraph = Tag(name="p")
        paragraph.append(image)
        block.append(paragraph)


def _width(image: Tag, content: bytes) -> float:
    """Return which share of a line's width a picture takes."""
    try:
        with Image.open(io.BytesIO(content)) as opened:
            size = opened.size
    except UnidentifiedImageError:  # a drawing
        box = re.search(rb'viewBox="[\d.-]+ [\d.-]+ ([\d.]+) ([\d.]+)"', content)
        size = (float(box[1]), float(box[2])) if box else (WIDE, HIGH)
    styled = re.search(r"width:\s*([\d.]+)px", image.get("style", ""))
    wide = float(styled[1] if styled else image.get("width") or size[0])
    return min(1.0, wide / WIDE, HIGH / WIDE * size[0] / size[1])


def _link(articles: dict[str, Tag], address: str) -> None:
    """Let links lead to places in the document, and drop every anchor that none leads to."""
    inner = []
    for name, article in articles.items():
        for link in article.find_all("a", href=True):
            target, place = urldefrag(link["href"])
            if urlsplit(target).scheme or target.startswith("//"):
                continue
            there = urljoin(f"{name}.html", target) if target else f"{name}.html"
            page = unquote(there).removesuffix(".html")
            if page in articles:
                inner.append((link, page, unquote(place)))
            elif address:
                link["href"] = urljoin(address, there) + (f"#{place}" if place else "")
            else:
                link.unwrap()
    anchors = {
        name: _anchor(article, name, {place for _, page, place in inner if page == name})
        for name, article in articles.items()
    }
    for link, page, place in inner:
        if place not in anchors[page]:
            raise PaperError(f"a link leads to {page}.html#{place}, where nothing is.")
        link["href"] = f"#{anchors[page][place]}"


def _anchor(article: Tag, name: str, wanted: set[str]) -> dict[str, str]:
    """Name headings and the places that links lead to; unwrap what only holds others.

    Returns:
        The anchor of each place.
    """
    found = {"": anchor(name)}
    marked = []
    for element in article.find_all(id=True):
        place = element["id"]
        del element["id"]
        if place in found:  # twice on the page: a link leads to the first, as in a browser
            continue
        heading = element.find(_HEADINGS) if element.name == "section" else None
        host = None
        if heading is None and place in wanted:
            if element.name == "div" and _kept(element):
                host = element
            elif element.get_text(strip=True):
                inner = element if element.name != "div" else element.find("p") or element
                host = Tag(name="span")
                inner.insert(0, host)
            else:  # an empty mark before a section
                heading = element.find_next(_HEADINGS)
        if heading is not None:
            label = anchor(name) if heading.name == "h2" else anchor(name, place)
            found[place] = next((old for one, old in marked if one is heading), label)
            host = heading if found[place] == label else None
        if host is not None:
            found.setdefault(place, anchor(name, place))
            marked.append((host, found[place]))
    for host, label in marked:
        host["id"] = label
    for element in article.find_all(["div", "section", "figure", "span", "picture", "figcaption"]):
        if element.name == "figcaption":
            element.name, element["class"] = "div", "note"
        if not element.has_attr("id") and not _kept(element):
            element.unwrap()
    for text in article.find_all(string=True):
        if type(text) is not NavigableString:  # comments
            text.extract()
    return found


def _kept(element: Tag) -> bool:
    classes = element.get("class") or []
    return bool(_KEPT & set(classes.split() if isinstance(classes, str) else classes))
