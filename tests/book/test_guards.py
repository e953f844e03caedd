"""Each guard is proved by planting, in a copy of the repository, the fault it is there for."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
from pathlib import Path

import nbformat
import pytest
from conftest import ROOT, WEEKLY
from nbformat.v4 import new_code_cell, new_notebook

from cvlab.classroom import exercises, notebooks
from cvlab.classroom.book import address, hygiene, links, readable, sections, systems

pytestmark = pytest.mark.usefixtures("trees")


def edit(path: Path, change) -> None:
    """Change a notebook's cells in place and write it in normal form."""
    notebook = notebooks.load(path)
    change(notebook["cells"])
    path.write_text(notebooks.text(notebooks.normal(notebook)), encoding="utf-8")


def first(cells, kind="code", containing=""):
    return next(c for c in cells if c["cell_type"] == kind and containing in c["source"])


def test_stray_output(copy):
    root = copy()
    path = root / "chapters" / "01_knn.ipynb"
    notebook = json.loads(path.read_text(encoding="utf-8"))
    cell = next(cell for cell in notebook["cells"] if cell["cell_type"] == "code")
    cell["outputs"] = [{"name": "stdout", "output_type": "stream", "text": ["left over\n"]}]
    path.write_text(notebooks.text(notebook), encoding="utf-8")
    assert any("carries an output" in fault for fault in hygiene.normal_form(root))


def test_corrupt_notebook(copy):
    root = copy()
    path = root / "chapters" / "01_knn.ipynb"
    path.write_bytes(path.read_bytes()[:-200])
    faults = hygiene.normal_form(root)
    assert len(faults) == 1
    assert "is not a readable notebook" in faults[0]


def test_wrong_number_in_the_text(copy):
    root = copy()

    def plant(cells):
        cell = first(cells, "markdown", "{glue:text}")
        cell["source"] = cell["source"] + "\n\nThe accuracy is 99.2 %, or 0.992."

    edit(root / "chapters" / "01_knn.ipynb", plant)
    faults = hygiene.measured_numbers(root)
    assert any("99.2 %" in fault for fault in faults)
    assert any("0.992" in fault for fault in faults)


def test_quoted_number_that_nothing_computes(copy):
    root = copy()

    def plant(cells):
        cell = first(cells, "markdown", "{glue:text}")
        cell["source"] = cell["source"] + "\n\nIt is {glue:text}`never-computed:.1f`."

    edit(root / "chapters" / "01_knn.ipynb", plant)
    assert any("never-computed" in fault for fault in hygiene.glued(root))


