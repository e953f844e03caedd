"""Moodle's "Download all submissions": `Full Name_PARTICIPANT_assignsubmission_file_/`.

The grammar is that of Moodle's own code (`mod/assign/locallib.php`): underscores of a name become
blanks, and in an anonymous assignment "Participant" stands for it. Where students work in groups,
Moodle puts the group's name and a hyphen before each name.
"""

from __future__ import annotations

import re

from cvlab.classroom.grading.intake.members import Member
from cvlab.classroom.grading.intake.platforms.platform import Group, Platform, mostly

_MOODLE = re.compile(
    r"^(?P<name>.*?)_(?:(?P<id>\d+)_)?assignsubmission_(?:file|onlinetext)_?(?P<file>.*)$", re.S
)


def _part(member: Member) -> tuple[int, re.Match[str]] | None:
    for depth, part in enumerate(member.parts[:2]):
        if match := _MOODLE.match(part):
            return depth, match
    return None


class Moodle(Platform):
    """The zip of an assignment, or what it was extracted to."""

    name = "moodle"

    def own(self, members: list[Member], exercise: str) -> list[Member] | None:
        """Take what mostly lies in folders as Moodle names them."""
        return members if mostly(members, lambda each: _part(each) is not None) else None

    def sort(self, members: list[Member], exercise: str) -> tuple[dict[str, Group], list[Member]]:
        """Sort the members; where all names hold a hyphen, a group's name may stand before each."""
        groups, strays = super().sort(members, exercise)
        if len(groups) > 1 and all("-" in group.name for group in groups.values()):
            for group in groups.values():
                parts = group.name.split("-")
                group.other_names = tuple("-".join(parts[i:]) for i in range(1, len(parts)))
        return groups, strays

    def put(self, member: Member, exercise: str, groups: dict[str, Group]) -> bool:
        """Put a file into the group of its participant."""
        found = _part(member)
        if not found:
            return False
        depth, match = found
        name, number = match["name"].strip(), match["id"]
        ids = (number, f"participant{number}") if number else ()
        group = groups.setdefault(number or name, Group(number or name, name, ids, number or ""))
        if not member.folder or member.fault:
            own = match["file"] if depth + 1 == len(member.parts) else ""
            group.members.append((own or member.parts[-1], member))
        return True
