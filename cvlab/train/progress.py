"""The bar that a run shows while it trains."""

from __future__ import annotations

import contextlib
import os
import warnings
from collections.abc import Iterator
from typing import Any

from cvlab.train.batches import Batches, count
from cvlab.train.history import History


@contextlib.contextmanager
def progress_bar(epochs: int, batches: Batches, history: History, progress: bool) -> Iterator[Any]:
    """Yield a progress bar over all batches; in the built book it is silent, and one line follows.

    The line has no times in it, so that an unchanged page stays the same.
    """
    with warnings.catch_warnings():
        # Importing it warns where a notebook lacks ipywidgets; the plain bar then does as well.
        warnings.simplefilter("ignore")
        from tqdm.auto import tqdm
    each = count(batches)
    total = None if each is None else epochs * each
    static = os.environ.get("CVLAB_STATIC") == "1"
    with tqdm(total=total, unit="batch", disable=static or not progress) as bar:
        yield bar
        bar.total = bar.n  # so that an early stop is not drawn as a failure
        bar.refresh()
    if static and progress:
        print(history)
