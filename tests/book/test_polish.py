"""What is done to the built pages."""

from __future__ import annotations

import pytest
from bs4 import BeautifulSoup

from cvlab.classroom.book import polish

LIBRARY = """/* a library of icons */
x={github:[496,512,[],"f09b","M brand"]};y={sun:[512,512,[9728],"f185","M outline"],
"arrow-up":[384,512,[],"f062","M up"]};z={sun:[512,512,[9728],"f185","M solid"]};
"""
PAGE = """<!doctype html><html data-content_root="../"><head>
<script data-cfasync="false">
  document.documentElement.dataset.mode = "auto";
</script>
<link rel="preload" as="script" href="../_static/scripts/bootstrap.js" />
<link rel="preload" as="script" href="../_static/scripts/fontawesome.js?digest=5" />
<script defer src="../_static/scripts/fontawesome.js?digest=5"></script>
<script src="../_static/cvlab.js?v=3"></script>
<script src="../_static/searchtools.js"></script>
<script src="../searchindex.js"></script>
<script type="application/json">{"a": 1}</script>
</head><body>
<button onclick="window.print()"><i class="fab fa-github"></i></button>
<i class="theme-switch fa-solid fa-sun          fa-lg" data-mode="light"></i>
<span class="fa-solid fa-arrow-up"></span><i>in italics</i><span class="far away"></span>
</body></html>
"""


@pytest.fixture
def static(tmp_path):
    folder = tmp_path / "_static"
    (folder / "scripts").mkdir(parents=True)
    (folder / "scripts" / "fontawesome.js").write_text(LIBRARY)
    polish.drawing.cache_clear()
    return folder


def test_scripts_become_files_and_what_is_not_used_goes(static):
    page = BeautifulSoup(polish.page(PAGE, static), "html.parser")
    first, second, data = page.select("script")
    assert first["src"].startswith("../_static/inline/")
    text = (static / "inline" / first["src"].rpartition("/")[2]).read_text()
    assert text.strip() == 'document.documentElement.dataset.mode = "auto";'
    assert second["src"] == "../_static/cvlab.js?v=3"
    assert data.string == '{"a": 1}'
    assert [link["href"] for link in page.select("link")] == ["../_static/scripts/bootstrap.js"]
    assert page.button["data-click"] == "window.print"
    assert not page.button.has_attr("onclick")
    searching = BeautifulSoup(polish.page(PAGE, static, searches=True), "html.parser")
    assert [tag.get("src") for tag in searching.select("script")][2:4] == [
        "../_static/searchtools.js",
        "../searchindex.js",
    ]


def test_icons_become_pictures_of_their_own(static):
    page = BeautifulSoup(polish.page(PAGE, static), "html.parser")
    brand, sun, arrow = page.select("svg")
    assert [svg.path["d"] for svg in (brand, sun, arrow)] == ["M brand", "M solid", "M up"]
    assert (arrow["viewbox"], sun["data-mode"]) == ("0 0 384 512", "light")
    assert sun["class"] == ["svg-inline--fa", "theme-switch", "fa-solid", "fa-sun", "fa-lg"]
    assert all(svg["aria-hidden"] == "true" for svg in (brand, sun, arrow))
    assert page.i.string == "in italics"
    assert page.span["class"] == ["far", "away"]
    with pytest.raises(ValueError, match="the theme has no icon 'unicorn'"):
        polish.page('<i class="fas fa-unicorn"></i>', static)


def test_a_mended_page_stays_as_it_is(static):
    once = polish.page(PAGE, static)
    assert polish.page(once, static) == once != PAGE
    html = static.parent
    (html / "chapters").mkdir()
    for name in ("chapters/01_knn.html", "search.html", "_static/webpack-macros.html"):
        (html / name).write_text(PAGE)
    style = static / "styles" / "pydata-sphinx-theme.css"
    style.parent.mkdir()
    kept = ".a{b:c}%s.fa-lg{font-size:1em}.bd a:before{content:'#'}"
    style.write_text(
        kept % '.fa-sun:before{content:"\\f185"}.fa-a:before,.fa-b:before{content:"b"}'
    )
    polish.pages(html)
    assert style.read_text() == kept % ""
    assert (html / "chapters" / "01_knn.html").read_text() == once
    assert "searchindex" in (html / "search.html").read_text()
    assert (html / "_static" / "webpack-macros.html").read_text() == PAGE
    before = (html / "search.html").stat().st_mtime_ns
    polish.pages(html)
    assert (html / "search.html").stat().st_mtime_ns == before


def test_two_pages_share_a_script_and_nothing_else(static):
    plain = '<html data-content_root="./"><script>let a = 1;</script></html>'
    other = plain.replace("a = 1", "a = 2")
    sources = {polish.page(text, static) for text in (plain, plain, other)}
    assert len(sources) == len(list((static / "inline").iterdir())) == 2
    assert all('src="./_static/inline/' in text for text in sources)


def test_figures_become_files_that_come_when_they_are_near(tmp_path, static):
    data = "data:image/webp;base64,QUJD"
    night = "<span style=\"mask:url('data:image/svg+xml,%3Csvg')\"></span>"
    figure = (
        f'<picture><source media="(max-width: 9px)" srcset="{data}"><img class="cvlab-figure" '
        f'alt="ABC" width="3" height="4" src="{data}"></picture>{night}'
    )
    frame = f'<picture><img class="cvlab-frame" alt="f" src="{data}"></picture>'
    text = f'<html data-content_root="../"><body>{figure}{frame}</body></html>'
    page = tmp_path / "chapters" / "a.html"
    page.parent.mkdir()
    page.write_text(text)
    polish.pages(tmp_path)
    mended = page.read_text()
    shown = BeautifulSoup(mended, "html.parser")
    first, second = shown.select("img")
    (file,) = (static / polish.FIGURES).iterdir()
    assert file.read_bytes() == b"ABC"
    assert file.suffix == ".webp"
    assert (page.parent / first["src"]).resolve() == file.resolve()
    assert shown.source["srcset"] == first["src"]
    assert {name: first[name] for name in ("loading", "alt", "width", "height")} == {
        "loading": "lazy",
        "alt": "ABC",
        "width": "3",
        "height": "4",
    }
    assert second["src"] == data, "a slider's first picture is compared with its frames"
    assert night in mended
    polish.pages(tmp_path)
    assert page.read_text() == mended
    page.write_text(text.replace("QUJD", "REVG"))
    polish.pages(tmp_path)
    (file,) = (static / polish.FIGURES).iterdir()
    assert file.read_bytes() == b"DEF", "what no page shows any more is gone"
