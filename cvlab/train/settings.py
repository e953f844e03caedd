"""What must be the same for a run to go on where another one stopped, and what is said if not.

Everything is described as plain values, of a run that has not taken a step yet: so a schedule's
constants, such as its number of steps, are compared, and not how far it has come.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
import torch

from cvlab.train.batches import Batches, PairBatches, count
from cvlab.train.run import Run


def described(
    run: Run, train: Batches, validation: Batches | None, **more: int
) -> dict[str, int | float | str | None]:
    """Return name -> plain value of what decides the numbers of a run.

    What functions compute (loss, metrics, augment, a schedule's own function) cannot be compared.

    Args:
        run: before its first step.
        train: the training set.
        validation: the validation set, if there is one.
        more: further settings.
    """
    found = {name.replace("_", " "): value for name, value in more.items()}
    found["average"] = None if run.average is None else run.average.decay
    names = None if run.metrics is None else ", ".join(sorted(run.metrics))
    found["metrics"] = names
    found["training data"] = _data(train)
    found["validation data"] = None if validation is None else _data(validation)
    found["optimiser"] = type(run.optimiser).__name__
    found["schedule"] = None if run.scheduler is None else type(run.scheduler).__name__
    if run.scheduler is not None:
        found |= dict(_leaves("schedule", run.scheduler.state_dict()))
    for number, group in enumerate(run.optimiser.param_groups):
        of_group = {name: value for name, value in group.items() if name != "params"}
        which = f"in parameter group {number}" if number else ""
        found |= dict(_leaves(" ".join(filter(None, ("optimiser", which))), of_group))
    return found


def difference(kept: Mapping[str, Any], now: Mapping[str, Any]) -> str | None:
    """Return in words the first setting in which two runs differ, or None."""
    for name in [*now, *(name for name in kept if name not in now)]:
        before, after = kept.get(name), now.get(name)
        # One that is missing is as good as none; a number may not pass for a truth value.
        if before != after or isinstance(before, bool) != isinstance(after, bool):
            return f"{name} {_said(before)}, not {_said(after)}"
    return None


def plain(value: Any) -> Any:
    """Return nested mappings and sequences with NumPy's numbers as Python's, all else as it is."""
    if isinstance(value, np.generic):
        return value.item()
    if isinstance(value, np.ndarray):
        return value.tolist()
    if type(value) is dict:
        return {plain(key): plain(inner) for key, inner in value.items()}
    if type(value) in (list, tuple):
        return type(value)(map(plain, value))
    return value


def _leaves(name: str, value: Any) -> Iterator[tuple[str, int | float | str | None]]:
    """Iterate over the plain values in nested mappings and sequences, with where they stand."""
    value = plain(value)
    if isinstance(value, torch.Tensor):
        value = value.tolist()
    if isinstance(value, Mapping):
        for key, inner in value.items():
            yield from _leaves(f"{name} {key}".replace(" _", " "), inner)
    elif isinstance(value, (list, tuple)):
        for number, inner in enumerate(value):
            yield from _leaves(name if len(value) == 1 else f"{name} {number}", inner)
    elif value is None or isinstance(value, (int, float, str)):
        yield name, value
    else:  # an object or a function, which say no more than what they are
        yield name, type(value).__name__


def _data(batches: Batches) -> str:
    """Return in words what the samples are: of tensors, a digest of all bytes."""
    if not isinstance(batches, PairBatches):
        return f"a loader of {count(batches)} batches"
    digest = hashlib.blake2b(digest_size=6)
    for tensor in batches.pair:
        digest.update(str((tuple(tensor.shape), tensor.dtype)).encode())
        flat = tensor.detach().cpu().contiguous().reshape(-1)
        digest.update(flat.view(torch.uint8).numpy())
    return f"{len(batches.pair[0])} samples with digest {digest.hexdigest()}"


def _said(value: Any) -> str:
    return "none" if value is None else str(value)
