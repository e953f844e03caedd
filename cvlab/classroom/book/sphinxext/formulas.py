"""Formulas are typeset when the book is built, by KaTeX on Node: a page needs no script for them.

What KaTeX does not understand is a warning with its place, and so fails the build. Without KaTeX,
which npm brings, Sphinx leaves formulas to MathJax in the reader's browser.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from functools import cache
from typing import Any

from docutils import nodes
from sphinx.util import logging
from sphinx.util.math import get_node_equation_number

from cvlab.classroom.book import page
from cvlab.classroom.notebooks import ROOT

NODE_MODULES = ROOT / "_build" / "npm" / "node_modules"
KATEX = NODE_MODULES / "katex" / "dist" / "katex.js"
STYLE = f"{page.VENDOR}/katex/katex.min.css"

# A line of JSON for each formula, and one for each answer.
_SERVE = """
const katex = require(process.argv[1]);
require("readline").createInterface({ input: process.stdin }).on("line", (line) => {
  const { tex, display } = JSON.parse(line);
  let answer;
  try {
    answer = { html: katex.renderToString(tex, { displayMode: display, strict: "ignore" }) };
  } catch (error) {
    answer = { error: error.message };
  }
  process.stdout.write(JSON.stringify(answer) + "\\n");
});
"""
_log = logging.getLogger(__name__)


def node() -> str | None:
    """Return the program that runs what npm brings, if it is there; Debian once named it nodejs."""
    return shutil.which("node") or shutil.which("nodejs")


def available() -> bool:
    """Say whether formulas can be typeset here."""
    return KATEX.exists() and node() is not None


@cache
def server(_process: int) -> subprocess.Popen:
    """Start KaTeX once a process, for Sphinx may fork; it ends when its input does, with it."""
    command = [node() or "node", "-e", _SERVE, str(KATEX)]
    pipe = subprocess.PIPE
    return subprocess.Popen(command, stdin=pipe, stdout=pipe, text=True, encoding="utf-8")


@cache
def typeset(tex: str, display: bool) -> str:
    """Return the HTML of a formula, with MathML for readers who hear it.

    Raises:
        ValueError: if KaTeX does not understand it.
        RuntimeError: if Node has ended.
    """
    katex = server(os.getpid())
    assert katex.stdin
    assert katex.stdout
    try:
        katex.stdin.write(json.dumps({"tex": tex, "display": display}) + "\n")
        katex.stdin.flush()
        answer = json.loads(katex.stdout.readline())
    except (OSError, ValueError):
        raise RuntimeError("Node ended while it typeset formulas; build the book again.") from None
    if "error" in answer:
        raise ValueError(answer["error"])
    return answer["html"]


def _html(formula: nodes.Node, tex: str, display: bool) -> str:
    try:
        return typeset(tex, display)
    except ValueError as error:
        _log.warning("this formula cannot be typeset: %s", error, location=formula)
        return ""


def visit_inline(translator: Any, node: nodes.math) -> None:
    """Write a formula in the text."""
    opening = translator.starttag(node, "span", "", CLASS="math notranslate nohighlight")
    translator.body.append(f"{opening}{_html(node, node.astext(), False)}</span>")
    raise nodes.SkipNode


def visit_display(translator: Any, node: nodes.math_block) -> None:
    """Write a formula of its own, with its number where it has one; lines break as in Sphinx."""
    translator.body.append(translator.starttag(node, "div", CLASS="math notranslate nohighlight"))
    tex = node.astext().strip()
    if not node["nowrap"]:
        parts = [part for part in tex.split("\n\n") if part.strip()]
        parts = [
            rf"\begin{{split}}{part}\end{{split}}" if r"\\" in part else part for part in parts
        ]
        tex = r" \\ ".join(parts)
        tex = rf"\begin{{aligned}}{tex}\end{{aligned}}" if len(parts) > 1 else tex
        if node["number"]:
            number = get_node_equation_number(translator, node)
            translator.body.append(f'<span class="eqno">({number})')
            translator.add_permalink_ref(node, "Link to this equation")
            translator.body.append("</span>")
    translator.body.append(f"{_html(node, tex, True)}</div>\n")
    raise nodes.SkipNode


def choose(app: Any, config: Any) -> None:
    """Let KaTeX typeset where it can and nobody chose otherwise."""
    if available() and config.html_math_renderer in (None, "katex"):
        config.html_math_renderer = "katex"
        app.add_css_file(STYLE)


def setup(app: Any) -> dict[str, Any]:
    """Register the renderer."""
    app.add_html_math_renderer("katex", (visit_inline, None), (visit_display, None))
    app.connect("config-inited", choose)
    return {"version": "1", "parallel_read_safe": True, "parallel_write_safe": True}
