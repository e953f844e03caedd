"""The books: on which side each storage is, and what is going on in this thread."""

from __future__ import annotations

import contextlib
import os
import threading
from collections.abc import Iterable, Iterator
from typing import Any

import torch

CPU, CUDA, OPEN = "cpu", "cuda", "open"
DEVICE = {CPU: torch.device("cpu"), CUDA: torch.device("cuda", 0)}
#: An attribute of a storage: views share it, and it ends with the storage.
MARK, PINNED = "_cvlab_side", "_cvlab_pinned"


class Now(threading.local):
    """What is going on in this thread."""

    wanted: str | None = None  # the side that a call names for its result
    fresh: str = CPU  # the side of what is made from nothing
    named: bool = True  # whether `Names` sees the calls of Python, which is not so inside one
    rules: Any = None  # the mode that sees all operations, once there is a tensor of the GPU


now = Now()


class _Machine:
    process: int | None = None  # which has the GPU; None where there is none


_machine = _Machine()


def has_gpu() -> bool:
    """Say whether this process, or the one that it was forked from, has a virtual GPU."""
    return _machine.process is not None


@contextlib.contextmanager
def gpu_here() -> Iterator[None]:
    """Let this process have the GPU."""
    _machine.process = os.getpid()
    try:
        yield
    finally:
        _machine.process = None


def not_in_a_worker() -> None:
    """Refuse a forked process the GPU.

    Raises:
        RuntimeError: with CUDA's own words.
    """
    if os.getpid() != _machine.process:
        raise RuntimeError(
            "Cannot re-initialize CUDA in forked subprocess. To use CUDA with multiprocessing, you "
            "must use the 'spawn' start method"
        )


@contextlib.contextmanager
def during(**changes: Any) -> Iterator[None]:
    """Let something else go on meanwhile."""
    before = {name: getattr(now, name) for name in changes}
    now.__dict__.update(changes)
    try:
        yield
    finally:
        now.__dict__.update(before)


def storage(tensor: torch.Tensor) -> torch.UntypedStorage:
    """Return where a tensor has its numbers, also one that is sparse or in a transform of torch."""
    try:
        return tensor.untyped_storage()
    except (NotImplementedError, RuntimeError):
        if torch._C._functorch.is_functorch_wrapped_tensor(tensor):
            return storage(torch._C._functorch.get_unwrapped(tensor))
        values = tensor._values() if tensor.layout == torch.sparse_coo else tensor.values()
        return values.untyped_storage()


def side(tensor: torch.Tensor) -> str | None:
    """Return on which side a tensor is: cpu, cuda, open, or None for other devices as meta."""
    found = getattr(storage(tensor), MARK, None)
    return found or (CPU if tensor.device.type == CPU else None)


def mark(tensor: torch.Tensor, where: str) -> None:
    """Enter that a tensor, and all that share its storage, are on a side."""
    found = storage(tensor)
    before = getattr(found, MARK, CPU)
    if before == where or tensor.is_meta:
        return
    if where == CPU:
        delattr(found, MARK)
    else:
        setattr(found, MARK, where)


_VALUES = type({}.values())


def tensors(values: Iterable[Any]) -> list[torch.Tensor]:
    """Return all tensors in arguments or results, those in lists and dictionaries included."""
    found: list[torch.Tensor] = []
    _collect(values, found)
    return found


def _collect(values: Iterable[Any], found: list[torch.Tensor]) -> None:
    for value in values:
        if isinstance(value, torch.Tensor):
            found.append(value)
        elif isinstance(value, (list, tuple, _VALUES)):
            _collect(value, found)
        elif isinstance(value, dict):
            _collect(value.values(), found)


def place(device: Any) -> str | None:
    """Return the side that a device means, None for others than these two.

    Raises:
        RuntimeError: if it is a second GPU.
    """
    chosen = DEVICE[CUDA] if isinstance(device, int) and device == 0 else torch.device(device)
    if chosen.type == CUDA and chosen.index not in (None, 0):
        raise RuntimeError("CUDA error: invalid device ordinal (the virtual GPU is cuda:0)")
    return chosen.type if chosen.type in DEVICE else None
