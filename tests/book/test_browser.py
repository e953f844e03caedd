"""The built book in a real browser: sliders, network, console, accessibility, phone, links."""

from __future__ import annotations

import functools
import json
import re
from pathlib import Path

import pytest
from bs4 import BeautifulSoup, SoupStrainer
from conftest import HTML, ROOT, WEEKLY, missing
from waiting import GIVE_UP, until

from cvlab.classroom.book import links
from cvlab.classroom.book.readable import QUESTIONS
from cvlab.classroom.book.sphinxext import chapter_number
from cvlab.classroom.running import budget

pytestmark = [pytest.mark.browser, pytest.mark.timeout(2 * GIVE_UP)]

AXE = ROOT / "_build" / "npm" / "node_modules" / "axe-core" / "axe.min.js"
RECORDS = ROOT / "_build" / "notebooks"
LAPTOP = {"width": 1280, "height": 800}
PHONE = {"width": 390, "height": 844}


def has_its_turn(path: Path) -> bool:
    """Say whether a page is tested in this run: an exercise is when its chapter has been run."""
    chapter = HTML / "chapters" / path.name
    page = chapter if path.parent.name == "exercises" and chapter.exists() else path
    return " data-not-run>" not in page.read_text(encoding="utf-8")


PAGES = sorted(
    path.relative_to(HTML).as_posix()
    for path in HTML.rglob("*.html")
    if path.name not in ("genindex.html", "search.html") and "_static" not in path.parts
    if has_its_turn(path)
) or ["index.html"]
CHAPTERS = [name for name in PAGES if name.startswith("chapters/")]
INTERACTIVE = ["index.html", *CHAPTERS]
EXERCISES = [name for name in PAGES if name.startswith("exercises/")]
PARTS = [name for name in PAGES if name.startswith("parts/")]
PLAIN = [name for name in PAGES if name not in INTERACTIVE] or PAGES[:1]


def holding(mark: str) -> list[str]:
    """The pages with a mark in their source."""
    texts = {name: HTML / name for name in PAGES if (HTML / name).exists()}
    return [name for name, path in texts.items() if mark in path.read_text(encoding="utf-8")]


FOLDING = holding('class="cvlab-deeper"') or PAGES[:1]


def some(pages: list[str]) -> list[str]:
    """Where a page's own content plays no part, the first stands for all, but for once a week."""
    return pages if WEEKLY else pages[:1]


def alike(name: str, kinds: list[list[str]]) -> None:
    """Skip a page whose elements and colours are of the kinds that one before it has.

    Args:
        name: the page.
        kinds: pages of one kind, of which the first stands for all, but for once a week.
    """
    if not WEEKLY and any(name in pages[1:] for pages in kinds):
        pytest.skip("once a week; another page of its kind stands for it")


def record(page: str) -> dict:
    """The record that the build made of the page's notebook."""
    folder = "book" if page == "index.html" else "chapters"
    return json.loads((RECORDS / folder / f"{Path(page).stem}.json").read_text(encoding="utf-8"))


def context(browser, *, viewport=LAPTOP, scheme="light", **options):
    """A fresh context of the browser: its own cache, storage and window."""
    made = browser.new_context(viewport=viewport, color_scheme=scheme, **options)
    made.set_default_timeout(1000 * GIVE_UP)
    return made


class Visit:
    """A page, with what it asked for and complained about.

    Args:
        place: a browser, for a context of its own; or a context, whose pages share a cache.
        url: the page's address.
        first: script to run before the page's own.
        options: of a fresh context.
    """

    def __init__(self, place, url, *, first="", **options):
        fresh = hasattr(place, "new_context")
        self.context = context(place, **options) if fresh else place
        self.page = self.context.new_page()
        self._whole = self.context if fresh else self.page
        if first:
            self.page.add_init_script(first)
        self.requests, self.errors = [], []
        self.page.on("request", lambda request: self.requests.append(request.url))
        self.page.on("requestfailed", self._note_failure)
        self.page.on("response", self._note_status)
        self.page.on("console", lambda m: m.type == "error" and self.errors.append(m.text))
        self.page.on("pageerror", lambda error: self.errors.append(str(error)))
        self.page.goto(url, wait_until="load")

    def _note_failure(self, request):
        # What a page still waits for when its reader goes on to the next one is no fault of it.
        if request.failure != "net::ERR_ABORTED":
            self.errors.append(f"failed: {request.url}: {request.failure}")

    def _note_status(self, response):
        if response.status >= 400:
            self.errors.append(f"{response.status}: {response.url}")

    def __enter__(self):
        return self

    def __exit__(self, *_exception):
        self._whole.close()

    def resize(self, viewport):
        if self.page.viewport_size != viewport:
            self.page.set_viewport_size(viewport)

    def unfold(self):
        """Open the Deeper sections: what is in them is tested as the core is."""
        self.page.evaluate("document.querySelectorAll('.cvlab-deeper').forEach(d => d.open = true)")


CONTROLS = ".cvlab-control"
CHOOSERS = "input[type=range], select"


