"""Self-checks of the exercises: a student sees at once what is wrong, in one sentence.

A task's check is a function that takes the student's function::

    @check.task("pairwise-distances", points=3)
    def check_pairwise_distances(pairwise_distances):
        result = pairwise_distances(np.array([[0.0, 0.0]]), np.array([[3.0, 4.0]]))
        check.close(result, [[5.0]], hint="did you take the square root?")

    check_pairwise_distances(pairwise_distances)

What the text forbids is declared in one line, and enforced by the check and by the grader alike, in
the task's function and in all that it uses (`cvlab.checking.rules`)::

    @check.task(
        "conv2d",
        points=4,
        see="09_convolution#The convolution layer",
        libraries=("numpy",),
        forbid=("np.convolve",),
        loops=False,
    )

In the solution notebook each named wrong answer is a function of its own that the check must
refuse: ``check.refuses(check_pairwise_distances, squared_distances)``. The self-check helps the
student; it gives no grade, because it runs in the student's own process.

The grade comes from probes and rules, which students never see (`cvlab.classroom.grading`). A probe
calls the student's function on inputs drawn from the grader's seed and returns what it gives; the
grader compares that with what the solution gives. A rule reads the student's code as text::

    @check.probe("pairwise-distances", points=3, hint="look at the root, and at p = 1")
    def random_images(rng):
        queries, gallery = rng.normal(size=(4, 5)), rng.normal(size=(6, 5))
        return [pairwise_distances(queries, gallery, p) for p in (1, 2, np.inf)]

    @check.rule("pairwise-distances", pairwise_distances, hint="write out what you mean")
    def no_star(code):
        return "it imports everything" if "import *" in code else None

A rule is for what no declaration of the task can say.
"""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from cvlab.checking import limits, missing, sources, words
from cvlab.checking.rules import Breach, Rules, breach
from cvlab.checking.statements import Unreadable

__all__ = [
    "CheckFailed",
    "Task",
    "call",
    "close",
    "equal",
    "probe",
    "raises",
    "refuses",
    "rule",
    "shape",
    "task",
    "true",
]


class CheckFailed(AssertionError):
    """One sentence that tells a student what is wrong and what to look at."""

    def _render_traceback_(self) -> list[str]:
        """Show the sentence alone in a notebook: the frames of the checker help nobody."""
        return [f"✗ {self}"]


# How many comparisons the running check has made; a check that compares nothing cannot fail.
_comparisons = 0


def _count() -> None:
    global _comparisons
    _comparisons += 1


class Task:
    """A task's check with its identifier, points and rules; call it with the student's function.

    Attributes:
        identifier: the task's name.
        points: what it is worth.
        see: the chapter and its section to read on.
        rules: what an answer may not use.
    """

    def __init__(
        self,
        identifier: str,
        points: int,
        function: Callable[..., None],
        see: str | None = None,
        rules: Rules | None = None,
    ) -> None:
        self.identifier = identifier
        self.points = points
        self.see = see
        self.rules = rules or Rules()
        self._function = function
        functools.update_wrapper(self, function)

    def __call__(self, *answers: Callable[..., Any]) -> None:
        """Check the student's function and say so when it is right.

        Raises:
            CheckFailed: in one sentence, for whatever is wrong with the answer.
            RuntimeError: if the check compares nothing, which is a fault of the notebook.
        """
        before = _comparisons
        unread = self._keeps_rules(*answers)
        try:
            self._compares(*answers)
        except CheckFailed:
            raise
        except NotImplementedError as error:
            raise CheckFailed(_stopped(answers, error)) from None
        except (Exception, limits.Endless) as error:
            raise CheckFailed(_stopped(answers, error)) from error
        made = _comparisons - before
        if made == 0:
            raise RuntimeError(f"the check of {self.identifier} compares nothing.")
        checks, points = _count_of(made, "check"), _count_of(self.points, "point")
        print(f"✓ {self.identifier}: {checks} passed ({points})")
        for line in (unread, _read_on(self.see)):
            if line:
                print(line)

    def _compares(self, *answers: Callable[..., Any]) -> None:
        with limits.limited():
            self._function(*answers)

    def _keeps_rules(self, *answers: Callable[..., Any]) -> str:
        """Refuse an answer that breaks the task's rules; return a note if nobody can tell.

        Raises:
            CheckFailed: if one does.
        """
        if not self.rules:
            return ""
        unread = []
        for answer in answers:
            try:
                reach = sources.reach(answer, self._function.__globals__)
            except Unreadable:
                unread.append(_name_of(answer))
                continue
            found = breach(self.rules, reach)
            if found is not None:
                name = reach.answer.names[0]
                name = _name_of(answer) if name == sources.ROOT else name
                own = found.text in reach.answer.texts
                raise CheckFailed(_refusal(name, found, own=own))
        if not unread:
            return ""
        return (
            f"  The code of {', '.join(unread)} could not be read here, so that this says nothing "
            "about what the task forbids; the grader reads it."
        )


