"""Gradescope's "Export Submissions": `submission_N/file`, and `submission_metadata.yml`.

Gradescope's code is not public and its documents do not show the form. That of the file which says
whose each submission is comes from a whole one that a class published, and from the scripts with
which courses read theirs: a submission's folder, below it `:submitters:` with `:name:`, `:sid:` and
`:email:`, and `:created_at:`, the time of the submission that counts. Earlier ones are named as
`:history:`, but not in the export. All of a group stand as submitters of one submission. That the
folders are called so where a student's name holds anything odd is certain: they are numbered.

The file is read line by line, without a YAML library: of the text that students can bring into it
nothing stands as far left as what is read here. The table that "Download Grades" gives can be the
roster.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, field

from cvlab.classroom.grading.intake.members import MB, Member, Refused
from cvlab.classroom.grading.intake.names import shown
from cvlab.classroom.grading.intake.platforms.platform import (
    Author,
    Group,
    Platform,
    for_each,
    placed,
    saying,
    tell_apart,
)

METADATA = "submission_metadata.yml"
MOST_METADATA = 50 * MB

_FOLDER = re.compile(r"submission_\d+")
_FIELD = re.compile(r"(?P<item>  - |    ):(?P<key>name|sid|email):(?P<value>.*)")


@dataclass
class _Entry:
    people: list[dict[str, str]] = field(default_factory=list)
    created: str = ""


def _fits(member: Member) -> bool:
    inside = len(member.parts) > 1 or member.folder or member.fault is not None
    return inside and _FOLDER.fullmatch(member.parts[0]) is not None


class Gradescope(Platform):
    """The zip of an assignment, or what it was extracted to."""

    name = "gradescope"

    def own(self, members: list[Member], exercise: str) -> list[Member] | None:
        """Take what mostly lies in numbered folders."""
        return placed(members, _fits)

    def put(self, member: Member, exercise: str, groups: dict[str, Group]) -> bool:
        """Put a file into the group of its submission."""
        if not _fits(member):
            return member.parts == (METADATA,)
        group = groups.setdefault(member.parts[0], Group(member.parts[0]))
        if not member.folder or member.fault:
            group.members.append((member.parts[-1], member))
        return True

    def sort(self, members: list[Member], exercise: str) -> tuple[dict[str, Group], list[Member]]:
        """Sort the members; each of a group's authors has handed in all of it."""
        submissions, strays = super().sort(members, exercise)
        metadata = next((m for m in members if m.parts == (METADATA,)), None)
        entries = _read(metadata) if metadata else {}
        groups: dict[str, Group] = {}
        for folder, group in submissions.items():
            entry = entries.get(folder, _Entry())
            authors = [author for person in entry.people if (author := _author(person))]
            if not authors:
                group.notes.append(f"{METADATA} does not say whose it is")
                authors = [Author(folder, "", ())]
            if metadata and entry.created:
                group.stamp = saying(metadata, entry.created)
            for index, each in enumerate(for_each(authors, group)):
                groups[f"{folder} {index:4}"] = each
        tell_apart(list(groups.values()))
        return groups, strays


def _author(person: dict[str, str]) -> Author | None:
    ids = tuple(filter(None, (person.get("sid"), person.get("email"))))
    name = person.get("name", "")
    return Author((*ids, name)[0], name, ids) if ids or name else None


def _read(metadata: Member) -> dict[str, _Entry]:
    """Return what the file says of each submission's folder; nothing if it cannot be read."""
    try:
        text = metadata.read(MOST_METADATA).decode("utf-8-sig", "replace")
    except (Refused, OSError):
        return {}
    entries: dict[str, _Entry] = {}
    entry, part = _Entry(), ""
    for line in text.splitlines():
        if line[:1].strip():
            key, part = line.rstrip().removesuffix(":"), ""
            entry = entries.setdefault(_scalar(key), _Entry())
        elif line.startswith("  :"):
            part, _, value = line[3:].partition(":")
            if part == "created_at":
                entry.created = re.sub(r" (?=[+-]\d)", "", _scalar(value))
        elif part == "submitters" and (match := _FIELD.fullmatch(line)):
            if match["item"] == "  - " or not entry.people:
                entry.people.append({})
            entry.people[-1][match["key"]] = _scalar(match["value"])
    return entries


def _scalar(text: str) -> str:
    r"""Return a YAML scalar of one line as text; null is empty.

    Examples:
        >>> _scalar(" 'O''Brien'"), _scalar('"a: \\xE9"'), _scalar(" ~")
        ("O'Brien", 'a: é', '')
    """
    text = text.strip()
    if text in ("~", "null") or text.startswith(("!", "|", ">")):
        return ""
    if len(text) > 1 and text[0] == text[-1] == "'":
        text = text[1:-1].replace("''", "'")
    elif len(text) > 1 and text[0] == text[-1] == '"':
        try:
            text = str(json.loads(re.sub(r"\\x([0-9A-Fa-f]{2})", r"\\u00\1", text)))
        except ValueError:
            text = text[1:-1]
    return shown(text)
