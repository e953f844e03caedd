"""Broken markup is named with its place before Sphinx sees it."""

from __future__ import annotations

import json

import pytest
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook

from cvlab.classroom.book import broken


@pytest.mark.parametrize(
    ("text", "line", "sentence"),
    [
        ("One.\n\n<details><summary>More</summary>\n\nText.", 3, "<details> is never closed"),
        ("<details>\n<summary>More\n\nText.\n</details>", 2, "<summary> is never closed"),
        ("Text.\n\n</details>", 3, "</details> closes nothing here."),
        ("<div><details>\n</div></details>", 2, "</div> closes nothing here; <details> of line 1"),
        ("A formula\n\n$$ a = b\n\nand on.", 3, "closed by $$ alone"),
        ("See [the chapter][far].", 1, "[the chapter][far] refers to nothing"),
        ("Two\nlines, [far][].", 2, "[far][] refers to nothing: no line begins with [far]:"),
        (":::{note}\nText.", 1, "{note} is not closed"),
        ("::::{note}\n:::{tip}\n::::", 2, "{tip} is not closed"),
        ("Text.\n:::", 2, "::: closes nothing."),
        ("half \ud83d of it", 1, "U+D83D is half of one"),
        ("a\n\n```{note}\n<details>\n```", 4, "<details> is never closed"),
    ],
)
def test_what_is_broken_is_found(text, line, sentence):
    found = broken.in_text(text)
    assert [(where, sentence in what) for where, what in found if sentence in what] == [
        (line, True)
    ], found


@pytest.mark.parametrize(
    "text",
    [
        "",
        "`</details>` and ``a[i][j]`` and $a[i][j]$ and \\[a\\]\\[b\\].",
        "```html\n<details>\n```\n\n~~~\n$$\n~~~\n\n    ```python\n    x[0][1]\n    ```",
        "<details><summary>More</summary>\n\n$$ a $$ (label)\n\n</details>\n<div>a</div>",
        "::::{note}\n:::{tip}\nText.\n:::\n::::\n\n:::{question} Why?\nBecause.\n:::",
        "See [the chapter][far] and ![a picture][far].\n\n[far]: https://example.org",
        "<!-- <details> -->\n\nA [link](to.md)[^note].\n\n[^note]: A note.",
        "It costs $5 and $6, or \\$7.",
    ],
)
def test_what_is_whole_is_left_alone(text):
    assert broken.in_text(text) == []


def test_faults_name_file_cell_and_line(tmp_path):
    def page(name, *cells):
        path = tmp_path / name
        path.parent.mkdir(exist_ok=True)
        path.write_text(json.dumps(new_notebook(cells=list(cells))))

    (tmp_path / "book").mkdir()
    (tmp_path / "book" / "guide.md").write_text(
        "# Guide\n\n(here)=\n## Here\n\n```\n(here)=\n```\n"
    )
    twice = "# One\n\n(here)=\n## Again\n\n$$ a $$ (eq)\n\n$$ b $$ (eq)"
    page("chapters/01_one.ipynb", new_markdown_cell(twice, id="text"))
    half = new_code_cell("x = '\ud83d'", id="code")
    page("exercises/01_one.ipynb", new_markdown_cell("# E\n\n(task)=\n", id="text"), half)
    page("solutions/01_one.ipynb", new_markdown_cell("# E\n\n(task)=\n<details>", id="text"))
    assert broken.faults(tmp_path) == [
        "chapters/01_one.ipynb, cell 'text', line 3: the label 'here' stands at book/guide.md, "
        "line 3 already.",
        "chapters/01_one.ipynb, cell 'text', line 8: the label 'eq' stands at "
        "chapters/01_one.ipynb, cell 'text', line 6 already.",
        "exercises/01_one.ipynb, cell 'code', line 1: the character U+D83D is half of one and "
        "cannot be stored; remove it.",
        "solutions/01_one.ipynb, cell 'text', line 4: <details> is never closed, and swallows what "
        "follows; write </details>.",
    ]
