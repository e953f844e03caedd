"""Blackboard's "Assignment File Download": `ASSIGNMENT_USER_attempt_TIME_file`.

The form is that of files which Blackboard's help and its users show; its code is not public. The
time is the server's, without a zone, so it orders attempts and says nothing of lateness. Beside the
files of an attempt lies `ASSIGNMENT_USER_attempt_TIME.txt`, which Blackboard writes.
"""

from __future__ import annotations

import os
import re

from cvlab.classroom.grading.intake.members import Member
from cvlab.classroom.grading.intake.platforms.platform import Group, Platform, mostly

_BLACKBOARD = re.compile(
    r"^(?P<who>.+?)_attempt_(?P<time>\d{4}(?:-\d\d){5})(?:_(?P<file>.+)|\.txt)$", re.S
)


def _match(member: Member) -> re.Match[str] | None:
    if member.folder or len(member.parts) > 2:
        return None
    return _BLACKBOARD.match(member.parts[-1])


class Blackboard(Platform):
    """The zip of an assignment, or what it was extracted to."""

    name = "blackboard"

    def own(self, members: list[Member], exercise: str) -> list[Member] | None:
        """Take what is mostly named as Blackboard names files."""
        return members if mostly(members, lambda each: _match(each) is not None) else None

    def put(self, member: Member, exercise: str, groups: dict[str, Group]) -> bool:
        """Put a file into the group of its attempt."""
        match = _match(member)
        if not match:
            return False
        attempt = groups.setdefault(f"{match['who']} {match['time']}", Group(match["who"]))
        if match["file"]:
            attempt.members.append((match["file"], member))
        return True

    def sort(self, members: list[Member], exercise: str) -> tuple[dict[str, Group], list[Member]]:
        """Sort the members; of a student's attempts the last counts."""
        attempts, strays = super().sort(members, exercise)
        users = _users([group.label for group in attempts.values()])
        groups: dict[str, Group] = {}
        for key in sorted(attempts, key=lambda key: key.rpartition(" ")[2]):
            last = attempts[key]
            last.label = users[last.label]
            last.ids = (last.label,)
            if last.label in groups:
                last.notes.append("this is the last of several attempts")
            groups[last.label] = last
        return groups, strays


def _users(labels: list[str]) -> dict[str, str]:
    """Return the user in each `ASSIGNMENT_USER`: what follows the title that all have in common.

    Examples:
        >>> _users(["HW 1_b_ada_l", "HW 1_b_emmy"])
        {'HW 1_b_ada_l': 'ada_l', 'HW 1_b_emmy': 'emmy'}
        >>> _users(["HW_1_ada"])  # one student alone: no title is known
        {'HW_1_ada': 'ada'}
    """
    distinct = set(labels)
    common = os.path.commonprefix(list(distinct))  # noqa: RUF071 - of names, not of paths
    title = common.rpartition("_")[0] if len(distinct) > 1 else ""
    if not title:
        return {label: label.rpartition("_")[2] for label in distinct}
    return {label: label[len(title) + 1 :] for label in sorted(distinct)}
