"""Compare what a student's function returned with what the solution returned, in the judge.

`compare` takes values as `wire.decode` makes them, so that no method of a student's runs here,
and returns None where they agree. Otherwise it returns a `Difference`, which students read: it says
what differs and where, and holds no value, key or length of the solution's. Nor does it hold values
of the student's own, because a function may return its hidden input; for those who must not see the
size of the student's value either, there is `Difference.sparing`.

What agrees:

- Numbers, if they are of one kind (boolean, integer, float, complex), as ``dtype`` may change.
  Python's, NumPy's scalars and arrays without dimensions are the same thing; an array of one
  element is another. Booleans and integers are compared exactly. Floats agree if
  ``|got - expected| <= atol + rtol * |expected|``, in double precision, as in
  `numpy.testing.assert_allclose`; nan agrees with nan, an infinity with one of the same sign, 0.0
  with -0.0. So do complex numbers, by the modulus, and part by part where one is not finite.
- Arrays, if shapes and kinds are the same and all items agree.
- Lists and tuples, if they are of one type and length and all items agree; dicts, if they have the
  same keys, in any order, and all values agree. Keys are exact and of one type.
- Sets, if the numbers in them agree, one with one, and the rest is exactly equal.
- Text, bytes and None, if they are exactly equal.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Iterator
from dataclasses import dataclass, replace
from typing import Any, Literal

import numpy as np

from cvlab.checking.pairing import partners
from cvlab.checking.tolerance import KINDS, NUMPY, Number, Tolerance, as_number, is_nan, wide
from cvlab.checking.wire import DIMENSIONS, Value

CHUNK = 65_536  #: items that are compared at once: their copies in double precision are small
DEPTH = 100  #: containers in containers
UNORDERED = 1_000_000  #: items of an array whose rows may come in any order
_LISTS = (list, tuple)
_SETS = (set, frozenset)


@dataclass(frozen=True)
class Difference:
    """What differs, in words that a student may read.

    Attributes:
        reason: what differs; no value of either side, but the size of the student's.
        place: where, such as ``item 2``; empty for the whole.
        bare: the reason without that size and without counts, which a function may choose by its
            hidden input; empty if there is none in it.

    >>> str(Difference("contains nan", "item 2"))
    'item 2: contains nan'
    """

    reason: str
    place: str = ""
    bare: str = ""

    def __str__(self) -> str:
        return f"{self.place}: {self.reason}" if self.place else self.reason

    def sparing(self) -> str:
        """Return a sentence for a student, in words that a hidden input cannot have chosen.

        The place is left out: it is one in what a probe made of several calls, and would send the
        student to look for an "item 2" that the function does not return.

        >>> Difference("contains nan", "item 2").sparing()
        'What it returns contains nan.'
        """
        reason = self.bare or self.reason
        return f"What it returns{'' if reason.startswith(('contains ', 'is ')) else ':'} {reason}."

    def inside(self, place: str) -> Difference:
        """Return the same difference as one of an item of something larger."""
        return replace(self, place=f"{place}, {self.place}" if self.place else place)


def compare(
    got: Value,
    expected: Value,
    *,
    rtol: float = 1e-6,
    atol: float = 1e-8,
    widen: bool = True,
    order: bool = True,
    signs: bool = True,
    dtype: Literal["exact", "kind", "value"] = "kind",
    containers: Literal["exact", "any"] = "exact",
    names: Collection[str] = (),
) -> Difference | None:
    """Compare a student's value with the solution's; None where they agree.

    Args:
        got: the student's value, as `wire.decode` returned it.
        expected: the solution's.
        rtol: relative tolerance of floats, at least 0 and below 1.
        atol: absolute tolerance of floats.
        widen: where the solution has float32 or float16, allow at least 16 machine epsilons of it
            as the relative and one as the absolute tolerance. The student's precision widens
            nothing, or whoever returns float16 would be right more easily.
        order: False if rows of arrays and items of lists may come in any order. A list has then to
            be of numbers, of rows of numbers of one length, or of text. Tuples and dicts keep their
            order, and so does whatever lies in a list; arrays are put in order one by one.
        signs: False if each column of a matrix of floats, such as eigenvectors, may be negated.
        dtype: "kind" if 1 and 1.0 differ but float32 and float64 do not, "exact" if these do as
            well (Python's numbers are int64, float64 and complex128), "value" if none do.
        containers: "any" if a list may be a tuple or an array of the same items, and the other way
            round, and a set a frozenset.
        names: keys of dicts that students may read, as the probe's own are.

    Raises:
        ValueError: for a tolerance or an option that makes no sense, or a solution's value that
            cannot be compared in any order.
        TypeError: for a value that `wire.decode` does not return.

    >>> print(compare([1.0, math.nan, 3.0], [1.0, 2.0, 3.5]))
    contains nan
    >>> print(compare({"iou": np.ones(5)}, {"iou": np.ones((5, 1))}, names=["iou"]))
    the value of 'iou': shape (5,), expected 2 dimensions
    >>> compare(np.array([[3, 4], [1, 2]]), np.array([[1, 2], [3, 4]]), order=False) is None
    True
    """
    if not 0 <= rtol < 1 or not 0 <= atol < math.inf:
        raise ValueError("rtol is a number from 0 up to, not including, 1, atol one from 0.")
    if dtype not in ("exact", "kind", "value") or containers not in ("exact", "any"):
        raise ValueError('dtype is "exact", "kind" or "value", containers "exact" or "any".')
    if not order and not signs:
        raise ValueError("either the order or the signs may be free, not both.")
    tolerance = Tolerance(float(rtol), float(atol), bool(widen))
    free = _Options(tolerance, bool(order), bool(signs), dtype, containers == "any", tuple(names))
    return free.values(got, expected, 0)


# --------------------------------------------------------------------------------------- containers


@dataclass(frozen=True)
class _Options:
    """What `compare` was told, and the comparison of each type under it."""

    tolerance: Tolerance
    order: bool
    signs: bool
    dtype: str
    any_container: bool
    names: tuple[str, ...]

    def values(self, got: Value, expected: Value, depth: int) -> Difference | None:
        if depth > DEPTH:
            return Difference(f"is nested more than {DEPTH} deep")
        numbers = as_number(got), as_number(expected)
        if all(numbers):
            return self.numbers(*numbers)
        if self.any_container:
            got, expected = _alike(got, expected)
        kinds = _described(got), _described(expected)
        kind = type(expected)
        if type(got) is not kind or any(numbers):
            return Difference(
                f"{kinds[0]}, expected {'another type' if expected is None else kinds[1]}"
            )
        if kind is np.ndarray:
            return self.arrays(got, expected)
        if kind is list and not self.order:
            return self.unordered(got, expected)
        if kind in _LISTS:
            return self.sequences(got, expected, depth)
        if kind is dict:
            return self.dicts(got, expected, depth)
        if kind in _SETS:
            return self.sets(got, expected)
        return None if got == expected else Difference("is not the expected one")

    def numbers(self, got: Number, expected: Number) -> Difference | None:
        if other := self.other_dtype(got[1], expected[1]):
            return other
        if self.agree(got, expected):
            return None
        if is_nan(got[0]) and not is_nan(expected[0]):
            return Difference("is nan")
        return Difference("is not the expected number")

    def agree(self, got: Number, expected: Number) -> bool:
        (ours, _), (theirs, dtype) = got, expected
        kinds = {type(ours), type(theirs)}
        if not kinds & {float, complex}:
            return ours == theirs
        tolerance = self.tolerance.of(dtype)
        try:
            if complex in kinds:
                return tolerance.complexes(complex(ours), complex(theirs))
            return tolerance.floats(float(ours), float(theirs))
        except OverflowError:  # an integer beyond all floats
            return False

    def other_dtype(self, got: np.dtype, expected: np.dtype) -> Difference | None:
        if self.dtype == "exact" and got != expected:
            return Difference(f"type {got}, expected {expected}")
        if self.dtype == "kind" and KINDS[got.kind] != KINDS[expected.kind]:
            return Difference(f"of type {KINDS[got.kind]}, expected {KINDS[expected.kind]}")
        return None

    def arrays(self, got: np.ndarray, expected: np.ndarray) -> Difference | None:
        other = _other_shape(got, expected) or self.other_dtype(got.dtype, expected.dtype)
        if other:
            return other
        tolerance = self.tolerance.of(expected.dtype)
        if not self.order:
            return _unordered(got, expected, tolerance)
        wrong = _wrong(got, expected, tolerance)
        if not self.signs and expected.ndim == 2 and got.dtype.kind == expected.dtype.kind == "f":
            wrong &= _wrong(-got, expected, tolerance).any(axis=0)
        if not wrong.any():
            return None
        nan = _not_finite(got, expected)
        return nan or _values(int(wrong.sum()), wrong.size)

    def sequences(self, got: list | tuple, expected: list | tuple, depth: int) -> Difference | None:
        if len(got) != len(expected):
            return _other_length(got)
        pairs = [
            (as_number(ours), as_number(theirs)) for ours, theirs in zip(got, expected, strict=True)
        ]
        if len(pairs) > 1 and all(ours and theirs for ours, theirs in pairs):
            return self.rows(pairs)
        for index, (ours, theirs) in enumerate(zip(got, expected, strict=True)):
            if found := self.values(ours, theirs, depth + 1):
                return found.inside(f"item {index}")
        return None

    def rows(self, pairs: list[tuple[Number, Number]]) -> Difference | None:
        """Compare numbers without saying which differs: of yes or no, that would be the answer."""
        for index, (ours, theirs) in enumerate(pairs):
            if other := self.other_dtype(ours[1], theirs[1]):
                return other.inside(f"item {index}")
        wrong = [pair for pair in pairs if not self.agree(*pair)]
        if any(is_nan(ours[0]) and not is_nan(theirs[0]) for ours, theirs in wrong):
            return Difference("contains nan")
        return _values(len(wrong), len(pairs)) if wrong else None

    def unordered(self, got: list, expected: list) -> Difference | None:
        """Compare lists of which only the items matter: text, numbers, or rows of numbers."""
        if len(got) != len(expected):
            return _other_length(got)
        if not expected:
            return None
        if all(type(item) is str for item in expected):
            if not all(type(item) is str for item in got):
                return Difference("its items are not all text")
            return None if sorted(got) == sorted(expected) else Difference(_NO_PARTNER)
        theirs = _stacked(expected)
        if theirs is None:
            raise ValueError("in any order, a list is of text, of numbers or of rows of numbers.")
        ours = _stacked(got)
        if ours is None:
            return Difference("its items are not all numbers, or rows of numbers of one length")
        return self.arrays(ours, theirs)

    def dicts(self, got: dict, expected: dict, depth: int) -> Difference | None:
        ours = {self.exact(key): value for key, value in got.items()}
        if ours.keys() != {self.exact(key) for key in expected}:
            return Difference("its keys are not the expected ones")
        for key, value in expected.items():
            if found := self.values(ours[self.exact(key)], value, depth + 1):
                shown = type(key) is str and key in self.names
                return found.inside(f"the value of {key!r}" if shown else "a value of the dict")
        return None

    def exact(self, value: Value) -> Any:
        """Return a key or an element in a form in which what differs in kind is not equal."""
        if type(value) in (tuple, frozenset):
            return type(value), type(value)(map(self.exact, value))
        number = as_number(value)
        if number is None:
            _described(value)
            return value
        return number[0] if self.dtype == "value" else (KINDS[number[1].kind], number[0])

    def sets(self, got: set | frozenset, expected: set | frozenset) -> Difference | None:
        if len(got) != len(expected):
            return _other_length(got)
        mixed = self.dtype == "value" and any(map(_inexact, (*got, *expected)))
        ours, theirs = self.parted(got, mixed), self.parted(expected, mixed)
        same = ours[0] == theirs[0] and len(ours[1]) == len(theirs[1])
        if same and theirs[1]:
            numbers = np.array(ours[1]), np.array(theirs[1])
            same = mixed or numbers[0].dtype == numbers[1].dtype
            same = same and _unordered(*numbers, self.tolerance) is None
        return None if same else Difference("its elements are not the expected ones")

    def parted(self, elements: set | frozenset, mixed: bool) -> tuple[set, list]:
        """Return what has to be equal exactly, and the numbers that may differ a little."""
        exact, loose = set(), []
        for element in elements:
            number = as_number(element)
            if _inexact(element) or (mixed and number and abs(number[0]) < 2**53):
                loose.append(number[0])
            else:
                exact.add(self.exact(element))
        return exact, loose


def _other_length(got: Collection[Value]) -> Difference:
    return Difference(f"length {len(got)}, expected another", bare="expected another length")


def _inexact(value: Value) -> bool:
    number = as_number(value)
    return number is not None and type(number[0]) in (float, complex)


_TEXTS = {
    type(None): "None",
    str: "text",
    bytes: "bytes",
    list: "a list",
    tuple: "a tuple",
    dict: "a dict",
    set: "a set",
    frozenset: "a frozenset",
}


def _described(value: Value) -> str:
    """Return what a value is.

    Raises:
        TypeError: if it is nothing that `wire.decode` returns.
    """
    kind = type(value)
    if number := as_number(value):
        return f"one {KINDS[number[1].kind]}"
    if kind is np.ndarray and value.dtype.type in NUMPY:
        return f"an array of {value.ndim} dimension{'s' if value.ndim > 1 else ''}"
    if kind not in _TEXTS:
        raise TypeError(f"compare takes plain values, not {kind.__name__}.")
    return _TEXTS[kind]


def _alike(got: Value, expected: Value) -> tuple[Value, Value]:
    """Return two values as the same type of container where they can be."""
    ours, theirs = type(got), type(expected)
    if ours is theirs:
        return got, expected
    if np.ndarray in (ours, theirs) and (ours in _LISTS or theirs in _LISTS):
        arrays = _stacked(got), _stacked(expected)
        if arrays[0] is not None and arrays[1] is not None:
            empty = [array for array in arrays if not array.size]
            return (arrays[0].astype(arrays[1].dtype), arrays[1]) if len(empty) == 2 else arrays
        return got, expected
    if {ours, theirs} == {*_LISTS} or {ours, theirs} == {*_SETS}:
        return theirs(got), expected
    return got, expected


def _stacked(value: Value) -> np.ndarray | None:
    """Return rows of numbers as an array; None for what is no array without a loss."""
    if type(value) is np.ndarray:
        return value
    kinds = set(_kinds(value, 0))
    if not kinds <= {*KINDS}:
        return None
    try:
        array = np.array(value)
    except (ValueError, OverflowError):  # rows of different lengths
        return None
    # No float has room for all of int64 and uint64 together, nor an integer for larger ones.
    return array if not kinds or array.dtype.kind in kinds else None


def _kinds(value: Value, depth: int) -> Iterator[str]:
    """Yield the kind of each number in nested rows, and "?" for anything else."""
    if type(value) in _LISTS and depth < DIMENSIONS:
        for item in value:
            yield from _kinds(item, depth + 1)
    elif type(value) is np.ndarray:
        yield value.dtype.kind
    else:
        number = as_number(value)
        yield number[1].kind if number else "?"


# ------------------------------------------------------------------------------------------- arrays


def _other_shape(got: np.ndarray, expected: np.ndarray) -> Difference | None:
    if got.ndim != expected.ndim:
        many = "" if expected.ndim == 1 else "s"
        bare = f"another number of dimensions, expected {expected.ndim}"
        reason = f"shape {got.shape}, expected {expected.ndim} dimension{many}"
        return Difference(reason, bare=bare)
    for axis, (ours, theirs) in enumerate(zip(got.shape, expected.shape, strict=True)):
        if ours != theirs:
            reason = f"shape {got.shape}, expected another length along axis {axis}"
            return Difference(reason, bare="expected another shape")
    return None


def _wrong(got: np.ndarray, expected: np.ndarray, tolerance: Tolerance) -> np.ndarray:
    """Return for each item whether it differs, in little memory."""
    ours, theirs = got.reshape(-1), expected.reshape(-1)
    wrong = np.empty(ours.size, bool)
    for start in range(0, ours.size, CHUNK):
        part = slice(start, start + CHUNK)
        wrong[part] = ~tolerance.arrays(ours[part], theirs[part])
    return wrong.reshape(got.shape)


def _not_finite(got: np.ndarray, expected: np.ndarray) -> Difference | None:
    """Say so if the student's array has nan or infinities where the solution's has none."""
    if (np.isnan(got) & ~np.isnan(expected)).any():
        return Difference("contains nan")
    if (np.isinf(got) & np.isfinite(expected)).any():
        return Difference("contains infinity")
    return None


def _values(wrong: int, size: int) -> Difference:
    how = "by more than the tolerance"
    counted = f"{wrong} of {size} values differ{'s' * (size == 1)} {how}"
    return Difference(counted, bare=f"values differ {how}")


# ---------------------------------------------------------------------------- rows in any order

_NO_PARTNER = "not every row or item has a partner among the expected ones"


def _unordered(got: np.ndarray, expected: np.ndarray, tolerance: Tolerance) -> Difference | None:
    """Compare arrays of one shape, of which the rows may come in any order."""
    if not expected.size:
        return None
    if expected.size > UNORDERED:
        raise ValueError(f"arrays in any order have up to {UNORDERED:,} items.")
    ours, theirs = got.reshape(len(got), -1), expected.reshape(len(expected), -1)
    if got.dtype.kind in "biu" and expected.dtype.kind in "biu":
        rows = [sorted(row.tobytes() for row in wide(each)) for each in (ours, theirs)]
        same = rows[0] == rows[1]
    else:
        kind = complex if "c" in (got.dtype.kind, expected.dtype.kind) else float
        same = partners(ours.astype(kind), theirs.astype(kind), tolerance)
    if same:
        return None
    nans = np.isnan(got).sum() > np.isnan(expected).sum()
    return Difference("contains nan" if nans else _NO_PARTNER)
