"""Read a zip file that may be hostile: what it says of its own sizes is not believed.

Format: APPNOTE 6.3 for zip files.
"""

from __future__ import annotations

import contextlib
import io
import re
import stat
import zipfile
import zlib
from typing import IO

from cvlab.classroom.grading.intake.members import (
    CLUTTER,
    MB,
    MOST_MEMBERS,
    Member,
    Refused,
    no_file,
)
from cvlab.classroom.grading.intake.names import MOST_NAME, shown

MOST_INNER = 50 * MB  # a student's own zip, packed
MOST_SUBMISSION = 150 * MB  # of all zips of one student, packed and unpacked
MOST_RATIO = 400  # unpacked to packed, for what unpacks to more than RATIO_FROM
RATIO_FROM = 5 * MB
MOST_DIRECTORY = 4 * MB  # an archive's table of contents: 400 bytes a member


class Allowance:
    """What may still be unpacked of one student's own zips, counted as it comes.

    Each student has one, so that nobody can use up what others need. What a platform's zip of the
    whole class unpacks to is bounded by what is read of each of its members.

    Args:
        left: bytes.
    """

    def __init__(self, left: int = MOST_SUBMISSION) -> None:
        self.left = left

    def take(self, size: int) -> None:
        """Count bytes.

        Raises:
            Refused: if there are too many.
        """
        self.left -= size
        if self.left < 0:
            most = MOST_SUBMISSION // MB
            raise Refused(f"is beyond the {most} MB that one student's zip files may unpack to")


class _Careful(io.BufferedReader):
    """A file that refuses to read more at once than any honest table of contents needs."""

    def read(self, size: int | None = -1, /) -> bytes:
        most = MOST_DIRECTORY + 1
        data = super().read(most if size is None or size < 0 else min(size, most))
        if len(data) == most:
            raise Refused(f"has more than {MOST_MEMBERS} members")
        return data


def read_zip(file: IO[bytes]) -> list[Member]:
    """Return the members of an archive; they can be read for as long as the file is open.

    Raises:
        Refused: if it is no archive that is read.
    """
    return _members(_opened(file))


def unzipped(member: Member, allowance: Allowance) -> list[tuple[str, Member]]:
    """Return the files of a student's own zip; a zip inside of it stays closed.

    Raises:
        Refused: if it is no archive that is read, or the student's allowance is used up.
    """
    data = member.read(MOST_INNER)
    allowance.take(len(data))
    archive = _opened(io.BytesIO(data))  # type: ignore[arg-type]
    inner = _members(archive, allowance)
    return [(each.parts[-1], each) for each in inner if not each.folder]


def _opened(file: IO[bytes]) -> zipfile.ZipFile:
    try:
        archive = zipfile.ZipFile(_Careful(file))  # type: ignore[arg-type]
    except UnicodeDecodeError:
        raise Refused("holds names that are not UTF-8, although it says so") from None
    except (zipfile.BadZipFile, ValueError, OSError, NotImplementedError, EOFError):
        raise Refused("is not a readable zip file") from None
    if len(archive.infolist()) > MOST_MEMBERS:
        raise Refused(f"has more than {MOST_MEMBERS} members")
    return archive


def _members(archive: zipfile.ZipFile, allowance: Allowance | None = None) -> list[Member]:
    members = []
    for info in archive.infolist():
        parts, fault = _archive_parts(info)
        if not parts or any(CLUTTER.match(part) for part in parts[:-1]):
            continue

        def read(most: int, info: zipfile.ZipInfo = info) -> bytes:
            return _unpack(archive, info, most, allowance)

        year, month, day, hour, minute, second = info.date_time
        modified = ((((year * 12 + month) * 31 + day) * 24 + hour) * 60 + minute) * 60 + second
        members.append(Member(parts, read, float(modified), info.is_dir(), fault))
    return members


def _archive_parts(info: zipfile.ZipInfo) -> tuple[tuple[str, ...], str | None]:
    """Return the cleaned parts of a member's name, and why it is refused."""
    name = info.filename
    if not info.flag_bits & 0x800:  # the name is in no stated encoding, and zipfile guessed cp437
        with contextlib.suppress(UnicodeError):
            name = name.encode("cp437").decode("utf-8")
    mode = info.external_attr >> 16
    fault = None
    if len(name) > MOST_NAME:
        fault, name = "has a name that is too long", name[:MOST_NAME]
    elif name.startswith("/") or "\\" in name or re.match(r"[A-Za-z]:", name):
        fault = "has an absolute or a Windows path in the archive"
    elif ".." in name.split("/"):
        fault = "has a path that leads out of the archive"
    elif info.flag_bits & 1:
        fault = "is encrypted; unlock the archive first"
    elif stat.S_IFMT(mode) and not stat.S_ISDIR(mode):
        fault = no_file(mode)
    # Other methods may turn a few bytes into gigabytes in one step, before they can be counted.
    if not fault and info.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
        fault = "is packed by a method other than deflate; pack it anew"
    parts = tuple(shown(p) for p in re.split(r"[/\\]", name) if p not in ("", ".", ".."))
    return parts, fault


def _unpack(
    archive: zipfile.ZipFile, info: zipfile.ZipInfo, most: int, allowance: Allowance | None
) -> bytes:
    """Unpack a member in small steps and stop at whatever limit comes first."""
    pieces, size = [], 0
    try:
        with archive.open(info) as file:
            while piece := file.read(1 << 16):
                size += len(piece)
                if allowance:
                    allowance.take(len(piece))
                if size > most:
                    raise Refused(f"is larger than {most // MB} MB")
                if size > RATIO_FROM and size > MOST_RATIO * max(info.compress_size, 1):
                    raise Refused(f"unpacks to more than {MOST_RATIO} times its size")
                pieces.append(piece)
    except (zipfile.BadZipFile, zlib.error, EOFError, ValueError, RuntimeError, OSError) as error:
        raise Refused(f"is damaged ({_sentence_part(str(error))})") from None
    return b"".join(pieces)


def _sentence_part(text: str) -> str:
    return shown(text).rstrip(".")[:200]
