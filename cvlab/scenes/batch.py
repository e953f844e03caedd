"""What a batch of scenes can do, whatever its fields: be counted, picked from, given to torch."""

from __future__ import annotations

from dataclasses import fields
from typing import TYPE_CHECKING, Any, Self

import numpy as np

if TYPE_CHECKING:
    import torch


class Batch:
    """A dataclass whose fields hold something for each of N scenes, most of them with images.

    Fields are arrays (N, ...), lists of N, dictionaries of these, or None. Indexed by a number, a
    slice, an index array or a mask it gives a batch.
    """

    __slots__ = ()

    def torch(self) -> dict[str, torch.Tensor]:
        """The fields that are arrays, as tensors that share their memory; images (N, 3, H, W)."""
        import torch

        values = {field.name: getattr(self, field.name) for field in fields(self)}
        tensors = {k: torch.from_numpy(v) for k, v in values.items() if isinstance(v, np.ndarray)}
        if "images" in tensors:
            tensors["images"] = tensors["images"].permute(0, 3, 1, 2)
        return tensors

    def __len__(self) -> int:
        return len(getattr(self, fields(self)[0].name))

    def __getitem__(self, index: Any) -> Self:
        if isinstance(index, (int, np.integer)):
            index = [index]
        places = np.arange(len(self))[index]
        return type(self)(**{f.name: _picked(getattr(self, f.name), places) for f in fields(self)})


def _picked(value: Any, places: np.ndarray) -> Any:
    """Return what a field holds for some of the images."""
    if value is None:
        return None
    if isinstance(value, dict):
        return {name: _picked(inner, places) for name, inner in value.items()}
    return [value[k] for k in places] if isinstance(value, list) else value[places]
