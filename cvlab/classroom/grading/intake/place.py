"""The place where the submissions lie: a folder, an archive or one notebook, as its members."""

from __future__ import annotations

import contextlib
import stat
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

from cvlab.classroom.grading.intake.folders import read_file, walk
from cvlab.classroom.grading.intake.members import NOTEBOOK, Member, Refused
from cvlab.classroom.grading.intake.names import shown
from cvlab.classroom.grading.intake.zips import read_zip


@contextlib.contextmanager
def members_of(place: Path, work: Path) -> Iterator[list[Member]]:
    """Keep an archive open while its members are read."""
    with contextlib.ExitStack() as stack:
        try:
            members = _listed(place.resolve(strict=True), work, stack)
        except (OSError, RuntimeError) as error:
            reason = getattr(error, "strerror", None) or "its links run in a circle"
            raise ValueError(f"{place} cannot be read: {reason.lower()}.") from None
        except Refused as refusal:
            advice = "give a folder, or a zip file as Moodle or Canvas makes it"
            raise ValueError(f"{place} {refusal}; {advice}.") from None
        yield members


def _listed(place: Path, work: Path, stack: contextlib.ExitStack) -> list[Member]:
    mode = place.stat().st_mode
    if stat.S_ISDIR(mode):
        tree = place / "submitted"
        if tree.is_dir() and not tree.is_symlink():
            return [_below(member, tree.name) for member in walk(tree, work)]
        members = list(walk(place, work))
        return [_below(m, place.name) for m in members] if place.name == tree.name else members
    if not stat.S_ISREG(mode):
        raise Refused("is neither a folder nor a file")
    if NOTEBOOK.search(place.name):
        return [Member((shown(place.name),), lambda most: read_file(place, most))]
    return read_zip(stack.enter_context(place.open("rb")))


def _below(member: Member, top: str) -> Member:
    return replace(member, parts=(top, *member.parts))
