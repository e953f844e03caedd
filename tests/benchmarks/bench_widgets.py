"""How fast a static page with 400 frames answers, and a step of its slider, in headless Chromium.

    python tests/benchmarks/bench_widgets.py

Prints the weight of the page's widgets, the time from the request to the first visible frame, and
the time from a key press to the changed picture (a display frame of 60 Hz lasts 16.7 ms), beside
the same 400 frames drawn with a layout and a style of their own each. Needs a built book
(`make book SERVE=0`), whose browser libraries it uses.
"""

from __future__ import annotations

import json
import shutil
import statistics
import sys
import tempfile
import time
from pathlib import Path

import ipywidgets
from ipywidgets.embed import dependency_state
from playwright.sync_api import sync_playwright

from cvlab import plot
from cvlab.widgets import Explorer, explore

VENDOR = Path(__file__).resolve().parents[2] / "_build" / "html" / "_static" / "vendor"
REPEATS = 5
STEPS = 60


def page(folder: Path, name: str, widget: ipywidgets.Widget) -> tuple[Path, int]:
    """Write a page with one widget; return its file and the weight of its state in bytes."""
    state = json.dumps(
        {"version_major": 2, "version_minor": 0, "state": dependency_state([widget])}
    )
    view = json.dumps({"version_major": 2, "version_minor": 0, "model_id": widget.model_id})
    scripts = "".join(
        f'<script src="vendor/{script}"></script>'
        for script in ("require.js", "@jupyter-widgets/html-manager/dist/embed-amd.js")
    )
    file = folder / f"{name}.html"
    file.write_text(
        f"<!doctype html><meta charset='utf-8'><title>{name}</title>{scripts}<body>"
        f"<script type='application/vnd.jupyter.widget-state+json'>{state}</script>"
        f"<script type='application/vnd.jupyter.widget-view+json'>{view}</script>",
        encoding="utf-8",
    )
    return file, len(state)


def unshared(explorer: Explorer) -> ipywidgets.Widget:
    """The same widget with a layout and a style of its own for each frame."""
    first, second = explorer._sliders()
    rows = []
    for i in range(len(first.options)):
        frames = [ipywidgets.HTML(explorer.frame((i, j))) for j in range(len(second.options))]
        rows.append(ipywidgets.Stack(frames, selected_index=0))
        ipywidgets.jslink((second, "index"), (rows[-1], "selected_index"))
    outer = ipywidgets.Stack(rows, selected_index=0)
    ipywidgets.jslink((first, "index"), (outer, "selected_index"))
    return ipywidgets.VBox([first, second, outer])


def measure(browser, file: Path) -> tuple[float, float]:
    """Return seconds to the first frame and median milliseconds a step."""
    tab = browser.new_page()
    started = time.perf_counter()
    tab.goto(file.as_uri())
    tab.wait_for_selector("img.cvlab-frame")
    opened = time.perf_counter() - started
    tab.locator(".noUi-handle").nth(1).focus()
    # Timed inside the page, from the key to the mutation, so that the driver's own time is not in.
    steps = tab.evaluate(
        """async (steps) => {
          const handle = document.querySelectorAll('.noUi-handle')[1];
          const shown = () => [...document.querySelectorAll('img.cvlab-frame')]
            .find((image) => image.offsetParent).src;
          const times = [];
          for (let i = 0; i < steps; i++) {
            const before = shown();
            const key = i % 38 < 19 ? 'ArrowRight' : 'ArrowLeft';
            const started = performance.now();
            handle.dispatchEvent(new KeyboardEvent('keydown', {key, bubbles: true}));
            while (shown() === before) {
              if (performance.now() - started > 2000) throw new Error('the picture stays');
              await new Promise(requestAnimationFrame);
            }
            times.push(performance.now() - started);
          }
          return times;
        }""",
        STEPS,
    )
    tab.close()
    return opened, statistics.median(steps)


def main() -> None:
    """Draw, measure, print."""
    if not VENDOR.exists():
        sys.exit("The book is not built with its own libraries: run `make book SERVE=0` first.")

    def draw(slope: int, offset: int):
        fig, ax = plot.figure(size=(4.2, 3.0))
        ax.plot([0, 1], [offset, offset + slope])
        ax.set(xlabel="input", ylabel="output", ylim=(0, 40), title=f"{slope} x + {offset}")
        return fig

    alt = "A straight line of slope {slope} and offset {offset}"
    explorer = explore(draw, alt=alt, slope=range(20), offset=range(20))
    started = time.perf_counter()
    shared = explorer.widget(static=True)
    drawing = time.perf_counter() - started
    program = next(filter(None, map(shutil.which, ("chromium", "google-chrome"))))
    with tempfile.TemporaryDirectory() as folder, sync_playwright() as playwright:
        shutil.copytree(VENDOR, Path(folder) / "vendor")
        pages = {
            "shared layout and style": page(Path(folder), "shared", shared),
            "a layout and style each": page(Path(folder), "unshared", unshared(explorer)),
        }
        arguments = ["--no-sandbox", "--disable-gpu", "--disable-background-networking"]
        browser = playwright.chromium.launch(executable_path=program, args=arguments)
        taken = {name: [] for name in pages}
        for _ in range(REPEATS):
            for name, (file, _weight) in pages.items():
                taken[name].append(measure(browser, file))
        browser.close()
    print(f"400 frames drawn in {drawing:.1f} s ({drawing / 400 * 1000:.0f} ms each)")
    print(f"{'':26s} {'weight':>9s} {'first frame':>12s} {'one step':>9s}")
    for name, (_file, weight) in pages.items():
        opened = statistics.median(time for time, _ in taken[name])
        step = statistics.median(time for _, time in taken[name])
        print(f"{name:26s} {weight / 1e6:6.2f} MB {opened:10.2f} s {step:6.1f} ms")


if __name__ == "__main__":
    main()
