"""Questions that answer: what stands in a `question` directive, read without Sphinx.

    :::{question} How many faces has a cube?
    1. Four.
    2. Six.

    <details><summary>Answer: 2</summary>

    1. No: that is a tetrahedron.
    2. Yes: opposite faces of a die add up to 7.

    </details>
    :::

Without choices the answer is a number, with which the text after the summary begins; a list after
it names likely slips. Hygiene reads the source by `questions`, the page's directive by `parse`.
"""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass

_FENCE = re.compile(r"^(`{3,}|~{3,}).*?^\1", re.M | re.S)
_DIRECTIVE = re.compile(r"^(:{3,})\{question\}(.*)\n((?:.*\n)*?)\1:*[ \t]*$", re.M)
_OPTION = re.compile(r"\A\s*:tolerance:(.*)\n")
_ANSWER = re.compile(
    r"^<details>\s*<summary>\s*Answer:\s*(?P<answer>.*?)\s*</summary>(?P<reasons>.*?)^</details>",
    re.M | re.S,
)
_LIST = re.compile(r"(?:\d+[.)]|[-*+])(?:\s|\Z)")  # what Markdown takes for a list's beginning
_ITEM = re.compile(r"^(?P<mark>\d+[.)]|[-*]) +", re.M)
# Not followed by what would make it another number: 10^6, 3/4, 2 × 10⁵.
_NUMBER = re.compile(
    r"[`$*\s]*(?P<sign>[+\-−]?)(?P<whole>\d{1,3}(?:,\d{3})+|\d+)(?:\.(?P<part>\d+))?"
    r"(?:e(?P<power>[+\-−]?\d+))?(?![\d^/⁰¹²³⁴-⁹⁻]|[.,]\d|\s*[×^])",
    re.I,
)

A_NUMBER = "a number"
EXAMPLES = "such as 8000, 0.25, 1,234 or 1e-06"


class QuestionError(ValueError):
    """A question that cannot be asked; the message says what is wrong with it."""


@dataclass(frozen=True)
class Number:
    """A number as it is printed, and half a unit of its last digit."""

    value: float
    margin: float


@dataclass(frozen=True)
class Question:
    """A question with its answer; all texts are Markdown.

    Attributes:
        text: the question.
        choices: what to choose from; none where the answer is a number.
        right: which choice is right, counted from 1; 0 where the answer is a number.
        reasons: one for each choice; for a number, that of the right one, which it begins with.
        slips: wrong numbers, each the beginning of what went wrong.
        tolerance: how far from the number an answer may be, as `5 %` or in units; empty means as
            printed.
        line: of the source where it stands, counted from 1.
    """

    text: str
    choices: tuple[str, ...]
    right: int
    reasons: tuple[str, ...]
    slips: tuple[str, ...] = ()
    tolerance: str = ""
    line: int = 1

    @property
    def key(self) -> str:
        """What stays while the question says the same, in whatever order: answers go by it."""
        return hashlib.sha256(f"{self.text}{self.choices}".encode()).hexdigest()[:12]


def questions(source: str) -> list[Question]:
    """Return the questions of a page or of a Markdown cell.

    Raises:
        QuestionError: if one is malformed, with its line.
    """
    hidden = _FENCE.sub(lambda fence: re.sub(r"\S", " ", fence[0]), source)
    found = []
    for match in _DIRECTIVE.finditer(hidden):
        line = source.count("\n", 0, match.start()) + 1
        text, body = (source[slice(*match.span(group))] for group in (2, 3))
        option = _OPTION.match(body)
        tolerance = option[1].strip() if option else ""
        body = body[option.end() :] if option else body
        try:
            found.append(parse(text, body, tolerance, line))
        except QuestionError as error:
            raise QuestionError(f"line {line}: {error}") from None
    if len(found) != len(re.findall(r"^:{3,}\{question\}", hidden, re.M)):
        raise QuestionError("a question has no end: close it with a line of as many colons.")
    return found