def _name_of(answer: Any) -> str:
    return getattr(answer, "__name__", str(answer))


def _refusal(name: str, found: Breach, *, own: bool) -> str:
    """Say which rule an answer breaks, where, and what to do."""
    if own:
        return f"{name} {found.clause} in line {found.line} of its cell; {found.advice}."
    return (
        f"{name} uses `{found.owner}`, which {found.clause} in line {found.line} of its cell; "
        f"{found.advice}."
    )


def _read_on(see: str | None) -> str:
    """Say where to read on and where a solution is.

    >>> _read_on("09_convolution#The convolution layer")
    'Read on: chapter 09_convolution, "The convolution layer". A solution: \
solutions/09_convolution.ipynb.'
    """
    if not see:
        return ""
    chapter, _, section = see.partition("#")
    where = f'{chapter}, "{section}"' if section else chapter
    return f"Read on: chapter {where}. A solution: solutions/{chapter}.ipynb."


def _count_of(number: float, unit: str) -> str:
    return f"{number} {unit}" if number == 1 else f"{number} {unit}s"


def _stopped(answers: Sequence[Any], error: BaseException) -> str:
    """Tell in one sentence what stopped answers, where, and with what they were called."""
    names = ", ".join(map(_name_of, answers))
    if isinstance(error, NotImplementedError):
        return (
            f"{names} is not written yet: replace `raise NotImplementedError` by your code, "
            "run its cell, then run this one again."
        )
    steps = words.frames(error.__traceback__, words.codes_of(answers))
    where = words.place(steps)
    if isinstance(error, limits.Endless):
        return (
            f"{names} did not finish within {error.seconds:g} s of computing and was stopped"
            f"{where}: look for a loop that never ends."
        )
    if isinstance(error, NameError) and not isinstance(error, UnboundLocalError):
        name = getattr(error, "name", None) or ""
        if name in missing.SETUP or (name and not steps):
            return missing.sentence(name)
        where += ": is it misspelt, or has the cell that defines it not run"
    if shapes := words.said(error):
        given = words.called_with(steps)
        return f"{names} stopped{where}: {shapes}{'; ' if given else ''}{given}."
    reason = " ".join(str(error).split()).rstrip(".")
    return f"{names} stopped with {type(error).__name__}: {reason}{where}."


