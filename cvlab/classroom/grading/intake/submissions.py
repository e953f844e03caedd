"""Find the submissions of a class: nbgrader's tree, a folder, Moodle's or Canvas's zip.

Everything below `place` was named and written by students. So a name is only ever compared and
cleaned, never joined to a path; only regular files with one name are opened; and what an archive
says of its own sizes is not believed. Each notebook is copied to a file in `work` that is named
after the student's cleaned identifier, and nothing is written anywhere else.

Formats: nbgrader's directory structure (`submitted/STUDENT/ASSIGNMENT/`, `timestamp.txt`); Moodle's
"Download all submissions" (`Full Name_PARTICIPANT_assignsubmission_file_/`); Canvas's "Download
submissions" (`name[_LATE]_USER_SUBMISSION_file`); APPNOTE 6.3 for zip files.
"""

from __future__ import annotations

import contextlib
import csv
import hashlib
import io
import os
import re
import stat
import tempfile
import unicodedata
import zipfile
import zlib
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import IO
from zoneinfo import ZoneInfo

MB = 1_000_000
MOST_NOTEBOOK = 20 * MB
MOST_MEMBERS = 10_000  # of an archive, of one student's folder
MOST_STUDENTS = 100_000  # entries of a folder of submissions
MOST_ARCHIVE = 2_000 * MB  # unpacked
MOST_INNER = 50 * MB  # a student's own zip, packed
MOST_RATIO = 400  # unpacked to packed, for what unpacks to more than RATIO_FROM
RATIO_FROM = 5 * MB
MOST_DIRECTORY = 4 * MB  # an archive's table of contents: 400 bytes a member
MOST_ROSTER = 10 * MB
MOST_NAME = 1_000
MOST_DEPTH = 8

_CLUTTER = re.compile(r"^(\..*|__MACOSX|Thumbs\.db|desktop\.ini)$", re.I)
_NOTEBOOK = re.compile(r"\.ipynb(\.(txt|json))?$", re.I)
_COPY = re.compile(r"(?:-| ?\()(\d{1,4})\)?$")  # Canvas's "-1", a browser's " (1)"
_MOODLE = re.compile(
    r"^(?P<name>.*?)_(?:(?P<id>\d+)_)?assignsubmission_(?:file|onlinetext)_?(?P<file>.*)$", re.S
)
_CANVAS = re.compile(r"^(?P<name>[^_]+)(?P<late>_LATE)?_(?P<user>\d+)_(?P<paper>\d+)_(?P<file>.+)$")
_NUMBERED = re.compile(r"(?:^|[_-])(\d\d_[a-z][a-z_]*)(?:[_-]|$)")
_TIME = re.compile(r"(\d{4}-\d\d-\d\d[ T][\d:.]{5,15}(?:Z|[+-][\d:]{4,6})?)(?: (\S+))?")
_RESERVED = re.compile(r"^(con|prn|aux|nul|com\d|lpt\d)(\.|$)", re.I)

_ID_COLUMNS = (
    *("id", "studentid", "username", "sisloginid", "sisuserid", "userid", "login", "idnumber"),
    *("studentnumber", "matriculationnumber", "identifier", "participant", "participantid"),
    *("lmsuserid", "orgdefinedid", "user"),
)
_NAME_COLUMNS = ("name", "fullname", "student", "studentname", "displayname")
_EMAIL_COLUMNS = ("email", "emailaddress", "mail")


@dataclass(frozen=True)
class Submission:
    """What one student handed in; `path` is None where there is nothing that could be graded."""

    student: str  #: identifier of letters, digits and ``._@+-``, unique also where case is ignored
    name: str
    path: Path | None  #: the copy in the work folder
    sha256: str  #: of the notebook's bytes, empty without a notebook
    submitted: datetime | None  #: in UTC, where the system that collected it says so
    late: bool  #: as the learning management system marked it
    problem: str | None  #: one sentence for the instructor
    email: str = ""
    number: str = ""  #: of the student on the platform: Moodle's participant, Canvas's user


