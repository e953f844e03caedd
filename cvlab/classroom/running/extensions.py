"""What the environment asks to load into each kernel before its first cell.

Variables of libraries (`arithmetic`) reach a kernel by themselves. What has to be *done* in it
comes as an extension of IPython, which a kernel loads from its configuration, warm or not: the
variable ``IPYTHONDIR`` leads it to a folder with one. So whatever starts kernels by name, nbval
included, starts them like this.
"""

from __future__ import annotations

import os
from pathlib import Path

from cvlab.classroom.notebooks import write
from cvlab.classroom.running import arithmetic

VIRTUAL = "virtual"


def wanted() -> list[str]:
    """Return the modules to load: a virtual GPU, rounding as on a GPU.

    Raises:
        ValueError: if ``CVLAB_ARITHMETIC`` is none of its choices.
    """
    found = []
    if os.environ.get("CVLAB_DEVICE") == VIRTUAL:
        found.append("cvlab.classroom.running.virtual_gpu")
    if arithmetic.chosen() == "tf32":
        found.append("cvlab.classroom.running.tf32")
    return found


def environment(folder: Path) -> dict[str, str]:
    """Return the variables by which a kernel loads what is wanted; none for an ordinary one.

    Args:
        folder: gets the configuration; all kernels of one choice may share it.

    Raises:
        ValueError: if ``CVLAB_ARITHMETIC`` is none of its choices.
    """
    modules = wanted()
    if not modules:
        return {}
    place = folder / "-".join(module.rpartition(".")[2] for module in modules)
    profile = place / "profile_default"
    profile.mkdir(parents=True, exist_ok=True)
    config, text = profile / "ipython_kernel_config.py", f"c.IPKernelApp.extensions = {modules!r}\n"
    if not config.exists() or config.read_text(encoding="utf-8") != text:
        write(config, text)
    return {"IPYTHONDIR": str(place)}
