"""Whose answers are alike in a class, whatever their names: for the instructor to look at.

Each task's code is read as tokens without names, texts and comments. Hashes of all runs of
`RUN` tokens are thinned by winnowing (Schleimer, Wilkerson and Aiken, SIGMOD 2003), so that any
common run of ``RUN + WINDOW - 1`` tokens leaves a common fingerprint. What the solution has, or
much of the class, says nothing and is left out.

It cannot tell who had it from whom, or that both had it from a third; short answers are alike by
themselves, and whoever changes the order of statements or asks a model for another version is not
found. So it is no verdict, and no grade depends on it.
"""

from __future__ import annotations

import io
import keyword
import token
import tokenize
import zlib
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

RUN, WINDOW = 12, 6  # tokens
COMMON = 0.05  # of a class that may have a fingerprint that still is rare
FEW, MANY = 3, 10  # but not fewer, and not more
LEAST_SHARED = 8  # rare fingerprints
LEAST_SHARE = 0.5  # of those of the smaller answer
MOST_PAIRS = 20

_NOTHING = {
    *(token.COMMENT, token.NL, token.NEWLINE, token.ENCODING, token.ENDMARKER, token.TYPE_COMMENT),
}


@dataclass(frozen=True)
class Pair:
    """Two students whose answers share what few others have.

    Attributes:
        first: a student.
        second: another one.
        share: rare fingerprints that both have, over those of whom has fewer.
        tasks: in which at least `LEAST_SHARED` are shared, in the exercise's order.
    """

    first: str
    second: str
    share: float
    tasks: tuple[str, ...]


def words(code: str) -> Iterator[str]:
    r"""Iterate over the tokens of code that is left when names, texts and comments are taken away.

    >>> " ".join(words("def area(box):  # of a box\n    return box[2] * 'a'"))
    'def N ( N ) : > return N [ 2 ] * S <'
    """
    lines = io.StringIO(code).readline
    try:
        for one in tokenize.generate_tokens(lines):
            if one.type == token.NAME:
                yield one.string if keyword.iskeyword(one.string) else "N"
            elif one.type == token.STRING:
                yield "S"
            elif one.type in (token.INDENT, token.DEDENT):
                yield ">" if one.type == token.INDENT else "<"
            elif one.type not in _NOTHING and one.string:
                yield one.string
    except (tokenize.TokenError, SyntaxError, ValueError):
        return  # what came before the fault counts


def fingerprints(code: str) -> set[int]:
    """Return the fingerprints of code; none where it is shorter than `RUN` tokens."""
    found = list(words(code))
    runs = [
        zlib.crc32(" ".join(found[start : start + RUN]).encode())
        for start in range(len(found) - RUN + 1)
    ]
    if not runs:
        return set()
    starts = range(max(len(runs) - WINDOW + 1, 1))
    return {min(runs[start : start + WINDOW]) for start in starts}


def pairs(answers: Mapping[str, Mapping[str, str]], known: Iterable[str] = ()) -> Sequence[Pair]:
    """Return the pairs of students whose answers are most alike.

    Args:
        answers: by student and task, the code.
        known: code that everybody has or may have, such as the solution.

    Returns:
        At most `MOST_PAIRS`, the most alike first.
    """
    given = set().union(*(fingerprints(code) for code in known))
    marks = {
        student: {
            (task, mark) for task, code in tasks.items() for mark in fingerprints(code) - given
        }
        for student, tasks in answers.items()
    }
    holders: dict[tuple[str, int], list[str]] = defaultdict(list)
    for student in sorted(marks):
        for mark in marks[student]:
            holders[mark].append(student)
    most = min(max(FEW, COMMON * len(answers)), MANY)
    rare = {mark: students for mark, students in holders.items() if len(students) <= most}
    own = Counter(student for students in rare.values() for student in students)
    shared: dict[tuple[str, str], Counter[str]] = defaultdict(Counter)
    for (task, _), students in rare.items():
        for number, first in enumerate(students):
            for second in students[number + 1 :]:
                shared[first, second][task] += 1
    found = []
    for (first, second), counts in shared.items():
        share = counts.total() / min(own[first], own[second])
        if counts.total() >= LEAST_SHARED and share >= LEAST_SHARE:
            tasks = [task for task in answers[first] if counts[task] >= LEAST_SHARED]
            found.append(Pair(first, second, share, tuple(tasks)))
    return sorted(found, key=lambda pair: (-pair.share, pair.first, pair.second))[:MOST_PAIRS]
