"""Sentences that say why an answer earns what it earns; none of them holds anything hidden.

A message that comes from a student's box is shown to that student only, and only if no probe has
been in that box before: a function may put its hidden input into the message of an exception.
"""

from __future__ import annotations

import builtins
from collections.abc import Mapping

from cvlab.classroom.grading.box.replay import Reply, Sitting
from cvlab.classroom.grading.intake.answers import Answer

LINES = 200  # of a cell that a reason names; a number has room for hidden inputs
ERRORS = frozenset(
    name
    for name, kind in vars(builtins).items()
    if isinstance(kind, type) and issubclass(kind, BaseException)
)
STUB = "replace `raise NotImplementedError` by your code"
FORM = "What it returns is not of the form that the task asks for."


def stopped(reply: Reply) -> tuple[str, str]:
    """Say what stopped a probe, without a word that a student's code may have chosen.

    Returns:
        The probe's fate, "error" or "wrong", and the sentence.
    """
    kind = reply.name if reply.name in ERRORS else "an exception of its own"
    if reply.line > LINES:
        return "error", f"Called with the grader's input it stops with {kind}."
    if reply.line:
        where = f"line {reply.line} of a cell"
        return "error", f"Called with the grader's input it stops with {kind} in {where}."
    if kind == "NameError":
        return "error", "Its function is not there when the notebook has run."
    # Stopped in the probe itself, which could do nothing with what it got.
    return "wrong", FORM


def own_error(answer: Answer, replies: Mapping[int, Reply]) -> str:
    """Say how a cell of the answer stopped before any probe; empty if none did."""
    for index in answer.cells:
        reply = replies.get(index)
        if reply is not None and reply.fate == "error":
            return cell_error(index, reply)
    return ""


def cell_error(index: int, reply: Reply) -> str:
    """Say how a cell stopped before any probe, in the student's own words."""
    where = f"Cell {index + 1}, line {reply.line}" if reply.line else f"Cell {index + 1}"
    message = " ".join(reply.message.split())
    return sentence(f"{where}: {reply.name}: {message}" if message else f"{where}: {reply.name}")


def ended(cells: tuple[int, ...], reply: Reply) -> str:
    """Say why cells were ended."""
    numbers = ", ".join(str(index + 1) for index in cells)
    return f"Cell {numbers} was ended: {reply.message}."


def fault(sitting: Sitting) -> str:
    """Say why a notebook could not be replayed to its end."""
    if sitting.left <= 0:
        seconds = sitting.policy.total_seconds
        return f"The notebook took longer than {seconds:g} seconds altogether."
    return f"The notebook crashed {sitting.replays} times; the rest of it was not run."


def sentence(text: str) -> str:
    """Return a text with a capital and a full stop; an empty one stays empty.

    >>> sentence("divide by the sum of the row")
    'Divide by the sum of the row.'
    """
    text = text.strip()
    if not text:
        return ""
    text = text[0].upper() + text[1:]
    return text if text[-1] in ".!?" else f"{text}."
