"""Grades in the forms that people and platforms read: CSV, Moodle, Canvas, Gradescope, JUnit.

Each function takes settled grades and returns a file's text; `write` puts them all into a folder.
Text of students stays text: no cell becomes a formula, no character breaks a parser. Points are
added and reduced exactly, and rounded half up once, where a number is printed.
"""

from __future__ import annotations

import csv
import html
import io
import json
import math
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, fields
from datetime import datetime, timedelta
from decimal import ROUND_HALF_UP, Decimal
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

from cvlab.classroom.grading.report.harmless import LABEL, file_name, harmless
from cvlab.classroom.grading.report.journal import private_folder, replace_all
from cvlab.classroom.grading.report.records import Record

#: Verdicts that JUnit calls an error, the program's fault, and not a failure, a wrong value.
ERRORS = ("error", "timeout", "crash", "refused")


class ExportError(ValueError):
    """Grades that cannot be put into a form; the message says what to do."""


@dataclass(frozen=True)
class Late:
    """What lateness costs.

    Attributes:
        per_day: the share of the earned points lost for each day that has begun, 0 to 1.
        most: the largest share lost, 0 to 1.
        grace: hours after the deadline that cost nothing.

    Raises:
        ExportError: if a share is not from 0 to 1, or the grace negative.

    >>> Late(per_day=0.1, most=0.5).penalty(Decimal(8), days=2)
    Decimal('1.6')
    """

    per_day: float = 0.0
    most: float = 1.0
    grace: float = 0.0

    def __post_init__(self) -> None:
        if not (0 <= self.per_day <= 1 and 0 <= self.most <= 1):
            raise ExportError("the share that lateness costs is a number from 0 to 1.")
        if not 0 <= self.grace < math.inf:
            raise ExportError("the grace is a number of hours, 0 or more.")

    def penalty(self, points: Decimal, days: int) -> Decimal:
        """Return what is taken from the points of a submission that is some days late."""
        share = min(Decimal(repr(self.per_day)) * days, Decimal(repr(self.most)))
        return points * share

    def days(self, submitted: datetime, due: datetime) -> int:
        """Return the days late that have begun, 0 within the deadline and its grace.

        Raises:
            ExportError: if only one of the times names its time zone.

        >>> Late().days(datetime(2030, 1, 2, 0, 1), due=datetime(2030, 1, 1))
        2
        """
        if (submitted.tzinfo is None) != (due.tzinfo is None):
            raise ExportError("give both times a time zone, the deadline's and the submission's.")
        return max(0, math.ceil((submitted - due - timedelta(hours=self.grace)) / timedelta(1)))


@dataclass(frozen=True)
class Grade:
    """A record with what lateness takes from it; all three numbers are exact."""

    record: Record
    days: int
    penalty: Decimal

    @property
    def points(self) -> Decimal:
        """What is left of the points."""
        return self.record.exact_points - self.penalty


@dataclass(frozen=True)
class Person:
    """How the platforms know a student; what is empty is unknown.

    Attributes:
        email: the address.
        participant: Moodle's number of the participant in this assignment.
        canvas: Canvas's number of the user.
        login: the login of the student's institution.
        section: the section or group.
    """

    email: str = ""
    participant: str = ""
    canvas: str = ""
    login: str = ""
    section: str = ""

    def __post_init__(self) -> None:
        for field in fields(self):
            value = harmless(str(getattr(self, field.name)), LABEL, line=True)
            object.__setattr__(self, field.name, value)


def settle(
    records: Iterable[Record], late: Late | None = None, days: Mapping[str, int] | None = None
) -> list[Grade]:
    """Return the grades of one exercise, in the order of the students' identifiers.

    Args:
        records: a record a student.
        late: what lateness costs; nothing by default.
        days: days late of each student; else one for a record that says it was late.

    Raises:
        ExportError: if there are no records, two of a student, or several exercises.
    """
    late, days = late or Late(), days or {}
    chosen = sorted(records, key=lambda record: record.student)
    if not chosen:
        raise ExportError("there is no record to export; grade a submission first.")
    if len({record.student for record in chosen}) < len(chosen):
        raise ExportError("a student has two records; export those of one run.")
    if len({record.exercise for record in chosen}) > 1:
        raise ExportError("these are records of several exercises; export one at a time.")
    grades = []
    for record in chosen:
        count = days.get(record.student, int(record.late))
        if type(count) is not int or count < 0:
            raise ExportError(f"the days late of {record.student} are a whole number, 0 or more.")
        grades.append(Grade(record, count, late.penalty(record.exact_points, count)))
    return grades


def rounded(value: Decimal, places: int = 2) -> Decimal:
    """Round half up, as people do.

    >>> rounded(Decimal("2.675")), rounded(Decimal("7.5"), 0)
    (Decimal('2.68'), Decimal('8'))
    """
    return value.quantize(Decimal(1).scaleb(-places), ROUND_HALF_UP)


