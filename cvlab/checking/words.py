"""Errors in the course's words: what happened, in which line, and with arrays of which shapes."""

from __future__ import annotations

import dis
import linecache
import re
from collections.abc import Callable, Iterable
from types import CodeType, FrameType, TracebackType
from typing import Any

MOST_ARGUMENTS = 8
MOST_DIGITS = 6

_TUPLE = r"\(([\d,\s]*)\)"


def _shape(text: str) -> str:
    """Return a shape as Python writes it, from any of the ways in which libraries do.

    >>> _shape("2,3"), _shape("4,"), _shape("2x3"), _shape("")
    ('(2, 3)', '(4,)', '(2, 3)', '()')
    """
    sides = re.findall(r"\d+", text)
    return f"({sides[0]},)" if len(sides) == 1 else f"({', '.join(sides)})"


def _shapes(text: str) -> str:
    found = [_shape(one) for one in re.findall(_TUPLE, text)]
    return " and ".join(filter(None, [", ".join(found[:-1]), found[-1]])) if found else "these"


def _outside(match: re.Match[str]) -> str:
    index, axis, size = int(match[1]), match[2], int(match[3])
    there = f"0 to {size - 1}" if size > 1 else "0 alone" if size else "none"
    return f"index {index} lies outside of axis {axis}, which has {size} entries ({there})"


