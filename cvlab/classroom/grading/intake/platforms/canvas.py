"""Canvas's "Download submissions": `name[_LATE]_USER_SUBMISSION_file`."""

from __future__ import annotations

import re

from cvlab.classroom.grading.intake.members import Member
from cvlab.classroom.grading.intake.platforms.platform import Group, Platform, mostly

_CANVAS = re.compile(r"^(?P<name>[^_]+)(?P<late>_LATE)?_(?P<user>\d+)_(?P<paper>\d+)_(?P<file>.+)$")


def _match(member: Member, exercise: str) -> re.Match[str] | None:
    if member.folder or len(member.parts) > 2:
        return None
    name = member.parts[-1]
    match = _CANVAS.match(name)
    # `maria_2_15_boxes.ipynb` is no Canvas name: its numbers belong to student and exercise.
    if match and re.match(rf"{re.escape(exercise)}\b", f"{match['paper']}_{match['file']}"):
        return None
    return match


class Canvas(Platform):
    """The zip of an assignment, or what it was extracted to."""

    name = "canvas"

    def own(self, members: list[Member], exercise: str) -> list[Member] | None:
        """Take what is mostly named as Canvas names files."""
        fits = mostly(members, lambda each: _match(each, exercise) is not None)
        return members if fits else None

    def put(self, member: Member, exercise: str, groups: dict[str, Group]) -> bool:
        """Put a file into the group of its user."""
        match = _match(member, exercise)
        if not match:
            return False
        user = match["user"]
        group = groups.setdefault(user, Group(user, match["name"], (user,), user))
        group.late = group.late or bool(match["late"])
        group.members.append((match["file"], member))
        return True
