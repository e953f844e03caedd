"""Plain data across the pipe between a box and the judge.

In the box, `encode` turns what an instructor's probe returned into bytes and `write_message` sends
them. In the judge, `read_message` and `decode` read bytes that may be forged from first to last.
Decoding makes values of plain types only, calls nothing that the bytes name, and knows before it
allocates how much it will need. It gives a value or an `WireError` with one sentence.

What crosses: None, bool, int, float, complex, str, bytes, list, tuple, dict, set, frozenset;
scalars and arrays of NumPy, of booleans, integers, floats and complex numbers; tensors and
parameters of torch, which arrive as arrays, bfloat16 as float32. Types are exact: a subclass is
refused, since its methods may lie, and so are named tuples and data classes: return a tuple or a
dict.
Two reductions only: ``numpy.str_`` and ``numpy.bytes_`` become str and bytes, and a NumPy scalar as
a key or in a set becomes the Python number that is equal to it. Keys and elements of sets are plain
scalars but not nan, or tuples and frozensets of these.

The format has one spelling for each value: of whatever bytes `decode` accepts, `encode` makes the
same bytes again, and two values have the same bytes if and only if they have the same types, the
same bits (0.0 and -0.0 differ) and, except in sets, the same order. Numbers are little-endian,
lengths (L) 32 bits, big-endian::

    N  T  F                   None, True, False        l t d  L values     list, tuple, dict
    i  L  two's complement    int, as short as can be  e z    L values     set, frozenset, by bytes
    f  8 bytes                float                    n  code  bytes      NumPy scalar
    c  16 bytes               complex                  a  code  dimensions (1 byte)
    s b  L  bytes             str in UTF-8, bytes         L for each  items in C order    array

A box is the student's: whoever replaces `encode` there sends other values, wrong ones. The module
is imported before the student's code and keeps its own names for all that it calls, so that an
honest answer arrives from among patched builtins and a patched NumPy.

>>> decode(encode({"iou": [0.5, None], 3: (True, "box")}))
{'iou': [0.5, None], 3: (True, 'box')}
"""

from __future__ import annotations

import builtins
import math
import socket
import struct
import sys
import time
from collections import Counter
from collections.abc import Callable, Hashable
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np

# Every function below looks builtins up here (its module's `__builtins__`, kept when it is defined)
# and not in the module `builtins`, in which a student may have replaced them.
__builtins__ = dict(vars(builtins))

#: What crosses the pipe: a value of one of the types that the module's text names.
Value: TypeAlias = Any

HEADER = struct.Struct(">Q")  #: goes before each message: its length in bytes
DIMENSIONS = 32  #: of an array; NumPy 1 has no more
COLLISIONS = 32  #: keys of one hash; more are an attack, as each insertion looks at all of them
HEAVY = 3  #: items that a dict, a set or an array counts for beside itself: empty ones take memory


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


# ------------------------------------------------------------------------------ names of our own

_UINT32 = struct.Struct(">I")
_FLOAT = struct.Struct("<d")
_COMPLEX = struct.Struct("<dd")
_pack_length, _unpack_length = _UINT32.pack, _UINT32.unpack
_pack_header, _unpack_header = HEADER.pack, HEADER.unpack
_pack_float, _unpack_float = _FLOAT.pack, _FLOAT.unpack
_pack_complex, _unpack_complex = _COMPLEX.pack, _COMPLEX.unpack
_array, _ndarray, _empty = np.array, np.ndarray, np.empty
_item, _prod, _isnan = np.generic.item, math.prod, math.isnan
_now, _modules = time.monotonic, sys.modules
_recv_into, _send = socket.socket.recv_into, socket.socket.send
_settimeout, _gettimeout = socket.socket.settimeout, socket.socket.gettimeout
_name_of = type.__dict__["__name__"].__get__  # a metaclass may have a `__name__` of its own
_Counter = Counter

# A dtype's place is its code. The characters name NumPy's own dtypes: long double is not one of
# them, since its bytes mean something else on another machine.
_NAMES = "b1", "i1", "i2", "i4", "i8", "u1", "u2", "u4", "u8", "f2", "f4", "f8", "c8", "c16"
_DTYPES = tuple(np.dtype(f"<{name}") for name in _NAMES)
_NATIVE = tuple(dtype.newbyteorder("=") for dtype in _DTYPES)
_CHARACTERS = "?bhilqBHILQefdFD"
_CODES = {char: _DTYPES.index(np.dtype(char).newbyteorder("<")) for char in _CHARACTERS}


# ------------------------------------------------------------------------------------ in the box


