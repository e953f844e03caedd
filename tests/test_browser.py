"""The built book in a real browser: sliders, network, console, accessibility, phone, links."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from conftest import HTML, ROOT, missing

from cvlab.classroom import links

pytestmark = [pytest.mark.browser, pytest.mark.timeout(300)]

AXE = ROOT / "_build" / "npm" / "node_modules" / "axe-core" / "axe.min.js"
RECORDS = ROOT / "_build" / "notebooks"
LAPTOP = {"width": 1280, "height": 800}
PHONE = {"width": 390, "height": 844}

PAGES = sorted(
    path.relative_to(HTML).as_posix()
    for path in HTML.rglob("*.html")
    if path.name not in ("genindex.html", "search.html") and "_static" not in path.parts
) or ["index.html"]
INTERACTIVE = ["index.html", *(name for name in PAGES if name.startswith("chapters/"))]


def record(page: str) -> dict:
    """The record that the build made of the page's notebook."""
    folder = "book" if page == "index.html" else "chapters"
    return json.loads((RECORDS / folder / f"{Path(page).stem}.json").read_text(encoding="utf-8"))


class Visit:
    """A page opened in a fresh context, with what it asked for and complained about."""

    def __init__(self, browser, url, *, viewport=LAPTOP, scheme="light"):
        self.context = browser.new_context(viewport=viewport, color_scheme=scheme)
        self.page = self.context.new_page()
        self.requests, self.errors = [], []
        self.page.on("request", lambda request: self.requests.append(request.url))
        self.page.on("requestfailed", lambda r: self.errors.append(f"failed: {r.url}"))
        self.page.on("response", self._note_status)
        self.page.on("console", lambda m: m.type == "error" and self.errors.append(m.text))
        self.page.on("pageerror", lambda error: self.errors.append(str(error)))
        self.page.goto(url, wait_until="load")

    def _note_status(self, response):
        if response.status >= 400:
            self.errors.append(f"{response.status}: {response.url}")

    def __enter__(self):
        return self

    def __exit__(self, *_exception):
        self.context.close()

    def wait_for_widgets(self, count):
        self.page.wait_for_function(
            "n => document.querySelectorAll('.cvlab-explore img.cvlab-frame').length >= n",
            arg=count,
            timeout=60_000,
        )


def move(page, explorer, position):
    """Bring each slider of an explorer to a position by keyboard alone."""
    handles = explorer.locator(".noUi-handle")
    for axis, index in enumerate(position):
        handle = handles.nth(axis)
        handle.focus()
        page.keyboard.press("Home")
        for _ in range(index):
            page.keyboard.press("ArrowRight")


def shown(explorer):
    """The visible frame of an explorer: its source and alternative text."""
    frames = explorer.locator("img.cvlab-frame:visible")
    assert frames.count() == 1, f"{frames.count()} frames are visible at once"
    return frames.first.get_attribute("src"), frames.first.get_attribute("alt")


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


@pytest.fixture(scope="class")
def visit(html, address, browser, name):
    """The page `name`, opened once for all the tests of a class: loading is most of their time."""
    with Visit(browser, f"{address}/{name}") as visit:
        visit.page.wait_for_load_state("networkidle")
        if name in INTERACTIVE:
            visit.wait_for_widgets(len(record(name)["widgets"]))
        yield visit


@pytest.mark.parametrize("name", INTERACTIVE, scope="class")
class TestSliders:
    def test_each_shows_the_frame_of_its_value(self, visit, name):
        widgets = record(name)["widgets"]
        assert widgets, "a chapter and the front page have at least one live figure"
        explorers = visit.page.locator(".cvlab-explore")
        assert explorers.count() == len(widgets)
        for index, widget in enumerate(widgets):
            seen = set()
            for proof in widget["proof"]:
                move(visit.page, explorers.nth(index), proof["position"])
                source, alt = shown(explorers.nth(index))
                assert (source, alt) == expected(visit.page, proof), proof["values"]
                seen.add(source)
            assert len(seen) >= 2, "the slider changes nothing"
        assert visit.errors == []

    def test_handles_have_names_and_values(self, visit, name):
        sliders = visit.page.locator(".cvlab-explore .widget-slider")
        assert sliders.count() >= len(record(name)["widgets"])
        for index in range(sliders.count()):
            label = sliders.nth(index).locator(".widget-label").inner_text()
            handle = sliders.nth(index).locator(".noUi-handle")
            assert handle.get_attribute("aria-label") == label.strip() != ""
            handle.focus()
            visit.page.keyboard.press("End")
            readout = sliders.nth(index).locator(".widget-readout").inner_text()
            assert handle.get_attribute("aria-valuetext") == readout.strip() != ""

    def test_work_from_a_folder_without_a_server(self, html, browser, name):
        require_own_libraries(html)
        widgets = record(name)["widgets"]
        with Visit(browser, (html / name).as_uri()) as visit:
            visit.wait_for_widgets(len(widgets))
            proof = widgets[0]["proof"][-1]
            explorer = visit.page.locator(".cvlab-explore").first
            move(visit.page, explorer, proof["position"])
            assert shown(explorer) == expected(visit.page, proof)
            inside = ("file:", "data:", "blob:")
            assert [u for u in visit.requests if not u.startswith(inside)] == []
            assert visit.errors == []

    def test_weight(self, html, name):
        text = (html / name).read_text(encoding="utf-8")
        start = text.index("application/vnd.jupyter.widget-state+json")
        state = text[start : text.index("</script>", start)]
        assert len(state) <= 2_000_000