@dataclass(frozen=True)
class Intake:
    """The submissions of a class, sorted by student, and how they were recognised."""

    layout: str  #: nbgrader, moodle, canvas or folder
    submissions: tuple[Submission, ...]
    remarks: tuple[str, ...]  #: sentences on what belongs to no student


class _Refused(Exception):
    """A file that is not read; the message follows the file's name in a sentence."""


def _nothing(_limit: int) -> bytes:
    raise _Refused("is a folder")


@dataclass(frozen=True)
class _Member:
    """A file or folder of the place; `parts` is for comparison and display, never a path."""

    parts: tuple[str, ...]
    read: Callable[[int], bytes] = _nothing
    modified: float = 0.0  #: seconds, comparable within one place only
    folder: bool = False
    fault: str | None = None


@dataclass
class _Group:
    """The members of one student, each with the name that the student gave the file."""

    label: str
    name: str = ""
    ids: tuple[str, ...] = ()
    number: str = ""
    late: bool = False
    members: list[tuple[str, _Member]] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)


@dataclass(frozen=True)
class _Person:
    """A row of the roster."""

    id: str
    name: str
    email: str
    keys: frozenset[str]


def find(place: Path, exercise: str, work: Path, roster: Path | None = None) -> Intake:
    """Find every student's notebook of an exercise and copy it into the work folder.

    Args:
        place: nbgrader's `submitted` tree or the course folder that holds it, a folder of
            notebooks or of students' folders, Moodle's or Canvas's zip or what it was extracted
            to, or one notebook.
        exercise: name of the exercise, as in ``15_boxes``.
        work: folder for the copies, made where it is missing.
        roster: CSV with columns for id, name and email, found by their headings. Submissions get
            its ids and names, and students without a submission are listed.

    Returns:
        The submissions, sorted by student. A submission that is broken has a `problem`; it never
        stops the others.

    Raises:
        ValueError: if the place, the exercise's name or the roster cannot be used.
        OSError: if the work folder cannot be written to.
    """
    if not re.fullmatch(r"\w[\w.-]*", exercise) or len(exercise) > 100:
        raise ValueError(f"{exercise!r} is no name of an exercise; give one such as 15_boxes.")
    people = _roster(Path(roster)) if roster is not None else None
    work = Path(work)
    work.mkdir(parents=True, exist_ok=True)
    with _members(Path(place), work) as members:
        layout, groups, remarks = _grouped(members, exercise)
        if not groups:
            raise ValueError(
                f"{place} holds no submission of {exercise}{_instead(members)}; give a folder or "
                "zip of its notebooks."
            )
        found = list(_submissions(groups, people, exercise, work))
    return Intake(layout, tuple(sorted(found, key=lambda each: each.student)), tuple(remarks))


# The place: a folder, an archive or one notebook


@contextlib.contextmanager
def _members(place: Path, work: Path) -> Iterator[list[_Member]]:
    """Keep an archive open while its members are read."""
    with contextlib.ExitStack() as stack:
        try:
            members = _listed(place.resolve(strict=True), work, stack)
        except (OSError, RuntimeError) as error:
            reason = getattr(error, "strerror", None) or "its links run in a circle"
            raise ValueError(f"{place} cannot be read: {reason.lower()}.") from None
        except _Refused as refusal:
            advice = "give a folder, or a zip file as Moodle or Canvas makes it"
            raise ValueError(f"{place} {refusal}; {advice}.") from None
        yield members


def _listed(place: Path, work: Path, stack: contextlib.ExitStack) -> list[_Member]:
    mode = place.stat().st_mode
    if stat.S_ISDIR(mode):
        tree = place / "submitted"
        if tree.is_dir() and not tree.is_symlink():
            return [_below(member, tree.name) for member in _walk(tree, work)]
        members = list(_walk(place, work))
        return [_below(m, place.name) for m in members] if place.name == tree.name else members
    if not stat.S_ISREG(mode):
        raise _Refused("is neither a folder nor a file")
    if _NOTEBOOK.search(place.name):
        return [_Member((_shown(place.name),), lambda most: _read_file(place, most))]
    archive = _archive(stack.enter_context(place.open("rb")))
    return _archive_members(archive, _Allowance(MOST_ARCHIVE))


