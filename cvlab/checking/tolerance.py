"""When two numbers agree: integers exactly, floats and complex numbers within a tolerance.

Numbers are those that `wire.decode` returns: Python's, NumPy's scalars, and arrays of them. Floats
agree if ``|got - expected| <= atol + rtol * |expected|``, in double precision; nan agrees with nan,
an infinity with one of the same sign. So do complex numbers, by the modulus, and part by part where
one is not finite.
"""

from __future__ import annotations

import cmath
import math
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np

from cvlab.checking.wire import Value

__all__ = ["KINDS", "LARGEST", "NUMPY", "Number", "Tolerance", "as_number", "is_nan", "wide"]

LARGEST = float(np.finfo(float).max)
KINDS = {"b": "boolean", "i": "integer", "u": "integer", "f": "float", "c": "complex number"}
PYTHON = {bool: "bool", int: "int64", float: "float64", complex: "complex128"}
NUMPY = frozenset(np.dtype(char).type for char in "?bhilqBHILQefdFD")
Number: TypeAlias = tuple[bool | int | float | complex, np.dtype]


@dataclass(frozen=True)
class Tolerance:
    """How far a float may be from the solution's.

    >>> Tolerance(rtol=0.1, atol=0.0).floats(1.05, 1.0)
    True
    """

    rtol: float
    atol: float
    widen: bool = False

    def of(self, dtype: np.dtype) -> Tolerance:
        """Return the tolerance for a solution of a type."""
        if not self.widen or dtype.kind not in "fc":
            return self
        epsilon = float(np.finfo(dtype).eps)
        return Tolerance(max(self.rtol, 16 * epsilon), max(self.atol, epsilon))

    def floats(self, got: float, expected: float) -> bool:
        """Tell whether two floats agree."""
        if got == expected or (math.isnan(got) and math.isnan(expected)):
            return True
        near = abs(got - expected)
        return near <= self.atol + self.rtol * abs(expected) and near < math.inf

    def complexes(self, got: complex, expected: complex) -> bool:
        """Tell whether two complex numbers agree."""
        if not (cmath.isfinite(got) and cmath.isfinite(expected)):
            parts = (got.real, expected.real), (got.imag, expected.imag)
            return all(self.floats(*part) for part in parts)
        near = math.hypot(got.real - expected.real, got.imag - expected.imag)
        size = min(math.hypot(expected.real, expected.imag), LARGEST)
        return near <= self.atol + self.rtol * size and near < math.inf

    def arrays(self, got: np.ndarray, expected: np.ndarray) -> np.ndarray:
        """Return for each pair of items whether they agree; integers exactly, else in doubles."""
        if got.dtype.kind in "biu" and expected.dtype.kind in "biu":
            return wide(got) == wide(expected)
        if "c" in (got.dtype.kind, expected.dtype.kind):
            return self._complex_arrays(got.astype(complex), expected.astype(complex))
        got, expected = got.astype(float), expected.astype(float)
        with np.errstate(all="ignore"):
            near = np.abs(got - expected)
            close = (near <= self.atol + self.rtol * np.abs(expected)) & (near < np.inf)
        return close | (got == expected) | (np.isnan(got) & np.isnan(expected))

    def _complex_arrays(self, got: np.ndarray, expected: np.ndarray) -> np.ndarray:
        with np.errstate(all="ignore"):
            near = np.abs(got - expected)
            size = np.minimum(np.abs(expected), LARGEST)
            close = (near <= self.atol + self.rtol * size) & (near < np.inf)
        finite = np.isfinite(got) & np.isfinite(expected)
        parts = self.arrays(got.real, expected.real) & self.arrays(got.imag, expected.imag)
        return np.where(finite, close, parts)


_WIDE = np.dtype([("negative", bool), ("bits", "u8")])


def wide(integers: np.ndarray) -> np.ndarray:
    """Return integers in a form in which signed and unsigned ones are equal if their values are."""
    wide = np.empty(integers.shape, _WIDE)
    wide["negative"] = integers < 0
    wide["bits"] = integers.astype("u8")
    return wide


def as_number(value: Value) -> Number | None:
    """Return a number as Python's, and its type; None for anything else."""
    kind = type(value)
    if kind in PYTHON:
        return value, np.dtype(PYTHON[kind])
    if kind in NUMPY or (kind is np.ndarray and value.ndim == 0 and value.dtype.type in NUMPY):
        return value.item(), value.dtype
    return None


def is_nan(number: bool | int | float | complex) -> bool:
    """Tell whether a number of any kind is nan."""
    return number != number  # an integer may be too large for `cmath.isnan`
