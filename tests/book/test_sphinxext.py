"""What the book adds to Sphinx, on projects of a page or two."""

from __future__ import annotations

import base64
import io
import json
import os
import re
import subprocess
import textwrap
import types
from pathlib import Path

import pytest
from bs4 import BeautifulSoup
from conftest import ROOT, missing
from PIL import Image
from sphinx.environment import BuildEnvironment

from cvlab.classroom.book import questions
from cvlab.classroom.book.sphinxext import formulas, numbers, search, shared

CONFIG = """
extensions = ["myst_nb", "sphinxcontrib.bibtex", "cvlab.classroom.book.sphinxext"]
bibtex_bibfiles = ["references.bib"]
bibtex_default_style = bibtex_reference_style = "cvlab"
myst_enable_extensions = ["amsmath", "colon_fence", "dollarmath"]
myst_heading_anchors = 3
nb_execution_mode = "off"
numfig = True
html_math_renderer = "mathjax"
"""
BIB = """
@inproceedings{he2016a, author = {He, Kaiming and Zhang, Xiangyu and Ren, Shaoqing},
  title = {Deep residual learning}, booktitle = {CVPR}, year = {2016}, doi = {10.1109/a}}
@inproceedings{he2016b, author = {He, Kaiming and Zhang, Xiangyu and Sun, Jian},
  title = {Identity mappings}, booktitle = {ECCV}, year = {2016}, eprint = {1603.05027}}
@article{lowe2004, author = {Lowe, David G.}, title = {Distinctive features}, journal = {IJCV},
  year = {2004}, url = {https://example.org/lowe}}
@article{viola2001, author = {Viola, Paul and Jones, Michael}, title = {Rapid detection},
  journal = {CVPR}, year = {2001}}
@article{muller1999, author = {M{\\"u}ller, Karl}, title = {Kernels}, journal = {JMLR},
  year = {1999}}
"""
QUESTION = """\
:::{question} Why $k = 1$?
1. Because of `a`.
2. Because of *b*.

<details><summary>Answer: 2</summary>

1. No: $x$ is not.
2. Yes.

</details>
:::
"""
NUMBER = """\
:::{question} How many?
:tolerance: 5 %

<details><summary>Answer: a number</summary>

8,000: as said.

- `10000`: too many.

</details>
:::
"""


class Project:
    """A Sphinx project in a folder, built by `build`."""

    def __init__(self, folder: Path):
        self.folder, self.warnings = folder, ""
        self.write("conf.py", CONFIG)
        self.write("references.bib", BIB)
        self.write("index.md", "# Front\n\n```{toctree}\n:glob:\n\n**\n```\n")
        self.write("bibliography.md", "# Bibliography\n\n```{bibliography}\n:all:\n```\n")

    def write(self, name: str, text: str) -> None:
        path = self.folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")

    def build(self, parallel: int = 1) -> BuildEnvironment:
        from sphinx.application import Sphinx
        from sphinx.util.docutils import docutils_namespace

        errors = io.StringIO()
        with docutils_namespace():
            app = Sphinx(
                srcdir=self.folder,
                confdir=self.folder,
                outdir=self.folder / "out",
                doctreedir=self.folder / "trees",
                buildername="html",
                status=None,
                warning=errors,
                parallel=parallel,
            )
            app.build()
        self.warnings = re.sub(r"\x1b\[[0-9;]*m", "", errors.getvalue())
        return app.env

    def page(self, name: str) -> BeautifulSoup:
        text = (self.folder / "out" / f"{name}.html").read_text(encoding="utf-8")
        return BeautifulSoup(text, "html.parser")


@pytest.fixture
def project(tmp_path) -> Project:
    return Project(tmp_path)


def words(tag) -> str:
    return " ".join(tag.get_text().split())


