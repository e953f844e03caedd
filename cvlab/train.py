"""The one training loop of the course: ``fit(model, train, validation)`` gives a ``History``.

It is the loop that every chapter would otherwise write again: batches in a new order each epoch,
forward, loss, backward, step, then a look at the validation set. Nothing is hidden that a plain
loop does not do; with the same seed and order a plain loop gives the same parameters, bit for bit.
"""

from __future__ import annotations

import contextlib
import copy
import io
import math
import os
import time
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from numbers import Real
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

import numpy as np

import cvlab

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
    return _share_right(outputs, targets)


def _share_right(outputs: torch.Tensor, targets: torch.Tensor) -> float:
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
    augment: Callable[[torch.Tensor, torch.Tensor], tuple[torch.Tensor, torch.Tensor]]
    | None = None,
    average: float | None = None,
    metrics: Mapping[str, Callable[[torch.Tensor, torch.Tensor], float]] | None = None,
    callbacks: Sequence[Callable[[State], Any]] = (),
    patience: int | None = None,
    checkpoint: str | os.PathLike[str] | None = None,
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
        augment: (inputs, targets) -> the pair to train on instead, for each batch on its device;
            flips, cutout, mixup (whose targets are probabilities). It draws from torch's global
            generator, which ``seed`` sets.
        average: decay of an exponential moving average of all weights and buffers, taken after
            each step (0.99 remembers about 100). Measurements, callbacks and the model at the end
            have the averaged weights.
        metrics: name -> function of (outputs, targets); by default accuracy where the targets are
            class indices. ``{}`` measures the loss alone.
        callbacks: functions of a `State`, called after each epoch; a true result ends training.
        patience: end after so many epochs without a lower validation loss, and in any case give
            the model the weights of its best epoch back.
        checkpoint: a file that is written after each epoch. Where it exists, training goes on from
            it, and ends with the same numbers as one that was never interrupted. Random numbers
            that are not torch's are not kept.
        device: ``cvlab.device()`` by default.
        seed: of the order and of dropout; torch's global generators are left as they were.
        progress: show a bar, or in the built book one line at the end.

    Raises:
        TypeError: if an argument is of a type that cannot be used.
        ValueError: if data are empty, not finite or do not fit together, the model or the loss.
        FloatingPointError: if the loss is no longer finite; the step that it asks for is not taken.
        OSError: if the checkpoint cannot be written; the one before stays.

    >>> import torch
    >>> x = torch.linspace(-1, 1, 32)[:, None]
    >>> sgd = lambda parameters: torch.optim.SGD(parameters, lr=0.5)
    >>> history = fit(torch.nn.Linear(1, 1), (x, 3 * x), loss=torch.nn.functional.mse_loss,
    ...               optimiser=sgd, epochs=50, progress=False)
    >>> history.last("train loss") < 1e-6
    True
    """
    import torch

    _check_functions(model, loss, metrics, callbacks, augment)
    _check_counts(epochs, batch_size, patience, validation, seed)
    device = cvlab.device() if device is None else _usable(device)
    parameters = _trainable(model)
    order = torch.Generator().manual_seed(int(seed))
    place = {"device": device, "dtype": parameters[0].dtype}
    train = _Batches(train, "train", batch_size, place, generator=order)
    if validation is not None:
        validation = _Batches(validation, "validation", batch_size, place)
    model.to(device)
    optimiser = _made_optimiser(optimiser, parameters)
    scheduler = None if schedule is None else _made_scheduler(schedule, optimiser)
    loss = torch.nn.functional.cross_entropy if loss is None else loss
    averages = None if average is None else _Average(model, average)
    run = _Run(model, loss, optimiser, scheduler, metrics, augment, averages)
    saved = None if checkpoint is None else _Checkpoint(checkpoint, train, seed, batch_size)

    started = time.perf_counter()
    with _isolated(model, seed, device) as modes, _bar(epochs, train, run, progress) as bar:
        if saved is not None:
            saved.restore(run)
            bar.update(run.history.epochs * len(train))
        before = run.history.seconds
        while not run.finished and run.history.epochs < epochs:
            bar.set_description(f"epoch {run.history.epochs + 1}/{epochs}")
            _set_modes(modes)
            _train_epoch(run, train, bar)
            model.eval()
            with run.averaged():
                _end_epoch(run, validation, callbacks, patience)
            bar.set_postfix_str(str(run.history).partition(": ")[2])
            run.history.seconds = before + time.perf_counter() - started
            if saved is not None:
                saved.write(run)
    run.take_final_weights()
    run.history.stopped_early = run.history.epochs < epochs
    return run.history


@dataclass
class _Run:
    """What changes while a model is trained, and what changes it."""

    model: torch.nn.Module
    loss: Callable[..., Any]
    optimiser: torch.optim.Optimizer
    scheduler: Any
    metrics: Any
    augment: Callable[..., Any] | None
    average: _Average | None
    history: History = field(default_factory=History)
    best: dict[str, torch.Tensor] | None = None
    finished: bool = False

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

    def take_final_weights(self) -> None:
        """Give the model the weights of its best epoch, or the average, or leave it as it is."""
        if self.best is not None:
            self.model.load_state_dict(self.best)
        elif self.average is not None:
            self.model.load_state_dict(self.average.state)


class _Average:
    """Exponential moving average of a model's weights and buffers."""

    def __init__(self, model: torch.nn.Module, decay: float) -> None:
        if isinstance(decay, bool) or not isinstance(decay, Real):
            raise TypeError(f"average must be a number, not {type(decay).__name__}.")
        if not 0 <= decay < 1:
            raise ValueError(f"average must be at least 0 and below 1, such as 0.99; not {decay}.")
        self.decay, self.steps = float(decay), 0
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


