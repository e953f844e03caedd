"""Pages lead to the PDF and the EPUB exactly where these exist and are of the same pages."""

from __future__ import annotations

import re
from pathlib import Path

FILES = {"cvlab.pdf": "PDF", "cvlab.epub": "EPUB"}
#: The pages that have a place for the links: an empty `<div class="cvlab-downloads"></div>`.
PAGES = ("index.html", "how_to_use.html")

_PLACE = re.compile(r'(<div class="cvlab-downloads">).*?(</div>)', re.S)


def offer(folder: Path) -> None:
    """Write the links into a built book's pages, or take them out."""
    links = [
        f'<a href="{name}">{kind}, {(folder / name).stat().st_size / 1e6:.0f} MB</a>'
        for name, kind in FILES.items()
        if (folder / name).exists()
    ]
    line = f"<p>The whole book as one file: {', or '.join(links)}.</p>" if links else ""
    for name in PAGES:
        path = folder / name
        if path.exists():
            text = path.read_text(encoding="utf-8")
            mended = _PLACE.sub(lambda place: f"{place[1]}{line}{place[2]}", text)
            if mended != text:
                path.write_text(mended, encoding="utf-8")


def withdraw(folder: Path) -> list[str]:
    """Remove the files and the links to them, because the pages have changed; name the files."""
    gone = [name for name in FILES if (folder / name).exists()]
    for name in gone:
        (folder / name).unlink()
    offer(folder)
    return gone
