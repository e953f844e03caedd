"""ILIAS' download of an assignment: `TITLE/Submissions/Last_First_LOGIN_ID/file`.

The grammar is that of ILIAS' own code, old and new (`ilExSubmission`, `SubmissionManager` and
`ilExerciseManagementCollectFilesJob`): names are in ASCII (ä is ae), all parts may hold underscores
and ID is ILIAS' number of the user. In older releases the users' folders lie on top. The name of
the folder `Submissions` depends on the language. Teams lie in `Team N/`, where only the folder of
whoever uploaded says a name. ILIAS takes its time stamp off a file's name and numbers files of one
name from the first to the last; a file that came late begins with "Late Submission - ". That it has
such a beginning is certain, its words, which depend on the language, are not: one with "late" or
"verspätet" is read. No file says when something came, and no download is anonymous.
"""

from __future__ import annotations

import re
from collections import Counter

from cvlab.classroom.grading.intake.members import Member
from cvlab.classroom.grading.intake.names import split_ending
from cvlab.classroom.grading.intake.platforms.platform import Group, Platform, below, mostly

FEEDBACK = "Feedback_files"
MOST_UNDERSCORES = 6  # of a name that is taken apart in all ways

_LATE = re.compile(r"(?=[^-]*(?:\blate\b|verspät|verspaet|verspat))[^-]{1,40} - (?P<file>.+)", re.I)
_TEAM = re.compile(r".+ \d+", re.S)


def _user(folder: str) -> list[str] | None:
    """Return the parts of `Last_First_LOGIN_ID`."""
    parts = folder.split("_")
    numbered = re.fullmatch(r"[0-9]+", parts[-1])
    return parts if len(parts) > 3 and numbered and parts[0] and parts[-2] else None


def _depth(member: Member) -> int | None:
    """Return at which depth the user's folder is."""
    if _user(member.parts[0]):
        return 0
    in_team = len(member.parts) > 1 and _TEAM.fullmatch(member.parts[0])
    return 1 if in_team and _user(member.parts[1]) else None


def _fits(member: Member) -> bool:
    depth = _depth(member)
    return depth is not None and len(member.parts) == depth + 2 and not member.folder


class Ilias(Platform):
    """The zip of an assignment, or what it was extracted to."""

    name = "ilias"

    def own(self, members: list[Member], exercise: str) -> list[Member] | None:
        """Take what mostly lies in users' folders, each with a number of its own."""
        for _ in range(3):
            tops = {m.parts[0] for m in members if len(m.parts) > 1} - {FEEDBACK}
            alone = len(tops) == 1 and not any(map(_user, tops))
            if not alone and mostly(members, _fits):
                users = {m.parts[: (_depth(m) or 0) + 1] for m in members if _fits(m)}
                most = Counter(user[-1].rpartition("_")[2] for user in users).most_common(1)
                return members if most[0][1] == 1 else None
            loose = any(len(m.parts) == 1 and split_ending(m.parts[0])[1] for m in members)
            if not alone or loose:
                return None
            members = below(members, *tops)
        return None

    def put(self, member: Member, exercise: str, groups: dict[str, Group]) -> bool:
        """Put a file into the group of its user."""
        depth = _depth(member)
        if depth is None:
            return member.folder and not member.fault
        where = member.parts[: depth + 1]
        group = groups.setdefault("/".join(where), _group(where))
        if not member.folder or member.fault:
            late = _LATE.fullmatch(member.parts[-1])
            name = late["file"] if late else member.parts[-1]
            group.late = group.late or bool(late and split_ending(name)[1])
            group.members.append((name, member))
        return True


def _group(where: tuple[str, ...]) -> Group:
    """Return the empty group of a user.

    Where underscores leave open what is the name and what the login, all ways to read the name are
    tried, and the folder's name is the label.
    """
    folder = where[-1]
    *parts, number = _user(folder) or [folder]
    ways = []
    if len(parts) <= MOST_UNDERSCORES:
        for first in range(1, len(parts) - 1):
            for login in range(first + 1, len(parts)):
                ways.append(f"{'_'.join(parts[first:login])} {'_'.join(parts[:first])}".strip())
    login = "_".join(parts[2:])
    label = login if len(parts) == 3 else folder
    group = Group(label, ways[0] if ways else folder, (login,), number, tuple(ways[1:]))
    if len(where) > 1:
        group.notes.append(f"it is of {where[0]}, whose other members ILIAS does not name")
    return group
