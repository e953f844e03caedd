"""A file or a folder among what came in: its name, for comparison only, and how it is read.

Names were given by students. So they are only ever compared and cleaned, never joined to a path.
"""

from __future__ import annotations

import re
import stat
from collections.abc import Callable
from dataclasses import dataclass

MB = 1_000_000
MOST_MEMBERS = 10_000  # of an archive, of one student's folder

CLUTTER = re.compile(r"^(\..*|__MACOSX|Thumbs\.db|desktop\.ini)$", re.I)
NOTEBOOK = re.compile(r"\.ipynb(\.(txt|json))?$", re.I)


class Refused(Exception):
    """A file that is not read; the message follows the file's name in a sentence."""


def _nothing(_limit: int) -> bytes:
    raise Refused("is a folder")


@dataclass(frozen=True)
class Member:
    """A file or folder of the place; `parts` is for comparison and display, never a path."""

    parts: tuple[str, ...]
    read: Callable[[int], bytes] = _nothing
    modified: float = 0.0  #: seconds, comparable within one place only
    folder: bool = False
    fault: str | None = None


def no_file(mode: int) -> str | None:
    """Say why a file of this mode is not read; None for a regular file."""
    if stat.S_ISLNK(mode):
        return "is a symbolic link"
    return None if stat.S_ISREG(mode) else "is a pipe, a socket or a device"
