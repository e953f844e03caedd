"""`explore`: right frames in both modes, laziness, memory, limits, refusals, ipywidgets 7."""

from __future__ import annotations

import base64
import io
import itertools
import json
import os
import re
import shutil
import subprocess
import sys

import ipywidgets
import numpy as np
import pytest
from bs4 import BeautifulSoup
from conftest import ROOT, missing
from PIL import Image

from cvlab import markup, plot, widgets
from cvlab.widgets import Explorer, explore


@pytest.fixture
def drawn():
    """A drawing function, and the list of the values it was called with."""
    calls = []

    def draw(height, shade="dark"):
        calls.append((height, shade))
        fig, ax = plot.figure(size=(1.5, 1.2))
        ax.bar([0], [height], color="black" if shade == "dark" else "grey")
        ax.set_ylim(0, 10)
        return fig

    return draw, calls


def pixels(frame):
    data = re.search(r'base64,([^"]+)"', frame)[1]
    return np.asarray(Image.open(io.BytesIO(base64.b64decode(data))).convert("RGB"))


def parts(box):
    """The selectors of an explorer's widget, without the ends of their tracks, and its picture."""
    *controls, picture = box.children
    found = [c.children[0] if isinstance(c, ipywidgets.VBox) else c for c in controls]
    return [*found, picture]


def read(explorer):
    """A static explorer's HTML, and its frames by position, as its script finds them."""
    soup = BeautifulSoup(explorer.page(), "html.parser")
    frames = json.loads(soup.select_one("script.cvlab-frames").string)
    return soup, dict(zip(explorer.positions(), frames, strict=True))


def test_frame_shows_what_the_function_drew(drawn):
    draw, _ = drawn
    explorer = explore(draw, alt="A bar of height {height}", height=[1, 5, 9])
    for index, height in enumerate([1, 5, 9]):
        wanted = markup.rasterise(draw(height)).astype(int)
        found = pixels(explorer.frame((index,))).astype(int)
        assert found.shape == wanted.shape
        assert np.abs(found - wanted).mean() < 2  # of 255: palette and WebP lose little


def test_a_page_holds_every_frame_in_the_order_of_the_positions(drawn):
    draw, _ = drawn
    explorer = explore(
        draw, alt="A {shade} bar of height {height}", height=[1, 5, 9], shade=["dark", "light"]
    )
    soup, frames = read(explorer)
    assert set(frames) == set(itertools.product(range(3), range(2)))
    for position, frame in frames.items():
        assert frame == explorer._drawn(explorer.values_at(position))
    assert len(set(frames.values())) == 6
    first = BeautifulSoup(frames[0, 0], "html.parser")
    assert soup.select_one(".cvlab-picture").decode_contents() == first.decode()
    assert [name.text for name in soup.select("label[for], legend")] == [
        "height",
        "shade",
    ]


def test_live_mode_is_lazy_and_remembers(drawn):
    draw, calls = drawn
    explorer = explore(draw, alt="A bar of height {height}", height=[1, 5, 9])
    slider, picture = parts(explorer.widget())
    assert calls == [(1, "dark")]
    slider.index = 2
    assert calls == [(1, "dark"), (9, "dark")]
    assert picture.value == explorer.frame((2,))
    slider.index = 0
    slider.index = 2
    assert len(calls) == 2


def test_both_modes_show_the_same_bytes(drawn):
    draw, _ = drawn
    live = explore(draw, alt="A bar of height {height}", height=[1, 5, 9])
    static = explore(draw, alt="A bar of height {height}", height=[1, 5, 9])
    slider, picture = parts(live.widget())
    _, frames = read(static)
    for index in range(3):
        slider.index = index
        assert picture.value == frames[(index,)]


def test_environment_chooses_the_mode(drawn, monkeypatch):
    draw, _ = drawn
    explorer = explore(draw, alt="A bar of height {height}", height=[1, 5])
    shown = []
    monkeypatch.setattr("IPython.display.display", lambda what, **_: shown.append(what))
    monkeypatch.setenv("CVLAB_STATIC", "1")
    explorer._ipython_display_()
    monkeypatch.delenv("CVLAB_STATIC")
    explorer._ipython_display_()
    assert shown[0] == {"text/html": explorer.page(), "text/plain": repr(explorer)}
    assert isinstance(shown[1].children[-1], ipywidgets.HTML)


