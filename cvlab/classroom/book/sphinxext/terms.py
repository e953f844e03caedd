"""The glossary in the pages: a term's sentence at its first use, and where it is taught.

A term is linked from the chapter that teaches it onwards, once a page: before that its word means
something else. The chapter that teaches a term is the first that prints it bold, or else the first
that has it in a heading, or else the first that uses it. A term that the glossary tells from the
same word elsewhere, such as "view (self-supervision)", is linked in one chapter alone, the one that
its definition links to. The glossary itself gets a heading a letter and names those chapters.
Nothing of it needs a script; `cvlab.js` closes a sentence with the Escape key.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from docutils import nodes
from sphinx import addnodes
from sphinx.transforms import SphinxTransform

from cvlab.classroom.book.sphinxext.markup import Markup, markup
from cvlab.classroom.book.sphinxext.memory import Memory

GLOSSARY = "glossary"
CHAPTERS = "chapters/"
DIGITS = "0–9"  #: the heading of terms that begin with none of the letters
_WORD = re.compile(r"\w+(?:\+\+)?")  # k-means++ is another word
_CHAPTER = re.compile(r"/?(chapters/\w+)")
_BRACKETS = re.compile(r"^(.*?)\s*\((.*)\)$")
# Words of what is linked, printed apart or asked already.
_CLOSED = (
    nodes.reference,
    nodes.literal,
    nodes.math,
    nodes.raw,
    nodes.title,
    addnodes.pending_xref,
)

Words = tuple[str, ...]


@dataclass(frozen=True)
class Term:
    """An entry of the glossary."""

    anchor: str
    name: str
    definition: nodes.definition

    @property
    def chapter(self) -> str | None:
        """The chapter that the definition links to, if it does."""
        for link in self.definition.findall(addnodes.pending_xref):
            if found := _CHAPTER.match(link.get("reftarget", "")):
                return found[1]
        return None


class Gloss(nodes.Inline, nodes.TextElement):
    """A term's sentence, which is no part of the text around it."""

    def astext(self) -> str:
        """Return nothing: a description or an extract of the page does not quote it."""
        return ""


def plain(word: str) -> str:
    """Return a word as it is compared: in the singular, small but where it has capitals inside.

    >>> [plain(word) for word in ("Boxes", "anchors", "GANs", "loss", "Stories", "SIFT")]
    ['box', 'anchor', 'GAN', 'loss', 'story', 'SIFT']
    """
    for ending, instead in (("ies", "y"), ("xes", "x"), ("ches", "ch"), ("sses", "ss")):
        if len(word) > len(ending) + 1 and word.endswith(ending):
            word = word.removesuffix(ending) + instead
            break
    else:
        if len(word) > 2 and word.endswith("s") and not word.endswith("ss"):
            word = word[:-1]
    return small(word)


def small(word: str) -> str:
    """Return a word without its capital, unless it has others inside."""
    return word if any(map(str.isupper, word[1:])) else word.lower()


def names_of(term: str) -> tuple[list[Words], bool]:
    """Return the word sequences that stand for a term, and whether they mean nothing else.

    What is in brackets is an abbreviation, or tells the term from the same word elsewhere.

    >>> names_of("adaptive instance normalisation (AdaIN)")
    ([('adaptive', 'instance', 'normalisation'), ('AdaIN',)], True)
    >>> names_of("view (self-supervision)")
    ([('view',)], False)
    """
    name, brackets = found.groups() if (found := _BRACKETS.match(term)) else (term, "")
    capitals = sum(map(str.isupper, brackets))
    abbreviates = capitals > 1 and brackets[0].lower() == name[0].lower()
    parts = [name, brackets] if abbreviates else [name]
    words = [_comparable(_WORD.findall(part)) for part in parts]
    return [each for each in words if each], abbreviates or not brackets


def _comparable(words: list[str]) -> Words:
    """Return a term's words as they are compared; only the last one may stand in the plural.

    "Weights decay" is a sentence and not "weight decay".
    """
    return (*map(small, words[:-1]), *map(plain, words[-1:]))


