"""Each exercise of the course can be graded: its own answers, tried in boxes by the real judge."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest
import small_exercise
from conftest import ROOT, WEEKLY

from cvlab.classroom import notebooks
from cvlab.classroom.grading import verify

pytestmark = [
    pytest.mark.skipif(sys.platform != "linux", reason="boxes need Linux"),
    pytest.mark.slow,
    pytest.mark.usefixtures("walls"),
]


SOLUTIONS = sorted(notebooks.files(ROOT, ("solutions",)))


# `test_probes` tries every answer of every exercise without boxes, and `make exercises` those of a
# changed one in boxes, as the guide's tour does with the first; here once a week all of them.
@pytest.mark.skipif(not WEEKLY, reason="once a week")
@pytest.mark.parametrize("path", SOLUTIONS, ids=lambda path: path.stem)
def test_the_grader_is_right_about_every_answer_of_an_exercise(path):
    found = list(verify.trials(path))
    assert [trial.fault for trial in found if trial.fault] == []
    tasks = {trial.task for trial in found}
    for task in tasks:
        named = {trial.answer for trial in found if trial.task == task}
        assert {"the solution", "the stub", *verify.LAZY} < named
        assert len(named) >= 2 + len(verify.LAZY) + 2  # two named wrong answers at least


def test_a_probe_that_can_be_guessed_and_one_that_forgives_are_found(tmp_path: Path):
    solution = json.loads(small_exercise.solution())
    for cell in solution["cells"]:
        if cell["id"] == "row-means-probe-0":
            cell["source"] = (
                '@check.probe("row-means", points=3, hint="no")\n'
                "def no_value_at_all(rng):\n"
                "    return [row_means(rng.normal(size=(3, 2))) is not None]"
            )
    wrong = (
        "def by_columns(x):\n    if x.ndim != 2:\n        raise ValueError\n"
        "    return x.mean(0)\n\n\n"
        "def right_after_all(x):\n    if x.ndim != 2:\n        raise ValueError\n"
        "    return x.sum(1) / x.shape[1]\n\n\n"
        "check.refuses(check_row_means, by_columns)\n"
        "check.refuses(check_row_means, right_after_all)"
    )
    place = next(i for i, cell in enumerate(solution["cells"]) if cell["id"] == "row-means-probe-0")
    made = small_exercise.cell(wrong, "row-means-wrong", tags=["wrong-answer"])
    solution["cells"].insert(place, made)
    path = tmp_path / "small.ipynb"
    path.write_text(json.dumps(solution))
    found = {
        (trial.task, trial.answer): trial.fault for trial in verify.trials(path) if trial.fault
    }
    assert found.pop(("row-means", "right_after_all")).startswith("right_after_all earns 4 of 4")
    assert {task for task, _answer in found} == {"row-means"}
    # They earn what the weak probe gives away.
    assert {"zero", "true", "its first argument", "an empty list"} <= {name for _, name in found}
    assert all("earns 3 of 4 points" in fault for fault in found.values())
