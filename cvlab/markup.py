"""From a matplotlib figure to markup that is legible on a laptop, on a phone and at night.

A page shows a figure as it was drawn. Where its letters would fall under nine pixels on a phone, a
second, narrow picture goes with it: the same axes in fewer columns. In the dark theme everything
but photographs and colour maps is inverted, by a layer over the picture that leaves them out.
"""

from __future__ import annotations

import base64
import html
import io
import sys
import textwrap
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from PIL import Image

__all__ = ["checked_alt", "close", "encode", "html_of", "narrowed", "rasterise", "smallest_letters"]

#: CSS pixels that a phone's page leaves for a picture, and the smallest letters to be read there.
PHONE = 358
LEGIBLE = 9.0

_NARROW = 3.6  # inches
_POINTS = 72  # per inch
_MANY = 24  # images of one figure; beyond them one box around all is spared, not each


def rasterise(fig: Figure) -> np.ndarray:
    """Draw a figure into pixels.

    Returns:
        uint8 array (H, W, 3) over white.
    """
    from matplotlib.backends.backend_agg import FigureCanvasAgg

    # A pyplot figure may carry the canvas of a notebook backend; an Agg canvas reads its pixels.
    canvas = FigureCanvasAgg(fig)
    if any(ax.get_label() == "<colorbar>" or ax.name == "3d" for ax in fig.axes):
        # Beside these the layout settles in its second round; others move by less than 0.1 pixel.
        fig.draw_without_rendering()
    canvas.draw()
    rgba = np.asarray(canvas.buffer_rgba(), dtype=np.float32)
    alpha = rgba[..., 3:] / 255
    return np.rint(rgba[..., :3] * alpha + 255 * (1 - alpha)).astype(np.uint8)


def close(fig: Figure) -> None:
    """Close a figure that pyplot keeps, so that no second copy appears in a notebook."""
    if "matplotlib.pyplot" in sys.modules:
        sys.modules["matplotlib.pyplot"].close(fig)


def checked_alt(alt: str) -> str:
    """Return alternative text on one line.

    Raises:
        ValueError: if it is no string or shorter than ten characters.
    """
    if not isinstance(alt, str) or len(alt.strip()) < 10:
        raise ValueError(
            "alt must be a sentence that tells what the figure shows, for readers who cannot see "
            f"it; got {alt!r}."
        )
    return " ".join(alt.split())


def html_of(fig: Figure, alt: str, kind: str, *, colours: int = 256, quality: int = 82) -> str:
    """Return the HTML of a figure: a picture, a narrow one if it needs one, and their nights.

    Args:
        fig: it is closed, and changed if it needs a narrow picture.
        alt: alternative text, as from `checked_alt`.
        kind: CSS class of the image.
        colours: see `encode`.
        quality: see `encode`.
    """
    pixels, night = rasterise(fig), _night(fig, "wide")
    height, width = pixels.shape[:2]
    wide = encode(pixels, colours=colours, quality=quality)
    source = ""
    if smallest_letters(fig) < LEGIBLE and narrowed(fig):
        pixels = rasterise(fig)
        night += _night(fig, "narrow")
        narrow = encode(pixels, colours=colours, quality=quality)
        source = (
            f'<source media="(max-width: 576px)" width="{pixels.shape[1]}" '
            f'height="{pixels.shape[0]}" srcset="{narrow}">'
        )
    close(fig)
    return (
        f'<span class="cvlab-plate"><picture>{source}<img class="{kind}" alt="{html.escape(alt)}" '
        f'width="{width}" height="{height}" src="{wide}"></picture>{night}</span>'
    )


def smallest_letters(fig: Figure) -> float:
    """Return the CSS pixels of a figure's smallest letters on a phone, infinite without letters."""
    scale = min(1.0, PHONE / (fig.get_figwidth() * fig.dpi))
    sizes = [text.get_fontsize() for text in _texts(fig)]
    return min(sizes, default=float("inf")) * fig.dpi / _POINTS * scale


def _texts(fig: Figure) -> list:
    from matplotlib.text import Text

    def shown(text: Text) -> bool:
        axes = text.axes
        return bool(
            text.get_visible() and text.get_text().strip() and (axes is None or axes.get_visible())
        )

    return [text for text in fig.findobj(Text) if shown(text)]