def encode(value: Value, caps: Caps = CAPS) -> bytes:
    r"""Return the bytes of a value.

    Args:
        value: of the plain types that the module's text names.
        caps: what it may need.

    Raises:
        WireError: if it is, or holds, anything else; says which type.
        ExchangeTooLarge: if it needs more than the caps allow, as one that contains itself does.

    >>> encode([None, 7])
    b'l\x00\x00\x00\x02Ni\x00\x00\x00\x01\x07'
    """
    writer = _Writer(caps)
    writer.value(value, 0, key=False)
    return b"".join(writer.parts)


class _Writer:
    """The bytes of a value so far, and what they have cost."""

    def __init__(self, caps: Caps) -> None:
        self.caps = caps
        self.parts: list[bytes] = []
        self.size = 0
        self.items = 0

    def value(self, value: Any, depth: int, *, key: bool) -> None:
        """Add a value; as a key or an element of a set where `key` is true."""
        self.charge(1)
        # A type's identity cannot be forged; its hash and its `==` belong to its metaclass.
        number = id(type(value))
        if number in _SCALARS:
            _SCALARS[number](self, value, key)
        elif number in _CONTAINERS and (not key or number in _HASHABLE):
            _CONTAINERS[number](self, value, depth + 1, key)
        elif number == id(_ndarray) and not key:
            self.array(value)
        elif number in _NUMPY_SCALARS:
            self.numpy_scalar(value, key)
        elif (convert := _tensor_converter(number)) and not key:
            self.array(convert(value, self.caps.size - self.size))
        else:
            place = "as a key or in a set" if key else "as a result"
            raise WireError(
                f"{_name_of(type(value))[:80]} cannot be used {place}: "
                "plain numbers, text, arrays, tensors, lists, tuples, dicts and sets of them can."
            )

    def charge(self, items: int) -> None:
        self.items += items
        if self.items > self.caps.items:
            raise ExchangeTooLarge(f"the result has more than {self.caps.items:,} items.")

    def add(self, part: bytes) -> None:
        self.room(len(part))
        self.parts.append(part)

    def room(self, size: int) -> None:
        """Count bytes that are about to be added."""
        self.size += size
        if self.size > self.caps.size:
            raise ExchangeTooLarge(f"the result takes more than {self.caps.size:,} bytes.")

    def open(self, tag: bytes, value: Any, depth: int) -> None:
        """Begin a container."""
        if depth > self.caps.depth:
            raise ExchangeTooLarge(f"the result is nested more than {self.caps.depth} deep.")
        if len(value) > self.caps.items:
            raise ExchangeTooLarge(f"the result has more than {self.caps.items:,} items.")
        self.add(tag + _pack_length(len(value)))

    def text(self, tag: bytes, data: bytes) -> None:
        if len(data) > self.caps.text:
            raise ExchangeTooLarge(f"the result has a text of more than {self.caps.text:,} bytes.")
        self.add(tag + _pack_length(len(data)))
        self.add(data)

    def numpy_scalar(self, value: Any, key: bool) -> None:
        if key:
            self.value(_item(value), 0, key=True)
            return
        data, code = _array_bytes(_array(value))
        self.add(b"n" + bytes([code]) + data)

    def array(self, value: np.ndarray) -> None:
        """Add an array of any order and byte order, in C order and little-endian."""
        if value.dtype.char not in _CODES:
            raise WireError(
                f"an array of {_name_of(value.dtype.type)} cannot be used as a result: "
                "convert it to booleans, integers, floats or complex numbers, or to a list."
            )
        if value.ndim > DIMENSIONS:
            raise ExchangeTooLarge(f"the result has an array of more than {DIMENSIONS} dimensions.")
        self.charge(HEAVY + value.ndim)
        _check_extent(value.shape, value.itemsize, self.caps.size)
        self.room(value.nbytes)  # a broadcast array may be far larger than its memory
        data, code = _array_bytes(value)
        self.add(b"a" + bytes([code, value.ndim]) + b"".join(map(_pack_length, value.shape)))
        self.parts.append(data)


def _array_bytes(value: np.ndarray) -> tuple[bytes, int]:
    """Return an array's items in C order and little-endian, and the code of their type."""
    code = _CODES[value.dtype.char]
    if code == 0:  # of memory that was never written, a boolean may be a byte above 1
        value = _ndarray.astype(_ndarray.view(value, "u1"), bool)
    return _ndarray.tobytes(_ndarray.astype(value, _DTYPES[code], copy=False)), code


