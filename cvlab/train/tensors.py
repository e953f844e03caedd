"""Inputs and targets become tensors as the model takes them, or a sentence says why not."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
import torch

from cvlab.train.refusals import first_line


class Place(NamedTuple):
    """Where batches go, and the floating-point type that they have there: the model's."""

    device: torch.device
    dtype: torch.dtype


def checked_pair(pair: Sequence[Any], name: str, place: Place) -> tuple[torch.Tensor, torch.Tensor]:
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
                f"{len(values)} samples; remove or replace them."
            )
    return placed(inputs, targets, name, place)


def _as_tensor(values: Any, what: str) -> torch.Tensor:
    if not isinstance(values, torch.Tensor):
        if not (isinstance(values, (list, tuple)) or hasattr(values, "__array__")):
            raise TypeError(f"{what} must be an array or a tensor, not {type(values).__name__}.")
        try:
            # torch shares memory only with contiguous arrays, and warns about read-only ones.
            values = torch.from_numpy(np.require(np.asarray(values), requirements=["C", "W"]))
        except (TypeError, ValueError) as error:
            raise TypeError(
                f"{what} must be an array of numbers of one shape ({first_line(error)})."
            ) from error
    if values.ndim == 0:
        raise ValueError(f"{what} must have samples along a first axis, not be a single number.")
    return values.detach()


def checked_batch(batch: Any, name: str) -> tuple[torch.Tensor, torch.Tensor]:
    """Return what a loader gave as (inputs, targets), or say what is wrong with it."""
    is_pair = isinstance(batch, (tuple, list)) and len(batch) == 2
    if not is_pair or not all(isinstance(part, torch.Tensor) for part in batch):
        raise TypeError(f"each batch of {name} must be a pair (inputs, targets) of tensors.")
    if batch[0].ndim == 0 or batch[1].ndim == 0 or len(batch[0]) != len(batch[1]):
        raise ValueError(
            f"a batch of {name} has inputs {tuple(batch[0].shape)} but targets "
            f"{tuple(batch[1].shape)}: both need one entry a sample."
        )
    return batch[0], batch[1]


def placed(
    inputs: torch.Tensor, targets: torch.Tensor, name: str, place: Place
) -> tuple[torch.Tensor, torch.Tensor]:
    """Move a pair to the device and to the types that the model and the usual losses take."""
    if inputs.dtype in (torch.uint8, torch.int8):
        raise TypeError(
            f"{name} inputs are {str(inputs.dtype).removeprefix('torch.')}; convert pixels to "
            "floats in [0, 1] first."
        )
    device, dtype = place
    inputs = inputs.to(device, dtype if inputs.is_floating_point() else None)
    if targets.is_floating_point():
        return inputs, targets.to(device, dtype)
    is_index = targets.dtype != torch.bool and not targets.is_complex()
    return inputs, targets.to(device, torch.int64 if is_index else None)