def test_a_function_that_stands_in_two_chapters(tmp_path):
    long = "def shared(x):\n    a = x\n    b = a\n    c = b\n    return c"
    explained = long.replace("(x):\n", '(x):\n    """Return x."""\n')
    short = "def small(x):\n    return x"
    for name, source in (("01_a", f"{long}\n\n\n{short}"), ("02_b", explained), ("03_c", short)):
        path = tmp_path / "chapters" / f"{name}.ipynb"
        path.parent.mkdir(exist_ok=True)
        cells = [new_code_cell(source, id="code"), new_code_cell("%pip list", id="line")]
        nbformat.write(new_notebook(cells=cells), path)
    assert hygiene.repeated(tmp_path) == [
        "01_a, code: shared and 02_b, code: shared are the same; move it into cvlab and import it."
    ]


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "right", "wrong"),
    [
        ("01_knn", "- 2 * ", "- 1 * "),
        *[("03_optimisation", "(1 - beta2) * gradient**2", "(1 + beta2) * gradient**2")] * WEEKLY,
    ],
)
def test_wrong_formula_fails_its_notebook(copy, name, right, wrong):
    root = copy()
    planted = []

    def plant(cells):
        for cell in cells:
            if cell["cell_type"] == "code" and right in cell["source"] and not planted:
                cell["source"] = cell["source"].replace(right, wrong)
                planted.append(cell["id"])

    path = root / "chapters" / f"{name}.ipynb"
    edit(path, plant)
    assert planted, f"{right!r} is not in {name}: choose another formula to break"
    done = subprocess.run(
        [
            sys.executable,
            "-m",
            "pytest",
            "-q",
            "-x",
            "-p",
            "no:cacheprovider",
            "--nbval-lax",
            str(path),
        ],
        cwd=root,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 1, done.stdout[-2000:]
    assert "AssertionError" in done.stdout


def test_missing_alternative_text(copy):
    root = copy()

    def plant(cells):
        cells.append(
            {"cell_type": "code", "id": "no-alt", "metadata": {}, "source": "plot.show(fig)"}
        )
        cells.append(
            {"cell_type": "markdown", "id": "no-alt-2", "metadata": {}, "source": "![](x.png)"}
        )

    edit(root / "chapters" / "01_knn.ipynb", plant)
    faults = hygiene.alternative_text(root)
    assert sum("no-alt" in fault for fault in faults) == 2


def test_edited_exercise(copy):
    root = copy()

    def plant(cells):
        first(cells, "markdown")["source"] += "\n\nA hint by hand."

    edit(root / "exercises" / "01_knn.ipynb", plant)
    assert exercises.faults(root) == [
        "exercises/01_knn.ipynb is not what its solution gives; run `make exercises`."
    ]
    (root / "exercises" / "01_knn.ipynb").unlink()
    assert "is missing" in exercises.faults(root)[0]


def test_method_without_a_cell_and_tag_without_a_method(copy):
    root = copy()

    def plant(cells):
        cell = next(c for c in cells if "system:knn" in notebooks.tags(c))
        cell["metadata"]["tags"] = ["system:no-such-method"]

    edit(root / "chapters" / "01_knn.ipynb", plant)
    faults = systems.faults(root)
    assert any("no-such-method is not in" in fault for fault in faults)
    assert any("no cell is tagged system:" in fault for fault in faults)


def test_another_address(copy):
    root = copy()
    name = address.slug(address.current(root)).split("/")[1]
    readme = root / "README.md"
    readme.write_text(readme.read_text() + f"\nhttps://github.com/someone-else/{name}\n")
    assert any("someone-else" in fault for fault in address.faults(root))


def test_a_link_to_a_section_that_is_not_there(copy):
    """Found in the sources, which the built book would say minutes later."""
    root = copy()

    def plant(cells):
        first(cells, "markdown")["source"] += (
            "\n\n[a](05_edges.ipynb#no-such-section), [b](05_edges.ipynb#the-gradient-two-central-"
            "differences), [c](99_none.ipynb#a), [d](../errata.md#nothing), "
            "[e](../glossary.md#glossary)"
        )

    edit(root / "chapters" / "01_knn.ipynb", plant)
    name = "chapters/01_knn.ipynb: "
    assert sections.faults(root) == [
        f"{name}05_edges.ipynb has no section with the anchor 'no-such-section'.",
        f"{name}99_none.ipynb#a names a file that is not there.",
        f"{name}../errata.md has no section with the anchor 'nothing'.",
    ]


@pytest.mark.slow
def test_moving_the_address_moves_everything(copy):
    """And rules that read it find no fault in a copy in which none was planted, nor do others."""
    root = copy()
    old = address.slug(address.current(root))
    changed = address.move("https://github.com/a-university/vision-course", root)
    assert {path.name for path in changed} >= {"_config.yml", "01_knn.ipynb"}
    assert address.current(root) == "https://github.com/a-university/vision-course"
    left = [
        path for path in address.files_that_name_it(root) if old in path.read_text(errors="replace")
    ]
    assert left == []
    reading = (hygiene.normal_form, hygiene.anatomy, hygiene.contents, address.faults)
    assert set(reading) < set(hygiene.RULES)
    assert [fault for rule in (hygiene.RULES if WEEKLY else reading) for fault in rule(root)] == []


@pytest.mark.parametrize(
    "url", ["https://example.org/a/b", "github.com/a/b", "https://github.com/a"]
)
def test_an_address_that_colab_cannot_open_is_refused(url):
    with pytest.raises(ValueError, match="not of the form"):
        address.slug(url)


@pytest.mark.slow
def test_american_spelling_and_misspelling(copy):
    root = copy()
    page = root / "book" / "how_to_use.md"
    misspelt = "rec{}ved".format("ie")
    page.write_text(page.read_text() + f"\nThe color of the neighbor is {misspelt}.\n")
    assert sum("in British English" in fault for fault in hygiene.british(root)) == 2
    assert any("how_to_use.md" in fault for fault in hygiene.codespell(root))


def test_badly_formatted_code(copy):
    root = copy()
    (root / "cvlab" / "untidy.py").write_text('"""Doc."""\nimport os\nx = {  "a":1 }\n')
    faults = hygiene.ruff(root)
    assert any("untidy.py" in fault and "F401" in fault for fault in faults)
    assert any("untidy.py" in fault and "format" in fault for fault in faults)


def test_package_index_machine_path_and_big_file(copy):
    root = copy()
    index = ".".join(["https://pypi", "org/simple"])
    (root / "book" / "note.md").write_text(f"{index} and /" + "home/someone/data\n")
    (root / "book" / "big.bin").write_bytes(bytes(1_000_001))
    faults = hygiene.repository(root)
    assert len([fault for fault in faults if "book/note.md" in fault]) == 2
    assert any("book/big.bin has 1.0 MB" in fault for fault in faults)


def test_chapter_without_exercise_and_contents_without_chapter(copy):
    root = copy()
    shutil.copy(root / "chapters" / "01_knn.ipynb", root / "chapters" / "98_more.ipynb")
    assert "solutions/98_more.ipynb is missing." in hygiene.anatomy(root)
    added = "chapters/98_more is not in book/_toc.yml; add `- file: chapters/98_more` there."
    assert hygiene.contents(root) == [added]
    (root / "chapters" / "98_more.ipynb").unlink()
    contents = root / "book" / "_toc.yml"
    before = contents.read_text(encoding="utf-8")
    contents.write_text(before + "  - caption: More\n    chapters:\n      - file: chapters/99_no\n")
    gone = "book/_toc.yml lists chapters/99_no, which does not exist; remove it."
    assert hygiene.contents(root) == [gone]
    swapped = {"01_knn": "03_optimisation", "03_optimisation": "01_knn"}
    pattern = re.compile("(?<=file: chapters/)" + "|(?<=file: chapters/)".join(swapped))
    contents.write_text(pattern.sub(lambda match: swapped[match[0]], before))
    (order,) = hygiene.contents(root)
    assert order == "book/_toc.yml must list each of chapters once, in order of their names."
    contents.write_text(before + "  - : [\n")
    (broken,) = hygiene.contents(root)
    assert re.match(r"book/_toc\.yml, line \d+ is not YAML: ", broken)


def test_version_that_the_changelog_does_not_know(copy):
    root = copy()
    project = root / "pyproject.toml"
    project.write_text(project.read_text().replace('version = "', 'version = "9.', 1))
    assert hygiene.version(root) != []


def test_dead_links_anchors_and_resources(tmp_path):
    """`test_browser` finds none of these in the built book, by the same function."""
    (tmp_path / "there.html").write_text('<h1 id="place">Here</h1><a name="old">x</a>')
    (tmp_path / "a folder").mkdir()
    (tmp_path / "a folder" / "index.html").write_text('<a href="../there.html#place">x</a>')
    page = tmp_path / "page.html"
    good = (
        '<p id="own">x</p><a href="#own">x</a><a href="there.html#place">x</a>'
        '<a href="there.html#old">x</a><a href="a%20folder/">x</a><a href="https://a.org">x</a>'
        '<img src="data:," alt="words">'
    )
    page.write_text(good)
    assert links.faults(tmp_path) == []
    bad = {
        '<a href="no-such-page.html">x</a>': "link no-such-page.html leads nowhere",
        '<a href="there.html#no-such-place">x</a>': "there.html#no-such-place names a place",
        '<a href="#nowhere">x</a>': "#nowhere names a place",
        '<script src="no-such.js"></script>': "resource no-such.js leads nowhere",
        '<img src="data:,">': "image without alternative text",
    }
    for markup, said in bad.items():
        page.write_text(good + markup)
        (fault,) = links.faults(tmp_path)
        assert fault.startswith("page.html: ")
        assert said in fault
    page.write_text(good + "".join(bad))
    assert len(links.faults(tmp_path, resources=False)) == 4


@pytest.mark.slow
def test_every_rule_is_run_by_the_tests():
    command = [sys.executable, "-m", "pytest", "--collect-only", "-q", "-p", "no:cacheprovider"]
    command.append("tests/book/test_hygiene.py")
    listed = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False).stdout
    for rule in hygiene.RULES:
        assert f".{rule.__module__.rsplit('.')[-1]}.{rule.__name__}]" in listed