class TestDeeper:
    def test_a_section_becomes_a_fold_with_all_that_is_in_it(self, project):
        project.write(
            "page.md",
            "# Page\n\n## Core\n\nCore.\n\n(anchor)=\n## Deeper: ties\n\nA tie.\n\n### Part\n\n"
            "Part.\n\n### Deeper: inner\n\nInner.\n\n## Core again\n\nEnd. [](#deeper-ties)\n\n"
            "### Deeper: small\n\nSmall.\n",
        )
        project.build()
        assert project.warnings == ""
        page = project.page("page")
        folds = page.find_all("details", class_="cvlab-deeper")
        assert [fold.summary.h2 is not None for fold in folds] == [True, False]
        assert words(folds[0].summary) == "Deeper: ties# 5 min".replace("#", "¶")
        assert "Inner." in words(folds[0])
        assert "Core again" not in words(folds[0])
        assert folds[1].summary.h3 is not None
        assert not folds[0].has_attr("open")
        assert page.find(id="deeper-ties").find("details") is folds[0]
        # The list of contents and references still have the section.
        assert page.select_one("a.reference.internal[href='#deeper-ties']")

    def test_a_fold_says_how_long_it_takes(self, project):
        project.write("page.md", "# Page\n\n## Deeper: long\n\n" + "word " * 1500)
        project.build()
        assert "15 min" in words(project.page("page").summary)


class TestQuestions:
    def test_without_scripts_it_is_a_list_and_a_fold(self, project):
        project.write("page.md", f"# Page\n\n{QUESTION}\nText.\n\n{NUMBER}")
        project.build()
        assert project.warnings == ""
        page = project.page("page")
        first, second = page.find_all(class_="cvlab-question")
        assert words(first.find(class_="cvlab-ask")) == r"1. Why \(k = 1\)?"
        assert [words(item) for item in first.select(".cvlab-choices > li")] == [
            "Because of a.",
            "Because of b.",
        ]
        assert first.select_one(".cvlab-choices code").get_text() == "a"
        assert first["data-right"] == "2"
        assert words(first.details) == (
            r"Answer and reasons Choice 2 is right. No: \(x\) is not. Yes."
        )
        assert words(second.find(class_="cvlab-ask")) == "2. How many?"
        assert (float(second["data-right"]), float(second["data-margin"])) == (8000, 400)
        slip = second.select_one(".cvlab-reasons > li")
        assert (float(slip["data-value"]), float(slip["data-margin"])) == (10000, 0.5)
        assert first["id"] == "question-1"
        assert first["data-key"] != second["data-key"]
        assert page.find("script", src=re.compile(r"questions\.js"))
        assert not project.page("bibliography").find("script", src=re.compile(r"questions\.js"))

    def test_numbers_come_from_the_run(self, project):
        glued = {
            "output_type": "display_data",
            "metadata": {
                "scrapbook": {"name": "n", "mime_prefix": "application/papermill.record/"}
            },
            "data": {"application/papermill.record/text/plain": "2.5e-06"},
        }
        asked = NUMBER.replace("8,000", "{glue:text}`n:.1e`").replace(":tolerance: 5 %\n\n", "")
        project.write("page.ipynb", notebook(f"# Page\n\n{asked}", code=[glued]))
        project.build()
        assert project.warnings == ""
        question = project.page("page").find(class_="cvlab-question")
        assert float(question["data-right"]) == 2.5e-6
        assert float(question["data-margin"]) == pytest.approx(0.5e-7)
        assert "2.5 × 10⁻⁶: as said." in words(question.find(class_="cvlab-answer"))

    @pytest.mark.parametrize(
        ("old", "new", "sentence"),
        [
            ("Answer: 2", "Answer: 3", "choice 3 is said to be right, and there are 2"),
            ("Answer: 2", "Answer: b", "'Answer: b' does not say which choice is right"),
            ("2. Yes.\n", "", "has 2 choices and 1 reasons"),
            ("2. Because of *b*.\n", "2. 200.\n", "the choice '200.' would be a list in the list"),
            (
                "2. Because of *b*.\n",
                "2. - Six.\n",
                "the choice '- Six.' would be a list in the list",
            ),
            ("2. Because of *b*.\n", "", "a choice needs at least two"),
            ("<details>", "<div>", "has no answer"),
            (" Why $k = 1$?", "", "has no text"),
            ("</details>\n", "</details>\n\nMore.\n", "goes on after its answer"),
            ("1. Because of `a`.\n2. Because of *b*.\n", "", "'Answer: a number'"),
        ],
    )
    def test_a_malformed_one_is_an_error_of_the_build(self, project, old, new, sentence):
        faulty = QUESTION.replace(old, new)
        project.write("page.md", f"# Page\n\n{faulty}")
        project.build()
        assert sentence in project.warnings
        assert re.search(r"page\.md:3: ERROR", project.warnings)
        with pytest.raises(questions.QuestionError, match=re.escape(sentence)):
            questions.questions(faulty)

    @pytest.mark.parametrize(
        ("old", "new", "sentence"),
        [
            ("8,000: as", "About 8,000 as", "must begin with a number"),
            ("8,000: as", "10^6: as", "must begin with a number"),
            ("`10000`:", "Ten:", "must begin with a number"),
            ("5 %", "five", "the tolerance 'five' must be like"),
            ("`10000`", "`8100`", "lies within the tolerance"),
        ],
    )
    def test_a_malformed_number_too(self, project, old, new, sentence):
        project.write("page.md", f"# Page\n\n{NUMBER.replace(old, new)}")
        project.build()
        assert sentence in project.warnings
        assert re.search(r"page\.md:3: ERROR", project.warnings)

    def test_the_parser_reads_a_page(self):
        first, second = questions.questions(f"Text.\n\n{QUESTION}\n````\n{NUMBER}````\n\n{NUMBER}")
        assert first.text == "Why $k = 1$?"
        assert first.choices == ("Because of `a`.", "Because of *b*.")
        assert first.reasons == ("No: $x$ is not.", "Yes.")
        assert (first.right, first.line, second.right, second.tolerance) == (2, 3, 0, "5 %")
        assert second.reasons == ("8,000: as said.",)
        assert second.slips == ("`10000`: too many.",)
        with pytest.raises(questions.QuestionError, match="no end"):
            questions.questions(QUESTION.removesuffix(":::\n"))

    @pytest.mark.parametrize(
        ("text", "value", "margin"),
        [
            ("8000", 8000, 0.5),
            ("1,234 pixels", 1234, 0.5),
            ("−0.25: half", -0.25, 0.005),
            ("`1e-06`", 1e-6, 0.5e-6),
            ("$3.20$", 3.2, 0.005),
            ("12.", 12, 0.5),
        ],
    )
    def test_numbers(self, text, value, margin):
        found = questions.number(text)
        assert (found.value, found.margin) == (pytest.approx(value), pytest.approx(margin))


