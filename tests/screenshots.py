"""Make the pictures of the instructor's guide: grade the sample class, photograph its pages.

``python tests/screenshots.py`` runs the commands that stand in the guide's tour in a new folder,
prints what they print, and writes the pictures into ``book/assets/``, reduced to a palette of 128
colours. Nothing on them is measured, so two runs on one machine write the same pictures.
"""

from __future__ import annotations

import io
import os
import shutil
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
ASSETS = ROOT / "book" / "assets"
COLOURS = 128
MARGIN = 32  # pixels beside the text of a page
MOST_BYTES = 200_000
SEED = 7
GRADE = [
    *("cvlab", "grade", "class/submitted", "--exercise", "01_knn"),
    *("--roster", "class/roster.csv", "--due", "2030-03-15T18:00+01:00", "--late", "0.1"),
    *("--out", "grades", "--seed", str(SEED)),
]


@dataclass(frozen=True)
class Picture:
    """A part of a page: from its top to the end of the element `until`, or to its own end."""

    name: str
    page: str
    width: int
    scheme: str = "light"
    until: str = ""


PICTURES = (
    Picture("grading_class", "class.html", 1200, until="div[aria-labelledby=flagged]"),
    Picture("grading_student", "students/jniguez-*.html", 1200, until=".task >> nth=1"),
    Picture("grading_phone", "students/elavi-*.html", 390, until=".task >> nth=0"),
)


def photograph(browser: Any, grades: Path, picture: Picture) -> bytes:
    """Return a picture of a page as PNG with a palette."""
    from PIL import Image

    (page_file,) = grades.glob(picture.page)
    viewport = {"width": picture.width, "height": 900}
    context = browser.new_context(
        viewport=viewport,
        color_scheme=picture.scheme,
        device_scale_factor=2 if picture.width < 600 else 1,
    )
    page = context.new_page()
    page.goto(page_file.as_uri(), wait_until="load")
    box = page.locator(picture.until or "body").bounding_box()
    margin = max(0, box["x"] - MARGIN)
    height = box["y"] + box["height"] + 12
    clip = {"x": margin, "y": 0, "width": picture.width - 2 * margin, "height": height}
    data = page.screenshot(full_page=True, clip=clip)
    context.close()
    image = Image.open(io.BytesIO(data)).convert("RGB")
    packed = io.BytesIO()
    image.quantize(COLOURS, dither=Image.Dither.NONE).save(packed, "PNG", optimize=True)
    return packed.getvalue()


def main() -> None:
    """Run the tour and write the pictures."""
    from playwright.sync_api import sync_playwright

    names = ("chromium", "chromium-browser", "google-chrome")
    program = os.environ.get("CVLAB_CHROMIUM") or next(filter(None, map(shutil.which, names)), None)
    if program is None:
        sys.exit("No Chromium found; install it or set CVLAB_CHROMIUM.")
    with tempfile.TemporaryDirectory() as folder, sync_playwright() as playwright:
        made = [sys.executable, str(ROOT / "tests" / "sample_class.py"), "class"]
        subprocess.run(made, cwd=folder, check=True)
        command = [str(Path(sys.executable).with_name(GRADE[0])), *GRADE[1:]]
        subprocess.run(command, cwd=folder, check=True)
        browser = playwright.chromium.launch(
            executable_path=program, args=["--no-sandbox", "--disable-gpu"]
        )
        for picture in PICTURES:
            data = photograph(browser, Path(folder) / "grades", picture)
            if len(data) > MOST_BYTES:
                sys.exit(f"{picture.name} has {len(data):,} bytes; at most {MOST_BYTES:,}.")
            (ASSETS / f"{picture.name}.png").write_bytes(data)
            print(f"book/assets/{picture.name}.png: {len(data):,} bytes")
        browser.close()


if __name__ == "__main__":
    main()