def _below(member: _Member, top: str) -> _Member:
    return replace(member, parts=(top, *member.parts))


def _walk(place: Path, work: Path) -> Iterator[_Member]:
    """Iterate over a folder; each of its entries may hold at most MOST_MEMBERS files."""
    avoid = work.resolve()
    for entry in _entries(place, MOST_STUDENTS):
        pending = [(entry, (_shown(entry.name),))]
        for _ in range(MOST_MEMBERS):
            if not pending:
                break
            current, parts = pending.pop()
            if not current.is_dir(follow_symlinks=False):
                yield _file_member(current, parts)
                continue
            if _CLUTTER.match(current.name) or Path(current.path) == avoid:
                continue
            fault = f"lies more than {MOST_DEPTH} folders deep" if len(parts) > MOST_DEPTH else None
            inner: list[os.DirEntry[str]] = []
            if fault is None:
                try:
                    inner = _entries(Path(current.path), MOST_MEMBERS)
                except (OSError, ValueError) as error:
                    reason = getattr(error, "strerror", None) or "it holds too many files"
                    fault = f"cannot be read ({reason.lower()})"
            yield _Member(parts, folder=True, fault=fault)
            pending += [(each, (*parts, _shown(each.name))) for each in reversed(inner)]
        if pending:
            fault = f"holds more than {MOST_MEMBERS} files"
            yield _Member((_shown(entry.name),), folder=True, fault=fault)


def _entries(folder: Path, most: int) -> list[os.DirEntry[str]]:
    with os.scandir(folder) as entries:
        found = [entry for entry, _ in zip(entries, range(most + 1), strict=False)]
    if len(found) > most:
        raise ValueError(f"{folder} holds more than {most} files; give a folder of submissions.")
    return sorted(found, key=lambda entry: entry.name)


def _file_member(entry: os.DirEntry[str], parts: tuple[str, ...]) -> _Member:
    try:
        info = entry.stat(follow_symlinks=False)
    except OSError as error:
        return _Member(parts, fault=f"cannot be read ({error.strerror})")
    path = Path(entry.path)
    fault = _no_file(info.st_mode)
    return _Member(parts, lambda most: _read_file(path, most), info.st_mtime, fault=fault)


def _no_file(mode: int) -> str | None:
    """Say why a file of this mode is not read; None for a regular file."""
    if stat.S_ISLNK(mode):
        return "is a symbolic link"
    return None if stat.S_ISREG(mode) else "is a pipe, a socket or a device"


def _read_file(path: Path, most: int) -> bytes:
    """Read a regular file with one name, at most so many bytes, without following a link."""
    # Without waiting: opening a pipe for reading would last until someone writes to it.
    flags = os.O_RDONLY
    for name in ("O_NOFOLLOW", "O_NONBLOCK", "O_CLOEXEC", "O_BINARY"):
        flags |= getattr(os, name, 0)
    with open(os.open(path, flags), "rb") as file:
        info = os.fstat(file.fileno())
        if fault := _no_file(info.st_mode):
            raise _Refused(fault)
        if info.st_nlink > 1:
            raise _Refused("is a hard link to another file; copy the folder with `cp -r` first")
        data = file.read(most + 1)
    if len(data) > most:
        raise _Refused(f"is larger than {most // MB} MB")
    return data


# Archives


class _Allowance:
    """The bytes that may still be unpacked from an archive, counted as they come."""

    def __init__(self, left: int) -> None:
        self.left = left


class _Careful(io.BufferedReader):
    """A file that refuses to read more at once than any honest table of contents needs."""

    def read(self, size: int | None = -1, /) -> bytes:
        most = MOST_DIRECTORY + 1
        data = super().read(most if size is None or size < 0 else min(size, most))
        if len(data) == most:
            raise _Refused(f"has more than {MOST_MEMBERS} members")
        return data


