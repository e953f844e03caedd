"""Questions for learning platforms, read back as Moodle and Canvas read them."""

import json
import random
import re
import zipfile
from decimal import Decimal
from html.parser import HTMLParser
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook, new_output

from cvlab.classroom import cli
from cvlab.classroom.book import questions, quiz
from cvlab.classroom.book.readable import QUESTIONS
from cvlab.classroom.notebooks import ROOT, files, load
from cvlab.classroom.running import execute

QTI = {"q": quiz.ASI}
PAGE = """# Cubes & spheres

:::{question} How many faces has a cube, if $x < 1$ & *all* are counted?
1. Four.
2. $\\sqrt{36}$, or `6`.

<details><summary>Answer: 2</summary>

1. No: that is a {cite:t}`tetra`.
2. Yes: opposite faces add up to {glue:text}`faces:.0f` + 1.

</details>
:::

:::{question} How heavy is it?
:tolerance: 5 %

<details><summary>Answer: a number</summary>

{glue:text}`weight:.1e` kg: it is small.

- $8000$: that is in other units.
- `-2.5`: nothing weighs less than nothing.

</details>
:::
"""


@pytest.fixture
def chapter(tmp_path, monkeypatch):
    """A chapter that has run."""
    path = tmp_path / "chapters" / "01_cubes.ipynb"
    path.parent.mkdir()
    code = new_code_cell("glue", id="a")
    path.write_text(json.dumps(new_notebook(cells=[new_markdown_cell(PAGE, id="b"), code])))
    outputs = []
    for name, value in (("faces", "6"), ("weight", "1.5e-06")):
        data = {"application/papermill.record/text/plain": value}
        outputs.append(new_output("display_data", data, metadata={"scrapbook": {"name": name}}))
    executed = tmp_path / "executed.ipynb"
    executed.write_text(json.dumps(new_notebook(cells=[new_code_cell("", outputs=outputs)])))
    monkeypatch.setattr(execute, "stored", lambda path: (executed, tmp_path / "none.json"))
    monkeypatch.setattr(execute, "record", lambda path: {})
    return path