def _train_epoch(run: _Run, batches: _Batches, bar: Any) -> None:
    """Take one step for each batch; record what was measured on the way."""
    epoch, means = run.history.epochs + 1, _Means(run.metrics)
    for batch, (inputs, targets) in enumerate(batches, start=1):
        if run.augment is not None:
            inputs, targets = _augmented(run.augment, inputs, targets)
        outputs, value = _forward(run.model, run.loss, inputs, targets)
        number = _finite(value, inputs, f"train loss in epoch {epoch}, batch {batch}")
        means.add(number, outputs, targets)
        run.optimiser.zero_grad()
        value.backward()
        run.optimiser.step()
        if run.scheduler is not None:
            run.scheduler.step()
        if run.average is not None:
            run.average.update(run.model)
        bar.update()
    run.history.record("train", means.result())


def _augmented(
    augment: Callable[..., Any], inputs: torch.Tensor, targets: torch.Tensor
) -> tuple[torch.Tensor, torch.Tensor]:
    import torch

    with torch.no_grad():
        changed = augment(inputs, targets)
    is_pair = isinstance(changed, tuple) and len(changed) == 2
    if not is_pair or not all(isinstance(part, torch.Tensor) for part in changed):
        raise TypeError("augment must return a pair (inputs, targets) of tensors.")
    if any(part.ndim == 0 for part in changed) or len(changed[0]) == 0:
        raise ValueError("augment returned no samples; give back at least one of a batch.")
    if len(changed[0]) != len(changed[1]):
        raise ValueError(
            f"augment returned {len(changed[0])} inputs but {len(changed[1])} targets; "
            "give one target a sample."
        )
    return changed


def _end_epoch(
    run: _Run, validation: _Batches | None, callbacks: Any, patience: int | None
) -> None:
    """Measure, remember the best weights, call the callbacks, and see whether this is the end."""
    epoch = run.history.epochs
    if validation is not None:
        run.history.record("validation", _measured(run, validation, epoch))
    if patience is not None and run.history.best_epoch == epoch:
        run.best = copy.deepcopy(run.model.state_dict())
    waited = epoch - (run.history.best_epoch or epoch)
    state = State(epoch, run.model, run.optimiser, run.history)
    stops = [callback(state) for callback in callbacks]
    run.finished = any(stops) or waited >= (patience or math.inf)


