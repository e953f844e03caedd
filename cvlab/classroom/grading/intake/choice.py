"""Choose, of all that a student handed in, the notebook that counts, and say by which rule."""

from __future__ import annotations

import re
from collections.abc import Iterable
from datetime import UTC, datetime
from zoneinfo import ZoneInfo

from cvlab.classroom.grading.intake.ipynb import MOST_FILE
from cvlab.classroom.grading.intake.members import CLUTTER, NOTEBOOK, Member, Refused
from cvlab.classroom.grading.intake.names import split_ending, without_number
from cvlab.classroom.grading.intake.platforms.platform import Group
from cvlab.classroom.grading.intake.zips import Allowance, unzipped

MOST_ARCHIVES = 10  # of one student

_TIME = re.compile(r"(\d{4}-\d\d-\d\d[ T][\d:.]{5,18}(?:Z|[+-][\d:]{4,6})?)(?: (\S+))?")


def chosen(group: Group, exercise: str, notes: list[str]) -> bytes | None:
    """Return the bytes of the notebook that counts; add to the notes what to know about it."""
    files = group.members
    refusals = [f"the file {name} {member.fault}" for name, member in files if member.fault]
    if not _notebooks(files):
        allowance = Allowance()
        archives = [(n, m) for n, m in files if n.lower().endswith(".zip") and not m.fault]
        if len(archives) > MOST_ARCHIVES:
            refusals.append(f"only {MOST_ARCHIVES} of the {len(archives)} zip files were opened")
        for name, member in archives[:MOST_ARCHIVES]:
            try:
                inner = unzipped(member, allowance)
            except (Refused, OSError) as error:
                refusals.append(f"the file {name} {_why(error)}")
                continue
            refusals += [f"the file {each} in {name} {m.fault}" for each, m in inner if m.fault]
            files = [*files, *inner]
    # Of two members with one name, the last counts, as it would after extracting.
    last_first = reversed(_notebooks(files))
    ranked = sorted(last_first, key=lambda each: _rank(*each, exercise), reverse=True)
    notes += refusals[:3]
    if not ranked:
        others = [name for name, m in files if not m.fault]
        found = f" (found: {', '.join(sorted(others)[:3])})" if others else ""
        notes.append(f"there is no notebook in the submission{found}")
        return None
    name, member = ranked[0]
    if len(ranked) > 1:
        rule = _rule(ranked, exercise)
        notes.append(f"{len(ranked)} notebooks were handed in; {name} was taken, {rule}")
    if not name.lower().endswith(".ipynb"):
        notes.append(f"the file {name} was taken for a notebook")
    try:
        return member.read(MOST_FILE)
    except (Refused, OSError) as error:
        notes.append(f"the file {name} {_why(error)}")
        return None


def _notebooks(files: Iterable[tuple[str, Member]]) -> list[tuple[str, Member]]:
    return [
        (name, member)
        for name, member in files
        if NOTEBOOK.search(name) and not member.fault and not CLUTTER.match(name)
    ]


def _rank(name: str, member: Member, exercise: str) -> tuple[bool, int, float, str]:
    stem, number = without_number(name)
    names = {stem.casefold(), split_ending(name)[0].casefold()}
    named = bool({exercise.casefold(), exercise.casefold().replace("_", " ")} & names)
    if split_ending(name)[0].casefold() == exercise.casefold():
        number = 0  # the exercise itself may end in a number
    return named, number, member.modified, "/".join(member.parts)


def _rule(ranked: list[tuple[str, Member]], exercise: str) -> str:
    first, second = (_rank(*each, exercise) for each in ranked[:2])
    if first[0] != second[0]:
        return "because it is named like the exercise"
    if first[1] != second[1]:
        return "because it is the newest resubmission"
    if first[2] != second[2]:
        return "because it was saved last"
    return "because it comes last"


def _why(error: Exception) -> str:
    if isinstance(error, OSError):
        return f"cannot be read ({(error.strerror or 'error').lower()})"
    return str(error)


def timestamp(member: Member) -> datetime | None:
    """Read a platform's time stamp as a time in UTC.

    It is `2026-03-01 17:59:03.123456 UTC` in nbgrader, `2026-03-01T17:59:03.123Z` in Sakai and
    `2026-03-01 17:59:03.123456000 Z` in Gradescope.
    """
    try:
        text = member.read(1_000).decode("utf-8-sig").strip()
        match = _TIME.fullmatch(text)
        if not match:
            return None
        moment = datetime.fromisoformat(match[1])
        if moment.tzinfo is None:
            zone = match[2] or "UTC"
            moment = moment.replace(tzinfo=UTC if zone in ("UTC", "GMT", "Z") else ZoneInfo(zone))
        return moment.astimezone(UTC)
    except (Refused, OSError, ValueError, LookupError, OverflowError):
        return None
