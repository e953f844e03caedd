"""Which named wrong answer a submission equals, whatever its code looks like."""

from __future__ import annotations

import json
import sys
from decimal import Decimal

import pytest
import small_exercise as small

from cvlab.classroom.grading.box.replay import Policy
from cvlab.classroom.grading.intake import tasks
from cvlab.classroom.grading.report import feedback, records
from cvlab.classroom.grading.report.exports import Grade
from cvlab.classroom.grading.verdict import judge

pytestmark = [
    pytest.mark.skipif(sys.platform != "linux", reason="boxes need Linux"),
    pytest.mark.slow,
    pytest.mark.usefixtures("walls"),
]
TWO_AXES = "    if x.ndim != 2:\n        raise ValueError\n"
WRONG = f"""def by_columns(x):
{TWO_AXES}    return x.mean(0)


def largest(x):
{TWO_AXES}    return x.max(1)


def of_a_key(x):
    raise KeyError("rows")


check.refuses(check_row_means, by_columns)
check.refuses(check_row_means, largest)
check.refuses(check_row_means, of_a_key)"""


def solution() -> bytes:
    """The small exercise with three named wrong answers to its first task."""
    made = json.loads(small.solution())
    place = next(k for k, cell in enumerate(made["cells"]) if cell["id"] == "row-means-probe-0")
    made["cells"].insert(place, small.cell(WRONG, "row-means-wrong", tags=["wrong-answer"]))
    return json.dumps(made).encode()


@pytest.fixture(scope="module")
def court(walls):
    policy = Policy(cell_seconds=60, total_seconds=300)
    with judge.Judge(tasks.parse(solution(), "small"), 3, policy) as one:
        yield one


def graded(court, body: str, attempt: int = 0) -> records.Record:
    answer = f"def row_means(x):\n{body}"
    return court.grade(small.data(small.student(row_means=answer)), "ann", attempt=attempt).record


@pytest.mark.parametrize("attempt", [0, 2])
@pytest.mark.parametrize(
    ("body", "mistake"),
    [
        (f"{TWO_AXES}    return np.ones(len(x)) @ x / len(x)", "by_columns"),
        (f"{TWO_AXES}    return np.sort(x, 1)[:, -1]", "largest"),
        ("    return {}[x.shape]", "of_a_key"),
        (f"{TWO_AXES}    return x.min(1)", ""),
        ("    return x[:, 0]", ""),  # nor does it refuse other axes in the same way
        (f"{TWO_AXES}    return x.sum(1) / x.shape[1]", ""),  # right
    ],
)
def test_an_answer_has_the_name_of_the_mistake_that_gives_the_same(court, body, mistake, attempt):
    record = graded(court, body, attempt)
    assert record.tasks[0].mistake == mistake
    # Where the wrong answer itself stops, the check speaks of its lines.
    assert ("known mistake" in record.tasks[0].hint) == (mistake in ("by_columns", "largest"))
    assert [task.mistake for task in record.tasks[1:]] == ["", ""]
    assert records.decode(records.encode(record)) == record


def test_it_is_said_once_by_the_check_or_by_the_mistake(court):
    hint = graded(court, f"{TWO_AXES}    return np.ones(len(x)) @ x / len(x)").tasks[0].hint
    (said,) = [line for line in hint.splitlines() if "known mistake" in line]
    sentence = said.partition(": ")[2]
    assert sentence
    assert hint.count(sentence) == 1
    assert "The check in the notebook says" not in hint


def test_the_class_page_counts_them(court):
    bodies = [f"{TWO_AXES}    return x.mean(0)"] * 2 + [f"{TWO_AXES}    return x.max(1)"]
    grades = [Grade(graded(court, body), 0, Decimal(0)) for body in bodies]
    page = feedback.class_page(grades, {})
    assert "by columns: 2, largest: 1" in page
    assert "by_columns" not in feedback.student_page(grades[0].record)
