"""Slides of a chapter: what is on them, what is said to them, and how they look and answer."""

from __future__ import annotations

import re

import pytest
from bs4 import BeautifulSoup
from conftest import HTML, WEEKLY, missing, served
from waiting import GIVE_UP

from cvlab.classroom import cli
from cvlab.classroom.book import build, slides

SIZE = {"width": 1280, "height": 720}
#: What is shown of the core, each on a slide of its own.
SHOWN = ".cvlab-explore, figure.cvlab-table, div.math, .cvlab-question, img.cvlab-figure"
RUN = [
    path.stem
    for path in sorted((HTML / "chapters").glob("*.html"))
    if " data-not-run>" not in path.read_text(encoding="utf-8")
]
#: Every chapter once a week; else the first that has run stands for them.
CHAPTERS = (RUN if WEEKLY else RUN[:1]) or ["01_knn"]

PAGE = """
<article><section id="top"><h1>9. Windows<a class="headerlink" href="#top">#</a></h1>
<p>One <span class="cvlab-term"><a href="../glossary.html#window">window</a><span
class="cvlab-gloss" role="tooltip">A part of an image.</span></span> slides.
It is Fig. 2 of a paper by A. Author. A third sentence.</p>
<p><strong>By the end you can:</strong></p><ul><li><p>slide it;</p></li></ul>
<p><strong>You need:</strong> <a href="08_backprop.html#x">the last page</a>.</p>
<p class="cvlab-time">Reading: 5 min.</p>
<section id="one"><h2>The sum<a class="headerlink" href="#one">#</a></h2>
<p>First words. Second words.</p><p>Not shown. The window covers <code>k</code> pixels. It sums:</p>
<div class="math" id="equation-a"><span class="katex-display">y = x</span></div>
<p>with one bias. Here is the code.</p>
<div class="cell"><div class="cell_input"><div class="highlight"><pre>y = x</pre></div></div>
<div class="cell_output"><div class="output text_plain"><div
class="highlight"><pre>7</pre></div></div>
<div class="output text_html"><img class="cvlab-figure" alt="a"></div></div></div>
<div class="cell tag_hide-input"><details class="hide"><summary>Show</summary><div
class="cell_input"><div class="highlight"><pre>assert y</pre></div></div></details></div>
<details><summary>What did you see?</summary><p>A line.</p></details>
<details><summary>Pencil: how many?</summary><p>Nine.</p></details>
<section id="deep"><details class="cvlab-deeper"><summary><h3>Deeper: more</h3></summary>
<p>Hidden words.</p><div class="math"><span class="katex-display">z</span></div></details>
</section><section id="two"><h3>Words alone</h3><p>Only words here. And more of them.
And a third.</p></section>
</section></section></article>
"""


@pytest.fixture(scope="module")
def small():
    """The slides of a small page."""
    return slides.slides(BeautifulSoup(PAGE, "html.parser").article)


def text(nodes):
    return " ".join(BeautifulSoup(" ".join(map(str, nodes)), "html.parser").get_text().split())


def test_each_thing_stands_on_a_slide_of_its_own(small):
    assert [(slide.kind, slide.heading) for slide in small] == [
        ("title", "9. Windows"),
        ("list", "9. Windows"),
        ("text", "The sum"),
        ("formula", "The sum"),
        ("code", "The sum"),
        ("figure", "The sum"),
        ("question", "The sum"),
        ("text", "Words alone"),
    ]
    assert text(small[4].item) == "y = x 7", "what a cell prints stands below its code"


def test_a_slide_has_one_or_two_sentences_and_the_notes_have_all(small):
    assert [text(slide.lead) for slide in small] == [
        "One window slides. It is Fig. 2 of a paper by A. Author.",
        "By the end you can:",
        "First words. Second words.",
        "The window covers k pixels. It sums:",
        "Here is the code.",  # not the rest of the formula's sentence
        "",
        "",
        "Only words here. And more of them.",
    ]
    said = [text(slide.notes) for slide in small]
    assert all(said)
    assert "A third sentence." in said[0]
    assert "You need: the last page." in said[1]
    assert "Not shown." in said[3]
    assert "with one bias" in said[4]
    assert "A line." in said[5], "what one should see is said where it is shown"
    assert "Nine." in said[6]


def test_deeper_sections_links_and_what_is_not_for_slides_stay_away(small):
    shown = " ".join(text([*s.lead, *s.item, *s.notes]) + s.heading for s in small)
    for words in (
        "Hidden words",
        "A part of an image",
        "Deeper",
        "Reading: 5 min",
        "assert y",
        "#",
    ):
        assert words not in shown
    assert not any("<a " in str(node) for slide in small for node in (*slide.item, *slide.notes))