def notebook(text: str, code: list | None = None) -> str:
    cells = [{"cell_type": "markdown", "id": "text", "metadata": {}, "source": text}]
    if code is not None:
        cell = {"cell_type": "code", "id": "code", "metadata": {}, "source": "glue()"}
        cells.append(cell | {"outputs": code, "execution_count": 1})
    return json.dumps(
        {
            "cells": cells,
            "metadata": {"language_info": {"name": "python"}},
            "nbformat": 4,
            "nbformat_minor": 5,
        }
    )


class TestNumbers:
    @pytest.mark.parametrize(
        ("text", "printed"),
        [
            ("1e-06", "10⁻⁶"),
            ("3.2e+05", "3.2 × 10⁵"),
            ("-1e-06", "−10⁻⁶"),
            ("1.0e+00", "1.0"),
            ("1e+10", "10¹⁰"),
            ("-0.12", "−0.12"),
            ("1e-03 to -2.5e-10", "10⁻³ to −2.5 × 10⁻¹⁰"),
            ("3-5, torch-2.6, 2024-01-02, x1e5", "3-5, torch-2.6, 2024-01-02, x1e5"),
            ("5 %", "5 %"),
            ("(-1, -2)", "(−1, −2)"),
        ],
    )
    def test_printed(self, text, printed):
        assert numbers.printed(text).replace(numbers.NBSP, " ") == printed

    def test_no_number_is_parted_from_its_unit(self, project):
        project.write("page.md", "# Page\n\nA 5 % of $7$ % and 3 ms, `8 %` not, 4 a day.\n")
        project.build()
        assert "5\xa0% of" in project.page("page").get_text()
        assert "\\)\xa0% and 3\xa0ms, 8 % not, 4 a" in project.page("page").get_text()

    @pytest.mark.parametrize("parallel", [1, 2])
    def test_equations_are_numbered_within_the_chapter(self, project, parallel):
        equation = "$$ a = b $$ (eq-{0})\n\n"
        for name in ("03_first", "27a_flow"):
            project.write(
                f"chapters/{name}.md",
                f"# {name}\n\n" + equation.format(f"{name}-1") + equation.format(f"{name}-2"),
            )
        project.write("page.md", "# Page\n\n{eq}`eq-03_first-2`, {eq}`eq-27a_flow-1`.\n")
        for index in range(8):  # enough pages to be read in parallel
            project.write(f"more{index}.md", "# More\n")
        project.build(parallel)
        assert project.warnings == ""
        numbered = project.page("chapters/27a_flow").find_all(class_="eqno")
        assert [words(n).rstrip("¶") for n in numbered] == ["(27a.1)", "(27a.2)"]
        assert "(3.2), (27a.1)." in words(project.page("page").p)
        # A second build that reads one page again keeps what the others have.
        project.write("page.md", "# Page\n\n{eq}`eq-03_first-1`, {eq}`eq-27a_flow-2`.\n")
        project.build(parallel)
        assert "(3.1), (27a.2)." in words(project.page("page").p)
        project.write("chapters/03_first.md", "# First\n\n" + equation.format("03_first-1"))
        project.build(parallel)
        assert "(3.1)" in words(project.page("chapters/03_first").find(class_="eqno"))