def _archive(file: IO[bytes]) -> zipfile.ZipFile:
    try:
        archive = zipfile.ZipFile(_Careful(file))  # type: ignore[arg-type]
    except UnicodeDecodeError:
        raise _Refused("holds names that are not UTF-8, although it says so") from None
    except (zipfile.BadZipFile, ValueError, OSError, NotImplementedError, EOFError):
        raise _Refused("is not a readable zip file") from None
    if len(archive.infolist()) > MOST_MEMBERS:
        raise _Refused(f"has more than {MOST_MEMBERS} members")
    return archive


def _archive_members(archive: zipfile.ZipFile, allowance: _Allowance) -> list[_Member]:
    members = []
    for info in archive.infolist():
        parts, fault = _archive_parts(info)
        if not parts or any(_CLUTTER.match(part) for part in parts[:-1]):
            continue

        def read(most: int, info: zipfile.ZipInfo = info) -> bytes:
            return _unpack(archive, info, most, allowance)

        year, month, day, hour, minute, second = info.date_time
        modified = ((((year * 12 + month) * 31 + day) * 24 + hour) * 60 + minute) * 60 + second
        members.append(_Member(parts, read, float(modified), info.is_dir(), fault))
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
        fault = _no_file(mode)
    # Other methods may turn a few bytes into gigabytes in one step, before they can be counted.
    if not fault and info.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
        fault = "is packed by a method other than deflate; pack it anew"
    parts = tuple(_shown(p) for p in re.split(r"[/\\]", name) if p not in ("", ".", ".."))
    return parts, fault


def _unpack(
    archive: zipfile.ZipFile, info: zipfile.ZipInfo, most: int, allowance: _Allowance
) -> bytes:
    """Unpack a member in small steps and stop at whatever limit comes first."""
    pieces, size = [], 0
    try:
        with archive.open(info) as file:
            while piece := file.read(1 << 16):
                size += len(piece)
                allowance.left -= len(piece)
                if size > most:
                    raise _Refused(f"is larger than {most // MB} MB")
                if size > RATIO_FROM and size > MOST_RATIO * max(info.compress_size, 1):
                    raise _Refused(f"unpacks to more than {MOST_RATIO} times its size")
                if allowance.left < 0:
                    raise _Refused("is beyond what one archive may unpack to; extract it first")
                pieces.append(piece)
    except (zipfile.BadZipFile, zlib.error, EOFError, ValueError, RuntimeError, OSError) as error:
        raise _Refused(f"is damaged ({_sentence_part(str(error))})") from None
    return b"".join(pieces)


def _unzipped(name: str, member: _Member) -> list[tuple[str, _Member]]:
    """Return the files of a student's own zip; a zip inside of it stays closed."""
    archive = _archive(io.BytesIO(member.read(MOST_INNER)))  # type: ignore[arg-type]
    inner = _archive_members(archive, _Allowance(2 * MOST_INNER))
    return [(each.parts[-1], each) for each in inner if not each.folder]


# Layouts: which member belongs to whom


def _grouped(members: list[_Member], exercise: str) -> tuple[str, list[_Group], list[str]]:
    members = [m for m in members if not _CLUTTER.match(m.parts[-1])]
    groups: dict[str, _Group] = {}
    trees = {m.parts[0] for m in members if m.parts[1:2] == (exercise,) and len(m.parts) > 2}
    loose = {m.parts[0] for m in members if len(m.parts) <= 2 and _stem(m.parts[-1])[1]}
    tops = {member.parts[0] for member in members}
    if len(tops) == 1 and any(m.parts[1:2] == ("submitted",) for m in members):  # a course's zip
        members = [replace(m, parts=m.parts[1:]) for m in members if len(m.parts) > 1]
    if any(member.parts[0] == "submitted" for member in members):
        inside = [m for m in members if m.parts[0] == "submitted" and len(m.parts) > 1]
        members = [replace(m, parts=m.parts[1:]) for m in inside]
        layout, sort = "nbgrader", _nbgrader
    elif _mostly(members, lambda member: _moodle_part(member) is not None):
        layout, sort = "moodle", _moodle
    elif _mostly(members, lambda member: _canvas_match(member, exercise) is not None):
        layout, sort = "canvas", _canvas
    elif len(trees) > len(loose):
        layout, sort = "nbgrader", _nbgrader
    else:
        layout, sort = "folder", _plain
    strays = [member for member in members if not sort(member, exercise, groups)]
    if layout == "folder" and any(len(m.parts) == 1 and _stem(m.parts[0])[1] for m in members):
        for key, group in list(groups.items()):  # a folder of pictures beside the notebooks
            if not any(_stem(name)[1] or m.fault for name, m in group.members):
                strays += [member for _, member in groups.pop(key).members]
    remarks = _remarks(strays, exercise)
    return layout, [groups[key] for key in sorted(groups)], remarks


