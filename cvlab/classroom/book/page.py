"""A Sphinx extension of the book: brings its scripts and mends faults of the page template.

Enabled in `_config.yml`. Each step names the fault it mends, so that it can go when the fault does.
"""

from __future__ import annotations

from typing import Any

VENDOR = "vendor"  #: where libraries from npm lie among the book's own files


def disconnect_thebe(app: Any) -> None:
    """Take out sphinx-thebe, which declares THEBE_JS_URL twice on each page even when it is off."""
    for listeners in app.events.listeners.values():
        listeners[:] = [
            listener
            for listener in listeners
            if not getattr(listener.handler, "__module__", "").startswith("sphinx_thebe")
        ]


def mend_page(app: Any, pagename: str, _template: str, context: dict, _doctree: Any) -> None:
    """Set what depends on the page: its text, and which buttons it has."""
    context["body"] = mend_body(context.get("body") or "")
    if pagename == "index":
        # The front page is no chapter to open in Colab; its buttons would lead to no file.
        context["header_buttons"] = [
            button
            for button in context.get("header_buttons", [])
            if button.get("label") not in ("launch-buttons", "download-buttons")
        ]


def mend_body(body: str) -> str:
    """Mend what docutils, MyST-NB and the bibliography write against the rules of WAI-ARIA."""
    # A deprecated role, in a list whose direct children are not all items.
    body = body.replace(' role="doc-biblioentry"', "").replace(
        '<div role="list" class="citation-list">', '<div class="citation-list">'
    )
    # The label hides the text that a reader sees: "Show code cell source".
    return body.replace('<summary aria-label="Toggle hidden content">', "<summary>")


def setup(app: Any) -> dict[str, Any]:
    """Register the extension."""
    app.connect("builder-inited", disconnect_thebe, priority=0)
    # After the theme has put its buttons into the context (priority 500).
    app.connect("html-page-context", mend_page, priority=900)
    app.add_js_file("cvlab.js", priority=2)
    app.add_js_file("explore.js", priority=2)
    app.add_css_file("cvlab.css")
    app.add_css_file("figures.css")
    return {"version": "1", "parallel_read_safe": True, "parallel_write_safe": True}
