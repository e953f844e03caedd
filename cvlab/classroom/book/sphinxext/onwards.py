"""Where to go from a page: the exercise, the next chapter, the part, the map.

The theme's own links lead to the next page alone, which after a chapter is its exercise.
"""

from __future__ import annotations

import html
from typing import Any

SCRIPT = "course.js"  #: of the map and of the index
NEEDS_SCRIPT = ("course_map", "systems")


def neighbours(names: list[str], docname: str) -> list[tuple[str, str]]:
    """Return the pages that a chapter or its exercise leads to, each with what it is.

    Args:
        names: all pages.
        docname: the page.
    """
    folder, _, name = docname.partition("/")
    if folder not in ("chapters", "exercises"):
        return []
    chapters = sorted(each for each in names if each.startswith("chapters/"))
    other = ("exercises", "Exercise") if folder == "chapters" else ("chapters", "Chapter")
    found = [(f"{other[0]}/{name}", other[1])]
    later = [each for each in chapters if each > f"chapters/{name}"]
    found += [(later[0], "Next chapter")] if later else []
    found.append(("course_map", "All chapters"))
    return [(page, what) for page, what in found if page in names]


def add(app: Any, pagename: str, _template: str, context: dict, doctree: Any) -> None:
    """Put the links below a page's text."""
    if pagename in NEEDS_SCRIPT:
        app.add_js_file(SCRIPT, loading_method="defer")
    lines = []
    for page, what in neighbours(sorted(app.env.found_docs), pagename) if doctree else []:
        place = app.builder.get_relative_uri(pagename, page)
        title = html.escape(app.env.titles[page].astext())
        lines.append(f'<p>{what}: <a href="{place}">{title}</a></p>')
    if lines:
        links = "\n".join(lines)
        context["body"] += f'<nav class="cvlab-onwards" aria-label="Onwards">\n{links}\n</nav>\n'


def setup(app: Any) -> dict[str, Any]:
    """Register the links."""
    app.connect("html-page-context", add)
    return {"version": "1", "parallel_read_safe": True, "parallel_write_safe": True}