def _measured(run: _Run, batches: _Batches, epoch: int) -> dict[str, float]:
    """Measure the model, already in evaluation mode, on every batch."""
    import torch

    means = _Means(run.metrics)
    with torch.no_grad():
        for batch, (inputs, targets) in enumerate(batches, start=1):
            outputs, value = _forward(run.model, run.loss, inputs, targets)
            where = f"validation loss after epoch {epoch}, batch {batch},"
            means.add(_finite(value, inputs, where), outputs, targets)
    return means.result()


class _Checkpoint:
    """A file with all that a run needs to go on as if it had never been interrupted."""

    def __init__(
        self, path: str | os.PathLike[str], train: _Batches, seed: int, batch_size: int
    ) -> None:
        if not isinstance(path, str | os.PathLike):
            raise TypeError(f"checkpoint must be the path of a file, not {type(path).__name__}.")
        self.path, self._train = Path(path), train
        if self.path.is_dir():
            raise ValueError(f"checkpoint {str(self.path)!r} is a folder; name a file in it.")
        self._settings = {"seed": int(seed), "batch size": int(batch_size)}

    def write(self, run: _Run) -> None:
        """Replace the file by the present state, at once or not at all."""
        import torch

        state = {
            "settings": self._settings,
            "model": run.model.state_dict(),
            "optimiser": run.optimiser.state_dict(),
            "scheduler": None if run.scheduler is None else run.scheduler.state_dict(),
            "average": None if run.average is None else (run.average.steps, run.average.state),
            "best": run.best,
            "history": dict(run.history),
            "seconds": run.history.seconds,
            "finished": run.finished,
            "order": [generator.get_state() for generator in self._train.generators],
            "random": _generator_states(),
        }
        packed = io.BytesIO()
        torch.save(state, packed)
        part = self.path.with_name(self.path.name + ".part")
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            part.write_bytes(packed.getbuffer())
            os.replace(part, self.path)
        except OSError as error:
            with contextlib.suppress(OSError):
                part.unlink(missing_ok=True)
            raise OSError(
                f"the checkpoint {str(self.path)!r} cannot be written ({_first_line(error)}); "
                "the one of the epoch before, if any, is untouched."
            ) from error

    def restore(self, run: _Run) -> None:
        """Put a run where the file left it; leave it alone where there is no file."""
        state = self._read()
        if state is None:
            return
        for name, value in self._settings.items():
            if state["settings"][name] != value:
                raise ValueError(
                    f"the checkpoint {str(self.path)!r} is of a run with {name} "
                    f"{state['settings'][name]}, not {value}; remove it or name another file."
                )
        parts = [(run.scheduler, state["scheduler"]), (run.average, state["average"])]
        if any((part is None) != (kept is None) for part, kept in parts):
            raise ValueError(self._other_run("a schedule or an average is missing"))
        try:
            run.model.load_state_dict(state["model"])
            run.optimiser.load_state_dict(state["optimiser"])
            if run.scheduler is not None:
                run.scheduler.load_state_dict(state["scheduler"])
            if run.average is not None:
                run.average.steps, averaged = state["average"]
                for name, value in run.average.state.items():
                    value.copy_(averaged[name])
            for generator, kept in zip(self._train.generators, state["order"], strict=True):
                generator.set_state(kept)
        except (RuntimeError, ValueError, KeyError) as error:
            raise ValueError(self._other_run(_first_line(error))) from error
        _set_generator_states(state["random"])
        run.best, run.finished = state["best"], state["finished"]
        run.history.update(state["history"])
        run.history.seconds = state["seconds"]

    def _other_run(self, why: str) -> str:
        return (
            f"the checkpoint {str(self.path)!r} is of another model, optimiser or schedule "
            f"({why}); remove it or name another file."
        )

    def _read(self) -> dict[str, Any] | None:
        import torch

        if not self.path.exists():
            return None
        try:
            # Only tensors and plain values are read: a file from elsewhere cannot run code.
            state = torch.load(self.path, map_location="cpu", weights_only=True)
            if state.keys() >= {"settings", "model", "history", "random"}:
                return state
            why = "it holds something else"
        except Exception as error:  # whatever a damaged file makes pickle or zip do
            why = _first_line(error)
        raise ValueError(
            f"{str(self.path)!r} is no checkpoint of `fit` ({why}); remove it or name another file."
        )