def task(
    identifier: str,
    *,
    points: int,
    see: str | None = None,
    libraries: Sequence[str] | None = None,
    forbid: Sequence[str] = (),
    loops: bool = True,
) -> Callable[[Callable[..., None]], Task]:
    """Declare a function as the self-check of a task.

    Args:
        identifier: the task's name, the same as in the cell's ``nbgrader`` metadata.
        points: what the task is worth, a positive integer.
        see: the chapter's file and the title of a section, such as
            ``"09_convolution#The convolution layer"``; shown after success.
        libraries: what the answer and its helpers may import and use besides harmless modules of
            the standard library; anything if left out.
        forbid: names that they may not use, dotted (``"np.convolve"``), of a builtin
            (``"sorted"``), or of any attribute (``".sort"``).
        loops: whether they may loop.

    Raises:
        ValueError: if ``points`` is not positive, ``identifier`` is empty, or a rule is none.
    """
    named = isinstance(identifier, str) and identifier
    if not named or not isinstance(points, int) or isinstance(points, bool) or points < 1:
        raise ValueError("a task needs a name and at least one point, whole points only.")
    rules = Rules(libraries, forbid, loops)  # type: ignore[arg-type]
    missing.watch()

    def declare(function: Callable[..., None]) -> Task:
        missing.answers.update(inspect.signature(function).parameters)
        return Task(identifier, points, function, see, rules)

    return declare


def close(actual: Any, expected: Any, *, hint: str, rtol: float = 1e-6, atol: float = 1e-8) -> None:
    """Compare numbers of the same shape within a tolerance.

    Args:
        actual: what the student's function returned; array, tensor or number.
        expected: the right value.
        hint: what to look at, as a clause or sentence.
        rtol: relative tolerance.
        atol: absolute tolerance.

    Raises:
        CheckFailed: for another type or shape, NaN where none belongs, or a wrong value.

    >>> close([1.0, 2.5], [1.0, 2.0], hint="check the last entry")
    Traceback (most recent call last):
    ...
    cvlab.check.CheckFailed: at index 1 the result is 2.5 but should be 2: check the last entry.
    """
    _count()
    found, wanted = _numbers(actual, hint), _numbers(expected, "the check itself is at fault")
    if found.shape != wanted.shape:
        raise CheckFailed(
            _sentence(f"the result has shape {found.shape} but should have {wanted.shape}", hint)
        )
    wrong = ~np.isclose(found, wanted, rtol=rtol, atol=atol, equal_nan=True)
    if wrong.any():
        index = tuple(int(i) for i in np.argwhere(wrong)[0])
        place = f"at index {index[0] if len(index) == 1 else index} " if index else ""
        shown, right = _told_apart(float(found[index]), float(wanted[index]))
        raise CheckFailed(_sentence(f"{place}the result is {shown} but should be {right}", hint))


def _told_apart(first: float, second: float) -> tuple[str, str]:
    """Return two numbers with as many digits as it takes to see that they differ."""
    for digits in (6, 9, 12, 17):
        shown = f"{first:.{digits}g}", f"{second:.{digits}g}"
        if shown[0] != shown[1]:
            break
    return shown


def _array(value: Any) -> np.ndarray:
    """Return a value as an array of whatever it holds; tensors leave their graph and device."""
    return np.asarray(value.detach().cpu() if hasattr(value, "detach") else value)


def _numbers(actual: Any, hint: str) -> np.ndarray:
    if actual is None:
        raise CheckFailed(_sentence("the function returns nothing: is a `return` missing", hint))
    try:
        found = _array(actual)
    except (TypeError, ValueError):  # such as rows of different lengths
        found = np.array(None)
    if found.dtype.kind not in "biuf":
        raise CheckFailed(
            _sentence(f"the result is a {_kind(actual)}, not an array of numbers", hint)
        )
    return found.astype(float)


def _kind(value: Any) -> str:
    kind = type(value).__name__
    return f"{kind} of {value.dtype}" if isinstance(value, np.ndarray) else kind


def _sentence(what: str, hint: str) -> str:
    return f"{what}: {hint.rstrip('.')}."