#: What NumPy and PyTorch say of shapes, and what the course says instead.
_SAID: tuple[tuple[str, Callable[[re.Match[str]], str]], ...] = (
    (
        r"could not be broadcast together with (?:remapped )?shapes(?: \[[^\]]*\]:)? (.*)",
        lambda m: f"arrays of shapes {_shapes(re.sub(r'->' + _TUPLE, '', m[1]))} do not fit",
    ),
    (
        rf"non-broadcastable output operand with shape {_TUPLE} doesn't match the broadcast shape "
        rf"{_TUPLE}",
        lambda m: f"values of shape {_shape(m[2])} do not fit into an array of {_shape(m[1])}",
    ),
    (
        rf"could not broadcast input array from shape {_TUPLE} into shape {_TUPLE}",
        lambda m: f"values of shape {_shape(m[1])} do not fit into a place of {_shape(m[2])}",
    ),
    (
        rf"value array of shape {_TUPLE} could not be broadcast to indexing result of shape "
        rf"{_TUPLE}",
        lambda m: f"values of shape {_shape(m[1])} do not fit into a place of {_shape(m[2])}",
    ),
    (
        rf"arg \d+ with shape {_TUPLE} and arg \d+ with shape {_TUPLE}",
        lambda m: f"arrays of shapes {_shape(m[1])} and {_shape(m[2])} do not fit",
    ),
    (
        r"matmul: .*core dimension.*\(size (\d+) is different from (\d+)\)",
        lambda m: f"the product @ does not fit: its inner sides are {m[2]} and {m[1]}",
    ),
    (
        rf"shapes {_TUPLE} and {_TUPLE} not aligned: (\d+) .*?!= (\d+)",
        lambda m: (
            f"the product of shapes {_shape(m[1])} and {_shape(m[2])} does not fit: "
            f"its inner sides are {m[3]} and {m[4]}"
        ),
    ),
    (
        r"shape-mismatch for sum",
        lambda m: "the axes that are summed over have different lengths",
    ),
    (
        r"einstein sum subscripts string contains too many subscripts for operand (\d+)",
        lambda m: f"the subscripts name more axes than array {int(m[1]) + 1} has",
    ),
    (
        r"operand has more dimensions than subscripts given in einstein sum",
        lambda m: "an array has more axes than the subscripts name",
    ),
    (
        r"einsum\(\): .*number of (?:subscripts|dimensions).*",
        lambda m: "the subscripts name another number of axes than an array has",
    ),
    (
        r"along dimension (\d+), the array at index (\d+) has size (\d+) and the array at index "
        r"(\d+) has size (\d+)",
        lambda m: f"arrays that are put together differ along axis {m[1]}: {m[3]} and {m[5]}",
    ),
    (
        r"array at index \d+ has (\d+) dimension\(s\) and the array at index \d+ has (\d+)",
        lambda m: f"arrays that are put together have {m[1]} and {m[2]} axes",
    ),
    (
        r"all input arrays must have the same shape",
        lambda m: "arrays that are stacked have different shapes",
    ),
    (
        rf"cannot reshape array of size (\d+) into shape {_TUPLE}",
        lambda m: f"{m[1]} numbers do not fill the shape {_shape(m[2])}",
    ),
    (
        r"shape '\[([\d, -]*)\]' is invalid for input of size (\d+)",
        lambda m: f"{m[2]} numbers do not fill the shape {_shape(m[1])}",
    ),
    (r"index (-?\d+) is out of bounds for (?:axis|dimension) (\d+) with size (\d+)", _outside),
    (
        r"too many indices for array: array is (\d+)-dimensional, but (\d+) were indexed",
        lambda m: f"an array of {m[1]} axes was given {m[2]} indices",
    ),
    (
        r"too many indices for tensor of dimension (\d+)",
        lambda m: f"a tensor of {m[1]} axes was given more indices than that",
    ),
    (
        r"boolean index did not match indexed array along (?:dimension|axis) (\d+); "
        r"(?:dimension|size of axis) is (\d+) but (?:size of )?corresponding boolean "
        r"(?:dimension|axis) is (\d+)",
        lambda m: f"a mask has {m[3]} entries along axis {m[1]}, its array {m[2]}",
    ),
    (
        r"axis (-?\d+) is out of bounds for array of dimension (\d+)",
        lambda m: f"there is no axis {m[1]} in an array of {m[2]} axes",
    ),
    (
        r"Dimension out of range \(expected to be in range of \[-?\d+, (\d+)\], but got (-?\d+)\)",
        lambda m: f"there is no axis {m[2]} in a tensor of {int(m[1]) + 1} axes",
    ),
    (
        r"axes don't match array",
        lambda m: "another number of axes is named than the array has",
    ),
    (
        r"too many values to unpack \(expected (\d+)",
        lambda m: f"there are more values than the {m[1]} names that take them",
    ),
    (
        r"not enough values to unpack \(expected (?:at least )?(\d+), got (\d+)\)",
        lambda m: f"there are {m[2]} values for {m[1]} names",
    ),
    (
        r"inhomogeneous shape",
        lambda m: "rows of different lengths make no array",
    ),
    (
        r"truth value of an array with more than one element is ambiguous|"
        r"Boolean value of Tensor with more than one value is ambiguous",
        lambda m: "an array of many values stands where one yes or no is needed",
    ),
    (
        r"only (?:integer scalar|length-1|size-1|0-dimensional) arrays can be converted",
        lambda m: "an array stands where one number is needed",
    ),
    (
        r"size of tensor a \((\d+)\) must match the size of tensor b \((\d+)\) at non-singleton "
        r"dimension (\d+)",
        lambda m: f"tensors do not fit along axis {m[3]}: {m[1]} and {m[2]}",
    ),
    (
        r"(?:mat1 and mat2|shapes) shapes cannot be multiplied \((\d+x\d+) and (\d+x\d+)\)",
        lambda m: f"the product of shapes {_shape(m[1])} and {_shape(m[2])} does not fit",
    ),
    (
        r"Sizes of tensors must match except in dimension (\d+)\. Expected size (\d+) but got size "
        r"(\d+)",
        lambda m: (
            "tensors that are put together differ along another axis than "
            f"{m[1]}: {m[2]} and {m[3]}"
        ),
    ),
    (
        r"stack expects each tensor to be equal size, but got \[([\d, ]*)\] at entry \d+ and "
        r"\[([\d, ]*)\]",
        lambda m: f"tensors that are stacked have shapes {_shape(m[1])} and {_shape(m[2])}",
    ),
    (
        r"weight of size \[([\d, ]+)\], expected input\[([\d, ]+)\] to have (\d+) channels, but "
        r"got (\d+)",
        lambda m: (
            f"a kernel of shape {_shape(m[1])} wants {m[3]} channels, but the input of "
            f"shape {_shape(m[2])} has {m[4]}"
        ),
    ),
    (
        r"Target sizes: \[([\d, -]*)\]\.\s+Tensor sizes: \[([\d, ]*)\]",
        lambda m: f"a tensor of shape {_shape(m[2])} does not spread over {_shape(m[1])}",
    ),
    (
        r"Expected size for first two dimensions of batch2 tensor to be: \[([\d, ]+)\] but got: "
        r"\[([\d, ]+)\]",
        lambda m: f"a batch of products wants {_shape(m[1])} but got {_shape(m[2])}",
    ),
    (
        r"expected (?:m1 and m2|mat1 and mat2|scalar type)?.*(?:same dtype, but got:?|but found) "
        r".*",
        lambda m: "tensors of different precision, such as float32 and float64, are mixed",
    ),
)
_KINDS = ("ValueError", "RuntimeError", "IndexError", "AxisError", "TypeError")


