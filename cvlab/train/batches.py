"""What data ``fit`` takes: a pair of arrays, a data set or a loader, each as batches."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from typing import Any

import torch
from torch.utils.data import DataLoader, default_collate

from cvlab.train.refusals import first_line
from cvlab.train.tensors import Place, checked_batch, checked_pair, placed


class Order:
    """The sample numbers of each batch, shuffled anew by a generator of their own if there is one.

    A batch sampler for torch's ``DataLoader``; ``tensors`` gives the same numbers without a list.
    """

    def __init__(self, samples: int, batch_size: int, generator: torch.Generator | None) -> None:
        self._samples, self._batch_size, self._generator = samples, batch_size, generator

    def __len__(self) -> int:
        return math.ceil(self._samples / self._batch_size)

    def tensors(self, device: torch.device | str = "cpu") -> Sequence[torch.Tensor]:
        """Return the sample numbers of each batch of the next epoch, each (N,) int64."""
        if self._generator is None:
            order = torch.arange(self._samples)
        else:
            order = torch.randperm(self._samples, generator=self._generator)
        return order.to(device).split(self._batch_size)

    def __iter__(self) -> Iterator[list[int]]:
        for chosen in self.tensors():
            yield chosen.tolist()


class PairBatches:
    """Batches (inputs, targets) cut from two tensors, ``pair``, that lie on the device whole.

    ``generators`` are those that the order is drawn from, apart from torch's own.
    """

    def __init__(
        self, pair: tuple[torch.Tensor, torch.Tensor], order: Order, generators: list
    ) -> None:
        self.pair = pair
        self._order, self.generators = order, generators

    def __len__(self) -> int:
        return len(self._order)

    def __iter__(self) -> Iterator[tuple[torch.Tensor, torch.Tensor]]:
        inputs, targets = self.pair
        for chosen in self._order.tensors(inputs.device):
            yield inputs[chosen], targets[chosen]


class LoaderBatches:
    """Batches (inputs, targets) of a loader, each checked and moved to the device.

    ``generators`` are those that the order is drawn from, apart from torch's own.
    """

    def __init__(self, loader: DataLoader, name: str, place: Place, generators: list) -> None:
        self._loader, self._name, self._place = loader, name, place
        self.generators = generators

    def __len__(self) -> int:
        return len(self._loader)

    def __iter__(self) -> Iterator[tuple[torch.Tensor, torch.Tensor]]:
        batch = None
        for batch in self._loader:
            yield placed(*checked_batch(batch, self._name), self._name, self._place)
        if batch is None:
            raise ValueError(f"{self._name} gave no batch: its loader is empty or drops the last.")


Batches = PairBatches | LoaderBatches


def count(batches: Batches) -> int | None:
    """Return the number of batches of an epoch; None for a loader over a stream."""
    try:
        return len(batches)
    except TypeError:
        return None


def batches(
    source: Any,
    name: str,
    batch_size: int,
    place: Place,
    generator: torch.Generator | None = None,
) -> Batches:
    """Return what iterates over batches (inputs, targets) on the device, afresh each time.

    Args:
        source: a pair of arrays or tensors, a data set of torch or ``cvlab.data``, or a loader,
            which keeps its own order and batch size.
        name: what an error calls it.
        batch_size: samples per batch.
        place: the device and the type.
        generator: draws a new order for each iteration; without it samples keep theirs.

    Raises:
        TypeError: if the source is of a type that cannot be used.
        ValueError: if it is empty, not finite or its parts differ in length.
    """
    if isinstance(source, DataLoader):
        return LoaderBatches(source, name, place, _generators_of(source))
    if callable(getattr(source, "torch", None)):  # a set of cvlab.data, not yet a torch one
        source = source.torch()
    pair = None
    if isinstance(source, (tuple, list)):
        pair = checked_pair(source, name, place)
    elif not hasattr(source, "__getitem__") or not hasattr(source, "__len__"):
        raise TypeError(
            f"{name} must be a pair (inputs, targets), a Dataset with a length or a DataLoader,"
            f" not {type(source).__name__}."
        )
    samples = len(source) if pair is None else len(pair[0])
    if samples == 0:
        raise ValueError(f"{name} holds no samples.")
    order = Order(samples, batch_size, generator)
    generators = [] if generator is None else [generator]
    if pair is not None:
        return PairBatches(pair, order, generators)
    # A loader draws a seed for its workers; drawn from the global generator, it would make
    # dropout differ between a Dataset and the same samples as tensors.
    apart = torch.Generator()
    loader = DataLoader(source, batch_sampler=order, collate_fn=_stacked, generator=apart)
    return LoaderBatches(loader, name, place, generators)


def _generators_of(loader: DataLoader) -> list[torch.Generator]:
    """Return the generators of a loader and of its sampler, each once."""
    own = [getattr(part, "generator", None) for part in (loader, loader.sampler)]
    return [g for i, g in enumerate(own) if g is not None and g not in own[:i]]


def _stacked(samples: list[Any]) -> Any:
    try:
        return default_collate(samples)
    except (RuntimeError, TypeError) as error:
        raise ValueError(
            f"the samples do not stack into a batch ({first_line(error)}): give them one shape and"
            " numeric targets, or pass a DataLoader with its own collate_fn."
        ) from error