def test_start_labels_and_mappings(drawn):
    draw, _ = drawn
    explorer = explore(
        draw,
        alt="A {shade} bar of height {height}",
        labels={"height": "height (cm)"},
        start={"height": 9, "shade": "grey"},
        height=np.array([1, 5, 9]),
        shade={"black": "dark", "grey": "light"},
    )
    first, second, _ = parts(explorer.widget())
    assert (first.description, first.index, second.index) == ("height (cm)", 2, 1)
    assert explorer.values_at((2, 1)) == {"height": 9, "shade": "light"}
    assert [text for text, _ in second.options] == ["black", "grey"]
    soup, frames = read(explorer)
    slider = soup.select_one("input[type=range]")
    assert (slider["value"], slider["aria-valuetext"]) == ("2", "9")
    assert soup.select_one(f'label[for="{slider["id"]}"]').text == "height (cm)"
    assert soup.select_one(".cvlab-readout").text == "9"
    assert soup.select_one("input[checked]").parent.text == "grey"
    still = soup.select_one(".cvlab-still").text
    assert still.startswith("The figure at height (cm): 9, shade: grey. ")
    assert soup.select_one(".cvlab-picture img")["alt"] in frames[2, 1]


def test_a_slider_shows_its_ends_and_names_become_radio_buttons_or_a_list(drawn):
    draw, _ = drawn
    names = {f"{word} bar": word for word in ("dark", "light")}
    explorer = explore(draw, alt="A {shade} bar of {height}", height=[1, 5, 9], shade=names)
    control, radio, _ = explorer.widget().children
    slider, ends = control.children
    assert isinstance(slider, ipywidgets.SelectionSlider)
    assert re.findall(r"<span>(.*?)</span>", ends.value) == ["1", "9"]
    # A notebook has no style sheet of the course's, without which they would read as 19.
    assert "justify-content:space-between" in BeautifulSoup(ends.value, "html.parser").select_one(
        ".cvlab-ends[style]"
    )["style"].replace(" ", "")
    assert isinstance(radio, ipywidgets.RadioButtons)
    assert [text for text, _ in radio.options] == ["dark bar", "light bar"]
    soup, _ = read(explorer)
    assert [end.text for end in soup.select(".cvlab-ends > span")] == ["1", "9"]
    assert json.loads(soup.select_one("input[type=range]")["data-values"]) == ["1", "5", "9"]
    radios = soup.select("fieldset input[type=radio]")
    assert [radio.parent.text for radio in radios] == ["dark bar", "light bar"]
    assert len({radio["name"] for radio in radios}) == 1
    many = {f"number {'i' * n}": n for n in range(1, widgets.MAX_RADIO + 2)}
    explorer = explore(draw, alt="A bar of {height}", height=many)
    assert isinstance(parts(explorer.widget())[0], ipywidgets.Dropdown)
    soup, _ = read(explorer)
    assert [option.text for option in soup.select("select > option")] == list(many)


def test_texts_are_escaped(drawn):
    draw, _ = drawn
    texts = {"1 < 2": 1, "5 & 6": 5, '7 "</script>': 7}
    explorer = explore(draw, alt="</script> {height}", labels={"height": "a < b"}, height=texts)
    ends = explorer.widget().children[0].children[1]
    assert "1 &lt; 2" in ends.value
    soup, frames = read(explorer)
    assert json.loads(soup.select_one("input")["data-values"]) == list(texts)
    assert [end.text for end in soup.select(".cvlab-ends > span")] == ["1 < 2", '7 "</script>']
    assert soup.select_one("label").text == "a < b"
    assert len(frames) == 3
    assert explorer.page().count("</script>") == 1
    named = explore(draw, alt="A bar of {height}", height={"<one>": 1, "&two": 2})
    assert [label.text for label in read(named)[0].select("fieldset > label")] == ["<one>", "&two"]


def test_controls_of_two_explorers_are_not_mistaken(drawn):
    draw, _ = drawn
    pages = [
        explore(draw, alt="A bar of height {height}", height={"a": 1, "b": 2}).page()
        for _ in range(2)
    ]
    first, second = (set(re.findall(r'name="([^"]+)"', page)) for page in pages)
    assert len(first) == len(second) == 1
    assert first != second


