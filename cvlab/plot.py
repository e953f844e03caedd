"""Figures of the course: images, boxes, masks, curves, decision regions, and `show` with alt text.

Pictures of disparities, flows and points in space come from ``plot_space`` and are names of this
module too.

Every function returns a matplotlib ``Figure`` that is not attached to pyplot, so nothing appears
twice and nothing leaks. ``show(figure, alt=...)`` puts it on the page.
"""

from __future__ import annotations

import html
import re
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from cvlab import markup
from cvlab.plot_space import disparity, flow_colours, flow_wheel, point_cloud

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from numpy.typing import ArrayLike

__all__ = [
    "COLOURS",
    "boxes",
    "curves",
    "decision_regions",
    "disparity",
    "figure",
    "flow_colours",
    "flow_wheel",
    "heatmap",
    "images",
    "masks",
    "point_cloud",
    "show",
    "table",
    "typeset",
    "use_style",
]

#: Okabe and Ito's, told apart with any common colour blindness; yellow would vanish on white.
COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000")

#: Line styles go with the colours, so that curves also differ in print.
LINE_STYLES = ("-", "--", "-.", ":", (0, (5, 1)), (0, (3, 1, 1, 1)), (0, (1, 1)))

_DPI = 110


def use_style() -> None:
    """Set matplotlib's defaults to the course's: white ground, colour-blind-safe, readable sizes.

    The ground is opaque white in both themes of the book, so that a colour means the same in both.
    """
    import matplotlib
    from cycler import cycler

    matplotlib.rcParams.update(
        {
            "axes.edgecolor": "#444444",
            "axes.grid": False,
            "axes.labelsize": 10,
            "axes.prop_cycle": cycler(color=COLOURS),
            "axes.spines.right": False,
            "axes.spines.top": False,
            "axes.titlesize": 10.5,
            "figure.constrained_layout.use": True,
            "figure.dpi": _DPI,
            "figure.facecolor": "white",
            "font.family": "DejaVu Sans",
            "font.size": 10,
            "image.cmap": "gray",
            "image.interpolation": "nearest",
            "legend.frameon": False,
            "legend.fontsize": 9,
            "lines.linewidth": 1.8,
            "savefig.facecolor": "white",
        }
    )


def figure(
    rows: int = 1, columns: int = 1, *, size: tuple[float, float] | None = None, **subplot_options
) -> tuple[Figure, Any]:
    """Make a figure with a grid of axes, outside pyplot.

    Args:
        rows: number of rows of axes.
        columns: number of columns.
        size: width and height in inches; by default 5.2 x 3.4 for one cell, wider for more.
        subplot_options: handed to ``Figure.subplots`` (``sharex=True``, ...).

    Returns:
        The figure, and one ``Axes`` or an array of them, as from ``plt.subplots``.

    >>> fig, ax = figure()
    >>> ax.set_title("One pair of axes").get_text()
    'One pair of axes'
    """
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    if size is None:
        size = (5.2, 3.4) if rows == columns == 1 else (min(7.5, 2.9 * columns), 2.7 * rows)
    fig = Figure(figsize=size, dpi=_DPI, facecolor="white", layout="constrained")
    FigureCanvasAgg(fig)
    return fig, fig.subplots(rows, columns, **subplot_options)


def show(fig: Figure, *, alt: str) -> None:
    """Display a figure with alternative text, in a notebook or in the book.

    Args:
        fig: the figure; a pyplot figure is closed, so that no second copy appears.
        alt: one sentence that tells what the figure shows to those who cannot see it.

    Raises:
        TypeError: if ``fig`` is not a matplotlib figure.
        ValueError: if ``alt`` is empty or shorter than ten characters.
    """
    from IPython.display import display
    from matplotlib.figure import Figure

    if not isinstance(fig, Figure):
        raise TypeError(f"show takes a matplotlib Figure, not {type(fig).__name__}.")
    alt = markup.checked_alt(alt)
    tag = markup.html_of(fig, alt, "cvlab-figure")
    display({"text/html": tag, "text/plain": f"[Figure: {alt}]"}, raw=True)


_SUPERSCRIPTS = str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹")


def typeset(number: str) -> str:
    """Write a formatted number as a book does: a minus sign, and powers of ten.

    >>> typeset("-0.12"), typeset("1e-06"), typeset("-3.2e+05")
    ('−0.12', '10⁻⁶', '−3.2 × 10⁵')
    """
    found = re.fullmatch(r"(-?)(\d[\d.,]*)(?:[eE]([+-]?\d+))?", number)
    if found is None:
        return number
    sign, digits, exponent = found.groups()
    if exponent is not None:
        power = f"10{str(int(exponent)).translate(_SUPERSCRIPTS)}"
        digits = power if float(digits) == 1 else f"{digits} × {power}"
    return ("−" if sign else "") + digits


