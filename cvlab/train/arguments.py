"""What ``fit`` asks of its arguments, each in one sentence, before any training time is lost."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from numbers import Real
from pathlib import Path
from typing import Any

import torch

import cvlab
from cvlab import _arguments


def check_functions(model: Any, loss: Any, metrics: Any, callbacks: Any, augment: Any) -> None:
    """Refuse what cannot be called."""
    if not isinstance(model, torch.nn.Module):
        raise TypeError(f"model must be a torch.nn.Module, not {type(model).__name__}.")
    if loss is not None and not callable(loss):
        raise TypeError(
            f"loss must be a function of (outputs, targets), not {type(loss).__name__}."
        )
    if augment is not None and not callable(augment):
        raise TypeError(
            f"augment must be a function of (inputs, targets), not {type(augment).__name__}."
        )
    if metrics is not None and not isinstance(metrics, Mapping):
        raise TypeError(f"metrics must map names to functions, not {type(metrics).__name__}.")
    for name, metric in (metrics or {}).items():
        if name == "loss" or not callable(metric):
            raise ValueError(f"metric {name!r} must be a function and not be called 'loss'.")
    if not isinstance(callbacks, Sequence) or not all(map(callable, callbacks)):
        raise TypeError("callbacks must be a list of functions that take a State.")


def counts(
    epochs: Any, batch_size: Any, seed: Any, patience: Any, validation: Any
) -> tuple[int, int, int, int | None]:
    """Return epochs, batch size, seed and patience, which needs a validation set."""
    if patience is not None and validation is None:
        raise ValueError("patience watches the validation loss: give a validation set.")
    return (
        _arguments.integer(epochs, "epochs", 1),
        _arguments.integer(batch_size, "batch_size", 1),
        _arguments.integer(seed, "seed", 0),
        None if patience is None else _arguments.integer(patience, "patience", 1),
    )


def usable(device: torch.device | str | None) -> torch.device:
    """Return a device of this machine; None is the course's choice."""
    if device is None:
        return cvlab.device()
    try:
        chosen = torch.device(device)
        torch.empty(0, device=chosen)
    except (RuntimeError, AssertionError) as error:
        raise ValueError(f"device {device!r} cannot be used on this machine; try 'cpu'.") from error
    return chosen


def trainable(model: torch.nn.Module) -> list[torch.nn.Parameter]:
    """Return the parameters that learn, at least one."""
    parameters = [parameter for parameter in model.parameters() if parameter.requires_grad]
    if not parameters:
        raise ValueError("the model has no parameter that requires a gradient: nothing to train.")
    return parameters


def optimiser_of(make: Any, parameters: list[torch.nn.Parameter]) -> torch.optim.Optimizer:
    """Return the optimiser that a function makes, or Adam."""
    if make is None:
        return torch.optim.Adam(parameters, lr=1e-3)
    made = make(parameters) if callable(make) else make
    if not callable(make) or not isinstance(made, torch.optim.Optimizer):
        raise TypeError(
            "optimiser must be a function from parameters to an optimiser, such as "
            f"`lambda parameters: torch.optim.SGD(parameters, lr=0.1)`; got {type(made).__name__}."
        )
    if isinstance(made, torch.optim.LBFGS):
        raise TypeError("LBFGS asks for the loss several times a step; fit gives it once a batch.")
    return made


def scheduler_of(
    make: Any, optimiser: torch.optim.Optimizer
) -> torch.optim.lr_scheduler.LRScheduler | None:
    """Return the scheduler that a function makes, if there is one."""
    if make is None:
        return None
    made = make(optimiser) if callable(make) else make
    plateau = isinstance(made, torch.optim.lr_scheduler.ReduceLROnPlateau)
    known = isinstance(made, torch.optim.lr_scheduler.LRScheduler)
    if plateau or not callable(make) or not known:
        raise TypeError(
            "schedule must be a function from the optimiser to a scheduler of torch that steps "
            f"without a measurement; got {type(made).__name__}."
        )
    return made


def check_length(scheduler: Any, epochs: int, batches: int | None) -> None:
    """Refuse a schedule that is over before training is, where the number of batches is known."""
    most, needed = getattr(scheduler, "total_steps", None), epochs * (batches or 0)
    if isinstance(most, int) and most < needed:
        raise ValueError(
            f"the schedule has {most} steps, but {epochs} epochs of {batches} batches take "
            f"{needed}: give it total_steps={needed}."
        )


def decay(average: Any) -> float:
    """Return the decay of a moving average, from 0 to below 1."""
    if isinstance(average, bool) or not isinstance(average, Real):
        raise TypeError(f"average must be a number, not {type(average).__name__}.")
    if not 0 <= average < 1:
        raise ValueError(f"average must be at least 0 and below 1, such as 0.99; not {average}.")
    return float(average)


def file(checkpoint: Any) -> Path | None:
    """Return the path of a file, which need not exist; None if none is asked for."""
    if checkpoint is None:
        return None
    if not isinstance(checkpoint, str | os.PathLike):
        raise TypeError(f"checkpoint must be the path of a file, not {type(checkpoint).__name__}.")
    path = Path(checkpoint)
    if path.is_dir():
        raise ValueError(f"checkpoint {str(path)!r} is a folder; name a file in it.")
    return path
