"""The training loop of the course, as one would write it on a blackboard.

``train_epoch`` is the loop over batches, ``evaluate`` looks at the validation set, ``one_epoch``
does both, and ``fit`` repeats it. What they call beside torch checks, measures and remembers.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import torch

from cvlab.train import arguments
from cvlab.train.batches import Batches, batches, count
from cvlab.train.checkpoint import checkpoint_of
from cvlab.train.history import History, State
from cvlab.train.measures import Means
from cvlab.train.progress import progress_bar
from cvlab.train.refusals import explained_augmentation, explained_loss, explained_model
from cvlab.train.run import Average, Run
from cvlab.train.surroundings import isolated, set_modes
from cvlab.train.tensors import Place


def train_epoch(run: Run, train: Batches, bar: Any) -> dict[str, float]:
    """Take one step for each batch; return the means of what was measured on the way."""
    means = Means(run.metrics, f"train loss in epoch {run.history.epochs + 1}, batch {{}}")
    for inputs, targets in train:
        if run.augment is not None:
            inputs, targets = run.augment(inputs, targets)

        outputs = run.forward(inputs)
        loss = run.loss(outputs, targets)
        means.add(loss, inputs, outputs, targets)  # stops here if the loss is not finite
        run.optimiser.zero_grad()
        loss.backward()
        run.optimiser.step()

        if run.scheduler is not None:
            run.scheduler.step()
        if run.average is not None:
            run.average.update(run.model)
        bar.update()
    return means.result()


def evaluate(run: Run, validation: Batches) -> dict[str, float]:
    """Return the means of what is measured on every batch, by a model in evaluation mode."""
    means = Means(run.metrics, f"validation loss after epoch {run.history.epochs}, batch {{}},")
    with torch.no_grad():
        for inputs, targets in validation:
            outputs = run.forward(inputs)
            means.add(run.loss(outputs, targets), inputs, outputs, targets)
    return means.result()


def one_epoch(
    run: Run,
    train: Batches,
    validation: Batches | None,
    modes: Mapping[torch.nn.Module, bool],
    bar: Any,
) -> None:
    """Train once through the training set, then look at the validation set."""
    set_modes(modes)
    run.history.record("train", train_epoch(run, train, bar))
    run.model.eval()
    with run.averaged():
        if validation is not None:
            run.history.record("validation", evaluate(run, validation))
        run.end_epoch()
    bar.set_postfix_str(str(run.history).partition(": ")[2])


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
            it, and ends with the same numbers as one that was never interrupted, or refuses to:
            optimiser, schedule, data and settings are compared. Random numbers that are not torch's
            are not kept, and what functions compute is not compared.
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
    arguments.check_functions(model, loss, metrics, callbacks, augment)
    epochs, batch_size, seed, patience = arguments.counts(
        epochs, batch_size, seed, patience, validation
    )
    device, parameters = arguments.usable(device), arguments.trainable(model)
    place, order = Place(device, parameters[0].dtype), torch.Generator().manual_seed(seed)
    train = batches(train, "train", batch_size, place, order)
    if validation is not None:
        validation = batches(validation, "validation", batch_size, place)
    model.to(device)
    optimiser = arguments.optimiser_of(optimiser, parameters)
    run = Run(
        model=model,
        forward=explained_model(model),
        loss=explained_loss(torch.nn.functional.cross_entropy if loss is None else loss),
        optimiser=optimiser,
        scheduler=arguments.scheduler_of(schedule, optimiser),
        augment=None if augment is None else explained_augmentation(augment),
        metrics=metrics,
        average=None if average is None else Average(model, arguments.decay(average)),
        callbacks=callbacks,
        patience=patience,
    )
    arguments.check_length(run.scheduler, epochs, count(train))
    saved = checkpoint_of(run, arguments.file(checkpoint), train, validation, seed, batch_size)
    started, shown = time.perf_counter(), progress_bar(epochs, train, run.history, progress)
    with isolated(model, seed, device) as modes, shown as bar:
        if saved is not None:
            saved.restore(run, epochs)
            bar.update(run.history.epochs * (count(train) or 0))
        before = run.history.seconds
        while not run.finished and run.history.epochs < epochs:
            bar.set_description(f"epoch {run.history.epochs + 1}/{epochs}")
            one_epoch(run, train, validation, modes, bar)
            run.history.seconds = before + time.perf_counter() - started
            if saved is not None:
                saved.write(run)
    run.take_final_weights()
    run.history.stopped_early = run.history.epochs < epochs
    return run.history
