"""The one training loop of the course: ``fit(model, train, validation)`` gives a ``History``.

It is the loop that every chapter would otherwise write again: batches in a new order each epoch,
forward, loss, backward, step, then a look at the validation set. Nothing is hidden that a plain
loop does not do; with the same seed and order a plain loop gives the same parameters, bit for bit.

Read ``loop`` first; it is a page. The other rooms: ``batches`` (what data ``fit`` takes),
``measures`` (loss and metrics as means), ``history`` (what was measured), ``run`` (what changes
while a model is trained), ``checkpoint`` (stopping and going on), ``arguments`` and ``refusals``
(what is asked of arguments, and of what they give back), ``surroundings`` (seeds and modes) and
``progress``.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from cvlab.train.history import History, State

if TYPE_CHECKING:
    from cvlab.train.loop import fit
    from cvlab.train.measures import accuracy

__all__ = ["History", "State", "accuracy", "fit"]


def __getattr__(name: str) -> Any:
    """Import what needs torch when it is first asked for, so that the package itself is light."""
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from cvlab.train import loop, measures

    return {"accuracy": measures.accuracy, "fit": loop.fit}[name]
