"""What a run of the tests costs; and the steps of the weekly run in an environment like Colab's."""

from __future__ import annotations

import subprocess
import sys

import psutil
import pytest
import yaml
from conftest import ROOT
from waiting import until

from cvlab.classroom import cli
from cvlab.classroom.running import costs, execute

REPORT = """<testsuites><testsuite>
<testcase classname="tests.test_widgets" name="test_a" time="30.5"/>
<testcase classname="tests.test_browser.TestChapter" name="test_cut[01_knn]" time="60"/>
<testcase classname="tests.test_browser.TestChapter" name="test_front" time="7"/>
<testcase classname="chapters.01_knn.ipynb" name="Cell 3" time="2"/>
<testcase classname="cvlab.plot" name="cvlab.plot.images" time="0.5"/>
</testsuite></testsuites>"""


@pytest.fixture
def report(tmp_path, monkeypatch):
    monkeypatch.setattr(costs.notebooks, "files", lambda *_: [ROOT / "chapters" / "01_knn.ipynb"])
    monkeypatch.setattr(execute, "record", lambda path: {"seconds": 48.0})
    path = tmp_path / "tests.xml"
    path.write_text(REPORT, encoding="utf-8")
    return path


def test_the_table_tells_fixed_costs_from_those_of_chapters(report):
    rows = [line.rsplit(maxsplit=3) for line in costs.table(report, workers=2).splitlines()[1:-2]]
    assert {name: tuple(map(float, numbers)) for name, *numbers in rows} == {
        "test_browser": (7, 60, 2),
        "(execution of notebooks)": (0, 48, 1),
        "test_widgets": (30, 0, 1),
        "(nbval, chapters)": (0, 2, 1),
        "(doctests)": (0, 0, 1),
    }
    # 38 s are fixed and 110 s belong to the one chapter: (38 + 110) / 2 and (38 + 33 * 110) / 2
    last = costs.table(report, workers=2).splitlines()[-1]
    assert last == (
        "1 chapters, 110 worker seconds each: about 1 minutes on 2 workers; 33 chapters: 31."
    )


def test_a_report_that_is_cut_or_missing_is_said_in_a_sentence(report, monkeypatch, capsys):
    monkeypatch.setattr(costs, "REPORT", report)
    report.write_text(REPORT[:200], encoding="utf-8")
    assert cli.main(["costs"]) == 1
    assert "is damaged" in capsys.readouterr().out
    report.unlink()
    assert cli.main(["costs"]) == 1
    assert "there is no full run yet" in capsys.readouterr().out


def test_stress_keeps_processes_busy_and_ends_them():
    with cli.busy(2) as load:
        assert len(load) == 2
        for process in load:  # it computes, and does not wait
            assert until(lambda one=process: sum(psutil.Process(one.pid).cpu_times()[:2]) > 0.3)
    assert all(process.returncode for process in load)


def test_the_weekly_run_is_what_the_workflow_says():
    workflow = yaml.safe_load((ROOT / ".github/workflows/colab.yml").read_text(encoding="utf-8"))
    steps = [s["run"].strip() for s in workflow["jobs"]["notebooks"]["steps"] if "run" in s]
    command = [sys.executable, "tests/colab.py", "--list"]
    listed = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout
    for step in steps:
        assert (step in listed) == ("git+" not in step)
    one = subprocess.run([*command, "01_knn"], cwd=ROOT, capture_output=True, text=True, check=True)
    assert one.stdout.strip().endswith("chapters/01_knn.ipynb solutions/01_knn.ipynb")
    none = subprocess.run(
        [*command, "99_no"], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert (none.returncode, none.stderr) == (1, "colab: there is no notebook 99_no.\n")
