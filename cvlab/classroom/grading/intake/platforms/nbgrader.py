"""nbgrader's directory structure: `submitted/STUDENT/ASSIGNMENT/`."""

from __future__ import annotations

from dataclasses import replace

from cvlab.classroom.grading.intake.members import Member
from cvlab.classroom.grading.intake.names import split_ending
from cvlab.classroom.grading.intake.platforms.platform import Group, Platform

STAMP = "timestamp.txt"  # nbgrader's exchange writes it over a student's own file of this name


class Nbgrader(Platform):
    """The tree `STUDENT/ASSIGNMENT/`, recognised by the folders' names alone."""

    name = "nbgrader"

    def own(self, members: list[Member], exercise: str) -> list[Member] | None:
        """Take a tree in which more students have the exercise than files lie loose."""
        trees = {m.parts[0] for m in members if m.parts[1:2] == (exercise,) and len(m.parts) > 2}
        loose = {m.parts[0] for m in members if len(m.parts) <= 2 and split_ending(m.parts[-1])[1]}
        return members if len(trees) > len(loose) else None

    def put(self, member: Member, exercise: str, groups: dict[str, Group]) -> bool:
        """Put a file of the exercise into the group of its student."""
        parts = member.parts
        if len(parts) == 1 and member.fault:  # a student's folder that is a link
            parts = (*parts, exercise)
        if len(parts) < 2:
            return member.folder
        if parts[1] != exercise:
            return True  # another assignment of the same tree
        group = groups.setdefault(parts[0], Group(parts[0], "", (parts[0],)))
        if parts[2:] == (STAMP,) and not member.folder and not member.fault:
            group.stamp = member
        elif not member.folder or member.fault:
            group.members.append((parts[-1], member))
        return True


class Submitted(Nbgrader):
    """The same tree in a folder `submitted`, which is beyond doubt, also in a course's folder."""

    def own(self, members: list[Member], exercise: str) -> list[Member] | None:
        """Take what lies in that folder, and leave the folder itself out."""
        tops = {member.parts[0] for member in members}
        if len(tops) == 1 and any(m.parts[1:2] == ("submitted",) for m in members):
            members = [replace(m, parts=m.parts[1:]) for m in members if len(m.parts) > 1]
        if not any(member.parts[0] == "submitted" for member in members):
            return None
        inside = [m for m in members if m.parts[0] == "submitted" and len(m.parts) > 1]
        return [replace(m, parts=m.parts[1:]) for m in inside]
