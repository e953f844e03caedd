"""What the grader found out about each submission, and the journal that never loses any of it.

A `Record` is plain, checked and harmless data: text of students and of their programs is cleaned
when a record is made, so that no page, table or terminal downstream has to trust it. A `Journal`
keeps the records of one run on disk, a line a submission, and a run that was killed goes on where
it stopped::

    with Journal(out / "journal.jsonl", Key("15_boxes", seed=1, digest=digest)) as journal:
        finished = journal.finished({s.student: s.sha256 for s in submissions})
        ...
        journal.add(record)
        journal.finish([s.student for s in submissions])

No measured time is in a record: two runs with the same key give the same bytes.
"""

from __future__ import annotations

import contextlib
import dataclasses
import errno
import hashlib
import hmac
import json
import math
import os
import re
import stat
import threading
import unicodedata
import weakref
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import Any

#: What can be said of an answer; only the first two earn points in an honest grading.
VERDICTS = ("right", "partial", "wrong", "error", "missing", "timeout", "crash", "refused")

LABEL = 200  #: characters of an identifier or a name
SENTENCE = 2_000  #: characters of a reason, a hint or a flag
CODE = 100_000  #: characters of a student's code for one task
ENTRIES = 100  #: tasks of a record, and its flags
POINTS = 1_000_000.0  #: points of a task
LINE = 64 * 2**20  #: bytes of a line in the journal; more than any record within the other limits

_CUT = " … [cut here]"
_ANSI = re.compile(r"\x1b(?:\[[0-?]*[ -/]*[@-~]|\][^\x07\x1b\n]{0,200}(?:\x07|\x1b\\)|[@-Z\\^_])")
_CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff\ufffe\uffff]")
_BIDI = re.compile(r"[\u202a-\u202e\u2066-\u2069]")
_SHA256 = re.compile(r"[0-9a-f]{64}")
_MARK = "cvlab grading journal 1"
_CHANGED = {  # what is said of each field of a key
    "exercise": "another exercise (there {0!s:.100}, now {1!s:.100})",
    "seed": "another seed (there {0!s:.30}, now {1!s:.30})",
    "digest": "another version of the exercise, or other limits",
    "rules": "another version of the grader",
}


class RecordError(ValueError):
    """Data that is no record of a grading; the message says what is wrong with it."""


class JournalError(ValueError):
    """A journal that cannot be used or written; the message says what to do."""


def _visible(match: re.Match[str]) -> str:
    character = ord(match[0])
    if character < 0x20:
        return chr(0x2400 + character)  # Unicode has a picture of each: ␀, ␛ ...
    return {0x7F: "\u2421", 0x2028: "\u2424", 0x2029: "\u2424"}.get(character, "\ufffd")


def harmless(text: str, most: int, *, code: bool = False, line: bool = False) -> str:
    r"""Return text that no terminal, table, parser or page can trip over.

    Control characters become visible pictures, lone surrogates and what XML forbids become U+FFFD,
    line ends become ``\n``. Outside code, colours of a terminal vanish and characters that reorder
    text are spelt out; a page has to do the latter for code. Cleaning twice changes nothing.

    Args:
        text: what a student, a program or a file name says.
        most: the largest number of characters; the rest is cut, with a note.
        code: keep what a reader of code needs to see.
        line: join the lines into one.

    >>> harmless("a\x1b[31mb\0\u202ec", 100)
    'ab␀⟨U+202E⟩c'
    """
    head = text[: 4 * most].replace("\r\n", "\n").replace("\r", "\n")
    if not code:
        head = _BIDI.sub(lambda match: f"⟨U+{ord(match[0]):04X}⟩", _ANSI.sub("", head))
    if line:
        head = " ".join(head.split())
    head = _CONTROL.sub(_visible, head)
    if len(head) <= most and len(text) <= 4 * most:
        return head
    return head[: most - len(_CUT)].rstrip() + _CUT


def _text(value: Any, what: str, most: int, **choices: bool) -> str:
    if type(value) is not str:
        raise RecordError(f"{what} is text, not {type(value).__name__}.")
    return harmless(value, most, **choices)


def _label(value: Any, what: str) -> str:
    """Check an identifier: it is refused and not cleaned, or two could become equal."""
    label = _text(value, what, 4 * LABEL, line=True)
    if not 0 < len(label) <= LABEL:
        raise RecordError(f"{what} has 1 to {LABEL} characters, not {len(label):,}.")
    if label != value:
        raise RecordError(f"{what} is one line without control characters, unlike {label!r}.")
    return label


