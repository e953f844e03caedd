"""Right answers to the tasks in other styles than the solutions', one module an exercise.

All of them have to get all points: `tests/grading/test_probes.py` sees to it. A new exercise has a
module here with at least two answers to each task; it is found by itself.
"""

from __future__ import annotations

import importlib
import pkgutil

OTHERS = {}  # task -> right answers
HELPERS = {}  # answer -> the functions that it calls


def answers(task, *helpers):
    """Enter a right answer to a task, with the functions that it calls."""

    def enter(function):
        OTHERS.setdefault(task, []).append(function)
        HELPERS[function] = helpers
        return function

    return enter


def load():
    """Return the answers of all modules, by task."""
    for module in sorted(each.name for each in pkgutil.iter_modules(__path__)):
        importlib.import_module(f"{__name__}.{module}")
    return OTHERS