def _generator_states() -> dict[str, Any]:
    import torch

    on_gpu = torch.cuda.is_available() and torch.cuda.is_initialized()
    return {
        "cpu": torch.default_generator.get_state(),
        "cuda": torch.cuda.get_rng_state_all() if on_gpu else [],
    }


def _set_generator_states(states: Mapping[str, Any]) -> None:
    import torch

    torch.default_generator.set_state(states["cpu"])
    if states["cuda"] and torch.cuda.device_count() == len(states["cuda"]):
        torch.cuda.set_rng_state_all(states["cuda"])


def _check_functions(model: Any, loss: Any, metrics: Any, callbacks: Any, augment: Any) -> None:
    """Refuse arguments that are no functions before any training time is lost."""
    import torch

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


def _check_counts(epochs: Any, batch_size: Any, patience: Any, validation: Any, seed: Any) -> None:
    counts = {"epochs": (epochs, 1), "batch_size": (batch_size, 1), "seed": (seed, 0)}
    if patience is not None:
        counts["patience"] = (patience, 1)
        if validation is None:
            raise ValueError("patience watches the validation loss: give a validation set.")
    for name, (value, least) in counts.items():
        if isinstance(value, bool) or not isinstance(value, (int, np.integer)):
            raise TypeError(f"{name} must be an integer, not {type(value).__name__}.")
        if value < least:
            raise ValueError(f"{name} must be at least {least}, not {value}.")


def _trainable(model: torch.nn.Module) -> list[torch.nn.Parameter]:
    parameters = [parameter for parameter in model.parameters() if parameter.requires_grad]
    if not parameters:
        raise ValueError("the model has no parameter that requires a gradient: nothing to train.")
    return parameters


def _usable(device: torch.device | str) -> torch.device:
    import torch

    try:
        chosen = torch.device(device)
        torch.empty(0, device=chosen)
    except (RuntimeError, AssertionError) as error:
        raise ValueError(f"device {device!r} cannot be used on this machine; try 'cpu'.") from error
    return chosen


def _made_optimiser(make: Any, parameters: list[torch.nn.Parameter]) -> torch.optim.Optimizer:
    import torch

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


def _made_scheduler(make: Any, optimiser: torch.optim.Optimizer) -> Any:
    import torch

    made = make(optimiser) if callable(make) else make
    plateau = isinstance(made, torch.optim.lr_scheduler.ReduceLROnPlateau)
    known = isinstance(made, torch.optim.lr_scheduler.LRScheduler)
    if plateau or not callable(make) or not known:
        raise TypeError(
            "schedule must be a function from the optimiser to a scheduler of torch that steps "
            f"without a measurement; got {type(made).__name__}."
        )
    return made


