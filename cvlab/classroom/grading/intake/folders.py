"""Walk a folder, and read a file of it: no link is followed, nothing waits, sizes are capped."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

from cvlab.classroom.grading.intake.members import (
    CLUTTER,
    MB,
    MOST_MEMBERS,
    Member,
    Refused,
    no_file,
)
from cvlab.classroom.grading.intake.names import shown

MOST_STUDENTS = 100_000  # entries of a folder of submissions
MOST_DEPTH = 8


def walk(place: Path, work: Path) -> Iterator[Member]:
    """Iterate over a folder; each of its entries may hold at most MOST_MEMBERS files."""
    avoid = work.resolve()
    for entry in _entries(place, MOST_STUDENTS):
        pending = [(entry, (shown(entry.name),))]
        for _ in range(MOST_MEMBERS):
            if not pending:
                break
            current, parts = pending.pop()
            if not current.is_dir(follow_symlinks=False):
                yield _file_member(current, parts)
                continue
            if CLUTTER.match(current.name) or Path(current.path) == avoid:
                continue
            fault = f"lies more than {MOST_DEPTH} folders deep" if len(parts) > MOST_DEPTH else None
            inner: list[os.DirEntry[str]] = []
            if fault is None:
                try:
                    inner = _entries(Path(current.path), MOST_MEMBERS)
                except (OSError, ValueError) as error:
                    reason = getattr(error, "strerror", None) or "it holds too many files"
                    fault = f"cannot be read ({reason.lower()})"
            yield Member(parts, folder=True, fault=fault)
            pending += [(each, (*parts, shown(each.name))) for each in reversed(inner)]
        if pending:
            fault = f"holds more than {MOST_MEMBERS} files"
            yield Member((shown(entry.name),), folder=True, fault=fault)


def _entries(folder: Path, most: int) -> list[os.DirEntry[str]]:
    with os.scandir(folder) as entries:
        found = [entry for entry, _ in zip(entries, range(most + 1), strict=False)]
    if len(found) > most:
        raise ValueError(f"{folder} holds more than {most} files; give a folder of submissions.")
    return sorted(found, key=lambda entry: entry.name)


def _file_member(entry: os.DirEntry[str], parts: tuple[str, ...]) -> Member:
    try:
        info = entry.stat(follow_symlinks=False)
    except OSError as error:
        return Member(parts, fault=f"cannot be read ({error.strerror})")
    path = Path(entry.path)
    fault = no_file(info.st_mode)
    return Member(parts, lambda most: read_file(path, most), info.st_mtime, fault=fault)


def read_file(path: Path, most: int) -> bytes:
    """Read a regular file with one name, at most so many bytes, without following a link."""
    # Without waiting: opening a pipe for reading would last until someone writes to it.
    flags = os.O_RDONLY
    for name in ("O_NOFOLLOW", "O_NONBLOCK", "O_CLOEXEC", "O_BINARY"):
        flags |= getattr(os, name, 0)
    with open(os.open(path, flags), "rb") as file:
        info = os.fstat(file.fileno())
        if fault := no_file(info.st_mode):
            raise Refused(fault)
        if info.st_nlink > 1:
            raise Refused("is a hard link to another file; copy the folder with `cp -r` first")
        data = file.read(most + 1)
    if len(data) > most:
        raise Refused(f"is larger than {most // MB} MB")
    return data