def parse(text: str, body: str, tolerance: str = "", line: int = 1) -> Question:
    """Return the question that a directive states.

    Args:
        text: what stands behind the directive's name.
        body: its lines, without its options.
        tolerance: its option.
        line: where it stands.

    Raises:
        QuestionError: if a part is missing or two parts do not fit each other.
    """
    named = f"the question {' '.join(text.split())[:60]!r}" if text.strip() else "the question"
    fold = _ANSWER.search(body)
    if fold is None:
        raise QuestionError(
            f"{named} has no answer: end it with <details><summary>Answer: ...</summary>, the "
            "reasons and </details>, each at the beginning of a line."
        )
    if body[fold.end() :].strip():
        raise QuestionError(f"{named} goes on after its answer; nothing may stand there.")
    more, choices = _items(body[: fold.start()])
    before, reasons = _items(fold["reasons"])
    text = f"{text.strip()}\n\n{more}".strip()
    if not text:
        raise QuestionError("the question has no text: write it behind :::{question}.")
    if choices:
        if tolerance:
            raise QuestionError(f"{named} has choices; only a number has a tolerance.")
        if before:
            raise QuestionError(f"{named}: its answer must be a list, one reason for each choice.")
        for choice in choices:
            if not choice or _LIST.match(choice):
                raise QuestionError(
                    f"{named}: the choice {choice!r} would be a list in the list, with no text of "
                    "its own; add a word to it, or take its full stop away."
                )
        right = _right(fold["answer"], choices, named)
        if len(reasons) != len(choices):
            raise QuestionError(
                f"{named} has {len(choices)} choices and {len(reasons)} reasons; each choice "
                "needs its own, in the same order."
            )
        return Question(text, choices, right, reasons, line=line)
    if fold["answer"] != A_NUMBER:
        raise QuestionError(
            f"{named} has no choices: write them as a list of 1., 2., ..., or let the summary be "
            f"'Answer: {A_NUMBER}'."
        )
    allowed(Number(0, 0), tolerance)
    for stated in (before, *reasons):
        if not stated.startswith("{glue:"):
            number(stated)
    return Question(text, (), 0, (before,), reasons, tolerance, line)


def _right(answer: str, choices: tuple[str, ...], named: str) -> int:
    if len(choices) < 2:
        raise QuestionError(f"{named} has one choice; a choice needs at least two.")
    if not answer.isdecimal():
        raise QuestionError(
            f"{named}: 'Answer: {answer}' does not say which choice is right; write its number, "
            f"from 1 to {len(choices)}."
        )
    if not 1 <= int(answer) <= len(choices):
        raise QuestionError(
            f"{named}: choice {answer} is said to be right, and there are {len(choices)}."
        )
    return int(answer)


def _items(markdown: str) -> tuple[str, tuple[str, ...]]:
    """Return what stands before a list, and the list's items without their marks."""
    marks = list(_ITEM.finditer(_FENCE.sub(lambda f: re.sub(r"\S", " ", f[0]), markdown)))
    if not marks:
        return markdown.strip(), ()
    ends = [mark.start() for mark in marks[1:]] + [len(markdown)]
    items = (markdown[mark.end() : end] for mark, end in zip(marks, ends, strict=True))
    # The lines of an item are indented below its text; as Markdown of its own it needs none.
    items = (re.sub(r"^ {1,4}", "", item, flags=re.M).strip() for item in items)
    return markdown[: marks[0].start()].strip(), tuple(items)


def number(text: str) -> Number:
    """Return the number with which a text begins.

    Raises:
        QuestionError: if it begins with none.
    """
    match = _NUMBER.match(text)
    if match is None:
        raise QuestionError(f"{text[:40]!r} must begin with a number, {EXAMPLES}.")
    sign = -1 if match["sign"] in ("-", "−") else 1
    power = int((match["power"] or "0").replace("−", "-"))
    whole, part = match["whole"].replace(",", ""), match["part"] or ""
    return Number(sign * float(f"{whole}.{part}e{power}"), float(f"0.5e{power - len(part)}"))


def allowed(right: Number, tolerance: str) -> float:
    """Return how far an answer may be from the right number.

    Raises:
        QuestionError: if the tolerance is neither a number nor a percentage.
    """
    if not tolerance:
        return right.margin
    match = re.fullmatch(r"(\d+(?:\.\d+)?)\s*(%?)", tolerance.strip())
    if match is None:
        raise QuestionError(f"the tolerance {tolerance!r} must be like '5 %' or '0.5'.")
    return float(match[1]) * (abs(right.value) / 100 if match[2] else 1)
