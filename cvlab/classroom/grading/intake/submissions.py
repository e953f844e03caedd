"""Find the submissions of a class: nbgrader's tree, a folder, or a platform's zip.

Everything below `place` was named and written by students. So a name is only ever compared and
cleaned, never joined to a path; only regular files with one name are opened; and what an archive
says of its own sizes is not believed. Each notebook is copied to a file in `work` that is named
after the student's cleaned identifier, and nothing is written anywhere else.

A place is listed (`place`, with `folders` and `zips`), a platform says what belongs to whom
(`platforms`, one a module), students are matched with the `roster`, and of a student's files the
notebook that counts is chosen (`choice`).
"""

from __future__ import annotations

import hashlib
import os
import re
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from cvlab.classroom.grading.intake.choice import chosen, timestamp
from cvlab.classroom.grading.intake.layout import ask_if_uncertain, entered
from cvlab.classroom.grading.intake.members import CLUTTER, NOTEBOOK, Member
from cvlab.classroom.grading.intake.names import identifiers, shown, without_number
from cvlab.classroom.grading.intake.place import members_of
from cvlab.classroom.grading.intake.platforms import PLATFORMS
from cvlab.classroom.grading.intake.platforms.folder import Folder
from cvlab.classroom.grading.intake.platforms.platform import Group
from cvlab.classroom.grading.intake.roster import Person, Register, read_roster


@dataclass(frozen=True)
class Submission:
    """What one student handed in; `path` is None where there is nothing that could be graded."""

    student: str  #: identifier of letters, digits and ``._@+-``, unique also where case is ignored
    name: str
    path: Path | None  #: the copy in the work folder
    sha256: str  #: of the notebook's bytes, empty without a notebook
    submitted: datetime | None  #: in UTC, where the system that collected it says so
    late: bool  #: as the learning management system marked it
    problem: str | None  #: one sentence for the instructor
    email: str = ""
    number: str = ""  #: of the student on the platform, as Moodle's participant, Canvas's user


@dataclass(frozen=True)
class Intake:
    """The submissions of a class, sorted by student, and how they were recognised."""

    layout: str  #: the platform's name: nbgrader, moodle, canvas, ..., or folder
    submissions: tuple[Submission, ...]
    remarks: tuple[str, ...]  #: sentences on what belongs to no student


def find(
    place: Path, exercise: str, work: Path, roster: Path | None = None, layout: str | None = None
) -> Intake:
    """Find every student's notebook of an exercise and copy it into the work folder.

    Args:
        place: nbgrader's `submitted` tree or the course folder that holds it, a folder of
            notebooks or of students' folders, a platform's zip or what it was extracted to, or one
            notebook.
        exercise: name of the exercise, as in ``15_boxes``.
        work: folder for the copies, made where it is missing.
        roster: CSV with columns for id, name and email, found by their headings. Submissions get
            its ids and names, and students without a submission are listed.
        layout: whether folders in a folder are a ``class`` or versions of one ``student``; without
            it, what is not certain is an error. A ``folder`` is of no platform, whatever its files
            are named.

    Returns:
        The submissions, sorted by student. A submission that is broken has a `problem`; it never
        stops the others.

    Raises:
        ValueError: if the place, the exercise's name or the roster cannot be used.
        OSError: if the work folder cannot be written to.
    """
    if not re.fullmatch(r"\w[\w.-]*", exercise) or len(exercise) > 100:
        raise ValueError(f"{exercise!r} is no name of an exercise; give one such as 15_boxes.")
    people = read_roster(Path(roster)) if roster is not None else None
    work = Path(work)
    work.mkdir(parents=True, exist_ok=True)
    with members_of(Path(place), work) as members:
        name, groups, remarks = _sorted(members, exercise, layout)
        if not groups:
            raise ValueError(
                f"{place} holds no submission of {exercise}{_instead(members)}; give a folder or "
                "zip of its notebooks."
            )
        found = list(_submissions(groups, people, exercise, work))
    return Intake(name, tuple(sorted(found, key=lambda each: each.student)), tuple(remarks))