def test_values_are_shown_readably(drawn):
    draw, _ = drawn
    explorer = explore(draw, alt="A bar of height {height}", height=[0.1 + 0.2, 2, np.inf])
    assert list(explorer.choices["height"]) == ["0.3", "2", "∞"]


def test_proof_is_drawn_afresh_and_covers_the_ends(drawn):
    draw, calls = drawn
    explorer = explore(
        draw, alt="A {shade} bar of height {height}", height=[1, 3, 5, 9], shade=["dark", "light"]
    )
    explorer.page()
    before = len(calls)
    proof = explorer.proof()
    assert len(calls) == before + len(proof) == before + 5
    assert {tuple(p["position"]) for p in proof} == {(0, 0), (2, 0), (3, 0), (0, 1)}
    for entry in proof:
        assert entry["frame"] == explorer.frame(tuple(entry["position"]))


def test_proof_exposes_a_function_that_changed_after_display():
    shift = {"by": 0}

    def draw(height):
        fig, ax = plot.figure(size=(1.5, 1.2))
        ax.bar([0], [height + shift["by"]])
        ax.set_ylim(0, 10)
        return fig

    explorer = explore(draw, alt="A bar of height {height}", height=[1, 5])
    explorer.page()
    shift["by"] = 3
    assert any(p["frame"] != explorer.frame(tuple(p["position"])) for p in explorer.proof())


def test_an_error_while_drawing_is_shown_in_the_live_widget():
    def draw(height):
        if height == 5:
            raise ZeroDivisionError("no <such> height")
        return plot.figure(size=(1, 1))[0]

    explorer = explore(draw, alt="A bar of height {height}", height=[1, 5])
    slider, picture = parts(explorer.widget())
    slider.index = 1
    assert "ZeroDivisionError: no &lt;such&gt; height" in picture.value
    with pytest.raises(ZeroDivisionError):
        explorer.page()


def make(**choices):
    return explore(lambda **_: plot.figure(size=(1, 1))[0], alt="An empty pair of axes", **choices)


@pytest.mark.parametrize(
    ("call", "kind", "words"),
    [
        (lambda: make(), ValueError, "1 to 3 controls, not 0"),
        (lambda: make(a=[1, 2], b=[1, 2], c=[1, 2], d=[1, 2]), ValueError, "not 4"),
        (lambda: make(a=range(21), b=range(20)), ValueError, "21 x 20 = 420 frames"),
        (lambda: make(a=[1]), ValueError, "at least two values"),
        (lambda: make(a=[]), ValueError, "at least two values"),
        (lambda: make(a=[0.30000001, 0.30000002]), ValueError, "look the same"),
        (lambda: make(a="123"), TypeError, "must be a list or a mapping"),
        (lambda: make(a=5), TypeError, "must be a list or a mapping"),
        (lambda: make(a=[1, 2], labels={"b": "x"}), ValueError, r"labels names \['b'\]"),
        (lambda: make(a=[1, 2], start={"a": 3}), ValueError, "not among its values"),
        (lambda: explore("draw", alt="An empty figure", a=[1, 2]), TypeError, "a function"),
    ],
)
def test_refusals(call, kind, words):
    with pytest.raises(kind, match=words):
        call()


def test_missing_alt_and_wrong_return_are_refused():
    bare = explore(lambda a: plot.figure(size=(1, 1))[0], alt="", a=[1, 2])
    with pytest.raises(ValueError, match="alt must be a sentence"):
        bare.frame((0,))
    wrong = explore(lambda a: np.zeros(3), alt="A row of zeros", a=[1, 2])
    with pytest.raises(TypeError, match="must return a matplotlib Figure, not ndarray"):
        wrong.frame((0,))


def test_one_text_for_two_pictures_is_refused(drawn):
    draw, _ = drawn
    explorer = explore(draw, alt="A bar of some height", height=[1, 5])
    with pytest.raises(ValueError, match="two different frames have the same alternative text"):
        explorer.page()


