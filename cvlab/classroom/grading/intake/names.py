"""The names of files and students: cleaned for display, taken apart, made identifiers."""

from __future__ import annotations

import hashlib
import re
import unicodedata
from collections import defaultdict

from cvlab.classroom.grading.intake.members import NOTEBOOK

MOST_NAME = 1_000

_COPY = re.compile(r"(?:-| ?\()(\d{1,4})\)?$")  # Canvas's "-1", a browser's " (1)"
_RESERVED = re.compile(r"^(con|prn|aux|nul|com\d|lpt\d)(\.|$)", re.I)


def shown(text: str) -> str:
    r"""Return a name fit to be shown and compared: composed, no control or format characters.

    Examples:
        >>> shown("a\x1b[31mb\u202egnp")
        'a�[31mb�gnp'
    """
    text = text[:MOST_NAME].encode("utf-8", "surrogateescape").decode("utf-8", "replace")
    text = unicodedata.normalize("NFC", text)
    return "".join("�" if unicodedata.category(c)[0] == "C" else c for c in text)


def split_ending(name: str) -> tuple[str, str]:
    """Split a file's name before .ipynb or .zip; without one of them the second is empty."""
    match = NOTEBOOK.search(name) or re.search(r"\.zip$", name, re.I)
    return (name[: match.start()], match[0]) if match else (name, "")


def without_number(name: str) -> tuple[str, int]:
    """Return a file's stem without the number of a resubmission or copy, and that number."""
    stem = split_ending(name)[0]
    match = _COPY.search(stem)
    return (stem[: match.start()], int(match[1])) if match else (stem, 0)


def student_in(stem: str, exercise: str) -> str:
    """Return the student's part of `student_exercise`, `exercise-student` or `student`.

    Examples:
        >>> student_in("ada_15_boxes", "15_boxes"), student_in("15_boxes-ada", "15_boxes")
        ('ada', 'ada')
        >>> student_in("ada", "15_boxes")
        'ada'
    """
    name = re.escape(exercise)
    match = re.fullmatch(rf"(.+?)[ _-]+{name}(?:-\d+| ?\(\d+\))?", stem, re.I | re.S)
    match = match or re.fullmatch(rf"{name}[ _-]+(.+)", stem, re.I | re.S)
    return match[1] if match else stem


def _safe(label: str) -> str:
    """Return an identifier that is a harmless file name on every system, or an empty string."""
    plain = unicodedata.normalize("NFKD", label).encode("ascii", "ignore").decode()
    plain = re.sub(r"[^A-Za-z0-9._@+-]+", "-", plain)
    plain = re.sub(r"\.{2,}", ".", plain).strip("-._")[:64].rstrip("-._")
    return "" if _RESERVED.match(plain) else plain


def identifiers(labels: list[str]) -> list[str]:
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