class _Batches:
    """Batches (inputs, targets) on the device, afresh and in a new order at each iteration."""

    def __init__(
        self,
        source: Any,
        name: str,
        batch_size: int,
        place: Mapping[str, Any],
        generator: torch.Generator | None = None,
    ) -> None:
        import torch
        from torch.utils.data import DataLoader

        self._name, self._place, self._pair, self._order = name, place, None, None
        if isinstance(source, DataLoader):
            self._loader = source
            return
        if callable(getattr(source, "torch", None)):  # a set of cvlab.data, not yet a torch one
            source = source.torch()
        if isinstance(source, (tuple, list)):
            self._pair = _checked_pair(source, name, place)
        elif not hasattr(source, "__getitem__") or not hasattr(source, "__len__"):
            raise TypeError(
                f"{name} must be a pair (inputs, targets), a Dataset with a length or a DataLoader,"
                f" not {type(source).__name__}."
            )
        samples = len(source) if self._pair is None else len(self._pair[0])
        if samples == 0:
            raise ValueError(f"{name} holds no samples.")
        self._order = _Order(samples, batch_size, generator)
        if self._pair is None:
            # A loader draws a seed for its workers; drawn from the global generator, it would
            # make dropout differ between a Dataset and the same samples as tensors.
            self._loader = DataLoader(
                source, batch_sampler=self._order, collate_fn=_stacked, generator=torch.Generator()
            )

    @property
    def generators(self) -> list[torch.Generator]:
        """The generators that the order of the samples is drawn from, apart from torch's own."""
        if self._order is not None:
            return [self._order.generator] if self._order.generator is not None else []
        own = [
            getattr(self._loader, "generator", None),
            getattr(self._loader.sampler, "generator", None),
        ]
        return [g for i, g in enumerate(own) if g is not None and g not in own[:i]]

    def __len__(self) -> int:
        return len(self._order) if self._pair is not None else len(self._loader)

    def __iter__(self) -> Iterator[tuple[torch.Tensor, torch.Tensor]]:
        if self._pair is not None:
            inputs, targets = self._pair
            for chosen in self._order.tensors(inputs.device):
                yield inputs[chosen], targets[chosen]
            return
        batch = None
        for batch in self._loader:
            yield _placed(*_checked_batch(batch, self._name), self._name, self._place)
        if batch is None:
            raise ValueError(f"{self._name} gave no batch: its loader is empty or drops the last.")


class _Order:
    """The sample numbers of each batch, shuffled anew by a generator of their own if there is one.

    A batch sampler for torch's ``DataLoader``; ``tensors`` gives the same numbers without a list.
    """

    def __init__(self, samples: int, batch_size: int, generator: torch.Generator | None) -> None:
        self._samples, self._batch_size, self.generator = samples, int(batch_size), generator

    def __len__(self) -> int:
        return math.ceil(self._samples / self._batch_size)

    def tensors(self, device: torch.device | str = "cpu") -> Sequence[torch.Tensor]:
        import torch

        if self.generator is None:
            order = torch.arange(self._samples)
        else:
            order = torch.randperm(self._samples, generator=self.generator)
        return order.to(device).split(self._batch_size)

    def __iter__(self) -> Iterator[list[int]]:
        for chosen in self.tensors():
            yield chosen.tolist()


def _stacked(samples: list[Any]) -> Any:
    from torch.utils.data import default_collate

    try:
        return default_collate(samples)
    except (RuntimeError, TypeError) as error:
        raise ValueError(
            f"the samples do not stack into a batch ({_first_line(error)}): give them one shape and"
            " numeric targets, or pass a DataLoader with its own collate_fn."
        ) from error


def _checked_pair(
    pair: Sequence[Any], name: str, place: Mapping[str, Any]
) -> tuple[torch.Tensor, torch.Tensor]:
    """Turn two arrays into tensors on the device, or say what is wrong with them."""
    if len(pair) != 2:
        raise TypeError(f"{name} must be a pair (inputs, targets), not {len(pair)} parts.")
    inputs, targets = _as_tensor(pair[0], f"{name} inputs"), _as_tensor(pair[1], f"{name} targets")
    if len(inputs) != len(targets):
        raise ValueError(
            f"{name} has {len(inputs)} inputs but {len(targets)} targets; give one target a sample."
        )
    for what, values in (("inputs", inputs), ("targets", targets)):
        if values.sum().isfinite():  # one quick pass; only a suspect sum is looked into
            continue
        broken = ~values[:, None].isfinite().flatten(1).all(dim=1)
        if broken.any():
            raise ValueError(
                f"{name} {what} hold NaN or infinite values in {int(broken.sum())} of "
                f"{len(values)} samples;"
                " remove or replace them."
            )
    return _placed(inputs, targets, name, place)


def _as_tensor(values: Any, what: str) -> torch.Tensor:
    import torch

    if not isinstance(values, torch.Tensor):
        if not (isinstance(values, (list, tuple)) or hasattr(values, "__array__")):
            raise TypeError(f"{what} must be an array or a tensor, not {type(values).__name__}.")
        try:
            # torch shares memory only with contiguous arrays, and warns about read-only ones.
            values = torch.from_numpy(np.require(np.asarray(values), requirements=["C", "W"]))
        except (TypeError, ValueError) as error:
            raise TypeError(
                f"{what} must be an array of numbers of one shape ({_first_line(error)})."
            ) from error
    if values.ndim == 0:
        raise ValueError(f"{what} must have samples along a first axis, not be a single number.")
    return values.detach()