def table(
    rows: Sequence[Sequence[Any]], columns: Sequence[str], *, caption: str, digits: int = 3
) -> None:
    """Display measured results as a table with a caption.

    Args:
        rows: one sequence of cells a row; floats are rounded, and keep zeros as their column does.
        columns: headings, one a column.
        caption: what the table shows and under which conditions.
        digits: significant digits of floats.

    Raises:
        ValueError: if a row has another number of cells than there are columns.
    """
    from IPython.display import display

    def decimals(cell: Any, kind: str = "") -> int:
        shown = f"{cell:{kind}.{digits}g}" if isinstance(cell, (float, np.floating)) else ""
        return 0 if "e" in shown else len(shown.partition(".")[2])

    def text(cell: Any, places: int = 0) -> str:
        if not isinstance(cell, (float, np.floating)):
            whole = isinstance(cell, (int, np.integer)) and not isinstance(cell, bool)
            return typeset(f"{cell:,}") if whole else str(cell)
        if 10**digits <= abs(float(f"{cell:.{digits}g}")) < 10**15:
            return typeset(f"{cell:,.0f}")
        kept = min(places, decimals(cell, "#"))
        return typeset(f"{cell:.{kept}f}" if kept else f"{cell:.{digits}g}")

    for row in rows:
        if len(row) != len(columns):
            raise ValueError(f"a row has {len(row)} cells for {len(columns)} columns: {row!r}.")
    head = "".join(f'<th scope="col">{html.escape(name)}</th>' for name in columns)
    places = [max(map(decimals, column)) for column in zip(*rows, strict=True)]
    cells = [list(map(text, row, places)) for row in rows]
    tagged = [[f"<td>{html.escape(cell)}</td>" for cell in row] for row in cells]
    body = "".join(f"<tr>{''.join(row)}</tr>" for row in tagged)
    name = html.escape(caption)
    # The caption stands outside the part that scrolls, or a phone would cut it off.
    shown = (
        f'<figure class="cvlab-table"><figcaption>{name}</figcaption>'
        f'<div tabindex="0" role="region" aria-label="{name}"><table>'
        f"<thead><tr>{head}</tr></thead><tbody>{body}</tbody></table></div></figure>"
    )
    plain = "\n".join(map(" | ".join, [list(columns), *cells]))
    display({"text/html": shown, "text/plain": f"{caption}\n{plain}"}, raw=True)


def _as_image(image: ArrayLike) -> np.ndarray:
    array = np.asarray(image.detach().cpu() if hasattr(image, "detach") else image)
    if array.dtype.kind not in "biuf":
        raise ValueError(f"an image holds numbers, not {array.dtype}.")
    if array.ndim == 3 and array.shape[0] in (1, 3) and array.shape[2] not in (1, 3):
        array = np.moveaxis(array, 0, 2)  # torch's channels-first order
    if array.ndim == 3 and array.shape[2] == 1:
        array = array[..., 0]
    if array.size == 0 or not (array.ndim == 2 or (array.ndim == 3 and array.shape[2] == 3)):
        raise ValueError(f"an image has shape (H, W), (H, W, 3) or (3, H, W), not {array.shape}.")
    return array


def _draw_image(
    ax: Axes, picture: ArrayLike, limits: tuple[float, float] | None = (0.0, 1.0)
) -> np.ndarray:
    """Draw an image with its brightness as it is; ``limits`` None stretches grey ones."""
    image = _as_image(picture)
    if image.dtype == np.uint8:
        limits = limits and (0, 255)
    elif np.issubdtype(image.dtype, np.integer) and limits is not None:
        raise ValueError(
            f"an image of type {image.dtype} has no known white: give uint8, or floats in [0, 1]."
        )
    elif np.issubdtype(image.dtype, np.floating) and limits == (0.0, 1.0):
        _check_range(image)
    if image.ndim == 3 and image.dtype != np.uint8:
        image = np.clip(image, 0, 1)
    low, high = limits or (None, None)
    ax.imshow(image, cmap="gray", vmin=low, vmax=high)
    return image


def _check_range(image: np.ndarray) -> None:
    """Refuse floats that were meant to be 0 to 255, which would be drawn white.

    A sharpened or noisy image leaves [0, 1] by a little, which is clipped, and not by ten times.
    """
    most = image[np.isfinite(image)].max(initial=0.0)
    if most > 10:
        raise ValueError(
            f"an image of floats is drawn from 0 (black) to 1 (white), but this one reaches "
            f"{most:.3g}: divide it by 255, or say what is white with limits=(0, {most:.3g})."
        )


