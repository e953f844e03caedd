"""The one training loop of the course: ``fit(model, train, validation)`` gives a ``History``.

It is the loop that every chapter would otherwise write again: batches in a new order each epoch,
forward, loss, backward, step, then a look at the validation set. Nothing is hidden that a plain
loop does not do; with the same seed and order a plain loop gives the same parameters, bit for bit.
"""

from __future__ import annotations

import contextlib
import os
import time
import warnings
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

import cvlab
from cvlab import data

if TYPE_CHECKING:
    import torch

__all__ = ["History", "State", "accuracy", "fit"]


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
    return (outputs.argmax(dim=1) == targets).float().mean().item()


def fit(
    model: torch.nn.Module,
    train: Any,
    validation: Any = None,
    *,
    loss: Callable[[torch.Tensor, torch.Tensor], torch.Tensor] | None = None,
    optimiser: Callable[[list[torch.nn.Parameter]], torch.optim.Optimizer] | None = None,
    schedule: Callable[[torch.optim.Optimizer], Any] | None = None,
    epochs: int = 10,
    batch_size: int = 64,
    metrics: Mapping[str, Callable[[torch.Tensor, torch.Tensor], float]] | None = None,
    callbacks: Sequence[Callable[[State], Any]] = (),
    patience: int | None = None,
    device: torch.device | str | None = None,
    seed: int = 0,
    progress: bool = True,
) -> History:
    """Train ``model`` in place and return what was measured after each epoch.

    ``train`` and ``validation`` are a pair (inputs, targets) of arrays or tensors with samples
    along the first axis, a ``Dataset`` of torch or of ``cvlab.data``, or a ``DataLoader``, which
    keeps its own order and batch size. Pairs move to the device whole. Floating-point values are
    converted to the type of the model's parameters, integer targets to int64.

    Losses and metrics are averages over the samples. Those of ``train`` are taken while the model
    changes, with dropout on, so early ones look worse than the validation's.

    Args:
        model: left on the device; modules frozen with ``eval()`` inside a model in training mode
            stay so. Its modes are afterwards what they were.
        train: the training set, in a new order each epoch.
        validation: measured after each epoch, in evaluation mode.
        loss: (outputs, targets) -> mean over the batch; cross-entropy by default.
        optimiser: parameters -> optimiser; Adam with learning rate 1e-3 by default.
        schedule: optimiser -> learning-rate scheduler of torch, stepped after each *batch*.
        epochs: passes over the training set.
        batch_size: samples a step; the last batch of an epoch may be smaller.
        metrics: name -> function of (outputs, targets); by default accuracy where the targets are
            class indices. ``{}`` measures the loss alone.
        callbacks: functions of a `State`, called after each epoch; a true result ends training.
        patience: end after so many epochs without a lower validation loss, and in any case give
            the model the weights of its best epoch back.
        device: ``cvlab.device()`` by default.
        seed: of the order and of dropout; torch's global generators are left as they were.
        progress: show a bar, or in the built book one line at the end.

    Raises:
        TypeError: if an argument is of a type that cannot be used.
        ValueError: if data are empty, not finite or do not fit together, the model or the loss.
        FloatingPointError: if the loss is no longer finite; the step that it asks for is not taken.

    >>> import torch
    >>> x = torch.linspace(-1, 1, 32)[:, None]
    >>> sgd = lambda parameters: torch.optim.SGD(parameters, lr=0.5)
    >>> history = fit(torch.nn.Linear(1, 1), (x, 3 * x), loss=torch.nn.functional.mse_loss,
    ...               optimiser=sgd, epochs=50, progress=False)
    >>> history.last("train loss") < 1e-6
    True
    """
    import torch

    _check_settings(model, epochs, batch_size, patience, validation, seed, metrics)
    device = cvlab.device() if device is None else torch.device(device)
    parameters = [p for p in model.parameters() if p.requires_grad]
    if not parameters:
        raise ValueError("the model has no parameter that requires a gradient: nothing to train.")
    order = torch.Generator().manual_seed(seed)
    place = {"device": device, "dtype": parameters[0].dtype}
    train = _Batches(train, "train", batch_size, place, generator=order)
    if validation is not None:
        validation = _Batches(validation, "validation", batch_size, place)
    model.to(device)
    loss = torch.nn.functional.cross_entropy if loss is None else loss
    optimiser = _made_optimiser(optimiser, parameters)
    scheduler = None if schedule is None else _made_scheduler(schedule, optimiser)

    history, best, started = History(), None, time.perf_counter()
    with _modes(model) as modes, _random_numbers(seed, device), _bar(epochs, train, progress) as bar:
        for epoch in range(1, epochs + 1):
            bar.set_description(f"epoch {epoch}/{epochs}")
            _set_modes(modes)
            means = _Means(metrics)
            for batch, (inputs, targets) in enumerate(train, start=1):
                outputs, value = _forward(model, loss, inputs, targets)
                _check_finite(value, inputs, f"train loss in epoch {epoch}, batch {batch}")
                optimiser.zero_grad()
                value.backward()
                optimiser.step()
                if scheduler is not None:
                    scheduler.step()
                means.add(value, outputs, targets)
                bar.update()
            history.record("train", means.result())
            model.eval()
            if validation is not None:
                history.record("validation", _measured(model, loss, validation, metrics, epoch))
            bar.set_postfix_str(str(history).partition(": ")[2])
            if patience is not None and history.best_epoch == epoch:
                best = {name: value.clone() for name, value in model.state_dict().items()}
            waited = 0 if patience is None else epoch - history.best_epoch
            stops = [callback(State(epoch, model, optimiser, history)) for callback in callbacks]
            if any(stops) or (patience is not None and waited >= patience):
                break
    if best is not None:
        model.load_state_dict(best)
    history.seconds = time.perf_counter() - started
    history.stopped_early = history.epochs < epochs
    if progress and _is_static():
        print(history)
    return history
