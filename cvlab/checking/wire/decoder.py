"""From bytes that anybody may have written to a value: this page is all that a forger meets.

The format has one spelling for each value: of whatever bytes `decode` accepts, `encode` makes the
same bytes again, and two values have the same bytes if and only if they have the same types, the
same bits (0.0 and -0.0 differ) and, except in sets, the same order. Numbers are little-endian,
lengths (L) 32 bits, big-endian::

    N  T  F                   None, True, False        l t d  L values     list, tuple, dict
    i  L  two's complement    int, as short as can be  e z    L values     set, frozenset, by bytes
    f  8 bytes                float                    n  code  bytes      NumPy scalar
    c  16 bytes               complex                  a  code  dimensions (1 byte)
    s b  L  bytes             str in UTF-8, bytes         L for each  items in C order    array

The decoder makes values of plain types only, calls nothing that the bytes name, and knows before it
allocates how much it will need: `_Reader.take` hands out no byte that is not there, `charge` counts
items before they are made, and lengths are held against the caps before their bytes are read. It
gives a value or an `WireError` with one sentence.
"""

from __future__ import annotations

import builtins
import math
import struct
from collections import Counter
from collections.abc import Callable, Hashable
from typing import Any

import numpy as np

from cvlab.checking.wire.caps import (
    CAPS,
    DIMENSIONS,
    DTYPES,
    HEAVY,
    Caps,
    ExchangeTooLarge,
    Value,
    WireError,
)

__all__ = ["check_extent", "check_key", "decode"]

# Every function below looks builtins up here (its module's `__builtins__`, kept when it is defined)
# and not in the module `builtins`, in which a student may have replaced them.
__builtins__ = dict(vars(builtins))

COLLISIONS = 32  #: keys of one hash; more are an attack, as each insertion looks at all of them

# ------------------------------------------------------------------------------ names of our own

_unpack_length = struct.Struct(">I").unpack
_unpack_float, _unpack_complex = struct.Struct("<d").unpack, struct.Struct("<dd").unpack
_ndarray, _empty, _prod, _isnan = np.ndarray, np.empty, math.prod, math.isnan
_Counter = Counter
_NATIVE = tuple(dtype.newbyteorder("=") for dtype in DTYPES)


def decode(data: bytes | bytearray, caps: Caps = CAPS) -> Value:
    r"""Return the value of bytes that anybody may have written.

    Args:
        data: a message.
        caps: what the value may need.

    Raises:
        WireError: if the bytes are not exactly what `encode` makes of a value.
        ExchangeTooLarge: if the value needs more than the caps allow.

    >>> decode(b"i\x00\x00\x00\x02\x07\x00")
    Traceback (most recent call last):
    ...
    cvlab.checking.wire.caps.WireError: an integer has more bytes than it needs.
    """
    if type(data) is not bytes and type(data) is not bytearray:
        raise TypeError(f"decode takes bytes, not {type(data).__name__}.")
    if len(data) > caps.size:
        raise ExchangeTooLarge(f"the message has more than {caps.size:,} bytes.")
    reader = _Reader(memoryview(data), caps)
    value = reader.value(0, key=False)
    if reader.place < len(data):
        raise WireError("the message goes on after its value.")
    return value


class _Reader:
    """A place in a message, and what the value has cost so far."""

    def __init__(self, data: memoryview, caps: Caps) -> None:
        self.data = data
        self.caps = caps
        self.place = 0
        self.items = 0

    def value(self, depth: int, *, key: bool) -> Any:
        """Read a value; as a key or an element of a set where `key` is true."""
        self.charge(1)
        tag = self.take(1)[0]
        if tag in _SCALAR_READERS:
            return _SCALAR_READERS[tag](self, key)
        if tag not in _CONTAINER_READERS:
            raise WireError("the message has a value of an unknown type.")
        if key and tag not in b"tz":
            raise WireError("the message has a key or an element of a set that cannot be one.")
        if depth == self.caps.depth:
            raise ExchangeTooLarge(f"the result is nested more than {self.caps.depth} deep.")
        return _CONTAINER_READERS[tag](self, depth + 1, key)

    def take(self, size: int) -> memoryview:
        """Return the next bytes; raises an `WireError` if there are fewer."""
        if size > len(self.data) - self.place:
            raise WireError("the message ends in the middle of a value.")
        self.place += size
        return self.data[self.place - size : self.place]

    def charge(self, items: int) -> None:
        self.items += items
        if self.items > self.caps.items:
            raise ExchangeTooLarge(f"the result has more than {self.caps.items:,} items.")

    def length(self) -> int:
        return _unpack_length(self.take(4))[0]

    def count(self) -> int:
        """Read how many items follow; each has one byte at least and costs one item."""
        count = self.length()
        if count > len(self.data) - self.place:
            raise WireError("the message ends in the middle of a value.")
        if count > self.caps.items - self.items:
            raise ExchangeTooLarge(f"the result has more than {self.caps.items:,} items.")
        return count

    def text(self) -> bytes:
        size = self.length()
        if size > self.caps.text:
            raise ExchangeTooLarge(f"the result has a text of more than {self.caps.text:,} bytes.")
        return bytes(self.take(size))

    def code(self, key: bool) -> int:
        code = self.take(1)[0]
        if key or code >= len(DTYPES):
            raise WireError("the message has an array or number of an unknown type.")
        return code

    def numbers(self, code: int, shape: tuple[int, ...]) -> np.ndarray:
        """Read the items of an array; their bytes are there before memory is taken for them."""
        data = self.take(_prod(shape) * DTYPES[code].itemsize)
        if not data:
            return _empty(shape, _NATIVE[code])
        array = _ndarray(shape, DTYPES[code], data).astype(_NATIVE[code])
        if code == 0 and array.view("u1").max() > 1:
            raise WireError("the message has a boolean that is neither true nor false.")
        return array


