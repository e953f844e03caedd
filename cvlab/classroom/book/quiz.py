r"""The chapters' questions for a learning platform: Moodle XML, and QTI 1.2 as Canvas exports it.

Texts become HTML, formulas stay TeX between ``\(`` and ``\)``, which both platforms typeset. A
glued number is that of the notebook's last run, as the page prints it. Each choice brings its
reason; for a number the reasons are those of the right one and of the slips that the page knows.

Sources: ``question/format/xml/format.php`` in Moodle's repository; "IMS Question and Test
Interoperability: ASI XML Binding", version 1.2. A package has the elements that text2qti writes for
Canvas; neither platform itself could be asked.
"""

from __future__ import annotations

import ast
import hashlib
import json
import math
import re
import zipfile
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from xml.etree import ElementTree as ET

from cvlab.classroom import notebooks
from cvlab.classroom.book import questions
from cvlab.classroom.book.sphinxext.numbers import printed
from cvlab.classroom.running import execute

_GLUED = re.compile(r"\{glue:text\}`(?P<name>[^`:]+)(?::(?P<format>[^`]*))?`")
_ROLE = re.compile(r"\{(?:cite(?::\w+)?|ref|eq|doc|term)\}`([^`]*)`")
_PREFIX = "application/papermill.record/text/plain"


class QuizError(ValueError):
    """Questions that cannot be taken out of the book; the message says why."""


@dataclass(frozen=True)
class Asked:
    """A question as a platform asks it; all texts are HTML.

    Attributes:
        key: stays while the question says the same, in whatever order.
        chapter: the title of its page.
        number: its place on the page, from 1.
        text: what is asked.
        choices: each with its reason; empty where the answer is a number.
        right: which choice is right, from 0.
        values: where the answer is a number: the right one and the known slips, each with how far
            an answer may be from it, and its reason.
    """

    key: str
    chapter: str
    number: int
    text: str
    choices: tuple[tuple[str, str], ...] = ()
    right: int = 0
    values: tuple[tuple[float, float, str], ...] = ()

    @property
    def name(self) -> str:
        """A name by which a teacher finds it."""
        return f"{self.chapter}: {self.number}"


def glued(executed: Path) -> dict[str, Any]:
    """Return the numbers and words that an executed notebook has glued."""
    found = {}
    for cell in json.loads(executed.read_text(encoding="utf-8"))["cells"]:
        for output in cell.get("outputs", []):
            name = output.get("metadata", {}).get("scrapbook", {}).get("name")
            if name is not None:
                found[name] = ast.literal_eval("".join(output["data"][_PREFIX]))
    return found


def html(markdown: str, values: dict[str, Any]) -> str:
    r"""Return Markdown as HTML that a platform shows, with the numbers in place.

    Raises:
        QuizError: if a number was never glued.

    >>> html("Is $x < 1$?", {})
    '<p>Is \\(x &lt; 1\\)?</p>'
    """
    from markdown_it import MarkdownIt
    from mdit_py_plugins.dollarmath import dollarmath_plugin

    def formula(text: str, options: dict[str, Any]) -> str:
        left, right = (r"\[", r"\]") if options["display_mode"] else (r"\(", r"\)")
        return f"{left}{_escaped(text.strip())}{right}"

    text = _ROLE.sub(lambda role: role[1], _filled(markdown, values, printed))
    reader = MarkdownIt("commonmark").enable("table").use(dollarmath_plugin, renderer=formula)
    made = reader.render(text).strip()
    # The plugin wraps formulas in elements of its own, which mean nothing on a platform.
    return re.sub(r'<(span|div) class="math (?:inline|block)">\n?(.*?)\n?</\1>', r"\2", made)


def _filled(markdown: str, values: dict[str, Any], show: Callable[[str], str] = str) -> str:
    def number(match: re.Match) -> str:
        name = match["name"]
        if name not in values:
            raise QuizError(f"the number {name} was not glued by the notebook's last run.")
        return show(format(values[name], match["format"] or ""))

    return _GLUED.sub(number, markdown)


def _escaped(text: str) -> str:
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def of_chapter(path: Path) -> list[Asked]:
    """Return the questions of a chapter, in their order.

    Raises:
        QuizError: if the chapter has not run since it changed, or a question cannot be asked.
    """
    notebook = notebooks.load(path)
    if execute.record(path) is None:
        raise QuizError(
            f"{path.parent.name}/{path.name} has not run since it changed, and its questions "
            "quote numbers from the run; build the book first: make book."
        )
    values = glued(execute.stored(path)[0])
    sources = [cell["source"] for cell in notebook["cells"] if cell["cell_type"] == "markdown"]
    title = notebooks.title(notebook)
    found: list[Asked] = []
    try:
        for source in sources:
            for one in questions.questions(source):
                found.append(_asked(one, title, len(found) + 1, values))
    except ValueError as error:
        raise QuizError(f"{path.parent.name}/{path.name}: {error}") from None
    return found