def _checked_batch(batch: Any, name: str) -> tuple[torch.Tensor, torch.Tensor]:
    import torch

    is_pair = isinstance(batch, (tuple, list)) and len(batch) == 2
    if not is_pair or not all(isinstance(part, torch.Tensor) for part in batch):
        raise TypeError(f"each batch of {name} must be a pair (inputs, targets) of tensors.")
    if batch[0].ndim == 0 or batch[1].ndim == 0 or len(batch[0]) != len(batch[1]):
        raise ValueError(
            f"a batch of {name} has inputs {tuple(batch[0].shape)} but targets "
            f"{tuple(batch[1].shape)}: both need one entry a sample."
        )
    return batch[0], batch[1]


def _placed(
    inputs: torch.Tensor, targets: torch.Tensor, name: str, place: Mapping[str, Any]
) -> tuple[torch.Tensor, torch.Tensor]:
    """Move a pair to the device and to the types that the model and the usual losses take."""
    import torch

    if inputs.dtype in (torch.uint8, torch.int8):
        raise TypeError(
            f"{name} inputs are {str(inputs.dtype).removeprefix('torch.')}; convert pixels to "
            "floats in [0, 1] first."
        )
    device, dtype = place["device"], place["dtype"]
    inputs = inputs.to(device, dtype if inputs.is_floating_point() else None)
    if targets.is_floating_point():
        return inputs, targets.to(device, dtype)
    is_index = targets.dtype != torch.bool and not targets.is_complex()
    return inputs, targets.to(device, torch.int64 if is_index else None)


def _forward(
    model: torch.nn.Module, loss: Callable[..., Any], inputs: torch.Tensor, targets: torch.Tensor
) -> tuple[Any, torch.Tensor]:
    """Return the outputs and the loss, and say in one sentence which of the two refused what."""
    import torch

    refusals = (RuntimeError, ValueError, IndexError, UserWarning)
    try:
        outputs = model(inputs)
    except refusals as error:
        _refuse("the model does not take", error, inputs=inputs)
    try:
        value = loss(outputs, targets)
    except refusals as error:
        _refuse("the loss does not take", error, outputs=outputs, targets=targets)
    if not isinstance(value, torch.Tensor) or value.numel() != 1:
        found = f"shape {tuple(value.shape)}" if hasattr(value, "shape") else type(value).__name__
        raise ValueError(f"the loss must be one number a batch, as a tensor; it is {found}.")
    if torch.is_grad_enabled() and not value.requires_grad:
        raise ValueError(
            "the loss does not depend on the model's parameters: was it detached or turned into "
            "a NumPy array on the way?"
        )
    return outputs, value


def _refuse(refusal: str, error: Exception, **tensors: Any) -> NoReturn:
    """Add the shapes and types to what torch says about arguments that do not fit."""
    import torch

    if isinstance(error, (NotImplementedError, torch.OutOfMemoryError)):
        raise error  # an exercise not yet written, and a fault of no argument
    described = " and ".join(
        f"{name} {tuple(tensor.shape)} {str(tensor.dtype).removeprefix('torch.')}"
        if isinstance(tensor, torch.Tensor)
        else f"{name} of type {type(tensor).__name__}"
        for name, tensor in tensors.items()
    )
    raise ValueError(f"{refusal} {described}: {_first_line(error)}.") from error


def _first_line(error: BaseException) -> str:
    return str(error).strip().split("\n")[0].rstrip(".")


def _finite(value: torch.Tensor, inputs: torch.Tensor, where: str) -> float:
    """Return the loss as a number, or stop before a step would spoil the parameters."""
    number = value.item()
    if not math.isfinite(number):
        advice = "try a lower learning rate, ten times to begin with"
        if not inputs.isfinite().all():
            advice = "the inputs of this batch are not finite, so clean the data"
        raise FloatingPointError(f"{where} is {number}: {advice}.")
    return number