class TestFormulas:
    @pytest.fixture(autouse=True)
    def katex(self, project):
        project.write("conf.py", CONFIG.replace('html_math_renderer = "mathjax"', ""))
        if not formulas.available():
            missing("KaTeX is not installed: npm or node was missing when the book was built")

    @pytest.mark.parametrize("parallel", [1, 2])
    def test_they_are_typeset_in_the_page(self, project, parallel):
        for index in range(8):
            project.write(f"more{index}.md", f"# More\n\nA sum: $x_{{{index}}} + 1$.\n")
        project.write(
            "page.md",
            "# Page\n\nIn the text $a < b$.\n\n$$ \\frac{a}{b} $$ (eq-one)\n\n"
            "\\begin{align}a &= b \\\\ c &= d\\end{align}\n\n$$ e \\\\ f $$\n\n"
            "<details><summary>More</summary>\n\nFolded $g^2$.\n\n</details>\n",
        )
        project.build(parallel)
        assert project.warnings == ""
        page = project.page("page")
        sources = [tex.text for tex in page.select(".math annotation")]
        assert [source.split("{")[0] for source in sources] == [
            "a < b",
            "\\frac",
            "\\begin",
            "\\begin",
            "g^2",
        ]
        assert len(page.select(".katex-html")) == 5
        assert len(page.select("div.math .katex-display")) == 3
        assert words(page.select_one("div.math > .eqno")).rstrip("¶") == "(1)"
        assert page.select_one("details .katex") is not None
        for index in range(8):
            (tex,) = project.page(f"more{index}").select("annotation")
            assert tex.text == f"x_{{{index}}} + 1"
        scripts = [tag.get("src") or "" for tag in page.select("script")]
        assert not any("mathjax" in source.lower() for source in scripts)

    def test_what_is_no_formula_fails_the_build_with_its_place(self, project):
        project.write("page.md", "# Page\n\nIn the text $a_{b$.\n\n$$ \\nosuch{a} $$\n")
        project.build()
        first, second = [line for line in project.warnings.splitlines() if "typeset" in line]
        assert re.search(r"page\.md:3: WARNING: this formula cannot be typeset: .*'}'", first)
        assert re.search(r"page\.md:5: WARNING: .*Undefined control sequence: \\nosuch", second)

    def test_a_node_that_has_ended_is_named(self):
        formulas.typeset("x", False)
        server = formulas.server(os.getpid())
        server.kill()
        server.wait()
        with pytest.raises(RuntimeError, match="Node ended while it typeset formulas"):
            formulas.typeset("never typeset before", False)
        formulas.server.cache_clear()
        assert "katex" in formulas.typeset("never typeset before", False)


