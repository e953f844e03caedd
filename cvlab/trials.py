"""What repeated runs say: the interval of a mean over seeds, the spread between runs, times.

One run of a noisy method is an anecdote. A page trains with some seeds (or on some splits) and
shows one of two numbers behind the ±, and says which:

- the *interval* of the mean: how well the mean is known; with more seeds it shrinks,
- the *spread*: how far one run lies from the mean; more seeds only measure it better.

Two methods that were run with the same seeds are compared by the interval of the differences, seed
by seed: what a seed does to both cancels.

    >>> import numpy as np
    >>> plain, dropout = np.array([91.0, 92.5, 90.2]), np.array([92.1, 93.4, 91.5])
    >>> print(f"{interval(dropout - plain):.2f} points")
    1.10 ± 0.50 points
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from cvlab import _arguments

__all__ = ["Interval", "Spread", "interval", "mean_and_spread", "timed"]


class Interval(NamedTuple):
    """A mean and half the width of its interval; ``f"{interval:.1f}"`` writes "95.2 ± 0.4"."""

    mean: Any  # a number, or an array (...)
    half: Any  # of the same shape

    @property
    def low(self) -> Any:
        """The lower end."""
        return self.mean - self.half

    @property
    def high(self) -> Any:
        """The upper end."""
        return self.mean + self.half

    def __format__(self, spec: str) -> str:
        return f"{self.mean:{spec}} ± {self.half:{spec}}" if spec else str(self)


class Spread(NamedTuple):
    """A mean and the standard deviation of one run; ``f"{spread:.1f}"`` writes "95.2 ± 0.7"."""

    mean: Any  # a number, or an array (...)
    deviation: Any  # of the same shape

    def __format__(self, spec: str) -> str:
        return f"{self.mean:{spec}} ± {self.deviation:{spec}}" if spec else str(self)


def interval(values: ArrayLike, level: float = 0.95) -> Interval:
    """Return the mean over runs and half its confidence interval, by Student's t.

    With S runs whose results are normal, the interval holds the true mean in a share ``level`` of
    all repetitions, however small S is ("Student", Biometrika 6, 1908). The factor 1.96 of the
    normal distribution would hold it in 81 % only with three runs: the deviation is estimated from
    the same three numbers, and Student's factor is 4.30.

    Args:
        values: (S,) or (S, ...) results of S independent runs, at least two, in any unit.
        level: the share of repetitions that the interval covers, between 0 and 1.

    Returns:
        mean and half width, in the unit of the values: numbers, or arrays (...).

    Raises:
        TypeError: if the values or the level are no numbers.
        ValueError: if there are fewer than two runs, one is not finite, or the level is no share.

    >>> round(float(interval([95.0, 96.0, 97.0]).half), 3)
    2.484
    >>> f"{interval([95.0, 96.0, 97.0]):.1f}"
    '96.0 ± 2.5'
    """
    from scipy.special import stdtrit

    level = _arguments.number(level, "level")
    if not 0 < level < 1:
        raise ValueError(f"level must lie between 0 and 1, such as 0.95, not {level:g}.")
    runs = _runs(values)
    quantile = stdtrit(len(runs) - 1, (1 + level) / 2)
    return Interval(runs.mean(axis=0), quantile * runs.std(axis=0, ddof=1) / np.sqrt(len(runs)))


def mean_and_spread(values: ArrayLike) -> Spread:
    """Return the mean over runs and their standard deviation, with S - 1 in the denominator.

    Args:
        values: (S,) or (S, ...) results of S independent runs, at least two, in any unit.

    Returns:
        mean and standard deviation, in the unit of the values: numbers, or arrays (...), as
        ``plot.curves`` takes them for its lines and ``bands``.

    Raises:
        TypeError: if the values are no numbers.
        ValueError: if there are fewer than two runs, or one is not finite.

    >>> f"{mean_and_spread([95.0, 96.0, 97.0]):.1f}"
    '96.0 ± 1.0'
    """
    runs = _runs(values)
    return Spread(runs.mean(axis=0), runs.std(axis=0, ddof=1))


def timed(
    *calls: Callable[[], Any],
    repeats: int = 7,
    summary: Callable[..., np.ndarray] = np.median,
) -> np.ndarray:
    """Return the seconds of each call: the median of repeats, measured in turns.

    The calls take turns, so that a load on the machine falls on all of them alike, and a median
    forgets the few repeats that it falls on. Work on a GPU goes on after a call returns: end such a
    call with ``torch.cuda.synchronize()``. What is computed only once (caches, compilation) counts,
    unless it was called before.

    Args:
        calls: functions without arguments.
        repeats: how often each is called.
        summary: of (repeats, calls) along ``axis=0``; ``np.min`` for the time without any load.

    Returns:
        (calls,) seconds.

    Raises:
        TypeError: if a call is no function, or ``repeats`` no integer.
        ValueError: if there is nothing to call, or ``repeats`` is less than 1.

    >>> timed(lambda: sum(range(10)), lambda: sum(range(100))).shape
    (2,)
    """
    if not calls:
        raise ValueError("timed needs at least one function to call.")
    for call in calls:
        if not callable(call):
            raise TypeError(f"timed calls functions without arguments, not {type(call).__name__}.")
    seconds = np.empty((_arguments.integer(repeats, "repeats", 1), len(calls)))
    for turn in seconds:
        for index, call in enumerate(calls):
            began = time.perf_counter()
            call()
            turn[index] = time.perf_counter() - began
    return summary(seconds, axis=0)


def _runs(values: ArrayLike) -> np.ndarray:
    runs = _arguments.numbers(values, "values", flat=False)
    if runs.ndim == 0 or len(runs) < 2:
        raise ValueError("values must hold at least two runs: one says nothing of their spread.")
    return runs
