"""Products and convolutions as GPUs since 2020 compute them by default: with ten bits of precision.

In the format TF32 a GPU's tensor cores round both operands of a product to ten bits after the point
and add the products in float32, so each is off by up to one part in a thousand. torch lets
convolutions do so, and products of matrices where one asks for it; here both do, forward and
backward. Numbers that ten bits can hold (small integers, grey levels out of 256, ones and zeros)
stay exact, as they do there. With the virtual GPU only its tensors are rounded, without it all are.

Switch it on with ``CVLAB_ARITHMETIC=tf32``; see `extensions`.
"""

from __future__ import annotations

import contextlib
from typing import Any

import torch
from torch.utils._python_dispatch import TorchDispatchMode

from cvlab.classroom.running.virtual_gpu import sides

_ATTENTION = "_scaled_dot_product_flash_attention_for_cpu"
#: Which arguments of an operation a tensor core multiplies.
OPERANDS = {
    "mm": (0, 1),
    "bmm": (0, 1),
    "addmm": (1, 2),
    "addmm_": (1, 2),
    "baddbmm": (1, 2),
    "baddbmm_": (1, 2),
    "convolution": (0, 1),
    "convolution_backward": (0, 1, 2),
    _ATTENTION: (0, 1, 2),
    f"{_ATTENTION}_backward": (0, 1, 2, 3),
}


def rounded(tensor: torch.Tensor) -> torch.Tensor:
    """Return float32 numbers with ten bits after the point, halves away from zero.

    >>> rounded(torch.tensor([1.0, 1 + 2**-10, 1 + 2**-12, 0.1])).tolist()
    [1.0, 1.0009765625, 1.0, 0.0999755859375]
    """
    bits = tensor.contiguous().view(torch.int32) + 0x1000
    return bits.bitwise_and_(~0x1FFF).view(torch.float32)


class TF32(TorchDispatchMode):
    """Rounds the operands of every product of matrices and every convolution."""

    def __torch_dispatch__(
        self, func: Any, types: Any, args: tuple = (), kwargs: dict | None = None
    ) -> Any:
        """Run one operation, with rounded operands if it is a product."""
        positions = OPERANDS.get(func._schema.name.rpartition("::")[2], ())
        if positions:
            with torch._C.DisableTorchFunction():
                args = tuple(_operand(one) if i in positions else one for i, one in enumerate(args))
        return func(*args, **(kwargs or {}))


def _operand(one: Any) -> Any:
    if not isinstance(one, torch.Tensor) or one.dtype != torch.float32 or one.is_meta:
        return one
    if sides.has_gpu() and sides.side(one) != sides.CUDA:
        return one
    return rounded(one)


_loaded = contextlib.ExitStack()


def load_ipython_extension(_shell: Any) -> None:
    """Let this kernel compute so from now on."""
    _loaded.enter_context(TF32())


def unload_ipython_extension(_shell: Any) -> None:
    """Let it compute as before."""
    _loaded.close()