def test_numbers_in_other_clothes(copy):
    root = copy()
    typed = ["98 percent", "ninety-nine per cent", "97 of 100", "in 12 s", "1e-3", "98&nbsp;%"]

    def plant(cells):
        first(cells, "markdown", "{glue:text}")["source"] += "\n\n" + ", ".join(typed)

    edit(root / "chapters" / "01_knn.ipynb", plant)
    assert len(hygiene.measured_numbers(root)) == len(typed)


def test_a_glued_name_that_is_all_field(copy):
    root = copy()

    def plant(cells):
        first(cells, "code", "glue(")["source"] += '\nfor name in ():\n    glue(f"{name}", 1)'

    edit(root / "chapters" / "01_knn.ipynb", plant)
    assert any("is all field" in fault for fault in hygiene.glued(root))


def test_a_method_shown_without_an_assertion(copy):
    root = copy()

    def plant(cells):
        cell = next(c for c in cells if "system:knn" in notebooks.tags(c))
        cell["source"] = "assert True"

    edit(root / "chapters" / "01_knn.ipynb", plant)
    assert any("shows a method but asserts nothing" in f for f in hygiene.asserted(root))


def test_tags_on_text_twice_and_of_another_chapter(copy):
    root = copy()

    def plant(cells):
        first(cells, "markdown")["metadata"]["tags"] = ["system:knn"]
        code = [cell for cell in cells if cell["cell_type"] == "code"]
        code[0]["metadata"]["tags"] = ["system:adam"]
        code[1]["metadata"]["tags"] = ["system:knn"]

    edit(root / "chapters" / "01_knn.ipynb", plant)
    faults = "\n".join(systems.faults(root))
    assert "system:knn marks text" in faults
    assert "system:knn marks two cells" in faults
    assert "system:adam belongs to 03_optimisation" in faults


