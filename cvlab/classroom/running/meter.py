"""What measures a notebook from inside its kernel: sent there as text, it needs no package.

It notes which files the run opens, and after each cell how much memory and processor time the
kernel has used, peaks included that no sampling from outside would see.
"""

from __future__ import annotations

import contextlib
import json
import os
import stat
import sys
from typing import Any


def install(folders: list[str], private: str) -> None:
    """Begin to measure, before the first cell.

    Args:
        folders: files inside these are noted when opened, in ``opened`` in the private folder.
        private: a folder for what is measured.
    """
    inside = tuple(os.path.join(folder, "") for folder in folders)
    sys.addaudithook(_noter(inside, os.path.join(private, "")))
    shell = sys.modules["IPython"].get_ipython()
    shell.events.register("post_run_cell", lambda _result: _write(private, "usage", usage()))


def _noter(inside: tuple[str, ...], private: str) -> Any:
    """Return an audit hook that notes files inside some folders with their size and time."""
    seen: dict[tuple[str, bool], tuple[int, int] | None] = {}

    def note(name: Any, _mode: str | None, flags: int) -> None:
        if isinstance(name, int):
            return
        path = os.path.realpath(os.fsdecode(name))
        if path.endswith((".py", ".pyc")) or not path.startswith(inside):
            return
        if path.startswith(private):
            return
        written = bool(flags & (os.O_WRONLY | os.O_RDWR))
        state = None if written else _state(path)
        if (path, written) in seen and seen[path, written] == state:
            return
        seen[path, written] = state
        if not written and state is None:
            return  # it is missing, or no regular file
        line = json.dumps({"path": path, "written": written, "state": state}) + "\n"
        # Opened for each line, so that workers forked by the notebook write here too.
        log = os.open(private + "opened", os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
        try:
            os.write(log, line.encode())
        finally:
            os.close(log)

    def hook(event: str, arguments: tuple[Any, ...]) -> None:
        if event == "open":
            # An error here would become the notebook's.
            with contextlib.suppress(Exception):
                note(*arguments)

    return hook


def _state(path: str) -> tuple[int, int] | None:
    try:
        found = os.stat(path)
    except OSError:
        return None
    return (found.st_size, found.st_mtime_ns) if stat.S_ISREG(found.st_mode) else None


def usage() -> dict[str, float]:
    """Return the peak memory in bytes and the processor time of this process and its children.

    Of children, it counts those that have ended and were waited for; of their memory, the largest.
    """
    found = {"cpu_seconds": sum(os.times()[:4]), "peak_bytes": 0}
    with contextlib.suppress(ImportError):  # Windows has no such module
        import resource

        unit = 1 if sys.platform == "darwin" else 1024
        own = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit
        with contextlib.suppress(OSError, IndexError), open("/proc/self/status") as file:
            # On Linux the above is no less than the memory of the process that started this one.
            own = int(file.read().split("VmHWM:")[1].split()[0]) * 1024
        children = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss * unit
        found["peak_bytes"] = max(own, children)
    return found


def finish(private: str) -> None:
    """Write what the page and the tests need to know: each widget drawn afresh, and the usage."""
    widgets = sys.modules.get("cvlab.widgets")
    proof = [
        {"frames": len(list(explorer.positions())), "proof": explorer.proof()}
        for explorer in (widgets.registry if widgets else [])
    ]
    _write(private, "report", {"widgets": proof} | usage())


def _write(private: str, name: str, content: dict[str, Any]) -> None:
    with open(os.path.join(private, name), "w", encoding="utf-8") as file:
        json.dump(content, file)
