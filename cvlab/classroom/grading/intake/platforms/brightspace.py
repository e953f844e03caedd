"""Brightspace's (D2L's) download of submissions: `NUMBER-NUMBER - NAME - TIME/file`.

D2L's code is not public, and its help does not show the form; it is that of scripts and tests of
teachers: `39786-640693 - Ada Lovelace - Oct 10, 2030 1022 AM/file` with an `index.html` beside the
folders, and, in older downloads, the same without folders, with the student's number in the
institution before the name: `12345-67890 - N0123456 - Ada Lovelace- Oct 10, 2030 1022 AM - file`.
What the two numbers in front are, nobody says. So they only keep namesakes apart, and no roster is
searched for them. The time is the server's, without a zone: it orders attempts and says nothing of
lateness. Of groups and of anonymous marking no example was found: the name is then what stands
there.
"""

from __future__ import annotations

import re

from cvlab.classroom.grading.intake.members import Member
from cvlab.classroom.grading.intake.platforms.platform import Group, Platform, placed, tell_apart

INDEX = "index.html"

# The first time is Brightspace's: another may stand in the name that a student gave the file.
_BRIGHTSPACE = re.compile(
    r"(?P<number>\d+(?:-\d+)?) - (?:(?P<id>[A-Za-z]{0,3}\d{4,12}) - )?(?P<name>.+?) ?- "
    r"(?P<time>[^-]{2,24}\d{4},? \d{3,4}(?: ?[AP]M)?)(?: - (?P<file>.+))?",
    re.S,
)
_CLOCK = re.compile(r"(?P<hour>\d{1,2})(?P<minute>\d\d)(?: ?(?P<half>[AP]M))?$")
_MONTHS = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")


def _match(member: Member) -> re.Match[str] | None:
    match = _BRIGHTSPACE.fullmatch(member.parts[0])
    flat = len(member.parts) == 1 and not member.folder
    return match if match and (member.fault or flat == bool(match["file"])) else None


class Brightspace(Platform):
    """The zip of an assignment, or what it was extracted to."""

    name = "brightspace"

    def own(self, members: list[Member], exercise: str) -> list[Member] | None:
        """Take what is mostly named as Brightspace names it."""
        return placed(members, lambda each: _match(each) is not None)

    def put(self, member: Member, exercise: str, groups: dict[str, Group]) -> bool:
        """Put a file into the group of its attempt."""
        match = _match(member)
        if not match:
            return member.parts == (INDEX,)
        number, name, time = (match[key].strip() for key in ("number", "name", "time"))
        who = match["id"] or name
        new = Group(who, name, (match["id"],) if match["id"] else ())
        attempt = groups.setdefault(f"{name} {number} {who}\0{time}", new)
        if not member.folder or member.fault:
            attempt.members.append((match["file"] or member.parts[-1], member))
        return True

    def sort(self, members: list[Member], exercise: str) -> tuple[dict[str, Group], list[Member]]:
        """Sort the members; of a student's attempts the last counts."""
        attempts, strays = super().sort(members, exercise)
        of: dict[str, list[str]] = {}
        for key in attempts:
            of.setdefault(key.partition("\0")[0], []).append(key)
        groups = {who: _last({key: attempts[key] for key in keys}) for who, keys in of.items()}
        tell_apart(list(groups.values()))
        return groups, strays


def _last(attempts: dict[str, Group]) -> Group:
    """Return the last attempt of a student, or all of them where the last is not to be told."""
    moments = {key: _moment(key.partition("\0")[2]) for key in attempts}
    known = {key: moment for key, moment in moments.items() if moment}
    if len(known) == len(attempts):
        group = attempts[max(known, key=lambda key: known[key])]
        if len(attempts) > 1:
            group.notes.append("this is the last of several attempts")
        return group
    first, *others = attempts.values()
    if others:
        first.members += [member for other in others for member in other.members]
        first.notes.append("which of several attempts is the last cannot be told")
    return first


def _moment(text: str) -> tuple[int, ...] | None:
    """Return a time as numbers that can be compared, None if its month is of another language.

    Examples:
        >>> _moment("Oct 10, 2030 1222 AM"), _moment("7 March, 2030 905 PM")
        ((2030, 10, 10, 0, 22), (2030, 3, 7, 21, 5))
    """
    clock = _CLOCK.search(text)
    if not clock:
        return None
    words = text[: clock.start()].replace(",", " ").split()
    months = [_MONTHS.index(word[:3].lower()) for word in words if word[:3].lower() in _MONTHS]
    numbers = sorted(int(word) for word in words if word.isdecimal())
    if len(months) != 1 or len(numbers) != 2:
        return None
    hour = int(clock["hour"])
    if clock["half"]:
        hour = hour % 12 + 12 * (clock["half"] == "PM")
    return numbers[1], months[0] + 1, numbers[0], hour, int(clock["minute"])