def _read_int(reader: _Reader, _key: bool) -> int:
    size = reader.length()
    if size > reader.caps.bits // 8 + 1:
        raise ExchangeTooLarge(f"the result has an integer of more than {reader.caps.bits} bits.")
    value = int.from_bytes(reader.take(size), "little", signed=True)
    if value.bit_length() > reader.caps.bits:
        raise ExchangeTooLarge(f"the result has an integer of more than {reader.caps.bits} bits.")
    if size != value.bit_length() // 8 + 1:
        raise WireError("an integer has more bytes than it needs.")
    return value


def _read_float(reader: _Reader, key: bool) -> float:
    (value,) = _unpack_float(reader.take(8))
    check_key(key, value)
    return value


def _read_complex(reader: _Reader, key: bool) -> complex:
    real, imaginary = _unpack_complex(reader.take(16))
    check_key(key, real, imaginary)
    return complex(real, imaginary)


def _read_text(reader: _Reader, _key: bool) -> str:
    try:
        return reader.text().decode("utf-8", "surrogatepass")
    except UnicodeDecodeError:
        raise WireError("the message has a text that is not UTF-8.") from None


def _read_array(reader: _Reader, key: bool) -> np.ndarray:
    code, dimensions = reader.code(key), reader.take(1)[0]
    if dimensions > DIMENSIONS:
        raise ExchangeTooLarge(f"the result has an array of more than {DIMENSIONS} dimensions.")
    reader.charge(HEAVY + dimensions)
    shape = tuple(reader.length() for _ in range(dimensions))
    check_extent(shape, DTYPES[code].itemsize, reader.caps.size)
    return reader.numbers(code, shape)


def _read_list(reader: _Reader, depth: int, key: bool) -> list:
    return [reader.value(depth, key=key) for _ in range(reader.count())]


def _read_dict(reader: _Reader, depth: int, _key: bool) -> dict:
    reader.charge(HEAVY)
    keys, values = [], []
    for _ in range(reader.count()):
        keys.append(reader.value(depth, key=True))
        values.append(reader.value(depth, key=False))
    _check_hashes(keys)
    found = dict(zip(keys, values, strict=True))
    if len(found) < len(keys):
        raise WireError("the message has a dict with the same key twice.")
    return found


def _read_set(reader: _Reader, depth: int, _key: bool) -> set:
    reader.charge(HEAVY)
    elements, before = [], b""
    for _ in range(reader.count()):
        begin = reader.place
        elements.append(reader.value(depth, key=True))
        spelt = bytes(reader.data[begin : reader.place])
        if spelt <= before:
            raise WireError("the message has a set that is out of order.")
        before = spelt
    _check_hashes(elements)
    found = set(elements)
    if len(found) < len(elements):
        raise WireError("the message has a set with the same element twice.")
    return found


def _check_hashes(keys: list[Hashable]) -> None:
    """Refuse keys that were chosen to share a hash: a million of them would take hours."""
    if max(_Counter(map(hash, keys)).values(), default=0) > COLLISIONS:
        raise WireError("the message has too many keys of the same hash.")


def check_key(key: bool, *numbers: float) -> None:
    """Refuse nan where a value is a key or an element of a set."""
    if key and any(map(_isnan, numbers)):
        raise WireError("nan cannot be a key or in a set, as it is not equal to itself.")


def check_extent(shape: tuple[int, ...], item: int, most: int) -> None:
    """Refuse shapes that are too large, also where a dimension of 0 hides the others."""
    if _prod(max(1, length) for length in shape) * item > most:
        raise ExchangeTooLarge(f"the result has an array of more than {most:,} bytes.")


_SCALAR_READERS: dict[int, Callable[[_Reader, bool], Any]] = {
    ord("N"): lambda _reader, _key: None,
    ord("T"): lambda _reader, _key: True,
    ord("F"): lambda _reader, _key: False,
    ord("i"): _read_int,
    ord("f"): _read_float,
    ord("c"): _read_complex,
    ord("s"): _read_text,
    ord("b"): lambda reader, _key: reader.text(),
    ord("n"): lambda reader, key: reader.numbers(reader.code(key), ())[()],
    ord("a"): _read_array,
}
_CONTAINER_READERS: dict[int, Callable[[_Reader, int, bool], Any]] = {
    ord("l"): _read_list,
    ord("t"): lambda reader, depth, key: tuple(_read_list(reader, depth, key)),
    ord("d"): _read_dict,
    ord("e"): _read_set,
    ord("z"): lambda reader, depth, key: frozenset(_read_set(reader, depth, key)),
}
