"""The rules on how a chapter reads find what is planted, and leave what is right alone."""

from __future__ import annotations

import json

import pytest

from cvlab.classroom.book import layers, readable


def page(root, *cells, folder="chapters", name="01_page.ipynb"):
    """Write a notebook; a cell is Markdown, or code where it begins with a line `>>> tags`."""
    made = []
    for index, cell in enumerate(cells):
        code = cell.startswith(">>>")
        tags, _, source = cell.removeprefix(">>>").partition("\n") if code else ("", "", cell)
        made.append(
            {
                "cell_type": "code" if code else "markdown",
                "id": f"cell-{index}",
                "metadata": {"tags": tags.split()} if tags.split() else {},
                "source": source,
                **({"execution_count": None, "outputs": []} if code else {}),
            }
        )
    path = root / folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    notebook = {"cells": made, "metadata": {}, "nbformat": 4, "nbformat_minor": 5}
    path.write_text(json.dumps(notebook), encoding="utf-8")
    return path


def of(path):
    from cvlab.classroom import notebooks

    return layers.extents(notebooks.load(path)["cells"])


# --- Layers ---------------------------------------------------------------------------------------


def test_a_deeper_section_ends_at_the_next_heading_of_its_level_or_a_higher_one(tmp_path):
    core, deeper = of(
        page(
            tmp_path,
            "# Title\none two",
            "## Deeper: more\nthree four five",
            ">>>\nx = 1\ny = 2",
            "### Inside\nsix",
            "## Next\nseven",
            ">>>\nz = 3",
        )
    )
    assert (core.words, core.lines) == (1 + 2 + 1 + 1, 1)
    assert (deeper.words, deeper.lines) == (2 + 3 + 1 + 1, 2)


def test_a_layer_may_change_inside_a_cell(tmp_path):
    path = page(
        tmp_path, "# T\n\n### Deeper: a\n\nb c\n\n### d\n\ne\n\n## Deeper: f\n\n### g\n\n# h"
    )
    core, deeper = of(path)
    assert core.words == len(["T", "d", "e", "h"])
    assert deeper.words == len(["Deeper", "a", "b", "c", "Deeper", "f", "g"])


def test_a_deeper_subsection_does_not_close_the_section_above_it(tmp_path):
    core, deeper = of(page(tmp_path, "# T\n## A\n### Deeper: b\nc\n#### d\n### E\nf"))
    assert core.words == len(["T", "A", "E", "f"])
    assert deeper.words == len(["Deeper", "b", "c", "d"])


@pytest.mark.parametrize(
    ("markdown", "count"),
    [
        ("", 0),
        ("one two-three four's", 3),
        ("a formula $x + y = z$ counts once", 5),
        ("$$\nx = y + z\n$$ (eq-a)", 1),
        ("the value {glue:text}`some-name:.1f` %", 3),
        ("see [the page](../notation.md#there) now", 4),
        ("```python\nno = code\n```\nyes", 1),
        ("<details><summary>Answer</summary>\n\nnot read at first\n\n</details>", 0),
        (":::{question} What is it?\n1. This.\n2. That.\n:::", 5),
        (":::{question} How many?\n:tolerance: 5 %\n:::", 2),
    ],
)
def test_words_are_those_that_are_read(markdown, count):
    assert layers.words(markdown) == count


def test_a_heading_in_a_code_block_is_none(tmp_path):
    core, deeper = of(page(tmp_path, "# T\n\n```\n## Deeper: no\n```\n\nstill core"))
    assert deeper.words == 0
    assert core.words == 3


@pytest.mark.parametrize(
    ("source", "what"),
    [
        ("def f(x):\n    return x", None),
        ("f(np.zeros(3))", None),
        ("x = model.fit(data)\nx", None),
        ("%pip install x\nimport y", None),
        ("assert f(1) == 1", layers.CHECKED),
        ("np.testing.assert_allclose(a, b)", layers.CHECKED),
        ('glue("a", 1)', layers.CHECKED),
        ('plot.table([[1]], ["a"], caption="c")', "how this table is made"),
        ('fig = plot.curves(a)\nplot.show(fig, alt="...")', "how this figure is drawn"),
        ("explore(draw, k=[1, 2])", "the code of this slider"),
        ("start = time.perf_counter()", "how this is measured"),
        ("s = timed(f)\nassert s", "how this is measured"),
        ("for x in y:\n    if x:\n        assert x", layers.CHECKED),
        ("this is no Python", None),
    ],
)
def test_a_method_cell_is_told_from_a_checking_cell(source, what):
    assert layers.presents(source) == what


def test_visible_lines_leave_out_folded_cells(tmp_path):
    core, _ = of(
        page(
            tmp_path,
            "# T",
            ">>> hide-input\nx = 1\ny = 2",
            ">>>\nassert x == 1",
            ">>>\na = 1\n\n\nb = 2",
        )
    )
    assert core.lines == 2


def test_figures_and_sliders_are_counted_by_their_calls(tmp_path):
    core, deeper = of(
        page(
            tmp_path,
            "# T\n\n![a picture](a.png)",
            '>>>\nplot.show(fig, alt="a")\nexplore(draw, k=[1, 2])',
            "## Deeper: x",
            '>>>\nplot.show(fig, alt="b")',
        )
    )
    assert (core.figures, deeper.figures) == (3, 1)


