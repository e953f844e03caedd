"""What an extension notes of each page as Sphinx reads it, kept between builds and processes."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from docutils import nodes


class Memory:
    """Notes on pages, by their names, beside what else Sphinx remembers of them.

    Args:
        name: an attribute of Sphinx' environment, which holds the notes.
        note: takes a page's name and its document and returns the note, or None for no note.
    """

    def __init__(self, name: str, note: Callable[[str, nodes.document], Any]) -> None:
        self._name, self._note = name, note

    def of(self, env: Any) -> dict[str, Any]:
        """Return the notes, of every page that has one."""
        if not hasattr(env, self._name):
            setattr(env, self._name, {})
        return getattr(env, self._name)

    def connect(self, app: Any) -> None:
        """Note pages as they are read, forget them when they change or go."""
        app.connect("doctree-read", self._collect)
        app.connect("env-purge-doc", self._forget)
        app.connect("env-merge-info", self._merge)

    def _collect(self, app: Any, doctree: nodes.document) -> None:
        found = self._note(app.env.docname, doctree)
        if found is not None:
            self.of(app.env)[app.env.docname] = found

    def _forget(self, _app: Any, env: Any, docname: str) -> None:
        self.of(env).pop(docname, None)

    def _merge(self, _app: Any, env: Any, docnames: set[str], other: Any) -> None:
        read = self.of(other)
        self.of(env).update({name: read[name] for name in docnames if name in read})
