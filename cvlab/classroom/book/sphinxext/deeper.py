"""Deeper sections: what not everybody reads is closed at first, in a native fold.

The heading is the fold's label, so that the section's number, anchor and place in the list of
contents stay what they are. `cvlab.js` opens a fold that a link leads into.
"""

from __future__ import annotations

import re
from typing import Any

from docutils import nodes
from sphinx.transforms.post_transforms import SphinxPostTransform

from cvlab.classroom.book import layers

_FIGURE = re.compile(r"\b(?:plot\.show|explore)\(")


class FoldDeeper(SphinxPostTransform):
    """Put each section whose title begins with "Deeper:" into a fold."""

    formats = ("html",)
    default_priority = 300  # after MyST-NB has chosen the outputs and folded its cells

    def run(self, **_kwargs: Any) -> None:
        """Fold the outermost Deeper sections of a page."""
        for section in list(self.document.findall(nodes.section)):
            if _is_deeper(section) and not any(map(_is_deeper, _above(section))):
                place = section.first_child_matching_class(nodes.title)
                time = f'<span class="cvlab-minutes">{_extent(section).minutes} min</span>'
                section.insert(place, _raw('<details class="cvlab-deeper"><summary>'))
                section.insert(place + 2, _raw(f"{time}</summary>"))
                section.append(_raw("</details>"))


def _raw(html: str) -> nodes.raw:
    return nodes.raw("", html, format="html")


def _above(node: nodes.Node) -> list[nodes.section]:
    parents = []
    while node.parent is not None:
        node = node.parent
        parents += [node] if isinstance(node, nodes.section) else []
    return parents


def _is_deeper(section: nodes.section) -> bool:
    title = section.next_node(nodes.title)
    return title is not None and title.astext().startswith(layers.DEEPER)


def _extent(section: nodes.section) -> layers.Extent:
    """Return what a reader has to read, as `layers.extents` counts it in the source."""
    extent = layers.Extent()
    for paragraph in section.findall(nodes.paragraph):
        extent.words += len(paragraph.astext().split())
    for cell in section.findall(nodes.container):
        if cell.get("nb_element") != "cell_code":
            continue
        code = next(cell.findall(nodes.literal_block), None)
        source = code.astext() if code is not None else ""
        extent.figures += len(_FIGURE.findall(source))
        extent.lines += 0 if cell.get("hide_mode") else layers.code_lines(source)
    return extent


def setup(app: Any) -> dict[str, Any]:
    """Register the transform."""
    app.add_post_transform(FoldDeeper)
    return {"version": "1", "parallel_read_safe": True, "parallel_write_safe": True}
