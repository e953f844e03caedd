"""The book as PDF and EPUB: nothing that stands on a page is lost on paper.

A small course is built by Sphinx with the book's own extensions. What must arrive is known from
its sources. What has been set in type is asked of Typst, which answers from the finished layout.
"""

from __future__ import annotations

import json
import posixpath
import re
import zipfile
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import unquote, urldefrag
from xml.etree import ElementTree as ET

import nbformat
import numpy as np
import pytest
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook, new_output
from PIL import Image
from test_sphinxext import CONFIG, QUESTION, Project

from cvlab import markup, plot
from cvlab.classroom import cli
from cvlab.classroom.book import build
from cvlab.classroom.book.paper import offer, plain, press
from cvlab.widgets import explore

LIVE = "https://example.org/book/"
TOC = """
root: index
parts:
  - caption: I Solids
    chapters:
      - file: chapters/01_cubes
        sections:
          - file: chapters/02_spheres
  - caption: Reference
    chapters:
      - file: bibliography
"""
CODE = (
    "def volume(a):\n"
    '    """Return the volume of a cube of edge a."""\n'
    "\n"
    "    return a**3  # not a * 3, \\alpha or <b>bold</b> & more, # 1 * _two_\n"
    f"wide = '{'long ' * 60}'\n"
    f"one_word = '{'x' * 300}'"
)
FOLDED = "assert volume(2) == 8"
FIGURE = "A line that rises from the lower left to the upper right."
TABLE = (
    '<figure class="cvlab-table"><figcaption>Cubes</figcaption><div><table><thead><tr>'
    "<th>edge</th><th>volume</th></tr></thead><tbody><tr><td>2</td><td>eight</td></tr></tbody>"
    "</table></div></figure>"
)
PROSE = r"""# 1. Cubes & spheres

A cube of edge $a$ has the volume of {eq}`eq-volume`, and {cite:t}`lowe2004` says so.

$$
V = a^3
$$ (eq-volume)

## How heavy

$$
\begin{aligned}
m &= \rho V , \\
\hat a &= \operatorname*{argmin}_{a \in A} \lVert m - \tfrac{1}{2} a^3 \rVert^2
\end{aligned}
$$ (eq-mass)

$$ 1 < 2 $$

<details><summary>Pencil: how many faces?</summary>

Six, see [the spheres](02_spheres.md#no-faces).

</details>
"""
DEEPER = f"## Deeper: corners\n\nA cube has eight.\n\n### Edges\n\nTwelve.\n\n{QUESTION}"
SPHERES = """# 2. Spheres

Back to [cubes](01_cubes.ipynb), to [corners](01_cubes.ipynb#deeper-corners) and to
{eq}`eq-volume`. <a href="../genindex.html">elsewhere</a>

## No faces

<span id="no-faces">Twice</span> on a page is a place that is named like a section.

| what | how many |
|------|---------:|
| `faces_of_a_sphere.and_more_of_them` | $0$ |
"""
FORMULAS = 7  # two numbered, one without, a, k = 1, x, 0
HEADINGS = ["I Solids", "1. Cubes & spheres", "How heavy", "Deeper: corners", "Edges", "2. Spheres"]
HEADINGS += ["No faces", "Reference", "Bibliography", "Front"]


def draw(k):
    fig, ax = plot.figure()
    ax.plot([0, k])
    return fig


@dataclass
class Book:
    """The small course on paper."""

    plain: plain.Plain
    work: Path

    def query(self, selector: str, field: str | None = None) -> list:
        import typst

        found = typst.query(self.work / "main.typ", selector, field=field, ignore_system_fonts=True)
        return json.loads(found)

    def pages(self) -> dict[str, ET.Element]:
        """The pages of the EPUB by their names, read as strict XML."""
        with zipfile.ZipFile(self.work / "cvlab.epub") as packed:
            return {
                name: ET.fromstring(packed.read(name))
                for name in packed.namelist()
                if name.endswith((".xhtml", ".opf", ".ncx", ".xml"))
            }