@pytest.fixture(scope="module", params=CHAPTERS)
def deck(request, html, tmp_path_factory):
    """A chapter's name and the folder of its slides."""
    if request.param not in RUN:
        missing("no chapter of the book has run; run `make chapter NAME=01_knn` first")
    if not (build.NPM / "node_modules" / "reveal.js").exists():
        missing("npm has not brought reveal.js; run `make book SERVE=0` with npm")
    target = tmp_path_factory.mktemp("slides") / request.param
    slides.make(request.param, html, target)
    return request.param, target


@pytest.fixture(scope="module")
def made(deck):
    """The markup of a chapter's slides."""
    text = (deck[1] / "index.html").read_text(encoding="utf-8")
    return BeautifulSoup(text, "html.parser")


@pytest.fixture(scope="module")
def core(deck, html):
    """What the page shows of the core."""
    page = (html / "chapters" / f"{deck[0]}.html").read_text(encoding="utf-8")
    article = BeautifulSoup(page, "html.parser").article
    for fold in article.select("details.cvlab-deeper"):
        fold.decompose()
    return article


def test_everything_of_the_core_is_on_one_slide(core, made):
    for fold in core.select("section > details"):
        fold.decompose()  # a formula in an answer goes with the answer
    code = ".cell > .cell_input .highlight pre"
    on_slides = made.select(".sheet")
    for kind, count in {SHOWN: 15, code: 5}.items():
        wanted = [pretty(part) for part in core.select(kind)]
        found = [pretty(part) for slide in on_slides for part in slide.select(kind_of(kind))]
        assert len(wanted) >= count
        assert [part for part in wanted if found.count(part) != 1] == []
    for slide in on_slides:
        assert len(slide.select("[data-frames]")) <= 1
        assert len(slide.select(".item > .highlight")) <= 1


def kind_of(selector):
    return selector.replace(".cell > .cell_input ", ".item > ")


def pretty(part):
    """What tells a part from others: its picture, its frames or its words."""
    source = part.get("src", "").rpartition("/")[2]  # the file of a figure, wherever it lies
    named = part.get("data-frames") or source or part.get("id")
    return named or " ".join(part.get_text().split())


def test_every_slide_has_notes_and_all_prose_is_said(core, made):
    sections = made.select(".slides > section")
    assert all(section.aside.get_text().strip() for section in sections)
    said = " ".join(" ".join(section.get_text().split()) for section in sections)
    for part in core.select(".headerlink, .cvlab-gloss"):
        part.decompose()
    lost = [
        words
        for paragraph in core.select("section > p:not(.cvlab-time), section > details > p")
        if (words := " ".join(paragraph.get_text().split())) and words not in said
    ]
    assert lost == []
    anchors = [tag["id"] for tag in made.find_all(id=True)]
    assert len(anchors) == len(set(anchors))


def test_nothing_is_fetched_from_elsewhere_and_no_script_stands_in_the_markup(deck, made):
    for tag in made.select("script, link, img[src]"):
        source = tag.get("src") or tag["href"]
        assert source.startswith("data:") or (deck[1] / source).exists(), source
    assert not any(script.get_text().strip() for script in made.find_all("script"))
    for style in deck[1].rglob("*.css"):
        for source in re.findall(r"url\(([^)]+)\)", style.read_text(encoding="utf-8")):
            assert not re.match(r"[\"']?(?:https?:)?//", source), style.name


def test_a_page_that_is_missing_or_was_not_run_is_refused_with_a_sentence(tmp_path, monkeypatch):
    (tmp_path / "chapters").mkdir()
    with pytest.raises(slides.SlidesError, match="no page of '01_knn'"):
        slides.make("01_knn", tmp_path, tmp_path / "out")
    page = tmp_path / "chapters" / "01_knn.html"
    page.write_text('<article><p class="cvlab-time" data-not-run>No.</p></article>')
    monkeypatch.setattr(slides, "NPM", tmp_path)
    with pytest.raises(slides.SlidesError, match=r"reveal\.js is missing"):
        slides.make("01_knn", tmp_path, tmp_path / "out")
    folder = tmp_path / "node_modules" / "reveal.js" / "dist"
    folder.mkdir(parents=True)
    for name in ("reveal.js", "reveal.css", "reset.css"):
        (folder / name).touch()
    with pytest.raises(slides.SlidesError, match="was not run"):
        slides.make("01_knn", tmp_path, tmp_path / "out")
    assert not (tmp_path / "out").exists()


def first_stands_for_all(deck):
    """Skip what does not depend on the chapter, but for one."""
    if deck[0] != CHAPTERS[0]:
        pytest.skip("another chapter stands for it")


@pytest.mark.parametrize("command", ["slides", "chapter"])
def test_a_chapter_that_is_not_there_is_said(command, capsys):
    assert cli.main([command, "01_kn"]) == 1
    said = capsys.readouterr().out
    assert said.startswith("cvlab: there is no chapter '01_kn'; there are 01_knn, 02_linear")


