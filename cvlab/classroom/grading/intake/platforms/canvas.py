"""Canvas's "Download submissions": `name[_LATE]_USER_ATTACHMENT_file`.

The grammar is that of Canvas's own code (`lib/content_zipper.rb`): the name is in small letters and
may hold underscores, but no number between two of them, so the first such number is the user's. In
an anonymous assignment `[LATE_]anon_ID` stands for name and user. A text that was typed in and an
address come as `..._text.html` and `..._link.html`, without an attachment.
"""

from __future__ import annotations

import re

from cvlab.classroom.grading.intake.members import Member
from cvlab.classroom.grading.intake.platforms.platform import Group, Platform, mostly

_CANVAS = re.compile(
    r"^(?:(?P<hidden_late>LATE_)?(?P<hidden>anon_(?=\d*[A-Za-z])[A-Za-z0-9]{3,10})"
    r"|(?P<name>.+?)(?P<late>_LATE)?_(?P<user>\d+))"
    r"_(?:(?P<paper>\d+)_(?P<file>.+)|(?P<page>(?:text|link)\.html))$",
    re.S,
)


def _match(member: Member, exercise: str) -> re.Match[str] | None:
    if member.folder or len(member.parts) > 2:
        return None
    name = member.parts[-1]
    match = _CANVAS.match(name)
    # `maria_2_15_boxes.ipynb` is no Canvas name: its numbers belong to student and exercise.
    named = match and f"{match['paper']}_{match['file']}"
    return None if named and re.match(rf"{re.escape(exercise)}\b", named) else match


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
        user = match["user"] or match["hidden"]
        name = match["name"] or ""
        group = groups.setdefault(user, Group(user, name, (user,), match["user"] or ""))
        group.late = group.late or bool(match["late"] or match["hidden_late"])
        group.members.append((match["file"] or match["page"], member))
        return True