def test_a_core_that_is_too_long_is_told(tmp_path):
    lines = "\n".join(f"x{i} = {i}" for i in range(15))
    shows = '>>>\nplot.show(fig, alt="a")'
    cells = ["# T\n" + "word " * 2501, *[f">>>\n{lines}"] * 14, *[shows] * 9]
    path = page(tmp_path, *cells)
    found = "\n".join(layers.faults(path))
    assert "2502 words" in found
    assert "210 visible lines" in found
    assert "9 figures" in found
    assert readable.two_layers(tmp_path)
    half = page(tmp_path, "# T", "## Deeper: all", *cells[1:])
    assert layers.faults(half) == []


def test_a_cell_that_does_not_fit_a_screen_is_told(tmp_path):
    lines = "\n".join(f"x{i} = {i}" for i in range(21))
    (fault,) = layers.faults(page(tmp_path, "# T", f">>>\n{lines}", f">>> hide-input\n{lines}"))
    assert "cell-1: 21 visible lines" in fault


def test_a_method_in_a_checking_cell_is_told(tmp_path):
    mixed = "def conv(x):\n    return x\n\n\nassert conv(1) == 1"
    drawing = "def draw(k):\n    return plot.figure()[0]\n\n\nexplore(draw, k=[1, 2])"
    path = page(tmp_path, "# T", f">>>\n{mixed}", f">>>\n{drawing}", f">>> hide-input\n{mixed}")
    (fault,) = layers.faults(path)
    assert "cell-1: it defines conv and shows or checks" in fault


def test_minutes_grow_with_what_is_read():
    minutes = [layers.Extent(words, 100, 8).minutes for words in (0, 1000, 2500)]
    assert minutes == sorted(set(minutes))
    assert layers.Extent(2500, 200, 8).minutes <= 65


def test_the_table_counts_both_layers(tmp_path):
    path = page(tmp_path, "# T\none two", ">>>\nx = 1", "## Deeper: d", ">>>\ny = 1\nz = 2")
    head, limits, row = layers.table([path]).splitlines()
    assert head.split()[:5] == ["page", "words", "lines", "figures", "min"]
    assert limits.split()[2:] == ["2500", "200", "8"]
    assert row.split() == ["01_page", "3", "1", "0", "5", "2", "2", "0", "5"]


# --- The core stands alone ------------------------------------------------------------------------


def test_a_name_of_a_deeper_cell_in_the_core_is_told(tmp_path):
    page(
        tmp_path,
        "# T",
        ">>>\ndef shared():\n    pass",
        "## Deeper: d",
        ">>>\nfrom a import tool\nvalue, (other, *rest) = 1, (2, 3)",
        ">>>\ndef helper():\n    inner = 1",
        "## Core",
        ">>>\nvalue + tool.x\nshared()\ninner = [other for other in range(3)]\nhelper",
        ">>>\nvalue = 3\nvalue",
        ">>>\ndef g(rest):\n    return rest",
    )
    found = readable.core_stands_alone(tmp_path)
    assert [fault.split("uses ")[1].split(",")[0] for fault in found] == ["helper", "tool", "value"]
    assert all("cell-6" in fault for fault in found)


def test_a_deeper_section_may_use_the_core_and_others(tmp_path):
    page(tmp_path, "# T", ">>>\nx = 1", "## Deeper: a", ">>>\ny = x", "## Deeper: b", ">>>\ny + x")
    assert readable.core_stands_alone(tmp_path) == []


def test_a_name_that_a_slider_reads_and_a_later_cell_rebinds_is_told(tmp_path):
    draw = "def draw(k):\n    own = k\n    return plot.curves({'a': data[k] + own + shift})\n\n\n"
    page(
        tmp_path,
        ">>>\ndata, shift = [1, 2], 3",
        f">>>\n{draw}explore(draw, k=[0, 1])",
        ">>>\nown, other = 3, 4\nfor shift in range(2):\n    pass",
        ">>>\ndef f(data):\n    return data",
    )
    (fault,) = readable.sliders_keep_their_data(tmp_path)
    assert "cell-2: it gives shift another value, which the slider in cell-1 reads" in fault


# --- Questions ------------------------------------------------------------------------------------

CHOICE = """:::{question} Which?
1. This.
2. That.

<details><summary>Answer: 2</summary>

1. No: it is not.
2. Yes: it is.

</details>
:::
"""
NUMBER = """:::{question} How many?

<details><summary>Answer: a number</summary>

6: two times three.

- `5`: that is their sum.

</details>
:::
"""


@pytest.mark.parametrize(
    ("cells", "words"),
    [
        ([CHOICE] * 4 + [NUMBER], None),
        ([CHOICE + "\n" + CHOICE, CHOICE + "\n" + NUMBER, NUMBER], None),
        ([CHOICE] * 5, "no question asks for a number"),
        ([CHOICE] * 3 + [NUMBER], "4 questions, not 5"),
        ([CHOICE] * 4 + [NUMBER.replace("6: ", "six: ")], "cell-"),
        ([CHOICE.replace("Answer: 2", "Answer: 3")] + [NUMBER] * 4, "cell-0"),
    ],
)
def test_questions(tmp_path, cells, words):
    page(tmp_path, *cells)
    found = readable.five_questions(tmp_path)
    assert bool(found) == bool(words)
    assert words is None or words in found[0]