def _mostly(members: list[_Member], fits: Callable[[_Member], bool]) -> bool:
    """Tell whether a layout fits; one student's file names must not decide for the others."""
    fitting = {member.parts[0] for member in members if fits(member)}
    other = {m.parts[0] for m in members if not m.folder and not fits(m)} - fitting
    return len(fitting) > 0 and len(fitting) >= len(other)


def _remarks(strays: list[_Member], exercise: str) -> list[str]:
    remarks = []
    refused = [m for m in strays if m.fault]
    for member in refused[:20]:
        remarks.append(f"{'/'.join(member.parts)} {member.fault}; it was left out.")
    if len(refused) > 20:
        remarks.append(f"{len(refused) - 20} more files were refused.")
    other = ["/".join(m.parts) for m in strays if not m.fault and not m.folder]
    if other:
        shown = ", ".join(other[:5]) + (", ..." if len(other) > 5 else "")
        belong = "file belongs" if len(other) == 1 else "files belong"
        remarks.append(f"{len(other)} {belong} to no submission of {exercise}: {shown}.")
    return remarks


def _instead(members: list[_Member]) -> str:
    """Say what is there where nobody has handed in the exercise that was asked for."""
    names = sorted({_bare(m.parts[-1])[0] for m in members if _NOTEBOOK.search(m.parts[-1])})
    return f" (but of {', '.join(names[:3])})" if names else ""


def _moodle_part(member: _Member) -> tuple[int, re.Match[str]] | None:
    for depth, part in enumerate(member.parts[:2]):
        if match := _MOODLE.match(part):
            return depth, match
    return None


def _moodle(member: _Member, _exercise: str, groups: dict[str, _Group]) -> bool:
    found = _moodle_part(member)
    if not found:
        return False
    depth, match = found
    name, number = match["name"].strip(), match["id"]
    ids = (number, f"participant{number}") if number else ()
    group = groups.setdefault(number or name, _Group(number or name, name, ids, number or ""))
    if not member.folder or member.fault:
        own = match["file"] if depth + 1 == len(member.parts) else ""
        group.members.append((own or member.parts[-1], member))
    return True


def _canvas_match(member: _Member, exercise: str) -> re.Match[str] | None:
    if member.folder or len(member.parts) > 2:
        return None
    name = member.parts[-1]
    match = _CANVAS.match(name)
    # `maria_2_15_boxes.ipynb` is no Canvas name: its numbers belong to student and exercise.
    if match and re.match(rf"{re.escape(exercise)}\b", f"{match['paper']}_{match['file']}"):
        return None
    return match


def _canvas(member: _Member, exercise: str, groups: dict[str, _Group]) -> bool:
    match = _canvas_match(member, exercise)
    if not match:
        return False
    user = match["user"]
    group = groups.setdefault(user, _Group(user, match["name"], (user,), user))
    group.late = group.late or bool(match["late"])
    group.members.append((match["file"], member))
    return True


def _nbgrader(member: _Member, exercise: str, groups: dict[str, _Group]) -> bool:
    parts = member.parts
    if len(parts) == 1 and member.fault:  # a student's folder that is a link
        parts = (*parts, exercise)
    if len(parts) < 2:
        return member.folder
    if parts[1] != exercise:
        return True  # another assignment of the same tree
    group = groups.setdefault(parts[0], _Group(parts[0], "", (parts[0],)))
    if not member.folder or member.fault:
        group.members.append((parts[-1], member))
    return True


