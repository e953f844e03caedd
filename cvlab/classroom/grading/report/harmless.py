"""Text of students made harmless: fit for a terminal, a table, a page, and as a file's name."""

from __future__ import annotations

import hashlib
import hmac
import re
import unicodedata

LABEL = 200  #: characters of an identifier or a name

_CUT = " … [cut here]"
_ANSI = re.compile(r"\x1b(?:\[[0-?]*[ -/]*[@-~]|\][^\x07\x1b\n]{0,200}(?:\x07|\x1b\\)|[@-Z\\^_])")
_CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff\ufffe\uffff]")
_BIDI = re.compile(r"[\u202a-\u202e\u2066-\u2069]")


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