def said(error: BaseException) -> str | None:
    """Return what an error says of shapes as a clause in the course's words, None for another.

    >>> import numpy as np
    >>> try:
    ...     np.ones((4, 3)) + np.ones((4,))
    ... except ValueError as error:
    ...     said(error)
    'arrays of shapes (4, 3) and (4,) do not fit'
    """
    if not any(kind.__name__ in _KINDS for kind in type(error).__mro__):
        return None
    message = " ".join(str(error).split())[:2000]
    for pattern, clause in _SAID:
        if match := re.search(pattern, message):
            return clause(match)
    return None


# -------------------------------------------------------------------------------------- where


def codes_of(answers: Iterable[Any]) -> list[CodeType]:
    """Return the code of those answers that are functions."""
    found = [getattr(answer, "__code__", None) for answer in answers]
    return [code for code in found if isinstance(code, CodeType)]


def frames(trace: TracebackType | None, codes: list[CodeType]) -> list[TracebackType]:
    """Return the steps of a traceback from the first in an answer on."""
    found: list[TracebackType] = []
    while trace is not None:
        if found or any(trace.tb_frame.f_code is code for code in codes):
            found.append(trace)
        trace = trace.tb_next
    return found


def place(steps: list[TracebackType]) -> str:
    """Return in which line of an answer's cell something happened, as words; empty if unknown."""
    if not steps:
        return ""
    file = steps[0].tb_frame.f_code.co_filename
    last = [step for step in steps if step.tb_frame.f_code.co_filename == file][-1]
    line = linecache.getline(file, last.tb_lineno).strip()
    shown = f" (`{line}`)" if line else ""
    return f" in line {last.tb_lineno} of its cell{shown}"


def called_with(steps: list[TracebackType]) -> str:
    """Return the shapes of what an answer was called with, as a clause; empty if there are none.

    A parameter that the answer gives another value is told as it was when it stopped.
    """
    if not steps:
        return ""
    return _parameters(steps[0].tb_frame)


def _parameters(frame: FrameType) -> str:
    code = frame.f_code
    rebound = set()
    for each in dis.get_instructions(code):
        if each.opname.startswith("STORE_"):
            rebound |= {each.argval} if isinstance(each.argval, str) else {*(each.argval or ())}
    count = code.co_argcount + code.co_kwonlyargcount
    given, by_then = [], []
    for name in code.co_varnames[:count]:
        if text := _described(frame.f_locals.get(name)):
            (by_then if name in rebound else given).append(f"{name} {text}")
    parts = []
    if given:
        parts.append(f"it was called with {', '.join(given[:MOST_ARGUMENTS])}")
    if by_then:
        parts.append(f"by then it had {', '.join(by_then[:MOST_ARGUMENTS])}")
    return ", and ".join(parts)


def arguments(args: tuple[Any, ...], options: dict[str, Any]) -> str:
    """Return the shapes of arguments, as a clause; empty if none has one."""
    found = [_described(each) for each in args]
    found += [f"{name} {text}" for name, each in options.items() if (text := _described(each))]
    listed = ", ".join(filter(None, found[:MOST_ARGUMENTS]))
    return f"it was called with {listed}" if listed else ""


def _described(value: Any) -> str:
    """Return the shape of an array, or a small number; empty for all else."""
    shape = getattr(value, "shape", None)
    if shape is not None:
        try:
            return str(tuple(int(side) for side in shape))
        except (TypeError, ValueError):
            return ""
    small = isinstance(value, int) and not isinstance(value, bool)
    return str(value) if small and len(str(value)) <= MOST_DIGITS else ""
