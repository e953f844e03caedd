"""From a value to bytes, in a box: what an instructor's probe returned, told to the judge.

A box is the student's: whoever replaces `encode` there sends other values, wrong ones. The module
is imported before the student's code and keeps its own names for all that it calls, so that an
honest answer arrives from among patched builtins and a patched NumPy.
"""

from __future__ import annotations

import builtins
import struct
import sys
from collections.abc import Callable
from typing import Any

import numpy as np

from cvlab.checking.wire.caps import (
    CAPS,
    CHARACTERS,
    DIMENSIONS,
    DTYPES,
    HEAVY,
    Caps,
    ExchangeTooLarge,
    Value,
    WireError,
)
from cvlab.checking.wire.decoder import check_extent, check_key

__all__ = ["encode"]

# Every function below looks builtins up here (its module's `__builtins__`, kept when it is defined)
# and not in the module `builtins`, in which a student may have replaced them.
__builtins__ = dict(vars(builtins))

# ------------------------------------------------------------------------------ names of our own

_pack_length = struct.Struct(">I").pack
_pack_float, _pack_complex = struct.Struct("<d").pack, struct.Struct("<dd").pack
_array, _ndarray, _item, _modules = np.array, np.ndarray, np.generic.item, sys.modules
_name_of = type.__dict__["__name__"].__get__  # a metaclass may have a `__name__` of its own
_CODES = {char: DTYPES.index(np.dtype(char).newbyteorder("<")) for char in CHARACTERS}


def encode(value: Value, caps: Caps = CAPS) -> bytes:
    r"""Return the bytes of a value.

    Args:
        value: of the plain types that the package's text names.
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
        check_extent(value.shape, value.itemsize, self.caps.size)
        self.room(value.nbytes)  # a broadcast array may be far larger than its memory
        data, code = _array_bytes(value)
        self.add(b"a" + bytes([code, value.ndim]) + b"".join(map(_pack_length, value.shape)))
        self.parts.append(data)


def _array_bytes(value: np.ndarray) -> tuple[bytes, int]:
    """Return an array's items in C order and little-endian, and the code of their type."""
    code = _CODES[value.dtype.char]
    if code == 0:  # of memory that was never written, a boolean may be a byte above 1
        value = _ndarray.astype(_ndarray.view(value, "u1"), bool)
    return _ndarray.tobytes(_ndarray.astype(value, DTYPES[code], copy=False)), code


def _write_int(writer: _Writer, value: int, _key: bool) -> None:
    bits = int.bit_length(value)
    if bits > writer.caps.bits:
        raise ExchangeTooLarge(f"the result has an integer of more than {writer.caps.bits} bits.")
    data = int.to_bytes(value, bits // 8 + 1, "little", signed=True)
    writer.add(b"i" + _pack_length(len(data)) + data)


def _write_float(writer: _Writer, value: float, key: bool) -> None:
    check_key(key, value)
    writer.add(b"f" + _pack_float(value))


def _write_complex(writer: _Writer, value: complex, key: bool) -> None:
    check_key(key, value.real, value.imag)
    writer.add(b"c" + _pack_complex(value.real, value.imag))


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
_NUMPY_SCALARS = frozenset(id(np.dtype(char).type) for char in CHARACTERS)


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
