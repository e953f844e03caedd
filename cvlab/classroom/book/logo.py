"""Draw the course's logo and favicon: a 3 x 3 kernel whose middle row is a slider.

Both are SVG made of plain shapes. The letters are strokes, not text, so that they look the same
whichever fonts a reader has. The colours have a contrast of at least 3.5 on white and on the dark
theme's ground, because an image in a page cannot know which of the two it lies on.
"""

from __future__ import annotations

import os
from pathlib import Path

__all__ = ["BLUE", "ORANGE", "favicon_svg", "logo_svg", "write"]

BLUE = "#1F7DB8"
ORANGE = "#DD6508"

# Everything is measured on a mark of 16 x 16 units, so that its edges fall on pixels at 16 px.
SIDE = 16
CELL = 4
PITCH = 6


def _cells() -> list[str]:
    """Return the six cells of the kernel's upper and lower row."""
    corners = [(PITCH * column, PITCH * row) for row in (0, 2) for column in range(3)]
    return [
        f'<rect x="{x}" y="{y}" width="{CELL}" height="{CELL}" rx="0.8" fill="{BLUE}"/>'
        for x, y in corners
    ]


def _slider() -> list[str]:
    """Return the middle row: a track and, right of its middle, the handle."""
    middle = SIDE / 2
    # A gap around the handle keeps it apart from the track, also at 16 px.
    return [
        f'<rect x="0" y="{middle - 1:g}" width="6" height="2" rx="1" fill="{BLUE}"/>',
        f'<rect x="14" y="{middle - 1:g}" width="2" height="2" rx="1" fill="{BLUE}"/>',
        f'<circle cx="10" cy="{middle:g}" r="3" fill="{ORANGE}"/>',
    ]


def _letters() -> list[str]:
    """Return the strokes of the word "cvlab"; the baseline is at y = 12, the x-height 7 units."""
    radius, middle, top, ascender, base = 3.5, 8.5, 5, 1, 12
    # The arc's ends lie at 45 degrees, hence the factor.
    reach = radius * 0.5**0.5
    end = 24.5 + reach
    bowl = f"a{radius} {radius} 0 1 0 {2 * radius} 0a{radius} {radius} 0 1 0 {-2 * radius} 0"
    return [
        f"M{end:.2f} {middle - reach:.2f}A{radius} {radius} 0 1 0 {end:.2f} {middle + reach:.2f}",
        f"M30 {top}L33.2 {base}L36.4 {top}",
        f"M39.8 {ascender}V{base}",
        f"M43.2 {middle}{bowl}M50.2 {top}V{base}",
        f"M53.8 {middle}{bowl}M53.8 {ascender}V{base}",
    ]


def _document(width: float, height: float, shapes: list[str]) -> str:
    size = f'viewBox="0 0 {width:g} {height:g}" width="{4 * width:g}" height="{4 * height:g}"'
    head = f'<svg xmlns="http://www.w3.org/2000/svg" {size} role="img" aria-label="cvlab">'
    return "\n".join([head, "<title>cvlab</title>", *shapes, "</svg>"]) + "\n"


def favicon_svg() -> str:
    """Return the mark alone, an SVG of 16 x 16 units.

    >>> favicon_svg().count("<rect"), favicon_svg().count("<circle")
    (8, 1)
    """
    return _document(SIDE, SIDE, [*_cells(), *_slider()])


def logo_svg() -> str:
    """Return the mark with the word "cvlab" beside it, an SVG of 62 x 16 units.

    >>> logo_svg().startswith("<svg")
    True
    """
    word = (
        f'<path d="{"".join(_letters())}" fill="none" stroke="{BLUE}" stroke-width="2" '
        'stroke-linecap="round" stroke-linejoin="round"/>'
    )
    return _document(62, SIDE, [*_cells(), *_slider(), word])


def write(folder: str | os.PathLike[str]) -> tuple[Path, Path]:
    """Write ``logo.svg`` and ``favicon.svg`` into a folder, which is made if it is missing.

    Args:
        folder: where to write.

    Returns:
        The two paths.

    Raises:
        ValueError: if ``folder`` is a file.

    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     [path.name for path in write(folder)]
    ['logo.svg', 'favicon.svg']
    """
    folder = Path(folder)
    if folder.exists() and not folder.is_dir():
        raise ValueError(f"{folder} is a file; name a folder to write the logo into.")
    folder.mkdir(parents=True, exist_ok=True)
    logo, favicon = folder / "logo.svg", folder / "favicon.svg"
    logo.write_text(logo_svg(), encoding="utf-8")
    favicon.write_text(favicon_svg(), encoding="utf-8")
    return logo, favicon
