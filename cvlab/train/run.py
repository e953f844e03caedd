"""What changes while a model is trained: its history, its best and its averaged weights."""

from __future__ import annotations

import contextlib
import copy
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import torch

from cvlab.train.history import History, State


class Average:
    """Exponential moving average of a model's weights and buffers."""

    def __init__(self, model: torch.nn.Module, decay: float) -> None:
        self.decay, self.steps = decay, 0
        self.state = copy.deepcopy(model.state_dict())

    def update(self, model: torch.nn.Module) -> None:
        """Take the model's state in; the first one is copied, so that nothing is left of zero."""
        weight = 1 - self.decay if self.steps else 1.0
        self.steps += 1
        for name, value in model.state_dict().items():
            mean = self.state[name]
            if mean.is_floating_point():
                mean.lerp_(value, weight)
            else:
                mean.copy_(value)

    def restore(self, steps: int, state: Mapping[str, torch.Tensor]) -> None:
        """Go on from an average that was kept."""
        self.steps = steps
        for name, value in self.state.items():
            value.copy_(state[name])


@dataclass
class Run:
    """A model, what it is trained with, and how far it has come.

    ``forward``, ``loss`` and ``augment`` are the caller's functions, wrapped by ``refusals``.
    """

    model: torch.nn.Module
    forward: Callable[[torch.Tensor], Any]
    loss: Callable[[Any, torch.Tensor], torch.Tensor]
    optimiser: torch.optim.Optimizer
    scheduler: torch.optim.lr_scheduler.LRScheduler | None
    augment: Callable[..., tuple[torch.Tensor, torch.Tensor]] | None
    metrics: Mapping[str, Callable[..., float]] | None
    average: Average | None
    callbacks: Sequence[Callable[[State], Any]] = ()
    patience: int | None = None
    history: History = field(default_factory=History)
    best: dict[str, torch.Tensor] | None = None
    stopped: bool = False  # by a callback

    @contextlib.contextmanager
    def averaged(self) -> Iterator[None]:
        """Give the model its averaged weights for a while, if there are any."""
        if self.average is None:
            yield
            return
        raw = copy.deepcopy(self.model.state_dict())
        self.model.load_state_dict(self.average.state)
        try:
            yield
        finally:
            self.model.load_state_dict(raw)

    def end_epoch(self) -> None:
        """Remember the best weights, call the callbacks, and see whether this is the end."""
        epoch = self.history.epochs
        if self.patience is not None and self.history.best_epoch == epoch:
            self.best = copy.deepcopy(self.model.state_dict())
        state = State(epoch, self.model, self.optimiser, self.history)
        stops = [callback(state) for callback in self.callbacks]  # all of them, whoever says stop
        self.stopped = any(stops)

    @property
    def finished(self) -> bool:
        """Whether a callback has ended training, or too many epochs without a better one."""
        late = self.patience is not None and self.history.patient_until(self.patience)
        return self.stopped or bool(late)

    def take_final_weights(self) -> None:
        """Give the model the weights of its best epoch, or the average, or leave it as it is."""
        if self.best is not None:
            self.model.load_state_dict(self.best)
        elif self.average is not None:
            self.model.load_state_dict(self.average.state)
