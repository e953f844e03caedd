"""A GPU without a GPU: CUDA's rules on where tensors lie, enforced on tensors of the CPU.

Few machines that build the course have a GPU, and a notebook that runs on the CPU alone may fail on
one: a label was left behind, a network was moved and its input was not, a picture is drawn from a
tensor that is not in the main memory. All that is a matter of *places*, and places can be kept in
books. Here each storage is on one side; what is said to be on ``cuda`` lies on the CPU as well, and
is marked. Two modes of torch keep the books:

- `Names` answers for devices wherever Python names one: ``x.to("cuda")``, ``device=``,
  ``x.device``, ``x.numpy()``, generators, ``torch.cuda.is_available()``.
- `Rules` sees every operation, also those of the backward pass and inside other operations. It
  refuses tensors of both sides, as CUDA does, and marks what comes out. It starts working when the
  first tensor moves, so that a notebook without a GPU's tensors is hardly slowed down.

What C++ makes inside an operation from nothing, as the zeros in ``one_hot``, is `OPEN`: it takes
the side of whatever meets it first. The GPU draws its own random numbers, as a real one does.

Switch it on for notebooks with ``CVLAB_DEVICE=virtual`` (see `extensions`), in one notebook with
``%load_ext cvlab.classroom.running.virtual_gpu``, elsewhere with ``with switched_on():``. What it
cannot show stands in the instructor's guide: a GPU's speed, its memory, its own loops' rounding.
"""

from __future__ import annotations

import contextlib
import os
import threading
from collections.abc import Iterator
from typing import Any
from unittest import mock

import torch

from cvlab.classroom.running.virtual_gpu.draws import Generator, gpu_numbers
from cvlab.classroom.running.virtual_gpu.names import Names
from cvlab.classroom.running.virtual_gpu.rules import hold, lift
from cvlab.classroom.running.virtual_gpu.sides import (
    CPU,
    CUDA,
    MARK,
    OPEN,
    during,
    gpu_here,
    has_gpu,
    now,
    place,
)

_engine_of_torch = torch.autograd._engine_run_backward
_start_of_thread = threading.Thread.start


def _engine(*args: Any, **kwargs: Any) -> Any:
    """Run the backward pass with `Names` in force: hooks and functions of Python name devices."""
    if now.named:
        with during(fresh=OPEN, wanted=None):
            return _engine_of_torch(*args, **kwargs)
    with during(fresh=OPEN, wanted=None, named=True), Names():
        return _engine_of_torch(*args, **kwargs)


def _start_thread(thread: threading.Thread) -> None:
    """Start a thread in which the modes hold, which torch keeps for each thread."""
    run = thread.run

    def run_with_modes() -> None:
        with Names():
            hold()
            run()

    thread.run = run_with_modes  # type: ignore[method-assign]
    _start_of_thread(thread)


def _tag(found: torch.UntypedStorage) -> str | None:
    """Say that a saved storage was on the GPU."""
    return "cuda:0" if has_gpu() and getattr(found, MARK, CPU) == CUDA else None


def _restore(found: torch.UntypedStorage, location: str) -> torch.UntypedStorage | None:
    """Put a loaded storage on the GPU."""
    if not has_gpu() or not location.startswith(CUDA):
        return None
    place(location)
    setattr(found, MARK, CUDA)
    hold()
    return found


torch.serialization.register_package(5, _tag, _restore)


def _stand_ins() -> dict[str, Any]:
    """Return what ``torch.cuda`` answers where one GPU is."""
    return {
        "is_available": lambda: True,
        "is_initialized": lambda: True,
        "init": lambda: None,
        "device_count": lambda: 1,
        "current_device": lambda: 0,
        "set_device": lambda device: None,
        "get_device_name": lambda device=None: "cvlab's virtual GPU",
        "synchronize": lambda device=None: None,
        "empty_cache": lambda: None,
        "is_current_stream_capturing": lambda: False,
        "manual_seed": gpu_numbers.manual_seed,
        "manual_seed_all": gpu_numbers.manual_seed,
        "seed": gpu_numbers.seed,
        "seed_all": gpu_numbers.seed,
        "get_rng_state": lambda device=None: gpu_numbers.get_state(),
        "get_rng_state_all": lambda: [gpu_numbers.get_state()],
        "set_rng_state": lambda state, device=None: gpu_numbers.set_state(state),
        "set_rng_state_all": lambda states: gpu_numbers.set_state(states[0]),
    }


@contextlib.contextmanager
def switched_on() -> Iterator[None]:
    """Let this machine have one GPU, ``cuda:0``, that lies in its main memory.

    Raises:
        RuntimeError: if it has one already.
    """
    if has_gpu():
        raise RuntimeError("There is a virtual GPU already.")
    if torch.cuda.is_available():
        raise RuntimeError("This machine has a real GPU; unset CVLAB_DEVICE to use it.")
    patches = [mock.patch.object(torch.cuda, k, v) for k, v in _stand_ins().items()]
    patches += [
        mock.patch.object(torch, "Generator", Generator),
        mock.patch.object(torch.autograd, "_engine_run_backward", _engine),
        mock.patch.object(threading.Thread, "start", _start_thread),
        mock.patch.object(torch.backends.cudnn, "is_acceptable", return_value=False),
    ]
    patches += [
        mock.patch.object(torch.accelerator, name, return_value=0)
        for name in ("current_device_index", "set_device_index", "set_device_idx")
        if hasattr(torch.accelerator, name)
    ]
    health = "_accelerator_graph_capture_health_check", "_cuda_graph_capture_health_check"
    patches += [
        mock.patch.object(torch.optim.Optimizer, name)
        for name in health
        if hasattr(torch.optim.Optimizer, name)
    ]
    with contextlib.ExitStack() as stack:
        for patch in patches:
            stack.enter_context(patch)
        stack.enter_context(gpu_here())
        stack.callback(lift)
        stack.enter_context(Names())
        gpu_numbers.manual_seed(torch.initial_seed())
        yield


_loaded = contextlib.ExitStack()


def load_ipython_extension(_shell: Any) -> None:
    """Give this kernel a virtual GPU: ``%load_ext cvlab.classroom.running.virtual_gpu``."""
    if os.environ.get("CVLAB_DEVICE") == "virtual":
        del os.environ["CVLAB_DEVICE"]  # to `cvlab.device` it is a GPU as any other
    _loaded.enter_context(switched_on())


def unload_ipython_extension(_shell: Any) -> None:
    """Take it away again."""
    _loaded.close()
