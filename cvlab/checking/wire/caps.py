"""What both ends of the wire hold to: the errors, the caps, and the types of arrays."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np

__all__ = [
    "CAPS",
    "CHARACTERS",
    "DIMENSIONS",
    "DTYPES",
    "HEAVY",
    "NAMES",
    "Caps",
    "ExchangeTooLarge",
    "Value",
    "WireClosed",
    "WireError",
    "WireTimeout",
]

#: What crosses the pipe: a value of one of the types that the package's text names.
Value: TypeAlias = Any

DIMENSIONS = 32  #: of an array; NumPy 1 has no more
HEAVY = 3  #: items that a dict, a set or an array counts for beside itself: empty ones take memory

# A dtype's place is its code on the wire. The characters name NumPy's own dtypes: long double is
# not one of them, since its bytes mean something else on another machine.
NAMES = "b1", "i1", "i2", "i4", "i8", "u1", "u2", "u4", "u8", "f2", "f4", "f8", "c8", "c16"
DTYPES = tuple(np.dtype(f"<{name}") for name in NAMES)
CHARACTERS = "?bhilqBHILQefdFD"


@dataclass(frozen=True)
class Caps:
    """What a value may need at most.

    Attributes:
        size: bytes of the message; also the product of an empty array's other dimensions.
        depth: containers in containers.
        items: values in it altogether; a dict, set or array counts for four, a dimension for one.
        bits: of an integer.
        text: bytes of a str or bytes.
    """

    size: int = 50_000_000
    depth: int = 20
    items: int = 1_000_000
    bits: int = 4096
    text: int = 10_000_000


CAPS = Caps()


class WireError(ValueError):
    """Data that does not cross the pipe; the message is one sentence that says why."""


class WireTimeout(WireError):
    """The other side has not sent or read a whole message in time."""


class WireClosed(WireError):
    """The other side has ended or closed the line."""


class ExchangeTooLarge(WireError):
    """A value or a message is larger than the caps allow."""
