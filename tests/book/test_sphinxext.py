"""What the book adds to Sphinx, on projects of a page or two."""

from __future__ import annotations

import json
import re
import textwrap
from pathlib import Path

import pytest
from bs4 import BeautifulSoup

from cvlab.classroom.book import questions
from cvlab.classroom.book.sphinxext import numbers

CONFIG = """
extensions = ["myst_nb", "sphinxcontrib.bibtex", "cvlab.classroom.book.sphinxext"]
bibtex_bibfiles = ["references.bib"]
bibtex_default_style = bibtex_reference_style = "cvlab"
myst_enable_extensions = ["amsmath", "colon_fence", "dollarmath"]
myst_heading_anchors = 3
nb_execution_mode = "off"
numfig = True
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

    def build(self, parallel: int = 1) -> None:
        import io

        from sphinx.application import Sphinx
        from sphinx.util.docutils import docutils_namespace

        errors = io.StringIO()
        with docutils_namespace():
            Sphinx(
                srcdir=self.folder,
                confdir=self.folder,
                outdir=self.folder / "out",
                doctreedir=self.folder / "trees",
                buildername="html",
                status=None,
                warning=errors,
                parallel=parallel,
            ).build()
        self.warnings = re.sub(r"\x1b\[[0-9;]*m", "", errors.getvalue())

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
