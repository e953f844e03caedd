"""From figures to markup: narrow variants for phones, nights that spare photographs, encodings."""

from __future__ import annotations

import base64
import io
import itertools
import re

import numpy as np
import pytest
from bs4 import BeautifulSoup
from PIL import Image

from cvlab import data, markup, plot

ALT = "A sentence about the figure."


def decoded(source):
    return Image.open(io.BytesIO(base64.b64decode(source.partition("base64,")[2])))


def parsed(fig):
    page = BeautifulSoup(markup.html_of(fig, ALT, "cvlab-figure"), "html.parser")
    return page, page.find("source"), page.find("img")


@pytest.mark.slow
@pytest.mark.parametrize("colours", [1, 2, 3, 17, 255, 256])
def test_few_colours_are_exact(colours):
    rng = np.random.default_rng(colours)
    palette = rng.permutation(256**3)[:colours]
    chosen = np.concatenate([np.arange(colours), rng.integers(0, colours, 64 * 64 - colours)])
    packed = palette[rng.permutation(chosen)].reshape(64, 64)
    pixels = np.stack([packed >> 16, packed >> 8, packed], axis=-1).astype(np.uint8)
    picture = decoded(markup.encode(pixels))
    assert np.array_equal(np.asarray(picture.convert("RGB")), pixels)


def test_close_and_rare_colours_are_exact():
    pixels = np.full((64, 64, 3), 255, np.uint8)
    pixels[0, :, 0] = np.arange(64)  # 64 neighbouring colours that are hardly used
    pixels[1, :, 2] = 192 + np.arange(64)
    assert np.array_equal(np.asarray(decoded(markup.encode(pixels)).convert("RGB")), pixels)


def test_flat_pictures_are_smaller_than_as_png():
    fig, ax = plot.figure()
    ax.set_axis_off()
    pixels = markup.rasterise(fig)
    pixels[100:200, 100:300] = (0, 114, 178)
    plain = io.BytesIO()
    Image.fromarray(pixels).save(plain, "PNG", optimize=True)
    assert len(markup.encode(pixels)) * 3 / 4 < len(plain.getvalue())


def test_many_colours_lose_little():
    pixels = np.rint(255 * data.photograph("chelsea")).astype(np.uint8)
    found = np.asarray(decoded(markup.encode(pixels)).convert("RGB")).astype(int)
    assert np.abs(found - pixels).mean() < 4


def wide(columns=3, **options):
    fig, axes = plot.figure(1, columns, size=(7.5, 2.5), **options)
    for index, ax in enumerate(np.atleast_1d(axes)):
        ax.plot([0, 1, 2], [1, 3, 2])
        ax.set(xlabel="step", title=f"Finding {index}")
    return fig


def test_small_figures_have_no_narrow_variant():
    _, source, _ = parsed(wide(1))
    assert source is not None
    fig, ax = plot.figure(size=(4.2, 3))
    ax.plot([1, 2])
    _, source, image = parsed(fig)
    assert source is None
    assert image["alt"] == ALT


@pytest.mark.parametrize("columns", [1, 2, 3, 4])
def test_the_narrow_variant_is_legible_and_holds_every_panel(columns):
    fig = wide(columns)
    before = markup.smallest_letters(fig)
    assert before < markup.LEGIBLE
    assert markup.narrowed(fig)
    assert markup.smallest_letters(fig) >= markup.LEGIBLE - 1e-9
    markup.rasterise(fig)
    boxes = [ax.get_window_extent() for ax in fig.axes]
    assert len(boxes) == columns
    tops = [box.y1 for box in boxes]
    assert tops == sorted(tops, reverse=True)  # in their order, one below the other
    assert all(a.y0 > b.y1 for a, b in itertools.pairwise(boxes))


def test_letters_that_are_too_small_grow():
    fig, ax = plot.figure(size=(7, 3))
    ax.text(0.5, 0.5, "tiny", fontsize=3)
    assert markup.narrowed(fig)
    assert markup.smallest_letters(fig) >= markup.LEGIBLE - 1e-9


def test_a_narrow_grid_gives_shared_axes_their_numbers_and_label():
    fig = wide(3, sharey=True)
    fig.axes[0].set_ylabel("loss")
    markup.narrowed(fig)
    markup.rasterise(fig)
    for ax in fig.axes:
        assert ax.get_ylabel() == "loss"
        assert any(tick.label1.get_visible() for tick in ax.yaxis.get_major_ticks())


def test_pictures_keep_their_shape_and_empty_cells_go():
    fig = plot.images([np.zeros((20, 30))] * 7, columns=5, cell=1.4)
    assert len(fig.axes) == 10
    markup.narrowed(fig)
    markup.rasterise(fig)
    assert len(fig.axes) == 7
    columns = {round(ax.get_window_extent().x0) for ax in fig.axes}
    assert len(columns) == 2


def test_headings_are_wrapped():
    fig = plot.images([np.zeros((4, 4))] * 6, ["a title of many words for one"] * 6, columns=6)
    fig.suptitle("a heading of the whole figure that is far too long for a phone's picture")
    markup.narrowed(fig)
    assert "\n" in fig.axes[0].get_title()
    assert "\n" in fig.get_suptitle()