def _plain(member: _Member, exercise: str, groups: dict[str, _Group]) -> bool:
    """Sort a notebook by its name, or a student's folder with what is in it."""
    if len(member.parts) > 1 or member.folder:
        named = exercise in (*member.parts[1:2], _bare(member.parts[-1])[0])
        deep = len(member.parts) > 2 and not named
        if (deep or member.folder) and not member.fault:
            return member.folder
        label = member.parts[0]
    else:
        stem, extension = _stem(member.parts[0])
        if not extension and not member.fault:
            return False
        label = _student_in(stem, exercise)
        other = _NUMBERED.search(label)
        if _NUMBERED.match(exercise) and other and other[1] != exercise:
            return False  # a notebook of another exercise
    group = groups.setdefault(label, _Group(label, "", (label,)))
    if label == exercise:
        group.notes.append("the file's name does not say whose it is")
    group.members.append((member.parts[-1], member))
    return True


def _stem(name: str) -> tuple[str, str]:
    """Split a file's name before .ipynb or .zip; without one of them the second is empty."""
    match = _NOTEBOOK.search(name) or re.search(r"\.zip$", name, re.I)
    return (name[: match.start()], match[0]) if match else (name, "")


def _bare(name: str) -> tuple[str, int]:
    """Return a file's stem without the number of a resubmission or copy, and that number."""
    stem = _stem(name)[0]
    match = _COPY.search(stem)
    return (stem[: match.start()], int(match[1])) if match else (stem, 0)


def _student_in(stem: str, exercise: str) -> str:
    """Return the student's part of `student_exercise`, `exercise-student` or `student`.

    Examples:
        >>> _student_in("ada_15_boxes", "15_boxes"), _student_in("15_boxes-ada", "15_boxes")
        ('ada', 'ada')
        >>> _student_in("ada", "15_boxes")
        'ada'
    """
    name = re.escape(exercise)
    match = re.fullmatch(rf"(.+?)[ _-]+{name}(?:-\d+| ?\(\d+\))?", stem, re.I | re.S)
    match = match or re.fullmatch(rf"{name}[ _-]+(.+)", stem, re.I | re.S)
    return match[1] if match else stem


# Students


def _submissions(
    groups: list[_Group], people: list[_Person] | None, exercise: str, work: Path
) -> Iterator[Submission]:
    register = _Register(people or [])
    matched = [register.match(group) for group in groups]
    labels = []
    for group, person in zip(groups, matched, strict=True):
        labels.append(person.id if person else group.label)
        if people is not None and person is None:
            group.notes.append("the student is not on the roster")
    present = set(matched)
    absent = [person for person in people or () if person not in present]
    students = _identifiers([*labels, *(person.id for person in absent)])
    seen: set[_Person] = set()
    for group, person, student in zip(groups, matched, students, strict=False):
        if person in seen:
            group.notes.append(f"this is a second submission of {_shown(person.name or person.id)}")
        if person:
            seen.add(person)
        yield _submission(group, person, student, exercise, work)
    for person, student in zip(absent, students[len(groups) :], strict=True):
        problem = "Nothing was handed in."
        yield Submission(student, person.name, None, "", None, False, problem, person.email)


def _submission(
    group: _Group, person: _Person | None, student: str, exercise: str, work: Path
) -> Submission:
    """Choose a student's notebook, copy it, and say what was out of the ordinary."""
    notes = group.notes
    data = _chosen(group, exercise, notes)
    stamp = next((m for name, m in group.members if name == "timestamp.txt"), None)
    submitted = None
    if stamp is not None:
        submitted = _timestamp(stamp)
        if submitted is None:
            notes.append("the time in timestamp.txt cannot be read")
    problem = _sentence("; ".join(notes)) if notes else None
    name = person.name if person and person.name else group.name or group.label
    return Submission(
        student=student,
        name=_shown(name),
        path=None if data is None else _store(work, student, data),
        sha256="" if data is None else hashlib.sha256(data).hexdigest(),
        submitted=submitted,
        late=group.late,
        problem=problem,
        email=person.email if person else "",
        number=group.number,
    )


