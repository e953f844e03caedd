"""What a training run measured, and what a callback sees of it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import torch


class History(dict):
    """What a training run measured: name -> one value an epoch, in a plain dictionary of lists.

    The names are ``"train loss"``, ``"validation loss"``, ``"train accuracy"`` and so on. Epochs
    count from 1, so ``history["train loss"][0]`` belongs to epoch 1.

    Attributes:
        seconds: how long the run took.
        stopped_early: whether it ended before the last epoch, by ``patience`` or by a callback.

    >>> history = History({"train loss": [0.9, 0.4, 0.3], "validation loss": [1.0, 0.6, 0.8]})
    >>> history.epochs, history.best_epoch, history.last("train loss")
    (3, 2, 0.3)
    >>> print(history)
    3 epochs (best: 2): train loss 0.3, validation loss 0.8
    """

    seconds: float = 0.0
    stopped_early: bool = False

    @property
    def epochs(self) -> int:
        """The number of epochs done."""
        return max(map(len, self.values()), default=0)

    def patient_until(self, patience: int) -> int | None:
        """Return the epoch after which so many had brought no lower validation loss, or None."""
        best = 0
        for epoch, loss in enumerate(self.get("validation loss", ())):
            if loss < self["validation loss"][best]:
                best = epoch
            if epoch - best >= patience:
                return epoch + 1
        return None

    @property
    def best_epoch(self) -> int | None:
        """The first epoch with the lowest validation loss; None without a validation set."""
        losses = self.get("validation loss")
        return losses.index(min(losses)) + 1 if losses else None

    def last(self, name: str) -> float:
        """Return a measurement of the last epoch.

        Raises:
            ValueError: if nothing of that name was measured.
        """
        if not self.get(name):
            raise ValueError(f"nothing was measured as {name!r}; there are {sorted(self)}.")
        return self[name][-1]

    def record(self, part: str, measured: Mapping[str, float]) -> None:
        """Append one epoch's measurements of ``part`` (``"train"`` or ``"validation"``)."""
        for name, value in measured.items():
            self.setdefault(f"{part} {name}", []).append(value)

    def __str__(self) -> str:
        unit = "epoch" if self.epochs == 1 else "epochs"
        best = f" (best: {self.best_epoch})" if self.best_epoch else ""
        values = ", ".join(f"{name} {values[-1]:.3g}" for name, values in self.items() if values)
        return f"{self.epochs} {unit}{best}: {values or 'nothing measured'}"


@dataclass(frozen=True)
class State:
    """What a callback sees after each epoch; the model is in evaluation mode.

    Attributes:
        epoch: epochs done, from 1.
        model: the model, with the parameters at the end of this epoch.
        optimiser: its ``param_groups[0]["lr"]`` is the learning rate of the next batch.
        history: the measurements so far, this epoch's included.
    """

    epoch: int
    model: torch.nn.Module
    optimiser: torch.optim.Optimizer
    history: History