def _check_extent(shape: tuple[int, ...], item: int, most: int) -> None:
    """Refuse shapes that are too large, also where a dimension of 0 hides the others."""
    if _prod(max(1, length) for length in shape) * item > most:
        raise ExchangeTooLarge(f"the result has an array of more than {most:,} bytes.")


def _write_int(writer: _Writer, value: int, _key: bool) -> None:
    bits = int.bit_length(value)
    if bits > writer.caps.bits:
        raise ExchangeTooLarge(f"the result has an integer of more than {writer.caps.bits} bits.")
    data = int.to_bytes(value, bits // 8 + 1, "little", signed=True)
    writer.add(b"i" + _pack_length(len(data)) + data)


def _write_float(writer: _Writer, value: float, key: bool) -> None:
    _check_key(key, value)
    writer.add(b"f" + _pack_float(value))


def _write_complex(writer: _Writer, value: complex, key: bool) -> None:
    _check_key(key, value.real, value.imag)
    writer.add(b"c" + _pack_complex(value.real, value.imag))


def _check_key(key: bool, *numbers: float) -> None:
    if key and any(map(_isnan, numbers)):
        raise WireError("nan cannot be a key or in a set, as it is not equal to itself.")


def _write_text(writer: _Writer, value: str, _key: bool) -> None:
    if len(value) > writer.caps.text:  # before a copy is made
        raise ExchangeTooLarge(f"the result has a text of more than {writer.caps.text:,} bytes.")
    writer.text(b"s", str.encode(str.__str__(value), "utf-8", "surrogatepass"))


def _write_sequence(tag: bytes) -> Callable[..., None]:
    def write(writer: _Writer, value: list | tuple, depth: int, key: bool) -> None:
        writer.open(tag, value, depth)
        for item in tuple(value):  # a thread of the student's may be changing the list
            writer.value(item, depth, key=key)

    return write


def _write_dict(writer: _Writer, value: dict, depth: int, _key: bool) -> None:
    writer.charge(HEAVY)
    writer.open(b"d", value, depth)
    for key, item in tuple(dict.items(value)):
        writer.value(key, depth, key=True)
        writer.value(item, depth, key=False)


def _write_set(tag: bytes) -> Callable[..., None]:
    def write(writer: _Writer, value: set | frozenset, depth: int, _key: bool) -> None:
        writer.charge(HEAVY)
        writer.open(tag, value, depth)
        begin = len(writer.parts)
        elements = []
        for item in tuple(value):
            writer.value(item, depth, key=True)
            elements.append(b"".join(writer.parts[begin:]))
            del writer.parts[begin:]
        writer.parts += sorted(elements)

    return write


_SCALARS: dict[int, Callable[[_Writer, Any, bool], None]] = {
    id(type(None)): lambda writer, _value, _key: writer.add(b"N"),
    id(bool): lambda writer, value, _key: writer.add(b"T" if value else b"F"),
    id(int): _write_int,
    id(float): _write_float,
    id(complex): _write_complex,
    id(str): _write_text,
    id(np.str_): _write_text,
    id(bytes): lambda writer, value, _key: writer.text(b"b", value),
    id(np.bytes_): lambda writer, value, _key: writer.text(b"b", bytes.__bytes__(value)),
}
_CONTAINERS: dict[int, Callable[[_Writer, Any, int, bool], None]] = {
    id(list): _write_sequence(b"l"),
    id(tuple): _write_sequence(b"t"),
    id(dict): _write_dict,
    id(set): _write_set(b"e"),
    id(frozenset): _write_set(b"z"),
}
_HASHABLE = frozenset({id(tuple), id(frozenset)})
_NUMPY_SCALARS = frozenset(id(np.dtype(char).type) for char in _CHARACTERS)


def _bind_torch() -> dict[int, Callable[[Any, int], np.ndarray]]:
    """Return for each type of tensor what makes an array of it; nothing where torch is not loaded.

    Methods are taken from the class once: an attribute of a tensor may hide them, and a student may
    replace them later.
    """
    torch = _modules.get("torch")
    tensor, nn = getattr(torch, "Tensor", None), getattr(torch, "nn", None)
    if tensor is None or not hasattr(nn, "Parameter"):  # torch is being imported
        return {}
    detach, to, numpy, numel = tensor.detach, tensor.to, tensor.numpy, tensor.numel
    resolve_conj, resolve_neg, item = tensor.resolve_conj, tensor.resolve_neg, tensor.element_size
    strided, bfloat16, float32 = torch.strided, torch.bfloat16, torch.float32

    def convert(value: Any, room: int) -> np.ndarray:
        if value.layout is not strided or value.is_quantized or value.is_meta:
            raise WireError("a sparse, quantised or meta tensor cannot be used as a result.")
        if numel(value) * item(value) > room:
            raise ExchangeTooLarge(f"the result has a tensor of more than {room:,} bytes.")
        try:
            value = to(detach(value), "cpu")
            value = to(value, float32) if value.dtype is bfloat16 else value
            return numpy(resolve_neg(resolve_conj(value)))
        except (RuntimeError, TypeError) as error:
            raise WireError("a tensor of this kind cannot be used as a result.") from error

    return {id(tensor): convert, id(nn.Parameter): convert}


_TENSORS = _bind_torch()


def _tensor_converter(number: int) -> Callable[[Any, int], np.ndarray] | None:
    """Return what makes an array of a tensor, for the identity of a tensor's type."""
    if not _TENSORS:
        _TENSORS.update(_bind_torch())  # torch was imported after this module
    return _TENSORS.get(number)


# ---------------------------------------------------------------------------------- in the judge


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
    cvlab.checking.wire.WireError: an integer has more bytes than it needs.
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
        if key or code >= len(_DTYPES):
            raise WireError("the message has an array or number of an unknown type.")
        return code

    def numbers(self, code: int, shape: tuple[int, ...]) -> np.ndarray:
        """Read the items of an array; their bytes are there before memory is taken for them."""
        data = self.take(_prod(shape) * _DTYPES[code].itemsize)
        if not data:
            return _empty(shape, _NATIVE[code])
        array = _ndarray(shape, _DTYPES[code], data).astype(_NATIVE[code])
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
    _check_key(key, value)
    return value


def _read_complex(reader: _Reader, key: bool) -> complex:
    real, imaginary = _unpack_complex(reader.take(16))
    _check_key(key, real, imaginary)
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
    _check_extent(shape, _DTYPES[code].itemsize, reader.caps.size)
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


# ------------------------------------------------------------------------------------- the stream


def read_message(sock: socket.socket, deadline: float, cap: int = CAPS.size) -> bytearray:
    """Read one message, whatever the other side does.

    Args:
        sock: a stream socket.
        deadline: when the whole message must be there, on the clock of `time.monotonic`.
        cap: the largest number of bytes of a message; no more than these and the header are held.

    Raises:
        WireTimeout: if the message is not complete in time, however slowly it comes.
        WireClosed: if the other side closes the line before.
        ExchangeTooLarge: if the message is announced to be longer than the cap.

    >>> ours, theirs = socket.socketpair()
    >>> write_message(theirs, b"seven")
    >>> read_message(ours, time.monotonic() + 1)
    bytearray(b'seven')
    """
    before = _gettimeout(sock)
    try:
        (size,) = _unpack_header(_receive(sock, HEADER.size, deadline))
        if size > cap:
            raise ExchangeTooLarge(f"the message has more than {cap:,} bytes.")
        return _receive(sock, size, deadline)
    finally:
        _settimeout(sock, before)


def write_message(sock: socket.socket, data: bytes, deadline: float | None = None) -> None:
    """Write one message.

    Args:
        sock: a stream socket.
        data: the message.
        deadline: when the other side must have taken it, on the clock of `time.monotonic`; without
            one, a side that does not read blocks this one for good.

    Raises:
        WireTimeout: if the other side has not taken all of it in time.
        WireClosed: if the other side closes the line before.
    """
    before = _gettimeout(sock)
    try:
        for part in (_pack_header(len(data)), data):  # not joined: the copy would take memory
            left = memoryview(part)
            while left:
                sent = _in_time(sock, deadline, lambda part=left: _send(sock, part))
                left = left[sent:]
    finally:
        _settimeout(sock, before)


def _receive(sock: socket.socket, size: int, deadline: float) -> bytearray:
    """Read an exact number of bytes."""
    buffer = bytearray(size)
    left = memoryview(buffer)
    while left:
        count = _in_time(sock, deadline, lambda part=left: _recv_into(sock, part))
        if not count:
            raise WireClosed("the other side closed the line before its message was complete.")
        left = left[count:]
    return buffer


def _in_time(sock: socket.socket, deadline: float | None, call: Callable[[], int]) -> int:
    """Call a socket's function, for no longer than there is time."""
    left = None if deadline is None else deadline - _now()
    try:
        if left is not None and left <= 0:
            raise TimeoutError
        _settimeout(sock, left)
        return call()
    except TimeoutError:
        raise WireTimeout("the message was not complete in time.") from None
    except OSError as error:
        raise WireClosed(f"the line is broken ({error.strerror or 'error'}).") from None
