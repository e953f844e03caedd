"""What CUDA allows an operation, by the sides of its tensors, and on which side its results are."""

from __future__ import annotations

from typing import Any, NamedTuple

import torch
from torch.utils import _python_dispatch as dispatch

from cvlab.classroom.running.virtual_gpu.draws import generator_in, own_numbers
from cvlab.classroom.running.virtual_gpu.sides import (
    CPU,
    CUDA,
    DEVICE,
    OPEN,
    during,
    mark,
    not_in_a_worker,
    now,
    side,
    tensors,
)


class Traits(NamedTuple):
    """What the rules ask of an operation."""

    name: str
    scalars: bool  # whether numbers (tensors without axes) of the CPU mix with a GPU's tensors
    random: bool


#: Besides operations element by element, these read a number of the CPU themselves.
SCALARS = ("fill", "fill_", "masked_fill", "masked_fill_", "index_fill", "index_fill_", "full_like")
#: Free for tensors of any side; what they change or return is on the side of their first.
FREE = ("copy_", "copy", "set_", "resize_", "_to_copy", "is_same_size", "lift_fresh")
INDEXED = ("index", "index_put", "index_put_", "_index_put_impl_", "_unsafe_index_put")
FIRST = frozenset(FREE + INDEXED)
#: Sequences of different lengths: the lengths stay on the CPU, also those that come out.
LENGTHS = {
    "_pack_padded_sequence": 1,
    "_pad_packed_sequence": 1,
    "_pack_padded_sequence_backward": 2,
}

_traits: dict[Any, Traits] = {}


def traits(func: Any) -> Traits:
    """Return the traits of an operation."""
    if func not in _traits:
        name = func._schema.name.split("::")[-1]
        scalars = torch.Tag.pointwise in func.tags or name in SCALARS or name.startswith("_foreach")
        _traits[func] = Traits(name, scalars, torch.Tag.nondeterministic_seeded in func.tags)
    return _traits[func]


def refuse(func: Any, args: tuple, kwargs: dict) -> None:
    """Raise what CUDA raises if an operation must not have these tensors of two sides.

    Raises:
        RuntimeError: with CUDA's own words.
    """
    name, scalars, _ = traits(func)
    if name in FREE:
        return
    if name in INDEXED:
        _refuse_index(args)
        return
    if name in LENGTHS:
        if side(args[LENGTHS[name]]) == CUDA:
            raise RuntimeError(
                "'lengths' argument should be a 1D CPU int64 tensor, but got 1D cuda:0 Long tensor"
            )
        return
    written = [
        args[i] if i < len(args) else kwargs.get(argument.name)
        for i, argument in enumerate(func._schema.arguments)
        if argument.alias_info is not None and argument.alias_info.is_write
    ]
    changed = [id(tensor) for tensor in tensors(written)]
    for tensor in tensors((args, kwargs)):
        number = scalars and tensor.dim() == 0 and id(tensor) not in changed
        if side(tensor) == CPU and not number:
            raise RuntimeError(
                "Expected all tensors to be on the same device, but found at least two devices, "
                f"cuda:0 and cpu! (on the virtual GPU, in {func})"
            )


def _refuse_index(args: tuple) -> None:
    """Indices of the CPU suit every tensor; what is written must lie where it goes to."""
    own, indices, values = side(args[0]), args[1], args[2] if len(args) > 2 else None
    if own == CPU and any(side(index) == CUDA for index in tensors([indices])):
        raise RuntimeError(
            "indices should be either on cpu or on the same device as the indexed tensor (cpu)"
        )
    if not isinstance(values, torch.Tensor) or {own, side(values)} != {CPU, CUDA}:
        return
    if own == CPU or values.dim() > 0:
        raise RuntimeError(
            "Expected all tensors to be on the same device, but got values on "
            f"{DEVICE[side(values)]}, different from the tensor on {DEVICE[own]} (index_put)"
        )


