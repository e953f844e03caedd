"""Which tests are repeated, because what they say could depend on when something happens."""

from __future__ import annotations

import importlib.util

from conftest import ROOT

SMALL = """
def test_adds():
    assert 1 + 1 == 2

def helper():
    time.sleep(1)

def test_the_grader_dies():
    helper()

class TestMany:
    def test_it_ends(self):
        process.terminate()

    def test_it_is_named(self):
        assert process.name == "terminate"

class TestDeadKernel:
    def test_is_noticed(self):
        helper()
"""


def test_they_are_found_by_what_they_do_and_by_their_names(tmp_path):
    spec = importlib.util.spec_from_file_location("repeat", ROOT / "tests" / "repeat.py")
    repeat = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(repeat)
    (tmp_path / "tests" / "grading").mkdir(parents=True)
    (tmp_path / "tests" / "grading" / "test_small.py").write_text(SMALL)
    assert [name.partition("::")[2] for name in repeat.chosen(tmp_path)] == [
        "test_the_grader_dies",
        "TestMany::test_it_ends",
        "TestDeadKernel::test_is_noticed",
    ]
    of_the_course = set(repeat.chosen())
    assert "tests/running/test_warm.py::test_interrupt_restart_and_input" in of_the_course
    assert 40 < len(of_the_course) < 100
