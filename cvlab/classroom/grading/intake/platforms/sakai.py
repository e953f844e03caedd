"""Sakai's "Download All": `ASSIGNMENT/Last, First(EID)/Submission attachment(s)/file`.

The grammar is that of Sakai's own code (`AssignmentServiceImpl`, where it zips submissions), of
which all but the words of a translation is certain. Beside the attachments, in the submitter's
folder, lie only files of Sakai: `timestamp.txt`, in UTC since Sakai 12, the text that was typed in,
and what tutors wrote. Names are in ASCII: accents are taken off and other letters left out, but the
EID stays (or, if it is not ASCII, Sakai's internal one). Two who handed in together stand in one
name with "; " between; a group is `Title (ID)` with its members in `members.txt`; in an anonymous
assignment the submission's ID stands for the name. "Without folders" joins the same parts by `_`;
then only `grades.csv` says when something came. The attachments' folder has another name in other
languages: it is then any but that of the feedback. A second submission replaces the first.
"""

from __future__ import annotations

import csv
import html
import re

from cvlab.classroom.grading.intake.members import MB, Member, Refused
from cvlab.classroom.grading.intake.names import shown
from cvlab.classroom.grading.intake.platforms.platform import (
    Author,
    Group,
    Platform,
    for_each,
    levels,
    mostly,
    saying,
    tell_apart,
)

ATTACHMENTS = "Submission attachment(s)"
STAMP = "timestamp.txt"
GRADES = "grades.csv"
TEAM = "members.txt"

_TEXTS = (STAMP, TEAM, "comments.txt", "feedbackText.html")
_FLAT_TEXTS = ("__submissionText.html", "_feedbackText.html", "_comments.txt")
_UUID = r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}"
_GROUP = re.compile(rf"(?P<title>.+) \((?P<id>{_UUID})\)", re.S)
_ANONYMOUS = re.compile(rf"(?P<id>{_UUID}) \S.*", re.S)
_TIME = re.compile(r"\d{4}-\d\d-\d\dT[\d:.]+Z")


def _authors(text: str) -> list[Author]:
    """Return who is named in `Last, First(EID); Last, First(EID)`, nobody if it is no such list.

    Examples:
        >>> [(author.label, author.name) for author in _authors("King, Ada(ada); Ng, A. (B.)(b_n)")]
        [('ada', 'Ada King'), ('b_n', 'A. (B.) Ng')]
        >>> _authors("ada")
        []
    """
    found = []
    for part in text.split("; "):
        name, opened, eid = part.strip().rpartition("(")
        last, comma, first = name.partition(",")
        if not (opened and comma and eid.endswith(")") and ")" not in eid[:-1] and eid[:-1]):
            return []
        found.append(Author(eid[:-1], f"{first.strip()} {last.strip()}".strip(), (eid[:-1],)))
    return found


def _is_submission(name: str) -> bool:
    return bool(_authors(name) or _GROUP.fullmatch(name) or _ANONYMOUS.fullmatch(name))


def _is_text(name: str) -> bool:
    return name in _TEXTS or name.endswith("_submissionText.html")


def _is_feedback(folder: str) -> bool:
    return folder.casefold().startswith("feedback")


def _flat(member: Member) -> tuple[str, str] | None:
    """Return the submission and the student's file, "" for a file of Sakai, in a flat download."""
    if len(member.parts) > 1 or member.folder:
        return None
    who, marked, file = member.parts[0].partition(f"_{ATTACHMENTS}_")
    if not marked:
        ending = next((end for end in _FLAT_TEXTS if who.endswith(end)), "\0")
        who = who.removesuffix(ending) if ending != "\0" else ""
    return (who, file) if _is_submission(who) else None


class Sakai(Platform):
    """The zip of an assignment, or what it was extracted to."""

    name = "sakai"

    def own(self, members: list[Member], exercise: str) -> list[Member] | None:
        """Take what mostly lies in folders in which only Sakai itself puts files."""
        for level in levels(members):
            files = [m for m in level if len(m.parts) == 2 and not m.folder and not m.fault]
            mixed = {m.parts[0] for m in files if not _is_text(m.parts[1])}

            def fits(member: Member, mixed: set[str] = mixed) -> bool:
                top = member.parts[0]
                inside = len(member.parts) > 1 and _is_submission(top) and top not in mixed
                return inside or _flat(member) is not None

            if mostly(level, fits):
                return level
        return None

    def put(self, member: Member, exercise: str, groups: dict[str, Group]) -> bool:
        """Put a file into the group of its submission."""
        top, *below = member.parts
        if flat := _flat(member):
            group = groups.setdefault(flat[0], Group(flat[0]))
            if flat[1]:
                group.members.append((flat[1], member))
            return True
        if not _is_submission(top):
            return len(member.parts) == 1 and top.startswith("grades.")
        group = groups.setdefault(top, Group(top))
        if below == [STAMP] and not member.folder and not member.fault:
            group.stamp = member
        elif member.fault or (len(below) > 1 and not member.folder and not _is_feedback(below[0])):
            group.members.append((member.parts[-1], member))
        return bool(member.folder or member.fault or len(below) > 1 or _is_text(member.parts[-1]))

    def sort(self, members: list[Member], exercise: str) -> tuple[dict[str, Group], list[Member]]:
        """Sort the members; each of several authors has handed in all of it."""
        submissions, strays = super().sort(members, exercise)
        grades = next((m for m in members if m.parts == (GRADES,)), None)
        times = _times(grades) if grades else {}
        teams = {m.parts[0]: m for m in members if m.parts[1:] == (TEAM,) and not m.folder}
        groups: dict[str, Group] = {}
        for folder, group in submissions.items():
            attached = [each for each in group.members if each[1].parts[1:2] == (ATTACHMENTS,)]
            group.members = attached or group.members
            authors = _who(folder, group, teams.get(folder))
            known = _GROUP.fullmatch(folder) or _ANONYMOUS.fullmatch(folder)
            time = times.get(known["id"] if known else authors[0].label)
            if grades and time and group.stamp is None:
                group.stamp = saying(grades, time)
            for index, each in enumerate(for_each(authors, group)):
                groups[f"{folder} {index:4}"] = each
        tell_apart(list(groups.values()))
        return groups, strays


def _who(folder: str, group: Group, team: Member | None) -> list[Author]:
    """Return the authors of a submission; note where Sakai does not name them."""
    if match := _GROUP.fullmatch(folder):
        authors = _authors(shown(html.unescape(_text(team)))) if team else []
        if not authors:
            group.notes.append(f"there is no {TEAM} that says who is in the group")
        return authors or [Author(folder, match["title"], ())]
    if match := _ANONYMOUS.fullmatch(folder):
        return [Author(match["id"], "", (match["id"],))]
    return _authors(folder)


def _times(grades: Member) -> dict[str, str]:
    """Return when each EID's, group's or anonymous submission came, as Sakai's table says."""
    text = _text(grades)
    delimiter = max(",;\t", key=text.count)
    found = {}
    try:
        for row in csv.reader(text.splitlines(), delimiter=delimiter):
            # That of a group has one column fewer; what a student may choose stands before.
            time = next((cell for cell in (*row[5:6], *row[4:5]) if _TIME.fullmatch(cell)), None)
            if time:
                hidden = _ANONYMOUS.fullmatch(row[1])
                found[hidden["id"] if hidden else row[1]] = time
    except csv.Error:
        return {}
    return found


def _text(member: Member) -> str:
    try:
        return member.read(10 * MB).decode("utf-8-sig", "replace").strip()
    except (Refused, OSError):
        return ""