def _chosen(group: _Group, exercise: str, notes: list[str]) -> bytes | None:
    """Return the bytes of the notebook that counts; add to the notes what to know about it."""
    files = group.members
    refusals = [f"the file {name} {member.fault}" for name, member in files if member.fault]
    if not _notebooks(files):
        for name, member in files:
            if name.lower().endswith(".zip") and not member.fault:
                try:
                    inner = _unzipped(name, member)
                except (_Refused, OSError) as error:
                    refusals.append(f"the file {name} {_why(error)}")
                    continue
                refusals += [f"the file {each} in {name} {m.fault}" for each, m in inner if m.fault]
                files = [*files, *inner]
    # Of two members with one name, the last counts, as it would after extracting.
    last_first = reversed(_notebooks(files))
    ranked = sorted(last_first, key=lambda each: _rank(*each, exercise), reverse=True)
    notes += refusals[:3]
    if not ranked:
        others = [name for name, m in files if not m.fault and name != "timestamp.txt"]
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
        return member.read(MOST_NOTEBOOK)
    except (_Refused, OSError) as error:
        notes.append(f"the file {name} {_why(error)}")
        return None


def _notebooks(files: Iterable[tuple[str, _Member]]) -> list[tuple[str, _Member]]:
    return [
        (name, member)
        for name, member in files
        if _NOTEBOOK.search(name) and not member.fault and not _CLUTTER.match(name)
    ]


def _rank(name: str, member: _Member, exercise: str) -> tuple[bool, int, float, str]:
    stem, number = _bare(name)
    names = {stem.casefold(), _stem(name)[0].casefold()}
    named = bool({exercise.casefold(), exercise.casefold().replace("_", " ")} & names)
    if _stem(name)[0].casefold() == exercise.casefold():
        number = 0  # the exercise itself may end in a number
    return named, number, member.modified, "/".join(member.parts)


def _rule(ranked: list[tuple[str, _Member]], exercise: str) -> str:
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


def _timestamp(member: _Member) -> datetime | None:
    """Read nbgrader's time stamp, `2026-03-01 17:59:03.123456 UTC`, as a time in UTC."""
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
    except (_Refused, OSError, ValueError, LookupError, OverflowError):
        return None


def _store(work: Path, student: str, data: bytes) -> Path:
    """Write a copy whole or not at all; a link that lies in its place is replaced, not followed."""
    target = work / f"{student}.ipynb"
    handle, partial = tempfile.mkstemp(dir=work, prefix=".intake-")
    try:
        with open(handle, "wb") as file:
            file.write(data)
        os.replace(partial, target)
    except BaseException:
        Path(partial).unlink(missing_ok=True)
        raise
    return target


def _shown(text: str) -> str:
    r"""Return a name fit to be shown and compared: composed, no control or format characters.

    Examples:
        >>> _shown("a\x1b[31mb\u202egnp")
        'a�[31mb�gnp'
    """
    text = text[:MOST_NAME].encode("utf-8", "surrogateescape").decode("utf-8", "replace")
    text = unicodedata.normalize("NFC", text)
    return "".join("�" if unicodedata.category(c)[0] == "C" else c for c in text)


def _sentence_part(text: str) -> str:
    return _shown(text).rstrip(".")[:200]


def _sentence(text: str) -> str:
    return f"{text[0].upper()}{text[1:]}."


def _safe(label: str) -> str:
    """Return an identifier that is a harmless file name on every system, or an empty string."""
    plain = unicodedata.normalize("NFKD", label).encode("ascii", "ignore").decode()
    plain = re.sub(r"[^A-Za-z0-9._@+-]+", "-", plain)
    plain = re.sub(r"\.{2,}", ".", plain).strip("-._")[:64].rstrip("-._")
    return "" if _RESERVED.match(plain) else plain


def _identifiers(labels: list[str]) -> list[str]:
    """Return a safe identifier for each label; labels that would collide get a digest."""
    plain = [_safe(label) for label in labels]
    taken: defaultdict[str, int] = defaultdict(int)
    for each in plain:
        taken[each.casefold()] += 1
    used: set[str] = set()
    identifiers = []
    for label, each in zip(labels, plain, strict=True):
        salt = 0
        identifier = each
        while not identifier or taken[each.casefold()] > 1 or identifier.casefold() in used:
            text = f"{label}{salt or ''}".encode("utf-8", "surrogatepass")
            identifier = f"{each or 'student'}-{hashlib.sha256(text).hexdigest()[:8]}"
            salt += 1
            if identifier.casefold() not in used:
                break
        used.add(identifier.casefold())
        identifiers.append(identifier)
    return identifiers