class Words(HTMLParser):
    """The text of HTML, and a check that every element is closed."""

    def __init__(self, markup: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.words = ""
        self.feed(markup)
        assert not self.open, markup

    def handle_starttag(self, tag, attrs):
        if tag != "br":
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        self.words += data


def marked_by_moodle(question: ET.Element, response: str) -> tuple[float, str]:
    """Return the marks and the feedback that Moodle gives: the first answer that fits counts."""
    for answer in question.iter("answer"):
        text = answer.findtext("text")
        if question.get("type") == "numerical":
            fits = abs(Decimal(response) - Decimal(text)) <= Decimal(answer.findtext("tolerance"))
        else:
            fits = response == text
        if fits:
            return float(answer.get("fraction")), answer.findtext("feedback/text")
    return 0.0, ""


def holds(condition: ET.Element, response: str) -> bool:
    """Evaluate a condition of QTI 1.2."""
    kind = condition.tag.split("}")[1]
    if kind == "other":
        return True
    if kind in ("or", "and", "conditionvar"):
        return {"or": any}.get(kind, all)(holds(child, response) for child in condition)
    value = condition.text
    if kind == "varequal" and not re.fullmatch(r"-?[\d.]+", value):
        return response == value
    compare = {"varequal": "__eq__", "vargte": "__ge__", "varlte": "__le__"}[kind]
    return getattr(Decimal(response), compare)(Decimal(value))


def marked_by_qti(item: ET.Element, response: str) -> tuple[float, list[str]]:
    """Return the score and the feedback of an item: conditions in their order, until one ends."""
    score, told = 0.0, []
    for condition in item.iterfind(".//q:respcondition", QTI):
        if not holds(condition.find("q:conditionvar", QTI), response):
            continue
        for change in condition.iterfind("q:setvar", QTI):
            score = float(change.text)
        for link in condition.iterfind("q:displayfeedback", QTI):
            (found,) = item.iterfind(f"q:itemfeedback[@ident='{link.get('linkrefid')}']", QTI)
            told.append("".join(found.itertext()).strip())
        if condition.get("continue") == "No":
            break
    return score, told


def items(package: Path) -> list[ET.Element]:
    """Return the items of a package, found by its manifest alone."""
    found = []
    with zipfile.ZipFile(package) as packed:
        assert packed.testzip() is None
        manifest = ET.fromstring(packed.read("imsmanifest.xml"))
        listed = [one.get("href") for one in manifest.iter(f"{{{quiz.PACKAGE}}}file")]
        assert sorted(listed) == sorted(set(packed.namelist()) - {"imsmanifest.xml"})
        for name in listed:
            found += ET.fromstring(packed.read(name)).iterfind(".//q:item", QTI)
    return found


def test_texts_become_html_with_numbers_and_formulas(chapter):
    choice, number = quiz.of_chapter(chapter)
    assert choice.text == (
        r"<p>How many faces has a cube, if \(x &lt; 1\) &amp; <em>all</em> are counted?</p>"
    )
    assert choice.choices[1][0] == r"<p>\(\sqrt{36}\), or <code>6</code>.</p>"
    assert choice.choices[0][1] == "<p>No: that is a tetra.</p>"
    assert choice.choices[1][1] == "<p>Yes: opposite faces add up to 6 + 1.</p>"
    assert (choice.name, choice.right, number.number) == ("Cubes & spheres: 1", 1, 2)
    assert [row[:2] for row in number.values] == [
        (1.5e-06, pytest.approx(7.5e-08)),
        (8000, 0.5),
        (-2.5, 0.05),
    ]


def test_moodle_marks_as_the_page_does(chapter, tmp_path):
    quiz.write_moodle(quiz.of_chapter(chapter), tmp_path / "q.xml")
    category, choice, number = ET.parse(tmp_path / "q.xml").getroot()
    assert category.findtext("category/text") == "$course$/top/Cubes & spheres"
    assert choice.findtext("single") == "true"
    texts = [answer.findtext("text") for answer in choice.iter("answer")]
    assert [marked_by_moodle(choice, text)[0] for text in texts] == [0, 100]
    assert marked_by_moodle(number, "0.00000155") == (100, number.findtext(".//feedback/text"))
    assert marked_by_moodle(number, "0.00000165") == (0, "")
    marks, reason = marked_by_moodle(number, "8000")
    assert marks == 0
    assert "other units" in reason


def test_qti_marks_as_the_page_does(chapter, tmp_path):
    quiz.write_qti(quiz.of_chapter(chapter), tmp_path / "q.zip")
    choice, number = items(tmp_path / "q.zip")
    assert marked_by_qti(choice, "choice1") == (0, ["<p>No: that is a tetra.</p>"])
    score, told = marked_by_qti(choice, "choice2")
    assert score == 100
    assert told == ["<p>Yes: opposite faces add up to 6 + 1.</p>"]
    for response, right in (("0.0000015", True), ("0.00000157", True), ("0.000001", False)):
        assert (marked_by_qti(number, response)[0] == 100) is right
    assert "other units" in marked_by_qti(number, "8000")[1][0], "slips are told, never paid"
    assert marked_by_qti(number, "8000")[0] == 0


def test_the_same_questions_make_the_same_bytes(chapter, tmp_path):
    asked = quiz.of_chapter(chapter)
    for write in (quiz.write_moodle, quiz.write_qti):
        write(asked, tmp_path / "a")
        write(asked, tmp_path / "b")
        assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()


@pytest.mark.parametrize(
    ("value", "text"),
    [(1e-07, "0.0000001"), (1e22, "1" + 22 * "0"), (-0.25, "-0.25"), (100.0, "100"), (0.0, "0")],
)
def test_numbers_have_no_exponent(value, text):
    assert quiz.decimal(value) == text


def test_limits_are_decimal_sums():
    """In binary, 0.3 - 0.05 is 0.25 and 1.1 + 0.05 is 1.1500000000000001."""
    draw = random.Random(0)
    for _ in range(300):
        digits = draw.randint(0, 4)
        value = round(draw.uniform(-1000, 1000), digits)
        margin = 0.5 * 10**-digits
        one = quiz.Asked("k", "c", 1, "?", values=((value, margin, "<p>yes</p>"),))
        (item,) = ET.fromstring(quiz.assessment([one])).iterfind(".//q:item", QTI)
        exact = [Decimal(repr(value)) + sign * Decimal(repr(margin)) for sign in (-1, 1)]
        limits = [item.find(f".//q:{name}", QTI).text for name in ("vargte", "varlte")]
        assert [Decimal(limit) for limit in limits] == exact


def test_what_has_not_run_is_refused_by_name(chapter, monkeypatch):
    monkeypatch.setattr(execute, "record", lambda path: None)
    with pytest.raises(quiz.QuizError, match=r"chapters/01_cubes\.ipynb has not run .+ make book"):
        quiz.of_chapter(chapter)


def test_a_number_that_is_missing_is_named(chapter, monkeypatch):
    monkeypatch.setattr(quiz, "glued", lambda path: {"faces": 6})
    with pytest.raises(quiz.QuizError, match=r"01_cubes\.ipynb: the number weight was not glued"):
        quiz.of_chapter(chapter)


@pytest.fixture
def command(chapter, monkeypatch):
    (chapter.parents[1] / "_config.yml").touch()  # it is a checkout
    monkeypatch.setattr(cli, "ROOT", chapter.parents[1])
    monkeypatch.chdir(chapter.parents[1])

    def call(*words: str) -> int:
        return cli.main(["questions", *words])

    return call


def test_the_command(command, chapter, capsys):
    assert command() == 0
    assert capsys.readouterr().out == "cvlab-questions.xml: 2 questions, chapters: 1\n"
    assert command("01_cubes", "--format", "qti", "--output", "some.zip") == 0
    assert len(items(Path("some.zip"))) == 2
    assert command("02_none") == 2
    assert "there is no chapter 02_none" in capsys.readouterr().out
    assert command("--output", "no/folder.xml") == 1
    assert "cannot be written: No such file or directory." in capsys.readouterr().out


def of_the_course() -> list[Path]:
    return [path for path in files(ROOT, ("chapters",)) if execute.record(path)]


@pytest.mark.browser
def test_all_questions_of_the_course_arrive(html, tmp_path):
    """Each text is whole HTML without Markdown, and the right answer alone earns the marks."""
    paths = of_the_course()
    asked = [one for path in paths for one in quiz.of_chapter(path)]
    sources = [
        cell["source"]
        for path in paths
        for cell in load(path)["cells"]
        if cell["cell_type"] == "markdown"
    ]
    assert len(asked) == sum(len(questions.questions(source)) for source in sources)
    assert len(asked) >= QUESTIONS * len(paths) > 0  # of the chapters whose turn it is
    assert len({one.key for one in asked}) == len(asked), "no two are the same"
    quiz.write_moodle(asked, tmp_path / "q.xml")
    quiz.write_qti(asked, tmp_path / "q.zip")
    in_moodle = [
        one for one in ET.parse(tmp_path / "q.xml").getroot() if one.get("type") != "category"
    ]
    for one, moodle, item in zip(asked, in_moodle, items(tmp_path / "q.zip"), strict=True):
        for markup in (one.text, *sum(one.choices, ()), *(row[2] for row in one.values)):
            words = Words(markup).words
            left = re.sub(r"\\\(.*?\\\)|\\\[.*?\\\]", "", words, flags=re.S)
            assert not re.search(r"\$|\*\*|\{[a-z]+(:[a-z]+)?\}`|:::", left), (one.name, markup)
        for place, (choice, _) in enumerate(one.choices):
            marks = 100 * (place == one.right)
            assert marked_by_moodle(moodle, choice)[0] == marks, one.name
            assert marked_by_qti(item, f"choice{place + 1}")[0] == marks, one.name
        for place, (value, _, _) in enumerate(one.values):
            marks = 0 if place else 100
            assert marked_by_moodle(moodle, quiz.decimal(value))[0] == marks, one.name
            assert marked_by_qti(item, quiz.decimal(value))[0] == marks, one.name