def _sorted(
    members: list[Member], exercise: str, layout: str | None
) -> tuple[str, list[Group], list[str]]:
    """Return the platform's name, the students' groups and remarks on what belongs to nobody."""
    members = [m for m in members if not CLUTTER.match(m.parts[-1])]
    if layout == "class":
        members = entered(members)
    platforms = (Folder(),) if layout == "folder" else PLATFORMS
    candidates = ((each, each.own(members, exercise)) for each in platforms)
    platform, own = next((each, own) for each, own in candidates if own is not None)
    if isinstance(platform, Folder) and layout in (None, "folder"):
        ask_if_uncertain(own, exercise)
    groups, strays = platform.sort(own, exercise)
    return platform.name, [groups[key] for key in sorted(groups)], _remarks(strays, exercise)


def _remarks(strays: list[Member], exercise: str) -> list[str]:
    remarks = []
    refused = [m for m in strays if m.fault]
    for member in refused[:20]:
        remarks.append(f"{'/'.join(member.parts)} {member.fault}; it was left out.")
    if len(refused) > 20:
        remarks.append(f"{len(refused) - 20} more files were refused.")
    other = ["/".join(m.parts) for m in strays if not m.fault and not m.folder]
    if other:
        named = ", ".join(other[:5]) + (", ..." if len(other) > 5 else "")
        belong = "file belongs" if len(other) == 1 else "files belong"
        remarks.append(f"{len(other)} {belong} to no submission of {exercise}: {named}.")
    return remarks


def _instead(members: list[Member]) -> str:
    """Say what is there where nobody has handed in the exercise that was asked for."""
    names = sorted(
        {without_number(m.parts[-1])[0] for m in members if NOTEBOOK.search(m.parts[-1])}
    )
    return f" (but of {', '.join(names[:3])})" if names else ""


def _submissions(
    groups: list[Group], people: list[Person] | None, exercise: str, work: Path
) -> Iterator[Submission]:
    register = Register(people or [])
    matched = [
        register.match(group.ids, group.name or group.label, *group.other_names) for group in groups
    ]
    labels = []
    for group, person in zip(groups, matched, strict=True):
        labels.append(person.id if person else group.label)
        if people is not None and person is None:
            group.notes.append("the student is not on the roster")
    present = set(matched)
    absent = [person for person in people or () if person not in present]
    students = identifiers([*labels, *(person.id for person in absent)])
    seen: set[Person] = set()
    for group, person, student in zip(groups, matched, students, strict=False):
        if person in seen:
            group.notes.append(f"this is a second submission of {shown(person.name or person.id)}")
        if person:
            seen.add(person)
        yield _submission(group, person, student, exercise, work)
    for person, student in zip(absent, students[len(groups) :], strict=True):
        problem = "Nothing was handed in."
        yield Submission(student, person.name, None, "", None, False, problem, person.email)


def _submission(
    group: Group, person: Person | None, student: str, exercise: str, work: Path
) -> Submission:
    """Choose a student's notebook, copy it, and say what was out of the ordinary."""
    notes = group.notes
    data = chosen(group, exercise, notes)
    submitted = None
    if group.stamp is not None:
        submitted = timestamp(group.stamp)
        if submitted is None:
            notes.append(f"the time in {group.stamp.parts[-1]} cannot be read")
    problem = _sentence("; ".join(notes)) if notes else None
    name = person.name if person and person.name else group.name or group.label
    return Submission(
        student=student,
        name=shown(name),
        path=None if data is None else _store(work, student, data),
        sha256="" if data is None else hashlib.sha256(data).hexdigest(),
        submitted=submitted,
        late=group.late,
        problem=problem,
        email=person.email if person else "",
        number=group.number,
    )


def _store(work: Path, student: str, data: bytes) -> Path:
    """Write a copy whole or not at all; a link that lies in its place is replaced, not followed."""
    target = work / f"{student}.ipynb"
    handle, partial = tempfile.mkstemp(dir=work, prefix=".intake-")
    try:
        with open(handle, "wb") as file:
            file.write(data)
        os.replace(partial, target)
    except BaseException:
        Path(partial).unlink(missing_ok=True)
        raise
    return target


def _sentence(text: str) -> str:
    return f"{text[0].upper()}{text[1:]}."
