"""The journal of a run: it never loses a record, and a run that was killed goes on.

A `Journal` keeps the records of one run on disk, a line a submission, and a run that was killed
goes on where it stopped::

    with Journal(out / "journal.jsonl", Key("15_boxes", seed=1, digest=digest)) as journal:
        finished = journal.finished({s.student: s.sha256 for s in submissions})
        ...
        journal.add(record)
        journal.finish([s.student for s in submissions])
"""

from __future__ import annotations

import contextlib
import dataclasses
import errno
import json
import os
import stat
import threading
import weakref
from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from cvlab.classroom.grading.report.records import (
    Key,
    Record,
    RecordError,
    decode,
    encode,
    spell,
)

LINE = 64 * 2**20  #: bytes of a line in the journal; more than any record within the other limits
WRITERS = 8  #: files that wait for the disk at once

_MARK = "cvlab grading journal 1"
_CHANGED = {  # what is said of each field of a key
    "exercise": "another exercise (there {0!s:.100}, now {1!s:.100})",
    "seed": "another seed (there {0!s:.30}, now {1!s:.30})",
    "digest": "another version of the exercise, or other limits",
    "rules": "another version of the grader",
}


class JournalError(ValueError):
    """A journal that cannot be used or written; the message says what to do."""


@contextlib.contextmanager
def one_sentence(path: Path, verb: str) -> Iterator[None]:
    """Turn an error of the file system into one sentence that says what to do.

    Raises:
        JournalError: with that sentence.
    """
    try:
        yield
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG):
            raise JournalError(
                f"there is no room left to write {path}; free some and run the same command "
                "again: every record so far is kept."
            ) from error
        why = error.strerror or type(error).__name__
        raise JournalError(
            f"cannot {verb} {path} ({why}); check the folder and its permissions."
        ) from error


def _fsync_folder(folder: Path) -> None:
    fd = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)


def _private(path: str, flags: int) -> int:
    return os.open(path, flags | getattr(os, "O_NOFOLLOW", 0), 0o600)


def private_folder(path: Path) -> None:
    """Make a folder, and those above it, that nobody else may look into; what is there stays.

    Raises:
        JournalError: if it cannot be made.
    """
    with one_sentence(path, "write to"):
        missing = [path, *(each for each in path.parents if not each.exists())]
        for each in reversed(missing):
            each.mkdir(mode=0o700, exist_ok=True)


def replace(path: Path, chunks: Iterable[bytes], *, last: bool = True) -> None:
    """Write a file whole or not at all, and wait for the disk; nobody else may read it.

    Args:
        path: the file.
        chunks: what is in it, one after another.
        last: False where the caller waits for the folder, after several files.

    Raises:
        JournalError: if it cannot be written; the old file is still there.
    """
    partial = path.with_name(f".{path.name}.partial")
    with one_sentence(path, "write"):
        try:
            partial.unlink(missing_ok=True)  # of a killed process; it keeps its mode otherwise
            with open(partial, "xb", opener=_private) as file:
                file.writelines(chunks)
                file.flush()
                os.fsync(file.fileno())
            partial.replace(path)
            if last:
                _fsync_folder(path.parent)
        finally:
            partial.unlink(missing_ok=True)


def replace_all(files: Mapping[Path, bytes]) -> None:
    """Write files as `replace` does one, and wait for the disk with several at once.

    Raises:
        JournalError: if one cannot be written; of each there is the old or the new one.
    """
    with ThreadPoolExecutor(WRITERS, "writer") as pool:
        waiting = [pool.submit(replace, path, [data], last=False) for path, data in files.items()]
        for each in waiting:
            each.result()
        list(pool.map(_wait_for_folder, {path.parent for path in files}))


def _wait_for_folder(folder: Path) -> None:
    with one_sentence(folder, "write to"):
        _fsync_folder(folder)


_open: weakref.WeakSet[Journal] = weakref.WeakSet()


def _forget_in_child() -> None:
    """Close inherited journals: a forked box must hold no way to them, nor their lock."""
    for journal in list(_open):
        journal._forget()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forget_in_child)


