"""The book's search: sections of pages, the glossary's terms and the index of systems' methods.

What a page says is collected as Sphinx reads it. At the end of the build MiniSearch, on Node, makes
an index of it, which `search.js` reads on the search page alone: it forgives slips of the finger
and American spelling. Without Node the theme's own search stays.
"""

from __future__ import annotations

import csv
import json
import subprocess
from pathlib import Path
from typing import Any

from docutils import nodes
from sphinx import addnodes

from cvlab.classroom.book import page
from cvlab.classroom.book.sphinxext import chapter_number
from cvlab.classroom.book.sphinxext.formulas import NODE_MODULES, node
from cvlab.classroom.book.sphinxext.markup import Markup
from cvlab.classroom.book.sphinxext.memory import Memory

MINISEARCH = NODE_MODULES / "minisearch" / "dist" / "cjs" / "index.cjs"
INDEX = "search/index.js"  #: below _static
SNIPPET = 80  #: letters of a section that a result shows

_MAKE = """
const [minisearch, script, target] = process.argv.slice(1);
const MiniSearch = require(minisearch);
const { options } = require(script);
const { pages, sections } = JSON.parse(require("fs").readFileSync(0, "utf8"));
const split = MiniSearch.getDefault("tokenize");
const index = new MiniSearch(options);

// A word in the text of one section in 25 tells them apart no longer, and weighs most.
const words = sections.map((section) => [...new Set(split(section[3]).map(options.processTerm))]);
const often = new Map();
for (const word of words.flat()) often.set(word, (often.get(word) ?? 0) + 1);
const most = Math.max(50, sections.length / 25);
const telling = (text) => split(text)
  .filter((term) => often.get(options.processTerm(term)) <= most).join(" ");

index.addAll(sections.map(([number, anchor, heading, text], id) => (
  { id, title: anchor ? "" : pages[number][1], heading, text: telling(text) })));
const beginning = (text) => (
  text.length > SNIPPET ? text.slice(0, SNIPPET).replace(/\\s+\\S*$/, " …") : text);
const shown = sections.map(([number, anchor, heading, text]) => (
  [number, anchor, heading, beginning(text)]));
const found = JSON.stringify({ pages, sections: shown, index });
require("fs").writeFileSync(target, `cvlabSearch(${found});\n`);
""".replace("SNIPPET", str(SNIPPET))

Section = tuple[str, str, str]  # anchor, heading, text
_SILENT = (nodes.title, nodes.section, nodes.literal_block, nodes.math, nodes.math_block)
_SILENT += (nodes.raw, nodes.comment, addnodes.glossary)


def available() -> bool:
    """Say whether the index can be made here."""
    return MINISEARCH.exists() and node() is not None


def sections_of(doctree: nodes.document) -> list[Section]:
    """Return a page's sections, each without those inside it, and the terms that it explains."""
    found = []
    for section in doctree.findall(nodes.section):
        if section.first_child_matching_class(addnodes.glossary) is not None:
            continue  # a letter
        heading = section.next_node(nodes.title)
        top = not isinstance(section.parent, nodes.section)
        place = "" if top else section["ids"][0]
        found.append((place, heading.astext() if heading else "", words(*section.children)))
    for item in doctree.findall(nodes.definition_list_item):
        if isinstance(item.parent.parent, addnodes.glossary):
            term, *_ = item.findall(nodes.term)
            found.append((term["ids"][0], term.astext(), words(*item.findall(nodes.definition))))
    return found


def words(*parts: nodes.Node) -> str:
    """Return what parts of a section say: not its title, code, formulas, terms, inner sections."""
    return " ".join(" ".join(map(_text, parts)).split())


def _text(node: nodes.Node) -> str:
    if isinstance(node, _SILENT) or (isinstance(node, Markup) and node["tag"] == "nav"):
        return ""
    if isinstance(node, nodes.Text):
        return node.astext()
    # Words in a paragraph stand together as they are; paragraphs stand apart.
    return ("" if isinstance(node, nodes.TextElement) else " ").join(map(_text, node.children))


MEMORY = Memory("cvlab_search", lambda _name, doctree: sections_of(doctree))


def methods(table: Path) -> dict[str, list[Section]]:
    """Return the methods of each chapter by the index of systems, as places on its page."""
    found: dict[str, list[Section]] = {}
    if table.exists():
        with open(table, encoding="utf-8", newline="") as file:
            for row in csv.DictReader(file):
                place = (f"system-{row['id']}", row["name"], "")
                found.setdefault(f"chapters/{row['chapter']}", []).append(place)
    return found


def contents(known: dict[str, list[Section]], table: Path) -> dict[str, list]:
    """Return pages (name, title, kind) and their sections (page, anchor, heading, text)."""
    more = methods(table)
    pages, sections = [], []
    for number, (name, found) in enumerate(sorted(known.items())):
        title = next((heading for anchor, heading, _ in found if not anchor), name)
        kind = name.partition("/")[0] if chapter_number(name) else name
        pages.append((name, title, kind))
        sections += [(number, *section) for section in (*found, *more.get(name, ()))]
    return {"pages": pages, "sections": sections}


def write(app: Any, exception: Exception | None) -> None:
    """Make the index when all pages are there."""
    words = Path(app.outdir) / "_static" / "search.js"
    if exception or not words.exists() or not available():
        return
    target = Path(app.outdir) / "_static" / INDEX
    target.parent.mkdir(parents=True, exist_ok=True)
    said = json.dumps(contents(MEMORY.of(app.env), Path(app.srcdir) / "systems.csv"))
    command = [node() or "node", "-e", _MAKE, str(MINISEARCH), str(words), str(target)]
    done = subprocess.run(command, input=said, capture_output=True, text=True, check=False)
    if done.returncode:
        raise RuntimeError(f"the index of the search could not be made: {done.stderr[-500:]}")


def bring(app: Any, pagename: str, _template: str, _context: dict, _doctree: Any) -> None:
    """Load the search on its own page."""
    if pagename == "search" and available():
        app.add_js_file(f"{page.VENDOR}/minisearch/index.js")
        app.add_js_file("search.js")


def setup(app: Any) -> dict[str, Any]:
    """Register the collection, the index and the script."""
    MEMORY.connect(app)
    app.connect("html-page-context", bring)
    app.connect("build-finished", write)
    return {"version": "1", "parallel_read_safe": True, "parallel_write_safe": True}
