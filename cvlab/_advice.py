"""What Python says when a notebook imports torch and it is not installed: what to do.

Chapters 01 to 07 are NumPy for the most part, so the package installs without torch.
"""

from __future__ import annotations

import sys
from importlib.abc import MetaPathFinder

_TORCH = ("torch", "torchvision")


class _Advice(MetaPathFinder):
    """The last place where Python looks for a module, reached only when nobody has it."""

    def find_spec(self, name: str, path: object = None, target: object = None) -> None:
        """Raise a sentence for torch; leave every other module to Python's own."""
        # A library that merely asks whether torch is there, by `find_spec`, gets None.
        asks = sys._getframe(2).f_code.co_name == "find_spec"
        if name in _TORCH and not asks:
            raise ModuleNotFoundError(
                f"{name} is not installed, and this needs it. Install it with "
                "`pip install 'cvlab[torch]'`, restart the kernel and run the notebook again; "
                "what uses NumPy alone runs without.",
                name=name,
            )


def install() -> None:
    """Look here last, once per process."""
    if not any(type(finder).__name__ == _Advice.__name__ for finder in sys.meta_path):
        sys.meta_path.append(_Advice())