@pytest.fixture(scope="module")
def pages(tmp_path_factory) -> Path:
    """The folder of the small course's built pages."""
    folder = tmp_path_factory.mktemp("course")
    project = Project(folder)
    project.write("conf.py", f'{CONFIG}\nhtml_theme = "sphinx_book_theme"\nhtml_baseurl = "{LIVE}"')
    figure = markup.html_of(draw(1), FIGURE, "cvlab-figure")
    slider = explore(draw, alt="A line up to {k} of the axis.", k=[1, 2, 3], start={"k": 2}).page()
    outputs = [new_output("stream", text="printed & done\n")]
    outputs += [new_output("display_data", {"text/html": h}) for h in (figure, slider, TABLE)]
    cells = [
        new_markdown_cell(PROSE),
        new_code_cell(CODE, outputs=outputs),
        new_code_cell(FOLDED, metadata={"tags": ["hide-input"]}),
        new_markdown_cell(DEEPER),
    ]
    (folder / "chapters").mkdir()
    notebook = new_notebook(cells=cells, metadata={"language_info": {"name": "python"}})
    nbformat.write(notebook, folder / "chapters" / "01_cubes.ipynb")
    project.write("chapters/02_spheres.md", SPHERES)
    project.build()
    assert project.warnings == ""
    (folder / "_toc.yml").write_text(TOC)
    return folder / "out"


@pytest.fixture(scope="module")
def book(pages, tmp_path_factory) -> Book:
    work = tmp_path_factory.mktemp("paper")
    document = plain.document(pages, pages.parent / "_toc.yml", work)
    tree = press.read(document, work)
    press.epub(document, tree, work / "cvlab.epub")
    press.pdf(document, tree, work / "cvlab.pdf")
    return Book(document, work)


def words(content) -> str:
    """The text of Typst's content, as its query describes it."""
    if isinstance(content, list):
        return "".join(map(words, content))
    if not isinstance(content, dict):
        return ""
    if content.get("func") == "space":
        return " "
    return content.get("text", "") + words(content.get("children")) + words(content.get("body"))


def text(element: ET.Element) -> str:
    return " ".join("".join(element.itertext()).split())


def local(tree: ET.Element, *names: str) -> list[ET.Element]:
    return [one for one in tree.iter() if one.tag.rpartition("}")[2] in names]


class TestPdf:
    def test_every_line_of_code_and_of_output_is_there(self, book):
        blocks = book.query("raw.where(block: true)", "text")
        assert blocks == [CODE, "printed & done", FOLDED]

    def test_nothing_is_cut_at_the_edge(self, book):
        import typst

        pages = book.work / "{0p}.png"
        typst.compile(book.work / "main.typ", pages, format="png", ppi=60, ignore_system_fonts=True)
        drawn = sorted(book.work.glob("[0-9]*.png"))
        assert len(drawn) > 5
        for path in drawn:
            with Image.open(path) as image:
                page = np.asarray(image.convert("L"))
            margin = round(page.shape[1] * 15 / 210)  # of 20 millimetres
            assert page[:, -margin:].min() == 255 == page[:, :margin].min(), path.name
            assert page.min() < 128, f"{path.name} is empty"

    def test_every_formula_and_every_number_is_there(self, book):
        assert len(book.query("math.equation")) == FORMULAS == book.plain.count
        assert book.query("<number>", "text") == ["(1.1)", "(1.2)"]
        source = (book.work / "main.typ").read_text(encoding="utf-8")
        assert r"m &= \rho V , \\" in book.query("math.equation", "alt")[2]
        assert 'op("argmin", limits: #true)_' in source

    def test_every_heading_is_there_with_its_level(self, book):
        found = {words(one["body"]): one["level"] for one in book.query("heading")}
        assert set(HEADINGS) <= set(found)
        assert (found["I Solids"], found["2. Spheres"], found["Edges"]) == (1, 2, 4)

    def test_every_picture_has_its_words(self, book):
        assert book.query("image", "alt") == [FIGURE, "A line up to 2 of the axis."]

    def test_links_lead_where_they_should(self, book):
        targets = {str(target) for target in book.query("link", "dest")}
        assert {"<chapters-01_cubes--equation-eq-volume>", "<chapters-02_spheres--no-faces>"} <= (
            targets
        )
        assert {"<chapters-01_cubes>", f"{LIVE}genindex.html", LIVE} <= targets

    def test_the_file_says_its_language_and_title(self, book):
        content = (book.work / "cvlab.pdf").read_bytes()
        assert content.startswith(b"%PDF-1.")
        assert b"en-GB" in content
        assert press.TITLE.encode() in content
        assert b"pdfuaid" in content


