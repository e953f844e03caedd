"""The data that a run read: which files, and whether they are still the same."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from cvlab.classroom.notebooks import ROOT


def folders() -> dict[str, Path]:
    """Return the folders whose files count as data: the checkout and `cvlab.data`'s own."""
    cache = os.environ.get("XDG_CACHE_HOME") or Path("~/.cache").expanduser()
    data = Path(os.environ.get("CVLAB_DATA") or Path(cache) / "cvlab").expanduser()
    return {"checkout": ROOT, "data": Path(os.path.realpath(data))}


def read(opened: str) -> list[dict[str, Any]]:
    """Return the files that a run read, from the lines that `probe` noted.

    Files that the run itself wrote into the checkout are no input. Of the data folder they are,
    because what was downloaded stays there.
    """
    lines = [json.loads(line) for line in opened.splitlines()]
    written = {line["path"] for line in lines if line["written"]}
    found: dict[tuple[str, str], dict[str, Any]] = {}
    for line in lines:
        place = None if line["written"] else _place(Path(line["path"]))
        if place is None or (place[0] == "checkout" and line["path"] in written):
            continue
        size, mtime = line["state"]
        found[place] = {"in": place[0], "path": place[1], "size": size, "mtime_ns": mtime}
    # What was removed again before the end was of passing use.
    there = folders()
    return [found[place] for place in sorted(found) if there[place[0]].joinpath(place[1]).exists()]


def _place(path: Path) -> tuple[str, str] | None:
    """Return the folder and the path inside it, or None if the file is no data."""
    inside = {name: folder for name, folder in folders().items() if path.is_relative_to(folder)}
    if not inside:
        return None
    name = max(inside, key=lambda key: len(inside[key].parts))  # the innermost
    relative = path.relative_to(inside[name])
    if name == "checkout":
        environment = Path(sys.prefix).resolve()
        installed = environment.is_relative_to(ROOT) and path.is_relative_to(environment)
        made = relative.parts[0] == "_build" or relative.parts[0].startswith(".")
        # The lock and the package's tables are part of the digest.
        known = relative.name == "requirements.lock" or (
            relative.parts[0] == "cvlab" and path.suffix == ".csv"
        )
        if installed or made or known:
            return None
    return name, relative.as_posix()


def unchanged(files: Iterable[dict[str, Any]]) -> bool:
    """Return whether every file is what it was when it was read."""
    there = folders()
    for file in files:
        try:
            found = there[file["in"]].joinpath(file["path"]).stat()
        except OSError:
            return False
        if (found.st_size, found.st_mtime_ns) != (file["size"], file["mtime_ns"]):
            return False
    return True