def equal(actual: Any, expected: Any, *, hint: str) -> None:
    """Compare exactly: labels, indices, strings, tuples, arrays of integers.

    Raises:
        CheckFailed: if the two differ.

    >>> equal(3, 3, hint="count again")
    """
    _count()
    try:
        if hasattr(expected, "shape") or isinstance(expected, list):
            wanted = _array(expected)
            if wanted.dtype.kind in "biuf":
                _numbers(actual, hint)  # says so if there are none
            found = _array(actual)
            same = found.shape == wanted.shape and bool((found == wanted).all())
        else:
            # An array of one element is no number, whatever `==` says of the two.
            alike = isinstance(actual, tuple) or not isinstance(expected, tuple)
            same = alike and np.ndim(actual) == np.ndim(expected) and bool(actual == expected)
    except (TypeError, ValueError, RuntimeError):  # values that cannot be compared
        same = False
    if not same:
        raise CheckFailed(_sentence(_difference(actual, expected), hint))


def _difference(actual: Any, expected: Any) -> str:
    """Say how two values differ; of long arrays the first entry that does."""
    if hasattr(expected, "shape") or isinstance(expected, list):
        found, wanted = _array(actual), _array(expected)
        if found.shape != wanted.shape:
            return f"the result has shape {found.shape} but should have {wanted.shape}"
        if found.size > 10:
            index = tuple(int(i) for i in np.argwhere(found != wanted)[0])
            place = index[0] if len(index) == 1 else index
            values = _short(found[index].item()), _short(wanted[index].item())
            return f"at index {place} the result is {values[0]} but should be {values[1]}"
    return f"the result is {_short(actual)} but should be {_short(expected)}"


def _short(value: Any) -> str:
    text = " ".join(repr(value).split())
    return text if len(text) <= 80 else text[:77] + "..."


def shape(actual: Any, expected: Sequence[int], *, hint: str) -> None:
    """Compare the shape of an array.

    Raises:
        CheckFailed: if it differs, or if there is no array.
    """
    _count()
    found = _numbers(actual, hint).shape
    if found != tuple(expected):
        raise CheckFailed(
            _sentence(f"the result has shape {found} but should have {tuple(expected)}", hint)
        )


def true(condition: Any, *, hint: str) -> None:
    """Require a condition.

    Raises:
        CheckFailed: with the hint as its sentence, if the condition is false.
    """
    _count()
    value = _array(condition)
    if value.size > 1:
        raise CheckFailed(_sentence("one yes or no was expected, not an array of them", hint))
    if not bool(condition) or (value.dtype.kind == "f" and np.isnan(value).any()):
        raise CheckFailed(hint.rstrip(".") + ".")


def raises(kind: type[Exception], call: Callable[[], Any], *, hint: str) -> None:
    """Require that a call refuses bad input with an exception of a kind.

    Raises:
        CheckFailed: if the call returns or raises something else.
    """
    _count()
    try:
        call()
    except NotImplementedError:
        raise
    except kind:
        return
    except Exception as error:
        raise CheckFailed(
            _sentence(f"bad input raised {type(error).__name__} instead of {kind.__name__}", hint)
        ) from error
    raise CheckFailed(_sentence(f"bad input was accepted, no {kind.__name__} was raised", hint))


def call(function: Callable[..., Any], *args: Any, hint: str, **kwargs: Any) -> Any:
    """Call the answer; if it stops, say so in a sentence with the shapes and a hint.

    Args:
        function: the student's.
        args: what to call it with.
        hint: what is likely to be wrong if it stops here, as a clause or sentence.
        kwargs: what to call it with by name.

    Returns:
        What the answer returns.

    Raises:
        CheckFailed: if it raises an exception.
    """
    try:
        return function(*args, **kwargs)
    except (CheckFailed, NotImplementedError):
        raise
    except Exception as error:
        said = _stopped([function], error).rstrip(".")
        given = "" if "it was called with" in said else words.arguments(args, kwargs)
        raise CheckFailed(_sentence(f"{said}{'; ' if given else ''}{given}", hint)) from error