def move(page, explorer, position):
    """Bring each control of an explorer to a position by keyboard alone."""
    controls = explorer.locator(CONTROLS)
    assert controls.count() == len(position)
    for control, index in zip(controls.all(), position, strict=True):
        options = control.locator("input[type=radio]")
        if options.count():
            options.nth(index).focus()
            page.keyboard.press("Space")
            continue
        control.locator(CHOOSERS).focus()
        page.keyboard.press("Home")
        for _ in range(index):
            page.keyboard.press("ArrowRight")


# The same in one step of the page itself, with the events that a reader makes; answers when the
# frame has come that the build drew, or with what is shown instead when the time is over.
MOVE_BY_EVENTS = """async (explorer, [controls, position, frame, most]) => {
    const wanted = document.createElement("template");
    wanted.innerHTML = frame;
    const parts = image => [image.getAttribute("src"), image.getAttribute("alt")];
    const right = parts(wanted.content.querySelector("img"));
    const pause = () => new Promise(resolve => setTimeout(resolve));
    for (const [i, control] of [...explorer.querySelectorAll(controls)].entries()) {
        const radios = control.querySelectorAll("input[type=radio]");
        const chooser = control.querySelector("input[type=range], select");
        if (radios.length) radios[position[i]].click();
        else if (chooser.value !== String(position[i])) {
            chooser.value = position[i];
            chooser.dispatchEvent(new Event("input", {bubbles: true}));
        }
    }
    const end = Date.now() + most;
    for (;;) {
        const visible = [...explorer.querySelectorAll("img.cvlab-frame")]
            .filter(image => image.checkVisibility()).map(parts);
        if (JSON.stringify(visible) === JSON.stringify([right]) || Date.now() > end)
            return [visible, right];
        await pause();
    }
}"""


def shown(explorer):
    """The visible frames of an explorer: source and alternative text of each."""
    frames = explorer.locator("img.cvlab-frame:visible").all()
    return [(frame.get_attribute("src"), frame.get_attribute("alt")) for frame in frames]


def expected(page, proof):
    """Source and alternative text of a frame that the build drew from the values alone."""
    return tuple(
        page.evaluate(
            "markup => { const t = document.createElement('template'); t.innerHTML = markup;"
            " const i = t.content.querySelector('img');"
            " return [i.getAttribute('src'), i.getAttribute('alt')]; }",
            proof["frame"],
        )
    )


@pytest.mark.parametrize("name", some(CHAPTERS))
def test_sliders_work_from_a_folder_without_a_server(html, browser, name):
    require_own_libraries(html)
    widgets = record(name)["widgets"]
    with Visit(browser, (html / name).as_uri()) as visit:
        visit.unfold()
        proof = widgets[0]["proof"][-1]
        explorer = visit.page.locator(".cvlab-explore").first
        move(visit.page, explorer, proof["position"])
        wanted = [expected(visit.page, proof)]
        assert until(lambda: shown(explorer) == wanted)
        inside = ("file:", "data:", "blob:")
        assert [u for u in visit.requests if not u.startswith(inside)] == []
        assert visit.errors == []


def require_own_libraries(html):
    if not (html / "_static" / "vendor").exists():
        missing("the book takes its libraries from a CDN: npm was missing when it was built")


# A page has twenty thousand elements, nearly all tokens of code and parts of formulas, of a dozen
# colours and two kinds: axe sees the first of each, or takes seconds. Afterwards all is back.
SLIM = r"""() => {
    const seen = new Set(), swapped = [];
    const swap = (old, fresh) => { old.replaceWith(fresh); swapped.push([old, fresh]); };
    for (const pre of document.querySelectorAll(".highlight pre")) {
        const slim = pre.cloneNode();
        slim.innerHTML = pre.innerHTML.replace(
            /<span class="([^"]+)">([^<]*)<\/span>/g,
            (token, name, text) => (seen.has(name) ? text : (seen.add(name), token)));
        swap(pre, slim);
    }
    for (const math of document.querySelectorAll(".math > :is(.katex, .katex-display)")) {
        if (seen.has(math.className)) swap(math, document.createTextNode("formula"));
        seen.add(math.className);
    }
    window.fatten = () => swapped.forEach(([old, fresh]) => fresh.replaceWith(old));
}"""


def violations(page, rules):
    """What axe-core finds on a page by some of its rules, and how many of them it could apply."""
    if not AXE.exists():
        missing("axe-core is not installed: npm was missing when the book was built")
    if not page.evaluate("() => 'axe' in window"):
        page.evaluate(AXE.read_text(encoding="utf-8"))  # as a script the policy would forbid it
    page.evaluate(SLIM)
    try:
        found = page.evaluate("rules => axe.run(document, {runOnly: rules})", rules)
    finally:
        page.evaluate("fatten()")
    nodes = [
        f"{violation['id']}: {node['html'][:160]}: {node['failureSummary'][:300]}"
        for violation in found["violations"]
        for node in violation["nodes"][:3]
    ]
    return nodes, [(applied["id"], len(applied["nodes"])) for applied in found["passes"]]


@pytest.fixture(scope="module")
def window(browser):
    return context(browser, viewport=PHONE)


