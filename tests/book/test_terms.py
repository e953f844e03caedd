"""Terms of the glossary in the pages of chapters, on a project of three chapters."""

from __future__ import annotations

import random
import re

import pytest
from test_sphinxext import Project, words

from cvlab.classroom.book.sphinxext import terms

GLOSSARY = """# Glossary

Words.

```{glossary}
1 x 1 convolution
  A convolution of one pixel.

batch normalisation (BN)
  Subtract and divide.

convolution
  A sum with $w$ that slides; see [this](exercises/01_a.md).

unused word
  Nobody says it.

view (self-supervision)
  A changed copy. (Chapter [2](chapters/02_b.md).)
```
"""
FIRST = """# 1. Ones

A convolution, a Convolution and `convolution`, seen from a point of view. $a$

| convolution |
|---|
| table |

## The convolution

Here **1 x 1 convolutions**, a good **view** and a [batch normalisation](02_b.md).
"""
SECOND = """# 2. Twos

Two **views** of one thing, and a view. Convolutions again, and BN. Then bn and batch
normalisation.
"""
THIRD = "# 3. Threes\n\nOne view of 1 x 1-convolution.\n"
#: Where each term comes from: bold, in a heading, or merely used.
SOURCES = {
    "term-1-x-1-convolution": "Taught in 1. Ones.",
    "term-batch-normalisation-BN": "First used in 2. Twos.",
    "term-convolution": "Taught in 1. Ones.",
    "term-unused-word": None,
    "term-view-self-supervision": None,
}


@pytest.fixture(scope="module")
def project(tmp_path_factory):
    made = Project(tmp_path_factory.mktemp("terms"))
    made.write("glossary.md", GLOSSARY)
    for name, text in (("01_a", FIRST), ("02_b", SECOND), ("03_c", THIRD)):
        made.write(f"chapters/{name}.md", text)
    made.write("exercises/01_a.md", "# Exercise\n\nA convolution.\n")
    made.build()
    assert made.warnings == ""
    return made


def linked(project, name):
    found = project.page(name).select(".cvlab-term")
    return [(words(one.a), one.a["href"].partition("#")[2]) for one in found]


def test_a_term_is_linked_once_from_where_it_is_taught(project):
    ones = [("convolution", "term-convolution"), ("1 x 1 convolutions", "term-1-x-1-convolution")]
    assert linked(project, "chapters/01_a") == ones
    assert linked(project, "chapters/02_b") == [
        ("views", "term-view-self-supervision"),
        ("Convolutions", "term-convolution"),
        ("BN", "term-batch-normalisation-BN"),
    ]
    # There "view" may mean anything again.
    assert linked(project, "chapters/03_c") == [("1 x 1-convolution", "term-1-x-1-convolution")]
    assert linked(project, "exercises/01_a") == []


def test_its_sentence_stands_beside_it_with_where_it_is_taught(project):
    page = project.page("chapters/02_b")
    view, convolution, _ = page.select(".cvlab-gloss")
    assert words(view) == "A changed copy. (Chapter 2.)", "the glossary says where"
    assert words(convolution).startswith("A sum with")
    assert words(convolution).endswith("that slides; see this. Taught in 1. Ones.")
    assert [a["href"] for a in convolution.select("a")] == ["01_a.html"]
    assert convolution.select(".math"), "formulas are set as everywhere"
    assert {gloss["role"] for gloss in page.select(".cvlab-gloss")} == {"tooltip"}


def test_the_glossary_has_letters_and_says_where_words_are_taught(project):
    page = project.page("glossary")
    letters = [(a.get_text(), a["href"]) for a in page.select("nav.cvlab-letters a")]
    first = [("0–9", "#letter-0")]
    assert letters == first + [(letter, f"#letter-{letter.lower()}") for letter in "BCUV"]
    for _, place in letters:
        assert page.select_one(f"section{place} dt") is not None
    said = {}
    for term in page.select("dt"):
        line = term.find_next_sibling("dd").select_one(".cvlab-taught")
        said[term["id"]] = words(line) if line else None
    assert said == SOURCES
    links = [a["href"] for a in page.select(".cvlab-taught a")]
    assert links == ["chapters/01_a.html", "chapters/02_b.html", "chapters/01_a.html"]


def test_what_is_known_is_kept_between_builds(project):
    project.write("chapters/03_c.md", THIRD + "\nAn unused word.\n")
    project.build()
    assert linked(project, "chapters/03_c")[-1] == ("unused word", "term-unused-word")
    assert project.page("glossary").select("#term-unused-word + dd .cvlab-taught") != []
    (project.folder / "chapters" / "03_c.md").unlink()
    project.build()
    assert project.page("glossary").select("#term-unused-word + dd .cvlab-taught") == []


def test_the_finder_agrees_with_a_search_by_definition():
    draw = random.Random(0)
    letters = ["ab", "cd", "ef", "gh"]
    for _ in range(200):
        names = {str(k): [tuple(draw.choices(letters, k=draw.randint(1, 3)))] for k in range(4)}
        text = "".join(draw.choice(letters) + draw.choice([" ", "-", ", "]) for _ in range(12))
        finder = terms.Finder(names)
        # By definition: from the left, the longest; of equal ones the first.
        pattern = "|".join(
            rf"(?P<t{k}>\b{'[ -]'.join(words)}\b)"
            for k, [words] in sorted(names.items(), key=lambda pair: -len(pair[1][0]))
        )
        wanted = [(m.start(), m.end(), m.lastgroup[1:]) for m in re.finditer(pattern, text)]
        assert list(finder.find(text)) == wanted


@pytest.mark.parametrize(
    ("term", "expected"),
    [
        (
            "generative adversarial network (GAN)",
            ([("generative", "adversarial", "network"), ("GAN",)], True),
        ),
        ("losses decay rates", ([("losses", "decay", "rate")], True)),
        ("saturating loss (GAN)", ([("saturating", "loss")], False)),
        ("k-means", ([("k", "mean")], True)),
        ("R-CNN", ([("r", "CNN")], True)),
        ("(odd)", ([], False)),
    ],
)
def test_names_of_a_term(term, expected):
    assert terms.names_of(term) == expected


def test_only_the_last_word_of_a_term_may_be_in_the_plural():
    finder = terms.Finder(
        {"decay": [("weight", "decay")], "box": [("box",)], "boxes": [("box", "filter")]}
    )

    def found(text):
        return [(text[begin:end], anchor) for begin, end, anchor in finder.find(text)]

    assert found("Weights decay; weight decays, Weight\ndecay.") == [
        ("weight decays", "decay"),
        ("Weight\ndecay", "decay"),
    ]
    assert found("Boxes filter; box filters, boxes") == [
        ("Boxes", "box"),
        ("box filters", "boxes"),
        ("boxes", "box"),
    ]


def test_no_words_and_no_terms():
    assert list(terms.Finder({}).find("some text")) == []
    assert list(terms.Finder({"a": [("b",)]}).find("")) == []
