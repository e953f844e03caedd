"""Random numbers: a GPU has its own generator, which draws others from the same seed."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import Any

import torch

from cvlab.classroom.running.virtual_gpu.sides import CPU, CUDA, DEVICE, place

OTHER_SEEDS = 0x9E3779B9
_REAL_GENERATOR = torch.Generator


class _Kind(type(_REAL_GENERATOR)):
    def __instancecheck__(cls, instance: Any) -> bool:
        return isinstance(instance, _REAL_GENERATOR)


class Generator(_REAL_GENERATOR, metaclass=_Kind):
    """Stands for `torch.Generator`; one of the GPU draws other numbers from the same seed."""

    def __new__(cls, device: Any = "cpu") -> Generator:
        """Make a generator of a device."""
        made = super().__new__(cls, CPU)
        made.where = place(device) or CPU
        return made

    def __init__(self, device: Any = "cpu") -> None:
        """Take the device, which `__new__` has used."""

    @property
    def device(self) -> torch.device:
        """The device that it says it is on."""
        return torch.device(self.where) if self.where == CPU else DEVICE[CUDA]

    def manual_seed(self, seed: int) -> Generator:
        """Set the seed; return the generator."""
        super().manual_seed(int(seed) ^ OTHER_SEEDS if self.where == CUDA else int(seed))
        return self


gpu_numbers = Generator(CUDA)  #: draws for operations on the GPU that name no generator


@contextlib.contextmanager
def own_numbers() -> Iterator[None]:
    """Let operations draw from the GPU's generator: few of them would take one as an argument."""
    ours = torch.default_generator.get_state()
    torch.default_generator.set_state(gpu_numbers.get_state())
    try:
        yield
    finally:
        gpu_numbers.set_state(torch.default_generator.get_state())
        torch.default_generator.set_state(ours)


def generator_in(args: tuple, kwargs: dict) -> Any:
    """Return the generator among arguments, or None."""
    given = [*args, *kwargs.values()]
    return next((one for one in given if isinstance(one, _REAL_GENERATOR)), None)


def check_generator(generator: Any, where: str) -> None:
    """Refuse a generator of the other side.

    Raises:
        RuntimeError: with torch's own words.
    """
    if generator is not None and getattr(generator, "where", CPU) != where:
        other = getattr(generator, "where", CPU)
        raise RuntimeError(f"Expected a '{where}' device type for generator but found '{other}'")