class Rules(dispatch.TorchDispatchMode):
    """Sees all operations; refuses what CUDA refuses, and marks what comes out."""

    @classmethod
    def _should_skip_dynamo(cls) -> bool:
        """Spare each operation the switch by which torch keeps its compiler out."""
        return False

    def __torch_dispatch__(
        self, func: Any, types: Any, args: tuple = (), kwargs: dict | None = None
    ) -> Any:
        """Run one operation under the rules."""
        kwargs = kwargs or {}
        with torch._C.DisableTorchFunction():
            found = tensors((args, kwargs.values())) if kwargs else tensors(args)
            sides = {side(tensor) for tensor in found}
            known = _traits.get(func) or traits(func)
            if CUDA in sides:
                not_in_a_worker()
                if (CPU in sides and now.wanted is None) or known.name in LENGTHS:
                    refuse(func, args, kwargs)
            goal = now.wanted or self._goal(known.name, sides, found, args)
            if known.random and goal == CUDA and not generator_in(args, kwargs):
                with own_numbers():
                    out = func(*args, **kwargs)
            else:
                out = func(*args, **kwargs)
            if goal != CPU:
                # Lengths that come out stay on the CPU.
                for tensor in tensors(out[:1] if known.name in LENGTHS else (out,)):
                    mark(tensor, goal)
            elif OPEN in sides:
                for tensor in tensors((out,)):
                    if side(tensor) == OPEN:
                        mark(tensor, CPU)
            return out

    @staticmethod
    def _goal(name: str, sides: set, found: list, args: tuple) -> str:
        """Return the side of what comes out."""
        if not found:
            return now.fresh
        if name in FIRST:
            first = side(args[0]) if isinstance(args[0], torch.Tensor) else None
            return OPEN if first == OPEN and CUDA not in sides else _settled(first, sides)
        if CUDA in sides:
            return CUDA
        numbers = all(tensor.dim() == 0 for tensor in found if side(tensor) == CPU)
        return OPEN if OPEN in sides and numbers else CPU


def _settled(first: str | None, sides: set) -> str:
    """Return the side of a first tensor, which an open one takes from the others."""
    return (CUDA if CUDA in sides else CPU) if first in (OPEN, None) else first


def hold() -> None:
    """Let the rules hold in this thread from now on: there is a tensor of the GPU."""
    if now.rules is None:
        now.rules = Rules()
        # At the bottom: a mode that a `with` statement has entered must be on top when it leaves.
        _put_back([now.rules, *_take_modes()])


def lift() -> None:
    """Let them hold no longer."""
    if now.rules is not None:
        _put_back([mode for mode in _take_modes() if mode is not now.rules])
        now.rules = None


def _take_modes() -> list[Any]:
    taken = [dispatch._pop_mode() for _ in range(dispatch._len_torch_dispatch_stack())]
    return taken[::-1]


def _put_back(modes: list[Any]) -> None:
    for mode in modes:
        dispatch._push_mode(mode)


class Move(torch.autograd.Function):
    """Copies to the other side; the gradient goes the way back."""

    generate_vmap_rule = True

    @staticmethod
    def forward(tensor: torch.Tensor, where: str) -> torch.Tensor:
        """Copy; outside the rules, which would keep the copy on the side of the tensor."""
        with during(wanted=where):
            copied = tensor.clone()
        with torch._C.DisableTorchFunction():
            mark(copied, where)
        return copied

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[torch.Tensor, str], output: torch.Tensor) -> None:
        """Note where the gradient goes."""
        with torch._C.DisableTorchFunction():
            ctx.back, ctx.where = side(inputs[0]), inputs[1]

    @staticmethod
    def backward(ctx: Any, *grads: torch.Tensor) -> tuple[torch.Tensor, None]:
        """Move the gradient back."""
        return Move.apply(grads[0], ctx.back), None

    @staticmethod
    def jvp(ctx: Any, *tangents: Any) -> torch.Tensor:
        """Move a tangent along."""
        return Move.apply(tangents[0], ctx.where)


def moved(tensor: torch.Tensor, where: str) -> torch.Tensor:
    """Return the tensor on a side: itself if it is there, else a copy."""
    if side(tensor) in (where, None):
        return tensor
    not_in_a_worker()
    hold()
    return Move.apply(tensor, where)