class _Means:
    """Averages of the loss and the metrics over batches, weighted by their sizes."""

    def __init__(self, metrics: Mapping[str, Callable[..., float]] | None) -> None:
        self._metrics, self._sums, self._samples = metrics, {"loss": 0.0}, 0

    def add(self, loss: float, outputs: Any, targets: torch.Tensor) -> None:
        import torch

        if self._metrics is None:
            self._metrics = {"accuracy": _share_right} if _are_scores(outputs, targets) else {}
        self._samples += len(targets)
        self._sums["loss"] += len(targets) * loss
        with torch.no_grad():
            for name, metric in self._metrics.items():
                value = _one_number(name, metric(outputs, targets))
                self._sums[name] = self._sums.get(name, 0.0) + len(targets) * value

    def result(self) -> dict[str, float]:
        return {name: total / self._samples for name, total in self._sums.items()}


def _are_scores(outputs: Any, targets: torch.Tensor) -> bool:
    import torch

    if not isinstance(outputs, torch.Tensor) or outputs.ndim < 2:
        return False
    return targets.dtype == torch.int64 and (len(outputs), *outputs.shape[2:]) == targets.shape


def _one_number(name: str, value: Any) -> float:
    try:
        return float(value)
    except (TypeError, ValueError, RuntimeError) as error:
        raise TypeError(
            f"metric {name!r} must return one number, not {type(value).__name__}."
        ) from error


@contextlib.contextmanager
def _isolated(
    model: torch.nn.Module, seed: int, device: torch.device
) -> Iterator[dict[torch.nn.Module, bool]]:
    """Let a run neither depend on its surroundings nor change them; yield the training modes."""
    with _modes(model) as modes, _random_numbers(seed, device), _broadcasting_refused():
        yield modes


@contextlib.contextmanager
def _modes(model: torch.nn.Module) -> Iterator[dict[torch.nn.Module, bool]]:
    """Yield each module's mode for training; give all of them their own mode back at the end."""
    before = {module: module.training for module in model.modules()}
    if not model.training:
        model.train()
    try:
        yield {module: module.training for module in model.modules()}
    finally:
        _set_modes(before)


def _set_modes(modes: Mapping[torch.nn.Module, bool]) -> None:
    for module, training in modes.items():
        module.training = training


@contextlib.contextmanager
def _random_numbers(seed: int, device: torch.device) -> Iterator[None]:
    """Let dropout draw from generators seeded here; the caller's come back as they were."""
    import torch

    on_gpu = device.type == "cuda"
    with torch.random.fork_rng(range(torch.cuda.device_count()) if on_gpu else []):
        torch.default_generator.manual_seed(int(seed))
        if on_gpu:
            torch.cuda.manual_seed_all(int(seed))
        yield


@contextlib.contextmanager
def _broadcasting_refused() -> Iterator[None]:
    """Outputs (N, 1) and targets (N,) broadcast to a table (N, N), of which torch only warns."""
    with warnings.catch_warnings():
        warnings.filterwarnings("error", message="Using a target size")
        yield


@contextlib.contextmanager
def _bar(epochs: int, batches: _Batches, run: _Run, progress: bool) -> Iterator[Any]:
    """Yield a progress bar over all batches; in the built book it is silent, and one line follows.

    The line has no times in it, so that an unchanged page stays the same.
    """
    with warnings.catch_warnings():
        # Importing it warns where a notebook lacks ipywidgets; the plain bar then does as well.
        warnings.simplefilter("ignore")
        from tqdm.auto import tqdm
    try:
        total = epochs * len(batches)
    except TypeError:  # a loader over a stream has no length
        total = None
    static = os.environ.get("CVLAB_STATIC") == "1"
    with tqdm(total=total, unit="batch", disable=static or not progress) as bar:
        yield bar
        bar.total = bar.n  # so that an early stop is not drawn as a failure
        bar.refresh()
    if static and progress:
        print(run.history)
