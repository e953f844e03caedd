"""A node of a page that becomes one HTML element."""

from __future__ import annotations

from typing import Any

from docutils import nodes


class Markup(nodes.General, nodes.Element):
    """An HTML element around its children; `tag` names it, `data` holds its attributes."""


def markup(tag: str, *children: nodes.Node, ids=(), classes=(), **data: object) -> Markup:
    """Make an element; a keyword `data_value` becomes the attribute `data-value`."""
    named = {name.replace("_", "-"): str(value) for name, value in data.items()}
    return Markup("", *children, tag=tag, data=named, ids=[*ids], classes=[*classes])


def _visit(self: Any, node: Markup) -> None:
    self.body.append(self.starttag(node, node["tag"], "", **node["data"]))


def _depart(self: Any, node: Markup) -> None:
    self.body.append(f"</{node['tag']}>\n")


def setup(app: Any) -> dict[str, Any]:
    """Register the node."""
    app.add_node(Markup, html=(_visit, _depart))
    return {"version": "1", "parallel_read_safe": True, "parallel_write_safe": True}