def test_too_heavy_a_widget_is_refused(drawn, monkeypatch):
    draw, _ = drawn
    explorer = explore(draw, alt="A bar of height {height}", height=[1, 5, 9])
    monkeypatch.setattr(widgets, "MAX_BYTES", 1000)
    with pytest.raises(ValueError, match="a page may carry"):
        explorer.page()


def test_alt_text_is_escaped_and_may_be_computed(drawn):
    draw, _ = drawn
    explorer = Explorer(
        draw, alt=lambda height: f'A bar < "{height}" & more', choices={"height": [1, 2]}
    )
    assert 'alt="A bar &lt; &quot;1&quot; &amp; more"' in explorer.frame((0,))


def test_frames_are_deterministic_and_light(drawn):
    draw, _ = drawn
    first = explore(draw, alt="A bar of height {height}", height=[1, 5]).frame((1,))
    second = explore(draw, alt="A bar of height {height}", height=[1, 5]).frame((1,))
    assert first == second
    assert len(first) < 5000


@pytest.mark.slow
@pytest.mark.timeout(300)
def test_live_mode_works_with_the_ipywidgets_of_colab(tmp_path):
    """ipywidgets 7.7.1 has no Stack; live mode must not need it."""
    uv = shutil.which("uv") or shutil.which("uv", path=os.path.dirname(sys.executable))
    environment = ROOT / "_build" / "ipywidgets-7.7.1"
    python = environment / "bin" / "python"
    if not python.exists():
        if uv is None:
            missing("uv is not installed")
        subprocess.run([uv, "venv", "--quiet", "--clear", environment], check=True)
    packages = ["ipywidgets==7.7.1", "ipykernel<7", "matplotlib", "numpy", "pillow", "nbclient"]
    probe = subprocess.run(
        [python, "-c", "import ipywidgets, matplotlib, nbclient"], capture_output=True, check=False
    )
    if probe.returncode:
        pip = [uv, "pip", "install", "--quiet", "--python", python]
        done = subprocess.run([*pip, *packages], capture_output=True, text=True, check=False)
        if done.returncode:
            missing(f"ipywidgets 7.7.1 could not be installed: {done.stderr[-300:]}")
    script = tmp_path / "live.py"
    script.write_text(LIVE_ON_7, encoding="utf-8")
    done = subprocess.run(
        [python, script],
        env=os.environ | {"PYTHONPATH": str(ROOT), "JUPYTER_PLATFORM_DIRS": "1"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    result = json.loads(done.stdout.splitlines()[-1])
    assert result["version"] == "7.7.1"
    assert result["stack"] is False
    assert result["calls"] == [1, 9]
    assert result["frames"] == 2
    assert {"SelectionSliderModel", "HTMLModel", "VBoxModel"} <= set(result["models"])


LIVE_ON_7 = '''
import json
import nbformat
from nbclient import NotebookClient

code = """
import json, ipywidgets
from cvlab import plot
from cvlab.widgets import explore
calls = []
def draw(height):
    calls.append(height)
    fig, ax = plot.figure(size=(1.5, 1.2))
    ax.bar([0], [height]); ax.set_ylim(0, 10)
    return fig
explorer = explore(draw, alt="A bar of height {height}", height=[1, 5, 9])
explorer
"""
move = """
box = explorer.widget()
control, picture = box.children
slider = control.children[0]
first = picture.value
slider.index = 2
print(json.dumps({"version": ipywidgets.__version__, "stack": hasattr(ipywidgets, "Stack"),
                  "calls": calls, "frames": len({first, picture.value})}))
"""
cells = [nbformat.v4.new_code_cell(code), nbformat.v4.new_code_cell(move)]
notebook = nbformat.v4.new_notebook(cells=cells)
NotebookClient(notebook, timeout=300, kernel_name="python3").execute()
view = "application/vnd.jupyter.widget-view+json"
shown = [o for o in notebook.cells[0].outputs if view in o.get("data", {})]
assert len(shown) == 1, notebook.cells[0].outputs
state = notebook.metadata["widgets"]["application/vnd.jupyter.widget-state+json"]["state"]
result = json.loads(notebook.cells[1].outputs[-1].text)
result["models"] = sorted({model["model_name"] for model in state.values()})
print(json.dumps(result))
'''
