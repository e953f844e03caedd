"""Which notebooks a run of the tests executes: one part in turn, and what changed of late.

To execute every notebook takes longer with each chapter; the tests must not. So a chapter's turn
comes with one commit in `PARTS`, by the commit's name: the same commit always runs the same ones.
Its exercise has its turn with it: the solution, the probes and the answers in another style. What
changed in the last `RECENT` commits has a turn as well. `make book` executes all pages, and the
weekly tests everything.
"""

from __future__ import annotations

import os
import subprocess
from collections.abc import Sequence
from pathlib import Path

from cvlab.classroom.notebooks import ROOT

PARTS = 8
RECENT = 30  #: commits
CHOICES = ("all", *map(str, range(1, PARTS + 1)))


def part() -> str:
    """Return the part whose turn it is: of ``CVLAB_PART``, all once a week, or by the commit.

    Raises:
        ValueError: if ``CVLAB_PART`` is no part.
    """
    asked = os.environ.get("CVLAB_PART", "")
    if asked and asked not in CHOICES:
        raise ValueError(f"CVLAB_PART is {asked!r}; it must be one of {', '.join(CHOICES)}.")
    if asked or os.environ.get("CVLAB_WEEKLY") == "1":
        return asked or "all"
    commit = _git("rev-parse", "HEAD")
    return str(int(commit[:8] or "0", 16) % PARTS + 1)


def due(pages: Sequence[Path], turn: str, beside: Sequence[Path] = ()) -> list[Path]:
    """Return the notebooks that have their turn.

    Args:
        pages: notebooks in the book's order; neighbours, which cost alike, are in different parts.
        turn: see `part`.
        beside: the chapters, if `pages` are their solutions: equal names have one turn.
    """
    if turn == "all":
        return list(pages)
    names = [page.stem for page in beside or pages]
    of_part = set(names[int(turn) - 1 :: PARTS])
    # A solution without a chapter would never have a turn.
    of_part |= {page.stem for page in pages} - set(names)
    lately = {path.stem for path in changed()}
    return [page for page in pages if page.stem in of_part or lately & {page.stem, topic(page)}]


def topic(page: Path) -> str:
    """Return a notebook's name without its number, as the module of its right answers has it."""
    return page.stem.partition("_")[2] or page.stem


def changed(commits: int | None = None) -> set[Path]:
    """Return the files that the last commits or nobody's commit changed, as far as git knows.

    A clone without history tells nothing: to its only commit, every file is new.
    """
    if _git("rev-list", "--count", "--max-count=2", "HEAD") in ("", "1"):
        return set()
    lines = _git("log", f"-{commits or RECENT}", "--name-only", "--format=").splitlines()
    lines += _git("diff", "HEAD", "--name-only").splitlines()
    lines += _git("ls-files", "--others", "--exclude-standard").splitlines()
    return {ROOT / line for line in lines}


def lately(about: Sequence[str]) -> bool:
    """Say whether one of these files or folders changed in the last commits, or may have.

    Args:
        about: names from the top folder, with slashes.

    Raises:
        ValueError: if one does not exist: what waits for its changes would never have a turn.
    """
    for name in about:
        if not (ROOT / name).exists():
            raise ValueError(f"there is no {name} whose changes one could wait for; name it anew.")
    known = changed()
    places = {ROOT / name for name in about}
    return not known or any(places & {path, *path.parents} for path in known)


def unpublished() -> int:
    """Return how many commits the upstream branch lacks; one where git knows of none."""
    return max(1, int(_git("rev-list", "--count", "@{upstream}..HEAD") or 0))


def _git(*words: str) -> str:
    """Return what git prints, or nothing where there is no repository."""
    command = ["git", "-C", str(ROOT), "-c", "core.quotepath=off", *words]
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=False)
    except FileNotFoundError:
        return ""
    return done.stdout.strip() if done.returncode == 0 else ""
