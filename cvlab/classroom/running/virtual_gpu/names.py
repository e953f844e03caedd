"""What Python says about devices: whatever call of torch names or asks for one is answered here."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch.overrides import TorchFunctionMode
from torch.utils import _device as default_device

from cvlab.classroom.running.virtual_gpu.draws import check_generator
from cvlab.classroom.running.virtual_gpu.rules import hold, moved
from cvlab.classroom.running.virtual_gpu.sides import (
    CPU,
    CUDA,
    DEVICE,
    OPEN,
    PINNED,
    during,
    mark,
    not_in_a_worker,
    now,
    place,
    side,
    storage,
    tensors,
)


class Names(TorchFunctionMode):
    """Answers for devices wherever a call of torch names or asks for one."""

    def __torch_function__(
        self, func: Any, types: Any, args: tuple = (), kwargs: dict | None = None
    ) -> Any:
        """Run one function of torch."""
        special = SPECIAL.get(func)
        if special is not None:
            return special(func, *args, **(kwargs or {}))
        if getattr(func, "__name__", "") == "__get__":  # an attribute: nothing is made
            return func(*args)
        return _call(func, *args, **(kwargs or {}))


def _default(device: Any = None) -> Any:
    """Return the device for what a constructor makes: the one it names, or the default, or None."""
    return default_device.CURRENT_DEVICE if device is None else device


def _call(func: Any, *args: Any, **kwargs: Any) -> Any:
    """Run a function that has no rule of its own."""
    device, generator = kwargs.get("device"), kwargs.get("generator")
    if device is None and func in default_device._device_constructors():
        device = _default()
    if device is not None:
        where = place(device)
        if where is None:
            return func(*args, **kwargs)
        check_generator(generator, where)
        if where == CUDA:
            not_in_a_worker()
            hold()
        with during(wanted=where, fresh=where):
            return func(*args, **kwargs | {"device": CPU})
    if generator is not None:
        check_generator(generator, CUDA if _on_gpu((args, kwargs)) else CPU)
    if now.rules is None:
        return func(*args, **kwargs)
    # Most calls end here, so this is written for speed: arguments are looked at last.
    before = now.fresh, now.wanted
    now.fresh, now.wanted = CPU if func in default_device._device_constructors() else OPEN, None
    try:
        out = func(*args, **kwargs)
    finally:
        now.fresh, now.wanted = before
    for tensor in tensors((out,)):
        if side(tensor) == OPEN:
            mark(tensor, CUDA if _on_gpu((args, kwargs)) else CPU)
    return out


def _on_gpu(values: Any) -> bool:
    return any(side(tensor) == CUDA for tensor in tensors(values))


SPECIAL: dict[Any, Callable] = {}


def _rule_for(*functions: Any) -> Callable[[Callable], Callable]:
    def enter(rule: Callable) -> Callable:
        SPECIAL.update(dict.fromkeys(functions, rule))
        return rule

    return enter


@_rule_for(torch.Tensor.device.__get__)
def _device(func: Any, tensor: torch.Tensor, *_: Any) -> torch.device:
    return DEVICE[CUDA] if side(tensor) == CUDA else func(tensor)


@_rule_for(torch.Tensor.is_cuda.__get__)
def _is_cuda(_func: Any, tensor: torch.Tensor, *_: Any) -> bool:
    return side(tensor) == CUDA


@_rule_for(torch.Tensor.is_cpu.__get__)
def _is_cpu(_func: Any, tensor: torch.Tensor, *_: Any) -> bool:
    return side(tensor) in (CPU, OPEN)


@_rule_for(torch.Tensor.get_device)
def _get_device(_func: Any, tensor: torch.Tensor) -> int:
    return 0 if side(tensor) == CUDA else -1


@_rule_for(torch.Tensor.to)
def _to(func: Any, tensor: torch.Tensor, *args: Any, **kwargs: Any) -> torch.Tensor:
    """Convert the type first, then move."""
    like = kwargs.pop("other", None)
    if args and isinstance(args[0], torch.Tensor):
        like, args = args[0], args[1:]
    copy = bool(kwargs.pop("copy", False))
    if len(args) == (2 if like is not None else 4):
        args, copy = args[:-1], args[-1]
    if like is not None:
        device, dtype, layout = side(like), like.dtype, kwargs.get("memory_format")
    else:
        device, dtype, _, layout = torch._C._nn._parse_to(*args, **kwargs)
    where = None if device is None else place(device)
    if (device is not None and where is None) or side(tensor) is None:
        return func(tensor, device, dtype or tensor.dtype, copy=copy)  # to or from meta
    changed = {} if layout is None else {"memory_format": layout}
    if dtype is not None or changed or copy:
        tensor = _call(func, tensor, dtype or tensor.dtype, copy=copy, **changed)
    return tensor if where is None else moved(tensor, where)


@_rule_for(torch.Tensor.cuda)
def _cuda(_func: Any, tensor: torch.Tensor, device: Any = None, *_: Any, **__: Any) -> torch.Tensor:
    place(DEVICE[CUDA] if device is None else device)
    return moved(tensor, CUDA)


@_rule_for(torch.Tensor.cpu)
def _cpu(_func: Any, tensor: torch.Tensor, *_: Any, **__: Any) -> torch.Tensor:
    return moved(tensor, CPU)


@_rule_for(torch.Tensor.type_as)
def _type_as(func: Any, tensor: torch.Tensor, other: torch.Tensor) -> torch.Tensor:
    return moved(func(tensor, other), side(other) or CPU)


@_rule_for(torch.Tensor.numpy, torch.Tensor.__array__)
def _numpy(func: Any, tensor: torch.Tensor, *args: Any, **kwargs: Any) -> Any:
    if side(tensor) == CUDA and not kwargs.get("force"):
        raise TypeError(
            "can't convert cuda:0 device type tensor to numpy. Use Tensor.cpu() to copy the tensor "
            "to host memory first."
        )
    return func(tensor, *args, **kwargs)


@_rule_for(torch.Tensor.__dlpack_device__)
def _dlpack_device(func: Any, tensor: torch.Tensor) -> Any:
    return (2, 0) if side(tensor) == CUDA else func(tensor)  # 2 stands for CUDA


@_rule_for(torch.Tensor.__setitem__)
def _set_item(func: Any, tensor: torch.Tensor, key: Any, value: Any) -> None:
    """Take indices of the CPU over, as CUDA does; torch would choose a stricter way by device."""
    if now.rules is not None and side(tensor) == CUDA:
        many = key if isinstance(key, tuple) else (key,)
        key = tuple(moved(one, CUDA) if isinstance(one, torch.Tensor) else one for one in many)
    _call(func, tensor, key, value)


@_rule_for(torch.tensor)
def _tensor(func: Any, data: Any, *, device: Any = None, **kwargs: Any) -> torch.Tensor:
    """Copy data to where they are asked for; without a wish, to where a tensor is."""
    device = _default(device)
    where = (_side_of(data) if device is None else place(device)) or None
    if where is None:
        return func(data, **kwargs, **({} if device is None else {"device": device}))
    if where == CUDA:
        not_in_a_worker()
        hold()
    with during(wanted=where, fresh=where):
        made = func(data, device=CPU, **kwargs)
    mark(made, where)
    return made


@_rule_for(torch.as_tensor, torch.asarray)
def _as_tensor(
    func: Any, data: Any, dtype: Any = None, device: Any = None, **kwargs: Any
) -> torch.Tensor:
    """Take data over, and move them where they are asked for: a GPU never shares memory."""
    device = _default(device)
    where = (_side_of(data) if device is None else place(device)) or None
    if where is None:
        return func(data, dtype=dtype, device=device, **kwargs)
    return moved(_call(func, data, dtype=dtype, device=CPU, **kwargs), where)


def _side_of(data: Any) -> str | None:
    return side(data) if isinstance(data, torch.Tensor) else CPU


@_rule_for(torch.Tensor.new_tensor)
def _new_tensor(
    func: Any, tensor: torch.Tensor, data: Any, *, device: Any = None, **kwargs: Any
) -> torch.Tensor:
    where = side(tensor) if device is None else place(device)
    made = func(tensor, data, **kwargs)
    mark(made, where or CPU)
    return made


@_rule_for(torch._C._VariableFunctions._pad_packed_sequence)
def _pad_packed(func: Any, *args: Any, **kwargs: Any) -> tuple[torch.Tensor, torch.Tensor]:
    """Leave the lengths on the CPU, which are made there."""
    padded, lengths = _call(func, *args, **kwargs)
    mark(lengths, CPU)
    return padded, lengths


def _beside(scores: torch.Tensor, one: Any) -> Any:
    return moved(one, side(scores) or CPU) if isinstance(one, torch.Tensor) else one


@_rule_for(torch.nn.functional.ctc_loss, torch.ctc_loss)
def _ctc_loss(func: Any, scores: torch.Tensor, *args: Any, **kwargs: Any) -> torch.Tensor:
    """Take lengths and targets of either side, as CUDA does."""
    args = tuple(_beside(scores, one) for one in args)
    kwargs = {k: _beside(scores, one) for k, one in kwargs.items()}
    return _call(func, scores, *args, **kwargs)


@_rule_for(torch.Tensor.pin_memory)
def _pin_memory(_func: Any, tensor: torch.Tensor, *_: Any) -> torch.Tensor:
    if side(tensor) == CUDA:
        raise RuntimeError(f"cannot pin '{tensor.type()}' only dense CPU tensors can be pinned")
    pinned = tensor.clone()
    setattr(storage(pinned), PINNED, True)
    return pinned


@_rule_for(torch.Tensor.is_pinned)
def _is_pinned(_func: Any, tensor: torch.Tensor, *_: Any) -> bool:
    return getattr(storage(tensor), PINNED, False)


@_rule_for(torch.Tensor.__deepcopy__)
def _deepcopy(func: Any, tensor: torch.Tensor, memo: dict) -> torch.Tensor:
    """Mark the copy: it is made from the storage, past the rules."""
    copied = func(tensor, memo)
    for old, new in ((tensor, copied), (tensor.grad, copied.grad)):
        if old is not None and new is not None:
            mark(new, side(old) or CPU)
    return copied


@_rule_for(torch.Tensor.__repr__)
def _repr(func: Any, tensor: torch.Tensor, **kwargs: Any) -> str:
    """Name the device where a tensor of the GPU is printed: before type and gradient."""
    text = func(tensor, **kwargs)
    if side(tensor) != CUDA:
        return text
    ends = (", size=", ", dtype=", ", grad_fn=", ", requires_grad=")
    at = min([text.find(end) for end in ends if end in text], default=len(text) - 1)
    return f"{text[:at]}, device='cuda:0'{text[at:]}"


@_rule_for(torch.Tensor.grad.__get__)
def _grad(func: Any, tensor: torch.Tensor, *_: Any) -> torch.Tensor | None:
    """Let a gradient that the engine made from nothing, or one of a number, be where that is."""
    grad = func(tensor)
    if grad is not None and now.rules is not None and (side(grad) == OPEN or tensor.dim() == 0):
        mark(grad, side(tensor) or CPU)
    return grad


@_rule_for(torch.Tensor.grad.__set__)
def _set_grad(func: Any, tensor: torch.Tensor, grad: torch.Tensor | None) -> None:
    places = [None if one is None else side(one) for one in (tensor, grad)]
    if grad is not None and set(places) == {CPU, CUDA}:
        raise RuntimeError(
            f"attempting to assign a gradient with device type '{places[1]}' to a tensor with "
            f"device type '{places[0]}'. Please ensure that the gradient and the tensor are on "
            "the same device"
        )
    func(tensor, grad)


@_rule_for(torch.Tensor.backward)
def _backward(func: Any, *args: Any, **kwargs: Any) -> None:
    with during(named=False):
        func(*args, **kwargs)


@_rule_for(torch.autograd.grad)
def _autograd_grad(func: Any, outputs: Any, inputs: Any, *args: Any, **kwargs: Any) -> Any:
    with during(named=False):
        grads = func(outputs, inputs, *args, **kwargs)
    asked = (inputs,) if isinstance(inputs, torch.Tensor) else inputs
    for tensor, grad in zip(asked, grads, strict=False):
        if isinstance(grad, torch.Tensor) and side(grad) == OPEN:
            mark(grad, side(tensor) or CPU)
    return grads
