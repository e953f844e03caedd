"""Tests of cvlab.plot: what is drawn is read back from the pixels."""

from __future__ import annotations

import base64
import io
import subprocess
import sys

import numpy as np
import pytest
from bs4 import BeautifulSoup
from IPython.utils.capture import capture_output
from matplotlib import colormaps
from matplotlib.colors import to_rgb
from matplotlib.figure import Figure
from PIL import Image
from skimage.color import deltaE_ciede2000, rgb2lab

from cvlab import markup, plot

GREY = np.linspace(0.2, 0.4, 12).reshape(3, 4)
pytestmark = pytest.mark.usefixtures("shell")

LABELS = {"x_label": "step", "y_label": "loss"}


def displayed(call) -> dict[str, str]:
    """The one display message that a call sends to the notebook."""
    with capture_output() as captured:
        call()
    assert captured.stdout == captured.stderr == ""
    (message,) = captured.outputs
    return message.data


def decoded(source: str) -> Image.Image:
    kind, _, content = source.partition(",")
    assert kind == "data:image/webp;base64"
    return Image.open(io.BytesIO(base64.b64decode(content, validate=True)))


def saved(fig: Figure) -> np.ndarray:
    """The figure's pixels by matplotlib's own writer, over white."""
    buffer = io.BytesIO()
    fig.savefig(buffer, dpi=fig.dpi)
    picture = Image.open(buffer).convert("RGBA")
    ground = Image.new("RGBA", picture.size, "white")
    return np.asarray(Image.alpha_composite(ground, picture).convert("RGB"))


def colour_at(fig: Figure, x: float, y: float, axis: int = 0) -> np.ndarray:
    """The colour (3,) in [0, 255] drawn at a place in the data coordinates of an axis."""
    pixels = markup.rasterise(fig)
    column, up = fig.axes[axis].transData.transform((x, y))
    return pixels[int(pixels.shape[0] - up), int(column)].astype(int)


def rgb(colour) -> np.ndarray:
    return np.array(to_rgb(colour)) * 255


# --- Pixels and bytes -----------------------------------------------------------------------------


def some_figures() -> list[Figure]:
    rng = np.random.default_rng(0)
    return [
        plot.images([GREY, rng.random((5, 5, 3))], ["one", "two"], title="A title"),
        plot.curves({"a": [3, 2, 1], "b": [1, 2, 3]}, **LABELS),
        plot.heatmap(rng.random((3, 4)), **LABELS, bar_label="value", annotate=".2f"),
        plot.masks(GREY, np.eye(3, 4)),
    ]


@pytest.mark.parametrize("index", range(4))
def test_rasterise_agrees_with_savefig(index):
    fig = some_figures()[index]
    markup.rasterise(fig)
    fig.set_layout_engine("none")  # or each drawing moves the axes a little further
    pixels, expected = markup.rasterise(fig), saved(fig)
    assert pixels.dtype == np.uint8
    assert pixels.shape == expected.shape
    assert np.ptp(pixels) > 100
    assert np.abs(pixels.astype(int) - expected).max() <= 1  # Pillow rounds its blend otherwise


def test_rasterise_draws_the_same_figure_twice_alike():
    fig = plot.heatmap(GREY, **LABELS, bar_label="value")
    assert np.array_equal(markup.rasterise(fig), markup.rasterise(fig))


def test_rasterise_puts_transparent_parts_on_white():
    fig, ax = plot.figure()
    fig.patch.set_alpha(0.0)
    ax.set_axis_off()
    assert (markup.rasterise(fig) == 255).all()
    fig.patch.set(facecolor="black", alpha=0.5)
    assert np.abs(markup.rasterise(fig)[0, 0].astype(int) - 127).max() <= 1


# --- show and table -------------------------------------------------------------------------------


def test_show_gives_one_image_with_its_alternative_text():
    fig = plot.curves({"a": [1, 2]}, **LABELS)
    alt = 'Loss < 1 & "falling"\n  from step 3 on'
    wanted = markup.rasterise(fig)
    data = displayed(lambda: plot.show(fig, alt=alt))
    assert set(data) == {"text/html", "text/plain"}
    (tag,) = BeautifulSoup(data["text/html"], "html.parser").find_all("img")
    assert tag["alt"] == 'Loss < 1 & "falling" from step 3 on'
    assert tag["class"] == ["cvlab-figure"]
    picture = decoded(tag["src"])
    assert tag["width"] == str(picture.width)
    assert np.array_equal(np.asarray(picture.convert("RGB")), wanted)
    assert data["text/plain"] == '[Figure: Loss < 1 & "falling" from step 3 on]'


