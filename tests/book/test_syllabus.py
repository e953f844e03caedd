"""The syllabus: its tables follow from the notebooks, its plans keep to them."""

from __future__ import annotations

import json
import re
import shutil

import pytest
import yaml
from conftest import ROOT

from cvlab.classroom import notebooks
from cvlab.classroom.book import hygiene, layers, syllabus

CHAPTERS = [path.stem for path in notebooks.files(ROOT, ("chapters",))]


@pytest.fixture(scope="module")
def page():
    return syllabus.page()


@pytest.fixture(scope="module")
def table(page):
    """Hours of core, Deeper and exercise and the chapters needed, as a reader finds them."""
    found = {}
    for line in page.partition("## Plans")[0].splitlines():
        if row := re.match(r"\| \[.*?\]\(chapters/(\w+)\.ipynb\) \|(.*)\|$", line):
            *hours, needs = row[2].split("|")
            found[row[1]] = (
                *map(float, [cell.replace("–", "0") for cell in hours]),
                re.findall(r"chapters/(\w+)\.ipynb", needs),
            )
    return found


@pytest.fixture(scope="module")
def plans(page):
    """Rows of each plan by its heading: chapters, Deeper, exercises, hours; and its bound."""
    found = {}
    for section in page.partition("## Plans")[2].split("\n### ")[1:]:
        rows = re.findall(r"^\| \d+ \|(.*)\|$", section, re.M)
        bound = float(re.search(r"At most ([\d.]+) hours a", section)[1])
        found[section.splitlines()[0]] = (bound, [row.split("|") for row in rows])
    return found


def test_each_chapter_has_its_hours_and_builds_on_earlier_ones(table):
    assert list(table) == CHAPTERS
    for name, (core, deeper, practice, needs) in table.items():
        assert 0.5 <= core <= 1.1, name
        assert 0 <= deeper <= 1, name
        assert 1.2 <= practice <= 3, name
        earlier = CHAPTERS[: CHAPTERS.index(name)]
        assert set(needs) <= set(earlier), name
        assert bool(needs) == (name != CHAPTERS[0]), name


def test_the_rule_of_the_page_gives_the_hours(page, table):
    assert "100 words" in page
    assert "8 visible lines" in page
    cells = notebooks.look(ROOT / "chapters" / "02_linear.ipynb")["cells"]
    core, deeper = layers.extents(cells)
    assert deeper.figures == 7
    assert abs(60 * table["02_linear"][1] - deeper.minutes) <= 3
    minutes = core.words / 100 + core.lines / 8 + 1.5 * core.figures
    assert abs(60 * table["02_linear"][0] - minutes) <= 2.5 + 3  # steps of 5 minutes, 0.1 hours
    # Of its five tasks one is a first step, one is hard; its text has 700 to 800 words.
    assert abs(60 * table["02_linear"][2] - (10 + 3 * 20 + 40 + 7.5)) <= 2.5 + 3


def test_plans_keep_to_their_bounds_and_to_what_builds_on_what(table, plans):
    assert [len(rows) for _bound, rows in plans.values()] == [14, 7, 4]
    for plan, (bound, rows) in plans.items():
        taught = []
        for chapters, deeper, exercises, hours in rows:
            names = re.findall(r"chapters/(\w+)\.ipynb", chapters)
            practised = re.findall(r"exercises/(\w+)\.ipynb", exercises)
            for name in names:
                assert set(table[name][3]) <= set(taught), f"{plan}: {name}"
                taught.append(name)
            assert practised
            assert set(practised) <= set(taught)
            least = sum(table[n][0] for n in names) + sum(table[n][2] for n in practised)
            more = 0.5 * len(re.findall(r"[;:]", deeper))
            rounded = 0.05 * (len(names) + len(practised) + 1)
            assert least - rounded <= float(hours) <= min(bound, least + rounded + more), plan
        assert len(taught) == len(set(taught))


def test_one_plan_teaches_every_chapter(plans):
    _bound, rows = next(iter(plans.values()))
    taught = re.findall(r"chapters/(\w+)\.ipynb", "".join(row[0] for row in rows))
    assert taught == CHAPTERS


@pytest.fixture
def course(tmp_path):
    """Three chapters with their exercises and one plan for them."""
    for folder in ("chapters", "exercises", "book"):
        (tmp_path / folder).mkdir()
    for name in ("01_knn", "02_linear", "03_optimisation"):
        for folder in ("chapters", "exercises"):
            shutil.copy(ROOT / folder / f"{name}.ipynb", tmp_path / folder)
    units = [
        {"chapters": ["01_knn", "02_linear"], "exercises": ["01_knn"]},
        {"chapters": ["03_optimisation"], "deeper": {"01_knn": ["a trap"]}},
    ]
    plan = {"name": "Two weeks", "about": "Short.", "unit": "week", "hours": 5, "units": units}
    write_plan(tmp_path, plan)
    assert syllabus.faults(tmp_path) == []
    return tmp_path, plan


def write_plan(root, plan):
    (root / "book" / "plans.yml").write_text(yaml.safe_dump([plan]), encoding="utf-8")


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda units: units.reverse(), "needs 01_knn, 02_linear before it"),
        (lambda units: units[0]["chapters"].pop(0), "02_linear needs 01_knn before it"),
        (lambda units: units[0]["exercises"].append("03_optimisation"), "not taught until then"),
        (lambda units: units[0]["exercises"].append("02_linear"), "5 at most"),
        (lambda units: units[1]["deeper"].update({"02_linear": ["no such"]}), "no section Deeper"),
        (lambda units: units[1]["chapters"].append("04_none"), "there is no chapter 04_none"),
        (lambda units: units[1].update(week=2), "is no list of plans"),
    ],
)
def test_a_plan_that_cannot_be_taught_is_a_fault(course, change, said):
    root, plan = course
    change(plan["units"])
    write_plan(root, plan)
    assert said in "\n".join(syllabus.faults(root))


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("02_linear.ipynb#", "04_none.ipynb#", "needs 04_none, which is no chapter"),
        ("01_knn.ipynb#", "03_optimisation.ipynb#", "needs 03_optimisation, which comes later"),
        ("**You need:**", "**Good to have:**", 'does not say "**You need:**"'),
    ],
)
def test_a_prerequisite_that_is_not_there_or_comes_later_is_a_fault(course, old, new, said):
    root, _plan = course
    path = root / "chapters" / "03_optimisation.ipynb"
    notebook = json.loads(path.read_text(encoding="utf-8"))
    head = "".join(notebook["cells"][0]["source"])
    assert old in head
    notebook["cells"][0]["source"] = head.replace(old, new)
    path.write_text(json.dumps(notebook), encoding="utf-8")
    assert said in "\n".join(syllabus.faults(root))


def test_the_rule_stops_the_build():
    assert syllabus.faults in hygiene.RULES
