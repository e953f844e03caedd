"""A folder of notebooks that are named after students, or of students' folders."""

from __future__ import annotations

import re

from cvlab.classroom.grading.intake.members import Member
from cvlab.classroom.grading.intake.names import split_ending, student_in, without_number
from cvlab.classroom.grading.intake.platforms.platform import Group, Platform

# A chapter of several pages numbers them by a letter, as in `27a_recurrent`.
_NUMBERED = re.compile(r"(?:^|[_-])(\d\d[a-z]?_[a-z][a-z_]*)(?:[_-]|$)")


class Folder(Platform):
    """What no platform made: any input is its own."""

    name = "folder"

    def own(self, members: list[Member], exercise: str) -> list[Member] | None:
        """Take whatever is there."""
        return members

    def put(self, member: Member, exercise: str, groups: dict[str, Group]) -> bool:
        """Sort a notebook by its name, or a student's folder with what is in it."""
        if len(member.parts) > 1 or member.folder:
            named = exercise in (*member.parts[1:2], without_number(member.parts[-1])[0])
            deep = len(member.parts) > 2 and not named
            if (deep or member.folder) and not member.fault:
                return member.folder
            label = member.parts[0]
        else:
            stem, extension = split_ending(member.parts[0])
            if not extension and not member.fault:
                return False
            label = student_in(stem, exercise)
            other = _NUMBERED.search(label)
            if _NUMBERED.match(exercise) and other and other[1] != exercise:
                return False  # a notebook of another exercise
        group = groups.setdefault(label, Group(label, "", (label,)))
        if label == exercise:
            group.notes.append("the file's name does not say whose it is")
        group.members.append((member.parts[-1], member))
        return True

    def sort(self, members: list[Member], exercise: str) -> tuple[dict[str, Group], list[Member]]:
        """Sort the members; beside notebooks, a folder without any is no student's."""
        groups, strays = super().sort(members, exercise)
        if any(len(m.parts) == 1 and split_ending(m.parts[0])[1] for m in members):
            for key, group in list(groups.items()):  # a folder of pictures
                if not any(split_ending(name)[1] or m.fault for name, m in group.members):
                    strays += [member for _, member in groups.pop(key).members]
        return groups, strays