def test_a_fold_that_opens_with_a_formula_is_told(tmp_path):
    fold = "<details><summary>{}</summary>\n\n$x$ and `code` are fine here.\n\n</details>"
    page(tmp_path, fold.format("How large is $x$?"), fold.format("How large is it?"))
    (fault,) = readable.plain_summaries(tmp_path)
    assert "cell-0: 'How large is $x$?' opens a fold" in fault


# --- Clocks ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "source",
    [
        "start = time.perf_counter()\nf()\nspent = time.perf_counter() - start\nassert spent < 1",
        "seconds = timed({'a': f})\nassert seconds['a'] < seconds['b']",
        "s = timed(f)\nratio = s['a'] / s['b']\nassert 1 < ratio",
        "a, b = process_time(), 2\nassert a",
        "rows = []\nrows.append(time.monotonic() - 3)\nassert rows[0] < 2",
        "d = {}\nd['x'] = perf_counter()\nassert max(d.values()) < 3",
        "def clock():\n    return perf_counter()\n\n\nx = clock()\nassert x",
        "t = 0\nt += perf_counter()\nt += 1\nassert t < 9",
        "for name, spent in timed(f).items():\n    assert spent < 1",
        "history = fit(model)\nassert history.seconds < 3",
        "if True:\n    with x:\n        y = perf_counter()\nassert y",
    ],
)
def test_an_assertion_on_time_is_told(tmp_path, source):
    page(tmp_path, ">>>\n" + source)
    assert len(readable.no_assertion_on_time(tmp_path)) == 1


@pytest.mark.parametrize(
    "source",
    [
        "s = timed(f)\nglue('s', s)\nassert count == 3",
        "s = perf_counter()\ns = 3\nassert s == 3",
        "a, b = perf_counter(), 2\nassert b == 2",
        "rows.append([perf_counter(), accuracy])\nassert accuracy > 0.5",
        "def run():\n    t = perf_counter()\n    return loss, t\n\n\nassert run",
        "assert second_order < 3",
    ],
)
def test_times_that_are_shown_are_right(tmp_path, source):
    page(tmp_path, ">>>\n" + source)
    assert readable.no_assertion_on_time(tmp_path) == []


def test_a_time_of_an_earlier_cell_is_followed(tmp_path):
    page(tmp_path, ">>>\nspent = timed(f)", ">>>\nassert spent['a'] < 1", folder="solutions")
    (fault,) = readable.no_assertion_on_time(tmp_path)
    assert "solutions/01_page.ipynb, cell-1: an assertion on spent" in fault


# --- Torch ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("cells", "count"),
    [
        (["import torch", "x = 1", "y = 2", "z = 3", "torch.ones(1)"], 1),
        (["x = 1", "y = 2", "z = 3", "import torch\ntorch.ones(1)"], 0),
        (["from torch import nn", "x = 1", "y = 2", "z = 3", "nn.Linear(1, 1)"], 1),
        (["import torch", "torch.ones(1)"], 0),
        (["import numpy as np"] * 5, 0),
    ],
)
def test_torch_is_imported_where_it_is_needed(tmp_path, cells, count):
    page(tmp_path, *[f">>>\n{cell}" for cell in cells])
    assert len(readable.torch_where_needed(tmp_path)) == count


# --- Spelling -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "cell",
    [
        "The btableness of a pixel.",
        ">>>\nx = 1  # the btableness of a pixel",
        '>>>\nplot.show(fig, alt="A three and the 64 btableness values it is.")',
        ">>>\nplot.show(\n    fig,\n    alt='A three '\n    'and the btableness of it',\n)",
        ">>>\ndef f():\n    '''Return the btableness of pixels.'''",
        "A table | with btableness | in it",
        "Btableness begins a sentence.",
    ],
)
def test_a_word_that_is_none_is_told(tmp_path, cell):
    (tmp_path / "book").mkdir()
    (tmp_path / "book" / "words.txt").write_text("convolve\n", encoding="utf-8")
    page(tmp_path, cell)
    (fault,) = readable.spelling(tmp_path)
    assert "'btableness' is no known word" in fault


@pytest.mark.parametrize(
    "cell",
    [
        "Its neighbour's colour is normalised; we convolve by `cdist`, and $btableness$.",
        ">>>\nbtableness = 'btableness'  # `btableness` is a name, see x.btableness and plot_it()",
        "See [it](btableness.md) and https://example.org/btableness, or H2O.",
    ],
)
def test_names_code_formulas_and_addresses_are_no_words(tmp_path, cell):
    (tmp_path / "book").mkdir()
    (tmp_path / "book" / "words.txt").write_text("convolve\n", encoding="utf-8")
    page(tmp_path, cell)
    assert readable.spelling(tmp_path) == []
