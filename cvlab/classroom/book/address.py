"""The repository's public address: it stands in `_config.yml`, and everything agrees with it."""

from __future__ import annotations

import re
from pathlib import Path

import yaml

from cvlab.classroom.notebooks import ROOT, repository_files, write

#: An address of this repository wherever one may be written: page, Colab link, install line, git.
_KNOWN = re.compile(r"github\.com[/:]([\w.-]+/[\w.-]+?)(?=\.git\b|[/\"'\s)#@>\\`]|$)", re.M)
_COLAB = re.compile(r"colab\.research\.google\.com/github/([\w.-]+/[\w.-]+)")
_TEXT = {
    ".cff",
    ".cfg",
    ".ipynb",
    ".json",
    ".md",
    ".py",
    ".toml",
    ".yml",
    ".yaml",
    ".bib",
    ".css",
    ".js",
}


def current(root: Path = ROOT) -> str:
    """Return the address in `_config.yml`, such as ``https://github.com/owner/name``."""
    config = yaml.safe_load((root / "_config.yml").read_text(encoding="utf-8"))
    return config["repository"]["url"]


def slug(url: str) -> str:
    """Return ``owner/name`` of an address.

    Raises:
        ValueError: if it is no https address of a repository on GitHub, which Colab opens from.
    """
    match = re.fullmatch(r"https://github\.com/([\w.-]+/[\w.-]+?)/?", url)
    if not match or match[1].endswith(".git"):
        raise ValueError(
            f"{url!r} is not of the form https://github.com/OWNER/NAME, which Colab needs."
        )
    return match[1]


def files_that_name_it(root: Path) -> list[Path]:
    """Return the text files in which the repository's address is changed."""
    # The tests speak of other addresses on purpose.
    return [
        path
        for path in repository_files(root)
        if path.suffix in _TEXT and not path.is_relative_to(root / "tests")
    ]


def faults(root: Path = ROOT) -> list[str]:
    """Return the files that name a fork, an old place or a misspelt address of this repository.

    A name that ends as ours does under another owner, and every Colab link, must be ours.
    """
    ours = slug(current(root))
    name = ours.split("/")[1]
    found = []
    for path in files_that_name_it(root):
        text = path.read_text(encoding="utf-8", errors="replace")
        strangers = {m for m in _KNOWN.findall(text) if m.endswith(f"/{name}") and m != ours}
        strangers |= {m for m in _COLAB.findall(text) if m != ours}
        found += [
            f"{path.relative_to(root)} names {stranger}; the repository is {ours}."
            for stranger in sorted(strangers)
        ]
    return found


def move(url: str, root: Path = ROOT) -> list[Path]:
    """Write a new address wherever the present one stands; return the files changed."""
    old, new = slug(current(root)), slug(url)
    whole = re.compile(rf"(?<![\w.-]){re.escape(old)}(?![\w-])")
    changed = []
    for path in files_that_name_it(root):
        text = path.read_text(encoding="utf-8", errors="replace")
        moved = whole.sub(new, text)
        if moved != text:
            write(path, moved)
            changed.append(path)
    return changed