# A spreadsheet that expects semicolons or tabs cuts a cell there, and at a line's end, so what
# follows them counts as a beginning. Blanks and invisible characters before the sign do not help.
_BLANKS = r"[\s\u00ad\u200b-\u200f\u2060-\u2064\ufeff]{0,20}"
_SIGN = r"[=+\-@\uff1d\uff0b\uff0d\uff20]"  # also in full width
_FORMULA = re.compile(rf"(^|[;|\t\r\n])(?={_BLANKS}{_SIGN})")
_LEADING = re.compile(r"^[\t\r]")


def cell(value: str | int | Decimal) -> str:
    """Return a table's cell: a number as it is, text so that no spreadsheet computes it.

    >>> cell("=1+1"), cell(Decimal("-1.50")), cell("a; -b")
    ("'=1+1", '-1.50', "a;' -b")
    """
    if not isinstance(value, str) or value == "-":  # Moodle's sign for no date is no formula
        return str(value)
    safe = _FORMULA.sub(r"\1'", value)
    return f"'{safe}" if _LEADING.match(safe) else safe


def _table(rows: Iterable[Sequence[str | int | Decimal]], *, bom: bool = False) -> str:
    """Spell a table as RFC 4180 says; the mark at its beginning tells Excel that it is UTF-8."""
    stream = io.StringIO()
    writer = csv.writer(stream, lineterminator="\r\n")
    writer.writerows([cell(value) for value in row] for row in rows)
    return ("\ufeff" if bom else "") + stream.getvalue()


def task_names(grades: Sequence[Grade]) -> list[str]:
    """Return the names of all tasks, in the order in which the records hold them."""
    return list(dict.fromkeys(task.task for grade in grades for task in grade.record.tasks))


def grades_csv(grades: Sequence[Grade], *, bom: bool = False, places: int = 2) -> str:
    """Return the table of a class: a row a student, a column a task.

    Args:
        grades: settled grades.
        bom: begin with a byte order mark, which Excel needs to read accents.
        places: decimals of the points.
    """
    names = task_names(grades)
    head = ["student", "name", "exercise", "points", "penalty", "grade", "max_points"]
    rows: list[list[Any]] = [[*head, "late", "days_late", "flags", *names]]
    for grade in grades:
        record = grade.record
        earned = {task.task: task.points for task in record.tasks}
        sums = (record.exact_points, grade.penalty, grade.points, record.exact_max_points)
        row = [record.student, record.name, record.exercise]
        row += [rounded(value, places) for value in sums]
        row += ["yes" if record.late else "no", grade.days, "; ".join(record.flags)]
        row += [
            rounded(Decimal(repr(earned[name])), places) if name in earned else "" for name in names
        ]
        rows.append(row)
    return _table(rows, bom=bom)


def times_csv(seconds: Mapping[str, float]) -> str:
    """Return measured seconds a student, which differ from run to run and are in no record."""
    rows = [[student, rounded(Decimal(repr(float(seconds[student]))), 3)] for student in seconds]
    return _table([["student", "seconds"], *sorted(rows)])


def comments(grade: Grade) -> list[str]:
    """Return the lines that tell a student what the grade is made of."""
    lines = []
    for task in grade.record.tasks:
        earned, most = (rounded(Decimal(repr(n))) for n in (task.points, task.max_points))
        lines.append(f"{task.task}: {earned} of {most} ({task.verdict}). {task.reason}".strip())
        if task.hint and task.verdict != "right":
            lines.append(f"Hint: {task.hint}")
    if grade.penalty:
        lines.append(f"Late: {rounded(grade.penalty)} points are taken off.")
    return lines


def moodle_csv(grades: Sequence[Grade], people: Mapping[str, Person] | None = None) -> str:
    """Return Moodle's offline grading worksheet.

    Moodle finds a participant by the number in "Participant 123" and reads the comments as HTML.
    It refuses a worksheet without the column of the last change, which is "-" before any grade.

    Raises:
        ExportError: if a student's number is unknown; the identifier itself may be the number.
    """
    people = people or {}
    head = ["Identifier", "Full name", "Email address", "Grade", "Maximum Grade"]
    rows: list[list[Any]] = [[*head, "Last modified (grade)", "Feedback comments"]]
    unknown = []
    for grade in grades:
        record = grade.record
        person = people.get(record.student, Person())
        number = person.participant or record.student
        if not re.fullmatch(r"[0-9]+", number):
            unknown.append(record.student)
        text = "<br>".join(html.escape(line) for line in comments(grade)).replace("\n", "<br>")
        row = [f"Participant {number}", record.name, person.email]
        row += [rounded(grade.points), rounded(record.exact_max_points)]
        rows.append([*row, "-", text])
    if unknown:
        raise ExportError(
            f"Moodle's participant number of {len(unknown)} students is unknown, {unknown[0]} for "
            "one; grade the zip that Moodle makes, or add the numbers to the roster."
        )
    return _table(rows)


