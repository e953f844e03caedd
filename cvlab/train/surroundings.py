"""A run neither depends on its surroundings nor changes them: random numbers, modes, warnings."""

from __future__ import annotations

import contextlib
import warnings
from collections.abc import Iterator, Mapping
from typing import Any

import torch


@contextlib.contextmanager
def isolated(
    model: torch.nn.Module, seed: int, device: torch.device
) -> Iterator[dict[torch.nn.Module, bool]]:
    """Keep a run and what is around it apart; yield each module's mode for training."""
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
        set_modes(before)


def set_modes(modes: Mapping[torch.nn.Module, bool]) -> None:
    """Give each module its mode: True for training, False for evaluation.

    ``model.train()`` would wake parts that were frozen with ``eval()``.
    """
    for module, training in modes.items():
        module.training = training


@contextlib.contextmanager
def _random_numbers(seed: int, device: torch.device) -> Iterator[None]:
    """Let dropout draw from generators seeded here; the caller's come back as they were."""
    on_gpu = device.type == "cuda"
    with torch.random.fork_rng(range(torch.cuda.device_count()) if on_gpu else []):
        torch.default_generator.manual_seed(seed)
        if on_gpu:
            torch.cuda.manual_seed_all(seed)
        yield


@contextlib.contextmanager
def _broadcasting_refused() -> Iterator[None]:
    """Outputs (N, 1) and targets (N,) broadcast to a table (N, N), of which torch only warns."""
    with warnings.catch_warnings():
        warnings.filterwarnings("error", message="Using a target size")
        yield


def generator_states() -> dict[str, Any]:
    """Return the states of torch's global generators, which dropout draws from."""
    on_gpu = torch.cuda.is_available() and torch.cuda.is_initialized()
    return {
        "cpu": torch.default_generator.get_state(),
        "cuda": torch.cuda.get_rng_state_all() if on_gpu else [],
    }


def set_generator_states(states: Mapping[str, Any]) -> None:
    """Put torch's global generators where they were; those of other GPUs than here are left."""
    torch.default_generator.set_state(states["cpu"])
    if states["cuda"] and torch.cuda.device_count() == len(states["cuda"]):
        torch.cuda.set_rng_state_all(states["cuda"])