def _asked(one: questions.Question, title: str, number: int, values: dict[str, Any]) -> Asked:
    text = html(one.text, values)
    if one.choices:
        pairs = zip(one.choices, one.reasons, strict=True)
        choices = tuple((html(choice, values), html(reason, values)) for choice, reason in pairs)
        return Asked(one.key, title, number, text, choices, one.right - 1)
    reasons = (*one.reasons, *one.slips)
    numbers = [questions.number(_filled(reason, values)) for reason in reasons]
    margins = [questions.allowed(numbers[0], one.tolerance), *(n.margin for n in numbers[1:])]
    rows = zip(numbers, margins, reasons, strict=True)
    rows = tuple((number.value, margin, html(told, values)) for number, margin, told in rows)
    return Asked(one.key, title, number, text, values=rows)


def decimal(value: float) -> str:
    """Return a number without an exponent, which not every platform reads.

    >>> decimal(1.5e-06), decimal(8000.0)
    ('0.0000015', '8000')
    """
    from decimal import Decimal

    text = format(Decimal(repr(value)), "f")
    return text.rstrip("0").rstrip(".") if "." in text else text


def moodle(asked: Iterable[Asked]) -> bytes:
    """Return the questions as Moodle XML, each chapter a category."""
    quiz, category = ET.Element("quiz"), ""
    for one in asked:
        if one.chapter != category:
            category = one.chapter
            head = ET.SubElement(quiz, "question", type="category")
            path = f"$course$/top/{category.replace('/', '//')}"
            _text(ET.SubElement(head, "category"), path)
        kind = "multichoice" if one.choices else "numerical"
        question = ET.SubElement(quiz, "question", type=kind)
        _text(ET.SubElement(question, "name"), one.name)
        _text(ET.SubElement(question, "questiontext", format="html"), one.text)
        ET.SubElement(question, "defaultgrade").text = "1"
        ET.SubElement(question, "idnumber").text = f"cvlab-{one.key}"
        if one.choices:
            ET.SubElement(question, "single").text = "true"
            ET.SubElement(question, "shuffleanswers").text = "true"
            ET.SubElement(question, "answernumbering").text = "abc"
        for place, (choice, reason) in enumerate(one.choices):
            answer = ET.SubElement(question, "answer", format="html")
            answer.set("fraction", "100" if place == one.right else "0")
            _text(answer, choice)
            _text(ET.SubElement(answer, "feedback", format="html"), reason)
        for place, (value, margin, reason) in enumerate(one.values):
            answer = ET.SubElement(question, "answer", format="moodle_auto_format")
            answer.set("fraction", "0" if place else "100")
            _text(answer, decimal(value))
            ET.SubElement(answer, "tolerance").text = decimal(margin)
            _text(ET.SubElement(answer, "feedback", format="html"), reason)
    return _xml(quiz)


def _text(parent: ET.Element, text: str) -> None:
    ET.SubElement(parent, "text").text = text


def _xml(root: ET.Element) -> bytes:
    ET.indent(root)
    return ET.tostring(root, encoding="utf-8", xml_declaration=True) + b"\n"


ASI = "http://www.imsglobal.org/xsd/ims_qtiasiv1p2"
PACKAGE = "http://www.imsglobal.org/xsd/imsccv1p1/imscp_v1p1"


def assessment(asked: list[Asked]) -> bytes:
    """Return one chapter's questions as an assessment of QTI 1.2."""
    root = ET.Element("questestinterop", xmlns=ASI)
    title = asked[0].chapter
    outer = ET.SubElement(root, "assessment", ident=_ident(asked), title=title)
    section = ET.SubElement(outer, "section", ident="root_section")
    for one in asked:
        item = ET.SubElement(section, "item", ident=f"cvlab-{one.key}", title=one.name)
        metadata = ET.SubElement(ET.SubElement(item, "itemmetadata"), "qtimetadata")
        kind = "multiple_choice_question" if one.choices else "numerical_question"
        for label, entry in (("question_type", kind), ("points_possible", "1.0")):
            field = ET.SubElement(metadata, "qtimetadatafield")
            ET.SubElement(field, "fieldlabel").text = label
            ET.SubElement(field, "fieldentry").text = entry
        presentation = ET.SubElement(item, "presentation")
        _material(presentation, one.text)
        processing = ET.SubElement(item, "resprocessing")
        outcomes = ET.SubElement(processing, "outcomes")
        limits = {"maxvalue": "100", "minvalue": "0"}
        ET.SubElement(outcomes, "decvar", limits, varname="SCORE", vartype="Decimal")
        if one.choices:
            _choose(presentation, processing, item, one)
        else:
            _fill_in(presentation, processing, item, one)
    return _xml(root)


def _ident(asked: list[Asked]) -> str:
    return f"cvlab-{hashlib.sha256(asked[0].chapter.encode()).hexdigest()[:12]}"