def test_axes_over_several_cells_are_left_alone():
    fig, _ = plot.figure(size=(7, 3))
    fig.clear()
    grid = fig.add_gridspec(2, 2)
    fig.add_subplot(grid[:, 0]).plot([1, 2])
    fig.add_subplot(grid[0, 1]).plot([1, 2])
    assert not markup.narrowed(fig)
    _, source, _ = parsed(fig)
    assert source is None


def test_a_figure_without_axes_or_letters():
    fig, ax = plot.figure(size=(7, 3))
    ax.remove()
    assert markup.smallest_letters(fig) == float("inf")
    _, source, image = parsed(fig)
    assert source is None
    assert image is not None


def inverted(page, picture, width):
    """Which pixels of a picture the night inverts, by its mask, evaluated here."""
    (night,) = page.select(f"span.cvlab-night.cvlab-{width}")
    rows, columns = np.mgrid[: picture.height, : picture.width]
    points = np.stack([columns.ravel() + 0.5, rows.ravel() + 0.5], axis=1)
    points *= 100 / np.array([picture.width, picture.height])
    style = night.get("style", "")
    outline = re.search(r"d=%22(.*?)%22", style)
    if outline is None:
        return np.ones((picture.height, picture.width), bool)
    edges = []  # of the outline and its holes: x0, y0, x1, y1
    for x0, y0, x1, y1 in re.findall(r"M([\d.]+) ([\d.]+)H([\d.]+)V([\d.]+)H[\d.]+Z", outline[1]):
        x0, y0, x1, y1 = map(float, (x0, y0, x1, y1))
        edges += [(x0, y0, x0, y1), (x1, y0, x1, y1)]
    x0, y0, x1, y1 = np.array(edges).T
    # Even-odd: how many edges a ray to the right crosses.
    count = np.zeros(len(points), int)
    for ax_, ay, bx, by in zip(x0, y0, x1, y1, strict=True):
        if ay == by:
            continue
        between = (points[:, 1] >= min(ay, by)) & (points[:, 1] < max(ay, by))
        at = ax_ + (points[:, 1] - ay) * (bx - ax_) / (by - ay)
        count += between & (at > points[:, 0])
    return (count % 2 == 1).reshape(picture.height, picture.width)


@pytest.mark.parametrize("panels", [1, 3, 30])
@pytest.mark.slow
def test_the_night_spares_images_and_nothing_else(panels):
    fig = plot.images([np.full((8, 8), 0.5)] * panels, ["title"] * panels, columns=min(panels, 6))
    page, source, image = parsed(fig)
    for tag, width, key in ((image, "wide", "src"), (source, "narrow", "srcset")):
        if tag is None:
            continue
        picture = decoded(tag[key])
        grey = np.abs(np.asarray(picture.convert("L")).astype(int) - 128) < 3
        night = inverted(page, picture, width)
        inside = grey[1:-1, 1:-1] & grey[:-2, 1:-1] & grey[2:, 1:-1] & grey[1:-1, 2:]
        assert (night[1:-1, 1:-1] & inside).mean() < 0.01
        assert night[0].all()  # the border of the figure is no image
        assert night[-1].all()
        if panels < 24:
            white = np.asarray(picture.convert("L")) == 255
            assert night[white].mean() > 0.97


def test_the_night_covers_a_plot_whole():
    page, _, image = parsed(wide(1))
    assert inverted(page, decoded(image["src"]), "wide").all()


def test_a_colour_bar_keeps_its_colours():
    fig = plot.heatmap(np.eye(3), x_label="x", y_label="y", bar_label="value")
    page, _, image = parsed(fig)
    pixels = np.asarray(decoded(image["src"]).convert("RGB")).astype(int)
    strong = np.ptp(pixels, axis=2) > 60  # viridis has no grey
    night = inverted(page, decoded(image["src"]), "wide")
    assert strong.any()
    assert night[strong].mean() < 0.02


def crowded(kind):
    """Two panels with what needs room beside them: long numbers, labels, a heading."""
    options = {"subplot_kw": {"projection": "3d"}} if kind == "3d" else {}
    fig, (left, right) = plot.figure(1, 2, size=(6, 2.8), **options)
    if kind == "3d":
        left.plot([0, 1e5], [0, 1], [0, 1])
    elif kind == "colour bar":
        fig.colorbar(left.imshow(np.arange(16).reshape(4, 4) * 1e4), ax=left)
    else:
        left.loglog([1, 1e9], [1e-9, 1e9], label="a line")
        left.legend()
    left.set(xlabel="across", ylabel="up", title="two\nlines")
    right.plot([0, 1], [1e5, 2e6])
    fig.suptitle("of both")
    return fig


@pytest.mark.parametrize("kind", ["plain", "colour bar", "3d"])
def test_what_is_drawn_first_has_settled(kind):
    def edges():
        return np.array([ax.get_window_extent().extents for ax in fig.axes])

    fig = crowded(kind)
    markup.rasterise(fig)
    before = edges()
    markup.rasterise(fig)
    assert np.abs(edges() - before).max() < 0.1  # pixels