@pytest.mark.parametrize("alt", ["", "   ", "\n\t", "figure", " 123456789 ", None, 12345678901])
def test_show_refuses_missing_alternative_text(alt):
    with pytest.raises(ValueError, match="alt must be a sentence"):
        plot.show(plot.figure()[0], alt=alt)
    assert displayed(lambda: plot.show(plot.figure()[0], alt="1234567890"))


def test_show_needs_alternative_text_by_name():
    with pytest.raises(TypeError, match="alt"):
        plot.show(plot.figure()[0])


@pytest.mark.parametrize("thing", [None, np.zeros((4, 4)), "figure"])
def test_show_refuses_what_is_no_figure(thing):
    with pytest.raises(TypeError, match=f"not {type(thing).__name__}"):
        plot.show(thing, alt="A long enough sentence.")


def test_show_closes_a_figure_of_pyplot():
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    fig = pyplot.figure()
    displayed(lambda: plot.show(fig, alt="An empty figure of pyplot."))
    assert not pyplot.fignum_exists(fig.number)


def test_our_figures_are_unknown_to_pyplot():
    code = """
import sys
from cvlab import markup, plot
fig = plot.curves({"a": [1, 2]}, x_label="x", y_label="y")
plot.use_style()
markup.rasterise(fig)
print("matplotlib.pyplot" in sys.modules)
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"


def test_table():
    rows = [["k = 1", 0.98765, 1234567], ["<b>", np.float32(12345.6), np.int64(7)], ["-", -0.5, 0]]
    data = displayed(
        lambda: plot.table(rows, ["method", "accuracy & more", "steps"], caption="Results <here>")
    )
    page = BeautifulSoup(data["text/html"], "html.parser")
    assert page.figcaption.text == "Results <here>"
    assert page.div["aria-label"] == "Results <here>"
    assert page.div["tabindex"] == "0"
    assert [cell.text for cell in page.find_all("th")] == ["method", "accuracy & more", "steps"]
    assert all(cell["scope"] == "col" for cell in page.find_all("th"))
    body = [[cell.text for cell in row.find_all("td")] for row in page.tbody.find_all("tr")]
    assert body == [["k = 1", "0.988", "1,234,567"], ["<b>", "12,346", "7"], ["-", "−0.500", "0"]]
    assert data["text/plain"].splitlines()[:3] == [
        "Results <here>",
        "method | accuracy & more | steps",
        "k = 1 | 0.988 | 1,234,567",
    ]
    fine = displayed(lambda: plot.table([[0.98765]], ["a"], caption="Digits", digits=4))
    assert "0.9877" in fine["text/plain"]


@pytest.mark.parametrize(
    ("number", "wanted"),
    [
        ("0", "0"),
        ("-0.12", "−0.12"),
        ("1e-06", "10⁻⁶"),
        ("-1e+10", "−10¹⁰"),
        ("3.25e-07", "3.25 × 10⁻⁷"),
        ("1,234", "1,234"),
        ("nan", "nan"),
        ("-inf", "-inf"),
        ("e", "e"),
    ],
)
def test_typeset(number, wanted):
    assert plot.typeset(number) == wanted


def test_table_keeps_zeros_as_far_as_the_column_and_the_digits_go():
    rows = [[0.5, 12.0, 3.0, 0.0], [0.463, 0.123, 4.0, 1e-6], [0.04, float("nan"), 5.0, 0.25]]
    data = displayed(lambda: plot.table(rows, list("abcd"), caption="c"))
    assert data["text/plain"].splitlines()[2:] == [
        "0.500 | 12.0 | 3 | 0.00",
        "0.463 | 0.123 | 4 | 10⁻⁶",
        "0.040 | nan | 5 | 0.25",
    ]


def test_table_without_rows_has_its_head():
    data = displayed(lambda: plot.table([], ["a", "b"], caption="c"))
    assert data["text/plain"].splitlines() == ["c", "a | b"]


def test_table_writes_powers_of_ten():
    data = displayed(lambda: plot.table([[1e-6, -2.5e-9, 1e20]], ["a", "b", "c"], caption="c"))
    assert data["text/plain"].splitlines()[-1] == "10⁻⁶ | −2.5 × 10⁻⁹ | 10²⁰"


def test_table_refuses_ragged_rows():
    with pytest.raises(ValueError, match=r"a row has 1 cells for 2 columns: \[3\]"):
        plot.table([[1, 2], [3]], ["a", "b"], caption="Ragged")


def test_table_shows_truth_values_as_words():
    assert "True" in displayed(lambda: plot.table([[True]], ["a"], caption="c"))["text/plain"]


def test_table_never_falls_into_exponents_near_a_thousand():
    data = displayed(lambda: plot.table([[999.6]], ["a"], caption="c"))
    assert data["text/plain"].splitlines()[-1] == "1,000"


# --- Style and figures ----------------------------------------------------------------------------


def test_style_sets_the_cycle_and_opaque_ground():
    import matplotlib

    with matplotlib.rc_context():
        plot.use_style()
        cycle = matplotlib.rcParams["axes.prop_cycle"].by_key()["color"]
        assert tuple(cycle) == plot.COLOURS
        assert matplotlib.rcParams["savefig.facecolor"] == "white"


def test_colours_are_told_apart_also_without_red_or_green():
    """CIEDE2000 after the projections of Viénot, Brettel and Mollon (1999); 2.3 is just seen."""
    linear = np.array([to_rgb(colour) for colour in plot.COLOURS]) ** 2.2
    protan = np.array([[0.11238, 0.88762, 0], [0.11238, 0.88762, 0], [0.00401, -0.00401, 1]])
    deutan = np.array([[0.29275, 0.70725, 0], [0.29275, 0.70725, 0], [-0.02234, 0.02234, 1]])
    for projection in (np.eye(3), protan, deutan):
        lab = rgb2lab(np.clip(linear @ projection.T, 0, 1) ** (1 / 2.2))
        distances = deltaE_ciede2000(lab[:, None], lab[None])
        assert distances[~np.eye(len(lab), dtype=bool)].min() > 10


def test_figure_sizes_and_grids():
    fig, ax = plot.figure()
    assert tuple(fig.get_size_inches()) == (5.2, 3.4)
    assert ax.figure is fig
    wide, axes = plot.figure(2, 9, sharex=True)
    assert axes.shape == (2, 9)
    assert wide.get_size_inches()[0] == 7.5
    assert tuple(plot.figure(size=(1, 2))[0].get_size_inches()) == (1, 2)


def test_many_curves_differ_in_colour_or_line():
    ax = plot.curves({str(k): [k, k] for k in range(7)}, **LABELS).axes[0]
    drawn = {(line.get_color(), str(line._dash_pattern)) for line in ax.lines}
    assert len(drawn) == 7
    assert len({line.get_color() for line in ax.lines}) == 7


# --- images ---------------------------------------------------------------------------------------


def test_floats_from_0_to_255_are_refused_not_drawn_white():
    picture = np.linspace(0, 255, 64).reshape(8, 8)
    with pytest.raises(ValueError, match="reaches 255: divide it by 255"):
        plot.images([picture])
    with pytest.raises(ValueError, match="divide it by 255"):
        plot.boxes(np.stack([picture] * 3, axis=2), np.zeros((0, 4)))
    assert plot.images([picture], limits=(0, 255))
    assert plot.images([picture], limits=None)
    assert plot.images([np.array([[-0.3, 1.7], [np.nan, 0.5]])])  # sharpened, with a hole


def test_images_draws_grey_values_as_they_are():
    fig = plot.images([GREY], cell=3.0)
    for (row, column), value in np.ndenumerate(GREY):
        # The grey map has 256 entries and cuts off: a level for the entry, one for the byte.
        assert np.abs(colour_at(fig, column, row) - 255 * value).max() <= 2
    eight_bit = plot.images([np.array([[0, 100], [200, 255]], np.uint8)], cell=3.0)
    assert colour_at(eight_bit, 1, 0).tolist() == [100] * 3
    assert colour_at(eight_bit, 0, 1).tolist() == [200] * 3


def test_images_stretches_only_when_told():
    fig = plot.images([GREY], limits=None, cell=3.0)
    assert colour_at(fig, 0, 0).max() == 0
    assert colour_at(fig, 3, 2).min() == 255
    fig = plot.images([GREY], limits=(0.2, 0.6), cell=3.0)
    assert np.abs(colour_at(fig, 3, 2) - 127.5).max() <= 1


def test_images_takes_both_channel_orders_and_tensors():
    import torch

    colour = np.random.default_rng(1).random((6, 5, 3))
    one = markup.rasterise(plot.images([colour]))
    assert np.array_equal(one, markup.rasterise(plot.images([colour.transpose(2, 0, 1)])))
    channels_first = torch.tensor(colour.transpose(2, 0, 1).copy())
    assert np.array_equal(one, markup.rasterise(plot.images([channels_first])))
    byte = plot.images([np.rint(colour * 255).astype(np.uint8)])
    assert np.abs(markup.rasterise(byte).astype(int) - one).max() <= 1
    grey = markup.rasterise(plot.images([GREY]))
    assert np.array_equal(grey, markup.rasterise(plot.images([GREY[..., None]])))
    assert np.array_equal(grey, markup.rasterise(plot.images([GREY[None]])))


def test_images_draws_colours_where_they_belong():
    colour = np.random.default_rng(2).random((4, 5, 3))
    fig = plot.images([colour], cell=3.0)
    for row in range(4):
        for column in range(5):
            assert np.abs(colour_at(fig, column, row) - 255 * colour[row, column]).max() <= 1


def test_images_lays_out_rows_and_titles():
    fig = plot.images(np.zeros((5, 4, 4)), [f"number {k}" for k in range(5)], columns=2)
    assert len(fig.axes) == 6
    assert [ax.get_title() for ax in fig.axes] == [f"number {k}" for k in range(5)] + [""]
    assert [len(ax.images) for ax in fig.axes] == [1] * 5 + [0]
    assert len(plot.images(np.zeros((9, 4, 4))).axes) == 16
    assert plot.images([GREY], title="Heading").get_suptitle() == "Heading"


@pytest.mark.parametrize(
    ("pictures", "titles", "sentence"),
    [
        ([], None, "at least one image"),
        ([GREY], [], "1 images need as many titles, not 0"),
        ([GREY], ["a", "b"], "1 images need as many titles, not 2"),
        ([np.zeros(4)], None, r"not \(4,\)"),
        ([np.zeros((4, 4, 4))], None, r"not \(4, 4, 4\)"),
        ([np.zeros((0, 4))], None, r"not \(0, 4\)"),
        ([GREY, np.zeros((2, 2, 2, 2))], None, r"not \(2, 2, 2, 2\)"),
    ],
)
def test_images_refuses(pictures, titles, sentence):
    with pytest.raises(ValueError, match=sentence):
        plot.images(pictures, titles)


def test_images_does_not_blacken_wide_integers():
    bright = np.full((4, 4, 3), 200)
    try:
        fig = plot.images([bright])
    except (TypeError, ValueError):
        return
    assert colour_at(fig, 1, 1).min() > 190


# --- boxes and masks ------------------------------------------------------------------------------


def test_boxes_are_drawn_on_the_edges_of_their_pixels():
    fig = plot.boxes(np.ones((40, 40)), [[10, 5, 30, 25]], colour="#ff0000")
    red = (markup.rasterise(fig).astype(int) - [255, 0, 0] == 0).all(axis=-1)
    rows, columns = np.nonzero(red)
    to_pixels = fig.axes[0].transData.transform
    left, bottom = to_pixels((9.5, 24.5))
    right, top = to_pixels((29.5, 4.5))
    height = red.shape[0]
    line = 2 / 72 * fig.dpi / 2 + 1  # half the width of a two-point line, and a pixel of rounding
    assert abs(columns.min() - left) <= line
    assert abs(columns.max() - right) <= line
    assert abs(height - rows.max() - bottom) <= line
    assert abs(height - rows.min() - top) <= line
    inside = colour_at(fig, 20, 15)
    assert inside[1] == inside[2]  # the image shows through, not red


def test_boxes_labels_and_own_axes():
    own, ax = plot.figure()
    fig = plot.boxes(GREY, [[0, 0, 2, 2], [1, 1, 3, 3]], ["cat", "dog"], ax=ax)
    assert fig is own
    assert [text.get_text() for text in ax.texts] == ["cat", "dog"]
    assert len(ax.patches) == 2


@pytest.mark.parametrize("none", [[], np.zeros((0, 4)), np.zeros(0)])
def test_no_box_is_no_fault(none):
    fig = plot.boxes(GREY, none, [])
    assert len(fig.axes[0].patches) == 0


@pytest.mark.parametrize(
    ("corners", "labels", "sentence"),
    [
        ([1, 2, 3, 4], None, r"not \(4,\)"),
        ([[1, 2, 3]], None, r"not \(1, 3\)"),
        ([[0, 0, 1, 1]], [], "1 boxes need as many labels, not 0"),
        ([], ["a"], "0 boxes need as many labels, not 1"),
    ],
)
def test_boxes_refuses(corners, labels, sentence):
    with pytest.raises(ValueError, match=sentence):
        plot.boxes(GREY, corners, labels)
    with pytest.raises(ValueError, match="an image has shape"):
        plot.boxes(np.zeros(3), [[0, 0, 1, 1]])


def test_boxes_draws_grey_values_as_they_are():
    fig = plot.boxes(GREY, [])
    assert np.abs(colour_at(fig, 3, 2) - 255 * GREY[2, 3]).max() <= 2


def test_masks_draws_grey_values_as_they_are():
    fig = plot.masks(GREY, np.zeros((3, 4)))
    assert np.abs(colour_at(fig, 3, 2) - 255 * GREY[2, 3]).max() <= 2


@pytest.mark.parametrize("opacity", [0.0, 0.25, 1.0])
def test_masks_tints_labels_and_leaves_the_background(opacity):
    picture = np.random.default_rng(3).random((4, 6, 3))
    labels = np.arange(24).reshape(4, 6) % 9  # two more labels than colours
    fig = plot.masks(picture, labels, opacity=opacity)
    for (row, column), label in np.ndenumerate(labels):
        expected = 255 * picture[row, column]
        if label:
            tint = rgb(plot.COLOURS[(label - 1) % 6])
            expected = (1 - opacity) * expected + opacity * tint
        assert np.abs(colour_at(fig, column, row) - expected).max() <= 2


@pytest.mark.parametrize("shape", [(4, 3), (3, 4, 1), (12,), (0, 0)])
def test_masks_refuses_another_size(shape):
    with pytest.raises(ValueError, match=r"the mask is .* but the image \(3, 4\)"):
        plot.masks(GREY, np.zeros(shape))


# --- heatmap and disparity ------------------------------------------------------------------------


def test_heatmap_colours_its_cells_by_value():
    values = np.random.default_rng(4).normal(size=(3, 4))
    fig = plot.heatmap(values, **LABELS, title="A finding", bar_label="value")
    scaled = (values - values.min()) / np.ptp(values)
    for (row, column), share in np.ndenumerate(scaled):
        expected = np.array(colormaps["viridis"](share)[:3]) * 255
        assert np.abs(colour_at(fig, column, row) - expected).max() <= 1
    ax, bar = fig.axes
    assert (ax.get_xlabel(), ax.get_ylabel(), ax.get_title()) == ("step", "loss", "A finding")
    assert bar.get_ylabel() == "value"


def test_heatmap_writes_numbers_where_they_belong_and_readably():
    values = np.array([[0.0, 1.0, 0.25], [0.5, 0.75, 1.0]])
    fig = plot.heatmap(values, **LABELS, annotate=".2f", x_ticks="abc", y_ticks="de")
    ax = fig.axes[0]
    written = {(text.get_position()[1], text.get_position()[0]): text for text in ax.texts}
    for index, value in np.ndenumerate(values):
        assert written[index].get_text() == f"{value:.2f}"
        ground = np.array(colormaps["viridis"](value)[:3])
        brightness = ground @ [0.2126, 0.7152, 0.0722]
        if abs(brightness - 0.5) > 0.2:
            assert written[index].get_color() == ("black" if brightness > 0.5 else "white")
    assert [text.get_text() for text in ax.get_xticklabels()] == list("abc")
    assert [text.get_text() for text in ax.get_yticklabels()] == list("de")


def test_heatmap_of_one_value():
    assert np.ptp(markup.rasterise(plot.heatmap([[3]], **LABELS, annotate=".0f"))) > 0


@pytest.mark.parametrize(
    "values", [[], [1, 2], [[np.nan]], [[np.inf, 1]], np.zeros((2, 0)), [[[1]]]]
)
def test_heatmap_refuses(values):
    with pytest.raises(ValueError, match="matrix of finite numbers"):
        plot.heatmap(values, **LABELS)


def test_disparity_draws_near_bright_and_unknown_grey():
    field = np.array([[1.0, 5.0, np.nan], [9.0, 2.0, np.inf]])
    fig = plot.disparity(field, title="Depth")
    for (row, column), value in np.ndenumerate(field):
        expected = rgb("#999999")
        if np.isfinite(value):
            expected = np.array(colormaps["viridis"]((value - 1) / 8)[:3]) * 255
        assert np.abs(colour_at(fig, column, row) - expected).max() <= 1
    assert fig.axes[0].get_title() == "Depth"
    assert fig.axes[1].get_ylabel() == "disparity (pixels)"
    assert colour_at(fig, 0, 1).sum() > colour_at(fig, 0, 0).sum()


def test_disparity_hides_what_is_not_valid_also_from_the_scale():
    fig = plot.disparity([[1.0, 2.0, 900.0]], [[True, True, False]])
    assert np.abs(colour_at(fig, 2, 0) - rgb("#999999")).max() <= 1
    assert np.abs(colour_at(fig, 1, 0) - 255 * np.array(colormaps["viridis"](1.0)[:3])).max() <= 1


@pytest.mark.parametrize(
    ("values", "valid"),
    [
        (np.zeros((0, 3)), None),
        (np.zeros(5), None),
        (np.zeros((2, 2, 2)), None),
        (np.full((2, 2), np.nan), None),
        (np.zeros((2, 2)), np.zeros((2, 2), bool)),
    ],
)
def test_disparity_refuses(values, valid):
    with pytest.raises(ValueError, match="at least one valid pixel"):
        plot.disparity(values, valid)


# --- curves and decision regions ------------------------------------------------------------------


def test_curves_draws_the_numbers():
    series = {"train": [3, 2, 1], "validation": np.array([4.0, 3.5, 3.0])}
    fig = plot.curves(series, x=[10, 20, 40], title="Falls", **LABELS)
    ax = fig.axes[0]
    for line, (name, values) in zip(ax.lines, series.items(), strict=True):
        assert line.get_label() == name
        assert line.get_ydata().tolist() == list(values)
        assert line.get_xdata().tolist() == [10, 20, 40]
    assert [text.get_text() for text in ax.get_legend().get_texts()] == list(series)
    assert (ax.get_xlabel(), ax.get_ylabel(), ax.get_title()) == ("step", "loss", "Falls")
    middle = colour_at(fig, 20, 2)
    assert np.abs(middle - rgb(plot.COLOURS[0])).max() <= 40  # the line's antialiased middle


def test_curves_axes_legend_and_gaps():
    ax = plot.curves({"a": [1, np.nan, 3]}, log="xy", **LABELS).axes[0]
    assert (ax.get_xscale(), ax.get_yscale()) == ("log", "log")
    assert ax.get_legend() is None
    assert ax.lines[0].get_xdata().tolist() == [0, 1, 2]
    own, ax = plot.figure()
    assert plot.curves({"a": [1]}, ax=ax, **LABELS) is own


def test_curves_bands_span_their_half_width():
    fig = plot.curves({"a": [1.0, 2.0], "b": [5.0, 5.0]}, bands={"a": [0.5, 0.25]}, **LABELS)
    (band,) = fig.axes[0].collections
    corners = {tuple(np.round(point, 6)) for point in band.get_paths()[0].vertices}
    assert {(0.0, 0.5), (0.0, 1.5), (1.0, 1.75), (1.0, 2.25)} <= corners


@pytest.mark.parametrize(
    ("series", "sentence"),
    [
        ({}, "at least one series"),
        ({"a": []}, r"'a' must be \(N,\) with N > 0, not \(0,\)"),
        ({"a": [[1, 2]]}, r"not \(1, 2\)"),
        ({"a": 3}, r"not \(\)"),
    ],
)
def test_curves_refuses(series, sentence):
    with pytest.raises(ValueError, match=sentence):
        plot.curves(series, **LABELS)


def test_curves_refuses_a_band_without_its_series():
    with pytest.raises(ValueError, match="typo"):
        plot.curves({"a": [1, 2]}, bands={"typo": [1, 1]}, **LABELS)


def test_decision_regions_colours_the_plane_by_prediction():
    rng = np.random.default_rng(5)
    points = rng.uniform(-1, 1, (40, 2))

    def predict(places):
        return 2 * (places[:, 0] > 0) + (places[:, 1] > 0)

    fig = plot.decision_regions(predict, points, predict(points), title="Quadrants")
    for x in (-0.5, 0.5):
        for y in (-0.5, 0.5):
            while np.linalg.norm(points - [x, y], axis=1).min() < 0.15:
                x, y = 0.9 * x, 0.9 * y + 0.01 * np.sign(y)
            colour = rgb(plot.COLOURS[predict(np.array([[x, y]]))[0]])
            assert np.abs(colour_at(fig, x, y) - (0.28 * colour + 0.72 * 255)).max() <= 2
    ax = fig.axes[0]
    assert len(ax.collections) == 4
    drawn = np.concatenate([scatter.get_offsets() for scatter in ax.collections])
    assert sorted(map(tuple, drawn)) == sorted(map(tuple, points))
    (low_x, high_x), (low_y, high_y) = ax.get_xlim(), ax.get_ylim()
    assert (points > [low_x, low_y]).all()
    assert (points < [high_x, high_y]).all()


def test_decision_regions_markers_differ_by_class():
    points = np.arange(12.0).reshape(6, 2)
    fig = plot.decision_regions(lambda p: np.zeros(len(p), int), points, np.arange(6))
    shapes = {scatter.get_paths()[0].vertices.tobytes() for scatter in fig.axes[0].collections}
    assert len(shapes) == 6


def test_decision_regions_of_one_point():
    fig = plot.decision_regions(lambda p: np.zeros(len(p), int), [[1.0, 2.0]], [0])
    assert np.ptp(markup.rasterise(fig)) > 0


@pytest.mark.parametrize(
    ("points", "labels"),
    [(np.zeros((4, 3)), np.zeros(4)), (np.zeros((4, 2)), np.zeros(3)), (np.zeros(4), np.zeros(4))],
)
def test_decision_regions_refuses(points, labels):
    with pytest.raises(ValueError, match=r"points \(N, 2\) and labels \(N,\)"):
        plot.decision_regions(lambda p: np.zeros(len(p), int), points, labels)


def test_decision_regions_refuses_more_classes_than_colours():
    points = np.arange(14.0).reshape(7, 2)
    with pytest.raises(ValueError, match="six"):
        plot.decision_regions(lambda p: np.zeros(len(p), int), points, np.arange(7))


def test_decision_regions_explains_missing_points():
    with pytest.raises(ValueError, match="point"):
        plot.decision_regions(lambda p: np.zeros(len(p), int), np.zeros((0, 2)), np.zeros(0))


# --- Refusals: one sentence that says what is wrong ---------------------------------------------


@pytest.mark.parametrize(
    ("call", "kind", "words"),
    [
        (lambda: plot.heatmap(GREY, **LABELS, x_ticks=["a"]), ValueError, "one tick a column, 4"),
        (lambda: plot.heatmap(GREY, **LABELS, y_ticks=["a"]), ValueError, "one tick a row, 3"),
        (lambda: plot.disparity(GREY, np.ones((2, 2))), ValueError, r"valid is \(2, 2\)"),
        (lambda: plot.curves([1, 2], **LABELS), TypeError, "mapping from name to values"),
        (lambda: plot.curves({"a": [1, 2]}, x=[1], **LABELS), ValueError, r"but x \(1,\)"),
        (lambda: plot.curves({"a": [1]}, bands={"a": [1, 2]}, **LABELS), ValueError, "its band"),
        (lambda: plot.curves({"a": [1, 2]}, log="z", **LABELS), ValueError, "log is"),
        (lambda: plot.images([GREY], columns=0), ValueError, "at least one column"),
        (lambda: plot.images([np.array([["a"]])]), ValueError, "holds numbers"),
        (lambda: plot.boxes(GREY, [[0, 0, np.nan, 1]]), ValueError, "not finite"),
        (lambda: plot.masks(GREY, np.zeros((3, 4)), opacity=3), ValueError, "between 0 and 1"),
        (lambda: plot.masks(GREY, np.full((3, 4), np.nan)), ValueError, "finite labels"),
        (
            lambda: plot.decision_regions(lambda p: p[:, 0], [[np.nan, 0]], [0]),
            ValueError,
            "finite points",
        ),
        (
            lambda: plot.decision_regions(lambda p: np.zeros(3), [[0, 0]], [0]),
            ValueError,
            "one label each",
        ),
    ],
)
def test_bad_input_is_refused_in_one_sentence(call, kind, words):
    with pytest.raises(kind, match=words):
        call()


def test_images_takes_a_tensor_that_requires_a_gradient():
    import torch

    assert len(plot.images([torch.zeros(3, 4, 5, requires_grad=True)]).axes) == 1