class TestEpub:
    def test_every_line_of_code_and_of_output_is_there(self, book):
        blocks = [
            "".join(block.itertext())
            for page in book.pages().values()
            for block in local(page, "pre")
        ]
        assert [block.rstrip("\n") for block in blocks] == [CODE, "printed & done", FOLDED]

    def test_every_formula_and_every_number_is_there(self, book):
        pages = book.pages().values()
        formulas = [one for page in pages for one in local(page, "math")]
        assert len(formulas) == FORMULAS
        numbers = [text(one) for page in pages for one in page.iter() if one.get("class") == "eqno"]
        assert numbers == ["(1.1)", "(1.2)"]

    def test_every_heading_picture_and_answer_is_there(self, book):
        pages = [page for name, page in book.pages().items() if "/text/" in name]
        names = ("h1", "h2", "h3", "h4", "h5")
        headings = [text(one) for page in pages for one in local(page, *names)]
        assert sorted(headings) == sorted([*HEADINGS, press.TITLE])
        alternatives = [one.get("alt") for page in pages for one in local(page, "img")]
        assert alternatives == [FIGURE, "A line up to 2 of the axis."]
        everything = " ".join(map(text, pages))
        for sentence in ("Choice 2 is right.", "Pencil: how many faces?", "A cube has eight."):
            assert sentence in everything
        assert "The figure at k: 2. A line up to 2 of the axis." in everything
        for cell in ("Cubes", "edge", "volume", "eight", "faces_of_a_sphere.and_more_of_them"):
            assert cell in everything

    def test_the_package_is_whole(self, book):
        """Each file is listed, once, and each link leads to a place that exists."""
        with zipfile.ZipFile(book.work / "cvlab.epub") as packed:
            assert packed.testzip() is None
            first, names = packed.infolist()[0], set(packed.namelist())
            assert (first.filename, first.compress_type) == ("mimetype", zipfile.ZIP_STORED)
            assert packed.read("mimetype") == b"application/epub+zip"
        pages = book.pages()
        package = pages["EPUB/content.opf"]
        listed = [f"EPUB/{unquote(one.get('href'))}" for one in local(package, "item")]
        assert len(listed) == len(set(listed))
        beside = {name for name in names if name.startswith("META-INF/") or name.endswith("/")}
        assert set(listed) == names - beside - {"mimetype", "EPUB/content.opf"}
        assert [text(one) for one in local(package, "language")] == ["en-GB"]
        links = 0
        for name, page in pages.items():
            assert "/text/" not in name or page.get("lang") == "en-GB"
            for element in local(page, "a", "img", "link"):
                target = element.get("href") or element.get("src") or ""
                if "://" in target:
                    continue
                place, fragment = urldefrag(target)
                there = posixpath.normpath(posixpath.join(posixpath.dirname(name), place))
                there = there if place else name
                assert there in names, f"{name} leads to {target}"
                if fragment:
                    ids = {one.get("id") for one in pages[there].iter()}
                    assert fragment in ids, f"{name} leads to {target}"
                    links += 1
        assert links > 10


def one_formula(tex: str) -> plain.Plain:
    """A document of one formula."""
    markup = f'<h1 id="a">A</h1><h2 id="p">P</h2><p><script type="math/tex">{tex}</script></p>'
    return plain.Plain(markup, {tex: ["chapters/01_cubes"]}, count=1)


@pytest.mark.parametrize(
    ("tex", "typst"),
    [
        (r"\big( a \Big)", r"lr(\(, size: #120%) a lr(\), size: #180%)"),
        (r"\big\| a \big\|^2", 'class("normal", lr(bar.v.double, size: #120%))^2'),
        (r"\lvert a \rvert", 'class("normal", bar.v) a class("normal", bar.v)'),
        (r"a \phantom{=} b", "#hide($=$)"),
        (r"a\!b\;c", "a #h(-0.167em) b #h(0.278em) c"),
        (r"\operatorname*{argmax}_k a", 'op("argmax", limits: #true)_k'),
    ],
)
def test_formulas_of_which_pandoc_makes_something_else(tmp_path, tex, typst):
    document = one_formula(tex)
    press.pdf(document, press.read(document, tmp_path), tmp_path / "file")
    assert typst in (tmp_path / "main.typ").read_text(encoding="utf-8")


def test_cases_keep_their_brace(tmp_path):
    tex = r"\begin{cases} a \\ b \end{cases}"
    page = '<article class="bd-article"><section id="s"><h1>P</h1>%s</section></article>'
    (tmp_path / "index.html").write_text(page % rf'<span class="math">\({tex}\)</span>')
    (tmp_path / "_toc.yml").write_text("root: index\nparts: [{caption: A, chapters: []}]")
    document = plain.document(tmp_path, tmp_path / "_toc.yml", tmp_path)
    press.pdf(document, press.read(document, tmp_path), tmp_path / "file")
    assert 'cases(delim: "{", a & , b)' in (tmp_path / "main.typ").read_text(encoding="utf-8")