def require_own_libraries(html):
    if not (html / "_static" / "vendor").exists():
        missing("the book takes its libraries from a CDN: npm was missing when it was built")


# Code has thousands of tokens in a dozen colours: keep the first of each, or axe takes seconds.
ONE_TOKEN_OF_EACH_COLOUR = r"""() => {
    const seen = new Set();
    for (const pre of document.querySelectorAll(".highlight pre"))
        pre.innerHTML = pre.innerHTML.replace(
            /<span class="([^"]+)">([^<]*)<\/span>/g,
            (token, name, text) => (seen.has(name) ? text : (seen.add(name), token)));
}"""


def violations(page, rules):
    """What axe-core finds on a page by some of its rules, and how many of them it could apply."""
    if not AXE.exists():
        missing("axe-core is not installed: npm was missing when the book was built")
    if not page.evaluate("() => 'axe' in window"):
        page.add_script_tag(content=AXE.read_text(encoding="utf-8"))
        page.evaluate(ONE_TOKEN_OF_EACH_COLOUR)
    found = page.evaluate("rules => axe.run(document, {runOnly: rules})", rules)
    nodes = [
        f"{violation['id']}: {node['html'][:160]}: {node['failureSummary'][:300]}"
        for violation in found["violations"]
        for node in violation["nodes"][:3]
    ]
    return nodes, [(applied["id"], len(applied["nodes"])) for applied in found["passes"]]


@pytest.mark.parametrize("name", PAGES, scope="class")
class TestPage:
    def test_no_request_leaves_and_nothing_fails(self, html, address, visit, name):
        require_own_libraries(html)
        inside = (address, "data:", "blob:")
        assert [url for url in visit.requests if not url.startswith(inside)] == []
        assert visit.errors == []

    def test_accessibility(self, visit, name):
        assert visit.page.locator("html").get_attribute("data-theme") == "light"
        found, applied = violations(visit.page, ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa"])
        assert found == []
        assert len(applied) > 10, "axe ran over an empty page"

    def test_contrast_in_the_dark(self, visit, name):
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

    def test_nothing_overflows_on_a_phone(self, html, address, browser, name):
        # Opened anew: some sizes are computed once, when a page is loaded.
        with Visit(browser, f"{address}/{name}", viewport=PHONE) as visit:
            visit.page.wait_for_load_state("networkidle")
            if name in INTERACTIVE:
                visit.wait_for_widgets(len(record(name)["widgets"]))
            width = visit.page.evaluate("document.documentElement.scrollWidth")
            assert width <= PHONE["width"]
            for slider in visit.page.locator(".cvlab-explore .widget-slider").all():
                label = slider.locator(".widget-label")
                clipped = label.evaluate("element => element.scrollWidth > element.clientWidth + 1")
                assert not clipped, f"{label.inner_text()!r} is cut off"
                box = slider.bounding_box()
                assert box["x"] >= 0
                assert box["x"] + box["width"] <= PHONE["width"]

    def test_colab_button_opens_the_real_notebook(self, visit, name):
        from cvlab.classroom import address as repository

        buttons = visit.page.locator("a[href*='colab.research.google.com']").all()
        targets = {button.get_attribute("href") for button in buttons}
        if name.startswith(("chapters/", "exercises/")):
            file = Path(name).with_suffix(".ipynb")
            assert (ROOT / file).exists()
            slug = repository.slug(repository.current())
            assert f"https://colab.research.google.com/github/{slug}/blob/main/{file}" in targets


def test_every_internal_link_anchor_image_and_resource(html):
    faults = links.faults(html)
    if faults:
        pytest.fail("\n".join(faults), pytrace=False)


@pytest.mark.parametrize("name", [name for name in INTERACTIVE if name != "index.html"])
def test_a_chapter_keeps_its_budget(html, name):
    found = record(name)
    assert found["seconds"] <= 120, f"{name} ran for {found['seconds']} s; the budget is 120 s"
    assert found["peak_bytes"] <= 3e9, f"{name} took {found['peak_bytes'] / 1e9:.1f} of 3 GB"


def test_search_finds_a_method_and_there_is_one_search_box(html, address, browser):
    with Visit(browser, f"{address}/index.html") as visit:
        boxes = "input[type=search]:visible, .search-button-field:visible, .search-button:visible"
        assert visit.page.locator(boxes).count() == 1
        visit.page.keyboard.press("Control+k")
        field = visit.page.locator("input[type=search]:visible")
        assert field.count() == 1
        field.fill("nearest")
        field.press("Enter")
        visit.page.wait_for_selector("#search-results li a", timeout=30_000)
        assert "knn" in visit.page.locator("#search-results").inner_html()


def test_every_working_method_leads_to_its_cell(html):
    from cvlab.classroom import systems

    for chapter, names in systems.tagged().items():
        page = (html / "chapters" / f"{chapter}.html").read_text(encoding="utf-8")
        for name in names:
            assert f'id="system-{name}"' in page