def _number(value: Any, what: str, most: float) -> float:
    if type(value) not in (int, float):
        raise RecordError(f"{what} is a number, not {type(value).__name__}.")
    if not 0 <= value <= most or not math.isfinite(value):
        raise RecordError(f"{what} is a finite number from 0 to {most:g}.")
    return abs(float(value))  # -0.0 has another spelling than 0.0


def _seed(value: Any) -> int:
    if type(value) is not int or not 0 <= value < 2**64:
        raise RecordError("a seed is a whole number from 0 to 2**64 - 1.")
    return value


def _set(record: Any, **fields: Any) -> None:
    """Give a frozen record its cleaned fields."""
    for name, value in fields.items():
        object.__setattr__(record, name, value)


@dataclass(frozen=True)
class TaskResult:
    """What one submission earned in one task.

    Attributes:
        task: the task's identifier.
        points: what the answer earned, 0 to `max_points`.
        max_points: what a right answer earns.
        verdict: one of `VERDICTS`.
        reason: a sentence for the student; never a hidden input or an expected value.
        hint: where to look; may be empty.
        code: the student's code of this task, for their feedback page.

    Raises:
        RecordError: if a field has another type, or a number or the verdict is impossible.
    """

    task: str
    points: float
    max_points: float
    verdict: str
    reason: str = ""
    hint: str = ""
    code: str = ""

    def __post_init__(self) -> None:
        task = _label(self.task, "a task's name")
        most = _number(self.max_points, f"the maximum of {task}", POINTS)
        if type(self.verdict) is not str or self.verdict not in VERDICTS:
            raise RecordError(f"the verdict of {task} is none of {', '.join(VERDICTS)}.")
        _set(
            self,
            task=task,
            max_points=most,
            points=_number(self.points, f"what {task} earned", most),
            reason=_text(self.reason, f"the reason of {task}", SENTENCE),
            hint=_text(self.hint, f"the hint of {task}", SENTENCE),
            code=_text(self.code, f"the code of {task}", CODE, code=True),
        )


def _sum(values: Iterable[float]) -> Decimal:
    """Add points exactly as they are written: three times 0.1 is 0.3."""
    return sum((Decimal(repr(value)) for value in values), Decimal(0))


@dataclass(frozen=True)
class Record:
    """What the grader found out about one submission.

    Attributes:
        student: the student's identifier, unique in the class.
        name: the student's name; may be empty.
        exercise: the exercise's name.
        submission: SHA-256 of the notebook's bytes, or "" where there is none.
        seed: the seed of the run.
        tasks: a result for each task of the exercise, in the exercise's order.
        flags: sentences for the instructor, never shown to the student.
        late: whether it came after the deadline.

    Raises:
        RecordError: if a field has another type, or a value is impossible.

    >>> tasks = (TaskResult("iou", 0.1, 1, "partial"), TaskResult("nms", 0.2, 2, "partial"))
    >>> Record("ann", "Ann", "15_boxes", "", 1, tasks).points
    0.3
    """

    student: str
    name: str
    exercise: str
    submission: str
    seed: int
    tasks: tuple[TaskResult, ...]
    flags: tuple[str, ...] = ()
    late: bool = False

    def __post_init__(self) -> None:
        student = _label(self.student, "a student's identifier")
        for what in ("tasks", "flags"):
            value = getattr(self, what)
            if type(value) is not tuple or len(value) > ENTRIES:
                raise RecordError(f"the {what} of {student} are a tuple of up to {ENTRIES}.")
        if not all(type(task) is TaskResult for task in self.tasks):
            raise RecordError(f"each task of {student} is a TaskResult.")
        if len({task.task for task in self.tasks}) < len(self.tasks):
            raise RecordError(f"a task of {student} is there twice.")
        if type(self.submission) is not str or not _SHA256.fullmatch(self.submission or "0" * 64):
            raise RecordError(f"the submission of {student} is a SHA-256 in hexadecimal, or empty.")
        if type(self.late) is not bool:
            raise RecordError(f"whether {student} was late is True or False, nothing else.")
        _set(
            self,
            student=student,
            name=_text(self.name, f"the name of {student}", LABEL, line=True),
            exercise=_label(self.exercise, "an exercise's name"),
            seed=_seed(self.seed),
            flags=tuple(_text(f, f"a flag of {student}", SENTENCE) for f in self.flags),
        )

    @property
    def exact_points(self) -> Decimal:
        """The sum of the points, without a rounding error."""
        return _sum(task.points for task in self.tasks)

    @property
    def exact_max_points(self) -> Decimal:
        """The sum of the maxima, without a rounding error."""
        return _sum(task.max_points for task in self.tasks)

    @property
    def points(self) -> float:
        """What the submission earned, before any penalty."""
        return float(self.exact_points)

    @property
    def max_points(self) -> float:
        """What a right submission earns."""
        return float(self.exact_max_points)