def images(
    pictures: Sequence[ArrayLike],
    titles: Sequence[str] | None = None,
    *,
    columns: int | None = None,
    cell: float = 1.4,
    limits: tuple[float, float] | None = (0.0, 1.0),
    title: str | None = None,
) -> Figure:
    """Show images side by side.

    Args:
        pictures: arrays (H, W), (H, W, 3) or (3, H, W); floats in [0, 1] or uint8.
        titles: one short string an image.
        columns: images a row; all in one row up to eight by default.
        cell: width of an image in inches.
        limits: grey values drawn black and white; None stretches each image. uint8 uses 0 and 255.
        title: heading of the whole figure.

    Raises:
        ValueError: for no image, a wrong shape, or another number of titles than images.

    >>> len(images([np.zeros((4, 4)), np.ones((4, 4))], ["black", "white"]).axes)
    2
    """
    if len(pictures) == 0:
        raise ValueError("images needs at least one image.")
    if titles is not None and len(titles) != len(pictures):
        raise ValueError(f"{len(pictures)} images need as many titles, not {len(titles)}.")
    columns = min(8, len(pictures)) if columns is None else columns
    if columns < 1:
        raise ValueError(f"images needs at least one column, not {columns}.")
    rows = -(-len(pictures) // columns)
    shapes = [_as_image(picture).shape for picture in pictures]
    aspect = max(shape[0] / shape[1] for shape in shapes)
    lines = max((text.count("\n") + 1 for text in titles), default=0) if titles else 0
    height = rows * (cell * aspect + 0.19 * lines + 0.06) + (0.3 if title else 0)
    fig, axes = figure(rows, columns, size=(columns * cell, height), squeeze=False)
    for ax in axes.flat:
        ax.set_axis_off()
    for index, (picture, ax) in enumerate(zip(pictures, axes.flat, strict=False)):
        _draw_image(ax, picture, limits)
        if titles is not None:
            ax.set_title(titles[index], fontsize=9)
    if title:
        fig.suptitle(title, fontsize=10.5)
    return fig


def boxes(
    image: ArrayLike,
    xyxy: ArrayLike,
    labels: Sequence[str] | None = None,
    *,
    colour: str = COLOURS[1],
    ax: Axes | None = None,
) -> Figure:
    """Draw boxes over an image.

    Args:
        image: (H, W), (H, W, 3) or (3, H, W).
        xyxy: (N, 4) corners x1, y1, x2, y2 in pixels; N may be 0.
        labels: one string a box.
        colour: of lines and labels.
        ax: axes to draw into; a new figure by default.

    Raises:
        ValueError: if the boxes have another shape, or labels another number.
    """
    from matplotlib.patches import Rectangle

    corners = np.asarray(xyxy, dtype=float).reshape(-1, 4) if np.size(xyxy) == 0 else xyxy
    corners = np.asarray(corners, dtype=float)
    if corners.ndim != 2 or corners.shape[1] != 4:
        raise ValueError(f"boxes have shape (N, 4), x1 y1 x2 y2 in pixels, not {corners.shape}.")
    if not np.isfinite(corners).all():
        raise ValueError("a box has a corner that is not finite; leave such boxes out.")
    if labels is not None and len(labels) != len(corners):
        raise ValueError(f"{len(corners)} boxes need as many labels, not {len(labels)}.")
    ax = ax if ax is not None else figure(size=(3.4, 3.4))[1]
    _draw_image(ax, image)
    ax.set_axis_off()
    for index, (x1, y1, x2, y2) in enumerate(corners):
        # Pixel centres lie at integers, so a box from edge to edge starts half a pixel earlier.
        ax.add_patch(
            Rectangle((x1 - 0.5, y1 - 0.5), x2 - x1, y2 - y1, fill=False, edgecolor=colour, lw=2)
        )
        if labels is not None:
            ax.text(
                x1,
                y1,
                labels[index],
                fontsize=8,
                color="white",
                va="bottom",
                bbox={"facecolor": colour, "edgecolor": "none", "pad": 1},
            )
    return ax.figure


def masks(
    image: ArrayLike, labels: ArrayLike, *, opacity: float = 0.5, ax: Axes | None = None
) -> Figure:
    """Tint the pixels of each label of a mask; label 0 is the background and stays clear.

    Args:
        image: (H, W) or (H, W, 3) in [0, 1].
        labels: (H, W) integers.
        opacity: of the tint, in [0, 1].
        ax: axes to draw into; a new figure by default.

    Raises:
        ValueError: if mask and image differ in size.
    """
    from matplotlib.colors import to_rgb

    picture = _as_image(image)
    labels = np.asarray(labels)
    if labels.shape != picture.shape[:2]:
        raise ValueError(f"the mask is {labels.shape} but the image {picture.shape[:2]}.")
    if not np.isfinite(labels).all() or not 0 <= opacity <= 1:
        raise ValueError("masks needs finite labels and an opacity between 0 and 1.")
    palette = np.array([to_rgb(colour) for colour in COLOURS[:-1]])
    ax = ax if ax is not None else figure(size=(3.4, 3.4))[1]
    _draw_image(ax, picture)
    tint = np.zeros((*labels.shape, 4))
    tint[..., :3] = palette[(labels.astype(int) - 1) % len(palette)]
    tint[..., 3] = opacity * (labels > 0)
    ax.imshow(tint)
    ax.set_axis_off()
    return ax.figure


def heatmap(
    values: ArrayLike,
    *,
    x_label: str,
    y_label: str,
    x_ticks: Sequence[str] | None = None,
    y_ticks: Sequence[str] | None = None,
    title: str | None = None,
    bar_label: str | None = None,
    annotate: str | None = None,
    ax: Axes | None = None,
) -> Figure:
    """Draw a matrix as colours, with labelled axes and, if asked, the numbers in the cells.

    Args:
        values: (rows, columns), finite.
        x_label: what the columns are.
        y_label: what the rows are.
        x_ticks: one name a column.
        y_ticks: one name a row.
        title: the finding.
        bar_label: what the colour means; no bar without it.
        annotate: a format such as ``".2f"`` writes each value into its cell.
        ax: axes to draw into; a new figure by default.

    Raises:
        ValueError: if ``values`` is not a matrix of finite numbers.
    """
    matrix = np.asarray(values, dtype=float)
    if matrix.ndim != 2 or matrix.size == 0 or not np.isfinite(matrix).all():
        raise ValueError("heatmap needs a matrix of finite numbers with at least one cell.")
    for ticks, size, what in ((x_ticks, matrix.shape[1], "column"), (y_ticks, len(matrix), "row")):
        if ticks is not None and len(ticks) != size:
            raise ValueError(f"heatmap needs one tick a {what}, {size}, not {len(ticks)}.")
    ax = ax if ax is not None else figure()[1]
    drawn = ax.imshow(matrix, cmap="viridis", aspect="auto")
    ax.set(xlabel=x_label, ylabel=y_label, title=title or "")
    if x_ticks is not None:
        ax.set_xticks(range(matrix.shape[1]), x_ticks)
    if y_ticks is not None:
        ax.set_yticks(range(matrix.shape[0]), y_ticks)
    if annotate is not None:
        middle = (matrix.min() + matrix.max()) / 2
        for (row, column), value in np.ndenumerate(matrix):
            ink = "black" if value > middle else "white"
            ax.text(
                column, row, format(value, annotate), ha="center", va="center", color=ink, size=8
            )
    if bar_label is not None:
        ax.figure.colorbar(drawn, ax=ax, label=bar_label)
    return ax.figure


def curves(
    series: Mapping[str, ArrayLike],
    *,
    x: ArrayLike | None = None,
    x_label: str,
    y_label: str,
    title: str = "",
    log: str = "",
    bands: Mapping[str, ArrayLike] | None = None,
    ax: Axes | None = None,
) -> Figure:
    """Draw named curves over a common axis, with a band of spread where one is given.

    Args:
        series: name -> (N,) values.
        x: (N,) positions; 0, 1, 2, ... by default.
        x_label: with unit.
        y_label: with unit.
        title: the finding.
        log: any of ``"x"``, ``"y"``, ``"xy"``.
        bands: name -> (N,) half-widths, such as a standard deviation over seeds.
        ax: axes to draw into; a new figure by default.

    Raises:
        TypeError: if ``series`` is no mapping.
        ValueError: for no series, one that is not one-dimensional, other lengths of ``x`` or a
            band, a band without its series, or another word than these for ``log``.

    >>> curves({"loss": [3, 2, 1]}, x_label="step", y_label="loss").axes[0].get_ylabel()
    'loss'
    """
    _check_curves(series, x, log, bands or {})
    ax = ax if ax is not None else figure()[1]
    for index, (name, values) in enumerate(series.items()):
        values = np.asarray(values, dtype=float)
        positions = np.arange(len(values)) if x is None else np.asarray(x, dtype=float)
        colour = COLOURS[index % len(COLOURS)]
        style = LINE_STYLES[index % len(LINE_STYLES)]
        ax.plot(positions, values, color=colour, linestyle=style, label=name)
        if bands is not None and name in bands:
            half = np.asarray(bands[name], dtype=float)
            ax.fill_between(positions, values - half, values + half, color=colour, alpha=0.2, lw=0)
    if "x" in log:
        ax.set_xscale("log")
    if "y" in log:
        ax.set_yscale("log")
    ax.set(xlabel=x_label, ylabel=y_label, title=title)
    if len(series) > 1:
        ax.legend()
    return ax.figure


def _check_curves(
    series: Mapping[str, ArrayLike], x: Any, log: str, bands: Mapping[str, ArrayLike]
) -> None:
    if not isinstance(series, Mapping):
        raise TypeError(f"curves takes a mapping from name to values, not {type(series).__name__}.")
    if not series:
        raise ValueError("curves needs at least one series.")
    unknown = sorted(set(bands) - set(series))
    if unknown:
        raise ValueError(f"bands names {unknown}, which are no series here.")
    if log not in ("", "x", "y", "xy"):
        raise ValueError(f"log is '', 'x', 'y' or 'xy', not {log!r}.")
    for name, values in series.items():
        shape = np.shape(values)
        if len(shape) != 1 or shape[0] == 0:
            raise ValueError(f"series {name!r} must be (N,) with N > 0, not {shape}.")
        for what, other in (("x", x), ("its band", bands.get(name))):
            if other is not None and np.shape(other) not in (shape, ()):
                raise ValueError(f"series {name!r} is {shape} but {what} {np.shape(other)}.")


def decision_regions(
    predict: Callable[[np.ndarray], np.ndarray],
    points: ArrayLike,
    labels: ArrayLike,
    *,
    resolution: int = 120,
    title: str = "",
    ax: Axes | None = None,
) -> Figure:
    """Colour the plane by the class that a classifier predicts there, with its training points.

    Args:
        predict: maps (M, 2) points to (M,) integer labels.
        points: (N, 2) training points.
        labels: (N,) integers 0, 1, ..., at most six classes.
        resolution: grid cells a side.
        title: the finding.
        ax: axes to draw into; a new figure by default.

    Raises:
        ValueError: if points are not (N, 2), labels not (N,), or classes not among 0 to 5.
    """
    from matplotlib.colors import ListedColormap

    points, labels = np.asarray(points, dtype=float), np.asarray(labels)
    shapes_fit = points.ndim == 2 and points.shape[1] == 2 and labels.shape == (len(points),)
    if not shapes_fit or len(points) == 0 or not np.isfinite(points).all():
        raise ValueError(
            f"decision_regions needs finite points (N, 2) and labels (N,), N > 0, not "
            f"{points.shape} and {labels.shape}."
        )
    if labels.min() < 0 or labels.max() > 5:
        raise ValueError("decision_regions tells at most six classes apart, labelled 0 to 5.")
    ax = ax if ax is not None else figure(size=(4.2, 3.6))[1]
    margin = 0.08 * np.ptp(points, axis=0).max() + 1e-9
    (x_low, y_low), (x_high, y_high) = points.min(0) - margin, points.max(0) + margin
    xs, ys = np.linspace(x_low, x_high, resolution), np.linspace(y_low, y_high, resolution)
    grid = np.stack(np.meshgrid(xs, ys), axis=-1).reshape(-1, 2)
    regions = np.asarray(predict(grid))
    if regions.shape != (len(grid),):
        raise ValueError(
            f"predict gave {regions.shape} for {len(grid)} points, not one label each."
        )
    regions = regions.reshape(resolution, resolution)
    colours = ListedColormap(COLOURS[:6])
    ax.imshow(
        regions,
        extent=(x_low, x_high, y_low, y_high),
        origin="lower",
        cmap=colours,
        vmin=0,
        vmax=5,
        alpha=0.28,
        aspect="auto",
    )
    _scatter_classes(ax, points, labels)
    ax.set(xlabel="first feature", ylabel="second feature", title=title)
    return ax.figure


def _scatter_classes(ax: Axes, points: np.ndarray, labels: np.ndarray) -> None:
    """Draw labelled points; marker and colour both tell the class apart."""
    for label in np.unique(labels).astype(int):
        chosen = points[labels == label]
        ax.scatter(
            *chosen.T,
            s=16,
            marker="osD^vP"[label],
            color=COLOURS[label],
            edgecolor="white",
            linewidth=0.5,
        )