class Finder:
    """Finds terms in texts, the longest first, in time that grows with the text alone."""

    def __init__(self, terms: dict[str, list[Words]]) -> None:
        self._by_first: dict[str, list[tuple[Words, str]]] = {}
        for anchor, names in terms.items():
            for words in names:
                self._by_first.setdefault(words[0], []).append((words, anchor))
        for candidates in self._by_first.values():
            candidates.sort(key=lambda candidate: -len(candidate[0]))

    def find(self, text: str) -> Iterator[tuple[int, int, str]]:
        """Yield begin, end and anchor of each term, from left to right."""
        found = list(_WORD.finditer(text))
        words = [small(match[0]) for match in found]
        ends = [plain(match[0]) for match in found]
        place = 0
        while place < len(words):
            length = 1
            starts = dict.fromkeys((words[place], ends[place]))
            candidates = (one for word in starts for one in self._by_first.get(word, ()))
            for candidate, anchor in candidates:
                last = place + len(candidate) - 1
                if (*words[place:last], *ends[last : last + 1]) != candidate:
                    continue
                between = [
                    text[one.end() : two.start()]
                    for one, two in zip(found[place:last], found[place + 1 : last + 1], strict=True)
                ]
                if all(gap in (" ", "-", "\n", "\N{NO-BREAK SPACE}") for gap in between):
                    yield found[place].start(), found[last].end(), anchor
                    length = len(candidate)
                    break
            place += length


@dataclass(frozen=True)
class Taught:
    """The glossary, a finder of its terms, and the chapter of each.

    Attributes:
        terms: the entries by their anchors.
        finder: finds them in texts.
        home: the chapter of each that some chapter uses.
        clear: those that mean the same wherever they stand.
        introduced: those that their chapter prints bold or in a heading, or the glossary places.
    """

    terms: dict[str, Term]
    finder: Finder
    home: dict[str, str]
    clear: set[str]
    introduced: set[str]

    def links(self, anchor: str, docname: str) -> bool:
        """Say whether a term is linked in a chapter."""
        home = self.home.get(anchor, "~")
        return home == docname or (anchor in self.clear and home < docname)


class ByLetter(SphinxTransform):
    """Part the glossary by letters: each has a heading, and a line of links leads to them."""

    default_priority = 500

    def apply(self, **_kwargs: Any) -> None:
        """Put each letter's entries into a section of their own."""
        found = next(iter(self.document.findall(addnodes.glossary)), None)
        if self.env.docname != GLOSSARY or found is None:
            return
        (entries,) = found.children
        letters: dict[str, nodes.definition_list] = {}
        for item in list(entries):
            first = item.next_node(nodes.term).astext()[0].upper()
            letter = first if first.isalpha() else DIGITS
            letters.setdefault(letter, nodes.definition_list("", classes=entries["classes"]))
            entries.remove(item)
            letters[letter] += item
        line = markup("nav", classes=["cvlab-letters"], aria_label="Letters")
        sections = []
        for letter, part in letters.items():
            name = f"letter-{'0' if letter == DIGITS else letter.lower()}"
            section = nodes.section("", nodes.title("", letter), ids=[name], names=[name])
            self.document.note_explicit_target(section)
            sections.append(section)
            section += addnodes.glossary("", part)
            line += nodes.paragraph("", "", nodes.reference("", letter, refid=name, internal=True))
        found.replace_self([line, *sections])


def entries(env: Any) -> dict[str, Term]:
    """Return the glossary's terms by their anchors."""
    if GLOSSARY not in env.found_docs:
        return {}
    found = {}
    for item in env.get_doctree(GLOSSARY).findall(nodes.definition_list_item):
        if isinstance(item.parent.parent, addnodes.glossary):
            term = item.next_node(nodes.term)
            definition = item.next_node(nodes.definition)
            found[term["ids"][0]] = Term(term["ids"][0], term.astext(), definition)
    return found


def texts(doctree: nodes.document) -> Iterator[nodes.Text]:
    """Yield the texts of a page's paragraphs in which a term may be linked."""
    for paragraph in doctree.findall(nodes.paragraph):
        if _inside(paragraph, (Markup, addnodes.glossary, nodes.table, nodes.caption)):
            continue
        for text in paragraph.findall(nodes.Text):
            if not _inside(text, _CLOSED):
                yield text


def _inside(node: nodes.Node, kinds: tuple) -> bool:
    while node.parent is not None:
        node = node.parent
        if isinstance(node, kinds):
            return True
    return False


def note(name: str, doctree: nodes.document) -> dict[str, list[str]] | None:
    """Return what a chapter says in bold, in headings and elsewhere; of other pages nothing."""
    if not name.startswith(CHAPTERS):
        return None
    kinds = {"bold": nodes.strong, "heading": nodes.title, "plain": nodes.paragraph}
    return {
        kind: [_own(node) for node in doctree.findall(wanted)] for kind, wanted in kinds.items()
    }


def _own(node: nodes.Node) -> str:
    """Return what a text says itself: its formulas, as a term may be part one; not its links."""
    if isinstance(node, nodes.reference | addnodes.pending_xref | nodes.literal | nodes.raw):
        return " "
    if isinstance(node, nodes.Text) or not node.children:
        return node.astext()
    return "".join(map(_own, node.children))


MEMORY = Memory("cvlab_said", note)