# The roster


def _roster(path: Path) -> list[_Person]:
    """Read the students of a course.

    Raises:
        ValueError: if the file is no CSV with a column of ids or names, or an id stands twice.
    """
    try:
        with path.open("rb") as file:
            data = file.read(MOST_ROSTER + 1)
    except OSError as error:
        reason = (error.strerror or "error").lower()
        raise ValueError(f"The roster {path} cannot be read: {reason}.") from None
    if len(data) > MOST_ROSTER or b"\0" in data:
        raise ValueError(f"The roster {path} is no CSV file in UTF-8; export it as one.")
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError:
        text = data.decode("cp1252", "replace")  # as spreadsheets on Windows save it
    head = text.split("\n", 1)[0]
    delimiter = max(",;\t", key=head.count)
    try:
        rows = list(csv.reader(io.StringIO(text), delimiter=delimiter))
    except csv.Error as error:
        raise ValueError(f"The roster {path} is no CSV file: {error}.") from None
    header = [re.sub(r"[^a-z]", "", cell.lower()) for cell in rows[0]] if rows else []
    cells = (dict(zip(header, row, strict=False)) for row in rows[1:])
    people = [person for row in cells if (person := _person(row))]
    if not people:
        raise ValueError(f"The roster {path} needs a heading with id or name, and a student below.")
    twice, count = Counter(person.id for person in people).most_common(1)[0]
    if count > 1:
        raise ValueError(f"The roster {path} has {_shown(twice)} twice; each id must be unique.")
    return people


def _person(row: dict[str, str]) -> _Person | None:
    row = {key: value.strip() for key, value in row.items() if value}
    ids = [row[column] for column in _ID_COLUMNS if row.get(column)]
    name = next((row[column] for column in _NAME_COLUMNS if row.get(column)), "")
    if not name:
        first = row.get("firstname") or row.get("givenname") or ""
        name = f"{first} {row.get('lastname') or row.get('surname') or ''}".strip()
    email = next((row[column] for column in _EMAIL_COLUMNS if row.get(column)), "")
    identifier = next(iter(ids), "") or email.partition("@")[0] or name
    if not identifier or name.lower().startswith("points possible"):  # Canvas's second row
        return None
    keys = {_key(each) for each in (*ids, email, email.partition("@")[0])} - {""}
    return _Person(identifier, _shown(name), _shown(email), frozenset(keys))


def _key(text: str) -> str:
    return re.sub(r"\s", "", unicodedata.normalize("NFKC", text).casefold())


def _names(name: str) -> set[str]:
    """Return the spellings of a name, words in any rotation: systems put either name first."""
    plain = unicodedata.normalize("NFKD", name.casefold())
    words = re.findall(r"\w+", "".join(c for c in plain if not unicodedata.combining(c)))[:12]
    return {"".join(words[i:] + words[:i]) for i in range(len(words))}


class _Register:
    """The people of a roster, found by id, email or, failing these, name."""

    def __init__(self, people: list[_Person]) -> None:
        self.by_key: defaultdict[str, list[_Person]] = defaultdict(list)
        self.by_name: defaultdict[str, list[_Person]] = defaultdict(list)
        for person in people:
            for key in person.keys:
                self.by_key[key].append(person)
            for name in _names(person.name):
                self.by_name[name].append(person)

    def match(self, group: _Group) -> _Person | None:
        """Return the one person that fits a group; None where nobody does, or several do."""
        keys = {_key(each) for each in group.ids}
        names = _names(group.name or group.label)
        for index, wanted in ((self.by_key, keys), (self.by_name, names)):
            fitting = {person for each in wanted for person in index.get(each, ())}
            if fitting:
                return fitting.pop() if len(fitting) == 1 else None
        return None
