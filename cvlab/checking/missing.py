"""A name that is not there: which cell has not run, instead of a traceback.

After a restart nothing is defined, and a check may be run before its answer. Python then stops with
a NameError before any function of ours is called, so IPython is asked to show those of a notebook's
own lines in a sentence.
"""

from __future__ import annotations

from types import TracebackType
from typing import Any

from cvlab.checking import sources

#: What the set-up cells of the course's notebooks define.
SETUP = frozenset(
    {
        *("F", "check", "cv2", "cvlab", "data", "datasets", "features", "math", "metrics"),
        *("nets", "nn", "np", "plot", "plt", "scenes", "scipy", "skimage", "sklearn", "torch"),
        *("torchvision", "train", "widgets"),
    }
)
#: Names of answers that checks of this process take, as their parameters say.
answers: set[str] = set()


def sentence(name: str, *, answer: bool = False) -> str:
    """Return what to do about a name that is not defined."""
    if answer:
        return (
            f"`{name}` is not defined yet: write your answer in its cell above, run that cell, "
            "then this one."
        )
    return (
        f"`{name}` is not defined: run the set-up cell at the top, then the cells of your answers, "
        "then this one again."
    )


def explained(error: NameError, trace: TracebackType | None) -> str:
    """Return a sentence for a name that a cell misses; empty if that is another matter."""
    name = getattr(error, "name", None)
    if not name or isinstance(error, UnboundLocalError):
        return ""
    if name in SETUP:
        return sentence(name)
    while trace is not None and trace.tb_next is not None:
        trace = trace.tb_next
    where = trace.tb_frame.f_code.co_name if trace is not None else ""
    in_cell = where == "<module>" or where.startswith("<cell line")  # as IPython 7 calls it
    return sentence(name, answer=True) if in_cell and name in answers else ""


def watch() -> None:
    """Let the notebook that runs this show such an error as a sentence; once is enough."""
    shell = sources.shell()
    if shell is None or getattr(shell, "_cvlab_watches_names", False):
        return
    others, other = tuple(shell.custom_exceptions), shell.CustomTB

    def show(
        self: Any, kind: type, error: BaseException, trace: Any, tb_offset: int | None = None
    ) -> Any:
        if not isinstance(error, NameError):
            return other(kind, error, trace, tb_offset=tb_offset)
        said = explained(error, trace)
        if said:
            error._render_traceback_ = lambda: [f"✗ {said}"]  # type: ignore[attr-defined]
        elif isinstance(error, others):
            return other(kind, error, trace, tb_offset=tb_offset)
        self.showtraceback((kind, error, trace), tb_offset=tb_offset)
        return None

    shell.set_custom_exc((*others, NameError), show)
    shell._cvlab_watches_names = True
