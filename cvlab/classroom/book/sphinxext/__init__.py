"""What the book adds to Sphinx: Deeper sections, questions, numbers of equations, citations.

Enabled in `_config.yml`, one extension a module. `page`, one floor up, mends the template instead.
"""

from __future__ import annotations

import importlib
import pkgutil
import re
from typing import Any


def chapter_number(name: str) -> str | None:
    """Return a chapter's number from its file's name: 9 of `09_convolution`, 27a of `27a_flow`."""
    match = re.match(r"0*(\d+[a-z]?)_", name.rpartition("/")[2])
    return match[1] if match else None


def setup(app: Any) -> dict[str, Any]:
    """Register all the extensions of this package."""
    for module in pkgutil.iter_modules(__path__):
        extension = importlib.import_module(f"{__name__}.{module.name}")
        if hasattr(extension, "setup"):
            app.setup_extension(extension.__name__)
    return {"version": "1", "parallel_read_safe": True, "parallel_write_safe": True}