class Journal:
    """The records of one run, appended a line at a time and on disk when `add` returns.

    Only an index is held in memory. A line that a kill or a power cut tore is cut off when the
    journal is opened again; nothing else in the file is ever changed. Threads may share a journal.

    Args:
        path: the file; it is made, or taken up again if it has the same key.
        key: what the records depend on.

    Raises:
        JournalError: if the file belongs to another run, is damaged, is in use by another
            grader, or cannot be read or written.
    """

    def __init__(self, path: Path, key: Key) -> None:
        self.path = Path(path)
        self.key = key
        self._lock = threading.Lock()
        self._lines: dict[str, tuple[int, int, str]] = {}  # student: offset, bytes, submission
        self._versions: dict[str, dict[str, tuple[int, int]]] = {}  # of all submissions ever graded
        self._kept: dict[str, tuple[int, int]] = {}  # student: another line than the newest
        self._end = 0
        with one_sentence(self.path, "open"):
            flags = os.O_RDWR | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC | os.O_NOFOLLOW
            self._fd = os.open(self.path, flags | os.O_NONBLOCK, 0o600)
        _open.add(self)
        try:
            self._claim()
            self._resume()
        except BaseException:
            self.close()
            raise

    def __enter__(self) -> Journal:
        return self

    def __exit__(self, *_error: object) -> None:
        self.close()

    def __len__(self) -> int:
        return len(self._lines)

    def close(self) -> None:
        """Let other graders have the journal; closing twice does nothing."""
        if self._fd >= 0:
            import fcntl

            # Closing alone keeps the lock for as long as any other process holds a copy.
            fcntl.flock(self._fd, fcntl.LOCK_UN)
            self._forget()

    def _forget(self) -> None:
        _open.discard(self)
        fd, self._fd = self._fd, -1
        if fd >= 0:
            os.close(fd)

    def _claim(self) -> None:
        """Keep other graders out for as long as this process lives."""
        import fcntl  # not on Windows, where nothing is graded

        if not stat.S_ISREG(os.fstat(self._fd).st_mode):
            raise JournalError(f"{self.path} is not a plain file; choose another place for it.")
        try:
            fcntl.flock(self._fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise JournalError(
                f"{self.path} is in use by another grader; wait for it, or choose another --out."
            ) from None

    def _resume(self) -> None:
        """Check the header and index the lines; cut off a last one that is not whole."""
        header = spell({"journal": _MARK, **dataclasses.asdict(self.key)})
        with one_sentence(self.path, "read"), open(self._fd, "rb", closefd=False) as stream:
            stream.seek(0)
            line = stream.readline(LINE)
            if not line.endswith(b"\n") and header.startswith(line):
                self._truncate()
                self._append(header)
                return
            self._compare(line, header)
            self._end = len(line)
            for number, line in enumerate(iter(lambda: stream.readline(LINE), b""), start=2):
                if not line.endswith(b"\n") and not stream.read(1):
                    break
                self._index(line, number)
        self._truncate()

    def _compare(self, line: bytes, header: bytes) -> None:
        """Refuse a file that is no journal, or the journal of another run."""
        if line == header:
            return
        try:
            other = json.loads(line)
            if other.pop("journal") != _MARK:
                raise ValueError
            mine = dataclasses.asdict(self.key)
            changed = [name for name in mine if mine[name] != other[name]]
        except (ValueError, TypeError, KeyError, AttributeError, RecursionError):
            changed = None
        if not changed:
            raise JournalError(
                f"{self.path} is not a journal of this grader; choose another --out, or move it."
            )
        said = ", ".join(_CHANGED[name].format(other[name], mine[name]) for name in changed)
        raise JournalError(
            f"{self.path} was begun with {said}; choose another --out, or give --no-resume to "
            "grade everything again."
        )

    def _index(self, line: bytes, number: int) -> None:
        try:
            record = decode(line)
            self._belongs(record)
        except RecordError as error:
            raise JournalError(
                f"{self.path}, line {number}, is damaged: {error} Restore the file from a copy, or "
                "delete that line to have its submission graded again; nothing was changed."
            ) from error
        self._enter(record, self._end, len(line))
        self._end += len(line)

    def _enter(self, record: Record, offset: int, length: int) -> None:
        self._lines[record.student] = (offset, length, record.submission)
        versions = self._versions.setdefault(record.student, {})
        versions.pop(record.submission, None)  # the newest comes last
        versions[record.submission] = offset, length
        self._kept.pop(record.student, None)

    def _belongs(self, record: Record) -> None:
        if (record.exercise, record.seed) != (self.key.exercise, self.key.seed):
            raise RecordError("it is a record of another exercise or seed.")

    def _truncate(self) -> None:
        if os.fstat(self._fd).st_size != self._end:
            os.ftruncate(self._fd, self._end)

    def _append(self, line: bytes) -> None:
        """Write a line whole or not at all, and wait for the disk."""
        with one_sentence(self.path, "write"):
            try:
                rest = memoryview(line)
                while rest:
                    rest = rest[os.write(self._fd, rest) :]
                os.fsync(self._fd)
            except OSError:
                self._truncate()  # works on a full disk, too
                raise
            if not self._end:
                _fsync_folder(self.path.parent)
        self._end += len(line)

    def finished(self, submissions: Mapping[str, str]) -> set[str]:
        """Return the students who need no grading: a record of this very submission is there.

        Args:
            submissions: SHA-256 of each student's notebook, "" where there is none.
        """
        known = {student: submission for student, (_, _, submission) in self._lines.items()}
        return {
            student
            for student, submission in submissions.items()
            if known.get(student) == submission
        }

    def add(self, record: Record) -> None:
        """Append a record; it replaces an earlier one of the same student.

        Raises:
            RecordError: if it is a record of another exercise or seed.
            JournalError: if it cannot be written; what was there before is still there.
        """
        self._belongs(record)
        line = encode(record)
        with self._lock:
            if self._fd < 0:
                raise JournalError(f"{self.path} is closed; open it again to add a record.")
            offset = self._end
            self._append(line)
            self._enter(record, offset, len(line))

    def attempt(self, student: str, submission: str) -> int:
        """Return how many other versions of a student were graded, and not nothing at all."""
        return len(self._versions.get(student, {}).keys() - {submission, ""})

    def keep_best(self, worth: Callable[[Record], Any]) -> None:
        """From now on give each student's best version in place of the newest.

        Args:
            worth: what a record is compared by; of equals the newest counts.
        """
        for student, versions in self._versions.items():
            if len(versions) > 1:
                lines = list(versions.values())
                worths = [worth(decode(os.pread(self._fd, n, at))) for at, n in lines]
                best = max(range(len(lines)), key=lambda number: (worths[number], number))
                self._kept[student] = lines[best]

    def _stored(self, students: Iterable[str]) -> Iterator[bytes]:
        for student in students:
            offset, length = self._kept.get(student, self._lines[student][:2])
            yield os.pread(self._fd, length, offset)

    def records(self) -> Iterator[Record]:
        """Iterate over the records that count, one a student, in the order of identifiers."""
        return map(decode, self._stored(sorted(self._lines)))

    def finish(self, students: Iterable[str] | None = None) -> Path:
        """Write `grades.jsonl` beside the journal, whole or not at all.

        The order is that of the students' identifiers, so its bytes do not depend on the order of
        arrival, the number of workers or how often the grader was killed.

        Args:
            students: whom to write, so that one who left the class is left out; else all.

        Raises:
            JournalError: if a student has no record yet, or the file cannot be written.
        """
        with self._lock:
            asked = self._lines if students is None else students
            chosen = sorted(set(asked))
            if absent := [student for student in chosen if student not in self._lines]:
                raise JournalError(
                    f"{len(absent)} of {len(chosen)} submissions are not graded yet, {absent[0]} "
                    "for one; run the grader again to go on."
                )
            path = self.path.with_name("grades.jsonl")
            replace(path, self._stored(chosen))
        return path


def load(path: Path) -> Iterator[Record]:
    """Iterate over the records of a `grades.jsonl`.

    Raises:
        RecordError: if it is missing, cut short, damaged or not in order.
    """
    last = ""
    try:
        with path.open("rb") as stream:
            for number, line in enumerate(iter(lambda: stream.readline(LINE), b""), start=1):
                try:
                    record = decode(line)
                    if record.student <= last:
                        raise RecordError(f"{record.student} is not in order.")
                except RecordError as error:
                    raise RecordError(f"{path}, line {number}: {error}") from error
                last = record.student
                yield record
    except OSError as error:
        raise RecordError(f"cannot read {path} ({error.strerror}).") from error