def refuses(check: Task, *answers: Callable[..., Any], crashes: bool = False) -> None:
    """Assert that a check refuses a named wrong answer, and show the sentence a student reads.

    Args:
        check: the task's check.
        answers: the wrong answer, and whatever else the check takes.
        crashes: the wrong answer is wrong by raising an exception; otherwise an exception is a
            fault of this notebook, not a refusal.

    Raises:
        AssertionError: if the wrong answer passes.
        TypeError: if there is no check or no answer.
    """
    if not isinstance(check, Task) or not answers:
        raise TypeError("refuses takes a check made with @check.task, then the wrong answer.")
    name = _name_of(answers[0])
    try:
        check._keeps_rules(*answers)
        check._compares(*answers)
    except CheckFailed as failure:
        print(f"✓ refused {name}: {failure}")
        return
    except (Exception, limits.Endless) as error:
        if not crashes or isinstance(error, NotImplementedError):
            raise
        print(f"✓ refused {name}: {_stopped([*answers], error)}")
        return
    raise AssertionError(f"the check of {check.identifier} accepts the wrong answer {name}.")


def probe(
    identifier: str,
    *,
    points: float,
    hint: str,
    seconds: float = 5.0,
    normal: Callable[[Any], Any] | None = None,
    **comparison: Any,
) -> Callable[[Callable[[np.random.Generator], Any]], Callable[[np.random.Generator], Any]]:
    """Declare a function as a probe of a task, and try it on the solution at once.

    The function takes a generator, from which it draws its inputs, and returns plain data: what the
    student's function gave. It uses the task's functions, the names of the notebook's first cells
    and what stands in its own cell, nothing else. A value that can be guessed, such as True or the
    name of an exception, is returned together with one that cannot.

    Args:
        identifier: the task's name.
        points: what it is worth; the probes of a task add up to the task's points.
        hint: what a student reads whose values are wrong; no input, no value.
        seconds: how long it may take.
        normal: turns a value into a form in which all right answers are equal; it runs out of the
            student's reach, so what it computes cannot be forged.
        comparison: options of `cvlab.checking.compare.compare`, such as ``rtol``.

    Raises:
        ValueError: if the probe gives other values for the same seed, the same for another, or
            something that is not plain data.
    """
    from cvlab.checking import compare, wire

    def declare(function: Callable[[np.random.Generator], Any]) -> Callable[..., Any]:
        values = [wire.decode(wire.encode(function(_generator(n)))) for n in (0, 0, 1)]
        shown = [normal(value) for value in values] if normal else values
        name = f"the probe {function.__name__} of {identifier}"
        if compare.compare(shown[1], shown[0], **comparison):
            raise ValueError(f"{name} gives two values for one seed; draw only from its generator.")
        if wire.encode(values[2]) == wire.encode(values[0]):
            raise ValueError(f"{name} gives the same for every seed; draw its inputs from it.")
        print(f"✓ {name}: {_count_of(points, 'point')}")
        return function

    return declare


def _generator(seed: int) -> np.random.Generator:
    return np.random.default_rng(seed)


def rule(
    identifier: str, answer: Callable[..., Any], *, hint: str
) -> Callable[[Callable[[str], str | None]], Callable[[str], str | None]]:
    """Declare a function as a rule about a task's code, and try it on the solution at once.

    The function takes the source of an answer, and of the helpers it uses, and returns what breaks
    the rule, as a clause for the student, or None. Whoever breaks it gets no points for the task.

    Args:
        identifier: the task's name.
        answer: the solution's function.
        hint: what to do instead.

    Raises:
        ValueError: if the solution breaks the rule.
    """

    def declare(function: Callable[[str], str | None]) -> Callable[[str], str | None]:
        broken = function(inspect.getsource(answer))
        if broken is not None:
            raise ValueError(f"the solution of {identifier} breaks {function.__name__}: {broken}.")
        print(f"✓ the rule {function.__name__} of {identifier}")
        return function

    return declare
