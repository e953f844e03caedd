"""What the model, the loss and an augmentation take and give back, refused in one sentence each.

Each function here wraps one that the caller gave, so that the loop can call it as if it were right.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NoReturn

import torch

#: What torch raises for arguments that do not fit; a broadcast loss only warns.
_MISFITS = (RuntimeError, ValueError, IndexError, UserWarning)


def explained_model(model: torch.nn.Module) -> Callable[[torch.Tensor], Any]:
    """Return the model as a function that says which inputs it does not take."""

    def forward(inputs: torch.Tensor) -> Any:
        try:
            return model(inputs)
        except _MISFITS as error:
            _refuse("the model does not take", error, inputs=inputs)

    return forward


def explained_loss(loss: Callable[..., Any]) -> Callable[[Any, torch.Tensor], torch.Tensor]:
    """Return the loss as a function that says what it does not take, and gives one number."""

    def checked(outputs: Any, targets: torch.Tensor) -> torch.Tensor:
        try:
            value = loss(outputs, targets)
        except _MISFITS as error:
            _refuse("the loss does not take", error, outputs=outputs, targets=targets)
        if not isinstance(value, torch.Tensor) or value.numel() != 1:
            shaped = hasattr(value, "shape")
            found = f"shape {tuple(value.shape)}" if shaped else type(value).__name__
            raise ValueError(f"the loss must be one number a batch, as a tensor; it is {found}.")
        if torch.is_grad_enabled() and not value.requires_grad:
            raise ValueError(
                "the loss does not depend on the model's parameters: was it detached or turned "
                "into a NumPy array on the way?"
            )
        return value

    return checked


def explained_augmentation(
    augment: Callable[..., Any],
) -> Callable[[torch.Tensor, torch.Tensor], tuple[torch.Tensor, torch.Tensor]]:
    """Return the augmentation as a function that gives a pair with one target per sample."""

    def augmented(inputs: torch.Tensor, targets: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
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

    return augmented


def _refuse(refusal: str, error: Exception, **tensors: Any) -> NoReturn:
    """Add the shapes and types to what torch says about arguments that do not fit."""
    if isinstance(error, (NotImplementedError, torch.OutOfMemoryError)):
        raise error  # an exercise not yet written, and a fault of no argument
    described = " and ".join(
        f"{name} {tuple(tensor.shape)} {str(tensor.dtype).removeprefix('torch.')}"
        if isinstance(tensor, torch.Tensor)
        else f"{name} of type {type(tensor).__name__}"
        for name, tensor in tensors.items()
    )
    raise ValueError(f"{refusal} {described}: {first_line(error)}.") from error


def first_line(error: BaseException) -> str:
    """Return an error's message as part of a sentence: torch's go on for many lines."""
    return str(error).strip().split("\n")[0].rstrip(".")