def learn(app: Any, env: Any) -> list[str]:
    """Find out which chapter teaches each term; the glossary, which says it, is written again."""
    terms = entries(env)
    names = {anchor: names_of(term.name) for anchor, term in terms.items()}
    finder = Finder({anchor: words for anchor, (words, _) in names.items()})
    # For each kind of text the first chapter that has a term in it.
    first: dict[str, dict[str, str]] = {"bold": {}, "heading": {}, "plain": {}}
    chapters = MEMORY.of(env)
    for chapter, said in sorted(chapters.items()):
        for kind, found in first.items():
            for text in said[kind]:
                for _, _, anchor in finder.find(text):
                    found.setdefault(anchor, chapter)
    clear = {anchor for anchor, (_, alone) in names.items() if alone}
    home = {
        anchor: chapter
        for anchor, chapter in (first["plain"] | first["heading"] | first["bold"]).items()
        if anchor in clear
    }
    # Some the glossary tells itself.
    told = {anchor: term.chapter for anchor, term in terms.items() if term.chapter in chapters}
    introduced = set(first["heading"]) | set(first["bold"]) | set(told)
    app.cvlab_terms = Taught(terms, finder, home | told, clear, introduced)
    return [GLOSSARY] if terms else []


def source(app: Any, origin: str, anchor: str) -> list[nodes.Node]:
    """Return which chapter teaches a term, with a link; where none introduces it, the first use."""
    taught = app.cvlab_terms
    chapter = taught.home[anchor]
    place = app.builder.get_relative_uri(origin, chapter)
    title = app.env.titles[chapter].astext()
    link = nodes.reference("", title, refuri=place, internal=True)
    how = "Taught in " if anchor in taught.introduced else "First used in "
    return [nodes.Text(how), link, nodes.Text(".")]


def link(app: Any, doctree: nodes.document, docname: str) -> None:
    """Link terms at their first use in a chapter; say in the glossary where they are taught."""
    if app.builder.format != "html" or not hasattr(app, "cvlab_terms"):
        return
    taught = app.cvlab_terms
    if docname == GLOSSARY:
        for item in doctree.findall(nodes.definition_list_item):
            anchor = item.next_node(nodes.term)["ids"][0]
            if anchor in taught.home and not taught.terms[anchor].chapter:
                line = nodes.paragraph("", "", *source(app, docname, anchor))
                line["classes"] = ["cvlab-taught"]
                item.next_node(nodes.definition).append(line)
    if not docname.startswith(CHAPTERS):
        return
    seen: set[str] = set()
    for text in list(texts(doctree)):
        said, parts, done = text.astext(), [], 0
        for begin, end, anchor in taught.finder.find(said):
            if anchor not in seen and taught.links(anchor, docname):
                seen.add(anchor)
                parts += [nodes.Text(said[done:begin])] if begin > done else []
                parts.append(_linked(app, docname, taught, anchor, said[begin:end]))
                done = end
        if parts:
            parts += [nodes.Text(said[done:])] if done < len(said) else []
            text.parent.replace(text, parts)


def _linked(app: Any, docname: str, taught: Taught, anchor: str, word: str) -> nodes.inline:
    """Return a word as a link to its entry, with the entry's sentence beside it."""
    term, home = taught.terms[anchor], taught.home[anchor]
    place = f"{app.builder.get_relative_uri(docname, GLOSSARY)}#{term.anchor}"
    reference = nodes.reference("", word, refuri=place, internal=True, classes=["cvlab-word"])
    gloss = Gloss("", "", ids=[f"gloss-{term.anchor}"])
    for paragraph in term.definition.findall(nodes.paragraph):
        gloss += [_unlinked(part) for part in paragraph.children]
    if home != docname and not term.chapter:
        gloss += [nodes.Text(" "), *source(app, docname, anchor)]
    return nodes.inline("", "", reference, gloss, classes=["cvlab-term"])


def _unlinked(part: nodes.Node) -> nodes.Node:
    """Return a part of a definition without its links: the entry itself has them."""
    if isinstance(part, nodes.reference | addnodes.pending_xref):
        return nodes.Text(part.astext())
    return part.deepcopy()


def _visit(self: Any, node: Gloss) -> None:
    self.body.append(self.starttag(node, "span", "", role="tooltip", CLASS="cvlab-gloss"))


def _depart(self: Any, _node: Gloss) -> None:
    self.body.append("</span>")


def setup(app: Any) -> dict[str, Any]:
    """Register the glossary's letters, the links and their sentences."""
    app.add_node(Gloss, html=(_visit, _depart))
    app.add_transform(ByLetter)
    MEMORY.connect(app)
    app.connect("env-updated", learn)
    app.connect("doctree-resolved", link)
    return {"version": "1", "parallel_read_safe": True, "parallel_write_safe": True}