class TestFaults:
    @pytest.mark.parametrize("make", [press.pdf, press.epub])
    def test_a_formula_that_cannot_be_converted_is_named_with_its_page(self, tmp_path, make):
        document = one_formula(r"a \nonsense{b}")
        tree = press.read(document, tmp_path)
        with pytest.raises(plain.PaperError, match=r"chapters/01_cubes: a \\nonsense\{b\}"):
            make(document, tree, tmp_path / "file")

    def test_a_formula_that_pandoc_overlooks_is_missed(self, tmp_path):
        document = one_formula("a")
        document.count = 2
        with pytest.raises(plain.PaperError, match="of 2 formulas pandoc found 1"):
            press.read(document, tmp_path)

    def test_a_letter_that_no_font_has_is_refused(self, tmp_path):
        document = one_formula("a")
        document.markup += "<p>漢</p>"
        with pytest.raises(plain.PaperError, match=r"p: Typst stumbles: .*could not be displayed"):
            press.pdf(document, press.read(document, tmp_path), tmp_path / "file")

    def test_what_typst_refuses_is_named_with_its_page(self, tmp_path):
        document = one_formula("a")
        document.markup += '<p><img src="none.png" alt="Nothing to see."></p>'
        with pytest.raises(plain.PaperError, match="p: Typst stumbles: error: file not found"):
            press.pdf(document, press.read(document, tmp_path), tmp_path / "file")

    def test_a_link_to_nowhere_is_refused(self, pages, tmp_path):
        folder = tmp_path / "pages"
        (folder / "chapters").mkdir(parents=True)
        for path in pages.rglob("*.html"):
            place = folder / path.relative_to(pages)
            place.parent.mkdir(parents=True, exist_ok=True)
            page = path.read_text(encoding="utf-8")
            place.write_text(page.replace('id="no-faces"', 'id="other"'), encoding="utf-8")
        with pytest.raises(plain.PaperError, match=r"02_spheres\.html#no-faces, where nothing is"):
            plain.document(folder, pages.parent / "_toc.yml", tmp_path)

    def test_without_a_book_the_command_says_what_to_do(self, tmp_path, monkeypatch, capsys):
        for name in ("BUILD", "HTML", "SOURCE"):
            monkeypatch.setattr(build, name, tmp_path)
        (tmp_path / "_toc.yml").write_text(TOC)
        assert cli.main(["pdf"]) == 1
        assert "has no page index; run `make book SERVE=0` first" in capsys.readouterr().out


def test_a_typeset_formula_becomes_its_tex_again():
    drawn = '<span class="katex-html"><span>a<span class="base">2</span></span></span>'
    tex = '<annotation encoding="application/x-tex">a &lt; b</annotation>'
    page = f'<p>x<span class="katex"><math>{tex}</math>{drawn}</span>y<span>z</span></p>'
    assert plain.slim(page) == page.replace(drawn, "")
    code = '<pre class="a"><span class="k">if</span> x &lt; <b>1</b>\n</pre><b>y</b>'
    assert plain.slim(code) == '<pre class="a">if x &lt; 1\n</pre><b>y</b>'


def test_pages_lead_to_the_files_as_long_as_they_are_there(tmp_path):
    empty = '<p>Before.</p><div class="cvlab-downloads"></div><p>After.</p>'
    for name in offer.PAGES:
        (tmp_path / name).write_text(empty)
    offer.offer(tmp_path)
    assert (tmp_path / "index.html").read_text() == empty
    for name in offer.FILES:
        (tmp_path / name).write_bytes(bytes(2_000_000))
    for _ in range(2):  # a second time changes nothing
        offer.offer(tmp_path)
    for name in offer.PAGES:
        found = re.findall(r'href="([^"]*)">([^<]*)<', (tmp_path / name).read_text())
        assert found == [("cvlab.pdf", "PDF, 2 MB"), ("cvlab.epub", "EPUB, 2 MB")]
    assert offer.withdraw(tmp_path) == list(offer.FILES)
    assert (tmp_path / "how_to_use.html").read_text() == empty
    assert not (tmp_path / "cvlab.pdf").exists()