def _spell(value: Any) -> bytes:
    text = json.dumps(value, ensure_ascii=False, separators=(",", ":"), allow_nan=False)
    return text.encode() + b"\n"


def encode(record: Record) -> bytes:
    """Return the record's line: one spelling of the same record, with its line end."""
    return _spell(dataclasses.asdict(record))


def _no_constant(name: str) -> None:
    raise RecordError(f"{name} is no number.")


def decode(line: bytes) -> Record:
    """Read a record's line; only what `encode` writes is accepted.

    Raises:
        RecordError: if a field is missing, unknown, impossible or spelt in another way.
    """
    try:
        fields = json.loads(line.decode(), parse_constant=_no_constant)
        tasks = tuple(TaskResult(**task) for task in fields["tasks"])
        record = Record(**{**fields, "tasks": tasks, "flags": tuple(fields["flags"])})
    except RecordError:
        raise
    except (ValueError, TypeError, KeyError, RecursionError) as error:
        raise RecordError(f"it is no record ({type(error).__name__}).") from error
    if encode(record) != line:
        raise RecordError("it is not spelt as the grader spells it.")
    return record


@dataclass(frozen=True)
class Key:
    """What must be equal for two runs to give the same grades.

    Attributes:
        exercise: the exercise's name.
        seed: the seed of the hidden inputs.
        digest: of the solution, the probes and whatever else decides.
        rules: versions of the grading rules.

    Raises:
        RecordError: if a field has another type.
    """

    exercise: str
    seed: int
    digest: str
    rules: str = ""

    def __post_init__(self) -> None:
        _set(
            self,
            exercise=_label(self.exercise, "an exercise's name"),
            seed=_seed(self.seed),
            digest=_label(self.digest, "a run's digest"),
            rules=_text(self.rules, "the version of the rules", LABEL, line=True),
        )


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


def replace(path: Path, chunks: Iterable[bytes]) -> None:
    """Write a file whole or not at all, and wait for the disk.

    Raises:
        JournalError: if it cannot be written; the old file is still there.
    """
    partial = path.with_name(f".{path.name}.partial")
    with one_sentence(path, "write"):
        try:
            with partial.open("wb") as file:
                file.writelines(chunks)
                file.flush()
                os.fsync(file.fileno())
            partial.replace(path)
            _fsync_folder(path.parent)
        finally:
            partial.unlink(missing_ok=True)


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
        header = _spell({"journal": _MARK, **dataclasses.asdict(self.key)})
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
        self._lines[record.student] = (self._end, len(line), record.submission)
        self._end += len(line)

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
            self._lines[record.student] = (offset, len(line), record.submission)

    def _stored(self, students: Iterable[str]) -> Iterator[bytes]:
        for student in students:
            offset, length, _ = self._lines[student]
            yield os.pread(self._fd, length, offset)

    def records(self) -> Iterator[Record]:
        """Iterate over the newest record of each student, in the order of their identifiers."""
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


def file_name(student: str, secret: bytes = b"") -> str:
    """Return a safe and unique file name for a student, without an ending.

    Args:
        student: any identifier.
        secret: makes the name unguessable for everybody who does not know it.

    >>> file_name("Müller, ../Ann")
    'muller-ann-2842d9d1e4f9'
    """
    plain = unicodedata.normalize("NFKD", student).encode("ascii", "ignore").decode().lower()
    slug = re.sub(r"[^a-z0-9]+", "-", plain[: 4 * LABEL]).strip("-")[:40].strip("-") or "student"
    told = student.encode("utf-8", "surrogatepass")
    if secret:
        return f"{slug}-{hmac.new(secret, told, hashlib.sha256).hexdigest()[:32]}"
    return f"{slug}-{hashlib.sha256(told).hexdigest()[:12]}"
