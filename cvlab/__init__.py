"""cvlab: the helper package of an interactive course on machine learning for computer vision.

A notebook begins with its imports and then ``cvlab.setup(seed=0)``. Heavy libraries (torch,
torchvision, OpenCV, scikit-learn) are imported by the functions that use them, so that
``import cvlab`` stays fast.
"""

from __future__ import annotations

import contextlib
import os
import random
import sys
from importlib.metadata import PackageNotFoundError, version
from typing import TYPE_CHECKING, Any

import numpy as np

from cvlab import _advice

if TYPE_CHECKING:
    import torch

try:
    __version__ = version("cvlab")
except PackageNotFoundError:  # run from a source tree that was never installed
    __version__ = "0+unknown"

_advice.install()

__all__ = ["__version__", "device", "glue", "setup"]


def setup(seed: int = 0) -> None:
    """Make a notebook repeatable and its figures uniform.

    Seeds Python, NumPy's legacy generator and, when the notebook has imported it, torch; sets the
    course's plot style. Call it after the imports. Code of the course prefers explicit generators
    (``np.random.default_rng(seed)``); the global seeds are for libraries that offer nothing else.

    With torch, convolutions on a GPU keep the 23 bits of float32 as they do on a CPU. By default
    cuDNN rounds their operands to ten bits (TF32), and equal layers differ by a thousandth.

    Args:
        seed: a non-negative integer below 2**32.

    Raises:
        TypeError: if ``seed`` is not an integer.
        ValueError: if it is negative or too large.

    >>> setup(seed=0)
    >>> int(np.random.randint(1000))
    684
    """
    if isinstance(seed, bool) or not isinstance(seed, (int, np.integer)):
        raise TypeError(f"seed must be an integer, not {type(seed).__name__}.")
    if not 0 <= seed < 2**32:
        raise ValueError(f"seed must lie between 0 and 2**32 - 1, not {seed}.")
    random.seed(int(seed))
    # Third-party code without a generator argument reads this one.
    np.random.seed(int(seed))  # noqa: NPY002
    if (torch := sys.modules.get("torch")) is not None:  # None is how one blocks a module
        torch.manual_seed(int(seed))
        torch.backends.cudnn.allow_tf32 = False
    from cvlab import plot

    plot.use_style()


def device() -> torch.device:
    """Return the device that tensors should live on: a CUDA GPU if there is one, else the CPU.

    The environment variable ``CVLAB_DEVICE`` (``cpu``, ``cuda``, ``cuda:1``) overrides the choice.

    Raises:
        ValueError: if ``CVLAB_DEVICE`` names a device that this machine does not have.
    """
    import torch

    wanted = os.environ.get("CVLAB_DEVICE")
    if not wanted:
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    try:
        chosen = torch.device(wanted)
        torch.ones(1, device=chosen).item()  # 'meta' can be named but holds no numbers
    except (RuntimeError, AssertionError, NotImplementedError) as error:
        raise ValueError(
            f"CVLAB_DEVICE={wanted!r} cannot be used on this machine; unset it or set it to 'cpu'."
        ) from error
    return chosen


def glue(name: str, value: Any) -> None:
    """Store a result of the run under ``name`` so that the text can quote it.

    The book reads it back with ``{glue:text}`name:.3f```. Outside the book nothing is shown. The
    format is the one of MyST-NB, which readers of the notebook need not install.

    Args:
        name: the key, unique in its notebook.
        value: a number or a string; NumPy and torch scalars are unwrapped.

    Raises:
        TypeError: if ``name`` is not a string or ``value`` is not a scalar.
        ValueError: if the name is empty, or a number is not finite: the text would quote nonsense.

    >>> glue("accuracy", [0.9, 0.8])
    Traceback (most recent call last):
    ...
    TypeError: glue('accuracy', ...) takes one number or string, not list; reduce it first.
    """
    if not isinstance(name, str):
        raise TypeError(f"glue takes a string as name, not {type(name).__name__}.")
    if not name.strip():
        raise ValueError("glue needs a name by which the text can quote the number.")
    if hasattr(value, "item"):
        # An array or tensor of several elements has no item and is refused below.
        with contextlib.suppress(ValueError, RuntimeError):
            value = value.item()
    if not isinstance(value, (bool, int, float, str)):
        raise TypeError(
            f"glue({name!r}, ...) takes one number or string, not {type(value).__name__}; "
            "reduce it first."
        )
    if isinstance(value, float) and not np.isfinite(value):
        raise ValueError(f"glue({name!r}, {value}): the number is not finite.")

    from IPython.display import display

    prefix = "application/papermill.record/"
    display(
        {f"{prefix}text/plain": repr(value)},
        metadata={"scrapbook": {"name": name, "mime_prefix": prefix}},
        raw=True,
    )