def canvas_csv(
    grades: Sequence[Grade],
    people: Mapping[str, Person] | None = None,
    assignment: str | None = None,
) -> str:
    """Return a table that Canvas's gradebook imports.

    Args:
        grades: settled grades.
        people: how Canvas knows the students; without a number or login their identifier is it.
        assignment: the column's title as Canvas exports it, such as "Boxes (1234)"; by default
            the exercise's name, which makes a new assignment.
    """
    people = people or {}
    record = max((grade.record for grade in grades), key=lambda r: r.exact_max_points)
    title = harmless(assignment or record.exercise, LABEL, line=True)
    rows: list[list[Any]] = [
        ["Student", "ID", "SIS Login ID", "Section", title],
        ["    Points Possible", "", "", "", rounded(record.exact_max_points)],
    ]
    for grade in grades:
        student = grade.record.student
        person = people.get(student, Person())
        login = person.login or ("" if person.canvas else student)
        name = grade.record.name or student
        rows.append([name, person.canvas, login, person.section, rounded(grade.points)])
    return _table(rows)


def gradescope_json(grade: Grade, visibility: str = "visible") -> str:
    """Return Gradescope's `results.json` of one student.

    Args:
        grade: a settled grade.
        visibility: "visible", "after_due_date", "after_published" or "hidden", for every task.

    Raises:
        ExportError: if Gradescope does not know the visibility.
    """
    if visibility not in ("visible", "after_due_date", "after_published", "hidden"):
        raise ExportError(f"Gradescope has no visibility {visibility!r}.")
    tests = [
        {
            "name": task.task,
            "score": float(rounded(Decimal(repr(task.points)))),
            "max_score": float(rounded(Decimal(repr(task.max_points)))),
            "status": "passed" if task.verdict == "right" else "failed",
            "output": "\n".join(filter(None, (task.reason, task.hint and f"Hint: {task.hint}"))),
            "output_format": "text",
            "visibility": visibility,
        }
        for task in grade.record.tasks
    ]
    results: dict[str, Any] = {"score": float(rounded(grade.points)), "tests": tests}
    results |= {"visibility": visibility, "stdout_visibility": "hidden"}
    if grade.penalty:
        results["output"] = f"Late: {rounded(grade.penalty)} points are taken off."
    return json.dumps(results, indent=1, ensure_ascii=False, allow_nan=False) + "\n"


def junit_xml(grades: Sequence[Grade]) -> str:
    """Return a JUnit report: a suite a student, a case a task with the id `exercise.task`."""
    root = ElementTree.Element("testsuites", name=grades[0].record.exercise)
    for grade in grades:
        record = grade.record
        verdicts = [task.verdict for task in record.tasks]
        errors = sum(verdict in ERRORS for verdict in verdicts)
        failures = len(verdicts) - errors - verdicts.count("right")
        counts = {"tests": len(verdicts), "failures": failures, "errors": errors, "skipped": 0}
        texts = {key: str(count) for key, count in counts.items()}
        suite = ElementTree.SubElement(root, "testsuite", name=record.student, **texts)
        for task in record.tasks:
            identity = {"classname": record.exercise, "name": task.task}
            case = ElementTree.SubElement(suite, "testcase", identity)
            if task.verdict != "right":
                kind = "error" if task.verdict in ERRORS else "failure"
                said = {"type": task.verdict, "message": task.reason or task.verdict}
                ElementTree.SubElement(case, kind, said).text = task.hint or None
    ElementTree.indent(root, " ")
    return "<?xml version='1.0' encoding='utf-8'?>\n" + ElementTree.tostring(root, "unicode") + "\n"


def write(
    folder: Path,
    grades: Sequence[Grade],
    people: Mapping[str, Person] | None = None,
    *,
    bom: bool = False,
) -> list[Path]:
    """Write every form into a folder, each file whole or not at all.

    Moodle's form holds those whose participant's number is known; without any it is left out.

    Returns:
        The files that were written.

    Raises:
        JournalError: if a file cannot be written; the old one is still there.
    """
    texts = {
        "grades.csv": grades_csv(grades, bom=bom),
        "canvas.csv": canvas_csv(grades, people),
        "junit.xml": junit_xml(grades),
    }
    known = [g for g in grades if (people or {}).get(g.record.student, Person()).participant]
    if known:
        texts["moodle.csv"] = moodle_csv(known, people)
    else:
        (folder / "moodle.csv").unlink(missing_ok=True)  # one of an earlier run would mislead
    for grade in grades:
        name = file_name(grade.record.student)
        texts[f"gradescope/{name}/results.json"] = gradescope_json(grade)
    files = {folder / name: text.encode() for name, text in texts.items()}
    for each in {path.parent for path in files}:
        private_folder(each)
    replace_all(files)
    return [folder / name for name in texts]
