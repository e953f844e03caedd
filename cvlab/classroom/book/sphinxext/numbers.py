"""Numbers as a book prints them: equations counted within the chapter, 10⁻⁶, a minus sign.

An equation of chapter 9 is (9.3), on its page and wherever it is referred to. A glued number is
text like any other: not bold, powers of ten as powers, and never parted from its unit.
"""

from __future__ import annotations

import re
from typing import Any

from docutils import nodes
from sphinx.transforms.post_transforms import SphinxPostTransform

from cvlab.classroom.book.sphinxext import chapter_number

NBSP = "\N{NO-BREAK SPACE}"
GLUED = "pasted-text"  # the class that MyST-NB gives to a glued text
_POWER = re.compile(r"(?<![\w.])(-?)(\d+(?:\.\d+)?)e([+-]?\d+)(?![\w.]*\d)")
_MINUS = re.compile(r"(?<![\w)\]}.,\N{NO-BREAK SPACE}-])-(?=\.?\d)")
_SUPERSCRIPT = str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹")
_UNIT = r"(?:[%‰°]|(?:[mµn]?s|[kMG]i?B|px|dB|[kMG]?Hz|min|h)\b)"
_BEFORE_UNIT = re.compile(rf"(?<=\d) (?={_UNIT})")
_OPENS_WITH_UNIT = re.compile(rf"^ (?={_UNIT})")


def printed(text: str) -> str:
    """Return a text with its numbers as they are printed: `-3e-06` becomes −3 × 10⁻⁶."""
    return _BEFORE_UNIT.sub(NBSP, _MINUS.sub("−", _POWER.sub(_power, text)))


def _power(match: re.Match) -> str:
    sign, mantissa, exponent = "−" if match[1] else "", match[2], int(match[3])
    if not exponent:
        return sign + mantissa
    power = f"10{exponent}".translate(_SUPERSCRIPT).replace("¹⁰", "10", 1)
    return sign + (power if float(mantissa) == 1 else f"{mantissa}{NBSP}×{NBSP}{power}")


class PrintNumbers(SphinxPostTransform):
    """Print glued numbers well, and keep each number with its unit."""

    default_priority = 20  # after MyST-NB has fetched what is glued on other pages (5)

    def run(self, **_kwargs: Any) -> None:
        """Rewrite the texts of a page, but for code and formulas."""
        for text in list(self.document.findall(nodes.Text)):
            parent = text.parent
            if isinstance(parent, nodes.FixedTextElement | nodes.literal | nodes.math | nodes.raw):
                continue
            glued = isinstance(parent, nodes.inline) and GLUED in parent["classes"]
            new = printed(text) if glued else _BEFORE_UNIT.sub(NBSP, text)
            place = parent.index(text)
            if place and isinstance(parent[place - 1], nodes.inline | nodes.math):
                new = _OPENS_WITH_UNIT.sub(NBSP, new)
            if new != text:
                parent.replace(text, nodes.Text(new))


def count_in_chapters(_app: Any, config: Any) -> None:
    """Turn off Sphinx' own counting, in which chapters that the contents name have no number."""
    config.math_numfig = False


def number_equations(app: Any, doctree: nodes.document) -> None:
    """Number a chapter's equations within the chapter, for its page and for all references."""
    docname = app.env.docname
    chapter = chapter_number(docname) if docname.startswith("chapters/") else None
    if chapter is None:
        return
    equations = app.env.get_domain("math").equations
    for equation in doctree.findall(nodes.math_block):
        if equation.get("number"):
            equation["number"] = f"{chapter}.{equation['number']}"
            equations[equation["label"]] = (docname, equation["number"])


def setup(app: Any) -> dict[str, Any]:
    """Register what numbers and what prints numbers."""
    app.add_post_transform(PrintNumbers)
    app.connect("config-inited", count_in_chapters)
    app.connect("doctree-read", number_equations)
    return {"version": "1", "parallel_read_safe": True, "parallel_write_safe": True}