def narrowed(fig: Figure) -> bool:
    """Rearrange a figure for a phone, in place; return whether it could be done.

    A grid of axes gets fewer columns, headings are wrapped, and letters are at least legible.
    Figures with nested grids or with axes that span several cells are left as they are.
    """
    from matplotlib.gridspec import GridSpec

    panels = [ax for ax in fig.axes if ax.get_subplotspec() is not None]
    grids = {ax.get_subplotspec().get_gridspec() for ax in panels}
    single = all(ax.get_subplotspec().num1 == ax.get_subplotspec().num2 for ax in panels)
    if len(grids) != 1 or not single or fig.subfigs:
        return False
    grid = grids.pop()
    old_width, old_height = fig.get_size_inches()
    columns = max(1, min(grid.ncols, int(_NARROW // (old_width / grid.ncols))))
    panels = [ax for ax in panels if not _empty(ax)] or panels
    if columns < grid.ncols:
        rows = -(-len(panels) // columns)
        fresh = GridSpec(rows, columns, figure=fig)
        for index, ax in enumerate(panels):
            ax.set_subplotspec(fresh[index // columns, index % columns])
        for ax in set(fig.axes) - set(panels):
            if ax.get_subplotspec() is not None:
                ax.remove()
        _show_shared_labels(panels)
    else:
        rows = grid.nrows
    cell = old_height / grid.nrows
    if all(ax.images for ax in panels):  # keep their shape
        cell *= (_NARROW / columns) / (old_width / grid.ncols)
    fig.set_size_inches(_NARROW, max(1.0, rows * max(cell, 0.5)))
    least = LEGIBLE * _POINTS / fig.dpi * max(1.0, _NARROW * fig.dpi / PHONE)
    for text in _texts(fig):
        text.set_fontsize(max(text.get_fontsize(), least))
    _wrap(fig, panels, columns)
    return True


def _empty(ax: Axes) -> bool:
    return not ax.axison and not ax.has_data() and not ax.texts


def _show_shared_labels(panels: list[Axes]) -> None:
    """Give axes that borrowed the numbers and the label of a neighbour their own."""
    for axis in ("x", "y"):
        named = [getattr(ax, f"get_{axis}label")() for ax in panels]
        for ax, name in zip(panels, named, strict=True):
            group = getattr(ax, f"get_shared_{axis}_axes")().get_siblings(ax)
            if len(group) < 2:
                continue
            ax.tick_params(**{"labelbottom" if axis == "x" else "labelleft": True})
            borrowed = [each for each in named if each]
            if not name and borrowed:
                getattr(ax, f"set_{axis}label")(borrowed[0])


def _wrap(fig: Figure, panels: list[Axes], columns: int) -> None:
    """Break headings that are wider than their panel."""

    def broken(text: str, size: float, inches: float) -> str:
        letters = max(8, int(inches * _POINTS / (0.56 * size)))
        return "\n".join(
            "\n".join(textwrap.wrap(line, letters, break_long_words=False)) or line
            for line in text.split("\n")
        )

    for ax in panels:
        title = ax.title
        title.set_text(broken(title.get_text(), title.get_fontsize(), _NARROW / columns))
    if fig.get_suptitle():
        size = fig._suptitle.get_fontsize()
        fig.suptitle(broken(fig.get_suptitle(), size, _NARROW), fontsize=size)


def _night(fig: Figure, width: str) -> str:
    """Return the layer that inverts a figure in the dark theme, but for its images."""
    # Chromium filters the whole bounding box of a `clip-path`, but heeds a mask.
    outline = "M0 0H100V100H0Z" + "".join(
        f"M{left:.2f} {top:.2f}H{right:.2f}V{bottom:.2f}H{left:.2f}Z"
        for left, top, right, bottom in _spared(fig)
    )
    image = (
        "%3Csvg xmlns=%22http://www.w3.org/2000/svg%22 viewBox=%220 0 100 100%22 "
        f"preserveAspectRatio=%22none%22%3E%3Cpath fill-rule=%22evenodd%22 d=%22{outline}%22/%3E"
        "%3C/svg%3E"
    )
    mask = f"url('data:image/svg+xml,{image}') 0 0/100% 100%"
    style = f' style="-webkit-mask:{mask};mask:{mask}"' if "M" in outline[1:] else ""
    return f'<span class="cvlab-night cvlab-{width}" aria-hidden="true"{style}></span>'


def _spared(fig: Figure) -> list[tuple[float, float, float, float]]:
    """Return left, top, right, bottom of a figure's images, in per cent of its size."""
    boxes = []
    for ax in fig.axes:
        # A colour bar keeps the colours of its map, and they are no image of matplotlib's.
        if ax.get_visible() and (ax.images or ax.get_label() == "<colorbar>"):
            box = ax.get_window_extent()
            boxes.append((box.x0, box.y0, box.x1, box.y1))
    if not boxes:
        return []
    found = np.array(boxes) / np.array([fig.bbox.width, fig.bbox.height] * 2)
    if len(found) > _MANY:
        found = np.array([[*found[:, :2].min(0), *found[:, 2:].max(0)]])
    found = 100 * np.clip(found, 0, 1)
    return [(x0, 100 - y1, x1, 100 - y0) for x0, y0, x1, y1 in found.tolist()]


def encode(pixels: np.ndarray, *, colours: int = 256, quality: int = 82) -> str:
    """Encode uint8 pixels (H, W, 3) as a data URL in WebP, light and deterministic.

    Args:
        pixels: of a figure.
        colours: what has at most eight times as many is kept without loss; what a palette of so
            many hardly changes goes to it, and lines and letters stay sharp.
        quality: of the lossy mode, 0 to 100, which a photograph gets that a palette would
            posterise.
    """
    from PIL import Image

    image = Image.fromarray(pixels)
    if image.getcolors(maxcolors=8 * colours) is not None:  # lines, letters and their edges
        return _webp(image, lossless=True)
    # Median cut would merge the rare colour of a thin line into a frequent one.
    palette = image.quantize(colours, Image.Quantize.FASTOCTREE, dither=Image.Dither.NONE)
    palette = palette.convert("RGB")
    error = np.abs(np.asarray(palette, dtype=np.int16) - pixels).mean()
    if error < (2 if colours <= 64 else 0.7):  # of 255, over all pixels
        return _webp(palette, lossless=True)
    return _webp(image, lossless=False, quality=quality)


def _webp(image: Image.Image, *, lossless: bool, quality: int = 60) -> str:
    buffer = io.BytesIO()
    image.save(buffer, "WEBP", lossless=lossless, quality=quality, method=4)
    return "data:image/webp;base64," + base64.b64encode(buffer.getvalue()).decode("ascii")