class TestSearch:
    PAGE = (
        "# 3. Steps\n\nA *learning* rate of $x$ is {{glue}}.\n\n```python\ncode = 1\n```\n\n"
        "## Momentum\n\nIt **goes** on.\n\n- One thing.\n- Another.\n\n### Inside\n\nDeep.\n"
    ).replace("{{glue}}", "small")
    GLOSSARY = (
        "# Glossary\n\nWords.\n\n```{glossary}\nfilter bank\n  Several filters.\n\n"
        "pooling\n  One number for many.\n```\n"
    )

    @pytest.mark.parametrize("parallel", [1, 2])
    def test_what_pages_say_is_collected_and_kept_between_builds(self, project, parallel):
        project.write("chapters/03_steps.md", self.PAGE)
        project.write("glossary.md", self.GLOSSARY)
        for index in range(8):  # enough pages to be read in parallel
            project.write(f"more{index}.md", "# More\n\nText.\n")
        env = project.build(parallel)
        assert env.cvlab_search["chapters/03_steps"] == [
            ("", "3. Steps", "A learning rate of is small."),
            ("momentum", "Momentum", "It goes on. One thing. Another."),
            ("inside", "Inside", "Deep."),
        ]
        assert env.cvlab_search["glossary"] == [
            ("", "Glossary", "Words."),
            ("term-filter-bank", "filter bank", "Several filters."),
            ("term-pooling", "pooling", "One number for many."),
        ]
        assert len(env.cvlab_search) == 12
        project.write("chapters/03_steps.md", "# 3. Other\n")
        (project.folder / "more0.md").unlink()
        env = project.build(parallel)
        assert env.cvlab_search["chapters/03_steps"] == [("", "3. Other", "")]
        assert len(env.cvlab_search) == 11

    def test_methods_belong_to_their_chapters(self, tmp_path):
        table = tmp_path / "systems.csv"
        table.write_text("id,chapter,name,works_when\nadam,03_steps,Adam,it falls\n")
        known = {
            "chapters/03_steps": [("", "3. Steps", "Text."), ("a", "A", "B")],
            "glossary": [("", "Glossary", "")],
        }
        found = search.contents(known, table)
        assert found["pages"] == [
            ("chapters/03_steps", "3. Steps", "chapters"),
            ("glossary", "Glossary", "glossary"),
        ]
        assert found["sections"] == [
            (0, "", "3. Steps", "Text."),
            (0, "a", "A", "B"),
            (0, "system-adam", "Adam", ""),
            (1, "", "Glossary", ""),
        ]
        assert search.methods(tmp_path / "none.csv") == {}

    @pytest.mark.parametrize(
        ("one", "other"),
        [
            ("optimizers", "optimiser"),
            ("Colour", "color"),
            ("neighbours", "neighbor"),
            ("centre", "center"),
            ("labelled", "labeled"),
            ("grey", "gray"),
            ("Poincaré", "poincare"),
            ("Canny's", "canny"),
            ("the", None),
            ("2012", None),
        ],
    )
    def test_spellings_of_a_word_are_one(self, one, other):
        if formulas.node() is None:
            missing("node is not installed")
        script = ROOT / "book" / "assets" / "search.js"
        ask = (
            "const { processTerm } = require(process.argv[1]).options;"
            "console.log(JSON.stringify(process.argv.slice(2).map(processTerm)));"
        )
        command = [formulas.node(), "-e", ask, str(script), one, other or "of"]
        found = json.loads(subprocess.run(command, capture_output=True, check=True).stdout)
        assert found[0] == found[1]
        assert (found[0] is None) == (other is None)