def test_empty_questions_and_idle_wrong_answers(copy):
    root = copy()

    def empty(cells):
        for cell in cells:
            if cell["cell_type"] == "markdown":
                cell["source"] = re.sub(r"<summary>.*?</summary>", "", cell["source"])

    def idle(cells):
        next(c for c in cells if "wrong-answer" in notebooks.tags(c))["source"] = "pass"

    edit(root / "chapters" / "01_knn.ipynb", empty)
    edit(root / "solutions" / "01_knn.ipynb", idle)
    assert any("01_knn" in fault for fault in readable.five_questions(root))
    assert any("refuses nothing" in fault for fault in hygiene.anatomy(root))


def test_a_probe_where_students_can_read_it(copy):
    root = copy()
    probe = next(
        cell
        for cell in notebooks.load(root / "solutions" / "01_knn.ipynb")["cells"]
        if "probe" in notebooks.tags(cell)
    )
    for folder in ("chapters", "exercises"):
        edit(root / folder / "01_knn.ipynb", lambda cells: cells.append(dict(probe)))
    faults = hygiene.probes(root)
    where = f"01_knn.ipynb, {probe['id']}: a probe belongs in solutions/ only"
    assert len(faults) == 2
    assert all(where in fault for fault in faults)


def test_a_task_with_one_probe_or_none(copy):
    root = copy()

    def keep_one(cells):
        of_vote = [c for c in cells if c["id"].startswith("vote-probe-")]
        for cell in of_vote[1:]:
            cells.remove(cell)
        only = of_vote[0]
        only["source"] = re.sub(r"points=[\d.]+", "points=2", only["source"])

    def keep_none(cells):
        cells[:] = [c for c in cells if not c["id"].startswith("nesterov-probe-")]

    edit(root / "solutions" / "01_knn.ipynb", keep_one)
    edit(root / "solutions" / "03_optimisation.ipynb", keep_none)
    assert hygiene.probes(root) == [
        "solutions/01_knn.ipynb, weighted-vote: 1 of at least two probes.",
        "solutions/03_optimisation.ipynb, nesterov-step: 0 of at least two probes.",
    ]


@pytest.mark.slow
@pytest.mark.parametrize(
    ("right", "wrong", "fault"),
    [
        ("points=1,", "points=1.5,", "its probes are worth"),
        ("points=1,", "points=0,", "points= is missing, or no number above 0"),
        ('"nesterov-step"', '"nestrov-step"', "there is no task 'nestrov-step'"),
        ('dtype="value"', 'dtype="any"', "dtype"),
        ('dtype="value"', "tolerance=1", "check.probe knows no tolerance=; it knows points, hint"),
        ("@check.probe(", "@check.sonde(", "it declares 0 probes or rules"),
        ("def one_step", "def one step", "line 8"),
    ],
    ids=["sum", "points", "task", "option", "unknown option", "declaration", "syntax"],
)
def test_a_probe_that_the_grader_cannot_read(copy, right, wrong, fault):
    root = copy()

    def plant(cells):
        cell = next(c for c in cells if c["id"] == "nesterov-probe-one-step")
        assert right in cell["source"]
        cell["source"] = cell["source"].replace(right, wrong, 1)

    edit(root / "solutions" / "03_optimisation.ipynb", plant)
    (found,) = hygiene.probes(root)
    assert found.startswith("solutions/03_optimisation, ")
    assert fault in found