@pytest.fixture(scope="class")
def opened(html, address, window, name):
    """The page `name`, opened once for all the tests of a class: loading is most of their time.

    On a phone, for some sizes are computed once, when a page is loaded, and have least room there.
    """
    with Visit(window, f"{address}/{name}") as visit:
        visit.page.wait_for_load_state("networkidle")
        visit.at_first = set(visit.requests)
        visit.unfold()
        yield visit


@pytest.fixture
def visit(opened):
    opened.resize(LAPTOP)
    return opened


class AnyPage:
    def test_nothing_overflows_on_a_phone(self, opened, name):
        opened.resize(PHONE)
        assert opened.page.evaluate("document.documentElement.scrollWidth") <= PHONE["width"]
        for label in opened.page.locator(f"{CONTROLS} > :is(label, legend)").all():
            clipped = label.evaluate("element => element.scrollWidth > element.clientWidth + 1")
            assert not clipped, f"{label.inner_text()!r} is cut off"
        for control in opened.page.locator(CONTROLS).all():
            box = control.bounding_box()
            assert box["x"] >= 0
            assert box["x"] + box["width"] <= PHONE["width"]

    def test_no_request_leaves_and_nothing_fails(self, html, address, visit, name):
        require_own_libraries(html)
        inside = (address, "data:", "blob:")
        assert [url for url in visit.requests if not url.startswith(inside)] == []
        assert visit.errors == []

    def test_a_first_visit_is_light(self, html, address, visit, name):
        """All that is loaded before a reader moves, with nothing in the browser's store."""
        inside = [url for url in visit.at_first if url.startswith(address)]
        files = {html / url.removeprefix(f"{address}/").partition("?")[0] for url in inside}
        assert html / name in files
        assert sum(file.stat().st_size for file in files) <= 2_500_000
        assert not [file for file in files if file.name.startswith("fa-")], "a font of icons"

    def test_no_line_of_code_is_cut_on_a_laptop(self, visit, name):
        cut = visit.page.evaluate(
            "() => [...document.querySelectorAll('.cell_input pre')]"
            ".filter(pre => pre.checkVisibility() && pre.scrollWidth > pre.clientWidth)"
            ".map(pre => pre.textContent.slice(0, 200))"
        )
        assert cut == []

    def test_accessibility(self, visit, name):
        alike(name, [EXERCISES, PARTS])
        assert visit.page.locator("html").get_attribute("data-theme") == "light"
        found, applied = violations(visit.page, ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa"])
        assert found == []
        assert len(applied) > 10, "axe ran over an empty page"

    def test_contrast_in_the_dark(self, visit, name):
        alike(name, [EXERCISES, PARTS, CHAPTERS])
        # Only colours differ from the light page, so only their rule runs again.
        visit.page.emulate_media(color_scheme="dark")
        try:
            visit.page.wait_for_selector("html[data-theme=dark]")
            # Colours that fade would be measured on their way.
            visit.page.wait_for_function(
                "() => document.getAnimations().every(a => a.playState !== 'running')"
            )
            found, applied = violations(visit.page, ["color-contrast"])
        finally:
            visit.page.emulate_media(color_scheme="light")
        assert found == []
        assert dict(applied)["color-contrast"] > 10, "axe ran over an empty page"

    def test_colab_button_opens_the_real_notebook(self, visit, name):
        from cvlab.classroom.book import address as repository

        buttons = visit.page.locator("a[href*='colab.research.google.com']").all()
        targets = {button.get_attribute("href") for button in buttons}
        if name.startswith(("chapters/", "exercises/")):
            file = Path(name).with_suffix(".ipynb")
            assert (ROOT / file).exists()
            slug = repository.slug(repository.current())
            assert f"https://colab.research.google.com/github/{slug}/blob/main/{file}" in targets


class WithSliders(AnyPage):
    def test_each_shows_the_frame_of_its_value(self, visit, name):
        widgets = record(name)["widgets"]
        assert widgets, "a chapter and the front page have at least one live figure"
        explorers = visit.page.locator(".cvlab-explore")
        assert explorers.count() == len(widgets)
        for index, widget in enumerate(widgets):
            explorer, proofs = explorers.nth(index), widget["proof"]
            # The last by real keys, all others by their events: each key costs a trip to the page.
            move(visit.page, explorer, proofs[-1]["position"])
            wanted = [expected(visit.page, proofs[-1])]
            assert until(lambda e=explorer, w=wanted: shown(e) == w), proofs[-1]["values"]
            seen = set()
            for proof in proofs:
                most = 1000 * GIVE_UP
                ask = [CONTROLS, proof["position"], proof["frame"], most]
                visible, right = explorer.evaluate(MOVE_BY_EVENTS, ask)
                assert visible == [right], proof["values"]
                seen.add(right[0])
            assert len(seen) >= 2, "the slider changes nothing"
        assert visit.errors == []

    def test_controls_have_names_and_values(self, visit, name):
        controls = visit.page.locator(f".cvlab-explore :is({CONTROLS})")
        assert controls.count() >= len(record(name)["widgets"])
        for control in controls.all():
            label = control.locator("> label, > legend").first.inner_text().strip()
            assert label
            slider = control.locator("input[type=range]")
            if not slider.count():
                role = "combobox" if control.locator("select").count() else "group"
                assert control.page.get_by_role(role, name=label, exact=True).count() >= 1
                continue
            assert control.get_by_role("slider", name=label, exact=True).count() == 1
            slider.focus()
            visit.page.keyboard.press("End")
            readout = control.locator(".cvlab-readout").inner_text()
            assert slider.get_attribute("aria-valuetext") == readout.strip() != ""

    def test_weight(self, html, name):
        text = (html / name).read_text(encoding="utf-8")
        names = set(re.findall(r'data-frames="(\w+)"', text))
        assert names
        files = [html / "_static" / "frames" / f"{name}.js" for name in names]
        assert sum(file.stat().st_size for file in files) <= 2_000_000


class Asking(WithSliders):
    def test_each_answer_gets_its_reason(self, visit, name):
        questions = visit.page.locator(".cvlab-question")
        assert questions.count() == QUESTIONS
        for question in questions.all():
            assert re.match(r"\d+\.\s+\S", question.locator("fieldset > legend").inner_text())
            check = question.get_by_role("button", name="Check")
            status = question.get_by_role("status")
            check.click()
            assert re.search("Choose an answer first|Type a number first", status.inner_text())
            right = question.get_attribute("data-right")
            reasons = question.locator(".cvlab-reasons > li")
            field = question.get_by_role("textbox")
            if field.count():
                wrong = [reason.get_attribute("data-value") for reason in reasons.all()]
                expect_verdicts(question, wrong, range(len(wrong)))
                field.fill("3,5")
                check.click()
                assert "for a decimal point type 3.5" in status.inner_text()
                field.fill(f"{float(right):,}".replace("-", "−"))
                field.press("Enter")
                expect_verdict(question, "right", question.locator(".cvlab-answer"))
                continue
            radios = question.get_by_role("radio")
            assert radios.count() == reasons.count() >= 2
            order = [i for i in range(radios.count()) if i != int(right) - 1] + [int(right) - 1]
            expect_verdicts(question, order[1:-1], order[1:-1])
            for index in (order[0], order[-1]):  # by keys, each of which is a trip to the page
                radios.nth(index).focus()
                visit.page.keyboard.press("Space")
                visit.page.keyboard.press("Enter")
                verdict = "right" if index == order[-1] else "wrong"
                expect_verdict(question, verdict, reasons.nth(index))
                opened = question.locator("details").evaluate("fold => fold.open")
                assert opened == (verdict == "right"), "the fold gives the answer away"
        assert visit.errors == []


@pytest.mark.parametrize("name", PLAIN, scope="class")
class TestPlainPage(AnyPage):
    """The lists, the guides and the exercises."""


@pytest.mark.parametrize("name", ["index.html"], scope="class")
class TestFrontPage(WithSliders):
    pass


@pytest.mark.parametrize("name", CHAPTERS, scope="class")
class TestChapter(Asking):
    def test_its_number_is_in_titles_and_equations(self, html, visit, name):
        number = chapter_number(name)
        title = visit.page.locator("article h1").first
        heading = title.evaluate("h1 => h1.firstChild.textContent").strip()
        assert heading.startswith(f"{number}. ")
        assert visit.page.title().startswith(heading)
        here = visit.page.locator(".bd-sidebar .current.active > a").first
        assert " ".join(here.text_content().split()) == heading
        numbers = visit.page.locator(".eqno").all_text_contents()
        assert [n for n in numbers if not n.strip().startswith(f"({number}.")] == []
        exercise = html / name.replace("chapters/", "exercises/")
        title = re.search("<title>(.*?)</title>", exercise.read_text(encoding="utf-8"), re.S)[1]
        assert title.strip().startswith(f"Exercise {number}: ")

    def test_it_says_how_long_it_takes(self, visit, name):
        times = " ".join(visit.page.locator(".cvlab-time").text_content().split())
        assert re.match(r"Reading: about \d+ min", times)
        assert ("Deeper" in times) == (visit.page.locator(".cvlab-deeper").count() > 0)
        assert re.search(r"Runs in \d+ s with \d+\.\d GB", times)


@functools.lru_cache(maxsize=8)  # the tests of a chapter read the same two pages
def read(path: Path, only: SoupStrainer | None = None) -> BeautifulSoup:
    return BeautifulSoup(path.read_text(encoding="utf-8"), "html.parser", parse_only=only)


def words(tag) -> str:
    return " ".join(tag.get_text().split())


@pytest.mark.parametrize("name", some(CHAPTERS), scope="class")
class TestJudgedQuestions:
    def test_a_judged_form_is_accessible(self, visit, name):
        for question in visit.page.locator(".cvlab-question").all():
            right, field = question.get_attribute("data-right"), question.get_by_role("textbox")
            if field.count():
                field.fill(right)
            else:
                question.get_by_role("radio").nth(int(right) - 1).check()
            question.get_by_role("button", name="Check").click()
            assert question.get_attribute("data-verdict") == "right"
        found, _ = violations(visit.page, ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa"])
        assert found == []

    def test_answers_stay_until_they_are_cleared(self, visit, name):
        judged = "document.querySelectorAll('.cvlab-question[data-verdict=right]').length"
        count = visit.page.locator(".cvlab-question").count()
        visit.page.reload()
        visit.page.wait_for_function(f"{judged} === {count}")
        visit.page.get_by_role("button", name="Clear my answers on this page").click()
        assert visit.page.evaluate(judged) == 0
        visit.page.reload(wait_until="networkidle")
        assert visit.page.evaluate(judged) == 0
        assert visit.page.locator(".cvlab-question input:checked").count() == 0
        assert visit.context.cookies() == []


def expect_verdict(question, verdict, reason):
    texts = question.get_by_role("status").text_content(), reason.text_content()
    judged(verdict, question.get_attribute("data-verdict"), *texts)


def judged(verdict, found, said, reason):
    assert found == verdict
    assert said.startswith("✓ Right." if verdict == "right" else "✗ Not right.")
    # Formulas are copied with an invisible twin for screen readers: compare the first words.
    assert " ".join(reason.split())[:20] in " ".join(said.split())


# Gives wrong answers in one step of the page itself, with the events that a reader makes. Returns
# for each: the verdict, what is said, the reason that stands in the page, whether the fold opens.
ANSWER_BY_EVENTS = """(question, [answers, reasons]) => {
    const field = question.querySelector("input:not([type=radio])");
    const radios = question.querySelectorAll("input[type=radio]");
    const check = [...question.querySelectorAll("button")].find(b => b.textContent === "Check");
    return answers.map((answer, i) => {
        if (field) {
            field.value = answer;
            field.dispatchEvent(new Event("input", {bubbles: true}));
        } else radios[answer].click();
        check.click();
        return [
            question.dataset.verdict,
            question.querySelector("[role=status]").textContent,
            question.querySelectorAll(".cvlab-reasons > li")[reasons[i]].textContent,
            question.querySelector("details")?.open ?? false,
        ];
    });
}"""


def expect_verdicts(question, answers, reasons):
    """Give wrong answers, and expect the reason of each; nothing may give the right one away."""
    found = question.evaluate(ANSWER_BY_EVENTS, [list(answers), list(reasons)])
    assert len(found) == len(answers)
    for verdict, said, reason, opened in found:
        judged("wrong", verdict, said, reason)
        assert not opened, "the fold gives the answer away"


def test_questions_work_where_nothing_can_be_stored(html, address, browser):
    refuse = """for (const name of ["getItem", "setItem", "removeItem"]) {
        const real = Storage.prototype[name];
        Storage.prototype[name] = function (key, ...rest) {
            if (key.startsWith("cvlab")) throw new DOMException("denied", "SecurityError");
            return real.call(this, key, ...rest);
        };
    }"""
    with Visit(browser, f"{address}/{CHAPTERS[0]}", first=refuse) as visit:
        question = visit.page.locator(".cvlab-question:has([type=radio])").first
        question.get_by_role("radio").first.check()
        question.get_by_role("button", name="Check").click()
        assert question.get_attribute("data-verdict") in ("right", "wrong")
        visit.page.get_by_role("button", name="Clear my answers on this page").click()
        assert visit.errors == []


def test_frames_that_do_not_come_are_asked_for_again(address, browser):
    name = CHAPTERS[0]
    widget = record(name)["widgets"][0]
    first, last = widget["proof"][0], widget["proof"][-1]
    place = context(browser)
    lost = {"now": True}
    place.route("**/frames/*.js", lambda route: route.abort() if lost["now"] else route.continue_())
    with Visit(place, f"{address}/{name}") as visit:
        explorer = visit.page.locator(".cvlab-explore").first
        move(visit.page, explorer, first["position"])
        move(visit.page, explorer, last["position"])
        assert until(lambda: explorer.get_by_role("alert").count() == 1)
        assert "could not be loaded; move the control again" in explorer.inner_text()
        lost["now"] = False
        move(visit.page, explorer, first["position"])
        move(visit.page, explorer, last["position"])
        wanted = [expected(visit.page, last)]
        assert until(lambda: shown(explorer) == wanted)
    place.close()


def test_a_visit_notes_what_fails_and_not_what_its_reader_leaves(address, browser):
    place = context(browser)
    place.route("**/slow.svg", lambda _route: None)  # is never answered
    place.route("**/lost.svg", lambda route: route.abort())
    ask = "name => { fetch(name).catch(() => {}) }"
    with Visit(place, f"{address}/index.html") as visit:
        failed = []
        visit.page.on("requestfailed", lambda request: failed.append(Path(request.url).name))
        visit.page.evaluate(ask, "slow.svg")
        visit.page.goto(f"{address}/{CHAPTERS[0]}")
        assert until(lambda: visit.page.title() and "slow.svg" in failed)  # a call lets events in
        assert visit.errors == []
        visit.page.evaluate(ask, "lost.svg")
        said = "/lost.svg: net::ERR_FAILED"
        assert until(lambda: visit.page.title() and any(said in each for each in visit.errors))
    place.close()


def test_nothing_is_kept_but_what_the_reader_does(address, browser):
    """No cookie, and in the browser's store only the colours chosen and the answers given."""
    place = context(browser)
    with Visit(place, f"{address}/index.html") as visit:
        visit.page.goto(f"{address}/{CHAPTERS[0]}")
        question = visit.page.locator(".cvlab-question:has([type=radio])").first
        question.get_by_role("radio").first.check()
        question.get_by_role("button", name="Check").click()
        kept = visit.page.evaluate("Object.keys(localStorage)")
        assert {key for key in kept if not key.startswith("cvlab")} <= {"mode", "theme"}
        assert any(key.startswith("cvlab") for key in kept)
        passing = visit.page.evaluate("Object.keys(sessionStorage)")
        assert set(passing) <= {"sidebar-scroll-top"}, "how far the list of chapters is scrolled"
        assert place.cookies() == []
    place.close()


@pytest.mark.parametrize("viewport", [LAPTOP, PHONE], ids=["laptop", "phone"])
def test_a_terms_sentence_comes_by_pointer_and_keyboard_and_goes(address, browser, viewport):
    name = holding('class="cvlab-term"')[0]
    with Visit(browser, f"{address}/{name}", viewport=viewport) as visit:
        page = visit.page
        left = page.locator(".bd-article").bounding_box()["x"]
        for term in page.locator(".bd-article .cvlab-term:visible").all()[:6]:
            word, gloss = term.locator("a.cvlab-word"), term.locator(".cvlab-gloss")
            assert not gloss.is_visible()
            word.evaluate("word => word.scrollIntoView({block: 'center'})")
            word.focus()
            until(gloss.is_visible)
            box = gloss.bounding_box()
            assert box["x"] >= left - 1, "it begins in the text's column"
            assert box["x"] + box["width"] <= viewport["width"]
            line = word.bounding_box()
            assert box["y"] >= line["y"] + line["height"] / 2, "it covers its own word"
            assert box["y"] <= line["y"] + 3 * line["height"]
            page.keyboard.press("Escape")
            until(lambda gloss=gloss: not gloss.is_visible())
            word.blur()
            word.hover()
            until(gloss.is_visible)
            gloss.hover(position={"x": 5, "y": 5})
            assert gloss.is_visible(), "a pointer can go to it, and to its link"
            page.mouse.move(1, 1)
            until(lambda gloss=gloss: not gloss.is_visible())
        assert visit.errors == []


def test_figures_come_when_the_reader_moves(html, address, browser):
    name = max(CHAPTERS, key=lambda name: (html / name).read_text().count('loading="lazy"'))
    with Visit(browser, f"{address}/{name}") as visit:
        waiting = (
            "() => [...document.images].filter(i => i.className == 'cvlab-figure' && !i.complete)"
        )
        assert visit.page.evaluate(f"({waiting})().length") > 0, (
            "what is far is not loaded at first"
        )
        visit.page.mouse.move(5, 5)
        visit.page.wait_for_function(f"() => ({waiting})().length === 0")
        broken = visit.page.evaluate("[...document.images].filter(i => !i.naturalWidth).length")
        assert broken == 0
        assert visit.errors == []


def test_the_map_counts_what_was_answered_and_clears_it(address, browser):
    name = next(name for name in CHAPTERS if "01_knn" not in name)
    stem = Path(name).stem
    with Visit(browser, f"{address}/course_map.html") as visit:
        page = visit.page
        done = page.locator(f".cvlab-map li[data-chapter='{stem}'] .cvlab-done")
        assert page.get_by_text("No question answered yet.").is_visible()
        page.goto(f"{address}/{name}")
        for question in page.locator(".cvlab-question:has(input[type=radio])").all()[:2]:
            question.locator("input").first.check()
            question.get_by_role("button").click()
        page.goto(f"{address}/course_map.html")
        assert done.inner_text() == f"2 of {QUESTIONS} answered"
        assert page.get_by_text("2 questions answered.").is_visible()
        assert page.locator(".cvlab-done:not(:empty)").count() == 1
        page.get_by_role("button", name="Clear all my answers").click()
        assert done.inner_text() == ""
        assert page.evaluate(f"localStorage.getItem('cvlab-answers:/{name}')") is None
        assert page.locator("path.cvlab-shown").count() == 0
        link = page.locator(f".cvlab-map li[data-chapter='{stem}'] a")
        for shown in (link.hover, link.focus):
            shown()
            arcs = page.locator("path.cvlab-shown")
            assert arcs.count() >= 1
            assert set(arcs.evaluate_all("all => all.map(a => a.dataset.chapter)")) == {stem}
            page.mouse.move(1, 1)
        # An arc ends at the row of its chapter, whatever the letters' size.
        ends = page.locator("path.cvlab-shown").first.evaluate(
            "a => a.getBoundingClientRect().bottom"
        )
        row = link.bounding_box()
        assert abs(ends - (row["y"] + row["height"] / 2)) < row["height"] / 3
        assert visit.errors == []


def test_the_index_of_systems_narrows_to_what_is_typed(html, address, browser):
    rows = read(html / "systems.html").select("tbody tr")
    with Visit(browser, f"{address}/systems.html") as visit:
        field = visit.page.get_by_label("Only methods with")
        for words, some in (("nesterov", True), ("FOREST  class", True), ("no such method", False)):
            field.fill(words)
            left = visit.page.locator("tbody tr:visible")
            assert visit.page.get_by_text(f"{left.count()} found.").is_visible()
            assert 0 < left.count() < 20 if some else left.count() == 0
            for row in left.all():
                section = row.locator("xpath=ancestor::section[1]")
                said = f"{section.locator('h2').inner_text()} {row.inner_text()}".lower()
                assert all(word in said for word in words.lower().split())
            assert visit.page.locator("section > h2:visible").count() <= left.count()
        field.fill("")
        assert visit.page.locator("tbody tr:visible").count() == len(rows)


def test_no_script_stands_in_the_markup(html):
    """The server of these tests forbids it, as a strict one does; so nothing would run."""
    for name in PAGES:
        for tag, attributes in links.elements(html / name):
            own = tag == "script" and "src" not in attributes
            assert not own or "json" in attributes.get("type", ""), name
            assert not any(key.startswith("on") for key in attributes), f"{name}: {attributes}"
            assert not attributes.get("href", "").startswith("javascript:"), f"{name}: {attributes}"


def test_without_scripts_everything_can_be_read(html, address, browser):
    for name, fold in ((CHAPTERS[0], ".cvlab-question details"), (FOLDING[0], ".cvlab-deeper")):
        with Visit(browser, f"{address}/{name}", java_script_enabled=False) as visit:
            inside = visit.page.locator(f"{fold} p").first
            assert not inside.is_visible()
            visit.page.locator(f"{fold} > summary").first.click()
            assert inside.is_visible()
            if "question" in fold:
                assert visit.page.locator(".cvlab-choices > li").first.is_visible()
            explorer = visit.page.locator(".cvlab-explore").first
            assert explorer.locator("img.cvlab-frame").is_visible()
            assert explorer.locator(".cvlab-still").is_visible()
            assert not explorer.locator(CONTROLS).first.is_visible(), "nothing answers to it"
            visit.page.emulate_media(media="print")
            # Folded code has two titles, "Show" and "Hide", of which one is seen.
            for text in visit.page.locator(f"{fold} p:not(.admonition-title)").all():
                assert text.is_visible(), "paper cannot be unfolded"


@pytest.mark.parametrize("name", some(FOLDING))
class TestDeeper:
    def test_links_search_and_printer_open_it(self, html, address, browser, name):
        folds = read(html / name).select(".cvlab-deeper")
        if not folds:
            missing("no page has a Deeper section")
        anchors = [fold.find_parent("section")["id"] for fold in folds]
        anchors += [tag["id"] for tag in folds[0].select("section[id], .cvlab-system, .math[id]")]
        with Visit(browser, f"{address}/{name}") as visit:
            page = visit.page
            is_open = "() => [...document.querySelectorAll('.cvlab-deeper')].map(d => d.open)"
            close = "document.querySelectorAll('.cvlab-deeper').forEach(d => d.open = false)"
            assert page.evaluate(is_open) == [False] * len(folds), "closed at first"
            for anchor in anchors:
                page.evaluate("anchor => { location.hash = anchor; }", anchor)
                page.wait_for_function(
                    "anchor => document.getElementById(anchor).closest('.cvlab-deeper[open]')"
                    " || document.getElementById(anchor).querySelector('.cvlab-deeper[open]')",
                    arg=anchor,
                )
                page.evaluate(close)
            # The same link once more, which changes no address.
            page.evaluate(
                "anchor => { const link = Object.assign(document.createElement('a'),"
                " {href: '#' + anchor}); document.body.append(link); link.click(); }",
                anchors[-1],
            )
            page.wait_for_selector(".cvlab-deeper[open]")
            page.evaluate(close)
            page.evaluate("dispatchEvent(new Event('beforeprint'))")
            assert page.evaluate(is_open) == [True] * len(folds)
            page.evaluate("dispatchEvent(new Event('afterprint'))")
            assert page.evaluate(is_open) == [False] * len(folds)
            page.locator(".cvlab-deeper > summary").first.focus()
            page.keyboard.press("Enter")
            assert page.evaluate(is_open)[0]
            assert visit.errors == []
        found = re.search(r"[a-z]{6,}", " ".join(p.get_text() for p in folds[0]("p")))[0]
        for query in (f"?highlight={found}", f"#{anchors[0]}"):
            with Visit(browser, f"{address}/{name}{query}") as visit:
                visit.page.wait_for_selector(".cvlab-deeper[open]")
                assert visit.page.evaluate(is_open)[0]


PAPER = {"width": 680, "height": 1000}  # A4 between its margins
CUT = """() => {
    const lines = [...document.querySelectorAll(".bd-content div.cell_input pre")];
    const hidden = lines.filter(pre => !pre.checkVisibility({contentVisibilityAuto: true}));
    const cut = lines.filter(pre => pre.scrollWidth > pre.clientWidth + 1);
    const animated = document.getAnimations().filter(one => one.playState === "running");
    return [lines.length, hidden.length, cut.length, animated.length];
}"""


@pytest.mark.parametrize("name", some(CHAPTERS))
def test_on_paper_every_line_of_code_and_one_frame_of_each_slider_stands(address, browser, name):
    with Visit(browser, f"{address}/{name}", viewport=PAPER) as visit:
        visit.page.emulate_media(media="print")
        visit.page.evaluate("dispatchEvent(new Event('beforeprint'))")
        found, hidden, cut, animated = visit.page.evaluate(CUT)
        assert found > 5
        assert (hidden, cut, animated) == (0, 0, 0)
        for explorer in visit.page.locator(".cvlab-explore").all():
            assert explorer.locator("img.cvlab-frame").first.is_visible()
            assert explorer.locator(".cvlab-still").is_visible()
            assert not explorer.locator(CONTROLS).first.is_visible()


def test_citations_are_printed_as_the_bibliography_lists_them(html):
    labels = {
        citation["id"]: words(citation.select_one(".label")).strip("[]")
        for citation in read(html / "bibliography.html").select(".citation")
    }
    assert len(set(labels.values())) == len(labels) > 0
    wrong, cited = [], 0
    cites = SoupStrainer("a", href=re.compile(r"bibliography\.html#"))
    for name in PAGES:
        for link in read(html / name, cites).select("a"):
            label = labels.get(link["href"].partition("#")[2])
            printed = re.sub(r" \((\w+)\)$", r", \1", words(link))
            cited += label is not None
            if label is not None and printed != label:
                wrong.append(f"{name}: {words(link)} is listed as [{label}]")
    assert wrong == []
    assert cited > len(CHAPTERS)


def test_every_internal_link_anchor_image_and_resource(html):
    faults = links.faults(html)
    if faults:
        pytest.fail("\n".join(faults), pytrace=False)


@pytest.mark.parametrize("name", [name for name in INTERACTIVE if name != "index.html"])
def test_a_chapter_keeps_its_budget(html, name):
    found = record(name)
    most = budget.CHAPTER.on_machine(budget.scale() * found["slowness"]).cpu_seconds
    spent = found["cpu_seconds"]
    assert spent <= most, f"{name} took {spent} s of processor time; the budget is {most} s"
    assert found["peak_bytes"] <= 3e9, f"{name} took {found['peak_bytes'] / 1e9:.1f} of 3 GB"


#: What readers ask, with slips and American spellings, and the chapters that teach it.
ASKED = {
    "k-fold": ["01_knn"],
    "learning rate": ["03_optimisation", "11_training"],
    "convolutoin": ["04_filtering", "09_convolution"],
    "optimizer": ["03_optimisation"],
    "k nearest neighbors": ["01_knn"],
    "color histogram": ["06_evaluation"],
    "backpropogation": ["08_backprop"],
    "batch normalization": ["09_convolution"],
    "non-maximum supression": ["15_boxes"],  # codespell:ignore supression
    "face detection": ["14_viola_jones"],
    "semantic segmentation": ["19_segmentation"],
    "optical flow": ["31c_motion"],
    "variational autoencoder": ["25_autoencoders"],
    "random forrest": ["18_forests"],
    "canny": ["05_edges"],
    "dropout": ["12_regularisation"],
}


def test_search_puts_the_right_chapter_first(html, address, browser):
    require_own_libraries(html)
    with Visit(browser, f"{address}/index.html") as visit:
        boxes = "input[type=search]:visible, .search-button-field:visible, .search-button:visible"
        assert visit.page.locator(boxes).count() == 1
        visit.page.keyboard.press("Control+k")
        field = visit.page.locator("input[type=search]:visible")
        assert field.count() == 1
        before = set(visit.requests)
        field.fill("nearest")
        field.press("Enter")
        first = visit.page.locator(".cvlab-found-page").first
        first.wait_for()
        loaded = {url.partition("?")[0] for url in set(visit.requests) - before}
        files = [html / url.removeprefix(f"{address}/") for url in loaded]
        assert sum(file.stat().st_size for file in files if file.suffix != ".html") < 1_000_000
        assert visit.page.locator("input[type=search]:visible").count() == 1
        field = visit.page.locator(".bd-search-container input[type=search]")
        wrong = []
        for asked, chapters in ASKED.items():
            field.fill(asked)
            found = visit.page.locator(".cvlab-found-page").first.get_attribute("href")
            if Path(found.partition("?")[0]).stem not in chapters:
                wrong.append(f"{asked}: {found}")
        assert wrong == []
        assert f"for “{asked}”" in visit.page.locator("[role=status]").inner_text()
        field.fill("qqqqq")
        assert "No page for “qqqqq”" in visit.page.locator("[role=status]").inner_text()
        field.fill("dropout")
        visit.page.locator(".cvlab-found ul a").first.click()
        visit.page.wait_for_selector("article .highlighted")
        assert visit.errors == []


def test_every_working_method_leads_to_its_cell(html):
    from cvlab.classroom.book import systems

    for chapter, names in systems.tagged().items():
        page = (html / "chapters" / f"{chapter}.html").read_text(encoding="utf-8")
        for name in names:
            assert f'id="system-{name}"' in page