class TestShared:
    """What search engines and chats see of a page."""

    def page(self, project, conf="", body="Some *words* first.\n\nMore.", extra=""):
        project.write("conf.py", f"{CONFIG}\nhtml_title = 'The book'\n{conf}\n")
        project.write("chapters/03_steps.md", f"# 3. Steps & more\n\n{body}\n\n{extra}\n")
        project.build()
        page = project.page("chapters/03_steps")
        found = {
            tag.get("property") or tag.get("name"): tag["content"]
            for tag in page("meta")
            if tag.get("property") or tag.get("name")
        }
        return page, found

    def test_a_page_says_what_it_is_and_where(self, project):
        base = "https://owner.github.io/book/"
        page, found = self.page(project, f"html_baseurl = {base!r}")
        assert found["description"] == found["og:description"] == "Some words first. More."
        assert found["og:title"] == "3. Steps & more"
        assert found["og:site_name"] == "The book"
        assert found["og:url"] == f"{base}chapters/03_steps.html"
        assert page.select_one("link[rel=canonical]")["href"] == found["og:url"]
        assert found["og:image"] == f"{base}_static/front_page.png"
        sites = (project.folder / "out" / "sitemap.xml").read_text()
        places = re.findall(r"<loc>(.*?)</loc>", sites)
        assert found["og:url"] in places
        assert len(places) == len(set(places)) == 3

    def test_its_first_picture_becomes_a_card(self, project):
        picture = Image.new("RGB", (300, 400), (200, 10, 10))
        file = io.BytesIO()
        picture.save(file, "webp", lossless=True)
        data = base64.b64encode(file.getvalue()).decode()
        tag = f'<img class="cvlab-figure" alt="red" src="data:image/webp;base64,{data}">'
        base = "https://owner.github.io/book/"
        _, found = self.page(project, f"html_baseurl = {base!r}", extra=tag)
        assert found["og:image"] == f"{base}_static/cards/chapters-03_steps.png"
        with Image.open(project.folder / "out/_static/cards/chapters-03_steps.png") as card:
            assert card.size == shared.SIZE
            colours = card.convert("RGB")
            assert colours.getpixel((600, 315)) == (200, 10, 10)
            assert colours.getpixel((10, 10)) == (255, 255, 255)

    def test_without_an_address_only_the_description_stands(self, project):
        page, found = self.page(project)
        assert found["description"] == "Some words first. More."
        assert not [name for name in found if name.startswith("og:")]
        assert page.select_one("link[rel=canonical]") is None
        assert not (project.folder / "out" / "sitemap.xml").exists()

    def test_the_address_follows_from_the_repository(self):
        config = types.SimpleNamespace(html_baseurl="", html_theme_options={})
        shared.find_address(None, config)
        assert config.html_baseurl == ""
        config.html_theme_options = {"repository_url": "https://github.com/Owner/book"}
        shared.find_address(None, config)
        assert config.html_baseurl == "https://owner.github.io/book/"

    def test_a_long_beginning_ends_with_a_word(self):
        text = "word, " * 60
        short = shared.shortened(text)
        assert len(short) <= shared.SENTENCE
        assert short.endswith("word …")
        assert shared.shortened("short") == "short"


class TestCitations:
    def test_they_are_printed_as_the_bibliography_lists_them(self, project):
        project.write(
            "page.md",
            "# Page\n\n{cite:t}`he2016a`; {cite}`he2016b,lowe2004`; {cite:t}`viola2001`; "
            "{cite}`muller1999`.\n",
        )
        project.build()
        assert project.warnings == ""
        assert words(project.page("page").p) == (
            "He et al. (2016a); [He et al., 2016b; Lowe, 2004]; Viola and Jones (2001); "
            "[Müller, 1999]."
        )
        listed = project.page("bibliography")
        labels = [words(label) for label in listed.select(".citation .label")]
        assert labels == [
            "[He et al., 2016a]",
            "[He et al., 2016b]",
            "[Lowe, 2004]",
            "[Müller, 1999]",
            "[Viola and Jones, 2001]",
        ]
        for link in (
            "https://doi.org/10.1109/a",
            "https://arxiv.org/abs/1603.05027",
            "https://example.org/lowe",
        ):
            assert listed.find("a", href=link)


def test_chapters_and_exercises_are_numbered_by_their_files():
    import nbformat

    from cvlab.classroom.book import build

    def title(name: str, source: str) -> str:
        found = nbformat.reads(notebook(textwrap.dedent(source)), as_version=4)
        return build.numbered(found, name)["cells"][0]["source"]

    assert title("09_convolution", "# Networks\n\n# 2") == "# 9. Networks\n\n# 2"
    assert title("27a_flow", "# Flow") == "# 27a. Flow"
    assert title("09_convolution", "# Exercise: layers") == "# Exercise 9: layers"
    assert title("index", "# Front") == "# Front"
