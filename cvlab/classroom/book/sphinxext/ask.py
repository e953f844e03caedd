"""The directive `question`: a list and a fold, which `questions.js` turns into a form.

`cvlab.classroom.book.questions` says how it is written. A question without an answer, with too few
reasons or without a number is an error of the build.
"""

from __future__ import annotations

from typing import Any

from docutils import nodes
from docutils.parsers.rst import directives
from docutils.statemachine import StringList
from sphinx.util.docutils import SphinxDirective

from cvlab.classroom.book import questions
from cvlab.classroom.book.sphinxext.markup import Markup, markup

SCRIPT = "questions.js"


class Ask(SphinxDirective):
    """A question of a page, numbered in its order."""

    has_content = True
    optional_arguments = 1
    final_argument_whitespace = True
    option_spec = {"tolerance": directives.unchanged_required}  # noqa: RUF012 docutils' own form

    def run(self) -> list[nodes.Node]:
        """Return the nodes of a question; what is wrong with it becomes an error."""
        text, body = "".join(self.arguments), "\n".join(self.content)
        try:
            asked = questions.parse(text, body, self.options.get("tolerance", ""))
            answer = self._choices(asked) if asked.choices else self._number(asked)
        except questions.QuestionError as error:
            raise self.error(str(error)) from None
        count = self.env.temp_data.setdefault("cvlab_questions", 0) + 1
        self.env.temp_data["cvlab_questions"] = count
        ask = self._parsed("div", asked.text, classes=["cvlab-ask"])
        first = ask.next_node(nodes.paragraph)
        if first is None or first.parent is not ask:
            raise self.error("A question begins with a sentence, not with a picture or code.")
        first.insert(0, nodes.inline("", f"{count}. ", classes=["cvlab-count"]))
        answer["ids"], answer["classes"] = [f"question-{count}"], ["cvlab-question"]
        answer["data"]["data-key"] = asked.key
        answer.insert(0, ask)
        return [answer]

    def _choices(self, asked: questions.Question) -> Markup:
        choices = [self._parsed("li", choice) for choice in asked.choices]
        reasons = [self._parsed("li", reason) for reason in asked.reasons]
        right = nodes.paragraph("", f"Choice {asked.right} is right.")
        return markup(
            "div",
            markup("ol", *choices, classes=["cvlab-choices"]),
            _fold(right, markup("ol", *reasons, classes=["cvlab-reasons"])),
            data_right=asked.right,
        )

    def _number(self, asked: questions.Question) -> Markup:
        answer = self._parsed("div", asked.reasons[0], classes=["cvlab-answer"])
        right = questions.number(answer.astext())
        tolerance = questions.allowed(right, asked.tolerance)
        slips = []
        for text in asked.slips:
            slip = self._parsed("li", text)
            wrong = questions.number(slip.astext())
            if abs(wrong.value - right.value) <= tolerance:
                raise questions.QuestionError(
                    f"the wrong number {wrong.value:g} lies within the tolerance of the right "
                    f"one, {right.value:g}."
                )
            slip["data"] |= {"data-value": repr(wrong.value), "data-margin": repr(wrong.margin)}
            slips.append(slip)
        others = [markup("ul", *slips, classes=["cvlab-reasons"])] if slips else []
        return markup(
            "div",
            _fold(answer, *others),
            data_right=repr(right.value),
            data_margin=repr(tolerance),
        )

    def _parsed(self, tag: str, markdown: str, **attributes: Any) -> Markup:
        """Return an element with the nodes of Markdown: formulas, code and glued numbers."""
        parent = markup(tag, **attributes)
        lines = StringList(markdown.splitlines(), self.get_source_info()[0])
        self.state.nested_parse(lines, self.content_offset, parent)
        return parent


def _fold(*children: nodes.Node) -> Markup:
    summary = markup("summary", nodes.Text("Answer and reasons"))
    return markup("details", summary, *children)


def add_script(app: Any, _page: str, _template: str, _context: dict, doctree: Any) -> None:
    """Give the script to the pages that ask something."""
    if doctree and any("data-key" in node["data"] for node in doctree.findall(Markup)):
        app.add_js_file(SCRIPT, loading_method="defer")


def setup(app: Any) -> dict[str, Any]:
    """Register the directive."""
    app.setup_extension("cvlab.classroom.book.sphinxext.markup")
    app.add_directive("question", Ask)
    app.connect("html-page-context", add_script)
    return {"version": "1", "parallel_read_safe": True, "parallel_write_safe": True}