@pytest.fixture
def shown(browser, deck):
    """The slides in a browser, and all errors and foreign requests meanwhile."""
    faults = []
    with served(deck[1]) as address:
        context = browser.new_context(viewport=SIZE)
        page = context.new_page()
        page.set_default_timeout(1000 * GIVE_UP)
        page.on("pageerror", lambda error: faults.append(str(error)))
        page.on("console", lambda m: m.type == "error" and faults.append(m.text))
        page.on("request", lambda r: outside(r.url, address) and faults.append(r.url))
        page.goto(f"{address}/index.html")
        page.wait_for_selector("html.cvlab-shown", state="attached")
        yield page
        context.close()
    assert faults == []


def outside(url, address):
    return not url.startswith((address, "data:"))


#: For each slide, unfolded and answered: where it ends, how high its smallest letters are.
MEASURE = """
() => Reveal.getSlides().map((slide, index) => {
  Reveal.slide(index);
  slide.querySelectorAll("details").forEach((fold) => { fold.open = true; });
  const question = slide.querySelector(".cvlab-question");
  question?.querySelector("input[type=radio]")?.click();
  const number = question?.querySelector("input[type=text]");
  if (number) number.value = "0.123";
  question?.querySelector("button")?.click();
  let [left, right, bottom, letters] = [0, 0, 0, 100];
  for (const part of slide.querySelectorAll(".sheet, .sheet *")) {
    if (part.closest(".katex-mathml, svg, .cvlab-hidden")) continue;
    const box = part.getBoundingClientRect();
    if (!box.width || !box.height) continue;
    [left, right] = [Math.min(left, box.left), Math.max(right, box.right)];
    bottom = Math.max(bottom, box.bottom);
    if (part.closest("pre, li, td, p") && part.matches("pre, li > p, td, p")) {
      const zoom = box.width / part.offsetWidth;
      const size = parseFloat(getComputedStyle(part).fontSize);
      letters = Math.min(letters, size * (part.currentCSSZoom ? part.currentCSSZoom : zoom));
    }
  }
  return { index, kind: slide.dataset.kind, left, right, bottom, letters };
})
"""


@pytest.mark.browser
def test_no_slide_overflows_and_letters_can_be_read(shown):
    measured = shown.evaluate(MEASURE)
    assert len(measured) > 20
    spilt = [m for m in measured if m["left"] < -1 or m["right"] > 1281 or m["bottom"] > 721]
    assert spilt == []
    assert [m for m in measured if m["letters"] < 11] == []


@pytest.mark.browser
def test_sliders_answer_and_keys_turn_the_page(shown):
    kinds = shown.evaluate("Reveal.getSlides().map((slide) => slide.dataset.kind)")
    assert kinds.count("slider") >= 2
    for index in [i for i, kind in enumerate(kinds) if kind == "slider"]:
        shown.evaluate(f"Reveal.slide({index})")
        slide = shown.locator("section.present")
        before = slide.locator(".cvlab-picture img").get_attribute("alt")
        control = slide.locator("input[type=range], input[type=radio]:not(:checked), select").first
        if control.evaluate("c => c.type") == "radio":
            control.check()
        elif control.evaluate("c => c.tagName") == "SELECT":
            control.select_option(index=1)
        else:
            control.focus()
            control.press("Home" if control.evaluate("c => c.value === c.max") else "End")
        shown.wait_for_function(
            "before => document.querySelector('section.present .cvlab-picture img').alt !== before",
            arg=before,
        )
        shown.keyboard.press("PageDown")
        assert shown.evaluate("Reveal.getState().indexh") == index + 1


@pytest.mark.browser
def test_the_speakers_window_follows(deck, shown):
    first_stands_for_all(deck)
    shown.evaluate("Reveal.slide(3)")
    with shown.context.expect_page() as opened:
        shown.keyboard.press("s")
    speaker = opened.value
    speaker.set_default_timeout(1000 * GIVE_UP)
    speaker.get_by_text(re.compile(r"^4 / \d+$")).wait_for()
    said = speaker.locator("#notes").inner_text()
    assert len(said.split()) > 5
    speaker.keyboard.press("ArrowRight")
    speaker.get_by_text(re.compile(r"^5 / \d+$")).wait_for()
    assert shown.evaluate("Reveal.getState().indexh") == 4
    speaker.get_by_text(re.compile(r"^\d+:\d\d$")).wait_for()


@pytest.mark.browser
def test_slides_open_from_a_folder(browser, deck):
    first_stands_for_all(deck)
    page = browser.new_page(viewport=SIZE)
    page.context.set_offline(True)
    page.goto((deck[1] / "index.html").as_uri())
    page.wait_for_selector("html.cvlab-shown", state="attached", timeout=1000 * GIVE_UP)
    assert page.evaluate("Reveal.getTotalSlides()") > 20
    page.close()
