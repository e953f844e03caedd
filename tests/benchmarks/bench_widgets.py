"""How fast a static page with 400 frames answers, and a step of its slider, in headless Chromium.

    python tests/benchmarks/bench_widgets.py

Prints the weight of the page with all that it loads, the time from the request until a slider
answers, and the time from an input to the changed picture (a display frame of 60 Hz lasts 16.7 ms),
beside the same frames in nested stacks of ipywidgets, which npm fetches for it.
"""

from __future__ import annotations

import json
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import ipywidgets
from ipywidgets.embed import dependency_state
from playwright.sync_api import sync_playwright

from cvlab import plot
from cvlab.classroom.book import build
from cvlab.widgets import Explorer, explore

ROOT = Path(__file__).resolve().parents[2]
PEER = ("@jupyter-widgets/html-manager@1.0.15", "requirejs@2.3.8")
REPEATS = 5
STEPS = 60


def own_page(folder: Path, explorer: Explorer) -> Path:
    """Write a page as the book has it: the frames in a script of their own."""
    import nbformat

    output = nbformat.v4.new_output("display_data", {"text/html": explorer.page()})
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(outputs=[output])])
    for name, content in build.set_aside_frames(folder / "page.ipynb", notebook).items():
        file = folder / Path(name).relative_to("assets")
        file.parent.mkdir(exist_ok=True)
        file.write_bytes(content)
    shutil.copy(ROOT / "book" / "assets" / "explore.js", folder)
    file = folder / "own.html"
    body = notebook["cells"][0]["outputs"][0]["data"]["text/html"]
    file.write_text(
        "<!doctype html><meta charset='utf-8'><title>own</title>"
        f"<script src='explore.js'></script><body>{body}",
        encoding="utf-8",
    )
    return file


def stacked(explorer: Explorer) -> ipywidgets.Widget:
    """The same frames in nested stacks, linked to two sliders."""
    first, second = (explorer._selector(name, 0) for name in explorer.choices)
    layout, style = ipywidgets.Layout(), ipywidgets.HTML().style
    rows = []
    for i in range(len(first.options)):
        frames = [
            ipywidgets.HTML(explorer.frame((i, j)), layout=layout, style=style)
            for j in range(len(second.options))
        ]
        rows.append(ipywidgets.Stack(frames, selected_index=0, layout=layout))
        ipywidgets.jslink((second, "index"), (rows[-1], "selected_index"))
    outer = ipywidgets.Stack(rows, selected_index=0)
    ipywidgets.jslink((first, "index"), (outer, "selected_index"))
    return ipywidgets.VBox([first, second, outer])


def peer_page(folder: Path, widget: ipywidgets.Widget) -> Path:
    """Write a page with a widget's state, as Jupyter Book writes it."""
    done = subprocess.run(
        [shutil.which("npm") or "npm", "install", "--silent", *PEER], cwd=folder, check=False
    )
    if done.returncode:
        sys.exit("npm could not fetch ipywidgets' page library; it needs the network once.")
    state = json.dumps(
        {"version_major": 2, "version_minor": 0, "state": dependency_state([widget])}
    )
    view = json.dumps({"version_major": 2, "version_minor": 0, "model_id": widget.model_id})
    scripts = "".join(
        f'<script src="node_modules/{script}"></script>'
        for script in ("requirejs/require.js", "@jupyter-widgets/html-manager/dist/embed-amd.js")
    )
    file = folder / "peer.html"
    file.write_text(
        f"<!doctype html><meta charset='utf-8'><title>peer</title>{scripts}<body>"
        f"<script type='application/vnd.jupyter.widget-state+json'>{state}</script>"
        f"<script type='application/vnd.jupyter.widget-view+json'>{view}</script>",
        encoding="utf-8",
    )
    return file


# Timed inside the page, from the input to the mutation, so that the driver's own time is not in.
STEP = """async (steps) => {
  const slider = document.querySelectorAll('input[type=range]')[1];
  const handle = document.querySelectorAll('.noUi-handle')[1];
  const shown = () => [...document.querySelectorAll('img.cvlab-frame')]
    .find((image) => image.offsetParent).src;
  const move = (forward) => {
    if (slider) {
      slider.value = Number(slider.value) + (forward ? 1 : -1);
      slider.dispatchEvent(new Event('input', {bubbles: true}));
    } else {
      const key = forward ? 'ArrowRight' : 'ArrowLeft';
      handle.dispatchEvent(new KeyboardEvent('keydown', {key, bubbles: true}));
    }
  };
  const times = [];
  for (let i = 0; i < steps; i++) {
    const before = shown();
    const started = performance.now();
    move(i % 36 < 18);
    while (shown() === before) {
      if (performance.now() - started > 20000) throw new Error('the picture stays');
      await new Promise(requestAnimationFrame);
    }
    times.push(performance.now() - started);
  }
  return times;
}"""


def measure(browser, file: Path) -> tuple[float, float, int]:
    """Return seconds until a slider has answered, median milliseconds a step, and bytes loaded."""
    tab = browser.new_page()
    loaded = set()
    tab.on("request", lambda request: loaded.add(request.url))
    started = time.perf_counter()
    tab.goto(file.as_uri())
    tab.wait_for_selector("img.cvlab-frame")
    tab.evaluate(STEP, 1)
    ready = time.perf_counter() - started
    steps = tab.evaluate(STEP, STEPS)
    tab.close()
    files = [Path(url.removeprefix("file://")) for url in loaded if url.startswith("file://")]
    return ready, statistics.median(steps), sum(path.stat().st_size for path in files)


def main() -> None:
    """Draw, measure, print."""

    def draw(slope: int, offset: int):
        fig, ax = plot.figure(size=(2.4, 1.8))
        ax.plot([0, 1], [offset, offset + slope])
        ax.set(xlabel="input", ylabel="output", ylim=(0, 40), title=f"{slope} x + {offset}")
        return fig

    alt = "A straight line of slope {slope} and offset {offset}"
    explorer = explore(draw, alt=alt, slope=range(20), offset=range(20))
    started = time.perf_counter()
    explorer.page()
    drawing = time.perf_counter() - started
    program = next(filter(None, map(shutil.which, ("chromium", "google-chrome"))))
    with tempfile.TemporaryDirectory() as name, sync_playwright() as playwright:
        folder = Path(name)
        pages = {
            "the book's own script": own_page(folder, explorer),
            "stacks of ipywidgets": peer_page(folder, stacked(explorer)),
        }
        arguments = ["--no-sandbox", "--disable-gpu", "--disable-background-networking"]
        browser = playwright.chromium.launch(executable_path=program, args=arguments)
        taken = {name: [] for name in pages}
        for _ in range(REPEATS):
            for name, file in pages.items():
                taken[name].append(measure(browser, file))
        browser.close()
    print(f"400 frames drawn in {drawing:.1f} s ({drawing / 400 * 1000:.0f} ms each)")
    print("| | loaded (MB) | answers after (s) | one step (ms) |")
    print("|---|---:|---:|---:|")
    for name, rows in taken.items():
        ready, step, weight = (statistics.median(column) for column in zip(*rows, strict=True))
        print(f"| {name} | {weight / 1e6:.2f} | {ready:.2f} | {step:.1f} |")


if __name__ == "__main__":
    main()
