"""What is measured while a model is trained: the loss and the metrics, as means over samples."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Any

import torch


def accuracy(outputs: torch.Tensor, targets: torch.Tensor) -> float:
    """Return the share of samples whose highest output is the target's.

    Args:
        outputs: (N, C) or (N, C, H, W) scores, classes along axis 1.
        targets: (N,) or (N, H, W) class indices.

    Raises:
        ValueError: if the shapes do not belong together.

    >>> import torch
    >>> accuracy(torch.tensor([[2.0, 1.0], [0.0, 3.0]]), torch.tensor([0, 0]))
    0.5
    """
    if not _are_scores(outputs, targets):
        raise ValueError(
            f"accuracy takes scores (N, C, ...) and class indices (N, ...), not shapes "
            f"{tuple(outputs.shape)} and {tuple(targets.shape)}."
        )
    return _share_right(outputs, targets)


def _share_right(outputs: torch.Tensor, targets: torch.Tensor) -> float:
    return (outputs.argmax(dim=1) == targets).float().mean().item()


def _are_scores(outputs: Any, targets: torch.Tensor) -> bool:
    if not isinstance(outputs, torch.Tensor) or outputs.ndim < 2:
        return False
    return targets.dtype == torch.int64 and (len(outputs), *outputs.shape[2:]) == targets.shape


class Means:
    """Averages of the loss and the metrics over batches, weighted by their sizes.

    Args:
        metrics: name -> function of (outputs, targets); None measures the accuracy where the
            targets are class indices.
        where: what an error calls the loss of a batch, such as "train loss in epoch 1, batch {}".
    """

    def __init__(self, metrics: Mapping[str, Callable[..., float]] | None, where: str) -> None:
        self._metrics, self._where = metrics, where
        self._sums, self._samples, self._batches = {"loss": 0.0}, 0, 0

    def add(self, loss: torch.Tensor, inputs: Any, outputs: Any, targets: torch.Tensor) -> None:
        """Take a batch in; a loss that is not finite ends the run before a step spoils the model.

        Raises:
            FloatingPointError: if the loss is not finite.
            TypeError: if a metric does not return one number.
        """
        if self._metrics is None:
            self._metrics = {"accuracy": _share_right} if _are_scores(outputs, targets) else {}
        self._batches += 1
        self._sums["loss"] += len(targets) * self._finite(loss, inputs)
        self._samples += len(targets)
        with torch.no_grad():
            for name, metric in self._metrics.items():
                value = _one_number(name, metric(outputs, targets))
                self._sums[name] = self._sums.get(name, 0.0) + len(targets) * value

    def result(self) -> dict[str, float]:
        """Return name -> mean over all samples."""
        return {name: total / self._samples for name, total in self._sums.items()}

    def _finite(self, loss: torch.Tensor, inputs: Any) -> float:
        number = loss.item()
        if not math.isfinite(number):
            advice = "try a lower learning rate, ten times to begin with"
            if not inputs.isfinite().all():
                advice = "the inputs of this batch are not finite, so clean the data"
            where = self._where.format(self._batches)
            raise FloatingPointError(f"{where} is {number}: {advice}.")
        return number


def _one_number(name: str, value: Any) -> float:
    try:
        return float(value)
    except (TypeError, ValueError, RuntimeError) as error:
        raise TypeError(
            f"metric {name!r} must return one number, not {type(value).__name__}."
        ) from error
