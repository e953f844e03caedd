"""Citations printed as the bibliography lists them: He et al. (2016a) is [He et al., 2016a] there.

The label is made once, when the bibliography is, and everything else quotes it. Works that would
share a label are told apart by a letter, in the order of the list.
"""

from __future__ import annotations

import string
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any

from pybtex.database import Entry
from pybtex.plugin import register_plugin
from pybtex.richtext import Text
from pybtex.style.formatting.unsrt import Style as Unsorted
from pybtex.style.labels import BaseLabelStyle
from pybtex.style.template import field as entry_field
from pybtex.style.template import href, join, optional, sentence
from sphinxcontrib.bibtex.plugin import register_plugin as register_sphinx_plugin
from sphinxcontrib.bibtex.style.referencing import BaseReferenceStyle, BracketStyle
from sphinxcontrib.bibtex.style.template import join2, node, post_text, pre_text, reference

NAME = "cvlab"  # under which the styles are chosen in `_config.yml`


def name(entry: Entry) -> str:
    """Return by whom a work is, as short as it is cited: "Lowe", "Viola and Jones", "He et al."."""
    persons = entry.persons.get("author") or entry.persons.get("editor") or []
    if not persons:
        return entry.fields.get("key") or entry.fields.get("title") or entry.key
    first, *others = (
        str(Text.from_latex(" ".join([*person.prelast_names, *person.last_names])))
        for person in persons
    )
    if len(others) > 1 or others == ["others"]:
        return f"{first} et al."
    return " and ".join([first, *others])


class Labels(BaseLabelStyle):
    """Labels such as "He et al., 2016a"; the letter only where two works need it."""

    def format_labels(self, sorted_entries: Iterable[Entry]) -> Iterator[str]:
        """Iterate over the labels of works in the order of the list."""
        plain = [f"{name(e)}, {e.fields.get('year', 'n.d.')}" for e in sorted_entries]
        shared, letters = Counter(plain), {}
        for label in plain:
            letter = letters.setdefault(label, iter(string.ascii_lowercase))
            yield label + (next(letter) if shared[label] > 1 else "")


class Bibliography(Unsorted):
    """The list, in the order of authors and years, each work with its DOI or address as a link."""

    default_label_style = Labels
    default_sorting_style = "author_year_title"

    def format_web_refs(self, _entry: Entry) -> Any:
        """Return the address of a work: its DOI, its number at arXiv, or a page."""
        url, doi = entry_field("url", raw=True), entry_field("doi", raw=True)
        eprint = entry_field("eprint", raw=True)
        return sentence[
            optional[href(join["https://doi.org/", doi])[join["doi:", doi]]],
            optional[href(join["https://arxiv.org/abs/", eprint])[join["arXiv:", eprint]]],
            optional[href(url)[url]],
        ]


@node
def _label(children: list, data: dict[str, Any], part: int | None = None) -> Text:
    """The label of a work, or the names or the year of it."""
    assert not children
    label = data["formatted_entry"].label
    return Text(label if part is None else label.rpartition(", ")[part])


@dataclass
class References(BaseReferenceStyle):
    """In a sentence "He et al. (2016a)", in brackets "[He et al., 2016a]"."""

    bracket: BracketStyle = field(default_factory=lambda: BracketStyle(sep="; "))

    def role_names(self) -> Iterable[str]:
        """Return the roles of this style."""
        return ("t", "p")

    def outer(self, role_name: str, children: list) -> Any:
        """Join several works."""
        return self.bracket.outer(children, brackets=role_name == "p")

    def inner(self, role_name: str) -> Any:
        """Write one work."""
        if role_name == "t":
            shown = reference[join[_label(part=0), " (", _label(part=2), ")"]]
        else:
            shown = reference[_label()]
        return join2(sep1=" ", sep2=", ")[pre_text, shown, post_text]


def setup(app: Any) -> dict[str, Any]:
    """Make the styles known by their name."""
    app.setup_extension("sphinxcontrib.bibtex")
    register_plugin("pybtex.style.formatting", NAME, Bibliography)
    register_sphinx_plugin("sphinxcontrib.bibtex.style.referencing", NAME, References)
    return {"version": "1", "parallel_read_safe": True, "parallel_write_safe": True}