def _material(parent: ET.Element, markup: str) -> None:
    material = ET.SubElement(parent, "material")
    ET.SubElement(material, "mattext", texttype="text/html").text = markup


def _choose(presentation: ET.Element, processing: ET.Element, item: ET.Element, one: Asked) -> None:
    response = ET.SubElement(presentation, "response_lid", ident="response1", rcardinality="Single")
    render = ET.SubElement(response, "render_choice")
    for place, (choice, reason) in enumerate(one.choices):
        label = f"choice{place + 1}"
        _material(ET.SubElement(render, "response_label", ident=label), choice)
        condition = _condition(processing, goes_on=True)
        ET.SubElement(condition, "varequal", respident="response1").text = label
        _feedback(processing, item, label, reason)
    condition = _condition(processing)
    ET.SubElement(condition, "varequal", respident="response1").text = f"choice{one.right + 1}"
    _full_marks(processing)


def _fill_in(
    presentation: ET.Element, processing: ET.Element, item: ET.Element, one: Asked
) -> None:
    response = ET.SubElement(presentation, "response_str", ident="response1", rcardinality="Single")
    render = ET.SubElement(response, "render_fib", fibtype="Decimal")
    ET.SubElement(render, "response_label", ident="answer1")
    (value, margin, reason), *slips = one.values
    if slips:
        # A condition of its own might make a slip one more right answer: they share one.
        ET.SubElement(_condition(processing, goes_on=True), "other")
        told = "".join(f"<li>{_inline(slip)}</li>" for _, _, slip in slips)
        _feedback(processing, item, "general_incorrect", f"<ul>{told}</ul>")
    either = ET.SubElement(_condition(processing), "or")
    ET.SubElement(either, "varequal", respident="response1").text = decimal(value)
    between = ET.SubElement(either, "and")
    for sign, name in ((-1, "vargte"), (1, "varlte")):
        # Decimals add without the last digits of binary sums.
        limit = round(value + sign * margin, 12 - _magnitude(value, margin))
        ET.SubElement(between, name, respident="response1").text = decimal(limit)
    _full_marks(processing)
    _feedback(processing, item, "correct", reason)


def _inline(markup: str) -> str:
    return re.sub(r"^<p>(.*)</p>$", r"\1", markup, flags=re.S)


def _magnitude(*values: float) -> int:
    largest = max(map(abs, values))
    return math.floor(math.log10(largest)) if largest else 0


def _condition(processing: ET.Element, *, goes_on: bool = False) -> ET.Element:
    whole = ET.SubElement(processing, "respcondition")
    whole.set("continue", "Yes" if goes_on else "No")
    return ET.SubElement(whole, "conditionvar")


def _full_marks(processing: ET.Element) -> None:
    ET.SubElement(processing[-1], "setvar", action="Set", varname="SCORE").text = "100"


def _feedback(processing: ET.Element, item: ET.Element, name: str, reason: str) -> None:
    link = f"{name}_fb"
    ET.SubElement(processing[-1], "displayfeedback", feedbacktype="Response", linkrefid=link)
    _material(ET.SubElement(ET.SubElement(item, "itemfeedback", ident=link), "flow_mat"), reason)


def write_moodle(asked: list[Asked], place: Path) -> None:
    """Write all questions into one file."""
    place.write_bytes(moodle(asked))


def write_qti(asked: list[Asked], place: Path) -> None:
    """Write a package, in which each chapter is an assessment; equal questions, equal bytes."""
    chapters: dict[str, list[Asked]] = {}
    for one in asked:
        chapters.setdefault(one.chapter, []).append(one)
    manifest = ET.Element("manifest", xmlns=PACKAGE, identifier="cvlab-questions")
    metadata = ET.SubElement(manifest, "metadata")
    ET.SubElement(metadata, "schema").text = "IMS Content"
    ET.SubElement(metadata, "schemaversion").text = "1.1.3"
    ET.SubElement(manifest, "organizations")
    resources = ET.SubElement(manifest, "resources")
    with zipfile.ZipFile(place, "w", zipfile.ZIP_DEFLATED) as packed:
        for group in chapters.values():
            name = f"{_ident(group)}/{_ident(group)}.xml"
            entry = ET.SubElement(resources, "resource", identifier=_ident(group))
            entry.set("type", "imsqti_xmlv1p2")
            ET.SubElement(entry, "file", href=name)
            _add(packed, name, assessment(group))
        _add(packed, "imsmanifest.xml", _xml(manifest))


def _add(packed: zipfile.ZipFile, name: str, content: bytes) -> None:
    packed.writestr(zipfile.ZipInfo(name), content, zipfile.ZIP_DEFLATED)


#: What a format's file ends with, and what writes it.
FORMATS: dict[str, tuple[str, Callable[[list[Asked], Path], None]]] = {
    "moodle": (".xml", write_moodle),
    "qti": (".zip", write_qti),
}
