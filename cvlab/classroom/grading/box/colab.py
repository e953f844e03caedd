"""What only Colab has, for a box: modules whose functions do nothing.

Notebooks that were written in Colab mount a drive, ask for a file or show an image by functions of
`google.colab`, often in the cell of an answer, which would end there with a `ModuleNotFoundError`.
"""

from __future__ import annotations

import importlib
import sys
from collections.abc import Callable, Sequence
from importlib.abc import Loader, MetaPathFinder
from importlib.machinery import ModuleSpec
from types import ModuleType
from typing import Any

NAME = "google.colab"
#: What is known of an answer, where `None` would end a notebook that goes on with it.
ANSWERS: dict[str, Callable[[], Any]] = {"upload": dict, "upload_file": str, "get": str}


class _StandIn(ModuleType):
    """A package that has every module, and a module with every function: it does nothing."""

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        if self.__name__ == NAME:
            return importlib.import_module(f"{NAME}.{name}")
        return lambda *_arguments, **_options: ANSWERS.get(name, type(None))()


class Finder(MetaPathFinder, Loader):
    """Finds `google.colab` and all below it, and `google` where nothing else has it."""

    def find_spec(
        self, fullname: str, path: Sequence[str] | None = None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        """Return how a module is made, or None if it is none of Colab's."""
        if fullname in ("google", NAME) or fullname.startswith(f"{NAME}."):
            return ModuleSpec(fullname, self, is_package=True)
        return None

    def create_module(self, spec: ModuleSpec) -> ModuleType:
        """Return an empty module; it is no attribute of the package before it is imported."""
        return ModuleType(spec.name) if spec.name == "google" else _StandIn(spec.name)

    def exec_module(self, module: ModuleType) -> None:
        """There is nothing to execute."""


def install() -> None:
    """Let a process import `google.colab`; where the real one is, that comes first.

    It is not imported here: notebooks look for it in `sys.modules` to learn whether they run there.
    """
    if not any(isinstance(finder, Finder) for finder in sys.meta_path):
        sys.meta_path.append(Finder())
