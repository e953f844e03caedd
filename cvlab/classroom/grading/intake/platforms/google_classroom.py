"""Google Classroom's folder in Google Drive: notebooks named as students, or Classroom, named them.

Google documents that folder only as the one where what students attach is put. It tells neither who
handed in a file nor when; that is only in the Classroom itself. Files that were handed out as "a
copy for each student" are named `NAME - TITLE`, by users' descriptions; Drive numbers files of one
name as it packs them. So what can be read is: a name before " - ", if the title after it is the
exercise's or that of most; and that files of one name may be of namesakes, who are never merged.
All other files are read as in a folder of notebooks.
"""

from __future__ import annotations

import re
from collections import Counter

from cvlab.classroom.grading.intake.members import Member
from cvlab.classroom.grading.intake.names import split_ending, without_number
from cvlab.classroom.grading.intake.platforms.folder import Folder
from cvlab.classroom.grading.intake.platforms.platform import Group, mostly, tell_apart

_COPY_OF = re.compile(r"(?:(?:copy of|kopie v[oa]n|cop(?:ia|ie) d[ei]) )+", re.I)
_COPY = re.compile(r"(?: ?- ?| )(?:copy|kopie|cop(?:ia|ie))$", re.I)


def _plain(file: str) -> str:
    """Return a file's stem without what a copy adds to it."""
    return _COPY.sub("", _COPY_OF.sub("", without_number(file)[0], count=1))


def _named(file: str) -> tuple[str, str] | None:
    """Return name and title of `NAME - TITLE.ipynb`."""
    name, found, title = _plain(file).partition(" - ")
    return (name.strip(), title.strip()) if found and name.strip() else None


def _is_notebook(member: Member) -> bool:
    return len(member.parts) == 1 and not member.folder and split_ending(member.parts[0])[1] != ""


def _titles(members: list[Member], exercise: str) -> set[str]:
    """Return the titles after which a file of this exercise is named."""
    files = [m.parts[0] for m in members if _is_notebook(m)]
    found = [named[1].casefold() for file in files if (named := _named(file))]
    common = {title for title, count in Counter(found).items() if 2 * count > max(len(files), 2)}
    return {*common, exercise.casefold(), exercise.casefold().replace("_", " ")}


class Classroom(Folder):
    """The folder of an assignment, or the zip that Drive makes of it."""

    name = "classroom"

    def own(self, members: list[Member], exercise: str) -> list[Member] | None:
        """Take notebooks most of which are named after student and title, or only after it."""
        titles = _titles(members, exercise)

        def fits(member: Member) -> bool:
            if not _is_notebook(member):
                return False
            named = _named(member.parts[0])
            titled = named is not None and named[0].casefold() != exercise.casefold()
            bare = _plain(member.parts[0]).casefold() in titles
            return bare or (titled and named is not None and named[1].casefold() in titles)

        return members if sum(map(fits, members)) > 1 and mostly(members, fits) else None

    def sort(self, members: list[Member], exercise: str) -> tuple[dict[str, Group], list[Member]]:
        """Sort the members: each file that names no student, or one with a number, stays apart."""
        titles = _titles(members, exercise)
        groups: dict[str, Group] = {}
        others = []
        for member in members:
            named = _named(member.parts[0]) if _is_notebook(member) else None
            bare = _is_notebook(member) and _plain(member.parts[0]).casefold() in titles
            if named and named[1].casefold() in titles and not bare:
                group = Group(named[0], named[0], (named[0],))
            elif bare:
                group = Group(split_ending(member.parts[0])[0])
                group.notes.append("the file's name does not say whose it is")
            else:
                others.append(member)
                continue
            group.members.append((member.parts[0], member))
            groups[f"{group.label} {member.parts[0]}"] = group
        found, strays = super().sort(others, exercise)
        for key, group in found.items():
            if any(split_ending(name)[1] or m.fault for name, m in group.members):
                groups[f"{key}/"] = group
            else:  # a folder of pictures
                strays += [member for _, member in group.members]
        tell_apart(list(groups.values()))
        return groups, strays
