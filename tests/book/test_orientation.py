"""Where a reader is: the parts' pages, the map, and the links below a page."""

from __future__ import annotations

import re
import types

import networkx
import pytest
from bs4 import BeautifulSoup
from conftest import ROOT

from cvlab.classroom import notebooks
from cvlab.classroom.book import orientation, syllabus, systems
from cvlab.classroom.book.readable import QUESTIONS
from cvlab.classroom.book.sphinxext import onwards

CHAPTERS = [path.stem for path in notebooks.files(ROOT, ("chapters",))]


@pytest.fixture(scope="module")
def pages():
    return orientation.pages()


def test_each_chapter_is_in_one_part_whose_page_lists_it(pages):
    parts = orientation.parts()
    assert [name for part in parts for name in part.chapters] == CHAPTERS
    known = syllabus.chapters()
    for part in parts:
        text = pages[f"{part.page}.md"]
        rows = re.findall(r"^\| \[.*?\]\(\.\./chapters/(\w+)\.ipynb\) \|(.*)\|$", text, re.M)
        assert [name for name, _ in rows] == part.chapters
        roman, _, title = part.caption.partition(" ")
        assert text.startswith(f"# Part {roman}: {title}\n"), "the contents say another title"
        core, deeper, practice, methods = zip(
            *(map(float, cells.replace("–", "0").split("|")) for _, cells in rows), strict=True
        )
        said = re.search(
            r"\*\*It takes\*\* ([\d.]+) hours .*?, ([\d.]+) for all .*? ([\d.]+) for the ex", text
        )
        rounding = 0.05 * len(rows) + 0.051
        for total, column in zip(said.groups(), (core, deeper, practice), strict=True):
            assert float(total) == pytest.approx(sum(column), abs=rounding)
        assert min(methods) >= 1
        head = text.partition("**You need**")[2].partition("**It takes**")[0]
        needed = set(re.findall(r"chapters/(\w+)\.ipynb", head))
        wanted = {need for name in part.chapters for need in known[name].needs}
        assert needed == wanted - set(part.chapters)


def test_all_methods_are_counted_once(pages):
    rows = [re.findall(r"\| (\d+) \|$", text, re.M) for text in pages.values()]
    assert sum(int(count) for row in rows for count in row) == len(systems.read())


def test_a_part_without_a_page_of_its_own_is_named(tmp_path):
    (tmp_path / "book").mkdir()
    contents = tmp_path / "book" / "_toc.yml"
    contents.write_text("parts: [{caption: I Ones, chapters: [{file: chapters/01_a}]}]")
    with pytest.raises(ValueError, match="I Ones does not begin with its own page"):
        orientation.parts(tmp_path)
    contents.write_text("parts: [{caption: Reference, chapters: [{file: glossary}]}]")
    assert orientation.parts(tmp_path) == []
    contents.write_text("root: index")
    assert orientation.parts(tmp_path) == []


def test_arcs_leave_out_what_follows_from_others_and_nothing_else():
    known = syllabus.chapters()
    whole = networkx.DiGraph([(name, need) for name, c in known.items() for need in c.needs])
    wanted = networkx.transitive_reduction(whole).edges
    reduced = orientation.reduced(known)
    assert {(name, need) for name, needs in reduced.items() for need in needs} == set(wanted)
    assert sum(map(len, reduced.values())) < whole.number_of_edges()


def test_the_map_has_a_row_a_chapter_and_its_arcs_end_at_rows(pages):
    page = BeautifulSoup(pages["course_map.md"], "html.parser")
    rows = page.select(".cvlab-map li")
    names = [row.get("data-chapter") for row in rows]
    assert [name for name in names if name] == CHAPTERS
    assert names.count(None) == len(orientation.parts())
    for row in rows:
        target = row.a["href"].removesuffix(".html")
        assert any((ROOT / place).exists() for place in (f"{target}.ipynb", f"book/{target}.md"))
    reduced = orientation.reduced(syllabus.chapters())
    arcs = page.select(".cvlab-map path")
    assert len(arcs) == sum(map(len, reduced.values()))
    numbers = re.compile(r"M 1 ([\d.]+) A ([\d.]+) ([\d.]+) 0 0 0 1 ([\d.]+)")
    for arc in arcs:
        begin, reach, half, end = map(float, numbers.fullmatch(arc["d"]).groups())
        assert names[int(end)] == arc["data-chapter"]
        assert names[int(begin)] in reduced[arc["data-chapter"]]
        assert (begin % 1, end % 1, end - begin) == (0.5, 0.5, 2 * half)
        assert 0.1 < reach < 1, "it stays within the picture"
    assert all(len(mark["data-keys"].split()) == QUESTIONS for mark in page.select(".cvlab-done"))


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("chapters/01_a", ["exercises/01_a", "chapters/02_b", "course_map"]),
        ("chapters/02_b", ["chapters/27a_c", "course_map"]),
        ("exercises/01_a", ["chapters/01_a", "chapters/02_b", "course_map"]),
        ("chapters/27a_c", ["exercises/27a_c", "course_map"]),
        ("glossary", []),
        ("index", []),
    ],
)
def test_links_below_a_page(name, expected):
    names = ["chapters/01_a", "chapters/02_b", "chapters/27a_c", "course_map", "glossary", "index"]
    names += ["exercises/01_a", "exercises/27a_c"]
    assert [page for page, _ in onwards.neighbours(names, name)] == expected


def test_a_page_without_a_map_in_its_book_has_no_link_to_it():
    names = ["chapters/01_a", "exercises/01_a"]
    assert onwards.neighbours(names, "exercises/01_a") == [("chapters/01_a", "Chapter")]
    builder = types.SimpleNamespace(get_relative_uri=lambda one, other: f"../{other}.html")
    titles = dict.fromkeys(names, types.SimpleNamespace(astext=lambda: "1. Q & A"))
    env = types.SimpleNamespace(found_docs=set(names), titles=titles)
    context = {"body": "<p>End.</p>"}
    app = types.SimpleNamespace(env=env, builder=builder)
    onwards.add(app, "chapters/01_a", "", context, doctree=object())
    link = '<p>Exercise: <a href="../exercises/01_a.html">1. Q &amp; A</a></p>'
    assert link in context["body"]
